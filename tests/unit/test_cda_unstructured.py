"""Documents whose body is a file: the bytes are looked at, kept as they are, and cost no more memory than they must."""

from __future__ import annotations

import base64
import random
import tracemalloc
from typing import Any

import pytest
from lxml import etree

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import CdaError, ModelError, SunesError
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import CdaDocument, Issuer, OperativeReport, UnstructuredDocument, ccam, check, read, read_header
from sunes_sdk.cda.documents.unstructured import MediaType
from sunes_sdk.cda.pdf_body import FILE_MAX_BYTES, pdf_facts
from sunes_sdk.testing import samples

NS = {"c": "urn:hl7-org:v3"}
END = b"\nstartxref\n0\n%%EOF\n"
PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>" + END
TIFF = b"II*\x00\x08\x00\x00\x00\x00\x00\x00\x00"
JPEG = b"\xff\xd8\xff\xe0data\xff\xd9"
RTF = b"{\\rtf1 Bonjour}\r\n"
FILES: dict[MediaType, bytes] = {
    "application/pdf": PDF,
    "text/plain": "Évolution favorable".encode("cp1252"),
    "text/rtf": RTF,
    "image/jpeg": JPEG,
    "image/tiff": TIFF,
}


def issuer() -> Issuer:
    return Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(1), clock=FixedClock(samples.WRITTEN))


def document(body: bytes, media_type: str, **changes: Any) -> UnstructuredDocument:
    physician = samples.physician().at(samples.hospital())
    values: dict[str, Any] = {
        "patient": samples.patient(),
        "author": physician,
        "custodian": samples.hospital(),
        "stay": samples.stay(responsible=physician),
        "document_type": "11488-4",
        "title": "Compte rendu de consultation",
        "body": body,
        "media_type": media_type,
    }
    return UnstructuredDocument(**values | changes)


def text_element(rendered: CdaDocument) -> etree._Element:
    (found,) = etree.fromstring(rendered.content).xpath("//c:nonXMLBody/c:text", namespaces=NS)
    assert isinstance(found, etree._Element)
    return found


# --- what is written -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("media_type", FILES)
def test_each_media_type_keeps_its_bytes(media_type: MediaType) -> None:
    rendered = document(FILES[media_type], media_type).render(issuer())
    text = text_element(rendered)
    assert text.get("mediaType") == media_type
    assert base64.b64decode(text.text or "") == FILES[media_type]
    assert not check(rendered.content).findings, str(check(rendered.content))


def test_a_file_says_its_language_when_it_is_not_french() -> None:
    rendered = document(FILES["text/plain"], "text/plain", language="en-GB").render(issuer())
    root = etree.fromstring(rendered.content)
    assert root.xpath("string(//c:nonXMLBody/c:languageCode/@code)", namespaces=NS) == "en-GB"
    assert rendered.canonical() == etree.tostring(root.getroottree(), method="c14n", with_comments=True)
    with pytest.raises(ModelError):
        document(b"x", "text/plain", language='en" x="')


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "iso8859-15"])
def test_a_text_of_any_character_set_is_taken(encoding: str) -> None:
    body = "Coût : 12 €".encode(encoding)
    assert base64.b64decode(text_element(document(body, "text/plain").render(issuer())).text or "") == body


# --- what is refused -------------------------------------------------------------------------------------------------


def refused(code: str, path: str, body: bytes, media_type: str, **changes: Any) -> SunesError:
    with pytest.raises((CdaError, ModelError)) as caught:
        document(body, media_type, **changes)
    error = caught.value
    assert error.code == code
    assert error.path.endswith(path)
    assert error.rule
    assert error.hint
    assert error.hint_fr or code == "TERMINOLOGY"
    return error


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        *((FILES[real], said) for real in FILES for said in FILES if real != said and real != "text/plain"
          and said != "application/pdf"),
        (b"Bonjour", "text/rtf"),
        (b"Bonjour", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/jpeg"),
        (b"PK\x03\x04", "text/plain"),
        (b"\xd0\xcf\x11\xe0", "text/plain"),
        (b"a\x00b", "text/plain"),
        (JPEG[:-2], "image/jpeg"),
        (b"MM\x00*\x00\x00\x10\x00", "image/tiff"),
        (b"{\\rtf1 Bonj", "text/rtf"),
    ],
)  # fmt: skip
def test_bytes_of_another_type_or_cut_short_are_refused(body: bytes, media_type: str) -> None:
    assert refused("CDA_FILE_TYPE", "body", body, media_type).hint_fr


@pytest.mark.parametrize("body", [RTF, JPEG, b"%PDF-1.4 cut", b"x"])
def test_what_is_no_whole_pdf_is_refused(body: bytes) -> None:
    assert refused("CDA_PDF_UNREADABLE", "body", body, "application/pdf").hint_fr


def test_a_file_over_the_bound_is_refused_before_it_is_looked_at() -> None:
    big = bytes(FILE_MAX_BYTES + 1)
    for media_type in FILES:
        assert refused("CDA_FILE_TOO_BIG", "body", big, media_type).hint_fr


def test_an_empty_file_is_refused() -> None:
    refused("CDA_BODY_EMPTY", "body", b"", "text/plain")


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"title": None}, "CDA_TITLE", "title"),
        ({"ended_at": samples.DISCHARGED}, "CDA_ACT_TIMES", "performed_at"),
        ({"performed_at": samples.DISCHARGED, "ended_at": samples.ADMITTED}, "CDA_ACT_TIMES", "ended_at"),
    ],
)
def test_an_incoherent_header_is_refused(changes: dict[str, Any], code: str, path: str) -> None:
    refused(code, path, b"x", "text/plain", **changes)


def test_a_type_out_of_the_value_set_is_refused() -> None:
    refused("TERMINOLOGY", "document_type", b"x", "text/plain", document_type="0-0")


# --- PDF -------------------------------------------------------------------------------------------------------------


def pdf(*objects: bytes) -> bytes:
    return b"%PDF-1.4\n<x pdfaid:part='1'/>\n" + b"\n".join(objects) + END


SCRIPT = b"1 0 obj << /S /JavaScript /JS (app.alert\\(1\\)) >> endobj"


@pytest.mark.parametrize(
    "objects",
    [SCRIPT, b"<< /S /J#61vaScript >>", b"<< /S /#4Aav#61Script>>", b"<</S/Launch/F(x.exe)>>", b"<</JS 3 0 R>>"],
)
def test_a_program_in_a_pdf_is_refused(objects: bytes) -> None:
    assert refused("CDA_PDF_ACTIVE", "body", pdf(objects), "application/pdf").hint_fr


def test_an_encrypted_pdf_is_refused() -> None:
    refused("CDA_PDF_UNREADABLE", "body", pdf(b"trailer << /Encrypt 9 0 R >>"), "application/pdf")


@pytest.mark.parametrize("content", [b"/JS (", b"/Launch ", b"/Encrypt 1 0 R", b"/ObjStm "])
def test_what_stands_in_a_picture_by_chance_is_no_program(content: bytes) -> None:
    """The bytes of a stream are not names; what only looks like a stream hides nothing."""
    inside = pdf(b"<< /Length 9 >>\nstream\n" + content + b"\nendstream")
    facts = pdf_facts(inside)
    assert (facts.problem, facts.scripted, facts.breach) == ("", False, "")
    outside = pdf_facts(pdf(b"% stream\n" + content + b"\nendstream"))
    assert outside.problem or outside.scripted or outside.breach
    cut = pdf_facts(pdf(b"<< /Length 9 >>\nstream\n" + content))
    assert cut.problem or cut.scripted or cut.breach


@pytest.mark.parametrize(
    ("objects", "breach"), [(b"<< /Type /ObjStm >>", "ObjStm"), (b"<</Filter/LZWDecode>>", "LZWDecode"), (b"", "")]
)
def test_what_pdf_a_1_forbids_is_seen(objects: bytes, breach: str) -> None:
    assert pdf_facts(pdf(objects)).breach == breach


# --- operative report ------------------------------------------------------------------------------------------------


def report(**changes: Any) -> OperativeReport:
    physician = samples.physician().at(samples.hospital())
    values: dict[str, Any] = {
        "patient": samples.patient(),
        "author": physician,
        "custodian": samples.hospital(),
        "stay": samples.stay(responsible=physician),
        "body": PDF,
        "performed_at": samples.ADMITTED,
    }
    return OperativeReport(**values | changes)


def test_an_operative_report_names_the_surgeon_and_each_act() -> None:
    surgeon = samples.physician(family="MARTIN", specialty="SM04").at(samples.hospital())
    rendered = report(
        act=ccam("HHFA001", "Appendicectomie"), other_acts=(ccam("HPLB003", "Lavage"),), performer=surgeon
    ).render(issuer())
    events = rendered.header.service_events
    assert [e.code.code for e in events if e.code] == ["HHFA001", "HPLB003"]
    performer = events[0].performer
    assert performer is not None
    assert performer.name is not None
    assert performer.name.family == "MARTIN"
    assert rendered.type_code.code == "34874-8"
    assert not check(rendered.content).findings


def test_a_report_that_is_not_pdf_a_1_is_said_so() -> None:
    plain = report(body=b"%PDF-1.4" + END).render(issuer())
    assert [f.code for f in check(plain)] == ["CDA_PDF_NOT_PDFA"]
    with pytest.raises(ModelError):
        report(media_type="text/plain", body=b"x")


@pytest.mark.parametrize("code", ["HHFA001-1-0", "hhfa001", "HHFA01", "HHFA0010"])
def test_a_ccam_code_has_seven_characters(code: str) -> None:
    with pytest.raises(ModelError) as caught:
        ccam(code, "x")
    assert caught.value.code == "CDA_CCAM"
    assert caught.value.hint_fr


# --- memory ----------------------------------------------------------------------------------------------------------


def test_a_big_file_is_held_once_in_base64() -> None:
    size = 20_000_000
    body = PDF[: -len(END)] + bytes(size) + END
    tracemalloc.start()
    try:
        model = document(body, "application/pdf")
        rendered = model.render(issuer())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(rendered.content) > size * 4 // 3
    assert peak - len(rendered.content) < 1_000_000


def large_pdf(size: int) -> bytes:
    return PDF[: -len(END)] + b"1 0 obj\n<<>> stream\n" + random.Random(1).randbytes(size) + b"\nendstream" + END


@pytest.mark.parametrize("lines", ["one line", "MIME lines"])
def test_a_big_document_is_checked_and_its_header_read_without_a_copy(lines: str) -> None:
    content = document(large_pdf(20_000_000), "application/pdf").render(issuer()).content
    if lines == "MIME lines":
        start, end = content.index(b'B64">') + 5, content.index(b"</text></nonXMLBody>")
        wrapped = base64.encodebytes(base64.b64decode(content[start:end])).replace(b"\n", b"\r\n")
        content = content[:start] + wrapped + content[end:]
        del wrapped
    small = check(document(PDF, "application/pdf").render(issuer()).content)
    for look in (lambda: check(content) == small, lambda: read_header(content), lambda: read(content)):
        tracemalloc.start()
        try:
            assert look()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 5_000_000
