"""Documents that come back: only those asked for, whole, verified, in the order asked."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest
from lxml import etree

from sunes_sdk.dmp import DocumentReference, FoundDocument, td32
from sunes_sdk.errors import DmpError, XmlSecurityError
from sunes_sdk.transport import soap
from sunes_sdk.xds import DocumentEntry

RS = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
SUCCESS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
PARTIAL = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"


def reference(unique_id: str, content: bytes | None = None) -> DocumentReference:
    if content is None:
        return DocumentReference(unique_id=unique_id, repository_unique_id="1.9")
    sha1 = hashlib.sha1(content).hexdigest().upper()
    return DocumentReference(unique_id=unique_id, repository_unique_id="1.9", hash=sha1, size=len(content))


def inline(unique_id: str, content: bytes, repository: str = " 1.9 ") -> str:
    return (
        f"<DocumentResponse><RepositoryUniqueId>{repository}</RepositoryUniqueId>"
        f"<DocumentUniqueId>{unique_id}</DocumentUniqueId><mimeType>text/xml</mimeType>"
        f"<Document>{base64.b64encode(content).decode()}</Document></DocumentResponse>"
    )


def answer(*documents: str, status: str = SUCCESS, parts: dict[str, bytes] | None = None) -> soap.SoapAnswer:
    body = etree.fromstring(
        f'<RetrieveDocumentSetResponse xmlns="{td32.XDS_B}"><e:RegistryResponse xmlns:e="{RS}" status="{status}"/>'
        f"{''.join(documents)}</RetrieveDocumentSetResponse>".encode()
    )
    return soap.SoapAnswer("", "", "", body, parts or {})


def test_documents_come_in_the_order_asked() -> None:
    asked = [reference("1.1", b"one"), reference("1.2", b"two")]
    got = td32.decode(answer(inline("1.2", b"two"), inline("1.1", b"one")), asked)
    assert [(r.unique_id, r.content, r.verified) for r in got] == [("1.1", b"one", True), ("1.2", b"two", True)]
    assert "one" not in repr(got)


def test_an_attachment_with_an_encoded_name() -> None:
    include = '<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:a-2@urn%3Aihe"/>'
    document = inline("1.1", b"").replace("<Document></Document>", f"<Document>{include}</Document>")
    (got,) = td32.decode(answer(document, parts={"a-2@urn:ihe": b"\xff\x00"}), [reference("1.1", b"\xff\x00")])
    assert got.content == b"\xff\x00"
    with pytest.raises(XmlSecurityError, match="XOP_MISSING"):
        td32.decode(answer(document, parts={"b": b""}), [reference("1.1")])


@pytest.mark.parametrize(
    ("code", "documents", "asked"),
    [
        ("DMP_UNASKED", [inline("1.2", b"x")], reference("1.1")),
        ("DMP_UNASKED", [inline("1.1", b"x"), inline("1.1", b"x")], reference("1.1")),
        ("DMP_UNASKED", [inline("1.1", b"x", repository="1.8")], reference("1.1")),
        ("DMP_UNASKED", [inline("1.1", b"x").replace("Document>eA==</Document", "Nothing/")], reference("1.1")),
        ("DMP_ABSENT", [], reference("1.1")),
        ("DMP_SIZE", [inline("1.1", b"xx")], reference("1.1", b"x")),
        ("DMP_HASH", [inline("1.1", b"y")], reference("1.1", b"x")),
    ],
)
def test_what_is_not_the_document_is_not_given(code: str, documents: list[str], asked: DocumentReference) -> None:
    with pytest.raises(DmpError) as caught:
        td32.decode(answer(*documents), [asked])
    assert caught.value.code == code
    assert caught.value.hint
    assert caught.value.hint_fr


def test_a_partial_success_gives_what_came() -> None:
    got = td32.decode(answer(inline("1.1", b"<x/>"), status=PARTIAL), [reference("1.1"), reference("1.2")])
    assert (len(got), got.complete, got.warnings) == (1, False, ("DMP_INCOMPLETE", "DMP_UNVERIFIED"))


@pytest.mark.parametrize(
    ("said", "registered", "content", "agrees"),
    [
        ("text/xml", "text/xml", b"<a/>", True),
        ("text/xml; charset=utf-8", "TEXT/XML", b"\xef\xbb\xbf\r\n<a/>", True),
        ("text/xml", "", "<a/>".encode("utf-16"), True),
        ("application/xslt+xml", "text/xml", b"<a/>", False),
        ("text/xml", "text/xml", b"%PDF-1.7", False),
        ("application/pdf", "application/pdf", b"%PDF-1.7", True),
        ("application/pdf", "application/pdf", b"<html/>", False),
        ("application/dicom", "application/dicom", bytes(128) + b"DICM", True),
        ("application/dicom", "application/dicom", b"DICM", False),
        ("image/jpeg", "image/jpeg", b"\xff\xd8", True),
        ("", "text/xml", b"<a/>", False),
        ("", "", b"?", True),
    ],
)
def test_the_media_type_is_compared(said: str, registered: str, content: bytes, agrees: bool) -> None:
    asked = replace(reference("1.1", content), mime_type=registered)
    got = td32.decode(answer(inline("1.1", content).replace("text/xml", said)), [asked])
    assert (got[0].is_of_type, got.warnings) == (agrees, () if agrees else ("DMP_MIME_TYPE",))
    assert got[0].content == content


def test_a_failure_is_an_error() -> None:
    with pytest.raises(DmpError) as caught:
        td32.decode(answer(inline("1.1", b"x"), status=SUCCESS.replace("Success", "Failure")), [reference("1.1")])
    assert (caught.value.code, caught.value.remote_code) == ("DMP_REFUSED", "status Failure")


def test_requests_stay_under_the_bounds() -> None:
    assert td32.batches([]) == []
    same = reference("1.1", b"x")
    assert td32.batches([same, same]) == [[same]]
    many = [reference(f"1.{n}") for n in range(41)]
    assert [len(batch) for batch in td32.batches(many)] == [20, 20, 1]
    big = [
        DocumentReference(unique_id=f"1.{n}", repository_unique_id="1.9", size=size)
        for n, size in enumerate([30_000_000, 10_000_000, 1, 50_000_000, 1])
    ]
    assert [[r.size for r in batch] for batch in td32.batches(big)] == [
        [30_000_000, 10_000_000], [1], [50_000_000], [1],
    ]  # fmt: skip


@pytest.mark.parametrize(("unique_id", "repository"), [("", "1.9"), ("1.1", ""), ("urn:uuid:1", "1.9")])
def test_what_cannot_be_asked_for(unique_id: str, repository: str) -> None:
    with pytest.raises(DmpError, match="DMP_REFERENCE"):
        td32.reference_of(DocumentReference(unique_id=unique_id, repository_unique_id=repository))
    entry = DocumentEntry(
        id="urn:uuid:a", mime_type="", unique_id=unique_id, patient_id="", repository_unique_id=repository
    )
    with pytest.raises(DmpError, match="DMP_REFERENCE"):
        td32.reference_of(FoundDocument(entry=entry))


def test_a_found_document_says_what_to_verify() -> None:
    entry = DocumentEntry(
        id="urn:uuid:a", mime_type="", unique_id="1.1", patient_id="", repository_unique_id="1.9", hash="ab", size=3
    )
    assert td32.reference_of(FoundDocument(entry=entry)) == DocumentReference(
        unique_id="1.1", repository_unique_id="1.9", hash="ab", size=3
    )


def test_identifiers_are_escaped() -> None:
    body = td32.body([DocumentReference(unique_id="<&>", repository_unique_id="]]>")])
    (request,) = etree.fromstring(body)
    assert [child.text for child in request] == ["]]>", "<&>"]
