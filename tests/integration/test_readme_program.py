"""The README's first program is the example file, is 15 lines, and runs as written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "first_document.py"


@pytest.mark.parametrize("readme", ["README.md", "README.fr.md"])
def test_the_readme_shows_the_example(readme: str) -> None:
    text = (ROOT / readme).read_text()
    assert f"```python\n{EXAMPLE.read_text()}```" in text
    assert "make demo" in text
    assert "make test" in text
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text):
        assert (ROOT / picture).is_file()


def test_it_has_fifteen_lines() -> None:
    assert len(EXAMPLE.read_text().splitlines()) == 15


def test_it_runs_as_written() -> None:
    run = subprocess.run([sys.executable, "-W", "error", EXAMPLE], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "ACCEPTED ['11490-0']\n"
