"""Keeps the exact frames of an exchange, for demonstrations and homologation. Opt-in: frames hold personal data."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from .._core.errors import TransportError
from .seam import HttpResponse, Transport


class RecordingTransport:
    """A `Transport` that writes what passes through `inner` under `folder`, readable by its owner only.

    `0001-repository-request.txt`: request line, headers, an empty line, the body, byte for byte; then
    `0001-repository-response.txt`, or `…-failure.txt` with the error's code. Thread-safe. Frames hold health data:
    the folder is the caller's to protect and to delete.
    """

    def __init__(self, inner: Transport, folder: str | os.PathLike[str]) -> None:
        self._inner = inner
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._number = max((int(p.name[:4]) for p in self._folder.glob("[0-9][0-9][0-9][0-9]-*.txt")), default=0)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        path = urlsplit(url).path
        service = "".join(c for c in path.rsplit("/", 1)[-1] if c.isascii() and c.isalnum())[:40] or "service"
        with self._lock:
            self._number += 1
            stem = f"{self._number:04d}-{service}"
        self._write(f"{stem}-request.txt", f"POST {path} HTTP/1.1", headers, body)
        try:
            response = self._inner.post(url, body, headers)
        except TransportError as e:
            self._write(f"{stem}-failure.txt", f"{e.code} sent={e.sent}", {}, b"")
            raise
        self._write(f"{stem}-response.txt", f"HTTP/1.1 {response.status}", response.headers, response.body)
        return response

    def _write(self, name: str, first: str, headers: Mapping[str, str], body: bytes) -> None:
        head = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"{first}\r\n{head}\r\n".encode() + body)

    def close(self) -> None:
        self._inner.close()
