"""The hash chain: each event's hash covers its content and the hash before it, so that none can be changed alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

GENESIS = bytes(32)
"""What the first event is chained to."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical(payload: Mapping[str, object]) -> bytes:
    """JSON in UTF-8, keys sorted, no blanks, no ASCII escaping. Payloads hold no floats."""
    return _encode(payload).encode()


def link(previous: bytes, payload: Mapping[str, object]) -> bytes:
    """SHA-256 of the previous hash followed by the canonical payload."""
    return hashlib.sha256(previous + canonical(payload)).digest()
