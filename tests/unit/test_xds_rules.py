"""Checks of XDS metadata: each rule refuses what breaks it and nothing else, on the metadata of a real letter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sunes_sdk import xds
from sunes_sdk.dmp import INVISIBLE, MASKED
from sunes_sdk.model import Code, StayClass
from sunes_sdk.testing import samples
from sunes_sdk.xds import UPDATES_STATUS, Association, Author, AvailabilityStatus, DocumentEntry, Folder, Submission
from sunes_sdk.xds.rules import check, check_author, check_confidentiality, check_dmp

N = Code(code="N", system="2.16.840.1.113883.5.25", display="Normal")
REPRESENTATIVES = Code(code="INVISIBLE_REPRESENTANTS_LEGAUX", system=MASKED.system)
LIBRE = "899900063480^MAX^LIBRE^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
DEVICE = "3750100125/9762^Automate de laboratoire X^waralab1000^^^^^^&1.2.250.1.71.4.2.1&ISO^U^^^RI"
LOCAL = "3750100125/1453^MARTIN^Philippe^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^EI"
PATIENT = "124018852493334^FORM-TROIS^Gérard^^^^^^&1.2.250.1.213.1.4.8&ISO^D^^^NH"
CABINET = "CABINET DR LIBRE^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^499900063480001"


@pytest.fixture(scope="module")
def submission() -> Submission:
    entry = xds.project(samples.discharge_letter().render(samples.issuer()))
    sending = xds.submission_set(
        entry, id="SubmissionSet01", unique_id="1.2.250.1.213.9.2.2.1", source_id=samples.SOURCE_ID,
        content_type=xds.content_type(StayClass.INPATIENT), submitted_at=datetime(2026, 1, 15, tzinfo=UTC),
    )  # fmt: skip
    return Submission(submission_set=sending, entries=(entry,))


def with_entry(submission: Submission, **changes: Any) -> Submission:
    return replace(submission, entries=(replace(submission.entries[0], **changes),))


def with_person(submission: Submission, person: str) -> Submission:
    return with_entry(submission, authors=(Author(person=person),))


def test_a_letter_breaks_no_rule(submission: Submission) -> None:
    assert list(check_dmp(submission)) == []


@pytest.mark.parametrize("person", [LIBRE, DEVICE, LOCAL, "10B0127189/12^A^B^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^EI",
                                    "02A1234567^A^B^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"])  # fmt: skip
def test_published_persons_break_no_rule(person: str) -> None:
    assert list(check_author(Author(person=person, institution=CABINET), "author")) == []


@pytest.mark.parametrize("institution", [
    "", CABINET, "NOM EDITEUR^^^^^&1.3.2&ISO^SIREN^^^2704090820", "Un hôpital sans identifiant",
    "Groupe Pitié Salpêtrière^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1750100125",
    "^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^10B0127189",
])  # fmt: skip
def test_published_structures_break_no_rule(institution: str) -> None:
    assert list(check_author(Author(person=LIBRE, institution=institution), "author")) == []


def test_a_patient_writes_without_institution() -> None:
    author = Author(
        person=PATIENT,
        specialties=("EXP_PATIENT^Expression personnelle du patient^1.2.250.1.213.1.1.4.6",),
        roles=("patient",),
    )
    assert list(check_author(author, "author")) == []
    (finding,) = check_author(replace(author, institution=CABINET), "author")
    assert finding.code == "XDS_PATIENT_INSTITUTION"


@pytest.mark.parametrize(
    ("person", "code"),
    [
        ("^MAX^LIBRE^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS", "XDS_XCN_ID"),
        ("99900063480^MAX^LIBRE^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS", "XDS_XCN_ID"),  # no type 9
        ("12345^MAX^LIBRE^^^^^^&1.2.250.1.213.1.4.10&ISO^D^^^NH", "XDS_XCN_ID"),
        ("899900063480^^LIBRE^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS", "XDS_XCN_NAME"),
        ("899900063480^MAX^^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS", "XDS_XCN_NAME"),
        ("3750100125/1^^^^^^^^&1.2.250.1.71.4.2.1&ISO^U^^^RI", "XDS_XCN_NAME"),
        ("899900063480^MAX^LIBRE^^^^^^^D^^^IDNPS", "XDS_XCN_AUTHORITY"),
        ("899900063480^MAX^LIBRE^^^^^^1.2.250.1.71.4.2.1^D^^^IDNPS", "XDS_XCN_AUTHORITY"),
        ("899900063480^MAX^LIBRE^^^^^^&1.2.250.1.71.4.2.1&ISO^X^^^IDNPS", "XDS_XCN_KIND"),
        ("899900063480^MAX^LIBRE^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^", "XDS_XCN_TYPE"),
        ("899900063480^MAX^LIBRE^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^RI", "XDS_XCN_TYPE"),
        ("899900063480^MAX^LIBRE^^^^^^&1.2.250.1.71.4.2.1&ISO^U^^^IDNPS", "XDS_XCN_TYPE"),
        ("899900063480^MAX^LIBRE^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^NH", "XDS_XCN_TYPE"),
        ("899900063480^MAX^LIBRE^^^^^^&1.2.250.1.71.4.2.2&ISO^D^^^IDNPS", "XDS_XCN_TYPE"),
        ("279035121518989^MAX^LIBRE^^^^^^&1.2.250.1.213.1.4.10&ISO^D^^^IDNPS", "XDS_XCN_TYPE"),
    ],
)
def test_each_rule_of_persons(submission: Submission, person: str, code: str) -> None:
    """On authorPerson and on legalAuthenticator; of a set too."""
    assert {f.code for f in check(with_person(submission, person))} == {code}
    assert {f.code for f in check(with_entry(submission, legal_authenticator=person))} == {code}
    sending = submission.submission_set
    assert sending is not None
    mutated = replace(submission, submission_set=replace(sending, author=Author(person=person)))
    assert {f.code for f in check(mutated)} == {code}


@pytest.mark.parametrize(
    "institution",
    [
        "X^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^",
        "X^^^^^&1.2.250.1.71.4.2.2&ISO^^^^1750100125",
        "X^^^^^^IDNST^^^1750100125",
        "X^^^^^&1.2.250.1.71.4.2.2&ISO^SIREN^^^1750100125",
        "X^^^^^1.2.250.1.71.4.2.2^IDNST^^^1750100125",
        "X^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^17501 00125",
        "^^^^^^^^^",
    ],
)
def test_the_rule_of_structures(institution: str) -> None:
    assert {f.code for f in check_author(Author(person=LIBRE, institution=institution), "author")} == {"XDS_XON"}


@pytest.mark.parametrize(
    ("changes", "code", "where"),
    [
        ({"title": ""}, "XDS_MISSING", "title"),
        ({"type_code": None}, "XDS_MISSING", "type_code"),
        ({"authors": ()}, "XDS_MISSING", "authors"),
        ({"size": None}, "XDS_MISSING", "size"),
        ({"confidentiality": ()}, "XDS_MISSING", "confidentiality"),
        ({"unique_id": "urn:uuid:1"}, "XDS_UNIQUE_ID", "unique_id"),
        ({"creation_time": "2026-01-15"}, "XDS_TIME", "creation_time"),
        ({"creation_time": "20260115103000+0100"}, "XDS_TIME", "creation_time"),
        ({"service_stop": "202"}, "XDS_TIME", "service_stop"),
        ({"service_start": "20260116", "service_stop": "20260115100000"}, "XDS_TIME_ORDER", "service_stop"),
        ({"hash": "AB" * 20}, "XDS_HASH", "hash"),
        ({"hash": "ab" * 19}, "XDS_HASH", "hash"),
        ({"source_patient_id": "1234^^^&1.2.3&ISO^NH"}, "XDS_CX", "source_patient_id"),
        ({"source_patient_id": "^^^&1.2.3&ISO^PI"}, "XDS_CX", "source_patient_id"),
        ({"source_patient_id": "1234^^^1.2.3^PI"}, "XDS_CX", "source_patient_id"),
        ({"source_patient_info": ("PID-9|x",)}, "XDS_PID", "source_patient_info"),
        ({"source_patient_info": ("PID-5|",)}, "XDS_PID", "source_patient_info"),
        ({"source_patient_info": ("PID-5|A^B",)}, "XDS_PID", "source_patient_info"),
        ({"source_patient_info": ("PID-5|A^B^^^^^L", "PID-7|28/03/1979")}, "XDS_PID", "source_patient_info"),
        ({"source_patient_info": ("PID-5|A^B^^^^^L", "PID-8|Femme")}, "XDS_PID", "source_patient_info"),
    ],
)
def test_each_rule_of_entries(submission: Submission, changes: dict[str, Any], code: str, where: str) -> None:
    found = list(check(with_entry(submission, **changes)))
    assert {f.code for f in found} == {code}
    assert all(where in f.path and f.hint and f.rule for f in found)


@pytest.mark.parametrize(
    "changes",
    [
        {"service_start": "2026", "service_stop": "20260115"},  # as precise as both are
        {"service_stop": ""},
        {"source_patient_info": ("PID-5|A^B^^^^^L", "PID-5|C^D^^^^^D", "PID-7|1979", "PID-8|U")},
        {"source_patient_info": ()},
        {"source_patient_id": "279035121518989^^^&1.2.250.1.213.1.4.10&ISO^NH^^20210604092415"},
    ],
)
def test_what_is_allowed_is_not_found(submission: Submission, changes: dict[str, Any]) -> None:
    assert list(check(with_entry(submission, **changes))) == []


@pytest.mark.parametrize("specialty", ["G15_10/SM26", "G15_10/SM26^Médecin", "^Médecin^1.2", "a^b^1.2^c"])
def test_a_specialty_is_code_label_and_system(specialty: str) -> None:
    assert [f.code for f in check_author(Author(person=LIBRE, specialties=(specialty,)), "a")] == ["XDS_SPECIALTY"]


@pytest.mark.parametrize("role", ["", "ATTPHYS^Référent^2.16"])
def test_a_role_is_a_label(role: str) -> None:
    assert [f.code for f in check_author(Author(person=LIBRE, roles=(role,)), "a")] == ["XDS_ROLE"]


# --- objects and links ------------------------------------------------------------------------------------------------


def test_two_patients_and_two_uses_of_an_identifier(submission: Submission) -> None:
    other = replace(submission.entries[0], patient_id="207058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH")
    codes = {f.code for f in check(replace(submission, entries=(*submission.entries, other)))}
    assert codes == {"XDS_PATIENTS", "XDS_DUPLICATE"}


def test_a_folder_has_codes_and_an_identifier(submission: Submission) -> None:
    patient_id = submission.entries[0].patient_id
    folder = Folder(id="Folder01", unique_id="1.2.3", patient_id=patient_id, codes=(Code(code="x", system="1.2"),))
    assert list(check(replace(submission, folders=(folder,)))) == []
    for changes, code in (
        ({"codes": ()}, "XDS_MISSING"), ({"unique_id": "x"}, "XDS_UNIQUE_ID"), ({"patient_id": "x"}, "XDS_CX"),
        ({"id": "SubmissionSet01"}, "XDS_DUPLICATE"),
    ):  # fmt: skip
        mutated = replace(folder, **changes)
        assert code in {f.code for f in check(replace(submission, folders=(mutated,)))}


APPROVED, DELETED = AvailabilityStatus.APPROVED, AvailabilityStatus.DELETED


@pytest.mark.parametrize(
    ("changes", "right"),
    [
        ({"slots": xds.status_change(APPROVED, DELETED)}, True),
        ({"slots": xds.status_change(APPROVED, APPROVED)}, False),
        ({"slots": (("NewStatus", (DELETED.value,)),)}, False),
        ({"slots": (("OriginalStatus", (APPROVED.value,)),)}, False),
        ({"slots": xds.status_change(APPROVED, DELETED), "target": ""}, False),
        ({"type": xds.HAS_MEMBER}, True),
        ({"type": xds.HAS_MEMBER, "source": ""}, False),
    ],
)
def test_a_change_of_status_says_both(submission: Submission, changes: dict[str, Any], right: bool) -> None:
    link = Association(**{"id": "a", "type": UPDATES_STATUS, "source": "s", "target": "t"} | changes)
    found = [f.code for f in check(replace(submission, associations=(link,)))]
    assert found == ([] if right else ["XDS_ASSOCIATION"])


# --- the DMP ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codes", "options", "expected"),
    [
        ((N,), {}, set()),
        ((N, MASKED), {}, set()),
        ((N, INVISIBLE, REPRESENTATIVES), {}, set()),
        ((N, MASKED, REPRESENTATIVES), {}, set()),
        ((N, MASKED, INVISIBLE), {}, {"XDS_VISIBILITY_TOGETHER"}),
        ((N, MASKED, INVISIBLE), {"together": True}, set()),
        ((N, MASKED, INVISIBLE), {"signature": True}, set()),
        ((N, MASKED, INVISIBLE, REPRESENTATIVES), {"together": True}, set()),
        ((), {}, {"XDS_CONFIDENTIALITY"}),
        ((MASKED,), {}, {"XDS_CONFIDENTIALITY"}),
        ((N, N), {}, {"XDS_CONFIDENTIALITY"}),
        ((N, MASKED, MASKED), {}, {"XDS_CONFIDENTIALITY"}),
        ((N, Code(code="SECRET", system=MASKED.system)), {}, {"XDS_CONFIDENTIALITY"}),
        ((Code(code="N", system=MASKED.system),), {}, {"XDS_CONFIDENTIALITY"}),
    ],
)
def test_each_combination_of_visibility(codes: tuple[Code, ...], options: dict[str, Any], expected: set[str]) -> None:
    assert {f.code for f in check_confidentiality(codes, **options)} == expected


Change = Callable[[DocumentEntry], DocumentEntry]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda e: replace(e, class_code=Code(code="31", system="1.2.250.1.213.1.1.4.1")), "XDS_CLASS"),
        (lambda e: replace(e, type_code=Code(code="27899-4", system="2.16.840.1.113883.6.1")), "XDS_CODE"),
        (lambda e: replace(e, facility_type=Code(code="SA67", system="1.2.250.1.71.4.2.4")), "XDS_CODE"),
        (lambda e: replace(e, practice_setting=Code(code="ESSMS", system="1.2.250.1.213.1.1.4.9")), "XDS_CODE"),
        (lambda e: replace(e, format_code=Code(code="urn:nope", system="1.2")), "XDS_CODE"),
        (lambda e: replace(e, confidentiality=(MASKED,)), "XDS_CONFIDENTIALITY"),
    ],
)
def test_each_rule_of_the_dmp(submission: Submission, change: Change, code: str) -> None:
    mutated = replace(submission, entries=(change(submission.entries[0]),))
    assert {f.code for f in check_dmp(mutated)} == {code}
    assert list(check(mutated)) == []


def test_the_dmp_wants_an_ins(submission: Submission) -> None:
    sending = submission.submission_set
    assert sending is not None
    local = "1234^^^&1.2.3&ISO^PI"
    mutated = with_entry(replace(submission, submission_set=replace(sending, patient_id=local)), patient_id=local)
    assert list(check(mutated)) == []
    (finding,) = check_dmp(mutated)
    assert (finding.code, bool(finding.message_fr)) == ("XDS_NO_INS", True)
