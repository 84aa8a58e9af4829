"""Addresses and telecoms (CDA AD and TEL as SMDS profiles them)."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import field_validator, model_validator

from ._base import Model, invalid

_SCHEMES = ("tel", "fax", "mailto", "http", "https", "ftp", "mllp")
_TELECOM = re.compile(r"(tel|fax|mailto|http|https|ftp|mllp):[^\s]+")


class Address(Model):
    """A postal address: either its parts, or up to six AFNOR lines, never both (SMDS data types, AD).

    use: `H` home, `HP` main home, `HV` holiday, `WP` work, `TMP` temporary.
    """

    masked: ClassVar[frozenset[str]] = frozenset(
        {"house_number", "street_name", "additional_locator", "unit", "lines", "postal_code", "city"}
    )

    house_number: str | None = None
    street_name: str | None = None
    additional_locator: str | None = None
    unit: str | None = None
    post_box: str | None = None
    postal_code: str | None = None
    city: str | None = None
    country: str | None = None
    lines: tuple[str, ...] = ()
    use: Literal["H", "HP", "HV", "WP", "TMP"] | None = None

    @model_validator(mode="after")
    def _parts_or_lines(self) -> Address:
        has_parts = (
            self.city or self.postal_code or self.street_name or self.house_number or self.additional_locator
            or self.unit or self.post_box or self.country
        )  # fmt: skip
        if self.lines and has_parts:
            raise invalid("ADDRESS_MIXED", "address parts and address lines are mixed", rule="SMDS AD",
                          hint="give the parts or the lines, not both")  # fmt: skip
        if not self.lines and not has_parts:
            raise invalid("ADDRESS_EMPTY", "the address is empty", rule="SMDS AD (dtr1-1-AD)",
                          hint="leave the address out instead")  # fmt: skip
        if len(self.lines) > 6:
            raise invalid("ADDRESS_LINES", "more than six address lines", rule="SMDS AD, AFNOR lines 2 to 7")
        if not all(self.lines):
            raise invalid("ADDRESS_LINES", "an address line is empty", rule="SMDS AD (dtr1-1-AD)",
                          path="lines", hint="leave it out")  # fmt: skip
        return self


class Telecom(Model):
    """A telecom: `value` is `scheme:rest` without blanks, e.g. `tel:+33123456789`, `mailto:a@b.mssante.fr`.

    use: `H HP HV WP DIR PUB EC MC PG`.
    """

    masked: ClassVar[frozenset[str]] = frozenset({"value"})

    value: str
    use: Literal["H", "HP", "HV", "WP", "DIR", "PUB", "EC", "MC", "PG"] | None = None

    @field_validator("value")
    @classmethod
    def _scheme(cls, value: str) -> str:
        if not _TELECOM.fullmatch(value):
            raise invalid("TELECOM", f"a telecom is one of {', '.join(_SCHEMES)}, a colon, and no blank",
                          rule="CI-SIS Telecom (H38)", hint="write tel:+33123456789, not 01 23 45 67 89")  # fmt: skip
        return value
