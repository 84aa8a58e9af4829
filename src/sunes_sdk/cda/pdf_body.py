"""Files inside a document: what their bytes are, and what can be said of a PDF without a PDF library."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from .._core.errors import CdaError

FILE_MAX_BYTES = 37_000_000
"""Largest file that a document takes: in base64 it stays under the 50 MB that the official DMP kit accepts."""

# Blanks are bounded: a match is then never longer than _OVERLAP, in which each # may stand for three bytes.
_PDF_A = re.compile(rb"pdfaid:part(?:>|\s{0,64}=\s{0,64}[\"'])\s{0,64}([0-9])")
_NAMES = re.compile(
    rb"/(?:(?P<encrypted>Encrypt\s{0,64}(?:\d{1,10}\s{1,64}\d{1,10}\s{1,64}R|<<))"
    rb"|(?:(?P<scripted>JavaScript|JS|Launch)"
    # ISO 19005-1 is PDF 1.4 without these: compressed objects hide what they hold from every check made here.
    rb"|(?P<breach>ObjStm|XRef|LZWDecode|JPXDecode|EmbeddedFiles|OCProperties))(?![A-Za-z0-9]))"
)
_STREAM = re.compile(rb">>\s{0,16}stream(?=[\r\n])")
_END = b"endstream"
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_OVERLAP = 1024
_PDF_TAIL = 2048
_START = 16
_TAIL = 65_536
_PIECE = 1 << 18

Pieces = Callable[[], Iterable[bytes]]
"""The bytes of a file, piece after piece, from its start at each call."""


@dataclass(frozen=True, slots=True)
class PdfFacts:
    """problem: why it cannot be read, empty when it can; pdf_a_part: the part it claims (1, 2, 3), None when none;
    scripted: it holds JavaScript or launches programs; breach: the first thing in it that PDF/A-1 forbids (`ObjStm`),
    empty when none is seen."""

    problem: str
    pdf_a_part: int | None
    scripted: bool
    breach: str = ""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is asked of a file, of which no more than a piece is held: size in bytes; its start and its end;
    has_zero: it holds a zero byte; pdf: None when it is not claimed to be one."""

    size: int
    start: bytes
    tail: bytes
    has_zero: bool
    pdf: PdfFacts | None


def file_facts(pieces: Pieces, media_type: str) -> FileFacts:
    """Look at a file, once. Raises what `pieces` raises."""
    size, has_zero, start, tail = 0, False, b"", b""
    scan = _PdfScan() if media_type == "application/pdf" else None
    for piece in pieces():
        size += len(piece)
        has_zero = has_zero or b"\x00" in piece
        start += piece[: _START - len(start)]
        tail = (tail + piece[-_TAIL:])[-_TAIL:]
        if scan:
            scan.feed(piece)
    pdf = scan.facts(pieces, start, tail[-_PDF_TAIL:]) if scan else None
    return FileFacts(size, start, tail, has_zero, pdf)


def in_pieces(data: bytes) -> Pieces:
    return lambda: (data[at : at + _PIECE] for at in range(0, len(data), _PIECE)) if len(data) > _PIECE else (data,)


def pdf_facts(data: bytes) -> PdfFacts:
    facts = file_facts(in_pieces(data), "application/pdf").pdf
    assert facts
    return facts


class _PdfScan:
    """Looks for names in a PDF, outside its streams only: an image of some megabytes holds any three letters by chance.

    A window is a piece with the end of the one before.
    """

    def __init__(self) -> None:
        self._window = b""
        self._at = 0  # of the window in the file
        self._next = 0  # in the window: where to go on
        self._stream: int | None = None  # in the file: where the content of a stream began
        self._seen: dict[str | None, str] = {}  # the first of each kind of name
        self._claim: int | None = None

    def feed(self, piece: bytes) -> None:
        kept = self._window[-_OVERLAP:]
        dropped = len(self._window) - len(kept)
        self._window = window = kept + piece
        self._at += dropped
        self._next = max(0, self._next - dropped)
        if self._claim is None and (claim := _PDF_A.search(window)):
            self._claim = int(claim[1])
        while True:
            if self._stream is not None:
                end = window.find(_END, self._next)
                if end < 0:
                    self._next = max(self._next, len(window) - len(_END) + 1)
                    return
                self._stream, self._next = None, end + len(_END)
            found = _STREAM.search(window, self._next)
            if not found:
                self._look(window, self._next, len(window), last=False)
                return
            self._look(window, self._next, found.end(), last=True)
            self._stream, self._next = self._at + found.end(), found.end()

    def _look(self, window: bytes, start: int, end: int, *, last: bool) -> None:
        """Look for names in a part of the window; `/J#53` is spelled out as `/JS`. last: nothing follows it, so that
        a name may end with it."""
        if window.find(b"#", start, end) >= 0:
            window = _ESCAPED.sub(lambda m: bytes((int(m[1], 16),)), window[start:end])
            start, end = 0, len(window)
        for found in _NAMES.finditer(window, start, end):
            if last or found.end() < end:
                self._seen.setdefault(found.lastgroup, found[0][1:].decode())

    def facts(self, pieces: Pieces, start: bytes, tail: bytes) -> PdfFacts:
        """What was seen, at the end of the file."""
        if self._stream is None:
            self._look(self._window, self._next, len(self._window), last=True)
        else:
            self._look_into(pieces, self._stream)
        problem = ""
        if not start.startswith(b"%PDF-"):
            problem = "it does not start with %PDF-"
        elif b"%%EOF" not in tail or b"startxref" not in tail:
            problem = "its end is missing (startxref, %%EOF)"
        elif "encrypted" in self._seen:
            problem = "it is encrypted"
        return PdfFacts(problem, self._claim, "scripted" in self._seen, self._seen.get("breach", ""))

    def _look_into(self, pieces: Pieces, begin: int) -> None:
        """A stream without an end hides nothing: look for names in all that follows its beginning."""
        at, window = 0, b""
        for piece in pieces():
            if at + len(piece) > begin:
                window = window[-_OVERLAP:] + piece[max(0, begin - at) :]
                self._look(window, 0, len(window), last=False)
            at += len(piece)
        self._look(window, 0, len(window), last=True)


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


def sniffed(data: bytes) -> str:
    """Media type that the first bytes show, empty when they show none (text)."""
    return next((media_type for start, media_type in _SIGNATURES if data.startswith(start)), "")


def file_problem(file: FileFacts, media_type: str) -> str:
    """Why it is not a whole file of this media type, empty when nothing speaks against it."""
    found = sniffed(file.start)
    if media_type == "text/plain":
        if found:
            return f"the bytes are {found}, not text"
        if file.has_zero and not file.start.startswith(_BYTE_ORDER_MARKS):
            return "a text has no zero byte"
        return ""
    if found != media_type:
        return f"the bytes are {found or 'not of this type'}, the media type says {media_type}"
    if media_type == "image/jpeg" and b"\xff\xd9" not in file.tail:
        return "the end of the image is missing"
    order: Literal["little", "big"] = "little" if file.start[:1] == b"I" else "big"
    if media_type == "image/tiff" and int.from_bytes(file.start[4:8], order) >= file.size:
        return "the image is cut short"
    if media_type == "text/rtf" and not file.tail.rstrip(b"\x00 \t\r\n").endswith(b"}"):
        return "the end of the text is missing"
    return ""


def checked_file(data: bytes, media_type: str, path: str) -> bytes:
    """The same bytes. Raises CdaError `CDA_FILE_TOO_BIG`, `CDA_FILE_TYPE`, `CDA_PDF_UNREADABLE`, `CDA_PDF_ACTIVE`."""
    if media_type == "application/pdf":
        return checked_pdf(data, path)
    _check_size(data, path)
    problem = file_problem(file_facts(in_pieces(data), media_type), media_type)
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
