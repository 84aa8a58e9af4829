"""The common header (SMDS), written once for every document: the model's people and acts become a `CdaHeader`, and
the `CdaHeader` becomes XML. What a document says and what its header data say cannot differ.

Element order is the XSD's. Rule numbers in comments (H01…) are those of `cda.rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

from pydantic import AwareDatetime, model_validator

from .._core.errors import CdaError, ModelError
from .._core.once import once_per_object
from .._core.xml import escape_attribute, escape_text
from ..model import (
    Actor,
    Address,
    Code,
    Device,
    Guardian,
    Identifier,
    Ins,
    Model,
    Organization,
    Patient,
    Professional,
    RelatedPerson,
    Stay,
    StayClass,
    Telecom,
)
from ..model._base import invalid
from ..model.code import Oid
from ..terminology import code as terminology_code
from ..terminology import lookup
from . import datatypes as dt
from .datatypes import AM_ROOT, PS_ROOT, STRUCTURE_ROOT, NullFlavor, Translation
from .header import (
    DECLARATION,
    II,
    CdaHeader,
    HeaderConsent,
    HeaderEncounter,
    HeaderName,
    HeaderOrder,
    HeaderOrganization,
    HeaderParticipant,
    HeaderParty,
    HeaderPatient,
    HeaderRelative,
    HeaderServiceEvent,
)
from .sections import Draft

Author = Actor | Device | Patient
"""Who may write or answer for a document."""

HL7_FRANCE = II("2.16.840.1.113883.2.8.2.1")
CI_SIS = II("1.2.250.1.213.1.1.1.1")
DMP_CUSTODIAN = HeaderOrganization(id=II("1.2.250.1.213.4.1"), name="DMP")
"""custodian of what a patient or an SNR writes."""
GENDER_SYSTEM = "2.16.840.1.113883.5.1"
CONFIDENTIALITY_SYSTEM = "2.16.840.1.113883.5.25"
CONFIDENTIALITY = {
    code: Code(code=code, system=CONFIDENTIALITY_SYSTEM, display=display)
    for code, display in (("N", "Normal"), ("R", "Restreint"), ("V", "Très restreint"))
}
ENCOUNTER_CODES = {
    StayClass.INPATIENT: "IMP",
    StayClass.OUTPATIENT: "EXTERNE",
    StayClass.EMERGENCY: "EMER",
    StayClass.RECURRING: "SEANCE",
}
"""PV1-2 of a stay to JDV_J142. Recurring means sessions; `N` has no counterpart."""


def _ordered(low: datetime | None, high: datetime | None, name: str) -> None:
    """Refuse an interval that ends before it starts, or at once (dtr1-6, dtr1-7)."""
    if low and high and low >= high:
        raise ModelError(
            "the end is not after the start",
            code="CDA_INTERVAL",
            path=name,
            rule="SMDS IVL_TS (dtr1-6, dtr1-7); CDA_H36",
            hint="give only the start of what happens at one instant",
            hint_fr="La date de fin doit suivre la date de début.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Performer:
    """Who did the principal act.

    time: when, as `performer/time/high`, written only when given; template_id: of the performer, when a volet has one.
    """

    actor: Actor
    time: datetime | None = None
    template_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEvent:
    """documentationOf/serviceEvent. The first one is the principal act: it needs `start` and `performer`.

    lab_status: `lab:statusCode` of CR-BIO (`completed`, `active`); class_code: e.g. `INFO` for prescription flags.
    Raises ModelError (`CDA_INTERVAL`, `CDA_LAB_STATUS`, `CDA_ACT_ID`, `CDA_ACT_CLASS`).
    """

    ids: tuple[II, ...] = ()
    code: Code | None = None
    translations: tuple[Translation, ...] = ()
    lab_status: Literal["", "active", "completed"] = ""
    class_code: str = ""
    start: datetime | None = None
    stop: datetime | None = None
    performer: Performer | None = None

    def __post_init__(self) -> None:
        _ordered(self.start, self.stop, "ServiceEvent.stop")
        if self.stop and not self.start:
            raise ModelError("the act has an end and no start", code="CDA_INTERVAL", path="ServiceEvent.start",
                             rule="SMDS IVL_TS: low 1..1; CDA_H74", hint="give start too")  # fmt: skip
        if self.lab_status not in ("", "active", "completed"):
            raise ModelError("not a status of an act of biology", code="CDA_LAB_STATUS", path="ServiceEvent.lab_status",
                             rule="CI-SIS volet CR-BIO, lab:statusCode", hint="give completed or active")  # fmt: skip
        if self.ids:
            from .rules.content_model import VALUES

            if any(i.root not in VALUES["uid"] for i in self.ids):
                raise ModelError("the root of an identifier is neither an OID nor a UUID", code="CDA_ACT_ID",
                                 path="ServiceEvent.ids", rule="HL7 II; CDA_S02", hint="give the OID of who gave it",
                                 hint_fr="L'identifiant de l'acte n'a pas une racine valide (OID).")  # fmt: skip
        if self.class_code:
            from .rules.content_model import VALUES

            if self.class_code not in VALUES["ActClass"]:
                raise ModelError("not a class of act", code="CDA_ACT_CLASS", path="ServiceEvent.class_code",
                                 rule="HL7 ActClass; CDA_S02", hint="leave it out, or give INFO or ACT")  # fmt: skip


class Participant(Model):
    """participant: `type_code` is JDV_J144 (`REF` prescriber, `INF` with function PCP *médecin traitant*, `CON`).

    low / high: bounds of its time, nullFlavor NA when both are missing (the element itself is mandatory); class_code:
    `PROV` a provider, `AGNT` an agent; template_id: when a volet has one.
    Raises ModelError (`CDA_INTERVAL`, `CDA_FUNCTION`).
    """

    type_code: Literal["REF", "REFB", "INF", "RESP", "PRF", "CON", "VRF"]
    actor: Actor
    low: AwareDatetime | None = None
    high: AwareDatetime | None = None
    template_id: Oid | Literal[""] = ""
    class_code: Literal["PROV", "AGNT"] = "PROV"

    @model_validator(mode="after")
    def _coherent(self) -> Participant:
        _ordered(self.low, self.high, "Participant.high")
        check_function(self.actor, "actor.function")
        return self


class EncounterParticipant(Model):
    """encompassingEncounter/encounterParticipant: `type_code` is JDV_J140 (`ADM` admission, `ATND`, `CON`, `DIS`
    discharge, `REF`; CDA takes no `RESP`: that is `Stay.responsible`); low / high 0..1: when. Raises ModelError
    (`CDA_INTERVAL`)."""

    type_code: Literal["ADM", "ATND", "CON", "DIS", "REF"]
    actor: Actor
    low: AwareDatetime | None = None
    high: AwareDatetime | None = None

    @model_validator(mode="after")
    def _coherent(self) -> EncounterParticipant:
        _ordered(self.low, self.high, "EncounterParticipant.high")
        return self


class Authenticator(Model):
    """authenticator: who validated, beside the legal one; `template_id` when a volet has one (CR-BIO)."""

    actor: Actor
    time: AwareDatetime
    template_id: Oid | Literal[""] = ""


class Order(Model):
    """inFulfillmentOf/order: the request that the document answers. id 1..1: *Order Placer Number*; accession 0..1."""

    id: Identifier
    accession: Identifier | None = None


class Consent(Model):
    """authorization/consent: a consent that was given. code 1..1; id 0..1."""

    code: Code
    id: Identifier | None = None


def check_function(actor: Actor, path: str) -> None:
    """Refuse a functionCode out of JDV_J47, which the official validator refuses (H30)."""
    function = actor.function
    if function is not None and lookup("JDV_J47", function.code, function.system) is None:
        raise invalid("CDA_FUNCTION", f"the function {function.code} is not in JDV_J47", path=path,
                      rule="SMDS functionCode; CDA_H30", hint="take the code and its system from JDV_J47",
                      hint_fr="La fonction n'appartient pas à la liste nationale JDV_J47.")  # fmt: skip


# --- Data -----------------------------------------------------------------------------------------------------------


def encounter_code(stay: Stay) -> Code | None:
    """JDV_J142."""
    value = ENCOUNTER_CODES.get(stay.stay_class)
    return terminology_code("JDV_J142", value) if value else None


def facility_code(organization: Organization) -> Code:
    """JDV_J02."""
    return terminology_code("JDV_J02", organization.facility_type)


def practice_setting_code(organization: Organization) -> Code:
    """JDV_J04."""
    return terminology_code("JDV_J04", organization.practice_setting)


def role_code(actor: Actor) -> Code:
    """JDV_J01: profession and specialty."""
    return terminology_code("JDV_J01", actor.professional.role_code)


def birth_time(birth_date: str) -> str:
    """A birth date as birthTime: what is not a calendar date is cut to what is known (`1950-00-00` → `1950`)."""
    year, month, day = birth_date.split("-")
    if not 1 <= int(month) <= 12:
        return year
    try:
        datetime(int(year), int(month), int(day))  # noqa: DTZ001  only asks whether the day exists
    except ValueError:
        return year + month
    return year + month + day


def patient_ids(patient: Patient, ins: Ins | None) -> tuple[II, ...]:
    """The INS first, when the gate gave one (`Issuer.ins_of`); then the local identifiers.

    Raises CdaError `CDA_PATIENT_ID` when nothing is left.
    """
    local = tuple(II(i.root, i.value) for i in patient.identifiers)
    if ins is not None:
        return (II(ins.oid.value, ins.value), *local)
    if not local:
        raise CdaError(
            "the patient has neither a qualified INS nor a local identifier",
            code="CDA_PATIENT_ID",
            path="patient.identifiers",
            rule="SMDS recordTarget/patientRole/id 1..*",
            hint="give the IPP, or qualify the identity with INSi",
            hint_fr="Renseignez l'IPP du patient ou qualifiez son identité.",
        )
    return local


def patient_data(patient: Patient, ins: Ins | None, ts: Callable[[datetime], str]) -> HeaderPatient:
    """ins: from the gate; ts: how an instant is written."""
    traits = patient.traits
    return HeaderPatient(
        ids=patient_ids(patient, ins),
        birth_family=traits.birth_name,
        birth_givens=traits.birth_given_names,
        first_given=traits.first_given_name,
        used_family=patient.used_name or "",
        used_given=patient.used_given_name or "",
        sex=traits.sex.value,
        birth_time=birth_time(traits.birth_date),
        birth_place=traits.birth_place,
        birth_city=patient.birth_city or "",
        birth_country=patient.birth_country or "",
        birth_site=patient.birth_site or "",
        addresses=patient.addresses,
        telecoms=patient.telecoms,
        guardians=tuple([_guardian(g) for g in patient.guardians]),
        deceased=patient.deceased,
        deceased_time=_when(patient.deceased_at, ts),
        multiple_birth=patient.multiple_birth,
        birth_order=str(patient.birth_order) if patient.birth_order else "",
    )


def _when(value: datetime | date | None, ts: Callable[[datetime], str]) -> str:
    if value is None:
        return ""
    return ts(value) if isinstance(value, datetime) else dt.day(value)


def party(
    who: Author,
    time: str = "",
    *,
    as_author: bool = False,
    with_function: bool = False,
    template_id: str = "",
    with_setting: bool = False,
    ins: Ins | None = None,
) -> HeaderParty:
    """Someone of the header. as_author: in an assignedAuthor, which alone holds a device and a second identifier;
    with_setting: the structure says its own; ins: of a patient, from the gate."""
    if isinstance(who, Actor):
        known = _performing(who) if with_setting else _acting(who)
        function = who.function if with_function else None
        second = who.professional.am_number if as_author else None
        if not (time or function or second or template_id):
            return known
        return HeaderParty(
            time=time,
            ids=(*known.ids, II(AM_ROOT, second)) if second else known.ids,
            code=known.code,
            function=function,
            name=known.name,
            organization=known.organization,
            addresses=known.addresses,
            telecoms=known.telecoms,
            template_id=template_id,
        )
    if isinstance(who, Device):
        return HeaderParty(
            time=time,
            ids=(_identifier(who.identifier),),
            code=terminology_code("JDV_J01", who.role),
            device_model=who.model if as_author else "",
            device_software=who.software if as_author else "",
            organization=organization_data(who.organization) if who.organization else None,
        )
    traits = who.traits
    return HeaderParty(
        time=time,
        ids=patient_ids(who, ins)[:1],
        name=HeaderName(
            family=who.used_name or traits.birth_name, given=who.used_given_name or traits.first_given_name
        ),
        addresses=who.addresses,
        telecoms=who.telecoms,
    )


@once_per_object
def _acting(actor: Actor) -> HeaderParty:
    """A professional in a structure, without a time."""
    person = actor.professional
    return HeaderParty(
        time="",
        ids=(II(PS_ROOT, person.national_id),),
        code=role_code(actor),
        name=_name(person),
        organization=organization_data(actor.organization),
        addresses=person.addresses,
        telecoms=person.telecoms,
    )


def _name(person: Professional) -> HeaderName:
    return HeaderName(
        family=person.family, given=person.given, prefix=person.civility or "", suffix=person.title or ""
    )  # fmt: skip


@once_per_object
def recipient_data(actor: Actor) -> HeaderParty:
    """intendedRecipient: the professional, their MSSanté mailbox first, the structure by number and name."""
    person = actor.professional
    mailbox = (Telecom(value=f"mailto:{person.mss_address}"),) if person.mss_address else ()
    return HeaderParty(
        time="",
        ids=(II(PS_ROOT, person.national_id),),
        name=_name(person),
        organization=HeaderOrganization(
            id=II(STRUCTURE_ROOT, actor.organization.national_id), name=actor.organization.name
        ),
        addresses=person.addresses,
        telecoms=(*mailbox, *person.telecoms),
    )


@once_per_object
def organization_data(organization: Organization) -> HeaderOrganization:
    return HeaderOrganization(
        id=II(STRUCTURE_ROOT, organization.national_id),
        name=organization.name,
        addresses=(organization.address,) if organization.address else (),
        telecoms=organization.telecoms,
    )


@once_per_object
def _with_setting(organization: Organization) -> HeaderOrganization:
    return replace(organization_data(organization), setting=practice_setting_code(organization))


@once_per_object
def _performing(actor: Actor) -> HeaderParty:
    """The same, of a structure that says its setting."""
    return replace(_acting(actor), organization=_with_setting(actor.organization))


@once_per_object
def custodian_data(organization: Organization) -> HeaderOrganization:
    """At most one telecom here (H26)."""
    return replace(organization_data(organization), telecoms=organization.telecoms[:1])


def guardian_contacts(guardian: Guardian) -> tuple[tuple[Address, ...], tuple[Telecom, ...]]:
    """Those of the structure are the guardian's, for CDA has no other place; what both say is said once (CDA_S06)."""
    structure = guardian.organization
    if structure is None:
        return guardian.addresses, guardian.telecoms
    addresses = (*guardian.addresses, *([structure.address] if structure.address else []))
    return tuple(dict.fromkeys(addresses)), tuple(dict.fromkeys((*guardian.telecoms, *structure.telecoms)))


def _guardian(guardian: Guardian) -> HeaderRelative:
    organization = guardian.organization
    addresses, telecoms = guardian_contacts(guardian)
    return HeaderRelative(
        name=HeaderName(family=guardian.family, given=guardian.given or "") if guardian.family else None,
        code=terminology_code("JDV_J11", guardian.relationship) if guardian.relationship else None,
        # guardianOrganization holds an identifier and a name only.
        organization=HeaderOrganization(id=II(STRUCTURE_ROOT, organization.national_id), name=organization.name)
        if organization
        else None,
        addresses=addresses,
        telecoms=telecoms,
    )


def informant_data(who: Actor | Patient | RelatedPerson, ins: Ins | None = None) -> HeaderParty | HeaderRelative:
    if not isinstance(who, RelatedPerson):
        return party(who, ins=ins)
    return HeaderRelative(
        name=HeaderName(family=who.family, given=who.given or ""),
        class_code=who.relation,
        code=terminology_code("JDV_J11", who.relationship) if who.relationship else None,
        addresses=who.addresses,
        telecoms=who.telecoms,
    )


def authenticator_data(value: Authenticator, draft: Draft) -> HeaderParty:
    return party(value.actor, draft.ts(value.time), template_id=value.template_id)


def participant_data(value: Participant | EncounterParticipant, draft: Draft) -> HeaderParticipant:
    start = draft.ts(value.low) if value.low else ""
    stop = draft.ts(value.high) if value.high else ""
    if isinstance(value, EncounterParticipant):
        return HeaderParticipant(type_code=value.type_code, start=start, stop=stop, party=party(value.actor))
    return HeaderParticipant(
        type_code=value.type_code,
        class_code=value.class_code,
        start=start,
        stop=stop,
        party=party(value.actor, with_function=True, template_id=value.template_id),
    )


def order_data(order: Order) -> HeaderOrder:
    return HeaderOrder(id=_identifier(order.id), accession=_identifier(order.accession) if order.accession else None)


def consent_data(consent: Consent) -> HeaderConsent:
    return HeaderConsent(code=consent.code, id=_identifier(consent.id) if consent.id else None)


def service_event_data(event: ServiceEvent, draft: Draft) -> HeaderServiceEvent:
    performer = event.performer
    qualifiers = tuple([t.qualifier for t in event.translations])
    return HeaderServiceEvent(
        ids=event.ids,
        code=event.code,
        translations=tuple([t.code for t in event.translations]),
        qualifiers=qualifiers if any(qualifiers) else (),
        start=draft.ts(event.start) if event.start else "",
        stop=draft.ts(event.stop) if event.stop else "",
        practice_setting=practice_setting_code(performer.actor.organization) if performer else None,
        performer=(
            party(
                performer.actor,
                draft.ts(performer.time) if performer.time else "",
                template_id=performer.template_id,
                with_setting=True,
            )
            if performer
            else None
        ),
        class_code=event.class_code,
        lab_status=event.lab_status,
    )


def _identifier(value: Identifier) -> II:
    return II(value.root, value.value)


# --- XML ------------------------------------------------------------------------------------------------------------

_V3 = 'xmlns="urn:hl7-org:v3"'
_XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
_EXTENSIONS = {
    "lab": "urn:oid:1.3.6.1.4.1.19376.1.3.2",
    "pharm": "urn:ihe:pharm:medication",
    "ps3-20": "urn:dicom-org:ps3-20",
    "sdtc": "urn:hl7-org:sdtc",
}
"""In canonical order, before `xsi`."""
_FIRST = (
    '<realmCode code="FR"></realmCode>'
    + dt.ii("2.16.840.1.113883.1.3", "POCD_HD000040", "typeId")
    + dt.templates(HL7_FRANCE, CI_SIS)
)
_SIGNED = '<signatureCode code="S"></signatureCode>'


def document_xml(header: CdaHeader, body: str, prefixes: Collection[str] = ()) -> str:
    """The whole document, canonical between `DECLARATION` and the last line end. Only the namespaces that are used
    are declared: each one costs its readers. prefixes: those that the body uses (`Draft.prefixes`)."""
    used = {*prefixes, *_prefixes(header)}
    declared = "".join([f' xmlns:{p}="{uri}"' for p, uri in _EXTENSIONS.items() if p in used]) if used else ""
    return (
        f"{DECLARATION}<ClinicalDocument {_V3}{declared} {_XSI}>{header_xml(header)}<component>{body}</component>"
        "</ClinicalDocument>\n"
    )


def _prefixes(header: CdaHeader) -> Iterator[str]:
    """Of the extensions that a header uses."""
    if any(event.lab_status for event in header.service_events):
        yield "lab"
    if any(order.accession for order in header.orders):
        yield "ps3-20"
    patient = header.patient
    if (patient.deceased, patient.multiple_birth) != (None, None) or patient.deceased_time or patient.birth_order:
        yield "sdtc"


def header_xml(header: CdaHeader) -> str:
    """What comes before `<component>`, for `document_xml`."""
    written_at = header.effective_time
    signer = header.legal_authenticator
    signed = _inside(signer)  # often the author too: written once
    return "".join(
        (
            _FIRST,
            dt.templates(*header.template_ids[2:]),
            dt.identifier(header.id),
            dt.cd("code", header.code, translations=header.code_translations),
            dt.element("title", header.title),
            dt.ts("effectiveTime", written_at),
            dt.cd("confidentialityCode", header.confidentiality),
            f'<languageCode code="{escape_attribute(header.language)}"></languageCode>',
            dt.identifier(header.set_id, "setId"),
            f'<versionNumber value="{header.version_number}"></versionNumber>',
            f"<recordTarget>{patient_role_xml(header.patient)}</recordTarget>",
            *[_author(a, signed if a is signer else "") for a in header.authors],
            f"<dataEnterer>{_entity(header.data_enterer)}</dataEnterer>" if header.data_enterer else "",
            *[_informant(i) for i in header.informants],
            '<custodian typeCode="CST"><assignedCustodian>',
            _organization(header.custodian, "representedCustodianOrganization"),
            "</assignedCustodian></custodian>",
            *[_recipient(r) for r in header.recipients],
            _signer("legalAuthenticator", signer, _entity(signer, inside=signed)),
            *[_signer("authenticator", a, _entity(a, complete=True)) for a in header.authenticators],
            *[_participant(p) for p in header.participants],
            *[_order(o) for o in header.orders],
            *[_service_event(e) for e in header.service_events],
            _related("RPLC", header.replaces) if header.replaces else "",
            _related("XFRM", header.transforms) if header.transforms else "",
            *[_consent(c) for c in header.consents],
            _encounter(header.encounter),
        )
    )


def _qualified(tag: str, text: str, qualifier: str) -> str:
    return f'<{tag} qualifier="{qualifier}">{escape_text(text)}</{tag}>' if text else ""


def _flag(tag: str, value: bool | None) -> str:
    return "" if value is None else f'<{tag} value="{"true" if value else "false"}"></{tag}>'


def patient_role_xml(patient: HeaderPatient) -> str:
    return "".join(
        (
            '<patientRole classCode="PAT">',
            *[dt.identifier(i) for i in patient.ids],
            # UNK is the only null that CR-BIO takes here (B02), and every other volet takes it too.
            dt.addresses(patient.addresses, NullFlavor.UNKNOWN),
            dt.telecoms(patient.telecoms, NullFlavor.UNKNOWN),
            '<patient classCode="PSN"><name>',
            _qualified("family", patient.birth_family, "BR"),
            dt.element("given", patient.birth_givens),
            _qualified("given", patient.first_given, "BR"),
            _qualified("family", patient.used_family, "CL"),
            _qualified("given", patient.used_given, "CL"),
            "</name>",
            dt.cd("administrativeGenderCode", terminology_code("JDV_J143", patient.sex)),
            dt.ts("birthTime", patient.birth_time),
            _flag("sdtc:deceasedInd", patient.deceased),
            dt.ts("sdtc:deceasedTime", patient.deceased_time) if patient.deceased_time else "",
            _flag("sdtc:multipleBirthInd", patient.multiple_birth),
            dt.ts("sdtc:multipleBirthOrderNumber", patient.birth_order) if patient.birth_order else "",
            *[_guardian_xml(g) for g in patient.guardians],
            "<birthplace><place>",
            dt.element("name", patient.birth_site) if patient.birth_site else "",
            "<addr>",
            dt.element("county", patient.birth_place),
            dt.element("city", patient.birth_city) if patient.birth_city else "",
            dt.element("country", patient.birth_country) if patient.birth_country else "",
            "</addr></place></birthplace></patient></patientRole>",
        )
    )


def _guardian_xml(guardian: HeaderRelative) -> str:
    who = (
        _organization(guardian.organization, "guardianOrganization")
        if guardian.organization
        else _person(guardian.name, "guardianPerson")
    )
    return f"<guardian>{_relation(guardian)}{who}</guardian>"


def _relation(relative: HeaderRelative) -> str:
    code = dt.cd("code", relative.code) if relative.code else ""
    return f"{code}{dt.addresses(relative.addresses)}{dt.telecoms(relative.telecoms)}"


def _person(name: HeaderName | None, tag: str = "assignedPerson") -> str:
    return f"<{tag}>{_name_xml(name)}</{tag}>" if name else ""


@once_per_object
def _name_xml(name: HeaderName) -> str:
    return dt.person_name(name.family, name.given, name.prefix, name.suffix)


def _contacts(party: HeaderParty) -> str:
    """addr and telecom are required for a natural person: the value or NAV (H25)."""
    missing = NullFlavor.UNAVAILABLE if party.name else None
    return dt.addresses(party.addresses, missing) + dt.telecoms(party.telecoms, missing)


def _organization(
    organization: HeaderOrganization | None,
    tag: str = "representedOrganization",
    *,
    complete: bool = False,
) -> str:
    """complete: an absent telecom or address is said (NAV)."""
    if organization is None:
        return ""
    return f"<{tag}>{_complete(organization) if complete else _said(organization)}</{tag}>"


@once_per_object
def _said(organization: HeaderOrganization) -> str:
    return _in_organization(organization, None)


@once_per_object
def _complete(organization: HeaderOrganization) -> str:
    return _in_organization(organization, NullFlavor.UNAVAILABLE)


def _in_organization(organization: HeaderOrganization, missing: NullFlavor | None) -> str:
    identifier = dt.identifier(organization.id) if organization.id else ""
    identifier += "".join([dt.identifier(i) for i in organization.other_ids])
    setting = dt.cd("standardIndustryClassCode", organization.setting) if organization.setting else ""
    return (
        f"{identifier}{dt.element('name', organization.name)}"
        f"{dt.telecoms(organization.telecoms, missing)}{dt.addresses(organization.addresses, missing)}{setting}"
    )


def _entity(
    party: HeaderParty,
    tag: str = "assignedEntity",
    *,
    kind: str = "",
    complete: bool = False,
    inside: str = "",
    person: str = "assignedPerson",
    organization: str = "representedOrganization",
) -> str:
    """assignedAuthor, assignedEntity, associatedEntity … with what is inside.

    complete: an absent telecom or address of the organisation is said (NAV), CR-BIO wants it (B03, B05); inside: what
    is in it, when written already.
    """
    inside = inside or _inside(party, complete=complete, person=person, organization=organization)
    return f"<{tag}{kind}>{inside}</{tag}>"


def _inside(
    party: HeaderParty,
    *,
    complete: bool = False,
    person: str = "assignedPerson",
    organization: str = "representedOrganization",
) -> str:
    code = dt.cd("code", party.code) if party.code else ""
    structure = _organization(party.organization, organization, complete=complete)
    device = (
        f"<assignedAuthoringDevice>{dt.element('manufacturerModelName', party.device_model)}"
        f"{dt.element('softwareName', party.device_software)}</assignedAuthoringDevice>"
        if party.device_software
        else ""
    )
    return (
        f"{''.join([dt.identifier(i) for i in party.ids])}{code}{_contacts(party)}"
        f"{_person(party.name, person)}{device}{structure}"
    )


def _function(party: HeaderParty) -> str:
    return dt.cd("functionCode", party.function) if party.function else ""


def _author(author: HeaderParty, inside: str = "") -> str:
    entity = _entity(author, "assignedAuthor", kind=' classCode="ASSIGNED"', inside=inside)
    return f"<author>{_function(author)}{dt.ts('time', author.time)}{entity}</author>"


def author_xml(actor: Author, time: str) -> str:
    """author of a section; `time` is written already."""
    return _author(party(actor, time, as_author=True, with_function=True))


def _informant(informant: HeaderParty | HeaderRelative) -> str:
    if isinstance(informant, HeaderParty):
        return f"<informant>{_entity(informant)}</informant>"
    return (
        f'<informant><relatedEntity classCode="{informant.class_code}">{_relation(informant)}'
        f"{_person(informant.name, 'relatedPerson')}</relatedEntity></informant>"
    )


@once_per_object
def _recipient(recipient: HeaderParty) -> str:
    entity = _entity(recipient, "intendedRecipient", person="informationRecipient", organization="receivedOrganization")
    return f"<informationRecipient>{entity}</informationRecipient>"


def _template(party: HeaderParty) -> str:
    return dt.templates(party.template_id) if party.template_id else ""


def _signer(tag: str, party: HeaderParty, entity: str) -> str:
    return f"<{tag}>{_template(party)}{dt.ts('time', party.time)}{_SIGNED}{entity}</{tag}>"


def _participant(value: HeaderParticipant) -> str:
    time = (
        dt.ivl_ts("time", value.start, value.stop, xsi_type="IVL_TS")
        if value.start or value.stop
        else '<time nullFlavor="NA"></time>'
    )
    entity = _entity(
        value.party, "associatedEntity", kind=f' classCode="{value.class_code}"', person="associatedPerson",
        organization="scopingOrganization",
    )  # fmt: skip
    return (
        f'<participant typeCode="{value.type_code}">{_template(value.party)}{_function(value.party)}{time}{entity}'
        "</participant>"
    )


def _order(order: HeaderOrder) -> str:
    accession = dt.identifier(order.accession, "ps3-20:accessionNumber") if order.accession else ""
    return f"<inFulfillmentOf><order>{dt.identifier(order.id)}{accession}</order></inFulfillmentOf>"


def _service_event(event: HeaderServiceEvent) -> str:
    kind = f' classCode="{event.class_code}"' if event.class_code else ""
    qualifiers = event.qualifiers or (None,) * len(event.translations)
    translations = [Translation(code=c, qualifier=q) for c, q in zip(event.translations, qualifiers, strict=True)]
    return "".join(
        (
            f"<documentationOf><serviceEvent{kind}>",
            *[dt.identifier(i) for i in event.ids],
            dt.cd("code", event.code, translations=translations) if event.code else "",
            f'<lab:statusCode code="{event.lab_status}"></lab:statusCode>' if event.lab_status else "",
            dt.ivl_ts("effectiveTime", event.start, event.stop) if event.start or event.stop else "",
            _performer(event.performer) if event.performer else "",
            "</serviceEvent></documentationOf>",
        )
    )


@once_per_object
def _performer(performer: HeaderParty) -> str:
    time = dt.ivl_ts("time", high=performer.time) if performer.time else ""
    return f'<performer typeCode="PRF">{_template(performer)}{time}{_entity(performer, complete=True)}</performer>'


def _related(type_code: str, parent: II) -> str:
    return (
        f'<relatedDocument typeCode="{type_code}"><parentDocument>{dt.identifier(parent)}</parentDocument>'
        "</relatedDocument>"
    )


def _consent(consent: HeaderConsent) -> str:
    identifier = dt.identifier(consent.id) if consent.id else ""
    return (
        f'<authorization><consent classCode="CONS" moodCode="EVN">{identifier}{dt.cd("code", consent.code)}'
        f"{dt.COMPLETED}</consent></authorization>"
    )


def _encounter_participant(value: HeaderParticipant) -> str:
    time = dt.ivl_ts("time", value.start, value.stop) if value.start or value.stop else ""
    return (
        f'<encounterParticipant typeCode="{value.type_code}">{time}{_entity(value.party)}</encounterParticipant>'
    )  # fmt: skip


def _encounter(encounter: HeaderEncounter) -> str:
    facility = encounter.facility
    category = (encounter.facility_category,) if encounter.facility_category else ()
    place = encounter.place
    return "".join(
        (
            "<componentOf><encompassingEncounter>",
            *[dt.identifier(i) for i in encounter.ids],
            dt.cd("code", encounter.code) if encounter.code else "",
            dt.ivl_ts("effectiveTime", encounter.start, encounter.stop),
            dt.cd("dischargeDispositionCode", encounter.discharge) if encounter.discharge else "",
            f"<responsibleParty>{_entity(encounter.responsible)}</responsibleParty>" if encounter.responsible else "",
            *[_encounter_participant(p) for p in encounter.participants],
            "<location><healthCareFacility>",
            dt.identifier(encounter.facility_id) if encounter.facility_id else "",
            dt.cd("code", facility, translations=category) if facility else "",
            f"<location>{dt.element('name', place.name)}{dt.addresses(place.addresses)}</location>" if place else "",
            "</healthCareFacility></location></encompassingEncounter></componentOf>",
        )
    )
