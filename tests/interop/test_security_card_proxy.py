"""The proxy of docs/howto/use-a-card-or-hsm.md, nginx, as the page writes it: TLS with a key of a token (SoftHSM2 in
place of a card), or of a file where OpenSSL has no PKCS#11 engine."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "howto" / "use-a-card-or-hsm.md"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
ENGINE = "ssl_engine pkcs11;\n"
TEMPORARY = "".join(f"{kind}_temp_path tmp_{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
"""In the test's own folder, so that it needs no rights."""

BEGIN = """
import socket, sys, time
from sunes_sdk.cda import UnstructuredDocument
from sunes_sdk.errors import SunesError

here, command = Path.cwd(), sys.argv[1:]
os.environ["PKCS11_MODULE_PATH"] = str(LIBRARY)
Path("card-authentication.pem").write_bytes(card.authentication.certificate.read_bytes())
Path("card.key").write_bytes(card.authentication.key.read_bytes())
Path("pin").write_text(PIN)
Path("igc-sante.pem").write_bytes(pki.ca_file.read_bytes())
with FakeDmp(pki) as dmp:
    dmp.open_dmp(samples.ins(), traits=samples.traits())
    written = Path("card-proxy.conf").read_text()
    Path("card-proxy.conf").write_text(written.replace("https://DMP-HOST", dmp.url))
    nginx = subprocess.Popen(command)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if nginx.poll() is not None or probe.connect_ex(("127.0.0.1", PORT)) == 0:
                    break
            time.sleep(0.05)
"""
END = """
        print(len(dmp.documents), sorted({request.call for request in dmp.requests}))
    finally:
        nginx.terminate()
        nginx.wait(10)
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def lines_of(folder: Path, then: str, *, key: str = "token", changed: tuple[str, str] | None = None) -> list[str]:
    """What the page's programs print, with nginx between its client and FakeDmp. key: where the TLS key is; changed: in
    the configuration of nginx."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed (extra pkcs11)")
    if NGINX is None:
        pytest.skip("nginx is not installed (Debian package nginx-light)")
    if shutil.which("softhsm2-util") is None or shutil.which("openssl") is None:
        pytest.skip("SoftHSM2 or OpenSSL is not installed (Debian packages softhsm2, openssl)")
    (certificates,) = (block for block in blocks("console") if block.startswith("openssl "))
    (started,) = (block for block in blocks("console") if block.startswith("nginx "))
    assert started.split() == ["nginx", "-p", '"$PWD"', "-c", '"$PWD/card-proxy.conf"']
    subprocess.run(["bash", "-euc", certificates], cwd=folder, check=True, capture_output=True)
    (proxy,) = blocks("nginx")
    assert proxy.startswith(ENGINE)
    if changed:
        assert changed[0] in proxy
        proxy = proxy.replace(*changed)
    if key == "token":
        if subprocess.run(["openssl", "engine", "pkcs11"], capture_output=True, check=False).returncode:
            pytest.skip("OpenSSL has no PKCS#11 engine (Debian package libengine-pkcs11-openssl)")
        proxy = proxy.replace("/run/card/pin", f"{folder}/pin")
    else:
        proxy = re.sub(r'"engine:[^"]+"', "card.key", proxy.removeprefix(ENGINE))
    port = free_port()
    proxy = proxy.replace("http {", f"http {{ {TEMPORARY}").replace("127.0.0.1:8443", f"127.0.0.1:{port}")
    (folder / "card-proxy.conf").write_text(proxy, encoding="utf-8")
    token, signing, client, *_ = blocks("python")
    then = re.sub(r"^(?=.)", " " * 8, then.replace("localhost:8443", f"localhost:{port}"), flags=re.MULTILINE)
    program = folder / "program.py"
    program.write_text("".join((token, signing, client, BEGIN.replace("PORT", str(port)), then, END)), encoding="utf-8")
    nginx: list[str | Path] = [
        NGINX, "-p", folder, "-c", folder / "card-proxy.conf", "-e", "stderr",
        "-g", f"daemon off; pid nginx.pid; user {getpass.getuser()};",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "error", program, *nginx], capture_output=True, text=True, timeout=120, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[3:]  # after those of the page's first blocks


@pytest.mark.parametrize("key", ["token", "file"])
def test_a_document_goes_through_the_proxy_of_the_page(tmp_path: Path, key: str) -> None:
    (client,) = blocks("py")
    assert lines_of(tmp_path, client, key=key) == ["ACCEPTED", "1 ['ITI-41']"]


LARGE = """
large = UnstructuredDocument(
    patient=samples.patient(), author=actor, custodian=samples.hospital(), stay=samples.stay(), document_type="34112-3",
    title="Compte rendu", body=b"Texte. " * 1_000_000, media_type="text/plain",
)
"""
"""9 MB in base64."""


def test_a_large_document_leaves_nothing_on_the_disk_of_the_proxy(tmp_path: Path) -> None:
    (client,) = blocks("py")
    said = lines_of(tmp_path, LARGE + client.replace("samples.discharge_letter()", "large"))
    assert said == ["ACCEPTED", "1 ['ITI-41']"]
    folders = list(tmp_path.glob("tmp_*"))
    assert len(folders) == 5
    assert not [file for folder in folders for file in folder.rglob("*") if file.is_file()]


ROOT = "proxy_ssl_trusted_certificate "


@pytest.mark.parametrize(
    ("document", "changed", "stranger", "code"),
    [
        ("large", ("client_max_body_size   64m;", ""), False, "HTTP_STATUS"),
        ("samples.discharge_letter()", (f"{ROOT}igc-sante.pem", f"{ROOT}local-ca.pem"), False, "OUTCOME_UNKNOWN"),
        ("samples.discharge_letter()", None, True, "OUTCOME_UNKNOWN"),
    ],
    ids=["without the limit of the page", "a DMP of another root", "another program than the software"],
)
def test_nothing_reaches_the_dmp(
    tmp_path: Path, document: str, changed: tuple[str, str] | None, stranger: bool, code: str
) -> None:
    """nginx answers 413, 502 and 400."""
    (client,) = blocks("py")
    client = client.replace("samples.discharge_letter()", document)
    if stranger:
        client = client.replace('"software.pem"', "pki.client.certificate").replace('"software.key"', "pki.client.key")
    attempt = "try:\n" + re.sub(r"^(?=.)", "    ", client, flags=re.MULTILINE)
    said = lines_of(tmp_path, f"{LARGE}{attempt}except SunesError as error:\n    print(error.code)\n", changed=changed)
    assert said == [code, "0 []"]
