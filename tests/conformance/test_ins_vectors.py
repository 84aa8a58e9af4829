"""Every published matricule, trait, name and date vector, with the verdict that its authors gave by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stdnum.fr import nir

from sunes_sdk.errors import InsError, Severity
from sunes_sdk.ins import (
    Verdict,
    calendar_date,
    check_birth_name,
    check_given_name,
    check_matricule,
    check_traits,
    folded_date,
    is_valid,
    normalize_for_insi,
    recorded_date,
)
from sunes_sdk.ins.matricule import from_parts, parse
from sunes_sdk.model import Matricule, Sex, Traits, expected_key


@pytest.fixture(scope="module")
def data(vectors: Path) -> Any:
    return json.loads((vectors / "ins_matricules.json").read_text(encoding="utf-8"))


def codes(report: Any) -> list[str]:
    return [f.code.removeprefix("INS_") for f in report]


def test_every_matricule(data: Any) -> None:
    assert len(data["matricules"]) >= 98
    for v in data["matricules"]:
        report = check_matricule(v["input"], oid=v.get("oid"))
        assert codes(report) == v["issues"], v["id"]
        assert Verdict.of(report) == v["verdict"], v["id"]
        assert is_valid(v["input"]) == (v["verdict"] != "invalid"), v["id"]


def test_every_matricule_is_parsed_or_refused(data: Any) -> None:
    for v in data["matricules"]:
        if v["format_ok"]:
            assert parse(v["input"]) == v["canonical"], v["id"]
            assert parse(v["canonical"], strict=True) == from_parts(v["canonical"][:13], v["canonical"][13:])
        else:
            with pytest.raises(InsError) as caught:
                parse(v["input"])
            assert [caught.value.code.removeprefix("INS_")] == v["issues"], v["id"]


def test_a_certified_matricule_is_never_refused(data: Any) -> None:
    for v in data["matricules"]:
        report = check_matricule(v["input"], certified=True)
        assert codes(report) == v["issues"], v["id"]
        assert report.ok


def test_the_model_agrees_with_the_vectors_on_form_and_key(data: Any) -> None:
    for v in data["matricules"]:
        if v["format_ok"]:
            held = Matricule(value=v["input"], certified=True)
            assert held.value == v["canonical"]
            assert held.key_is_valid == v["key_ok"], v["id"]
        else:
            with pytest.raises(ValueError, match="INS_"):
                Matricule(value=v["input"], certified=True)


def test_keys_agree_with_python_stdnum(data: Any) -> None:
    for v in data["matricules"]:
        if v["format_ok"]:
            assert expected_key(v["canonical"][:13]) == nir.calc_check_digits(v["canonical"]), v["id"]
        if "python_stdnum_2_2" in v:  # the vector file describes this very stdnum
            assert nir.is_valid(v["input"]) == v["python_stdnum_2_2"], v["id"]


def test_every_consistency_case(data: Any) -> None:
    assert len(data["consistency"]) == 20
    for v in data["consistency"]:
        given = v["traits"]
        traits = Traits(
            birth_name="X",
            birth_given_names="X",
            first_given_name="X",
            birth_date=given["date_naissance"],
            sex=Sex(given["sexe"]),
            birth_place=given["lieu_naissance_cog"],
        )
        for former_places in ((), v.get("former_codes_of_birthplace", ())):  # the table knows them too
            report = check_traits(traits, v["matricule"], former_places=former_places)
            assert codes(report) == v["expected_warnings"], v["id"]
            assert all(f.severity is not Severity.ERROR for f in report)


def test_every_name(data: Any) -> None:
    assert len(data["names"]) == 28
    for v in data["names"]:
        if v["insi_form"] is None:
            with pytest.raises(InsError) as caught:
                normalize_for_insi(v["input"])
            assert v["input"].strip() == "" or v["input"] not in str(caught.value)
        else:
            assert normalize_for_insi(v["input"]) == v["insi_form"], v["id"]
        assert check_birth_name(v["input"]).ok == v["valid_birth_name"], v["id"]
        assert check_given_name(v["input"]).ok == v["valid_given_name"], v["id"]


def test_every_date(data: Any) -> None:
    assert len(data["birth_dates"]) + len(data["lunar_dates"]) == 11
    for v in data["birth_dates"]:
        recorded = recorded_date(v["year"], v["month"], v["day"])
        assert (recorded.value.isoformat(), recorded.estimated) == (v["rniv_date"], v["estimated"]), v["id"]
    for v in data["lunar_dates"]:
        assert (calendar_date(v["insi_value"]) is not None) == v["is_calendar_date"], v["id"]
    assert folded_date("1950-02-30").isoformat() == "1950-02-28"
    assert folded_date("1950-13-01").isoformat() == "1950-12-01"
    assert folded_date("1950-00-00").isoformat() == "1950-12-31"
