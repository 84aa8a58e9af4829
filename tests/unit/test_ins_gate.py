"""The one gate to an INS: who passes, what it says to the others, and that nothing of the library goes round it."""

from __future__ import annotations

import ast
import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import sunes_sdk
from sunes_sdk.cda import Issuer
from sunes_sdk.errors import InsError, ModelError
from sunes_sdk.ins import is_valid
from sunes_sdk.ins.cog import lookup
from sunes_sdk.model import (
    PUBLISHED_TEST_PEOPLE,
    Document,
    Environment,
    Identity,
    IdentityAttribute,
    IdentityStatus,
    Ins,
    InsOid,
    Target,
    expected_key,
)
from sunes_sdk.outbox.events import facts_of
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_insi import TEST_PEOPLE

NUMBER = f"1800175056123{expected_key('1800175056123')}"
ALLOWED = f"2800175056123{expected_key('2800175056123')}"
PUBLISHED = "277076322082910"
INS = {
    "test": Ins.of(NUMBER, InsOid.NIR_TEST),
    "demonstration": Ins.of(NUMBER, InsOid.NIR_DEMO),
    "NIR": Ins.of(NUMBER, InsOid.NIR),
    "NIA": Ins.of(NUMBER, InsOid.NIA),
    "published, real OID": Ins.of(PUBLISHED, InsOid.NIR),
    "published, test OID": Ins.of(PUBLISHED, InsOid.NIR_TEST),
    "allowed, real OID": Ins.of(ALLOWED, InsOid.NIR),
    "published and allowed, real OID": Ins.of("236066322083656", InsOid.NIA),
}
TEST_SETS = {"test", "demonstration", "published, test OID", "allowed, real OID", "published and allowed, real OID"}
PASSES = {Environment.FAKE: TEST_SETS, Environment.INTEGRATION: TEST_SETS, Environment.PRODUCTION: {"NIR", "NIA"}}
LIST = frozenset({ALLOWED, "236066322083656"})


def identity(status: IdentityStatus, ins: Ins) -> Identity:
    holds = status in (IdentityStatus.RECUPEREE, IdentityStatus.QUALIFIEE)
    return Identity(traits=samples.traits(), status=status, ins=ins if holds else None)


@pytest.mark.parametrize("which", INS)
@pytest.mark.parametrize("status", IdentityStatus)
def test_only_a_qualified_identity_of_the_environment_passes(status: IdentityStatus, which: str) -> None:
    who = identity(status, INS[which])
    document = dataclasses.replace(
        samples.discharge_letter().render(samples.issuer()), ins=who.ins, ins_status=who.status
    )  # fmt: skip
    gates: tuple[Identity | Document, ...] = (who, document)
    for target, environment, gate in itertools.product(Target, Environment, gates):
        code = (
            "INS_NOT_QUALIFIED" if status is not IdentityStatus.QUALIFIEE
            else "" if which in PASSES[environment]
            else "ENVIRONMENT_IDENTITY"
        )  # fmt: skip
        if not code:
            assert gate.for_transmission(target, environment, test_people=LIST) == INS[which]
            continue
        with pytest.raises(InsError) as caught:
            gate.for_transmission(target, environment, test_people=LIST)
        refused = caught.value
        assert refused.code == code
        assert refused.path
        assert refused.rule
        assert refused.hint
        assert refused.hint_fr
        for clear in (NUMBER, ALLOWED, PUBLISHED, "PAT-TROIS", "1979"):
            assert clear not in f"{refused}{refused.hint_fr}{refused.report}"


def test_a_copy_that_nobody_validated_does_not_pass() -> None:
    qualified = identity(IdentityStatus.QUALIFIEE, INS["test"])
    for attribute in (IdentityAttribute.DOUTEUSE, IdentityAttribute.FICTIVE):
        forged = qualified.model_copy(update={"attributes": frozenset({attribute})})
        with pytest.raises(InsError, match="INS_DOUBTFUL"):
            forged.for_transmission(Target.DMP, Environment.FAKE)
    homonym = qualified.marked(IdentityAttribute.HOMONYME)
    assert homonym.for_transmission(Target.DMP, Environment.FAKE) == INS["test"]
    recovered = identity(IdentityStatus.RECUPEREE, INS["test"])
    with pytest.raises(InsError, match="INS_NOT_QUALIFIED"):
        recovered.model_copy(update={"ins": None, "status": IdentityStatus.QUALIFIEE}).for_transmission(
            Target.DMP, Environment.FAKE
        )


def test_an_ins_from_its_text() -> None:
    assert Ins.of("2 79 03 51 215 189 89", InsOid.NIR_TEST) == samples.ins()
    for text, code in (("279035121518988", "INS_KEY"), ("2790351215189", "INS_KEY_MISSING"), ("12", "INS_FORMAT")):
        with pytest.raises(ModelError) as caught:
            Ins.of(text, InsOid.NIR)
        assert caught.value.code == code
        assert text not in str(caught.value)
    assert Ins.of("279035121518988", InsOid.NIR, certified=True).value == "279035121518988"


def test_a_document_cannot_be_made_qualified_without_ins() -> None:
    document = dataclasses.replace(samples.discharge_letter().render(samples.issuer()), ins=None)
    with pytest.raises(InsError, match="INS_NOT_QUALIFIED"):
        document.for_transmission(Target.DMP, Environment.FAKE)


def test_without_an_allow_list_no_real_oid_leaves_production() -> None:
    for which in ("allowed, real OID", "published, real OID"):
        with pytest.raises(InsError, match="ENVIRONMENT_IDENTITY"):
            identity(IdentityStatus.QUALIFIEE, INS[which]).for_transmission(Target.DMP, Environment.FAKE)


def test_the_error_says_where_it_was_going_and_names_the_derogation_where_there_is_one() -> None:
    hints, french = set(), set()
    for target in Target:
        with pytest.raises(InsError) as caught:
            identity(IdentityStatus.VALIDEE, INS["test"]).for_transmission(target, Environment.FAKE)
        assert "VALI" in caught.value.message
        assert ("without_ins=True" in caught.value.hint) == (target is Target.MSS_PROFESSIONAL)
        hints.add(caught.value.message)
        french.add(caught.value.hint_fr)
    assert len(hints) == len(french) == len(Target)


def test_published_people_are_known() -> None:
    assert all(len(n) == 15 and n.isascii() for n in PUBLISHED_TEST_PEOPLE)
    assert TEST_PEOPLE <= PUBLISHED_TEST_PEOPLE
    for number in filter(is_valid, PUBLISHED_TEST_PEOPLE):  # nobody alive: no such place, or too many births for it
        assert lookup(number[5:10]) is None or int(number[10:13]) > 100
    assert samples.ins().value in PUBLISHED_TEST_PEOPLE


def test_the_published_people_of_the_vectors_never_reach_production(vectors: Path) -> None:
    found = json.loads((vectors / "ins_matricules.json").read_text(encoding="utf-8"))
    published = {case["canonical"] for case in found["matricules"] if case["id"].startswith("OFF")}
    assert published
    plausible = {"277010115400329"}  # test data of one project; a living person may bear it
    assert published - PUBLISHED_TEST_PEOPLE == plausible


# --- documents -------------------------------------------------------------------------------------------------------


def test_a_document_takes_its_ins_from_the_gate() -> None:
    real = samples.patient(identity=identity(IdentityStatus.QUALIFIEE, INS["NIR"]))
    by_default = Issuer(oid_root=samples.DOCUMENT_ROOT)
    production = Issuer(oid_root=samples.DOCUMENT_ROOT, environment=Environment.PRODUCTION)
    allowing = Issuer(oid_root=samples.DOCUMENT_ROOT, test_people=frozenset({NUMBER}))
    assert by_default.environment is Environment.FAKE
    assert samples.discharge_letter(patient=real).render(production).ins == INS["NIR"]
    assert samples.discharge_letter(patient=real).render(allowing).ins == INS["NIR"]
    for issuer, patient in ((by_default, real), (production, samples.patient())):
        with pytest.raises(InsError, match="ENVIRONMENT_IDENTITY"):
            samples.discharge_letter(patient=patient).render(issuer)
        for place in ("authors", "informants"):
            with pytest.raises(InsError, match="ENVIRONMENT_IDENTITY"):
                samples.discharge_letter(
                    patient=samples.patient(identity=Identity(traits=samples.traits())), **{place: (patient,)}
                ).render(issuer)


def test_the_issuer_of_the_settings_has_their_environment() -> None:
    settings = samples.settings(environment=Environment.INTEGRATION, test_people=LIST)
    issuer = Issuer.from_settings(settings)
    assert (issuer.environment, issuer.test_people) == (Environment.INTEGRATION, LIST)
    assert ALLOWED not in repr(issuer)


# --- nothing goes round it -------------------------------------------------------------------------------------------

ROOT = Path(sunes_sdk.__file__).parent
NAMES = {"ins", "former_ins"}
READERS = {
    # The identity itself, its gate, and the document that holds what the gate gave.
    "model.identity": {
        "Identity._coherent",
        "Identity.for_transmission",
        "Identity.recovered",
        "Identity.validated",
        "Identity.invalidated",
        "Identity._all_former",
    },
    "model.document": {"Document.for_transmission"},
    "model.people": {"Patient.ins"},
    # What INSi answered (not an identity), and what is compared with it. Nothing is written.
    "ins.status": {"_recorded"},
    "ins.vigilance": {"propose", "_numbers"},
    "ins.duplicates": {"LocalRecord.of", "LocalRecord.numbers", "compare_records"},
    "ins.audit": {"IdentityAudit.event", "IdentityAudit.refused"},  # under a keyed reference only
    "ins.datamatrix": {"ScannedIdentity.confirmation"},
    # INSi is the authority that gave the number: it is asked whether it still holds.
    "insi.client": {"InsiClient.verify", "InsiClient._answer"},
    # The answer of INSi, shown to who asked.
    "cli.ins": {"_plain_answer"},
    # A model compared with another one, or with what can be read back. Nothing is written.
    "cda.documents._base": {"ClinicalDocument.revise"},
    "cda.reading.normal": {"_Normal._patient"},
    "hl7v2.pid": {"IdentityReader.read", "carried"},
    # Is it a test identity?
    "flows.stay": {"stay_events"},
    "outbox.events": {"facts_of"},
    # What was frozen when the delivery was prepared, through the gate.
    "dmp.client": {"DmpClient.send", "DmpClient.reconcile"},
    "dmp.life_cycle": {"LifeCycle.send", "LifeCycle.reconcile"},
    # The number of the sample person, whose fake DMP it opens.
    "cli.fakes": {"serve"},
}
"""Who may read an INS, and why. A new reader is added here with its reason, or goes through the gate."""


def reads(tree: ast.AST, scope: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
    """(function, line) for each reading of a name of NAMES: attribute, subscript, or text given to a call."""
    for node in ast.iter_child_nodes(tree):
        inner = (*scope, node.name) if isinstance(node, _SCOPES) else scope
        if (
            (isinstance(node, ast.Attribute) and node.attr in NAMES)
            or (isinstance(node, ast.Subscript) and _is_name(node.slice))
            or (isinstance(node, ast.Call) and _called(node) in _BY_TEXT and any(map(_is_name, node.args)))
        ):
            yield ".".join(scope), node.lineno
        yield from reads(node, inner)


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BY_TEXT = {"getattr", "attrgetter", "get", "pop", "__getattribute__"}


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in NAMES


def _called(node: ast.Call) -> str:
    function = node.func
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def test_no_other_code_reads_an_ins() -> None:
    found: dict[str, set[str]] = {}
    strangers = []
    for path in sorted(ROOT.rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if module.startswith("testing."):
            continue  # fakes stand for the peers
        for scope, line in reads(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault(module, set()).add(scope)
            if scope not in READERS.get(module, set()):
                strangers.append(f"{module}:{line} {scope}")
    assert not strangers, f"read an INS outside Identity.for_transmission: {strangers}"
    stale = {module: scopes - found.get(module, set()) for module, scopes in READERS.items()}
    assert not {m: s for m, s in stale.items() if s}, "readers that are none any more"


@pytest.mark.parametrize(
    "code", ["x.ins.value", "x.identity.ins", "getattr(x, 'ins')", "attrgetter('ins')(x)", "x.model_dump()['ins']",
             "vars(x).get('ins')", "x.former_ins[0]", "def f():\n  return [y.ins for y in x]"],
)  # fmt: skip
def test_the_walk_sees_every_way_to_read(code: str) -> None:
    assert list(reads(ast.parse(code)))


def test_usage_knows_a_test_person_whatever_the_oid() -> None:
    who = {which: identity(IdentityStatus.QUALIFIEE, ins) for which, ins in INS.items()}
    document = samples.discharge_letter().render(samples.issuer())
    told = {
        which: json.loads(facts_of(dataclasses.replace(document, ins=one.ins)))["test_identity"]
        for which, one in who.items()
    }
    assert told == {which: which not in ("NIR", "NIA", "allowed, real OID") for which in INS}
