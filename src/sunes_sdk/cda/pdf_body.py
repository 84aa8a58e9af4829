"""What can be said of a PDF body without a PDF library: is it one, is it whole, can everyone open it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._core.errors import CdaError

_ENCRYPTED = re.compile(rb"/Encrypt\s*(?:\d+\s+\d+\s+R|<<)")
_SCRIPTED = re.compile(rb"/(?:JavaScript|JS|Launch)[\s(</]")
_PDF_A = re.compile(rb"pdfaid:part(?:>|\s*=\s*[\"'])\s*([0-9])")
_TAIL = 2048


@dataclass(frozen=True, slots=True)
class PdfFacts:
    """problem: why it cannot be read, empty when it can; pdf_a_part: the part it claims (1, 2, 3), None when none;
    scripted: it holds JavaScript or launches programs."""

    problem: str
    pdf_a_part: int | None
    scripted: bool


def pdf_facts(data: bytes) -> PdfFacts:
    problem = ""
    tail = data[-_TAIL:]
    if not data.startswith(b"%PDF-"):
        problem = "it does not start with %PDF-"
    elif b"%%EOF" not in tail or b"startxref" not in tail:
        problem = "its end is missing (startxref, %%EOF)"
    elif _ENCRYPTED.search(data):
        problem = "it is encrypted"
    claim = _PDF_A.search(data)
    return PdfFacts(problem, int(claim[1]) if claim else None, _SCRIPTED.search(data) is not None)


def checked_pdf(data: bytes, path: str) -> bytes:
    """The same bytes. Raises CdaError `CDA_PDF_UNREADABLE` when nobody could open them."""
    problem = pdf_facts(data).problem
    if problem:
        raise CdaError(
            f"the PDF cannot be read: {problem}",
            code="CDA_PDF_UNREADABLE",
            path=path,
            rule="SMDS: a PDF body is PDF/A-1, readable without a password",
            hint="give the whole file, exported as PDF/A-1 without protection",
            hint_fr="Le fichier PDF est illisible, incomplet ou protégé : exportez-le de nouveau en PDF/A-1.",
        )
    return data
