"""CDA data types read from XML: what is missing or malformed gives an empty value, never an error.

The writing side is `datatypes`.
"""

from __future__ import annotations

import binascii
import io
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from lxml import etree

from .._core.errors import ModelError
from .._core.xml import left_out
from ..model import Address, Code, Telecom
from .envelope import V3
from .header import II

_NO_TIME = ("", "")


def find(element: etree._Element | None, *names: str) -> etree._Element | None:
    for name in names:
        if element is None:
            return None
        element = next(element.iterchildren(V3 + name), None)  # five times faster than .find()
    return element


def findall(element: etree._Element, name: str) -> list[etree._Element]:
    return list(element.iterchildren(V3 + name))


def local(element: etree._Element) -> str:
    """The name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def path_of(element: etree._Element) -> str:
    """`component/structuredBody/component[3]/section/entry[2]`: local names from the ClinicalDocument on, positions
    where there are siblings of the name."""
    steps: list[str] = []
    node: etree._Element | None = element
    while node is not None and node.tag != f"{V3}ClinicalDocument":
        tag = str(node.tag)
        before = sum(1 for _ in node.itersiblings(tag, preceding=True))
        alone = before == 0 and next(node.itersiblings(tag), None) is None
        steps.append(local(node) if alone else f"{local(node)}[{before + 1}]")
        node = node.getparent()
    return "/".join(reversed(steps)) or "/"


def value_of(element: etree._Element | None) -> str:
    return (element.get("value") or "") if element is not None else ""


def text_of(element: etree._Element | None) -> str:
    if element is None:
        return ""
    return "".join(element.itertext()).strip() if len(element) else (element.text or "").strip()


_BLANK = b" \t\r\n"
_PIECE = 1 << 18


def _text(element: etree._Element) -> memoryview:
    apart = left_out(element)
    return memoryview((element.text or "").encode("ascii")) if apart is None else apart


def base64_pieces(element: etree._Element) -> Iterator[bytes]:
    """The bytes that the base64 of an element stands for, some hundred kilobytes at a time. Raises ValueError when it
    is not base64, after the pieces before that place."""
    return _decoded(_text(element))


def _decoded(text: memoryview) -> Iterator[bytes]:
    rest = b""
    for start in range(0, len(text), _PIECE):
        digits = rest + bytes(text[start : start + _PIECE]).translate(None, _BLANK)
        last = (len(digits) - 1) % 4 + 5  # padding is for the last piece, which is judged with what it pads
        whole, rest = digits[:-last], digits[-last:]
        if b"=" in whole:
            raise ValueError("padding inside the content")
        if whole:
            yield binascii.a2b_base64(whole, strict_mode=True)
    yield binascii.a2b_base64(rest, strict_mode=True)


def base64_of(element: etree._Element) -> bytes:
    """The bytes that the base64 of an element stands for. Raises ValueError when it is not base64."""
    text = _text(element)
    if len(text) <= _PIECE:
        return b"".join(_decoded(text))
    out = io.BytesIO()
    out.seek(len(text) * 3 // 4)
    out.write(b"\n")  # room for all of it at once, rather than more and more
    out.seek(0)
    out.writelines(_decoded(text))
    out.truncate()
    return out.getvalue()


def content_of(element: etree._Element) -> bytes:
    """The bytes of an ED value or of nonXMLBody/text: base64 where it says so, else its text. Raises ValueError."""
    return base64_of(element) if element.get("representation") == "B64" else (element.text or "").encode()


def ii_of(element: etree._Element | None) -> II | None:
    if element is None or not (root := element.get("root")):
        return None
    return II(root, element.get("extension") or "")


def iis_of(elements: Iterable[etree._Element]) -> Iterator[II]:
    for element in elements:
        found = ii_of(element)
        if found:
            yield found


def code_of(element: etree._Element | None) -> Code | None:
    if element is None:
        return None
    code, system = element.get("code"), element.get("codeSystem")
    if not (code and code.strip() and system and system.strip()):
        return None
    try:
        return _code(code, system, element.get("displayName") or "", element.get("codeSystemName") or "")
    except ModelError:
        return None


@lru_cache(maxsize=1024)  # codes come from tables: the same few hundred again and again
def _code(code: str, system: str, display: str, system_name: str) -> Code:
    return Code(code=code, system=system, display=display, system_name=system_name)


_ADDRESS_PARTS = {
    "houseNumber": "house_number",
    "houseNumberNumeric": "house_number",
    "streetName": "street_name",
    "additionalLocator": "additional_locator",
    "unitID": "unit",
    "postBox": "post_box",
    "postalCode": "postal_code",
    "city": "city",
    "country": "country",
}
_USES = frozenset({"H", "HP", "HV", "WP", "TMP", "DIR", "PUB", "EC", "MC", "PG"})


def _use(element: etree._Element) -> Any:
    return next((u for u in (element.get("use") or "").split() if u in _USES), None)


def addresses_of(role: etree._Element) -> Iterator[Address]:
    for element in role.iterchildren(f"{V3}addr"):
        if not len(element):  # null, or empty
            continue
        values: dict[str, str] = {}
        lines = []
        for part in element:
            if not isinstance(part.tag, str):  # a comment or a processing instruction
                continue
            name = part.tag.removeprefix(V3)
            text = text_of(part)
            if name == "streetAddressLine" and text:
                lines.append(text)
            elif name in _ADDRESS_PARTS and text:
                values.setdefault(_ADDRESS_PARTS[name], text)
        if lines:  # a mixed address is kept as lines: SMDS forbids the mixture, a reader must not refuse it
            parts: dict[str, Any] = {"lines": tuple([*lines, *values.values()][:6])}
        else:
            parts = dict(values)
        try:
            yield Address(use=_use(element), **parts)
        except ModelError:
            continue


def telecoms_of(role: etree._Element) -> Iterator[Telecom]:
    for element in role.iterchildren(f"{V3}telecom"):
        value = element.get("value")
        if not value:
            continue
        try:
            yield Telecom(value=value, use=_use(element))
        except ModelError:
            continue


def bounds_of(element: etree._Element | None) -> tuple[str, str]:
    """low and high of an IVL_TS; a single @value counts as low."""
    if element is None:
        return _NO_TIME
    return value_of(find(element, "low")) or value_of(element), value_of(find(element, "high"))
