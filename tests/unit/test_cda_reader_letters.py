"""Both *lettres de liaison* read back: what they say comes back, what they do not say is not made up."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import CdaError
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import (
    AdmissionLetter,
    Allergy,
    Appointment,
    DischargeLetter,
    FollowUp,
    Issuer,
    NoAllergy,
    Procedure,
    read,
)
from sunes_sdk.cda.reader import ReadDocument
from sunes_sdk.cda.reading.normal import normalised
from sunes_sdk.model import Code
from sunes_sdk.testing import sample_letters as letters
from sunes_sdk.testing import samples


def issuer() -> Issuer:
    return Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(1), clock=FixedClock(samples.WRITTEN))


def mutated(letter: AdmissionLetter | DischargeLetter, pattern: str, by: str, count: int = 1) -> ReadDocument:
    text, done = re.subn(pattern, by, letter.render(issuer()).content.decode(), count=count, flags=re.DOTALL)
    assert done
    return read(text.encode())


@pytest.mark.parametrize(
    "letter",
    [
        letters.admission_letter(),
        letters.admission_letter(written_at=None, treatments=(), allergies=(), medical_history=(),
                                 surgical_history=(), treating_physician=None, referrer=None, recipients=(),
                                 pdf_copy=None),
        *[letters.admission_letter(allergies=(), no_allergy=absent) for absent in NoAllergy],
        letters.discharge_letter(),
        letters.discharge_letter(allergies=(), no_allergy=NoAllergy.NO_INFORMATION),
        letters.discharge_letter(
            care_plan=(
                Appointment(text="Un rendez-vous\nà prendre", call_back=True),
                FollowUp(text="Suivi", code=Code(code="ORG-064", system="1.2.250.1.213.1.1.4.322")),
                Procedure(name="Geste", end="2026"),
            )
        ),
    ],
)  # fmt: skip
def test_a_letter_comes_back(letter: AdmissionLetter | DischargeLetter) -> None:
    document = letter.render(issuer())
    received = read(document.content, strict=True)
    assert received.typed(strict=True) == normalised(letter, document)
    assert not received.unread()


def test_a_letter_that_its_writer_completed_is_equal_without_further_ado() -> None:
    """Nothing is lost: what was read renders to the same bytes but for what is drawn anew."""
    first = read(letters.admission_letter().render(issuer()).content).typed()
    assert read(first.render(issuer()).content).typed() == first


def test_a_referrer_of_another_time_is_a_participant() -> None:
    letter = letters.admission_letter()
    received = mutated(letter, r'(typeCode="REFB"><time xsi:type="IVL_TS"><low value=")[0-9]{8}', r"\g<1>20250101")
    found: Any = received.typed(strict=True)
    assert found.referrer is None
    assert [p.type_code for p in found.participants] == ["REFB"]


def test_what_is_said_not_to_be_is_not_read_as_being() -> None:
    received = mutated(letters.admission_letter(), 'negationInd="false"', 'negationInd="true"', count=0)
    found: Any = received.typed()
    assert found.medical_history == ()
    assert [a.reactions for a in found.allergies] == [()] * len(letters.allergies())
    listed = [f for f in received.unread() if f.code == "CDA_UNREAD_ENTRY"]
    assert len(listed) == len(letters.medical_history()) + sum(len(a.reactions) for a in letters.allergies())


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        (r'<code code="416098002"[^>]*>', "its kind"),
        (r'<code code="282291009"[^>]*>', "its kind"),
    ],
)
def test_a_kind_that_is_not_said_is_noted(pattern: str, what: str) -> None:
    received = mutated(letters.admission_letter(), pattern, '<code nullFlavor="UNK">')
    assert any(f.message.startswith(what) for f in received.unread())


def test_allergies_that_are_not_coded_are_not_an_absence_of_allergy() -> None:
    received = mutated(letters.admission_letter(), r"(<title>Allergies.*?</text>)<entry>.*?</entry>", r"\1")
    with pytest.raises(CdaError) as refused:
        received.typed()
    assert refused.value.code == "CDA_NOT_TYPED"


def test_no_allergy_beside_one_that_cannot_be_read_is_not_an_absence_of_allergy() -> None:
    letter = letters.discharge_letter(allergies=(Allergy(substance="Lait"), Allergy(substance="Œuf")))
    none = '<value code="no-known-allergies" codeSystem="1.2.3" xsi:type="CD"></value>'
    received = mutated(letter, r"(Lait</content>.*?)<value xsi:type=\"CD\">.*?</value>", rf"\1{none}")
    unnamed = received.content.decode().replace("<name>Œuf</name>", "<name></name>")
    found: Any = read(unnamed.encode()).typed()
    assert found.allergies is None
    assert len(read(unnamed.encode()).unread()) >= 3


def test_a_time_that_the_model_cannot_hold_is_noted() -> None:
    letter = letters.discharge_letter(allergies=(Allergy(substance="Lait", since="2001-02"),))
    received = mutated(letter, r'(<low value=")200102(")', r"\g<1>20010203104500+0100\2", count=0)
    found: Any = received.typed()
    assert str(found.allergies[0].since) == "2001-02-03"
    assert [f.message.partition(" is not")[0] for f in received.unread()] == ["the hour of a date"]


def test_who_says_only_a_part_of_the_synthesis_is_noted() -> None:
    received = mutated(letters.discharge_letter(), r"<author>(?:(?!</author>).)*</author>(?=</observation>)", "")
    found: Any = received.typed()
    assert found.synthesis.author is None
    assert len(received.unread()) == 9


def test_an_appointment_keeps_its_hour_and_its_structure() -> None:
    found: Any = read(letters.discharge_letter().render(issuer()).content).typed()
    (appointment,) = [a for a in found.care_plan if getattr(a, "practitioner", None)]
    assert appointment.at == samples.WRITTEN + timedelta(days=30)
    assert appointment.practitioner.organization.name == samples.hospital().name


@pytest.mark.parametrize(
    ("pattern", "by"),
    [
        (r'(<serviceEvent>.*?<low value=")2026', r"\g<1>2025"),
        (r'(<serviceEvent>.*?<low value=")2026', r"\g<1>today"),
        (r'(<serviceEvent><code code=")IMP', r"\g<1>AMB"),
    ],
)
def test_a_principal_act_of_its_own_is_noted(pattern: str, by: str) -> None:
    """The model of a letter has no other act than its stay."""
    received = mutated(letters.discharge_letter(), pattern, by)
    assert "the principal act" in {f.message.partition(" is not")[0] for f in received.unread()}


@pytest.mark.parametrize(
    ("text", "what"),
    [("20260110", "the hour of a time"), ("20260110090000", "the offset of a time")],
)
def test_what_stands_for_a_part_of_a_time_is_noted(text: str, what: str) -> None:
    received = mutated(letters.discharge_letter(), r'(<encompassingEncounter>.*?<low value=")[0-9+]*', rf"\g<1>{text}")
    assert what in {f.message.partition(" is not")[0] for f in received.unread()}


def test_a_death_of_which_the_day_is_not_known_has_no_date() -> None:
    dead = letters.discharge_letter(patient=samples.patient(deceased=True, deceased_at=samples.DISCHARGED))
    received = mutated(dead, r'(deceasedTime value=")[0-9+]*', r"\g<1>2026")
    found: Any = received.typed()
    assert (found.patient.deceased, found.patient.deceased_at) == (True, None)
    assert "the time of death" in {f.message.partition(" is not")[0] for f in received.unread()}
