"""What comes into a command by its options and files, and goes out as JSON."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from .._core.errors import SunesError

MAX_FILE = 1_000_000
"""Bytes of a file of traits or of an identity."""

Json = Annotated[bool, typer.Option("--json", help="Print it for programs.")]
Config = Annotated[
    Path | None, typer.Option(metavar="FILE", envvar="SUNES_CONFIG", help="Settings (TOML).", show_envvar=True)
]


def content(file: Path, limit: int) -> bytes:
    """The bytes of a file. Raises SunesError `FILE_UNREADABLE`."""
    try:
        with file.open("rb") as opened:
            read = opened.read(limit + 1)
    except OSError as e:
        raise unreadable(file, e.strerror or type(e).__name__) from None
    if len(read) > limit:
        raise unreadable(file, f"more than {limit} bytes")
    return read


def object_in(file: Path) -> dict[str, Any]:
    """The JSON object of a file. Raises SunesError `FILE_UNREADABLE`."""
    try:
        read = json_format.loads(content(file, MAX_FILE))
    except (ValueError, RecursionError):
        raise unreadable(file, "not JSON in UTF-8") from None
    if not isinstance(read, dict):
        raise unreadable(file, "not a JSON object")
    return read


def unreadable(file: Path, reason: str) -> SunesError:
    return SunesError(
        f"this file cannot be used: {reason}", code="FILE_UNREADABLE", path=str(file), hint="see --help for its form",
        hint_fr="Le fichier ne peut pas être utilisé.",
    )  # fmt: skip


def print_json(value: Mapping[str, Any]) -> None:
    typer.echo(json_format.dumps(value, ensure_ascii=False))
