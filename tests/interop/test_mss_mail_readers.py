"""Programs we did not write read our message and our archive."""

from __future__ import annotations

import email
import email.policy
import io
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from sunes_sdk._core.clock import FixedClock
from sunes_sdk.cda import CdaDocument, Issuer, UnstructuredDocument
from sunes_sdk.model import Mss
from sunes_sdk.mss import MssClient
from sunes_sdk.settings import MssSettings
from sunes_sdk.testing import samples
from sunes_sdk.testing.pki import TestPki

PDF = b"%PDF-1.4\n" + bytes(range(256)) * 500


def note(**changes: Any) -> CdaDocument:
    values: dict[str, Any] = {
        "patient": samples.patient(), "author": samples.physician().at(samples.hospital()),
        "custodian": samples.hospital(), "stay": samples.stay(), "document_type": "34112-3",
        "title": "Compte rendu – œdème", "body": "é\n.\n..".encode() * 3000, "media_type": "text/plain",
    }  # fmt: skip
    return UnstructuredDocument(**values | changes).render(Issuer(oid_root=samples.DOCUMENT_ROOT))


@pytest.fixture
def message(pki: TestPki) -> tuple[CdaDocument, bytes]:
    section = MssSettings(
        host="localhost", tls=pki.tls, sender="dpi@hopital-demo.mssante.fr", mailbox_type="APP",
        label="Hôpital – Médecine", reply_to="service@hopital-demo.mssante.fr", source_id=samples.SOURCE_ID,
        trusted_domains=("medecin.mssante.fr",),
    )  # fmt: skip
    document = note()
    clock = FixedClock(datetime.now(UTC))
    with MssClient(samples.settings(mss=section), clock=clock, pdf=lambda _: PDF) as mss:
        prepared = mss.prepare(document, Mss(address="jeanne.dupont@medecin.mssante.fr"))
    return document, prepared.blobs["message"]


def archive_of(message: bytes) -> bytes:
    parsed: EmailMessage = email.message_from_bytes(message, policy=email.policy.default)
    (part,) = [p for p in parsed.iter_attachments() if p.get_filename() == "IHE_XDM.ZIP"]
    return bytes(part.get_content())


def test_python_email_finds_no_defect(message: tuple[CdaDocument, bytes]) -> None:
    for policy in (email.policy.default, email.policy.strict, email.policy.SMTP):
        parsed: EmailMessage = email.message_from_bytes(message[1], policy=policy)
        for part in parsed.walk():
            content = part.get_payload(decode=True)
            assert part.is_multipart() or content
            assert part.defects == []
            assert all(getattr(value, "defects", ()) == () for value in part.values())
        assert parsed.get_content_type() == "multipart/mixed"
        kinds = [p.get_content_type() for p in parsed.iter_parts()]
        assert kinds == ["text/plain", "application/zip", "application/pdf"]
        body, _, pdf = parsed.iter_parts()
        assert "œdème" in body.get_content()
        assert pdf.get_content() == PDF


def test_python_zipfile_and_the_document(message: tuple[CdaDocument, bytes]) -> None:
    document, raw = message
    with zipfile.ZipFile(io.BytesIO(archive_of(raw))) as z:
        assert z.testzip() is None
        assert z.namelist() == [
            "INDEX.HTM", "README.TXT", "IHE_XDM/", "IHE_XDM/SUBSET01/", "IHE_XDM/SUBSET01/DOC0001.XML",
            "IHE_XDM/SUBSET01/METADATA.XML",
        ]  # fmt: skip
        assert z.read("IHE_XDM/SUBSET01/DOC0001.XML") == document.content
        readme = z.read("README.TXT")
        assert readme.isascii()
        assert readme.count(b"\n") == readme.count(b"\r\n") > 10
        assert {i.create_system for i in z.infolist()} == {0}
        assert "Hôpital de démonstration (10B0127189)".encode() in z.read("INDEX.HTM")


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_unzip_tests_it(message: tuple[CdaDocument, bytes], tmp_path: Path) -> None:
    file = tmp_path / "IHE_XDM.ZIP"
    file.write_bytes(archive_of(message[1]))
    done = subprocess.run([tool("unzip"), "-t", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, "No errors detected" in done.stdout) == (0, True), done.stdout


def test_xmllint_reads_the_metadata_and_the_index(message: tuple[CdaDocument, bytes], tmp_path: Path) -> None:
    lint = tool("xmllint")
    with zipfile.ZipFile(io.BytesIO(archive_of(message[1]))) as z:
        for name in ("INDEX.HTM", "IHE_XDM/SUBSET01/METADATA.XML"):
            file = tmp_path / name.replace("/", "_")
            file.write_bytes(z.read(name))
            subprocess.run([lint, "--noout", "--nonet", str(file)], check=True, capture_output=True)


def test_perl_mime_tools_read_it(message: tuple[CdaDocument, bytes], tmp_path: Path) -> None:
    """`munpack` or `ripmime` extract the attachments unchanged."""
    document, raw = message
    source = tmp_path / "message.eml"
    source.write_bytes(raw)
    folder = tmp_path / "out"
    folder.mkdir()
    if shutil.which("ripmime"):
        command = ["ripmime", "-i", str(source), "-d", str(folder)]
    elif shutil.which("munpack"):
        command = ["munpack", "-q", "-C", str(folder), str(source)]
    else:
        pytest.skip("neither ripmime nor munpack is installed")
    subprocess.run(command, check=True, capture_output=True)
    (found,) = [p for p in folder.iterdir() if p.name.upper() == "IHE_XDM.ZIP"]
    with zipfile.ZipFile(found) as z:
        assert z.read("IHE_XDM/SUBSET01/DOC0001.XML") == document.content
