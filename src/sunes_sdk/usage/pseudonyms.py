"""Keyed pseudonyms: the ledger knows that two events speak of the same stay, never of which stay.

A plain hash of a visit number or of a matricule is undone by trying them all (at most 10^13): every key is an HMAC
under a secret kept outside the database.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Literal

Domain = Literal["stay", "patient", "document", "recipient", "event"]
"""What the identifier names; the same text in two domains has two pseudonyms."""

SCHEME = "sunes-usage/v1"
MIN_SECRET_BYTES = 32
STORED_BYTES = 16
"""The ledger keeps the first 128 bits: half the space on disk, and no collision to fear below 10^18 identifiers."""

_SEPARATOR = "\x1f"
_BLOCK = 64


class Pseudonyms:
    """Gives pseudonyms under one secret. The two halves of the HMAC that depend on the secret alone are hashed once
    (RFC 2104 §4): a ledger makes several keys for each event."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes) -> None:
        block = (hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def key(self, domain: Domain, scope: str, value: str) -> bytes | None:
        """See `pseudonym`."""
        normal = unicodedata.normalize("NFC", value.strip()).upper()
        if not normal:
            return None
        inner = self._inner.copy()
        inner.update(_SEPARATOR.join((SCHEME, domain, scope, normal)).encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


def pseudonym(secret: bytes, domain: Domain, scope: str, value: str) -> bytes | None:
    """HMAC-SHA256 (32 bytes) of `scheme 0x1F domain 0x1F scope 0x1F value`, or None for an empty identifier.

    scope: the authority that assigned the identifier, so that one visit number in two establishments gives two keys.
    The value is trimmed, put in NFC and in upper case first. An empty value has no key, never the key of "":
    all the unknown stays would otherwise be one.
    """
    return Pseudonyms(secret).key(domain, scope, value)
