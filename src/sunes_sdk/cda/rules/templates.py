"""Rules of the CI-SIS section and entry templates: which templateIds go together, fixed codes, what must be inside.

One line of `TEMPLATES` says all that is known of a template; the rules read it. What depends on a volet is in the
volet's own module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from lxml import etree

from ..reader import V3
from .engine import Problem, RuleSet, View, per_document

TEMPLATE_RULES = RuleSet("CI-SIS Modèles de contenus CDA", held=True)
rule = TEMPLATE_RULES.rule

TEMPLATES: Final = """
section S.1 ^E.20
section S.35.1 +S.35 code=33557-0@L id title entry
section S.73 *1.3.6.1.4.1.19376.1.4.1.2.16 +2.16.840.1.113883.10.12.201 code=55112-7@L
section S.107 +1.3.6.1.4.1.19376.1.5.3.1.1.9.38 +1.3.6.1.4.1.19376.1.5.3.1.1.9.39 code=34895-3@L entry
section S.127 +1.3.6.1.4.1.19376.1.5.3.1.3.1 code=42349-1@L
section S.128 +1.3.6.1.4.1.19376.1.5.3.1.3.2
section 1.3.6.1.4.1.19376.1.5.3.1.3.2 code=42349-1@L ~1.3.6.1.4.1.19376.1.5.3.1.4.5 ~1.3.6.1.4.1.19376.1.5.3.1.4.13
section S.147 +1.3.6.1.4.1.19376.1.5.3.1.3.23
section 1.3.6.1.4.1.19376.1.5.3.1.3.23 +2.16.840.1.113883.10.20.1.6 code=11369-6@L
  ~1.3.6.1.4.1.19376.1.5.3.1.4.12
section S.134 +1.3.6.1.4.1.19376.1.5.3.1.3.8 code=11348-0@L
section S.136 +1.3.6.1.4.1.19376.1.5.3.1.3.12 +1.3.6.1.4.1.19376.1.5.3.1.3.11 +2.16.840.1.113883.10.20.1.12
  code=47519-4@L id
section S.137 +1.3.6.1.4.1.19376.1.5.3.1.3.13 +2.16.840.1.113883.10.20.1.2 code=48765-2@L
  ~1.3.6.1.4.1.19376.1.5.3.1.4.5.3
section S.144 +1.3.6.1.4.1.19376.1.5.3.1.3.20 code=42346-7@L
section S.146 +1.3.6.1.4.1.19376.1.5.3.1.3.22 code=10183-2@L
section S.150 +1.3.6.1.4.1.19376.1.5.3.1.3.27 code=30954-2@L
section S.163.1 +S.163 +1.3.6.1.4.1.19376.1.5.3.1.1.21.2.9 +1.3.6.1.4.1.19376.1.7.3.1.1.13.7 code=42545-4@L
section S.171 +1.3.6.1.4.1.19376.1.9.1.2.1 code=57828-6@L ^E.83
section S.205 *1.2.840.10008.9.2 code=55752-0@L id title
section S.206 *1.2.840.10008.9.3 code=55111-9@L id title
section S.207 *1.2.840.10008.9.4 code=18834-2@L id title text
section S.208 *2.16.840.1.113883.10.20.6.1.2 code=59776-5@L id title text
section S.209 *1.2.840.10008.9.5 code=19005-8@L id title text
section S.210 *1.2.840.10008.9.6 code=55107-7@L id title text author/assignedAuthor/assignedPerson/name
section S.211 *1.2.840.10008.9.7 code=55115-0@L id title text
section S.213 +2.16.840.1.113883.10.20.22.2.39 code=11329-0@L id title text
section S.214 +2.16.840.1.113883.10.20.22.2.37 code=55109-3@L id title text
section S.215 *1.2.840.10008.9.8 code=73569-6@L id title text ~E.165
section S.217 +2.16.840.1.113883.10.20.6.1.1 code=121181@D id title text
section S.243 code=55108-5@L ~E.18
entry E.21 *1.3.6.1.4.1.19376.1.3.1
act E.32 *1.3.6.1.4.1.19376.1.5.3.1.4.2 *2.16.840.1.113883.10.20.1.40 code=48767-8@L text/reference status
act E.39 +2.16.840.1.113883.10.20.1.27 +1.3.6.1.4.1.19376.1.5.3.1.4.5.1 +1.3.6.1.4.1.19376.1.5.3.1.4.5.2
  id effectiveTime/low entryRelationship
act E.40 +2.16.840.1.113883.10.20.1.27 +1.3.6.1.4.1.19376.1.5.3.1.4.5.1 +1.3.6.1.4.1.19376.1.5.3.1.4.5.3
  id effectiveTime/low entryRelationship
act E.87 *1.3.6.1.4.1.19376.1.9.1.3.9.1 code=N,G@2.16.840.1.113883.5.1070 status
act E.107 *1.3.6.1.4.1.19376.1.3.1.3
act E.155 *1.2.840.10008.9.16 code=113014@D
act E.156 *1.2.840.10008.9.17 code=113015@D code/qualifier{1} code/qualifier/name=121139@D
organizer E.18 code=55107-7@L id component status ~E.48.18
organizer E.78 *1.3.6.1.4.1.19376.1.3.1.4
organizer E.79 *1.3.6.1.4.1.19376.1.3.1.5
observation E.29 +2.16.840.1.113883.10.20.1.55 +1.3.6.1.4.1.19376.1.5.3.1.4.1 code=SEV@A text/reference status
observation E.30 +2.16.840.1.113883.10.20.1.57 +2.16.840.1.113883.10.20.1.50 +1.3.6.1.4.1.19376.1.5.3.1.4.1.1
  code=33999-4@L text/reference status
observation E.37 +1.3.6.1.4.1.19376.1.5.3.1.4.5
observation E.41 +1.3.6.1.4.1.19376.1.5.3.1.4.5 +2.16.840.1.113883.10.20.1.18 participant?/participantRole
  participant/participantRole?/playingEntity participant/participantRole/playingEntity?/code
  participant/participantRole/playingEntity/code?/originalText
  participant/participantRole/playingEntity/code/originalText?/reference
observation E.48 +1.3.6.1.4.1.19376.1.5.3.1.4.13 id text/reference effectiveTime status code
observation E.48.2 +E.48 code=MED-147@T value{1}
observation E.48.6 +E.48 code=ORG-070@T
observation E.48.7 +E.48 code=ORG-074@T
observation E.48.8 +E.48 code=MED-309@T
observation E.48.9 +E.48 code=MED-142@T
observation E.48.10 +E.48 code=MED-145@T
observation E.48.12 +E.48 code=GEN-179@T value{1}
observation E.48.13 +E.48 code=MED-574@T value{1}
observation E.48.14 +E.48 code=GEN-180@T value{1}
observation E.48.15 +E.48 code=GEN-181@T value{1}
observation E.48.16.1 +E.48 +E.48.16 code=GEN-065@T
observation E.48.18 +E.48 code=69764-9@L id value
observation 1.3.6.1.4.1.19376.1.5.3.1.4.5 +2.16.840.1.113883.10.20.1.28 id{1} code{1} text/reference
  effectiveTime/low value{1} status
observation E.48.34 +E.48
observation E.80 +1.3.6.1.4.1.19376.1.3.1.6 interpretationCode@code
observation E.150 *2.16.840.1.113883.10.20.6.2.13 id{1} code{1} statusCode{1} value{1} targetSiteCode{1}
observation E.154 *2.16.840.1.113883.10.20.6.2.14 id{1} code statusCode{1} value targetSiteCode{1}
  targetSiteCode/originalText?/reference
observation E.157 *1.2.840.10008.9.18 id{1}
procedure E.62 *1.3.6.1.4.1.19376.1.5.3.1.4.19 id code text/reference statusCode
procedure E.77 *1.3.6.1.4.1.19376.1.3.1.2
procedure E.153 *1.2.840.10008.9.14 id{1} targetSiteCode/originalText?/reference
procedure E.165 code=121290@D participant/participantRole/code=113850@D participant/participantRole/playingEntity
substanceAdministration E.42 +2.16.840.1.113883.10.20.1.24 +1.3.6.1.4.1.19376.1.5.3.1.4.7 code=DRUG@A id{1}
  text/reference effectiveTime?/low effectiveTime?/high doseQuantity?/low doseQuantity?/high status
substanceAdministration E.45 +1.3.6.1.4.1.19376.1.5.3.1.4.12
substanceAdministration 1.3.6.1.4.1.19376.1.5.3.1.4.12 +2.16.840.1.113883.10.20.1.24 id{1} text/reference
  effectiveTime{1} status consumable consumable@typeCode ~1.3.6.1.4.1.19376.1.5.3.1.4.7.2
substanceAdministration E.83 +2.16.840.1.113883.10.20.1.24 +1.3.6.1.4.1.19376.1.5.3.1.4.7 +1.3.6.1.4.1.19376.1.9.1.3.2
  code=DRUG@A id{1} text/reference effectiveTime?/low status repeatNumber
  ~E.48.12 ~E.48.13 ~E.48.14 ~E.48.15 ~1.3.6.1.4.1.19376.1.9.1.3.1 doseQuantity?/low doseQuantity?/high
  consumable/manufacturedProduct@classCode consumable/manufacturedProduct/manufacturedMaterial@classCode
  consumable/manufacturedProduct/manufacturedMaterial@determinerCode
substanceAdministration E.151 *1.2.840.10008.9.13 status consumable/manufacturedProduct/manufacturedMaterial/code
  consumable/manufacturedProduct/manufacturedMaterial/name
substanceAdministration E.173 code consumable@typeCode consumable/manufacturedProduct/manufacturedMaterial/code
  consumable/manufacturedProduct/manufacturedMaterial/name
observation E.82 +2.16.840.1.113883.10.20.1.46
observation E.171 +E.48 code=66455-7@L value{1}
observation E.172 +E.48 code=82606-5@L value{1}
observation 2.16.840.1.113883.10.20.1.46 code=30973-2@L statusCode value{1}
observation E.163 code=ASSERTION@A
supply E.20 *2.16.840.1.113883.10.20.1.34 effectiveTime{1} participant/participantRole/playingDevice@classCode
  participant/participantRole/playingDevice@determinerCode
supply E.86 *1.3.6.1.4.1.19376.1.9.1.3.8 independentInd quantity independentInd@value quantity@value
manufacturedProduct E.43 *1.3.6.1.4.1.19376.1.5.3.1.4.7.2 *2.16.840.1.113883.10.20.1.53 manufacturedMaterial/name
  manufacturedMaterial/code
"""
"""One template a line: element, templateId, then what goes with it.

`+OID`: this templateId too; `*OID`: the same, and the other way round; `path=code@system`: a fixed code; `path`: there
is one; `path{1}`: exactly one; `a?/b`: a b if there is an a; `a@x`: the attribute x, if there is an a; `status`:
statusCode is `completed`; `~OID`: that template is inside; `^OID`: every entry has that template. `S.`, `E.`, `@L`…
are shortened.
"""

_SHORT: Final = {"S.": "1.2.250.1.213.1.1.2.", "E.": "1.2.250.1.213.1.1.3."}
_SYSTEMS: Final = {
    "L": "2.16.840.1.113883.6.1",
    "T": "1.2.250.1.213.1.1.4.322",
    "D": "1.2.840.10008.2.16.4",
    "A": "2.16.840.1.113883.5.4",
}
_TOKEN = re.compile(
    r"(?P<with>[+*~^])(?P<oid>\S+)"
    r"|(?P<of>[\w/]+)@(?P<attribute>\w+)(?!\S)"
    r"|(?P<at>[\w/]+)=(?P<codes>\S+)@(?P<system>\S+)"
    r"|(?P<path>[\w/]+\?/\w+|[\w/]+)(?P<once>\{1\})?"
)


@dataclass(slots=True)
class Template:
    """What a line says. companions: the other templateIds; required: path → exactly one; conditional:
    (path, what is under it when it is there); attributes: the same; inside, entries: templateIds; codes:
    path → fixed codes."""

    tag: str
    oid: str
    companions: list[str]
    required: dict[tuple[str, ...], bool]
    conditional: list[tuple[tuple[str, ...], str]]
    attributes: list[tuple[tuple[str, ...], str]]
    inside: list[str]
    entries: list[str]
    codes: dict[tuple[str, ...], tuple[frozenset[str], str]]
    is_completed: bool = False


def _full(oid: str) -> str:
    return _SHORT[oid[:2]] + oid[2:] if oid[:2] in _SHORT else oid


def _path(text: str) -> tuple[str, ...]:
    return tuple(V3 + step for step in text.split("/"))


def _table() -> dict[tuple[str, str], list[Template]]:
    """(tag, templateId) → what it asks."""
    found: dict[tuple[str, str], list[Template]] = {}
    for line in TEMPLATES.replace("\n  ", " ").strip().splitlines():
        tag, oid, rest = (line + " ").split(" ", 2)
        template = Template(V3 + tag, _full(oid), [], {}, [], [], [], [], {})
        keys = [template.oid]
        for token in _TOKEN.finditer(rest):
            if token["with"] == "~":
                template.inside.append(_full(token["oid"]))
            elif token["with"] == "^":
                template.entries.append(_full(token["oid"]))
            elif token["of"]:
                template.attributes.append((_path(token["of"]), token["attribute"]))
            elif token["with"]:
                template.companions.append(_full(token["oid"]))
                if token["with"] == "*":
                    keys.append(template.companions[-1])
            elif token["at"]:
                system = _SYSTEMS.get(token["system"], token["system"])
                template.codes[_path(token["at"])] = (frozenset(token["codes"].split(",")), system)
            elif token["path"] == "status":
                template.is_completed = True
            elif "?" in token["path"]:
                *first, last = _path(token["path"].replace("?", ""))
                template.conditional.append((tuple(first), last))
            else:
                template.required[_path(token["path"])] = bool(token["once"])
        for key in keys:
            found.setdefault((template.tag, key), []).append(template)
    return found


_TABLE: Final = _table()


class _Found(NamedTuple):
    element: etree._Element
    template: Template


@per_document
def _found(view: View) -> list[_Found]:
    """Elements that carry a template of the table, each with what it asks, once."""
    seen: dict[tuple[etree._Element, str], _Found] = {}
    for oid, elements in view.templates.items():
        for element in elements:
            for template in _TABLE.get((str(element.tag), oid), ()):
                seen.setdefault((element, template.oid), _Found(element, template))
    return list(seen.values())


@per_document
def _roots(view: View) -> dict[etree._Element, set[str]]:
    """Element → its templateIds."""
    found: dict[etree._Element, set[str]] = {}
    for oid, elements in view.templates.items():
        for element in elements:
            found.setdefault(element, set()).add(oid)
    return found


def _at(element: etree._Element, path: tuple[str, ...]) -> list[etree._Element]:
    """The elements at a path; at each step but the last, the first one only."""
    for step in path[:-1]:
        below = next(element.iterchildren(step), None)
        if below is None:
            return []
        element = below
    return list(element.iterchildren(path[-1]))


def _named(path: tuple[str, ...]) -> str:
    return "/".join(step.rpartition("}")[2] for step in path)


@rule(
    "CDA_T01",
    "a section or an entry declares every templateId that its model asks for",
    hint="write the templateIds of the CI-SIS model, the international ones and the French one",
    fr="Une rubrique ou une entrée ne déclare pas tous les modèles qu'elle doit suivre.",
)
def _companions(view: View) -> Iterator[Problem]:
    roots = _roots(view)
    for element, template in _found(view):
        for oid in (template.oid, *template.companions):
            if oid not in roots[element]:
                yield element, f"templateId {oid} is missing"


@rule(
    "CDA_T02",
    "the code of a section or of an entry is the one of its model",
    hint="write the code and the code system that the CI-SIS model fixes",
    fr="Le code d'une rubrique ou d'une entrée n'est pas celui de son modèle.",
)
def _codes(view: View) -> Iterator[Problem]:
    for element, template in _found(view):
        for path, (codes, system) in template.codes.items():
            found = _at(element, path)
            if not found:
                yield element, f"{_named(path)} is missing"
            elif found[0].get("code") not in codes or found[0].get("codeSystem") != system:
                yield found[0], f"it is not {' or '.join(sorted(codes))} of {system}"


@rule(
    "CDA_T03",
    "a section or an entry holds what its model asks for, as often as it asks",
    hint="add what is missing, or remove what is there twice",
    fr="Une rubrique ou une entrée est incomplète.",
)
def _contents(view: View) -> Iterator[Problem]:
    for element, template in _found(view):
        for path, once in template.required.items():
            found = _at(element, path)
            if not found:
                yield element, f"{_named(path)} is missing"
            elif once and len(found) > 1:
                yield found[1], "there must be only one"
        for path, last in template.conditional:
            for holder in _at(element, path)[:1]:
                if next(holder.iterchildren(last), None) is None:
                    yield holder, f"{_named((last,))} is missing"
        for path, attribute in template.attributes:
            for holder in _at(element, path)[:1]:
                if attribute not in holder.attrib:
                    yield holder, f"the attribute {attribute} is missing"


@rule(
    "CDA_T05",
    "a section or an entry holds the entries that its model asks for, and no other where it says so",
    hint="add the entry with its templateIds",
    fr="Une entrée obligatoire manque, ou ne déclare pas son modèle.",
)
def _inside(view: View) -> Iterator[Problem]:
    for element, template in _found(view):
        for oid in template.inside:
            if not any(element in held.iterancestors(template.tag) for held in view.templates.get(oid, ())):
                yield element, f"no entry of the template {oid}"
        for oid in template.entries:
            for entry in element.iterchildren(f"{V3}entry"):
                for act in entry.iterchildren(etree.Element):
                    if act.tag != f"{V3}templateId" and all(act is not e for e in view.templates.get(oid, ())):
                        yield act, f"it is not of the template {oid}"


_DOSING = frozenset(f"1.3.6.1.4.1.19376.1.5.3.1.4.{n}" for n in ("7.1", "8", "9", "10", "11"))


@rule(
    "CDA_T06",
    "a treatment says how its doses are given (one dosing mode), and its second time is an operator A",
    hint="declare normal, tapered, split, conditional or combined dosing; write the frequency with operator A",
    fr="Le mode d'administration d'un traitement n'est pas déclaré.",
)
def _dosing(view: View) -> Iterator[Problem]:
    for element, template in _found(view):
        if template.oid not in _MEDICATIONS:
            continue
        if _DOSING.isdisjoint(_roots(view)[element]):
            yield element, "no templateId of a dosing mode"
        for time in list(element.iterchildren(f"{V3}effectiveTime"))[1:]:
            if time.get("operator") != "A":
                yield time, "the operator is not A"


_MEDICATIONS = (_full("E.42"), _full("E.83"))


@rule(
    "CDA_T04",
    "the status of an entry whose model fixes it is `completed`",
    hint='write <statusCode code="completed"/>',
    fr="Le statut d'une entrée n'est pas « completed ».",
)
def _status(view: View) -> Iterator[Problem]:
    for element, template in _found(view):
        if template.is_completed:
            status = next(element.iterchildren(f"{V3}statusCode"), None)
            if status is None or status.get("code") != "completed":
                yield (element if status is None else status), "the status is not completed"
