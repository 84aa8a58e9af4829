"""VIHF (*Vecteur d'Identification et d'Habilitations Formelles*): the signed SAML 2.0 assertion of each DMP call.

Written as one string that is already in exclusive canonical form: the bytes that are digested are the bytes that go on
the wire, the signature alone being inserted after Issuer.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from lxml import etree

from .._core.errors import ModelError
from .._core.redaction import mask
from .._core.xml import escape_attribute, escape_text
from ..model import Code
from . import dsig
from .keys import CertificateUsage, check_certificate, check_trusted, distinguished_name
from .signer import DigestName, Signer

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
ISSUER_FORMAT: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName"
XSPA = "urn:oasis:names:tc:xspa:1.0"
XACML = "urn:oasis:names:tc:xacml:2.0"
SUBJECT_ID = f"{XSPA}:subject:subject-id"
ROLE = f"{XACML}:subject:role"
RESOURCE_ID = f"{XACML}:resource:resource-id"
PURPOSE_OF_USE = f"{XSPA}:subject:purposeofuse"
CONFIDENTIALITY = f"{XSPA}:resource:patient:hl7:confidentiality-code"
_HL7 = "urn:hl7-org:v3"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_TAG = f"{{{SAML}}}"
_NEEDS_SPECIALTY = frozenset({"10", "21"})

NORMAL_ACCESS = Code(
    code="normal", system="1.2.250.1.213.1.1.4.248", display="Accès normal", system_name="mode acces VIHF 2.0"
)
"""The official messages name the system "mode acces VIHF 2.0", one ANS example "… 1.0"."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VihfRequest:
    """Who calls, from where, about whom, with which software.

    subject: NameID, PS_IdNat of the user (for an automaton: of the person responsible for it); structure_id:
    Struct_IdNat; sector: JDV_J61 code of the structure (`SA01`) with its system; roles: profession, then specialty
    (mandatory for Médecin 10 and Pharmacien 21); subject_id: "Prénom NOM", or software, model and service;
    ins_cx: `<INS>^^^&<OID>&ISO^NH` of the patient, None for a call about no patient; authn_context: how the
    establishment authenticated its user; authn_declaration: AIR mode only; software_*: the LPS; homologation: number
    given by the CNDA; confidentiality: `INVISIBLE_REPRESENTANTS_LEGAUX` for the secret connection of a minor.

    version, mode_attribute and issuer have values on which official sources disagree: `3.0` against `4.0`,
    `Authentification_Mode` against `Authentification_mode`, and the order of the DN (None: RFC 2253, CN first).
    """

    subject: str
    structure_id: str
    sector: Code
    roles: tuple[Code, ...]
    subject_id: str
    authn_context: str
    software_name: str
    software_version: str
    software_id: str
    homologation: str
    ins_cx: str | None = None
    purpose: Code = NORMAL_ACCESS
    mode: str = "INDIRECTE"
    version: str = "3.0"
    mode_attribute: str = "Authentification_Mode"
    issuer: str | None = None
    authn_declaration: str | None = None
    confidentiality: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.roles) <= 2:
            raise _invalid("VIHF_ROLE", "a VIHF has one or two role values", "roles")
        if self.roles[0].code in _NEEDS_SPECIALTY and len(self.roles) != 2:
            raise _invalid(
                "VIHF_ROLE", "a doctor (10) or a pharmacist (21) has a second role value: the specialty", "roles"
            )
        for name in ("subject", "structure_id", "subject_id", "authn_context", "software_name", "homologation"):
            if not getattr(self, name):
                raise _invalid("VIHF_MISSING", "this part of the VIHF is required", name)

    def __repr__(self) -> str:
        return f"VihfRequest(structure_id={self.structure_id!r}, ins_cx={mask(self.ins_cx)!r})"


def _invalid(code: str, message: str, path: str) -> ModelError:
    return ModelError(
        message, code=code, path=f"VihfRequest.{path}", rule="VIHF of the DMP", hint="complete the actor or settings"
    )


def _attribute(name: str, value: str) -> str:
    return (
        f'<saml2:Attribute Name="{name}"><saml2:AttributeValue>{escape_text(value)}'
        "</saml2:AttributeValue></saml2:Attribute>"
    )


def _coded(element: str, code: Code) -> str:
    system_name = f' codeSystemName="{escape_attribute(code.system_name)}"' if code.system_name else ""
    return (
        f'<saml2:AttributeValue><{element} xmlns="{_HL7}" xmlns:xsi="{_XSI}" code="{escape_attribute(code.code)}"'
        f' codeSystem="{escape_attribute(code.system)}"{system_name} displayName="{escape_attribute(code.display)}"'
        f' xsi:type="CE"></{element}></saml2:AttributeValue>'
    )


def build(
    request: VihfRequest,
    signer: Signer,
    *,
    assertion_id: str,
    issue_instant: datetime,
    digest: DigestName = "sha256",
) -> bytes:
    """The signed assertion, one RSA signature. Embed it as it is.

    assertion_id: an NCName, fresh for each call (`_` and a UUID); issue_instant: aware.
    Raises SigningError or CertificateError from the signer, XmlSecurityError for a character XML cannot hold.
    """
    utc = issue_instant.astimezone(UTC)
    instant = f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"
    declaration = (
        f"<saml2:AuthnContextDecl>{escape_text(request.authn_declaration)}</saml2:AuthnContextDecl>"
        if request.authn_declaration
        else ""
    )
    roles = "".join(_coded("Role", role) for role in request.roles)
    before = (
        f'<saml2:Assertion xmlns:saml2="{SAML}" ID="{escape_attribute(assertion_id)}" IssueInstant="{instant}"'
        f' Version="2.0"><saml2:Issuer Format="{ISSUER_FORMAT}">'
        f"{escape_text(request.issuer or signer.subject_dn)}</saml2:Issuer>"
    ).encode()
    after = (
        f"<saml2:Subject><saml2:NameID>{escape_text(request.subject)}</saml2:NameID></saml2:Subject>"
        f'<saml2:AuthnStatement AuthnInstant="{instant}"><saml2:AuthnContext><saml2:AuthnContextClassRef>'
        f"{escape_text(request.authn_context)}</saml2:AuthnContextClassRef>{declaration}</saml2:AuthnContext>"
        "</saml2:AuthnStatement><saml2:AttributeStatement>"
        + _attribute("Identifiant_Structure", request.structure_id)
        + _attribute("Secteur_Activite", f"{request.sector.code}^{request.sector.system}")
        + _attribute(SUBJECT_ID, request.subject_id)
        + f'<saml2:Attribute Name="{ROLE}">{roles}</saml2:Attribute>'
        + _attribute("VIHF_Version", request.version)
        + _attribute(request.mode_attribute, request.mode)
        + (_attribute(RESOURCE_ID, request.ins_cx) if request.ins_cx else "")
        + _attribute("Ressource_URN", "urn:dmp")
        + f'<saml2:Attribute Name="{PURPOSE_OF_USE}">{_coded("PurposeOfUse", request.purpose)}</saml2:Attribute>'
        + (_attribute(CONFIDENTIALITY, request.confidentiality) if request.confidentiality else "")
        + _attribute("LPS_ID", request.software_id)
        + _attribute("LPS_Nom", request.software_name)
        + _attribute("LPS_Version", request.software_version)
        + _attribute("LPS_ID_HOMOLOGATION_DMP", request.homologation)
        + "</saml2:AttributeStatement></saml2:Assertion>"
    ).encode()
    signed_info = _SIGNED_INFO[digest] % (
        escape_attribute(assertion_id).encode(),
        dsig.digest_value(before + after, digest).encode(),
    )
    # SignedInfo is digested with its namespace declaration, and written under Signature, which declares it.
    value = signer.sign(b'<SignedInfo xmlns="' + dsig.DS.encode() + b'">' + signed_info, digest)
    return b"".join((
        before,
        _SIGNATURE_START,
        signed_info,
        b"<SignatureValue>",
        base64.b64encode(value),
        b"</SignatureValue><KeyInfo><X509Data><X509Certificate>",
        base64.b64encode(signer.certificate_der),
        b"</X509Certificate></X509Data></KeyInfo></Signature>",
        after,
    ))  # fmt: skip


_SIGNATURE_START = f'<Signature xmlns="{dsig.DS}"><SignedInfo>'.encode()
_SIGNED_INFO: dict[DigestName, bytes] = {
    name: (
        f'<CanonicalizationMethod Algorithm="{dsig.EXCLUSIVE_C14N}"></CanonicalizationMethod>'
        f'<SignatureMethod Algorithm="{dsig.SIGNATURE_METHODS[name]}"></SignatureMethod>'
        f'<Reference URI="#%b"><Transforms><Transform Algorithm="{dsig.ENVELOPED}"></Transform>'
        f'<Transform Algorithm="{dsig.EXCLUSIVE_C14N}"></Transform></Transforms>'
        f'<DigestMethod Algorithm="{dsig.DIGEST_METHODS[name]}"></DigestMethod>'
        "<DigestValue>%b</DigestValue></Reference></SignedInfo>"
    ).encode()
    for name in dsig.DIGEST_METHODS
}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VihfClaims:
    """What a verified assertion says. attributes: first text value of each attribute by name; roles in order."""

    assertion_id: str
    issue_instant: str
    issuer: str
    subject: str
    authn_context: str
    roles: tuple[Code, ...]
    purpose: Code
    attributes: Mapping[str, str]
    certificate: x509.Certificate = field(compare=False)

    def __repr__(self) -> str:
        return f"VihfClaims(assertion_id={self.assertion_id!r})"

    @property
    def ins_cx(self) -> str | None:
        return self.attributes.get(RESOURCE_ID)

    @property
    def structure_id(self) -> str:
        return self.attributes.get("Identifiant_Structure", "")

    @property
    def sector(self) -> str:
        return self.attributes.get("Secteur_Activite", "")

    @property
    def mode(self) -> str:
        return self.attributes.get("Authentification_Mode") or self.attributes.get("Authentification_mode", "")


def verify(assertion: etree._Element, *, trusted_roots: Iterable[x509.Certificate], at: datetime) -> VihfClaims:
    """Check the assertion as the DMP does and give its claims: for fakes, and for reading one's own.

    trusted_roots: roots and intermediates; at: the instant for which the certificate must be valid. Lifetime is not
    judged (no public text says it). Raises SignatureVerificationError (`VIHF_SHAPE`, `SIGNATURE_*`) and
    CertificateError (`CERTIFICATE_*`).
    """
    if assertion.tag != f"{_TAG}Assertion" or assertion.get("Version") != "2.0":
        raise dsig.refused("VIHF_SHAPE", "not a SAML 2.0 assertion", "Assertion")
    elements = [e for e in assertion if isinstance(e.tag, str)]
    if len(elements) < 3 or elements[0].tag != f"{_TAG}Issuer" or elements[1].tag != f"{{{dsig.DS}}}Signature":
        raise dsig.refused("VIHF_SHAPE", "the signature must come right after Issuer", "Assertion")
    signature = elements[1]
    if sum(1 for _ in assertion.iter(f"{{{dsig.DS}}}Signature")) != 1:
        raise dsig.refused("VIHF_SHAPE", "more than one signature", "Assertion")
    certificate = dsig.signer_certificate(signature)
    dsig.check_signed_info(signature, certificate)
    signed = _check_reference(assertion, signature)
    check_trusted(certificate, trusted_roots, at)
    check_certificate(certificate, clock=_At(at), usage=CertificateUsage.SIGNATURE, path="KeyInfo")
    issuer = (signed.findtext(f"{_TAG}Issuer") or "").strip()
    if elements[0].get("Format") != ISSUER_FORMAT or not _same_dn(issuer, distinguished_name(certificate.subject)):
        raise dsig.refused(
            "VIHF_ISSUER", "Issuer is not the subject of the signing certificate", "Assertion/Issuer"
        )  # fmt: skip
    return _claims(signed, issuer, certificate)


class _At:
    """The instant of the check, as a clock."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at


def _check_reference(assertion: etree._Element, signature: etree._Element) -> etree._Element:
    """Gives the assertion without signature and comments: what was digested is what is read."""
    d = f"{{{dsig.DS}}}"
    references = signature.findall(f"{d}SignedInfo/{d}Reference")
    identifier = assertion.get("ID", "")
    if len(references) != 1 or not identifier or references[0].get("URI") != f"#{identifier}":
        raise dsig.refused("SIGNATURE_REFERENCE", "the signature does not cover this assertion", "Reference")
    transforms = references[0].findall(f"{d}Transforms/{d}Transform")
    if [t.get("Algorithm") for t in transforms] != [dsig.ENVELOPED, dsig.EXCLUSIVE_C14N]:
        raise dsig.refused("SIGNATURE_ALGORITHM", "transforms must be enveloped, then exclusive C14N", "Transforms")
    unsigned = copy.deepcopy(assertion)
    enveloped = unsigned.find(f"{d}Signature")
    assert enveloped is not None
    tail, previous = enveloped.tail or "", enveloped.getprevious()
    unsigned.remove(enveloped)
    if previous is not None and tail:
        previous.tail = (previous.tail or "") + tail
    etree.strip_tags(unsigned, etree.Comment)
    data = dsig.canonical(unsigned, dsig.EXCLUSIVE_C14N, dsig.inclusive_prefixes(transforms[1]))
    name = dsig.digest_name(references[0].find(f"{d}DigestMethod"))
    if dsig.digest(data, name) != dsig.decode_base64(references[0].find(f"{d}DigestValue"), "DigestValue"):
        raise dsig.refused("SIGNATURE_DIGEST", "the assertion was changed after it was signed", "DigestValue")
    return unsigned


def _same_dn(a: str, b: str) -> bool:
    """Same parts, in one order or the other: both are in the field."""
    parts = [p.strip() for p in a.split(",")]
    wanted = [p.strip() for p in b.split(",")]
    return parts in (wanted, wanted[::-1])


def _claims(assertion: etree._Element, issuer: str, certificate: x509.Certificate) -> VihfClaims:
    attributes: dict[str, str] = {}
    coded: dict[str, list[Code]] = {}
    for attribute in assertion.iterfind(f"{_TAG}AttributeStatement/{_TAG}Attribute"):
        name = attribute.get("Name", "")
        if name in attributes or name in coded:
            raise dsig.refused("VIHF_SHAPE", "an attribute comes twice", f"Attribute[@Name='{name[:80]}']")
        for value in attribute.iterfind(f"{_TAG}AttributeValue"):
            codes = [c for c in value if isinstance(c.tag, str)]
            if codes:
                coded.setdefault(name, []).extend(map(_code, codes))
            else:
                attributes.setdefault(name, value.text or "")
    purpose = coded.get(PURPOSE_OF_USE, [])
    if len(purpose) != 1 or not 1 <= len(coded.get(ROLE, [])) <= 2:
        raise dsig.refused("VIHF_SHAPE", "one purposeofuse and one or two roles are needed", "AttributeStatement")
    subject = assertion.findtext(f"{_TAG}Subject/{_TAG}NameID") or ""
    context = assertion.findtext(f"{_TAG}AuthnStatement/{_TAG}AuthnContext/{_TAG}AuthnContextClassRef") or ""
    if not subject or not context:
        raise dsig.refused("VIHF_SHAPE", "Subject/NameID and AuthnContextClassRef are needed", "Assertion")
    return VihfClaims(
        assertion_id=assertion.get("ID", ""),
        issue_instant=assertion.get("IssueInstant", ""),
        issuer=issuer,
        subject=subject.strip(),
        authn_context=context.strip(),
        roles=tuple(coded[ROLE]),
        purpose=purpose[0],
        attributes=attributes,
        certificate=certificate,
    )


def _code(element: etree._Element) -> Code:
    code, system = element.get("code", ""), element.get("codeSystem", "")
    if not code or not system:
        raise dsig.refused("VIHF_SHAPE", "a Role or PurposeOfUse lacks code or codeSystem", "AttributeValue")
    return Code(
        code=code, system=system, display=element.get("displayName", ""), system_name=element.get("codeSystemName", "")
    )
