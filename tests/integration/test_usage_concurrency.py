"""Several writers, threads and processes, on one ledger: nothing lost, nothing doubled, one unbroken chain."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from sunes_sdk.model import Event
from sunes_sdk.usage import Ledger

SECRET = b"s" * 32
AT = datetime(2026, 1, 20, 12, tzinfo=UTC)


def events(start: int, stop: int) -> list[Event]:
    return [
        Event(event_id=f"e{n}", type="DMP_ACCEPTED", occurred_at=AT, document_id=f"1.2.{n}")  # type: ignore[arg-type]  # a text, as the store reads it
        for n in range(start, stop)
    ]


def test_threads_share_a_ledger(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "usage.db", SECRET) as ledger, ThreadPoolExecutor(8) as pool:
        # Every range comes twice and overlaps its neighbour: each event is recorded by exactly one call.
        ranges = [(n * 20, n * 20 + 40) for n in range(12)] * 2
        recorded = sum(pool.map(lambda r: ledger.record(events(*r)), ranges))
        head = ledger.verify_chain()
    assert recorded == head.count == 12 * 20 + 20


_WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from test_usage_concurrency import SECRET, events
from sunes_sdk.usage import Ledger
with Ledger.open(sys.argv[2], SECRET) as ledger:
    print(sum(ledger.record(events(n, n + 10)) for n in range(0, 200, 5)))
"""


def test_processes_share_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    folder = str(Path(__file__).parent)
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, folder, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    counts = [int(w.communicate(timeout=120)[0]) for w in writers]
    assert [w.returncode for w in writers] == [0] * 4
    with Ledger.open(path, SECRET) as ledger:
        assert ledger.verify_chain().count == sum(counts) == 205
