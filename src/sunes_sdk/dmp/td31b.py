"""DMP_3.1b: find the technical id (entryUUID) of a document from its uniqueId (IHE ITI-18 GetDocuments, ObjectRef).

The only search that a structure may make: with returnType `LeafClass` it would be refused.
"""

from __future__ import annotations

from lxml import etree

from ..xds import query
from . import td31


def body(unique_id: str) -> bytes:
    """The AdhocQueryRequest for one uniqueId. Raises ModelError `QUERY_VALUE` for an empty one."""
    return query.encode(query.get_documents(unique_ids=(unique_id,)), "ObjectRef")


def encode(unique_id: str, *, message_id: str, assertion: bytes) -> tuple[str, bytes]:
    """The Content-Type and body of the HTTP request."""
    return td31.encode(body(unique_id), message_id=message_id, assertion=assertion)


def decode(answer: etree._Element) -> tuple[str, ...]:
    """The entryUUIDs of a query:AdhocQueryResponse: none means that the DMP does not hold the document. Several mean
    that metadata were changed; they are in the order of the answer."""
    found = query.decode(answer)
    return found.object_refs or tuple(entry.id for entry in found.entries)
