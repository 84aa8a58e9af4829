"""What every document of this library shares: its people, its stay, its versions, and how it becomes bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, field_validator

from ..._core.errors import CdaError
from ...model import Actor, Code, Model, Organization, Patient, Stay
from ...model._base import invalid
from ...model.code import Oid
from ...terminology import code as terminology_code
from ...terminology import format_code
from ..header import II, CdaDocument, HeaderOrder
from ..header_writer import (
    Authenticator,
    HeaderContent,
    Participant,
    ServiceEvent,
    document_xml,
    header_data,
    header_xml,
    patient_ids,
)
from ..issuer import Issuer
from ..sections import Draft

TITLE_MAX = 128


class ClinicalDocument(Model, ABC):
    """The shared part of a document (SMDS header).

    patient 1..1; author 1..1, with further `co_authors` 0..*; custodian 1..1: the structure that keeps it; stay 1..1:
    *venue*, gives componentOf; legal_authenticator 0..1: who answers for it, the author when not given; recipients
    0..*: informationRecipient; written_at 0..1: the issuer's clock when not given; title 0..1: the volet's when not
    given, at most 128 characters; confidentiality: `N` normal, `R` restricted, `V` very restricted.

    set_id, version_number, replaces: filled by `revise`; a first version leaves them alone.

    A patient whose identity is not QUALIFIEE is written without any INS (RNIV): channels refuse it later.
    """

    type_code: ClassVar[str]
    """JDV_J07."""
    template_ids: ClassVar[tuple[II, ...]]
    """templateIds of the model, after those of HL7 France and CI-SIS."""
    default_title: ClassVar[str]

    patient: Patient
    author: Actor
    co_authors: tuple[Actor, ...] = ()
    custodian: Organization
    stay: Stay
    legal_authenticator: Actor | None = None
    recipients: tuple[Actor, ...] = ()
    written_at: AwareDatetime | None = None
    title: str | None = Field(default=None, min_length=1)
    confidentiality: Literal["N", "R", "V"] = "N"
    set_id: Oid | None = None
    version_number: int = Field(default=1, ge=1)
    replaces: Oid | None = None

    @field_validator("title")
    @classmethod
    def _title_length(cls, value: str | None) -> str | None:
        if value is not None and len(value) > TITLE_MAX:
            raise invalid("CDA_TITLE", f"the title has {len(value)} characters, {TITLE_MAX} at most", rule="SMDS title",
                          hint="shorten it", hint_fr="Raccourcissez le titre : 128 caractères au plus.")  # fmt: skip
        return value

    def revise(self, of: CdaDocument, **changes: Any) -> Self:
        """The next version of a rendered document: same set, next number, replacing it (RPLC).

        of: what `render` gave for the version to replace; changes: fields that differ. The time of writing is the
        clock's unless given again.
        Raises CdaError (`CDA_REVISE_TYPE`, `CDA_REVISE_PATIENT`) when `of` is of another type, or of a patient with
        whom this one shares no identifier.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        values |= {
            "written_at": None, "set_id": of.set_id, "version_number": of.version_number + 1, "replaces": of.unique_id,
        }  # fmt: skip
        revised = type(self)(**values | changes)
        if revised._type_code() != of.type_code.code:
            raise CdaError(
                "the document to replace is of another type", code="CDA_REVISE_TYPE", path="of.type_code",
                rule="SMDS 3.5.5: the versions of a set are one document", hint="replace it by one of its own type",
            )  # fmt: skip
        if not set(patient_ids(revised.patient)) & set(of.header.patient.ids):
            raise CdaError(
                "the document to replace is of another patient", code="CDA_REVISE_PATIENT", path="of.header.patient",
                rule="SMDS 3.5.5: the versions of a set are one document",
                hint="check the patient; a document put in the wrong record is removed, not replaced",
                hint_fr="Le document à remplacer concerne un autre patient.",
            )  # fmt: skip
        return revised

    def render(self, issuer: Issuer) -> CdaDocument:
        """The bytes and what identifies them. Pure but for the issuer: same ids and clock, same bytes.

        Raises CdaError (`CDA_PATIENT_ID` …), ModelError (`TERMINOLOGY`: a code out of its value set),
        XmlSecurityError (`XML_CHARACTER`: a control character in a text).
        """
        written_at = (self.written_at or issuer.clock.now()).replace(microsecond=0)
        draft = Draft(issuer, written_at)
        type_code = terminology_code("JDV_J07", self._type_code())
        media_type = self._body_media_type()
        content = HeaderContent(
            template_ids=self.template_ids,
            id=draft.oid(),
            code=type_code,
            code_translations=self._code_translations(),
            title=self.title or self.default_title,
            written_at=written_at,
            confidentiality=self.confidentiality,
            set_id=self.set_id or draft.oid(),
            version_number=self.version_number,
            replaces=self.replaces,
            patient=self.patient,
            authors=(self.author, *self.co_authors),
            custodian=self.custodian,
            recipients=self.recipients,
            legal_authenticator=self.legal_authenticator or self.author,
            authenticators=self._authenticators(),
            participants=self._participants(),
            orders=self._orders(),
            service_events=self._service_events(written_at),
            stay=self.stay,
            responsible=self._responsible(),
            facility=self._facility(),
            body_media_type=media_type,
        )
        header = header_data(content, draft)
        xml = document_xml(header_xml(content, header, draft), self._body(draft))
        patient = self.patient
        return CdaDocument(
            content=draft.assemble(xml),
            unique_id=content.id,
            set_id=content.set_id,
            version_number=content.version_number,
            type_code=type_code,
            title=content.title,
            created_at=written_at,
            organization=self.custodian,
            ins=patient.ins if patient.identity.is_qualified else None,
            ins_status=patient.status,
            format_code=format_code(tuple(t.root for t in self.template_ids), media_type),
            cda_level=1 if media_type else 3,
            replaces=content.replaces,
            stay=self.stay.visit,
            unit=self.stay.unit,
            header=header,
            is_canonical=True,
        )

    # What a kind of document adds. ------------------------------------------------------------------------------

    @abstractmethod
    def _body(self, draft: Draft) -> str:
        """`<structuredBody>…` or `<nonXMLBody>…`."""

    @abstractmethod
    def _service_events(self, written_at: datetime) -> tuple[ServiceEvent, ...]:
        """The principal act first."""

    def _type_code(self) -> str:
        return self.type_code

    def _body_media_type(self) -> str:
        """Media type of a nonXMLBody, empty for a structured body."""
        return ""

    def _code_translations(self) -> tuple[Code, ...]:
        return ()

    def _participants(self) -> tuple[Participant, ...]:
        return ()

    def _authenticators(self) -> tuple[Authenticator, ...]:
        return ()

    def _orders(self) -> tuple[HeaderOrder, ...]:
        return ()

    def _responsible(self) -> Actor | None:
        """responsibleParty when it must be someone else than the stay's."""
        return None

    def _facility(self) -> Organization | None:
        """Where the care took place when it is not the stay's organisation."""
        return None
