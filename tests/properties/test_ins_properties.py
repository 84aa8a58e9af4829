"""What must hold for any matricule and any name."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st
from stdnum.fr import nir

from sunes_sdk.errors import InsError
from sunes_sdk.ins import check_birth_name, check_given_name, check_matricule, comparable, normalize_for_insi
from sunes_sdk.ins.matricule import canonical
from sunes_sdk.model import Matricule, expected_key

places = st.one_of(
    st.from_regex(r"[0-9]{5}", fullmatch=True),
    st.from_regex(r"2[AB][0-9]{3}", fullmatch=True),
).filter(str.isascii)
bodies = st.builds(
    lambda head, place, order: head + place + order,
    st.from_regex(r"[0-9]{5}", fullmatch=True).filter(str.isascii), places,
    st.from_regex(r"[0-9]{3}", fullmatch=True).filter(str.isascii),
)  # fmt: skip


@given(bodies)
def test_the_key_is_that_of_python_stdnum(body: str) -> None:
    whole = body + expected_key(body)
    assert nir.calc_check_digits(whole) == whole[13:]
    assert Matricule(value=whole).key_is_valid
    assert "INS_KEY_MISMATCH" not in {f.code for f in check_matricule(whole)}


@given(bodies, st.integers(0, 14), st.sampled_from(string.digits))
def test_any_single_digit_change_is_seen(body: str, at: int, digit: str) -> None:
    whole = body + expected_key(body)
    changed = whole[:at] + digit + whole[at + 1 :]
    if changed != whole and whole[at].isdigit() and not (at == 5 and whole[6] in "AB"):
        assert {f.code for f in check_matricule(changed)} & {"INS_KEY_MISMATCH", "INS_KEY_RANGE", "INS_CHARSET"}


@given(bodies)
def test_fast_and_full_ways_agree(body: str) -> None:
    """A separator forces the full way: the report is the same."""
    whole = body + expected_key(body)
    assert check_matricule(whole) == check_matricule(f" {whole[:7]}-{whole[7:]} ")


@given(st.text(max_size=20))
def test_any_text_gives_a_report_and_a_clean_one_is_a_matricule(text: str) -> None:
    if check_matricule(text).ok:
        assert Matricule(value=text).value == canonical(text)


@given(st.text(max_size=30))
def test_normalisation_is_idempotent_and_checked_names_can_be_sent(text: str) -> None:
    try:
        once = normalize_for_insi(text)
    except InsError:
        assert not check_birth_name(text).ok
        return
    assert normalize_for_insi(once) == once
    assert set(once) <= set(string.ascii_uppercase + " '-")
    assert comparable(text) == comparable(once)
    if check_given_name(text).ok:
        assert check_birth_name(text).ok or len(once) > 61
