"""What the demonstration starts from: its example files, and the five documents of its stay (an appendicectomy)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..cda import (
    DischargeLetter,
    EntryMode,
    ExitMode,
    ImagingReport,
    MedicationPrescription,
    OperativeReport,
    PrescribedTreatment,
    Quantity,
    Synthesis,
    Treatment,
    ccam,
)
from ..cda.documents._base import ClinicalDocument
from ..cda.documents.imaging import ClinicalInformation, ImagingAct, ImagingOrder, Instance, Series
from ..cda.documents.laboratory import LaboratoryReport
from ..cda.documents.laboratory_content import (
    BIOCHEMISTRY,
    HEMATOLOGY,
    Chapter,
    LaboratoryResult,
    ReferenceRange,
    Specimen,
    Validation,
)
from ..cda.documents.measures import Measure
from ..model import Actor, Identifier, Patient, Professional, Stay
from . import samples

_STUDY = f"{samples.DOCUMENT_ROOT}.7.2026011014"


def example_folder() -> Path:
    """Where the example files are: beside this module in an installed package, `examples/demo` in a clone."""
    installed = Path(__file__).with_name("demo_data")
    return installed if installed.is_dir() else Path(__file__).parents[3] / "examples" / "demo"


def read_example(name: str) -> bytes:
    return (example_folder() / name).read_bytes()


def discharge_documents(
    patient: Patient, stay: Stay, *, author: Actor, recipient: Professional
) -> tuple[ClinicalDocument, ...]:
    """The five documents of an appendicectomy: letter, prescription, operative report, biology, imaging.

    author: writes and signs the letter and the prescription; recipient: the patient's general practitioner.
    """
    assert stay.discharged_at is not None
    hospital = stay.organization
    surgeon = samples.physician(rpps="01234567913", family="MARTIN", given="Claire", civility="MME", specialty="SM14")
    biologist = samples.physician(rpps="01234567921", family="BERNARD", given="Paul", specialty="SM03")
    radiologist = samples.physician(rpps="01234567939", family="PETIT", given="Anne", civility="MME", specialty="SM44")
    shared: dict[str, Any] = {
        "patient": patient,
        "custodian": hospital,
        "stay": stay,
        "recipients": (recipient.at(samples.hospital(name="Cabinet du Dr Dupont", finess_geo="0B0000001")),),
    }
    operated_at = stay.admitted_at + timedelta(hours=6)
    written_at = stay.discharged_at + timedelta(minutes=30)
    return (
        DischargeLetter(
            **shared,
            author=author,
            written_at=written_at,
            reason="Douleur fébrile de la fosse iliaque droite",
            synthesis=Synthesis(
                entry_mode=EntryMode.EMERGENCY,
                exit_mode=ExitMode.HOME,
                medical_summary="Appendicite aiguë non compliquée, appendicectomie le jour de l'entrée. "
                "Suites simples, reprise du transit à J2, apyrexie à J3.",
                mdro_search=False,
                transfusion=False,
                blood_derivatives=False,
            ),
            discharge_treatments=(
                Treatment(
                    name="PARACETAMOL 1 g, comprimé",
                    posology="1 comprimé toutes les 6 heures si douleur, 4 par jour au plus, pendant 5 jours",
                    start=stay.discharged_at.date(),
                    end=stay.discharged_at.date() + timedelta(days=5),
                    dose=Quantity(value=Decimal(1), unit="{tbl}"),
                ),
            ),
        ),
        MedicationPrescription(
            **shared,
            author=author,
            written_at=written_at,
            discharge=True,
            valid_until=written_at + timedelta(days=90),
            treatments=(
                PrescribedTreatment(
                    name="PARACETAMOL 1 g, comprimé",
                    posology="1 comprimé toutes les 6 heures si douleur, 4 par jour au plus, pendant 5 jours",
                    start=stay.discharged_at.date(),
                    end=stay.discharged_at.date() + timedelta(days=5),
                    boxes=2,
                ),
            ),
            pdf_copy=read_example("prescription.pdf"),
        ),
        OperativeReport(
            **shared,
            author=surgeon.at(hospital),
            written_at=operated_at + timedelta(hours=2),
            body=read_example("compte_rendu_operatoire.pdf"),
            act=ccam("HHFA001", "Appendicectomie, par abord de la fosse iliaque"),
            performed_at=operated_at,
            ended_at=operated_at + timedelta(minutes=45),
        ),
        _laboratory_report(shared, biologist.at(samples.laboratory()), author, stay),
        _imaging_report(shared, radiologist.at(hospital), stay),
    )


def _laboratory_report(shared: dict[str, Any], biologist: Actor, prescriber: Actor, stay: Stay) -> LaboratoryReport:
    collected_at = stay.admitted_at + timedelta(minutes=30)
    released_at = collected_at + timedelta(hours=1, minutes=30)
    blood = Specimen(
        identifier=Identifier(value="2601100042", root=f"{samples.DOCUMENT_ROOT}.8"),
        specimen_type="BLDV",
        collected_at=collected_at,
        received_at=collected_at + timedelta(minutes=20),
    )
    validation = Validation(biologist=biologist, at=released_at)
    return LaboratoryReport(
        **shared,
        author=biologist,
        written_at=released_at,
        received_at=collected_at + timedelta(minutes=20),
        biologist=biologist,
        prescriber=prescriber,
        prescribed_at=stay.admitted_at + timedelta(minutes=15),
        order=Identifier(value="B260110-17", root=f"{samples.DOCUMENT_ROOT}.9"),
        chapters=(
            Chapter(
                code=BIOCHEMISTRY,
                specimens=(blood,),
                validations=(validation,),
                results=(
                    LaboratoryResult(
                        code=samples.loinc("1988-5", "Protéine C réactive [Masse/Volume] Sérum/Plasma ; Numérique"),
                        value=Measure(value=Decimal("86.4"), unit="mg/L"),
                        reference=ReferenceRange(high=Decimal(5)),
                        interpretation="H",
                        observed_at=released_at,
                    ),
                    LaboratoryResult(
                        code=samples.loinc("14682-9", "Créatinine [Moles/Volume] Sérum/Plasma ; Numérique"),
                        value=Measure(value=Decimal(68), unit="umol/L"),
                        reference=ReferenceRange(low=Decimal(45), high=Decimal(84)),
                        interpretation="N",
                        observed_at=released_at,
                    ),
                ),
            ),
            Chapter(
                code=HEMATOLOGY,
                validations=(validation,),
                results=(
                    LaboratoryResult(
                        code=samples.loinc("6690-2", "Leucocytes [Nombre/Volume] Sang ; Numérique ; Comptage automate"),
                        value=Measure(value=Decimal("14.8"), unit="10*9/L"),
                        reference=ReferenceRange(low=Decimal(4), high=Decimal(10)),
                        interpretation="H",
                        observed_at=released_at,
                    ),
                ),
            ),
        ),
        pdf_copy=read_example("compte_rendu_biologie.pdf"),
    )


def _imaging_report(shared: dict[str, Any], radiologist: Actor, stay: Stay) -> ImagingReport:
    performed_at = stay.admitted_at + timedelta(hours=2)
    return ImagingReport(
        **shared,
        author=radiologist,
        written_at=performed_at + timedelta(hours=1),
        title="Scanner abdominopelvien",
        acts=(
            ImagingAct(
                code=samples.loinc("36813-4", "TDM abdomen et pelvis avec produit de contraste IV"),
                ccam=ccam("ZCQH001", "Scanographie de l'abdomen et du petit bassin, avec injection intraveineuse"),
                modality="CT",
                region="63337009",
                location="302553009",
                study_uid=_STUDY,
                performed_at=performed_at,
                ended_at=performed_at + timedelta(minutes=20),
                description="Acquisition au temps portal après injection intraveineuse de produit de contraste iodé.",
                series=(
                    Series(
                        uid=f"{_STUDY}.1",
                        modality="CT",
                        instance=Instance(uid=f"{_STUDY}.1.1", sop_class="1.2.840.10008.5.1.4.1.1.2"),
                    ),
                ),
            ),
        ),
        orders=(
            ImagingOrder(
                order=Identifier(value="I260110-03", root=f"{samples.DOCUMENT_ROOT}.9"),
                accession=Identifier(value="ACC26011003", root=f"{samples.DOCUMENT_ROOT}.10"),
            ),
        ),
        clinical_information=ClinicalInformation(request_reason="Suspicion d'appendicite aiguë."),
        results="Appendice mesuré à 11 mm, paroi épaissie, infiltration de la graisse. Pas de collection.",
        conclusion="Appendicite aiguë non compliquée.",
    )
