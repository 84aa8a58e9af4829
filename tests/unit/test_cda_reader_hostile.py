"""Bytes that were made to hurt: each is refused with its own code, or read, in bounded time and memory."""

from __future__ import annotations

import copy
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from lxml import etree

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import CdaError, SunesError, XmlSecurityError
from sunes_sdk._core.ids import SeededIds
from sunes_sdk._core.xml import MAX_MARKUP, parse
from sunes_sdk.cda import DischargeLetter, Issuer, read, read_header
from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.testing import sample_reports as reports
from sunes_sdk.testing import samples

MB = 1_000_000


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < seconds


def run_in(megabytes: int, code: str) -> str:
    """What `code` prints in a process of its own that may not address more memory than this."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({megabytes * MB}, {megabytes * MB}))\n"
    done = subprocess.run([sys.executable, "-c", limit + code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def letter() -> bytes:
    issuer = Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(1), clock=FixedClock(samples.WRITTEN))
    return samples.discharge_letter().render(issuer).content


def document(body: bytes, attributes: bytes = b"") -> bytes:
    return (
        b'<ClinicalDocument xmlns="urn:hl7-org:v3"' + attributes + b'><id root="1.2.3"/>'
        b'<code code="x" codeSystem="1.2"/><effectiveTime value="2026"/><component>' + body
        + b"</component></ClinicalDocument>"
    )  # fmt: skip


def section(text: bytes) -> bytes:
    return document(
        b"<structuredBody><component><section><text>" + text + b"</text></section></component></structuredBody>"
    )


ENTITIES = b"".join(b'<!ENTITY a%d "%s">' % (i, (b"&a%d;" % (i - 1)) * 10) for i in range(1, 10))
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "doctype": (lambda: b"<!DOCTYPE ClinicalDocument>" + document(b""), "XML_DTD"),
    "internal entity": (lambda: b'<!DOCTYPE x [<!ENTITY e "v">]>' + section(b"&e;"), "XML_DTD"),
    "external entity": (lambda: b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + section(b"&e;"), "XML_DTD"),
    "external DTD": (lambda: b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">' + section(b""), "XML_DTD"),
    "parameter entity": (
        lambda: b'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]>' + section(b""), "XML_DTD",
    ),
    "a billion laughs": (
        lambda: b'<!DOCTYPE x [<!ENTITY a0 "ha">' + ENTITIES + b"]>" + section(b"&a9;"), "XML_MALFORMED",
    ),
    "laughs in an attribute": (
        lambda: b'<!DOCTYPE x [<!ENTITY a0 "ha">' + ENTITIES + b"]>" + document(b"", b' a="&a9;"'), "XML_MALFORMED",
    ),
    "unknown entity": (lambda: section(b"&unknown;"), "XML_MALFORMED"),
    "nesting of 300": (lambda: section(b"<content>" * 300 + b"</content>" * 300), "XML_MALFORMED"),
    "nesting of 300 in a big document": (
        lambda: section(b"x" * 10 * MB + b"<content>" * 300 + b"</content>" * 300), "XML_TOO_DEEP",
    ),
    "nesting of a million": (lambda: section(b"<a>" * 900_000), "XML_MALFORMED"),
    "200 MB": (lambda: section(b"x" * 200 * MB), "XML_TOO_BIG"),
    "latin-1 declared UTF-8": (
        lambda: b'<?xml version="1.0" encoding="UTF-8"?>' + section("é".encode("latin-1")), "XML_MALFORMED",
    ),
    "latin-1 that declares nothing": (lambda: section("é".encode("latin-1")), "XML_MALFORMED"),
    "UTF-8 that claims UTF-16": (
        lambda: b'\xff\xfe<?xml version="1.0" encoding="UTF-16"?>' + section(b""), "XML_MALFORMED",
    ),
    "UTF-7": (lambda: b'<?xml version="1.0" encoding="UTF-7"?>' + section(b"+ADw-b/+AD4-"), "XML_ENCODING"),
    "EBCDIC": (lambda: b'<?xml version="1.0" encoding="IBM037"?>'.decode().encode("cp037"), "XML_ENCODING"),
    "unknown encoding": (lambda: b'<?xml version="1.0" encoding="KLINGON"?>' + section(b""), "XML_ENCODING"),
    "NUL": (lambda: section(b"\x00"), "XML_MALFORMED"),
    "NUL reference": (lambda: section(b"&#0;"), "XML_MALFORMED"),
    "control character": (lambda: section(b"\x1b[2J"), "XML_MALFORMED"),
    "lone surrogate": (lambda: section(b"\xed\xa0\x80"), "XML_MALFORMED"),
    "lone surrogate reference": (lambda: section(b"&#xD800;"), "XML_MALFORMED"),
    "overlong UTF-8": (lambda: section(b"\xc0\xbcscript\xc0\xbe"), "XML_MALFORMED"),
    "a million attributes": (
        lambda: document(b"", b" ".join([b"", *[b'a%d=""' % i for i in range(MAX_MARKUP + 1)]])), "XML_TOO_MANY",
    ),
    "a million namespaces": (
        lambda: document(b"", b" ".join([b"", *[b'xmlns:a%d="u%d"' % (i, i) for i in range(MAX_MARKUP + 1)]])),
        "XML_TOO_MANY",
    ),
    "ten million elements": (lambda: section(b"<br/>" * 10 * MB), "XML_TOO_MANY"),
    "the same attribute twice": (lambda: document(b"", b' a="1" a="2"'), "XML_MALFORMED"),
    "undeclared prefix": (lambda: section(b"<x:y/>"), "XML_MALFORMED"),
    "cut in the middle": (lambda: letter()[:-4000], "XML_MALFORMED"),
    "empty": (lambda: b"", "XML_MALFORMED"),
    "a PDF": (lambda: b"%PDF-1.4\n%\xe2\xe3\xcf\xd3", "XML_MALFORMED"),
    "HTML": (lambda: b"<html><body/></html>", "CDA_NOT_CDA"),
    "another namespace": (lambda: b'<ClinicalDocument xmlns="urn:other"/>', "CDA_NOT_CDA"),
    "two documents": (lambda: b"<x>" + document(b"") * 2 + b"</x>", "CDA_AMBIGUOUS"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why(name: str) -> None:
    make, code = REFUSED[name]
    data = make()
    for reader in (read, read_header):
        with bounded(5), pytest.raises(SunesError) as caught:
            reader(data)
        assert caught.value.code == code
        assert isinstance(caught.value, XmlSecurityError | CdaError)
        assert caught.value.hint
        assert "passwd" not in str(caught.value)


def test_nesting_of_a_hundred_levels_is_read() -> None:
    found = read(section(b"<content>" * 100 + b"deep" + b"</content>" * 100)).sections[0]
    assert found.text == "deep"
    inside = b"<component><section><title>x</title>" * 100 + b"</section></component>" * 100
    nested = read(document(b"<structuredBody>" + inside + b"</structuredBody>"))
    assert len(list(nested.sections[0].walk())) == 100


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "windows-1252", "utf-8-sig"])
def test_an_honest_encoding_is_read(encoding: str) -> None:
    text = letter().decode().replace('encoding="UTF-8"', f'encoding="{encoding.removesuffix("-sig")}"', 1)
    document = read(text.encode(encoding, "xmlcharrefreplace"))
    assert document.header == read(letter()).header
    expected = [] if encoding == "utf-8-sig" else ["CDA_READ_ENCODING"]
    assert [f.code for f in document.report] == expected


def test_utf_16_that_claims_to_be_utf_8_is_read_with_a_warning() -> None:
    document = read(letter().decode().encode("utf-16"))
    assert document.header == read(letter()).header
    assert [f.code for f in document.report] == ["CDA_READ_ENCODING"]


def test_many_namespaces_under_the_bound_cost_little() -> None:
    names = b" ".join([b"", *[b'xmlns:a%d="u%d"' % (i, i) for i in range(20_000)]])
    with bounded(5):
        found = read(document(b"<structuredBody>" + b"<a7:x/>" * 100_000 + b"</structuredBody>", names))
    assert found.unique_id == "1.2.3"


def test_a_huge_file_is_decoded_in_bounded_memory() -> None:
    """20 MB of base64 with a line end after each character, the worst form for a decoder that splits lines: 1 GB."""
    code = """
import base64
from sunes_sdk.cda import read
encoded = base64.b64encode(b"x" * 15_000_000)
lines = bytearray(2 * len(encoded))
lines[::2], lines[1::2] = encoded, b"\\n" * len(encoded)
head = b'<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2.3"/><code code="x" codeSystem="1.2"/>'
head += b'<effectiveTime value="2026"/><component><nonXMLBody><text representation="B64">'
data = head + bytes(lines) + b"</text></nonXMLBody></component></ClinicalDocument>"
print(len(read(data).body.data))
"""
    assert run_in(600, code) == "15000000"


def test_markup_under_the_bound_is_read_in_bounded_memory() -> None:
    code = """
from sunes_sdk.cda import read
head = b'<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2.3"/><code code="x" codeSystem="1.2"/>'
head += b'<effectiveTime value="2026"/><component><structuredBody>'
data = head + b"<a/>" * 990_000 + b"</structuredBody></component></ClinicalDocument>"
print(read(data).unique_id)
"""
    with bounded(20):
        assert run_in(600, code) == "1.2.3"


def test_a_file_that_is_not_base64_says_so() -> None:
    for wrong in (b"*", b"QUJ", "é".encode(), b"QUJD=QUJD"):
        text = b'<nonXMLBody><text representation="B64">' + wrong + b"</text></nonXMLBody>"
        body = read(document(text)).body
        assert body is not None
        with pytest.raises(CdaError) as caught:
            _ = body.data
        assert caught.value.code == "CDA_BASE64"


def test_a_stylesheet_in_the_document_is_data(capsys: pytest.CaptureFixture[str]) -> None:
    xslt = (
        b'<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0"><xsl:template match="/">'
        b"<xsl:value-of select=\"document('file:///etc/passwd')\"/><xsl:message terminate='yes'/></xsl:template>"
        b'</xsl:stylesheet><xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd" parse="text"/>'
    )
    found = read(section(xslt))
    assert found.sections[0].text == ""
    assert capsys.readouterr() == ("", "")


def test_numbers_of_any_length_are_no_crash() -> None:
    data = letter().replace(b'<versionNumber value="1">', b'<versionNumber value="' + b"9" * 100_000 + b'">')
    assert read(data).version_number == 1
    data = letter().replace(b'<effectiveTime value="2026', b'<effectiveTime value="' + b"9" * 100_000)
    assert [f.code for f in read(data).report] == ["CDA_READ_TIME"]
    for year in (b"0000", b"99991231235959-2359", b"20260101000000+9999"):
        data = letter().replace(
            b'<effectiveTime value="20260115103000+0100">', b'<effectiveTime value="' + year + b'">'
        )
        assert read(data).unique_id


def test_a_number_that_would_fill_the_memory_is_no_number() -> None:
    for number in ("1e999999999", "-1e-999999999", "9" * 100_000, "NaN", "Infinity", "\u00b2"):
        data = letter().replace(b'value="1"></low>', f'value="{number}"></low>'.encode())
        assert data != letter()
        with bounded(5):
            typed = read(data).typed()
        assert isinstance(typed, DischargeLetter)
        assert typed.discharge_treatments[0].dose is None


def test_a_body_of_an_unknown_media_type_is_read_with_a_warning() -> None:
    document_ = read(
        document(b'<nonXMLBody><text mediaType="application/x" representation="B64">QUJD</text></nonXMLBody>')
    )
    assert "CDA_READ_MEDIA_TYPE" in [f.code for f in document_.report.warnings]
    assert document_.files[0].data == b"ABC"


ODD_VALUES = ["", "x", "9" * 30, "1.02", "-1", "NaN", "1e999", "20261399", "\u00b2", "#"]


def mutated(data: bytes, seed: int) -> bytes:
    """A few elements removed, doubled, emptied, or with an odd value in an attribute."""
    chance = random.Random(seed)
    root = parse(data)
    for _ in range(chance.randint(1, 6)):
        element = chance.choice(list(root.iter(etree.Element)))
        parent, names = element.getparent(), list(element.attrib)
        change = chance.choice(["remove", "double", "text", "null", "odd", "bare"])
        if parent is not None and change == "remove":
            parent.remove(element)
        elif parent is not None and change == "double":
            element.addnext(copy.deepcopy(element))
        elif change == "text":
            element.text = chance.choice(["", "é", None])
        elif change == "null":
            element.set("nullFlavor", "UNK")
        elif names and change == "odd":
            element.set(chance.choice(names), chance.choice(ODD_VALUES))
        elif names and change == "bare":
            del element.attrib[chance.choice(names)]
    return etree.tostring(root)


@pytest.mark.parametrize("model", [samples.discharge_letter, reports.laboratory_report, reports.imaging_report])
def test_a_damaged_document_is_read_or_refused_with_a_code(model: Callable[[], ClinicalDocument]) -> None:
    data = model().render(samples.issuer()).content
    for seed in range(60):
        try:
            found = read(mutated(data, seed))
            assert all(s.text is not None for outer in found.sections for s in outer.walk())
            found.typed()
        except SunesError as e:
            assert e.code.startswith(("CDA_", "XML_")), (seed, e)  # noqa: PT017
