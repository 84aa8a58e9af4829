"""Whatever the events: the bounds hold, their order does not matter, and a slow, other way of counting agrees."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sunes_sdk._core.clock import FixedClock
from sunes_sdk.model import Event, Identifier, IdentityStatus
from sunes_sdk.settings import Environment
from sunes_sdk.usage import IndicatorResult, Ledger, Period, Profile, Stage, evaluate_all, load_profile, read_profile

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 3, 1, tzinfo=UTC)
PERIOD = Period(date(2024, 1, 10), date(2024, 1, 19))
CUTOFF = datetime(2024, 1, 21, 23, tzinfo=UTC)  # two days of grace, in Paris
LDL, CRO = "11490-0", "34874-8"
FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def profiles() -> tuple[Profile, ...]:
    content = load_profile("sunes.v1.d1").model_dump(mode="json", exclude_unset=True)
    content["period"]["grace_days"] = 2
    content["numerator"]["document_types"] = {"any_of": [LDL]}
    both = json.loads(json.dumps(content))
    both["numerator"]["document_types"] = {"all_of": [LDL, CRO]}
    names = ("sunes.v1.d1", "sunes.v1.d2", "sunes.v2.pro", "sunes.v2.citoyen", "sunes.v3.ins")
    return (read_profile(json.dumps(content)), read_profile(json.dumps(both)), *map(load_profile, names))


def results(events: Sequence[Event], times: int = 1) -> tuple[IndicatorResult, ...]:
    with Ledger.open("sqlite://", b"s" * 32, clock=FixedClock(NOW)) as ledger:
        for _ in range(times):
            ledger.record(events)
        assert ledger.head().count == len({e.event_id for e in events})
        return evaluate_all(ledger, profiles(), period=PERIOD, environment=Environment.PRODUCTION, as_of=NOW)


def numbers(found: IndicatorResult) -> tuple[Any, ...]:
    """All that does not depend on the order of recording (the head hash does)."""
    return (
        found.num, found.num_high, found.den, found.status, found.excluded, found.orphans, found.opposed,
        found.notices, found.blockers, found.by_unit,
    )  # fmt: skip


# -- any events at all, sense or nonsense

_KINDS = (
    "STAY_OPENED", "STAY_UPDATED", "STAY_CLOSED", "STAY_CANCELLED", "STAY_MERGED", "DOC_PRODUCED", "DOC_VALIDATED",
    "DOC_REPLACED", "DOC_WITHDRAWN", "ELIGIBILITY_DECIDED", "DMP_SUBMITTED", "DMP_ACCEPTED", "DMP_REJECTED",
    "DMP_UNKNOWN", "DMP_RECONCILED", "DMP_WITHDRAWN", "MSS_SUBMITTED", "MSS_RELAYED", "MSS_REJECTED", "MSS_UNKNOWN",
    "MSS_DELIVERED", "MSS_DELAYED", "MSS_BOUNCED", "MSS_READ", "MSS_PROCESSING_FAILED", "CORRECTION", "SEAL",
)  # fmt: skip


def _maybe(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from((None, *values))


_VISITS = tuple(Identifier(value=str(n), root="1.2.3") for n in range(4))
any_event = st.builds(
    dict,
    type=st.sampled_from(_KINDS),
    occurred_at=st.integers(0, 30).map(lambda n: START + timedelta(days=n)),  # few instants: many ties
    stay=_maybe(*_VISITS),
    merged_stay=_maybe(*_VISITS[:2]),
    stay_class=_maybe("I", "R", "O"),
    activity=_maybe("MCO", "SSR", "OTHER"),
    unit=_maybe("U1", "U2"),
    admitted_at=_maybe(START),
    discharged_at=_maybe(*(START + timedelta(days=n) for n in (9, 12, 20))),
    document_id=_maybe("1.9.1", "1.9.2", "1.9.3"),
    chain_id=_maybe("1.8.1", "1.8.2"),
    type_code=_maybe(LDL, CRO, "57833-6", "11502-2"),
    ins_status=_maybe(*IdentityStatus),
    test_identity=st.integers(0, 9).map(lambda n: n == 0),
    channel=st.sampled_from(("NONE", "DMP", "MSS_PRO", "MSS_PATIENT")),
    delivery=_maybe("d1", "d2"),
    attempt=st.integers(0, 3),
    reason_class=_maybe("AUTH", "DUPLICATE", "IDENTITY", "TRANSIENT"),
    outcome=_maybe("ACCEPTED", "ABSENT", "OPPOSITION", "NO_DMP", "ELIGIBLE", "SECRET", "DISCHARGE_CANCELLED"),
)


def _events(values: Sequence[dict[str, Any]]) -> list[Event]:
    return [Event(event_id=f"e{n}", **v) for n, v in enumerate(values)]


@FAST
@given(st.lists(any_event, max_size=40), st.randoms(use_true_random=False))
def test_invariants_of_any_events(values: list[dict[str, Any]], random: Any) -> None:
    events = _events(values)
    found = results(events)
    for result in found:
        assert 0 <= result.num <= result.num_high <= result.den
        assert sum(b.count for b in result.blockers) == result.den - result.num
        unknown = [b.count for b in result.blockers if b.stage is Stage.UNKNOWN]
        assert sum(unknown) == result.num_high - result.num
        assert [sum(getattr(u, n) for u in result.by_unit) for n in ("num", "num_high", "den")] == [
            result.num, result.num_high, result.den,
        ]  # fmt: skip
        assert result.test_identities == 0
    shuffled = list(events)
    random.shuffle(shuffled)
    assert list(map(numbers, results(shuffled))) == list(map(numbers, found))
    assert list(map(numbers, results(events, times=2))) == list(map(numbers, found))


# -- lives of stays, counted again by trying every possible world

_MOVES = ("accept", "reject", "unknown", "absent", "reconcile", "withdraw", "replace", "retract", "wait")
life = st.fixed_dictionaries(
    {
        "out": st.integers(7, 21),
        "kind": st.sampled_from((LDL, LDL, LDL, CRO)),
        "joined": st.sampled_from((True, True, True, False)),
        "cancelled": st.sampled_from((False, False, False, True)),
        "test": st.sampled_from((False, False, False, True)),
        "moves": st.lists(st.sampled_from(_MOVES), max_size=7),
    }
)


def story(number: int, told: dict[str, Any]) -> list[tuple[str, datetime, int]]:
    """(move, instant, version) of the document of a stay, a day and a half apart, from the discharge on."""
    out = START + timedelta(days=told["out"])
    moves, version = [("produce", out, 1)], 1
    for step, move in enumerate(told["moves"], start=1):
        when = out + timedelta(hours=36 * step)
        if move == "replace":
            version += 1
        moves.append((move, when, version))
    return moves


def told_as_events(number: int, told: dict[str, Any]) -> list[Event]:
    stay = Identifier(value=f"v{number}", root="1.2.3")
    out = START + timedelta(days=told["out"])
    serial = itertools.count()

    def ev(kind: str, when: datetime, **fields: Any) -> Event:
        return Event(event_id=f"{number}-{next(serial)}", type=kind, occurred_at=when, **fields)  # type: ignore[arg-type]  # kind and fields drawn

    events = [ev("STAY_CLOSED", out, stay=stay, stay_class="I", activity="MCO", admitted_at=START, discharged_at=out)]
    if told["cancelled"]:
        events.append(ev("STAY_CANCELLED", out, stay=stay))
    for attempt, (move, when, version) in enumerate(story(number, told)):
        ids: dict[str, Any] = {"document_id": f"1.9.{number}.{version}", "chain_id": f"1.8.{number}"}
        send = {**ids, "channel": "DMP", "attempt": attempt}
        if move in ("produce", "replace"):
            events.append(
                ev("DOC_PRODUCED", when, **ids, type_code=told["kind"], ins_status=IdentityStatus.QUALIFIEE,
                   test_identity=told["test"], stay=stay if told["joined"] else None)
            )  # fmt: skip
        elif move == "accept":
            events += [ev("DMP_SUBMITTED", when, **send), ev("DMP_ACCEPTED", when, **send)]
        elif move == "reject":
            events += [ev("DMP_SUBMITTED", when, **send), ev("DMP_REJECTED", when, **send, reason_class="METADATA")]
        elif move == "unknown":
            events += [ev("DMP_SUBMITTED", when, **send), ev("DMP_UNKNOWN", when, **send)]
        elif move in ("absent", "reconcile"):
            outcome = "ABSENT" if move == "absent" else "ACCEPTED"
            events.append(ev("DMP_RECONCILED", when, **{**send, "attempt": 0}, outcome=outcome))
        elif move == "withdraw":
            events.append(ev("DMP_WITHDRAWN", when, **ids, channel="DMP"))
        elif move == "retract":
            events.append(ev("DOC_WITHDRAWN", when, **ids))
    return events


def worlds(moves: Sequence[tuple[str, datetime, int]]) -> set[bool]:
    """Whether the DMP holds the document since before the cut-off, in each world that the moves allow.

    Every unknown attempt is tried both ways; worlds that a later answer contradicts are dropped.
    """
    unknown = [n for n, (move, _, _) in enumerate(moves) if move == "unknown"]
    found = set()
    for arrived in itertools.product((False, True), repeat=len(unknown)):
        happened = dict(zip(unknown, arrived, strict=True))
        possible = True
        held: int | None = None
        since: datetime | None = None
        ever = set()
        for n, (move, when, version) in enumerate(moves):
            open_attempts = [
                k for k in unknown if k < n and moves[k][2] == version and not _is_answered(moves[k:n], version)
            ]
            if move == "accept":
                # Accepted as new: the earlier attempts of this version had not arrived.
                possible &= not any(happened[k] for k in open_attempts)
                since, held = (since if held is not None else when), version
            elif move == "unknown" and happened[n]:
                since, held = (since if held is not None else when), version
            elif move == "absent":
                possible &= not any(happened[k] for k in open_attempts)
            elif move == "reconcile":
                if open_attempts:
                    last = open_attempts[-1]
                    possible &= happened[last] and not any(happened[k] for k in open_attempts[:-1])
                else:
                    since, held = (since if held is not None else when), version
            elif move == "withdraw" and held != version:
                possible &= version in ever  # what was withdrawn was there
            elif move in ("withdraw", "retract"):
                held, since = None, None
            ever.add(held)
        if possible:
            found.add(held is not None and since is not None and since < CUTOFF)
    return found


def _is_answered(moves: Sequence[tuple[str, datetime, int]], version: int) -> bool:
    return any(move in ("accept", "absent", "reconcile") and of == version for move, _, of in moves)


def is_told_in_order(moves: Sequence[tuple[str, datetime, int]]) -> bool:
    """Lives a real outbox can lead: no version is sent again before its doubt is settled, nothing is withdrawn or
    replaced while in doubt, and no answer comes without a question."""
    doubt = False
    held = False
    for move, _, _ in moves:
        if doubt and move not in ("absent", "reconcile", "wait"):
            return False
        if not doubt and move in ("absent", "reconcile"):
            return False
        if held and move in ("accept", "unknown"):
            return False
        if move == "withdraw" and not held:
            return False
        doubt = move == "unknown" or (doubt and move == "wait")
        held = move in ("accept", "reconcile") or (held and move in ("wait", "reject"))
    return True


ordered_life = life.filter(lambda told: is_told_in_order(story(0, told)))


@FAST
@given(st.lists(ordered_life, max_size=5))
def test_a_count_over_possible_worlds_agrees(lives: list[dict[str, Any]]) -> None:
    events = [e for n, told in enumerate(lives) for e in told_as_events(n, told)]
    den = low = high = 0
    for n, told in enumerate(lives):
        counted = told["joined"] and told["kind"] == LDL
        out_in_paris = (START + timedelta(days=told["out"], hours=1)).date()
        is_test = told["test"] and told["joined"]
        if not PERIOD.start <= out_in_paris <= PERIOD.end or told["cancelled"] or is_test:
            continue
        possible = worlds(story(n, told)) if counted else {False}
        den += 1
        low += possible == {True}
        high += True in possible
    found = results(events)[0]
    assert (found.num, found.num_high, found.den) == (low, high, den)


@FAST
@given(life)
def test_the_bounds_enclose_every_possible_world(told: dict[str, Any]) -> None:
    told = {**told, "out": 12, "kind": LDL, "joined": True, "cancelled": False, "test": False}
    possible = worlds(story(0, told))
    found = results(told_as_events(0, told))[0]
    assert found.den == 1
    assert all(found.num <= world <= found.num_high for world in possible)
