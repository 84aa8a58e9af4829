"""What the outbox tells the usage ledger: events as JSON, written with the change of state they describe."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from .._version import __version__
from ..model import Document, Event, EventType, Prepared
from .machine import Fact

_ACTOR = f"sunes_sdk.outbox/{__version__}"


def delivery_of(prepared: Prepared) -> str:
    """The opaque key of one document on its way to one destination, as events carry it in `delivery`.

    The document's identifier is random and long: the address behind the key cannot be found by trying addresses
    without knowing it.
    """
    return hashlib.sha256(f"{prepared.unique_id}\x1f{prepared.key}".encode()).hexdigest()[:32]


Facts = str
"""What the events of a document, or of a delivery, have in common: a JSON object."""


def facts_of(document: Document) -> Facts:
    """What every event of this document carries. No matricule, no name."""
    facts = {
        "finess_ej": document.organization.finess_ej if document.organization else None,
        "finess_geo": document.organization.finess_geo if document.organization else None,
        "unit": document.unit,
        "stay": document.stay,
        "document_id": document.unique_id,
        "chain_id": document.set_id,
        "type_code": document.type_code.code,
        "format_code": document.format_code.code,
        "cda_level": document.cda_level,
        "ins_status": document.ins_status.value,
        "test_identity": document.ins is not None and document.ins.is_test,
        "actor": _ACTOR,
    }
    return to_json(_present(facts)).decode()


def of_delivery(facts: Facts, prepared: Prepared) -> Facts:
    """Facts of a document with those of one way out."""
    return _joined({"channel": prepared.kind.value, "delivery": delivery_of(prepared)}, facts)


StoredEvent = tuple[str, str]
"""Identifier and JSON."""


def production(document: Document, facts: Facts) -> list[StoredEvent]:
    """DOC_PRODUCED, and DOC_REPLACED for a later version: the same however often the document is put."""
    types = [EventType.DOC_PRODUCED, *([EventType.DOC_REPLACED] if document.replaces else [])]
    return [
        _stored(facts, f"{document.unique_id}:{kind.value}", {"type": kind.value}, document.created_at)
        for kind in types
    ]


def superseded(facts: Facts, delivery: str, attempt: int, at: datetime) -> StoredEvent:
    """A version that a newer one overtook before it was sent: DOC_REPLACED on its own delivery."""
    values = {"type": EventType.DOC_REPLACED.value, "outcome": "SUPERSEDED", "attempt": attempt}
    return _stored(facts, f"{delivery}:SUPERSEDED", values, at)


def withdrawal(facts: Facts, delivery: str, attempt: int, at: datetime) -> StoredEvent:
    """A document that the DMP deleted after it took it."""
    values = {"type": EventType.DMP_WITHDRAWN.value, "outcome": "DELETED", "attempt": attempt}
    return _stored(facts, f"{delivery}:WITHDRAWN", values, at)


def of_attempt(
    facts: Facts, told: Iterable[Fact], *, delivery: str, attempt: int, began: datetime, ended: datetime
) -> list[StoredEvent]:
    """The events of one attempt. Their identifiers come from delivery, type and attempt: telling twice adds nothing."""
    stored = []
    for fact in told:
        values = {
            "type": fact.type.value,
            "attempt": attempt,
            "outcome": fact.outcome,
            "reason_class": fact.reason_class.value if fact.reason_class else None,
            "reason_code": fact.reason_code,
        }
        began_then = fact.type in (EventType.DMP_SUBMITTED, EventType.MSS_SUBMITTED)
        event_id = f"{delivery}:{fact.type.value}:{attempt}"
        stored.append(_stored(facts, event_id, values, began if began_then else ended))
    return stored


def given(event: Event) -> StoredEvent:
    """An event that the caller made."""
    return event.event_id, event.model_dump_json(exclude_defaults=True)


def read(stored: str) -> Event:
    return Event.model_validate_json(stored)


def _stored(facts: Facts, event_id: str, values: dict[str, Any], at: datetime) -> StoredEvent:
    return event_id, _joined({"event_id": event_id, "occurred_at": at.isoformat(), **values}, facts)


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _joined(values: dict[str, Any], facts: Facts) -> str:
    """One JSON object of two; neither is empty, and no name is in both."""
    return f"{to_json(_present(values))[:-1].decode()},{facts[1:]}"
