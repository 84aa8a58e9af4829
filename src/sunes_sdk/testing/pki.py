"""A throw-away PKI shaped like IGC-Santé *gamme élémentaire, domaine organisations*. For tests only."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import SecretStr

from .._core.clock import Clock, SystemClock
from ..settings import SigningSettings, TlsSettings

PASSWORD = "test-only"  # noqa: S105  the password of files that protect nothing
STRUCTURE = "10B0127189"
"""Struct_IdNat of the certificates' holder: `1` + test FINESS, as official test certificates have it."""


@dataclass(frozen=True)
class Issued:
    """A certificate and its key on disk: PEM chain, PEM key, and both in a PKCS#12."""

    certificate: Path
    key: Path
    pkcs12: Path

    def tls(self, ca_file: Path) -> TlsSettings:
        return TlsSettings(ca_file=ca_file, certificate=self.certificate, key=self.key)

    def signing(self) -> SigningSettings:
        return SigningSettings(pkcs12=self.pkcs12, password=SecretStr(PASSWORD))


@dataclass(frozen=True)
class Card:
    """The two certificates of a professional's card: TLS is made with the first, the VIHF signed with the second."""

    authentication: Issued
    signature: Issued


class TestPki:
    """Root, intermediate, and the certificates an establishment holds, written under `folder`.

    client: ORG_AUTH_CLI; signing: ORG_SIGN; insi: software certificate with CN `INSI-AUTO`; server: for 127.0.0.1
    and localhost; expired_client, expired_signing: ended yesterday; rogue_client: of another, untrusted root.
    """

    __test__ = False  # not a test class, whatever pytest thinks

    def __init__(self, folder: Path, *, structure: str = STRUCTURE, clock: Clock | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._now = (clock or SystemClock()).now()
        self._structure = structure
        self._root_key, self._root = self._authority("TEST AC RACINE IGC-SANTE ELEMENTAIRE", None)
        self._key, self._issuer = self._authority(
            "TEST AC IGC-SANTE ELEMENTAIRE ORGANISATIONS", (self._root_key, self._root)
        )
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(_pem(self._root) + _pem(self._issuer))
        client, sign = [ExtendedKeyUsageOID.CLIENT_AUTH], None
        self.client = self._issue("client", "org-auth-cli.test", client)
        self.signing = self._issue("signing", "org-sign.test", sign)
        self.insi = self._issue("insi", "INSI-AUTO", client)
        self.server = self._issue("server", "localhost", [ExtendedKeyUsageOID.SERVER_AUTH], server=True)
        yesterday = self._now - timedelta(days=1)
        self.expired_client = self._issue("expired_client", "org-auth-cli.test", client, until=yesterday)
        self.expired_signing = self._issue("expired_signing", "org-sign.test", sign, until=yesterday)
        rogue = self._authority("ROGUE AC IGC-SANTE", None)
        self.rogue_client = self._issue("rogue_client", "org-auth-cli.test", client, issuer=rogue)

    @property
    def tls(self) -> TlsSettings:
        """What a client of the DMP or of MSSanté presents."""
        return self.client.tls(self.ca_file)

    @property
    def insi_tls(self) -> TlsSettings:
        return self.insi.tls(self.ca_file)

    def client_named(self, common_name: str) -> Issued:
        """A new client certificate with this CN, as `insi` and `client` have theirs, for what a server says of it."""
        name = "client-" + "".join(c if c.isascii() and c.isalnum() else "_" for c in common_name)
        return self._issue(name, common_name, [ExtendedKeyUsageOID.CLIENT_AUTH])

    def card(self, national_id: str, family: str = "DAVID", given: str = "CHARLES") -> Card:
        """Certificates shaped like those of a CPS: CN = PS_IdNat, with the names of the holder."""
        subject = x509.Name([
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.SURNAME, family),
            x509.NameAttribute(NameOID.GIVEN_NAME, given),
            x509.NameAttribute(NameOID.COMMON_NAME, national_id),
        ])  # fmt: skip
        number = "".join(c for c in national_id if c.isascii() and c.isalnum())
        client = [ExtendedKeyUsageOID.CLIENT_AUTH]
        return Card(
            authentication=self._issue(f"card-authentication-{number}", national_id, client, subject=subject),
            signature=self._issue(f"card-signature-{number}", national_id, None, subject=subject),
        )

    def crls(
        self, *revoked: Issued, issued: datetime | None = None, until: datetime | None = None, der: bool = True
    ) -> tuple[Path, Path]:
        """Revocation lists of the authority of organisations, with `revoked`, and of the root, empty; good for a week
        unless `until` says otherwise."""
        at = issued or self._now - timedelta(hours=1)
        serials = [x509.load_pem_x509_certificate(one.certificate.read_bytes()).serial_number for one in revoked]
        encoding = serialization.Encoding.DER if der else serialization.Encoding.PEM
        paths = self._folder / "organisations.crl", self._folder / "root.crl"
        for path, key, authority, numbers in (
            (paths[0], self._key, self._issuer, serials),
            (paths[1], self._root_key, self._root, []),
        ):
            builder = (
                x509.CertificateRevocationListBuilder()
                .issuer_name(authority.subject)
                .last_update(at)
                .next_update(until or at + timedelta(days=7))
            )
            for number in numbers:
                entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(at)
                builder = builder.add_revoked_certificate(entry.build())
            path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(encoding))
        return paths

    def _authority(
        self, name: str, issuer: tuple[rsa.RSAPrivateKey, x509.Certificate] | None
    ) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "TEST"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ])  # fmt: skip
        signer, parent = (issuer[0], issuer[1].subject) if issuer else (key, subject)
        certificate = (
            self._builder(subject, parent, key, self._now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .sign(signer, hashes.SHA256())
        )
        return key, certificate

    def _issue(
        self,
        name: str,
        common_name: str,
        extended: list[x509.ObjectIdentifier] | None,
        *,
        server: bool = False,
        until: datetime | None = None,
        issuer: tuple[rsa.RSAPrivateKey, x509.Certificate] | None = None,
        subject: x509.Name | None = None,
    ) -> Issued:
        issuer_key, issuer_certificate = issuer or (self._key, self._issuer)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        # Encoded from C to CN, as IGC-Santé does; RFC 2253 prints it from CN to C.
        subject = subject or x509.Name([
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "Paris (75)"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "HOPITAL DE DEMONSTRATION"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, self._structure),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ])  # fmt: skip
        builder = self._builder(subject, issuer_certificate.subject, key, until or self._now + timedelta(days=365))
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signature_only=extended is None), critical=True)
        if extended:
            builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
        if server:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        ).add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        certificate = builder.sign(issuer_key, hashes.SHA256())
        return self._write(name, key, certificate, [issuer_certificate] + ([] if issuer else [self._root]))

    def _write(
        self, name: str, key: rsa.RSAPrivateKey, certificate: x509.Certificate, chain: list[x509.Certificate]
    ) -> Issued:
        issued = Issued(*(self._folder / f"{name}{suffix}" for suffix in (".pem", ".key", ".p12")))
        # The root stays out of what TLS presents, and in the PKCS#12, whose chain the XAdES lists.
        issued.certificate.write_bytes(_pem(certificate) + _pem(chain[0]))
        issued.key.touch(mode=0o600)
        issued.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        encryption = serialization.BestAvailableEncryption(PASSWORD.encode())
        issued.pkcs12.write_bytes(
            pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, chain, encryption)
        )
        return issued

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, until: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - timedelta(days=30))
            .not_valid_after(until)
        )


def _usage(*, authority: bool = False, signature_only: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=signature_only,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
