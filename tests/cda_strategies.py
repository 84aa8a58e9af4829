"""Hypothesis strategies for whole documents: any mix of all their fields, texts of any kind, codes of value sets.

`DOCUMENTS` names one strategy for each kind of document; `GENERATED` says which fields of each model they give.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

from hypothesis import strategies as st

from sunes_sdk.cda import (
    AdmissionLetter,
    Allergy,
    Appointment,
    DischargeLetter,
    DocumentStatus,
    EntryMode,
    ExitMode,
    FollowUp,
    ImagingReport,
    Intent,
    LaboratoryReport,
    MedicalDevice,
    MedicationPrescription,
    NoAllergy,
    OperativeReport,
    PrescribedTreatment,
    PrescriptionFlag,
    Problem,
    Procedure,
    Quantity,
    Reaction,
    Synthesis,
    Treatment,
    UnstructuredDocument,
    ccam,
)
from sunes_sdk.cda.datatypes import CCAM, PS_ROOT, SNOMED_CT, Translation
from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.cda.documents.attachments import AttachedPdf, Picture
from sunes_sdk.cda.documents.clinical import (
    CLADIMED,
    AllergyKind,
    AllergyStatus,
    Certainty,
    Criticality,
    Priority,
    ProblemKind,
    ProblemStatus,
    Severity,
)
from sunes_sdk.cda.documents.dosing import DosingMode, QuantityRange, TimingEvent
from sunes_sdk.cda.documents.imaging import (
    Addendum,
    AdministeredProduct,
    ClinicalInformation,
    Contraindication,
    ImagingAct,
    ImagingFinding,
    ImagingOrder,
    Instance,
    PregnancyStatus,
    RadiationExposure,
    RadiationQuantity,
    ReferencePurpose,
    Series,
)
from sunes_sdk.cda.documents.laboratory_content import (
    AWAITING_LOINC,
    BIOCHEMISTRY,
    HEMATOLOGY,
    NABM,
    NCBI_TAXONOMY,
    Antibiogram,
    Battery,
    Chapter,
    Isolate,
    LaboratoryResult,
    PerformingLaboratory,
    PreviousResult,
    ReferenceRange,
    Specimen,
    SubChapter,
    Validation,
)
from sunes_sdk.cda.documents.laboratory_context import ExaminationReason, Vaccination, VaccinationKind
from sunes_sdk.cda.documents.measures import VITAL_SIGN_UNITS, Interval, Measure
from sunes_sdk.cda.documents.treatments import (
    ATC,
    BOX,
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
from sunes_sdk.cda.header import II
from sunes_sdk.cda.header_writer import (
    Authenticator,
    Consent,
    EncounterParticipant,
    Order,
    Participant,
    Performer,
    ServiceEvent,
)
from sunes_sdk.model import (
    Actor,
    Address,
    Code,
    Device,
    Guardian,
    Identifier,
    Identity,
    IdentityStatus,
    Model,
    Organization,
    Patient,
    Professional,
    RelatedPerson,
    Sex,
    Stay,
    StayClass,
    Telecom,
    Traits,
)
from sunes_sdk.terminology import code as terminology_code
from sunes_sdk.terminology import unit_is_listed
from sunes_sdk.testing import sample_reports as reports
from sunes_sdk.testing import samples

M = TypeVar("M")
GENERATED: Final[defaultdict[type, set[str]]] = defaultdict(set)
"""Model → the fields that some strategy gives it."""


@dataclass(frozen=True, slots=True)
class Linked:
    """Fields whose values depend on each other: their names, and dicts of some of them."""

    names: tuple[str, ...]
    values: st.SearchStrategy[dict[str, Any]]


def made(
    model: type[M], required: dict[str, st.SearchStrategy[Any]], *linked: Linked, **optional: st.SearchStrategy[Any]
) -> st.SearchStrategy[M]:
    """Instances of a model with all its required fields and any of the optional ones."""
    GENERATED[model].update(required, optional, *[group.names for group in linked])
    fields = st.fixed_dictionaries(required, optional=optional)

    @st.composite
    def instances(draw: st.DrawFn) -> M:
        values = draw(fields)
        for group in linked:
            values |= draw(group.values)
        return model(**values)

    return instances()


def some(strategy: st.SearchStrategy[M], least: int = 0, most: int = 2) -> st.SearchStrategy[tuple[M, ...]]:
    """Different ones."""
    return st.lists(strategy, min_size=least, max_size=most, unique_by=repr_of).map(tuple)


def repr_of(value: object) -> str:
    return repr(value.model_dump()) if isinstance(value, Model) else repr(value)


def code(value: str, system: str, display: str, name: str = "") -> Code:
    return Code(code=value, system=system, display=display, system_name=name)


def snomed(value: str, display: str) -> Code:
    return code(value, SNOMED_CT, display, "SNOMED CT")


LETTERS = st.sampled_from("abcdeéèçàœÀŒßÆ 'ʼ-–&<>\"/;:%€µ²🩺日\u0301")
LABELS = st.text(LETTERS, min_size=1, max_size=25).map(lambda t: f"L{t.strip()}")
TEXTS = st.lists(LABELS, min_size=1, max_size=3).map("\n".join)
DAYS = st.dates(samples.ADMITTED.date(), samples.ADMITTED.date() + timedelta(days=400))
WHEN = DAYS | st.sampled_from(["1998", "1998-03"])
HOURS = st.integers(0, 100).map(lambda h: samples.ADMITTED + timedelta(hours=h))
UNITS = st.sampled_from(["mg", "g", "mL", "mmol/L", "m[IU]/L", "10*9/L", "%"])
NUMBERS = st.decimals(0, 5000, places=2)
YES_OR_NO = st.booleans()
CIM_10 = st.just(code("L50.0", "2.16.840.1.113883.6.3", "Urticaire allergique", "CIM-10"))
PARACETAMOL = code("N02BE01", ATC, "paracétamol", "ATC")
ROUTES = st.just(code("20053000", EDQM, "Voie orale", "EDQM"))
SITES = st.just(snomed("51185008", "thorax"))
IDENTIFIERS = made(
    Identifier,
    {"value": st.sampled_from(["D-1", "260114 0042", "A/7"]), "root": st.just(reports.REQUEST_ROOT)},
    authority=st.just("DEMO"),
    type_code=st.just("PLAC"),
)
GENERATED[Code].update(Code.model_fields)  # literals above and below
GENERATED[II].update(("root", "extension"))


@st.composite
def periods(draw: st.DrawFn) -> dict[str, Any]:
    start = draw(st.none() | DAYS)
    end = start + timedelta(days=draw(st.integers(0, 90))) if start and draw(YES_OR_NO) else None
    return {"start": start, "end": end}


PERIOD = Linked(("start", "end"), periods())


def between(low: str, high: str, *, alone: bool = True) -> Linked:
    """Two instants in order, either of which may be missing; alone: the end may be said without the start."""

    @st.composite
    def values(draw: st.DrawFn) -> dict[str, Any]:
        start = draw(st.none() | HOURS)
        end = (start or samples.ADMITTED) + timedelta(hours=draw(st.integers(1, 90)))
        return {low: start, high: end if (start or alone) and draw(YES_OR_NO) else None}

    return Linked((low, high), values())


# --- people ----------------------------------------------------------------------------------------------------------

ADDRESSES = made(
    Address,
    {"city": LABELS},
    house_number=st.just("28 bis"),
    street_name=LABELS,
    additional_locator=LABELS,
    unit=st.just("Bât. A"),
    post_box=st.just("BP 12"),
    postal_code=st.just("75007"),
    country=st.just("FRANCE"),
    use=st.sampled_from(["H", "HP", "HV", "WP", "TMP"]),
) | made(Address, {"lines": some(LABELS, least=1, most=6)}, use=st.just("H"))


def address_texts(address: Address) -> list[str]:
    parts = (
        address.house_number, address.street_name, address.additional_locator, address.unit, address.post_box,
        address.postal_code, address.city, address.country,
    )  # fmt: skip
    return [*address.lines, *[part or "" for part in parts]]


TELECOMS = made(
    Telecom,
    {"value": st.sampled_from(["tel:+33144534551", "mailto:a@exemple.fr", "fax:0144534552", "http://exemple.fr"])},
    use=st.sampled_from(["H", "HP", "HV", "WP", "DIR", "PUB", "EC", "MC", "PG"]),
)
CONTACTS: Final[dict[str, st.SearchStrategy[Any]]] = {
    # What differs only by where its text is cut is the same address for the official validator.
    "addresses": st.lists(ADDRESSES, max_size=3, unique_by=lambda a: (a.use, "".join(address_texts(a)))).map(tuple),
    "telecoms": some(TELECOMS),
}
RELATIONS = st.sampled_from(["MTH", "SIS"])
ORGANIZATIONS = made(
    Organization,
    {"name": LABELS},
    Linked(
        ("finess_geo", "finess_ej", "siret"),
        st.sampled_from(
            [
                {"finess_geo": samples.FINESS, "finess_ej": samples.FINESS},
                {"finess_ej": samples.FINESS},
                {"siret": "12345678901234", "finess_geo": samples.FINESS},
                {"siret": "12345678901234"},
            ]
        ),
    ),
    facility_type=st.sampled_from(["SA01", "SA07", "SA25"]),
    practice_setting=st.sampled_from(["ETABLISSEMENT", "AMBULATOIRE", "HAD"]),
    address=ADDRESSES,
    telecoms=some(TELECOMS, most=1),
)
PROFESSIONALS = made(
    Professional,
    {"family": LABELS, "given": LABELS},
    Linked(
        ("rpps", "adeli", "local_id"),
        st.sampled_from([{"rpps": "01234567897"}, {"adeli": "751234567"}, {"local_id": "30B0127189/A1"}]),
    ),
    Linked(
        ("profession", "specialty"),
        st.sampled_from([{"profession": "10", "specialty": "SM26"}, {"profession": "60", "specialty": None}]),
    ),
    civility=st.sampled_from(["M", "MME"]),
    title=st.sampled_from(["DR", "PR"]),
    mss_address=st.just("a.b@demo.mssante.fr"),
    am_number=st.just("751234567"),
    **CONTACTS,
)
GENERATED[Actor].add("function")
ACTORS = made(Actor, {"professional": PROFESSIONALS, "organization": ORGANIZATIONS})


def acting(*functions: str) -> st.SearchStrategy[Actor]:
    """Professionals in one of these functions, or none."""
    known = st.none() | st.sampled_from([terminology_code("JDV_J47", f) for f in functions])
    return st.tuples(ACTORS, known).map(lambda both: both[0].model_copy(update={"function": both[1]}))


DEVICES = made(
    Device,
    {"model": LABELS, "software": LABELS},
    Linked(
        ("identifier", "role", "organization"),
        st.sampled_from(
            [
                {
                    "identifier": Identifier(value=f"3{samples.FINESS}/POSTE-12", root=PS_ROOT),
                    "role": "AUTOMATE",
                    "organization": samples.laboratory(),
                },
                {"identifier": Identifier(value="compte-42", root="1.2.250.1.213.9.7"), "role": "SNR"},
            ]
        ),
    ),
)
GUARDIANS = made(Guardian, {"family": LABELS}, given=LABELS, relationship=RELATIONS, **CONTACTS) | made(
    Guardian, {"organization": ORGANIZATIONS}, relationship=RELATIONS, **CONTACTS
)
RELATED = made(
    RelatedPerson,
    {"relation": st.sampled_from(["ECON", "NOK", "CON", "CAREGIVER", "PAT"]), "family": LABELS},
    given=LABELS,
    relationship=RELATIONS,
    **CONTACTS,
)
PROVISIONAL = made(
    Traits,
    {
        "birth_name": LABELS,
        "birth_given_names": st.just("DOMINIQUE MARIE-LOUISE"),
        "first_given_name": st.just("DOMINIQUE"),
        "birth_date": st.sampled_from(["1979-03-28", "1950-00-00", "1950-07-00", "2000-02-29"]),
        "sex": st.sampled_from(Sex),
        "birth_place": st.sampled_from(["75056", "2A004", "97411", "99352", "99999"]),
    },
).map(lambda traits: Identity(traits=traits, status=IdentityStatus.PROVISOIRE))
GENERATED[Identity].update(("traits", "status", "ins"))
DEATHS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"deceased": False},
        {"deceased": True},
        {"deceased": True, "deceased_at": samples.DISCHARGED},
        {"deceased": True, "deceased_at": samples.DISCHARGED.date()},
    ]
)
BIRTHS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"multiple_birth": False}, {"multiple_birth": True}, {"multiple_birth": True, "birth_order": 2}]
)
PATIENTS = made(
    Patient,
    {
        "identity": st.just(samples.patient().identity) | PROVISIONAL,
        "identifiers": st.just(samples.patient().identifiers),
    },
    Linked(("deceased", "deceased_at"), DEATHS),
    Linked(("multiple_birth", "birth_order"), BIRTHS),
    used_name=LABELS,
    used_given_name=LABELS,
    birth_city=LABELS,
    birth_country=LABELS,
    birth_site=LABELS,
    guardians=some(GUARDIANS, most=1),
    **CONTACTS,
)

# --- header ----------------------------------------------------------------------------------------------------------

STAYS = made(
    Stay,
    {"visit": st.just(samples.stay().visit), "organization": ORGANIZATIONS},
    Linked(
        ("admitted_at", "discharged_at"),
        st.sampled_from(
            [
                {"admitted_at": samples.ADMITTED, "discharged_at": samples.DISCHARGED},
                {"admitted_at": samples.ADMITTED},
            ]
        ),
    ),
    stay_class=st.sampled_from(StayClass),
    activity=st.sampled_from(["MCO", "SMR"]),
    account=IDENTIFIERS,
    unit=st.just("6268"),
    unit_label=LABELS,
    responsible=ACTORS,
)
TRANSLATIONS = made(
    Translation,
    {"code": st.just(ccam("ACQH004", "Scanographie"))},
    qualifier=st.just(code("39111-0", "2.16.840.1.113883.6.1", "localisation anatomique", "LOINC")),
)
PERFORMERS = made(Performer, {"actor": ACTORS}, time=HOURS, template_id=st.just("1.2.250.1.213.9.9.7"))
EVENTS = made(
    ServiceEvent,
    {"code": LABELS.map(lambda label: ccam("ZBQK002", label))},
    between("start", "stop", alone=False),
    ids=st.sampled_from([(), (II("1.2.250.1.213.9.4", "7"),), (II("1.2.250.1.213.9.4.7"),)]),
    translations=some(TRANSLATIONS, most=1),
    lab_status=st.sampled_from(["active", "completed"]),
    class_code=st.just("INFO"),
    performer=PERFORMERS,
)


@st.composite
def versions(draw: st.DrawFn) -> dict[str, Any]:
    """A first version, one that replaces another, one that carries another in another form."""
    oid = "1.2.250.1.213.9.2.1.77"
    return draw(
        st.sampled_from(
            [
                {},
                {"transforms": oid},
                {"set_id": "1.2.250.1.213.9.2.2.5", "version_number": 2, "replaces": oid},
            ]
        )
    )


COMMON: Final[dict[str, st.SearchStrategy[Any]]] = {
    "co_authors": some(ACTORS | DEVICES, most=1),
    "data_enterer": ACTORS,
    "informants": some(ACTORS | RELATED, most=2),
    "legal_authenticator": ACTORS,
    "authenticators": some(
        made(Authenticator, {"actor": ACTORS, "time": HOURS}, template_id=st.just("1.2.250.1.213.9.9.9")), most=1
    ),
    "recipients": some(ACTORS),
    "participants": some(
        made(
            Participant,
            {"type_code": st.sampled_from(["RESP", "VRF"]), "actor": acting("ATTPHYS", "CORRE")},
            between("low", "high"),
            template_id=st.just("1.2.250.1.213.9.9.8"),
            class_code=st.sampled_from(["PROV", "AGNT"]),
        )
    ),
    "placer_orders": some(made(Order, {"id": IDENTIFIERS}, accession=IDENTIFIERS), most=1),
    "further_events": some(EVENTS, most=1),
    "consents": some(
        made(Consent, {"code": st.just(code("CONS", "1.2.250.1.213.9.8", "Consentement"))}, id=IDENTIFIERS), most=1
    ),
    "encounter_participants": some(
        made(
            EncounterParticipant,
            {"type_code": st.sampled_from(["ADM", "ATND", "CON", "DIS", "REF"]), "actor": ACTORS},
            between("low", "high"),
        ),
        most=1,
    ),
    "discharge_disposition": st.just(code("ORG-089", "1.2.250.1.213.2.14", "Domicile")),
    "facility_category": st.just(code("355", "1.2.250.1.71.4.2.2", "Centre Hospitalier (C.H.)")),
    "facility_located": YES_OR_NO,
    "kept_by_dmp": YES_OR_NO,
    "written_at": HOURS.map(lambda at: at + timedelta(days=5)),
    "title": LABELS,
    "confidentiality": st.sampled_from("NRV"),
}


def document(
    model: type[ClinicalDocument],
    required: dict[str, st.SearchStrategy[Any]],
    *linked: Linked,
    without: tuple[str, ...] = (),
    by_others: bool = True,
    **optional: st.SearchStrategy[Any],
) -> st.SearchStrategy[ClinicalDocument]:
    """A document: the shared fields but `without` those that its volet fixes, and its own."""
    shared = {"patient": PATIENTS, "author": acting("ATTPHYS"), "custodian": ORGANIZATIONS, "stay": STAYS}
    common = {n: values for n, values in COMMON.items() if n not in (*without, *required)}
    names = ("set_id", "version_number", "replaces", "transforms")
    version = Linked(names, versions())
    documents = made(model, shared | required, version, *linked, **common | optional)
    if by_others:
        GENERATED[model].add("authors")

    @st.composite
    def with_authors(draw: st.DrawFn) -> ClinicalDocument:
        """As it is, or written by others: the patient, a system, another professional."""
        found = draw(documents)
        if not by_others:
            return found
        authors = draw(st.sampled_from([(), (found.patient,), (reports.nurse(),), (reports.nurse(), found.patient)]))
        if not authors:
            return found
        fields = {name: getattr(found, name) for name in model.model_fields}
        return model(**fields | {"authors": authors, "co_authors": ()})

    return with_authors()


# --- treatments ------------------------------------------------------------------------------------------------------

COUNTED = made(Quantity, {"value": st.integers(1, 999), "unit": st.sampled_from(["mg", "mL", "{tbl}"])})
QUANTITIES = COUNTED | made(Quantity, {"value": st.decimals("0.25", 9, places=2)})
DOSES = QUANTITIES | made(
    QuantityRange, {"low": st.integers(1, 9), "high": st.integers(10, 20)}, unit=st.sampled_from(["mg", "{tbl}"])
)
RATES = made(Quantity, {"value": st.integers(1, 99), "unit": st.sampled_from(["mg/d", "mL/h"])})


def lasting(*units: str) -> st.SearchStrategy[Quantity]:
    return made(Quantity, {"value": st.integers(1, 99), "unit": st.sampled_from(units)})


EVENTS_OF_DAY = st.lists(st.sampled_from(TimingEvent), max_size=3, unique=True).map(tuple)
DOSAGE: Final[dict[str, st.SearchStrategy[Any]]] = {
    "dose": DOSES,
    "every": lasting("h", "d"),
    "flexible_hours": YES_OR_NO,
    "events": EVENTS_OF_DAY,
    "rate": RATES,
}
NAMED: Final[dict[str, st.SearchStrategy[Any]]] = {
    "label": LABELS,
    "cip": st.just("3400933516390"),
    "cis": st.just("62552920"),
    "atc": st.just(PARACETAMOL),
}
INGREDIENTS = made(
    Ingredient,
    {"name": LABELS},
    code=st.just(code("100000090270", SMS, "Paracetamol", "SMS")),
    strength=COUNTED,
    per=COUNTED,
)
PRODUCT: Final[dict[str, st.SearchStrategy[Any]]] = NAMED | {
    "ucd": st.just("3400891225037"),
    "medicabase": st.just(code("MV00002306", MEDICABASE, "Paracétamol 500 mg comprimé", "MV")),
    "form": st.just(code("10219000", EDQM, "Comprimé", "EDQM")),
    "generic": st.just(PARACETAMOL),
    "ingredients": some(INGREDIENTS),
}
TAKEN: Final[dict[str, st.SearchStrategy[Any]]] = {
    "max_dose": COUNTED,
    "max_dose_period": lasting("h", "d"),
    "route": ROUTES,
    "site": LABELS | st.just(snomed("46862004", "fesse")),
    "comment": TEXTS,
}
MEDICINES = made(Medicine, {"name": LABELS}, **PRODUCT)
GENERATED[Medicine].add("compounded")  # of the treatments below, which are medicines
TREATMENTS = made(Treatment, {"name": LABELS}, PERIOD, posology=TEXTS, **PRODUCT, **DOSAGE, **TAKEN) | made(
    Treatment, {"name": TEXTS, "compounded": st.just(True)}, PERIOD, posology=TEXTS, **TAKEN
)

# --- letters ---------------------------------------------------------------------------------------------------------

OBSERVED: Final[dict[str, st.SearchStrategy[Any]]] = {
    "code": CIM_10,
    "kind": st.sampled_from(ProblemKind),
    "severity": st.sampled_from(Severity),
    "certainty": st.sampled_from(Certainty),
    "comment": TEXTS,
}
PROBLEMS = made(Problem, {"description": TEXTS}, PERIOD, status=st.sampled_from(ProblemStatus), **OBSERVED)
ALLERGIES = made(
    Allergy,
    {"substance": TEXTS},
    Linked(("since", "until"), periods().map(lambda p: {"since": p["start"], "until": p["end"]})),
    substance_code=st.just(code("67017786", "1.2.250.1.213.2.3.1", "PARACETAMOL", "CIS")),
    kind=st.sampled_from(AllergyKind),
    description=TEXTS,
    status=st.sampled_from(AllergyStatus),
    criticality=st.sampled_from(Criticality),
    severity=st.sampled_from(Severity),
    certainty=st.sampled_from(Certainty),
    reactions=some(made(Reaction, {"description": TEXTS}, PERIOD, **OBSERVED)),
    comment=TEXTS,
)
PROCEDURES = made(
    Procedure,
    {"name": LABELS},
    PERIOD,
    code=LABELS.map(lambda label: ccam("ECQH010", label)),
    priority=st.sampled_from(Priority),
    site=SITES,
    comment=TEXTS,
)
FOLLOW_UPS = made(
    FollowUp,
    {"text": TEXTS},
    code=st.just(samples.loinc("1988-5", "CRP [Masse/Volume] Sérum/Plasma ; Numérique")),
    due=WHEN,
    intent=st.sampled_from(Intent),
)
APPOINTMENTS = made(
    Appointment,
    {"text": TEXTS},
    kind=st.sampled_from(["AMB", "EXTERNE", "IMP"]),
    at=HOURS | DAYS,
    call_back=YES_OR_NO,
    practitioner=ACTORS,
)
MEDICAL_DEVICES = made(
    MedicalDevice,
    {"name": LABELS},
    PERIOD,
    code=st.just(code("J010104", EMDN, "STIMULATEURS CARDIAQUES IMPLANTABLES TRIPLE CHAMBRE", "EMDN")),
    translations=some(st.just(code("C50FA05", CLADIMED, "STIMULATEUR CARDIAQUE", "CLADIMED")), most=1),
    udi=IDENTIFIERS,
)
SYNTHESES = made(
    Synthesis,
    {
        "entry_mode": st.sampled_from(EntryMode),
        "exit_mode": st.sampled_from(ExitMode),
        "medical_summary": TEXTS,
        "mdro_search": YES_OR_NO,
        "transfusion": YES_OR_NO,
        "blood_derivatives": YES_OR_NO,
    },
    mdro_identification=TEXTS,
    adverse_events=TEXTS,
    transfusion_accidents=TEXTS,
    blood_derivative_events=TEXTS,
    mdro_search_date=WHEN,
    author=acting("ATTPHYS"),
)
PDFS = st.just(reports.PDF)
LETTERS_OF_DISCHARGE = document(
    DischargeLetter,
    {"reason": TEXTS, "synthesis": SYNTHESES, "discharge_treatments": some(TREATMENTS)},
    administered_treatments=some(TREATMENTS),
    exam_results=TEXTS,
    care_plan=some(PROCEDURES | FOLLOW_UPS | APPOINTMENTS, most=4),
    devices=some(MEDICAL_DEVICES),
    allergies=some(ALLERGIES),
    no_allergy=st.sampled_from(NoAllergy),
    status=st.sampled_from(DocumentStatus),
    treating_physician=ACTORS,
    pdf_copy=PDFS,
)
LETTERS_OF_ADMISSION = document(
    AdmissionLetter,
    {
        "reason": TEXTS,
        "treatments": some(TREATMENTS),
        "allergies": some(ALLERGIES),
        "further_information": TEXTS,
    },
    without=("title",),
    no_allergy=st.sampled_from(NoAllergy),
    medical_history=some(PROBLEMS),
    surgical_history=some(PROCEDURES),
    referrer=acting("PCP"),
    treating_physician=ACTORS,
    pdf_copy=PDFS,
)

# --- prescription ----------------------------------------------------------------------------------------------------

DOSAGES = st.fixed_dictionaries({}, optional=DOSAGE)
STEP = Linked(("start", "lasting"), st.fixed_dictionaries({}, optional={"start": DAYS, "lasting": lasting("d")}))


def steps(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[DoseStep, ...]]:
    fields = {name: values for name, values in DOSAGE.items() if name != "dose"}
    return some(made(DoseStep, {"dose": DOSES} | more, STEP, text=LABELS, **fields), least=1)


STEPS = {
    DosingMode.TAPERED: steps(),
    DosingMode.SPLIT: steps(),
    DosingMode.CONDITIONAL: steps(condition=TEXTS),
    DosingMode.COMBINED: steps(product=MEDICINES),
}


@st.composite
def modes(draw: st.DrawFn) -> dict[str, Any]:
    """How the dose changes: the mode, its steps, and the dosage that it leaves to the line."""
    mode = draw(st.sampled_from(DosingMode))
    values = draw(DOSAGES) if mode not in (DosingMode.TAPERED, DosingMode.SPLIT) else {}
    if mode is DosingMode.DELAYED and draw(YES_OR_NO):
        values["lasting"] = draw(lasting("d", "wk"))
    elif mode is DosingMode.DELAYED:
        start = draw(DAYS)
        values |= {"start": start, "end": start + timedelta(days=draw(st.integers(1, 90)))}
    else:
        values |= draw(periods())
    if mode.has_steps:
        values["steps"] = draw(STEPS[mode])
    return values | {"mode": mode}


FLAGS = dict.fromkeys(("chronic_disease", "work_accident", "not_reimbursable", "prevention"), YES_OR_NO)
LINES = made(
    PrescribedTreatment,
    {"name": LABELS, "posology": TEXTS},
    Linked((*DOSAGE, "mode", "steps", "lasting", "start", "end"), modes()),
    Linked(
        ("repeats", "renewal_period", "renewal_until"),
        st.fixed_dictionaries({"repeats": st.none() | st.integers(0, 12)})
        | st.fixed_dictionaries({"repeats": st.integers(1, 12), "renewal_period": lasting("mo")})
        | st.fixed_dictionaries({"repeats": st.none(), "renewal_until": DAYS}),
    ),
    Linked(
        ("substitution_allowed", "no_substitution_reason"),
        st.just({}) | st.fixed_dictionaries({"substitution_allowed": st.just(False), "no_substitution_reason": TEXTS}),
    ),
    Linked(
        ("boxes", "packaging"),
        st.just({}) | st.fixed_dictionaries({"boxes": st.integers(1, 9), "packaging": st.sampled_from([BOX, TUBE])}),
    ),
    Linked(("compounded", *PRODUCT), st.fixed_dictionaries({}, optional=PRODUCT) | st.just({"compounded": True})),
    precondition=TEXTS,
    off_label=YES_OR_NO,
    patient_instructions=TEXTS,
    dispenser_instructions=TEXTS,
    **FLAGS,
    **TAKEN,
)
PRESCRIBED_DEVICES = made(
    PrescribedDevice,
    {"name": LABELS},
    PERIOD,
    Linked(
        ("lpp", "lpp_label"),
        st.just({}) | st.fixed_dictionaries({"lpp": st.just("1215702")}, optional={"lpp_label": LABELS}),
    ),
    emdn=st.just(code("V0806", EMDN, "LITS MÉDICAUX", "EMDN")),
    rental=lasting("d", "wk"),
    quantity=st.integers(1, 9),
    repeats=st.integers(0, 9),
    comment=TEXTS,
    **FLAGS,
)


@st.composite
def signs(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(VitalSignKind))
    unit = draw(st.sampled_from([unit for unit in VITAL_SIGN_UNITS[kind] if unit_is_listed(unit)]))
    return {"kind": kind, "measure": Measure(value=draw(NUMBERS), unit=unit)}


SIGNS = made(VitalSign, {"at": HOURS | DAYS}, Linked(("kind", "measure"), signs()))
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"
VERSIONS = st.sampled_from(
    [
        {"version": "2024.01", "pdf_copy": reports.PDF, "barcode": PNG, "barcode_media_type": "image/png"},
        {"version": "2023.01", "barcode": JPEG, "barcode_media_type": "image/jpeg"},
        {"version": "2022.01", "barcode": PNG, "pdf_copy": reports.PDF},
    ]
)
EXPIRY = samples.WRITTEN + timedelta(days=90)
PRESCRIPTIONS = document(
    MedicationPrescription,
    {"treatments": some(LINES, least=1), "valid_until": st.just(EXPIRY)},
    Linked(("version", "pdf_copy", "barcode", "barcode_media_type"), VERSIONS),
    Linked(
        ("dispenser", "dispense_by"),
        st.just({}) | st.fixed_dictionaries({"dispenser": ACTORS}, optional={"dispense_by": HOURS}),
    ),
    devices=some(PRESCRIBED_DEVICES),
    valid_from=st.integers(0, 80).map(lambda days: EXPIRY - timedelta(days=days + 1)),
    epu=st.just("01S2TBPZ2JCNZZYGHZ"),
    flags=st.frozensets(st.sampled_from(PrescriptionFlag)),
    comment=TEXTS,
    vital_signs=some(SIGNS),
    pregnancy=st.sampled_from(PregnancyStatus),
    replaced=ACTORS,
    discharge=YES_OR_NO,
    further_events=some(made(ServiceEvent, {"code": st.just(ccam("ZBQK002", "Radiographie"))}), most=1),
    co_authors=some(ACTORS, most=1),
    by_others=False,
)

# --- unstructured ----------------------------------------------------------------------------------------------------

OPERATIVE_REPORTS = document(
    OperativeReport,
    {"title": LABELS, "body": PDFS},
    Linked(
        ("performed_at", "ended_at"),
        between("performed_at", "ended_at").values.map(
            lambda v: v | {"performed_at": v["performed_at"] or samples.ADMITTED}
        ),
    ),
    document_type=st.just("34874-8"),
    media_type=st.just("application/pdf"),
    language=st.just("en-GB"),
    act=LABELS.map(lambda label: ccam("HHFA001", label)),
    other_acts=some(LABELS.map(lambda label: ccam("ZBQK002", label)), most=1),
    performer=ACTORS,
)
FILES = st.sampled_from(
    [
        {"body": reports.PDF, "media_type": "application/pdf"},
        {"body": b"{\\rtf1 Bonjour}", "media_type": "text/rtf"},
        {"body": reports.JPEG + b"\xff\xd9", "media_type": "image/jpeg"},
        {"body": b"II*\x00", "media_type": "image/tiff"},
    ]
) | TEXTS.map(lambda text: {"body": text.encode(), "media_type": "text/plain"})
UNSTRUCTURED = document(
    UnstructuredDocument,
    {"title": LABELS, "document_type": st.sampled_from(["11488-4", "34133-9", "11490-0"])},
    Linked(("body", "media_type"), FILES),
    between("performed_at", "ended_at", alone=False),
    language=st.just("en-GB"),
    act=LABELS.map(lambda label: ccam("HHFA001", label)),
    performer=ACTORS,
)

# --- laboratory ------------------------------------------------------------------------------------------------------

MEASURES = made(Measure, {"value": NUMBERS, "unit": UNITS | st.just("1")})
INTERVALS = made(
    Interval, {"low": NUMBERS, "unit": UNITS | st.just("1")}, low_inclusive=YES_OR_NO
) | made(Interval, {"high": NUMBERS, "unit": UNITS}, high_inclusive=YES_OR_NO)  # fmt: skip
VALUES = MEASURES | INTERVALS | TEXTS | st.just(snomed("260385009", "négatif"))
BIOLOGISTS = st.sampled_from([reports.biologist(), reports.reference_biologist()])
LABORATORIES = made(
    PerformingLaboratory, {"director": st.just(reports.reference_biologist()), "performed_at": HOURS}
)  # fmt: skip
VALIDATIONS = some(made(Validation, {"biologist": BIOLOGISTS, "at": HOURS}), most=1)
SAID_BY: Final[dict[str, st.SearchStrategy[Any]]] = {
    "comment": TEXTS,
    "performer": LABORATORIES,
    "validations": VALIDATIONS,
}
SEXES = st.sampled_from("FM")
RANGES = made(
    ReferenceRange,
    {"low": st.just(Decimal(1))},
    high=st.just(Decimal(5)),
    text=LABELS,
    interpretation=st.sampled_from(["N", "H"]),
    sex=SEXES,
)
TEXT_RANGES = made(ReferenceRange, {"text": LABELS}, sex=SEXES)
PREVIOUS = st.lists(
    made(PreviousResult, {"value": VALUES, "observed_at": HOURS}), max_size=2, unique_by=lambda p: p.observed_at
).map(tuple)
TSH = samples.loinc("3016-3", "Thyréostimuline [Arbitraire/Volume] Sérum/Plasma ; Numérique")
EXAMINED: Final[dict[str, st.SearchStrategy[Any]]] = {
    "label": LABELS,
    "interpretation": st.sampled_from(["N", "H", "L"]),
    "observed_at": HOURS,
    "method": LABELS | st.just(code("MA", "1.2.250.1.213.2.3.5", "Observation macroscopique")),
    "previous": PREVIOUS,
} | SAID_BY
LOCAL_CODES = LABELS.map(lambda label: code("X", AWAITING_LOINC, label))
RESULTS = st.one_of(
    made(
        LaboratoryResult,
        {"code": st.just(TSH), "value": MEASURES | INTERVALS},
        reference=RANGES | TEXT_RANGES,
        local_code=LOCAL_CODES,
        **EXAMINED,
    ),
    made(LaboratoryResult, {"local_code": LOCAL_CODES, "value": VALUES}, reference=TEXT_RANGES, **EXAMINED),
    made(LaboratoryResult, {"code": st.just(TSH), "status": st.just("aborted"), "comment": TEXTS}),
)
SUSCEPTIBILITIES = made(
    LaboratoryResult,
    {
        "code": st.just(samples.loinc("28-1", "Ampicilline [Sensibilité] Isolat ; Alphanumérique ; CMI")),
        "interpretation": st.sampled_from("SIR"),
    },
    value=INTERVALS,
)
STATUSES = st.sampled_from(["completed", "active", "aborted"])
SPECIMENS = made(
    Specimen,
    {"identifier": IDENTIFIERS, "specimen_type": st.sampled_from(["UR", "BLD"])},
    Linked(
        ("collected_at", "received_at"),
        st.sampled_from(
            [
                {"collected_at": reports.COLLECTED, "received_at": reports.RECEIVED},
                {"collected_at": reports.COLLECTED},
            ]
        ),
    ),
    act=st.just(code("5201", NABM, "EX MICROBIO URINES (ECBU)", "NABM")),
    site=st.just(snomed("64033007", "rein")),
    collector=ACTORS,
    comment=TEXTS,
)
BATTERIES = made(
    Battery,
    {"title": LABELS, "results": some(RESULTS, least=1)},
    code=st.just(samples.loinc("58410-2", "Numération sanguine automatisée [Groupe] Sang")),
    local_code=LOCAL_CODES,
    status=STATUSES,
    **SAID_BY,
)
ANTIBIOGRAMS = made(
    Antibiogram,
    {"results": some(SUSCEPTIBILITIES, least=1)},
    title=LABELS,
    local_code=LOCAL_CODES,
    status=STATUSES,
    **SAID_BY,
)
GENERATED[Antibiogram].add("code")  # its own
ISOLATES = made(
    Isolate,
    {"organism": LABELS, "identified_at": HOURS},
    identifier=IDENTIFIERS,
    code=st.just(snomed("112283007", "Escherichia coli")),
    ncbi=st.just(code("562", NCBI_TAXONOMY, "Escherichia coli")),
    items=some(RESULTS | ANTIBIOGRAMS),
    status=STATUSES,
    **SAID_BY,
)
PICTURES = made(Picture, {"data": st.just(reports.JPEG), "caption": LABELS})
PART: Final[dict[str, st.SearchStrategy[Any]]] = {
    "title": LABELS,
    "specimens": some(SPECIMENS, most=1),
    "pictures": some(PICTURES, most=1),
    "status": STATUSES,
} | SAID_BY
SPECIALITIES = st.sampled_from([BIOCHEMISTRY, HEMATOLOGY])
GROUPS = some(RESULTS | BATTERIES | ISOLATES, least=1)
SUB_CHAPTERS = made(SubChapter, {"code": SPECIALITIES, "results": GROUPS}, **PART)
CHAPTERS = made(Chapter, {"code": SPECIALITIES, "results": GROUPS}, **PART) | made(
    Chapter, {"code": SPECIALITIES, "sub_chapters": some(SUB_CHAPTERS, least=1)}, title=LABELS
)
REASONS = made(
    ExaminationReason, {"reason": TEXTS | st.just(snomed("51185008", "thorax")), "problems": some(PROBLEMS, least=1)}
)
VACCINES = made(Medicine, {"name": LABELS}, **NAMED)
VACCINATIONS = made(
    Vaccination,
    {"vaccine": VACCINES},
    given=YES_OR_NO,
    on=WHEN,
    kind=st.sampled_from(VaccinationKind),
    lot=LABELS,
    rank=st.integers(1, 5),
    comment=TEXTS,
)
CONTEXT = st.fixed_dictionaries(
    {"version": st.just("2024.01"), "pdf_copy": PDFS}, optional={"reason": REASONS, "vaccinations": some(VACCINATIONS)}
) | st.just({"version": "2021.01"})
RECEIVED_ORDER = some(made(Order, {"id": IDENTIFIERS, "accession": IDENTIFIERS}), most=1)
LABORATORY_REPORTS = document(
    LaboratoryReport,
    {
        "author": st.just(reports.biologist()),
        "chapters": some(CHAPTERS, least=1),
        "received_at": st.just(reports.RECEIVED),
    },
    Linked(("version", "pdf_copy", "reason", "vaccinations"), CONTEXT),
    Linked(
        ("prescriber", "prescribed_at"),
        st.just({}) | st.fixed_dictionaries({"prescriber": ACTORS}, optional={"prescribed_at": HOURS}),
    ),
    without=("title", "authenticators"),
    released_at=st.just(reports.RELEASED),
    biologist=BIOLOGISTS,
    validations=VALIDATIONS,
    order=IDENTIFIERS,
    registration=IDENTIFIERS,
    collector=ACTORS,
    treating_physician=ACTORS,
    comment=TEXTS,
    second_intention=some(made(AttachedPdf, {"title": LABELS, "data": PDFS}), most=1),
    placer_orders=RECEIVED_ORDER,
    further_events=some(
        made(
            ServiceEvent,
            {"code": st.just(ccam("ZBQK002", "Radiographie"))},
            between("start", "stop", alone=False),
            performer=made(Performer, {"actor": ACTORS, "time": HOURS}),
        ),
        most=1,
    ),
)

# --- imaging ---------------------------------------------------------------------------------------------------------

PRODUCTS_OF_ACT: Final[dict[str, st.SearchStrategy[Any]]] = {
    "cip": st.just("3400936915657"),
    "atc": st.just(code("V08AB11", ATC, "Iobitridol", "ATC")),
    "route": st.just(code("20045000", EDQM, "Voie intraveineuse", "EDQM")),
    "lot": LABELS,
    "comment": TEXTS,
}


def products(unit: str) -> st.SearchStrategy[tuple[AdministeredProduct, ...]]:
    dose = made(Quantity, {"value": st.integers(1, 999), "unit": st.just(unit)})
    return some(made(AdministeredProduct, {"name": LABELS}, dose=dose, **PRODUCTS_OF_ACT))


SIDES = st.sampled_from(["51440002", "66459002"])
PLACED: Final[dict[str, st.SearchStrategy[Any]]] = {"location": st.just(reports.WHOLE_HEAD)}
RADIATION = made(
    RadiationQuantity,
    PLACED,
    Linked(
        ("kind", "measure"),
        st.sampled_from(
            [
                {"kind": "113813", "measure": Measure(value=Decimal("1140.26"), unit="mGy.cm")},
                {"kind": "113839", "measure": Quantity(value=Decimal("2.4"), unit="mSv")},
            ]
        ),
    ),
    laterality=SIDES,
)
EXPOSURES = made(
    RadiationExposure,
    {"pregnancy": st.sampled_from([PregnancyStatus.ABSENT, PregnancyStatus.UNKNOWN])},
    authorised_by=st.just(reports.radiologist()),
    quantities=some(RADIATION),
    radiopharmaceuticals=products("MBq"),
    other_measures=LABELS,
)


@st.composite
def series(draw: st.DrawFn) -> tuple[Series, ...]:
    found = []
    for n in range(draw(st.integers(0, 2))):
        uid = f"{reports.STUDY_UID}.{n + 1}"
        instance = made(
            Instance,
            {"uid": st.just(f"{uid}.1"), "sop_class": st.just(reports.CT_IMAGE_STORAGE)},
            url=st.just("https://pacs.example/wado?a=1&b=2"),
            purpose=st.sampled_from(ReferencePurpose),
        )
        fields = {"uid": st.just(uid), "modality": st.just("CT"), "instance": instance}
        found.append(draw(made(Series, fields, performed_at=HOURS)))
    return tuple(found)


ACTS = made(
    ImagingAct,
    {
        "code": st.just(samples.loinc("24727-0", "CT tête avec contraste IV")),
        "modality": st.just("CT"),
        "region": st.just(reports.HEAD_AND_NECK),
        "study_uid": st.just(reports.STUDY_UID),
    }
    | PLACED,
    Linked(
        ("performed_at", "ended_at"),
        st.sampled_from(
            [
                {"performed_at": reports.COLLECTED, "ended_at": reports.RECEIVED},
                {"performed_at": reports.COLLECTED},
            ]
        ),
    ),
    ccam=st.just(code("ACQH004", CCAM, "Scanographie du crâne", "CCAM")),
    laterality=SIDES,
    more_modalities=some(st.just("PT"), most=1),
    more_regions=some(st.just("737561001"), most=1),
    performer=ACTORS,
    description=TEXTS,
    parameters=TEXTS,
    products=products("mL"),
    complications=TEXTS,
    exposure=EXPOSURES,
    series=series(),
)
GENERATED[Series].update(Series.model_fields)  # made while they are drawn
GENERATED[Instance].update(Instance.model_fields)
FINDINGS = made(
    ImagingFinding,
    {
        "code": st.just(samples.loinc("18782-3", "Observation d'étude radiologique")),
        "value": TEXTS | st.just(snomed("260385009", "négatif")),
    },
    Linked(
        ("location", "laterality"), st.just({}) | st.fixed_dictionaries(PLACED, optional={"laterality": SIDES})
    ),
)  # fmt: skip
IMAGING_REPORTS = document(
    ImagingReport,
    {
        "title": LABELS,
        "acts": some(ACTS, least=1, most=1),
        "conclusion": TEXTS,
        "author": st.just(reports.radiologist()),
    },
    without=("placer_orders",),
    legal_authenticator=st.just(reports.radiologist()),  # who may have authorised an irradiation
    orders=some(made(ImagingOrder, {"order": IDENTIFIERS, "accession": IDENTIFIERS}), most=1),
    clinical_information=made(
        ClinicalInformation,
        {"request_reason": TEXTS},
        purpose=TEXTS,
        medical_history=TEXTS,
        surgical_history=TEXTS,
        contraindications=some(made(Contraindication, {"code": st.just("MED-1109")}, comment=TEXTS)),
    ),
    results=TEXTS,
    findings=some(FINDINGS),
    key_images=some(PICTURES, most=1),
    comparison=TEXTS,
    earlier_results=TEXTS,
    devices=some(MEDICAL_DEVICES),
    documents=some(made(AttachedPdf, {"title": LABELS, "data": PDFS}), most=1),
    addendum=made(Addendum, {"text": TEXTS, "author": ACTORS, "at": HOURS}),
    patient_information=TEXTS,
    comment=TEXTS,
    pdf_copy=PDFS,
)

DOCUMENTS: dict[str, st.SearchStrategy[ClinicalDocument]] = {
    "discharge_letter": LETTERS_OF_DISCHARGE,
    "admission_letter": LETTERS_OF_ADMISSION,
    "prescription": PRESCRIPTIONS,
    "operative_report": OPERATIVE_REPORTS,
    "unstructured": UNSTRUCTURED,
    "laboratory_report": LABORATORY_REPORTS,
    "imaging_report": IMAGING_REPORTS,
}
