"""HTTPS with mutual TLS: explicit roots, client certificate, kept-alive connections shared by threads.

Over urllib3 rather than requests: the same pools, half the CPU time per call.
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlsplit

import urllib3
import urllib3.exceptions
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from .._core.clock import Clock, SystemClock, monotonic
from .._core.errors import ConfigurationError, SunesError, TransportError
from .._core.retry import RetryAdvice
from ..security.files import WatchedFiles
from ..security.keys import CertificateUsage, check_certificate_file
from ..settings import TlsSettings
from .mtom import WHOLE_BYTES
from .seam import Body, HttpResponse, closed, in_pieces

_log = logging.getLogger("sunes_sdk.transport")

MAX_RESPONSE_BYTES = 60_000_000
"""Of an answer, once it is decompressed."""
_FRAMING_BYTES = 1_000_000
"""What may come beside a body: headers, sizes of chunks."""
_CHUNK = 1 << 16


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


class _Call(threading.local):
    """The call that a thread is making. Every byte it sends and receives passes by here, whatever parses them.

    sending: its request has begun to leave; wait: seconds of one wait; deadline: of the whole call (monotonic);
    left: bytes that may still come.
    """

    sending = False
    wait = 30.0
    deadline = float("inf")
    left: float = float("inf")

    def start(self, *, wait: float, total: float) -> None:
        self.sending = False
        self.wait, self.deadline = wait, monotonic() + total
        self.left = MAX_RESPONSE_BYTES + _FRAMING_BYTES

    def seconds(self) -> float:
        """How long the next read or write may last. Raises TimeoutError."""
        left = self.deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the call lasts too long")
        return min(left, self.wait)

    def received(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise _TooBig


class _TooBig(OSError):
    """More bytes came than an answer may hold."""


_CALL = _Call()


class _TlsSocket(ssl.SSLSocket):
    """Bounds each read and write, one byte a second included."""

    def recv_into(self, *args: Any) -> int:
        self.settimeout(_CALL.seconds())
        count = super().recv_into(*args)
        _CALL.received(count)
        return count

    def send(self, data: Any, flags: int = 0) -> int:
        self.settimeout(_CALL.seconds())
        return super().send(data, flags)


class _ProxySocket(socket.socket):
    """The same, for what a proxy says before the TLS begins."""

    def recv_into(self, *args: Any) -> int:
        self.settimeout(min(_CALL.seconds(), self.gettimeout() or _CALL.wait))
        count = super().recv_into(*args)
        _CALL.received(count)
        return count


class _Connection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        plain = super()._new_conn()
        if self.proxy is None:
            return plain
        bounded = _ProxySocket(fileno=plain.detach())
        bounded.settimeout(self.timeout)
        return bounded

    _holding = False
    _head = b""

    def request(self, *args: Any, **kwargs: Any) -> None:
        _CALL.sending = True  # urllib3 has connected and shaken hands by now
        self._holding, self._head = False, b""
        super().request(*args, **kwargs)
        if self._head:
            self.send(b"")

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        self._holding = True
        super().endheaders(*args, **kwargs)
        self._holding = False

    def send(self, data: Any) -> None:
        """The head leaves with the first piece of a small body: one record instead of two."""
        if self._holding:
            self._head = data
            return
        head, self._head = self._head, b""
        if head and len(data) < WHOLE_BYTES:
            data, head = head + data, b""
        if head:
            super().send(head)
        super().send(data)

    def getresponse(self) -> Any:
        sock = self.sock
        try:
            return super().getresponse()
        except BaseException:
            # Headers that urllib3 refuses leave a half-made answer that would keep the socket open.
            if sock is not None and (descriptor := sock.detach()) >= 0:
                socket.close(descriptor)
            raise


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


class _Pools:
    """Kept-alive connections under one certificate."""

    def __init__(self, tls: TlsSettings, clock: Clock, timeout: urllib3.Timeout) -> None:
        context = client_context(tls, clock=clock)
        context.sslsocket_class = _TlsSocket
        self.context = context
        self.certificate = check_certificate_file(tls.certificate, clock=clock)
        self.not_after = self.certificate.not_valid_after_utc
        options: dict[str, Any] = {
            "num_pools": 32, "maxsize": 32, "retries": False, "timeout": timeout, "ssl_context": context
        }  # fmt: skip
        if tls.proxy is None:
            self._manager = urllib3.PoolManager(**options)
        else:
            secret = tls.proxy_credentials
            headers = urllib3.make_headers(proxy_basic_auth=secret.get_secret_value()) if secret else None
            self._manager = urllib3.ProxyManager(tls.proxy, proxy_headers=headers, **options)
        self._manager.pool_classes_by_scheme = {"https": _Pool, "http": urllib3.HTTPConnectionPool}
        self._of: dict[tuple[str, int], urllib3.HTTPConnectionPool] = {}

    def of(self, host: str, port: int) -> urllib3.HTTPConnectionPool:
        pool = self._of.get((host, port))
        if pool is None:
            pool = self._of[host, port] = self._manager.connection_from_host(host, port, "https")
        return pool

    def close(self) -> None:
        self._of.clear()
        self._manager.clear()


class HttpsTransport:
    """A `Transport` over mutual TLS. Never follows redirects, never reads proxies or credentials from the machine.

    timeout_seconds bounds each wait (to send, for the next bytes of an answer); `tls.connect_seconds` the connection to
    each address of the host, then the handshake; `tls.total_seconds` the whole call. The resolution of the name is the
    system's own.

    When the files of the certificate, of its key or of the authorities change they are loaded again, whole, before the
    next call; while they cannot be used (half-written, of two orders, expired) the former go on.
    Raises what `client_context` raises.
    """

    def __init__(self, tls: TlsSettings, *, timeout_seconds: float = 30.0, clock: Clock | None = None) -> None:
        self._tls = tls
        self._clock = clock or SystemClock()
        self._wait = timeout_seconds
        self._timeout = urllib3.Timeout(connect=min(tls.connect_seconds, timeout_seconds), read=timeout_seconds)
        self._watched = WatchedFiles((tls.certificate, tls.key, tls.ca_file))
        self._pools = _Pools(tls, self._clock, self._timeout)
        self._lock = threading.Lock()
        self._closed = False

    def _current(self) -> _Pools:
        expired = self._clock.now() > self._pools.not_after
        stamps = self._watched.stamps()
        # One thread loads; the others go on with the former pair meanwhile.
        if (expired or stamps != self._watched.seen) and self._lock.acquire(blocking=False):
            try:
                self._watched.seen = stamps
                # The former connections close with the last call that uses them.
                self._pools = _Pools(self._tls, self._clock, self._timeout)
            except SunesError as e:
                if expired:
                    raise
                _log.warning("CERTIFICATE_NOT_RELOADED: the new TLS files are not used (%s)", e.code)
            finally:
                self._lock.release()
        return self._pools

    def post(self, url: str, body: Body, headers: Mapping[str, str]) -> HttpResponse:
        host, port, target = _split(url)
        if self._closed:
            raise closed()
        pool = self._current().of(host, port)
        sent = dict(headers)
        wire: bytes | Iterator[bytes]
        if isinstance(body, tuple):
            sent["Content-Length"] = str(sum(map(len, body)))
            wire = in_pieces(body)
        else:
            wire = body
        _CALL.start(wait=self._wait, total=self._tls.total_seconds)
        try:
            response = pool.urlopen("POST", target, body=wire, headers=sent, redirect=False, preload_content=False)
            try:
                content = _read(response)
            except BaseException:
                response.close()  # its connection is in the middle of an answer: of no use to the next call
                raise
            response.release_conn()
            return HttpResponse(response.status, {k.lower(): v for k, v in response.headers.items()}, content)
        except (urllib3.exceptions.HTTPError, OSError) as e:
            raise _failure(e, sending=_CALL.sending) from None

    def close(self) -> None:
        """Calls under way in other threads end as they would; later ones are refused (`CLIENT_CLOSED`)."""
        self._closed = True
        self._pools.close()


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    """The whole body, decompressed here: a few bytes of gzip can stand for gigabytes."""
    if _number(response.headers.get("content-length", "")) > MAX_RESPONSE_BYTES:
        raise _TooBig
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise _error("the answer has an encoding that was not asked for", "maybe", "ANSWER_ENCODING")
    inflater = None if encoding == "identity" else zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    pieces: list[bytes] = []
    left = MAX_RESPONSE_BYTES
    try:
        while chunk := response.read(_CHUNK, decode_content=False):
            if inflater is not None:
                chunk = inflater.decompress(chunk, left + 1)
                if inflater.unused_data:
                    raise ValueError("bytes after the end of gzip")
            pieces.append(chunk)
            left -= len(chunk)
            if left < 0:
                raise _TooBig
            if response.length_remaining == 0:
                break  # as long as it said: reading once more would only say so again
    except (zlib.error, ValueError):  # http.client lets sizes of chunks below zero through
        raise _error("the answer is malformed", "maybe", "ANSWER_MALFORMED") from None
    if inflater is not None and not inflater.eof:
        raise _error("the answer was cut", "maybe", "ANSWER_TRUNCATED")
    return b"".join(pieces)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


@lru_cache(maxsize=64)
def _split(url: str) -> tuple[str, int, str]:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ConfigurationError("only https:// addresses are used", code="TLS_REQUIRED", path="url",
                                 hint="health data never travels in clear: give an https:// address")  # fmt: skip
    if parts.username is not None or parts.fragment or any(map(str.isspace, url)):
        raise ConfigurationError("the address holds credentials, a fragment or a blank", code="URL_FORM", path="url",
                                 hint="give https://host/path only: the certificate is the credential")  # fmt: skip
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname, parts.port or 443, target


def _failure(error: Exception, *, sending: bool) -> TransportError:
    causes = list(_causes(error))
    tls = next((c for c in causes if isinstance(c, ssl.SSLError)), None)
    if tls is not None and (not sending or _is_certificate_alert(tls)):
        return TransportError(
            f"the TLS handshake failed ({tls.reason or type(tls).__name__})",
            sent="no",
            code="TLS_HANDSHAKE",
            retry=RetryAdvice.never(),
            hint="check the server's certificate and host name, our client certificate, and ca_file",
            hint_fr="Connexion sécurisée refusée : certificat à vérifier avec le service informatique.",
        )
    if any(isinstance(c, _TooBig) for c in causes):
        return _error(f"the answer is over {MAX_RESPONSE_BYTES} bytes", "maybe", "ANSWER_TOO_BIG")
    # urllib3 makes NewConnectionError (refused, unknown name) a kind of time-out.
    timed_out = any(
        isinstance(c, urllib3.exceptions.TimeoutError | TimeoutError)
        and not isinstance(c, urllib3.exceptions.NewConnectionError)
        for c in causes
    )
    if not sending:
        if timed_out:
            return _error("the connection timed out", "no", "CONNECT_TIMEOUT")
        if any(isinstance(c, urllib3.exceptions.ProxyError) for c in causes):
            return _error("the proxy refused the connection, or cannot be reached", "no", "PROXY")
        return _error("the connection failed", "no", "CONNECTION")
    if timed_out:
        return _error("no answer in time", "maybe", "READ_TIMEOUT")
    if any(isinstance(c, http.client.IncompleteRead) for c in causes):
        return _error("the answer was cut", "maybe", "ANSWER_TRUNCATED")
    if any(isinstance(c, http.client.HTTPException) and not isinstance(c, ConnectionError) for c in causes):
        return _error("the answer is malformed", "maybe", "ANSWER_MALFORMED")
    return _error("the connection was lost", "maybe", "CONNECTION_LOST")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exceptions inside an exception: urllib3 nests them in args, reason, cause and context."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        current = todo.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        todo += [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]


def _is_certificate_alert(error: ssl.SSLError) -> bool:
    """In TLS 1.3 a server refuses the client's certificate after the client believes the handshake done: the alert
    comes at the first read, and the request was never handed to the service."""
    reason = error.reason or ""
    return "ALERT" in reason and any(
        word in reason for word in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE")
    )


def _error(message: str, sent: Literal["no", "maybe"], code: str) -> TransportError:
    return TransportError(
        message,
        sent=sent,
        code=code,
        hint="check the network, then retry as .retry says",
        hint_fr="Le service ne répond pas : rien n'a été envoyé, recommencer plus tard."
        if sent == "no"
        else "Réponse perdue : vérifier ce que le service a reçu avant de recommencer.",
    )
