"""Each known Fault of INSi has its code, advice and French hint; unknown ones are kept as they came."""

from __future__ import annotations

import pytest

from sunes_sdk._core.retry import RetryKind
from sunes_sdk._core.xml import escape_text
from sunes_sdk.errors import InsiError, SoapFault
from sunes_sdk.insi import KNOWN_FAULTS, fault_error
from sunes_sdk.transport import soap

MEANINGS = {
    # code of the Fault: our code, ask again?, in the French hint
    "insi_102": ("INSI_UNAVAILABLE", RetryKind.AFTER, "plus tard"),
    "siram_40": ("INSI_UNAVAILABLE", RetryKind.AFTER, "plus tard"),
    "insi_24": ("INSI_SEX", RetryKind.NEVER, "sexe"),
    "desir_550": ("INSI_IDAM", RetryKind.NEVER, "autorisation du logiciel"),
    "desir_560": ("INSI_ACCESS", RetryKind.NEVER, "certificat"),
    "siram_100": ("INSI_ACCESS", RetryKind.NEVER, "logiciel"),
}


def fault(
    *,
    soap_code: str = "Receiver",
    subcode: str = "siram_40",
    code: str | None = None,
    reason: str = "Le service est indisponible",
    text: str = "détail",
    prefix: str = "S",
    declared: str = "",
) -> InsiError:
    p = prefix
    inner = (
        f'<siram:Erreur xmlns:siram="urn:siram" code="{escape_text(code)}" severite="fatal">{escape_text(text)}'
        "</siram:Erreur>" if code is not None else ""
    )  # fmt: skip
    sub = f"<{p}:Subcode><{p}:Value>{p}:{escape_text(subcode)}</{p}:Value></{p}:Subcode>" if subcode else ""
    message = (
        f'<{p}:Envelope xmlns:{p}="{soap.SOAP12}"><{p}:Body{declared}><{p}:Fault><{p}:Code><{p}:Value>{p}:{soap_code}'
        f'</{p}:Value>{sub}</{p}:Code><{p}:Reason><{p}:Text xml:lang="en">{escape_text(reason)}</{p}:Text></{p}:Reason>'
        f"<{p}:Detail>{inner}</{p}:Detail></{p}:Fault></{p}:Body></{p}:Envelope>"
    )
    with pytest.raises(SoapFault) as caught:
        soap.parse(message.encode(), "application/soap+xml")
    return fault_error(caught.value, request_id="id-1")


def test_every_known_fault_is_tested() -> None:
    assert set(MEANINGS) == set(KNOWN_FAULTS)


@pytest.mark.parametrize("code", MEANINGS)
@pytest.mark.parametrize("prefix", ["S", "soap", "env"])
def test_known_faults(code: str, prefix: str) -> None:
    ours, kind, french = MEANINGS[code]
    is_subcode = code.startswith("siram_")
    error = fault(prefix=prefix, subcode=code if is_subcode else "siram_1", code=None if is_subcode else code)
    assert (error.code, error.remote_code, error.retry.kind) == (ours, code, kind)
    assert code in str(error)
    assert french in error.hint_fr
    assert error.hint
    assert error.path
    assert error.rule
    assert error.request_id == "id-1"


def test_the_inner_code_says_more_than_the_subcode() -> None:
    assert fault(subcode="siram_40", code="insi_24").code == "INSI_SEX"
    assert fault(subcode="siram_40", code="").code == "INSI_UNAVAILABLE"


@pytest.mark.parametrize(
    ("soap_code", "code", "kind"),
    [
        ("Receiver", "insi_999", RetryKind.AFTER),
        ("Sender", "insi_999", RetryKind.NEVER),
        ("Receiver", "desir_599", RetryKind.NEVER),
        ("Sender", "siram_77", RetryKind.NEVER),
        ("MustUnderstand", "siram_77", RetryKind.NEVER),
    ],
)
def test_unknown_faults_are_kept_and_only_a_failure_is_asked_again(soap_code: str, code: str, kind: RetryKind) -> None:
    error = fault(soap_code=soap_code, code=code)
    assert (error.code, error.remote_code, error.retry.kind) == ("INSI_FAULT", code, kind)
    assert error.hint_fr


def test_without_any_code_the_soap_code_is_kept() -> None:
    error = fault(subcode="", code=None)
    assert (error.code, error.remote_code, error.retry.kind) == ("INSI_FAULT", "Receiver", RetryKind.AFTER)


def test_texts_and_odd_codes_of_the_peer_are_kept_out_of_the_error_text() -> None:
    error = fault(code="ADRUN ZOE 1975-12-31", reason="ADRUN ZOE est inconnue", text="né le 1975-12-31")
    assert error.remote_code == "ADRUN ZOE 1975-12-31"
    assert error.remote_message == "ADRUN ZOE est inconnue\nné le 1975-12-31"
    assert not [t for t in ("ADRUN", "ZOE", "1975") if t in f"{error}{error!r}{error.args}"]


def test_a_code_without_end_is_bounded() -> None:
    assert len(fault(code="x" * 10_000).remote_code) == 80
    assert fault(subcode="x" * 10_000, code=None).remote_code == "UNREADABLE"
