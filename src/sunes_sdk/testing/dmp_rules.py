"""What the DMP checks in a request, written from the specifications and not from our encoder.

Each refusal has the code the server would give and a text that says what was wrong. Where the real code is not public
(the table of SEL-MP-037 is not), the nearest IHE code stands in; the text is ours.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from lxml import etree

from .. import terminology
from .._core.clock import FixedClock
from .._core.errors import SunesError
from .._core.ids import is_oid
from .._core.xml import parse
from ..model import Code
from ..security import vihf, xades
from ..security.keys import CertificateUsage, Trust, check_certificate
from ..transport.soap import SOAP12, WSA, WSSE

RIM = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"
LCM = "{urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0}"
XDSB = "{urn:ihe:iti:xds-b:2007}"
QUERY = "{urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0}"
HL7 = "{urn:hl7-org:v3}"
_W, _S = f"{{{WSA}}}", f"{{{SOAP12}}}"
TEST_INS_OID = "1.2.250.1.213.1.4.10"
HAS_MEMBER = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
SIGNS = "urn:ihe:iti:2007:AssociationType:signs"
RPLC = "urn:ihe:iti:2007:AssociationType:RPLC"
SIGNATURE_CLASS = "urn:oid:1.3.6.1.4.1.19376.1.2.1.1.1"
METADATA_ERROR = "XDSRepositoryMetadataError"

# Kinds of classification by the UUIDs of IHE ITI volume 3: (attribute, lowest, highest number, has a code).
_SET_CLASSES = {
    "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d": ("author", 1, 1, False),
    "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500": ("contentTypeCode", 1, 1, True),
}
_SET_IDS = {
    "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446": "patientId",
    "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832": "sourceId",
    "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8": "uniqueId",
}
_ENTRY_CLASSES = {
    "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d": ("author", 1, 99, False),
    "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a": ("classCode", 1, 1, True),
    "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983": ("typeCode", 1, 1, True),
    "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f": ("confidentialityCode", 1, 4, True),
    "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d": ("formatCode", 1, 1, True),
    "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1": ("healthcareFacilityTypeCode", 1, 1, True),
    "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead": ("practiceSettingCode", 1, 1, True),
    "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4": ("eventCodeList", 0, 999, True),
}
_ENTRY_IDS = {
    "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427": "patientId",
    "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab": "uniqueId",
}
_SET_NODE = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
_STABLE = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
_ENTRY_SLOTS = (
    "creationTime", "languageCode", "legalAuthenticator", "serviceStartTime", "sourcePatientId", "hash", "size",
)  # fmt: skip
_NOT_ON_SUBMIT = ("repositoryUniqueId", "URI")
_KNOWN_SLOTS = frozenset((
    *_ENTRY_SLOTS, *_NOT_ON_SUBMIT, "serviceStopTime", "sourcePatientInfo", "submissionTime", "intendedRecipient",
    "authorPerson", "authorInstitution", "authorSpecialty", "authorRole", "authorTelecommunication",
))  # fmt: skip
_PATIENT_FIELD = re.compile(r"PID-(?:3|5|7|8|11|13|14|15|16|18|21)\|[^\r\n]+")
_TIME_SLOTS = ("creationTime", "serviceStartTime", "serviceStopTime")
_VALUE_SETS = {
    "typeCode": "JDV_J66",
    "classCode": "JDV_J57",
    "formatCode": "JDV_J60",
    "confidentialityCode": "JDV_J58",
    "healthcareFacilityTypeCode": "JDV_J02",
    "practiceSettingCode": "JDV_J04",
    "contentTypeCode": "JDV_J59",
}
_SLOT, _VALUE_LIST, _VALUE = f"{RIM}Slot", f"{RIM}ValueList", f"{RIM}Value"
_NAME, _LOCALIZED = f"{RIM}Name", f"{RIM}LocalizedString"
_CLASSIFICATION, _IDENTIFIER = f"{RIM}Classification", f"{RIM}ExternalIdentifier"
_ORDER = (_SLOT, _NAME, f"{RIM}Description", f"{RIM}VersionInfo", _CLASSIFICATION, _IDENTIFIER)
_SUBMITTED = frozenset(
    f"{RIM}{name}" for name in ("RegistryPackage", "ExtrinsicObject", "Association", "Classification", "ObjectRef")
)
_IDS = etree.XPath("descendant-or-self::*/@id", smart_strings=False)
_DTM = re.compile(r"[0-9]{4}(?:[0-9]{2}){0,5}", re.ASCII)
_CX_INS = re.compile(r"([0-9A-Z]{15})\^\^\^&([0-9.]+)&ISO\^NH(?:\^\^[0-9]{8}(?:[0-9]{6})?)?", re.ASCII)
_CX = re.compile(r"[^^]+\^\^\^&[0-9.]+&ISO\^[A-Z]+(?:\^\^[0-9]{8}(?:[0-9]{6})?)?")
_XCN = re.compile(r"[^^]+\^[^^]+\^[^^]*\^\^\^\^\^\^&[0-9.]+&ISO\^[DU]\^\^\^(IDNPS|EI|RI|NH)")
_XON = re.compile(r"[^^]*\^\^\^\^\^&[0-9.]+&ISO\^[A-Z]+\^\^\^[^^]+")
_URN_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Refused(Exception):
    """The request is refused. as_fault: by a SOAP Fault, else by a RegistryResponse of status Failure."""

    def __init__(self, code: str, text: str, *, as_fault: bool = False) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.as_fault = as_fault


def need(condition: object, code: str, text: str, *, as_fault: bool = False) -> None:
    if not condition:
        raise Refused(code, text, as_fault=as_fault)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who a verified VIHF says is calling, and about which patient."""

    user: str
    structure: str
    sector: str
    signer: str
    """Holder of the certificate that signed the VIHF: an organisation's OU, a card's PS_IdNat."""
    ins: str
    ins_oid: str
    """Empty, as `ins`, when the VIHF names no patient."""
    message_id: str
    assertion_id: str
    mode: str = "INDIRECTE"
    purpose: str = "normal"
    secret: bool = False
    """*Connexion secrète* of a minor."""
    profession: str = ""
    specialty: tuple[str, str] = ("", "")
    """Code and label of the second role."""

    @property
    def is_establishment(self) -> bool:
        return self.mode == "INDIRECTE"

    @property
    def is_staff(self) -> bool:
        """With a CPE: a medical secretary."""
        return self.mode == "DIRECTE" and self.profession == "SECRETARIAT_MEDICAL"

    @property
    def feeds_only(self) -> bool:
        """Who brings documents in the name of a structure, and reads none."""
        return self.is_establishment or self.is_staff

    @property
    def holder(self) -> str:
        """Whom an authorisation of access is given to: the professional with a card, else the structure."""
        return self.user if self.mode == "DIRECTE" else self.structure


# --- SOAP and VIHF ----------------------------------------------------------------------------------------------------


def check_addressing(header: etree._Element | None, actions: Sequence[str]) -> tuple[str, str]:
    """WS-Addressing: MessageID, To, ReplyTo and Action, each once. Gives the MessageID and the Action.

    actions: those of the service.
    """
    missing = "A required header representing a Message Addressing Property is not present"
    found: dict[str, list[etree._Element]] = {name: [] for name in _ADDRESSING}
    for block in () if header is None else header:
        name = _ADDRESSING_TAGS.get(block.tag)
        if name is not None:
            found[name].append(block)
    for name, blocks in found.items():
        need(len(blocks) == 1, "MessageAddressingHeaderRequired", f"{missing}: {name}", as_fault=True)
    reply = found["ReplyTo"][0].findtext(f"{_W}Address") or ""
    need(reply == f"{WSA}/anonymous", "InvalidAddressingHeader", "ReplyTo/Address is not anonymous", as_fault=True)
    given = found["Action"][0]
    action = (given.text or "").strip()
    need(action in actions, "ActionMismatch", f"Action must be {' or '.join(actions)}", as_fault=True)
    must = given.get(_MUST_UNDERSTAND) or given.get("mustUnderstand")
    need(must in ("true", "1"), "InvalidAddressingHeader", "Action lacks mustUnderstand", as_fault=True)
    message_id = (found["MessageID"][0].text or "").strip()
    need(_URN_UUID.fullmatch(message_id), "InvalidAddressingHeader", "MessageID is not urn:uuid:", as_fault=True)
    return message_id, action


_ADDRESSING = ("MessageID", "To", "ReplyTo", "Action")
_ADDRESSING_TAGS: dict[object, str] = {f"{_W}{name}": name for name in _ADDRESSING}
_MUST_UNDERSTAND = f"{_S}mustUnderstand"


def check_client(client: x509.Certificate | None) -> str:
    """The TLS certificate is for authentication (ORG_AUTH_CLI, or that of a card); gives the structure (OU) it was
    issued to."""
    need(client is not None, "DMPInvalidCertificate", "no TLS client certificate", as_fault=True)
    assert client is not None
    usages = [e.value for e in client.extensions if isinstance(e.value, x509.ExtendedKeyUsage)]
    is_client = any(ExtendedKeyUsageOID.CLIENT_AUTH in usage for usage in usages)
    need(is_client, "DMPInvalidCertificate", "Not a valid authentication certificate", as_fault=True)
    return structure_of(client)


def structure_of(certificate: x509.Certificate) -> str:
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return str(units[0].value) if units else ""


def _card_of(certificate: x509.Certificate) -> str:
    """PS_IdNat in the certificate of a card: its CN, beside a family name."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    is_person = certificate.subject.get_attributes_for_oid(NameOID.SURNAME)
    return str(names[0].value) if names and is_person else ""


def holder_of(certificate: x509.Certificate) -> str:
    """The professional of a card's certificate, the structure of an organisation's."""
    return _card_of(certificate) or structure_of(certificate)


def check_vihf(
    header: etree._Element,
    *,
    message_id: str,
    client: x509.Certificate | None,
    client_structure: str,
    structures: Iterable[str],
    acts_for: Mapping[str, Collection[str]],
    version: str,
    trusted: Trust,
    at: datetime,
    about_patient: bool = True,
) -> Caller:
    """The Security header holds one valid VIHF, whose mode, signer and TLS client go together.

    client_structure: as `check_client` gave it; structures: those that are known; acts_for: for which others a
    structure speaks; about_patient: whether the call needs resource-id.
    """
    holders = header.findall(_SECURITY)
    need(len(holders) == 1, "InvalidSecurity", "one wsse:Security header is needed", as_fault=True)
    tokens = [e for e in holders[0] if isinstance(e.tag, str)]
    need(len(tokens) == 1, "InvalidSecurity", "wsse:Security holds the VIHF and nothing else", as_fault=True)
    try:
        claims = vihf.verify(tokens[0], trusted_roots=trusted, at=at)
    except SunesError as e:
        code, text = _vihf_refusal(e)
        raise Refused(code, text, as_fault=True) from None
    given, mode = claims.attributes, claims.mode or "DIRECTE"
    needed = _VIHF_REQUIRED + (() if mode == "DIRECTE" else (vihf.SUBJECT_ID,))
    for name in needed + ((vihf.RESOURCE_ID,) if about_patient else ()):
        if not given.get(name):
            raise Refused("InvalidSecurity", f"VIHF: attribute {name} is missing", as_fault=True)
    current = given["VIHF_Version"] == version
    need(current, "InvalidSecurity", f"VIHF: VIHF_Version must be {version}", as_fault=True)
    signer = _check_signer(mode, claims, client, client_structure)
    instant = _INSTANT.fullmatch(claims.issue_instant)
    need(instant, "InvalidSecurity", "VIHF: IssueInstant is not an instant in UTC", as_fault=True)
    audience = _AUDIENCES(tokens[0])
    need(not audience, "InvalidSecurity", "VIHF: AudienceRestriction is not filled in", as_fault=True)
    if mode == "INDIRECTE_RENFORCEE":
        declared = tokens[0].find(f".//{{{vihf.SAML}}}AuthnContextDecl")
        need(declared is not None, "InvalidSecurity", f"VIHF: {mode} needs AuthnContextDecl", as_fault=True)
    need(given["Ressource_URN"] == "urn:dmp", "InvalidSecurity", "VIHF: Ressource_URN must be urn:dmp", as_fault=True)
    known = claims.purpose.system == "1.2.250.1.213.1.1.4.248" and claims.purpose.code in _PURPOSES
    need(known, "InvalidSecurity", _UNKNOWN_PURPOSE, as_fault=True)
    sector = _SECTOR.fullmatch(claims.sector)
    need(sector, "InvalidSecurity", "VIHF: Secteur_Activite is not SAnn^1.2.250.1.71.4.2.4", as_fault=True)
    _check_roles(claims.roles)
    need(
        claims.structure_id in structures,
        "DMPAccessDeniedByRightsService",
        "Structure introuvable ou Inactive",
        as_fault=True,
    )
    fits = mode == "DIRECTE" or claims.structure_id in (client_structure, *acts_for.get(client_structure, ()))
    need(
        fits,
        "DMPAccessDeniedByRightsService",
        "Erreur d'authentification de la personne morale: Identifiant_Structure is not of the certificate's holder",
        as_fault=True,
    )
    secret = given.get(vihf.CONFIDENTIALITY, "")
    need(
        secret in ("", HIDDEN_FROM_GUARDIANS),
        "InvalidSecurity",
        f"VIHF: confidentiality-code is {HIDDEN_FROM_GUARDIANS}",
        as_fault=True,
    )
    ins, oid = parse_ins(claims.ins_cx, "VIHF resource-id", as_fault=True) if claims.ins_cx else ("", "")
    return Caller(
        user=claims.subject,
        structure=claims.structure_id,
        signer=signer,
        sector=sector.group(1) if sector else "",
        ins=ins,
        ins_oid=oid,
        message_id=message_id,
        assertion_id=claims.assertion_id,
        mode=mode,
        purpose=claims.purpose.code,
        secret=bool(secret),
        profession=claims.roles[0].code,
        specialty=(claims.roles[1].code, claims.roles[1].display) if len(claims.roles) > 1 else ("", ""),
    )


HIDDEN_FROM_GUARDIANS = "INVISIBLE_REPRESENTANTS_LEGAUX"
_INSTANT = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9](?::[0-5][0-9]){2}(?:\.[0-9]+)?Z", re.ASCII)
_PURPOSES = ("normal", "bris_de_glace", "centre_15")
_UNKNOWN_PURPOSE = f"VIHF: PurposeOfUse is {' or '.join(_PURPOSES)}"
_SECTOR = re.compile(r"(SA[0-9]{2})\^1\.2\.250\.1\.71\.4\.2\.4")
_SECURITY = f"{{{WSSE}}}Security"
_AUDIENCES = etree.XPath("s:Conditions/s:AudienceRestriction", namespaces={"s": vihf.SAML})
_SMARTCARD = "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI"
_ORGANISATION_MODES = ("INDIRECTE", "INDIRECTE_RENFORCEE")


def _check_signer(mode: str, claims: vihf.VihfClaims, client: x509.Certificate | None, client_structure: str) -> str:
    """A card signs for DIRECTE, an organisation for the other modes; the TLS certificate is of the same holder.

    Gives the holder.
    """
    card = _card_of(claims.certificate)
    if mode == "DIRECTE":
        need(
            card and card == claims.subject,
            "InvalidSecurity",
            "VIHF: DIRECTE is signed by the card of the user; signed by an organisation, the mode must be INDIRECTE",
            as_fault=True,
        )
        smartcard = claims.authn_context == _SMARTCARD
        need(smartcard, "InvalidSecurity", f"VIHF: AuthnContextClassRef of DIRECTE is {_SMARTCARD}", as_fault=True)
        same = client is not None and _card_of(client) == card
        need(same, "DMPInvalidCertificate", "the TLS certificate is not of the card that signed", as_fault=True)
        return card
    need(mode in _ORGANISATION_MODES, "InvalidSecurity", f"VIHF: unknown Authentification_Mode {mode}", as_fault=True)
    need(not card, "InvalidSecurity", f"VIHF: {mode} is signed by ORG_SIGN", as_fault=True)
    structure = structure_of(claims.certificate)
    need(
        structure == client_structure,
        "DMPAccessDeniedByRightsService",
        "Erreur d'authentification de la personne morale: TLS and VIHF certificates of different structures",
        as_fault=True,
    )
    return structure


_VIHF_REQUIRED = (
    "VIHF_Version", "Identifiant_Structure", "Secteur_Activite", "Ressource_URN", "LPS_ID", "LPS_Nom", "LPS_Version",
    "LPS_ID_HOMOLOGATION_DMP",
)  # fmt: skip


def _vihf_refusal(error: SunesError) -> tuple[str, str]:
    if error.code == "CERTIFICATE_USAGE":
        return "DMPInvalidCertificate", "Not a valid signature certificate"
    if error.code.startswith("CERTIFICATE"):
        return "DMPInvalidCertificate", f"signing certificate: {error.message}"
    return "InvalidSecurity", f"VIHF: {error.message} ({error.code})"


def _check_roles(roles: Sequence[Code]) -> None:
    profession = roles[0] if roles else None
    known = profession is not None and (profession.system == _IN_TRAINING or _in_j65(profession))
    need(known, "InvalidSecurity", "VIHF: the first role is no profession of JDV_J65", as_fault=True)
    assert profession is not None
    if profession.code in ("10", "21") and profession.system == "1.2.250.1.71.1.2.7":
        wanted = "1.2.250.1.71.4.2.5" if profession.code == "10" else "1.2.250.1.71.4.2.6"
        has = len(roles) == 2 and roles[1].system == wanted
        # JDV_J65 lacks the newest specialties, which JDV_J01 has.
        combined = has and terminology.value_set("JDV_J01").contains(f"G15_{profession.code}/{roles[1].code}")
        known = has and (_in_j65(roles[1]) or combined)
        need(known, "DMPAccessDeniedByRightsService", "Aucune spécialité dans le vihf", as_fault=True)


def _in_j65(role: Code) -> bool:
    return terminology.value_set("JDV_J65").contains(role.code, role.system)


_IN_TRAINING = "1.2.250.1.71.1.2.8"
"""TRE_G16: codes are those of the professions; no list of the DMP has them."""


def parse_ins(cx: str, where: str, *, as_fault: bool = False) -> tuple[str, str]:
    """The matricule and OID of a CX; the test environment takes the test OID only."""
    found = find_ins(cx)
    if found is None:
        raise Refused("XDSUnknownPatientId", f"{where}: not <INS>^^^&<OID>&ISO^NH", as_fault=as_fault)
    need(
        found[1] == TEST_INS_OID,
        "XDSUnknownPatientId",
        f"{where}: the OID of the INS must be {TEST_INS_OID} in this environment",
        as_fault=as_fault,
    )
    return found


def find_ins(cx: str) -> tuple[str, str] | None:
    """Matricule and OID in a CX of type NH."""
    found = _CX_INS.fullmatch(cx)
    return (found.group(1), found.group(2)) if found else None


# --- ebRIM ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True, repr=False)
class Object:
    """A registry object as it was written."""

    id: str
    element: etree._Element
    slots: dict[str, list[str]]
    title: str
    codes: dict[str, list[Code]] = field(default_factory=dict)
    authors: list[dict[str, list[str]]] = field(default_factory=list)
    identifiers: dict[str, str] = field(default_factory=dict)

    def slot(self, name: str) -> str:
        """The first value of a Slot, empty when there is none."""
        return next(iter(self.slots.get(name, ())), "")

    def code(self, name: str) -> Code:
        return self.codes[name][0]

    @property
    def is_signature(self) -> bool:
        return self.code("classCode").code == SIGNATURE_CLASS


@dataclass(slots=True, kw_only=True, repr=False)
class Received:
    """An ITI-41 request taken apart: its set, entries with their bytes, associations (type, source, target)."""

    submission_set: Object
    entries: list[Object]
    contents: dict[str, bytes]
    associations: list[tuple[str, str, str]]

    @property
    def documents(self) -> list[Object]:
        return [e for e in self.entries if not e.is_signature]


def bad(text: str, code: str = METADATA_ERROR) -> Refused:
    return Refused(code, text)


def read_submission(request: etree._Element, contents: Mapping[str, bytes]) -> Received:
    """Structure, order, ids, schemes and cardinalities of the metadata. contents: by `Document/@id`."""
    lists = request.findall(f"{LCM}SubmitObjectsRequest/{RIM}RegistryObjectList")
    if len(lists) != 1:
        raise bad("one lcm:SubmitObjectsRequest/rim:RegistryObjectList is needed")
    for element in (*lists[0].itersiblings(), *lists[0].itersiblings(preceding=True), *lists[0]):
        if isinstance(element.tag, str) and element.tag not in _SUBMITTED:
            raise bad(f"unexpected {etree.QName(element).localname} in the submission")
    check_ids(lists[0])
    submission_set = read_set(lists[0])
    entries = [read_entry(e) for e in lists[0].iter(f"{RIM}ExtrinsicObject")]
    if not entries:
        raise bad("no ExtrinsicObject", "XDSMissingDocumentMetadata")
    for o in (submission_set, *entries):
        if o.id.startswith("urn:uuid:"):
            raise bad(f"{o.id}: objects that are created have symbolic ids")
        for name in ("status", "lid"):
            if o.element.get(name):
                raise bad(f"{o.id}: the {name} is set by the DMP")
    associations = [_association(e) for e in lists[0].iter(f"{RIM}Association")]
    _check_parts(entries, contents)
    return Received(submission_set=submission_set, entries=entries, contents=dict(contents), associations=associations)


def check_ids(objects: etree._Element) -> None:
    """Each id of a message is of one object."""
    ids = _IDS(objects)
    if len(set(ids)) < len(ids):
        raise bad(f"the id {next(i for i in ids if ids.count(i) > 1)} is used twice")


def read_set(objects: etree._Element, *, tolerant: bool = False) -> Object:
    """The submission set of a RegistryObjectList. tolerant: objects may leave out what they belong to
    (classifiedObject, registryObject), as the official messages of ITI-57 do."""
    packages = objects.findall(f"{RIM}RegistryPackage")
    if len(packages) != 1:
        raise bad("one RegistryPackage is needed")
    nodes = [c.get("classificationNode") for c in packages[0].iterchildren(_CLASSIFICATION)]
    if nodes.count(_SET_NODE) != 1:
        raise bad("the RegistryPackage is not marked as a submission set")
    return _object(packages[0], "SubmissionSet", _SET_CLASSES, _SET_IDS, tolerant=tolerant)


def read_entry(element: etree._Element, *, tolerant: bool = False) -> Object:
    return _object(element, "DocumentEntry", _ENTRY_CLASSES, _ENTRY_IDS, tolerant=tolerant)


def _check_parts(entries: Sequence[Object], contents: Mapping[str, bytes]) -> None:
    wanted = {e.id for e in entries}
    for identifier in sorted(wanted - contents.keys()):
        raise Refused("XDSMissingDocument", f"no Document has the id {identifier}")
    for identifier in sorted(contents.keys() - wanted):
        raise Refused("XDSMissingDocumentMetadata", f"the Document {identifier} has no ExtrinsicObject of that id")


def _object(
    element: etree._Element,
    kind: str,
    classes: Mapping[str, tuple[str, int, int, bool]],
    ids: Mapping[str, str],
    *,
    tolerant: bool = False,
) -> Object:
    identifier = element.get("id", "")
    if not identifier:
        raise bad(f"a {kind} has no id")
    children = _ordered(element, identifier)
    o = Object(id=identifier, element=element, slots=slots_of(children[_SLOT]), title=_label(children[_NAME]) or "")
    counts: dict[str, int] = {}
    for child in children[_CLASSIFICATION]:
        _read_class(o, child, classes, counts, tolerant=tolerant)
    for attribute, low, high, _ in classes.values():
        if not low <= counts.get(attribute, 0) <= high:
            raise bad(f"{identifier}: {attribute} is {low}..{high}, found {counts.get(attribute, 0)}")
    for child in children[_IDENTIFIER]:
        attribute = ids.get(child.get("identificationScheme", ""), "")
        if not attribute:
            raise bad(f"{identifier}: unknown identificationScheme {child.get('identificationScheme')}")
        if _label(child) != f"XDS{kind}.{attribute}":
            raise bad(f"{identifier}: the Name of the identifier must be XDS{kind}.{attribute}")
        if not child.get("id"):
            raise bad(f"{identifier}: the identifier {attribute} has no id")
        if not _belongs(child.get("registryObject"), identifier, tolerant):
            raise bad(f"{identifier}: registryObject of {attribute} is not the object that holds it")
        if attribute in o.identifiers:
            raise bad(f"{identifier}: {attribute} is given twice")
        o.identifiers[attribute] = child.get("value", "")
    for attribute in ids.values():
        if not o.identifiers.get(attribute):
            raise bad(f"{identifier}: {attribute} is missing")
    return o


def _belongs(given: str | None, identifier: str, tolerant: bool) -> bool:
    return given == identifier or (tolerant and given is None)


def _ordered(element: etree._Element, identifier: str) -> dict[str, list[etree._Element]]:
    """Children by name; they come in the order of rim.xsd."""
    found: dict[str, list[etree._Element]] = {name: [] for name in _ORDER}
    last = 0
    for child in element:
        rank = _RANKS.get(child.tag)
        if rank is None:
            name = etree.QName(child).localname if isinstance(child.tag, str) else "node"
            raise bad(f"{identifier}: unexpected {name}")
        if rank < last:
            late, before = (etree.QName(_ORDER[n]).localname for n in (rank, last))
            raise bad(f"{identifier}: {late} comes after {before}, the order of rim.xsd is broken")
        last = rank
        found[_ORDER[rank]].append(child)
    return found


_RANKS: dict[object, int] = {name: rank for rank, name in enumerate(_ORDER)}


def _read_class(
    o: Object,
    child: etree._Element,
    classes: Mapping[str, tuple[str, int, int, bool]],
    counts: dict[str, int],
    *,
    tolerant: bool,
) -> None:
    if not child.get("id") or not _belongs(child.get("classifiedObject"), o.id, tolerant):
        raise bad(f"{o.id}: a Classification lacks id, or its classifiedObject is another object")
    if child.get("classificationNode"):
        return
    scheme = child.get("classificationScheme", "")
    if scheme not in classes:
        raise bad(f"{o.id}: unknown classificationScheme {scheme}")
    attribute, _, _, coded = classes[scheme]
    counts[attribute] = counts.get(attribute, 0) + 1
    parts = child[:]
    slots = slots_of(parts)
    if not coded:
        o.authors.append(slots)
        return
    code, label = child.get("nodeRepresentation", ""), _label(parts)
    if not code or not slots.get("codingScheme") or label is None:
        raise bad(f"{o.id}: {attribute} needs nodeRepresentation, codingScheme and Name")
    try:
        read = _code(code, slots["codingScheme"][0], label)
    except SunesError as e:
        raise bad(f"{o.id}: {attribute} cannot be read ({e.path})") from None
    o.codes.setdefault(attribute, []).append(read)


@lru_cache(maxsize=1024)
def _code(code: str, system: str, display: str) -> Code:
    return Code(code=code, system=system, display=display)


# Plain loops over children: `iterchildren` and `find` read the name they look for each time they are called.


def _label(children: Iterable[etree._Element]) -> str | None:
    """Value of the first LocalizedString of the Name among the children of an object."""
    for name in children:
        if name.tag == _NAME:
            for text in name:
                if text.tag == _LOCALIZED:
                    return text.get("value")
    return None


def slots_of(children: Iterable[etree._Element]) -> dict[str, list[str]]:
    """Values of each Slot among the children of an object."""
    found: dict[str, list[str]] = {}
    for slot in children:
        if slot.tag != _SLOT:
            continue
        name = slot.get("name", "")
        if name in found:
            raise bad(f"the Slot {name} is given twice in one object")
        found[name] = _values(slot)
    return found


def _values(slot: etree._Element) -> list[str]:
    """Of nearly every Slot one, in one list: it is then read without a loop, for half the price."""
    if len(slot) == 1:
        (values,) = slot[:]
        if values.tag == _VALUE_LIST and len(values) == 1:
            (value,) = values[:]
            if value.tag == _VALUE:
                return [value.text or ""]
    return [v.text or "" for values in slot if values.tag == _VALUE_LIST for v in values if v.tag == _VALUE]


def _association(element: etree._Element) -> tuple[str, str, str]:
    kind = element.get("associationType", "")
    if kind not in (HAS_MEMBER, SIGNS, RPLC):
        raise bad(f"unknown associationType {kind}")
    if not element.get("id"):
        raise bad("an Association has no id")
    if kind == HAS_MEMBER and slots_of(element).get("SubmissionSetStatus") != ["Original"]:
        raise bad("HasMember lacks SubmissionSetStatus = Original")
    return kind, element.get("sourceObject", ""), element.get("targetObject", "")


# --- the submission as a whole ----------------------------------------------------------------------------------------


def check_submission(received: Received, caller: Caller) -> None:
    """Values of the metadata, their agreement with the VIHF and with the bytes, and how the objects are linked."""
    s = received.submission_set
    _check_set_values(s)
    for o in (s, *received.entries):
        _check_values(o, caller)
    unique_ids = [o.identifiers["uniqueId"] for o in (s, *received.entries)]
    if len(set(unique_ids)) < len(unique_ids):
        raise Refused("XDSRepositoryDuplicateUniqueIdInMessage", "two objects have the same uniqueId")
    for entry in received.entries:
        _check_entry(entry, received.contents[entry.id])
    _check_set_author(s, caller)
    _check_links(received)


def check_set(submission_set: Object, caller: Caller) -> None:
    """Values of a set alone (ITI-57), and its author against the VIHF."""
    _check_set_values(submission_set)
    _check_values(submission_set, caller)
    _check_set_author(submission_set, caller)


def _check_set_values(s: Object) -> None:
    _check_time(s, "submissionTime", exact=True)
    for name in ("sourceId", "uniqueId"):
        if not is_oid(s.identifiers[name]):
            raise bad(f"{s.id}: {name} is not an OID")


def _check_values(o: Object, caller: Caller) -> None:
    _check_patient(o, caller)
    check_codes(o)
    for name, values in ((n, v) for slots in (o.slots, *o.authors) for n, v in slots.items()):
        if name not in _KNOWN_SLOTS and not name.startswith("urn:"):
            raise bad(f"{o.id}: unknown Slot {name or 'without name'}")
        if name not in _NOT_ON_SUBMIT and not (values and all(values)):
            raise bad(f"{o.id}: the Slot {name} has no value")
    for author in o.authors:
        _check_author(o, author)


def _check_patient(o: Object, caller: Caller) -> None:
    ins, oid = parse_ins(o.identifiers["patientId"], f"{o.id}: patientId")
    if (ins, oid) != (caller.ins, caller.ins_oid):
        raise Refused("XDSPatientIdDoesNotMatch", f"{o.id}: patientId is not the patient of the VIHF")


def check_codes(o: Object) -> None:
    """Codes are in the value sets of the DMP, and the class is that of the type."""
    for attribute, codes in o.codes.items():
        value_set = _VALUE_SETS.get(attribute)
        if value_set is None:
            continue
        for code in codes:
            if terminology.lookup(value_set, code.code, code.system) is None:
                raise bad(f"{o.id}: {attribute} {code.code} ({code.system}) is not in {value_set}")
    if "typeCode" in o.codes and not o.is_signature:
        expected = terminology.class_code(o.code("typeCode"))
        if o.code("classCode").code != expected.code:
            raise bad(f"{o.id}: classCode of type {o.code('typeCode').code} is {expected.code} (ASS_X04)")


def _check_author(o: Object, author: Mapping[str, list[str]]) -> None:
    person = author.get("authorPerson", [])
    if len(person) != 1 or not _XCN.fullmatch(person[0]):
        raise bad(f"{o.id}: authorPerson is not one XCN (components 1, 2, 3, 9, 10, 13)")
    parts = person[0].split("^")
    if parts[9] == "D" and not parts[2]:
        raise bad(f"{o.id}: authorPerson has no given name (RG_2230)")
    institution = author.get("authorInstitution", [])
    if len(institution) > 1 or (institution and not _XON.fullmatch(institution[0])):
        raise bad(f"{o.id}: authorInstitution is not one XON (components 1, 6, 7, 10)")
    if any(value.count("^") != 2 for value in author.get("authorSpecialty", [])):
        raise bad(f"{o.id}: authorSpecialty is not code^label^OID")


def _check_set_author(s: Object, caller: Caller) -> None:
    author = s.authors[0]
    institution = next(iter(author.get("authorInstitution", ())), "").split("^")
    text = "Aucun AuthorInstitution ne correspond à l'utilisateur du VIHF"
    if institution[-1] != caller.structure:
        raise bad(f"{text}: the structure of the set's author is not Identifiant_Structure")
    if author["authorPerson"][0].split("^")[0] != caller.user:
        raise bad(f"{text}: the set's author is not the NameID")


def _check_entry(entry: Object, content: bytes) -> None:
    if entry.element.get("objectType") != _STABLE:
        raise bad(f"{entry.id}: objectType must be {_STABLE}")
    if entry.element.get("mimeType") not in ("text/xml", "application/xslt+xml", "application/dicom"):
        raise bad(f"{entry.id}: mimeType")
    for name in _ENTRY_SLOTS:
        if not entry.slot(name):
            raise bad(f"{entry.id}: the Slot {name} is missing")
    for name in (*_ENTRY_SLOTS, "serviceStopTime"):
        if len(entry.slots.get(name, ())) > 1:
            raise bad(f"{entry.id}: the Slot {name} has one value")
    root, caret, extension = entry.identifiers["uniqueId"].partition("^")
    if not is_oid(root) or (caret and not 1 <= len(extension) <= 16):
        raise bad(f"{entry.id}: uniqueId is not an OID")
    if not all(map(_PATIENT_FIELD.fullmatch, entry.slots.get("sourcePatientInfo", ()))):
        raise bad(f"{entry.id}: a value of sourcePatientInfo is not PID-n|…")
    if not _CX.fullmatch(entry.slot("sourcePatientId")):
        raise bad(f"{entry.id}: sourcePatientId is not a CX (components 1, 4, 5)")
    for name in _NOT_ON_SUBMIT:
        if name in entry.slots:
            raise bad(f"{entry.id}: the Slot {name} is not given on submission")
    if not entry.title:
        raise bad(f"{entry.id}: the title is missing")
    for name in _TIME_SLOTS:
        if entry.slot(name):
            _check_time(entry, name)
    if not _XCN.fullmatch(entry.slot("legalAuthenticator")):
        raise bad(f"{entry.id}: legalAuthenticator is not an XCN")
    if not content:
        raise Refused("InvalidDocumentContent", f"{entry.id}: the document is empty")
    digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    if entry.slot("hash") != digest:
        raise Refused("XDSNonIdenticalHash", f"{entry.id}: hash is not the SHA-1 (lower case) of the received bytes")
    if entry.slot("size") != str(len(content)):
        raise Refused("XDSNonIdenticalSize", f"{entry.id}: size is not {len(content)}")
    check_confidentiality(entry)


def check_confidentiality(entry: Object) -> None:
    """`N` once, and visibility codes that go together."""
    codes = [c.code for c in entry.codes["confidentialityCode"]]
    if codes.count("N") != 1:
        raise bad(f"{entry.id}: confidentialityCode N is always present, once")
    both = {"MASQUE_PS", "INVISIBLE_PATIENT"} <= set(codes)
    if entry.is_signature:
        if not both:
            raise bad(f"{entry.id}: the signature is N, MASQUE_PS and INVISIBLE_PATIENT")
    elif both:
        raise bad(f"{entry.id}: MASQUE_PS and INVISIBLE_PATIENT together are refused (EX_2.1-1050)")


def _check_time(o: Object, name: str, *, exact: bool = False) -> None:
    value = o.slot(name)
    if not is_dtm(value) or (exact and len(value) != 14):
        raise bad(f"{o.id}: {name} is not an HL7 DTM in UTC without zone")


def is_dtm(text: str) -> bool:
    """An HL7 time without zone that a calendar has, of any precision."""
    if not _DTM.fullmatch(text):
        return False
    whole = text + _START_OF_TIME[len(text) :]
    try:
        datetime.fromisoformat(f"{whole[:8]}T{whole[8:]}")
    except ValueError:
        return False
    return True


_START_OF_TIME = "00000101000000"


def _check_links(received: Received) -> None:
    set_id, members = received.submission_set.id, {t for k, s, t in received.associations if k == HAS_MEMBER}
    replacing = [source for kind, source, _ in received.associations if kind == RPLC]
    if len(set(replacing)) < len(replacing):
        raise bad("a document replaces one document")
    for kind, source, _ in received.associations:
        if kind == HAS_MEMBER and source != set_id:
            raise bad("the source of HasMember is not the submission set")
    documents = {e.id for e in received.documents}
    if any(kind == RPLC and source not in documents for kind, source, _ in received.associations):
        raise bad("the source of RPLC is no document of the set")
    if members != {e.id for e in received.entries}:
        raise bad("HasMember must link the set to every entry, the signature included")
    if len(set(received.associations)) < len(received.associations):
        raise bad("an Association is given twice")
    signatures = [e.id for e in received.entries if e.is_signature]
    if len(signatures) != 1:
        raise bad("one signature entry (classCode Digital Signature) is needed")
    if [link for link in received.associations if link[0] == SIGNS] != [(SIGNS, signatures[0], set_id)]:
        raise bad("one association signs, from the signature to the set, is needed")
    if not received.documents:
        raise bad("the set holds no document")


def check_signature(
    received: Received, roots: Mapping[str, etree._Element], caller: Caller, trusted: Trust, at: datetime
) -> None:
    """The XAdES document: its entry, its signer, its values, and a manifest that lists the set and each canonical
    document.

    roots: parsed documents by entry id.
    """
    (entry,) = (e for e in received.entries if e.is_signature)
    expected = {
        "typeCode": ("E1762", "ASTM"),
        "classCode": (SIGNATURE_CLASS, "URN"),
        "formatCode": ("http://www.w3.org/2000/09/xmldsig#", "URN"),
        "eventCodeList": ("1.2.840.10065.1.12.1.14", "1.2.840.10065.1.12"),
    }
    for attribute, pair in expected.items():
        if [(c.code, c.system) for c in entry.codes.get(attribute, [])] != [pair]:
            raise bad(f"{entry.id}: {attribute} of a signature is {pair[0]} ({pair[1]})")
    if entry.slot("languageCode") != "art":
        raise bad(f"{entry.id}: languageCode of a signature is art")
    # Digests of the documents are recomputed here, outside the signing code.
    verified = xades.verify(received.contents[entry.id], trusted_roots=trusted, at=at)
    if not verified.ok:
        first = verified.report.errors[0]
        raise Refused("InvalidDocumentContent", f"XAdES: {first.message} ({first.code} {first.path})")
    assert verified.certificate is not None
    try:
        check_certificate(verified.certificate, clock=FixedClock(at), usage=CertificateUsage.SIGNATURE, path="KeyInfo")
    except SunesError:
        raise Refused("InvalidDocumentContent", "XAdES: Not a valid signature certificate") from None
    if holder_of(verified.certificate) != caller.signer:
        raise Refused("InvalidDocumentContent", "XAdES: it is not signed by the holder who signed the VIHF")
    if verified.purpose != "1.2.840.10065.1.12.1.14":
        raise Refused("InvalidDocumentContent", "XAdES: the purpose of the signature is not source")
    if verified.submission_unique_id != received.submission_set.identifiers["uniqueId"]:
        raise Refused("InvalidDocumentContent", "XAdES: the manifest does not name this submission set")
    by_id = {e.identifiers["uniqueId"]: roots[e.id] for e in received.documents}
    if verified.documents.keys() != by_id.keys():
        raise Refused("InvalidDocumentContent", "XAdES: the manifest does not list the documents of the set")
    for unique_id, cda in by_id.items():
        canonical = etree.tostring(cda.getroottree(), method="c14n", with_comments=True)
        listed = verified.documents[unique_id]
        name = "sha1" if len(listed) == hashlib.sha1(usedforsecurity=False).digest_size else "sha256"
        if hashlib.new(name, canonical, usedforsecurity=False).digest() != listed:
            raise Refused("InvalidDocumentContent", f"XAdES: digest of {unique_id} is not that of the canonical CDA")


# --- CDA against metadata ---------------------------------------------------------------------------------------------


def parse_document(entry: Object, content: bytes) -> etree._Element:
    """The ClinicalDocument that an entry describes."""
    try:
        cda = parse(content)
    except SunesError as e:
        raise Refused("InvalidDocumentContent", f"{entry.id}: not XML that is taken ({e.code})") from None
    if cda.tag != f"{HL7}ClinicalDocument":
        raise Refused("InvalidDocumentContent", f"{entry.id}: not a CDA document")
    return cda


def check_cda(entry: Object, cda: etree._Element, caller: Caller) -> str:
    """The document says what its metadata say. Gives the uniqueId of the version it replaces, or an empty string."""
    _check_cda_ids(entry, cda, caller)
    texts = {
        "title": (entry.title, (cda.findtext(_TITLE) or "").strip()),
        "typeCode": (entry.code("typeCode").code, _value(cda, "code", "code")),
        "formatCode": (entry.code("formatCode").code, _format(cda)),
        "languageCode": (entry.slot("languageCode"), _value(cda, "languageCode", "code")),
        "creationTime": (entry.slot("creationTime"), _utc(_value(cda, "effectiveTime"))),
        "confidentialityCode": (
            entry.codes["confidentialityCode"][0].code,
            _value(cda, "confidentialityCode", "code"),
        ),
        "healthcareFacilityTypeCode": (
            entry.code("healthcareFacilityTypeCode").code,
            _value(cda, "componentOf/encompassingEncounter/location/healthCareFacility/code", "code"),
        ),
        "practiceSettingCode": (entry.code("practiceSettingCode").code, _practice_setting(cda)),
    }
    for name, bound in (("serviceStartTime", "low"), ("serviceStopTime", "high")):
        texts[name] = (entry.slot(name), _utc(_value(cda, f"documentationOf/serviceEvent/effectiveTime/{bound}")))
    for name, (metadata, document) in texts.items():
        if metadata != document:
            raise bad(f"{entry.id}: {name} of the metadata and of the CDA differ")
    _check_people(entry, cda)
    return _unique_id(cda, "relatedDocument[@typeCode='RPLC']/parentDocument/id")


_TITLE = f"{HL7}title"


@cache
def _path(path: str) -> etree.XPath:
    """Compiled once: a path that is read at each call costs three times as much."""
    return etree.XPath("/".join(f"h:{step}" for step in path.split("/")), namespaces={"h": HL7[1:-1]})


def _all(cda: etree._Element, path: str) -> list[etree._Element]:
    found: list[etree._Element] = _path(path)(cda)
    return found


def _value(cda: etree._Element, path: str, attribute: str = "value") -> str:
    """An attribute of the first element of this path, empty when there is none."""
    found = _all(cda, path)
    return found[0].get(attribute, "") if found else ""


def _format(cda: etree._Element) -> str:
    """By the media type of a body that is a file (ASS_A12), else by the models (ASS_A11)."""
    models = [e.get("root", "") for e in _all(cda, "templateId")]
    try:
        return terminology.format_code(models, _value(cda, "component/nonXMLBody/text", "mediaType")).code
    except SunesError:
        return ""


def _practice_setting(cda: etree._Element) -> str:
    path = "documentationOf/serviceEvent/performer/assignedEntity/representedOrganization/standardIndustryClassCode"
    return _value(cda, path, "code")


def _unique_id(cda: etree._Element, path: str) -> str:
    """The first identifier of this path, empty when there is none."""
    found = _all(cda, path)
    if not found:
        return ""
    root, extension = found[0].get("root", ""), found[0].get("extension", "")
    return f"{root}^{extension}" if extension else root


def _check_cda_ids(entry: Object, cda: etree._Element, caller: Caller) -> None:
    if _unique_id(cda, "id") != entry.identifiers["uniqueId"]:
        raise bad(f"{entry.id}: uniqueId of the metadata and of the CDA differ")
    patients = [(i.get("extension"), i.get("root")) for i in _all(cda, "recordTarget/patientRole/id")]
    if (caller.ins, caller.ins_oid) not in patients:
        raise Refused("XDSPatientIdDoesNotMatch", f"{entry.id}: recordTarget does not hold the INS of the VIHF")


def _check_people(entry: Object, cda: etree._Element) -> None:
    authors = [i.get("extension", "") or i.get("root", "") for i in _first_ids(cda, "author/assignedAuthor")]
    if [a["authorPerson"][0].split("^")[0] for a in entry.authors] != authors:
        raise bad(f"{entry.id}: the authors of the metadata and of the CDA differ")
    signers = [i.get("extension", "") for i in _first_ids(cda, "legalAuthenticator/assignedEntity")]
    if [entry.slot("legalAuthenticator").split("^")[0]] != signers:
        raise bad(f"{entry.id}: legalAuthenticator of the metadata and of the CDA differ")


def _first_ids(cda: etree._Element, path: str) -> list[etree._Element]:
    return _all(cda, f"{path}/id[1]")


def _utc(text: str) -> str:
    """A CDA time in UTC with its own precision."""
    match = _CDA_TIME.fullmatch(text)
    if not match:
        return text
    digits, zone = match.groups()
    if len(digits) <= 8:
        return digits
    try:
        moment = datetime.fromisoformat(f"{digits[:8]}T{digits[8:].ljust(6, '0')}{zone or '+0100'}")
    except ValueError:  # no such day or hour: as it is, it agrees with no time of the metadata
        return text
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S")[: len(digits)]


_CDA_TIME = re.compile(r"([0-9]{4,14})(?:\.[0-9]+)?([+-][0-9]{4})?", re.ASCII)
