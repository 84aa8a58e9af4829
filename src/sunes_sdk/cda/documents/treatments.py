"""Medicines: *FR-Traitement* (what a patient takes or took) and *FR-Traitement-prescrit* (a prescription line)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from pydantic import Field, field_validator, model_validator

from ..._core.xml import escape_text
from ...model import Code, Model
from ...model._base import invalid
from ...model.code import Text
from .. import datatypes as dt
from ..datatypes import NullFlavor, Ref
from ..sections import Draft, Narrative, ObservationKind, entry, entry_relationship
from .dosing import (
    Dosage,
    DosingMode,
    Quantity,
    QuantityRange,
    Refs,
    TimingEvent,
    check_unit,
    dose_xml,
    duration,
    frequency_xml,
    period_xml,
)
from .measures import shown_date

CIS = "1.2.250.1.213.2.3.1"
CIP = "1.2.250.1.213.2.3.2"
UCD = "1.2.250.1.213.2.62"
ATC = "2.16.840.1.113883.6.73"
MEDICABASE = "1.2.250.1.213.2.59"
SMS = "2.16.840.1.113883.3.6905.2"
"""Substances of the European Medicines Agency (SPOR SMS)."""
EMDN = "1.2.250.1.213.2.68"
"""European nomenclature of medical devices."""
LPP = "1.2.250.1.215.200.2.1"
"""*Liste des produits et prestations* (Cnam)."""
EDQM = "0.4.0.127.0.16.1.1.2.1"
SUBSTITUTION = "2.16.840.1.113883.5.1070"
BOX = Code(code="30009000", system=EDQM, display="boîte(s)")
TUBE = Code(code="30067000", system=EDQM, display="tube(s)")

__all__ = [
    "ATC", "BOX", "CIP", "CIS", "EDQM", "EMDN", "LPP", "MEDICABASE", "SMS", "TUBE", "UCD", "Dosage", "DoseStep",
    "DosingMode", "Ingredient", "Medicine", "PrescribedDevice", "PrescribedTreatment", "Quantity", "QuantityRange",
    "TimingEvent", "Treatment", "write_prescribed", "write_prescribed_device", "write_treatments",
]  # fmt: skip


_ONE = Quantity(value=Decimal(1))
_A_DAY = Quantity(value=Decimal(1), unit="d")


class Ingredient(Model):
    """An active substance. name 1..1; code 0..1: SMS; strength 0..1, in `per` (one unit of the medicine)."""

    name: Text
    code: Code | None = None
    strength: Quantity | None = None
    per: Quantity = _ONE

    @field_validator("strength", "per")
    @classmethod
    def _measured(cls, value: Quantity | None) -> Quantity | None:
        check_unit(value)
        return value

    @property
    def text(self) -> str:
        if not self.strength:
            return self.name
        per = "" if self.per == _ONE else f" pour {self.per.text}"
        return f"{self.name} {self.strength.text}{per}"

    def xml(self) -> str:
        quantity = ""
        if self.strength:
            parts = dt.pq("numerator", self.strength.value, self.strength.unit, xsi_type="PQ")
            parts += dt.pq("denominator", self.per.value, self.per.unit, xsi_type="PQ")
            quantity = f"<pharm:quantity>{parts}</pharm:quantity>"
        code = dt.cd("pharm:code", self.code) if self.code else ""
        return (
            f'<pharm:ingredient classCode="ACTI">{quantity}<pharm:ingredient classCode="MMAT" determinerCode="KIND">'
            f"{code}{dt.element('pharm:name', self.name)}</pharm:ingredient></pharm:ingredient>"
        )


class Medicine(Model):
    """*FR-Produit-de-sante*.

    name 1..1: nom de marque; label 0..1: full label of the code, the name when not given; cis 0..1: 8 digits
    (without it the entry says the code is missing, and the narrative names the medicine); cip 0..1: 7 or 13 digits;
    ucd 0..1: 7 or 13 digits; atc 0..1: code and label; medicabase 0..1: code MV and label; form 0..1: EDQM dose form;
    generic 0..1: ATC class whose generic it is (*équivalent générique*); ingredients 0..*; compounded: *préparation
    magistrale*, which has no code of its own: `name` then says what it is made of, on several lines if need be.
    Raises ModelError `MEDICINE_CIP` (check digit), `MEDICINE_COMPOUNDED`.
    """

    name: Text
    label: str | None = None
    cis: str | None = Field(default=None, pattern=r"^[0-9]{8}$")
    cip: str | None = Field(default=None, pattern=r"^([0-9]{7}|[0-9]{13})$")
    ucd: str | None = Field(default=None, pattern=r"^([0-9]{7}|[0-9]{13})$")
    atc: Code | None = None
    medicabase: Code | None = None
    form: Code | None = None
    generic: Code | None = None
    ingredients: tuple[Ingredient, ...] = ()
    compounded: bool = False

    @field_validator("cip")
    @classmethod
    def _check_digit(cls, value: str | None) -> str | None:
        if value and len(value) == 13:
            weighed = sum(int(digit) * (3 if i % 2 else 1) for i, digit in enumerate(value))
            if weighed % 10:
                raise invalid("MEDICINE_CIP", "the check digit of this CIP13 is wrong", rule="CIP13 is a GTIN-13 (GS1)",
                              hint="copy the 13 digits of the box again",
                              hint_fr="Le code CIP du médicament est erroné : vérifiez ses 13 chiffres.")  # fmt: skip
        return value

    @model_validator(mode="after")
    def _no_code_of_a_compounded(self) -> Medicine:
        if self.compounded and (self.cis or self.cip or self.ucd or self.medicabase):
            raise invalid("MEDICINE_COMPOUNDED", "a compounded preparation has no CIS, CIP, UCD or Medicabase code",
                          rule="IHE PHARM PRE: code nullFlavor NA", path="compounded",
                          hint="drop the codes, or compounded",
                          hint_fr="Une préparation magistrale n'a pas de code de spécialité.")  # fmt: skip
        return self

    @property
    def product_texts(self) -> dict[str, str]:
        """What the entry says of the product beside its name."""
        texts = {}
        if self.form:
            texts["Forme"] = _label(self.form)
        if self.generic:
            texts["Équivalent générique"] = _label(self.generic)
        if self.ingredients:
            texts["Composition"] = ", ".join([i.text for i in self.ingredients])
        return texts

    def material(self, draft: Draft, ref: Ref) -> str:
        """code, name and the pharmaceutical extensions of manufacturedMaterial."""
        label = self.label or self.name
        content = dt.translation(self.medicabase) if self.medicabase else ""
        if self.atc:
            content += dt.translation(self.atc)
        if self.cip:
            content += dt.coded("translation", self.cip, label, CIP, "CIP")
        if self.ucd:
            content += dt.coded("translation", self.ucd, label, UCD, "UCD")
        if self.compounded:
            xml = dt.null_code("code", NullFlavor.NOT_APPLICABLE, original=ref, content=content)
            xml += dt.null("name", NullFlavor.NOT_APPLICABLE)
        else:
            if self.cis:
                xml = dt.coded("code", self.cis, label, CIS, "CIS", content=ref.original_text + content)
            else:
                xml = dt.null_code("code", NullFlavor.UNKNOWN, original=ref, content=content)
            xml += f"<name>{escape_text(self.name)}</name>"
        extension = dt.cd("pharm:formCode", self.form) if self.form else ""
        if self.generic:
            extension += (
                '<pharm:asSpecializedKind classCode="GRIC"><pharm:generalizedMedicineClass classCode="MMAT">'
                f"{dt.cd('pharm:code', self.generic)}{dt.element('pharm:name', _label(self.generic))}"
                "</pharm:generalizedMedicineClass></pharm:asSpecializedKind>"
            )
        for ingredient in self.ingredients:
            extension += ingredient.xml()
        return xml + draft.extension("pharm", extension) if extension else xml


def _label(code: Code | None) -> str:
    return (code.display or code.code) if code else ""


def check_dates(start: date | None, end: date | None) -> None:
    """Raises `TREATMENT_DATES` when the end comes before the start."""
    if start and end and end < start:
        raise invalid("TREATMENT_DATES", "the treatment ends before it starts", path="end",
                      rule="IVL_TS: low before high", hint="swap or mend the dates",
                      hint_fr="La date de fin du traitement précède sa date de début.")  # fmt: skip


class Treatment(Medicine, Dosage):
    """*FR-Traitement*, dosing mode "normal".

    posology 0..1: as people read it (`1 comprimé par jour`); start / end 0..1: dates, no end while it goes on;
    dose, every, events, rate: see `Dosage`; max_dose 0..1 over max_dose_period; route 0..1: EDQM Standard Terms;
    site 0..1: where on the body, a code of JDV_HumanSubstanceAdministrationSite or plain text; comment 0..1.
    """

    posology: str | None = None
    start: date | None = None
    end: date | None = None
    max_dose: Quantity | None = None
    max_dose_period: Quantity = _A_DAY
    route: Code | None = None
    site: Text | Code | None = None
    comment: str | None = None

    @field_validator("max_dose")
    @classmethod
    def _most(cls, value: Quantity | None) -> Quantity | None:
        check_unit(value)
        return value

    @field_validator("max_dose_period")
    @classmethod
    def _over(cls, value: Quantity) -> Quantity:
        duration(value)
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Treatment:
        check_dates(self.start, self.end)
        return self

    @property
    def is_structured(self) -> bool:
        """Whether the dosage is written as data, beside the text."""
        return bool(self.dosage_texts)

    @property
    def dosage_texts(self) -> dict[str, str]:
        texts = super().dosage_texts
        if self.max_dose:
            texts["Dose maximale"] = f"{self.max_dose.text} par période de {self.max_dose_period.text}"
        if self.route:
            texts["Voie d'administration"] = _label(self.route)
        if self.site:
            texts["Région anatomique"] = self.site if isinstance(self.site, str) else _label(self.site)
        return texts

    @property
    def _row(self) -> dict[str, str]:
        """What the narrative says of it, by the column of `_COLUMNS`."""
        row = {"Médicament": self.name, **self.product_texts, **self.dosage_texts}
        if self.posology:
            row["Posologie"] = self.posology
        if self.start:
            row["Début"] = shown_date(self.start)
        if self.end:
            row["Fin"] = shown_date(self.end)
        if self.comment:
            row["Commentaire"] = self.comment
        return row

    def _how(self, refs: Refs) -> str:
        """routeCode to maxDoseQuantity."""
        xml = dt.cd("routeCode", self.route, original=refs.get("Voie d'administration")) if self.route else ""
        if self.site:
            # The official profile refuses the code system of the official value set (SNOMED CT) but takes a
            # nullFlavor: the code then stands as its translation (unverified with consumers).
            coded = "" if isinstance(self.site, str) else dt.translation(self.site)
            xml += dt.null_code(
                "approachSiteCode", NullFlavor.OTHER, original=refs.get("Région anatomique"), content=coded
            )
        xml += dose_xml(self, refs)
        if (most := self.max_dose) is not None:
            over = self.max_dose_period
            xml += (
                f"<maxDoseQuantity>{dt.pq('numerator', most.value, most.unit)}"
                f"{dt.pq('denominator', over.value, over.unit)}</maxDoseQuantity>"
            )
        return xml


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
    "Médicament", "Forme", "Équivalent générique", "Composition", "Posologie", "Dose", "Fréquence", "Rythme",
    "Dose maximale", "Voie d'administration", "Région anatomique", "Début", "Fin", "Commentaire",
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
    rows = [t._row for t in treatments]
    filled = set().union(*rows)
    columns = [c for c in _COLUMNS if c in filled]
    refs = narrative.table(columns, [[row.get(c, "") for c in columns] for row in rows])
    return [_treatment_entry(draft, ref, t) for ref, t in zip(refs, treatments, strict=True)]


_NO_PERIOD = '<effectiveTime xsi:type="IVL_TS"><low nullFlavor="NA"></low><high nullFlavor="NA"></high></effectiveTime>'


def _treatment_entry(draft: Draft, ref: Ref, treatment: Treatment) -> str:
    refs = {"Voie d'administration": ref, "Région anatomique": ref}
    return (
        f"<entry>{_TREATMENT}{draft.id()}{_DRUG}{ref.text}{dt.COMPLETED}{period_xml(treatment.start, treatment.end)}"
        f"{frequency_xml(treatment, refs)}{treatment._how(refs)}"
        f"{_PRODUCT}{treatment.material(draft, ref)}{_PRODUCT_END}</substanceAdministration></entry>"
    )


class DoseStep(Dosage):
    """*FR-Traitement-prescrit-subordonnee*: one step of a treatment whose dose changes.

    text 0..1: as people read it, made of the other parts when not given; start 0..1 and lasting 0..1: from when, for
    how long; dose, every, events, rate: what this step changes; condition 0..1: when it applies (*glycémie > 2 g/L*),
    mandatory in the mode CONDITIONAL; product 0..1: the component, in the mode COMBINED and there only.
    Raises ModelError `DOSING_DURATION`, `DOSING_STEP_EMPTY`.
    """

    text: str | None = None
    start: date | None = None
    lasting: Quantity | None = None
    condition: str | None = None
    product: Medicine | None = None

    @field_validator("lasting")
    @classmethod
    def _length(cls, value: Quantity | None) -> Quantity | None:
        return duration(value)

    @model_validator(mode="after")
    def _says_something(self) -> DoseStep:
        if not (self.dosage_texts or self.product):
            raise invalid("DOSING_STEP_EMPTY", "the step changes neither dose, frequency nor rate",
                          rule="FR-Traitement-prescrit-subordonnee", hint="give dose, every, events or rate",
                          hint_fr="Indiquez la dose ou la fréquence de cette étape.")  # fmt: skip
        return self

    @property
    def shown(self) -> str:
        if self.text:
            return self.text
        when = [f"à partir du {shown_date(self.start)}"] if self.start else []
        if self.lasting:
            when.append(f"pendant {self.lasting.text}")
        product = [self.product.name] if self.product else []
        return ", ".join([*product, *self.dosage_texts.values(), *when])


class PrescribedTreatment(Treatment):
    """*FR-Traitement-prescrit*: one line of a prescription.

    posology 1..1: as people read it. It is written as structured too when any part of the dosage, a route, a site or
    a step is given. mode and steps: how the dose changes (`DosingMode`, `DoseStep`); lasting 0..1: length of a
    treatment whose start is not known (mode DELAYED, instead of start and end); precondition 0..1: what must hold
    before it is taken.
    repeats: number of renewals, None when not limited; renewal_period 0..1 or renewal_until 0..1: for how long, or
    until when, it may be renewed; substitution_allowed: by a generic, else no_substitution_reason is mandatory;
    chronic_disease: *en rapport avec une ALD*; work_accident: *accident du travail ou maladie professionnelle*;
    not_reimbursable; off_label: *hors AMM*; prevention; patient_instructions 0..1; dispenser_instructions 0..1;
    boxes 0..1: how many of `packaging` (EDQM packaging, a box when not given) to dispense.
    Raises ModelError `DOSING_MODE`, `DOSING_DURATION`, `PRESCRIPTION_SUBSTITUTION`, `PRESCRIPTION_RENEWAL`.
    """

    posology: Text
    mode: DosingMode = DosingMode.NORMAL
    steps: tuple[DoseStep, ...] = ()
    lasting: Quantity | None = None
    precondition: str | None = None
    repeats: int | None = Field(default=0, ge=0)
    renewal_period: Quantity | None = None
    renewal_until: date | None = None
    substitution_allowed: bool = True
    no_substitution_reason: str | None = None
    chronic_disease: bool = False
    work_accident: bool = False
    not_reimbursable: bool = False
    off_label: bool = False
    prevention: bool = False
    patient_instructions: str | None = None
    dispenser_instructions: str | None = None
    boxes: int | None = Field(default=None, ge=1)
    packaging: Code = BOX

    @field_validator("lasting", "renewal_period")
    @classmethod
    def _length(cls, value: Quantity | None) -> Quantity | None:
        return duration(value)

    @model_validator(mode="after")
    def _reason_given(self) -> PrescribedTreatment:
        if not self.substitution_allowed and not self.no_substitution_reason:
            raise invalid("PRESCRIPTION_SUBSTITUTION", "a substitution that is refused needs its reason",
                          rule="eP-MED-DM FR-Autorisation-Substitution", path="no_substitution_reason",
                          hint="give no_substitution_reason, e.g. Marge thérapeutique étroite",
                          hint_fr="Indiquez le motif de non substitution.")  # fmt: skip
        if self.renewal_period and self.renewal_until:
            raise invalid("PRESCRIPTION_RENEWAL", "renewals have a period or an end, not both", path="renewal_until",
                          rule="FR-Periode-de-renouvellement: high or width", hint="give one of them",
                          hint_fr="Indiquez soit une période de renouvellement, soit sa date de fin.")  # fmt: skip
        if self.repeats == 0 and (self.renewal_period or self.renewal_until):
            raise invalid("PRESCRIPTION_RENEWAL", "a line that is not renewed has a renewal period", path="repeats",
                          rule="FR-Periode-de-renouvellement", hint="give repeats, None when not limited",
                          hint_fr="Indiquez le nombre de renouvellements.")  # fmt: skip
        return self

    @model_validator(mode="after")
    def _mode_holds(self) -> PrescribedTreatment:
        problem = self._mode_problem()
        if problem:
            path, message, hint, hint_fr = problem
            raise invalid("DOSING_MODE", message, path=path, hint=hint, hint_fr=hint_fr,
                          rule="eP-MED-DM FR-Traitement-prescrit, mode d'administration")  # fmt: skip
        return self

    def _mode_problem(self) -> tuple[str, str, str, str] | None:
        mode = self.mode
        if mode.has_steps != bool(self.steps):
            if self.steps:
                return "steps", "this mode has no step", "give the mode TAPERED, SPLIT, CONDITIONAL or COMBINED", (
                    "Choisissez un mode d'administration qui admet des étapes.")  # fmt: skip
            return "steps", "this mode needs a step", "give steps, or the mode NORMAL", "Décrivez les étapes."
        if mode in (DosingMode.TAPERED, DosingMode.SPLIT) and (self.dose or self.has_frequency):
            return "dose", "the dose stands on the line and on its steps", "leave it to the steps", (
                "La dose est indiquée à la fois sur la ligne et dans ses étapes.")  # fmt: skip
        if self.lasting and (mode is not DosingMode.DELAYED or self.start or self.end):
            return "lasting", "a length stands for an unknown start only", "give start and end instead", (
                "Indiquez soit les dates, soit la durée d'un traitement à début différé.")  # fmt: skip
        if mode is DosingMode.DELAYED and not self.lasting and not (self.start and self.end):
            return "lasting", "a delayed start has a length, or both its dates", "give lasting, or start and end", (
                "Indiquez la durée d'un traitement à début différé, ou ses deux dates.")  # fmt: skip
        for i, step in enumerate(self.steps):
            if mode is DosingMode.CONDITIONAL and not step.condition:
                return f"steps.{i}.condition", "a conditional step says when it applies", "give condition", (
                    "Indiquez la condition de cette étape.")  # fmt: skip
            if bool(step.product) != (mode is DosingMode.COMBINED):
                return f"steps.{i}.product", "a component goes with the mode COMBINED, and it alone", (
                    "give the product of each step in that mode only"), (
                    "Indiquez le composant de chaque étape d'une association, et là seulement.")  # fmt: skip
            if step.product and step.product.compounded:  # the entry would have nowhere to name it
                return f"steps.{i}.product", "a component is no compounded preparation itself", "give its name", (
                    "Un composant d'une association ne peut pas être une préparation magistrale.")  # fmt: skip
        return None

    @property
    def is_structured(self) -> bool:
        return bool(self.steps) or super().is_structured


_PRESCRIBED = '<substanceAdministration classCode="SBADM" moodCode="INT">' + dt.templates(
    "2.16.840.1.113883.10.20.1.24",
    "1.3.6.1.4.1.19376.1.5.3.1.4.7",
    "1.3.6.1.4.1.19376.1.9.1.3.2",
    "1.2.250.1.213.1.1.3.83",
)
_STRUCTURED = dt.templates("1.3.6.1.4.1.19376.1.9.1.3.6")
_MODES = {mode: dt.templates(mode.value) for mode in DosingMode}
# The IHE PCC profile of the official kit does not know the delayed mode and asks for another one; the French profile
# takes both together (contradiction of the kit: both are written).
_MODES[DosingMode.DELAYED] = dt.templates(DosingMode.NORMAL.value, DosingMode.DELAYED.value)
_STEP = '<substanceAdministration classCode="SBADM" moodCode="INT">' + dt.templates("1.2.250.1.213.1.1.3.83.1")
_PRESCRIBED_PRODUCT = (
    '<manufacturedProduct classCode="MANU">'
    + dt.templates("2.16.840.1.113883.10.20.1.53", "1.3.6.1.4.1.19376.1.5.3.1.4.7.2", "1.2.250.1.213.1.1.3.43")
    + '<manufacturedMaterial classCode="MMAT" determinerCode="KIND">'
    + dt.templates("1.3.6.1.4.1.19376.1.9.1.3.1")
)
_NO_PRODUCT = '<code nullFlavor="NA"></code><name nullFlavor="NA"></name>'
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
_RENEWAL = '<supply classCode="SPLY" moodCode="RQO">' + dt.templates(
    "1.3.6.1.4.1.19376.1.9.1.3.15", "1.2.250.1.213.1.1.3.88"
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


def _flags(draft: Draft, narrative: Narrative, *values: tuple[ObservationKind, bool]) -> list[str]:
    """What the reimbursement needs to know of a line: one yes or no each."""
    parts = []
    for kind, value in values:
        said = narrative.item("Oui" if value else "Non", kind.display)
        parts.append(entry_relationship(kind.write(draft, said, dt.boolean(value), draft.written_at)))
    return parts


def _dates_text(start: date | None, end: date | None) -> str:
    parts = (f"du {shown_date(start)}" if start else "", f"au {shown_date(end)}" if end else "")
    return " ".join(filter(None, parts))


def _precondition(narrative: Narrative, text: str | None, label: str) -> str:
    if not text:
        return ""
    return f"<precondition><criterion>{narrative.item(text, label).text}</criterion></precondition>"


def _step(draft: Draft, narrative: Narrative, step: DoseStep, number: int) -> str:
    said = narrative.item(step.shown, f"Étape {number}")
    refs: Refs = dict.fromkeys(step.dosage_texts, said)
    if step.product:
        for label, text in step.product.product_texts.items():
            narrative.item(text, f"{label} ({step.product.name})")
    product = step.product.material(draft, said) if step.product else _NO_PRODUCT
    precondition = _precondition(narrative, step.condition, f"Condition de l'étape {number}")
    return entry_relationship(
        f'<sequenceNumber value="{number}"></sequenceNumber>{_STEP}{draft.id()}{said.text}{dt.COMPLETED}'
        f"{frequency_xml(step, refs, step.start, step.lasting)}{dose_xml(step, refs)}"
        f'<consumable typeCode="CSM">{_PRESCRIBED_PRODUCT}{product}{_PRODUCT_END}'
        f"{precondition}</substanceAdministration>"
    )


def _renewal(narrative: Narrative, line: PrescribedTreatment) -> str:
    if until := line.renewal_until:
        narrative.item(f"jusqu'au {shown_date(until)}", "Période de renouvellement")
        time = dt.ts("high", dt.day(until))
    elif period := line.renewal_period:
        narrative.item(period.text, "Période de renouvellement")
        time = dt.pq("width", period.value, period.unit)
    else:
        return ""
    return entry_relationship(f'{_RENEWAL}<effectiveTime xsi:type="IVL_TS">{time}</effectiveTime></supply>')


def write_prescribed(draft: Draft, narrative: Narrative, line: PrescribedTreatment) -> str:
    """One prescription line: its narrative items and its entry."""
    when = f"pendant {line.lasting.text}" if line.lasting else _dates_text(line.start, line.end)
    ref = narrative.paragraph(f"{line.name} : {line.posology}{f' ({when})' if when else ''}")
    for label, said_of_it in line.product_texts.items():
        narrative.item(said_of_it, label)
    refs = {label: narrative.item(text, label) for label, text in line.dosage_texts.items()}
    steps = [_step(draft, narrative, step, i) for i, step in enumerate(line.steps, 1)]
    precondition = _precondition(narrative, line.precondition, "Précondition")
    if line.comment:
        narrative.item(line.comment, "Commentaire")
    if line.substitution_allowed:
        substitution = dt.coded("code", "G", _GENERIC_TEXT, SUBSTITUTION)
        narrative.item(_GENERIC_TEXT, "Substitution")
    else:
        reason = narrative.item(f"{_NONE_TEXT} : {line.no_substitution_reason}", "Substitution")
        substitution = dt.coded("code", "N", _NONE_TEXT, SUBSTITUTION, content=reason.original_text)
    if line.repeats is None:
        narrative.item("non limités", "Renouvellements")
        repeats = '<repeatNumber nullFlavor="NI"></repeatNumber>'
    else:
        if line.repeats:
            narrative.item(str(line.repeats), "Renouvellements")
        repeats = f'<repeatNumber value="{line.repeats}"></repeatNumber>'
    renewal = _renewal(narrative, line)
    flags = _flags(
        draft,
        narrative,
        (_CHRONIC, line.chronic_disease),
        (_WORK_ACCIDENT, line.work_accident),
        (_PREVENTION, line.prevention),
        (_NOT_REIMBURSABLE, line.not_reimbursable),
        (_OFF_LABEL, line.off_label),
    )
    instructions = ""
    for head, text, label in (
        (_PATIENT_INSTRUCTION, line.patient_instructions, "Instructions au patient"),
        (_DISPENSER_INSTRUCTION, line.dispenser_instructions, "Instructions au dispensateur"),
    ):
        if text:
            said = narrative.item(text, label)
            instructions += entry_relationship(f"{head}{said.text}{dt.COMPLETED}</act>", "SUBJ", inversion=True)
    quantity = ""
    if line.boxes:
        narrative.item(f"{line.boxes} {_label(line.packaging)}", "Quantité")
        quantity = entry_relationship(f"{_SUPPLY}{dt.pq('quantity', line.boxes, line.packaging.code)}</supply>")
    allowed = entry_relationship(f"{_SUBSTITUTION}{substitution}{dt.COMPLETED}</act>")
    structured = _STRUCTURED if line.is_structured else ""
    return entry(
        f"{_PRESCRIBED}{structured}{_MODES[line.mode]}{draft.id()}{_DRUG}{ref.text}{dt.COMPLETED}"
        f"{period_xml(line.start, line.end, line.lasting)}{frequency_xml(line, refs)}{repeats}{line._how(refs)}"
        f"<consumable>{_PRESCRIBED_PRODUCT}{line.material(draft, ref)}{_PRODUCT_END}"
        f"{''.join(steps)}{instructions}{quantity}{allowed}{renewal}{''.join(flags)}{precondition}"
        "</substanceAdministration>"
    )


class PrescribedDevice(Model):
    """*FR-Dispositif-medical* of a prescription.

    name 1..1: as people read it; emdn 0..1: category, code and label; lpp 0..1: 7 digits, with lpp_label, the name
    when not given; start / end 0..1: when it is used; rental 0..1: for how long it is rented; quantity: number of
    packages; repeats: number of renewals; chronic_disease, work_accident, prevention, not_reimbursable: as on a
    medicine; comment 0..1.
    Raises ModelError `TREATMENT_DATES`, `DOSING_DURATION`.
    """

    name: Text
    emdn: Code | None = None
    lpp: str | None = Field(default=None, pattern=r"^[0-9]{7}$")
    lpp_label: str | None = None
    start: date | None = None
    end: date | None = None
    rental: Quantity | None = None
    quantity: int = Field(default=1, ge=1)
    repeats: int = Field(default=0, ge=0)
    chronic_disease: bool = False
    work_accident: bool = False
    prevention: bool = False
    not_reimbursable: bool = False
    comment: str | None = None

    @field_validator("rental")
    @classmethod
    def _length(cls, value: Quantity | None) -> Quantity | None:
        return duration(value)

    @model_validator(mode="after")
    def _ordered(self) -> PrescribedDevice:
        check_dates(self.start, self.end)
        return self


_DEVICE = '<supply classCode="SPLY" moodCode="INT">' + dt.templates(
    "2.16.840.1.113883.10.20.1.34", "1.2.250.1.213.1.1.3.20"
)
_DEVICE_ROLE = (
    '<participant typeCode="DEV"><participantRole classCode="MANU">'
    '<playingDevice classCode="DEV" determinerCode="INSTANCE">'
)


def write_prescribed_device(draft: Draft, narrative: Narrative, device: PrescribedDevice) -> str:
    """One prescribed device: its narrative items and its entry."""
    when = _dates_text(device.start, device.end)
    ref = narrative.paragraph(f"{device.name}{f' ({when})' if when else ''}")
    codes = ""
    if device.lpp:
        label = device.lpp_label or device.name
        said = narrative.item(f"{label} [LPP {device.lpp}]", "Prise en charge")
        codes = dt.coded("translation", device.lpp, label, LPP, "LPP", content=said.original_text)
    if device.emdn:
        narrative.item(_label(device.emdn), "Catégorie")
        emdn = device.emdn
        code = dt.coded("code", emdn.code, emdn.display, emdn.system, "EMDN", content=ref.original_text + codes)
    else:
        code = dt.null_code("code", NullFlavor.UNKNOWN, original=ref, content=codes)
    narrative.item(str(device.quantity), "Nombre de conditionnements")
    if device.repeats:
        narrative.item(str(device.repeats), "Renouvellements")
    rental = ""
    if device.rental:
        narrative.item(device.rental.text, "Durée de location")
        rental = f"<expectedUseTime>{dt.pq('width', device.rental.value, device.rental.unit)}</expectedUseTime>"
    if device.comment:
        narrative.item(device.comment, "Commentaire")
    flags = _flags(
        draft,
        narrative,
        (_CHRONIC, device.chronic_disease),
        (_WORK_ACCIDENT, device.work_accident),
        (_PREVENTION, device.prevention),
        (_NOT_REIMBURSABLE, device.not_reimbursable),
    )
    return entry(
        f"{_DEVICE}{draft.id()}{ref.text}{period_xml(device.start, device.end)}"
        f'<repeatNumber value="{device.repeats}"></repeatNumber>{dt.pq("quantity", device.quantity)}{rental}'
        f"{_DEVICE_ROLE}{code}</playingDevice></participantRole></participant>{''.join(flags)}</supply>"
    )
