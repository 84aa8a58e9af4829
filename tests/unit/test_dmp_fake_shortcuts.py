"""Readings of the fake DMP that are quick for what is usual say of everything else what the plain reading says."""

from __future__ import annotations

import itertools

import pytest
from lxml import etree

from sunes_sdk.testing import dmp_rules as rules
from sunes_sdk.testing.dmp_rules import HL7, RIM, Refused

_VALUES = ("<r:Value>a</r:Value>", "<r:Value/>", "<r:Value>b<x/>c</r:Value>", "<Value>d</Value>", "<!-- e -->", "f")
_LISTS = tuple(
    f"<r:ValueList>{''.join(values)}</r:ValueList>"
    for count in range(3)
    for values in itertools.product(_VALUES, repeat=count)
)
_OTHERS = ("", "<ValueList><r:Value>a</r:Value></ValueList>", "<r:Value>a</r:Value>", "<!-- g -->", "h")


def slots(inner: str) -> dict[str, list[str]]:
    return rules.slots_of(etree.fromstring(f'<o xmlns:r="{RIM[1:-1]}"><r:Slot name="n">{inner}</r:Slot></o>'))


@pytest.mark.parametrize("values", _LISTS)
def test_a_slot_of_one_value_is_read_as_any_other(values: str) -> None:
    for before, after in itertools.product(_OTHERS, repeat=2):
        inner = f"{before}{values}{after}"
        slot = etree.fromstring(f'<r:Slot xmlns:r="{RIM[1:-1]}">{inner}</r:Slot>')
        plain = [value.text or "" for value in slot.findall(f"{RIM}ValueList/{RIM}Value")]
        assert slots(inner) == {"n": plain}


def test_two_lists_of_one_slot_are_read_both() -> None:
    assert slots("<r:ValueList><r:Value>a</r:Value></r:ValueList>" * 2) == {"n": ["a", "a"]}


def test_a_slot_given_twice_is_refused() -> None:
    one = '<r:Slot name="n"><r:ValueList><r:Value>a</r:Value></r:ValueList></r:Slot>'
    with pytest.raises(Refused, match="given twice"):
        rules.slots_of(etree.fromstring(f'<o xmlns:r="{RIM[1:-1]}">{one}{one}</o>'))


_PATHS = ("id", "author/assignedAuthor/id", "documentationOf/serviceEvent/performer/assignedEntity/id")


@pytest.mark.parametrize("path", _PATHS)
def test_compiled_paths_find_what_find_finds(path: str) -> None:
    """Several holders, some of them empty, of other namespaces, or with more than one id."""
    inner = '<id root="1"/><id root="2"/><id xmlns="urn:other" root="3"/>'
    for step in reversed(path.split("/")[:-1]):
        inner = f'<{step}/><{step} xmlns="urn:other">{inner}</{step}><{step}>{inner}</{step}><{step}>{inner}</{step}>'
    cda = etree.fromstring(f'<ClinicalDocument xmlns="{HL7[1:-1]}">{inner}</ClinicalDocument>')
    plain = "/".join(f"{HL7}{step}" for step in path.split("/"))
    assert rules._all(cda, path) == cda.findall(plain)
    first = cda.find(plain)
    assert rules._value(cda, path, "root") == ("" if first is None else first.get("root", ""))
    holders = cda.findall(plain.rpartition("/")[0]) if "/" in path else [cda]
    firsts = [found for holder in holders if (found := holder.find(f"{HL7}id")) is not None]
    assert rules._all(cda, f"{path}[1]") == firsts
