#!/usr/bin/env python3
"""MB of memory that each step of one large document takes beyond the document's own bytes.

    memory.py [--megabytes N] [--step NAME …] [--json]

The document is an operative report around a PDF of so many megabytes (random bytes: nothing compresses), a third more
in base64. Each step runs alone in a process of its own, twice: under tracemalloc, which sees what Python allocates; and
as the highest resident size that the kernel saw, which holds what libxml2, SQLite and OpenSSL take too (Linux). What a
step gives (the document of `render`, the file of `read_file`) is the caller's, and is not counted.

model: from the PDF's bytes; render; check: of our own document; check_bytes, read, read_file: of a received one, its
native rules, its typed reading without and with the file; prepare: metadata, signature, frozen delivery; send: VIHF,
MTOM, mutual TLS to a process that only reads; put: into a durable SQLite outbox; work: from there to the same process;
whole: all of them, from the PDF's bytes to done.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import multiprocessing as mp
import random
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline import DOCTOR, HOSPITAL, ISSUER, reading_server

from sunes_sdk.cda import CdaDocument, OperativeReport, check, read
from sunes_sdk.dmp import DmpClient
from sunes_sdk.model import Dmp
from sunes_sdk.outbox import Outbox, State
from sunes_sdk.settings import Settings
from sunes_sdk.testing import samples

Work = Callable[[], object]


def pdf(size: int) -> bytes:
    noise = random.Random(0)
    image = b"".join(noise.randbytes(1_000_000) for _ in range(size // 1_000_000)) or b"image"
    return (
        b"%PDF-1.4\n<x pdfaid:part='1'/>\n1 0 obj\n<< /Subtype /Image >>\nstream\n" + image
        + b"\nendstream\nendobj\nstartxref\n0\n%%EOF\n"
    )  # fmt: skip


class Steps:
    """What is to be measured. Each method makes ready, and gives the work of its step."""

    def __init__(self, client: DmpClient, outbox: Outbox) -> None:
        self.client = client
        self.outbox = outbox

    def _model(self, body: bytes) -> OperativeReport:
        return OperativeReport(
            patient=samples.patient(), author=DOCTOR, custodian=HOSPITAL, stay=samples.stay(), body=body,
            performed_at=samples.DISCHARGED,
        )  # fmt: skip

    def _rendered(self, body: bytes) -> CdaDocument:
        return self._model(body).render(ISSUER)

    def _checked(self, body: bytes) -> CdaDocument:
        document = self._rendered(body)
        document.check().raise_for_errors()
        return document

    def _send_all(self) -> None:
        before = self.outbox.counts()[State.DONE]
        self.outbox.run_until_idle()
        assert self.outbox.counts()[State.DONE] == before + 1

    def model(self, body: bytes) -> Work:
        return lambda: self._model(body)

    def render(self, body: bytes) -> Work:
        model = self._model(body)
        return lambda: model.render(ISSUER)

    def check(self, body: bytes) -> Work:
        return self._rendered(body).check

    def check_bytes(self, body: bytes) -> Work:
        content = self._rendered(body).content
        return lambda: check(content)

    def read(self, body: bytes) -> Work:
        content = self._rendered(body).content
        return lambda: read(content).sections

    def read_file(self, body: bytes) -> Work:
        content = self._rendered(body).content
        return lambda: [file.data for file in read(content).files]

    def prepare(self, body: bytes) -> Work:
        document = self._checked(body)
        return lambda: self.client.prepare(document, Dmp()) and None

    def send(self, body: bytes) -> Work:
        prepared = self.client.prepare(self._checked(body), Dmp())
        return lambda: self.client.send(prepared)

    def put(self, body: bytes) -> Work:
        document = self._checked(body)
        return lambda: self.outbox.put(document, to=[Dmp()])

    def work(self, body: bytes) -> Work:
        self.outbox.put(self._checked(body), to=[Dmp()])
        return self._send_all

    def whole(self, body: bytes) -> Work:
        def work() -> CdaDocument:
            document = self._checked(body)
            self.outbox.put(document, to=[Dmp()])
            self._send_all()
            return document

        return work


STEPS = [name for name in vars(Steps) if not name.startswith("_")]


def traced(work: Work) -> float:
    """MB of the peak of what Python allocated, but for what `work` gives."""
    tracemalloc.start()
    try:
        given = _size(work())
        return (tracemalloc.get_traced_memory()[1] - given) / 1e6
    finally:
        tracemalloc.stop()


def resident(work: Work) -> float:
    """MB by which the process grew at its highest, but for what `work` gives. Memory that was freed before is given
    back to the kernel first, so that none of it is used unseen."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the highest so far is now
    before = _highest()
    given = _size(work())
    return (_highest() - before - given) / 1e6


def _highest() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _size(given: object) -> int:
    if isinstance(given, list):
        return sum(map(_size, given))
    return given.size if isinstance(given, CdaDocument) else len(given) if isinstance(given, bytes) else 0


def in_a_child(settings: Settings, step: str, size: int, measure: Callable[[Work], float]) -> float:
    """One step, measured in a process of its own after a small document went the same way."""
    given: mp.SimpleQueue[Any] = mp.SimpleQueue()

    def run() -> None:
        with ready(settings) as steps:
            getattr(steps, step)(pdf(300_000))()
            given.put(measure(getattr(steps, step)(pdf(size))))

    child = mp.get_context("fork").Process(target=run)
    child.start()
    child.join()
    if child.exitcode:
        raise RuntimeError(f"{step} failed")
    return float(given.get())


@contextmanager
def ready(settings: Settings) -> Iterator[Steps]:
    with (
        tempfile.TemporaryDirectory() as folder,
        DmpClient(settings, actor=DOCTOR) as client,
        Outbox.open(f"sqlite:///{folder}/outbox.db", {"dmp": client}) as outbox,
    ):
        yield Steps(client, outbox)


def measure(size: int, steps: list[str]) -> dict[str, dict[str, float]]:
    ways = {"traced_mb": traced} | ({"resident_mb": resident} if Path("/proc/self/clear_refs").exists() else {})
    with tempfile.TemporaryDirectory() as folder, reading_server(Path(folder)) as settings:
        return {
            step: {name: round(in_a_child(settings, step, size, way), 2) for name, way in ways.items()}
            for step in steps
        }  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--megabytes", type=float, default=20.0)
    arguments.add_argument("--step", nargs="+", choices=STEPS, default=STEPS)
    arguments.add_argument("--json", action="store_true")
    a = arguments.parse_args()
    rows = measure(int(a.megabytes * 1e6), a.step)
    if a.json:
        print(json.dumps(rows))
        return
    for step, row in rows.items():
        print(f"{step:14}" + "".join(f"{name} {value:>7.2f}   " for name, value in row.items()))


if __name__ == "__main__":
    main()
