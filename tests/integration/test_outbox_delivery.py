"""The outbox over a file, with a peer made of files: what is put arrives, once, and is told."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import ConfigurationError, MetadataError, OutboxError
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.model import (
    ChannelKind,
    Dmp,
    Document,
    Event,
    EventType,
    Mss,
    MssPatient,
    Outcome,
    Prepared,
    ReasonClass,
    Receipt,
)
from sunes_sdk.outbox import Drain, Entry, Outbox, OutboxPolicy, State
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_channel import Fault, FileChannel, sample_document

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
GP = Mss(address="jeanne.dupont@medecin.mssante.fr")
POLICY = OutboxPolicy(max_attempts=4, retry_base=timedelta(seconds=1))


class Bench:
    """An outbox, its two peers and its clock."""

    def __init__(self, folder: Path, policy: OutboxPolicy = POLICY) -> None:
        self.clock = FixedClock(NOON)
        self.file = folder / "outbox.db"
        self.dmp = FileChannel(folder / "dmp", clock=self.clock)
        self.mss = FileChannel(folder / "mss", kind="mss", clock=self.clock)
        self.policy = policy
        self.outbox = self.open()

    def open(self, **channels: FileChannel) -> Outbox:
        return Outbox.open(
            f"sqlite:///{self.file}", channels or {"dmp": self.dmp, "mss": self.mss}, clock=self.clock,
            ids=SeededIds(1), policy=self.policy,
        )  # fmt: skip

    def step(self, **later: float) -> Entry | None:
        self.clock.advance(timedelta(**later))
        return self.outbox.run_once()

    def events(self) -> list[Event]:
        found: list[Event] = []
        self.outbox.forward(found.extend)
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.outbox.close()


def types(events: list[Event]) -> list[str]:
    return [event.type.value for event in events]


def test_a_document_reaches_all_its_destinations_once(bench: Bench) -> None:
    document = sample_document()
    entries = bench.outbox.put(document, to=[Dmp(), GP, MssPatient()])
    assert [e.state for e in entries] == [State.READY] * 3
    assert [e.kind for e in entries] == [ChannelKind.DMP, ChannelKind.MSS_PRO, ChannelKind.MSS_PATIENT]
    drain = bench.outbox.run_until_idle(workers=2)
    assert (drain.steps, drain.done, drain.remaining) == (3, 3, 0)
    assert bench.dmp.accepted() == {f"{document.unique_id}|dmp": 1}
    assert set(bench.mss.accepted().values()) == {1}
    assert len(bench.mss.accepted()) == 2
    assert bench.outbox.counts()[State.DONE] == 3


def test_events_say_what_the_ledger_needs_and_no_address(bench: Bench) -> None:
    document = sample_document()
    entries = bench.outbox.put(document, to=[Dmp(), GP])
    bench.outbox.run_until_idle()
    events = bench.events()
    assert sorted(types(events)) == [
        "DMP_ACCEPTED", "DMP_SUBMITTED", "DOC_PRODUCED", "MSS_RELAYED", "MSS_SUBMITTED",
    ]  # fmt: skip
    assert len({e.event_id for e in events}) == 5
    for event in events:
        assert (event.finess_geo, event.finess_ej, event.unit) == (samples.FINESS, samples.FINESS, "6268")
        assert (event.document_id, event.chain_id) == (document.unique_id, document.set_id)
        assert (event.type_code, event.cda_level, event.ins_status) == ("11490-0", 3, document.ins_status)
        assert event.stay == document.stay
        assert event.test_identity
        assert event.patient is None
    by_type = {e.type: e for e in events}
    produced, accepted, relayed = (
        by_type[t] for t in (EventType.DOC_PRODUCED, EventType.DMP_ACCEPTED, EventType.MSS_RELAYED)
    )
    assert (produced.channel, produced.delivery, produced.occurred_at) == (
        ChannelKind.NONE, None, document.created_at,
    )  # fmt: skip
    assert (accepted.channel, accepted.delivery, accepted.attempt) == (ChannelKind.DMP, entries[0].delivery, 1)
    assert (relayed.channel, relayed.delivery, relayed.outcome) == (
        ChannelKind.MSS_PRO, entries[1].delivery, "RELAYED",
    )  # fmt: skip
    assert "dupont" not in "".join(e.model_dump_json() for e in events).lower()
    assert "dupont" not in repr(entries).lower()


def test_putting_again_changes_nothing(bench: Bench) -> None:
    document = sample_document()
    first = bench.outbox.put(document, to=[Dmp()])
    again = bench.outbox.put(document, to=[Dmp(), GP, GP])
    assert again[0].id == first[0].id
    assert again[1].id == again[2].id
    bench.outbox.run_until_idle()
    done = bench.outbox.put(document, to=[Dmp()])[0]
    assert (done.id, done.state) == (first[0].id, State.DONE)
    assert len(bench.outbox.entries()) == 2
    assert types(bench.events()).count("DOC_PRODUCED") == 1


def test_other_bytes_under_the_same_identifier_are_refused(bench: Bench) -> None:
    bench.outbox.put(sample_document(), to=[Dmp()])
    for destination in (Dmp(), GP):
        with pytest.raises(OutboxError, match="OUTBOX_CONFLICT") as caught:
            bench.outbox.put(sample_document(content=b"other"), to=[destination])
        assert caught.value.hint_fr
    assert len(bench.outbox.entries()) == 1


def test_what_is_frozen_never_changes_between_attempts(bench: Bench) -> None:
    sent: list[Prepared] = []

    class Watched(FileChannel):
        def send(self, prepared: Prepared) -> Receipt:
            sent.append(prepared)
            return super().send(prepared)

    channel = Watched(bench.file.parent / "dmp")
    with bench.open(dmp=channel) as outbox:
        outbox.put(sample_document(), to=[Dmp()])
        channel.fail_next(Fault.UNREACHABLE, Fault.BUSY, Fault.CUT_BEFORE)
        for _ in range(8):
            outbox.run_once()
            bench.clock.advance(timedelta(minutes=1))
    assert len(sent) == 4
    assert sent[0] == sent[1] == sent[2] == sent[3]
    assert sent[0].ids["submission"]


class Refusing(FileChannel):
    def prepare(self, document: Document, destination: object) -> Prepared:
        raise MetadataError("no title", code="XDS_TITLE")


def test_an_error_of_one_channel_stores_nothing_for_any(bench: Bench, tmp_path: Path) -> None:
    with bench.open(dmp=bench.dmp, mss=Refusing(tmp_path / "r")) as outbox:
        with pytest.raises(MetadataError):
            outbox.put(sample_document(), to=[Dmp(), GP])
        assert outbox.entries() == ()
        assert outbox.forward(lambda events: None) == 0


def test_an_unknown_channel_is_refused_before_anything(bench: Bench) -> None:
    with bench.open(dmp=bench.dmp) as outbox, pytest.raises(ConfigurationError, match="OUTBOX_CHANNEL"):
        outbox.put(sample_document(), to=[Dmp(), GP])
    assert bench.outbox.entries() == ()


def test_a_document_for_nobody_is_still_produced(bench: Bench) -> None:
    assert bench.outbox.put(sample_document(), to=[]) == ()
    assert bench.outbox.put(sample_document(), to=[]) == ()
    assert types(bench.events()) == ["DOC_PRODUCED"]


# -- lost replies


def test_a_cut_after_acceptance_is_reconciled_not_resent(bench: Bench) -> None:
    bench.dmp.fail_next(Fault.CUT_AFTER)
    bench.outbox.put(sample_document(), to=[Dmp()])
    first = bench.step()
    assert first is not None
    assert (first.state, first.uncertain) == (State.CHECK, True)
    assert bench.step() is None, "the peer is given time before it is asked"
    last = bench.step(seconds=2)
    assert last is not None
    assert (last.state, last.attempts, last.uncertain) == (State.DONE, 1, False)
    assert [call for call, _ in bench.dmp.calls()] == ["send", "reconcile"]
    events = bench.events()
    assert types(events) == ["DOC_PRODUCED", "DMP_SUBMITTED", "DMP_UNKNOWN", "DMP_RECONCILED"]
    assert events[-1].outcome == "ACCEPTED"


def test_a_cut_before_acceptance_is_asked_then_sent_again(bench: Bench) -> None:
    bench.dmp.fail_next(Fault.CUT_BEFORE)
    bench.outbox.put(sample_document(), to=[Dmp()])
    states = [e.state for e in (bench.step(), bench.step(seconds=2), bench.step()) if e]
    assert states == [State.CHECK, State.READY, State.DONE]
    assert list(bench.dmp.accepted().values()) == [1]
    assert [(e.type.value, e.outcome, e.attempt) for e in bench.events()[1:]] == [
        ("DMP_SUBMITTED", None, 1), ("DMP_UNKNOWN", None, 1), ("DMP_RECONCILED", "ABSENT", 1),
        ("DMP_SUBMITTED", None, 2), ("DMP_ACCEPTED", "ACCEPTED", 2),
    ]  # fmt: skip


def test_a_dmp_that_cannot_be_asked_is_asked_later(bench: Bench) -> None:
    bench.dmp.fail_next(Fault.CUT_AFTER, Fault.SILENT, Fault.SILENT)
    bench.outbox.put(sample_document(), to=[Dmp()])
    states = [e.state for e in (bench.step(), *(bench.step(minutes=1) for _ in range(3))) if e]
    assert states == [State.CHECK, State.RETRY_AT, State.RETRY_AT, State.DONE]
    assert list(bench.dmp.accepted().values()) == [1]
    assert types(bench.events()).count("DMP_UNKNOWN") == 1


def test_a_dmp_that_never_answers_is_parked_uncertain_and_asked_again_when_rearmed(bench: Bench) -> None:
    bench.dmp.fail_next(Fault.CUT_AFTER, *[Fault.SILENT] * 3)
    (entry,) = bench.outbox.put(sample_document(), to=[Dmp()])
    for _ in range(4):
        bench.step(minutes=1)
    parked = bench.outbox.status(entry.id)
    assert (parked.state, parked.reason, parked.uncertain) == (State.PARKED, "UNCERTAIN", True)
    assert bench.outbox.rearm(entry.id).state is State.CHECK
    after = bench.step()
    assert after is not None
    assert after.state is State.DONE
    assert list(bench.dmp.accepted().values()) == [1]


def test_mail_at_least_once_for_professionals_and_at_most_once_for_patients(bench: Bench) -> None:
    bench.mss.fail_next(Fault.CUT_AFTER, Fault.CUT_AFTER)
    pro, patient = bench.outbox.put(sample_document(), to=[GP, MssPatient()])
    for _ in range(6):
        bench.step(minutes=1)
    assert bench.outbox.status(pro.id).state is State.DONE
    parked = bench.outbox.status(patient.id)
    assert (parked.state, parked.reason) == (State.PARKED, "UNCERTAIN")
    assert sorted(bench.mss.accepted().values()) == [1, 2], "the professional twice, the patient once"
    unknown = [e for e in bench.events() if e.type is EventType.MSS_UNKNOWN]
    assert {e.delivery for e in unknown} == {pro.delivery, patient.delivery}


def test_the_channel_s_own_policy_wins(bench: Bench, tmp_path: Path) -> None:
    careful = FileChannel(tmp_path / "careful", kind="mss", lost_reply="at_most_once", clock=bench.clock)
    careful.fail_next(Fault.CUT_AFTER)
    with bench.open(mss=careful) as outbox:
        (entry,) = outbox.put(sample_document(), to=[GP])
        outbox.run_once()
        bench.clock.advance(timedelta(minutes=1))
        outbox.run_once()
        assert outbox.status(entry.id).reason == "UNCERTAIN"
    assert list(careful.accepted().values()) == [1]


def test_a_report_settles_uncertain_mail(bench: Bench) -> None:
    bench.mss.fail_next(Fault.CUT_AFTER)
    (entry,) = bench.outbox.put(sample_document(), to=[MssPatient()])
    bench.step()
    bench.step(minutes=1)
    receipt = Receipt(
        channel=ChannelKind.MSS_PATIENT, outcome=Outcome.DELIVERED, unique_id=entry.unique_id, at=bench.clock.now()
    )
    settled = bench.outbox.settle(entry.id, receipt)
    assert (settled.state, settled.uncertain) == (State.DONE, False)
    assert types(bench.events())[-1] == "MSS_RELAYED"
    with pytest.raises(OutboxError, match="OUTBOX_STATE"):
        bench.outbox.settle(entry.id, receipt)


def test_rearming_uncertain_mail_is_the_decision_to_send_it_twice(bench: Bench) -> None:
    bench.mss.fail_next(Fault.CUT_AFTER)
    (entry,) = bench.outbox.put(sample_document(), to=[MssPatient()])
    bench.step()
    bench.step(minutes=1)
    bench.outbox.rearm(entry.id)
    after = bench.step()
    assert after is not None
    assert after.state is State.DONE
    assert list(bench.mss.accepted().values()) == [2]


# -- refusals


def test_a_busy_peer_is_tried_again(bench: Bench) -> None:
    bench.dmp.fail_next(Fault.BUSY, Fault.UNREACHABLE)
    bench.outbox.put(sample_document(), to=[Dmp()])
    entries = [bench.step(), bench.step(minutes=1), bench.step(minutes=1)]
    assert [e.state for e in entries if e] == [State.RETRY_AT, State.RETRY_AT, State.DONE]
    assert [(e.type.value, e.attempt) for e in bench.events()[1:]] == [
        ("DMP_SUBMITTED", 1), ("DMP_REJECTED", 1), ("DMP_SUBMITTED", 3), ("DMP_ACCEPTED", 3),
    ]  # fmt: skip


def test_attempts_end_and_the_dead_may_be_rearmed(bench: Bench) -> None:
    bench.dmp.fail_next(*[Fault.UNREACHABLE] * 4)
    (entry,) = bench.outbox.put(sample_document(), to=[Dmp()])
    for _ in range(6):
        bench.step(hours=1)
    assert bench.outbox.status(entry.id).state is State.DEAD
    assert bench.outbox.rearm(entry.id).failures == 0
    after = bench.step()
    assert after is not None
    assert (after.state, after.attempts) == (State.DONE, 5)


def test_a_refused_document_waits_in_the_repair_queue(bench: Bench) -> None:
    bench.dmp.fail_next(Fault.REFUSED)
    (entry,) = bench.outbox.put(sample_document(), to=[Dmp()])
    parked = bench.step()
    assert parked is not None
    assert (parked.state, parked.reason, parked.code) == (State.PARKED, "METADATA", "XDSRepositoryMetadataError")
    assert parked.receipt is not None
    assert parked.receipt.reason is ReasonClass.METADATA
    assert bench.outbox.status(entry.id) == parked
    assert bench.step(days=30) is None
    assert bench.outbox.entries(state=State.PARKED, reason="METADATA") == (parked,)
    assert bench.outbox.rearm_all("METADATA") == 1
    assert bench.outbox.rearm_all("METADATA") == 0
    bench.step()
    assert bench.outbox.status(entry.id).state is State.DONE


def test_refreshing_prepares_anew(bench: Bench) -> None:
    document = sample_document()
    bench.dmp.fail_next(Fault.REFUSED)
    bench.outbox.put(document, to=[Dmp()])
    with pytest.raises(OutboxError, match="OUTBOX_STATE"):
        bench.outbox.refresh(document, to=Dmp())
    with pytest.raises(OutboxError, match="OUTBOX_NO_ENTRY"):
        bench.outbox.refresh(document, to=GP)
    bench.step()
    before = bench.outbox._store.claim(["dmp"], NOON, timedelta(1))
    assert before is None
    bench.outbox.refresh(document, to=Dmp())
    after = bench.step()
    assert after is not None
    assert after.state is State.DONE


def test_an_uncertain_delivery_is_never_prepared_anew(bench: Bench) -> None:
    document = sample_document()
    bench.mss.fail_next(Fault.CUT_AFTER)
    bench.outbox.put(document, to=[MssPatient()])
    bench.step()
    bench.step(minutes=1)
    with pytest.raises(OutboxError, match="OUTBOX_STATE"):
        bench.outbox.refresh(document, to=MssPatient())


class Broken(FileChannel):
    def send(self, prepared: Prepared) -> Receipt:
        super().send(prepared)
        raise ZeroDivisionError("PAT-TROIS DOMINIQUE 279035121518989")


def test_an_unforeseen_failure_is_kept_logged_without_names_and_checked_when_rearmed(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Broken(tmp_path / "dmp", clock=bench.clock)
    with bench.open(dmp=broken) as outbox:
        (entry,) = outbox.put(sample_document(), to=[Dmp()])
        outbox.run_once()
        parked = outbox.status(entry.id)
        assert (parked.state, parked.reason, parked.code) == (State.PARKED, "INTERNAL", "ZeroDivisionError")
        assert "ZeroDivisionError at send" in caplog.text
        assert "PAT-TROIS" not in caplog.text
        assert "27903" not in caplog.text
        outbox.rearm(entry.id)
        outbox.run_once()
        assert outbox.status(entry.id).state is State.DONE
    assert list(broken.accepted().values()) == [1]


def test_cancelling(bench: Bench) -> None:
    first, second = bench.outbox.put(sample_document(), to=[Dmp(), GP])
    assert bench.outbox.cancel(first.id).state is State.CANCELLED
    bench.outbox.run_until_idle()
    assert bench.dmp.accepted() == {}
    for entry_id, code in ((first.id, "OUTBOX_STATE"), (second.id, "OUTBOX_STATE"), (99, "OUTBOX_NO_ENTRY")):
        with pytest.raises(OutboxError, match=code):
            bench.outbox.cancel(entry_id)
    with pytest.raises(OutboxError, match="OUTBOX_STATE"):
        bench.outbox.rearm(second.id)


def test_what_may_have_left_is_not_cancelled(bench: Bench) -> None:
    bench.dmp.fail_next(Fault.CUT_AFTER, Fault.SILENT)
    (entry,) = bench.outbox.put(sample_document(), to=[Dmp()])
    bench.step()
    for _ in range(2):
        with pytest.raises(OutboxError, match="OUTBOX_STATE"):
            bench.outbox.cancel(entry.id)
        bench.step(seconds=2)


# -- leases


def test_a_lost_lease_is_checked_and_its_holder_writes_nothing(bench: Bench) -> None:
    (entry,) = bench.outbox.put(sample_document(), to=[Dmp()])
    slow = bench.outbox.worker()
    held = slow.claim()
    assert held is not None
    assert not held.check
    assert bench.outbox.status(entry.id).state is State.LEASED
    assert bench.step() is None
    bench.clock.advance(bench.policy.recover_after)
    silent = bench.outbox.status(entry.id)
    assert (silent.state, silent.uncertain) == (State.CHECK, True)
    assert bench.outbox.counts()[State.CHECK] == 1
    assert bench.outbox.entries(state=State.LEASED) == ()
    other = bench.outbox.worker().claim()
    assert other is not None
    assert other.check
    assert slow.work(held) == (None, None)
    assert bench.outbox.status(entry.id).state is State.LEASED
    moved, _ = bench.outbox.worker().work(other)
    assert moved is not None
    assert moved.state is State.DONE
    assert list(bench.dmp.accepted().values()) == [1]
    assert types(bench.events()).count("DMP_RECONCILED") == 1


def test_a_process_leaves_alone_what_it_has_no_channel_for(bench: Bench) -> None:
    bench.outbox.put(sample_document(), to=[Dmp(), GP])
    with bench.open(mss=bench.mss) as mail_only:
        assert mail_only.run_until_idle().done == 1
        assert mail_only.run_once() is None
    assert bench.dmp.accepted() == {}
    assert bench.outbox.run_until_idle().done == 1


def test_a_peer_that_is_down_is_left_alone_for_a_while(tmp_path: Path) -> None:
    policy = dataclasses.replace(POLICY, breaker_failures=2, breaker_pause=timedelta(minutes=5))
    bench = Bench(tmp_path, policy)
    bench.dmp.fail_next(*[Fault.UNREACHABLE] * 3)
    for number in range(5):
        bench.outbox.put(sample_document(number), to=[Dmp(), GP])
    assert bench.outbox.run_until_idle(patience=timedelta(0)).done == 5, "mail goes on"
    assert sum(e.attempts for e in bench.outbox.entries(channel="dmp")) == 2
    bench.clock.advance(timedelta(minutes=5))
    assert bench.outbox.run_until_idle(patience=timedelta(0)).retried == 1, "one try, and the peer is still down"
    bench.clock.advance(timedelta(minutes=5))
    assert bench.outbox.run_until_idle(patience=timedelta(0)).done == 5
    bench.outbox.close()


# -- versions


def test_a_newer_version_overtakes_one_that_was_not_sent(bench: Bench) -> None:
    (first,) = bench.outbox.put(sample_document(version=1), to=[Dmp()])
    (second,) = bench.outbox.put(sample_document(version=2), to=[Dmp()])
    assert bench.outbox.status(first.id).state is State.SUPERSEDED
    assert second.replaces is None, "the DMP never had the first one"
    bench.outbox.run_until_idle()
    assert list(bench.dmp.accepted()) == [f"{samples.DOCUMENT_ROOT}.1.2|dmp"]
    events = bench.events()
    assert types(events)[:4] == ["DOC_PRODUCED", "DOC_PRODUCED", "DOC_REPLACED", "DOC_REPLACED"]
    assert (events[3].outcome, events[3].delivery) == ("SUPERSEDED", first.delivery)
    with pytest.raises(OutboxError, match="OUTBOX_STATE"):
        bench.outbox.rearm(first.id)


def test_a_newer_version_waits_for_the_outcome_of_the_older(bench: Bench) -> None:
    bench.dmp.fail_next(Fault.CUT_AFTER)
    (first,) = bench.outbox.put(sample_document(version=1), to=[Dmp()])
    bench.step()
    (second,) = bench.outbox.put(sample_document(version=2), to=[Dmp()])
    assert second.replaces == first.unique_id
    assert bench.step() is None, "the first is not settled yet"
    order = [bench.step(seconds=2), bench.step()]
    assert [(e.id, e.state) for e in order if e] == [(first.id, State.DONE), (second.id, State.DONE)]


def test_a_newer_version_waits_behind_a_parked_one_until_somebody_acts(bench: Bench) -> None:
    bench.dmp.fail_next(Fault.CUT_BEFORE, Fault.REFUSED)
    (first,) = bench.outbox.put(sample_document(version=1), to=[Dmp()])
    bench.step()
    (second,) = bench.outbox.put(sample_document(version=2), to=[Dmp()])
    bench.step(seconds=2)
    bench.step()
    assert bench.outbox.status(first.id).state is State.PARKED
    assert bench.outbox.run_until_idle().steps == 0
    bench.outbox.rearm(first.id)
    assert bench.outbox.run_until_idle().done == 2
    assert bench.outbox.status(second.id).state is State.DONE


def test_a_refused_version_is_replaced_by_a_document_that_replaces_nothing(bench: Bench) -> None:
    bench.dmp.fail_next(Fault.REFUSED)
    (first,) = bench.outbox.put(sample_document(version=1), to=[Dmp()])
    bench.step()
    (second,) = bench.outbox.put(sample_document(version=2), to=[Dmp()])
    assert second.replaces is None
    assert bench.outbox.status(first.id).state is State.SUPERSEDED
    assert bench.outbox.run_until_idle().done == 1


def test_a_dead_version_is_not_revived_after_a_newer_one(bench: Bench) -> None:
    bench.dmp.fail_next(*[Fault.UNREACHABLE] * 4)
    (first,) = bench.outbox.put(sample_document(version=1), to=[Dmp()])
    for _ in range(4):
        bench.step(hours=2)
    assert bench.outbox.status(first.id).state is State.DEAD
    bench.outbox.put(sample_document(version=2), to=[Dmp()])
    with pytest.raises(OutboxError, match="OUTBOX_OUTDATED"):
        bench.outbox.rearm(first.id)


def test_an_older_version_after_a_newer_is_refused(bench: Bench) -> None:
    bench.outbox.put(sample_document(version=2), to=[Dmp()])
    with pytest.raises(OutboxError, match="OUTBOX_VERSION"):
        bench.outbox.put(sample_document(version=1), to=[GP, Dmp()])
    assert len(bench.outbox.entries()) == 1, "nor is it stored for the destination that came first"


def test_a_version_that_leaves_between_preparation_and_storage_is_seen(bench: Bench) -> None:
    """The first version is sent while the second is being prepared: it is then prepared again, as its replacement."""
    (first,) = bench.outbox.put(sample_document(version=1), to=[Dmp()])
    seen: list[str | None] = []

    class Meanwhile(FileChannel):
        def prepare(self, document: Document, destination: object) -> Prepared:
            seen.append(document.replaces)
            if len(seen) == 1:
                bench.outbox.run_once()
            return super().prepare(document, Dmp())

    with bench.open(dmp=Meanwhile(bench.file.parent / "dmp")) as outbox:
        (second,) = outbox.put(sample_document(version=2), to=[Dmp()])
    assert seen == [None, first.unique_id]
    assert second.replaces == first.unique_id


# -- events of others, forwarding


def stay_event(**changes: object) -> Event:
    values: dict[str, object] = {"event_id": "stay-1", "type": EventType.STAY_OPENED, "occurred_at": NOON}
    return Event(**values | changes)


def test_recorded_events_are_kept_once(bench: Bench) -> None:
    bench.outbox.record(stay_event(), stay_event(event_id="stay-2"))
    bench.outbox.record(stay_event())
    with pytest.raises(OutboxError, match="OUTBOX_EVENT_CONFLICT"):
        bench.outbox.record(stay_event(unit="1"))
    assert bench.events() == [stay_event(), stay_event(event_id="stay-2")]


def test_what_the_sink_refuses_comes_again(bench: Bench) -> None:
    bench.outbox.record(*(stay_event(event_id=f"e{n}") for n in range(5)))
    got: list[list[str]] = []

    def sink(events: list[Event]) -> None:
        got.append([e.event_id for e in events])
        if len(got) == 2:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        bench.outbox.forward(sink, batch=2)
    assert bench.outbox.forward(sink, batch=2) == 3
    assert got == [["e0", "e1"], ["e2", "e3"], ["e2", "e3"], ["e4"]]
    assert bench.outbox.forward(sink) == 0


# -- the file


def test_a_full_disk_is_said_and_nothing_is_half_stored(bench: Bench) -> None:
    bench.outbox.put(sample_document(1), to=[Dmp()])
    before = bench.outbox._store._driver.execute("PRAGMA page_count").fetchone()[0]
    bench.outbox._store._driver.execute(f"PRAGMA max_page_count={before + 10}")
    with pytest.raises(OutboxError, match="OUTBOX_DISK_FULL") as caught:
        bench.outbox.put(sample_document(2, content=b"x" * 100_000), to=[Dmp(), GP])
    assert caught.value.hint_fr
    assert len(bench.outbox.entries()) == 1
    assert bench.outbox.run_until_idle().done == 1, "what is there still leaves"
    assert types(bench.events()).count("DOC_PRODUCED") == 1
    bench.outbox._store._driver.execute("PRAGMA max_page_count=100000")
    assert len(bench.outbox.put(sample_document(2, content=b"x" * 100_000), to=[Dmp(), GP])) == 2


def test_a_receipt_that_cannot_be_written_is_learnt_again(bench: Bench) -> None:
    (entry,) = bench.outbox.put(sample_document(), to=[Dmp()])
    claim = bench.outbox.worker().claim()
    assert claim is not None
    driver = bench.outbox._store._driver
    driver.execute("PRAGMA query_only=ON")
    with pytest.raises(OutboxError, match="OUTBOX_READ_ONLY"):
        bench.outbox.worker().work(claim)
    with pytest.raises(OutboxError, match="OUTBOX_READ_ONLY"):
        bench.outbox.run_until_idle()
    driver.execute("PRAGMA query_only=OFF")
    bench.step(hours=1)
    assert bench.outbox.status(entry.id).state is State.DONE
    assert list(bench.dmp.accepted().values()) == [1]


def test_the_file_is_its_owner_s_and_durable(bench: Bench) -> None:
    bench.outbox.put(sample_document(), to=[Dmp()])
    for path in bench.file.parent.glob("outbox.db*"):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600, path.name
    driver = bench.outbox._store._driver
    assert driver.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert driver.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "postgresql://localhost/x"])
def test_only_a_sqlite_file_will_do(url: str) -> None:
    with pytest.raises(ConfigurationError, match="OUTBOX_URL"):
        Outbox.open(url, {})


def test_what_is_no_outbox_is_said(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("not a database, " * 100)
    with pytest.raises(OutboxError, match="OUTBOX_CORRUPT"):
        Outbox.open(f"sqlite:///{text}", {})
    with pytest.raises(OutboxError, match="OUTBOX_STORE"):
        Outbox.open(f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}", {})


def test_another_schema_is_refused(bench: Bench) -> None:
    bench.outbox.close()
    with sqlite3.connect(bench.file) as db:
        db.execute("UPDATE outbox_schema SET version = 99")
    db.close()
    with pytest.raises(OutboxError, match="OUTBOX_SCHEMA"):
        bench.open()


def test_reopened_as_it_was(bench: Bench) -> None:
    document = sample_document()
    (entry,) = bench.outbox.put(document, to=[Dmp()])
    bench.outbox.close()
    bench.outbox = bench.open()
    assert bench.outbox.put(document, to=[Dmp()]) == (entry,)
    assert bench.outbox.run_until_idle().done == 1


def test_old_bytes_are_dropped_and_nothing_else(bench: Bench) -> None:
    document = sample_document()
    bench.outbox.put(document, to=[Dmp()])
    bench.outbox.run_until_idle()
    bench.outbox.put(sample_document(2), to=[Dmp()])
    bench.clock.advance(timedelta(days=40))
    assert bench.outbox.purge(timedelta(days=41)) == 0
    assert bench.outbox.purge(timedelta(days=30)) == 1
    assert bench.outbox.put(document, to=[Dmp()])[0].state is State.DONE
    assert bench.outbox.run_until_idle().done == 1


# -- several at once


def test_progress_ends_with_nothing_remaining(bench: Bench) -> None:
    for number in range(10):
        bench.outbox.put(sample_document(number), to=[Dmp(), GP])
    seen: list[Drain] = []
    bench.outbox.run_until_idle(workers=2, progress=seen.append, every=timedelta(0))
    assert (seen[-1].done, seen[-1].remaining) == (20, 0)
    assert all(after.remaining <= before.remaining for before, after in pairwise(seen))


def test_many_workers_send_each_document_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for number in range(40):
        bench.outbox.put(sample_document(number), to=[Dmp(), GP])
    other = bench.open()
    thread = threading.Thread(target=lambda: other.run_until_idle(workers=3))
    thread.start()
    bench.outbox.run_until_idle(workers=3)
    thread.join()
    assert bench.outbox.counts()[State.DONE] == 80
    assert set(bench.dmp.accepted().values()) == set(bench.mss.accepted().values()) == {1}
    assert all(e.attempts == 1 for e in bench.outbox.entries())
    other.close()
    bench.outbox.close()


def test_waiting_for_an_outcome(tmp_path: Path) -> None:
    channel = FileChannel(tmp_path / "dmp")
    policy = OutboxPolicy(retry_base=timedelta(milliseconds=10), check_delay=timedelta(milliseconds=10))
    with Outbox.open(f"sqlite:///{tmp_path / 'o.db'}", {"dmp": channel}, policy=policy) as outbox:
        entries = outbox.put(sample_document(), to=[Dmp()])
        assert outbox.wait(entries, timeout=timedelta(0))[0].state is State.READY
        channel.fail_next(Fault.BUSY, Fault.CUT_AFTER)
        stop = threading.Event()
        thread = threading.Thread(target=outbox.worker().run_until, args=(stop,), kwargs={"poll": timedelta(0.0000001)})
        thread.start()
        assert outbox.wait(entries, timeout=timedelta(seconds=20))[0].state is State.DONE
        stop.set()
        thread.join()


def test_a_run_waits_for_what_is_due_soon(tmp_path: Path) -> None:
    channel = FileChannel(tmp_path / "dmp")
    policy = OutboxPolicy(retry_base=timedelta(milliseconds=50), check_delay=timedelta(milliseconds=50))
    with Outbox.open(f"sqlite:///{tmp_path / 'o.db'}", {"dmp": channel}, policy=policy) as outbox:
        channel.fail_next(Fault.CUT_BEFORE, Fault.UNREACHABLE)
        outbox.put(sample_document(), to=[Dmp()])
        drain = outbox.run_until_idle(workers=2)
    assert (drain.done, drain.retried, drain.steps, drain.remaining) == (1, 3, 4, 0)


def test_a_run_stops_when_the_clock_stands_still(bench: Bench) -> None:
    bench.dmp.fail_next(Fault.CUT_AFTER)
    bench.outbox.put(sample_document(), to=[Dmp()])
    drain = bench.outbox.run_until_idle(patience=timedelta(seconds=2))
    assert (drain.steps, drain.remaining) == (1, 1)
