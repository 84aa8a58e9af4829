"""The reason of an examination and earlier vaccinations back into `ExaminationReason` and `Vaccination`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

from ..._core.errors import ModelError
from ..datatypes_reader import code_of, find, path_of
from ..documents.clinical import Problem
from ..documents.laboratory_context import ExaminationReason, Vaccination, VaccinationKind
from ..documents.treatments import Medicine
from ..envelope import V3
from .clinical import attempt, kind_of, read_problem
from .entries import Body, code_of_statement, decimal, has_template, lines_of, partial_date, related, row_of, statements
from .treatments import read_medicine

_REASON, _VACCINATIONS = "1.2.250.1.213.1.1.2.128", "1.2.250.1.213.1.1.2.147"
_SAID, _RANK = "42349-1", "30973-2"
_PROBLEM, _COMMENT = "1.2.250.1.213.1.1.3.37", "1.2.250.1.213.1.1.3.32"
_MOST_DOSES: Final = 1000


def read_reason(body: Body) -> ExaminationReason | None:
    """*Contexte de l'examen*."""
    section = body.section(_REASON)
    if section is None:
        return None
    reason: Any = ""
    said: list[etree._Element] = []
    problems: list[Problem] = []
    for observation in statements(section, "observation"):
        if has_template(observation, _PROBLEM):
            problems += attempt(body, "a problem", lambda o: read_problem(body, o, Problem), observation)
        elif code_of_statement(observation) == _SAID and not said:
            value = find(observation, "value")
            reason = code_of(value) or body.said(find(value, "originalText")) or body.said(find(observation, "text"))
            said.append(observation)
    try:
        found = ExaminationReason(reason=reason, problems=tuple(problems))
    except ModelError as e:
        body.notes.leave("the reason of the examination", path_of(section), e.message)
        return None
    for observation in said:
        body.notes.take(observation, "effectiveTime", "value")
    return found


def read_vaccinations(body: Body) -> Iterator[Vaccination]:
    """*Historique des vaccinations*: one that is denied was not given."""
    section = body.section(_VACCINATIONS)
    for entry in section.iterchildren(f"{V3}entry") if section is not None else ():
        for statement in entry.iterchildren(f"{V3}substanceAdministration"):
            yield from attempt(body, "a vaccination", lambda s: _vaccination(body, s), statement)


def _vaccination(body: Body, statement: etree._Element) -> Vaccination:
    material = find(statement, "consumable", "manufacturedProduct", "manufacturedMaterial")
    lot = find(material, "lotNumberText")
    row = body.around(body.place(find(statement, "text")))
    kind: Any = kind_of(body, statement, VaccinationKind.UNSPECIFIED)
    values: dict[str, Any] = {
        "vaccine": Medicine(**read_medicine(body, statement)),
        "given": statement.get("negationInd") not in ("true", "1"),
        "on": partial_date(find(statement, "effectiveTime"), body.notes),
        "kind": kind,
        "lot": lines_of(lot) or None if lot is not None else None,
        "comment": row.get("Commentaire"),
    }
    taken = []
    for inner in related(statement, "observation", "act"):
        rank = decimal(find(inner, "value"))
        if code_of_statement(inner) == _RANK and rank is not None and rank == int(rank) < _MOST_DOSES:
            values["rank"] = int(rank)
        elif has_template(inner, _COMMENT):
            values["comment"] = values["comment"] or _comment(body, find(inner, "text"))
        else:
            continue
        taken.append(inner)
    found = Vaccination(**values)
    body.notes.take(statement, "effectiveTime", "consumable")
    for inner in taken:
        body.notes.take(inner, "value")
    return found


def _comment(body: Body, text: etree._Element | None) -> str | None:
    """The comment that a text holds or points at, in the row of a table too."""
    place = body.place(text)
    return body.around(place).get("Commentaire") if row_of(place) is not None else body.said(text) or None
