"""L6: documents on their way out. Durable before any byte leaves, asked after when the outcome is not known."""

from __future__ import annotations

from .entry import Entry, OutboxPolicy, State
from .events import delivery_of
from .outbox import Drain, Outbox

__all__ = ["Drain", "Entry", "Outbox", "OutboxPolicy", "State", "delivery_of"]
