"""The seam through which every HTTP exchange goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

from .._core.errors import TransportError
from .._core.pieces import Data, pieces_of
from .._core.retry import RetryAdvice


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


def closed() -> TransportError:
    """The error of what is used after it was closed: of no use to try again with, while another client may."""
    return TransportError(
        "the client was closed: nothing was sent", sent="no", code="CLIENT_CLOSED", retry=RetryAdvice.never(),
        hint="make a new client; close one when the workers that use it have stopped",
        hint_fr="Le logiciel a fermé cette connexion : rien n'a été envoyé.",
    )  # fmt: skip


class Transport(Protocol):
    """One POST. Thread-safe.

    Raises TransportError: `sent="no"` when no byte of the request can have left (name, connection, handshake; `closed`
    after `close`), `sent="maybe"` otherwise (time-out or cut after the first byte).
    """

    def post(self, url: str, body: Body, headers: Mapping[str, str]) -> HttpResponse: ...
    def close(self) -> None: ...
