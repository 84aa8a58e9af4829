"""ITI-18 of the fake DMP (TD3.1 and DMP_3.1b): stored queries read from the XML, answers written as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lxml import etree

from .._core.xml import escape_attribute, escape_text, parse
from . import dmp_answers as answers
from . import dmp_rights as rights
from . import dmp_rules as rules
from .dmp_rules import Caller, Object, Refused, need
from .dmp_store import STATUS_URNS, DmpStore, StoredAssociation, StoredDocument, StoredSet

REPOSITORY_ID: Final = "1.2.250.1.213.4.1.1.1.2"
"""The repository of the test environments, as their answers name it."""
FIND_DOCUMENTS: Final = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
FIND_SETS: Final = "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9"
GET_DOCUMENTS: Final = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
GET_ASSOCIATIONS: Final = "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155"
GET_DOCUMENTS_AND_ASSOCIATIONS: Final = "urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a"
_RIM = rules.RIM
_ASSOCIATION_TYPE = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association"
_PACKAGE_TYPE = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:RegistryPackage"
_LIST = re.compile(r"\s*\(\s*(.*?)\s*\)\s*", re.DOTALL)
_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_ITEMS = re.compile(r"'(?:[^']|'')*'(?:\s*,\s*'(?:[^']|'')*')*")
_START_OF_TIME = "00000101000000"


@dataclass(frozen=True, slots=True)
class _Parameter:
    """kind: `patient`, `text`, `time`; many: written as a list; repeated: several Slots, of which all must hold."""

    kind: str = "text"
    many: bool = True
    repeated: bool = False


_ONE, _MANY, _AND, _AT = _Parameter(many=False), _Parameter(), _Parameter(repeated=True), _Parameter("time", many=False)
_PATIENT = _Parameter("patient", many=False)
_DOC = "$XDSDocumentEntry"
_SET = "$XDSSubmissionSet"
_PARAMETERS: Final[dict[str, dict[str, _Parameter]]] = {
    FIND_DOCUMENTS: {
        f"{_DOC}PatientId": _PATIENT,
        f"{_DOC}Status": _MANY,
        f"{_DOC}Type": _MANY,
        **{
            f"{_DOC}{name}": _MANY
            for name in ("ClassCode", "TypeCode", "PracticeSettingCode", "HealthcareFacilityTypeCode", "FormatCode")
        },
        **{f"{_DOC}{name}": _AND for name in ("EventCodeList", "ConfidentialityCode", "ReferenceIdList")},
        f"{_DOC}AuthorPerson": _MANY,
        **{
            f"{_DOC}{name}Time{end}": _AT
            for name in ("Creation", "ServiceStart", "ServiceStop")
            for end in ("From", "To")
        },
    },
    FIND_SETS: {
        f"{_SET}PatientId": _PATIENT,
        f"{_SET}Status": _MANY,
        f"{_SET}SourceId": _MANY,
        f"{_SET}SubmissionTimeFrom": _AT,
        f"{_SET}SubmissionTimeTo": _AT,
        f"{_SET}AuthorPerson": _ONE,
        f"{_SET}ContentType": _MANY,
    },
    GET_DOCUMENTS: {f"{_DOC}EntryUUID": _MANY, f"{_DOC}UniqueId": _MANY, f"{_DOC}LogicalID": _MANY},
    GET_ASSOCIATIONS: {"$uuid": _MANY},
    GET_DOCUMENTS_AND_ASSOCIATIONS: {f"{_DOC}EntryUUID": _MANY, f"{_DOC}UniqueId": _MANY},
}
_REQUIRED: Final = {
    FIND_DOCUMENTS: (f"{_DOC}Status",),
    FIND_SETS: (f"{_SET}Status",),
    GET_ASSOCIATIONS: ("$uuid",),
}
"""Beside the patient, whom the DMP takes from the VIHF when the query does not say (RG_3010)."""
_CODES: Final = {
    f"{_DOC}ClassCode": "classCode",
    f"{_DOC}TypeCode": "typeCode",
    f"{_DOC}PracticeSettingCode": "practiceSettingCode",
    f"{_DOC}HealthcareFacilityTypeCode": "healthcareFacilityTypeCode",
    f"{_DOC}FormatCode": "formatCode",
    f"{_DOC}EventCodeList": "eventCodeList",
    f"{_DOC}ConfidentialityCode": "confidentialityCode",
}
_TIMES: Final = {
    f"{_DOC}CreationTime": "creationTime",
    f"{_DOC}ServiceStartTime": "serviceStartTime",
    f"{_DOC}ServiceStopTime": "serviceStopTime",
    f"{_SET}SubmissionTime": "submissionTime",
}
_REFERENCES = "urn:ihe:iti:xds:2013:referenceIdList"

Values = Mapping[str, list[list[str]]]
"""Values of each parameter, one list for each Slot: a match needs one of each."""


class Registry:
    """Answers stored queries from a store; keeps the objects it has read. Not thread-safe, as the store."""

    def __init__(self, store: DmpStore) -> None:
        self._store = store
        self._entries: dict[str, Object] = {}
        self._sets: dict[str, Object] = {}

    def forget(self) -> None:
        self._entries.clear()
        self._sets.clear()

    def entry(self, document: StoredDocument) -> Object:
        """The metadata of a version, as they were submitted."""
        found = self._entries.get(document.entry_uuid)
        if found is None:
            need(document.metadata, "XDSRegistryError", "this fake keeps no metadata (keep_bytes=False)")
            elements = parse(document.metadata).iter(f"{_RIM}ExtrinsicObject")
            element = next(e for e in elements if e.get("id") == document.entry_id)
            found = self._entries[document.entry_uuid] = rules.read_entry(element, tolerant=True)
        return found

    def answer(self, body: etree._Element, caller: Caller) -> answers.Reply:
        """Raises Refused."""
        need(body.tag == f"{rules.QUERY}AdhocQueryRequest", "Sender", "unknown body", as_fault=True)
        option, query = body.find(f"{rules.QUERY}ResponseOption"), body.find(f"{_RIM}AdhocQuery")
        if option is None or query is None:
            raise Refused("XDSRegistryError", "ResponseOption and AdhocQuery are needed")
        identifier, kind = query.get("id", ""), option.get("returnType", "")
        need(kind in ("LeafClass", "ObjectRef"), "XDSRegistryError", "returnType is LeafClass or ObjectRef")
        composed = kind == "ObjectRef" or option.get("returnComposedObjects") == "true"
        need(composed, "XDSRegistryError", "returnComposedObjects is true for LeafClass")
        if caller.feeds_only:
            need(identifier == GET_DOCUMENTS, "XDSUnknownStoredQuery", "who does not read has GetDocuments only")
            if kind == "LeafClass":
                rights.check_mode(caller, "TD3.1")
        need(identifier in _PARAMETERS, "XDSUnknownStoredQuery", f"the stored query {identifier} is not served")
        values = _values(query, identifier)
        if identifier != GET_DOCUMENTS or kind != "ObjectRef":  # DMP_3.1b is for those who only feed
            rights.check_access(rights.check_open(self._store.patients.get(caller.ins)), caller)
        self._check_patient(values, caller)
        objects, ids = self._QUERIES[identifier](self, values, caller)
        text = "".join(f'<rim:ObjectRef id="{i}"/>' for i in ids) if kind == "ObjectRef" else "".join(objects())
        return answers.Reply(
            write=lambda status, listed: answers.query_response(status, listed, text, len(ids)),
            said=f"{len(ids)} found",
        )

    # --- queries --------------------------------------------------------------------------------------------------

    def _check_patient(self, values: Values, caller: Caller) -> None:
        for name in (f"{_DOC}PatientId", f"{_SET}PatientId"):
            for (cx,) in values.get(name, ()):
                found = rules.find_ins(cx)
                same = found == (caller.ins, caller.ins_oid)
                need(same, "XDSPatientIdDoesNotMatch", f"{name} is not '<INS>^^^&<OID>&ISO^NH' of the VIHF's patient")

    def _visible(self, caller: Caller) -> Iterable[StoredDocument]:
        patient = self._store.patients.get(caller.ins)
        return (d for d in self._store.of_patient(caller.ins) if rights.may_see(d, caller, patient))

    def _find_documents(self, values: Values, caller: Caller) -> _Found:
        statuses = set(values[f"{_DOC}Status"][0])
        return self._documents([
            d for d in self._visible(caller) if STATUS_URNS[d.status] in statuses and _matches(self.entry(d), values)
        ])  # fmt: skip

    def _get_documents(self, values: Values, caller: Caller) -> _Found:
        return self._documents(self._named(values, caller))

    def _named(self, values: Values, caller: Caller) -> list[StoredDocument]:
        given = [name for name in values if name.startswith(_DOC)]
        need(given, "XDSStoredQueryMissingParam", f"{_DOC}EntryUUID or {_DOC}UniqueId is missing")
        need(len(given) == 1, "XDSStoredQueryParamNumber", f"one of {' and '.join(given)} is given, not both")
        wanted, visible = values[given[0]][0], list(self._visible(caller))
        if given[0] == f"{_DOC}UniqueId":
            last = {d.unique_id: d for d in visible if self._store.current(d.unique_id) is d}
            return [last[w] for w in dict.fromkeys(wanted) if w in last]
        by_logical_id = given[0] == f"{_DOC}LogicalID"
        return [d for d in visible if (d.logical_id if by_logical_id else d.entry_uuid) in wanted]

    def _documents(self, found: Sequence[StoredDocument]) -> _Found:
        return lambda: [_leaf(d, self.entry(d)) for d in found], [d.entry_uuid for d in found]

    def _associations(self, uuids: Iterable[str], caller: Caller) -> list[StoredAssociation]:
        """Those of visible objects, which one of the ids takes part in."""
        wanted, visible = set(uuids), {d.entry_uuid for d in self._visible(caller)}
        visible |= {s.entry_uuid for s in self._store.sets.values() if s.ins == caller.ins}
        return [
            a
            for a in self._store.associations
            if {a.source, a.target} & wanted and {a.source, a.target} <= visible
        ]  # fmt: skip

    def _get_associations(self, values: Values, caller: Caller) -> _Found:
        found = self._associations(values["$uuid"][0], caller)
        return lambda: [_association(a) for a in found], [a.uuid for a in found]

    def _get_documents_and_associations(self, values: Values, caller: Caller) -> _Found:
        documents, ids = self._documents(self._named(values, caller))
        found = self._associations(ids, caller)
        return lambda: [*documents(), *map(_association, found)], [*ids, *(a.uuid for a in found)]

    def _find_sets(self, values: Values, caller: Caller) -> _Found:
        approved = STATUS_URNS["Approved"] in values[f"{_SET}Status"][0]
        mine = [s for s in self._store.sets.values() if approved and s.ins == caller.ins]
        found = [s for s in mine if _set_matches(self._set(s), values)]
        return lambda: [_package(s, self._set(s)) for s in found], [s.entry_uuid for s in found]

    def _set(self, stored: StoredSet) -> Object:
        found = self._sets.get(stored.entry_uuid)
        if found is None:
            need(stored.metadata, "XDSRegistryError", "this fake keeps no metadata (keep_bytes=False)")
            (objects,) = parse(stored.metadata).iter(f"{_RIM}RegistryObjectList")
            found = self._sets[stored.entry_uuid] = rules.read_set(objects, tolerant=True)
        return found

    _QUERIES: Final[dict[str, Callable[[Registry, Values, Caller], _Found]]] = {
        FIND_DOCUMENTS: _find_documents,
        FIND_SETS: _find_sets,
        GET_DOCUMENTS: _get_documents,
        GET_ASSOCIATIONS: _get_associations,
        GET_DOCUMENTS_AND_ASSOCIATIONS: _get_documents_and_associations,
    }


_Found = tuple[Callable[[], list[str]], list[str]]
"""The objects as XML, made when they are asked for, and their ids."""


# --- parameters -------------------------------------------------------------------------------------------------------


def _values(query: etree._Element, identifier: str) -> dict[str, list[list[str]]]:
    known = _PARAMETERS[identifier]
    slots: dict[str, list[etree._Element]] = {}
    for slot in query.findall(f"{_RIM}Slot"):
        slots.setdefault(slot.get("name", ""), []).append(slot)
    required = _REQUIRED.get(identifier, ())
    if identifier not in _REQUIRED:
        one = [name for name in known if name in slots]
        need(one, "XDSStoredQueryMissingParam", f"one of {', '.join(known)} is needed")
    for name in required:
        need(name in slots, "XDSStoredQueryMissingParam", f"{name} is missing")
    found: dict[str, list[list[str]]] = {}
    for name, elements in slots.items():
        parameter = known.get(name)
        if parameter is None:
            raise Refused("XDSRegistryError", f"{name} is no parameter of this query")
        once = len(elements) == 1 or parameter.repeated
        need(once, "XDSStoredQueryParamNumber", f"{name} is given in {len(elements)} Slots")
        found[name] = [_slot_values(name, parameter, e) for e in elements]
    return found


def _slot_values(name: str, parameter: _Parameter, slot: etree._Element) -> list[str]:
    texts = [(v.text or "").strip() for v in slot.findall(f"{_RIM}ValueList/{_RIM}Value")]
    need(texts, "XDSStoredQueryMissingParam", f"{name} has no Value")
    if parameter.many:
        return [item for text in texts for item in _listed(name, text)]
    need(len(texts) == 1, "XDSStoredQueryParamNumber", f"{name} has one value, found {len(texts)}")
    (text,) = texts
    if parameter.kind == "time":
        need(rules.is_dtm(text), "XDSRegistryError", f"{name} is a DTM in UTC, without quotes")
        return [text]
    quoted = _QUOTED.fullmatch(text)
    if quoted is None:
        code = "XDSPatientIdDoesNotMatch" if parameter.kind == "patient" else "XDSStoredQueryParamNumber"
        raise Refused(code, f"{name} is one value between apostrophes, without parentheses")
    return [_unquoted(quoted.group(1))]


def _listed(name: str, text: str) -> list[str]:
    """`('a','b')` → a, b. A list is needed: the parameter has several values."""
    inner = _LIST.fullmatch(text)
    if inner is None:
        raise Refused("XDSStoredQueryParamNumber", f"{name} is a list: ('…')")
    need(_ITEMS.fullmatch(inner.group(1)), "XDSRegistryError", f"{name}: values are between apostrophes, inner doubled")
    return [_unquoted(item) for item in _QUOTED.findall(inner.group(1))]


def _unquoted(text: str) -> str:
    return text.replace("''", "'")


# --- matching ---------------------------------------------------------------------------------------------------------


def _matches(entry: Object, values: Values) -> bool:
    for name, slots in values.items():
        for wanted in slots:
            if not _holds(entry, name, wanted):
                return False
    return True


def _holds(entry: Object, name: str, wanted: list[str]) -> bool:
    if name in _CODES:
        codes = entry.codes.get(_CODES[name], [])
        return any(w in (c.code, f"{c.code}^^{c.system}") for c in codes for w in wanted)
    if name == f"{_DOC}AuthorPerson":
        return any(_like(p, w) for a in entry.authors for p in a.get("authorPerson", ()) for w in wanted)
    if name == f"{_DOC}ReferenceIdList":
        return bool(set(wanted) & set(entry.slots.get(_REFERENCES, ())))
    if name == f"{_DOC}Type":
        return entry.element.get("objectType") in wanted
    return _in_time(entry, name, wanted[0])


def _set_matches(submission_set: Object, values: Values) -> bool:
    for name, slots in values.items():
        wanted = slots[0]
        if name == f"{_SET}SourceId":
            held = submission_set.identifiers["sourceId"] in wanted
        elif name == f"{_SET}ContentType":
            code = submission_set.code("contentTypeCode")
            held = any(w in (code.code, f"{code.code}^^{code.system}") for w in wanted)
        elif name == f"{_SET}AuthorPerson":
            held = any(_like(p, wanted[0]) for p in submission_set.authors[0].get("authorPerson", ()))
        else:
            held = _in_time(submission_set, name, wanted[0])
        if not held:
            return False
    return True


def _in_time(o: Object, name: str, bound: str) -> bool:
    """From is included, To is not. Other parameters were looked at elsewhere."""
    end = "From" if name.endswith("From") else "To"
    slot = _TIMES.get(name.removesuffix(end))
    if slot is None:
        return True
    value, limit = _padded(o.slot(slot)), _padded(bound)
    return bool(o.slot(slot)) and (limit <= value if end == "From" else value < limit)


def _padded(dtm: str) -> str:
    return dtm + _START_OF_TIME[len(dtm) :]


def _like(text: str, pattern: str) -> bool:
    """SQL LIKE: `%` any characters, `_` one."""
    expression = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


# --- objects as XML ---------------------------------------------------------------------------------------------------


def _leaf(document: StoredDocument, entry: Object) -> str:
    """An ExtrinsicObject as the DMP gives it back: with its own ids, hash, size, repository and version."""
    added = {"hash": [entry.slot("hash")], "size": [entry.slot("size")], "repositoryUniqueId": [REPOSITORY_ID]}
    slots = entry.slots | added
    return (
        f'<rim:ExtrinsicObject id="{document.entry_uuid}" isOpaque="false" lid="{document.logical_id}"'
        f' mimeType="{escape_attribute(document.mime_type)}"'
        f' objectType="{escape_attribute(entry.element.get("objectType", ""))}"'
        f' status="{STATUS_URNS[document.status]}">{_slots({name: slots[name] for name in sorted(slots)})}'
        f"{_labels(entry.element)}"
        f'<rim:VersionInfo versionName="{document.version}"/>{_parts(entry.element, document.entry_uuid)}'
        "</rim:ExtrinsicObject>"
    )


def _package(stored: StoredSet, submission_set: Object) -> str:
    return (
        f'<rim:RegistryPackage id="{stored.entry_uuid}" lid="{stored.entry_uuid}" objectType="{_PACKAGE_TYPE}"'
        f' status="{STATUS_URNS["Approved"]}">{_slots(submission_set.slots)}{_labels(submission_set.element)}'
        f'<rim:VersionInfo versionName="1"/>{_parts(submission_set.element, stored.entry_uuid)}</rim:RegistryPackage>'
    )


def _association(association: StoredAssociation) -> str:
    slots = _slots({name: [value] for name, value in association.slots})
    return (
        f'<rim:Association id="{association.uuid}" lid="{association.uuid}" objectType="{_ASSOCIATION_TYPE}"'
        f' associationType="{escape_attribute(association.kind)}"'
        f' sourceObject="{escape_attribute(association.source)}" targetObject="{escape_attribute(association.target)}"'
        f' status="{STATUS_URNS["Approved"]}">{slots}</rim:Association>'
    )


def _slots(slots: Mapping[str, Sequence[str]]) -> str:
    return "".join(
        f'<rim:Slot name="{escape_attribute(name)}"><rim:ValueList>'
        + "".join(f"<rim:Value>{escape_text(value)}</rim:Value>" for value in values)
        + "</rim:ValueList></rim:Slot>"
        for name, values in slots.items()
    )


def _labels(element: etree._Element) -> str:
    return "".join(_label(e, name) for name in ("Name", "Description") for e in element.findall(f"{_RIM}{name}"))


def _label(element: etree._Element, name: str) -> str:
    texts = "".join(
        f'<rim:LocalizedString charset="UTF8" value="{escape_attribute(t.get("value", ""))}" xml:lang="FR"/>'
        for t in element.findall(f"{_RIM}LocalizedString")
    )
    return f"<rim:{name}>{texts}</rim:{name}>"


_KEPT: Final = ("classificationScheme", "classificationNode", "nodeRepresentation", "identificationScheme", "value")


def _parts(element: etree._Element, identifier: str) -> str:
    """Classifications and identifiers, which now belong to the registered object."""
    written: list[str] = []
    for number, child in enumerate(
        element.findall(f"{_RIM}Classification") + element.findall(f"{_RIM}ExternalIdentifier")
    ):
        name = etree.QName(child).localname
        owner = "classifiedObject" if name == "Classification" else "registryObject"
        text = "".join(f' {k}="{escape_attribute(child.get(k, ""))}"' for k in _KEPT if child.get(k) is not None)
        inner = _slots(rules.slots_of(child)) + _labels(child)
        written.append(
            f'<rim:{name} id="{identifier}.{number}" {owner}="{identifier}"{text}>{inner}</rim:{name}>'
        )  # fmt: skip
    return "".join(written)
