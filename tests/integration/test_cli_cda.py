"""`sunes cda …` as a shell sees it: what is printed, on which stream, and the exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sunes_sdk.testing import samples


def sunes(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from sunes_sdk.cli import main; main()", "cda", *map(str, arguments)]
    known = {k: v for k, v in os.environ.items() if k != "SUNES_ANS_KIT"} | {"COLUMNS": "200"} | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, env=known, timeout=120)


@pytest.fixture(scope="module")
def letter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("cda") / "lettre é.xml"
    file.write_bytes(samples.discharge_letter().render(samples.issuer()).content)
    return file


@pytest.fixture(scope="module")
def spoiled(letter: Path) -> Path:
    """Two defects, on lines that are known: a realm, and a reference that points at nothing."""
    text = letter.read_text(encoding="utf-8").replace('realmCode code="FR"', 'realmCode code="US"')
    text = text.replace('<reference value="#', '<reference value="#no', 1).replace("<setId", "\n\n<setId", 1)
    file = letter.with_name("abimee.xml")
    file.write_text(text.replace("<component><structuredBody>", "\n<component>\n<structuredBody>"), encoding="utf-8")
    return file


def verdicts(*arguments: object) -> tuple[int, list[dict[str, Any]]]:
    done = sunes("check", *arguments, "--json")
    return done.returncode, json.loads(done.stdout)


def test_a_valid_file(letter: Path) -> None:
    code, (verdict,) = verdicts(letter)
    assert code == 0
    assert verdict == {"file": str(letter), "kind": "DischargeLetter", "valid": True, "findings": []}
    done = sunes("check", letter)
    assert done.returncode == 0
    assert re.match(r"no error  .*lettre é\.xml  DischargeLetter\n$", done.stdout)
    assert done.stderr == ""


def test_findings_have_code_place_line_and_french(spoiled: Path) -> None:
    code, (verdict,) = verdicts(spoiled)
    assert code == 1
    assert verdict["valid"] is False
    assert [f["code"] for f in verdict["findings"]] == ["CDA_H02", "CDA_REF_DANGLING"]
    for finding in verdict["findings"]:
        assert finding.keys() >= {"code", "severity", "path", "line", "message", "message_fr"}
        assert finding["severity"] == "error"
    lines = spoiled.read_text(encoding="utf-8").splitlines()
    assert "realmCode" in lines[verdict["findings"][0]["line"] - 1]
    assert '"#no' in lines[verdict["findings"][1]["line"] - 1]
    assert verdict["findings"][1]["line"] > verdict["findings"][0]["line"]
    shown = sunes("check", spoiled)
    assert shown.returncode == 1
    assert "error CDA_H02 line 2, realmCode: " in shown.stdout


def test_a_relaxed_check_warns_of_what_the_official_validator_does_not_see(letter: Path, tmp_path: Path) -> None:
    long = tmp_path / "long.xml"
    long.write_bytes(letter.read_bytes().replace(b"<title>", b"<title>" + b"x" * 130, 1))
    code, (verdict,) = verdicts(long)
    assert (code, [f["severity"] for f in verdict["findings"] if f["code"] == "CDA_H46"]) == (1, ["error"])
    code, (verdict,) = verdicts(long, "--relaxed")
    assert {f["severity"] for f in verdict["findings"]} == {"warning"}
    assert code == 0


def test_what_cannot_be_read(letter: Path, tmp_path: Path) -> None:
    other = tmp_path / "x.xml"
    other.write_bytes(b"<html></html>")
    code, (absent, not_cda, good) = verdicts(tmp_path / "absent.xml", other, letter)
    assert code == 2
    assert [f["code"] for f in absent["findings"]] == ["FILE_UNREADABLE"]
    assert [f["code"] for f in not_cda["findings"]] == ["CDA_NOT_CDA"]
    assert (absent["kind"], not_cda["kind"], good["valid"]) == (None, None, True)
    assert all(f["message_fr"] for v in (absent, not_cda) for f in v["findings"])
    for command in (("header",), ("show",)):
        done = sunes(*command, other)
        assert (done.returncode, done.stdout) == (2, "")
        assert "CDA_NOT_CDA" in done.stderr


def test_progress_of_many_files_is_not_mixed_with_the_answer(letter: Path, spoiled: Path) -> None:
    done = sunes("check", letter, spoiled, letter, "--json")
    assert len(json.loads(done.stdout)) == 3
    assert "3/3" in done.stderr


def test_header_as_data(letter: Path) -> None:
    done = sunes("header", letter, "--json")
    assert done.returncode == 0
    header = json.loads(done.stdout)
    assert header["kind"] == "DischargeLetter"
    assert header["code"]["code"] == "11490-0"
    assert header["patient"]["ids"][0] == {"root": "1.2.250.1.213.1.4.10", "extension": "279035121518989"}
    assert header["patient"]["birth_time"] == "19790328"
    assert "2 79 03 51 215 189 89" in sunes("header", letter).stdout


def test_show_gives_every_section(letter: Path) -> None:
    shown = sunes("show", letter).stdout
    titles = re.findall(r"<section[ >].*?<title>([^<]*)</title>", letter.read_text(encoding="utf-8"), re.DOTALL)
    assert titles
    places = [shown.index(title) for title in titles]
    assert places == sorted(places)


def test_a_hostile_narrative_does_not_drive_the_terminal(letter: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "h.xml"
    text = letter.read_text(encoding="utf-8")
    hostile.write_text(re.sub(r"(<title>)[^<]*", "\\1a\x9b31m\u202eb[red]c[/red]", text), encoding="utf-8")
    shown = sunes("show", hostile).stdout
    assert "\x9b" not in shown
    assert "\u202e" not in shown
    assert "[red]c[/red]" in shown


def test_the_page_is_written(letter: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    done = sunes("html", letter, "-o", out)
    assert (done.returncode, done.stdout.strip()) == (0, str(out))
    assert out.read_text(encoding="utf-8").startswith('<!DOCTYPE html><html lang="fr">')
    assert sunes("html", letter, "-o", tmp_path / "no" / "page.html").returncode == 2


def test_the_oracle_needs_its_kit(letter: Path, tmp_path: Path) -> None:
    assert "SUNES_ANS_KIT" in sunes("check", letter, "--oracle").stderr
    done = sunes("check", letter, "--oracle", "--kit", tmp_path)
    assert done.returncode == 2
    assert "KIT_NOT_FOUND" in done.stderr
