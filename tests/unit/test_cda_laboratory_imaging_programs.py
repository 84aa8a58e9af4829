"""The programs of `examples/` and the code of the how-to run as written, by the public names only."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sunes_sdk.cda import check, read_header

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs" / "howto" / "build_a_cr_bio.md"


def run(program: Path, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", program], capture_output=True, text=True, timeout=120, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "file", "type_code"),
    [
        ("cda_laboratory_report", "compte_rendu_biologie.xml", "11502-2"),
        ("cda_imaging_report", "compte_rendu_imagerie.xml", "18748-4"),
    ],
)
def test_an_example_writes_a_document_without_finding(name: str, file: str, type_code: str, tmp_path: Path) -> None:
    program = ROOT / "examples" / f"{name}.py"
    assert run(program, tmp_path) == f"{file} 0\n"
    content = (tmp_path / file).read_bytes()
    assert read_header(content).code.code == type_code
    assert not check(content).findings
    imported = re.findall(r"^from (sunes_sdk[\w.]*) import", program.read_text(), re.MULTILINE)
    assert set(imported) == {"sunes_sdk.cda", "sunes_sdk.model"}


def test_the_how_to_runs_as_written(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    program = tmp_path / "cr_bio.py"
    program.write_text("".join(blocks))
    assert run(program, tmp_path) == "cr_bio.xml 0\n"
    assert not check((tmp_path / "cr_bio.xml").read_bytes()).findings
