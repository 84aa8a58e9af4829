"""The states an identity passes through, and the comparisons that a human sees before."""

from __future__ import annotations

import itertools
from datetime import date

import pytest

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
    recorded_date,
    recover,
    unmark,
    validate,
)
from sunes_sdk.model import Identity, IdentityAttribute, IdentityStatus, Sex
from sunes_sdk.testing import samples as made

SEEN = Evidence(document=DocumentKind.PASSPORT, checked_by="agent-7", checked_on=date(2026, 1, 10))
FOUND = FoundIdentity(
    ins=made.ins(), birth_name="PAT-TROIS", first_given_name="DOMINIQUE", given_names="DOMINIQUE MARIE-LOUISE", sex="F",
    birth_date="1979-03-28", birth_place="51215",
)  # fmt: skip
PROV = Identity(traits=made.traits())
S = IdentityStatus


def test_the_two_axes() -> None:
    recovered = recover(PROV, FOUND)
    checked = validate(PROV, SEEN)
    assert (recovered.status, recovered.ins) == (S.RECUPEREE, made.ins())
    assert (checked.status, checked.ins) == (S.VALIDEE, None)
    assert validate(recovered, SEEN).status is S.QUALIFIEE
    assert recover(checked, FOUND).status is S.QUALIFIEE
    assert qualify(PROV, FOUND, evidence=SEEN).status is S.QUALIFIEE
    assert qualify(PROV, FOUND, evidence=None).status is S.RECUPEREE


def test_what_brings_an_identity_back() -> None:
    qualified = qualify(PROV, FOUND, evidence=SEEN)
    for attribute in (IdentityAttribute.DOUTEUSE, IdentityAttribute.FICTIVE):
        back = mark(qualified, attribute)
        assert (back.status, back.ins, back.attributes) == (S.PROVISOIRE, None, frozenset({attribute}))
        with pytest.raises(InsError, match="INS_CALL_FORBIDDEN"):
            recover(back, FOUND)
        with pytest.raises(InsError, match="INS_DOUBTFUL"):
            validate(back, SEEN)
        assert unmark(back, attribute).status is S.PROVISOIRE
    assert mark(qualified, IdentityAttribute.HOMONYME).is_qualified
    assert (invalidate(qualified, still_checked=True).status, invalidate(qualified, still_checked=True).ins) == (
        S.VALIDEE,
        None,
    )
    assert invalidate(qualified, still_checked=False).status is S.PROVISOIRE
    assert invalidate(recover(PROV, FOUND), still_checked=True).status is S.PROVISOIRE
    other = made.traits().model_copy(update={"birth_date": "1979-03-29"})
    assert (edit_traits(qualified, other, evidence=None).status, qualified.status) == (S.PROVISOIRE, S.QUALIFIEE)
    assert edit_traits(qualified, other, evidence=SEEN).status is S.VALIDEE
    assert edit_traits(qualified, made.traits(), evidence=None) == qualified


def test_every_combination_of_status_and_attributes() -> None:
    """The 32 states: an INS when recovered, PROV when doubtful or fictitious, FICT alone."""
    allowed = 0
    for status, flags in itertools.product(S, itertools.product((False, True), repeat=3)):
        attributes = frozenset(a for a, on in zip(IdentityAttribute, flags, strict=True) if on)
        blocked = attributes & {IdentityAttribute.DOUTEUSE, IdentityAttribute.FICTIVE}
        ins = made.ins() if status in (S.RECUPEREE, S.QUALIFIEE) else None
        right = (not blocked or status is S.PROVISOIRE) and (
            IdentityAttribute.FICTIVE not in attributes or len(attributes) == 1
        )
        try:
            Identity(traits=made.traits(), status=status, ins=ins, attributes=attributes)
        except ModelError:
            assert not right
        else:
            assert right
            allowed += 1
    assert allowed == 11


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
