"""Coded findings: what a check saw, where, which rule it broke, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One observation of a check.

    code: stable identifier of the rule (`CDA_H06`, `INS_KEY`, …), one rule = one code.
    path: where: a field path (`traits.birth_date`), an XPath or an HL7 v2 place (`PID-3[2].1`).
    line: of the file that was checked, from 1; 0 when it has none.
    rule: what must hold; source: the text that says so, or "unverified".
    hint: what to do about it. message_fr is for clinicians and may be shown as is.
    """

    code: str
    message: str
    path: str = ""
    severity: Severity = Severity.ERROR
    rule: str = ""
    source: str = ""
    hint: str = ""
    message_fr: str = ""
    line: int = 0

    def __str__(self) -> str:
        where = f" at {self.path}" if self.path else ""
        rule = f" [{self.rule}{'; ' + self.source if self.source else ''}]" if self.rule else ""
        fix = f" Fix: {self.hint}" if self.hint else ""
        return f"{self.code}{where}: {self.message}{rule}{fix}"


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of one check, in the order they were made."""

    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Report:
        return cls(tuple(findings))

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity is Severity.WARNING)

    @property
    def ok(self) -> bool:
        """True when there is no error; warnings may remain."""
        return not self.errors

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __add__(self, other: Report) -> Report:
        return Report(self.findings + other.findings)

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings)) or "no findings"

    def raise_for_errors(self) -> None:
        """Raise `ValidationError` carrying this report when it holds an error."""
        if not self.ok:
            from .errors import ValidationError

            raise ValidationError.from_report(self)
