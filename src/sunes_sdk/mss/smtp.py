"""SMTP submission to the MSSanté operator: STARTTLS, client certificate, and a clear answer to "did it leave?".

Rules: RFC 5321, RFC 3207 (STARTTLS), RFC 1870 (SIZE), RFC 3461 (DSN). The operator's own interface text ("API LPS")
is not public: ports and extensions are settings or are read from EHLO.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from .._core.clock import Clock, SystemClock, monotonic
from .._core.errors import TransportError
from .._core.retry import RetryAdvice
from ..security.keys import check_dates, load_certificates
from ..settings import MssSettings
from ..transport import client_context
from ..transport.seam import closed

TLS12_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""AEAD with forward secrecy. The official list was not found (unverified); TLS 1.3 suites are all of this kind."""
IDLE_SECONDS = 20.0
MESSAGES_PER_CONNECTION = 100
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s|$)", re.ASCII)
_XTEXT = re.compile(r"[^!-*,-<>-~]", re.ASCII)

Stage = Literal["CONNECT", "EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", "END"]
"""Which command the reply answers; `END` is the reply to the final dot."""


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """The reply that decided. code: 250 or the refusal; enhanced: RFC 3463 code, may be empty.

    The server's text is not kept: it often repeats the recipient's address.
    """

    code: int
    enhanced: str
    stage: Stage

    @property
    def accepted(self) -> bool:
        return self.stage == "END" and 200 <= self.code < 300

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """envelope_id comes back in delivery receipts (ENVID)."""

    sender: str
    recipient: str = field(repr=False)
    envelope_id: str


class SmtpSubmission:
    """The way out of one mailbox. Thread-safe: one connection per thread, kept open between messages.

    Raises what `client_context` raises: ConfigurationError `TLS_FILES`, CertificateError.
    """

    def __init__(self, settings: MssSettings, *, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._context = client_context(settings.tls, clock=self._clock)
        self._context.set_ciphers(TLS12_CIPHERS)
        self._certificate = load_certificates(settings.tls.certificate)[0]
        self._local = threading.local()
        self._open: set[_Connection] = set()
        self._lock = threading.Lock()
        self._closed = False

    def check_certificate(self) -> None:
        """Raises CertificateError `CERTIFICATE_EXPIRED` or `CERTIFICATE_NOT_YET_VALID` as of now."""
        check_dates(self._certificate, self._clock.now(), path="mss.tls.certificate")

    def submit(
        self, envelope: Envelope, message: bytes, *, on_sent: Callable[[bytes], None] | None = None
    ) -> SmtpReply:
        """Hand one message over. Returns the deciding reply, a refusal included.

        `on_sent` is given the message as soon as its last byte has left, whatever the server then says.
        Raises CertificateError when our certificate is out of its dates: nothing leaves.
        Raises TransportError: `sent="no"` when the final dot has not left (the server must then drop what it got,
        RFC 5321 §4.1.1.4), `sent="maybe"` (`SMTP_REPLY_LOST`) when it has and no reply came.
        """
        if self._closed:
            raise closed()
        self.check_certificate()
        kept: _Connection | None = getattr(self._local, "connection", None)
        if kept is not None and kept.usable():
            try:
                return self._submit(kept, envelope, message, on_sent)
            except _Stale:
                pass  # closed by the server while idle, before it got anything of this message
        elif kept is not None:
            self._drop(kept)
        connection = self._connect()
        if isinstance(connection, SmtpReply):
            return connection
        try:
            return self._submit(connection, envelope, message, on_sent)
        except _Stale as e:
            raise _not_sent("the server closed the connection at MAIL") from e

    def close(self) -> None:
        """Later messages are refused (`CLIENT_CLOSED`)."""
        with self._lock:
            self._closed = True
            connections, self._open = self._open, set()
        for connection in connections:
            connection.quit()

    def _submit(
        self, connection: _Connection, envelope: Envelope, message: bytes, on_sent: Callable[[bytes], None] | None
    ) -> SmtpReply:
        try:
            reply = connection.submit(envelope, message, on_sent)
        except BaseException:
            self._drop(connection)
            raise
        if not reply.accepted and not connection.reset():
            self._drop(connection)
        return reply

    def _drop(self, connection: _Connection) -> None:
        connection.abandon()
        self._local.connection = None
        with self._lock:
            self._open.discard(connection)

    def _connect(self) -> _Connection | SmtpReply:
        connection = _connect(self._settings, self._context)
        if isinstance(connection, _Connection):
            self._local.connection = connection
            with self._lock:
                self._open.add(connection)
        return connection


class _Stale(Exception):
    """A kept connection was gone when MAIL was said."""


class _Connection:
    def __init__(self, smtp: smtplib.SMTP, final_reply_seconds: float) -> None:
        self._smtp = smtp
        self._final_reply_seconds = final_reply_seconds
        self._used = monotonic()
        self._count = 0

    def usable(self) -> bool:
        return monotonic() - self._used < IDLE_SECONDS and self._count < MESSAGES_PER_CONNECTION

    def submit(self, envelope: Envelope, message: bytes, on_sent: Callable[[bytes], None] | None) -> SmtpReply:
        smtp = self._smtp
        dsn = smtp.has_extn("dsn")
        self._count += 1
        mail_options = [f"SIZE={len(message)}"] if smtp.has_extn("size") else []
        rcpt_options = []
        if dsn:
            mail_options += ["RET=HDRS", f"ENVID={xtext(envelope.envelope_id)}"]
            rcpt_options = ["NOTIFY=SUCCESS,FAILURE,DELAY", f"ORCPT=rfc822;{xtext(envelope.recipient)}"]
        try:
            reply = _reply(smtp.mail(envelope.sender, mail_options), "MAIL")
        except (smtplib.SMTPServerDisconnected, OSError) as e:
            raise _Stale from e
        if reply.code == 421:
            raise _Stale
        if reply.code != 250:
            return reply
        try:
            reply = _reply(smtp.rcpt(envelope.recipient, rcpt_options), "RCPT")
            if reply.code not in (250, 251):
                return reply
            reply = _reply(smtp.docmd("DATA"), "DATA")
            if reply.code != 354:
                return reply
            smtp.send(stuffed(message))
        except (smtplib.SMTPServerDisconnected, OSError) as e:
            raise _not_sent("the connection was lost before the end of the message") from e
        return self._end(message, on_sent)

    def _end(self, message: bytes, on_sent: Callable[[bytes], None] | None) -> SmtpReply:
        """Send the final dot: from here on the server may have taken the message, whatever we see."""
        smtp = self._smtp
        try:
            smtp.send(b".\r\n")
            if on_sent is not None:
                on_sent(message)
            assert smtp.sock is not None
            timeout = smtp.sock.gettimeout()
            smtp.sock.settimeout(self._final_reply_seconds)
            reply = _reply(smtp.getreply(), "END")
            smtp.sock.settimeout(timeout)
        except (smtplib.SMTPException, OSError) as e:
            raise TransportError(
                "the connection was lost after the final dot: the message may have been accepted",
                sent="maybe", code="SMTP_REPLY_LOST", rule="RFC 5321 §4.2.5",
                hint="do not send again before knowing: look for the Message-ID, or wait for the delivery receipt",
                hint_fr="Envoi MSSanté incertain : ne pas renvoyer avant vérification.",
            ) from e  # fmt: skip
        self._used = monotonic()
        return reply

    def reset(self) -> bool:
        """RSET after a refusal; False when the connection is to be dropped."""
        try:
            return self._smtp.rset()[0] == 250
        except (smtplib.SMTPException, OSError):
            return False

    def quit(self) -> None:
        with contextlib.suppress(smtplib.SMTPException, OSError):
            self._smtp.quit()
        self.abandon()

    def abandon(self) -> None:
        with contextlib.suppress(OSError):
            self._smtp.close()


def _connect(settings: MssSettings, context: ssl.SSLContext) -> _Connection | SmtpReply:
    greeting = settings.sender.rpartition("@")[2]  # the machine's own name would be looked up, and told
    try:
        smtp = smtplib.SMTP(
            settings.host, settings.port, local_hostname=greeting, timeout=settings.timeout_seconds
        )  # fmt: skip
    except smtplib.SMTPResponseException as e:
        return _reply((e.smtp_code, _bytes(e.smtp_error)), "CONNECT")
    except (smtplib.SMTPException, OSError) as e:
        raise _not_sent("cannot connect to the MSSanté operator", code="SMTP_CONNECT") from e
    try:
        assert smtp.sock is not None
        # Else the final dot, a small packet after a large one, waits 40 ms for an acknowledgement.
        smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        refusal = _secure(smtp, context)
    except BaseException:
        smtp.close()
        raise
    if refusal is not None:
        smtp.close()
        return refusal
    return _Connection(smtp, settings.final_reply_seconds)


def _secure(smtp: smtplib.SMTP, context: ssl.SSLContext) -> SmtpReply | None:
    try:
        reply = _reply(smtp.ehlo(), "EHLO")
        if reply.code != 250:
            return reply
        if not smtp.has_extn("starttls"):
            raise TransportError(
                "the server does not offer STARTTLS: nothing is sent in clear",
                sent="no", code="STARTTLS_MISSING", retry=RetryAdvice.never(), rule="MSSanté: TLS 1.2 or later",
                hint="check host and port (submission with STARTTLS, usually 587), and that nothing strips STARTTLS",
            )  # fmt: skip
        reply = _reply(smtp.starttls(context=context), "STARTTLS")
        if reply.code != 220:
            return reply
    except smtplib.SMTPResponseException as e:
        return _reply((e.smtp_code, _bytes(e.smtp_error)), "STARTTLS")
    except ssl.SSLCertVerificationError as e:
        raise TransportError(
            "the operator's certificate is not trusted",
            sent="no", code="TLS_SERVER_CERTIFICATE", retry=RetryAdvice.never(),
            rule="only IGC-Santé roots are trusted; the host name must match",
            hint="check ca_file, the host name, and the dates of the operator's certificate",
        ) from e  # fmt: skip
    except ssl.SSLError as e:
        if _is_certificate_alert(e):
            raise _client_certificate_refused(certain=True) from e
        raise TransportError(
            "the TLS handshake failed",
            sent="no", code="TLS_HANDSHAKE", retry=RetryAdvice.never(),
            hint="check that both sides share TLS 1.2 or later, and our client certificate",
        ) from e  # fmt: skip
    except (smtplib.SMTPException, OSError) as e:
        raise _not_sent("the connection was lost before STARTTLS was done") from e
    # With TLS 1.3 the server judges our certificate after our handshake has succeeded: it shows here, as an alert, as a
    # reply (Postfix: 421 4.7.1) or as a plain disconnection.
    try:
        reply = _reply(smtp.ehlo(), "EHLO")
    except (smtplib.SMTPException, OSError) as e:
        raise _client_certificate_refused(certain=_is_certificate_alert(e)) from e
    if reply.code != 250 and reply.enhanced[1:3] == ".7":  # RFC 3463: security or policy
        raise _client_certificate_refused(certain=True)
    return None if reply.code == 250 else reply


_ALERTS = re.compile(r"certificate|unknown.ca|access.denied", re.IGNORECASE)


def _is_certificate_alert(error: BaseException) -> bool:
    """True when TLS itself says that our certificate is refused; smtplib wraps that in a disconnection."""
    return "ALERT" in str(error).upper() and _ALERTS.search(str(error)) is not None


def _client_certificate_refused(*, certain: bool) -> TransportError:
    what = "the server refuses" if certain else "the server closed right after TLS: it probably refuses"
    return TransportError(
        f"{what} our client certificate",
        sent="no", code="TLS_CLIENT_CERTIFICATE",
        # A plain disconnection may also be a network cut: worth another try, later.
        retry=RetryAdvice.never() if certain else RetryAdvice.after(300),
        rule="MSSanté: client certificate of IGC-Santé, ORG AUTH_CLI",
        hint="check the dates and the issuer of tls.certificate, that the chain holds the intermediate, and that the "
        "operator has linked the certificate to the mailbox",
        hint_fr="L'opérateur MSSanté refuse notre certificat : prévenez l'administrateur.",
    )  # fmt: skip


def _not_sent(message: str, *, code: str = "SMTP_NOT_SENT") -> TransportError:
    return TransportError(message, sent="no", code=code, hint="nothing was accepted: try again later")


def _reply(answer: tuple[int, bytes], stage: Stage) -> SmtpReply:
    code, text = answer
    if code == -1:  # smtplib's mark of an unreadable answer
        raise smtplib.SMTPServerDisconnected("unreadable answer")
    m = _ENHANCED.match(text.decode("ascii", "replace"))
    return SmtpReply(code, m[1] if m else "", stage)


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")


def stuffed(message: bytes) -> bytes:
    """The message with its leading dots doubled (RFC 5321 §4.5.2)."""
    if message.startswith(b"."):
        message = b"." + message
    return message.replace(b"\r\n.", b"\r\n..") if b"\r\n." in message else message


def xtext(text: str) -> str:
    """RFC 3461 §4: printable ASCII but `+` and `=`, the rest as `+XX`."""
    return _XTEXT.sub(lambda m: f"+{ord(m.group()):02X}", text)
