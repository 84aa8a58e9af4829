"""The header of a ClinicalDocument as data: what it does not say stays empty, what breaks a rule is for `cda.check`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from lxml import etree

from .._core.errors import CdaError
from ..model import Code
from .datatypes_reader import (
    addresses_of,
    bounds_of,
    code_of,
    find,
    ii_of,
    iis_of,
    telecoms_of,
    text_of,
    value_of,
)
from .envelope import V3
from .header import (
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

PS3_20 = "{urn:dicom-org:ps3-20}"
LAB = "{urn:oid:1.3.6.1.4.1.19376.1.3.2}"
SDTC = "{urn:hl7-org:sdtc}"
_NORMAL = Code(code="N", system="2.16.840.1.113883.5.25", display="Normal")


def header_of(document: etree._Element) -> CdaHeader:
    """`read_header` for a ClinicalDocument that is already parsed."""
    parts: dict[str, list[etree._Element]] = {}
    for child in document:
        if isinstance(child.tag, str):
            parts.setdefault(child.tag, []).append(child)

    def first(name: str) -> etree._Element | None:
        found = parts.get(V3 + name)
        return found[0] if found else None

    document_id, code = ii_of(first("id")), code_of(first("code"))
    if document_id is None or code is None:
        raise CdaError("the document has no id or no type", code="CDA_UNREADABLE",
                       path="id" if document_id is None else "code", rule="SMDS header",
                       hint="ask the sender for a valid document")  # fmt: skip
    version = value_of(first("versionNumber"))
    related = {r.get("typeCode"): ii_of(find(r, "parentDocument", "id")) for r in parts.get(f"{V3}relatedDocument", ())}
    body = find(first("component"), "nonXMLBody", "text")
    language = first("languageCode")
    return CdaHeader(
        template_ids=tuple(iis_of(parts.get(f"{V3}templateId", ()))),
        id=document_id,
        code=code,
        code_translations=tuple(t for t, _ in _translations(first("code"))),
        title=text_of(first("title")),
        effective_time=value_of(first("effectiveTime")),
        confidentiality=code_of(first("confidentialityCode")) or _NORMAL,
        language=(language.get("code") or "") if language is not None else "",
        set_id=ii_of(first("setId")) or document_id,
        version_number=int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 1,
        patient=patient_role_of(find(first("recordTarget"), "patientRole")),
        authors=tuple(party_of(a, "assignedAuthor") for a in parts.get(f"{V3}author", ())),
        data_enterer=party_of(first("dataEnterer")) if f"{V3}dataEnterer" in parts else None,
        informants=tuple(_informant(i) for i in parts.get(f"{V3}informant", ())),
        custodian=_organization(find(first("custodian"), "assignedCustodian", "representedCustodianOrganization"))
        or HeaderOrganization(id=None),
        recipients=tuple(
            party_of(r, "intendedRecipient", "informationRecipient", "receivedOrganization")
            for r in parts.get(f"{V3}informationRecipient", ())
        ),
        legal_authenticator=party_of(first("legalAuthenticator")),
        authenticators=tuple(party_of(a) for a in parts.get(f"{V3}authenticator", ())),
        participants=tuple(_participant(p) for p in parts.get(f"{V3}participant", ())),
        orders=tuple(_orders(parts.get(f"{V3}inFulfillmentOf", ()))),
        service_events=tuple(
            _service_event(e)
            for d in parts.get(f"{V3}documentationOf", ())
            for e in d.iterchildren(f"{V3}serviceEvent")
        ),
        replaces=related.get("RPLC"),
        transforms=related.get("XFRM"),
        consents=tuple(_consents(parts.get(f"{V3}authorization", ()))),
        encounter=_encounter(find(first("componentOf"), "encompassingEncounter")),
        body_media_type=(body.get("mediaType") or "") if body is not None else "",
    )


def _organization(element: etree._Element | None) -> HeaderOrganization | None:
    if element is None:
        return None
    ids = tuple(iis_of(element.iterchildren(f"{V3}id")))
    return HeaderOrganization(
        id=ids[0] if ids else None,
        name=text_of(find(element, "name")),
        addresses=tuple(addresses_of(element)),
        telecoms=tuple(telecoms_of(element)),
        setting=code_of(find(element, "standardIndustryClassCode")),
        other_ids=ids[1:],
    )


def _name(name: etree._Element | None) -> HeaderName | None:
    if name is None:
        return None
    return HeaderName(
        family=text_of(find(name, "family")),
        given=text_of(find(name, "given")),
        prefix=text_of(find(name, "prefix")),
        suffix=text_of(find(name, "suffix")),
    )


def party_of(
    holder: etree._Element | None,
    entity_tag: str = "assignedEntity",
    person_tag: str = "assignedPerson",
    organization_tag: str = "representedOrganization",
) -> HeaderParty:
    """Someone of the header; `holder` has its time, its template and its function."""
    entity = find(holder, entity_tag)
    if holder is None or entity is None:
        return HeaderParty(time="", ids=())
    time = find(holder, "time") if entity_tag != "associatedEntity" else None
    device = find(entity, "assignedAuthoringDevice")
    template = ii_of(find(holder, "templateId"))
    return HeaderParty(
        time=value_of(time) or value_of(find(time, "high")) or value_of(find(time, "low")),
        ids=tuple(iis_of(entity.iterchildren(f"{V3}id"))),
        code=code_of(find(entity, "code")),
        function=code_of(find(holder, "functionCode")),
        name=_name(find(entity, person_tag, "name")),
        device_model=text_of(find(device, "manufacturerModelName")),
        device_software=text_of(find(device, "softwareName")),
        organization=_organization(find(entity, organization_tag)),
        addresses=tuple(addresses_of(entity)),
        telecoms=tuple(telecoms_of(entity)),
        template_id=template.root if template else "",
    )


def _relative(element: etree._Element, person_tag: str) -> HeaderRelative:
    return HeaderRelative(
        name=_name(find(element, person_tag, "name")),
        class_code=element.get("classCode") or "",
        code=code_of(find(element, "code")),
        organization=_organization(find(element, "guardianOrganization")),
        addresses=tuple(addresses_of(element)),
        telecoms=tuple(telecoms_of(element)),
    )


def _informant(element: etree._Element) -> HeaderParty | HeaderRelative:
    related = find(element, "relatedEntity")
    return party_of(element) if related is None else _relative(related, "relatedPerson")


def _participant(element: etree._Element) -> HeaderParticipant:
    entity = find(element, "associatedEntity")
    start, stop = bounds_of(find(element, "time"))
    return HeaderParticipant(
        type_code=element.get("typeCode") or "",
        class_code=(entity.get("classCode") or "") if entity is not None else "",
        start=start,
        stop=stop,
        party=party_of(element, "associatedEntity", "associatedPerson", "scopingOrganization"),
    )


def _encounter_participant(element: etree._Element) -> HeaderParticipant:
    start, stop = bounds_of(find(element, "time"))
    return HeaderParticipant(
        type_code=element.get("typeCode") or "", start=start, stop=stop, party=replace(party_of(element), time="")
    )


def _flag(element: etree._Element | None) -> bool | None:
    return {"true": True, "false": False}.get(value_of(element))


def patient_role_of(role: etree._Element | None) -> HeaderPatient:
    if role is None:
        return HeaderPatient(ids=())
    names = {"family": "", "family BR": "", "family CL": "", "given": "", "given BR": "", "given CL": ""}
    patient = find(role, "patient")
    name = find(patient, "name")
    for part in name if name is not None else ():
        if isinstance(part.tag, str):
            kind = f"{part.tag.removeprefix(V3)} {part.get('qualifier') or ''}".strip()
            if kind in names and not names[kind]:
                names[kind] = text_of(part)
    gender = find(patient, "administrativeGenderCode")
    birthplace = find(patient, "birthplace", "place")
    place = find(birthplace, "addr")
    sdtc = {e.tag: e for e in patient.iterchildren(f"{SDTC}*")} if patient is not None else {}
    return HeaderPatient(
        ids=tuple(iis_of(role.iterchildren(f"{V3}id"))),
        birth_family=names["family BR"] or names["family"],
        birth_givens=names["given"],
        first_given=names["given BR"],
        used_family=names["family CL"],
        used_given=names["given CL"],
        sex=(gender.get("code") or "") if gender is not None else "",
        birth_time=value_of(find(patient, "birthTime")),
        birth_place=text_of(find(place, "county")),
        birth_city=text_of(find(place, "city")),
        birth_country=text_of(find(place, "country")),
        birth_site=text_of(find(birthplace, "name")),
        addresses=tuple(addresses_of(role)),
        telecoms=tuple(telecoms_of(role)),
        guardians=tuple(_relative(g, "guardianPerson") for g in patient.iterchildren(f"{V3}guardian"))
        if patient is not None
        else (),
        deceased=_flag(sdtc.get(f"{SDTC}deceasedInd")),
        deceased_time=value_of(sdtc.get(f"{SDTC}deceasedTime")),
        multiple_birth=_flag(sdtc.get(f"{SDTC}multipleBirthInd")),
        birth_order=value_of(sdtc.get(f"{SDTC}multipleBirthOrderNumber")),
    )


def _service_event(event: etree._Element) -> HeaderServiceEvent:
    code = find(event, "code")
    performer = find(event, "performer")
    entity = find(performer, "assignedEntity")
    start, stop = bounds_of(find(event, "effectiveTime"))
    status = next(event.iterchildren(f"{LAB}statusCode"), None)
    translations = tuple(_translations(code))
    return HeaderServiceEvent(
        ids=tuple(iis_of(event.iterchildren(f"{V3}id"))),
        code=code_of(code),
        translations=tuple(t for t, _ in translations),
        qualifiers=tuple(q for _, q in translations) if any(q for _, q in translations) else (),
        start=start,
        stop=stop,
        practice_setting=code_of(find(entity, "representedOrganization", "standardIndustryClassCode")),
        performer=party_of(performer) if performer is not None else None,
        class_code=event.get("classCode") or "",
        lab_status=(status.get("code") or "") if status is not None else "",
    )


def _encounter(encounter: etree._Element | None) -> HeaderEncounter:
    if encounter is None:
        return HeaderEncounter()
    start, stop = bounds_of(find(encounter, "effectiveTime"))
    responsible = find(encounter, "responsibleParty")
    facility = find(encounter, "location", "healthCareFacility")
    code = find(facility, "code")
    return HeaderEncounter(
        ids=tuple(iis_of(encounter.iterchildren(f"{V3}id"))),
        code=code_of(find(encounter, "code")),
        start=start,
        stop=stop,
        discharge=code_of(find(encounter, "dischargeDispositionCode")),
        responsible=party_of(responsible) if responsible is not None else None,
        participants=tuple(_encounter_participant(p) for p in encounter.iterchildren(f"{V3}encounterParticipant")),
        facility=code_of(code),
        facility_id=ii_of(find(facility, "id")),
        facility_category=next((t for t, _ in _translations(code)), None),
        place=_organization(find(facility, "location")),
    )


def _orders(elements: Iterable[etree._Element]) -> Iterator[HeaderOrder]:
    for element in elements:
        order = find(element, "order")
        found = ii_of(find(order, "id"))
        if order is not None and found:
            yield HeaderOrder(id=found, accession=ii_of(order.find(f"{PS3_20}accessionNumber")))


def _translations(code: etree._Element | None) -> Iterator[tuple[Code, Code | None]]:
    """The translations of a code, each with the name of its qualifier."""
    for element in code.iterchildren(f"{V3}translation") if code is not None else ():
        found = code_of(element)
        if found:
            yield found, code_of(find(element, "qualifier", "name"))


def _consents(elements: Iterable[etree._Element]) -> Iterator[HeaderConsent]:
    for element in elements:
        consent = find(element, "consent")
        code = code_of(find(consent, "code"))
        if code:
            yield HeaderConsent(code=code, id=ii_of(find(consent, "id")))
