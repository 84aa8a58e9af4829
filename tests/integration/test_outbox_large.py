"""A large delivery is written into the outbox and sent from it in pieces: the same bytes, and nearly no memory."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from sunes_sdk._core.pieces import holds, pieces_of
from sunes_sdk.cda import CdaDocument, UnstructuredDocument
from sunes_sdk.dmp import DmpClient
from sunes_sdk.errors import OutboxError
from sunes_sdk.model import Dmp, Prepared
from sunes_sdk.outbox import Outbox, OutboxPolicy, State
from sunes_sdk.outbox import store as store_module
from sunes_sdk.outbox.store import LARGE_BYTES
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_channel import Fault, FileChannel, sample_document
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.transport import HttpResponse
from sunes_sdk.transport.seam import Body, in_pieces

PHYSICIAN = samples.physician().at(samples.hospital())
POLICY = OutboxPolicy(check_delay=timedelta(0), retry_base=timedelta(milliseconds=1))
SUCCESS = (
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><r:RegistryResponse '
    b'xmlns:r="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" '
    b'status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"/></s:Body></s:Envelope>'
)


def model_of(size: int) -> UnstructuredDocument:
    return UnstructuredDocument(
        patient=samples.patient(),
        author=PHYSICIAN,
        custodian=samples.hospital(),
        stay=samples.stay(responsible=PHYSICIAN),
        document_type="11488-4",
        title="Compte rendu volumineux",
        body=(b"Compte rendu volumineux.\n" * (size // 25 + 1))[:size],
        media_type="text/plain",
    )


def large(size: int) -> CdaDocument:
    return model_of(size).render(samples.issuer())


class Wire:
    """A transport that answers Success to what it reads, and keeps none of it."""

    sent = 0

    def post(self, url: str, body: Body, headers: Mapping[str, str]) -> HttpResponse:
        assert isinstance(body, tuple)
        self.sent = sum(map(len, in_pieces(body)))
        return HttpResponse(200, {"content-type": "application/soap+xml"}, SUCCESS)

    def close(self) -> None:
        return


def test_twenty_megabytes_go_all_the_way_without_a_copy(pki: TestPki, tmp_path: Path) -> None:
    """From the document to the peer's acceptance, its check and its storage included."""
    document, wire = large(20_000_000), Wire()
    with (
        FakeDmp(pki) as dmp,
        DmpClient(samples.settings(dmp=dmp.settings()), actor=PHYSICIAN, transport=wire) as client,
        Outbox.open(f"sqlite:///{tmp_path / 'outbox.db'}", {"dmp": client}) as outbox,
    ):
        outbox.put(large(300_000), to=[Dmp()])
        outbox.run_until_idle()
        tracemalloc.start()
        try:
            outbox.put(document, to=[Dmp()])
            assert outbox.run_until_idle().done == 1
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert wire.sent > document.size
    assert peak < 5_000_000


def test_nor_does_the_kernel_see_a_copy() -> None:
    """What libxml2, SQLite and OpenSSL take, tracemalloc does not see."""
    benchmark = Path(__file__).parents[2] / "benchmarks" / "memory.py"
    if not benchmark.exists():
        pytest.skip("the benchmarks are not beside the tests")
    run = subprocess.run(
        [sys.executable, benchmark, "--json", "--step", "check", "check_bytes", "put", "work"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    for step, row in json.loads(run.stdout).items():
        for name, megabytes in row.items():
            assert megabytes < 5, f"{step} {name}"


@pytest.fixture
def dmp(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as fake:
        fake.open_dmp(samples.ins())
        yield fake


@pytest.fixture
def client(dmp: FakeDmp) -> Iterator[DmpClient]:
    with DmpClient(samples.settings(dmp=dmp.settings()), actor=PHYSICIAN) as channel:
        yield channel


@pytest.fixture
def outbox(client: DmpClient, tmp_path: Path) -> Iterator[Outbox]:
    with Outbox.open(f"sqlite:///{tmp_path / 'outbox.db'}", {"dmp": client}, policy=POLICY) as opened:
        yield opened


@pytest.mark.parametrize("size", [150_000, 190_000, 3_000_000])
def test_the_dmp_holds_the_bytes_that_were_put(dmp: FakeDmp, outbox: Outbox, size: int) -> None:
    document = large(size)
    outbox.put(document, to=[Dmp()])
    assert outbox.run_until_idle().done == 1
    assert [d.content for d in dmp.documents] == [document.content]


def test_a_lost_answer_is_asked_after(dmp: FakeDmp, outbox: Outbox) -> None:
    document = large(400_000)
    dmp.cut_after_accept()
    dmp.cut_search()
    outbox.put(document, to=[Dmp()])
    assert outbox.run_until_idle().done == 1
    assert [d.content for d in dmp.documents] == [document.content]


def test_a_new_version_replaces_a_large_one(dmp: FakeDmp, outbox: Outbox) -> None:
    model = model_of(400_000)
    first = model.render(samples.issuer())
    second = model.revise(of=first, body=b"Encore plus. " * 50_000).render(samples.issuer())
    for document in (first, second):
        outbox.put(document, to=[Dmp()])
        assert outbox.run_until_idle().done == 1
    assert [(d.content, d.status) for d in dmp.documents] == [
        (first.content, "Deprecated"), (second.content, "Approved"),
    ]  # fmt: skip


def test_a_store_that_fails_while_it_is_sent_is_an_unknown_outcome(
    dmp: FakeDmp, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of it has left: the DMP is asked, and given it again."""
    document = large(3_000_000)
    outbox.put(document, to=[Dmp()])
    read = store_module._StoredDelivery.__getitem__
    reads = 0

    class Broken:
        def __getitem__(self, part: slice) -> bytes:
            raise sqlite3.OperationalError("disk I/O error")

    def failing(self: store_module._StoredDelivery, part: slice) -> bytes:
        nonlocal reads
        reads += 1
        if reads == 30:  # after the search for a boundary, in the middle of the request
            self._blob = Broken()  # type: ignore[assignment]  # as a disk that fails
        return read(self, part)

    monkeypatch.setattr(store_module._StoredDelivery, "__getitem__", failing)
    moved = outbox.run_once()
    assert reads == 30
    assert moved is not None
    assert (moved.state, moved.code, moved.uncertain) == (State.CHECK, "OUTBOX_STORE", True)
    assert dmp.documents == []
    assert outbox.run_until_idle().done == 1
    assert [d.content for d in dmp.documents] == [document.content]


# --- the file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [*range(LARGE_BYTES - 265, LARGE_BYTES - 250), 1_000_000])
def test_what_is_stored_is_the_prepared_delivery(tmp_path: Path, size: int) -> None:
    """Small or large, the file holds the same form."""
    channel = FileChannel(tmp_path / "dmp")
    content = random.Random(size).randbytes(size)
    with Outbox.open(f"sqlite:///{tmp_path / 'outbox.db'}", {"dmp": channel}) as outbox:
        outbox.put(sample_document(content=content), to=[Dmp()])
        db = sqlite3.connect(tmp_path / "outbox.db")
        stored = db.execute("SELECT prepared FROM outbox_payload").fetchone()[0]
        db.close()
        claim = outbox.worker().claim()
        assert claim is not None
        assert (claim.prepared is None) == (len(stored) >= LARGE_BYTES)
        with outbox._store.opened(claim) as prepared:
            assert prepared == Prepared.from_bytes(stored)
            assert prepared.blobs["document"] == b"".join(pieces_of(prepared.data("document"))) == content
            assert prepared.to_bytes() == stored
            assert len(prepared.data("document")) == len(content)


def test_a_parked_large_delivery_is_prepared_anew(tmp_path: Path) -> None:
    channel = FileChannel(tmp_path / "dmp")
    channel.fail_next(Fault.REFUSED)
    document = sample_document(content=bytes(LARGE_BYTES))
    with Outbox.open(f"sqlite:///{tmp_path / 'outbox.db'}", {"dmp": channel}) as outbox:
        (entry,) = outbox.put(document, to=[Dmp()])
        outbox.run_until_idle()
        assert outbox.status(entry.id).state is State.PARKED
        outbox.refresh(document, to=Dmp())
        assert outbox.run_until_idle().done == 1
        assert outbox.purge(timedelta(0)) == 1
    (accepted,) = (tmp_path / "dmp" / "accepted").iterdir()
    assert hashlib.sha256(accepted.read_bytes().partition(b"\n")[2]).digest() == document.sha256


@pytest.mark.parametrize("size", [10, LARGE_BYTES])
def test_what_was_frozen_can_be_looked_at_until_it_is_purged(tmp_path: Path, size: int) -> None:
    content = random.Random(size).randbytes(size)
    with Outbox.open(f"sqlite:///{tmp_path / 'outbox.db'}", {"dmp": FileChannel(tmp_path / "dmp")}) as outbox:
        (entry,) = outbox.put(sample_document(content=content), to=[Dmp()])
        with outbox.prepared(entry) as prepared:
            assert prepared is not None
            assert prepared.blobs["document"] == content
        outbox.run_until_idle()
        outbox.purge(timedelta(0))
        with outbox.prepared(entry) as prepared:
            assert prepared is None


def test_a_full_disk_stores_nothing_of_a_large_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = FileChannel(tmp_path / "dmp")
    with Outbox.open(f"sqlite:///{tmp_path / 'outbox.db'}", {"dmp": channel}) as outbox:

        def full(blob: sqlite3.Blob, piece: bytes) -> None:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(store_module, "_write", full)
            with pytest.raises(OutboxError) as caught:
                outbox.put(sample_document(content=bytes(LARGE_BYTES)), to=[Dmp()])
        assert caught.value.code == "OUTBOX_DISK_FULL"
        assert outbox.entries() == ()
        outbox.put(sample_document(content=bytes(LARGE_BYTES)), to=[Dmp()])
        assert outbox.run_until_idle().done == 1


@pytest.mark.parametrize("size", range(1, 12))
def test_a_boundary_is_looked_for_across_pieces(size: int) -> None:
    data = b"abcabd--abcabcabd"
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    for start in range(len(data)):
        for stop in range(start + 1, len(data) + 1):
            assert holds(pieces, data[start:stop])  # type: ignore[arg-type]  # len of a list is not that of its bytes
    assert not holds(pieces, b"abd-a")  # type: ignore[arg-type]  # the same
    assert not holds(pieces, b"abcd")  # type: ignore[arg-type]  # the same
    assert not holds(b"abc", b"abcd")
