"""N1 documents back into `OperativeReport` or `UnstructuredDocument`."""

from __future__ import annotations

from typing import Any

from lxml import etree

from ..datatypes_reader import find, path_of
from ..documents.unstructured import LANGUAGE, OperativeReport, UnstructuredDocument
from ..header import HeaderServiceEvent
from .body import EmbeddedFile
from .notes import Notes, not_typed
from .people import People, instant, instant_or_none


def read_file_document(root: etree._Element, people: People, notes: Notes) -> UnstructuredDocument:
    """An operative report when it is one as PDF, else a document of its type."""
    text = find(root, "component", "nonXMLBody", "text")
    if text is None or not people.events:
        raise not_typed("it has no file or no act", "component/nonXMLBody")
    header = people.header
    principal = people.events[0]
    is_report = header.code.code == "34874-8" and text.get("mediaType") == "application/pdf"
    kind: type[UnstructuredDocument] = OperativeReport if is_report else UnstructuredDocument
    others = [e for e in people.events[1:] if is_report and principal.code and _is_code_alone(e)]
    people.events = [e for e in people.events if e not in others]
    same = (principal.start, principal.stop) == (header.encounter.start, header.encounter.stop)
    timed = is_report or not same
    start, stop = principal.start, principal.stop
    values: dict[str, Any] = {
        "body": EmbeddedFile(text).data,
        "media_type": text.get("mediaType") or "",
        "language": _language(find(root, "component", "nonXMLBody", "languageCode"), notes),
        "document_type": header.code.code,
        "act": principal.code,
        "performer": people.performer(principal),
        "performed_at": instant(start, "serviceEvent/effectiveTime/low", notes) if timed else None,
        "ended_at": instant_or_none(stop, "serviceEvent/effectiveTime/high", notes) if timed else None,
    }
    if is_report:
        values["other_acts"] = tuple(e.code for e in others)
    return kind(**values | people.shared(default_title=kind.default_title))


def _is_code_alone(event: HeaderServiceEvent) -> bool:
    return event == HeaderServiceEvent(code=event.code) and event.code is not None


def _language(element: etree._Element | None, notes: Notes) -> str | None:
    code = element.get("code") if element is not None else None
    if element is None or not code or LANGUAGE.fullmatch(code):
        return code or None
    notes.leave("the language of the file", path_of(element), "it is no language with its country")
    return None
