"""Rules of the laboratory report (CR-BIO 2024.01)."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ..datatypes import LOINC
from ..reader import V3
from .engine import CR_BIO, Problem, RuleSet, View, find, findall, text_of

LABORATORY = RuleSet(CR_BIO)
rule = LABORATORY.rule

_TEMPLATE = "1.2.250.1.213.1.1.1.55"
_IHE_LAB = "1.3.6.1.4.1.19376.1.3.3"
_TYPE = "11502-2"
_TITLE = "Compte rendu d'examens biologiques"
_LABEL = "CR d'examens biologiques"
_CHAPTER = "1.3.6.1.4.1.19376.1.3.3.2.1"
_ITEM = "1.3.6.1.4.1.19376.1.3.3.2.2"
_PDF_COPY = "1.2.250.1.213.1.1.2.243"
_LEVEL_1 = frozenset(
    {
        _CHAPTER,
        "1.2.250.1.213.1.1.2.60",
        "1.3.6.1.4.1.19376.1.4.1.2.16",
        "1.2.250.1.213.1.1.2.128",
        "1.2.250.1.213.1.1.2.147",
        _PDF_COPY,
    }
)
_RESULT = "1.3.6.1.4.1.19376.1.3.1.6"
_SPECIMEN = "1.3.6.1.4.1.19376.1.3.1.2"
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def _applies(view: View) -> bool:
    return _TEMPLATE in view.header_templates


def _results(view: View) -> list[etree._Element]:
    return view.templates.get(_RESULT, []) if _applies(view) else []


@rule(
    "CDA_B00",
    "a structured laboratory report carries the templateId of its volet, without which no official rule fires",
    hint=f"write templateId {_TEMPLATE} extension 2024.01",
)
def _template(view: View) -> Iterator[Problem]:
    if view.type_code == _TYPE and view.is_structured and not _applies(view):
        yield "templateId", f"{_TEMPLATE} is missing"


@rule(
    "CDA_B01",
    f"the title, the type and its label are fixed: {_TITLE}, {_TYPE}, {_LABEL}",
    hint="leave the title to LaboratoryReport",
)
def _header(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    if _IHE_LAB not in view.header_templates:
        yield "templateId", f"{_IHE_LAB} is missing"
    for title in view.children("title"):
        if text_of(title) != _TITLE:
            yield title, "not the fixed title"
    for code in view.children("code"):
        if code.get("code") != _TYPE or code.get("displayName") != _LABEL:
            yield code, "not the fixed type, or not its exact label"


@rule(
    "CDA_B05",
    "each act has a code; its performer has a time, contacts, a name and a complete organisation",
    hint="complete the performer",
)
def _performer(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    for documentation in view.children("documentationOf"):
        event = find(documentation, "serviceEvent")
        if find(event, "code") is None:
            yield documentation, "the act has no code"
        for performer in findall(event, "performer") if event is not None else ():
            entity = find(performer, "assignedEntity")
            organization = find(entity, "representedOrganization")
            for what, there in (
                ("time", find(performer, "time")),
                ("addr", find(entity, "addr")),
                ("telecom", find(entity, "telecom")),
                ("assignedPerson/name", find(entity, "assignedPerson", "name")),
                ("representedOrganization/telecom", find(organization, "telecom")),
                ("representedOrganization/addr", find(organization, "addr")),
            ):
                if there is None:
                    yield performer, f"{what} is missing"


@rule(
    "CDA_B06",
    "the encounter names its responsible biologist: id, code and family name",
    hint="give the responsible biologist",
    fr="Le biologiste responsable doit être nommé.",
)
def _responsible(view: View) -> Iterator[Problem]:
    if _applies(view):
        for component in view.children("componentOf"):
            entity = find(component, "encompassingEncounter", "responsibleParty", "assignedEntity")
            family = find(entity, "assignedPerson", "name", "family")
            if find(entity, "id") is None or find(entity, "code") is None or not text_of(family):
                yield component, "responsibleParty is missing or incomplete"


def _level_1(view: View) -> Iterator[etree._Element]:
    for body in view.all("structuredBody"):
        for component in findall(body, "component"):
            yield from findall(component, "section")


@rule("CDA_B07", "only the sections of the volet stand at the first level", hint="leave the other section out")
def _sections(view: View) -> Iterator[Problem]:
    if _applies(view):
        for section in _level_1(view):
            if not any(t.get("root") in _LEVEL_1 for t in findall(section, "templateId")):
                yield section, "this section does not belong here"


@rule("CDA_B08", "there is at least one chapter, and the PDF copy", hint="give chapters and pdf_copy")
def _mandatory(view: View) -> Iterator[Problem]:
    if _applies(view):
        for template, name in ((_CHAPTER, "chapter"), (_PDF_COPY, "PDF copy")):
            if not view.sections(template):
                yield "component/structuredBody", f"there is no {name}"


@rule(
    "CDA_B09",
    "a chapter has a text and one entry, or only sub-chapters, each with a text and one entry",
    hint="give results or sub_chapters, not both",
)
def _chapters(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    for section in view.sections(_CHAPTER):
        text, entries, inner = find(section, "text"), findall(section, "entry"), findall(section, "component")
        alone = text is not None and len(entries) == 1 and not inner
        nested = text is None and not entries and bool(inner)
        if not alone and not nested:
            yield section, "neither text with one entry nor sub-chapters only"
    for section in view.sections(_ITEM):
        if find(section, "text") is None or len(findall(section, "entry")) != 1:
            yield section, "not a text and one entry"


@rule(
    "CDA_B12",
    "a result has one code that points at the narrative, is complete when LOINC, and is completed or aborted",
    hint="use LaboratoryResult",
)
def _result(view: View) -> Iterator[Problem]:
    for result in _results(view):
        codes = findall(result, "code")
        if len(codes) != 1 or find(codes[0], "originalText", "reference") is None:
            yield result, "not exactly one code with its originalText/reference"
        elif codes[0].get("codeSystem") == LOINC and not (codes[0].get("code") and codes[0].get("displayName")):
            yield codes[0], "the LOINC code has no code or no displayName"
        status = find(result, "statusCode")
        if status is None or status.get("code") not in ("completed", "aborted"):
            yield result, "statusCode is neither completed nor aborted"
        if len(findall(result, "referenceRange")) > 1:
            yield result, "more than one reference range"


@rule(
    "CDA_B13",
    "a specimen has the time of its collection and exactly one identifier",
    hint="use Specimen",
)
def _specimen(view: View) -> Iterator[Problem]:
    for procedure in view.templates.get(_SPECIMEN, []) if _applies(view) else ():
        if find(procedure, "effectiveTime") is None:
            yield procedure, "effectiveTime is missing"
        role = find(procedure, "participant", "participantRole")
        if role is None or role.get("classCode") != "SPEC" or len(findall(role, "id")) != 1:
            yield procedure, "not exactly one specimen role with one id"


@rule(
    "CDA_B17",
    "a numeric result has its unit",
    hint="give the UCUM unit, `1` when there is none",
    fr="Un résultat chiffré doit porter son unité.",
    source=f"{CR_BIO}; the official validator does not look",
)
def _unit(view: View) -> Iterator[Problem]:
    for result in _results(view):
        for value in findall(result, "value"):
            if value.get(_XSI_TYPE) == "PQ" and value.get("value") is not None and not value.get("unit"):
                yield value, "the unit is missing"


@rule(
    "CDA_B18",
    "each section of a result's act is of LOINC, and says what became of it",
    hint="use the chapters of LaboratoryReport",
)
def _acts(view: View) -> Iterator[Problem]:
    for holder in view.templates.get("1.3.6.1.4.1.19376.1.3.1", []) if _applies(view) else ():
        act = find(holder, "act")
        code, status = find(act, "code"), find(act, "statusCode")
        if holder.tag != f"{V3}entry" or act is None:
            yield holder, "not an entry with an act"
        elif code is not None and code.get("codeSystem") != LOINC:
            yield code, "not a LOINC chapter"
        elif status is None or status.get("code") not in ("completed", "active", "aborted"):
            yield act, "statusCode is none of completed, active, aborted"
        elif find(act, "entryRelationship") is None:
            yield act, "there is no result"
