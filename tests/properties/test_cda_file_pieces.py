"""A large file is looked at in pieces, and its base64 stays out of the tree: what is found never depends on that."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from sunes_sdk._core import xml
from sunes_sdk._core.errors import XmlSecurityError
from sunes_sdk.cda import AttachedPdf, OperativeReport, check, read, read_header
from sunes_sdk.cda.datatypes_reader import base64_of, base64_pieces
from sunes_sdk.cda.pdf_body import FileFacts, PdfFacts, file_facts, file_problem, pdf_facts
from sunes_sdk.cda.reader import V3, clinical_document
from sunes_sdk.cda.reading.body import Node
from sunes_sdk.testing import demo, sample_reports, samples


def runs_of(length: int) -> re.Pattern[bytes]:
    return re.compile(xml._RUN.pattern.replace(b"65536", b"%d" % length))


@contextmanager
def left_out(length: int) -> Iterator[None]:
    """As if every base64 of so many characters were a large file."""
    with patch.object(xml, "APART_BYTES", 0), patch.object(xml, "_RUN", runs_of(length)):
        yield


# --- PDF -------------------------------------------------------------------------------------------------------------


def facts_by_hand(data: bytes) -> PdfFacts:
    """The same questions, asked of the whole at once."""
    problem = ""
    if not data.startswith(b"%PDF-"):
        problem = "it does not start with %PDF-"
    elif b"%%EOF" not in data[-2048:] or b"startxref" not in data[-2048:]:
        problem = "its end is missing (startxref, %%EOF)"
    outside, begin = [], 0
    while found := re.compile(rb">>\s{0,16}stream(?=[\r\n])").search(data, begin):
        end = data.find(b"endstream", found.end())
        if end < 0:
            break
        outside.append(data[begin : found.end()])
        begin = end + 9
    outside.append(data[begin:])
    names = b"\0 ".join(re.sub(rb"#([0-9A-Fa-f]{2})", lambda m: bytes((int(m[1], 16),)), part) for part in outside)
    if not problem and re.search(rb"/Encrypt\s*(?:\d+\s+\d+\s+R|<<)", names):
        problem = "it is encrypted"
    breach = re.search(rb"/(ObjStm|XRef|LZWDecode|JPXDecode|EmbeddedFiles|OCProperties)(?![A-Za-z0-9])", names)
    claim = re.search(rb"pdfaid:part(?:>|\s*=\s*[\"'])\s*([0-9])", data)
    return PdfFacts(
        problem,
        int(claim[1]) if claim else None,
        re.search(rb"/(?:JavaScript|JS|Launch)(?![A-Za-z0-9])", names) is not None,
        breach[1].decode() if breach else "",
    )


FRAGMENTS = st.sampled_from(
    [b"%PDF-1.4\n", b"startxref", b"%%EOF", b"/JS", b"/JavaScript", b"/J#53", b"#2FJS", b"/Launch", b"/Launcher",
     b"ed ", b"/Encrypt", b" 1 0 R", b"<<", b">>", b" stream\n", b"stream\r", b"endstream", b"\nendobj ", b"/ObjStm",
     b"/XRef", b"/#58Ref", b"pdfaid:part='1'", b"pdfaid:part>", b"2", b"#", b"#2", b"x" * 40, b"(",
     b"\x00\xff", b"9" * 1500]
)  # fmt: skip


@given(st.lists(FRAGMENTS, max_size=24), st.integers(1, 60), st.booleans())
def test_a_pdf_in_pieces_is_the_pdf(fragments: list[bytes], size: int, whole_end: bool) -> None:
    data = b"".join(
        ([b"%PDF-1.4"] if whole_end else []) + fragments + ([b"\nstartxref\n0\n%%EOF"] if whole_end else [])
    )
    asked = facts_by_hand(data)
    assert pdf_facts(data) == asked
    in_pieces = file_facts(lambda: [data[i : i + size] for i in range(0, len(data), size)], "application/pdf")
    assert in_pieces.pdf == asked
    assert in_pieces == FileFacts(len(data), data[:16], data[-65_536:], b"\0" in data, asked)


@pytest.mark.parametrize("media_type", ["text/plain", "text/rtf", "image/jpeg", "image/tiff"])
def test_the_ends_of_a_large_file_are_seen(media_type: str) -> None:
    ends = {
        "text/plain": (b"Compte rendu", b"fin"),
        "text/rtf": (b"{\\rtf1", b"}\r\n"),
        "image/jpeg": (b"\xff\xd8\xff", b"\xff\xd9"),
        "image/tiff": (b"II*\x00\x00\x00\x10\x00", b"."),
    }
    start, end = ends[media_type]
    middle = b"a" * 0x100000
    pieces = [start, middle, end]
    assert not file_problem(file_facts(lambda: [b"".join(pieces)], media_type), media_type)
    assert not file_problem(file_facts(lambda: [start + middle, end], media_type), media_type)
    for cut in ([b"a", *pieces], [start, b"\0", *middle.split()], [start, middle[:-9]]):
        whole, parts = (file_facts(lambda p=p: p, media_type) for p in ([b"".join(cut)], [b"".join(cut[:2]), *cut[2:]]))
        assert file_problem(whole, media_type) == file_problem(parts, media_type)


# --- base64 ----------------------------------------------------------------------------------------------------------


@given(st.text("Az09+/=\n\t -é", max_size=60), st.integers(1, 9))
def test_base64_in_pieces_is_base64(text: str, size: int) -> None:
    element = etree.Element("e")
    element.text = text
    try:
        expected = binascii.a2b_base64(text.encode("ascii").translate(None, b" \t\r\n"), strict_mode=True)
    except ValueError:
        expected = None
    with patch("sunes_sdk.cda.datatypes_reader._PIECE", size):
        for decode in (base64_of, lambda e: b"".join(base64_pieces(e))):
            try:
                assert decode(element) == expected
            except ValueError:
                # After a whole number of groups binascii takes any number of "=".
                assert expected is None or text.count("=") > 4


# --- the tree --------------------------------------------------------------------------------------------------------

RUN = base64.b64encode(bytes(range(60))).decode()
PLACES = [
    f"<nonXMLBody><text representation='B64' mediaType='text/plain'>{RUN}</text></nonXMLBody>",
    f"<nonXMLBody><text representation='B64'>\r\n {RUN[:40]}\r\n{RUN[40:]}\r\n</text></nonXMLBody>",
    f"<nonXMLBody><text representation='B64'>{RUN}<!-- c --></text></nonXMLBody>",
    f"<nonXMLBody><text representation='B64'><!-- c -->{RUN}</text></nonXMLBody>",
    f"<nonXMLBody><text>{RUN}</text></nonXMLBody>",
    f"<nonXMLBody><text representation='B64'><![CDATA[{RUN}]]></text></nonXMLBody>",
    f"<nonXMLBody><text representation='B64'><![CDATA[ >{RUN}< ]]></text></nonXMLBody>",
    f"<nonXMLBody><text representation='B64'>&#65;{RUN}</text></nonXMLBody>",
    f"<nonXMLBody><text representation='B64'>left-out-{RUN}</text></nonXMLBody>",
    f"<observationMedia><value representation='B64'>{RUN}</value></observationMedia>",
    f"<observationMedia><value representation='B64'>{RUN[:59]}</value></observationMedia>",
    f"<value representation='B64'>{RUN}</value>",
    f"<text>{RUN}</text>",
    f"<!-- >{RUN}< -->",
    f"<?pi >{RUN}< ?>",
    f"<a b='>{RUN}'/>",
    f"<observationMedia xmlns=''><value representation='B64'>{RUN}</value></observationMedia>",
    "<br/>",
]


@given(st.lists(st.sampled_from(PLACES), max_size=4), st.sampled_from(["", "<?xml version='1.0' encoding='latin1'?>"]))
def test_a_tree_with_its_files_left_out_says_the_same(places: list[str], declaration: str) -> None:
    data = (
        f"{declaration}<ClinicalDocument xmlns='urn:hl7-org:v3'>{''.join(places)}\n<end/></ClinicalDocument>".encode()
    )
    whole = clinical_document(data, whole=True)
    with left_out(12):
        root = clinical_document(data)
        assert Node(root).xml() == etree.tostring(whole)
        assert Node(root).text == Node(whole).text
        for ours, theirs in zip(root.iter(), whole.iter(), strict=True):
            assert (ours.tag, ours.sourceline) == (theirs.tag, theirs.sourceline)
            if ours.tag in (f"{V3}text", f"{V3}value") and ours.get("representation") == "B64":
                assert _bytes(ours) == _bytes(theirs)
            else:
                assert ours.text == theirs.text


def _bytes(element: etree._Element) -> bytes | None:
    try:
        return base64_of(element)
    except ValueError:
        return None


def test_the_bytes_of_a_file_are_not_in_the_tree() -> None:
    data = CONTENTS["operative report"]
    with left_out(DOCUMENT_RUN):
        root = clinical_document(data)
        assert len(etree.tostring(root)) < len(data) // 2
        assert xml.left_out(root) is None
        with patch.object(xml, "APART_BYTES", len(data) + 1):
            assert len(etree.tostring(clinical_document(data))) > len(data) * 0.9, "a small document is parsed whole"


@pytest.mark.parametrize("data", [b"<a>%b</b>", b"<!DOCTYPE a><a>%b</a>", b"<a>%b</a>trailing", b"<a>%b</a>\x00"])
def test_what_cannot_be_parsed_is_told_at_its_place(data: bytes) -> None:
    data = data % RUN.encode()
    with pytest.raises(XmlSecurityError) as whole:
        clinical_document(data, whole=True)
    with left_out(12), pytest.raises(XmlSecurityError) as apart:
        clinical_document(data)
    assert (apart.value.code, apart.value.path) == (whole.value.code, whole.value.path)


# --- documents -------------------------------------------------------------------------------------------------------

PDF = demo.read_example("compte_rendu_biologie.pdf")
DOCUMENTS = {
    "operative report": OperativeReport(
        patient=samples.patient(),
        author=samples.physician().at(samples.hospital()),
        custodian=samples.hospital(),
        stay=samples.stay(),
        body=demo.read_example("compte_rendu_operatoire.pdf"),
        performed_at=samples.DISCHARGED,
    ),
    "laboratory": sample_reports.laboratory_report(pdf_copy=PDF),
    "imaging": sample_reports.imaging_report(pdf_copy=PDF, documents=(AttachedPdf(title="Annexe", data=PDF),)),
}
CONTENTS = {name: document.render(samples.issuer()).content for name, document in DOCUMENTS.items()}
"""Those that hold files."""
DOCUMENT_RUN = 1000


@pytest.mark.parametrize("name", CONTENTS)
def test_a_document_is_checked_and_read_alike(name: str) -> None:
    data = CONTENTS[name]
    expected, document = check(data), read(data)
    with left_out(DOCUMENT_RUN):
        assert check(data) == expected
        assert read_header(data) == document.header
        apart = read(data)
        assert any(xml.left_out(f._element) for f in apart.files)
        assert apart.canonical() == xml.canonical_document(xml.parse(data))
    assert apart == document
    assert [f.data for f in apart.files] == [f.data for f in document.files]
    assert apart.root.xml() == document.root.xml()
    assert apart.root.text == document.root.text
    assert apart.typed() == document.typed()


@settings(max_examples=30)
@given(st.data())
def test_a_damaged_document_is_judged_alike(data: st.DataObject) -> None:
    content = bytearray(CONTENTS[data.draw(st.sampled_from(sorted(CONTENTS)))])
    files = [m.span(1) for m in runs_of(DOCUMENT_RUN).finditer(content)]
    for _ in range(data.draw(st.integers(1, 3))):
        start, stop = data.draw(st.sampled_from(files))
        place = data.draw(st.integers(max(0, start - 60), min(len(content), stop + 40) - 1))
        content[place : place + 1] = data.draw(
            st.sampled_from([b"", b"A", b"=", b" ", b"\n", b"<", b">", b"-", b"\xe9"])
        )
    expected = check(bytes(content))
    with left_out(DOCUMENT_RUN):
        assert check(bytes(content)) == expected
