"""docs/howto/test-with-the-fake-insi.md runs as written, and lists what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from sunes_sdk.testing.fake_insi import FAULTS

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "howto" / "test-with-the-fake-insi.md"


def test_the_how_to_runs_as_written(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    (tmp_path / "test_admissions.py").write_text("\n\n".join(blocks))
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "."],
        capture_output=True, text=True, timeout=120, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    assert "11 passed" in run.stdout


def test_every_failure_is_in_the_table() -> None:
    text = HOW_TO.read_text()
    table = text[text.index("| `fail_next`") : text.index("`times=3`")]
    for name in (*FAULTS, "html_500", "html_503", "truncated", "text", "cut_before", "reset", "cut_after", "truncate"):
        assert f"`{name}`" in table
