"""Rules of the common header (SMDS).

`kit_is_silent` marks what the official text says and the official validator was seen to let pass; a test asks it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache

from lxml import etree

from ..._core.findings import Severity
from ..._core.hl7time import Precision, TimeStamp, parse_ts
from ..._core.ids import is_oid
from ...model import InsOid, expected_key
from ...terminology import lookup
from ..datatypes import PS_ROOT, STRUCTURE_ROOT
from ..datatypes_reader import find, findall, text_of
from ..header import CdaDocument
from ..reader import PS3_20, V3
from .engine import SMDS, Problem, RuleSet, View, per_document

HEADER = RuleSet(SMDS)
rule = HEADER.rule

_INS_ROOTS = frozenset(oid.value for oid in InsOid)
_XDS_SD = "1.3.6.1.4.1.19376.1.2.20"
_HEADER_TEMPLATES = ("2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.1")
_DMP_CUSTODIAN = "1.2.250.1.213.4.1"
_TEST_NUMBERS = frozenset({"279035121518989"})
"""Matricules of the official examples."""
_LANGUAGE = re.compile(r"[a-z]{2}-[A-Z]{2}", re.ASCII)
_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)
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


@rule("CDA_H02", "realmCode is FR and typeId is that of CDA R2", hint="write the two fixed elements", held=True)
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
    held=True,
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
    held=True,
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
    held=True,
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
    held=True,
)
def _type(view: View) -> Iterator[Problem]:
    for element in view.children("code"):
        if not _in("JDV_J07", element):
            yield element, "the code and its system are not in JDV_J07"
        if not element.get("displayName"):
            yield element, "displayName is missing"


def _has_title(document: CdaDocument) -> bool:
    title = document.header.title
    return len(title) <= 128 and bool(title.strip())


@rule(
    "CDA_H07",
    "the title is not empty",
    hint="give the document a title",
    fr="Le titre est vide.",
    held=_has_title,
)
def _title(view: View) -> Iterator[Problem]:
    for element in view.children("title"):
        if not text_of(element):
            yield element, "the title is empty"


@rule(
    "CDA_H46",
    "the title has at most 128 characters",
    hint="shorten the title",
    fr="Le titre dépasse 128 caractères.",
    kit_is_silent=True,
    held=_has_title,
)
def _title_length(view: View) -> Iterator[Problem]:
    for element in view.children("title"):
        length = len(text_of(element))
        if length > 128:
            yield element, f"the title has {length} characters"


@lru_cache(maxsize=512)
def _time(text: str) -> TimeStamp | None:
    try:
        return parse_ts(text)
    except ValueError:
        return None


@rule(
    "CDA_H08",
    "effectiveTime is a real instant",
    hint="write 20260115103000+0100",
    held=lambda document: _time(document.header.effective_time) is not None,
)
def _effective_time(view: View) -> Iterator[Problem]:
    for element in view.children("effectiveTime"):
        if _time(element.get("value") or "") is None:
            yield element, "not a time stamp"


@rule(
    "CDA_H47",
    "effectiveTime, the authors' times and the legal authenticator's are to the second, with their offset",
    hint="write 20260115103000+0100",
    fr="La date du document ou d'une signature n'est pas précise à la seconde, ou n'a pas de fuseau horaire.",
    kit_is_silent=True,
    held=True,
)
def _precise_times(view: View) -> Iterator[Problem]:
    times = [*view.children("effectiveTime")]
    for name in ("author", "legalAuthenticator"):
        times += [t for e in view.children(name) if (t := find(e, "time")) is not None]
    for element in times:
        ts = _time(element.get("value") or "")
        if ts is not None and ts.precision < Precision.SECOND:
            yield element, "the time is not given to the second"
        elif ts is not None and not ts.has_offset:
            yield element, "the UTC offset is missing"


@rule(
    "CDA_H09",
    "confidentialityCode is one of L M N R U V of 2.16.840.1.113883.5.25",
    hint="masking codes go in the XDS metadata, not in the document",
    held=True,
)
def _confidentiality(view: View) -> Iterator[Problem]:
    for element in view.children("confidentialityCode"):
        if element.get("code") not in ("L", "M", "N", "R", "U", "V"):
            yield element, "not a level of confidentiality"


@rule(
    "CDA_H48",
    "confidentialityCode is N, R or V of 2.16.840.1.113883.5.25",
    hint="write N, R or V",
    source="SMDS 1.16.5, set 2.16.840.1.113883.1.11.16926 (its content is unverified)",
    kit_is_silent=True,
    held=True,
)
def _french_confidentiality(view: View) -> Iterator[Problem]:
    for element in view.children("confidentialityCode"):
        if element.get("code") not in ("N", "R", "V") or element.get("codeSystem") != "2.16.840.1.113883.5.25":
            yield element, "not one of N, R, V"


@rule("CDA_H10", "languageCode is a language and a country", hint="write fr-FR", held=True)
def _language(view: View) -> Iterator[Problem]:
    for element in view.children("languageCode"):
        if not _LANGUAGE.fullmatch(element.get("code") or ""):
            yield element, "not of the form fr-FR"


@rule("CDA_H11", "versionNumber is an integer", hint="number versions from 1", held=True)
def _version(view: View) -> Iterator[Problem]:
    for element in view.children("versionNumber"):
        if not _INTEGER.fullmatch(element.get("value") or ""):
            yield element, "not an integer"


@rule("CDA_H49", "versionNumber is above zero", hint="number versions from 1", kit_is_silent=True, held=True)
def _version_above_zero(view: View) -> Iterator[Problem]:
    for element in view.children("versionNumber"):
        value = element.get("value") or ""
        if value.startswith("-") or (value and not value.strip("0")):
            yield element, "not above zero"


class _Patient:
    """A patient of the document, taken apart once for all the rules about the patient."""

    def __init__(self, role: etree._Element) -> None:
        self.role = role
        self.ids = [(i, *_pair(i)) for i in findall(role, "id")]
        self.matricules = [(element, root, value) for element, root, value in self.ids if root in _INS_ROOTS]
        self.person = find(role, "patient")
        parts: defaultdict[object, list[etree._Element]] = defaultdict(list)
        for part in self.person.iterchildren(etree.Element) if self.person is not None else ():
            parts[part.tag].append(part)
        self.names = [(findall(n, "family"), findall(n, "given")) for n in parts[f"{V3}name"]]
        self.genders = parts[f"{V3}administrativeGenderCode"]
        self.birth = next(iter(parts[f"{V3}birthTime"]), None)
        self.county = find(next(iter(parts[f"{V3}birthplace"]), None), "place", "addr", "county")
        self.families = [e for families, _ in self.names for e in families]
        self.givens = [e for _, givens in self.names for e in givens]

    @property
    def place(self) -> etree._Element:
        """Where to say that something of the person is missing."""
        return self.role if self.person is None else self.person


@per_document
def _patients(view: View) -> list[_Patient]:
    return [_Patient(role) for target in view.children("recordTarget") for role in findall(target, "patientRole")]


@rule("CDA_H12", "there is exactly one patient", hint="write one recordTarget with one patientRole", held=True)
def _record_target(view: View) -> Iterator[Problem]:
    yield from _many(view, "recordTarget", 1, 1)
    if view.children("recordTarget") and len(_patients(view)) != 1:
        yield "recordTarget", f"{len(_patients(view))} patientRole found where 1 belongs"


def _ids_are_whole(document: CdaDocument) -> bool:
    ids = document.header.patient.ids
    return bool(ids) and len(set(ids)) == len(ids) and all(i.root and i.extension for i in ids)


def _is_whole(document: CdaDocument) -> bool:
    """Whether the header data hold all that a patient with an INS is known by, and no blank name."""
    patient = document.header.patient
    return (
        patient.sex in ("F", "M", "UN")
        and _COG.fullmatch(patient.birth_place) is not None
        and bool(patient.birth_time)
        and all(name and name.strip() for name in (patient.birth_family, patient.birth_givens, patient.first_given))
        and all(not name or name.strip() for name in (patient.used_family, patient.used_given))
    )


def _numbers_are_right(document: CdaDocument) -> bool:
    """Whether each INS of the header data has its form and its key, and is no test number under a real root."""
    return all(
        i.root not in _INS_ROOTS
        or (not _number_problem(i.extension or "") and (i.extension not in _TEST_NUMBERS or InsOid(i.root).is_test))
        for i in document.header.patient.ids
    )


@rule(
    "CDA_H13",
    "patient identifiers have root and extension, and differ",
    hint="give the INS and the IPP once each",
    held=_ids_are_whole,
)
def _patient_ids(view: View) -> Iterator[Problem]:
    for patient in _patients(view):
        seen = set()
        if not patient.ids:
            yield patient.role, "the patient has no identifier"
        for element, root, extension in patient.ids:
            if element.get("nullFlavor"):  # CDA_H68
                continue
            pair = root, extension
            if not all(pair):
                yield element, "root or extension is missing"
            elif pair in seen:
                yield element, "this identifier is there twice"
            seen.add(pair)


@rule(
    "CDA_H14",
    "with an INS, the strict traits are all there",
    hint="give birth name, birth given names, first given name, birth date, sex and birth place",
    fr="Un document portant l'INS doit porter tous les traits stricts du patient.",
    held=_is_whole,
)
def _traits(view: View) -> Iterator[Problem]:
    for patient in _patients(view):
        if not patient.matricules:
            continue
        families, givens = patient.names[0] if patient.names else ([], [])
        qualifiers = [g.get("qualifier") for g in givens]
        birth, gender = patient.birth, next(iter(patient.genders), None)
        for what, there in (
            ("family[@qualifier='BR']", "BR" in [f.get("qualifier") for f in families]),
            ("given[@qualifier='BR']", "BR" in qualifiers),
            ("given without qualifier", None in qualifiers),
            ("birthTime", birth is not None and bool(birth.get("value"))),
            ("birthplace/place/addr/county", bool(text_of(patient.county))),
            ("administrativeGenderCode", gender is not None and bool(gender.get("code"))),
        ):
            if not there:
                yield patient.place, f"{what} is missing"


@rule("CDA_H15", "a patient's family name is BR (birth) or CL (used)", hint="qualify the name", held=True)
def _family(view: View) -> Iterator[Problem]:
    for patient in _patients(view):
        for element in patient.families:
            if element.get("qualifier") not in ("BR", "CL"):
                yield element, "the qualifier is neither BR nor CL"


@rule(
    "CDA_H16",
    "a patient's given name is unqualified (the list), BR or CL",
    hint="qualify the name or leave it bare",
    held=True,
)
def _given(view: View) -> Iterator[Problem]:
    for patient in _patients(view):
        for element in patient.givens:
            if element.get("qualifier") not in (None, "BR", "CL"):
                yield element, "the qualifier is neither BR nor CL"


@rule("CDA_H17", "the sex is given once, as F, M or UN", hint="take it from JDV_J143", held=_is_whole)
def _gender(view: View) -> Iterator[Problem]:
    for patient in _patients(view):
        found = patient.genders
        if len(found) != 1 or found[0].get("code") not in ("F", "M", "UN"):
            yield patient.place, "not exactly one of F, M, UN"


@rule(
    "CDA_H18",
    "the birth time is there and is a real date; what is not known is cut (1979, 197903)",
    hint="write 19790328, 197903 or 1979",
    held=lambda document: _time(document.header.patient.birth_time) is not None,
)
def _birth(view: View) -> Iterator[Problem]:
    for patient in _patients(view):
        birth = patient.birth
        if birth is None or _time(birth.get("value") or "") is None:
            yield birth if birth is not None else patient.role, "no valid birth time"


@rule(
    "CDA_H19",
    "with an INS, the birth place is a COG code of 5 characters",
    hint="give the INSEE code of the commune, or 99 and the country",
    fr="Le lieu de naissance doit être un code INSEE de 5 caractères.",
    kit_is_silent=True,
    held=_is_whole,
)
def _county(view: View) -> Iterator[Problem]:
    for patient in _patients(view):
        county = patient.county
        if county is not None and patient.matricules and not _COG.fullmatch(text_of(county)):
            yield county, "not a COG code"


def _number_problem(value: str) -> str:
    """What is wrong with a matricule."""
    if not _MATRICULE.fullmatch(value):
        return "not the 15 characters of an INS"
    return "" if value[13:] == expected_key(value[:13]) else "the key is wrong"


@rule(
    "CDA_H20",
    "an INS has 15 characters and the right key (97 - 13 characters mod 97, 2A as 19, 2B as 18)",
    hint="copy the INS from the INSi answer; never mend a key by hand",
    fr="Le matricule INS est faux : vérifiez l'identité par INSi.",
    source="RNIV; SMDS patientRole/id",
    kit_is_silent=True,
    held=_numbers_are_right,
)
def _ins(view: View) -> Iterator[Problem]:
    for patient in _patients(view):
        for element, _, value in patient.matricules:
            problem = _number_problem(value)
            if problem:
                yield element, problem


@rule(
    "CDA_H21",
    "each author has a time, an identifier and, for a device, a model and a software",
    hint="complete the author",
    held=True,
)
def _author(view: View) -> Iterator[Problem]:
    yield from _many(view, "author", 1, None)
    for author in view.children("author"):
        if not _is_timed(author):
            yield author, "there is no real time"
        entity = find(author, "assignedAuthor")
        ids = findall(entity, "id") if entity is not None else []
        if not ids or not all(i.get("root") and i.get("extension") for i in ids):
            yield author, "no identifier with root and extension"
        device = find(entity, "assignedAuthoringDevice")
        for part in ("manufacturerModelName", "softwareName"):
            if device is not None and not text_of(find(device, part)):
                yield device, f"{part} is missing"


@rule(
    "CDA_H22",
    "the code of an author, a signer, a performer or a participant is in JDV_J01, with displayName",
    hint="give profession and specialty exactly as RPPS does, e.g. G15_10/SM26",
    held=True,
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
    held=True,
)
def _person(view: View) -> Iterator[Problem]:
    for name in view.person_names:
        parts = [child.tag for child in name.iterchildren(etree.Element)]
        if parts.count(f"{V3}family") != 1 or len(parts) != len(set(parts)):
            yield name, "more or fewer parts than the header allows"


@rule("CDA_H24", "prefix is M or MME, suffix one of DR MC MG PC PG PR", hint="write codes, not labels", held=True)
def _titles(view: View) -> Iterator[Problem]:
    for part, value_set in (("prefix", "JDV_J245"), ("suffix", "JDV_J246")):
        for element in view.all(part):
            if element.getparent() in view.person_names and lookup(value_set, text_of(element)) is None:
                yield element, f"not in {value_set}"


def _is_timed(element: etree._Element) -> bool:
    """Whether `time` holds a real instant."""
    time = find(element, "time")
    return time is not None and _time(time.get("value") or "") is not None


@rule(
    "CDA_H25",
    "a professional author has a code, an organisation with id and name, an address and a telecom (or nullFlavor)",
    hint="complete the author",
    kit_is_silent=True,
    held=True,
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
    "the custodian has one organisation with one identifier of the national root (or the DMP's); name, telecom and "
    "address at most once",
    hint="give the structure that keeps the document",
    held=True,
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
        elif ids[0].get("root") not in (STRUCTURE_ROOT, _DMP_CUSTODIAN):
            yield ids[0], f"the root is neither {STRUCTURE_ROOT} nor that of the DMP"
        for part in ("name", "telecom", "addr"):
            if len(findall(organization, part)) > 1:
                yield organization, f"more than one {part}"


@rule(
    "CDA_H27",
    "one legalAuthenticator, signed S, with a time and one identified entity",
    hint="give the professional who answers for the document",
    fr="Le responsable du document est absent ou incomplet.",
    held=True,
)
def _legal(view: View) -> Iterator[Problem]:
    yield from _many(view, "legalAuthenticator", 1, 1)
    for legal in view.children("legalAuthenticator"):
        signature = find(legal, "signatureCode")
        if signature is None or signature.get("code") != "S":
            yield legal, "signatureCode is not S"
        if not _is_timed(legal):
            yield legal, "there is no real time"
        entity = find(legal, "assignedEntity")
        ids = findall(entity, "id") if entity is not None else []
        if len(ids) != 1 or not ids[0].get("root") or not ids[0].get("extension"):
            yield legal, "not exactly one identifier (the official validator takes one only)"


@rule(
    "CDA_H51",
    "a professional who answers for the document has a code, a name and a structure",
    hint="complete the legal authenticator",
    fr="Le responsable du document est incomplet : profession, nom ou structure.",
    kit_is_silent=True,
    held=True,
)
def _complete_legal(view: View) -> Iterator[Problem]:
    for legal in view.children("legalAuthenticator"):
        entity = find(legal, "assignedEntity")
        first = find(entity, "id")
        if entity is None or first is None or first.get("root") != PS_ROOT or "/" in (first.get("extension") or ""):
            continue  # a patient, a device
        for what in ("code", "assignedPerson", "representedOrganization"):
            if find(entity, what) is None:
                yield entity, f"{what} is missing"


@rule("CDA_H28", "an authenticator is signed S, has a time and one national identifier", hint="complete it", held=True)
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
    held=True,
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
        elif len(findall(entity, "id")) > 1:
            yield entity, "more than one identifier (the official validator takes one only)"


@rule("CDA_H30", "functionCode is in JDV_J47", hint="take the function from JDV_J47", held=True)
def _function(view: View) -> Iterator[Problem]:
    for name in ("author", "participant"):
        for element in view.children(name):
            function = find(element, "functionCode")
            if function is not None and not _in("JDV_J47", function):
                yield function, "not in JDV_J47"


@rule(
    "CDA_H31",
    "an order has one identifier and at most one accession number",
    hint="give the order placer number",
    held=True,
)
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
    "the first documentationOf is the principal act: a start, and one performer",
    hint="give when it began and who did it",
    fr="L'acte principal doit porter sa date de début et son exécutant.",
    held=True,
)
def _principal_act(view: View) -> Iterator[Problem]:
    event = _principal(view)
    if event is None:
        yield "documentationOf", "there is no principal act"
        return
    low = find(event, "effectiveTime", "low")
    if low is None or not low.get("value"):
        yield event, "effectiveTime/low is missing"
    if len(findall(event, "performer")) != 1:
        yield event, "not exactly one performer"


@rule("CDA_H67", "the performer of the principal act is of type PRF", hint="write PRF", kit_is_silent=True, held=True)
def _performer_type(view: View) -> Iterator[Problem]:
    event = _principal(view)
    for performer in findall(event, "performer") if event is not None else ():
        if performer.get("typeCode") != "PRF":
            yield performer, "typeCode is not PRF"


@rule(
    "CDA_H33",
    "the performer of the principal act has one id and an organisation whose setting is in JDV_J04",
    hint="give organization.practice_setting from JDV_J04, e.g. ETABLISSEMENT",
    held=True,
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


def _is_unrelated(document: CdaDocument) -> bool:
    return document.header.replaces is None and document.header.transforms is None


@rule(
    "CDA_H34",
    "a replacement names the one document it replaces",
    hint="use revise() of the document",
    fr="Le document remplaçant doit désigner le document remplacé.",
    held=_is_unrelated,
)
def _related(view: View) -> Iterator[Problem]:
    for element in view.children("relatedDocument"):
        if element.get("typeCode") == "RPLC" and _parent_id(element) is None:
            yield element, "not exactly one parentDocument/id with a root"


@rule(
    "CDA_H53",
    "relatedDocument is there once at most, it replaces (RPLC) or transforms (XFRM) another document; a replacement "
    "is not version 1",
    hint="use revise() of the document, or transforms",
    fr="Le lien vers un autre document n'est ni un remplacement ni une transformation, ou se contredit.",
    kit_is_silent=True,
    held=_is_unrelated,
)
def _related_kind(view: View) -> Iterator[Problem]:
    found = view.children("relatedDocument")
    if len(found) > 1:
        yield "relatedDocument", "more than one"
    for element in found:
        kind, parent = element.get("typeCode"), _parent_id(element)
        if kind not in ("RPLC", "XFRM"):
            yield element, "typeCode is neither RPLC nor XFRM"
        elif kind == "XFRM" and parent is None:
            yield element, "not exactly one parentDocument/id with a root"
        own = view.children("id")
        if own and parent is not None and _pair(own[0]) == _pair(parent):
            yield element, "the document names itself"
        version = view.children("versionNumber")
        if kind == "RPLC" and version and version[0].get("value") == "1":
            yield version[0], "a replacement cannot be version 1"


def _parent_id(related: etree._Element) -> etree._Element | None:
    parents = findall(related, "parentDocument")
    ids = findall(parents[0], "id") if len(parents) == 1 else []
    return ids[0] if len(ids) == 1 and ids[0].get("root") else None


def _pair(element: etree._Element) -> tuple[str, str]:
    return element.get("root") or "", element.get("extension") or ""


def _encounter(view: View) -> etree._Element | None:
    first = view.children("componentOf")[:1]
    return find(first[0], "encompassingEncounter") if first else None


@rule(
    "CDA_H35",
    "the encounter has one effectiveTime and one facility whose type is in JDV_J02",
    hint="give the stay and organization.facility_type from JDV_J02, e.g. SA01",
    held=True,
)
def _facility(view: View) -> Iterator[Problem]:
    encounter = _encounter(view)
    if encounter is None:
        yield "componentOf", "there is no encounter"
        return
    if len(findall(encounter, "effectiveTime")) != 1:
        yield encounter, "not exactly one effectiveTime"
    code = find(encounter, "location", "healthCareFacility", "code")
    if code is None or lookup("JDV_J02", code.get("code") or "") is None or not code.get("displayName"):
        yield encounter, "the facility's type is not in JDV_J02, or displayName is missing"


@rule(
    "CDA_H55",
    "the facility's type is of the code system of JDV_J02",
    hint="write the codeSystem of JDV_J02",
    kit_is_silent=True,
    held=True,
)
def _facility_system(view: View) -> Iterator[Problem]:
    code = find(_encounter(view), "location", "healthCareFacility", "code")
    if code is not None and lookup("JDV_J02", code.get("code") or "") is not None and not _in("JDV_J02", code):
        yield code, "the code system is not that of JDV_J02"


@rule(
    "CDA_H75",
    "the facility's category is in JDV_J368",
    hint="copy code, codeSystem and label of JDV_J368, e.g. 355",
    fr="La catégorie de l'établissement n'est pas dans la nomenclature nationale.",
    source="SMDS healthCareFacility; the table was read from a copy, hence a warning (terminology, JDV_J368)",
    severity=Severity.WARNING,
    kit_is_silent=True,
    held=lambda document: document.header.encounter.facility_category is None,
)
def _facility_category(view: View) -> Iterator[Problem]:
    code = find(_encounter(view), "location", "healthCareFacility", "code")
    for category in findall(code, "translation") if code is not None else ():
        if not _in("JDV_J368", category):
            yield category, "this code of this code system is not in JDV_J368"


def _disordered(interval: etree._Element | None) -> bool:
    """Whether low is not before high."""
    low, high = find(interval, "low"), find(interval, "high")
    if low is None or high is None:
        return False
    start, stop = _time(low.get("value") or ""), _time(high.get("value") or "")
    return bool(start and stop and start.value >= stop.value)


def _events(view: View) -> Iterator[etree._Element]:
    for documentation in view.children("documentationOf"):
        event = find(documentation, "serviceEvent")
        if event is not None:
            yield event


@rule(
    "CDA_H36",
    "low comes before high in the times of encounter, participants and performers",
    hint="give only low for what happens at one instant",
    fr="Une date de fin précède sa date de début, ou lui est égale.",
    held=True,
)
def _order(view: View) -> Iterator[Problem]:
    encounter = _encounter(view)
    intervals: list[etree._Element | None] = [find(encounter, "effectiveTime")]
    holders = [*view.children("participant"), *[p for e in _events(view) for p in findall(e, "performer")]]
    holders += findall(encounter, "encounterParticipant") if encounter is not None else []
    intervals += [find(h, "time") for h in holders]
    for interval in intervals:
        if interval is not None and _disordered(interval):
            yield interval, "low is not before high"


@rule(
    "CDA_H74",
    "an act whose times are given has its start",
    hint="give low, or no effectiveTime",
    fr="Un acte porte une date de fin sans date de début.",
    held=True,
)
def _act_start(view: View) -> Iterator[Problem]:
    for event in _events(view):
        interval = find(event, "effectiveTime")
        if interval is not None and interval.get("nullFlavor") is None and find(interval, "low") is None:
            yield interval, "low is missing"


@rule(
    "CDA_H54",
    "an act ends after it starts",
    hint="give only low for what happens at one instant",
    fr="La fin d'un acte précède son début, ou lui est égale.",
    kit_is_silent=True,
    held=True,
)
def _act_order(view: View) -> Iterator[Problem]:
    for event in _events(view):
        interval = find(event, "effectiveTime")
        if interval is not None and _disordered(interval):
            yield interval, "low is not before high"


@rule(
    "CDA_H37",
    "responsibleParty and encounterParticipant have exactly one national identifier",
    hint=f"give one id of root {PS_ROOT}",
    held=True,
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
    held=True,
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
    "an address is not empty, mixes no text with elements and gives each part once",
    hint="give the parts or the lines, or a nullFlavor",
    held=True,
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
            tags = [p.tag for p in parts if p.tag != f"{V3}streetAddressLine"]
            if len(set(tags)) < len(tags):
                yield element, "a part stands twice"


@rule(
    "CDA_H56",
    "an address is made of up to six lines, or of parts, never both",
    hint="give the parts or the lines",
    fr="Une adresse mélange des lignes et des éléments, ou a plus de six lignes.",
    kit_is_silent=True,
    held=True,
)
def _address_style(view: View) -> Iterator[Problem]:
    for element in view.all("addr"):
        tags = [p.tag for p in element.iterchildren(etree.Element)]
        lines = tags.count(f"{V3}streetAddressLine")
        if lines and len(tags) > lines:
            yield element, "address lines are mixed with parts"
        elif lines > 6:
            yield element, "more than six lines"


_TIME_TAGS = ("effectiveTime", "time", "birthTime", "low", "high", "center")
_TIME_PARENTS = frozenset(V3 + t for t in ("effectiveTime", "time", "useablePeriod"))


def _timed(view: View) -> Iterator[tuple[etree._Element, TimeStamp | None]]:
    """Every time stamp of the document, None when it names no real instant."""
    for tag in _TIME_TAGS:
        bound = tag in ("low", "high", "center")
        for element in view.all(tag):
            value = element.get("value")
            if value is None:
                continue
            parent = element.getparent()
            if not bound or (parent is not None and parent.tag in _TIME_PARENTS):
                yield element, _time(value)


@per_document
def _time_stamps(view: View) -> list[tuple[etree._Element, TimeStamp | None]]:
    return list(_timed(view))


@rule(
    "CDA_H44",
    "a time stamp is a real instant",
    hint="write 20260115103000+0100, 20260115 or 2026; cut what is not known",
    fr="Une date ou une heure est fausse.",
    held=True,
)
def _real_times(view: View) -> Iterator[Problem]:
    for element, ts in _time_stamps(view):
        if ts is None:
            yield element, "not a real time stamp"


@rule(
    "CDA_H41",
    "as soon as a time stamp has an hour it has its offset",
    hint="write 20260115103000+0100, 20260115 or 2026",
    fr="Une heure est sans fuseau horaire.",
    kit_is_silent=True,
    held=True,
)
def _offsets(view: View) -> Iterator[Problem]:
    for element, ts in _time_stamps(view):
        if ts is not None and ts.precision >= Precision.HOUR and not ts.has_offset:
            yield element, "the UTC offset is missing"


def _ids_are_oids(document: CdaDocument) -> bool:
    return all(is_oid(i.root) and not i.extension for i in (document.header.id, document.header.set_id))


@rule(
    "CDA_H42",
    "id and setId are OIDs of at most 64 characters; id has no extension (the DMP does not take one)",
    hint="draw document identifiers under the establishment's own arc",
    source="SMDS 3.5.5.4",
    kit_is_silent=True,
    held=_ids_are_oids,
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
    "a null element of the header stands alone: no other attribute, no content",
    hint="write the value or why it is missing, not both",
    held=True,
)
def _null_alone(view: View) -> Iterator[Problem]:
    for element in view.null_of_header:
        if len(element.attrib) > 1 or len(element):
            yield element, "a null element has other attributes or content"


@rule(
    "CDA_H57",
    "a nullFlavor of the header is UNK, NASK, ASKU, NAV or MSK (NA in a participant's time)",
    hint="say why the value is missing with one of these",
    source="SMDS 3.5.3.1; NA is in the official examples",
    kit_is_silent=True,
    held=True,
)
def _null_flavors(view: View) -> Iterator[Problem]:
    for element in view.null_of_header:
        allowed = _NULLS_SEEN if element.tag == f"{V3}time" else _NULLS
        if element.get("nullFlavor") not in allowed and element.tag != f"{V3}telecom":  # telecom: CDA_H38
            yield element, "this nullFlavor is not allowed here"


_NEVER_NULL = frozenset(
    {
        "recordTarget", "recordTarget/patientRole",  "recordTarget/patientRole/patient",
        "recordTarget/patientRole/patient/name", "recordTarget/patientRole/patient/name/family",
         "author", "author/assignedAuthor", "author/assignedAuthor/id",
        "custodian", "legalAuthenticator", "legalAuthenticator/assignedEntity", "legalAuthenticator/assignedEntity/id",
        "documentationOf", "documentationOf/serviceEvent", "relatedDocument/parentDocument",
        "relatedDocument/parentDocument/id", "componentOf", "componentOf/encompassingEncounter",
        "componentOf/encompassingEncounter/location", "componentOf/encompassingEncounter/location/healthCareFacility",
        "componentOf/encompassingEncounter/location/healthCareFacility/code",
    }
)  # fmt: skip
"""SMDS table 3, but for what `CDA_H05`, `CDA_H33` and `CDA_H68` say."""
_PRINCIPAL_NEVER_NULL = frozenset(
    {"documentationOf/serviceEvent/effectiveTime", "documentationOf/serviceEvent/performer"}
)  # fmt: skip


@rule(
    "CDA_H45",
    "people, acts, places and identifiers that the header demands are not null",
    hint="give the value: it may not be missing",
    fr="Une donnée obligatoire de l'en-tête est déclarée absente.",
    source="SMDS table 3",
    held=True,
)
def _forbidden_nulls(view: View) -> Iterator[Problem]:
    for element in view.null_of_header:
        steps = []
        node: etree._Element | None = element
        while node is not None and node is not view.root:
            steps.append(str(node.tag).rpartition("}")[2])
            node = node.getparent()
        path = "/".join(reversed(steps))
        principal = path in _PRINCIPAL_NEVER_NULL and element.getparent() is _principal(view)
        if path in _NEVER_NULL or principal:
            yield element, "nullFlavor is forbidden here"


@rule(
    "CDA_H68",
    "a patient's identifiers are not null, the names neither null nor empty",
    hint="give the value, or leave the element out",
    fr="Un identifiant, un nom ou un prénom du patient est vide ou déclaré absent.",
    source="SMDS table 3",
    kit_is_silent=True,
    held=_is_whole,
)
def _null_traits(view: View) -> Iterator[Problem]:
    for patient in _patients(view):
        for element, *_ in patient.ids:
            if element.get("nullFlavor") is not None:
                yield element, "nullFlavor is forbidden here"
        for element in patient.families:
            if not text_of(element) and element.get("nullFlavor") is None:  # null family: CDA_H45
                yield element, "the name is null or empty"
        for element in patient.givens:
            if not text_of(element):
                yield element, "the name is null or empty"


_ENTITIES = tuple(V3 + t for t in ("assignedAuthor", "assignedEntity", "associatedEntity", "intendedRecipient"))
_STRUCTURES = tuple(
    V3 + t
    for t in ("representedOrganization", "scopingOrganization", "receivedOrganization", "guardianOrganization",
              "representedCustodianOrganization")
)  # fmt: skip
_DISTINCT = tuple(V3 + t for t in ("id", "addr", "telecom", "translation"))
_PERSON_ID = re.compile(r"8[0-9]{11}|0[0-9][0-9AB][0-9]{7}|[^/]+/.+", re.ASCII)
_STRUCTURE_ID = re.compile(r"1[0-9A-Z]{9}|3[0-9]{14}|[024].+", re.ASCII)
_DP_STRUCTURE = "1.3.2"


class OfHeader:
    """The entities, the structures and the `_DISTINCT` elements of the header, whatever element they are in."""

    def __init__(self, root: etree._Element) -> None:
        self.entities: list[etree._Element] = []
        self.structures: list[etree._Element] = []
        self.distinct: list[etree._Element] = []
        lists = {
            **dict.fromkeys(_ENTITIES, self.entities),
            **dict.fromkeys(_STRUCTURES, self.structures),
            **dict.fromkeys(_DISTINCT, self.distinct),
        }
        body = f"{V3}component"
        for element in root.iter(*lists, body):
            if element.tag == body:
                break  # the header is before it: CDA_S01
            lists[str(element.tag)].append(element)


@per_document
def of_header(view: View) -> OfHeader:
    return OfHeader(view.root)


def _all_are_national(document: CdaDocument) -> bool:
    """Whether the first identifier of everyone in the header data, and any other of that root, is a national one."""
    for party in document.header.parties():
        for place, i in enumerate(party.ids):
            if i.root == PS_ROOT:
                if not _PERSON_ID.fullmatch(i.extension or ""):
                    return False
            elif place == 0:
                return False
    return True


@rule(
    "CDA_H50",
    "a professional is known by PS_IdNat (8 and RPPS, 0 and ADELI, or structure/internal id), the patient by the INS",
    hint=f"write root {PS_ROOT} and the extension of the professional's card",
    fr="L'identifiant d'un professionnel n'a pas la forme nationale.",
    source="SMDS PS_IdNat; annexe Sources des données personnes et structures (its other prefixes are unverified)",
    kit_is_silent=True,
    held=_all_are_national,
)
def _professional_ids(view: View) -> Iterator[Problem]:
    of_patient = {(root, extension) for patient in _patients(view) for _, root, extension in patient.ids}
    for entity in of_header(view).entities:
        for place, element in enumerate(findall(entity, "id")):
            root, extension = _pair(element)
            if root == PS_ROOT:
                if not _PERSON_ID.fullmatch(extension):
                    yield element, "the extension is not that of a national identifier"
            elif (
                place == 0
                and root not in _INS_ROOTS
                and (root, extension) not in of_patient
                and find(entity, "assignedPerson") is not None
            ):
                yield element, f"the root is neither {PS_ROOT} nor the patient's"


@rule(
    "CDA_H52",
    "a structure is known by Struct_IdNat (1 and FINESS, 3 and SIRET …)",
    hint=f"write root {STRUCTURE_ROOT} and 1 with the FINESS or 3 with the SIRET",
    fr="L'identifiant d'une structure n'a pas la forme nationale.",
    source="SMDS Struct_IdNat; annexe Sources des données personnes et structures (prefixes 0, 2, 4 are unverified)",
    kit_is_silent=True,
    held=True,
)
def _structure_ids(view: View) -> Iterator[Problem]:
    for structure in of_header(view).structures:
        for place, element in enumerate(findall(structure, "id")):
            root, extension = _pair(element)
            if root == STRUCTURE_ROOT:
                if not _STRUCTURE_ID.fullmatch(extension):
                    yield element, "the extension is not that of a national identifier"
            elif (
                place == 0
                and root != _DP_STRUCTURE
                and element.get("nullFlavor") is None
                and structure.tag != f"{V3}representedCustodianOrganization"  # CDA_H26
            ):
                yield element, f"the root is not {STRUCTURE_ROOT}"


@rule(
    "CDA_H58",
    "displayName is the official label of the code",
    hint="copy the label of the value set",
    fr="Un libellé n'est pas celui de la nomenclature nationale.",
    severity=Severity.WARNING,
    kit_is_silent=True,
    held=True,
)
def _labels(view: View) -> Iterator[Problem]:
    coded = [("JDV_J07", c) for c in view.children("code")]
    coded += [("JDV_J01", c) for e in of_header(view).entities if (c := find(e, "code")) is not None]
    for structure in of_header(view).structures:
        coded += [("JDV_J04", c) for c in findall(structure, "standardIndustryClassCode")]
    facility = find(_encounter(view), "location", "healthCareFacility", "code")
    coded += [("JDV_J02", facility)] if facility is not None else []
    for value_set, element in coded:
        known = lookup(value_set, element.get("code") or "", element.get("codeSystem") or "")
        said = element.get("displayName") or ""
        if known is not None and said and said.split() != known.display.split():
            yield element, f"the label differs from that of {value_set}"


def _authors_are_professionals(document: CdaDocument) -> bool:
    return all(a.ids and a.ids[0].root == PS_ROOT and not a.device_software for a in document.header.authors)


@rule(
    "CDA_H60",
    "the patient writes without code nor structure; a device has a code and, but for an SNR, a structure",
    hint="complete the author, or take out what does not belong",
    source="SMDS author: professional, patient, system",
    kit_is_silent=True,
    held=_authors_are_professionals,
)
def _other_authors(view: View) -> Iterator[Problem]:
    for author in view.children("author"):
        entity = find(author, "assignedAuthor")
        first = find(entity, "id")
        if entity is None or first is None:
            continue
        code, device = find(entity, "code"), find(entity, "assignedAuthoringDevice")
        has_structure = find(entity, "representedOrganization") is not None
        if first.get("root") in _INS_ROOTS:
            if code is not None or has_structure:
                yield entity, "the patient has a code or a structure"
        elif device is not None:
            if code is None:
                yield entity, "the device has no code"
            elif code.get("code") != "SNR" and not has_structure:
                yield entity, "the device has no structure"


_RELATIONS = frozenset({"ECON", "NOK", "CON", "CAREGIVER", "PAT"})


@rule(
    "CDA_H61",
    "an informant is one professional, the patient, or someone related (ECON NOK CON CAREGIVER PAT) with a family name",
    hint="complete the informant",
    held=True,
)
def _informant(view: View) -> Iterator[Problem]:
    for informant in view.children("informant"):
        related = find(informant, "relatedEntity")
        if (related is None) == (find(informant, "assignedEntity") is None):
            yield informant, "not exactly one assignedEntity or relatedEntity"
        if related is None:
            continue
        if related.get("classCode") not in _RELATIONS:
            yield related, "classCode is not one of ECON NOK CON CAREGIVER PAT"
        if not text_of(find(related, "relatedPerson", "name", "family")):
            yield related, "relatedPerson/name/family is missing"
        code = find(related, "code")
        if code is not None and code.get("nullFlavor") is None and not _in("JDV_J11", code):
            yield code, "the code is not in JDV_J11"


@rule(
    "CDA_H62",
    "encounterParticipant is of a type of JDV_J140",
    hint="write ADM, ATND, CON, DIS, REF or RESP",
    held=True,
)
def _encounter_participant(view: View) -> Iterator[Problem]:
    encounter = _encounter(view)
    for element in findall(encounter, "encounterParticipant") if encounter is not None else ():
        if lookup("JDV_J140", element.get("typeCode") or "") is None:
            yield element, "typeCode is not in JDV_J140"


@rule(
    "CDA_H63",
    "dischargeDispositionCode is of the code system 1.2.250.1.213.2.14",
    hint="write that codeSystem",
    held=True,
)
def _disposition(view: View) -> Iterator[Problem]:
    code = find(_encounter(view), "dischargeDispositionCode")
    if code is not None and code.get("nullFlavor") is None and code.get("codeSystem") != "1.2.250.1.213.2.14":
        yield code, "the code system is another"


@rule(
    "CDA_H64",
    "an authorization is a given consent: CONS, EVN, one code, completed",
    hint="complete the consent",
    held=True,
)
def _consent(view: View) -> Iterator[Problem]:
    for authorization in view.children("authorization"):
        consent = find(authorization, "consent")
        if consent is None or consent.get("classCode") not in (None, "CONS") or find(consent, "code") is None:
            yield authorization, "not a consent with a code"
            continue
        status = find(consent, "statusCode")
        if status is None or status.get("code") != "completed":
            yield consent, "statusCode is not completed"


@rule(
    "CDA_H65",
    "race, ethnic group and religion are never said of a patient",
    hint="take them out: French law forbids them",
    fr="L'origine ethnique et la religion ne doivent jamais figurer dans un document.",
    kit_is_silent=True,
    held=True,
)
def _forbidden_data(view: View) -> Iterator[Problem]:
    for patient in _patients(view):
        for name in ("raceCode", "ethnicGroupCode", "religiousAffiliationCode"):
            found = find(patient.person, name)
            if found is not None:
                yield found, "this datum is forbidden in France"


@rule(
    "CDA_H66",
    "a guardian is one person with a family name, or one structure with an identifier and a name",
    hint="complete the legal representative",
    fr="Le représentant légal du patient est incomplet.",
    held=True,
)
def _guardian(view: View) -> Iterator[Problem]:
    for patient in _patients(view):
        for guardian in findall(patient.person, "guardian") if patient.person is not None else ():
            person, structure = find(guardian, "guardianPerson"), find(guardian, "guardianOrganization")
            if (person is None) == (structure is None):
                yield guardian, "not exactly one person or structure"
            elif person is not None and not text_of(find(person, "name", "family")):
                yield guardian, "the family name is missing"
            elif structure is not None and any(find(structure, part) is not None for part in ("telecom", "addr")):
                yield structure, "its address and telecoms are the guardian's"


@rule(
    "CDA_H59",
    "an INS of the test or demonstration sets is not under the roots of real ones",
    hint="write the root of the INSi answer",
    fr="Un matricule de test porte l'OID d'un INS réel.",
    source="ANS test identities; only the numbers published in the official examples are known here",
    kit_is_silent=True,
    held=_numbers_are_right,
)
def _test_numbers(view: View) -> Iterator[Problem]:
    for patient in _patients(view):
        for element, root, extension in patient.matricules:
            if extension in _TEST_NUMBERS and not InsOid(root).is_test:
                yield element, "a published test number"
