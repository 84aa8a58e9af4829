"""Where the ClinicalDocument is in received bytes: the root, or what an enveloping signature or a stylesheet holds.

A received stylesheet is never run: the document is taken out of it, and shown by our own means (SMDS 3.9 lets a
*CDA auto-présentable* carry its stylesheet, and the ANS now advises against it).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from lxml import etree

from .._core.errors import CdaError
from .._core.findings import Finding, Severity
from .._core.xml import declared_encoding, parse, parse_apart

V3 = "{urn:hl7-org:v3}"
_DOCUMENT = f"{V3}ClinicalDocument"
_STYLESHEETS = frozenset(f"{{http://www.w3.org/1999/XSL/Transform}}{name}" for name in ("stylesheet", "transform"))
_CONTENT = "{urn:asip-sante:ci-sis}Contenu"
_SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<")


class Envelope(StrEnum):
    """What the ClinicalDocument came in."""

    NONE = "none"
    SIGNATURE = "signature"
    """An enveloping ds:Signature. Reading does not verify it."""
    STYLESHEET = "stylesheet"
    """*CDA auto-présentable*."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Opened:
    """A ClinicalDocument and what it came in; `findings` says what a reader should know of the outside."""

    document: etree._Element
    envelope: Envelope
    findings: tuple[Finding, ...]


def clinical_document(data: bytes, *, whole: bool = False) -> etree._Element:
    """The ClinicalDocument of the bytes, to be read by `datatypes_reader`: the large files inside are left out of the
    tree unless `whole`. Raises what `opened` raises."""
    return _inside(parse(data) if whole else parsed(data))[0]


def parsed(data: bytes) -> etree._Element:
    """The root of the bytes, the large files inside left out of the tree. Raises XmlSecurityError."""
    return parse_apart(data, _file_holders)


_HOLDERS = {f"{V3}text": f"{V3}nonXMLBody", f"{V3}value": f"{V3}observationMedia"}


def _file_holders(root: etree._Element) -> Iterator[etree._Element]:
    """The body of an N1 and the files of the entries, in document order."""
    for element in root.iter(*_HOLDERS):
        parent = element.getparent()
        if parent is not None and parent.tag == _HOLDERS[str(element.tag)] and element.get("representation") == "B64":
            yield element


def opened(data: bytes) -> Opened:
    """The ClinicalDocument of the bytes, and what surrounds it.

    Raises XmlSecurityError (not well-formed, too big …), CdaError (`CDA_NOT_CDA`; `CDA_AMBIGUOUS`: two documents in
    one envelope, of which one could be signed and the other shown).
    """
    root = parsed(data)
    document, envelope = _inside(root)
    return Opened(document, envelope, tuple(_findings(data, root, envelope)))


def _inside(root: etree._Element) -> tuple[etree._Element, Envelope]:
    if root.tag == _DOCUMENT:
        return root, Envelope.NONE
    is_stylesheet = root.tag in _STYLESHEETS
    found: list[etree._Element] = []
    if is_stylesheet:
        found = [d for content in root.iterchildren(_CONTENT) for d in content.iterchildren(_DOCUMENT)]
    found = found or list(root.iter(_DOCUMENT))
    if not found:
        raise CdaError("there is no ClinicalDocument in these bytes", code="CDA_NOT_CDA", path="/",
                       rule="CDA R2: root ClinicalDocument of urn:hl7-org:v3",
                       hint="check that this is a CDA document",
                       hint_fr="Ce fichier n'est pas un document CDA.")  # fmt: skip
    if len(found) > 1:
        raise CdaError("there are several ClinicalDocuments in one envelope", code="CDA_AMBIGUOUS", path="/",
                       rule="SMDS 3.3: the envelope holds one ClinicalDocument",
                       hint="ask the sender for one document per file",
                       hint_fr="Ce fichier contient plusieurs documents : il ne peut pas être lu sans risque "
                       "d'erreur.")  # fmt: skip
    if is_stylesheet:
        return found[0], Envelope.STYLESHEET
    return found[0], Envelope.SIGNATURE if root.tag == _SIGNATURE else Envelope.OTHER


def _findings(data: bytes, root: etree._Element, envelope: Envelope) -> Iterator[Finding]:
    if envelope is not Envelope.NONE:
        yield Finding(
            code="CDA_READ_ENVELOPE", severity=Severity.INFO, path="/",
            message=f"the document came in an envelope ({envelope.value}): no signature verified, no stylesheet run",
            rule="SMDS 3.3, 3.9", hint="verify the signature with its own tool when it matters",
        )  # fmt: skip
    instruction = root.getprevious()
    while instruction is not None:
        if isinstance(instruction, etree._ProcessingInstruction) and instruction.target == "xml-stylesheet":
            yield Finding(
                code="CDA_READ_STYLESHEET", severity=Severity.INFO, path="processing-instruction(xml-stylesheet)",
                message="the stylesheet that the document names is not used", rule="SMDS 3.9",
                hint="show the document with to_html or to_pdf",
            )  # fmt: skip
        instruction = instruction.getprevious()
    if data.startswith(_UTF_16) or declared_encoding(data) not in ("", "utf-8", "utf8"):
        yield Finding(
            code="CDA_READ_ENCODING", severity=Severity.WARNING, path="XML declaration",
            message="the document is not encoded in UTF-8", rule="SMDS 3.3.1", hint="ask the sender to write UTF-8",
            message_fr="Le document n'est pas encodé en UTF-8.",
        )  # fmt: skip
