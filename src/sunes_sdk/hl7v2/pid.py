"""The patient in HL7 v2: `PID` and what `ZFD` completes it with (IHE PAM, French extension 2.11), read and written.

The reader is lenient and names what is wrong; the writer is strict. An INS is written only through
`Identity.for_transmission`, and read only from a repetition of type `INS`: a billing number (`NH`) bears the same OID
and is never one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from .._core.errors import Hl7Error, ModelError
from .._core.findings import Finding, Report, Severity
from .._core.hl7time import Precision, format_date, format_ts, parse_ts
from .._core.ids import is_oid
from ..ins import check_traits
from ..ins.traits import UNKNOWN_PLACE
from ..model import (
    Address,
    Identifier,
    Identity,
    IdentityAttribute,
    IdentityStatus,
    Ins,
    InsOid,
    Matricule,
    Patient,
    Sex,
    Target,
    Telecom,
    Traits,
)
from ..settings import Environment, OidSettings
from . import er7
from .er7 import Message, Raw, Repetition, Segment

PAM: Final = "IHE PAM France 2.11"
DELETED: Final = '""'
"""Two quotes: "delete this value" (HL7 v2.5 ch. 2). Never a text of a patient."""
IPP: Final = "PI"
"""Type of a local identifier (table 0203)."""
INS: Final = "INS"
_FORBIDDEN: Final = (2, 4, 9, 10, 12, 17, 19, 20, 22, 28)
_STATUS = {s.value: s for s in IdentityStatus}
_ATTRIBUTES = {a.value: a for a in IdentityAttribute}
_BLOCKING = frozenset({IdentityAttribute.DOUTEUSE, IdentityAttribute.FICTIVE})
_CHECKED = frozenset({IdentityStatus.VALIDEE, IdentityStatus.QUALIFIEE})
_USES_READ: Final = {"H": "H", "O": "WP", "B": "WP", "C": "TMP"}
_USES_WRITTEN: Final = {"H": "H", "HP": "H", "WP": "O", "TMP": "C", "HV": "C"}
"""XAD-7 of an address; a holiday address has no code of its own that was seen: written as temporary (`C`)."""
_NAMESPACES: Final = {InsOid.NIA: "ASIP-SANTE-INS-NIA"}
"""CX-4.1; the others are `ASIP-SANTE-INS-NIR`. A reader looks at the OID, not at this name."""
_DATE = re.compile(r"[0-9]{8}", re.ASCII)
_LUNAR = re.compile(r"([0-9]{1,2})\^([0-9]{1,2})\^([0-9]{4})", re.ASCII)
_PHONE = re.compile(r"0[1-9][0-9]{8}|\+[1-9][0-9]{5,14}", re.ASCII)
_SEPARATORS: Final = str.maketrans("", "", "-.()")
_BLANK = re.compile(r"\s")
_COUNTRY = re.compile(r"[A-Z]{3}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Rule = tuple[str, str, str, str, str]
"""Message, rule, source, hint, French message."""
RULES: dict[str, Rule] = {
    "ADT_PID_FORBIDDEN": ("a field that France does not use is filled",
                          "PID-2, 4, 9, 10, 12, 17, 19, 20, 22 and 28 stay empty", PAM, "it is ignored", ""),
    "ADT_STATUS_MISSING": ("the identity status is missing: taken as provisional", "PID-32 holds PROV or VALI", PAM,
                           "ask the sender to fill PID-32", "Le statut de l'identité manque : elle est traitée comme "
                           "provisoire."),
    "ADT_INS_NOT_QUALIFIED": ("an INS came with an identity that is not qualified: it is not taken",
                              "an INS is sent only with PID-32 = VALI", f"{PAM}, PID-32; RNIV EXI SI 08",
                              "ask the sender to qualify the identity, or to leave the INS out",
                              "Un INS accompagne une identité non qualifiée : il n'est pas repris."),
    "ADT_INS_FORMAT": ("the INS cannot be read: it is not taken", "15 characters and an OID of an INS authority", PAM,
                       "ask the sender for the INS as INSi gave it", "L'INS reçu n'est pas lisible : il n'est pas "
                       "repris."),
    "ADT_INS_KEY": ("the key of the INS does not go with its number", "key = 97 - (number mod 97)", "Référentiel INS",
                    "check the INS with INSi", "La clé du matricule INS reçu est fausse : à vérifier par INSi."),
    "ADT_INS_DATES": ("the INS carries dates", "CX-7 and CX-8 of an INS stay empty", PAM, "they are ignored", ""),
    "ADT_INS_INCOMPLETE": ("an INS came without all strict traits: it is not taken",
                           "a qualified identity has its given names, birth date, sex M or F and BDL place with COG",
                           PAM, "ask the sender for the missing trait",
                           "L'INS reçu n'a pas tous ses traits stricts : il n'est pas repris."),
    "ADT_GIVEN_NAMES_MISSING": ("the list of birth given names is missing: the first given name stands for it",
                                "XPN-3 of the L name holds the list, the first name included", PAM,
                                "ask the sender to fill PID-5.3", ""),
    "ADT_BIRTH_PLACE_MISSING": ("the birth place is missing: recorded as unknown (99999)",
                                "PID-11 has a BDL repetition with the COG in XAD-9", PAM,
                                "ask the sender for the COG of the birth place", "Le lieu de naissance manque."),
    "ADT_ADDRESS": ("an address cannot be used", "XAD as constrained for France", PAM, "it is ignored", ""),
    "ADT_IPP_AUTHORITY": ("a local identifier of another authority is not taken",
                          "the IPP is the PI of the receiving hospital's authority", PAM,
                          "give authority= when several send PI", ""),
    "ADT_INS_CORRECTED_DATE": ("an INS came with a corrected birth date: it is not taken",
                               "a corrected birth date (ZFD-4 = Y) forbids a recovered or qualified identity", PAM,
                               "ask the sender to mend the identity", "La date de naissance a été corrigée : l'INS "
                               "reçu n'est pas repris."),
    "ADT_IDENTIFIER": ("an identifier cannot be used: it is not taken", "CX-1 is plain text, CX-4 its authority", PAM,
                       "ask the sender to mend it", ""),
    "ADT_DEATH_TIME": ("the time of death is not a day or an instant, or of somebody said alive: it is not taken",
                       "PID-29 is a TS, with PID-30 = Y", PAM,
                       "ask the sender to mend it", ""),
    "ADT_ZFD": ("the complement of the identity cannot be read: the field is ignored", "ZFD as PAM France defines it",
                f"{PAM}, ZFD", "ask the sender to mend it", ""),
}  # fmt: skip


class IdentityChannel(StrEnum):
    """ZFD-5 (table 9003): how the identity was obtained. `AV` is newer than the table."""

    TYPED = "SM"
    VITALE_CARD = "CV"
    INSI = "INSI"
    BARCODE = "CB"
    RFID = "RFID"
    VITALE_APPLICATION = "AV"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityTrace:
    """Where an identity comes from: ZFD-4 to ZFD-8.

    corrected_birth_date: the recorded date stands for an incomplete one (RNIV EXI PP 19); channel: how it was obtained;
    insi_on: day of the INSi call; document: code of table 9004 (`CN` card, `PA` passport, `CS` residence permit, `AN`
    birth certificate …), which differs from the codes of FR Core (`ins.DocumentKind`): give the table's own;
    document_until: end of its validity.
    """

    corrected_birth_date: bool | None = None
    channel: IdentityChannel | None = None
    insi_on: date | None = None
    document: str = ""
    document_until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySegments:
    """`PID` and `ZFD`, each for its own place in the message; zfd is empty when it has nothing to say."""

    pid: str = field(repr=False)
    zfd: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadIdentity:
    """The patient of a message. others: identifiers of PID-3 that are neither an IPP nor an INS and whose authority is
    an OID (`NH` billing number, `RI` …); trace: what ZFD says; warnings: what was wrong but clear."""

    patient: Patient
    others: tuple[Identifier, ...] = ()
    trace: IdentityTrace = field(default_factory=IdentityTrace)
    warnings: Report = field(default_factory=Report)


# --- Reading --------------------------------------------------------------------------------------------------------


def read_identity(
    message: Message, *, oids: OidSettings, authority: str | None = None, strict: bool = False
) -> ReadIdentity:
    """The patient that `PID` (and `ZFD`) name, in any message.

    oids: root of the hospital's IPP, for identifiers whose authority is no OID; authority: namespace (CX-4.1) of its
    IPP, needed when the feed bears several. A repetition whose value is `""` (deleted) is not there.
    Raises Hl7Error: `ADT_SEGMENT_MISSING`, `ADT_NAME`, `ADT_BIRTH_DATE`, `ADT_SEX`, `ADT_BIRTH_PLACE`, `ADT_TRAITS`,
    `ADT_IPP`; with `strict`, the first warning as an error.
    """
    pid = message.first("PID")
    if pid is None:
        raise adt_error("ADT_SEGMENT_MISSING", "PID", "segment PID is missing", "PID is required",
                        "ask the sender for a complete message")  # fmt: skip
    reader = IdentityReader(pid, message.first("ZFD"), oids=oids, authority=authority)
    read = reader.read()
    if strict:
        raise_for_warnings(reader.findings)
    return read


def adt_error(code: str, path: str, message: str, rule: str, hint: str, hint_fr: str = "") -> Hl7Error:
    return Hl7Error(message, code=code, path=path, rule=f"{rule} ({PAM})", hint=hint, hint_fr=hint_fr)


def unusable(error: ModelError, code: str, path: str) -> Hl7Error:
    hint = error.hint or "ask the sender to mend it"
    return Hl7Error(error.message, code=code, path=path, rule=error.rule, hint=hint, hint_fr=error.hint_fr)


def warning(code: str, path: str, rule: Rule) -> Finding:
    message, text, source, hint, french = rule
    return Finding(code=code, message=message, path=path, severity=Severity.WARNING, rule=text, source=source,
                   hint=hint, message_fr=french)  # fmt: skip


def raise_for_warnings(findings: Sequence[Finding]) -> None:
    if findings:
        raise Hl7Error.from_report(Report.of(replace(f, severity=Severity.ERROR) for f in findings))


def filled(text: str) -> str | None:
    return None if text.strip() in ("", DELETED) else text


def identifier_of(cx: Repetition, type_code: str, root: str, path: str) -> Identifier:
    """A CX; root: of an authority that is no OID. Raises Hl7Error `ADT_IDENTIFIER`."""
    try:
        return Identifier(
            value=cx.value(1), root=cx.value(4, 2) if _has_oid(cx) else root, authority=cx.value(4),
            type_code=cx.value(5) or type_code,
        )  # fmt: skip
    except ModelError as e:
        raise unusable(e, "ADT_IDENTIFIER", path) from None


def _has_oid(cx: Repetition) -> bool:
    return cx.value(4, 3) == "ISO" and is_oid(cx.value(4, 2))


_TRAIT_PLACES = {
    "birth_name": ("ADT_NAME", "1"),
    "birth_given_names": ("ADT_NAME", "3"),
    "first_given_name": ("ADT_NAME", "2"),
}


class IdentityReader:
    """Reads one PID and its ZFD. findings: what was wrong; remarks: how the traits agree with the matricule."""

    def __init__(self, pid: Segment, zfd: Segment | None, *, oids: OidSettings, authority: str | None) -> None:
        self._pid = pid
        self._zfd = zfd
        self._oids = oids
        self._authority = authority
        self.findings: list[Finding] = []
        self.remarks = Report()

    def read(self) -> ReadIdentity:
        trace = self._trace()
        pid = self._pid
        for number in _FORBIDDEN:
            if pid.field(number):
                self._warn("ADT_PID_FORBIDDEN", f"PID-{number}")
        traits, complete = self._traits()
        identity = self._identity(traits, complete, trace)
        used = self._name("D")
        birth = self._birth_place()
        multiple = _YES_NO.get(pid.value(24))
        order = pid.value(25)
        local, others = self._identifiers()
        patient = Patient(
            identity=identity,
            identifiers=local,
            used_name=filled(used[1].value(1)) if used else None,
            used_given_name=filled(used[1].value(2)) if used else None,
            birth_city=filled(birth[1].value(3)) if birth else None,
            birth_country=filled(birth[1].value(6)) if birth else None,
            addresses=tuple(self._addresses()),
            telecoms=tuple(_telecoms_of(pid.repetitions(13))),
            multiple_birth=multiple,
            # Feeds write 1 for everybody: an order is one only with PID-24.
            birth_order=int(order) if multiple and order in _ORDERS else None,
            **self._death(),
        )
        if identity.ins:
            self.remarks = check_traits(traits, identity.ins.matricule)
        return ReadIdentity(
            patient=patient, others=others, trace=trace, warnings=Report(tuple(self.findings)) + self.remarks
        )

    def _warn(self, code: str, path: str) -> None:
        self.findings.append(warning(code, path, RULES[code]))

    def _name(self, kind: str) -> tuple[int, Repetition] | None:
        names = enumerate(self._pid.repetitions(5), 1)
        return next(((n, name) for n, name in names if name.value(7) == kind), None)

    def _birth_place(self) -> tuple[int, Repetition] | None:
        places = enumerate(self._pid.repetitions(11), 1)
        return next(((n, place) for n, place in places if place.value(7) == "BDL"), None)

    def _traits(self) -> tuple[Traits, bool]:
        """The strict traits, and whether the message gave all that an INS needs."""
        found = self._name("L")
        if found is None or not filled(found[1].value(1)) or not filled(found[1].value(2) or found[1].value(3)):
            raise adt_error("ADT_NAME", "PID-5", "there is no birth name (type L) with a given name",
                            "PID-5 has an L repetition: birth name, first given name, list", "ask the sender for it",
                            "Le nom ou le prénom de naissance manque.")  # fmt: skip
        number, name = found
        if any(_CONTROL.search(name.value(n)) for n in (1, 2, 3)):
            raise adt_error("ADT_NAME", f"PID-5[{number}]", "a name holds a control character", "names are plain text",
                            "ask the sender to mend it", "Un nom contient un caractère interdit.")  # fmt: skip
        listed = name.value(3)
        if not listed:
            self._warn("ADT_GIVEN_NAMES_MISSING", f"PID-5[{number}].3")
        birth = self._birth_place()
        cog = filled(birth[1].value(9)) if birth else None
        if cog is None:
            self._warn("ADT_BIRTH_PLACE_MISSING", f"PID-11[{birth[0]}].9" if birth else "PID-11")
        sex = self._pid.value(8)
        if sex not in ("F", "M", "U"):
            raise adt_error("ADT_SEX", "PID-8", "the sex is missing or not of the table", "PID-8 is F, M or U",
                            "ask the sender to mend it", "Le sexe manque ou n'est pas lisible.")  # fmt: skip
        values: dict[str, Any] = {
            "birth_name": name.value(1),
            "birth_given_names": listed or name.value(2),
            "first_given_name": name.value(2) or listed.split()[0],
            "birth_date": self._birth_date(),
            "sex": Sex.UNKNOWN if sex == "U" else Sex(sex),
            "birth_place": cog or UNKNOWN_PLACE,
        }
        try:
            traits = Traits(**values)
        except ModelError as e:
            place = birth[0] if birth else 1
            trait = e.path.rpartition(".")[2]
            if trait == "birth_place":
                raise unusable(e, "ADT_BIRTH_PLACE", f"PID-11[{place}].9") from None
            code, component = _TRAIT_PLACES.get(trait, ("ADT_TRAITS", "1"))
            raise unusable(e, code, f"PID-5[{number}].{component}") from None
        return traits, bool(listed) and cog is not None and sex != "U"

    def _birth_date(self) -> str:
        text = self._pid.value(7)
        if _DATE.fullmatch(text[:8]) and text != DELETED:
            try:
                parse_ts(text)
            except ValueError:
                pass
            else:
                return f"{text[:4]}-{text[4:6]}-{text[6:8]}"
        zfd = self._zfd
        lunar = _LUNAR.fullmatch(zfd.field(1)) if zfd and not text else None
        if lunar:
            return f"{lunar[3]}-{int(lunar[2]):02d}-{int(lunar[1]):02d}"
        raise adt_error("ADT_BIRTH_DATE", "PID-7", "the birth date is missing or not a day",
                        "PID-7 is YYYYMMDD, or ZFD-1 holds a lunar date", "ask the sender to mend it",
                        "La date de naissance manque ou n'est pas lisible.")  # fmt: skip

    def _identity(self, traits: Traits, complete: bool, trace: IdentityTrace) -> Identity:
        codes = [r.value() for r in self._pid.repetitions(32)]
        attributes = frozenset(_ATTRIBUTES[c] for c in codes if c in _ATTRIBUTES)
        if IdentityAttribute.FICTIVE in attributes:
            attributes = frozenset({IdentityAttribute.FICTIVE})
        status = next((_STATUS[c] for c in codes if c in _STATUS), None)
        if status is None:
            self._warn("ADT_STATUS_MISSING", "PID-32")
            status = IdentityStatus.PROVISOIRE
        if attributes & _BLOCKING:
            status = IdentityStatus.PROVISOIRE
        ins, place = self._ins()
        if ins is not None and status is IdentityStatus.PROVISOIRE:
            self._warn("ADT_INS_NOT_QUALIFIED", place)
            ins = None
        if ins is not None and not complete:
            self._warn("ADT_INS_INCOMPLETE", place)
            ins = None
        if ins is not None and trace.corrected_birth_date:
            self._warn("ADT_INS_CORRECTED_DATE", "ZFD-4")
            ins = None
        if ins is None:
            # Without an INS, "qualified" and "recovered" cannot be; RECUP never saw a document.
            checked = status in (IdentityStatus.VALIDEE, IdentityStatus.QUALIFIEE)
            status = IdentityStatus.VALIDEE if checked else IdentityStatus.PROVISOIRE
        elif status is IdentityStatus.VALIDEE:
            status = IdentityStatus.QUALIFIEE  # table 0445 has no code of its own: VALI and an INS say it
        return Identity(traits=traits, status=status, ins=ins, attributes=attributes)

    def _ins(self) -> tuple[Ins | None, str]:
        """The INS of PID-3 (a NIR before a NIA). Only the type `INS` says it: a billing number bears the same OID."""
        found: list[tuple[Ins, str]] = []
        for number, cx in enumerate(self._pid.repetitions(3), 1):
            if cx.value(5) != INS or not filled(cx.value(1)):
                continue
            place = f"PID-3[{number}]"
            try:
                matricule = Matricule(value=cx.value(1), certified=True)
                ins = Ins(matricule=matricule, oid=InsOid(cx.value(4, 2)))
            except ModelError:
                self._warn("ADT_INS_FORMAT", f"{place}.1")
                continue
            except ValueError:
                self._warn("ADT_INS_FORMAT", f"{place}.4.2")
                continue
            if not matricule.key_is_valid:
                self._warn("ADT_INS_KEY", f"{place}.1")
            if cx.value(7) or cx.value(8):
                self._warn("ADT_INS_DATES", f"{place}.{7 if cx.value(7) else 8}")
            found.append((ins, place))
        found.sort(key=lambda item: item[0].oid is InsOid.NIA)
        return found[0] if found else (None, "")

    def _identifiers(self) -> tuple[tuple[Identifier, ...], tuple[Identifier, ...]]:
        """The local identifiers, and those of other types that an OID names. Never an INS."""
        local: list[Identifier] = []
        others: list[Identifier] = []
        for number, cx in enumerate(self._pid.repetitions(3), 1):
            if cx.value(5) == INS or not filled(cx.value(1)):
                continue
            is_local = cx.value(5) in (IPP, "")
            if is_local and cx.value(4, 2) in _INS_ROOTS:
                self._warn("ADT_IDENTIFIER", f"PID-3[{number}].5")  # an INS that does not say so
                continue
            named = self._authority is not None and cx.value(4) != self._authority
            if is_local and (named or (self._authority is None and local)) and not _has_oid(cx):
                self._warn("ADT_IPP_AUTHORITY", f"PID-3[{number}].4")
            elif is_local or _has_oid(cx):
                try:
                    found = identifier_of(cx, IPP, self._oids.ipp, f"PID-3[{number}]")
                except Hl7Error:
                    self._warn("ADT_IDENTIFIER", f"PID-3[{number}].1")
                else:
                    (local if is_local else others).append(found)
        if not local:
            raise adt_error("ADT_IPP", "PID-3", "there is no local identifier of the patient (IPP)",
                            "PID-3 has a PI repetition of the hospital", "ask the sender for it, or give authority=",
                            "L'identifiant local du patient (IPP) manque.")  # fmt: skip
        return tuple(local), tuple(others)

    def _addresses(self) -> Iterator[Address]:
        for number, xad in enumerate(self._pid.repetitions(11), 1):
            street, more, city, postal_code, country = (filled(xad.value(n)) for n in (1, 2, 3, 5, 6))
            if xad.value(7) == "BDL" or not any((street, more, city, postal_code, country)):
                continue
            values: dict[str, Any] = {
                "street_name": street, "additional_locator": more and more.replace("^", ", "),
                "city": city, "postal_code": postal_code, "country": country, "use": _USES_READ.get(xad.value(7)),
            }  # fmt: skip
            try:
                yield Address(**values)
            except ModelError:
                self._warn("ADT_ADDRESS", f"PID-11[{number}]")

    def _death(self) -> dict[str, Any]:
        text = self._pid.value(29)
        stated = _YES_NO.get(self._pid.value(30))
        if not filled(text):
            return {"deceased": stated}
        try:
            stamp = parse_ts(text)
        except ValueError:
            stamp = None
        if stamp is None or stamp.precision < Precision.DAY or stated is False:
            self._warn("ADT_DEATH_TIME", "PID-29")
            return {"deceased": stated}
        return {"deceased": True, "deceased_at": stamp.value if stamp.precision > Precision.DAY else stamp.date}

    def _trace(self) -> IdentityTrace:
        zfd = self._zfd
        if zfd is None:
            return IdentityTrace()
        channel = zfd.value(5)
        if channel and channel not in _CHANNELS:
            self._warn("ADT_ZFD", "ZFD-5")
        return IdentityTrace(
            corrected_birth_date=_YES_NO.get(zfd.value(4)),
            channel=_CHANNELS.get(channel),
            insi_on=self._day(zfd, 6),
            document=filled(zfd.value(7)) or "",
            document_until=self._day(zfd, 8),
        )

    def _day(self, zfd: Segment, number: int) -> date | None:
        text = filled(zfd.value(number))
        if not text:
            return None
        try:
            stamp = parse_ts(text)
        except ValueError:
            stamp = None
        if stamp is None or stamp.precision < Precision.DAY:
            self._warn("ADT_ZFD", f"ZFD-{number}")
            return None
        return stamp.date


_YES_NO: Final = {"Y": True, "N": False}
_ORDERS: Final = frozenset(map(str, range(1, 100)))
_CHANNELS: Final = {c.value: c for c in IdentityChannel}
_INS_ROOTS: Final = frozenset(oid.value for oid in InsOid)


def _phone(scheme: str, number: str) -> Telecom:
    return Telecom(value=f"{scheme}:{number if number.startswith('+') else f'+33{number[1:]}'}")


def _telecoms_of(found: Sequence[Repetition]) -> Iterator[Telecom]:
    for xtn in found:
        phone, mail = xtn.value(12) or xtn.value(1), xtn.value(4)
        if _PHONE.fullmatch(phone):
            yield _phone("fax" if xtn.value(3) == "FX" else "tel", phone)
        elif "@" in mail and not _BLANK.search(mail):
            yield Telecom(value=f"mailto:{mail}")


# --- Writing --------------------------------------------------------------------------------------------------------


def write_identity(
    patient: Patient,
    *,
    environment: Environment,
    test_people: Collection[str] = frozenset(),
    account: Identifier | None = None,
    others: Sequence[Identifier] = (),
    trace: IdentityTrace | None = None,
) -> IdentitySegments:
    """`PID`, and `ZFD` when there is something to say in it (a lunar birth date, a trace).

    environment, test_people: where the message goes, as in `Settings`; a qualified identity goes with its INS, or not
    at all when that is of another environment; any other identity goes without. account: PID-18 (`AN`); others: further
    repetitions of PID-3 (`NH`, `RI` …), never an INS.
    What PID cannot carry is left out: see `carried`.
    Raises InsError (what `Identity.for_transmission` refuses), Hl7Error: `PID_IPP` (no local identifier),
    `PID_AUTHORITY` (an identifier without the name of its authority), `PID_INS_IDENTIFIER` (an INS among other
    identifiers), `PID_TEXT` (control character, or `""`), `PID_CORRECTED_DATE` (an INS with a corrected date),
    `PID_SEX` (an INS without sex). With a lunar date PID-7 is empty even beside an INS, where PAM wants it filled: the
    two rules contradict each other (unverified), and no date is made up.
    """
    identity, traits = patient.identity, patient.traits
    trace = trace or IdentityTrace()
    ins = None
    if identity.is_qualified:
        ins = identity.for_transmission(Target.HL7V2, environment, test_people=test_people)
    if ins and trace.corrected_birth_date:
        raise adt_error("PID_CORRECTED_DATE", "ZFD-4", "an identity with a corrected birth date has no INS",
                        "a corrected birth date forbids sending the INS", "record the date that INSi gave",
                        "La date de naissance a été corrigée : l'INS ne peut pas être transmis.")  # fmt: skip
    if ins and traits.sex is Sex.UNKNOWN:
        raise adt_error("PID_SEX", "PID-8", "an INS without the sex", "an identity with an INS has the sex M or F",
                        "record the sex that INSi gave",
                        "Le sexe doit être M ou F pour transmettre l'INS.")  # fmt: skip
    day = traits.calendar_birth_date
    fields: dict[int, str] = {
        1: "1",
        3: er7.repetitions(*_cx_all(patient, ins, others)),
        5: er7.repetitions(*_names(patient)),
        7: format_date(day) if day else "",
        8: "U" if traits.sex is Sex.UNKNOWN else traits.sex.value,
        11: er7.repetitions(*map(_xad, patient.addresses), _xad_of_birth(patient)),
        13: er7.repetitions(*filter(None, map(_xtn, patient.telecoms))),
        18: _cx(account, "AN", "account") if account else "",
        24: _yes_no(patient.multiple_birth),
        25: str(patient.birth_order or ""),
        29: _instant(patient.deceased_at),
        30: _yes_no(patient.deceased),
        32: er7.repetitions("VALI" if identity.status in _CHECKED else "PROV", *sorted(identity.attributes)),
    }
    complement: dict[int, str] = {
        1: "" if day else er7.components(*reversed(traits.birth_date.split("-"))),
        4: _yes_no(trace.corrected_birth_date),
        5: trace.channel.value if trace.channel else "",
        6: format_date(trace.insi_on) if trace.insi_on else "",
        7: _text(trace.document, "trace.document"),
        8: format_date(trace.document_until) if trace.document_until else "",
    }
    return IdentitySegments(
        pid=er7.segment("PID", fields), zfd=er7.segment("ZFD", complement) if any(complement.values()) else ""
    )


def _yes_no(value: bool | None) -> str:
    return "" if value is None else "Y" if value else "N"


def _instant(value: date | datetime | None) -> str:
    if value is None:
        return ""
    return format_ts(value) if isinstance(value, datetime) else format_date(value)


def _text(value: str | None, path: str) -> str:
    """A text as it can be read back. Raises Hl7Error `PID_TEXT`."""
    text = (value or "").strip()
    if text == DELETED or _CONTROL.search(text):
        raise adt_error("PID_TEXT", path, "a text that HL7 cannot carry as it is",
                        'no control character, and not the two quotes that mean "deleted"', "mend the patient's data",
                        "Un texte du patient contient un caractère interdit.")  # fmt: skip
    return text


def _cx_all(patient: Patient, ins: Ins | None, others: Sequence[Identifier]) -> Iterator[Raw]:
    if not any(i.type_code in (IPP, "") for i in patient.identifiers):
        raise adt_error("PID_IPP", "patient.identifiers", "there is no local identifier (IPP)",
                        "PID-3 has a PI repetition", "give the IPP", "L'identifiant local (IPP) manque.")  # fmt: skip
    for number, identifier in enumerate(patient.identifiers):
        yield _cx(identifier, IPP, f"patient.identifiers[{number}]")
    if ins:
        yield _ins_cx(ins)
    for number, identifier in enumerate(others):
        yield _cx(identifier, "", f"others[{number}]")


def _ins_cx(ins: Ins) -> Raw:
    namespace = _NAMESPACES.get(ins.oid, "ASIP-SANTE-INS-NIR")
    return er7.components(ins.value, "", "", er7.subcomponents(namespace, ins.oid.value, "ISO"), INS)


def _cx(identifier: Identifier, type_code: str, path: str) -> Raw:
    kind = identifier.type_code or type_code
    if kind == INS or (identifier.root in _INS_ROOTS and kind != "NH"):
        raise adt_error("PID_INS_IDENTIFIER", path, "an INS among other identifiers",
                        "an INS goes by Identity.for_transmission only", "put it in the identity of the patient",
                        "Un INS ne s'écrit pas comme un identifiant local.")  # fmt: skip
    authority = _text(identifier.authority, f"{path}.authority")
    if not authority or not kind:
        raise adt_error("PID_AUTHORITY", path, "an identifier without type or name of its authority",
                        "CX-4.1 names the authority, CX-5 the type", "give authority and type_code")  # fmt: skip
    return er7.components(
        _text(identifier.value, path), "", "", er7.subcomponents(authority, identifier.root, "ISO"), kind
    )


def _names(patient: Patient) -> Iterator[Raw]:
    traits = patient.traits
    yield er7.components(
        _text(traits.birth_name, "traits.birth_name"),
        _text(traits.first_given_name, "traits.first_given_name"),
        _text(traits.birth_given_names, "traits.birth_given_names"),
        "", "", "", "L",
    )  # fmt: skip
    used = _text(patient.used_name, "patient.used_name"), _text(patient.used_given_name, "patient.used_given_name")
    if any(used):
        yield er7.components(*used, "", "", "", "", "D")


def _xad(address: Address) -> Raw:
    street, more = _street(address)
    return er7.components(
        _text(street, "address"), _text(more, "address"), _text(address.city, "address"), "",
        _text(address.postal_code, "address"), _country(address.country), _USES_WRITTEN.get(address.use or "", ""),
    )  # fmt: skip


def _street(address: Address) -> tuple[str, str]:
    """XAD-1, and XAD-2 where further lines are joined with `\\S\\` (ITI Appendix N, France)."""
    if address.lines:
        return address.lines[0], "^".join(address.lines[1:])
    street = " ".join(filter(None, (address.house_number, address.street_name)))
    return street, "^".join(filter(None, (address.additional_locator, address.unit, address.post_box)))


def _country(text: str | None) -> str:
    """XAD-6 is a code of three letters: a name of a country has no place in it."""
    return text if text and _COUNTRY.fullmatch(text) else ""


def _xad_of_birth(patient: Patient) -> Raw:
    city = _text(patient.birth_city, "patient.birth_city")
    return er7.components(
        "", "", city, "", "", _country(patient.birth_country), "BDL", "", patient.traits.birth_place
    )  # fmt: skip


def _xtn(telecom: Telecom) -> str:
    use = "WPN" if telecom.use == "WP" else "PRN"
    scheme, _, rest = telecom.value.partition(":")
    if scheme == "mailto" and "@" in rest:
        return er7.components("", "NET", "Internet", rest)
    number = _number(rest)
    if scheme not in ("tel", "fax") or not number:
        return ""
    equipment = "FX" if scheme == "fax" else "CP" if number[:2] in ("06", "07") else "PH"
    return er7.components("", use, equipment, *[""] * 8, number)


def _number(text: str) -> str:
    """XTN-12: the ten digits of a French number, `+` and digits of another; empty when it is neither."""
    digits = text.translate(_SEPARATORS)
    if digits.startswith("+33"):
        digits = f"0{digits[3:]}"
    return digits if _PHONE.fullmatch(digits) else ""


def carried(patient: Patient) -> Patient:
    """The patient as PID carries it: what `read_identity` gives from what `write_identity` wrote.

    Left out: the status `RECUP` and its INS (table 0445 has no code for it: `PROV`), former INS, identifiers of other
    types than `PI` (they are in `ReadIdentity.others`), birth_site, guardians, countries that are no alpha-3 code,
    telecoms that are neither a phone number, a fax nor a mail, and their use. An address keeps a street (number and
    name in one), one locator, town, postal code, country; its use is `H`, `WP` or `TMP`.
    """
    identity = patient.identity
    recovered = identity.status is IdentityStatus.RECUPEREE
    return Patient(
        identity=Identity(
            traits=identity.traits,
            status=IdentityStatus.PROVISOIRE if recovered else identity.status,
            ins=None if recovered else identity.ins,
            attributes=identity.attributes,
        ),
        identifiers=tuple(
            i.model_copy(update={"type_code": IPP}) for i in patient.identifiers if i.type_code in (IPP, "")
        ),
        used_name=patient.used_name or None,
        used_given_name=patient.used_given_name or None,
        birth_city=patient.birth_city or None,
        birth_country=_country(patient.birth_country) or None,
        addresses=tuple(filter(None, map(_carried_address, patient.addresses))),
        telecoms=tuple(filter(None, map(_carried_telecom, patient.telecoms))),
        deceased=patient.deceased,
        deceased_at=patient.deceased_at.replace(microsecond=0)
        if isinstance(patient.deceased_at, datetime)
        else patient.deceased_at,
        multiple_birth=patient.multiple_birth,
        birth_order=patient.birth_order,
    )


def _carried_address(address: Address) -> Address | None:
    street, more = _street(address)
    use: Any = _USES_READ.get(_USES_WRITTEN.get(address.use or "", ""))
    values: dict[str, str | None] = {
        "street_name": street.strip() or None, "additional_locator": more.replace("^", ", ").strip() or None,
        "city": address.city or None, "postal_code": address.postal_code or None,
        "country": _country(address.country) or None,
    }  # fmt: skip
    return Address(use=use, **values) if any(values.values()) else None  # type: ignore[arg-type]  # texts


def _carried_telecom(telecom: Telecom) -> Telecom | None:
    scheme, _, rest = telecom.value.partition(":")
    if scheme == "mailto" and "@" in rest:
        return Telecom(value=telecom.value)
    number = _number(rest) if scheme in ("tel", "fax") else ""
    return _phone(scheme, number) if number else None
