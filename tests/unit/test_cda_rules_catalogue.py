"""docs/rules.md is what the rules say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sunes_sdk.cda.rules import RULES

ROOT = Path(__file__).resolve().parents[2]


def test_the_catalogue_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "rules_catalogue.py"), "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_rule_says_what_to_do_in_the_catalogue() -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert f"\n## {rule.code}\n" in page
        assert rule.hint, rule.code
        assert rule.hint in page
        assert rule.source in page
