#!/usr/bin/env python3
"""MB of memory that one large document takes beyond its own bytes, as tracemalloc sees it (Python's allocations; what
libxml2, OpenSSL and SQLite take is theirs).

    memory.py [--megabytes N] [--json]

check: the native rules, once for each document, which read the file inside it; prepare: metadata, signature, frozen
delivery; send: VIHF, MTOM, mutual TLS to a process that only reads; outbox: put to done, through a durable SQLite
store, which holds and gives back the delivery.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import serve

from sunes_sdk.cda import CdaDocument, Issuer, UnstructuredDocument
from sunes_sdk.dmp import DmpClient
from sunes_sdk.model import Dmp, Identifier, Stay
from sunes_sdk.outbox import Outbox, State
from sunes_sdk.settings import DmpPaths, DmpSettings
from sunes_sdk.testing import samples
from sunes_sdk.testing.pki import TestPki


def document(size: int) -> CdaDocument:
    """An N1 document around a text file of `size` bytes."""
    hospital = samples.hospital()
    return UnstructuredDocument(
        patient=samples.patient(),
        author=samples.physician().at(hospital),
        custodian=hospital,
        stay=Stay(
            visit=Identifier(value="2600012345", root=samples.VISIT_ROOT),
            admitted_at=samples.ADMITTED,
            discharged_at=samples.DISCHARGED,
            organization=hospital,
            unit="6268",
        ),
        document_type="11488-4",
        title="Document volumineux",
        body=(b"Compte rendu volumineux.\n" * (size // 25 + 1))[:size],
        media_type="text/plain",
    ).render(Issuer(oid_root=samples.DOCUMENT_ROOT))


def beyond(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` gives, and the MB of its peak beyond what was there before."""
    tracemalloc.start()
    try:
        done = work()
        return done, tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def measure(size: int) -> dict[str, float]:
    folder = Path(tempfile.mkdtemp())
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
    with DmpClient(samples.settings(dmp=dmp), actor=samples.physician().at(samples.hospital())) as client:
        client.submit(samples.discharge_letter().render(samples.issuer()))  # what is loaded once
        first, second = document(size), document(size)
        report, check = beyond(first.check)
        assert report.ok
        second.check()
        prepared, prepare = beyond(lambda: client.prepare(first, Dmp()))
        receipt, send = beyond(lambda: client.send(prepared))
        assert receipt.outcome.is_success
        with Outbox.open(f"sqlite:///{folder / 'outbox.db'}", {"dmp": client}) as outbox:

            def whole() -> None:
                outbox.put(second, to=[Dmp()])
                outbox.run_until_idle()

            _, way = beyond(whole)
            assert outbox.counts()[State.DONE] == 1
    server.terminate()
    return {
        "document_mb": round(first.size / 1e6, 1),
        "check_mb": round(check, 2),
        "prepare_mb": round(prepare, 2),
        "send_mb": round(send, 2),
        "outbox_mb": round(way, 2),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--megabytes", type=float, default=20.0)
    arguments.add_argument("--json", action="store_true")
    a = arguments.parse_args()
    row = measure(int(a.megabytes * 1e6))
    print(json.dumps(row) if a.json else "\n".join(f"{k:32}{v}" for k, v in row.items()))


if __name__ == "__main__":
    main()
