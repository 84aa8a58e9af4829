"""What happened, as the usage ledger records it."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime

from ._base import Model
from .code import Identifier
from .delivery import ChannelKind, ReasonClass
from .identity import IdentityStatus


class EventType(StrEnum):
    STAY_OPENED = "STAY_OPENED"
    STAY_UPDATED = "STAY_UPDATED"
    STAY_CLOSED = "STAY_CLOSED"
    STAY_CANCELLED = "STAY_CANCELLED"
    STAY_MERGED = "STAY_MERGED"
    IDENTITY_STATUS_CHANGED = "IDENTITY_STATUS_CHANGED"
    DOC_PRODUCED = "DOC_PRODUCED"
    DOC_VALIDATED = "DOC_VALIDATED"
    DOC_REPLACED = "DOC_REPLACED"
    DOC_WITHDRAWN = "DOC_WITHDRAWN"
    ELIGIBILITY_DECIDED = "ELIGIBILITY_DECIDED"
    DMP_SUBMITTED = "DMP_SUBMITTED"
    DMP_ACCEPTED = "DMP_ACCEPTED"
    DMP_REJECTED = "DMP_REJECTED"
    DMP_UNKNOWN = "DMP_UNKNOWN"
    DMP_RECONCILED = "DMP_RECONCILED"
    DMP_WITHDRAWN = "DMP_WITHDRAWN"
    MSS_SUBMITTED = "MSS_SUBMITTED"
    MSS_RELAYED = "MSS_RELAYED"
    MSS_REJECTED = "MSS_REJECTED"
    MSS_UNKNOWN = "MSS_UNKNOWN"
    MSS_DELIVERED = "MSS_DELIVERED"
    MSS_DELAYED = "MSS_DELAYED"
    MSS_BOUNCED = "MSS_BOUNCED"
    MSS_READ = "MSS_READ"
    MSS_PROCESSING_FAILED = "MSS_PROCESSING_FAILED"
    CORRECTION = "CORRECTION"
    EXTERNAL_COUNT_IMPORTED = "EXTERNAL_COUNT_IMPORTED"
    SEAL = "SEAL"


class Event(Model):
    """One fact, with clear identifiers: the ledger turns them into keyed pseudonyms when it records it.

    event_id: idempotency key, chosen by the producer; occurred_at: aware. No matricule, no name, no peer's text.
    """

    masked: ClassVar[frozenset[str]] = frozenset({"patient"})

    event_id: str
    type: EventType
    occurred_at: AwareDatetime
    finess_ej: str | None = None
    finess_geo: str | None = None
    unit: str | None = None
    activity: str | None = None
    stay: Identifier | None = None
    stay_class: str | None = None
    admitted_at: AwareDatetime | None = None
    discharged_at: AwareDatetime | None = None
    merged_stay: Identifier | None = None
    """Of `STAY_MERGED` only: the stay that goes into `stay` and ceases to be."""
    patient: Identifier | None = None
    document_id: str | None = None
    chain_id: str | None = None
    type_code: str | None = None
    format_code: str | None = None
    cda_level: int | None = None
    ins_status: IdentityStatus | None = None
    test_identity: bool = False
    channel: ChannelKind = ChannelKind.NONE
    delivery: str | None = None
    """Opaque key of one document on its way to one destination; never an address."""
    attempt: int = 0
    reason_code: str | None = None
    reason_class: ReasonClass | None = None
    outcome: str | None = None
    actor: str | None = None
    """Software component, never a person."""
