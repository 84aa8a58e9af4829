"""`sunes fakes serve`: the fakes for those who do not use Python."""

from __future__ import annotations

import threading
from pathlib import Path

from rich.console import Console

from ..settings import Settings
from ..testing.fakes import Fakes
from ..testing.pki import PASSWORD, TestPki


def serve(out: Path, *, stop: threading.Event | None = None) -> None:
    """Write `sunes.toml` and the certificates under `out`, print addresses, wait for Ctrl-C or `stop`."""
    console = Console()
    with Fakes(TestPki((out / "pki").absolute())) as fakes:
        toml = out / "sunes.toml"
        toml.write_text(to_toml(fakes.settings))
        console.print(f"DMP      {fakes.dmp.url}")
        console.print(f"INSi     {fakes.insi.url}")
        console.print(f"MSSanté  smtp://localhost:{fakes.mss.port} (STARTTLS, client certificate)")
        console.print(f"Settings {toml}  (SUNES_CONFIG={toml})")
        console.print("Ctrl-C to stop.")
        try:
            (stop or threading.Event()).wait()
        except KeyboardInterrupt:
            console.print("stopped")


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
