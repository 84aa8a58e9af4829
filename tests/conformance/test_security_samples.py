"""Signatures that others made: the official messages, with every figure that must come out."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from lxml import etree

from sunes_sdk._core.errors import SignatureVerificationError
from sunes_sdk.security import dsig, xades

DS = "{http://www.w3.org/2000/09/xmldsig#}"


@pytest.fixture(scope="module")
def official(samples: Path) -> bytes:
    return (samples / "dmp/gie/TD2.1-SignatureXades.xml").read_bytes()


def test_the_file_is_the_one_the_figures_are_of(official: bytes) -> None:
    assert len(official) == 6908
    assert hashlib.sha1(official).hexdigest() == "b4f6eb16dc12f9220eeb9c79287a92387db47ee5"


def test_official_signature_verifies(official: bytes) -> None:
    seen = xades.verify(official)
    assert seen.ok, str(seen.report)
    assert seen.certificate is not None
    assert seen.certificate.serial_number == 159655096103497701664027626074020656119
    assert seen.submission_unique_id == "1.2.250.1.999.1.1.7898.3.9956570900"
    assert seen.purpose == "1.2.840.10065.1.12.1.14"
    assert seen.signing_time == "2019-04-04T14:20:12.282+02:00"


def test_official_digests(official: bytes) -> None:
    root = etree.fromstring(official)
    info, manifest = root.find(f"{DS}SignedInfo"), root.find(f"{DS}Object/{DS}Manifest")
    properties = root.find(".//{http://uri.etsi.org/01903/v1.1.1#}SignedProperties")
    assert info is not None
    assert manifest is not None
    assert properties is not None
    signed = dsig.canonical(info, dsig.C14N_WITH_COMMENTS)
    assert hashlib.sha1(signed).hexdigest() == "1e65c0a23adf5582a2b60858d20da5ad4b113cc4"
    assert dsig.digest_value(dsig.canonical(manifest, dsig.C14N), "sha1") == "0w+mODuyVkOb8ijFnRzwgr8BfbY="
    assert dsig.digest_value(dsig.canonical(properties, dsig.C14N), "sha1") == "CQd/pO5pUqmosTqhD6R6IhF28Uo="
    certificate = dsig.signer_certificate(root)
    assert base64.b64encode(xades.certificate_digest(certificate, "sha1")).decode() == "CLcb8PHSgDr5WgzTW+R/NZVkzhI="


def test_official_document_was_edited_after_signing(official: bytes, samples: Path) -> None:
    document = (samples / "dmp/gie/TD2.1-DocumentME2.xml").read_bytes()
    unique_id = "1.2.250.1.999.1.1.7898.4.9956570902"
    seen = xades.verify(official, documents={unique_id: document})
    assert seen.codes == ("XADES_DIGEST",)
    assert base64.b64encode(seen.documents[unique_id]).decode() == "ZHdMHCdgcMNU7PIhGp6aYG7cWU0="
    canonical = xades.canonical_form(document)
    assert len(canonical) == 4385
    assert dsig.digest_value(canonical, "sha1") == "Un5/pEyafNqhExkx2TodlfTM7Wc="
    assert dsig.digest_value(canonical, "sha256") == "eCKQ8FF3aUTpao13fnfMPjRmyYwMzCgR+yc9sxk1nVg="


@pytest.mark.parametrize(
    ("name", "digest"),
    [("VIHF_INDIRECTE_signe.xml", "sha1"), ("WS_INS2_rechercherInsAvecTraitsIdentite_requete.xml", "sha256")],
)
def test_official_assertions_verify_for_signed_info_only(samples: Path, name: str, digest: str) -> None:
    """Their values were anonymised after signing: SignatureValue holds, the enveloped digest does not."""
    from sunes_sdk.security.vihf import _check_reference

    root = etree.parse(str(samples / "dmp/gie" / name)).getroot()
    signature = next(root.iter(f"{DS}Signature"))
    assert dsig.check_signed_info(signature, dsig.signer_certificate(signature)) == digest
    assertion = signature.getparent()
    assert assertion is not None
    with pytest.raises(SignatureVerificationError) as e:
        _check_reference(assertion, signature)
    assert e.value.code == "SIGNATURE_DIGEST"
