"""From settings to signers and trust, and what there is to say of an establishment's certificates."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509

from .._core.clock import Clock
from .._core.errors import CertificateError
from .._core.findings import Finding, Report
from ..settings import SigningSettings, TlsSettings, TrustSettings
from . import vihf
from .keys import (
    FileSigner,
    PemSigner,
    Pkcs12Signer,
    Trust,
    check_holder,
    check_same_holder,
    expiry_finding,
    load_certificates,
)
from .signer import Signer
from .trust import TrustStore


def signer_of(settings: SigningSettings, *, clock: Clock | None = None, trust: Trust | None = None) -> Signer:
    """The signer that the settings name. Raises ConfigurationError, CertificateError and SigningError as it does."""
    if settings.pkcs11 is not None:
        from .pkcs11 import Pkcs11Signer

        return Pkcs11Signer(
            settings.pkcs11,
            pin=settings.pin,
            token_label=settings.token_label,
            token_serial=settings.token_serial,
            key_id=bytes.fromhex(settings.key_id) if settings.key_id else None,
            chain=load_certificates(settings.certificate) if settings.certificate else (),
            hash_on_token=settings.hash_on_token,
            clock=clock,
            trust=trust,
        )
    if settings.pkcs12 is not None:
        assert settings.password is not None  # SigningSettings checked it
        return Pkcs12Signer(settings.pkcs12, settings.password, clock=clock, trust=trust)
    assert settings.certificate is not None
    assert settings.key is not None
    return PemSigner(settings.certificate, settings.key, settings.password, clock=clock, trust=trust)


def trust_of(settings: TrustSettings | None, *, clock: Clock | None = None) -> TrustStore | None:
    """Raises ConfigurationError as `TrustStore` does."""
    if settings is None:
        return None
    return TrustStore(
        settings.anchors,
        settings.crls,
        crl_absent=settings.crl_absent,
        crl_expired=settings.crl_expired,
        skew=timedelta(seconds=settings.crl_skew_seconds),
        clock=clock,
    )


def require_certificates(
    signer: Signer, tls: TlsSettings, *, mode: vihf.Mode, clock: Clock, trust: TrustStore | None = None
) -> None:
    """Refuse certificates that the DMP would: of two holders, or not of the holder that the mode needs.

    trust: checks the TLS certificate too (a signer checks its own). Raises CertificateError
    (`CERTIFICATE_HOLDER`, `CERTIFICATES_OF_TWO_HOLDERS`, and as `TrustStore.check`), ConfigurationError.
    """
    connection, *issuers = load_certificates(tls.certificate)
    signing = x509.load_der_x509_certificate(signer.certificate_der)
    check_holder(signing, mode, path="signing")
    check_holder(connection, mode, path="tls.certificate")
    two = check_same_holder(connection, signing)
    if two is not None:
        raise CertificateError(
            two.message, code=two.code, path=two.path, rule=two.rule, hint=two.hint, hint_fr=two.message_fr
        )  # fmt: skip
    if trust is not None:
        trust.check(connection, clock.now(), issuers)


def certificates_report(
    signer: Signer, tls: TlsSettings | None, *, clock: Clock, days: int, trust: TrustStore | None = None
) -> Report:
    """For a daily look: dates of both certificates, their holder, trust and revocation, files that were not taken.

    tls: None when the connection is not ours; days: from how long before its end a certificate is warned about.
    Raises ConfigurationError `CERTIFICATE_UNREADABLE`.
    """
    at = clock.now()
    signing = x509.load_der_x509_certificate(signer.certificate_der)
    others = [x509.load_der_x509_certificate(der) for der in signer.chain_der[1:]]
    found: list[Finding | None] = [expiry_finding(signing, at, days=days, path="signing")]
    if isinstance(signer, FileSigner):
        found += signer.findings()
    if trust is not None:
        found += trust.findings(signing, at, others)
    if tls is not None:
        connection, *issuers = load_certificates(tls.certificate)
        found += [expiry_finding(connection, at, days=days, path="tls"), check_same_holder(connection, signing)]
        if trust is not None:
            found += trust.findings(connection, at, issuers)
    return Report.of(f for f in found if f is not None)
