"""XDS metadata as values: what `ebrim` writes and reads (IHE ITI volume 3 §4.2; CI-SIS Partage de documents).

Times are HL7 DTM text in UTC without zone (`20190221123445`), shorter when the source is less precise. Identifiers of
persons and structures are XCN / XON text, of patients CX text (see `datatypes`). An empty string or tuple means absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..model import Code


class AvailabilityStatus(StrEnum):
    """availabilityStatus of a document in a registry (value set JDV_J52). DEPRECATED: replaced, or followed by a
    version whose metadata changed."""

    APPROVED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
    DEPRECATED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated"
    ARCHIVED = "urn:asip:ci-sis:2010:StatusType:Archived"
    DELETED = "urn:asip:ci-sis:2010:StatusType:Deleted"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Author:
    """One author (1..* on an entry, 1..1 on a submission set).

    person: XCN, 1..1; institution: XON, 0..1; roles: labels (not codes) of JDV_J47, 0..*; specialties: CE, 0..*.
    """

    person: str
    institution: str = ""
    roles: tuple[str, ...] = ()
    specialties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DocumentEntry:
    """XDSDocumentEntry (ebRIM ExtrinsicObject).

    id: symbolic on submission, `urn:uuid:` entryUUID in XDM and in answers; hash: SHA-1 as 40 lower-case hex digits,
    whatever the case on the wire; size: bytes; uri: XDM only; action: XDM only, `` initial, `C` replaces, `D` deletes;
    confidentiality: `N` first, then visibility codes (1..4); reference_ids: CXi. logical_id, version, status and
    repository_unique_id are set by the registry.
    """

    id: str
    mime_type: str
    unique_id: str
    patient_id: str
    type_code: Code | None = None
    class_code: Code | None = None
    format_code: Code | None = None
    facility_type: Code | None = None
    practice_setting: Code | None = None
    confidentiality: tuple[Code, ...] = ()
    event_codes: tuple[Code, ...] = ()
    authors: tuple[Author, ...] = ()
    legal_authenticator: str = ""
    title: str = ""
    comments: str = ""
    creation_time: str = ""
    service_start: str = ""
    service_stop: str = ""
    language: str = ""
    source_patient_id: str = ""
    source_patient_info: tuple[str, ...] = ()
    reference_ids: tuple[str, ...] = ()
    hash: str = ""
    size: int | None = None
    uri: str = ""
    action: str = ""
    logical_id: str = ""
    version: str = ""
    status: str = ""
    repository_unique_id: str = ""

    def __repr__(self) -> str:
        kind = self.type_code.code if self.type_code else ""
        return f"DocumentEntry(id={self.id!r}, unique_id={self.unique_id!r}, type_code={kind!r})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SubmissionSet:
    """XDSSubmissionSet (ebRIM RegistryPackage). content_type: JDV_J59; source_id: OID of the sending instance."""

    id: str
    unique_id: str
    source_id: str
    patient_id: str
    submission_time: str
    author: Author | None = None
    content_type: Code | None = None
    title: str = ""
    comments: str = ""
    intended_recipients: tuple[str, ...] = ()
    status: str = ""

    def __repr__(self) -> str:
        return f"SubmissionSet(id={self.id!r}, unique_id={self.unique_id!r})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Folder:
    """XDSFolder, a *classeur* (ebRIM RegistryPackage): in the CI-SIS model; no public message of the DMP holds one.

    codes: codeList, 1..*; last_update: set by the registry. Its members are `HAS_MEMBER` associations.
    """

    id: str
    unique_id: str
    patient_id: str
    codes: tuple[Code, ...] = ()
    title: str = ""
    comments: str = ""
    last_update: str = ""
    logical_id: str = ""
    version: str = ""
    status: str = ""

    def __repr__(self) -> str:
        return f"Folder(id={self.id!r}, unique_id={self.unique_id!r})"


HAS_MEMBER = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
SIGNS = "urn:ihe:iti:2007:AssociationType:signs"
REPLACES = "urn:ihe:iti:2007:AssociationType:RPLC"
UPDATES_STATUS = "urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """A link between two objects: `HAS_MEMBER`, `SIGNS`, `REPLACES`, `UPDATES_STATUS` … slots: name and values, in
    order."""

    id: str
    type: str
    source: str
    target: str
    slots: tuple[tuple[str, tuple[str, ...]], ...] = ()


ORIGINAL = (("SubmissionSetStatus", ("Original",)),)
"""The slots of a membership that brings a new object."""


def previous_version(version: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The slots of a membership that brings new metadata of a known object, in place of that version."""
    return (*ORIGINAL, ("PreviousVersion", (version,)))


def status_change(original: AvailabilityStatus, new: AvailabilityStatus) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The slots of an `UPDATES_STATUS` association. original: must be the present one."""
    return (("OriginalStatus", (original.value,)), ("NewStatus", (new.value,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A submission, or what a registry answered.

    submission_set: the first one, None in an answer about documents only; other_sets: further ones of an answer;
    object_refs: ids of an ObjectRef answer.
    """

    submission_set: SubmissionSet | None = None
    entries: tuple[DocumentEntry, ...] = ()
    associations: tuple[Association, ...] = ()
    object_refs: tuple[str, ...] = ()
    other_sets: tuple[SubmissionSet, ...] = ()
    folders: tuple[Folder, ...] = ()
