"""Signers over PEM files and callbacks; files that change while a signer serves; what must never be shown."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import threading
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from lxml import etree
from pydantic import SecretStr

from sunes_sdk._core.clock import FixedClock, SystemClock
from sunes_sdk._core.errors import CertificateError, ConfigurationError, ModelError, SigningError, SunesError
from sunes_sdk.model import Code
from sunes_sdk.security import CallbackSigner, PemSigner, Pkcs12Signer, vihf
from sunes_sdk.security.configured import signer_of
from sunes_sdk.security.keys import load_certificates
from sunes_sdk.settings import SigningSettings
from sunes_sdk.testing.pki import PASSWORD, Issued, TestPki

SECRET = "hunter2-très-secret"


def replace_files(target: Issued, new: Issued) -> None:
    """As an administrator does: certificate first, key last, each renamed into place."""
    for name in ("certificate", "pkcs12", "key"):
        at = getattr(target, name)
        shutil.copy(getattr(new, name), f"{at}.new")
        os.replace(f"{at}.new", at)


@pytest.fixture
def files(tmp_path: Path, pki: TestPki) -> Issued:
    issued = Issued(tmp_path / "sign.pem", tmp_path / "sign.key", tmp_path / "sign.p12")
    replace_files(issued, pki.signing)
    return issued


@pytest.fixture(scope="module")
def renewed(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    return TestPki(tmp_path_factory.mktemp("renewed"))


MAKE: dict[str, Callable[[Issued], Any]] = {
    "pkcs12": lambda f: Pkcs12Signer(f.pkcs12, PASSWORD),
    "pem": lambda f: PemSigner(f.certificate, f.key),
}


def verifies(certificate: x509.Certificate, value: bytes, data: bytes) -> bool:
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(value, data, padding.PKCS1v15(), hashes.SHA256())
    except Exception:
        return False
    return True


# --- PEM --------------------------------------------------------------------------------------------------------------


def test_pem_and_pkcs12_sign_alike(files: Issued) -> None:
    pem, p12 = PemSigner(files.certificate, files.key), Pkcs12Signer(files.pkcs12, PASSWORD)
    assert pem.sign(b"x", "sha256") == p12.sign(b"x", "sha256")
    assert (pem.certificate_der, pem.subject_dn) == (p12.certificate_der, p12.subject_dn)
    assert repr(pem) == "PemSigner('sign.pem')"


def test_an_encrypted_key_and_its_password(files: Issued) -> None:
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(SECRET.encode()),
        )
    )  # fmt: skip
    assert PemSigner(files.certificate, files.key, SECRET).sign(b"x", "sha256")
    for wrong in (None, "other"):
        with pytest.raises(ConfigurationError) as e:
            PemSigner(files.certificate, files.key, wrong)
        assert e.value.code == "PEM_PASSWORD"


def test_a_key_of_another_certificate(files: Issued, pki: TestPki) -> None:
    with pytest.raises(ConfigurationError) as e:
        PemSigner(files.certificate, pki.client.key)
    assert e.value.code == "KEY_MISMATCH"
    assert "ensemble" in e.value.hint_fr


@pytest.mark.parametrize("broken", ["certificate", "key"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN nothing"])
def test_unreadable_pem(files: Issued, broken: str, content: bytes | None) -> None:
    path: Path = getattr(files, broken)
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ConfigurationError) as e:
        PemSigner(files.certificate, files.key)
    assert e.value.code == "PEM_UNREADABLE"


# --- files that change ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MAKE)
def test_a_renewed_file_is_taken(files: Issued, renewed: TestPki, kind: str) -> None:
    signer = MAKE[kind](files)
    first = signer.certificate
    replace_files(files, renewed.signing)
    assert signer.certificate != first
    assert signer.certificate == load_certificates(renewed.signing.certificate)[0]
    assert verifies(signer.certificate, signer.sign(b"x", "sha256"), b"x")
    assert not signer.findings().findings


@pytest.mark.parametrize("kind", MAKE)
def test_a_file_that_is_touched_is_the_same(files: Issued, kind: str) -> None:
    signer = MAKE[kind](files)
    pair = signer.current()
    os.utime(files.pkcs12, (1, 1))
    os.utime(files.key, (1, 1))
    assert signer.current() is pair


def test_a_half_renewed_pair_is_not_taken(files: Issued, renewed: TestPki) -> None:
    signer = PemSigner(files.certificate, files.key)
    first = signer.certificate
    shutil.copy(renewed.signing.certificate, files.certificate)
    assert signer.certificate == first
    assert verifies(first, signer.sign(b"x", "sha256"), b"x")
    found = signer.findings()
    assert [f.code for f in found] == ["CERTIFICATE_NOT_RELOADED"]
    assert "KEY_MISMATCH" in found.findings[0].message
    shutil.copy(renewed.signing.key, files.key)
    assert verifies(load_certificates(renewed.signing.certificate)[0], signer.sign(b"x", "sha256"), b"x")
    assert not signer.findings().findings


@pytest.mark.parametrize("content", [b"", b"\x30\x82 half a file", None])
def test_a_broken_file_leaves_the_former_pair(files: Issued, content: bytes | None) -> None:
    signer = Pkcs12Signer(files.pkcs12, PASSWORD)
    files.pkcs12.unlink() if content is None else files.pkcs12.write_bytes(content)
    assert signer.sign(b"x", "sha256")
    assert [f.code for f in signer.findings()] == ["CERTIFICATE_NOT_RELOADED"]


@pytest.mark.parametrize("wrong", ["client", "expired_signing"])
def test_a_wrong_certificate_is_not_taken(files: Issued, renewed: TestPki, wrong: str) -> None:
    signer = Pkcs12Signer(files.pkcs12, PASSWORD)
    first = signer.certificate
    replace_files(files, getattr(renewed, wrong))
    assert signer.certificate == first
    assert [f.code for f in signer.findings()] == ["CERTIFICATE_NOT_RELOADED"]


def test_a_certificate_of_another_structure_is_not_taken(files: Issued, tmp_path: Path) -> None:
    signer = Pkcs12Signer(files.pkcs12, PASSWORD)
    first = signer.certificate
    replace_files(files, TestPki(tmp_path / "other", structure="1750000001").signing)
    assert signer.certificate == first
    assert verifies(first, signer.sign(b"x", "sha256"), b"x")
    (found,) = signer.findings()
    assert found.code == "CERTIFICATE_NOT_RELOADED"
    assert "CERTIFICATE_OTHER_HOLDER" in found.message


def test_a_certificate_of_tomorrow_is_taken_tomorrow(files: Issued, tmp_path: Path, pki: TestPki) -> None:
    now = SystemClock().now()
    # TestPki certificates begin 30 days before its clock.
    future = TestPki(tmp_path / "future", clock=FixedClock(now + timedelta(days=31)))
    clock = FixedClock(now)
    signer = Pkcs12Signer(files.pkcs12, PASSWORD, clock=clock)
    replace_files(files, future.signing)
    assert signer.certificate == load_certificates(pki.signing.certificate)[0]
    clock.advance(timedelta(days=2))
    assert signer.certificate == load_certificates(future.signing.certificate)[0]


def test_threads_see_whole_pairs_only(files: Issued, pki: TestPki, renewed: TestPki) -> None:
    """VIHF are made while the files change: each names the certificate whose key signed it."""
    signer = PemSigner(files.certificate, files.key)
    stop = threading.Event()
    wrong: list[str] = []
    made: set[bytes] = set()

    def work() -> None:
        while not stop.is_set():
            try:
                xml = vihf.build(request(), signer, assertion_id="_a", issue_instant=SystemClock().now())
                roots = [c for p in (pki, renewed) for c in load_certificates(p.ca_file)]
                claims = vihf.verify(etree.fromstring(xml), trusted_roots=roots, at=SystemClock().now())
                made.add(claims.certificate.fingerprint(hashes.SHA256()))
            except Exception as e:
                wrong.append(repr(e))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for n in range(30):
        replace_files(files, (renewed if n % 2 == 0 else pki).signing)
        stop.wait(0.02)
    stop.set()
    for t in threads:
        t.join()
    assert not wrong
    assert len(made) == 2


# --- callbacks --------------------------------------------------------------------------------------------------------


def callback(pki: TestPki, **options: Any) -> CallbackSigner:
    leaf, *chain = load_certificates(pki.signing.certificate)
    return CallbackSigner(leaf, chain, **options)


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
@pytest.mark.parametrize("gives", ["data", "digest"])
def test_a_callback_signs_as_the_key_does(pki: TestPki, gives: Any, digest: Any) -> None:
    key = serialization.load_pem_private_key(pki.signing.key.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)

    def sign(data: bytes, name: str) -> bytes:
        algorithm = hashes.SHA1() if name == "sha1" else hashes.SHA256()
        if gives == "data":
            return key.sign(data, padding.PKCS1v15(), algorithm)
        assert data == hashlib.new(name, b"to sign").digest()
        return key.sign(data, padding.PKCS1v15(), utils.Prehashed(algorithm))

    signer = callback(pki, sign=sign, gives=gives)
    assert signer.sign(b"to sign", digest) == Pkcs12Signer(pki.signing.pkcs12, PASSWORD).sign(b"to sign", digest)
    assert signer.subject_dn.startswith("CN=org-sign.test")
    assert len(signer.chain_der) == 2


def test_a_callback_that_fails_says_its_class_only(pki: TestPki) -> None:
    def sign(data: bytes, name: str) -> bytes:
        raise RuntimeError(SECRET)

    with pytest.raises(SigningError) as e:
        callback(pki, sign=sign).sign(b"x", "sha256")
    assert e.value.code == "SIGNING_FAILED"
    assert "RuntimeError" in str(e.value)
    assert SECRET not in "".join(traceback.format_exception(e.value))


@pytest.mark.parametrize("value", [b"", b"\0" * 256, "text", None])
def test_a_callback_that_signs_wrong_is_seen(pki: TestPki, value: Any) -> None:
    with pytest.raises(SigningError) as e:
        callback(pki, sign=lambda *_: value).sign(b"x", "sha256")
    assert e.value.code == "SIGNING_WRONG_KEY"


def test_a_callback_can_be_one_at_a_time(pki: TestPki) -> None:
    inner = Pkcs12Signer(pki.signing.pkcs12, PASSWORD)
    inside, most = [0], [0]

    def sign(data: bytes, name: Any) -> bytes:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        value = inner.sign(data, name)
        inside[0] -= 1
        return value

    signer = callback(pki, sign=sign, parallel=False)
    threads = [threading.Thread(target=signer.sign, args=(b"x", "sha256")) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert most == [1]


def test_a_callback_s_certificate_is_checked(pki: TestPki) -> None:
    with pytest.raises(CertificateError) as e:
        CallbackSigner(load_certificates(pki.client.certificate)[0], sign=lambda *_: b"")
    assert e.value.code == "CERTIFICATE_USAGE"
    clock = FixedClock(SystemClock().now())
    signer = callback(pki, sign=Pkcs12Signer(pki.signing.pkcs12, PASSWORD).sign, clock=clock)
    assert signer.sign(b"x", "sha256")
    clock.advance(timedelta(days=400))
    with pytest.raises(CertificateError) as e:
        signer.sign(b"x", "sha256")
    assert e.value.code == "CERTIFICATE_EXPIRED"


# --- settings ---------------------------------------------------------------------------------------------------------


def test_settings_name_one_signer(pki: TestPki) -> None:
    assert isinstance(signer_of(pki.signing.signing()), Pkcs12Signer)
    pem = SigningSettings(certificate=pki.signing.certificate, key=pki.signing.key)
    assert isinstance(signer_of(pem), PemSigner)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"pkcs12": "a.p12"},
        {"certificate": "a.pem"},
        {"key": "a.key"},
        {"pkcs12": "a.p12", "password": "x", "pkcs11": "lib.so"},
        {"pkcs12": "a.p12", "password": "x", "certificate": "a.pem", "key": "a.key"},
    ],
)
def test_settings_of_no_signer_or_of_two(values: dict[str, str]) -> None:
    with pytest.raises(ModelError) as e:
        SigningSettings(**values)  # type: ignore[arg-type]  # wrong on purpose
    assert e.value.code == "SIGNING_KIND"


def test_settings_are_explained_without_their_secrets(files: Issued) -> None:
    from sunes_sdk.settings import Settings
    from sunes_sdk.testing import samples

    dmp = {
        "base_url": "https://localhost/", "paths": {"repository": "r", "registry": "g", "patients": "p"},
        "tls": {"ca_file": "a", "certificate": "b", "key": "c"}, "source_id": "1.2", "device_oid": "1.3",
        "authn_context": "x", "signing": {"pkcs11": "lib.so"},
    }  # fmt: skip
    env = {"SUNES_DMP__SIGNING__PIN": SECRET}
    base = samples.settings().model_dump(exclude={"dmp", "mss", "insi"})
    loaded = Settings.load(env=env, **base, dmp=dmp)
    assert loaded.dmp is not None
    assert loaded.dmp.signing.pin is not None
    assert loaded.dmp.signing.pin.get_secret_value() == SECRET
    assert "dmp.signing.pin = ***  (environment SUNES_DMP__SIGNING__PIN)" in loaded.explain()
    assert SECRET not in loaded.explain() + repr(loaded)


def test_no_secret_is_ever_shown(files: Issued, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = [repr(SigningSettings(pkcs12=files.pkcs12, password=SecretStr(SECRET), pin=SecretStr(SECRET)))]
    signers = [Pkcs12Signer(files.pkcs12, PASSWORD), PemSigner(files.certificate, files.key)]
    shown += [repr(s) + repr(s.current()) + str(vars(s)) for s in signers]
    for make in (
        lambda: Pkcs12Signer(files.pkcs12, SECRET),
        lambda: PemSigner(files.certificate, files.key, SECRET),
        lambda: signer_of(SigningSettings(pkcs11=files.pkcs12, pin=SecretStr(SECRET))),
    ):
        with pytest.raises(SunesError) as e:
            make()
        shown.append("".join(traceback.format_exception(e.value)) + repr(e.value.__dict__))
    shown.append(caplog.text)
    key = files.key.read_text().splitlines()[1]
    for text in shown:
        assert SECRET not in text
        assert PASSWORD not in text.replace("test_only", "")
        assert key not in text


def request() -> vihf.VihfRequest:
    return vihf.VihfRequest(
        subject="801234567897", structure_id="10B0127189", sector=Code(code="SA01", system="1.2.250.1.71.4.2.4"),
        roles=(Code(code="60", system="1.2.250.1.71.1.2.7", display="Infirmier"),), subject_id="A B",
        authn_context="urn:oasis:names:tc:SAML:2.0:ac:classes:Password", software_name="DPI", software_version="1",
        software_id="1", homologation="DEMO",
    )  # fmt: skip
