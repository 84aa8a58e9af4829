"""Answers of the fake INSi, judged by the schemas of the contract, which may not be given away with this project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lxml import etree

from sunes_sdk._core.xml import parse
from sunes_sdk.testing import insi_answers
from sunes_sdk.testing.fake_insi import FAULTS, PUBLISHED, AnswerShape, generated_people


@pytest.fixture(scope="module")
def folder() -> Path:
    named = os.environ.get("SUNES_INSI_SCHEMAS", "")
    if not named or not Path(named).is_dir():
        pytest.skip("SUNES_INSI_SCHEMAS does not name a folder with the schemas of DESIR_ICIR_EXP 1.5.0")
    return Path(named)


def schema(folder: Path, name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(next(folder.rglob(name))))


def element(answer: bytes, name: str) -> etree._Element:
    return parse(etree.tostring(next(parse(answer).iter(name))))


def test_answers_are_valid(folder: Path) -> None:
    judge = schema(folder, "INSi_RESULTAT_INS.xsd")
    for number, person in enumerate((*PUBLISHED, *generated_people(500, seed=1, unusual=0.7))):
        answer = insi_answers.result(AnswerShape(prefix=None), number, "00", person)
        judge.assertValid(element(answer, "{http://www.cnamts.fr/INSiResultat}RESULTAT"))
    for code in ("01", "02"):
        answer = insi_answers.result(AnswerShape(), 0, code, None)
        judge.assertValid(element(answer, "{http://www.cnamts.fr/INSiResultat}RESULTAT"))


def test_only_the_severity_that_was_seen_breaks_the_schema_of_faults(folder: Path) -> None:
    """`fatal` is what the service was seen to write, where its schema has `fatale`."""
    judge = schema(folder, "schema_faultSOAP_V01_01.xsd")
    valid = {
        code: judge.validate(element(insi_answers.fault(AnswerShape(), 0, code, text, "uuid:1"), "{urn:siram}Erreur"))
        for code, (_, _, text) in FAULTS.items()
        if code != "siram_40"  # it comes without that element
    }
    assert valid == {"insi_102": False, "insi_24": True, "desir_550": True, "desir_560": True}
