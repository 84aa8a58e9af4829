"""Measured values and their units: as CDA codes them, and as a French reader sees them."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache

from pydantic import field_validator, model_validator

from ...model import Model
from ...model._base import invalid
from ...model.code import Text
from ...terminology import unit_is_listed
from .. import datatypes as dt

DIMENSIONLESS = "1"
"""UCUM's unit of a pure number; the official list lacks it."""


def listed_unit(unit: str) -> str:
    """The same unit. Raises `CDA_UNIT` when it is not in the official finite list of UCUM units."""
    if unit_is_listed(unit):
        return unit
    meant = _ucum_spelling(unit)
    hint = f"did you mean {meant}?" if meant != unit and unit_is_listed(meant) else "write it in UCUM: g/L, mmol/L, %"
    raise invalid(
        "CDA_UNIT", "this unit is not in the official list", rule="UCUM units of the ANS terminologies profile",
        hint=hint, hint_fr="Unité inconnue : elle doit être écrite en UCUM (g/L, mmol/L, m[IU]/L).",
    )  # fmt: skip


def _ucum_spelling(unit: str) -> str:
    """What a French laboratory most likely means by a unit that is not UCUM: `mUI/l`, `µg/ml`, `G/l`, `mmHg`, `°C`."""
    text = unit.strip().replace("µ", "u").replace("μ", "u").replace(" ", "")
    text = re.sub(r"(?<![A-Za-z\[])([muk]?)U\.?I\.?(?![A-Za-z])", r"\1[IU]", text)
    text = re.sub(r"(?<=[/.])([mud]?)l(?![A-Za-z])", r"\1L", text)
    text = re.sub(r"^G/L$", "10*9/L", text)
    text = re.sub(r"^T/L$", "10*12/L", text)
    return {"mmHg": "mm[Hg]", "°C": "Cel", "/min.": "/min"}.get(text, text)


_POWER = re.compile(r"10\*(-?[0-9]+)")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def shown_unit(unit: str) -> str:
    """`m[IU]/L` as `mUI/L`, `ug/L` as `µg/L`, `10*9/L` as `×10⁹/L`, `{INR}` as `INR`."""
    if not unit or unit == "1":
        return ""
    text = unit.replace("[IU]", "UI").replace("[Hg]", "Hg").replace("[pH]", "")
    text = _POWER.sub(lambda power: "×10" + power[1].translate(_RAISED), text)
    text = re.sub(r"[{}]", "", text)
    return re.sub(r"(?<![A-Za-z])u(?=(?:g|mol|L|m|kat|Pa|s|UI|Gy|Sv)(?![A-Za-z]))", "µ", text)


def shown_number(value: Decimal) -> str:
    """With a decimal comma, digits as given."""
    return dt.number(value).replace(".", ",")


@lru_cache(maxsize=1024)  # a letter says the same few days again and again
def shown_date(value: date | str | None) -> str:
    """A day, or what is known of it, as a French reader writes it: `14/01/2026`, `03/1998`, `1998`; nothing for None.

    A text is `1998` or `1998-03`.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return "/".join(reversed(value.split("-")))
    return f"{value.day:02}/{value.month:02}/{value.year:04}"  # twice as fast as strftime


def shown_day(written: str) -> str:
    """A written time stamp (`20260114092200+0100`) as `14/01/2026`."""
    return f"{written[6:8]}/{written[4:6]}/{written[:4]}"


def shown_time(written: str) -> str:
    """A written time stamp (`20260114092200+0100`) as `14/01/2026 à 09:22`."""
    return f"{shown_day(written)} à {written[8:10]}:{written[10:12]}"


class Measure(Model):
    """A measured value (PQ). value: digits are kept as given (`Decimal("1.950")`); unit 1..1: UCUM, from the official
    list; `1` for a number without dimension, written as REAL: INR, titre. Raises ModelError `CDA_UNIT`."""

    value: Decimal
    unit: Text

    @field_validator("unit")
    @classmethod
    def _listed(cls, unit: str) -> str:
        return unit if unit == DIMENSIONLESS else listed_unit(unit)

    @property
    def text(self) -> str:
        return f"{shown_number(self.value)} {shown_unit(self.unit)}".rstrip()

    def xml(self, tag: str = "value") -> str:
        if self.unit == DIMENSIONLESS:
            return dt.pq(tag, self.value, xsi_type="REAL")
        return dt.pq(tag, self.value, self.unit, xsi_type="PQ")


class Interval(Model):
    """A value known by its bounds (IVL_PQ): `< 0,5 mg/L` is `Interval(high="0.5", high_inclusive=False, unit="mg/L")`.

    low 0..1, high 0..1, at least one; unit 1..1, `1` gives IVL_REAL. Raises ModelError `CDA_UNIT`, `CDA_INTERVAL`.
    """

    low: Decimal | None = None
    high: Decimal | None = None
    unit: Text
    low_inclusive: bool = True
    high_inclusive: bool = True

    @field_validator("unit")
    @classmethod
    def _listed(cls, unit: str) -> str:
        return unit if unit == DIMENSIONLESS else listed_unit(unit)

    @model_validator(mode="after")
    def _ordered(self) -> Interval:
        check_bounds(self.low, self.high)
        return self

    @property
    def text(self) -> str:
        unit = shown_unit(self.unit)
        if self.low is not None and self.high is not None:
            return f"{shown_number(self.low)} - {shown_number(self.high)} {unit}".rstrip()
        if self.low is not None:
            return f"{'≥' if self.low_inclusive else '>'} {shown_number(self.low)} {unit}".rstrip()
        assert self.high is not None
        return f"{'≤' if self.high_inclusive else '<'} {shown_number(self.high)} {unit}".rstrip()

    def xml(self, tag: str = "value") -> str:
        kind, unit = ("IVL_REAL", "") if self.unit == DIMENSIONLESS else ("IVL_PQ", self.unit)
        low = _bound("low", self.low, unit, self.low_inclusive)
        return f'<{tag} xsi:type="{kind}">{low}{_bound("high", self.high, unit, self.high_inclusive)}</{tag}>'


def _bound(tag: str, value: Decimal | None, unit: str, inclusive: bool) -> str:
    if value is None:
        return ""
    written = dt.pq(tag, value, unit)
    return written if inclusive else written.replace(f"<{tag}", f'<{tag} inclusive="false"', 1)


def check_bounds(low: Decimal | None, high: Decimal | None) -> None:
    """Raises `CDA_INTERVAL` unless there is a bound, and low is not above high."""
    if low is None and high is None:
        raise invalid("CDA_INTERVAL", "an interval needs a bound", rule="HL7 IVL_PQ", hint="give low, high or both")
    if low is not None and high is not None and low > high:
        raise invalid("CDA_INTERVAL", "the low bound is above the high one", rule="HL7 IVL_PQ", path="low",
                      hint="swap the bounds", hint_fr="La borne basse dépasse la borne haute.")  # fmt: skip


_LENGTHS = ("cm", "m", "[in_us]", "[in_uk]")
VITAL_SIGN_UNITS = {
    "9279-1": ("/min",),
    "8867-4": ("/min",),
    "2708-6": ("%",),
    "20564-1": ("%",),
    "8480-6": ("mm[Hg]",),
    "8462-4": ("mm[Hg]",),
    "8310-5": ("Cel", "[degF]"),
    "8302-2": _LENGTHS,
    "8287-5": _LENGTHS,
    "29463-7": ("kg", "g", "[lb_av]", "[oz_av]"),
    "39156-5": ("kg/m2",),
}
"""LOINC code of a vital sign → the units that it may have (IHE PCC Vital Signs Observation)."""
