"""What a caller may do after a failed call."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RetryKind(StrEnum):
    NEVER = "never"
    SAFE = "safe"
    AFTER = "after"
    RECONCILE_FIRST = "reconcile_first"


@dataclass(frozen=True, slots=True)
class RetryAdvice:
    """`NEVER` mend the data first; `SAFE` nothing left us; `AFTER` wait `seconds`;
    `RECONCILE_FIRST` the outcome is unknown: ask before sending again."""

    kind: RetryKind
    seconds: float | None = None

    @classmethod
    def never(cls) -> RetryAdvice:
        return cls(RetryKind.NEVER)

    @classmethod
    def safe(cls) -> RetryAdvice:
        return cls(RetryKind.SAFE)

    @classmethod
    def after(cls, seconds: float) -> RetryAdvice:
        return cls(RetryKind.AFTER, seconds)

    @classmethod
    def reconcile_first(cls) -> RetryAdvice:
        return cls(RetryKind.RECONCILE_FIRST)
