"""Hardened parsing, exact escaping, canonical form."""

from __future__ import annotations

import pytest
from lxml import etree

from sunes_sdk._core import xml
from sunes_sdk.errors import XmlSecurityError

BOMB = b"""<!DOCTYPE z [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><z>&b;</z>"""
EXTERNAL = b"""<!DOCTYPE z [<!ENTITY x SYSTEM "file:///etc/hostname">]><z>&x;</z>"""


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (BOMB, "XML_DTD"),
        (EXTERNAL, "XML_DTD"),
        (b'<!DOCTYPE z SYSTEM "http://127.0.0.1:9/z.dtd"><z/>', "XML_DTD"),
        (b"<z>", "XML_MALFORMED"),
        (b"", "XML_MALFORMED"),
        (b"<z>" + b"<y>" * 400 + b"</y>" * 400 + b"</z>", "XML_MALFORMED"),
        ("<z>\ud800</z>".encode("utf-8", "surrogatepass"), "XML_MALFORMED"),
    ],
)
def test_dangerous_xml_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(XmlSecurityError) as caught:
        xml.parse(data)
    assert caught.value.code == code
    assert "hostname" not in str(caught.value)


def test_size_is_bounded() -> None:
    with pytest.raises(XmlSecurityError, match="limit"):
        xml.parse(b"<z>" + b"a" * 100 + b"</z>", max_bytes=50)


def test_a_large_document_is_still_bounded_in_depth() -> None:
    body = b"<y>" * 300 + b"a" * 9_500_000 + b"</y>" * 300
    with pytest.raises(XmlSecurityError) as caught:
        xml.parse(b"<z>" + body + b"</z>")
    assert caught.value.code == "XML_TOO_DEEP"


def test_a_large_text_is_read() -> None:
    root = xml.parse(b"<z>" + b"a" * 11_000_000 + b"</z>")
    assert len(root.text or "") == 11_000_000


_SAID = b'<?xml version="1.0" encoding="UTF-8"?>'


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b'\n<z xmlns="urn:z" a="&lt;&amp;"><!-- c --><?p i?>\xc3\xa9</z>\n', True),
        (b"<z><y></z></y>", False),
        (b"<z>", False),
        (b"<z/><z/>", False),
        (b"<z>&</z>", False),
        (b"<z>&x;</z>", False),
        (b"<z>\xe9</z>", False),
        (b'<z a="\x01"/>', False),
        (b'<z a="1" a="2"/>', False),
        (b"<p:z/>", False),
        (b'<z p:a="1"/>', False),
        (b'<z xmlns:p="urn:p" xmlns:q="urn:p" p:a="1" q:a="2"/>', False),
        (b'<z xmlns:p=""/>', False),
        (b'<z xml:id="1 2"/>', False),
        (b'<z xml:id="x"><z xml:id="x"/></z>', False),
        (b"<!DOCTYPE z><z/>", False),
        (BOMB, False),
        (EXTERNAL, False),
        (b"<z>" * 300 + b"</z>" * 300, False),
    ],
)
def test_what_is_well_formed_without_a_tree_is_what_parses(body: bytes, verdict: bool) -> None:
    data = _SAID + body
    assert xml.is_well_formed(data) is verdict
    if verdict:
        xml.parse(data)
    else:
        with pytest.raises(XmlSecurityError):
            xml.parse(data)
    assert xml.is_well_formed(_SAID + b"<z/>")  # what was wrong leaves no trace


def test_what_is_large_or_says_no_utf_8_is_to_be_parsed() -> None:
    assert not xml.is_well_formed(b"<z/>")
    assert not xml.is_well_formed(_SAID + b"<z>" + b"a" * xml.MAX_MARKUP + b"</z>")


@pytest.mark.parametrize("text", ["a & b < c > d", "\"quoted\" 'single'", "tab\tline\nreturn\r", "é ’ œ 𝒳"])
def test_escaping_is_that_of_canonical_xml(text: str) -> None:
    element = etree.Element("e")
    element.text = text
    element.set("a", text)
    ours = f'<e a="{xml.escape_attribute(text)}">{xml.escape_text(text)}</e>'
    assert ours.encode() == etree.tostring(element, method="c14n")


@pytest.mark.parametrize("text", ["\x00", "a\x0bb", "\ufffe", "\ud800"])
def test_a_forbidden_character_is_an_error_not_a_loss(text: str) -> None:
    with pytest.raises(XmlSecurityError, match="cannot be written"):
        xml.escape_text(text)
    with pytest.raises(XmlSecurityError, match="cannot be written"):
        xml.escape_attribute(text)


def test_every_character_is_escaped_refused_or_kept_as_canonical_xml_does() -> None:
    for number in range(0x110000):
        text = f"a{chr(number)}b"
        legal = number in (9, 10, 13) or 0x20 <= number <= 0xD7FF or 0xE000 <= number <= 0xFFFD or number >= 0x10000
        for escape, special in ((xml.escape_text, "&<>\r"), (xml.escape_attribute, '&<"\t\n\r')):
            if xml.is_plain(text):
                assert legal
                assert escape(text) == text
            elif legal:
                assert (escape(text) == text) is (text[1] not in special), f"U+{number:04X}"
            else:
                with pytest.raises(XmlSecurityError, match="cannot be written"):
                    escape(text)


def test_canonical_form_of_a_sub_element_has_no_false_namespace() -> None:
    # lxml's own tostring gives <d xmlns=""> here: the defect that breaks XAdES digests.
    root = xml.parse(b'<a xmlns="urn:x"><b><c><d/></c></b>tail</a>')
    assert xml.c14n(root[0]) == b'<b xmlns="urn:x"><c><d></d></c></b>'
    assert xml.c14n(root[0], exclusive=True) == b'<b xmlns="urn:x"><c><d></d></c></b>'
