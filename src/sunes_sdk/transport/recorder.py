"""Keeps the frames of exchanges, exact or masked, as evidence for homologation. Opt-in: frames hold health data."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from .._core.clock import Clock, SystemClock, monotonic
from .._core.errors import ConfigurationError, SunesError, TransportError
from . import mtom
from .masked_frame import mask_body, mask_head
from .seam import Body, HttpResponse, Transport, in_pieces, joined

MAX_EXCHANGES: Final = 2_000
MAX_RECORDED_BYTES: Final = 1_000_000_000
INDEX: Final = "index.json"
_HEAD_BYTES: Final = 16_384
"""Where the addressing headers of an envelope are looked for."""
_START_BYTES: Final = 1_000_000
"""What of a large request may be read to name it."""
_log = logging.getLogger("sunes_sdk.transport")
_ACTION = re.compile(rb"<(?:[\w.-]+:)?Action\b[^>]*>\s*([^<\s]{1,200})")
_MESSAGE_ID = re.compile(rb"<(?:[\w.-]+:)?MessageID\b[^>]*>\s*([^<\s]{1,100})")
_FOLDER = re.compile(r"([0-9]{4,})-")
_UNNAMED = re.compile(r"[^A-Za-z0-9._-]")

Naming = Callable[[str, bytes], str]
"""Name of a transaction, from the Action and the bytes of its request (`sunes_sdk.dmp.frames.transaction_name`): of a
large one the first megabyte or so, which holds the envelope."""


def action_name(action: str, body: bytes) -> str:
    """The last word of the Action."""
    return re.split(r"[:/#]", action)[-1]


class RecordingTransport:
    """A `Transport` that writes what passes through `inner` under `folder`, readable by its owner only.

    One folder for each transaction, `0001-TD2.1-20261124T101500Z` (order, name, time in UTC), with `request.http` and
    `response.http` (first line, headers, an empty line, the body byte for byte), or `failure.txt` with the error's code
    when no answer came. `index.json` lists them: transaction, MessageID, times, status, sizes and SHA-256 of the files.

    masked: nothing exact reaches the disk: matricules, names, document bytes and assertions are replaced by their
    length (`masked_frame`). naming: the name of a transaction. max_exchanges, max_bytes (of bodies): beyond, calls go
    on and nothing more is written; a warning says so once, and `.full`. Thread-safe; one process for one folder. The
    folder is the caller's to protect and to delete.

    Raises ConfigurationError `RECORDER_FOLDER` when the folder, or a request before it leaves, cannot be written: what
    shall be evidence is not sent unrecorded. An answer is never lost for it.
    """

    def __init__(
        self,
        inner: Transport,
        folder: str | os.PathLike[str],
        *,
        masked: bool = False,
        naming: Naming = action_name,
        max_exchanges: int = MAX_EXCHANGES,
        max_bytes: int = MAX_RECORDED_BYTES,
        clock: Clock | None = None,
    ) -> None:
        self._inner = inner
        self._folder = Path(folder)
        self._masked = masked
        self._naming = naming
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._exchanges_left = max_exchanges
        self._bytes_left = max_bytes
        self._warned = False
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = (_FOLDER.match(path.name) for path in self._folder.iterdir())
            self._number = max((int(name[1]) for name in found if name), default=0)
        except OSError as e:
            raise _unwritable(self._folder, e) from None

    @property
    def full(self) -> bool:
        """Whether a limit was reached: later exchanges are not in the folder."""
        return self._warned

    def post(self, url: str, body: Body, headers: Mapping[str, str]) -> HttpResponse:
        entry = self._opened(url, body, headers)
        if entry is None:
            return self._inner.post(url, body, headers)
        started = monotonic()
        try:
            response = self._inner.post(url, body, headers)
        except SunesError as e:
            sent = e.sent if isinstance(e, TransportError) else "no"
            entry |= {"failure": e.code, "sent": sent}
            self._closed(entry, started, "failure.txt", f"{e.code} sent={sent}", {}, b"")
            raise
        entry["status"] = response.status
        self._closed(entry, started, "response.http", f"HTTP/1.1 {response.status}", response.headers, response.body)
        return response

    def close(self) -> None:
        self._inner.close()

    def _opened(self, url: str, body: Body, headers: Mapping[str, str]) -> dict[str, Any] | None:
        """The entry of an exchange whose request is written; None when a limit was reached."""
        size = _size(body)
        with self._lock:
            if self._exchanges_left < 1 or self._bytes_left < size:
                self._warn_once()
                return None
            self._exchanges_left -= 1
            self._bytes_left -= size
            self._number += 1
            number = self._number
        start = _start(body)
        content_type = next((v for k, v in headers.items() if k.lower() == "content-type"), "")
        action = mtom.parameters(content_type).get("action") or _found(_ACTION, start)
        path = urlsplit(url).path
        name = self._naming(action, start) or path.rpartition("/")[2]
        transaction = _UNNAMED.sub("", name).strip(".")[:60] or "call"
        at = self._clock.now()
        folder = f"{number:04d}-{transaction}-{at:%Y%m%dT%H%M%SZ}"
        entry: dict[str, Any] = {
            "number": number, "transaction": transaction, "folder": folder, "at": at.isoformat(timespec="milliseconds"),
            "masked": self._masked, "path": path, "action": action, "message_id": _found(_MESSAGE_ID, start),
            "files": {},
        }  # fmt: skip
        try:
            (self._folder / folder).mkdir(mode=0o700)
            self._write(entry, "request.http", f"POST {path} HTTP/1.1", headers, body)
        except OSError as e:
            raise _unwritable(self._folder, e) from None
        return entry

    def _closed(
        self, entry: dict[str, Any], started: float, name: str, first: str, headers: Mapping[str, str], body: bytes
    ) -> None:
        entry["milliseconds"] = round(1000 * (monotonic() - started))
        with self._lock:
            kept = len(body) <= self._bytes_left
            if kept:
                self._bytes_left -= len(body)
            else:
                self._warn_once()
        try:
            self._write(entry, name, first, headers, body, kept=kept)
            with self._lock:
                self._list(entry)
        except OSError as e:
            _log.warning("RECORDER_FOLDER: an answer could not be recorded (%s)", type(e).__name__)

    def _write(
        self, entry: dict[str, Any], name: str, first: str, headers: Mapping[str, str], body: Body,
        *, kept: bool = True,
    ) -> None:  # fmt: skip
        exact = _size(body)
        if self._masked:
            content_type = next((v for k, v in headers.items() if k.lower() == "content-type"), "")
            headers, body = mask_head(headers), mask_body(content_type, joined(body)) if kept else b""
        if not kept:
            body = f"({exact} bytes not recorded: the limit of the recorder is reached)".encode()
        head = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        content = (f"{first}\r\n{head}\r\n".encode(), *(body if isinstance(body, tuple) else (body,)))
        digest = _write_private(self._folder / entry["folder"] / name, in_pieces(content))
        entry["files"][name] = {"body_bytes": exact, "sha256": digest}

    def _list(self, entry: dict[str, Any]) -> None:
        """Append to a JSON array that is whole after each call."""
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()
        index = self._folder / INDEX
        if not index.exists():
            _write_private(index, (b"[\n" + line + b"\n]\n",))
            return
        with index.open("r+b") as file:
            file.seek(-3, os.SEEK_END)
            file.write(b",\n" + line + b"\n]\n")

    def _warn_once(self) -> None:
        if not self._warned:
            self._warned = True
            _log.warning("RECORDER_FULL: a limit of the frame recorder is reached, nothing more is recorded")


def _found(pattern: re.Pattern[bytes], body: bytes) -> str:
    found = pattern.search(body, 0, _HEAD_BYTES)
    return found[1].decode("ascii", "replace") if found else ""


def _size(body: Body) -> int:
    return sum(map(len, body)) if isinstance(body, tuple) else len(body)


def _start(body: Body) -> bytes:
    """All of a small body, the pieces that make the first `_START_BYTES` of a large one."""
    if isinstance(body, bytes):
        return body
    found: list[bytes] = []
    left = _START_BYTES
    for piece in in_pieces(body):
        found.append(piece[:left])
        left -= len(found[-1])
        if left <= 0:
            break
    return b"".join(found)


def _write_private(path: Path, content: Iterable[bytes]) -> str:
    """Gives the SHA-256 of what it wrote, piece after piece."""
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for piece in content:
            file.write(piece)
            digest.update(piece)
    return digest.hexdigest()


def _unwritable(folder: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"the frames cannot be recorded: {error.strerror or type(error).__name__}", code="RECORDER_FOLDER",
        path=str(folder), rule="what shall be evidence is not sent unrecorded",
        hint="give a folder that can be written",
        hint_fr="Le dossier d'enregistrement des trames n'est pas accessible en écriture : rien n'a été envoyé.",
    )  # fmt: skip
