"""A received document as the model of its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lxml import etree

from ..._core.errors import CdaError, ModelError
from ..._core.findings import Report
from ..documents._base import ClinicalDocument
from ..header import CdaHeader
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
    return model, notes.report(root)
