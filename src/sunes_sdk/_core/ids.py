"""The only place that draws randomness: UUIDs and OIDs, and the syntax of OIDs."""

from __future__ import annotations

import os
import random
import re
import struct
import uuid
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+", re.ASCII)
OID_MAX_LENGTH = 64
_SUFFIX_BYTES = 12
_DRAWN_TOGETHER = 32
_RANDOM_BITS = int.from_bytes(bytes.fromhex("ffffffffffff0fff3fffffffffffffff") * _DRAWN_TOGETHER)
_VERSION_4 = int.from_bytes(bytes.fromhex("00000000000040008000000000000000") * _DRAWN_TOGETHER)
"""Version and variant of RFC 9562."""
_GROUPS = struct.Struct("8s4s4s4s12s" * _DRAWN_TOGETHER)
_LINES = b"%b-%b-%b-%b-%b\n" * _DRAWN_TOGETHER


def is_oid(text: str) -> bool:
    """True for a dotted OID of at most 64 characters without leading zeros (XDS, DICOM and SMDS limit)."""
    return len(text) <= OID_MAX_LENGTH and _is_dotted(text)


@lru_cache(maxsize=1024)  # the same few roots in every document
def _is_dotted(text: str) -> bool:
    return _OID.fullmatch(text) is not None


class IdFactory(Protocol):
    """Where a component gets fresh identifiers from."""

    def uuid(self) -> uuid.UUID:
        """A fresh random (version 4) UUID."""
        ...

    def oid(self, root: str) -> str:
        """A fresh OID under `root`, at most 64 characters."""
        ...


def _under(root: str, number: int) -> str:
    oid = f"{root}.{number}"
    if len(oid) > OID_MAX_LENGTH or not is_oid(f"{root}.0"):
        raise ValueError(f"{root!r} is not an OID root of at most {OID_MAX_LENGTH - 30} characters")
    return oid


class RandomIds:
    def uuid(self) -> uuid.UUID:
        return uuid.uuid4()

    def oid(self, root: str) -> str:
        return _under(root, int.from_bytes(os.urandom(_SUFFIX_BYTES)))


class SeededIds:
    """The same identifiers for the same seed: for tests and reproducible documents, never for production."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311  reproducible on purpose

    def uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._random.getrandbits(128), version=4)

    def oid(self, root: str) -> str:
        return _under(root, self._random.getrandbits(8 * _SUFFIX_BYTES))


def uuid_texts(ids: IdFactory) -> Iterator[str]:
    """Fresh UUIDs of `ids` as text, without end: for who writes many of them.

    Those of RandomIds are drawn many at a time, and written without making a `UUID` of each.
    """
    if type(ids) is RandomIds:
        while True:
            size = 16 * _DRAWN_TOGETHER
            drawn = (int.from_bytes(os.urandom(size)) & _RANDOM_BITS | _VERSION_4).to_bytes(size).hex()
            yield from (_LINES % _GROUPS.unpack(drawn.encode())).decode().split()
    while True:
        yield str(ids.uuid())
