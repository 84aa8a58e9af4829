"""What is written is what is read, and whatever else is read is refused by a code, soon."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from sunes_sdk.errors import InsError
from sunes_sdk.ins.datamatrix import HEADER, MAX_LENGTH, decode, encode
from sunes_sdk.model import Environment, Identity, IdentityStatus, Ins, InsOid, Sex, Traits, expected_key

LENGTHS = st.sampled_from([1, 2, 18, 19, 20, 21, 98, 99, 100]) | st.integers(1, 100)


@st.composite
def names(draw: Any) -> str:
    """As INSi writes them; the length is drawn first so that the limits come often."""
    length = draw(LENGTHS)
    inner = draw(st.text("ABCSTZ'- ", min_size=max(0, length - 2), max_size=max(0, length - 2)))
    return "A" if length == 1 else f"S{inner}S"


@st.composite
def identities(draw: Any) -> Identity:
    department = draw(st.sampled_from(["01", "2A", "2B", "75", "97", "99"]))
    first13 = draw(st.from_regex(r"[12][0-9]{4}", fullmatch=True).filter(str.isascii)) + department
    first13 += draw(st.from_regex(r"[0-9]{6}", fullmatch=True).filter(str.isascii))
    listed = draw(names())
    traits = Traits(
        birth_name=draw(names()),
        birth_given_names=listed,
        first_given_name=re.split(r"[' -]", listed)[0] or listed,
        birth_date=draw(st.from_regex(r"(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}", fullmatch=True).filter(str.isascii)),
        sex=draw(st.sampled_from([Sex.MALE, Sex.FEMALE])),
        birth_place=draw(st.sampled_from(["99999", "63220", "2A020", "99109", "97411"])),
    )
    ins = Ins.of(first13 + expected_key(first13), draw(st.sampled_from(list(InsOid))))
    return Identity(traits=traits, status=IdentityStatus.QUALIFIEE, ins=ins)


def written(identity: Identity) -> bytes:
    assert identity.ins is not None
    return encode(identity, Environment.FAKE, test_people={identity.ins.value})


@given(identities())
def test_what_is_written_is_read(identity: Identity) -> None:
    scanned = decode(written(identity))
    assert scanned.claimed == identity.ins
    assert scanned.traits(first_given_name=identity.traits.first_given_name) == identity.traits
    assert not [f for f in scanned.report if f.code.startswith("INS_DM_")]


def blocks(message: bytes) -> list[bytes]:
    """The blocks by their known lengths, without GS; independent of the reader that is judged."""
    lengths = {b"S1": 15, b"S5": 1, b"S6": 10, b"S7": 5}
    most = {b"S2": 20, b"S3": 100, b"S4": 100}
    rest, found = message[len(HEADER) :], []
    while rest:
        name, rest = rest[:2], rest[2:]
        value = rest[: lengths[name]] if name in lengths else rest[: most[name]].split(b"\x1d")[0]
        found.append(name + value)
        rest = rest[len(value) :].removeprefix(b"\x1d")
    return found


@given(identities(), st.randoms(use_true_random=False))
def test_blocks_come_in_any_order(identity: Identity, random: Any) -> None:
    message = written(identity)
    shuffled = blocks(message)
    random.shuffle(shuffled)
    most = {b"S2": 20, b"S3": 100, b"S4": 100}
    text = HEADER.encode()
    for block in shuffled:
        text += block
        if len(block) - 2 < most.get(block[:2], 0) and block is not shuffled[-1]:
            text += b"\x1d"
    assert decode(text) == decode(message)


@given(identities(), st.data())
def test_a_lost_separator_is_never_guessed(identity: Identity, data: Any) -> None:
    message = written(identity)
    places = [at for at, byte in enumerate(message) if byte == 0x1D]
    if places:
        at = data.draw(st.sampled_from(places))
        with suppress(InsError):
            decode(message[:at] + message[at + 1 :])
            raise AssertionError("read without a separator that it needs")


@given(identities(), st.data())
def test_a_spoiled_message_is_refused_or_read_never_a_crash(identity: Identity, data: Any) -> None:
    message = bytearray(written(identity))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(message) - 1))
        what = data.draw(st.sampled_from(["change", "drop", "insert", "cut"]))
        if what == "change":
            message[at] = data.draw(st.integers(0, 255))
        elif what == "drop" and len(message) > 1:
            del message[at]
        elif what == "insert":
            message.insert(at, data.draw(st.integers(0, 255)))
        elif at:
            del message[at:]
    answer(bytes(message))


@given(st.binary(max_size=500) | st.text(max_size=500))
@example(b"\x00" * 10_000_000)
@example(HEADER + "S3" + "A" * 100 + "S4" + "٣" * 100)
@example(HEADER + "S1\ud800")
def test_any_input(message: bytes | str) -> None:
    answer(message)
    answer(HEADER.encode() + message if isinstance(message, bytes) else HEADER + message)


@given(st.lists(st.sampled_from(["S1", "S2", "S3", "S4", "S5", "S6", "S7", "\x1d", "279035121518989", "A", "F",
                                 "1.2.250.1.213.1.4.8", "28-03-1979", "51215"]), max_size=40))  # fmt: skip
def test_any_order_of_parts(parts: list[str]) -> None:
    answer(HEADER + "".join(parts))


def answer(message: bytes | str) -> None:
    """A scan that is to be verified, or coded errors that tell nothing of the input."""
    try:
        scanned = decode(message)
    except InsError as refused:
        errors, told = refused.report.errors, str(refused)
    else:
        assert scanned.must_verify
        assert scanned.report.ok
        return
    assert {f.code[:7] for f in errors} == {"INS_DM_"}
    assert len(told) < MAX_LENGTH
