"""The how-to "take INSi into an existing patient base" runs as written, against the fake service."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "howto" / "take-insi-into-a-patient-base.md"


def test_the_how_to_runs_as_written(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    program = tmp_path / "take_insi.py"
    program.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", program], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()
    assert "1004 1003 DPOT SAME_NAMES" in shown
    assert [line.split()[0] for line in shown if " FOUND" in line] == ["1001", "1002", "1003", "1004", "1005"]
    assert any(line.startswith("1006 NOT_FOUND Aucune identité trouvée") for line in shown)
    assert "  ≠ Lieu de naissance (COG) : 2B033 | 2B020" in shown
    assert [line for line in shown if "→" in line or "refusé" in line] == [
        "1001 PROV → QUAL", "1002 PROV → QUAL", "1003 PROV → QUAL", "1004 refusé : INS_DPOT", "1005 PROV → QUAL",
    ]  # fmt: skip
    assert sum('"act":"INS_' in line for line in shown) == 5
    assert shown[-1] == "à traiter : 1004 1006"
