"""VIHF (*Vecteur d'Identification et d'Habilitations Formelles*): the signed SAML 2.0 assertion of each DMP call.

Written as one string that is already in exclusive canonical form: the bytes that are digested are the bytes that go on
the wire, the signature alone being inserted after Issuer.
"""

from __future__ import annotations

import base64
import copy
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Final, Literal, NamedTuple

from cryptography import x509
from lxml import etree

from .._core.errors import ModelError
from .._core.redaction import mask
from .._core.xml import escape_attribute, escape_text
from ..model import Code
from . import dsig
from .keys import (
    CertificateUsage,
    DnForm,
    Trust,
    check_certificate,
    check_trust,
    distinguished_name,
    subject_of,
)
from .signer import DigestName, Signer, current

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
EMERGENCY_ACCESS = NORMAL_ACCESS.model_copy(update={"code": "bris_de_glace", "display": "Bris de glace"})
"""*Bris de glace*. Its label is in no message that was seen (unverified), its code is."""
REGULATION_ACCESS = NORMAL_ACCESS.model_copy(update={"code": "centre_15", "display": "Centre 15"})
"""Medical regulation by the *centre 15*. Its label is unverified too."""
HIDDEN_FROM_GUARDIANS: Final = "INVISIBLE_REPRESENTANTS_LEGAUX"
"""confidentiality-code of the *connexion secrète* of a minor (JDV_J22)."""
SMARTCARD: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI"
PRO_SANTE_CONNECT: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorUnregistered"
"""AuthnContextClassRef that the public Pro Santé Connect proxy (prosanteconnect/generate-VIHF) writes, with mode
`INDIRECTE`; whether the DMP wants this one for every way of identification of Pro Santé Connect is unverified."""
Mode = Literal["INDIRECTE", "INDIRECTE_RENFORCEE", "DIRECTE"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VihfRequest:
    """Who calls, from where, about whom, with which software.

    subject: NameID, PS_IdNat of the user (for an automaton: of the person responsible for it); structure_id:
    Struct_IdNat; sector: JDV_J61 code of the structure (`SA01`) with its system; roles: profession, then specialty
    (mandatory for Médecin 10 and Pharmacien 21); subject_id: "Prénom NOM", or software, model and service, not written
    in mode DIRECTE as in the official messages;
    ins_cx: `<INS>^^^&<OID>&ISO^NH` of the patient, None for a call about no patient; authn_context: how the
    establishment authenticated its user, `SMARTCARD` in mode DIRECTE; authn_declaration: AuthnContextDecl, mode
    INDIRECTE_RENFORCEE (AIR) only, where it is required; software_*: the LPS; homologation: number given by the CNDA;
    confidentiality: `HIDDEN_FROM_GUARDIANS` or None.
    validity: adds Conditions, from `skew` before IssueInstant until `validity` after; None, as in the official
    messages, writes none (the lifetime that the DMP grants is in no public text).

    version, mode_attribute, issuer_form and issuer have values on which official sources disagree: `3.0` against
    `4.0`, `Authentification_Mode` against `Authentification_mode`, and the form of the DN; issuer, when given, is
    written as it is.
    Raises ModelError `VIHF_ROLE`, `VIHF_MISSING`, `VIHF_MODE`.
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
    mode: Mode = "INDIRECTE"
    version: str = "3.0"
    mode_attribute: str = "Authentification_Mode"
    issuer: str | None = None
    issuer_form: DnForm = "rfc2253"
    authn_declaration: str | None = None
    confidentiality: str | None = None
    validity: timedelta | None = None
    skew: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        if not 1 <= len(self.roles) <= 2:
            raise _invalid("VIHF_ROLE", "a VIHF has one or two role values", "roles")
        if self.roles[0].code in _NEEDS_SPECIALTY and len(self.roles) != 2:
            raise _invalid(
                "VIHF_ROLE", "a doctor (10) or a pharmacist (21) has a second role value: the specialty", "roles"
            )
        direct = self.mode == "DIRECTE"
        if direct and self.authn_context != SMARTCARD:
            raise _invalid("VIHF_MODE", "mode DIRECTE is the card's: SmartcardPKI", "authn_context")
        if self.mode == "INDIRECTE_RENFORCEE" and not self.authn_declaration:
            raise _invalid("VIHF_MODE", "mode INDIRECTE_RENFORCEE has an AuthnContextDecl", "authn_declaration")
        if self.mode != "INDIRECTE_RENFORCEE" and self.authn_declaration:
            raise _invalid("VIHF_MODE", "AuthnContextDecl is of mode INDIRECTE_RENFORCEE only", "authn_declaration")
        if self.confidentiality not in (None, HIDDEN_FROM_GUARDIANS):
            raise _invalid(
                "VIHF_CONFIDENTIALITY", f"the only value known is {HIDDEN_FROM_GUARDIANS}", "confidentiality"
            )
        if not all(_REQUIRED(self)):
            for name in _REQUIRED_NAMES:
                if not getattr(self, name) and not (direct and name == "subject_id"):
                    raise _invalid("VIHF_MISSING", "this part of the VIHF is required", name)

    def __repr__(self) -> str:
        return f"VihfRequest(structure_id={self.structure_id!r}, ins_cx={mask(self.ins_cx)!r})"


_REQUIRED_NAMES = ("subject", "structure_id", "subject_id", "authn_context", "software_name", "homologation")
_REQUIRED = attrgetter(*_REQUIRED_NAMES)


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
    signer = current(signer)
    issuer = request.issuer or (
        signer.subject_dn
        if request.issuer_form == "rfc2253"
        else subject_of(signer.certificate_der, request.issuer_form)
    )
    lasting = _lasting(issuer, signer.certificate_der, *_LASTING(request))
    identifier, instant = escape_attribute(assertion_id).encode(), _instant(issue_instant)
    conditions = (
        b'<saml2:Conditions NotBefore="%b" NotOnOrAfter="%b"></saml2:Conditions>'
        % (_instant(issue_instant - request.skew), _instant(issue_instant + request.validity))
        if request.validity
        else b""
    )
    before = b"".join((lasting.start, identifier, b'" IssueInstant="', instant, lasting.issuer))
    after = b"".join((
        lasting.subject,
        conditions,
        b'<saml2:AuthnStatement AuthnInstant="',
        instant,
        lasting.before_patient,
        _attribute(RESOURCE_ID, request.ins_cx).encode() if request.ins_cx else b"",
        lasting.after_patient,
    ))  # fmt: skip
    signed_info = _SIGNED_INFO[digest] % (identifier, dsig.digest_value(before + after, digest).encode())
    # SignedInfo is digested with its namespace declaration, and written under Signature, which declares it.
    value = signer.sign(_SIGNED_INFO_START + signed_info, digest)
    return b"".join((
        before,
        _SIGNATURE_START,
        signed_info,
        b"<SignatureValue>",
        base64.b64encode(value),
        b"</SignatureValue><KeyInfo><X509Data><X509Certificate>",
        lasting.certificate,
        b"</X509Certificate></X509Data></KeyInfo></Signature>",
        after,
    ))  # fmt: skip


class _Lasting(NamedTuple):
    """The pieces of an assertion that are the same in every call of a user: all but its identifier, its times and the
    patient."""

    start: bytes
    issuer: bytes
    subject: bytes
    before_patient: bytes
    after_patient: bytes
    certificate: bytes


_LASTING = attrgetter(
    "subject", "structure_id", "sector", "roles", "subject_id", "authn_context", "software_name", "software_version",
    "software_id", "homologation", "purpose", "mode", "version", "mode_attribute", "authn_declaration",
    "confidentiality",
)  # fmt: skip


@lru_cache(maxsize=64)
def _lasting(
    issuer: str, certificate: bytes, subject: str, structure_id: str, sector: Code, roles: tuple[Code, ...],
    subject_id: str, authn_context: str, software_name: str, software_version: str, software_id: str,
    homologation: str, purpose: Code, mode: str, version: str, mode_attribute: str, authn_declaration: str | None,
    confidentiality: str | None,
) -> _Lasting:  # fmt: skip
    declaration = (
        f"<saml2:AuthnContextDecl>{escape_text(authn_declaration)}</saml2:AuthnContextDecl>"
        if authn_declaration
        else ""
    )
    before_patient = (
        f'"><saml2:AuthnContext><saml2:AuthnContextClassRef>{escape_text(authn_context)}</saml2:AuthnContextClassRef>'
        f"{declaration}</saml2:AuthnContext></saml2:AuthnStatement><saml2:AttributeStatement>"
        + _attribute("Identifiant_Structure", structure_id)
        + _attribute("Secteur_Activite", f"{sector.code}^{sector.system}")
        + ("" if mode == "DIRECTE" else _attribute(SUBJECT_ID, subject_id))
        + f'<saml2:Attribute Name="{ROLE}">{"".join(_coded("Role", role) for role in roles)}</saml2:Attribute>'
        + _attribute("VIHF_Version", version)
        + _attribute(mode_attribute, mode)
    )
    after_patient = (
        _attribute("Ressource_URN", "urn:dmp")
        + f'<saml2:Attribute Name="{PURPOSE_OF_USE}">{_coded("PurposeOfUse", purpose)}</saml2:Attribute>'
        + (_attribute(CONFIDENTIALITY, confidentiality) if confidentiality else "")
        + _attribute("LPS_ID", software_id)
        + _attribute("LPS_Nom", software_name)
        + _attribute("LPS_Version", software_version)
        + _attribute("LPS_ID_HOMOLOGATION_DMP", homologation)
        + "</saml2:AttributeStatement></saml2:Assertion>"
    )
    return _Lasting(
        start=f'<saml2:Assertion xmlns:saml2="{SAML}" ID="'.encode(),
        issuer=f'" Version="2.0"><saml2:Issuer Format="{ISSUER_FORMAT}">{escape_text(issuer)}</saml2:Issuer>'.encode(),
        subject=f"<saml2:Subject><saml2:NameID>{escape_text(subject)}</saml2:NameID></saml2:Subject>".encode(),
        before_patient=before_patient.encode(),
        after_patient=after_patient.encode(),
        certificate=base64.b64encode(certificate),
    )


def _instant(at: datetime) -> bytes:
    return b"%bZ" % at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds").encode()


class AssertionCache:
    """VIHF used again while young, for services known to allow it. Thread-safe.

    What is kept is told apart by everything it says (`VihfRequest`) and by the signer's certificate, and is dropped
    `seconds` after its IssueInstant; 0 keeps nothing, and each call has its own, as the DMP's public texts suppose.
    """

    def __init__(self, seconds: float = 0) -> None:
        self._age = timedelta(seconds=seconds)
        self._held: dict[tuple[VihfRequest, bytes], tuple[datetime, bytes]] = {}
        self._lock = threading.Lock()

    def get(self, request: VihfRequest, signer: Signer, at: datetime, make: Callable[[], bytes]) -> bytes:
        """The assertion held for this request, else what `make` gives."""
        if not self._age:
            return make()
        key = request, signer.certificate_der
        with self._lock:
            held = self._held.get(key)
        if held is not None and timedelta(0) <= at - held[0] < self._age:
            return held[1]
        made = make()
        with self._lock:
            if len(self._held) >= _MOST_HELD:
                self._held.clear()
            self._held[key] = at, made
        return made


_MOST_HELD = 1024

_SIGNATURE_START = f'<Signature xmlns="{dsig.DS}"><SignedInfo>'.encode()
_SIGNED_INFO_START = f'<SignedInfo xmlns="{dsig.DS}">'.encode()
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


def verify(
    assertion: etree._Element,
    *,
    trusted_roots: Iterable[x509.Certificate] | Trust,
    at: datetime,
    skew: timedelta = timedelta(0),
) -> VihfClaims:
    """Check the assertion as the DMP does and give its claims: for fakes, and for reading one's own.

    trusted_roots: roots and intermediates, or a `TrustStore`, which looks up revocation too; at: the instant for which
    the certificate must be valid, and Conditions when there are some, give or take `skew`. Lifetime is not judged
    otherwise (no public text says it). Raises SignatureVerificationError (`VIHF_SHAPE`, `VIHF_ISSUER`,
    `VIHF_CONDITIONS`, `SIGNATURE_*`) and CertificateError (`CERTIFICATE_*`).
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
    check_trust(certificate, trusted_roots, at)
    check_certificate(certificate, clock=_At(at), usage=CertificateUsage.SIGNATURE, path="KeyInfo")
    issuer = (signed.findtext(f"{_TAG}Issuer") or "").strip()
    if elements[0].get("Format") != ISSUER_FORMAT or not _is_subject(issuer, certificate):
        raise dsig.refused(
            "VIHF_ISSUER", "Issuer is not the subject of the signing certificate", "Assertion/Issuer"
        )  # fmt: skip
    _check_conditions(signed, at, skew)
    return _claims(signed, issuer, certificate)


def _check_conditions(assertion: etree._Element, at: datetime, skew: timedelta) -> None:
    conditions = assertion.find(f"{_TAG}Conditions")
    if conditions is None:
        return
    try:
        start, end = (
            datetime.fromisoformat(text) if (text := conditions.get(name)) else None
            for name in ("NotBefore", "NotOnOrAfter")
        )
        too_early = start is not None and at < start - skew
        too_late = end is not None and at >= end + skew
    except (TypeError, ValueError):  # no instant, or one without a zone
        raise dsig.refused("VIHF_CONDITIONS", "NotBefore or NotOnOrAfter is no instant", "Conditions") from None
    if too_early or too_late:
        raise dsig.refused(
            "VIHF_CONDITIONS", "not yet valid" if too_early else "no longer valid", "Conditions",
            "SAML 2.0 core, 2.5.1.2",
        )  # fmt: skip


class _At:
    """The instant of the check, as a clock."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at


def _check_reference(assertion: etree._Element, signature: etree._Element) -> etree._Element:
    """Gives the assertion without signature and comments: what was digested is what is read."""
    references = _REFERENCES(signature)
    identifier = assertion.get("ID", "")
    if len(references) != 1 or not identifier or references[0].get("URI") != f"#{identifier}":
        raise dsig.refused("SIGNATURE_REFERENCE", "the signature does not cover this assertion", "Reference")
    transforms = _TRANSFORMS(references[0])
    if [t.get("Algorithm") for t in transforms] != [dsig.ENVELOPED, dsig.EXCLUSIVE_C14N]:
        raise dsig.refused("SIGNATURE_ALGORITHM", "transforms must be enveloped, then exclusive C14N", "Transforms")
    unsigned = copy.deepcopy(assertion)
    enveloped = unsigned.find(_SIGNATURE)
    assert enveloped is not None
    tail, previous = enveloped.tail or "", enveloped.getprevious()
    unsigned.remove(enveloped)
    if previous is not None and tail:
        previous.tail = (previous.tail or "") + tail
    etree.strip_tags(unsigned, etree.Comment)
    data = dsig.canonical(unsigned, dsig.EXCLUSIVE_C14N, dsig.inclusive_prefixes(transforms[1]))
    name = dsig.digest_name(references[0].find(_DIGEST_METHOD))
    if dsig.digest(data, name) != dsig.decode_base64(references[0].find(_DIGEST_VALUE), "DigestValue"):
        raise dsig.refused("SIGNATURE_DIGEST", "the assertion was changed after it was signed", "DigestValue")
    return unsigned


# Compiled once: a path that is read at each call costs three times as much.
_NAMESPACES = {"d": dsig.DS, "s": SAML}
_REFERENCES = etree.XPath("d:SignedInfo/d:Reference", namespaces=_NAMESPACES)
_TRANSFORMS = etree.XPath("d:Transforms/d:Transform", namespaces=_NAMESPACES)
_ATTRIBUTES = etree.XPath("s:AttributeStatement/s:Attribute", namespaces=_NAMESPACES)
_SUBJECT = etree.XPath("s:Subject/s:NameID", namespaces=_NAMESPACES)
_CONTEXT = etree.XPath("s:AuthnStatement/s:AuthnContext/s:AuthnContextClassRef", namespaces=_NAMESPACES)
_SIGNATURE, _DIGEST_METHOD, _DIGEST_VALUE = (
    f"{{{dsig.DS}}}{name}" for name in ("Signature", "DigestMethod", "DigestValue")
)
_VALUE = f"{_TAG}AttributeValue"

_RDN = re.compile(r"(?:\\.|[^\\,])+", re.DOTALL)


def _rdns(name: str) -> list[str]:
    """The parts between commas that are not escaped. The space that a country-first name puts before each is no part
    of it, one that a value begins with is escaped (RFC 4514)."""
    return [part.lstrip(" ") for part in _RDN.findall(name)]


_DN_FORMS: Final[tuple[DnForm, ...]] = ("rfc2253", "rfc2253_oids")


@lru_cache(maxsize=32)
def _is_subject(issuer: str, certificate: x509.Certificate) -> bool:
    """The parts of the subject, in one order or the other, with keywords or OIDs: all are in the field."""
    parts = _rdns(issuer)
    subjects = (_rdns(distinguished_name(certificate.subject, form)) for form in _DN_FORMS)
    return any(parts in (wanted, wanted[::-1]) for wanted in subjects)


def _claims(assertion: etree._Element, issuer: str, certificate: x509.Certificate) -> VihfClaims:
    attributes: dict[str, str] = {}
    coded: dict[str, list[Code]] = {}
    for attribute in _ATTRIBUTES(assertion):
        name = attribute.get("Name", "")
        if name in attributes or name in coded:
            raise dsig.refused("VIHF_SHAPE", "an attribute comes twice", f"Attribute[@Name='{name[:80]}']")
        for value in attribute:
            if value.tag != _VALUE:
                continue
            codes = [c for c in value if isinstance(c.tag, str)] if len(value) else ()
            if codes:
                coded.setdefault(name, []).extend(map(_code, codes))
            else:
                attributes.setdefault(name, value.text or "")
    purpose = coded.get(PURPOSE_OF_USE, [])
    if len(purpose) != 1 or not 1 <= len(coded.get(ROLE, [])) <= 2:
        raise dsig.refused("VIHF_SHAPE", "one purposeofuse and one or two roles are needed", "AttributeStatement")
    subject, context = (next((e.text for e in path(assertion)), None) for path in (_SUBJECT, _CONTEXT))
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
    return _code_of(code, system, element.get("displayName", ""), element.get("codeSystemName", ""))


@lru_cache(maxsize=256)
def _code_of(code: str, system: str, display: str, system_name: str) -> Code:
    return Code(code=code, system=system, display=display, system_name=system_name)
