"""Rules of the admission letter (LDL-EES 2022.01)."""

from __future__ import annotations

from collections.abc import Iterator

from ..._core.findings import Severity
from ..datatypes_reader import find, findall, text_of
from .clinical import missing_sections, repeated_sections
from .engine import Problem, RuleSet, View, is_not_of

LDL_EES = "CI-SIS volet LDL-EES 2022.01"
ADMISSION_LETTER = RuleSet(LDL_EES, held=True)
rule = ADMISSION_LETTER.rule

_TEMPLATE = "1.2.250.1.213.1.1.1.21"
_TYPE = "18761-7"
_TITLE = "Lettre de liaison à l'entrée en établissement de santé"
_TREATMENTS = "1.3.6.1.4.1.19376.1.5.3.1.3.20"
_ALLERGIES = "1.3.6.1.4.1.19376.1.5.3.1.3.13"
_MEDICAL_HISTORY = "1.3.6.1.4.1.19376.1.5.3.1.3.8"
_SURGICAL_HISTORY = "1.3.6.1.4.1.19376.1.5.3.1.3.12"
_SECTIONS = {
    "1.3.6.1.4.1.19376.1.5.3.1.3.1": "motif d'hospitalisation",
    _TREATMENTS: "traitements à l'admission",
    _ALLERGIES: "allergies et hypersensibilités",
    "1.3.6.1.4.1.19376.1.4.1.2.16": "autres informations (commentaire)",
}


_is_another = is_not_of(_TEMPLATE)


def _applies(view: View) -> bool:
    return _TEMPLATE in view.header_templates


@rule(
    "CDA_A00",
    "a structured letter of type 18761-7 that holds the treatments at admission carries the templateId of its volet, "
    "without which no official rule fires",
    hint=f"write templateId {_TEMPLATE} extension 2022.01",
    kit_is_silent=True,
)
def _template(view: View) -> Iterator[Problem]:
    # Other documents share the type (note de transfert): the section says that it is this letter.
    if view.type_code == _TYPE and view.sections(_TREATMENTS) and not _applies(view):
        yield "templateId", f"{_TEMPLATE} is missing"


@rule(
    "CDA_A01", "the type is 18761-7, the act is the hospitalisation (IMP) and has its time", hint="use AdmissionLetter"
)
def _header(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    if view.type_code != _TYPE:
        yield "code", f"the type is not {_TYPE}"
    for documentation in view.children("documentationOf")[:1]:
        code = find(documentation, "serviceEvent", "code")
        if code is None or code.get("code") != "IMP":
            yield documentation, "the act is not IMP"
        if find(documentation, "serviceEvent", "effectiveTime") is None:
            yield documentation, "effectiveTime is missing"


@rule(
    "CDA_A02",
    "reason, treatments at admission, allergies and further information are all there",
    hint="give the missing section",
    fr="Une section obligatoire de la lettre de liaison est absente.",
)
def _sections(view: View) -> Iterator[Problem]:
    if _applies(view):
        yield from missing_sections(view, _SECTIONS)


@rule(
    "CDA_A03",
    "the treatments at admission hold at least one treatment entry, be it to say that there is none",
    hint="give the treatments, or an empty tuple",
)
def _treatments(view: View) -> Iterator[Problem]:
    if _applies(view):
        for section in view.sections(_TREATMENTS):
            if not any(find(e, "substanceAdministration") is not None for e in findall(section, "entry")):
                yield section, "there is no treatment entry"


@rule(
    "CDA_A04",
    f"the title is « {_TITLE} »",
    hint="leave the title out",
    severity=Severity.WARNING,
    source=f"{LDL_EES}, official example",
    kit_is_silent=True,
    held=lambda document: document.header.title == _TITLE or _is_another(document),
)
def _title(view: View) -> Iterator[Problem]:
    if _applies(view):
        for title in view.children("title")[:1]:
            if text_of(title) != _TITLE:
                yield title, "the title is another"


@rule(
    "CDA_A05",
    "each section of the letter is there once",
    hint="put all entries in one section",
    kit_is_silent=True,
)
def _once(view: View) -> Iterator[Problem]:
    if _applies(view):
        yield from repeated_sections(view, *_SECTIONS, _MEDICAL_HISTORY, _SURGICAL_HISTORY)


@rule(
    "CDA_A06",
    "the allergies and the histories hold one entry at least",
    hint="leave an empty history out; allergies say in an entry that none is known",
)
def _entries(view: View) -> Iterator[Problem]:
    if _applies(view):
        for template in (_ALLERGIES, _MEDICAL_HISTORY, _SURGICAL_HISTORY):
            for section in view.sections(template):
                if find(section, "entry") is None:
                    yield section, "there is no entry"
