"""A received document: what it came in, its sections, its files, and what the reader says it had to make up."""

from __future__ import annotations

import pytest

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import CdaError
from sunes_sdk._core.findings import Severity
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import Issuer, OperativeReport, ReadDocument, read
from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.cda.envelope import Envelope
from sunes_sdk.testing import sample_reports as reports
from sunes_sdk.testing import samples

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
XSL = b"http://www.w3.org/1999/XSL/Transform"


def issuer() -> Issuer:
    return Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(1), clock=FixedClock(samples.WRITTEN))


def rendered(model: ClinicalDocument) -> bytes:
    return model.render(issuer()).content


def operative_report() -> OperativeReport:
    hospital = samples.hospital()
    return OperativeReport(
        patient=samples.patient(), author=samples.physician().at(hospital), custodian=hospital, stay=samples.stay(),
        body=reports.PDF, performed_at=samples.ADMITTED,
    )  # fmt: skip


@pytest.fixture(scope="module")
def letter() -> bytes:
    return rendered(samples.discharge_letter(pdf_copy=reports.PDF))


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


def minimal(body: bytes) -> ReadDocument:
    return read(
        b'<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2.3"/><code code="x" codeSystem="1.2"/>'
        b'<effectiveTime value="2026"/><component>' + body + b"</component></ClinicalDocument>"
    )


def test_sections_say_what_people_read(letter: bytes) -> None:
    document = read(letter)
    assert [s.title for s in document.sections][:3] == [
        "Statut du document",
        "Motif de l'hospitalisation",
        "Synthèse médicale du séjour",
    ]
    reason = document.section("42349-1")
    assert reason is not None
    assert reason.text == samples.discharge_letter().reason
    assert reason.is_a("1.2.250.1.213.1.1.2.127")
    assert reason.entries == ()
    synthesis = document.section("1.2.250.1.213.1.1.2.163.1")
    assert synthesis is not None
    assert synthesis.text.splitlines()[0].startswith("- Modalité d'entrée : ")
    (value,) = {e.find("observation", "value") for e in synthesis.entries[:1]}
    assert value is not None
    assert value.code is not None
    assert value.code.display == "hospitalisation en urgence"
    assert value.path == "component/structuredBody/component[3]/section/entry[1]/observation/value"


def test_the_pdf_copy_comes_first(letter: bytes) -> None:
    document = read(letter)
    assert document.pdf_copy is not None
    assert document.pdf_copy.data == reports.PDF
    assert [f.media_type for f in document.files] == ["application/pdf"]
    assert document.body is None
    assert read(rendered(samples.discharge_letter())).pdf_copy is None


def test_the_body_of_a_file_document() -> None:
    document = read(rendered(operative_report()))
    assert document.body is not None
    assert document.body.data == reports.PDF
    assert document.sections == ()
    assert document.pdf_copy is None


def test_nothing_can_be_changed_nor_shown_by_repr(letter: bytes) -> None:
    document = read(letter)
    with pytest.raises(TypeError):
        document.root.attributes["x"] = "y"  # type: ignore[index]  # read-only: that is the test
    with pytest.raises((AttributeError, TypeError)):
        document.root.name = "x"  # type: ignore[misc]  # read-only: that is the test
    for shown in (repr(document), repr(document.root), repr(document.sections[0])):
        assert "PAT-TROIS" not in shown
        assert "279035121518989" not in shown


def test_subsections_and_unknown_elements_are_there() -> None:
    document = minimal(
        b"<structuredBody><component><section><title>A</title><component><section><code code='s' codeSystem='1.2'/>"
        b"<title>B</title><text>b</text><entry><strange xmlns='urn:x' k='v'><!-- no -->in</strange></entry></section>"
        b"</component></section></component></structuredBody>"
    )
    (outer,) = document.sections
    (inner,) = outer.sections
    assert (outer.text, inner.text) == ("", "b")
    assert [s.title for s in outer.walk()] == ["A", "B"]
    assert document.section("s") is not None
    (strange,) = inner.entries[0].children()
    assert (strange.namespace, strange.name, strange.attributes["k"], strange.text) == ("urn:x", "strange", "v", "in")
    assert b"<strange" in strange.xml()


def test_narrative_as_text() -> None:
    document = minimal(
        b"<structuredBody><component><section><text>intro<br/>next"
        b"<paragraph>one <content styleCode='Bold'>two</content></paragraph>"
        b"<list><item>x</item><item><caption>c</caption>y</item></list>\n"
        b"<table> <thead><tr><th>A</th> <th>B</th></tr></thead><tbody>"
        b"<tr><td>1</td><td>2<br/>3</td></tr></tbody></table>"
        b"end</text></section></component></structuredBody>"
    )
    assert document.sections[0].text.splitlines() == [
        "intro", "next", "one two", "- x", "- c", "y", "A | B", "1 | 2", "3", "end",
    ]  # fmt: skip


def test_narrative_holds_nothing_that_runs() -> None:
    document = minimal(
        b"<structuredBody><component><section><text><script>alert(1)</script>"
        b"<paragraph onclick='x()' style='y' ID='p1'>t</paragraph><linkHtml href='javascript:x()'>l</linkHtml>"
        b"<linkHtml href='https://example.org'>m</linkHtml></text></section></component></structuredBody>"
    )
    narrative = document.sections[0].narrative
    assert narrative is not None
    blocks = [b for b in narrative.content if not isinstance(b, str)]
    assert [(b.name, dict(b.attributes)) for b in blocks] == [
        ("content", {}),
        ("paragraph", {"ID": "p1"}),
        ("linkHtml", {}),
        ("linkHtml", {"href": "https://example.org"}),
    ]


# --- what it came in -------------------------------------------------------------------------------------------------


def self_displaying(content: bytes) -> bytes:
    """A *CDA auto-présentable*: every CDA element prefixed, a stylesheet around it, a signature at the end."""
    body = content.removeprefix(DECLARATION).replace(b'xmlns="urn:hl7-org:v3"', b"")
    body = body.replace(b"</", b"\x01").replace(b"<", b"<c:").replace(b"\x01", b"</c:")
    return (
        DECLARATION + b'<?xml-stylesheet type="text/xsl" href="#"?><xsl:stylesheet version="1.0" xmlns:xsl="' + XSL
        + b'" xmlns:c="urn:hl7-org:v3" xmlns:data="urn:asip-sante:ci-sis"><data:Contenu>' + body
        + b'</data:Contenu><xsl:template match="xsl:stylesheet"><xsl:apply-templates '
        b'select="document(\'http://127.0.0.1:9/x\')"/></xsl:template>'
        b'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/></xsl:stylesheet>'
    )  # fmt: skip


def test_a_self_displaying_document_is_read_as_it_was_before() -> None:
    content = rendered(samples.discharge_letter())
    document = read(self_displaying(content))
    plain = read(content)
    assert document.envelope is Envelope.STYLESHEET
    assert document.header == plain.header
    assert [(s.title, s.text) for s in document.sections] == [(s.title, s.text) for s in plain.sections]
    assert [f.code for f in document.report] == ["CDA_READ_ENVELOPE", "CDA_READ_STYLESHEET"]
    assert all(f.severity is Severity.INFO for f in document.report)
    assert read(document.content, strict=True).header == plain.header


def test_a_document_in_a_template_of_the_stylesheet_is_not_the_document(letter: bytes) -> None:
    decoy = b'<xsl:template match="x"><c:ClinicalDocument/></xsl:template></xsl:stylesheet>'
    content = self_displaying(rendered(samples.discharge_letter())).replace(b"</xsl:stylesheet>", decoy)
    assert read(content).header == read(rendered(samples.discharge_letter())).header


def test_a_signed_document_is_read(letter: bytes) -> None:
    head, tail = (
        b'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo/><ds:Object>',
        b"</ds:Object></ds:Signature>",
    )
    inner = letter.removeprefix(DECLARATION)
    document = read(head + inner + tail)
    assert document.envelope is Envelope.SIGNATURE
    assert document.header == read(letter).header
    with pytest.raises(CdaError) as caught:
        read(head + inner + inner + tail)
    assert caught.value.code == "CDA_AMBIGUOUS"
    assert caught.value.hint_fr


# --- warnings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'<setId root="', b'<setId rot="', "CDA_READ_SET_ID"),
        (b'<versionNumber value="1">', b'<versionNumber value="one">', "CDA_READ_VERSION"),
        (b'<confidentialityCode code="N"', b'<confidentialityCode code=""', "CDA_READ_CONFIDENTIALITY"),
        (b"<recordTarget>", b"<recordTarget><x></x></recordTarget><recordTarget>", "CDA_READ_PATIENT"),
        (b'value="tel:+33144534551"', b'value="01 44 53 45 51"', "CDA_READ_TELECOM"),
        (b'<effectiveTime value="2026', b'<effectiveTime value="soon', "CDA_READ_TIME"),
        (b"<structuredBody>", b"<nonXMLBody><text/></nonXMLBody><structuredBody>", "CDA_READ_BODY"),
        (b'encoding="UTF-8"', b'encoding="ISO-8859-1"', "CDA_READ_ENCODING"),
    ],
)
def test_what_the_reader_makes_up_is_said(letter: bytes, old: bytes, new: bytes, code: str) -> None:
    data = changed(letter, old, new)
    document = read(data)
    (found,) = document.report.warnings
    assert found.code == code
    assert found.rule
    assert found.hint
    with pytest.raises(CdaError) as caught:
        read(data, strict=True)
    assert caught.value.code == code


def test_a_good_document_gives_no_warning(letter: bytes) -> None:
    assert len(read(letter).report) == 0
    assert read(letter, strict=True) == read(letter)


def test_strict_lists_everything(letter: bytes) -> None:
    data = changed(letter, b'<setId root="', b'<setId rot="')
    data = changed(data, b'representation="B64">', b'representation="B64">*')
    with pytest.raises(CdaError) as caught:
        read(data, strict=True)
    assert [f.code for f in caught.value.report] == ["CDA_READ_SET_ID", "CDA_BASE64"]
    document = read(data)
    with pytest.raises(CdaError) as caught:
        _ = document.files[0].data
    assert caught.value.code == "CDA_BASE64"
    assert caught.value.path.endswith("observationMedia/value")


def test_without_any_time_there_is_no_document() -> None:
    with pytest.raises(CdaError) as caught:
        read(
            b'<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2.3"/><code code="x" codeSystem="1.2"/>'
            b"</ClinicalDocument>"
        )
    assert caught.value.code == "CDA_EFFECTIVE_TIME"
