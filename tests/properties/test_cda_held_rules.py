"""No change of a model reaches a rule that says `held`: what a document of ours is not asked could not be found."""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from cda_headers import device, full_header, full_patient, issuer, snr
from cda_strategies import DOCUMENTS
from sunes_sdk.cda import CdaDocument, check, rules
from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.errors import SunesError
from sunes_sdk.model import Code, InsOid, Telecom
from sunes_sdk.testing import sample_letters, sample_reports, samples

EXAMPLES = int(os.environ.get("SUNES_CHANGES", "150"))
TEXTS = (
    "x",
    "a" * 200,
    "1.2.3",
    "12345",
    "0",
    "é&<\"'",
    "mUI/L",
    "M",
    "DR",
    "SA01",
    "G15_10/SM26",
    "fr",
    "A/B",
    "\x0b",
)
FILES = (
    b"",
    b"x",
    b"%PDF-1.4",
    b"%PDF-1.4\n/JavaScript /JS (x)\nstartxref\n0\n%%EOF\n",
    b"{\\rtf1 x}",
    b"\xff\xd8\xff",
)
OTHERS = (
    Code(code="X", system="1.2.3", display="Autre"),
    Code(code="10", system="1.2.250.1.213.1.1.4.9", display="Faux libellé"),
    Telecom(value="https://example.org"),
    timedelta(0),
    *InsOid,
    device(),
    snr(),
    samples.patient(),
    full_patient(),
    samples.laboratory(),
)
FULL = st.sampled_from(
    [
        sample_letters.discharge_letter(),
        sample_letters.admission_letter(),
        sample_reports.laboratory_report(),
        sample_reports.imaging_report(),
        samples.discharge_letter(**full_header()),
    ]
)

Path = tuple[str | int, ...]


@cache
def _said(model: type, name: str | int) -> tuple[Any, ...]:
    """The values that the type of a field lists: those of its literals and enumerations."""
    waiting: list[Any] = [get_type_hints(model).get(str(name))]
    found: list[Any] = []
    while waiting:
        kind = waiting.pop()
        if get_origin(kind) is Literal:
            found += get_args(kind)
        elif isinstance(kind, type) and issubclass(kind, Enum):
            found += list(kind)
        else:
            waiting += get_args(kind)
    return tuple(found)


def _fields(value: Any) -> dict[str | int, Any]:
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    if dataclasses.is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
    return dict(enumerate(value)) if isinstance(value, tuple) else {}


def _places(value: Any, path: Path = (), said: tuple[Any, ...] = ()) -> Iterator[tuple[Path, Any, tuple[Any, ...]]]:
    """Each place of a value, what is there, and what its type lists."""
    yield path, value, said
    for name, part in _fields(value).items():
        inside = said if isinstance(value, tuple) else _said(type(value), name)
        yield from _places(part, (*path, name), inside)


def _changed(value: Any, path: Path, new: Any) -> Any:
    """The value with another one at a place, made again through every constructor on the way."""
    if not path:
        return new
    parts = _fields(value)
    parts[path[0]] = _changed(parts[path[0]], path[1:], new)
    return tuple(parts.values()) if isinstance(value, tuple) else type(value)(**parts)


def _other(value: Any, seen: list[Any], said: tuple[Any, ...], draw: random.Random) -> Any:
    found: list[Any] = [*said, None, *draw.sample(OTHERS, 2), *draw.sample(seen, 3)]
    found += [other for other in seen if type(other) is type(value)]
    if isinstance(value, bool):
        found += [not value] * 9
    elif isinstance(value, str):
        found += [*TEXTS, value * 2, value[:-1], value.lower()]
    elif isinstance(value, int | Decimal):
        found += [0, -1, 10**6, value + 1, Decimal("NaN"), Decimal("1E-7")]
    elif isinstance(value, datetime | date):
        found += [value + timedelta(days=days) for days in (-40000, -400, -1, 1, 400)]
        found += [value.replace(tzinfo=None)] if isinstance(value, datetime) else []
    elif isinstance(value, bytes):
        found += FILES
    elif isinstance(value, tuple):
        found += [(), value * 2, value[1:], value[::-1]] * 3
    return draw.choice(found)


def changed(document: ClinicalDocument, draw: random.Random) -> CdaDocument | None:
    """The document rendered with one to three values changed at random, None when the models refuse it."""
    try:
        for _ in range(draw.choice((1, 1, 2, 3))):
            places = list(_places(document))
            path, value, said = draw.choice(places[1:])
            document = _changed(document, path, _other(value, [v for _, v, _ in places], said, draw))
        return document.render(issuer())
    except SunesError:
        return None
    except (AttributeError, TypeError):
        return None  # a dataclass took a value of another type: a type checker's to find


DRAWS = st.integers(0, 2**32).map(random.Random)


@given(st.one_of(FULL, *DOCUMENTS.values()), DRAWS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_no_change_of_a_model_reaches_a_held_rule(document: ClinicalDocument, draw: random.Random) -> None:
    rendered = changed(document, draw)
    if rendered is not None:
        assert {str(f) for f in check(rendered.content)} == {str(f) for f in rendered.check()}


def test_the_search_would_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    letter = sample_letters.discharge_letter()
    monkeypatch.setattr(rules, "_OF_OURS", ())
    rendered = _changed(letter, ("title",), "Autre titre").render(issuer())
    assert [f.code for f in check(rendered.content)] == ["CDA_L13"]
    assert not rendered.check().findings
