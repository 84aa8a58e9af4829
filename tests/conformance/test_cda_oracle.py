"""The oracle as a service: verdicts that say which kit judged, an incomplete kit, a warm process that may die."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sunes_sdk.cda.oracle import Kit, Oracle, OracleWorker, Outcome
from sunes_sdk.testing import samples

pytestmark = pytest.mark.kit


def letter() -> bytes:
    return samples.discharge_letter().render(samples.issuer()).content


def links(kit: Path, copy: Path, *, without: str) -> Path:
    """The kit as links, but for one file."""
    for file in kit.rglob("*"):
        place = str(file.relative_to(kit))
        if file.is_file() and place != without and not place.startswith("ExemplesCDA"):
            (copy / place).parent.mkdir(parents=True, exist_ok=True)
            (copy / place).symlink_to(file)
    return copy


@pytest.mark.parametrize(
    "hidden",
    [
        "schematrons/CI-SIS_LDL-SES_2022.01.sch",
        "jeuxDeValeurs/JDV_HL7_allergyintolerance_clinical_CISIS.xml",
        "infrastructure/cda/general/datatypes.xsd",
    ],
)
def test_an_incomplete_kit_never_says_valid(kit: Path, tmp_path: Path, hidden: str) -> None:
    assert (kit / hidden).is_file()
    oracle = Oracle(links(kit, tmp_path / "kit", without=hidden), cache=tmp_path / "cache")
    verdict = oracle.judge(letter())
    assert verdict.outcome is Outcome.INCOMPLETE
    assert str(verdict.outcome) == "oracle incomplete"
    assert [f.code for f in verdict.report.errors] == ["KIT_INCOMPLETE"]
    assert verdict.missing
    assert verdict.schematrons == ()
    assert not oracle.check(letter()).ok


def test_a_schema_error_is_certain_even_with_an_incomplete_kit(kit: Path, tmp_path: Path) -> None:
    hidden = "schematrons/CI-SIS_LDL-SES_2022.01.sch"
    oracle = Oracle(links(kit, tmp_path / "kit", without=hidden), cache=tmp_path / "cache")
    text = letter().replace(b"<setId", b"\n<wrong/>\n<setId")
    verdict = oracle.judge(text)
    assert verdict.outcome is Outcome.INVALID
    assert {f.code for f in verdict.report.errors} == {"KIT_XSD"}
    (finding,) = verdict.report.errors
    assert (finding.path, finding.line) == ("wrong", 3)


def test_the_verdict_says_which_kit(kit: Path, tmp_path: Path) -> None:
    copied = links(kit, tmp_path / "kit", without="nothing")
    commit = "7cd489b3" * 5
    (copied / ".git").mkdir()
    (copied / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (copied / ".git" / "packed-refs").write_text(f"# pack-refs\n{commit} refs/heads/main\n")
    found = Oracle(copied, cache=tmp_path / "cache").kit
    assert (found.name, found.commit) == ("kit", commit)
    assert len(found.digest) == 64
    assert datetime.fromisoformat(found.date)
    assert any("1.2.250.1.213.1.1.5.471" in r for r in found.repairs), "JDV_J07 is missing from the published kit"
    again = Oracle(copied, cache=tmp_path / "cache").kit
    assert again == found
    assert isinstance(again, Kit)
    other = links(kit, tmp_path / "other", without="schematrons/CI-SIS_VSM_2023.01.sch")
    assert Oracle(other, cache=tmp_path / "cache").kit.digest != found.digest


def test_oracles_that_start_together_share_one_cache(kit: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        kits = [o.kit for o in pool.map(lambda _: Oracle(kit, cache=tmp_path), range(4))]
    assert kits[0].repairs
    assert all(k == kits[0] for k in kits)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_warm_process_judges_dies_and_comes_back(kit: Path, pytestconfig: pytest.Config) -> None:
    cache = pytestconfig.cache.mkdir("ans-kit") if pytestconfig.cache else None
    good = letter()
    bad = good.replace(b'qualifier="BR"', b'qualifier="SP"')
    with OracleWorker(kit, cache=cache) as worker:
        verdict = worker.judge(good)
        assert verdict.outcome is Outcome.VALID, str(verdict.report)
        assert verdict.schematrons[-1] == "CI-SIS_LDL-SES_2022.01"
        assert verdict.judged_at.utcoffset() == timedelta(0)
        (process,) = worker.processes
        os.kill(process, signal.SIGKILL)
        again = worker.judge(bad)
        assert again.outcome is Outcome.INVALID
        assert worker.processes != (process,)
