"""Rules of the discharge letter (LDL-SES 2022.01)."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ..._core.findings import Severity
from ...terminology import lookup
from ..datatypes_reader import find, findall, text_of
from ..reader import V3
from .clinical import missing_sections, repeated_sections, roots
from .engine import LDL_SES, Problem, RuleSet, View, is_not_of, per_document

DISCHARGE_LETTER = RuleSet(LDL_SES, held=True)
rule = DISCHARGE_LETTER.rule

_TEMPLATE = "1.2.250.1.213.1.1.1.29"
_TYPE = "11490-0"
_SYNTHESIS = "1.2.250.1.213.1.1.2.163"
_MANDATORY = {
    "ORG-070": "modalité d'entrée",
    "ORG-074": "modalité de sortie",
    "MED-142": "synthèse médicale",
    "MED-309": "recherche de micro-organismes",
    "MED-145": "transfusion",
    "MED-147": "dérivés du sang",
}
_BOOLEAN = frozenset({"MED-309", "MED-145", "MED-147"})
_CODED = frozenset({"ORG-070", "ORG-074"})
_TITLE = "Lettre de liaison à la sortie de l'établissement de santé"
_CARE_PLAN = "1.2.250.1.213.1.1.2.158"
_CARE_PLAN_ENTRIES = {
    "1.2.250.1.213.1.1.3.62": frozenset({"INT", "EVN"}),
    "1.2.250.1.213.1.1.3.27": frozenset({"INT", "PRP", "GOL"}),
    "1.2.250.1.213.1.1.3.58": frozenset({"ARQ", "PRMS", "EVN"}),
}
"""Template of an entry of the care plan to its moods."""
_OPTIONAL_SECTIONS = (
    "1.3.6.1.4.1.19376.1.5.3.1.3.21",
    "1.2.250.1.213.1.1.2.150",
    _CARE_PLAN,
    "1.2.250.1.213.1.1.2.1",
    "1.3.6.1.4.1.19376.1.5.3.1.3.13",
)
_OPTIONAL = frozenset({"MED-143", "MED-144", "MED-146", "MED-148"})
_SECTIONS = {
    "1.2.250.1.213.1.1.2.35.1": "statut du document",
    "1.3.6.1.4.1.19376.1.5.3.1.3.1": "motif de l'hospitalisation",
    "1.3.6.1.4.1.19376.1.7.3.1.1.13.7": "synthèse médicale du séjour",
    "1.3.6.1.4.1.19376.1.5.3.1.3.22": "traitements à la sortie",
}


_is_another = is_not_of(_TEMPLATE)


def _applies(view: View) -> bool:
    return _TEMPLATE in view.header_templates


@per_document
def _observations(view: View) -> dict[str, etree._Element]:
    """Code → simple observation of the synthesis section."""
    found = {}
    for section in view.sections(_SYNTHESIS):
        for entry in findall(section, "entry"):
            observation = find(entry, "observation")
            code = find(observation, "code")
            if observation is not None and code is not None:
                found[code.get("code") or ""] = observation
    return found


@rule(
    "CDA_L00",
    "a structured discharge letter carries the templateId of its volet, without which no official rule fires",
    hint=f"write templateId {_TEMPLATE} extension 2022.01",
    kit_is_silent=True,
)
def _template(view: View) -> Iterator[Problem]:
    if view.type_code == _TYPE and view.is_structured and not _applies(view):
        yield "templateId", f"{_TEMPLATE} is missing"


@rule("CDA_L01", "the type is 11490-0, the act has its times", hint="use DischargeLetter")
def _header(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    if view.type_code != _TYPE:
        yield "code", f"the type is not {_TYPE}"
    for documentation in view.children("documentationOf")[:1]:
        if find(documentation, "serviceEvent", "effectiveTime") is None:
            yield documentation, "effectiveTime is missing"


@rule(
    "CDA_L02",
    "status, reason, synthesis and discharge treatments are all there",
    hint="give the missing section",
    fr="Une section obligatoire de la lettre de liaison est absente.",
)
def _sections(view: View) -> Iterator[Problem]:
    if _applies(view):
        yield from missing_sections(view, _SECTIONS)


def _value_in(view: View, code: str, value_set: str) -> Iterator[Problem]:
    observation = _observations(view).get(code)
    value = find(observation, "value")
    if observation is not None and (
        value is None or not lookup(value_set, value.get("code") or "", value.get("codeSystem") or "")
    ):
        yield observation, f"the value is not in {value_set}"


@rule("CDA_L03", "the entry mode is in JDV_ModaliteEntree", hint="use EntryMode")
def _entry_mode(view: View) -> Iterator[Problem]:
    if _applies(view):
        yield from _value_in(view, "ORG-070", "JDV_MODALITE_ENTREE")


@rule("CDA_L04", "the synthesis holds no other observation than its ten", hint="leave the other out")
def _known_codes(view: View) -> Iterator[Problem]:
    if _applies(view):
        for code, observation in _observations(view).items():
            if code not in _MANDATORY and code not in _OPTIONAL:
                yield observation, "this observation does not belong here"


@rule(
    "CDA_L05",
    "the discharge treatments hold at least one treatment entry, be it to say that there is none",
    hint="give the treatments, or an empty tuple",
)
def _treatments(view: View) -> Iterator[Problem]:
    if _applies(view):
        for section in view.sections("1.3.6.1.4.1.19376.1.5.3.1.3.22"):
            if not any(find(e, "substanceAdministration") is not None for e in findall(section, "entry")):
                yield section, "there is no treatment entry"


@rule("CDA_L06", "the exam results of the letter hold text only", hint="remove the entries")
def _exams(view: View) -> Iterator[Problem]:
    if _applies(view):
        for section in view.sections("1.2.250.1.213.1.1.2.150"):
            if find(section, "entry") is not None:
                yield section, "there is an entry"


@rule("CDA_L08", "an allergies section holds at least one allergy concern", hint="give the allergies")
def _allergies(view: View) -> Iterator[Problem]:
    if _applies(view):
        for section in view.sections("1.3.6.1.4.1.19376.1.5.3.1.3.13"):
            templates = {t.get("root") for t in section.iter(f"{V3}templateId")}
            if "1.3.6.1.4.1.19376.1.5.3.1.4.5.3" not in templates:
                yield section, "there is no allergy concern"


@rule(
    "CDA_L09",
    "the six mandatory observations of the synthesis are there",
    hint="give entry mode, exit mode, summary, MDRO search, transfusion and blood derivatives",
    fr="La synthèse médicale du séjour est incomplète.",
    kit_is_silent=True,
)
def _mandatory(view: View) -> Iterator[Problem]:
    if _applies(view):
        found = _observations(view)
        for code, name in _MANDATORY.items():
            if code not in found:
                yield "component/structuredBody", f"{code} ({name}) is missing"


@rule("CDA_L10", "the exit mode is in JDV_ModaliteSortie", hint="use ExitMode", kit_is_silent=True)
def _exit_mode(view: View) -> Iterator[Problem]:
    if _applies(view):
        yield from _value_in(view, "ORG-074", "JDV_MODALITE_SORTIE")


@rule("CDA_L11", "the status of the document is in JDV_StatutDoc", hint="use DocumentStatus", kit_is_silent=True)
def _status(view: View) -> Iterator[Problem]:
    if _applies(view):
        for observation in view.templates.get("1.2.250.1.213.1.1.3.48.16.1", ()):
            value = find(observation, "value")
            if value is None or not lookup("JDV_STATUT_DOC", value.get("code") or "", value.get("codeSystem") or ""):
                yield observation, "the status is not in JDV_STATUT_DOC"


@rule(
    "CDA_L12",
    "the principal act is the hospitalisation (IMP)",
    hint="leave the act to DischargeLetter",
    source=f"{LDL_SES}, official example",
    kit_is_silent=True,
)
def _act(view: View) -> Iterator[Problem]:
    if _applies(view):
        for documentation in view.children("documentationOf")[:1]:
            code = find(documentation, "serviceEvent", "code")
            if code is None or code.get("code") != "IMP":
                yield documentation, "the act is not IMP"


@rule(
    "CDA_L13",
    f"the title is « {_TITLE} »",
    hint="leave the title out",
    severity=Severity.WARNING,
    kit_is_silent=True,
    held=lambda document: document.header.title == _TITLE or _is_another(document),
)
def _title(view: View) -> Iterator[Problem]:
    if _applies(view):
        for title in view.children("title")[:1]:
            if text_of(title) != _TITLE:
                yield title, "the title is another"


@rule(
    "CDA_L14",
    "each observation of the synthesis has an id, a text, a time and the status completed, and a value of its type: "
    "CE or CD for the modes, BL for what was done or not, ST for what is told",
    hint="use Synthesis",
    fr="Une observation de la synthèse médicale du séjour est incomplète ou d'un type inattendu.",
    kit_is_silent=True,
)
def _observation(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    for code, observation in _observations(view).items():
        if code not in _MANDATORY and code not in _OPTIONAL:
            continue
        status = find(observation, "statusCode")
        if (
            len(findall(observation, "id")) != 1
            or find(observation, "text", "reference") is None
            or find(observation, "effectiveTime") is None
            or status is None
            or status.get("code") != "completed"
        ):
            yield observation, "id, text, effectiveTime or statusCode is missing or wrong"
        value = find(observation, "value")
        kind = (value.get(_XSI_TYPE) or "").rpartition(":")[2] if value is not None else ""
        if kind not in (("CE", "CD") if code in _CODED else ("BL",) if code in _BOOLEAN else ("ST",)):
            yield observation, "the value is missing, or of another type"


_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


@rule(
    "CDA_L15",
    "the synthesis holds each observation once",
    hint="write one text for each",
    kit_is_silent=True,
)
def _once(view: View) -> Iterator[Problem]:
    if _applies(view):
        for section in view.sections(_SYNTHESIS):
            seen: set[str] = set()
            for entry in findall(section, "entry"):
                code = find(entry, "observation", "code")
                value = (code.get("code") or "") if code is not None else ""
                if value in seen:
                    yield entry, "this observation is there twice"
                seen.add(value)


@rule(
    "CDA_L16",
    "each section of the letter is there once",
    hint="put all entries in one section",
    kit_is_silent=True,
)
def _sections_once(view: View) -> Iterator[Problem]:
    if _applies(view):
        yield from repeated_sections(view, *_SECTIONS, *_OPTIONAL_SECTIONS)


@rule(
    "CDA_L17",
    "the care plan holds acts, requests of examination or follow-up, and encounters, each in a mood of its own",
    hint="use Procedure, FollowUp and Appointment",
    source=f"{LDL_SES}, section FR-Plan-de-soins",
)
def _care_plan(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    for section in view.sections(_CARE_PLAN):
        for entry in findall(section, "entry"):
            act = next((e for e in entry.iterchildren(etree.Element) if e.tag != f"{V3}templateId"), None)
            carried = roots(act) if act is not None else frozenset()
            moods = next((m for template, m in _CARE_PLAN_ENTRIES.items() if template in carried), None)
            if act is None or moods is None or act.get("moodCode") not in moods:
                yield entry, "this entry does not belong here, or is in another mood"


@rule(
    "CDA_L18",
    "the sections of devices and of administered treatments, when there, hold one entry at least",
    hint="leave an empty section out",
    kit_is_silent=True,
)
def _no_empty_section(view: View) -> Iterator[Problem]:
    if _applies(view):
        for template in ("1.2.250.1.213.1.1.2.1", "1.3.6.1.4.1.19376.1.5.3.1.3.21"):
            for section in view.sections(template):
                if find(section, "entry") is None:
                    yield section, "there is no entry"
