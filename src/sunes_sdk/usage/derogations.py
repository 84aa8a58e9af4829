"""Documents that went to professionals without INS, by the derogation (`Mss(without_ins=True)`)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from ..model import ChannelKind, EventType, IdentityStatus
from .ledger import Ledger
from .period import Period, to_micros


def sent_without_ins(
    ledger: Ledger, period: Period, *, as_of: datetime | None = None
) -> dict[IdentityStatus, int]:  # fmt: skip
    """How many deliveries to professionals were attempted in the period without a qualified INS, by the status that the
    identity had when the document was produced. Several attempts of one delivery count once, on the day of the first.

    `MssClient` lets none go but by the explicit derogation, so that this counts its uses. as_of: only events recorded
    by then count, None for now.
    """
    first: dict[bytes, tuple[int, IdentityStatus]] = {}
    for row in ledger.rows(ledger.head(as_of)):
        if row.type != EventType.MSS_SUBMITTED or row.channel != ChannelKind.MSS_PRO or row.delivery_key is None:
            continue
        if row.ins_status not in (None, IdentityStatus.QUALIFIEE):
            seen = (row.occurred_at, IdentityStatus(row.ins_status))
            first[row.delivery_key] = min(seen, first.get(row.delivery_key, seen))
    start, end = to_micros(period.first_instant), to_micros(period.after_last_instant())
    return dict(Counter(status for at, status in first.values() if start <= at < end))
