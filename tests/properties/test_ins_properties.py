"""What must hold for any matricule, any name, any date; python-stdnum judges the key."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stdnum.fr import nir

from sunes_sdk.errors import InsError
from sunes_sdk.ins import (
    check_birth_date,
    check_birth_name,
    check_birth_place,
    check_given_name,
    check_given_names,
    check_matricule,
    coherent,
    comparable,
    is_valid,
    normalize_for_insi,
    recorded_date,
    split_given_names,
)
from sunes_sdk.ins.cog import same_place
from sunes_sdk.ins.matricule import canonical, from_parts, parse
from sunes_sdk.ins.traits import agreement
from sunes_sdk.model import Matricule, expected_key

T = TypeVar("T")


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text(string.digits, min_size=count, max_size=count)


corsican = st.builds(str.__add__, st.sampled_from(["2A", "2B"]), digits(3))
bodies = st.builds(lambda head, place, order: head + place + order, digits(5), digits(5) | corsican, digits(3))
"""Every 13 characters that have the form of a number, whether they mean something or not."""
KEY = {"INS_KEY_MISMATCH", "INS_KEY_RANGE"}
STRUCTURE = {"INS_SEX_DIGIT", "INS_MONTH_RANGE", "INS_DEPT_RANGE", "INS_COMMUNE_RANGE", "INS_ORDER_ZERO"}


def codes(text: str) -> set[str]:
    return {f.code for f in check_matricule(text)}


def result_of(work: Callable[..., T], *given: object) -> tuple[T | None, InsError | None]:
    try:
        return work(*given), None
    except InsError as refusal:
        return None, refusal


# the key


@given(bodies)
def test_key_round_trip(body: str) -> None:
    whole = body + expected_key(body)
    assert from_parts(body, whole[13:]) == parse(whole) == parse(whole, strict=True) == whole
    assert Matricule(value=whole).key_is_valid
    assert not codes(whole) & KEY


@given(bodies, digits(2), st.booleans())
@example("0000000000000", "97", False)
@example("2790363220968", "00", False)  # 97 by the rule, never 00
def test_python_stdnum_agrees_on_the_key_of_every_well_formed_number(body: str, key: str, right: bool) -> None:
    whole = body + (expected_key(body) if right else key)
    assert expected_key(body) == nir.calc_check_digits(whole)
    assert nir.is_valid(whole) == (not codes(whole) & KEY)


@given(bodies)
def test_python_stdnum_differs_in_the_structure_only(body: str) -> None:
    whole = body + expected_key(body)
    assert nir.is_valid(whole)
    assert is_valid(whole) == (not codes(whole) & STRUCTURE)


@pytest.mark.parametrize(
    ("text", "ours", "theirs", "why"),
    [
        ("279035121518989", True, True, "the same"),
        ("297022A02077878", True, True, "Corsica has the same key on both sides"),
        ("2-79-03-51-215-189-89", True, False, "hyphens are separators"),
        ("2790351215189/89", True, False, "so are slashes"),
        ("２７９０３５１２１５１８９８９", False, True, "digits of other scripts are refused"),
        ("079036322093437", False, True, "first digit 0, 5, 6, 9"),
        ("179136322093450", False, True, "months that cannot be"),
        ("179030021593492", False, True, "departments that cannot be"),
        ("179036300093488", False, True, "commune 000"),
        ("179036322000048", False, True, "order 000"),
    ],
)
def test_known_differences_with_python_stdnum(text: str, ours: bool, theirs: bool, why: str) -> None:
    assert (is_valid(text), nir.is_valid(text)) == (ours, theirs), why


@given(bodies, st.integers(0, 14))
def test_every_change_of_one_character_is_seen(body: str, at: int) -> None:
    whole = body + expected_key(body)
    for other in string.digits + "ABC":
        changed = whole[:at] + other + whole[at + 1 :]
        if changed != whole:
            assert codes(changed) & (KEY | {"INS_CHARSET"}), (whole, changed)
            assert not is_valid(changed)


@given(bodies)
def test_every_swap_of_two_neighbours_is_seen(body: str) -> None:
    whole = body + expected_key(body)
    for at in range(14):
        swapped = whole[:at] + whole[at + 1] + whole[at] + whole[at + 2 :]
        if swapped != whole:
            assert codes(swapped) & (KEY | {"INS_CHARSET"}), (whole, swapped)
            assert not is_valid(swapped)


# forms


@given(bodies, digits(2), st.booleans())
def test_fast_and_full_ways_agree(body: str, key: str, right: bool) -> None:
    """A separator forces the full way: the report is the same."""
    whole = body + (expected_key(body) if right else key)
    spaced = f" {whole[:7].lower()}-{whole[7:]} "
    assert check_matricule(whole) == check_matricule(spaced)
    assert is_valid(whole) == is_valid(spaced) == check_matricule(whole).ok
    assert [f.code for f in check_matricule(whole)] == [f.code for f in check_matricule(whole, certified=True)]
    assert check_matricule(whole, certified=True).ok


@given(st.text(max_size=80) | st.text("0123456789AB -./\u00a0\u202f２٣⁹", min_size=13, max_size=20))
def test_any_text_gives_a_report_and_a_clean_one_is_a_matricule(text: str) -> None:
    report = check_matricule(text)
    assert report.ok == is_valid(text)
    value, refusal = result_of(parse, text)
    if refusal:
        assert not report.ok
        assert [f.code for f in report] == [refusal.code]
        assert len(text.strip()) < 4 or text not in str(refusal)
    if value:
        assert len(value) == 15
        assert value.isascii()
        assert value == canonical(text) == parse(value, strict=True)
        if report.ok:
            assert Matricule(value=text).value == value


# names

letters = st.characters(categories=["Lu", "Ll", "Lt", "Mn", "Zs", "Pd"]) | st.sampled_from("'’-. 0ÉéŒßẞıİŁ\u0301")
names = st.text(max_size=30) | st.text(letters, max_size=30) | st.from_regex(r"[A-Za-zÀ-ÿ' \-]{1,30}", fullmatch=True)


@given(names)
def test_normalisation_is_idempotent_and_drops_no_character(text: str) -> None:
    once, refusal = result_of(normalize_for_insi, text)
    if once is None:
        assert not check_birth_name(text).ok
        assert refusal is not None
        assert refusal.code in {"INS_NAME_EMPTY", "INS_NAME_CHARSET"}
        return
    assert normalize_for_insi(once) == once
    assert set(once) <= set(string.ascii_uppercase + " '-")
    assert comparable(text) == comparable(once)
    written = [c for c in unicodedata.normalize("NFC", text.strip()) if not unicodedata.combining(c)]
    assert len(once) >= len(written)
    if check_given_name(text).ok:
        assert check_birth_name(text).ok


@given(names, names)
def test_one_character_more_is_one_more_or_a_refusal(head: str, tail: str) -> None:
    """Nothing between two letters ever disappears."""
    once, _ = result_of(normalize_for_insi, f"A{head}B")
    whole, _ = result_of(normalize_for_insi, f"A{head}B{tail}C")
    if whole is not None:
        assert once is not None
        assert whole.startswith(once)
        assert len(whole) > len(once)


@given(st.lists(st.from_regex(r"[A-Z]{1,8}(-[A-Z]{1,8})?", fullmatch=True), min_size=1, max_size=6), st.data())
def test_every_start_of_a_list_is_coherent_with_it(listed: list[str], data: st.DataObject) -> None:
    assert split_given_names(" ".join(listed)) == tuple(listed)
    assert check_given_names(" ".join(listed)).ok
    first = data.draw(st.integers(1, len(listed)))
    joint = data.draw(st.sampled_from([" ", "-", "'"]))
    assert coherent(joint.join(listed[:first]), " ".join(listed))
    assert not coherent(" ".join(listed) + "X", " ".join(listed))


# dates and places


@given(st.text(max_size=12) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True))
def test_any_text_is_a_date_or_is_not(text: str) -> None:
    assert len(check_birth_date(text)) <= 1


@given(st.integers(-10, 10_010), st.none() | st.integers(-1, 14), st.none() | st.integers(-1, 33))
def test_a_date_is_recorded_whole_or_refused(year: int, month: int | None, day: int | None) -> None:
    recorded, refusal = result_of(recorded_date, year, month, day)
    if recorded is None:
        assert refusal is not None
        assert refusal.code == "INS_BIRTH_DATE"
        return
    assert recorded.value.year == year
    assert recorded.estimated == (month is None or day is None)
    assert month in (None, recorded.value.month)
    assert day in (None, recorded.value.day)


@given(digits(5) | corsican | st.text(max_size=8), digits(5) | corsican)
def test_same_place_is_symmetrical_and_holds_for_itself(one: str, other: str) -> None:
    assert same_place(one, one)
    assert same_place(one, other) == same_place(other, one)
    assert len(check_birth_place(one)) <= 1


@given(st.text(max_size=20) | bodies, st.sampled_from(["M", "F", "UN", ""]), digits(5) | corsican)
def test_traits_never_make_a_matricule_wrong(text: str, sex: str, place: str) -> None:
    assert agreement(canonical(text), sex, "1950-00-00", place).ok
