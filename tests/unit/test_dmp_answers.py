"""What the DMP answers, classified."""

from __future__ import annotations

import pytest

from sunes_sdk._core.errors import DmpError, SoapFault, TransportError
from sunes_sdk._core.retry import RetryKind
from sunes_sdk._core.xml import parse
from sunes_sdk.dmp import answers, td02, td31b
from sunes_sdk.dmp.answers import refusal_of, refusal_of_fault, ruling
from sunes_sdk.model import ReasonClass
from sunes_sdk.testing import samples
from sunes_sdk.transport import HttpResponse, soap

RS = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
SEVERITY = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:"


def response(status: str, *errors: tuple[str, str, str]) -> answers.RegistryResponse:
    rows = "".join(
        f'<e:RegistryError errorCode="{code}" codeContext="{text}" severity="{SEVERITY}{severity}" location=""/>'
        for code, text, severity in errors
    )
    rows = f"<e:RegistryErrorList>{rows}</e:RegistryErrorList>"
    xml = f'<e:RegistryResponse xmlns:e="{RS}" status="{status}">{rows}</e:RegistryResponse>'
    return answers.read_response(parse(xml.encode()))


SUCCESS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
FAILURE = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure"
PARTIAL = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"


def test_success_may_carry_warnings() -> None:
    answer = response(SUCCESS, ("XDSExtraMetadataNotSaved", "x", "Warning"))
    assert answer.ok
    assert answer.warnings == ("XDSExtraMetadataNotSaved",)


def test_partial_success_and_an_absent_status_are_no_success() -> None:
    assert not response(PARTIAL).ok
    assert not response("").ok
    assert refusal_of(response("")).code == "status absent"


def test_the_first_error_wins_over_warnings() -> None:
    answer = response(FAILURE, ("XDSExtraMetadataNotSaved", "", "Warning"), (" XDSRegistryBusy ", "", "Error"))
    refusal = refusal_of(answer)
    assert refusal.code == "XDSRegistryBusy"
    assert refusal.ruling.retry.kind is RetryKind.AFTER


@pytest.mark.parametrize(
    ("code", "reason", "retry"),
    [
        ("XDSRepositoryBusy", ReasonClass.TRANSIENT, RetryKind.AFTER),
        ("XDSRegistryNotAvailable", ReasonClass.TRANSIENT, RetryKind.AFTER),
        ("XDSRepositoryOutOfResources", ReasonClass.TRANSIENT, RetryKind.AFTER),
        ("XDSRepositoryMetadataError", ReasonClass.METADATA, RetryKind.NEVER),
        ("XDSNonIdenticalHash", ReasonClass.DOCUMENT_INVALID, RetryKind.NEVER),
        ("InvalidDocumentContent", ReasonClass.DOCUMENT_INVALID, RetryKind.NEVER),
        ("XDSUnknownPatientId", ReasonClass.IDENTITY, RetryKind.NEVER),
        ("XDSPatientIdDoesNotMatch", ReasonClass.IDENTITY, RetryKind.NEVER),
        ("XDSDuplicateUniqueIdInRegistry", ReasonClass.DUPLICATE, RetryKind.NEVER),
        ("DMPClosed", ReasonClass.CONSENT, RetryKind.NEVER),
        ("DMPInvalidCertificate", ReasonClass.AUTH, RetryKind.NEVER),
        ("XDSUnknownStoredQuery", ReasonClass.CONFIG, RetryKind.NEVER),
        ("NeverHeardOf", ReasonClass.UNKNOWN, RetryKind.NEVER),
    ],
)
def test_each_code_has_a_ruling(code: str, reason: ReasonClass, retry: RetryKind) -> None:
    said = ruling(code)
    assert (said.reason, said.retry.kind) == (reason, retry)


def test_every_ruling_speaks_to_both_readers() -> None:
    for code, said in answers.RULINGS.items():
        assert said.hint, code
        assert said.hint_fr, code
        assert "automatique" not in said.hint_fr, "a direct call is repeated by nobody"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Aucun AuthorInstitution ne correspond à l'utilisateur du VIHF", ReasonClass.AUTH),
        ("Structure introuvable ou Inactive", ReasonClass.AUTH),
        ("PS et Structure non liés", ReasonClass.AUTH),
        ("Erreur d'authentification de la personne morale", ReasonClass.AUTH),
        ("Aucune spécialité dans le vihf pour…", ReasonClass.AUTH),
        ("Not a valid signature certificate", ReasonClass.AUTH),
        (
            "A required header representing a Message Addressing Property is not present",
            ReasonClass.CONFIG,
        ),
    ],
)
def test_texts_of_the_server_say_more_than_the_code(text: str, reason: ReasonClass) -> None:
    assert ruling("XDSRepositoryMetadataError", text).reason is reason


def fault(code: str, subcode: str, detail: str = "") -> SoapFault:
    body = (
        f'<s:Envelope xmlns:s="{soap.SOAP12}"><s:Body><s:Fault><s:Code><s:Value>s:{code}</s:Value>'
        f"<s:Subcode><s:Value>s:{subcode}</s:Value></s:Subcode></s:Code><s:Reason><s:Text>x</s:Text></s:Reason>"
        f"{detail}</s:Fault></s:Body></s:Envelope>"
    )
    with pytest.raises(SoapFault) as caught:
        soap.parse(body.encode(), "application/soap+xml")
    return caught.value


def test_a_fault_of_the_sender_is_sure() -> None:
    refusal = refusal_of_fault(fault("Sender", "DMPInvalidCertificate"))
    assert (refusal.code, refusal.sure) == ("DMPInvalidCertificate", True)
    assert refusal.ruling.reason is ReasonClass.AUTH


def test_a_fault_of_the_receiver_that_we_do_not_know_leaves_the_outcome_open() -> None:
    assert not refusal_of_fault(fault("Receiver", "Whatever")).sure
    assert refusal_of_fault(fault("Receiver", "XDSRepositoryBusy")).sure


def test_an_xds_code_in_the_detail_of_a_fault_is_found() -> None:
    detail = (
        f'<s:Detail><e:RegistryError xmlns:e="{RS}" errorCode="XDSDocumentUniqueIdError" codeContext="y"/></s:Detail>'
    )
    assert refusal_of_fault(fault("Receiver", "x", detail)).code == "XDSDocumentUniqueIdError"


def failure(code: str, status: int, answered: str = FAILURE) -> HttpResponse:
    body = (
        f'<q:AdhocQueryResponse xmlns:q="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" status="{answered}">'
        f'<e:RegistryErrorList xmlns:e="{RS}"><e:RegistryError errorCode="W" severity="{SEVERITY}Warning"/>'
        f'<e:RegistryError errorCode="{code}" codeContext="of 279035121518989" severity="{SEVERITY}Error"/>'
        "</e:RegistryErrorList></q:AdhocQueryResponse>"
    )
    envelope = soap.envelope(action="a", message_id="m", body=body.encode())
    return HttpResponse(status, {"content-type": "application/soap+xml"}, envelope)


@pytest.mark.parametrize(
    ("code", "status", "sure"),
    [("XDSRegistryMetadataError", 500, True), ("XDSRegistryBusy", 503, True), ("Whatever", 500, False),
     ("Whatever", 400, True)],
)  # fmt: skip
def test_a_failure_under_an_error_status_says_why(code: str, status: int, sure: bool) -> None:
    with pytest.raises(SoapFault) as caught:
        soap.read_answer(failure(code, status), answers.fault_of_failure)
    fault = caught.value
    assert (fault.remote_code, fault.remote_message) == (code, "of 279035121518989")
    assert "2790351215189" not in f"{fault}{fault!r}"
    refusal = refusal_of_fault(fault)
    assert (refusal.code, refusal.text, refusal.sure) == (code, "of 279035121518989", sure)


@pytest.mark.parametrize("answered", [SUCCESS, PARTIAL, ""])
def test_an_error_status_over_what_is_no_failure_tells_nothing(answered: str) -> None:
    with pytest.raises(TransportError) as caught:
        soap.read_answer(failure("XDSRegistryBusy", 500, answered), answers.fault_of_failure)
    assert (caught.value.code, caught.value.sent) == ("HTTP_STATUS", "maybe")


@pytest.mark.parametrize("said", ["Patient MARTIN inconnu", "urn:x:279035121518989", "y" * 81, "é"])
def test_what_is_no_code_is_not_shown_as_one(said: str) -> None:
    """It may name the patient. It stays in the text, which is kept out of repr and of messages."""
    (error,) = response(FAILURE, (said, "the reason", "Error")).errors
    assert (error.code, error.context) == ("UNREADABLE", f"{said} the reason")
    assert said not in repr(error)
    raised = answers.error_of(refusal_of(response(FAILURE, (said, "the reason", "Error"))), "refused")
    assert (raised.remote_code, raised.remote_message) == ("UNREADABLE", f"{said} the reason")
    assert refusal_of(response(said)).code == "status UNREADABLE"
    assert answers.refused(said, "t").remote_message == f"{said} t"


def test_the_query_quotes_its_parameter() -> None:
    body = td31b.body("1.2'3")
    assert b"('1.2''3')" in body
    assert b'returnType="ObjectRef"' in body


def test_a_search_answer_may_hold_nothing() -> None:
    query = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
    assert td31b.decode(parse(f'<q:AdhocQueryResponse xmlns:q="{query}" status="{SUCCESS}"/>'.encode()), "1.2") == ()


HL7 = 'xmlns="urn:hl7-org:v3"'


@pytest.mark.parametrize(
    "xml",
    [
        f'<PRPA_IN201308UV02 {HL7}><acknowledgement typeCode="AE"/></PRPA_IN201308UV02>',
        f"<PRPA_IN201308UV02 {HL7}/>",
        f'<PRPA_IN201308UV02 {HL7}><acknowledgement typeCode="AA"/></PRPA_IN201308UV02>',
        f"<other {HL7}/>",
    ],
)
def test_td02_refusals(xml: str) -> None:
    with pytest.raises(DmpError) as caught:
        td02.decode(parse(xml.encode()), samples.ins())
    assert caught.value.code == "DMP_TD02"
