"""Profiles: what the shipped ones promise, and what a wrong one is told."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from sunes_sdk.errors import ConfigurationError
from sunes_sdk.usage import available_profiles, load_profile, read_profile

SEEDS = ("sunes.v1.d1", "sunes.v1.d2", "sunes.v1.d3", "sunes.v2.citoyen", "sunes.v2.pro", "sunes.v3.ins")


def content(name: str = "sunes.v1.d1") -> dict[str, Any]:
    text = (resources.files("sunes_sdk.usage") / "profiles" / f"{name}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def test_the_seeds_are_there() -> None:
    assert set(SEEDS) <= set(available_profiles())


@pytest.mark.parametrize("name", available_profiles())
def test_a_shipped_profile_guesses_no_threshold_and_names_its_assumptions(name: str) -> None:
    profile = load_profile(name)
    assert profile.profile_id == name
    assert profile.threshold is None or profile.threshold_source
    if name.startswith("sunes."):
        assert profile.threshold is None
        assert any(a.field == "threshold" for a in profile.assumptions)
    assert all(a.note.endswith(".") for a in profile.assumptions)


@pytest.mark.parametrize("name", available_profiles())
def test_the_hash_is_of_the_file(name: str) -> None:
    """Recomputed with json and hashlib alone, as an auditor would."""
    text = json.dumps(content(name), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert load_profile(name).hash == hashlib.sha256(text.encode()).hexdigest()


def test_any_change_changes_the_hash() -> None:
    changed = content()
    changed["period"]["grace_days"] = 1
    assert read_profile(json.dumps(changed)).hash != load_profile("sunes.v1.d1").hash


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("nothing", 1),
        ("population.nothing", 1),
        ("population.activities", ["MCO", "CHIRURGIE"]),
        ("population.exclude", ["BORING"]),
        ("threshold", "0.7"),  # without its source
        ("numerator.success", "MSS_RELAYED"),
        ("numerator.document_types", {"any_of": ["a"], "all_of": ["b"]}),
        ("numerator.document_types", {}),
        ("numerator.document_types", {"k_of": ["a", "b"], "k": 3}),
        ("numerator.document_types", {"any_of": ["a"], "k": 1}),
        ("numerator.dedup", "document_chain"),
        ("period.attribution", "document.produced_at"),
        ("period.grace_days", -1),
        ("profile_version", "1"),
        ("profile_id", "../etc"),
    ],
)
def test_a_wrong_profile_is_refused_with_its_place(place: str, value: object) -> None:
    wrong: Any = content()
    *parents, last = place.split(".")
    target = wrong
    for parent in parents:
        target = target[parent]
    target[last] = value
    with pytest.raises(ConfigurationError) as raised:
        read_profile(json.dumps(wrong))
    assert raised.value.code == "PROFILE_INVALID"
    assert raised.value.path.startswith("Profile")


@pytest.mark.parametrize("threshold", ["70", "0,7", "1.5", "-0.1", "70%", "1e-1", "nan", 0.7, {"num": 1, "den": 0}])
def test_a_threshold_is_an_exact_share(threshold: object) -> None:
    wrong = content() | {"threshold": threshold, "threshold_source": "x"}
    with pytest.raises(ConfigurationError):
        read_profile(json.dumps(wrong))


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "[" * 100_000])
def test_text_that_is_no_profile(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_profile(text)
    assert raised.value.code == "PROFILE_INVALID"


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps(content() | {"profile_id": "local.d1", "threshold": "0.7", "threshold_source": "ARS"}))
    assert load_profile(mine).profile_id == "local.d1"
    assert load_profile(str(mine)).share == load_profile(mine).share


@pytest.mark.parametrize("name", ["sunes.v9", "../../secrets", "nothing.json", ""])
def test_an_unknown_profile(name: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_profile(name)
    assert raised.value.code == "PROFILE_UNKNOWN"
