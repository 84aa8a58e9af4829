"""What our own side knows of the documents it sent: in establishment mode the DMP lets nobody read it back."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Final, Protocol, Self, runtime_checkable

from lxml import etree

from .._core.xml import parse
from ..model import Code, Prepared
from ..xds import AvailabilityStatus
from ..xds.datatypes import components
from ..xds.ebrim import decode_element, entries_of
from .td33 import visibility_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SentDocument:
    """A document that the DMP accepted from us.

    status, visibility (codes of JDV_J58 beside `N`), version (versionName): as our last accepted call left them;
    somebody else may have changed them since. The rest is empty when it is not kept: sha1 of its bytes, 40 lower-case
    hex digits; structure_id, Struct_IdNat of the author of its submission set; title and content_type of that set;
    entry, its rim:ExtrinsicObject as it was sent (it names the patient); logical_id, once a change told it.
    """

    unique_id: str
    status: AvailabilityStatus
    sha1: str = ""
    structure_id: str = ""
    title: str = field(default="", repr=False)
    content_type: Code | None = None
    entry: str = field(default="", repr=False)
    visibility: tuple[str, ...] = ()
    version: str = "1"
    logical_id: str = ""

    def to_json(self) -> str:
        values = asdict(self) | {"content_type": self.content_type and self.content_type.model_dump()}
        return json.dumps(values, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        stored = json.loads(text)
        stored["status"] = AvailabilityStatus(stored["status"])
        stored["visibility"] = tuple(stored["visibility"])
        stored["content_type"] = Code(**stored["content_type"]) if stored["content_type"] else None
        return cls(**stored)


class SubmissionJournal(Protocol):
    """A record of submissions that outlives the process. Called from any thread; it may be told a thing twice."""

    def sent(self, unique_id: str) -> SentDocument | None:
        """A document by its uniqueId; None when the DMP never accepted it from us."""
        ...

    def accepted(self, document: SentDocument) -> None:
        """The DMP accepted a document, or new metadata of one: what it is now."""
        ...

    def changed(self, unique_id: str, status: AvailabilityStatus) -> None:
        """The DMP accepted a change of status, or a replacement (DEPRECATED)."""
        ...


@runtime_checkable
class IntentJournal(SubmissionJournal, Protocol):
    """A journal that knows before the DMP what is about to be deleted, so that a crash between the DMP's yes and
    `changed` leaves a deletion to be settled, not one that nobody knows of."""

    def intends(self, deletion: Prepared) -> None:
        """A deletion is about to be sent. `changed` to DELETED ends it."""
        ...

    def intended(self, unique_id: str) -> Prepared | None:
        """The deletion that was about to be sent, and of which nothing was said since."""
        ...

    def dropped(self, unique_id: str) -> None:
        """It was not made."""
        ...


NOT_NOTED: Final = "DMP_JOURNAL"
"""Warning of a Receipt: the DMP accepted, and the journal could not write it down."""
_log = logging.getLogger("sunes_sdk.dmp")


def noted(write: Callable[[], object]) -> tuple[str, ...]:
    """Write down what the DMP accepted. A journal that fails is a warning: what was accepted stays so, and is said."""
    try:
        write()
    except Exception as e:  # noqa: BLE001  the journal is the caller's own, and fails in its own ways
        _log.error("%s: %s", NOT_NOTED, type(e).__name__)  # neither its text nor values: they may name the patient
        return (NOT_NOTED,)
    return ()


def document_of(prepared: Prepared) -> SentDocument:
    """What is to be kept of a feed, as the DMP holds it once it accepted it."""
    root = parse(prepared.blobs["ebrim"])
    element, entry = next(found for found in entries_of(root) if found[1].unique_id == prepared.unique_id)
    submission_set = decode_element(root).submission_set
    assert submission_set is not None  # a feed has one
    institution = components(submission_set.author.institution) if submission_set.author else []
    return SentDocument(
        unique_id=prepared.unique_id,
        status=AvailabilityStatus.APPROVED,
        sha1=entry.hash,
        structure_id=institution[9] if len(institution) > 9 else "",
        title=submission_set.title,
        content_type=submission_set.content_type,
        entry=etree.tostring(element, encoding="unicode", with_tail=False),
        visibility=visibility_of(entry.confidentiality),
    )
