"""*Compte rendu d'examens biologiques* (volet CR-BIO 2024.01 and 2021.01)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import AwareDatetime, field_validator, model_validator

from ...model import Actor, Identifier, Organization
from ...model._base import invalid
from ...terminology import code as terminology_code
from .. import datatypes as dt
from ..datatypes import LOINC
from ..header import II, HeaderOrder
from ..header_writer import Authenticator, Participant, Performer, ServiceEvent
from ..pdf_body import checked_pdf
from ..sections import Draft, Narrative, SectionKind, attached_pdf, comment_section, pdf_copy_section, section
from ._base import ClinicalDocument, check_ends_after
from .attachments import AttachedPdf
from .laboratory_content import Chapter, Validation, validations_of
from .laboratory_context import ExaminationReason, Vaccination, reason_section, vaccinations_section
from .laboratory_entries import CHAPTER, PERFORMER, SUB_CHAPTER, VALIDATOR, results_section

_VOLET = "CI-SIS volet CR-BIO"
_TITLE = "Compte rendu d'examens biologiques"
_IHE_LAB = II("1.3.6.1.4.1.19376.1.3.3")
_TEMPLATE = "1.2.250.1.213.1.1.1.55"
WITH_PDF_COPY = {"2024.01": True, "2021.01": False}
"""Versions of the volet: must the report hold its PDF copy, or must it not."""
_SECOND_INTENTION = SectionKind(
    "1.2.250.1.213.1.1.2.60",
    code=("101792-0", "Résultats de laboratoire scannés", LOINC),
    title="Compte rendu de laboratoire de seconde intention",
)


class LaboratoryReport(ClinicalDocument):
    """*Compte rendu d'examens biologiques* (11502-2, CR-BIO 2024.01 or 2021.01).

    chapters 1..*; received_at 1..1: when the laboratory got the request and the samples; released_at 0..1: when the
    report was released, the time of writing when not given; biologist 0..1: *biologiste responsable*, in the laboratory
    that did the work (facility type SA25), the author when not given; validations 0..*: of the whole report, beside
    those of the chapters; prescriber 0..1 with prescribed_at 0..1; order 0..1: number of the prescription;
    registration 0..1: number of the request in the laboratory's system; collector 0..1: *préleveur*;
    treating_physician 0..1: *médecin traitant*; reason 0..1: *contexte de l'examen*; vaccinations 0..*: *historique des
    vaccinations* (both of 2024.01 only); comment 0..1; second_intention 0..*: reports of other laboratories
    (*seconde intention*), as PDF; pdf_copy: the report as PDF, shown first by consumers, 1..1 in 2024.01 and 0..0 in
    2021.01; version: of the volet. The title is fixed by the volet.
    Raises ModelError (`BIO_TITLE`, `BIO_EMPTY`, `BIO_TIMES`, `BIO_PDF_COPY`, `BIO_SECTION`), CdaError
    (`CDA_PDF_UNREADABLE`).
    """

    type_code = "11502-2"
    template_ids = (_IHE_LAB, II(_TEMPLATE, "2024.01"))
    default_title = _TITLE

    masked: ClassVar[frozenset[str]] = frozenset(
        {"chapters", "reason", "vaccinations", "comment", "second_intention", "pdf_copy"}
    )

    chapters: tuple[Chapter, ...]
    received_at: AwareDatetime
    released_at: AwareDatetime | None = None
    biologist: Actor | None = None
    validations: tuple[Validation, ...] = ()
    prescriber: Actor | None = None
    prescribed_at: AwareDatetime | None = None
    order: Identifier | None = None
    registration: Identifier | None = None
    collector: Actor | None = None
    treating_physician: Actor | None = None
    reason: ExaminationReason | None = None
    vaccinations: tuple[Vaccination, ...] = ()
    comment: str | None = None
    second_intention: tuple[AttachedPdf, ...] = ()
    pdf_copy: bytes | None = None
    version: Literal["2024.01", "2021.01"] = "2024.01"

    @field_validator("pdf_copy")
    @classmethod
    def _readable(cls, value: bytes | None) -> bytes | None:
        return checked_pdf(value, "pdf_copy") if value is not None else None

    @model_validator(mode="after")
    def _coherent(self) -> LaboratoryReport:
        if self.title is not None and self.title != _TITLE:
            raise invalid("BIO_TITLE", f"the title is fixed: {_TITLE}", rule=_VOLET, path="title",
                          hint="leave the title out")  # fmt: skip
        if not self.chapters:
            raise invalid("BIO_EMPTY", "the report has no chapter", rule=_VOLET, path="chapters",
                          hint="give one chapter at least",
                          hint_fr="Le compte rendu ne comporte aucun chapitre.")  # fmt: skip
        if (self.pdf_copy is not None) != WITH_PDF_COPY[self.version]:
            wanted = "has no" if self.pdf_copy is not None else "needs its"
            raise invalid("BIO_PDF_COPY", f"a report of {self.version} {wanted} PDF copy", path="pdf_copy",
                          rule=f"{_VOLET} {self.version}", hint="give the PDF with 2024.01, and none with 2021.01",
                          hint_fr="La copie PDF est obligatoire en version 2024.01 (exclue en 2021.01).")  # fmt: skip
        since = "reason" if self.reason else "vaccinations" if self.vaccinations else ""
        if since and self.version == "2021.01":
            raise invalid("BIO_SECTION", "a report of 2021.01 has neither a reason nor vaccinations",
                          rule=f"{_VOLET} 2021.01: sections of level 1", path=since,
                          hint="write version 2024.01",
                          hint_fr="Le contexte et les vaccinations n'existent qu'en version 2024.01.")  # fmt: skip
        if self.released_at and self.released_at < self.received_at:
            raise invalid("BIO_TIMES", "the report was released before the samples came", rule=_VOLET,
                          path="released_at", hint="swap or mend the times",
                          hint_fr="La libération du compte rendu précède la réception de la demande.")  # fmt: skip
        return self

    @property
    def is_partial(self) -> bool:
        """Results are still to come."""
        return any(part.status == "active" for chapter in self.chapters for part in (chapter, *chapter.sub_chapters))

    # Header. ----------------------------------------------------------------------------------------------------

    def _template_ids(self) -> tuple[II, ...]:
        return (*self.template_ids[:-1], II(_TEMPLATE, self.version))

    def _responsible(self) -> Actor:
        return self.biologist or self.author

    def _facility(self) -> Organization:
        return self._responsible().organization

    def _service_events(self, written_at: datetime) -> tuple[ServiceEvent, ...]:
        released = self.released_at or written_at
        check_ends_after(
            self.received_at, released, path=f"LaboratoryReport.{'released' if self.released_at else 'received'}_at",
            message="the report is released, or written, when the samples came or before",
            hint="mend received_at or released_at (the time of writing when not given)",
            hint_fr="La libération du compte rendu doit suivre la réception de la demande.",
        )  # fmt: skip
        codes = dict.fromkeys(c.code for c in self.chapters)
        first, *others = codes
        principal = ServiceEvent(
            ids=(II(self.registration.root, self.registration.value),) if self.registration else (),
            code=first,
            lab_status="active" if self.is_partial else "completed",
            start=self.received_at,
            stop=released,
            performer=Performer(actor=self._responsible(), time=released, template_id=PERFORMER),
        )
        return (principal, *[ServiceEvent(code=code) for code in others])

    def _authenticators(self) -> tuple[Authenticator, ...]:
        latest: dict[str, Validation] = {}  # the header wants the last validation of each biologist
        for each in self._validated():
            known = latest.setdefault(each.biologist.professional.national_id, each)
            if each.at > known.at:
                latest[each.biologist.professional.national_id] = each
        return tuple(Authenticator(actor=v.biologist, time=v.at, template_id=VALIDATOR) for v in latest.values())

    def _validated(self) -> Iterator[Validation]:
        yield from self.validations
        for chapter in self.chapters:
            for part in chapter.parts():
                yield from validations_of(part)

    def _participants(self) -> tuple[Participant, ...]:
        found = []
        if self.prescriber:
            found.append(Participant(type_code="REF", actor=self.prescriber, high=self.prescribed_at,
                                     template_id="1.3.6.1.4.1.19376.1.3.3.1.6"))  # fmt: skip
        if self.collector:
            found.append(Participant(type_code="PRF", actor=_in_function(self.collector, "PRELV"),
                                     high=self._collected_at()))  # fmt: skip
        if self.treating_physician:
            found.append(Participant(type_code="INF", actor=_in_function(self.treating_physician, "PCP")))
        return tuple(found)

    def _collected_at(self) -> datetime | None:
        times = [s.collected_at for c in self.chapters for part in c.parts() for s in part.specimens]
        return min(times, default=None)

    def _orders(self) -> tuple[HeaderOrder, ...]:
        return (HeaderOrder(id=II(self.order.root, self.order.value)),) if self.order else ()

    # Body. ------------------------------------------------------------------------------------------------------

    def _body(self, draft: Draft) -> str:
        observed = draft.ts(self.released_at) if self.released_at else draft.written_at
        parts = ["<structuredBody>"]
        if self.reason:
            parts.append(reason_section(draft, self.reason))
        for chapter in self.chapters:
            if chapter.sub_chapters:
                inner = "".join([results_section(draft, SUB_CHAPTER, s, observed) for s in chapter.sub_chapters])
                parts.append(
                    section(draft, CHAPTER, "", title=chapter.shown_title, code=dt.cd("code", chapter.code),
                            subsections=inner, with_id=False)
                )  # fmt: skip
            else:
                parts.append(results_section(draft, CHAPTER, chapter, observed))
        if self.vaccinations:
            parts.append(vaccinations_section(draft, self.vaccinations))
        if self.comment:
            parts.append(comment_section(draft, self.comment))
        if self.second_intention:
            narrative = Narrative(draft)
            attached = [attached_pdf(draft, narrative, each.title, each.data) for each in self.second_intention]
            parts.append(section(draft, _SECOND_INTENTION, narrative, *attached))
        if self.pdf_copy is not None:
            parts.append(pdf_copy_section(draft, self.pdf_copy))
        parts.append("</structuredBody>")
        return "".join(parts)


def _in_function(actor: Actor, function: str) -> Actor:
    return actor.model_copy(update={"function": terminology_code("JDV_J47", function)})
