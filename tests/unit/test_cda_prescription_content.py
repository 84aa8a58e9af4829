"""What a prescription holds beside its medicines: devices, versions of the volet, people, and what is refused."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from lxml import etree

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import ModelError
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import (
    CdaDocument,
    Issuer,
    MedicationPrescription,
    PrescribedDevice,
    PrescribedTreatment,
    Quantity,
    check,
)
from sunes_sdk.cda.documents.imaging import PregnancyStatus
from sunes_sdk.cda.documents.measures import VITAL_SIGN_UNITS, Measure
from sunes_sdk.cda.documents.treatments import EMDN
from sunes_sdk.cda.documents.vital_signs import VitalSign, VitalSignKind
from sunes_sdk.model import Code
from sunes_sdk.testing import samples

NS = {"c": "urn:hl7-org:v3"}
PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>\nstartxref\n0\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n"
LINE = PrescribedTreatment(name="PARACETAMOL", posology="1 par jour")
BED = PrescribedDevice(
    name="Lit médical",
    emdn=Code(code="V0806", system=EMDN, display="LITS MÉDICAUX"),
    lpp="1215702",
    lpp_label="lit médical, lit + 135 kg",
    start=date(2026, 1, 15),
    end=date(2026, 3, 15),
    rental=Quantity(value=Decimal(60), unit="d"),
    quantity=2,
    repeats=3,
    chronic_disease=True,
    comment="À livrer avant la sortie",
)


def prescription(**changes: Any) -> MedicationPrescription:
    physician = samples.physician().at(samples.hospital())
    values: dict[str, Any] = {
        "patient": samples.patient(),
        "author": physician,
        "custodian": samples.hospital(),
        "stay": samples.stay(responsible=physician),
        "treatments": (LINE,),
        "valid_until": samples.WRITTEN + timedelta(days=90),
        "pdf_copy": PDF,
        "barcode": PNG,
    }
    return MedicationPrescription(**values | changes)


def rendered(**changes: Any) -> CdaDocument:
    document = prescription(**changes).render(
        Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(1), clock=FixedClock(samples.WRITTEN))
    )
    assert not check(document.content).findings, str(check(document.content))
    return document


def found(document: CdaDocument, path: str) -> list[str]:
    return [str(each) for each in etree.fromstring(document.content).xpath(path, namespaces=NS)]


def test_a_device_says_the_same_in_entry_and_narrative() -> None:
    document = rendered(treatments=(), devices=(BED,))
    supply = "//c:supply[@moodCode='INT']"
    assert found(document, f"{supply}//c:playingDevice/c:code/@code") == ["V0806"]
    assert found(document, f"{supply}//c:playingDevice/c:code/c:translation/@code") == ["1215702"]
    assert found(document, f"{supply}/c:expectedUseTime/c:width/@value") == ["60"]
    assert found(document, f"{supply}/c:quantity/@value") == ["2"]
    assert found(document, f"{supply}/c:repeatNumber/@value") == ["3"]
    assert found(document, f"{supply}//c:observation/c:value/@value") == ["true", "false", "false", "false"]
    items = found(document, "//c:section[c:code/@code='46264-8']/c:text//c:item//text()")
    for text in ("lit médical, lit + 135 kg [LPP 1215702]", "LITS MÉDICAUX", "60 jours", "À livrer avant la sortie"):
        assert text in items
    assert found(document, "//c:section[c:code/@code='57828-6']") == []


def test_a_device_without_category_says_so_and_keeps_its_price_list_code() -> None:
    document = rendered(devices=(PrescribedDevice(name="Bas de contention", lpp="1215702"),))
    code = "//c:playingDevice/c:code"
    assert found(document, f"{code}/@nullFlavor") == ["UNK"]
    assert found(document, f"{code}/c:translation/@codeSystemName") == ["LPP"]


@pytest.mark.parametrize("version", ["2022.01", "2023.01", "2024.01"])
def test_the_version_is_written_and_changes_nothing_else(version: str) -> None:
    document = rendered(version=version)
    template = "//c:ClinicalDocument/c:templateId[@root='1.2.250.1.213.1.1.1.39']/@extension"
    assert found(document, template) == [version]
    latest = rendered()
    assert document.content.replace(version.encode(), b"2024.01") == latest.content
    assert document.format_code == latest.format_code


def test_people_of_the_prescription_are_participants() -> None:
    practice = samples.hospital(name="Cabinet médical")
    document = rendered(
        replaced=samples.general_practitioner().at(practice),
        dispenser=samples.physician(profession="21", specialty="A", rpps="01234534765").at(practice),
        dispense_by=samples.WRITTEN + timedelta(days=3),
    )
    assert found(document, "//c:participant/@typeCode") == ["CON", "PRF"]
    assert found(document, "//c:participant/c:functionCode/@code") == ["CORRE"]
    assert len(found(document, "//c:participant[@typeCode='PRF']/c:time/c:high/@value")) == 1


def test_a_discharge_prescription_says_so_in_its_title_only() -> None:
    document = rendered(discharge=True)
    assert document.title.endswith("ordonnance de sortie")
    assert document.type_code.code == "57833-6"
    assert document.header.encounter.code == rendered().header.encounter.code
    assert rendered(discharge=True, title="Ordonnance").title == "Ordonnance"


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"treatments": ()}, "PRESCRIPTION_EMPTY", "treatments"),
        ({"pdf_copy": None}, "PRESCRIPTION_PDF_COPY", "pdf_copy"),
        ({"barcode": None, "version": "2022.01"}, "PRESCRIPTION_BARCODE", "barcode"),
        ({"barcode": None, "version": "2023.01"}, "PRESCRIPTION_BARCODE", "barcode"),
        ({"barcode": b"\xff\xd8\xff"}, "PRESCRIPTION_BARCODE", "barcode"),
        ({"dispense_by": samples.WRITTEN}, "PRESCRIPTION_DISPENSER", "dispenser"),
        ({"valid_from": samples.WRITTEN + timedelta(days=99)}, "PRESCRIPTION_VALIDITY", "valid_until"),
    ],
)
def test_an_incomplete_prescription_is_refused(changes: dict[str, Any], code: str, path: str) -> None:
    with pytest.raises(ModelError) as caught:
        prescription(**changes)
    error = caught.value
    assert (error.code, error.path) == (code, f"MedicationPrescription.{path}")
    assert error.rule
    assert error.hint
    assert error.hint_fr


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"start": date(2026, 1, 2), "end": date(2026, 1, 1)}, "TREATMENT_DATES"),
        ({"rental": Quantity(value=Decimal(1), unit="mg")}, "DOSING_DURATION"),
        ({"lpp": "12"}, "MODEL_STRING_PATTERN_MISMATCH"),
    ],
)
def test_a_device_that_cannot_be_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(ModelError) as caught:
        PrescribedDevice(name="Lit", **changes)
    assert caught.value.code == code


def test_files_do_not_show_in_repr() -> None:
    shown = repr(prescription())
    assert "PNG" not in shown
    assert "%PDF" not in shown


# --- vital signs -----------------------------------------------------------------------------------------------------

NORMAL = {
    "/min": Decimal(60), "%": Decimal(98), "mm[Hg]": Decimal(120), "Cel": Decimal("37.2"), "cm": Decimal(170),
    "kg": Decimal("55.5"), "kg/m2": Decimal(19),
}  # fmt: skip
SIGNS = tuple(
    VitalSign(kind=kind, measure=Measure(value=NORMAL[unit], unit=unit), at=samples.ADMITTED)
    for kind in VitalSignKind
    if (unit := VITAL_SIGN_UNITS[kind][0])
)


def test_vital_signs_say_the_same_in_entries_and_table() -> None:
    today = VitalSign(kind=VitalSignKind.WEIGHT, measure=Measure(value=Decimal(56), unit="kg"), at=date(2026, 1, 14))
    document = rendered(vital_signs=(*SIGNS, today))
    organizer = "//c:organizer[c:code/@code='85353-1']"
    assert found(document, f"{organizer}/c:component//c:code/@code") == [*(k.value for k in VitalSignKind), "29463-7"]
    assert found(document, f"{organizer}/c:effectiveTime/@value") == ["20260114"]
    rows = found(document, "//c:section[c:code/@code='8716-3']//c:tr[@ID]/c:td/text()")
    assert rows[-3:] == ["14/01/2026", "Poids", "56 kg"]
    assert "37,2 Cel" in rows


@pytest.mark.parametrize("kind", VitalSignKind)
def test_a_vital_sign_in_another_unit_is_refused(kind: VitalSignKind) -> None:
    with pytest.raises(ModelError) as caught:
        VitalSign(kind=kind, measure=Measure(value=Decimal(1), unit="mmol/L"), at=samples.ADMITTED)
    assert (caught.value.code, caught.value.path) == ("VITAL_SIGN_UNIT", "VitalSign.measure.unit")
    assert VITAL_SIGN_UNITS[kind][0] in caught.value.hint
    assert caught.value.hint_fr


@pytest.mark.parametrize("status", PregnancyStatus)
def test_the_pregnancy_is_said_by_its_code_and_label(status: PregnancyStatus) -> None:
    document = rendered(pregnancy=status)
    observation = "//c:observation[c:code/@code='11449-6']"
    assert found(document, f"{observation}/c:value/@code") == [status.value]
    (label,) = found(document, f"{observation}/c:value/@displayName")
    assert found(document, "//c:section[c:code/@code='10162-6']/c:text//text()") == [label]
