"""Signing with a token that we did not write: SoftHSM2, through its PKCS#11 library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from lxml import etree

from sunes_sdk._core.clock import SystemClock
from sunes_sdk._core.errors import ConfigurationError, SigningError, SunesError
from sunes_sdk.security import Pkcs11Signer, Pkcs12Signer, vihf, xades
from sunes_sdk.security.configured import signer_of
from sunes_sdk.security.keys import load_certificates
from sunes_sdk.settings import SigningSettings
from sunes_sdk.testing.pki import PASSWORD, Issued, TestPki

pkcs11: Any = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed (extra pkcs11)")

PIN = "4826-test"
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")


@dataclass(frozen=True)
class Token:
    library: Path
    label: str


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory, pki: TestPki) -> Token:
    """A token laid out as a CPS card: authentication key …20, signature key …10, each with its certificate."""
    tool = shutil.which("softhsm2-util")
    library = next((Path(m) for m in MODULES if Path(m).exists()), None)
    if tool is None or library is None:
        pytest.skip("SoftHSM2 is not installed (Debian package softhsm2)")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    # The library reads it once, when this process first loads it.
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    for label in ("cps", "empty"):
        subprocess.run(
            [tool, "--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    with pkcs11.lib(str(library)).get_token(token_label="cps").open(user_pin=PIN, rw=True) as session:
        put(session, pki.client, b"\x45\x20")
        put(session, pki.signing, b"\x45\x10")
    return Token(library, "cps")


def put(session: Any, issued: Issued, key_id: bytes) -> None:
    from pkcs11.util.rsa import decode_rsa_private_key
    from pkcs11.util.x509 import decode_x509_certificate

    key = serialization.load_pem_private_key(issued.key.read_bytes(), None)
    der = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    attribute = pkcs11.Attribute
    session.create_object(decode_rsa_private_key(der) | {attribute.ID: key_id, attribute.TOKEN: True})
    certificate = load_certificates(issued.certificate)[0].public_bytes(serialization.Encoding.DER)
    session.create_object(decode_x509_certificate(certificate) | {attribute.ID: key_id, attribute.TOKEN: True})


def signer(token: Token, **options: Any) -> Pkcs11Signer:
    return Pkcs11Signer(token.library, **({"token_label": token.label, "pin": PIN} | options))


@pytest.mark.parametrize("hash_on_token", [False, True])
@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_the_token_signs_as_the_key_does(token: Token, pki: TestPki, digest: Any, hash_on_token: bool) -> None:
    ours = signer(token, hash_on_token=hash_on_token)
    reference = Pkcs12Signer(pki.signing.pkcs12, PASSWORD)
    assert ours.sign(b"to sign", digest) == reference.sign(b"to sign", digest)
    assert ours.certificate == reference.certificate
    assert repr(ours) == "Pkcs11Signer('cps')"


def test_vihf_and_xades_of_a_token_verify(token: Token, pki: TestPki) -> None:
    ours = signer(token, chain=load_certificates(pki.ca_file))
    now = SystemClock().now()
    assert len(ours.chain_der) == 3
    signed = xades.sign_submission(
        submission_unique_id="1.2.3", documents=[], signer=ours, signing_time=now, signature_id="_s"
    )
    roots = load_certificates(pki.ca_file)
    assert xades.verify(signed, trusted_roots=roots, at=now).ok
    from sunes_sdk.model import Code

    request = vihf.VihfRequest(
        subject="801234567897", structure_id="10B0127189", sector=Code(code="SA01", system="1.2.250.1.71.4.2.4"),
        roles=(Code(code="60", system="1.2.250.1.71.1.2.7"),), subject_id="A B", authn_context="x",
        software_name="DPI", software_version="1", software_id="1", homologation="DEMO",
    )  # fmt: skip
    assertion = etree.fromstring(vihf.build(request, ours, assertion_id="_a", issue_instant=now))
    assert vihf.verify(assertion, trusted_roots=roots, at=now).subject == "801234567897"


def test_settings_make_a_token_signer(token: Token) -> None:
    settings = SigningSettings.model_validate(
        {"pkcs11": token.library, "pin": PIN, "token_label": "cps", "key_id": "4510"}
    )
    made = signer_of(settings)
    assert isinstance(made, Pkcs11Signer)
    assert made.sign(b"x", "sha256")
    assert PIN not in repr(settings) + repr(made)


def test_the_authentication_key_does_not_sign(token: Token) -> None:
    with pytest.raises(SunesError) as e:
        signer(token, key_id=b"\x45\x20")
    assert e.value.code == "CERTIFICATE_USAGE"


def test_a_lost_session_is_opened_again(token: Token) -> None:
    ours = signer(token)
    first = ours.sign(b"x", "sha256")
    ours._session.close()  # as when the card was taken out: the handles are dead
    assert ours.sign(b"x", "sha256") == first
    ours.close()
    assert ours.sign(b"x", "sha256") == first


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"token_label": "absent"}, "PKCS11_TOKEN"),
        ({"token_label": None}, "PKCS11_TOKEN"),
        ({"token_label": "empty"}, "PKCS11_KEY"),
        ({"key_id": b"\x99"}, "PKCS11_KEY"),
    ],
)
def test_what_the_token_lacks_is_said(token: Token, options: dict[str, Any], code: str) -> None:
    with pytest.raises(ConfigurationError) as e:
        signer(token, **options)
    assert e.value.code == code
    assert e.value.hint


def test_a_library_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as e:
        Pkcs11Signer(tmp_path / "nothing.so", pin=PIN)
    assert e.value.code == "PKCS11_LIBRARY"


def test_a_wrong_pin_is_tried_once_and_never_shown(token: Token, pki: TestPki) -> None:
    """In a process of its own: the login of a PKCS#11 process holds for all its sessions."""
    program = textwrap.dedent(
        f"""
        import traceback
        from sunes_sdk._core.errors import SigningError
        from sunes_sdk.security import Pkcs11Signer
        try:
            Pkcs11Signer({str(token.library)!r}, token_label="cps", pin="wr0ng-pin")
        except SigningError as e:
            print(e.code)
            assert "wr0ng-pin" not in "".join(traceback.format_exception_only(e)) + repr(vars(e))
        signer = Pkcs11Signer({str(token.library)!r}, token_label="cps", pin={PIN!r})
        signer.close()
        from pydantic import SecretStr
        signer._pin = SecretStr("wr0ng-pin")
        for _ in range(3):
            try:
                signer.sign(b"x", "sha256")
            except SigningError as e:
                print(e.code, "again" if "not tried again" in e.message else "once")
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["PKCS11_PIN", "PKCS11_PIN once", "PKCS11_PIN again", "PKCS11_PIN again"]


def test_threads_share_a_token(token: Token) -> None:
    from concurrent.futures import ThreadPoolExecutor

    ours = signer(token)
    expected = ours.sign(b"x", "sha256")
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: ours.sign(b"x", "sha256"), range(40))) == {expected}


def test_errors_do_not_show_the_pin(token: Token) -> None:
    ours = signer(token)
    ours._key = None
    ours._label = "gone"
    with pytest.raises((SigningError, ConfigurationError)) as e:
        ours.sign(b"x", "sha256")
    assert PIN not in "".join(traceback.format_exception(e.value)) + repr(vars(e.value))
