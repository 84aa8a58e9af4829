"""The common header (SMDS), written once for every document: `HeaderContent` gives both the XML and the `CdaHeader`.

Element order is the XSD's. Rule numbers in comments (H01…) are those of `cda.rules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .._core.errors import CdaError
from ..model import Actor, Code, Organization, Patient, Stay, StayClass, Telecom
from ..terminology import code as terminology_code
from . import datatypes as dt
from .datatypes import PS_ROOT, STRUCTURE_ROOT, NullFlavor, Translation
from .header import (
    DECLARATION,
    II,
    CdaHeader,
    HeaderEncounter,
    HeaderName,
    HeaderOrder,
    HeaderOrganization,
    HeaderParty,
    HeaderPatient,
    HeaderServiceEvent,
)
from .sections import Draft

HL7_FRANCE = II("2.16.840.1.113883.2.8.2.1")
CI_SIS = II("1.2.250.1.213.1.1.1.1")
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
    """

    ids: tuple[II, ...] = ()
    code: Code | None = None
    translations: tuple[Translation, ...] = ()
    lab_status: str = ""
    class_code: str = ""
    start: datetime | None = None
    stop: datetime | None = None
    performer: Performer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """participant: `type_code` is JDV_J144 (`REF` prescriber, `INF` with function PCP *médecin traitant*, `CON`).

    low / high: bounds of its time, nullFlavor NA when both are missing (the element itself is mandatory).
    """

    type_code: str
    actor: Actor
    low: datetime | None = None
    high: datetime | None = None
    template_id: str = ""
    class_code: str = "PROV"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """authenticator: who validated, beside the legal one; `template_id` when a volet has one (CR-BIO)."""

    actor: Actor
    time: datetime
    template_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderContent:
    """Everything the header says, in the vocabulary of the model. facility: where the care took place, the stay's
    organisation when not given."""

    template_ids: tuple[II, ...]
    id: str
    code: Code
    code_translations: tuple[Code, ...] = ()
    title: str
    written_at: datetime
    confidentiality: str = "N"
    set_id: str
    version_number: int
    replaces: str | None
    patient: Patient
    authors: tuple[Actor, ...]
    custodian: Organization
    recipients: tuple[Actor, ...]
    legal_authenticator: Actor
    authenticators: tuple[Authenticator, ...] = ()
    participants: tuple[Participant, ...] = ()
    orders: tuple[HeaderOrder, ...] = ()
    service_events: tuple[ServiceEvent, ...]
    stay: Stay
    responsible: Actor | None = None
    facility: Organization | None = None
    body_media_type: str = ""


def header_data(content: HeaderContent, draft: Draft) -> CdaHeader:
    """The header as data, equal to what the reader finds in the XML of `header_xml`."""
    stay = content.stay
    return CdaHeader(
        template_ids=(HL7_FRANCE, CI_SIS, *content.template_ids),
        id=II(content.id),
        code=content.code,
        title=content.title,
        effective_time=draft.written_at,
        confidentiality=CONFIDENTIALITY[content.confidentiality],
        language="fr-FR",
        set_id=II(content.set_id),
        version_number=content.version_number,
        patient=_patient_data(content.patient),
        authors=tuple(_party(a, draft.written_at) for a in content.authors),
        custodian=_organization_data(content.custodian),
        legal_authenticator=_party(content.legal_authenticator, draft.written_at, with_function=False),
        service_events=tuple(_service_event_data(e, draft) for e in content.service_events),
        encounter=HeaderEncounter(
            ids=(II(stay.visit.root, stay.visit.value),),
            code=encounter_code(stay),
            start=draft.ts(stay.admitted_at),
            stop=draft.ts(stay.discharged_at) if stay.discharged_at else "",
            facility=facility_code(content.facility or stay.organization),
        ),
        orders=content.orders,
        replaces=II(content.replaces) if content.replaces else None,
        body_media_type=content.body_media_type,
    )


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


def patient_ids(patient: Patient) -> tuple[II, ...]:
    """The INS first, only when the identity is qualified (RNIV); then the local identifiers.

    Raises CdaError `CDA_PATIENT_ID` when nothing is left.
    """
    local = tuple(II(i.root, i.value) for i in patient.identifiers)
    if patient.identity.is_qualified and patient.ins is not None:
        return (II(patient.ins.oid.value, patient.ins.value), *local)
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


def _patient_data(patient: Patient) -> HeaderPatient:
    traits = patient.traits
    return HeaderPatient(
        ids=patient_ids(patient),
        birth_family=traits.birth_name,
        birth_givens=traits.birth_given_names,
        first_given=traits.first_given_name,
        used_family=patient.used_name or "",
        used_given=patient.used_given_name or "",
        sex=traits.sex.value,
        birth_time=birth_time(traits.birth_date),
        birth_place=traits.birth_place,
        birth_city=patient.birth_city or "",
        addresses=patient.addresses,
        telecoms=patient.telecoms,
    )


def _party(actor: Actor, time: str, *, with_function: bool = True) -> HeaderParty:
    person = actor.professional
    return HeaderParty(
        time=time,
        ids=(II(PS_ROOT, person.national_id),),
        code=role_code(actor),
        function=actor.function if with_function else None,
        name=HeaderName(
            family=person.family, given=person.given, prefix=person.civility or "", suffix=person.title or ""
        ),
        organization=_organization_data(actor.organization),
    )


def _organization_data(organization: Organization) -> HeaderOrganization:
    return HeaderOrganization(id=II(STRUCTURE_ROOT, organization.national_id), name=organization.name)


def _service_event_data(event: ServiceEvent, draft: Draft) -> HeaderServiceEvent:
    performer = event.performer
    return HeaderServiceEvent(
        ids=event.ids,
        code=event.code,
        translations=tuple(t.code for t in event.translations),
        start=draft.ts(event.start) if event.start else "",
        stop=draft.ts(event.stop) if event.stop else "",
        practice_setting=practice_setting_code(performer.actor.organization) if performer else None,
        performer=(
            _party(performer.actor, draft.ts(performer.time) if performer.time else "", with_function=False)
            if performer
            else None
        ),
    )


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
_LANGUAGE = '<languageCode code="fr-FR"></languageCode>'
_SIGNED = '<signatureCode code="S"></signatureCode>'


def document_xml(header: str, body: str) -> str:
    """The whole document, canonical between `DECLARATION` and the last line end. Only the namespaces that are used
    are declared: each one costs its readers."""
    inside = f"{header}<component>{body}</component>"
    declared = "".join([f' xmlns:{p}="{uri}"' for p, uri in _EXTENSIONS.items() if f"<{p}:" in inside])
    return f"{DECLARATION}<ClinicalDocument {_V3}{declared} {_XSI}>{inside}</ClinicalDocument>\n"


def header_xml(content: HeaderContent, header: CdaHeader, draft: Draft) -> str:
    """What comes before `<component>`, for `document_xml`.

    header: what `header_data` gave for the same content.
    """
    written_at = header.effective_time
    signer = content.legal_authenticator
    signer_xml = _entity(signer, "assignedEntity", _organization(signer.organization))
    return "".join(
        (
            _FIRST,
            dt.templates(*content.template_ids),
            dt.ii(content.id),
            dt.cd("code", content.code, translations=content.code_translations),
            dt.element("title", content.title),
            dt.ts("effectiveTime", written_at),
            dt.cd("confidentialityCode", header.confidentiality),
            _LANGUAGE,
            dt.ii(content.set_id, tag="setId"),
            f'<versionNumber value="{content.version_number}"></versionNumber>',
            _record_target(header.patient),
            *[author_xml(a, written_at) for a in content.authors],
            _custodian(content.custodian),
            *[_recipient(r) for r in content.recipients],
            f"<legalAuthenticator>{dt.ts('time', written_at)}{_SIGNED}{signer_xml}</legalAuthenticator>",
            *[_authenticator(a, draft) for a in content.authenticators],
            *[_participant(p, draft) for p in content.participants],
            *[_order(o) for o in content.orders],
            *[_service_event(e, h, draft) for e, h in zip(content.service_events, header.service_events, strict=True)],
            _related(content.replaces),
            _encounter(header.encounter, content.responsible or content.stay.responsible),
        )
    )


def _record_target(patient: HeaderPatient) -> str:
    used = dt.element("family", patient.used_family).replace("<family>", '<family qualifier="CL">', 1)
    used_given = dt.element("given", patient.used_given).replace("<given>", '<given qualifier="CL">', 1)
    gender = terminology_code("JDV_J143", patient.sex)
    return "".join(
        (
            '<recordTarget><patientRole classCode="PAT">',
            *[dt.identifier(i) for i in patient.ids],
            # UNK is the only null that CR-BIO takes here (B02), and every other volet takes it too.
            dt.addresses(patient.addresses, NullFlavor.UNKNOWN),
            dt.telecoms(patient.telecoms, NullFlavor.UNKNOWN),
            '<patient classCode="PSN"><name>',
            dt.element("family", patient.birth_family).replace("<family>", '<family qualifier="BR">', 1),
            dt.element("given", patient.birth_givens),
            dt.element("given", patient.first_given).replace("<given>", '<given qualifier="BR">', 1),
            used if patient.used_family else "",
            used_given if patient.used_given else "",
            "</name>",
            dt.cd("administrativeGenderCode", gender),
            dt.ts("birthTime", patient.birth_time),
            "<birthplace><place><addr>",
            dt.element("county", patient.birth_place),
            dt.element("city", patient.birth_city) if patient.birth_city else "",
            "</addr></place></birthplace></patient></patientRole></recordTarget>",
        )
    )


def _person(actor: Actor, tag: str = "assignedPerson") -> str:
    person = actor.professional
    name = dt.person_name(person.family, person.given, person.civility or "", person.title or "")
    return f"<{tag}>{name}</{tag}>"


def _contacts(actor: Actor, telecoms: tuple[Telecom, ...] = ()) -> str:
    """addr and telecom are required for a natural person: the value or NAV (H25)."""
    person = actor.professional
    return dt.addresses(person.addresses, NullFlavor.UNAVAILABLE) + dt.telecoms(
        (*telecoms, *person.telecoms), NullFlavor.UNAVAILABLE
    )


def _organization(organization: Organization, tag: str = "representedOrganization") -> str:
    where = dt.address(organization.address) if organization.address else ""
    return (
        f"<{tag}>{dt.ii(STRUCTURE_ROOT, organization.national_id)}{dt.element('name', organization.name)}"
        f"{dt.telecoms(organization.telecoms)}{where}</{tag}>"
    )


def _entity(actor: Actor, tag: str, organization: str, *, class_code: str = "") -> str:
    """assignedAuthor, assignedEntity: one id, the official validator refuses a second one but for authors."""
    kind = f' classCode="{class_code}"' if class_code else ""
    return (
        f"<{tag}{kind}>{dt.ii(PS_ROOT, actor.professional.national_id)}{dt.cd('code', role_code(actor))}"
        f"{_contacts(actor)}{_person(actor)}{organization}</{tag}>"
    )


def author_xml(actor: Actor, time: str) -> str:
    """author, of the document or of a section; `time` is written already."""
    function = dt.cd("functionCode", actor.function) if actor.function else ""
    entity = _entity(actor, "assignedAuthor", _organization(actor.organization), class_code="ASSIGNED")
    return f"<author>{function}{dt.ts('time', time)}{entity}</author>"


def _custodian(organization: Organization) -> str:
    first = organization.telecoms[:1]  # at most one telecom here (H26)
    return (
        '<custodian typeCode="CST"><assignedCustodian><representedCustodianOrganization>'
        f"{dt.ii(STRUCTURE_ROOT, organization.national_id)}{dt.element('name', organization.name)}"
        f"{dt.telecoms(first)}{dt.address(organization.address) if organization.address else ''}"
        "</representedCustodianOrganization></assignedCustodian></custodian>"
    )


def _recipient(actor: Actor) -> str:
    person = actor.professional
    mailbox = (Telecom(value=f"mailto:{person.mss_address}"),) if person.mss_address else ()
    organization = (
        f"<receivedOrganization>{dt.ii(STRUCTURE_ROOT, actor.organization.national_id)}"
        f"{dt.element('name', actor.organization.name)}</receivedOrganization>"
    )
    return (
        f"<informationRecipient><intendedRecipient>{dt.ii(PS_ROOT, person.national_id)}{_contacts(actor, mailbox)}"
        f"{_person(actor, 'informationRecipient')}{organization}</intendedRecipient></informationRecipient>"
    )


def _authenticator(value: Authenticator, draft: Draft) -> str:
    template = dt.templates(value.template_id) if value.template_id else ""
    entity = _entity(value.actor, "assignedEntity", _complete_organization(value.actor.organization))
    return f"<authenticator>{template}{dt.ts('time', draft.ts(value.time))}{_SIGNED}{entity}</authenticator>"


def _participant(value: Participant, draft: Draft) -> str:
    low = draft.ts(value.low) if value.low else ""
    high = draft.ts(value.high) if value.high else ""
    time = dt.ivl_ts("time", low, high, xsi_type="IVL_TS") if low or high else '<time nullFlavor="NA"></time>'
    template = dt.templates(value.template_id) if value.template_id else ""
    actor = value.actor
    function = dt.cd("functionCode", actor.function) if actor.function else ""
    return (
        f'<participant typeCode="{value.type_code}">{template}{function}{time}'
        f'<associatedEntity classCode="{value.class_code}">{dt.ii(PS_ROOT, actor.professional.national_id)}'
        f"{dt.cd('code', role_code(actor))}{_contacts(actor)}{_person(actor, 'associatedPerson')}"
        f"{_organization(actor.organization, 'scopingOrganization')}</associatedEntity></participant>"
    )


def _order(order: HeaderOrder) -> str:
    accession = dt.identifier(order.accession, "ps3-20:accessionNumber") if order.accession else ""
    return f"<inFulfillmentOf><order>{dt.identifier(order.id)}{accession}</order></inFulfillmentOf>"


def _complete_organization(organization: Organization, setting: str = "") -> str:
    """An organisation with its telecom and address or their absence said: CR-BIO wants both (B03, B05)."""
    where = dt.address(organization.address) if organization.address else dt.null("addr", NullFlavor.UNAVAILABLE)
    return (
        f"<representedOrganization>{dt.ii(STRUCTURE_ROOT, organization.national_id)}"
        f"{dt.element('name', organization.name)}{dt.telecoms(organization.telecoms, NullFlavor.UNAVAILABLE)}"
        f"{where}{setting}</representedOrganization>"
    )


def _service_event(event: ServiceEvent, data: HeaderServiceEvent, draft: Draft) -> str:
    performer = event.performer
    performer_xml = ""
    if performer and data.practice_setting:
        organization = _complete_organization(
            performer.actor.organization, dt.cd("standardIndustryClassCode", data.practice_setting)
        )
        template = dt.templates(performer.template_id) if performer.template_id else ""
        time = dt.ivl_ts("time", high=draft.ts(performer.time)) if performer.time else ""
        performer_xml = (
            f'<performer typeCode="PRF">{template}{time}{_entity(performer.actor, "assignedEntity", organization)}'
            "</performer>"
        )
    kind = f' classCode="{event.class_code}"' if event.class_code else ""
    return "".join(
        (
            f"<documentationOf><serviceEvent{kind}>",
            *[dt.identifier(i) for i in event.ids],
            dt.cd("code", event.code, translations=event.translations) if event.code else "",
            f'<lab:statusCode code="{event.lab_status}"></lab:statusCode>' if event.lab_status else "",
            dt.ivl_ts("effectiveTime", data.start, data.stop) if data.start or data.stop else "",
            performer_xml,
            "</serviceEvent></documentationOf>",
        )
    )


def _related(replaces: str | None) -> str:
    if not replaces:
        return ""
    return (
        f'<relatedDocument typeCode="RPLC"><parentDocument>{dt.ii(replaces)}</parentDocument></relatedDocument>'
    )  # fmt: skip


def _encounter(encounter: HeaderEncounter, responsible: Actor | None) -> str:
    responsible_xml = ""
    if responsible:
        entity = _entity(responsible, "assignedEntity", _organization(responsible.organization))
        responsible_xml = f"<responsibleParty>{entity}</responsibleParty>"
    facility = dt.cd("code", encounter.facility) if encounter.facility else ""
    return "".join(
        (
            "<componentOf><encompassingEncounter>",
            *[dt.identifier(i) for i in encounter.ids],
            dt.cd("code", encounter.code) if encounter.code else "",
            dt.ivl_ts("effectiveTime", encounter.start, encounter.stop),
            responsible_xml,
            f"<location><healthCareFacility>{facility}</healthCareFacility></location>",
            "</encompassingEncounter></componentOf>",
        )
    )
