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


def raw(folder: Path, documents: int) -> tuple[list[float], list[float]]:
    """The same work by hand: three tables, the indexes it needs and no more."""
    db = sqlite3.connect(folder / "raw.db", isolation_level=None)
    db.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE entry(id INTEGER PRIMARY KEY, delivery TEXT UNIQUE, state TEXT, due INTEGER, token INTEGER,"
        " facts TEXT); CREATE INDEX due ON entry(due, id) WHERE due IS NOT NULL;"
        "CREATE TABLE payload(id INTEGER PRIMARY KEY, data BLOB);"
        "CREATE TABLE event(seq INTEGER PRIMARY KEY, id TEXT UNIQUE, body TEXT)"
    )
    data, facts = b"x" * _SIZE, "f" * 500

    def put(n: int) -> None:
        key = _IDS.uuid().hex
        db.execute("BEGIN IMMEDIATE")
        row = db.execute("INSERT INTO entry VALUES(NULL,?,'READY',1,0,?)", (key, facts)).lastrowid
        db.execute("INSERT INTO payload VALUES(?,?)", (row, data))
        db.execute("INSERT INTO event VALUES(NULL,?,?)", (f"{key}:DOC_PRODUCED", facts))
        db.execute("COMMIT")

    def work(n: int) -> None:
        db.execute("BEGIN IMMEDIATE")
        row, token, key, _ = db.execute(
            "UPDATE entry SET state='LEASED', due=9, token=token+1 WHERE id="
            "(SELECT id FROM entry WHERE due<=5 ORDER BY due, id LIMIT 1) RETURNING id, token, delivery, facts"
        ).fetchone()
        db.execute("SELECT data FROM payload WHERE id=?", (row,)).fetchone()
        db.execute("COMMIT")
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE entry SET state='DONE', due=NULL WHERE id=? AND token=?", (row, token))
        db.execute("INSERT INTO event VALUES(NULL,?,?)", (f"{key}:DMP_SUBMITTED:1", facts))
        db.execute("INSERT INTO event VALUES(NULL,?,?)", (f"{key}:DMP_ACCEPTED:1", facts))
        db.execute("COMMIT")

    times = timed(put, documents), timed(work, documents)
    db.close()
    return times


def timed(step: Callable[[int], object], times: int) -> list[float]:
    """Milliseconds of each call."""
    taken = []
    for n in range(times):
        start = time.perf_counter()
        step(n)
        taken.append((time.perf_counter() - start) * 1e3)
    return taken


def measure(folder: Path, documents: int) -> dict[str, float]:
    raw_put, raw_work = raw(folder, documents)
    with Outbox.open(f"sqlite:///{folder / 'outbox.db'}", {"dmp": InstantChannel()}) as outbox:
        made = [document() for _ in range(2 * documents)]
        put = timed(lambda n: outbox.put(made[n], to=[Dmp()]), documents)
        work = timed(lambda _: outbox.run_once(), documents)
        for other in made[documents:]:
            outbox.put(other, to=[Dmp()])
        start = time.perf_counter()
        outbox.run_until_idle(workers=1, patience=timedelta(0))
        drain = (time.perf_counter() - start) / documents * 1e3
        start = time.perf_counter()
        events = outbox.forward(lambda batch: None)
        forward = (time.perf_counter() - start) / events * 1e6
    middle = statistics.median
    return {
        "raw_put_ms": middle(raw_put),
        "put_ms": middle(put),
        "put_ratio": middle(put) / middle(raw_put),
        "raw_claim_complete_ms": middle(raw_work),
        "claim_complete_ms": middle(work),
        "claim_complete_ratio": middle(work) / middle(raw_work),
        "drain_ms": drain,
        "drain_ratio": drain / middle(raw_work),
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
