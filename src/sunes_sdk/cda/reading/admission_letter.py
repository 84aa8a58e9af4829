"""LDL-EES back into `AdmissionLetter`."""

from __future__ import annotations

from typing import Any, Final

from lxml import etree

from ..._core.errors import ModelError
from ...model import Actor
from ..documents.admission_letter import AdmissionLetter
from .clinical import read_allergies, read_medical_history, read_surgical_history
from .discharge_letter import REASON, read_needed_treatments, treating_physician
from .entries import Body
from .notes import Notes, not_typed
from .people import People
from .prescription import COMMENT

_TREATMENTS: Final = "1.2.250.1.213.1.1.2.144"
_ALLERGIES: Final = "1.2.250.1.213.1.1.2.137"


def read_admission_letter(root: etree._Element, people: People, notes: Notes) -> AdmissionLetter:
    body = Body(root, notes)
    people.done_by_author = people.header.encounter.responsible is None
    values: dict[str, Any] = {
        "reason": body.text(REASON),
        "treatments": read_needed_treatments(body, _TREATMENTS, "the treatments at admission"),
        "medical_history": tuple(read_medical_history(body)),
        "surgical_history": tuple(read_surgical_history(body)),
        "further_information": body.text(COMMENT),
        "referrer": _referrer(people),
        "treating_physician": treating_physician(people),
        "pdf_copy": body.pdf_copy(),
    } | read_allergies(body)
    if values["allergies"] is None:
        # An empty tuple would say that the patient has none.
        raise not_typed("the allergies are not coded", f"section {_ALLERGIES}")
    return AdmissionLetter(**values | people.shared(default_title=AdmissionLetter.default_title))


def _referrer(people: People) -> Actor | None:
    """The participant REFB, since the time of writing or no time."""
    for participant in people.participants:
        since = participant.start in ("", people.header.effective_time) and not participant.stop
        if participant.type_code == "REFB" and participant.class_code == "PROV" and since:
            try:
                found = people.actor(participant.party)
            except ModelError:
                continue  # `shared` says why
            people.participants.remove(participant)
            return found
    return None
