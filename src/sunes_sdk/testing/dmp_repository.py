"""ITI-41 (TD2.1) and ITI-43 (TD3.2) of the fake DMP: documents in, documents out."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from urllib.parse import quote

from lxml import etree

from .._core.errors import SunesError
from .._core.hl7time import to_dtm_utc
from .._core.xml import escape_text
from ..security.keys import Trust
from ..transport import mtom
from ..transport.soap import binary
from . import dmp_answers as answers
from . import dmp_rights as rights
from . import dmp_rules as rules
from .dmp_answers import Reply
from .dmp_registry import REPOSITORY_ID
from .dmp_rules import HIDDEN_FROM_GUARDIANS, Caller, Object, Received, Refused, need
from .dmp_store import DmpStore, StoredAssociation, StoredDocument, StoredSet

_X = rules.XDSB
_ENTRY_UUID = re.compile(r"urn:uuid:", re.IGNORECASE)
MAX_RETRIEVED: Final = 100
"""Most documents in one ITI-43 (a bound of this fake)."""


def read_provide(
    body: etree._Element, parts: Mapping[str, bytes], caller: Caller, trusted: Trust, at: datetime
) -> tuple[Received, dict[str, str]]:
    """An ITI-41 request that holds in itself, and by entry id the uniqueId of the version that its CDA replaces."""
    need(body.tag == f"{_X}ProvideAndRegisterDocumentSetRequest", "Sender", "unknown body", as_fault=True)
    received = rules.read_submission(body, _contents(body, parts))
    rules.check_submission(received, caller)
    for entry in received.documents:
        codes = [c.code for c in entry.codes["confidentialityCode"]]
        if caller.secret and HIDDEN_FROM_GUARDIANS not in codes:
            raise rules.bad(f"{entry.id}: in a connexion secrète documents are {HIDDEN_FROM_GUARDIANS}")
    roots = {e.id: rules.parse_document(e, received.contents[e.id]) for e in received.documents}
    replaced = {e.id: rules.check_cda(e, roots[e.id], caller) for e in received.documents}
    rules.check_signature(received, roots, caller, trusted, at)
    return received, replaced


def _contents(body: etree._Element, parts: Mapping[str, bytes]) -> dict[str, bytes]:
    """Bytes of each Document by its id; every attachment must be used."""
    contents: dict[str, bytes] = {}
    for document in body.findall(f"{_X}Document"):
        identifier = document.get("id", "")
        if identifier in contents:
            raise rules.bad(f"two Document elements have the id {identifier}")
        try:
            contents[identifier] = binary(document, parts)
        except SunesError as e:
            raise Refused("XDSMissingDocument", f"{identifier}: {e.message}") from None
    if len(parts) > len(contents):
        raise Refused("XDSMissingDocumentMetadata", "an attachment is not included by any Document")
    return contents


def store_submission(
    store: DmpStore,
    received: Received,
    replaced: Mapping[str, str],
    caller: Caller,
    metadata: bytes,
    *,
    at: datetime,
    keep_bytes: bool,
) -> None:
    """Register what `read_provide` gave. Raises Refused, and then changes nothing."""
    rights.check_open(store.patients.get(caller.ins))
    check_new(store, (received.submission_set, *received.entries))
    links = {source: target for kind, source, target in received.associations if kind == rules.RPLC}
    olds = {e.id: _replaced(store, links.get(e.id, ""), replaced[e.id], caller) for e in received.documents}
    now = to_dtm_utc(at)
    (signature,) = (e for e in received.entries if e.is_signature)
    signed = received.contents[signature.id] if keep_bytes else b""
    uuids = {o.id: store.fresh_uuid() for o in (received.submission_set, *received.entries)}
    for entry in received.entries:
        old = olds.get(entry.id)
        if old is not None:
            store.put_document(replace(old, status="Deprecated"))
        store.put_document(
            StoredDocument(
                unique_id=entry.identifiers["uniqueId"],
                entry_uuid=uuids[entry.id],
                logical_id=uuids[entry.id],
                entry_id=entry.id,
                type_code=entry.code("typeCode").code,
                class_code=entry.code("classCode").code,
                format_code=entry.code("formatCode").code,
                title=entry.title,
                mime_type=entry.element.get("mimeType", ""),
                confidentiality=tuple(c.code for c in entry.codes["confidentialityCode"]),
                submission_set_id=received.submission_set.identifiers["uniqueId"],
                ins=caller.ins,
                content=received.contents[entry.id] if keep_bytes else b"",
                signature=signed,
                metadata=metadata,
                replaces=old.unique_id if old else None,
                author_ids=_components((*entry.authors, *received.submission_set.authors), "authorPerson", 0),
                structures=_components((*entry.authors, *received.submission_set.authors), "authorInstitution", 9),
                is_signature=entry.is_signature,
                registered_at=now,
            )
        )
    register_set(store, received.submission_set, uuids, received.associations, caller, metadata, now)
    store.use_ids({o.identifiers["uniqueId"] for o in (received.submission_set, *received.entries)})
    store.commit()


def register_set(
    store: DmpStore,
    submission_set: Object,
    uuids: Mapping[str, str],
    associations: Sequence[tuple[str, str, str]],
    caller: Caller,
    metadata: bytes,
    now: str,
) -> None:
    """Keep a set and its associations under the ids they are registered with (uuids: by symbolic id)."""
    unique_id = submission_set.identifiers["uniqueId"]
    set_uuid = uuids[submission_set.id]
    store.put_set(
        StoredSet(entry_uuid=set_uuid, unique_id=unique_id, ins=caller.ins, metadata=metadata, registered_at=now)
    )
    for kind, source, target in associations:
        slots = (("SubmissionSetStatus", "Original"),) if kind == rules.HAS_MEMBER else ()
        store.put_association(
            StoredAssociation(
                uuid=store.fresh_uuid(),
                kind=kind,
                source=uuids.get(source, source),
                target=uuids.get(target, target),
                slots=slots,
            )
        )


def check_new(store: DmpStore, objects: Sequence[Object]) -> None:
    for o in objects:
        if o.identifiers["uniqueId"] in store.used_ids:
            raise Refused("XDSDuplicateUniqueIdInRegistry", f"the uniqueId of {o.id} is already registered")


def _components(authors: Sequence[Mapping[str, list[str]]], slot: str, index: int) -> tuple[str, ...]:
    values = (v.split("^") for author in authors for v in author.get(slot, ()))
    return tuple(dict.fromkeys(v[index] for v in values if len(v) > index))


def _replaced(store: DmpStore, target: str, parent: str, caller: Caller) -> StoredDocument | None:
    """RPLC goes to the entryUUID of the current version, which the CDA names by its uniqueId."""
    if not target:
        known = store.current(parent) if parent else None
        if known is not None and known.ins == caller.ins and known.status != "Deleted":
            raise rules.bad("the CDA replaces a document of this DMP, the RPLC association is missing")
        return None
    old = store.versions.get(target)
    if old is None or old.ins != caller.ins or old.status == "Deleted":
        raise Refused("XDSReplaceFailed", "the target of RPLC is no entryUUID of this patient's DMP")
    current = store.current(old.unique_id)
    if current is not old:
        text = "the target of RPLC is an earlier version: a change of metadata gives a new entryUUID"
        raise Refused("XDSRegistryDeprecatedDocumentError", text)
    if old.status != "Approved":
        text = "the document to replace was already replaced, or is archived"
        raise Refused("XDSRegistryDeprecatedDocumentError", text)
    if parent != old.unique_id:
        raise rules.bad("relatedDocument of the CDA does not name the document that RPLC replaces")
    return old


# --- ITI-43 -----------------------------------------------------------------------------------------------------------


def retrieve(store: DmpStore, body: etree._Element, caller: Caller, *, inline: bool) -> Reply:
    """inline: documents as base64 in the body rather than as attachments."""
    need(body.tag == f"{_X}RetrieveDocumentSetRequest", "Sender", "unknown body", as_fault=True)
    rights.check_mode(caller, "TD3.2")
    patient = rights.check_open(store.patients.get(caller.ins))
    rights.check_access(patient, caller)
    requests = body.findall(f"{_X}DocumentRequest")
    need(requests, "XDSRepositoryError", "no DocumentRequest")
    few = len(requests) <= MAX_RETRIEVED
    need(few, "XDSRepositoryOutOfResources", f"more than {MAX_RETRIEVED} documents in one request")
    found: list[StoredDocument] = []
    problems: list[str] = []
    for request in requests:
        repository = (request.findtext(f"{_X}RepositoryUniqueId") or "").strip()
        unique_id = (request.findtext(f"{_X}DocumentUniqueId") or "").strip()
        if _ENTRY_UUID.match(unique_id):
            text = "DocumentUniqueId is the uniqueId of the document, not its entryUUID"
            raise Refused("XDSDocumentUniqueIdError", text, as_fault=True)
        document = store.current(unique_id)
        if repository != REPOSITORY_ID:
            problems.append(answers.error("XDSUnknownRepositoryId", f"RepositoryUniqueId is not {REPOSITORY_ID}"))
        elif document is None or document.ins != caller.ins or not rights.may_see(document, caller, patient):
            text = "this patient's DMP shows no document of this uniqueId"
            problems.append(answers.error("XDSDocumentUniqueIdError", text, location=unique_id))
        else:
            need(document.metadata, "XDSRepositoryError", "this fake keeps no documents (keep_bytes=False)")
            found.append(document)
    return _documents(found, tuple(problems), inline)


def _documents(found: Sequence[StoredDocument], problems: tuple[str, ...], inline: bool) -> Reply:
    parts: list[mtom.Part] = []
    texts: list[str] = []
    for number, document in enumerate(found, 1):
        if inline:
            held = base64.b64encode(document.content).decode()
        else:
            cid = f"{uuid.uuid4()}-{number}@urn:ihe:iti:xds-b:2007"
            parts.append(mtom.Part(cid, document.content, document.mime_type))
            held = f'<xop:Include xmlns:xop="{answers.XOP}" href="cid:{quote(cid, safe="@")}"/>'
        texts.append(
            f"<xds:DocumentResponse><xds:RepositoryUniqueId>{REPOSITORY_ID}</xds:RepositoryUniqueId>"
            f"<xds:DocumentUniqueId>{escape_text(document.unique_id)}</xds:DocumentUniqueId>"
            f"<xds:mimeType>{escape_text(document.mime_type)}</xds:mimeType><xds:Document>{held}</xds:Document>"
            "</xds:DocumentResponse>"
        )
    status = "Success" if not problems else "PartialSuccess" if found else "Failure"
    return Reply(
        write=lambda status, listed: answers.retrieve_response(status, listed, "".join(texts)),
        said=f"{len(found)} retrieved" if status != "Failure" else "none retrieved",
        status=status,
        problems=problems,
        parts=tuple(parts),
    )
