from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from sunes_sdk._core.errors import TransportError
from sunes_sdk.transport import HttpResponse, RecordingTransport


class Echo:
    closed = False

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        if url.endswith("fail"):
            raise TransportError("cut", sent="maybe", code="CONNECTION_LOST")
        return HttpResponse(200, {"content-type": "text/xml"}, body[::-1])

    def close(self) -> None:
        self.closed = True


def test_frames_are_exact_numbered_and_private(tmp_path: Path) -> None:
    inner = Echo()
    transport = RecordingTransport(inner, tmp_path / "frames")
    assert transport.post("https://h/v2/repository", b"\x00\r\nab", {"Content-Type": "x/y"}).body == b"ba\n\r\x00"
    with pytest.raises(TransportError):
        transport.post("https://h/../fail", b"", {})
    transport.close()
    assert inner.closed
    files = {p.name: p.read_bytes() for p in (tmp_path / "frames").iterdir()}
    assert files == {
        "0001-repository-request.txt": b"POST /v2/repository HTTP/1.1\r\nContent-Type: x/y\r\n\r\n\x00\r\nab",
        "0001-repository-response.txt": b"HTTP/1.1 200\r\ncontent-type: text/xml\r\n\r\nba\n\r\x00",
        "0002-fail-request.txt": b"POST /../fail HTTP/1.1\r\n\r\n",
        "0002-fail-failure.txt": b"CONNECTION_LOST sent=maybe\r\n\r\n",
    }
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "frames").iterdir()} == {0o600}


def test_numbers_go_on_in_an_old_folder(tmp_path: Path) -> None:
    RecordingTransport(Echo(), tmp_path).post("https://h/", b"1", {})
    RecordingTransport(Echo(), tmp_path).post("https://h/", b"2", {})
    assert sorted(p.name for p in tmp_path.glob("*request*")) == [
        "0001-service-request.txt", "0002-service-request.txt",
    ]  # fmt: skip
