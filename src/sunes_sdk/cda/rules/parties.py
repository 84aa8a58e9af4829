"""Rules of the people and structures of the header that the official validator counts and codes (SMDS)."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ...terminology import lookup
from ..datatypes_reader import find, findall
from ..reader import V3
from .engine import SMDS, Problem, RuleSet, View

PARTIES = RuleSet(SMDS, held=True)
rule = PARTIES.rule


def _header(view: View, tag: str) -> Iterator[etree._Element]:
    """Every element of this local name in the header."""
    for child in view.root.iterchildren(etree.Element):
        if child.tag != f"{V3}component":
            yield from child.iter(V3 + tag)


@rule(
    "CDA_H69",
    "a telecom of the header that is null stands alone",
    hint="leave out the telecom that is not known when another is",
)
def _null_telecoms(view: View) -> Iterator[Problem]:
    for telecom in _header(view, "telecom"):
        parent = telecom.getparent()
        if telecom.get("nullFlavor") is None or parent is None:
            continue
        if any(other.get("nullFlavor") is None for other in findall(parent, "telecom")):
            yield telecom, "another telecom is known"


@rule(
    "CDA_H70",
    "the setting (standardIndustryClassCode) of a structure of the header, beside the performer's, is in JDV_J04",
    hint="give organization.practice_setting from JDV_J04, e.g. ETABLISSEMENT",
    fr="Le cadre d'exercice d'une structure n'appartient pas à la liste nationale.",
)
def _settings(view: View) -> Iterator[Problem]:
    principal = view.children("documentationOf")[:1]
    performers = [e for event in principal for e in event.iter(f"{V3}standardIndustryClassCode")]  # CDA_H33
    for setting in _header(view, "standardIndustryClassCode"):
        if (
            setting not in performers
            and setting.get("nullFlavor") is None
            and not lookup("JDV_J04", setting.get("code") or "", setting.get("codeSystem") or "")
        ):
            yield setting, "the code and its system are not in JDV_J04"


@rule(
    "CDA_H71",
    "the type of the encounter is in JDV_J142",
    hint="write IMP, EMER, EXTERNE, SEANCE, AMB … of JDV_J142",
    fr="Le type de venue n'appartient pas à la liste nationale.",
)
def _encounter_type(view: View) -> Iterator[Problem]:
    for component in view.children("componentOf"):
        code = find(component, "encompassingEncounter", "code")
        if code is not None and code.get("code") is not None and lookup("JDV_J142", code.get("code") or "") is None:
            yield code, "the code is not in JDV_J142"


@rule(
    "CDA_H72",
    "the name of a patient or a guardian has one prefix and one suffix at most",
    hint="write one title",
)
def _titles_once(view: View) -> Iterator[Problem]:
    for patient in _header(view, "patient"):
        guardians = [find(guardian, "guardianPerson") for guardian in findall(patient, "guardian")]
        for person in (patient, *[g for g in guardians if g is not None]):
            for name in findall(person, "name"):
                if len(findall(name, "prefix")) > 1 or len(findall(name, "suffix")) > 1:
                    yield name, "more than one prefix or suffix"


@rule(
    "CDA_H73",
    "what qualifies the code of an act has its name",
    hint="write the name of the qualifier: 121139 for a modality, 39111-0 for a region",
)
def _qualifiers(view: View) -> Iterator[Problem]:
    for qualifier in _header(view, "qualifier"):
        name = find(qualifier, "name")
        if name is None or name.get("code") is None:
            yield qualifier, "the name is missing"
