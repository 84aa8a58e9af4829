"""A CDA document as a self-contained HTML page: header, then the narrative of each section. No script, no link out.

What a person reads is the narrative (`section/text`), never the entries; unknown elements give their text.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from lxml import etree

from .._core.clock import PARIS
from .._core.errors import CdaError
from .._core.hl7time import Precision, parse_ts
from .._core.xml import escape_attribute, escape_text
from ..model import InsOid
from .header import CdaDocument, CdaHeader, HeaderName, HeaderParty, HeaderPatient
from .reader import V3, clinical_document

PDF_COPY: Final = "1.2.250.1.213.1.1.2.243"
"""templateId of FR-Document-PDF-copie."""
_MAX_SPAN: Final = 100
_MAX_DEPTH: Final = 60
_LEAST: Final = 4.0
_MARGIN: Final = 2.0
_LONGEST: Final = 60
_SHOWN_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif"})
_INS: Final = {
    InsOid.NIR.value: "INS (NIR)",
    InsOid.NIA.value: "INS (NIA)",
    InsOid.NIR_TEST.value: "INS (NIR de test)",
    InsOid.NIR_DEMO.value: "INS (NIR de démonstration)",
}
_SEX: Final = {"F": "Féminin", "M": "Masculin", "U": "Inconnu", "UN": "Indéterminé"}

ImageWriter = Callable[[str, bytes], str | None]
"""(media type, bytes) → the `data:` address to show, None when it cannot be shown."""


def to_html(document: CdaDocument) -> str:
    """The document as a page that a browser shows on its own, in French.

    Raises CdaError (`CDA_NOT_CDA`, `CDA_BODY_UNSHOWABLE` for an RTF or TIFF body).
    """
    return page(document, image=data_address, style=STYLE)


def data_address(media_type: str, data: bytes) -> str | None:
    """PNG, JPEG and GIF as they are; other types not."""
    if media_type not in _SHOWN_IMAGES:
        return None
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def page(document: CdaDocument, *, image: ImageWriter, style: str = "") -> str:
    """The page, its images written by `image`, with this style sheet."""
    root = clinical_document(document.content)
    header = document.header
    title = escape_text(header.title or header.code.display or "Document de santé")
    return (
        f'<!DOCTYPE html><html lang="fr"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        f"style-src 'unsafe-inline'\"><style>{style}</style></head><body>"
        f"{_header(header, root, title)}{_body(root, image)}{_footer(header)}</body></html>"
    )


# --- header ---------------------------------------------------------------------------------------------------------


def _header(header: CdaHeader, root: etree._Element, title: str) -> str:
    document = [
        ("Établissement", escape_text(header.custodian.name)),
        ("Date du document", _when(header.effective_time)),
        ("Séjour", _period(header.encounter.start, header.encounter.stop)),
        *(("Acte", _act(e.code.display or e.code.code, e.start)) for e in header.service_events if e.code),
        *(("Auteur", _party(author)) for author in header.authors),
        ("Responsable", _party(header.legal_authenticator)),
        *(("Destinataire", name) for name in _recipients(root)),
        ("Version", f"{header.version_number}" if header.version_number > 1 else ""),
        ("Remplace", escape_text(header.replaces.root) if header.replaces else ""),
    ]
    return (
        f"<header><h1>{title}</h1><div class=\"blocks\"><section class=\"block\"><h2>Patient</h2>"
        f"{_pairs(_patient(header.patient))}</section><section class=\"block\"><h2>Document</h2>{_pairs(document)}"
        "</section></div></header>"
    )  # fmt: skip


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in pairs if value)
    return f"<table>{rows}</table>"


def _patient(patient: HeaderPatient) -> Iterator[tuple[str, str]]:
    birth = f"{patient.birth_family} {patient.first_given or patient.birth_givens}".strip()
    used = f"{patient.used_family} {patient.used_given}".strip()
    yield "Nom et prénom", f'<strong class="who">{escape_text(used or birth)}</strong>'
    yield "Nom de naissance", escape_text(patient.birth_family)
    yield "Prénoms de naissance", escape_text(patient.birth_givens or patient.first_given)
    yield "Date de naissance", _when(patient.birth_time)
    yield "Sexe", escape_text(_SEX.get(patient.sex, patient.sex))
    place = " ".join(filter(None, (patient.birth_city, f"({patient.birth_place})" if patient.birth_place else "")))
    yield "Lieu de naissance", escape_text(place)
    for identifier in patient.ids:
        if identifier.root in _INS:
            yield _INS[identifier.root], escape_text(_grouped(identifier.extension))
        elif identifier.extension:
            yield "Identifiant local", escape_text(identifier.extension)


def _grouped(matricule: str) -> str:
    """`2 79 03 51 215 189 89`, as it is read aloud."""
    if len(matricule) != 15:
        return matricule
    cuts = (0, 1, 3, 5, 7, 10, 13, 15)
    return " ".join(matricule[a:b] for a, b in pairwise(cuts))


def _party(party: HeaderParty) -> str:
    name = _person(party.name) if party.name else f"{party.device_model} {party.device_software}".strip()
    parts = [
        name,
        party.code.display if party.code else "",
        party.organization.name if party.organization else "",
    ]
    return ", ".join(escape_text(p) for p in parts if p)


def _person(name: HeaderName) -> str:
    return " ".join(filter(None, (name.prefix, name.given, name.family, name.suffix)))


def _act(what: str, when: str) -> str:
    at = _when(when)
    return escape_text(what) + (f", le {at}" if at else "")


def _period(start: str, stop: str) -> str:
    first, last = _when(start), _when(stop)
    if first and last and first != last:
        return f"du {first} au {last}"
    return first or last


def _when(text: str) -> str:
    """A time stamp as French people read it; as it is when it cannot be read."""
    if not text:
        return ""
    try:
        stamp = parse_ts(text)
    except ValueError:
        return escape_text(text)
    if stamp.precision is Precision.YEAR:
        return f"{stamp.value:%Y}"
    if stamp.precision is Precision.MONTH:
        return f"{stamp.value:%m/%Y}"
    if stamp.precision is Precision.DAY:
        return f"{stamp.value:%d/%m/%Y}"
    return f"{stamp.value.astimezone(PARIS):%d/%m/%Y à %H:%M}"


def _recipients(root: etree._Element) -> Iterator[str]:
    for recipient in root.iterfind(f"{V3}informationRecipient/{V3}intendedRecipient"):
        name = recipient.find(f"{V3}informationRecipient/{V3}name")
        parts = [" ".join((e.text or "").strip() for e in name if isinstance(e.tag, str))] if name is not None else []
        organization = recipient.findtext(f"{V3}receivedOrganization/{V3}name")
        if organization:
            parts.append(organization.strip())
        if any(parts):
            yield escape_text(", ".join(filter(None, parts)))


def _footer(header: CdaHeader) -> str:
    return f"<footer>Identifiant du document : {escape_text(header.id.root)}</footer>"


# --- body -----------------------------------------------------------------------------------------------------------


def _body(root: etree._Element, image: ImageWriter) -> str:
    structured = root.find(f"{V3}component/{V3}structuredBody")
    if structured is not None:
        writer = _Narrative(root, image)
        return "<main>" + "".join(_sections(structured, writer, 2)) + "</main>"
    text = root.find(f"{V3}component/{V3}nonXMLBody/{V3}text")
    if text is None:
        return "<main></main>"
    media_type = text.get("mediaType", "text/plain")
    data = media_bytes(text)
    if media_type == "text/plain":
        return f"<main><pre>{escape_text(_decoded(data))}</pre></main>"
    address = image(media_type, data)
    if address:
        return f'<main><img src="{escape_attribute(address)}" alt="Document"></main>'
    if media_type == "application/pdf":
        return '<main><p class="note">Le contenu de ce document est un fichier PDF.</p></main>'
    raise CdaError(
        f"a body of type {media_type} cannot be shown", code="CDA_BODY_UNSHOWABLE", path="component/nonXMLBody/text",
        rule="PDF, plain text, PNG, JPEG and GIF bodies are shown",
        hint="show the bytes with a program that knows this type",
        hint_fr="Ce type de document ne peut pas être affiché ici.",
    )  # fmt: skip


def _decoded(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    return "".join(c for c in text if c >= " " or c in "\t\n")


def media_bytes(element: etree._Element) -> bytes:
    """The bytes of an ED value or of nonXMLBody/text (base64, or text). Raises CdaError `CDA_BASE64`."""
    content = element.text or ""
    if element.get("representation") != "B64":
        return content.encode()
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError):
        raise CdaError(
            "the content is not base64", code="CDA_BASE64", path=etree.QName(element).localname,
            hint="ask the sender for a valid document",
        ) from None  # fmt: skip


def _sections(parent: etree._Element, writer: _Narrative, level: int) -> Iterator[str]:
    for section in parent.iterfind(f"{V3}component/{V3}section"):
        if any(t.get("root") == PDF_COPY for t in section.iterfind(f"{V3}templateId")):
            continue
        title = (section.findtext(f"{V3}title") or "").strip()
        text = section.find(f"{V3}text")
        heading = f"<h{min(level, 6)}>{escape_text(title)}</h{min(level, 6)}>" if title else ""
        content = writer.write(text) if text is not None else ""
        below = "".join(_sections(section, writer, level + 1)) if level < _MAX_DEPTH else ""
        if heading or content or below:
            yield f'<section class="level{min(level, 6)}">{heading}{content}{below}</section>'


@dataclass(frozen=True, slots=True)
class _Tag:
    open: str
    close: str


_TAGS: Final = {
    "paragraph": _Tag("p", "p"),
    "item": _Tag("li", "li"),
    "sub": _Tag("sub", "sub"),
    "sup": _Tag("sup", "sup"),
    "thead": _Tag("thead", "thead"),
    "tbody": _Tag("tbody", "tbody"),
    "tfoot": _Tag("tfoot", "tfoot"),
    "tr": _Tag("tr", "tr"),
    "footnote": _Tag('div class="footnote"', "div"),
}
_STYLES: Final = {
    "bold": "font-weight:bold",
    "italics": "font-style:italic",
    "bolditalics": "font-weight:bold;font-style:italic",
    "underline": "text-decoration:underline",
    "emphasis": "font-style:italic",
}


class _Narrative:
    """Writes the text block of a section as HTML."""

    def __init__(self, root: etree._Element, image: ImageWriter) -> None:
        self._image = image
        self._media = {
            e.get("ID"): e for e in root.iter(f"{V3}observationMedia", f"{V3}regionOfInterest") if e.get("ID")
        }

    def write(self, element: etree._Element, depth: int = 0) -> str:
        """The content of an element: its text, its children, their tails."""
        pieces = [escape_text(element.text or "")]
        for child in element:
            if isinstance(child.tag, str) and depth < _MAX_DEPTH:
                pieces.append(self._element(child, depth + 1))
            pieces.append(escape_text(child.tail or ""))
        return "".join(pieces)

    def _element(self, element: etree._Element, depth: int) -> str:
        name = etree.QName(element).localname
        if name == "br":
            return "<br>"
        if name == "renderMultiMedia":
            return self._render_media(element, depth)
        if name in ("col", "colgroup"):
            return ""
        content = self.write(element, depth)
        if name in ("td", "th"):
            return f"<{name}{_cell(element)}>{content}</{name}>"
        if name == "list":
            ordered = (element.get("listType") or "").lower() == "ordered"
            return f"<ol>{content}</ol>" if ordered else f"<ul>{content}</ul>"
        if name == "table":
            return _table(element, content)
        if name == "caption":
            parent = element.getparent()
            in_table = parent is not None and etree.QName(parent).localname == "table"
            return f"<caption>{content}</caption>" if in_table else f"<strong>{content}</strong> "
        if name == "linkHtml":
            return _link(element, content)
        style = _style(element)
        tag = _TAGS.get(name)
        if tag is not None:
            return f"<{tag.open}{style}>{content}</{tag.close}>"
        if (element.get("revised") or "") == "delete":
            return f"<del>{content}</del>"
        return f"<span{style}>{content}</span>" if style else content

    def _render_media(self, element: etree._Element, depth: int) -> str:
        pieces = []
        for reference in (element.get("referencedObject") or "").split():
            media = self._media.get(reference)
            value = next(media.iter(f"{V3}value"), None) if media is not None else None
            if value is None:
                pieces.append('<p class="note">[Image absente du document]</p>')
                continue
            media_type = value.get("mediaType", "")
            address = self._image(media_type, media_bytes(value))
            if address:
                pieces.append(f'<p><img src="{escape_attribute(address)}" alt="Image"></p>')
            else:
                pieces.append(f'<p class="note">[Pièce jointe : {escape_text(media_type or "type inconnu")}]</p>')
        return "".join(pieces) + self.write(element, depth)


_SIZES: Final = (("", 88), (' class="tight"', 112), (' class="tighter"', 132))
"""Font sizes of a table, and how many average characters of each fill a line of the page."""


def _table(element: etree._Element, content: str) -> str:
    """Column widths are fixed from the text: left to itself, a wide table would run off the page and lose a column.

    Each column gets the width of its longest word, and a share of the rest by the length of its text.
    """
    columns = _columns(element)
    least = sum(word for word, _ in columns)
    size, room = next((s for s in _SIZES if least <= s[1]), _SIZES[-1])
    wanted = sum(text - word for word, text in columns)
    spread = min(1.0, max(0, room - least) / wanted) if wanted else 0.0
    widths = [word + (text - word) * spread for word, text in columns]
    caption, rest = "", content
    if content.lstrip().startswith("<caption>"):
        caption, end, rest = content.partition("</caption>")
        caption += end
    total = sum(widths)
    colgroup = "".join(f'<col style="width:{100 * w / total:.1f}%">' for w in widths)
    return f"<table{size}>{caption}<colgroup>{colgroup}</colgroup>{rest}</table>"


def _columns(table: etree._Element) -> list[tuple[float, float]]:
    """(longest word, length of the longest text up to a limit) of each column, in characters with some margin.

    Empty, which leaves them equal, when a cell spans rows: what is below it is shifted.
    """
    found: list[tuple[float, float]] = []
    for row in table.iter(f"{V3}tr"):
        column = 0
        for cell in row.iterchildren(f"{V3}td", f"{V3}th"):
            if _span(cell, "rowspan") > 1:
                return []
            span = _span(cell, "colspan")
            found += [(_LEAST, _LEAST)] * (column + span - len(found))
            if span == 1:
                words = "".join(cell.itertext()).split()
                bold = 1.2 if cell.tag == f"{V3}th" else 1.0
                word = max(map(len, words), default=0) * bold + _MARGIN
                text = max(word, min(sum(map(len, words)) + len(words), _LONGEST) * bold)
                found[column] = (max(found[column][0], word), max(found[column][1], text))
            column += span
    return found


def _link(element: etree._Element, content: str) -> str:
    """Text only: a document that is read or printed offline says where it points."""
    href = (element.get("href") or "").strip()
    if href.startswith(("http://", "https://", "mailto:")) and href not in content:
        return f"{content} ({escape_text(href)})"
    return content


def _cell(element: etree._Element) -> str:
    spans = ((name, _span(element, name)) for name in ("colspan", "rowspan"))
    return "".join(f' {name}="{span}"' for name, span in spans if span > 1) + _style(element)


def _span(cell: etree._Element, name: str) -> int:
    value = cell.get(name, "")
    return max(1, min(int(value), _MAX_SPAN)) if value.isascii() and value.isdigit() and len(value) < 9 else 1


def _style(element: etree._Element) -> str:
    rules = [_STYLES[s] for s in (element.get("styleCode") or "").lower().split() if s in _STYLES]
    align = (element.get("align") or "").lower()
    if align in ("left", "right", "center"):
        rules.append(f"text-align:{align}")
    return f' style="{";".join(rules)}"' if rules else ""


STYLE: Final = """
@page { size: A4; margin: 16mm 15mm 18mm 15mm;
  @bottom-left { content: string(who); font: 8pt "DejaVu Sans", sans-serif; color: #555 }
  @bottom-right { content: "Page " counter(page) " / " counter(pages);
                  font: 8pt "DejaVu Sans", sans-serif; color: #555 } }
body { font: 9.5pt/1.4 "DejaVu Sans", "Liberation Sans", sans-serif; color: #1a1a1a; margin: 0 auto; max-width: 190mm }
h1 { font-size: 15pt; line-height: 1.2; margin: 0 0 3mm; color: #123c69 }
h2 { font-size: 11.5pt; margin: 4mm 0 1mm; color: #123c69; border-bottom: .4pt solid #9db4cc; break-after: avoid }
h3, h4, h5, h6 { font-size: 10pt; margin: 3mm 0 1mm; break-after: avoid }
header .blocks { display: table; width: 100%; border: .6pt solid #9db4cc; background: #f4f7fa }
header .block { display: table-cell; width: 50%; padding: 1mm 3mm 2mm }
header h2 { font-size: 9pt; margin: 1mm 0; border: 0 }
header table, header th, header td { border: 0; background: none; padding: 0 2mm 0 0; font-size: 8.5pt }
header th { font-weight: normal; color: #555; width: 32mm }
.who { string-set: who content() }
table { border-collapse: collapse; width: 100%; margin: 1mm 0 }
th, td { border: .4pt solid #9aa7b4; padding: .8mm 1.5mm; text-align: left; vertical-align: top;
         overflow-wrap: break-word }
table { table-layout: fixed } .tight { font-size: 7.5pt } .tighter { font-size: 6.3pt; hyphens: auto }
.tight th, .tight td, .tighter th, .tighter td { padding: .6mm .6mm }
thead { display: table-header-group }
thead th { background: #e8eef4 }
tr { break-inside: avoid }
p { margin: 1mm 0 } ul, ol { margin: 1mm 0; padding-left: 6mm }
img { max-width: 100%; max-height: 220mm; image-rendering: crisp-edges }
pre { white-space: pre-wrap; font: inherit }
.note { color: #555; font-style: italic } .footnote { font-size: 8pt }
footer { margin-top: 6mm; font-size: 7.5pt; color: #555 }
"""
