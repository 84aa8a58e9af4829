"""`sunes fakes serve`: the fakes for those who do not use Python."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from ..model import Professional
from ..settings import Settings
from ..testing import samples
from ..testing.fakes import Fakes
from ..testing.pki import PASSWORD, Issued, TestPki


def serve(out: Path, *, stop: threading.Event | None = None) -> None:
    """Run the fakes until Ctrl-C, SIGTERM or `stop`.

    Writes under `out`: `sunes.toml` (settings that reach the fakes), `pki/`, and what a first call needs:
    `patient.json` (a published test person, whose DMP is open to the structure), `professional.json`, `letter.xml`.
    Prints one line of JSON on standard output once everything answers (`"ready": true`): endpoints, certificates, those
    files. The rest is said on the error stream.
    """
    stop = stop or threading.Event()
    out = out.absolute()
    with _ended_by_sigterm(), Fakes(TestPki(out / "pki")) as fakes:
        fakes.dmp.authorize(samples.ins())
        typer.echo(json.dumps(_described(fakes, out), ensure_ascii=False))
        typer.echo(f"Ready: SUNES_CONFIG={out / 'sunes.toml'}; the DMP's page: {fakes.dmp.page_url}", err=True)
        typer.echo("Ctrl-C to stop.", err=True)
        try:
            stop.wait()
        except KeyboardInterrupt:
            typer.echo("stopped", err=True)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM, as Ctrl-C, ends the wait; only once: a second one would meet the end of the first."""

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _described(fakes: Fakes, out: Path) -> dict[str, Any]:
    """Where everything is, once the files are written."""
    pki, dmp = fakes.pki, fakes.settings.require_dmp()
    password = out / "pki" / "signing.password"
    files = {name: out / name for name in ("sunes.toml", "patient.json", "professional.json", "letter.xml")}
    password.write_text(PASSWORD)
    files["sunes.toml"].write_text(to_toml(fakes.settings))
    files["patient.json"].write_text(samples.patient().identity.model_dump_json())
    files["professional.json"].write_text(json.dumps({"professional": _plain(samples.physician())}))
    files["letter.xml"].write_bytes(samples.discharge_letter().render(samples.issuer()).content)
    services = dmp.paths.model_dump(exclude_none=True)
    return {
        "ready": True,
        "environment": fakes.settings.environment.value,
        "settings": str(files["sunes.toml"]),
        "dmp": {
            "base_url": dmp.base_url,
            "services": {name: f"{dmp.base_url.rstrip('/')}/{path}" for name, path in services.items()},
            "page": fakes.dmp.page_url,
        },
        "insi": {"url": fakes.settings.require_insi().url},
        "mss": {"host": "localhost", "port": fakes.mss.port, "security": "STARTTLS, client certificate"},
        "certificates": {
            "ca": str(pki.ca_file),
            "client": _pem(pki.client),
            "insi": _pem(pki.insi),
            "signing": {"pkcs12": str(pki.signing.pkcs12), "password_file": str(password)},
        },
        "patient": str(files["patient.json"]),
        "professional": str(files["professional.json"]),
        "document": str(files["letter.xml"]),
    }


def _pem(issued: Issued) -> dict[str, str]:
    return {"certificate": str(issued.certificate), "key": str(issued.key)}


def _plain(professional: Professional) -> dict[str, Any]:
    return professional.model_dump(mode="json", exclude_none=True)


def to_toml(settings: Settings) -> str:
    """The settings as TOML that `Settings.load` reads back."""
    values = settings.model_dump(mode="json", exclude_none=True)
    if settings.dmp is not None:
        values["dmp"]["signing"]["password"] = PASSWORD
    lines: list[str] = []
    _table(lines, "", values)
    return "\n".join(lines).lstrip() + "\n"


def _table(lines: list[str], name: str, values: dict[str, object]) -> None:
    if name:
        lines.append(f"\n[{name}]")
    for key, value in values.items():
        if not isinstance(value, dict):
            lines.append(f"{key} = {_value(value)}")
    for key, value in values.items():
        if isinstance(value, dict):
            _table(lines, f"{name}.{key}" if name else key, value)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(_value(v) for v in value)}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + " }"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
