"""No change of a model reaches a rule that says `held`: what a document of ours is not asked could not be found.

What a rule's `held` concludes from the header data and the bytes is tried on header data that no model would give, too.
"""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from cda_headers import device, full_header, full_patient, issuer, snr
from cda_strategies import DOCUMENTS
from sunes_sdk._core.findings import Report
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import Allergy, CdaDocument, CdaHeader, check, rules
from sunes_sdk.cda.datatypes import CIM_10
from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.cda.header import II, HeaderName, HeaderRelative
from sunes_sdk.cda.header_writer import document_xml
from sunes_sdk.errors import SunesError
from sunes_sdk.model import Address, Code, InsOid, Telecom
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
T = TypeVar("T")


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


def _alike(new: Any, old: Any) -> bool:
    """Of the same type; of a tuple, those inside too."""
    return type(new) is type(old) and (not isinstance(new, tuple) or {*map(type, new)} <= {*map(type, old)})


def _shaken(value: T, draw: random.Random, *, alike: bool = False) -> T:
    """The value with one to three of those inside changed at random, into `alike` ones: where no constructor asks.
    Raises what their constructors raise."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        places = list(_places(value))
        path, old, said = draw.choice(places[1:])
        other = _other(old, [v for _, v, _ in places], said, draw)
        value = _changed(value, path, other if not alike or _alike(other, old) else old)
    return value


def changed(document: ClinicalDocument, draw: random.Random) -> CdaDocument | None:
    """The document rendered with values changed at random, None when the models refuse it."""
    try:
        return _shaken(document, draw).render(issuer())
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


def written(document: CdaDocument, header: CdaHeader) -> CdaDocument:
    """The document as `render` would have written it with other header data."""
    text = document.content.decode()
    body = text[text.index("<component>") + len("<component>") : text.rindex("</component>")]
    content = document_xml(header, body, ("lab", "pharm", "ps3-20", "sdtc")).encode()
    assert document.written
    return replace(document, content=content, header=header, written=replace(document.written, content=content,
                                                                             header=header))  # fmt: skip


CONCLUDED = frozenset(rule.code for rule in rules.RULES if not isinstance(rule.held, bool))
"""The rules whose `held` looks at the header data or the bytes."""


def concluded(report: Report) -> set[str]:
    return {str(f) for f in report if f.code in CONCLUDED or not f.code.startswith("CDA_")}


@given(st.one_of(FULL, *DOCUMENTS.values()), DRAWS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_nor_does_header_data_that_no_model_gives(document: ClinicalDocument, draw: random.Random) -> None:
    rendered = document.render(issuer())
    try:
        ours = written(rendered, _shaken(rendered.header, draw, alike=True))
    except (SunesError, ValueError):
        return  # cannot be written
    assert ours.is_ours
    assert concluded(check(ours.content)) == concluded(ours.check())


def _patient(**changes: Any) -> Callable[[CdaHeader], CdaHeader]:
    return lambda header: replace(header, patient=replace(header.patient, **changes))


def _author(**changes: Any) -> Callable[[CdaHeader], CdaHeader]:
    return lambda header: replace(header, authors=(replace(header.authors[0], **changes),))


INS = II("1.2.250.1.213.1.4.8", "279035121518989")
NATIONAL = II("1.2.250.1.71.4.2.1", "801234567897")
NOT_NATIONAL = II("1.2.250.1.71.4.2.1", "9")
TEL = Telecom(value="tel:+33123456789")
BREAKS: list[tuple[str, Callable[[CdaHeader], CdaHeader]]] = [
    ("CDA_H07", lambda header: replace(header, title="\u2003")),
    ("CDA_H46", lambda header: replace(header, title="x" * 129)),
    ("CDA_H08", lambda header: replace(header, effective_time="20261345")),
    ("CDA_H13", lambda header: replace(header, patient=replace(header.patient, ids=header.patient.ids * 2))),
    ("CDA_H13", _patient(ids=())),
    ("CDA_H13", _patient(ids=(II("1.2.3"),))),
    ("CDA_H14", _patient(birth_family="")),
    ("CDA_H14", _patient(first_given="")),
    ("CDA_H14", _patient(birth_time="")),
    ("CDA_H14", _patient(birth_place="")),
    ("CDA_H18", _patient(birth_time="0000")),
    ("CDA_H19", _patient(birth_place="9")),
    ("CDA_H20", _patient(ids=(II(INS.root, "2790351215189"),))),
    ("CDA_H20", _patient(ids=(II(INS.root, "279035121518988"),))),
    ("CDA_H59", _patient(ids=(INS,))),
    ("CDA_H68", _patient(used_family="\u2003")),
    ("CDA_H68", _patient(used_given="\u2003")),
    ("CDA_H68", _patient(birth_givens="\u2003")),
    ("CDA_H34", lambda header: replace(header, version_number=2, replaces=II(""))),
    ("CDA_H53", lambda header: replace(header, replaces=II("1.2.3"))),
    ("CDA_H53", lambda header: replace(header, transforms=header.id)),
    ("CDA_H75", lambda header: replace(header, encounter=replace(header.encounter, facility_category=header.code))),
    ("CDA_H42", lambda header: replace(header, id=II("1.02"))),
    ("CDA_H42", lambda header: replace(header, set_id=II("1.2", "3"))),
    ("CDA_H50", _author(ids=(NOT_NATIONAL,))),
    ("CDA_H50", _author(ids=(II("1.2.3", "4"),))),
    ("CDA_H50", lambda header: replace(header, recipients=(replace(header.authors[0], ids=(NOT_NATIONAL,)),))),
    ("CDA_H60", _author(ids=(INS,))),
    ("CDA_H60", _author(device_model="x", device_software="x", code=None)),
    ("CDA_L13", lambda header: replace(header, title="Autre titre")),
    ("CDA_S06", _author(telecoms=(TEL, TEL))),
    ("CDA_S06", _author(addresses=(Address(city="Lyon"), Address(city="Lyon")))),
    ("CDA_S06", lambda header: replace(header, code_translations=(header.code, header.code))),
    ("CDA_S06", lambda header: replace(header, custodian=replace(header.custodian, telecoms=(TEL, TEL)))),
    ("CDA_S06", lambda header: replace(header, encounter=replace(header.encounter, ids=header.encounter.ids * 2))),
    ("CDA_S06", lambda header: replace(header, custodian=replace(header.custodian, other_ids=(NATIONAL, NATIONAL)))),
    (
        "CDA_S06",
        lambda header: replace(header, service_events=(replace(header.service_events[0], ids=(NATIONAL,) * 2),)),
    ),
    ("CDA_S06", _author(ids=(NATIONAL, NATIONAL))),
    ("CDA_S06", _patient(telecoms=(TEL, TEL))),
    ("CDA_S06", _patient(guardians=(HeaderRelative(name=HeaderName(family="X"), telecoms=(TEL, TEL)),))),
]


@pytest.mark.parametrize(("code", "change"), BREAKS)
def test_what_the_header_data_break_is_found(code: str, change: Callable[[CdaHeader], CdaHeader]) -> None:
    rendered = sample_letters.discharge_letter().render(issuer())
    assert not concluded(rendered.check())
    ours = written(rendered, change(rendered.header))
    assert code in {f.code for f in ours.check()}
    assert concluded(check(ours.content)) == concluded(ours.check())


class OneId(SeededIds):
    """Draws the same UUID again and again."""

    def uuid(self) -> UUID:
        return UUID(int=1, version=4)


def test_what_the_body_breaks_is_found() -> None:
    drawn = replace(issuer(), ids=OneId())
    assert "CDA_ENTRY_ID_DUPLICATE" in {f.code for f in samples.discharge_letter().render(drawn).check()}
    coded = {"CDA_C14": Code(code="x", system=CIM_10), "CDA_C13": Code(code="1", system="1.2.250.1.213.2.3.2")}
    for code, said in coded.items():
        letter = sample_letters.discharge_letter(allergies=(Allergy(substance="x", substance_code=said),))
        assert code in {f.code for f in letter.render(issuer()).check()}


def test_bytes_of_ours_that_are_not_xml_are_found() -> None:
    rendered = samples.discharge_letter().render(issuer())
    assert not rendered.check().findings
    cut = rendered.content[:-30]
    assert rendered.written
    ours = replace(rendered, content=cut, written=replace(rendered.written, content=cut))
    assert ours.is_ours
    assert [f.code for f in ours.check()] == ["XML_MALFORMED"]


def test_the_search_would_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    letter = sample_letters.discharge_letter()
    monkeypatch.setattr(rules, "_may_be_broken", lambda _: ())
    rendered = _changed(letter, ("title",), "Autre titre").render(issuer())
    assert [f.code for f in check(rendered.content)] == ["CDA_L13"]
    assert not rendered.check().findings
