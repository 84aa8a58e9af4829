"""What the server under the SOAP fakes says of requests that no client of ours sends."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator

import pytest

from sunes_sdk.testing.pki import TestPki
from sunes_sdk.testing.server import MAX_REQUEST_BYTES, Answer, FakeHttpServer, Request


def echo(request: Request) -> Answer:
    said = f"{request.path} {request.headers.get('x-said', '')} ".encode()
    return Answer(200, {"Content-Type": "text/plain"}, said + request.body)


@pytest.fixture
def server(pki: TestPki) -> Iterator[FakeHttpServer]:
    with FakeHttpServer(pki, echo) as running:
        yield running


@contextlib.contextmanager
def connected(pki: TestPki, server: FakeHttpServer) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cafile=str(pki.ca_file))
    context.load_cert_chain(pki.client.certificate, pki.client.key)
    port = int(server.url.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as connection,
    ):
        yield connection


def exchange(pki: TestPki, server: FakeHttpServer, sent: bytes) -> bytes:
    """All that comes back on one connection until the server ends it."""
    received = b""
    with connected(pki, server) as connection:
        connection.sendall(sent)
        while part := connection.recv(65536):
            received += part
    return received


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"POST /a HTTP/1.1\r\nHost: x\r\n\r\n", 411),
        (b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST /a HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 411),
        (b"POST /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_REQUEST_BYTES + 1), 413),
        (b"POST /a HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST /a HTTP/1.1\r\n" + b"A: b\r\n" * 100 + b"\r\n", 431),
        (b"POST\r\n\r\n", 400),
        (b"POST /a FTP/1.1\r\n\r\n", 400),
    ],
)
def test_a_request_that_cannot_be_read_is_said_so_and_ends_the_connection(
    pki: TestPki, server: FakeHttpServer, sent: bytes, status: int
) -> None:
    assert exchange(pki, server, sent).startswith(b"HTTP/1.1 %d " % status)


def test_requests_follow_each_other_until_the_client_ends_the_connection(pki: TestPki, server: FakeHttpServer) -> None:
    first = b"POST /a HTTP/1.1\r\nX-Said:  one \r\nCONTENT-LENGTH: 2\r\n\r\nhi"
    last = b"POST /b HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    received = exchange(pki, server, first + last + first)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert b"\r\n\r\n/a one hi" in received
    assert received.endswith(b"\r\n\r\n/b  ")


def test_a_body_that_ends_too_soon_is_no_request(pki: TestPki) -> None:
    handled: list[Request] = []

    def keep(request: Request) -> Answer:
        handled.append(request)
        return echo(request)

    with FakeHttpServer(pki, keep) as server, connected(pki, server) as connection:
        connection.sendall(b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf")
        with contextlib.suppress(OSError):  # the server may end without saying so
            connection.unwrap()
    assert handled == []
