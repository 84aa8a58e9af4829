"""The only place that draws randomness: UUIDs and OIDs, and the syntax of OIDs."""

from __future__ import annotations

import random
import re
import secrets
import uuid
from typing import Protocol

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+", re.ASCII)
OID_MAX_LENGTH = 64
_SUFFIX_BITS = 96


def is_oid(text: str) -> bool:
    """True for a dotted OID of at most 64 characters without leading zeros (XDS, DICOM and SMDS limit)."""
    return len(text) <= OID_MAX_LENGTH and _OID.fullmatch(text) is not None


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
    if not is_oid(oid):
        raise ValueError(f"{root!r} is not an OID root of at most {OID_MAX_LENGTH - 30} characters")
    return oid


class RandomIds:
    def uuid(self) -> uuid.UUID:
        return uuid.uuid4()

    def oid(self, root: str) -> str:
        return _under(root, secrets.randbits(_SUFFIX_BITS))


class SeededIds:
    """The same identifiers for the same seed: for tests and reproducible documents, never for production."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311  reproducible on purpose

    def uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._random.getrandbits(128), version=4)

    def oid(self, root: str) -> str:
        return _under(root, self._random.getrandbits(_SUFFIX_BITS))
