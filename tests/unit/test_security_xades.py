from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any

import pytest
from lxml import etree

from sunes_sdk._core.clock import SystemClock
from sunes_sdk.security import Pkcs12Signer, xades
from sunes_sdk.security.keys import load_certificates
from sunes_sdk.testing.pki import PASSWORD, TestPki

CDA = (
    b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\r\n<?xml-stylesheet href="a.xsl"?>\r\n'
    b"<ClinicalDocument xmlns='urn:hl7-org:v3' b=\"2\" a='1'><!-- kept --><title/>\xc3\xa9\r\n</ClinicalDocument>"
)
DOCUMENTS = {"1.2.250.1.4": CDA, "1.2.250.1.5": b"DICM\x00bytes"}
NS = {"d": "http://www.w3.org/2000/09/xmldsig#", "x": "http://uri.etsi.org/01903/v1.1.1#"}


@pytest.fixture(scope="module")
def signer(pki: TestPki) -> Pkcs12Signer:
    return Pkcs12Signer(pki.signing.pkcs12, PASSWORD)


def sign(signer: Any, **changes: Any) -> bytes:
    values: dict[str, Any] = {
        "submission_unique_id": "1.2.250.1.3",
        "documents": [
            xades.SignedDocument("1.2.250.1.4", xades.canonical_form(CDA)),
            xades.SignedDocument("1.2.250.1.5", DOCUMENTS["1.2.250.1.5"], is_xml=False),
        ],
        "signer": signer,
        "signing_time": SystemClock().now(),
        "signature_id": "_sig",
    }
    return xades.sign_submission(**values | changes)


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_ours_verifies_and_is_canonical(pki: TestPki, signer: Pkcs12Signer, digest: Any) -> None:
    xml = sign(signer, digest=digest)
    assert etree.tostring(etree.fromstring(xml), method="c14n") == xml
    seen = xades.verify(xml, documents=DOCUMENTS, trusted_roots=load_certificates(pki.ca_file), at=SystemClock().now())
    assert seen.ok, str(seen.report)
    assert seen.submission_unique_id == "1.2.250.1.3"
    assert seen.purpose == xades.PURPOSE_SOURCE
    assert seen.certificate is not None
    assert set(seen.documents) == set(DOCUMENTS)


def test_manifest_digests_by_other_means(signer: Pkcs12Signer) -> None:
    """Recomputed without any code of the library: lxml's C14N of the whole document, hashlib, base64."""
    root = etree.fromstring(sign(signer))
    values = {r.get("URI"): r.findtext("d:DigestValue", namespaces=NS) for r in root.iterfind(".//d:Manifest/*", NS)}
    canonical = etree.tostring(etree.ElementTree(etree.fromstring(CDA)), method="c14n", with_comments=True)
    assert canonical.startswith(b"<?xml-stylesheet")
    assert b"<!-- kept -->" in canonical
    assert values == {
        "urn:oid:1.2.250.1.3": "AA==",
        "urn:oid:1.2.250.1.4": base64.b64encode(hashlib.sha1(canonical).digest()).decode(),
        "urn:oid:1.2.250.1.5": base64.b64encode(hashlib.sha1(DOCUMENTS["1.2.250.1.5"]).digest()).decode(),
    }


def test_shape_is_that_of_the_official_message(signer: Pkcs12Signer) -> None:
    root = etree.fromstring(sign(signer))
    assert [r.get("URI") for r in root.iterfind("d:SignedInfo/d:Reference", NS)] == [
        "#IHEManifest", "#S0-SignedProperties",
    ]  # fmt: skip
    assert len(root.findall(".//d:Manifest/d:Reference/d:Transforms", NS)) == 1, "only XML documents have a transform"
    certs = root.findall(".//x:SigningCertificate/x:Cert", NS)
    assert len(certs) == 3
    digests = [c.findtext("x:CertDigest/x:DigestValue", namespaces=NS) for c in certs]
    assert digests == [base64.b64encode(hashlib.sha1(der).digest()).decode() for der in signer.chain_der]
    serials = [c.findtext("x:IssuerSerial/d:X509SerialNumber", namespaces=NS) for c in certs]
    assert serials[0] == str(signer.certificate.serial_number)
    names = [c.findtext("x:IssuerSerial/d:X509IssuerName", namespaces=NS) for c in certs]
    assert names[0] == "CN=TEST AC IGC-SANTE ELEMENTAIRE ORGANISATIONS,O=TEST,C=FR"
    assert root.find(".//d:SignatureProperties/d:SignatureProperty[@Target='#_sig']", NS) is not None


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"urn:oid:1.2.250.1.3", b"urn:oid:1.2.250.1.9", "XADES_MANIFEST"),
        (b"urn:oid:1.2.250.1.5", b"urn:oid:1.2.250.1.6", "XADES_MANIFEST"),
        (b"<SigningTime>2", b"<SigningTime>1", "XADES_PROPERTIES"),
        (b'URI="#IHEManifest"', b'URI="#other"', "XADES_MANIFEST"),
        (b"xmldsig#Manifest", b"xmldsig#Manifes", "XADES_MANIFEST"),
        (b"01903/v1.1.1#SignedProperties", b"01903/v1.3.2#SignedProperties", "XADES_PROPERTIES"),
        (b"<SignatureValue>", b"<SignatureValue>AAAA", "SIGNATURE_VALUE"),
        (b"rsa-sha1", b"dsa-sha1", "SIGNATURE_ALGORITHM"),
        (b"<X509Certificate>", b"<X509Certificate>AAAA", "SIGNATURE_CERTIFICATE"),
        (b"<Signature ", b"<Signatur ", "XML_MALFORMED"),
        (b"AA==", b"AAA=", "XADES_MANIFEST"),
    ],
)
def test_verification_refuses_mutations(signer: Pkcs12Signer, old: bytes, new: bytes, code: str) -> None:
    xml = sign(signer)
    assert old in xml
    assert code in xades.verify(xml.replace(old, new, 1)).codes


def test_another_document_is_found_out(signer: Pkcs12Signer) -> None:
    xml = sign(signer)
    changed = DOCUMENTS | {"1.2.250.1.4": CDA.replace(b"\xc3\xa9", b"e")}
    assert xades.verify(xml, documents=changed).codes == ("XADES_DIGEST",)
    same_canonical = DOCUMENTS | {"1.2.250.1.4": CDA.replace(b"a='1'", b'a="1"')}
    assert xades.verify(xml, documents=same_canonical).ok, "the digest is of the canonical form"
    assert xades.verify(xml, documents={"1.2.250.1.4": CDA}).codes == ("XADES_DOCUMENTS",)
    assert xades.verify(xml, documents=DOCUMENTS | {"1.9": b""}).codes == ("XADES_DOCUMENTS",)


class Forger:
    """Signs a changed text: to reach what stands behind the signature."""

    def __init__(self, signer: Pkcs12Signer, chain: tuple[bytes, ...]) -> None:
        self.certificate_der, self.subject_dn, self.chain_der = signer.certificate_der, signer.subject_dn, chain
        self.sign = signer.sign


def test_signing_certificate_must_be_the_signers(pki: TestPki, signer: Pkcs12Signer) -> None:
    xml = sign(Forger(signer, signer.chain_der[1:]))
    assert xades.verify(xml).codes == ("XADES_CERTIFICATE",)


def test_a_second_element_of_the_same_id_is_refused(signer: Pkcs12Signer) -> None:
    root = etree.fromstring(sign(signer))
    manifest = root.find(".//d:Manifest", NS)
    assert manifest is not None
    root.append(etree.fromstring(etree.tostring(manifest)))
    assert "XADES_MANIFEST" in xades.verify(etree.tostring(root)).codes


def test_trust_is_checked_when_asked(pki: TestPki, signer: Pkcs12Signer) -> None:
    xml = sign(signer)
    roots = load_certificates(pki.ca_file)
    assert xades.verify(xml, trusted_roots=(), at=SystemClock().now()).codes == ("CERTIFICATE_UNTRUSTED",)
    later = SystemClock().now() + timedelta(days=400)
    assert xades.verify(xml, trusted_roots=roots, at=later).codes == ("CERTIFICATE_EXPIRED",)


def test_not_a_signature_at_all() -> None:
    assert xades.verify(b"<a/>").codes == ("XADES_SHAPE",)
    assert xades.verify(b"").codes == ("XML_MALFORMED",)


def test_lxml_defect_is_still_there_and_avoided() -> None:
    """lxml's inclusive C14N of a sub-element writes `xmlns=""` on grandchildren. When this fails, lxml is mended."""
    from sunes_sdk.security.dsig import C14N, canonical

    root = etree.fromstring('<a xmlns="urn:x"><b><c><d/></c></b></a>')
    assert canonical(root[0], C14N) == b'<b xmlns="urn:x"><c><d></d></c></b>'
    assert etree.tostring(root[0], method="c14n") == b'<b xmlns="urn:x"><c><d xmlns=""></d></c></b>'
