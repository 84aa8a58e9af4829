"""Vital signs, the pregnancy status and the language of a file read back, and what of them cannot be read."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sunes_sdk.cda import (
    MedicationPrescription,
    PrescribedTreatment,
    UnstructuredDocument,
    read,
)
from sunes_sdk.cda.documents.imaging import PregnancyStatus
from sunes_sdk.cda.documents.measures import VITAL_SIGN_UNITS, Measure
from sunes_sdk.cda.documents.vital_signs import VitalSign, VitalSignKind
from sunes_sdk.cda.reader import ReadDocument
from sunes_sdk.cda.reading.normal import normalised
from sunes_sdk.testing import sample_reports as reports
from sunes_sdk.testing import samples

SIGNS = tuple(
    VitalSign(
        kind=kind,
        measure=Measure(value=Decimal("36.60"), unit=VITAL_SIGN_UNITS[kind][0]),
        at=samples.WRITTEN - timedelta(days=n) if n % 2 else date(2026, 1, 10),
    )
    for n, kind in enumerate(VitalSignKind)
)


def prescription(**changes: Any) -> MedicationPrescription:
    values: dict[str, Any] = {
        "patient": samples.patient(),
        "author": samples.physician().at(samples.hospital()),
        "custodian": samples.hospital(),
        "stay": samples.stay(),
        "treatments": (PrescribedTreatment(name="PARACETAMOL", posology="1 par jour"),),
        "written_at": samples.WRITTEN,
        "valid_until": samples.WRITTEN + timedelta(days=90),
        "pdf_copy": reports.PDF,
        "vital_signs": SIGNS,
        "pregnancy": PregnancyStatus.PREGNANT,
    }
    return MedicationPrescription(**values | changes)


def mutated(pattern: str, by: str) -> ReadDocument:
    text, done = re.subn(pattern, by, prescription().render(samples.issuer()).content.decode(), count=1)
    assert done
    return read(text.encode())


@pytest.mark.parametrize("status", PregnancyStatus)
def test_vital_signs_and_pregnancy_come_back(status: PregnancyStatus) -> None:
    given = prescription(pregnancy=status)
    document = given.render(samples.issuer())
    received = read(document.content, strict=True)
    found: Any = received.typed(strict=True)
    assert found == normalised(given, document)
    assert found.vital_signs == SIGNS
    assert found.pregnancy is status


@pytest.mark.parametrize(
    ("pattern", "by"),
    [
        (r'<code code="9279-1"[^>]*>', '<code nullFlavor="UNK">'),
        (r'<value unit="/min" value="36.60"', '<value unit="/min"'),
        (r'<value unit="/min" value="36.60"', '<value unit="h" value="36.60"'),
        (r'<value unit="/min" value="36.60"', '<value value="36.60"'),
        (r'(36\.60" xsi:type="PQ"></value></observation></component><component.*?<effectiveTime value=")[0-9+]*',
         r"\g<1>2026"),
    ],
)  # fmt: skip
def test_a_sign_that_says_too_little_is_left_out_and_noted(pattern: str, by: str) -> None:
    received = mutated(pattern, by)
    found: Any = received.typed()
    assert len(found.vital_signs) == len(SIGNS) - 1
    assert {f.code for f in received.unread()} >= {"CDA_UNREAD", "CDA_UNREAD_ENTRY"}


def test_a_pregnancy_of_another_time_is_noted() -> None:
    received = mutated(r'(11449-6".*?<effectiveTime value=")2026', r"\g<1>2025")
    found: Any = received.typed()
    assert found.pregnancy is PregnancyStatus.PREGNANT
    assert [f.message.partition(" is not")[0] for f in received.unread()] == ["the time of the pregnancy status"]


def test_an_unknown_pregnancy_status_stays_unread() -> None:
    received = mutated(r'code="77386006"', 'code="77386007"')
    found: Any = received.typed()
    assert found.pregnancy is None
    assert [f.code for f in received.unread()] == ["CDA_UNREAD_ENTRY"]


def letter(language: str) -> ReadDocument:
    given = UnstructuredDocument(
        patient=samples.patient(), author=samples.physician().at(samples.hospital()), custodian=samples.hospital(),
        stay=samples.stay(), document_type="11488-4", title="Letter", body=b"Dear colleague", media_type="text/plain",
        language="en-GB",
    )  # fmt: skip
    content = given.render(samples.issuer()).content.decode()
    return read(content.replace('<languageCode code="en-GB">', f'<languageCode code="{language}">').encode())


def test_the_language_of_a_file_comes_back() -> None:
    found: Any = letter("en-GB").typed(strict=True)
    assert found.language == "en-GB"


def test_a_language_that_is_none_is_noted() -> None:
    received = letter("english")
    found: Any = received.typed()
    assert found.language is None
    assert [f.message.partition(" is not")[0] for f in received.unread()] == ["the language of the file"]
