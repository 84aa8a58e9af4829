"""Rules of the laboratory report (CR-BIO 2024.01)."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ..._core.findings import Severity
from ...terminology import lookup
from ..datatypes import LOINC, SNOMED_CT
from ..datatypes_reader import find, findall, text_of
from ..reader import V3
from .engine import CR_BIO, Problem, RuleSet, View, per_document

LABORATORY = RuleSet(CR_BIO, held=True)
rule = LABORATORY.rule

_TEMPLATE = "1.2.250.1.213.1.1.1.55"
_IHE_LAB = "1.3.6.1.4.1.19376.1.3.3"
_TYPE = "11502-2"
_TITLE = "Compte rendu d'examens biologiques"
_LABEL = "CR d'examens biologiques"
_CHAPTER = "1.3.6.1.4.1.19376.1.3.3.2.1"
_ITEM = "1.3.6.1.4.1.19376.1.3.3.2.2"
_PDF_COPY = "1.2.250.1.213.1.1.2.243"
_SECOND_INTENTION = "1.2.250.1.213.1.1.2.60"
_LEVEL_1 = frozenset({_CHAPTER, _SECOND_INTENTION, "1.3.6.1.4.1.19376.1.4.1.2.16"})
_SINCE_2023 = frozenset({"1.2.250.1.213.1.1.2.128", "1.2.250.1.213.1.1.2.147", _PDF_COPY})
_VERSIONS = frozenset({"2021.01", "2023.01", "2024.01"})
_RESULT = "1.3.6.1.4.1.19376.1.3.1.6"
_SPECIMEN = "1.3.6.1.4.1.19376.1.3.1.2"
_RECEIVED = "1.3.6.1.4.1.19376.1.3.1.3"
_BATTERY = "1.3.6.1.4.1.19376.1.3.1.4"
_ISOLATE = "1.3.6.1.4.1.19376.1.3.1.5"
_COMMENT = "1.3.6.1.4.1.19376.1.5.3.1.4.2"
_VALIDATOR = "1.3.6.1.4.1.19376.1.3.3.1.5"
_PERFORMER = "1.3.6.1.4.1.19376.1.3.3.1.7"
_VACCINATION = "1.3.6.1.4.1.19376.1.5.3.1.4.12"
_VACCINATION_KINDS = frozenset(
    {(code, "2.16.840.1.113883.5.4") for code in ("INITIMMUNIZ", "BOOSTER", "IMMUNIZ")}
    | {(code, "2.16.840.1.113883.5.1150.1") for code in ("no-immunization-info", "no-known-immunizations")}
)
"""JDV_HL7_ActSubstanceAdministrationImmunizationCode and JDV_AbsentOrUnknownImmunization."""
_AWAITING_LOINC = "1.2.250.1.213.1.1.5.130"
_IHE_ACT_CODE = "1.3.5.1.4.1.19376.1.5.3.2"
"""As the official validator wants it, which looks mistyped (1.3.5 for 1.3.6)."""
_NCBI = "2.16.840.1.113883.3.9471"
_STATES = frozenset({"completed", "active", "aborted"})
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def _applies(view: View) -> bool:
    return _TEMPLATE in view.header_templates


def _results(view: View) -> list[etree._Element]:
    return view.entries(_RESULT, of=_TEMPLATE)


@per_document
def _version(view: View) -> str:
    found = (t.get("extension") for t in view.children("templateId") if t.get("root") == _TEMPLATE)
    return next(found, None) or ""


def _state(act: etree._Element) -> str:
    status = find(act, "statusCode")
    return (status.get("code") or "") if status is not None else ""


def _missing(holder: etree._Element | None, *names: str) -> list[str]:
    return [name for name in names if find(holder, *name.split("/")) is None]


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


_ORGANIZATION_PARTS = ("id", "name", "telecom", "addr")
_PERFORMER_PARTS = (
    "assignedEntity/addr",
    "assignedEntity/telecom",
    "assignedEntity/assignedPerson/name",
    *[f"assignedEntity/representedOrganization/{part}" for part in (*_ORGANIZATION_PARTS, "standardIndustryClassCode")],
)


@rule(
    "CDA_B02",
    "what is not known of the patient's address, telecom, sex or birth is said by nullFlavor UNK and no other",
    hint="write nullFlavor UNK",
)
def _patient(view: View) -> Iterator[Problem]:
    for target in view.children("recordTarget") if _applies(view) else ():
        role = find(target, "patientRole")
        if role is None:
            continue
        known = [*findall(role, "addr"), *findall(role, "telecom")]
        for name in ("administrativeGenderCode", "birthTime"):
            element = find(role, "patient", name)
            known += [element] if element is not None else []
        for element in known:
            if element.get("nullFlavor") not in (None, "UNK"):
                yield element, "another nullFlavor than UNK"


@rule(
    "CDA_B03",
    "each biologist who validated carries his templateId, the time and his contacts; his laboratory is complete",
    hint="give validations",
    fr="Le biologiste validateur doit porter la date de validation et ses coordonnées.",
)
def _authenticator(view: View) -> Iterator[Problem]:
    for authenticator in view.children("authenticator") if _applies(view) else ():
        if not any(t.get("root") == _VALIDATOR for t in findall(authenticator, "templateId")):
            yield authenticator, f"templateId {_VALIDATOR} is missing"
        for what in _missing(authenticator, "time", "assignedEntity/addr", "assignedEntity/telecom"):
            yield authenticator, f"{what} is missing"
        organization = find(authenticator, "assignedEntity", "representedOrganization")
        if organization is not None:
            for what in _missing(organization, *_ORGANIZATION_PARTS):
                yield organization, f"{what} is missing"


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
            for what in _missing(performer, "time", *_PERFORMER_PARTS):
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
        allowed = _LEVEL_1 if _version(view) == "2021.01" else _LEVEL_1 | _SINCE_2023
        for section in _level_1(view):
            if not any(t.get("root") in allowed for t in findall(section, "templateId")):
                yield section, "this section does not belong here"


@rule(
    "CDA_B08",
    "there is at least one chapter, and since version 2024.01 the PDF copy",
    hint="give chapters and pdf_copy",
    fr="Le compte rendu ne comporte aucun chapitre, ou pas de copie PDF.",
)
def _mandatory(view: View) -> Iterator[Problem]:
    if _applies(view):
        copied = () if _version(view) in ("2021.01", "2023.01") else ((_PDF_COPY, "PDF copy"),)
        for template, name in ((_CHAPTER, "chapter"), *copied):
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
    "a result is an OBS in EVN; it has one code that points at the narrative, complete when LOINC, as are its "
    "translations; it is completed or aborted, with at most one reference range",
    hint="use LaboratoryResult",
)
def _result(view: View) -> Iterator[Problem]:
    for result in _results(view):
        if result.get("classCode") != "OBS" or result.get("moodCode") != "EVN":
            yield result, "not an OBS in EVN"
        if _state(result) not in ("completed", "aborted"):
            yield result, "statusCode is neither completed nor aborted"
        if len(findall(result, "referenceRange")) > 1:
            yield result, "more than one reference range"
        codes = findall(result, "code")
        if len(codes) != 1 or find(codes[0], "originalText", "reference") is None:
            yield result, "not exactly one code with its originalText/reference"
            continue
        code = codes[0]
        if code.get("codeSystem") == LOINC and not (code.get("code") and code.get("displayName")):
            yield code, "the LOINC code has no code or no displayName"
        for translation in findall(code, "translation"):
            if not translation.get("code") or not translation.get("displayName"):
                yield translation, "the local code has no code or no displayName"


@rule(
    "CDA_B19",
    "a result of a battery is coded in LOINC; any other code is a translation",
    hint="give the code as local_code",
)
def _grouped(view: View) -> Iterator[Problem]:
    for result in _results(view):
        parent, code = result.getparent(), find(result, "code")
        if parent is None or parent.tag != f"{V3}component" or code is None:
            continue
        said = [name for name in ("code", "codeSystem", "displayName") if code.get(name)]
        if said and (code.get("codeSystem") != LOINC or len(said) < 3):
            yield code, "not a complete LOINC code"


@rule(
    "CDA_B20",
    "an interpretation is a code of JDV_HL7_ObservationInterpretation",
    hint="give N, H, L, S, I, R …",
    fr="L'interprétation d'un résultat n'appartient pas au jeu de valeurs.",
)
def _interpretation(view: View) -> Iterator[Problem]:
    for code in view.all("interpretationCode") if _applies(view) else ():
        value, system = code.get("code"), code.get("codeSystem")
        if value is not None and lookup("JDV_OBSERVATION_INTERPRETATION", value, system or "") is None:
            yield code, "not in the value set"


@rule(
    "CDA_B21",
    "an earlier result (REFR) is completed and has its time",
    hint="use PreviousResult",
    fr="Une antériorité doit être datée.",
)
def _previous(view: View) -> Iterator[Problem]:
    for result in _results(view):
        for relation in findall(result, "entryRelationship"):
            if relation.get("typeCode") == "REFR":
                earlier = find(relation, "observation")
                if earlier is None or _state(earlier) != "completed" or find(earlier, "effectiveTime") is None:
                    yield relation, "not completed, or without its time"


@rule(
    "CDA_B13",
    "a specimen has the time of its collection and exactly one identifier",
    hint="use Specimen",
)
def _specimen(view: View) -> Iterator[Problem]:
    for procedure in view.templates.get(_SPECIMEN, []) if _applies(view) else ():
        if find(procedure, "effectiveTime") is None:
            yield procedure, "effectiveTime is missing"
        roles = [find(p, "participantRole") for p in findall(procedure, "participant")]
        role = roles[0] if len(roles) == 1 else None
        if role is None or role.get("classCode") != "SPEC" or len(findall(role, "id")) != 1:
            yield procedure, "not exactly one specimen role with one id"
        if len(findall(procedure, "performer")) > 1 or len(findall(procedure, "targetSiteCode")) > 1:
            yield procedure, "more than one collector, or more than one site"


@rule(
    "CDA_B22",
    f"the arrival of a specimen is SPRECEIVE of {_IHE_ACT_CODE} (as the official validator has it), with its time",
    hint="give received_at",
)
def _received(view: View) -> Iterator[Problem]:
    for act in view.entries(_RECEIVED, of=_TEMPLATE):
        code, time = find(act, "code"), find(act, "effectiveTime")
        if code is None or (code.get("code"), code.get("codeSystem")) != ("SPRECEIVE", _IHE_ACT_CODE):
            yield act, "not the fixed code"
        if time is None or not time.get("value"):
            yield act, "the time of arrival is missing"


@rule(
    "CDA_B14",
    "a battery is a BATTERY in EVN, with at most one id, completed, active or aborted",
    hint="use Battery",
)
def _battery(view: View) -> Iterator[Problem]:
    for battery in view.entries(_BATTERY, of=_TEMPLATE):
        if battery.get("classCode") != "BATTERY" or battery.get("moodCode") != "EVN":
            yield battery, "not a BATTERY in EVN"
        if len(findall(battery, "id")) > 1:
            yield battery, "more than one id"
        if _state(battery) not in _STATES:
            yield battery, "statusCode is none of completed, active, aborted"


@rule(
    "CDA_B15",
    "an isolate is a CLUSTER in EVN whose specimen (SPC, SPEC, MIC) names the germ, in SNOMED CT or by a text; its "
    "only translation is of NCBI Taxonomy",
    hint="use Isolate",
)
def _isolate(view: View) -> Iterator[Problem]:
    for isolate in view.entries(_ISOLATE, of=_TEMPLATE):
        if isolate.get("classCode") != "CLUSTER" or isolate.get("moodCode") != "EVN":
            yield isolate, "not a CLUSTER in EVN"
        if _state(isolate) not in _STATES:
            yield isolate, "statusCode is none of completed, active, aborted"
        specimen = find(isolate, "specimen")
        role = find(specimen, "specimenRole")
        germ = find(role, "specimenPlayingEntity")
        wanted = ((specimen, "typeCode", "SPC"), (role, "classCode", "SPEC"), (germ, "classCode", "MIC"))
        code = find(germ, "code")
        if code is None or any(e is None or e.get(name) != value for e, name, value in wanted):
            yield isolate, "there is no specimen SPC/SPEC/MIC with its code"
            continue
        if code.get("codeSystem") != SNOMED_CT and find(code, "originalText") is None:
            yield code, "neither a SNOMED CT code nor a text"
        for translation in findall(code, "translation"):
            if translation.get("codeSystem") != _NCBI:
                yield translation, "not of NCBI Taxonomy"


@rule(
    "CDA_B16",
    "a comment is coded 48767-8, completed, and points at the narrative",
    hint="give comment",
)
def _comment(view: View) -> Iterator[Problem]:
    for act in view.entries(_COMMENT, of=_TEMPLATE):
        code = find(act, "code")
        if code is None or (code.get("code"), code.get("codeSystem")) != ("48767-8", LOINC):
            yield act, "not the fixed code"
        if _state(act) != "completed" or find(act, "text", "reference") is None:
            yield act, "not completed, or without text/reference"


@rule(
    "CDA_B23",
    "a performing laboratory has the time, its director and its complete organisation",
    hint="use PerformingLaboratory",
    fr="Le laboratoire exécutant est incomplet.",
)
def _performing(view: View) -> Iterator[Problem]:
    for performer in view.templates.get(_PERFORMER, ()):  # a report that is a file has one too
        parent = performer.getparent()
        if performer.tag != f"{V3}performer":
            yield performer, "not a performer"
        elif not (_applies(view) and parent is not None and parent.tag == f"{V3}serviceEvent"):  # CDA_B05
            for what in _missing(performer, "time", "assignedEntity/id", *_PERFORMER_PARTS[3:]):
                yield performer, f"{what} is missing"


@rule(
    "CDA_B24",
    "the section of second intention has a code and a text",
    hint="use second_intention",
)
def _second_intention(view: View) -> Iterator[Problem]:
    for section in view.sections(_SECOND_INTENTION) if _applies(view) else ():
        for what in _missing(section, "code", "text"):
            yield section, f"{what} is missing"


@rule(
    "CDA_B25",
    "a chapter is coded in LOINC, or with a code that awaits one",
    hint="use BIOCHEMISTRY, HEMATOLOGY … or another LOINC code",
    source=f"{CR_BIO}; the official validator does not look",
)
def _chapter_code(view: View) -> Iterator[Problem]:
    for section in (*view.sections(_CHAPTER), *view.sections(_ITEM)) if _applies(view) else ():
        code = find(section, "code")
        if code is None or (code.get("code") is not None and code.get("codeSystem") not in (LOINC, _AWAITING_LOINC)):
            yield section, "not a LOINC code"


@rule(
    "CDA_B26",
    f"the version of the volet is one of {', '.join(sorted(_VERSIONS))}",
    hint="read the volet of that version: these rules may not be its own",
    severity=Severity.WARNING,
    source=f"{CR_BIO}; the official validator takes the highest version it knows",
)
def _known_version(view: View) -> Iterator[Problem]:
    if _applies(view) and _version(view) not in ("", *_VERSIONS):
        yield "templateId", "a version that is not known here"


@rule(
    "CDA_B27",
    "a vaccination says whether it was done (negationInd), and its type by a code of the national lists",
    hint="use Vaccination",
    source="IHE PCC Immunizations; CI-SIS FR-Vaccination",
)
def _vaccination(view: View) -> Iterator[Problem]:
    for vaccination in view.templates.get(_VACCINATION, ()):
        if vaccination.get("negationInd") not in ("true", "false"):
            yield vaccination, "negationInd is missing"
        kind = find(vaccination, "code")
        if kind is None or (kind.get("code"), kind.get("codeSystem")) not in _VACCINATION_KINDS:
            yield vaccination, "the type is not in the national lists"


@rule(
    "CDA_B17",
    "a numeric result (PQ), and each bound of an interval (IVL_PQ), has its unit; a number without dimension is a REAL",
    hint="give the UCUM unit, `1` when there is none",
    fr="Un résultat chiffré doit porter son unité.",
    source=f"{CR_BIO}; the official validator does not look",
)
def _unit(view: View) -> Iterator[Problem]:
    for result in _results(view):
        ranges = [find(r, "observationRange", "value") for r in findall(result, "referenceRange")]
        for value in (*findall(result, "value"), *[v for v in ranges if v is not None]):
            kind = value.get(_XSI_TYPE)
            measures = [value] if kind == "PQ" else list(value.iterchildren(etree.Element)) if kind == "IVL_PQ" else []
            for measure in measures:
                if measure.get("value") is not None and not measure.get("unit"):
                    yield measure, "the unit is missing"


@rule(
    "CDA_B18",
    "each section of a result's act is of LOINC, and says what became of it",
    hint="use the chapters of LaboratoryReport",
)
def _acts(view: View) -> Iterator[Problem]:
    for holder in view.templates.get("1.3.6.1.4.1.19376.1.3.1", []) if _applies(view) else ():
        act = find(holder, "act")
        code = find(act, "code")
        if holder.tag != f"{V3}entry" or act is None or holder.get("typeCode") != "DRIV":
            yield holder, "not an entry DRIV with an act"
        elif code is not None and code.get("code") is not None and code.get("codeSystem") != LOINC:
            yield code, "not a LOINC chapter"
        elif _state(act) not in _STATES:
            yield act, "statusCode is none of completed, active, aborted"
        elif not any(r.get("typeCode") == "COMP" for r in findall(act, "entryRelationship")):
            yield act, "there is no result"
