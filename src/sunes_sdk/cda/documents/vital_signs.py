"""*Signes vitaux* and *statut de grossesse*: what a dispenser checks a dose against."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

from pydantic import AwareDatetime, model_validator

from ...model import Model
from ...model._base import invalid
from ...terminology import code as terminology_code
from .. import datatypes as dt
from ..datatypes import LOINC
from ..sections import Draft, Narrative, SectionKind, entry, section
from .measures import VITAL_SIGN_UNITS, Measure, shown_day, shown_unit


class VitalSignKind(StrEnum):
    """What is measured (JDV_SignesVitaux, LOINC)."""

    RESPIRATORY_RATE = "9279-1"
    HEART_RATE = "8867-4"
    OXYGEN_SATURATION = "20564-1"
    SYSTOLIC_PRESSURE = "8480-6"
    DIASTOLIC_PRESSURE = "8462-4"
    TEMPERATURE = "8310-5"
    HEIGHT = "8302-2"
    HEAD_CIRCUMFERENCE = "8287-5"
    WEIGHT = "29463-7"
    BODY_MASS_INDEX = "39156-5"


LABELS = {
    VitalSignKind.RESPIRATORY_RATE: "Fréquence respiratoire",
    VitalSignKind.HEART_RATE: "Fréquence cardiaque",
    VitalSignKind.OXYGEN_SATURATION: "Saturation en O2",
    VitalSignKind.SYSTOLIC_PRESSURE: "Pression artérielle systolique",
    VitalSignKind.DIASTOLIC_PRESSURE: "Pression artérielle diastolique",
    VitalSignKind.TEMPERATURE: "Température corporelle",
    VitalSignKind.HEIGHT: "Taille",
    VitalSignKind.HEAD_CIRCUMFERENCE: "Périmètre crânien",
    VitalSignKind.WEIGHT: "Poids",
    VitalSignKind.BODY_MASS_INDEX: "Index de masse corporelle (IMC)",
}


class VitalSign(Model):
    """*FR-Signe-vital-observe*. kind 1..1; measure 1..1, in a unit of its kind; at 1..1: day or instant.
    Raises ModelError `VITAL_SIGN_UNIT`."""

    kind: VitalSignKind
    measure: Measure
    at: AwareDatetime | date

    @model_validator(mode="after")
    def _unit(self) -> VitalSign:
        units = VITAL_SIGN_UNITS[self.kind]
        if self.measure.unit not in units:
            raise invalid("VITAL_SIGN_UNIT", "this vital sign is not measured in this unit", path="measure.unit",
                          rule="IHE PCC Vital Signs Observation", hint=f"write {', '.join(units)}",
                          hint_fr=f"Unité attendue : {', '.join(map(shown_unit, units))}.")  # fmt: skip
        return self


_SIGNS = SectionKind(
    "2.16.840.1.113883.10.20.1.16",
    "1.3.6.1.4.1.19376.1.5.3.1.3.25",
    "1.3.6.1.4.1.19376.1.5.3.1.1.5.3.2",
    "1.2.250.1.213.1.1.2.75",
    code=("8716-3", "Signes vitaux", LOINC),
    title="Signes vitaux",
)
_ORGANIZER = '<organizer classCode="CLUSTER" moodCode="EVN">' + dt.templates(
    "2.16.840.1.113883.10.20.1.32",
    "2.16.840.1.113883.10.20.1.35",
    "1.3.6.1.4.1.19376.1.5.3.1.4.13.1",
    "1.2.250.1.213.1.1.3.49",
)
_ORGANIZER_CODE = dt.coded("code", "85353-1", "Signes vitaux", LOINC, "LOINC") + dt.COMPLETED
_SIGN = '<component typeCode="COMP"><observation classCode="OBS" moodCode="EVN">' + dt.templates(
    "2.16.840.1.113883.10.20.1.31",
    "1.3.6.1.4.1.19376.1.5.3.1.4.13",
    "1.3.6.1.4.1.19376.1.5.3.1.4.13.2",
    "1.2.250.1.213.1.1.3.50",
)
_CODES = {kind: dt.coded("code", kind.value, label, LOINC, "LOINC") for kind, label in LABELS.items()}
_PREGNANCY = SectionKind(
    "1.3.6.1.4.1.19376.1.5.3.1.1.5.3.4",
    "1.2.250.1.213.1.1.2.77",
    code=("10162-6", "Historique des grossesses", LOINC),
    title="Historique des grossesses",
)
_PREGNANCY_OBSERVATION = '<observation classCode="OBS" moodCode="EVN">' + dt.templates(
    "1.3.6.1.4.1.19376.1.5.3.1.4.13", "1.3.6.1.4.1.19376.1.5.3.1.4.13.5", "1.2.250.1.213.1.1.3.53"
)
_PREGNANCY_CODE = dt.coded("code", "11449-6", "Statut de grossesse", LOINC, "LOINC")


def _written(draft: Draft, at: datetime | date) -> str:
    return draft.ts(at) if isinstance(at, datetime) else dt.day(at)


def vital_signs_section(draft: Draft, signs: Sequence[VitalSign]) -> str:
    """*FR-Signes-vitaux*: one organizer of FR-Signe-vital-observe 1..*, at the time of the last."""
    narrative = Narrative(draft)
    times = [_written(draft, s.at) for s in signs]
    rows = [(shown_day(t), LABELS[s.kind], s.measure.text) for t, s in zip(times, signs, strict=True)]
    observations = [
        f"{_SIGN}{draft.id()}{_CODES[s.kind]}{ref.text}{dt.COMPLETED}{dt.ts('effectiveTime', time)}{s.measure.xml()}"
        "</observation></component>"
        for ref, time, s in zip(narrative.table(("Date", "Signe vital", "Valeur"), rows), times, signs, strict=True)
    ]
    last = dt.ts("effectiveTime", max(times))
    organizer = f"{_ORGANIZER}{draft.id()}{_ORGANIZER_CODE}{last}{''.join(observations)}</organizer>"
    return section(draft, _SIGNS, narrative, entry(organizer))


def pregnancy_section(draft: Draft, status: str) -> str:
    """*FR-Historique-des-grossesses*, with the status at the time of writing only. status: JDV_STATUT_GROSSESSE."""
    value = terminology_code("JDV_STATUT_GROSSESSE", status)
    narrative = Narrative(draft)
    ref = narrative.content(value.display)
    return section(
        draft,
        _PREGNANCY,
        narrative,
        entry(
            f"{_PREGNANCY_OBSERVATION}{draft.id()}{_PREGNANCY_CODE}{ref.text}{dt.COMPLETED}"
            f"{dt.ts('effectiveTime', draft.written_at)}{dt.cd('value', value, xsi_type='CE')}</observation>"
        ),
    )
