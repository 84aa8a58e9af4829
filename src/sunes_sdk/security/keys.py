"""Keys and certificates from files: loaded once, checked for dates and usage, never shown."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import SecretStr

from .._core.clock import Clock, SystemClock
from .._core.errors import CertificateError, ConfigurationError
from .signer import DigestName

_PKCS1 = padding.PKCS1v15()
# SHA-1 is what the homologated messages carry (XAdES of the DMP): an interoperability format, not a choice.
_HASHES: dict[DigestName, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}  # noqa: S303
_DN_NAMES = {NameOID.GIVEN_NAME: "GN", NameOID.SURNAME: "SN", NameOID.TITLE: "T", NameOID.STATE_OR_PROVINCE_NAME: "ST"}


class CertificateUsage(StrEnum):
    """What a certificate is for. IGC-Santé issues ORG_SIGN (*cachet*) and ORG_AUTH_CLI (TLS client) separately."""

    SIGNATURE = "signature"
    TLS_CLIENT = "tls_client"


class Pkcs12Signer:
    """A `Signer` over the key of a PKCS#12 file (ORG_SIGN certificate).

    Loaded once; the key stays in memory and in no other place. Dates are checked at load and at each signature.
    Raises ConfigurationError (`PKCS12_UNREADABLE`, `PKCS12_PASSWORD`), CertificateError (`CERTIFICATE_EXPIRED`,
    `CERTIFICATE_NOT_YET_VALID`, `CERTIFICATE_USAGE`, `CERTIFICATE_KEY_TYPE`).
    """

    def __init__(self, path: str | os.PathLike[str], password: str | SecretStr, *, clock: Clock | None = None) -> None:
        self._path = Path(path)
        self._clock = clock or SystemClock()
        key, certificate, others = _load_pkcs12(self._path, password)
        check_certificate(certificate, clock=self._clock, usage=CertificateUsage.SIGNATURE, path=self._path.name)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise CertificateError(
                "the signing key is not RSA", code="CERTIFICATE_KEY_TYPE", path=self._path.name,
                rule="VIHF and XAdES are signed RSASSA-PKCS1-v1_5", hint="use the RSA certificate of IGC-Santé",
            )  # fmt: skip
        self._key = key
        self._certificate = certificate
        self._not_after = certificate.not_valid_after_utc
        self._subject = distinguished_name(certificate.subject)
        self._chain = tuple(c.public_bytes(Encoding.DER) for c in chain_of(certificate, others))

    def __repr__(self) -> str:
        return f"Pkcs12Signer({self._path.name!r})"

    @property
    def certificate(self) -> x509.Certificate:
        return self._certificate

    @property
    def certificate_der(self) -> bytes:
        return self._chain[0]

    @property
    def chain_der(self) -> tuple[bytes, ...]:
        """Leaf, intermediates, root, as far as the file holds them."""
        return self._chain

    @property
    def subject_dn(self) -> str:
        return self._subject

    def sign(self, data: bytes, digest: DigestName) -> bytes:
        if self._clock.now() > self._not_after:
            raise _expired(self._path.name, self._not_after)
        return self._key.sign(data, _PKCS1, _HASHES[digest])


def _load_pkcs12(
    path: Path, password: str | SecretStr
) -> tuple[object, x509.Certificate, tuple[x509.Certificate, ...]]:
    secret = password.get_secret_value() if isinstance(password, SecretStr) else password
    try:
        data = path.read_bytes()
    except OSError as e:
        raise ConfigurationError(
            f"cannot read the PKCS#12 file: {e.__class__.__name__}", code="PKCS12_UNREADABLE", path=path.name,
            hint="check the path and the rights of the file",
        ) from e  # fmt: skip
    try:
        bundle = pkcs12.load_pkcs12(data, secret.encode())
    except ValueError as e:
        if "password" in str(e).lower() or "mac" in str(e).lower():
            raise ConfigurationError(
                "the password does not open the PKCS#12 file", code="PKCS12_PASSWORD", path=path.name,
                hint="give the password that came with the certificate",
                hint_fr="Le mot de passe du certificat de signature est faux.",
            ) from None  # fmt: skip
        raise ConfigurationError(
            "not a PKCS#12 file that can be read", code="PKCS12_UNREADABLE", path=path.name,
            hint="export the certificate again, with its key and its chain",
        ) from None  # fmt: skip
    if bundle.key is None or bundle.cert is None:
        raise ConfigurationError(
            "the PKCS#12 file lacks a key or its certificate", code="PKCS12_UNREADABLE", path=path.name,
            hint="export the certificate together with its private key",
        )  # fmt: skip
    return bundle.key, bundle.cert.certificate, tuple(c.certificate for c in bundle.additional_certs)


def check_certificate_file(
    path: str | os.PathLike[str], *, clock: Clock | None = None, usage: CertificateUsage = CertificateUsage.TLS_CLIENT
) -> x509.Certificate:
    """The first certificate of a PEM file, checked for dates and usage.

    Raises ConfigurationError `CERTIFICATE_UNREADABLE`, and what `check_certificate` raises.
    """
    certificate = load_certificates(path)[0]
    check_certificate(certificate, clock=clock or SystemClock(), usage=usage, path=Path(path).name)
    return certificate


def load_certificates(path: str | os.PathLike[str]) -> tuple[x509.Certificate, ...]:
    """All certificates of a PEM file, at least one. Raises ConfigurationError `CERTIFICATE_UNREADABLE`."""
    try:
        return tuple(x509.load_pem_x509_certificates(Path(path).read_bytes()))
    except (OSError, ValueError) as e:
        raise ConfigurationError(
            f"cannot read certificates: {e.__class__.__name__}", code="CERTIFICATE_UNREADABLE", path=Path(path).name,
            hint="give a readable PEM file (-----BEGIN CERTIFICATE-----)",
        ) from None  # fmt: skip


def check_certificate(
    certificate: x509.Certificate, *, clock: Clock, usage: CertificateUsage, path: str = "certificate"
) -> None:
    """Dates and usage of a certificate.

    Signature: KeyUsage digitalSignature or nonRepudiation, and no TLS client authentication. TLS client: extended
    usage clientAuth; without any extended usage, a certificate with nonRepudiation is taken for a signing one.
    Raises CertificateError `CERTIFICATE_EXPIRED`, `CERTIFICATE_NOT_YET_VALID`, `CERTIFICATE_USAGE`.
    """
    check_dates(certificate, clock.now(), path=path)
    usages, extended = _usages(certificate)
    is_client = extended is not None and ExtendedKeyUsageOID.CLIENT_AUTH in extended
    if usage is CertificateUsage.SIGNATURE:
        can_sign = usages is not None and (usages.digital_signature or usages.content_commitment)
        if is_client or not can_sign:
            raise CertificateError(
                "this certificate cannot sign documents" + (": it is a TLS client certificate" if is_client else ""),
                code="CERTIFICATE_USAGE", path=path,
                rule="the VIHF and the submission set are signed by the ORG_SIGN certificate (digitalSignature or "
                     "nonRepudiation, without TLS client usage)",
                hint="swap the two files: ORG_SIGN signs, ORG_AUTH_CLI opens the TLS connection",
                hint_fr="Le certificat de signature et le certificat de connexion sont intervertis.",
            )  # fmt: skip
    elif not is_client and (extended is not None or (usages is not None and usages.content_commitment)):
        raise CertificateError(
            "this certificate cannot open a TLS connection as a client",
            code="CERTIFICATE_USAGE", path=path, rule="mutual TLS uses the ORG_AUTH_CLI certificate (clientAuth)",
            hint="swap the two files: ORG_SIGN signs, ORG_AUTH_CLI opens the TLS connection",
            hint_fr="Le certificat de signature et le certificat de connexion sont intervertis.",
        )  # fmt: skip


def check_dates(certificate: x509.Certificate, at: datetime, *, path: str = "certificate") -> None:
    """Raises CertificateError `CERTIFICATE_EXPIRED` or `CERTIFICATE_NOT_YET_VALID`."""
    if at > certificate.not_valid_after_utc:
        raise _expired(path, certificate.not_valid_after_utc)
    if at < certificate.not_valid_before_utc:
        raise CertificateError(
            f"the certificate is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC only",
            code="CERTIFICATE_NOT_YET_VALID", path=path, rule="X.509 validity (RFC 5280, 4.1.2.5)",
            hint="check the clock of this machine",
        )  # fmt: skip


def _expired(path: str, end: datetime) -> CertificateError:
    return CertificateError(
        f"the certificate expired on {end:%Y-%m-%d %H:%M} UTC",
        code="CERTIFICATE_EXPIRED",
        path=path,
        rule="X.509 validity (RFC 5280, 4.1.2.5)",
        hint="order a new certificate from IGC-Santé and replace the file",
        hint_fr=f"Le certificat a expiré le {end:%d/%m/%Y} : le renouveler auprès de l'IGC-Santé.",
    )


def _usages(certificate: x509.Certificate) -> tuple[x509.KeyUsage | None, x509.ExtendedKeyUsage | None]:
    usages: x509.KeyUsage | None = None
    extended: x509.ExtendedKeyUsage | None = None
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.KeyUsage):
            usages = extension.value
        elif isinstance(extension.value, x509.ExtendedKeyUsage):
            extended = extension.value
    return usages, extended


def distinguished_name(name: x509.Name) -> str:
    """RFC 2253 form: from CN to C, commas without space, `ST=` and `GN=` spelled so."""
    return name.rfc4514_string(_DN_NAMES)


def chain_of(certificate: x509.Certificate, others: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """`certificate`, then its issuers found in `others`, up to a self-signed one; whatever order they came in."""
    chain = [certificate]
    pool = list(others)
    while chain[-1].issuer != chain[-1].subject:
        issuer = next((c for c in pool if c not in chain and _issued(chain[-1], c)), None)
        if issuer is None:
            break
        chain.append(issuer)
    return tuple(chain)


def _issued(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def check_trusted(
    certificate: x509.Certificate, trusted: Iterable[x509.Certificate], at: datetime
) -> tuple[x509.Certificate, ...]:
    """The chain from `certificate` to a self-signed root among `trusted` (roots and intermediates).

    Revocation is not looked up. Raises CertificateError `CERTIFICATE_UNTRUSTED`, `CERTIFICATE_EXPIRED`,
    `CERTIFICATE_NOT_YET_VALID`.
    """
    pool = tuple(trusted)
    chain = chain_of(certificate, pool)
    root = chain[-1]
    if root.issuer != root.subject or root not in pool:
        raise CertificateError(
            "the certificate was not issued by a trusted authority", code="CERTIFICATE_UNTRUSTED",
            hint="check that the certificate and the trusted roots are of the same IGC-Santé environment",
        )  # fmt: skip
    for link in chain:
        check_dates(link, at)
    for authority in chain[1:]:
        constraints = next((e.value for e in authority.extensions if isinstance(e.value, x509.BasicConstraints)), None)
        if constraints is None or not constraints.ca:
            raise CertificateError(
                "an issuer in the chain is no certificate authority", code="CERTIFICATE_UNTRUSTED",
                rule="RFC 5280 basicConstraints cA",
            )  # fmt: skip
    return chain
