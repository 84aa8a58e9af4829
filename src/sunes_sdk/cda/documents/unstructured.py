"""Documents whose body is a file (N1): any type, and the *compte rendu opératoire*."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, Field, field_validator, model_validator

from ..._core.errors import ModelError
from ...model import Actor, Code
from ...model._base import invalid
from ...model.code import Text
from .. import datatypes as dt
from ..header import II
from ..header_writer import Performer, ServiceEvent
from ..pdf_body import checked_file
from ..sections import Draft
from ._base import ClinicalDocument
from .coded import in_set

LANGUAGE = re.compile(r"^[a-z]{2}-[A-Z]{2}$")
MediaType = Literal["application/pdf", "text/plain", "text/rtf", "image/jpeg", "image/tiff"]


class UnstructuredDocument(ClinicalDocument):
    """A document of any type as a file (N1, *corps non structuré*).

    document_type 1..1: JDV_J07 code; title 1..1; body 1..1: the file, PDF/A-1 when it can be, written byte for byte;
    media_type: PDF, RTF, text, JPEG or TIFF, and the bytes are looked at (a text keeps its character set, which CDA has
    no place to name: UTF-8 is the safe one); language 0..1: of the file when it is not French (`en-GB`); act 0..1: what
    was done; performer 0..1: who did it, the author when not given; performed_at / ended_at 0..1: the stay's times when
    not given.
    Raises ModelError (`TERMINOLOGY`, `CDA_TITLE`, `CDA_BODY_EMPTY`, `CDA_ACT_TIMES`), CdaError (`CDA_PDF_UNREADABLE`,
    `CDA_PDF_ACTIVE`, `CDA_FILE_TYPE`, `CDA_FILE_TOO_BIG`).
    """

    template_ids = (II("1.3.6.1.4.1.19376.1.2.20"),)
    default_title = ""
    type_code = ""

    masked: ClassVar[frozenset[str]] = frozenset({"body"})

    document_type: Annotated[Text, in_set("JDV_J07")]
    body: bytes
    media_type: MediaType = "application/pdf"
    language: str | None = Field(default=None, pattern=LANGUAGE.pattern)
    act: Code | None = None
    performer: Actor | None = None
    performed_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None

    @field_validator("body")
    @classmethod
    def _not_empty(cls, value: bytes) -> bytes:
        if not value:
            raise invalid("CDA_BODY_EMPTY", "the body is empty", rule="SMDS nonXMLBody", hint="give the file's bytes",
                          hint_fr="Le fichier du document est vide.")  # fmt: skip
        return value

    @model_validator(mode="after")
    def _coherent(self) -> UnstructuredDocument:
        checked_file(self.body, self.media_type, "body")
        if not (self.title or self.default_title):
            raise invalid("CDA_TITLE", "the document has no title", rule="SMDS title 1..1", path="title",
                          hint="give title", hint_fr="Donnez un titre au document.")  # fmt: skip
        if self.ended_at and not self.performed_at:
            raise invalid("CDA_ACT_TIMES", "the act has an end and no start", rule="SMDS serviceEvent/effectiveTime",
                          path="performed_at", hint="give performed_at",
                          hint_fr="Indiquez le début de l'acte.")  # fmt: skip
        if self.performed_at and self.ended_at and self.ended_at <= self.performed_at:
            raise invalid("CDA_ACT_TIMES", "the act ends before it starts", rule="SMDS serviceEvent/effectiveTime",
                          path="ended_at", hint="mend the times, or leave ended_at out",
                          hint_fr="L'acte se termine avant d'avoir commencé.")  # fmt: skip
        return self

    def _type_code(self) -> str:
        return self.document_type

    def _body_media_type(self) -> str:
        return self.media_type

    def _acts(self) -> tuple[Code, ...]:
        return (self.act,) if self.act else ()

    def _service_events(self, written_at: datetime) -> tuple[ServiceEvent, ...]:
        acts = self._acts()
        timed = self.performed_at is not None
        principal = ServiceEvent(
            code=acts[0] if acts else None,
            start=self.performed_at or self.stay.admitted_at,
            stop=self.ended_at if timed else self.stay.discharged_at,
            performer=Performer(actor=self.performer or self.author),
        )
        return (principal, *[ServiceEvent(code=act) for act in acts[1:]])

    def _body(self, draft: Draft) -> str:
        language = f'<languageCode code="{self.language}"></languageCode>' if self.language else ""
        return (
            f'<nonXMLBody><text mediaType="{self.media_type}" representation="B64">'
            f"{draft.base64(self.body)}</text>{language}</nonXMLBody>"
        )


class OperativeReport(UnstructuredDocument):
    """*Compte rendu opératoire* (34874-8), N1: CI-SIS has no structured model of it.

    body 1..1: the report as PDF/A-1; act 0..1: principal CCAM act (`ccam("HHFA001", "Appendicectomie, …")`);
    other_acts 0..*; performer 0..1: the surgeon, the author when not given; performed_at 1..1 / ended_at 0..1: when
    the act took place. No volet says where the anaesthetist stands: a `Participant` of the header can name him.
    """

    default_title = "Compte rendu opératoire"

    document_type: Literal["34874-8"] = "34874-8"
    media_type: Literal["application/pdf"] = "application/pdf"
    performed_at: AwareDatetime
    other_acts: tuple[Code, ...] = ()

    def _acts(self) -> tuple[Code, ...]:
        return (*super()._acts(), *self.other_acts)


_CCAM = re.compile(r"[A-Z]{4}[0-9]{3}")


def ccam(code: str, display: str) -> Code:
    """A CCAM act: seven characters, without activity and phase. Raises ModelError `CDA_CCAM`."""
    if not _CCAM.fullmatch(code):
        raise ModelError(
            "a CCAM code is four letters and three digits", code="CDA_CCAM", path="code", rule="CCAM",
            hint="write HHFA001, without activity and phase",
            hint_fr="Code CCAM attendu : quatre lettres, trois chiffres.",
        )  # fmt: skip
    return Code(code=code, system=dt.CCAM, display=display, system_name="CCAM")
