"""Never more than so many calls in any minute, in order, without sleeping here."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sunes_sdk._core.clock import FixedClock
from sunes_sdk.insi.pace import Pace

START = datetime(2026, 1, 10, 9, 0, tzinfo=UTC)


class Waiting:
    """A wait that moves the clock, and notes how long it was."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.waits: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.advance(timedelta(seconds=seconds))


def paced(per_minute: int) -> tuple[Pace, FixedClock, Waiting]:
    clock = FixedClock(START)
    wait = Waiting(clock)
    return Pace(per_minute, clock=clock, wait=wait), clock, wait


def test_calls_under_the_limit_do_not_wait() -> None:
    pace, _, wait = paced(3)
    for _ in range(3):
        pace.take()
    assert wait.waits == []


def test_the_next_one_waits_until_the_oldest_is_a_minute_old() -> None:
    pace, clock, wait = paced(2)
    pace.take()
    clock.advance(timedelta(seconds=20))
    pace.take()
    pace.take()
    assert wait.waits == [40]
    pace.take()
    assert wait.waits == [40, 20]


@given(st.integers(1, 5), st.lists(st.floats(0, 90), max_size=40))
def test_no_minute_has_more_calls_than_allowed(per_minute: int, pauses: list[float]) -> None:
    pace, clock, _ = paced(per_minute)
    starts = []
    for pause in pauses:
        clock.advance(timedelta(seconds=pause))
        pace.take()
        starts.append(clock.now())
    for n in range(per_minute, len(starts)):
        assert starts[n] - starts[n - per_minute] >= timedelta(minutes=1)


def test_threads_queue_one_behind_the_other() -> None:
    waits: list[float] = []
    pace = Pace(1, clock=FixedClock(START), wait=waits.append)  # nobody's wait moves the clock: all come at once
    threads = [threading.Thread(target=pace.take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [60, 120, 180]


def test_a_clock_set_back_does_not_stop_the_calls() -> None:
    pace, clock, wait = paced(1)
    pace.take()
    clock.advance(timedelta(days=-1))
    pace.take()
    assert wait.waits == []
