"""Whatever the people and the texts: the header read back is the header written, the native check is content, and the
model read back is the model written, but for what `normalised` says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cda_strategies import DOCUMENTS
from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.ids import SeededIds
from sunes_sdk._core.xml import parse
from sunes_sdk.cda import (
    Allergy,
    DischargeLetter,
    DocumentStatus,
    EntryMode,
    ExitMode,
    Issuer,
    MedicationPrescription,
    OperativeReport,
    PrescribedTreatment,
    PrescriptionFlag,
    Synthesis,
    Treatment,
    UnstructuredDocument,
    ccam,
    check,
    read,
    read_header,
)
from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.cda.documents.clinical import (
    AllergyKind,
    AllergyStatus,
    Certainty,
    Criticality,
    ProblemKind,
    Reaction,
    Severity,
)
from sunes_sdk.cda.documents.dosing import DosingMode, Quantity, QuantityRange, TimingEvent
from sunes_sdk.cda.documents.treatments import BOX, TUBE, DoseStep, Ingredient, Medicine, PrescribedDevice
from sunes_sdk.cda.header_writer import Authenticator, Consent, EncounterParticipant, Order, Participant, ServiceEvent
from sunes_sdk.cda.reading.normal import normalised
from sunes_sdk.model import (
    Actor,
    Address,
    Code,
    Device,
    Environment,
    Identifier,
    Identity,
    IdentityStatus,
    Patient,
    Sex,
    Telecom,
    Traits,
    expected_key,
)
from sunes_sdk.model import Ins as InsModel
from sunes_sdk.model import InsOid as Oid
from sunes_sdk.testing import sample_reports as reports
from sunes_sdk.testing import samples

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cn")), min_size=1, max_size=20)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn"), include_characters="\n\t<>&'\""), max_size=60)
FILLED = TEXTS.filter(lambda t: bool(t.strip()))


@st.composite
def patients(draw: st.DrawFn) -> object:
    first = draw(WORDS.filter(lambda w: not set(w) & set("'’-")))
    traits = Traits(
        birth_name=draw(WORDS),
        birth_given_names=f"{first} {draw(WORDS)}",
        first_given_name=first,
        birth_date=draw(st.sampled_from(["1979-03-28", "1950-00-00", "1950-07-00", "2000-02-29"])),
        sex=draw(st.sampled_from(Sex)),
        birth_place=draw(st.from_regex(r"[0-9][0-9AB][0-9]{3}", fullmatch=True).filter(str.isascii)),
    )
    number = draw(st.from_regex(r"[12][0-9]{12}", fullmatch=True).filter(str.isascii))
    ins = InsModel(matricule=number + expected_key(number), oid=draw(st.sampled_from(Oid)))  # type: ignore[arg-type]  # a text: pydantic makes the Matricule
    qualified = draw(st.booleans())
    status = IdentityStatus.QUALIFIEE if qualified else IdentityStatus.PROVISOIRE
    return samples.patient(
        identity=Identity(traits=traits, status=status, ins=ins if qualified else None),
        used_name=draw(st.none() | WORDS),
        used_given_name=draw(st.none() | WORDS),
        birth_city=draw(st.none() | WORDS),
        addresses=draw(st.sampled_from([(), (Address(lines=("8 rue F. Bastia", "92100 BOULOGNE")),)])),
        telecoms=draw(
            st.lists(st.builds(lambda w: Telecom(value=f"mailto:{w}"), WORDS), max_size=2, unique_by=lambda t: t.value)
        ),
    )


def issuer_for(patient: Patient, at: datetime = samples.WRITTEN) -> Issuer:
    """Of the environment of this patient's INS."""
    real = patient.ins is not None and not patient.ins.oid.is_test
    return Issuer(
        oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(3), clock=FixedClock(at),
        environment=Environment.PRODUCTION if real else Environment.FAKE,
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    patient=patients(),
    reason=FILLED,
    summary=FILLED,
    events=st.none() | TEXTS,
    name=WORDS,
    title=st.none() | WORDS,
    written=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    days=st.none() | st.integers(1, 400),
)
def test_a_letter_survives_the_round_trip(
    patient: Patient,
    reason: str,
    summary: str,
    events: str | None,
    name: str,
    title: str | None,
    written: datetime,
    days: int | None,
) -> None:
    doctor = samples.physician(family=name).at(samples.hospital(name=name))
    stay = samples.stay(admitted_at=written, discharged_at=written + timedelta(days=days) if days else None)
    letter = DischargeLetter(
        patient=patient,
        author=doctor,
        custodian=samples.hospital(),
        stay=stay,
        reason=reason,
        synthesis=Synthesis(
            entry_mode=EntryMode.OTHER,
            exit_mode=ExitMode.NURSING_HOME,
            medical_summary=summary,
            mdro_search=True,
            transfusion=True,
            blood_derivatives=False,
            adverse_events=events,
        ),
        discharge_treatments=(Treatment(name=name, comment=events),),
        title=title,
    )
    document = letter.render(issuer_for(patient, written))
    assert read_header(document.content) == document.header
    assert check(document).ok, str(check(document))
    root = parse(document.content)
    (said,) = [
        o.findtext("{urn:hl7-org:v3}value")
        for o in root.iter("{urn:hl7-org:v3}observation")
        if o.find("{urn:hl7-org:v3}code[@code='MED-142']") is not None
    ]
    assert said == summary.strip()


# --- The model read back --------------------------------------------------------------------------------------------

PCP = Code(code="PCP", system="2.16.840.1.113883.5.88", display="Médecin traitant")
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
VISIT = Identifier(value="V 1", root=samples.VISIT_ROOT)


@st.composite
def actors(draw: st.DrawFn, function: Code | None = None) -> Actor:
    number = draw(
        st.sampled_from(
            [
                {"rpps": "01234567897"},
                {"rpps": None, "adeli": "751234567"},
                {"rpps": None, "local_id": "30B0127189/A 1"},
            ]
        )
    )
    doctor = samples.physician(
        **number,
        family=draw(WORDS),
        given=draw(WORDS),
        civility=draw(st.sampled_from([None, "MME"])),
        title=draw(st.sampled_from([None, "PR"])),
        mss_address=draw(st.sampled_from([None, "a@b.mssante.fr"])),
        telecoms=draw(st.sampled_from([(), (Telecom(value="mailto:x@y.fr"), Telecom(value="tel:+331", use="WP"))])),
        addresses=draw(st.sampled_from([(), (Address(city="PARIS", house_number="3"),)])),
        am_number=draw(st.sampled_from([None, "123456789"])),
    )
    structure = samples.hospital(
        name=draw(WORDS),
        finess_geo=draw(st.sampled_from([None, samples.FINESS])),
        siret=draw(st.sampled_from([None, "12345678901234"])),
        practice_setting=draw(st.sampled_from(["ETABLISSEMENT", "HAD"])),
        facility_type=draw(st.sampled_from(["SA01", "SA25"])),
        address=draw(st.sampled_from([None, Address(lines=("1 rue X",))])),
    )
    return Actor(professional=doctor, organization=structure, function=function)


DEVICE = Device(
    identifier=Identifier(value="30B0127189/7", root="1.2.250.1.71.4.2.1"), role="AUTOMATE", model="M", software="S 1",
    organization=samples.laboratory(),
)  # fmt: skip


@st.composite
def headers(draw: st.DrawFn, author: st.SearchStrategy[Actor]) -> dict[str, object]:
    """The fields that every document shares."""
    admitted = draw(TIMES)
    start = draw(TIMES)
    patient = draw(patients())
    parties = st.tuples() | st.tuples(actors())
    return {
        "patient": patient,
        "author": draw(author),
        "co_authors": draw(st.sampled_from([(), (DEVICE,), (patient,)])),
        "custodian": draw(actors()).organization,
        "stay": samples.stay(
            admitted_at=admitted,
            discharged_at=admitted + timedelta(hours=draw(st.integers(1, 900))) if draw(st.booleans()) else None,
            responsible=draw(st.none() | actors()),
            organization=draw(actors()).organization,
        ),
        "legal_authenticator": draw(st.none() | actors()),
        "recipients": draw(parties),
        "written_at": draw(st.none() | TIMES),
        "title": draw(WORDS),
        "confidentiality": draw(st.sampled_from("NRV")),
        "data_enterer": draw(st.none() | actors()),
        "informants": (*draw(parties), *draw(st.sampled_from([(), (patient,)]))),
        "authenticators": tuple(Authenticator(actor=a, time=start) for a in draw(parties)),
        "participants": tuple(
            Participant(type_code="INF", actor=a, low=start, high=start + timedelta(days=1))
            for a in draw(st.tuples() | st.tuples(actors(function=PCP)))
        ),
        "placer_orders": draw(st.sampled_from([(), (Order(id=VISIT, accession=VISIT),)])),
        "further_events": draw(st.sampled_from([(), (ServiceEvent(code=ccam("ZZZZ001", "z"), class_code="INFO"),)])),
        "consents": draw(st.sampled_from([(), (Consent(code=PCP, id=VISIT),)])),
        "encounter_participants": tuple(
            EncounterParticipant(type_code="ADM", actor=a, low=start) for a in draw(parties)
        ),
        "facility_located": draw(st.booleans()),
    }


def read_back(model: ClinicalDocument) -> None:
    issuer = issuer_for(model.patient)
    document = model.render(issuer)
    received = read(document.content, strict=True)
    expected = normalised(model, document)
    found = received.typed()
    different = [n for n in type(model).model_fields if getattr(found, n) != getattr(expected, n)]
    assert not different, [(repr(getattr(found, n)), repr(getattr(expected, n))) for n in different]
    assert found == expected
    assert len(received.unread()) == 0, str(received.unread())
    # What was read says the same again, but for what a recipient's profession and a structure's numbers were.
    again = expected.render(issuer)
    assert normalised(expected, again) == read(again.content).typed()


@settings(max_examples=25, deadline=None)
@given(header=headers(actors()), acts=st.lists(WORDS, max_size=3), at=TIMES, hours=st.none() | st.integers(1, 9),
       by=st.none() | actors())  # fmt: skip
def test_an_operative_report_comes_back(
    header: dict[str, object], acts: list[str], at: datetime, hours: int | None, by: Actor | None
) -> None:
    first, *others = [ccam("HHFA001", label) for label in acts] or [None]
    read_back(
        OperativeReport(
            **header, body=reports.PDF, act=first, other_acts=tuple(filter(None, others)), performed_at=at,
            ended_at=at + timedelta(hours=hours) if hours else None, performer=by,
        )
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(header=headers(actors()), body=FILLED.map(str.encode), at=st.none() | TIMES, act=st.none() | WORDS)
def test_a_file_comes_back(header: dict[str, object], body: bytes, at: datetime | None, act: str | None) -> None:
    read_back(
        UnstructuredDocument(
            **header, document_type="11488-4", media_type="text/plain", body=body, performed_at=at,
            act=ccam("HHFA001", act) if act else None,
        )
    )  # fmt: skip


DAYS = st.dates(date(1950, 1, 1), date(2100, 1, 1))
AMOUNTS = st.decimals("0.001", "9999", places=3, allow_nan=False)
CODES = st.builds(lambda c, d: Code(code=c, system="2.16.840.1.113883.6.73", display=d), WORDS, WORDS)


def quantities(*units: str) -> st.SearchStrategy[Quantity]:
    return st.builds(lambda v, u: Quantity(value=v, unit=u), AMOUNTS, st.sampled_from(units))


@st.composite
def dosages(draw: st.DrawFn) -> dict[str, Any]:
    """The parts of a dosage, and what a treatment says beside."""
    start, length = draw(st.none() | DAYS), draw(st.integers(0, 90))
    low, more = draw(AMOUNTS), draw(AMOUNTS)
    spread = QuantityRange(low=low, high=low + more, unit="mg")
    return {
        "name": draw(WORDS),
        "label": draw(st.none() | WORDS),
        "cis": draw(st.sampled_from([None, "60090763"])),
        "cip": draw(st.sampled_from([None, "3400930000007", "3400937"])),
        "ucd": draw(st.sampled_from([None, "9000001"])),
        "atc": draw(st.none() | CODES),
        "form": draw(st.none() | CODES),
        "generic": draw(st.none() | CODES),
        "ingredients": draw(
            st.tuples()
            | st.tuples(
                st.builds(Ingredient, name=WORDS, code=st.none() | CODES, strength=st.none() | quantities("mg"))
            )
        ),
        "start": start,
        "end": start + timedelta(days=length) if start and draw(st.booleans()) else None,
        "dose": draw(st.none() | quantities("{tbl}", "mg", "") | st.just(spread)),
        "every": draw(st.none() | quantities("h", "d")),
        "flexible_hours": draw(st.booleans()),
        "events": tuple(draw(st.lists(st.sampled_from(TimingEvent), max_size=3, unique=True))),
        "rate": draw(st.none() | quantities("mL/h")),
        "max_dose": draw(st.none() | quantities("mg")),
        "max_dose_period": draw(quantities("h", "d")),
        "route": draw(st.none() | CODES),
        "site": draw(st.none() | CODES | FILLED),
        "comment": draw(st.none() | TEXTS),
    }


ALLERGIES = st.builds(
    Allergy, substance=WORDS, kind=st.sampled_from(AllergyKind), description=st.none() | FILLED,
    since=st.none() | DAYS | st.sampled_from(["1998", "1998-03"]), substance_code=st.none() | CODES,
    status=st.none() | st.sampled_from(AllergyStatus), criticality=st.none() | st.sampled_from(Criticality),
    severity=st.none() | st.sampled_from(Severity), certainty=st.none() | st.sampled_from(Certainty),
    comment=st.none() | FILLED,
    reactions=st.tuples() | st.tuples(
        st.builds(Reaction, description=FILLED, code=st.none() | CODES, kind=st.sampled_from(ProblemKind),
                  severity=st.none() | st.sampled_from(Severity), comment=st.none() | FILLED, start=st.none() | DAYS)
    ),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(data=st.data(), header=headers(actors()))
def test_a_letter_comes_back(data: st.DataObject, header: dict[str, object]) -> None:
    draw = data.draw

    def treatments() -> tuple[Treatment, ...]:
        return tuple(Treatment(**d, posology=draw(st.none() | TEXTS)) for d in draw(st.lists(dosages(), max_size=2)))

    read_back(
        DischargeLetter(
            **header,
            reason=draw(FILLED),
            synthesis=Synthesis(
                entry_mode=draw(st.sampled_from(EntryMode)),
                exit_mode=draw(st.sampled_from(ExitMode)),
                medical_summary=draw(FILLED),
                mdro_search=draw(st.booleans()),
                mdro_identification=draw(st.none() | TEXTS),
                adverse_events=draw(st.none() | TEXTS),
                transfusion=draw(st.booleans()),
                transfusion_accidents=draw(st.none() | TEXTS),
                blood_derivatives=draw(st.booleans()),
                blood_derivative_events=draw(st.none() | TEXTS),
            ),
            discharge_treatments=treatments(),
            administered_treatments=treatments(),
            exam_results=draw(st.none() | TEXTS),
            allergies=draw(st.none() | st.lists(ALLERGIES, max_size=2).map(tuple)),
            status=draw(st.sampled_from(DocumentStatus)),
            treating_physician=draw(st.none() | actors()),
            pdf_copy=draw(st.sampled_from([None, reports.PDF])),
        )
    )  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> PrescribedTreatment:
    refused = draw(st.booleans())
    renewal = draw(st.sampled_from(["", "renewal_until", "renewal_period"]))
    dosage = draw(dosages())
    steps: tuple[DoseStep, ...] = ()
    mode = draw(st.sampled_from(DosingMode))
    if mode is DosingMode.DELAYED:
        dosage |= {"start": None, "end": None, "lasting": draw(quantities("d"))}
    elif mode.has_steps:
        product = Medicine(name=draw(WORDS), cis="60090763") if mode is DosingMode.COMBINED else None
        condition = draw(FILLED) if mode is DosingMode.CONDITIONAL else draw(st.none() | FILLED)
        step = DoseStep(
            text=draw(st.none() | FILLED), start=draw(st.none() | DAYS), lasting=draw(st.none() | quantities("d")),
            dose=draw(quantities("mg")), events=dosage["events"], every=draw(st.none() | quantities("h")),
            condition=condition, product=product,
        )  # fmt: skip
        steps = (step, step)
        dosage |= {"dose": None, "every": None, "events": ()}
    return PrescribedTreatment(
        **dosage,
        posology=draw(FILLED),
        mode=mode,
        steps=steps,
        precondition=draw(st.none() | FILLED),
        repeats=draw(st.none() | st.integers(1, 12)) if renewal else draw(st.none() | st.integers(0, 12)),
        **{renewal: draw(DAYS if renewal == "renewal_until" else quantities("mo"))} if renewal else {},
        substitution_allowed=not refused,
        no_substitution_reason=draw(FILLED) if refused else None,
        chronic_disease=draw(st.booleans()),
        work_accident=draw(st.booleans()),
        not_reimbursable=draw(st.booleans()),
        off_label=draw(st.booleans()),
        prevention=draw(st.booleans()),
        patient_instructions=draw(st.none() | FILLED),
        dispenser_instructions=draw(st.none() | FILLED),
        boxes=draw(st.none() | st.integers(1, 99)),
        packaging=draw(st.sampled_from([BOX, TUBE])),
    )


@st.composite
def prescribed_devices(draw: st.DrawFn) -> PrescribedDevice:
    start = draw(st.none() | DAYS)
    return PrescribedDevice(
        name=draw(WORDS),
        emdn=draw(st.none() | CODES),
        lpp=draw(st.sampled_from([None, "1234567"])),
        lpp_label=draw(st.none() | WORDS),
        start=start,
        end=start,
        rental=draw(st.none() | quantities("wk")),
        quantity=draw(st.integers(1, 99)),
        repeats=draw(st.integers(0, 9)),
        chronic_disease=draw(st.booleans()),
        comment=draw(st.none() | TEXTS),
    )


@settings(max_examples=25, deadline=None)
@given(data=st.data(), header=headers(actors()))
def test_a_prescription_comes_back(data: st.DataObject, header: dict[str, object]) -> None:
    draw = data.draw
    start = draw(TIMES)
    discharge = draw(st.booleans())
    if discharge:
        header["title"] = None
    header["written_at"] = start
    barcode = draw(st.sampled_from([None, b"\x89PNG0"]))
    dispenser = draw(st.none() | actors())
    read_back(
        MedicationPrescription(
            **header,
            treatments=tuple(draw(st.lists(lines(), min_size=1, max_size=2))),
            devices=tuple(draw(st.lists(prescribed_devices(), max_size=2))),
            valid_from=draw(st.sampled_from([None, start, start + timedelta(days=1)])),
            valid_until=start + timedelta(days=draw(st.integers(2, 400))),
            version=draw(st.sampled_from(["2022.01", "2024.01"])) if barcode else "2024.01",
            pdf_copy=reports.PDF,
            barcode=barcode,
            epu=draw(st.sampled_from([None, "123"])),
            flags=frozenset(draw(st.lists(st.sampled_from(PrescriptionFlag)))),
            comment=draw(st.none() | TEXTS),
            replaced=draw(st.none() | actors()),
            dispenser=dispenser,
            dispense_by=draw(st.none() | TIMES) if dispenser else None,
            discharge=discharge,
        )
    )


@pytest.mark.parametrize("kind", DOCUMENTS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_document_comes_back(kind: str, data: st.DataObject) -> None:
    """The documents that the official kit judges elsewhere."""
    read_back(data.draw(DOCUMENTS[kind]))
