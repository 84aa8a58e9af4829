"""Birth dates that no calendar holds: lunar dates of INSi, incomplete dates of the civil status."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, replace
from datetime import date

from .._core.errors import InsError
from .._core.findings import Finding, Report, Severity

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


def recorded_date(
    year: int, month: int | None = None, day: int | None = None, *, year_is_estimated: bool = False
) -> RecordedDate:
    """The date to record for an incomplete one (RNIV, EXI PP 19): day unknown → the 1st; month unknown → January; both
    unknown → 31 December. Whatever was unknown makes it *estimated*.

    year_is_estimated: the user chose a year that goes with the age that was said. Raises InsError `INS_BIRTH_DATE` when
    what is known makes no date.
    """
    estimated = year_is_estimated or month is None or day is None
    if month is None and day is None:
        month, day = 12, 31
    try:
        value = date(year, 1 if month is None else month, 1 if day is None else day)
        return RecordedDate(value=value, estimated=estimated)
    except ValueError:
        raise _bad_date() from None


def recorded_lunar_date(text: str) -> RecordedDate:
    """The date to record for INSi's text: itself when it is one of the calendar, `recorded_date` where month or day are
    `00` (unverified: that `00` says unknown). The text of INSi is kept beside it, as received.

    Raises InsError `INS_BIRTH_DATE_LUNAR` for a day or a month that no calendar has (`1950-02-30`): a human chooses.
    """
    year, month, day = _parts(text)
    if month and day and calendar_date(text) is None:
        raise InsError.from_report(Report((replace(_LUNAR_DATE, severity=Severity.ERROR),)))
    return recorded_date(year, month or None, day or None)


def check_birth_date(text: str, *, on: date | None = None, path: str = "traits.birth_date") -> Report:
    """What can be said of a birth date. Errors: `INS_BIRTH_DATE` (not `AAAA-MM-JJ`), `INS_BIRTH_DATE_FUTURE` (after
    `on`, when given). Warning: `INS_BIRTH_DATE_LUNAR` (no calendar holds it: keep the text)."""
    if not _LUNAR.fullmatch(text):
        return Report((replace(_BAD_DATE, path=path),))
    day = calendar_date(text)
    if day is None:
        return Report((replace(_LUNAR_DATE, path=path),))
    return Report((replace(_FUTURE_DATE, path=path),)) if on and day > on else Report()


def _parts(text: str) -> tuple[int, int, int]:
    m = _LUNAR.fullmatch(text)
    if not m:
        raise _bad_date()
    return int(m[1]), int(m[2]), int(m[3])


def _bad_date() -> InsError:
    return InsError.from_report(Report((_BAD_DATE,)))


_SOURCE = "INSi DateLunaire; RNIV"
_BAD_DATE = Finding(
    code="INS_BIRTH_DATE", message="not a birth date", path="birth_date", rule="AAAA-MM-JJ", source=_SOURCE,
    hint="write 1953-05-31", message_fr="La date de naissance n'est pas de la forme AAAA-MM-JJ.",
)  # fmt: skip
_LUNAR_DATE = Finding(
    code="INS_BIRTH_DATE_LUNAR", message="no calendar holds this birth date", path="birth_date",
    severity=Severity.WARNING, rule="INSi's text is kept as received", source=_SOURCE,
    hint="record an estimated date beside it",
    message_fr="Cette date de naissance n'existe pas dans le calendrier : gardez-la telle quelle.",
)  # fmt: skip
_FUTURE_DATE = Finding(
    code="INS_BIRTH_DATE_FUTURE", message="the birth date is yet to come", path="birth_date",
    rule="not after today", source=_SOURCE, hint="check the year",
    message_fr="La date de naissance est dans le futur.",
)  # fmt: skip
