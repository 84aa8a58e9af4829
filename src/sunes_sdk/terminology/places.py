"""The places that INSEE codes (*Code officiel géographique*, COG): communes, districts, countries, and what became of
those that are no more.

The table knows the vintages that it names, and nothing of a commune's dates before the first of them but the splits of
Corsica and of the Paris region; its countries are those of an older list. An absent code is unknown here, not wrong.
`scripts/make_cog.py` makes the table. It is read at the first question, never on import.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Any

from . import _read


class PlaceKind(StrEnum):
    """What a code stands for in the newest vintage."""

    COMMUNE = "commune"
    DISTRICT = "district"
    """*Arrondissement municipal* of Paris, Lyon or Marseille: people are born there, not in the city as a whole."""
    DELEGATED = "delegated"
    """*Commune déléguée* of a *commune nouvelle*."""
    ASSOCIATED = "associated"
    """*Commune associée*."""
    FORMER = "former"
    """A code no longer in use: the commune was absorbed, or has another code."""
    COUNTRY = "country"
    """A country or territory abroad, those that are no more included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One code. label: as the newest vintage that has it writes it; several territories that share the code are
    separated by ` / `; last_year: the last one in which a vintage has it as a commune of its own, None when it still is
    one, or when that was before the first vintage; part_of: the code of what it became or is part of, None when it is
    whole."""

    code: str
    label: str
    kind: PlaceKind
    last_year: int | None
    part_of: str | None


@dataclass(frozen=True, slots=True, eq=False)
class PlaceTable:
    """version: year of the newest vintage; source, licence: whose data, on which terms; sha256: hash of the rows, as
    the tests recompute it."""

    version: str
    source: str
    licence: str
    sha256: str
    _rows: Mapping[str, str] = field(repr=False)

    def __contains__(self, code: object) -> bool:
        return code in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def lookup(self, code: str, on: date | None = None) -> Place | None:
        """The place of a code, None when the table has none such, or when it knows that the code was out of use `on`
        that day."""
        row = self._rows.get(code)
        if row is None:
            return None
        label, kind, last_year, part_of, *_ = (*row.split("\t"), "", "", "")
        if on and last_year and on.year > int(last_year):
            return None
        return Place(
            code=code,
            label=label,
            kind=PlaceKind(kind or "commune"),
            last_year=int(last_year) if last_year else None,
            part_of=part_of or None,
        )

    def lineage(self, code: str) -> tuple[str, ...]:
        """The code, then what it became or is part of, up to a commune of today. An unknown code stands alone."""
        codes = [code]
        while (place := self.lookup(codes[-1])) and place.part_of:
            codes.append(place.part_of)
        return tuple(codes)


def _data() -> dict[str, Any]:
    data = _read("places/COG")
    assert data is not None, "package data places/COG.json is missing"
    return data


@cache
def places() -> PlaceTable:
    """The table that this library ships."""
    data = _data()
    return PlaceTable(data["version"], data["source"], data["licence"], data["sha256"], data["places"])


def places_sha256() -> str:
    """SHA-256 of the rows as this package holds them, to compare with the `sha256` written when the table was made."""
    rows = json.dumps(_data()["places"], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(rows.encode()).hexdigest()
