"""L8: fakes of the national services, a test PKI, sample people. Public, documented, versioned API.

As a context manager (`Fakes`), as pytest fixtures (`sunes_fakes`, `sunes_pki`), or `sunes fakes serve` for those who do
not use Python. The fakes check what the real servers check, and answer with the real codes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import samples
    from .fake_dmp import FakeDmp
    from .fake_insi import FakeInsi
    from .fake_mss import FakeMss
    from .fakes import Fakes
    from .pki import TestPki

_HOME = {
    "FakeDmp": "fake_dmp",
    "FakeInsi": "fake_insi",
    "FakeMss": "fake_mss",
    "Fakes": "fakes",
    "TestPki": "pki",
}

__all__ = ["FakeDmp", "FakeInsi", "FakeMss", "Fakes", "TestPki", "samples"]


def __getattr__(name: str) -> object:
    if name == "samples":
        return importlib.import_module(".samples", __name__)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(__all__) | set(globals()))
