"""docs/howto/test-with-the-fake-insi.md runs as written, and lists what there is."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

from sunes_sdk.testing.fake_insi import FAULTS, FakeInsi

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "howto" / "test-with-the-fake-insi.md"


def run(blocks: list[str], folder: Path, passed: int) -> None:
    (folder / "test_admissions.py").write_text("\n\n".join(blocks))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "."],
        capture_output=True, text=True, timeout=120, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert f"{passed} passed" in done.stdout


def test_the_how_to_runs_as_written(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    run(blocks, tmp_path, 11)


IMPORTS = """import pytest
from sunes_sdk.errors import InsError, TransportError
from sunes_sdk.insi import InsiClient
from sunes_sdk.model import IdentityAttribute, InsOid
from sunes_sdk.testing.fake_insi import PUBLISHED
"""


def test_examples_of_docstrings_run(tmp_path: Path) -> None:
    documented = [FakeInsi, *(value for value in vars(FakeInsi).values() if inspect.isfunction(value))]
    texts = [inspect.getdoc(each) or "" for each in documented]
    blocks = [b for t in texts for b in re.findall(r"^```python\n(.*?)^```$", t, re.MULTILINE | re.DOTALL)]
    assert len(blocks) == 4
    run([IMPORTS, *blocks], tmp_path, 4)


def test_every_failure_is_in_the_table() -> None:
    text = HOW_TO.read_text()
    table = text[text.index("| `fail_next`") : text.index("`times=3`")]
    for name in (*FAULTS, "html_500", "html_503", "truncated", "text", "cut_before", "reset", "cut_after", "truncate"):
        assert f"`{name}`" in table
