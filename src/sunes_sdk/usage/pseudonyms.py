"""Keyed pseudonyms: the ledger knows that two events speak of the same stay, never of which stay.

A plain hash of a visit number or of a matricule is undone by trying them all (at most 10^13): every key is an HMAC
under a secret kept outside the database.
"""

from __future__ import annotations

import hmac
import unicodedata
from typing import Literal

Domain = Literal["stay", "patient", "document", "recipient", "event"]
"""What the identifier names; the same text in two domains has two pseudonyms."""

SCHEME = "sunes-usage/v1"
MIN_SECRET_BYTES = 32
STORED_BYTES = 16
"""The ledger keeps the first 128 bits: half the space on disk, and no collision to fear below 10^18 identifiers."""

_SEPARATOR = "\x1f"


def pseudonym(secret: bytes, domain: Domain, scope: str, value: str) -> bytes | None:
    """HMAC-SHA256 (32 bytes) of `scheme 0x1F domain 0x1F scope 0x1F value`, or None for an empty identifier.

    scope: the authority that assigned the identifier, so that one visit number in two establishments gives two keys.
    The value is trimmed, put in NFC and in upper case first. An empty value has no key, never the key of "":
    all the unknown stays would otherwise be one.
    """
    normal = unicodedata.normalize("NFC", value.strip()).upper()
    if not normal:
        return None
    return hmac.digest(secret, _SEPARATOR.join((SCHEME, domain, scope, normal)).encode(), "sha256")
