"""A signer whose key is elsewhere: a signing service, a hospital's own key server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from .._core.clock import Clock, SystemClock
from .._core.errors import SigningError, SunesError
from . import dsig
from .keys import (
    HASHES,
    PKCS1,
    CertificateUsage,
    Trust,
    chain_of,
    check_certificate,
    check_dates,
    distinguished_name,
    not_rsa,
)
from .signer import DigestName


class CallbackSigner:
    """A `Signer` that asks `sign` for each signature and verifies what it gives: a wrong key is seen here.

    sign(data, digest name) -> raw RSASSA-PKCS1-v1_5 signature; gives: `data` hands it what is to be signed, `digest`
    the digest of it. `sign` is called by several threads at once unless `parallel` is false. chain: issuers.

    Raises CertificateError as `KeyPair` does; at each signature SigningError (`SIGNING_FAILED`, naming the class of
    the callback's error and never its text, which may hold a secret; `SIGNING_WRONG_KEY`).
    """

    def __init__(
        self,
        certificate: x509.Certificate,
        chain: Iterable[x509.Certificate] = (),
        *,
        sign: Callable[[bytes, DigestName], bytes],
        gives: Literal["data", "digest"] = "data",
        parallel: bool = True,
        clock: Clock | None = None,
        trust: Trust | None = None,
        name: str = "callback",
    ) -> None:
        self._clock = clock or SystemClock()
        check_certificate(certificate, clock=self._clock, usage=CertificateUsage.SIGNATURE, path=name)
        key = certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise not_rsa(name)
        self.certificate = certificate
        self.subject_dn = distinguished_name(certificate.subject)
        self._links = chain_of(certificate, chain)
        self.chain_der = tuple(c.public_bytes(Encoding.DER) for c in self._links)
        self._public = key
        self._sign = sign
        self._digested = gives == "digest"
        self._lock = None if parallel else threading.Lock()
        self._trust = trust
        self._name = name
        if trust is not None:
            trust.check(certificate, self._clock.now(), self._links[1:])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"

    @property
    def certificate_der(self) -> bytes:
        return self.chain_der[0]

    def sign(self, data: bytes, digest: DigestName) -> bytes:
        now = self._clock.now()
        if now > self.certificate.not_valid_after_utc:
            check_dates(self.certificate, now, path=self._name)
        if self._trust is not None:
            self._trust.check(self.certificate, now, self._links[1:])
        given = dsig.digest(data, digest) if self._digested else data
        try:
            if self._lock is None:
                value = self._sign(given, digest)
            else:
                with self._lock:
                    value = self._sign(given, digest)
        except SunesError:
            raise
        except Exception as e:  # noqa: BLE001  whatever the user's code raises; its text may hold a secret
            raise SigningError(
                f"the signing callback failed: {type(e).__name__}", code="SIGNING_FAILED", path=self._name,
                hint="look at the signing service's own log",
                hint_fr="Le service de signature n'a pas répondu : envoi différé.",
            ) from None  # fmt: skip
        try:
            self._public.verify(value, data, PKCS1, HASHES[digest])
        except (InvalidSignature, TypeError, ValueError):
            raise SigningError(
                "the signature is not one of the certificate's key over these bytes", code="SIGNING_WRONG_KEY",
                path=self._name, rule="RSASSA-PKCS1-v1_5 (RFC 8017, 8.2)",
                hint="check which key the service uses, the padding, and whether it is given data or a digest",
            ) from None  # fmt: skip
        return value
