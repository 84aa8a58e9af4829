"""Rules of the prescription (eP-MED-DM 2024.01)."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ..._core.findings import Severity
from .engine import EP_MED_DM, Problem, RuleSet, View, find, findall, text_of

PRESCRIPTION = RuleSet(EP_MED_DM)
rule = PRESCRIPTION.rule

_TEMPLATE = "1.2.250.1.213.1.1.1.39"
_TEMPLATES = (_TEMPLATE, "1.3.6.1.4.1.19376.1.9.1.1.1", "1.3.6.1.4.1.19376.1.5.3.1.1.1")
_LINE = "1.2.250.1.213.1.1.3.83"
_OBSERVATIONS = {"GEN-179": "hors AMM", "MED-574": "ALD", "GEN-180": "AT/MP", "GEN-181": "non remboursable"}
_NORMAL = "1.3.6.1.4.1.19376.1.5.3.1.4.7.1"
_DELAYED = "1.3.6.1.4.1.19376.1.5.3.1.4.21"
_MODES = frozenset({_NORMAL, *(f"1.3.6.1.4.1.19376.1.5.3.1.4.{n}" for n in (8, 9, 10, 11))})


def _applies(view: View) -> bool:
    return _TEMPLATE in view.header_templates


def _lines(view: View) -> list[etree._Element]:
    return view.templates.get(_LINE, []) if _applies(view) else []


@rule(
    "CDA_E01",
    "the volet's three templateIds are there, and the type is 57833-6",
    hint="use MedicationPrescription",
)
def _header(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    for root in _TEMPLATES:
        if root not in view.header_templates:
            yield "templateId", f"{root} is missing"
    if view.type_code != "57833-6":
        yield "code", "the type is not 57833-6"


@rule("CDA_E02", "the patient has an address and a telecom, or their nullFlavor", hint="give them, or say UNK")
def _patient(view: View) -> Iterator[Problem]:
    if _applies(view):
        for target in view.children("recordTarget"):
            role = find(target, "patientRole")
            if find(role, "addr") is None or find(role, "telecom") is None:
                yield target, "addr or telecom is missing"


@rule(
    "CDA_E03",
    "the prescription says from when and until when it is valid",
    hint="give valid_until",
    fr="La période de validité de la prescription est incomplète.",
)
def _validity(view: View) -> Iterator[Problem]:
    if _applies(view):
        for documentation in view.children("documentationOf")[:1]:
            time = find(documentation, "serviceEvent", "effectiveTime")
            if find(time, "low") is None or find(time, "high") is None:
                yield documentation, "low or high is missing"


@rule(
    "CDA_E05",
    "the 2D code of the prescription is there",
    hint="give barcode",
    severity=Severity.WARNING,
    source=f"{EP_MED_DM} section FR-Code-a-barres 1..1; its example says 0..1, the official validator does not look",
)
def _barcode(view: View) -> Iterator[Problem]:
    if _applies(view) and not view.sections("1.2.250.1.213.1.1.2.223"):
        yield "component/structuredBody", "there is no FR-Code-a-barres section"


@rule("CDA_E06", "the PDF copy of the prescription is there", hint="give pdf_copy")
def _copy(view: View) -> Iterator[Problem]:
    if _applies(view) and len(view.sections("1.2.250.1.213.1.1.2.243")) != 1:
        yield "component/structuredBody", "not exactly one FR-Document-PDF-copie section"


@rule(
    "CDA_E07",
    "there is a section of medicines, with an id and at least one line, or one of devices",
    hint="give treatments",
)
def _content(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    medicines, devices = view.sections("1.2.250.1.213.1.1.2.171"), view.sections("1.2.250.1.213.1.1.2.222")
    if not medicines and not devices:
        yield "component/structuredBody", "nothing is prescribed"
    for section in medicines:
        if find(section, "id") is None or find(section, "entry") is None:
            yield section, "the section has no id or no line"


@rule(
    "CDA_E08",
    "each line says: substitution, hors AMM, ALD, AT/MP, non remboursable",
    hint="use PrescribedTreatment",
    fr="Une mention obligatoire manque à une ligne de la prescription.",
)
def _flags(view: View) -> Iterator[Problem]:
    for line in _lines(view):
        codes = set()
        for relation in findall(line, "entryRelationship"):
            code = find(relation, "observation", "code")
            codes.add(code.get("code") if code is not None else None)
        for code_value, name in _OBSERVATIONS.items():
            if code_value not in codes:
                yield line, f"{code_value} ({name}) is missing"
        if not _substitutions(line):
            yield line, "the permission to substitute is missing"


def _substitutions(line: etree._Element) -> list[etree._Element]:
    found = []
    for relation in findall(line, "entryRelationship"):
        act = find(relation, "act")
        if act is not None and any(t.get("root") == "1.2.250.1.213.1.1.3.87" for t in findall(act, "templateId")):
            found.append(act)
    return found


@rule(
    "CDA_E09",
    "a substitution that is refused says why",
    hint="give no_substitution_reason",
    fr="Indiquez le motif de non substitution.",
    source=f"{EP_MED_DM} FR-Autorisation-Substitution; the official validator does not look",
)
def _reason(view: View) -> Iterator[Problem]:
    for line in _lines(view):
        for act in _substitutions(line):
            code = find(act, "code")
            if code is None or code.get("code") not in ("N", "G"):
                yield act, "the code is neither N nor G"
            elif code.get("code") == "N" and find(code, "originalText", "reference") is None:
                yield code, "the reason is missing"


@rule("CDA_E10", "a line is an order (INT), has one dosing mode, no author, and a number of renewals", hint="mend it")
def _line(view: View) -> Iterator[Problem]:
    for line in _lines(view):
        declared = [t.get("root") for t in findall(line, "templateId")]
        modes = [m for m in declared if m in _MODES]
        if not modes and _DELAYED in declared:
            modes = [_NORMAL]  # "début différé" has no step either
        if line.get("moodCode") != "INT":
            yield line, "moodCode is not INT"
        if len(modes) != 1 or (_DELAYED in declared and modes != [_NORMAL]):
            yield line, f"{len(modes)} dosing modes"
        if find(line, "author") is not None:
            yield line, "there is an author"
        nested = [r for r in findall(line, "entryRelationship") if find(r, "substanceAdministration") is not None]
        if bool(nested) == (modes == [_NORMAL]):
            yield line, "subordinate doses do not go with the dosing mode"
        repeat = find(line, "repeatNumber")
        value = (repeat.get("value") or "") if repeat is not None else "0"
        if not (value.isascii() and value.isdigit()) and (repeat is None or repeat.get("nullFlavor") != "NI"):
            yield line, "repeatNumber is not a number"


@rule("CDA_E11", "the author has an organisation with id and name", hint="complete the author")
def _author(view: View) -> Iterator[Problem]:
    if _applies(view):
        for author in view.children("author"):
            organization = find(author, "assignedAuthor", "representedOrganization")
            if find(organization, "id") is None or not text_of(find(organization, "name")):
                yield author, "representedOrganization id or name is missing"
