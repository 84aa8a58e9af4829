"""A CDA document as PDF/A-1, what goes beside the archive of an MSSanté message and what people print.

Level 1: the PDF inside. Level 3: the header and a faithful rendering of the narrative (Référentiel MSSanté #2,
ECO.2.1.5, second hand), or the PDF copy that the document holds when it is PDF/A-1.
Needs the `pdf` extra (WeasyPrint, pango).
"""

from __future__ import annotations

import io
import pkgutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .._core.errors import CdaError, ConfigurationError
from .._core.findings import Finding, Report, Severity
from .._core.xml import escape_text
from . import html
from .header import CdaDocument
from .html import pdf_copy
from .pdf_body import pdf_facts
from .reader import V3, clinical_document

_MAX_PIXELS: Final = 50_000_000
_OPAQUE: Final = frozenset({"L", "RGB"})
_INTENT: Final = "sunes-srgb"
_local = threading.local()


def to_pdf(document: CdaDocument, *, prefer_copy: bool = True) -> bytes:
    """The document as PDF/A-1b bytes, the same for the same document and the same WeasyPrint and fonts.

    prefer_copy: a structured document that holds a PDF copy (FR-Document-PDF-copie) gives that copy, when it is
    PDF/A-1: it is what its author wants shown first. Otherwise, and without a copy, the narrative is rendered.
    Raises CdaError (`CDA_PDF_UNREADABLE`, `CDA_PDF_NOT_PDFA`, `CDA_PDF_ACTIVE` for the PDF of a level-1 document,
    `CDA_BODY_UNSHOWABLE`), ConfigurationError `PDF_WRITER_MISSING`.
    """
    root = clinical_document(document.content)
    body = root.find(f"{V3}component/{V3}nonXMLBody/{V3}text")
    if body is not None and body.get("mediaType") == "application/pdf":
        data = html.media_bytes(body)
        report = check_pdf(data)
        if not report.ok:
            raise CdaError.from_report(report)
        return data
    if prefer_copy and body is None:
        copy = pdf_copy(root)
        if copy is not None and check_pdf(copy).ok:
            return copy
    return write_pdf(
        html.page(document, image=_opaque_image), title=html.title_of(document.header),
        producer_of=document.header.custodian.name,
    )  # fmt: skip


def check_pdf(data: bytes) -> Report:
    """Can everyone open it, and does it say that it is PDF/A-1? The claim itself is not verified: a validator does.

    Findings: `CDA_PDF_UNREADABLE`, `CDA_PDF_ACTIVE`, `CDA_PDF_NOT_PDFA`.
    """
    facts = pdf_facts(data)
    if facts.problem:
        return Report((_finding("CDA_PDF_UNREADABLE", f"the PDF cannot be read: {facts.problem}",
                                "export it again, whole and without protection",
                                "Le fichier PDF est illisible, incomplet ou protégé."),))  # fmt: skip
    findings = []
    if facts.scripted:
        findings.append(_finding("CDA_PDF_ACTIVE", "the PDF holds JavaScript or launches programs",
                                 "export it again as PDF/A-1", "Le fichier PDF contient du code."))  # fmt: skip
    if facts.pdf_a_part != 1:
        claim = f"PDF/A-{facts.pdf_a_part}" if facts.pdf_a_part else "no PDF/A"
        findings.append(_finding("CDA_PDF_NOT_PDFA", f"its metadata claim {claim}, not PDF/A-1",
                                 "export it as PDF/A-1",
                                 "Le fichier PDF n'est pas au format PDF/A-1 : exportez-le de nouveau."))  # fmt: skip
    return Report(tuple(findings))


def _finding(code: str, message: str, hint: str, message_fr: str) -> Finding:
    return Finding(
        code=code, message=message, path="pdf", severity=Severity.ERROR, hint=hint, message_fr=message_fr,
        rule="the PDF beside a document, and the body of a level-1 one, is PDF/A-1",
        source="SMDS; Référentiel MSSanté #2 ECO.2.1.1",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Tools:
    fonts: Any
    fetcher: Any
    style: Any
    srgb: Callable[[], Any]


def write_pdf(page: str, *, title: str, producer_of: str = "") -> bytes:
    """A page as PDF/A-1b, in the style of `html.STYLE`. Nothing is fetched: images are opaque `data:` addresses.

    title and producer_of: title and author in the PDF's metadata. Raises ConfigurationError `PDF_WRITER_MISSING`.
    """
    weasyprint, tools = _weasyprint()
    rendered = weasyprint.HTML(string=page, url_fetcher=tools.fetcher).render(
        stylesheets=[tools.style], font_config=tools.fonts
    )
    metadata = rendered.metadata
    metadata.title, metadata.generator, metadata.authors = title, None, [producer_of] if producer_of else []
    rdf = _rdf(title, producer_of, f"WeasyPrint {weasyprint.__version__}").encode()
    # WeasyPrint declares pdfaid on rdf:RDF, where PDFBox does not see it: the same metadata, spelled out.
    metadata.generate_rdf_metadata = lambda *_: rdf
    rendered.color_profiles[_INTENT] = tools.srgb()
    data: bytes = rendered.write_pdf(pdf_variant="pdf/a-1b", output_intent=_INTENT)
    return data


def _rdf(title: str, author: str, producer: str) -> str:
    creator = f"<dc:creator><rdf:Seq><rdf:li>{escape_text(author)}</rdf:li></rdf:Seq></dc:creator>" if author else ""
    return (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"><pdfaid:part>1</pdfaid:part>'
        "<pdfaid:conformance>B</pdfaid:conformance></rdf:Description>"
        '<rdf:Description rdf:about="" xmlns:pdf="http://ns.adobe.com/pdf/1.3/">'
        f"<pdf:Producer>{escape_text(producer)}</pdf:Producer></rdf:Description>"
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt>'
        f'<rdf:li xml:lang="x-default">{escape_text(title)}</rdf:li></rdf:Alt></dc:title>{creator}</rdf:Description>'
        "</rdf:RDF>"
    )


def _weasyprint() -> tuple[Any, _Tools]:
    """The module, and what this thread keeps: its font map (reading the machine's fonts costs more than a page), the
    parsed style sheet, and a fetcher of `data:` addresses only (a received document must not make us read files or
    call hosts)."""
    try:
        import weasyprint
        from weasyprint.css import ColorProfile
        from weasyprint.text.fonts import FontConfiguration
        from weasyprint.urls import URLFetcher
    except (ImportError, OSError) as e:
        raise ConfigurationError(
            f"PDF cannot be written: {e.__class__.__name__}", code="PDF_WRITER_MISSING",
            rule="to_pdf uses WeasyPrint, which uses pango",
            hint="pip install 'sunes-sdk[pdf]', and the Debian packages libpango-1.0-0 libpangoft2-1.0-0 "
                 "libharfbuzz-subset0 fonts-dejavu-core",
        ) from None  # fmt: skip
    if getattr(_local, "tools", None) is None:
        fonts = FontConfiguration()
        style = weasyprint.CSS(string=html.STYLE, font_config=fonts)
        icc = pkgutil.get_data("weasyprint.pdf", "sRGB2014.icc") or b""

        def srgb() -> Any:
            # Afresh for each document: a profile that was read once is written in other bytes. Ours rather than
            # WeasyPrint's own, which opens the file each time and leaves the closing to the garbage collector.
            return ColorProfile(io.BytesIO(icc), "sRGB2014.icc", "relative-colorimetric", (["r"], ["g"], ["b"]))

        _local.tools = _Tools(fonts, URLFetcher(allowed_protocols={"data"}), style, srgb)
    return weasyprint, _local.tools


def _opaque_image(media_type: str, data: bytes) -> str | None:
    """PDF/A-1 knows no transparency: images are flattened on white. What cannot be read is not shown."""
    if not media_type.startswith("image/"):
        return None
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > _MAX_PIXELS:
                return None
            if picture.format in ("JPEG", "PNG") and picture.mode in _OPAQUE and "transparency" not in picture.info:
                return html.data_address(f"image/{picture.format.lower()}", data)
            layer = picture.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    flat = Image.new("RGB", layer.size, "white")
    flat.paste(layer, mask=layer.getchannel("A"))
    out = io.BytesIO()
    flat.save(out, "PNG")
    return html.data_address("image/png", out.getvalue())
