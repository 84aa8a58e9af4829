#!/usr/bin/env python3
"""The whole way of one LDL-SES against the hand-written floor, both measured now, on this machine.

    pipeline.py [--documents N] [--json] [--profile | --throughput]

Per document: model → CDA bytes → native check → XDS metadata → XAdES → durable outbox (fsync) → VIHF → MTOM → mutual
TLS to a process that only reads and answers → outbox done and its events (fsync) → usage ledger (fsync, in batches of
50, as a forwarder makes them). One worker. The floor is bench/floor.py of the shared data (SUNES_FLOOR), run between
the rounds: the ratio is the median of the rounds' ratios.

Then, or alone with --throughput, how many documents a second the two cores of a machine take with a server that
verifies: APPLICATIONS processes, each with its outbox and its ledger, do the same and send to a FakeDmp, as shipped, in
a process of its own. It must hold each document once at the end, and have refused nothing. Nothing is pinned, the time
is the wall's. What does not follow the machine's speed is `two_cores_ratio`: the time of both cores for one document,
over the floor of the same minutes. 150 documents a second where the floor takes 1.6 ms are a ratio of 8.3.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import os
import secrets
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from sunes_sdk.cda import (
    Allergy,
    CdaDocument,
    DischargeLetter,
    EntryMode,
    ExitMode,
    Issuer,
    Quantity,
    Synthesis,
    Treatment,
)
from sunes_sdk.dmp import DmpClient
from sunes_sdk.model import Dmp, Identifier, Stay
from sunes_sdk.outbox import Outbox, State
from sunes_sdk.settings import DmpPaths, DmpSettings, Settings, TlsSettings
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.usage import Ledger

FLOOR = Path(os.environ.get("SUNES_FLOOR", Path(__file__).resolve().parents[2] / "shared/bench/floor.py"))
SUCCESS = (
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing">'
    b'<s:Header><a:Action s:mustUnderstand="true">urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-bResponse</a:Action>'
    b'</s:Header><s:Body><r:RegistryResponse xmlns:r="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" '
    b'status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"/></s:Body></s:Envelope>'
)
BATCH = 50
ROUNDS = 18
APPLICATIONS = 3
"""One more than the cores: each waits for the disk, and for answers."""


def serve(tls: TlsSettings, certificate: Path, key: Path, ports: mp.Queue[int]) -> None:
    """Reads whole requests and answers Success: the cost measured is the client's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(tls.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nContent-Length: %d\r\n\r\n"
    answer = head % len(SUCCESS) + SUCCESS
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ports.put(listener.getsockname()[1])
        while True:
            raw, _ = listener.accept()
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with context.wrap_socket(raw, server_side=True) as connection:
                while True:
                    data = b""
                    while b"\r\n\r\n" not in data:
                        part = connection.recv(262144)
                        if not part:
                            break
                        data += part
                    if not data:
                        break
                    request_head, _, rest = data.partition(b"\r\n\r\n")
                    lengths = [
                        line for line in request_head.split(b"\r\n") if line.lower().startswith(b"content-length:")
                    ]
                    length = int(lengths[0].split(b":")[1])
                    left = length - len(rest)
                    while left > 0:
                        left -= len(connection.recv(min(left, 262144)))
                    connection.sendall(answer)


HOSPITAL = samples.hospital()
DOCTOR = samples.physician().at(HOSPITAL)
RECIPIENT = samples.general_practitioner().at(samples.hospital(name="Cabinet du Dr Dupont"))


def letter(number: int) -> CdaDocument:
    """An LDL-SES of about 31 KB, as the floor's: seven treatments, four allergies, a page of summary.

    The hospital and its professionals are built once, the patient, the stay and the content for each document.
    """
    day = samples.DISCHARGED.date()
    return DischargeLetter(
        patient=samples.patient(),
        author=DOCTOR,
        custodian=HOSPITAL,
        stay=Stay(
            visit=Identifier(value="2600012345", root=samples.VISIT_ROOT),
            admitted_at=samples.ADMITTED,
            discharged_at=samples.DISCHARGED,
            organization=HOSPITAL,
            unit="6268",
        ),
        recipients=(RECIPIENT,),
        reason="Pneumopathie aiguë communautaire",
        synthesis=Synthesis(
            entry_mode=EntryMode.EMERGENCY,
            exit_mode=ExitMode.HOME,
            medical_summary=f"Séjour {number}. " + "Évolution favorable sous antibiothérapie. " * 45,
            mdro_search=False,
            transfusion=False,
            blood_derivatives=False,
        ),
        discharge_treatments=tuple(
            Treatment(
                name=f"MEDICAMENT {n} 100 mg, comprimé",
                cis=f"6255{n:04d}",
                posology="1 comprimé matin et soir",
                start=day,
                end=day + timedelta(days=30),
                dose=Quantity(value=Decimal(1), unit="{tbl}"),
            )
            for n in range(7)
        ),
        allergies=tuple(Allergy(substance=f"Substance {n}") for n in range(4)),
    ).render(ISSUER)


ISSUER = Issuer(oid_root=samples.DOCUMENT_ROOT)


def floor(documents: int) -> float:
    command = [sys.executable, str(FLOOR), "--json", "--documents", str(documents)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"the floor cannot run: {run.stderr.strip().splitlines()[-1]}")
    return float(json.loads(run.stdout)["floor_ms"])


@contextmanager
def reading_server(folder: Path) -> Iterator[Settings]:
    """A process that only reads what is sent to it, and the settings to send there."""
    pki = TestPki(folder / "pki")
    ports: mp.Queue[int] = mp.Queue()
    server = mp.Process(target=serve, args=(pki.tls, pki.server.certificate, pki.server.key, ports), daemon=True)
    server.start()
    dmp = DmpSettings(
        base_url=f"https://localhost:{ports.get(timeout=20)}/",
        paths=DmpPaths(repository="repository", registry="registry", patients="patients"),
        tls=pki.tls, signing=pki.signing.signing(), source_id=samples.SOURCE_ID, device_oid="1.2.250.1.213.9.4",
        authn_context="urn:oasis:names:tc:SAML:2.0:ac:classes:Password",
    )  # fmt: skip
    try:
        yield samples.settings(dmp=dmp)
    finally:
        server.terminate()


def rounds(documents: int, *, profile: bool = False) -> tuple[list[tuple[float, float]], int]:
    """(pipeline ms, floor ms) of each round: the machine's speed moves, so the two are measured turn by turn."""
    folder = Path(tempfile.mkdtemp())
    size = 0
    with (
        reading_server(folder) as settings,
        DmpClient(settings, actor=DOCTOR) as client,
        Outbox.open(f"sqlite:///{folder / 'outbox.db'}", {"dmp": client}) as outbox,
        Ledger.open(folder / "ledger.db", secrets.token_bytes(32)) as ledger,
    ):

        def some(first: int, count: int) -> None:
            """What an application and its worker do: put, drain, forward."""
            nonlocal size
            for number in range(first, first + count):
                document = letter(number)
                size = document.size
                document.check().raise_for_errors()
                outbox.put(document, to=[Dmp()])
            outbox.run_until_idle()
            outbox.forward(ledger.record)

        some(0, 2 * BATCH)
        if profile:
            import cProfile
            import pstats

            with cProfile.Profile() as profiler:
                for n in range(0, documents, BATCH):
                    some(n, BATCH)
            pstats.Stats(profiler).sort_stats("tottime").print_stats(35)
        measured = []
        for _ in range(ROUNDS):
            below = floor(documents // ROUNDS)
            batches = []
            for n in range(0, documents // ROUNDS, BATCH):
                start = time.perf_counter()
                some(n, BATCH)
                batches.append((time.perf_counter() - start) / BATCH * 1e3)
            measured.append((statistics.median(batches), below))
        done = outbox.counts()[State.DONE]
        assert done >= documents, f"{done} done"
        assert ledger.head().count >= 3 * documents
    return measured, size


def verify(pki: TestPki, parent: Connection) -> None:
    """A FakeDmp with every check on: gives its settings, then at each demand what it holds, answered and took."""
    with FakeDmp(pki) as dmp:
        dmp.open_dmp(samples.ins())
        parent.send(dmp.settings())
        while True:
            parent.recv()
            held = [document.unique_id for document in dmp.documents]
            parent.send((held, Counter(request.answer for request in dmp.requests), time.process_time()))


def produce(folder: Path, dmp: DmpSettings, batches: int, start: Barrier, parent: Connection) -> None:
    """One application: documents, their sending, the forwarding of their events.

    Gives the unique ids of all it sent, and the CPU seconds of `batches` that follow a first one.
    """
    sent: list[str] = []
    folder.mkdir()
    with (
        DmpClient(samples.settings(dmp=dmp), actor=samples.physician().at(samples.hospital())) as client,
        Outbox.open(f"sqlite:///{folder / 'outbox.db'}", {"dmp": client}) as outbox,
        Ledger.open(folder / "ledger.db", secrets.token_bytes(32)) as ledger,
    ):

        def batch() -> None:
            for _ in range(BATCH):
                document = letter(len(sent))
                document.check().raise_for_errors()
                outbox.put(document, to=[Dmp()])
                sent.append(document.unique_id)
            outbox.run_until_idle()
            outbox.forward(ledger.record)

        batch()
        start.wait()
        before = time.process_time()
        for _ in range(batches):
            batch()
        took = time.process_time() - before
        assert outbox.counts()[State.DONE] == len(sent)
        assert ledger.head().count >= 3 * len(sent)
    parent.send((sent, took))


def throughput(documents: int) -> dict[str, Any]:
    """Documents a second of wall time, the CPU of either side for one, and their ratio to the floor."""
    below = [floor(documents // 6)]
    folder = Path(tempfile.mkdtemp())
    pki = TestPki(folder / "pki")
    start, batches = mp.Barrier(APPLICATIONS + 1), max(1, documents // (APPLICATIONS * BATCH))

    def run(target: Any, *given: Any) -> Connection:
        near, far = mp.Pipe()
        mp.Process(target=target, args=(*given, far), daemon=True).start()
        far.close()  # the child's alone: when it dies, reading ends
        return near

    server = run(verify, pki)
    dmp = server.recv()
    applications = [run(produce, folder / str(n), dmp, batches, start) for n in range(APPLICATIONS)]
    start.wait(timeout=300)
    began = time.perf_counter()
    server.send(True)
    *_, before = server.recv()
    results = [application.recv() for application in applications]
    seconds = time.perf_counter() - began
    server.send(True)
    held, answers, after = server.recv()
    sent = [unique_id for ids, _ in results for unique_id in ids]
    assert sorted(held) == sorted(sent), f"{len(held)} held of {len(sent)} sent"
    assert answers == {"Success": len(sent)}, answers
    done = APPLICATIONS * batches * BATCH
    below.append(floor(documents // 6))
    return {
        "documents_per_second_two_cores_verifying": round(done / seconds),
        "client_cpu_ms": round(sum(cpu for _, cpu in results) / done * 1e3, 2),
        "verifying_server_cpu_ms": round((after - before) / done * 1e3, 2),
        "two_cores_ratio": round(2000 * seconds / done / statistics.mean(below), 2),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--documents", type=int, default=1800)
    arguments.add_argument("--json", action="store_true")
    what = arguments.add_mutually_exclusive_group()
    what.add_argument("--profile", action="store_true")
    what.add_argument("--throughput", action="store_true", help="nothing but documents a second on two cores")
    a = arguments.parse_args()
    row: dict[str, Any] = {}
    if not a.throughput:
        measured, size = rounds(a.documents, profile=a.profile)
        ours = statistics.median(own for own, _ in measured)
        row = {
            "pipeline_ms": round(ours, 3),
            "floor_ms": round(statistics.median(below for _, below in measured), 3),
            "ratio": round(statistics.median(own / below for own, below in measured), 2),
            "documents_per_second_per_core": round(1000 / ours),
            "document_bytes": size,
        }
    row |= throughput(a.documents)
    print(json.dumps(row) if a.json else "\n".join(f"{k:42}{v}" for k, v in row.items()))


if __name__ == "__main__":
    main()
