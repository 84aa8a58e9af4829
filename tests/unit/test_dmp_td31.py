"""Answers of searches, read whatever their shape; what changed since a time, from a registry of a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from lxml import etree

from sunes_sdk.dmp import AvailabilityStatus, Results, td31
from sunes_sdk.errors import DmpError
from sunes_sdk.model import Code
from sunes_sdk.xds import (
    HAS_MEMBER,
    REPLACES,
    Association,
    DocumentEntry,
    Submission,
    SubmissionSet,
    query,
)
from sunes_sdk.xds.ebrim import SUBMISSION_SET_NODE
from sunes_sdk.xds.query import StoredQuery

RS = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
STATUS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:"
APPROVED, DEPRECATED = AvailabilityStatus.APPROVED, AvailabilityStatus.DEPRECATED
ALL = tuple(AvailabilityStatus)


def answer(objects: str, *, status: str = f"{STATUS}Success", attributes: str = "", errors: str = "") -> etree._Element:
    return etree.fromstring(
        f'<q:AdhocQueryResponse xmlns:q="{query.QUERY}" xmlns="{RIM}" xmlns:e="{RS}" status="{status}" {attributes}>'
        f"{errors}<RegistryObjectList>{objects}</RegistryObjectList></q:AdhocQueryResponse>".encode()
    )


def error(code: str, severity: str = "Error") -> str:
    return (
        f'<e:RegistryErrorList><e:RegistryError errorCode="{code}" codeContext="M. DUPONT 279035121518989"'
        f' severity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:{severity}"/></e:RegistryErrorList>'
    )


def slot(name: str, *values: str) -> str:
    inner = "".join(f"<Value>{value}</Value>" for value in values)
    return f'<Slot name="{name}"><ValueList>{inner}</ValueList></Slot>'


def coded(scheme: str, code: str, system: str) -> str:
    return (
        f'<Classification classificationScheme="{scheme}" nodeRepresentation="{code}">'
        f"{slot('codingScheme', system)}</Classification>"
    )


TYPE, CLASS = "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983", "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a"


def test_blanks_unknown_codes_and_statuses_are_read() -> None:
    """One ANS example has a blank after the status."""
    xml = (
        f'<ExtrinsicObject id=" urn:uuid:a " lid="urn:uuid:l" status=" {APPROVED} " mimeType="text/xml">'
        + coded(TYPE, " NEW-1 ", " 1.2.3 ")
        + '<VersionInfo versionName=" 2 "/>'
        + slot("size", " 12 ") + slot("hash", " ABCD ") + slot("repositoryUniqueId", " 1.2.250.1.213.4.1.1.1.2\n")
        + slot("creationTime", " 20190221123445 ")
        + '</ExtrinsicObject><ExtrinsicObject id="urn:uuid:b" status="urn:x:Frozen" mimeType="">'
        + slot("creationTime", "2019-02-21") + slot("serviceStartTime", "20190221")
        + slot("serviceStopTime", "99999999")
        + "</ExtrinsicObject>"
    )  # fmt: skip
    first, second = td31.decode(answer(xml)).documents
    assert (first.entry_uuid, first.status, first.entry.version) == ("urn:uuid:a", APPROVED, "2")
    assert first.type_code is not None
    assert (first.type_code.code, first.type_code.system) == ("NEW-1", "1.2.3")
    assert (first.entry.size, first.entry.hash) == (12, "abcd")
    assert first.entry.repository_unique_id == "1.2.250.1.213.4.1.1.1.2"
    assert first.created == datetime(2019, 2, 21, 12, 34, 45, tzinfo=UTC)
    assert (second.status, second.entry.status) == (None, "urn:x:Frozen")
    assert second.created is second.service_stop is None
    assert second.service_start == datetime(2019, 2, 21, tzinfo=UTC)
    assert second.entry.creation_time == "2019-02-21"


def test_numbers_without_end_are_no_numbers() -> None:
    digits = "9" * 5000
    xml = f'<ExtrinsicObject id="a">{slot("size", digits)}<VersionInfo versionName="{digits}"/></ExtrinsicObject>'
    listing = td31.decode(answer(xml + xml.replace('"a"', '"b"'), attributes=f'totalResultCount="{digits}"'))
    assert [d.entry.size for d in listing.documents] == [None, None]
    assert listing.complete


@pytest.mark.parametrize(
    ("kind", "of", "signature", "patient"),
    [
        ("E1762", "x", True, False),
        ("x", "urn:oid:1.3.6.1.4.1.19376.1.2.1.1.1", True, False),
        ("DOCPAT01", "11", False, True),
        ("EXPPAT_3", "90", False, True),
        ("x", "90", False, True),
        ("11490-0", "10", False, False),
    ],
)
def test_signatures_and_documents_of_the_patient(kind: str, of: str, signature: bool, patient: bool) -> None:
    xml = f'<ExtrinsicObject id="urn:uuid:a">{coded(TYPE, kind, "ASTM")}{coded(CLASS, of, "URN")}</ExtrinsicObject>'
    (found,) = td31.decode(answer(xml)).documents
    assert (found.is_signature, found.is_from_patient) == (signature, patient)
    listed = td31.find_documents(lambda _: td31.decode(answer(xml)), query.get_documents(unique_ids=["1.2"]))
    assert len(listed) == (not signature)


def test_entries_of_another_patient_id_are_kept() -> None:
    """EX_3.1-1055: an INS can change."""
    xml = "".join(
        f'<ExtrinsicObject id="urn:uuid:{n}"><ExternalIdentifier'
        f' identificationScheme="urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427" value="{n}^^^&amp;1.2&amp;ISO^NH"/>'
        "</ExtrinsicObject>"
        for n in range(3)
    )
    listed = td31.find_documents(lambda _: td31.decode(answer(xml)), query.get_documents(unique_ids=["1.2"]))
    assert [d.entry.patient_id[0] for d in listed] == ["0", "1", "2"]


def test_what_is_listed_twice_comes_once_and_is_told() -> None:
    """Whatever the case of its id; what has no id stays."""
    one, other = '<ExtrinsicObject id="urn:uuid:A"/>', '<ExtrinsicObject id="urn:uuid:a" status="x"/>'
    listing = td31.decode(answer(one + other + "<ExtrinsicObject/>" * 2))
    assert [(d.entry_uuid, d.entry.status) for d in listing.documents] == [("urn:uuid:A", ""), ("", ""), ("", "")]
    assert (listing.warnings, listing.complete) == (("DMP_TWICE",), True)
    node = f'<Classification classificationNode="{SUBMISSION_SET_NODE}"/>'
    sets = "".join(f'<RegistryPackage id="{i}">{node}</RegistryPackage>' for i in "abbaa")
    listing = td31.decode(answer(sets))
    assert [s.entry_uuid for s in listing.submission_sets] == ["a", "b"]
    assert listing.warnings == ("DMP_TWICE",)
    assert td31.decode(answer(one)).warnings == ()


def test_a_total_above_what_is_given_is_not_complete() -> None:
    one = '<ExtrinsicObject id="urn:uuid:a"/>'
    assert td31.decode(answer(one, attributes='totalResultCount="1"')).complete
    listing = td31.decode(answer(one, attributes='totalResultCount="2"'))
    assert (listing.complete, listing.warnings) == (False, ("DMP_INCOMPLETE",))


def test_warnings_and_partial_success() -> None:
    listing = td31.decode(answer("", errors=error("XDSExtraMetadataNotSaved", "Warning")))
    assert (listing.complete, listing.warnings) == (True, ("XDSExtraMetadataNotSaved",))
    partial = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"
    listing = td31.decode(answer('<ExtrinsicObject id="a"/>', status=partial, errors=error("XDSUnavailableCommunity")))
    assert (len(listing.documents), listing.complete) == (1, False)
    assert listing.warnings == ("XDSUnavailableCommunity", "DMP_INCOMPLETE")


@pytest.mark.parametrize(
    ("status", "errors", "code"),
    [
        (f"{STATUS}Failure", error("XDSTooManyResults"), "XDSTooManyResults"),
        (f"{STATUS}Failure", "", "status Failure"),
        ("urn:x:Maybe", "", "status Maybe"),
        ("", "", "status absent"),
    ],
)
def test_any_other_status_is_a_coded_error(status: str, errors: str, code: str) -> None:
    with pytest.raises(DmpError) as caught:
        td31.decode(answer('<ExtrinsicObject id="a"/>', status=status, errors=errors))
    assert (caught.value.code, caught.value.remote_code) == ("DMP_REFUSED", code)
    assert caught.value.hint
    assert caught.value.hint_fr
    assert "DUPONT" not in str(caught.value)


def test_more_objects_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(td31, "MAX_OBJECTS", 2)
    assert len(td31.decode(answer('<ObjectRef id="a"/>' * 2)).objects.object_refs) == 2
    with pytest.raises(DmpError) as caught:
        td31.decode(answer('<ObjectRef id="a"/>' * 3))
    assert caught.value.code == "DMP_TOO_MANY"
    assert caught.value.hint_fr


def test_results_are_a_tuple_that_tells() -> None:
    results = Results([1, 2], warnings=["A", "A", "B"], complete=False)
    assert list(results) == [1, 2]
    assert (results.warnings, results.complete) == (("A", "B"), False)
    assert (Results().warnings, Results().complete) == ((), True)


# --- find_since -------------------------------------------------------------------------------------------------------

SINCE = datetime(2026, 1, 15, tzinfo=UTC)


class Registry:
    """Sets, entries and associations; keeps what it was asked."""

    def __init__(self, sets: Sequence[str], entries: Sequence[DocumentEntry], links: Sequence[Association]) -> None:
        self.sets, self.entries, self.links = sets, entries, links
        self.asked: list[tuple[str, list[str]]] = []

    def __call__(self, asked: StoredQuery) -> td31.Listing:
        ids = [i.strip("'") for _, values in asked.slots for v in values for i in v.strip("()").split(",")]
        self.asked.append((asked.id, ids))
        entries = tuple(e for e in self.entries if e.id in ids)
        links = tuple(a for a in self.links if a.source in ids or a.target in ids)
        match asked.id:
            case query.FIND_SUBMISSION_SETS:
                sets = tuple(
                    SubmissionSet(id=s, unique_id=s, source_id="", patient_id="", submission_time=s) for s in self.sets
                )
                return td31.Listing(objects=Submission(submission_set=next(iter(sets), None), other_sets=sets[1:]))
            case query.GET_ASSOCIATIONS:
                return td31.Listing(objects=Submission(associations=links))
            case query.GET_DOCUMENTS_AND_ASSOCIATIONS:
                return td31.Listing(objects=Submission(entries=entries, associations=links))
        raise AssertionError(asked.id)


def entry(uuid: str, status: str = APPROVED, *, lid: str = "", version: str = "1", kind: str = "x") -> DocumentEntry:
    return DocumentEntry(
        id=uuid, mime_type="text/xml", unique_id=f"1.2.{uuid}", patient_id="", status=status,
        logical_id=lid or uuid, version=version, type_code=Code.model_construct(code=kind, system="", display=""),
    )  # fmt: skip


def member(of: str, uuid: str) -> Association:
    return Association(id=f"{of}{uuid}", type=HAS_MEMBER, source=of, target=uuid)


def replacing(new: str, old: str) -> Association:
    return Association(id=f"{new}{old}", type=REPLACES, source=new, target=old)


def found(registry: Registry, statuses: Sequence[AvailabilityStatus] = (APPROVED,)) -> list[tuple[str, str]]:
    return [(d.entry_uuid, d.replaces) for d in td31.find_since(registry, "x", SINCE, statuses=statuses)]


def test_nothing_changed() -> None:
    registry = Registry([], [], [])
    assert found(registry) == []
    assert len(registry.asked) == 1


def test_replacements_are_followed_beyond_the_members() -> None:
    """a is in a set; b replaced it and c replaced b, in sets that the search did not give."""
    registry = Registry(
        ["s1"],
        [entry("a", DEPRECATED), entry("b", DEPRECATED), entry("c")],
        [member("s1", "a"), replacing("b", "a"), replacing("c", "b"), member("s9", "z")],
    )
    assert found(registry) == [("c", "b")]
    assert found(registry, ALL) == [("c", "b")]


def test_a_circle_of_replacements_ends() -> None:
    registry = Registry(
        ["s1"], [entry("a", DEPRECATED), entry("b", DEPRECATED)],
        [member("s1", "a"), replacing("b", "a"), replacing("a", "b")],
    )  # fmt: skip
    assert found(registry) == []


def test_one_version_of_each_document() -> None:
    """A change of metadata keeps the logical id; the order is that of the sets."""
    registry = Registry(
        ["s2", "s1"],
        [
            entry("a", DEPRECATED, lid="l"), entry("b", version="2", lid="l"),
            entry("c", AvailabilityStatus.ARCHIVED), entry("d"), entry("e", kind="E1762"),
        ],
        [member("s2", "d"), member("s2", "e"), member("s1", "b"), member("s1", "a"), member("s1", "c")],
    )  # fmt: skip
    assert found(registry) == [("b", ""), ("d", "")]
    assert found(registry, ALL) == [("b", ""), ("c", ""), ("d", "")]


def test_a_document_that_nobody_may_see_any_more() -> None:
    """Its replacement is not shown: the old version is not given as if it were in use."""
    registry = Registry(["s1"], [entry("a", DEPRECATED)], [member("s1", "a"), replacing("hidden", "a")])
    assert found(registry) == []
    assert found(registry, ALL) == [("a", "")]


def test_batches_of_twenty() -> None:
    sets = [f"s{n:02}" for n in range(41)]
    uuids = [f"d{n:02}" for n in range(41)]
    registry = Registry(sets, [entry(u) for u in uuids], [member(s, u) for s, u in zip(sets, uuids, strict=True)])
    assert [uuid for uuid, _ in found(registry)] == uuids
    sizes = [len(ids) for kind, ids in registry.asked if kind != query.FIND_SUBMISSION_SETS]
    assert sizes == [20, 20, 1, 20, 20, 1]


def test_too_much_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(td31, "MAX_OBJECTS", 1)
    registry = Registry(["s1"], [entry("a"), entry("b")], [member("s1", "a"), member("s1", "b")])
    with pytest.raises(DmpError, match="DMP_TOO_MANY"):
        found(registry)


@pytest.mark.parametrize("odd", ["", "x" * 300])
def test_an_id_that_cannot_be_asked_about_is_said_of_the_answer(odd: str) -> None:
    for registry, path in (
        (Registry([odd], [], []), "RegistryPackage/@id"),
        (
            Registry(["s"], [], [Association(id="l", type=HAS_MEMBER, source="s", target=odd)]),
            "Association/@targetObject, @sourceObject",
        ),
    ):
        with pytest.raises(DmpError) as caught:
            td31.find_since(registry, "p", SINCE, statuses=(AvailabilityStatus.APPROVED,))
        assert (caught.value.code, caught.value.path) == ("DMP_ANSWER", path)
        assert caught.value.hint_fr
