"""One unit of work: lease an entry, send it or ask after it, write down what came of it."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
import traceback
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from .._core.clock import Clock
from .._core.errors import SunesError
from .._core.ids import IdFactory
from ..model import Channel, ChannelKind, Receipt
from .entry import Entry, OutboxPolicy, State
from .events import of_attempt
from .machine import Transition, after_check, after_send
from .store import Claim, Store

_log = logging.getLogger("sunes_sdk.outbox")
_FRACTION_BITS = 52

# When a lost reply can never be cleared up and the channel says nothing: a professional may get a letter twice,
# a patient may not (a choice of this library, not a national rule).
_LOST_REPLY = {ChannelKind.MSS_PRO: "at_least_once", ChannelKind.MSS_PATIENT: "at_most_once"}


class Breaker:
    """Leaves a channel alone for a while when its peer is unreachable time after time. Known to this process only."""

    def __init__(self, policy: OutboxPolicy) -> None:
        self._policy = policy
        self._failures: dict[str, int] = {}
        self._until: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def note(self, channel: str, *, reached: bool, now: datetime) -> None:
        with self._lock:
            if reached:
                self._failures.pop(channel, None)
                self._until.pop(channel, None)
                return
            self._failures[channel] = self._failures.get(channel, 0) + 1
            if self._failures[channel] >= self._policy.breaker_failures:
                self._until[channel] = now + self._policy.breaker_pause

    def paused(self, now: datetime) -> dict[str, datetime]:
        """Channels that are left alone, and until when."""
        if not self._until:
            return {}
        with self._lock:
            return {channel: until for channel, until in self._until.items() if until > now}


class Worker:
    """Sends what an outbox holds, one entry at a time. Any number may run, in threads and in processes."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        *,
        clock: Clock,
        ids: IdFactory,
        policy: OutboxPolicy,
        breaker: Breaker,
    ) -> None:
        self._store = store
        self._channels = channels
        self._names = frozenset(channels)
        self._clock = clock
        self._ids = ids
        self._policy = policy
        self._breaker = breaker

    def claim(self) -> Claim | None:
        """Lease the next entry that is due, None when there is none."""
        now = self._clock.now()
        return self._store.claim(self._open_channels(now), now, self._policy.recover_after)

    def work(self, claim: Claim, *, and_claim: bool = False) -> tuple[Transition | None, Claim | None]:
        """Do leased work and write it down. Returns where the entry went, None when the lease was lost meanwhile,
        and the next leased work when asked for (leased in the same commit).

        Raises OutboxError when the store fails: the entry then stays leased, and is checked later.
        """
        began = self._clock.now()
        transition = self._attempt(claim)
        ended = self._clock.now()
        channel = claim.entry.channel
        self._breaker.note(channel, reached=not transition.unreachable, now=ended)
        told = of_attempt(
            claim.facts, transition.facts, delivery=claim.entry.delivery, attempt=claim.entry.attempts, began=began,
            ended=ended,
        )  # fmt: skip
        following: tuple[frozenset[str], timedelta] | None = None
        if and_claim:
            following = self._open_channels(ended), self._policy.recover_after
        held, next_claim = self._store.complete(claim, transition, told, ended, then=following)
        if not held:
            _log.warning("outbox entry %d: lease lost, result %s not kept", claim.entry.id, transition.state.value)
        elif transition.state in (State.PARKED, State.DEAD):
            _log.warning(
                "outbox entry %d: %s (%s %s)",
                claim.entry.id,
                transition.state.value,
                transition.reason,
                transition.code,
            )
        return transition if held else None, next_claim

    def run_once(self) -> Entry | None:
        """Claim, work, write down. Returns the entry as it stands now, None when nothing was due."""
        claim = self.claim()
        if claim is None:
            return None
        transition, _ = self.work(claim)
        now = self._clock.now()
        return _moved(claim.entry, transition, now) if transition else self._store.entry(claim.entry.id, now)

    def run_until(self, stop: threading.Event, *, poll: timedelta = timedelta(seconds=1)) -> None:
        """Work until `stop` is set, looking for new work every `poll` when there is none."""
        claim: Claim | None = None
        while not stop.is_set() or claim is not None:
            claim = claim or self.claim()
            if claim is None:
                stop.wait(poll.total_seconds())
                continue
            _, claim = self.work(claim, and_claim=not stop.is_set())

    def _open_channels(self, now: datetime) -> frozenset[str]:
        return self._names - self._breaker.paused(now).keys()

    def _attempt(self, claim: Claim) -> Transition:
        entry = claim.entry
        channel = self._channels[entry.channel]
        result: Receipt | Exception
        lost_reply: str | None = None
        try:
            with self._store.opened(claim) as prepared:
                if claim.check:
                    lost_reply = json.loads(prepared.metadata).get("lost_reply", _LOST_REPLY.get(entry.kind))
                    result = channel.reconcile(prepared)
                else:
                    result = channel.send(prepared)
        except SunesError as e:
            result = e
        except Exception as e:  # noqa: BLE001  whatever a channel does wrong, the entry must not be lost
            result = e
            # Neither message nor values: they may name the patient.
            where = traceback.extract_tb(e.__traceback__)[-1]
            _log.error("outbox entry %d: %s at %s:%s", entry.id, type(e).__name__, where.name, where.lineno)
        done = isinstance(result, Receipt) and result.outcome.is_success
        rule: dict[str, Any] = {
            "failures": entry.failures, "policy": self._policy, "fraction": 0.0 if done else self._fraction()
        }  # fmt: skip
        if claim.check:
            return after_check(entry.kind, result, lost_reply=lost_reply, **rule)
        return after_send(entry.kind, result, **rule)

    def _fraction(self) -> float:
        """Between 0 and 1, from the identifier factory: seeded when it is."""
        return (self._ids.uuid().int & ((1 << _FRACTION_BITS) - 1)) / (1 << _FRACTION_BITS)


def _moved(entry: Entry, transition: Transition, now: datetime) -> Entry:
    """A leased entry after its work was written down."""
    return dataclasses.replace(
        entry,
        state=transition.state,
        reason=transition.reason,
        code=transition.code,
        failures=transition.failures,
        uncertain=transition.uncertain,
        due_at=None if transition.due_in is None else now + transition.due_in,
        updated_at=now,
        receipt=transition.receipt or entry.receipt,
    )
