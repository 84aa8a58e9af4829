"""What typed reading leaves aside: whatever a reader of a document kind did not take is listed, so nothing is lost
silently."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lxml import etree

from ..._core.errors import CdaError, ModelError
from ..._core.findings import Finding, Report, Severity
from ..datatypes_reader import code_of, find, path_of
from ..envelope import V3

_ALWAYS_READ: Final = frozenset(
    V3 + name
    for name in ("realmCode", "typeId", "templateId", "id", "code", "title", "text", "statusCode", "languageCode",
                 "confidentialityCode", "independentInd")
)  # fmt: skip
_HOLDERS: Final = frozenset(V3 + name for name in ("entry", "entryRelationship", "component"))
_STATEMENTS: Final = frozenset(
    V3 + name
    for name in ("act", "encounter", "observation", "observationMedia", "organizer", "procedure", "regionOfInterest",
                 "substanceAdministration", "supply")
)  # fmt: skip
_EVERYTHING: Final = frozenset(("*",))


class Notes:
    """Kept while one document is read: what was taken, and what had to be left out."""

    def __init__(self) -> None:
        self._taken: dict[etree._Element, frozenset[str]] = {}
        self._findings: list[Finding] = []

    def take(self, element: etree._Element, *reads: str) -> None:
        """This section, entry or statement is read, with these of its children beside the usual ones (`*`: all)."""
        self._taken[element] = frozenset(reads)

    def taken(self, element: etree._Element) -> bool:
        return element in self._taken

    def leave(self, what: str, path: str, why: str = "the model has no place for it", code: str = "CDA_UNREAD") -> None:
        """A part of the header or a value that is left out."""
        self._findings.append(
            Finding(
                code=code, severity=Severity.WARNING, path=path, message=f"{what} is not in the model: {why}",
                rule="nothing received is lost silently", hint="read it through root, sections or header",
                message_fr="Une partie du document reçu n'est pas reprise dans les données structurées.",
            )
        )  # fmt: skip

    def report(self, root: etree._Element) -> Report:
        """Everything left aside, in document order after the parts of the header."""
        body = find(root, "component", "structuredBody")
        return Report.of((*self._findings, *(self._unread(body) if body is not None else ())))

    def _unread(self, parent: etree._Element) -> Iterator[Finding]:
        reads = self._taken.get(parent, frozenset())
        if reads == _EVERYTHING:
            return
        is_statement = parent.tag in _STATEMENTS
        for child in parent.iterchildren(etree.Element):
            if child.tag in _STATEMENTS or child.tag == f"{V3}section":
                if child not in self._taken:
                    yield _finding(child)
                else:
                    yield from self._unread(child)
            elif child.tag in _HOLDERS:
                yield from self._unread(child)
            elif (
                (is_statement or parent.tag == f"{V3}section")
                and child.tag not in _ALWAYS_READ
                and etree.QName(child).localname not in reads
                and child.get("nullFlavor") is None
            ):
                yield _finding(child)


def _finding(element: etree._Element) -> Finding:
    name = etree.QName(element).localname
    code = code_of(find(element, "code"))
    which = f" {code.code} ({code.display})" if code else ""
    kind = "SECTION" if name == "section" else "ENTRY" if element.tag in _STATEMENTS else "VALUE"
    return Finding(
        code=f"CDA_UNREAD_{kind}", severity=Severity.WARNING, path=path_of(element),
        message=f"{name}{which} is not in the model", rule="nothing received is lost silently",
        hint="read it through sections", message_fr="Une partie du document reçu n'est pas reprise dans les données "
        "structurées.",
    )  # fmt: skip


def not_typed(reason: str, path: str, error: ModelError | None = None) -> CdaError:
    """The document says too little, or says it in a form that its model refuses."""
    report = Report.of(error.findings) if error and error.findings else None
    return CdaError(
        f"the document cannot be read as its model: {reason}", code="CDA_NOT_TYPED", path=path,
        rule=error.rule if error else "the fields that the model needs", hint="read its header and its sections",
        hint_fr="Ce document ne contient pas les données attendues pour son type.", report=report,
    )  # fmt: skip
