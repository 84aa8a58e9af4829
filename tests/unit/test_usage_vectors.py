"""The published vectors of the usage digest: pseudonyms, hash chain, arithmetic to the target, deadlines."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import date
from fractions import Fraction

import pytest

from sunes_sdk.usage import deadline, percent_fr, pseudonym, reach
from sunes_sdk.usage.chain import GENESIS, canonical, link

SECRET = bytes.fromhex("00112233445566778899aabbccddeeff" * 2)


@pytest.mark.parametrize(
    ("domain", "scope", "value", "expected"),
    [
        ("stay", "690000001", "2400012345", "4a2461b721f62d8a2a3bde6f37372800cc32e4a78641187cd9e5742f9cf6dcfa"),
        ("stay", "690000002", "2400012345", "514e30ad0ff5ea4434d45a54a039ab7a833ceeeb8c256868ccdf6ac2aac79592"),
        ("patient", "690000001", "IPP0001", "f7efa91be12a414d82e119bf758e7e7e9dd5618de0d606ee6910d83dc3d20c21"),
    ],
)
def test_pseudonym_vectors(domain: str, scope: str, value: str, expected: str) -> None:
    key = pseudonym(SECRET, domain, scope, value)  # type: ignore[arg-type]  # parametrized text
    assert key is not None
    assert key.hex() == expected


@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
def test_an_empty_identifier_has_no_key(empty: str) -> None:
    assert pseudonym(SECRET, "stay", "690000001", empty) is None


def test_an_identifier_is_normalised_before_its_key() -> None:
    assert pseudonym(SECRET, "patient", "1", " ipp\u0065\u0301 ") == pseudonym(SECRET, "patient", "1", "IPP\u00c9")


def test_the_four_parts_cannot_slide_into_one_another() -> None:
    assert pseudonym(SECRET, "stay", "12", "3") != pseudonym(SECRET, "stay", "1", "23")
    assert pseudonym(SECRET, "stay", "1", "2") != pseudonym(SECRET, "patient", "1", "2")


def test_chain_vectors() -> None:
    first = link(
        GENESIS,
        {"channel": "NONE", "doc_key": "a1", "event_id": "e1", "occurred_at": "2024-02-01T10:00:00Z",
         "type": "DOC_PRODUCED"},
    )  # fmt: skip
    assert first.hex() == "fda1137c9e7c82bb970ded1ea52fd04b0b90a5766a980487564142d020ac5842"
    second = link(
        first,
        {"type": "DMP_ACCEPTED", "channel": "DMP", "doc_key": "a1", "event_id": "e2",
         "occurred_at": "2024-02-01T10:00:05Z"},
    )  # fmt: skip
    assert second.hex() == "d01610ab1529f08a795aa6e4f72e22b3aad55325a1e5a1584b1d586aca926619"


def test_the_canonical_form_keeps_accents_and_sorts() -> None:
    assert canonical({"b": "é", "a": 1}) == '{"a":1,"b":"é"}'.encode()


@pytest.mark.parametrize(
    ("num", "den", "remaining", "missing", "required", "reachable"),
    [
        (420, 700, 300, 280, Fraction(280, 300), True),
        (300, 700, 200, 330, Fraction(330, 200), False),
        (69, 100, 0, 1, None, False),
        (70, 100, 0, 0, None, True),
    ],
)
def test_reach_vectors(
    num: int, den: int, remaining: int, missing: int, required: Fraction | None, reachable: bool
) -> None:
    found = reach(num, den, remaining, Fraction(7, 10))
    assert (found.missing, found.required, found.reachable) == (missing, required, reachable)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (date(2024, 3, 31), date(2024, 4, 30)),
        (date(2022, 9, 30), date(2022, 10, 30)),
        (date(2022, 6, 30), date(2022, 7, 30)),
        (date(2023, 12, 31), date(2024, 1, 31)),
        (date(2024, 1, 31), date(2024, 2, 29)),
    ],
)
def test_deadline_vectors(end: date, expected: date) -> None:
    assert deadline(end, 1) == expected


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (Fraction(6996, 10000), "69,9"),
        (Fraction(69999, 70000), "99,9"),
        (Fraction(4, 12), "33,3"),
        (Fraction(5, 12), "41,6"),
        (Fraction(4, 11), "36,3"),
        (Fraction(1), "100,0"),
        (Fraction(0), "0,0"),
    ],
)
def test_a_share_is_cut_never_rounded(share: Fraction, shown: str) -> None:
    assert percent_fr(share) == f"{shown}\u202f%"


def test_nothing_to_count_shows_no_share() -> None:
    assert percent_fr(None) == "–"


def test_the_pseudonym_is_a_plain_hmac() -> None:
    """Recomputed from the definition, with another spelling of HMAC."""
    text = "sunes-usage/v1\x1fdocument\x1f\x1f1.2.3"
    block = SECRET.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block) + text.encode()).digest()
    by_hand = hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner).digest()
    assert pseudonym(SECRET, "document", "", "1.2.3") == by_hand == hmac.new(SECRET, text.encode(), "sha256").digest()
    assert json.loads(canonical({"k": by_hand.hex()})) == {"k": by_hand.hex()}


@pytest.mark.parametrize("length", [32, 63, 64, 65, 200])
def test_a_secret_of_any_length_gives_the_standard_hmac(length: int) -> None:
    secret = bytes(range(length))
    text = "sunes-usage/v1\x1fstay\x1f690000001\x1fÉ1"
    assert pseudonym(secret, "stay", "690000001", " é1 ") == hmac.new(secret, text.encode(), "sha256").digest()
