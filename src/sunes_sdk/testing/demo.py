"""What the demonstration starts from: its example files, and the five documents of its stay."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import sunes_sdk

from ..cda import (
    DischargeLetter,
    EntryMode,
    ExitMode,
    MedicationPrescription,
    OperativeReport,
    PrescribedTreatment,
    Quantity,
    Synthesis,
    Treatment,
    ccam,
)
from ..cda.documents._base import ClinicalDocument
from ..model import Actor, Patient, Professional, Stay
from . import samples


def example_folder() -> Path:
    """Where the example files are: beside this module in an installed package, `examples/demo` in a clone."""
    installed = Path(__file__).with_name("demo_data")
    return installed if installed.is_dir() else Path(sunes_sdk.__file__).parents[2] / "examples" / "demo"


def read_example(name: str) -> bytes:
    return (example_folder() / name).read_bytes()
