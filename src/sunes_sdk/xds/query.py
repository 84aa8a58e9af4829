"""Stored queries of a registry (IHE ITI-18): what is asked, as values, and the AdhocQueryRequest that asks it.

Served by the DMP, as the public material of its owner shows: FindDocuments, FindSubmissionSets, GetAssociations,
GetDocuments, GetDocumentsAndAssociations. FindDocumentsByReferenceId is IHE's; whether the DMP serves it is unverified
(`XDSUnknownStoredQuery` if not).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from lxml import etree

from .._core.errors import ModelError
from .._core.hl7time import to_dtm_utc
from .._core.xml import escape_text
from ..model import Code
from .datatypes import escape
from .ebrim import LONG_NAME_MAX, RIM, decode_element
from .metadata import AvailabilityStatus, Submission

QUERY: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
FIND_DOCUMENTS: Final = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
FIND_DOCUMENTS_BY_REFERENCE_ID: Final = "urn:uuid:12941a89-e02e-4be5-967c-ce4bfc8fe492"
FIND_SUBMISSION_SETS: Final = "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9"
GET_DOCUMENTS: Final = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
GET_ASSOCIATIONS: Final = "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155"
GET_DOCUMENTS_AND_ASSOCIATIONS: Final = "urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a"

ReturnType = Literal["LeafClass", "ObjectRef"]
"""LeafClass: whole metadata; ObjectRef: ids only."""
Alternatives = tuple[Code | tuple[Code, ...], ...]
"""All must hold; a tuple inside holds when one of its codes does."""

_DOCUMENT: Final = "$XDSDocumentEntry"
_SET: Final = "$XDSSubmissionSet"
_APPROVED: Final = (AvailabilityStatus.APPROVED,)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFilter:
    """Which documents of a patient. An empty tuple or None leaves that criterion out; several values of one criterion
    are alternatives, but for `event_codes`, `confidentiality` and `reference_ids`, which must all hold.

    statuses: at least one, those in use by default; class_codes: JDV_J57; type_codes: JDV_J66; format_codes: JDV_J60;
    practice_settings: JDV_J04; facility_types: JDV_J61; confidentiality: JDV_J58; authors: patterns of XCN texts,
    where `%` stands for any text and `_` for any character (`899900063480^%`); reference_ids: CXi texts; times: aware,
    from the first instant on, before the second (unverified for the DMP: IHE's reading).
    """

    statuses: tuple[AvailabilityStatus, ...] = _APPROVED
    class_codes: tuple[Code, ...] = ()
    type_codes: tuple[Code, ...] = ()
    format_codes: tuple[Code, ...] = ()
    practice_settings: tuple[Code, ...] = ()
    facility_types: tuple[Code, ...] = ()
    event_codes: Alternatives = ()
    confidentiality: Alternatives = ()
    authors: tuple[str, ...] = field(default=(), repr=False)
    reference_ids: tuple[str | tuple[str, ...], ...] = field(default=(), repr=False)
    created_from: datetime | None = None
    created_to: datetime | None = None
    service_start_from: datetime | None = None
    service_start_to: datetime | None = None
    service_stop_from: datetime | None = None
    service_stop_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionSetFilter:
    """Which submission sets of a patient, as `DocumentFilter`. author: one pattern; source_ids: OIDs of sending
    instances; content_types: JDV_J59."""

    statuses: tuple[AvailabilityStatus, ...] = _APPROVED
    submitted_from: datetime | None = None
    submitted_to: datetime | None = None
    author: str = field(default="", repr=False)
    source_ids: tuple[str, ...] = ()
    content_types: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredQuery:
    """id: of the stored query; slots: name and encoded values, in order; a name twice means both must hold."""

    id: str
    slots: tuple[tuple[str, tuple[str, ...]], ...] = field(repr=False)


def find_documents(patient: str, where: DocumentFilter) -> StoredQuery:
    """The documents of a patient. patient: its CX with the type `NH`, as the metadata and the VIHF have it.

    Raises ModelError: `QUERY_STATUS` (no status), `QUERY_VALUE` (an empty or too long value, a code without system),
    `QUERY_TIME` (without zone), `QUERY_PERIOD` (it ends before it begins).
    """
    slots = [
        (f"{_DOCUMENT}PatientId", (_text(patient, f"{_DOCUMENT}PatientId"),)),
        _statuses(f"{_DOCUMENT}Status", where.statuses),
        *_any_code(f"{_DOCUMENT}ClassCode", where.class_codes),
        *_any_code(f"{_DOCUMENT}TypeCode", where.type_codes),
        *_any_code(f"{_DOCUMENT}PracticeSettingCode", where.practice_settings),
        *_any_code(f"{_DOCUMENT}HealthcareFacilityTypeCode", where.facility_types),
        *_any_code(f"{_DOCUMENT}FormatCode", where.format_codes),
        *_all_codes(f"{_DOCUMENT}EventCodeList", where.event_codes),
        *_all_codes(f"{_DOCUMENT}ConfidentialityCode", where.confidentiality),
        *_any(f"{_DOCUMENT}AuthorPerson", where.authors),
        *_period(f"{_DOCUMENT}CreationTime", where.created_from, where.created_to),
        *_period(f"{_DOCUMENT}ServiceStartTime", where.service_start_from, where.service_start_to),
        *_period(f"{_DOCUMENT}ServiceStopTime", where.service_stop_from, where.service_stop_to),
    ]
    for ids in where.reference_ids:
        slots.append(_one_of(f"{_DOCUMENT}ReferenceIdList", (ids,) if isinstance(ids, str) else ids))
    return StoredQuery(id=FIND_DOCUMENTS_BY_REFERENCE_ID if where.reference_ids else FIND_DOCUMENTS, slots=tuple(slots))


def find_submission_sets(patient: str, where: SubmissionSetFilter) -> StoredQuery:
    """The submission sets of a patient. Raises ModelError as `find_documents`."""
    slots = [
        (f"{_SET}PatientId", (_text(patient, f"{_SET}PatientId"),)),
        _statuses(f"{_SET}Status", where.statuses),
        *_any(f"{_SET}SourceId", where.source_ids),
        *_period(f"{_SET}SubmissionTime", where.submitted_from, where.submitted_to),
        *_any_code(f"{_SET}ContentType", where.content_types),
    ]
    if where.author:
        slots.append((f"{_SET}AuthorPerson", (_text(where.author, f"{_SET}AuthorPerson"),)))
    return StoredQuery(id=FIND_SUBMISSION_SETS, slots=tuple(slots))


def get_documents(*, entry_uuids: Sequence[str] = (), unique_ids: Sequence[str] = ()) -> StoredQuery:
    """Documents by one kind of identifier. Raises ModelError `QUERY_IDS` when none or both are given."""
    return StoredQuery(id=GET_DOCUMENTS, slots=_identified(entry_uuids, unique_ids))


def get_documents_and_associations(*, entry_uuids: Sequence[str] = (), unique_ids: Sequence[str] = ()) -> StoredQuery:
    """As `get_documents`, with the associations that they take part in."""
    return StoredQuery(id=GET_DOCUMENTS_AND_ASSOCIATIONS, slots=_identified(entry_uuids, unique_ids))


def get_associations(uuids: Sequence[str]) -> StoredQuery:
    """The associations in which these objects (entryUUIDs, ids of submission sets) take part."""
    if not uuids:
        raise _invalid("QUERY_IDS", "nothing is asked for", "$uuid", "give the ids of the objects")
    return StoredQuery(id=GET_ASSOCIATIONS, slots=tuple(_any("$uuid", uuids)))


def encode(query: StoredQuery, returns: ReturnType) -> bytes:
    """The query:AdhocQueryRequest element."""
    slots = "".join(
        f'<rim:Slot name="{name}"><rim:ValueList>'
        + "".join(f"<rim:Value>{escape_text(value)}</rim:Value>" for value in values)
        + "</rim:ValueList></rim:Slot>"
        for name, values in query.slots
    )
    return (
        f'<query:AdhocQueryRequest xmlns:query="{QUERY}" xmlns:rim="{RIM}">'
        f'<query:ResponseOption returnComposedObjects="true" returnType="{returns}"/>'
        f'<rim:AdhocQuery id="{query.id}">{slots}</rim:AdhocQuery></query:AdhocQueryRequest>'
    ).encode()


def decode(answer: etree._Element) -> Submission:
    """The objects of a query:AdhocQueryResponse: entries, sets, associations, `object_refs`; none when it has no list
    of objects. Its status and errors are for the caller to look at first."""
    if next(answer.iter(f"{{{RIM}}}RegistryObjectList"), None) is None:
        return Submission()
    return decode_element(answer)


def total_of(answer: etree._Element) -> int | None:
    """How many objects the registry found, which may be more than it gave; None when it does not say."""
    text = (answer.get("totalResultCount") or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


# --- values -----------------------------------------------------------------------------------------------------------

_Slots = list[tuple[str, tuple[str, ...]]]


def _text(value: str, name: str) -> str:
    """Between apostrophes, inner ones doubled."""
    if not value:
        raise _invalid("QUERY_VALUE", "an empty value", name, "leave the criterion out")
    quoted = "'" + value.replace("'", "''") + "'"
    if len(quoted) + 2 > LONG_NAME_MAX:
        raise _invalid("QUERY_VALUE", f"the value is over {LONG_NAME_MAX - 4} characters", name, "shorten it")
    return quoted


def _any(name: str, values: Iterable[str]) -> _Slots:
    """Alternatives: `('a','b')`. A list that would be longer than a Value may be goes on in another Value."""
    lists: list[str] = []
    for quoted in (_text(value, name) for value in values):
        if lists and len(lists[-1]) + len(quoted) + 3 <= LONG_NAME_MAX:
            lists[-1] += f",{quoted}"
        else:
            lists.append(quoted)
    return [(name, tuple(f"({each})" for each in lists))] if lists else []


def _one_of(name: str, values: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """As `_any`, where no value would silently mean no criterion."""
    if not values:
        raise _invalid("QUERY_VALUE", "alternatives without a value", name, "leave them out")
    (slot,) = _any(name, values)
    return slot


def _any_code(name: str, codes: Iterable[Code]) -> _Slots:
    return _any(name, (_code(code, name) for code in codes))


def _all_codes(name: str, alternatives: Alternatives) -> _Slots:
    return [
        _one_of(name, [_code(code, name) for code in (codes if isinstance(codes, tuple) else (codes,))])
        for codes in alternatives
    ]


def _code(code: Code, name: str) -> str:
    """`<code>^^<scheme>` (IHE). Some French examples show the bare code: whether the DMP wants one is unverified."""
    if not code.system:
        raise _invalid("QUERY_VALUE", "a code without its system", name, "give the OID of the code system")
    return f"{escape(code.code)}^^{escape(code.system)}"


def _statuses(name: str, statuses: Sequence[AvailabilityStatus]) -> tuple[str, tuple[str, ...]]:
    if not statuses:
        raise _invalid("QUERY_STATUS", "no status is asked for", name, "give one, such as AvailabilityStatus.APPROVED")
    return _one_of(name, list(dict.fromkeys(statuses)))


def _period(name: str, start: datetime | None, end: datetime | None) -> _Slots:
    slots: _Slots = []
    for suffix, value in (("From", start), ("To", end)):
        if value is not None:
            if value.tzinfo is None:
                raise _invalid("QUERY_TIME", "a time without zone", name + suffix, "give an aware datetime")
            slots.append((name + suffix, (to_dtm_utc(value),)))
    if start is not None and end is not None and start >= end:
        raise _invalid("QUERY_PERIOD", "the period ends before it begins", name, "give the earlier time first")
    return slots


def _identified(entry_uuids: Sequence[str], unique_ids: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if bool(entry_uuids) == bool(unique_ids):
        raise _invalid("QUERY_IDS", "entryUUIDs or uniqueIds are needed, not both", _DOCUMENT, "give one kind")
    if entry_uuids:
        return tuple(_any(f"{_DOCUMENT}EntryUUID", entry_uuids))
    return tuple(_any(f"{_DOCUMENT}UniqueId", unique_ids))


def _invalid(code: str, message: str, path: str, hint: str) -> ModelError:
    return ModelError(message, code=code, path=path, rule="IHE ITI-18 stored query parameters", hint=hint)
