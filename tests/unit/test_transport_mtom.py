from __future__ import annotations

import email
import email.policy

import pytest

from sunes_sdk._core.errors import ModelError, XmlSecurityError
from sunes_sdk.transport import mtom

ROOT = b"<Envelope/>"


def test_an_independent_parser_reads_our_package() -> None:
    documents = [mtom.Part("a@x", b"<a>\xc3\xa9\r\n</a>"), mtom.Part("b@x", bytes(range(256)), "application/dicom")]
    content_type, body = mtom.encode(ROOT, documents, action="urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b")
    message = email.message_from_bytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP
    )
    root, *parts = message.iter_parts()  # type: ignore[attr-defined]  # the default policy gives an EmailMessage
    assert message.get_param("start") == root["Content-ID"]
    assert message.get_param("type") == "application/xop+xml"
    assert message.get_param("start-info") == "application/soap+xml"
    assert root.get_content_type() == "application/xop+xml"
    assert [p["Content-ID"] for p in parts] == ["<a@x>", "<b@x>"]
    assert [p["Content-Type"] for p in parts] == ["text/xml", "application/dicom"]
    assert {p["Content-Transfer-Encoding"] for p in message.iter_parts()} == {"binary"}  # type: ignore[attr-defined]  # the default policy gives an EmailMessage


def test_bytes_are_sent_untouched_after_crlf_headers() -> None:
    payload = b"\r\n\n--\x00 x\r"
    _, body = mtom.encode(ROOT, [mtom.Part("a", payload)])
    assert b"\r\n\r\n" + payload + b"\r\n--" in body
    assert body.startswith(b"--sunes-")
    assert body.endswith(b"--\r\n")


def test_boundary_is_never_in_the_payload() -> None:
    first = mtom.parameters(mtom.encode(ROOT, [])[0])["boundary"]
    content_type, body = mtom.encode(ROOT, [mtom.Part("a", f"\r\n--{first}--\r\n".encode())])
    boundary = mtom.parameters(content_type)["boundary"]
    assert boundary != first
    assert mtom.decode(content_type, body).parts["a"] == f"\r\n--{first}--\r\n".encode()


@pytest.mark.parametrize("bad", ["a\r\nX: y", "a b", "<a>", "", "é", 'a"b'])
def test_content_ids_cannot_inject_headers(bad: str) -> None:
    with pytest.raises(ModelError):
        mtom.encode(ROOT, [mtom.Part(bad, b"")])


@pytest.mark.parametrize("bad", ["urn:a\r\nX: y", 'urn:"', "é"])
def test_actions_and_types_cannot_inject_headers(bad: str) -> None:
    with pytest.raises(ModelError):
        mtom.encode(ROOT, [], action=bad)
    with pytest.raises(ModelError):
        mtom.encode(ROOT, [mtom.Part("a", b"", bad)])


def package(*parts: bytes, boundary: str = "B", start: str = "", end: bytes = b"\r\n--B--") -> tuple[str, bytes]:
    content_type = f'Multipart/Related; boundary="{boundary}"' + (f'; start="{start}"' if start else "")
    return content_type, b"".join(b"\r\n--B\r\n" + p for p in parts).lstrip() + end


def test_start_names_the_root_wherever_it_is() -> None:
    message = mtom.decode(*package(b"Content-ID: <a>\r\n\r\ndata", b"Content-ID: <r%40x>\r\n\r\n<r/>", start="<r%40x>"))
    assert message.root == b"<r/>"
    assert message.parts == {"a": b"data"}


def test_percent_encoded_href_meets_its_part() -> None:
    cid = "b857abb7-2@urn:ihe:iti:xds-b:2007"
    message = mtom.decode(*package(b"\r\n<r/>", f"Content-ID: <{cid}>\r\n\r\nx".encode()))
    assert message.parts[mtom.cid_of("cid:b857abb7-2@urn%3Aihe%3Aiti%3Axds-b%3A2007")] == b"x"


def test_lenient_reading() -> None:
    lf = b"preamble\n--B\nContent-ID: <r>\nContent-Type: application/xop+xml;\n charset=UTF-8\n\n<r/>\n--B--\nepilogue"
    message = mtom.decode("multipart/related; boundary=B", lf)
    assert (message.root, message.root_type) == (b"<r/>", "application/xop+xml")
    encoded = package(b"\r\n<r/>", b"Content-ID: <a>\r\nContent-Transfer-Encoding: BASE64\r\n\r\naGVs\r\nbG8=")
    assert mtom.decode(*encoded).parts["a"] == b"hello"
    assert mtom.decode("application/soap+xml; charset=utf-8", b"<r/>").root == b"<r/>"


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("multipart/related", b"", "MTOM_BOUNDARY"),
        ("multipart/related; boundary=" + "x" * 300, b"", "MTOM_BOUNDARY"),
        (*package(b"\r\n<r/>", end=b""), "MTOM_TRUNCATED"),
        (*package(b"\r\n<r/>", end=b"\r\n--B"), "MTOM_TRUNCATED"),
        ("multipart/related; boundary=B", b"", "MTOM_TRUNCATED"),
        ("multipart/related; boundary=B", b"--B--", "MTOM_ROOT"),
        (*package(b"Content-ID: <a>\r\n\r\nx", start="<r>"), "MTOM_ROOT"),
        (*package(b"\r\n<r/>", b"\r\nno id"), "MTOM_PART"),
        (*package(b"\r\n<r/>", *[b"Content-ID: <a>\r\n\r\nx"] * 2), "MTOM_PART"),
        (*package(b"\r\n<r/>", b"Content-ID: <a>"), "MTOM_PART"),
        (*package(b"\r\n<r/>", b"Content-ID: <a>\r\nX: " + b"x" * 20_000 + b"\r\n\r\n"), "MTOM_PART"),
        (*package(b"\r\n<r/>", b"Content-ID: <a>\r\nContent-Transfer-Encoding: x\r\n\r\n"), "MTOM_PART"),
        (*package(b"\r\n<r/>", b"Content-ID: <a>\r\nContent-Transfer-Encoding: base64\r\n\r\nA"), "MTOM_PART"),
        (*package(*[b"\r\n<r/>"] * 201), "MTOM_TOO_MANY"),
    ],
)
def test_unreadable_packages_have_a_code(content_type: str, body: bytes, code: str) -> None:
    with pytest.raises(XmlSecurityError) as e:
        mtom.decode(content_type, body)
    assert e.value.code == code


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n"])
def test_headers_of_a_part_end_within_their_bound(end: bytes) -> None:
    start = b"Content-ID: <a>" + end[: len(end) // 2] + b"X: "
    head = start + b"x" * (mtom.MAX_HEADER_BYTES - len(start))
    assert mtom.decode(*package(b"\r\n<r/>", head + end + b"data")).parts == {"a": b"data"}
    with pytest.raises(XmlSecurityError, match="no end of headers"):
        mtom.decode(*package(b"\r\n<r/>", head + b"x" + end + b"data"))


def test_parameters_first_wins_and_quotes_go() -> None:
    found = mtom.parameters('multipart/related; A="x;\\"y"; a=z; b = c')
    assert found == {"a": 'x;"y', "b": "c"}
