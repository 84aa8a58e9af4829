"""Matricules as people and machines give them: every wrong one is named, none is mended, none is told."""

from __future__ import annotations

import sys
import time

import pytest

from sunes_sdk.errors import InsError, Severity
from sunes_sdk.ins import Verdict, check_matricule, is_valid
from sunes_sdk.ins.matricule import canonical, from_parts, parse
from sunes_sdk.model import InsOid

GOOD = "279035121518989"
CORSICAN = "160012B02077713"
WRONG_KEY = "181036322045660"
"""As an official simulated answer gives it."""


def code_of(caught: pytest.ExceptionInfo[InsError]) -> str:
    return caught.value.code.removeprefix("INS_")


@pytest.mark.parametrize(
    "text", [GOOD, "2 79 03 51 215 189 89", "2-79-03-51-215-189 / 89", f"\ufeff{GOOD}"[1:], f"\t{GOOD}\r\n"]
)
def test_a_matricule_is_read_as_people_write_it(text: str) -> None:
    assert parse(text) == GOOD


def test_corsican_letters_are_put_in_upper_case() -> None:
    assert parse("1 60 01 2b 020 777 13") == CORSICAN


def test_a_wrong_key_is_read_and_judged_apart() -> None:
    assert parse(WRONG_KEY) == WRONG_KEY
    assert not is_valid(WRONG_KEY)


@pytest.mark.parametrize("text", ["2 79 03 51 215 189 89", f" {GOOD}", f"{GOOD}\n", CORSICAN.lower()])
def test_strict_reading_takes_the_exact_form_only(text: str) -> None:
    assert parse(GOOD, strict=True) == GOOD
    assert parse(CORSICAN, strict=True) == CORSICAN
    with pytest.raises(InsError) as caught:
        parse(text, strict=True)
    assert code_of(caught) in {"CHARSET", "LENGTH"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "EMPTY"),
        (" \u00a0-./", "EMPTY"),
        (GOOD[:13], "KEY_MISSING"),
        (GOOD[:14], "LENGTH"),
        (GOOD + "0", "LENGTH"),
        ("２７９０３５１２１５１８９８９", "CHARSET"),
        ("٢٧٩٠٣٥١٢١٥١٨٩٨٩", "CHARSET"),
        (GOOD[:14] + "⁹", "CHARSET"),
        (GOOD[:14] + "\x00", "CHARSET"),
        (GOOD + "\u200b", "CHARSET"),
        ("+79035121518989", "CHARSET"),
        ("2790351_1518989", "CHARSET"),
    ],
)
def test_what_is_no_matricule_says_why(text: str, code: str) -> None:
    assert [f.code for f in check_matricule(text)] == [f"INS_{code}"]
    assert not is_valid(text)
    with pytest.raises(InsError) as caught:
        parse(text)
    assert code_of(caught) == code


@pytest.mark.parametrize("unit", [GOOD, " ", "é", "\u0301", "ß"])
def test_a_text_far_too_long_costs_nothing(unit: str) -> None:
    text = unit * 10_000_000
    start = time.perf_counter()
    assert [f.code for f in check_matricule(text)] == ["INS_LENGTH"]
    assert not is_valid(text)
    with pytest.raises(InsError, match="INS_LENGTH"):
        parse(text)
    with pytest.raises(InsError, match="INS_LENGTH"):
        from_parts(GOOD[:13], text)
    assert time.perf_counter() - start < 0.05


def test_no_character_of_another_script_becomes_one_of_a_matricule() -> None:
    taken = {c for c in map(chr, range(128, sys.maxunicode + 1)) if canonical(c) in set("0123456789AB")}
    assert taken == set()


def test_number_and_key_held_apart() -> None:
    assert from_parts(GOOD[:13], "89") == GOOD
    assert from_parts("2 79 03 51 215 189", " 89 ") == GOOD


@pytest.mark.parametrize(
    ("number", "key", "code"),
    [
        (GOOD[:13], "", "KEY_MISSING"),
        (GOOD[:13], "9", "LENGTH"),
        (GOOD[:13], "089", "LENGTH"),
        (GOOD[:12], "89", "LENGTH"),
        (GOOD, "89", "LENGTH"),
        ("", "89", "LENGTH"),
        (GOOD[:13], "٨٩", "CHARSET"),
        (GOOD[:13], "2A", "CHARSET"),
    ],
)
def test_parts_that_make_no_matricule(number: str, key: str, code: str) -> None:
    with pytest.raises(InsError) as caught:
        from_parts(number, key)
    assert code_of(caught) == code


@pytest.mark.parametrize("oid", list(InsOid))
def test_the_oid_and_not_the_digits_tells_nir_from_nia(oid: InsOid) -> None:
    assert Verdict.of(check_matricule(GOOD, oid=oid)) is Verdict.VALID
    assert Verdict.of(check_matricule("779039912993487", oid=oid)) is Verdict.VALID_WITH_WARNINGS


@pytest.mark.parametrize("oid", ["", "1.2.250.1.213.1.4.2", "1.2.250.1.213.1.4.80", "urn:oid:1.2.250.1.213.1.4.8"])
@pytest.mark.parametrize("certified", [False, True])
def test_another_oid_is_refused_wherever_it_comes_from(oid: str, certified: bool) -> None:
    report = check_matricule(GOOD, oid=oid, certified=certified)
    assert [(f.code, f.path) for f in report] == [("INS_OID", "oid")]
    assert Verdict.of(report) is Verdict.INVALID


def test_an_answer_of_insi_is_never_refused_for_its_key() -> None:
    typed, received = check_matricule(WRONG_KEY), check_matricule(WRONG_KEY, certified=True)
    assert [f.code for f in typed] == [f.code for f in received] == ["INS_KEY_MISMATCH"]
    assert (Verdict.of(typed), Verdict.of(received)) == (Verdict.INVALID, Verdict.VALID_WITH_WARNINGS)


@pytest.mark.parametrize("text", ["", GOOD[:13], WRONG_KEY, "079006300000000", "479209999099943", GOOD + "é"])
def test_every_finding_speaks_both_languages_and_tells_no_number(text: str) -> None:
    report = check_matricule(text, oid="1.2.3")
    assert len(report) >= 2
    for finding in report:
        assert finding.message
        assert finding.message_fr
        assert finding.rule
        assert finding.source
        assert finding.hint
        assert finding.severity in (Severity.ERROR, Severity.WARNING)
    assert not text or text not in str(report)
