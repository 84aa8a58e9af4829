"""Whatever the bytes of a CSV file, every line that is not blank has one result, and the run ends."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from sunes_sdk.cli.ins_csv import CSV_ISSUES, check_csv

GOOD = b"279035121518989"
HEADER = b"matricule;oid;sexe;date_naissance;autre\n"
CELLS = st.sampled_from(
    [GOOD, b"1.2.250.1.213.1.4.10", b"F", b"1979-03-28", b"", b'"', b'"a"', b'"a\nb"', b"\xe9", b"\0"]
)
LINES = st.lists(CELLS, min_size=1, max_size=6).map(b";".join) | st.binary(max_size=40)


def results(content: bytes) -> list[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in"), Path(folder, "out")
        source.write_bytes(HEADER + content)
        summary = check_csv(source, out)
        rows = list(csv.reader(io.StringIO(out.read_text(encoding="utf-8")), delimiter=";"))[1:]
    assert len(rows) == summary.verdicts.total()
    return rows


@given(st.lists(LINES, max_size=30), st.sampled_from([b"\n", b"\r\n"]))
@example([b'"' + GOOD] * 300, b"\n")
@example([b"\r"], b"\n")
def test_any_bytes(lines: list[bytes], end: bytes) -> None:
    content = end.join(lines)
    rows = results(content)
    numbers = [int(row[0]) for row in rows]
    assert numbers == sorted(set(numbers))
    assert all(2 <= n <= content.count(b"\n") + content.count(b"\r") + 2 for n in numbers)
    for _, verdict, issues in rows:
        assert verdict in ("valid", "valid_with_warnings", "invalid", "unreadable")
        assert (verdict == "unreadable") == (issues in CSV_ISSUES)


@given(st.lists(st.binary(max_size=30).map(lambda b: b.translate(None, b'\r\n"')), max_size=20))
def test_a_bad_line_does_not_change_what_is_said_of_the_good_ones(bad: list[bytes]) -> None:
    good = GOOD + b";1.2.250.1.213.1.4.10;F;1979-03-28;x\n"
    rows = results(b"".join(line + b"\n" + good for line in bad))
    said = {int(line): verdict for line, verdict, _ in rows}
    assert [said[3 + 2 * n] for n in range(len(bad))] == ["valid"] * len(bad)
