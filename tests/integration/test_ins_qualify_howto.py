"""The how-to "qualify an identity" runs as written, against the fakes it starts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from sunes_sdk.testing.fake_insi import PUBLISHED

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "howto" / "qualify-an-identity.md"


def test_the_how_to_runs_as_written(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 9
    program = tmp_path / "qualify.py"
    program.write_text("".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", program], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(" Comparez")[0] for line in lines[:5]] == [
        "PROV", "FOUND", "info INS_DIFF_SPELLING", "warning INS_DIFF_GIVEN_NAMES", "info INS_PLACE_UNKNOWN",
    ]  # fmt: skip
    assert [line.split(" Les traits")[0].split(" Identité")[0] for line in lines[5:12]] == [
        "INS_TRAITS_DIFFER", "QUAL CATARINA BELLA 63220", "QUAL", "PROV None 1", "INS_CALL_FORBIDDEN", "VALI", "PROV",
    ]  # fmt: skip
    assert lines[12].startswith("Ins(matricule=Matricule(value='***'")
    assert [line.split()[0] for line in lines[13:]] == ["INS_NOT_QUALIFIED", "ENVIRONMENT_IDENTITY"]
    assert not any(person.matricule in done.stdout for person in PUBLISHED)
