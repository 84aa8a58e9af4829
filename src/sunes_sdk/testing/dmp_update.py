"""ITI-57 of the fake DMP (TD3.3): archive, unarchive, delete, and changes of visibility."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from lxml import etree

from . import dmp_answers as answers
from . import dmp_rights as rights
from . import dmp_rules as rules
from .dmp_answers import Reply
from .dmp_registry import REPOSITORY_ID, Registry
from .dmp_repository import check_new, register_set
from .dmp_rules import Caller, Object, Refused, need
from .dmp_store import MASKED, STATUS_URNS, DmpStore, Status, StoredDocument, StoredPatient

UPDATE_STATUS: Final = "urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus"
_RIM = rules.RIM
_MOVES: Final[dict[tuple[Status, Status], str]] = {
    ("Approved", "Archived"): "TD3.3d",
    ("Archived", "Approved"): "TD3.3d",
    ("Approved", "Deleted"): "TD3.3c",
    ("Archived", "Deleted"): "TD3.3c",
}
_NAMES: Final = {urn: name for name, urn in STATUS_URNS.items()}
_SERVER_SLOTS: Final = {"repositoryUniqueId": [REPOSITORY_ID]}


@dataclass(frozen=True, slots=True)
class _NewVersion:
    """entry: metadata as sent; old: the version that they follow."""

    entry: Object
    old: StoredDocument


def update(
    store: DmpStore, registry: Registry, body: etree._Element, caller: Caller, *, now: str, keep_bytes: bool
) -> Reply:
    """Apply the request, or change nothing and raise Refused."""
    try:
        return _update(store, registry, body, caller, now=now, keep_bytes=keep_bytes)
    except Refused as refusal:
        if refusal.code != rules.METADATA_ERROR:
            raise
        raise Refused("XDSRegistryMetadataError", refusal.text) from None  # the registry speaks, not the repository


def _update(
    store: DmpStore, registry: Registry, body: etree._Element, caller: Caller, *, now: str, keep_bytes: bool
) -> Reply:
    need(body.tag == f"{rules.LCM}SubmitObjectsRequest", "Sender", "unknown body", as_fault=True)
    objects = body.find(f"{_RIM}RegistryObjectList")
    if objects is None:
        raise _bad("rim:RegistryObjectList is missing")
    rules.check_ids(objects)
    submission_set = rules.read_set(objects, tolerant=True)
    rules.check_set(submission_set, caller)
    check_new(store, (submission_set,))
    patient = rights.check_open(store.patients.get(caller.ins))
    associations = objects.findall(f"{_RIM}Association")
    entries = objects.findall(f"{_RIM}ExtrinsicObject")
    need(associations, "XDSMetadataUpdateError", "an Association says what is updated")
    moves: list[tuple[StoredDocument, Status]] = []
    links: list[tuple[str, str, str]] = []
    previous: dict[str, str] = {}
    for association in associations:
        kind, source = association.get("associationType", ""), association.get("sourceObject", "")
        target = association.get("targetObject", "")
        need(source == submission_set.id, "XDSMetadataUpdateError", "sourceObject is not the submission set")
        if kind == UPDATE_STATUS:
            moves.append(_move(store, association, target, caller, patient))
        elif kind == rules.HAS_MEMBER:
            previous[target] = _previous_version(association)
            links.append((kind, source, target))
        else:
            raise Refused("XDSMetadataUpdateOperationError", f"associationType {kind} is no update")
    updates = [_metadata(store, registry, e, previous, caller, patient) for e in entries]
    stray = previous.keys() - {u.entry.id for u in updates}
    need(not stray, "UnresolvedReferenceException", f"HasMember names {', '.join(sorted(stray))}, which is not there")
    touched = [d.logical_id for d, _ in moves] + [u.old.logical_id for u in updates]
    need(len(set(touched)) == len(touched), "XDSMetadataUpdateError", "a document is updated once in a request")
    for document, status in moves:
        store.put_document(replace(document, status=status))
    metadata = etree.tostring(body, encoding="utf-8") if keep_bytes else b""
    uuids = {o.id: store.fresh_uuid() for o in (submission_set, *(u.entry for u in updates))}
    for each in updates:
        store.put_document(replace(each.old, status="Deprecated"))
        store.put_document(
            replace(
                each.old,
                entry_uuid=uuids[each.entry.id],
                entry_id=each.entry.id,
                version=each.old.version + 1,
                confidentiality=_confidentiality(each.entry),
                submission_set_id=submission_set.identifiers["uniqueId"],
                metadata=metadata,
                registered_at=now,
            )
        )
    register_set(store, submission_set, uuids, links, caller, metadata, now)
    store.use_ids({submission_set.identifiers["uniqueId"]})
    store.commit()
    return Reply(write=answers.registry_response, said="Success")


def _bad(text: str) -> Refused:
    return Refused("XDSMetadataUpdateError", text)


# --- status -----------------------------------------------------------------------------------------------------------


def _move(
    store: DmpStore, association: etree._Element, target: str, caller: Caller, patient: StoredPatient
) -> tuple[StoredDocument, Status]:
    slots = rules.slots_of(association)
    statuses: list[Status] = []
    for name in ("OriginalStatus", "NewStatus"):
        values = slots.get(name, [])
        if len(values) != 1 or values[0] not in _NAMES:
            raise _bad(f"{name} is one status of JDV_J52")
        statuses.append(_NAMES[values[0]])
    original, new = statuses
    transaction = _MOVES.get((original, new))
    if transaction is None:
        raise Refused("XDSMetadataUpdateOperationError", f"no transaction goes from {original} to {new}")
    rights.check_mode(caller, transaction)
    document = store.versions.get(target)
    if document is None or document.ins != caller.ins or document.status == "Deleted":
        raise Refused("UnresolvedReferenceException", "targetObject is no entryUUID of this patient's DMP")
    if store.current(document.unique_id) is not document:
        text = "targetObject is an earlier version: a change of metadata gives a new entryUUID"
        raise Refused("XDSMetadataVersionError", text)
    if document.status != original:
        raise _bad(f"OriginalStatus is {original}, the document is {document.status}")
    own = rights.is_own(document, caller)
    if transaction == "TD3.3c" and not own:
        raise rights.denied("TD3.3c: only its author deletes a document")
    if transaction == "TD3.3d":
        rights.check_access(patient, caller)
        if not (own or rights.is_attending(patient, caller)):
            raise rights.denied("TD3.3d: only its author or the médecin traitant archives a document")
    return document, new


# --- metadata ---------------------------------------------------------------------------------------------------------


def _previous_version(association: etree._Element) -> str:
    slots = rules.slots_of(association)
    if slots.get("SubmissionSetStatus") != ["Original"]:
        raise _bad("HasMember lacks SubmissionSetStatus = Original")
    versions = slots.get("PreviousVersion", [])
    if len(versions) != 1:
        raise Refused("XDSMetadataVersionError", "HasMember lacks PreviousVersion")
    return versions[0]


def _metadata(
    store: DmpStore,
    registry: Registry,
    element: etree._Element,
    previous: Mapping[str, str],
    caller: Caller,
    patient: StoredPatient,
) -> _NewVersion:
    entry = rules.read_entry(element, tolerant=True)
    if entry.id.startswith("urn:uuid:"):
        raise _bad(f"{entry.id}: a new version has a symbolic id, lid names the document")
    logical_id = element.get("lid", "")
    known = store.by_logical_id(caller.ins, logical_id) if logical_id else []
    if not known or known[-1].status == "Deleted":
        raise Refused("UnresolvedReferenceException", f"{entry.id}: lid is no logicalId of this patient's DMP")
    old = known[-1]
    if entry.id not in previous:
        raise _bad(f"{entry.id}: no HasMember links it to the submission set")
    if previous[entry.id] != str(old.version):
        text = f"{entry.id}: PreviousVersion is {previous[entry.id]}, the present version is {old.version}"
        raise Refused("XDSMetadataVersionError", text)
    if old.status == "Deprecated":
        raise Refused("XDSRegistryDeprecatedDocumentError", f"{entry.id}: the document was replaced")
    changed = _differences(registry.entry(old), entry)
    if changed:
        raise Refused("UnmodifiableMetadataError", f"{entry.id}: only confidentialityCode may change, not {changed[0]}")
    rules.check_confidentiality(entry)
    rules.check_codes(entry)
    _check_visibility_rights(old, _confidentiality(entry), caller, patient)
    return _NewVersion(entry, old)


def _check_visibility_rights(old: StoredDocument, new: tuple[str, ...], caller: Caller, patient: StoredPatient) -> None:
    """A professional masks any document; unmasks those of its own, the *médecin traitant* all (TD3.3a)."""
    changed = set(old.confidentiality) ^ set(new)
    need(changed, "XDSMetadataUpdateError", "confidentialityCode is as before: nothing changes")
    rights.check_mode(caller, "TD3.3a" if MASKED in changed else "TD3.3b")
    rights.check_access(patient, caller)
    if not rights.may_see(old, caller, patient):
        raise rights.denied("TD3.3a: only its author or the médecin traitant unmasks a document")


def _confidentiality(entry: Object) -> tuple[str, ...]:
    return tuple(c.code for c in entry.codes["confidentialityCode"])


def _differences(old: Object, new: Object) -> list[str]:
    """Names of what is not as it was. The copy holds what the DMP added."""
    before, after = _compared(old) | _SERVER_SLOTS, _compared(new)
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _compared(o: Object) -> dict[str, Any]:
    """What a change of visibility leaves as it was."""
    comments = o.element.find(f"{_RIM}Description/{_RIM}LocalizedString")
    codes = {
        name: sorted((c.code, c.system) for c in codes)
        for name, codes in o.codes.items()
        if name != "confidentialityCode"
    }
    return {
        **o.slots,
        **codes,
        "mimeType": o.element.get("mimeType"),
        "objectType": o.element.get("objectType"),
        "title": o.title,
        "comments": comments.get("value") if comments is not None else None,
        "author": o.authors,
        "patientId": rules.find_ins(o.identifiers["patientId"]),
        "uniqueId": o.identifiers["uniqueId"],
    }
