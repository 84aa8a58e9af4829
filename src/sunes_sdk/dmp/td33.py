"""TD3.3, the life of a document in the DMP (IHE ITI-57), as pure codec: delete, archive, unarchive (TD3.3c, TD3.3d)
change its status; mask, unmask and visibility (TD3.3a, TD3.3b) change its confidentiality codes.

A change of status names the present one, a change of confidentiality the present version: the DMP refuses one that was
made for something else, so that the same message twice does no harm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from lxml import etree

from .. import xds
from .._core.errors import DmpError, MetadataError
from .._core.xml import parse
from ..model import Code
from ..transport import soap
from ..xds import Association, AvailabilityStatus, NewVersion, Submission, SubmissionSet
from .rights import Transaction
from .td21 import INVISIBLE, MASKED

ACTION: Final = "urn:ihe:iti:2010:UpdateDocumentSet"
SET_ID: Final = "SubmissionSet01"
ENTRY_ID: Final = "Document01"
INVISIBLE_TO_REPRESENTATIVES: Final = Code(
    code="INVISIBLE_REPRESENTANTS_LEGAUX",
    system=INVISIBLE.system,
    display="Non visible par les représentants légaux du patient",
)
VISIBILITY: Final = (MASKED, INVISIBLE, INVISIBLE_TO_REPRESENTATIVES)
"""The codes of JDV_J58 that hide a document from someone."""
MOVES: Final[Mapping[tuple[AvailabilityStatus, AvailabilityStatus], Transaction]] = {
    (AvailabilityStatus.APPROVED, AvailabilityStatus.ARCHIVED): Transaction.ARCHIVE,
    (AvailabilityStatus.ARCHIVED, AvailabilityStatus.APPROVED): Transaction.ARCHIVE,
    (AvailabilityStatus.APPROVED, AvailabilityStatus.DELETED): Transaction.DELETE,
    (AvailabilityStatus.ARCHIVED, AvailabilityStatus.DELETED): Transaction.DELETE,
}
"""Changes of status that the DMP knows, from the present one to the new one."""
_STATUS_FR: Final = {
    AvailabilityStatus.APPROVED: "en vigueur",
    AvailabilityStatus.DEPRECATED: "remplacé",
    AvailabilityStatus.ARCHIVED: "archivé",
    AvailabilityStatus.DELETED: "supprimé",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What one message asks, to compare with what the DMP says later. unique_id: of the document; original, new:
    statuses, empty for a change of confidentiality; version: the present one (versionName), visibility: the codes it
    shall have beside `N`, logical_id: of the document, all empty for a change of status."""

    transaction: Transaction
    unique_id: str
    original: str = ""
    new: str = ""
    version: str = ""
    visibility: tuple[str, ...] = ()
    logical_id: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Update:
        return cls(
            **stored | {"transaction": Transaction(stored["transaction"]), "visibility": tuple(stored["visibility"])}
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Held:
    """A version of a document as the DMP answered it (returnType LeafClass), or as a journal knows it."""

    element: etree._Element
    entry: xds.DocumentEntry

    @property
    def visibility(self) -> tuple[str, ...]:
        return visibility_of(self.entry.confidentiality)


def kept_version(
    entry: str, *, entry_uuid: str, logical_id: str, version: str, visibility: Iterable[str], repository: str
) -> Held:
    """The version in use of a document that we sent, for a mode that may not read it: its entry as it was sent, with
    what the registry added since. repository: repositoryUniqueId, empty when it is not known."""
    element = parse(entry.encode())
    element.set("lid", logical_id)
    if repository:
        slot = etree.SubElement(element, f"{{{xds.ebrim.RIM}}}Slot", name="repositoryUniqueId")
        etree.SubElement(
            etree.SubElement(slot, f"{{{xds.ebrim.RIM}}}ValueList"), f"{{{xds.ebrim.RIM}}}Value"
        ).text = repository
        element.insert(0, slot)
    ((_, read),) = xds.ebrim.entries_of(element)
    codes = with_visibility(
        read.confidentiality, add=[c for c in VISIBILITY if c.code in visibility], remove=VISIBILITY
    )
    return Held(
        element=element,
        entry=replace(read, id=entry_uuid, logical_id=logical_id, version=version, confidentiality=codes),
    )


def visibility_of(confidentiality: Iterable[Code]) -> tuple[str, ...]:
    """The codes that hide a document from someone, sorted."""
    return tuple(sorted(c.code for c in confidentiality if c.system == MASKED.system))


def present_version(answer: etree._Element, unique_id: str) -> Held | None:
    """The version in use of a document in a query:AdhocQueryResponse; None when the answer does not hold it.

    Versions that were followed by another are Deprecated. When several are not, the highest version is taken
    (unverified: one is expected).
    """
    found = [
        Held(element=element, entry=entry)
        for element, entry in xds.ebrim.entries_of(answer)
        if entry.unique_id == unique_id
    ]
    in_use = [held for held in found if held.entry.status != AvailabilityStatus.DEPRECATED]
    return max(in_use or found, key=lambda held: _number(held.entry.version), default=None)


def next_version(version: str) -> str:
    """The versionName after this one: the DMP counts them."""
    return str(_number(version) + 1)


def _number(version: str) -> int:
    return int(version) if version.isascii() and version.isdigit() else 0


def transaction_of(original: AvailabilityStatus, new: AvailabilityStatus) -> Transaction:
    """The transaction of a change of status. Raises MetadataError `DMP_STATUS` when the DMP knows no such change."""
    found = MOVES.get((original, new))
    if found is None:
        allowed = [a.name for a, b in MOVES if b is new]
        raise MetadataError(
            f"a document that is {original.name} cannot become {new.name}", code="DMP_STATUS", path="status",
            rule=f"TD3.3: only from {' or '.join(allowed) or 'no status'}",
            hint="act on the last version of the document",
            hint_fr=f"Ce document est {_STATUS_FR[original]} : cette action n'est pas possible.",
        )  # fmt: skip
    return found


def status_update(
    submission_set: SubmissionSet, entry_uuid: str, original: AvailabilityStatus, new: AvailabilityStatus
) -> str:
    """The lcm:SubmitObjectsRequest that changes the status of a version. entry_uuid: of the version in use."""
    link = Association(
        id="assoc1",
        type=xds.UPDATES_STATUS,
        source=submission_set.id,
        target=entry_uuid,
        slots=xds.status_change(original, new),
    )
    return xds.encode(Submission(submission_set=submission_set, associations=(link,)), xds.DMP_UPDATE)


def visibility_update(submission_set: SubmissionSet, held: Held, confidentiality: tuple[Code, ...]) -> str:
    """The lcm:SubmitObjectsRequest that gives a document other confidentiality codes: its whole entry as the DMP
    answered it, with a symbolic id and the same logicalId (`lid`).

    Raises DmpError `DMP_NO_VERSION` when the answer lacks what the DMP will want to see again.
    """
    if not (held.entry.logical_id and held.entry.version):
        raise DmpError(
            "the DMP answered an entry without logicalId or version", code="DMP_NO_VERSION",
            path="ExtrinsicObject/@lid, VersionInfo/@versionName", rule="IHE ITI-57: lid and PreviousVersion",
            hint="show the answer to the DMP's support: the document cannot be changed",
        )  # fmt: skip
    link = Association(
        id="assoc1",
        type=xds.HAS_MEMBER,
        source=submission_set.id,
        target=ENTRY_ID,
        slots=xds.previous_version(held.entry.version),
    )
    version = NewVersion(element=held.element, id=ENTRY_ID, confidentiality=confidentiality)
    return xds.encode(Submission(submission_set=submission_set, associations=(link,)), xds.DMP_UPDATE, (version,))


def with_visibility(present: Iterable[Code], *, add: Collection[Code], remove: Collection[Code]) -> tuple[Code, ...]:
    """Confidentiality codes with some visibility codes added and removed; the others stay, `N` first among them."""
    without = {(c.code, c.system) for c in (*add, *remove)}
    kept = [c for c in present if (c.code, c.system) not in without]
    return (*kept, *add)


def visibility(*, patient: bool | None, representatives: bool | None) -> tuple[tuple[Code, ...], tuple[Code, ...]]:
    """The codes to add, and to remove."""
    wanted = ((INVISIBLE, patient), (INVISIBLE_TO_REPRESENTATIVES, representatives))
    return tuple(c for c, seen in wanted if seen is False), tuple(c for c, seen in wanted if seen is True)


def encode(ebrim: str, *, message_id: str, assertion: bytes) -> tuple[str, bytes]:
    """The Content-Type and body of the HTTP request. message_id: `urn:uuid:…`, fresh; assertion: the signed VIHF."""
    envelope = soap.envelope(
        action=ACTION, message_id=message_id, headers=soap.security(assertion), body=ebrim.encode()
    )
    return soap.content_type(ACTION), envelope
