"""Answers made byte by byte, over TLS: what they are understood to say, and whether their connection goes on."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import struct
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sunes_sdk.errors import ConfigurationError, ModelError, TransportError
from sunes_sdk.settings import TlsSettings
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.transport import HttpsTransport

Script = Callable[[ssl.SSLSocket], object]
"""What a server does with a connection, once it has read a whole request."""


class CraftingServer:
    """Mutual TLS on an address of this machine; `script` after each request, for as long as it leaves the connection
    open."""

    def __init__(self, pki: TestPki, address: str = "127.0.0.1") -> None:
        self.script: Script = lambda tls: tls.close()
        self.reads = True
        """Whether it reads the body of a request first."""
        self.connections = 0
        self.requests: list[bytes] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pki.server.certificate, pki.server.key)
        self._context.load_verify_locations(pki.ca_file)
        self._context.verify_mode = ssl.CERT_REQUIRED
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"https://localhost:{self.port}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        raw.settimeout(10)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, ValueError), self._context.wrap_socket(raw, server_side=True) as tls:
            while (request := self._read(tls)) is not None:
                self.requests.append(request)
                self.script(tls)

    def _read(self, tls: ssl.SSLSocket) -> bytes | None:
        data = b""
        while b"\r\n\r\n" not in data:
            part = tls.recv(65_536)
            if not part:
                return None
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().rpartition(b"content-length:")[2].split(b"\r\n")[0])
        while self.reads and len(body) < length:
            part = tls.recv(65_536)
            if not part:
                return None
            body += part
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def server(pki: TestPki) -> Iterator[CraftingServer]:
    with contextlib.closing(CraftingServer(pki)) as running:
        yield running


@pytest.fixture
def transport(pki: TestPki) -> Iterator[HttpsTransport]:
    with contextlib.closing(HttpsTransport(pki.tls, timeout_seconds=2.0)) as opened:
        yield opened


def says(*pieces: bytes) -> Script:
    def script(tls: ssl.SSLSocket) -> None:
        for piece in pieces:
            tls.sendall(piece)

    return script


def says_and_leaves(*pieces: bytes) -> Script:
    def script(tls: ssl.SSLSocket) -> None:
        says(*pieces)(tls)
        tls.close()

    return script


OK = b"HTTP/1.1 200 OK\r\n"
THREE = OK + b"Content-Length: 3\r\n\r\nabc"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

KEPT: dict[str, tuple[Script, int, bytes]] = {
    "length": (says(THREE), 200, b"abc"),
    "in bytes": (says(*(bytes((b,)) for b in THREE)), 200, b"abc"),
    "chunks": (says(CHUNKED + b"2\r\nab\r\n", b"1;x=y\r\nc\r\n", b"0\r\n\r\n"), 200, b"abc"),
    "trailers": (says(CHUNKED + b"3\r\nabc\r\n0\r\nContent-Type: text/evil\r\n\r\n"), 200, b"abc"),
    "no content": (says(b"HTTP/1.1 204 No Content\r\n\r\n"), 204, b""),
    "not modified, whose length is another's": (says(b"HTTP/1.1 304 X\r\nContent-Length: 9\r\n\r\n"), 304, b""),
    "continue": (says(b"HTTP/1.1 100 Continue\r\n\r\n" + THREE), 200, b"abc"),
    "early hints": (says(b"HTTP/1.1 103 Early Hints\r\nContent-Encoding: br\r\n\r\n", THREE), 200, b"abc"),
    "no reason": (says(b"HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc"), 200, b"abc"),
    "HTTP/1.0 that keeps": (
        says(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc"), 200, b"abc"
    ),
}  # fmt: skip
CLOSED: dict[str, tuple[Script, int, bytes]] = {
    "until the end": (says_and_leaves(OK + b"\r\nabc"), 200, b"abc"),
    "Connection: close": (says(OK + b"Connection: close\r\nContent-Length: 3\r\n\r\nabc"), 200, b"abc"),
    "HTTP/1.0": (says(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc"), 200, b"abc"),
    "bytes after, with it": (says(THREE + b"HTTP/1.1 500 X\r\n"), 200, b"abc"),
    "bytes after, in a record of their own": (says(THREE, b"HTTP/1.1 500 X\r\n"), 200, b"abc"),
    "another answer": (says(THREE + OK + b"Content-Length: 4\r\n\r\nevil"), 200, b"abc"),
    "another answer, later": (says(THREE, OK + b"Content-Length: 4\r\n\r\nevil"), 200, b"abc"),
    "a body where there is none": (says(b"HTTP/1.1 204 X\r\nContent-Length: 4\r\n\r\nevil"), 204, b""),
    "it leaves": (says_and_leaves(THREE), 200, b"abc"),
}


@pytest.mark.parametrize("how", KEPT)
def test_a_connection_goes_on(server: CraftingServer, transport: HttpsTransport, how: str) -> None:
    server.script, status, body = KEPT[how]
    for _ in range(2):
        answer = transport.post(server.url, b"x", {})
        assert (answer.status, answer.body) == (status, body)
        assert answer.content_type == ""
    assert server.connections == 1


@pytest.mark.parametrize("how", CLOSED)
def test_a_connection_ends_with_its_answer(server: CraftingServer, transport: HttpsTransport, how: str) -> None:
    """What follows an answer is never taken for the next one."""
    server.script, status, body = CLOSED[how]
    answer = transport.post(server.url, b"x", {})
    assert (answer.status, answer.body) == (status, body)
    server.script = says(THREE.replace(b"abc", b"new"))
    threading.Event().wait(0.1)
    assert transport.post(server.url, b"x", {}).body == b"new"
    assert server.connections == 2


BAD: dict[str, tuple[bytes, str]] = {
    "two lengths": (OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "ANSWER_MALFORMED"),
    "two lengths that agree": (OK + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "ANSWER_MALFORMED"),
    "a list of lengths": (OK + b"Content-Length: 3, 3\r\n\r\nabc", "ANSWER_MALFORMED"),
    "a length below zero": (OK + b"Content-Length: -3\r\n\r\nabc", "ANSWER_MALFORMED"),
    "a length with a sign": (OK + b"Content-Length: +3\r\n\r\nabc", "ANSWER_MALFORMED"),
    "an empty length": (OK + b"Content-Length:\r\n\r\nabc", "ANSWER_MALFORMED"),
    "a length that no computer holds": (OK + b"Content-Length: 18446744073709551619\r\n\r\nabc", "ANSWER_MALFORMED"),
    "a length and chunks": (
        OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "ANSWER_MALFORMED"
    ),
    "chunks and a length": (
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "ANSWER_MALFORMED"
    ),
    "a length in a trailer": (CHUNKED + b"0\r\nContent-Length: 3\r\n\r\n", "ANSWER_MALFORMED"),
    "chunks of gzip": (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "ANSWER_ENCODING"),
    "chunks of chunks": (
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "ANSWER_ENCODING"
    ),
    "almost chunks": (OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "ANSWER_ENCODING"),
    "brotli": (OK + b"Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx", "ANSWER_ENCODING"),
    "a chunk below zero": (CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n", "ANSWER_MALFORMED"),
    "a chunk of 0x": (CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", "ANSWER_MALFORMED"),
    "a chunk longer than said": (CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", "ANSWER_MALFORMED"),
    "a chunk that no computer holds": (CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n", "ANSWER_MALFORMED"),
    "chunks in lines of LF": (CHUNKED + b"3\nabc\n0\n\n", "ANSWER_MALFORMED"),
    "an extension that ends with LF": (CHUNKED + b"3;a=b\nabc\r\n0\r\n\r\n", "ANSWER_MALFORMED"),
    "a folded header": (OK + b"X: a\r\n b\r\nContent-Length: 3\r\n\r\nabc", "ANSWER_MALFORMED"),
    "LF only": (b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", "ANSWER_MALFORMED"),
    "a header that ends with LF": (OK + b"X: a\nContent-Length: 3\r\n\r\nabc", "ANSWER_MALFORMED"),
    "a header that ends with CR": (OK + b"X: a\rContent-Length: 3\r\n\r\nabc", "ANSWER_MALFORMED"),
    "NUL in a header": (OK + b"X: a\0\r\nContent-Length: 3\r\n\r\nabc", "ANSWER_MALFORMED"),
    "a blank before the colon": (OK + b"Content-Length : 3\r\n\r\nabc", "ANSWER_MALFORMED"),
    "no colon": (OK + b"Content-Length\r\n\r\nabc", "ANSWER_MALFORMED"),
    "another protocol": (
        b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nPRI * HTTP/2.0", "ANSWER_MALFORMED"
    ),
    "another version": (b"HTTP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "ANSWER_MALFORMED"),
    "a request": (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "ANSWER_MALFORMED"),
    "a status of two digits": (b"HTTP/1.1 20 OK\r\nContent-Length: 3\r\n\r\nabc", "ANSWER_MALFORMED"),
    "a status of four digits": (b"HTTP/1.1 2000 OK\r\nContent-Length: 3\r\n\r\nabc", "ANSWER_MALFORMED"),
    "a status below 100": (b"HTTP/1.1 099 OK\r\nContent-Length: 3\r\n\r\nabc", "ANSWER_MALFORMED"),
    "101 headers": (OK + b"X: a\r\n" * 101 + b"\r\n", "ANSWER_MALFORMED"),
    "a reason of 100 000": (b"HTTP/1.1 200 " + b"a" * 100_000 + b"\r\n\r\nabc", "ANSWER_MALFORMED"),
    "nothing but 1xx": (b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000, "ANSWER_MALFORMED"),
    "trailers without end": (CHUNKED + b"0\r\nX: " + b"a" * 1_200_000, "ANSWER_TOO_BIG"),
    "chunks of one byte without end": (CHUNKED + b"1\r\na\r\n" * 250_000, "ANSWER_TOO_BIG"),
    "a head that is cut": (OK + b"Content-Length: 3\r\nX: ", "ANSWER_TRUNCATED"),
    "a status that is cut": (b"HTTP/1.1 2", "ANSWER_TRUNCATED"),
    "a body that is cut": (OK + b"Content-Length: 4\r\n\r\nabc", "ANSWER_TRUNCATED"),
    "chunks that are cut": (CHUNKED + b"3\r\nabc\r\n", "ANSWER_TRUNCATED"),
    "1xx and no more": (b"HTTP/1.1 100 Continue\r\n\r\n", "ANSWER_TRUNCATED"),
    "gzip until the end, cut": (
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"abc")[:-1], "ANSWER_TRUNCATED"
    ),
    "nothing": (b"", "CONNECTION_LOST"),
}  # fmt: skip


@pytest.mark.parametrize("how", BAD)
def test_a_bad_answer_is_refused(server: CraftingServer, transport: HttpsTransport, how: str) -> None:
    """And its connection is of no use to the next call."""
    data, code = BAD[how]
    server.script = says_and_leaves(data)
    with pytest.raises(TransportError) as caught:
        transport.post(server.url, b"x", {})
    assert (caught.value.code, caught.value.sent) == (code, "maybe")
    server.script = says(THREE)
    assert transport.post(server.url, b"x", {}).body == b"abc"
    assert server.connections == 2


def test_headers_of_an_answer(server: CraftingServer, transport: HttpsTransport) -> None:
    """Blank ones, repeated ones, and one that is not ASCII."""
    server.script = says(OK + b"X:\r\nA: 1\r\na:\t2 \r\nB: \xe9\r\nContent-Length: 0\r\n\r\n")
    headers = transport.post(server.url, b"x", {}).headers
    assert headers == {"x": "", "a": "1, 2", "b": "é", "content-length": "0"}


# --- before the request has wholly left -------------------------------------------------------------------------------


def refuses_early(tls: ssl.SSLSocket) -> None:
    tls.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
    socket.socket.shutdown(tls, socket.SHUT_WR)


def refuses_and_listens(tls: ssl.SSLSocket) -> None:
    refuses_early(tls)
    while socket.socket.recv(tls, 1 << 20):
        pass


def refuses_and_resets(tls: ssl.SSLSocket) -> None:
    refuses_early(tls)
    threading.Event().wait(0.2)
    tls.close()


@pytest.mark.parametrize("how", [refuses_and_listens, refuses_and_resets])
def test_an_answer_before_the_whole_request_is_the_answer(
    server: CraftingServer, transport: HttpsTransport, how: Script
) -> None:
    server.reads, server.script = False, how
    answer = transport.post(server.url, bytes(20_000_000), {})
    assert (answer.status, answer.body) == (413, b"big")
    server.reads, server.script = True, says(THREE)
    assert transport.post(server.url, b"x", {}).body == b"abc"
    assert server.connections == 2


def test_a_connection_that_died_meanwhile_is_not_used(server: CraftingServer, transport: HttpsTransport) -> None:
    def resets(tls: ssl.SSLSocket) -> None:
        tls.sendall(THREE)
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        tls.close()

    server.script = resets
    for _ in range(3):
        assert transport.post(server.url, b"x", {}).status == 200
        threading.Event().wait(0.1)
    assert len(server.requests) == server.connections == 3


def test_a_request_is_never_sent_twice(server: CraftingServer, transport: HttpsTransport) -> None:
    """Not even when a kept connection fails."""
    server.script = says(THREE)
    transport.post(server.url, b"x", {})
    server.script = lambda tls: tls.close()
    with pytest.raises(TransportError) as caught:
        transport.post(server.url, b"x", {})
    assert (caught.value.code, caught.value.sent) == ("CONNECTION_LOST", "maybe")
    assert len(server.requests) == 2


def test_an_alert_on_a_connection_that_answered_says_nothing(
    server: CraftingServer, transport: HttpsTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only before its first answer does it mean that no request was handed to the service."""
    real = ssl.SSLSocket.recv

    def refused(self: ssl.SSLSocket, *args: Any) -> bytes:
        if self.server_side:
            return real(self, *args)
        error = ssl.SSLError(1, "sslv3 alert certificate expired")
        error.reason = "SSLV3_ALERT_CERTIFICATE_EXPIRED"
        raise error

    server.script = says(THREE)
    transport.post(server.url, b"x", {})
    monkeypatch.setattr(ssl.SSLSocket, "recv", refused)
    for code, sent in (
        ("CONNECTION_LOST", "maybe"),
        ("TLS_HANDSHAKE", "no"),
    ):  # the second is on a connection of its own
        with pytest.raises(TransportError) as caught:
            transport.post(server.url, b"x", {})
        assert (caught.value.code, caught.value.sent) == (code, sent)


# --- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"A": "b\r\nX: y"}, {"A": "b\n"}, {"A": "b\rc"}, {"A": "b\0"}, {"A": "\u20ac"}, {"A\r\nX": "b"}, {"A:": "b"},
        {"A ": "b"}, {"": "b"}, {"\xe9": "b"}, {"Host": "other"}, {"content-length": "1"},
        {"Transfer-Encoding": "chunked"},
    ],
)  # fmt: skip
def test_a_header_that_could_be_read_as_more_is_refused(
    server: CraftingServer, transport: HttpsTransport, headers: dict[str, str]
) -> None:
    with pytest.raises(ModelError) as caught:
        transport.post(server.url, b"x", headers)
    assert caught.value.code == "HEADER_FORM"
    assert server.connections == 0


def test_the_bytes_of_a_request(server: CraftingServer, transport: HttpsTransport) -> None:
    server.script = says(THREE)
    transport.post(f"{server.url}é/%41?q=a%20b", (b"x", b"", b"yz"), {"Content-Type": "text/plain"})
    (request,) = server.requests
    assert request.decode().split("\r\n") == [
        "POST /%C3%A9/%41?q=a%20b HTTP/1.1", f"Host: localhost:{server.port}", "User-Agent: sunes-sdk",
        "Accept-Encoding: identity", "Content-Type: text/plain", "Content-Length: 3", "", "xyz",
    ]  # fmt: skip


def test_a_large_body_is_sent_without_a_copy(server: CraftingServer, transport: HttpsTransport) -> None:
    size, room = 20_000_000, bytearray(1 << 16)

    def drain(tls: ssl.SSLSocket) -> None:
        left = size - len(server.requests[-1].partition(b"\r\n\r\n")[2])
        while left:
            left -= tls.recv_into(room, min(left, len(room)))
        tls.sendall(THREE)

    server.reads, server.script = False, drain
    whole, parts = bytes(size), (b"first", bytes(size - 10), b"", b"last.")
    tracemalloc.start()
    try:
        for body in (whole, parts):
            assert transport.post(server.url, body, {}).body == b"abc"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
    assert server.connections == 1


@pytest.mark.parametrize("body", [b"", (), (b"",), (b"", b"")])
def test_an_empty_body(server: CraftingServer, transport: HttpsTransport, body: bytes | tuple[bytes, ...]) -> None:
    server.script = says(THREE)
    assert transport.post(server.url, body, {}).body == b"abc"
    assert server.requests[0].endswith(b"\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("url", ["https://localhost:99999/", "https://[::1/", "https://a..b/", "https://localhost/\0"])
def test_an_address_that_cannot_be_one(transport: HttpsTransport, url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        transport.post(url, b"", {})
    assert caught.value.code == "URL_FORM"


# --- where it goes ----------------------------------------------------------------------------------------------------


def test_each_address_of_a_host_is_tried(
    server: CraftingServer, transport: HttpsTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = socket.getaddrinfo
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()

    def two(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*stream, nobody), *found("127.0.0.1", port, socket.AF_INET, socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    server.script = says(THREE)
    assert transport.post(server.url, b"x", {}).body == b"abc"


def test_an_ipv6_address(pki: TestPki) -> None:
    """The certificate of these tests is of a name: it is not looked at here."""
    try:
        server = CraftingServer(pki, "::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with contextlib.closing(server), contextlib.closing(HttpsTransport(pki.tls, timeout_seconds=2.0)) as transport:
        transport._pools.context.check_hostname = False
        server.script = says(THREE)
        assert transport.post(f"https://[::1]:{server.port}/", b"x", {}).body == b"abc"
    assert f"Host: [::1]:{server.port}\r\n".encode() in server.requests[0]


def test_idle_connections_are_bounded_and_closed(
    pki: TestPki, server: CraftingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sunes_sdk.transport.https._MAX_IDLE", 2)
    transport = HttpsTransport(pki.tls, timeout_seconds=5.0)
    gate = threading.Barrier(4)

    def together(tls: ssl.SSLSocket) -> None:
        gate.wait(5)
        tls.sendall(THREE)

    server.script = together
    threads = [threading.Thread(target=transport.post, args=(server.url, b"x", {})) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ((_, idle),) = transport._pools._idle.items()
    kept = list(idle)
    assert (server.connections, len(kept)) == (4, 2)
    transport.close()
    assert [c.socket.fileno() for c in kept] == [-1, -1]
    assert not idle


def test_a_connection_in_use_when_its_transport_closes(pki: TestPki, server: CraftingServer) -> None:
    """It ends with the call, which ends as it would."""
    transport = HttpsTransport(pki.tls, timeout_seconds=5.0)
    ends = threading.Event()

    def closes(tls: ssl.SSLSocket) -> None:
        transport.close()
        tls.sendall(THREE)
        if not tls.recv(1):
            ends.set()

    server.script = closes
    assert transport.post(server.url, b"x", {}).body == b"abc"
    assert ends.wait(5)


def test_a_forgotten_transport_closes_its_connections(pki: TestPki, server: CraftingServer) -> None:
    transport = HttpsTransport(pki.tls, timeout_seconds=5.0)
    server.script = says(THREE)
    transport.post(server.url, b"x", {})
    ((_, (connection,)),) = transport._pools._idle.items()
    del transport
    assert connection.socket.fileno() == -1


# --- through a proxy --------------------------------------------------------------------------------------------------

PROXIES = {
    "refuses": b"HTTP/1.1 407 X\r\nContent-Length: 9\r\n\r\n<html></>",
    "speaks before the server": b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "is malformed": b"HTTP/1.1 200 OK\nX\n\n",
    "is no proxy": b"SSH-2.0-OpenSSH_9.2\r\n",
    "is endless": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000,
    "leaves": b"",
}


@pytest.mark.parametrize("how", PROXIES)
def test_a_proxy_that_gives_no_tunnel(pki: TestPki, server: CraftingServer, how: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer, contextlib.suppress(OSError):
                peer.settimeout(5)
                peer.recv(65_536)
                peer.sendall(PROXIES[how])
                peer.shutdown(socket.SHUT_WR)
                peer.recv(65_536)

        thread = threading.Thread(target=answer)
        thread.start()
        tls = TlsSettings(**dict(pki.tls) | {"proxy": f"http://127.0.0.1:{listener.getsockname()[1]}"})
        with (
            contextlib.closing(HttpsTransport(tls, timeout_seconds=2.0)) as transport,
            pytest.raises(TransportError) as caught,
        ):
            transport.post(server.url, b"x", {})
        thread.join()
    assert (caught.value.code, caught.value.sent) == ("PROXY", "no")
    assert server.connections == 0
