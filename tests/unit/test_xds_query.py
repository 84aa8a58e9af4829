"""Stored queries: what is asked becomes the Slots that IHE ITI-18 wants, and what cannot be asked is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from lxml import etree

from sunes_sdk.errors import ModelError
from sunes_sdk.model import Code
from sunes_sdk.xds import AvailabilityStatus, ebrim, query
from sunes_sdk.xds.query import DocumentFilter, StoredQuery, SubmissionSetFilter

PATIENT = "207058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH"
APPROVED = "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')"
REPORT = Code(code="10", system="1.2.250.1.213.1.1.4.1")
LETTER = Code(code="11490-0", system="2.16.840.1.113883.6.1")
MASKED = Code(code="MASQUE_PS", system="1.2.250.1.213.1.1.4.13")


def slots(asked: StoredQuery) -> list[tuple[str, list[str]]]:
    """Read back from the XML."""
    root = etree.fromstring(query.encode(asked, "LeafClass"))
    (adhoc,) = root.iter(f"{{{ebrim.RIM}}}AdhocQuery")
    assert adhoc.get("id") == asked.id
    return [(slot.get("name") or "", [v.text or "" for v in slot.iter("{*}Value")]) for slot in adhoc]


def test_a_search_asks_for_documents_in_use() -> None:
    asked = query.find_documents(PATIENT, DocumentFilter())
    assert asked.id == query.FIND_DOCUMENTS
    assert slots(asked) == [
        ("$XDSDocumentEntryPatientId", [f"'{PATIENT}'"]),
        ("$XDSDocumentEntryStatus", [APPROVED]),
    ]


def test_every_criterion_has_its_slot() -> None:
    at = datetime(2026, 1, 15, 10, 30, tzinfo=timezone(timedelta(hours=1)))
    later = at + timedelta(days=1)
    where = DocumentFilter(
        statuses=(AvailabilityStatus.APPROVED, AvailabilityStatus.ARCHIVED),
        class_codes=(REPORT,), type_codes=(LETTER, Code(code="DOCPAT01", system="1.2.250.1.213.1.1.4.12")),
        format_codes=(Code(code="urn:ihe:iti:xds-sd:pdf:2008", system="1.3.6.1.4.1.19376.1.2.3"),),
        practice_settings=(Code(code="ETABLISSEMENT", system="1.2.250.1.213.1.1.4.9"),),
        facility_types=(Code(code="SA01", system="1.2.250.1.71.4.2.4"),),
        event_codes=(LETTER, (REPORT, MASKED)), confidentiality=(MASKED,), authors=("899900063480^%", "%^O'NEIL%"),
        created_from=at, created_to=later, service_start_from=at, service_start_to=later, service_stop_from=at,
        service_stop_to=later,
    )  # fmt: skip
    assert slots(query.find_documents(PATIENT, where))[1:] == [
        ("$XDSDocumentEntryStatus", [APPROVED[:-1] + ",'urn:asip:ci-sis:2010:StatusType:Archived')"]),
        ("$XDSDocumentEntryClassCode", ["('10^^1.2.250.1.213.1.1.4.1')"]),
        ("$XDSDocumentEntryTypeCode", ["('11490-0^^2.16.840.1.113883.6.1','DOCPAT01^^1.2.250.1.213.1.1.4.12')"]),
        ("$XDSDocumentEntryPracticeSettingCode", ["('ETABLISSEMENT^^1.2.250.1.213.1.1.4.9')"]),
        ("$XDSDocumentEntryHealthcareFacilityTypeCode", ["('SA01^^1.2.250.1.71.4.2.4')"]),
        ("$XDSDocumentEntryFormatCode", ["('urn:ihe:iti:xds-sd:pdf:2008^^1.3.6.1.4.1.19376.1.2.3')"]),
        ("$XDSDocumentEntryEventCodeList", ["('11490-0^^2.16.840.1.113883.6.1')"]),
        ("$XDSDocumentEntryEventCodeList", ["('10^^1.2.250.1.213.1.1.4.1','MASQUE_PS^^1.2.250.1.213.1.1.4.13')"]),
        ("$XDSDocumentEntryConfidentialityCode", ["('MASQUE_PS^^1.2.250.1.213.1.1.4.13')"]),
        ("$XDSDocumentEntryAuthorPerson", ["('899900063480^%','%^O''NEIL%')"]),
        ("$XDSDocumentEntryCreationTimeFrom", ["20260115093000"]),
        ("$XDSDocumentEntryCreationTimeTo", ["20260116093000"]),
        ("$XDSDocumentEntryServiceStartTimeFrom", ["20260115093000"]),
        ("$XDSDocumentEntryServiceStartTimeTo", ["20260116093000"]),
        ("$XDSDocumentEntryServiceStopTimeFrom", ["20260115093000"]),
        ("$XDSDocumentEntryServiceStopTimeTo", ["20260116093000"]),
    ]


def test_reference_ids_are_another_query_of_ihe() -> None:
    one, two = "A1^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:accession", "O2^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:order"
    asked = query.find_documents(PATIENT, DocumentFilter(reference_ids=(one, (one, two))))
    assert asked.id == query.FIND_DOCUMENTS_BY_REFERENCE_ID
    assert slots(asked)[2:] == [
        ("$XDSDocumentEntryReferenceIdList", [f"('{one}')"]),
        ("$XDSDocumentEntryReferenceIdList", [f"('{one}','{two}')"]),
    ]


def test_submission_sets() -> None:
    where = SubmissionSetFilter(
        submitted_from=datetime(2026, 1, 15, tzinfo=UTC), submitted_to=datetime(2026, 2, 1, tzinfo=UTC),
        author="899900063480^%", source_ids=("1.2.3", "1.2.4"),
        content_types=(Code(code="03", system="1.2.250.1.213.2.2"),),
    )  # fmt: skip
    asked = query.find_submission_sets(PATIENT, where)
    assert asked.id == query.FIND_SUBMISSION_SETS
    assert slots(asked) == [
        ("$XDSSubmissionSetPatientId", [f"'{PATIENT}'"]),
        ("$XDSSubmissionSetStatus", [APPROVED]),
        ("$XDSSubmissionSetSourceId", ["('1.2.3','1.2.4')"]),
        ("$XDSSubmissionSetSubmissionTimeFrom", ["20260115000000"]),
        ("$XDSSubmissionSetSubmissionTimeTo", ["20260201000000"]),
        ("$XDSSubmissionSetContentType", ["('03^^1.2.250.1.213.2.2')"]),
        ("$XDSSubmissionSetAuthorPerson", ["'899900063480^%'"]),
    ]


def test_queries_by_id() -> None:
    assert slots(query.get_documents(entry_uuids=["urn:uuid:a"])) == [
        ("$XDSDocumentEntryEntryUUID", ["('urn:uuid:a')"])
    ]
    assert slots(query.get_documents_and_associations(unique_ids=["1.2", "1.3"])) == [
        ("$XDSDocumentEntryUniqueId", ["('1.2','1.3')"])
    ]
    assert slots(query.get_associations(["urn:uuid:a"])) == [("$uuid", ["('urn:uuid:a')"])]


def test_a_long_list_goes_on_in_other_values() -> None:
    """rim.xsd: a Value has at most 256 characters."""
    uuids = [f"urn:uuid:7953af1a-ba1c-11eb-816f-0050569e42{n:02x}" for n in range(20)]
    ((_, values),) = slots(query.get_documents(entry_uuids=uuids))
    assert len(values) == 4
    assert all(len(value) <= 256 for value in values)
    assert "".join(values).replace(")(", ",") == "(" + ",".join(f"'{u}'" for u in uuids) + ")"


def test_the_longest_value_that_fits() -> None:
    assert slots(query.get_associations(["u" * 252])) == [("$uuid", [f"('{'u' * 252}')"])]


NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "where"),
    [
        ("QUERY_STATUS", DocumentFilter(statuses=())),
        ("QUERY_VALUE", DocumentFilter(authors=("",))),
        ("QUERY_VALUE", DocumentFilter(authors=("x" * 253,))),
        ("QUERY_VALUE", DocumentFilter(event_codes=((),))),
        ("QUERY_VALUE", DocumentFilter(reference_ids=((),))),
        ("QUERY_VALUE", DocumentFilter(type_codes=(Code.model_construct(code="x", system="", display=""),))),
        ("QUERY_TIME", DocumentFilter(created_from=NOON.replace(tzinfo=None))),
        ("QUERY_PERIOD", DocumentFilter(created_from=NOON, created_to=NOON)),
    ],
)
def test_what_cannot_be_asked_is_refused(code: str, where: DocumentFilter) -> None:
    with pytest.raises(ModelError) as caught:
        query.find_documents(PATIENT, where)
    assert caught.value.code == code
    assert caught.value.hint
    assert caught.value.path.startswith("$XDSDocumentEntry")


def test_ids_of_one_kind_are_needed() -> None:
    with pytest.raises(ModelError, match="QUERY_IDS"):
        query.get_documents()
    with pytest.raises(ModelError, match="QUERY_IDS"):
        query.get_documents_and_associations(entry_uuids=["a"], unique_ids=["b"])
    with pytest.raises(ModelError, match="QUERY_IDS"):
        query.get_associations([])


def test_a_query_shows_nobody() -> None:
    assert "2070585" not in repr(query.find_documents(PATIENT, DocumentFilter()))
    assert "MARTIN" not in repr(DocumentFilter(authors=("%MARTIN%",), reference_ids=("MARTIN",)))


def test_an_answer_without_a_list_holds_nothing() -> None:
    answer = etree.fromstring(f'<q:AdhocQueryResponse xmlns:q="{query.QUERY}" totalResultCount=" 3 "/>'.encode())
    assert query.decode(answer).entries == ()
    assert query.total_of(answer) == 3
    answer.set("totalResultCount", "³")
    assert query.total_of(answer) is None
