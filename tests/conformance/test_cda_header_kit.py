"""The header before the official judge: the least and the most it can hold, on a letter (N3) and a report (N1)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cda_headers import device, foreign_birth, full_header, letter, report, snr
from cda_headers import issuer as issuer_of
from sunes_sdk.cda.oracle import Oracle
from sunes_sdk.testing import samples

pytestmark = pytest.mark.kit

BARE = samples.patient(addresses=(), telecoms=(), used_name=None, used_given_name=None, birth_city=None)
HEADERS: dict[str, dict[str, Any]] = {
    "least": {"recipients": (), "patient": BARE, "stay": samples.stay(discharged_at=None)},
    "full": full_header(),
    "device": {"authors": (device(),)},
    "snr": {"authors": (snr(),), "legal_authenticator": snr()},
    "patient": {"authors": (samples.patient(),), "legal_authenticator": samples.patient()},
    "abroad": {"patient": foreign_birth()},
}


@pytest.fixture(scope="session")
def oracle(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    return Oracle(kit, cache=tmp_path_factory.mktemp("kit"), terminologies=True)


@pytest.mark.parametrize("make", [letter, report], ids=["letter", "report"])
@pytest.mark.parametrize("name", HEADERS)
def test_the_kit_accepts_the_header(oracle: Oracle, make: Any, name: str) -> None:
    verdict = oracle.check(make(**HEADERS[name]).render(issuer_of()))
    assert verdict.ok, str(verdict)


def test_a_runner_that_is_not_ours_agrees_on_the_header(kit: Path, tmp_path: Path) -> None:
    runner = kit.parent / "tools" / "check_cda.py"
    if not runner.is_file():
        pytest.skip("no independent runner beside the kit")
    files = []
    for kind, make in (("letter", letter), ("report", report)):
        for name in ("least", "full"):
            file = tmp_path / f"{kind}-{name}.xml"
            file.write_bytes(make(**HEADERS[name]).render(issuer_of()).content)
            files.append(str(file))
    command = [sys.executable, str(runner), str(kit), "--cache", str(tmp_path / "cache"), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout, done.stdout
