"""Birth dates that no calendar holds: lunar dates of INSi, incomplete dates of the civil status."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date

from .._core.errors import InsError

_LUNAR = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)


def calendar_date(text: str) -> date | None:
    """A birth date `AAAA-MM-JJ` as a calendar date; None when it is lunar (`1950-00-00`, `1957-02-29`).

    Raises InsError `INS_BIRTH_DATE` when the text has not even that form.
    """
    year, month, day = _parts(text)
    try:
        return date(year, month, day)
    except ValueError:
        return None


def folded_date(text: str) -> date:
    """The nearest calendar date of a lunar one, **to compute an age only**: a month 00 or above 12 becomes 12, a day 00
    or beyond the month becomes its last. Month above 12 and day beyond the month follow the folding attributed to GIE
    SESAM-Vitale; the treatment of 00 is this library's choice.

    Raises InsError `INS_BIRTH_DATE`.
    """
    year, month, day = _parts(text)
    if year == 0:
        raise _bad_date()
    month = month if 1 <= month <= 12 else 12
    last = calendar.monthrange(year, month)[1]
    return date(year, month, day if 1 <= day <= last else last)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDate:
    """A date to record, and whether it is *estimated*: the two travel together, since somebody may really be born on
    a 31 December."""

    value: date
    estimated: bool


def recorded_date(year: int, month: int | None = None, day: int | None = None) -> RecordedDate:
    """The date to record for an incomplete one (RNIV, EXI PP 19): day unknown → the 1st; month unknown → January; both
    unknown → 31 December.

    Raises InsError `INS_BIRTH_DATE` when what is known makes no date.
    """
    if month is None and day is None:
        month, day, estimated = 12, 31, True
    else:
        estimated = month is None or day is None
    try:
        return RecordedDate(value=date(year, month or 1, day or 1), estimated=estimated)
    except ValueError:
        raise _bad_date() from None


def _parts(text: str) -> tuple[int, int, int]:
    m = _LUNAR.fullmatch(text)
    if not m:
        raise _bad_date()
    return int(m[1]), int(m[2]), int(m[3])


def _bad_date() -> InsError:
    return InsError(
        "not a birth date",
        code="INS_BIRTH_DATE",
        path="birth_date",
        rule="AAAA-MM-JJ (INSi DateLunaire)",
        hint="write 1953-05-31",
        hint_fr="La date de naissance n'est pas de la forme AAAA-MM-JJ.",
    )
