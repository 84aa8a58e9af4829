"""The only place where XML is parsed, and the escaping that every XML writer of the library uses."""

from __future__ import annotations

import copy
import hashlib
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from lxml import etree

from .errors import XmlSecurityError

MAX_BYTES = 60_000_000
"""Default bound of a parsed document: above the 50 MB that the official DMP kit accepts."""
MAX_DEPTH = 250
MAX_MARKUP = 1_000_000
"""Default bound of the tags, and of the attributes, of a document: each costs a hundred bytes of memory or more."""
_LIBXML2_TEXT_LIMIT = 9_000_000
_ENCODINGS = frozenset(
    ("utf-8", "utf8", "utf-16", "utf-16le", "utf-16be", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "latin1",
     "windows-1252", "cp1252")
)  # fmt: skip
_DECLARED = re.compile(rb"""(?:\xef\xbb\xbf)?<\?xml[^>]{0,200}?encoding\s*=\s*["']([^"'>]{0,40})""")
_EBCDIC = b"\x4c\x6f\xa7\x94"
_FORBIDDEN = "\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff"
_ILLEGAL = re.compile(f"[{_FORBIDDEN}]")
_TEXT_SPECIAL = re.compile(f"[&<>\r{_FORBIDDEN}]")
_ATTRIBUTE_SPECIAL = re.compile(f'[&<"\t\n\r{_FORBIDDEN}]')


def parse(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> etree._Element:
    """Parse untrusted XML: no DTD, no entities, no network, bounded size and depth.

    Raises XmlSecurityError (`XML_TOO_BIG`, `XML_TOO_MANY`, `XML_ENCODING`, `XML_DTD`, `XML_TOO_DEEP`, `XML_MALFORMED`).
    """
    _check_bytes(data, max_bytes)
    # libxml2 refuses text nodes over 10 MB unless huge_tree; large bodies are already bounded above.
    huge = len(data) > _LIBXML2_TEXT_LIMIT
    return _parsed(data, _PARSERS.of[huge], max_depth if huge else None)


def _check_bytes(data: bytes, max_bytes: int) -> None:
    if len(data) > max_bytes:
        raise XmlSecurityError(
            f"document of {len(data)} bytes is over the limit of {max_bytes}", code="XML_TOO_BIG",
            hint="raise the limit knowingly, or refuse the document",
        )  # fmt: skip
    _check_encoding(data)
    _check_markup(data)


def _parsed(data: bytes, parser: etree.XMLParser, max_depth: int | None) -> etree._Element:
    """max_depth: None when libxml2 has a bound of its own."""
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as e:
        line, column = e.position
        raise XmlSecurityError(
            f"not well-formed XML: {_reason(e)}", code="XML_MALFORMED", path=f"line {line}, column {column}",
            hint="check that the document is complete and declared in its real encoding",
        ) from None  # fmt: skip
    document = root.getroottree().docinfo
    if document is not None and document.doctype:
        raise XmlSecurityError("a DOCTYPE is refused", code="XML_DTD", hint="remove the DOCTYPE declaration")
    if max_depth is not None:
        _check_depth(root, max_depth)
    return root


_SAYS_UTF_8 = b'<?xml version="1.0" encoding="UTF-8"?>'


def is_well_formed(data: bytes) -> bool:
    """Whether `parse` takes the bytes, asked of the same parser without building a tree, in half the time.

    For what we wrote: False may also mean that it is large, or does not say that it is UTF-8, or has an `xml:id`.
    """
    if len(data) > MAX_MARKUP or not data.startswith(_SAYS_UTF_8) or b"xml:id" in data:
        return False
    parser = _PARSERS.without_tree
    parser.reading.has_doctype = False
    try:
        etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        return False
    # Without a tree, a prefix that is not declared is told in the log only.
    return not (parser.reading.has_doctype or len(parser.error_log))


class _Reading:
    """What a parser that builds no tree meets."""

    has_doctype = False

    def doctype(self, *_: object) -> None:
        self.has_doctype = True

    def close(self) -> None:
        """Nothing was made."""


class _ReadingParser(etree.XMLParser):
    """A parser that builds no tree."""

    def __init__(self, **options: Any) -> None:
        self.reading = _Reading()
        super().__init__(target=self.reading, collect_ids=False, **options)  # type: ignore[call-arg]  # the stubs know __new__ only


APART_BYTES = 262_144
"""A document below it is parsed whole."""
_RUN = re.compile(rb">([A-Za-z0-9+/= \t\r\n]{65536,}+)<")
_RETURN = re.compile(rb"\r")
_STAND_IN = "left-out-"  # holds what base64 does not
_STAND_INS = re.compile(rb"left-out-[0-9a-f]{64}\n*\.")


class _ApartParser(etree.XMLParser):
    """The parser of one document; every element of it knows it. left_out: the bytes that each stand-in is for."""

    left_out: dict[str, memoryview]


def parse_apart(data: bytes, holders: Callable[[etree._Element], Iterable[etree._Element]]) -> etree._Element:
    """As `parse`, but that the long base64 texts of a large document stay out of the tree: `left_out` gives them.

    holders: the elements, in document order, whose text may be left out. When anything else is long (a comment, a
    piece of narrative) the document is parsed whole: nobody but the readers of `holders` ever meets a stand-in.
    """
    if len(data) < APART_BYTES:
        return parse(data)
    _check_bytes(data, MAX_BYTES)
    pieces: list[bytes] = []
    stand_ins: list[str] = []
    parser = _hardened(_ApartParser, huge=True)
    parser.left_out = {}
    end = 0
    for found in _RUN.finditer(data):
        start, stop = found.span(1)
        run = memoryview(data)[start:stop]
        # By its bytes, so that equal texts stay equal; with its line ends, so that lines keep their numbers.
        ends = "\n" * data.count(b"\n", start, stop)
        stand_in = f"{_STAND_IN}{hashlib.sha256(run).hexdigest()}{ends}."
        parser.left_out[stand_in] = run
        stand_ins.append(stand_in)
        pieces += (data[end:start], stand_in.encode())
        end = stop
    pieces.append(data[end:])
    if not stand_ins or any(_STAND_IN.encode() in piece for piece in pieces[::2]):
        return parse(data)
    try:
        root = _parsed(b"".join(pieces), parser, MAX_DEPTH)
    except XmlSecurityError:
        return parse(data)  # for the place of what is wrong
    held = [text for e in holders(root) if (text := e.text or "").startswith(_STAND_IN)]
    return root if held == stand_ins else parse(data)


def left_out(element: etree._Element) -> memoryview | None:
    """The text of an element that `parse_apart` left out, None for any other."""
    parser = element.getroottree().parser
    return parser.left_out.get(element.text or "") if isinstance(parser, _ApartParser) else None


def with_left_out(xml: bytes, root: etree._Element) -> bytes:
    """XML of (a part of) a tree of `parse_apart`, the texts that were left out written in."""
    parser = root.getroottree().parser
    if not isinstance(parser, _ApartParser):
        return xml
    pieces: list[bytes | memoryview] = []
    end = 0
    for found in _STAND_INS.finditer(xml):
        run = parser.left_out[found[0].decode()]
        pieces += (xml[end : found.start()], bytes(run).replace(b"\r\n", b"\n") if _RETURN.search(run) else run)
        end = found.end()
    pieces.append(xml[end:])
    return b"".join(pieces)


def declared_encoding(data: bytes) -> str:
    """The encoding that the XML declaration claims, in lower case; empty when it claims none."""
    found = _DECLARED.match(data)
    return found.group(1).decode("ascii", "replace").lower() if found else ""


def _check_encoding(data: bytes) -> None:
    """Encodings that hide `<` (UTF-7, EBCDIC) would pass under the other bounds, and no partner writes them."""
    declared = declared_encoding(data)
    if data.startswith(_EBCDIC) or (declared and declared not in _ENCODINGS):
        raise XmlSecurityError(
            "the encoding of the document is refused", code="XML_ENCODING", path="XML declaration",
            rule="UTF-8; UTF-16, ISO-8859-1, ISO-8859-15 and windows-1252 are read too", hint="encode it in UTF-8",
            hint_fr="L'encodage de ce fichier n'est pas accepté : il doit être en UTF-8.",
        )  # fmt: skip


def _check_markup(data: bytes) -> None:
    for mark, name in ((b"<", "tags"), (b"=", "attributes")):
        if len(data) > MAX_MARKUP and data.count(mark) > MAX_MARKUP:
            raise XmlSecurityError(
                f"more than {MAX_MARKUP} {name}", code="XML_TOO_MANY", path="/",
                rule="bounded memory", hint="refuse the document: no clinical document is like this",
                hint_fr="Ce fichier n'est pas un document de santé lisible.",
            )  # fmt: skip


class _Parsers(threading.local):
    """One parser of each kind per thread: making one costs a quarter of the parsing of a small document."""

    def __init__(self) -> None:
        self.of = {huge: _hardened(etree.XMLParser, huge=huge) for huge in (False, True)}
        self.without_tree = _hardened(_ReadingParser, huge=False)


_Parser = TypeVar("_Parser", bound=etree.XMLParser)


def _hardened(kind: type[_Parser], *, huge: bool) -> _Parser:
    return kind(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=huge)


_PARSERS = _Parsers()


def _reason(error: etree.XMLSyntaxError) -> str:
    """libxml2's error class (`ERR_TAG_NAME_MISMATCH`), without the document text that its message may quote."""
    names = re.findall(r"ERR_[A-Z_]+", str(error.error_log))
    return names[-1] if names else "syntax error"


def _check_depth(root: etree._Element, max_depth: int) -> None:
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > max_depth:
            raise XmlSecurityError(f"elements nested deeper than {max_depth}", code="XML_TOO_DEEP",
                                   hint="refuse the document: no clinical document is like this")  # fmt: skip


def _checked(text: str) -> str:
    found = _ILLEGAL.search(text)
    if found:
        raise XmlSecurityError(
            f"character U+{ord(found.group()):04X} cannot be written in XML",
            code="XML_CHARACTER",
            rule="XML 1.0 production Char",
            hint="remove control characters from the text before building the document",
        )
    return text


def is_plain(text: str) -> bool:
    """True when a text is certain to need no escaping, in an element or in an attribute; nearly every text is so."""
    return text.isprintable() and not ("&" in text or "<" in text or ">" in text or '"' in text)


def escape_text(text: str) -> str:
    """Escape character data exactly as canonical XML does. Raises XmlSecurityError on a forbidden character."""
    # Nearly every text needs nothing. What is printable holds no forbidden character: asking so is twice as fast as
    # searching for all of them.
    if text.isprintable() and not ("&" in text or "<" in text or ">" in text):
        return text
    if _TEXT_SPECIAL.search(text):
        text = _checked(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")
    return text


def escape_attribute(text: str) -> str:
    """Escape an attribute value (between double quotes) exactly as canonical XML does."""
    if text.isprintable() and not ("&" in text or "<" in text or '"' in text):
        return text
    if _ATTRIBUTE_SPECIAL.search(text):
        text = _checked(text).replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
        text = text.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")
    return text


def canonical_document(element: etree._Element) -> bytes:
    """C14N 1.0 with comments of the whole document that holds `element`."""
    return etree.tostring(element.getroottree(), method="c14n", with_comments=True)


def c14n(element: etree._Element, *, exclusive: bool = False, with_comments: bool = False) -> bytes:
    """Canonical XML of an element or of a whole document.

    lxml's inclusive form of a *sub-element* is wrong when its default namespace is declared above it: a deep copy
    gives the right bytes as long as no other prefix is in scope unused, which holds for all we write.
    """
    if not exclusive and element.getparent() is not None:
        element = copy.deepcopy(element)
        element.tail = None
    return etree.tostring(element, method="c14n", exclusive=exclusive, with_comments=with_comments)
