"""HTTPS over real sockets: what each failure says about whether the request left."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sunes_sdk._core.clock import FixedClock, SystemClock
from sunes_sdk._core.errors import CertificateError, ConfigurationError, TransportError
from sunes_sdk._core.retry import RetryKind
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.testing.server import Answer, FakeHttpServer, Request
from sunes_sdk.transport import HttpsTransport, client_context

handled: list[Request] = []


def echo(request: Request) -> Answer:
    handled.append(request)
    if request.path == "/redirect":
        return Answer(302, {"Location": "https://localhost:1/"}, b"moved")
    return Answer(200 if request.path != "/error" else 500, {"Content-Type": "text/plain"}, request.body)


@pytest.fixture(scope="module")
def server(pki: TestPki) -> Iterator[FakeHttpServer]:
    with FakeHttpServer(pki, echo) as running:
        yield running


@pytest.fixture
def transport(pki: TestPki) -> Iterator[HttpsTransport]:
    handled.clear()
    opened = HttpsTransport(pki.tls, timeout_seconds=1.0)
    yield opened
    opened.close()


def failure(transport: HttpsTransport, url: str, body: bytes = b"x") -> TransportError:
    with pytest.raises(TransportError) as e:
        transport.post(url, body, {"Content-Type": "text/plain"})
    assert e.value.__cause__ is None
    return e.value


def test_round_trip_and_headers(server: FakeHttpServer, transport: HttpsTransport) -> None:
    body = bytes(range(256)) * 400
    response = transport.post(server.url + "/a/b?c=d", body, {"Content-Type": "multipart/related; x=y", "X-A": "b"})
    assert (response.status, response.body, response.content_type) == (200, body, "text/plain")
    request = handled[0]
    assert request.path == "/a/b?c=d"
    assert request.headers["content-type"] == "multipart/related; x=y"
    assert request.headers["x-a"] == "b"
    assert request.client is not None
    assert "cookie" not in request.headers


def test_error_statuses_and_redirects_are_answers(server: FakeHttpServer, transport: HttpsTransport) -> None:
    assert transport.post(server.url + "/error", b"f", {}).status == 500
    assert transport.post(server.url + "/redirect", b"", {}).status == 302


def test_connections_are_kept_and_shared_by_threads(
    server: FakeHttpServer, transport: HttpsTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    handshakes = 0
    real = ssl.SSLContext.wrap_socket

    def counted(self: ssl.SSLContext, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        nonlocal handshakes
        if not kwargs.get("server_side"):
            handshakes += 1
        return real(self, *args, **kwargs)

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", counted)
    for _ in range(5):
        transport.post(server.url, b"x", {})
    assert handshakes == 1
    bodies: list[bytes] = []

    def work(n: int) -> None:
        bodies.extend(transport.post(server.url, b"%d-%d" % (n, i), {}).body for i in range(10))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(bodies) == sorted(b"%d-%d" % (n, i) for n in range(4) for i in range(10))
    assert handshakes <= 5


@pytest.mark.parametrize(
    ("fault", "code", "reached"),
    [("cut_before", "CONNECTION_LOST", 0), ("cut_after", "CONNECTION_LOST", 1), ("truncate", "ANSWER_TRUNCATED", 1)],
)
def test_cuts_leave_the_outcome_unknown(
    server: FakeHttpServer, transport: HttpsTransport, fault: Any, code: str, reached: int
) -> None:
    server.plan(fault)
    error = failure(transport, server.url, b"x" * 5000)
    assert (error.code, error.sent, error.retry.kind) == (code, "maybe", RetryKind.RECONCILE_FIRST)
    assert len(handled) == reached
    assert transport.post(server.url, b"again", {}).body == b"again"


def test_late_answer_is_a_timeout(pki: TestPki, server: FakeHttpServer) -> None:
    handled.clear()
    transport = HttpsTransport(pki.tls, timeout_seconds=0.3)
    server.plan("late", seconds=0.8)
    error = failure(transport, server.url)
    transport.close()
    assert (error.code, error.sent) == ("READ_TIMEOUT", "maybe")
    end = time.monotonic() + 5
    while not handled and time.monotonic() < end:
        time.sleep(0.02)
    assert handled, "the request was handled after all"


def test_slow_but_in_time(server: FakeHttpServer, transport: HttpsTransport) -> None:
    server.plan("slow", seconds=0.2)
    assert transport.post(server.url, b"x", {}).body == b"x"


def test_nobody_listens(transport: HttpsTransport) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = failure(transport, f"https://localhost:{port}/")
    assert (error.code, error.sent, error.retry.kind) == ("CONNECTION", "no", RetryKind.SAFE)


def test_a_peer_that_never_shakes_hands(pki: TestPki) -> None:
    transport = HttpsTransport(pki.tls, timeout_seconds=0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = failure(transport, f"https://localhost:{silent.getsockname()[1]}/")
    transport.close()
    assert (error.code, error.sent) == ("CONNECT_TIMEOUT", "no")


def test_a_peer_that_closes_during_the_handshake(transport: HttpsTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            peer, _ = listener.accept()
            peer.recv(10)
            peer.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        error = failure(transport, f"https://localhost:{listener.getsockname()[1]}/")
        thread.join()
    assert error.sent == "no"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_refused_client_certificate_never_sent(pki: TestPki, server: FakeHttpServer, version: ssl.TLSVersion) -> None:
    """In TLS 1.3 the refusal comes at the first read, after our bytes left: it is a refusal all the same."""
    handled.clear()
    transport = HttpsTransport(pki.rogue_client.tls(pki.ca_file), timeout_seconds=2.0)
    transport._pools.context.maximum_version = version
    for body in (b"x", b"x" * 200_000):
        error = failure(transport, server.url, body)
        assert (error.code, error.sent, error.retry.kind) == ("TLS_HANDSHAKE", "no", RetryKind.NEVER)
    transport.close()
    assert not handled


def test_wrong_host_name_is_refused(pki: TestPki) -> None:
    with TlsServer(pki.client.certificate, pki.client.key) as port, pytest.raises(TransportError) as e:
        HttpsTransport(pki.tls, timeout_seconds=2).post(f"https://localhost:{port}/", b"", {})
    assert (e.value.code, e.value.sent) == ("TLS_HANDSHAKE", "no")


def test_a_server_of_another_authority_is_refused(pki: TestPki, tmp_path: Path) -> None:
    other = TestPki(tmp_path)
    with TlsServer(other.server.certificate, other.server.key) as port, pytest.raises(TransportError) as e:
        HttpsTransport(pki.tls, timeout_seconds=2).post(f"https://localhost:{port}/", b"", {})
    assert (e.value.code, e.value.sent) == ("TLS_HANDSHAKE", "no")
    assert "CERTIFICATE_VERIFY_FAILED" in e.value.message


class TlsServer:
    """Accepts TLS connections with a given certificate, and drops them."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        peer, _ = self._listener.accept()
        peer.settimeout(2)
        try:
            self._context.wrap_socket(peer, server_side=True).close()
        except (ssl.SSLError, OSError):
            peer.close()

    def __enter__(self) -> int:
        self._thread.start()
        port: int = self._listener.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()


def test_a_protocol_error_after_the_request_left_is_unknown(pki: TestPki) -> None:
    """Not every TLS error is a refusal: garbage in the middle of an answer says nothing about the request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server.certificate, pki.server.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            raw = socket.socket(fileno=socket.dup(peer.fileno()))
            tls = context.wrap_socket(peer, server_side=True)
            tls.recv(65536)
            raw.sendall(b"\x17\x03\x03\x00\x20" + b"garbage!" * 4)
            tls.close()
            raw.close()

        thread = threading.Thread(target=serve)
        thread.start()
        error = failure(HttpsTransport(pki.tls, timeout_seconds=2), f"https://localhost:{listener.getsockname()[1]}/")
        thread.join()
    assert (error.code, error.sent) == ("CONNECTION_LOST", "maybe")


def test_expired_client_certificate_is_refused_before_connecting(pki: TestPki) -> None:
    with pytest.raises(CertificateError) as e:
        HttpsTransport(pki.expired_client.tls(pki.ca_file))
    assert e.value.code == "CERTIFICATE_EXPIRED"


def test_a_certificate_that_expires_meanwhile(pki: TestPki, server: FakeHttpServer) -> None:
    handled.clear()
    clock = FixedClock(SystemClock().now())
    transport = HttpsTransport(pki.tls, clock=clock)
    clock.advance(timedelta(days=400))
    with pytest.raises(CertificateError):
        transport.post(server.url, b"", {})
    assert not handled


def test_signing_certificate_cannot_connect(pki: TestPki) -> None:
    with pytest.raises(CertificateError) as e:
        client_context(pki.signing.tls(pki.ca_file))
    assert e.value.code == "CERTIFICATE_USAGE"


@pytest.mark.parametrize("url", ["http://localhost:1/", "ftp://x/", "localhost", "https:///x", ""])
def test_only_https(transport: HttpsTransport, url: str) -> None:
    with pytest.raises(ConfigurationError) as e:
        transport.post(url, b"", {})
    assert e.value.code == "TLS_REQUIRED"


@pytest.mark.parametrize(
    "url",
    [
        "https://u:secret@localhost:1/",
        "https://localhost:1/#x",
        "https://localhost:1/\r\nHost: x",
        "https://localhost/a b",
    ],
)
def test_an_address_that_would_not_be_used_as_given(transport: HttpsTransport, url: str) -> None:
    with pytest.raises(ConfigurationError) as e:
        transport.post(url, b"", {})
    assert e.value.code == "URL_FORM"
    assert "secret" not in str(e.value)


def test_missing_and_mismatched_files(pki: TestPki, tmp_path: Path) -> None:
    for tls in (
        replace(pki.client, key=pki.signing.key).tls(pki.ca_file),
        replace(pki.client, certificate=tmp_path / "none.pem").tls(pki.ca_file),
        pki.client.tls(tmp_path / "none.pem"),
    ):
        with pytest.raises(ConfigurationError) as e:
            client_context(tls)
        assert e.value.code == "TLS_FILES"


def test_proxies_of_the_machine_are_ignored(
    server: FakeHttpServer, transport: HttpsTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert transport.post(server.url, b"x", {}).body == b"x"


def test_answers_are_bounded(
    server: FakeHttpServer, transport: HttpsTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sunes_sdk.transport.https.MAX_RESPONSE_BYTES", 1000)
    error = failure(transport, server.url, b"x" * 2000)
    assert (error.code, error.sent) == ("ANSWER_TOO_BIG", "maybe")


def test_a_closed_transport_sends_nothing(server: FakeHttpServer, transport: HttpsTransport) -> None:
    transport.post(server.url + "/", b"x", {})
    transport.close()
    transport.close()
    error = failure(transport, server.url + "/")
    assert (error.code, error.sent, error.retry.kind) == ("CLIENT_CLOSED", "no", RetryKind.NEVER)
    assert error.hint_fr
    assert len(handled) == 1
