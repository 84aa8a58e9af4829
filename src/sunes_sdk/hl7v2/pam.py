"""Reading of the admission feed (ADT) of IHE PAM, French extension 2.11: who came in, who went out.

A lenient reader: what senders do wrong but stays clear is read, and named in the warnings; `strict=True` refuses it.
What cannot be read rightly (no name, no birth date, unknown trigger) is one `Hl7Error`, without values of the message.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from .._core.errors import Hl7Error, ModelError
from .._core.findings import Finding, Report
from .._core.hl7time import Precision, parse_ts
from ..model import Identifier, Organization, Patient, Stay, StayClass
from ..settings import OidSettings
from . import er7
from .er7 import Message, Segment
from .pid import (
    DELETED,
    PAM,
    IdentityReader,
    Rule,
    adt_error,
    filled,
    identifier_of,
    raise_for_warnings,
    unusable,
    warning,
)

PROFILE = "2.5^FRA^2.11"
"""MSH-12 of the French extension (never 2.11.1)."""
STAY_TRIGGERS = frozenset({"A01", "A03", "A04", "A08"})
IDENTITY_TRIGGERS = frozenset({"A28", "A31"})
TRIGGERS = STAY_TRIGGERS | IDENTITY_TRIGGERS
"""What this reader takes. Others are refused, not ignored: a feed that needs them must see it."""

_ACTIONS = ("INSERT", "UPDATE", "CANCEL")

_RULES: dict[str, Rule] = {
    "HL7_LINE_END": ("segments do not end with CR alone", "each segment ends with CR (0x0D)", "HL7 v2.5 ch. 2",
                     "ask the sender for CR; files edited by hand often hold LF", ""),
    "HL7_LAST_LINE_END": ("the last segment is not ended", "each segment ends with CR, the last one too",
                          "HL7 v2.5 ch. 2", "check that the message is complete", ""),
    "HL7_BOM": ("the message starts with a byte order mark", "ER7 has none", "HL7 v2.5 ch. 2",
                "remove the first three bytes", ""),
    "HL7_CHARSET_MISSING": ("the character set is not declared", "MSH-18 is UNICODE UTF-8 or 8859/15", PAM,
                            "ask the sender to fill MSH-18", ""),
    "ADT_PROFILE": ("the message does not follow the French extension 2.11", f"MSH-12 is {PROFILE}", PAM,
                    "check which profile the sender follows", ""),
    "ADT_EXCLUDED_EVENT": ("A08 is not part of the encounter transaction", "identity changes go by A31, visit "
                           "corrections by Z99", f"{PAM}, ITI-31", "ask the sender for A31 or Z99", ""),
    "ADT_VISIT_NUMBER": ("the visit number is the number of its own authority", "PV1-19 numbers the visit", PAM,
                         "ask the sender to fill PV1-19.1 with the visit", "Le numéro de venue est celui de "
                         "l'établissement : à vérifier."),
    "ADT_ADMISSION_TIME": ("the admission time is missing", "PV1-44 holds the admission time", PAM,
                           "for an admission the movement's time stands for it; for a discharge, close the stay that "
                           "the admission opened", ""),
    "ADT_DISCHARGE_TIME": ("the discharge time is missing: the movement's stands for it",
                           "PV1-45 of a discharge holds its time", PAM, "ask the sender to fill PV1-45", ""),
    "ADT_STAY_CLASS": ("the class of the stay is not of the table", "PV1-2 is E, I, N, O, R or V", PAM,
                       "it is read as inpatient", ""),
    "ADT_ZBE_MISSING": ("the movement segment is missing", "ZBE is required in ITI-31", PAM,
                        "ask the sender for ZBE", ""),
    "ADT_ZBE_SHIFTED": ("the movement segment is shifted by one field: ZBE-3 is filled and the action is in ZBE-5",
                        "ZBE-3 stays empty, ZBE-4 is INSERT, UPDATE or CANCEL", f"{PAM}, ZBE",
                        "ask the sender to remove the extra field",
                        ""),
    "ADT_ZBE_ACTION": ("the movement has no action of the table", "ZBE-4 is INSERT, UPDATE or CANCEL", f"{PAM}, ZBE",
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
            raise unusable(e, "ADT_STAY", "PV1-45") from None


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
    `ADT_SEX`, `ADT_BIRTH_PLACE`, `ADT_TRAITS`, `ADT_IPP`, `ADT_IDENTIFIER`, `ADT_TIME`, `ADT_VISIT`, `ADT_STAY`; with
    `strict`, the first warning as an error, and all of them in `.report`.
    """
    return _AdtReader(er7.decode(message), organization, oids, authority).event(strict=strict)


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
        if strict:
            raise_for_warnings(self._findings)
        return replace(event, warnings=Report(tuple(self._findings)) + self._remarks)

    # -- what every message has

    def _trigger(self) -> str:
        kind, trigger = self._message.get("MSH-9.1"), self._message.get("MSH-9.2")
        if kind != "ADT" or trigger not in TRIGGERS:
            raise adt_error("ADT_TRIGGER", "MSH-9", "not an ADT message that is read here",
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
            raise adt_error("ADT_SEGMENT_MISSING", name, f"segment {name} is missing", f"{name} is required",
                            "ask the sender for a complete message")  # fmt: skip
        return found

    def _warn(self, code: str, path: str) -> None:
        self._findings.append(warning(code, path, _RULES[code]))

    def _time(self, path: str) -> datetime | None:
        text = self._message.get(path)
        if not text or text == DELETED:
            return None
        try:
            stamp = parse_ts(text)
        except ValueError:
            raise adt_error("ADT_TIME", path, "not a time stamp", "TS: YYYYMMDDHHMM[SS][±ZZZZ]",
                            "ask the sender to mend it",
                            "Une date du message n'est pas lisible.") from None  # fmt: skip
        return stamp.value if stamp.precision >= Precision.HOUR else None

    def _feeding_opposed(self) -> bool | None:
        answer = self._message.get("ZFA-9")
        return answer == "IO" if answer in ("IO", "INO") else None

    def _patient(self, pid: Segment) -> Patient:
        reader = IdentityReader(pid, self._message.first("ZFD"), oids=self._oids, authority=self._authority)
        patient = reader.read().patient
        self._findings += reader.findings
        self._remarks = reader.remarks
        return patient

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
                account=identifier_of(account[0], "AN", self._oids.visits, "PID-18")
                if account and filled(account[0].value(1))
                else None,
                unit=(filled(ward[0].value(10)) if ward else None) or filled(pv1.value(3)),
                unit_label=filled(ward[0].value(1)) if ward else None,
            )
        except ModelError as e:
            raise unusable(e, "ADT_STAY", "PV1-45" if "discharged" in e.path else "PV1") from None
        return replace(event, stay=stay)

    def _visit(self, pv1: Segment) -> Identifier | None:
        found = pv1.repetitions(19)
        if not found or not filled(found[0].value(1)):
            if pv1.value(2) == StayClass.NOT_APPLICABLE:
                return None
            raise adt_error("ADT_VISIT", "PV1-19", "the visit number is missing",
                            "PV1-19 is required when PV1-2 is E, I, O or R", "ask the sender for it",
                            "Le numéro de venue manque.")  # fmt: skip
        cx = found[0]
        if cx.value(1) == cx.value(4, 2):
            self._warn("ADT_VISIT_NUMBER", "PV1-19.1")
        return identifier_of(cx, "VN", self._oids.visits, "PV1-19")

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
