"""Whatever the values, an independent reader of the stored query syntax gets back what was asked: nothing escapes its
apostrophes."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from sunes_sdk.model import Code
from sunes_sdk.xds import AvailabilityStatus, query
from sunes_sdk.xds.query import DocumentFilter, StoredQuery

RIM = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"
# Characters of the syntax, of XML and of HL7 v2, more often than chance gives them.
TEXTS = st.text(
    st.one_of(st.sampled_from("'(),\"&<>^~\\|% é"), st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"),
                                                                  exclude_characters="\ufffe\uffff")),
    min_size=1, max_size=100,
)  # fmt: skip
CODES = st.builds(
    Code,
    code=st.text(st.sampled_from("ab1'(),&<^\\:#"), min_size=1, max_size=20),
    system=st.sampled_from(["1.2.250.1.213.1.1.4.1", "URN", "ASTM"]),
)
INSTANTS = st.integers(-2_000_000_000, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def read(asked: StoredQuery) -> list[tuple[str, object]]:
    """The Slots of the request. A list comes back as a list, a text as a str, a number or time as an int."""
    root = etree.fromstring(query.encode(asked, "ObjectRef"))
    found: list[tuple[str, object]] = []
    for slot in root.iter(f"{RIM}Slot"):
        values = [value.text or "" for value in slot.iter(f"{RIM}Value")]
        assert all(len(value) <= 256 for value in values)
        parsed = [parse(value) for value in values]
        if any(isinstance(p, list) for p in parsed):
            found.append(
                (slot.get("name") or "", [item for p in parsed for item in (p if isinstance(p, list) else [p])])
            )
        else:
            (one,) = parsed
            found.append((slot.get("name") or "", one))
    return found


def parse(value: str) -> object:
    if value[0] != "(":
        item, rest = parse_item(value)
        assert rest == ""
        return item
    items, rest = [], "," + value[1:]
    while rest[0] == ",":
        item, rest = parse_item(rest[1:])
        items.append(item)
    assert rest == ")"
    return items


def parse_item(text: str) -> tuple[object, str]:
    """One quoted text or number, character by character."""
    if text[0] != "'":
        digits = ""
        while text and text[0] in "0123456789":
            digits, text = digits + text[0], text[1:]
        return int(digits), text
    out, at = "", 1
    while True:
        if text[at] != "'":
            out, at = out + text[at], at + 1
        elif text[at + 1 : at + 2] == "'":
            out, at = out + "'", at + 2
        else:
            return out, text[at + 1 :]


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=30))
def test_texts_come_back(patient: str, authors: list[str]) -> None:
    asked = query.find_documents(patient, DocumentFilter(authors=tuple(authors)))
    assert read(asked) == [
        ("$XDSDocumentEntryPatientId", patient),
        ("$XDSDocumentEntryStatus", [AvailabilityStatus.APPROVED.value]),
        ("$XDSDocumentEntryAuthorPerson", authors),
    ]


@given(st.lists(TEXTS, min_size=1, max_size=30))
def test_ids_come_back(ids: list[str]) -> None:
    assert read(query.get_documents(unique_ids=ids)) == [("$XDSDocumentEntryUniqueId", ids)]
    assert read(query.get_associations(ids)) == [("$uuid", ids)]


ESCAPED = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}


def text_of(code: Code) -> str:
    return "".join(ESCAPED.get(c, c) for c in code.code) + "^^" + code.system


@given(st.lists(st.lists(CODES, min_size=1, max_size=6), max_size=5), st.lists(CODES, max_size=6))
def test_codes_come_back(all_of: list[list[Code]], any_of: list[Code]) -> None:
    where = DocumentFilter(event_codes=tuple(map(tuple, all_of)), class_codes=tuple(any_of))
    expected: list[tuple[str, object]] = []
    if any_of:
        expected.append(("$XDSDocumentEntryClassCode", [text_of(c) for c in any_of]))
    expected += [("$XDSDocumentEntryEventCodeList", [text_of(c) for c in codes]) for codes in all_of]
    assert read(query.find_documents("x", where))[2:] == expected


@given(INSTANTS)
def test_times_come_back(at: datetime) -> None:
    ((name, value),) = read(query.find_documents("x", DocumentFilter(service_stop_from=at)))[2:]
    assert name == "$XDSDocumentEntryServiceStopTimeFrom"
    assert datetime.strptime(str(value), "%Y%m%d%H%M%S").replace(tzinfo=UTC) == at
