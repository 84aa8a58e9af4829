"""The programs of `examples/` about prescriptions and files run as written, by the public names only."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sunes_sdk.cda import check, read_header

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "file", "type_code"),
    [
        ("cda_prescription", "ordonnance_de_sortie.xml", "57833-6"),
        ("cda_operative_report", "compte_rendu_operatoire.xml", "34874-8"),
        ("cda_unstructured", "consultation.xml", "11488-4"),
    ],
)
def test_an_example_writes_a_document_without_finding(name: str, file: str, type_code: str, tmp_path: Path) -> None:
    program = EXAMPLES / f"{name}.py"
    run = subprocess.run(
        [sys.executable, "-W", "error", program, tmp_path], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == f"{file} 0\n"
    content = (tmp_path / file).read_bytes()
    assert read_header(content).code.code == type_code
    assert not check(content).findings
    imported = re.findall(r"^from (sunes_sdk[\w.]*) import", program.read_text(), re.MULTILINE)
    assert set(imported) == {"sunes_sdk.cda", "sunes_sdk.model"}
