"""*Prescription de médicaments* (volet eP-MED-DM 2024.01), also the *ordonnance de sortie*."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, Field, field_validator, model_validator

from ...model import Code
from ...model._base import invalid
from ...terminology import code as terminology_code
from ..datatypes import LOINC, TA_ASIP
from ..header import II
from ..header_writer import Performer, ServiceEvent
from ..pdf_body import checked_pdf
from ..sections import Draft, Narrative, SectionKind, entry, observation_media, pdf_copy_section, section
from ._base import ClinicalDocument
from .treatments import PrescribedTreatment, write_prescribed

EPU_ROOT = "1.2.250.1.215.500.1.1"
"""Root of the unique number of an e-prescription (Cnam)."""


class PrescriptionFlag(StrEnum):
    """What the whole prescription is: one extra documentationOf each (CI-SIS TA_ASIP codes)."""

    AT_HOME = "MED-1094"
    URGENT = "MED-1095"
    TWO_ZONES = "MED-1096"
    EXCEPTION_MEDICINES = "MED-1097"
    SECURED = "MED-1098"
    LARGE_EQUIPMENT = "MED-1132"
    MILITARY = "MED-1159"


_FLAG_LABELS = {
    PrescriptionFlag.AT_HOME: "Exécution à domicile",
    PrescriptionFlag.URGENT: "Exécution en urgence",
    PrescriptionFlag.TWO_ZONES: "Prescription bizone",
    PrescriptionFlag.EXCEPTION_MEDICINES: "Prescription médicaments d'exception",
    PrescriptionFlag.SECURED: "Ordonnance sécurisée",
    PrescriptionFlag.LARGE_EQUIPMENT: "Prescription grand appareillage",
    PrescriptionFlag.MILITARY: "Affection militaire",
}


class MedicationPrescription(ClinicalDocument):
    """*Prescription de médicaments* (57833-6, eP-MED-DM 2024.01).

    treatments 1..*; valid_until 1..1 and valid_from 0..1 (time of writing when not given): validity; pdf_copy 1..1:
    the prescription as PDF; barcode 0..1: image of its 2D code, with barcode_media_type (the volet expects one, the
    official validator does not); epu 0..1: unique number of the e-prescription, when the Cnam gave one; flags 0..*;
    discharge: it is the *ordonnance de sortie* of the stay, which its title then says (there is no type code of its
    own in JDV_J07).
    Raises CdaError (`CDA_PDF_UNREADABLE`).
    """

    type_code = "57833-6"
    template_ids = (
        II("1.3.6.1.4.1.19376.1.9.1.1.1"),
        II("1.3.6.1.4.1.19376.1.5.3.1.1.1"),
        II("1.2.250.1.213.1.1.1.39", "2024.01"),
    )
    default_title = "Prescription de médicaments et/ou de dispositifs médicaux"

    masked: ClassVar[frozenset[str]] = frozenset({"pdf_copy", "barcode"})

    treatments: tuple[PrescribedTreatment, ...] = Field(min_length=1)
    valid_until: AwareDatetime
    valid_from: AwareDatetime | None = None
    pdf_copy: bytes
    barcode: bytes | None = None
    barcode_media_type: Literal["image/jpeg", "image/png"] = "image/png"
    epu: str | None = None
    flags: frozenset[PrescriptionFlag] = frozenset()
    discharge: bool = False

    @field_validator("pdf_copy")
    @classmethod
    def _readable(cls, value: bytes) -> bytes:
        return checked_pdf(value, "pdf_copy")

    @model_validator(mode="before")
    @classmethod
    def _discharge_title(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("discharge") is True and not values.get("title"):
            return {**values, "title": f"{cls.default_title} - ordonnance de sortie"}
        return values

    @model_validator(mode="after")
    def _validity(self) -> MedicationPrescription:
        start = self.valid_from or self.written_at
        if start is not None and self.valid_until <= start:
            raise invalid("PRESCRIPTION_VALIDITY", "the prescription expires before it starts",
                          rule="eP-MED-DM serviceEvent/effectiveTime", path="valid_until",
                          hint="give a later valid_until")  # fmt: skip
        return self

    def _service_events(self, written_at: datetime) -> tuple[ServiceEvent, ...]:
        principal = ServiceEvent(
            ids=(II(EPU_ROOT, self.epu),) if self.epu else (),
            code=terminology_code("JDV_J07", self.type_code),
            start=self.valid_from or written_at,
            stop=self.valid_until,
            performer=Performer(actor=self.author),
        )
        flags = [
            ServiceEvent(
                class_code="INFO",
                code=Code(code=flag.value, system=TA_ASIP, display=_FLAG_LABELS[flag], system_name="TA_ASIP"),
            )
            for flag in sorted(self.flags)
        ]
        return (principal, *flags)

    def _body(self, draft: Draft) -> str:
        narrative = Narrative(draft)
        lines = [write_prescribed(draft, narrative, line) for line in self.treatments]
        return "".join(
            (
                "<structuredBody>",
                self._barcode_section(draft, self.barcode) if self.barcode else "",
                section(draft, _MEDICINES, narrative, *lines),
                pdf_copy_section(draft, self.pdf_copy),
                "</structuredBody>",
            )
        )

    def _barcode_section(self, draft: Draft, image: bytes) -> str:
        narrative = Narrative(draft)
        ref, media = observation_media(draft, self.barcode_media_type, image)
        narrative.media(ref)
        return section(draft, _BARCODE, narrative, entry(media), attributes=' classCode="DOCSECT" moodCode="EVN"')


_BARCODE = SectionKind(
    "1.2.250.1.213.1.1.2.223",
    code=("57723-9", "Numéro de code à barres unique", LOINC),
    title="Code 2D de la prescription",
)
_MEDICINES = SectionKind(
    "1.3.6.1.4.1.19376.1.9.1.2.1",
    "1.2.250.1.213.1.1.2.171",
    code=("57828-6", "Prescriptions", LOINC),
    title="Prescription de médicaments",
)
