"""The structured body: narrative and entries written together, so that they cannot disagree.

An entry points at the narrative through a `Ref`, and only the narrative hands one out. Identifiers of narrative
places are counted over the whole document, identifiers of sections and entries are UUIDs of the issuer's IdFactory.
"""

from __future__ import annotations

import binascii
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache

from .._core.hl7time import format_ts
from .._core.ids import uuid_texts
from .._core.xml import escape_text, is_plain
from ..model import Code
from . import datatypes as dt
from .datatypes import LOINC, TA_ASIP, NullFlavor, Ref
from .issuer import Issuer

_BLOB_MARK = "\x00"  # cannot be written in XML, so no text of a caller can hold it
_BASE64_CHUNK = 3 << 16


class Draft:
    """One document being written: draws its identifiers, writes its times, keeps its binary parts.

    written_at: the time of writing as text; prefixes: of the extensions of CDA that the document uses.
    """

    __slots__ = ("_anchors", "_blobs", "_issuer", "_times", "_uuids", "prefixes", "written_at")

    def __init__(self, issuer: Issuer, written_at: datetime) -> None:
        self._issuer = issuer
        self._uuids = uuid_texts(issuer.ids)
        self._anchors = 0
        self._blobs: list[bytes] = []
        self._times: dict[tuple[datetime, int], str] = {}
        self.prefixes: set[str] = set()
        self.written_at = self.ts(written_at)

    def ts(self, value: datetime) -> str:
        """An instant to the second, in the producer's local time, with its offset."""
        key = value, value.fold  # the two hours of an autumn night are equal but for their fold
        written = self._times.get(key)
        if written is None:
            written = self._times[key] = format_ts(value, self._issuer.zone)
        return written

    def id(self) -> str:
        """An `id` element with a fresh UUID, for a section or an entry."""
        return f'<id root="{next(self._uuids)}"></id>'

    def extension(self, prefix: str, fragment: str) -> str:
        """The same fragment, of elements of an extension of CDA (`pharm`): its namespace will be declared."""
        self.prefixes.add(prefix)
        return fragment

    def oid(self) -> str:
        return self._issuer.ids.oid(self._issuer.oid_root)

    def anchor(self) -> Ref:
        """A fresh narrative identifier, unique in the document."""
        self._anchors = number = self._anchors + 1
        return dt.early_place(number) if number <= dt.EARLY_PLACES else dt.place(number)

    def base64(self, data: bytes) -> str:
        """Stands for the base64 of `data` in a fragment; `assemble` writes it once, straight into the bytes."""
        self._blobs.append(data)
        return f"{_BLOB_MARK}{len(self._blobs) - 1}{_BLOB_MARK}"

    @property
    def has_files(self) -> bool:
        return bool(self._blobs)

    def assemble(self, text: str) -> bytes:
        """The final bytes, UTF-8, written into a buffer of their exact size: nothing big is held twice."""
        if not self._blobs:
            return text.encode()
        pieces = text.split(_BLOB_MARK)
        parts = [self._blobs[int(p)] if i % 2 else p.encode() for i, p in enumerate(pieces)]
        size = sum([-(-len(p) // 3) * 4 if i % 2 else len(p) for i, p in enumerate(parts)])
        out = io.BytesIO()
        out.seek(size - 1)
        out.write(b"\n")
        out.seek(0)
        for i, part in enumerate(parts):
            if i % 2 == 0:
                out.write(part)
                continue
            data = memoryview(part)
            for start in range(0, len(data), _BASE64_CHUNK):
                out.write(binascii.b2a_base64(data[start : start + _BASE64_CHUNK], newline=False))
        return out.getvalue()


def _lines(text: str) -> str:
    """Text of a clinician: its line ends become `<br/>`."""
    if "\n" not in text:
        return escape_text(text)
    return escape_text(text.replace("\r\n", "\n")).replace("\n", "<br></br>")


@lru_cache(maxsize=256)  # labels are few
def _label(text: str) -> str:
    return f'<content styleCode="Bold">{escape_text(text)}</content> : '


class Narrative:
    """The text block of a section. Each method that adds text returns the `Ref` an entry uses to point at it."""

    __slots__ = ("_draft", "_items", "_parts")

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._parts: list[str] = []
        self._items: list[str] = []

    def _flush(self) -> None:
        if self._items:
            self._parts.append(f"<list>{''.join(self._items)}</list>")
            self._items = []

    def _marked(self, text: str) -> tuple[Ref, str]:
        ref = self._draft.anchor()
        return ref, f'<content ID="{ref.id}">{text if is_plain(text) else _lines(text)}</content>'

    def content(self, text: str) -> Ref:
        """Running text."""
        self._flush()
        ref, xml = self._marked(text)
        self._parts.append(xml)
        return ref

    def paragraph(self, text: str) -> Ref:
        self._flush()
        ref, xml = self._marked(text)
        self._parts.append(f"<paragraph>{xml}</paragraph>")
        return ref

    def item(self, text: str, label: str = "") -> Ref:
        """An item of a list (items that follow each other make one list); `label` comes before, in bold."""
        ref, xml = self._marked(text)
        self._items.append(f"<item>{_label(label) if label else ''}{xml}</item>")
        return ref

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> list[Ref]:
        """A table; the Ref of each row marks the row. `headers` may be empty."""
        refs, body = [], []
        for row in rows:
            ref = self._draft.anchor()
            refs.append(ref)
            cells = row if is_plain("".join(row)) else [_lines(cell) for cell in row]
            body.append(f'<tr ID="{ref.id}">{"".join([f"<td>{cell}</td>" for cell in cells])}</tr>')
        if body:
            self._flush()
            head = "".join([f"<th>{escape_text(h)}</th>" for h in headers])
            head = f"<thead><tr>{head}</tr></thead>" if head else ""
            self._parts.append(f"<table>{head}<tbody>{''.join(body)}</tbody></table>")
        return refs

    def media(self, media: Ref) -> None:
        """Shows an observationMedia of the same document."""
        self._flush()
        self._parts.append(f'<renderMultiMedia referencedObject="{media.id}"></renderMultiMedia>')

    def xml(self) -> str:
        self._flush()
        return f"<text>{''.join(self._parts)}</text>"


class SectionKind:
    """What all sections of one template share, prepared once: templateIds, code, default title."""

    __slots__ = ("code", "templates", "title", "title_xml")

    def __init__(self, *templates: str, code: tuple[str, str, str] | None = None, title: str = "") -> None:
        self.templates = dt.templates(*templates)
        self.code = dt.coded("code", *code, "LOINC" if code[2] == LOINC else "") if code else ""
        self.title = title
        self.title_xml = dt.element("title", title)


def section(
    draft: Draft,
    kind: SectionKind,
    text: Narrative | str,
    *entries: str,
    title: str = "",
    code: str = "",
    subsections: str = "",
    with_id: bool = True,
    attributes: str = "",
    authors: str = "",
) -> str:
    """`<component><section>…`, in XSD order: templateId*, id?, code, title, text, author*, entry*, component*.

    text: a Narrative, plain text, or "" for a section that holds only subsections; entries: ready `<entry>`
    elements; code: ready `<code>` when the kind has none; attributes: ready, e.g. ` classCode="DOCSECT"`.
    """
    narrative = text.xml() if isinstance(text, Narrative) else f"<text>{_lines(text)}</text>" if text else ""
    return "".join(
        (
            f"<component><section{attributes}>",
            kind.templates,
            draft.id() if with_id else "",
            code or kind.code,
            dt.element("title", title) if title else kind.title_xml,
            narrative,
            authors,
            *entries,
            subsections,
            "</section></component>",
        )
    )


def entry(content: str, *, type_code: str = "", templates: str = "") -> str:
    kind = f' typeCode="{type_code}"' if type_code else ""
    return f"<entry{kind}>{templates}{content}</entry>"


def entry_relationship(content: str, type_code: str = "COMP", *, inversion: bool | None = None) -> str:
    inverted = "" if inversion is None else f' inversionInd="{"true" if inversion else "false"}"'
    return f'<entryRelationship{inverted} typeCode="{type_code}">{content}</entryRelationship>'


class ObservationKind:
    """A *FR-Simple-Observation*, prepared once: its own templateIds after the two common ones, and its code."""

    __slots__ = ("_code_xml", "code", "display", "head")

    def __init__(self, *specific: str, code: str, display: str, system: str = TA_ASIP) -> None:
        self.code = code
        self.display = display
        self.head = (
            '<observation classCode="OBS" moodCode="EVN">'
            + dt.templates("1.3.6.1.4.1.19376.1.5.3.1.4.13", "1.2.250.1.213.1.1.3.48", *specific)
        )  # fmt: skip
        self._code_xml = dt.coded("code", code, display, system, {TA_ASIP: "TA_ASIP", LOINC: "LOINC"}.get(system, ""))

    def write(self, draft: Draft, ref: Ref, value: str, effective: str) -> str:
        """`value`: ready `<value>`; `effective`: written time stamp, empty for nullFlavor NA."""
        when = dt.ts("effectiveTime", effective) if effective else _NO_TIME
        return f"{self.head}{draft.id()}{self._code_xml}{ref.text}{dt.COMPLETED}{when}{value}</observation>"


_NO_TIME = dt.null("effectiveTime", NullFlavor.NOT_APPLICABLE)


def observation_media(draft: Draft, media_type: str, data: bytes, *, with_templates: bool = True) -> tuple[Ref, str]:
    """An image or a file of the document: its Ref, for `Narrative.media`, and the observationMedia."""
    ref = draft.anchor()
    templates = _MEDIA_TEMPLATES if with_templates else ""
    return ref, (
        f'<observationMedia ID="{ref.id}" classCode="OBS" moodCode="EVN">{templates}'
        f'<value mediaType="{media_type}" representation="B64">{draft.base64(data)}</value></observationMedia>'
    )


_MEDIA_TEMPLATES = dt.templates("2.16.840.1.113883.10.12.304", "1.2.250.1.213.1.1.3.103")

_PDF_COPY = SectionKind(
    "1.2.250.1.213.1.1.2.243", code=("55108-5", "Copie du document", LOINC), title="Copie du document"
)
_PDF_KIND = ObservationKind("1.2.250.1.213.1.1.3.48.18", code="69764-9", display="Type de document", system=LOINC)
_PDF_ORGANIZER = '<organizer classCode="CLUSTER" moodCode="EVN">' + dt.templates("1.2.250.1.213.1.1.3.18")
_PDF_ORGANIZER_CODE = dt.coded("code", "55107-7", "Document attaché", LOINC, "LOINC") + dt.COMPLETED + "<component>"
_PDF_VALUE = dt.coded("value", "55108-5", "Copie du document", LOINC, "LOINC", xsi_type="CD")


def pdf_copy_section(draft: Draft, pdf: bytes) -> str:
    """*FR-Document-PDF-copie*: the same document as PDF, which a consumer shows first (SMDS 2.2)."""
    narrative = Narrative(draft)
    section_id = draft.id()
    attached = attached_pdf(draft, narrative, "Copie du document au format PDF", pdf, _PDF_VALUE)
    return (
        f"<component><section>{_PDF_COPY.templates}{section_id}{_PDF_COPY.code}<title>{_PDF_COPY.title}</title>"
        f"{narrative.xml()}{attached}</section></component>"
    )


def attached_pdf(draft: Draft, narrative: Narrative, label: str, pdf: bytes, value: str = "") -> str:
    """*FR-Document-attache*: an entry that holds a PDF, which the narrative shows under its label.

    value: ready `<value>` of its type, the label when not given.
    """
    ref = narrative.content(label)
    media, media_xml = observation_media(draft, "application/pdf", pdf, with_templates=False)
    narrative.media(media)
    typed = value or f'<value xsi:type="CD">{ref.original_text}</value>'
    return entry(
        f"{_PDF_ORGANIZER}{draft.id()}{_PDF_ORGANIZER_CODE}{_PDF_KIND.write(draft, ref, typed, '')}</component>"
        f"<component>{media_xml}</component></organizer>"
    )


def code_text(code: Code) -> str:
    """A code as people read it."""
    return code.display or code.code


_COMMENT = SectionKind(
    "2.16.840.1.113883.10.12.201",
    "1.3.6.1.4.1.19376.1.4.1.2.16",
    "1.2.250.1.213.1.1.2.73",
    code=("55112-7", "Commentaire", LOINC),
    title="Commentaire",
)
_COMMENT_ACT = (
    '<act classCode="ACT" moodCode="EVN">'
    + dt.templates("2.16.840.1.113883.10.20.1.40", "1.3.6.1.4.1.19376.1.5.3.1.4.2", "1.2.250.1.213.1.1.3.32")
    + dt.coded("code", "48767-8", "Commentaire", LOINC, "LOINC")
)


def comment_section(draft: Draft, text: str, *, title: str = "") -> str:
    """*FR-Commentaire-non-code*."""
    return section(draft, _COMMENT, text, title=title)


def comment_relationship(ref: Ref) -> str:
    """*FR-Commentaire-ER*: a comment on the entry that holds it, shown in the narrative at `ref`."""
    return entry_relationship(comment_act(ref), "SUBJ", inversion=True)


def comment_act(ref: Ref) -> str:
    """*FR-Commentaire* alone, for a component of an organizer."""
    return f"{_COMMENT_ACT}{ref.text}{dt.COMPLETED}</act>"
