"""The how-to "read a DMP" runs as written, against the fake."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "howto" / "read-a-dmp.md"


def test_the_how_to_runs_as_written(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    program = tmp_path / "read_dmp.py"
    program.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", program], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    listed, letters, content, new, refused = done.stdout.splitlines()
    assert re.fullmatch(r"\d\d/\d\d/\d{4} .+ \(professionnel\)", listed)
    assert letters == "lettres : 1"
    assert re.fullmatch(r"text/xml \d+ vérifié", content)
    assert new.strip() == f"nouveau : {listed}"
    assert refused.startswith("DMPAccessDeniedByRightsService → Le DMP refuse cette action")
