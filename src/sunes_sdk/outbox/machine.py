"""The state machine, pure: what one attempt or one question gave, and where the entry goes next."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from .._core.errors import (
    ConfigurationError,
    ModelError,
    OutcomeUnknown,
    RemoteError,
    SecurityError,
    TransportError,
    ValidationError,
)
from .._core.redaction import UNREADABLE, mask_matricules
from .._core.retry import RetryAdvice, RetryKind
from ..model import ChannelKind, EventType, Outcome, ReasonClass, Receipt
from .entry import CONFIG, INTERNAL, TERMINAL, UNCERTAIN, OutboxPolicy, State

_LONGEST_ADVICE = timedelta(days=1)
_CODE = re.compile(r"[0-9]{3} [245]\.[0-9]{1,3}\.[0-9]{1,3}|[\w.:#/+-]{1,80}", re.ASCII)
"""An SMTP code with its RFC 3463 code, or one word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What an event will say beyond the document's own facts."""

    type: EventType
    outcome: str | None = None
    reason_class: ReasonClass | None = None
    reason_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """Where an entry goes. due_in: from now, None when no worker shall take it again by itself;
    failures: new count; facts: events of the same transaction; unreachable: nothing left us, the peer is down."""

    state: State
    due_in: timedelta | None = None
    reason: str = ""
    code: str = ""
    uncertain: bool = False
    failures: int = 0
    facts: tuple[Fact, ...] = ()
    receipt: Receipt | None = None
    unreachable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    submitted: EventType
    success: EventType
    rejected: EventType
    unknown: EventType
    reconciled: EventType | None


_MSS = _Words(
    submitted=EventType.MSS_SUBMITTED,
    success=EventType.MSS_RELAYED,
    rejected=EventType.MSS_REJECTED,
    unknown=EventType.MSS_UNKNOWN,
    reconciled=None,
)
_WORDS = {
    ChannelKind.DMP: _Words(
        submitted=EventType.DMP_SUBMITTED,
        success=EventType.DMP_ACCEPTED,
        rejected=EventType.DMP_REJECTED,
        unknown=EventType.DMP_UNKNOWN,
        reconciled=EventType.DMP_RECONCILED,
    ),
    ChannelKind.MSS_PRO: _MSS,
    ChannelKind.MSS_PATIENT: _MSS,
}


def safe_code(text: str) -> str:
    """A peer's code as it is, unless it is no code: free text may name the patient and is not kept."""
    return text if not text or (_CODE.fullmatch(text) and mask_matricules(text) == text) else UNREADABLE


def after_send(
    kind: ChannelKind, result: Receipt | Exception, *, failures: int, policy: OutboxPolicy, fraction: float
) -> Transition:
    """Where one send leads."""
    step = _Step(kind, failures + 1, policy, fraction, checking=False)
    match result:
        case Receipt() if result.outcome.is_success:
            return step.done(result)
        case Receipt(outcome=Outcome.UNKNOWN):
            return step.unknown(result)
        case Receipt():
            return step.refused(result)
        case OutcomeUnknown():
            return step.unknown(code=result.remote_code)
        case TransportError(sent="no"):
            return step.later(result.retry, code=result.code, unreachable=True)
        case TransportError():
            return step.unknown(code=result.code)
        case RemoteError():
            return step.fault(result)
        case _:
            return step.broken(result)


def after_check(
    kind: ChannelKind,
    result: Receipt | Exception,
    *,
    lost_reply: str | None,
    failures: int,
    policy: OutboxPolicy,
    fraction: float,
) -> Transition:
    """Where one question leads. lost_reply: what the channel allows when it can never know (`at_least_once`,
    `at_most_once`); None when asking again later makes sense."""
    step = _Step(kind, failures + 1, policy, fraction, checking=True)
    match result:
        case Receipt() if result.outcome.is_success:
            return step.found(result)
        case Receipt(outcome=Outcome.ABSENT):
            return step.absent(result)
        case Receipt(outcome=Outcome.UNKNOWN) if lost_reply == "at_least_once":
            return step.resend(step.sent_and_unknown())
        case Receipt(outcome=Outcome.UNKNOWN) if lost_reply is not None:
            return step.parked(UNCERTAIN, uncertain=True, facts=step.sent_and_unknown())
        case Receipt(outcome=Outcome.UNKNOWN):
            return step.ask_again()
        case Receipt():
            return step.refused(result)
        case TransportError() | OutcomeUnknown():
            return step.ask_again(code=result.code)
        case RemoteError():
            return step.ask_again(code=result.remote_code)
        case _:
            return step.broken(result)


class _Step:
    """The transitions out of one attempt; `failures` already counts this one."""

    def __init__(
        self, kind: ChannelKind, failures: int, policy: OutboxPolicy, fraction: float, *, checking: bool
    ) -> None:
        self._checking = checking
        self._words = _WORDS.get(kind)
        self._failures = failures
        self._policy = policy
        self._delay = policy.back_off(failures - 1, fraction)

    def done(self, receipt: Receipt) -> Transition:
        words = self._words
        facts = (self._submitted(), self._of(receipt, words.success)) if words else ()
        return Transition(state=State.DONE, receipt=receipt, code=safe_code(receipt.code), facts=_given(facts))

    def found(self, receipt: Receipt) -> Transition:
        words = self._words
        fact = None
        if words and words.reconciled:
            fact = Fact(type=words.reconciled, outcome=Outcome.ACCEPTED.value)
        elif words:
            fact = self._of(receipt, words.success)
        return Transition(
            state=State.DONE,
            receipt=receipt,
            code=safe_code(receipt.code),
            facts=_given((*self.sent_and_unknown(), fact)),
        )

    def absent(self, receipt: Receipt) -> Transition:
        words = self._words
        fact = Fact(type=words.reconciled, outcome=receipt.outcome.value) if words and words.reconciled else None
        return self.resend((*self.sent_and_unknown(), fact))

    def resend(self, facts: Iterable[Fact | None]) -> Transition:
        """The peer does not have it, or may have it twice: back to the start, unless too much was tried.

        The attempt that got lost was counted when it was; the answer is no failure.
        """
        failures = self._failures - 1
        if failures >= self._policy.max_attempts:
            return Transition(state=State.DEAD, reason="ATTEMPTS", failures=failures, facts=_given(facts))
        return Transition(state=State.READY, due_in=timedelta(0), failures=failures, facts=_given(facts))

    def refused(self, receipt: Receipt) -> Transition:
        words = self._words
        facts = _given((self._submitted(), self._of(receipt, words.rejected))) if words else ()
        code = safe_code(receipt.code)
        reason = receipt.reason.value if receipt.reason else ReasonClass.UNKNOWN.value
        match receipt.retry.kind:
            case RetryKind.NEVER:
                return self.parked(reason, code=code, receipt=receipt, facts=facts)
            case RetryKind.RECONCILE_FIRST:
                return self.ask_again(code) if self._checking else self.unknown(receipt)
            case _:
                return self.later(receipt.retry, reason=reason, code=code, receipt=receipt, facts=facts)

    def fault(self, error: RemoteError) -> Transition:
        """The peer answered by a fault that the channel did not turn into a receipt."""
        code = safe_code(error.remote_code) or error.code
        if error.retry.kind is RetryKind.RECONCILE_FIRST:
            return self.unknown(code=code)
        facts: tuple[Fact, ...] = ()
        if self._words:
            rejected = Fact(type=self._words.rejected, reason_class=ReasonClass.UNKNOWN, reason_code=code)
            facts = _given((self._submitted(), rejected))
        if error.retry.kind is RetryKind.NEVER:
            return self.parked(ReasonClass.UNKNOWN.value, code=code, facts=facts)
        return self.later(error.retry, reason=ReasonClass.UNKNOWN.value, code=code, facts=facts)

    def broken(self, error: Exception) -> Transition:
        """We failed, not the peer. What nobody foresaw may have happened after the bytes left."""
        if isinstance(error, ConfigurationError | SecurityError):
            return self.parked(CONFIG, code=error.code, uncertain=self._checking)
        if isinstance(error, ValidationError | ModelError):
            return self.parked(ReasonClass.DOCUMENT_INVALID.value, code=error.code, uncertain=self._checking)
        facts = self.sent_and_unknown(INTERNAL)
        return self.parked(INTERNAL, code=type(error).__name__, uncertain=True, facts=facts)

    def unknown(self, receipt: Receipt | None = None, *, code: str = "") -> Transition:
        code = safe_code(receipt.code if receipt else code)
        more = self._delay if self._failures > 1 else timedelta(0)
        return Transition(
            state=State.CHECK, due_in=self._policy.check_delay + more, code=code, uncertain=True,
            failures=self._failures, receipt=receipt, facts=self.sent_and_unknown(code),
        )  # fmt: skip

    def ask_again(self, code: str = "") -> Transition:
        facts = self.sent_and_unknown()
        if self._spent:
            return self.parked(UNCERTAIN, code=safe_code(code), uncertain=True, facts=facts)
        return Transition(
            state=State.RETRY_AT, due_in=self._delay, reason="CHECK", code=safe_code(code), uncertain=True,
            failures=self._failures, facts=facts,
        )  # fmt: skip

    def later(
        self, advice: RetryAdvice, *, reason: str = ReasonClass.TRANSIENT.value, code: str = "",
        receipt: Receipt | None = None, facts: tuple[Fact, ...] = (), unreachable: bool = False,
    ) -> Transition:  # fmt: skip
        if self._spent:
            return Transition(
                state=State.DEAD, reason=reason, code=code, failures=self._failures, receipt=receipt, facts=facts,
                unreachable=unreachable,
            )  # fmt: skip
        delay = max(self._delay, min(timedelta(seconds=advice.seconds or 0), _LONGEST_ADVICE))
        return Transition(
            state=State.RETRY_AT, due_in=delay, reason=reason, code=code, failures=self._failures, receipt=receipt,
            facts=facts, unreachable=unreachable,
        )  # fmt: skip

    def parked(
        self, reason: str, *, code: str = "", uncertain: bool = False, receipt: Receipt | None = None,
        facts: tuple[Fact, ...] = (),
    ) -> Transition:  # fmt: skip
        return Transition(
            state=State.PARKED, reason=reason, code=code, uncertain=uncertain, failures=self._failures,
            receipt=receipt, facts=facts,
        )  # fmt: skip

    def sent_and_unknown(self, code: str = "") -> tuple[Fact, ...]:
        """The attempt began and its outcome is not known: said once, however often it is asked for."""
        if not self._words:
            return ()
        return Fact(type=self._words.submitted), Fact(type=self._words.unknown, reason_code=code or None)

    def _submitted(self) -> Fact | None:
        return Fact(type=self._words.submitted) if self._words else None

    def _of(self, receipt: Receipt, event: EventType) -> Fact:
        return Fact(
            type=event, outcome=receipt.outcome.value, reason_class=receipt.reason,
            reason_code=safe_code(receipt.code) or None,
        )  # fmt: skip

    @property
    def _spent(self) -> bool:
        return self._failures >= self._policy.max_attempts


def _given(facts: Iterable[Fact | None]) -> tuple[Fact, ...]:
    return tuple(fact for fact in facts if fact is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """An earlier version of a document, towards the same destination."""

    id: int
    unique_id: str
    version_number: int
    replaces: str | None
    state: State
    uncertain: bool

    @property
    def may_be_held(self) -> bool:
        """The peer has it, or may have it, or is being given it."""
        return self.uncertain or self.state in (State.DONE, State.LEASED, State.CHECK)

    @property
    def is_superseded_by_a_newer_one(self) -> bool:
        return not self.may_be_held and self.state not in TERMINAL


def seen_replaced(versions: Iterable[Version], replaces: str | None) -> str | None:
    """Which version the peer will see replaced: those that never reached it are skipped.

    A document may replace a version that waits here unsent, or that the peer refused: for this destination it then
    replaces what that one would have replaced, in the end nothing.
    """
    by_id = {v.unique_id: v for v in versions}
    seen = set()
    while replaces in by_id and replaces not in seen and not by_id[replaces].may_be_held:
        seen.add(replaces)
        replaces = by_id[replaces].replaces
    return replaces
