"""*Lettre de liaison à l'entrée en établissement de santé* (volet LDL-EES 2022.01)."""

from __future__ import annotations

from typing import ClassVar

from ...model import Actor
from ...model.code import Text
from ..datatypes import LOINC
from ..header import II
from ..header_writer import Participant
from ..sections import Draft, Narrative, SectionKind, comment_section, pdf_copy_section, section
from .clinical import (
    Allergy,
    HospitalLetter,
    NoAllergy,
    Problem,
    Procedure,
    allergies_section,
    medical_history_section,
    surgical_history_section,
)
from .treatments import Treatment, write_treatments


class AdmissionLetter(HospitalLetter):
    """*Lettre de liaison à l'entrée* (LDL-EES 2022.01): written by who sends a patient to a hospital.

    reason 1..1: motif d'hospitalisation; treatments 1..1: those of the patient at admission, an empty tuple says that
    there is none; allergies 1..1: an empty tuple says `no_allergy`: none known when not given, or that the sender
    does not know; medical_history 0..*: *antécédents médicaux*; surgical_history 0..*: *antécédents chirurgicaux*,
    acts done; further_information 1..1: what else is useful; referrer 0..1: *praticien adresseur* (participant REFB,
    since `written_at` when given); treating_physician 0..1: *médecin traitant*; pdf_copy 0..1: the letter as PDF,
    shown first by consumers. `stay` is the hospitalisation that is asked for or begins: its admission is when the act
    starts. Raises CdaError (`CDA_PDF_UNREADABLE`).
    """

    type_code = "18761-7"
    template_ids = (II("1.2.250.1.213.1.1.1.21", "2022.01"),)
    default_title = "Lettre de liaison à l'entrée en établissement de santé"

    masked: ClassVar[frozenset[str]] = HospitalLetter.masked | {"further_information"}

    treatments: tuple[Treatment, ...]
    allergies: tuple[Allergy, ...]
    no_allergy: NoAllergy = NoAllergy.NONE_KNOWN
    medical_history: tuple[Problem, ...] = ()
    surgical_history: tuple[Procedure, ...] = ()
    further_information: Text
    referrer: Actor | None = None

    def _participants(self) -> tuple[Participant, ...]:
        if not self.referrer:
            return super()._participants()
        return (Participant(type_code="REFB", actor=self.referrer, low=self.written_at), *super()._participants())

    def _body(self, draft: Draft) -> str:
        narrative = Narrative(draft)
        treatments = write_treatments(draft, narrative, self.treatments, "Aucun traitement à l'admission")
        return "".join(
            (
                "<structuredBody>",
                self._reason_section(draft, "Motif d'hospitalisation"),
                section(draft, _TREATMENTS, narrative, *treatments),
                allergies_section(draft, self.allergies, self.no_allergy, "Allergies et hypersensibilités connues"),
                medical_history_section(draft, self.medical_history) if self.medical_history else "",
                surgical_history_section(draft, self.surgical_history) if self.surgical_history else "",
                comment_section(draft, self.further_information, title="Autres informations"),
                pdf_copy_section(draft, self.pdf_copy) if self.pdf_copy else "",
                "</structuredBody>",
            )
        )


_TREATMENTS = SectionKind(
    "1.3.6.1.4.1.19376.1.5.3.1.3.20",
    "1.2.250.1.213.1.1.2.144",
    code=("42346-7", "Traitements à l'admission", LOINC),
    title="Traitements à l'admission",
)
