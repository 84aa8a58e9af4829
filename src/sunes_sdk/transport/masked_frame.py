"""A frame without what names a person: for those who may see how two systems talk, and not about whom.

By allow-list: a text or an attribute is kept where its place says that it is no trait (addressing, identifiers of
documents and messages, codes, statuses, sizes) and its form agrees; everything else becomes its length. Names of
elements, of attributes and of slots stay, so that the structure can be read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from lxml import etree

from .._core.errors import SunesError
from .._core.redaction import MASK
from .._core.xml import parse
from . import mtom

MAX_STARS: Final = 40
"""A longer text is masked by its number of characters rather than by as many stars."""
_WSA: Final = "http://www.w3.org/2005/08/addressing"
_SOAP: Final = ("http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/")
_RIM: Final = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"
_SAML: Final = "{urn:oasis:names:tc:SAML:2.0:assertion}"
_XDS: Final = "urn:ihe:iti:xds-b:2007"
_AUTHORS: Final = frozenset(
    ("urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d", "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d")
)
"""Classifications by author, of an entry and of a set: their nodeRepresentation is free text."""
_TEXTS: Final = frozenset(
    [f"{{{_WSA}}}{name}" for name in ("Action", "MessageID", "RelatesTo", "To", "Address")]
    + [f"{{{soap}}}Value" for soap in _SOAP]
    + [f"{{{_XDS}}}{name}" for name in ("RepositoryUniqueId", "DocumentUniqueId", "NewDocumentUniqueId", "mimeType")]
    + [f"{{urn:si-dmp-habilitations}}{name}" for name in ("action", "role", "status", "mode")]
)
_SLOTS: Final = frozenset(
    (
        "hash", "size", "repositoryUniqueId", "submissionTime", "languageCode", "codingScheme", "SubmissionSetStatus",
        "PreviousVersion", "OriginalStatus", "NewStatus", "$uuid", "$XDSDocumentEntryStatus",
        "$XDSDocumentEntryUniqueId", "$XDSDocumentEntryEntryUUID", "$XDSDocumentEntryClassCode",
        "$XDSDocumentEntryTypeCode", "$XDSDocumentEntryConfidentialityCode", "$XDSSubmissionSetStatus",
    )
)  # fmt: skip
_ATTRIBUTES: Final = frozenset(
    (
        "id", "lid", "objectType", "status", "classificationScheme", "classificationNode", "classifiedObject",
        "nodeRepresentation", "identificationScheme", "registryObject", "associationType", "sourceObject",
        "targetObject", "name", "slotType", "versionName", "mimeType", "isOpaque", "errorCode", "severity",
        "highestSeverity", "totalResultCount", "startIndex", "returnType", "returnComposedObjects", "mustUnderstand",
        "href", "lang", "charset", "root", "code", "codeSystem", "classCode", "moodCode", "determinerCode", "typeCode",
        "nullFlavor", "nil", "type", "ITSVersion", "Version",
    )
)  # fmt: skip
_ASSERTION: Final = frozenset(("Name", "Version", "Format", "Algorithm"))
"""Attributes that stay in an assertion, all of whose texts go."""
_HEADERS: Final = frozenset(("content-type", "content-length", "content-encoding", "date", "soapaction", "retry-after"))
_SAFE = re.compile(r"[A-Za-z0-9._:/#=^&;+()',$@-]{0,300}")
_SAFE_HEADER = re.compile(r"[\x20-\x7e]{0,500}")
_OID = re.compile(r"[0-2](?:\.[0-9]+)+")
_UUID = re.compile(r"(?:urn:uuid:|_)?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Wider than `_core.redaction`: here a matricule is looked for inside an OID or an identifier too.
_MATRICULE = re.compile(r"(?<![0-9])[1-478][0-9]{4}(?:[0-9]{2}|2[ABab])[0-9]{6}(?:[0-9]{2})?(?![0-9])")


def mask_head(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers whose values are no cookie, credential or free text as they are, the others masked."""
    return {
        name: value if name.lower() in _HEADERS and _SAFE_HEADER.fullmatch(value) else stars(value)
        for name, value in headers.items()
    }


def mask_body(content_type: str, body: bytes) -> bytes:
    """The SOAP envelope masked, and each attachment as its Content-ID and number of bytes.

    A body that is no XML is only its number of bytes.
    """
    try:
        message = mtom.decode(content_type, body)
        root = parse(message.root)
    except SunesError as e:
        return f"({len(body)} bytes masked: {e.code})".encode() if body else b""
    _mask(root)
    lines = [etree.tostring(root, encoding="unicode")]
    lines += [f"({_kept(cid)}: {len(data)} bytes masked)" for cid, data in message.parts.items()]
    return "\r\n".join(lines).encode()


def stars(text: str) -> str:
    """A mask that tells the length of what it hides; nothing for nothing."""
    return "*" * len(text) if len(text) <= MAX_STARS else f"{MASK}({len(text)} characters){MASK}"


def _mask(root: etree._Element) -> None:
    for element in list(root.iter()):
        if element.tail and element.tail.strip():
            element.tail = stars(element.tail)
        if not isinstance(element.tag, str):  # a comment or a processing instruction
            _remove(element)
            continue
        in_assertion = any(str(e.tag).startswith(_SAML) for e in (element, *element.iterancestors()))
        for name, value in element.attrib.items():
            shown = name in _ASSERTION if in_assertion else _keeps_attribute(element, str(name), str(value))
            element.set(name, _kept(str(value)) if shown else stars(str(value)))
        if element.text and element.text.strip():
            shown = not in_assertion and _keeps_text(element)
            element.text = _kept(element.text) if shown else stars(element.text)


def _remove(node: etree._Element) -> None:
    parent = node.getparent()
    if parent is None:
        return  # beside the root: not written
    before, tail = node.getprevious(), node.tail or ""
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    node.tail = None
    parent.remove(node)


def _keeps_attribute(element: etree._Element, name: str, value: str) -> bool:
    if _UUID.fullmatch(value) or (name == "value" and _OID.fullmatch(value)):
        return True
    tag, local = str(element.tag), etree.QName(name).localname
    if local == "nodeRepresentation":
        return element.get("classificationScheme") not in _AUTHORS
    if local == "value":
        return tag == "{urn:hl7-org:v3}creationTime"
    if local == "extension":
        return tag == "{urn:hl7-org:v3}interactionId"
    return local in _ATTRIBUTES and not (local == "code" and tag.endswith("}administrativeGenderCode"))


def _keeps_text(element: etree._Element) -> bool:
    if element.tag != f"{_RIM}Value":
        return element.tag in _TEXTS
    slot = next(element.iterancestors(f"{_RIM}Slot"), None)
    return slot is not None and slot.get("name") in _SLOTS


def _kept(text: str) -> str:
    """A text whose place is that of no trait, when its form is that of none either."""
    return _MATRICULE.sub(lambda m: stars(m.group()), text) if _SAFE.fullmatch(text.strip()) else stars(text)
