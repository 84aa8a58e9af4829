"""Searching and reading a DMP over mutual TLS: what a professional finds, what an establishment is told, what a spoiled
answer gives."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.hl7time import parse_ts
from sunes_sdk._core.retry import RetryKind
from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import (
    MASKED,
    AvailabilityStatus,
    DmpClient,
    DocumentFilter,
    DocumentReference,
    SubmissionSetFilter,
)
from sunes_sdk.errors import ConfigurationError, DmpError, InsError, ModelError, RemoteError, SoapFault, TransportError
from sunes_sdk.model import Code, Identity, IdentityStatus, Ins, InsOid
from sunes_sdk.settings import Settings
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.transport import HttpResponse, HttpsTransport

ACTOR = samples.physician().at(samples.hospital())
WHO = samples.patient().identity
AIR = {"mode": "INDIRECTE_RENFORCEE", "authn_declaration": "APP_BROWSER_AUTH"}
LETTER = Code(code="11490-0", system="2.16.840.1.113883.6.1")
REPORT = Code(code="18748-4", system="2.16.840.1.113883.6.1")


def client_of(dmp: FakeDmp, **changes: Any) -> DmpClient:
    return DmpClient(settings_of(dmp, **changes), actor=ACTOR)


def settings_of(dmp: FakeDmp, **changes: Any) -> Settings:
    return samples.settings(dmp=dmp.settings().model_copy(update=changes))


@pytest.fixture
def dmp(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as fake:
        fake.open_dmp(samples.ins())
        fake.authorize(samples.ins())
        yield fake


@pytest.fixture
def reader(dmp: FakeDmp) -> Iterator[DmpClient]:
    with client_of(dmp, **AIR) as client:
        yield client


def letter(**changes: Any) -> CdaDocument:
    return samples.discharge_letter(**changes).render(samples.issuer())


def feed(client: DmpClient, count: int) -> list[CdaDocument]:
    documents = [letter() for _ in range(count)]
    for document in documents:
        assert client.submit(document).outcome.is_success
    return documents


# --- TD3.1 ------------------------------------------------------------------------------------------------------------


def test_a_document_is_found_as_it_was_sent(reader: DmpClient, dmp: FakeDmp) -> None:
    (document,) = feed(reader, 1)
    found = reader.find(WHO)
    assert (found.warnings, found.complete) == ((), True)
    (one,) = found  # the signature of the set is left out
    stored = dmp.documents[0]
    assert (one.unique_id, one.entry_uuid) == (document.unique_id, stored.entry_uuid)
    assert one.status is AvailabilityStatus.APPROVED
    assert one.type_code is not None
    assert (one.type_code.code, one.title) == ("11490-0", stored.title)
    assert one.entry.size == len(document.content)
    assert one.entry.repository_unique_id == "1.2.250.1.213.4.1.1.1.2"
    assert one.created == parse_ts(document.header.effective_time).value
    assert not one.is_from_patient
    assert one.visibility == frozenset()


def test_nothing_is_found(reader: DmpClient) -> None:
    assert reader.find(WHO) == ()


def test_filters(reader: DmpClient) -> None:
    feed(reader, 1)
    (one,) = reader.find(WHO)
    assert one.created is not None
    second = timedelta(seconds=1)
    for where, count in (
        (DocumentFilter(type_codes=(LETTER,)), 1),
        (DocumentFilter(type_codes=(REPORT, LETTER)), 1),
        (DocumentFilter(type_codes=(REPORT,)), 0),
        (DocumentFilter(class_codes=(Code(code="10", system="1.2.250.1.213.1.1.4.1"),)), 1),
        (DocumentFilter(confidentiality=(Code(code="N", system="2.16.840.1.113883.5.25"),)), 1),
        (DocumentFilter(confidentiality=(Code(code="N", system="2.16.840.1.113883.5.25"), MASKED)), 0),
        (DocumentFilter(confidentiality=((Code(code="N", system="2.16.840.1.113883.5.25"), MASKED),)), 1),
        (DocumentFilter(authors=(f"{ACTOR.professional.national_id}^%",)), 1),
        (DocumentFilter(authors=("nobody^%",)), 0),
        (DocumentFilter(created_from=one.created, created_to=one.created + second), 1),
        (DocumentFilter(created_from=one.created + second), 0),
        (DocumentFilter(created_to=one.created), 0),
        (DocumentFilter(statuses=(AvailabilityStatus.DEPRECATED,)), 0),
    ):
        assert len(reader.find(WHO, where)) == count, where


def test_replaced_and_masked_documents(reader: DmpClient, dmp: FakeDmp) -> None:
    first = samples.discharge_letter()
    old = first.render(samples.issuer())
    receipt = reader.submit(old)
    new = first.revise(old).render(samples.issuer())
    reader.replace(new, of=receipt)
    reader.submit(letter(), visibility=(MASKED,))
    current, masked = reader.find(WHO)
    assert current.unique_id == new.unique_id
    assert masked.visibility == {"MASQUE_PS"}
    (replaced,) = reader.find(WHO, DocumentFilter(statuses=(AvailabilityStatus.DEPRECATED,)))
    assert replaced.unique_id == old.unique_id
    assert replaced.status is AvailabilityStatus.DEPRECATED


def test_documents_by_their_ids(reader: DmpClient) -> None:
    documents = feed(reader, 2)
    uuids = [reader.find_entry_uuid(d.unique_id, WHO) or "" for d in documents]
    by_uuid = reader.get_documents(WHO, entry_uuids=uuids)
    assert [d.unique_id for d in by_uuid] == [d.unique_id for d in documents]
    assert [d.entry_uuid for d in reader.get_documents(WHO, unique_ids=[documents[1].unique_id])] == [uuids[1]]
    with pytest.raises(ModelError, match="QUERY_IDS"):
        reader.get_documents(WHO)


def test_submission_sets(reader: DmpClient) -> None:
    feed(reader, 2)
    first, second = reader.find_submission_sets(WHO)
    assert first.submitted is not None
    assert second.submitted is not None
    assert first.entry_uuid.startswith("urn:uuid:")
    assert {s.unique_id for s in (first, second)} == {
        s.unique_id for s in reader.find_submission_sets(WHO, SubmissionSetFilter(source_ids=(samples.SOURCE_ID,)))
    }
    late = SubmissionSetFilter(submitted_from=second.submitted + timedelta(seconds=1))
    assert reader.find_submission_sets(WHO, late) == ()


def test_what_changed_since_a_time(pki: TestPki) -> None:
    """More than a batch of new documents, one replaced since, one of before replaced since, one untouched."""
    now = datetime.now(UTC).replace(microsecond=0)
    clock = FixedClock(now - timedelta(hours=2))
    with FakeDmp(pki, clock=clock) as dmp:
        dmp.open_dmp(samples.ins())
        dmp.authorize(samples.ins())
        with DmpClient(settings_of(dmp, **AIR), actor=ACTOR, clock=clock) as client:
            first = samples.discharge_letter()
            before, untouched = first.render(samples.issuer()), letter()
            receipt = client.submit(before)
            client.submit(untouched)
            clock.advance(timedelta(hours=1))
            since = clock.now()
            fresh = feed(client, 22)
            second = first.revise(before).render(samples.issuer())
            receipt = client.replace(second, of=receipt)
            clock.advance(timedelta(minutes=1))
            third = first.revise(second).render(samples.issuer())
            client.replace(third, of=receipt)
            found = client.find_since(WHO, since)
            assert {d.unique_id for d in found} == {*(d.unique_id for d in fresh), third.unique_id}
            assert len(found) == 23
            (last,) = [d for d in found if d.unique_id == third.unique_id]
            (old,) = client.get_documents(WHO, unique_ids=[second.unique_id])
            assert last.replaces == old.entry_uuid
            assert [d.replaces for d in found if d is not last] == [""] * 22
            assert client.find_since(WHO, clock.now() + timedelta(minutes=1)) == ()


def test_a_change_of_metadata_since_a_time(pki: TestPki) -> None:
    clock = FixedClock(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2))
    with FakeDmp(pki, clock=clock) as dmp:
        dmp.open_dmp(samples.ins())
        dmp.authorize(samples.ins())
        with DmpClient(settings_of(dmp, **AIR), actor=ACTOR, clock=clock) as client:
            masked, archived, _ = feed(client, 3)
            clock.advance(timedelta(hours=1))
            since = clock.now()
            assert client.mask(masked.unique_id, WHO).outcome.is_success
            assert client.archive(archived.unique_id, WHO).outcome.is_success
            (changed,) = client.find_since(WHO, since)
            assert (changed.unique_id, changed.entry.version) == (masked.unique_id, "2")
            assert changed.visibility == {"MASQUE_PS"}
            (put_away,) = client.find(WHO, DocumentFilter(statuses=(AvailabilityStatus.ARCHIVED,)))
            assert put_away.unique_id == archived.unique_id


# --- TD3.2 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inline", [False, True])
def test_documents_come_back_byte_for_byte(pki: TestPki, inline: bool) -> None:
    with FakeDmp(pki, inline=inline) as dmp:
        dmp.open_dmp(samples.ins())
        dmp.authorize(samples.ins())
        with client_of(dmp, **AIR) as reader:
            documents = feed(reader, 3)
            found = reader.find(WHO)
            got = reader.retrieve(*reversed(found), of=WHO)
            assert [r.content for r in got] == [d.content for d in reversed(documents)]
            assert all(r.verified and r.mime_type == "text/xml" for r in got)
            assert len([r for r in dmp.requests if r.call == "ITI-43"]) == 1
            unknown = DocumentReference(unique_id=found[0].unique_id, repository_unique_id="1.2.250.1.213.4.1.1.1.2")
            unproven = reader.retrieve(unknown, of=WHO)
            assert not unproven[0].verified
            assert unproven.warnings == ("DMP_UNVERIFIED",)


def test_many_documents_are_read_in_several_requests(reader: DmpClient, dmp: FakeDmp) -> None:
    feed(reader, 21)
    assert len(reader.retrieve(*reader.find(WHO), of=WHO)) == 21
    assert len([r for r in dmp.requests if r.call == "ITI-43"]) == 2


def test_one_of_two_cannot_be_read(reader: DmpClient) -> None:
    (document,) = feed(reader, 1)
    (found,) = reader.find(WHO)
    absent = DocumentReference(unique_id="1.2.3", repository_unique_id=found.entry.repository_unique_id)
    got = reader.retrieve(absent, found, of=WHO)
    assert [r.content for r in got] == [document.content]
    assert not got.complete
    assert got.warnings == ("XDSDocumentUniqueIdError", "DMP_INCOMPLETE")
    with pytest.raises(DmpError) as caught:
        reader.retrieve(absent, of=WHO)
    assert caught.value.remote_code == "XDSDocumentUniqueIdError"


def test_bytes_that_the_registry_does_not_describe_are_not_given(reader: DmpClient) -> None:
    (document,) = feed(reader, 1)
    (found,) = reader.find(WHO)
    told = {"unique_id": found.unique_id, "repository_unique_id": found.entry.repository_unique_id}
    for code, changes in (
        ("DMP_SIZE", {"size": len(document.content) + 1}),
        ("DMP_HASH", {"hash": "0" * 40}),
    ):
        with pytest.raises(DmpError) as caught:
            reader.retrieve(DocumentReference(**told, **changes), of=WHO)  # type: ignore[arg-type]  # str and int
        assert caught.value.code == code
        assert caught.value.hint_fr


def test_an_entry_uuid_is_no_unique_id(reader: DmpClient, dmp: FakeDmp) -> None:
    feed(reader, 1)
    (found,) = reader.find(WHO)
    before = len(dmp.requests)
    with pytest.raises(DmpError, match="DMP_REFERENCE"):
        reader.retrieve(
            DocumentReference(unique_id=found.entry_uuid, repository_unique_id=found.entry.repository_unique_id), of=WHO
        )
    assert len(dmp.requests) == before


# --- rights, refusals, spoiled answers --------------------------------------------------------------------------------


def test_an_establishment_is_warned_and_the_dmp_decides(dmp: FakeDmp, caplog: pytest.LogCaptureFixture) -> None:
    with client_of(dmp) as client:
        feed(client, 1)
        with pytest.raises(RemoteError):
            client.find(WHO)
        assert "DMP_RIGHTS" in caplog.text
        with pytest.raises(RemoteError) as caught:
            client.retrieve(DocumentReference(unique_id="1.2.3", repository_unique_id="1.2.4"), of=WHO)
        assert caught.value.remote_code == "DMPAccessDeniedByRightsService"
        assert "mode" in caught.value.hint
        assert caught.value.hint_fr
        assert samples.ins().value not in caplog.text


def test_an_establishment_may_be_refused_before_anything_leaves(dmp: FakeDmp) -> None:
    with client_of(dmp, rights="refuse") as client:
        for ask in (
            lambda: client.find(WHO),
            lambda: client.find_submission_sets(WHO),
            lambda: client.find_since(WHO, datetime.now(UTC)),
            lambda: client.get_documents(WHO, unique_ids=["1.2.3"]),
            lambda: client.retrieve(DocumentReference(unique_id="1.2", repository_unique_id="1.3"), of=WHO),
        ):
            with pytest.raises(ConfigurationError, match="DMP_RIGHTS"):
                ask()
        assert dmp.requests == []
        assert client.find_entry_uuid("1.2.3", WHO) is None


def test_without_authorisation_the_reader_is_told(pki: TestPki) -> None:
    with FakeDmp(pki) as dmp:
        dmp.open_dmp(samples.ins())
        with client_of(dmp, **AIR) as client, pytest.raises(RemoteError) as caught:
            client.find(WHO)
        assert caught.value.remote_code == "DMPAccessDeniedByRightsService"
        assert "TD0.3" in caught.value.hint


@pytest.mark.parametrize("status", [s for s in IdentityStatus if s is not IdentityStatus.QUALIFIEE])
def test_only_a_qualified_identity_is_asked_about(reader: DmpClient, dmp: FakeDmp, status: IdentityStatus) -> None:
    ins = samples.ins() if status is IdentityStatus.RECUPEREE else None
    identity = Identity(traits=samples.traits(), status=status, ins=ins)
    for ask in (
        lambda: reader.find(identity),
        lambda: reader.find_submission_sets(identity),
        lambda: reader.find_since(identity, datetime.now(UTC)),
        lambda: reader.get_documents(identity, unique_ids=["1.2.3"]),
        lambda: reader.retrieve(DocumentReference(unique_id="1.2", repository_unique_id="1.3"), of=identity),
    ):
        with pytest.raises(InsError, match="INS_NOT_QUALIFIED"):
            ask()
    assert dmp.requests == []


def test_another_patient_finds_nothing_of_this_one(reader: DmpClient, dmp: FakeDmp) -> None:
    feed(reader, 1)
    ins = Ins.of("207058575627097", InsOid.NIR_TEST)
    dmp.open_dmp(ins)
    dmp.authorize(ins)
    other = WHO.model_copy(update={"ins": ins})
    assert reader.find(other) == ()
    (found,) = reader.find(WHO)
    with pytest.raises(DmpError):
        reader.retrieve(found, of=other)


def test_too_many_results_asks_for_a_narrower_search(reader: DmpClient, dmp: FakeDmp) -> None:
    dmp.fail_next("XDSTooManyResults", call="ITI-18")
    with pytest.raises(DmpError) as caught:
        reader.find(WHO)
    assert (caught.value.code, caught.value.remote_code) == ("DMP_REFUSED", "XDSTooManyResults")
    assert "narrow" in caught.value.hint
    assert "préciser" in caught.value.hint_fr


def test_a_partial_success_is_not_complete(reader: DmpClient, dmp: FakeDmp) -> None:
    feed(reader, 1)
    dmp.partial_next("XDSRegistryNotAvailable", call="ITI-18")
    found = reader.find(WHO)
    assert len(found) == 1
    assert not found.complete
    assert found.warnings == ("XDSRegistryNotAvailable", "DMP_INCOMPLETE")


def test_a_success_may_carry_warnings(reader: DmpClient, dmp: FakeDmp) -> None:
    feed(reader, 1)
    dmp.warn_next("XDSExtraMetadataNotSaved", call="ITI-18")
    found = reader.find(WHO)
    assert (found.warnings, found.complete) == (("XDSExtraMetadataNotSaved",), True)


@pytest.mark.parametrize("kind", ["multipart_fault", "plain_fault"])
def test_faults_are_read_in_either_packaging(reader: DmpClient, dmp: FakeDmp, kind: Any) -> None:
    feed(reader, 1)
    (found,) = reader.find(WHO)
    dmp.spoil_next(kind, call="ITI-43")
    with pytest.raises(SoapFault) as caught:
        reader.retrieve(found, of=WHO)
    assert caught.value.remote_code == "XDSRepositoryError"
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["html", "wrong_type", "truncated", "empty", "http_500", "http_503"])
@pytest.mark.parametrize("call", ["ITI-18", "ITI-43"])
def test_spoiled_answers_are_coded_and_may_be_asked_again(
    reader: DmpClient, dmp: FakeDmp, kind: Any, call: Any
) -> None:
    (document,) = feed(reader, 1)
    (found,) = reader.find(WHO)
    dmp.spoil_next(kind, call=call)
    if kind == "wrong_type" and call == "ITI-18":
        assert len(reader.find(WHO)) == 1  # plain XML is read whatever its type says
        return
    with pytest.raises(TransportError) as caught:
        reader.find(WHO) if call == "ITI-18" else reader.retrieve(found, of=WHO)
    assert caught.value.retry.kind is RetryKind.SAFE
    assert caught.value.code in ("ANSWER_UNREADABLE", "HTTP_STATUS")
    assert "ask again" in caught.value.hint
    assert "envoi" not in caught.value.hint_fr
    assert reader.retrieve(found, of=WHO)[0].content == document.content


# --- mutated requests are refused -------------------------------------------------------------------------------------


class Changing:
    """A transport that changes the first match of a pattern in each request."""

    def __init__(self, settings: Settings, pattern: str, new: str) -> None:
        self._https = HttpsTransport(settings.require_dmp().tls)
        self._pattern, self._new = pattern.encode(), new.encode()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        body, times = re.subn(self._pattern, self._new, body, count=1)
        assert times
        return self._https.post(url, body, headers)

    def close(self) -> None:
        self._https.close()


O_NEIL = DocumentFilter(authors=("%^O'NEIL^%",), created_from=datetime(2026, 1, 15, tzinfo=UTC), type_codes=(LETTER,))


@pytest.mark.parametrize(
    ("pattern", "new", "code"),
    [
        (r"<rim:Value>'([0-9A-Z]+)\^\^\^([^']+)\^NH'", r"<rim:Value>'\1^^^\2'", "XDSPatientIdDoesNotMatch"),
        (r"<rim:Value>('[0-9A-Z]+\^\^\^[^']+')", r"<rim:Value>(\1)", "XDSPatientIdDoesNotMatch"),
        (r"<rim:Value>'([0-9A-Z]+)\^\^\^&amp;[0-9.]+&amp;", r"<rim:Value>'\1^^^&amp;1.2.250.1.213.1.4.8&amp;",
         "XDSPatientIdDoesNotMatch"),
        (r"\(('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')\)", r"\1", "XDSStoredQueryParamNumber"),
        (r"\('(urn:oasis:names:tc:ebxml-regrep:StatusType:Approved)'\)", r"(\1)", "XDSRegistryError"),
        (r"O''NEIL", r"O'NEIL", "XDSRegistryError"),
        (r"<rim:Value>(20260115000000)<", r"<rim:Value>'\1'<", "XDSRegistryError"),
        (r"(<rim:Slot name=.\$XDSDocumentEntryTypeCode.*?</rim:Slot>)", r"\1\1", "XDSStoredQueryParamNumber"),
        (r"\$XDSDocumentEntryStatus", "$XDSDocumentEntryState", "XDSStoredQueryMissingParam"),
        (r"14d4debf", "14d4debe", "XDSUnknownStoredQuery"),
        (r"LeafClass", "LeafClasses", "XDSRegistryError"),
    ],
)  # fmt: skip
def test_a_search_that_is_changed_on_its_way(dmp: FakeDmp, pattern: str, new: str, code: str) -> None:
    settings = settings_of(dmp, **AIR)
    with client_of(dmp, **AIR) as reader:
        assert reader.find(WHO, O_NEIL) == ()  # unchanged, it is served
    with DmpClient(settings, actor=ACTOR, transport=Changing(settings, pattern, new)) as client:
        with pytest.raises(RemoteError) as caught:
            client.find(WHO, O_NEIL)
        assert caught.value.remote_code == code


@pytest.mark.parametrize(
    ("pattern", "new", "code"),
    [
        (r"DocumentUniqueId>[0-9.]+<", "DocumentUniqueId>urn:uuid:7953af1a-ba1c-11eb-816f-0050569e422e<",
         "XDSDocumentUniqueIdError"),
        (r"RepositoryUniqueId>[0-9.]+<", "RepositoryUniqueId>1.2.3<", "XDSUnknownRepositoryId"),
    ],
)  # fmt: skip
def test_a_reading_that_is_changed_on_its_way(dmp: FakeDmp, pattern: str, new: str, code: str) -> None:
    settings = settings_of(dmp, **AIR)
    with client_of(dmp, **AIR) as reader:
        feed(reader, 1)
        (found,) = reader.find(WHO)
    with DmpClient(settings, actor=ACTOR, transport=Changing(settings, pattern, new)) as client:
        with pytest.raises(RemoteError) as caught:
            client.retrieve(found, of=WHO)
        assert caught.value.remote_code == code


def test_nothing_shown_names_the_patient(reader: DmpClient) -> None:
    feed(reader, 1)
    found = reader.find(WHO)
    shown = repr((found, reader.find_submission_sets(WHO), reader.retrieve(*found, of=WHO)))
    assert samples.ins().value not in shown
    assert samples.traits().birth_name not in shown
    assert ACTOR.professional.family not in shown
