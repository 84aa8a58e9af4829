"""What entries say, and the narrative that they point at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from lxml import etree

from ..._core.hl7time import Precision, parse_ts
from ..datatypes_reader import find, path_of, value_of
from ..documents.dosing import Quantity, QuantityRange
from ..envelope import V3
from .body import EmbeddedFile, files_of
from .notes import Notes

XSI_TYPE: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"
_LONGEST_NUMBER: Final = 40
PDF_COPY: Final = "1.2.250.1.213.1.1.2.243"


class Body:
    """The structured body of one document while its model is made: sections by template or code, texts by reference."""

    def __init__(self, root: etree._Element, notes: Notes) -> None:
        self.notes = notes
        self.root = root
        self.body = find(root, "component", "structuredBody")
        self._named: dict[str, etree._Element] | None = None
        self._by_id: dict[str, etree._Element] | None = None

    def sections(self, parent: etree._Element | None = None) -> Iterator[etree._Element]:
        """The sections at one level, in order."""
        holder = self.body if parent is None else parent
        for component in holder.iterchildren(f"{V3}component") if holder is not None else ():
            yield from component.iterchildren(f"{V3}section")

    def section(self, template_or_code: str) -> etree._Element | None:
        """The first section of the body with this templateId or code; it counts as read, its entries do not."""
        if self._named is None:
            self._named = {}
            for section in self.sections() if self.body is not None else ():
                for child in section.iterchildren(f"{V3}templateId", f"{V3}code"):
                    self._named.setdefault(child.get("root") or child.get("code") or "", section)
        found = self._named.get(template_or_code)
        if found is not None:
            self.notes.take(found)
        return found

    def text(self, name: str) -> str | None:
        """The whole text of a section whose model is its narrative."""
        section = self.section(name)
        text = find(section, "text")
        return lines_of(text).strip() or None if text is not None else None

    def pdf_copy(self) -> bytes | None:
        """The PDF of *FR-Document-PDF-copie*."""
        section = self.section(PDF_COPY)
        if section is None:
            return None
        for file in files_of(section):
            if file.media_type == "application/pdf":
                for entry in section.iterchildren(f"{V3}entry"):
                    for statement in entry:
                        self.notes.take(statement, "*")
                return file.data
        return None

    # Narrative that entries point at. -------------------------------------------------------------------------------

    def place(self, element: etree._Element | None) -> etree._Element | None:
        """The place of the narrative that a `text`, `originalText` or coded value points at."""
        if element is None:
            return None
        reference = next(element.iter(f"{V3}reference"), None)
        target = (reference.get("value") or "") if reference is not None else ""
        if not target:
            return None
        if self._by_id is None:
            self._by_id = {
                i: e for text in self.root.iter(f"{V3}text") for e in text.iter(etree.Element) if (i := e.get("ID"))
            }
        return self._by_id.get(target.removeprefix("#"))  # the official examples leave the # out

    def said(self, element: etree._Element | None) -> str:
        """The text that an element holds, or points at."""
        place = self.place(element)
        if place is not None:
            return lines_of(place).strip()
        return lines_of(element).strip() if element is not None else ""

    def around(self, place: etree._Element | None) -> dict[str, str]:
        """Label → text of what stands beside a place: the cells of its row by the heading of their column, or the
        items after its paragraph by their bold label."""
        if place is None:
            return {}
        row = row_of(place)
        if row is not None:
            return _cells(row)
        paragraph = place.getparent() if place.tag == f"{V3}content" else place
        return _items(paragraph) if paragraph is not None else {}


def row_of(place: etree._Element | None) -> etree._Element | None:
    """The row of a table that a place is, or is in."""
    while place is not None and place.tag not in (f"{V3}tr", f"{V3}text"):
        place = place.getparent()
    return place if place is not None and place.tag == f"{V3}tr" else None


def _cells(row: etree._Element) -> dict[str, str]:
    table = row.getparent()
    while table is not None and table.tag != f"{V3}table":
        table = table.getparent()
    if table is None:
        return {}
    headings = [lines_of(th).strip() for th in table.iterfind(f"{V3}thead/{V3}tr/{V3}th")]
    cells = [lines_of(td).strip() for td in row.iterchildren(f"{V3}td")]
    return {h: c for h, c in zip(headings, cells, strict=False) if c}


def _items(paragraph: etree._Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for sibling in paragraph.itersiblings(etree.Element):
        if sibling.tag != f"{V3}list":
            break
        for item in sibling.iterchildren(f"{V3}item"):
            parts = list(item.iterchildren(f"{V3}content"))
            if len(parts) == 2 and parts[0].get("styleCode") == "Bold":
                found.setdefault(lines_of(parts[0]), lines_of(parts[1]).strip())
    return found


def lines_of(element: etree._Element) -> str:
    """Text as it was typed: `br` is a line end."""
    if not len(element):
        return element.text or ""
    parts = [element.text or ""]
    for child in element:
        if child.tag == f"{V3}br":
            parts.append("\n")
        elif isinstance(child.tag, str):
            parts.append(lines_of(child))
        parts.append(child.tail or "")
    return "".join(parts)


def has_template(element: etree._Element, root: str) -> bool:
    return any(t.get("root") == root for t in element.iterchildren(f"{V3}templateId"))


def statements(section: etree._Element, *names: str) -> Iterator[etree._Element]:
    """The statements of a section's entries, of these kinds."""
    for entry in section.iterchildren(f"{V3}entry"):
        yield from _affirmed(entry, names)


def related(statement: etree._Element, *names: str, type_code: str = "") -> Iterator[etree._Element]:
    """The statements inside another one, of these kinds, and in this relation when it is given."""
    for relationship in statement.iterchildren(f"{V3}entryRelationship"):
        if not type_code or relationship.get("typeCode") == type_code:
            yield from _affirmed(relationship, names)


def components(organizer: etree._Element, *names: str) -> Iterator[etree._Element]:
    """The statements of an organizer, of these kinds."""
    for component in organizer.iterchildren(f"{V3}component"):
        yield from _affirmed(component, names)


def _affirmed(holder: etree._Element, names: tuple[str, ...]) -> Iterator[etree._Element]:
    """What is said not to be (`negationInd`) has no model: nobody takes it, so `unread` lists it."""
    for statement in holder.iterchildren(*[V3 + n for n in names]):
        if statement.get("negationInd") not in ("true", "1"):
            yield statement


def code_of_statement(statement: etree._Element) -> str:
    code = find(statement, "code")
    return (code.get("code") or "") if code is not None else ""


def quantity(element: etree._Element | None) -> Quantity | None:
    """A PQ; None when it has no number."""
    number = decimal(element)
    return Quantity(value=number, unit=unit_of(element)) if number is not None else None


def quantity_or_range(element: etree._Element | None) -> Quantity | QuantityRange | None:
    """An IVL_PQ whose bounds are the same is one quantity."""
    if element is None:
        return None
    low, high = quantity(find(element, "low")), quantity(find(element, "high"))
    if low is None or high is None or low.unit != high.unit:
        return quantity(element)
    return low if low.value == high.value else QuantityRange(low=low.value, high=high.value, unit=low.unit)


def decimal(element: etree._Element | None) -> Decimal | None:
    """The number of a value; None for what no measure is (`1e999999999` would fill the memory once written out)."""
    text = value_of(element)
    try:
        number = Decimal(text) if len(text) <= _LONGEST_NUMBER else Decimal("NaN")
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= _LONGEST_NUMBER else None


def unit_of(element: etree._Element | None) -> str:
    return (element.get("unit") or "") if element is not None else ""


def day(element: etree._Element | None, notes: Notes) -> date | None:
    """A date. What is less or more precise is noted: a date of the model is a day."""
    text = value_of(element)
    if element is None or not text:
        return None
    try:
        stamp = parse_ts(text)
    except (ValueError, OverflowError):
        notes.leave("a date", path_of(element), "it cannot be read")
        return None
    if stamp.precision < Precision.DAY:
        notes.leave("a date", path_of(element), "its day is not known")
        return None
    if stamp.precision > Precision.DAY:
        notes.leave("the hour of a date", path_of(element))
    return stamp.date


def partial_date(element: etree._Element | None, notes: Notes) -> str | None:
    """A day, or what is known of it, in the form of the model. An hour, and what cannot be read, are noted."""
    text = value_of(element)
    if element is None or not text:
        return None
    try:
        precision = parse_ts(text).precision
    except (ValueError, OverflowError):
        notes.leave("a date", path_of(element), "it cannot be read")
        return None
    if precision > Precision.DAY:
        notes.leave("the hour of a date", path_of(element))
    return "-".join(filter(None, (text[:4], text[4:6], text[6:8])))


def day_or_instant(element: etree._Element | None, notes: Notes) -> date | datetime | None:
    """A day, or an instant when its hour is said."""
    text = value_of(element)
    try:
        stamp = parse_ts(text)
    except (ValueError, OverflowError):
        return day(element, notes)
    return day(element, notes) if stamp.precision <= Precision.DAY else stamp.value


def file_of(element: etree._Element | None) -> EmbeddedFile | None:
    return next(files_of(element), None) if element is not None else None
