"""An INSi answer applied by a human's decision only; duplicates and collisions as candidates; an audit trail that names
nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.findings import Severity
from sunes_sdk.errors import ConfigurationError, InsError, ModelError
from sunes_sdk.ins import (
    Clue,
    Decision,
    DocumentKind,
    DuplicateSearch,
    Evidence,
    FoundIdentity,
    IdentityAct,
    IdentityAudit,
    LocalRecord,
    MemoryIndex,
    Proposal,
    Reason,
    compare_records,
    mark,
    propose,
    qualify,
    recover,
    validate,
)
from sunes_sdk.model import Identity, IdentityAttribute, IdentityStatus, Ins, InsOid, Matricule, Traits
from sunes_sdk.testing import samples as made

NOW = datetime(2026, 1, 10, 9, tzinfo=UTC)
SEEN = Evidence(document=DocumentKind.PASSPORT, checked_by="agent-7", checked_on=date(2026, 1, 10))
FOUND = FoundIdentity(
    ins=made.ins(), birth_name="PAT-TROIS", first_given_name="DOMINIQUE", given_names="DOMINIQUE MARIE-LOUISE", sex="F",
    birth_date="1979-03-28", birth_place="51215",
)  # fmt: skip
PROV = Identity(traits=made.traits())
S = IdentityStatus


def number(text: str, oid: InsOid = InsOid.NIR_TEST) -> Ins:
    return Ins(matricule=Matricule(value=text, certified=True), oid=oid)


OTHER = number("277076322082910")


def traits(**changes: Any) -> Traits:
    return Traits(**dict(made.traits()) | changes)


def record(record_id: str, identity: Identity = PROV, **more: Any) -> LocalRecord:
    return LocalRecord.of(record_id, identity, **more)


def proposed(identity: Identity = PROV, found: FoundIdentity = FOUND, **more: Any) -> Proposal:
    arguments: dict[str, Any] = {"asked": identity.traits, "borne_by": ()} | more
    return propose("A", identity, found, **arguments)


def decision(*accepted: str, evidence: Evidence | None = SEEN, **more: Any) -> Decision:
    return Decision(
        decided_by="agent-7", decided_at=NOW, accepted_differences=frozenset(accepted), evidence=evidence, **more
    )


def with_ins(who: Traits, status: IdentityStatus = S.QUALIFIEE, ins: Ins | None = None) -> Identity:
    return Identity(traits=who, status=status, ins=ins or made.ins())


# --- the proposal ---------------------------------------------------------------------------------------------------


def test_traits_that_agree_need_only_a_decision() -> None:
    proposal = proposed()
    assert proposal.can_be_accepted
    assert proposal.differences == ()
    assert [line.trait for line in proposal.lines] == [
        "birth_name", "birth_given_names", "first_given_name", "sex", "birth_date", "birth_place",
    ]  # fmt: skip
    assert [line.local for line in proposal.lines] == [line.insi for line in proposal.lines]
    assert proposal.resulting_status(with_document=False) is S.RECUPEREE
    assert proposal.resulting_status(with_document=True) is S.QUALIFIEE
    assert proposal.accept(decision(evidence=None), current=PROV).status is S.RECUPEREE
    qualified = proposal.accept(decision(), current=PROV)
    assert (qualified.status, qualified.ins) == (S.QUALIFIEE, made.ins())
    assert proposed(validate(PROV, SEEN)).resulting_status(with_document=False) is S.QUALIFIEE


DIFFERENCES: dict[str, tuple[dict[str, str], str]] = {
    "birth_name": ({"birth_name": "MARTIN"}, "INS_DIFF_BIRTH_NAME"),
    "birth_given_names": ({"birth_given_names": "DOMINIQUE ANNE"}, "INS_DIFF_GIVEN_NAMES"),
    "sex": ({"sex": "M"}, "INS_DIFF_SEX"),
    "birth_date": ({"birth_date": "1979-03-29"}, "INS_DIFF_BIRTH_DATE"),
    "birth_place": ({"birth_place": "63220"}, "INS_DIFF_BIRTH_PLACE"),
}


@pytest.mark.parametrize("trait", DIFFERENCES)
def test_each_difference_is_shown_and_must_be_accepted_by_its_code(trait: str) -> None:
    changes, code = DIFFERENCES[trait]
    local = Identity(traits=traits(**changes))
    proposal = proposed(local)
    line = next(line for line in proposal.lines if line.trait == trait)
    assert (line.local, line.insi) == (changes[trait], getattr(made.traits(), trait))
    assert line.difference is not None
    assert line.needs_acceptance
    assert line.difference.message
    assert line.difference.message_fr
    assert [f.code for f in proposal.differences] == [code]
    with pytest.raises(InsError, match="INS_TRAITS_DIFFER"):
        proposal.accept(decision(), current=local)
    accepted = proposal.accept(decision(code), current=local)
    assert accepted.traits == made.traits()  # INSi's
    assert accepted.is_qualified
    assert changes[trait] not in f"{proposal!r}{line!r}" or trait == "sex"
    assert "279035121518989" not in repr(proposal)


def test_a_spelling_is_a_remark() -> None:
    local = Identity(traits=traits(birth_name="Pat-Trois"))
    line = proposed(local).lines[0]
    assert line.difference is not None
    assert line.difference.code == "INS_DIFF_SPELLING"
    assert not line.needs_acceptance
    assert proposed(local).accept(decision(), current=local).traits.birth_name == "PAT-TROIS"


def test_what_insi_left_out_stays_local() -> None:
    proposal = proposed(found=replace(FOUND, birth_place=None, first_given_name=None))
    assert [line.insi for line in proposal.lines if line.trait in ("birth_place", "first_given_name")] == [None, None]
    assert proposal.accept(decision(), current=PROV).traits == made.traits()


def test_a_first_given_name_that_nobody_gave_is_chosen_by_a_human() -> None:
    found = replace(FOUND, given_names="MARIE ROSE DOMINIQUE", first_given_name=None)
    proposal = proposed(found=found)
    assert proposal.needs_first_given_name
    accepted = {f.code for f in proposal.differences}
    assert accepted == {"INS_DIFF_GIVEN_NAMES"}
    with pytest.raises(InsError, match="INS_DECISION"):
        proposal.accept(decision(*accepted), current=PROV)
    identity = proposal.accept(decision(*accepted, first_given_name="MARIE ROSE"), current=PROV)
    assert identity.traits.first_given_name == "MARIE ROSE"
    with pytest.raises(ModelError, match="INS_FIRST_GIVEN_NAME"):
        proposal.accept(decision(*accepted, first_given_name="ROSE"), current=PROV)


@pytest.mark.parametrize(
    ("local", "listed", "first"),
    [("Zoé", "ZOE", "ZOE"), ("Zoé", "ZOE ANNE", "ZOE"), ("Anne-Zoé", "ANNE ZOE LEA", "ANNE ZOE"),
     ("Anne Zoé", "ANNE-ZOE", "ANNE-ZOE"), ("Cœur", "COEUR LEA", "COEUR")],
)  # fmt: skip
def test_a_first_given_name_is_recorded_as_the_list_spells_it(local: str, listed: str, first: str) -> None:
    """Bases write accents, INSi never does: no human has to choose for that."""
    here = Identity(traits=traits(birth_given_names=local, first_given_name=local))
    found = replace(FOUND, given_names=listed, first_given_name=None)
    proposal = proposed(here, found)
    assert (proposal.can_be_accepted, proposal.needs_first_given_name, proposal.differences) == (True, False, ())
    assert proposal.accept(decision(), current=here).traits.first_given_name == first
    assert traits(birth_given_names=listed, first_given_name=local).first_given_name == local  # bases mix both
    with pytest.raises(ModelError, match="INS_FIRST_GIVEN_NAME"):
        traits(birth_given_names=listed, first_given_name=f"{local}A")


def test_only_what_was_shown_can_be_accepted_and_somebody_answers() -> None:
    with pytest.raises(InsError, match="INS_DECISION"):
        proposed().accept(decision("INS_DIFF_SEX"), current=PROV)
    with pytest.raises(InsError, match="INS_DECISION"):
        Decision(decided_by=" ", decided_at=NOW, evidence=None)
    with pytest.raises(InsError, match="INS_DECISION"):
        Decision(decided_by="agent-7", decided_at=datetime(2026, 1, 10), evidence=None)  # noqa: DTZ001


def test_nothing_is_applied_to_an_identity_that_changed_meanwhile() -> None:
    with pytest.raises(InsError, match="INS_PROPOSAL_STALE"):
        proposed().accept(decision(), current=mark(PROV, IdentityAttribute.DOUTEUSE))


REFUSED: dict[str, tuple[Proposal, list[str]]] = {
    "doubtful": (proposed(mark(PROV, IdentityAttribute.DOUTEUSE)), ["INS_CALL_FORBIDDEN"]),
    "fictitious": (proposed(mark(PROV, IdentityAttribute.FICTIVE)), ["INS_CALL_FORBIDDEN"]),
    "other traits asked": (proposed(asked=traits(birth_name="MARTIN")), ["INS_ANSWER_OTHER_TRAITS"]),
    "unusable": (proposed(found=replace(FOUND, sex="X")), ["INS_ANSWER_UNUSABLE"]),
    "blank names": (proposed(found=replace(FOUND, given_names=" ", first_given_name=None)), ["INS_ANSWER_UNUSABLE"]),
    "duplicate": (proposed(borne_by=[record("B", qualify(PROV, FOUND, evidence=SEEN))]), ["INS_DPOT"]),
    "collision": (
        proposed(borne_by=[record("B", Identity(traits=traits(birth_date="1950-01-01", birth_name="AUTRE"),
                                               status=S.RECUPEREE, ins=made.ins()))]),
        ["INS_COLP"],
    ),
    "former of another": (proposed(borne_by=[record("B", former=[made.ins()])]), ["INS_DPOT"]),
    "number of the history elsewhere": (
        proposed(found=replace(FOUND, history=(OTHER,)), borne_by=[record("B", with_ins(made.traits(), ins=OTHER))]),
        ["INS_DPOT"],
    ),
    "other number": (proposed(recover(PROV, replace(FOUND, ins=OTHER))), ["INS_OTHER_MATRICULE"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_decision_can_overrule(case: str) -> None:
    proposal, codes = REFUSED[case]
    assert [f.code for f in proposal.refusals] == codes
    assert all(f.severity is Severity.ERROR and f.message_fr and f.hint for f in proposal.refusals)
    assert not proposal.can_be_accepted
    everything = {f.code for f in proposal.differences}
    with pytest.raises(InsError, match=codes[0]) as caught:
        proposal.accept(decision(*everything), current=proposal.identity)
    assert "PAT-TROIS" not in f"{caught.value}{caught.value.report}"


def test_numbers_of_the_history_are_recognised() -> None:
    nia, nir = number("109076322088835", InsOid.NIA), number("109076322088835", InsOid.NIR)
    held = recover(PROV, replace(FOUND, ins=nia))
    became = proposed(held, replace(FOUND, ins=nir))
    assert [f.code for f in became.remarks] == ["INS_NIA_TO_NIR"]
    after = became.accept(decision(), current=held)
    assert (after.ins, after.former_ins) == (nir, (nia,))
    former = recover(PROV, replace(FOUND, ins=OTHER))
    changed = proposed(former, replace(FOUND, history=(OTHER, made.ins())))
    assert [f.code for f in changed.remarks] == ["INS_MATRICULE_CHANGED"]
    after = changed.accept(decision(), current=former)
    assert (after.ins, after.former_ins) == (made.ins(), (OTHER,))  # INSi may repeat the active number
    dropped = former.invalidated(still_checked=False)
    known = proposed(dropped, replace(FOUND, history=(OTHER,)))
    assert [f.code for f in known.remarks] == ["INS_KNOWN_FROM_HISTORY"]
    assert compare_records(record("A", dropped), record("B", former)) is not None


# --- duplicates and collisions --------------------------------------------------------------------------------------

QUALIFIED = qualify(PROV, FOUND, evidence=SEEN)
RECOVERED = recover(PROV, FOUND)
STRANGER = traits(birth_name="DURAND", birth_given_names="LEA", first_given_name="LEA", birth_date="1990-01-01")


PAIRS: dict[str, tuple[LocalRecord, LocalRecord, Reason | None, tuple[Clue, ...]]] = {
    "same qualified": (record("A", QUALIFIED), record("B", QUALIFIED), Reason.DUPLICATE_CERTAIN,
                       (Clue.SAME_INS, Clue.SAME_NAMES)),
    "one recovered": (record("A", QUALIFIED), record("B", RECOVERED), Reason.DUPLICATE_POTENTIAL,
                      (Clue.SAME_INS, Clue.SAME_NAMES)),
    "former": (record("A", QUALIFIED), record("B", former=[made.ins()]), Reason.DUPLICATE_POTENTIAL,
               (Clue.FORMER_INS, Clue.SAME_NAMES)),
    "two people, one number, qualified": (record("A", QUALIFIED), record("B", with_ins(STRANGER)),
                                          Reason.COLLISION_CERTAIN, (Clue.SAME_INS, Clue.TRAITS_DIFFER)),
    "two people, one number": (record("A", QUALIFIED), record("B", with_ins(STRANGER, S.RECUPEREE)),
                               Reason.COLLISION_POTENTIAL, (Clue.SAME_INS, Clue.TRAITS_DIFFER)),
    "rectified sex": (
        record("A", with_ins(traits(sex="M", birth_given_names="DOMINIQUE JEAN"), ins=OTHER), former=[made.ins()]),
        record("B", QUALIFIED), Reason.DUPLICATE_POTENTIAL, (Clue.FORMER_INS, Clue.TRAITS_DIFFER)),
    "nia and nir": (record("A", with_ins(made.traits(), ins=number("109076322088835", InsOid.NIA))),
                    record("B", with_ins(made.traits(), ins=number("109076322088835", InsOid.NIR))),
                    Reason.DUPLICATE_CERTAIN, (Clue.SAME_INS, Clue.SAME_NAMES)),
    "test and real": (record("A", QUALIFIED),
                      record("B", with_ins(made.traits(), ins=number("279035121518989", InsOid.NIR))), None, ()),
    "same traits": (record("A"), record("B", QUALIFIED), Reason.DUPLICATE_POTENTIAL, (Clue.SAME_NAMES,)),
    "spelling": (record("A"), record("B", Identity(traits=traits(birth_name="Pat trois"))),
                 Reason.DUPLICATE_POTENTIAL, (Clue.SAME_NAMES,)),
    "short list": (record("A"), record("B", Identity(traits=traits(birth_given_names="DOMINIQUE"))),
                   Reason.DUPLICATE_POTENTIAL, (Clue.SAME_NAMES,)),
    "used name typed as birth name": (record("A", used_name="Martin"),
                                      record("B", Identity(traits=traits(birth_name="MARTIN"))),
                                      Reason.DUPLICATE_POTENTIAL, (Clue.USED_NAME,)),
    "names inverted": (
        record("A"),
        record("B", Identity(traits=traits(birth_name="DOMINIQUE", birth_given_names="PAT-TROIS",
                                           first_given_name="PAT-TROIS"))),
        Reason.DUPLICATE_POTENTIAL, (Clue.INVERTED_NAMES,)),
    "one letter": (record("A"), record("B", Identity(traits=traits(birth_name="PAT-TROI"))),
                   Reason.DUPLICATE_POTENTIAL, (Clue.ONE_LETTER,)),
    "one letter, short given names": (
        record("A", Identity(traits=traits(birth_given_names="LI", first_given_name="LI"))),
        record("B", Identity(traits=traits(birth_name="BAT-TROIS", birth_given_names="LI-NA",
                                           first_given_name="LI-NA"))),
        Reason.DUPLICATE_POTENTIAL, (Clue.ONE_LETTER,)),
    "one marked homonym": (record("A", mark(PROV, IdentityAttribute.HOMONYME)), record("B"),
                           Reason.DUPLICATE_POTENTIAL, (Clue.SAME_NAMES,)),
    "two letters swapped": (record("A"), record("B", Identity(traits=traits(birth_name="APT-TROIS"))),
                            Reason.DUPLICATE_POTENTIAL, (Clue.ONE_LETTER,)),
    "another sex": (record("A"), record("B", Identity(traits=traits(sex="M"))), None, ()),
    "unknown sex": (record("A"), record("B", Identity(traits=traits(sex="UN"))), Reason.DUPLICATE_POTENTIAL,
                    (Clue.SAME_NAMES,)),
    "another day": (record("A"), record("B", Identity(traits=traits(birth_date="1979-03-29"))), None, ()),
    "twins": (record("A"), record("B", Identity(traits=traits(birth_given_names="CLAUDE", first_given_name="CLAUDE"))),
              None, ()),
    "known homonyms": (record("A", mark(PROV, IdentityAttribute.HOMONYME)),
                       record("B", mark(PROV, IdentityAttribute.HOMONYME)), None, ()),
    "two numbers": (record("A", QUALIFIED), record("B", with_ins(made.traits(), ins=OTHER)), None, ()),
}  # fmt: skip


@pytest.mark.parametrize("case", PAIRS)
def test_reason_and_clues_of_a_pair(case: str) -> None:
    one, other, reason, clues = PAIRS[case]
    for a, b in ((one, other), (other, one)):
        found = compare_records(a, b)
        assert (found and found.reason, found.clues if found else ()) == (reason, clues)
        searched = list(DuplicateSearch(MemoryIndex()).scan([a, b]))
        assert [c.reason for c in searched] == ([reason] if reason else []), "the index finds what the comparison finds"
    if found := compare_records(one, other):
        assert found.finding.code == f"INS_{found.reason.value}"
        assert found.finding.message_fr
        assert "PAT" not in f"{found!r}{found.finding}{one!r}"


def test_a_scan_streams_and_never_compares_a_record_with_itself() -> None:
    drawn = 0

    def base() -> Iterator[LocalRecord]:
        nonlocal drawn
        for n in range(1000):
            drawn += 1
            born = f"{1930 + n % 90}-{n // 90 % 9 + 1:02d}-01"  # 810 days: the records come again
            yield record(f"R{n % 900}", Identity(traits=traits(birth_date=born)))

    search = DuplicateSearch(MemoryIndex())
    candidates = search.scan(base())
    first = next(candidates)
    assert drawn < 1000
    assert first.reason is Reason.DUPLICATE_POTENTIAL
    assert all(c.record_id != c.other_id for c in [first, *candidates])
    assert search.find(record("R0", QUALIFIED)) == search.find(record("R0"))


def test_bounds_are_said() -> None:
    with pytest.raises(InsError, match="INS_INDEX_FULL"):
        list(DuplicateSearch(MemoryIndex(5)).scan([record("A"), record("B"), record("C")]))
    search = DuplicateSearch(MemoryIndex(), limit_per_key=2)
    assert len(list(search.scan([record(str(n)) for n in range(4)]))) == 1 + 2 + 2
    assert search.crowded == 2  # two names' letters of the fourth record


def test_a_record_that_changed_is_found_as_it_is_now() -> None:
    index = MemoryIndex(3)  # two keys for names of this record, one more for its number
    search = DuplicateSearch(index)
    search.add(record("A"))
    search.replace(record("A"), record("A", QUALIFIED))
    assert [c.reason for c in search.find(record("B", QUALIFIED))] == [Reason.DUPLICATE_CERTAIN]
    search.replace(record("A", QUALIFIED), record("A", Identity(traits=STRANGER)))
    assert search.find(record("B", QUALIFIED)) == ()
    assert search.bearers([made.ins()], besides="B") == ()
    assert search.find(record("A", Identity(traits=STRANGER))) == ()  # itself
    index.remove("none", "A")
    with pytest.raises(InsError, match="INS_INDEX_FULL"):  # what was removed made room, no more
        search.add(record("B"))


def test_bearers_of_a_number() -> None:
    search = DuplicateSearch(MemoryIndex())
    for other in (record("A", QUALIFIED), record("B", former=[made.ins()]), record("C")):
        search.add(other)
    assert [r.record_id for r in search.bearers([made.ins()], besides="A")] == ["B"]
    assert [r.record_id for r in search.bearers([OTHER, made.ins()], besides="Z")] == ["A", "B"]
    assert record("A", QUALIFIED, former=[made.ins(), OTHER]).former == record("A", former=[OTHER]).former


# --- audit ----------------------------------------------------------------------------------------------------------

SECRET = b"s" * 32


def test_the_audit_says_who_when_what_and_no_trait() -> None:
    audit = IdentityAudit(SECRET, clock=FixedClock(NOW))
    local = Identity(traits=traits(birth_name="MARTIN", birth_place="63220"))
    proposal = proposed(local, replace(FOUND, history=(OTHER,)))
    accepted = decision("INS_DIFF_BIRTH_NAME", "INS_DIFF_BIRTH_PLACE")
    after = proposal.accept(accepted, current=local)
    event = audit.accepted("1234567890121", proposal, accepted, after)
    refused = audit.refused("1234567890121", proposal, by="agent-8")
    dropped = audit.event(
        IdentityAct.ATTRIBUTES_CHANGED, record_id="1234567890121", by="agent-8", before=after,
        after=mark(after, IdentityAttribute.DOUTEUSE),
    )  # fmt: skip
    assert json.loads(event.to_json()) == {
        "act": "INS_ACCEPTED", "at": "2026-01-10T09:00:00+00:00", "by": "agent-7", "from_status": "PROV",
        "to_status": "QUAL", "record": audit.reference("record", "1234567890121"), "ins": event.ins,
        "codes": ["INS_DIFF_BIRTH_NAME", "INS_DIFF_BIRTH_PLACE"], "document": "PA",
    }  # fmt: skip
    assert (refused.act, refused.from_status, refused.to_status) == (
        IdentityAct.INS_REFUSED,
        S.PROVISOIRE,
        S.PROVISOIRE,
    )
    assert (dropped.from_status, dropped.to_status, dropped.to_attributes) == (S.QUALIFIEE, S.PROVISOIRE, ("DOUT",))
    assert event.ins == refused.ins == dropped.ins
    assert event.record == refused.record
    clear = {str(v) for who in (local, after) for v in dict(who.traits).values() if len(str(v)) > 2}
    clear |= {
        "279035121518989",
        "2790351215189",
        OTHER.value,
        "1234567890121",
        "DOMINIQUE",
        "MARIE",
        "1979",
        "19790328",
    }
    for written in (event, refused, dropped):
        text = written.to_json() + repr(written)
        assert not [value for value in clear if value in text]


def test_references_depend_on_the_secret_and_on_the_kind() -> None:
    one, other = IdentityAudit(SECRET), IdentityAudit(b"t" * 32)
    assert one.reference("record", "A") == IdentityAudit(SECRET).reference("record", "A")
    assert len({one.reference("record", "A"), one.reference("ins", "A"), other.reference("record", "A")}) == 3
    with pytest.raises(ConfigurationError, match="AUDIT_SECRET"):
        IdentityAudit(b"short")
    with pytest.raises(InsError, match="INS_AUDIT"):
        one.event(IdentityAct.INS_DROPPED, record_id="A", by="", before=PROV, after=PROV)


def test_no_value_object_shows_a_person() -> None:
    shown = [
        proposed(),
        proposed().lines[0],
        record("A", QUALIFIED, used_name="MARTIN"),
        decision(first_given_name="X"),
    ]
    for value in shown:
        assert not any(word in repr(value) for word in ("PAT", "DOMINIQUE", "MARTIN", "1979", "51215", "agent-7"))
        assert [f for f in fields(value) if f.repr]  # type: ignore[arg-type]  # each is a dataclass
