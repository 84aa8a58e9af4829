"""Parts of a document taken away in turn, and the judge of what is then read: less of it, never something else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, Protocol

from lxml import etree

from sunes_sdk.cda.reading.people import UNKNOWN_PROFESSION
from sunes_sdk.model import Model

STEP = 1 if os.environ.get("SUNES_REMOVALS") == "all" else 5
"""SUNES_REMOVALS=all takes all away; else every fifth."""
PutBack = Callable[[], None]


def removals(elements: Iterable[etree._Element]) -> Iterator[tuple[str, Callable[[], PutBack]]]:
    """Each element and each of its attributes: where it is, and how to take it away; what that gives puts it back."""
    for element in elements:
        place = "/".join(etree.QName(e).localname for e in (*reversed(list(element.iterancestors())), element))
        yield place, partial(_without_element, element)
        for name in element.attrib:
            yield f"{place}/@{name}", partial(_without_attribute, element, name)


def _without_element(element: etree._Element) -> PutBack:
    parent = element.getparent()
    assert parent is not None
    index = parent.index(element)
    parent.remove(element)
    return lambda: parent.insert(index, element)


def _without_attribute(element: etree._Element, name: str) -> PutBack:
    value = element.attrib.pop(name)
    return lambda: element.set(name, value)


def always_default(models: Iterable[Model], looked_at: Callable[[Model], bool]) -> set[tuple[str, str]]:
    """The fields (class, name) with a default that says something, which none of these models says otherwise."""
    other: dict[tuple[str, str], bool] = {}

    def look(value: Any) -> None:
        if isinstance(value, tuple):
            for item in value:
                look(item)
        if not isinstance(value, Model):
            return
        for name, field in type(value).model_fields.items():
            found, default = getattr(value, name), field.get_default(call_default_factory=True)
            if looked_at(value) and not field.is_required() and default not in (None, "", (), frozenset()):
                place = (type(value).__name__, name)
                other[place] = other.get(place, False) or found != default
            look(found)

    look(tuple(models))
    return {place for place, is_other in other.items() if not is_other}


class Said(Protocol):
    def holds(self, value: object) -> bool:
        """Whether the document says this, in whatever place."""


def values_of(value: Any) -> dict[str, Any] | None:
    """The fields of a model or of a part of a header, None for any other value."""
    if isinstance(value, Model):
        return {name: getattr(value, name) for name in type(value).model_fields}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    return None


def invented(
    before: Any,
    after: Any,
    said: Said,
    *,
    defaults: Mapping[str, object],
    qualifies: Mapping[str, str] | None = None,
    path: str = "",
) -> Iterator[str]:
    """The places where something is said that neither the document read before nor a text of this one says.

    defaults: what is rightly read, by the name of its field, where nothing is said; qualifies: fields that say nothing
    beside an absent one.
    """
    if after == before or after in (None, "", (), frozenset(), UNKNOWN_PROFESSION) or said.holds(after):
        return
    rest: dict[str, Any] = {"defaults": defaults, "qualifies": qualifies}
    values = values_of(after)
    if values is not None and isinstance(before, type(after)):
        for name, value in values.items():
            qualified = (qualifies or {}).get(name)
            if (name, value) in defaults.items() or (qualified and values[qualified] is None):
                continue
            yield from invented(getattr(before, name), value, said, path=f"{path}.{name}", **rest)
    elif isinstance(after, tuple) and isinstance(before, tuple):
        for item in after:
            # What it comes from is the item that it says least beyond, of its own kind rather.
            by_item = [
                (list(invented(one, item, said, path=path, **rest)), type(one) is type(item)) for one in before
            ]  # fmt: skip
            yield from min(by_item, key=lambda b: (len(b[0]), not b[1]), default=([f"{path}: {item!r}"], True))[0]
    else:
        yield f"{path}: {after!r}, was {before!r}"
