"""HTTPS with mutual TLS over requests: explicit roots, client certificate, one session per thread."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from .._core.errors import ConfigurationError, TransportError
from .._core.retry import RetryAdvice
from ..settings import TlsSettings
from .seam import HttpResponse

MAX_RESPONSE_BYTES = 60_000_000


def client_context(tls: TlsSettings) -> ssl.SSLContext:
    """A TLS 1.2+ client context that trusts `tls.ca_file` only and presents the client certificate.

    Raises ConfigurationError `TLS_FILES` when a file is absent or unreadable.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies host names and requires a certificate
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=str(tls.ca_file))
        context.load_cert_chain(str(tls.certificate), str(tls.key))
    except (OSError, ssl.SSLError) as e:
        raise ConfigurationError(
            f"cannot load the TLS files: {e.__class__.__name__}",
            code="TLS_FILES",
            path="tls",
            hint="check ca_file, certificate and key: PEM, readable, and the key belongs to the certificate",
        ) from e
    return context


class _ContextAdapter(HTTPAdapter):
    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)


class HttpsTransport:
    """A `Transport` over mutual TLS. Never follows redirects, never reads proxies or credentials from the machine."""

    def __init__(self, tls: TlsSettings, *, timeout_seconds: float = 30.0) -> None:
        self._context = client_context(tls)
        self._timeout = timeout_seconds
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False
            session.headers.clear()
            session.mount("https://", _ContextAdapter(self._context))
            session.adapters.pop("http://", None)
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        if not url.startswith("https://"):
            raise ConfigurationError("only https:// addresses are used", code="TLS_REQUIRED", path="url")
        try:
            with self._session().post(
                url, data=body, headers=dict(headers), timeout=self._timeout, allow_redirects=False, stream=True
            ) as response:
                content = response.raw.read(MAX_RESPONSE_BYTES + 1, decode_content=True)
                if len(content) > MAX_RESPONSE_BYTES:
                    raise TransportError(
                        f"the answer is over {MAX_RESPONSE_BYTES} bytes", sent="maybe", code="ANSWER_TOO_BIG"
                    )
                expected = response.headers.get("content-length", "")
                plain = "content-encoding" not in response.headers
                if plain and expected.isdigit() and len(content) < int(expected):
                    raise TransportError("the answer was cut", sent="maybe", code="ANSWER_TRUNCATED")
                return HttpResponse(response.status_code, {k.lower(): v for k, v in response.headers.items()}, content)
        except requests.exceptions.ConnectTimeout as e:
            raise _failed("the connection timed out", "no", "CONNECT_TIMEOUT") from e
        except requests.exceptions.SSLError as e:
            raise TransportError(
                "the TLS handshake failed",
                sent="no",
                code="TLS_HANDSHAKE",
                retry=RetryAdvice.never(),
                hint="check the server's certificate and host name, our client certificate's dates, and ca_file",
            ) from e
        except requests.exceptions.ConnectionError as e:
            never_left = "NewConnectionError" in repr(e) or "NameResolutionError" in repr(e)
            raise _failed("the connection failed", "no" if never_left else "maybe", "CONNECTION") from e
        except requests.exceptions.RequestException as e:
            raise _failed("the exchange failed", "maybe", "EXCHANGE") from e
        except (OSError, Exception) as e:
            if type(e).__module__.startswith("urllib3"):
                raise _failed("the answer was cut", "maybe", "ANSWER_TRUNCATED") from e
            raise

    def close(self) -> None:
        with self._lock:
            for session in self._sessions:
                session.close()
            self._sessions.clear()


def _failed(message: str, sent: Any, code: str) -> TransportError:
    return TransportError(message, sent=sent, code=code, hint="check the network, then retry as .retry says")
