"""The DMP client against the fake, over mutual TLS: what it accepts, refuses to send, and survives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from sunes_sdk._core.clock import FixedClock, SystemClock
from sunes_sdk._core.errors import (
    CdaError,
    CertificateError,
    ConfigurationError,
    InsError,
    MetadataError,
    OutcomeUnknown,
    SoapFault,
    TransportError,
)
from sunes_sdk._core.retry import RetryKind
from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import INVISIBLE, MASKED, DmpClient
from sunes_sdk.model import Dmp, Identity, IdentityStatus, Ins, InsOid, Outcome, Prepared, ReasonClass
from sunes_sdk.settings import Environment, Settings
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import STRUCTURE, TestPki

ACTOR = samples.physician().at(samples.hospital())


@pytest.fixture
def dmp(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as fake:
        fake.open_dmp(samples.ins())
        yield fake


@pytest.fixture
def settings(dmp: FakeDmp) -> Settings:
    return samples.settings(dmp=dmp.settings())


@pytest.fixture
def client(settings: Settings) -> Iterator[DmpClient]:
    with DmpClient(settings, actor=ACTOR) as client:
        yield client


def letter(**changes: object) -> CdaDocument:
    return samples.discharge_letter(**changes).render(samples.issuer())


# --- TD0.2 ------------------------------------------------------------------------------------------------------------


def borne(ins: Ins) -> Identity:
    return Identity(traits=samples.traits(), status=IdentityStatus.QUALIFIEE, ins=ins)


def test_existence_of_an_open_closed_and_unknown_dmp(client: DmpClient, dmp: FakeDmp) -> None:
    assert client.existence(borne(samples.ins())).is_open
    dmp.close_dmp(samples.ins())
    closed = client.existence(borne(samples.ins()))
    assert (closed.found, closed.is_open) == (True, False)
    other = client.existence(borne(Ins.of("207058575627097", InsOid.NIR_TEST)))
    assert (other.found, other.is_open) == (False, False)


@pytest.mark.parametrize("status", [s for s in IdentityStatus if s is not IdentityStatus.QUALIFIEE])
def test_the_dmp_is_not_asked_about_an_unqualified_identity(
    client: DmpClient, dmp: FakeDmp, status: IdentityStatus
) -> None:
    ins = samples.ins() if status is IdentityStatus.RECUPEREE else None
    identity = Identity(traits=samples.traits(), status=status, ins=ins)
    for ask in (lambda: client.existence(identity), lambda: client.find_entry_uuid("1.2.3", identity)):
        with pytest.raises(InsError, match="INS_NOT_QUALIFIED"):
            ask()
    assert dmp.requests == []


def test_existence_refuses_an_identity_of_another_environment(client: DmpClient, dmp: FakeDmp) -> None:
    with pytest.raises(InsError) as caught:
        client.existence(borne(Ins.of("279035121518989", InsOid.NIR)))
    assert caught.value.code == "ENVIRONMENT_IDENTITY"
    assert dmp.requests == []


# --- TD2.1 ------------------------------------------------------------------------------------------------------------


def test_a_letter_that_another_structure_keeps_is_told(client: DmpClient) -> None:
    other = samples.hospital(name="Autre hôpital", finess_geo="010000024", finess_ej="010000495")
    receipt = client.submit(letter(custodian=other))
    assert (receipt.outcome, receipt.warnings) == (Outcome.ACCEPTED_WITH_WARNINGS, ("DMP_OTHER_STRUCTURE",))
    of_the_same_entity = samples.hospital(finess_geo="010000024")
    assert client.submit(letter(custodian=of_the_same_entity)).warnings == ()


def test_a_letter_arrives_byte_for_byte(client: DmpClient, dmp: FakeDmp) -> None:
    document = letter()
    receipt = client.submit(document)
    assert receipt.outcome is Outcome.ACCEPTED
    (stored,) = dmp.documents
    assert stored.content == document.content
    assert (stored.type_code, stored.class_code) == ("11490-0", "10")
    assert stored.format_code == "urn:asip:ci-sis:ldl-ses:2017"
    assert stored.unique_id == receipt.unique_id == document.unique_id
    assert [r.answer for r in dmp.requests] == ["Success"]  # no automatic search after a feed (EX_3.1-2030)
    assert dmp.requests[0].message_id == receipt.request_id


def test_multipart_answers_are_read(pki: TestPki) -> None:
    """Success, Failure and Fault in MTOM packages."""
    with FakeDmp(pki, multipart=True) as fake, DmpClient(samples.settings(dmp=fake.settings()), actor=ACTOR) as client:
        assert client.submit(letter()).code == "XDSUnknownPatientId"
        fake.open_dmp(samples.ins())
        assert client.submit(letter()).outcome is Outcome.ACCEPTED
        fake.close_dmp(samples.ins())
        assert client.submit(letter()).code == "DMPClosed"


def test_warnings_are_kept_by_code(client: DmpClient, dmp: FakeDmp) -> None:
    dmp.warn_next("XDSExtraMetadataNotSaved")
    receipt = client.submit(letter())
    assert receipt.outcome is Outcome.ACCEPTED_WITH_WARNINGS
    assert receipt.warnings == ("XDSExtraMetadataNotSaved",)


def test_visibility_is_added(client: DmpClient, dmp: FakeDmp) -> None:
    assert client.submit(letter(), visibility=(MASKED,)).outcome is Outcome.ACCEPTED
    assert b"MASQUE_PS" in dmp.documents[0].metadata


def test_hidden_from_all_is_refused_here_unless_the_dmp_takes_it(client: DmpClient, dmp: FakeDmp) -> None:
    with pytest.raises(MetadataError, match="XDS_VISIBILITY_TOGETHER"):
        client.submit(letter(), visibility=(MASKED, INVISIBLE))
    assert dmp.requests == []
    allowed = dmp.settings().model_copy(update={"mask_and_hide": True})
    with DmpClient(samples.settings(dmp=allowed), actor=ACTOR) as other:
        refused = other.submit(letter(), visibility=(MASKED, INVISIBLE))
    assert refused.outcome is Outcome.REJECTED
    assert "EX_2.1-1050" in dmp.requests[-1].text


def test_many_threads_share_one_client(client: DmpClient, dmp: FakeDmp) -> None:
    documents = [letter() for _ in range(12)]
    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(client.submit, documents))
    assert {r.outcome for r in receipts} == {Outcome.ACCEPTED}
    assert {d.unique_id for d in dmp.documents} == {d.unique_id for d in documents}


# --- gates: nothing leaves --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [IdentityStatus.RECUPEREE, IdentityStatus.VALIDEE, IdentityStatus.PROVISOIRE])
def test_an_identity_that_is_not_qualified_stays_home(status: IdentityStatus, client: DmpClient, dmp: FakeDmp) -> None:
    ins = samples.ins() if status is IdentityStatus.RECUPEREE else None
    patient = samples.patient(identity=Identity(traits=samples.traits(), status=status, ins=ins))
    with pytest.raises(InsError) as caught:
        client.submit(letter(patient=patient))
    assert caught.value.code == "INS_NOT_QUALIFIED"
    assert "Identité non qualifiée" in caught.value.hint_fr
    assert dmp.requests == []


def test_a_test_identity_never_reaches_production(settings: Settings) -> None:
    production = settings.model_copy(update={"environment": Environment.PRODUCTION})
    with DmpClient(production, actor=ACTOR) as client, pytest.raises(InsError) as caught:
        client.prepare(letter(), Dmp())
    assert caught.value.code == "ENVIRONMENT_IDENTITY"


def test_missing_settings_are_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        DmpClient(samples.settings(), actor=ACTOR)
    assert caught.value.path == "dmp"


def test_a_missing_homologation_number_is_named(settings: Settings) -> None:
    without = settings.model_copy(update={"software": samples.software(dmp_homologation=None)})
    with pytest.raises(ConfigurationError) as caught:
        DmpClient(without, actor=ACTOR)
    assert caught.value.path == "software.dmp_homologation"


def test_swapped_certificates_are_found_at_construction(settings: Settings, pki: TestPki) -> None:
    assert settings.dmp is not None
    for change in (
        {"signing": pki.client.signing()},
        {"tls": pki.signing.tls(pki.ca_file)},
    ):
        swapped = settings.model_copy(update={"dmp": settings.dmp.model_copy(update=change)})
        with pytest.raises(CertificateError) as caught:
            DmpClient(swapped, actor=ACTOR)
        assert caught.value.code == "CERTIFICATE_USAGE"


def test_expired_certificates_are_found_at_construction(settings: Settings, pki: TestPki) -> None:
    assert settings.dmp is not None
    for change in ({"signing": pki.expired_signing.signing()}, {"tls": pki.expired_client.tls(pki.ca_file)}):
        expired = settings.model_copy(update={"dmp": settings.dmp.model_copy(update=change)})
        with pytest.raises(CertificateError) as caught:
            DmpClient(expired, actor=ACTOR)
        assert caught.value.code == "CERTIFICATE_EXPIRED"


def test_a_certificate_that_expires_later_stops_the_next_call(settings: Settings, dmp: FakeDmp) -> None:
    clock = FixedClock(SystemClock().now())
    with DmpClient(settings, actor=ACTOR, clock=clock) as client:
        prepared = client.prepare(letter(), Dmp())
        clock.advance(timedelta(days=366))
        for call in (lambda: client.prepare(letter(), Dmp()), lambda: client.send(prepared)):
            with pytest.raises(CertificateError) as caught:
                call()
            assert caught.value.code == "CERTIFICATE_EXPIRED"
    assert dmp.requests == []


def test_the_author_of_the_set_is_the_user_of_the_vihf(settings: Settings, dmp: FakeDmp) -> None:
    assert settings.dmp is not None
    other = settings.model_copy(update={"dmp": settings.dmp.model_copy(update={"structure_id": "1750000001"})})
    with DmpClient(other, actor=ACTOR) as client, pytest.raises(MetadataError) as caught:
        client.submit(letter())
    assert (caught.value.code, caught.value.path) == ("DMP_AUTHOR_VIHF", "submission_set.author.institution")
    assert dmp.requests == []


def test_an_invalid_document_is_not_sent(client: DmpClient, dmp: FakeDmp) -> None:
    document = letter()
    broken = replace(document, content=re.sub(rb"<setId [^>]*></setId>", b"", document.content))
    with pytest.raises(CdaError):
        client.submit(broken)
    assert dmp.requests == []


def test_a_document_about_another_patient_is_not_sent(client: DmpClient) -> None:
    document = replace(letter(), ins=Ins(matricule="207058575627097", oid=InsOid.NIR_TEST))
    with pytest.raises(MetadataError) as caught:
        client.prepare(document, Dmp())
    assert caught.value.code == "DMP_PATIENT_MISMATCH"
    assert "207058575627097" not in str(caught.value)


# --- retries, unknown outcomes ----------------------------------------------------------------------------------------


def test_busy_is_a_refusal_to_try_again_later(client: DmpClient, dmp: FakeDmp) -> None:
    dmp.fail_next("XDSRepositoryBusy", times=2)
    prepared = client.prepare(letter(), Dmp())
    for _ in range(2):
        receipt = client.send(prepared)
        assert (receipt.outcome, receipt.code) == (Outcome.REJECTED, "XDSRepositoryBusy")
        assert receipt.reason is ReasonClass.TRANSIENT
        assert receipt.retry.kind is RetryKind.AFTER
    assert client.send(prepared).outcome is Outcome.ACCEPTED
    assert len(dmp.documents) == 1


def test_each_attempt_has_a_fresh_envelope(client: DmpClient, dmp: FakeDmp) -> None:
    """The fake refuses a MessageID or an assertion that it has seen."""
    dmp.fail_next("XDSRegistryBusy")
    prepared = client.prepare(letter(), Dmp())
    client.send(prepared)
    client.send(prepared)
    first, second = dmp.requests
    assert first.message_id != second.message_id


def test_a_partial_success_is_asked_about_not_taken_for_a_refusal(client: DmpClient, dmp: FakeDmp) -> None:
    dmp.partial_next("XDSRepositoryError")
    with pytest.raises(OutcomeUnknown):
        client.send(client.prepare(letter(), Dmp()))
    dmp.partial_next("XDSRepositoryError")
    other = letter()
    assert client.submit(other).outcome is Outcome.ACCEPTED
    assert [d.unique_id for d in dmp.documents].count(other.unique_id) == 1


def test_cut_after_acceptance_is_reconciled_not_resent(client: DmpClient, dmp: FakeDmp) -> None:
    dmp.cut_after_accept()
    receipt = client.submit(letter())
    (stored,) = dmp.documents
    assert receipt.outcome is Outcome.ACCEPTED
    assert receipt.entry_uuid == stored.entry_uuid
    assert [r.service for r in dmp.requests] == ["repository", "registry"]


def test_cut_before_acceptance_is_reconciled_then_sent_again(client: DmpClient, dmp: FakeDmp) -> None:
    dmp.cut_before_accept()
    receipt = client.submit(letter())
    assert receipt.outcome is Outcome.ACCEPTED
    assert [r.service for r in dmp.requests] == ["registry", "repository"]
    assert len(dmp.documents) == 1


@pytest.mark.parametrize("fault", ["cut_after_accept", "truncate_answer"])
def test_an_unknown_outcome_carries_its_delivery(fault: str, client: DmpClient, dmp: FakeDmp) -> None:
    getattr(dmp, fault)()
    prepared = client.prepare(letter(), Dmp())
    with pytest.raises(OutcomeUnknown) as caught:
        client.send(prepared)
    assert caught.value.prepared == prepared
    assert caught.value.retry.kind is RetryKind.RECONCILE_FIRST
    assert client.reconcile(prepared).outcome is Outcome.ACCEPTED


def test_a_time_out_is_an_unknown_outcome(settings: Settings, dmp: FakeDmp) -> None:
    assert settings.dmp is not None
    hasty = settings.model_copy(update={"dmp": settings.dmp.model_copy(update={"timeout_seconds": 0.3})})
    dmp.slow(1.0)
    with DmpClient(hasty, actor=ACTOR) as client, pytest.raises(OutcomeUnknown):
        client.send(client.prepare(letter(), Dmp()))


def test_nothing_listens_is_nothing_sent(pki: TestPki) -> None:
    fake = FakeDmp(pki)
    settings = samples.settings(dmp=fake.settings())
    fake.close()
    with DmpClient(settings, actor=ACTOR) as client, pytest.raises(TransportError) as caught:
        client.submit(letter())
    assert caught.value.sent == "no"
    assert caught.value.retry.kind is RetryKind.SAFE


def test_when_even_the_question_fails_the_outcome_stays_unknown(client: DmpClient, dmp: FakeDmp) -> None:
    dmp.cut_after_accept()
    dmp.cut_search(times=3)
    with pytest.raises(OutcomeUnknown):
        client.submit(letter())
    assert len(dmp.documents) == 1


def test_absent_says_that_sending_is_safe(client: DmpClient) -> None:
    receipt = client.reconcile(client.prepare(letter(), Dmp()))
    assert receipt.outcome is Outcome.ABSENT
    assert receipt.retry.kind is RetryKind.SAFE


def test_a_blind_retry_of_the_same_bytes_is_a_duplicate(client: DmpClient, dmp: FakeDmp) -> None:
    prepared = client.prepare(letter(), Dmp())
    client.send(prepared)
    receipt = client.send(prepared)
    (stored,) = dmp.documents
    assert receipt.outcome is Outcome.DUPLICATE
    assert receipt.outcome.is_success
    assert receipt.entry_uuid == stored.entry_uuid
    assert receipt.warnings == ("DMP_BYTES_UNVERIFIED",)  # no journal says that the DMP has these bytes


def test_a_stored_delivery_is_sent_by_another_process(client: DmpClient, dmp: FakeDmp, settings: Settings) -> None:
    """What the outbox keeps is enough, even for a client with another actor: the user is frozen with the delivery."""
    stored = client.prepare(letter(), Dmp()).to_bytes()
    other = samples.general_practitioner().at(samples.hospital())
    with DmpClient(settings, actor=other) as later:
        assert later.send(Prepared.from_bytes(stored)).outcome is Outcome.ACCEPTED
    assert len(dmp.documents) == 1


def test_a_delivery_is_frozen(client: DmpClient) -> None:
    document = letter()
    prepared = client.prepare(document, Dmp())
    assert prepared.blobs["document"] == document.content
    assert set(prepared.ids) == {"submission_set", "signature"}
    assert all(identifier.encode() in prepared.blobs["ebrim"] for identifier in prepared.ids.values())
    assert prepared.unique_id in prepared.key
    assert "279035121518989" not in repr(prepared)


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_closed_dmp_is_a_matter_of_consent(client: DmpClient, dmp: FakeDmp) -> None:
    dmp.close_dmp(samples.ins())
    receipt = client.submit(letter())
    assert (receipt.outcome, receipt.code, receipt.reason) == (Outcome.REJECTED, "DMPClosed", ReasonClass.CONSENT)
    assert receipt.retry.kind is RetryKind.NEVER


def test_a_patient_without_dmp_is_a_matter_of_identity(pki: TestPki) -> None:
    with FakeDmp(pki) as fake, DmpClient(samples.settings(dmp=fake.settings()), actor=ACTOR) as client:
        receipt = client.submit(letter())
    assert (receipt.code, receipt.reason) == ("XDSUnknownPatientId", ReasonClass.IDENTITY)


def test_an_unknown_code_is_kept_as_it_is(client: DmpClient, dmp: FakeDmp) -> None:
    dmp.fail_next("DMPSomethingNew")
    receipt = client.submit(letter())
    assert (receipt.code, receipt.reason) == ("DMPSomethingNew", ReasonClass.UNKNOWN)


def test_an_unknown_structure_is_a_matter_of_rights(pki: TestPki) -> None:
    with FakeDmp(pki, structures=frozenset({"1750000001"})) as fake:
        fake.open_dmp(samples.ins())
        with DmpClient(samples.settings(dmp=fake.settings()), actor=ACTOR) as client:
            receipt = client.submit(letter())
            with pytest.raises(SoapFault):
                client.existence(samples.patient().identity)
    assert (receipt.outcome, receipt.reason) == (Outcome.REJECTED, ReasonClass.AUTH)


@pytest.mark.parametrize("of_one_entity", [True, False])
def test_a_legal_entity_speaks_for_its_geographic_structures(pki: TestPki, of_one_entity: bool) -> None:
    """Their certificates may be its own: Identifiant_Structure is a setting of its own. The DMP has the last word."""
    other = samples.hospital(finess_geo="750000001", finess_ej=None)
    acts_for = {STRUCTURE: frozenset({"1750000001"})} if of_one_entity else None
    with FakeDmp(pki, structures=frozenset({STRUCTURE, "1750000001"}), acts_for=acts_for) as fake:
        fake.open_dmp(samples.ins())
        section = fake.settings().model_copy(update={"structure_id": "1750000001"})
        with DmpClient(samples.settings(dmp=section), actor=samples.physician().at(other)) as client:
            receipt = client.submit(letter(custodian=other))
    if of_one_entity:
        assert receipt.outcome is Outcome.ACCEPTED
    else:
        assert (receipt.reason, receipt.code) == (ReasonClass.AUTH, "DMPAccessDeniedByRightsService")


def test_a_rogue_client_is_refused_at_the_handshake(settings: Settings, pki: TestPki, dmp: FakeDmp) -> None:
    assert settings.dmp is not None
    rogue = settings.dmp.model_copy(update={"tls": pki.rogue_client.tls(pki.ca_file)})
    with (
        DmpClient(settings.model_copy(update={"dmp": rogue}), actor=ACTOR) as client,
        pytest.raises((TransportError, OutcomeUnknown)),
    ):
        client.send(client.prepare(letter(), Dmp()))
    assert dmp.requests == []


# --- replacement ------------------------------------------------------------------------------------------------------


def test_a_new_version_replaces_the_old_one(client: DmpClient, dmp: FakeDmp) -> None:
    first = samples.discharge_letter()
    rendered = first.render(samples.issuer())
    receipt = client.submit(rendered)
    second = first.revise(rendered, reason="Pneumopathie franche lobaire").render(samples.issuer())
    replaced = client.replace(second, of=receipt)
    assert replaced.outcome is Outcome.ACCEPTED
    old, new = dmp.documents
    assert (old.status, new.status) == ("Deprecated", "Approved")
    assert new.replaces == old.unique_id
    assert [r.service for r in dmp.requests] == ["repository", "registry", "repository"]


def test_a_version_to_replace_that_is_absent_is_said(client: DmpClient, dmp: FakeDmp) -> None:
    first = samples.discharge_letter()
    second = first.revise(first.render(samples.issuer())).render(samples.issuer())
    receipt = client.submit(second)
    assert receipt.outcome is Outcome.ACCEPTED_WITH_WARNINGS
    assert receipt.warnings == ("DMP_REPLACED_ABSENT",)
    assert dmp.documents[0].replaces is None


def test_a_failed_look_up_of_the_old_version_sends_nothing(client: DmpClient, dmp: FakeDmp) -> None:
    first = samples.discharge_letter()
    rendered = first.render(samples.issuer())
    client.submit(rendered)
    prepared = client.prepare(first.revise(rendered).render(samples.issuer()), Dmp())
    dmp.cut_search()
    with pytest.raises(TransportError) as caught:
        client.send(prepared)
    assert caught.value.sent == "no"
    assert [r.service for r in dmp.requests] == ["repository"]
    assert client.send(prepared).outcome is Outcome.ACCEPTED


def test_replace_wants_a_version_of_the_same_document(client: DmpClient) -> None:
    receipt = client.submit(letter())
    with pytest.raises(MetadataError) as caught:
        client.replace(letter(), of=receipt)
    assert caught.value.code == "DMP_REPLACES"


def test_find_entry_uuid_gives_the_entry_uuid_or_none(client: DmpClient, dmp: FakeDmp) -> None:
    document = letter()
    assert client.find_entry_uuid(document.unique_id, samples.patient().identity) is None
    client.submit(document)
    assert client.find_entry_uuid(document.unique_id, samples.patient().identity) == dmp.documents[0].entry_uuid


def test_a_closed_client_asks_and_sends_nothing(settings: Settings, dmp: FakeDmp) -> None:
    with DmpClient(settings, actor=ACTOR) as client:
        prepared = client.prepare(letter(), Dmp())
    for call in (lambda: client.send(prepared), lambda: client.existence(borne(samples.ins()))):
        with pytest.raises(TransportError) as caught:
            call()
        assert (caught.value.code, caught.value.sent) == ("CLIENT_CLOSED", "no")
    assert client.reconcile(prepared).code == "CLIENT_CLOSED"
    assert dmp.requests == []
