"""Rules of the clinical entries that letters share: allergies, problems, procedures, appointments, devices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lxml import etree

from ..._core.findings import Severity
from ...terminology import lookup
from ..datatypes import CCAM, CIM_10
from ..datatypes_reader import find, findall
from ..header import CdaDocument
from ..reader import V3
from .engine import Problem, RuleSet, View, per_document

MODELS = "CI-SIS Modèles de contenus CDA"
CLINICAL = RuleSet(MODELS, held=True)
rule = CLINICAL.rule

_ALLERGY = "1.3.6.1.4.1.19376.1.5.3.1.4.6"
_PROBLEM = "1.3.6.1.4.1.19376.1.5.3.1.4.5"
_CONCERN = "1.3.6.1.4.1.19376.1.5.3.1.4.5.1"
_REACTION = "2.16.840.1.113883.10.20.1.54"
_STATUS = "1.3.6.1.4.1.19376.1.5.3.1.4.1.1"
_PROCEDURE = "1.2.250.1.213.1.1.3.62"
_ENCOUNTER = "1.2.250.1.213.1.1.3.58"
_DEVICE = "1.2.250.1.213.1.1.3.20"
_DEVICES = "1.2.250.1.213.1.1.2.1"
_QUALIFIERS = {
    "1.2.250.1.213.1.1.3.29": "JDV_SEVERITE",
    "1.2.250.1.213.1.1.3.172": "JDV_CRITICITE",
    "1.2.250.1.213.1.1.3.171": "JDV_CERTITUDE",
}
"""Template of what qualifies an allergy or a problem to the set of its value."""


def missing_sections(view: View, sections: Mapping[str, str]) -> Iterator[Problem]:
    """The mandatory sections (templateId to name) that the document lacks."""
    for template, name in sections.items():
        if not view.sections(template):
            yield "component/structuredBody", f"the section {name} is missing"


def repeated_sections(view: View, *templates: str) -> Iterator[Problem]:
    for template in templates:
        for again in view.sections(template)[1:]:
            yield again, "this section is there twice"


def roots(element: etree._Element) -> frozenset[str]:
    """The templateIds of an element."""
    return frozenset(t.get("root") or "" for t in findall(element, "templateId"))


def in_set(name: str, coded: etree._Element | None) -> bool:
    """Whether a coded element is of a value set, code system included."""
    return coded is not None and bool(lookup(name, coded.get("code") or "", coded.get("codeSystem") or ""))


@rule(
    "CDA_C01",
    "the type of an allergy is in JDV_TypeEvenementIndesirablePrevisible",
    hint="use AllergyKind",
    fr="Le type d'allergie n'appartient pas au jeu de valeurs.",
)
def _allergy_kind(view: View) -> Iterator[Problem]:
    for allergy in view.templates.get(_ALLERGY, ()):
        if not in_set("JDV_TYPE_ALLERGIE", find(allergy, "code")):
            yield allergy, "the type is not in JDV_TYPE_ALLERGIE"


@rule(
    "CDA_C02",
    "an allergy names its agent, or says in code that none is known: the type alone reads as an allergy",
    hint="give the substance, or an empty tuple of allergies",
    fr="Une allergie est écrite sans agent responsable ni code « pas d'allergie connue ».",
    severity=Severity.WARNING,
    source=f"{MODELS}, FR-Allergie-ou-hypersensibilite",
    kit_is_silent=True,
)
def _allergy_agent(view: View) -> Iterator[Problem]:
    for allergy in view.templates.get(_ALLERGY, ()):
        value = find(allergy, "value")
        if find(allergy, "participant") is None and (value is None or not value.get("code")):
            yield allergy, "there is no agent and no code"


@rule(
    "CDA_C03",
    "severity, criticality and certainty are of their value sets",
    hint="use Severity, Criticality, Certainty",
    fr="La sévérité, la criticité ou la certitude n'appartient pas à son jeu de valeurs.",
    kit_is_silent=True,
)
def _qualifiers(view: View) -> Iterator[Problem]:
    for template, name in _QUALIFIERS.items():
        for observation in view.templates.get(template, ()):
            if not in_set(name, find(observation, "value")):
                yield observation, f"the value is not in {name}"


@rule(
    "CDA_C10",
    "the clinical status of an allergy or of a problem is of its value set, in a relation REFR that is not inverted",
    hint="use AllergyStatus or ProblemStatus",
    fr="Le statut clinique n'appartient pas à son jeu de valeurs.",
)
def _clinical_status(view: View) -> Iterator[Problem]:
    for observation in view.templates.get(_STATUS, ()):
        relation = observation.getparent()
        owner = relation.getparent() if relation is not None else None
        if relation is not None and (relation.get("typeCode"), relation.get("inversionInd")) != ("REFR", "false"):
            yield relation, "not REFR, or inversionInd is not false"
        of_allergy = owner is not None and not roots(owner).isdisjoint((_ALLERGY, _REACTION))
        name = "JDV_STATUT_ALLERGIE" if of_allergy else "JDV_STATUT_PROBLEME"
        if not in_set(name, find(observation, "value")):
            yield observation, f"the status is not in {name}"


@rule(
    "CDA_C04",
    "a concern is active, suspended, aborted or completed, its code NA; one that is over (completed, aborted) has an "
    "end, be it unknown, and one that goes on has none",
    hint="give the end, or the status",
    fr="Le statut et la date de fin d'un problème ou d'une allergie se contredisent.",
)
def _concern_end(view: View) -> Iterator[Problem]:
    for concern in view.templates.get(_CONCERN, ()):
        status, when = find(concern, "statusCode"), find(concern, "effectiveTime")
        code = find(concern, "code")
        if code is None or code.get("nullFlavor") != "NA":
            yield concern, "the code is not NA"
        if status is None or status.get("code") not in ("active", "suspended", "aborted", "completed"):
            yield concern, "not a status of a concern"
        if status is None or when is None or when.get("nullFlavor"):
            continue
        if (status.get("code") in ("completed", "aborted")) != (find(when, "high") is not None):
            yield concern, "the status and the end disagree"


@rule(
    "CDA_C05",
    "the type of a problem is in JDV_ProblemCodes; what it is has its text, or a nullFlavor",
    hint="use Problem and ProblemKind",
)
def _problem_kind(view: View) -> Iterator[Problem]:
    for problem in view.templates.get(_PROBLEM, ()):
        # FR-Probleme only: allergies specialise this template, other volets constrain it otherwise.
        if "1.2.250.1.213.1.1.3.37" in roots(problem) and not in_set("JDV_TYPE_PROBLEME", find(problem, "code")):
            yield problem, "the type is not in JDV_TYPE_PROBLEME"
        value = find(problem, "value")
        if value is not None and value.get("nullFlavor") is None and len(findall(value, "originalText")) != 1:
            yield value, "there is no originalText, or there are several"


@rule(
    "CDA_C06",
    "a procedure that was done is EVN under 2.16.840.1.113883.10.20.1.29; one that is planned is INT under …1.25, with "
    "a time or a priority",
    hint="use Procedure in a history or in a care plan",
)
def _procedure(view: View) -> Iterator[Problem]:
    for procedure in view.templates.get(_PROCEDURE, ()):
        mood, carried = procedure.get("moodCode"), roots(procedure)
        status = find(procedure, "statusCode")
        if status is not None and status.get("code") not in ("completed", "active", "aborted", "cancelled"):
            yield status, "not a status of a procedure"
        wanted = {"EVN": "2.16.840.1.113883.10.20.1.29", "INT": "2.16.840.1.113883.10.20.1.25"}.get(mood or "")
        if wanted is None or wanted not in carried:
            yield procedure, "the mood and the templateIds disagree"
        if mood == "INT" and find(procedure, "effectiveTime") is None and find(procedure, "priorityCode") is None:
            yield procedure, "there is neither a time nor a priority"


@rule(
    "CDA_C07",
    "a priority is in JDV_HL7_ActPriority, or CS (to be called back)",
    hint="use Priority",
    source=f"{MODELS}, official example of LDL-SES",
    kit_is_silent=True,
)
def _priority(view: View) -> Iterator[Problem]:
    for template in (_PROCEDURE, _ENCOUNTER):
        for act in view.templates.get(template, ()):
            priority = find(act, "priorityCode")
            if priority is not None and priority.get("code") != "CS" and not in_set("JDV_PRIORITE", priority):
                yield priority, "the priority is not in JDV_PRIORITE"


@rule(
    "CDA_C08",
    "an encounter that is asked for (ARQ) has a date, or says that the patient is to be called",
    hint="use Appointment",
    fr="Une consultation prévue n'a ni date ni mention « recontacter pour fixer le rendez-vous ».",
)
def _encounter(view: View) -> Iterator[Problem]:
    for encounter in view.templates.get(_ENCOUNTER, ()):
        if encounter.get("moodCode") != "ARQ":
            continue
        if find(encounter, "effectiveTime") is None and find(encounter, "priorityCode") is None:
            yield encounter, "there is neither a date nor a call back"


@rule(
    "CDA_C09",
    "a section of medical devices has an id and a text; each device is one DEV participant, MANU",
    hint="use MedicalDevice",
    fr="Un dispositif médical est incomplet.",
)
def _devices(view: View) -> Iterator[Problem]:
    for section in view.sections(_DEVICES):
        if len(findall(section, "id")) != 1 or find(section, "text") is None:
            yield section, "there is not exactly one id, or no text"
    for device in view.templates.get(_DEVICE, ()):
        found = [p for p in findall(device, "participant") if p.get("typeCode") == "DEV"]
        role = find(found[0], "participantRole") if len(found) == 1 else None
        if role is None or role.get("classCode") != "MANU" or find(role, "playingDevice") is None:
            yield device, "there is not one DEV participant, MANU"


@rule(
    "CDA_C11",
    "the category of a device is coded (EMDN), or said to be unknown",
    hint="use MedicalDevice",
    source=f"{MODELS}, FR-Dispositif-medical",
    kit_is_silent=True,
)
def _device_category(view: View) -> Iterator[Problem]:
    for device in view.templates.get(_DEVICE, ()):
        code = find(device, "participant", "participantRole", "playingDevice", "code")
        if code is None:
            yield device, "the category is missing"


@rule(
    "CDA_C12",
    "a treatment (FR-Traitement) says one dosing mode",
    hint="use Treatment",
    source=f"{MODELS}, FR-Traitement; IHE PCC Medications",
    kit_is_silent=True,
)
def _dosing_mode(view: View) -> Iterator[Problem]:
    for treatment in view.templates.get(_TREATMENT, ()):
        if len(roots(treatment) & _DOSING_MODES) != 1:
            yield treatment, "there is not exactly one dosing mode"


_TREATMENT = "1.2.250.1.213.1.1.3.42"
_MEDICATION = "1.3.6.1.4.1.19376.1.5.3.1.4"
_DOSING_MODES = frozenset(f"{_MEDICATION}.{n}" for n in ("7.1", "8", "9", "10", "11"))


def _codes_have_form(document: CdaDocument) -> bool:
    """Whether each code system whose codes have a form stands, in a document of ours, behind a code of that form."""
    content = document.content
    for system in _WRITTEN_SYSTEMS.finditer(content):
        end = system.start()
        if not _WRITTEN_FORMS[system[1]].fullmatch(content, content.rfind(b" ", 0, end), end):
            return False
    return True


@rule(
    "CDA_C13",
    "a CIS code has 8 digits, a CIP code 7 or 13",
    hint="copy the code from the national medicines database",
    fr="Un code CIS ou CIP de médicament n'a pas la bonne longueur.",
    source="BDPM; the code itself is not looked up",
    kit_is_silent=True,
    held=_codes_have_form,
)
def _medicine_code(view: View) -> Iterator[Problem]:
    for element, system, code in _coded(view):
        lengths = _MEDICINE_CODES.get(system)
        if lengths and not (code and code.isascii() and code.isdigit() and len(code) in lengths):
            yield element, f"this code has not {' or '.join(map(str, lengths))} digits"


@per_document
def _coded(view: View) -> list[tuple[etree._Element, str, str | None]]:
    """Coded elements of the nomenclatures whose form is known: with the code system and the code."""
    found = [(e, e.get("codeSystem", "")) for e in view.root.iter(f"{V3}code", f"{V3}value", f"{V3}translation")]
    return [(e, system, e.get("code")) for e, system in found if system in _MEDICINE_CODES or system in _FORMS]


_MEDICINE_CODES = {"1.2.250.1.213.2.3.1": (8,), "1.2.250.1.213.2.3.2": (7, 13)}


@rule(
    "CDA_C15",
    "the code of a product has its text in the narrative, or a nullFlavor",
    hint="use Medicine",
    source="IHE PCC Product Entry; CI-SIS FR-Produit-de-sante",
)
def _product_text(view: View) -> Iterator[Problem]:
    for product in view.templates.get(_PRODUCT, ()):
        code = find(product, "manufacturedMaterial", "code")
        if code is not None and code.get("nullFlavor") is None and find(code, "originalText", "reference") is None:
            yield code, "there is no originalText/reference"


_PRODUCT = "1.3.6.1.4.1.19376.1.5.3.1.4.7.2"


@rule(
    "CDA_C14",
    "a code of CIM-10, ATC or CCAM has the form of one",
    hint="copy the code from its nomenclature: B97.7, J07BM, HHFA001",
    fr="Un code CIM-10, ATC ou CCAM n'a pas la forme attendue.",
    source="CIM-10, ATC and CCAM as published; the code itself is not looked up",
    held=_codes_have_form,
)
def _form_of_codes(view: View) -> Iterator[Problem]:
    for element, system, code in _coded(view):
        form = _FORMS.get(system)
        if form and code is not None and not form.fullmatch(code):
            yield element, "not the form of a code of this nomenclature"


_FORMS = {
    CIM_10: re.compile(r"[A-Z][0-9]{2}[0-9A-Z.+*-]*"),
    "2.16.840.1.113883.6.73": re.compile(r"[A-Z](?:[0-9]{2}(?:[A-Z](?:[A-Z](?:[0-9]{2})?)?)?)?"),
    CCAM: re.compile(r"[A-Z]{4}[0-9]{3}[0-9A-Z-]*"),
}
"""Code system → form. CCAM: its codes of 7 characters, with activity and phase when the sender adds them."""
_DIGITS = {system: "|".join(f"[0-9]{{{n}}}" for n in lengths) for system, lengths in _MEDICINE_CODES.items()}
_WRITTEN_FORMS = {
    system.encode(): re.compile(f' code="(?:{form})"'.encode())
    for system, form in (*_DIGITS.items(), *((system, form.pattern) for system, form in _FORMS.items()))
}
"""The same, as a document of ours writes a code before its system."""
_WRITTEN_SYSTEMS = re.compile(f' codeSystem="({"|".join(map(re.escape, (*_DIGITS, *_FORMS)))})"'.encode())
