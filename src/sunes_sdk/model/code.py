"""Coded values and identifiers."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator, StringConstraints

from .._core.ids import is_oid
from ._base import Model, invalid


def _oid(text: str) -> str:
    if not is_oid(text):
        raise invalid("OID", "not an OID of at most 64 characters without leading zeros", rule="ISO/IEC 8824; XDS",
                      hint="give digits and dots, such as 1.2.250.1.213.1.1.5.471")  # fmt: skip
    return text


def _printable(text: str) -> str:
    if not text.isprintable() and any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise invalid("CONTROL_CHARACTER", "a control character in an identifier", rule="HL7 II, CX",
                      hint="take it out: a line end or a tab is a slip of the program that gave it")  # fmt: skip
    return text


def _without_blank(text: str) -> str:
    if any(c.isspace() for c in text):
        raise invalid("CODE_BLANK", "a blank in a code", rule="HL7 v3 data type CS",
                      hint="give the code itself, not its label")  # fmt: skip
    return text


_UID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))*|[A-Za-z][A-Za-z0-9-]*|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _uid(text: str) -> str:
    if not _UID.fullmatch(text):
        raise invalid("CODE_SYSTEM", "a code system is not an identifier", rule="HL7 v3 data type UID",
                      hint="give the OID of the code system")  # fmt: skip
    return text


Oid = Annotated[str, AfterValidator(_oid)]
Text = Annotated[str, StringConstraints(min_length=1)]


class Code(Model):
    """A code of a code system: CDA CE, XDS classification, HL7 v2 CWE.

    code: without blanks; system: OID of the code system; display: official French label; system_name: short
    name, optional. `system` also holds the two non-OID schemes of the DMP value sets (`URN`, `ASTM`).
    """

    code: Annotated[Text, AfterValidator(_without_blank)]
    system: Annotated[Text, AfterValidator(_uid)]
    display: str = ""
    system_name: str = ""

    def __hash__(self) -> int:
        # Enough to tell codes apart, at a fifth of the price of pydantic's own: much is kept by code.
        return hash(self.code)


class Identifier(Model):
    """An identifier and the domain that gave it: CDA II, HL7 v2 CX.

    value: extension, without control characters, which no format can carry; root: OID of the assigning authority;
    authority: its short name (HL7 v2 CX.4.1); type_code: HL7 table 0203 (`PI` for an IPP, `VN` for a visit, `AN` for an
    administrative file).
    """

    masked: ClassVar[frozenset[str]] = frozenset({"value"})

    value: Annotated[Text, AfterValidator(_printable)]
    root: Oid
    authority: str = ""
    type_code: str = ""
