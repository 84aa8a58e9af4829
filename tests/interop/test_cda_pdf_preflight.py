"""Our PDF/A-1 judged by Apache PDFBox Preflight, its text by pypdf. A claim proves nothing."""

from __future__ import annotations

import base64
import io
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import CdaError
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import CdaDocument, Issuer
from sunes_sdk.cda.pdf import pdf_copy, to_pdf, write_pdf
from sunes_sdk.cda.reader import read
from sunes_sdk.testing import demo, samples

pypdf = pytest.importorskip("pypdf")
pytest.importorskip("weasyprint", exc_type=(ImportError, OSError))  # type: ignore[arg-type]  # pytest takes a tuple too; its annotation says one class

JARS = ("preflight", "pdfbox2", "fontbox2", "xmpbox", "commons-logging", "javax.activation", "jaxb-api")
V3 = "{urn:hl7-org:v3}"
Judge = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def preflight(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Judges files in one Java run: name → "" when it is valid PDF/A-1b, else the errors."""
    java = shutil.which("java")
    jars = [Path("/usr/share/java") / f"{name}.jar" for name in JARS]
    missing = [j.stem for j in jars if not j.exists()]
    if java is None or missing:
        pytest.skip(
            "needs java and the Debian packages libpdfbox2-java libactivation-java libjaxb-api-java"
            f" (missing: {', '.join(missing) or 'java'})"
        )

    def judge(**files: bytes) -> dict[str, str]:
        folder = tmp_path_factory.mktemp("preflight")
        for name, data in files.items():
            (folder / f"{name}.pdf").write_bytes(data)
        done = subprocess.run(
            [java, "-cp", ":".join(map(str, jars)), "org.apache.pdfbox.preflight.Validator_A1b", "batch", str(folder)],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        verdicts = {}
        for verdict in done.stdout.split("The file ")[1:]:
            name, _, said = verdict.partition(".pdf is ")
            verdicts[name] = "" if said.startswith("a valid PDF/A-1b file") else said
        assert verdicts.keys() == files.keys(), done.stdout + done.stderr
        return verdicts

    return judge


@pytest.fixture(scope="module")
def documents() -> dict[str, CdaDocument]:
    issuer = Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(1), clock=FixedClock(samples.WRITTEN))
    built = demo.discharge_documents(
        samples.patient(), samples.stay(), author=samples.physician().at(samples.hospital()),
        recipient=samples.general_practitioner(),
    )  # fmt: skip
    return {type(d).__name__: d.render(issuer) for d in built}


def with_text(document: CdaDocument, text: str, entries: str = "") -> CdaDocument:
    section = f"<component><section><title>Ajout</title><text>{text}</text>{entries}</section></component>"
    content = document.content.replace(b"</structuredBody>", section.encode() + b"</structuredBody>")
    return replace(document, content=content)


def words(document: CdaDocument) -> set[str]:
    """Of the narrative, but the PDF copy's."""
    root = etree.fromstring(document.content)
    found: set[str] = set()
    for section in root.iter(f"{V3}section"):
        if not any(t.get("root") == "1.2.250.1.213.1.1.2.243" for t in section.iterfind(f"{V3}templateId")):
            for part in section.iterchildren(f"{V3}title", f"{V3}text"):
                found |= set(" ".join(part.itertext()).split())
    return found


def text_of(data: bytes) -> str:
    return "".join("".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(data)).pages)


def assert_nothing_leaves_the_page(data: bytes) -> None:
    """No piece of text starts beyond the right margin, and none is wider than what is left of the line."""
    for page in pypdf.PdfReader(io.BytesIO(data)).pages:
        width = float(page.mediabox.width)
        places: list[float] = []

        def visit(text: str, cm: list[float], tm: list[float], *_: object, into: list[float] = places) -> None:
            if text.strip():
                into.append(tm[4] * cm[0] + cm[4])

        page.extract_text(visitor_text=visit)
        assert places
        assert max(places) < width - 40, f"text starts at {max(places):.0f} of {width:.0f} points"


WIDE = (
    "<table><thead><tr>" + "".join(f"<th>Colonne{i}administration</th>" for i in range(14)) + "</tr></thead><tbody><tr>"
    + "".join(f"<td>valeur{i}</td>" for i in range(14)) + "</tr></tbody></table>"
)  # fmt: skip
LONG = "<paragraph>" + "Texte long avec accents éèàçœŒ « guillemets » ≥ 5 µg/L – fin. " * 600 + "</paragraph>"
LONG_ROWS = (
    "<table><tbody>" + "".join(f"<tr><td>Ligne {i}</td><td>é</td></tr>" for i in range(300)) + "</tbody></table>"
)
UNBROKEN = "<table><tbody><tr><td>" + "A" * 400 + "</td><td>suite</td></tr></tbody></table>"


def image_section() -> tuple[str, str]:
    from PIL import Image

    entries = ""
    for number, (mode, kind) in enumerate(
        (("RGBA", "PNG"), ("RGB", "JPEG"), ("CMYK", "JPEG"), ("P", "GIF"), ("LA", "PNG"), ("1", "TIFF"))
    ):
        out = io.BytesIO()
        Image.new(mode, (40, 30)).save(out, kind)
        entries += (
            f"<entry><observationMedia classCode='OBS' moodCode='EVN' ID='im{number}'><value representation='B64'"
            f" mediaType='image/{kind.lower()}'>{base64.b64encode(out.getvalue()).decode()}</value>"
            "</observationMedia></entry>"
        )
    return "".join(f"<renderMultiMedia referencedObject='im{n}'/>" for n in range(6)), entries


def test_what_we_render_is_pdf_a_1(preflight: Judge, documents: dict[str, CdaDocument]) -> None:
    letter = documents["DischargeLetter"]
    rendered = {name: to_pdf(d) for name, d in documents.items()}
    rendered |= {
        f"narrative_{name}": to_pdf(d, prefer_copy=False) for name, d in documents.items() if d.cda_level == 3
    }  # fmt: skip
    rendered["mixed"] = to_pdf(with_text(letter, WIDE + LONG + LONG_ROWS + UNBROKEN))
    rendered["images"] = to_pdf(with_text(letter, *image_section()))
    verdicts = preflight(**rendered)
    assert verdicts == dict.fromkeys(rendered, "")


def test_demonstration_files_are_pdf_a_1(preflight: Judge) -> None:
    files = {p.stem: p.read_bytes() for p in demo.example_folder().glob("*.pdf")}
    assert len(files) == 3
    assert preflight(**files) == dict.fromkeys(files, "")


def test_preflight_refuses_what_is_not(preflight: Judge, documents: dict[str, CdaDocument]) -> None:
    import weasyprint

    good = to_pdf(documents["DischargeLetter"])
    bad = {
        "plain": weasyprint.HTML(string="<p>a</p>").write_pdf(),
        "claim_only": good.replace(b"/OutputIntents", b"/OutputIntentz"),
        "no_claim": good.replace(b"pdfaid:part>1", b"pdfaid:part>2"),
    }
    assert all(preflight(**bad).values())


def test_the_whole_narrative_is_in_the_pdf(documents: dict[str, CdaDocument]) -> None:
    for name, document in documents.items():
        if document.cda_level == 3:
            text = text_of(to_pdf(document, prefer_copy=False))
            missing = {w for w in words(document) if w not in text}
            assert not missing, (name, missing)


def test_wide_tables_and_long_words_stay_on_the_page(documents: dict[str, CdaDocument]) -> None:
    data = to_pdf(with_text(documents["DischargeLetter"], WIDE + UNBROKEN))
    assert_nothing_leaves_the_page(data)
    assert "A" * 400 in text_of(data)
    assert "Colonne13" in text_of(data).replace("-", "").replace("\u2010", "")


def test_long_tables_go_over_pages(documents: dict[str, CdaDocument]) -> None:
    data = to_pdf(with_text(documents["DischargeLetter"], LONG_ROWS))
    assert len(pypdf.PdfReader(io.BytesIO(data)).pages) > 4
    assert all(f"Ligne{i}é" in text_of(data) for i in (0, 150, 299))


@pytest.mark.parametrize(
    "name", ["LDL-SES_2022.01", "LDL-EES_2022.01", "eP-MED-DM_2024.01_PosoStruct", "IMG_CR_IMG_2024.01",
             "BIO-CR-BIO_2024.01_Microbiologie_V1"]
)  # fmt: skip
def test_official_examples(preflight: Judge, kit: Path, name: str) -> None:
    document = read((kit / "ExemplesCDA" / f"{name}.xml").read_bytes())
    data = to_pdf(document, prefer_copy=False)
    assert preflight(example=data) == {"example": ""}
    assert_nothing_leaves_the_page(data)
    text = text_of(data).replace("\u2010", "")
    missing = {w for w in words(document) if w not in text}
    assert not missing


def test_metadata_and_repeatability(documents: dict[str, CdaDocument]) -> None:
    letter = documents["DischargeLetter"]
    data = to_pdf(letter)
    assert to_pdf(letter) == data
    info = pypdf.PdfReader(io.BytesIO(data)).metadata
    assert (info.title, info.author) == (letter.title, "Hôpital de démonstration")


def test_threads_write_the_same_bytes(documents: dict[str, CdaDocument]) -> None:
    letter = documents["DischargeLetter"]
    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(lambda _: to_pdf(letter), range(8)))
    assert set(written) == {to_pdf(letter)}


def test_level_1_gives_the_pdf_inside(documents: dict[str, CdaDocument]) -> None:
    assert to_pdf(documents["OperativeReport"]) == demo.read_example("compte_rendu_operatoire.pdf")


def test_a_pdf_copy_is_what_is_shown_when_it_is_pdf_a_1(documents: dict[str, CdaDocument]) -> None:
    document = documents["MedicationPrescription"]
    copy = demo.read_example("prescription.pdf")
    assert pdf_copy(etree.fromstring(document.content)) == copy
    assert to_pdf(document) == copy
    assert to_pdf(document, prefer_copy=False) != copy
    other = base64.b64encode(copy.replace(b"pdfaid:part>1", b"pdfaid:part>3"))
    content = document.content.replace(base64.b64encode(copy), other)
    assert content != document.content
    assert "PARACETAMOL" in text_of(to_pdf(replace(document, content=content)))


def test_a_level_1_pdf_that_is_not_pdf_a_1_is_refused(documents: dict[str, CdaDocument]) -> None:
    document = documents["OperativeReport"]
    body = demo.read_example("compte_rendu_operatoire.pdf")
    for change, code in (
        (body.replace(b"pdfaid:part>1", b"pdfaid:part>2"), "CDA_PDF_NOT_PDFA"),
        (body[:-300], "CDA_PDF_UNREADABLE"),
    ):
        content = document.content.replace(base64.b64encode(body), base64.b64encode(change))
        with pytest.raises(CdaError) as e:
            to_pdf(replace(document, content=content))
        assert e.value.code == code
        assert e.value.hint_fr or e.value.report.findings[0].message_fr


def test_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret.css"
    secret.write_text("body::before { content: 'SECRET' }")
    page = f'<html><head><link rel=stylesheet href="{secret.as_uri()}"></head><body>a<img src="http://127.0.0.1:1/x">'
    assert "SECRET" not in text_of(write_pdf(page, title="t"))
