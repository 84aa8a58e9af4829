"""Places of birth: the shipped table, what became of communes, and codes that it does not know."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
from datetime import date
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import pytest

from sunes_sdk.errors import Severity
from sunes_sdk.ins import Verdict, check_birth_place
from sunes_sdk.ins.cog import lookup, same_place
from sunes_sdk.terminology.places import PlaceKind, places, places_sha256


def codes(code: str, born: date | None = None) -> list[str]:
    return [f.code for f in check_birth_place(code, born=born)]


def test_the_table_says_where_it_comes_from_and_is_what_was_made() -> None:
    table = places()
    assert table.version == "2026"
    assert "INSEE" in table.source
    assert "Licence Ouverte" in table.licence
    assert places_sha256() == table.sha256
    held = json.loads((files("sunes_sdk.terminology") / "data" / "places" / "COG.json").read_bytes())
    rows = json.dumps(held["places"], ensure_ascii=False, separators=(",", ":")).encode()
    assert hashlib.sha256(rows).hexdigest() == held["sha256"]
    assert all(len(digest) == 64 for digest in held["archives"].values())


def test_the_table_counts_what_insee_counts() -> None:
    """34 875 communes and 45 districts on 2025-01-01 and 2026-01-01 (INSEE); the table adds the collectivities."""
    table = places()
    kinds = [(code, place.kind) for code in table._rows if (place := table.lookup(code))]
    communes = [c for c, kind in kinds if kind is PlaceKind.COMMUNE and not c.startswith(("975", "977", "978", "98"))]
    assert len(communes) == 34_875
    assert sum(kind is PlaceKind.DISTRICT for _, kind in kinds) == 45
    assert sum(kind is PlaceKind.COUNTRY for _, kind in kinds) > 200
    assert len(table) == len(kinds)


def test_every_place_of_the_past_leads_to_one_of_today_or_to_nothing() -> None:
    table = places()
    for code in table._rows:
        lineage = table.lineage(code)
        assert 1 <= len(lineage) <= 4
        last = table.lookup(lineage[-1])
        assert last is not None
        assert last.kind in (PlaceKind.COMMUNE, PlaceKind.COUNTRY) or len(lineage) == 1


@pytest.mark.parametrize(
    ("code", "label", "kind", "part_of"),
    [
        ("74010", "Annecy", PlaceKind.COMMUNE, None),
        ("74093", "Cran-Gevrier", PlaceKind.DELEGATED, "74010"),
        ("75115", "Paris 15e Arrondissement", PlaceKind.DISTRICT, "75056"),
        ("20004", "Ajaccio", PlaceKind.FORMER, "2A004"),
        ("75002", "Antony", PlaceKind.FORMER, "92002"),
        ("97801", "Saint-Martin", PlaceKind.COMMUNE, None),
        ("98818", "Nouméa", PlaceKind.COMMUNE, None),
        ("99109", "ALLEMAGNE", PlaceKind.COUNTRY, None),
        ("99115", "TCHECOSLOVAQUIE", PlaceKind.COUNTRY, None),
    ],
)
def test_places_that_everybody_knows(code: str, label: str, kind: PlaceKind, part_of: str | None) -> None:
    place = lookup(code)
    assert place is not None
    assert (place.label, place.kind, place.part_of) == (label, kind, part_of)
    assert codes(code) == []


def test_a_code_out_of_use_on_a_day() -> None:
    assert lookup("20004", date(1960, 1, 1)) is not None
    assert lookup("20004", date(1990, 1, 1)) is None
    assert codes("20004", date(1960, 1, 1)) == []
    assert codes("20004", date(1990, 1, 1)) == ["INS_COG_FORMER"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("63113", "63113"),
        ("74093", "74010"),
        ("75115", "75056"),
        ("13208", "13055"),
        ("69383", "69123"),
        ("20004", "2A004"),
        ("75002", "92002"),
        ("97127", "97801"),
        ("98511", "97611"),
        ("00000", "00000"),
    ],
)
def test_one_place_under_two_codes(one: str, other: str) -> None:
    assert same_place(one, other)
    assert same_place(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("75115", "75116"), ("74093", "74011"), ("75115", "69383"), ("63113", "63220"), ("", "63113"), ("2A004", "2B004")],
)
def test_two_places(one: str, other: str) -> None:
    assert not same_place(one, other)
    assert not same_place(other, one)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("2A020", ["INS_COG_UNKNOWN"]),
        ("63000", ["INS_COG_UNKNOWN"]),
        ("99998", ["INS_COG_UNKNOWN"]),
        ("99100", ["INS_COG_FRANCE"]),
        ("99999", ["INS_PLACE_UNKNOWN"]),
        ("63990", ["INS_PLACE_UNKNOWN"]),
        ("97127", []),
        ("98511", []),
    ],
)
def test_what_the_table_does_not_know_is_never_an_error(code: str, expected: list[str]) -> None:
    assert codes(code) == expected
    assert check_birth_place(code).ok


@pytest.mark.parametrize(
    "code", ["", "6311", "631130", "2C004", "A2004", "6311٣", "６３１１３", "63 113", "63113\n", "x" * 9**6]
)
def test_only_the_form_is_an_error(code: str) -> None:
    report = check_birth_place(code)
    assert [f.code for f in report] == ["INS_COG_FORMAT"]
    assert Verdict.of(report) is Verdict.INVALID


def test_findings_speak_both_languages() -> None:
    for code in ("", "63000", "99100", "99999"):
        (finding,) = check_birth_place(code)
        assert finding.message_fr
        assert finding.hint
        assert finding.rule
        assert finding.severity is not Severity.ERROR or not code


def test_the_table_is_not_read_on_import_nor_for_a_matricule() -> None:
    program = (
        "from sunes_sdk.ins import check_matricule, is_valid\n"
        "from sunes_sdk.terminology.places import places\n"
        "is_valid('279035121518989'); check_matricule('279035121518980')\n"
        "assert places.cache_info().currsize == 0"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.fixture(scope="module")
def make_cog() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "scripts" / "make_cog.py"
    spec = importlib.util.spec_from_file_location("make_cog", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(code: str, kind: str = "commune-actuelle", **more: object) -> dict[str, object]:
    return {"code": code, "nom": f"N{code}", "type": kind, **more}


def test_the_table_is_made_of_what_the_vintages_say(make_cog: ModuleType) -> None:
    first = [row("20004", "ancien-code", nouveauCode="2A004"), row("75002", "ancien-code", nouveauCode="92002")]
    first += [row("91221", "commune-absorbee", communeAbsorbante="91174"), row("51001", "commune-perimee")]
    first += [row("2A004"), row("92002"), row("91174"), row("74010"), row("74093"), row("75056")]
    middle = [row("2A004"), row("92002"), row("91174"), row("74010"), row("74093"), row("75056")]
    last = [row("2A004", anciensCodes=["20004"]), row("92002"), row("91174"), row("75056")]
    last += [row("74010"), row("74010", "commune-deleguee", chefLieu="74010")]
    last += [row("74093", "commune-deleguee", chefLieu="74010")]
    last += [row("75101", "arrondissement-municipal", commune="75056")]
    assert make_cog.territory({2019: first, 2021: middle, 2022: last}) == {
        "2A004": ("N2A004", "", "", ""),
        "92002": ("N92002", "", "", ""),
        "91174": ("N91174", "", "", ""),
        "74010": ("N74010", "", "", ""),
        "75056": ("N75056", "", "", ""),
        "74093": ("N74093", "delegated", "2021", "74010"),
        "75101": ("N75101", "district", "", "75056"),
        "20004": ("N20004", "former", "1975", "2A004"),
        "75002": ("N75002", "former", "1967", "92002"),
        "91221": ("N91221", "former", "", "91174"),
        "51001": ("N51001", "former", "", ""),
    }


def test_a_place_that_leads_nowhere_stops_the_making(make_cog: ModuleType) -> None:
    with pytest.raises(SystemExit, match="01001"):
        make_cog.territory({2019: [row("01001", "ancien-code", nouveauCode="01999")], 2021: [row("01002")]})
