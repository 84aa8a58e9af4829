"""The tutorial and the how-tos of the DMP run as written, and give what they say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(page: str, count: int, folder: Path) -> list[str]:
    """The lines that the Python blocks of a page print, one program in an empty folder."""
    found = blocks(page, "python")
    assert len(found) == count
    (folder / "program.py").write_text("\n".join(found), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"], capture_output=True, text=True, timeout=120, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_tutorial(tmp_path: Path) -> None:
    install, *steps = blocks("tutorial/feed-a-dmp.md", "sh")
    assert "pip install sunes-sdk" in install  # what the environment of this test has done
    (program,) = blocks("tutorial/feed-a-dmp.md", "python")
    (tmp_path / "feed.py").write_text(program, encoding="utf-8")
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    env = {k: v for k, v in os.environ.items() if not k.startswith("SUNES_")}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    script = "trap 'kill -9 %1 2>/dev/null || true' EXIT\n" + "\n".join(steps) + "\nwait\n"
    try:
        done = subprocess.run(
            [bash, "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=180, cwd=tmp_path, env=env
        )
    except subprocess.TimeoutExpired as e:
        raise AssertionError(f"{e.stdout!r} {e.stderr!r}") from None
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()
    assert shown[0] == "DMP ouvert"
    assert [line.partition("  ")[0] for line in shown if line.startswith("fakes/letter.xml")] == [
        "fakes/letter.xml : accepté", "fakes/letter.xml : déjà dans le DMP",
    ]  # fmt: skip
    assert shown.count("avertissement : DMP_BYTES_UNVERIFIED") == 1
    assert sum(line.startswith("dans le DMP  urn:uuid:") for line in shown) == 1
    assert shown[-2].startswith("ACCEPTED ")
    assert shown[-1].startswith("entryUUID urn:uuid:")


def test_replace(tmp_path: Path) -> None:
    assert run("howto/replace-a-document.md", 5, tmp_path) == [
        "première version : ACCEPTED", "2 True True", "remplacement : ACCEPTED", "False Deprecated", "True Approved",
        "DMP_REPLACES", "ACCEPTED_WITH_WARNINGS ('DMP_REPLACED_ABSENT',)", "remplacement : ACCEPTED",
        "toujours masqué : True", "suppression : ACCEPTED", "DELETED",
    ]  # fmt: skip


def test_mask(tmp_path: Path) -> None:
    shown = run("howto/mask-a-document.md", 5, tmp_path)
    assert shown[0] == "[(True, False), (False, False), (False, True)]"
    assert shown[1].startswith("DMP_RIGHTS Cette action n'est pas ouverte à ce mode d'authentification")
    assert shown[2:] == [
        "ACCEPTED [['MASQUE_PS']]", "ACCEPTED [[]]", "DMP_UNCHANGED Le document a déjà cette visibilité.",
        "[['INVISIBLE_PATIENT']]", "[[]]",
    ]  # fmt: skip


def test_homologation_frames(tmp_path: Path) -> None:
    shown = run("howto/prepare-homologation-frames.md", 4, tmp_path)
    files = "['request.http', 'response.http']"
    assert shown == [
        f"0001-TD0.2 {files}", f"0002-TD2.1 {files}", f"0003-DMP_3.1b {files}", f"0004-TD2.1 {files}",
        "[('TD0.2', 200), ('TD2.1', 200), ('DMP_3.1b', 200), ('TD2.1', 200)]",
        "[False, False, False]", "True True",
    ]  # fmt: skip
