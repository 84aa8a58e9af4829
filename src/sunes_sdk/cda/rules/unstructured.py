"""Rules of documents whose body is a file (N1), and of the operative report."""

from __future__ import annotations

from collections.abc import Iterator

from ..._core.findings import Severity
from ..datatypes import CCAM
from ..datatypes_reader import find
from ..pdf_body import file_problem
from .engine import SMDS, Problem, RuleSet, View, has_no_file

UNSTRUCTURED = RuleSet(SMDS)
rule = UNSTRUCTURED.rule

_REPORT = "34874-8"


@rule(
    "CDA_N01",
    "the file is whole and of its media type; a text is a text",
    hint="give the bytes of the file with its own media type",
    fr="Le fichier du document est incomplet, ou d'un autre type que celui annoncé.",
    source=f"{SMDS} nonXMLBody; the official validator does not look",
    kit_is_silent=True,
    held=has_no_file,
)
def _whole(view: View) -> Iterator[Problem]:
    for file in view.files:
        if file.is_body and file.facts and file.media_type != "application/pdf":
            problem = file_problem(file.facts, file.media_type)
            if problem:
                yield file.element, problem


@rule(
    "CDA_N02",
    "a PDF that says it is PDF/A-1 holds nothing that PDF/A-1 forbids",
    hint="export it as PDF/A-1b; the whole of the norm is not verified here",
    severity=Severity.WARNING,
    source="ISO 19005-1; the official validator does not look",
    kit_is_silent=True,
    held=has_no_file,
)
def _pdf_a_1(view: View) -> Iterator[Problem]:
    for file in view.files:
        if file.pdf is not None and file.pdf.pdf_a_part == 1 and file.pdf.breach:
            yield file.element, f"it holds {file.pdf.breach}"


@rule(
    "CDA_N03",
    "an operative report is a PDF, says when the act took place, and codes it in CCAM",
    hint="use OperativeReport, and ccam() for its acts",
    fr="Le compte rendu opératoire doit être un PDF et dater l'acte.",
    severity=Severity.WARNING,
    source=f"{SMDS}: no structured model of {_REPORT}; the official validator does not look",
    kit_is_silent=True,
    held=lambda document: document.header.code.code != _REPORT,
)
def _operative_report(view: View) -> Iterator[Problem]:
    if view.type_code != _REPORT or view.is_structured:
        return
    for file in view.files:
        if file.is_body and file.media_type != "application/pdf":
            yield file.element, "the report is not a PDF"
    for documentation in view.children("documentationOf")[:1]:  # further ones may be diagnoses
        event = find(documentation, "serviceEvent")
        code = find(event, "code")
        if find(event, "effectiveTime", "low") is None:
            yield documentation, "the start of the act is missing"
        if code is not None and code.get("code") and code.get("codeSystem") != CCAM:
            yield code, "the act is not coded in CCAM"
