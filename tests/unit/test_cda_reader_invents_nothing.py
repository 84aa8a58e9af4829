"""What a document does not say is never made up: each element and each attribute of its entries is taken away in turn.

What is then read is what was read before, or less of it; or the reader reports that something is missing.
SUNES_REMOVALS=all takes all away (a minute and a half); else every fifth.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest
from lxml import etree

from cda_removals import STEP, always_default, invented, removals
from sunes_sdk._core.errors import CdaError
from sunes_sdk._core.xml import parse
from sunes_sdk.cda import (
    CdaDocument,
    MedicationPrescription,
    PrescribedTreatment,
    PrescriptionFlag,
    Problem,
    Quantity,
    Treatment,
    read_header,
)
from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.cda.documents.dosing import DosingMode, QuantityRange, TimingEvent
from sunes_sdk.cda.documents.imaging import PregnancyStatus
from sunes_sdk.cda.documents.laboratory_content import (
    AWAITING_LOINC,
    MICROBIOLOGY,
    SEROLOGY,
    Antibiogram,
    Battery,
    Chapter,
    Isolate,
    LaboratoryResult,
    ReferenceRange,
    SubChapter,
)
from sunes_sdk.cda.documents.laboratory_context import ExaminationReason, Vaccination, VaccinationKind
from sunes_sdk.cda.documents.measures import Interval, Measure
from sunes_sdk.cda.documents.treatments import (
    ATC,
    EDQM,
    EMDN,
    MEDICABASE,
    SMS,
    TUBE,
    DoseStep,
    Ingredient,
    Medicine,
    PrescribedDevice,
)
from sunes_sdk.cda.documents.vital_signs import VitalSign, VitalSignKind
from sunes_sdk.cda.reading.entries import lines_of
from sunes_sdk.cda.reading.typed import read_typed
from sunes_sdk.model import Code, Model
from sunes_sdk.testing import sample_letters as letters
from sunes_sdk.testing import sample_reports as reports
from sunes_sdk.testing import samples

V3 = "{urn:hl7-org:v3}"
EXPIRY = samples.WRITTEN + timedelta(days=90)


def quantity(value: int, unit: str) -> Quantity:
    return Quantity(value=Decimal(value), unit=unit)


DETAILED: dict[str, Any] = {
    "name": "PARACETAMOL 500 mg, comprimé",
    "label": "PARACETAMOL MYLAN 500 mg, comprimé",
    "cis": "63107752",
    "cip": "3400933516390",
    "ucd": "3400891225037",
    "atc": Code(code="N02BE01", system=ATC, display="paracétamol", system_name="ATC"),
    "medicabase": Code(code="MV00002306", system=MEDICABASE, display="Paracétamol 500 mg", system_name="MV"),
    "form": Code(code="10219000", system=EDQM, display="Comprimé", system_name="EDQM"),
    "generic": Code(code="N02BE01", system=ATC, display="paracétamol", system_name="ATC"),
    "ingredients": (
        Ingredient(
            name="Paracetamol",
            code=Code(code="100000090270", system=SMS, display="Paracetamol", system_name="SMS"),
            strength=quantity(500, "mg"),
            per=quantity(2, "mL"),
        ),
    ),
    "posology": "1 à 2 comprimés par prise",
    "start": date(2026, 1, 15),
    "end": date(2026, 1, 20),
    "dose": QuantityRange(low=Decimal(1), high=Decimal(2), unit="{tbl}"),
    "every": quantity(8, "h"),
    "flexible_hours": True,
    "events": (TimingEvent.BEFORE_BREAKFAST, TimingEvent.BEDTIME),
    "rate": quantity(100, "mg/d"),
    "max_dose": quantity(3, "g"),
    "max_dose_period": quantity(2, "d"),
    "route": Code(code="20053000", system=EDQM, display="Voie orale", system_name="EDQM"),
    "site": Code(code="46862004", system="2.16.840.1.113883.6.96", display="fesse", system_name="SNOMED CT"),
    "comment": "Réévaluer à un mois",
}


def discharge() -> CdaDocument:
    return letters.discharge_letter(discharge_treatments=(Treatment(**DETAILED),)).render(samples.issuer())


def admission() -> CdaDocument:
    return letters.admission_letter().render(samples.issuer())


def lines() -> tuple[PrescribedTreatment, ...]:
    step = DoseStep(
        text="puis 2 comprimés", start=date(2026, 1, 16), lasting=quantity(2, "d"), dose=quantity(2, "{tbl}"),
        every=quantity(12, "h"), flexible_hours=True, events=(TimingEvent.WAKING,), rate=quantity(9, "mg/d"),
    )  # fmt: skip
    plain: dict[str, Any] = {"name": "METFORMINE", "posology": "selon le schéma"}
    return (
        PrescribedTreatment(
            **DETAILED,
            precondition="Bilan hépatique normal",
            repeats=3,
            renewal_period=quantity(6, "mo"),
            substitution_allowed=False,
            no_substitution_reason="Marge thérapeutique étroite",
            chronic_disease=True,
            work_accident=True,
            not_reimbursable=True,
            off_label=True,
            prevention=True,
            patient_instructions="Pendant le repas",
            dispenser_instructions="Conditionnement trimestriel",
            boxes=2,
            packaging=TUBE,
        ),
        PrescribedTreatment(
            **plain, mode=DosingMode.TAPERED, steps=(step,), repeats=None, renewal_until=date(2027, 1, 1)
        ),
        PrescribedTreatment(
            **plain, mode=DosingMode.CONDITIONAL, steps=(step.model_copy(update={"condition": "Glycémie > 2 g/L"}),)
        ),
        PrescribedTreatment(
            **plain,
            mode=DosingMode.COMBINED,
            steps=(step.model_copy(update={"product": Medicine(name="AMOXICILLINE 1 g", cis="60090763")}),),
        ),
        PrescribedTreatment(**plain, mode=DosingMode.DELAYED, lasting=quantity(3, "d")),
        PrescribedTreatment(name="30 g de diprosone", compounded=True, posology="2 applications par jour"),
    )


def prescription() -> CdaDocument:
    bed = PrescribedDevice(
        name="Lit médical", emdn=Code(code="V0806", system=EMDN, display="LITS", system_name="EMDN"), lpp="1215702",
        lpp_label="lit médical, lit + 135 kg", start=date(2026, 1, 15), end=date(2026, 3, 15),
        rental=quantity(60, "d"), quantity=2, repeats=1, chronic_disease=True, work_accident=True, prevention=True,
        not_reimbursable=True, comment="Avant la sortie",
    )  # fmt: skip
    return MedicationPrescription(
        patient=samples.patient(),
        author=samples.physician().at(samples.hospital()),
        custodian=samples.hospital(),
        stay=samples.stay(),
        written_at=samples.WRITTEN,
        valid_until=EXPIRY,
        treatments=lines(),
        devices=(bed,),
        flags=frozenset(PrescriptionFlag),
        pdf_copy=reports.PDF,
        barcode=b"\xff\xd8\xff\xe0",
        barcode_media_type="image/jpeg",
        comment="Sortie",
        vital_signs=(
            VitalSign(kind=VitalSignKind.WEIGHT, measure=Measure(value=Decimal(55), unit="kg"), at=date(2026, 1, 14)),
        ),
        pregnancy=PregnancyStatus.PREGNANT,
    ).render(samples.issuer())


def laboratory() -> CdaDocument:
    vaccine = Medicine(name="REVAXIS", label="REVAXIS, suspension", cis="69012654", atc=DETAILED["atc"])
    threshold = LaboratoryResult(
        local_code=Code(code="X", system=AWAITING_LOINC, display="Examen"),
        value=Interval(low=Decimal(1), low_inclusive=False, unit="g/L"),
        reference=ReferenceRange(low=Decimal(1), interpretation="H"),
    )
    tested = LaboratoryResult(code=samples.loinc("28-1", "Ampicilline [Sensibilité] Isolat"), interpretation="S")
    culture = Chapter(
        code=MICROBIOLOGY,
        status="aborted",
        results=(
            Battery(title="Seuils", status="active", results=(threshold,)),
            Isolate(
                organism="Escherichia coli",
                identified_at=reports.OBSERVED,
                status="active",
                items=(Antibiogram(title="CMI", status="active", results=(tested,)),),
            ),
        ),
    )
    serology = Chapter(
        code=SEROLOGY, sub_chapters=(SubChapter(code=SEROLOGY, status="active", results=(threshold,)),)
    )  # fmt: skip
    return reports.laboratory_report(
        chapters=(*reports.laboratory_report().chapters, culture, serology),
        reason=ExaminationReason(
            reason=Code(code="51185008", system="2.16.840.1.113883.6.96", display="thorax"),
            problems=(Problem(description="Fièvre", start="2026"),),
        ),
        vaccinations=(
            Vaccination(vaccine=vaccine, on="2020", kind=VaccinationKind.BOOSTER, lot="A1", rank=2, comment="RAS"),
            Vaccination(vaccine=vaccine, given=False),
        ),
    ).render(samples.issuer())


def imaging() -> CdaDocument:
    return reports.imaging_report().render(samples.issuer())


KINDS: list[Callable[[], CdaDocument]] = [discharge, admission, prescription, laboratory, imaging]


DEFAULTS = {
    "flexible_hours": False,  # institutionSpecified
    "low_inclusive": True,  # inclusive
    "high_inclusive": True,
    "given": True,  # negationInd
    "call_back": False,  # a priorityCode says so
    "prevention": False,  # FR-En-rapport-avec-la-prevention 0..1
}
"""What HL7 or the volet says that an absent part means."""
QUALIFIES = {
    "max_dose_period": "max_dose",
    "per": "strength",
    "packaging": "boxes",
    "barcode_media_type": "barcode",
}
"""Fields that say nothing beside an absent one."""


class Said:
    """Every text of a document."""

    def __init__(self, root: etree._Element) -> None:
        texts = {lines_of(e).strip() for e in root.iter(f"{V3}td", f"{V3}content", f"{V3}title", f"{V3}name")}
        texts |= {value for e in root.iter(etree.Element) for value in e.attrib.values()}
        self._texts = [text for text in texts if text]

    def holds(self, value: object) -> bool:
        return isinstance(value, str) and any(value in text for text in self._texts)


def made_up(before: Any, after: Any, said: Said) -> list[str]:
    return list(invented(before, after, said, defaults=DEFAULTS, qualifies=QUALIFIES))


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_nothing_is_made_up(make: Callable[[], CdaDocument]) -> None:
    content = make().content
    header = read_header(content)
    root = parse(content)
    before, unread = read_typed(root, header)
    assert not unread
    said = Said(root)
    wrong = []
    count = 0
    parts = (e for entry in root.iter(f"{V3}entry") for e in entry.iterdescendants(etree.Element))
    for place, take_away in islice(removals(parts), 0, None, STEP):
        put_back = take_away()
        count += 1
        try:
            after, unread = read_typed(root, header)
        except CdaError:
            continue  # reported
        finally:
            put_back()
        if not unread and (found := made_up(before, after, said)):
            wrong.append(f"without {place}: {found}")
    assert count > 800 // STEP
    assert not wrong, f"{len(wrong)} of {count}\n" + "\n".join(wrong)
    assert read_typed(root, header)[0] == before, "everything was put back"


def test_a_made_up_value_is_found() -> None:
    """The judge of the test above: it tells an invention from what is only less."""
    before = lines()[0]
    said = Said(parse(prescription().content))
    less = before.model_copy(update={"dose": None, "ingredients": (), "comment": None})
    assert not made_up((before,), (less,), said)
    for change in (
        {"chronic_disease": False},
        {"boxes": 1},
        {"name": "ASPIRINE"},
        {"mode": DosingMode.NORMAL, "repeats": 0},
    ):
        assert made_up((before,), (before.model_copy(update=change),), said), change


ALWAYS_DEFAULT = {
    ("Medicine", "compounded"),
    ("Treatment", "compounded"),
    ("Antibiogram", "code"),  # its own
    ("Reaction", "kind"),  # as of a problem
}
"""Defaults that are not told from a value here."""


def test_a_default_would_show() -> None:
    """Somewhere, each field of an entry has another value than its default, which could not be seen to be made up."""

    def of_entry(value: Model) -> bool:
        return ".documents." in type(value).__module__ and not isinstance(value, ClinicalDocument)

    models = [read_typed(parse(make().content), read_header(make().content))[0] for make in KINDS]
    assert always_default(models, of_entry) == ALWAYS_DEFAULT
