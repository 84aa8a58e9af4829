"""Frames as evidence: exact, or without anybody in them."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import stat
import threading
import tracemalloc
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import CertificateError, ConfigurationError, TransportError
from sunes_sdk.transport import HttpResponse, RecordingTransport, mtom, soap
from sunes_sdk.transport.masked_frame import mask_body, mask_head
from sunes_sdk.transport.seam import Body, joined

AT = FixedClock(datetime(2026, 1, 15, 10, 30, tzinfo=UTC))
QUERY = "urn:ihe:iti:2007:RegistryStoredQuery"


class Echo:
    closed = False

    def post(self, url: str, body: Body, headers: Mapping[str, str]) -> HttpResponse:
        if url.endswith("fail"):
            raise TransportError("cut", sent="maybe", code="CONNECTION_LOST")
        if url.endswith("expired"):
            raise CertificateError("expired", code="CERTIFICATE_EXPIRED")
        return HttpResponse(200, {"content-type": "text/xml"}, joined(body)[::-1])

    def close(self) -> None:
        self.closed = True


def recorder(folder: Path, **changes: Any) -> RecordingTransport:
    return RecordingTransport(Echo(), folder, **{"clock": AT} | changes)


def index(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "index.json").read_bytes())
    return found


def test_frames_are_exact_listed_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    inner = Echo()
    transport = RecordingTransport(inner, folder, clock=AT)
    assert transport.post("https://h/v2/repository", b"\x00\r\nab", {"Content-Type": "x/y"}).body == b"ba\n\r\x00"
    with pytest.raises(TransportError):
        transport.post("https://h/../fail", b"", {})
    with pytest.raises(CertificateError):
        transport.post("https://h/expired", b"", {})
    transport.close()
    assert inner.closed
    files = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    content = {name: path.read_bytes() for name, path in files.items() if name != "index.json"}
    assert content == {
        "0001-repository-20260115T103000Z/request.http": (
            b"POST /v2/repository HTTP/1.1\r\nContent-Type: x/y\r\n\r\n\x00\r\nab"
        ),
        "0001-repository-20260115T103000Z/response.http": (
            b"HTTP/1.1 200\r\ncontent-type: text/xml\r\n\r\nba\n\r\x00"
        ),
        "0002-fail-20260115T103000Z/request.http": b"POST /../fail HTTP/1.1\r\n\r\n",
        "0002-fail-20260115T103000Z/failure.txt": b"CONNECTION_LOST sent=maybe\r\n\r\n",
        "0003-expired-20260115T103000Z/request.http": b"POST /expired HTTP/1.1\r\n\r\n",
        "0003-expired-20260115T103000Z/failure.txt": b"CERTIFICATE_EXPIRED sent=no\r\n\r\n",
    }  # fmt: skip
    assert {stat.S_IMODE(p.stat().st_mode) for p in files.values()} == {0o600}
    assert {stat.S_IMODE(p.stat().st_mode) for p in (folder, *folder.glob("0*"))} == {0o700}
    first, second, third = index(folder)
    assert (first["status"], first["masked"], first["at"]) == (200, False, "2026-01-15T10:30:00.000+00:00")
    assert (second["failure"], second["sent"], third["failure"]) == ("CONNECTION_LOST", "maybe", "CERTIFICATE_EXPIRED")
    for entry in (first, second, third):
        for name, said in entry["files"].items():
            assert said["sha256"] == hashlib.sha256(content[f"{entry['folder']}/{name}"]).hexdigest()


class Large:
    """A document that is read where it lies."""

    def __len__(self) -> int:
        return 40_000_000

    def __iter__(self) -> Iterator[bytes]:
        return (b"%07d\n" % n * 31_250 for n in range(160))


class Deaf(Echo):
    def post(self, url: str, body: Body, headers: Mapping[str, str]) -> HttpResponse:
        return HttpResponse(200, {}, b"")


def test_a_large_request_is_never_held_whole(tmp_path: Path) -> None:
    named: list[bytes] = []

    def naming(action: str, start: bytes) -> str:
        named.append(start)
        return action

    envelope = b"<Action>a</Action><MessageID>m</MessageID>"
    transport = RecordingTransport(Deaf(), tmp_path, naming=naming, clock=AT)
    tracemalloc.start()
    try:
        transport.post("https://h/repository", (envelope, Large(), b"--end"), {})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000
    (entry,) = index(tmp_path)
    written = tmp_path / entry["folder"] / "request.http"
    exact = b"POST /repository HTTP/1.1\r\n\r\n" + joined((envelope, Large(), b"--end"))
    assert written.read_bytes() == exact
    assert entry["files"]["request.http"] == {
        "body_bytes": len(envelope) + 40_000_005,
        "sha256": hashlib.sha256(exact).hexdigest(),
    }
    assert (entry["action"], entry["message_id"]) == ("a", "m")
    assert [(len(start), start.startswith(envelope)) for start in named] == [(1_000_000, True)]


def test_a_transaction_is_named_by_its_action(tmp_path: Path) -> None:
    envelope = soap.envelope(action=QUERY, message_id="urn:uuid:1", body=b"<a/>")
    transport = recorder(tmp_path)
    transport.post("https://h/registry", envelope, {"Content-Type": soap.content_type(QUERY)})
    transport.post("https://h/registry", envelope, {"Content-Type": "application/soap+xml"})
    recorder(tmp_path, naming=lambda action, body: f"../{action[:3]} {len(body)}").post("https://h/", envelope, {})
    entries = index(tmp_path)
    assert [e["transaction"] for e in entries] == ["RegistryStoredQuery"] * 2 + [f"urn{len(envelope)}"]
    assert {(e["action"], e["message_id"]) for e in entries} == {(QUERY, "urn:uuid:1")}
    assert [e["folder"][:4] for e in entries] == ["0001", "0002", "0003"]  # an old folder goes on


def test_limits_stop_the_recording_and_not_the_calls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    few = recorder(tmp_path / "few", max_exchanges=2)
    assert [few.post("https://h/a", b"1", {}).status for _ in range(4)] == [200] * 4
    assert len(index(tmp_path / "few")) == 2
    assert few.full
    small = recorder(tmp_path / "small", max_bytes=15)
    assert small.post("https://h/a", b"0123456789", {}).body == b"9876543210"
    assert not list((tmp_path / "small").rglob("*.tmp"))
    (entry,) = index(tmp_path / "small")
    response = tmp_path / "small" / entry["folder"] / "response.http"
    assert response.read_bytes().endswith(b"(10 bytes not recorded: the limit of the recorder is reached)")
    assert small.full
    assert caplog.text.count("RECORDER_FULL") == 2


def test_what_cannot_be_recorded_is_not_sent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError) as refused:
        recorder(tmp_path / "file")
    assert refused.value.code == "RECORDER_FOLDER"
    transport = recorder(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ConfigurationError):
        transport.post("https://h/a", b"", {})

    class Breaks(Echo):
        def post(self, url: str, body: Body, headers: Mapping[str, str]) -> HttpResponse:
            for path in sorted((tmp_path / "later").rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            return super().post(url, body, headers)

    late = RecordingTransport(Breaks(), tmp_path / "later", clock=AT)
    assert late.post("https://h/a", b"ab", {}).body == b"ba"  # an answer is not lost for it
    assert "RECORDER_FOLDER" in caplog.text


def test_calls_at_once_are_all_listed(tmp_path: Path) -> None:
    transport = recorder(tmp_path)
    threads = [threading.Thread(target=transport.post, args=("https://h/a", b"x", {})) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(e["number"] for e in index(tmp_path)) == list(range(1, 21))


# --- masked -----------------------------------------------------------------------------------------------------------

RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
AUTHOR = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
CLASS = "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a"
ACTION = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"


def _message(secret: str, *, in_oid: str = "") -> tuple[str, bytes]:
    """A package with a secret wherever the messages of the DMP hold a trait, a name or free text. in_oid: an arc."""
    text, value = escape(secret), quoteattr(secret)
    assertion = (
        f'<saml:Assertion xmlns:saml="{SAML}" ID={value} Version="2.0"><saml:Issuer>{text}</saml:Issuer>'
        f'<saml:Attribute Name="urn:oasis:names:tc:xacml:2.0:resource:resource-id">'
        f"<saml:AttributeValue>{text}</saml:AttributeValue></saml:Attribute>"
        f'<saml:Attribute Name="role"><saml:AttributeValue><Role xmlns="urn:hl7-org:v3" code={value}/>'
        f"</saml:AttributeValue></saml:Attribute></saml:Assertion>"
    )
    body = (
        f'<m xmlns="{RIM}"><!--{secret.replace("-", "")}-->{text}<?pi {secret.replace("?", "")}?>'
        f'<ExtrinsicObject id="Document01" mimeType="text/xml">'
        f'<Slot name="sourcePatientInfo"><ValueList><Value>PID-5|{text}</Value></ValueList></Slot>'
        f'<Slot name="hash"><ValueList><Value>da39a3ee5e6b4b0d3255bfef95601890afd80709</Value></ValueList></Slot>'
        f'<Slot name="repositoryUniqueId"><ValueList><Value>1.2{in_oid}</Value></ValueList></Slot>'
        f"<Name><LocalizedString value={value}/></Name>"
        f'<Classification classificationScheme="{AUTHOR}" nodeRepresentation={value}/>'
        f'<Classification classificationScheme="{CLASS}" nodeRepresentation="10"/>'
        f"<ExternalIdentifier value={value}/><ExternalIdentifier value='1.2.3.4'/></ExtrinsicObject>"
        f'<p xmlns="urn:hl7-org:v3"><id root="1.2.250" extension={value}/><name><family>{text}</family></name>'
        f"<birthTime value={value}/><administrativeGenderCode code={value}/></p>"
        f"<Fault codeContext={value}>{text}</Fault><Document>{text}</Document></m>"
    ).encode()
    envelope = soap.envelope(
        action=ACTION, message_id="urn:uuid:22222222-2222-4222-8222-222222222222",
        headers=soap.security(assertion.encode()), body=body,
    )  # fmt: skip
    return mtom.encode(envelope, [mtom.Part(content_id="doc@x", data=secret.encode() * 3)], action=ACTION)


NAMES = st.builds(
    "{}{}".format,
    st.sampled_from(["DUPONT", "PAT TROIS", "O'NEIL", "DE LA CROIX", "<&>NAME"]),
    st.text(st.characters(categories=["L", "N"], max_codepoint=0x24F), max_size=60),
)
MATRICULES = st.from_regex(r"[12][0-9]{2}(0[1-9]|1[0-2])(7[0-9]|2A)[0-9]{8}", fullmatch=True)
BIRTH_DATES = st.from_regex(r"19[0-9]{2}-?(0[1-9]|1[0-2])-?(1[0-9]|2[0-8])", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(st.one_of(NAMES, MATRICULES))
def test_no_trait_remains_in_a_masked_frame(secret: str) -> None:
    masked = mask_body(*_message(secret, in_oid=f".{secret}" if secret.isalnum() and secret[:1].isdigit() else ""))
    assert secret.encode() not in masked
    assert escape(secret).encode() not in masked


@settings(max_examples=30, deadline=None)
@given(BIRTH_DATES)
def test_no_birth_date_remains(date: str) -> None:
    content_type, body = _message("NOBODY")
    body = body.replace(b'<birthTime value="NOBODY"/>', f'<birthTime value="{date}"/>'.encode())
    body = body.replace(b"PID-5|NOBODY", f"PID-7|{date}".encode())
    assert date not in mask_body(content_type, body).decode()


def test_the_structure_and_the_lengths_remain() -> None:
    masked = mask_body(*_message("NOBODY AT ALL")).decode()
    for kept in (
        ACTION, "urn:uuid:22222222-2222-4222-8222-222222222222", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        'Version="2.0"', 'Name="urn:oasis:names:tc:xacml:2.0:resource:resource-id"', 'nodeRepresentation="10"',
        'value="1.2.3.4"',
        '<family>*************</family>', 'id="Document01"', 'name="sourcePatientInfo"', "(doc@x: 39 bytes masked)",
    ):  # fmt: skip
        assert kept in masked
    assert "***(100 characters)***" in mask_body("text/xml", b"<a>" + b"x" * 100 + b"</a>").decode()


@pytest.mark.parametrize("body", [b"<html>DUPONT", b"DUPONT", b"<!DOCTYPE a [<!ENTITY x 'DUPONT'>]><a>&x;</a>"])
def test_what_is_no_xml_is_only_a_number_of_bytes(body: bytes) -> None:
    assert re.fullmatch(rb"\([0-9]+ bytes masked: XML_[A-Z]+\)", mask_body("text/html", body))


def test_headers_that_may_name_somebody_are_masked(tmp_path: Path) -> None:
    assert mask_head({"Content-Type": "text/xml", "set-cookie": "DUPONT", "Date": "DUPONT\u00e9"}) == {
        "Content-Type": "text/xml", "set-cookie": "******", "Date": "*******",
    }  # fmt: skip
    transport = recorder(tmp_path, masked=True)
    content_type, body = _message("NOBODY AT ALL")
    transport.post("https://h/repository", body, {"Content-Type": content_type, "Cookie": "NOBODY AT ALL"})
    (entry,) = index(tmp_path)
    assert entry["masked"]
    assert entry["files"]["request.http"]["body_bytes"] == len(body)
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"NOBODY" not in written
    assert ACTION.encode() in written
