"""French hospital health documents: build (CDA R2), identify (INS), send (DMP, MSSanté), prove (usage).

Names load when used: `import sunes_sdk` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from .model import (
        Actor,
        Address,
        Code,
        Dmp,
        Identifier,
        Identity,
        IdentityStatus,
        Ins,
        InsOid,
        Mss,
        MssPatient,
        Organization,
        Patient,
        Professional,
        Sex,
        Stay,
        StayClass,
        Telecom,
        Traits,
    )
    from .settings import Environment, Settings, SoftwareId

_HOMES = {
    "model": (
        "Actor", "Address", "Code", "Dmp", "Identifier", "Identity", "IdentityStatus", "Ins", "InsOid", "Mss",
        "MssPatient", "Organization", "Patient", "Professional", "Sex", "Stay", "StayClass", "Telecom", "Traits",
    ),
    "settings": ("Environment", "Settings", "SoftwareId"),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Actor",
    "Address",
    "Code",
    "Dmp",
    "Environment",
    "Identifier",
    "Identity",
    "IdentityStatus",
    "Ins",
    "InsOid",
    "Mss",
    "MssPatient",
    "Organization",
    "Patient",
    "Professional",
    "Settings",
    "Sex",
    "SoftwareId",
    "Stay",
    "StayClass",
    "Telecom",
    "Traits",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(__all__) | set(globals()))
