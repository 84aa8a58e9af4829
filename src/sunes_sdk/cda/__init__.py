"""CDA R2 documents of the French CI-SIS: build, read, check.

Names load when used; `import sunes_sdk.cda` loads neither lxml nor pydantic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .documents.admission_letter import AdmissionLetter
    from .documents.attachments import AttachedPdf, Picture
    from .documents.clinical import (
        Allergy,
        AllergyKind,
        AllergyStatus,
        Appointment,
        Certainty,
        Criticality,
        FollowUp,
        Intent,
        MedicalDevice,
        NoAllergy,
        Priority,
        Problem,
        ProblemKind,
        ProblemStatus,
        Procedure,
        Reaction,
        Severity,
    )
    from .documents.discharge_letter import (
        DischargeLetter,
        DocumentStatus,
        EntryMode,
        ExitMode,
        Synthesis,
    )
    from .documents.imaging import (
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
    from .documents.laboratory import LaboratoryReport
    from .documents.laboratory_content import (
        AWAITING_LOINC,
        BIOCHEMISTRY,
        HEMATOLOGY,
        MICROBIOLOGY,
        NABM,
        NCBI_TAXONOMY,
        PROTEINS,
        SEROLOGY,
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
    from .documents.laboratory_context import ExaminationReason, Vaccination, VaccinationKind
    from .documents.measures import Interval, Measure
    from .documents.prescription import MedicationPrescription, PrescriptionFlag
    from .documents.treatments import (
        ATC,
        EDQM,
        EMDN,
        MEDICABASE,
        SMS,
        TUBE,
        DoseStep,
        DosingMode,
        Ingredient,
        Medicine,
        PrescribedDevice,
        PrescribedTreatment,
        Quantity,
        QuantityRange,
        TimingEvent,
        Treatment,
    )
    from .documents.unstructured import OperativeReport, UnstructuredDocument, ccam
    from .documents.vital_signs import VitalSign, VitalSignKind
    from .header import CdaDocument, CdaHeader
    from .header_writer import (
        Authenticator,
        Consent,
        EncounterParticipant,
        Order,
        Participant,
        Performer,
        ServiceEvent,
    )
    from .issuer import Issuer
    from .patient_role import read_patient_role, write_patient_role
    from .reader import ReadDocument, read, read_header
    from .rules import check

_HOMES = {
    "documents.admission_letter": ("AdmissionLetter",),
    "documents.attachments": ("AttachedPdf", "Picture"),
    "documents.clinical": (
        "Allergy", "AllergyKind", "AllergyStatus", "Appointment", "Certainty", "Criticality", "FollowUp",
        "Intent", "MedicalDevice", "NoAllergy", "Priority", "Problem", "ProblemKind", "ProblemStatus", "Procedure",
        "Reaction", "Severity",
    ),
    "documents.discharge_letter": (
        "DischargeLetter", "DocumentStatus", "EntryMode", "ExitMode", "Synthesis",
    ),
    "documents.imaging": (
        "Addendum", "AdministeredProduct", "ClinicalInformation", "Contraindication", "ImagingAct", "ImagingFinding",
        "ImagingOrder", "ImagingReport", "Instance", "PregnancyStatus", "RadiationExposure", "RadiationQuantity",
        "ReferencePurpose", "Series",
    ),
    "documents.laboratory": ("LaboratoryReport",),
    "documents.laboratory_content": (
        "AWAITING_LOINC", "BIOCHEMISTRY", "HEMATOLOGY", "MICROBIOLOGY", "NABM", "NCBI_TAXONOMY", "PROTEINS",
        "SEROLOGY", "Antibiogram", "Battery", "Chapter", "Isolate", "LaboratoryResult", "PerformingLaboratory",
        "PreviousResult", "ReferenceRange", "Specimen", "SubChapter", "Validation",
    ),
    "documents.laboratory_context": ("ExaminationReason", "Vaccination", "VaccinationKind"),
    "documents.measures": ("Interval", "Measure"),
    "documents.prescription": ("MedicationPrescription", "PrescriptionFlag"),
    "documents.treatments": (
        "ATC", "EDQM", "EMDN", "MEDICABASE", "SMS", "TUBE",
        "DoseStep", "DosingMode", "Ingredient", "Medicine", "PrescribedDevice", "PrescribedTreatment", "Quantity",
        "QuantityRange", "TimingEvent", "Treatment",
    ),
    "documents.unstructured": ("OperativeReport", "UnstructuredDocument", "ccam"),
    "documents.vital_signs": ("VitalSign", "VitalSignKind"),
    "header": ("CdaDocument", "CdaHeader"),
    "header_writer": (
        "Authenticator", "Consent", "EncounterParticipant", "Order", "Participant", "Performer", "ServiceEvent",
    ),
    "issuer": ("Issuer",),
    "patient_role": ("read_patient_role", "write_patient_role"),
    "reader": ("ReadDocument", "read", "read_header"),
    "rules": ("check",),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "ATC",
    "AWAITING_LOINC",
    "BIOCHEMISTRY",
    "EDQM",
    "EMDN",
    "HEMATOLOGY",
    "MEDICABASE",
    "MICROBIOLOGY",
    "NABM",
    "NCBI_TAXONOMY",
    "PROTEINS",
    "SEROLOGY",
    "SMS",
    "TUBE",
    "Addendum",
    "AdministeredProduct",
    "AdmissionLetter",
    "Allergy",
    "AllergyKind",
    "AllergyStatus",
    "Antibiogram",
    "Appointment",
    "AttachedPdf",
    "Authenticator",
    "Battery",
    "CdaDocument",
    "CdaHeader",
    "Certainty",
    "Chapter",
    "ClinicalInformation",
    "Consent",
    "Contraindication",
    "Criticality",
    "DischargeLetter",
    "DocumentStatus",
    "DoseStep",
    "DosingMode",
    "EncounterParticipant",
    "EntryMode",
    "ExaminationReason",
    "ExitMode",
    "FollowUp",
    "ImagingAct",
    "ImagingFinding",
    "ImagingOrder",
    "ImagingReport",
    "Ingredient",
    "Instance",
    "Intent",
    "Interval",
    "Isolate",
    "Issuer",
    "LaboratoryReport",
    "LaboratoryResult",
    "Measure",
    "MedicalDevice",
    "MedicationPrescription",
    "Medicine",
    "NoAllergy",
    "OperativeReport",
    "Order",
    "Participant",
    "Performer",
    "PerformingLaboratory",
    "Picture",
    "PregnancyStatus",
    "PrescribedDevice",
    "PrescribedTreatment",
    "PrescriptionFlag",
    "PreviousResult",
    "Priority",
    "Problem",
    "ProblemKind",
    "ProblemStatus",
    "Procedure",
    "Quantity",
    "QuantityRange",
    "RadiationExposure",
    "RadiationQuantity",
    "Reaction",
    "ReadDocument",
    "ReferencePurpose",
    "ReferenceRange",
    "Series",
    "ServiceEvent",
    "Severity",
    "Specimen",
    "SubChapter",
    "Synthesis",
    "TimingEvent",
    "Treatment",
    "UnstructuredDocument",
    "Vaccination",
    "VaccinationKind",
    "Validation",
    "VitalSign",
    "VitalSignKind",
    "ccam",
    "check",
    "read",
    "read_header",
    "read_patient_role",
    "write_patient_role",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(__all__) | set(globals()))
