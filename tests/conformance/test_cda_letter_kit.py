"""Both *lettres de liaison* before the official judge: the ANS kit, by our oracle and by a runner that is not ours."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import (
    Allergy,
    AllergyKind,
    AllergyStatus,
    CdaDocument,
    Certainty,
    Criticality,
    DocumentStatus,
    EntryMode,
    ExitMode,
    Issuer,
    NoAllergy,
    Priority,
    Problem,
    ProblemKind,
    ProblemStatus,
    Procedure,
    Reaction,
    Severity,
    Synthesis,
    check,
)
from sunes_sdk.cda.oracle import Oracle
from sunes_sdk.cda.reader import clinical_document
from sunes_sdk.cda.rules import RULES
from sunes_sdk.model import Identity, IdentityStatus
from sunes_sdk.testing import sample_letters as letters
from sunes_sdk.testing import samples

pytestmark = pytest.mark.kit


@pytest.fixture(scope="module")
def oracle(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    return Oracle(kit, cache=tmp_path_factory.mktemp("kit"), terminologies=True)


def issuer(seed: int = 1) -> Issuer:
    return Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(seed), clock=FixedClock(samples.WRITTEN))


def full_discharge() -> CdaDocument:
    return letters.discharge_letter().render(issuer())


def discharge_without_allergy() -> CdaDocument:
    return letters.discharge_letter(allergies=()).render(issuer())


def replacing_discharge() -> CdaDocument:
    return letters.discharge_letter().revise(full_discharge(), exam_results="Normaux").render(issuer(2))


def every_allergy_code() -> CdaDocument:
    """Each code of the value sets that an allergy uses; all over, so that the list is."""
    kinds = list(AllergyKind)
    found = tuple(
        Allergy(
            substance="Substance",
            kind=kind,
            since="2001",
            until="2002-03",
            status=list(AllergyStatus)[n % 3],
            criticality=list(Criticality)[n % 3],
            certainty=list(Certainty)[n % 3],
            severity=list(Severity)[n % 6],
            reactions=(Reaction(description="Réaction", kind=list(ProblemKind)[n % 7]),),
        )
        for n, kind in enumerate(kinds)
    )
    return letters.discharge_letter(allergies=found).render(issuer())


def every_priority() -> CdaDocument:
    plan = tuple(Procedure(name="Acte", priority=p) for p in Priority)
    return letters.discharge_letter(care_plan=plan, devices=letters.devices()[1:]).render(issuer())


def full_admission() -> CdaDocument:
    return letters.admission_letter().render(issuer())


def least_admission() -> CdaDocument:
    nobody = samples.patient(identity=Identity(traits=samples.traits(), status=IdentityStatus.PROVISOIRE))
    return letters.admission_letter(
        patient=nobody, treatments=(), allergies=(), medical_history=(), surgical_history=(),
        treating_physician=None, referrer=None, recipients=(), pdf_copy=None, written_at=None,
    ).render(issuer())  # fmt: skip


def every_problem_code() -> CdaDocument:
    problems = tuple(
        Problem(description="Problème", kind=list(ProblemKind)[n % 7], status=status, end="2020" if n % 2 else None)
        for n, status in enumerate([*ProblemStatus, None])
    )
    return letters.admission_letter(medical_history=problems).render(issuer())


def replacing_admission() -> CdaDocument:
    return letters.admission_letter().revise(full_admission(), reason="Pneumopathie").render(issuer(2))


DOCUMENTS: list[Callable[[], CdaDocument]] = [
    full_discharge,
    discharge_without_allergy,
    replacing_discharge,
    every_allergy_code,
    every_priority,
    full_admission,
    least_admission,
    every_problem_code,
    replacing_admission,
]


@pytest.mark.parametrize("make", DOCUMENTS, ids=[m.__name__ for m in DOCUMENTS])
def test_the_official_kit_accepts_what_we_render(make: Callable[[], CdaDocument], oracle: Oracle) -> None:
    document = make()
    report = oracle.check(document)
    assert report.ok, str(report)
    assert not check(document.content).findings, str(check(document.content))


@pytest.mark.parametrize("n", range(6))
def test_every_mode_and_status_is_accepted(n: int, oracle: Oracle) -> None:
    synthesis = Synthesis(
        entry_mode=list(EntryMode)[n % 4],
        exit_mode=list(ExitMode)[n],
        medical_summary="Évolution favorable",
        mdro_search=False,
        transfusion=False,
        blood_derivatives=False,
    )
    letter = samples.discharge_letter(synthesis=synthesis, status=list(DocumentStatus)[n % 4])
    report = oracle.check(letter.render(issuer()))
    assert report.ok, str(report)


@pytest.mark.parametrize("absent", NoAllergy)
def test_every_way_to_have_no_allergy_is_accepted(absent: NoAllergy, oracle: Oracle) -> None:
    document = letters.admission_letter(allergies=(), no_allergy=absent).render(issuer())
    report = oracle.check(document)
    assert report.ok, str(report)
    assert not check(document.content).findings


def test_the_volet_of_each_letter_is_the_one_that_judges(oracle: Oracle) -> None:
    assert oracle.volet_of(clinical_document(full_discharge().content)) == "CI-SIS_LDL-SES_2022.01"
    assert oracle.volet_of(clinical_document(full_admission().content)) == "CI-SIS_LDL-EES_2022.01"


@pytest.mark.parametrize(
    ("make", "pattern", "replacement", "profile"),
    [
        (full_discharge, r'code="416098002"', 'code="1"', "ModelesDeContenusCDA"),
        (full_discharge, r'(3\.41"></templateId>.*?)<originalText>.*?</originalText>', r"\1", "ModelesDeContenusCDA"),
        (full_discharge, r'<templateId root="1.2.250.1.213.1.1.3.20"></templateId>', "", "Modeles_ANS"),
        (full_discharge, r'<participant typeCode="DEV">', '<participant typeCode="CSM">', "Modeles_ANS"),
        (full_discharge, r'moodCode="ARQ"', 'moodCode="APT"', "IHE"),
        (full_discharge, r'moodCode="PRP"', 'moodCode="EVN"', "IHE"),
        (full_discharge, r'<templateId root="1.2.250.1.213.1.1.3.62"></templateId>', "", "ModelesDeContenusCDA"),
        (full_discharge, r'<code code="SEV"', '<code code="SEVERE"', "ModelesDeContenusCDA"),
        (full_discharge, r'<code code="82606-5"', '<code code="82606-6"', "ModelesDeContenusCDA"),
        (full_discharge, r'(<value code=)"active"', r'\1"on"', "ModelesDeContenusCDA"),
        (full_admission, r'19376\.1\.5\.3\.1\.3\.20"', '19376.1.5.3.1.3.99"', "CI-SIS_LDL-EES_2022.01"),
        (full_admission, r'(<serviceEvent><code code=)"IMP"', r'\1"AMB"', "CI-SIS_LDL-EES_2022.01"),
        (full_admission, r'4\.5\.1("></templateId><templateId root="[0-9.]*4\.5\.2")', r"4.5.9\1", "IHE"),
        (full_admission, r'code="282291009"', 'code="1"', "ModelesDeContenusCDA"),
        (full_admission, r'<templateId root="1.3.6.1.4.1.19376.1.5.3.1.3.11"></templateId>', "", "IHE"),
    ],
)  # fmt: skip
def test_the_kit_judges_the_new_parts(
    make: Callable[[], CdaDocument], pattern: str, replacement: str, profile: str, oracle: Oracle
) -> None:
    """What was built is under the official rules: a mutation of each part is refused by the profile that knows it."""
    text, count = re.subn(pattern, replacement, make().content.decode(), count=1, flags=re.DOTALL)
    assert count == 1
    codes = {f.code for f in oracle.check(text.encode()).errors}
    assert f"KIT_{profile}" in codes, codes


def test_our_rules_say_what_the_official_validator_lets_pass(oracle: Oracle) -> None:
    """The kit refuses the mutation of each rule of the letters, unless the rule is marked as one it is silent on."""
    source = Path(__file__).parents[1] / "unit" / "test_cda_rules.py"
    spec = importlib.util.spec_from_file_location("rules_of_letters", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    mutations = [m for m in module.MUTATIONS if re.match("CDA_[ACL][0-9]", m[0])]
    assert len(mutations) > 35
    texts = {name: module.DOCUMENTS[name]().content for name in {m[1] for m in mutations}}
    silent = {r.code for r in RULES if r.kit_is_silent}
    wrong = []
    for mutation in mutations:
        # Named, because a document without the templateId of its volet would not be judged by it.
        volet = "CI-SIS_LDL-EES_2022.01" if mutation[1] == "admission" else "CI-SIS_LDL-SES_2022.01"
        report = oracle.check(module.mutate(texts[mutation[1]], mutation), volet=volet)
        if report.ok is not (mutation[0] in silent):
            wrong.append((mutation[0], [f.code for f in report.errors]))
    assert not wrong


def test_a_runner_that_is_not_ours_agrees(kit: Path, tmp_path: Path) -> None:
    runner = kit.parent / "tools" / "check_cda.py"
    if not runner.is_file():
        pytest.skip("no independent runner beside the kit")
    for make in (full_discharge, full_admission):
        (tmp_path / f"{make.__name__}.xml").write_bytes(make().content)
    files = sorted(map(str, tmp_path.glob("*.xml")))
    command = [sys.executable, str(runner), str(kit), "--cache", str(tmp_path / "cache"), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASS") == 10, done.stdout
