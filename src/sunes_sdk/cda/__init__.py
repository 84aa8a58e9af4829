"""CDA R2 documents of the French CI-SIS: build, read, check.

Names load when used; `import sunes_sdk.cda` loads neither lxml nor pydantic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .documents.admission_letter import AdmissionLetter
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
    from .documents.imaging import ImagingReport
    from .documents.laboratory import LaboratoryReport
    from .documents.prescription import MedicationPrescription, PrescriptionFlag
    from .documents.treatments import (
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
    from .header import CdaDocument, CdaHeader
    from .issuer import Issuer
    from .reader import ReadDocument, read, read_header
    from .rules import check

_HOMES = {
    "documents.admission_letter": ("AdmissionLetter",),
    "documents.clinical": (
        "Allergy", "AllergyKind", "AllergyStatus", "Appointment", "Certainty", "Criticality", "FollowUp",
        "Intent", "MedicalDevice", "Priority", "Problem", "ProblemKind", "ProblemStatus", "Procedure",
        "Reaction", "Severity",
    ),
    "documents.discharge_letter": (
        "DischargeLetter", "DocumentStatus", "EntryMode", "ExitMode", "Synthesis",
    ),
    "documents.imaging": ("ImagingReport",),
    "documents.laboratory": ("LaboratoryReport",),
    "documents.prescription": ("MedicationPrescription", "PrescriptionFlag"),
    "documents.treatments": (
        "DoseStep", "DosingMode", "Ingredient", "Medicine", "PrescribedDevice", "PrescribedTreatment", "Quantity",
        "QuantityRange", "TimingEvent", "Treatment",
    ),
    "documents.unstructured": ("OperativeReport", "UnstructuredDocument", "ccam"),
    "header": ("CdaDocument", "CdaHeader"),
    "issuer": ("Issuer",),
    "reader": ("ReadDocument", "read", "read_header"),
    "rules": ("check",),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AdmissionLetter",
    "Allergy",
    "AllergyKind",
    "AllergyStatus",
    "Appointment",
    "CdaDocument",
    "CdaHeader",
    "Certainty",
    "Criticality",
    "DischargeLetter",
    "DocumentStatus",
    "DoseStep",
    "DosingMode",
    "EntryMode",
    "ExitMode",
    "FollowUp",
    "ImagingReport",
    "Ingredient",
    "Intent",
    "Issuer",
    "LaboratoryReport",
    "MedicalDevice",
    "MedicationPrescription",
    "Medicine",
    "OperativeReport",
    "PrescribedDevice",
    "PrescribedTreatment",
    "PrescriptionFlag",
    "Priority",
    "Problem",
    "ProblemKind",
    "ProblemStatus",
    "Procedure",
    "Quantity",
    "QuantityRange",
    "Reaction",
    "ReadDocument",
    "Severity",
    "Synthesis",
    "TimingEvent",
    "Treatment",
    "UnstructuredDocument",
    "ccam",
    "check",
    "read",
    "read_header",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(__all__) | set(globals()))
