"""Laboratory and imaging reports before the official judge: the ANS kit, by our oracle and by a runner not ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import CdaDocument, Issuer, check
from sunes_sdk.cda.documents.attachments import Picture
from sunes_sdk.cda.documents.imaging import (
    AdministeredProduct,
    ClinicalInformation,
    ImagingFinding,
    Instance,
    PregnancyStatus,
    RadiationExposure,
    RadiationQuantity,
    ReferencePurpose,
    Series,
)
from sunes_sdk.cda.documents.laboratory_content import (
    BIOCHEMISTRY,
    MICROBIOLOGY,
    Battery,
    Chapter,
    Isolate,
    LaboratoryResult,
    PreviousResult,
    Validation,
)
from sunes_sdk.cda.documents.measures import Interval, Measure
from sunes_sdk.cda.documents.treatments import Quantity
from sunes_sdk.cda.oracle import Oracle
from sunes_sdk.cda.reader import clinical_document
from sunes_sdk.model import Code, Identity, IdentityStatus
from sunes_sdk.testing import sample_reports as reports
from sunes_sdk.testing import samples

pytestmark = pytest.mark.kit


@pytest.fixture(scope="module")
def oracle(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    return Oracle(kit, cache=tmp_path_factory.mktemp("kit"), terminologies=True)


def issuer(seed: int = 1) -> Issuer:
    return Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(seed), clock=FixedClock(samples.WRITTEN))


def minimal_laboratory() -> CdaDocument:
    return reports.minimal_laboratory_report().render(issuer())


def full_laboratory() -> CdaDocument:
    return reports.laboratory_report().render(issuer())


def replacing_laboratory() -> CdaDocument:
    first = full_laboratory()
    report = reports.laboratory_report()
    return report.revise(first, comment="Annule et remplace : unité corrigée.").render(issuer(2))


def partial_laboratory() -> CdaDocument:
    """Every kind of value, what has no code, results still to come."""
    local = Code(code="GRAM", system="1.2.250.1.213.9.9", display="Coloration de Gram")
    values = (
        "nombreux Gram -",
        Code(code="260385009", system="2.16.840.1.113883.6.96", display="négatif"),
        Interval(low=Decimal("0.1"), high=Decimal("0.3"), unit="mg/L", low_inclusive=False),
        Measure(value=Decimal("1E+3"), unit="/mL"),
        Measure(value=Decimal("7.40"), unit="[pH]"),
    )
    results = tuple(LaboratoryResult(local_code=local, value=v, interpretation="A") for v in values)
    earlier = PreviousResult(value="rares Gram -", observed_at=reports.OBSERVED - timedelta(days=2))
    chapter = Chapter(
        code=MICROBIOLOGY,
        results=(
            Battery(title="Examen direct", results=results),
            Battery(title="Culture", local_code=local, results=(results[0],), status="active"),
            Isolate(organism="Staphylocoque à coagulase négative", identified_at=reports.OBSERVED),
            LaboratoryResult(local_code=local, value="rares Gram -", previous=(earlier,), method="Microscopie"),
            LaboratoryResult(
                code=samples.loinc("653-6", "Observation microscopique"), local_code=local, status="aborted"
            ),
        ),
        status="active",
        validations=(Validation(biologist=reports.biologist(), at=reports.RELEASED),),
    )
    again = Chapter(code=BIOCHEMISTRY, title="Biochimie (suite)", results=(reports.tsh(),))
    report = reports.minimal_laboratory_report(
        chapters=(chapter, again, again.model_copy(update={"title": "Hormonologie"})),
        prescriber=reports.general_practitioner(),
        validations=(Validation(biologist=reports.biologist(), at=reports.RELEASED),),
    )
    assert report.is_partial
    return report.render(issuer())


def laboratory_of_2021() -> CdaDocument:
    return reports.laboratory_report(**reports.OF_2021).render(issuer())


def provisional_laboratory() -> CdaDocument:
    patient = samples.patient(
        identity=Identity(traits=samples.traits(), status=IdentityStatus.PROVISOIRE), addresses=(), telecoms=()
    )
    return reports.minimal_laboratory_report(patient=patient).render(issuer())


def minimal_imaging() -> CdaDocument:
    return reports.minimal_imaging_report().render(issuer())


def full_imaging() -> CdaDocument:
    return reports.imaging_report().render(issuer())


def replacing_imaging() -> CdaDocument:
    return reports.imaging_report().revise(full_imaging(), conclusion="Abcès frontal gauche.").render(issuer(2))


def sparse_imaging() -> CdaDocument:
    """What may be missing, missing: history not asked for, product with its name only, exposure without a dose."""
    act = reports.head_ct(
        products=(AdministeredProduct(name="Produit de contraste"),),
        exposure=RadiationExposure(pregnancy=PregnancyStatus.UNKNOWN, authorised_by=reports.radiologist()),
    )
    information = ClinicalInformation(request_reason="Chute.")
    return reports.minimal_imaging_report(acts=(act,), clinical_information=information).render(issuer())


def hybrid_imaging() -> CdaDocument:
    """PET and CT in one act, every kind of dose that has a unit; findings and a key image instead of a text."""
    doses = (
        ("111636", "350", "uGy"), ("111637", "1.95", "mGy"), ("113730", "42", "s"), ("113731", "12", "{images}"),
        ("113507", "200", "MBq"), ("113813", "1140.26", "mGy.cm"), ("113830", "13.64", "mGy"), ("113839", "2.4", "mSv"),
    )  # fmt: skip
    quantities = tuple(
        RadiationQuantity(
            kind=kind,
            measure=Quantity(value=Decimal(value), unit=unit),
            location=reports.WHOLE_HEAD,
            laterality="66459002",
        )
        for kind, value, unit in doses
    )
    act = reports.head_ct(
        modality="PT",
        more_modalities=("CT",),
        more_regions=("737561001",),
        laterality="51440002",
        exposure=RadiationExposure(pregnancy=PregnancyStatus.ABSENT, quantities=quantities),
        series=tuple(
            Series(
                uid=f"{reports.STUDY_UID}.{n}",
                modality="CT",
                instance=Instance(
                    uid=f"{reports.STUDY_UID}.{n}.1", sop_class=reports.CT_IMAGE_STORAGE, purpose=purpose
                ),
            )
            for n, purpose in enumerate(ReferencePurpose)
        ),
    )
    seen = ImagingFinding(code=samples.loinc("18782-3", "Observation d'étude radiologique"), value="Rien.")
    picture = Picture(data=reports.JPEG, caption="Coupe axiale")
    return reports.minimal_imaging_report(acts=(act,), findings=(seen,), key_images=(picture,)).render(issuer())


def imaging_without_contraindication() -> CdaDocument:
    information = ClinicalInformation(request_reason="Chute.", contraindications=())
    return reports.minimal_imaging_report(clinical_information=information).render(issuer())


DOCUMENTS: list[Callable[[], CdaDocument]] = [
    minimal_laboratory,
    full_laboratory,
    replacing_laboratory,
    partial_laboratory,
    laboratory_of_2021,
    provisional_laboratory,
    minimal_imaging,
    full_imaging,
    replacing_imaging,
    sparse_imaging,
    hybrid_imaging,
    imaging_without_contraindication,
]


@pytest.mark.parametrize("make", DOCUMENTS, ids=[m.__name__ for m in DOCUMENTS])
def test_the_official_kit_accepts_what_we_render(make: Callable[[], CdaDocument], oracle: Oracle) -> None:
    document = make()
    volet = "CI-SIS_IMG-CR-IMG_2024.01" if "imaging" in make.__name__ else "CI-SIS_BIO-CR-BIO_2024.01"
    if make is laboratory_of_2021:
        volet = "CI-SIS_BIO-CR-BIO_2021.01"
    assert oracle.volet_of(clinical_document(document.content)) == volet
    report = oracle.check(document)
    assert report.ok, str(report)
    assert check(document.content).ok, str(check(document.content))


def test_a_runner_that_is_not_ours_agrees(kit: Path, tmp_path: Path) -> None:
    runner = kit.parent / "tools" / "check_cda.py"
    if not runner.is_file():
        pytest.skip("no independent runner beside the kit")
    for make in DOCUMENTS:
        (tmp_path / f"{make.__name__}.xml").write_bytes(make().content)
    files = sorted(map(str, tmp_path.glob("*.xml")))
    command = [sys.executable, str(runner), str(kit), "--cache", str(tmp_path / "cache"), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # Four profiles and the volet for each; fewer would mean that something was not judged.
    assert done.stdout.count("PASS") >= 5 * len(DOCUMENTS), done.stdout
    assert "CI-SIS_BIO-CR-BIO_2024.01: PASS" in done.stdout
    assert "CI-SIS_IMG-CR-IMG_2024.01: PASS" in done.stdout


@pytest.mark.parametrize(
    ("make", "old", "new", "code"),
    [
        (full_laboratory, b"<title>Compte rendu d'examens", b"<title>Compte-rendu d'examens", "BIO-CR-BIO_2024.01"),
        (
            full_laboratory,
            b'<templateId root="1.3.6.1.4.1.19376.1.3.3.1.5"></templateId><time value',
            b"<time value",
            "BIO-CR-BIO",
        ),
        (
            full_laboratory,
            b'codeSystem="1.3.5.1.4.1.19376.1.5.3.2"',
            b'codeSystem="1.3.6.1.4.1.19376.1.5.3.2"',
            "BIO-CR",
        ),
        (full_laboratory, b'interpretationCode code="N"', b'interpretationCode code="ZZ"', "BIO-CR-BIO_2024.01"),
        (full_laboratory, b'unit="m[IU]/L"', b'unit="mUI/L"', "terminologies"),
        (full_laboratory, b"<time><high value", b'<time xsi:type="SXCM_TS"><high value', "KIT_XSD"),
        (full_laboratory, b'classCode="BATTERY"', b'classCode="CLUSTER"', "KIT_"),
        (full_laboratory, b'classCode="MIC"', b'classCode="ENT"', "BIO-CR-BIO_2024.01"),
        (full_laboratory, b'typeCode="DRIV"', b'typeCode="COMP"', "KIT_"),
        (full_laboratory, b'code="101792-0"', b'code=""', "KIT_"),
        (full_laboratory, b'<lab:value value="F">', b'<lab:value value="X">', "KIT_XSD"),
        (laboratory_of_2021, b'root="1.2.250.1.213.1.1.2.60"', b'root="1.2.250.1.213.1.1.2.243"', "BIO-CR-BIO_2021.01"),
        (full_imaging, b'<code code="113015"', b'<code code="113016"', "KIT_"),
        (full_imaging, b'mediaType="application/dicom"', b'mediaType="image/jpeg"', "IMG-CR-IMG_2024.01"),
        (full_imaging, b'root="1.2.250.1.213.1.1.3.163"', b'root="1.2.250.1.213.1.1.3.164"', "KIT_"),
        (full_imaging, b'<code code="121290"', b'<code code="121291"', "IMG-CR-IMG_2024.01"),
        (full_imaging, b'<code code="47519-4"', b'<code code="47519-5"', "IMG-CR-IMG_2024.01"),
        (full_imaging, b'unit="Sv"', b'unit="mSv"', "terminologies"),
        (full_imaging, b'code="302548004"', b'code="1"', "IMG-CR-IMG_2024.01"),
        (full_imaging, b"ps3-20:accessionNumber", b"ps3-20:accession", "KIT_"),
        (full_imaging, b'<code code="19005-8"', b'<code code="19005-9"', "KIT_"),
        (full_imaging, b'<translation code="CT"', b'<translation code="XX"', "IMG-CR-IMG_2024.01"),
        (full_imaging, b'unit="mGy.cm"', b'unit="mGy*cm"', "terminologies"),
        (full_imaging, b'<value code="60001007"', b'<value code="60001008"', "IMG-CR-IMG"),
    ],
)
def test_the_kit_refuses_what_a_careless_writer_gives(
    oracle: Oracle, make: Callable[[], CdaDocument], old: bytes, new: bytes, code: str
) -> None:
    content = make().content
    assert old in content
    report = oracle.check(content.replace(old, new))
    assert any(code in f.code for f in report.errors), str(report)
