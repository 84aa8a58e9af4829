#!/usr/bin/env python3
"""Writes docs/rules.md, the catalogue of the native rules.  rules_catalogue.py [--check]"""

from __future__ import annotations

import sys
from pathlib import Path

from sunes_sdk.cda.rules import RULES

TARGET = Path(__file__).resolve().parents[1] / "docs" / "rules.md"
HEAD = """# Native rules of CDA documents

What `sunes_sdk.cda.check` and `sunes cda check` look at: one rule, one code. Written by `scripts/rules_catalogue.py`
from the rules themselves.

An *error* makes the official validator or a receiver refuse the document, or breaks the text named as source; a
*warning* does not. No finding never means "conforming": the official validator (`--oracle`) sees other things.

"""


def catalogue() -> str:
    """The page. Rules stand in the order in which they are checked."""
    parts = [HEAD, "| Code | What must hold | Severity |\n|---|---|---|\n"]
    parts += [f"| [{r.code}](#{r.code.lower()}) | {_cell(r.text)} | {r.severity} |\n" for r in RULES]
    for r in RULES:
        parts.append(f"\n## {r.code}\n\n{r.text[0].upper()}{r.text[1:]}.\n\n")
        parts.append(f"- Severity: {r.severity}\n- Source: {r.source}\n- What to do: {r.hint}\n")
        if r.message_fr:
            parts.append(f"- Message : {r.message_fr}\n")
    return "".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    if "--check" in sys.argv[1:]:
        if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == catalogue():
            return 0
        print("docs/rules.md is out of date: run scripts/rules_catalogue.py")
        return 1
    TARGET.write_text(catalogue(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
