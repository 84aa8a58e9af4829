"""MTOM/XOP packages: a SOAP root and binary parts in one `multipart/related` body, by joins of bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from .._core.errors import ModelError, XmlSecurityError
from .._core.pieces import Data, holds
from .seam import Body, joined

MAX_PARTS: Final = 200
MAX_HEADER_BYTES: Final = 16_384
"""Of one part."""
WHOLE_BYTES: Final = 1_000_000
"""A package below it is sent in one piece."""
_LARGE_BYTES: Final = 65_536
_SEED_BYTES: Final = 2_048
"""Of a root, for the boundary: its MessageID is within."""
ROOT_ID: Final = "root@sunes"
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~/=;:@\-]+(?: [A-Za-z0-9=;.\-]+)*", re.ASCII)
_CID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.:@\-]+", re.ASCII)
_ESCAPED = re.compile(r"\\(.)")
_FOLDED = re.compile(r"\n[ \t]+")
_PARAMETER = re.compile(r';\s*([A-Za-z0-9_.\-]+)\s*=\s*(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s;"]+))')


@dataclass(frozen=True, slots=True)
class Part:
    """One attached part. content_id: without `<>` nor `cid:`; data: bytes that go as they are."""

    content_id: str
    data: Data = field(repr=False)
    content_type: str = "text/xml"


@dataclass(frozen=True, slots=True)
class MtomMessage:
    """root: the SOAP envelope; parts: bytes by Content-ID, percent-decoded and without `<>`."""

    root: bytes = field(repr=False)
    parts: Mapping[str, bytes] = field(repr=False)
    root_type: str = ""


def encode(root: bytes, parts: Sequence[Part], *, action: str = "", root_id: str = ROOT_ID) -> tuple[str, bytes]:
    """As `package`, in one `bytes`."""
    content_type, body = package(root, parts, action=action, root_id=root_id)
    return content_type, joined(body)


def package(root: bytes, parts: Sequence[Part], *, action: str = "", root_id: str = ROOT_ID) -> tuple[str, Body]:
    """The Content-Type and body of a package. Root first; bytes of `root` and of the parts are not touched, nor copied
    when the package is over `WHOLE_BYTES`.

    Deterministic: the boundary is drawn from the root and verified absent from every byte sent.
    Raises ModelError `MTOM_PART` when a Content-ID, a type or an action could break a header.
    """
    boundary = _boundary(root, parts)
    dash = b"--" + boundary.encode()
    suffix = f'; action="{_safe(action)}"' if action else ""
    pieces: list[Data] = [
        dash,
        b'\r\nContent-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"',
        suffix.encode(),
        b"\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <",
        _cid(root_id),
        b">\r\n\r\n",
        root,
    ]
    for part in parts:
        pieces += (
            b"\r\n",
            dash,
            b"\r\nContent-Type: ",
            _safe(part.content_type).encode(),
            b"\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <",
            _cid(part.content_id),
            b">\r\n\r\n",
            part.data,
        )
    pieces += (b"\r\n", dash, b"--\r\n")
    content_type = (
        f'multipart/related; type="application/xop+xml"; start="<{root_id}>"; start-info="application/soap+xml"; '
        f'boundary="{boundary}"{suffix}'
    )
    return content_type, _whole(pieces)


def _whole(pieces: list[Data]) -> Body:
    """One `bytes` of a small package (one write costs less than several); of a large one, its large pieces as they are
    and what is between them joined."""
    if sum(map(len, pieces)) < WHOLE_BYTES:
        return joined(tuple(pieces))
    runs = itertools.groupby(pieces, key=lambda piece: len(piece) >= _LARGE_BYTES)
    return tuple(itertools.chain.from_iterable(run if large else (joined(tuple(run)),) for large, run in runs))


def _boundary(root: bytes, parts: Sequence[Part]) -> str:
    seed = hashlib.sha256(root[:_SEED_BYTES]).hexdigest()[:32]
    number = 0
    while True:
        boundary = f"sunes-{seed}-{number}"
        needle = boundary.encode()
        if needle not in root and not any(holds(part.data, needle) for part in parts):
            return boundary
        number += 1


def _safe(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ModelError("a content type or action holds characters that a header cannot", code="MTOM_PART")
    return text


def _cid(text: str) -> bytes:
    if not _CID.fullmatch(text):
        raise ModelError("a Content-ID holds characters that a header cannot", code="MTOM_PART")
    return text.encode()


def cid_of(href: str) -> str:
    """The Content-ID that an `xop:Include/@href` names, percent-decoded (`cid:a%3Ab` → `a:b`)."""
    return unquote(href.removeprefix("cid:"))


def parameters(content_type: str) -> dict[str, str]:
    """Parameters of a Content-Type, names in lower case, quotes removed; the first of a repeated name wins."""
    found: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(content_type):
        found.setdefault(name.lower(), (_ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted) or plain)
    return found


def media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def is_multipart(content_type: str) -> bool:
    return media_type(content_type) == "multipart/related"


def decode(content_type: str, body: bytes) -> MtomMessage:
    """Read a package. The root is the part that `start` names, else the first.

    Lenient on line ends (LF for CRLF) and on a preamble. A body without multipart is a root without parts.
    Raises XmlSecurityError (`MTOM_BOUNDARY`, `MTOM_TRUNCATED`, `MTOM_ROOT`, `MTOM_PART`, `MTOM_TOO_MANY`).
    """
    if not is_multipart(content_type):
        return MtomMessage(body, {}, media_type(content_type))
    values = parameters(content_type)
    boundary = values.get("boundary", "")
    if not 1 <= len(boundary) <= 200:
        raise XmlSecurityError("the Content-Type names no boundary", code="MTOM_BOUNDARY", path="Content-Type")
    raw = _split(body, b"--" + boundary.encode("latin-1", "replace"))
    decoded = [_part(piece) for piece in raw]
    start = unquote(values.get("start", "").strip().strip("<>"))
    root_index = next((i for i, (cid, _, _) in enumerate(decoded) if start and cid == start), None)
    if root_index is None:
        if start and any(cid for cid, _, _ in decoded[:1]):
            raise XmlSecurityError("no part has the Content-ID of start", code="MTOM_ROOT", path="Content-Type")
        root_index = 0
    parts: dict[str, bytes] = {}
    for index, (cid, _, data) in enumerate(decoded):
        if index == root_index:
            continue
        if not cid or cid in parts:
            raise XmlSecurityError("a part has no Content-ID of its own", code="MTOM_PART", path=f"part {index + 1}")
        parts[cid] = data
    _, root_type, root = decoded[root_index]
    return MtomMessage(root, parts, root_type)


def _split(body: bytes, dash: bytes) -> list[bytes]:
    """Bytes between delimiters. A delimiter begins a line, and only blanks may follow it on its line."""
    pieces: list[bytes] = []
    start: int | None = None
    at = 0
    while True:
        at = body.find(dash, at)
        if at < 0:
            raise XmlSecurityError("the closing boundary is missing", code="MTOM_TRUNCATED")
        after = at + len(dash)
        closing = body[after : after + 2] == b"--"
        if at and body[at - 1 : at] != b"\n":
            at = after  # the same characters inside a part
            continue
        line_end = body.find(b"\n", after)
        rest = body[after + 2 * closing : line_end if line_end >= 0 else len(body)]
        if rest.strip(b" \t\r"):
            at = after
            continue
        if start is not None:
            end = at - 1
            if end > start and body[end - 1 : end] == b"\r":
                end -= 1
            pieces.append(body[start : max(end, start)])
            if len(pieces) > MAX_PARTS:
                raise XmlSecurityError(f"more than {MAX_PARTS} parts", code="MTOM_TOO_MANY")
        if closing:
            if not pieces:
                raise XmlSecurityError("the package has no part", code="MTOM_ROOT")
            return pieces
        if line_end < 0:
            raise XmlSecurityError("the closing boundary is missing", code="MTOM_TRUNCATED")
        start = at = line_end + 1


def _part(piece: bytes) -> tuple[str, str, bytes]:
    """Content-ID, media type and decoded bytes of a part."""
    if piece.startswith((b"\r\n", b"\n")):
        return "", "", piece.partition(b"\n")[2]
    # Not looked for in the whole of a large part: the mark that it lacks would be.
    ends = [(piece.find(mark, 0, MAX_HEADER_BYTES + len(mark)), len(mark)) for mark in (b"\r\n\r\n", b"\n\n")]
    found = min((e for e in ends if e[0] >= 0), default=None)
    if found is None:
        raise XmlSecurityError("a part has no end of headers", code="MTOM_PART")
    head = piece[: found[0]].decode("latin-1").replace("\r\n", "\n")
    data = piece[sum(found) :]
    headers: dict[str, str] = {}
    for line in _FOLDED.sub(" ", head).split("\n"):
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    encoding = headers.get("content-transfer-encoding", "binary").lower()
    if encoding == "base64":
        try:
            data = base64.b64decode(data)
        except (binascii.Error, ValueError):
            raise XmlSecurityError("a part is not base64 as it says", code="MTOM_PART") from None
    elif encoding not in ("binary", "8bit", "7bit"):
        raise XmlSecurityError("unknown Content-Transfer-Encoding", code="MTOM_PART")
    return unquote(headers.get("content-id", "").strip("<>")), media_type(headers.get("content-type", "")), data
