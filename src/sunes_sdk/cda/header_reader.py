"""The header of a ClinicalDocument as data: what it does not say stays empty, what breaks a rule is for `cda.check`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lxml import etree

from .._core.errors import CdaError, ModelError
from ..model import Address, Code, Telecom
from .envelope import V3
from .header import (
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

PS3_20 = "{urn:dicom-org:ps3-20}"
_NO_TIME = ("", "")


def header_of(document: etree._Element) -> CdaHeader:
    """`read_header` for a ClinicalDocument that is already parsed."""
    parts: dict[str, list[etree._Element]] = {}
    for child in document:
        if isinstance(child.tag, str):
            parts.setdefault(child.tag, []).append(child)

    def first(name: str) -> etree._Element | None:
        found = parts.get(V3 + name)
        return found[0] if found else None

    document_id, code = _ii(first("id")), _code(first("code"))
    if document_id is None or code is None:
        raise CdaError("the document has no id or no type", code="CDA_UNREADABLE",
                       path="id" if document_id is None else "code", rule="SMDS header",
                       hint="ask the sender for a valid document")  # fmt: skip
    version = _value(first("versionNumber"))
    related = [r for r in parts.get(f"{V3}relatedDocument", ()) if r.get("typeCode") == "RPLC"]
    body = _find(first("component"), "nonXMLBody", "text")
    confidentiality = _code(first("confidentialityCode"))
    language = first("languageCode")
    return CdaHeader(
        template_ids=tuple(_iis(parts.get(f"{V3}templateId", ()))),
        id=document_id,
        code=code,
        title=_text(first("title")),
        effective_time=_value(first("effectiveTime")),
        confidentiality=confidentiality or Code(code="N", system="2.16.840.1.113883.5.25", display="Normal"),
        language=(language.get("code") or "") if language is not None else "",
        set_id=_ii(first("setId")) or document_id,
        version_number=int(version) if version.isascii() and version.isdigit() else 1,
        patient=_patient(_find(first("recordTarget"), "patientRole")),
        authors=tuple(_party(a, _find(a, "assignedAuthor")) for a in parts.get(f"{V3}author", ())),
        custodian=_organization(_find(first("custodian"), "assignedCustodian", "representedCustodianOrganization"))
        or HeaderOrganization(id=None),
        legal_authenticator=_party(first("legalAuthenticator"), _find(first("legalAuthenticator"), "assignedEntity")),
        service_events=tuple(
            _service_event(e)
            for d in parts.get(f"{V3}documentationOf", ())
            for e in d.iterchildren(f"{V3}serviceEvent")
        ),
        encounter=_encounter(_find(first("componentOf"), "encompassingEncounter")),
        orders=tuple(_orders(parts.get(f"{V3}inFulfillmentOf", ()))),
        replaces=_ii(_find(related[0], "parentDocument", "id")) if related else None,
        body_media_type=(body.get("mediaType") or "") if body is not None else "",
    )


def _find(element: etree._Element | None, *names: str) -> etree._Element | None:
    for name in names:
        if element is None:
            return None
        element = next(element.iterchildren(V3 + name), None)  # five times faster than .find()
    return element


def _value(element: etree._Element | None) -> str:
    return (element.get("value") or "") if element is not None else ""


def _text(element: etree._Element | None) -> str:
    return "".join(element.itertext()).strip() if element is not None else ""


def _ii(element: etree._Element | None) -> II | None:
    if element is None or not (root := element.get("root")):
        return None
    return II(root, element.get("extension") or "")


def _iis(elements: Iterable[etree._Element]) -> Iterator[II]:
    for element in elements:
        found = _ii(element)
        if found:
            yield found


def _code(element: etree._Element | None) -> Code | None:
    if element is None:
        return None
    code, system = element.get("code"), element.get("codeSystem")
    if not (code and code.strip() and system and system.strip()):
        return None
    return Code(
        code=code, system=system, display=element.get("displayName") or "",
        system_name=element.get("codeSystemName") or "",
    )  # fmt: skip


def _organization(element: etree._Element | None) -> HeaderOrganization | None:
    if element is None:
        return None
    return HeaderOrganization(id=_ii(_find(element, "id")), name=_text(_find(element, "name")))


def _party(holder: etree._Element | None, entity: etree._Element | None) -> HeaderParty:
    """An author, a legal authenticator or a performer; `holder` has its time and function."""
    if holder is None or entity is None:
        return HeaderParty(time="", ids=())
    time = _find(holder, "time")
    name = _find(entity, "assignedPerson", "name")
    device = _find(entity, "assignedAuthoringDevice")
    return HeaderParty(
        time=_value(time) or _value(_find(time, "high")) or _value(_find(time, "low")),
        ids=tuple(_iis(entity.iterchildren(f"{V3}id"))),
        code=_code(_find(entity, "code")),
        function=_code(_find(holder, "functionCode")),
        name=HeaderName(
            family=_text(_find(name, "family")),
            given=_text(_find(name, "given")),
            prefix=_text(_find(name, "prefix")),
            suffix=_text(_find(name, "suffix")),
        )
        if name is not None
        else None,
        device_model=_text(_find(device, "manufacturerModelName")),
        device_software=_text(_find(device, "softwareName")),
        organization=_organization(_find(entity, "representedOrganization")),
    )


def _patient(role: etree._Element | None) -> HeaderPatient:
    if role is None:
        return HeaderPatient(ids=())
    names = {"family": "", "family BR": "", "family CL": "", "given": "", "given BR": "", "given CL": ""}
    patient = _find(role, "patient")
    name = _find(patient, "name")
    for part in name if name is not None else ():
        if isinstance(part.tag, str):
            kind = f"{part.tag.removeprefix(V3)} {part.get('qualifier') or ''}".strip()
            if kind in names and not names[kind]:
                names[kind] = _text(part)
    gender = _find(patient, "administrativeGenderCode")
    place = _find(patient, "birthplace", "place", "addr")
    return HeaderPatient(
        ids=tuple(_iis(role.iterchildren(f"{V3}id"))),
        birth_family=names["family BR"] or names["family"],
        birth_givens=names["given"],
        first_given=names["given BR"],
        used_family=names["family CL"],
        used_given=names["given CL"],
        sex=(gender.get("code") or "") if gender is not None else "",
        birth_time=_value(_find(patient, "birthTime")),
        birth_place=_text(_find(place, "county")),
        birth_city=_text(_find(place, "city")),
        addresses=tuple(_addresses(role)),
        telecoms=tuple(_telecoms(role)),
    )


_ADDRESS_PARTS = {
    "houseNumber": "house_number",
    "houseNumberNumeric": "house_number",
    "streetName": "street_name",
    "additionalLocator": "additional_locator",
    "unitID": "unit",
    "postBox": "post_box",
    "postalCode": "postal_code",
    "city": "city",
    "country": "country",
}
_USES = frozenset({"H", "HP", "HV", "WP", "TMP", "DIR", "PUB", "EC", "MC", "PG"})


def _use(element: etree._Element) -> Any:
    return next((u for u in (element.get("use") or "").split() if u in _USES), None)


def _addresses(role: etree._Element) -> Iterator[Address]:
    for element in role.iterchildren(f"{V3}addr"):
        values: dict[str, str] = {}
        lines = []
        for part in element:
            if not isinstance(part.tag, str):  # a comment or a processing instruction
                continue
            name = part.tag.removeprefix(V3)
            text = _text(part)
            if name == "streetAddressLine" and text:
                lines.append(text)
            elif name in _ADDRESS_PARTS and text:
                values.setdefault(_ADDRESS_PARTS[name], text)
        if lines:  # a mixed address is kept as lines: SMDS forbids the mixture, a reader must not refuse it
            parts: dict[str, Any] = {"lines": tuple([*lines, *values.values()][:6])}
        else:
            parts = dict(values)
        try:
            yield Address(use=_use(element), **parts)
        except ModelError:
            continue


def _telecoms(role: etree._Element) -> Iterator[Telecom]:
    for element in role.iterchildren(f"{V3}telecom"):
        try:
            yield Telecom(value=element.get("value") or "", use=_use(element))
        except ModelError:
            continue


def _bounds(element: etree._Element | None) -> tuple[str, str]:
    """low and high of an IVL_TS; a single @value counts as low."""
    if element is None:
        return _NO_TIME
    return _value(_find(element, "low")) or _value(element), _value(_find(element, "high"))


def _service_event(event: etree._Element) -> HeaderServiceEvent:
    code = _find(event, "code")
    performer = _find(event, "performer")
    entity = _find(performer, "assignedEntity")
    start, stop = _bounds(_find(event, "effectiveTime"))
    translations = (_code(t) for t in code.iterchildren(f"{V3}translation")) if code is not None else ()
    return HeaderServiceEvent(
        ids=tuple(_iis(event.iterchildren(f"{V3}id"))),
        code=_code(code),
        translations=tuple(t for t in translations if t),
        start=start,
        stop=stop,
        practice_setting=_code(_find(entity, "representedOrganization", "standardIndustryClassCode")),
        performer=_party(performer, entity) if performer is not None else None,
    )


def _encounter(encounter: etree._Element | None) -> HeaderEncounter:
    if encounter is None:
        return HeaderEncounter()
    start, stop = _bounds(_find(encounter, "effectiveTime"))
    return HeaderEncounter(
        ids=tuple(_iis(encounter.iterchildren(f"{V3}id"))),
        code=_code(_find(encounter, "code")),
        start=start,
        stop=stop,
        facility=_code(_find(encounter, "location", "healthCareFacility", "code")),
    )


def _orders(elements: Iterable[etree._Element]) -> Iterator[HeaderOrder]:
    for element in elements:
        order = _find(element, "order")
        found = _ii(_find(order, "id"))
        if order is not None and found:
            yield HeaderOrder(id=found, accession=_ii(order.find(f"{PS3_20}accessionNumber")))
