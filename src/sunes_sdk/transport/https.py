"""HTTPS with mutual TLS: explicit roots, client certificate, kept-alive connections shared by threads.

Over urllib3 rather than requests: the same pools, half the CPU time per call.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlsplit

import urllib3
import urllib3.exceptions
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from .._core.clock import Clock, SystemClock, monotonic
from .._core.errors import ConfigurationError, TransportError
from .._core.retry import RetryAdvice
from ..security.keys import CertificateUsage, check_certificate_file, check_dates
from ..settings import TlsSettings
from .seam import HttpResponse

MAX_RESPONSE_BYTES = 60_000_000
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


class HttpsTransport:
    """A `Transport` over mutual TLS. Never follows redirects, never reads proxies or credentials from the machine.

    timeout_seconds bounds each wait (connection, answer) and, twice over, the reading of a whole answer.
    Raises what `client_context` raises.
    """

    def __init__(self, tls: TlsSettings, *, timeout_seconds: float = 30.0, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._context = client_context(tls, clock=self._clock)
        self._certificate = check_certificate_file(tls.certificate, clock=self._clock)
        self._not_after = self._certificate.not_valid_after_utc
        self._timeout = urllib3.Timeout(connect=timeout_seconds, read=timeout_seconds)
        self._reading_seconds = 2 * timeout_seconds
        self._phase = threading.local()
        self._pool_class = _pool_class(self._phase)
        self._pools: dict[tuple[str, int], HTTPSConnectionPool] = {}
        self._lock = threading.Lock()

    def _pool(self, host: str, port: int) -> HTTPSConnectionPool:
        with self._lock:
            pool = self._pools.get((host, port))
            if pool is None:
                pool = self._pools[host, port] = self._pool_class(
                    host, port, timeout=self._timeout, maxsize=32, retries=False, ssl_context=self._context
                )
        return pool

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        host, port, target = _split(url)
        if self._clock.now() > self._not_after:
            check_dates(self._certificate, self._clock.now(), path="tls.certificate")
        pool = self._pool(host, port)
        self._phase.sending = False
        try:
            response = pool.urlopen(
                "POST", target, body=body, headers=dict(headers), redirect=False, preload_content=False
            )
            try:
                content = self._read(response)
            except BaseException:
                response.close()  # its connection is in the middle of an answer: of no use to the next call
                raise
            response.release_conn()
            return HttpResponse(response.status, {k.lower(): v for k, v in response.headers.items()}, content)
        except (urllib3.exceptions.HTTPError, OSError) as e:
            raise _failure(e, sending=self._phase.sending) from None

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        deadline = monotonic() + self._reading_seconds
        pieces: list[bytes] = []
        size = 0
        while chunk := response.read(_CHUNK, decode_content=True):
            pieces.append(chunk)
            size += len(chunk)
            if size > MAX_RESPONSE_BYTES:
                raise TransportError(
                    f"the answer is over {MAX_RESPONSE_BYTES} bytes", sent="maybe", code="ANSWER_TOO_BIG"
                )
            if monotonic() > deadline:
                raise _error("the answer comes too slowly", "maybe", "READ_TIMEOUT")
        expected = response.headers.get("content-length", "")
        if expected.isdigit() and "content-encoding" not in response.headers and size < int(expected):
            raise _error("the answer was cut", "maybe", "ANSWER_TRUNCATED")
        return b"".join(pieces)

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()


@lru_cache(maxsize=64)
def _split(url: str) -> tuple[str, int, str]:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ConfigurationError("only https:// addresses are used", code="TLS_REQUIRED", path="url",
                                 hint="health data never travels in clear: give an https:// address")  # fmt: skip
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname, parts.port or 443, target


def _pool_class(phase: threading.local) -> type[HTTPSConnectionPool]:
    """Pools whose connections note on `phase.sending` (of the calling thread) that a request begins to leave."""

    class Connection(HTTPSConnection):
        def request(self, *args: Any, **kwargs: Any) -> None:
            phase.sending = True  # urllib3 has connected and shaken hands by now
            super().request(*args, **kwargs)

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool


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
    # urllib3 makes NewConnectionError (refused, unknown name) a kind of time-out.
    timed_out = any(
        isinstance(c, urllib3.exceptions.TimeoutError | TimeoutError)
        and not isinstance(c, urllib3.exceptions.NewConnectionError)
        for c in causes
    )
    if not sending:
        return (
            _error("the connection timed out", "no", "CONNECT_TIMEOUT")
            if timed_out
            else _error("the connection failed", "no", "CONNECTION")
        )
    if timed_out:
        return _error("no answer in time", "maybe", "READ_TIMEOUT")
    if any(isinstance(c, urllib3.exceptions.IncompleteRead | urllib3.exceptions.DecodeError) for c in causes):
        return _error("the answer was cut", "maybe", "ANSWER_TRUNCATED")
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
        hint_fr="Le service ne répond pas : l'envoi sera repris."
        if sent == "no"
        else "Réponse perdue : l'état de l'envoi sera vérifié avant toute reprise.",
    )
