"""The states an identity passes through, and the comparisons that a human sees before."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from datetime import date

import pytest

from sunes_sdk._core.findings import Finding, Report
from sunes_sdk.errors import InsError, ModelError
from sunes_sdk.ins import (
    DocumentKind,
    Evidence,
    FoundIdentity,
    check_birth_name,
    check_given_name,
    check_matricule,
    coherent,
    compare_traits,
    edit_traits,
    folded_date,
    invalidate,
    is_valid,
    mark,
    normalize_for_insi,
    qualify,
    qualify_by_vitale_app,
    recorded_date,
    recover,
    unmark,
    validate,
)
from sunes_sdk.model import Identity, IdentityAttribute, IdentityStatus, Ins, InsOid, Sex
from sunes_sdk.testing import samples as made

SEEN = Evidence(document=DocumentKind.PASSPORT, checked_by="agent-7", checked_on=date(2026, 1, 10))
FOUND = FoundIdentity(
    ins=made.ins(), birth_name="PAT-TROIS", first_given_name="DOMINIQUE", given_names="DOMINIQUE MARIE-LOUISE", sex="F",
    birth_date="1979-03-28", birth_place="51215",
)  # fmt: skip
PROV = Identity(traits=made.traits())
S = IdentityStatus


# --- the table of the RNIV: which states exist, and what leads from one to another -----------------------------------

A = IdentityAttribute
NONE, HOMA, DOUT, FICT = frozenset[A](), frozenset({A.HOMONYME}), frozenset({A.DOUTEUSE}), frozenset({A.FICTIVE})
STATES = {
    (S.PROVISOIRE, False): {NONE, HOMA, DOUT, FICT, DOUT | HOMA},
    (S.RECUPEREE, True): {NONE, HOMA},
    (S.VALIDEE, False): {NONE, HOMA},
    (S.QUALIFIEE, True): {NONE, HOMA},
}
"""Status and whether there is an INS: the attributes that may go with them. Nothing else exists."""
EVERY = [
    (status, frozenset(a for a, on in zip(A, flags, strict=True) if on), has_ins)
    for status, flags, has_ins in itertools.product(S, itertools.product((False, True), repeat=3), (False, True))
]
EXISTING = [state for state in EVERY if state[1] in STATES.get((state[0], state[2]), ())]


def state(status: S, attributes: frozenset[A], has_ins: bool) -> Identity:
    return Identity(
        traits=made.traits(), status=status, attributes=attributes, ins=made.ins() if has_ins else None
    )  # fmt: skip


def name(case: tuple[S, frozenset[A], bool]) -> str:
    return "+".join([case[0].value, *sorted(case[1]), "INS" if case[2] else "none"])


@pytest.mark.parametrize("case", EVERY, ids=name)
def test_a_state_that_the_rules_forbid_cannot_be_built(case: tuple[S, frozenset[A], bool]) -> None:
    if case in EXISTING:
        assert state(*case).status is case[0]
    else:
        with pytest.raises(ModelError) as caught:
            state(*case)
        assert caught.value.code in ("INS_MISSING", "INS_UNEXPECTED", "INS_DOUBTFUL", "INS_ATTRIBUTES")


def test_the_space_is_whole() -> None:
    assert (len(EVERY), len(set(EVERY)), len(EXISTING)) == (64, 64, 11)


OTHER_DAY = made.traits().model_copy(update={"birth_date": "1979-03-29"})
DIFFERS = dataclasses.replace(FOUND, birth_date="1979-03-29")
ACTS: dict[str, Callable[[Identity], Identity]] = {
    "INSi, traits agree": lambda i: recover(i, FOUND),
    "INSi, a trait differs": lambda i: recover(i, DIFFERS),
    "INSi, the difference accepted": lambda i: recover(i, DIFFERS, accepted_differences={"INS_DIFF_BIRTH_DATE"}),
    "document": lambda i: i.validated(SEEN),
    "document not accepted here": lambda i: i.validated(SEEN, accepted={DocumentKind.IDENTITY_CARD}),
    "INSi and document": lambda i: qualify(i, FOUND, evidence=SEEN),
    "application carte Vitale": lambda i: qualify_by_vitale_app(
        i, FOUND, checked_by="agent-7", checked_on=date(2026, 1, 10)
    ),
    "verification KO": lambda i: i.invalidated(still_checked=False),
    "verification KO, document still good": lambda i: i.invalidated(still_checked=True),
    "traits edited": lambda i: i.edited(OTHER_DAY, evidence=None),
    "traits edited with document": lambda i: i.edited(OTHER_DAY, evidence=SEEN),
    "traits the same": lambda i: i.edited(made.traits(), evidence=None),
    **{f"{a.value} set": lambda i, a=a: i.marked(a) for a in A},  # type: ignore[misc]  # the usual way to bind it now
    **{f"{a.value} removed": lambda i, a=a: i.unmarked(a) for a in A},  # type: ignore[misc]  # as above
}
P, R, V, Q = S.PROVISOIRE, S.RECUPEREE, S.VALIDEE, S.QUALIFIEE
# act: from PROV, RECUP, VALI, QUAL, and from a doubtful or fictitious PROV: a status, or the code of the refusal.
TABLE: dict[str, tuple[S | str, S | str, S | str, S | str, S | str]] = {
    "INSi, traits agree": (R, R, Q, Q, "INS_CALL_FORBIDDEN"),
    "INSi, a trait differs": (*["INS_TRAITS_DIFFER"] * 4, "INS_CALL_FORBIDDEN"),  # type: ignore[dict-item]  # five outcomes
    "INSi, the difference accepted": (R, R, Q, Q, "INS_CALL_FORBIDDEN"),
    "document": (V, Q, V, Q, "INS_DOUBTFUL"),
    "document not accepted here": (*["INS_EVIDENCE"] * 4, "INS_EVIDENCE"),  # type: ignore[dict-item]  # five outcomes
    "INSi and document": (Q, Q, Q, Q, "INS_CALL_FORBIDDEN"),
    "application carte Vitale": (Q, Q, Q, Q, "INS_DOUBTFUL"),
    "verification KO": ("INS_NONE", P, "INS_NONE", P, "INS_NONE"),
    "verification KO, document still good": ("INS_NONE", P, "INS_NONE", V, "INS_NONE"),
    "traits edited": (P, P, P, P, P),
    "traits edited with document": (V, V, V, V, "INS_DOUBTFUL"),
    "traits the same": (P, R, V, Q, P),
    "DOUT set": (P, P, P, P, P),
    "FICT set": (P, P, P, P, P),
    "HOMA set": (P, R, V, Q, P),
    "DOUT removed": (P, R, V, Q, P),
    "FICT removed": (P, R, V, Q, P),
    "HOMA removed": (P, R, V, Q, P),
}


def attributes_after(act: str, before: frozenset[A]) -> frozenset[A] | str:
    which, _, verb = act.partition(" ")
    if verb == "removed":
        return before - {A(which)}
    if act == "FICT set":
        return FICT
    if act == "DOUT set":
        return (before - FICT) | DOUT
    if act == "HOMA set":
        return "INS_ATTRIBUTES" if A.FICTIVE in before else before | HOMA
    return before


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("case", EXISTING, ids=name)
def test_every_transition_of_every_state(case: tuple[S, frozenset[A], bool], act: str) -> None:
    before = state(*case)
    column = 4 if case[1] & (DOUT | FICT) else [P, R, V, Q].index(case[0])
    status, attributes = TABLE[act][column], attributes_after(act, case[1])
    refusal = next((x for x in (status, attributes) if isinstance(x, str) and not isinstance(x, S)), None)
    if refusal:
        with pytest.raises(InsError) as caught:
            ACTS[act](before)
        assert caught.value.code == refusal
        assert caught.value.rule
        assert caught.value.hint
        assert caught.value.hint_fr
        assert made.ins().value not in str(caught.value)
    else:
        after = ACTS[act](before)
        assert (after.status, after.attributes) == (status, attributes)
        assert after.ins == (made.ins() if status in (R, Q) else None)
        lost = before.ins is not None and after.ins is None
        assert after.former_ins == ((made.ins(),) if lost else ())
    assert before == state(*case)  # the former identity is untouched


def test_functions_and_methods_are_one() -> None:
    assert (validate, invalidate, edit_traits, mark, unmark) == (
        Identity.validated, Identity.invalidated, Identity.edited, Identity.marked, Identity.unmarked,
    )  # fmt: skip


# --- history ---------------------------------------------------------------------------------------------------------

NIR = Ins.of("109076322083489", InsOid.NIR)
OLD = Ins.of("209076322083439", InsOid.NIR)
OLDER = Ins.of("209066322012355", InsOid.NIR)
NIA = Ins.of("109076322083489", InsOid.NIA)


def found(ins: Ins, *history: Ins) -> FoundIdentity:
    return dataclasses.replace(FOUND, ins=ins, history=history)


def test_former_numbers_are_kept() -> None:
    first = recover(PROV, found(OLD, OLDER, OLD))  # INSi may list the active number among the former ones
    assert (first.ins, first.former_ins) == (OLD, (OLDER,))
    changed = recover(first, found(NIR, OLD))
    assert (changed.ins, changed.former_ins) == (NIR, (OLDER, OLD))
    dropped = changed.marked(A.DOUTEUSE)
    assert (dropped.ins, dropped.former_ins) == (None, (OLDER, OLD, NIR))
    again = recover(dropped.unmarked(A.DOUTEUSE), found(NIR))
    assert (again.ins, again.former_ins) == (NIR, (OLDER, OLD))


def test_a_waiting_number_becomes_a_nir() -> None:
    waiting = qualify(PROV, found(NIA), evidence=SEEN)
    certified = recover(waiting, found(NIR))
    assert (certified.status, certified.ins, certified.former_ins) == (S.QUALIFIEE, NIR, (NIA,))
    with pytest.raises(InsError, match="INS_OTHER_MATRICULE"):
        recover(certified, dataclasses.replace(FOUND, ins=NIA))


def test_another_number_is_not_taken_without_a_link() -> None:
    held = recover(PROV, found(OLD))
    for act in (recover, lambda i, f: qualify_by_vitale_app(i, f, checked_by="a", checked_on=date(2026, 1, 1))):
        with pytest.raises(InsError) as caught:
            act(held, found(NIR))
        assert caught.value.code == "INS_OTHER_MATRICULE"
        assert NIR.value not in str(caught.value)
        assert OLD.value not in str(caught.value)
    assert recover(held.invalidated(still_checked=False), found(NIR)).former_ins == (OLD,)


def test_the_ins_held_is_no_former_one() -> None:
    with pytest.raises(ModelError, match="INS_FORMER"):
        Identity(traits=made.traits(), status=S.QUALIFIEE, ins=NIR, former_ins=(OLD, NIR))
    assert NIR.value not in repr(recover(PROV, found(NIR, OLD)))
    assert OLD.value not in repr(recover(PROV, found(NIR, OLD)))


def test_a_found_error_is_never_accepted_by_silence() -> None:
    """`recovered` asks for the comparison, and refuses its errors as it refuses its warnings."""
    with pytest.raises(TypeError, match="differences"):
        PROV.recovered(NIR, made.traits())  # type: ignore[call-arg]  # what a careless caller writes
    error = Report((Finding(code="INS_DIFF_X", message="x", path="traits"),))
    with pytest.raises(InsError, match="INS_TRAITS_DIFFER"):
        PROV.recovered(NIR, made.traits(), differences=error)


def test_evidence_is_somebodys_and_of_an_accepted_kind() -> None:
    with pytest.raises(InsError, match="INS_EVIDENCE"):
        Evidence(document=DocumentKind.PASSPORT, checked_by=" ", checked_on=date(2026, 1, 1))
    with pytest.raises(InsError, match="INS_EVIDENCE"):
        validate(PROV, SEEN, accepted={DocumentKind.IDENTITY_CARD})
    assert "agent-7" not in repr(SEEN)


def codes(first: dict[str, object], second: dict[str, object]) -> list[tuple[str, str]]:
    local, found = (made.traits().model_copy(update=u) for u in (first, second))
    return [(f.code, f.severity.value) for f in compare_traits(local, found)]


def test_comparison_of_traits() -> None:
    assert codes({}, {}) == []
    assert codes({"birth_name": "Pat Trois"}, {}) == [("INS_DIFF_SPELLING", "info")]
    assert codes({"birth_name": "DUPONT"}, {}) == [("INS_DIFF_BIRTH_NAME", "warning")]
    assert codes({"birth_given_names": "DOMINIQUE"}, {}) == [("INS_DIFF_SHORT_LIST", "info")]
    assert codes({"birth_given_names": "DOMINIQUE ANNE"}, {}) == [("INS_DIFF_GIVEN_NAMES", "warning")]
    assert codes({"birth_given_names": "Dominique Marie Louise"}, {}) == [("INS_DIFF_SPELLING", "info")]
    assert codes({"sex": Sex.MALE}, {}) == [("INS_DIFF_SEX", "warning")]
    assert codes({"birth_place": "99999"}, {}) == [("INS_PLACE_UNKNOWN", "info")]
    assert codes({"birth_place": "75056"}, {"birth_place": "75115"}) == [("INS_PLACE_EQUIVALENT", "info")]
    assert codes({"birth_place": "63220"}, {}) == [("INS_DIFF_BIRTH_PLACE", "warning")]
    assert codes({"birth_date": "1979-03-29"}, {}) == [("INS_DIFF_BIRTH_DATE", "warning")]


def test_the_traits_recorded_are_those_of_insi() -> None:
    local = made.traits().model_copy(update={"birth_given_names": "DOMINIQUE", "birth_place": "99999"})
    recorded = recover(Identity(traits=local), FOUND).traits
    assert recorded == made.traits()
    bare = FoundIdentity(ins=made.ins())
    assert bare.traits(local) == local
    uncut = FoundIdentity(ins=made.ins(), given_names="JEAN CHRISTOPHE PIERRE")
    with pytest.raises(ModelError, match="INS_FIRST_GIVEN_NAME"):
        uncut.traits(local)
    assert uncut.traits(local, first_given_name="JEAN-CHRISTOPHE").first_given_name == "JEAN-CHRISTOPHE"


@pytest.mark.parametrize(
    ("first", "right"),
    [
        ("JEAN", True), ("JEAN CHRISTOPHE", True), ("JEAN-CHRISTOPHE", True), ("JEAN-CHRISTOPHE-PIERRE", True),
        ("JEAN CHRISTOPHE-PIERRE", True), ("Jean‑Christophe", True), ("CHRISTOPHE", False), ("PIERRE", False),
        ("JEA", False), ("", False),
    ],
)  # fmt: skip
def test_first_given_name_starts_the_list(first: str, right: bool) -> None:
    assert coherent(first, "JEAN CHRISTOPHE PIERRE") is right


@pytest.mark.parametrize("name", ["O´BRIEN", "DUPONT™", "MARTIN²", "ⅧE", "A\u200bB", "שלום", "A\tB", "A\nB", "😀"])
def test_nothing_is_deleted_silently(name: str) -> None:
    with pytest.raises(InsError, match="INS_NAME_CHARSET") as caught:
        normalize_for_insi(name)
    assert name not in str(caught.value)
    assert not check_birth_name(name).ok


def test_length_limits() -> None:
    assert check_birth_name("A" * 80).ok
    assert [f.code for f in check_birth_name("A" * 81)] == ["INS_NAME_LENGTH"]
    assert check_given_name("A" * 61).ok
    assert [f.code for f in check_given_name("A" * 62)] == ["INS_NAME_LENGTH"]


def test_dates_that_are_none() -> None:
    for text in ("1950-1-1", "0000-01-01", "1950/01/01", ""):
        with pytest.raises(InsError, match="INS_BIRTH_DATE"):
            folded_date(text)
    with pytest.raises(InsError, match="INS_BIRTH_DATE"):
        recorded_date(1950, 2, 30)


def test_matricule_findings_say_what_to_do_and_hide_the_number() -> None:
    report = check_matricule("279035121518988")
    assert [f.code for f in report] == ["INS_KEY_MISMATCH"]
    assert all(f.hint and f.message_fr and f.rule and f.source for f in report)
    assert "27903" not in str(report)
    assert not is_valid("279035121518988")
    assert is_valid("2 79 03 51 215 189 89")
