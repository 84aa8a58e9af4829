"""TD2.1, feeding the DMP (IHE ITI-41): a submission set, its document and the signature of the set, as pure codec."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final

from .. import xds
from .._core.errors import MetadataError
from .._core.hl7time import to_dtm_utc
from .._core.pieces import Data, pieces_of
from .._core.xml import escape_attribute
from ..model import Code, Document, Receipt
from ..security import xades
from ..security.signer import DigestName, Signer
from ..transport import mtom, soap
from ..transport.seam import Body
from ..xds import Association, Author, DocumentEntry, Submission, SubmissionSet
from ..xds.ebrim import association

ACTION: Final = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
XDS_B: Final = "urn:ihe:iti:xds-b:2007"
SET_ID: Final = "SubmissionSet01"
DOCUMENT_ID: Final = "Document01"
SIGNATURE_ID: Final = "Signature01"

_SIGNATURE_CLASS = Code(code="urn:oid:1.3.6.1.4.1.19376.1.2.1.1.1", system="URN", display="Digital Signature")
_SIGNATURE_TYPE = Code(code="E1762", system="ASTM", display="Full Document")
_SIGNATURE_FORMAT = Code(code="http://www.w3.org/2000/09/xmldsig#", system="URN", display="Default Signature Style")
_SIGNATURE_EVENT = Code(code=xades.PURPOSE_SOURCE, system="1.2.840.10065.1.12", display="Source")
_NORMAL = Code(code="N", system="2.16.840.1.113883.5.25", display="Normal")
MASKED = Code(code="MASQUE_PS", system="1.2.250.1.213.1.1.4.13", display="Masqué aux professionnels de santé")
INVISIBLE = Code(code="INVISIBLE_PATIENT", system="1.2.250.1.213.1.1.4.13", display="Non visible par le patient")


def signature_entry(
    document: DocumentEntry, *, author: Author, unique_id: str, submission_time: str, content: bytes, sha1: str
) -> DocumentEntry:
    """The entry of the XAdES document: about the submission, by its author, hidden from readers of the DMP."""
    return DocumentEntry(
        id=SIGNATURE_ID,
        mime_type="text/xml",
        unique_id=unique_id,
        patient_id=document.patient_id,
        type_code=_SIGNATURE_TYPE,
        class_code=_SIGNATURE_CLASS,
        format_code=_SIGNATURE_FORMAT,
        facility_type=document.facility_type,
        practice_setting=document.practice_setting,
        confidentiality=(_NORMAL, MASKED, INVISIBLE),
        event_codes=(_SIGNATURE_EVENT,),
        authors=(author,),
        legal_authenticator=author.person,
        title="Source",
        creation_time=submission_time,
        service_start=submission_time,
        service_stop=submission_time,
        language="art",
        source_patient_id=document.patient_id,
        hash=sha1,
        size=len(content),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedSubmission:
    """A submission ready to be written: its metadata and the bytes of the set's signature."""

    submission: Submission
    signature: bytes = field(repr=False)


def sign(
    entry: DocumentEntry,
    submission_set: SubmissionSet,
    content: bytes,
    *,
    canonical: bytes | memoryview | None,
    signer: Signer,
    submitted_at: datetime,
    signature_unique_id: str,
    signature_id: str,
    digest: DigestName,
) -> SignedSubmission:
    """Sign the set (one RSA signature) and assemble its objects: set, document, signature, three associations.

    entry: of the document, `content` its exact bytes, `canonical` its canonical form (None when it is no XML);
    submission_set: complete, with its author; signature_id: an NCName.
    Raises SigningError, CertificateError.
    """
    author = submission_set.author
    assert author is not None
    signed = xades.SignedDocument(entry.unique_id, content if canonical is None else canonical, canonical is not None)
    signature = xades.sign_submission(
        submission_unique_id=submission_set.unique_id,
        documents=[signed],
        signer=signer,
        signing_time=submitted_at,
        signature_id=signature_id,
        digest=digest,
    )
    of_signature = signature_entry(
        entry,
        author=author,
        unique_id=signature_unique_id,
        submission_time=to_dtm_utc(submitted_at),
        content=signature,
        sha1=sha1_hex(signature),
    )
    return SignedSubmission(
        submission=Submission(
            submission_set=submission_set, entries=(entry, of_signature), associations=_links(entry.id)
        ),
        signature=signature,
    )


@lru_cache(maxsize=16)
def _links(entry_id: str) -> tuple[Association, ...]:
    return (
        Association(id="assoc1", type=xds.HAS_MEMBER, source=SET_ID, target=entry_id, slots=xds.ORIGINAL),
        Association(id="assoc2", type=xds.HAS_MEMBER, source=SET_ID, target=SIGNATURE_ID, slots=xds.ORIGINAL),
        Association(id="assoc3", type=xds.SIGNS, source=SIGNATURE_ID, target=SET_ID, slots=xds.ORIGINAL),
    )


def sha1_hex(data: Data) -> str:
    """IHE's document hash, not a security measure."""
    digest = hashlib.sha1(usedforsecurity=False)
    for piece in pieces_of(data):
        digest.update(piece)
    return digest.hexdigest()


def check_replaces(document: Document, of: Receipt | Document) -> None:
    """Raises MetadataError: `DMP_REPLACES` when the document does not name what it replaces, `DMP_VERSION` when it is
    not its next version (looked at when `of` is the document itself; of a receipt only the uniqueId is known)."""
    if document.replaces != of.unique_id:
        raise MetadataError(
            "the document does not replace that one", code="DMP_REPLACES", path="document.replaces",
            rule="CDA relatedDocument[RPLC] = uniqueId of the version to replace",
            hint="make the new version with revise(of=…)",
        )  # fmt: skip
    if isinstance(of, Receipt):
        is_next = document.version_number > 1
    else:
        is_next = (document.set_id, document.version_number) == (of.set_id, of.version_number + 1)
    if not is_next:
        raise MetadataError(
            "the document is not the next version of that one", code="DMP_VERSION",
            path="ClinicalDocument/setId, versionNumber", rule="same setId, versionNumber + 1",
            hint="make the new version with revise(of=…)",
            hint_fr="La nouvelle version ne suit pas celle qu'elle remplace.",
        )  # fmt: skip


_LIST_END = b"</rim:RegistryObjectList>"


def replacing(ebrim: bytes, entry_uuid: str) -> bytes:
    """The same metadata with an RPLC association from the document to `entry_uuid`, the entryUUID of the version in
    the DMP. It is asked for at each attempt: the DMP changes it with each change of metadata."""
    link = association(Association(id="assoc4", type=xds.REPLACES, source=DOCUMENT_ID, target=entry_uuid))
    head, end, tail = ebrim.rpartition(_LIST_END)
    return b"".join((head, link.encode(), end, tail))


@dataclass(frozen=True, slots=True)
class Attachment:
    """A document of the request: its ExtrinsicObject id, its exact bytes and media type."""

    id: str
    data: Data = field(repr=False)
    content_type: str = "text/xml"


def body(ebrim: bytes, attachments: tuple[Attachment, ...]) -> bytes:
    """xds:ProvideAndRegisterDocumentSetRequest; each `Document/@id` is an ExtrinsicObject id, its bytes a part."""
    documents = "".join(
        f'<xds:Document id="{escape_attribute(a.id)}"><xop:Include href="cid:{_cid(a.id)}"/></xds:Document>'
        for a in attachments
    )
    return b"".join((_REQUEST_START, ebrim, documents.encode(), b"</xds:ProvideAndRegisterDocumentSetRequest>"))


_REQUEST_START = f'<xds:ProvideAndRegisterDocumentSetRequest xmlns:xds="{XDS_B}" xmlns:xop="{soap.XOP}">'.encode()


def _cid(identifier: str) -> str:
    return f"{identifier}@sunes"


def encode(ebrim: bytes, attachments: tuple[Attachment, ...], *, message_id: str, assertion: bytes) -> tuple[str, Body]:
    """The Content-Type and body of the HTTP request. message_id: `urn:uuid:…`, fresh; assertion: the signed VIHF."""
    envelope = soap.envelope(
        action=ACTION, message_id=message_id, headers=soap.security(assertion), body=body(ebrim, attachments)
    )
    parts = [mtom.Part(_cid(a.id), a.data, a.content_type) for a in attachments]
    return mtom.package(envelope, parts, action=ACTION)
