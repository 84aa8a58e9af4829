"""Names, dates and traits: what is folded, what is refused, what differs and why."""

from __future__ import annotations

from datetime import date

import pytest

from sunes_sdk.errors import InsError, Severity
from sunes_sdk.ins import (
    check_birth_date,
    check_birth_name,
    check_first_given_name,
    check_given_names,
    check_traits,
    coherent,
    compare_traits,
    normalize_for_insi,
    recorded_date,
    recorded_lunar_date,
    split_given_names,
)
from sunes_sdk.ins.traits import agreement
from sunes_sdk.model import Sex, Traits, expected_key


def traits(**changes: object) -> Traits:
    values: dict[str, object] = {
        "birth_name": "MARTIN", "birth_given_names": "JEAN MARC", "first_given_name": "JEAN",
        "birth_date": "1950-03-02", "sex": Sex.MALE, "birth_place": "63113",
    }  # fmt: skip
    return Traits.model_validate(values | changes)


def matricule(place: str, *, year: str = "50", month: str = "03") -> str:
    number = f"1{year}{month}{place}934"
    return number + expected_key(number)


def codes(report: object) -> list[str]:
    return [f.code.removeprefix("INS_") for f in report]  # type: ignore[attr-defined]  # a Report


# names


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Le Goff", "LE GOFF"),
        ("Anne‑Cécile", "ANNE-CECILE"),
        ("d’Ornano", "D'ORNANO"),
        ("Zoe\u0308", "ZOE"),
        ("STRAẞE", "STRASSE"),
        ("\ufb01lle", "FILLE"),
        ("Trần", "TRAN"),
        ("Þór", "THOR"),
    ],
)
def test_names_are_folded(name: str, folded: str) -> None:
    assert normalize_for_insi(name) == folded


@pytest.mark.parametrize(
    "name",
    [
        "MARTIN\u200d",  # zero width joiner
        "MAR\u00adTIN",  # soft hyphen
        "MARTIN\u05b0",  # Hebrew point
        "\u0301MARTIN",  # an accent without its letter
        "MARTIN \u0301",
        "MARTIN'\u0301",
        "MARTIN\u034f",  # grapheme joiner
        "MARTIN\ufe20",  # combining half mark
        "MARTIN\u20dd",  # enclosing circle
        "MAR\tTIN",
        "MARTIN\x1d",
        "MARTIN\x00",
        "MARTIN;",
        "МАРТИН",
        "ΜΑΡΤΙΝ",
        "מרטין",
        "馬丁",
        "MARTIN 3",
        "Ⅷ",
        "MARTIN😀",
        "ŉAMEN",
        "ƏLIYEV",
    ],
)
def test_what_has_no_equivalent_is_refused_and_not_dropped(name: str) -> None:
    with pytest.raises(InsError) as caught:
        normalize_for_insi(name)
    assert caught.value.code == "INS_NAME_CHARSET"
    assert caught.value.hint_fr
    assert name not in str(caught.value)
    assert codes(check_birth_name(name)) == ["NAME_CHARSET"]


def test_a_name_of_ten_million_letters_is_refused_at_once() -> None:
    for letters in ("É" * 10_000_000, "A" * 10_000_000):
        assert codes(check_birth_name(letters)) == ["NAME_LENGTH"]


def test_a_list_of_given_names_keeps_compound_ones() -> None:
    assert split_given_names(" JEAN-MARC  Luc\u00a0Élie ") == ("JEAN-MARC", "Luc", "Élie")
    assert codes(check_given_names("JEAN-MARC Luc Élie")) == []
    assert codes(check_given_names(" ")) == ["NAME_EMPTY"]
    report = check_given_names("JEAN LUC- 4 PAUL--LOUIS")
    assert [(f.code, f.path) for f in report] == [
        ("INS_NAME_END", "birth_given_names[2]"),
        ("INS_NAME_CHARSET", "birth_given_names[3]"),
        ("INS_NAME_DOUBLED", "birth_given_names[4]"),
    ]


@pytest.mark.parametrize(
    ("first", "ok"),
    [
        ("JEAN", True),
        ("Jean", True),
        ("JEAN CHRISTOPHE", True),
        ("JEAN-CHRISTOPHE", True),
        ("JEAN-CHRISTOPHE-PIERRE", True),
        ("JEAN CHRISTOPHE-PIERRE", True),
        ("JEAN CHRISTOPHE PIERRE LUC", False),
        ("JEA", False),
        ("CHRISTOPHE", False),
        ("PIERRE", False),
        ("", False),
    ],
)
def test_the_first_given_name_starts_the_list_at_a_word(first: str, ok: bool) -> None:
    assert coherent(first, "JEAN CHRISTOPHE PIERRE") is ok
    assert ("FIRST_GIVEN_NAME" not in codes(check_first_given_name(first, "JEAN CHRISTOPHE PIERRE"))) is ok


# dates


def test_an_estimated_year_is_flagged_beside_a_whole_date() -> None:
    recorded = recorded_date(1950, 3, 28, year_is_estimated=True)
    assert (recorded.value, recorded.estimated) == (date(1950, 3, 28), True)


@pytest.mark.parametrize(
    ("text", "value", "estimated"),
    [
        ("1950-00-00", date(1950, 12, 31), True),
        ("1950-03-00", date(1950, 3, 1), True),
        ("1950-00-15", date(1950, 1, 15), True),
        ("1975-12-31", date(1975, 12, 31), False),
    ],
)
def test_unknown_parts_of_a_lunar_date_give_an_estimated_one(text: str, value: date, estimated: bool) -> None:
    recorded = recorded_lunar_date(text)
    assert (recorded.value, recorded.estimated) == (value, estimated)


@pytest.mark.parametrize(("text", "code"), [("1950-02-30", "BIRTH_DATE_LUNAR"), ("1950-13-01", "BIRTH_DATE_LUNAR")])
def test_no_date_is_guessed_for_a_day_that_no_calendar_has(text: str, code: str) -> None:
    with pytest.raises(InsError) as caught:
        recorded_lunar_date(text)
    assert caught.value.code == f"INS_{code}"


@pytest.mark.parametrize(("month", "day"), [(0, 1), (1, 0), (13, 1), (2, 30), (0, 0), (-1, None)])
def test_impossible_parts_make_no_date(month: int, day: int | None) -> None:
    with pytest.raises(InsError, match="INS_BIRTH_DATE"):
        recorded_date(1950, month, day)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1979-03-28", []),
        ("1950-00-00", ["BIRTH_DATE_LUNAR"]),
        ("1957-02-29", ["BIRTH_DATE_LUNAR"]),
        ("2026-01-02", ["BIRTH_DATE_FUTURE"]),
        ("28/03/1979", ["BIRTH_DATE"]),
        ("19790328", ["BIRTH_DATE"]),
        ("1979-03-28\n", ["BIRTH_DATE"]),
        ("١٩٧٩-٠٣-٢٨", ["BIRTH_DATE"]),
        ("", ["BIRTH_DATE"]),
    ],
)
def test_birth_dates_are_checked_as_text(text: str, expected: list[str]) -> None:
    report = check_birth_date(text, on=date(2026, 1, 1))
    assert codes(report) == expected
    assert all(f.message_fr and f.hint and f.path == "traits.birth_date" for f in report)


# matricule and traits


@pytest.mark.parametrize(
    ("place", "birth_place", "born", "expected"),
    [
        ("20004", "2A004", "1950-03-02", ["PLACE_EQUIVALENT"]),
        ("20033", "2B033", "1950-03-02", ["PLACE_EQUIVALENT"]),
        ("20004", "2B033", "1950-03-02", ["PLACE_MISMATCH"]),
        ("91352", "99352", "1950-03-02", ["PLACE_EQUIVALENT"]),
        ("95001", "99350", "1950-03-02", ["PLACE_EQUIVALENT"]),
        ("95001", "99352", "1950-03-02", ["PLACE_MISMATCH"]),
        ("91352", "99352", "1990-03-02", ["YEAR_MISMATCH", "PLACE_MISMATCH"]),  # Essonne by then
        ("75002", "92002", "1950-03-02", ["PLACE_EQUIVALENT"]),
        ("78646", "78646", "1950-03-02", []),
        ("75115", "75056", "1950-03-02", ["PLACE_EQUIVALENT"]),
        ("75056", "75115", "1950-03-02", ["PLACE_EQUIVALENT"]),
        ("75115", "75116", "1950-03-02", ["PLACE_MISMATCH"]),
        ("74093", "74010", "1950-03-02", ["PLACE_EQUIVALENT"]),
        ("74093", "74011", "1950-03-02", ["PLACE_MISMATCH"]),
        ("63113", "99999", "1950-03-02", ["PLACE_UNKNOWN"]),
        ("63990", "63113", "1950-03-02", ["PLACE_UNKNOWN"]),
        ("98511", "97611", "1950-03-02", ["PLACE_EQUIVALENT"]),
    ],
)
def test_a_place_that_differs_is_explained(place: str, birth_place: str, born: str, expected: list[str]) -> None:
    report = check_traits(traits(birth_place=birth_place, birth_date=born), matricule(place))
    assert codes(report) == expected
    assert report.ok
    assert all(f.message_fr for f in report)


def test_equivalences_say_why() -> None:
    cases = {("20004", "2A004"), ("91352", "99352"), ("75002", "92002"), ("74093", "74010")}
    said = {check_traits(traits(birth_place=today), matricule(then)).findings[0].message for then, today in cases}
    assert len(said) == len(cases)


@pytest.mark.parametrize("text", ["", "1" * 14, "é" * 15, "abcdefghijklmno", "٢" * 15, "2790351215189" * 9])
def test_a_text_that_is_no_matricule_is_compared_with_nothing(text: str) -> None:
    assert codes(check_traits(traits(), text)) == []


def test_an_unknown_sex_is_compared_with_nothing() -> None:
    assert codes(check_traits(traits(sex=Sex.UNKNOWN), matricule("63113"))) == []
    assert codes(check_traits(traits(sex=Sex.FEMALE), matricule("63113"))) == ["SEX_MISMATCH"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"birth_name": "Martín"}, ["DIFF_SPELLING"]),
        ({"birth_name": "DURAND"}, ["DIFF_BIRTH_NAME"]),
        ({"birth_given_names": "JEAN-MARC"}, ["DIFF_SPELLING"]),
        ({"birth_given_names": "JEAN MARC LUC"}, ["DIFF_SHORT_LIST"]),
        ({"birth_given_names": "JEAN PAUL"}, ["DIFF_GIVEN_NAMES"]),
        ({"sex": Sex.FEMALE}, ["DIFF_SEX"]),
        ({"birth_date": "1950-03-03"}, ["DIFF_BIRTH_DATE"]),
        ({"birth_place": "99999"}, ["PLACE_UNKNOWN"]),
        ({"birth_place": "63220"}, ["DIFF_BIRTH_PLACE"]),
    ],
)
def test_local_traits_beside_those_of_insi(changes: dict[str, object], expected: list[str]) -> None:
    report = compare_traits(traits(), traits(**changes))
    assert codes(report) == expected
    assert all(f.message_fr and f.severity in (Severity.WARNING, Severity.INFO) for f in report)


@pytest.mark.parametrize(
    ("here", "there"), [("74093", "74010"), ("2A004", "20004"), ("75115", "75056"), ("92002", "75002")]
)
def test_two_codes_of_one_place_are_no_difference(here: str, there: str) -> None:
    assert codes(compare_traits(traits(birth_place=here), traits(birth_place=there))) == ["PLACE_EQUIVALENT"]
    assert codes(compare_traits(traits(birth_place=there), traits(birth_place=here))) == ["PLACE_EQUIVALENT"]


@pytest.mark.parametrize(
    ("here", "there"), [("78300", "95300"), ("91228", "99352"), ("75115", "75116"), ("2A004", "2B004")]
)
def test_codes_that_only_look_near_are_a_difference_for_a_human(here: str, there: str) -> None:
    assert codes(compare_traits(traits(birth_place=here), traits(birth_place=there))) == ["DIFF_BIRTH_PLACE"]
    assert codes(compare_traits(traits(birth_place=there), traits(birth_place=here))) == ["DIFF_BIRTH_PLACE"]


def test_places_without_a_date_are_not_brought_together() -> None:
    assert codes(agreement(matricule("91352"), "", "", "99352")) == ["PLACE_MISMATCH"]
    assert codes(agreement(matricule("78300"), "", "", "95300")) == ["PLACE_MISMATCH"]
    assert codes(agreement(matricule("20004"), "", "", "2A004")) == ["PLACE_EQUIVALENT"]
