"""The header as the model's people, structures and stay: the fields that every kind of document shares.

What a header does not say is not made up, with the exceptions that `normalised` lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, TypeVar

from ..._core.errors import ModelError
from ..._core.hl7time import Precision, parse_ts
from ..._core.ids import is_oid
from ...model import (
    Actor,
    Code,
    Device,
    Guardian,
    Identifier,
    Identity,
    IdentityStatus,
    Ins,
    InsOid,
    Matricule,
    Organization,
    Patient,
    Professional,
    RelatedPerson,
    Sex,
    Stay,
    StayClass,
    Traits,
)
from ..datatypes import AM_ROOT, Translation
from ..header import (
    II,
    CdaHeader,
    HeaderConsent,
    HeaderName,
    HeaderOrder,
    HeaderOrganization,
    HeaderParticipant,
    HeaderParty,
    HeaderPatient,
    HeaderRelative,
    HeaderServiceEvent,
)
from ..header_writer import (
    DMP_CUSTODIAN,
    ENCOUNTER_CODES,
    Authenticator,
    Author,
    Consent,
    EncounterParticipant,
    Order,
    Participant,
    Performer,
    ServiceEvent,
)
from .notes import Notes, not_typed

UNKNOWN_PROFESSION: Final = "UNK"
"""Profession of someone of whom the header says none: a recipient, a relative of the care team. It is in no value set,
so that nothing can be signed or sent in its name."""
UNKNOWN_VISIT: Final = II("2.16.840.1.113883.5.1008", "UNK")
"""Number of a stay of which the header says none: the code of an unknown value, in the code system of null flavours."""
_STAY_CLASSES: Final = {code: stay_class for stay_class, code in ENCOUNTER_CODES.items()}
_INS_ROOTS: Final = frozenset(oid.value for oid in InsOid)
_NO_SETTINGS: Final[Mapping[str, str]] = MappingProxyType({})
_T = TypeVar("_T")


def instant(text: str, path: str, notes: Notes) -> datetime:
    """A time stamp as an instant; what had to stand for its hour or its offset is noted. Raises CdaError
    `CDA_NOT_TYPED`."""
    try:
        stamp = parse_ts(text)
    except (ValueError, OverflowError):
        raise not_typed("a time cannot be read", path) from None
    if stamp.precision <= Precision.DAY:
        notes.leave("the hour of a time", path, "it is not said: midnight stands for it")
    elif not stamp.has_offset:
        notes.leave("the offset of a time", path, "it is not said: that of Paris stands for it")
    return stamp.value


def instant_or_none(text: str, path: str, notes: Notes) -> datetime | None:
    return instant(text, path, notes) if text else None


def birth_date(text: str) -> str:
    """birthTime as the date of an identity: what is not known is 00 (`195007` → `1950-07-00`)."""
    digits = text[:8]
    return "-".join((digits[:4], digits[4:6] or "00", digits[6:8] or "00"))


def practice_settings(header: CdaHeader) -> dict[str, str]:
    """Struct_IdNat of the structures whose practice setting the header says, with the setting."""
    return {
        e.performer.organization.id.extension: e.practice_setting.code
        for e in header.service_events
        if e.practice_setting and e.performer and e.performer.organization
        and e.performer.organization.id and e.performer.organization.id.extension
    }  # fmt: skip


def organization_of(data: HeaderOrganization | None, settings: Mapping[str, str] = _NO_SETTINGS) -> Organization:
    """A structure. settings: what `practice_settings` gives. Raises ModelError when it says too little."""
    number = data.id.extension if data and data.id else ""
    numbered = {"1": "finess_geo", "3": "siret"}.get(number[:1])
    return Organization(
        name=data.name if data else "",
        address=data.addresses[0] if data and data.addresses else None,
        telecoms=data.telecoms if data else (),
        practice_setting=settings.get(number, "ETABLISSEMENT"),
        **{numbered: number[1:]} if numbered else {},
    )


def patient_of(data: HeaderPatient, settings: Mapping[str, str] = _NO_SETTINGS) -> Patient:
    """The patient that a header names. An INS makes the identity qualified: a CDA bears no other.

    Another number under the OID of an INS (a NIA beside the NIR) is no local identifier: it is left out.
    Raises CdaError `CDA_NOT_TYPED`.
    """
    own = next((i for i in data.ids if i.root in _INS_ROOTS), None)
    sex: Any = data.sex
    try:
        ins = _ins(own) if own else None
        return Patient(
            identity=Identity(
                traits=Traits(
                    birth_name=data.birth_family,
                    birth_given_names=data.birth_givens or data.first_given,
                    first_given_name=data.first_given or data.birth_givens.split(" ")[0],
                    birth_date=birth_date(data.birth_time),
                    sex=Sex(sex),
                    birth_place=data.birth_place,
                ),
                status=IdentityStatus.QUALIFIEE if ins else IdentityStatus.PROVISOIRE,
                ins=ins,
            ),
            identifiers=tuple(identifier(i) for i in data.ids if i.root not in _INS_ROOTS and i.extension),
            used_name=data.used_family or None,
            used_given_name=data.used_given or None,
            birth_city=data.birth_city or None,
            birth_country=data.birth_country or None,
            birth_site=data.birth_site or None,
            addresses=data.addresses,
            telecoms=data.telecoms,
            guardians=tuple(_guardian(g, settings) for g in data.guardians),
            deceased=data.deceased,
            deceased_at=_day_or_instant(data.deceased_time),
            multiple_birth=data.multiple_birth,
            birth_order=int(data.birth_order) if data.birth_order else None,
        )
    except ModelError as e:
        raise not_typed(f"the patient's identity: {e.message}", e.path or "recordTarget", e) from None
    except ValueError:  # a sex or an order out of its set
        raise not_typed("the patient's identity holds an unknown code", "recordTarget/patientRole/patient") from None


def _guardian(data: HeaderRelative, settings: Mapping[str, str]) -> Guardian:
    return Guardian(
        family=data.name.family if data.name else None,
        given=(data.name.given or None) if data.name else None,
        organization=organization_of(data.organization, settings) if data.organization else None,
        relationship=data.code.code if data.code else None,
        addresses=data.addresses,
        telecoms=data.telecoms,
    )


class People:
    """Reads the parties of one header. `events`, `participants`, `authenticators` and `orders` start as all that the
    header holds: a document kind removes those that are fields of its own before `shared` takes the rest."""

    def __init__(self, header: CdaHeader, notes: Notes) -> None:
        self.header = header
        self.notes = notes
        self.events = list(header.service_events)
        self.participants = list(header.participants)
        self.authenticators = list(header.authenticators)
        self.orders = list(header.orders)
        self._settings = practice_settings(header)
        self.done_by_author = False
        """Whether the model of this kind makes its author the performer of the principal act."""
        self.patient = patient_of(header.patient, self._settings)
        if header.patient.first_given and not header.patient.birth_givens:
            path = "recordTarget/patientRole/patient/name/given"
            why = "it is not said: the first of them stands for it"
            notes.leave("the list of given names", path, why, "CDA_UNREAD_HEADER")
        self.authors = tuple(self._all(self.author, header.authors, "author"))
        self.signer = self._one(self.author, header.legal_authenticator, "legalAuthenticator")

    # One party. -------------------------------------------------------------------------------------------------

    def organization(self, data: HeaderOrganization | None) -> Organization:
        return organization_of(data, self._settings)

    def actor(self, party: HeaderParty) -> Actor:
        """A professional. Raises ModelError when the party is not one, or says too little."""
        number = next((i.extension for i in party.ids if i.root != AM_ROOT), "")
        role = party.code.code if party.code else ""
        profession, _, specialty = role.removeprefix("G15_").partition("/") if role.startswith("G15_") else ("", "", "")
        name = party.name or HeaderName(family="")
        kind = {"8": "rpps", "0": "adeli"}.get(number[:1], "")
        mailbox = party.telecoms[0] if not role and party.telecoms else None
        is_mailbox = mailbox is not None and mailbox.use is None and mailbox.value.startswith("mailto:")
        values: dict[str, Any] = {
            "family": name.family,
            "given": name.given,
            "civility": name.prefix or None,
            "title": name.suffix or None,
            "profession": profession or UNKNOWN_PROFESSION,
            "specialty": specialty or None,
            "addresses": party.addresses,
            "telecoms": party.telecoms[1:] if is_mailbox else party.telecoms,
            "mss_address": mailbox.value.removeprefix("mailto:") if mailbox and is_mailbox else None,
            "am_number": next((i.extension for i in party.ids if i.root == AM_ROOT), None),
            kind or "local_id": number[1:] if kind else number or None,
        }
        return Actor(
            professional=Professional(**values),
            organization=self.organization(party.organization),
            function=party.function,
        )

    def author(self, party: HeaderParty) -> Author:
        """A professional, a device or the patient."""
        if party.device_software or (party.name is None and party.code is not None):
            role: Any = party.code.code if party.code else ""
            return Device(
                identifier=identifier(party.ids[0] if party.ids else II("", "")),
                role=role,
                model=party.device_model,
                software=party.device_software,
                organization=self.organization(party.organization) if party.organization else None,
            )
        if party.ids and party.code is None and party.ids[0] in self.header.patient.ids:
            return self.patient
        return self.actor(party)

    def _informant(self, who: HeaderParty | HeaderRelative) -> Actor | Patient | RelatedPerson:
        if isinstance(who, HeaderParty):
            found = self.author(who)
            if isinstance(found, Device):
                raise ModelError("a device is no informant", path="informant")
            return found
        relation: Any = who.class_code
        return RelatedPerson(
            relation=relation,
            family=who.name.family if who.name else "",
            given=(who.name.given or None) if who.name else None,
            relationship=who.code.code if who.code else None,
            addresses=who.addresses,
            telecoms=who.telecoms,
        )

    def participant(self, value: HeaderParticipant) -> Participant:
        kinds: Any = {"type_code": value.type_code, "class_code": value.class_code}
        return Participant(
            actor=self.actor(value.party),
            low=instant_or_none(value.start, "participant/time/low", self.notes),
            high=instant_or_none(value.stop, "participant/time/high", self.notes),
            template_id=value.party.template_id,
            **kinds,
        )

    def _encounter_participant(self, value: HeaderParticipant) -> EncounterParticipant:
        kind: Any = value.type_code
        return EncounterParticipant(
            type_code=kind,
            actor=self.actor(value.party),
            low=instant_or_none(value.start, "encounterParticipant/time/low", self.notes),
            high=instant_or_none(value.stop, "encounterParticipant/time/high", self.notes),
        )

    def authenticator(self, value: HeaderParty) -> Authenticator:
        return Authenticator(
            actor=self.actor(value),
            time=instant(value.time, "authenticator/time", self.notes),
            template_id=value.template_id,
        )

    def service_event(self, value: HeaderServiceEvent) -> ServiceEvent:
        qualifiers = value.qualifiers or (None,) * len(value.translations)
        performer = value.performer
        status: Any = value.lab_status
        return ServiceEvent(
            ids=value.ids,
            code=value.code,
            translations=tuple(
                Translation(code=c, qualifier=q) for c, q in zip(value.translations, qualifiers, strict=True)
            ),
            lab_status=status,
            class_code=value.class_code,
            start=instant_or_none(value.start, "serviceEvent/effectiveTime/low", self.notes),
            stop=instant_or_none(value.stop, "serviceEvent/effectiveTime/high", self.notes),
            performer=Performer(
                actor=self.actor(performer),
                time=instant_or_none(performer.time, "performer/time", self.notes),
                template_id=performer.template_id,
            )
            if performer
            else None,
        )

    # The stay. ----------------------------------------------------------------------------------------------------

    def stay(self, *, with_responsible: bool = True) -> Stay:
        """The stay. Its organisation is the custodian, with the facility type that the encounter says, and the name
        and address of the place when they are written."""
        data = self.header.encounter
        visit = next((i for i in data.ids if i.extension), None)
        if visit is None:
            path = "componentOf/encompassingEncounter/id"
            self.notes.leave("the number of the stay", path, "the document does not say it", "CDA_UNREAD_HEADER")
            visit = UNKNOWN_VISIT
        start, stop = data.start, data.stop
        if not start:
            path = "componentOf/encompassingEncounter/effectiveTime"
            stands = "its end stands for it" if stop else "the document's own time stands for it"
            self.notes.leave("the start of the stay", path, f"it is not said, {stands}", "CDA_UNREAD_HEADER")
            start, stop = stop or self.header.effective_time, ""
        changes: dict[str, Any] = {}
        if data.facility:
            changes["facility_type"] = data.facility.code
        else:
            path = "componentOf/encompassingEncounter/location/healthCareFacility/code"
            self.notes.leave("the facility type", path, "it is not said: SA01 stands for it", "CDA_UNREAD_HEADER")
        if data.place:
            changes |= {
                "name": data.place.name or self.custodian.name,
                "address": data.place.addresses[0] if data.place.addresses else None,
            }
        responsible = data.responsible if with_responsible else None
        code = data.code.code if data.code else ""
        if code and code not in _STAY_CLASSES:
            path = "componentOf/encompassingEncounter/code"
            self.notes.leave("the class of the stay", path, "PV1-2 has no such class", "CDA_UNREAD_HEADER")
        try:
            return Stay(
                visit=identifier(visit),
                admitted_at=instant(start, "componentOf/encompassingEncounter/effectiveTime/low", self.notes),
                discharged_at=instant_or_none(stop, "componentOf/encompassingEncounter/effectiveTime/high", self.notes),
                organization=self.custodian.model_copy(update=changes),
                stay_class=_STAY_CLASSES.get(code, StayClass.NOT_APPLICABLE),
                responsible=self._one(self.actor, responsible, "responsibleParty") if responsible else None,
            )
        except ModelError as e:
            raise not_typed(f"the stay: {e.message}", "componentOf/encompassingEncounter", e) from None

    # All of them. -----------------------------------------------------------------------------------------------

    def shared(self, *, default_title: str = "", with_responsible: bool = True) -> dict[str, Any]:
        """The fields of `ClinicalDocument`, from what no document kind has taken."""
        header = self.header
        if not self._settings:
            path = "documentationOf/serviceEvent/performer/assignedEntity/representedOrganization"
            why = "it is not said: ETABLISSEMENT stands for it"
            self.notes.leave("the practice setting", path, why, "CDA_UNREAD_HEADER")
        if self.events:  # the principal act is the document's own
            del self.events[0]
        if header.patient.deceased_time and self.patient.deceased_at is None:
            path = "recordTarget/patientRole/patient/deceasedTime"
            self.notes.leave("the time of death", path, "its day is not known", "CDA_UNREAD_HEADER")
        if header.language != "fr-FR":
            self.notes.leave("the language", "languageCode", "the model is of a French document", "CDA_UNREAD_HEADER")
        author = self.principal_author
        encounter = header.encounter
        values: dict[str, Any] = {
            "patient": self.patient,
            "author": author,
            "custodian": self.custodian,
            "kept_by_dmp": self.is_kept_by_dmp,
            "stay": self.stay(with_responsible=with_responsible),
            "legal_authenticator": None if self.is_author(self.signer) else self.signer,
            "recipients": tuple(self._all(self.actor, header.recipients, "informationRecipient")),
            "written_at": instant(header.effective_time, "effectiveTime", self.notes),
            "title": None if header.title == default_title else header.title,
            "confidentiality": header.confidentiality.code,
            "set_id": self._oid(header.set_id, "setId"),
            "version_number": header.version_number,
            "replaces": self._oid(header.replaces, "relatedDocument"),
            "transforms": self._oid(header.transforms, "relatedDocument"),
            "data_enterer": self._one(self.actor, header.data_enterer, "dataEnterer"),
            "informants": tuple(self._all(self._informant, header.informants, "informant")),
            "authenticators": tuple(self._all(self.authenticator, self.authenticators, "authenticator")),
            "participants": tuple(self._all(self.participant, self.participants, "participant")),
            "placer_orders": tuple(self._all(_order, self.orders, "inFulfillmentOf")),
            "further_events": tuple(self._all(self.service_event, self.events, "documentationOf")),
            "consents": tuple(self._all(_consent, header.consents, "authorization")),
            "encounter_participants": tuple(
                self._all(self._encounter_participant, encounter.participants, "encounterParticipant")
            ),
            "discharge_disposition": encounter.discharge,
            "facility_category": encounter.facility_category,
            "facility_located": encounter.place is not None,
        }
        if self.authors and self.authors[0] == author:
            values["co_authors"] = self.authors[1:]
        else:
            values["authors"] = self.authors
        return values

    @cached_property
    def principal_author(self) -> Actor:
        """See `principal_author`. Raises CdaError `CDA_NOT_TYPED`."""
        performer = self.header.service_events[0].performer if self.header.service_events else None
        done = self._one(self.actor, performer, "performer") if performer and performer.name else None
        who = principal_author(self.authors, self.signer, done, done_by_author=self.done_by_author)
        if who is None:
            raise not_typed("no author or signer is a professional that can be read", "author")
        return who

    @property
    def is_kept_by_dmp(self) -> bool:
        custodian = self.header.custodian
        return custodian is not None and custodian.id == DMP_CUSTODIAN.id

    @cached_property
    def custodian(self) -> Organization:
        """Who keeps the document; of one that the DMP keeps, the structure of the author, who sends it."""
        if self.is_kept_by_dmp:
            return self.principal_author.organization
        return self._needed(self.organization, self.header.custodian, "custodian")

    def is_author(self, who: Author | None) -> bool:
        """Whether this is the author, as the other places of a header show them."""
        return who is None or who == plain(self.principal_author)

    def performer(self, event: HeaderServiceEvent) -> Actor | None:
        """Who did the act, None when the author did."""
        who = self._one(self.actor, event.performer, "performer") if event.performer else None
        return None if self.is_author(who) else who

    def _oid(self, value: II | None, path: str) -> str | None:
        if value is None or (is_oid(value.root) and not value.extension):
            return value.root if value else None
        self.notes.leave(path, path, "it is not an OID alone", "CDA_UNREAD_HEADER")
        return None

    def _needed(self, read: Callable[[Any], _T], data: Any, path: str) -> _T:
        try:
            return read(data)
        except ModelError as e:
            raise not_typed(e.message, path, e) from None

    def _one(self, read: Callable[[Any], _T], data: Any, path: str) -> _T | None:
        return next(iter(self._all(read, (data,) if data is not None else (), path)), None)

    def _all(self, read: Callable[[Any], _T], data: Iterable[Any], path: str) -> list[_T]:
        """What can be read; each of the others is noted."""
        found = []
        for each in data:
            try:
                found.append(read(each))
            except ModelError as e:
                self.notes.leave(path, path, e.message, "CDA_UNREAD_HEADER")
        return found


def principal_author(
    authors: Sequence[Author], signer: Author | None, done: Actor | None, *, done_by_author: bool
) -> Actor | None:
    """The `author` of a model: the first author when it is a professional, else who signs, who did the act, another
    author. Where the model makes its author the performer, who did the act when the first author did not."""
    first = authors[0] if authors and isinstance(authors[0], Actor) else None
    if done_by_author and done is not None and (first is None or done != plain(first)):
        return done
    return next((who for who in (first, signer, done, *authors) if isinstance(who, Actor)), None)


def plain(actor: Actor) -> Actor:
    """An author as the other places of a header show them: without function nor number at the Assurance Maladie."""
    professional = actor.professional.model_copy(update={"am_number": None})
    return actor.model_copy(update={"function": None, "professional": professional})


def identifier(value: II) -> Identifier:
    return Identifier(value=value.extension, root=value.root)


def _ins(value: II) -> Ins:
    """A wrong key is the sender's affair."""
    try:
        return Ins(matricule=Matricule(value=value.extension), oid=InsOid(value.root))
    except ModelError:
        return Ins(matricule=Matricule(value=value.extension, certified=True), oid=InsOid(value.root))


def _day_or_instant(text: str) -> Any:
    """None for less than a day: a date of death is never made up."""
    try:
        stamp = parse_ts(text)
    except (ValueError, OverflowError):
        return None
    if stamp.precision < Precision.DAY:
        return None
    return stamp.date if stamp.precision == Precision.DAY else stamp.value


def _order(value: HeaderOrder) -> Order:
    return Order(id=identifier(value.id), accession=identifier(value.accession) if value.accession else None)


def _consent(value: HeaderConsent) -> Consent:
    return Consent(code=value.code, id=identifier(value.id) if value.id else None)


def code_value(code: Code | None) -> str:
    return code.code if code else ""
