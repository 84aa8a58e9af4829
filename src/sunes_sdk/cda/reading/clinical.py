"""What letters say of a patient back into models: allergies, problems, procedures, what is to be done next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from lxml import etree

from ..._core.errors import ModelError
from ...model import Actor
from ..datatypes_reader import code_of, find, path_of
from ..documents.clinical import (
    CALL_BACK,
    FOLLOW_UP,
    Allergy,
    AllergyKind,
    Appointment,
    CarePlanItem,
    FollowUp,
    NoAllergy,
    Problem,
    ProblemKind,
    Procedure,
    Reaction,
)
from ..header_reader import party_of
from .entries import Body, code_of_statement, day_or_instant, has_template, lines_of, partial_date, related, statements
from .people import People

_ALLERGIES: Final = "1.2.250.1.213.1.1.2.137"
_MEDICAL_HISTORY, _SURGICAL_HISTORY = "1.2.250.1.213.1.1.2.134", "1.2.250.1.213.1.1.2.136"
_CARE_PLAN: Final = "1.2.250.1.213.1.1.2.158"
_COMMENT: Final = "1.2.250.1.213.1.1.3.32"
_DETAILS: Final = {
    "SEV": "severity", "33999-4": "status", "82606-5": "criticality", "66455-7": "certainty", "48767-8": "comment",
}  # fmt: skip
"""Code of the observation that says it → field."""
_M = TypeVar("_M")


def attempt(body: Body, what: str, read: Callable[[etree._Element], _M], element: etree._Element) -> Iterator[_M]:
    """The model of a statement; what its model refuses is noted."""
    try:
        yield read(element)
    except ModelError as e:
        body.notes.leave(what, path_of(element), e.message)


# Allergies. ---------------------------------------------------------------------------------------------------------


def read_allergies(body: Body) -> dict[str, Any]:
    """`allergies` and `no_allergy`: `allergies` is None when the document does not say."""
    section = body.section(_ALLERGIES)
    if section is None:
        return {"allergies": None}
    found: list[Allergy] = []
    absent: list[etree._Element] = []
    count = 0
    for concern in statements(section, "act"):
        body.notes.take(concern, "effectiveTime")
        for observation in related(concern, "observation"):
            count += 1
            value = code_of(find(observation, "value"))
            if value and value.code in set(NoAllergy):
                absent.append(observation)
            else:
                found += attempt(body, "an allergy", lambda o: _allergy(body, o), observation)
    alone = bool(absent) and count == len(absent)  # none is absent beside one that could not be read
    for observation in absent[1 if alone else 0 :]:
        body.notes.leave("an absence of allergy", path_of(observation), "the model says one, without allergies")
    if found:
        return {"allergies": tuple(found)}
    if alone:
        body.notes.take(absent[0], "effectiveTime", "value")
        value = code_of(find(absent[0], "value"))
        return {"allergies": (), "no_allergy": NoAllergy(value.code if value else "")}
    body.notes.leave("the allergies", path_of(section), "they are not coded: None does not mean that there is none")
    return {"allergies": None}


def _allergy(body: Body, observation: etree._Element) -> Allergy:
    agent = find(observation, "participant", "participantRole", "playingEntity")
    substance = body.said(find(observation, "text"))
    named = find(agent, "name")
    described = body.said(find(observation, "value", "originalText"))
    period = find(observation, "effectiveTime")
    values: dict[str, Any] = {
        "substance": lines_of(named) if named is not None else substance or described,
        "substance_code": code_of(find(agent, "code")),
        "kind": kind_of(body, observation, AllergyKind.ADVERSE_PROPENSITY),
        "since": partial_date(find(period, "low"), body.notes),
        "until": partial_date(find(period, "high"), body.notes),
    }
    if described and described != values["substance"].strip():
        values["description"] = described
    taken = _details(body, observation, values)
    reactions: list[Reaction] = []
    for inner in related(observation, "observation", type_code="MFST"):
        reactions += attempt(body, "a reaction", lambda o: read_problem(body, o, Reaction), inner)
    allergy = Allergy(**values, reactions=tuple(reactions))
    _take(body, observation, taken, "participant")
    return allergy


def kind_of(body: Body, observation: etree._Element, widest: str) -> str:
    """The code of what an observation is about; when it is not said, the widest one, with a note."""
    code = code_of_statement(observation)
    if not code:
        body.notes.leave("its kind", path_of(observation), f"it is not said, {widest} (the widest) stands for it")
    return code or widest


def _details(body: Body, observation: etree._Element, values: dict[str, Any]) -> list[etree._Element]:
    """Severity, status, criticality, certainty and comment of an observation; the statements that say them."""
    taken = []
    for inner in related(observation, "observation", "act"):
        name = _DETAILS.get(code_of_statement(inner), "")
        if name in values:
            continue
        if name == "comment":
            values[name] = body.said(find(inner, "text"))
        elif name and (value := code_of(find(inner, "value"))):
            values[name] = value.code
        else:
            continue
        taken.append(inner)
    return taken


def _take(body: Body, observation: etree._Element, details: list[etree._Element], *more: str) -> None:
    body.notes.take(observation, "effectiveTime", "value", *more)
    for inner in details:
        body.notes.take(inner, "effectiveTime", "value")


# Problems. ----------------------------------------------------------------------------------------------------------


def read_medical_history(body: Body) -> Iterator[Problem]:
    """*FR-Antecedents-medicaux*."""
    section = body.section(_MEDICAL_HISTORY)
    for concern in statements(section, "act") if section is not None else ():
        body.notes.take(concern, "effectiveTime")
        for observation in related(concern, "observation"):
            yield from attempt(body, "a problem", lambda o: read_problem(body, o, Problem), observation)


_O = TypeVar("_O", Problem, Reaction)


def read_problem(body: Body, observation: etree._Element, model: type[_O]) -> _O:
    """FR-Probleme: of the patient, or the reaction of an allergy."""
    period = find(observation, "effectiveTime")
    value = find(observation, "value")
    values: dict[str, Any] = {
        "description": body.said(find(observation, "text")) or body.said(find(value, "originalText")),
        "code": code_of(value),
        "kind": kind_of(body, observation, ProblemKind.PROBLEM),
        "start": partial_date(find(period, "low"), body.notes),
        "end": partial_date(find(period, "high"), body.notes),
    }
    taken = _details(body, observation, values)
    found = model(**values)
    _take(body, observation, taken)
    return found


# Procedures and what is to be done. ---------------------------------------------------------------------------------


def read_surgical_history(body: Body) -> Iterator[Procedure]:
    """*FR-Antecedents-chirurgicaux*: acts that were done."""
    section = body.section(_SURGICAL_HISTORY)
    for procedure in statements(section, "procedure") if section is not None else ():
        if procedure.get("moodCode") == "EVN":
            yield from attempt(body, "an act", lambda p: _procedure(body, p), procedure)


def read_care_plan(body: Body, people: People) -> Iterator[CarePlanItem]:
    """*FR-Plan-de-soins*: what is to be done. What was done already has no place in it."""
    section = body.section(_CARE_PLAN)
    if section is None:
        return
    for procedure in statements(section, "procedure"):
        if procedure.get("moodCode") == "INT":
            yield from attempt(body, "an act to do", lambda p: _procedure(body, p), procedure)
    for request in statements(section, "observation"):
        yield from attempt(body, "a request", lambda o: _follow_up(body, o), request)
    for encounter in statements(section, "encounter"):
        yield from attempt(body, "an appointment", lambda e: _appointment(body, people, e), encounter)


def _told(body: Body, text: etree._Element | None, heading: str) -> tuple[str, dict[str, str]]:
    """What a statement is about, by its text or original text, and the row of our own tables that says it."""
    row = body.around(body.place(text))
    return row.get(heading) or body.said(text), row if heading in row else {}


def _procedure(body: Body, procedure: etree._Element) -> Procedure:
    code = find(procedure, "code")
    name, row = _told(body, find(procedure, "text"), "Acte")
    if not name:
        name, row = _told(body, find(code, "originalText"), "Acte")
    coded = code_of(code)
    start, end = _period(body, find(procedure, "effectiveTime"))
    comment, taken = row.get("Commentaire"), []
    for inner in related(procedure, "act"):
        if has_template(inner, _COMMENT) and (comment or not row):
            comment = comment or body.said(find(inner, "text"))
            taken.append(inner)
    found = Procedure(
        name=name or (coded.display if coded else ""),
        code=coded,
        start=start,
        end=end,
        priority=_code_value(find(procedure, "priorityCode")),
        site=code_of(find(procedure, "targetSiteCode")),
        comment=comment,
    )
    body.notes.take(procedure, "effectiveTime", "priorityCode", "targetSiteCode")
    for inner in taken:
        body.notes.take(inner)
    return found


def _period(body: Body, time: etree._Element | None) -> tuple[Any, Any]:
    """low and high; one value alone is a start."""
    low = find(time, "low")
    return partial_date(low if low is not None else time, body.notes), partial_date(find(time, "high"), body.notes)


def _code_value(element: etree._Element | None) -> Any:
    code = code_of(element)
    return code.code if code else None


def _follow_up(body: Body, observation: etree._Element) -> FollowUp:
    text, _ = _told(body, find(observation, "text"), "Demande d'examen ou de suivi")
    code, value = code_of(find(observation, "code")), find(observation, "value")
    intent: Any = observation.get("moodCode") or ""
    found = FollowUp(
        text=text or (lines_of(value) if value is not None else ""),
        code=None if code and code.code == FOLLOW_UP else code,
        due=partial_date(find(observation, "effectiveTime"), body.notes),
        intent=intent,
    )
    body.notes.take(observation, "effectiveTime", "value")
    return found


def _appointment(body: Body, people: People, encounter: etree._Element) -> Appointment:
    text, _ = _told(body, find(encounter, "text"), "Consultation")
    performer = find(encounter, "performer")
    practitioner: Actor | None = None
    if performer is not None:
        practitioner = next(
            attempt(body, "who gives an appointment", lambda p: people.actor(party_of(p)), performer), None
        )
    priority = _code_value(find(encounter, "priorityCode"))
    found = Appointment(
        text=text,
        kind=_code_value(find(encounter, "code")) or "",
        at=day_or_instant(find(encounter, "effectiveTime"), body.notes),
        call_back=priority == CALL_BACK,
        practitioner=practitioner,
    )
    reads = (
        ("effectiveTime", "performer")
        if priority not in (None, CALL_BACK)
        else ("effectiveTime", "performer", "priorityCode")
    )
    body.notes.take(encounter, *reads)
    return found
