"""A CSV file of identities, checked row by row: bounded memory, a coded result for every line, one result file."""

from __future__ import annotations

import csv
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import IO

from .._core.errors import SunesError
from .._core.findings import Report
from ..ins import Verdict, check_matricule
from .ins_traits import FIELDS, disagreements, field_of

MAX_LINE = 65_536
"""Characters of one line."""
MAX_ROW_LINES = 100
"""Lines of one row, whose quoted cells may hold line ends: a quote that is never closed is given up there."""
DELIMITERS = (";", ",", "\t")
UNREADABLE = "unreadable"
"""Verdict of a line that holds no row; its issue is one of `CSV_ISSUES`."""
CSV_ISSUES = {
    "CSV_ENCODING": "La ligne n'est pas dans l'encodage annoncé (option --encoding).",
    "CSV_COLUMNS": "La ligne n'a pas le même nombre de colonnes que l'en-tête.",
    "CSV_QUOTE": "Un guillemet est mal placé ou n'est jamais fermé.",
    "CSV_LINE": f"La ligne dépasse {MAX_LINE} caractères.",
}
_UNDECODED = re.compile("[\ud800-\udfff]")
_EVERY = 2_000
"""Rows between two signs of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What came out of a file. verdicts, issues: how many of each; said_fr: what each issue means."""

    verdicts: Counter[str] = field(default_factory=Counter)
    issues: Counter[str] = field(default_factory=Counter)
    said_fr: dict[str, str] = field(default_factory=lambda: dict(CSV_ISSUES))

    @property
    def all_good(self) -> bool:
        return not self.verdicts[Verdict.INVALID] and not self.verdicts[UNREADABLE]


def check_csv(
    source: Path,
    out: Path,
    *,
    keep: Sequence[str] = (),
    encoding: str = "utf-8",
    progress: Callable[[int], None] = lambda bytes_read: None,
) -> Summary:
    """Check each row of `source`; write `line, verdict, issues`, and the columns of `keep` as they are, to `out`, which
    is there when all is done or not at all.

    The first line names the columns: `matricule`; `oid` and strict traits where they are to be compared. The separator
    is the one of `DELIMITERS` that makes a column `matricule`.

    Raises SunesError: `FILE_UNREADABLE`, `FILE_UNWRITABLE`, `CSV_HEADER`.
    """
    if out.exists() and source.exists() and out.samefile(source):
        raise _file_error("FILE_UNWRITABLE", out, "it is the file that is read", "give another path")
    summary = Summary()
    with _opened(source) as file, _bounded_cells(), _written(out) as result:
        lines = _Lines(file, source, encoding)
        columns = _Columns.of(lines, keep)
        writer = csv.writer(result, delimiter=columns.delimiter, lineterminator="\n")
        writer.writerow(["line", "verdict", "issues", *keep])
        for count, (line, row, fault) in enumerate(_rows(lines, columns)):
            report = Report() if fault else columns.check(row)
            verdict = UNREADABLE if fault else Verdict.of(report).value
            codes = [fault] if fault else [f.code.removeprefix("INS_") for f in report]
            writer.writerow([line, verdict, " ".join(codes), *(row[at] for at in columns.kept if not fault)])
            summary.verdicts[verdict] += 1
            if codes:
                summary.issues.update(codes)
                summary.said_fr.update((f.code.removeprefix("INS_"), f.message_fr or f.message) for f in report)
            if count % _EVERY == 0:
                progress(file.tell())
        progress(file.tell())
    return summary


class _Lines:
    """The lines for `csv.reader`, bounded. number: of the last one, from 1; fault: what is wrong in the row at hand."""

    def __init__(self, file: BufferedReader, source: Path, encoding: str) -> None:
        encoding = "utf-8-sig" if encoding == "utf-8" else encoding
        self._file = TextIOWrapper(file, encoding, errors="surrogateescape", newline="")
        self._source = source
        self.number = 0
        self.begin_row()

    def begin_row(self) -> None:
        self.first = self.number + 1
        self.fault = ""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._read()
        if not line:
            raise StopIteration
        self.number += 1
        if self.number - self.first >= MAX_ROW_LINES:
            raise csv.Error("too many lines")
        if len(line) == MAX_LINE and line[-1] not in "\r\n":
            self.fault = "CSV_LINE"
            while len(line) == MAX_LINE and line[-1] not in "\r\n":
                line = self._read()
            return "\n"
        if not line.isascii() and _UNDECODED.search(line):
            self.fault = "CSV_ENCODING"
        return line

    def _read(self) -> str:
        try:
            return self._file.readline(MAX_LINE)
        except OSError as e:
            raise _file_error("FILE_UNREADABLE", self._source, _reason(e)) from None


def _rows(lines: _Lines, columns: _Columns) -> Iterator[tuple[int, list[str], str]]:
    """(line, cells, fault) of each row, and of each line that no row could be made of. Blank lines are left out."""
    reader = csv.reader(lines, delimiter=columns.delimiter, strict=True)
    while True:
        lines.begin_row()
        row: list[str] | None = []
        fault = ""
        try:
            row = next(reader, None)
        except csv.Error:
            fault = "CSV_QUOTE"
        fault = lines.fault or fault
        if not fault and row and len(row) != columns.width:
            fault = "CSV_COLUMNS"
        if fault:
            for line in range(lines.first, lines.number + 1):
                yield line, [], fault
        elif row:
            yield lines.first, row, ""
        elif row is None:
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Where the header puts what is looked at; -1: there is no such column."""

    delimiter: str
    width: int
    matricule: int
    oid: int
    traits: tuple[tuple[str, int], ...]
    kept: tuple[int, ...]

    @classmethod
    def of(cls, lines: _Lines, keep: Sequence[str]) -> _Columns:
        header = next(lines, "")
        for delimiter in DELIMITERS:
            try:
                names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter, strict=True), [])]
            except csv.Error:
                continue
            fields = [field_of(name) for name in names]
            if "matricule" in fields:
                break
        else:
            raise _header_error("there is no column named matricule", "name the columns in the first line, in UTF-8")
        if lines.fault:
            raise _header_error("the first line is not in this encoding", "give --encoding")
        looked_at = FIELDS | {"matricule", "oid"}
        repeated = {name for name in fields if name in looked_at and fields.count(name) > 1}
        if repeated:
            raise _header_error(f"several columns are {', '.join(sorted(repeated))}", "name each once")
        if not set(keep) <= set(names):
            raise _header_error("a column to keep is not there", "give --keep the name of a column")
        return cls(
            delimiter=delimiter,
            width=len(names),
            matricule=fields.index("matricule"),
            oid=fields.index("oid") if "oid" in fields else -1,
            traits=tuple((name, at) for at, name in enumerate(fields) if name in FIELDS),
            kept=tuple(names.index(name) for name in keep),
        )

    def check(self, row: Sequence[str]) -> Report:
        matricule = row[self.matricule]
        report = check_matricule(matricule, oid=None if self.oid < 0 else row[self.oid].strip())
        if self.traits:
            report += disagreements({name: row[at].strip() for name, at in self.traits}, matricule)
        return report


@contextmanager
def _opened(source: Path) -> Iterator[BufferedReader]:
    try:
        file = source.open("rb")
    except OSError as e:
        raise _file_error("FILE_UNREADABLE", source, _reason(e)) from None
    with file:
        yield file


@contextmanager
def _written(out: Path) -> Iterator[IO[str]]:
    """A file that only its owner may read, moved to `out` when all is written."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="", dir=out.parent, prefix=f".{out.name}.", delete=False
        ) as part:
            try:
                yield part
                part.flush()
                os.fsync(part.fileno())
                Path(part.name).replace(out)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
    except OSError as e:
        raise _file_error("FILE_UNWRITABLE", out, _reason(e)) from None


@contextmanager
def _bounded_cells() -> Iterator[None]:
    """`csv` holds its limit for the whole process."""
    before = csv.field_size_limit(MAX_LINE)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _file_error(code: str, path: Path, reason: str, hint: str = "give a path that can be used") -> SunesError:
    return SunesError(reason, code=code, path=str(path), hint=hint, hint_fr="Le fichier ne peut pas être utilisé.")


def _header_error(message: str, hint: str) -> SunesError:
    return SunesError(
        message, code="CSV_HEADER", path="line 1", rule=f"columns separated by {' or '.join(map(repr, DELIMITERS))}",
        hint=hint, hint_fr="La première ligne doit nommer les colonnes, dont « matricule ».",
    )  # fmt: skip
