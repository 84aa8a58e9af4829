"""A process that owns an outbox is killed (SIGKILL) before each statement and each step of its peers, then started
again: nothing is lost, the DMP holds each document once, patients never get a mail twice, the ledger adds up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.crash

DRILL = Path(__file__).with_name("outbox_drill.py")
MEMORY = Path("/dev/shm")  # a killed process loses nothing there either, and the test does not wait for a disk


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    if not MEMORY.is_dir():
        yield tmp_path
        return
    place = Path(tempfile.mkdtemp(dir=MEMORY))
    yield place
    shutil.rmtree(place)


def drill(folder: Path, *arguments: str) -> Any:
    run = subprocess.run(
        [sys.executable, "-W", "error", str(DRILL), str(folder), *arguments],
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def check(after: dict[str, Any], documents: dict[str, list[str]]) -> None:
    """documents: the destinations of each document that must have a row."""
    assert after["intact"] == "ok"
    rows = {(unique_id, to): (state, reason) for unique_id, to, state, reason, _ in after["entries"]}
    assert set(rows) == {(unique_id, to) for unique_id, all_to in documents.items() for to in all_to}
    assert after["payloads"] == len(rows)
    accepted = after["dmp"] | after["mss"]
    for (unique_id, to), (state, reason) in rows.items():
        copies = accepted.pop(f"{unique_id}|{to}", 0)
        where = f"{unique_id} to {to}: {state} {reason}, {copies} copies"
        if state == "SUPERSEDED":
            assert copies == 0, where
        elif to == "dmp":
            assert (state, copies) == ("DONE", 1), where
        elif to == "mss:patient":
            assert (state, reason, copies) in {
                ("DONE", "", 1), ("PARKED", "UNCERTAIN", 0), ("PARKED", "UNCERTAIN", 1),
            }, where  # fmt: skip
        else:
            assert state == "DONE", where
            assert copies >= 1, where
    assert not accepted, "something was accepted that no row stands for"
    check_events(after, documents, rows)


def check_events(
    after: dict[str, Any], documents: dict[str, list[str]], rows: dict[tuple[str, str], tuple[str, str]]
) -> None:
    ledger: dict[str, Any] = {}
    for event in after["ledger"]:
        assert ledger.setdefault(event["event_id"], event) == event, "an event changed between two forwardings"
    assert set(ledger) == set(after["stored"]), "the ledger has every event and no other"
    produced = Counter(e["document_id"] for e in ledger.values() if e["type"] == "DOC_PRODUCED")
    assert produced == dict.fromkeys(documents, 1)
    successes = Counter(
        (e["document_id"], e["channel"])
        for e in ledger.values()
        if e["type"] in ("DMP_ACCEPTED", "MSS_RELAYED")
        or (e["type"], e.get("outcome")) == ("DMP_RECONCILED", "ACCEPTED")
    )
    channels = {"dmp": "DMP", "mss:patient": "MSS_PATIENT"}
    expected = Counter(
        (unique_id, channels.get(to, "MSS_PRO")) for (unique_id, to), (state, _) in rows.items() if state == "DONE"
    )
    assert successes == expected, "each delivery that is done was told once, and no other"
    unknown = {(e["document_id"], e["channel"]) for e in ledger.values() if e["type"] == "MSS_UNKNOWN"}
    for (unique_id, to), (_, reason) in rows.items():
        if reason == "UNCERTAIN":
            assert (unique_id, channels[to]) in unknown


GP = "mss:jeanne.dupont@medecin.mssante.fr"
ROOT = "1.2.250.1.213.9.2.1"
PAIR = {f"{ROOT}.1.1": ["dmp", GP, "mss:patient"], f"{ROOT}.2.1": ["dmp", "mss:patient"]}


def check_day(after: dict[str, Any]) -> None:
    documents = PAIR | {f"{ROOT}.1.2": ["dmp"], f"{ROOT}.1.3": ["dmp"]}
    check(after, documents)


def test_killed_at_every_step(folder: Path) -> None:
    days = drill(folder, "every_step", "1", "dmp")
    for day in days:
        check_day(day)
    *killed, whole = days
    assert whole["first"] == "done"
    assert {day["first"] for day in killed} == {"killed"}
    at = Counter(day["at"] for day in killed)
    for boundary in (
        "prepare", "BEGIN IMMEDIATE", "INSERT INTO outbox_entry", "INSERT INTO outbox_payload",
        "INSERT INTO outbox_event", "UPDATE outbox_entry SET", "COMMIT", "send", "before accept", "after accept",
        "sink", "sunk", "UPDATE outbox_forwarded SET",
    ):  # fmt: skip
        assert at[boundary] >= 5, boundary
    parked = sum(state == "PARKED" for day in days for _, _, state, _, _ in day["entries"])
    assert parked >= 4, "patients' mail killed between acceptance and reply is parked, not sent twice"


def test_killed_while_it_stores_large_documents(folder: Path) -> None:
    """Written in pieces inside one transaction: it is there whole, or not at all."""
    days = drill(folder, "every_step_large", "4")
    for day in days:
        check_day(day)
        assert day["whole"], f"killed at {day.get('at')}: what arrived is not what was put"
    assert Counter(day.get("at") for day in days)["write"] >= 6


@pytest.mark.parametrize(
    ("peer", "faults"),
    [
        ("dmp", ("cut_after", "cut_before", "unreachable", "silent")),
        ("mss", ("cut_after", "unreachable", "cut_before")),
    ],
)
def test_killed_while_recovering_from_faults(folder: Path, peer: str, faults: tuple[str, ...]) -> None:
    days = drill(folder, "every_step", "4", peer, *faults)
    for day in days:
        check_day(day)
    assert len(days) > 30


def test_killed_at_random(folder: Path) -> None:
    after = drill(folder, "at_random", "20", "20260115")
    assert after["endings"][-1] == "done"
    assert after["endings"].count("killed") > 5  # on a loaded machine some lives end before their kill
    check(after, {f"{ROOT}.{n}.1": ["dmp", GP, "mss:patient"] for n in range(60)})


def test_two_processes_on_one_file_send_each_document_once(folder: Path) -> None:
    after = drill(folder, "together")
    assert after["endings"] == ["done", "done"]
    check(after, {f"{ROOT}.{n}.1": ["dmp", GP, "mss:patient"] for n in range(60)})
    assert set(after["dmp"].values()) | set(after["mss"].values()) == {1}
    assert {attempts for *_, attempts in after["entries"]} == {1}
