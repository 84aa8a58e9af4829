"""ebRIM 3.0 encoding of XDS metadata: one table of UUIDs, a strict writer with two profiles, a lenient reader."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lxml import etree

from .._core.errors import MetadataError
from .._core.xml import escape_attribute, escape_text, parse
from ..model import Code
from .metadata import Association, Author, DocumentEntry, Folder, Submission, SubmissionSet

RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
LCM = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
STABLE_DOCUMENT = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
APPROVED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
SUBMISSION_SET_NODE = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
FOLDER_NODE = "urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2"
ASSOCIATION_OBJECT = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association"
LONG_NAME_MAX = 256
"""rim.xsd LongName: longest Slot value, code and ExternalIdentifier value."""

SCHEMES = {
    "SubmissionSet.author": "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d",
    "SubmissionSet.contentTypeCode": "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500",
    "SubmissionSet.patientId": "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446",
    "SubmissionSet.sourceId": "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832",
    "SubmissionSet.uniqueId": "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8",
    "DocumentEntry.author": "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d",
    "DocumentEntry.classCode": "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a",
    "DocumentEntry.typeCode": "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983",
    "DocumentEntry.confidentialityCode": "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f",
    "DocumentEntry.formatCode": "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d",
    "DocumentEntry.healthcareFacilityTypeCode": "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1",
    "DocumentEntry.practiceSettingCode": "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead",
    "DocumentEntry.eventCodeList": "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4",
    "DocumentEntry.patientId": "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427",
    "DocumentEntry.uniqueId": "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab",
    "Folder.codeList": "urn:uuid:1ba97051-7806-41a8-a48b-8fce7af683c5",
    "Folder.patientId": "urn:uuid:f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a",
    "Folder.uniqueId": "urn:uuid:75df8f67-9973-4fbe-a900-df66cefecc5a",
}
"""Every classification and external identifier scheme (IHE ITI volume 3 §4.2.5)."""

REFERENCE_IDS = "urn:ihe:iti:xds:2013:referenceIdList"
ACTION = "urn:action:extraMetadataSlot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Where the French uses of ebRIM differ.

    upper_hash: case of the SHA-1; uri / action: Slots of an archive; status: objects are written Approved;
    uuid_parts: ids of classifications and identifiers are `urn:uuid:` instead of `cla1`, `ei1`; empty_description:
    an absent comment is written as an empty Description; reference_ids: the slot of that name is written;
    object_types: associations name their own type, as the messages of ITI-57 do.
    """

    name: str
    upper_hash: bool
    uri: bool
    action: bool
    status: bool
    uuid_parts: bool
    empty_description: bool
    reference_ids: bool
    object_types: bool = False


DMP = Profile(
    name="DMP", upper_hash=False, uri=False, action=False, status=False, uuid_parts=False, empty_description=False,
    reference_ids=True,
)  # fmt: skip
"""ITI-41 to the DMP: symbolic ids; the registry sets the status."""
DMP_UPDATE = Profile(
    name="DMP_UPDATE", upper_hash=False, uri=False, action=False, status=False, uuid_parts=False,
    empty_description=False, reference_ids=True, object_types=True,
)  # fmt: skip
"""ITI-57 to the DMP."""
XDM = Profile(
    name="XDM", upper_hash=True, uri=True, action=True, status=True, uuid_parts=True, empty_description=True,
    reference_ids=False,
)  # fmt: skip
"""METADATA.XML of an IHE_XDM.ZIP, as the official archives are written (none of them holds a referenceIdList)."""


class _Ids:
    """Ids of the parts of one message: unique, and the same for the same message."""

    def __init__(self, seed: str | None = None, *, classes: int = 0) -> None:
        """seed: of UUIDs; without one ids are symbolic. classes: how many classifications there are already."""
        self._seed = seed
        self.classes = classes
        self._identifiers = 0

    @property
    def are_symbolic(self) -> bool:
        return self._seed is None

    def next_class(self) -> str:
        self.classes += 1
        return self._named(f"cla{self.classes}")

    def next_identifier(self) -> str:
        self._identifiers += 1
        return self._named(f"ei{self._identifiers}")

    def _named(self, name: str) -> str:
        return name if self.are_symbolic else f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, f'{self._seed}/{name}')}"


def _checked(value: str, name: str) -> str:
    if len(value) > LONG_NAME_MAX:
        raise MetadataError(
            f"the value has {len(value)} characters, at most {LONG_NAME_MAX} can be written", code="XDS_TOO_LONG",
            path=name, rule="rim.xsd LongName", hint="shorten the name of the person, structure or label it holds",
        )  # fmt: skip
    return value


@lru_cache(maxsize=256)
def _slot_start(name: str) -> str:
    return f'<rim:Slot name="{escape_attribute(name)}"><rim:ValueList>'


def _one_value(name: str, value: str) -> str:
    if len(value) > LONG_NAME_MAX:
        _checked(value, name)
    return f"{_slot_start(name)}<rim:Value>{escape_text(value)}</rim:Value></rim:ValueList></rim:Slot>"


def _slot(name: str, values: Iterable[str]) -> str:
    inner = "".join([f"<rim:Value>{escape_text(_checked(value, name))}</rim:Value>" for value in values])
    return f"{_slot_start(name)}{inner}</rim:ValueList></rim:Slot>"


def _label(tag: str, text: str) -> str:
    return (
        f'<rim:{tag}><rim:LocalizedString xml:lang="FR" charset="UTF8" value="{escape_attribute(text)}"/></rim:{tag}>'
    )


def _classes(write: Callable[..., str], ids: _Ids, *given: Any) -> str:
    """What `write` gives for an object's authors and codes: those of one kind of document, by one professional, are
    the same in message after message but for their UUIDs, where they have some."""
    if not ids.are_symbolic:
        return write(ids, *given)
    text, ids.classes = _kept_classes(write, ids.classes, *given)
    return text


@lru_cache(maxsize=512)
def _kept_classes(write: Callable[..., str], before: int, *given: Any) -> tuple[str, int]:
    ids = _Ids(classes=before)
    return write(ids, *given), ids.classes


def _class(scheme: str, code: Code | None, of: str, ids: _Ids) -> str:
    if code is None:
        return ""
    return (
        f'<rim:Classification id="{ids.next_class()}" classificationScheme="{SCHEMES[scheme]}" classifiedObject="{of}"'
        f"{_coded(scheme, code.code, code.system, code.display)}</rim:Classification>"
    )


@lru_cache(maxsize=2048)
def _coded(scheme: str, code: str, system: str, label: str) -> str:
    """The part of a coded Classification that is the same in every message. Value sets only: no personal data."""
    return (
        f' nodeRepresentation="{escape_attribute(_checked(code, scheme))}">'
        f"{_slot('codingScheme', (system,))}{_label('Name', label)}"
    )


@lru_cache(maxsize=512)
def _author_slots(author: Author) -> str:
    """The same professional writes many documents."""
    slots = [_slot("authorPerson", (author.person,))]
    if author.roles:
        slots.append(_slot("authorRole", author.roles))
    if author.specialties:
        slots.append(_slot("authorSpecialty", author.specialties))
    if author.institution:
        slots.append(_slot("authorInstitution", (author.institution,)))
    return "".join(slots)


def _author(scheme: str, author: Author, of: str, ids: _Ids) -> str:
    return (
        f'<rim:Classification id="{ids.next_class()}" classificationScheme="{SCHEMES[scheme]}" classifiedObject="{of}"'
        f' nodeRepresentation="">{_author_slots(author)}</rim:Classification>'
    )


def _identifier(scheme: str, value: str, of: str, ids: _Ids) -> str:
    return (
        f'<rim:ExternalIdentifier id="{ids.next_identifier()}" identificationScheme="{SCHEMES[scheme]}"'
        f' registryObject="{of}" value="{escape_attribute(_checked(value, scheme))}">'
        f"{_IDENTIFIER_LABELS[scheme]}</rim:ExternalIdentifier>"
    )


_IDENTIFIER_LABELS = {scheme: _label("Name", f"XDS{scheme}") for scheme in SCHEMES}


def _description(text: str, profile: Profile) -> str:
    return _label("Description", text) if text or profile.empty_description else ""


def _set(s: SubmissionSet, profile: Profile, ids: _Ids) -> str:
    of = escape_attribute(s.id)
    parts = [f'<rim:RegistryPackage id="{of}"', f' status="{APPROVED}">' if profile.status else ">"]
    parts.append(_one_value("submissionTime", s.submission_time))
    if s.intended_recipients:
        parts.append(_slot("intendedRecipient", s.intended_recipients))
    if s.title:
        parts.append(_label("Name", s.title))
    parts.append(_description(s.comments, profile))
    parts.append(_classes(_set_classes, ids, of, s.author, s.content_type))
    parts.append(_identifier("SubmissionSet.patientId", s.patient_id, of, ids))
    parts.append(_identifier("SubmissionSet.sourceId", s.source_id, of, ids))
    parts.append(_identifier("SubmissionSet.uniqueId", s.unique_id, of, ids))
    parts.append("</rim:RegistryPackage>")
    return "".join(parts)


def _set_classes(ids: _Ids, of: str, author: Author | None, content_type: Code | None) -> str:
    return (
        f"{_author('SubmissionSet.author', author, of, ids) if author is not None else ''}"
        f"{_class('SubmissionSet.contentTypeCode', content_type, of, ids)}"
        f'<rim:Classification id="{ids.next_class()}" classificationNode="{SUBMISSION_SET_NODE}"'
        f' classifiedObject="{of}" nodeRepresentation=""/>'
    )


def _entry_slots(e: DocumentEntry, profile: Profile) -> list[str]:
    slots = [
        _one_value(name, value)
        for name, value in (
            (ACTION, e.action if profile.action else ""),
            ("hash", e.hash.upper() if profile.upper_hash else e.hash.lower()),
            ("size", "" if e.size is None else str(e.size)),
            ("URI", e.uri if profile.uri else ""),
            ("creationTime", e.creation_time),
            ("languageCode", e.language),
            ("legalAuthenticator", e.legal_authenticator),
            ("serviceStartTime", e.service_start),
            ("serviceStopTime", e.service_stop),
            ("sourcePatientId", e.source_patient_id),
        )
        if value
    ]
    if e.source_patient_info:
        slots.append(_slot("sourcePatientInfo", e.source_patient_info))
    if profile.reference_ids and e.reference_ids:
        slots.append(_slot(REFERENCE_IDS, e.reference_ids))
    return slots


def _entry(e: DocumentEntry, profile: Profile, ids: _Ids) -> str:
    of = escape_attribute(e.id)
    parts = [
        f'<rim:ExtrinsicObject id="{of}" mimeType="{escape_attribute(e.mime_type)}" objectType="{STABLE_DOCUMENT}"',
        f' status="{APPROVED}">' if profile.status else ">",
    ]
    parts += _entry_slots(e, profile)
    if e.title:
        parts.append(_label("Name", e.title))
    parts.append(_description(e.comments, profile))
    parts.append(
        _classes(
            _entry_classes, ids, of, e.authors, e.class_code, e.type_code, e.confidentiality, e.format_code,
            e.facility_type, e.practice_setting, e.event_codes,
        )
    )  # fmt: skip
    parts.append(_identifier("DocumentEntry.patientId", e.patient_id, of, ids))
    parts.append(_identifier("DocumentEntry.uniqueId", e.unique_id, of, ids))
    parts.append("</rim:ExtrinsicObject>")
    return "".join(parts)


def _entry_classes(
    ids: _Ids, of: str, authors: tuple[Author, ...], class_code: Code | None, type_code: Code | None,
    confidentiality: tuple[Code, ...], format_code: Code | None, facility_type: Code | None,
    practice_setting: Code | None, event_codes: tuple[Code, ...],
) -> str:  # fmt: skip
    codes = (
        ("classCode", class_code),
        ("typeCode", type_code),
        *(("confidentialityCode", code) for code in confidentiality),
        ("formatCode", format_code),
        ("healthcareFacilityTypeCode", facility_type),
        ("practiceSettingCode", practice_setting),
        *(("eventCodeList", code) for code in event_codes),
    )
    written = [_author("DocumentEntry.author", author, of, ids) for author in authors]
    return "".join(written + [_class(f"DocumentEntry.{name}", code, of, ids) for name, code in codes])


def _folder(f: Folder, profile: Profile, ids: _Ids) -> str:
    of = escape_attribute(f.id)
    return "".join([
        f'<rim:RegistryPackage id="{of}"', f' status="{APPROVED}">' if profile.status else ">",
        _label("Name", f.title) if f.title else "",
        _description(f.comments, profile),
        *(_class("Folder.codeList", code, of, ids) for code in f.codes),
        f'<rim:Classification id="{ids.next_class()}" classificationNode="{FOLDER_NODE}" classifiedObject="{of}"'
        ' nodeRepresentation=""/>',
        _identifier("Folder.patientId", f.patient_id, of, ids),
        _identifier("Folder.uniqueId", f.unique_id, of, ids),
        "</rim:RegistryPackage>",
    ])  # fmt: skip


def association(a: Association, profile: Profile = DMP) -> str:
    """One Association element (prefix `rim`)."""
    return _association(a, profile.object_types)


@lru_cache(maxsize=64)
def _association(a: Association, object_types: bool) -> str:
    """The memberships of a set of one document are always the same."""
    object_type = f' objectType="{ASSOCIATION_OBJECT}"' if object_types else ""
    return (
        f'<rim:Association id="{escape_attribute(a.id)}"{object_type} associationType="{escape_attribute(a.type)}"'
        f' sourceObject="{escape_attribute(a.source)}" targetObject="{escape_attribute(a.target)}">'
        f"{''.join([_slot(name, values) for name, values in a.slots])}</rim:Association>"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """New metadata of a document that a registry holds: its ExtrinsicObject as the registry answered it, with another
    confidentiality. id: symbolic, for the new version. Nothing else changes: what this library does not know of the
    entry goes back as it came."""

    element: etree._Element
    id: str
    confidentiality: tuple[Code, ...]


_SET_BY_REGISTRY = ("status", "home")


def _new_version(v: NewVersion, ids: _Ids) -> str:
    entry = copy.deepcopy(v.element)
    entry.set("id", v.id)
    for name in _SET_BY_REGISTRY:
        entry.attrib.pop(name, None)
    classes = "".join(
        [_class("DocumentEntry.confidentialityCode", c, escape_attribute(v.id), ids) for c in v.confidentiality]
    )
    codes = parse(f'<rim:x xmlns:rim="{RIM}">{classes}</rim:x>'.encode())
    parts: list[etree._Element] = []
    place = None
    for child in list(entry):
        kind = _local(child)
        if kind == "VersionInfo":
            entry.remove(child)
        elif kind == "ExternalIdentifier":
            place = child if place is None else place
            parts.append(child)
        elif kind == "Classification":
            if _urn(child.get("classificationScheme")) == SCHEMES["DocumentEntry.confidentialityCode"]:
                entry.remove(child)
            else:
                parts.append(child)
    where = len(entry) if place is None else entry.index(place)
    entry[where:where] = list(codes)
    for part in parts:
        is_class = _local(part) == "Classification"
        part.set("id", ids.next_class() if is_class else ids.next_identifier())
        part.set("classifiedObject" if is_class else "registryObject", v.id)
        part.attrib.pop("lid", None)
    etree.cleanup_namespaces(entry, keep_ns_prefixes=["xsi", "xs", "xsd"])
    return etree.tostring(entry, encoding="unicode", with_tail=False)


def encode(submission: Submission, profile: Profile, new_versions: Sequence[NewVersion] = ()) -> str:
    """The lcm:SubmitObjectsRequest element, self-contained, without XML declaration.

    new_versions: of documents that the registry holds (ITI-57), each named by an association of the submission.
    Raises MetadataError `XDS_TOO_LONG` for a value the schema cannot hold, `XDS_NO_SET` without a submission set.
    """
    s = submission.submission_set
    if s is None:
        raise MetadataError("a submission needs a submission set", code="XDS_NO_SET", path="submission_set",
                            rule="IHE ITI-41: exactly one RegistryPackage", hint="give submission_set")  # fmt: skip
    ids = _Ids(s.id if profile.uuid_parts else None)
    parts = [
        f'<lcm:SubmitObjectsRequest xmlns:lcm="{LCM}" xmlns:rim="{RIM}"><rim:RegistryObjectList>',
        _set(s, profile, ids),
    ]
    parts += [_entry(entry, profile, ids) for entry in submission.entries]
    parts += [_new_version(version, ids) for version in new_versions]
    parts += [_folder(folder, profile, ids) for folder in submission.folders]
    parts += [association(a, profile) for a in submission.associations]
    parts.append("</rim:RegistryObjectList></lcm:SubmitObjectsRequest>")
    return "".join(parts)


def _local(element: etree._Element) -> str:
    tag = element.tag
    return tag.rsplit("}", 1)[-1] if isinstance(tag, str) else ""


@dataclass(slots=True)
class _Object:
    """One registry object, taken apart by name and scheme: prefixes and order do not matter."""

    element: etree._Element
    slots: dict[str, tuple[str, ...]]
    labels: dict[str, str]
    version: str
    classes: dict[str, list[etree._Element]]
    nodes: set[str]
    identifiers: dict[str, str]

    def attribute(self, name: str) -> str:
        return (self.element.get(name) or "").strip()

    def first(self, slot: str) -> str:
        """Of a Slot of one identifier, code or time: the blanks that registries leave around it are dropped."""
        values = self.slots.get(slot, ())
        return values[0].strip() if values else ""

    def code(self, scheme: str) -> Code | None:
        codes = self.codes(scheme)
        return codes[0] if codes else None

    def codes(self, scheme: str) -> tuple[Code, ...]:
        return tuple(filter(None, map(_read_code, self.classes.get(SCHEMES[scheme], ()))))

    def authors(self, scheme: str) -> tuple[Author, ...]:
        return tuple(map(_read_author, self.classes.get(SCHEMES[scheme], ())))


def _slots(element: etree._Element) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for child in element:
        if _local(child) == "Slot":
            values = tuple(v.text or "" for v in child.iter("{*}Value"))
            name = (child.get("name") or "").strip()
            found[name] = found.get(name, ()) + values
    return found


def _urn(value: str | None) -> str:
    """A scheme; blanks inside it (seen where a message was wrapped by hand) are dropped."""
    return "".join((value or "").split())


def _text(element: etree._Element) -> str:
    string = next(element.iter("{*}LocalizedString"), None)
    return "" if string is None else string.get("value") or ""


def _read_code(element: etree._Element) -> Code | None:
    code = (element.get("nodeRepresentation") or "").strip()
    if not code:
        return None
    schemes = _slots(element).get("codingScheme", ())
    label = next((_text(child) for child in element if _local(child) == "Name"), "")
    # Not validated: received metadata may lack the scheme, which is for a check to say, not for the reader to refuse.
    return Code.model_construct(code=code, system=schemes[0].strip() if schemes else "", display=label, system_name="")


def _read_author(element: etree._Element) -> Author:
    slots = _slots(element)
    person, institution = slots.get("authorPerson", ()), slots.get("authorInstitution", ())
    return Author(
        person=person[0] if person else "",
        institution=institution[0] if institution else "",
        roles=slots.get("authorRole", ()),
        specialties=slots.get("authorSpecialty", ()),
    )


def _object(element: etree._Element) -> _Object:
    found = _Object(element, _slots(element), {}, "", {}, set(), {})
    for child in element:
        kind = _local(child)
        if kind in ("Name", "Description"):
            found.labels[kind] = _text(child)
        elif kind == "VersionInfo":
            found.version = (child.get("versionName") or "").strip()
        elif kind == "Classification":
            if child.get("classificationNode"):
                found.nodes.add((child.get("classificationNode") or "").strip())
            else:
                found.classes.setdefault(_urn(child.get("classificationScheme")), []).append(child)
        elif kind == "ExternalIdentifier":
            found.identifiers[_urn(child.get("identificationScheme"))] = (child.get("value") or "").strip()
    return found


def _read_set(o: _Object) -> SubmissionSet:
    authors = o.authors("SubmissionSet.author")
    return SubmissionSet(
        id=o.attribute("id"),
        unique_id=o.identifiers.get(SCHEMES["SubmissionSet.uniqueId"], ""),
        source_id=o.identifiers.get(SCHEMES["SubmissionSet.sourceId"], ""),
        patient_id=o.identifiers.get(SCHEMES["SubmissionSet.patientId"], ""),
        submission_time=o.first("submissionTime"),
        author=authors[0] if authors else None,
        content_type=o.code("SubmissionSet.contentTypeCode"),
        title=o.labels.get("Name", ""),
        comments=o.labels.get("Description", ""),
        intended_recipients=o.slots.get("intendedRecipient", ()),
        status=o.attribute("status"),
    )


def _read_folder(o: _Object) -> Folder:
    return Folder(
        id=o.attribute("id"),
        unique_id=o.identifiers.get(SCHEMES["Folder.uniqueId"], ""),
        patient_id=o.identifiers.get(SCHEMES["Folder.patientId"], ""),
        codes=o.codes("Folder.codeList"),
        title=o.labels.get("Name", ""),
        comments=o.labels.get("Description", ""),
        last_update=o.first("lastUpdateTime"),
        logical_id=o.attribute("lid"),
        version=o.version,
        status=o.attribute("status"),
    )


def _read_entry(o: _Object) -> DocumentEntry:
    size = o.first("size")
    return DocumentEntry(
        id=o.attribute("id"),
        mime_type=o.attribute("mimeType"),
        unique_id=o.identifiers.get(SCHEMES["DocumentEntry.uniqueId"], ""),
        patient_id=o.identifiers.get(SCHEMES["DocumentEntry.patientId"], ""),
        type_code=o.code("DocumentEntry.typeCode"),
        class_code=o.code("DocumentEntry.classCode"),
        format_code=o.code("DocumentEntry.formatCode"),
        facility_type=o.code("DocumentEntry.healthcareFacilityTypeCode"),
        practice_setting=o.code("DocumentEntry.practiceSettingCode"),
        confidentiality=o.codes("DocumentEntry.confidentialityCode"),
        event_codes=o.codes("DocumentEntry.eventCodeList"),
        authors=o.authors("DocumentEntry.author"),
        legal_authenticator=o.first("legalAuthenticator"),
        title=o.labels.get("Name", ""),
        comments=o.labels.get("Description", ""),
        creation_time=o.first("creationTime"),
        service_start=o.first("serviceStartTime"),
        service_stop=o.first("serviceStopTime"),
        language=o.first("languageCode"),
        source_patient_id=o.first("sourcePatientId"),
        source_patient_info=o.slots.get("sourcePatientInfo", ()),
        reference_ids=o.slots.get(REFERENCE_IDS, ()),
        hash=o.first("hash").lower(),
        size=int(size) if size.isascii() and size.isdigit() and len(size) < 20 else None,
        uri=o.first("URI"),
        action=o.first(ACTION),
        logical_id=o.attribute("lid"),
        version=o.version,
        status=o.attribute("status"),
        repository_unique_id=o.first("repositoryUniqueId"),
    )


def _read_association(element: etree._Element) -> Association:
    o = _object(element)
    return Association(
        id=o.attribute("id"),
        type=o.attribute("associationType"),
        source=o.attribute("sourceObject"),
        target=o.attribute("targetObject"),
        slots=tuple(o.slots.items()),
    )


def decode(xml: bytes) -> Submission:
    """Read metadata from a document that holds a RegistryObjectList at any depth: METADATA.XML, an ITI-41 request, a
    query answer. Prefixes, order of objects and of their parts do not matter; what is absent comes back empty.

    Raises XmlSecurityError for XML that must be refused, MetadataError `XDS_OLD_EBXML` for XDS.a (ebRIM 2.1),
    `XDS_NO_METADATA` when there is no registry object list.
    """
    return decode_element(parse(xml.strip()))


def entries_of(root: etree._Element) -> list[tuple[etree._Element, DocumentEntry]]:
    """The ExtrinsicObjects below an element, each with what is read of it."""
    return [(element, _read_entry(_object(element))) for element in root.iter(f"{{{RIM}}}ExtrinsicObject")]


def decode_element(root: etree._Element) -> Submission:
    """As `decode`, from a parsed element."""
    lists = list(root.iter(f"{{{RIM}}}RegistryObjectList"))
    if not lists:
        if any("xsd:2.1" in str(e.tag) for e in root.iter()):
            raise MetadataError("ebXML 2.1 metadata (XDS.a) is not read", code="XDS_OLD_EBXML",
                                rule="XDS.b: ebRIM 3.0", hint="ask the sender for XDS.b metadata")  # fmt: skip
        raise MetadataError("no RegistryObjectList", code="XDS_NO_METADATA", rule="ebRIM 3.0 metadata",
                            hint="check that the file is METADATA.XML or a registry message")  # fmt: skip
    sets: list[SubmissionSet] = []
    folders: list[Folder] = []
    entries: list[DocumentEntry] = []
    associations: list[Association] = []
    refs: list[str] = []
    packages: list[_Object] = []
    loose_nodes: dict[str, set[str]] = {}
    for element in (child for each in lists for child in each):
        match _local(element):
            case "RegistryPackage":
                packages.append(_object(element))
            case "ExtrinsicObject":
                entries.append(_read_entry(_object(element)))
            case "Association":
                associations.append(_read_association(element))
            case "ObjectRef":
                refs.append((element.get("id") or "").strip())
            case "Classification":  # IHE also allows the class marker beside the package
                of = (element.get("classifiedObject") or "").strip()
                loose_nodes.setdefault(of, set()).add((element.get("classificationNode") or "").strip())
    for package in packages:
        nodes = package.nodes | loose_nodes.get(package.attribute("id"), set())
        if SUBMISSION_SET_NODE in nodes:
            sets.append(_read_set(package))
        elif FOLDER_NODE in nodes:
            folders.append(_read_folder(package))
    return Submission(
        submission_set=sets[0] if sets else None,
        entries=tuple(entries),
        associations=tuple(associations),
        object_refs=tuple(refs),
        other_sets=tuple(sets[1:]),
        folders=tuple(folders),
    )
