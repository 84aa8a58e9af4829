"""What the outbox knows of the documents that the DMP accepted, as the DMP client's journal."""

from __future__ import annotations

from collections.abc import MutableMapping

from ..dmp import AvailabilityStatus, SentDocument
from ..outbox import Outbox, State


class OutboxJournal:
    """A `SubmissionJournal` over an outbox: `DmpClient(settings, actor=…, journal=OutboxJournal(outbox, changes))`.

    changes: where changes of status are kept, by uniqueId: a mapping of the caller's that outlives the process (a table
    of its database). The outbox keeps neither the SHA-1 nor the author structure of a document: both come back empty,
    and what they serve to check is then left to the DMP.
    """

    def __init__(self, outbox: Outbox, changes: MutableMapping[str, str]) -> None:
        self._outbox = outbox
        self._changes = changes

    def sent(self, unique_id: str) -> SentDocument | None:
        """A document that the outbox delivered; None while it waits, or when it went another way."""
        entries = self._outbox.entries(unique_id=unique_id, channel="dmp", state=State.DONE)
        if not any(entry.receipt is not None and entry.receipt.outcome.is_success for entry in entries):
            return None
        status = AvailabilityStatus(self._changes.get(unique_id, AvailabilityStatus.APPROVED))
        return SentDocument(unique_id=unique_id, status=status)

    def changed(self, unique_id: str, status: AvailabilityStatus) -> None:
        self._changes[unique_id] = status.value
