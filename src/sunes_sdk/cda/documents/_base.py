"""What every document of this library shares: its people, its stay, its versions, and how it becomes bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from ..._core.errors import CdaError, ModelError
from ...model import Actor, Code, Device, Guardian, InsOid, Model, Organization, Patient, RelatedPerson, Stay, Telecom
from ...model._base import invalid
from ...model.code import Oid
from ...terminology import code as terminology_code
from ...terminology import format_code
from ..header import II, CdaDocument, CdaHeader, HeaderEncounter, HeaderOrder, HeaderOrganization, Written
from ..header_writer import (
    CI_SIS,
    CONFIDENTIALITY,
    DMP_CUSTODIAN,
    HL7_FRANCE,
    Authenticator,
    Author,
    Consent,
    EncounterParticipant,
    Order,
    Participant,
    ServiceEvent,
    authenticator_data,
    check_function,
    consent_data,
    custodian_data,
    document_xml,
    encounter_code,
    facility_code,
    informant_data,
    order_data,
    participant_data,
    party,
    patient_data,
    patient_ids,
    recipient_data,
    service_event_data,
)
from ..issuer import Issuer
from ..sections import Draft

TITLE_MAX = 128
DISPOSITION_SYSTEM = "1.2.250.1.213.2.14"
"""Code system of dischargeDispositionCode."""

_INS_ROOTS = frozenset(oid.value for oid in InsOid)


class ClinicalDocument(Model, ABC):
    """The shared part of a document (SMDS header).

    patient 1..1; author 1..1, with further `co_authors` 0..*; custodian 1..1: the structure that keeps it; stay 1..1:
    *venue*, gives componentOf; legal_authenticator 0..1: who answers for it, the author when not given; recipients
    0..*: informationRecipient; written_at 0..1: the issuer's clock when not given; title 0..1: the volet's when not
    given, at most 128 characters; confidentiality: `N` normal, `R` restricted, `V` very restricted.

    The rest of the header, all 0..* or 0..1: authors: who wrote it when that is not `author` with `co_authors` (a
    patient, a device), `author` stays the signer and performer by default; data_enterer; informants: professionals,
    the patient, people around; authenticators: who else validated; participants (JDV_J144); placer_orders: requests it
    answers; further_events: acts after the principal one; consents: authorization; encounter_participants (JDV_J140);
    discharge_disposition (codeSystem 1.2.250.1.213.2.14); facility_category: category of establishment (JDV_J368);
    facility_located: the facility's name and address are written; kept_by_dmp: the DMP is the custodian (what a patient
    or an SNR writes), `custodian` being the structure that sends it; transforms: OID of the document that this one
    carries in another form (XFRM), never with `replaces`.
    Raises ModelError (`CDA_TITLE`, `CDA_TELECOM`, `CDA_FUNCTION`, `CDA_RELATED`, `CDA_DISPOSITION`).

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
    co_authors: tuple[Author, ...] = ()
    authors: tuple[Author, ...] = ()
    data_enterer: Actor | None = None
    informants: tuple[Actor | Patient | RelatedPerson, ...] = ()
    custodian: Organization
    stay: Stay
    legal_authenticator: Author | None = None
    authenticators: tuple[Authenticator, ...] = ()
    recipients: tuple[Actor, ...] = ()
    participants: tuple[Participant, ...] = ()
    placer_orders: tuple[Order, ...] = ()
    further_events: tuple[ServiceEvent, ...] = ()
    consents: tuple[Consent, ...] = ()
    encounter_participants: tuple[EncounterParticipant, ...] = ()
    discharge_disposition: Code | None = None
    facility_category: Code | None = None
    facility_located: bool = False
    kept_by_dmp: bool = False
    written_at: AwareDatetime | None = None
    title: str | None = Field(default=None, min_length=1)
    confidentiality: Literal["N", "R", "V"] = "N"
    set_id: Oid | None = None
    version_number: int = Field(default=1, ge=1)
    replaces: Oid | None = None
    transforms: Oid | None = None

    @field_validator("title")
    @classmethod
    def _title_length(cls, value: str | None) -> str | None:
        if value is not None and len(value) > TITLE_MAX:
            raise invalid("CDA_TITLE", f"the title has {len(value)} characters, {TITLE_MAX} at most", rule="SMDS title",
                          hint="shorten it", hint_fr="Raccourcissez le titre : 128 caractères au plus.")  # fmt: skip
        return value

    @field_validator("discharge_disposition")
    @classmethod
    def _disposition(cls, value: Code | None) -> Code | None:
        if value is not None and value.system != DISPOSITION_SYSTEM:
            raise invalid("CDA_DISPOSITION", "the discharge disposition is of another code system",
                          rule=f"SMDS dischargeDispositionCode, codeSystem {DISPOSITION_SYSTEM}",
                          hint=f"take a code of {DISPOSITION_SYSTEM}")  # fmt: skip
        return value

    @model_validator(mode="after")
    def _header_is_writable(self) -> Self:
        if self.replaces and self.transforms:
            raise invalid("CDA_RELATED", "a document replaces another or transforms one, not both",
                          rule="SMDS relatedDocument 0..1", path="transforms", hint="give one of them",
                          hint_fr="Un document remplace un autre document ou le transforme, pas les deux.")  # fmt: skip
        for path, telecoms in self._telecoms():
            for telecom in telecoms:
                if telecom.value.startswith("https:"):
                    raise invalid("CDA_TELECOM", "a CDA document takes no https: telecom", path=f"{path}.telecoms",
                                  rule="CI-SIS Telecom: tel, fax, mailto, http, ftp, mllp (CDA_H38)",
                                  hint="give a telephone or a mailbox, or leave it out",
                                  hint_fr="Une adresse https n'est pas admise dans un document CDA.")  # fmt: skip
        if self.author.function:
            check_function(self.author, "author.function")
        for author in self.co_authors:
            if isinstance(author, Actor):
                check_function(author, "co_authors.function")
        return self

    def _telecoms(self) -> Iterator[tuple[str, tuple[Telecom, ...]]]:
        """What each person and structure of the header is reached by, with their place in this model."""
        patient, stay = self.patient, self.stay
        yield "patient", patient.telecoms
        yield "custodian", self.custodian.telecoms
        yield "stay.organization", stay.organization.telecoms
        for guardian in patient.guardians:
            yield from _reached("patient.guardians", guardian)
        yield from _reached("author", self.author)
        for path, one in (
            ("data_enterer", self.data_enterer),
            ("legal_authenticator", self.legal_authenticator),
            ("stay.responsible", stay.responsible),
        ):
            if one:
                yield from _reached(path, one)
        for path, people in (
            ("co_authors", self.co_authors),
            ("authors", self.authors),
            ("informants", self.informants),
            ("recipients", self.recipients),
        ):
            for who in people:
                yield from _reached(path, who)
        for path, acting in (
            ("authenticators", self.authenticators),
            ("participants", self.participants),
            ("encounter_participants", self.encounter_participants),
        ):
            for each in acting:
                yield from _reached(f"{path}.actor", each.actor)

    def revise(self, of: CdaDocument, **changes: Any) -> Self:
        """The next version of a rendered document: same set, next number, replacing it (RPLC).

        of: what `render` gave for the version to replace; changes: fields that differ. The time of writing is the
        clock's unless given again.
        Raises CdaError (`CDA_REVISE_TYPE`, `CDA_REVISE_PATIENT`) when `of` is of another type, of a patient with whom
        this one shares no identifier, or under an INS that is neither this patient's nor a former one.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        values |= {
            "transforms": None, "written_at": None, "set_id": of.set_id, "version_number": of.version_number + 1,
            "replaces": of.unique_id,
        }  # fmt: skip
        revised = type(self)(**values | changes)
        if revised._type_code() != of.type_code.code:
            raise CdaError(
                "the document to replace is of another type", code="CDA_REVISE_TYPE", path="of.type_code",
                rule="SMDS 3.5.5: the versions of a set are one document", hint="replace it by one of its own type",
            )  # fmt: skip
        known = revised.patient.ins if revised.patient.identity.is_qualified else None
        if not set(patient_ids(revised.patient, known)) & set(of.header.patient.ids):
            raise CdaError(
                "the document to replace is of another patient", code="CDA_REVISE_PATIENT", path="of.header.patient",
                rule="SMDS 3.5.5: the versions of a set are one document",
                hint="check the patient; a document put in the wrong record is removed, not replaced",
                hint_fr="Le document à remplacer concerne un autre patient.",
            )  # fmt: skip
        numbers = {II(i.oid.value, i.value) for i in (known, *revised.patient.identity.former_ins) if i is not None}
        before = {i for i in of.header.patient.ids if i.root in _INS_ROOTS}
        if known is not None and before and not before & numbers:
            raise CdaError(
                "the document to replace is under another INS, and would stay there", code="CDA_REVISE_PATIENT",
                path="of.header.patient", rule="a version replaces another in one patient's record",
                hint="delete it from the other record, then make a new document; a former INS of the same person goes "
                "into identity.former_ins",
                hint_fr="Le document à remplacer porte un autre INS : le supprimer de l'autre dossier d'abord.",
            )  # fmt: skip
        return revised

    def render(self, issuer: Issuer) -> CdaDocument:
        """The bytes and what identifies them. Pure but for the issuer: same ids and clock, same bytes.

        Raises CdaError (`CDA_PATIENT_ID` …), InsError (`ENVIRONMENT_IDENTITY`: the INS is not of the issuer's
        environment), ModelError (`TERMINOLOGY`: a code out of its value set, `CDA_INTERVAL`:
        what lasts until the time of writing starts after it),
        XmlSecurityError (`XML_CHARACTER`: a control character in a text).
        """
        written_at = (self.written_at or issuer.clock.now()).replace(microsecond=0)
        draft = Draft(issuer, written_at)
        header = self._header(draft, written_at, issuer)
        body = self._body(draft)
        written = draft.assemble(document_xml(header, body, draft.prefixes))
        patient = self.patient
        return CdaDocument(
            content=written,
            unique_id=header.id.root,
            set_id=header.set_id.root,
            version_number=header.version_number,
            type_code=header.code,
            title=header.title,
            created_at=written_at,
            organization=self.custodian,
            ins=issuer.ins_of(patient),
            ins_status=patient.status,
            format_code=format_code(tuple(t.root for t in header.template_ids[2:]), header.body_media_type),
            cda_level=1 if header.body_media_type else 3,
            replaces=self.replaces,
            stay=self.stay.visit,
            unit=self.stay.unit,
            header=header,
            written=Written(written, header, draft.has_files),
        )

    def _header(self, draft: Draft, written_at: datetime, issuer: Issuer) -> CdaHeader:
        """The header as data: equal to what `read_header` finds in the bytes."""
        stay = self.stay
        now, ins_of = draft.written_at, issuer.ins_of
        authors = tuple(
            [
                party(a, now, as_author=True, with_function=True, ins=ins_of(a))
                for a in self.authors or (self.author, *self.co_authors)
            ]
        )
        signer = self.legal_authenticator or self.author
        # The usual case, and the same data: an author without function nor second identifier who signs.
        same = signer is self.author and not (self.authors or authors[0].function or len(authors[0].ids) > 1)
        responsible = self._responsible() or stay.responsible
        organization = self._facility() or stay.organization
        return CdaHeader(
            template_ids=(HL7_FRANCE, CI_SIS, *self._template_ids()),
            id=II(draft.oid()),
            code=terminology_code("JDV_J07", self._type_code()),
            code_translations=self._code_translations(),
            title=self.title or self.default_title,
            effective_time=now,
            confidentiality=CONFIDENTIALITY[self.confidentiality],
            language="fr-FR",
            set_id=II(self.set_id or draft.oid()),
            version_number=self.version_number,
            patient=patient_data(self.patient, ins_of(self.patient), draft.ts),
            authors=authors,
            data_enterer=party(self.data_enterer) if self.data_enterer else None,
            informants=tuple([informant_data(i, ins_of(i)) for i in self.informants]),
            custodian=DMP_CUSTODIAN if self.kept_by_dmp else custodian_data(self.custodian),
            recipients=tuple([recipient_data(r) for r in self.recipients]),
            legal_authenticator=authors[0] if same else party(signer, now, ins=ins_of(signer)),
            authenticators=tuple(
                [authenticator_data(a, draft) for a in (*self._authenticators(), *self.authenticators)]
            ),
            participants=tuple([participant_data(p, draft) for p in (*self._participants(), *self.participants)]),
            orders=(*self._orders(), *[order_data(o) for o in self.placer_orders]),
            service_events=tuple(
                [service_event_data(e, draft) for e in (*self._service_events(written_at), *self.further_events)]
            ),
            replaces=II(self.replaces) if self.replaces else None,
            transforms=II(self.transforms) if self.transforms else None,
            consents=tuple([consent_data(c) for c in self.consents]),
            encounter=HeaderEncounter(
                ids=(II(stay.visit.root, stay.visit.value),),
                code=encounter_code(stay),
                start=draft.ts(stay.admitted_at),
                stop=draft.ts(stay.discharged_at) if stay.discharged_at else "",
                discharge=self.discharge_disposition,
                responsible=party(responsible) if responsible else None,
                participants=tuple([participant_data(p, draft) for p in self.encounter_participants]),
                facility=facility_code(organization),
                facility_category=self.facility_category,
                place=_place(organization) if self.facility_located else None,
            ),
            body_media_type=self._body_media_type(),
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

    def _template_ids(self) -> tuple[II, ...]:
        return self.template_ids

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


def check_ends_after(
    start: datetime, stop: datetime, *, path: str, message: str, hint: str, hint_fr: str
) -> None:  # fmt: skip
    """Refuse the times of a principal act when writing, under the field that the caller gave.

    The model has refused what its own fields contradict; here one of the times is that of writing.
    """
    if stop <= start:
        raise ModelError(
            message, code="CDA_INTERVAL", path=path, rule="SMDS serviceEvent/effectiveTime: low before high",
            hint=hint, hint_fr=hint_fr,
        )  # fmt: skip


def _place(organization: Organization) -> HeaderOrganization:
    return HeaderOrganization(
        id=None, name=organization.name, addresses=(organization.address,) if organization.address else ()
    )


def _reached(
    path: str, who: Actor | Device | Guardian | Patient | RelatedPerson
) -> Iterator[tuple[str, tuple[Telecom, ...]]]:
    """The telecoms of someone and of the structure beside."""
    if isinstance(who, Actor):
        yield f"{path}.professional", who.professional.telecoms
    elif not isinstance(who, Device):
        yield path, who.telecoms
    if isinstance(who, Actor | Device | Guardian) and who.organization:
        yield f"{path}.organization", who.organization.telecoms
