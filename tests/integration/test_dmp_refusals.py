"""Each check of the fake DMP refuses a mutated message of ours, with the right code and a text that says why."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from sunes_sdk._core.errors import DmpError, SoapFault
from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import DmpClient
from sunes_sdk.dmp import client as client_module
from sunes_sdk.model import Dmp, Ins, InsOid, Outcome, Prepared
from sunes_sdk.security import Pkcs12Signer, vihf, xades
from sunes_sdk.security.keys import load_certificates
from sunes_sdk.security.vihf import VihfRequest
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import PASSWORD, STRUCTURE, TestPki
from sunes_sdk.transport import HttpResponse, HttpsTransport

ACTOR = samples.physician().at(samples.hospital())
Mutation = Callable[[bytes], bytes]


class Tampering:
    """A transport that changes what passes: the body, and headers of the HTTP request."""

    def __init__(self, inner: HttpsTransport) -> None:
        self.inner = inner
        self.body: Mutation = lambda body: body
        self.content_type: Callable[[str], str] = lambda text: text

    def post(self, url: str, body: bytes | tuple[bytes, ...], headers: Mapping[str, str]) -> HttpResponse:
        body = body if isinstance(body, bytes) else b"".join(body)
        changed = {name: self.content_type(value) for name, value in headers.items()}
        return self.inner.post(url, self.body(body), changed)

    def close(self) -> None:
        self.inner.close()


class Scene:
    def __init__(self, dmp: FakeDmp, pki: TestPki) -> None:
        self.dmp = dmp
        self.pki = pki
        self.settings = samples.settings(dmp=dmp.settings())
        assert self.settings.dmp is not None
        self.wire = Tampering(HttpsTransport(self.settings.dmp.tls))
        self.client = DmpClient(self.settings, actor=ACTOR, transport=self.wire)
        self.signer = Pkcs12Signer(pki.signing.pkcs12, PASSWORD)

    def prepare(self, document: CdaDocument | None = None) -> Prepared:
        return self.client.prepare(document or samples.discharge_letter().render(samples.issuer()), Dmp())

    def refused(self, prepared: Prepared, code: str, text: str) -> None:
        """The delivery is refused with this code and a text holding `text`; without the tampering it is taken."""
        receipt = self.client.send(prepared)
        logged = self.dmp.requests[-1]
        assert receipt.outcome is Outcome.REJECTED
        assert receipt.code == code
        assert text in logged.text
        assert logged.answer == code
        assert self.dmp.documents == []


@pytest.fixture(scope="module")
def shared(pki: TestPki) -> Iterator[Scene]:
    with FakeDmp(pki) as dmp:
        dmp.open_dmp(samples.ins())
        scene = Scene(dmp, pki)
        with scene.client:
            yield scene


@pytest.fixture
def scene(shared: Scene) -> Scene:
    shared.dmp.clear()
    assert shared.settings.dmp is not None
    shared.wire.body = lambda body: body
    shared.wire.content_type = lambda text: text
    return shared


def sub(old: str | bytes, new: str | bytes, count: int = 1) -> Mutation:
    """Replace text that must be there."""
    before, after = (x.encode() if isinstance(x, str) else x for x in (old, new))

    def change(body: bytes) -> bytes:
        assert before in body
        return body.replace(before, after, count)

    return change


def regex(pattern: str, new: str, count: int = 1) -> Mutation:
    def change(body: bytes) -> bytes:
        changed, times = re.subn(pattern.encode(), new.encode(), body, count=count, flags=re.DOTALL)
        assert times
        return changed

    return change


def with_ebrim(prepared: Prepared, change: Mutation) -> Prepared:
    return replace(prepared, blobs=prepared.blobs | {"ebrim": change(prepared.blobs["ebrim"])})


def with_blob(prepared: Prepared, name: str, data: bytes) -> Prepared:
    """Other bytes under metadata that agree with them: hash and size are mended."""
    old = prepared.blobs[name]
    blobs = prepared.blobs | {name: data}

    def mend(ebrim: bytes) -> bytes:
        ebrim = ebrim.replace(_sha1(old), _sha1(data))
        return ebrim.replace(b"<rim:Value>%d</rim:Value>" % len(old), b"<rim:Value>%d</rim:Value>" % len(data))

    return with_ebrim(replace(prepared, blobs=blobs), mend)


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data).hexdigest().encode()


# --- envelope ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mutation", "code", "text"),
    [
        (
            sub("http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"),
            "VersionMismatch",
            "SOAP 1.2",
        ),
        (regex("<wsa:MessageID>.*?</wsa:MessageID>", ""), "MessageAddressingHeaderRequired", "MessageID"),
        (regex("<wsa:To>.*?</wsa:To>|<wsa:To/>", ""), "MessageAddressingHeaderRequired", "To"),
        (regex("<wsa:ReplyTo>.*?</wsa:ReplyTo>", ""), "MessageAddressingHeaderRequired", "ReplyTo"),
        (regex("<wsa:Action .*?</wsa:Action>", ""), "MessageAddressingHeaderRequired", "Action"),
        (sub("addressing/anonymous", "addressing/none"), "InvalidAddressingHeader", "anonymous"),
        (sub('mustUnderstand="true"', 'mustUnderstand="false"'), "InvalidAddressingHeader", "mustUnderstand"),
        (sub("DocumentSet-b</wsa:Action>", "DocumentSet</wsa:Action>"), "ActionMismatch", "ProvideAndRegister"),
        (sub("<wsa:MessageID>urn:uuid:", "<wsa:MessageID>"), "InvalidAddressingHeader", "urn:uuid:"),
        (regex("<wsse:Security .*?</wsse:Security>", ""), "InvalidSecurity", "wsse:Security"),
        (
            sub("</wsse:Security>", "<wsse:UsernameToken/></wsse:Security>"),
            "InvalidSecurity",
            "nothing else",
        ),
        (sub("<soap:Body>", "<soap:Body><x/>"), "Sender", "one element"),
        (sub("ProvideAndRegisterDocumentSetRequest", "ProvideRequest", 2), "Sender", "unknown body"),
        (sub("<soap:Header>", "<soap:Headr>"), "Sender", "XML_MALFORMED"),
        (sub("Content-ID: <", "Content-ID: <x"), "Sender", "cannot be read: MTOM_ROOT"),
    ],
)
def test_envelope(scene: Scene, mutation: Mutation, code: str, text: str) -> None:
    scene.wire.body = mutation
    scene.refused(scene.prepare(), code, text)


@pytest.mark.parametrize(
    "old",
    ['type="application/xop+xml"', 'start-info="application/soap+xml"', "multipart/related"],
)
def test_mtom_framing(scene: Scene, old: str) -> None:
    def change(content_type: str) -> str:
        assert old in content_type
        return content_type.replace(old, "multipart/mixed" if "/related" in old else 'x="y"', 1)

    scene.wire.content_type = change
    scene.refused(scene.prepare(), "Sender", "MTOM")


def test_the_root_part_comes_first(scene: Scene) -> None:
    def turn(body: bytes) -> bytes:
        dash = body[: body.index(b"\r\n")]
        root, *others = body.split(dash)[1:-1]
        return dash + dash.join([*others, root]) + dash + b"--\r\n"

    scene.wire.body = turn
    scene.refused(scene.prepare(), "Sender", "the root part must start the multipart")


def test_a_replayed_envelope_is_refused(scene: Scene) -> None:
    kept: list[bytes] = []

    def replay(body: bytes) -> bytes:
        kept.append(body)
        return kept[0]

    scene.wire.body = replay
    scene.dmp.fail_next("XDSRepositoryBusy")
    prepared = scene.prepare()
    assert scene.client.send(prepared).code == "XDSRepositoryBusy"
    scene.wire.content_type = lambda _: first_type(kept[0])
    scene.refused(prepared, "InvalidSecurity", "fresh at each attempt")


def first_type(body: bytes) -> str:
    boundary = body[2 : body.index(b"\r\n")].decode()
    root_id = re.search(rb"Content-ID: <([^>]+)>", body)
    assert root_id
    return (
        f'multipart/related; type="application/xop+xml"; start="<{root_id.group(1).decode()}>"; '
        f'start-info="application/soap+xml"; boundary="{boundary}"'
    )


# --- certificates and VIHF --------------------------------------------------------------------------------------------


def test_a_tls_certificate_for_signing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    unchecked = "sunes_sdk.transport.https.check_certificate_file"
    monkeypatch.setattr(unchecked, lambda path, **_: load_certificates(path)[0])
    swapped = HttpsTransport(scene.pki.signing.tls(scene.pki.ca_file))
    monkeypatch.setattr(scene.wire, "inner", swapped)
    scene.refused(scene.prepare(), "DMPInvalidCertificate", "Not a valid authentication certificate")
    swapped.close()


def test_a_tls_certificate_of_another_structure(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sunes_sdk.testing.dmp_rules.check_client", lambda _: "1750000001")
    scene.refused(scene.prepare(), "DMPAccessDeniedByRightsService", "authentification de la personne morale")


@pytest.mark.parametrize(
    ("key", "code", "text"),
    [
        ("client", "DMPInvalidCertificate", "Not a valid signature certificate"),
        ("rogue_client", "DMPInvalidCertificate", "signing certificate"),
        ("expired_signing", "DMPInvalidCertificate", "signing certificate"),
    ],
)
def test_a_vihf_signed_by_another_certificate(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, key: str, code: str, text: str
) -> None:
    prepared = scene.prepare()
    issued = getattr(scene.pki, key)
    monkeypatch.setattr(scene.client, "_signer", Unchecked(issued.pkcs12))
    scene.refused(prepared, code, text)


class Unchecked:
    """A signer that does not look at dates and usage."""

    def __init__(self, path: Any) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

        from sunes_sdk.security.keys import distinguished_name

        bundle = pkcs12.load_pkcs12(path.read_bytes(), PASSWORD.encode())
        assert bundle.cert is not None
        self.key: Any = bundle.key
        self.subject_dn = distinguished_name(bundle.cert.certificate.subject)
        self.certificate_der = bundle.cert.certificate.public_bytes(Encoding.DER)
        self.chain_der = (
            self.certificate_der,
            *(c.certificate.public_bytes(Encoding.DER) for c in bundle.additional_certs),
        )

    def sign(self, data: bytes, digest: str) -> bytes:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        return bytes(self.key.sign(data, padding.PKCS1v15(), hashes.SHA1() if digest == "sha1" else hashes.SHA256()))


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("SA01^", "SA02^", "SIGNATURE_DIGEST"),
        ('ID="_', 'ID="x', "SIGNATURE_REFERENCE"),
        ("</saml2:Issuer>", "x</saml2:Issuer>", "VIHF"),
        ("<SignatureValue>", "<SignatureValue>AAAA", "VIHF"),
        ("</saml2:Assertion>", "<saml2:Advice></saml2:Advice></saml2:Assertion>", "SIGNATURE_DIGEST"),
    ],
)
def test_a_vihf_changed_after_signing(scene: Scene, old: str, new: str, text: str) -> None:
    scene.wire.body = sub(old, new)
    scene.refused(scene.prepare(), "InvalidSecurity", text)


def role(code: str, system: str) -> Any:
    return samples.loinc(code, "x").model_copy(update={"system": system})


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"version": "4.0"}, "InvalidSecurity", "VIHF_Version"),
        ({"mode": "DIRECTE"}, "InvalidSecurity", "mode must be INDIRECTE"),
        ({"sector": role("SA01", "1.2.3")}, "InvalidSecurity", "Secteur_Activite"),
        ({"purpose": role("autre", "1.2.250.1.213.1.1.4.248")}, "InvalidSecurity", "PurposeOfUse"),
        ({"roles": (role("10", "1.2.3"), role("SM27", "1.2.250.1.71.4.2.5"))}, "InvalidSecurity", "no profession"),
        (
            {"roles": (role("10", "1.2.250.1.71.1.2.7"),)},
            "DMPAccessDeniedByRightsService",
            "Aucune spécialité dans le vihf",
        ),
        (
            {"roles": (role("21", "1.2.250.1.71.1.2.7"), role("SM27", "1.2.250.1.71.4.2.5"))},
            "DMPAccessDeniedByRightsService",
            "Aucune spécialité dans le vihf",
        ),
        (
            {"roles": (role("10", "1.2.250.1.71.1.2.7"), role("SM999", "1.2.250.1.71.4.2.5"))},
            "DMPAccessDeniedByRightsService",
            "Aucune spécialité dans le vihf",
        ),
        ({"roles": (role("777", "1.2.250.1.71.1.2.7"),)}, "InvalidSecurity", "no profession of JDV_J65"),
        ({"structure_id": "1750000001"}, "DMPAccessDeniedByRightsService", "Structure introuvable"),
        ({"subject_id": ""}, "InvalidSecurity", "subject-id"),
        ({"ins_cx": None}, "InvalidSecurity", "resource-id"),
        (
            {"ins_cx": "279035121518989^^^&1.2.250.1.213.1.4.8&ISO^NH"},
            "XDSUnknownPatientId",
            "must be 1.2.250.1.213.1.4.10",
        ),
        ({"ins_cx": "279035121518989"}, "XDSUnknownPatientId", "not <INS>"),
        ({"ins_cx": "207058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH"}, "XDSPatientIdDoesNotMatch", "not the patient"),
        ({"software_name": ""}, "InvalidSecurity", "LPS_Nom"),
        ({"software_version": ""}, "InvalidSecurity", "LPS_Version"),
        ({"software_id": ""}, "InvalidSecurity", "LPS_ID"),
        ({"homologation": ""}, "InvalidSecurity", "LPS_ID_HOMOLOGATION_DMP"),
        ({"issuer": "CN=other"}, "InvalidSecurity", "VIHF_ISSUER"),
        ({"subject": "801234567890"}, "XDSRepositoryMetadataError", "Aucun AuthorInstitution"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_signed_vihf_that_says_otherwise(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], code: str, text: str
) -> None:
    monkeypatch.setattr(client_module, "vihf", Otherwise(change))
    scene.refused(scene.prepare(), code, text)


@pytest.mark.parametrize(
    ("pattern", "new", "text"),
    [
        ('IssueInstant="[^"]*"', 'IssueInstant="hier"', "IssueInstant is not"),
        ("<saml2:AuthnStatement ", "<saml2:Conditions><saml2:AudienceRestriction><saml2:Audience>x</saml2:Audience>"
         "</saml2:AudienceRestriction></saml2:Conditions><saml2:AuthnStatement ", "AudienceRestriction is not"),
    ],
)  # fmt: skip
def test_a_vihf_that_was_signed_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, pattern: str, new: str, text: str
) -> None:
    """Texts that `vihf.build` never writes, under a signature that holds."""
    digest_value = vihf.dsig.digest_value

    def changed(data: bytes) -> bytes:
        found, times = re.subn(pattern.encode(), new.encode(), data, count=1)
        return found if times else data

    monkeypatch.setattr(vihf.dsig, "digest_value", lambda data, name: digest_value(changed(data), name))
    scene.wire.body = changed
    scene.refused(scene.prepare(), "InvalidSecurity", text)


def test_a_vihf_in_the_name_of_another_structure(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that the DMP knows, and for which the holder of the certificate does not speak."""
    monkeypatch.setattr(scene.dmp, "_structures", frozenset({STRUCTURE, "1750000001"}))
    monkeypatch.setattr(client_module, "vihf", Otherwise({"structure_id": "1750000001"}))
    scene.refused(scene.prepare(), "DMPAccessDeniedByRightsService", "authentification de la personne morale")


class Otherwise:
    """`vihf.build` of a request with fields changed past its own checks, signed as usual."""

    def __init__(self, change: dict[str, Any]) -> None:
        self.change = change

    def build(self, request: VihfRequest, *args: Any, **options: Any) -> bytes:
        for name, value in self.change.items():
            object.__setattr__(request, name, value)
        return vihf.build(request, *args, **options)


END = "</rim:RegistryObjectList>"
NIL = "00000000-0000-0000-0000-000000000000"
HAS_MEMBER = (
    '<rim:Association id="{}" associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"'
    ' sourceObject="SubmissionSet01" targetObject="{}"><rim:Slot name="SubmissionSetStatus"><rim:ValueList><rim:Value>'
    "Original</rim:Value></rim:ValueList></rim:Slot></rim:Association>"
)
SIGNS = (
    '<rim:Association id="{}" associationType="urn:ihe:iti:2007:AssociationType:signs" sourceObject="{}"'
    ' targetObject="SubmissionSet01"/>'
)
RPLC = (
    '<rim:Association id="{}" associationType="urn:ihe:iti:2007:AssociationType:RPLC" sourceObject="Document01"'
    ' targetObject="urn:uuid:{}"/>'
)


# --- metadata ---------------------------------------------------------------------------------------------------------

SCHEMES = {
    "author of the set": "a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d",
    "contentTypeCode": "aa543740-bdda-424e-8c96-df4873be8500",
    "author": "93606bcf-9494-43ec-9b4e-a7748d1a838d",
    "classCode": "41a5887f-8865-4c09-adf7-e362475b143a",
    "typeCode": "f0306f51-975f-434e-a61c-c59651d33983",
    "confidentialityCode": "f4f85eac-e6cb-4883-b524-f2705394840f",
    "formatCode": "a09d5840-386c-46f2-b5ad-9c3699a4309d",
    "healthcareFacilityTypeCode": "f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1",
    "practiceSettingCode": "cccf5598-8b07-4b77-a05e-ae952c785ead",
    "eventCodeList": "2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4",
}
IDENTIFIERS = {
    "patientId of the set": "6b5aea1a-874d-4603-a4bc-96a0a7b38446",
    "sourceId": "554ac39e-e3fe-47fe-b233-965d2a147832",
    "uniqueId of the set": "96fdda7c-d067-4183-912e-bf5ee74998a8",
    "patientId": "58a6f841-87b3-4a3e-92fd-a8ffeff98427",
    "uniqueId": "2e82c1f6-a085-4c72-9da3-8640a32e42ab",
}


@pytest.mark.parametrize("uuid", SCHEMES.values(), ids=SCHEMES)
def test_a_wrong_classification_scheme(scene: Scene, uuid: str) -> None:
    wrong = uuid[:-1] + ("0" if uuid[-1] != "0" else "1")
    prepared = with_ebrim(scene.prepare(), sub(f"urn:uuid:{uuid}", f"urn:uuid:{wrong}"))
    scene.refused(prepared, "XDSRepositoryMetadataError", "unknown classificationScheme")


@pytest.mark.parametrize("uuid", IDENTIFIERS.values(), ids=IDENTIFIERS)
def test_a_wrong_identification_scheme(scene: Scene, uuid: str) -> None:
    wrong = uuid[:-1] + ("0" if uuid[-1] != "0" else "1")
    prepared = with_ebrim(scene.prepare(), sub(f"urn:uuid:{uuid}", f"urn:uuid:{wrong}"))
    scene.refused(prepared, "XDSRepositoryMetadataError", "unknown identificationScheme")


@pytest.mark.parametrize("kind", [kind for kind in (*SCHEMES, *IDENTIFIERS) if kind != "eventCodeList"])
def test_a_missing_attribute(scene: Scene, kind: str) -> None:
    tag = "Classification" if kind in SCHEMES else "ExternalIdentifier"
    uuid = SCHEMES.get(kind) or IDENTIFIERS[kind]
    pattern = rf'<rim:{tag} id="[^"]*" [a-zA-Z]*cheme="urn:uuid:{uuid}"(?:(?!</rim:{tag}>).)*</rim:{tag}>'
    prepared = with_ebrim(scene.prepare(), regex(pattern, ""))
    scene.refused(prepared, "XDSRepositoryMetadataError", kind.removesuffix(" of the set"))


@pytest.mark.parametrize(
    "slot",
    ["creationTime", "languageCode", "legalAuthenticator", "serviceStartTime", "sourcePatientId", "hash", "size"],
)
def test_a_missing_slot(scene: Scene, slot: str) -> None:
    prepared = with_ebrim(scene.prepare(), regex(rf'<rim:Slot name="{slot}">.*?</rim:Slot>', ""))
    scene.refused(prepared, "XDSRepositoryMetadataError", f"the Slot {slot} is missing")


def value_of(slot: str, new: str) -> Mutation:
    return regex(rf'(<rim:Slot name="{slot}"><rim:ValueList><rim:Value>)[^<]*', rf"\g<1>{new}")


def code_of(kind: str, new: str) -> Mutation:
    return regex(rf'({SCHEMES[kind]}"[^>]*nodeRepresentation=")[^"]*', rf"\g<1>{new}")


@pytest.mark.parametrize(
    ("mutation", "code", "text"),
    [
        (sub('id="cla2"', 'id="cla1"'), "XDSRepositoryMetadataError", "used twice"),
        (
            sub("Document01", "urn:uuid:00000000-0000-4000-8000-000000000001", 99),
            "XDSRepositoryMetadataError",
            "symbolic ids",
        ),
        (
            sub(
                'id="SubmissionSet01"',
                'id="SubmissionSet01" status="urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"',
            ),
            "XDSRepositoryMetadataError",
            "status is set by the DMP",
        ),
        (
            sub('classificationNode="urn:uuid:a54d6aa5', 'classificationNode="urn:uuid:a54d6aa6'),
            "XDSRepositoryMetadataError",
            "not marked as a submission set",
        ),
        (
            sub('objectType="urn:uuid:7edca82f', 'objectType="urn:uuid:7edca82e'),
            "XDSRepositoryMetadataError",
            "objectType",
        ),
        (sub('mimeType="text/xml"', 'mimeType="text/plain"'), "XDSRepositoryMetadataError", "mimeType"),
        (
            sub('classifiedObject="Document01"', 'classifiedObject="SubmissionSet01"'),
            "XDSRepositoryMetadataError",
            "classifiedObject",
        ),
        (
            sub('registryObject="Document01"', 'registryObject="SubmissionSet01"'),
            "XDSRepositoryMetadataError",
            "registryObject",
        ),
        (
            sub('value="XDSDocumentEntry.uniqueId"', 'value="XDSDocumentEntry.uniqueID"'),
            "XDSRepositoryMetadataError",
            "the Name of the identifier",
        ),
        (
            sub('<rim:Slot name="codingScheme">', '<rim:Slot name="scheme">'),
            "XDSRepositoryMetadataError",
            "needs nodeRepresentation, codingScheme",
        ),
        (
            regex(r'(<rim:ExtrinsicObject id="Document01"[^>]*>)(.*?)(<rim:Name>.*?</rim:Name>)', r"\1\3\2"),
            "XDSRepositoryMetadataError",
            "order of rim.xsd",
        ),
        (sub('<rim:Slot name="size">', '<rim:Slot name="hash">'), "XDSRepositoryMetadataError", "given twice"),
        (
            sub(
                '<rim:Slot name="languageCode">',
                '<rim:Slot name="URI"><rim:ValueList/></rim:Slot><rim:Slot name="languageCode">',
            ),
            "XDSRepositoryMetadataError",
            "URI is not given",
        ),
        (value_of("hash", "0" * 40), "XDSNonIdenticalHash", "SHA-1"),
        (value_of("size", "1"), "XDSNonIdenticalSize", "size is not"),
        (value_of("creationTime", "20260115093000+0100"), "XDSRepositoryMetadataError", "DTM"),
        (value_of("submissionTime", "20260115"), "XDSRepositoryMetadataError", "submissionTime"),
        (value_of("legalAuthenticator", "DAVID"), "XDSRepositoryMetadataError", "not an XCN"),
        (value_of("authorPerson", "801234567897^DAVID"), "XDSRepositoryMetadataError", "not one XCN"),
        (value_of("authorInstitution", "Hospital"), "XDSRepositoryMetadataError", "not one XON"),
        (value_of("authorSpecialty", "G15_10"), "XDSRepositoryMetadataError", "code^label^OID"),
        (sub("^DAVID^Charles^", "^DAVID^^"), "XDSRepositoryMetadataError", "RG_2230"),
        (sub("IDNST^^^10B0127189", "IDNST^^^1750000001"), "XDSRepositoryMetadataError", "Aucun AuthorInstitution"),
        (code_of("classCode", "11"), "XDSRepositoryMetadataError", "classCode of type 11490-0 is 10"),
        (code_of("classCode", "99"), "XDSRepositoryMetadataError", "not in JDV_J57"),
        (code_of("typeCode", "27899-4"), "XDSRepositoryMetadataError", "not in JDV_J66"),
        (code_of("formatCode", "urn:x"), "XDSRepositoryMetadataError", "not in JDV_J60"),
        (code_of("contentTypeCode", "SA01"), "XDSRepositoryMetadataError", "not in JDV_J59"),
        (code_of("practiceSettingCode", "X"), "XDSRepositoryMetadataError", "not in JDV_J04"),
        (code_of("healthcareFacilityTypeCode", "X"), "XDSRepositoryMetadataError", "not in JDV_J02"),
        (code_of("confidentialityCode", "R"), "XDSRepositoryMetadataError", "N is always present"),
        (sub("1.2.250.1.213.1.1.4.2.282", "1.3.6.1.4.1.19376.1.2.3"), "XDSRepositoryMetadataError", "not in JDV_J60"),
        (
            regex(r'(554ac39e-e3fe-47fe-b233-965d2a147832"[^>]*value=")[^"]*', r"\g<1>not-an-oid"),
            "XDSRepositoryMetadataError",
            "sourceId is not an OID",
        ),
        (
            sub("&amp;1.2.250.1.213.1.4.10&amp;", "&amp;1.2.250.1.213.1.4.8&amp;"),
            "XDSUnknownPatientId",
            "OID of the INS",
        ),
        (sub("279035121518989", "207058575627097"), "XDSPatientIdDoesNotMatch", "not the patient of the VIHF"),
        (sub('targetObject="Signature01"', 'targetObject="Document01"'), "XDSRepositoryMetadataError", "every entry"),
        (
            sub('sourceObject="SubmissionSet01"', 'sourceObject="Document01"'),
            "XDSRepositoryMetadataError",
            "the source of HasMember",
        ),
        (
            sub("<rim:Value>Original</rim:Value>", "<rim:Value>Reference</rim:Value>"),
            "XDSRepositoryMetadataError",
            "SubmissionSetStatus",
        ),
        (regex('<rim:Association id="assoc3".*?</rim:Association>', ""), "XDSRepositoryMetadataError", "signs"),
        (
            sub("AssociationType:signs", "AssociationType:sings"),
            "XDSRepositoryMetadataError",
            "unknown associationType",
        ),
        (sub('id="assoc3" ', 'id="" '), "XDSRepositoryMetadataError", "an Association has no id"),
        (
            sub("rim:RegistryObjectList", "rim:RegistryObjects", 2),
            "XDSRepositoryMetadataError",
            "RegistryObjectList is needed",
        ),
        (
            regex("<rim:RegistryPackage.*</rim:RegistryPackage>", ""),
            "XDSRepositoryMetadataError",
            "one RegistryPackage",
        ),
        (regex("<rim:ExtrinsicObject.*</rim:ExtrinsicObject>", ""), "XDSMissingDocumentMetadata", "no ExtrinsicObject"),
        *(
            (mutation, "XDSRepositoryMetadataError", text)
            for mutation, text in (
                (sub("</lcm:SubmitObjectsRequest>", "<rim:Other/></lcm:SubmitObjectsRequest>"), "unexpected Other"),
                (sub(END, f'<rim:Service id="s"/>{END}'), "unexpected Service"),
                (regex('(<rim:ExtrinsicObject id="Document01")', rf'\1 lid="urn:uuid:{NIL}"'), "lid is set by the DMP"),
                (regex('(name="size">.*?</rim:Value>)', r"\1<rim:Value>1</rim:Value>"), "size has one value"),
                (regex('(name="hash">.*?</rim:Value>)', r"\1<rim:Value>1</rim:Value>"), "hash has one value"),
                (regex("(submissionTime.*?<rim:Value>[0-9]{8})[0-9]{6}", r"\g<1>250000"), "submissionTime is not"),
                (regex("(submissionTime.*?<rim:Value>[0-9]{4})[0-9]{4}", r"\g<1>0230"), "submissionTime is not"),
                (
                    regex("(Signature01.*?creationTime.*?<rim:Value>[0-9]{8})[0-9]{6}", r"\g<1>250000"),
                    "creationTime is",
                ),
                (
                    regex('(2e82c1f6[^>]*registryObject="Signature01"[^>]*value=")[^"]*', r"\1sig"),
                    "uniqueId is not an OID",
                ),
                (regex("(sourcePatientId.*?<rim:Value>)[^<]*", r"\1IPP 12"), "sourcePatientId is not a CX"),
                (sub("PID-7|", "PID-9|"), "sourcePatientInfo is not PID-n"),
                (sub('"sourcePatientInfo"', '"sourcePatientInfos"'), "unknown Slot sourcePatientInfos"),
                (sub('"authorSpecialty"', '"authorSpeciality"'), "unknown Slot authorSpeciality"),
                (regex("(authorSpecialty.*?<rim:Value>)[^<]*", r"\1"), "authorSpecialty has no value"),
                (regex('<rim:ExternalIdentifier id="[^"]*"', "<rim:ExternalIdentifier"), "has no id"),
                (regex('(nodeRepresentation="10".*?<rim:LocalizedString [^>]*?) ?value="[^"]*"', r"\1"), "and Name"),
                (sub("urn:asip:ci-sis:ldl-ses:2017", "urn:asip:ci-sis:ldl-ees:2017"), "formatCode of the metadata and"),
                (sub(END, f"{HAS_MEMBER.format('x1', 'Document01')}{END}"), "Association is given twice"),
                (sub(END, f"{SIGNS.format('x1', 'Document01')}{END}"), "one association signs"),
                (sub(END, f"{RPLC.format('x1', 'a')}{RPLC.format('x2', 'b')}{END}"), "replaces one document"),
            )
        ),
    ],
)
def test_metadata(scene: Scene, mutation: Mutation, code: str, text: str) -> None:
    scene.refused(with_ebrim(scene.prepare(), mutation), code, text)


def test_the_same_unique_id_for_two_objects(scene: Scene) -> None:
    prepared = scene.prepare()
    mutation = sub(f'value="{prepared.ids["signature"]}"', f'value="{prepared.unique_id}"')
    scene.refused(with_ebrim(prepared, mutation), "XDSRepositoryDuplicateUniqueIdInMessage", "same uniqueId")


@pytest.mark.parametrize(
    ("mutation", "code", "text"),
    [
        (sub('<xds:Document id="Document01">', '<xds:Document id="document01">'), "XDSMissingDocument", "Document01"),
        (
            regex('<xds:Document id="Signature01">.*?</xds:Document>', ""),
            "XDSMissingDocumentMetadata",
            "attachment",
        ),
        (
            regex('(<xds:Document id="Signature01">)(.*?)(</xds:Document>)', r'\1\2\3<xds:Document id="x">\2\3'),
            "XDSMissingDocumentMetadata",
            "no ExtrinsicObject of that id",
        ),
        (
            sub('<xds:Document id="Signature01">', '<xds:Document id="Document01">'),
            "XDSRepositoryMetadataError",
            "two Document",
        ),
        (sub("cid:Document01@sunes", "cid:other@sunes"), "XDSMissingDocument", "not in the package"),
        (regex('(<xds:Document id="Document01">).*?(</xds:Document>)', r"\1*\2"), "XDSMissingDocument", "base64"),
    ],
)
def test_documents_of_the_request(scene: Scene, mutation: Mutation, code: str, text: str) -> None:
    scene.wire.body = mutation
    scene.refused(scene.prepare(), code, text)


def test_an_empty_document(scene: Scene) -> None:
    prepared = with_blob(scene.prepare(), "document", b"")
    scene.refused(prepared, "InvalidDocumentContent", "empty")


# --- the CDA against its metadata -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mutation", "code", "text"),
    [
        (sub("<title>", "<title>Autre "), "XDSRepositoryMetadataError", "title of the metadata and of the CDA differ"),
        (sub('code="11490-0"', 'code="11488-4"'), "XDSRepositoryMetadataError", "typeCode"),
        (sub("20260115103000+0100", "20260115103001+0100"), "XDSRepositoryMetadataError", "creationTime"),
        (sub("20260115103000+0100", "20260132103000+0100"), "XDSRepositoryMetadataError", "creationTime"),
        (sub('languageCode code="fr-FR"', 'languageCode code="fr-BE"'), "XDSRepositoryMetadataError", "languageCode"),
        (
            sub('confidentialityCode code="N"', 'confidentialityCode code="R"'),
            "XDSRepositoryMetadataError",
            "confidentialityCode",
        ),
        (regex(r'(<id root="1\.2\.250\.1\.213\.9\.2\.1\.)[0-9]+', r"\g<1>1"), "XDSRepositoryMetadataError", "uniqueId"),
        (sub("279035121518989", "207058575627097"), "XDSPatientIdDoesNotMatch", "recordTarget"),
        (regex('(<author>.*?extension=")[^"]*', r"\g<1>801234567890"), "XDSRepositoryMetadataError", "authors"),
        (
            regex('(<legalAuthenticator>.*?extension=")[^"]*', r"\g<1>801234567890"),
            "XDSRepositoryMetadataError",
            "legalAuthenticator",
        ),
        (
            regex(r"(<serviceEvent.*?<low value=.)[^\"]*", r"\g<1>20260109"),
            "XDSRepositoryMetadataError",
            "serviceStartTime",
        ),
        (
            regex(r"(<serviceEvent.*?<high value=.)[^\"]*", r"\g<1>20260116"),
            "XDSRepositoryMetadataError",
            "serviceStopTime",
        ),
        (sub('code="ETABLISSEMENT"', 'code="AMBULATOIRE"'), "XDSRepositoryMetadataError", "practiceSettingCode"),
        (
            regex('(<healthCareFacility><code code=")[^"]*', r"\g<1>SA04"),
            "XDSRepositoryMetadataError",
            "healthcareFacilityTypeCode",
        ),
        (lambda _: b"<ClinicalDocument", "InvalidDocumentContent", "XML_MALFORMED"),
        (lambda _: b"<!DOCTYPE x><x/>", "InvalidDocumentContent", "XML_DTD"),
        (lambda _: b"<x/>", "InvalidDocumentContent", "not a CDA document"),
    ],
)
def test_cda_against_metadata(scene: Scene, mutation: Mutation, code: str, text: str) -> None:
    prepared = scene.prepare()
    scene.refused(with_blob(prepared, "document", mutation(prepared.blobs["document"])), code, text)


# --- the signature of the set -----------------------------------------------------------------------------------------


def test_a_document_changed_after_signing(scene: Scene) -> None:
    prepared = scene.prepare()
    changed = prepared.blobs["document"].replace(b"Apyrexie", b"Fievre..")
    scene.refused(with_blob(prepared, "document", changed), "InvalidDocumentContent", "not that of the canonical CDA")


@pytest.mark.parametrize(
    ("mutation", "text"),
    [
        (regex("(<SignatureValue>)....", r"\g<1>AAAA"), "XAdES"),
        (sub("urn:oid:1.2", "urn:oid:1.3"), "XAdES"),
        (regex("<SigningTime>[^<]*", "<SigningTime>2020-01-01T00:00:00.000Z"), "XAdES"),
        (regex("(<SignatureProperty [^>]*>)[^<]*", r"\g<1>1.2.840.10065.1.12.1.1"), "the purpose of the signature"),
        (lambda _: b"<Signature/>", "XADES_SHAPE"),
    ],
)
def test_a_signature_that_does_not_hold(scene: Scene, mutation: Mutation, text: str) -> None:
    prepared = scene.prepare()
    changed = with_blob(prepared, "signature", mutation(prepared.blobs["signature"]))
    scene.refused(changed, "InvalidDocumentContent", text)


def resigned(scene: Scene, prepared: Prepared, *, signer: Any = None, **changes: Any) -> Prepared:
    """The set signed anew, with values changed."""
    from sunes_sdk._core.clock import SystemClock

    values: dict[str, Any] = {
        "submission_unique_id": prepared.ids["submission_set"],
        "documents": [
            xades.SignedDocument(prepared.unique_id, xades.canonical_form(prepared.blobs["document"])),
        ],
        "signer": signer or scene.signer,
        "signing_time": SystemClock().now(),
        "signature_id": "_1",
    }
    return with_blob(prepared, "signature", xades.sign_submission(**values | changes))


def test_a_new_signature_is_taken(scene: Scene) -> None:
    """The helper of the next tests makes what is accepted."""
    prepared = scene.prepare()
    assert scene.client.send(resigned(scene, prepared)).outcome is Outcome.ACCEPTED


def test_a_signature_of_another_set(scene: Scene) -> None:
    prepared = scene.prepare()
    changed = resigned(scene, prepared, submission_unique_id="1.2.3.4")
    scene.refused(changed, "InvalidDocumentContent", "does not name this submission set")


def test_a_signature_over_bytes_that_are_not_canonical(scene: Scene) -> None:
    prepared = scene.prepare()
    documents = [xades.SignedDocument(prepared.unique_id, prepared.blobs["document"])]
    scene.refused(
        resigned(scene, prepared, documents=documents), "InvalidDocumentContent", "not that of the canonical CDA"
    )


def test_a_signature_that_lists_another_document(scene: Scene) -> None:
    prepared = scene.prepare()
    documents = [xades.SignedDocument("1.2.3.5", prepared.blobs["document"])]
    scene.refused(
        resigned(scene, prepared, documents=documents), "InvalidDocumentContent", "does not list the documents"
    )


def test_a_signature_by_the_tls_certificate(scene: Scene) -> None:
    prepared = scene.prepare()
    changed = resigned(scene, prepared, signer=Unchecked(scene.pki.client.pkcs12))
    scene.refused(changed, "InvalidDocumentContent", "Not a valid signature certificate")


def test_a_signature_by_another_holder_than_that_of_the_vihf(scene: Scene) -> None:
    prepared = scene.prepare()
    card = scene.pki.card("899900063480").signature
    changed = resigned(scene, prepared, signer=Pkcs12Signer(card.pkcs12, PASSWORD))
    scene.refused(changed, "InvalidDocumentContent", "not signed by the holder")


def test_a_signature_by_an_untrusted_key(scene: Scene) -> None:
    prepared = scene.prepare()
    changed = resigned(scene, prepared, signer=Unchecked(scene.pki.rogue_client.pkcs12))
    scene.refused(changed, "InvalidDocumentContent", "XAdES")


@pytest.mark.parametrize(
    ("mutation", "code", "text"),
    [
        (sub("INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"), "XDSRepositoryMetadataError", "N, MASQUE_PS"),
        (
            sub("<rim:Value>art</rim:Value>", "<rim:Value>fr-FR</rim:Value>"),
            "XDSRepositoryMetadataError",
            "languageCode",
        ),
        (sub('nodeRepresentation="E1762"', 'nodeRepresentation="11490-0"'), "XDSRepositoryMetadataError", ""),
        (sub("1.2.840.10065.1.12.1.14", "1.2.840.10065.1.12.1.1"), "XDSRepositoryMetadataError", "eventCodeList"),
        (sub("urn:oid:1.3.6.1.4.1.19376.1.2.1.1.1", "10"), "XDSRepositoryMetadataError", ""),
    ],
)
def test_the_entry_of_the_signature(scene: Scene, mutation: Mutation, code: str, text: str) -> None:
    scene.refused(with_ebrim(scene.prepare(), mutation), code, text)


# --- uniqueness and replacement ---------------------------------------------------------------------------------------


def test_the_same_document_in_a_new_set(scene: Scene) -> None:
    document = samples.discharge_letter().render(samples.issuer())
    assert scene.client.submit(document).outcome is Outcome.ACCEPTED
    assert scene.client.submit(document).outcome is Outcome.DUPLICATE
    assert scene.dmp.requests[1].answer == "XDSDuplicateUniqueIdInRegistry"


def versions(scene: Scene) -> tuple[Prepared, str]:
    """A second version ready to be sent, the first being in the DMP; and the entryUUID of the first."""
    first = samples.discharge_letter()
    rendered = first.render(samples.issuer())
    scene.client.submit(rendered)
    prepared = scene.client.prepare(first.revise(rendered).render(samples.issuer()), Dmp())
    return prepared, scene.dmp.documents[0].entry_uuid


@pytest.mark.parametrize(
    ("mutation", "code", "text"),
    [
        (
            regex('<rim:Association id="assoc4".*?</rim:Association>', ""),
            "XDSRepositoryMetadataError",
            "RPLC association",
        ),
        (regex(r'(id="assoc4".*?targetObject=")[^"]*', r"\g<1>urn:uuid:0"), "XDSReplaceFailed", "no entryUUID"),
        (regex(r'(id="assoc4".*?sourceObject=")[^"]*', r"\g<1>&lt;x"), "XDSRepositoryMetadataError", "source of RPLC"),
        (
            sub("urn:ihe:iti:2007:AssociationType:RPLC", "urn:ihe:iti:2010:AssociationType:RPLC"),
            "XDSRepositoryMetadataError",
            "unknown associationType",
        ),
    ],
)
def test_a_replacement_without_its_link(scene: Scene, mutation: Mutation, code: str, text: str) -> None:
    prepared, _ = versions(scene)
    scene.wire.body = lambda body: mutation(body) if b"ProvideAndRegister" in body else body
    receipt = scene.client.send(prepared)
    assert (receipt.outcome, receipt.code) == (Outcome.REJECTED, code)
    assert text in scene.dmp.requests[-1].text
    assert [d.status for d in scene.dmp.documents] == ["Approved"]


def test_a_version_is_replaced_once(scene: Scene) -> None:
    prepared, _ = versions(scene)
    assert scene.client.send(prepared).outcome is Outcome.ACCEPTED
    first, second = scene.dmp.documents
    letter = samples.discharge_letter(
        set_id=prepared_set_id(second.content), version_number=3, replaces=first.unique_id
    ).render(samples.issuer())
    receipt = scene.client.submit(letter)
    assert receipt.code == "XDSRegistryDeprecatedDocumentError"


def prepared_set_id(content: bytes) -> str:
    found = re.search(rb'<setId root="([^"]+)"', content)
    assert found
    return found.group(1).decode()


def test_a_replacement_that_names_another_document(scene: Scene) -> None:
    prepared, _ = versions(scene)
    other = samples.discharge_letter().render(samples.issuer())
    scene.client.submit(other)
    target = scene.dmp.documents[1].entry_uuid
    change = regex(r'(id="assoc4".*?targetObject=")[^"]*', rf"\g<1>{target}")
    scene.wire.body = lambda body: change(body) if b"ProvideAndRegister" in body else body
    receipt = scene.client.send(prepared)
    assert receipt.code == "XDSRepositoryMetadataError"
    assert "does not name the document that RPLC replaces" in scene.dmp.requests[-1].text


# --- DMP_3.1b ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mutation", "code", "text"),
    [
        (sub('returnType="ObjectRef"', 'returnType="LeafClass"'), "DMPAccessDeniedByRightsService", "ObjectRef"),
        (
            sub("5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", "14d4debf-8f97-4251-9a74-a90016b0af0d"),
            "XDSUnknownStoredQuery",
            "GetDocuments",
        ),
        (sub("$XDSDocumentEntryUniqueId", "$XDSDocumentEntryUniqueID"), "XDSStoredQueryMissingParam", "UniqueId"),
        (regex(r"\('([0-9.]+)'\)", r"'\1'"), "XDSStoredQueryParamNumber", "list"),
        (regex("<rim:AdhocQuery .*</rim:AdhocQuery>", ""), "XDSRegistryError", "AdhocQuery"),
    ],
)
def test_search(scene: Scene, mutation: Mutation, code: str, text: str) -> None:
    scene.wire.body = mutation
    with pytest.raises(DmpError) as caught:
        scene.client.find_entry_uuid("1.2.3", samples.patient().identity)
    assert caught.value.remote_code == code
    assert text in scene.dmp.requests[-1].text


def test_a_search_framed_as_soap_1_1(scene: Scene) -> None:
    scene.wire.content_type = lambda _: "text/xml"
    with pytest.raises(SoapFault):
        scene.client.find_entry_uuid("1.2.3", samples.patient().identity)
    assert "application/soap+xml" in scene.dmp.requests[-1].text


def test_a_search_finds_documents_of_its_patient_only(scene: Scene) -> None:
    document = samples.discharge_letter().render(samples.issuer())
    scene.client.submit(document)
    mine = samples.patient().identity
    other = mine.model_copy(update={"ins": Ins.of("207058575627097", InsOid.NIR_TEST)})
    assert scene.client.find_entry_uuid(document.unique_id, other) is None
    assert scene.client.find_entry_uuid(document.unique_id, mine) == scene.client.find_entry_uuid(
        document.unique_id, document
    )


# --- TD0.2 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mutation", "text"),
    [
        (sub('extension="PRPA_IN201307UV02"', 'extension="PRPA_IN201305UV02"'), "interactionId"),
        (sub('processingCode code="D"', 'processingCode code="P"'), "processingCode"),
        (sub('processingModeCode code="T"', 'processingModeCode code="A"'), "processingModeCode"),
        (sub('acceptAckCode code="AL"', 'acceptAckCode code="NE"'), "acceptAckCode"),
        (sub('id root="1.2.250.1.213.4.1.1.1"', 'id root="1.2.3"'), "receiver"),
        (sub('reasonCode code="TEST_EXST"', 'reasonCode code="FERM"'), "reasonCode"),
        (regex("<sender .*</sender>", ""), "sender"),
        (regex("<patientIdentifier>.*</patientIdentifier>", ""), "patientIdentifier"),
        (regex(r"(<patientIdentifier><value [^>]*extension=.)[0-9]*", r"\g<1>207058575627097"), "not that of the VIHF"),
        (sub('ITSVersion="XML_1.0"', ""), "unknown body"),
        (sub('moodCode="EVN"', 'moodCode="RQO"'), "controlActProcess is CACT, EVN"),
        (regex('(creationTime value="[0-9]{8})[0-9]{6}', r"\g<1>250000"), "creationTime is not"),
        (regex("(<patientIdentifier>.*</patientIdentifier>)", r"\1\1"), "one patient"),
    ],
)
def test_existence(scene: Scene, mutation: Mutation, text: str) -> None:
    scene.wire.body = mutation
    with pytest.raises(SoapFault):
        scene.client.existence(samples.patient().identity)
    assert text in scene.dmp.requests[-1].text


def test_an_unexpected_path_fails_the_test(pki: TestPki) -> None:
    fake = FakeDmp(pki)
    settings = fake.settings()
    transport = HttpsTransport(settings.tls)
    transport.post(f"{fake.url}/elsewhere", b"x", {"Content-Type": "text/xml"})
    transport.close()
    with pytest.raises(AssertionError, match="unexpected path"):
        fake.close()
