"""Rules of any body: references, identifiers, files. The official validator is silent on nearly all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from ..._core.findings import Severity
from ...terminology import unit_is_listed
from ..datatypes_reader import find, text_of
from ..header import CdaDocument
from ..pdf_body import PdfFacts
from ..reader import V3
from .engine import SMDS, Problem, RuleSet, View, has_no_file

BODY = RuleSet(SMDS)
rule = BODY.rule

_MEDIA_TYPES = frozenset({"application/pdf", "text/plain", "text/rtf", "image/jpeg", "image/tiff"})
_PDF_COPY = "1.2.250.1.213.1.1.2.243"
_DICOM_STUDY = "1.2.840.10008.9.16"


@rule(
    "CDA_H40",
    "the body's file is base64 of an allowed media type and says so; its bytes are of that type",
    hint="give PDF/A-1, or text, RTF, JPEG, TIFF",
    fr="Le fichier du document est absent, illisible ou d'un type non admis.",
    kit_is_silent=True,
    held=has_no_file,
)
def _file(view: View) -> Iterator[Problem]:
    for body in view.all("nonXMLBody"):
        if find(body, "text") is None:
            yield body, "there is no text"
    for file in view.files:
        if not file.is_body:
            continue
        if file.media_type not in _MEDIA_TYPES:
            yield file.element, "the media type is not in the list"
        if file.element.get("representation") != "B64":
            yield file.element, "representation is not B64"
        if file.facts is None:
            yield file.element, "the content is not base64, or is empty"
        elif not _looks_like(file.media_type, file.facts.start):
            yield file.element, "the bytes are not of the media type that is claimed"


_STARTS = {
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/tiff": (b"II*\x00", b"MM\x00*"),
    "text/rtf": (b"{\\rtf",),
    "application/pdf": (b"%PDF-",),
}


def _looks_like(media_type: str, start: bytes) -> bool:
    starts = _STARTS.get(media_type)
    return starts is None or start.startswith(starts)


def _pdfs(view: View) -> Iterator[tuple[etree._Element, PdfFacts]]:
    for file in view.files:
        if file.pdf is not None:
            yield file.element, file.pdf


@rule(
    "CDA_PDF_UNREADABLE",
    "an embedded PDF is whole and opens without a password",
    hint="export it again as PDF/A-1, without protection",
    fr="Le fichier PDF est illisible, incomplet ou protégé.",
    held=has_no_file,
)
def _pdf(view: View) -> Iterator[Problem]:
    for element, facts in _pdfs(view):
        if facts.problem:
            yield element, f"the PDF cannot be read: {facts.problem}"


@rule(
    "CDA_PDF_NOT_PDFA",
    "an embedded PDF says that it is PDF/A-1",
    hint="export it as PDF/A-1; the claim itself is not verified here",
    severity=Severity.WARNING,
    held=has_no_file,
)
def _pdf_a(view: View) -> Iterator[Problem]:
    for element, facts in _pdfs(view):
        if not facts.problem and facts.pdf_a_part != 1:
            yield element, "no PDF/A-1 claim in its metadata"


@rule(
    "CDA_PDF_ACTIVE",
    "an embedded PDF holds neither JavaScript nor actions that launch programs",
    hint="export it without active content",
    held=has_no_file,
)
def _pdf_active(view: View) -> Iterator[Problem]:
    for element, facts in _pdfs(view):
        if facts.scripted:
            yield element, "active content found"


@rule(
    "CDA_MEDIA_BASE64",
    "an embedded image or file is base64",
    hint="encode the file's bytes in base64",
    held=has_no_file,
)
def _media(view: View) -> Iterator[Problem]:
    for file in view.files:
        if not file.is_body and file.facts is None:
            yield file.element, "the content is not base64, or is empty"


@rule(
    "CDA_REF_DANGLING",
    "every reference of an entry points at an ID of the narrative of the same document",
    hint="write references as #ID, from the text that was written",
    source="CDA R2 4.3.5.1; the official validator does not look",
    held=True,
)
def _references(view: View) -> Iterator[Problem]:
    ids = {i for _, i in view.narrative_ids}
    for reference in view.all("reference"):
        parent = reference.getparent()
        if parent is None or parent.tag not in (f"{V3}text", f"{V3}originalText"):
            continue
        value = reference.get("value") or ""
        if parent.get("mediaType") is not None:
            continue  # a link to an external object (DICOM), not to the narrative
        if not value.startswith("#") or value[1:] not in ids:
            yield reference, "it points at nothing"
    media = {m.get("ID") for m in view.all("observationMedia")} | {m.get("ID") for m in view.all("regionOfInterest")}
    for shown in view.all("renderMultiMedia"):
        for target in (shown.get("referencedObject") or "").split():
            if target not in media:
                yield shown, "it shows nothing"


@rule("CDA_ID_DUPLICATE", "every ID of the narrative is unique in the document", hint="draw each ID once", held=True)
def _unique_ids(view: View) -> Iterator[Problem]:
    seen: set[str] = set()
    for element, value in view.narrative_ids:
        if value in seen:
            yield element, "this ID is there twice"
        seen.add(value)


_DRAWN = etree.XPath("c:component//c:id/@root", namespaces={"c": V3.strip("{}")}, smart_strings=False)
_ENTRY_TAGS = frozenset(
    V3 + t for t in ("section", "act", "observation", "substanceAdministration", "organizer", "procedure", "supply")
)


_ID = re.compile(rb"<id ([^>]*)")


def _ids_differ(document: CdaDocument) -> bool:
    """Whether no `id` element of the body is written twice."""
    ids = _ID.findall(document.content, document.content.index(b"<component>"))
    return len(set(ids)) == len(ids)


@rule(
    "CDA_ENTRY_ID_DUPLICATE",
    "the identifiers of sections and entries differ",
    hint="draw a UUID for each",
    source="CDA R2; the official validator does not look",
    held=_ids_differ,
)
def _unique_entries(view: View) -> Iterator[Problem]:
    drawn = _DRAWN(view.root)
    if isinstance(drawn, list) and len(set(map(str, drawn))) == len(drawn):
        return  # no root is there twice
    seen: set[tuple[object, str, str]] = set()
    # A study is named by its own UID, once for each of its series.
    studies = view.templates.get(_DICOM_STUDY, ())
    inside = view.children("component")[:1]
    for identifier in inside[0].iter(f"{V3}id") if inside else ():
        owner = identifier.getparent()
        root = identifier.get("root")
        if owner is None or owner.tag not in _ENTRY_TAGS or not root or owner in studies:
            continue
        # The same thing may be named in several places: only one kind of element must not repeat it.
        key = (owner.tag, root, identifier.get("extension") or "")
        if key in seen:
            yield identifier, "this identifier is there twice"
        seen.add(key)


@rule(
    "CDA_PDF_COPY",
    "the PDF copy section is titled `Copie du document`, coded 55108-5, and holds one PDF",
    hint="give the document as pdf_copy",
    source=f"CI-SIS section FR-Document-PDF-copie ({_PDF_COPY})",
    held=True,
)
def _pdf_copy(view: View) -> Iterator[Problem]:
    for section in view.sections(_PDF_COPY):
        code, title = find(section, "code"), text_of(find(section, "title"))
        if title != "Copie du document" or code is None or code.get("code") != "55108-5":
            yield section, "the title or the code is not the fixed one"
        values = [find(m, "value") for m in section.iter(f"{V3}observationMedia")]
        if [v.get("mediaType") for v in values if v is not None] != ["application/pdf"]:
            yield section, "not exactly one PDF"


# The official profile looks at these, and not at a doseQuantity that is a single value.
_QUANTITIES = ("value", "low", "high")
_QUANTITY_PARENTS = frozenset(V3 + t for t in ("value", "doseQuantity", "rateQuantity"))


@rule(
    "CDA_UNIT",
    "the unit of a measure, or of the bounds of a dose, is of the finite UCUM list (after its annotations)",
    hint="write m[IU]/L, not mUI/L; 10*9/L, not G/L",
    fr="Une unité de mesure n'appartient pas à la liste UCUM.",
    source="ANS conformance kit, profile terminologies",
    held=True,
)
def _units(view: View) -> Iterator[Problem]:
    for tag in _QUANTITIES:
        for element in view.all(tag):
            unit = element.get("unit")
            if unit is None:
                continue
            parent = element.getparent()
            if tag in ("low", "high") and (parent is None or parent.tag not in _QUANTITY_PARENTS):
                continue
            if not unit_is_listed(unit):
                yield element, "this unit is not in the list"
