"""Keys and certificates from files: loaded once and again when they change, checked, never shown."""

from __future__ import annotations

import hashlib
import os
import threading
from abc import abstractmethod
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import SecretStr

from .._core.clock import Clock, SystemClock
from .._core.errors import CertificateError, ConfigurationError, SunesError
from .._core.findings import Finding, Report, Severity
from .files import WatchedFiles, read_file
from .signer import DigestName, Renewable

PKCS1 = padding.PKCS1v15()
# SHA-1 is what the homologated messages carry (XAdES of the DMP): an interoperability format, not a choice.
HASHES: dict[DigestName, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}  # noqa: S303
_DN_NAMES = {NameOID.GIVEN_NAME: "GN", NameOID.SURNAME: "SN", NameOID.TITLE: "T", NameOID.STATE_OR_PROVINCE_NAME: "ST"}


class CertificateUsage(StrEnum):
    """What a certificate is for. IGC-Santé issues ORG_SIGN (*cachet*) and ORG_AUTH_CLI (TLS client) separately."""

    SIGNATURE = "signature"
    TLS_CLIENT = "tls_client"


class Trust(Protocol):
    """What a certificate must chain to, and where its revocation is looked up (`TrustStore`)."""

    def check(
        self, certificate: x509.Certificate, at: datetime, others: Iterable[x509.Certificate] = ()
    ) -> tuple[x509.Certificate, ...]: ...


class KeyPair:
    """A key and its certificate as they were at one moment: a `Signer` that never changes. The key is never shown.

    others: certificates among which its issuers are; trust: the user's authorities and revocation lists, None checks
    neither. Dates are checked here and at each signature, trust and revocation too.
    Raises ConfigurationError `KEY_MISMATCH`, CertificateError (`CERTIFICATE_EXPIRED`, `CERTIFICATE_NOT_YET_VALID`,
    `CERTIFICATE_USAGE`, `CERTIFICATE_KEY_TYPE`, `CERTIFICATE_UNTRUSTED`, `CERTIFICATE_REVOKED`, `CRL_*`).
    """

    def __init__(
        self,
        key: object,
        certificate: x509.Certificate,
        others: Iterable[x509.Certificate],
        *,
        name: str,
        clock: Clock,
        trust: Trust | None = None,
    ) -> None:
        check_certificate(certificate, clock=clock, usage=CertificateUsage.SIGNATURE, path=name)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise not_rsa(name)
        if key.public_key() != certificate.public_key():
            raise ConfigurationError(
                "the key is not that of the certificate", code="KEY_MISMATCH", path=name,
                hint="give the key and the certificate of one same order",
                hint_fr="La clé et le certificat de signature ne vont pas ensemble.",
            )  # fmt: skip
        self._key = key
        self._name = name
        self._clock = clock
        self._trust = trust
        self.certificate = certificate
        self.subject_dn = distinguished_name(certificate.subject)
        self._not_after = certificate.not_valid_after_utc
        self._links = chain_of(certificate, others)
        self.chain_der = tuple(c.public_bytes(Encoding.DER) for c in self._links)
        if trust is not None:
            trust.check(certificate, clock.now(), self._links[1:])

    def __repr__(self) -> str:
        return f"KeyPair({self._name!r})"

    @property
    def certificate_der(self) -> bytes:
        return self.chain_der[0]

    def sign(self, data: bytes, digest: DigestName) -> bytes:
        now = self._clock.now()
        if now > self._not_after:
            raise _expired(self._name, self._not_after)
        if self._trust is not None:
            self._trust.check(self.certificate, now, self._links[1:])
        return self._key.sign(data, PKCS1, HASHES[digest])


class FileSigner(Renewable):
    """A `Signer` over files, loaded once and again when they change: whole pairs only, in one step, for all threads.

    While the new files cannot be used (half-written, key and certificate that do not go together, expired, swapped,
    of another holder) the former pair goes on, and `findings()` says why; they are tried again when they change, and
    each minute.
    """

    def __init__(
        self, paths: tuple[Path, ...], password: str | SecretStr | None, clock: Clock | None, trust: Trust | None
    ) -> None:
        self._clock = clock or SystemClock()
        self._secret = password if isinstance(password, SecretStr) or password is None else SecretStr(password)
        self._trust = trust
        self._watched = WatchedFiles(paths)
        self._contents = b""  # a digest: the bytes hold the key
        self._lock = threading.Lock()
        self._trouble: SunesError | None = None
        self._try_again: datetime | None = None
        self._pair = self._load()

    @abstractmethod
    def _read(self, contents: tuple[bytes, ...]) -> tuple[object, x509.Certificate, Iterable[x509.Certificate]]:
        """Key, certificate and others out of the bytes of the files."""

    def _load(self) -> KeyPair:
        contents = tuple(read_file(p, code=self._unreadable, what="the signing key") for p in self._watched.paths)
        digest = hashlib.sha256(b"".join(hashlib.sha256(c).digest() for c in contents)).digest()
        if digest == self._contents:
            return self._pair
        key, certificate, others = self._read(contents)
        try:
            pair = KeyPair(key, certificate, others, name=self.name, clock=self._clock, trust=self._trust)
        except (ValueError, UnsupportedAlgorithm):  # its extensions, key or names are malformed
            raise ConfigurationError(
                "the certificate is malformed", code=self._unreadable, path=self.name,
                hint="export the certificate again",
            ) from None  # fmt: skip
        if self._contents:
            check_renewal(pair.certificate, self._pair.certificate, path=self.name)
        self._contents = digest
        return pair

    _unreadable: ClassVar[str]

    @property
    def name(self) -> str:
        return self._watched.paths[0].name

    def current(self) -> KeyPair:
        stamps = self._watched.stamps()
        due = self._try_again is not None and self._clock.now() >= self._try_again
        # One thread reads; the others go on with the former pair meanwhile.
        if (stamps != self._watched.seen or due) and self._lock.acquire(blocking=False):
            try:
                self._watched.seen = stamps
                self._pair = self._load()
            except SunesError as e:
                self._trouble, self._try_again = e, self._clock.now() + _TRY_AGAIN
            else:
                self._trouble = self._try_again = None
            finally:
                self._lock.release()
        return self._pair

    def findings(self) -> Report:
        """A warning when the files changed and cannot be used (`CERTIFICATE_NOT_RELOADED`)."""
        self.current()
        trouble = self._trouble
        if trouble is None:
            return Report()
        return Report((
            Finding(
                code="CERTIFICATE_NOT_RELOADED",
                message=f"the new signing files are not used: {trouble.code}, {trouble.message}",
                path=self.name, severity=Severity.WARNING, hint=trouble.hint,
                message_fr="Les nouveaux fichiers du certificat de signature sont inutilisables.",
            ),
        ))  # fmt: skip

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def certificate(self) -> x509.Certificate:
        return self.current().certificate

    @property
    def certificate_der(self) -> bytes:
        return self.current().certificate_der

    @property
    def chain_der(self) -> tuple[bytes, ...]:
        """Leaf, intermediates, root, as far as the files hold them."""
        return self.current().chain_der

    @property
    def subject_dn(self) -> str:
        return self.current().subject_dn

    def sign(self, data: bytes, digest: DigestName) -> bytes:
        return self.current().sign(data, digest)


_TRY_AGAIN = timedelta(minutes=1)


class Pkcs12Signer(FileSigner):
    """A `Signer` over the key of a PKCS#12 file (ORG_SIGN certificate), renewed when the file is.

    The key stays in memory and in no other place. Raises ConfigurationError (`PKCS12_UNREADABLE`, `PKCS12_PASSWORD`)
    and what `KeyPair` raises.
    """

    _unreadable = "PKCS12_UNREADABLE"

    def __init__(
        self,
        path: str | os.PathLike[str],
        password: str | SecretStr,
        *,
        clock: Clock | None = None,
        trust: Trust | None = None,
    ) -> None:
        super().__init__((Path(path),), password, clock, trust)

    def _read(self, contents: tuple[bytes, ...]) -> tuple[object, x509.Certificate, Iterable[x509.Certificate]]:
        assert self._secret is not None
        try:
            bundle = pkcs12.load_pkcs12(contents[0], self._secret.get_secret_value().encode())
        except (ValueError, UnsupportedAlgorithm) as e:
            if "password" in str(e).lower() or "mac" in str(e).lower():
                raise ConfigurationError(
                    "the password does not open the PKCS#12 file", code="PKCS12_PASSWORD", path=self.name,
                    hint="give the password that came with the certificate",
                    hint_fr="Le mot de passe du certificat de signature est faux.",
                ) from None  # fmt: skip
            raise ConfigurationError(
                "not a PKCS#12 file that can be read", code="PKCS12_UNREADABLE", path=self.name,
                hint="export the certificate again, with its key and its chain",
            ) from None  # fmt: skip
        if bundle.key is None or bundle.cert is None:
            raise ConfigurationError(
                "the PKCS#12 file lacks a key or its certificate", code="PKCS12_UNREADABLE", path=self.name,
                hint="export the certificate together with its private key",
            )  # fmt: skip
        return bundle.key, bundle.cert.certificate, tuple(c.certificate for c in bundle.additional_certs)


class PemSigner(FileSigner):
    """A `Signer` over PEM files, renewed when one of them is: the certificate followed by its issuers, and its key.

    Write the key last, or both under other names and rename them. Raises ConfigurationError (`PEM_UNREADABLE`,
    `PEM_PASSWORD`) and what `KeyPair` raises.
    """

    _unreadable = "PEM_UNREADABLE"

    def __init__(
        self,
        certificate: str | os.PathLike[str],
        key: str | os.PathLike[str],
        password: str | SecretStr | None = None,
        *,
        clock: Clock | None = None,
        trust: Trust | None = None,
    ) -> None:
        super().__init__((Path(certificate), Path(key)), password, clock, trust)

    def _read(self, contents: tuple[bytes, ...]) -> tuple[object, x509.Certificate, Iterable[x509.Certificate]]:
        secret = self._secret.get_secret_value().encode() if self._secret else None
        try:
            certificates = x509.load_pem_x509_certificates(contents[0])
            key = load_pem_private_key(contents[1], secret)
        except (TypeError, ValueError, UnsupportedAlgorithm) as e:
            # TypeError: a password for a key without, or none for a key with.
            about_password = isinstance(e, TypeError) or "password" in str(e).lower() or "decrypt" in str(e).lower()
            raise ConfigurationError(
                "the password does not open the key" if about_password else "not PEM files that can be read",
                code="PEM_PASSWORD" if about_password else "PEM_UNREADABLE", path=self.name,
                hint="give the password of the key, and none when it has none" if about_password
                else "give the certificate with its chain, and its key, both in PEM (-----BEGIN …)",
            ) from None  # fmt: skip
        return key, certificates[0], certificates[1:]


def not_rsa(path: str) -> CertificateError:
    return CertificateError(
        "the signing key is not RSA", code="CERTIFICATE_KEY_TYPE", path=path,
        rule="VIHF and XAdES are signed RSASSA-PKCS1-v1_5", hint="use the RSA certificate of IGC-Santé",
    )  # fmt: skip


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


DnForm = Literal["rfc2253", "rfc2253_oids", "country_first"]


def distinguished_name(name: x509.Name, form: DnForm = "rfc2253") -> str:
    """The text of a name, in the forms that VIHF carry.

    rfc2253: from CN to C, commas without space, `ST=`, `GN=` and `SN=` spelled so; rfc2253_oids: the same, but types
    that RFC 2253 has no keyword for are `OID=#hex` (official messages signed by a card: `2.5.4.4=#1404…`);
    country_first: from C to CN, `", "` between (ANS example of 2024).
    """
    if form == "rfc2253_oids":
        return ",".join("+".join(map(_with_oid, rdn)) for rdn in reversed(name.rdns))
    if form == "country_first":
        return ", ".join(rdn.rfc4514_string(_DN_NAMES) for rdn in name.rdns)
    return name.rfc4514_string(_DN_NAMES)


_RFC2253 = frozenset({
    NameOID.COMMON_NAME, NameOID.LOCALITY_NAME, NameOID.STATE_OR_PROVINCE_NAME, NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COUNTRY_NAME, NameOID.STREET_ADDRESS, NameOID.DOMAIN_COMPONENT,
    NameOID.USER_ID,
})  # fmt: skip


def _with_oid(attribute: x509.NameAttribute[str | bytes]) -> str:
    if attribute.oid in _RFC2253:
        return attribute.rfc4514_string(_DN_NAMES)
    # The value as DER: in a name of one attribute it comes after SEQUENCE { SET { SEQUENCE { OID.
    der = x509.Name([attribute]).public_bytes()
    oid_at = der.index(0x06, 4)
    return f"{attribute.oid.dotted_string}=#{der[oid_at + 2 + der[oid_at + 1] :].hex()}"


@lru_cache(maxsize=64)
def subject_of(certificate_der: bytes, form: DnForm) -> str:
    """The subject of a certificate in one form: asked for at each VIHF, always of the same few certificates."""
    return distinguished_name(x509.load_der_x509_certificate(certificate_der).subject, form)


class Holder(StrEnum):
    """Whom a certificate of IGC-Santé was issued to."""

    ORGANIZATION = "organization"
    PERSON = "person"


def holder_of(certificate: x509.Certificate) -> tuple[Holder, str]:
    """Kind and identifier of the holder: a person's CN (PS_IdNat), a structure's first OU (Struct_IdNat), or "".

    A person has a surname or given name, or an issuer of *PERSONNES* (a CPE without a name has neither): the rule is
    drawn from the certificates of the official messages, it is written in no public text.
    """
    subject = certificate.subject
    named = any(subject.get_attributes_for_oid(oid) for oid in (NameOID.SURNAME, NameOID.GIVEN_NAME))
    issuer = certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    is_person = named or any("PERSONNES" in str(a.value).upper() for a in issuer)
    found = subject.get_attributes_for_oid(NameOID.COMMON_NAME if is_person else NameOID.ORGANIZATIONAL_UNIT_NAME)
    return (Holder.PERSON if is_person else Holder.ORGANIZATION), str(found[0].value) if found else ""


def check_holder(certificate: x509.Certificate, mode: str, *, path: str = "certificate") -> None:
    """A person's card signs and connects in mode DIRECTE, an organisation in the others.

    Raises CertificateError `CERTIFICATE_HOLDER`.
    """
    wanted = Holder.PERSON if mode == "DIRECTE" else Holder.ORGANIZATION
    if holder_of(certificate)[0] is not wanted:
        what = "the card of a person (CPS)" if wanted is Holder.PERSON else "the certificate of an organisation"
        raise CertificateError(
            f"mode {mode} takes {what}", code="CERTIFICATE_HOLDER", path=path,
            rule="DIRECTE: certificates of the card; INDIRECTE and INDIRECTE_RENFORCEE: ORG_SIGN and ORG_AUTH_CLI",
            hint="give the other certificate, or change the mode",
            hint_fr="Ce certificat ne convient pas au mode d'authentification choisi.",
        )  # fmt: skip


def check_renewal(new: x509.Certificate, former: x509.Certificate, *, path: str) -> None:
    """Raises CertificateError `CERTIFICATE_OTHER_HOLDER`."""
    if holder_of(new) != holder_of(former):
        raise CertificateError(
            "the new certificate is of another holder", code="CERTIFICATE_OTHER_HOLDER", path=path,
            rule="a renewal is for the same structure or person", hint="make a new client for another holder",
            hint_fr="Le nouveau certificat appartient à une autre structure.",
        )  # fmt: skip


def check_same_holder(tls: x509.Certificate, signing: x509.Certificate) -> Finding | None:
    """The DMP refuses a connection and a VIHF of two holders ("Erreur d'authentification de la personne morale")."""
    if holder_of(tls) == holder_of(signing):
        return None
    return Finding(
        code="CERTIFICATES_OF_TWO_HOLDERS",
        message="the TLS certificate and the signing certificate are of two structures or persons",
        path="certificate", rule="ORG_AUTH_CLI and ORG_SIGN carry the same Struct_IdNat (OU); the two of a card its CN",
        source="public homologation tracker of the DMP", hint="order both certificates for the same structure",
        message_fr="Les certificats de connexion et de signature n'appartiennent pas à la même structure.",
    )  # fmt: skip


def expiry_finding(
    certificate: x509.Certificate, at: datetime, *, days: int, path: str = "certificate"
) -> Finding | None:
    """A warning (`CERTIFICATE_EXPIRES_SOON`) from `days` days before the end; an error once it is over."""
    end = certificate.not_valid_after_utc
    if at > end:
        error = _expired(path, end)
        return Finding(
            code=error.code, message=error.message, path=path, rule=error.rule, hint=error.hint,
            message_fr=error.hint_fr,
        )  # fmt: skip
    if end - at > timedelta(days=days):
        return None
    return Finding(
        code="CERTIFICATE_EXPIRES_SOON", message=f"the certificate expires on {end:%Y-%m-%d %H:%M} UTC", path=path,
        severity=Severity.WARNING, rule="X.509 validity (RFC 5280, 4.1.2.5)",
        hint="order a new certificate from IGC-Santé now",
        message_fr=f"Le certificat expire le {end:%d/%m/%Y} : le renouveler auprès de l'IGC-Santé.",
    )  # fmt: skip


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
    certificate: x509.Certificate,
    trusted: Iterable[x509.Certificate],
    at: datetime,
    others: Iterable[x509.Certificate] = (),
) -> tuple[x509.Certificate, ...]:
    """The chain from `certificate` to a self-signed root among `trusted` (roots and intermediates); others:
    intermediates that came with it.

    Revocation is not looked up (`TrustStore` does). Raises CertificateError `CERTIFICATE_UNTRUSTED`,
    `CERTIFICATE_EXPIRED`, `CERTIFICATE_NOT_YET_VALID`.
    """
    pool = tuple(trusted)
    chain = chain_of(certificate, (*pool, *others))
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


def check_trust(certificate: x509.Certificate, trusted: Iterable[x509.Certificate] | Trust, at: datetime) -> None:
    """Chain and dates by certificates, or by a `TrustStore`, which looks up revocation too. Raises as they do."""
    if isinstance(trusted, Iterable):
        check_trusted(certificate, trusted, at)
    else:
        trusted.check(certificate, at)
