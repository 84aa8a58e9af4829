"""What becomes of people at the fake INSi, how it fails on demand, and what its journal says."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from sunes_sdk._core.clock import FixedClock, SystemClock
from sunes_sdk._core.retry import RetryKind
from sunes_sdk.errors import InsError, InsiError, TransportError
from sunes_sdk.ins import DocumentKind, Evidence
from sunes_sdk.insi import InsiClient, SearchCode
from sunes_sdk.insi.vitale import VitaleCard
from sunes_sdk.model import Identity, IdentityAttribute, IdentityStatus, InsOid, Matricule, Patient
from sunes_sdk.settings import Settings
from sunes_sdk.testing import samples as made
from sunes_sdk.testing.fake_insi import (
    FAKE_VERIFICATION,
    FAULTS,
    PUBLISHED,
    TEST_PEOPLE,
    AnswerShape,
    FakeInsi,
    FakePerson,
    InsiCall,
    generated_people,
)
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.transport import HttpsTransport

SEEN = Evidence(document=DocumentKind.PASSPORT, checked_by="agent-7", checked_on=date(2026, 1, 10))
ECETINSI = next(p for p in PUBLISHED if p.birth_name == "ECETINSI")
PROVISOIRE = next(p for p in PUBLISHED if p.birth_name == "PROVISOIRE")
ADRUN = next(p for p in PUBLISHED if p.birth_name == "ADRUN")


@pytest.fixture
def fake(pki: TestPki) -> Iterator[FakeInsi]:
    with FakeInsi(pki, verification=FAKE_VERIFICATION) as service:
        yield service


def settings(fake: FakeInsi, pki: TestPki, **insi: Any) -> Settings:
    section = fake.settings(pki).model_copy(update={"calls_per_minute": 100_000} | insi)
    return made.settings(insi=section, test_people=TEST_PEOPLE)


@pytest.fixture
def client(fake: FakeInsi, pki: TestPki) -> Iterator[InsiClient]:
    with InsiClient(settings(fake, pki)) as c:
        yield c


def patient(person: FakePerson) -> Patient:
    return made.patient(identity=person.identity)


def code(client: InsiClient, person: FakePerson) -> str:
    return client.search(person.identity).outcome.value


# --- life -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_history", [False, True])
def test_a_nia_becomes_a_nir_with_the_same_digits(fake: FakeInsi, client: InsiClient, in_history: bool) -> None:
    before, _ = client.qualify(patient(PROVISOIRE), evidence=SEEN)
    certified = fake.certify(PROVISOIRE, in_history=in_history)
    after, answer = client.qualify(before, evidence=SEEN)
    assert before.ins is not None
    assert after.ins is not None
    assert (before.ins.value, before.ins.oid) == (after.ins.value, InsOid.NIA)
    assert after.ins.oid is InsOid.NIR
    assert after.status is IdentityStatus.QUALIFIEE
    assert after.identity.former_ins == (before.ins,)
    assert answer.person is not None
    assert bool(answer.person.history) is in_history
    with pytest.raises(ValueError, match="NIA"):
        fake.certify(certified)


def test_a_change_of_sex_gives_another_number_and_keeps_the_former(fake: FakeInsi, client: InsiClient) -> None:
    (person,) = fake.generate(1, seed=5)
    before, _ = client.qualify(patient(person), evidence=SEEN)
    changed = fake.change_matricule(person)
    assert changed.sex != person.sex
    assert changed.ins.matricule.key_is_valid
    assert code(client, person) == "01"  # the former sex finds nobody
    found = client.search(changed.identity).person
    assert found is not None
    assert found.ins == changed.ins
    assert found.history == (person.ins,)
    after = before.identity.edited(changed.traits, evidence=SEEN)
    assert client.qualify(made.patient(identity=after), evidence=SEEN)[0].ins == changed.ins


def test_a_new_number_can_be_given(fake: FakeInsi, client: InsiClient) -> None:
    one, two = fake.generate(2, seed=6)
    fake.forget(two)
    changed = fake.change_matricule(one, two.matricule)
    found = client.search(one.identity).person
    assert found is not None
    assert (found.ins, found.history) == (changed.ins, (one.ins,))


def test_the_published_change_of_sex_is_ours(fake: FakeInsi) -> None:
    """ECETINSI's former number is the active one with the other sex digit: what `change_matricule` makes."""
    assert fake.change_matricule(ECETINSI).matricule == ECETINSI.history[0][0]


def test_a_corrected_name_is_no_longer_found_nor_confirmed(fake: FakeInsi, client: InsiClient) -> None:
    (person,) = fake.generate(1, seed=1)
    qualified, _ = client.qualify(patient(person), evidence=SEEN)
    assert client.verify(qualified.identity).confirmed
    corrected = fake.correct(person, birth_name="TOUT-AUTRE")
    assert code(client, person) == "01"
    assert code(client, corrected) == "00"
    refuted = client.verify(qualified.identity)
    assert (refuted.confirmed, refuted.code) == (False, "01")
    renamed, _ = client.qualify(made.patient(identity=corrected.identity), evidence=SEEN)
    assert client.verify(renamed.identity).confirmed
    fake.assert_no_refusal()


@pytest.mark.parametrize(
    "traits",
    [{"sex": "M"}, {"birth_date": "1975-12-30"}, {"birth_place": "63113"}, {"given_names": "ZOE LEA"}],
    ids=["sex", "date", "place", "given names"],
)
def test_a_verification_looks_at_each_trait(fake: FakeInsi, client: InsiClient, traits: dict[str, str]) -> None:
    qualified, _ = client.qualify(patient(ADRUN), evidence=SEEN)
    assert client.verify(qualified.identity).confirmed
    fake.correct(ADRUN, **traits)
    assert not client.verify(qualified.identity).confirmed


def test_a_verification_looks_at_the_number_and_its_oid(fake: FakeInsi, client: InsiClient) -> None:
    qualified, _ = client.qualify(patient(PROVISOIRE), evidence=SEEN)
    certified = fake.certify(PROVISOIRE)
    assert not client.verify(qualified.identity).confirmed  # a NIR now
    again, _ = client.qualify(qualified, evidence=SEEN)
    assert client.verify(again.identity).confirmed
    fake.change_matricule(certified, ADRUN.matricule)
    assert not client.verify(again.identity).confirmed


def test_two_records_are_merged(fake: FakeInsi, client: InsiClient) -> None:
    kept, other = fake.generate(2, seed=2)
    fake.merge(kept, other)
    found = client.search(kept.identity).person
    assert found is not None
    assert (found.ins, found.history) == (kept.ins, (other.ins,))
    assert code(client, other) == "01"


def test_homonyms_are_told_apart_by_the_birth_place(fake: FakeInsi, client: InsiClient) -> None:
    person, other, *_ = (p for p in fake.generate(20, seed=3) if " " not in p.given_names)
    fake.forget(other)
    homonym = fake.add_homonym(person, matricule=other.matricule, birth_place="75115")
    unknown = person.traits.model_copy(update={"birth_place": "99999"})
    assert client.search(Identity(traits=unknown)).outcome is SearchCode.AMBIGUOUS
    for one in (person, homonym):
        answer = client.search(one.identity)
        assert answer.person is not None
        assert answer.person.ins == one.ins
    assert [c.code for c in fake.calls] == ["02", "02", "00", "02", "00"]
    with pytest.raises(ValueError, match="another one"):
        fake.add_homonym(person, matricule=other.matricule, birth_place=person.birth_place)


def test_a_change_is_made_to_the_present_person(fake: FakeInsi) -> None:
    (person,) = fake.generate(1)
    fake.correct(person, birth_name="AUTRE")
    with pytest.raises(ValueError, match="not known") as caught:
        fake.correct(person, birth_name="ENCORE")
    assert person.birth_name not in str(caught.value)


def test_a_person_is_found_by_card(fake: FakeInsi, pki: TestPki) -> None:
    parent, child = fake.generate(2, seed=4)
    fake.forget(child)
    child = replace(child, insured=parent.matricule, birth_rank="2")
    fake.add(child)
    # The number on a card has no test OID: it must be one of the test people.
    allowed = settings(fake, pki).model_copy(update={"test_people": frozenset({parent.matricule, child.matricule})})

    def card(person: FakePerson, *, own: bool) -> VitaleCard:
        return VitaleCard(
            insured=Matricule(value=parent.matricule), own=Matricule(value=person.matricule) if own else None,
            birth_name=person.birth_name, birth_date=person.birth_date, birth_rank=int(person.birth_rank), regime="01",
            fund="631", centre="0001",
        )  # fmt: skip

    with InsiClient(allowed) as client:
        for person, own in ((parent, True), (parent, False), (child, False), (child, True)):
            answer = client.search_by_vitale(person.identity, card(person, own=own))
            assert answer.person is not None
            assert answer.person.ins == person.ins
        wrong = card(child, own=False).model_copy(update={"birth_rank": 3})
        assert client.search_by_vitale(child.identity, wrong).outcome is SearchCode.NOT_FOUND
    assert {c.operation for c in fake.calls} == {"RECVITALE"}
    assert len(fake.calls_about(child)) == 3
    fake.assert_no_refusal()


# --- shapes -----------------------------------------------------------------------------------------------------------


def test_shuffled_answers_mean_the_same(fake: FakeInsi, client: InsiClient) -> None:
    """Prefixes, order, comments and declarations are drawn from the seed; what is read does not change."""
    people = [*PUBLISHED, *fake.generate(30, seed=9, unusual=0.8)]
    plain = [client.search(p.identity).person for p in people]
    assert None not in plain
    for seed in range(3):
        fake.shape = AnswerShape(shuffle=seed)
        assert [client.search(p.identity).person for p in people] == plain
    fake.assert_no_refusal()


def test_shuffled_refusals_and_faults_mean_the_same(fake: FakeInsi, client: InsiClient) -> None:
    unknown, _ = generated_people(2, seed=12)
    for seed in range(5):
        fake.shape = AnswerShape(shuffle=seed)
        assert code(client, unknown) == "01"
        fake.fail_next("desir_550")
        with pytest.raises(InsiError) as caught:
            client.search(ADRUN.identity)
        assert (caught.value.code, caught.value.remote_code) == ("INSI_IDAM", "desir_550")


def test_unusual_people_are_unusual() -> None:
    made_up = generated_people(400, seed=1, unusual=0.5)
    assert made_up == generated_people(400, seed=1, unusual=0.5)
    usual = [p for p in made_up if p.traits.calendar_birth_date and p.birth_place.startswith("63") and not p.history]
    assert 150 < len(usual) < 330
    assert any(p.traits.calendar_birth_date is None for p in made_up)
    assert {"99109", "99999", "2A004", "2B033"} <= {p.birth_place for p in made_up}
    assert any(not p.ins.matricule.key_is_valid for p in made_up)
    assert any(p.first_given_name is None for p in made_up)
    assert any(p.history for p in made_up)
    assert len({p.matricule for p in made_up}) == len({p.birth_name for p in made_up}) == 400
    assert all(p.ins.matricule.key_is_valid and p.oid is InsOid.NIR_TEST for p in generated_people(400, seed=1))


# --- failures ---------------------------------------------------------------------------------------------------------

NETWORK = ("html_500", "html_503", "truncated", "text", "cut_before", "cut_after", "reset", "truncate")


@pytest.mark.parametrize("fault", [*FAULTS, *NETWORK])
def test_each_failure_is_an_error_that_the_next_call_survives(fake: FakeInsi, client: InsiClient, fault: str) -> None:
    fake.fail_next(fault)
    with pytest.raises((InsiError, TransportError)) as caught:
        client.search(ADRUN.identity)
    if fault in FAULTS:
        assert isinstance(caught.value, InsiError)
        assert caught.value.remote_code == fault
        assert [c.code for c in fake.calls] == [fault]
    assert isinstance(caught.value, InsiError | TransportError)
    assert (caught.value.retry.kind is RetryKind.NEVER) == (fault in ("insi_24", "desir_550", "desir_560"))
    assert code(client, ADRUN) == "00"
    assert "ADRUN" not in repr(fake.calls)


@pytest.mark.parametrize(("fault", "reached"), [("cut_before", 0), ("reset", 0), ("cut_after", 1), ("truncate", 1)])
def test_a_cut_comes_before_or_after_the_handling(fake: FakeInsi, client: InsiClient, fault: str, reached: int) -> None:
    fake.fail_next(fault)
    with pytest.raises(TransportError):
        client.search(ADRUN.identity)
    assert len(fake.calls) == reached


def test_a_busy_service_is_asked_again(fake: FakeInsi, pki: TestPki) -> None:
    waits: list[float] = []
    fake.fail_next("html_503", times=2, retry_after=7)
    with InsiClient(settings(fake, pki, attempts=3), wait=waits.append) as c:
        answer = c.search(ADRUN.identity)
    assert answer.outcome is SearchCode.FOUND
    assert [x.code for x in fake.calls] == ["html_503", "html_503", "00"]
    assert len({x.message_id for x in fake.calls}) == 3
    assert waits == [7, 7]


def test_a_refused_request_does_not_use_a_planned_failure_up(fake: FakeInsi, client: InsiClient, pki: TestPki) -> None:
    fake.fail_next("insi_102")
    with InsiClient(settings(fake, pki, idam="OTHER")) as wrong, pytest.raises(InsiError) as caught:
        wrong.search(ADRUN.identity)
    assert caught.value.remote_code == "desir_550"
    with pytest.raises(InsiError) as planned:
        client.search(ADRUN.identity)
    assert planned.value.remote_code == "insi_102"


def test_nobody_found_can_be_a_fault_as_it_once_was(fake: FakeInsi, client: InsiClient) -> None:
    fake.not_found_as_fault = True
    (unknown,) = generated_people(1, seed=8)
    with pytest.raises(InsiError) as caught:
        client.search(unknown.identity)
    assert (caught.value.code, caught.value.remote_code) == ("INSI_UNAVAILABLE", "insi_102")
    assert code(client, ADRUN) == "00"


def test_a_slow_answer_times_out(fake: FakeInsi, pki: TestPki) -> None:
    fake.slow(0.6)
    with InsiClient(settings(fake, pki, timeout_seconds=0.2)) as c:
        with pytest.raises(TransportError):
            c.search(ADRUN.identity)
        assert code(c, ADRUN) == "00"


def test_latency_is_drawn_for_each_call_and_does_not_queue(fake: FakeInsi, client: InsiClient) -> None:
    draw = random.Random(1)
    told: list[InsiCall] = []

    def latency(call: InsiCall) -> float:
        told.append(call)
        return 0.25 + draw.random() / 100

    fake.latency = latency
    people = fake.generate(8, seed=11)
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda p: code(client, p), people)) == {"00"}
    elapsed = time.monotonic() - started
    assert 0.25 <= elapsed < 8 * 0.25
    assert sorted(c.person for c in told) == sorted(fake.calls_per_person())


# --- journal ----------------------------------------------------------------------------------------------------------


def test_the_journal_counts_by_person_and_names_nobody(fake: FakeInsi, client: InsiClient) -> None:
    (unknown,) = generated_people(1, seed=8)
    for person in (ECETINSI, ADRUN, ECETINSI, unknown):
        client.search(person.identity)
    names = len(unknown.given_names.split())
    asked = names + (1 if names > 1 else 0)
    assert fake.calls_per_person() == {"P1": 2, "P2": 1, "P3": asked}
    assert len(fake.calls_about(ECETINSI)) == 2
    assert len(fake.calls_about(unknown.identity)) == asked
    assert {c.person for c in fake.calls_about(ADRUN.traits)} == {"P2"}
    for person in (ECETINSI, ADRUN, unknown):
        for clear in (person.birth_name, person.given_names.split()[0], person.birth_date, person.matricule[:13]):
            assert clear not in repr(fake.calls)
    call = fake.calls[0]
    assert (call.birth_name, call.given_name, call.sex, call.birth_date) == (
        "ECETINSI", "PIERRE-ALAIN", "M", "2009-07-14",
    )  # fmt: skip


@pytest.mark.parametrize("attribute", [IdentityAttribute.DOUTEUSE, IdentityAttribute.FICTIVE])
def test_a_doubtful_identity_is_not_asked_about(
    fake: FakeInsi, client: InsiClient, attribute: IdentityAttribute
) -> None:
    doubtful = ECETINSI.identity.marked(attribute)
    fake.forbid(doubtful)
    with pytest.raises(InsError):
        client.search(doubtful)
    client.search(ADRUN.identity)
    fake.assert_no_call_for(doubtful)
    fake.assert_no_forbidden_call()
    client.search(ECETINSI.identity)  # what an application does that forgot the doubt
    for check in (fake.assert_no_forbidden_call, lambda: fake.assert_no_call_for(doubtful)):
        with pytest.raises(AssertionError, match=f"asked 1 time.* an identity marked {attribute.value}") as caught:
            check()
        assert fake.calls[-1].message_id in str(caught.value)
        assert "ECETINSI" not in str(caught.value)


def test_a_refused_request_counts_as_a_call(fake: FakeInsi, pki: TestPki) -> None:
    """INSi was told who the person is, whatever it answered."""
    with InsiClient(settings(fake, pki, idam="OTHER")) as wrong, pytest.raises(InsiError):
        wrong.search(ECETINSI.identity)
    with pytest.raises(AssertionError, match="answered desir_550"):
        fake.assert_no_call_for(ECETINSI)
    with pytest.raises(AssertionError, match="refused 1 request"):
        fake.assert_no_refusal()


def test_accents_and_signs_do_not_hide_a_call(fake: FakeInsi, client: InsiClient) -> None:
    local = Identity(traits=ECETINSI.traits.model_copy(update={"birth_name": "d’Æcétinsi"}))
    client.search(local)
    assert fake.calls[-1].birth_name == "D'AECETINSI"
    with pytest.raises(AssertionError, match="asked 4 time"):
        fake.assert_no_call_for(local)


def test_a_check_that_would_prove_nothing_is_refused(fake: FakeInsi) -> None:
    with pytest.raises(ValueError, match="nobody was forbidden"):
        fake.assert_no_forbidden_call()


def test_many_threads_leave_a_whole_journal(fake: FakeInsi, client: InsiClient) -> None:
    people = fake.generate(40, seed=13)
    barrier = threading.Barrier(8)

    def ask(part: int) -> None:
        barrier.wait()
        for person in people[part::8]:
            assert code(client, person) == "00"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert len(fake.calls) == len({c.message_id for c in fake.calls}) == 40
    assert set(fake.calls_per_person().values()) == {1}


def test_a_cleared_fake_starts_again(fake: FakeInsi, client: InsiClient, pki: TestPki) -> None:
    corrected = fake.correct(ADRUN, birth_name="AUTRE")
    with InsiClient(settings(fake, pki, idam="OTHER")) as wrong, pytest.raises(InsiError):
        wrong.search(corrected.identity)
    fake.fail_next("insi_102")
    fake.clear()
    assert (fake.calls, fake.refusals, fake.calls_per_person()) == ([], [], {})
    assert code(client, corrected) == "00"
    assert fake.calls_per_person() == {"P1": 1}


@pytest.mark.parametrize("name", ["rogue_client", "expired_client"])
def test_who_has_no_good_certificate_does_not_come_in(fake: FakeInsi, pki: TestPki, name: str) -> None:
    clock = FixedClock(SystemClock().now() - timedelta(days=2))  # a client that does not see it itself
    transport = HttpsTransport(getattr(pki, name).tls(pki.ca_file), clock=clock)
    try:
        with pytest.raises(TransportError) as caught:
            transport.post(fake.url, b"<x/>", {"Content-Type": "application/soap+xml"})
    finally:
        transport.close()
    assert caught.value.sent == "no"
    assert fake.calls == []


def test_a_closed_client_asks_nothing(fake: FakeInsi, pki: TestPki) -> None:
    waits: list[float] = []
    with InsiClient(settings(fake, pki, attempts=3), wait=waits.append) as client:
        pass
    with pytest.raises(TransportError) as caught:
        client.search(ADRUN.identity)
    assert (caught.value.code, caught.value.sent, waits) == ("CLIENT_CLOSED", "no", [])
