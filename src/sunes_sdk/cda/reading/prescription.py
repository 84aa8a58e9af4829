"""eP-MED-DM back into `MedicationPrescription`."""

from __future__ import annotations

from typing import Any

from lxml import etree

from ..._core.errors import ModelError
from ...model import Actor
from ..documents.prescription import DISCHARGE_TITLE, EPU_ROOT, MedicationPrescription, PrescriptionFlag
from .entries import Body, file_of, statements
from .notes import Notes, not_typed
from .people import People, instant, instant_or_none
from .treatments import read_devices, read_prescribed
from .vital_signs import read_pregnancy, read_vital_signs

_BARCODE, _MEDICINES, _DEVICES = "1.2.250.1.213.1.1.2.223", "1.2.250.1.213.1.1.2.171", "1.2.250.1.213.1.1.2.222"
COMMENT = "1.2.250.1.213.1.1.2.73"
_FLAGS = frozenset(flag.value for flag in PrescriptionFlag)


def read_prescription(root: etree._Element, people: People, notes: Notes) -> MedicationPrescription:
    body = Body(root, notes)
    people.done_by_author = True
    header = people.header
    if not people.events:
        raise not_typed("no validity", "documentationOf")
    principal = people.events[0]
    values: dict[str, Any] = {
        "valid_until": instant(principal.stop, "documentationOf/serviceEvent/effectiveTime/high", notes),
        "valid_from": instant_or_none(principal.start, "documentationOf/serviceEvent/effectiveTime/low", notes),
        "epu": next((i.extension for i in principal.ids if i.root == EPU_ROOT), None),
        "flags": frozenset(_flags(people)),
        "version": next((t.extension for t in header.template_ids if t.root == _TEMPLATE.root), ""),
        "discharge": header.title == DISCHARGE_PRESCRIPTION,
        "comment": body.text(COMMENT),
        "vital_signs": tuple(read_vital_signs(body)),
        "pregnancy": read_pregnancy(body, header.effective_time),
        "pdf_copy": body.pdf_copy(),
    }
    if principal.start == header.effective_time:
        values["valid_from"] = None
    if (medicines := body.section(_MEDICINES)) is not None:
        values["treatments"] = read_prescribed(body, medicines)
    if (devices := body.section(_DEVICES)) is not None:
        values["devices"] = read_devices(body, devices)
    for media in statements(barcode, "observationMedia") if (barcode := body.section(_BARCODE)) is not None else ():
        file = file_of(media)
        if file is not None and "barcode" not in values:
            values |= {"barcode": file.data, "barcode_media_type": file.media_type}
            if file.data.startswith(b"\x89PNG") and file.media_type != "image/png":
                # The official examples say image/jpeg of a PNG.
                notes.leave("the media type of the bar code", file.path, "the image is a PNG")
                values["barcode_media_type"] = "image/png"
            notes.take(media, "value")
    values |= _participants(people)
    return MedicationPrescription(**values | people.shared(default_title=MedicationPrescription.default_title))


_TEMPLATE = MedicationPrescription.template_ids[-1]
DISCHARGE_PRESCRIPTION = f"{MedicationPrescription.default_title} - {DISCHARGE_TITLE}"


def _flags(people: People) -> list[str]:
    flags = [e for e in people.events[1:] if e.class_code == "INFO" and e.code and e.code.code in _FLAGS]
    people.events = [e for e in people.events if e not in flags]
    return [e.code.code for e in flags if e.code]


def _participants(people: People) -> dict[str, Any]:
    """`replaced`: CON with the function CORRE; `dispenser`: PRF. The first of each."""
    found: dict[str, Any] = {}
    for participant in list(people.participants):
        function = participant.party.function
        who: Actor | None = None
        kind = ""
        if participant.type_code == "CON" and function and function.code == "CORRE" and not participant.start:
            kind = "replaced"
        elif participant.type_code == "PRF" and not function and not participant.start:
            kind = "dispenser"
        if not kind or kind in found:
            continue
        try:
            who = people.actor(participant.party)
        except ModelError:
            continue  # `shared` says why
        people.participants.remove(participant)
        found[kind] = who.model_copy(update={"function": None})
        if kind == "dispenser":
            found["dispense_by"] = instant_or_none(participant.stop, "participant/time/high", people.notes)
    return found
