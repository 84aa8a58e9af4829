"""Any name gives a legal message; any altered archive gives documents or one coded error."""

from __future__ import annotations

import email
import email.policy
import io
import re
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sunes_sdk._core.text import fold_ascii
from sunes_sdk.cda import CdaDocument, CdaHeader, Issuer, UnstructuredDocument
from sunes_sdk.cda.header import HeaderPatient
from sunes_sdk.errors import MetadataError, ModelError
from sunes_sdk.model import Code
from sunes_sdk.mss import Emitter, Mail, pdf_name, read_archive, readable_subject, subject, write_archive
from sunes_sdk.mss.message import _CONTROL, from_field
from sunes_sdk.mss.smtp import stuffed
from sunes_sdk.testing import samples
from sunes_sdk.xds import content_type_of, project, submission_set

AT = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
EMITTER = Emitter(organization=samples.hospital(), software=samples.software())


def document() -> CdaDocument:
    return UnstructuredDocument(
        patient=samples.patient(), author=samples.physician().at(samples.hospital()), custodian=samples.hospital(),
        stay=samples.stay(), document_type="34112-3", title="Compte rendu", body=b"texte", media_type="text/plain",
    ).render(Issuer(oid_root=samples.DOCUMENT_ROOT))  # fmt: skip


DOCUMENT = document()


def header(display: str, family: str, given_name: str) -> CdaHeader:
    patient = HeaderPatient(
        ids=(), birth_family=family, birth_givens=given_name, first_given=given_name, birth_time="19790328"
    )
    return replace(
        DOCUMENT.header, code=Code.model_construct(code="1", system="2", display=display), title="t", patient=patient
    )


texts = st.text(max_size=60)
clean = texts.filter(lambda t: not _CONTROL.search(t))


@given(texts, texts, texts)
@example("a\u2028b", "é" * 60, "\ud7ff")
def test_subject_is_ascii_with_its_prefix_or_refused(display: str, family: str, given_name: str) -> None:
    h = header(display, family, given_name)
    if any(map(_CONTROL.search, (display, family, given_name))):
        with pytest.raises(ModelError) as e:
            subject([h])
        assert e.value.code == "MSS_HEADER_INJECTION"
        return
    text = subject([h])
    assert re.fullmatch(r"XDM/1\.0/DDM\+[ -~]*", text)
    assert "  " not in text
    assert text.endswith("28/03/1979")
    assert fold_ascii(family).upper() in text
    assert readable_subject(text) == text.removeprefix("XDM/1.0/DDM+")
    assert re.fullmatch(r"20260110(_[0-9A-Za-z.-]+)*\.pdf", pdf_name(h))


@settings(max_examples=60)
@given(display=clean, family=clean, label=clean.filter(str.strip), body=texts, data=st.binary(max_size=400))
def test_any_message_is_parsed_back(display: str, family: str, label: str, body: str, data: bytes) -> None:
    raw = Mail(
        from_value=from_field(label, "dpi@a.fr"), reply_to="b@a.fr", recipient="c@d.fr", nil="N", message_id="<1@a.fr>",
        boundary="=_1", at=AT, headers=(header(display, family, "P"),), qualified=False, archive=data, pdfs=(data,),
        body=body,
    ).to_bytes()  # fmt: skip
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    message: EmailMessage = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["From"].addresses[-1].addr_spec == "dpi@a.fr"
    assert len(message["From"].addresses) == 1
    _, archive, pdf = message.iter_parts()
    assert archive.get_content() == data
    assert pdf.get_content() == data
    assert len(list(message.walk())) == 4


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"\r\n", b".\r\n"]), max_size=30).map(b"".join))
def test_dot_stuffing_is_undone_by_the_rule_of_receivers(message: bytes) -> None:
    lines = stuffed(message).split(b"\r\n")
    assert b"." not in lines
    assert b"\r\n".join(line.removeprefix(b".") for line in lines) == message


def archive() -> bytes:
    entry = replace(project(DOCUMENT), id="urn:uuid:0b177897-7b2a-47a4-bd02-d5b369456c96")
    sending = submission_set(
        entry, id="urn:uuid:b3c6be27-9f52-4b81-83c4-380141cbfa42", unique_id="1.2.3", source_id="1.2.4",
        content_type=content_type_of(DOCUMENT.header), submitted_at=AT,
    )  # fmt: skip
    return write_archive([(entry, DOCUMENT.content)], sending, emitter=EMITTER, at=AT)


ARCHIVE = archive()


def survives(data: bytes) -> None:
    try:
        read = read_archive(data)
    except MetadataError:
        return
    assert all(d.content == DOCUMENT.content for d in read.documents)


@settings(max_examples=300)
@given(st.integers(0, len(ARCHIVE) - 1), st.integers(1, 255))
def test_one_altered_byte(position: int, change: int) -> None:
    survives(ARCHIVE[:position] + bytes([ARCHIVE[position] ^ change]) + ARCHIVE[position + 1 :])


@settings(max_examples=100)
@given(st.integers(0, len(ARCHIVE)), st.integers(0, len(ARCHIVE)))
def test_a_missing_piece(start: int, end: int) -> None:
    survives(ARCHIVE[: min(start, end)] + ARCHIVE[max(start, end) :])


@settings(max_examples=100)
@given(st.binary(max_size=200), st.integers(0, 3))
def test_altered_metadata(noise: bytes, where: int) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(ARCHIVE)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename.endswith("METADATA.XML"):
                at = len(content) * where // 4
                content = content[:at] + noise + content[at:]
            new.writestr(info.filename, content)
    survives(out.getvalue())


@given(st.binary(max_size=300))
def test_noise_is_no_archive(data: bytes) -> None:
    with pytest.raises(MetadataError):
        read_archive(data)


def test_same_arguments_same_archive() -> None:
    assert archive() == ARCHIVE
