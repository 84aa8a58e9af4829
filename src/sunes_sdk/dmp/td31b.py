"""DMP_3.1b: find the technical id (entryUUID) of a document from its uniqueId (IHE ITI-18 GetDocuments, ObjectRef).

The only search that a structure may make: with returnType `LeafClass` it would be refused.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from .. import xds
from .._core.xml import escape_text
from ..transport import soap

ACTION: Final = "urn:ihe:iti:2007:RegistryStoredQuery"
GET_DOCUMENTS: Final = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
UNIQUE_ID: Final = "$XDSDocumentEntryUniqueId"
QUERY: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"


def quoted(value: str) -> str:
    """A text parameter of a stored query: between apostrophes, inner ones doubled."""
    return "'" + value.replace("'", "''") + "'"


def body(unique_id: str) -> bytes:
    """The AdhocQueryRequest for one uniqueId."""
    return (
        f'<query:AdhocQueryRequest xmlns:query="{QUERY}" xmlns:rim="{xds.ebrim.RIM}">'
        '<query:ResponseOption returnComposedObjects="true" returnType="ObjectRef"/>'
        f'<rim:AdhocQuery id="{GET_DOCUMENTS}"><rim:Slot name="{UNIQUE_ID}"><rim:ValueList><rim:Value>'
        f"({escape_text(quoted(unique_id))})</rim:Value></rim:ValueList></rim:Slot></rim:AdhocQuery>"
        "</query:AdhocQueryRequest>"
    ).encode()


def encode(unique_id: str, *, message_id: str, assertion: bytes) -> tuple[str, bytes]:
    """The Content-Type and body of the HTTP request."""
    envelope = soap.envelope(
        action=ACTION, message_id=message_id, headers=soap.security(assertion), body=body(unique_id)
    )
    return soap.content_type(ACTION), envelope


def decode(answer: etree._Element) -> tuple[str, ...]:
    """The entryUUIDs of a query:AdhocQueryResponse: none means that the DMP does not hold the document. Several mean
    that metadata were changed; they are in the order of the answer."""
    if not any(True for _ in answer.iter(f"{{{xds.ebrim.RIM}}}RegistryObjectList")):
        return ()
    found = xds.decode_element(answer)
    return found.object_refs or tuple(entry.id for entry in found.entries)
