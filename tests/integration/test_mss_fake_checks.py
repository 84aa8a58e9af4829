"""Each check of the fake operator refuses a message of ours in which one thing was changed."""

from __future__ import annotations

import binascii
import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from sunes_sdk.cda import CdaDocument, Issuer, UnstructuredDocument
from sunes_sdk.model import Identity, IdentityStatus, Mss, MssPatient, Prepared
from sunes_sdk.mss import Envelope, MssClient, SmtpReply, SmtpSubmission
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_mss import PROFESSIONAL, SENDER, FakeMss
from sunes_sdk.testing.pki import TestPki

PATIENT = f"{samples.ins().value}@patient.mssante.fr"
META = "IHE_XDM/SUBSET01/METADATA.XML"
DOC = "IHE_XDM/SUBSET01/DOC0001.XML"
Files = dict[str, bytes]


def note(**changes: Any) -> CdaDocument:
    values: dict[str, Any] = {
        "patient": samples.patient(), "author": samples.physician().at(samples.hospital()),
        "custodian": samples.hospital(), "stay": samples.stay(), "document_type": "34112-3",
        "title": "Compte rendu", "body": b"texte", "media_type": "text/plain",
    }  # fmt: skip
    return UnstructuredDocument(**values | changes).render(Issuer(oid_root=samples.DOCUMENT_ROOT))


@pytest.fixture(scope="module")
def fake(pki: TestPki) -> Iterator[FakeMss]:
    with FakeMss(pki) as running:
        yield running


@pytest.fixture(scope="module")
def mss(fake: FakeMss) -> Iterator[MssClient]:
    with MssClient(samples.settings(mss=fake.settings()), pdf=lambda _: b"%PDF-1.4\n%stub\n") as running:
        yield running


@pytest.fixture(scope="module")
def submission(fake: FakeMss) -> Iterator[SmtpSubmission]:
    running = SmtpSubmission(fake.settings())
    yield running
    running.close()


@pytest.fixture(scope="module")
def to_doctor(mss: MssClient) -> Prepared:
    return mss.prepare(note(), Mss(address=PROFESSIONAL))


@pytest.fixture(scope="module")
def to_patient(mss: MssClient) -> Prepared:
    return mss.prepare(note(), MssPatient())


Send = Callable[..., tuple[SmtpReply, str]]


@pytest.fixture
def send(fake: FakeMss, submission: SmtpSubmission) -> Send:
    def run(message: bytes, recipient: str = PROFESSIONAL) -> tuple[SmtpReply, str]:
        fake.refusals.clear()
        reply = submission.submit(Envelope(sender=SENDER, recipient=recipient, envelope_id="1"), message)
        return reply, fake.refusals[-1] if fake.refusals else ""

    return run


def sub(pattern: bytes, new: bytes, message: bytes) -> bytes:
    changed, n = re.subn(pattern, new, message, count=1, flags=re.MULTILINE)
    assert n == 1
    return changed


def part(message: bytes, content_type: bytes) -> tuple[bytes, bytes]:
    """The base64 text of an attachment, and its bytes."""
    found = re.search(rb"Content-Type: " + content_type + rb".*?\r\n\r\n(.*?)\r\n--=_", message, re.DOTALL)
    assert found is not None
    return found[1], binascii.a2b_base64(found[1])


def with_zip(message: bytes, data: bytes) -> bytes:
    encoded, _ = part(message, b"application/zip")
    lines = re.findall(rb".{1,76}", binascii.b2a_base64(data, newline=False))
    return message.replace(encoded, b"\r\n".join(lines))


def with_files(message: bytes, change: Callable[[Files], Files]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(part(message, b"application/zip")[1])) as z:
        files = {name: z.read(name) for name in z.namelist() if not name.endswith("/")}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in change(files).items():
            z.writestr(name, content)
    return with_zip(message, out.getvalue())


def edit(name: str, old: bytes, new: bytes) -> Callable[[Files], Files]:
    def change(files: Files) -> Files:
        assert old in files[name]
        return files | {name: files[name].replace(old, new)}

    return change


def edit_document(old: bytes, new: bytes) -> Callable[[Files], Files]:
    """Change the CDA, and make hash and size right again."""

    def change(files: Files) -> Files:
        before = files[DOC]
        assert old in before
        after = before.replace(old, new)
        meta = files[META]
        for a, b in (
            (hashlib.sha1(before).hexdigest().upper(), hashlib.sha1(after).hexdigest().upper()),
            (f"<rim:Value>{len(before)}<", f"<rim:Value>{len(after)}<"),
        ):
            meta = meta.replace(a.encode(), b.encode())
        return files | {DOC: after, META: meta}

    return change


def test_the_untouched_messages_pass(send: Send, to_doctor: Prepared, to_patient: Prepared) -> None:
    assert send(to_doctor.blobs["message"])[0].accepted
    assert send(to_patient.blobs["message"], PATIENT)[0].accepted
    assert send(with_files(to_doctor.blobs["message"], lambda files: files))[0].accepted


@pytest.mark.parametrize(
    ("pattern", "new", "said"),
    [
        (rb"^X-MSS-NIL: .*\r\n", b"", "X-MSS-NIL is absent"),
        (rb"^X-MSS-NIL: .*\r\n", b"X-MSS-NIL: \r\n", "X-MSS-NIL is empty"),
        (rb"^(X-MSS-NIL: .*\r\n)", rb"\1\1", "X-MSS-NIL is absent or repeated"),
        (rb"^Message-ID: .*\r\n", b"", "Message-ID is absent"),
        (rb"^Message-ID: .*\r\n", b"Message-ID: <x>\r\n", "Message-ID is malformed"),
        (rb"^Message-ID: .*\r\n", b"Message-ID: <x@other.fr>\r\n", "not of the domain"),
        (rb"^Date: .*\r\n", b"", "Date is absent"),
        (rb"^Subject: .*\r\n", b"", "Subject is absent"),
        (rb"^Reply-To: .*\r\n", b"", "Reply-To is absent"),
        (rb"^From: .*\r\n", b"From: <autre@hopital-demo.mssante.fr>\r\n", "From is not the mailbox"),
        (rb"^To: .*\r\n", b"To: <autre@medecin.mssante.fr>\r\n", "To is not the recipients"),
        (rb"^(To: .*\r\n)", rb"\1Cc: <autre@medecin.mssante.fr>\r\n", "To is not the recipients"),
        (rb"^X-MSS-CODECDA: .*\r\n", b"", "X-MSS-CODECDA is not"),
        (rb"^X-MSS-CODECDA: .*\r\n", b"X-MSS-CODECDA: 11490-0\r\n", "X-MSS-CODECDA is not"),
        (rb"^X-MSS-CODECDA: .*\r\n", b"X-MSS-CODECDA: 34112-3,34112-3\r\n", "X-MSS-CODECDA is not"),
        (rb"^X-MSS-INS: .*\r\n", b"", "X-MSS-INS is O or N"),
        (rb"^X-MSS-INS: .*\r\n", b"X-MSS-INS: oui\r\n", "X-MSS-INS is O or N"),
        (rb"^(X-MSS-INS: .*\r\n)", rb"\1X-MSS-MES: FIN\r\n", "X-MSS-MES is FIN, to a patient only"),
        (rb"^Subject: XDM/1\.0/DDM\+", b"Subject: XDM/1.0/DDM", "Subject does not start"),
        (rb"^Subject: XDM/1\.0/DDM\+", b"Subject: XDM/1.0/DDM+ ", "Subject does not start"),
        (rb"^Subject: ", b"Subject: RE: ", "Subject does not start"),
        (rb"^Subject: .*\r\n", b"Subject: =?utf-8?q?XDM/1=2E0/DDM+a_B_c?=\r\n", "Subject does not start"),
        (rb"hospitalier", b"hosp", "Subject is not"),
        (rb" PAT-TROIS", b" Pat-trois", "Subject is not"),
        (rb" DOMINIQUE 28/03/1979", b"", "Subject is not"),
        (rb'filename="IHE_XDM.ZIP"', b'filename="AUTRE.ZIP"', "without a CDA"),
        (rb'filename="[0-9]{8}_', b'filename="', "A PDF is not named"),
        (rb"^Content-Transfer-Encoding: quoted-printable", b"Content-Transfer-Encoding: base64", "Malformed message"),
        (rb"^Subject: ", "Subject: é".encode(), "not ASCII"),
        (rb"^Subject: ", b"X-Long: " + b"a" * 1000 + b"\r\nSubject: ", ""),
    ],
)  # fmt: skip
def test_headers(send: Send, to_doctor: Prepared, pattern: bytes, new: bytes, said: str) -> None:
    reply, refusal = send(sub(pattern, new, to_doctor.blobs["message"]))
    assert not reply.accepted
    assert said in refusal


def test_headers_to_a_patient(send: Send, to_patient: Prepared) -> None:
    message = to_patient.blobs["message"]
    for new, said in ((b"fin", "X-MSS-MES is FIN"), (b"FIN", "")):
        reply, refusal = send(sub(rb"^X-MSS-NIL", b"X-MSS-MES: " + new + b"\r\nX-MSS-NIL", message), PATIENT)
        assert reply.accepted is (not said)
        assert said in refusal
    assert "qualified INS" in send(message.replace(b"X-MSS-INS: O", b"X-MSS-INS: N"), PATIENT)[1]


def test_the_patient_of_the_document_must_be_the_recipient(send: Send, to_patient: Prepared) -> None:
    other = "255069999999934@patient.mssante.fr"
    message = to_patient.blobs["message"].replace(PATIENT.encode(), other.encode())
    assert "not the recipient" in send(message, other)[1]


def test_ins_is_not_claimed_without_one(send: Send, mss: MssClient) -> None:
    identity = Identity(traits=samples.traits(), status=IdentityStatus.VALIDEE)
    document = note(patient=samples.patient(identity=identity))
    message = mss.prepare(document, Mss(address=PROFESSIONAL, without_ins=True)).blobs["message"]
    assert "the patient has no INS" in send(message.replace(b"X-MSS-INS: N", b"X-MSS-INS: O"))[1]


def test_one_pdf_for_each_document(send: Send, to_doctor: Prepared) -> None:
    message = to_doctor.blobs["message"]
    without = sub(rb"(?s)\r\n--=_[0-9a-f]+\r\nContent-Type: application/pdf.*?(?=\r\n--=_)", b"", message)
    assert "One PDF" in send(without)[1]
    encoded, _ = part(message, b"application/pdf")
    assert "is not a PDF" in send(message.replace(encoded, b"AAAA"))[1]


def test_archive_bytes(send: Send, to_doctor: Prepared) -> None:
    message = to_doctor.blobs["message"]
    _, data = part(message, b"application/zip")
    assert "not a zip" in send(with_zip(message, data[:-30]))[1]
    at = data.index(DOC.encode()) + len(DOC) + 40
    broken = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
    assert not send(with_zip(message, broken))[0].accepted


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: {n: c for n, c in files.items() if n != META}, "lacks METADATA.XML"),
        (lambda files: {n: c for n, c in files.items() if n != "README.TXT"}, "lacks METADATA.XML"),
        (lambda files: {n: c for n, c in files.items() if n != DOC}, "not in the archive"),
        (lambda files: files | {META: b"<a"}, "METADATA.XML is refused"),
        (lambda files: files | {META: b"<a/>"}, "does not hold one submission set"),
        (edit(DOC, b"DAVID", b"david"), "hash of a document"),
        (edit(DOC, b"DAVID", b"DAVIDS"), "size of a document"),
        (edit_document(b'code="34112-3"', b'code="11490-0"'), "X-MSS-CODECDA"),
        (edit_document(b"ClinicalDocument", b"OtherDocument"), "not a CDA"),
    ],
)  # fmt: skip
def test_archive_content(send: Send, to_doctor: Prepared, change: Callable[[Files], Files], said: str) -> None:
    reply, refusal = send(with_files(to_doctor.blobs["message"], change))
    assert not reply.accepted
    assert said in refusal


def test_two_patients_in_the_metadata(send: Send, to_doctor: Prepared) -> None:
    def change(files: Files) -> Files:
        meta = files[META]
        at = meta.rindex(b'value="279035121518989')
        return files | {META: meta[:at] + meta[at:].replace(b"279035121518989", b"255069999999934", 1)}

    assert "more than one patient" in send(with_files(to_doctor.blobs["message"], change))[1]


def test_a_message_over_the_size_that_it_announced(pki: TestPki, to_doctor: Prepared) -> None:
    """The limit holds for what is really sent, whatever MAIL FROM said."""
    message = to_doctor.blobs["message"]
    with FakeMss(pki, max_message_bytes=len(message) - 1) as small:
        submission = SmtpSubmission(small.settings())
        plain = Envelope(sender=SENDER, recipient=PROFESSIONAL, envelope_id="1")
        assert submission.submit(plain, message).stage == "MAIL"
        connection = next(iter(submission._open))
        connection._smtp.esmtp_features.pop("size")
        reply = submission.submit(plain, message)
        assert (reply.code, reply.enhanced, reply.stage) == (552, "5.3.4", "END")
        submission.close()


def test_a_second_archive(send: Send, to_doctor: Prepared) -> None:
    message = to_doctor.blobs["message"]
    found = re.search(rb"(?s)\r\n--=_[0-9a-f]+\r\nContent-Type: application/zip.*?(?=\r\n--=_)", message)
    assert found is not None
    assert "More than one" in send(message.replace(found[0], found[0] * 2))[1]


def test_an_envelope_of_another_sender(fake: FakeMss, submission: SmtpSubmission, to_doctor: Prepared) -> None:
    envelope = Envelope(sender="autre@hopital-demo.mssante.fr", recipient=PROFESSIONAL, envelope_id="1")
    reply = submission.submit(envelope, to_doctor.blobs["message"])
    assert (reply.code, reply.stage) == (553, "MAIL")
    assert submission.submit(replace(envelope, sender=SENDER), to_doctor.blobs["message"]).accepted
