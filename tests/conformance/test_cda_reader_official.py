"""Documents that others wrote: the official examples, and the CDA of the published sample messages, all read."""

from __future__ import annotations

import base64
import email
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sunes_sdk.cda import (
    AdmissionLetter,
    DischargeLetter,
    ImagingReport,
    LaboratoryReport,
    MedicationPrescription,
    ReadDocument,
    UnstructuredDocument,
    read,
)
from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.cda.documents.laboratory_content import Battery, Isolate, LaboratoryResult
from sunes_sdk.cda.reading.body import Section

DOCUMENT = re.compile(rb"<(?:\w+:)?ClinicalDocument[ >]")


def examples(kit: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((kit / "ExemplesCDA").glob("*.xml"))}


def received(samples: Path) -> Iterator[tuple[str, bytes]]:
    """Every CDA of the sample messages: files, members of XDM archives, MIME parts, OBX-5 of HL7 v2 messages."""
    for path in sorted(p for p in samples.rglob("*") if p.is_file() and p.suffix != ".xsd"):
        data = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                parts = [archive.read(n) for n in archive.namelist() if n.lower().endswith(".xml")]
        elif data.lstrip().startswith(b"--"):
            message = email.message_from_bytes(b"Content-Type: multipart/related; boundary=" + data.split()[0][2:]
                                               + b"\r\n\r\n" + data)  # fmt: skip
            parts = [p.get_payload(decode=True) for p in message.walk() if not p.is_multipart()]
        elif path.suffix in (".hl7", ".er7"):
            # Some are cut short (known defect of the samples): no document can be had from them.
            found = re.findall(rb"\^Base64\^([A-Za-z0-9+/=]{100,})", data)
            parts = [base64.b64decode(m) for m in found if len(m) % 4 == 0]
        else:
            parts = [data]
        for part in parts:
            if DOCUMENT.search(part):
                yield f"{path.relative_to(samples)}", part


def every_section(document: ReadDocument) -> list[Section]:
    return [inner for outer in document.sections for inner in outer.walk()]


def test_every_official_example_reads(kit: Path) -> None:
    found = examples(kit)
    assert len(found) >= 12
    for name, data in found.items():
        document = read(data)
        assert not document.report.warnings, (name, str(document.report))
        assert document.content is data
        assert (document.body is not None) != bool(document.sections), name
        assert document.header.patient.birth_family, name
        for section in every_section(document):
            assert section.title or section.code, (name, section.path)
            assert section.text or section.sections or section.entries, (name, section.path)
        for file in document.files:
            assert file.data, (name, file.path)


def test_no_text_of_a_narrative_is_lost(kit: Path) -> None:
    """Letter by letter, beside what the XML holds."""
    for name, data in examples(kit).items():
        for section in every_section(read(data)):
            text = section.node.find("text")
            if text is not None:
                bare = str.maketrans("", "", "|- \n\t\r\xa0")  # what the plain form adds, and blanks
                assert section.text.translate(bare) == text.text.translate(bare), (name, section.path)


def test_the_files_of_the_examples_are_what_they_claim(kit: Path) -> None:
    # The barcodes of the prescriptions say image/jpeg and are PNG: read as they are, cda.check says the rest.
    starts = {"application/pdf": b"%PDF-", "image/jpeg": b"\x89PNG"}
    seen = 0
    for name, data in examples(kit).items():
        for file in read(data).files:
            assert file.data.startswith(starts[file.media_type]), name
            seen += 1
    assert seen >= 12


KINDS: dict[str, type[ClinicalDocument]] = {
    "BIO-CR-BIO_2024.01_CR-2nde-intention-PDF.xml": LaboratoryReport,
    "BIO-CR-BIO_2024.01_Microbiologie_V1.xml": LaboratoryReport,
    "BIO-CR-BIO_2024.01_Microbiologie_V2.xml": LaboratoryReport,
    "BIO-CR-BIO_2024.01_TSH_1.xml": LaboratoryReport,
    "IMG_CR_IMG_2024.01.xml": ImagingReport,
    "LDL-SES_2022.01.xml": DischargeLetter,
    "LDL-EES_2022.01.xml": AdmissionLetter,
    "eP-MED-DM_2024.01_PosoNonStruct.xml": MedicationPrescription,
    "eP-MED-DM_2024.01_PosoStruct.xml": MedicationPrescription,
    "BIO-CR-BIO_2021.01_CDA-R2-Niveau-1.xml": UnstructuredDocument,
    "DOC_NON_STRUCTURE_CDA-R2-N1.xml": UnstructuredDocument,
    "IMG_CR_IMG_2024.01_CDA-R2-Niveau-1.xml": UnstructuredDocument,
}


@pytest.mark.parametrize("name", KINDS)
def test_an_official_example_has_its_model(kit: Path, name: str) -> None:
    """Nothing is lost silently: an entry is in the model, or it is listed."""
    document = read((kit / "ExemplesCDA" / name).read_bytes())
    model = document.typed()
    assert type(model) is KINDS[name]
    assert model.patient.ins is not None
    listed = {f.path for f in document.unread()}
    if isinstance(model, LaboratoryReport):
        found = [r for c in model.chapters for part in c.parts() for r in part.results]
        counted = sum(map(results_of, found))
        observations = re.findall(rb'<templateId[^>]*root="1\.2\.250\.1\.213\.1\.1\.3\.80"', document.content)
        assert counted + len(listed & {p for p in listed if p.endswith("observation")}) == len(observations)
    if isinstance(model, MedicationPrescription):
        section = document.section("57828-6")
        lines = [e for e in section.entries if e.find("substanceAdministration")] if section else []
        assert len(model.treatments) + sum(1 for p in listed if p.endswith("substanceAdministration")) >= len(lines)
        assert all(t.posology not in (t.name, "") for t in model.treatments)
        assert "3 fois/j à partir du 01/12/2023 pendant 2 jours" in model.treatments[0].posology
    if isinstance(model, DischargeLetter):
        section = document.section("10183-2")
        assert section is not None
        assert len(model.discharge_treatments) == len(section.entries)
        assert model.synthesis.medical_summary
        assert "1 fois / jour" in (model.discharge_treatments[0].posology or "")
    if isinstance(model, AdmissionLetter):
        body = [p for p in listed if not p.startswith(("participant", "componentOf", "documentationOf"))]
        # The example says of the reaction that it was not (negationInd), which its narrative contradicts.
        assert [p.rpartition("/")[2] for p in body] == ["observation"]
        assert model.treatments
        assert model.allergies
        assert model.medical_history
        assert model.further_information


def results_of(item: LaboratoryResult | Battery | Isolate) -> int:
    """How many observations stand for it: itself, what it holds, its earlier values."""
    if isinstance(item, LaboratoryResult):
        return 1 + len(item.previous)
    return sum(map(results_of, item.results if isinstance(item, Battery) else item.items))


def test_every_document_of_the_sample_messages_reads(samples: Path) -> None:
    found = list(received(samples))
    if not found:
        pytest.skip("no CDA among the samples")
    assert len(found) >= 8
    for name, data in found:
        document = read(data)
        assert document.unique_id, name
        assert document.body is not None or document.sections, name
        for file in document.files:
            assert file.data, name
