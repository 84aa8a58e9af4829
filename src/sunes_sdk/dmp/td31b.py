"""DMP_3.1b: find the technical id (entryUUID) of a document from its uniqueId (IHE ITI-18 GetDocuments, ObjectRef).

The only search that a structure may make: with returnType `LeafClass` it would be refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

from lxml import etree

from .._core.errors import ConfigurationError, TransportError
from .._core.retry import RetryAdvice
from ..xds import query
from . import td31


def body(unique_id: str) -> bytes:
    """The AdhocQueryRequest for one uniqueId. Raises ModelError `QUERY_VALUE` for an empty one."""
    return query.encode(query.get_documents(unique_ids=(unique_id,)), "ObjectRef")


def encode(unique_id: str, *, message_id: str, assertion: bytes) -> tuple[str, bytes]:
    """The Content-Type and body of the HTTP request."""
    return td31.encode(body(unique_id), message_id=message_id, assertion=assertion)


def decode(answer: etree._Element, unique_id: str) -> tuple[str, ...]:
    """The distinct entryUUIDs of a query:AdhocQueryResponse: none means that the DMP does not hold the document.
    Several mean that metadata were changed; they are in the order of the answer.

    Raises TransportError `ANSWER_UNEXPECTED` (`sent="maybe"`) when it holds something else, or says that it found what
    it does not give: neither is an absence.
    """
    found = query.decode(answer)
    ids = found.object_refs or tuple(entry.id for entry in found.entries)
    ours = all(entry.unique_id == unique_id for entry in found.entries)
    if not ours or not all(map(_ENTRY_UUID.match, ids)) or (not ids and query.total_of(answer)):
        raise not_about_it()
    return tuple({uuid.lower(): uuid for uuid in ids}.values())


SEVERAL: Final = "DMP_SEVERAL_VERSIONS"
"""Code of the error: the DMP holds several versions of a document, and which is in use cannot be told."""


def in_use(entry_uuids: Sequence[str], order: Literal["refuse", "first", "last"]) -> str:
    """The version in use among those of one answer, by `settings.dmp.several_versions`; empty for none. Raises
    ConfigurationError `SEVERAL`."""
    if len(entry_uuids) > 1 and order == "refuse":
        raise ConfigurationError(
            f"the DMP holds {len(entry_uuids)} versions of this document, and does not say which is in use",
            code=SEVERAL, path="settings.dmp.several_versions",
            rule="a version in use is replaced or changed; in which order the DMP lists versions is not public",
            hint="try on the test DMP: mask a document, ask for its id; then set dmp.several_versions to what you saw, "
            "or let a professional act with a card (mode DIRECTE)",
            hint_fr="Le DMP connaît plusieurs versions de ce document : un professionnel doit agir avec sa carte.",
        )  # fmt: skip
    return "" if not entry_uuids else entry_uuids[0 if order == "first" else -1]


def not_about_it() -> TransportError:
    """The answer is about something else than the document asked for: neither that nor an absence."""
    return TransportError(
        "the DMP did not answer about this document", sent="maybe", code="ANSWER_UNEXPECTED", path="Body",
        rule="GetDocuments: the document asked for, or nothing", retry=RetryAdvice.reconcile_first(),
        hint="ask again; record the frames (transport.recorder)",
        hint_fr="La réponse du DMP n'est pas celle attendue.",
    )  # fmt: skip


_ENTRY_UUID: Final = re.compile(r"urn:uuid:[0-9a-f-]{36}", re.IGNORECASE)
