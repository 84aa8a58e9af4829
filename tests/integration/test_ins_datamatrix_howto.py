"""The how-to "print a datamatrix" runs as written: its program, then its commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from sunes_sdk.ins import datamatrix_image
from sunes_sdk.testing import samples

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "howto" / "print-a-datamatrix.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_how_to_runs_as_written(tmp_path: Path) -> None:
    program = tmp_path / "label.py"
    program.write_text("".join(blocks("python")), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", program], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "ScannedIdentity(sex=<Sex.FEMALE: 'F'>)\n"
        "INS_DM_GS_TEXT Le lecteur a altéré le code : réglez-le pour transmettre les séparateurs, puis scannez à "
        "nouveau.\n"
        "same INS\n"
    )
    assert "INS à scanner" in (tmp_path / "label.svg").read_text(encoding="utf-8")

    (tmp_path / "label.png").unlink()
    (commands,) = blocks("bash")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    assert shutil.which("sunes", path=path)
    shell = subprocess.run(
        ["bash", "-e"], input=commands, capture_output=True, text=True, timeout=120, cwd=tmp_path,
        env=os.environ | {"PATH": path},
    )  # fmt: skip
    assert shell.returncode == 0, shell.stderr
    assert shell.stdout.startswith("label.png\nmatricule: 279035121518989\n")
    assert datamatrix_image.read((tmp_path / "label.png").read_bytes()).claimed == samples.ins()
