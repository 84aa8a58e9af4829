"""TD3.2, reading documents of a patient's DMP (IHE ITI-43). Not for establishment mode."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from .._core.errors import DmpError
from .._core.xml import escape_text
from ..transport import soap
from ..transport.soap import SoapAnswer
from .answers import DOCUMENTS, Results, accepted, read_response
from .td31 import FoundDocument

ACTION: Final = "urn:ihe:iti:2007:RetrieveDocumentSet"
XDS_B: Final = "urn:ihe:iti:xds-b:2007"
BATCH: Final = 20
"""Documents asked for in one request. Our choice: no public text gives a limit."""
BATCH_BYTES: Final = 40_000_000
"""Announced bytes asked for in one request, under what the transport takes in one answer."""
UNVERIFIED: Final = "DMP_UNVERIFIED"
"""Warning of `Results`: no hash was known of a document: nothing proves that it is the one asked for."""
OTHER_TYPE: Final = "DMP_MIME_TYPE"
"""Warning of `Results`: the media type of a document is not the one that the registry gives, or its bytes are not of
that type."""
_X = f"{{{XDS_B}}}"
_RULE = "the document is the one that the registry describes (hash, size)"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentReference:
    """What is needed to read a document: its uniqueId (never its entryUUID) and repository. hash (SHA-1, hex), size and
    mime_type, from the registry, are compared with what comes when they are known."""

    unique_id: str
    repository_unique_id: str
    hash: str = ""
    size: int | None = None
    mime_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedDocument:
    """A document as the DMP gave it. verified: its hash is the one that the registry says; mime_type: as the repository
    says; is_of_type: that is the registry's too, and nothing in the first bytes denies it."""

    unique_id: str
    repository_unique_id: str
    mime_type: str
    content: bytes = field(repr=False)
    verified: bool
    is_of_type: bool = True


def reference_of(document: FoundDocument | DocumentReference) -> DocumentReference:
    """Raises DmpError `DMP_REFERENCE` when an identifier is missing, or is an entryUUID."""
    if isinstance(document, FoundDocument):
        entry = document.entry
        document = DocumentReference(
            unique_id=entry.unique_id,
            repository_unique_id=entry.repository_unique_id,
            hash=entry.hash,
            size=entry.size,
            mime_type=entry.mime_type,
        )
    if not document.unique_id or not document.repository_unique_id or document.unique_id.startswith("urn:uuid:"):
        raise _unaskable("an identifier is missing, or is an entryUUID")
    return document


def _unaskable(why: str) -> DmpError:
    return DmpError(
        f"the document cannot be asked for: {why}", code="DMP_REFERENCE", path="unique_id, repository_unique_id",
        rule="ITI-43: uniqueId (an OID, not the entryUUID) and repositoryUniqueId, both from the registry",
        hint="retrieve a document that find gave",
    )  # fmt: skip


def batches(references: Sequence[DocumentReference]) -> list[list[DocumentReference]]:
    """Requests of at most `BATCH` distinct documents and `BATCH_BYTES` announced bytes, unless one alone has more."""
    found: list[list[DocumentReference]] = []
    size = 0
    for reference in _distinct(references):
        size += reference.size or 0
        if not found or len(found[-1]) == BATCH or size > BATCH_BYTES:
            found.append([])
            size = reference.size or 0
        found[-1].append(reference)
    return found


def _distinct(references: Sequence[DocumentReference]) -> list[DocumentReference]:
    """One for each document: that with a hash, when only some have one. Raises DmpError `DMP_REFERENCE` when they say
    that one document is several."""
    found: dict[tuple[str, str], DocumentReference] = {}
    for reference in references:
        known = found.setdefault((reference.repository_unique_id, reference.unique_id), reference)
        if known.hash and reference.hash and known.hash.lower() != reference.hash.lower():
            raise _unaskable("one uniqueId with two hashes")
        if not known.hash:
            found[reference.repository_unique_id, reference.unique_id] = reference
    return list(found.values())


def body(references: Sequence[DocumentReference]) -> bytes:
    """xds:RetrieveDocumentSetRequest."""
    requests = "".join(
        f"<xds:DocumentRequest><xds:RepositoryUniqueId>{escape_text(r.repository_unique_id)}</xds:RepositoryUniqueId>"
        f"<xds:DocumentUniqueId>{escape_text(r.unique_id)}</xds:DocumentUniqueId></xds:DocumentRequest>"
        for r in references
    )
    return (f'<xds:RetrieveDocumentSetRequest xmlns:xds="{XDS_B}">{requests}</xds:RetrieveDocumentSetRequest>').encode()


def encode(references: Sequence[DocumentReference], *, message_id: str, assertion: bytes) -> tuple[str, bytes]:
    """The Content-Type and body of the HTTP request: plain, as the request attaches nothing; its answer is MTOM."""
    envelope = soap.envelope(
        action=ACTION, message_id=message_id, headers=soap.security(assertion), body=body(references)
    )
    return soap.content_type(ACTION), envelope


def decode(answer: SoapAnswer, asked: Sequence[DocumentReference]) -> Results[RetrievedDocument]:
    """The documents of a RetrieveDocumentSetResponse, attached or inline, in the order asked, whole and verified.

    Raises DmpError: `DMP_REFUSED`, `DMP_UNASKED` (a document that was not asked for, or twice), `DMP_ABSENT` (a success
    without one that was), `DMP_SIZE`, `DMP_HASH`; XmlSecurityError `XOP_MISSING`, `XOP_BASE64`.
    """
    warnings, complete = accepted(read_response(answer.body, DOCUMENTS), "the DMP refused to give the documents")
    wanted = {(r.repository_unique_id, r.unique_id): r for r in asked}
    found: dict[DocumentReference, RetrievedDocument] = {}
    for response in answer.body.iter(f"{_X}DocumentResponse"):
        repository, unique_id, mime_type = (
            (response.findtext(f"{_X}{name}") or "").strip()
            for name in ("RepositoryUniqueId", "DocumentUniqueId", "mimeType")
        )
        reference = wanted.get((repository, unique_id))
        holder = response.find(f"{_X}Document")
        if reference is None or reference in found or holder is None:
            raise _error("DMP_UNASKED", "the answer holds another document than those asked for",
                         "one DocumentResponse for each DocumentRequest")  # fmt: skip
        content = answer.binary(holder)
        found[reference] = RetrievedDocument(
            unique_id=unique_id,
            repository_unique_id=repository,
            mime_type=mime_type,
            content=content,
            verified=_verify(content, reference),
            is_of_type=_is_of_type(content, mime_type, reference.mime_type),
        )
    if complete and len(found) < len(wanted):
        raise _error("DMP_ABSENT", f"{len(wanted) - len(found)} of the documents asked for are not in the answer",
                     "one DocumentResponse for each DocumentRequest")  # fmt: skip
    unverified = () if all(document.verified for document in found.values()) else (UNVERIFIED,)
    other_type = () if all(document.is_of_type for document in found.values()) else (OTHER_TYPE,)
    said = (*answer.warnings, *warnings, *unverified, *other_type)
    return Results((found[r] for r in asked if r in found), warnings=said, complete=complete)


def _verify(content: bytes, reference: DocumentReference) -> bool:
    if reference.size is not None and len(content) != reference.size:
        raise _error("DMP_SIZE", f"the document has {len(content)} bytes, the registry says {reference.size}", _RULE)
    if reference.hash and hashlib.sha1(content, usedforsecurity=False).hexdigest() != reference.hash.lower():
        raise _error("DMP_HASH", "the bytes of the document are not those that the registry describes", _RULE)
    return bool(reference.hash)


_XML_STARTS: Final = (b"<", b"\xff\xfe", b"\xfe\xff")
"""After blanks and the mark of UTF-8; in UTF-16 a mark comes first."""
_STARTS: Final = {
    **dict.fromkeys(("text/xml", "application/xml", "application/xslt+xml"), _XML_STARTS),
    "application/pdf": (b"%PDF-",),
}


def _is_of_type(content: bytes, said: str, registered: str) -> bool:
    said, registered = (text.partition(";")[0].strip().lower() for text in (said, registered))
    if registered and said != registered:
        return False
    if said == "application/dicom":
        return content[128:132] == b"DICM"
    return content[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_STARTS.get(said, b""))


def _error(code: str, message: str, rule: str) -> DmpError:
    return DmpError(
        message, code=code, path="DocumentResponse", rule=rule,
        hint="do not use the document: search again, then read it again; if it persists, report it to the DMP support",
        hint_fr="Le document reçu n'est pas celui que le DMP annonce : il n'est pas ouvert.",
    )  # fmt: skip


def together(answers: Sequence[Results[RetrievedDocument]], warnings: Sequence[str]) -> Results[RetrievedDocument]:
    """The answers to several requests as one, after `warnings`."""
    return Results(
        [document for answer in answers for document in answer],
        warnings=[*warnings, *(code for answer in answers for code in answer.warnings)],
        complete=all(answer.complete for answer in answers),
    )
