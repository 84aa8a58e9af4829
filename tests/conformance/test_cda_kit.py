"""Our documents before the official judge: the ANS kit, by our oracle and by a runner that is not ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import ConfigurationError
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import (
    Allergy,
    CdaDocument,
    DischargeLetter,
    EntryMode,
    ExitMode,
    Issuer,
    MedicationPrescription,
    OperativeReport,
    PrescribedTreatment,
    PrescriptionFlag,
    Quantity,
    Synthesis,
    Treatment,
    UnstructuredDocument,
    ccam,
    check,
)
from sunes_sdk.cda.documents.treatments import ATC, EDQM
from sunes_sdk.cda.oracle import Oracle
from sunes_sdk.model import Code, Identity, IdentityStatus, StayClass
from sunes_sdk.testing import samples

pytestmark = pytest.mark.kit
PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>\nstartxref\n0\n%%EOF\n"


@pytest.fixture(scope="session")
def oracle(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    return Oracle(kit, cache=tmp_path_factory.mktemp("kit"), terminologies=True)


def issuer(seed: int = 1) -> Issuer:
    return Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(seed), clock=FixedClock(samples.WRITTEN))


def shared(**changes: object) -> dict[str, object]:
    physician = samples.physician().at(samples.hospital())
    values: dict[str, object] = {
        "patient": samples.patient(),
        "author": physician,
        "custodian": samples.hospital(),
        "stay": samples.stay(responsible=physician),
        "recipients": (samples.general_practitioner().at(samples.hospital(name="Cabinet médical")),),
    }
    return values | changes


TREATMENT = Treatment(
    name="LEPONEX 100 mg",
    label="LEPONEX 100 mg, comprimé sécable",
    cis="62552920",
    cip="3400933516390",
    atc=Code(code="N05AH02", system=ATC, display="Clozapine", system_name="ATC"),
    start=date(2026, 1, 15),
    end=date(2026, 2, 15),
    dose=Quantity(value=1, unit="{tbl}"),
    every=Quantity(value=1, unit="d"),
    rate=Quantity(value=100, unit="mg/d"),
    max_dose=Quantity(value=300, unit="mg"),
    route=Code(code="20053000", system=EDQM, display="Voie orale", system_name="EDQM"),
)


def letter(**changes: object) -> DischargeLetter:
    synthesis = Synthesis(
        entry_mode=EntryMode.EMERGENCY,
        exit_mode=ExitMode.HOSPITAL_AT_HOME,
        medical_summary="Évolution favorable\nsous antibiotiques",
        mdro_search=True,
        mdro_identification="Streptococcus pneumoniae",
        transfusion=True,
        transfusion_accidents="Aucun",
        blood_derivatives=True,
        blood_derivative_events="Aucun",
        adverse_events="Aucun",
    )
    values: dict[str, object] = {
        "reason": "Pneumopathie",
        "synthesis": synthesis,
        "discharge_treatments": (TREATMENT, Treatment(name="Préparation magistrale")),
        "administered_treatments": (TREATMENT,),
        "exam_results": "Radiographie normale",
        "allergies": (Allergy(substance="Pénicilline", since=date(2001, 1, 1)),),
        "pdf_copy": PDF,
    }
    return DischargeLetter(**shared() | values | changes)


def full_letter() -> CdaDocument:
    return letter().render(issuer())


def least_letter() -> CdaDocument:
    return letter(
        discharge_treatments=(), administered_treatments=(), exam_results=None, allergies=None, pdf_copy=None,
        recipients=(), stay=samples.stay(discharged_at=None),
    ).render(issuer())  # fmt: skip


def letter_without_allergy() -> CdaDocument:
    return letter(allergies=()).render(issuer())


def replacing_letter() -> CdaDocument:
    return letter().revise(full_letter(), reason="Pneumopathie hypoxémiante").render(issuer(2))


def provisional_letter() -> CdaDocument:
    nobody = samples.patient(identity=Identity(traits=samples.traits(), status=IdentityStatus.PROVISOIRE))
    return letter(patient=nobody).render(issuer())


def poor_patient_letter() -> CdaDocument:
    poor = samples.patient(addresses=(), telecoms=(), used_name=None, used_given_name=None, birth_city=None)
    return letter(patient=poor, stay=samples.stay(stay_class=StayClass.EMERGENCY)).render(issuer())


def prescription() -> CdaDocument:
    full = PrescribedTreatment(
        name="PARACETAMOL MYLAN 500 mg, comprimé",
        cis="63107752",
        posology="1 comprimé 3 fois par jour pendant 5 jours",
        start=date(2026, 1, 15),
        end=date(2026, 1, 20),
        substitution_allowed=False,
        no_substitution_reason="Marge thérapeutique étroite",
        repeats=2,
        boxes=2,
        prevention=False,
        chronic_disease=True,
        patient_instructions="À prendre au cours d'un repas",
        dispenser_instructions="Conditionnement trimestriel",
    )
    structured = PrescribedTreatment(
        name="LEPONEX 100 mg",
        cis="62552920",
        posology="1 comprimé par jour",
        dose=Quantity(value=1, unit="{tbl}"),
        every=Quantity(value=1, unit="d"),
        route=TREATMENT.route,
    )
    route_only = PrescribedTreatment(
        name="Collyre", posology="1 goutte le soir", route=TREATMENT.route, comment="Froid"
    )
    everything = PrescribedTreatment(**dict(TREATMENT) | {"posology": "1 comprimé par jour"})
    return MedicationPrescription(
        **shared(),
        treatments=(full, structured, route_only, everything),
        valid_until=samples.WRITTEN + timedelta(days=90),
        pdf_copy=PDF,
        barcode=b"\xff\xd8\xff\xe0",
        barcode_media_type="image/jpeg",
        discharge=True,
        flags=frozenset(PrescriptionFlag),
        epu="01S2TBPZ2JCNZZYGHZ",
    ).render(issuer())


def operative_report() -> CdaDocument:
    surgeon = samples.physician(family="MARTIN", specialty="SM04").at(samples.hospital())
    return OperativeReport(
        **shared(),
        body=PDF,
        act=ccam("HHFA001", "Appendicectomie, par abord de la fosse iliaque"),
        performer=surgeon,
        performed_at=samples.ADMITTED + timedelta(hours=4),
        ended_at=samples.ADMITTED + timedelta(hours=5),
    ).render(issuer())


def consultation() -> CdaDocument:
    return UnstructuredDocument(
        **shared(stay=samples.stay(stay_class=StayClass.OUTPATIENT)),
        document_type="11488-4",
        title="Compte rendu de consultation",
        body=b"Tout va bien",
        media_type="text/plain",
    ).render(issuer())


DOCUMENTS: list[Callable[[], CdaDocument]] = [
    full_letter,
    least_letter,
    letter_without_allergy,
    replacing_letter,
    provisional_letter,
    poor_patient_letter,
    prescription,
    operative_report,
    consultation,
]


@pytest.mark.parametrize("make", DOCUMENTS, ids=[m.__name__ for m in DOCUMENTS])
def test_the_official_kit_accepts_what_we_render(make: Callable[[], CdaDocument], oracle: Oracle) -> None:
    document = make()
    report = oracle.check(document)
    assert report.ok, str(report)
    assert check(document.content).ok, str(check(document.content))


def test_the_kit_fires_the_rules_of_the_volet(oracle: Oracle) -> None:
    """A document that carries another templateId would pass without being judged: the choice of volet is asserted."""
    from sunes_sdk.cda.reader import clinical_document

    assert oracle.volet_of(clinical_document(full_letter().content)) == "CI-SIS_LDL-SES_2022.01"
    assert oracle.volet_of(clinical_document(prescription().content)) == "CI-SIS_EP-MED-DM_2024.01"
    assert oracle.volet_of(clinical_document(operative_report().content)) is None


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (
            b'<versionNumber value="1"></versionNumber>',
            b'<copyTime value="2026"></copyTime><versionNumber value="1"></versionNumber>',
            "KIT_XSD",
        ),
        (b'qualifier="BR"', b'qualifier="SP"', "KIT_StrucMin"),
        (b'code="183452005"', b'code="1"', "KIT_CI-SIS_LDL-SES_2022.01"),
        (b'<templateId root="1.3.6.1.4.1.19376.1.5.3.1.4.7.1"></templateId>', b"", "KIT_IHE"),
        (b'code="G15_10/SM27"', b'code="G15_10/SM99"', "KIT_StrucMin"),
    ],
)
def test_the_oracle_refuses_mutations(oracle: Oracle, old: bytes, new: bytes, code: str) -> None:
    content = full_letter().content
    assert old in content
    report = oracle.check(content.replace(old, new, 1))
    assert code in {f.code for f in report.errors}, str(report)
    assert all(f.path and f.source for f in report.errors)
    assert "279035121518989" not in str(report)


def test_a_runner_that_is_not_ours_agrees(kit: Path, tmp_path: Path) -> None:
    runner = kit.parent / "tools" / "check_cda.py"
    if not runner.is_file():
        pytest.skip("no independent runner beside the kit")
    for make in (full_letter, prescription, operative_report):
        (tmp_path / f"{make.__name__}.xml").write_bytes(make().content)
    files = sorted(map(str, tmp_path.glob("*.xml")))
    command = [sys.executable, str(runner), str(kit), "--cache", str(tmp_path / "cache"), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASS") >= 14, done.stdout


def test_official_examples_are_read_and_judged(kit: Path, oracle: Oracle) -> None:
    """The reader takes every published example; the native check disputes only dangling references, missing offsets,
    legal authenticators without profession or structure, and identifiers that stand twice."""
    from sunes_sdk.cda import read_header

    examples = sorted((kit / "ExemplesCDA").glob("*.xml"))
    assert examples
    for example in examples:
        data = example.read_bytes()
        header = read_header(data)
        assert header.id.root
        assert header.patient.ids
        codes = {f.code for f in check(data).errors}
        known = {"CDA_REF_DANGLING", "CDA_H41", "CDA_H51", "CDA_ENTRY_ID_DUPLICATE"}
        assert codes <= known, f"{example.name}: {codes}"


def test_a_folder_that_is_no_kit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Oracle(tmp_path)
    assert caught.value.code == "KIT_NOT_FOUND"
