"""HTTPS with mutual TLS: explicit roots, client certificate, kept-alive connections shared by threads.

Sockets, the TLS of OpenSSL, and llhttp for what is answered: no HTTP library, whose own objects cost ten times more.
"""

from __future__ import annotations

import base64
import logging
import re
import socket
import ssl
import threading
import weakref
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from .._core.clock import Clock, SystemClock, monotonic
from .._core.errors import ConfigurationError, ModelError, SunesError, TransportError
from .._core.retry import RetryAdvice
from ..security.files import WatchedFiles
from ..security.keys import CertificateUsage, check_certificate_file, check_renewal
from ..settings import TlsSettings
from .http_answer import HttpAnswer, transport_error
from .mtom import WHOLE_BYTES
from .seam import Body, HttpResponse, closed, in_pieces

_log = logging.getLogger("sunes_sdk.transport")

MAX_RESPONSE_BYTES = 60_000_000
"""Of an answer, once it is decompressed."""
_RECEIVED_BYTES: Final = 65_536
"""More than a record of TLS holds: none is read in part."""
_SENT_BYTES: Final = 262_144
"""What one wait to send is for."""
_MAX_IDLE: Final = 32
"""Connections kept to one host and port."""
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 §5.6.2
_HEADER_VALUE = re.compile(r"[\x01-\x09\x0b\x0c\x0e-\xff]*")  # no CR, LF, NUL: RFC 9110 §5.5
_TARGET: Final = "%/?:@!$&'()*+,;=~"
_OUR_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "user-agent"})


def client_context(tls: TlsSettings, *, clock: Clock | None = None) -> ssl.SSLContext:
    """A TLS 1.2+ client context that trusts `tls.ca_file` only and presents the client certificate.

    The certificate's dates and usage are checked first: a wrong one is refused here, not by the peer.
    Raises ConfigurationError `TLS_FILES` when a file is absent or unreadable, CertificateError
    (`CERTIFICATE_EXPIRED`, `CERTIFICATE_NOT_YET_VALID`, `CERTIFICATE_USAGE`).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies host names and requires a certificate
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=str(tls.ca_file))
        context.load_cert_chain(str(tls.certificate), str(tls.key), password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as e:
        raise ConfigurationError(
            f"cannot load the TLS files: {e.__class__.__name__}",
            code="TLS_FILES",
            path="tls",
            hint="check ca_file, certificate and key: PEM, readable, and the key belongs to the certificate",
        ) from None
    check_certificate_file(tls.certificate, clock=clock, usage=CertificateUsage.TLS_CLIENT)
    return context


def _no_password() -> str:
    """Without this, OpenSSL would ask the terminal for the password of an encrypted key."""
    raise ValueError("the key is encrypted")


class _Address(NamedTuple):
    """host: in ASCII, without brackets; name: that its certificate must have; start: of each request there."""

    host: str
    port: int
    name: str
    start: str


class _Call:
    """The bounds of one call, in seconds. wait: of one wait; connecting: of a connection, then of its handshake."""

    __slots__ = ("_deadline", "_wait", "connecting")

    def __init__(self, *, wait: float, connecting: float, total: float) -> None:
        self._wait, self.connecting = wait, connecting
        self._deadline = monotonic() + total

    def bound(self, sock: socket.socket, wait: float | None = None) -> None:
        """The next operation on the socket ends in time. Raises TimeoutError."""
        seconds = self.seconds(self._wait if wait is None else wait)
        if sock.gettimeout() != seconds:
            sock.settimeout(seconds)

    def seconds(self, wait: float) -> float:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the call lasts too long")
        return min(left, wait)


class _Connection:
    """To one host and port. answered: bytes of an answer came by it."""

    __slots__ = ("answered", "socket")

    def __init__(self, tls: ssl.SSLSocket) -> None:
        self.socket = tls
        self.answered = False

    def is_silent(self) -> bool:
        """Whether nothing came since the last answer: neither its end nor bytes that nobody asked for."""
        self.socket.settimeout(0)
        try:
            socket.socket.recv(self.socket, 1, socket.MSG_PEEK)  # what the network holds, not what TLS makes of it
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def exchange(self, head: bytes, body: Iterable[bytes], call: _Call) -> HttpAnswer:
        """Raises OSError, TransportError."""
        try:
            self._send(head, body, call)
            whole = True
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            whole = False  # it may have said why before it closed
        answer = HttpAnswer(limit=MAX_RESPONSE_BYTES)
        try:
            while not answer.complete:
                call.bound(self.socket)
                data = self.socket.recv(_RECEIVED_BYTES)
                if data:
                    self.answered = True
                    answer.feed(data)
                else:
                    answer.end()
        finally:
            answer.close()
        answer.reusable &= whole
        return answer

    def _send(self, head: bytes, body: Iterable[bytes], call: _Call) -> None:
        """The head leaves with the first piece of a small body: one record instead of two."""
        for piece in body:
            if head and len(piece) >= WHOLE_BYTES:
                self._send_piece(head, call)
                head = b""
            self._send_piece(head + piece if head else piece, call)
            head = b""
        if head:
            self._send_piece(head, call)

    def _send_piece(self, piece: bytes, call: _Call) -> None:
        if len(piece) <= _SENT_BYTES:
            call.bound(self.socket)
            self.socket.sendall(piece)
            return
        with memoryview(piece) as view:
            for start in range(0, len(piece), _SENT_BYTES):
                call.bound(self.socket)
                self.socket.sendall(view[start : start + _SENT_BYTES])

    def close(self) -> None:
        self.socket.close()


class _Pools:
    """Kept-alive connections under one certificate, the last used first."""

    def __init__(self, tls: TlsSettings, clock: Clock) -> None:
        self.context = client_context(tls, clock=clock)
        self.context.set_alpn_protocols(["http/1.1"])
        self.certificate = check_certificate_file(tls.certificate, clock=clock)
        self._tls = tls
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, int], list[_Connection]] = {}
        self._keeps = True
        self._close_idle = weakref.finalize(self, _close_all, self._idle)

    def take(self, address: _Address, call: _Call) -> _Connection:
        """A connection for this call alone. Raises TransportError, all `sent="no"`."""
        while True:
            with self._lock:
                idle = self._idle.get(address[:2])
                if not idle:
                    break
                connection = idle.pop()
            if connection.is_silent():
                return connection
            connection.close()
        return self._open(address, call)

    def keep(self, address: _Address, connection: _Connection) -> None:
        with self._lock:
            idle = self._idle.setdefault(address[:2], [])
            if self._keeps and len(idle) < _MAX_IDLE:
                idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Connections in use close after their call."""
        with self._lock:
            self._keeps = False
            self._close_idle()

    def _open(self, address: _Address, call: _Call) -> _Connection:
        _log.debug("a connection to %s port %d", address.host, address.port)
        try:
            plain = self._plain(address, call)
            try:
                call.bound(plain, call.connecting)
                return _Connection(self.context.wrap_socket(plain, server_hostname=address.name))
            except BaseException:
                plain.close()
                raise
        except ssl.SSLError as e:
            raise _handshake_failed(e) from None
        except TimeoutError:
            raise transport_error("the connection timed out", "no", "CONNECT_TIMEOUT") from None
        except OSError:
            raise transport_error("the connection failed", "no", "CONNECTION") from None

    def _plain(self, address: _Address, call: _Call) -> socket.socket:
        """Raises OSError, TransportError `PROXY`."""
        if self._tls.proxy is None:
            return _connect(address.host, address.port, call)
        proxy = urlsplit(self._tls.proxy)
        try:
            plain = _connect(proxy.hostname or "", proxy.port or 0, call)
            try:
                _tunnel(plain, address, self._tls.proxy_credentials, call)
            except BaseException:
                plain.close()
                raise
        except TimeoutError:
            raise
        except (OSError, TransportError):
            raise transport_error("the proxy refused the connection, or cannot be reached", "no", "PROXY") from None
        return plain


class HttpsTransport:
    """A `Transport` over mutual TLS. Never follows redirects, never reads proxies or credentials from the machine.

    timeout_seconds bounds each wait (to send, for the next bytes of an answer); `tls.connect_seconds` the connection to
    each address of the host, then the handshake; `tls.total_seconds` the whole call. The resolution of the name is the
    system's own.

    When the files of the certificate, of its key or of the authorities change they are loaded again, whole, before the
    next call; while they cannot be used (half-written, of two orders, expired, of another holder) the former go on.
    Raises what `client_context` raises.
    """

    def __init__(self, tls: TlsSettings, *, timeout_seconds: float = 30.0, clock: Clock | None = None) -> None:
        self._tls = tls
        self._clock = clock or SystemClock()
        self._wait = timeout_seconds
        self._watched = WatchedFiles((tls.certificate, tls.key, tls.ca_file))
        self._pools = _Pools(tls, self._clock)
        self._lock = threading.Lock()
        self._closed = False

    def _current(self) -> _Pools:
        expired = self._clock.now() > self._pools.certificate.not_valid_after_utc
        stamps = self._watched.stamps()
        # One thread loads; the others go on with the former pair meanwhile.
        if (expired or stamps != self._watched.seen) and self._lock.acquire(blocking=False):
            try:
                self._watched.seen = stamps
                renewed = _Pools(self._tls, self._clock)
                check_renewal(renewed.certificate, self._pools.certificate, path="tls")
                self._pools = renewed  # the former connections close with the last call that uses them
            except SunesError as e:
                if expired:
                    raise
                _log.warning("CERTIFICATE_NOT_RELOADED: the new TLS files are not used (%s)", e.code)
            finally:
                self._lock.release()
        return self._pools

    def post(self, url: str, body: Body, headers: Mapping[str, str]) -> HttpResponse:
        address = _address(url)
        if self._closed:
            raise closed()
        pieces = body if isinstance(body, tuple) else (body,)
        head = _head(address, headers, sum(map(len, pieces)))
        pools = self._current()
        call = _Call(
            wait=self._wait, connecting=min(self._tls.connect_seconds, self._wait), total=self._tls.total_seconds
        )
        connection = pools.take(address, call)
        try:
            answer = connection.exchange(head, in_pieces(pieces), call)
        except BaseException as e:
            connection.close()  # in the middle of a request or of an answer: of no use to the next call
            if isinstance(e, OSError):
                raise _lost(e, answered=connection.answered) from None
            raise
        if answer.reusable:
            pools.keep(address, connection)
        else:
            connection.close()
        return HttpResponse(answer.status, answer.headers, answer.body())

    def close(self) -> None:
        """Calls under way in other threads end as they would; later ones are refused (`CLIENT_CLOSED`)."""
        self._closed = True
        self._pools.close()


def _close_all(idle: Mapping[tuple[str, int], list[_Connection]]) -> None:
    for connections in idle.values():
        while connections:
            connections.pop().close()


def _connect(host: str, port: int, call: _Call) -> socket.socket:
    """Each address of the host is tried, within `connecting`."""
    plain = socket.create_connection((host, port), timeout=call.seconds(call.connecting))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return plain


def _tunnel(proxy: socket.socket, address: _Address, credentials: SecretStr | None, call: _Call) -> None:
    """Raises OSError, TransportError."""
    where = f"{_bracketed(address.host)}:{address.port}"
    head = f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n"
    if credentials is not None:
        head += f"Proxy-Authorization: Basic {base64.b64encode(credentials.get_secret_value().encode()).decode()}\r\n"
    call.bound(proxy, call.connecting)
    proxy.sendall(f"{head}\r\n".encode("ascii"))
    answer = HttpAnswer(limit=_RECEIVED_BYTES)
    try:
        while not answer.begun:
            call.bound(proxy, call.connecting)
            data = proxy.recv(_RECEIVED_BYTES)
            if not data:
                raise ConnectionError("the proxy left")
            answer.feed(data)
    finally:
        answer.close()
    if not 200 <= answer.status < 300 or answer.body():
        raise ConnectionError("the proxy refused")


@lru_cache(maxsize=64)
def _address(url: str) -> _Address:
    refusal = ConfigurationError("the address holds credentials, a fragment, a blank or an impossible host or port",
                                 code="URL_FORM", path="url",
                                 hint="give https://host/path only: the certificate is the credential")  # fmt: skip
    try:
        parts = urlsplit(url)
        port = parts.port or 443
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError:
        raise refusal from None
    if parts.scheme != "https" or not host.strip("."):
        raise ConfigurationError("only https:// addresses are used", code="TLS_REQUIRED", path="url",
                                 hint="health data never travels in clear: give an https:// address")  # fmt: skip
    if parts.username is not None or parts.fragment or any(c.isspace() or not c.isprintable() for c in url):
        raise refusal
    name = host.rstrip(".")
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_TARGET)
    where = _bracketed(name) if port == 443 else f"{_bracketed(name)}:{port}"
    start = f"POST {target} HTTP/1.1\r\nHost: {where}\r\nUser-Agent: sunes-sdk\r\nAccept-Encoding: identity\r\n"
    return _Address(host, port, name, start)


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def _head(address: _Address, headers: Mapping[str, str], length: int) -> bytes:
    """Raises ModelError `HEADER_FORM`."""
    lines = [address.start]
    for name, value in headers.items():
        if (
            name.lower() in _OUR_HEADERS
            or _HEADER_NAME.fullmatch(name) is None
            or _HEADER_VALUE.fullmatch(value) is None
        ):
            raise ModelError(
                "a header has a name or a value that no HTTP header has, or is written by the transport",
                code="HEADER_FORM", path="headers", rule="RFC 9110 §5.1, §5.5",
                hint="give a token as name, and one line of Latin-1 as value",
            )  # fmt: skip
        lines.append(f"{name}: {value}\r\n")
    lines.append(f"Content-Length: {length}\r\n\r\n")
    return "".join(lines).encode("latin-1")


def _handshake_failed(error: ssl.SSLError) -> TransportError:
    return TransportError(
        f"the TLS handshake failed ({error.reason or type(error).__name__})",
        sent="no",
        code="TLS_HANDSHAKE",
        retry=RetryAdvice.never(),
        hint="check the server's certificate and host name, our client certificate, and ca_file",
        hint_fr="Connexion sécurisée refusée : certificat à vérifier avec le service informatique.",
    )


def _lost(error: OSError, *, answered: bool) -> TransportError:
    """What became of a request that had begun to leave."""
    if isinstance(error, ssl.SSLError) and not answered and _is_certificate_alert(error):
        return _handshake_failed(error)
    if isinstance(error, TimeoutError):
        return transport_error("no answer in time", "maybe", "READ_TIMEOUT")
    return transport_error("the connection was lost", "maybe", "CONNECTION_LOST")


def _is_certificate_alert(error: ssl.SSLError) -> bool:
    """In TLS 1.3 a server refuses the client's certificate after the client believes the handshake done: the alert
    comes at the first read, and the request was never handed to the service."""
    reason = error.reason or ""
    return "ALERT" in reason and any(
        word in reason for word in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE")
    )
