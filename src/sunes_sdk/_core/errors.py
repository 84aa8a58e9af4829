"""The error tree, ordered by what the caller can do next.

SunesError                        .code .path .rule .hint (English) .hint_fr
 ├ ConfigurationError             wrong environment, expired certificate, missing setting
 ├ ModelError (ValueError)        an impossible value, with its field path
 ├ ValidationError                a check found errors: .report
 │  ├ CdaError
 │  ├ MetadataError
 │  ├ InsError
 │  └ Hl7Error
 ├ SecurityError
 │  ├ CertificateError
 │  ├ SigningError
 │  ├ SignatureVerificationError
 │  └ XmlSecurityError            a document that a hardened parser must refuse
 ├ TransportError                 .sent "no" | "maybe", .retry
 ├ RemoteError                    .remote_code .remote_message .request_id .retry
 │  ├ SoapFault
 │  ├ DmpError
 │  ├ InsiError
 │  ├ MssError
 │  └ OutcomeUnknown              reconcile first, never a blind retry: .prepared
 └ OutboxError
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, Self

from .findings import Finding, Report
from .retry import RetryAdvice


class SunesError(Exception):
    """Base of everything this library raises on purpose.

    code: stable identifier; path: field, XPath or segment; rule: what must hold and its source;
    hint / hint_fr: what to do. None of them ever holds a secret, a matricule or a name.
    """

    default_code = "SUNES"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        path: str = "",
        rule: str = "",
        hint: str = "",
        hint_fr: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.path = path
        self.rule = rule
        self.hint = hint
        self.hint_fr = hint_fr

    def __str__(self) -> str:
        where = f" at {self.path}" if self.path else ""
        rule = f" [{self.rule}]" if self.rule else ""
        fix = f" Fix: {self.hint}" if self.hint else ""
        return f"{self.code}{where}: {self.message}{rule}{fix}"


class ConfigurationError(SunesError):
    default_code = "CONFIGURATION"


class ModelError(SunesError, ValueError):
    """A value that cannot exist. `.findings` lists every problem; the error shows the first one's place."""

    default_code = "MODEL"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        path: str = "",
        rule: str = "",
        hint: str = "",
        hint_fr: str = "",
        findings: tuple[Finding, ...] = (),
    ) -> None:
        super().__init__(message, code=code, path=path, rule=rule, hint=hint, hint_fr=hint_fr)
        self.findings = findings


class ValidationError(SunesError):
    """A check found errors. `.report` holds all of them."""

    default_code = "VALIDATION"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        path: str = "",
        rule: str = "",
        hint: str = "",
        hint_fr: str = "",
        report: Report | None = None,
    ) -> None:
        super().__init__(message, code=code, path=path, rule=rule, hint=hint, hint_fr=hint_fr)
        self.report = report or Report(
            (Finding(code=self.code, message=message, path=path, rule=rule, hint=hint, message_fr=hint_fr),)
        )

    @classmethod
    def from_report(cls, report: Report) -> Self:
        """The error for the first finding of severity error, carrying them all."""
        first, *others = report.errors
        more = f" (and {len(others)} more)" if others else ""
        return cls(
            first.message + more,
            code=first.code,
            path=first.path,
            rule="; ".join(filter(None, (first.rule, first.source))),
            hint=first.hint,
            hint_fr=first.message_fr,
            report=report,
        )


class CdaError(ValidationError):
    default_code = "CDA"


class MetadataError(ValidationError):
    default_code = "METADATA"


class InsError(ValidationError):
    default_code = "INS"


class Hl7Error(ValidationError):
    default_code = "HL7"


class SecurityError(SunesError):
    default_code = "SECURITY"


class CertificateError(SecurityError):
    default_code = "CERTIFICATE"


class SigningError(SecurityError):
    default_code = "SIGNING"


class SignatureVerificationError(SecurityError):
    default_code = "SIGNATURE"


class XmlSecurityError(SecurityError):
    default_code = "XML_REFUSED"


class TransportError(SunesError):
    """The network failed. `sent="no"`: no byte of the request left; `"maybe"`: the peer may have acted on it."""

    default_code = "TRANSPORT"

    def __init__(
        self,
        message: str,
        *,
        sent: Literal["no", "maybe"],
        retry: RetryAdvice | None = None,
        code: str | None = None,
        path: str = "",
        rule: str = "",
        hint: str = "",
        hint_fr: str = "",
    ) -> None:
        super().__init__(message, code=code, path=path, rule=rule, hint=hint, hint_fr=hint_fr)
        self.sent: Literal["no", "maybe"] = sent
        self.retry = retry or (RetryAdvice.safe() if sent == "no" else RetryAdvice.reconcile_first())

    def __reduce__(self) -> tuple[Any, ...]:
        """`sent` is needed to make one again: without this, a time-out in a worker process would break its pool."""
        return partial(type(self), sent=self.sent), self.args, self.__dict__


class RemoteError(SunesError):
    """The peer answered, and refused.

    remote_code / remote_message: as the peer gave them (they may hold personal data: kept out of `str()`). A code
    of the DMP that has not the form of one is `UNREADABLE`, and starts remote_message. request_id: our MessageID or
    SMTP Message-ID.
    """

    default_code = "REMOTE"

    def __init__(
        self,
        message: str,
        *,
        remote_code: str = "",
        remote_message: str = "",
        request_id: str = "",
        retry: RetryAdvice | None = None,
        code: str | None = None,
        path: str = "",
        rule: str = "",
        hint: str = "",
        hint_fr: str = "",
    ) -> None:
        super().__init__(message, code=code, path=path, rule=rule, hint=hint, hint_fr=hint_fr)
        self.remote_code = remote_code
        self.remote_message = remote_message
        self.request_id = request_id
        self.retry = retry or RetryAdvice.never()


class SoapFault(RemoteError):
    """soap_code: `Sender` or `Receiver` (SOAP 1.1: `Client`, `Server`); detail: the Detail element as XML, which may
    hold personal data."""

    default_code = "SOAP_FAULT"
    soap_code: str = ""
    detail: bytes = b""


class DmpError(RemoteError):
    default_code = "DMP"


class InsiError(RemoteError):
    default_code = "INSI"


class MssError(RemoteError):
    default_code = "MSS"


class OutcomeUnknown(RemoteError):
    """The request may have been acted on. Reconcile with `.prepared` before any other attempt; of a call without one
    (`.prepared` is None), `.hint` says what to ask."""

    default_code = "OUTCOME_UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        prepared: object = None,
        remote_code: str = "",
        remote_message: str = "",
        request_id: str = "",
        code: str | None = None,
        path: str = "",
        rule: str = "",
        hint: str = "",
        hint_fr: str = "",
    ) -> None:
        super().__init__(
            message,
            remote_code=remote_code,
            remote_message=remote_message,
            request_id=request_id,
            retry=RetryAdvice.reconcile_first(),
            code=code,
            path=path,
            rule=rule,
            hint=hint,
            hint_fr=hint_fr,
        )
        self.prepared = prepared


class OutboxError(SunesError):
    default_code = "OUTBOX"
