"""What was sent to the DMP and what became of it, kept in the outbox's file, as the DMP client's journal."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..dmp import AvailabilityStatus, DmpClient, SentDocument, document_of
from ..model import Prepared, Receipt
from ..outbox import Entry, Outbox, State


class OutboxJournal:
    """A `SubmissionJournal` in the file of an outbox: `DmpClient(settings, actor=…, journal=OutboxJournal(outbox))`.

    The client writes down what the DMP accepts, by the outbox or not: hash, author structure, metadata, then status and
    visibility; a purge leaves it. The metadata name the patient: they are forgotten when the document is replaced or
    deleted. What the outbox delivered before, or by a client without journal, is known from its
    deliveries. A deletion of what the outbox delivered is told to the ledger (DMP_WITHDRAWN). It is written down before
    it is sent: `settle`, at the start of a process, asks the DMP what became of those that a crash left open.

    outbox: it need not have channels. That which delivers by this very client cannot be opened before it: give
    `Outbox.open(url, {})`, of the same file.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def sent(self, unique_id: str) -> SentDocument | None:
        """A document that the DMP took; None while it waits, or when it went another way."""
        noted = self._outbox.recall(_name(unique_id))
        if noted is not None:
            return SentDocument.from_json(noted)
        entry = self._delivered(unique_id)
        if entry is None:
            return None
        with self._outbox.prepared(entry) as prepared:
            if prepared is None:
                return SentDocument(unique_id=unique_id, status=AvailabilityStatus.APPROVED)
            return document_of(prepared)

    def settle(self, client: DmpClient) -> tuple[Receipt, ...]:
        """Ask the DMP about each deletion that was about to be sent and of which nothing is known: ACCEPTED, it was
        made, and is now written down and told; ABSENT, it was not; UNKNOWN, the DMP does not say now: call again later.

        client: one that has this journal. Not while another process may be deleting: what it is about to send would
        be taken for not made. Raises what `DmpClient.reconcile` raises.
        """
        return tuple(client.reconcile(_deletion(text)) for text in self._outbox.recall_all(_DELETING))

    def intends(self, deletion: Prepared) -> None:
        self._outbox.remember(_DELETING + deletion.unique_id, deletion.to_bytes().decode())

    def intended(self, unique_id: str) -> Prepared | None:
        text = self._outbox.recall(_DELETING + unique_id)
        return None if text is None else _deletion(text)

    def dropped(self, unique_id: str) -> None:
        self._outbox.forget(_DELETING + unique_id)

    def accepted(self, document: SentDocument) -> None:
        self._outbox.remember(_name(document.unique_id), document.to_json())

    def changed(self, unique_id: str, status: AvailabilityStatus) -> None:
        known = self.sent(unique_id) or SentDocument(unique_id=unique_id, status=status)
        if status in (AvailabilityStatus.DEPRECATED, AvailabilityStatus.DELETED):
            known = replace(known, title="", entry="")  # nothing more can be done to it
        deleted = self._delivered(unique_id) if status is AvailabilityStatus.DELETED else None
        begun = _DELETING + unique_id if status is AvailabilityStatus.DELETED else ""
        text = replace(known, status=status).to_json()
        self._outbox.remember(_name(unique_id), text, withdrawn=deleted, forget=begun)

    def _delivered(self, unique_id: str) -> Entry | None:
        entries = self._outbox.entries(unique_id=unique_id, channel="dmp", state=State.DONE)
        return next((e for e in entries if e.receipt is not None and e.receipt.outcome.is_success), None)


_DELETING: Final = "dmp-deleting:"


def _deletion(text: str) -> Prepared:
    return Prepared.from_bytes(text.encode())


def _name(unique_id: str) -> str:
    return f"dmp:{unique_id}"
