"""Ready-made laboratory and imaging reports, smallest and fullest, for tests and demos. All values are invented."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from ..cda.datatypes import CCAM, CIM_10, SNOMED_CT
from ..cda.documents.attachments import AttachedPdf, Picture
from ..cda.documents.clinical import MedicalDevice, Problem, ProblemKind
from ..cda.documents.imaging import (
    Addendum,
    AdministeredProduct,
    ClinicalInformation,
    Contraindication,
    ImagingAct,
    ImagingFinding,
    ImagingOrder,
    ImagingReport,
    Instance,
    PregnancyStatus,
    RadiationExposure,
    RadiationQuantity,
    ReferencePurpose,
    Series,
)
from ..cda.documents.laboratory import LaboratoryReport
from ..cda.documents.laboratory_content import (
    AWAITING_LOINC,
    BIOCHEMISTRY,
    HEMATOLOGY,
    MICROBIOLOGY,
    NABM,
    NCBI_TAXONOMY,
    PROTEINS,
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
from ..cda.documents.laboratory_context import ExaminationReason, Vaccination, VaccinationKind
from ..cda.documents.measures import Interval, Measure
from ..cda.documents.treatments import ATC, EDQM, Medicine, Quantity
from ..model import Actor, Address, Code, Identifier
from . import samples

PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>\nstartxref\n0\n%%EOF\n"
"""Starts and ends like a PDF; not one that a reader shows."""
JPEG = b"\xff\xd8\xff\xe0jpeg"
"""Starts like a JPEG; not one that a reader shows."""
REQUEST_ROOT = "1.2.250.1.213.9.1.5"
SPECIMEN_ROOT = "1.2.250.1.213.9.1.6"
ACCESSION_ROOT = "1.2.250.1.213.9.1.7"
STUDY_UID = "1.2.250.1.213.9.4.123.1876360"
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
HEAD_AND_NECK = "774007"
WHOLE_HEAD = "302548004"
COLLECTED = datetime(2026, 1, 14, 7, 35, tzinfo=samples.PARIS_WINTER)
RECEIVED = COLLECTED + timedelta(minutes=40)
OBSERVED = COLLECTED + timedelta(hours=4)
RELEASED = COLLECTED + timedelta(hours=8)


def biologist() -> Actor:
    """The biologist in charge, in the laboratory."""
    person = samples.physician(
        rpps="01234534765", family="CAMPARINI", given="Marcel", specialty="SM03", mss_address=None
    )  # fmt: skip
    return person.at(samples.laboratory())


def reference_biologist() -> Actor:
    """In another laboratory, to which examinations are sent."""
    person = samples.physician(
        rpps="01234567889", family="DE SANTS", given="Jean", specialty="SM03", mss_address=None
    )  # fmt: skip
    return person.at(samples.hospital(name="Laboratoire des Charmes", facility_type="SA25"))


def nurse() -> Actor:
    person = samples.physician(
        rpps="01234567893", family="BLEEDER", given="Roberta", profession="60", specialty=None, civility="MME",
        title=None, mss_address=None,
    )  # fmt: skip
    return person.at(samples.hospital())


def general_practitioner() -> Actor:
    """In a practice of her own."""
    practice = samples.hospital(
        name="Cabinet du Dr Dupont", facility_type="SA07", practice_setting="AMBULATOIRE",
        address=Address(lines=("8 rue de Lyon", "75012 PARIS")),
    )  # fmt: skip
    return samples.general_practitioner().at(practice)


def tsh(**changes: Any) -> LaboratoryResult:
    values: dict[str, Any] = {
        "code": samples.loinc("3016-3", "Thyréostimuline [Arbitraire/Volume] Sérum/Plasma ; Numérique"),
        "label": "Thyréostimuline (TSH)",
        "value": Measure(value=Decimal("1.950"), unit="m[IU]/L"),
    }
    return LaboratoryResult(**values | changes)


def _report(values: dict[str, Any], changes: dict[str, Any]) -> LaboratoryReport:
    shared: dict[str, Any] = {
        "patient": samples.patient(),
        "author": biologist(),
        "custodian": samples.hospital(),
        "stay": samples.stay(),
        "received_at": RECEIVED,
        "pdf_copy": PDF,
    }
    return LaboratoryReport(**shared | values | changes)


def minimal_laboratory_report(**changes: Any) -> LaboratoryReport:
    """One result, and nothing that may be left out."""
    return _report({"chapters": (Chapter(code=BIOCHEMISTRY, results=(tsh(),)),)}, changes)


def examination_reason() -> ExaminationReason:
    tired = Problem(
        description="Asthénie fébrile depuis dix jours",
        code=Code(code="R53", system=CIM_10, display="Malaise et fatigue", system_name="CIM-10"),
        kind=ProblemKind.SYMPTOM,
        start="2026-01",
    )
    return ExaminationReason(reason="Bilan d'une asthénie fébrile", problems=(tired,))


def vaccinations() -> tuple[Vaccination, ...]:
    """One that was not done, one that was."""
    papillomavirus = Code(code="J07BM", system=ATC, display="vaccins contre le Papillomavirus", system_name="ATC")
    return (
        Vaccination(vaccine=Medicine(name="Vaccin contre le papillomavirus", atc=papillomavirus), given=False),
        Vaccination(
            vaccine=Medicine(name="VACCIN TETANIQUE PASTEUR", cis="68747507"),
            on="2009-09-28",
            kind=VaccinationKind.BOOSTER,
            lot="4456672",
            rank=2,
            comment="Bien toléré.",
        ),
    )


OF_2021: Final[dict[str, Any]] = {"version": "2021.01", "pdf_copy": None, "reason": None, "vaccinations": ()}
"""What changes for the version 2021.01 of the volet."""


def laboratory_report(**changes: Any) -> LaboratoryReport:
    """Biochemistry with sub-chapters, a blood count as a battery, an electrophoresis done elsewhere with its picture, a
    urine culture with its antibiogram."""
    loinc = samples.loinc
    thyroid = SubChapter(
        code=BIOCHEMISTRY,
        title="Bilan thyroïdien",
        results=(
            tsh(
                interpretation="N",
                reference=ReferenceRange(low=Decimal("0.270"), high=Decimal("4.200")),
                observed_at=OBSERVED,
                method="ECL Modular",
                previous=(
                    PreviousResult(
                        value=Measure(value=Decimal("2.1"), unit="m[IU]/L"), observed_at=OBSERVED - timedelta(days=90)
                    ),
                ),
            ),
            LaboratoryResult(
                code=loinc("3024-7", "Thyroxine libre [Masse/Volume] Sérum/Plasma ; Numérique"),
                label="Thyroxine libre (FT4)",
                value=Measure(value=Decimal("7.67"), unit="pg/mL"),
                interpretation="L",
                reference=ReferenceRange(low=Decimal("9.30"), high=Decimal("17.00"), text="9,30 à 17,00 (adulte)"),
                comment="À contrôler dans un mois.",
            ),
        ),
        comment="Bilan à jeun.",
    )
    inflammation = SubChapter(
        code=BIOCHEMISTRY,
        title="Inflammation",
        results=(
            LaboratoryResult(
                local_code=Code(code="CRP-US", system=AWAITING_LOINC, display="CRP ultrasensible"),
                value=Interval(high=Decimal("0.6"), high_inclusive=False, unit="mg/L"),
            ),
        ),
    )
    count = Battery(
        title="Numération formule sanguine",
        code=loinc("58410-2", "Numération sanguine automatisée [Groupe] Sang"),
        results=(
            LaboratoryResult(
                code=loinc("718-7", "Hémoglobine [Masse/Volume] Sang ; Numérique"),
                value=Measure(value=Decimal("13.2"), unit="g/dL"),
                reference=ReferenceRange(low=Decimal("12")),
            ),
            LaboratoryResult(
                code=loinc("777-3", "Plaquettes [Nombre/Volume] Sang ; Numérique ; Comptage automate"),
                value=Measure(value=Decimal(245), unit="10*9/L"),
            ),
            LaboratoryResult(
                code=loinc("17849-1", "Réticulocytes/100 érythrocytes [Nombre relatif] Sang ; Numérique"),
                status="aborted",
                comment="Tube insuffisant.",
            ),
        ),
    )
    germ = Isolate(
        organism="Escherichia coli",
        code=Code(code="112283007", system="2.16.840.1.113883.6.96", display="Escherichia coli"),
        ncbi=Code(code="562", system=NCBI_TAXONOMY, display="Escherichia coli"),
        identified_at=OBSERVED,
        items=(
            LaboratoryResult(
                code=loinc("51480-2", "Bactérie [Nombre/Volume] Urine ; Numérique ; Comptage automate"),
                label="Dénombrement de germes",
                value=Measure(value=Decimal(120000), unit="/mL"),
            ),
            Antibiogram(
                title="Antibiogramme (CMI)",
                results=(
                    LaboratoryResult(
                        code=loinc("28-1", "Ampicilline [Sensibilité] Isolat ; Alphanumérique ; CMI"),
                        value=Interval(low=Decimal("0.512"), unit="ug/mL"),
                        interpretation="R",
                        method=Code(
                            code="BDB", system="1.2.250.1.213.2.3.5", display="Antibiogramme - bandette gradient"
                        ),
                    ),
                    LaboratoryResult(
                        code=loinc("20-8", "Amoxicilline+clavulanate [Sensibilité] Isolat ; Alphanumérique ; CMI"),
                        value=Interval(high=Decimal("0.128"), unit="ug/mL", high_inclusive=False),
                        interpretation="I",
                    ),
                    LaboratoryResult(
                        code=loinc("18928-2", "Gentamicine [Sensibilité] Isolat ; Alphanumérique"), interpretation="S"
                    ),
                ),
                comment="Méthode EUCAST.",
            ),
        ),
        identifier=Identifier(value="I-260114-1", root=SPECIMEN_ROOT),
        comment="Souche conservée.",
    )
    validation = Validation(biologist=biologist(), at=RELEASED)
    reference = PerformingLaboratory(director=reference_biologist(), performed_at=OBSERVED)
    proteins = LaboratoryResult(
        code=loinc("2885-2", "Protéine [Masse/Volume] Sérum/Plasma ; Numérique"),
        label="Protéines totales",
        value=Measure(value=Decimal("71"), unit="g/L"),
        reference=ReferenceRange(low=Decimal("64"), high=Decimal("83"), sex="F"),
        performer=reference,
        validations=(Validation(biologist=reference_biologist(), at=OBSERVED),),
    )
    immunoglobulin = LaboratoryResult(
        local_code=Code(code="IMMUNO", system=AWAITING_LOINC, display="Immunofixation"),
        value="Absence de pic monoclonal",
        reference=ReferenceRange(text="Absence"),
    )
    values: dict[str, Any] = {
        "chapters": (
            Chapter(code=BIOCHEMISTRY, sub_chapters=(thyroid, inflammation)),
            Chapter(code=HEMATOLOGY, results=(count,), validations=(validation,)),
            Chapter(
                code=PROTEINS,
                title="Électrophorèse des protéines",
                results=(proteins, Battery(title="Profil", results=(immunoglobulin,), performer=reference)),
                pictures=(Picture(data=JPEG, caption="Tracé électrophorétique"),),
                performer=reference,
                validations=(validation, Validation(biologist=reference_biologist(), at=OBSERVED)),
            ),
            Chapter(
                code=MICROBIOLOGY,
                title="Examen cytobactériologique des urines (ECBU)",
                specimens=(
                    Specimen(
                        identifier=Identifier(value="E-260114-1", root=SPECIMEN_ROOT),
                        specimen_type="UR",
                        collected_at=COLLECTED,
                        received_at=RECEIVED,
                        act=Code(code="5201", system=NABM, display="EX MICROBIO URINES (ECBU)", system_name="NABM"),
                        site=Code(code="64033007", system=SNOMED_CT, display="rein", system_name="SNOMED CT"),
                        collector=nurse(),
                        comment="Prélèvement au sondage.",
                    ),
                ),
                results=(
                    LaboratoryResult(
                        code=loinc("5767-9", "Aspect [Aspect] Urine ; Résultat nominal"),
                        value="clair",
                        method=Code(code="MA", system="1.2.250.1.213.2.3.5", display="Observation macroscopique"),
                    ),
                    germ,
                ),
                validations=(validation,),
            ),
        ),
        "released_at": RELEASED,
        "prescriber": samples.physician().at(samples.hospital()),
        "prescribed_at": COLLECTED - timedelta(hours=12),
        "order": Identifier(value="2026123456", root=REQUEST_ROOT),
        "registration": Identifier(value="260114-0042", root=REQUEST_ROOT),
        "collector": nurse(),
        "treating_physician": general_practitioner(),
        "recipients": (general_practitioner(),),
        "reason": examination_reason(),
        "vaccinations": vaccinations(),
        "comment": "Résultats communiqués au service par téléphone.",
        "second_intention": (AttachedPdf(title="Compte rendu du centre national de référence", data=PDF),),
    }
    return _report(values, changes)


def radiologist() -> Actor:
    person = samples.physician(
        rpps="01234560801", family="BIDEAULT", given="Jacques", specialty="SM44", mss_address=None
    )  # fmt: skip
    return person.at(samples.hospital())


def head_ct(**changes: Any) -> ImagingAct:
    values: dict[str, Any] = {
        "code": samples.loinc("24727-0", "CT tête avec contraste IV"),
        "modality": "CT",
        "region": HEAD_AND_NECK,
        "location": WHOLE_HEAD,
        "study_uid": STUDY_UID,
        "performed_at": COLLECTED,
    }
    return ImagingAct(**values | changes)


def _imaging(values: dict[str, Any], changes: dict[str, Any]) -> ImagingReport:
    shared: dict[str, Any] = {
        "patient": samples.patient(),
        "author": radiologist(),
        "custodian": samples.hospital(),
        "stay": samples.stay(),
        "conclusion": "Pas d'anomalie décelable.",
    }
    return ImagingReport(**shared | values | changes)


def minimal_imaging_report(**changes: Any) -> ImagingReport:
    """One act, and nothing that may be left out."""
    return _imaging({"acts": (head_ct(),)}, changes)


def imaging_report(**changes: Any) -> ImagingReport:
    """A CT of the head with contrast, its dose, two series and a key image, and an ultrasound of the neck."""
    intravenous = Code(code="20045000", system=EDQM, display="Voie intraveineuse", system_name="EDQM")
    ct = head_ct(
        ccam=Code(
            code="ACQH004",
            system=CCAM,
            display="Scanographie du crâne, de son contenu et du tronc, avec injection intraveineuse de produit de "
            "contraste",
            system_name="CCAM",
        ),
        ended_at=COLLECTED + timedelta(minutes=25),
        description="Acquisition hélicoïdale après injection.",
        parameters="Scanner de démonstration, 64 barrettes",
        more_regions=("737561001",),
        products=(
            AdministeredProduct(
                name="XENETIX 350",
                cip="3400936915657",
                atc=Code(code="V08AB11", system=ATC, display="Iobitridol", system_name="ATC"),
                dose=Quantity(value=Decimal(150), unit="mL"),
                route=intravenous,
                lot="0002034",
                comment="Bien toléré.",
            ),
        ),
        complications="Aucune.",
        exposure=RadiationExposure(
            pregnancy=PregnancyStatus.ABSENT,
            quantities=(
                RadiationQuantity(
                    kind="113813", measure=Measure(value=Decimal("1140.26"), unit="mGy.cm"), location=WHOLE_HEAD
                ),
                RadiationQuantity(
                    kind="113830", measure=Measure(value=Decimal("13.64"), unit="mGy"), location=WHOLE_HEAD
                ),
                RadiationQuantity(
                    kind="113839", measure=Quantity(value=Decimal("2.4"), unit="mSv"), location=WHOLE_HEAD
                ),
            ),
            other_measures="PDS 12,3 Gy.cm² (repérage)",
            radiopharmaceuticals=(
                AdministeredProduct(name="Pentétate de technétium", dose=Quantity(value=Decimal(200), unit="MBq")),
            ),
        ),
        series=tuple(
            Series(
                uid=f"{STUDY_UID}.{n}",
                modality="CT",
                instance=Instance(
                    uid=f"{STUDY_UID}.{n}.1",
                    sop_class=CT_IMAGE_STORAGE,
                    url=f"https://pacs.example/wado?requestType=WADO&studyUID={STUDY_UID}&seriesUID={STUDY_UID}.{n}",
                    purpose=ReferencePurpose.BEST_ILLUSTRATION if n == 2 else None,
                ),
            )
            for n in (1, 2)
        ),
    )
    ultrasound = ImagingAct(
        code=samples.loinc("24842-7", "Échographie cou"),
        modality="US",
        region=HEAD_AND_NECK,
        location="302550007",
        laterality="51440002",
        study_uid="1.2.250.1.213.9.4.123.1876361",
        performed_at=COLLECTED + timedelta(hours=1),
    )
    values: dict[str, Any] = {
        "title": "CR d'imagerie médicale - Scanner du crâne",
        "acts": (ct, ultrasound),
        "orders": (
            ImagingOrder(
                order=Identifier(value="984375862", root=REQUEST_ROOT),
                accession=Identifier(value="105234751", root=ACCESSION_ROOT),
            ),
        ),
        "clinical_information": ClinicalInformation(
            request_reason="Céphalées fébriles.",
            purpose="Éliminer un abcès.",
            medical_history="Hypertension artérielle.",
            contraindications=(Contraindication(code="MED-1109", comment="Prémédication"),),
        ),
        "earlier_results": "Scanner de 2024 sans anomalie.",
        "comparison": "Comparé au scanner du 01/12/2024.",
        "results": "Pas de prise de contraste anormale.",
        "findings": (
            ImagingFinding(
                code=samples.loinc("18782-3", "Observation d'étude radiologique"),
                value="Kyste arachnoïdien",
                location=WHOLE_HEAD,
                laterality="66459002",
            ),
            ImagingFinding(
                code=samples.loinc("18782-3", "Observation d'étude radiologique"),
                value=Code(code="260385009", system=SNOMED_CT, display="négatif", system_name="SNOMED CT"),
            ),
        ),
        "key_images": (Picture(data=JPEG, caption="Coupe axiale"),),
        "devices": (MedicalDevice(name="Valve de dérivation"),),
        "documents": (AttachedPdf(title="Questionnaire avant injection", data=PDF),),
        "addendum": Addendum(text="Relu le lendemain.", author=radiologist(), at=RELEASED),
        "patient_information": "Ce compte rendu vous a été expliqué.",
        "comment": "Images disponibles au service.",
        "recipients": (general_practitioner(),),
        "pdf_copy": PDF,
    }
    return _imaging(values, changes)
