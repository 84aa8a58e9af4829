"""What our own side knows of the documents it sent: in establishment mode the DMP lets nobody read it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..model import Code
from ..xds import AvailabilityStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SentDocument:
    """A document that the DMP accepted from us.

    status: as our last accepted call left it; somebody else may have changed it since. The rest is empty when it is
    not kept: sha1 of its bytes, 40 lower-case hex digits; structure_id, Struct_IdNat of the author of its submission
    set; title and content_type of that set.
    """

    unique_id: str
    status: AvailabilityStatus
    sha1: str = ""
    structure_id: str = ""
    title: str = ""
    content_type: Code | None = None


class SubmissionJournal(Protocol):
    """A record of submissions that outlives the process. Called from any thread."""

    def sent(self, unique_id: str) -> SentDocument | None:
        """A document by its uniqueId; None when the DMP never accepted it from us."""
        ...

    def changed(self, unique_id: str, status: AvailabilityStatus) -> None:
        """The DMP accepted a change of status, or a replacement (DEPRECATED). It may be told twice."""
        ...
