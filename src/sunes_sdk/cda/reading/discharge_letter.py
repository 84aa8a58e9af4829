"""LDL-SES back into `DischargeLetter`."""

from __future__ import annotations

from typing import Any, Final

from lxml import etree

from ..._core.errors import ModelError
from ...model import Actor
from ..datatypes_reader import code_of, find, path_of, value_of
from ..documents.discharge_letter import DischargeLetter, Synthesis
from ..documents.treatments import Treatment
from ..header import HeaderParticipant
from ..header_reader import party_of
from ..header_writer import Author
from .attachments import read_medical_devices
from .clinical import read_allergies, read_care_plan
from .entries import XSI_TYPE, Body, code_of_statement, lines_of, partial_date, statements
from .notes import Notes, not_typed
from .people import People
from .treatments import read_treatments

REASON = "1.2.250.1.213.1.1.2.127"
_STATUS, _SYNTHESIS = "1.2.250.1.213.1.1.2.35", "1.2.250.1.213.1.1.2.163"
_ADMINISTERED, _DISCHARGE = "1.2.250.1.213.1.1.2.145", "1.2.250.1.213.1.1.2.146"
_EXAMS = "1.2.250.1.213.1.1.2.150"
_FIELDS: Final = {
    "ORG-070": "entry_mode", "ORG-074": "exit_mode", "MED-142": "medical_summary", "MED-309": "mdro_search",
    "MED-144": "mdro_identification", "MED-143": "adverse_events", "MED-145": "transfusion",
    "MED-146": "transfusion_accidents", "MED-147": "blood_derivatives", "MED-148": "blood_derivative_events",
}  # fmt: skip
"""Code of the observation → field of `Synthesis`."""


def read_discharge_letter(root: etree._Element, people: People, notes: Notes) -> DischargeLetter:
    body = Body(root, notes)
    people.done_by_author = people.header.encounter.responsible is None
    reason = body.text(REASON)
    if reason is None:
        raise not_typed("no reason for the stay", f"section {REASON}")
    administered = body.section(_ADMINISTERED)
    values: dict[str, Any] = {
        "reason": reason,
        "synthesis": _synthesis(body, people),
        "discharge_treatments": read_needed_treatments(body, _DISCHARGE, "the treatments at discharge"),
        "administered_treatments": read_treatments(body, administered)[0] if administered is not None else (),
        "exam_results": body.text(_EXAMS),
        "care_plan": tuple(read_care_plan(body, people)),
        "treating_physician": treating_physician(people),
        "devices": tuple(read_medical_devices(body)),
        "pdf_copy": body.pdf_copy(),
    }
    values |= read_allergies(body)
    status = _status(body)
    if status:
        values["status"] = status
    else:
        notes.leave("the status of the document", f"section {_STATUS}", "it is not said, approved stands for it")
    return DischargeLetter(**values | people.shared(default_title=DischargeLetter.default_title))


def treating_physician(people: People) -> Actor | None:
    """The participant INF with the function PCP."""
    for participant in people.participants:
        function = participant.party.function
        if participant.type_code == "INF" and function and function.code == "PCP" and not _timed(participant):
            try:
                found = people.actor(participant.party)
            except ModelError:
                continue  # `shared` says why
            people.participants.remove(participant)
            return found.model_copy(update={"function": None})
    return None


def _timed(participant: HeaderParticipant) -> bool:
    return bool(participant.start or participant.stop)


def _status(body: Body) -> str | None:
    section = body.section(_STATUS)
    for observation in statements(section, "observation") if section is not None else ():
        value = code_of(find(observation, "value"))
        if value:
            body.notes.take(observation, "effectiveTime", "value")
            return value.code
    return None


def _synthesis(body: Body, people: People) -> Synthesis:
    section = body.section(_SYNTHESIS)
    if section is None:
        raise not_typed("no medical synthesis", f"section {_SYNTHESIS}")
    values: dict[str, Any] = {}
    taken = []
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
        time = find(observation, "effectiveTime")
        if name == "mdro_search" and value_of(time) != people.header.effective_time:
            values["mdro_search_date"] = partial_date(time, body.notes)
        body.notes.take(observation, "effectiveTime", "value", "author")
        taken.append(observation)
    values["author"] = _said_by(body, people, taken)
    try:
        return Synthesis(**values)
    except ModelError as e:
        raise not_typed(f"the medical synthesis: {e.message}", e.path, e) from None


def _said_by(body: Body, people: People, observations: list[etree._Element]) -> Actor | None:
    """Who says all of it, when that is one professional."""
    authors = [find(o, "author") for o in observations]
    parties = [party_of(a, "assignedAuthor") for a in authors]
    named = [a for a in authors if a is not None]
    who: Author | None = None
    try:
        if named and all(p == parties[0] for p in parties):
            who = people.author(parties[0])
    except ModelError:
        pass  # noted below
    if isinstance(who, Actor):
        return who
    for author in named:
        body.notes.leave("who says a part of the synthesis", path_of(author))
    return None


def read_needed_treatments(body: Body, name: str, what: str) -> tuple[Treatment, ...]:
    """The treatments of a section that must say something. Raises CdaError `CDA_NOT_TYPED`."""
    section = body.section(name)
    treatments, says = read_treatments(body, section) if section is not None else ((), False)
    if not says:
        # An empty tuple would say that the patient has no treatment at all.
        raise not_typed(f"{what} are not coded", f"section {name}")
    return treatments
