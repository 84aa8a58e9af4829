"""What the outbox costs beside raw sqlite3 doing the same durable work on the same disk, in the same run.

    python benchmarks/outbox.py [--documents N] [--folder DIR]

Both store N documents of 31 KB with one event, then lease each (reading its bytes) and complete it with two events,
every step in its own commit with `synchronous=FULL`. The goal is a claim + complete of at most twice the raw one.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from sunes_sdk._core.clock import SystemClock
from sunes_sdk._core.ids import RandomIds
from sunes_sdk.model import ChannelKind, Code, Destination, Dmp, Document, IdentityStatus, Outcome, Prepared, Receipt
from sunes_sdk.outbox import Outbox
from sunes_sdk.testing import samples

_SIZE = 31_000
_IDS = RandomIds()
_CLOCK = SystemClock()


class InstantChannel:
    """Accepts everything without a network, so that only the outbox is measured."""

    def prepare(self, document: Document, destination: Destination) -> Prepared:
        return Prepared(
            channel="dmp",
            kind=ChannelKind.DMP,
            key=f"{document.unique_id}|{destination.key}",
            unique_id=document.unique_id,
            blobs={"document": document.content},
        )

    def send(self, prepared: Prepared) -> Receipt:
        return Receipt(channel=prepared.kind, outcome=Outcome.ACCEPTED, unique_id=prepared.unique_id, at=_CLOCK.now())

    reconcile = send


def document() -> Document:
    unique_id = _IDS.oid(samples.DOCUMENT_ROOT)
    return Document(
        content=b"x" * _SIZE,
        unique_id=unique_id,
        set_id=f"{unique_id}.1",
        version_number=1,
        type_code=samples.loinc("11490-0", "Lettre de liaison"),
        title="Lettre de liaison",
        created_at=samples.WRITTEN,
        organization=samples.hospital(),
        ins=samples.ins(),
        ins_status=IdentityStatus.QUALIFIEE,
        format_code=Code(code="urn:ans", system="1.2.250.1.213.1.1.4.2"),
        stay=samples.stay().visit,
        unit="6268",
    )


class Raw:
    """The same work by hand: three tables, the indexes it needs and no more."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "raw.db", isolation_level=None)
        self._db.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "CREATE TABLE entry(id INTEGER PRIMARY KEY, delivery TEXT UNIQUE, state TEXT, due INTEGER, token INTEGER,"
            " facts TEXT); CREATE INDEX due ON entry(due, id) WHERE due IS NOT NULL;"
            "CREATE TABLE payload(id INTEGER PRIMARY KEY, data BLOB);"
            "CREATE TABLE event(seq INTEGER PRIMARY KEY, id TEXT UNIQUE, body TEXT)"
        )
        self._data, self._facts = b"x" * _SIZE, "f" * 500

    def put(self) -> None:
        db, key = self._db, _IDS.uuid().hex
        db.execute("BEGIN IMMEDIATE")
        row = db.execute("INSERT INTO entry VALUES(NULL,?,'READY',1,0,?)", (key, self._facts)).lastrowid
        db.execute("INSERT INTO payload VALUES(?,?)", (row, self._data))
        db.execute("INSERT INTO event VALUES(NULL,?,?)", (f"{key}:DOC_PRODUCED", self._facts))
        db.execute("COMMIT")

    def work(self) -> None:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        row, token, key, _ = db.execute(
            "UPDATE entry SET state='LEASED', due=9, token=token+1 WHERE id="
            "(SELECT id FROM entry WHERE due<=5 ORDER BY due, id LIMIT 1) RETURNING id, token, delivery, facts"
        ).fetchone()
        db.execute("SELECT data FROM payload WHERE id=?", (row,)).fetchone()
        db.execute("COMMIT")
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE entry SET state='DONE', due=NULL WHERE id=? AND token=?", (row, token))
        db.execute("INSERT INTO event VALUES(NULL,?,?)", (f"{key}:DMP_SUBMITTED:1", self._facts))
        db.execute("INSERT INTO event VALUES(NULL,?,?)", (f"{key}:DMP_ACCEPTED:1", self._facts))
        db.execute("COMMIT")


def in_turn(times: int, *steps: Callable[[], object]) -> list[float]:
    """Median milliseconds of each step, taken in turn: whatever else the machine does weighs on all alike."""
    taken: list[list[float]] = [[] for _ in steps]
    for _ in range(times):
        for step, list_of in zip(steps, taken, strict=True):
            start = time.perf_counter()
            step()
            list_of.append((time.perf_counter() - start) * 1e3)
    return [statistics.median(each) for each in taken]


def measure(folder: Path, documents: int) -> dict[str, float]:
    raw = Raw(folder)
    with Outbox.open(f"sqlite:///{folder / 'outbox.db'}", {"dmp": InstantChannel()}) as outbox:
        made = iter([document() for _ in range(2 * documents)])
        raw_put, put = in_turn(documents, raw.put, lambda: outbox.put(next(made), to=[Dmp()]))
        raw_work, work = in_turn(documents, raw.work, outbox.run_once)
        for other in made:
            outbox.put(other, to=[Dmp()])
        start = time.perf_counter()
        outbox.run_until_idle(workers=1, patience=timedelta(0))
        drain = (time.perf_counter() - start) / documents * 1e3
        start = time.perf_counter()
        events = outbox.forward(lambda batch: None)
        forward = (time.perf_counter() - start) / events * 1e6
    return {
        "raw_put_ms": raw_put,
        "put_ms": put,
        "put_ratio": put / raw_put,
        "raw_claim_complete_ms": raw_work,
        "claim_complete_ms": work,
        "claim_complete_ratio": work / raw_work,
        "drain_ms": drain,
        "drain_ratio": drain / raw_work,
        "forward_us_per_event": forward,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--documents", type=int, default=1000)
    arguments.add_argument("--folder", type=Path, default=None, help="disk to measure (default: the temporary one)")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = measure(Path(folder), given.documents)
    print(json.dumps({name: round(value, 3) for name, value in found.items()}))


if __name__ == "__main__":
    main()
