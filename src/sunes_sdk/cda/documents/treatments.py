"""Medicines: *FR-Traitement* (what a patient takes or took) and *FR-Traitement-prescrit* (a prescription line)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from pydantic import Field, model_validator

from ..._core.xml import escape_text
from ...model import Code, Model
from ...model._base import invalid
from ...model.code import Text
from .. import datatypes as dt
from ..datatypes import NullFlavor, Ref
from ..sections import Draft, Narrative, ObservationKind, entry, entry_relationship

CIS = "1.2.250.1.213.2.3.1"
CIP = "1.2.250.1.213.2.3.2"
ATC = "2.16.840.1.113883.6.73"
MEDICABASE = "1.2.250.1.213.2.59"
EDQM = "0.4.0.127.0.16.1.1.2.1"
SUBSTITUTION = "2.16.840.1.113883.5.1070"
EDQM_BOX = "30009000"


class Quantity(Model):
    """A physical quantity. unit: UCUM, from the official finite list (`{tbl}`, `mg`, `mL`, `d`, `h`); may be empty."""

    value: Decimal
    unit: str = ""

    @property
    def text(self) -> str:
        """As French people read it: `1,5 comprimé`, `2 jours`."""
        one, many = _UNIT_TEXTS.get(self.unit, (self.unit, self.unit))
        return f"{dt.number(self.value)} {many if abs(self.value) >= 2 else one}".strip().replace(".", ",")


_UNIT_TEXTS = {
    "{tbl}": ("comprimé", "comprimés"),
    "min": ("minute", "minutes"),
    "h": ("heure", "heures"),
    "d": ("jour", "jours"),
    "wk": ("semaine", "semaines"),
    "mo": ("mois", "mois"),
}


class Medicine(Model):
    """*FR-Produit-de-sante*.

    name 1..1: nom de marque; label 0..1: full label of the code, the name when not given; cis 0..1: 8 digits
    (without it the entry says the code is missing, and the narrative names the medicine); cip 0..1: 7 or 13 digits;
    atc 0..1: code and label; medicabase 0..1: code MV and label.
    """

    name: Text
    label: str | None = None
    cis: str | None = Field(default=None, pattern=r"^[0-9]{8}$")
    cip: str | None = Field(default=None, pattern=r"^([0-9]{7}|[0-9]{13})$")
    atc: Code | None = None
    medicabase: Code | None = None

    def _code(self, ref: Ref) -> str:
        label = self.label or self.name
        translations = [c for c in (self.medicabase, self.atc) if c]
        content = "".join([dt.translation(c) for c in translations])
        if self.cip:
            content += dt.coded("translation", self.cip, label, CIP, "CIP")
        if not self.cis:
            return dt.null_code("code", NullFlavor.UNKNOWN, original=ref, content=content)
        return dt.coded("code", self.cis, label, CIS, "CIS", content=ref.original_text + content)


class Treatment(Medicine):
    """*FR-Traitement*, dosing mode "normal".

    posology 0..1: as people read it (`1 comprimé par jour`); start / end 0..1: dates, no end while it goes on;
    dose 0..1, every 0..1 (period between two takes), rate 0..1, max_dose 0..1 over max_dose_period; route 0..1: EDQM
    Standard Terms; comment 0..1.
    """

    posology: str | None = None
    start: date | None = None
    end: date | None = None
    dose: Quantity | None = None
    every: Quantity | None = None
    rate: Quantity | None = None
    max_dose: Quantity | None = None
    max_dose_period: Quantity = Field(default_factory=lambda: Quantity(value=Decimal(1), unit="d"))
    route: Code | None = None
    comment: str | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Treatment:
        if self.start and self.end and self.end < self.start:
            raise invalid("TREATMENT_DATES", "the treatment ends before it starts", path="end",
                          rule="IVL_TS: low before high", hint="swap or mend the dates",
                          hint_fr="La date de fin du traitement précède sa date de début.")  # fmt: skip
        return self

    @property
    def is_structured(self) -> bool:
        """Whether the dosage is written as data, beside the text."""
        return any((self.dose, self.every, self.rate, self.max_dose, self.route))

    @property
    def dosage_texts(self) -> dict[str, str]:
        """Each part of the dosage that is written as data, as people read it: the narrative says what entries say."""
        texts = {}
        if self.dose:
            texts["Dose"] = self.dose.text
        if self.every:
            texts["Fréquence"] = f"une prise par période de {self.every.text}"
        if self.rate:
            texts["Rythme"] = self.rate.text
        if self.max_dose:
            texts["Dose maximale"] = f"{self.max_dose.text} par période de {self.max_dose_period.text}"
        if self.route:
            texts["Voie d'administration"] = self.route.display or self.route.code
        return texts

    def _times(self) -> str:
        return period_xml(self.start, self.end)

    def _dosage(self) -> str:
        """effectiveTime[2] to maxDoseQuantity, but for what stands between in a prescription."""
        return frequency_xml(self.every) + route_xml(self.route) + dose_xml(self)


def period_xml(start: date | None, end: date | None) -> str:
    """effectiveTime[1]: low and high are both expected, so a bound that is not known says so."""
    low = dt.ts("low", dt.day(start)) if start else dt.null("low", NullFlavor.UNKNOWN)
    high = dt.ts("high", dt.day(end)) if end else dt.null("high", NullFlavor.UNKNOWN)
    return f'<effectiveTime xsi:type="IVL_TS">{low}{high}</effectiveTime>'


def frequency_xml(every: Quantity | None) -> str:
    if not every:
        return ""
    period = dt.pq("period", every.value, every.unit)
    return f'<effectiveTime operator="A" xsi:type="PIVL_TS">{period}</effectiveTime>'


def route_xml(route: Code | None) -> str:
    return dt.cd("routeCode", route) if route else ""


def dose_xml(treatment: Treatment) -> str:
    xml = ""
    if (dose := treatment.dose) is not None:
        xml += dt.ivl_pq("doseQuantity", dose.value, dose.value, dose.unit)
    if (rate := treatment.rate) is not None:
        xml += dt.ivl_pq("rateQuantity", rate.value, rate.value, rate.unit)
    if (most := treatment.max_dose) is not None:
        over = treatment.max_dose_period
        xml += (
            f"<maxDoseQuantity>{dt.pq('numerator', most.value, most.unit)}"
            f"{dt.pq('denominator', over.value, over.unit)}</maxDoseQuantity>"
        )
    return xml


def _french(value: date | None) -> str:
    return value.strftime("%d/%m/%Y") if value else ""


_DRUG = dt.coded("code", "DRUG", "Médicament", dt.ACT_CODE, "HL7:ActCode")
_TREATMENT = '<substanceAdministration classCode="SBADM" moodCode="EVN">' + dt.templates(
    "1.2.250.1.213.1.1.3.42",
    "2.16.840.1.113883.10.20.1.24",
    "1.3.6.1.4.1.19376.1.5.3.1.4.7",
    "1.3.6.1.4.1.19376.1.5.3.1.4.7.1",
)
_PRODUCT = (
    "<consumable><manufacturedProduct>"
    + dt.templates("1.2.250.1.213.1.1.3.43", "2.16.840.1.113883.10.20.1.53", "1.3.6.1.4.1.19376.1.5.3.1.4.7.2")
    + "<manufacturedMaterial>"
)
_PRODUCT_END = "</manufacturedMaterial></manufacturedProduct></consumable>"
_COLUMNS = (
    "Médicament", "Posologie", "Dose", "Fréquence", "Rythme", "Dose maximale", "Voie d'administration", "Début", "Fin",
    "Commentaire",
)  # fmt: skip


def write_treatments(
    draft: Draft, narrative: Narrative, treatments: tuple[Treatment, ...], none_text: str
) -> list[str]:
    """Narrative rows and entries of a treatment section; with no treatment, the mandatory entry that says so.

    The volet wants one entry at least and has no code for "no treatment" (unverified): the material's code is then
    nullFlavor NA and points at the narrative that says it.
    """
    if not treatments:
        ref = narrative.content(none_text)
        code = dt.null_code("code", NullFlavor.NOT_APPLICABLE, original=ref)
        return [
            entry(
                f"{_TREATMENT}{draft.id()}{_DRUG}{ref.text}{dt.COMPLETED}{_NO_PERIOD}{_PRODUCT}{code}"
                f'<name nullFlavor="NA"></name>{_PRODUCT_END}</substanceAdministration>'
            )
        ]
    rows = [
        {
            "Médicament": t.name,
            "Posologie": t.posology or "",
            **t.dosage_texts,
            "Début": _french(t.start),
            "Fin": _french(t.end),
            "Commentaire": t.comment or "",
        }
        for t in treatments
    ]
    columns = [c for c in _COLUMNS if any(row.get(c) for row in rows)]
    refs = narrative.table(columns, [[row.get(c, "") for c in columns] for row in rows])
    return [_treatment_entry(draft, ref, t) for ref, t in zip(refs, treatments, strict=True)]


_NO_PERIOD = '<effectiveTime xsi:type="IVL_TS"><low nullFlavor="NA"></low><high nullFlavor="NA"></high></effectiveTime>'


def _treatment_entry(draft: Draft, ref: Ref, treatment: Treatment) -> str:
    return (
        f"<entry>{_TREATMENT}{draft.id()}{_DRUG}{ref.text}{dt.COMPLETED}{treatment._times()}{treatment._dosage()}"
        f"{_PRODUCT}{treatment._code(ref)}<name>{escape_text(treatment.name)}</name>{_PRODUCT_END}"
        "</substanceAdministration></entry>"
    )


class PrescribedTreatment(Treatment):
    """*FR-Traitement-prescrit*: one line of a prescription, dosing mode "normal".

    posology 1..1: as people read it. It is written as structured too when a dose, a period, a rate, a maximum or a
    route is given. repeats: number of
    renewals; substitution_allowed: by a generic, else no_substitution_reason is mandatory; chronic_disease: *en
    rapport avec une ALD*; work_accident: *accident du travail ou maladie professionnelle*; not_reimbursable;
    off_label: *hors AMM*; prevention 0..1; patient_instructions 0..1; dispenser_instructions 0..1; boxes 0..1.
    """

    posology: Text
    repeats: int = Field(default=0, ge=0)
    substitution_allowed: bool = True
    no_substitution_reason: str | None = None
    chronic_disease: bool = False
    work_accident: bool = False
    not_reimbursable: bool = False
    off_label: bool = False
    prevention: bool | None = None
    patient_instructions: str | None = None
    dispenser_instructions: str | None = None
    boxes: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _reason_given(self) -> PrescribedTreatment:
        if not self.substitution_allowed and not self.no_substitution_reason:
            raise invalid("PRESCRIPTION_SUBSTITUTION", "a substitution that is refused needs its reason",
                          rule="eP-MED-DM FR-Autorisation-Substitution", path="no_substitution_reason",
                          hint="give no_substitution_reason, e.g. Marge thérapeutique étroite",
                          hint_fr="Indiquez le motif de non substitution.")  # fmt: skip
        return self


_PRESCRIBED = '<substanceAdministration classCode="SBADM" moodCode="INT">' + dt.templates(
    "2.16.840.1.113883.10.20.1.24",
    "1.3.6.1.4.1.19376.1.5.3.1.4.7",
    "1.3.6.1.4.1.19376.1.9.1.3.2",
    "1.2.250.1.213.1.1.3.83",
)
_STRUCTURED = dt.templates("1.3.6.1.4.1.19376.1.9.1.3.6")
_NORMAL = dt.templates("1.3.6.1.4.1.19376.1.5.3.1.4.7.1")
_PRESCRIBED_PRODUCT = (
    '<consumable><manufacturedProduct classCode="MANU">'
    + dt.templates("2.16.840.1.113883.10.20.1.53", "1.3.6.1.4.1.19376.1.5.3.1.4.7.2", "1.2.250.1.213.1.1.3.43")
    + '<manufacturedMaterial classCode="MMAT" determinerCode="KIND">'
    + dt.templates("1.3.6.1.4.1.19376.1.9.1.3.1")
)
_SUBSTITUTION = '<act classCode="ACT" moodCode="DEF">' + dt.templates(
    "1.3.6.1.4.1.19376.1.9.1.3.9.1", "1.2.250.1.213.1.1.3.87"
)
_GENERIC_TEXT = "Substitution autorisée par un produit générique"
_NONE_TEXT = "Aucune substitution permise"
_INSTRUCTION_SYSTEM = "1.3.6.1.4.1.19376.1.5.3.2"
_PATIENT_INSTRUCTION = (
    '<act classCode="ACT" moodCode="INT">'
    + dt.templates("2.16.840.1.113883.10.20.1.49", "1.3.6.1.4.1.19376.1.5.3.1.4.3", "1.2.250.1.213.1.1.3.33")
    + dt.coded("code", "PINSTRUCT", "", _INSTRUCTION_SYSTEM, "IHEActCode")
)
_DISPENSER_INSTRUCTION = (
    '<act classCode="ACT" moodCode="INT">'
    + dt.templates("2.16.840.1.113883.10.20.1.43", "1.3.6.1.4.1.19376.1.5.3.1.4.3.1", "1.2.250.1.213.1.1.3.34")
    + dt.coded("code", "FINSTRUCT", "", _INSTRUCTION_SYSTEM, "IHEActCode")
)
_SUPPLY = (
    '<supply classCode="SPLY" moodCode="RQO">'
    + dt.templates("1.3.6.1.4.1.19376.1.9.1.3.8", "1.2.250.1.213.1.1.3.86")
    + '<independentInd value="false"></independentInd>'
)
_CHRONIC = ObservationKind("1.2.250.1.213.1.1.3.48.13", code="MED-574", display="En rapport avec une ALD")
_WORK_ACCIDENT = ObservationKind(
    "1.2.250.1.213.1.1.3.48.14",
    code="GEN-180",
    display="En rapport avec un accident du travail ou une maladie professionnelle",
)
_NOT_REIMBURSABLE = ObservationKind("1.2.250.1.213.1.1.3.48.15", code="GEN-181", display="Non remboursable")
_OFF_LABEL = ObservationKind(
    "1.2.250.1.213.1.1.3.48.12", code="GEN-179", display="Hors Autorisation de Mise sur le Marché (AMM)"
)
_PREVENTION = ObservationKind("1.2.250.1.213.1.1.3.48.34", code="GEN-295", display="En rapport avec la prévention")


def write_prescribed(draft: Draft, narrative: Narrative, line: PrescribedTreatment) -> str:
    """One prescription line: its narrative items and its entry."""
    when = " ".join(
        filter(None, (f"du {_french(line.start)}" if line.start else "", f"au {_french(line.end)}" if line.end else ""))
    )
    ref = narrative.paragraph(f"{line.name} : {line.posology}{f' ({when})' if when else ''}")
    for label, dosed in line.dosage_texts.items():
        narrative.item(dosed, label)
    if line.comment:
        narrative.item(line.comment, "Commentaire")
    if line.substitution_allowed:
        substitution = dt.coded("code", "G", _GENERIC_TEXT, SUBSTITUTION)
        narrative.item(_GENERIC_TEXT, "Substitution")
    else:
        reason = narrative.item(f"{_NONE_TEXT} : {line.no_substitution_reason}", "Substitution")
        substitution = dt.coded("code", "N", _NONE_TEXT, SUBSTITUTION, content=reason.original_text)
    if line.repeats:
        narrative.item(str(line.repeats), "Renouvellements")
    parts = [entry_relationship(f"{_SUBSTITUTION}{substitution}{dt.COMPLETED}</act>")]
    for kind, value in (
        (_CHRONIC, line.chronic_disease),
        (_WORK_ACCIDENT, line.work_accident),
        (_NOT_REIMBURSABLE, line.not_reimbursable),
        (_OFF_LABEL, line.off_label),
        (_PREVENTION, line.prevention),
    ):
        if value is not None:
            said = narrative.item("Oui" if value else "Non", kind.display)
            parts.append(entry_relationship(kind.write(draft, said, dt.boolean(value), draft.written_at)))
    before = []
    for head, text, label in (
        (_PATIENT_INSTRUCTION, line.patient_instructions, "Instructions au patient"),
        (_DISPENSER_INSTRUCTION, line.dispenser_instructions, "Instructions au dispensateur"),
    ):
        if text:
            said = narrative.item(text, label)
            before.append(entry_relationship(f"{head}{said.text}{dt.COMPLETED}</act>", "SUBJ", inversion=True))
    if line.boxes:
        narrative.item(f"{line.boxes} boîte(s)", "Quantité")
        quantity = dt.pq("quantity", line.boxes, EDQM_BOX)
        before.append(entry_relationship(f"{_SUPPLY}{quantity}</supply>"))
    structured = line.is_structured
    repeats = f'<repeatNumber value="{line.repeats}"></repeatNumber>'
    dosage = f"{frequency_xml(line.every)}{repeats}{route_xml(line.route)}{dose_xml(line)}" if structured else repeats
    return entry(
        f"{_PRESCRIBED}{_STRUCTURED if structured else ''}{_NORMAL}{draft.id()}{_DRUG}{ref.text}{dt.COMPLETED}"
        f"{line._times()}{dosage}{_PRESCRIBED_PRODUCT}{line._code(ref)}<name>{escape_text(line.name)}</name>"
        f"{_PRODUCT_END}{''.join(before)}{''.join(parts)}</substanceAdministration>"
    )
