"""The two searches of INSi, by traits (WS_INS2) and by Vitale data (WS_INS1): requests as bytes, answers as values.

Pure. Contract DESIR_ICIR_EXP 1.5.0. Answers are read by namespace and name, whatever their prefixes and order: official
answers differ from their own schema on both, so that no schema validation is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from lxml import etree

from .._core.errors import InsiError, ModelError
from .._core.findings import Finding, Report, Severity
from .._core.retry import RetryAdvice
from .._core.text import fold_ascii
from .._core.xml import escape_text
from ..ins import FoundIdentity, normalize_for_insi
from ..model import Ins, InsOid, Matricule, expected_key
from ..settings import SoftwareId
from ..transport import soap
from .faults import shown
from .vitale import VitaleCard

_SERVICE: Final = "urn:ServiceIdentiteCertifiee:1.0.0:"
ACTION: Final = f"{_SERVICE}rechercherInsAvecTraitsIdentite"
VITALE_ACTION: Final = f"{_SERVICE}rechercherInsAvecCarteVitale"
BAM: Final = "urn:siram:bam:ctxbam"
LPS: Final = "urn:siram:lps:ctxlps"
SEARCH: Final = "http://www.cnamts.fr/INSiRecSans"
VITALE: Final = "http://www.cnamts.fr/INSiRecVit"
RESULT: Final = "http://www.cnamts.fr/INSiResultat"
BAM_VERSION: Final = "01_02"
LPS_VERSION: Final = "01_00"
IDAM_KIND: Final = "4"
MAX_TEXT: Final = 1000
"""Characters of one text of an answer: no name is longer."""


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
            f"{_element('ctxlps:Version', self.software.version)}{_element('ctxlps:Instance', self.software.instance)}"
            f"{_element('ctxlps:Nom', f'urn:lps:{name}:{version}')}</ctxlps:LPS>"
        )


def encode_search(query: Query, caller: Caller, *, message_id: str, bam_id: str, lps_id: str, at: datetime) -> bytes:
    """The SOAP 1.2 envelope of a search by traits. The three identifiers are fresh for each call; `at` is aware."""
    traits = (
        ("NomNaissance", query.birth_name), ("Prenom", query.given_name), ("Sexe", query.sex),
        ("DateNaissance", query.birth_date), ("LieuNaissance", query.birth_place or ""),
    )  # fmt: skip
    content = "".join(_element(f"ins:{name}", value) for name, value in traits if value)
    body = f'<ins:RECSANSVITALE xmlns:ins="{SEARCH}">{content}</ins:RECSANSVITALE>'
    return encode_call(ACTION, body, caller, message_id=message_id, bam_id=bam_id, lps_id=lps_id, at=at)


def encode_vitale_search(
    card: VitaleCard, caller: Caller, *, message_id: str, bam_id: str, lps_id: str, at: datetime
) -> bytes:
    """The SOAP 1.2 envelope of a search by Vitale data: the beneficiary in the Body, the cover in ContexteBAM.

    `TypeMatricule` is left out: its values are not public. Raises InsError `INS_NAME_CHARSET` when the card's name has
    a character that INSi does not take.
    """

    def number(name: str, matricule: Matricule) -> str:
        parts = _element("ins:NumIdentifiant", matricule.number) + _element("ins:Cle", matricule.key)
        return f"<ins:{name}>{parts}</ins:{name}>"

    name = normalize_for_insi(card.birth_name, path="card.birth_name") if card.birth_name else ""
    body = (
        f'<ins:RECVITALE xmlns:ins="{VITALE}">{number("MatriculeIndividu", card.own) if card.own else ""}'
        f"{number('MatriculeOD', card.insured)}{_element('ins:NomNaissance', name) if name else ''}"
        f"{_element('ins:DateNaissance', card.birth_date)}{_element('ins:RangNaissance', str(card.birth_rank))}"
        "</ins:RECVITALE>"
    )
    return encode_call(
        VITALE_ACTION, body, caller, message_id=message_id, bam_id=bam_id, lps_id=lps_id, at=at, cover=_cover(card)
    )


def _cover(card: VitaleCard) -> str:
    """The content of `COUVERTURE`, in the order of the schema CTXBAM 01.02."""

    def nir(matricule: Matricule) -> str:
        return _element("ctxbam:Num", matricule.number) + _element("ctxbam:Cle", matricule.key)

    certified = _element("ctxbam:DateCertification", card.certified_on.isoformat()) if card.certified_on else ""
    own = f"<ctxbam:Nir>{nir(card.own)}{certified}</ctxbam:Nir>" if card.own else ""
    bearer = _element("ctxbam:Porteur", card.bearer) if card.bearer else ""
    return (
        f"{_element('ctxbam:GrandRegime', card.regime)}{_element('ctxbam:Organisme', card.fund)}"
        f"{_element('ctxbam:CodeCentre', card.centre)}"
        f"<ctxbam:ASSURE><ctxbam:Id>{nir(card.insured)}</ctxbam:Id></ctxbam:ASSURE>"
        f"<ctxbam:BENEFICIAIRE>{own}{_element('ctxbam:DateNai', card.birth_date)}"
        f"{_element('ctxbam:Rang', str(card.birth_rank))}{bearer}</ctxbam:BENEFICIAIRE>"
    )


def encode_call(
    action: str,
    body: str,
    caller: Caller,
    *,
    message_id: str,
    bam_id: str,
    lps_id: str,
    at: datetime,
    cover: str = "",
) -> bytes:
    """The envelope around the Body of any operation. cover: content of `COUVERTURE`, empty without a Vitale card.

    Header blocks are in the order of the official sample (ContexteBAM, MessageID, Action, ContexteLPS); with a software
    certificate there is no `wsse:Security`.
    """
    time = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
    cover = f"<ctxbam:COUVERTURE>{cover}</ctxbam:COUVERTURE>" if cover else "<ctxbam:COUVERTURE/>"
    headers = (
        f'<ctxbam:ContexteBAM xmlns:ctxbam="{BAM}" Version="{BAM_VERSION}" Nature="CTXBAM">'
        f"{_element('ctxbam:Id', bam_id)}<ctxbam:Temps>{time}</ctxbam:Temps>"
        f"{_element('ctxbam:Emetteur', caller.emitter)}{cover}</ctxbam:ContexteBAM>"
        f"{_element('wsa:MessageID', message_id)}{_element('wsa:Action', action)}"
        f'<ctxlps:ContexteLPS xmlns:ctxlps="{LPS}" Version="{LPS_VERSION}" Nature="CTXLPS">'
        f"{_element('ctxlps:Id', lps_id)}<ctxlps:Temps>{time}</ctxlps:Temps>"
        f"{_element('ctxlps:Emetteur', caller.emitter)}{caller.lps()}</ctxlps:ContexteLPS>"
    )
    return soap.raw_envelope(headers=headers.encode(), body=body.encode())


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape_text(text)}</{name}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """One answer: its code, and the person when there is exactly one.

    remarks: what is odd in the answer, which is kept all the same: `INSI_KEY_WRONG`, `INSI_KEY_ABSENT` (then computed),
    `INSI_HISTORY_UNREADABLE` (a former number that is left out), `INSI_TRAITS_ABSENT`.
    """

    code: SearchCode
    person: FoundIdentity | None = None
    remarks: Report = field(default_factory=Report)


class _Unreadable(Exception):
    """An answer that cannot be relied on: why, and where."""


def decode_search(body: etree._Element, *, request_id: str = "") -> SearchResult:
    """Read a `RESULTAT`. Every text of the person is kept as received; a wrong key is no reason to refuse.

    Raises InsiError `INSI_ANSWER` (not a RESULTAT, incomplete, contradictory, or saying something twice, so that one
    could take the wrong person), `INSI_RESULT_CODE` (a CodeCR that is not known).
    """
    try:
        return _result(body, request_id)
    except _Unreadable as e:
        message, path = e.args
        raise bad_answer(message, path, request_id) from None


def _result(body: etree._Element, request_id: str) -> SearchResult:
    if body.tag != f"{{{RESULT}}}RESULTAT" or any(isinstance(e.tag, str) for e in body.itersiblings()):
        raise _Unreadable("the answer is not one RESULTAT", "Body")
    report = _one(body, "CR")
    text = _text(report, "CodeCR") if report is not None else None
    if text is None:
        raise _Unreadable("there is no CodeCR", "RESULTAT/CR/CodeCR")
    try:
        code = SearchCode(text.strip())
    except ValueError:
        raise InsiError(
            f"INSi answered a result code that is not known ({shown(text.strip()[:20]) or 'no code'})",
            code="INSI_RESULT_CODE", path="RESULTAT/CR/CodeCR", remote_code=text[:20], request_id=request_id,
            rule="00, 01 or 02", hint="look the code up in the current INSi guide",
            hint_fr="INSi a répondu un code inconnu : signalez-le à l'éditeur.",
        ) from None  # fmt: skip
    person = _one(body, "INDIVIDU")
    if code is not SearchCode.FOUND:
        if person is not None:
            raise _Unreadable(f"CodeCR {code.value} comes with a person", "RESULTAT/INDIVIDU")
        return SearchResult(code=code)
    active = _one(person, "INSACTIF") if person is not None else None
    if person is None or active is None:
        raise _Unreadable("a person was found but is not in the answer", "RESULTAT/INDIVIDU")
    ins = _ins(active)
    if ins is None:
        raise _Unreadable("the active INS cannot be read", "RESULTAT/INDIVIDU/INSACTIF")
    history = [_ins(e) for e in _children(person, "INSHISTO")]
    traits = _one(person, "TIQ")
    values = {name: _text(traits, name) if traits is not None else None for name in _TRAITS}
    return SearchResult(
        code=code,
        person=FoundIdentity(
            ins=ins,
            birth_name=values["NomNaissance"],
            first_given_name=values["Prenom"],
            given_names=values["ListePrenom"],
            sex=values["Sexe"],
            birth_date=values["DateNaissance"],
            birth_place=values["LieuNaissance"],
            history=tuple(filter(None, history)),
        ),
        remarks=Report.of(_remarks(active, ins, history, values)),
    )


_TRAITS: Final = ("NomNaissance", "Prenom", "ListePrenom", "Sexe", "DateNaissance", "LieuNaissance")
_EXPECTED: Final = ("NomNaissance", "Sexe", "DateNaissance")
"""Traits that every published answer has; a given name may be in `Prenom`, in `ListePrenom` or in both."""


def _remarks(
    active: etree._Element, ins: Ins, history: list[Ins | None], values: dict[str, str | None]
) -> Iterator[Finding]:
    where = "RESULTAT/INDIVIDU"
    identifier = _one(active, "IdIndividu")
    if identifier is None or not _text(identifier, "Cle"):
        yield _remark("KEY_ABSENT", "the key was left out, and computed", f"{where}/INSACTIF",
                      "La clé du matricule a été calculée : INSi ne l'a pas donnée.")  # fmt: skip
    elif not ins.matricule.key_is_valid:
        yield _remark("KEY_WRONG", "the key is not that of the number", f"{where}/INSACTIF",
                      "La clé du matricule renvoyé par INSi est inhabituelle : gardez-la.")  # fmt: skip
    unreadable = [n for n, former in enumerate(history, 1) if former is None]
    if unreadable:
        yield _remark("HISTORY_UNREADABLE", f"{len(unreadable)} former number(s) cannot be read",
                      f"{where}/INSHISTO[{unreadable[0]}]", "Un ancien matricule de cette réponse est illisible.",
                      severity=Severity.WARNING)  # fmt: skip
    absent = [n for n in _EXPECTED if not values[n]]
    if not values["Prenom"] and not values["ListePrenom"]:
        absent.append("ListePrenom")
    if absent:
        yield _remark("TRAITS_ABSENT", f"INSi left out {', '.join(absent)}", f"{where}/TIQ",
                      "INSi n'a pas renvoyé tous les traits : comparez avec une pièce d'identité.",
                      severity=Severity.WARNING)  # fmt: skip


def _remark(code: str, message: str, path: str, message_fr: str, *, severity: Severity = Severity.INFO) -> Finding:
    return Finding(
        code=f"INSI_{code}", message=message, path=path, severity=severity, rule="INSi's answer is kept as received",
        source="INSi_RESULTAT_INS; EXI REC 08 (as reported)", hint="show it to whoever compares the traits",
        message_fr=message_fr,
    )  # fmt: skip


def _children(parent: etree._Element, name: str) -> Iterator[etree._Element]:
    return parent.iterchildren(f"{{{RESULT}}}{name}")


def _one(parent: etree._Element, name: str) -> etree._Element | None:
    """The child of this name, None when absent. Of two, nobody can tell which is meant."""
    found = list(_children(parent, name))
    if len(found) > 1:
        raise _Unreadable(f"there is more than one {name}", f"RESULTAT//{name}")
    return found[0] if found else None


def _text(parent: etree._Element, name: str) -> str | None:
    """The text of a child, comments left out and nothing else; None when absent or blank."""
    child = _one(parent, name)
    if child is None:
        return None
    if any(isinstance(e.tag, str) for e in child):
        raise _Unreadable(f"{name} is not a text", f"RESULTAT//{name}")
    text = "".join((child.text or "", *(comment.tail or "" for comment in child)))
    if len(text) > MAX_TEXT:
        raise _Unreadable(f"{name} is over {MAX_TEXT} characters", f"RESULTAT//{name}")
    return text if text.strip() else None


def _ins(element: etree._Element) -> Ins | None:
    """The INS of an INSACTIF or INSHISTO, None when unreadable. A missing key (optional in the schema) is computed."""
    identifier = _one(element, "IdIndividu")
    if identifier is None:
        return None
    number = (_text(identifier, "NumIdentifiant") or "").strip()
    key = (_text(identifier, "Cle") or "").strip()
    oid = (_text(element, "OID") or "").strip()
    try:
        if len(number) != 13 or len(key) not in (0, 2):
            return None
        return Ins(matricule=Matricule(value=number + (key or expected_key(number)), certified=True), oid=InsOid(oid))
    except (ModelError, ValueError):
        return None


def bad_answer(message: str, path: str, request_id: str, *, code: str = "INSI_ANSWER") -> InsiError:
    """The error for an answer that cannot be used. To ask again is safe: a search changes nothing."""
    return InsiError(
        message, code=code, path=path, request_id=request_id, retry=RetryAdvice.after(60),
        rule="INSiResultat: CR, then INDIVIDU with INSACTIF and TIQ when CodeCR is 00",
        hint="ask again later; if it lasts, keep the request id and tell the service",
        hint_fr="La réponse d'INSi n'est pas lisible : réessayez plus tard.",
    )  # fmt: skip
