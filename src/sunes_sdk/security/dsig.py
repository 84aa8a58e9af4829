"""The part of XML Signature that VIHF and XAdES share: algorithm names, the signer's certificate, SignedInfo."""

from __future__ import annotations

import base64
import binascii
import copy
import hashlib
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from .._core.errors import SignatureVerificationError
from .signer import DigestName

DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
C14N_WITH_COMMENTS = f"{C14N}#WithComments"
ENVELOPED = f"{DS}enveloped-signature"

DIGEST_METHODS: dict[DigestName, str] = {"sha1": f"{DS}sha1", "sha256": "http://www.w3.org/2001/04/xmlenc#sha256"}
SIGNATURE_METHODS: dict[DigestName, str] = {
    "sha1": f"{DS}rsa-sha1",
    "sha256": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
}
_DIGESTS = {uri: name for name, uri in DIGEST_METHODS.items()}
_SIGNATURES = {uri: name for name, uri in SIGNATURE_METHODS.items()}
_HASHES: dict[DigestName, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}  # noqa: S303


def digest(data: bytes | memoryview, name: DigestName) -> bytes:
    if name == "sha256":
        return hashlib.sha256(data).digest()
    return hashlib.sha1(data, usedforsecurity=False).digest()


def digest_value(data: bytes | memoryview, name: DigestName) -> str:
    """base64 of the digest, as DigestValue holds it."""
    return base64.b64encode(digest(data, name)).decode()


def digest_name(method: etree._Element | None) -> DigestName:
    """The digest that a DigestMethod element names. Raises SignatureVerificationError `SIGNATURE_ALGORITHM`."""
    uri = method.get("Algorithm", "") if method is not None else ""
    if uri not in _DIGESTS:
        raise refused("SIGNATURE_ALGORITHM", "unknown digest method", "DigestMethod")
    return _DIGESTS[uri]


def decode_base64(element: etree._Element | None, path: str) -> bytes:
    return _from_base64((element.text or "") if element is not None else "", path)


def _from_base64(text: str, path: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise refused("SIGNATURE_MALFORMED", "not base64", path) from None


def refused(code: str, message: str, path: str, rule: str = "") -> SignatureVerificationError:
    return SignatureVerificationError(message, code=code, path=path, rule=rule)


def canonical(element: etree._Element, method: str, prefixes: str = "") -> bytes:
    """The canonical form that an Algorithm URI names, of an element in its document.

    Inclusive form is taken on a deep copy: lxml writes false `xmlns=""` on grandchildren of a sub-element whose
    default namespace is declared above it. The copy loses namespaces that are in scope and unused: signatures of
    the DMP have none. Raises SignatureVerificationError `SIGNATURE_ALGORITHM`.
    """
    if method == EXCLUSIVE_C14N:
        return etree.tostring(
            _alone(element),
            method="c14n",
            exclusive=True,
            inclusive_ns_prefixes=prefixes.split() or None,
        )
    if method in (C14N, C14N_WITH_COMMENTS):
        return etree.tostring(_alone(element), method="c14n", with_comments=method == C14N_WITH_COMMENTS)
    raise refused("SIGNATURE_ALGORITHM", "unknown canonicalization method", "CanonicalizationMethod")


def _alone(element: etree._Element) -> etree._Element:
    if element.getparent() is None and element.tail is None:
        return element
    alone = copy.deepcopy(element)
    alone.tail = None
    return alone


def signer_certificate(signature: etree._Element) -> x509.Certificate:
    """KeyInfo's X509Certificate (the first). Raises SignatureVerificationError `SIGNATURE_CERTIFICATE`."""
    found = _CERTIFICATES(signature)
    text = (found[0].text or "") if found else ""
    try:
        return _certificate(text) if len(text) <= _KEPT_CHARACTERS else _load(text)
    except ValueError:
        raise refused("SIGNATURE_CERTIFICATE", "KeyInfo has no readable X509Certificate", "KeyInfo") from None


_CERTIFICATES = etree.XPath("d:KeyInfo/d:X509Data/d:X509Certificate", namespaces={"d": DS})
_KEPT_CHARACTERS: Final = 16_384


@lru_cache(maxsize=32)
def _certificate(text: str) -> x509.Certificate:
    """One object for the same text: what it parses on demand is parsed once."""
    return _load(text)


def _load(text: str) -> x509.Certificate:
    return x509.load_der_x509_certificate(_from_base64(text, "KeyInfo"))


def check_signed_info(signature: etree._Element, certificate: x509.Certificate) -> DigestName:
    """SignatureValue over the canonical SignedInfo with the certificate's key; gives the digest it used.

    Raises SignatureVerificationError `SIGNATURE_MALFORMED`, `SIGNATURE_ALGORITHM`, `SIGNATURE_VALUE`.
    """
    info = signature.find(_SIGNED_INFO)
    c14n_method = info.find(_CANONICALIZATION) if info is not None else None
    method = info.find(_SIGNATURE_METHOD) if info is not None else None
    if info is None or c14n_method is None or method is None:
        raise refused("SIGNATURE_MALFORMED", "SignedInfo is missing or incomplete", "SignedInfo")
    name = _SIGNATURES.get(method.get("Algorithm", ""))
    key = certificate.public_key()
    if name is None or not isinstance(key, rsa.RSAPublicKey):
        raise refused("SIGNATURE_ALGORITHM", "only RSA with SHA-1 or SHA-256 is accepted", "SignatureMethod")
    signed = canonical(info, c14n_method.get("Algorithm", ""), inclusive_prefixes(c14n_method))
    value = decode_base64(signature.find(_SIGNATURE_VALUE), "SignatureValue")
    try:
        key.verify(value, signed, _PADDING, _HASHES[name])
    except InvalidSignature:
        raise refused("SIGNATURE_VALUE", "SignatureValue does not verify over SignedInfo", "SignatureValue") from None
    return name


_PADDING = padding.PKCS1v15()
_SIGNED_INFO, _CANONICALIZATION, _SIGNATURE_METHOD, _SIGNATURE_VALUE = (
    f"{{{DS}}}{name}" for name in ("SignedInfo", "CanonicalizationMethod", "SignatureMethod", "SignatureValue")
)


def inclusive_prefixes(method: etree._Element) -> str:
    if not len(method):
        return ""
    found = method.find(f"{{{EXCLUSIVE_C14N}}}InclusiveNamespaces")
    return found.get("PrefixList", "") if found is not None else ""
