"""Whatever happens to an identity, in whatever order: it stays in the table, loses no number, and the gate opens to a
qualified one only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunes_sdk.errors import InsError
from sunes_sdk.ins import FoundIdentity, qualify, qualify_by_vitale_app, recover
from sunes_sdk.model import (
    DocumentKind,
    Environment,
    Evidence,
    Identity,
    IdentityAttribute,
    IdentityStatus,
    Ins,
    InsOid,
    Target,
)
from sunes_sdk.testing import samples

NUMBERS = ("109076322083489", "209076322083439", "209066322012355")
ALL = [Ins.of(number, oid) for number in NUMBERS for oid in (InsOid.NIA, InsOid.NIR)]
DAY = date(2026, 1, 10)
SEEN = Evidence(document=DocumentKind.PASSPORT, checked_by="agent-7", checked_on=DAY)
TRAITS = [samples.traits().model_copy(update={"birth_date": f"1979-03-{day}"}) for day in (28, 29)]
DIFFERENCES = st.sampled_from([(), ("INS_DIFF_BIRTH_DATE",)])

found = st.builds(
    lambda ins, history, day: FoundIdentity(
        ins=ins, birth_name="PAT-TROIS", given_names="DOMINIQUE MARIE-LOUISE", sex="F", birth_place="51215",
        birth_date=f"1979-03-{day}", history=tuple(history),
    ),
    st.sampled_from(ALL), st.lists(st.sampled_from(ALL), max_size=4), st.sampled_from([28, 29]),
)  # fmt: skip
Act = Callable[[Identity], Identity]
acts: st.SearchStrategy[Act] = st.one_of(
    st.builds(lambda f, d: lambda i: recover(i, f, accepted_differences=d), found, DIFFERENCES),
    st.builds(lambda f, d: lambda i: qualify(i, f, evidence=SEEN, accepted_differences=d), found, DIFFERENCES),
    st.builds(
        lambda f, d: lambda i: qualify_by_vitale_app(
            i, f, checked_by="agent-7", checked_on=DAY, accepted_differences=d
        ),
        found, DIFFERENCES,
    ),
    st.just(lambda i: i.validated(SEEN)),
    st.builds(lambda still: lambda i: i.invalidated(still_checked=still), st.booleans()),
    st.builds(
        lambda t, e: lambda i: i.edited(t, evidence=e), st.sampled_from(TRAITS), st.sampled_from([None, SEEN])
    ),
    st.builds(lambda a: lambda i: i.marked(a), st.sampled_from(IdentityAttribute)),
    st.builds(lambda a: lambda i: i.unmarked(a), st.sampled_from(IdentityAttribute)),
)  # fmt: skip
RECOVERED = {IdentityStatus.RECUPEREE, IdentityStatus.QUALIFIEE}
BLOCKING = {IdentityAttribute.DOUTEUSE, IdentityAttribute.FICTIVE}


@settings(max_examples=200, deadline=None)
@given(st.lists(acts, max_size=12))
def test_a_life_of_an_identity(life: list[Act]) -> None:
    identity = Identity(traits=TRAITS[0])
    borne: set[Ins] = set()
    for act in life:
        before = identity
        with contextlib.suppress(InsError):
            identity = act(before)
        assert Identity(**dict(identity)) == identity  # the model's own rules hold
        assert (identity.status in RECOVERED) == (identity.ins is not None)
        assert not (identity.attributes & BLOCKING and identity.status is not IdentityStatus.PROVISOIRE)
        assert not (IdentityAttribute.FICTIVE in identity.attributes and len(identity.attributes) > 1)
        if identity.ins:
            borne.add(identity.ins)
        assert borne <= {identity.ins, *identity.former_ins}
        assert identity.ins not in identity.former_ins
        assert len(set(identity.former_ins)) == len(identity.former_ins)
        passed = False
        with contextlib.suppress(InsError):
            listed = frozenset(NUMBERS)
            passed = identity.for_transmission(Target.DMP, Environment.FAKE, test_people=listed) == identity.ins
        assert passed == (identity.status is IdentityStatus.QUALIFIEE)


@given(found, found)
def test_two_numbers_without_a_link_are_never_one_person(first: FoundIdentity, second: FoundIdentity) -> None:
    held = recover(Identity(traits=TRAITS[0]), replace(first, birth_date="1979-03-28"))
    answer = replace(second, birth_date="1979-03-28")
    linked = (
        first.ins in (second.ins, *second.history)
        or (first.ins.value == second.ins.value and (first.ins.oid, second.ins.oid) == (InsOid.NIA, InsOid.NIR))
    )  # fmt: skip
    if linked:
        assert recover(held, answer).ins == second.ins
    else:
        with pytest.raises(InsError, match="INS_OTHER_MATRICULE"):
            recover(held, answer)
