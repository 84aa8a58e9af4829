"""Where the work stands: states, entries, and the policy that moves them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from ..model import ChannelKind, Receipt


class State(StrEnum):
    """Where one delivery (one document to one destination) stands. A `Receipt` is something else: what one attempt got.

    READY to be sent; LEASED to a worker; RETRY_AT waits for its time; CHECK: an attempt's outcome is not known, the
    peer is asked before anything else; PARKED in the repair queue with its reason; DONE: the peer has it; DEAD: given
    up after the last attempt; SUPERSEDED by a newer version before it was sent; CANCELLED by the caller.
    """

    READY = "READY"
    LEASED = "LEASED"
    RETRY_AT = "RETRY_AT"
    CHECK = "CHECK"
    PARKED = "PARKED"
    DONE = "DONE"
    DEAD = "DEAD"
    SUPERSEDED = "SUPERSEDED"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """No worker will touch it again, and later versions need not wait for it."""
        return self in TERMINAL

    @property
    def is_settled(self) -> bool:
        """Terminal, or parked until somebody acts."""
        return self in TERMINAL or self is State.PARKED


TERMINAL = frozenset({State.DONE, State.DEAD, State.SUPERSEDED, State.CANCELLED})

CONFIG = "CONFIG"
"""Parked: our own configuration, certificate or signature failed."""
UNCERTAIN = "UNCERTAIN"
"""Parked: the peer may hold the document, cannot be asked, and sending again is not allowed."""
INTERNAL = "INTERNAL"
"""Parked: the channel failed in a way nobody foresaw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One document on its way to one destination, as it stood when it was read.

    unique_id, chain_id, version_number: of the document; channel: name under which the outbox was given it;
    destination: key of the destination (an address: kept out of repr); delivery: opaque key, the same as in events;
    reason: why it is parked or dead (a `ReasonClass` value, or CONFIG, UNCERTAIN, INTERNAL); code: the peer's raw
    code; attempts: sends begun; failures: since it was last armed; due_at: when a worker may take it next, or when a
    lease ends; uncertain: the peer may hold it although no receipt says so; replaces: unique_id of the version that
    the peer will see replaced; receipt: what the last answered attempt got.
    """

    id: int
    unique_id: str
    chain_id: str
    version_number: int
    channel: str
    kind: ChannelKind
    destination: str = field(repr=False)
    delivery: str
    state: State
    reason: str
    code: str
    attempts: int
    failures: int
    uncertain: bool
    due_at: datetime | None
    created_at: datetime
    updated_at: datetime
    replaces: str | None
    receipt: Receipt | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxPolicy:
    """When to try again, when to ask, when to give up.

    recover_after: how long a worker may keep an entry; a silent one (crashed) then leaves it in CHECK. It must exceed
    the longest send, time-outs included: twice the channels' time-out is safe.
    retry_base, retry_cap: exponential back-off with full jitter, between 0 and min(cap, base × 2^failures).
    max_attempts: failures after which an entry is DEAD (or PARKED as UNCERTAIN when the peer may hold it).
    check_delay: time given to the peer to finish what it was doing before it is asked.
    breaker_failures, breaker_pause: after so many unreachable attempts in a row, this process leaves the channel alone
    for that long; the entries that wait do not use up attempts.
    None of these numbers comes from a national text: they are choices.
    """

    recover_after: timedelta = timedelta(minutes=5)
    retry_base: timedelta = timedelta(seconds=2)
    retry_cap: timedelta = timedelta(hours=1)
    max_attempts: int = 48
    check_delay: timedelta = timedelta(seconds=2)
    breaker_failures: int = 5
    breaker_pause: timedelta = timedelta(seconds=30)

    def back_off(self, failures: int, fraction: float) -> timedelta:
        """Full jitter: `fraction` (0 to 1) of the exponential delay after so many failures."""
        return min(self.retry_cap, self.retry_base * (1 << min(failures, 30))) * fraction
