"""What the fake INSi checks in a request, written from the contract and not from our encoder.

The service's own list of refusals is not public: codes that were seen in it (`insi_24`, `desir_550`, `desir_560`) are
used where they are known, the others start with `fake_`. Each has one line in `REFUSALS`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID
from lxml import etree

from .._core.clock import Clock
from .._core.errors import XmlSecurityError
from .._core.xml import parse
from ..settings import InsiVerification
from .server import Request

PATH: Final = "/lps"
IDAM: Final = "DEMO-IDAM-0001"
MAX_SKEW: Final = timedelta(minutes=5)
"""How far `Temps` may be from the fake's clock. The bound of the real service is not public (unverified)."""
MAX_REQUEST_BYTES: Final = 100_000

_SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
_WSA: Final = "http://www.w3.org/2005/08/addressing"
_WSSE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
_BAM: Final = "urn:siram:bam:ctxbam"
_LPS: Final = "urn:siram:lps:ctxlps"
_BLOCKS: Final = {
    f"{{{_WSSE}}}Security": "Security", f"{{{_BAM}}}ContexteBAM": "ContexteBAM", f"{{{_LPS}}}ContexteLPS":
    "ContexteLPS", f"{{{_WSA}}}MessageID": "MessageID", f"{{{_WSA}}}Action": "Action",
}  # fmt: skip
# Both orders are published: the official sample's, and that of the clients that passed the CNDA tests.
_HEADER_ORDERS: Final = (
    ("ContexteBAM", "MessageID", "Action", "ContexteLPS"), ("ContexteBAM", "ContexteLPS", "Action", "MessageID"),
)  # fmt: skip
_COMMON_NAMES: Final = ("INSI-AUTO", "INSI-MANU")
_TRAITS: Final = ("NomNaissance", "Prenom", "Sexe", "DateNaissance", "LieuNaissance")
_VITALE: Final = ("MatriculeIndividu", "MatriculeOD", "NomNaissance", "DateNaissance", "RangNaissance")
# What the schema of ContexteBAM allows under COUVERTURE: all optional, in this order.
_COVER: Final = {
    "COUVERTURE": ("GrandRegime", "Organisme", "CodeCentre", "ASSURE", "BENEFICIAIRE"), "ASSURE": ("Id",),
    "Id": ("Num", "Cle"), "BENEFICIAIRE": ("Nir", "DateNai", "Rang", "Porteur"), "Nir":
    ("Num", "Cle", "DateCertification"),
}  # fmt: skip
_CHARACTERS = re.compile(r"[A-Z' -]*", re.ASCII)
_DOUBLED = re.compile(r"[ ']{2}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_COG = re.compile(r"[0-9][0-9AB][0-9]{3}", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3,4}Z", re.ASCII)
_NUMBER = re.compile(r"[0-9]{6}[0-9AB][0-9]{6}", re.ASCII)
_KEY = re.compile(r"[0-9]{2}", re.ASCII)
_DIGIT = re.compile(r"[0-9]", re.ASCII)

REFUSALS: Final = {
    "fake_path": "the path of the service is /lps",
    "fake_content_type": "Content-Type is application/soap+xml (SOAP 1.2)",
    "fake_http_action": "Content-Type has an action parameter, equal to wsa:Action",
    "fake_xml": "the request is well-formed XML without a DTD",
    "fake_soap_version": "the envelope is SOAP 1.2",
    "fake_header": "the Header holds ContexteBAM, ContexteLPS, MessageID and Action once each, and nothing else",
    "fake_header_order": "Header blocks are in the order of the official sample (ContexteBAM, MessageID, Action, "
    "ContexteLPS) or of the tested clients (ContexteBAM, ContexteLPS, Action, MessageID)",
    "fake_security": "wsse:Security has no place with a software certificate",
    "fake_no_security": "wsse:Security stands first or last in the Header when there is no software certificate",
    "fake_assertion": "wsse:Security holds 1 to n SAML 2.0 assertions with a Subject/NameID",
    "fake_billing": "the assertion has the attribute identifiantFacturation",
    "fake_bam_version": "ContexteBAM/@Version is 01_02",
    "fake_lps_version": "ContexteLPS/@Version is 01_00",
    "fake_nature": "@Nature is CTXBAM in ContexteBAM, CTXLPS in ContexteLPS, or absent",
    "fake_context": "a context holds Id, Temps, Emetteur, then COUVERTURE (ContexteBAM) or LPS (ContexteLPS)",
    "fake_context_id_form": "Id of a context is a UUID",
    "fake_context_id": "Id of a context is new in each call",
    "fake_time": "Temps is UTC with milliseconds and Z",
    "fake_skew": "Temps is the present: correct the clock of the machine",
    "fake_emitter": "Emetteur is the OU of the TLS certificate, or NameID of the assertion",
    "fake_couverture": "COUVERTURE is empty without a Vitale card; with one, it holds what its schema says",
    "fake_lps": "LPS holds IDAM, Version, Instance, Nom, in this order, none of them empty",
    "fake_idam_kind": 'IDAM/@R is "4"',
    "desir_550": "numéro d'autorisation du logiciel inconnu: IDAM is the number that the CNDA gave",
    "fake_instance": "LPS/Instance is constant for an installation",
    "desir_560": "niveau d'accès insuffisant: the CN of the certificate is INSI-AUTO or INSI-MANU, in capitals",
    "fake_action": "wsa:Action names the operation of the Body",
    "fake_message_id_form": "wsa:MessageID is a UUID, alone or after uuid:",
    "fake_message_id": "wsa:MessageID is new in each call",
    "fake_body": "the Body holds one RECSANSVITALE or RECVITALE (or a verification, once the fake is told its names)",
    "fake_namespace": "the elements of a request have the namespace of their operation",
    "fake_prenom": "exactly one Prenom is sent in each call",
    "fake_trait_missing": "NomNaissance, Prenom, Sexe and DateNaissance are mandatory",
    "fake_trait_order": "traits come in the order of the schema, once each",
    "fake_name_charset": "names hold A to Z, space, apostrophe and hyphen only: no lower case, accent or ligature",
    "fake_name_start": "a name starts with a letter or an apostrophe",
    "fake_name_doubled": "spaces and apostrophes are neither doubled nor combined; no double hyphen in a Prenom",
    "fake_name_end": "a Prenom ends neither with a hyphen nor with an apostrophe",
    "insi_24": "le format du champ sexe est incorrect: Sexe is M or F",
    "fake_date": "DateNaissance is AAAA-MM-JJ",
    "fake_place": "LieuNaissance is a COG code of 5 characters, or is left out",
    "fake_matricule": "a matricule is NumIdentifiant (13 characters) and Cle (2 digits)",
    "fake_verified": "IndividuVerifie holds INSFourni (IdIndividu, OID), then TraitsIdentiteIndividu",
}
"""Code of a refusal -> what the contract wants. A detail may follow in the Fault; it never names a person.

Lengths of names are not checked: those known (80, 61) come from one wrapper of the service (unverified)."""


class Refused(Exception):
    """The request is refused by a Fault with this code and text."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        shown = "".join(c if c.isprintable() else "?" for c in detail)  # a path or a header may hold anything
        self.text = REFUSALS[code] + (f" ({shown})" if shown else "")
        super().__init__(f"{code}: {self.text}")


def need(condition: object, code: str, detail: str = "") -> None:
    if not condition:
        raise Refused(code, detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the service: element of the Body, its namespace, its action."""

    element: str
    namespace: str
    action: str


BY_TRAITS: Final = Operation(
    element="RECSANSVITALE", namespace="http://www.cnamts.fr/INSiRecSans",
    action="urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecTraitsIdentite",
)  # fmt: skip
BY_VITALE: Final = Operation(
    element="RECVITALE", namespace="http://www.cnamts.fr/INSiRecVit",
    action="urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecCarteVitale",
)  # fmt: skip

FAKE_VERIFICATION: Final = InsiVerification(
    action="urn:fake:verifierInsAvecTraitsIdentite", request_namespace="urn:fake:insi:verification",
    request_element="VERIFICATION", confirmed_codes=frozenset({"00"}), refuted_codes=frozenset({"01"}),
)  # fmt: skip
"""EXPERIMENTAL: names made up for tests, since those of the real verification (WS_INS3) are not public."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks, as far as it can be read. values: texts of the Body by element name; a matricule is its
    number and key together, under the name of the element that holds both."""

    message_id: str = ""
    element: str = ""
    values: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_envelope(request: Request) -> etree._Element:
    """The envelope, once the HTTP side is right."""
    need(request.path == PATH, "fake_path", f"found {request.path[:80]}")
    content_type = request.headers.get("content-type", "")
    need(content_type.startswith("application/soap+xml"), "fake_content_type", f"found {content_type[:80]}")
    try:
        return parse(request.body, max_bytes=MAX_REQUEST_BYTES)
    except XmlSecurityError as e:
        raise Refused("fake_xml", e.code) from None


def glance(root: etree._Element) -> Asked:
    """Whom a request is about, right or wrong: a refused one has told who the person is all the same."""
    search = next(iter(_elements(root.find("{*}Body"))), None)
    values: dict[str, str] = {}
    for leaf in search.iter("{*}*") if search is not None else ():
        parent = leaf.getparent()
        if leaf is search or len(leaf) or parent is None or _name(leaf) == "TypeMatricule":
            continue
        name = _name(parent) if _name(leaf) in ("NumIdentifiant", "Cle") else _name(leaf)
        values[name] = values.get(name, "") + (leaf.text or "")
    message_id = (root.findtext(f"{{*}}Header/{{{_WSA}}}MessageID") or "").strip()
    return Asked(message_id=message_id, element=_name(search) if search is not None else "", values=values)


class Contract:
    """The checks of one service, in the order in which it makes them, with what it remembers between calls.

    assertion: authentication by an assertion (CPx card, Pro Santé Connect) instead of the software certificate. Its
    signature is not checked: those of Pro Santé Connect have none. verification: the names of the verification, which
    is not served without.
    """

    def __init__(
        self, *, clock: Clock, idam: str, assertion: bool = False, verification: InsiVerification | None = None
    ) -> None:
        self._clock = clock
        self._idam = idam
        self._assertion = assertion
        self._checks: dict[Operation, Callable[[etree._Element, str], None]] = {
            BY_TRAITS: _check_traits, BY_VITALE: _check_vitale
        }  # fmt: skip
        if verification is not None:
            operation = Operation(
                element=verification.request_element, namespace=verification.request_namespace,
                action=verification.action,
            )  # fmt: skip
            self._checks[operation] = _check_verified
        self._seen: set[str] = set()
        self._instance: str | None = None

    def check(self, request: Request, root: etree._Element) -> Operation:
        """The operation that a right request asks for. Raises Refused."""
        need(root.tag == f"{{{_SOAP}}}Envelope", "fake_soap_version", f"found {etree.QName(root).namespace}")
        header, body = root.find(f"{{{_SOAP}}}Header"), root.find(f"{{{_SOAP}}}Body")
        if header is None:
            raise Refused("fake_header", "there is no Header")
        blocks = self._blocks(header)
        operation = self._operation(body)
        self._headers(blocks, request.client, operation)
        action = (blocks["Action"].text or "").strip()
        need(action == operation.action, "fake_action", f"found {action[:100]}")
        need(f'action="{action}"' in request.headers.get("content-type", ""), "fake_http_action")
        self._message_id((blocks["MessageID"].text or "").strip())
        search = _elements(body)[0]
        need(all(_namespace(e) == operation.namespace for e in search.iter("{*}*")), "fake_namespace",
             operation.namespace)  # fmt: skip
        self._checks[operation](search, operation.namespace)
        return operation

    def _operation(self, body: etree._Element | None) -> Operation:
        found = _elements(body)
        need(len(found) == 1, "fake_body", f"found {len(found)} elements")
        operation = next((o for o in self._checks if o.element == _name(found[0])), None)
        if operation is None:
            raise Refused("fake_body", f"found {_name(found[0])[:80]}")
        return operation

    def _blocks(self, header: etree._Element) -> dict[str, etree._Element]:
        names = [_BLOCKS.get(str(e.tag), str(e.tag)) for e in _elements(header)]
        blocks = dict(zip(names, _elements(header), strict=True))
        if self._assertion:
            need(names and "Security" in (names[0], names[-1]), "fake_no_security")
            names.remove("Security")
        need("Security" not in names, "fake_security")
        need(sorted(names) == sorted(_HEADER_ORDERS[0]), "fake_header", f"found {', '.join(names)[:200]}")
        need(tuple(names) in _HEADER_ORDERS, "fake_header_order", f"found {', '.join(names)}")
        return blocks

    def _headers(
        self, blocks: Mapping[str, etree._Element], client: x509.Certificate | None, operation: Operation
    ) -> None:
        emitter = _assertion_subject(blocks["Security"]) if self._assertion else _of_subject(
            client, NameOID.ORGANIZATIONAL_UNIT_NAME
        )  # fmt: skip
        bam, lps = blocks["ContexteBAM"], blocks["ContexteLPS"]
        need(bam.get("Version") == "01_02", "fake_bam_version", f"found {bam.get('Version')}")
        need(lps.get("Version") == "01_00", "fake_lps_version", f"found {lps.get('Version')}")
        self._context(bam, _BAM, "CTXBAM", "COUVERTURE", emitter)
        self._context(lps, _LPS, "CTXLPS", "LPS", emitter)
        # Published clients give both contexts of one call the same Id.
        self._seen |= {bam.findtext(f"{{{_BAM}}}Id") or "", lps.findtext(f"{{{_LPS}}}Id") or ""}
        _check_cover(_elements(bam)[-1], operation)
        self._software(lps.find(f"{{{_LPS}}}LPS"))
        if not self._assertion:
            name = _of_subject(client, NameOID.COMMON_NAME)
            need(name in _COMMON_NAMES, "desir_560", f"found {name}")

    def _context(self, block: etree._Element, namespace: str, nature: str, last: str, emitter: str) -> None:
        where = _name(block)
        need(block.get("Nature", nature) == nature, "fake_nature", f"found {block.get('Nature')} in {where}")
        found = [str(e.tag) for e in _elements(block)]
        wanted = [f"{{{namespace}}}{n}" for n in ("Id", "Temps", "Emetteur", last)]
        dated = [*wanted[:3], f"{{{_BAM}}}DateRef", wanted[3]]
        names = ", ".join(map(_name, _elements(block)))[:200]
        need(found in (wanted, dated if namespace == _BAM else wanted), "fake_context", f"found {names} in {where}")
        identifier = block.findtext(f"{{{namespace}}}Id") or ""
        need(_is_uuid(identifier), "fake_context_id_form", f"in {where}")
        need(identifier not in self._seen, "fake_context_id", f"in {where}")
        time = block.findtext(f"{{{namespace}}}Temps") or ""
        need(_TIME.fullmatch(time), "fake_time", f"found {time[:40]} in {where}")
        try:
            said = datetime.fromisoformat(f"{time[:23]}+00:00").astimezone(UTC)
        except ValueError:
            raise Refused("fake_time", f"found {time} in {where}") from None
        skew = said - self._clock.now()
        need(abs(skew) <= MAX_SKEW, "fake_skew", f"{where} is {skew.total_seconds():+.0f} s away")
        found_emitter = block.findtext(f"{{{namespace}}}Emetteur") or ""
        need(found_emitter == emitter, "fake_emitter", f"found {found_emitter[:40]} in {where}, expected {emitter}")

    def _software(self, block: etree._Element | None) -> None:
        children = _elements(block)
        wanted = [f"{{{_LPS}}}{n}" for n in ("IDAM", "Version", "Instance", "Nom")]
        need([e.tag for e in children] == wanted, "fake_lps", f"found {', '.join(map(_name, children))[:200]}")
        empty = [_name(e) for e in children if not (e.text or "").strip()]
        need(not empty, "fake_lps", f"{', '.join(empty)} is empty")
        idam, _, instance, _ = children
        need(idam.get("R") == "4", "fake_idam_kind", f"found {idam.get('R')}")
        need(idam.text == self._idam, "desir_550", f"found {(idam.text or '')[:40]}")
        if self._instance is None:
            self._instance = instance.text
        need(instance.text == self._instance, "fake_instance", f"found {(instance.text or '')[:40]}")

    def _message_id(self, message_id: str) -> None:
        need(_is_uuid(message_id.removeprefix("uuid:")), "fake_message_id_form", f"found {message_id[:60]}")
        need(message_id not in self._seen, "fake_message_id", f"found {message_id} again")
        self._seen.add(message_id)


def _check_cover(cover: etree._Element, operation: Operation) -> None:
    if operation is not BY_VITALE:
        need(not len(cover) and not (cover.text or "").strip(), "fake_couverture", "it is not empty")
    for element in cover.iter("{*}*"):
        name, names = _name(element), [_name(e) for e in _elements(element)]
        right = names == [n for n in _COVER.get(name, ()) if n in names]
        need(right, "fake_couverture", f"found {', '.join(names)[:200]} in {name}")
        pattern = {"Num": _NUMBER, "Cle": _KEY, "DateNai": _DATE, "Porteur": _DIGIT}.get(name)
        need(pattern is None or pattern.fullmatch(element.text or ""), "fake_couverture", f"the form of {name}")


def _check_traits(search: etree._Element, namespace: str) -> None:
    names = [_name(e) for e in _elements(search)]
    need(names.count("Prenom") == 1, "fake_prenom", f"found {names.count('Prenom')}")
    missing = [n for n in _TRAITS[:-1] if n not in names]
    need(not missing, "fake_trait_missing", f"missing {', '.join(missing)}")
    need(names in (list(_TRAITS), list(_TRAITS[:-1])), "fake_trait_order", f"found {', '.join(names)[:200]}")
    values = {n: search.findtext(f"{{{namespace}}}{n}") or "" for n in _TRAITS}
    check_name(values["NomNaissance"], "NomNaissance")
    check_name(values["Prenom"], "Prenom")
    need(values["Sexe"] in ("M", "F"), "insi_24")
    need(_DATE.fullmatch(values["DateNaissance"]), "fake_date")
    need("LieuNaissance" not in names or _COG.fullmatch(values["LieuNaissance"]), "fake_place")


def check_name(name: str, where: str) -> None:
    """SEL-MP-043 §2 and §3.4.1, as reported."""
    need(name, "fake_trait_missing", f"{where} is empty")
    need(_CHARACTERS.fullmatch(name), "fake_name_charset", f"in {where}")
    need(name[0] not in " -", "fake_name_start", f"in {where}")
    need(not _DOUBLED.search(name), "fake_name_doubled", f"in {where}")
    if where == "Prenom":
        need("--" not in name, "fake_name_doubled", f"in {where}")
        need(name[-1] not in "-'", "fake_name_end", f"in {where}")


def _check_verified(search: etree._Element, namespace: str) -> None:
    """EXPERIMENTAL: what was seen of WS_INS3 in public sample code, and no more."""
    where = f"{{{namespace}}}IndividuVerifie/{{{namespace}}}INSFourni"
    for path in (f"{where}/{{{namespace}}}IdIndividu", f"{where}/{{{namespace}}}OID"):
        need(search.find(path) is not None, "fake_verified", "INSFourni is not whole")
    need(search.find(f"{{{namespace}}}IndividuVerifie/{{{namespace}}}TraitsIdentiteIndividu") is not None,
         "fake_verified", "there is no TraitsIdentiteIndividu")  # fmt: skip
    _check_matricule(search.find(f"{where}/{{{namespace}}}IdIndividu"), namespace)


def _check_matricule(element: etree._Element | None, namespace: str) -> None:
    if element is not None:
        number = element.findtext(f"{{{namespace}}}NumIdentifiant") or ""
        key = element.findtext(f"{{{namespace}}}Cle") or ""
        need(_NUMBER.fullmatch(number) and _KEY.fullmatch(key), "fake_matricule", f"in {_name(element)}")


def _check_vitale(search: etree._Element, namespace: str) -> None:
    names = [_name(e) for e in _elements(search)]
    need(names == [n for n in _VITALE if n in names], "fake_trait_order", f"found {', '.join(names)[:200]}")
    for matricule in ("MatriculeIndividu", "MatriculeOD"):
        _check_matricule(search.find(f"{{{namespace}}}{matricule}"), namespace)
    need("MatriculeIndividu" in names or "MatriculeOD" in names, "fake_trait_missing", "no matricule of the card")
    date = search.findtext(f"{{{namespace}}}DateNaissance")
    need(date is None or _DATE.fullmatch(date), "fake_date")


def _assertion_subject(security: etree._Element) -> str:
    assertions = security.findall(f"{{{_SAML}}}Assertion")
    need(assertions and all(a.get("Version") == "2.0" for a in assertions), "fake_assertion")
    subject = (assertions[0].findtext(f"{{{_SAML}}}Subject/{{{_SAML}}}NameID") or "").strip()
    need(subject, "fake_assertion", "there is no NameID")
    names = {a.get("Name") for a in assertions[0].iter(f"{{{_SAML}}}Attribute")}
    need("identifiantFacturation" in names, "fake_billing")
    return subject


def _elements(parent: etree._Element | None) -> Sequence[etree._Element]:
    return [e for e in parent if isinstance(e.tag, str)] if parent is not None else []


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname


def _namespace(element: etree._Element) -> str:
    return etree.QName(element).namespace or ""


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _of_subject(certificate: x509.Certificate | None, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid) if certificate is not None else []
    return str(found[-1].value) if found else ""
