"""From events to numbers: exact, bounded, with each unit that is missing put under one cause.

`num` counts what is known to have succeeded, `num_high` adds what may have. All comparisons are made on integers;
a share is shown cut to one decimal, never rounded up to a target it does not reach.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum, StrEnum
from fractions import Fraction

from .._core.clock import Clock, SystemClock
from .._core.errors import ModelError
from ..model import ChannelKind, IdentityStatus
from ..settings import Environment
from .facts import ChainFacts, Facts, StayFacts, Step, Withdrawal, fold
from .ledger import Ledger, LedgerHead
from .period import Period, deadline, to_micros
from .profile import THRESHOLD_UNKNOWN_FR, Profile

_HOUR = 3_600_000_000

Acceptance = tuple[int, bytes | None]
"""When, and which version."""


class Status(StrEnum):
    """Where an indicator stands against its threshold."""

    ATTEINTE = "ATTEINTE"
    NON_ATTEINTE = "NON_ATTEINTE"
    EN_COURS = "EN_COURS"
    """The period is not over, or unknown outcomes still decide."""
    INATTEIGNABLE = "INATTEIGNABLE"
    """Even if all the units still expected succeed, the threshold is out of reach."""
    NON_EVALUABLE = "NON_EVALUABLE"
    """No threshold is known, or there is nothing to count."""


class Stage(IntEnum):
    """How far a unit came: the further, the greater. Only `DONE` counts; `UNKNOWN` counts in the high bound."""

    NOT_PRODUCED = 0
    NOT_VALIDATED = 1
    INS_NOT_QUALIFIED = 2
    OPPOSITION = 3
    DESTDMP_N = 4
    NO_DMP = 5
    NOT_SUBMITTED = 6
    REJECTED_DATA = 7
    REJECTED_AUTH = 8
    REJECTED_TECHNICAL = 9
    WITHDRAWN = 10
    LATE = 11
    PENDING = 12
    UNKNOWN = 13
    DONE = 14


# Order of the waterfall: the first cause to remove comes first. (It differs from `Stage` at its end, where the stage
# says which of two documents of one stay came nearer.)
WATERFALL = (
    Stage.NOT_PRODUCED, Stage.NOT_VALIDATED, Stage.INS_NOT_QUALIFIED, Stage.OPPOSITION, Stage.DESTDMP_N, Stage.NO_DMP,
    Stage.NOT_SUBMITTED, Stage.REJECTED_TECHNICAL, Stage.REJECTED_DATA, Stage.REJECTED_AUTH, Stage.PENDING,
    Stage.UNKNOWN, Stage.LATE, Stage.WITHDRAWN,
)  # fmt: skip

# Decisions that keep a document from a channel. The patient's messaging is a part of Mon espace santé, as the DMP is;
# nothing of the sort keeps a letter from a professional.
_PATIENT_DECISIONS = {"OPPOSITION": Stage.OPPOSITION, "CONNEXION_SECRETE": Stage.OPPOSITION, "NO_DMP": Stage.NO_DMP}
_DECISIONS: Mapping[ChannelKind, Mapping[str, Stage]] = {
    ChannelKind.DMP: {**_PATIENT_DECISIONS, "DESTDMP_N": Stage.DESTDMP_N},
    ChannelKind.MSS_PATIENT: _PATIENT_DECISIONS,
}
_REJECTIONS = {
    **dict.fromkeys(("IDENTITY", "CONSENT", "DOCUMENT_INVALID", "METADATA", "ADDRESS", "SIZE"), Stage.REJECTED_DATA),
    "AUTH": Stage.REJECTED_AUTH,
}
_MSS_LADDER = ("MSS_SUBMITTED", "MSS_RELAYED", "MSS_DELIVERED", "MSS_READ")
_ACTIVITY_NAMES = {"SSR": "SMR"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """Units missing for one cause. share: of the denominator, which is the points of rate that it costs."""

    stage: Stage
    count: int
    share: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitShare:
    """The indicator for one UF (None: not given)."""

    unit: str | None
    num: int
    num_high: int
    den: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorResult:
    """One indicator over one period.

    num ≤ num_high ≤ den. excluded: units of the period left out, by reason; orphans: documents that could not be
    joined to a known stay; opposed: units kept in the denominator whose patient is opposed; test_identities: test
    units counted (only under FAKE); notices: what the data lack, by name; ledger: the events it rests on.
    """

    profile: Profile
    period: Period
    as_of: datetime
    environment: Environment
    finess: str | None
    ledger: LedgerHead
    chain_verified: bool
    num: int
    num_high: int
    den: int
    status: Status
    excluded: Mapping[str, int]
    orphans: int
    opposed: int
    test_identities: int
    notices: Mapping[str, int]
    blockers: tuple[Blocker, ...]
    by_unit: tuple[UnitShare, ...]

    @property
    def rate(self) -> Fraction | None:
        """Exact share, None when there is nothing to count: 0/0 is neither 0 % nor 100 %."""
        return Fraction(self.num, self.den) if self.den else None

    @property
    def rate_high(self) -> Fraction | None:
        return Fraction(self.num_high, self.den) if self.den else None

    @property
    def rate_fr(self) -> str:
        return percent_fr(self.rate)

    @property
    def rate_high_fr(self) -> str:
        return percent_fr(self.rate_high)

    @property
    def threshold_fr(self) -> str:
        share = self.profile.share
        return THRESHOLD_UNKNOWN_FR if share is None else percent_fr(share)

    @property
    def evidence_deadline(self) -> date | None:
        """Last day to hand the proof in, when the profile says where."""
        evidence = self.profile.evidence
        return None if evidence is None else deadline(self.period.end, evidence.deadline_months)

    @property
    def missing(self) -> int | None:
        """Units missing now to reach the threshold, None without threshold."""
        share = self.profile.share
        return None if share is None else reach(self.num, self.den, 0, share).missing


def percent_fr(share: Fraction | None) -> str:
    """`69,9 %`: cut to one decimal, never rounded; a dash for None."""
    if share is None:
        return "–"
    tenths = share.numerator * 1000 // share.denominator
    return f"{tenths // 10},{tenths % 10}\u202f%"


@dataclass(frozen=True, slots=True)
class Reach:
    """missing: successes needed among the remaining units; required: their share, None when none remain."""

    missing: int
    required: Fraction | None
    reachable: bool


def reach(num: int, den: int, remaining: int, threshold: Fraction) -> Reach:
    """What it takes to reach `threshold` when `remaining` units are still expected. Exact."""
    goal = threshold * (den + remaining)
    missing = max(0, -(-goal.numerator // goal.denominator) - num)
    return Reach(missing, Fraction(missing, remaining) if remaining else None, missing <= remaining)


def evaluate(
    ledger: Ledger,
    profile: Profile,
    *,
    period: Period,
    environment: Environment,
    as_of: datetime | None = None,
    finess: str | None = None,
    expected_remaining: int | None = None,
    verify: bool = True,
    clock: Clock | None = None,
) -> IndicatorResult:
    """One indicator. See `evaluate_all`."""
    (result,) = evaluate_all(
        ledger, [profile], period=period, environment=environment, as_of=as_of, finess=finess,
        expected_remaining=expected_remaining, verify=verify, clock=clock,
    )  # fmt: skip
    return result


def evaluate_all(
    ledger: Ledger,
    profiles: Iterable[Profile],
    *,
    period: Period,
    environment: Environment,
    as_of: datetime | None = None,
    finess: str | None = None,
    expected_remaining: int | None = None,
    verify: bool = True,
    clock: Clock | None = None,
) -> tuple[IndicatorResult, ...]:
    """Indicators over one reading of the ledger.

    period: days of Europe/Paris, both ends included. as_of: only events recorded by then count, so that a report can
    be made again later; None for now. environment: test identities count under FAKE only, and the result says so.
    finess: keep this establishment alone, by the profile's perimeter. expected_remaining: units still expected
    before the end, from which `INATTEIGNABLE` is told. verify: recompute the hash chain first.
    Raises LedgerTamperedError when the chain is broken, ModelError `NAIVE_TIME` for an `as_of` without offset.
    """
    if as_of is not None and as_of.tzinfo is None:
        raise ModelError("as_of has no offset", code="NAIVE_TIME", path="as_of", hint="give an aware datetime")
    at = as_of or (clock or SystemClock()).now()
    head = ledger.head(as_of)
    if verify:
        ledger.verify_chain(head)
    facts = fold(ledger.rows(head))
    return tuple(
        _Evaluation(facts, profile, period, environment, finess).result(at, head, verify, expected_remaining)
        for profile in profiles
    )


class _Evaluation:
    """One profile over folded facts."""

    def __init__(
        self, facts: Facts, profile: Profile, period: Period, environment: Environment, finess: str | None
    ) -> None:
        self.facts = facts
        self.profile = profile
        self.period = period
        self.environment = environment
        self.finess = finess
        self.start = to_micros(period.first_instant)
        self.end = to_micros(period.after_last_instant())
        self.cutoff = to_micros(period.after_last_instant(profile.period.grace_days))
        types = profile.numerator.document_types
        self.codes = None if types is None else types.codes
        self.required = 1 if types is None else types.required
        self.excluded: Counter[str] = Counter()
        self.notices: Counter[str] = Counter(facts.anomalies)
        self.stages: Counter[Stage] = Counter()
        self.units: dict[str | None, Counter[str]] = defaultdict(Counter)
        self.orphans = 0
        self.opposed = 0
        self.tests = 0

    def result(
        self, as_of: datetime, head: LedgerHead, verified: bool, expected_remaining: int | None
    ) -> IndicatorResult:
        if self.profile.population.unit == "stay":
            self._stays()
        else:
            self._documents()
        den = self.stages.total()
        num = self.stages[Stage.DONE]
        num_high = num + self.stages[Stage.UNKNOWN]
        over = to_micros(as_of) >= self.cutoff
        return IndicatorResult(
            profile=self.profile,
            period=self.period,
            as_of=as_of,
            environment=self.environment,
            finess=self.finess,
            ledger=head,
            chain_verified=verified,
            num=num,
            num_high=num_high,
            den=den,
            status=_status(num, num_high, den, self.profile.share, over, expected_remaining),
            excluded=dict(sorted(self.excluded.items())),
            orphans=self.orphans,
            opposed=self.opposed,
            test_identities=self.tests,
            notices=dict(sorted(self.notices.items())),
            blockers=tuple(
                Blocker(stage=stage, count=self.stages[stage], share=Fraction(self.stages[stage], den))
                for stage in WATERFALL
                if self.stages[stage]
            ),
            by_unit=tuple(
                UnitShare(unit=unit, num=n["num"], num_high=n["num_high"], den=n["den"])
                for unit, n in sorted(self.units.items(), key=lambda item: (item[0] is None, item[0] or ""))
            ),
        )

    # -- population

    def _stays(self) -> None:
        by_admission = self.profile.period.attribution == "stay.admitted_at"
        for key, stay in self.facts.stays.items():
            at = stay.admitted_at if by_admission else stay.discharged_at
            if at is None or stay.discharged_at is None or not self.start <= at < self.end:
                continue
            chains = [c for c in self.facts.by_stay.get(key, ()) if self._is_of_stay(c, stay)]
            reason = self._stay_exclusion(stay, chains)
            if reason == "OTHER_FINESS":
                continue
            if reason is not None:
                self.excluded[reason] += 1
                continue
            if self.profile.population.activities is not None and stay.activity is None:
                self.notices["STAY_WITHOUT_ACTIVITY"] += 1
            if self.profile.population.classes is not None and stay.stay_class is None:
                self.notices["STAY_WITHOUT_CLASS"] += 1
            # The k-th best type decides: with one required, the document that came furthest.
            stages = self._by_type(chains, stay)
            stage = stages[self.required - 1] if len(stages) >= self.required else Stage.NOT_PRODUCED
            if stage is Stage.NOT_PRODUCED:
                # Producing the document would not be enough.
                stage = self._decided(stay.decision) or stage
            self._count(stage, stay.unit, test=stay.test, opposed=_is_decided("OPPOSITION", stay, chains))
        self._look_beside_the_stays()

    def _documents(self) -> None:
        by_version = self.profile.numerator.dedup == "document_version"
        for chain in self.facts.chains.values():
            if self.codes is not None and chain.type_code not in self.codes:
                continue
            if not chain.productions and self.profile.numerator.channel.value in chain.deliveries:
                self.notices["SENT_WITHOUT_PRODUCTION"] += 1
            for version in chain.productions if by_version else chain.productions[:1]:
                if not self.start <= version.at < self.end:
                    continue
                stay = None if chain.stay is None else self.facts.stays.get(chain.stay)
                reason = self._document_exclusion(chain, stay)
                if reason == "OTHER_FINESS":
                    continue
                if reason is not None:
                    self.excluded[reason] += 1
                    self.orphans += reason == "NO_STAY"
                    continue
                if self.profile.numerator.success == "INS_QUALIFIED":
                    stage = _ins_stage(version.ins_status)
                else:
                    stage = self._stage(chain, stay, version.document if by_version else None)
                opposed = "OPPOSITION" in (chain.decision, stay.decision if stay else None)
                self._count(stage, version.unit, test=chain.test, opposed=opposed)

    def _count(self, stage: Stage, unit: str | None, *, test: bool, opposed: bool) -> None:
        self.stages[stage] += 1
        self.tests += test
        self.opposed += opposed
        counts = self.units[unit]
        counts["den"] += 1
        counts["num"] += stage is Stage.DONE
        counts["num_high"] += stage >= Stage.UNKNOWN

    def _counts_tests(self) -> bool:
        return self.environment is Environment.FAKE or "TEST_IDENTITY" not in self.profile.population.exclude

    def _finess_exclusion(self, facts: StayFacts | ChainFacts) -> str | None:
        if self.finess is None:
            return None
        own = facts.finess_ej if self.profile.perimeter.by == "finess_juridique" else facts.finess_geo
        if own is None:
            return "FINESS_UNKNOWN"
        return None if own == self.finess else "OTHER_FINESS"

    def _stay_exclusion(self, stay: StayFacts, chains: Sequence[ChainFacts]) -> str | None:
        rules = self.profile.population
        finess = self._finess_exclusion(stay)
        if finess is not None:
            return finess
        if stay.cancelled and "CANCELLED" in rules.exclude:
            return "CANCELLED"
        if stay.test and not self._counts_tests():
            return "TEST_IDENTITY"
        if stay.stay_class == "R" and "SEANCE" in rules.exclude:
            return "SEANCE"
        if rules.classes is not None and stay.stay_class is not None and stay.stay_class not in rules.classes:
            return "CLASS"
        activity = _ACTIVITY_NAMES.get(stay.activity or "", stay.activity)
        if rules.activities is not None and activity is not None and activity not in rules.activities:
            return "ACTIVITY"
        if stay.admitted_at is not None and stay.discharged_at is not None:
            length = stay.discharged_at - stay.admitted_at
            too_short = rules.min_hours is not None and length < rules.min_hours * _HOUR
            if too_short or (rules.max_hours is not None and length > rules.max_hours * _HOUR):
                return "DURATION"
        if stay.decision in rules.exclude:
            return stay.decision
        if rules.opposition == "EXCLUDE" and _is_decided("OPPOSITION", stay, chains):
            return "OPPOSITION"
        if rules.no_dmp == "EXCLUDE" and _is_decided("NO_DMP", stay, chains):
            return "NO_DMP"
        return None

    def _document_exclusion(self, chain: ChainFacts, stay: StayFacts | None) -> str | None:
        rules = self.profile.population
        finess = self._finess_exclusion(chain)
        if finess is not None:
            return finess
        if chain.test and not self._counts_tests():
            return "TEST_IDENTITY"
        if stay is not None and stay.cancelled and "CANCELLED" in rules.exclude:
            return "CANCELLED"
        if rules.classes is not None and stay is None:
            return "NO_STAY"
        if stay is not None:
            if rules.classes is not None and stay.stay_class is not None and stay.stay_class not in rules.classes:
                return "CLASS"
            activity = _ACTIVITY_NAMES.get(stay.activity or "", stay.activity)
            if rules.activities is not None and activity is not None and activity not in rules.activities:
                return "ACTIVITY"
            if not self._is_in_exit_window(chain, stay):
                return "NOT_EXIT"
        decisions = [d for d in (chain.decision, stay.decision if stay else None) if d is not None]
        for decision in decisions:
            if decision in rules.exclude:
                return decision
        if rules.opposition == "EXCLUDE" and "OPPOSITION" in decisions:
            return "OPPOSITION"
        if rules.no_dmp == "EXCLUDE" and "NO_DMP" in decisions:
            return "NO_DMP"
        return None

    def _is_of_stay(self, chain: ChainFacts, stay: StayFacts) -> bool:
        return (self.codes is None or chain.type_code in self.codes) and self._is_in_exit_window(chain, stay)

    def _is_in_exit_window(self, chain: ChainFacts, stay: StayFacts) -> bool:
        window = self.profile.numerator.exit_window.get(chain.type_code or "")
        if window is None:
            return True
        at = chain.produced_at
        if at is None or stay.discharged_at is None:
            return False
        return -window.before_hours * _HOUR <= at - stay.discharged_at <= window.after_hours * _HOUR

    def _look_beside_the_stays(self) -> None:
        """Documents of the period that join no known stay, and may be the ones that are missing; successes on
        cancelled stays."""
        for chain in self.facts.chains.values():
            if self.codes is not None and chain.type_code not in self.codes:
                continue
            if (chain.test and not self._counts_tests()) or self._finess_exclusion(chain) == "OTHER_FINESS":
                continue
            times = [p.at for p in chain.productions]
            times += [s.at for d in chain.deliveries.values() for steps in d.values() for s in steps]
            if not any(self.start <= at < self.cutoff for at in times):
                continue
            stay = None if chain.stay is None else self.facts.stays.get(chain.stay)
            if stay is None:
                self.orphans += 1
            elif stay.cancelled and self._stage(chain, stay) is Stage.DONE:
                self.notices["SUCCESS_ON_CANCELLED_STAY"] += 1

    # -- stages

    def _by_type(self, chains: Sequence[ChainFacts], stay: StayFacts) -> list[Stage]:
        """The furthest stage of each type of document, the best type first."""
        best: dict[str | None, Stage] = {}
        for chain in chains:
            kind = None if self.codes is None else chain.type_code
            best[kind] = max(best.get(kind, Stage.NOT_PRODUCED), self._stage(chain, stay))
        return sorted(best.values(), reverse=True)

    def _stage(self, chain: ChainFacts, stay: StayFacts | None, version: bytes | None = None) -> Stage:
        rules = self.profile.numerator
        deliveries = chain.deliveries.get(rules.channel.value, {})
        accepted: list[Acceptance] = []
        doubtful: list[Acceptance] = []
        reached = Stage.NOT_SUBMITTED
        for (document, _), steps in deliveries.items():
            if version is not None and document != version:
                continue
            times, doubts, stage = _follow(steps, rules.success)
            accepted += [(at, document) for at in times]
            doubtful += [(at, document) for at in doubts]
            reached = max(reached, stage)
        withdrawals: list[Withdrawal] = []
        if rules.chain_deleted == "DO_NOT_COUNT":
            at_peer = chain.dmp_withdrawals if rules.channel is ChannelKind.DMP else []
            withdrawals = chain.withdrawals + at_peer
            # What the peer withdrew, it had.
            proven = [d for d in doubtful if any(w.document == d[1] and w.at >= d[0] for w in at_peer)]
            accepted += proven
            doubtful = [d for d in doubtful if d not in proven]
        since = _alive_since(accepted, withdrawals)
        if since is not None and since < self.cutoff:
            return Stage.DONE
        perhaps = _alive_since(accepted + doubtful, withdrawals) if doubtful else since
        if perhaps is not None and perhaps < self.cutoff:
            return Stage.UNKNOWN
        if since is not None:
            return max(reached, Stage.LATE)
        if perhaps is not None:
            return Stage.PENDING
        if accepted or (withdrawals and _is_gone(chain)):
            return max(reached, Stage.WITHDRAWN)
        if reached > Stage.REJECTED_TECHNICAL:
            return reached
        return self._gate(chain, stay) or reached

    def _gate(self, chain: ChainFacts, stay: StayFacts | None) -> Stage | None:
        """The first gate before sending that the document did not pass."""
        rules = self.profile.numerator
        if rules.requires_validation and chain.validated_at is None:
            return Stage.NOT_VALIDATED
        status = chain.productions[-1].ins_status if chain.productions else None
        needs_ins = rules.channel in (ChannelKind.DMP, ChannelKind.MSS_PATIENT)
        if needs_ins and status is not None and status != IdentityStatus.QUALIFIEE.value:
            return Stage.INS_NOT_QUALIFIED
        return self._decided(chain.decision) or self._decided(stay.decision if stay else None)

    def _decided(self, decision: str | None) -> Stage | None:
        return _DECISIONS.get(self.profile.numerator.channel, {}).get(decision or "")


def _status(num: int, num_high: int, den: int, threshold: Fraction | None, over: bool, remaining: int | None) -> Status:
    if threshold is None or den == 0:
        return Status.NON_EVALUABLE
    if num * threshold.denominator >= threshold.numerator * den:
        return Status.ATTEINTE
    if over:
        short = num_high * threshold.denominator < threshold.numerator * den
        return Status.NON_ATTEINTE if short else Status.EN_COURS
    if remaining is not None and not reach(num_high, den, remaining, threshold).reachable:
        return Status.INATTEIGNABLE
    return Status.EN_COURS


def _is_decided(outcome: str, stay: StayFacts, chains: Sequence[ChainFacts]) -> bool:
    return stay.decision == outcome or any(c.decision == outcome for c in chains)


def _ins_stage(status: str | None) -> Stage:
    if status is None:
        return Stage.UNKNOWN
    return Stage.DONE if status == IdentityStatus.QUALIFIEE.value else Stage.INS_NOT_QUALIFIED


def _is_gone(chain: ChainFacts) -> bool:
    """Withdrawn by its author, and not produced again since."""
    if not chain.withdrawals:
        return False
    return not chain.productions or chain.productions[-1].at <= chain.withdrawals[-1].at


def _alive_since(accepted: Sequence[Acceptance], withdrawals: Sequence[Withdrawal]) -> int | None:
    """Since when the peer holds the document without a break, None when it does not hold it (any more).

    A withdrawal counts when it is of the version last accepted, or of the whole document.
    """
    moments = [(at, 0, document or b"") for at, document in accepted]
    moments += [(w.at, 1, w.document or b"") for w in withdrawals]
    since: int | None = None
    current = b""
    for at, is_withdrawal, document in sorted(moments):
        if not is_withdrawal:
            since = at if since is None else since
            current = document
        elif document in (b"", current):
            since = None
    return since


def _follow(steps: Sequence[Step], success: str) -> tuple[list[int], list[int], Stage]:
    """Of one delivery: the instants it succeeded, those it may have, and the stage it stands at otherwise.

    A success is not undone by the refusal of another attempt; a bounce undoes a relay. An unknown attempt stays
    unknown until it is answered or reconciled.
    """
    if success == "DMP_ACCEPTED":
        successes: tuple[str, ...] = ("DMP_ACCEPTED",)
    else:
        successes = _MSS_LADDER[_MSS_LADDER.index(success) :]
    times: list[int] = []
    doubts: dict[int, int] = {}  # instant of an unknown outcome, by attempt
    stage = Stage.NOT_SUBMITTED
    for step in steps:
        kind = step.type[4:]
        if step.type in successes:
            times.append(step.at)
            doubts.clear()
        elif kind == "RECONCILED":
            if step.outcome == "ACCEPTED":
                # Accepted when it was sent, whenever we learned of it.
                times.append(max(doubts.values(), default=step.at))
                doubts.clear()
            elif step.outcome == "ABSENT":
                doubts.clear()
                stage = Stage.NOT_SUBMITTED
        elif kind in ("SUBMITTED", "DELAYED"):
            stage = Stage.PENDING
        elif kind in ("RELAYED", "DELIVERED"):
            stage = Stage.PENDING
            doubts.clear()
        elif kind == "UNKNOWN" or (kind == "REJECTED" and step.reason == "DUPLICATE"):
            # A duplicate: the peer holds this identifier, most often from an attempt whose answer was lost.
            doubts[step.attempt] = step.at
        elif kind in ("REJECTED", "BOUNCED"):
            if kind == "BOUNCED":
                times.clear()
            stage = _REJECTIONS.get(step.reason or ("ADDRESS" if kind == "BOUNCED" else ""), Stage.REJECTED_TECHNICAL)
            doubts.pop(step.attempt, None)
    return times, list(doubts.values()), Stage.NOT_SUBMITTED if times else stage
