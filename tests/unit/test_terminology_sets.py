"""Value sets are whole and say where they come from; look-up says what is near."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files

import pytest

from sunes_sdk import terminology
from sunes_sdk.errors import ModelError

LOINC = "2.16.840.1.113883.6.1"
SETS = [n for n in terminology.names() if not n.startswith("ASS_")]


@pytest.mark.parametrize("name", terminology.names())
def test_each_table_is_the_one_that_was_hashed(name: str) -> None:
    stored = json.loads((files(terminology) / "data" / f"{name}.json").read_bytes())
    assert stored["name"] == name
    assert stored["source"]
    assert terminology.concepts_sha256(name) == stored["sha256"]


@pytest.mark.parametrize("name", SETS)
def test_each_set_holds_labelled_codes_of_named_systems(name: str) -> None:
    values = terminology.value_set(name)
    assert len(values) == len(values.concepts) > 0
    for concept in values.concepts:
        assert concept.code in values
        assert values.contains(concept.code, concept.system)
        assert values.lookup(concept.code, concept.system) == concept
        assert concept.system in ("URN", "ASTM") or concept.system[0] in "12"


def test_a_concept_has_its_official_label() -> None:
    found = terminology.code("JDV_J07", "11490-0")
    assert found.display == "Lettre de liaison à la sortie d'un établissement de soins"
    assert (found.system, found.system_name) == (LOINC, "LOINC")
    assert terminology.value_set("JDV_J07").version == "20240927120000"
    assert terminology.value_set("JDV_J07").oid == "1.2.250.1.213.1.1.5.471"


def test_lookup_answers_none_for_what_is_not_there() -> None:
    assert terminology.lookup("JDV_J07", "00000-0") is None
    assert terminology.lookup("JDV_J07", "11490-0", "9.9.9") is None


def test_a_code_of_two_systems_is_told_by_its_system() -> None:
    doctor = terminology.code("JDV_J65", "10", "1.2.250.1.71.1.2.7")
    assert doctor.display == "Médecin"
    assert terminology.lookup("JDV_J65", "10", "9.9.9") is None
    assert terminology.code("JDV_J65", "SM27").display == "Médecine interne (SM)"


@pytest.mark.parametrize(
    ("type_code", "class_code"),
    [("11490-0", "10"), ("57833-6", "42"), ("34874-8", "10"), ("11502-2", "10"), ("18748-4", "31"), ("DOCPAT02", "42")],
)
def test_the_class_follows_from_the_type(type_code: str, class_code: str) -> None:
    found = terminology.class_code(type_code)
    assert (found.code, found.system) == (class_code, "1.2.250.1.213.1.1.4.1")
    assert terminology.class_code(terminology.code("JDV_J07", type_code)) == found if type_code[0] != "D" else True


def test_every_type_has_a_class() -> None:
    """ASS_X04 has no row for the implant card: that of the DMP has."""
    for concept in terminology.value_set("JDV_J07").concepts:
        assert terminology.class_code(concept).display
    assert terminology.class_code("101881-1").code == "52"


def test_every_type_that_the_dmp_takes_has_a_class_that_it_takes() -> None:
    classes = terminology.value_set("JDV_J57")
    for concept in terminology.value_set("JDV_J66").concepts:
        assert terminology.class_code(concept).code in classes


def test_the_sets_of_the_dmp_beside_those_of_the_ci_sis() -> None:
    """Where the DMP takes less: no ESSMS as practice setting, neither SA66 nor SA67 as facility."""
    practice, facility = terminology.value_set("JDV_J62"), terminology.value_set("JDV_J61")
    assert {c.code for c in terminology.value_set("JDV_J04").concepts} - {c.code for c in practice.concepts} == {
        "ESSMS"
    }
    assert {c.code for c in terminology.value_set("JDV_J02").concepts} - {c.code for c in facility.concepts} == {
        "SA66",
        "SA67",
    }


@pytest.mark.parametrize(
    ("roots", "media_type", "expected"),
    [
        (["2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.29"], "", "urn:asip:ci-sis:ldl-ses:2017"),
        (["1.2.250.1.213.1.1.1.39"], "", "urn:ihe:pharm:pre:2010"),
        (["1.3.6.1.4.1.19376.1.3.3"], "", "urn:ihe:lab:xd-lab:2008"),
        (["1.2.250.1.213.1.1.1.45"], "", "urn:ihe:rad:CDA:ImagingReportStructuredHeadings:2013"),
        (["1.3.6.1.4.1.19376.1.2.20"], "application/pdf", "urn:ihe:iti:xds-sd:pdf:2008"),
        (["1.3.6.1.4.1.19376.1.2.20"], "image/tiff", "urn:ihe:iti-fr:xds-sd:tiff:2010"),
        (["1.2.3"], "", "urn:asipSante:modelesHorsProfils:2011"),
    ],
)
def test_the_format_follows_from_the_body(roots: list[str], media_type: str, expected: str) -> None:
    found = terminology.format_code(roots, media_type)
    assert found.code == expected
    french = expected.startswith(("urn:asip:", "urn:asipSante:", "urn:ans:"))
    assert found.system == ("1.2.250.1.213.1.1.4.2.282" if french else "1.3.6.1.4.1.19376.1.2.3")


def test_every_format_of_a_template_is_one_that_the_dmp_takes() -> None:
    for table in ("ASS_A11", "ASS_A12"):
        stored = json.loads((files(terminology) / "data" / f"{table}.json").read_bytes())
        assert {target for _, target in stored["pairs"]} <= {c.code for c in terminology.value_set("JDV_J60").concepts}


@pytest.mark.parametrize(
    ("set_name", "wrong", "near"),
    [
        ("JDV_J07", "11490-1", "11490-0"),
        ("JDV_J01", "Médecine interne", "G15_10/SM27"),
        ("JDV_J143", "W", "F (Féminin)"),
    ],
)
def test_an_unknown_code_names_near_ones(set_name: str, wrong: str, near: str) -> None:
    with pytest.raises(ModelError) as caught:
        terminology.code(set_name, wrong)
    assert caught.value.code == "TERMINOLOGY"
    assert caught.value.path == set_name
    assert near in caught.value.hint
    assert near in caught.value.hint_fr
    assert caught.value.rule


@pytest.mark.parametrize(
    "ask",
    [
        lambda: terminology.value_set("JDV_NONE"),
        lambda: terminology.value_set("../secrets"),
        lambda: terminology.value_set("ASS_X04"),
        lambda: terminology.class_code("nope"),
        lambda: terminology.format_code([], "video/mp4"),
    ],
)
def test_what_is_not_known_is_an_error(ask: Callable[[], object]) -> None:
    with pytest.raises(ModelError) as caught:
        ask()
    assert caught.value.code == "TERMINOLOGY"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("unit", "listed"),
    [
        ("m[IU]/L", True),
        ("mUI/L", False),
        ("g/L", True),
        ("{tbl}", True),
        ("", True),
        ("10*9/L", True),
        ("zz/L", False),
    ],
)
def test_units_are_those_of_the_official_list(unit: str, listed: bool) -> None:
    assert terminology.unit_is_listed(unit) is listed
