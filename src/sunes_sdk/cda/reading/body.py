"""The body of a received document as a tree of sections: narrative, entries, embedded files. Nothing can be changed.

Narrative is what a person reads; entries are the same facts for machines. `Node` gives faithful access to what has no
name here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Final

from lxml import etree

from ..._core.errors import CdaError
from ..._core.xml import with_left_out
from ...model import Code
from ..datatypes_reader import code_of, content_of, find, ii_of, iis_of, path_of, text_of
from ..envelope import V3
from ..header import II

_NARRATIVE: Final = frozenset(
    ("content", "linkHtml", "sub", "sup", "br", "footnote", "footnoteRef", "renderMultiMedia", "paragraph", "list",
     "item", "caption", "table", "thead", "tbody", "tfoot", "tr", "th", "td", "col", "colgroup")
)  # fmt: skip
_KEPT: Final = frozenset(("ID", "styleCode", "listType", "colspan", "rowspan", "align", "revised", "referencedObject"))
_SAFE_LINKS: Final = ("http://", "https://", "mailto:", "#")
_BLOCKS: Final = frozenset(("paragraph", "list", "item", "table", "tr", "caption", "footnote"))


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """Read-only view of one XML element.

    name: without namespace; namespace; attributes: names of attributes of a namespace are `{uri}name`.
    """

    _element: etree._Element = field(repr=False)

    @property
    def name(self) -> str:
        return etree.QName(self._element).localname

    @property
    def namespace(self) -> str:
        return etree.QName(self._element).namespace or ""

    @property
    def attributes(self) -> Mapping[str, str]:
        return MappingProxyType({str(k): str(v) for k, v in self._element.attrib.items()})

    @property
    def text(self) -> str:
        """All the text inside, without comments."""
        return with_left_out("".join(self._element.itertext()).encode(), self._element).decode().strip()

    @property
    def code(self) -> Code | None:
        """This element as a coded value (CE, CD), None when it has no code and code system."""
        return code_of(self._element)

    @property
    def id(self) -> II | None:
        """This element as an identifier."""
        return ii_of(self._element)

    @property
    def file(self) -> EmbeddedFile | None:
        """This element as an embedded file, None when it is not one."""
        return EmbeddedFile(self._element) if _is_file(self._element) else None

    @property
    def path(self) -> str:
        """Where it is: an XPath without names of people or values."""
        return path_of(self._element)

    def children(self, name: str = "") -> tuple[Node, ...]:
        """Elements inside, in order; `name` of the CDA namespace, all of them when empty."""
        return tuple(Node(e) for e in self._element.iterchildren(V3 + name if name else etree.Element))

    def find(self, *names: str) -> Node | None:
        """The first element at this path of CDA names: `find("code", "originalText")`."""
        found = find(self._element, *names)
        return Node(found) if found is not None else None

    def xml(self) -> bytes:
        """The element as XML, with the namespaces it needs."""
        return with_left_out(etree.tostring(self._element, with_tail=False), self._element)


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedFile:
    """A file inside the document: the body of an N1, a PDF copy, an image.

    media_type: as the document says it, empty when it does not.
    """

    _element: etree._Element = field(repr=False)

    @property
    def media_type(self) -> str:
        return self._element.get("mediaType") or ""

    @property
    def path(self) -> str:
        return path_of(self._element)

    @property
    def data(self) -> bytes:
        """The bytes, decoded at each call. Raises CdaError `CDA_BASE64`."""
        try:
            return content_of(self._element)
        except ValueError:
            raise CdaError(
                "the content is not base64", code="CDA_BASE64", path=self.path, rule="CDA ED, representation B64",
                hint="ask the sender for a valid document", hint_fr="Le fichier joint à ce document est illisible.",
            ) from None  # fmt: skip


def _is_file(element: etree._Element) -> bool:
    return element.get("representation") == "B64" or (
        element.get("mediaType") is not None and not len(element) and bool((element.text or "").strip())
    )


def files_of(root: etree._Element) -> Iterator[EmbeddedFile]:
    """Every embedded file below an element, in document order."""
    return (EmbeddedFile(e) for e in root.iter(f"{V3}value", f"{V3}text", f"{V3}thumbnail") if _is_file(e))


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of narrative: name: of the CDA narrative block (`paragraph`, `table`, `td` …), an unknown element is
    `content`; attributes: the harmless ones, and `href` of http(s), mailto or inside links; content: texts and
    blocks, in order.

    It never holds a script, a style or an event handler, whatever was received.
    """

    name: str
    attributes: Mapping[str, str]
    content: tuple[str | Block, ...]

    @property
    def text(self) -> str:
        """As plain text: one line per paragraph, item or row, cells parted by ` | `."""
        pieces: list[str] = []
        _plain(self, pieces)
        lines = (" ".join(line.split(" ")).strip() for line in "".join(pieces).split("\n"))
        return "\n".join(line for line in lines if line)


def _plain(block: Block, out: list[str]) -> None:
    if block.name == "br":
        out.append("\n")
        return
    if block.name in _BLOCKS and out and not out[-1].endswith(("\n", "- ")):
        out.append("\n")
    if block.name == "item":
        out.append("- ")
    cells = 0
    for each in block.content:
        if isinstance(each, str):
            if block.name not in ("table", "tbody", "thead", "tfoot", "tr", "list"):
                out.append(each)
            continue
        if block.name == "tr":
            if cells:
                out.append(" | ")
            cells += 1
        _plain(each, out)
    if block.name in _BLOCKS and out and not out[-1].endswith("\n"):
        out.append("\n")


def block_of(element: etree._Element) -> Block:
    """The narrative below an element (`section/text`)."""
    name = etree.QName(element).localname
    content: list[str | Block] = [element.text] if element.text else []
    for child in element:
        if isinstance(child.tag, str):
            content.append(block_of(child))
        if child.tail:
            content.append(child.tail)
    attributes = {k: str(v) for k, v in element.attrib.items() if k in _KEPT}
    href = (element.get("href") or "").strip()
    if name == "linkHtml" and href.lower().startswith(_SAFE_LINKS):
        attributes["href"] = href
    known = name in _NARRATIVE or name == "text"
    return Block(name if known else "content", MappingProxyType(attributes), tuple(content))


@dataclass(frozen=True, eq=False, kw_only=True)
class Section:
    """A section of a structured body.

    code 0..1: LOINC or TA_ASIP; title: empty when absent; template_ids 0..*; id 0..1; entries 0..*: the entry
    elements; sections 0..*: those inside it.
    """

    _element: etree._Element = field(repr=False)

    @cached_property
    def code(self) -> Code | None:
        return code_of(find(self._element, "code"))

    @cached_property
    def title(self) -> str:
        return text_of(find(self._element, "title"))

    @cached_property
    def template_ids(self) -> tuple[II, ...]:
        return tuple(iis_of(self._element.iterchildren(f"{V3}templateId")))

    @cached_property
    def id(self) -> II | None:
        return ii_of(find(self._element, "id"))

    @cached_property
    def narrative(self) -> Block | None:
        """The narrative as a tree, None when the section has no text."""
        text = find(self._element, "text")
        return block_of(text) if text is not None else None

    @property
    def text(self) -> str:
        """The narrative as plain text."""
        return self.narrative.text if self.narrative else ""

    @cached_property
    def entries(self) -> tuple[Node, ...]:
        return tuple(Node(e) for e in self._element.iterchildren(f"{V3}entry"))

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        return tuple(sections_of(self._element))

    @property
    def files(self) -> tuple[EmbeddedFile, ...]:
        """The files of its entries, and of the sections inside it."""
        return tuple(
            f for e in self._element.iterchildren(f"{V3}entry", f"{V3}component") for f in files_of(e)
        )  # fmt: skip

    @property
    def node(self) -> Node:
        return Node(self._element)

    @property
    def path(self) -> str:
        return path_of(self._element)

    def walk(self) -> Iterator[Section]:
        """This section and all those inside it, in order."""
        yield self
        for inner in self.sections:
            yield from inner.walk()

    def is_a(self, code_or_template: str) -> bool:
        """Whether its code, or one of its templateIds, is this one."""
        return (self.code is not None and self.code.code == code_or_template) or any(
            t.root == code_or_template for t in self.template_ids
        )


def sections_of(parent: etree._Element) -> Iterator[Section]:
    """The sections of a structuredBody or of a section."""
    for component in parent.iterchildren(f"{V3}component"):
        for element in component.iterchildren(f"{V3}section"):
            yield Section(_element=element)
