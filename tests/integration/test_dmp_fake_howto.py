"""docs/howto/test-with-the-fake-dmp.md runs as written, and lists what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

from sunes_sdk.testing.fake_dmp import CallName, Spoiled

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "howto" / "test-with-the-fake-dmp.md"


def test_the_how_to_runs_as_written(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    (tmp_path / "test_dmp.py").write_text("\n\n".join(blocks))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "."],
        capture_output=True, text=True, timeout=120, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


def test_every_call_and_failure_is_named() -> None:
    text = HOW_TO.read_text()
    for name in (*get_args(CallName), *get_args(Spoiled)):
        assert f"`{name}`" in text
