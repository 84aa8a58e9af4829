"""Any sequence of puts, sends, cuts, crashes, late time and human decisions: what the outbox says stays true."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import ConfigurationError, OutboxError, OutcomeUnknown, TransportError
from sunes_sdk._core.ids import SeededIds
from sunes_sdk._core.retry import RetryAdvice
from sunes_sdk.model import (
    ChannelKind,
    Destination,
    Dmp,
    Document,
    Event,
    Mss,
    MssPatient,
    Outcome,
    Prepared,
    ReasonClass,
    Receipt,
)
from sunes_sdk.outbox import Entry, Outbox, OutboxPolicy, State
from sunes_sdk.testing.fake_channel import sample_document

GP = Mss(address="jeanne.dupont@medecin.mssante.fr")
KINDS = {"dmp": ChannelKind.DMP, "mss:patient": ChannelKind.MSS_PATIENT}
MEMORY = Path("/dev/shm")  # thousands of commits: the disk is not what is tested here
POLICY = OutboxPolicy(max_attempts=3, recover_after=timedelta(minutes=5), breaker_failures=1000)

SENDS = st.sampled_from(["accept", "accept", "cut_after", "cut_before", "busy", "refuse", "down", "config", "bug"])
ANSWERS = st.sampled_from(["truth", "truth", "silent", "down"])


class Peer:
    """Obeys the next word it was told; remembers every acceptance in order."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.send_word = "accept"
        self.answer_word = "truth"
        self.accepted: list[tuple[str, str]] = []

    def prepare(self, document: Document, destination: Destination) -> Prepared:
        kind = KINDS.get(destination.key, ChannelKind.MSS_PRO)
        key = f"{document.unique_id}|{destination.key}"
        return Prepared(channel=destination.channel, kind=kind, key=key, unique_id=document.unique_id)

    def send(self, prepared: Prepared) -> Receipt:
        word = self.send_word
        if word in ("accept", "cut_after", "bug"):
            document, _, destination = prepared.key.partition("|")
            self.accepted.append((document, destination))
        match word:
            case "cut_after" | "cut_before":
                raise OutcomeUnknown("cut")
            case "bug":
                raise ZeroDivisionError
            case "down":
                raise TransportError("down", sent="no")
            case "config":
                raise ConfigurationError("no key")
            case "busy":
                return self._receipt(prepared, Outcome.REJECTED, ReasonClass.TRANSIENT, RetryAdvice.after(1))
            case "refuse":
                return self._receipt(prepared, Outcome.REJECTED, ReasonClass.METADATA)
        return self._receipt(prepared, Outcome.ACCEPTED)

    def reconcile(self, prepared: Prepared) -> Receipt:
        if self.answer_word == "down":
            raise TransportError("down", sent="no")
        if self.answer_word == "silent" or prepared.kind is not ChannelKind.DMP:
            return self._receipt(prepared, Outcome.UNKNOWN)
        held = tuple(prepared.key.split("|", 1)) in self.accepted
        return self._receipt(prepared, Outcome.ACCEPTED if held else Outcome.ABSENT)

    def _receipt(
        self, prepared: Prepared, outcome: Outcome, reason: ReasonClass | None = None,
        retry: RetryAdvice | None = None,
    ) -> Receipt:  # fmt: skip
        return Receipt(
            channel=prepared.kind, outcome=outcome, unique_id=prepared.unique_id, at=self.clock.now(), reason=reason,
            retry=retry or RetryAdvice.never(),
        )  # fmt: skip


class OutboxMachine(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.clock = FixedClock(datetime(2026, 1, 15, tzinfo=UTC))
        self.peer = Peer(self.clock)
        self.versions: Counter[int] = Counter()
        self.put_rows: set[tuple[str, str]] = set()
        self.documents: set[str] = set()
        self.decided: set[int] = set()
        """Entries that a person sent again knowing that they might have arrived."""
        self.ledger: dict[str, Event] = {}
        self.open()

    def open(self) -> None:
        self.outbox = Outbox.open(
            f"sqlite:///{self.folder / 'o.db'}", {"dmp": self.peer, "mss": self.peer}, clock=self.clock,
            ids=SeededIds(7), policy=POLICY,
        )  # fmt: skip

    def teardown(self) -> None:
        if hasattr(self, "outbox"):
            try:
                self.outbox.close()
            finally:
                shutil.rmtree(self.folder)

    @rule(
        number=st.integers(1, 3),
        newer=st.booleans(),
        to=st.lists(st.sampled_from([Dmp(), GP, MssPatient()]), min_size=1),
    )
    def put(self, number: int, newer: bool, to: list[Destination]) -> None:
        if newer or not self.versions[number]:
            self.versions[number] += 1
        document = sample_document(number, version=self.versions[number])
        entries = self.outbox.put(document, to=to)
        assert [e.destination for e in entries] == [d.key for d in to]
        self.put_rows |= {(document.unique_id, d.key) for d in to}
        self.documents.add(document.unique_id)

    @rule(send=SENDS, answer=ANSWERS)
    def step(self, send: str, answer: str) -> None:
        self.peer.send_word, self.peer.answer_word = send, answer
        entry = self.outbox.run_once()
        if entry is not None:
            assert entry == self.outbox.status(entry.id)
            assert entry.state is not State.LEASED

    @rule(reached=st.booleans())
    def die_while_sending(self, reached: bool) -> None:
        """A worker leases an entry, maybe reaches the peer, and is never heard of again."""
        claim = self.outbox.worker().claim()
        if claim is not None and not claim.check and reached:
            self.peer.accepted.append((claim.entry.unique_id, claim.entry.destination))
        self.outbox.close()
        self.open()

    @rule(minutes=st.sampled_from([1, 6, 180]))
    def time_passes(self, minutes: int) -> None:
        self.clock.advance(timedelta(minutes=minutes))

    def any_entry(self, data: st.DataObject) -> Entry:
        return data.draw(st.sampled_from(self.outbox.entries()))

    @precondition(lambda self: self.put_rows)
    @rule(data=st.data())
    def rearm(self, data: st.DataObject) -> None:
        entry = self.any_entry(data)
        try:
            armed = self.outbox.rearm(entry.id)
        except OutboxError as error:
            refusal = error.code
        else:
            refusal = ""
        if refusal:
            assert refusal in ("OUTBOX_STATE", "OUTBOX_OUTDATED")
            return
        assert entry.state in (State.PARKED, State.DEAD)
        assert armed.state is (State.CHECK if armed.uncertain else State.READY)
        if entry.uncertain and not armed.uncertain:
            assert entry.kind is not ChannelKind.DMP
            self.decided.add(entry.id)

    @precondition(lambda self: self.put_rows)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        entry = self.any_entry(data)
        held = entry.state not in (State.PARKED, State.DEAD) and (entry.uncertain or entry.state is State.LEASED)
        if held or entry.state in (State.DONE, State.SUPERSEDED, State.CANCELLED):
            with pytest.raises(OutboxError, match="OUTBOX_STATE"):
                self.outbox.cancel(entry.id)
        else:
            assert self.outbox.cancel(entry.id).state is State.CANCELLED

    @rule(breaks=st.booleans())
    def forward(self, breaks: bool) -> None:
        def sink(events: list[Event]) -> None:
            for event in events:
                assert self.ledger.setdefault(event.event_id, event) == event
            if breaks:
                raise ConnectionError

        try:
            self.outbox.forward(sink, batch=3)
        except ConnectionError:
            assert breaks

    @invariant()
    def no_row_is_lost(self) -> None:
        if hasattr(self, "outbox"):
            entries = self.outbox.entries()
            assert {(e.unique_id, e.destination) for e in entries} == self.put_rows
            counts = self.outbox.counts()
            assert counts == {s: sum(e.state is s for e in entries) for s in State}

    @invariant()
    def what_it_says_of_the_peer_is_true(self) -> None:
        if not hasattr(self, "outbox"):
            return
        copies = Counter(self.peer.accepted)
        for entry in self.outbox.entries():
            held = copies[entry.unique_id, entry.destination]
            if entry.state is State.DONE:
                assert held >= 1, entry
            elif not entry.uncertain and entry.state is not State.LEASED and entry.kind is not ChannelKind.MSS_PRO:
                assert held == 0 or entry.id in self.decided, entry
            if entry.kind is not ChannelKind.MSS_PRO and entry.id not in self.decided:
                assert held <= 1, entry
            if entry.state.is_terminal or entry.state is State.PARKED:
                assert entry.due_at is None
            else:
                assert entry.due_at is not None

    @invariant()
    def versions_arrive_in_order(self) -> None:
        if not hasattr(self, "outbox"):
            return
        last: dict[tuple[str, str], int] = {}
        for document, destination in self.peer.accepted:
            chain, _, version = document.rpartition(".")
            # Mail of a version parked as uncertain may follow when somebody decides so: only before a newer one left.
            assert int(version) >= last.get((chain, destination), 0)
            last[chain, destination] = int(version)

    @invariant()
    def events_tell_each_success_once(self) -> None:
        if not hasattr(self, "outbox"):
            return
        stored = [Event.model_validate_json(body) for _, body in self.outbox._store.waiting_events(100_000)]
        told = self.ledger | {e.event_id: e for e in stored}
        successes = Counter(
            e.delivery
            for e in told.values()
            if e.type.value in ("DMP_ACCEPTED", "MSS_RELAYED") or e.outcome == "ACCEPTED"
        )
        done = [e.delivery for e in self.outbox.entries(state=State.DONE)]
        assert successes == Counter(done)
        produced = Counter(e.document_id for e in told.values() if e.type.value == "DOC_PRODUCED")
        assert produced == dict.fromkeys(self.documents, 1)
        superseded = {e.delivery for e in told.values() if e.outcome == "SUPERSEDED"}
        assert superseded == {e.delivery for e in self.outbox.entries(state=State.SUPERSEDED)}


TestOutboxStates = OutboxMachine.TestCase
TestOutboxStates.settings = settings(
    max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
