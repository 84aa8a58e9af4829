"""The header of a ClinicalDocument as data: what it does not say stays empty, what breaks a rule is for `cda.check`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
    HeaderEncounter,
    HeaderName,
    HeaderOrder,
    HeaderOrganization,
    HeaderParty,
    HeaderPatient,
    HeaderServiceEvent,
)

PS3_20 = "{urn:dicom-org:ps3-20}"


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
    related = [r for r in parts.get(f"{V3}relatedDocument", ()) if r.get("typeCode") == "RPLC"]
    body = find(first("component"), "nonXMLBody", "text")
    confidentiality = code_of(first("confidentialityCode"))
    language = first("languageCode")
    return CdaHeader(
        template_ids=tuple(iis_of(parts.get(f"{V3}templateId", ()))),
        id=document_id,
        code=code,
        title=text_of(first("title")),
        effective_time=value_of(first("effectiveTime")),
        confidentiality=confidentiality or Code(code="N", system="2.16.840.1.113883.5.25", display="Normal"),
        language=(language.get("code") or "") if language is not None else "",
        set_id=ii_of(first("setId")) or document_id,
        version_number=int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 1,
        patient=_patient(find(first("recordTarget"), "patientRole")),
        authors=tuple(_party(a, find(a, "assignedAuthor")) for a in parts.get(f"{V3}author", ())),
        custodian=_organization(find(first("custodian"), "assignedCustodian", "representedCustodianOrganization"))
        or HeaderOrganization(id=None),
        legal_authenticator=_party(first("legalAuthenticator"), find(first("legalAuthenticator"), "assignedEntity")),
        service_events=tuple(
            _service_event(e)
            for d in parts.get(f"{V3}documentationOf", ())
            for e in d.iterchildren(f"{V3}serviceEvent")
        ),
        encounter=_encounter(find(first("componentOf"), "encompassingEncounter")),
        orders=tuple(_orders(parts.get(f"{V3}inFulfillmentOf", ()))),
        replaces=ii_of(find(related[0], "parentDocument", "id")) if related else None,
        body_media_type=(body.get("mediaType") or "") if body is not None else "",
    )


def _organization(element: etree._Element | None) -> HeaderOrganization | None:
    if element is None:
        return None
    return HeaderOrganization(id=ii_of(find(element, "id")), name=text_of(find(element, "name")))


def _party(holder: etree._Element | None, entity: etree._Element | None) -> HeaderParty:
    """An author, a legal authenticator or a performer; `holder` has its time and function."""
    if holder is None or entity is None:
        return HeaderParty(time="", ids=())
    time = find(holder, "time")
    name = find(entity, "assignedPerson", "name")
    device = find(entity, "assignedAuthoringDevice")
    return HeaderParty(
        time=value_of(time) or value_of(find(time, "high")) or value_of(find(time, "low")),
        ids=tuple(iis_of(entity.iterchildren(f"{V3}id"))),
        code=code_of(find(entity, "code")),
        function=code_of(find(holder, "functionCode")),
        name=HeaderName(
            family=text_of(find(name, "family")),
            given=text_of(find(name, "given")),
            prefix=text_of(find(name, "prefix")),
            suffix=text_of(find(name, "suffix")),
        )
        if name is not None
        else None,
        device_model=text_of(find(device, "manufacturerModelName")),
        device_software=text_of(find(device, "softwareName")),
        organization=_organization(find(entity, "representedOrganization")),
    )


def _patient(role: etree._Element | None) -> HeaderPatient:
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
    place = find(patient, "birthplace", "place", "addr")
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
        addresses=tuple(addresses_of(role)),
        telecoms=tuple(telecoms_of(role)),
    )


def _service_event(event: etree._Element) -> HeaderServiceEvent:
    code = find(event, "code")
    performer = find(event, "performer")
    entity = find(performer, "assignedEntity")
    start, stop = bounds_of(find(event, "effectiveTime"))
    translations = (code_of(t) for t in code.iterchildren(f"{V3}translation")) if code is not None else ()
    return HeaderServiceEvent(
        ids=tuple(iis_of(event.iterchildren(f"{V3}id"))),
        code=code_of(code),
        translations=tuple(t for t in translations if t),
        start=start,
        stop=stop,
        practice_setting=code_of(find(entity, "representedOrganization", "standardIndustryClassCode")),
        performer=_party(performer, entity) if performer is not None else None,
    )


def _encounter(encounter: etree._Element | None) -> HeaderEncounter:
    if encounter is None:
        return HeaderEncounter()
    start, stop = bounds_of(find(encounter, "effectiveTime"))
    return HeaderEncounter(
        ids=tuple(iis_of(encounter.iterchildren(f"{V3}id"))),
        code=code_of(find(encounter, "code")),
        start=start,
        stop=stop,
        facility=code_of(find(encounter, "location", "healthCareFacility", "code")),
    )


def _orders(elements: Iterable[etree._Element]) -> Iterator[HeaderOrder]:
    for element in elements:
        order = find(element, "order")
        found = ii_of(find(order, "id"))
        if order is not None and found:
            yield HeaderOrder(id=found, accession=ii_of(order.find(f"{PS3_20}accessionNumber")))
