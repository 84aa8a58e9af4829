"""The header before the official judge: the least and the most it can hold, on a letter (N3) and a report (N1)."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from cda_headers import MUTATIONS, device, foreign_birth, full_header, letter, report, snr
from cda_headers import issuer as issuer_of
from sunes_sdk.cda import read_header
from sunes_sdk.cda.envelope import clinical_document
from sunes_sdk.cda.header_writer import document_xml
from sunes_sdk.cda.oracle import Oracle
from sunes_sdk.cda.rules import RULES
from sunes_sdk.testing import samples

pytestmark = pytest.mark.kit

BARE = samples.patient(addresses=(), telecoms=(), used_name=None, used_given_name=None, birth_city=None)
HEADERS: dict[str, dict[str, Any]] = {
    "least": {"recipients": (), "patient": BARE, "stay": samples.stay(discharged_at=None)},
    "full": full_header(),
    "device": {"authors": (device(),)},
    "snr": {"authors": (snr(),), "legal_authenticator": snr()},
    "patient": {
        "authors": (samples.patient(),),
        "legal_authenticator": samples.patient(),
        "kept_by_dmp": True,
    },
    "abroad": {"patient": foreign_birth()},
}


@pytest.fixture(scope="session")
def oracle(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    return Oracle(kit, cache=tmp_path_factory.mktemp("kit"), terminologies=True)


@pytest.mark.parametrize("make", [letter, report], ids=["letter", "report"])
@pytest.mark.parametrize("name", HEADERS)
def test_the_kit_accepts_the_header(oracle: Oracle, make: Any, name: str) -> None:
    verdict = oracle.check(make(**HEADERS[name]).render(issuer_of()))
    assert verdict.ok, str(verdict)


def test_a_runner_that_is_not_ours_agrees_on_the_header(kit: Path, tmp_path: Path) -> None:
    runner = kit.parent / "tools" / "check_cda.py"
    if not runner.is_file():
        pytest.skip("no independent runner beside the kit")
    files = []
    for kind, make in (("letter", letter), ("report", report)):
        for name in ("least", "full"):
            file = tmp_path / f"{kind}-{name}.xml"
            file.write_bytes(make(**HEADERS[name]).render(issuer_of()).content)
            files.append(str(file))
    command = [sys.executable, str(runner), str(kit), "--cache", str(tmp_path / "cache"), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout, done.stdout


_NOT_KEPT = {"classCode", "determinerCode", "typeCode", "moodCode", "contextControlCode", "assigningAuthorityName"}
"""Attributes of fixed value, and a label of an identifier."""


def _said(document: bytes) -> Counter[str]:
    """Paths of the header's elements and attributes that say something, with how many times."""
    root = clinical_document(document)
    found: Counter[str] = Counter()
    for element in root.iter(etree.Element):
        steps = [str(e.tag).rpartition("}")[2] for e in (element, *element.iterancestors())]
        path = "/".join(reversed(steps)).rpartition("ClinicalDocument/")[2]
        if path.partition("/")[0] != "component" and element is not root and element.get("nullFlavor") is None:
            found[path] += 1
            found.update(f"{path}@{name}={value}" for name, value in element.items() if name not in _NOT_KEPT)
    return found


def test_official_headers_are_read_whole(kit: Path) -> None:
    """What our reader keeps of an official header, our writer says again: nothing is lost, nothing is added."""
    examples = sorted((kit / "ExemplesCDA").glob("*.xml"))
    assert examples
    for example in examples:
        data = example.read_bytes()
        header = read_header(data)
        again = document_xml(header, "<structuredBody></structuredBody>").encode()
        read_again = read_header(again)
        assert replace(read_again, body_media_type=header.body_media_type) == header, example.name
        before, after = _said(data), _said(again)
        assert not after - before, (example.name, after - before)
        assert not before - after, (example.name, before - after)


def test_our_rules_say_what_the_official_validator_lets_pass(oracle: Oracle) -> None:
    """Every mutation of the header: the kit refuses it, unless the rule is marked as one the kit is silent on."""
    source = Path(__file__).parents[1] / "unit" / "test_cda_rules.py"
    spec = importlib.util.spec_from_file_location("rules_of_cda", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    one_of_each = [m for m in module.MUTATIONS if m[0].startswith("CDA_H")]
    assert len(one_of_each) > 60
    texts = {m[1]: module.DOCUMENTS[m[1]]().content.decode() for m in (*one_of_each, *MUTATIONS)}
    silent = {r.code for r in RULES if r.kit_is_silent}
    wrong = []
    for code, document, pattern, replacement in (*one_of_each, *MUTATIONS):
        mutated, count = re.subn(pattern, replacement, texts[document], count=1, flags=re.DOTALL)
        assert count == 1, (code, pattern)
        if oracle.check(mutated.encode()).ok is not (code in silent):
            wrong.append((code, pattern, replacement))
    assert not wrong
