"""The only place where XML is parsed, and the escaping that every XML writer of the library uses."""

from __future__ import annotations

import copy
import re
import threading

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
# Nearly every text needs nothing: one search says so.
_TEXT_SPECIAL = re.compile(f"[&<>\r{_FORBIDDEN}]")
_ATTRIBUTE_SPECIAL = re.compile(f'[&<"\t\n\r{_FORBIDDEN}]')


def parse(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> etree._Element:
    """Parse untrusted XML: no DTD, no entities, no network, bounded size and depth.

    Raises XmlSecurityError (`XML_TOO_BIG`, `XML_TOO_MANY`, `XML_ENCODING`, `XML_DTD`, `XML_TOO_DEEP`, `XML_MALFORMED`).
    """
    if len(data) > max_bytes:
        raise XmlSecurityError(
            f"document of {len(data)} bytes is over the limit of {max_bytes}", code="XML_TOO_BIG",
            hint="raise the limit knowingly, or refuse the document",
        )  # fmt: skip
    _check_encoding(data)
    _check_markup(data)
    # libxml2 refuses text nodes over 10 MB unless huge_tree; large bodies are already bounded above.
    huge = len(data) > _LIBXML2_TEXT_LIMIT
    try:
        root = etree.fromstring(data, _PARSERS.of[huge])
    except etree.XMLSyntaxError as e:
        line, column = e.position
        raise XmlSecurityError(
            f"not well-formed XML: {_reason(e)}", code="XML_MALFORMED", path=f"line {line}, column {column}",
            hint="check that the document is complete and declared in its real encoding",
        ) from None  # fmt: skip
    document = root.getroottree().docinfo
    if document is not None and document.doctype:
        raise XmlSecurityError("a DOCTYPE is refused", code="XML_DTD", hint="remove the DOCTYPE declaration")
    if huge:
        _check_depth(root, max_depth)
    return root


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
        self.of = {huge: _hardened(huge=huge) for huge in (False, True)}


def _hardened(*, huge: bool) -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=huge
    )  # fmt: skip


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


def escape_text(text: str) -> str:
    """Escape character data exactly as canonical XML does. Raises XmlSecurityError on a forbidden character."""
    if _TEXT_SPECIAL.search(text):
        text = _checked(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")
    return text


def escape_attribute(text: str) -> str:
    """Escape an attribute value (between double quotes) exactly as canonical XML does."""
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
