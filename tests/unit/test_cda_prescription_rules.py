"""Each thing that a rule of the prescription says has a document that it refuses: branches beside the one mutation."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import (
    DoseStep,
    DosingMode,
    Issuer,
    MedicationPrescription,
    Medicine,
    PrescribedDevice,
    PrescribedTreatment,
    Quantity,
    check,
)
from sunes_sdk.testing import samples

PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>\nstartxref\n0\n%%EOF\n"
TABLET = Quantity(value=Decimal(1), unit="{tablet}")
DAY = Quantity(value=Decimal(1), unit="d")
STEP = DoseStep(dose=TABLET, every=DAY)
LINES: dict[str, dict[str, Any]] = {
    "normal": {"dose": TABLET, "every": DAY, "rate": Quantity(value=Decimal(5), unit="mL/h")},
    "delayed": {"mode": DosingMode.DELAYED, "lasting": DAY},
    "tapered": {"mode": DosingMode.TAPERED, "steps": (STEP, STEP)},
    "conditional": {"mode": DosingMode.CONDITIONAL, "steps": (DoseStep(condition="Douleur", dose=TABLET),)},
    "combined": {"mode": DosingMode.COMBINED, "steps": (DoseStep(product=Medicine(name="X", cis="60090763")),)},
}
NORMAL, TAPERED, SPLIT, DELAYED = (
    f'<templateId root="{mode.value}"></templateId>'
    for mode in (DosingMode.NORMAL, DosingMode.TAPERED, DosingMode.SPLIT, DosingMode.DELAYED)
)


def rendered(line: str) -> str:
    physician = samples.physician().at(samples.hospital())
    values = {"name": "PARACETAMOL", "posology": "selon le schéma", "start": date(2026, 1, 15)}
    if line == "delayed":
        del values["start"]
    return (
        MedicationPrescription(
            patient=samples.patient(),
            author=physician,
            custodian=samples.hospital(),
            stay=samples.stay(responsible=physician),
            treatments=(PrescribedTreatment(**values | LINES[line]),),
            devices=(PrescribedDevice(name="Lit", start=date(2026, 1, 15), end=date(2026, 2, 15)),),
            valid_until=samples.WRITTEN + timedelta(days=90),
            pdf_copy=PDF,
            barcode=b"\x89PNG",
        )
        .render(Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(1), clock=FixedClock(samples.WRITTEN)))
        .content.decode()
    )


@pytest.mark.parametrize("line", LINES)
def test_what_we_render_has_no_finding(line: str) -> None:
    assert not check(rendered(line).encode()).findings


@pytest.mark.parametrize(
    ("code", "line", "pattern", "replacement"),
    [
        ("CDA_E10", "normal", NORMAL, NORMAL + SPLIT),
        ("CDA_E10", "normal", NORMAL, ""),
        ("CDA_E10", "normal", NORMAL, TAPERED),
        ("CDA_E10", "tapered", TAPERED, NORMAL),
        ("CDA_E10", "tapered", TAPERED, TAPERED + DELAYED),
        ("CDA_E10", "tapered", TAPERED, DELAYED),
        ("CDA_E10", "normal", '<repeatNumber value="0">', '<repeatNumber value="-1">'),
        ("CDA_E13", "normal", r'("INT"><templateId root="2[^/]*10.20.1.34.*?)<repeatNumber [^>]*></repeatNumber>',
         r"\1"),
        ("CDA_E13", "normal", r'(1\.3\.48\.34"></templateId>.*?)GEN-295(.*?1\.3\.48\.34"></templateId>.*?)GEN-295',
         r"\1GEN-295\2GEN-1"),
        ("CDA_E15", "tapered", '<templateId root="1.2.250.1.213.1.1.3.83.1"></templateId>', ""),
        ("CDA_E15", "tapered", '<sequenceNumber value="1"></sequenceNumber>', ""),
        ("CDA_E15", "tapered", '<sequenceNumber value="1">', '<sequenceNumber value="a">'),
        ("CDA_E15", "conditional", "<precondition>.*?</precondition>", ""),
        ("CDA_E15", "combined", f'root="{DosingMode.COMBINED.value}"', f'root="{DosingMode.SPLIT.value}"'),
        ("CDA_E16", "normal", r"(<doseQuantity>)<low .*?</low>", r"\1"),
        ("CDA_E16", "normal", r'(<doseQuantity><low unit=")\{tablet\}', r"\1mg"),
        ("CDA_E16", "normal", r'(<rateQuantity><low unit="mL/h" value=")5', r"\g<1>NaN"),
        ("CDA_E16", "normal", r'(<period unit="d" value=")1', r"\g<1>0"),
        ("CDA_E16", "tapered", r'(<period unit="d" value=")1', r"\1"),
        ("CDA_E17", "normal", r'(<low value="20260115"></low>)<high nullFlavor="UNK"></high>', r"\1"),
        ("CDA_E17", "delayed", r"<width [^>]*></width>", ""),
        ("CDA_E17", "normal", '<high value="20260215">', '<high value="20260101">'),
    ],
)  # fmt: skip
def test_each_branch_refuses_its_mutation(code: str, line: str, pattern: str, replacement: str) -> None:
    mutated, count = re.subn(pattern, replacement, rendered(line), count=1, flags=re.DOTALL)
    assert count == 1
    assert code in {f.code for f in check(mutated.encode())}


def test_a_delayed_start_alone_is_a_mode_of_its_own() -> None:
    """Documents of others may hold only it: the French profile takes that."""
    alone = rendered("delayed").replace(NORMAL, "")
    assert "CDA_E10" not in {f.code for f in check(alone.encode())}
