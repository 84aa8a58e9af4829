"""A received document as the model of its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lxml import etree

from ..._core.errors import CdaError, ModelError
from ..._core.findings import Report
from ..._core.hl7time import parse_ts
from ..documents._base import ClinicalDocument
from ..header import CdaHeader, HeaderServiceEvent
from .admission_letter import read_admission_letter
from .discharge_letter import read_discharge_letter
from .imaging import read_imaging_report
from .laboratory import read_laboratory_report
from .notes import Notes, not_typed
from .people import People
from .prescription import read_prescription
from .unstructured import read_file_document

Reader = Callable[[etree._Element, People, Notes], ClinicalDocument]

_READERS: Final[dict[str, Reader]] = {
    "1.2.250.1.213.1.1.1.29": read_discharge_letter,
    "1.2.250.1.213.1.1.1.21": read_admission_letter,
    "1.2.250.1.213.1.1.1.39": read_prescription,
    "1.2.250.1.213.1.1.1.55": read_laboratory_report,
    "1.2.250.1.213.1.1.1.45": read_imaging_report,
}
"""templateId of the model → how it is read."""


def read_typed(root: etree._Element, header: CdaHeader) -> tuple[ClinicalDocument, Report]:
    """The model of a document, and what it has no place for.

    Raises CdaError (`CDA_NO_MODEL`: no model of this kind of document; `CDA_NOT_TYPED`: the document says too little,
    or what its model refuses; `CDA_BASE64`).
    """
    reader: Reader | None = read_file_document if header.body_media_type else None
    for template in header.template_ids:
        reader = reader or _READERS.get(template.root)
    if reader is None:
        raise CdaError(
            "this library has no model of this kind of document", code="CDA_NO_MODEL", path="templateId",
            rule=f"models: N1 (any type) and the templateIds {', '.join(_READERS)}", hint="read its sections",
            hint_fr="Ce type de document n'a pas de lecture structurée : affichez-le.",
        )  # fmt: skip
    notes = Notes()
    try:
        model = reader(root, People(header, notes), notes)
    except ModelError as e:
        raise not_typed(e.message, e.path, e) from None
    if header.service_events and not _is_its_act(model, header.service_events[0], header.effective_time):
        notes.leave("the principal act", "documentationOf", "the model makes another of its stay and its author",
                    "CDA_UNREAD_HEADER")  # fmt: skip
    return model, notes.report(root)


def _is_its_act(model: ClinicalDocument, said: HeaderServiceEvent, written: str) -> bool:
    """Whether the model would be written with this principal act: its code, its times and who did it."""
    number = said.performer.ids[0].extension if said.performer and said.performer.ids else ""
    try:
        act = model._service_events(parse_ts(written).value)[0]
        times = [parse_ts(text).value if text else None for text in (said.start, said.stop)]
    except (ModelError, ValueError, OverflowError):
        return False
    return (
        (said.code and said.code.code) == (act.code and act.code.code)
        and times == [act.start, act.stop]
        and number == (act.performer.actor.professional.national_id if act.performer else "")
    )
