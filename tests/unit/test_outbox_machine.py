"""The state machine alone: each outcome of a send or of a question, and where it leads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sunes_sdk._core.errors import (
    CertificateError,
    ConfigurationError,
    DmpError,
    MetadataError,
    OutcomeUnknown,
    SunesError,
    TransportError,
)
from sunes_sdk._core.retry import RetryAdvice
from sunes_sdk.model import ChannelKind, EventType, Outcome, ReasonClass, Receipt
from sunes_sdk.outbox import OutboxPolicy, State
from sunes_sdk.outbox.machine import Transition, Version, after_check, after_send, safe_code, seen_replaced

POLICY = OutboxPolicy(max_attempts=3)
DMP, PRO, PATIENT = ChannelKind.DMP, ChannelKind.MSS_PRO, ChannelKind.MSS_PATIENT


def receipt(outcome: Outcome, kind: ChannelKind = DMP, **more: object) -> Receipt:
    return Receipt(channel=kind, outcome=outcome, unique_id="1.2.3", at=datetime(2026, 1, 1, tzinfo=UTC), **more)


def sent(result: Receipt | Exception, kind: ChannelKind = DMP, failures: int = 0, fraction: float = 1.0) -> Transition:
    return after_send(kind, result, failures=failures, policy=POLICY, fraction=fraction)


def asked(
    result: Receipt | Exception, kind: ChannelKind = DMP, failures: int = 1, lost_reply: str | None = None
) -> Transition:
    return after_check(kind, result, lost_reply=lost_reply, failures=failures, policy=POLICY, fraction=1.0)


def types(transition: Transition) -> list[str]:
    return [fact.type.value for fact in transition.facts]


@pytest.mark.parametrize("outcome", [o for o in Outcome if o.is_success])
@pytest.mark.parametrize(("kind", "success"), [(DMP, "DMP_ACCEPTED"), (PRO, "MSS_RELAYED"), (PATIENT, "MSS_RELAYED")])
def test_success_is_done(outcome: Outcome, kind: ChannelKind, success: str) -> None:
    t = sent(receipt(outcome, kind), kind)
    assert (t.state, t.due_in, t.uncertain) == (State.DONE, None, False)
    assert types(t)[1:] == [success]
    assert t.facts[1].outcome == outcome.value


def test_a_channel_the_ledger_does_not_count_makes_no_event() -> None:
    assert sent(receipt(Outcome.ACCEPTED), ChannelKind.HL7).facts == ()
    assert asked(receipt(Outcome.ABSENT), ChannelKind.HL7).facts == ()


@pytest.mark.parametrize("advice", [RetryAdvice.safe(), RetryAdvice.after(1.0)])
def test_a_passing_refusal_is_tried_again(advice: RetryAdvice) -> None:
    t = sent(receipt(Outcome.REJECTED, code="XDSRepositoryBusy", reason=ReasonClass.TRANSIENT, retry=advice))
    assert (t.state, t.reason, t.code) == (State.RETRY_AT, "TRANSIENT", "XDSRepositoryBusy")
    assert not t.uncertain
    assert types(t) == ["DMP_SUBMITTED", "DMP_REJECTED"]


def test_the_peer_s_delay_is_a_minimum_and_has_a_limit() -> None:
    busy = receipt(Outcome.REJECTED, retry=RetryAdvice.after(600.0))
    assert sent(busy, fraction=0.0).due_in == timedelta(seconds=600)
    absurd = receipt(Outcome.REJECTED, retry=RetryAdvice.after(1e9))
    assert sent(absurd).due_in == timedelta(days=1)


def test_a_lasting_refusal_waits_for_somebody() -> None:
    t = sent(receipt(Outcome.REJECTED, code="XDSPatientIdDoesNotMatch", reason=ReasonClass.IDENTITY))
    assert (t.state, t.reason, t.code, t.due_in) == (State.PARKED, "IDENTITY", "XDSPatientIdDoesNotMatch", None)
    assert t.facts[1].reason_class is ReasonClass.IDENTITY


def test_attempts_end() -> None:
    busy = receipt(Outcome.REJECTED, reason=ReasonClass.TRANSIENT, retry=RetryAdvice.safe())
    assert [sent(busy, failures=n).state for n in range(3)] == [State.RETRY_AT, State.RETRY_AT, State.DEAD]


@pytest.mark.parametrize(
    "lost",
    [
        OutcomeUnknown("cut"),
        TransportError("cut", sent="maybe"),
        receipt(Outcome.UNKNOWN),
        receipt(Outcome.REJECTED, retry=RetryAdvice.reconcile_first()),
        DmpError("?", retry=RetryAdvice.reconcile_first()),
    ],
)
def test_an_unknown_outcome_is_asked_after_however_many_attempts_were_made(lost: Receipt | Exception) -> None:
    for failures in (0, 100):
        t = sent(lost, failures=failures)
        assert (t.state, t.uncertain) == (State.CHECK, True)
        assert types(t) == ["DMP_SUBMITTED", "DMP_UNKNOWN"]
        assert t.due_in is not None
        assert t.due_in >= POLICY.check_delay


def test_nothing_left_us_is_tried_again_and_tells_nothing() -> None:
    t = sent(TransportError("refused", sent="no", code="UNREACHABLE"))
    assert (t.state, t.uncertain, t.unreachable, t.facts) == (State.RETRY_AT, False, True, ())


@pytest.mark.parametrize("error", [ConfigurationError("no key"), CertificateError("expired")])
def test_our_own_configuration_parks(error: SunesError) -> None:
    t = sent(error)
    assert (t.state, t.reason, t.uncertain) == (State.PARKED, "CONFIG", False)
    assert asked(error).uncertain


def test_an_invalid_document_parks() -> None:
    assert sent(MetadataError("wrong", code="XDS_TITLE")).reason == "DOCUMENT_INVALID"


def test_an_unforeseen_failure_parks_and_stays_uncertain() -> None:
    t = sent(KeyError("PAT-TROIS DOMINIQUE"))
    assert (t.state, t.reason, t.code, t.uncertain) == (State.PARKED, "INTERNAL", "KeyError", True)
    assert "PAT-TROIS" not in repr(t)


def test_a_fault_with_free_text_as_code_keeps_no_text() -> None:
    t = sent(DmpError("refused", remote_code="Patient PAT-TROIS inconnu"))
    assert (t.state, t.reason, t.code) == (State.PARKED, "UNKNOWN", "UNREADABLE")
    assert sent(DmpError("refused", remote_code="E42", retry=RetryAdvice.safe())).state is State.RETRY_AT


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("urn:ihe:X-1", "urn:ihe:X-1"),
        ("550 5.1.1", "550 5.1.1"),
        ("550 no such user", "UNREADABLE"),
        ("é", "UNREADABLE"),
        ("a" * 81, "UNREADABLE"),
        ("279035121518989", "UNREADABLE"),
    ],
)
def test_codes(given: str, kept: str) -> None:
    assert safe_code(given) == kept


def test_found_is_done_and_reconciled() -> None:
    t = asked(receipt(Outcome.ACCEPTED))
    assert t.state is State.DONE
    assert types(t) == ["DMP_SUBMITTED", "DMP_UNKNOWN", "DMP_RECONCILED"]
    assert t.facts[-1].outcome == "ACCEPTED"
    assert types(asked(receipt(Outcome.DELIVERED, PRO), PRO))[-1] == "MSS_RELAYED"


def test_absent_is_sent_again() -> None:
    t = asked(receipt(Outcome.ABSENT))
    assert (t.state, t.uncertain, t.due_in) == (State.READY, False, timedelta(0))
    assert (t.facts[-1].type, t.facts[-1].outcome) == (EventType.DMP_RECONCILED, "ABSENT")
    assert t.failures == 1
    assert asked(receipt(Outcome.ABSENT), failures=3).state is State.DEAD


def test_mail_that_nobody_can_answer_for() -> None:
    unknown = receipt(Outcome.UNKNOWN, PRO)
    again = asked(unknown, PRO, lost_reply="at_least_once")
    assert (again.state, again.uncertain) == (State.READY, False)
    once = asked(unknown, PATIENT, lost_reply="at_most_once")
    assert (once.state, once.reason, once.uncertain) == (State.PARKED, "UNCERTAIN", True)
    assert types(once)[-1] == "MSS_UNKNOWN"


@pytest.mark.parametrize(
    "silence", [receipt(Outcome.UNKNOWN), TransportError("down", sent="no"), OutcomeUnknown("cut"), DmpError("busy")]
)
def test_a_dmp_that_does_not_answer_is_asked_again_and_never_given_up_silently(silence: Receipt | Exception) -> None:
    t = asked(silence)
    assert (t.state, t.uncertain) == (State.RETRY_AT, True)
    last = asked(silence, failures=2)
    assert (last.state, last.reason, last.uncertain) == (State.PARKED, "UNCERTAIN", True)


def test_a_refusal_learnt_later_parks() -> None:
    t = asked(receipt(Outcome.BOUNCED, PRO, reason=ReasonClass.ADDRESS), PRO)
    assert (t.state, t.reason, t.uncertain) == (State.PARKED, "ADDRESS", False)


def test_back_off_has_full_jitter_and_a_cap() -> None:
    policy = OutboxPolicy(retry_base=timedelta(seconds=2), retry_cap=timedelta(seconds=60))
    assert [policy.back_off(n, 1.0).total_seconds() for n in range(6)] == [2, 4, 8, 16, 32, 60]
    assert policy.back_off(5, 0.0) == timedelta(0)
    assert policy.back_off(10**6, 0.5) == timedelta(seconds=30)


def version(unique_id: str, state: State, replaces: str | None = None, uncertain: bool = False) -> Version:
    return Version(id=1, unique_id=unique_id, version_number=1, replaces=replaces, state=state, uncertain=uncertain)


def test_what_the_peer_will_see_replaced() -> None:
    assert seen_replaced([], "v1") == "v1"  # sent by other means
    assert seen_replaced([version("v1", State.DONE)], "v1") == "v1"
    assert seen_replaced([version("v1", State.READY)], "v1") is None
    assert seen_replaced([version("v1", State.PARKED, uncertain=True)], "v1") == "v1"
    chain = [version("v1", State.DONE), version("v2", State.PARKED, "v1"), version("v3", State.SUPERSEDED, "v2")]
    assert seen_replaced(chain, "v3") == "v1"
    loop = [version("a", State.DEAD, "b"), version("b", State.DEAD, "a")]
    assert seen_replaced(loop, "a") in ("a", "b")
