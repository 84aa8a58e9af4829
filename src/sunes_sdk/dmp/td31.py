"""TD3.1, searching a patient's DMP (IHE ITI-18): documents, submission sets, what changed since a time.

Not for establishment mode, which finds ids only (`td31b`). Entries are never filtered on their patientId: an INS can
change (EX_3.1-1055). Times of the DMP are UTC; show them in local time (EX_3.1-1070).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from lxml import etree

from .._core.errors import DmpError, ModelError
from .._core.hl7time import parse_ts
from ..model import Code
from ..transport import soap
from ..xds import (
    HAS_MEMBER,
    REPLACES,
    Association,
    AvailabilityStatus,
    DocumentEntry,
    Submission,
    SubmissionSet,
    query,
)
from ..xds.query import StoredQuery, SubmissionSetFilter
from .answers import INCOMPLETE, LISTING, Results, accepted, not_expected, read_response

ACTION: Final = "urn:ihe:iti:2007:RegistryStoredQuery"
BATCH: Final = 20
"""Ids asked for in one query, as the published example of a synchronisation does."""
MAX_OBJECTS: Final = 20_000
"""Objects taken from one answer, and documents followed by one synchronisation. Our choice."""
PATIENT_CLASS: Final = "90"
"""Autres documents déposés par le patient (JDV_J57)."""
_SIGNATURE_TYPE = "E1762"
_SIGNATURE_CLASS = "urn:oid:1.3.6.1.4.1.19376.1.2.1.1.1"
_PATIENT_TYPES = ("DOCPAT", "EXPPAT_")


def encode(request: bytes, *, message_id: str, assertion: bytes) -> tuple[str, bytes]:
    """The Content-Type and body of the HTTP request, around `xds.query.encode(…)`."""
    envelope = soap.envelope(action=ACTION, message_id=message_id, headers=soap.security(assertion), body=request)
    return soap.content_type(ACTION), envelope


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FoundDocument:
    """A document as the DMP describes it: `entry` whole, and what a list shows of it.

    replaces: entryUUID of the version that this one replaces, when the search tells (`DmpClient.find_since`).
    """

    entry: DocumentEntry
    replaces: str = ""

    def __repr__(self) -> str:
        return f"FoundDocument({self.entry!r})"

    @property
    def entry_uuid(self) -> str:
        """Of this version: the DMP changes it with each change of metadata."""
        return self.entry.id

    @property
    def unique_id(self) -> str:
        """Of the document, for ever: what `retrieve` asks for."""
        return self.entry.unique_id

    @property
    def status(self) -> AvailabilityStatus | None:
        """None for a status that JDV_J52 does not hold: `entry.status` has it as written."""
        return next((s for s in AvailabilityStatus if s == self.entry.status), None)

    @property
    def title(self) -> str:
        return self.entry.title

    @property
    def type_code(self) -> Code | None:
        """Kept as the DMP gives it, known to our value sets or not."""
        return self.entry.type_code

    @property
    def created(self) -> datetime | None:
        """creationTime, aware, in UTC; None when absent or unreadable. Midnight when it has no hour."""
        return _instant(self.entry.creation_time)

    @property
    def service_start(self) -> datetime | None:
        return _instant(self.entry.service_start)

    @property
    def service_stop(self) -> datetime | None:
        return _instant(self.entry.service_stop)

    @property
    def visibility(self) -> frozenset[str]:
        """`MASQUE_PS`, `INVISIBLE_PATIENT`, `INVISIBLE_REPRESENTANTS_LEGAUX`: those codes of confidentiality that
        hide it from someone."""
        return frozenset(c.code for c in self.entry.confidentiality) - {"N", "R", "V"}

    @property
    def is_signature(self) -> bool:
        """The signature of a submission set, which lists leave out."""
        kind, of = self.entry.type_code, self.entry.class_code
        return (kind is not None and kind.code == _SIGNATURE_TYPE) or (of is not None and of.code == _SIGNATURE_CLASS)

    @property
    def is_from_patient(self) -> bool:
        """The patient wrote or brought it (EX_3.1-1040)."""
        kind, of = self.entry.type_code, self.entry.class_code
        return (kind is not None and kind.code.startswith(_PATIENT_TYPES)) or (
            of is not None and of.code == PATIENT_CLASS
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FoundSubmissionSet:
    """A submission set as the DMP describes it."""

    submission_set: SubmissionSet

    def __repr__(self) -> str:
        return f"FoundSubmissionSet({self.submission_set!r})"

    @property
    def entry_uuid(self) -> str:
        return self.submission_set.id

    @property
    def unique_id(self) -> str:
        return self.submission_set.unique_id

    @property
    def submitted(self) -> datetime | None:
        """submissionTime, aware, in UTC; None when absent or unreadable."""
        return _instant(self.submission_set.submission_time)


def _instant(text: str) -> datetime | None:
    try:
        return parse_ts(text, default_zone=UTC).value.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One answer: its objects, codes of warnings, and whether the registry gave all it found."""

    objects: Submission
    warnings: tuple[str, ...] = ()
    complete: bool = True

    @property
    def documents(self) -> tuple[FoundDocument, ...]:
        """In the order of the answer, signatures included."""
        return tuple(FoundDocument(entry=entry) for entry in self.objects.entries)

    @property
    def submission_sets(self) -> tuple[FoundSubmissionSet, ...]:
        first = self.objects.submission_set
        sets = (first, *self.objects.other_sets) if first else ()
        return tuple(FoundSubmissionSet(submission_set=each) for each in sets)


def decode(answer: etree._Element) -> Listing:
    """Read a query:AdhocQueryResponse, each object once. Raises DmpError: `DMP_REFUSED`, `DMP_TOO_MANY` for more
    objects than `MAX_OBJECTS`."""
    warnings, complete = accepted(read_response(answer, LISTING), "the DMP refused the search")
    objects = query.decode(answer)
    kinds = (objects.entries, objects.associations, objects.object_refs, objects.other_sets)
    count = sum(map(len, kinds)) + (objects.submission_set is not None)
    if count > MAX_OBJECTS:
        raise too_many(f"the answer holds {count} objects")
    total = query.total_of(answer)
    if complete and total is not None and total > count:
        warnings, complete = (*warnings, INCOMPLETE), False
    once = _each_once(objects)
    if once != objects:
        warnings = (*warnings, TWICE)
    return Listing(objects=once, warnings=warnings, complete=complete)


TWICE: Final = "DMP_TWICE"
"""Warning of `Results`: the answer lists an object twice, whether or not with the same metadata. The first is given."""


def _each_once(objects: Submission) -> Submission:
    entries, sets = _by_id(objects.entries), _by_id(objects.other_sets)
    first = objects.submission_set
    if first is not None:
        sets = tuple(each for each in sets if not each.id or each.id.lower() != first.id.lower())
    return replace(objects, entries=entries, other_sets=sets)


_Object = TypeVar("_Object", DocumentEntry, SubmissionSet)


def _by_id(found: tuple[_Object, ...]) -> tuple[_Object, ...]:
    """The first of each id; those without one stay."""
    first: dict[object, _Object] = {}
    for each in found:
        first.setdefault(each.id.lower() or id(each), each)
    return tuple(first.values())


def too_many(message: str) -> DmpError:
    return DmpError(
        message, code="DMP_TOO_MANY", rule=f"at most {MAX_OBJECTS} objects",
        hint="narrow the search: dates, classes, types",
        hint_fr="Trop de documents répondent à cette recherche : préciser les dates ou les types.",
    )  # fmt: skip


OTHER_INS: Final = "DMP_OTHER_INS"
"""Warning of `Results`: documents that the DMP keeps under another INS than the one asked about. The patient's may have
changed, so they are given (EX_3.1-1055); whether they are the patient's is for a human to see."""


def under_other_ins(objects: Submission, patient: str) -> tuple[str, ...]:
    """The warning `OTHER_INS`, or nothing. patient: CX; the DMP's own may go on with a date (CX.7)."""
    others = (
        e.patient_id for e in objects.entries if e.patient_id and e.patient_id.partition("^NH")[0] + "^NH" != patient
    )
    return (OTHER_INS,) if any(others) else ()


Ask = Callable[[StoredQuery], Listing]
"""Asks the registry of one patient for whole objects."""


def find_documents(ask: Ask, asked: StoredQuery) -> Results[FoundDocument]:
    """One query, signatures left out."""
    listing = ask(asked)
    shown = [d for d in listing.documents if not d.is_signature]
    return Results(shown, warnings=listing.warnings, complete=listing.complete)


def find_submission_sets(ask: Ask, asked: StoredQuery) -> Results[FoundSubmissionSet]:
    listing = ask(asked)
    return Results(listing.submission_sets, warnings=listing.warnings, complete=listing.complete)


def get_documents(
    ask: Ask, *, entry_uuids: Sequence[str] = (), unique_ids: Sequence[str] = ()
) -> Results[FoundDocument]:
    """As many queries as batches of ids; what was asked for by its id is given, signatures included.

    Raises ModelError `QUERY_IDS` when none or both kinds are given, DmpError `DMP_UNASKED`.
    """
    query.get_documents(entry_uuids=entry_uuids[:1], unique_ids=unique_ids[:1])  # refuses none and both
    uuids = [query.get_documents(entry_uuids=batch) for batch in batches(entry_uuids)]
    ids = [query.get_documents(unique_ids=batch) for batch in batches(unique_ids)]
    listings = [ask(asked) for asked in (*uuids, *ids)]
    documents = [document for listing in listings for document in listing.documents]
    asked_for = {*map(str.lower, entry_uuids), *unique_ids}
    if not all({d.entry_uuid.lower(), d.unique_id} & asked_for for d in documents):
        raise DmpError(
            "the answer holds another document than those asked for", code="DMP_UNASKED", path="ExtrinsicObject",
            rule="GetDocuments: documents of these ids", hint="ask again; if it persists, report it to the DMP support",
            hint_fr="La réponse du DMP ne concerne pas le document demandé.",
        )  # fmt: skip
    return _together(listings, documents)


def find_since(
    ask: Ask, patient: str, since: datetime, *, statuses: Sequence[AvailabilityStatus]
) -> Results[FoundDocument]:
    """What was brought or changed since a time (EX_3.1-1020). The date of submission is no criterion of a search of
    documents: submission sets, then their members, then the versions that replaced these, until no newer one is left.

    One `FoundDocument` for each document, in its last version, in the order of submission. A mere change of status
    (archived, deleted) has no member: `find` with that status tells. Raises DmpError `DMP_TOO_MANY`, `DMP_ANSWER` for
    an id of an answer that cannot be asked about.
    """
    sets = ask(query.find_submission_sets(patient, SubmissionSetFilter(submitted_from=since)))
    listings = [sets]
    todo: list[str] = []
    submitted = sorted(sets.submission_sets, key=lambda s: s.submission_set.submission_time)
    for batch in batches([s.entry_uuid for s in submitted]):
        listing = ask(_about(query.get_associations, batch, "RegistryPackage/@id"))
        listings.append(listing)
        todo += [a.target for a in listing.objects.associations if a.type == HAS_MEMBER and a.source in batch]
    found: dict[str, FoundDocument] = {}
    replaced: dict[str, str] = {}
    seen: set[str] = set()
    while todo := [uuid for uuid in dict.fromkeys(todo) if uuid not in seen]:
        seen.update(todo)
        if len(seen) > MAX_OBJECTS:
            raise too_many(f"{len(seen)} documents changed since then")
        newer: list[str] = []
        for batch in batches(todo):
            listing = ask(_about(_get_entries, batch, "Association/@targetObject, @sourceObject"))
            listings.append(listing)
            found |= {d.entry_uuid: d for d in listing.documents}
            links = [a for a in listing.objects.associations if a.type == REPLACES]
            replaced |= {a.source: a.target for a in links}
            newer += _newer(links, batch)
        todo = newer
    last = [replace(d, replaces=replaced.get(d.entry_uuid, "")) for d in _last_versions(found, replaced)]
    return _together(listings, [d for d in last if not d.is_signature and d.status in statuses])


def _get_entries(uuids: Sequence[str]) -> StoredQuery:
    return query.get_documents_and_associations(entry_uuids=uuids)


def _about(asked: Callable[[Sequence[str]], StoredQuery], ids: Sequence[str], path: str) -> StoredQuery:
    """A query about ids that an answer gave."""
    try:
        return asked(ids)
    except ModelError as e:
        raise not_expected(f"with an id that cannot be asked about ({e.message})", path) from None


def _newer(links: Sequence[Association], known: Sequence[str]) -> list[str]:
    return [a.source for a in links if a.target in known]


def _last_versions(found: dict[str, FoundDocument], replaced: dict[str, str]) -> Iterator[FoundDocument]:
    """Without those that another found one replaces, nor earlier versions of the same logical id."""
    old = {target for source, target in replaced.items() if source in found}
    versions: dict[str, FoundDocument] = {}
    for document in found.values():
        key = document.entry.logical_id or document.entry_uuid
        other = versions.get(key)
        if other is None or _version(document) >= _version(other):
            versions[key] = document
    return (d for d in versions.values() if d.entry_uuid not in old)


def _version(document: FoundDocument) -> tuple[bool, int]:
    text = document.entry.version
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    return document.status is not AvailabilityStatus.DEPRECATED, number


def _together(listings: Sequence[Listing], documents: Sequence[FoundDocument]) -> Results[FoundDocument]:
    return Results(
        documents,
        warnings=[code for listing in listings for code in listing.warnings],
        complete=all(listing.complete for listing in listings),
    )


def batches(ids: Sequence[str]) -> list[list[str]]:
    """Distinct ids, in order, at most `BATCH` at a time."""
    distinct = list(dict.fromkeys(ids))
    return [distinct[i : i + BATCH] for i in range(0, len(distinct), BATCH)]
