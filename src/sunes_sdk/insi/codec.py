"""WS_INS2 `rechercherInsAvecTraitsIdentite`: requests as bytes, answers as values. Pure.

Contract DESIR_ICIR_EXP 1.5.0. Answers are read by namespace and name, whatever their prefixes and order: official
answers differ from their own schema on both, so that no schema validation is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from lxml import etree

from .._core.errors import InsiError, ModelError, SoapFault, XmlSecurityError
from .._core.retry import RetryAdvice
from .._core.text import fold_ascii
from .._core.xml import escape_text
from .._core.xml import parse as parse_xml
from ..ins import FoundIdentity
from ..model import Ins, InsOid, Matricule, expected_key
from ..settings import SoftwareId
from ..transport import soap

ACTION: Final = "urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecTraitsIdentite"
BAM: Final = "urn:siram:bam:ctxbam"
LPS: Final = "urn:siram:lps:ctxlps"
SIRAM: Final = "urn:siram"
SEARCH: Final = "http://www.cnamts.fr/INSiRecSans"
RESULT: Final = "http://www.cnamts.fr/INSiResultat"
BAM_VERSION: Final = "01_02"
LPS_VERSION: Final = "01_00"
IDAM_KIND: Final = "4"


class SearchCode(StrEnum):
    """`CodeCR` of an answer."""

    FOUND = "00"
    NOT_FOUND = "01"
    AMBIGUOUS = "02"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The traits of one call, already in INSi's alphabet. One given name (or all of them joined); sex `M` or `F`;
    birth_date `AAAA-MM-JJ`; birth_place: COG, sent only when given."""

    birth_name: str = field(repr=False)
    given_name: str = field(repr=False)
    sex: str = field(repr=False)
    birth_date: str = field(repr=False)
    birth_place: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What is the same in every call. emitter: OU of the client certificate; idam: CNDA authorisation number."""

    emitter: str
    idam: str
    software: SoftwareId

    def lps(self) -> str:
        """The `LPS` element. Its name is a URN, hence ASCII without blanks."""
        name = "-".join(fold_ascii(self.software.name).split()).replace(":", "-")
        version = "-".join(fold_ascii(self.software.version).split())
        return (
            f'<ctxlps:LPS><ctxlps:IDAM R="{IDAM_KIND}">{escape_text(self.idam)}</ctxlps:IDAM>'
            f"<ctxlps:Version>{escape_text(self.software.version)}</ctxlps:Version>"
            f"<ctxlps:Instance>{escape_text(self.software.instance)}</ctxlps:Instance>"
            f"<ctxlps:Nom>urn:lps:{escape_text(name)}:{escape_text(version)}</ctxlps:Nom></ctxlps:LPS>"
        )


def encode_search(query: Query, caller: Caller, *, message_id: str, bam_id: str, lps_id: str, at: datetime) -> bytes:
    """The SOAP 1.2 envelope of one call. The three identifiers are fresh for each call; `at` is aware.

    Header blocks are in the order of the official sample (ContexteBAM, MessageID, Action, ContexteLPS); with a software
    certificate there is no `wsse:Security`.
    """
    time = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
    emitter = escape_text(caller.emitter)
    headers = (
        f'<ctxbam:ContexteBAM xmlns:ctxbam="{BAM}" Version="{BAM_VERSION}" Nature="CTXBAM">'
        f"<ctxbam:Id>{escape_text(bam_id)}</ctxbam:Id><ctxbam:Temps>{time}</ctxbam:Temps>"
        f"<ctxbam:Emetteur>{emitter}</ctxbam:Emetteur><ctxbam:COUVERTURE/></ctxbam:ContexteBAM>"
        f"<wsa:MessageID>{escape_text(message_id)}</wsa:MessageID><wsa:Action>{ACTION}</wsa:Action>"
        f'<ctxlps:ContexteLPS xmlns:ctxlps="{LPS}" Version="{LPS_VERSION}" Nature="CTXLPS">'
        f"<ctxlps:Id>{escape_text(lps_id)}</ctxlps:Id><ctxlps:Temps>{time}</ctxlps:Temps>"
        f"<ctxlps:Emetteur>{emitter}</ctxlps:Emetteur>{caller.lps()}</ctxlps:ContexteLPS>"
    )
    place = f"<ins:LieuNaissance>{escape_text(query.birth_place)}</ins:LieuNaissance>" if query.birth_place else ""
    body = (
        f'<ins:RECSANSVITALE xmlns:ins="{SEARCH}"><ins:NomNaissance>{escape_text(query.birth_name)}</ins:NomNaissance>'
        f"<ins:Prenom>{escape_text(query.given_name)}</ins:Prenom><ins:Sexe>{escape_text(query.sex)}</ins:Sexe>"
        f"<ins:DateNaissance>{escape_text(query.birth_date)}</ins:DateNaissance>{place}</ins:RECSANSVITALE>"
    )
    return soap.raw_envelope(headers=headers.encode(), body=body.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """One answer: its code, and the person when there is exactly one."""

    code: SearchCode
    person: FoundIdentity | None = None


def decode_search(body: etree._Element, *, request_id: str = "") -> SearchResult:
    """Read a `RESULTAT`. Every text of the person is kept as received; a wrong key is no reason to refuse.

    Raises InsiError `INSI_ANSWER` (not a RESULTAT, or incomplete), `INSI_RESULT_CODE` (a CodeCR that is not known).
    """
    if body.tag != f"{{{RESULT}}}RESULTAT":
        raise _bad_answer("the answer is no RESULTAT", "Body", request_id)
    text = _text(body, "CR", "CodeCR")
    try:
        code = SearchCode(text or "")
    except ValueError:
        raise InsiError(
            "INSi answered a result code that is not known", code="INSI_RESULT_CODE", path="RESULTAT/CR/CodeCR",
            remote_code=(text or "")[:20], request_id=request_id, rule="00, 01 or 02",
            hint="look the code up in the current INSi guide",
            hint_fr="INSi a répondu un code inconnu : signalez-le à l'éditeur.",
        ) from None  # fmt: skip
    if code is not SearchCode.FOUND:
        return SearchResult(code=code)
    person = _child(body, "INDIVIDU")
    active = _child(person, "INSACTIF") if person is not None else None
    if person is None or active is None:
        raise _bad_answer("a person was found but is not in the answer", "RESULTAT/INDIVIDU", request_id)
    ins = _ins(active)
    if ins is None:
        raise _bad_answer("the active INS cannot be read", "RESULTAT/INDIVIDU/INSACTIF", request_id)
    traits = _child(person, "TIQ")

    def trait(name: str) -> str | None:
        return (_text(traits, name) or None) if traits is not None else None

    return SearchResult(
        code=code,
        person=FoundIdentity(
            ins=ins,
            birth_name=trait("NomNaissance"),
            first_given_name=trait("Prenom"),
            given_names=trait("ListePrenom"),
            sex=trait("Sexe"),
            birth_date=trait("DateNaissance"),
            birth_place=trait("LieuNaissance"),
            history=tuple(filter(None, map(_ins, _children(person, "INSHISTO")))),
        ),
    )


def _children(parent: etree._Element, name: str) -> Iterator[etree._Element]:
    return parent.iterchildren(f"{{{RESULT}}}{name}")


def _child(parent: etree._Element, name: str) -> etree._Element | None:
    return next(_children(parent, name), None)


def _text(parent: etree._Element, *names: str) -> str | None:
    for name in names:
        found = _child(parent, name)
        if found is None:
            return None
        parent = found
    return parent.text


def _ins(element: etree._Element) -> Ins | None:
    """The INS of an INSACTIF or INSHISTO, None when unreadable. A missing key (optional in the schema) is computed."""
    number = (_text(element, "IdIndividu", "NumIdentifiant") or "").strip()
    key = (_text(element, "IdIndividu", "Cle") or "").strip()
    oid = (_text(element, "OID") or "").strip()
    try:
        matricule = Matricule(value=number + (key or expected_key(number)), certified=True)
        return Ins(matricule=matricule, oid=InsOid(oid))
    except (ModelError, ValueError):
        return None


def _bad_answer(message: str, path: str, request_id: str) -> InsiError:
    return InsiError(
        message, code="INSI_ANSWER", path=path, request_id=request_id, retry=RetryAdvice.after(60),
        rule="INSiResultat: CR, then INDIVIDU with INSACTIF and TIQ when CodeCR is 00",
        hint="ask again later; if it lasts, keep the request id and tell the service",
        hint_fr="La réponse d'INSi n'est pas lisible : réessayez plus tard.",
    )  # fmt: skip


_LATER = RetryAdvice.after(60)
_NEVER = RetryAdvice.never()
# Code of siram:Erreur (or subcode) -> our code, what it means, advice, hint, French text. The list of codes that the
# service may give is not public: these are the ones that were seen.
_FAULTS: dict[str, tuple[str, str, RetryAdvice, str, str]] = {
    "insi_102": ("INSI_UNAVAILABLE", "the search is not available now", _LATER,
                 "ask again later; the test environment also answers this when nobody matches",
                 "INSi est momentanément indisponible : réessayez plus tard."),
    "siram_40": ("INSI_UNAVAILABLE", "the service is not available now", _LATER, "ask again later",
                 "INSi est momentanément indisponible : réessayez plus tard."),
    "insi_24": ("INSI_SEX", "INSi refuses the sex that was sent", _NEVER, "send M or F",
                "INSi refuse le sexe transmis : corrigez-le."),
    "desir_550": ("INSI_IDAM", "the software's authorisation number is not known", _NEVER,
                  "check settings.insi.idam with the CNDA",
                  "Le numéro d'autorisation du logiciel est inconnu d'INSi."),
    "desir_560": ("INSI_ACCESS", "this certificate may not call INSi", _NEVER,
                  "use the certificate whose CN is INSI-AUTO or INSI-MANU",
                  "Le certificat de l'établissement n'ouvre pas l'accès à INSi."),
}  # fmt: skip


def fault_error(fault: SoapFault, *, request_id: str) -> InsiError:
    """A SOAP Fault as an InsiError: `.remote_code` is the code of `siram:Erreur` when there is one, else the subcode.

    Unknown faults: a `Receiver` one may be retried later (a search changes nothing), a `Sender` one never.
    """
    inner = _fault_code(fault.detail)
    code = inner or fault.remote_code
    unknown = fault.soap_code in ("Receiver", "Server")
    name, message, retry, hint, french = _FAULTS.get(code) or _FAULTS.get(
        fault.remote_code if not inner else "",
        (
            "INSI_FAULT",
            "INSi answered a fault",
            _LATER if unknown else _NEVER,
            "see .remote_code and .remote_message",
            "INSi a refusé la demande.",
        ),
    )
    return InsiError(
        f"{message} ({fault.remote_code or fault.soap_code or 'no code'})", code=name, remote_code=code,
        remote_message=fault.remote_message, request_id=request_id, retry=retry, hint=hint, hint_fr=french,
    )  # fmt: skip


def _fault_code(detail: bytes) -> str:
    if not detail:
        return ""
    try:
        root = parse_xml(detail)
    except XmlSecurityError:
        return ""
    error = next(root.iter(f"{{{SIRAM}}}Erreur"), None)
    return (error.get("code") or "")[:40] if error is not None else ""
