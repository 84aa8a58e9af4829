"""A CDA document as a self-contained HTML page: header, then the narrative of each section. No script, no link out.

What a person reads is the narrative (`section/text`), never the entries; unknown elements give their text. A received
stylesheet is never run. The file of a level-1 document and the PDF copy of a structured one are links to the bytes.
"""

from __future__ import annotations

import base64
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
from .datatypes_reader import content_of
from .header import CdaDocument, CdaHeader, HeaderName, HeaderParty, HeaderPatient
from .pdf_body import pdf_facts
from .reader import V3, clinical_document, header_of

PDF_COPY: Final = "1.2.250.1.213.1.1.2.243"
"""templateId of FR-Document-PDF-copie."""
_MAX_SPAN: Final = 100
_MAX_DEPTH: Final = 60
_LEAST: Final = 4.0
_MARGIN: Final = 2.0
_LONGEST: Final = 60
_MANY_SECTIONS: Final = 4
_SHOWN_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif"})
_INS: Final = {
    InsOid.NIR.value: "INS (NIR)",
    InsOid.NIA.value: "INS (NIA)",
    InsOid.NIR_TEST.value: "INS (NIR de test)",
    InsOid.NIR_DEMO.value: "INS (NIR de démonstration)",
}
_TITLES: Final = {"DR": "Dr", "PR": "Pr", "M": "M.", "MME": "Mme"}
_SEX: Final = {"F": "Féminin", "M": "Masculin", "U": "Inconnu", "UN": "Indéterminé"}

ImageWriter = Callable[[str, bytes], str | None]
"""(media type, bytes) → the `data:` address to show, None when it cannot be shown."""


def to_html(document: CdaDocument | bytes) -> str:
    """The document as a page that a browser shows on its own, in French, on screen and on paper.

    The PDF copy (FR-Document-PDF-copie) is offered first when there is one, unless it cannot be read or holds active
    content. Raises XmlSecurityError, CdaError (`CDA_NOT_CDA`, `CDA_UNREADABLE`, `CDA_BASE64`).
    """
    return page(document, image=data_address, style=STYLE, interactive=True)


def data_address(media_type: str, data: bytes) -> str | None:
    """PNG, JPEG and GIF as they are; other types not."""
    if media_type not in _SHOWN_IMAGES:
        return None
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def page(document: CdaDocument | bytes, *, image: ImageWriter, style: str = "", interactive: bool = False) -> str:
    """The page, its images written by `image`, with this style sheet.

    interactive: with what only a screen can use: links to the files, table of contents.
    """
    root = clinical_document(document if isinstance(document, bytes) else document.content)
    header = header_of(root) if isinstance(document, bytes) else document.header
    title = escape_text(title_of(header))
    body = _Body(root, image, interactive=interactive)
    written = body.write()
    skip = '<a class="skip" href="#contenu">Aller au contenu</a>' if interactive else ""
    return (
        '<!DOCTYPE html><html lang="fr"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body>{skip}"
        f"{_header(header, root, title)}{body.contents}"
        f'<main id="contenu">{written}</main>{_footer(header)}</body></html>'
    )


def title_of(header: CdaHeader) -> str:
    return header.title or header.code.display or "Document de santé"


# --- header ---------------------------------------------------------------------------------------------------------

Facts = Iterator[tuple[str, str]]
"""(what it is, in French; its value, as text that is not escaped)."""


def document_facts(header: CdaHeader) -> Facts:
    """What a reader wants to know of the document, but for the patient."""
    yield "Établissement", header.custodian.name
    yield "Date du document", _when(header.effective_time)
    yield "Séjour", _period(header.encounter.start, header.encounter.stop)
    for event in header.service_events:
        if event.code:
            yield "Acte", _act(event.code.display or event.code.code, event.start)
    responsible = _party(header.legal_authenticator)
    if [_party(a) for a in header.authors] == [responsible]:
        yield "Auteur et responsable", responsible
    else:
        for author in header.authors:
            yield "Auteur", _party(author)
        yield "Responsable", responsible
    yield "Version", f"{header.version_number}" if header.version_number > 1 else ""
    yield "Remplace", header.replaces.root if header.replaces else ""


def patient_facts(patient: HeaderPatient) -> Facts:
    """Identity as it is read aloud; the first one is the name."""
    birth = f"{patient.birth_family} {patient.first_given or patient.birth_givens}".strip()
    used = f"{patient.used_family} {patient.used_given}".strip()
    yield "Nom et prénom", used or birth or "Non renseigné"
    yield "Nom de naissance", patient.birth_family
    yield "Prénoms de naissance", patient.birth_givens or patient.first_given
    yield "Date de naissance", _when(patient.birth_time)
    yield "Sexe", _SEX.get(patient.sex, patient.sex)
    yield (
        "Lieu de naissance",
        " ".join(filter(None, (patient.birth_city, f"({patient.birth_place})" if patient.birth_place else ""))),
    )
    for identifier in patient.ids:
        if identifier.root in _INS:
            yield _INS[identifier.root], _grouped(identifier.extension)
        else:
            yield "Identifiant local", identifier.extension


def _header(header: CdaHeader, root: etree._Element, title: str) -> str:
    document = [*document_facts(header), *(("Destinataire", name) for name in _recipients(root))]
    return (
        f'<header><h1>{title}</h1><div class="blocks"><section class="block patient" aria-label="Patient">'
        f'<h2>Patient</h2>{_pairs(patient_facts(header.patient))}</section><section class="block" '
        f'aria-label="Document"><h2>Document</h2>{_pairs(document)}</section></div></header>'
    )


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td>{_marked(name, escape_text(value))}</td></tr>'
        for name, value in pairs if value
    )  # fmt: skip
    return f"<table>{rows}</table>"


def _marked(name: str, value: str) -> str:
    return f'<strong class="who">{value}</strong>' if name == "Nom et prénom" else value


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
    return ", ".join(filter(None, parts))


def _person(name: HeaderName) -> str:
    """`Dr Charles DAVID`: the title when there is one, the civility otherwise."""
    title = _TITLES.get(name.suffix) or _TITLES.get(name.prefix, name.prefix)
    suffix = "" if name.suffix in _TITLES else name.suffix
    return " ".join(filter(None, (title, name.given, name.family, suffix)))


def _act(what: str, when: str) -> str:
    at = _when(when)
    return what + (f", le {at}" if at else "")


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
        return text
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
        said = {str(e.tag).removeprefix(V3): (e.text or "").strip() for e in name} if name is not None else {}
        parts = [_person(HeaderName(**{k: said.get(k, "") for k in ("family", "given", "prefix", "suffix")}))]
        organization = recipient.findtext(f"{V3}receivedOrganization/{V3}name")
        if organization:
            parts.append(organization.strip())
        if any(parts):
            yield ", ".join(filter(None, parts))


def _footer(header: CdaHeader) -> str:
    return f"<footer>Identifiant du document : {escape_text(header.id.root)}</footer>"


# --- body -----------------------------------------------------------------------------------------------------------


_NAMES: Final = {
    "application/pdf": ("PDF", "pdf"),
    "text/rtf": ("RTF", "rtf"),
    "image/tiff": ("image TIFF", "tif"),
}
"""Media type of a file that is offered → what it is called, and the suffix of its file."""


class _Body:
    """Writes what is under `component`."""

    def __init__(self, root: etree._Element, image: ImageWriter, *, interactive: bool) -> None:
        self._root = root
        self._image = image
        self._interactive = interactive
        self._narrative = _Narrative(root, image)
        self._titles: list[str] = []

    @property
    def contents(self) -> str:
        """Table of contents of what was written: first-level titles, as links."""
        if not self._interactive or len(self._titles) < _MANY_SECTIONS:
            return ""
        links = (f'<li><a href="#s{n}">{title}</a></li>' for n, title in enumerate(self._titles, start=1))
        return f'<nav aria-label="Sommaire"><ul>{"".join(links)}</ul></nav>'

    def write(self) -> str:
        structured = self._root.find(f"{V3}component/{V3}structuredBody")
        if structured is not None:
            copy = self._copy() if self._interactive else ""
            return copy + "".join(self._sections(structured, 2))
        text = self._root.find(f"{V3}component/{V3}nonXMLBody/{V3}text")
        if text is None:
            return ""
        media_type = text.get("mediaType", "text/plain")
        data = media_bytes(text)
        if media_type == "text/plain":
            return f"<pre>{escape_text(_decoded(data))}</pre>"
        address = self._image(media_type, data)
        if address:
            return f'<img src="{escape_attribute(address)}" alt="Document numérisé">'
        if self._interactive:
            return self._offer(media_type, data, "Le contenu de ce document est un fichier", "Ouvrir le document")
        if media_type == "application/pdf":
            return '<p class="note">Le contenu de ce document est un fichier PDF.</p>'
        raise CdaError(
            f"a body of type {media_type} cannot be shown", code="CDA_BODY_UNSHOWABLE",
            path="component/nonXMLBody/text", rule="PDF, plain text, PNG, JPEG and GIF bodies are shown",
            hint="show the bytes with a program that knows this type",
            hint_fr="Ce type de document ne peut pas être affiché ici.",
        )  # fmt: skip

    def _copy(self) -> str:
        try:
            data = pdf_copy(self._root)
        except CdaError:
            return '<p class="copy note">La copie PDF de ce document est illisible.</p>'
        if data is None:
            return ""
        return self._offer("application/pdf", data, "L'auteur a joint une copie", "Ouvrir la copie PDF")

    def _offer(self, media_type: str, data: bytes, introduction: str, action: str) -> str:
        """A link to the bytes: a browser saves them, and opens them in a program of their own."""
        name, suffix = _NAMES.get(media_type, (escape_text(media_type), "bin"))
        if media_type == "application/pdf":
            facts = pdf_facts(data)
            if facts.problem or facts.scripted:
                why = "contient du code" if facts.scripted else "est illisible, incomplet ou protégé"
                return f'<p class="copy note">Le fichier PDF de ce document {why} : il n\'est pas proposé.</p>'
        elif media_type not in _NAMES:
            return f'<p class="copy note">Le contenu de ce document ({name}) ne peut pas être affiché ici.</p>'
        address = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
        size = f"{max(1, round(len(data) / 1000))} ko"
        return (
            f'<p class="copy">{introduction} {name} ({size}).'
            f' <a download="document.{suffix}" href="{address}">{action}</a></p>'
        )

    def _sections(self, parent: etree._Element, level: int) -> Iterator[str]:
        for section in parent.iterfind(f"{V3}component/{V3}section"):
            if any(t.get("root") == PDF_COPY for t in section.iterfind(f"{V3}templateId")):
                continue
            title = escape_text((section.findtext(f"{V3}title") or "").strip())
            anchor = ""
            if level == 2 and title:
                self._titles.append(title)
                anchor = f' id="s{len(self._titles)}"' if self._interactive else ""
            text = section.find(f"{V3}text")
            heading = f"<h{min(level, 6)}{anchor}>{title}</h{min(level, 6)}>" if title else ""
            content = self._narrative.write(text) if text is not None else ""
            below = "".join(self._sections(section, level + 1)) if level < _MAX_DEPTH else ""
            if heading or content or below:
                yield f'<section class="level{min(level, 6)}">{heading}{content}{below}</section>'


def pdf_copy(root: etree._Element) -> bytes | None:
    """The PDF of the FR-Document-PDF-copie section, None without one. Raises CdaError `CDA_BASE64`."""
    for section in root.iterfind(f"{V3}component/{V3}structuredBody//{V3}section"):
        if any(t.get("root") == PDF_COPY for t in section.iterfind(f"{V3}templateId")):
            for value in section.iterfind(f".//{V3}observationMedia/{V3}value"):
                if value.get("mediaType") == "application/pdf":
                    return media_bytes(value)
    return None


def _decoded(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    return "".join(c for c in text if c >= " " or c in "\t\n")


def media_bytes(element: etree._Element) -> bytes:
    """The bytes of an ED value or of nonXMLBody/text (base64, or text). Raises CdaError `CDA_BASE64`."""
    try:
        return content_of(element)
    except ValueError:
        raise CdaError(
            "the content is not base64", code="CDA_BASE64", path=etree.QName(element).localname,
            hint="ask the sender for a valid document",
        ) from None  # fmt: skip


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
            return f"<{name}{_scope(element)}{_cell(element)}>{content}</{name}>"
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


def _scope(cell: etree._Element) -> str:
    """What a header cell is the header of: its column in a head, or in a row of headers only; its row otherwise."""
    row = cell.getparent()
    if row is None or cell.tag != f"{V3}th":
        return ""
    above = row.getparent()
    heads = (above is not None and above.tag == f"{V3}thead") or row.find(f"{V3}td") is None
    return ' scope="col"' if heads else ' scope="row"'


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
caption { text-align: left; font-weight: bold; padding: 1mm 0 }
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
@media print { nav, .skip, .copy a { display: none } }
@media screen {
  html { background: #e9edf2 }
  body { font-size: 16px; max-width: 56rem; background: #fff; padding: 1.5rem 2.25rem 2rem; margin: 1.5rem auto;
         box-shadow: 0 1px 6px rgba(18, 60, 105, .25); overflow-wrap: break-word }
  h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin: 1.6rem 0 .5rem } h3 { font-size: 1.05rem }
  h4, h5, h6 { font-size: 1rem }
  header h2 { font-size: .95rem; margin: .2rem 0 .3rem }
  header table, header th, header td { font-size: .9rem; line-height: 1.45 }
  header th { width: 10.5rem } header .block { padding: .5rem 1rem .7rem }
  .who { font-size: 1.1rem }
  th, td { padding: .35rem .6rem } p, ul, ol { margin: .4rem 0 } main table { margin: .7rem 0 }
  .tight { font-size: .85rem } .tighter { font-size: .75rem } .footnote, footer { font-size: .8rem }
  .tight th, .tight td, .tighter th, .tighter td { padding: .3rem }
  .copy { border-left: .3rem solid #123c69; background: #eef3f9; padding: .7rem 1rem; margin: 1rem 0 }
  .copy a { display: inline-block; margin-left: .5rem; padding: .3rem .9rem; border-radius: .25rem;
            background: #123c69; color: #fff; font-weight: bold; text-decoration: none }
  nav { border-bottom: 1px solid #9db4cc; padding: .6rem 0 }
  nav ul { margin: 0; padding: 0; list-style: none; columns: 2 } nav li { padding: .1rem 0 }
  a { color: #0b4f9e } a:focus { outline: 3px solid #d35400; outline-offset: 2px }
  .skip { position: absolute; left: -999rem } .skip:focus { position: static }
}
@media screen and (max-width: 44rem) {
  body { margin: 0; padding: 1rem; box-shadow: none }
  header .blocks, header .block { display: block; width: auto } header th { width: 8.5rem } nav ul { columns: 1 }
  main table { font-size: .85rem } main th, main td { padding: .25rem .3rem; hyphens: auto }
}
"""
