"""The INSi client against the fake over mutual TLS: the CNDA scenarios, refusals before any call, faults."""

from __future__ import annotations

import dataclasses
import logging
import traceback
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from sunes_sdk._core.clock import FixedClock, SystemClock
from sunes_sdk._core.ids import SeededIds
from sunes_sdk._core.retry import RetryKind
from sunes_sdk.errors import CertificateError, ConfigurationError, InsError, InsiError, TransportError
from sunes_sdk.hl7v2 import read_adt
from sunes_sdk.ins import DocumentKind, Evidence
from sunes_sdk.insi import InsiClient, SearchCode, VitaleCard
from sunes_sdk.model import Identity, IdentityAttribute, IdentityStatus, InsOid, Sex, Traits
from sunes_sdk.settings import Environment, Settings
from sunes_sdk.testing import samples as made
from sunes_sdk.testing.fake_insi import PUBLISHED, TEST_PEOPLE, AnswerShape, FakeInsi
from sunes_sdk.testing.pki import TestPki

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo"
DOUBTFUL = frozenset({IdentityAttribute.DOUTEUSE})
FICTITIOUS = frozenset({IdentityAttribute.FICTIVE})
SEEN = Evidence(document=DocumentKind.IDENTITY_CARD, checked_by="agent-7", checked_on=date(2026, 1, 10))


@pytest.fixture
def fake(pki: TestPki) -> Iterator[FakeInsi]:
    with FakeInsi(pki) as service:
        yield service


def settings(fake: FakeInsi, pki: TestPki, **changes: Any) -> Settings:
    return made.settings(**{"insi": fake.settings(pki), "test_people": TEST_PEOPLE} | changes)


@pytest.fixture
def client(fake: FakeInsi, pki: TestPki) -> Iterator[InsiClient]:
    with InsiClient(settings(fake, pki)) as c:
        yield c


def identity(
    name: str,
    given: str,
    sex: str,
    born: str,
    place: str = "99999",
    attributes: frozenset[IdentityAttribute] = frozenset(),
) -> Identity:
    traits = Traits(
        birth_name=name, birth_given_names=given, first_given_name=given.split()[0], birth_date=born, sex=Sex(sex),
        birth_place=place,
    )  # fmt: skip
    return Identity(traits=traits, attributes=attributes)


@pytest.mark.parametrize("person", PUBLISHED, ids=[p.birth_name + " " + p.given_names for p in PUBLISHED])
def test_every_published_person_is_found_with_the_exact_answer(fake: FakeInsi, client: InsiClient, person: Any) -> None:
    answer = client.search(Identity(traits=person.traits))
    assert answer.outcome is SearchCode.FOUND
    assert answer.person is not None
    assert answer.person.ins.value == person.matricule  # wrong keys included
    assert answer.person.ins.oid is person.oid
    assert (answer.person.given_names or answer.person.first_given_name) == person.given_names
    assert tuple(i.value for i in answer.person.history) == tuple(m for m, _ in person.history)
    assert answer.request_id == fake.calls[-1].message_id == answer.request_ids[-1]
    assert person.matricule not in repr(answer)
    assert fake.refusals == []


def test_ecetinsi_history_and_nia(client: InsiClient) -> None:
    found = client.search(identity("ECETINSI", "PIERRE-ALAIN", "M", "2009-07-14")).person
    assert found is not None
    assert [i.value for i in found.history] == ["209076322083439", "209066322012355"]
    nia = client.search(identity("PROVISOIRE", "MATRICULE", "M", "2009-07-01")).person
    assert nia is not None
    assert nia.ins.oid is InsOid.NIA


def test_given_names_are_tried_one_by_one(fake: FakeInsi, client: InsiClient) -> None:
    answer = client.search(identity("TCHITCHI", "OLA CATARINA BELLA", "F", "1936-06-21"))
    assert answer.outcome is SearchCode.FOUND
    assert [(c.given_name, c.code) for c in fake.calls] == [("OLA", "01"), ("CATARINA", "00")]


def test_then_all_given_names_joined(fake: FakeInsi, client: InsiClient) -> None:
    answer = client.search(identity("HOUILLES", "PIERRE PAUL JACQUES", "M", "1993-01-27"))
    assert answer.outcome is SearchCode.NOT_FOUND
    assert [c.given_name for c in fake.calls] == ["PIERRE", "PAUL", "JACQUES", "PIERRE PAUL JACQUES"]
    assert len(set(answer.request_ids)) == 4
    assert "nom d'usage" in answer.advice_fr


def test_ambiguous_is_asked_again_with_the_birth_place(fake: FakeInsi, client: InsiClient) -> None:
    assert client.search(identity("DE VINCI", "LEONARDO", "M", "2014-02-01")).outcome is SearchCode.AMBIGUOUS
    assert [c.birth_place for c in fake.calls] == [None]
    answer = client.search(identity("DE VINCI", "LEONARDO", "M", "2014-02-01", "63220"))
    assert answer.outcome is SearchCode.FOUND
    assert [(c.birth_place, c.code) for c in fake.calls[1:]] == [(None, "02"), ("63220", "00")]


def test_names_are_sent_in_the_alphabet_of_insi(fake: FakeInsi, client: InsiClient) -> None:
    assert client.search(identity("D’ÆION", "CŒUR", "M", "1987-01-01")).outcome is SearchCode.NOT_FOUND
    assert client.search(identity("D'ARTAGNAN DE L'HERAULT", "PIERRE-ALAIN", "M", "2001-06-17")).outcome is (
        SearchCode.NOT_FOUND
    )
    assert [(c.birth_name, c.given_name) for c in fake.calls] == [
        ("D'AEION", "COEUR"), ("D'ARTAGNAN DE L'HERAULT", "PIERRE-ALAIN"),
    ]  # fmt: skip
    assert fake.refusals == []


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (identity("ADRUN", "ZOE", "F", "1975-12-31", attributes=DOUBTFUL), "INS_CALL_FORBIDDEN"),
        (identity("ADRUN", "ZOE", "F", "1975-12-31", attributes=FICTITIOUS), "INS_CALL_FORBIDDEN"),
        (identity("ADRUN", "ZOE", "UN", "1975-12-31"), "INS_SEX"),
        (identity("ADRUN2", "ZOE", "F", "1975-12-31"), "INS_NAME_CHARSET"),
        (identity("-ADRUN", "ZOE", "F", "1975-12-31"), "INS_NAME_START"),
        (identity("ADRUN", "ZO--E", "F", "1975-12-31"), "INS_NAME_DOUBLED"),
        (identity("ADRUN", "ZOE'", "F", "1975-12-31"), "INS_NAME_END"),
    ],
    ids=["doubtful", "fictitious", "sex", "charset", "start", "doubled", "end"],
)  # fmt: skip
def test_what_insi_would_refuse_makes_no_request(
    fake: FakeInsi, client: InsiClient, refused: Identity, code: str
) -> None:
    with pytest.raises(InsError) as caught:
        client.search(refused)
    assert caught.value.code == code
    assert caught.value.hint_fr
    assert refused.traits.birth_name not in str(caught.value)
    assert fake.calls == []
    assert fake.server.connections == 0


def test_from_the_admission_message_to_a_qualified_patient(fake: FakeInsi, client: InsiClient) -> None:
    event = read_adt(
        (DEMO / "admission.hl7").read_bytes(), organization=made.hospital(), oids=made.settings().oids, strict=True
    )
    assert event.patient.status is IdentityStatus.PROVISOIRE
    assert event.patient.ins is None
    patient, answer = client.qualify(event.patient, evidence=SEEN)
    assert patient.status is IdentityStatus.QUALIFIEE
    assert patient.ins == made.ins()
    assert patient.identifiers == event.patient.identifiers
    assert answer.at <= SystemClock().now()
    assert len(fake.calls) == 1
    assert fake.server.connections == 1


def test_without_evidence_the_identity_is_only_recovered(client: InsiClient) -> None:
    patient = made.patient(identity=Identity(traits=made.traits()))
    recovered, _ = client.qualify(patient, evidence=None)
    assert recovered.status is IdentityStatus.RECUPEREE
    validated = made.patient(identity=Identity(traits=made.traits(), status=IdentityStatus.VALIDEE))
    assert client.qualify(validated, evidence=None)[0].status is IdentityStatus.QUALIFIEE


def test_evidence_has_no_default(client: InsiClient) -> None:
    with pytest.raises(TypeError, match="evidence"):
        client.qualify(made.patient())  # type: ignore[call-arg]  # what a careless caller writes


def test_different_traits_need_a_human(fake: FakeInsi, client: InsiClient) -> None:
    fake.shape = AnswerShape(traits={"DateNaissance": "1979-03-29"})
    patient = made.patient(identity=Identity(traits=made.traits()))
    with pytest.raises(InsError) as caught:
        client.qualify(patient, evidence=SEEN)
    assert caught.value.code == "INS_TRAITS_DIFFER"
    assert [f.code for f in caught.value.report.warnings] == ["INS_DIFF_BIRTH_DATE"]
    accepted, _ = client.qualify(patient, evidence=SEEN, accepted_differences={"INS_DIFF_BIRTH_DATE"})
    assert accepted.traits.birth_date == "1979-03-29"


def test_nobody_found_is_an_error_for_qualify(client: InsiClient) -> None:
    unknown = made.patient(identity=identity("INCONNU", "JEAN", "M", "1980-01-01"))
    with pytest.raises(InsiError) as caught:
        client.qualify(unknown, evidence=SEEN)
    assert (caught.value.code, caught.value.remote_code) == ("INSI_NOT_FOUND", "01")
    assert "INCONNU" not in str(caught.value)


@pytest.mark.parametrize(
    "shape",
    [
        AnswerShape(prefix=None),
        AnswerShape(prefix="soap", soap_prefix="env"),
        AnswerShape(dates_first=True),
        AnswerShape(traits_first=True, dates_first=True, prefix=None),
    ],
)
def test_prefixes_and_order_do_not_matter(fake: FakeInsi, client: InsiClient, shape: AnswerShape) -> None:
    ask = Identity(traits=PUBLISHED[3].traits)
    plain = client.search(ask).person
    fake.shape = shape
    assert client.search(ask).person == plain


def test_left_out_and_lunar_traits(fake: FakeInsi, client: InsiClient) -> None:
    fake.shape = AnswerShape(omit=frozenset({"LieuNaissance", "Prenom"}), traits={"DateNaissance": "1950-00-00"})
    found = client.search(Identity(traits=PUBLISHED[1].traits)).person
    assert found is not None
    assert (found.birth_place, found.first_given_name, found.birth_date) == (None, None, "1950-00-00")
    merged = found.traits(PUBLISHED[1].traits)
    assert merged.birth_place == "63220"
    assert merged.calendar_birth_date is None


def test_nia_becomes_nir_with_the_same_digits(fake: FakeInsi, client: InsiClient) -> None:
    ask = Identity(traits=PUBLISHED[4].traits)
    before = client.search(ask).person
    fake.add(dataclasses.replace(PUBLISHED[4], oid=InsOid.NIR))
    after = client.search(ask).person
    assert before is not None
    assert after is not None
    assert before.ins.value == after.ins.value
    assert before.ins != after.ins


@pytest.mark.parametrize(
    ("fault", "code", "remote", "kind"),
    [
        ("insi_102", "INSI_UNAVAILABLE", "insi_102", RetryKind.AFTER),
        ("insi_24", "INSI_SEX", "insi_24", RetryKind.NEVER),
        ("desir_550", "INSI_IDAM", "desir_550", RetryKind.NEVER),
        ("desir_560", "INSI_ACCESS", "desir_560", RetryKind.NEVER),
    ],
)
def test_faults(fake: FakeInsi, client: InsiClient, fault: str, code: str, remote: str, kind: RetryKind) -> None:
    fake.fail_next(fault)
    with pytest.raises(InsiError) as caught:
        client.search(Identity(traits=made.traits()))
    error = caught.value
    assert (error.code, error.remote_code, error.retry.kind) == (code, remote, kind)
    assert error.request_id == fake.calls[-1].message_id
    assert error.hint_fr
    assert error.remote_message  # kept, and out of the text
    assert error.remote_message not in str(error)
    assert client.search(Identity(traits=made.traits())).outcome is SearchCode.FOUND


FAILURES = ("insi_102", "siram_40", "insi_24", "desir_550", "desir_560", "html_500", "html_503", "truncated", "text",
            "cut_before", "cut_after", "truncate", "reset")  # fmt: skip


@pytest.mark.parametrize("fault", FAILURES)
def test_no_failure_tells_who_was_asked_about(
    fake: FakeInsi, client: InsiClient, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    person = fake.generate(1, seed=7)[0]
    told = (person.birth_name, person.given_names, person.birth_date, person.birth_place, person.matricule[:13])
    fake.fail_next(fault)
    with caplog.at_level(logging.DEBUG), pytest.raises((InsiError, TransportError)) as caught:
        client.search(Identity(traits=person.traits))
    assert caplog.records  # a new connection is logged: what it says is looked at too
    logged = [f"{r.getMessage()} {r.args} {r.exc_text}" for r in caplog.records]
    written = "".join((*traceback.format_exception(caught.value), repr(caught.value), *logged))
    assert not [t for t in told if t in written]


@pytest.mark.parametrize("fault", ["html_500", "html_503", "truncated"])
def test_gateway_pages_and_cut_answers_may_be_retried(fake: FakeInsi, client: InsiClient, fault: str) -> None:
    fake.fail_next(fault)
    with pytest.raises(TransportError) as caught:
        client.search(Identity(traits=made.traits()))
    assert caught.value.retry.kind is RetryKind.AFTER


def test_a_wrong_content_type_is_no_answer(fake: FakeInsi, client: InsiClient) -> None:
    fake.fail_next("text")
    with pytest.raises(InsiError) as caught:
        client.search(Identity(traits=made.traits()))
    assert (caught.value.code, caught.value.retry.kind) == ("INSI_CONTENT_TYPE", RetryKind.AFTER)
    assert client.search(Identity(traits=made.traits())).outcome is SearchCode.FOUND


@pytest.mark.parametrize("fault", ["cut_before", "cut_after", "truncate"])
def test_network_cuts_may_be_retried(fake: FakeInsi, client: InsiClient, fault: Any) -> None:
    fake.server.plan(fault)
    with pytest.raises(TransportError) as caught:
        client.search(Identity(traits=made.traits()))
    assert caught.value.retry.kind is RetryKind.AFTER
    assert client.search(Identity(traits=made.traits())).outcome is SearchCode.FOUND


def test_slow_answer_times_out(fake: FakeInsi, pki: TestPki) -> None:
    insi = fake.settings(pki).model_copy(update={"timeout_seconds": 0.2})
    fake.server.plan("slow", seconds=0.6)
    with InsiClient(settings(fake, pki, insi=insi)) as c, pytest.raises(TransportError) as caught:
        c.search(Identity(traits=made.traits()))
    assert caught.value.retry.kind is RetryKind.AFTER


def test_production_oids_need_the_allow_list(fake: FakeInsi, pki: TestPki) -> None:
    with InsiClient(settings(fake, pki, test_people=frozenset())) as c:
        with pytest.raises(InsError) as caught:
            c.search(Identity(traits=PUBLISHED[0].traits))
        assert caught.value.code == "ENVIRONMENT_IDENTITY"
        assert PUBLISHED[0].matricule not in str(caught.value)
        assert c.search(Identity(traits=made.traits())).outcome is SearchCode.FOUND  # a test OID


def test_settings_are_required(pki: TestPki) -> None:
    with pytest.raises(ConfigurationError, match="insi"):
        InsiClient(made.settings())


def test_certificates_are_checked_before_connecting(fake: FakeInsi, pki: TestPki) -> None:
    def with_tls(tls: Any) -> Settings:
        return settings(fake, pki, insi=fake.settings(pki).model_copy(update={"tls": tls}))

    with pytest.raises(ConfigurationError) as wrong_name:
        InsiClient(with_tls(pki.tls))
    assert wrong_name.value.code == "INSI_CERTIFICATE_NAME"
    with pytest.raises(CertificateError) as expired:
        InsiClient(with_tls(pki.expired_client.tls(pki.ca_file)))
    assert expired.value.code == "CERTIFICATE_EXPIRED"
    with pytest.raises(ConfigurationError) as environment:
        InsiClient(settings(fake, pki, environment=Environment.PRODUCTION, test_people=frozenset()))
    assert environment.value.code == "INSI_CERTIFICATE_ENVIRONMENT"
    assert fake.server.connections == 0


def test_a_certificate_that_expires_during_the_day_is_seen(fake: FakeInsi, pki: TestPki) -> None:
    clock = FixedClock(SystemClock().now())
    with InsiClient(settings(fake, pki), clock=clock) as c:
        clock.advance(timedelta(days=400))
        with pytest.raises(CertificateError):
            c.search(Identity(traits=made.traits()))
    assert fake.calls == []


def test_the_same_ids_give_a_refused_message_id(fake: FakeInsi, pki: TestPki) -> None:
    with InsiClient(settings(fake, pki), ids=SeededIds(1)) as first:
        first.search(Identity(traits=made.traits()))
    with InsiClient(settings(fake, pki), ids=SeededIds(1)) as second, pytest.raises(InsiError) as caught:
        second.search(Identity(traits=made.traits()))
    assert caught.value.remote_code in ("fake_context_id", "fake_message_id")


def test_a_prefix_of_message_ids_can_be_set(fake: FakeInsi, pki: TestPki) -> None:
    insi = fake.settings(pki).model_copy(update={"message_id_prefix": "uuid:"})
    with InsiClient(settings(fake, pki, insi=insi)) as c:
        assert c.search(Identity(traits=made.traits())).request_id.startswith("uuid:")
    assert fake.refusals == []


def test_a_person_is_found_by_the_card(fake: FakeInsi, client: InsiClient) -> None:
    person = PUBLISHED[3]
    number = person.ins.matricule
    card = VitaleCard(
        insured=number, own=number, birth_name=person.birth_name, birth_date=person.birth_date, birth_rank=1,
        regime="01", fund="751", centre="0001",
    )  # fmt: skip
    answer = client.search_by_vitale(Identity(traits=person.traits), card)
    assert answer.person == client.search(Identity(traits=person.traits)).person
    other = client.search_by_vitale(Identity(traits=person.traits), card.model_copy(update={"birth_rank": 2}))
    assert other.outcome is SearchCode.NOT_FOUND
    assert fake.refusals == []


def test_unusual_people_come_back_as_they_are(fake: FakeInsi, client: InsiClient) -> None:
    for person in fake.generate(60, seed=11, unusual=1.0):
        found = client.search(Identity(traits=person.traits)).person
        assert found is not None
        assert (found.ins.value, found.ins.oid) == (person.matricule, person.oid)
        assert (found.birth_date, found.birth_place) == (person.birth_date, person.birth_place)
        assert [i.value for i in found.history] == [matricule for matricule, _ in person.history]


def test_generated_people_are_found(fake: FakeInsi, client: InsiClient) -> None:
    for person in fake.generate(20, seed=3):
        answer = client.search(Identity(traits=person.traits))
        assert answer.person is not None
        assert answer.person.ins == person.ins
        assert answer.person.ins.matricule.key_is_valid
