"""How much, how often, in which steps: the dosage of a treatment as data, and as a French reader sees it.

Source: CI-SIS *Modèles de contenus CDA*, entries FR-Traitement, FR-Traitement-prescrit and
FR-Traitement-prescrit-subordonnee; IHE PHARM PRE.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from pydantic import field_validator, model_validator

from ...model import Model
from ...model._base import invalid
from .. import datatypes as dt
from ..datatypes import NullFlavor, Ref
from .measures import check_bounds, listed_unit, shown_number

TIME_UNITS = frozenset({"min", "h", "d", "wk", "mo", "a"})

_UNIT_TEXTS = {
    "{tbl}": ("comprimé", "comprimés"),
    "{tablet}": ("comprimé", "comprimés"),
    "{capsule}": ("gélule", "gélules"),
    "{puff}": ("bouffée", "bouffées"),
    "[drp]": ("goutte", "gouttes"),
    "min": ("minute", "minutes"),
    "h": ("heure", "heures"),
    "d": ("jour", "jours"),
    "wk": ("semaine", "semaines"),
    "mo": ("mois", "mois"),
    "a": ("an", "ans"),
}


def _shown_unit(unit: str, value: Decimal) -> str:
    one, many = _UNIT_TEXTS.get(unit, (unit, unit))
    return many if abs(value) >= 2 else one


@lru_cache(maxsize=1024)  # doses are few; by their digits, since the numbers 1.0 and 1.00 are equal
def _shown(number: str, unit: str) -> str:
    value = Decimal(number)
    return f"{shown_number(value)} {_shown_unit(unit, value)}".strip()


class Quantity(Model):
    """A physical quantity. unit: UCUM, from the official finite list (`{tbl}`, `mg`, `mL`, `d`, `h`); may be empty:
    what is counted.

    The model of the entry wants no unit for what is counted (tablets), its official example writes `{tablet}`: both
    are accepted, and the entry points at the text that says it.
    """

    value: Decimal
    unit: str = ""

    @property
    def low(self) -> Decimal:
        return self.value

    @property
    def high(self) -> Decimal:
        return self.value

    @property
    def text(self) -> str:
        """As French people read it: `1,5 comprimé`, `2 jours`."""
        return _shown(str(self.value), self.unit)


class QuantityRange(Model):
    """From `low` to `high`, of one unit: *1 à 2 comprimés*. Raises ModelError `CDA_INTERVAL`."""

    low: Decimal
    high: Decimal
    unit: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> QuantityRange:
        check_bounds(self.low, self.high)
        return self

    @property
    def text(self) -> str:
        """`1 à 2 comprimés`."""
        return f"{shown_number(self.low)} à {shown_number(self.high)} {_shown_unit(self.unit, self.high)}".strip()


class TimingEvent(StrEnum):
    """A moment of the day that a take goes with (JDV_HL7_TimingEvent)."""

    BEFORE_MEALS = "AC"
    BEFORE_LUNCH = "ACD"
    BEFORE_BREAKFAST = "ACM"
    BEFORE_DINNER = "ACV"
    WITH_MEALS = "C"
    WITH_LUNCH = "CD"
    WITH_BREAKFAST = "CM"
    WITH_DINNER = "CV"
    BEDTIME = "HS"
    BETWEEN_MEALS = "IC"
    AFTER_LUNCH_BEFORE_DINNER = "ICD"
    AFTER_BREAKFAST_BEFORE_LUNCH = "ICM"
    AFTER_DINNER_BEFORE_BEDTIME = "ICV"
    AFTER_MEALS = "PC"
    AFTER_LUNCH = "PCD"
    AFTER_BREAKFAST = "PCM"
    AFTER_DINNER = "PCV"
    WAKING = "WAKE"


_EVENT_TEXTS = {
    TimingEvent.BEFORE_MEALS: "avant les repas",
    TimingEvent.BEFORE_LUNCH: "avant le déjeuner",
    TimingEvent.BEFORE_BREAKFAST: "avant le petit-déjeuner",
    TimingEvent.BEFORE_DINNER: "avant le dîner",
    TimingEvent.WITH_MEALS: "pendant les repas",
    TimingEvent.WITH_LUNCH: "pendant le déjeuner",
    TimingEvent.WITH_BREAKFAST: "pendant le petit-déjeuner",
    TimingEvent.WITH_DINNER: "pendant le dîner",
    TimingEvent.BEDTIME: "au coucher",
    TimingEvent.BETWEEN_MEALS: "entre les repas",
    TimingEvent.AFTER_LUNCH_BEFORE_DINNER: "entre le déjeuner et le dîner",
    TimingEvent.AFTER_BREAKFAST_BEFORE_LUNCH: "entre le petit-déjeuner et le déjeuner",
    TimingEvent.AFTER_DINNER_BEFORE_BEDTIME: "entre le dîner et le coucher",
    TimingEvent.AFTER_MEALS: "après les repas",
    TimingEvent.AFTER_LUNCH: "après le déjeuner",
    TimingEvent.AFTER_BREAKFAST: "après le petit-déjeuner",
    TimingEvent.AFTER_DINNER: "après le dîner",
    TimingEvent.WAKING: "au lever",
}


class DosingMode(StrEnum):
    """*Mode d'administration*: how the dose changes along the treatment. The value is the entry's templateId.

    NORMAL and DELAYED (the start is not known: *3 jours avant le voyage*) have no step; the others have one at least:
    TAPERED (*doses progressives*), SPLIT (*fractionnées*: doses that alternate), CONDITIONAL (each step says when),
    COMBINED (each step is a component of the mixture).
    """

    NORMAL = "1.3.6.1.4.1.19376.1.5.3.1.4.7.1"
    TAPERED = "1.3.6.1.4.1.19376.1.5.3.1.4.8"
    SPLIT = "1.3.6.1.4.1.19376.1.5.3.1.4.9"
    CONDITIONAL = "1.3.6.1.4.1.19376.1.5.3.1.4.10"
    COMBINED = "1.3.6.1.4.1.19376.1.5.3.1.4.11"
    DELAYED = "1.3.6.1.4.1.19376.1.5.3.1.4.21"

    @property
    def has_steps(self) -> bool:
        return self not in (DosingMode.NORMAL, DosingMode.DELAYED)


def duration(value: Quantity | None) -> Quantity | None:
    """The same. Raises `DOSING_DURATION` unless it is a length of time above zero."""
    if value is not None and (value.unit not in TIME_UNITS or value.value <= 0):
        raise invalid("DOSING_DURATION", "this is not a length of time", rule="CI-SIS: UCUM unit of time",
                      hint="give min, h, d, wk, mo or a, above zero: Quantity(value=5, unit='d')",
                      hint_fr="Indiquez une durée : minutes, heures, jours, semaines, mois ou ans.")  # fmt: skip
    return value


def check_unit(value: Quantity | QuantityRange | None) -> None:
    """Raises `CDA_UNIT` when a quantity has a unit that is not in the official list."""
    if value is not None and value.unit:
        listed_unit(value.unit)


class Dosage(Model):
    """What is taken, and how often.

    dose 0..1; every 0..1: period between two takes; flexible_hours: the takes need not be exactly so far apart (*3 fois
    par jour* rather than *toutes les 8 heures*); events 0..*: moments of the day, each one a take; rate 0..1: quantity
    per time (`mL/h`).
    Raises ModelError `DOSING_DURATION`, `CDA_UNIT`.
    """

    dose: Quantity | QuantityRange | None = None
    every: Quantity | None = None
    flexible_hours: bool = False
    events: tuple[TimingEvent, ...] = ()
    rate: Quantity | QuantityRange | None = None

    @field_validator("every")
    @classmethod
    def _period(cls, value: Quantity | None) -> Quantity | None:
        return duration(value)

    @field_validator("dose", "rate")
    @classmethod
    def _measured(cls, value: Quantity | QuantityRange | None) -> Quantity | QuantityRange | None:
        check_unit(value)
        return value

    @property
    def has_frequency(self) -> bool:
        return self.every is not None or bool(self.events)

    @property
    def frequency_text(self) -> str:
        parts = []
        if self.every:
            free = " (horaires libres)" if self.flexible_hours else ""
            parts.append(f"une prise par période de {self.every.text}{free}")
        return ", ".join((*parts, *(_EVENT_TEXTS[e] for e in self.events)))

    @property
    def dosage_texts(self) -> dict[str, str]:
        """Each part that is written as data, as people read it: the narrative says what entries say."""
        texts = {}
        if self.dose:
            texts["Dose"] = self.dose.text
        if self.every or self.events:
            texts["Fréquence"] = self.frequency_text
        if self.rate:
            texts["Rythme"] = self.rate.text
        return texts


Refs = dict[str, Ref]
"""Label of `dosage_texts` → where the narrative says it."""


def frequency_xml(dosage: Dosage, refs: Refs, start: date | None = None, lasting: Quantity | None = None) -> str:
    """effectiveTime[@operator='A']: PIVL_TS, EIVL_TS or what they and a period make together (SXPR_TS)."""
    if not (dosage.every or dosage.events or start or lasting):
        return ""
    parts: list[tuple[str, str, str]] = []  # attributes, type, content
    if start or lasting:
        low = dt.ts("low", dt.day(start)) if start else ""
        width = dt.pq("width", lasting.value, lasting.unit) if lasting else ""
        parts.append(("", "IVL_TS", low + width))
    if every := dosage.every:
        said = refs.get("Fréquence")
        period = dt.pq("period", every.value, every.unit, content=_said(said) if said else "")
        parts.append((' institutionSpecified="true"' if dosage.flexible_hours else "", "PIVL_TS", period))
    events = [f'<event code="{e.value}"></event>' for e in dosage.events]
    if len(events) == 1:
        parts.append(("", "EIVL_TS", events[0]))
    elif events:  # any of them: their union, inside what they are intersected with
        parts.append(("", "SXPR_TS", "".join([f'<comp xsi:type="EIVL_TS">{e}</comp>' for e in events])))
    if len(parts) == 1:
        attributes, kind, content = parts[0]
        return f'<effectiveTime{attributes} operator="A" xsi:type="{kind}">{content}</effectiveTime>'
    comps = "".join([f'<comp{a} operator="A" xsi:type="{kind}">{content}</comp>' for a, kind, content in parts])
    return f'<effectiveTime operator="A" xsi:type="SXPR_TS">{comps}</effectiveTime>'


def _said(ref: Ref) -> str:
    return f"<translation>{ref.original_text}</translation>"


def _bounds(tag: str, value: Quantity | QuantityRange, ref: Ref | None) -> str:
    """low and high, both mandatory, the same when there is one value."""
    low = str(value.low)
    high = low if isinstance(value, Quantity) else str(value.high)
    return _bounds_xml(tag, low, high, value.unit, _said(ref) if ref else "")


@lru_cache(maxsize=1024)
def _bounds_xml(tag: str, low: str, high: str, unit: str, said: str) -> str:
    return f"<{tag}>{dt.pq('low', low, unit, content=said)}{dt.pq('high', high, unit, content=said)}</{tag}>"


def dose_xml(dosage: Dosage, refs: Refs) -> str:
    """doseQuantity and rateQuantity."""
    xml = _bounds("doseQuantity", dosage.dose, refs.get("Dose")) if dosage.dose else ""
    return xml + _bounds("rateQuantity", dosage.rate, refs.get("Rythme")) if dosage.rate else xml


def period_xml(start: date | None, end: date | None, lasting: Quantity | None = None) -> str:
    """effectiveTime[1]: low and high are both expected, so a bound that is not known says so; with `lasting`, the
    period has a length and no known start (*début différé*)."""
    if not lasting:
        return _dates_xml(start, end)
    low = dt.ts("low", dt.day(start)) if start else _UNKNOWN_LOW
    return f'<effectiveTime xsi:type="IVL_TS">{low}{dt.pq("width", lasting.value, lasting.unit)}</effectiveTime>'


@lru_cache(maxsize=1024)  # the lines of a letter have the same few dates
def _dates_xml(start: date | None, end: date | None) -> str:
    low = dt.ts("low", dt.day(start)) if start else _UNKNOWN_LOW
    high = dt.ts("high", dt.day(end)) if end else _UNKNOWN_HIGH
    return f'<effectiveTime xsi:type="IVL_TS">{low}{high}</effectiveTime>'


_UNKNOWN_LOW = dt.null("low", NullFlavor.UNKNOWN)
_UNKNOWN_HIGH = dt.null("high", NullFlavor.UNKNOWN)
