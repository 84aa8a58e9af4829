"""For any value and any bytes: nothing lost, nothing injected, only our errors."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from sunes_sdk.errors import Hl7Error
from sunes_sdk.hl7v2 import decode, encode, read_adt
from sunes_sdk.hl7v2.er7 import build, components, escape, repetitions, segment, subcomponents, unescape
from sunes_sdk.testing import samples

HEAD = segment("MSH", {9: components("ADT", "A01", "ADT_A01"), 10: "1", 12: "2.5", 18: "UNICODE UTF-8"})
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(texts)
def test_escape_is_undone(text: str) -> None:
    escaped = escape(text)
    assert unescape(escaped) == text
    assert not set(escaped) & set("|^~&\r\n\x0b\x1c")


@given(st.lists(st.lists(texts, min_size=1, max_size=3), min_size=1, max_size=3), texts)
def test_built_values_come_back(values: list[list[str]], sub: str) -> None:
    field = repetitions(*(components(*parts, subcomponents("x", sub, "y")) for parts in values))
    data = build([HEAD, segment("ZZZ", {2: field, 4: sub})])
    m = decode(data)
    assert encode(m) == data
    assert len(m.segments) == 2
    for r, parts in enumerate(values, 1):
        for c, text in enumerate(parts, 1):
            assert m.segments[1].value(2, c, repetition=r) == text
        assert m.segments[1].value(2, len(parts) + 1, 2, repetition=r) == sub
    assert m.get("ZZZ-4") == sub


@given(st.text("abé|^~&\\XFSTRE0D.br\r\n ", max_size=200))
def test_any_message_is_encoded_as_it_came(rest: str) -> None:
    data = f"{HEAD}\r{rest}".encode()
    m = decode(data)
    assert encode(m) == data
    for s in m.segments:
        for n in range(1, s.last_field + 1):
            s.value(n, 2, 2)


@given(st.binary(max_size=100))
def test_any_bytes_give_a_message_or_our_error(data: bytes) -> None:
    for candidate in (data, HEAD.encode() + b"\r" + data):
        with contextlib.suppress(Hl7Error):
            assert encode(decode(candidate)) == candidate


DEMO = [
    HEAD,
    segment("PID", {3: components("1", "", "", "X", "PI"), 5: components("A", "B", "B", "", "", "", "L"), 7: "19790328",
                    8: "F", 32: "PROV"}),
    segment("PV1", {2: "I", 19: "7", 44: "20260110090000"}),
]  # fmt: skip


odd = texts | st.sampled_from(
    [" ", '""', "\x00", "\u2028", "19790231", "2A", "279035121518989", "1^2", "~", "^^^&&^INS"]
)


@given(st.integers(0, 2), st.integers(1, 50), odd)
def test_one_odd_field_gives_an_event_or_one_clear_error(which: int, number: int, text: str) -> None:
    """Any text in any field: never another exception, and no value of the message in the error."""
    lines = list(DEMO)
    fields = lines[which].split("|")
    index = number - (1 if which == 0 else 0)
    if which == 0 and index < 2:
        return
    fields += [""] * (index + 1 - len(fields))
    fields[index] = text if text in ("1^2", "~", "^^^&&^INS") else escape(text)
    lines[which] = "|".join(fields)
    caught: Hl7Error | None = None
    try:
        read_adt(
            "".join(f"{line}\r" for line in lines).encode(),
            organization=samples.hospital(),
            oids=samples.settings().oids,
        )
    except Hl7Error as e:
        caught = e
    if caught is not None:
        assert caught.code
        assert caught.rule or caught.hint
        assert len(text) < 8 or text not in str(caught)
