"""Any answer, cut anywhere, is read as Python's own client reads it; any bytes give an answer or a coded error."""

from __future__ import annotations

import gzip
import http.client
import io
import socket
import tracemalloc
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sunes_sdk.errors import TransportError
from sunes_sdk.transport.http_answer import HttpAnswer

LIMIT = 5_000
CODES = {"ANSWER_MALFORMED", "ANSWER_TOO_BIG", "ANSWER_ENCODING", "ANSWER_TRUNCATED", "CONNECTION_LOST"}


@dataclass(frozen=True)
class Read:
    status: int
    headers: dict[str, str]
    body: bytes
    reusable: bool


def read(data: bytes, cuts: list[int] | None = None) -> Read:
    """What a connection that says this, in these pieces, and ends is understood to answer."""
    answer = HttpAnswer(limit=LIMIT)
    places = sorted({0, len(data), *(c for c in cuts or () if c < len(data))})
    try:
        for start, end in pairwise(places):
            answer.feed(data[start:end])
            if answer.complete:
                break
        if not answer.complete:
            answer.end()
    finally:
        answer.close()
    return Read(answer.status, answer.headers, answer.body(), answer.reusable)


class Wire:
    """As much of a socket as http.client reads."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def read_by_python(data: bytes) -> tuple[int, bytes]:
    response = http.client.HTTPResponse(cast(socket.socket, Wire(data)), method="POST")
    response.begin()
    return response.status, response.read()


token = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~", min_size=1, max_size=12
)
text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30)
OURS = {"content-length", "transfer-encoding", "content-encoding", "connection", "upgrade", "proxy-connection"}
other_headers = st.lists(
    st.tuples(token.filter(lambda n: n.lower() not in OURS), text.map(str.strip)),
    max_size=5,
    unique_by=lambda h: h[0].lower(),
)


@dataclass(frozen=True)
class Made:
    data: bytes
    status: int
    headers: dict[str, str]
    body: bytes
    reusable: bool


@st.composite
def answers(draw: st.DrawFn) -> Made:
    status = draw(st.sampled_from([200, 202, 302, 400, 404, 500, 503]))
    body = draw(st.binary(max_size=300))
    zipped = draw(st.booleans())
    framing = draw(st.sampled_from(["length", "chunks", "end"]))
    closes = draw(st.booleans())
    others = draw(other_headers)
    wire = gzip.compress(body) if zipped else body
    head = [(n, v) for n, v in others]
    head += [("Content-Encoding", "gzip")] if zipped else []
    head += [("Connection", "close")] if closes else []
    if framing == "length":
        head.append(("Content-Length", str(len(wire))))
    elif framing == "chunks":
        head.append(("Transfer-Encoding", "chunked"))
        sizes = draw(st.lists(st.integers(1, 60), min_size=1, max_size=5))
        chunks, at = b"", 0
        while at < len(wire):
            piece = wire[at : at + sizes[at % len(sizes)]]
            chunks += b"%x\r\n%s\r\n" % (len(piece), piece)
            at += len(piece)
        wire = chunks + b"0\r\n\r\n"
    before = b"HTTP/1.1 100 Continue\r\n\r\n" * draw(st.integers(0, 2))
    lines = "".join(f"{name}: {value}\r\n" for name, value in head)
    data = before + f"HTTP/1.1 {status} Reason\r\n{lines}\r\n".encode("latin-1") + wire
    expected = {name.lower(): value for name, value in head}
    return Made(data, status, expected, body, framing != "end" and not closes)


cuts = st.lists(st.integers(0, 1000), max_size=12)


@given(answers(), cuts)
def test_a_valid_answer_is_read_wherever_it_is_cut(made: Made, where: list[int]) -> None:
    assert read(made.data, where) == Read(made.status, made.headers, made.body, made.reusable)
    status, body = read_by_python(made.data)
    encoded = made.headers.get("content-encoding") == "gzip"
    assert (status, gzip.decompress(body) if encoded else body) == (made.status, made.body)


@given(answers(), cuts, st.binary(min_size=1, max_size=40).filter(lambda b: b.strip(b"\r\n") != b""))
def test_bytes_after_an_answer_change_nothing_but_end_the_connection(made: Made, where: list[int], more: bytes) -> None:
    if "content-length" in made.headers or "transfer-encoding" in made.headers:
        assert read(made.data + more) == Read(made.status, made.headers, made.body, False)


@given(answers(), st.integers(0, 1000))
def test_a_cut_answer_is_never_taken_for_a_whole_one(made: Made, at: int) -> None:
    if "content-length" not in made.headers and "transfer-encoding" not in made.headers:
        return  # its end is all that tells
    part = made.data[: at % len(made.data)]
    with pytest.raises(TransportError) as caught:
        read(part)
    assert caught.value.code == ("ANSWER_TRUNCATED" if part else "CONNECTION_LOST")
    assert caught.value.sent == "maybe"


OVER = bytes(LIMIT + 1)
GZIP = b"Content-Encoding: gzip\r\n"
BEYOND = {
    "a length": (b"Content-Length: 5001\r\n\r\n", "ANSWER_TOO_BIG"),
    "until the end": (b"\r\n" + OVER, "ANSWER_TOO_BIG"),
    "chunks": (b"Transfer-Encoding: chunked\r\n\r\n1389\r\n" + OVER + b"\r\n0\r\n\r\n", "ANSWER_TOO_BIG"),
    "gzip": (GZIP + b"\r\n" + gzip.compress(OVER), "ANSWER_TOO_BIG"),
    "gzip and more": (GZIP + b"\r\n" + gzip.compress(b"a") + b"b", "ANSWER_MALFORMED"),
    "two of gzip": (GZIP + b"\r\n" + gzip.compress(b"a") * 2, "ANSWER_MALFORMED"),
    "gzip that is none": (GZIP + b"\r\nabc", "ANSWER_MALFORMED"),
    "gzip of nothing": (GZIP + b"Content-Length: 0\r\n\r\n", "ANSWER_TRUNCATED"),
}


@pytest.mark.parametrize("how", BEYOND)
def test_a_body_is_bounded_once_decompressed(how: str) -> None:
    data, code = BEYOND[how]
    with pytest.raises(TransportError) as caught:
        read(b"HTTP/1.1 200 OK\r\n" + data, list(range(0, len(data), 100)))
    assert (caught.value.code, caught.value.sent) == (code, "maybe")


def test_a_bomb_is_not_set_off() -> None:
    data = b"HTTP/1.1 200 OK\r\n" + GZIP + b"\r\n" + gzip.compress(bytes(20_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(TransportError, match="ANSWER_TOO_BIG"):
            read(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_a_body_may_be_as_large_as_the_bound() -> None:
    for data in (b"\r\n" + bytes(LIMIT), GZIP + b"\r\n" + gzip.compress(bytes(LIMIT))):
        assert read(b"HTTP/1.1 200 OK\r\n" + data).body == bytes(LIMIT)


mutations = st.lists(
    st.tuples(
        st.integers(0, 1000),
        st.integers(0, 3),
        st.sampled_from([b"", b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"-", b"0", b"\xff", b"Content-Length: 3\r\n",
                         b"Transfer-Encoding: chunked\r\n", b"HTTP/1.1 101 X\r\n", b"f" * 17, b"Upgrade: x\r\n"]),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@given(answers(), mutations, cuts)
def test_a_spoiled_answer_gives_an_answer_or_a_coded_error(
    made: Made, changes: list[tuple[int, int, bytes]], where: list[int]
) -> None:
    data = made.data
    for at, dropped, put in changes:
        at %= len(data) + 1
        data = data[:at] + put + data[at + dropped :]
    check_bounded(data, where)


@given(st.binary(max_size=200), cuts)
@example(b"", [])
@example(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx", [3])
def test_any_bytes_give_an_answer_or_a_coded_error(data: bytes, where: list[int]) -> None:
    check_bounded(data, where)


def check_bounded(data: bytes, where: list[int]) -> None:
    """However it is cut, it is understood in one way."""
    cut, whole = outcome(data, where), outcome(data)
    if isinstance(cut, Read) and isinstance(whole, Read):  # bytes after an answer that come later are seen later
        assert (cut.status, cut.headers, cut.body) == (whole.status, whole.headers, whole.body)
        assert 200 <= cut.status <= 999
        assert len(cut.body) <= LIMIT
    else:
        assert cut == whole
        assert cut in {(code, "maybe") for code in CODES}


def outcome(data: bytes, where: list[int] | None = None) -> Read | tuple[str, str]:
    try:
        return read(data, where)
    except TransportError as e:
        return e.code, e.sent
