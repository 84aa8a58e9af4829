"""Decisions of TD3.3: which change may follow which, which version is the present one, what a later look tells."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from lxml import etree

from sunes_sdk import xds
from sunes_sdk._core.xml import parse
from sunes_sdk.dmp import INVISIBLE, MASKED, life_cycle, td33
from sunes_sdk.dmp.rights import Transaction
from sunes_sdk.dmp.td33 import INVISIBLE_TO_REPRESENTATIVES, Held, Update
from sunes_sdk.errors import DmpError, MetadataError
from sunes_sdk.model import Code, Outcome
from sunes_sdk.xds import AvailabilityStatus, DocumentEntry, Submission, SubmissionSet

S = AvailabilityStatus
N = Code(code="N", system="2.16.840.1.113883.5.25", display="Normal")
INS = "279035121518989^^^&1.2.250.1.213.1.4.10&ISO^NH"
SET = SubmissionSet(
    id=td33.SET_ID, unique_id="1.2.3.4", source_id="1.2.3", patient_id=INS, submission_time="20260115093000"
)
ENTRY = DocumentEntry(
    id="urn:uuid:1", mime_type="text/xml", unique_id="1.2.9", patient_id=INS, confidentiality=(N,), title="Lettre",
    logical_id="urn:uuid:0", version="1", status=S.APPROVED.value,
)  # fmt: skip
R = f"{{{xds.ebrim.RIM}}}"
MOVES = {
    (S.APPROVED, S.ARCHIVED): Transaction.ARCHIVE,
    (S.ARCHIVED, S.APPROVED): Transaction.ARCHIVE,
    (S.APPROVED, S.DELETED): Transaction.DELETE,
    (S.ARCHIVED, S.DELETED): Transaction.DELETE,
}


@pytest.mark.parametrize("new", S)
@pytest.mark.parametrize("original", S)
def test_each_change_of_status(original: S, new: S) -> None:
    if (original, new) in MOVES:
        assert td33.transaction_of(original, new) is MOVES[original, new]
        return
    with pytest.raises(MetadataError) as caught:
        td33.transaction_of(original, new)
    assert caught.value.code == "DMP_STATUS"
    assert caught.value.hint_fr


def answer(*entries: DocumentEntry) -> etree._Element:
    """A registry's answer: entries with what only a registry writes."""
    root = parse(xds.encode(Submission(submission_set=SET, entries=entries), xds.DMP).encode())
    for element, entry in zip(root.iter(f"{R}ExtrinsicObject"), entries, strict=True):
        for name, value in (("lid", entry.logical_id), ("status", entry.status)):
            if value:
                element.set(name, value)
        if entry.version:
            first = next(i for i, c in enumerate(element) if c.tag == f"{R}Classification")
            element.insert(first, etree.Element(f"{R}VersionInfo", versionName=entry.version))
    return root


def version(number: str, status: S = S.APPROVED, **changes: object) -> DocumentEntry:
    values = {"id": f"urn:uuid:{number}", "version": number, "status": status.value} | changes
    return replace(ENTRY, **values)  # type: ignore[arg-type]  # fields of an entry


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([], None),
        ([version("1")], "1"),
        ([version("1", S.DEPRECATED), version("2")], "2"),
        ([version("2"), version("1", S.DEPRECATED)], "2"),
        ([version("10", S.DEPRECATED), version("9", S.ARCHIVED)], "9"),
        ([version("9"), version("10")], "10"),  # not as texts
        ([version("1", S.DEPRECATED), version("2", S.DEPRECATED)], "2"),  # replaced: nothing is in use
        ([version("7", unique_id="1.2.8")], None),
        ([version("x"), version("3")], "3"),
    ],
)
def test_the_present_version(versions: list[DocumentEntry], expected: str | None) -> None:
    found = td33.present_version(answer(*versions), ENTRY.unique_id)
    assert (found.entry.version if found else None) == expected


@pytest.mark.parametrize("missing", ["logical_id", "version"])
def test_an_entry_without_version_or_logical_id_is_not_changed(missing: str) -> None:
    held = td33.present_version(answer(replace(ENTRY, **{missing: ""})), ENTRY.unique_id)  # type: ignore[arg-type]  # a field
    assert held is not None
    with pytest.raises(DmpError) as caught:
        td33.visibility_update(SET, held, (N, MASKED))
    assert caught.value.code == "DMP_NO_VERSION"


def test_visibility_is_added_beside_what_is_there_and_taken_away() -> None:
    restricted = Code(code="R", system=N.system)
    assert td33.with_visibility((N,), add=(MASKED,), remove=()) == (N, MASKED)
    assert td33.with_visibility((N, MASKED), add=(MASKED,), remove=()) == (N, MASKED)
    assert td33.with_visibility((N, MASKED, restricted), add=(), remove=(MASKED,)) == (N, restricted)
    assert td33.with_visibility((N, INVISIBLE), add=(MASKED,), remove=(INVISIBLE,)) == (N, MASKED)
    assert td33.visibility_of((N, MASKED, INVISIBLE)) == ("INVISIBLE_PATIENT", "MASQUE_PS")


@pytest.mark.parametrize(
    ("patient", "representatives", "add", "remove"),
    [
        (None, None, (), ()),
        (False, None, (INVISIBLE,), ()),
        (True, None, (), (INVISIBLE,)),
        (None, False, (INVISIBLE_TO_REPRESENTATIVES,), ()),
        (True, False, (INVISIBLE_TO_REPRESENTATIVES,), (INVISIBLE,)),
        (False, False, (INVISIBLE, INVISIBLE_TO_REPRESENTATIVES), ()),
    ],
)
def test_who_sees_a_document(
    patient: bool | None, representatives: bool | None, add: tuple[Code, ...], remove: tuple[Code, ...]
) -> None:
    assert td33.visibility(patient=patient, representatives=representatives) == (add, remove)


# --- what a later look tells ------------------------------------------------------------------------------------------

ARCHIVE = Update(transaction=Transaction.ARCHIVE, unique_id="1.2.9", original=S.APPROVED.value, new=S.ARCHIVED.value)
DELETE = replace(ARCHIVE, transaction=Transaction.DELETE, new=S.DELETED.value)
MASK = Update(transaction=Transaction.MASK, unique_id="1.2.9", version="1", visibility=("MASQUE_PS",))


def held(entry: DocumentEntry) -> Held:
    found = td33.present_version(answer(entry), entry.unique_id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("update", "seen", "expected"),
    [
        (ARCHIVE, version("1", S.ARCHIVED), (Outcome.ACCEPTED, "")),
        (ARCHIVE, version("1"), (Outcome.ABSENT, "")),
        (ARCHIVE, version("1", S.DEPRECATED), (Outcome.UNKNOWN, "DMP_STATUS_CHANGED")),
        (ARCHIVE, None, (Outcome.UNKNOWN, "DMP_STATUS_CHANGED")),
        (DELETE, None, (Outcome.ACCEPTED, "")),
        (DELETE, version("1", S.DELETED), (Outcome.ACCEPTED, "")),
        (DELETE, version("1"), (Outcome.ABSENT, "")),
        (DELETE, version("1", S.ARCHIVED), (Outcome.UNKNOWN, "DMP_STATUS_CHANGED")),
        (MASK, version("2", confidentiality=(N, MASKED)), (Outcome.ACCEPTED, "")),
        (MASK, version("1"), (Outcome.ABSENT, "")),
        (MASK, version("2"), (Outcome.UNKNOWN, "DMP_VERSION_CHANGED")),
        (MASK, None, (Outcome.UNKNOWN, "DMP_STATUS_CHANGED")),
    ],
)
def test_what_an_entry_says_of_a_change(
    update: Update, seen: DocumentEntry | None, expected: tuple[Outcome, str]
) -> None:
    assert life_cycle.seen(update, held(seen) if seen else None) == expected


@pytest.mark.parametrize(
    ("update", "there", "expected"),
    [
        (DELETE, False, (Outcome.ACCEPTED, "")),
        (DELETE, True, (Outcome.ABSENT, "")),
        (ARCHIVE, True, (Outcome.UNKNOWN, "DMP_RIGHTS")),
        (ARCHIVE, False, (Outcome.UNKNOWN, "DMP_RIGHTS")),
        (MASK, True, (Outcome.UNKNOWN, "DMP_RIGHTS")),
    ],
)
def test_what_mere_presence_says_of_a_change(update: Update, there: bool, expected: tuple[Outcome, str]) -> None:
    assert life_cycle.glimpsed(update, there=there) == expected


@pytest.mark.parametrize("update", [ARCHIVE, DELETE, MASK])
def test_an_update_survives_storage(update: Update) -> None:
    assert Update.from_json(update.to_json()) == update


@pytest.mark.parametrize(("metadata", "expected"), [('{"update":{}}', True), ('{"ins":"x"}', False), ("{}", False)])
def test_updates_are_told_from_feeds(metadata: str, expected: bool) -> None:
    assert life_cycle.is_update(json.loads(metadata)) is expected
