"""Lives and deaths of a process that owns an outbox. Run as a script by `test_outbox_kill.py`.

It forks (which pytest, with its threads, should not), kills its children by SIGKILL, and prints as JSON what is left
on disk afterwards: the peers' folders, the ledger's file, the outbox itself.
"""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sunes_sdk.model import Dmp, Event, Mss, MssPatient
from sunes_sdk.outbox import Outbox, OutboxPolicy
from sunes_sdk.outbox import store as store_module
from sunes_sdk.testing.fake_channel import Fault, FileChannel, sample_document

GP = Mss(address="jeanne.dupont@medecin.mssante.fr")
POLICY = OutboxPolicy(
    recover_after=timedelta(seconds=20), retry_base=timedelta(milliseconds=1), check_delay=timedelta(0), max_attempts=99
)
LARGE = random.Random(1).randbytes(3_000_000)
"""More than SQLite's cache holds: it writes some of a transaction before the commit."""
_plain_execute = store_module._execute
_plain_write = store_module._write
Step = Callable[[str], None]


class LaterClock:
    """The present, some hours later: leases of the dead have ended."""

    def __init__(self, hours: int) -> None:
        self._ahead = timedelta(hours=hours)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead


class Life:
    """One process over the files of a folder. `step` is called before every statement, before each megabyte of a
    large delivery and at each step of a peer."""

    def __init__(self, folder: Path, hours: int, step: Step = lambda name: None, content: bytes | None = None) -> None:
        def watched(driver: Any, sql: str, parameters: Any = ()) -> Any:
            step(" ".join(sql.split()[:3]))
            return _plain_execute(driver, sql, parameters)

        def written(blob: sqlite3.Blob, piece: bytes) -> None:
            for at in range(0, len(piece), 1_000_000):
                step("write")
                _plain_write(blob, piece[at : at + 1_000_000])

        store_module._execute, store_module._write = watched, written
        self._changes: dict[str, Any] = {} if content is None else {"content": content}
        self._folder = folder
        self._step = step
        clock = LaterClock(hours)
        self.dmp = FileChannel(folder / "dmp", clock=clock, step=step)
        self.mss = FileChannel(folder / "mss", kind="mss", clock=clock, step=step)
        self.outbox = Outbox.open(
            f"sqlite:///{folder / 'outbox.db'}", {"dmp": self.dmp, "mss": self.mss}, clock=clock, policy=POLICY
        )

    def sink(self, events: list[Event]) -> None:
        self._step("sink")
        lines = "".join(e.model_dump_json(exclude_defaults=True) + "\n" for e in events).encode()
        handle = os.open(self._folder / "ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, lines)
        os.close(handle)
        self._step("sunk")

    def work_alone(self) -> None:
        """Everything in this thread, so that steps come in the same order each time."""
        worker = self.outbox.worker()
        end = time.monotonic() + 60
        while time.monotonic() < end:
            claim = worker.claim()
            while claim is not None:
                _, claim = worker.work(claim, and_claim=True)
            if self.outbox._time_to_next() is None:
                return
            time.sleep(0.001)
        raise RuntimeError("it never ends")

    def day(self) -> None:
        """Two documents for three destinations each, then a newer version of the first for one."""
        self.outbox.put(sample_document(1, **self._changes), to=[Dmp(), GP, MssPatient()])
        self.outbox.put(sample_document(2, **self._changes), to=[Dmp(), MssPatient()])
        self.work_alone()
        self.outbox.forward(self.sink, batch=4)
        self.outbox.put(sample_document(1, version=2, **self._changes), to=[Dmp()])
        self.outbox.put(sample_document(1, version=3, **self._changes), to=[Dmp()])
        self.work_alone()
        self.outbox.forward(self.sink, batch=4)
        self.outbox.close()


def in_child(work: Callable[[], object]) -> int:
    """Start `work` in a child process."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException as e:  # told to the parent by the exit code
            print(f"{type(e).__name__}: {e}", file=sys.stderr)
        finally:
            os._exit(code)
    return child


def ended(child: int) -> str:
    """How a child ended: `killed`, `done` or `failed`."""
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return "killed"
    return "done" if os.WEXITSTATUS(status) == 0 else "failed"


def left(folder: Path) -> dict[str, Any]:
    """What the disk says, read without the outbox's own code."""
    db = sqlite3.connect(folder / "outbox.db")
    entries = db.execute("SELECT unique_id, destination, state, reason, attempts FROM outbox_entry").fetchall()
    stored = dict(db.execute("SELECT event_id, body FROM outbox_event").fetchall())
    payloads = db.execute("SELECT count(*) FROM outbox_payload").fetchone()[0]
    intact = db.execute("PRAGMA integrity_check").fetchone()[0]
    db.close()
    try:
        ledger = [json.loads(line) for line in (folder / "ledger").read_text().splitlines()]
    except FileNotFoundError:
        ledger = []
    return {
        "entries": entries,
        "payloads": payloads,
        "intact": intact,
        "stored": stored,
        "ledger": ledger,
        "dmp": FileChannel(folder / "dmp").accepted(),
        "mss": FileChannel(folder / "mss").accepted(),
    }


def every_step(
    folder: Path, stride: int, fault_of: str, faults: list[Fault], content: bytes | None = None
) -> list[dict[str, Any]]:
    """A day killed at its first step, then one killed at its second (or `stride` later), and so on until a day ends by
    itself. content: of its documents."""
    found = []
    for target in range(1, 5000, stride):
        place = folder / str(target)
        place.mkdir()
        FileChannel(place / fault_of, kind="mss" if fault_of == "mss" else "dmp").fail_next(*faults)
        count = 0

        def step(name: str, target: int = target, place: Path = place) -> None:
            nonlocal count
            count += 1
            if count == target:
                (place / "killed_at").write_text(name)
                os.kill(os.getpid(), signal.SIGKILL)

        first = ended(in_child(lambda place=place, step=step: Life(place, 0, step, content).day()))
        again = ended(in_child(lambda place=place: Life(place, 1, content=content).day()))
        after = left(place) | {"first": first, "again": again}
        if content is not None:
            arrived = [p.read_bytes() for peer in ("dmp", "mss") for p in (place / peer / "accepted").iterdir()]
            after["whole"] = all(a.partition(b"\n")[2] == content for a in arrived)
            shutil.rmtree(place / "dmp")
            shutil.rmtree(place / "mss")
        if "failed" in (first, again):
            raise RuntimeError(f"a life failed at step {target}")
        if first != "done":
            after["at"] = (place / "killed_at").read_text()
        found.append(after)
        if first == "done":
            return found
    raise RuntimeError("a day has no end")


DOCUMENTS = 60


def busy_day(folder: Path, hours: int) -> None:
    life = Life(folder, hours)
    for number in range(DOCUMENTS):
        life.outbox.put(sample_document(number), to=[Dmp(), GP, MssPatient()])
    life.outbox.run_until_idle(workers=3, patience=timedelta(seconds=1))
    life.outbox.forward(life.sink, batch=5)
    life.outbox.close()


def at_random(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """One outbox, whose process is killed at any moment, many times, and starts again each time.

    Each life is left alone until a few more deliveries arrived, then killed within the next milliseconds.
    """
    chance = random.Random(seed)
    peers = [folder / name / "accepted" for name in ("dmp", "mss")]
    endings = []
    for life in range(kills):
        goal = sum(len(os.listdir(p)) for p in peers if p.exists()) + chance.randrange(1, 8)
        child = in_child(lambda life=life: busy_day(folder, life))
        waited = 0.0
        while waited < 5 and sum(len(os.listdir(p)) for p in peers if p.exists()) < goal:
            time.sleep(0.001)
            waited += 0.001
        time.sleep(chance.uniform(0, 0.01))
        os.kill(child, signal.SIGKILL)
        endings.append(ended(child))
    endings.append(ended(in_child(lambda: busy_day(folder, kills + 1))))
    return left(folder) | {"endings": endings}


def together(folder: Path) -> dict[str, Any]:
    """Two processes that open the same new file, put the same documents and send them, at the same time."""
    children = [in_child(lambda: busy_day(folder, 0)) for _ in range(2)]
    endings = [ended(child) for child in children]
    return left(folder) | {"endings": endings}


def main() -> None:
    logging.disable(logging.CRITICAL)  # parked mail is told by the result
    folder, what, *more = sys.argv[1:]
    given = Path(folder)
    result: Any
    # Models and statements are built once here, not in each child.
    (given / "warm").mkdir()
    Life(given / "warm", 0).day()
    if what == "every_step":
        result = every_step(given, int(more[0]), more[1], [Fault(f) for f in more[2:]])
    elif what == "every_step_large":
        result = every_step(given, int(more[0]), "dmp", [], LARGE)
    elif what == "at_random":
        result = at_random(given, int(more[0]), int(more[1]))
    else:
        result = together(given)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
