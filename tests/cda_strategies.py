"""Hypothesis strategies for whole documents: any mix of their optional fields, texts of any kind, codes of value sets.

`DOCUMENTS` names one strategy for each kind of document.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from hypothesis import strategies as st

from sunes_sdk.cda import (
    Allergy,
    DischargeLetter,
    DocumentStatus,
    EntryMode,
    ExitMode,
    ImagingReport,
    LaboratoryReport,
    MedicationPrescription,
    OperativeReport,
    PrescribedTreatment,
    PrescriptionFlag,
    Quantity,
    Synthesis,
    Treatment,
    UnstructuredDocument,
    ccam,
)
from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.cda.documents.imaging import (
    Addendum,
    AdministeredProduct,
    ClinicalInformation,
    Contraindication,
    ImagingOrder,
    PregnancyStatus,
    RadiationExposure,
)
from sunes_sdk.cda.documents.laboratory_content import (
    AWAITING_LOINC,
    BIOCHEMISTRY,
    HEMATOLOGY,
    Battery,
    Chapter,
    Isolate,
    LaboratoryResult,
    PreviousResult,
    ReferenceRange,
    Specimen,
    SubChapter,
)
from sunes_sdk.cda.documents.measures import Measure
from sunes_sdk.cda.documents.treatments import EDQM
from sunes_sdk.model import Address, Code, Identifier, Identity, IdentityStatus, Model, Sex, Telecom, Traits
from sunes_sdk.testing import sample_reports as reports
from sunes_sdk.testing import samples

M = TypeVar("M", bound=Model)

LETTERS = st.sampled_from("abcdeéèçàœÀŒßÆ 'ʼ-–&<>\"/;:%€µ²🩺日\u0301")
LABELS = st.text(LETTERS, min_size=1, max_size=25).map(lambda t: f"L{t.strip()}")
TEXTS = st.lists(LABELS, min_size=1, max_size=3).map("\n".join)
DAYS = st.dates(samples.ADMITTED.date(), samples.ADMITTED.date() + timedelta(days=400))
HOURS = st.integers(0, 100).map(lambda h: samples.ADMITTED + timedelta(hours=h))
UNITS = st.sampled_from(["mg", "g", "mL", "mmol/L", "m[IU]/L", "10*9/L", "%"])
NUMBERS = st.decimals(0, 5000, places=2)
ROUTES = st.just(Code(code="20053000", system=EDQM, display="Voie orale", system_name="EDQM"))


def made(model: type[M], required: dict[str, Any], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[M]:
    """Instances of a model with all its required fields and any of the optional ones."""
    return st.fixed_dictionaries(required, optional=optional).map(lambda values: model(**values))


def some(strategy: st.SearchStrategy[M], least: int = 0, most: int = 3) -> st.SearchStrategy[tuple[M, ...]]:
    return st.lists(strategy, min_size=least, max_size=most).map(tuple)


@st.composite
def patients(draw: st.DrawFn) -> Any:
    traits = samples.traits()
    if draw(st.booleans()):
        return samples.patient()
    values = {
        "birth_date": draw(st.sampled_from(["1979-03-28", "1950-00-00", "1950-07-00", "2000-02-29"])),
        "sex": draw(st.sampled_from(Sex)),
        "birth_place": draw(st.sampled_from(["75056", "2A004", "97411", "99352", "99999"])),
    }
    provisional = Identity(traits=Traits(**dict(traits) | values), status=IdentityStatus.PROVISOIRE)
    address = Address(house_number="28", street_name=draw(LABELS), postal_code="75007", city="PARIS", use="H")
    return samples.patient(
        identity=provisional,
        used_name=draw(st.none() | LABELS),
        birth_city=draw(st.none() | LABELS),
        addresses=draw(st.sampled_from([(), (address,), (Address(lines=("8 rue F. Bastia", "92100 BOULOGNE")),)])),
        telecoms=draw(st.sampled_from([(), (Telecom(value="tel:+33144534551"), Telecom(value="mailto:a@exemple.fr"))])),
    )


ACTORS = st.sampled_from(
    [samples.physician().at(samples.hospital()), reports.general_practitioner(), reports.radiologist()]
)


def document(
    model: type[ClinicalDocument], required: dict[str, Any], **optional: st.SearchStrategy[Any]
) -> st.SearchStrategy[ClinicalDocument]:
    """A document: the shared fields, and its own."""
    shared = {
        "patient": patients(),
        "author": ACTORS,
        "custodian": st.just(samples.hospital()),
        "stay": st.just(samples.stay()),
    }
    common = {
        "recipients": some(ACTORS, most=2),
        "legal_authenticator": ACTORS,
        "written_at": HOURS,
        "confidentiality": st.sampled_from("NRV"),
    }
    return made(model, shared | required, **common | optional)


# --- discharge letter and treatments ---------------------------------------------------------------------------------

QUANTITIES = made(Quantity, {"value": st.integers(1, 999), "unit": st.sampled_from(["mg", "mL", "{tbl}"])})


@st.composite
def periods(draw: st.DrawFn) -> dict[str, Any]:
    start = draw(st.none() | DAYS)
    end = start + timedelta(days=draw(st.integers(1, 90))) if start and draw(st.booleans()) else None
    return {"start": start, "end": end}


def treatments(model: type[M], required: dict[str, Any], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[M]:
    fields = {
        "label": LABELS,
        "cis": st.just("62552920"),
        "cip": st.just("3400933516390"),
        "comment": TEXTS,
    }
    own = st.fixed_dictionaries({"name": LABELS} | required, optional=fields | optional)
    return st.tuples(own, periods()).map(lambda both: model(**both[0] | both[1]))


LETTER_TREATMENTS = treatments(
    Treatment, {}, posology=TEXTS, dose=QUANTITIES, max_dose=QUANTITIES, route=ROUTES
)  # fmt: skip
SYNTHESES = made(
    Synthesis,
    {
        "entry_mode": st.sampled_from(EntryMode),
        "exit_mode": st.sampled_from(ExitMode),
        "medical_summary": TEXTS,
        "mdro_search": st.booleans(),
        "transfusion": st.booleans(),
        "blood_derivatives": st.booleans(),
    },
    mdro_identification=TEXTS,
    adverse_events=TEXTS,
    transfusion_accidents=TEXTS,
    blood_derivative_events=TEXTS,
)
LETTERS_OF_DISCHARGE = document(
    DischargeLetter,
    {"reason": TEXTS, "synthesis": SYNTHESES, "discharge_treatments": some(LETTER_TREATMENTS)},
    administered_treatments=some(LETTER_TREATMENTS),
    exam_results=TEXTS,
    allergies=some(made(Allergy, {"substance": TEXTS}, since=DAYS)),
    status=st.sampled_from(DocumentStatus),
    pdf_copy=st.just(reports.PDF),
)

# --- prescription ----------------------------------------------------------------------------------------------------

LINES = treatments(
    PrescribedTreatment,
    {"posology": TEXTS},
    repeats=st.integers(0, 12),
    chronic_disease=st.booleans(),
    work_accident=st.booleans(),
    not_reimbursable=st.booleans(),
    patient_instructions=TEXTS,
    dispenser_instructions=TEXTS,
    boxes=st.integers(1, 9),
    dose=QUANTITIES,
    route=ROUTES,
)
PRESCRIPTIONS = document(
    MedicationPrescription,
    {
        "treatments": some(LINES, least=1),
        "valid_until": st.just(samples.WRITTEN + timedelta(days=90)),
        "pdf_copy": st.just(reports.PDF),
    },
    flags=st.frozensets(st.sampled_from(PrescriptionFlag)),
    discharge=st.booleans(),
)

# --- unstructured ----------------------------------------------------------------------------------------------------

OPERATIVE_REPORTS = document(
    OperativeReport,
    {
        "title": LABELS,
        "body": st.just(reports.PDF),
        "act": LABELS.map(lambda label: ccam("HHFA001", label)),
        "performed_at": HOURS,
    },
    performer=ACTORS,
)
UNSTRUCTURED = document(
    UnstructuredDocument,
    {
        "title": LABELS,
        "document_type": st.sampled_from(["11488-4", "34133-9", "11490-0"]),
        "body": TEXTS.map(str.encode),
        "media_type": st.just("text/plain"),
    },
)

# --- laboratory ------------------------------------------------------------------------------------------------------

MEASURES = made(Measure, {"value": NUMBERS, "unit": UNITS})
RANGES = made(ReferenceRange, {"text": LABELS}, low=st.just(Decimal(1)), high=st.just(Decimal(5)))
RESULTS = st.one_of(
    st.fixed_dictionaries(
        {"label": LABELS, "value": MEASURES},
        optional={
            "interpretation": st.sampled_from(["N", "H", "L"]),
            "reference": RANGES,
            "observed_at": HOURS,
            "method": LABELS,
            "comment": TEXTS,
            "previous": some(made(PreviousResult, {"value": MEASURES, "observed_at": HOURS}), most=2),
        },
    ).map(lambda values: reports.tsh(**values)),
    made(
        LaboratoryResult,
        {
            "local_code": LABELS.map(lambda t: Code(code="X", system=AWAITING_LOINC, display=t)),
            "label": LABELS,
            "value": TEXTS,
        },
        comment=TEXTS,
    ),
)
SPECIMENS = made(
    Specimen,
    {
        "identifier": st.just(Identifier(value="S1", root=reports.SPECIMEN_ROOT)),
        "specimen_type": st.sampled_from(["UR", "BLD"]),
        "collected_at": st.just(reports.COLLECTED),
    },
)
GROUPS = st.one_of(
    RESULTS,
    made(Battery, {"title": LABELS, "results": some(RESULTS, least=1)}),
    made(Isolate, {"organism": LABELS, "identified_at": st.just(reports.OBSERVED)}, items=some(RESULTS, least=1)),
)
SUB_CHAPTERS = made(
    SubChapter,
    {"code": st.sampled_from([BIOCHEMISTRY, HEMATOLOGY]), "results": some(GROUPS, least=1)},
    title=LABELS,
)
CHAPTERS = st.one_of(
    made(
        Chapter,
        {"code": st.sampled_from([BIOCHEMISTRY, HEMATOLOGY]), "results": some(GROUPS, least=1)},
        title=LABELS,
        specimens=some(SPECIMENS, most=1),
        comment=TEXTS,
    ),
    made(Chapter, {"code": st.just(BIOCHEMISTRY), "sub_chapters": some(SUB_CHAPTERS, least=1, most=2)}),
)
LABORATORY_REPORTS = document(
    LaboratoryReport,
    {
        "author": st.just(reports.biologist()),
        "chapters": some(CHAPTERS, least=1, most=2),
        "received_at": st.just(reports.RECEIVED),
        "pdf_copy": st.just(reports.PDF),
    },
    prescriber=ACTORS,
    order=st.just(Identifier(value="D1", root=reports.REQUEST_ROOT)),
    comment=TEXTS,
    legal_authenticator=st.just(reports.biologist()),
    written_at=st.just(reports.RELEASED),
)

# --- imaging ---------------------------------------------------------------------------------------------------------

PRODUCTS = made(AdministeredProduct, {"name": LABELS}, lot=LABELS, comment=TEXTS)
EXPOSURES = made(RadiationExposure, {"pregnancy": st.sampled_from(PregnancyStatus)})
ACTS = st.fixed_dictionaries(
    {},
    optional={
        "description": TEXTS,
        "parameters": TEXTS,
        "products": some(PRODUCTS),
        "complications": TEXTS,
        "exposure": EXPOSURES,
    },
).map(lambda values: reports.head_ct(**values))
IMAGING_REPORTS = document(
    ImagingReport,
    {
        "title": LABELS,
        "acts": some(ACTS, least=1, most=1),
        "conclusion": TEXTS,
        "author": st.just(reports.radiologist()),
    },
    orders=st.just(
        (
            ImagingOrder(
                order=Identifier(value="O1", root=reports.REQUEST_ROOT),
                accession=Identifier(value="A1", root=reports.ACCESSION_ROOT),
            ),
        )
    ),
    clinical_information=made(
        ClinicalInformation,
        {"request_reason": TEXTS},
        purpose=TEXTS,
        medical_history=TEXTS,
        surgical_history=TEXTS,
        contraindications=some(made(Contraindication, {"code": st.just("MED-1109")}, comment=TEXTS)),
    ),
    results=TEXTS,
    comparison=TEXTS,
    earlier_results=TEXTS,
    addendum=made(Addendum, {"text": TEXTS, "author": st.just(reports.radiologist()), "at": st.just(reports.RELEASED)}),
    patient_information=TEXTS,
    comment=TEXTS,
    pdf_copy=st.just(reports.PDF),
    legal_authenticator=st.just(reports.radiologist()),
)

DOCUMENTS: dict[str, st.SearchStrategy[ClinicalDocument]] = {
    "discharge_letter": LETTERS_OF_DISCHARGE,
    "prescription": PRESCRIPTIONS,
    "operative_report": OPERATIVE_REPORTS,
    "unstructured": UNSTRUCTURED,
    "laboratory_report": LABORATORY_REPORTS,
    "imaging_report": IMAGING_REPORTS,
}
