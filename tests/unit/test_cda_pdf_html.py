"""The page that a person reads: everything of the narrative, nothing that runs."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from lxml import etree
from lxml import html as lxml_html

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import CdaError
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import CdaDocument, Issuer
from sunes_sdk.cda.html import PDF_COPY, to_html
from sunes_sdk.testing import demo, samples

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>\nstartxref\n0\n%%EOF\n"


def documents() -> dict[str, CdaDocument]:
    issuer = Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(1), clock=FixedClock(samples.WRITTEN))
    built = demo.discharge_documents(
        samples.patient(),
        samples.stay(),
        author=samples.physician().at(samples.hospital()),
        recipient=samples.general_practitioner(),
    )
    rendered = [d.render(issuer) for d in built]
    return {d.type_code.code: d for d in rendered}


@pytest.fixture(scope="module")
def letter() -> CdaDocument:
    return next(d for d in documents().values() if d.cda_level == 3 and "liaison" in d.title.lower())


def with_section(document: CdaDocument, text: str, title: str = "Ajout", entries: str = "") -> CdaDocument:
    section = (
        f"<component><section><title>{title}</title><text>{text}</text>{entries}</section></component></structuredBody>"
    )
    content = document.content.replace(b"</structuredBody>", section.encode())
    assert content != document.content
    return replace(document, content=content)


def shown(document: CdaDocument) -> etree._Element:
    return lxml_html.document_fromstring(to_html(document)).find("body")


def last(document: CdaDocument) -> str:
    page = to_html(document)
    return page[page.rindex("<section") : page.rindex("</main>")]


def test_header_says_who_about_whom_and_to_whom(letter: CdaDocument) -> None:
    text = re.sub(r"\s+", " ", " ".join(shown(letter).itertext()))
    for expected in (
        "PAT-TROIS DOMINIQUE", "28/03/1979", "Féminin", "2 79 03 51 215 189 89", "INS (NIR de test)", "1234567890121",
        "Hôpital de démonstration", "DAVID", "15/01/2026 à 10:30", "DUPONT", "DOMPREMY (51215)",
        "du 10/01/2026 à 09:00 au 15/01/2026 à 10:00",
    ):  # fmt: skip
        assert expected in text, expected


def test_every_section_is_there_in_order(letter: CdaDocument) -> None:
    root = etree.fromstring(letter.content)
    titles = [t.text for t in root.iterfind(".//{urn:hl7-org:v3}section/{urn:hl7-org:v3}title")]
    headings = [h.text_content() for h in shown(letter).iter("h2", "h3", "h4")]
    assert [h for h in headings if h not in ("Patient", "Document")] == titles


def test_nothing_runs_and_nothing_is_fetched(letter: CdaDocument) -> None:
    hostile = with_section(
        letter,
        "&lt;script>alert(1)&lt;/script><paragraph onclick='x()' styleCode='Bold\" onload=\"y()'>a</paragraph>"
        "<linkHtml href='javascript:alert(1)'>lien</linkHtml><linkHtml href='https://exemple.fr/a?b=1&amp;c'>site"
        "</linkHtml><script>z()</script>",
        title="&lt;img src=x onerror=alert(1)>",
    )
    page = to_html(hostile)
    body = lxml_html.document_fromstring(page)
    assert not body.xpath(
        "//script | //*[@onclick or @onload or @onerror] | //img[not(starts-with(@src,'data:'))] | "
        "//*[@href and not(self::a[starts-with(@href, '#') or @download and starts-with(@href, 'data:')])]"
    )
    assert "default-src 'none'" in page
    assert "site (https://exemple.fr/a?b=1&amp;c)" in page
    assert "javascript:" not in page
    assert "z()" in page, "the text of an unknown element is kept, as text"


def test_lists_tables_and_styles(letter: CdaDocument) -> None:
    written = last(
        with_section(
            letter,
            "<list listType='ordered'><caption>Liste</caption><item>un<br/>deux</item></list>"
            "<table><caption>Titre</caption><thead><tr><th>A</th><th colspan='2'>B</th></tr></thead><tbody>"
            "<tr><td align='right'>1</td><td>2</td><td styleCode='Bold Italics'>3</td></tr></tbody></table>"
            "<content styleCode='Underline'>s<sub>2</sub></content><content revised='delete'>x</content>",
        )
    )
    assert "<ol><strong>Liste</strong> <li>un<br>deux</li></ol>" in written
    assert "<caption>Titre</caption><colgroup>" in written
    assert '<th scope="col" colspan="2">B</th>' in written
    assert '<td style="text-align:right">1</td>' in written
    assert '<td style="font-weight:bold;font-style:italic">3</td>' in written
    assert '<span style="text-decoration:underline">s<sub>2</sub></span><del>x</del>' in written


@pytest.mark.parametrize("span", ["-1", "0", "x", "1000000000000000000", "١٢", ""])
def test_odd_spans_do_no_harm(letter: CdaDocument, span: str) -> None:
    written = last(
        with_section(letter, f"<table><tbody><tr><td colspan='{span}' rowspan='{span}'>a</td></tr></tbody></table>")
    )
    assert "<td>a</td>" in written


def test_huge_spans_are_bounded(letter: CdaDocument) -> None:
    written = last(with_section(letter, "<table><tbody><tr><td colspan='99999'>a</td></tr></tbody></table>"))
    assert '<td colspan="100">' in written


def media(identifier: str, media_type: str, data: bytes) -> str:
    return (
        f"<entry><observationMedia classCode='OBS' moodCode='EVN' ID='{identifier}'><value mediaType='{media_type}'"
        f" representation='B64'>{base64.b64encode(data).decode()}</value></observationMedia></entry>"
    )


def test_images_are_shown_other_files_are_named_missing_ones_are_said(letter: CdaDocument) -> None:
    written = last(
        with_section(
            letter,
            "<renderMultiMedia referencedObject='i1'/><renderMultiMedia referencedObject='i2 nowhere'/>",
            entries=media("i1", "image/png", PNG) + media("i2", "application/pdf", b"%PDF"),
        )
    )
    assert f'src="data:image/png;base64,{base64.b64encode(PNG).decode()}"' in written
    assert "[Pièce jointe : application/pdf]" in written
    assert "[Image absente du document]" in written


def test_deep_nesting_is_bounded(letter: CdaDocument) -> None:
    deep = with_section(letter, "<content>" * 100 + "x" + "</content>" * 100)
    assert to_html(deep)


def links(document: CdaDocument) -> list[tuple[str, str]]:
    """Files that the page gives: (name, address)."""
    page = lxml_html.document_fromstring(to_html(document))
    return [(a.get("download"), a.get("href")) for a in page.xpath("//a[@download]")]


def unstructured(media_type: str, data: bytes) -> CdaDocument:
    document = next(d for d in documents().values() if d.cda_level == 1)
    body = base64.b64encode(data)
    content = re.sub(
        rb'<text mediaType="application/pdf" representation="B64">[^<]*',
        f'<text mediaType="{media_type}" representation="B64">'.encode() + body,
        document.content,
    )
    return replace(document, content=content)


def test_bodies_that_are_files() -> None:
    assert "<pre>Été\nx &lt;b&gt;</pre>" in to_html(unstructured("text/plain", "Été\nx <b>\x01".encode()))
    assert "<pre>Été</pre>" in to_html(unstructured("text/plain", "Été".encode("cp1252")))
    assert "data:image/png;base64," in to_html(unstructured("image/png", PNG))
    assert links(unstructured("text/rtf", b"{\\rtf")) == [("document.rtf", "data:text/rtf;base64,e1xydGY=")]
    assert links(unstructured("application/pdf", PDF)) == [
        ("document.pdf", f"data:application/pdf;base64,{base64.b64encode(PDF).decode()}")
    ]
    word = to_html(unstructured("application/msword", b"x"))
    assert "(application/msword) ne peut pas être affiché" in word
    assert not links(unstructured("application/msword", b"x"))


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"%PDF", "est illisible"), (PDF.replace(b"<x", b"/JavaScript (x) <x"), "contient du code")],
)
def test_a_pdf_that_may_harm_is_not_offered(data: bytes, why: str) -> None:
    document = unstructured("application/pdf", data)
    assert not links(document)
    assert why in to_html(document)


def test_the_pdf_copy_comes_first(letter: CdaDocument) -> None:
    section = (
        f"<component><section><templateId root='{PDF_COPY}'/><title>Copie du document</title><text>x</text>"
        f"{media('pdf', 'application/pdf', PDF)}</section></component></structuredBody>"
    )
    without = re.sub(rf"<component><section><templateId root=\"{PDF_COPY}\">.*?</section></component>", "",
                     letter.content.decode())  # fmt: skip
    document = replace(letter, content=without.replace("</structuredBody>", section).encode())
    assert [name for name, _ in links(document)] == ["document.pdf"]
    page = to_html(document)
    assert page.index("Ouvrir la copie PDF") < page.index('<section class="level2">')
    assert "Copie du document" not in page
    broken = replace(document, content=document.content.replace(base64.b64encode(PDF), b"%%"))
    assert "La copie PDF de ce document est illisible." in to_html(broken)


def test_bytes_are_enough(letter: CdaDocument) -> None:
    assert to_html(letter.content) == to_html(letter) == letter.to_html()


def test_landmarks_headers_and_contents(letter: CdaDocument) -> None:
    page = lxml_html.document_fromstring(to_html(letter))
    assert page.get("lang") == "fr"
    for landmark in ("header", "main", "footer", "nav[@aria-label]"):
        assert len(page.xpath(f"//{landmark}")) == 1, landmark
    assert not page.xpath("//th[not(@scope)] | //img[not(@alt)]")
    targets = [a.get("href") for a in page.xpath("//nav//a")]
    assert len(targets) >= 4
    for target in targets:
        assert page.xpath("//*[@id=$i]", i=target[1:])
    levels = [int(h.tag[1]) for h in page.xpath("//h1|//h2|//h3|//h4")]
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels)), "no heading level is skipped"


def test_a_body_that_is_not_base64() -> None:
    document = unstructured("text/plain", b"x")
    broken = replace(
        document, content=document.content.replace(b'representation="B64">eA==', b'representation="B64">%%')
    )
    with pytest.raises(CdaError) as e:
        to_html(broken)
    assert e.value.code == "CDA_BASE64"


@pytest.mark.parametrize(
    ("written", "expected"),
    [("2026", "2026"), ("202601", "01/2026"), ("20260115", "15/01/2026"), ("20260115103000+0100", "15/01/2026 à 10:30"),
     ("20260715100000+0000", "15/07/2026 à 12:00"), ("bogus<", "bogus<"), ("", "")],
)  # fmt: skip
def test_times_as_french_people_read_them(written: str, expected: str) -> None:
    from sunes_sdk.cda.html import _when

    assert _when(written) == expected
