"""*Prescription de médicaments et de dispositifs médicaux* (volet eP-MED-DM), also the *ordonnance de sortie*."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, field_validator, model_validator

from ...model import Actor, Code
from ...model._base import invalid
from ...terminology import code as terminology_code
from ..datatypes import LOINC, TA_ASIP
from ..header import II
from ..header_writer import Participant, Performer, ServiceEvent
from ..pdf_body import checked_pdf
from ..sections import (
    Draft,
    Narrative,
    SectionKind,
    comment_section,
    entry,
    observation_media,
    pdf_copy_section,
    section,
)
from ._base import ClinicalDocument, check_ends_after
from .imaging import PregnancyStatus
from .treatments import PrescribedDevice, PrescribedTreatment, write_prescribed, write_prescribed_device
from .vital_signs import VitalSign, pregnancy_section, vital_signs_section

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


@dataclass(frozen=True, slots=True, kw_only=True)
class VoletVersion:
    """What a version of eP-MED-DM makes mandatory. It differs from the others in nothing else."""

    barcode: bool
    pdf_copy: bool


VERSIONS = {
    "2022.01": VoletVersion(barcode=True, pdf_copy=False),
    "2023.01": VoletVersion(barcode=True, pdf_copy=False),
    # The model says the bar code is mandatory in 2024.01 too; its official example and validator say it is not.
    "2024.01": VoletVersion(barcode=False, pdf_copy=True),
}

DISCHARGE_TITLE = "ordonnance de sortie"
"""JDV_J07 has no type for an *ordonnance de sortie*: the type is the prescription's, the stay is in componentOf, and
the title says the rest (unverified: no official text says how a consumer tells one from the other)."""

_IMAGES = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG"}


class MedicationPrescription(ClinicalDocument):
    """*Prescription de médicaments et/ou de dispositifs médicaux* (57833-6, eP-MED-DM).

    treatments 0..* and devices 0..*, one at least; valid_until 1..1 and valid_from 0..1 (time of writing when not
    given): validity; version: of the volet, `2022.01`, `2023.01` or `2024.01`; pdf_copy: the prescription as PDF,
    mandatory in 2024.01; barcode: image of its 2D code, with barcode_media_type, mandatory before; epu 0..1: unique
    number of the e-prescription, when the Cnam gave one; flags 0..*; comment 0..1; vital_signs 0..*: weight, height…;
    pregnancy 0..1: status of the patient; replaced 0..1: the professional whom the author stands in for; dispenser
    0..1: who is to deliver (mandatory for a *traitement de substitution aux opiacés* on a secured prescription),
    dispense_by 0..1: until when; discharge: it is the *ordonnance de sortie* of the stay.
    Raises ModelError (`PRESCRIPTION_EMPTY`, `PRESCRIPTION_VALIDITY`, `PRESCRIPTION_BARCODE`, `PRESCRIPTION_PDF_COPY`,
    `PRESCRIPTION_DISPENSER`), CdaError (`CDA_PDF_UNREADABLE`, `CDA_PDF_ACTIVE`).
    """

    type_code = "57833-6"
    template_ids = (
        II("1.3.6.1.4.1.19376.1.9.1.1.1"),
        II("1.3.6.1.4.1.19376.1.5.3.1.1.1"),
        II("1.2.250.1.213.1.1.1.39", "2024.01"),
    )
    default_title = "Prescription de médicaments et/ou de dispositifs médicaux"

    masked: ClassVar[frozenset[str]] = frozenset({"pdf_copy", "barcode"})

    treatments: tuple[PrescribedTreatment, ...] = ()
    devices: tuple[PrescribedDevice, ...] = ()
    valid_until: AwareDatetime
    valid_from: AwareDatetime | None = None
    version: Literal["2022.01", "2023.01", "2024.01"] = "2024.01"
    pdf_copy: bytes | None = None
    barcode: bytes | None = None
    barcode_media_type: Literal["image/jpeg", "image/png"] = "image/png"
    epu: str | None = None
    flags: frozenset[PrescriptionFlag] = frozenset()
    comment: str | None = None
    vital_signs: tuple[VitalSign, ...] = ()
    pregnancy: PregnancyStatus | None = None
    replaced: Actor | None = None
    dispenser: Actor | None = None
    dispense_by: AwareDatetime | None = None
    discharge: bool = False

    @field_validator("pdf_copy")
    @classmethod
    def _readable(cls, value: bytes | None) -> bytes | None:
        return checked_pdf(value, "pdf_copy") if value is not None else None

    @model_validator(mode="before")
    @classmethod
    def _discharge_title(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("discharge") is True and not values.get("title"):
            return {**values, "title": f"{cls.default_title} - {DISCHARGE_TITLE}"}
        return values

    @model_validator(mode="after")
    def _complete(self) -> MedicationPrescription:
        if not (self.treatments or self.devices):
            raise invalid("PRESCRIPTION_EMPTY", "nothing is prescribed", path="treatments",
                          rule="eP-MED-DM: FR-Prescription-medicaments or FR-Prescription-dispositifs-medicaux",
                          hint="give treatments, devices or both",
                          hint_fr="La prescription ne contient ni médicament ni dispositif médical.")  # fmt: skip
        start = self.valid_from or self.written_at
        if start is not None and self.valid_until <= start:
            raise invalid("PRESCRIPTION_VALIDITY", "the prescription expires before it starts",
                          rule="eP-MED-DM serviceEvent/effectiveTime", path="valid_until",
                          hint="give a later valid_until",
                          hint_fr="La prescription expire avant de commencer.")  # fmt: skip
        needs = VERSIONS[self.version]
        if needs.pdf_copy and self.pdf_copy is None:
            raise invalid("PRESCRIPTION_PDF_COPY", "the PDF of the prescription is missing", path="pdf_copy",
                          rule=f"eP-MED-DM {self.version}: FR-Document-PDF-copie 1..1", hint="give pdf_copy",
                          hint_fr="Joignez la prescription au format PDF.")  # fmt: skip
        if needs.barcode and self.barcode is None:
            raise invalid("PRESCRIPTION_BARCODE", "the 2D code of the prescription is missing", path="barcode",
                          rule=f"eP-MED-DM {self.version}: FR-Code-a-barres 1..1", hint="give barcode",
                          hint_fr="Joignez l'image du code 2D de la prescription.")  # fmt: skip
        if self.barcode is not None and not self.barcode.startswith(_IMAGES[self.barcode_media_type]):
            raise invalid("PRESCRIPTION_BARCODE", f"the 2D code is not {self.barcode_media_type}", path="barcode",
                          rule="eP-MED-DM FR-Code-a-barres", hint="give the bytes of the image and its media type",
                          hint_fr="L'image du code 2D n'est pas du format annoncé.")  # fmt: skip
        if self.dispense_by and not self.dispenser:
            raise invalid("PRESCRIPTION_DISPENSER", "a date to dispense by goes with a dispenser", path="dispenser",
                          rule="eP-MED-DM participant PRF", hint="give dispenser",
                          hint_fr="Indiquez le pharmacien qui délivrera la prescription.")  # fmt: skip
        return self

    def _template_ids(self) -> tuple[II, ...]:
        return (*self.template_ids[:-1], II(self.template_ids[-1].root, self.version))

    def _participants(self) -> tuple[Participant, ...]:
        found = []
        if self.replaced:
            substituted = self.replaced.model_copy(update={"function": terminology_code("JDV_J47", "CORRE")})
            found.append(Participant(type_code="CON", actor=substituted))
        if self.dispenser:
            found.append(Participant(type_code="PRF", actor=self.dispenser, high=self.dispense_by))
        return tuple(found)

    def _service_events(self, written_at: datetime) -> tuple[ServiceEvent, ...]:
        start = self.valid_from or written_at
        check_ends_after(
            start, self.valid_until, path="MedicationPrescription.valid_until",
            message="the prescription expires when it is written, or before",
            hint="give a later valid_until, or valid_from",
            hint_fr="La prescription expire avant d'être écrite.",
        )  # fmt: skip
        principal = ServiceEvent(
            ids=(II(EPU_ROOT, self.epu),) if self.epu else (),
            code=terminology_code("JDV_J07", self.type_code),
            start=start,
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
        parts = [self._barcode_section(draft, self.barcode)] if self.barcode else []
        if self.treatments:
            narrative = Narrative(draft)
            lines = [write_prescribed(draft, narrative, line) for line in self.treatments]
            parts.append(section(draft, _MEDICINES, narrative, *lines))
        if self.devices:
            narrative = Narrative(draft)
            lines = [write_prescribed_device(draft, narrative, device) for device in self.devices]
            parts.append(section(draft, _DEVICES, narrative, *lines))
        if self.comment:
            parts.append(comment_section(draft, self.comment))
        if self.vital_signs:
            parts.append(vital_signs_section(draft, self.vital_signs))
        if self.pregnancy:
            parts.append(pregnancy_section(draft, self.pregnancy))
        if self.pdf_copy:
            parts.append(pdf_copy_section(draft, self.pdf_copy))
        return f"<structuredBody>{''.join(parts)}</structuredBody>"

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
_DEVICES = SectionKind(
    "1.2.250.1.213.1.1.2.222",
    code=("46264-8", "Dispositifs médicaux", LOINC),
    title="Prescription de dispositifs médicaux",
)
