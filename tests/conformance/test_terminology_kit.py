"""The sets of the package are those that ANS publishes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "refresh_terminology.py"


def _check(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, _SCRIPT, *arguments, "--check"], capture_output=True, text=True, check=False)


def test_the_sets_are_those_of_the_kit(kit: Path) -> None:
    run = _check(kit)
    assert run.returncode == 0, run.stderr


def test_the_roles_are_those_of_the_published_file(kit: Path, samples: Path) -> None:
    run = _check(kit, "--vihf-roles", samples / "terminology" / "JDV_J65-SubjectRole-DMP.xml")
    assert run.returncode == 0, run.stderr


def test_a_set_that_changed_is_named(kit: Path, tmp_path: Path) -> None:
    copy = tmp_path / "kit"
    (copy / "jeuxDeValeurs").mkdir(parents=True)
    for file in (kit / "jeuxDeValeurs").iterdir():
        (copy / "jeuxDeValeurs" / file.name).symlink_to(file)
    (copy / "schematrons").symlink_to(kit / "schematrons")
    changed = copy / "jeuxDeValeurs" / "JDV_J143_AdministrativeGender_CISIS.xml"
    text = changed.read_text(encoding="utf-8")
    changed.unlink()
    changed.write_text(text.replace("Inconnu", "Autre"), encoding="utf-8")
    run = _check(copy)
    assert run.returncode != 0
    assert "JDV_J143" in run.stderr
