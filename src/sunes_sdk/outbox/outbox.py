"""The outbox: nothing lost, nothing doubled, between a document and everyone who must have it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from .._core.clock import Clock, SystemClock, monotonic
from .._core.errors import ConfigurationError, OutboxError
from .._core.ids import IdFactory, RandomIds
from ..model import Channel, ChannelKind, Destination, Document, Event, Prepared, Receipt
from . import events as chronicle
from .entry import UNCERTAIN, Entry, OutboxPolicy, State
from .machine import Transition, after_check

if TYPE_CHECKING:
    from .store import NewDelivery, Store
    from .worker import Worker

_POLL_SECONDS = 0.1
_PLANS = 5
_NOW = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """What a run did: attempts and questions made, where they led, and how many entries of the file are still to be
    worked on, those that another process is sending included."""

    steps: int = 0
    done: int = 0
    retried: int = 0
    parked: int = 0
    dead: int = 0
    remaining: int = 0


class Outbox:
    """Documents on their way out, in a database file that survives crashes.

    Each document is frozen for each destination when it is put: identifiers and bytes never change between attempts.
    Workers send; an attempt whose outcome is not known is asked after, never blindly repeated. Events of what happened
    are written with the change of state itself, and forwarded to a ledger at least once.

    Thread-safe; several processes may open one file, on one machine (never over NFS).
    """

    def __init__(
        self, store: Store, channels: Mapping[str, Channel], *, clock: Clock, ids: IdFactory, policy: OutboxPolicy
    ) -> None:
        from .worker import Breaker

        self._store = store
        self._channels = dict(channels)
        self._clock = clock
        self._ids = ids
        self._policy = policy
        self._breaker = Breaker(policy)
        self._moved = threading.Condition()

    @classmethod
    def open(
        cls,
        url: str,
        channels: Mapping[str, Channel],
        *,
        clock: Clock | None = None,
        ids: IdFactory | None = None,
        policy: OutboxPolicy | None = None,
    ) -> Self:
        """Open or create the outbox of a `sqlite:///path` URL.

        channels: by the name that `Destination.channel` gives (`dmp`, `mss`). A process works only on entries of the
        channels it was given. Nothing needs doing after a crash: leases end, and what they held is checked.
        One file for each establishment: what another's certificate signed is parked (CONFIG), not sent.

        Raises ConfigurationError (`EXTRA_MISSING`, `OUTBOX_URL`) and OutboxError (`OUTBOX_STORE`, `OUTBOX_SCHEMA`, …).
        """
        try:
            from .store import SqlStore
        except ImportError:
            raise ConfigurationError(
                "the outbox needs SQLAlchemy", code="EXTRA_MISSING", hint="pip install 'sunes-sdk[outbox]'"
            ) from None
        return cls(
            SqlStore.open(url),
            channels,
            clock=clock or SystemClock(),
            ids=ids or RandomIds(),
            policy=policy or OutboxPolicy(),
        )

    def close(self) -> None:
        """Close the file. Work that is under way in other threads fails, and is checked later."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what goes in

    def put(self, document: Document, *, to: Sequence[Destination]) -> tuple[Entry, ...]:
        """Store a document for each destination, durably, before any byte leaves.

        Every channel prepares first: an error of any of them is raised and nothing is stored. Then one transaction
        writes the deliveries and the events DOC_PRODUCED and, for a later version, DOC_REPLACED. Putting the same
        document to the same destination again returns what is there.

        A newer version of a document overtakes earlier ones that were not sent (SUPERSEDED), and waits for those that
        were. `document.replaces` is what channels see replaced: when the version it names never reached a destination,
        that channel is given the document with the version the peer does hold, or none.

        Raises what channels raise (`ValidationError`, `ModelError`, `ConfigurationError`), ConfigurationError
        `OUTBOX_CHANNEL`, and OutboxError (`OUTBOX_CONFLICT`, `OUTBOX_VERSION`, `OUTBOX_DISK_FULL`, `OUTBOX_BUSY`).
        """
        destinations = {destination.key: destination for destination in to}
        channels = {key: self._channel(destination) for key, destination in destinations.items()}
        known = self._store.known(document.unique_id, document.sha256)
        if destinations and destinations.keys() <= known.keys():
            return tuple(known[destination.key] for destination in to)
        missing = [destination for key, destination in destinations.items() if key not in known]
        facts = chronicle.facts_of(document)
        told = chronicle.production(document, facts)
        stored = self._try_put(lambda: [self._prepare(document, d, channels[d.key], facts) for d in missing], told)
        entries = known | {entry.destination: entry for entry in stored}
        self._notify()
        return tuple(entries[destination.key] for destination in to)

    def _try_put(self, prepare: Callable[[], list[NewDelivery]], told: list[chronicle.StoredEvent]) -> list[Entry]:
        from .store import StaleVersion

        for _ in range(_PLANS):
            try:
                return self._store.put(prepare(), told, self._clock.now())
            except StaleVersion:
                continue  # an earlier version was sent or refused meanwhile: what is replaced has changed
        raise OutboxError(
            "earlier versions of this document keep moving", code="OUTBOX_BUSY", hint="put the document again"
        )

    def _prepare(
        self, document: Document, destination: Destination, channel: Channel, facts: chronicle.Facts
    ) -> NewDelivery:
        from .store import NewDelivery

        replaces = self._store.replaced(document.set_id, destination.key, document.replaces)
        seen = document if replaces == document.replaces else dataclasses.replace(document, replaces=replaces)
        prepared = channel.prepare(seen, destination)
        return NewDelivery(
            unique_id=document.unique_id,
            sha256=document.sha256,
            chain_id=document.set_id,
            version_number=document.version_number,
            replaces=replaces,
            document_replaces=document.replaces,
            channel=destination.channel,
            kind=prepared.kind,
            destination=destination.key,
            delivery=chronicle.delivery_of(prepared),
            facts=chronicle.of_delivery(facts, prepared),
            prepared=prepared.to_pieces(),
        )

    def _channel(self, destination: Destination) -> Channel:
        try:
            return self._channels[destination.channel]
        except KeyError:
            raise ConfigurationError(
                f"the outbox has no channel {destination.channel!r}", code="OUTBOX_CHANNEL", path="channels",
                hint=f"open it with channels={{'{destination.channel}': …}}",
            ) from None  # fmt: skip

    # -- what moves it

    def worker(self) -> Worker:
        """A worker over this outbox, for a thread or a process of the caller's own."""
        from .worker import Worker

        return Worker(
            self._store, self._channels, clock=self._clock, ids=self._ids, policy=self._policy, breaker=self._breaker
        )

    def run_once(self) -> Entry | None:
        """Work on the entry that has been due for longest. Returns it as it stands now, None when nothing was due."""
        entry = self.worker().run_once()
        self._notify()
        return entry

    def run_until_idle(
        self,
        *,
        workers: int = 1,
        patience: timedelta = timedelta(seconds=30),
        progress: Callable[[Drain], object] | None = None,
        every: timedelta = timedelta(seconds=1),
    ) -> Drain:
        """Work until nothing is left that falls due within `patience`, with so many threads.

        Parked entries, and those that wait behind them, are left. `progress` is called in the calling thread, `every`
        so often. An error of the store stops the run and is raised.
        """
        run = _Run(self, workers, patience)
        threads = [threading.Thread(target=run.work, name=f"outbox-{n}", daemon=True) for n in range(workers)]
        for thread in threads:
            thread.start()
        try:
            told = monotonic()
            for thread in threads:
                while thread.is_alive():
                    thread.join(_POLL_SECONDS)
                    if progress is not None and monotonic() - told >= every.total_seconds():
                        told = monotonic()
                        progress(self._drain(run))
        finally:
            run.stop.set()
            for thread in threads:
                thread.join()
        if run.failure is not None:
            raise run.failure
        drain = self._drain(run)
        if progress is not None:
            progress(drain)
        return drain

    def _drain(self, run: _Run) -> Drain:
        counts = self.counts()
        remaining = sum(counts[s] for s in (State.READY, State.LEASED, State.RETRY_AT, State.CHECK))
        with run.lock:
            return Drain(remaining=remaining, **run.tally)

    def _time_to_next(self) -> timedelta | None:
        """How long until an entry may be claimed here, None when none ever will by itself."""
        now = self._clock.now()
        paused = self._breaker.paused(now)
        times = [self._store.next_due(self._channels.keys() - paused.keys())]
        for channel, until in paused.items():
            due = self._store.next_due([channel])
            times.append(due and max(due, until))
        given = [time for time in times if time is not None]
        return min(given) - now if given else None

    def _notify(self) -> None:
        with self._moved:
            self._moved.notify_all()

    def _rest(self, seconds: float) -> None:
        """Wait for something to move here, or for another process: then `seconds` is all that helps."""
        with self._moved:
            self._moved.wait(seconds)

    def wait(self, entries: Iterable[Entry | int], *, timeout: timedelta) -> tuple[Entry, ...]:
        """Wait until every entry is settled (terminal or parked), for at most `timeout`; returns them as they stand."""
        ids = [entry if isinstance(entry, int) else entry.id for entry in entries]
        end = monotonic() + timeout.total_seconds()
        while True:
            found = tuple(self.status(entry_id) for entry_id in ids)
            left = end - monotonic()
            if left <= 0 or all(entry.state.is_settled for entry in found):
                return found
            self._rest(min(left, _POLL_SECONDS))

    # -- what somebody decides

    def rearm(self, entry_id: int) -> Entry:
        """Send again a parked or dead entry, unchanged, once its cause was mended.

        The peer is asked first when it may hold the document. For mail parked as UNCERTAIN nobody can be asked:
        rearming it is the decision to send it again.
        Raises OutboxError (`OUTBOX_NO_ENTRY`, `OUTBOX_STATE`, `OUTBOX_OUTDATED`).
        """
        return self._amend(entry_id, self._armed)

    def rearm_all(self, reason: str) -> int:
        """Rearm every entry parked for a reason (`CONFIG` after a new certificate, `IDENTITY` …); returns how many."""
        count, after = 0, 0
        while page := self.entries(state=State.PARKED, reason=reason, after=after):
            after = page[-1].id
            for entry in page:
                try:
                    self.rearm(entry.id)
                except OutboxError as e:
                    if e.code not in ("OUTBOX_STATE", "OUTBOX_OUTDATED"):
                        raise
                else:
                    count += 1
        return count

    def refresh(self, document: Document, *, to: Destination) -> Entry:
        """Prepare anew a parked or dead delivery, with settings and code as they are now, and send it.

        Only when the peer certainly does not hold the document. Raises what `put` raises, and OutboxError
        (`OUTBOX_NO_ENTRY`, `OUTBOX_STATE`).
        """
        known = self._store.known(document.unique_id, document.sha256).get(to.key)
        if known is None:
            raise OutboxError(
                "this document was not put to this destination", code="OUTBOX_NO_ENTRY", hint="put it first"
            )
        if known.uncertain:
            raise _wrong_state(known, "prepared anew", "it may have been received: rearm or settle it")
        new = self._prepare(document, to, self._channel(to), chronicle.facts_of(document))

        def decide(entry: Entry) -> Transition:
            if entry.uncertain:
                raise _wrong_state(entry, "prepared anew", "it may have been received: rearm or settle it")
            return self._armed(entry)

        return self._amend(known.id, decide, prepared=new.prepared, replaces=new.replaces)

    def cancel(self, entry_id: int) -> Entry:
        """Give up a delivery that is not on its way. Raises OutboxError (`OUTBOX_NO_ENTRY`, `OUTBOX_STATE`)."""

        def decide(entry: Entry) -> Transition:
            waiting = entry.state in (State.READY, State.RETRY_AT) and not entry.uncertain
            if not waiting and entry.state not in (State.PARKED, State.DEAD):
                raise _wrong_state(entry, "cancelled", "wait until it is settled")
            return Transition(
                state=State.CANCELLED, uncertain=entry.uncertain, reason=entry.reason, code=entry.code
            )  # fmt: skip

        return self._amend(entry_id, decide)

    def settle(self, entry_id: int, receipt: Receipt) -> Entry:
        """Tell what became of an entry whose outcome is not known: a delivery report or a person says so.

        A success makes it DONE, ABSENT arms it again, a refusal parks it. Raises OutboxError (`OUTBOX_NO_ENTRY`,
        `OUTBOX_STATE`).
        """

        def decide(entry: Entry) -> Transition:
            if not entry.uncertain or entry.state is State.LEASED:
                raise _wrong_state(entry, "settled", "only an entry whose outcome is not known can be")
            return after_check(
                entry.kind, receipt, lost_reply=None, failures=0, policy=self._policy, fraction=1.0
            )  # fmt: skip

        def told(entry: Entry, facts: chronicle.Facts, transition: Transition) -> list[chronicle.StoredEvent]:
            return chronicle.of_attempt(
                facts,
                transition.facts,
                delivery=entry.delivery,
                attempt=entry.attempts,
                began=entry.updated_at,
                ended=receipt.at,
            )

        return self._amend(entry_id, decide, events=told)

    def _armed(self, entry: Entry) -> Transition:
        if entry.state not in (State.PARKED, State.DEAD):
            raise _wrong_state(entry, "armed again", "only a parked or dead entry can be")
        if any(_overtakes(newer, entry) for newer in self._newer(entry)):
            raise OutboxError(
                f"entry {entry.id} has a newer version", code="OUTBOX_OUTDATED",
                rule="an outdated version is not sent after a newer one", hint="cancel it",
                hint_fr="Une version plus récente de ce document existe : celle-ci n'est plus à envoyer.",
            )  # fmt: skip
        decided = entry.reason == UNCERTAIN and entry.kind in (ChannelKind.MSS_PRO, ChannelKind.MSS_PATIENT)
        if entry.uncertain and not decided:
            return Transition(state=State.CHECK, due_in=_NOW, uncertain=True)
        return Transition(state=State.READY, due_in=_NOW)

    def _newer(self, entry: Entry) -> list[Entry]:
        chain = self._store.entries(
            self._clock.now(), chain_id=entry.chain_id, destination=entry.destination, after=0, limit=1000
        )
        place = (entry.version_number, entry.id)
        return [e for e in chain if (e.version_number, e.id) > place and e.state is not State.CANCELLED]

    def _amend(self, entry_id: int, decide: Callable[[Entry], Transition], **more: Any) -> Entry:
        entry = self._store.amend(entry_id, decide, self._clock.now(), **more)
        self._notify()
        return entry

    # -- what can be seen

    def status(self, entry_id: int) -> Entry:
        """One entry. Raises OutboxError `OUTBOX_NO_ENTRY`."""
        return self._store.entry(entry_id, self._clock.now())

    def entries(
        self,
        *,
        state: State | None = None,
        reason: str | None = None,
        unique_id: str | None = None,
        channel: str | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> tuple[Entry, ...]:
        """Entries in the order they were put, page by page: `after` is the identifier of the last one seen."""
        return tuple(
            self._store.entries(
                self._clock.now(), state=state, reason=reason, unique_id=unique_id, channel=channel, after=after,
                limit=limit,
            )
        )  # fmt: skip

    def counts(self) -> dict[State, int]:
        """How many entries stand where; every state has its number."""
        return self._store.counts(self._clock.now())

    def purge(self, older_than: timedelta) -> int:
        """Drop the bytes of deliveries that ended so long ago; rows and events stay. Returns how many."""
        return self._store.purge(self._clock.now() - older_than)

    # -- what it remembers

    def prepared(self, entry: Entry) -> AbstractContextManager[Prepared | None]:
        """What was frozen for an entry, None once it was purged. Of a large one, the blobs are read when they are asked
        for, inside the `with`."""
        return self._store.stored(entry.id)

    def remember(self, name: str, text: str, *, withdrawn: Entry | None = None, forget: str = "") -> None:
        """Keep a text under a name, in place of the one there: a purge leaves it. withdrawn: an entry whose document
        the DMP deleted; the event DMP_WITHDRAWN is then written in the same transaction, once. forget: a name whose
        text goes in the same transaction."""
        events = []
        if withdrawn is not None:
            facts = self._store.facts(withdrawn.id)
            events.append(chronicle.withdrawal(facts, withdrawn.delivery, withdrawn.attempts, self._clock.now()))
        self._store.remember(name, text, events, forget=forget)

    def recall(self, name: str) -> str | None:
        """The text kept under a name, None when there is none."""
        return self._store.recall(name)

    def recall_all(self, start: str) -> list[str]:
        """The texts kept under names that start so."""
        return self._store.recall_all(start)

    def forget(self, name: str) -> None:
        """Keep the text under this name no longer."""
        self._store.forget(name)

    # -- what it tells

    def record(self, *events: Event) -> None:
        """Add events of the caller's own (stays, decisions) to those that are forwarded.

        The same event twice is one. Raises OutboxError `OUTBOX_EVENT_CONFLICT` when an identifier is taken by another
        event; the others are then recorded all the same.
        """
        there = {e.event_id: e for e in map(chronicle.read, self._store.record([chronicle.given(e) for e in events]))}
        for event in events:
            if there.get(event.event_id, event) != event:
                raise OutboxError(
                    "another event has this identifier", code="OUTBOX_EVENT_CONFLICT", path="event_id",
                    rule="an event never changes", hint="give the new fact an identifier of its own",
                )  # fmt: skip

    def forward(self, sink: Callable[[list[Event]], object], *, batch: int = 500) -> int:
        """Hand every waiting event to `sink`, oldest first, and mark it when `sink` returned; returns how many.

        At least once: after a crash the last batch comes again, and the ledger drops what it has by `event_id`.
        What `sink` raises is raised, and its batch stays waiting.
        """
        count = 0
        while waiting := self._store.waiting_events(batch):
            sink([chronicle.read(body) for _, body in waiting])
            self._store.mark_forwarded(waiting[-1][0])
            count += len(waiting)
        return count


def _overtakes(newer: Entry, entry: Entry) -> bool:
    """A newer version was tried, or was prepared as if this one would never arrive."""
    return newer.attempts > 0 or newer.state is State.DONE or newer.replaces != entry.unique_id


def _wrong_state(entry: Entry, what: str, hint: str) -> OutboxError:
    return OutboxError(
        f"entry {entry.id} is {entry.state.value} and cannot be {what}", code="OUTBOX_STATE", path="state", hint=hint
    )


class _Run:
    """What the threads of one run share."""

    def __init__(self, outbox: Outbox, workers: int, patience: timedelta) -> None:
        self._outbox = outbox
        self._patience = patience
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.tally = {"steps": 0, "done": 0, "retried": 0, "parked": 0, "dead": 0}
        self.failure: BaseException | None = None
        self._busy = workers
        self._last_step = monotonic()

    def work(self) -> None:
        """The body of one thread."""
        worker = self._outbox.worker()
        claim = None
        try:
            while claim is not None or not self.stop.is_set():
                claim = claim or worker.claim()
                if claim is not None:
                    transition, claim = worker.work(claim, and_claim=not self.stop.is_set())
                    self._count(transition)
                elif self._is_idle():
                    break
        except BaseException as e:  # noqa: BLE001  raised again by the thread that asked for this run
            self.failure = self.failure or e
            self.stop.set()
        finally:
            with self.lock:
                self._busy -= 1

    def _count(self, transition: Transition | None) -> None:
        words = {State.DONE: "done", State.PARKED: "parked", State.DEAD: "dead"}
        with self.lock:
            self._last_step = monotonic()
            self.tally["steps"] += 1
            if transition is not None:
                self.tally[words.get(transition.state, "retried")] += 1
        self._outbox._notify()

    def _is_idle(self) -> bool:
        """Whether nothing is left to do; rests a little when something will be."""
        with self.lock:
            self._busy -= 1
            alone = self._busy == 0
            patient = monotonic() - self._last_step < self._patience.total_seconds()
        try:
            wait = self._outbox._time_to_next()
            if alone and (wait is None or wait > self._patience or (wait > _NOW and not patient)):
                return True
            if wait is None or wait > _NOW:
                self._outbox._rest(_POLL_SECONDS if wait is None else min(wait.total_seconds(), _POLL_SECONDS))
            return False
        finally:
            with self.lock:
                self._busy += 1
