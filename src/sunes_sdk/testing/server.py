"""The mutual-TLS HTTP server that the SOAP fakes stand on, with network faults on demand."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import responses
from io import BufferedIOBase
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import TracebackType
from typing import Any, Literal, Self

from cryptography import x509

from .pki import TestPki

MAX_REQUEST_BYTES = 60_000_000
Fault = Literal["cut_before", "cut_after", "reset", "truncate", "slow", "late"]
"""cut_before: the connection drops before the request is handled; cut_after: it is handled, then the connection drops
without an answer; reset: as cut_before, by a TCP reset; truncate: half of the answer; slow: answered after `seconds`;
late: handled after the client left."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    client: x509.Certificate | None
    """The certificate that the TLS client presented."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass
class _Planned:
    fault: Fault
    seconds: float
    left: int
    path: str


class FakeHttpServer:
    """Serves `handle(request) -> Answer` on 127.0.0.1 over TLS with required client certificates.

    An exception in `handle` is kept in `.failures` and answered 500: `close()` raises it, so that a test whose fake
    broke cannot pass.
    """

    def __init__(self, pki: TestPki, handle: Callable[[Request], Answer]) -> None:
        self._handle = handle
        self._faults: deque[_Planned] = deque()
        self._lock = threading.Lock()
        self.failures: list[Exception] = []
        self.connections = 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(pki.server.certificate, pki.server.key)
        context.load_verify_locations(pki.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
        self._server = _Server(("127.0.0.1", 0), _handler_class(self))
        self._server.context = context
        self._server.opened = self._opened
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def _opened(self) -> None:
        with self._lock:
            self.connections += 1

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.server_address[1]}"

    def plan(self, fault: Fault, *, times: int = 1, seconds: float = 0.0, path: str = "") -> None:
        """The next `times` requests whose path ends with `path` meet this fault."""
        with self._lock:
            self._faults.append(_Planned(fault, seconds, times, path))

    def next_fault(self, path: str) -> _Planned | None:
        with self._lock:
            planned = next((p for p in self._faults if path.endswith(p.path)), None)
            if planned is None:
                return None
            planned.left -= 1
            if planned.left <= 0:
                self._faults.remove(planned)
            return planned

    def answer(self, request: Request) -> Answer:
        try:
            return self._handle(request)
        except Exception as e:  # noqa: BLE001  a broken fake must fail the test, not the socket
            self.failures.append(e)
            return Answer(500, {"Content-Type": "text/plain"}, b"the fake server broke")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)
        if self.failures:
            raise self.failures[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    context: ssl.SSLContext
    opened: Callable[[], None]

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.opened()
        request.settimeout(30)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            tls = self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        except (ssl.SSLError, OSError):
            return
        try:
            tls.do_handshake()
        except (ssl.SSLError, OSError):
            _refuse(tls)  # a client without a trusted certificate: refused at the handshake, as the real server does
            return
        try:
            super().finish_request(tls, client_address)
        except (ssl.SSLError, OSError):
            return
        finally:
            with contextlib.suppress(OSError):
                tls.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        return


def _refuse(tls: ssl.SSLSocket) -> None:
    """Lingering close, as real servers do: closing with unread bytes would reset the connection and lose the alert."""
    with contextlib.suppress(OSError):
        tls.settimeout(0.5)
        socket.socket.shutdown(tls, socket.SHUT_WR)
        while socket.socket.recv(tls, 65536):
            pass
    tls.close()


def _handler_class(owner: FakeHttpServer) -> type[StreamRequestHandler]:
    """Not that of http.server, which reads headers as a mail's: a tenth of what a checked request costs."""

    class Handler(StreamRequestHandler):
        def setup(self) -> None:
            super().setup()
            der = self.connection.getpeercert(binary_form=True)
            self.client = x509.load_der_x509_certificate(der) if der else None

        def handle(self) -> None:
            try:
                while (head := _read_head(self.rfile)) is not None and self._exchange(head):
                    pass
            except _Unreadable as e:
                self._send(Answer(e.status, {"Connection": "close"}, b""))

        def _exchange(self, head: _Head) -> bool:
            """Whether the connection goes on."""
            body = self.rfile.read(head.length)
            if len(body) < head.length:
                return False
            planned = owner.next_fault(head.path)
            fault = planned.fault if planned else None
            if fault == "cut_before":
                return self._cut()
            if fault == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                return False
            if planned and fault in ("slow", "late"):
                time.sleep(planned.seconds)
            answer = owner.answer(Request(head.path, head.headers, body, self.client))
            if fault == "cut_after":
                return self._cut()
            self._send(answer, half=fault == "truncate")
            return self._cut() if fault == "truncate" else head.keeps

        def _send(self, answer: Answer, *, half: bool = False) -> None:
            headers = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
            size, reason = len(answer.body), responses.get(answer.status, "")
            head = f"HTTP/1.1 {answer.status} {reason}\r\n{headers}Content-Length: {size}\r\n\r\n"
            self.wfile.write(head.encode("latin-1") + (answer.body[: size // 2] if half else answer.body))

        def _cut(self) -> bool:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return False

    return Handler


_MAX_LINE = 65_536
_MAX_HEADERS = 100


class _Unreadable(Exception):
    """A request that no answer but this status fits; the connection ends with it."""

    def __init__(self, status: int) -> None:
        self.status = status


@dataclass(frozen=True)
class _Head:
    path: str
    headers: Mapping[str, str]
    """Names in lower case; of a repeated one the last."""
    length: int
    keeps: bool
    """Whether the client keeps the connection."""


def _read_head(stream: BufferedIOBase) -> _Head | None:
    """The next request on a connection, None when it ended. Raises _Unreadable."""
    line = stream.readline(_MAX_LINE)
    if not line:
        return None
    words = line.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise _Unreadable(400)
    headers: dict[str, str] = {}
    for _ in range(_MAX_HEADERS):
        line = stream.readline(_MAX_LINE)
        if line in (b"\r\n", b"\n"):
            break
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise _Unreadable(400)
        headers[name.lower()] = value.strip()
    else:
        raise _Unreadable(431)
    length = headers.get("content-length", "")
    if words[0] != "POST":
        raise _Unreadable(405)
    if not (length.isascii() and length.isdecimal()):
        raise _Unreadable(411)
    if int(length) > MAX_REQUEST_BYTES:
        raise _Unreadable(413)
    keeps = words[2] == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    return _Head(words[1], headers, int(length), keeps)
