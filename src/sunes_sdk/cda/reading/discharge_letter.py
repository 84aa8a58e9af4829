"""LDL-SES back into `DischargeLetter`: status, reason, synthesis, treatments, results, allergies, PDF copy."""

from __future__ import annotations

from typing import Any, Final

from lxml import etree

from ..._core.errors import ModelError
from ...model import Actor
from ..datatypes_reader import code_of, find, path_of, value_of
from ..documents.clinical import Allergy, NoAllergy, Reaction
from ..documents.discharge_letter import DischargeLetter, Synthesis
from ..envelope import V3
from .attachments import partial_date, read_medical_devices
from .entries import XSI_TYPE, Body, code_of_statement, lines_of, related, statements
from .notes import Notes, not_typed
from .people import People
from .treatments import read_treatments

_STATUS, _REASON, _SYNTHESIS = "1.2.250.1.213.1.1.2.35", "1.2.250.1.213.1.1.2.127", "1.2.250.1.213.1.1.2.163"
_ADMINISTERED, _DISCHARGE = "1.2.250.1.213.1.1.2.145", "1.2.250.1.213.1.1.2.146"
_EXAMS, _ALLERGIES = "1.2.250.1.213.1.1.2.150", "1.2.250.1.213.1.1.2.137"
_ALLERGY: Final = "1.3.6.1.4.1.19376.1.5.3.1.4.6"
_FIELDS: Final = {
    "ORG-070": "entry_mode", "ORG-074": "exit_mode", "MED-142": "medical_summary", "MED-309": "mdro_search",
    "MED-144": "mdro_identification", "MED-143": "adverse_events", "MED-145": "transfusion",
    "MED-146": "transfusion_accidents", "MED-147": "blood_derivatives", "MED-148": "blood_derivative_events",
}  # fmt: skip
"""Code of the observation → field of `Synthesis`."""
_DETAILS: Final = {
    "SEV": "severity", "33999-4": "status", "82606-5": "criticality", "66455-7": "certainty", "48767-8": "comment",
}  # fmt: skip


def read_discharge_letter(root: etree._Element, people: People, notes: Notes) -> DischargeLetter:
    body = Body(root, notes)
    reason = body.text(_REASON)
    if reason is None:
        raise not_typed("no reason for the stay", f"section {_REASON}")
    values: dict[str, Any] = {
        "reason": reason,
        "synthesis": _synthesis(body),
        "discharge_treatments": _treatments(body, _DISCHARGE, needed=True),
        "administered_treatments": _treatments(body, _ADMINISTERED),
        "exam_results": body.text(_EXAMS),
        "treating_physician": treating_physician(people),
        "devices": tuple(read_medical_devices(body)),
        "pdf_copy": body.pdf_copy(),
    }
    values |= _allergies(body)
    status = _status(body)
    if status:
        values["status"] = status
    return DischargeLetter(**values | people.shared(default_title=DischargeLetter.default_title))


def treating_physician(people: People) -> Actor | None:
    """The participant INF with the function PCP."""
    for participant in people.participants:
        function = participant.party.function
        if participant.type_code == "INF" and function and function.code == "PCP" and not participant.start:
            try:
                found = people.actor(participant.party)
            except ModelError:
                continue  # `shared` says why
            people.participants.remove(participant)
            return found.model_copy(update={"function": None})
    return None


def _status(body: Body) -> str | None:
    section = body.section(_STATUS)
    for observation in statements(section, "observation") if section is not None else ():
        value = code_of(find(observation, "value"))
        if value:
            body.notes.take(observation, "effectiveTime", "value")
            return value.code
    return None


def _synthesis(body: Body) -> Synthesis:
    section = body.section(_SYNTHESIS)
    if section is None:
        raise not_typed("no medical synthesis", f"section {_SYNTHESIS}")
    values: dict[str, Any] = {}
    for observation in statements(section, "observation"):
        name = _FIELDS.get(code_of_statement(observation))
        value = find(observation, "value")
        if name is None or value is None or name in values or value.get("nullFlavor") is not None:
            continue
        kind = value.get(XSI_TYPE)
        if kind in ("CE", "CD"):
            values[name] = value.get("code")
        elif kind == "BL":
            if value_of(value) not in ("true", "false"):
                continue  # not said: neither yes nor no
            values[name] = value_of(value) == "true"
        else:
            values[name] = lines_of(value) or body.said(value)
        body.notes.take(observation, "effectiveTime", "value")
    try:
        return Synthesis(**values)
    except ModelError as e:
        raise not_typed(f"the medical synthesis: {e.message}", e.path, e) from None


def _treatments(body: Body, name: str, *, needed: bool = False) -> Any:
    section = body.section(name)
    treatments, says = read_treatments(body, section) if section is not None else ((), False)
    if needed and not says:
        # An empty tuple would say that the patient leaves without any treatment.
        raise not_typed("the treatments at discharge are not coded", f"section {name}")
    return treatments


def _allergies(body: Body) -> dict[str, Any]:
    section = body.section(_ALLERGIES)
    if section is None:
        return {"allergies": None}
    found: list[Allergy] = []
    absent: list[etree._Element] = []
    for concern in statements(section, "act"):
        body.notes.take(concern, "effectiveTime")
        for observation in related(concern, "observation"):
            value = code_of(find(observation, "value"))
            if value and value.code in set(NoAllergy):
                absent.append(observation)
                continue
            try:
                found.append(_allergy(body, observation))
            except ModelError as e:
                body.notes.leave("an allergy", path_of(observation), e.message)
    for observation in absent[1 if not found else 0 :]:
        body.notes.leave("an absence of allergy", path_of(observation), "the model says one, without allergies")
    if found:
        return {"allergies": tuple(found)}
    if absent:
        body.notes.take(absent[0], "effectiveTime", "value")
        value = code_of(find(absent[0], "value"))
        return {"allergies": (), "no_allergy": NoAllergy(value.code if value else "")}
    body.notes.leave("the allergies", path_of(section), "they are not coded: None does not mean that there is none")
    return {"allergies": None}


def _allergy(body: Body, observation: etree._Element) -> Allergy:
    kind = find(observation, "code")
    agent = find(observation, "participant", "participantRole", "playingEntity")
    substance = body.said(find(observation, "text"))
    named = find(agent, "name")
    described = body.said(find(observation, "value", "originalText"))
    period = find(observation, "effectiveTime")
    values: dict[str, Any] = {
        "substance": lines_of(named) if named is not None else substance or described,
        "substance_code": code_of(find(agent, "code")),
        "since": partial_date(find(period, "low")),
        "until": partial_date(find(period, "high")),
    }
    if described and described != values["substance"].strip():
        values["description"] = described
    if kind is not None and kind.get("code"):
        values["kind"] = kind.get("code")
    taken = _details(body, observation, values)
    reactions = []
    for relationship in observation.iterchildren(f"{V3}entryRelationship"):
        if relationship.get("typeCode") == "MFST":
            for inner in relationship.iterchildren(f"{V3}observation"):
                try:
                    reactions.append(_reaction(body, inner))
                except ModelError as e:
                    body.notes.leave("a reaction", path_of(inner), e.message)
    allergy = Allergy(**values, reactions=tuple(reactions))
    body.notes.take(observation, "effectiveTime", "value", "participant")
    for inner in taken:
        body.notes.take(inner, "effectiveTime", "value")
    return allergy


def _reaction(body: Body, observation: etree._Element) -> Reaction:
    kind = find(observation, "code")
    period = find(observation, "effectiveTime")
    values: dict[str, Any] = {
        "description": body.said(find(observation, "text")),
        "code": code_of(find(observation, "value")),
        "start": partial_date(find(period, "low")),
        "end": partial_date(find(period, "high")),
    }
    if kind is not None and kind.get("code"):
        values["kind"] = kind.get("code")
    taken = _details(body, observation, values)
    reaction = Reaction(**values)
    body.notes.take(observation, "effectiveTime", "value")
    for inner in taken:
        body.notes.take(inner, "effectiveTime", "value")
    return reaction


def _details(body: Body, observation: etree._Element, values: dict[str, Any]) -> list[etree._Element]:
    """Severity, status, criticality, certainty and comment of an observation; the statements that say them."""
    taken = []
    for inner in related(observation, "observation", "act"):
        name = _DETAILS.get(code_of_statement(inner), "")
        if name == "comment":
            values[name] = body.said(find(inner, "text"))
        elif name and (value := code_of(find(inner, "value"))):
            values[name] = value.code
        else:
            continue
        taken.append(inner)
    return taken
