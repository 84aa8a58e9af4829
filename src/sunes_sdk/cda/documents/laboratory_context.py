"""What a laboratory report may say around its results: why the examination was asked for, earlier vaccinations."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Discriminator, Field, Tag, field_validator

from ...model import Code, Model
from ...model._base import invalid
from ...model.code import Text
from .. import datatypes as dt
from ..datatypes import LOINC, NullFlavor
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
from .clinical import Problem, When, problem_observation, written_date
from .measures import shown_date
from .treatments import Medicine


class ExaminationReason(Model):
    """*Contexte de l'examen* (FR-Raison-de-la-recommandation).

    reason 1..1: a text, or a code with its label (JDV_ContexteExamenCCU for a screening of the cervix); problems 1..*:
    what is looked for, or was found before. Raises ModelError `BIO_REASON`.
    """

    masked: ClassVar[frozenset[str]] = frozenset({"reason", "problems"})

    reason: Annotated[
        Annotated[Code, Tag("code")] | Annotated[Text, Tag("text")],
        Discriminator(lambda value: "text" if isinstance(value, str) else "code"),
    ]
    problems: tuple[Problem, ...]

    @field_validator("problems")
    @classmethod
    def _one_at_least(cls, value: tuple[Problem, ...]) -> tuple[Problem, ...]:
        if not value:
            raise invalid("BIO_REASON", "the reason has no problem", rule="IHE PCC Coded Reason for Referral",
                          hint="give one Problem at least, or say the reason in comment",
                          hint_fr="Le contexte de l'examen doit citer au moins un problème.")  # fmt: skip
        return value


class VaccinationKind(StrEnum):
    """*Type d'acte de vaccination* (JDV_HL7_ActSubstanceAdministrationImmunizationCode)."""

    FIRST_SERIES = "INITIMMUNIZ"
    BOOSTER = "BOOSTER"
    UNSPECIFIED = "IMMUNIZ"


_KINDS = {
    VaccinationKind.FIRST_SERIES: "1ère série vaccinante",
    VaccinationKind.BOOSTER: "Rappel de vaccin",
    VaccinationKind.UNSPECIFIED: "Vaccination sans autre précision",
}


class Vaccination(Model):
    """*FR-Vaccination*: done, or not done.

    vaccine 1..1: name, and CIS, CIP or ATC codes; given: False when it was not; on 0..1: day, month or year; kind;
    lot, rank (1 for the first dose), comment 0..1. Raises ModelError `BIO_VACCINATION`.
    """

    masked: ClassVar[frozenset[str]] = frozenset({"vaccine", "given", "on", "lot", "comment"})

    vaccine: Medicine
    given: bool = True
    on: When | None = None
    kind: VaccinationKind = VaccinationKind.UNSPECIFIED
    lot: Text | None = None
    rank: int | None = Field(default=None, ge=1)
    comment: Text | None = None

    @field_validator("vaccine")
    @classmethod
    def _of_a_vaccine(cls, value: Medicine) -> Medicine:
        if value.compounded or value.form or value.generic or value.ingredients:
            raise invalid("BIO_VACCINATION", "a vaccine has no form, generic nor ingredients here",
                          rule="CI-SIS FR-Vaccination", hint="give name, cis, cip and atc")  # fmt: skip
        return value


_REASON = SectionKind(
    "1.3.6.1.4.1.19376.1.5.3.1.3.1",
    "1.3.6.1.4.1.19376.1.5.3.1.3.2",
    "1.2.250.1.213.1.1.2.128",
    code=("42349-1", "Raison de la recommandation", LOINC),
    title="Contexte de l'examen",
)
_SAID = ObservationKind(code="42349-1", display="Raison de la recommandation", system=LOINC)


def reason_section(draft: Draft, reason: ExaminationReason) -> str:
    """*FR-Raison-de-la-recommandation*: one FR-Simple-Observation, and FR-Probleme 1..*."""
    narrative = Narrative(draft)
    said = reason.reason
    ref = narrative.paragraph(said if isinstance(said, str) else code_text(said))
    coded = None if isinstance(said, str) else said
    value = (
        dt.cd("value", coded, xsi_type="CD", original=ref)
        if coded
        else f'<value xsi:type="CD">{ref.original_text}</value>'
    )
    entries = [entry(_SAID.write(draft, ref, value, ""))]
    entries += [entry(problem_observation(draft, narrative, problem)) for problem in reason.problems]
    return section(draft, _REASON, narrative, *entries)


_VACCINATIONS = SectionKind(
    "2.16.840.1.113883.10.20.1.6",
    "1.3.6.1.4.1.19376.1.5.3.1.3.23",
    "1.2.250.1.213.1.1.2.147",
    code=("11369-6", "Historique des vaccinations", LOINC),
    title="Historique des vaccinations",
)
_COLUMNS = ("Vaccin", "Réalisé", "Type", "Date", "Rang", "Lot", "Commentaire")
_TEMPLATES = dt.templates(
    "2.16.840.1.113883.10.20.1.24", "1.3.6.1.4.1.19376.1.5.3.1.4.12", "1.2.250.1.213.1.1.3.45"
)  # fmt: skip
_PRODUCT = (
    '<consumable typeCode="CSM"><manufacturedProduct>'
    + dt.templates("2.16.840.1.113883.10.20.1.53", "1.3.6.1.4.1.19376.1.5.3.1.4.7.2", "1.2.250.1.213.1.1.3.43")
    + "<manufacturedMaterial>"
)
_RANK = (
    '<observation classCode="OBS" moodCode="EVN">'
    + dt.templates("2.16.840.1.113883.10.20.1.46", "1.2.250.1.213.1.1.3.82")
    + dt.coded("code", "30973-2", "Rang de la vaccination", LOINC, "LOINC")
    + dt.COMPLETED
)


def vaccinations_section(draft: Draft, vaccinations: Sequence[Vaccination]) -> str:
    """*FR-Vaccinations*: FR-Vaccination 1..*."""
    narrative = Narrative(draft)
    rows = [
        (
            v.vaccine.name,
            "Oui" if v.given else "Non",
            _KINDS[v.kind],
            shown_date(v.on),
            str(v.rank or ""),
            v.lot or "",
            v.comment or "",
        )
        for v in vaccinations
    ]
    refs = narrative.table(_COLUMNS, rows)
    entries = []
    for vaccination, ref in zip(vaccinations, refs, strict=True):
        missing = NullFlavor.UNKNOWN if vaccination.given else NullFlavor.NOT_APPLICABLE
        when = (
            dt.ts("effectiveTime", written_date(vaccination.on))
            if vaccination.on
            else dt.null("effectiveTime", missing)
        )
        lot = dt.element("lotNumberText", vaccination.lot) if vaccination.lot else ""
        inner = ""
        if vaccination.rank:
            inner += entry_relationship(f"{_RANK}{dt.integer(vaccination.rank)}</observation>", "SUBJ")
        if vaccination.comment:
            inner += comment_relationship(ref)
        refused = "false" if vaccination.given else "true"
        product = f"{vaccination.vaccine.material(draft, ref)}{lot}"
        kind = dt.coded("code", vaccination.kind.value, _KINDS[vaccination.kind], dt.ACT_CODE, "HL7:ActCode")
        entries.append(
            entry(
                f'<substanceAdministration classCode="SBADM" moodCode="EVN" negationInd="{refused}">{_TEMPLATES}'
                f"{draft.id()}{kind}{ref.text}{dt.COMPLETED}{when}{_PRODUCT}{product}"
                f"</manufacturedMaterial></manufacturedProduct></consumable>{inner}</substanceAdministration>"
            )
        )
    return section(draft, _VACCINATIONS, narrative, *entries)
