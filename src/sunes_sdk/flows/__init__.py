"""L7: what joins siblings. Here, a hospital stay from its ADT messages to the usage ledger."""

from .journal import OutboxJournal
from .stay import admit, count, discharge, send, send_without_ins, stay_events

__all__ = ["OutboxJournal", "admit", "count", "discharge", "send", "send_without_ins", "stay_events"]
