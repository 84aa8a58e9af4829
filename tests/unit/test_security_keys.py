from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from sunes_sdk._core.clock import FixedClock, SystemClock
from sunes_sdk._core.errors import CertificateError, ConfigurationError
from sunes_sdk.security import CertificateUsage, Pkcs12Signer, check_certificate_file
from sunes_sdk.security.keys import chain_of, check_trusted, distinguished_name, load_certificates
from sunes_sdk.testing.pki import PASSWORD, STRUCTURE, TestPki


def test_signs_with_the_key_of_its_certificate(pki: TestPki) -> None:
    signer = Pkcs12Signer(pki.signing.pkcs12, SecretStr(PASSWORD))
    key = signer.certificate.public_key()
    for name, algorithm in (("sha1", hashes.SHA1()), ("sha256", hashes.SHA256())):
        key.verify(signer.sign(b"text", name), b"text", padding.PKCS1v15(), algorithm)  # type: ignore[arg-type, union-attr, call-arg]  # an RSA or an EC key, each with its arguments


def test_chain_goes_from_leaf_to_root(pki: TestPki) -> None:
    chain = [x509.load_der_x509_certificate(der) for der in Pkcs12Signer(pki.signing.pkcs12, PASSWORD).chain_der]
    assert len(chain) == 3
    assert [c.issuer for c in chain] == [chain[1].subject, chain[2].subject, chain[2].subject]


def test_chain_is_ordered_whatever_the_file_says(pki: TestPki) -> None:
    leaf = load_certificates(pki.signing.certificate)[0]
    root, intermediate = load_certificates(pki.ca_file)
    assert chain_of(leaf, (root, intermediate)) == chain_of(leaf, (intermediate, root)) == (leaf, intermediate, root)
    assert chain_of(leaf, ()) == (leaf,)


def test_subject_dn_is_rfc_2253(pki: TestPki) -> None:
    signer = Pkcs12Signer(pki.signing.pkcs12, PASSWORD)
    assert signer.subject_dn == f"CN=org-sign.test,OU={STRUCTURE},O=HOPITAL DE DEMONSTRATION,ST=Paris (75),C=FR"


def test_given_name_is_spelled_gn() -> None:
    name = x509.Name([
        x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
        x509.NameAttribute(NameOID.GIVEN_NAME, "MAX"),
        x509.NameAttribute(NameOID.COMMON_NAME, "A, B"),
    ])  # fmt: skip
    assert distinguished_name(name) == r"CN=A\, B,GN=MAX,C=FR"


def test_refuses_an_expired_certificate(pki: TestPki) -> None:
    with pytest.raises(CertificateError) as e:
        Pkcs12Signer(pki.expired_signing.pkcs12, PASSWORD)
    assert e.value.code == "CERTIFICATE_EXPIRED"
    assert "expiré" in e.value.hint_fr


def test_refuses_a_certificate_of_the_future(pki: TestPki) -> None:
    clock = FixedClock(SystemClock().now() - timedelta(days=60))
    with pytest.raises(CertificateError) as e:
        Pkcs12Signer(pki.signing.pkcs12, PASSWORD, clock=clock)
    assert e.value.code == "CERTIFICATE_NOT_YET_VALID"


def test_a_signer_that_outlives_its_certificate_stops_signing(pki: TestPki) -> None:
    clock = FixedClock(SystemClock().now())
    signer = Pkcs12Signer(pki.signing.pkcs12, PASSWORD, clock=clock)
    signer.sign(b"", "sha256")
    clock.advance(timedelta(days=400))
    with pytest.raises(CertificateError) as e:
        signer.sign(b"", "sha256")
    assert e.value.code == "CERTIFICATE_EXPIRED"


def test_swapped_certificates_are_refused_both_ways(pki: TestPki) -> None:
    with pytest.raises(CertificateError) as signing:
        Pkcs12Signer(pki.client.pkcs12, PASSWORD)
    with pytest.raises(CertificateError) as tls:
        check_certificate_file(pki.signing.certificate)
    assert signing.value.code == tls.value.code == "CERTIFICATE_USAGE"
    assert "intervertis" in signing.value.hint_fr


@pytest.mark.parametrize("usage", [CertificateUsage.TLS_CLIENT, CertificateUsage.SIGNATURE])
def test_certificate_files_of_the_right_usage_pass(pki: TestPki, usage: CertificateUsage) -> None:
    issued = pki.client if usage is CertificateUsage.TLS_CLIENT else pki.signing
    assert check_certificate_file(issued.certificate, usage=usage).subject


def test_a_server_certificate_is_neither(pki: TestPki) -> None:
    with pytest.raises(CertificateError) as e:
        check_certificate_file(pki.server.certificate)
    assert e.value.code == "CERTIFICATE_USAGE"


def test_wrong_password_says_so_and_never_shows_it(pki: TestPki) -> None:
    with pytest.raises(ConfigurationError) as e:
        Pkcs12Signer(pki.signing.pkcs12, "hunter2-wrong")
    assert e.value.code == "PKCS12_PASSWORD"
    shown = f"{e.value}{e.value!r}{e.value.__cause__}{e.value.hint}"
    assert "hunter2" not in shown


@pytest.mark.parametrize("content", [None, b"", b"\x30\x82", b"-----BEGIN CERTIFICATE-----"])
def test_unreadable_files_are_configuration_errors(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.p12"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as e:
        Pkcs12Signer(path, PASSWORD)
    assert e.value.code == "PKCS12_UNREADABLE"
    with pytest.raises(ConfigurationError) as e:
        check_certificate_file(path)
    assert e.value.code == "CERTIFICATE_UNREADABLE"


def test_a_key_that_is_not_rsa_is_refused(pki: TestPki, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    now = SystemClock().now()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ec")])
    usage = _key_usage(pki)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "ec.p12"
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(b"x", key, certificate, None, BestAvailableEncryption(PASSWORD.encode()))
    )
    with pytest.raises(CertificateError) as e:
        Pkcs12Signer(path, PASSWORD)
    assert e.value.code == "CERTIFICATE_KEY_TYPE"


def _key_usage(pki: TestPki) -> x509.KeyUsage:
    leaf = load_certificates(pki.signing.certificate)[0]
    return leaf.extensions.get_extension_for_class(x509.KeyUsage).value


def test_repr_shows_the_file_name_only(pki: TestPki) -> None:
    assert repr(Pkcs12Signer(pki.signing.pkcs12, PASSWORD)) == "Pkcs12Signer('signing.p12')"


def test_threads_share_a_signer(pki: TestPki) -> None:
    signer = Pkcs12Signer(pki.signing.pkcs12, PASSWORD)
    expected = signer.sign(b"same", "sha256")
    seen: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: seen.extend(signer.sign(b"same", "sha256") for _ in range(20)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [expected] * 160  # PKCS#1 v1.5 is deterministic


def test_trust_needs_a_root_dates_and_authorities(pki: TestPki) -> None:
    now = SystemClock().now()
    trusted = load_certificates(pki.ca_file)
    leaf = load_certificates(pki.signing.certificate)[0]
    assert len(check_trusted(leaf, trusted, now)) == 3
    for certificate, roots, at, code in (
        (load_certificates(pki.rogue_client.certificate)[0], trusted, now, "CERTIFICATE_UNTRUSTED"),
        (leaf, trusted[1:], now, "CERTIFICATE_UNTRUSTED"),
        (leaf, trusted, now + timedelta(days=400), "CERTIFICATE_EXPIRED"),
        (leaf, trusted, now - timedelta(days=60), "CERTIFICATE_NOT_YET_VALID"),
    ):
        with pytest.raises(CertificateError) as e:
            check_trusted(certificate, roots, at)
        assert e.value.code == code
