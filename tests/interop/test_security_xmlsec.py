"""Our signatures judged by xmlsec1 and signxml, which share no code with us."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from sunes_sdk._core.clock import SystemClock
from sunes_sdk.model import Code
from sunes_sdk.security import Pkcs12Signer, vihf, xades
from sunes_sdk.testing.pki import PASSWORD, TestPki
from sunes_sdk.transport import soap

ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion:Assertion"


@pytest.fixture(scope="module")
def signer(pki: TestPki) -> Pkcs12Signer:
    return Pkcs12Signer(pki.signing.pkcs12, PASSWORD)


@pytest.fixture(scope="module")
def xmlsec1(pki: TestPki, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs `xmlsec1 --verify` with the test root trusted; gives (accepted, what it said)."""
    program = shutil.which("xmlsec1")
    if program is None:
        pytest.skip("xmlsec1 is not installed (Debian package xmlsec1)")
    folder = tmp_path_factory.mktemp("xmlsec")
    trust = []
    for kind, pem in zip(("--trusted-pem", "--untrusted-pem"), _split(pki.ca_file.read_text()), strict=True):
        path = folder / f"{kind.strip('-')}.pem"
        path.write_text(pem)
        trust += [kind, str(path)]

    def run(xml: bytes, *options: str) -> tuple[bool, str]:
        path = folder / "signed.xml"
        path.write_bytes(xml)
        done = subprocess.run(
            [program, "--verify", *trust, *options, str(path)], capture_output=True, text=True, timeout=60
        )
        return done.returncode == 0, done.stdout + done.stderr

    return run


def _split(pem: str) -> list[str]:
    return [part + "-----END CERTIFICATE-----\n" for part in pem.split("-----END CERTIFICATE-----\n") if part.strip()]


def assertion(signer: Pkcs12Signer, digest: Any = "sha256") -> bytes:
    request = vihf.VihfRequest(
        subject="801234567897", structure_id="10B0127189", sector=Code(code="SA01", system="1.2.250.1.71.4.2.4"),
        roles=(
            Code(code="10", system="1.2.250.1.71.1.2.7", display="Médecin", system_name="G15"),
            Code(code="SM27", system="1.2.250.1.71.4.2.5", display="Qualifié en médecine interne (SM)"),
        ),
        subject_id='Noël "L\'Ancien" <&>', authn_context="urn:oasis:names:tc:SAML:2.0:ac:classes:Password",
        software_name="DPI\tde\r\ndémonstration", software_version="1.0", software_id="1", homologation="DEMO",
        ins_cx="279035121518989^^^&1.2.250.1.213.1.4.10&ISO^NH",
    )  # fmt: skip
    return vihf.build(request, signer, assertion_id="_id1", issue_instant=SystemClock().now(), digest=digest)


def in_envelope(xml: bytes) -> bytes:
    return soap.envelope(
        action="urn:ihe:iti:2007:RegistryStoredQuery",
        message_id="urn:uuid:1",
        headers=soap.security(xml),
        body=b'<b xmlns="urn:b">\xc3\xa9</b>',
    )


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
@pytest.mark.parametrize("wrap", [bytes, in_envelope])
def test_xmlsec1_accepts_our_vihf(xmlsec1: Any, signer: Pkcs12Signer, wrap: Any, digest: Any) -> None:
    accepted, said = xmlsec1(wrap(assertion(signer, digest)), "--id-attr:ID", ASSERTION)
    assert accepted, said
    assert "1/1" in said


def test_xmlsec1_refuses_a_changed_vihf(xmlsec1: Any, signer: Pkcs12Signer) -> None:
    changed = assertion(signer).replace(b"279035121518989", b"279035121518988")
    accepted, said = xmlsec1(changed, "--id-attr:ID", ASSERTION)
    assert not accepted, said


@pytest.mark.parametrize("wrap", [bytes, in_envelope])
def test_signxml_accepts_our_vihf(pki: TestPki, signer: Pkcs12Signer, wrap: Any) -> None:
    signxml = pytest.importorskip("signxml")
    root = etree.fromstring(wrap(assertion(signer)))
    found = next(root.iter("{urn:oasis:names:tc:SAML:2.0:assertion}Assertion"))
    verified = signxml.XMLVerifier().verify(
        found, ca_pem_file=str(pki.ca_file), expect_references=1, id_attribute="ID", validate_schema=False
    )
    assert verified.signed_xml.get("ID") == "_id1"
    assert verified.signed_xml.findtext("{*}Subject/{*}NameID") == "801234567897"


def test_signxml_refuses_a_changed_vihf(pki: TestPki, signer: Pkcs12Signer) -> None:
    signxml = pytest.importorskip("signxml")
    root = etree.fromstring(assertion(signer).replace(b"SA01^", b"SA02^"))
    with pytest.raises(signxml.InvalidSignature):
        signxml.XMLVerifier().verify(root, ca_pem_file=str(pki.ca_file), id_attribute="ID", validate_schema=False)


def submission(signer: Pkcs12Signer, digest: Any) -> bytes:
    return xades.sign_submission(
        submission_unique_id="1.2.3",
        documents=[xades.SignedDocument("1.2.4", xades.canonical_form(b"<a>\r\n<!--x--></a>"))],
        signer=signer,
        signing_time=SystemClock().now(),
        signature_id="_s1",
        digest=digest,
    )


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_xmlsec1_accepts_our_xades(xmlsec1: Any, signer: Pkcs12Signer, digest: Any) -> None:
    accepted, said = xmlsec1(submission(signer, digest), "--ignore-manifests")
    assert accepted, said
    assert "2/2" in said


@pytest.mark.parametrize(("old", "new"), [(b"urn:oid:1.2.4", b"urn:oid:1.2.5"), (b"<SigningTime>2", b"<SigningTime>1")])
def test_xmlsec1_refuses_a_changed_xades(xmlsec1: Any, signer: Pkcs12Signer, old: bytes, new: bytes) -> None:
    accepted, said = xmlsec1(submission(signer, "sha1").replace(old, new), "--ignore-manifests")
    assert not accepted, said


def test_xmlsec1_and_we_agree_on_the_official_signature(xmlsec1: Any, samples: Path) -> None:
    """Its Id is no NCName and its certificate has expired: only the cryptography is compared."""
    xml = (samples / "dmp/gie/TD2.1-SignatureXades.xml").read_bytes()
    accepted, said = xmlsec1(xml, "--ignore-manifests", "--insecure")
    assert accepted, said
    assert xades.verify(xml).ok
