"""Reading of the admission feed (ADT) of IHE PAM, French extension 2.11: who came in, who went out.

A lenient reader: what senders do wrong but stays clear is read, and named in the warnings; `strict=True` refuses it.
What cannot be read rightly (no name, no birth date, unknown trigger) is one `Hl7Error`, without values of the message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from .._core.errors import Hl7Error, ModelError
from .._core.findings import Finding, Report, Severity
from .._core.hl7time import Precision, parse_ts
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
    Organization,
    Patient,
    Sex,
    Stay,
    StayClass,
    Telecom,
    Traits,
)
from ..settings import OidSettings
from . import er7
from .er7 import Message, Repetition, Segment

PROFILE = "2.5^FRA^2.11"
"""MSH-12 of the French extension (never 2.11.1)."""
STAY_TRIGGERS = frozenset({"A01", "A03", "A04", "A08"})
IDENTITY_TRIGGERS = frozenset({"A28", "A31"})
TRIGGERS = STAY_TRIGGERS | IDENTITY_TRIGGERS
"""What this reader takes. Others are refused, not ignored: a feed that needs them must see it."""

_DELETED = '""'
_FORBIDDEN_PID = (2, 4, 9, 10, 12, 17, 19, 20, 22, 28)
_ACTIONS = ("INSERT", "UPDATE", "CANCEL")
_STATUS = {s.value: s for s in IdentityStatus}
_ATTRIBUTES = {a.value: a for a in IdentityAttribute}
_BLOCKING = frozenset({IdentityAttribute.DOUTEUSE, IdentityAttribute.FICTIVE})
_ADDRESS_USE = {"H": "H", "O": "WP", "B": "WP", "C": "TMP"}
_DATE = re.compile(r"[0-9]{8}", re.ASCII)
_LUNAR = re.compile(r"([0-9]{1,2})\^([0-9]{1,2})\^([0-9]{4})", re.ASCII)
_PHONE = re.compile(r"0[1-9][0-9]{8}", re.ASCII)

_PAM = "IHE PAM France 2.11"
# code -> message, rule, source, hint, French message
_RULES: dict[str, tuple[str, str, str, str, str]] = {
    "HL7_LINE_END": ("segments do not end with CR alone", "each segment ends with CR (0x0D)", "HL7 v2.5 ch. 2",
                     "ask the sender for CR; files edited by hand often hold LF", ""),
    "HL7_LAST_LINE_END": ("the last segment is not ended", "each segment ends with CR, the last one too",
                          "HL7 v2.5 ch. 2", "check that the message is complete", ""),
    "HL7_BOM": ("the message starts with a byte order mark", "ER7 has none", "HL7 v2.5 ch. 2",
                "remove the first three bytes", ""),
    "HL7_CHARSET_MISSING": ("the character set is not declared", "MSH-18 is UNICODE UTF-8 or 8859/15", _PAM,
                            "ask the sender to fill MSH-18", ""),
    "ADT_PROFILE": ("the message does not follow the French extension 2.11", f"MSH-12 is {PROFILE}", _PAM,
                    "check which profile the sender follows", ""),
    "ADT_EXCLUDED_EVENT": ("A08 is not part of the encounter transaction", "identity changes go by A31, visit "
                           "corrections by Z99", f"{_PAM}, ITI-31", "ask the sender for A31 or Z99", ""),
    "ADT_PID_FORBIDDEN": ("a field that France does not use is filled",
                          "PID-2, 4, 9, 10, 12, 17, 19, 20, 22 and 28 stay empty", _PAM, "it is ignored", ""),
    "ADT_STATUS_MISSING": ("the identity status is missing: taken as provisional", "PID-32 holds PROV or VALI", _PAM,
                           "ask the sender to fill PID-32", "Le statut de l'identité manque : elle est traitée comme "
                           "provisoire."),
    "ADT_INS_NOT_QUALIFIED": ("an INS came with an identity that is not qualified: it is not taken",
                              "an INS is sent only with PID-32 = VALI", f"{_PAM}, PID-32; RNIV EXI SI 08",
                              "ask the sender to qualify the identity, or to leave the INS out",
                              "Un INS accompagne une identité non qualifiée : il n'est pas repris."),
    "ADT_INS_FORMAT": ("the INS cannot be read: it is not taken", "15 characters and an OID of an INS authority", _PAM,
                       "ask the sender for the INS as INSi gave it", "L'INS reçu n'est pas lisible : il n'est pas "
                       "repris."),
    "ADT_INS_KEY": ("the key of the INS does not go with its number", "key = 97 - (number mod 97)", "Référentiel INS",
                    "check the INS with INSi", "La clé du matricule INS reçu est fausse : à vérifier par INSi."),
    "ADT_INS_DATES": ("the INS carries dates", "CX-7 and CX-8 of an INS stay empty", _PAM, "they are ignored", ""),
    "ADT_INS_INCOMPLETE": ("an INS came without all strict traits: it is not taken",
                           "a qualified identity has its given names, birth date, sex M or F and BDL place with COG",
                           _PAM, "ask the sender for the missing trait",
                           "L'INS reçu n'a pas tous ses traits stricts : il n'est pas repris."),
    "ADT_GIVEN_NAMES_MISSING": ("the list of birth given names is missing: the first given name stands for it",
                                "XPN-3 of the L name holds the list, the first name included", _PAM,
                                "ask the sender to fill PID-5.3", ""),
    "ADT_BIRTH_PLACE_MISSING": ("the birth place is missing: recorded as unknown (99999)",
                                "PID-11 has a BDL repetition with the COG in XAD-9", _PAM,
                                "ask the sender for the COG of the birth place", "Le lieu de naissance manque."),
    "ADT_ADDRESS": ("an address cannot be used", "XAD as constrained for France", _PAM, "it is ignored", ""),
    "ADT_IPP_AUTHORITY": ("a local identifier of another authority is not taken",
                          "the IPP is the PI of the receiving hospital's authority", _PAM,
                          "give authority= when several send PI", ""),
    "ADT_VISIT_NUMBER": ("the visit number is the number of its own authority", "PV1-19 numbers the visit", _PAM,
                         "ask the sender to fill PV1-19.1 with the visit", "Le numéro de venue est celui de "
                         "l'établissement : à vérifier."),
    "ADT_ADMISSION_TIME": ("the admission time is missing", "PV1-44 holds the admission time", _PAM,
                           "for an admission the movement's time stands for it; for a discharge, close the stay that "
                           "the admission opened", ""),
    "ADT_DISCHARGE_TIME": ("the discharge time is missing: the movement's stands for it",
                           "PV1-45 of a discharge holds its time", _PAM, "ask the sender to fill PV1-45", ""),
    "ADT_STAY_CLASS": ("the class of the stay is not of the table", "PV1-2 is E, I, N, O, R or V", _PAM,
                       "it is read as inpatient", ""),
    "ADT_ZBE_MISSING": ("the movement segment is missing", "ZBE is required in ITI-31", _PAM,
                        "ask the sender for ZBE", ""),
    "ADT_ZBE_SHIFTED": ("the movement segment is shifted by one field: ZBE-3 is filled and the action is in ZBE-5",
                        "ZBE-3 stays empty, ZBE-4 is INSERT, UPDATE or CANCEL", f"{_PAM}, ZBE",
                        "ask the sender to remove the extra field",
                        ""),
    "ADT_ZBE_ACTION": ("the movement has no action of the table", "ZBE-4 is INSERT, UPDATE or CANCEL", f"{_PAM}, ZBE",
                       "ask the sender to fill ZBE-4", ""),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AdtEvent:
    """What one ADT message says.

    trigger: `A01` admission, `A03` discharge, `A04` outpatient or emergency, `A08` / `A31` update, `A28` creation;
    control_id: MSH-10; occurred_at: EVN-6, else EVN-2; stay: None for an identity event, and for a discharge that does
    not say when the stay began (then `closing` ends the stay that the admission opened); visit: PV1-19;
    feeding_opposed: ZFA-9 = `IO`, the patient opposes the feeding of the DMP (None when not said).
    """

    trigger: str
    control_id: str
    occurred_at: datetime | None
    patient: Patient
    stay: Stay | None = None
    visit: Identifier | None = None
    admitted_at: datetime | None = None
    discharged_at: datetime | None = None
    feeding_opposed: bool | None = None
    warnings: Report = field(default_factory=Report)

    def closing(self, stay: Stay) -> Stay:
        """The stay that an earlier message opened, ended by this discharge.

        Raises Hl7Error `ADT_NOT_A_DISCHARGE`, `ADT_OTHER_VISIT`, `ADT_STAY` (ends before it begins).
        """
        if self.discharged_at is None:
            raise Hl7Error("this message ends no stay", code="ADT_NOT_A_DISCHARGE", path="MSH-9.2", rule="A03",
                           hint="give the discharge message")  # fmt: skip
        if self.visit is not None and self.visit.value != stay.visit.value:
            raise Hl7Error("the discharge is of another visit", code="ADT_OTHER_VISIT", path="PV1-19.1",
                           rule="A03 bears the visit number of its A01", hint="find the stay by its visit number",
                           hint_fr="La sortie concerne une autre venue.")  # fmt: skip
        try:
            return Stay(**dict(stay) | {"discharged_at": self.discharged_at})
        except ModelError as e:
            raise _unusable(e, "ADT_STAY", "PV1-45") from None


def read_adt(
    message: bytes,
    *,
    organization: Organization,
    oids: OidSettings,
    authority: str | None = None,
    strict: bool = False,
) -> AdtEvent:
    """Read an A01, A03, A04, A08, A28 or A31 message.

    organization: the hospital that receives the message, where stays take place; oids: roots of its IPP and of its
    visit numbers, for identifiers whose authority is no OID (French feeds write a FINESS number: `CHU-X&000897406&N`);
    the account number (PID-18) gets the root of the visits, as a system with one number puts it in both; authority:
    namespace (CX-4.1) of its own IPP, needed when the feed bears several.

    Raises Hl7Error: what `er7.decode` raises, `ADT_TRIGGER`, `ADT_SEGMENT_MISSING`, `ADT_NAME`, `ADT_BIRTH_DATE`,
    `ADT_SEX`, `ADT_BIRTH_PLACE`, `ADT_TRAITS`, `ADT_IPP`, `ADT_TIME`, `ADT_VISIT`, `ADT_STAY`; with `strict`, the first
    warning as an error, and all of them in `.report`.
    """
    return _AdtReader(er7.decode(message), organization, oids, authority).event(strict=strict)


def _error(code: str, path: str, message: str, rule: str, hint: str, hint_fr: str = "") -> Hl7Error:
    return Hl7Error(message, code=code, path=path, rule=f"{rule} ({_PAM})", hint=hint, hint_fr=hint_fr)


def _unusable(error: ModelError, code: str, path: str) -> Hl7Error:
    hint = error.hint or "ask the sender to mend it"
    return Hl7Error(error.message, code=code, path=path, rule=error.rule, hint=hint, hint_fr=error.hint_fr)


_TRAIT_PLACES = {
    "birth_name": ("ADT_NAME", "1"),
    "birth_given_names": ("ADT_NAME", "3"),
    "first_given_name": ("ADT_NAME", "2"),
}


class _AdtReader:
    def __init__(self, message: Message, organization: Organization, oids: OidSettings, authority: str | None) -> None:
        self._message = message
        self._organization = organization
        self._oids = oids
        self._authority = authority
        self._findings: list[Finding] = []
        self._remarks: Report = Report()

    def event(self, *, strict: bool) -> AdtEvent:
        trigger = self._trigger()
        self._check_wire()
        pid = self._required("PID")
        patient = self._patient(pid)
        event = AdtEvent(
            trigger=trigger,
            control_id=self._message.get("MSH-10"),
            occurred_at=self._time("EVN-6") or self._time("EVN-2"),
            patient=patient,
            feeding_opposed=self._feeding_opposed(),
        )
        if trigger in STAY_TRIGGERS:
            event = self._with_stay(event, pid)
        if strict and self._findings:
            raise Hl7Error.from_report(Report.of(replace(f, severity=Severity.ERROR) for f in self._findings))
        return replace(event, warnings=Report(tuple(self._findings)) + self._remarks)

    # -- what every message has

    def _trigger(self) -> str:
        kind, trigger = self._message.get("MSH-9.1"), self._message.get("MSH-9.2")
        if kind != "ADT" or trigger not in TRIGGERS:
            raise _error("ADT_TRIGGER", "MSH-9", "not an ADT message that is read here",
                         f"one of ADT^{', ADT^'.join(sorted(TRIGGERS))}",
                         "route other events elsewhere")  # fmt: skip
        return trigger

    def _check_wire(self) -> None:
        message = self._message
        if message.line_ends - {"\r"}:
            self._warn("HL7_LINE_END", "message")
        if not message.is_terminated:
            self._warn("HL7_LAST_LINE_END", "message")
        if message.has_bom:
            self._warn("HL7_BOM", "message")
        if not message.declared:
            self._warn("HL7_CHARSET_MISSING", "MSH-18")
        header = self._required("MSH")
        if header.field(12) != PROFILE:
            self._warn("ADT_PROFILE", "MSH-12")
        if header.value(9, 2) == "A08":
            self._warn("ADT_EXCLUDED_EVENT", "MSH-9.2")

    def _required(self, name: str) -> Segment:
        found = self._message.first(name)
        if found is None:
            raise _error("ADT_SEGMENT_MISSING", name, f"segment {name} is missing", f"{name} is required",
                         "ask the sender for a complete message")  # fmt: skip
        return found

    def _warn(self, code: str, path: str) -> None:
        message, rule, source, hint, french = _RULES[code]
        self._findings.append(
            Finding(code=code, message=message, path=path, severity=Severity.WARNING, rule=rule, source=source,
                    hint=hint, message_fr=french)
        )  # fmt: skip

    def _time(self, path: str) -> datetime | None:
        text = self._message.get(path)
        if not text or text == _DELETED:
            return None
        try:
            stamp = parse_ts(text)
        except ValueError:
            raise _error("ADT_TIME", path, "not a time stamp", "TS: YYYYMMDDHHMM[SS][±ZZZZ]",
                         "ask the sender to mend it", "Une date du message n'est pas lisible.") from None  # fmt: skip
        return stamp.value if stamp.precision >= Precision.HOUR else None

    def _feeding_opposed(self) -> bool | None:
        answer = self._message.get("ZFA-9")
        return answer == "IO" if answer in ("IO", "INO") else None

    # -- PID

    def _patient(self, pid: Segment) -> Patient:
        for number in _FORBIDDEN_PID:
            if pid.field(number):
                self._warn("ADT_PID_FORBIDDEN", f"PID-{number}")
        traits, complete = self._traits(pid)
        identity = self._identity(pid, traits, complete)
        used = self._name(pid, "D")
        birth = self._birth_place(pid)
        return Patient(
            identity=identity,
            identifiers=self._local_identifiers(pid),
            used_name=_filled(used[1].value(1)) if used else None,
            used_given_name=_filled(used[1].value(2)) if used else None,
            birth_city=_filled(birth[1].value(3)) if birth else None,
            addresses=self._addresses(pid),
            telecoms=_telecoms(pid.repetitions(13)),
        )

    def _name(self, pid: Segment, kind: str) -> tuple[int, Repetition] | None:
        names = enumerate(pid.repetitions(5), 1)
        return next(((n, name) for n, name in names if name.value(7) == kind), None)

    def _birth_place(self, pid: Segment) -> tuple[int, Repetition] | None:
        places = enumerate(pid.repetitions(11), 1)
        return next(((n, place) for n, place in places if place.value(7) == "BDL"), None)

    def _traits(self, pid: Segment) -> tuple[Traits, bool]:
        """The strict traits, and whether the message gave all that an INS needs."""
        found = self._name(pid, "L")
        if found is None or not _filled(found[1].value(1)) or not _filled(found[1].value(2) or found[1].value(3)):
            raise _error("ADT_NAME", "PID-5", "there is no birth name (type L) with a given name",
                         "PID-5 has an L repetition: birth name, first given name, list", "ask the sender for it",
                         "Le nom ou le prénom de naissance manque.")  # fmt: skip
        number, name = found
        if not all(name.value(n).isprintable() for n in (1, 2, 3)):
            raise _error("ADT_NAME", f"PID-5[{number}]", "a name holds a control character", "names are plain text",
                         "ask the sender to mend it", "Un nom contient un caractère interdit.")  # fmt: skip
        listed = name.value(3)
        if not listed:
            self._warn("ADT_GIVEN_NAMES_MISSING", f"PID-5[{number}].3")
        birth = self._birth_place(pid)
        cog = _filled(birth[1].value(9)) if birth else None
        if cog is None:
            self._warn("ADT_BIRTH_PLACE_MISSING", f"PID-11[{birth[0]}].9" if birth else "PID-11")
        sex = pid.value(8)
        if sex not in ("F", "M", "U"):
            raise _error("ADT_SEX", "PID-8", "the sex is missing or not of the table", "PID-8 is F, M or U",
                         "ask the sender to mend it", "Le sexe manque ou n'est pas lisible.")  # fmt: skip
        values: dict[str, Any] = {
            "birth_name": name.value(1),
            "birth_given_names": listed or name.value(2),
            "first_given_name": name.value(2) or listed.split()[0],
            "birth_date": self._birth_date(pid),
            "sex": Sex.UNKNOWN if sex == "U" else Sex(sex),
            "birth_place": cog or UNKNOWN_PLACE,
        }
        try:
            traits = Traits(**values)
        except ModelError as e:
            place = birth[0] if birth else 1
            trait = e.path.rpartition(".")[2]
            if trait == "birth_place":
                raise _unusable(e, "ADT_BIRTH_PLACE", f"PID-11[{place}].9") from None
            code, component = _TRAIT_PLACES.get(trait, ("ADT_TRAITS", "1"))
            raise _unusable(e, code, f"PID-5[{number}].{component}") from None
        return traits, bool(listed) and cog is not None and sex != "U"

    def _birth_date(self, pid: Segment) -> str:
        text = pid.value(7)
        if _DATE.fullmatch(text[:8]) and text != _DELETED:
            try:
                parse_ts(text)
            except ValueError:
                pass
            else:
                return f"{text[:4]}-{text[4:6]}-{text[6:8]}"
        zfd = self._message.first("ZFD")
        lunar = _LUNAR.fullmatch(zfd.field(1)) if zfd and not text else None
        if lunar:
            return f"{lunar[3]}-{int(lunar[2]):02d}-{int(lunar[1]):02d}"
        raise _error("ADT_BIRTH_DATE", "PID-7", "the birth date is missing or not a day",
                     "PID-7 is YYYYMMDD, or ZFD-1 holds a lunar date", "ask the sender to mend it",
                     "La date de naissance manque ou n'est pas lisible.")  # fmt: skip

    def _identity(self, pid: Segment, traits: Traits, complete: bool) -> Identity:
        codes = [r.value() for r in pid.repetitions(32)]
        attributes = frozenset(_ATTRIBUTES[c] for c in codes if c in _ATTRIBUTES)
        if IdentityAttribute.FICTIVE in attributes:
            attributes = frozenset({IdentityAttribute.FICTIVE})
        status = next((_STATUS[c] for c in codes if c in _STATUS), None)
        if status is None:
            self._warn("ADT_STATUS_MISSING", "PID-32")
            status = IdentityStatus.PROVISOIRE
        if attributes & _BLOCKING:
            status = IdentityStatus.PROVISOIRE
        ins, place = self._ins(pid)
        if ins is not None and status is IdentityStatus.PROVISOIRE:
            self._warn("ADT_INS_NOT_QUALIFIED", place)
            ins = None
        if ins is not None and not complete:
            self._warn("ADT_INS_INCOMPLETE", place)
            ins = None
        if ins is None:
            # Without an INS, "qualified" and "recovered" cannot be; RECUP never saw a document.
            checked = status in (IdentityStatus.VALIDEE, IdentityStatus.QUALIFIEE)
            status = IdentityStatus.VALIDEE if checked else IdentityStatus.PROVISOIRE
        elif status is IdentityStatus.VALIDEE:
            status = IdentityStatus.QUALIFIEE  # table 0445 has no code of its own: VALI and an INS say it
        if ins is not None:
            self._remarks = check_traits(traits, ins.matricule)
        return Identity(traits=traits, status=status, ins=ins, attributes=attributes)

    def _ins(self, pid: Segment) -> tuple[Ins | None, str]:
        """The INS of PID-3 (a NIR before a NIA). Only the type `INS` says it: a billing number bears the same OID."""
        found: list[tuple[Ins, str]] = []
        for number, cx in enumerate(pid.repetitions(3), 1):
            if cx.value(5) != "INS" or not _filled(cx.value(1)):
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

    def _local_identifiers(self, pid: Segment) -> tuple[Identifier, ...]:
        taken: list[Identifier] = []
        for number, cx in enumerate(pid.repetitions(3), 1):
            if cx.value(5) not in ("PI", "") or not _filled(cx.value(1)):
                continue
            named = self._authority is not None and cx.value(4) != self._authority
            if (named or (self._authority is None and taken)) and not _has_oid(cx):
                self._warn("ADT_IPP_AUTHORITY", f"PID-3[{number}].4")
                continue
            taken.append(_identifier(cx, "PI", self._oids.ipp))
        if not taken:
            raise _error("ADT_IPP", "PID-3", "there is no local identifier of the patient (IPP)",
                         "PID-3 has a PI repetition of the hospital", "ask the sender for it, or give authority=",
                         "L'identifiant local du patient (IPP) manque.")  # fmt: skip
        return tuple(taken)

    def _addresses(self, pid: Segment) -> tuple[Address, ...]:
        found = []
        for number, xad in enumerate(pid.repetitions(11), 1):
            if xad.value(7) == "BDL" or not any(_filled(xad.value(n)) for n in (1, 2, 3, 5, 6)):
                continue
            values: dict[str, Any] = {
                "street_name": _filled(xad.value(1)), "additional_locator": _filled(xad.value(2)),
                "city": _filled(xad.value(3)), "postal_code": _filled(xad.value(5)), "country": _filled(xad.value(6)),
                "use": _ADDRESS_USE.get(xad.value(7)),
            }  # fmt: skip
            try:
                found.append(Address(**values))
            except ModelError:
                self._warn("ADT_ADDRESS", f"PID-11[{number}]")
        return tuple(found)

    # -- PV1 and ZBE

    def _with_stay(self, event: AdtEvent, pid: Segment) -> AdtEvent:
        pv1 = self._required("PV1")
        visit = self._visit(pv1)
        movement, shift = self._movement()
        leaving = event.trigger == "A03"
        admitted, discharged = self._time("PV1-44"), self._time("PV1-45")
        # A shifted ZBE says nothing sure about times.
        moved_at = (self._time("ZBE-2") if not shift else None) or event.occurred_at
        if admitted is None and event.trigger != "A08":
            self._warn("ADT_ADMISSION_TIME", "PV1-44")
            admitted = None if leaving else moved_at
        if leaving and discharged is None:
            self._warn("ADT_DISCHARGE_TIME", "PV1-45")
            discharged = moved_at
        event = replace(event, visit=visit, admitted_at=admitted, discharged_at=discharged)
        if visit is None or admitted is None:
            return event
        stay_class = self._stay_class(pv1)
        ward = movement.repetitions(7 + shift) if movement else ()
        account = pid.repetitions(18)
        try:
            stay = Stay(
                visit=visit,
                admitted_at=admitted,
                discharged_at=discharged,
                organization=self._organization,
                stay_class=stay_class,
                account=_identifier(account[0], "AN", self._oids.visits)
                if account and _filled(account[0].value(1))
                else None,
                unit=(_filled(ward[0].value(10)) if ward else None) or _filled(pv1.value(3)),
                unit_label=_filled(ward[0].value(1)) if ward else None,
            )
        except ModelError as e:
            raise _unusable(e, "ADT_STAY", "PV1-45" if "discharged" in e.path else "PV1") from None
        return replace(event, stay=stay)

    def _visit(self, pv1: Segment) -> Identifier | None:
        found = pv1.repetitions(19)
        if not found or not _filled(found[0].value(1)):
            if pv1.value(2) == StayClass.NOT_APPLICABLE:
                return None
            raise _error("ADT_VISIT", "PV1-19", "the visit number is missing",
                         "PV1-19 is required when PV1-2 is E, I, O or R", "ask the sender for it",
                         "Le numéro de venue manque.")  # fmt: skip
        cx = found[0]
        if cx.value(1) == cx.value(4, 2):
            self._warn("ADT_VISIT_NUMBER", "PV1-19.1")
        return _identifier(cx, "VN", self._oids.visits)

    def _stay_class(self, pv1: Segment) -> StayClass:
        text = pv1.value(2)
        try:
            return StayClass(text)
        except ValueError:
            if text != "V":  # télésurveillance: in the table, without a class of its own here
                self._warn("ADT_STAY_CLASS", "PV1-2")
            return StayClass.OUTPATIENT if text == "V" else StayClass.INPATIENT

    def _movement(self) -> tuple[Segment | None, int]:
        """ZBE, and by how many fields it is shifted."""
        zbe = self._message.first("ZBE")
        if zbe is None:
            self._warn("ADT_ZBE_MISSING", "ZBE")
            return None, 0
        if zbe.value(4) in _ACTIONS:
            return zbe, 0
        if zbe.value(5) in _ACTIONS:
            self._warn("ADT_ZBE_SHIFTED", "ZBE-3")
            return zbe, 1
        self._warn("ADT_ZBE_ACTION", "ZBE-4")
        return zbe, 0


def _filled(text: str) -> str | None:
    return None if text.strip() in ("", _DELETED) else text


def _has_oid(cx: Repetition) -> bool:
    return cx.value(4, 3) == "ISO" and is_oid(cx.value(4, 2))


def _identifier(cx: Repetition, type_code: str, root: str) -> Identifier:
    return Identifier(
        value=cx.value(1),
        root=cx.value(4, 2) if _has_oid(cx) else root,
        authority=cx.value(4),
        type_code=cx.value(5) or type_code,
    )


def _telecoms(found: Sequence[Repetition]) -> tuple[Telecom, ...]:
    telecoms = []
    for xtn in found:
        phone, mail = xtn.value(12) or xtn.value(1), xtn.value(4)
        if _PHONE.fullmatch(phone):
            telecoms.append(Telecom(value=f"tel:+33{phone[1:]}"))
        elif "@" in mail and not re.search(r"\s", mail):
            telecoms.append(Telecom(value=f"mailto:{mail}"))
    return tuple(telecoms)
