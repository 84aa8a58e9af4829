"""Ready-made letters with every section and detail, for tests and demos. All identities are published test people."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from ..cda.documents.admission_letter import AdmissionLetter
from ..cda.documents.clinical import (
    CLADIMED,
    EMDN,
    Allergy,
    AllergyKind,
    AllergyStatus,
    Appointment,
    Certainty,
    Criticality,
    FollowUp,
    Intent,
    MedicalDevice,
    Priority,
    Problem,
    ProblemKind,
    ProblemStatus,
    Procedure,
    Reaction,
    Severity,
)
from ..cda.documents.discharge_letter import DischargeLetter, DocumentStatus, EntryMode, ExitMode, Synthesis
from ..cda.documents.treatments import Treatment
from ..cda.documents.unstructured import ccam
from ..model import Code, Identifier
from . import samples

PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>\nstartxref\n0\n%%EOF\n"
_CIM_10 = "2.16.840.1.113883.6.3"


def allergies() -> tuple[Allergy, ...]:
    """One with every detail, one over, one of which only the substance is known."""
    urticaria = Reaction(
        description="Urticaire généralisée",
        code=Code(code="L50.0", system=_CIM_10, display="Urticaire allergique", system_name="CIM-10"),
        start="2018-02",
        severity=Severity.MODERATE,
        certainty=Certainty.CONFIRMED,
        comment="Régressive sous antihistaminique",
    )
    return (
        Allergy(
            substance="Paracétamol",
            substance_code=Code(code="67017786", system="1.2.250.1.213.2.3.1", display="PARACETAMOL",
                                system_name="CIS"),
            description="Éruption une heure après la prise",
            since=date(2018, 2, 21),
            status=AllergyStatus.ACTIVE,
            criticality=Criticality.HIGH,
            severity=Severity.MODERATE,
            certainty=Certainty.CONFIRMED,
            reactions=(urticaria, Reaction(description="Dyspnée")),
            comment="Bilan allergologique prévu",
        ),
        Allergy(
            substance="Lait de vache", kind=AllergyKind.FOOD_ALLERGY, since="1980", until="1985",
            status=AllergyStatus.RESOLVED,
        ),
        Allergy(substance="Pénicilline"),
    )  # fmt: skip


def care_plan() -> tuple[Procedure | FollowUp | Appointment, ...]:
    return (
        Procedure(
            name="Scanographie des vaisseaux du thorax",
            code=ccam("ECQH010", "Scanographie des vaisseaux du thorax et/ou du cœur [Angioscanner thoracique]"),
            priority=Priority.URGENT,
            site=Code(code="51185008", system="2.16.840.1.113883.6.96", display="thorax", system_name="SNOMED CT"),
            comment="À jeun",
        ),
        Procedure(name="Ablation des fils", start=date(2026, 1, 25)),
        FollowUp(text="Suivi par le pneumologue à prévoir", due="2026-03"),
        FollowUp(text="NFS, CRP", code=samples.loinc("1988-5", "CRP [Masse/Volume] Sérum/Plasma ; Numérique"),
                 due=date(2026, 1, 22), intent=Intent.PROPOSED),
        FollowUp(text="Reprise de la marche sur 500 m", intent=Intent.GOAL),
        Appointment(
            text="Consultation de pneumologie",
            kind="EXTERNE",
            at=samples.WRITTEN + timedelta(days=30),
            practitioner=samples.physician().at(samples.hospital()),
        ),
        Appointment(text="Médecin traitant", at=date(2026, 1, 20), call_back=True),
        Appointment(text="Kinésithérapeute"),
    )  # fmt: skip


def devices() -> tuple[MedicalDevice, ...]:
    return (
        MedicalDevice(
            name="Stimulateur cardiaque triple chambre",
            code=Code(code="J010104", system=EMDN, display="STIMULATEURS CARDIAQUES IMPLANTABLES TRIPLE CHAMBRE",
                      system_name="EMDN"),
            translations=(
                Code(code="C50FA05", system=CLADIMED, display="STIMULATEUR CARDIAQUE IMPLANTABLE TRIPLE CHAMBRE",
                     system_name="CLADIMED"),
            ),
            udi=Identifier(value="{01}00844588003288{17}141120{10}7654321D", root="1.2.250.1.213.1.1.9.9"),
            start=date(2018, 12, 3),
        ),
        MedicalDevice(name="Déambulateur"),
    )  # fmt: skip


def discharge_letter(**changes: Any) -> DischargeLetter:
    """LDL-SES with every section."""
    values: dict[str, Any] = {
        "synthesis": Synthesis(
            entry_mode=EntryMode.EMERGENCY,
            exit_mode=ExitMode.HOME,
            medical_summary="Évolution favorable\nsous antibiotiques.",
            mdro_search=True,
            mdro_search_date=date(2026, 1, 11),
            mdro_identification="Streptococcus pneumoniae",
            adverse_events="Aucun",
            transfusion=True,
            transfusion_accidents="Aucun",
            blood_derivatives=True,
            blood_derivative_events="Aucun",
            author=samples.physician().at(samples.hospital()),
        ),
        "administered_treatments": (Treatment(name="CEFTRIAXONE 1 g", posology="1 g par jour"),),
        "exam_results": "Radiographie du 14/01 : foyer en régression.\nECBC en attente.",
        "care_plan": care_plan(),
        "devices": devices(),
        "allergies": allergies(),
        "status": DocumentStatus.DONE,
        "treating_physician": samples.general_practitioner().at(samples.hospital(name="Cabinet du Dr Dupont")),
        "pdf_copy": PDF,
    }
    return samples.discharge_letter(**values | changes)


def medical_history() -> tuple[Problem, ...]:
    return (
        Problem(
            description="Pyélonéphrite aiguë",
            code=Code(code="N10", system=_CIM_10, display="Néphrite tubulo-interstitielle aiguë",
                      system_name="CIM-10"),
            start="2018-10",
            end="2018-11",
            status=ProblemStatus.RESOLVED,
            severity=Severity.SEVERE,
            certainty=Certainty.CONFIRMED,
            comment="Hospitalisée cinq jours",
        ),
        Problem(description="Asthme", kind=ProblemKind.DISEASE, start="1990", status=ProblemStatus.ACTIVE),
        Problem(description="Lombalgies", kind=ProblemKind.COMPLAINT),
    )  # fmt: skip


def surgical_history() -> tuple[Procedure, ...]:
    return (
        Procedure(name="Appendicectomie", code=ccam("HHFA001", "Appendicectomie, par abord de la fosse iliaque"),
                  start="1998"),
        Procedure(name="Pose de drains tympaniques"),
    )  # fmt: skip


def admission_letter(**changes: Any) -> AdmissionLetter:
    """LDL-EES with every section."""
    practice = samples.hospital(name="Cabinet du Dr Dupont")
    doctor = samples.general_practitioner().at(practice)
    values: dict[str, Any] = {
        "patient": samples.patient(),
        "author": doctor,
        "custodian": practice,
        "stay": samples.stay(discharged_at=None),
        "recipients": (samples.physician().at(samples.hospital()),),
        "written_at": samples.WRITTEN,
        "reason": "Pneumopathie hypoxémiante",
        "treatments": (Treatment(name="SALBUTAMOL 100 µg", cis="67053013", posology="2 bouffées si besoin"),),
        "allergies": allergies(),
        "medical_history": medical_history(),
        "surgical_history": surgical_history(),
        "further_information": "Vit seule au troisième étage.\nDirectives anticipées rédigées.",
        "treating_physician": doctor,
        "referrer": doctor,
        "pdf_copy": PDF,
    }
    return AdmissionLetter(**values | changes)
