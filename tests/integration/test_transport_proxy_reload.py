"""An explicit proxy, and TLS files that are renewed while the program runs."""

from __future__ import annotations

import base64
import contextlib
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from sunes_sdk.errors import ModelError, TransportError
from sunes_sdk.settings import MssSettings, TlsSettings
from sunes_sdk.testing.pki import Issued, TestPki
from sunes_sdk.testing.server import Answer, FakeHttpServer, Request
from sunes_sdk.transport import HttpsTransport


class Proxy:
    """Takes CONNECT, with these credentials when given, and passes bytes on."""

    def __init__(self, credentials: str = "", drip: bool = False) -> None:
        self.asked: list[str] = []
        self._credentials = credentials
        self._drip = drip
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with contextlib.suppress(OSError), peer:
            head = b""
            while b"\r\n\r\n" not in head:
                head += peer.recv(4096)
            self.asked.append(head.split(b"\r\n")[0].decode())
            if self._drip:
                for _ in range(100):
                    peer.sendall(b"H")
                    threading.Event().wait(0.1)
                return
            expected = base64.b64encode(self._credentials.encode())
            if self._credentials and expected not in head:
                peer.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            host, _, port = self.asked[-1].split()[1].rpartition(":")
            with socket.create_connection((host, int(port))) as upstream:
                peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pump, args=(upstream, peer), daemon=True)
                back.start()
                pump(peer, upstream)
                back.join(5)

    def close(self) -> None:
        self._listener.close()


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


seen: list[Request] = []


def echo(request: Request) -> Answer:
    seen.append(request)
    return Answer(200, {"Content-Type": "text/plain"}, request.body)


@pytest.fixture
def server(pki: TestPki) -> Iterator[FakeHttpServer]:
    seen.clear()
    with FakeHttpServer(pki, echo) as running:
        yield running


def through(pki: TestPki, proxy: str, **changes: Any) -> HttpsTransport:
    tls = TlsSettings(**dict(pki.tls) | {"proxy": proxy} | changes)
    return HttpsTransport(tls, timeout_seconds=2.0)


@pytest.mark.parametrize("credentials", ["", "user:secret"])
def test_a_proxy_is_used_when_it_is_set(pki: TestPki, server: FakeHttpServer, credentials: str) -> None:
    """The TLS is ours, end to end: the server sees our certificate, the proxy sees where we go."""
    changes = {"proxy_credentials": SecretStr(credentials)} if credentials else {}
    with contextlib.closing(Proxy(credentials)) as proxy:
        transport = through(pki, proxy.url, **changes)
        for body in (b"one", b"two"):
            assert transport.post(server.url + "/x", body, {}).body == body
        transport.close()
    (asked,) = proxy.asked  # one connection for both
    assert asked.startswith(f"CONNECT {server.url.removeprefix('https://')} ")
    assert seen[0].client is not None
    assert seen[0].path == "/x"
    assert "proxy-authorization" not in seen[0].headers


def test_a_proxy_that_refuses(pki: TestPki, server: FakeHttpServer) -> None:
    with contextlib.closing(Proxy("user:other")) as proxy:
        transport = through(pki, proxy.url, proxy_credentials=SecretStr("user:secret"))
        with pytest.raises(TransportError) as caught:
            transport.post(server.url, b"x", {})
        transport.close()
    assert (caught.value.code, caught.value.sent) == ("PROXY", "no")
    assert "secret" not in f"{caught.value} {caught.value!r} {transport._tls!r}"
    assert not seen


def test_a_proxy_that_is_not_there_is_not_gone_around(pki: TestPki, server: FakeHttpServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    transport = through(pki, address)
    with pytest.raises(TransportError) as caught:
        transport.post(server.url, b"x", {})
    transport.close()
    assert (caught.value.code, caught.value.sent) == ("PROXY", "no")
    assert not seen


def test_a_proxy_that_drips(pki: TestPki, server: FakeHttpServer) -> None:
    with contextlib.closing(Proxy(drip=True)) as proxy:
        transport = through(pki, proxy.url, total_seconds=1.0)
        with pytest.raises(TransportError) as caught:
            transport.post(server.url, b"x", {})
        transport.close()
    assert caught.value.sent == "no"


@pytest.mark.parametrize("value", ["proxy:3128", "https://proxy:3128", "http://u:p@proxy:3128", "http://proxy", ""])
def test_an_address_of_a_proxy_is_checked(pki: TestPki, value: str) -> None:
    with pytest.raises(ModelError):
        TlsSettings(**dict(pki.tls) | {"proxy": value})


def test_mss_refuses_a_proxy(pki: TestPki) -> None:
    """It would be ignored: SMTP does not go through one."""
    values = {
        "host": "localhost", "tls": dict(pki.tls) | {"proxy": "http://proxy:3128"}, "sender": "a@b.mssante.fr",
        "mailbox_type": "ORG", "label": "x", "reply_to": "a@b.mssante.fr", "source_id": "1.2.3", "trusted_domains": (),
    }  # fmt: skip
    with pytest.raises(ModelError) as caught:
        MssSettings(**values)
    assert caught.value.code == "MSS_PROXY"


# --- renewal ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(pki: TestPki, tmp_path: Path) -> TlsSettings:
    """Copies that a test may renew."""
    copied = TlsSettings(ca_file=tmp_path / "ca.pem", certificate=tmp_path / "c.pem", key=tmp_path / "k.pem")
    shutil.copy(pki.ca_file, copied.ca_file)
    renew(copied, pki.client)
    return copied


def renew(files: TlsSettings, by: Issued) -> None:
    for source, target in ((by.certificate, files.certificate), (by.key, files.key)):
        fresh = target.with_suffix(".new")
        shutil.copy(source, fresh)
        fresh.replace(target)


def serial() -> int:
    assert seen[-1].client is not None
    return seen[-1].client.serial_number


def test_renewed_files_serve_the_next_call(pki: TestPki, server: FakeHttpServer, files: TlsSettings) -> None:
    transport = HttpsTransport(files, timeout_seconds=5.0)
    transport.post(server.url, b"", {})
    before = serial()
    renew(files, pki.insi)
    transport.post(server.url, b"", {})
    assert serial() != before
    transport.post(server.url, b"", {})
    assert server.connections == 2, "loaded once"
    transport.close()


def test_half_a_pair_is_never_used(
    pki: TestPki, server: FakeHttpServer, files: TlsSettings, caplog: pytest.LogCaptureFixture
) -> None:
    transport = HttpsTransport(files, timeout_seconds=5.0)
    transport.post(server.url, b"", {})
    before = serial()
    shutil.copy(pki.insi.certificate, files.certificate)
    transport.post(server.url, b"", {})
    assert serial() == before
    assert "CERTIFICATE_NOT_RELOADED" in caplog.text
    files.key.unlink()
    transport.post(server.url, b"", {})
    assert serial() == before
    shutil.copy(pki.insi.key, files.key)
    transport.post(server.url, b"", {})
    assert serial() != before
    transport.close()


def test_files_of_another_structure_are_no_renewal(
    pki: TestPki, server: FakeHttpServer, files: TlsSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The DMP would refuse a connection and an assertion of two holders, and each document with it."""
    transport = HttpsTransport(files, timeout_seconds=5.0)
    transport.post(server.url, b"", {})
    before = serial()
    renew(files, TestPki(tmp_path / "other", structure="1750000001").client)
    transport.post(server.url, b"", {})
    assert serial() == before
    assert "CERTIFICATE_OTHER_HOLDER" in caplog.text
    transport.close()


def test_threads_go_on_during_a_renewal(pki: TestPki, server: FakeHttpServer, files: TlsSettings) -> None:
    transport = HttpsTransport(files, timeout_seconds=10.0)
    errors: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(25):
                transport.post(server.url, b"x", {})
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for by in (pki.insi, pki.client, pki.insi):
        renew(files, by)
    for thread in threads:
        thread.join()
    transport.post(server.url, b"x", {})
    transport.close()
    assert errors == []
    assert len(seen) == 101
