from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from sunes_sdk._core.errors import XmlSecurityError
from sunes_sdk._core.xml import escape_attribute, escape_text
from sunes_sdk.transport import mtom, soap

payloads = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([b"\r\n", b"\n", b"--", b"--sunes-", b"-", b"--B--", b"a", b"\r"]), max_size=30).map(
        b"".join
    ),
)
cids = st.text("abcXYZ0189.:@_-+/=", min_size=1, max_size=30)
xml_text = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="\ufffe\uffff").filter(
        lambda c: c in "\t\n\r" or c >= " "
    )
)


@given(root=payloads, parts=st.dictionaries(cids, payloads, max_size=5))
def test_round_trip(root: bytes, parts: dict[str, bytes]) -> None:
    parts.pop(mtom.ROOT_ID, None)
    content_type, body = mtom.encode(root, [mtom.Part(k, v) for k, v in parts.items()])
    message = mtom.decode(content_type, body)
    assert message.root == root
    assert message.parts == parts


@given(st.binary(max_size=300), st.sampled_from(["B", "sunes", "--"]))
def test_any_bytes_give_a_package_or_one_coded_error(body: bytes, boundary: str) -> None:
    for data in (body, b"--" + boundary.encode() + b"\r\n" + body + b"\r\n--" + boundary.encode() + b"--"):
        with contextlib.suppress(XmlSecurityError):  # the coded refusal; anything else is a defect
            mtom.decode(f'multipart/related; boundary="{boundary}"', data)


@given(xml_text, xml_text)
def test_escaping_is_that_of_canonical_xml(text: str, value: str) -> None:
    xml = f'<a b="{escape_attribute(value)}">{escape_text(text)}</a>'.encode()
    root = etree.fromstring(xml)
    assert (root.text or "", root.get("b")) == (text, value)
    assert etree.tostring(root, method="c14n") == xml


@given(xml_text, xml_text)
def test_addressing_cannot_be_escaped_from(action: str, message_id: str) -> None:
    root = etree.fromstring(soap.envelope(action=action, message_id=message_id, body=b"<b/>"))
    assert len(root[0]) == 4
    assert (root[0][3].text or "", root[0][0].text or "") == (action, message_id)
