"""The signature of a submission set: XAdES 1.1.1 with an IHE manifest (Document Digital Signature).

Written as one string that is canonical by construction; only the default namespace is ever in scope, so that inclusive
C14N of Manifest, SignedProperties and SignedInfo adds their own `xmlns` and nothing else.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from .._core.errors import SecurityError, SignatureVerificationError
from .._core.findings import Finding, Report
from .._core.xml import canonical_document, escape_attribute, escape_text, parse
from . import dsig
from .keys import Trust, check_trust, distinguished_name
from .signer import DigestName, Signer, current

XADES = "http://uri.etsi.org/01903/v1.1.1#"
"""Version 1.1.1, not 1.3.2."""
MANIFEST_ID: Final = "IHEManifest"
PROPERTIES_ID: Final = "S0-SignedProperties"
PURPOSE_SOURCE: Final = "1.2.840.10065.1.12.1.14"
"""ASTM E1762 "Source": the purpose of the DMP's submission-set signature."""
SET_DIGEST: Final = b"\0"
"""The set itself is listed with one zero byte (`AA==`) in place of a digest."""
_D = f"{{{dsig.DS}}}"
_X = f"{{{XADES}}}"


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """A document of the set: its unique id (OID) and the bytes to digest.

    is_xml: `data` is the canonical form (`canonical_form`) of the document; otherwise its bytes as they are (DICOM).
    """

    unique_id: str
    data: bytes | memoryview = field(repr=False)
    is_xml: bool = True


def canonical_form(content: bytes) -> bytes:
    """C14N 1.0 with comments of a whole XML document: what the manifest's digest covers."""
    return canonical_document(parse(content))


def sign_submission(
    *,
    submission_unique_id: str,
    documents: Sequence[SignedDocument],
    signer: Signer,
    signing_time: datetime,
    signature_id: str,
    digest: DigestName = "sha1",
) -> bytes:
    """The signature document of a submission set, one RSA signature.

    signature_id: an NCName (`_` and a UUID); signing_time: aware; digest: SHA-1 in every DMP message seen, SHA-256
    where the environment takes it (unverified). Raises SigningError or CertificateError from the signer.
    """
    signer = current(signer)
    lasting = _lasting(signer.certificate_der, signer.chain_der, digest)
    identifier = escape_attribute(signature_id).encode()
    manifest = b"".join((
        _reference(submission_unique_id, base64.b64encode(SET_DIGEST), digest, is_xml=False),
        *(_reference(d.unique_id, _digest_value(d.data, digest), digest, is_xml=d.is_xml) for d in documents),
    ))  # fmt: skip
    properties = b"".join((
        b"<SignedSignatureProperties><SigningTime>",
        signing_time.isoformat(timespec="milliseconds").encode(),
        lasting.after_time,
    ))  # fmt: skip
    signed_info = _SIGNED_INFO[digest] % (
        _digest_value(b"".join((_MANIFEST_SIGNED, manifest, b"</Manifest>")), digest),
        _digest_value(_PROPERTIES_SIGNED + properties, digest),
    )
    value = signer.sign(_SIGNED_INFO_SIGNED + signed_info, digest)
    return b"".join((
        _SIGNATURE_START,
        identifier,
        b'"><SignedInfo>',
        signed_info,
        b"<SignatureValue>",
        base64.b64encode(value),
        lasting.certificate,
        manifest,
        _AFTER_MANIFEST,
        identifier,
        _AFTER_TARGET,
        identifier,
        _BEFORE_PROPERTIES,
        properties,
        b"</QualifyingProperties></Object></Signature>",
    ))  # fmt: skip


_MANIFEST_SIGNED = f'<Manifest xmlns="{dsig.DS}" Id="{MANIFEST_ID}">'.encode()
_PROPERTIES_SIGNED = f'<SignedProperties xmlns="{XADES}" Id="{PROPERTIES_ID}">'.encode()
_SIGNED_INFO_SIGNED = f'<SignedInfo xmlns="{dsig.DS}">'.encode()
_SIGNATURE_START = f'<Signature xmlns="{dsig.DS}" Id="'.encode()
_AFTER_MANIFEST = (
    b"</Manifest></Object><Object><SignatureProperties>"
    b'<SignatureProperty Id="purposeOfSignature" Target="#'
)  # fmt: skip
_AFTER_TARGET = (
    f'">{PURPOSE_SOURCE}</SignatureProperty></SignatureProperties></Object>'
    f'<Object><QualifyingProperties xmlns="{XADES}" Target="#'
).encode()
_BEFORE_PROPERTIES = f'"><SignedProperties Id="{PROPERTIES_ID}">'.encode()
_SIGNED_INFO: dict[DigestName, bytes] = {
    name: (
        f'<CanonicalizationMethod Algorithm="{dsig.C14N_WITH_COMMENTS}"></CanonicalizationMethod>'
        f'<SignatureMethod Algorithm="{dsig.SIGNATURE_METHODS[name]}"></SignatureMethod>'
        f'<Reference Type="{dsig.DS}Manifest" URI="#{MANIFEST_ID}"><DigestMethod Algorithm="{method}"></DigestMethod>'
        f"<DigestValue>%b</DigestValue></Reference>"
        f'<Reference Type="{XADES}SignedProperties" URI="#{PROPERTIES_ID}"><DigestMethod Algorithm="{method}">'
        f"</DigestMethod><DigestValue>%b</DigestValue></Reference></SignedInfo>"
    ).encode()
    for name, method in dsig.DIGEST_METHODS.items()
}
_TRANSFORM = f'<Transforms><Transform Algorithm="{dsig.C14N_WITH_COMMENTS}"></Transform></Transforms>'.encode()
_METHOD: dict[DigestName, bytes] = {
    name: f'<DigestMethod Algorithm="{method}"></DigestMethod><DigestValue>'.encode()
    for name, method in dsig.DIGEST_METHODS.items()
}


def _digest_value(data: bytes | memoryview, digest: DigestName) -> bytes:
    return base64.b64encode(dsig.digest(data, digest))


def _reference(unique_id: str, value: bytes, digest: DigestName, *, is_xml: bool) -> bytes:
    return b'<Reference URI="urn:oid:%b">%b%b%b</DigestValue></Reference>' % (
        escape_attribute(unique_id).encode(), _TRANSFORM if is_xml else b"", _METHOD[digest], value,
    )  # fmt: skip


class _Lasting(NamedTuple):
    """The pieces that are the same in every signature of a signer. after_time: from the end of SigningTime to that of
    SignedProperties; certificate: from the end of SignatureValue to the start of the manifest."""

    after_time: bytes
    certificate: bytes


@lru_cache(maxsize=32)
def _lasting(leaf: bytes, chain: tuple[bytes, ...], digest: DigestName) -> _Lasting:
    # SigningCertificate: leaf, intermediates, root.
    after_time = (
        f"</SigningTime><SigningCertificate>{''.join(_certificate(der, digest) for der in chain)}</SigningCertificate>"
        "<SignaturePolicyIdentifier><SignaturePolicyImplied></SignaturePolicyImplied></SignaturePolicyIdentifier>"
        "</SignedSignatureProperties><SignedDataObjectProperties></SignedDataObjectProperties></SignedProperties>"
    )
    certificate = (
        "</SignatureValue><KeyInfo><X509Data><X509Certificate>"
        f"{base64.b64encode(leaf).decode()}</X509Certificate></X509Data></KeyInfo>"
        f'<Object><Manifest Id="{MANIFEST_ID}">'
    )
    return _Lasting(after_time.encode(), certificate.encode())


def _certificate(der: bytes, digest: DigestName) -> str:
    certificate = x509.load_der_x509_certificate(der)
    return (
        f'<Cert><CertDigest><DigestMethod Algorithm="{dsig.DIGEST_METHODS[digest]}"></DigestMethod><DigestValue>'
        f"{dsig.digest_value(der, digest)}</DigestValue></CertDigest><IssuerSerial>"
        f'<X509IssuerName xmlns="{dsig.DS}">{escape_text(distinguished_name(certificate.issuer))}</X509IssuerName>'
        f'<X509SerialNumber xmlns="{dsig.DS}">{certificate.serial_number}</X509SerialNumber></IssuerSerial></Cert>'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class XadesReport:
    """What a verification saw.

    submission_unique_id: the entry of the set; documents: unique id → digest that the manifest holds; purpose and
    signing_time as written; report: findings `XADES_*`, errors where the DMP would refuse.
    """

    report: Report
    certificate: x509.Certificate | None = field(repr=False)
    submission_unique_id: str = ""
    documents: Mapping[str, bytes] = field(default_factory=dict)
    purpose: str = ""
    signing_time: str = ""

    @property
    def ok(self) -> bool:
        return self.report.ok

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(f.code for f in self.report.errors)


def verify(
    xml: bytes,
    *,
    documents: Mapping[str, bytes] | None = None,
    trusted_roots: Iterable[x509.Certificate] | Trust | None = None,
    at: datetime | None = None,
) -> XadesReport:
    """Check a submission-set signature: SignatureValue, Manifest, SignedProperties, the signer's CertDigest, and:

    documents: unique id → bytes as received, each of which must be in the manifest with the right digest, and none
    besides; trusted_roots (certificates, or a `TrustStore`, which looks up revocation too) with `at`: the
    certificate's chain and dates. What is None is not checked.
    """
    findings: list[Finding] = []
    try:
        signature = parse(xml)
        if signature.tag != f"{_D}Signature":
            raise dsig.refused("XADES_SHAPE", "the root is not a ds:Signature", "Signature")
        certificate = dsig.signer_certificate(signature)
    except SecurityError as e:
        return XadesReport(report=Report((_finding(e),)), certificate=None)
    try:
        dsig.check_signed_info(signature, certificate)
    except SignatureVerificationError as e:
        findings.append(_finding(e))
    manifest, properties = _covered(signature, findings)
    if properties is not None:
        _check_signing_certificate(properties, certificate, findings)
    set_id, entries = _entries(manifest, findings) if manifest is not None else ("", {})
    if documents is not None:
        _check_documents(entries, documents, findings)
    if trusted_roots is not None and at is not None:
        try:
            check_trust(certificate, trusted_roots, at)
        except SecurityError as e:
            findings.append(_finding(e))
    purpose = signature.findtext(f"{_D}Object/{_D}SignatureProperties/{_D}SignatureProperty")
    if purpose is None:  # the official message leaves these two elements in no namespace
        purpose = signature.findtext(f"{_D}Object/SignatureProperties/SignatureProperty") or ""
    time = properties.findtext(f"{_X}SignedSignatureProperties/{_X}SigningTime") if properties is not None else ""
    return XadesReport(
        report=Report(tuple(findings)),
        certificate=certificate,
        submission_unique_id=set_id,
        documents={uid: _digest_of(e) for uid, e in entries.items()},
        purpose=purpose.strip(),
        signing_time=time or "",
    )


def _finding(error: SecurityError) -> Finding:
    return Finding(code=error.code, message=error.message, path=error.path, rule=error.rule, source="XMLDSig, IHE DSG")


def _note(findings: list[Finding], code: str, message: str, path: str) -> None:
    findings.append(Finding(code=code, message=message, path=path, source="IHE DSG, XAdES 1.1.1"))


# Compiled once: a path that is read at each call costs three times as much.
_NAMESPACES = {"d": dsig.DS, "x": XADES}
_WITH_ID = etree.XPath("descendant-or-self::*[@Id]")
_REFERENCES = etree.XPath("d:SignedInfo/d:Reference", namespaces=_NAMESPACES)
_TRANSFORMS = etree.XPath("d:Transforms/d:Transform", namespaces=_NAMESPACES)
_CERT_DIGESTS = etree.XPath(
    "x:SignedSignatureProperties/x:SigningCertificate/x:Cert/x:CertDigest", namespaces=_NAMESPACES
)
_DIGEST_METHOD, _DIGEST_VALUE = f"{_D}DigestMethod", f"{_D}DigestValue"
_COVERED: Final = (
    (f"{dsig.DS}Manifest", f"{_D}Manifest", "XADES_MANIFEST"),
    (f"{XADES}SignedProperties", f"{_X}SignedProperties", "XADES_PROPERTIES"),
)
"""What SignedInfo must cover: Type of the reference, element, code of the finding."""


def _covered(signature: etree._Element, findings: list[Finding]) -> list[etree._Element | None]:
    """Manifest and SignedProperties, each when one reference of SignedInfo covers it with the right digest."""
    targets: dict[str, list[etree._Element]] = {}
    for element in _WITH_ID(signature):
        targets.setdefault(f"#{element.get('Id')}", []).append(element)
    references: list[etree._Element] = _REFERENCES(signature)
    found: list[etree._Element | None] = []
    for kind, tag, code in _COVERED:
        of_kind = [r for r in references if r.get("Type") == kind]
        if len(of_kind) == 1:
            found.append(_target(of_kind[0], targets, tag, code, findings))
        else:
            _note(findings, code, f"SignedInfo must reference one {kind.rsplit('#', 1)[-1]}", "SignedInfo")
            found.append(None)
    return found


def _target(
    reference: etree._Element, targets: Mapping[str, list[etree._Element]], tag: str, code: str, findings: list[Finding]
) -> etree._Element | None:
    """The one element that a reference covers, when its digest is right."""
    uri = reference.get("URI", "")
    named = targets.get(uri, [])
    if len(named) != 1 or named[0].tag != tag:
        _note(findings, code, "the reference does not name one such element", "SignedInfo/Reference")
        return None
    transforms = _TRANSFORMS(reference)
    method = transforms[0].get("Algorithm", "") if len(transforms) == 1 else dsig.C14N
    try:
        if len(transforms) > 1:
            raise dsig.refused("SIGNATURE_ALGORITHM", "at most one transform is accepted", "SignedInfo/Reference")
        name = dsig.digest_name(reference.find(_DIGEST_METHOD))
        value = dsig.decode_base64(reference.find(_DIGEST_VALUE), "SignedInfo/Reference")
        covered = copy.deepcopy(named[0])
        covered.tail = None
        if dsig.digest(dsig.canonical(covered, method), name) != value:
            _note(findings, code, "changed after it was signed", uri)
            return None
    except SignatureVerificationError as e:
        findings.append(_finding(e))
        return None
    # What was digested is what is read: comments are not part of it.
    etree.strip_tags(covered, etree.Comment)
    return covered


def _check_signing_certificate(
    properties: etree._Element, certificate: x509.Certificate, findings: list[Finding]
) -> None:
    listed = _CERT_DIGESTS(properties)
    if not listed:
        _note(findings, "XADES_CERTIFICATE", "SigningCertificate is missing", "SignedProperties")
        return
    try:
        name = dsig.digest_name(_child(listed[0], "DigestMethod"))
        value = dsig.decode_base64(_child(listed[0], "DigestValue"), "CertDigest")
    except SignatureVerificationError as e:
        findings.append(_finding(e))
        return
    if certificate_digest(certificate, name) != value:
        _note(findings, "XADES_CERTIFICATE", "the first CertDigest is not that of the signer", "SigningCertificate")


@lru_cache(maxsize=64)
def certificate_digest(certificate: x509.Certificate, name: DigestName) -> bytes:
    return dsig.digest(certificate.public_bytes(Encoding.DER), name)


def _child(parent: etree._Element, name: str) -> etree._Element | None:
    """In the XAdES namespace as the official message has it, or in XMLDSig's."""
    found = parent.find(f"{_X}{name}")
    return found if found is not None else parent.find(f"{_D}{name}")


def _entries(manifest: etree._Element, findings: list[Finding]) -> tuple[str, dict[str, etree._Element]]:
    set_id, entries = "", {}
    for reference in manifest.iterfind(f"{_D}Reference"):
        uri = reference.get("URI", "")
        if not uri.startswith("urn:oid:"):
            _note(findings, "XADES_REFERENCE", "a manifest reference is not urn:oid:", "Manifest/Reference")
            continue
        unique_id = uri.removeprefix("urn:oid:")
        if (reference.findtext(_DIGEST_VALUE) or "").strip() == "AA==":
            if set_id:
                _note(findings, "XADES_REFERENCE", "two entries stand for the set", "Manifest")
            set_id = unique_id
        elif unique_id in entries:
            _note(findings, "XADES_REFERENCE", "a document is listed twice", uri)
        else:
            entries[unique_id] = reference
    if not set_id:
        _note(findings, "XADES_REFERENCE", "no entry stands for the submission set (DigestValue AA==)", "Manifest")
    return set_id, entries


def _digest_of(reference: etree._Element) -> bytes:
    """Its DigestValue, empty when unreadable (a finding says so where documents are compared)."""
    try:
        return dsig.decode_base64(reference.find(_DIGEST_VALUE), "Manifest/Reference")
    except SignatureVerificationError:
        return b""


def _check_documents(
    entries: Mapping[str, etree._Element], documents: Mapping[str, bytes], findings: list[Finding]
) -> None:
    for unique_id in sorted(entries.keys() ^ documents.keys()):
        where = "the manifest" if unique_id in documents else "the set"
        _note(findings, "XADES_DOCUMENTS", f"a document is missing from {where}", f"urn:oid:{unique_id}")
    for unique_id in sorted(entries.keys() & documents.keys()):
        reference = entries[unique_id]
        transforms = [t.get("Algorithm") for t in _TRANSFORMS(reference)]
        try:
            if transforms == [dsig.C14N_WITH_COMMENTS]:
                data = canonical_form(documents[unique_id])
            elif transforms:
                raise dsig.refused("SIGNATURE_ALGORITHM", "unknown manifest transform", f"urn:oid:{unique_id}")
            else:
                data = documents[unique_id]
            name = dsig.digest_name(reference.find(f"{_D}DigestMethod"))
            value = dsig.decode_base64(reference.find(f"{_D}DigestValue"), f"urn:oid:{unique_id}")
        except SecurityError as e:
            findings.append(_finding(e))
            continue
        if dsig.digest(data, name) != value:
            _note(findings, "XADES_DIGEST", "the document is not the one that was signed", f"urn:oid:{unique_id}")
