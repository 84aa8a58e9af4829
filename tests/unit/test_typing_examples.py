"""What callers write type-checks under `mypy --strict`, and what they must not write does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_the_examples_type_check(tmp_path: Path) -> None:
    examples = sorted((TESTS / "typing").glob("*.py"))
    assert examples
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores", "--cache-dir", tmp_path, *examples],
        capture_output=True, text=True, timeout=240, cwd=TESTS.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
