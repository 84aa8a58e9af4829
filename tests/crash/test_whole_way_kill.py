"""A worker is killed (SIGKILL) at every step against the real fakes, over sockets, and started again."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from sunes_sdk.cda import read_header
from sunes_sdk.cli.fakes import to_toml
from sunes_sdk.testing import Fakes, TestPki, samples

pytestmark = pytest.mark.crash
DRILL = Path(__file__).with_name("whole_way_drill.py")
MEMORY = Path("/dev/shm")  # what a killed process wrote stays there, and the drill does not wait for a disk


@pytest.mark.parametrize(("policy", "stride"), [("at_most_once", 1), ("at_least_once", 4)])
def test_one_document_in_the_dmp_and_one_mail_each(pki: TestPki, policy: str, stride: int) -> None:
    place = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
    with place as folder, Fakes(pki) as fakes:
        toml = Path(folder) / "sunes.toml"
        toml.write_text(to_toml(fakes.settings))
        run = subprocess.run(
            [sys.executable, "-W", "error", str(DRILL), folder, str(toml), policy, str(stride)],
            capture_output=True, text=True, timeout=400,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr[-2000:]
        days = json.loads(run.stdout)
        held = Counter(d.unique_id for d in fakes.dmp.documents)
        patient = f"{samples.ins().value}@{fakes.settings.require_mss().patient_domain}"
        boxes = {"MSS_PRO": str(samples.general_practitioner().mss_address), "MSS_PATIENT": patient}
        copies: dict[str, Counter[str]] = {}
        messages: dict[tuple[str, str], set[str]] = {}
        for kind, address in boxes.items():
            copies[kind] = Counter()
            for mail in fakes.mss.mailbox(address):
                (document,) = mail.documents
                unique_id = read_header(document).id.root
                copies[kind][unique_id] += 1
                messages.setdefault((kind, unique_id), set()).add(mail.message_id)
    assert held == {day["unique_id"]: 1 for day in days}, "each letter is in the DMP, once"
    parked = 0
    for day in days:
        assert len(day["rows"]) == 3
        for kind, state, reason in day["rows"]:
            where = f"killed at {day['at']}: {kind} {state} {reason}"
            if kind == "DMP":
                assert state == "DONE", where
                continue
            n = copies[kind][day["unique_id"]]
            if state == "PARKED":
                parked += 1
                assert reason == "UNCERTAIN", where
                assert kind == "MSS_PATIENT" or policy == "at_most_once", where
                assert n <= 1, where
            else:
                assert state == "DONE", where
                assert n == 1 or (n > 1 and kind == "MSS_PRO" and policy == "at_least_once"), f"{where}, {n} copies"
                assert len(messages[kind, day["unique_id"]]) == 1, "a copy is the same message, by its Message-ID"
    assert days[-1]["at"] == "", "the last process had nothing left to die at"
    if stride > 1:
        return
    died_at = Counter(day["at"] for day in days)
    for boundary in ("before post", "after post", "before mail", "after mail", "COMMIT", "BEGIN IMMEDIATE"):
        assert died_at[boundary], (boundary, died_at)
    assert parked, "a mail killed between acceptance and its record is visibly uncertain"
