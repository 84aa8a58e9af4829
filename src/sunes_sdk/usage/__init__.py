"""Usage: what was sent, what was accepted, what is missing and why, with the proof.

`Ledger` records events without one clear identifier; `evaluate` counts them under a `Profile`; `render_html` shows
the result to people. Names load when used: neither SQLAlchemy nor matplotlib comes with this import.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .derogations import sent_without_ins
    from .evaluation import (
        Blocker,
        IndicatorResult,
        Reach,
        Stage,
        Status,
        UnitShare,
        evaluate,
        evaluate_all,
        percent_fr,
        reach,
    )
    from .ledger import (
        FileSecret,
        Ledger,
        LedgerConflictError,
        LedgerError,
        LedgerHead,
        LedgerTamperedError,
    )
    from .period import Period, deadline
    from .profile import Profile, available_profiles, load_profile, read_profile
    from .pseudonyms import pseudonym
    from .report import print_summary, render_html, summary_rows

_HOMES = {
    "derogations": ("sent_without_ins",),
    "evaluation": (
        "Blocker", "IndicatorResult", "Reach", "Stage", "Status", "UnitShare", "evaluate", "evaluate_all",
        "percent_fr", "reach",
    ),
    "ledger": (
        "FileSecret", "Ledger", "LedgerConflictError", "LedgerError", "LedgerHead", "LedgerTamperedError",
    ),
    "period": ("Period", "deadline"),
    "profile": ("Profile", "available_profiles", "load_profile", "read_profile"),
    "pseudonyms": ("pseudonym",),
    "report": ("print_summary", "render_html", "summary_rows"),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Blocker",
    "FileSecret",
    "IndicatorResult",
    "Ledger",
    "LedgerConflictError",
    "LedgerError",
    "LedgerHead",
    "LedgerTamperedError",
    "Period",
    "Profile",
    "Reach",
    "Stage",
    "Status",
    "UnitShare",
    "available_profiles",
    "deadline",
    "evaluate",
    "evaluate_all",
    "load_profile",
    "percent_fr",
    "print_summary",
    "pseudonym",
    "reach",
    "read_profile",
    "render_html",
    "sent_without_ins",
    "summary_rows",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(__all__) | set(globals()))
