"""What letters say of a patient: allergies, problems, procedures, devices, what is to be done next.

Each part is one object, written once as narrative and entry. Sources: CI-SIS *Modèles de contenus CDA* (entries
FR-…, sections FR-…), as the volets LDL-SES 2022.01 and LDL-EES 2022.01 use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field, field_validator, model_validator

from ..._core.xml import escape_text
from ...model import Actor, Code, Identifier, Model, Organization
from ...model._base import invalid
from ...model.code import Text
from ...terminology import code as terminology_code
from .. import datatypes as dt
from ..datatypes import LOINC, PS_ROOT, STRUCTURE_ROOT, TA_ASIP, NullFlavor, Ref
from ..header_writer import Participant, Performer, ServiceEvent, role_code
from ..pdf_body import checked_pdf
from ..sections import (
    Draft,
    Narrative,
    ObservationKind,
    SectionKind,
    code_text,
    comment_relationship,
    entry,
    entry_relationship,
    section,
)
from ._base import ClinicalDocument
from .coded import in_set
from .measures import shown_date, shown_day, shown_time

PartialDate = Annotated[str, Field(pattern=r"^[0-9]{4}(-(0[1-9]|1[0-2]))?$")]
When = date | PartialDate
"""A day, or what is known of it: `"1998"`, `"1998-03"`."""


def written_date(value: When) -> str:
    """As CDA writes it: `19980302`, `199803`, `1998`."""
    return value.replace("-", "") if isinstance(value, str) else dt.day(value)


def _check_order(start: When | None, end: When | None, path: str = "end") -> None:
    """Raises `CDA_DATES` when the end precedes the start, as far as both are known."""
    if start is None or end is None:
        return
    low, high = written_date(start), written_date(end)
    if high < low[: len(high)]:
        raise invalid("CDA_DATES", "it ends before it starts", path=path, rule="IVL_TS: low before high",
                      hint="swap or mend the dates", hint_fr="La date de fin précède la date de début.")  # fmt: skip


class _Dated(Model):
    """start / end 0..1: a day, a month or a year."""

    start: When | None = None
    end: When | None = None

    @model_validator(mode="after")
    def _ordered(self) -> _Dated:
        _check_order(self.start, self.end)
        return self

    @property
    def _low(self) -> str:
        return dt.ts("low", written_date(self.start)) if self.start else _UNKNOWN_LOW

    @property
    def _high(self) -> str:
        return dt.ts("high", written_date(self.end)) if self.end else ""


_UNKNOWN_LOW = dt.null("low", NullFlavor.UNKNOWN)
_UNKNOWN_HIGH = dt.null("high", NullFlavor.UNKNOWN)


# Problems. ----------------------------------------------------------------------------------------------------------


class ProblemKind(StrEnum):
    """How far a problem is established (JDV_ProblemCodes)."""

    FINDING = "404684003"
    PROBLEM = "55607006"
    DISEASE = "64572001"
    FUNCTIONAL = "248536006"
    COMPLAINT = "1269496002"
    SYMPTOM = "418799008"
    DIAGNOSIS = "282291009"


class ProblemStatus(StrEnum):
    """*Statut clinique* of a problem (JDV_HL7_ConditionClinical)."""

    ACTIVE = "active"
    RECURRENCE = "recurrence"
    RELAPSE = "relapse"
    INACTIVE = "inactive"
    REMISSION = "remission"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """*Sévérité* (JDV_SeveriteObservation)."""

    FATAL = "442452003"
    SEVERE = "24484000"
    MODERATE_TO_SEVERE = "371924009"
    MODERATE = "6736007"
    MILD_TO_MODERATE = "371923003"
    MILD = "255604002"


class Certainty(StrEnum):
    """*Certitude* (JDV_HL7_condition_ver_status)."""

    UNCONFIRMED = "unconfirmed"
    CONFIRMED = "confirmed"
    REFUTED = "refuted"


class _Observed(_Dated):
    """What a problem and a reaction share (FR-Probleme)."""

    masked: ClassVar[frozenset[str]] = frozenset({"description", "code", "comment"})

    description: Text
    code: Code | None = None
    kind: ProblemKind = ProblemKind.DIAGNOSIS
    severity: Severity | None = None
    certainty: Certainty | None = None
    comment: Text | None = None


class Problem(_Observed):
    """*FR-Probleme*.

    description 1..1: as people say it; code 0..1: CIM-10, CIM-11 or SNOMED CT; kind 1..1: diagnosis when not given;
    start / end 0..1; severity, certainty, status, comment 0..1.
    """

    status: ProblemStatus | None = None


class Reaction(_Observed):
    """*Réaction observée* of an allergy (FR-Probleme): the same, kind symptom when not given, no status of its own."""

    kind: ProblemKind = ProblemKind.SYMPTOM


_CONCERN = "2.16.840.1.113883.10.20.1.27", "1.3.6.1.4.1.19376.1.5.3.1.4.5.1"
_PROBLEM_CONCERN = '<act classCode="ACT" moodCode="EVN">' + dt.templates(
    *_CONCERN, "1.3.6.1.4.1.19376.1.5.3.1.4.5.2", "1.2.250.1.213.1.1.3.39"
)
_NO_CODE = dt.null("code", NullFlavor.NOT_APPLICABLE)
_PROBLEM = '<observation classCode="OBS" moodCode="EVN" negationInd="false">'
_PROBLEM_TEMPLATES = dt.templates(
    "2.16.840.1.113883.10.20.1.28", "1.3.6.1.4.1.19376.1.5.3.1.4.5", "1.2.250.1.213.1.1.3.37"
)
_REACTION_TEMPLATES = dt.templates(
    "2.16.840.1.113883.10.20.1.28", "2.16.840.1.113883.10.20.1.54", "1.3.6.1.4.1.19376.1.5.3.1.4.5",
    "1.2.250.1.213.1.1.3.37",
)  # fmt: skip
_SEVERITY = (
    '<observation classCode="OBS" moodCode="EVN">'
    + dt.templates("2.16.840.1.113883.10.20.1.55", "1.3.6.1.4.1.19376.1.5.3.1.4.1", "1.2.250.1.213.1.1.3.29")
    + dt.coded("code", "SEV", "Sévérité", dt.ACT_CODE, "HL7:ActCode")
)
_STATUS = (
    '<observation classCode="OBS" moodCode="EVN">'
    + dt.templates(
        "2.16.840.1.113883.10.20.1.57",
        "2.16.840.1.113883.10.20.1.50",
        "1.3.6.1.4.1.19376.1.5.3.1.4.1.1",
        "1.2.250.1.213.1.1.3.30",
    )
    + dt.coded("code", "33999-4", "Statut", LOINC, "LOINC")
)
_CRITICALITY = ObservationKind("1.2.250.1.213.1.1.3.172", code="82606-5", display="Criticité", system=LOINC)
_CERTAINTY = ObservationKind("1.2.250.1.213.1.1.3.171", code="66455-7", display="Certitude", system=LOINC)


def _severity(narrative: Narrative, severity: Severity, of: str = "") -> str:
    value = terminology_code("JDV_SEVERITE", severity.value)
    said = narrative.item(value.display, f"Sévérité{of}")
    observed = f"{_SEVERITY}{said.text}{dt.COMPLETED}{dt.cd('value', value, xsi_type='CD')}</observation>"
    return entry_relationship(observed, "SUBJ", inversion=True)


def _status(narrative: Narrative, value: Code) -> str:
    said = narrative.item(value.display, "Statut")
    observed = f"{_STATUS}{said.text}{dt.COMPLETED}{dt.cd('value', value, xsi_type='CE')}</observation>"
    return entry_relationship(observed, "REFR", inversion=False)


def _qualified(draft: Draft, narrative: Narrative, kind: ObservationKind, value: Code, of: str = "") -> str:
    """Criticality or certainty: an observation about the one that holds it."""
    said = narrative.item(value.display, f"{kind.display}{of}")
    observed = kind.write(draft, said, dt.cd("value", value, xsi_type="CD"), draft.written_at)
    return entry_relationship(observed, "SUBJ", inversion=True)


def _period_items(narrative: Narrative, dated: _Dated, of: str = "") -> None:
    if dated.start:
        narrative.item(shown_date(dated.start), f"Début{of}")
    if dated.end:
        narrative.item(shown_date(dated.end), f"Fin{of}")


def _value(code: Code | None, ref: Ref) -> str:
    """CD of what is observed: its text always, its code when it has one."""
    return (
        dt.cd("value", code, xsi_type="CD", original=ref)
        if code
        else f'<value xsi:type="CD">{ref.original_text}</value>'
    )


def _observed_details(draft: Draft, narrative: Narrative, observed: _Observed, of: str = "") -> str:
    """of: ends each label, so that what is said of a reaction does not read as said of the allergy."""
    inner = _severity(narrative, observed.severity, of) if observed.severity else ""
    if observed.certainty:
        certainty = terminology_code("JDV_CERTITUDE", observed.certainty.value)
        inner += _qualified(draft, narrative, _CERTAINTY, certainty, of)
    if observed.comment:
        inner += comment_relationship(narrative.item(observed.comment, f"Commentaire{of}"))
    return inner


def _observed_xml(draft: Draft, observed: _Observed, templates: str, ref: Ref, inner: str) -> str:
    kind = terminology_code("JDV_TYPE_PROBLEME", observed.kind.value)
    return (
        f"{_PROBLEM}{templates}{draft.id()}{dt.cd('code', kind)}{ref.text}{dt.COMPLETED}"
        f"<effectiveTime>{observed._low}{observed._high}</effectiveTime>{_value(observed.code, ref)}{inner}"
        "</observation>"
    )


def problem_observation(draft: Draft, narrative: Narrative, problem: Problem) -> str:
    """*FR-Probleme* alone."""
    ref = narrative.paragraph(problem.description)
    narrative.item(terminology_code("JDV_TYPE_PROBLEME", problem.kind.value).display, "Type")
    if problem.code:
        narrative.item(f"{code_text(problem.code)} ({problem.code.code})", "Code")
    _period_items(narrative, problem)
    inner = ""
    if problem.status:
        inner += _status(narrative, terminology_code("JDV_STATUT_PROBLEME", problem.status.value))
    inner += _observed_details(draft, narrative, problem)
    return _observed_xml(draft, problem, _PROBLEM_TEMPLATES, ref, inner)


def _problem_entry(draft: Draft, narrative: Narrative, problem: Problem) -> str:
    observed = problem_observation(draft, narrative, problem)
    over = problem.status in (ProblemStatus.RESOLVED, ProblemStatus.INACTIVE) or problem.end is not None
    # A concern that is not over has no high, one that is has it, be it unknown.
    status, high = (dt.COMPLETED, problem._high or _UNKNOWN_HIGH) if over else (_ACTIVE, "")
    return entry(
        f"{_PROBLEM_CONCERN}{draft.id()}{_NO_CODE}{status}<effectiveTime>{problem._low}{high}</effectiveTime>"
        f"{entry_relationship(observed, 'SUBJ', inversion=False)}</act>"
    )


_ACTIVE = dt.status("active")
_MEDICAL_HISTORY = SectionKind(
    "1.3.6.1.4.1.19376.1.5.3.1.3.8",
    "1.2.250.1.213.1.1.2.134",
    code=("11348-0", "Antécédents médicaux", LOINC),
    title="Antécédents médicaux",
)


def medical_history_section(draft: Draft, problems: Sequence[Problem]) -> str:
    """*FR-Antecedents-medicaux*: FR-Liste-des-problemes 1..*, each of one FR-Probleme."""
    narrative = Narrative(draft)
    return section(draft, _MEDICAL_HISTORY, narrative, *[_problem_entry(draft, narrative, p) for p in problems])


# Allergies. ---------------------------------------------------------------------------------------------------------


class AllergyKind(StrEnum):
    """*Type d'allergie ou d'hypersensibilité* (JDV_TypeEvenementIndesirablePrevisible).

    Intolerance to an environmental agent is left out: the set says that its SNOMED CT code is still asked for.
    """

    ADVERSE_PROPENSITY = "420134006"
    ALLERGY = "609328004"
    MEDICINE_ALLERGY = "416098002"
    FOOD_ALLERGY = "414285001"
    SUBSTANCE_ALLERGY = "419199007"
    NON_ALLERGIC = "609396006"
    NON_ALLERGIC_MEDICINE = "609398007"
    NON_ALLERGIC_FOOD = "735449006"
    NON_ALLERGIC_SUBSTANCE = "609397002"
    SUBSTANCE_INTOLERANCE = "782197009"
    MEDICINE_INTOLERANCE = "59037007"
    FOOD_INTOLERANCE = "235719002"
    IDIOSYNCRASY = "56840009"


class NoAllergy(StrEnum):
    """What a letter without an allergy says (JDV_AbsentOrUnknownAllergy): not knowing is not knowing of none."""

    NONE_KNOWN = "no-known-allergies"
    NO_INFORMATION = "no-allergy-info"
    NO_MEDICINE_ALLERGY = "no-known-medication-allergies"
    NO_ENVIRONMENTAL_ALLERGY = "no-known-environmental-allergies"
    NO_FOOD_ALLERGY = "no-known-food-allergies"


class AllergyStatus(StrEnum):
    """*Statut clinique* of an allergy (JDV_HL7_allergyintolerance_clinical)."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    RESOLVED = "resolved"


class Criticality(StrEnum):
    """*Criticité*: the risk of a future reaction (JDV_HL7_allergy_intolerance_criticality)."""

    LOW = "low"
    HIGH = "high"
    UNABLE_TO_ASSESS = "unable-to-assess"


class Allergy(Model):
    """*FR-Allergie-ou-hypersensibilite*.

    substance 1..1: the agent, as people say it; substance_code 0..1: its code (CIS, CIP or UCD of a medicine, CIM-11
    of a food or of an agent); kind 1..1: allergy to a medicine when not given; description 0..1: clinical
    description; since / until 0..1: a day, a month or a year; status, criticality, severity, certainty 0..1;
    reactions 0..*; comment 0..1. Raises ModelError `CDA_DATES`.
    """

    masked: ClassVar[frozenset[str]] = frozenset({"substance", "substance_code", "description", "comment"})

    substance: Text
    substance_code: Code | None = None
    kind: AllergyKind = AllergyKind.MEDICINE_ALLERGY
    description: Text | None = None
    since: When | None = None
    until: When | None = None
    status: AllergyStatus | None = None
    criticality: Criticality | None = None
    severity: Severity | None = None
    certainty: Certainty | None = None
    reactions: tuple[Reaction, ...] = ()
    comment: Text | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Allergy:
        _check_order(self.since, self.until, "until")
        return self

    @property
    def is_over(self) -> bool:
        return self.until is not None or self.status in (AllergyStatus.INACTIVE, AllergyStatus.RESOLVED)


_ALLERGY_CONCERN = '<act classCode="ACT" moodCode="EVN">' + dt.templates(
    *_CONCERN, "1.3.6.1.4.1.19376.1.5.3.1.4.5.3", "1.2.250.1.213.1.1.3.40"
)
_ALLERGY = '<observation classCode="OBS" moodCode="EVN">' + dt.templates(
    "2.16.840.1.113883.10.20.1.28",
    "2.16.840.1.113883.10.20.1.18",
    "1.3.6.1.4.1.19376.1.5.3.1.4.5",
    "1.3.6.1.4.1.19376.1.5.3.1.4.6",
    "1.2.250.1.213.1.1.3.41",
)
_AGENT = '<participant typeCode="CSM"><participantRole classCode="MANU"><playingEntity classCode="MMAT">'
_AGENT_END = "</playingEntity></participantRole></participant>"
_ALLERGIES = SectionKind(
    "2.16.840.1.113883.10.20.1.2",
    "1.3.6.1.4.1.19376.1.5.3.1.3.13",
    "1.2.250.1.213.1.1.2.137",
    code=("48765-2", "Allergies et hypersensibilités", LOINC),
)


_KIND_THAT_IS_ABSENT = {
    NoAllergy.NO_MEDICINE_ALLERGY: AllergyKind.MEDICINE_ALLERGY,
    NoAllergy.NO_ENVIRONMENTAL_ALLERGY: AllergyKind.SUBSTANCE_ALLERGY,
    NoAllergy.NO_FOOD_ALLERGY: AllergyKind.FOOD_ALLERGY,
}


def allergies_section(draft: Draft, allergies: Sequence[Allergy], absent: NoAllergy, title: str) -> str:
    """*FR-Allergies-et-hypersensibilites*: FR-Liste-des-allergies-et-hypersensibilites 1..1, with one
    FR-Allergie-ou-hypersensibilite for each, or one that says what is `absent`."""
    narrative = Narrative(draft)
    concern_id = draft.id()
    if allergies:
        observations = [_allergy(draft, narrative, a) for a in allergies]
        starts = [written_date(a.since) for a in allergies if a.since]
        low = dt.ts("low", min(starts)) if starts else _UNKNOWN_LOW
        if all(a.is_over for a in allergies):
            ends = [written_date(a.until) for a in allergies if a.until]
            status, high = dt.COMPLETED, dt.ts("high", max(ends)) if ends else _UNKNOWN_HIGH
        else:
            status, high = _ACTIVE, ""
    else:
        none = terminology_code("JDV_ALLERGIE_ABSENTE", absent.value)
        ref = narrative.content(none.display)
        _, kind = _kind(_KIND_THAT_IS_ABSENT.get(absent, AllergyKind.ALLERGY))
        observations = [
            f"{_ALLERGY}{draft.id()}{kind}{ref.text}{dt.COMPLETED}"
            f'<effectiveTime xsi:type="IVL_TS">{_UNKNOWN_LOW}</effectiveTime>{_value(none, ref)}</observation>'
        ]
        status, low, high = dt.COMPLETED, dt.null("low", NullFlavor.NOT_APPLICABLE), _NO_HIGH
    inner = "".join([entry_relationship(o, "SUBJ", inversion=False) for o in observations])
    concern = f"{_ALLERGY_CONCERN}{concern_id}{_NO_CODE}{status}<effectiveTime>{low}{high}</effectiveTime>{inner}</act>"
    return section(draft, _ALLERGIES, narrative, entry(concern), title=title)


_NO_HIGH = dt.null("high", NullFlavor.NOT_APPLICABLE)


@cache
def _kind(kind: AllergyKind) -> tuple[str, str]:
    """Its label, and its code as the entry writes it."""
    found = terminology_code("JDV_TYPE_ALLERGIE", kind.value)
    return found.display, dt.cd("code", found)


def _allergy(draft: Draft, narrative: Narrative, allergy: Allergy) -> str:
    shown_kind, kind_xml = _kind(allergy.kind)
    ref = narrative.paragraph(allergy.substance)
    narrative.item(shown_kind, "Type")
    described = narrative.item(allergy.description, "Description") if allergy.description else ref
    low, high = _UNKNOWN_LOW, ""
    if allergy.since:
        low = dt.ts("low", written_date(allergy.since))
        narrative.item(shown_date(allergy.since), "Depuis")
    if allergy.until:
        high = dt.ts("high", written_date(allergy.until))
        narrative.item(shown_date(allergy.until), "Jusqu'à")
    if (code := allergy.substance_code) is not None:
        narrative.item(f"{code_text(code)} ({code.code})", "Code de l'agent")
        agent = dt.cd("code", code, original=ref)
    else:
        agent = dt.null_code("code", NullFlavor.UNKNOWN, original=ref)
    inner = ""
    if allergy.severity:
        inner += _severity(narrative, allergy.severity)
    if allergy.status:
        inner += _status(narrative, terminology_code("JDV_STATUT_ALLERGIE", allergy.status.value))
    if allergy.criticality:
        criticality = terminology_code("JDV_CRITICITE", allergy.criticality.value)
        inner += _qualified(draft, narrative, _CRITICALITY, criticality)
    if allergy.certainty:
        certainty = terminology_code("JDV_CERTITUDE", allergy.certainty.value)
        inner += _qualified(draft, narrative, _CERTAINTY, certainty)
    if allergy.comment:
        inner += comment_relationship(narrative.item(allergy.comment, "Commentaire"))
    for reaction in allergy.reactions:
        inner += _reaction(draft, narrative, reaction)
    return (
        f"{_ALLERGY}{draft.id()}{kind_xml}{ref.text}{dt.COMPLETED}"
        f'<effectiveTime xsi:type="IVL_TS">{low}{high}</effectiveTime>'
        f'<value xsi:type="CD">{described.original_text}</value>'
        f"{_AGENT}{agent}<name>{escape_text(allergy.substance)}</name>{_AGENT_END}{inner}</observation>"
    )


def _reaction(draft: Draft, narrative: Narrative, reaction: Reaction) -> str:
    ref = narrative.item(reaction.description, "Réaction")
    narrative.item(terminology_code("JDV_TYPE_PROBLEME", reaction.kind.value).display, f"Type{_OF_REACTION}")
    if (code := reaction.code) is not None:
        narrative.item(f"{code_text(code)} ({code.code})", f"Code{_OF_REACTION}")
    _period_items(narrative, reaction, _OF_REACTION)
    details = _observed_details(draft, narrative, reaction, _OF_REACTION)
    # inversionInd as in the official example of LDL-EES; CCD has true here (unverified).
    return entry_relationship(
        _observed_xml(draft, reaction, _REACTION_TEMPLATES, ref, details), "MFST", inversion=False
    )  # fmt: skip


_OF_REACTION = " de la réaction"


# Procedures and what is to be done. ---------------------------------------------------------------------------------


class Priority(StrEnum):
    """*Priorité* of a procedure (JDV_HL7_ActPriority, but for what concerns results and medicines)."""

    AS_SOON_AS_POSSIBLE = "A"
    ELECTIVE = "EL"
    EMERGENCY = "EM"
    PREOPERATIVE = "P"
    AS_NEEDED = "PRN"
    ROUTINE = "R"
    STAT = "S"
    TIMING_CRITICAL = "T"
    URGENT = "UR"


class Procedure(_Dated):
    """*FR-Acte*: done, in a surgical history, or to be done, in a care plan.

    name 1..1; code 0..1: CCAM; start / end 0..1: when it was done, or is expected; priority 0..1; site 0..1:
    anatomical site; comment 0..1.
    """

    masked: ClassVar[frozenset[str]] = frozenset({"name", "code", "comment"})

    name: Text
    code: Code | None = None
    priority: Priority | None = None
    site: Code | None = None
    comment: Text | None = None


class Intent(StrEnum):
    """What a request is: part of the plan, a proposal, or the aim of the plan (moodCode)."""

    PLANNED = "INT"
    PROPOSED = "PRP"
    GOAL = "GOL"


class FollowUp(Model):
    """*FR-Demande-d-examen-ou-de-suivi*.

    text 1..1: what is asked for; code 0..1: of the examination, else "demande d'examen ou de suivi"; due 0..1: when
    it is expected; intent 1..1: planned when not given.
    """

    masked: ClassVar[frozenset[str]] = frozenset({"text"})

    text: Text
    code: Code | None = None
    due: When | None = None
    intent: Intent = Intent.PLANNED


class Appointment(Model):
    """*FR-Rencontre*, expected and not confirmed.

    text 1..1: with whom, what for; kind 1..1: code of JDV_J142, ambulatory when not given; at 0..1: a day, or an
    instant; call_back: the patient is to be called to fix it, which an appointment without a date always says;
    practitioner 0..1: who will receive the patient. Raises ModelError `TERMINOLOGY`.
    """

    masked: ClassVar[frozenset[str]] = frozenset({"text"})

    text: Text
    kind: Annotated[str, in_set("JDV_J142")] = "AMB"
    at: AwareDatetime | date | None = None
    call_back: bool = False
    practitioner: Actor | None = None


_DONE = '<procedure classCode="PROC" moodCode="EVN">' + dt.templates(
    "2.16.840.1.113883.10.20.1.29", "1.3.6.1.4.1.19376.1.5.3.1.4.19", "1.2.250.1.213.1.1.3.62"
)
_TO_DO = '<procedure classCode="PROC" moodCode="INT">' + dt.templates(
    "2.16.840.1.113883.10.20.1.25", "1.3.6.1.4.1.19376.1.5.3.1.4.19", "1.2.250.1.213.1.1.3.62"
)
_REQUEST_TEMPLATES = dt.templates(
    "2.16.840.1.113883.10.20.1.25", "1.3.6.1.4.1.19376.1.5.3.1.1.20.3.1", "1.2.250.1.213.1.1.3.27"
)
FOLLOW_UP = "ORG-064"
"""TA_ASIP code of a request that names no examination."""
CALL_BACK = "CS"
"""priorityCode: the patient is to be called to fix the appointment."""
_REQUEST_CODE = dt.coded("code", FOLLOW_UP, "Demande d'examen ou de suivi", TA_ASIP, "TA_ASIP")
_ENCOUNTER = '<encounter classCode="ENC" moodCode="ARQ">' + dt.templates(
    "2.16.840.1.113883.10.20.1.25", "1.3.6.1.4.1.19376.1.5.3.1.4.14", "1.2.250.1.213.1.1.3.58"
)
_CALL_BACK_TEXT = "recontacter pour fixer le rendez-vous"
# HL7 ActPriority "callback for scheduling"; the official example uses it though JDV_HL7_ActPriority lacks it.
_CALL_BACK = dt.coded("priorityCode", CALL_BACK, _CALL_BACK_TEXT, "2.16.840.1.113883.5.7", "HL7:ActPriority")
_NO_TIME = dt.null("effectiveTime", NullFlavor.UNKNOWN)


def _procedure_entries(draft: Draft, narrative: Narrative, procedures: Sequence[Procedure], *, done: bool) -> list[str]:
    rows = []
    for p in procedures:
        priority = terminology_code("JDV_PRIORITE", p.priority.value).display if p.priority else ""
        code = p.code.code if p.code else ""
        site = code_text(p.site) if p.site else ""
        rows.append((p.name, code, shown_date(p.start), shown_date(p.end), priority, site, p.comment or ""))
    entries = []
    for p, ref in zip(procedures, _filled_table(narrative, _PROCEDURE_COLUMNS, rows), strict=True):
        code_xml = dt.cd("code", p.code, original=ref) if p.code else _uncoded(ref)
        high = p._high
        when = f"<effectiveTime>{p._low}{high}</effectiveTime>" if p.start or high else _NO_TIME
        priority_xml = dt.cd("priorityCode", terminology_code("JDV_PRIORITE", p.priority.value)) if p.priority else ""
        site_xml = dt.cd("targetSiteCode", p.site) if p.site else ""
        comment = comment_relationship(ref) if p.comment else ""
        entries.append(
            f"<entry>{_DONE if done else _TO_DO}{draft.id()}{code_xml}{ref.text}{dt.COMPLETED if done else _ACTIVE}"
            f"{when}{priority_xml}{site_xml}{comment}</procedure></entry>"
        )
    return entries


_PROCEDURE_COLUMNS = ("Acte", "Code", "Début", "Fin", "Priorité", "Localisation", "Commentaire")


def _uncoded(ref: Ref) -> str:
    return dt.null_code("code", NullFlavor.UNKNOWN, original=ref)


def _filled_table(narrative: Narrative, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Ref]:
    """A table without the columns that no row fills."""
    kept = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    return narrative.table([columns[i] for i in kept], [[row[i] for i in kept] for row in rows])


def _request_entries(draft: Draft, narrative: Narrative, requests: Sequence[FollowUp]) -> list[str]:
    rows = [(r.text, code_text(r.code) if r.code else "", _INTENTS[r.intent], shown_date(r.due)) for r in requests]
    entries = []
    for r, ref in zip(requests, _filled_table(narrative, _REQUEST_COLUMNS, rows), strict=True):
        when = dt.ts("effectiveTime", written_date(r.due)) if r.due else _NO_TIME
        entries.append(
            f'<entry><observation classCode="OBS" moodCode="{r.intent.value}">{_REQUEST_TEMPLATES}{draft.id()}'
            f"{dt.cd('code', r.code) if r.code else _REQUEST_CODE}{ref.text}{_ACTIVE}{when}{dt.string(r.text)}"
            "</observation></entry>"
        )
    return entries


_INTENTS = {Intent.PLANNED: "Prévu", Intent.PROPOSED: "Proposé", Intent.GOAL: "Objectif"}
_REQUEST_COLUMNS = ("Demande d'examen ou de suivi", "Examen", "Nature", "Date attendue")


def _appointment_entries(draft: Draft, narrative: Narrative, appointments: Sequence[Appointment]) -> list[str]:
    rows, times = [], []
    for a in appointments:
        if isinstance(a.at, datetime):
            written = draft.ts(a.at)
            shown = shown_time(written)
        else:
            written = dt.day(a.at) if a.at else ""
            shown = shown_day(written) if written else ""
        times.append(written)
        kind = terminology_code("JDV_J142", a.kind).display
        who = a.practitioner.professional if a.practitioner else None
        name = f"{who.given} {who.family}".strip() if who else ""
        rows.append((a.text, kind, name, shown, _CALL_BACK_TEXT if a.call_back or not written else ""))
    entries = []
    refs = _filled_table(narrative, _APPOINTMENT_COLUMNS, rows)
    for a, row, written, ref in zip(appointments, rows, times, refs, strict=True):
        when = dt.ts("effectiveTime", written) if written else ""
        entries.append(
            f"<entry>{_ENCOUNTER}{draft.id()}{dt.cd('code', terminology_code('JDV_J142', a.kind))}{ref.text}{when}"
            f"{_CALL_BACK if row[-1] else ''}{_performer(a.practitioner) if a.practitioner else ''}"
            "</encounter></entry>"
        )
    return entries


def _performer(actor: Actor) -> str:
    person = actor.professional
    name = dt.person_name(person.family, person.given, person.civility or "", person.title or "")
    return (
        f'<performer typeCode="PRF"><assignedEntity>{dt.ii(PS_ROOT, person.national_id)}'
        f"{dt.cd('code', role_code(actor))}"
        f"{dt.addresses(person.addresses)}{dt.telecoms(person.telecoms)}<assignedPerson>{name}</assignedPerson>"
        f"{_structure(actor.organization)}</assignedEntity></performer>"
    )


def _structure(organization: Organization) -> str:
    where = dt.addresses((organization.address,)) if organization.address else ""
    return (
        f"<representedOrganization>{dt.ii(STRUCTURE_ROOT, organization.national_id)}"
        f"{dt.element('name', organization.name)}{dt.telecoms(organization.telecoms)}{where}</representedOrganization>"
    )


_APPOINTMENT_COLUMNS = ("Consultation", "Type", "Praticien", "Date", "À faire")
_CARE_PLAN = SectionKind(
    "2.16.840.1.113883.10.20.1.10",
    "1.3.6.1.4.1.19376.1.5.3.1.3.36",
    "1.2.250.1.213.1.1.2.158",
    code=("18776-5", "Plan de soins", LOINC),
    title="Suites à donner",
)
CarePlanItem = Procedure | FollowUp | Appointment


def care_plan_section(draft: Draft, items: Sequence[CarePlanItem]) -> str:
    """*FR-Plan-de-soins*: FR-Acte 0..*, FR-Demande-d-examen-ou-de-suivi 0..*, FR-Rencontre 0..*, in this order."""
    narrative = Narrative(draft)
    entries = []
    if procedures := [i for i in items if isinstance(i, Procedure)]:
        entries += _procedure_entries(draft, narrative, procedures, done=False)
    if requests := [i for i in items if isinstance(i, FollowUp)]:
        entries += _request_entries(draft, narrative, requests)
    if appointments := [i for i in items if isinstance(i, Appointment)]:
        entries += _appointment_entries(draft, narrative, appointments)
    return section(draft, _CARE_PLAN, narrative, *entries)


_SURGICAL_HISTORY = SectionKind(
    "2.16.840.1.113883.10.20.1.12",
    "1.3.6.1.4.1.19376.1.5.3.1.3.11",
    "1.3.6.1.4.1.19376.1.5.3.1.3.12",
    "1.2.250.1.213.1.1.2.136",
    code=("47519-4", "Historique des actes", LOINC),
    title="Antécédents chirurgicaux",
)


def surgical_history_section(draft: Draft, procedures: Sequence[Procedure]) -> str:
    """*FR-Antecedents-chirurgicaux*: FR-Acte 1..*."""
    narrative = Narrative(draft)
    entries = _procedure_entries(draft, narrative, procedures, done=True)
    return section(draft, _SURGICAL_HISTORY, narrative, *entries)


# Devices. -----------------------------------------------------------------------------------------------------------

EMDN = "1.2.250.1.213.2.68"
CLADIMED = "1.2.250.1.213.2.65"
LPP = "1.2.250.1.215.200.2.1"


class MedicalDevice(_Dated):
    """*FR-Dispositif-medical*, implanted or used.

    name 1..1; code 0..1: its category, EMDN; translations 0..*: CLADIMED, LPP; udi 0..1: UDI (device and production
    parts) or catalogue reference, with the OID of who gave it; start 0..1: used or implanted since, end 0..1.
    """

    masked: ClassVar[frozenset[str]] = frozenset({"name", "code", "translations", "udi"})

    name: Text
    code: Code | None = None
    translations: tuple[Code, ...] = ()
    udi: Identifier | None = None


_SUPPLY = '<supply classCode="SPLY" moodCode="EVN">' + dt.templates(
    "2.16.840.1.113883.10.20.1.34", "1.2.250.1.213.1.1.3.20"
)
_DEVICE_ROLE = '<participant typeCode="DEV"><participantRole classCode="MANU">'
_DEVICE = '<playingDevice classCode="DEV" determinerCode="INSTANCE">'
_DEVICE_END = "</playingDevice></participantRole></participant></supply></entry>"
_DEVICE_COLUMNS = ("Dispositif médical", "Catégorie", "Depuis", "Jusqu'à", "Identifiant")
_DEVICES = SectionKind(
    "1.3.6.1.4.1.19376.1.5.3.1.1.5.3.5",
    "1.2.250.1.213.1.1.2.1",
    code=("46264-8", "Dispositifs médicaux", LOINC),
    title="Dispositifs médicaux",
)


def devices_section(draft: Draft, devices: Sequence[MedicalDevice]) -> str:
    """*FR-Dispositifs-medicaux*: FR-Dispositif-medical 1..*."""
    narrative = Narrative(draft)
    rows = []
    for d in devices:
        codes = [f"{code_text(c)} ({c.code})" for c in ((d.code,) if d.code else ()) + d.translations]
        rows.append((d.name, "\n".join(codes), shown_date(d.start), shown_date(d.end), d.udi.value if d.udi else ""))
    entries = []
    for d, ref in zip(devices, _filled_table(narrative, _DEVICE_COLUMNS, rows), strict=True):
        if d.code:
            code = dt.cd("code", d.code, original=ref, translations=d.translations)
        else:
            more = "".join([dt.translation(c) for c in d.translations])
            code = dt.null_code("code", NullFlavor.UNKNOWN, original=ref, content=more)
        high = d._high
        when = f'<effectiveTime xsi:type="IVL_TS">{d._low}{high}</effectiveTime>' if d.start or high else _NO_TIME
        udi = dt.ii(d.udi.root, d.udi.value) if d.udi else ""
        entries.append(f"<entry>{_SUPPLY}{draft.id()}{ref.text}{when}{_DEVICE_ROLE}{udi}{_DEVICE}{code}{_DEVICE_END}")
    return section(draft, _DEVICES, narrative, *entries)


# Letters. -----------------------------------------------------------------------------------------------------------

_REASON = SectionKind(
    "1.3.6.1.4.1.19376.1.5.3.1.3.1",
    "1.2.250.1.213.1.1.2.127",
    code=("42349-1", "Raison de la recommandation", LOINC),
)


class HospitalLetter(ClinicalDocument):
    """What the two *lettres de liaison* share.

    reason 1..1: *motif de l'hospitalisation*; treating_physician 0..1: *médecin traitant*; pdf_copy 0..1: the letter
    as PDF, shown first by consumers. Raises CdaError (`CDA_PDF_UNREADABLE`).
    """

    masked: ClassVar[frozenset[str]] = frozenset({"reason", "pdf_copy"})

    reason: Text
    treating_physician: Actor | None = None
    pdf_copy: bytes | None = None

    @field_validator("pdf_copy")
    @classmethod
    def _readable(cls, value: bytes | None) -> bytes | None:
        return checked_pdf(value, "pdf_copy") if value is not None else None

    def _service_events(self, written_at: datetime) -> tuple[ServiceEvent, ...]:
        stay = self.stay
        return (
            ServiceEvent(
                code=terminology_code("JDV_J142", "IMP"),
                start=stay.admitted_at,
                stop=stay.discharged_at,
                performer=Performer(actor=stay.responsible or self.author),
            ),
        )

    def _participants(self) -> tuple[Participant, ...]:
        if not self.treating_physician:
            return ()
        function = terminology_code("JDV_J47", "PCP")
        return (Participant(type_code="INF", actor=self.treating_physician.model_copy(update={"function": function})),)

    def _reason_section(self, draft: Draft, title: str) -> str:
        return section(draft, _REASON, self.reason, title=title, with_id=False)
