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

from sunes_sdk.cda import ReadDocument, read
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
