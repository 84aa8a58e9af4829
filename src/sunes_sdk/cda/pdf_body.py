"""Files inside a document: what their bytes are, and what can be said of a PDF without a PDF library."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .._core.errors import CdaError

FILE_MAX_BYTES = 37_000_000
"""Largest file that a document takes: in base64 it stays under the 50 MB that the official DMP kit accepts."""

_ENCRYPTED = re.compile(rb"/Encrypt\s*(?:\d+\s+\d+\s+R|<<)")
_SCRIPTED = re.compile(rb"/(?:JavaScript|JS|Launch)(?![A-Za-z0-9])")
_PDF_A = re.compile(rb"pdfaid:part(?:>|\s*=\s*[\"'])\s*([0-9])")
# ISO 19005-1 is PDF 1.4 without these: compressed objects hide what they hold from every check made here.
_NOT_IN_PDF_A_1 = re.compile(rb"/(ObjStm|XRef|LZWDecode|JPXDecode|EmbeddedFiles|OCProperties)(?![A-Za-z0-9])")
_STREAM = re.compile(rb">>\s{0,16}stream(?=[\r\n])")
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_TAIL = 2048


@dataclass(frozen=True, slots=True)
class PdfFacts:
    """problem: why it cannot be read, empty when it can; pdf_a_part: the part it claims (1, 2, 3), None when none;
    scripted: it holds JavaScript or launches programs; breach: the first thing in it that PDF/A-1 forbids (`ObjStm`),
    empty when none is seen."""

    problem: str
    pdf_a_part: int | None
    scripted: bool
    breach: str = ""


def pdf_facts(data: bytes) -> PdfFacts:
    problem = ""
    tail = data[-_TAIL:]
    if not data.startswith(b"%PDF-"):
        problem = "it does not start with %PDF-"
    elif b"%%EOF" not in tail or b"startxref" not in tail:
        problem = "its end is missing (startxref, %%EOF)"
    scripted, breach = False, ""
    # Names are looked for outside streams only: an image of some megabytes holds any three letters by chance.
    for text, start, end in _outside_streams(data):
        if not problem and _ENCRYPTED.search(text, start, end):
            problem = "it is encrypted"
        scripted = scripted or _SCRIPTED.search(text, start, end) is not None
        if not breach and (found := _NOT_IN_PDF_A_1.search(text, start, end)):
            breach = found[1].decode()
    claim = _PDF_A.search(data)
    return PdfFacts(problem, int(claim[1]) if claim else None, scripted, breach)


def _outside_streams(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Bytes and bounds of each piece that is not the content of a stream; `/J#53` is spelled out as `/JS`."""
    begin = 0
    while found := _STREAM.search(data, begin):
        end = data.find(b"endstream", found.end())
        if end < 0:
            break
        yield _spelled_out(data, begin, found.end())
        begin = end + 9
    yield _spelled_out(data, begin, len(data))


def _spelled_out(data: bytes, start: int, end: int) -> tuple[bytes, int, int]:
    if data.find(b"#", start, end) < 0:
        return data, start, end
    text = _ESCAPED.sub(lambda m: bytes((int(m[1], 16),)), data[start:end])
    return text, 0, len(text)


def checked_pdf(data: bytes, path: str) -> bytes:
    """The same bytes. Raises CdaError `CDA_FILE_TOO_BIG`, `CDA_PDF_UNREADABLE` when nobody could open them,
    `CDA_PDF_ACTIVE` when they hold a program."""
    _check_size(data, path)
    facts = pdf_facts(data)
    if facts.problem:
        raise CdaError(
            f"the PDF cannot be read: {facts.problem}",
            code="CDA_PDF_UNREADABLE",
            path=path,
            rule="SMDS: a PDF body is PDF/A-1, readable without a password",
            hint="give the whole file, exported as PDF/A-1 without protection",
            hint_fr="Le fichier PDF est illisible, incomplet ou protégé : exportez-le de nouveau en PDF/A-1.",
        )
    if facts.scripted:
        raise CdaError(
            "the PDF holds JavaScript or launches programs",
            code="CDA_PDF_ACTIVE",
            path=path,
            rule="SMDS: a PDF body is PDF/A-1, which has neither",
            hint="export it again as PDF/A-1",
            hint_fr="Le fichier PDF contient du code : exportez-le de nouveau en PDF/A-1.",
        )
    return data


def _check_size(data: bytes, path: str) -> None:
    if len(data) > FILE_MAX_BYTES:
        raise CdaError(
            f"the file has {len(data)} bytes, {FILE_MAX_BYTES} at most",
            code="CDA_FILE_TOO_BIG",
            path=path,
            rule="a document stays under 50 MB (official DMP kit)",
            hint="scan at a lower resolution, or split the document",
            hint_fr="Le fichier est trop lourd : réduisez la résolution ou séparez-le en plusieurs documents.",
        )


_SIGNATURES = (
    (b"%PDF-", "application/pdf"),
    (b"{\\rtf", "text/rtf"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x89PNG", "image/png"),
    (b"GIF8", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
    (b"\xd0\xcf\x11\xe0", "application/msword"),
)
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_JPEG_TAIL = 65_536


def sniffed(data: bytes) -> str:
    """Media type that the first bytes show, empty when they show none (text)."""
    return next((media_type for start, media_type in _SIGNATURES if data.startswith(start)), "")


def file_problem(data: bytes, media_type: str) -> str:
    """Why these bytes are not a whole file of this media type, empty when nothing speaks against it."""
    found = sniffed(data)
    if media_type == "text/plain":
        if found:
            return f"the bytes are {found}, not text"
        if b"\x00" in data and not data.startswith(_BYTE_ORDER_MARKS):
            return "a text has no zero byte"
        return ""
    if found != media_type:
        return f"the bytes are {found or 'not of this type'}, the media type says {media_type}"
    if media_type == "image/jpeg" and b"\xff\xd9" not in data[-_JPEG_TAIL:]:
        return "the end of the image is missing"
    if media_type == "image/tiff" and int.from_bytes(data[4:8], "little" if data[:1] == b"I" else "big") >= len(data):
        return "the image is cut short"
    if media_type == "text/rtf" and not data.rstrip(b"\x00 \t\r\n").endswith(b"}"):
        return "the end of the text is missing"
    return ""


def checked_file(data: bytes, media_type: str, path: str) -> bytes:
    """The same bytes. Raises CdaError `CDA_FILE_TOO_BIG`, `CDA_FILE_TYPE`, `CDA_PDF_UNREADABLE`, `CDA_PDF_ACTIVE`."""
    if media_type == "application/pdf":
        return checked_pdf(data, path)
    _check_size(data, path)
    problem = file_problem(data, media_type)
    if problem:
        raise CdaError(
            f"this file cannot be sent: {problem}",
            code="CDA_FILE_TYPE",
            path=path,
            rule="SMDS nonXMLBody: the content is what mediaType says",
            hint="give the bytes of the file and its own media type; convert what is neither PDF, RTF, text, JPEG nor "
            "TIFF",
            hint_fr="Le fichier n'est pas du type annoncé, ou il est incomplet.",
        )
    return data
