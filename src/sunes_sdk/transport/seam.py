"""The seam through which every HTTP exchange goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

from .._core.pieces import Data, pieces_of


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Status, headers (names in lower case) and body of an answer, whatever the status."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


Body = bytes | tuple[Data, ...]
"""Of a request. A large one is in parts, so that no copy of the document is made, and a part that lies in a store is
read while it is sent; a small one never is. `joined` gives the bytes of any."""


def in_pieces(body: tuple[Data, ...]) -> Iterator[bytes]:
    return chain.from_iterable(map(pieces_of, body))


def joined(body: Body) -> bytes:
    return body if isinstance(body, bytes) else b"".join(in_pieces(body))


class Transport(Protocol):
    """One POST. Thread-safe.

    Raises TransportError: `sent="no"` when no byte of the request can have left (name, connection, handshake),
    `sent="maybe"` otherwise (time-out or cut after the first byte).
    """

    def post(self, url: str, body: Body, headers: Mapping[str, str]) -> HttpResponse: ...
    def close(self) -> None: ...
