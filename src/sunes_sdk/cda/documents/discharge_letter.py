"""*Lettre de liaison à la sortie de l'établissement de santé* (volet LDL-SES 2022.01)."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import ClassVar

from ...model import Actor, Model
from ...model.code import Text
from ...terminology import code as terminology_code
from .. import datatypes as dt
from ..datatypes import LOINC
from ..header import II
from ..header_writer import author_xml
from ..sections import Draft, Narrative, ObservationKind, SectionKind, entry, pdf_copy_section, section
from .clinical import (
    Allergy,
    CarePlanItem,
    HospitalLetter,
    MedicalDevice,
    NoAllergy,
    When,
    allergies_section,
    care_plan_section,
    devices_section,
    written_date,
)
from .measures import shown_date, shown_time
from .treatments import Treatment, write_treatments


class EntryMode(StrEnum):
    """*Modalité d'entrée* (JDV_ModaliteEntree)."""

    EMERGENCY = "183452005"
    PLANNED = "8715000"
    TRANSFER = "107724000"
    OTHER = "GEN-092.06.07"


class ExitMode(StrEnum):
    """*Modalité de sortie* (JDV_ModaliteSortie)."""

    HOME = "160849004"
    PRIVATE_REHABILITATION = "109"
    HOSPITAL_AT_HOME = "127"
    NURSING_HOME = "500"
    OTHER_ESTABLISHMENT = "GEN-092.06.01"
    OTHER = "GEN-092.06.03"


class DocumentStatus(StrEnum):
    """*Statut du document* (JDV_StatutDoc)."""

    IN_PROGRESS = "385651009"
    DONE = "398166005"
    APPROVED = "9571008"
    CLOSED = "29179001"


class Synthesis(Model):
    """*Synthèse médicale du séjour* (section FR-Résultats-événements-LDL-SES).

    entry_mode 1..1; exit_mode 1..1; medical_summary 1..1; mdro_search 1..1: *recherche de micro-organismes
    multi-résistants ou émergents effectuée*; mdro_identification 0..1; adverse_events 0..1: *événements indésirables
    survenus pendant l'hospitalisation*; transfusion 1..1: *de produits sanguins*; transfusion_accidents 0..1;
    blood_derivatives 1..1: *administration de dérivés du sang*; blood_derivative_events 0..1; mdro_search_date 0..1:
    when that search was made; author 0..1: who says all this, when that is not the author of the letter.
    """

    masked: ClassVar[frozenset[str]] = frozenset(
        {"medical_summary", "mdro_identification", "adverse_events", "transfusion_accidents", "blood_derivative_events"}
    )

    entry_mode: EntryMode
    exit_mode: ExitMode
    medical_summary: Text
    mdro_search: bool
    transfusion: bool
    blood_derivatives: bool
    mdro_identification: str | None = None
    adverse_events: str | None = None
    transfusion_accidents: str | None = None
    blood_derivative_events: str | None = None
    mdro_search_date: When | None = None
    author: Actor | None = None


class DischargeLetter(HospitalLetter):
    """*Lettre de liaison à la sortie* (LDL-SES 2022.01).

    reason 1..1: motif de l'hospitalisation; synthesis 1..1; discharge_treatments 1..1: the treatments at discharge,
    an empty tuple says that there is none; administered_treatments 0..*: stopped or given during the stay;
    exam_results 0..1: text, and other information that is expected (the volet allows no entry here); care_plan 0..*:
    *suites à donner*, procedures, examinations or follow-up asked for, appointments; devices 0..*: *dispositifs
    médicaux*; allergies 0..1: found during the stay, None writes no section, an empty tuple says `no_allergy`: none
    known when not given; status 1..1: approved when not given; treating_physician 0..1: *médecin traitant*; pdf_copy
    0..1: the letter as PDF, shown first by consumers. Raises CdaError (`CDA_PDF_UNREADABLE`).
    """

    type_code = "11490-0"
    template_ids = (II("1.2.250.1.213.1.1.1.29", "2022.01"),)
    default_title = "Lettre de liaison à la sortie de l'établissement de santé"

    masked: ClassVar[frozenset[str]] = HospitalLetter.masked | {"exam_results"}

    synthesis: Synthesis
    discharge_treatments: tuple[Treatment, ...]
    administered_treatments: tuple[Treatment, ...] = ()
    exam_results: str | None = None
    care_plan: tuple[CarePlanItem, ...] = ()
    devices: tuple[MedicalDevice, ...] = ()
    allergies: tuple[Allergy, ...] | None = None
    no_allergy: NoAllergy = NoAllergy.NONE_KNOWN
    status: DocumentStatus = DocumentStatus.APPROVED

    def _body(self, draft: Draft) -> str:
        return "".join(
            (
                "<structuredBody>",
                self._status_section(draft),
                self._reason_section(draft, "Motif de l'hospitalisation"),
                self._synthesis_section(draft),
                self._treatment_section(draft, _ADMINISTERED, self.administered_treatments, "")
                if self.administered_treatments
                else "",
                self._treatment_section(draft, _DISCHARGE, self.discharge_treatments, "Aucun traitement à la sortie"),
                section(draft, _EXAMS, self.exam_results) if self.exam_results else "",
                care_plan_section(draft, self.care_plan) if self.care_plan else "",
                devices_section(draft, self.devices) if self.devices else "",
                allergies_section(draft, self.allergies, self.no_allergy, _ALLERGIES_TITLE)
                if self.allergies is not None
                else "",
                pdf_copy_section(draft, self.pdf_copy) if self.pdf_copy else "",
                "</structuredBody>",
            )
        )

    def _status_section(self, draft: Draft) -> str:
        shown, value = _coded("JDV_STATUT_DOC", self.status.value, "CD")
        narrative = Narrative(draft)
        ref = narrative.content(shown.capitalize())
        return section(draft, _STATUS, narrative, entry(_STATUS_OBSERVATION.write(draft, ref, value, draft.written_at)))

    def _synthesis_section(self, draft: Draft) -> str:
        narrative = Narrative(draft)
        entries = []
        synthesis, stay = self.synthesis, self.stay
        author = author_xml(synthesis.author, draft.written_at) if synthesis.author else ""
        entered, entry_value = _coded("JDV_MODALITE_ENTREE", synthesis.entry_mode.value, "CE")
        left, exit_value = _coded("JDV_MODALITE_SORTIE", synthesis.exit_mode.value, "CE")
        at_entry = draft.ts(stay.admitted_at)
        at_exit = draft.ts(stay.discharged_at) if stay.discharged_at else ""
        rows: list[tuple[ObservationKind, str, str, str]] = [
            (_ENTRY_MODE, f"{shown_time(at_entry)}, {entered}", entry_value, at_entry),
            (
                _EXIT_MODE,
                f"{shown_time(at_exit)}, {left}" if at_exit else left,
                exit_value,
                at_exit or draft.written_at,
            ),
        ]
        for kind, said in (
            (_SUMMARY, synthesis.medical_summary),
            (_ADVERSE_EVENTS, synthesis.adverse_events),
            (_MDRO_SEARCH, synthesis.mdro_search),
            (_MDRO_IDENTIFICATION, synthesis.mdro_identification),
            (_TRANSFUSION, synthesis.transfusion),
            (_TRANSFUSION_ACCIDENTS, synthesis.transfusion_accidents),
            (_BLOOD_DERIVATIVES, synthesis.blood_derivatives),
            (_BLOOD_DERIVATIVE_EVENTS, synthesis.blood_derivative_events),
        ):
            if isinstance(said, bool):
                text, when = "Oui" if said else "Non", draft.written_at
                if kind is _MDRO_SEARCH and (day := synthesis.mdro_search_date):
                    text, when = f"{shown_date(day)}, {text}", written_date(day)
                rows.append((kind, text, dt.boolean(said), when))
            elif said:
                rows.append((kind, said, dt.string(said), draft.written_at))
        for kind, text, value, when in rows:
            entries.append(entry(kind.write(draft, narrative.item(text, kind.display), value + author, when)))
        return section(draft, _SYNTHESIS, narrative, *entries)

    def _treatment_section(
        self, draft: Draft, kind: SectionKind, treatments: tuple[Treatment, ...], none_text: str
    ) -> str:
        narrative = Narrative(draft)
        return section(draft, kind, narrative, *write_treatments(draft, narrative, treatments, none_text))


@cache
def _coded(value_set: str, code: str, xsi_type: str) -> tuple[str, str]:
    """Label and `<value>` of a code of a small set: every letter writes three of them."""
    found = terminology_code(value_set, code)
    return found.display, dt.cd("value", found, xsi_type=xsi_type)


_STATUS = SectionKind(
    "1.2.250.1.213.1.1.2.35",
    "1.2.250.1.213.1.1.2.35.1",
    code=("33557-0", "Etat d'achèvement", LOINC),
    title="Statut du document",
)
_SYNTHESIS = SectionKind(
    "1.3.6.1.4.1.19376.1.5.3.1.1.21.2.9",
    "1.3.6.1.4.1.19376.1.7.3.1.1.13.7",
    "1.2.250.1.213.1.1.2.163",
    "1.2.250.1.213.1.1.2.163.1",
    code=("42545-4", "Evènements observés", LOINC),
    title="Synthèse médicale du séjour",
)
_ADMINISTERED = SectionKind(
    "1.3.6.1.4.1.19376.1.5.3.1.3.21",
    "1.2.250.1.213.1.1.2.145",
    code=("18610-6", "Traitements administrés", LOINC),
    title="Traitements arrêtés durant le séjour",
)
_DISCHARGE = SectionKind(
    "1.3.6.1.4.1.19376.1.5.3.1.3.22",
    "1.2.250.1.213.1.1.2.146",
    code=("10183-2", "Traitements à la sortie", LOINC),
    title="Traitements à la sortie",
)
_EXAMS = SectionKind(
    "1.3.6.1.4.1.19376.1.5.3.1.3.27",
    "1.2.250.1.213.1.1.2.150",
    code=("30954-2", "Résultats d'examens", LOINC),
    title="Résultats d'examens / Autres informations attendues",
)
_ALLERGIES_TITLE = "Allergies identifiées pendant le séjour"
_FR_OBSERVATION = "1.2.250.1.213.1.1.3.48"
_STATUS_OBSERVATION = ObservationKind(
    f"{_FR_OBSERVATION}.16", f"{_FR_OBSERVATION}.16.1", code="GEN-065", display="Statut du document"
)
_ENTRY_MODE = ObservationKind(f"{_FR_OBSERVATION}.6", code="ORG-070", display="Modalité d'entrée")
_EXIT_MODE = ObservationKind(f"{_FR_OBSERVATION}.7", code="ORG-074", display="Modalité de sortie")
_SUMMARY = ObservationKind(f"{_FR_OBSERVATION}.9", code="MED-142", display="Synthèse médicale")
_MDRO_SEARCH = ObservationKind(
    f"{_FR_OBSERVATION}.8",
    code="MED-309",
    display="Recherche de microorganismes multi-résistants ou émergents effectuée",
)
_MDRO_IDENTIFICATION = ObservationKind(
    f"{_FR_OBSERVATION}.5", code="MED-144", display="Identification de micro-organismes multirésistants"
)
_ADVERSE_EVENTS = ObservationKind(
    f"{_FR_OBSERVATION}.3", code="MED-143", display="Evénements indésirables survenus pendant l'hospitalisation"
)
_TRANSFUSION = ObservationKind(f"{_FR_OBSERVATION}.10", code="MED-145", display="Transfusion de produits sanguins")
_TRANSFUSION_ACCIDENTS = ObservationKind(f"{_FR_OBSERVATION}.1", code="MED-146", display="Accidents transfusionnels")
_BLOOD_DERIVATIVES = ObservationKind(
    f"{_FR_OBSERVATION}.2", code="MED-147", display="Administration de dérivés du sang"
)
_BLOOD_DERIVATIVE_EVENTS = ObservationKind(
    f"{_FR_OBSERVATION}.4",
    code="MED-148",
    display="Evènements indésirables suite à l'administration de dérivés du sang",
)
