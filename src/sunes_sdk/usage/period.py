"""Periods of days in France: a stay that ends on 31 March at 23:30 in Paris is of March, whatever UTC says."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from .._core.clock import PARIS
from .._core.errors import ModelError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(at: datetime) -> int:
    """Microseconds since 1970 in UTC: how the ledger keeps an instant."""
    return (at - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    return EPOCH + micros * _MICROSECOND


def midnight(day: date) -> datetime:
    """The first instant of a day in Paris."""
    return datetime.combine(day, time(), PARIS)


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` to `end`, both included, in days of Europe/Paris.

    Raises ModelError `PERIOD_ORDER` when the end is before the start.
    """

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ModelError(
                "the period ends before it starts", code="PERIOD_ORDER", path="period.end",
                hint="give the first and the last day", hint_fr="La fin de la période précède son début.",
            )  # fmt: skip

    @property
    def first_instant(self) -> datetime:
        return midnight(self.start)

    def after_last_instant(self, grace_days: int = 0) -> datetime:
        """The first instant that is past the last day and its grace."""
        return midnight(self.end + timedelta(days=1 + grace_days))

    def __str__(self) -> str:
        return f"{self.start:%d/%m/%Y} – {self.end:%d/%m/%Y}"


def deadline(end: date, months: int) -> date:
    """`months` calendar months after `end`, cut to the end of a shorter month.

    Whether the last day is included is not stated by the programme: show it as « au plus tard le ».
    """
    index = end.year * 12 + end.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(end.day, calendar.monthrange(year, month + 1)[1]))
