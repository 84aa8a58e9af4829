"""SOAP Faults of INSi as coded errors: what each means, whether to ask again, what to tell the admission desk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .._core.errors import InsiError, SoapFault, XmlSecurityError
from .._core.retry import RetryAdvice
from .._core.xml import parse as parse_xml

SIRAM: Final = "urn:siram"
_LATER: Final = RetryAdvice.after(60)
_NEVER: Final = RetryAdvice.never()
_CODE = re.compile(r"[a-z]{1,10}_[a-z0-9_]{1,30}|[0-9]{1,3}|Sender|Receiver|Client|Server", re.ASCII)
_MAX_CODE = 80


@dataclass(frozen=True, slots=True)
class KnownFault:
    """What one code of the service means. code: ours; hint_fr: for the admission desk."""

    code: str
    message: str
    retry: RetryAdvice
    hint: str
    hint_fr: str


KNOWN_FAULTS: Final = {
    "insi_102": KnownFault(
        "INSI_UNAVAILABLE", "the search is not available now", _LATER,
        "ask again later; the test environment also answers this when nobody matches",
        "INSi est momentanément indisponible : réessayez plus tard."),
    "siram_40": KnownFault(
        "INSI_UNAVAILABLE", "the service is not available now", _LATER, "ask again later",
        "INSi est momentanément indisponible : réessayez plus tard."),
    "insi_24": KnownFault(
        "INSI_SEX", "INSi refuses the sex that was sent", _NEVER, "send M or F",
        "INSi refuse le sexe transmis : corrigez-le."),
    "desir_550": KnownFault(
        "INSI_IDAM", "the software's authorisation number is not known", _NEVER,
        "check settings.insi.idam with the CNDA", "Le numéro d'autorisation du logiciel est inconnu d'INSi."),
    "desir_560": KnownFault(
        "INSI_ACCESS", "this certificate may not call INSi", _NEVER,
        "use the certificate whose CN is INSI-AUTO or INSI-MANU",
        "Le certificat de l'établissement n'ouvre pas l'accès à INSi."),
    "siram_100": KnownFault(
        "INSI_ACCESS", "this software may not call INSi", _NEVER, "check the authorisation number and the certificate",
        "L'accès de ce logiciel à INSi n'est pas autorisé : contactez l'éditeur."),
}  # fmt: skip
"""Code of `siram:Erreur`, or subcode of the Fault when it has none -> its meaning. The service's list is not public:
these are the codes that were seen in its answers."""

_REFUSED: Final = KnownFault(
    "INSI_FAULT", "INSi refused the request", _NEVER, "see .remote_code and .remote_message",
    "INSi a refusé la demande : prévenez le service informatique.",
)  # fmt: skip
_FAILED: Final = KnownFault(
    "INSI_FAULT", "INSi failed", _LATER, "ask again later; see .remote_code and .remote_message",
    "INSi a rencontré une erreur : réessayez plus tard.",
)  # fmt: skip


def fault_error(fault: SoapFault, *, request_id: str) -> InsiError:
    """A SOAP Fault as an InsiError.

    `.remote_code`: code of `siram:Erreur` when there is one, else the subcode, as the service wrote it;
    `.remote_message`: its texts, which may hold personal data and stay out of `str()`. A code that is not known is
    `INSI_FAULT`: a `Receiver` Fault may be asked again later (a search changes nothing), a `Sender` one never, nor a
    refusal of access (`desir_…`).
    """
    code, text = _inner(fault.detail)
    code = code or fault.remote_code
    known = KNOWN_FAULTS.get(code) or _unknown(fault, code)
    return InsiError(
        f"{known.message} ({shown(code) or 'no code'})", code=known.code, remote_code=code,
        remote_message="\n".join(filter(None, (fault.remote_message, text))), request_id=request_id,
        path="Body/Fault", rule="INSi: SOAP Fault with siram:Erreur", retry=known.retry, hint=known.hint,
        hint_fr=known.hint_fr,
    )  # fmt: skip


def shown(code: str) -> str:
    """A code of the peer when it has the form of one (`siram_40`, `03`), else nothing: other text may name somebody."""
    return code if _CODE.fullmatch(code) else ""


def _unknown(fault: SoapFault, code: str) -> KnownFault:
    failed = fault.soap_code in ("Receiver", "Server") and not code.startswith("desir_")
    return _FAILED if failed else _REFUSED


def _inner(detail: bytes) -> tuple[str, str]:
    """Code and text of `siram:Erreur`."""
    if not detail:
        return "", ""
    try:
        root = parse_xml(detail)
    except XmlSecurityError:
        return "", ""  # the Fault itself is well-formed and says the rest
    error = next(root.iter(f"{{{SIRAM}}}Erreur"), None)
    return (
        ((error.get("code") or "").strip()[:_MAX_CODE], (error.text or "").strip()) if error is not None else ("", "")
    )
