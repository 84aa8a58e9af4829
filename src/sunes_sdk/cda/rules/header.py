"""Rules of the common header (SMDS). Some are stricter than the official validator, which is silent on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from lxml import etree

from ..._core.hl7time import Precision, TimeStamp, parse_ts
from ..._core.ids import is_oid
from ...model import InsOid, expected_key
from ...terminology import lookup
from ..datatypes import PS_ROOT
from ..reader import PS3_20, V3
from .engine import SMDS, Problem, RuleSet, View, find, findall, per_document, text_of

HEADER = RuleSet(SMDS)
rule = HEADER.rule

_INS_ROOTS = frozenset(oid.value for oid in InsOid)
_XDS_SD = "1.3.6.1.4.1.19376.1.2.20"
_HEADER_TEMPLATES = ("2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.1")
_LANGUAGE = re.compile(r"[a-z]{2}-[A-Z]{2}", re.ASCII)
_COG = re.compile(r"[0-9][0-9AB][0-9]{3}", re.ASCII)
_MATRICULE = re.compile(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{6}[0-9]{2}", re.ASCII)
_TELECOM = re.compile(r"(?:tel|fax|mailto|http|ftp|mllp):[^\s]+")
_TELECOM_USES = frozenset({"H", "HP", "HV", "WP", "DIR", "PUB", "EC", "MC", "PG"})
_NULLS = frozenset({"UNK", "NASK", "ASKU", "NAV", "MSK"})
_NULLS_SEEN = _NULLS | {"NA"}


def _in(value_set: str, element: etree._Element | None) -> bool:
    """Whether @code with @codeSystem is in the set."""
    if element is None:
        return False
    return lookup(value_set, element.get("code") or "", element.get("codeSystem") or "") is not None


def _many(view: View, name: str, low: int, high: int | None) -> Iterator[Problem]:
    count = len(view.children(name))
    if count < low or (high is not None and count > high):
        bound = f"{low}..{'*' if high is None else high}"
        yield name, f"{count} found where {bound} belong"


@rule("CDA_H02", "realmCode is FR and typeId is that of CDA R2", hint="write the two fixed elements")
def _realm(view: View) -> Iterator[Problem]:
    realms, types = view.children("realmCode"), view.children("typeId")
    if [r.get("code") for r in realms] != ["FR"]:
        yield "realmCode", "realmCode is not FR, once"
    if [(t.get("root"), t.get("extension")) for t in types] != [("2.16.840.1.113883.1.3", "POCD_HD000040")]:
        yield "typeId", "typeId is not that of CDA R2, once"


@rule(
    "CDA_H03",
    "templateId of HL7 France once, of CI-SIS once, and at least one of the document's model",
    hint="write the templateIds of the volet after the two of the header",
)
def _templates(view: View) -> Iterator[Problem]:
    roots = [t.get("root") for t in view.children("templateId")]
    for root in _HEADER_TEMPLATES:
        if roots.count(root) != 1:
            yield "templateId", f"{root} is there {roots.count(root)} times"
    if not set(roots) - set(_HEADER_TEMPLATES):
        yield "templateId", "no templateId of a document model"


@rule(
    "CDA_H04",
    "a document whose body is a file has exactly three templateIds, the third being XDS-SD",
    hint=f"write {_XDS_SD} and no other model",
)
def _n1_templates(view: View) -> Iterator[Problem]:
    if view.all("nonXMLBody"):
        roots = [t.get("root") for t in view.children("templateId")]
        if len(roots) != 3 or roots[2] != _XDS_SD:
            yield "templateId", "the templateIds are not the two of the header then XDS-SD"


_UNIQUE = (
    "id", "code", "title", "effectiveTime", "confidentialityCode", "languageCode", "setId", "versionNumber",
)  # fmt: skip


@rule(
    "CDA_H05",
    "id, code, title, effectiveTime, confidentialityCode, languageCode, setId, versionNumber: exactly one, not null",
    hint="give the missing element, without nullFlavor",
)
def _unique(view: View) -> Iterator[Problem]:
    for name in _UNIQUE:
        yield from _many(view, name, 1, 1)
        for element in view.children(name):
            if element.get("nullFlavor") is not None:
                yield element, "nullFlavor is forbidden here"


@rule(
    "CDA_H06",
    "code is in JDV_J07, with displayName and codeSystem",
    hint="take the type of document from JDV_J07",
    fr="Le type de document n'appartient pas à la liste nationale.",
)
def _type(view: View) -> Iterator[Problem]:
    for element in view.children("code"):
        if not _in("JDV_J07", element):
            yield element, "the code and its system are not in JDV_J07"
        if not element.get("displayName"):
            yield element, "displayName is missing"


@rule(
    "CDA_H07",
    "the title is 1 to 128 characters long",
    hint="shorten the title",
    fr="Le titre est vide ou dépasse 128 caractères.",
)
def _title(view: View) -> Iterator[Problem]:
    for element in view.children("title"):
        length = len(text_of(element))
        if not 1 <= length <= 128:
            yield element, f"the title has {length} characters"


@lru_cache(maxsize=512)
def _time(text: str) -> TimeStamp | None:
    try:
        return parse_ts(text)
    except ValueError:
        return None


def _to_the_second(element: etree._Element | None) -> str:
    """What is wrong with a time that must be given to the second with its offset, empty when nothing is."""
    ts = _time((element.get("value") or "") if element is not None else "")
    if ts is None:
        return "not a time stamp"
    if ts.precision < Precision.SECOND:
        return "the time is not given to the second"
    return "" if ts.has_offset else "the UTC offset is missing"


@rule("CDA_H08", "effectiveTime is to the second, with its offset", hint="write 20260115103000+0100")
def _effective_time(view: View) -> Iterator[Problem]:
    for element in view.children("effectiveTime"):
        if problem := _to_the_second(element):
            yield element, problem


@rule(
    "CDA_H09",
    "confidentialityCode is N, R or V of 2.16.840.1.113883.5.25",
    hint="masking codes go in the XDS metadata, not in the document",
    source="SMDS 1.16.5, set 2.16.840.1.113883.1.11.16926 (its content is unverified)",
)
def _confidentiality(view: View) -> Iterator[Problem]:
    for element in view.children("confidentialityCode"):
        if element.get("code") not in ("N", "R", "V") or element.get("codeSystem") != "2.16.840.1.113883.5.25":
            yield element, "not one of N, R, V"


@rule("CDA_H10", "languageCode is a language and a country", hint="write fr-FR")
def _language(view: View) -> Iterator[Problem]:
    for element in view.children("languageCode"):
        if not _LANGUAGE.fullmatch(element.get("code") or ""):
            yield element, "not of the form fr-FR"


@rule("CDA_H11", "versionNumber is an integer above zero", hint="number versions from 1")
def _version(view: View) -> Iterator[Problem]:
    for element in view.children("versionNumber"):
        value = element.get("value") or ""
        if not (value.isascii() and value.isdigit() and int(value) > 0):
            yield element, "not an integer above zero"


@per_document
def _roles(view: View) -> list[etree._Element]:
    return [r for t in view.children("recordTarget") for r in findall(t, "patientRole")]


@rule("CDA_H12", "there is exactly one patient", hint="write one recordTarget with one patientRole")
def _record_target(view: View) -> Iterator[Problem]:
    yield from _many(view, "recordTarget", 1, 1)
    if view.children("recordTarget") and len(_roles(view)) != 1:
        yield "recordTarget", f"{len(_roles(view))} patientRole found where 1 belongs"


@rule("CDA_H13", "patient identifiers have root and extension, and differ", hint="give the INS and the IPP once each")
def _patient_ids(view: View) -> Iterator[Problem]:
    for role in _roles(view):
        seen = set()
        ids = findall(role, "id")
        if not ids:
            yield role, "the patient has no identifier"
        for element in ids:
            pair = (element.get("root"), element.get("extension"))
            if not all(pair):
                yield element, "root or extension is missing"
            elif pair in seen:
                yield element, "this identifier is there twice"
            seen.add(pair)


def _ins_ids(role: etree._Element) -> list[etree._Element]:
    return [i for i in findall(role, "id") if i.get("root") in _INS_ROOTS]


@rule(
    "CDA_H14",
    "with an INS, the strict traits are all there",
    hint="give birth name, birth given names, first given name, birth date, sex and birth place",
    fr="Un document portant l'INS doit porter tous les traits stricts du patient.",
)
def _traits(view: View) -> Iterator[Problem]:
    for role in _roles(view):
        if not _ins_ids(role):
            continue
        patient = find(role, "patient")
        name = find(patient, "name")
        families = findall(name, "family") if name is not None else []
        givens = findall(name, "given") if name is not None else []
        county = find(patient, "birthplace", "place", "addr", "county")
        gender, birth = find(patient, "administrativeGenderCode"), find(patient, "birthTime")
        for what, there in (
            ("family[@qualifier='BR']", any(f.get("qualifier") == "BR" and text_of(f) for f in families)),
            ("given[@qualifier='BR']", any(g.get("qualifier") == "BR" and text_of(g) for g in givens)),
            ("given without qualifier", any(g.get("qualifier") is None and text_of(g) for g in givens)),
            ("birthTime", birth is not None and bool(birth.get("value"))),
            ("birthplace/place/addr/county", bool(text_of(county))),
            ("administrativeGenderCode", gender is not None and bool(gender.get("code"))),
        ):
            if not there:
                yield patient if patient is not None else role, f"{what} is missing"


def _patient_names(view: View, part: str) -> Iterator[etree._Element]:
    for role in _roles(view):
        patient = find(role, "patient")
        for name in findall(patient, "name") if patient is not None else ():
            yield from findall(name, part)


@rule("CDA_H15", "a patient's family name is BR (birth) or CL (used)", hint="qualify the name")
def _family(view: View) -> Iterator[Problem]:
    for element in _patient_names(view, "family"):
        if element.get("qualifier") not in ("BR", "CL"):
            yield element, "the qualifier is neither BR nor CL"


@rule("CDA_H16", "a patient's given name is unqualified (the list), BR or CL", hint="qualify the name or leave it bare")
def _given(view: View) -> Iterator[Problem]:
    for element in _patient_names(view, "given"):
        if element.get("qualifier") not in (None, "BR", "CL"):
            yield element, "the qualifier is neither BR nor CL"


@rule("CDA_H17", "the sex is given once, as F, M or UN", hint="take it from JDV_J143")
def _gender(view: View) -> Iterator[Problem]:
    for role in _roles(view):
        patient = find(role, "patient")
        found = findall(patient, "administrativeGenderCode") if patient is not None else []
        if len(found) != 1 or found[0].get("code") not in ("F", "M", "UN"):
            yield patient if patient is not None else role, "not exactly one of F, M, UN"


@rule(
    "CDA_H18",
    "the birth time is there and is a real date; what is not known is cut (1979, 197903)",
    hint="write 19790328, 197903 or 1979",
)
def _birth(view: View) -> Iterator[Problem]:
    for role in _roles(view):
        birth = find(role, "patient", "birthTime")
        if birth is None or _time(birth.get("value") or "") is None:
            yield birth if birth is not None else role, "no valid birth time"


@rule(
    "CDA_H19",
    "with an INS, the birth place is a COG code of 5 characters",
    hint="give the INSEE code of the commune, or 99 and the country",
    fr="Le lieu de naissance doit être un code INSEE de 5 caractères.",
)
def _county(view: View) -> Iterator[Problem]:
    for role in _roles(view):
        county = find(role, "patient", "birthplace", "place", "addr", "county")
        if county is not None and _ins_ids(role) and not _COG.fullmatch(text_of(county)):
            yield county, "not a COG code"


@rule(
    "CDA_H20",
    "an INS has 15 characters and the right key (97 - 13 characters mod 97, 2A as 19, 2B as 18)",
    hint="copy the INS from the INSi answer; never mend a key by hand",
    fr="Le matricule INS est faux : vérifiez l'identité par INSi.",
    source="RNIV; SMDS patientRole/id",
)
def _ins(view: View) -> Iterator[Problem]:
    for role in _roles(view):
        for element in _ins_ids(role):
            value = element.get("extension") or ""
            if not _MATRICULE.fullmatch(value):
                yield element, "not the 15 characters of an INS"
            elif value[13:] != expected_key(value[:13]):
                yield element, "the key is wrong"


@rule(
    "CDA_H21", "each author has a time to the second, one assignedAuthor and an identifier", hint="complete the author"
)
def _author(view: View) -> Iterator[Problem]:
    yield from _many(view, "author", 1, None)
    for author in view.children("author"):
        if problem := _to_the_second(find(author, "time")):
            yield author, f"time: {problem}"
        entity = find(author, "assignedAuthor")
        ids = findall(entity, "id") if entity is not None else []
        if not ids or not all(i.get("root") and i.get("extension") for i in ids):
            yield author, "no identifier with root and extension"


@rule(
    "CDA_H22",
    "the code of an author, a signer, a performer or a participant is in JDV_J01, with displayName",
    hint="give profession and specialty exactly as RPPS does, e.g. G15_10/SM26",
)
def _roles_known(view: View) -> Iterator[Problem]:
    for name in ("assignedAuthor", "assignedEntity", "associatedEntity"):
        for entity in view.all(name):
            code = find(entity, "code")
            if code is None or code.get("nullFlavor"):
                continue
            if not _in("JDV_J01", code) or not code.get("displayName"):
                yield code, "the code and its system are not in JDV_J01, or displayName is missing"


@rule(
    "CDA_H23",
    "a person's name has one family, at most one given, one prefix, one suffix",
    hint="join several given names in one element",
)
def _person(view: View) -> Iterator[Problem]:
    for name in view.person_names:
        parts = [child.tag for child in name.iterchildren(etree.Element)]
        if parts.count(f"{V3}family") != 1 or len(parts) != len(set(parts)):
            yield name, "more or fewer parts than the header allows"


@rule("CDA_H24", "prefix is M or MME, suffix one of DR MC MG PC PG PR", hint="write codes, not labels")
def _titles(view: View) -> Iterator[Problem]:
    for part, value_set in (("prefix", "JDV_J245"), ("suffix", "JDV_J246")):
        for element in view.all(part):
            if element.getparent() in view.person_names and lookup(value_set, text_of(element)) is None:
                yield element, f"not in {value_set}"


@rule(
    "CDA_H25",
    "a professional author has a code, an organisation with id and name, an address and a telecom (or nullFlavor)",
    hint="complete the author",
)
def _professional(view: View) -> Iterator[Problem]:
    for author in view.children("author"):
        entity = find(author, "assignedAuthor")
        if entity is None or find(entity, "assignedPerson") is None:
            continue
        if not any(i.get("root") == PS_ROOT for i in findall(entity, "id")):
            continue
        organization = find(entity, "representedOrganization")
        for what, there in (
            ("code", find(entity, "code") is not None),
            ("addr", find(entity, "addr") is not None),
            ("telecom", find(entity, "telecom") is not None),
            ("representedOrganization/id", find(organization, "id") is not None),
            ("representedOrganization/name", bool(text_of(find(organization, "name")))),
        ):
            if not there:
                yield entity, f"{what} is missing"


@rule(
    "CDA_H26",
    "the custodian has one organisation with one identifier; name, telecom and address at most once",
    hint="give the structure that keeps the document",
)
def _custodian(view: View) -> Iterator[Problem]:
    yield from _many(view, "custodian", 1, 1)
    for custodian in view.children("custodian"):
        organization = find(custodian, "assignedCustodian", "representedCustodianOrganization")
        if organization is None:
            yield custodian, "there is no organisation"
            continue
        ids = findall(organization, "id")
        if len(ids) != 1 or not ids[0].get("root"):
            yield organization, "not exactly one identifier"
        for part in ("name", "telecom", "addr"):
            if len(findall(organization, part)) > 1:
                yield organization, f"more than one {part}"


@rule(
    "CDA_H27",
    "one legalAuthenticator, signed S, with a time to the second and one identified entity",
    hint="give the professional who answers for the document",
    fr="Le responsable du document est absent ou incomplet.",
)
def _legal(view: View) -> Iterator[Problem]:
    yield from _many(view, "legalAuthenticator", 1, 1)
    for legal in view.children("legalAuthenticator"):
        signature = find(legal, "signatureCode")
        if signature is None or signature.get("code") != "S":
            yield legal, "signatureCode is not S"
        if problem := _to_the_second(find(legal, "time")):
            yield legal, f"time: {problem}"
        entity = find(legal, "assignedEntity")
        ids = findall(entity, "id") if entity is not None else []
        if len(ids) != 1 or not ids[0].get("root") or not ids[0].get("extension"):
            yield legal, "not exactly one identifier (the official validator takes one only)"


@rule("CDA_H28", "an authenticator is signed S, has a time and one national identifier", hint="complete it")
def _authenticator(view: View) -> Iterator[Problem]:
    for element in view.children("authenticator"):
        signature, time = find(element, "signatureCode"), find(element, "time")
        if signature is None or signature.get("code") != "S":
            yield element, "signatureCode is not S"
        if time is None or not time.get("value"):
            yield element, "the time is missing"
        entity = find(element, "assignedEntity")
        if entity is None or [i.get("root") for i in findall(entity, "id")].count(PS_ROOT) != 1:
            yield element, f"not exactly one identifier of root {PS_ROOT}"


@rule(
    "CDA_H29",
    "a participant has a type of JDV_J144, one time (nullFlavor allowed) and an entity PROV or AGNT",
    hint="complete the participant",
)
def _participant(view: View) -> Iterator[Problem]:
    for element in view.children("participant"):
        if element.get("typeCode") not in ("REF", "REFB", "INF", "RESP", "PRF", "CON", "VRF"):
            yield element, "typeCode is not in JDV_J144"
        if len(findall(element, "time")) != 1:
            yield element, "not exactly one time"
        entity = find(element, "associatedEntity")
        if entity is None or entity.get("classCode") not in ("PROV", "AGNT"):
            yield element, "associatedEntity is not PROV or AGNT"


@rule("CDA_H30", "functionCode is in JDV_J47", hint="take the function from JDV_J47")
def _function(view: View) -> Iterator[Problem]:
    for name in ("author", "participant"):
        for element in view.children(name):
            function = find(element, "functionCode")
            if function is not None and not _in("JDV_J47", function):
                yield function, "not in JDV_J47"


@rule("CDA_H31", "an order has one identifier and at most one accession number", hint="give the order placer number")
def _orders(view: View) -> Iterator[Problem]:
    for element in view.children("inFulfillmentOf"):
        orders = findall(element, "order")
        if len(orders) != 1:
            yield element, "not exactly one order"
        for order in orders:
            if len(findall(order, "id")) != 1 or len(order.findall(f"{PS3_20}accessionNumber")) > 1:
                yield order, "not exactly one id, or several accession numbers"


def _principal(view: View) -> etree._Element | None:
    first = view.children("documentationOf")[:1]
    return find(first[0], "serviceEvent") if first else None


@rule(
    "CDA_H32",
    "the first documentationOf is the principal act: a start, and one performer PRF",
    hint="give when it began and who did it",
    fr="L'acte principal doit porter sa date de début et son exécutant.",
)
def _principal_act(view: View) -> Iterator[Problem]:
    event = _principal(view)
    if event is None:
        yield "documentationOf", "there is no principal act"
        return
    low = find(event, "effectiveTime", "low")
    if low is None or not low.get("value"):
        yield event, "effectiveTime/low is missing"
    if [p.get("typeCode") for p in findall(event, "performer")] != ["PRF"]:
        yield event, "not exactly one performer PRF"


@rule(
    "CDA_H33",
    "the performer of the principal act has one id and an organisation whose setting is in JDV_J04",
    hint="give organization.practice_setting from JDV_J04, e.g. ETABLISSEMENT",
)
def _performer(view: View) -> Iterator[Problem]:
    event = _principal(view)
    for performer in findall(event, "performer") if event is not None else ():
        entity = find(performer, "assignedEntity")
        if entity is None or len(findall(entity, "id")) != 1:
            yield performer, "not exactly one identifier"
        setting = find(entity, "representedOrganization", "standardIndustryClassCode")
        if not _in("JDV_J04", setting):
            yield performer, "standardIndustryClassCode is not in JDV_J04"


@rule(
    "CDA_H34",
    "a replacement names the one document it replaces, and is not its first version",
    hint="use revise() of the document",
    fr="Le document remplaçant doit désigner le document remplacé.",
)
def _related(view: View) -> Iterator[Problem]:
    found = view.children("relatedDocument")
    if len(found) > 1:
        yield "relatedDocument", "more than one"
    for element in found:
        if element.get("typeCode") not in ("RPLC", "XFRM"):
            yield element, "typeCode is neither RPLC nor XFRM"
        parents = findall(element, "parentDocument")
        ids = findall(parents[0], "id") if len(parents) == 1 else []
        if len(ids) != 1 or not ids[0].get("root"):
            yield element, "not exactly one parentDocument/id with a root"
            continue
        own = view.children("id")
        if own and _pair(own[0]) == _pair(ids[0]):
            yield element, "the document replaces itself"
        version = view.children("versionNumber")
        if element.get("typeCode") == "RPLC" and version and version[0].get("value") == "1":
            yield version[0], "a replacement cannot be version 1"


def _pair(element: etree._Element) -> tuple[str, str]:
    return element.get("root") or "", element.get("extension") or ""


def _encounter(view: View) -> etree._Element | None:
    first = view.children("componentOf")[:1]
    return find(first[0], "encompassingEncounter") if first else None


@rule(
    "CDA_H35",
    "the encounter has one effectiveTime and one facility whose type is in JDV_J02",
    hint="give the stay and organization.facility_type from JDV_J02, e.g. SA01",
)
def _facility(view: View) -> Iterator[Problem]:
    encounter = _encounter(view)
    if encounter is None:
        yield "componentOf", "there is no encounter"
        return
    if len(findall(encounter, "effectiveTime")) != 1:
        yield encounter, "not exactly one effectiveTime"
    code = find(encounter, "location", "healthCareFacility", "code")
    if code is None or not _in("JDV_J02", code) or not code.get("displayName"):
        yield encounter, "the facility's type is not in JDV_J02, or displayName is missing"


@rule(
    "CDA_H36",
    "low comes before high in the times of encounter, participants, performers and acts",
    hint="give only low for what happens at one instant",
    fr="Une date de fin précède sa date de début, ou lui est égale.",
)
def _order(view: View) -> Iterator[Problem]:
    intervals: list[etree._Element | None] = [find(_encounter(view), "effectiveTime")]
    intervals += [find(p, "time") for p in view.children("participant")]
    for documentation in view.children("documentationOf"):
        event = find(documentation, "serviceEvent")
        intervals.append(find(event, "effectiveTime"))
        intervals += [find(p, "time") for p in findall(event, "performer")] if event is not None else []
    for interval in intervals:
        low, high = find(interval, "low"), find(interval, "high")
        if interval is None or low is None or high is None:
            continue
        start, stop = _time(low.get("value") or ""), _time(high.get("value") or "")
        if start and stop and start.value >= stop.value:
            yield interval, "low is not before high"


@rule(
    "CDA_H37",
    "responsibleParty and encounterParticipant have exactly one national identifier",
    hint=f"give one id of root {PS_ROOT}",
)
def _responsible(view: View) -> Iterator[Problem]:
    encounter = _encounter(view)
    for name in ("responsibleParty", "encounterParticipant"):
        for element in findall(encounter, name) if encounter is not None else ():
            entity = find(element, "assignedEntity")
            if entity is None or [i.get("root") for i in findall(entity, "id")].count(PS_ROOT) != 1:
                yield element, f"not exactly one identifier of root {PS_ROOT}"


@rule(
    "CDA_H38",
    "a telecom is tel, fax, mailto, http, ftp or mllp, a colon, no blank (or one of UNK NASK ASKU NAV MSK)",
    hint="write tel:+33123456789",
    fr="Un numéro ou une adresse électronique est mal écrit.",
)
def _telecom(view: View) -> Iterator[Problem]:
    for element in view.all("telecom"):
        null = element.get("nullFlavor")
        if null is not None:
            if null not in _NULLS or len(element.attrib) > 1:
                yield element, "this nullFlavor is not allowed, or stands beside a value"
        elif not _TELECOM.fullmatch(element.get("value") or ""):
            yield element, "the value is not scheme:address"
        elif not set((element.get("use") or "").split()) <= _TELECOM_USES:
            yield element, "use is not in the list"


@rule(
    "CDA_H39",
    "an address is not empty, mixes neither text with elements nor address lines with parts",
    hint="give the parts or the lines, or a nullFlavor",
)
def _address(view: View) -> Iterator[Problem]:
    for element in view.all("addr"):
        parts = list(element.iterchildren(etree.Element))
        if element.get("nullFlavor") is not None:
            if parts or text_of(element):
                yield element, "a null address has content"
        elif (element.text or "").strip() or any((p.tail or "").strip() for p in parts):
            yield element, "text stands beside elements"
        elif not any((p.text or "").strip() for p in parts):
            yield element, "the address is empty"
        else:
            tags = {p.tag for p in parts}
            if f"{V3}streetAddressLine" in tags and len(tags) > 1:
                yield element, "address lines are mixed with parts"


_TIME_TAGS = ("effectiveTime", "time", "birthTime", "low", "high", "center")
_TIME_PARENTS = frozenset(V3 + t for t in ("effectiveTime", "time", "useablePeriod"))


@rule(
    "CDA_H41",
    "a time stamp is a real instant; as soon as it has an hour it has its offset",
    hint="write 20260115103000+0100, 20260115 or 2026",
    fr="Une date ou une heure est fausse ou sans fuseau horaire.",
)
def _times(view: View) -> Iterator[Problem]:
    for tag in _TIME_TAGS:
        bound = tag in ("low", "high", "center")
        for element in view.all(tag):
            value = element.get("value")
            if value is None:
                continue
            parent = element.getparent()
            if bound and (parent is None or parent.tag not in _TIME_PARENTS):
                continue
            ts = _time(value)
            if ts is None:
                yield element, "not a real time stamp"
            elif ts.precision >= Precision.HOUR and not ts.has_offset:
                yield element, "the UTC offset is missing"


@rule(
    "CDA_H42",
    "id and setId are OIDs of at most 64 characters; id has no extension (the DMP does not take one)",
    hint="draw document identifiers under the establishment's own arc",
    source="SMDS 3.5.5.4",
)
def _document_ids(view: View) -> Iterator[Problem]:
    for name in ("id", "setId"):
        for element in view.children(name):
            if not is_oid(element.get("root") or ""):
                yield element, "the root is not an OID"
            if element.get("extension"):
                yield element, "there is an extension"


@rule(
    "CDA_H43",
    "a nullFlavor of the header is UNK, NASK, ASKU, NAV, MSK (NA in a participant's time), and stands alone",
    hint="say why the value is missing with one of these, and write nothing else",
)
def _null_flavors(view: View) -> Iterator[Problem]:
    for element in view.null_of_header:
        allowed = _NULLS_SEEN if element.tag == f"{V3}time" else _NULLS
        if element.get("nullFlavor") not in allowed:
            yield element, "this nullFlavor is not allowed here"
        elif len(element.attrib) > 1 or len(element):
            yield element, "a null element has other attributes or content"
