"""Bytes that are too many to hold: read where they lie, piece after piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol


class Pieces(Protocol):
    """Bytes in order, read again at each iteration; `len` says how many there are."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[bytes]: ...


Data = bytes | Pieces


def pieces_of(data: Data) -> Iterable[bytes]:
    return (data,) if isinstance(data, bytes) else data


def holds(data: Data, wanted: bytes) -> bool:
    """Whether the bytes contain these."""
    end = b""
    for piece in pieces_of(data):
        if wanted in piece or wanted in end + piece[: len(wanted) - 1]:
            return True
        end = (end + piece)[1 - len(wanted) :] if len(piece) < len(wanted) else piece[1 - len(wanted) :]
    return False
