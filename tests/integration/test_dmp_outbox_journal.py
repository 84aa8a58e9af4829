"""An establishment (mode INDIRECTE, which may not read the DMP) changes what it sent, by what the outbox's file keeps,
across restarts; a deletion is told to the usage ledger."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sunes_sdk import flows
from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import INVISIBLE, MASKED, AvailabilityStatus, DmpClient, SentDocument
from sunes_sdk.errors import DmpError, MetadataError, SoapFault
from sunes_sdk.flows import OutboxJournal
from sunes_sdk.model import Dmp, Event, EventType, Identity, Outcome, Prepared, Receipt
from sunes_sdk.outbox import Outbox
from sunes_sdk.settings import Environment, Settings
from sunes_sdk.testing import dmp_rights, samples
from sunes_sdk.testing.fake_dmp import REPOSITORY_ID, FakeDmp
from sunes_sdk.testing.pki import STRUCTURE, TestPki
from sunes_sdk.usage import IndicatorResult, Ledger, Period, evaluate, load_profile

ACTOR = samples.physician().at(samples.hospital())
WHO: Identity = samples.patient().identity


@pytest.fixture
def dmp(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as fake:
        fake.open_dmp(samples.ins())
        fake.authorize(samples.ins())
        yield fake


@pytest.fixture
def lenient(dmp: FakeDmp, monkeypatch: pytest.MonkeyPatch) -> FakeDmp:
    """A DMP that lets an establishment mask documents, against the public table of rights: it still may not read."""
    for transaction in ("TD3.3a", "TD3.3b"):
        monkeypatch.delitem(dmp_rights.ESTABLISHMENT_REFUSED, transaction)
    return dmp


@pytest.fixture
def settings(dmp: FakeDmp) -> Settings:
    return samples.settings(dmp=dmp.settings().model_copy(update={"repository_unique_id": REPOSITORY_ID}))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@contextmanager
def process(file: Path, settings: Settings) -> Iterator[tuple[DmpClient, OutboxJournal]]:
    """A process that starts on the outbox's file, and ends: nothing else is kept."""
    with Outbox.open(f"sqlite:///{file}", {}) as outbox:
        journal = OutboxJournal(outbox)
        with DmpClient(settings, actor=ACTOR, journal=journal) as client:
            yield client, journal


def deliver(file: Path, settings: Settings, *documents: CdaDocument, noted: bool = True) -> None:
    """Send by the outbox; noted: by a client that has the journal."""
    with (
        Outbox.open(f"sqlite:///{file}", {}) as own,
        DmpClient(settings, actor=ACTOR, journal=OutboxJournal(own) if noted else None) as channel,
        Outbox.open(f"sqlite:///{file}", {"dmp": channel}) as outbox,
    ):
        for document in documents:
            outbox.put(document, to=[Dmp()])
        outbox.run_until_idle()


def letter() -> CdaDocument:
    return samples.discharge_letter().render(samples.issuer())


def following(document: CdaDocument) -> CdaDocument:
    return samples.discharge_letter().revise(document).render(samples.issuer())


def present(dmp: FakeDmp, document: CdaDocument) -> tuple[str, set[str], int]:
    stored = dmp.versions(document.unique_id)[-1]
    return stored.status, set(stored.confidentiality), stored.version


def test_replaced_masked_and_deleted_from_the_file_alone(lenient: FakeDmp, settings: Settings, file: Path) -> None:
    first = letter()
    second = following(first)
    deliver(file, settings, first)
    with process(file, settings) as (client, _):
        assert client.replace(second, of=first).outcome is Outcome.ACCEPTED
    assert present(lenient, first)[0] == "Deprecated"
    with process(file, settings) as (client, journal):
        replaced = journal.sent(first.unique_id)
        assert replaced is not None
        assert replaced.status is AvailabilityStatus.DEPRECATED
        with pytest.raises(MetadataError, match="DMP_STATUS"):
            client.delete(first.unique_id, WHO)
        assert client.mask(second.unique_id, WHO).outcome is Outcome.ACCEPTED_WITH_WARNINGS  # DMP_RIGHTS
    assert present(lenient, second) == ("Approved", {"N", "MASQUE_PS"}, 2)
    with process(file, settings) as (client, _):
        with pytest.raises(MetadataError, match="DMP_UNCHANGED"):
            client.mask(second.unique_id, WHO)
        client.unmask(second.unique_id, WHO)
        client.set_patient_visibility(second.unique_id, WHO, patient=False)
    assert present(lenient, second) == ("Approved", {"N", "INVISIBLE_PATIENT"}, 4)
    with process(file, settings) as (client, journal):
        assert client.delete(second.unique_id, WHO).outcome is Outcome.ACCEPTED
        deleted = journal.sent(second.unique_id)
        assert deleted is not None
        assert (deleted.status, deleted.entry, deleted.title) == (AvailabilityStatus.DELETED, "", "")
        with pytest.raises(MetadataError, match="DMP_STATUS"):
            client.delete(second.unique_id, WHO)
    assert present(lenient, second)[0] == "Deleted"
    assert [r.text for r in lenient.requests if r.text] == [], "nothing was asked that the DMP refuses"


def test_the_dmp_refuses_it_as_the_table_says(dmp: FakeDmp, settings: Settings, file: Path) -> None:
    document = letter()
    deliver(file, settings, document)
    with process(file, settings) as (client, _), pytest.raises((DmpError, SoapFault)) as caught:
        client.mask(document.unique_id, WHO)
    assert caught.value.remote_code == "DMPAccessDeniedByRightsService"
    assert present(dmp, document) == ("Approved", {"N"}, 1)


def test_what_is_kept(dmp: FakeDmp, settings: Settings, file: Path) -> None:
    document = letter()
    deliver(file, settings, document)
    with process(file, settings) as (_, journal):
        sent = journal.sent(document.unique_id)
        assert journal.sent("1.2.3") is None
    assert sent is not None
    stored = dmp.versions(document.unique_id)[-1]
    assert (sent.sha1, sent.structure_id, sent.status) == (
        document.sha1.hex(),
        STRUCTURE,
        AvailabilityStatus.APPROVED,
    )
    assert sent.title == document.title
    assert sent.content_type is not None
    assert document.unique_id in sent.entry
    assert stored.unique_id == sent.unique_id
    assert (sent.visibility, sent.version, sent.logical_id) == ((), "1", "")
    assert SentDocument.from_json(sent.to_json()) == sent
    shown = repr(sent)
    assert not any(secret in shown for secret in (samples.ins().value, "PAT-TROIS"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_purge_leaves_it(dmp: FakeDmp, settings: Settings, file: Path) -> None:
    document = letter()
    deliver(file, settings, document)
    with Outbox.open(f"sqlite:///{file}", {}) as outbox:
        assert outbox.purge(timedelta(0)) == 1
    with process(file, settings) as (client, journal):
        sent = journal.sent(document.unique_id)
        assert sent is not None
        assert sent.sha1 == document.sha1.hex()
        assert client.delete(document.unique_id, WHO).outcome is Outcome.ACCEPTED


def test_what_was_delivered_without_it_is_known_from_the_delivery(dmp: FakeDmp, settings: Settings, file: Path) -> None:
    document = letter()
    deliver(file, settings, document, noted=False)
    with process(file, settings) as (client, journal):
        sent = journal.sent(document.unique_id)
        assert sent is not None
        assert (sent.sha1, sent.structure_id) == (document.sha1.hex(), STRUCTURE)
        with Outbox.open(f"sqlite:///{file}", {}) as outbox:
            outbox.purge(timedelta(0))
        bare = journal.sent(document.unique_id)
        assert bare == SentDocument(unique_id=document.unique_id, status=AvailabilityStatus.APPROVED)
        assert client.delete(document.unique_id, WHO).outcome is Outcome.ACCEPTED


def test_what_waits_is_not_known(dmp: FakeDmp, settings: Settings, file: Path) -> None:
    document = letter()
    with (
        DmpClient(settings, actor=ACTOR) as channel,
        Outbox.open(f"sqlite:///{file}", {"dmp": channel}) as outbox,
    ):
        outbox.put(document, to=[Dmp()])
        with process(file, settings) as (client, _), pytest.raises(MetadataError, match="DMP_STATUS_UNKNOWN"):
            client.delete(document.unique_id, document)


def test_a_lost_answer_is_noted_once_it_is_known(dmp: FakeDmp, settings: Settings, file: Path) -> None:
    document = letter()
    dmp.cut_after_accept()
    with process(file, settings) as (client, journal):
        assert client.submit(document).outcome is Outcome.ACCEPTED
        sent = journal.sent(document.unique_id)
        assert sent is not None
        assert sent.sha1 == document.sha1.hex()
        # Asked again much later, it does not undo what happened since.
        client.delete(document.unique_id, WHO)
        client.reconcile(client.prepare(document, Dmp()))
        deleted = journal.sent(document.unique_id)
        assert deleted is not None
        assert deleted.status is AvailabilityStatus.DELETED


def test_bytes_that_nobody_vouches_for_are_not_noted_as_ours(dmp: FakeDmp, settings: Settings, file: Path) -> None:
    """The DMP holds the uniqueId: by an earlier attempt, of which no journal tells."""
    document = letter()
    with DmpClient(settings, actor=ACTOR) as before:
        before.submit(document)
    with process(file, settings) as (client, journal):
        assert client.submit(document).outcome is Outcome.DUPLICATE
        sent = journal.sent(document.unique_id)
        assert sent is not None
        assert sent.sha1 == ""
        assert client.delete(document.unique_id, WHO).outcome is Outcome.ACCEPTED


def test_a_document_that_was_masked_stays_so_when_it_is_replaced(dmp: FakeDmp, settings: Settings, file: Path) -> None:
    first = letter()
    with process(file, settings) as (client, _):
        client.submit(first, visibility=(MASKED,))
    second = following(first)
    deliver(file, settings, second)  # the outbox says nothing of visibility
    assert present(dmp, second)[1] == {"N", "MASQUE_PS"}
    third = following(second)
    with process(file, settings) as (client, _):
        client.replace(third, of=second, visibility=(INVISIBLE,))
    assert present(dmp, third)[1] == {"N", "INVISIBLE_PATIENT"}
    fourth = following(third)
    with process(file, settings) as (client, _):
        client.replace(fourth, of=third, visibility=())
    assert present(dmp, fourth)[1] == {"N"}


class Broken:
    """A journal that can be read and not written."""

    def sent(self, unique_id: str) -> SentDocument | None:
        return None

    def accepted(self, document: SentDocument) -> None:
        raise OSError(f"disk full while writing about {samples.ins().value}")

    def changed(self, unique_id: str, status: AvailabilityStatus) -> None:
        raise OSError("disk full")


def test_what_the_dmp_accepted_stays_accepted_when_the_journal_fails(
    dmp: FakeDmp, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    document = letter()
    with DmpClient(settings, actor=ACTOR, journal=Broken()) as client:
        receipt = client.submit(document)
        assert (receipt.outcome, receipt.warnings) == (Outcome.ACCEPTED_WITH_WARNINGS, ("DMP_JOURNAL",))
        assert client.reconcile(client.prepare(document, Dmp())).warnings == ("DMP_JOURNAL",)
        deleted = client.delete(document.unique_id, WHO, status=AvailabilityStatus.APPROVED)
        assert (deleted.outcome.is_success, deleted.warnings) == (True, ("DMP_JOURNAL",))
    assert caplog.text.count("DMP_JOURNAL: OSError") == 3
    assert samples.ins().value not in caplog.text


# --- usage ------------------------------------------------------------------------------------------------------------


def count(file: Path, ledger: Ledger) -> IndicatorResult:
    with Outbox.open(f"sqlite:///{file}", {}) as outbox:
        flows.count(outbox, ledger)
    now = datetime.now(UTC)
    period = Period((now - timedelta(days=3000)).date(), now.date())
    return evaluate(ledger, load_profile("sunes.v1.d1"), period=period, environment=Environment.FAKE, as_of=now)


def discharged(document: CdaDocument) -> Event:
    assert document.stay is not None
    return Event(
        event_id="closed",
        type=EventType.STAY_CLOSED,
        occurred_at=document.created_at,
        stay=document.stay,
        stay_class="I",
        activity="MCO",
        admitted_at=document.created_at - timedelta(days=4),
        discharged_at=document.created_at - timedelta(hours=1),
    )


def test_a_deletion_is_told_to_the_ledger_once(dmp: FakeDmp, settings: Settings, file: Path, tmp_path: Path) -> None:
    document = letter()
    deliver(file, settings, document)
    with Ledger.open(tmp_path / "ledger.db", b"k" * 32) as ledger:
        with Outbox.open(f"sqlite:///{file}", {}) as outbox:
            outbox.record(discharged(document))
        before = count(file, ledger)
        assert (before.num, before.den) == (1, 1)
        receipts: list[Receipt] = []
        with process(file, settings) as (client, journal):
            receipts.append(client.delete(document.unique_id, WHO))
            journal.changed(document.unique_id, AvailabilityStatus.DELETED)  # told twice
        after = count(file, ledger)
        assert receipts[0].outcome is Outcome.ACCEPTED
        assert (after.num, after.den) == (0, 1)
        assert [(b.stage.name, b.count) for b in after.blockers] == [("WITHDRAWN", 1)]


class Killed(BaseException):
    """The process ends here."""


class DyingAfter(OutboxJournal):
    """One whose process is killed when it would write that a deletion was made."""

    def changed(self, unique_id: str, status: AvailabilityStatus) -> None:
        raise Killed


class DyingBefore(OutboxJournal):
    """One whose process is killed when a deletion is about to leave."""

    def intends(self, deletion: Prepared) -> None:
        super().intends(deletion)
        raise Killed


def killed(file: Path, settings: Settings, kind: type[OutboxJournal], unique_id: str) -> None:
    with (
        Outbox.open(f"sqlite:///{file}", {}) as outbox,
        DmpClient(settings, actor=ACTOR, journal=kind(outbox)) as client,
        pytest.raises(Killed),
    ):
        client.delete(unique_id, WHO)


def told_of(file: Path) -> list[EventType]:
    told: list[Event] = []
    with Outbox.open(f"sqlite:///{file}", {}) as outbox:
        outbox.forward(told.extend)
    return [e.type for e in told]


@pytest.mark.parametrize("asked_again", [True, False])
def test_a_crash_after_the_yes_leaves_a_deletion_to_settle(
    dmp: FakeDmp, settings: Settings, file: Path, asked_again: bool
) -> None:
    document = letter()
    deliver(file, settings, document)
    killed(file, settings, DyingAfter, document.unique_id)
    assert present(dmp, document)[0] == "Deleted"
    assert EventType.DMP_WITHDRAWN not in told_of(file)
    with process(file, settings) as (client, journal):
        if asked_again:
            assert client.delete(document.unique_id, WHO).outcome is Outcome.ACCEPTED
        else:
            assert [r.outcome for r in journal.settle(client)] == [Outcome.ACCEPTED]
        sent = journal.sent(document.unique_id)
        assert sent is not None
        assert sent.status is AvailabilityStatus.DELETED
        assert (journal.settle(client), journal.intended(document.unique_id)) == ((), None)
    assert told_of(file) == [EventType.DMP_WITHDRAWN]


@pytest.mark.parametrize("asked_again", [True, False])
def test_a_deletion_that_did_not_leave_is_settled_too(
    dmp: FakeDmp, settings: Settings, file: Path, asked_again: bool
) -> None:
    document = letter()
    deliver(file, settings, document)
    killed(file, settings, DyingBefore, document.unique_id)
    with process(file, settings) as (client, journal):
        if not asked_again:
            dmp.cut_search()
            assert [r.outcome for r in journal.settle(client)] == [Outcome.UNKNOWN]
            assert [r.outcome for r in journal.settle(client)] == [Outcome.ABSENT]
            assert journal.settle(client) == ()
        assert EventType.DMP_WITHDRAWN not in told_of(file)
        assert client.delete(document.unique_id, WHO).outcome is Outcome.ACCEPTED
        assert journal.settle(client) == ()
    assert told_of(file) == [EventType.DMP_WITHDRAWN]


def test_a_refused_deletion_leaves_nothing_to_settle(dmp: FakeDmp, settings: Settings, file: Path) -> None:
    document = letter()
    deliver(file, settings, document)
    dmp.fail_next("XDSRegistryError", call="ITI-57")
    with process(file, settings) as (client, journal):
        with pytest.raises(DmpError):
            client.delete(document.unique_id, WHO)
        assert journal.intended(document.unique_id) is None
        sent = journal.sent(document.unique_id)
        assert sent is not None
        assert sent.status is AvailabilityStatus.APPROVED


def test_what_the_ledger_was_not_told_of_is_not_withdrawn(dmp: FakeDmp, settings: Settings, file: Path) -> None:
    """A document that went without the outbox was never counted: its deletion is not either."""
    document = letter()
    with process(file, settings) as (client, _):
        client.submit(document)
        client.delete(document.unique_id, WHO)
    told: list[Event] = []
    with Outbox.open(f"sqlite:///{file}", {}) as outbox:
        outbox.forward(told.extend)
    assert told == []


def test_the_deletion_of_a_document_whose_answer_was_lost_is_told(dmp: FakeDmp, settings: Settings, file: Path) -> None:
    document = letter()
    deliver(file, settings, document)
    dmp.spoil_next("empty", call="ITI-57")
    with process(file, settings) as (client, _):
        assert client.delete(document.unique_id, WHO).outcome is Outcome.ACCEPTED
    told: list[Event] = []
    with Outbox.open(f"sqlite:///{file}", {}) as outbox:
        outbox.forward(told.extend)
    (withdrawn,) = [e for e in told if e.type is EventType.DMP_WITHDRAWN]
    (accepted,) = [e for e in told if e.type is EventType.DMP_ACCEPTED]
    same = ("document_id", "chain_id", "delivery", "channel", "stay", "type_code", "finess_ej", "attempt")
    assert [getattr(withdrawn, name) for name in same] == [getattr(accepted, name) for name in same]
    assert withdrawn.occurred_at >= accepted.occurred_at
