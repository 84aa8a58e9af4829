"""How a rule is written and run: one rule, one code, one test, one line of the catalogue."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar, cast

from lxml import etree

from ..._core.findings import Finding, Severity
from ..datatypes_reader import base64_pieces, find, path_of
from ..header import CdaDocument
from ..pdf_body import FileFacts, PdfFacts, file_facts, pdf_facts
from ..reader import V3

Problem = tuple[etree._Element | str, str]
"""Where (an element, or a path already written) and what was seen, without any personal datum."""
Held = bool | Callable[[CdaDocument], bool]
"""Whether no document of ours breaks a rule; or what tells from its header and bytes that this one does not."""

SMDS = "CI-SIS Structuration minimale de documents de santé (SMDS)"
LDL_SES = "CI-SIS volet LDL-SES 2022.01"
EP_MED_DM = "CI-SIS volet eP-MED-DM 2024.01"
CR_BIO = "CI-SIS volet CR-BIO 2024.01"
CR_IMG = "CI-SIS volet IMG-CR-IMG 2024.01"


_HEADER_NULLS = etree.XPath("*[not(self::c:component)]//@nullFlavor/..", namespaces={"c": V3.strip("{}")})
_PERSONS = frozenset(V3 + p for p in ("assignedPerson", "associatedPerson", "informationRecipient", "relatedPerson"))


_WITH_ID = etree.XPath("//@ID/..")
_ID_TAGS = frozenset(V3 + t for t in (
    "content", "tr", "td", "th", "table", "tbody", "thead", "paragraph", "list", "item", "caption", "linkHtml",
    "footnote", "renderMultiMedia", "observationMedia", "regionOfInterest", "section", "col", "colgroup", "br",
))  # fmt: skip


class CheckedFile:
    """A file in the document."""

    def __init__(self, element: etree._Element) -> None:
        self.element = element

    @property
    def media_type(self) -> str:
        return self.element.get("mediaType") or ""

    @property
    def is_body(self) -> bool:
        return self.element.tag == f"{V3}text"

    @cached_property
    def facts(self) -> FileFacts | None:
        """What its bytes are, None when there are none or they are not base64."""
        try:
            facts = file_facts(lambda: base64_pieces(self.element), self.media_type)
        except ValueError:
            return None
        return facts if facts.size else None

    @property
    def pdf(self) -> PdfFacts | None:
        """What it is as a PDF, None when it does not claim to be one."""
        if self.media_type != "application/pdf":
            return None
        return self.facts.pdf if self.facts else pdf_facts(b"")


class View:
    """A parsed document: what several rules look for is looked for once."""

    def __init__(self, root: etree._Element) -> None:
        self.root = root
        self.made: dict[object, object] = {}
        self._by_tag: dict[str, list[etree._Element]] = {}
        children: defaultdict[object, list[etree._Element]] = defaultdict(list)
        for child in root.iterchildren(etree.Element):
            children[child.tag].append(child)
        self._children = children

    def all(self, name: str) -> list[etree._Element]:
        """Every element of this local name (v3), in document order."""
        found = self._by_tag.get(name)
        if found is None:
            found = self._by_tag[name] = list(self.root.iter(V3 + name))
        return found

    def children(self, name: str) -> list[etree._Element]:
        """The children of ClinicalDocument of this name."""
        return self._children.get(V3 + name, [])

    @cached_property
    def narrative_ids(self) -> list[tuple[etree._Element, str]]:
        """Places of the narrative that have an ID, with it."""
        found = _WITH_ID(self.root)
        elements = [e for e in found if isinstance(e, etree._Element)] if isinstance(found, list) else []
        return [(e, e.get("ID", "")) for e in elements if e.tag in _ID_TAGS]

    @cached_property
    def templates(self) -> dict[str, list[etree._Element]]:
        """templateId root → elements that carry it."""
        found: dict[str, list[etree._Element]] = {}
        for template in self.all("templateId"):
            parent = template.getparent()
            if parent is not None:
                found.setdefault(template.get("root") or "", []).append(parent)
        return found

    @cached_property
    def header_templates(self) -> frozenset[str]:
        return frozenset(t.get("root") or "" for t in self.children("templateId"))

    @cached_property
    def type_code(self) -> str:
        codes = self.children("code")
        return (codes[0].get("code") or "") if codes else ""

    @cached_property
    def is_structured(self) -> bool:
        return bool(self.all("structuredBody"))

    @cached_property
    def null_of_header(self) -> list[etree._Element]:
        """Elements of the header that have a nullFlavor."""
        found = _HEADER_NULLS(self.root)
        return [e for e in found if isinstance(e, etree._Element)] if isinstance(found, list) else []

    @cached_property
    def person_names(self) -> list[etree._Element]:
        """`name` of everyone but the patient."""
        return [n for n in self.all("name") if (p := n.getparent()) is not None and p.tag in _PERSONS]

    @cached_property
    def files(self) -> list[CheckedFile]:
        """The file of the body and those of the entries."""
        holders = [find(body, "text") for body in self.all("nonXMLBody")]
        holders += [find(media, "value") for media in self.all("observationMedia")]
        return [CheckedFile(e) for e in holders if e is not None]

    def entries(self, template: str, *, of: str) -> list[etree._Element]:
        """Elements that carry a templateId, in a document of this model (templateId of the header)."""
        return self.templates.get(template, []) if of in self.header_templates else []

    def sections(self, template: str) -> list[etree._Element]:
        """Sections that carry a templateId."""
        return [e for e in self.templates.get(template, ()) if e.tag == f"{V3}section"]


_T = TypeVar("_T")


def per_document(make: Callable[[View], _T]) -> Callable[[View], _T]:
    """Decorates what several rules look up in a document: made once for each View."""

    def made(view: View) -> _T:
        if make not in view.made:
            view.made[make] = make(view)
        return cast(_T, view.made[make])

    return made


_STEP = re.compile(r"(\w+)(?:\[(\d+)\])?")


def _nearest(root: etree._Element, path: str) -> etree._Element:
    """The element at a written path, or the last one on the way to what is absent."""
    for step in path.strip("/").split("/"):
        name = _STEP.fullmatch(step)
        found = list(root.iterchildren(V3 + name[1])) if name else []
        place = int(name[2] or 1) - 1 if name else 0
        if not 0 <= place < len(found):
            break
        root = found[place]
    return root


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """code: of its findings; text: what must hold; source; hint / message_fr: what to do; run: what it saw wrong.

    kit_is_silent: the official text says it and the official validator does not look; a relaxed check only warns.
    held: the models and `render` leave no way to break it, or none with what this document says, so that a document of
    ours is not asked; a test that changes models at random looks for such a way.
    """

    code: str
    text: str
    source: str
    hint: str
    message_fr: str
    severity: Severity
    run: Callable[[View], Iterable[Problem]]
    kit_is_silent: bool = False
    held: Held = False

    def finding(self, view: View, where: etree._Element | str, seen: str, *, relaxed: bool = False) -> Finding:
        return Finding(
            code=self.code,
            message=seen,
            path=where if isinstance(where, str) else path_of(where),
            severity=Severity.WARNING if relaxed and self.kit_is_silent else self.severity,
            rule=self.text,
            source=self.source,
            hint=self.hint,
            message_fr=self.message_fr,
            line=(_nearest(view.root, where) if isinstance(where, str) else where).sourceline or 0,
        )


def has_no_file(document: CdaDocument) -> bool:
    """Whether neither the body nor an entry of a document of ours is a file."""
    return document.written is not None and not document.written.has_files


def is_not_of(template: str) -> Callable[[CdaDocument], bool]:
    """Of documents of ours: whether the header has not this templateId."""
    return lambda document: all(t.root != template for t in document.header.template_ids)


class RuleSet:
    """The rules of one module, in the order written. held: of those that do not say it themselves."""

    def __init__(self, source: str, *, held: bool = False) -> None:
        self.source = source
        self.held = held
        self.rules: list[Rule] = []

    def rule(
        self,
        code: str,
        text: str,
        *,
        hint: str,
        fr: str = "",
        severity: Severity = Severity.ERROR,
        source: str = "",
        kit_is_silent: bool = False,
        held: Held | None = None,
    ) -> Callable[[Callable[[View], Iterable[Problem]]], Callable[[View], Iterable[Problem]]]:
        """Register the decorated generator of problems under a code."""

        def register(run: Callable[[View], Iterable[Problem]]) -> Callable[[View], Iterable[Problem]]:
            self.rules.append(
                Rule(
                    code=code,
                    text=text,
                    source=source or self.source,
                    hint=hint,
                    message_fr=fr,
                    severity=severity,
                    run=run,
                    kit_is_silent=kit_is_silent,
                    held=self.held if held is None else held,
                )
            )
            return run

        return register
