"""The life of a document in the DMP over mutual TLS: deleted, archived, masked, hidden, replaced; by whom; and what
becomes of a change whose answer is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from sunes_sdk._core.clock import SystemClock
from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import MASKED, AvailabilityStatus, DmpClient, SentDocument
from sunes_sdk.dmp.td33 import ACTION
from sunes_sdk.errors import (
    ConfigurationError,
    DmpError,
    InsError,
    MetadataError,
    OutcomeUnknown,
    SoapFault,
    TransportError,
)
from sunes_sdk.model import Identity, IdentityStatus, Outcome, Prepared
from sunes_sdk.settings import Environment, Settings
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import FakeDmp, Spoiled
from sunes_sdk.testing.pki import STRUCTURE, TestPki
from sunes_sdk.transport import HttpResponse, HttpsTransport

ACTOR = samples.physician().at(samples.hospital())
WHO = samples.patient().identity
AIR = {"mode": "INDIRECTE_RENFORCEE", "authn_declaration": "APP_BROWSER_AUTH"}
APPROVED, ARCHIVED, DELETED = AvailabilityStatus.APPROVED, AvailabilityStatus.ARCHIVED, AvailabilityStatus.DELETED


def settings_of(dmp: FakeDmp, **changes: Any) -> Settings:
    return samples.settings(dmp=dmp.settings().model_copy(update=changes))


class Journal:
    """A journal in memory."""

    def __init__(self, *sent: SentDocument) -> None:
        self.documents = {document.unique_id: document for document in sent}
        self.changes: list[tuple[str, AvailabilityStatus]] = []

    def sent(self, unique_id: str) -> SentDocument | None:
        return self.documents.get(unique_id)

    def accepted(self, document: SentDocument) -> None:
        self.documents[document.unique_id] = document

    def changed(self, unique_id: str, status: AvailabilityStatus) -> None:
        self.changes.append((unique_id, status))


def journal_of(document: CdaDocument, *, status: AvailabilityStatus = APPROVED, structure: str = STRUCTURE) -> Journal:
    sent = SentDocument(
        unique_id=document.unique_id, status=status, sha1=document.sha1.hex(), structure_id=structure, title="Lettre"
    )
    return Journal(sent)


class Cut:
    """A transport that loses updates: the first of `plan` for the first one, and so on. `before` and `after` the DMP
    handled it, None for no loss; `searches` are lost too while it says so; `meanwhile` runs before an update leaves."""

    def __init__(self, settings: Settings, *plan: str | None, searches: bool = False) -> None:
        assert settings.dmp is not None
        self._https = HttpsTransport(settings.dmp.tls, timeout_seconds=10, clock=SystemClock())
        self._plan = list(plan)
        self.searches = searches
        self.meanwhile: Callable[[], object] = lambda: None
        self.updates: list[bytes] = []

    def post(self, url: str, body: Any, headers: Mapping[str, str]) -> HttpResponse:
        if ACTION not in headers["Content-Type"]:
            if self.searches and self.updates:
                raise TransportError("lost", sent="maybe", code="TRANSPORT_CUT")
            return self._https.post(url, body, headers)
        self.meanwhile()
        self.updates.append(body if isinstance(body, bytes) else b"".join(body))
        cut = self._plan.pop(0) if self._plan else None
        if cut == "before":
            raise TransportError("lost", sent="maybe", code="TRANSPORT_CUT")
        answer = self._https.post(url, body, headers)
        if cut == "after":
            raise TransportError("lost", sent="maybe", code="TRANSPORT_CUT")
        return answer

    def close(self) -> None:
        self._https.close()


@pytest.fixture
def dmp(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as fake:
        fake.open_dmp(samples.ins())
        fake.authorize(samples.ins())
        yield fake


@pytest.fixture
def document(dmp: FakeDmp) -> CdaDocument:
    """A letter that the DMP holds."""
    letter = samples.discharge_letter().render(samples.issuer())
    with DmpClient(settings_of(dmp), actor=ACTOR) as client:
        assert client.submit(letter).outcome is Outcome.ACCEPTED
    return letter


@pytest.fixture
def establishment(dmp: FakeDmp) -> Iterator[DmpClient]:
    with DmpClient(settings_of(dmp), actor=ACTOR) as client:
        yield client


@pytest.fixture
def reader(dmp: FakeDmp) -> Iterator[DmpClient]:
    """In a mode that may read what the DMP holds."""
    with DmpClient(settings_of(dmp, **AIR), actor=ACTOR) as client:
        yield client


def present(dmp: FakeDmp, document: CdaDocument) -> Any:
    return dmp.versions(document.unique_id)[-1]


def updates(dmp: FakeDmp) -> list[str]:
    return [r.answer for r in dmp.requests if r.call == "ITI-57"]


# --- delete, as an establishment --------------------------------------------------------------------------------------


def test_an_establishment_deletes_its_document(establishment: DmpClient, dmp: FakeDmp, document: CdaDocument) -> None:
    receipt = establishment.delete(document.unique_id, document, status=APPROVED)
    assert (receipt.outcome, receipt.warnings, receipt.unique_id) == (Outcome.ACCEPTED, (), document.unique_id)
    assert present(dmp, document).status == "Deleted"
    assert receipt.request_id == dmp.requests[-1].message_id
    assert [r.call for r in dmp.requests[-2:]] == ["ITI-18", "ITI-57"]
    assert establishment.find_entry_uuid(document.unique_id, document) is None


def test_the_journal_knows_the_status(dmp: FakeDmp, document: CdaDocument) -> None:
    journal = journal_of(document)
    with DmpClient(settings_of(dmp), actor=ACTOR, journal=journal) as client:
        assert client.delete(document.unique_id, document).outcome is Outcome.ACCEPTED
    assert journal.changes == [(document.unique_id, DELETED)]
    assert present(dmp, document).status == "Deleted"


@pytest.mark.parametrize("journal", [None, Journal()])
def test_a_status_is_never_guessed(dmp: FakeDmp, document: CdaDocument, journal: Journal | None) -> None:
    before = len(dmp.requests)
    # A journal that does not know the document, or none: this mode may not read the DMP.
    with (
        DmpClient(settings_of(dmp), actor=ACTOR, journal=journal) as client,
        pytest.raises(MetadataError) as caught,
    ):
        client.delete(document.unique_id, document)
    assert caught.value.code == "DMP_STATUS_UNKNOWN"
    assert "journal" in caught.value.hint
    assert len(dmp.requests) == before


@pytest.mark.parametrize("status", [AvailabilityStatus.DEPRECATED, DELETED])
def test_only_a_document_in_use_or_archived_is_deleted(
    dmp: FakeDmp, document: CdaDocument, status: AvailabilityStatus
) -> None:
    before = len(dmp.requests)
    journal = journal_of(document, status=status)
    with (
        DmpClient(settings_of(dmp), actor=ACTOR, journal=journal) as client,
        pytest.raises(MetadataError) as caught,
    ):
        client.delete(document.unique_id, document)
    assert caught.value.code == "DMP_STATUS"
    assert caught.value.hint_fr
    assert len(dmp.requests) == before


def test_a_status_that_is_not_the_present_one_is_refused_with_what_to_do(
    establishment: DmpClient, dmp: FakeDmp, document: CdaDocument
) -> None:
    with pytest.raises(DmpError) as caught:
        establishment.delete(document.unique_id, document, status=ARCHIVED)
    error = caught.value
    assert (error.code, error.remote_code) == ("DMP_REFUSED", "XDSMetadataUpdateError")
    assert "ARCHIVED" in error.hint
    assert "status=" in error.hint
    assert error.request_id == dmp.requests[-1].message_id
    assert present(dmp, document).status == "Approved"


def test_the_document_of_another_structure(dmp: FakeDmp, document: CdaDocument) -> None:
    """By our journal: a warning, or an error by setting."""
    journal = journal_of(document, structure="1750100125")
    with DmpClient(settings_of(dmp), actor=ACTOR, journal=journal) as client:
        receipt = client.delete(document.unique_id, document)
    assert (receipt.outcome, receipt.warnings) == (Outcome.ACCEPTED_WITH_WARNINGS, ("DMP_NOT_AUTHOR",))
    before = len(dmp.requests)
    with (
        DmpClient(settings_of(dmp, rights="refuse"), actor=ACTOR, journal=journal) as client,
        pytest.raises(ConfigurationError, match="DMP_NOT_AUTHOR"),
    ):
        client.delete(document.unique_id, document)
    assert len(dmp.requests) == before


def test_the_dmp_refuses_whoever_is_not_the_author(document: CdaDocument, dmp: FakeDmp) -> None:
    colleague = samples.general_practitioner().at(samples.hospital())
    with DmpClient(settings_of(dmp, **AIR), actor=colleague) as client, pytest.raises(DmpError) as caught:
        client.delete(document.unique_id, document)
    assert caught.value.remote_code == "DMPAccessDeniedByRightsService"
    assert "TD3.3c" in caught.value.remote_message
    assert caught.value.hint_fr
    assert present(dmp, document).status == "Approved"


def test_a_document_that_the_dmp_does_not_hold(
    establishment: DmpClient, reader: DmpClient, document: CdaDocument
) -> None:
    calls: list[Callable[[], object]] = [
        lambda: establishment.delete("1.2.3.4", document, status=APPROVED),
        lambda: reader.archive("1.2.3.4", document),
        lambda: reader.mask("1.2.3.4", WHO),
    ]
    for call in calls:
        with pytest.raises(DmpError) as caught:
            call()
        assert caught.value.code == "DMP_ABSENT"
        assert caught.value.hint_fr


# --- rights -----------------------------------------------------------------------------------------------------------


def closed_calls(client: DmpClient, document: CdaDocument) -> list[Callable[[], object]]:
    """What an establishment has no right to."""
    return [
        lambda: client.archive(document.unique_id, document, status=APPROVED),
        lambda: client.unarchive(document.unique_id, document, status=ARCHIVED),
        lambda: client.mask(document.unique_id, WHO),
        lambda: client.unmask(document.unique_id, WHO),
        lambda: client.set_patient_visibility(document.unique_id, WHO, patient=False),
    ]


@pytest.mark.parametrize("number", range(5))
def test_the_dmp_decides_by_default(
    establishment: DmpClient, dmp: FakeDmp, document: CdaDocument, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises((DmpError, SoapFault)) as caught:
        closed_calls(establishment, document)[number]()
    assert caught.value.remote_code == "DMPAccessDeniedByRightsService"
    assert "DMP_RIGHTS" in caplog.text
    assert len(dmp.versions(document.unique_id)) == 1


@pytest.mark.parametrize("number", range(5))
def test_by_setting_nothing_is_sent(dmp: FakeDmp, document: CdaDocument, number: int) -> None:
    before = len(dmp.requests)
    with DmpClient(settings_of(dmp, rights="refuse"), actor=ACTOR) as client:
        with pytest.raises(ConfigurationError) as caught:
            closed_calls(client, document)[number]()
        assert caught.value.code == "DMP_RIGHTS"
        assert len(dmp.requests) == before
        # What an establishment may do it still does.
        assert client.delete(document.unique_id, document, status=APPROVED).outcome is Outcome.ACCEPTED


def test_an_unqualified_identity_changes_nothing(reader: DmpClient, dmp: FakeDmp, document: CdaDocument) -> None:
    identity = Identity(traits=samples.traits(), status=IdentityStatus.VALIDEE)
    before = len(dmp.requests)
    calls: list[Callable[[], object]] = [
        lambda: reader.delete(document.unique_id, identity, status=APPROVED),
        lambda: reader.archive(document.unique_id, identity),
        lambda: reader.unarchive(document.unique_id, identity),
        lambda: reader.mask(document.unique_id, identity),
        lambda: reader.unmask(document.unique_id, identity),
        lambda: reader.set_patient_visibility(document.unique_id, identity, patient=False),
    ]
    for call in calls:
        with pytest.raises(InsError, match="INS_NOT_QUALIFIED"):
            call()
    assert len(dmp.requests) == before


# --- archive ----------------------------------------------------------------------------------------------------------


def test_archived_in_use_again_and_deleted(reader: DmpClient, dmp: FakeDmp, document: CdaDocument) -> None:
    """The present status is read in the DMP."""
    assert reader.archive(document.unique_id, WHO).outcome is Outcome.ACCEPTED
    assert present(dmp, document).status == "Archived"
    with pytest.raises(MetadataError, match="DMP_STATUS"):
        reader.archive(document.unique_id, WHO)
    assert reader.unarchive(document.unique_id, WHO).outcome is Outcome.ACCEPTED
    assert present(dmp, document).status == "Approved"
    with pytest.raises(MetadataError, match="DMP_STATUS"):
        reader.unarchive(document.unique_id, WHO)
    assert reader.archive(document.unique_id, WHO).outcome is Outcome.ACCEPTED
    assert reader.delete(document.unique_id, WHO).outcome is Outcome.ACCEPTED
    assert present(dmp, document).status == "Deleted"


# --- visibility -------------------------------------------------------------------------------------------------------


def test_masked_and_unmasked(reader: DmpClient, dmp: FakeDmp, document: CdaDocument) -> None:
    first = present(dmp, document)
    assert reader.mask(document.unique_id, WHO).outcome is Outcome.ACCEPTED
    masked = present(dmp, document)
    assert set(masked.confidentiality) == {"N", "MASQUE_PS"}
    assert (masked.version, masked.logical_id) == (2, first.logical_id)
    assert masked.entry_uuid != first.entry_uuid
    (found,) = reader.find(WHO)
    assert found.visibility == {"MASQUE_PS"}
    assert reader.unmask(document.unique_id, WHO).outcome is Outcome.ACCEPTED
    assert present(dmp, document).confidentiality == ("N",)
    assert present(dmp, document).version == 3
    assert found.entry.hash == reader.find(WHO)[0].entry.hash == document.sha1.hex()


def test_hidden_from_the_patient_and_from_representatives(
    reader: DmpClient, dmp: FakeDmp, document: CdaDocument
) -> None:
    def codes() -> set[str]:
        return set(present(dmp, document).confidentiality)

    reader.set_patient_visibility(document.unique_id, WHO, patient=False)
    assert codes() == {"N", "INVISIBLE_PATIENT"}
    reader.set_patient_visibility(document.unique_id, WHO, patient=True)
    assert codes() == {"N"}


def test_hidden_from_representatives(reader: DmpClient, dmp: FakeDmp, document: CdaDocument) -> None:
    reader.set_patient_visibility(document.unique_id, WHO, representatives=False)
    assert set(present(dmp, document).confidentiality) == {"N", "INVISIBLE_REPRESENTANTS_LEGAUX"}


def test_a_change_changes_something(reader: DmpClient, dmp: FakeDmp, document: CdaDocument) -> None:
    calls: list[Callable[[], object]] = [
        lambda: reader.unmask(document.unique_id, WHO),
        lambda: reader.set_patient_visibility(document.unique_id, WHO),
        lambda: reader.set_patient_visibility(document.unique_id, WHO, patient=True, representatives=True),
    ]
    for call in calls:
        with pytest.raises(MetadataError, match="DMP_UNCHANGED"):
            call()
    assert updates(dmp) == []


def test_not_masked_and_hidden_at_once(reader: DmpClient, dmp: FakeDmp, document: CdaDocument) -> None:
    reader.mask(document.unique_id, WHO)
    with pytest.raises(MetadataError, match="XDS_VISIBILITY_TOGETHER"):
        reader.set_patient_visibility(document.unique_id, WHO, patient=False)
    assert updates(dmp) == ["Success"]
    with (
        DmpClient(settings_of(dmp, mask_and_hide=True, **AIR), actor=ACTOR) as client,
        pytest.raises(DmpError) as caught,  # the fake is of the time when the parameter is false
    ):
        client.set_patient_visibility(document.unique_id, WHO, patient=False)
    assert "EX_2.1-1050" in caught.value.remote_message


def test_a_masked_document_is_replaced_by_its_present_entry(
    reader: DmpClient, dmp: FakeDmp, document: CdaDocument
) -> None:
    """The entryUUID changes with the metadata: RPLC names the present one, asked for at the time of sending."""
    reader.mask(document.unique_id, WHO)
    masked = present(dmp, document)
    second = samples.discharge_letter().revise(of=document).render(samples.issuer())
    assert reader.replace(second, of=document).outcome is Outcome.ACCEPTED
    assert masked.entry_uuid in present(dmp, second).metadata.decode()
    assert present(dmp, document).status == "Deprecated"


def test_somebody_else_changes_it_first(dmp: FakeDmp, reader: DmpClient, document: CdaDocument) -> None:
    """Between our reading and our change: the DMP refuses by its version, and the error says to begin again."""
    settings = settings_of(dmp, **AIR)
    transport = Cut(settings)
    transport.meanwhile = lambda: reader.set_patient_visibility(document.unique_id, WHO, representatives=False)
    with DmpClient(settings, actor=ACTOR, transport=transport) as client, pytest.raises(DmpError) as caught:
        client.set_patient_visibility(document.unique_id, WHO, patient=False)
    assert caught.value.remote_code == "XDSMetadataVersionError"
    assert "version 1" in caught.value.hint
    assert "recommencer" in caught.value.hint_fr
    assert "INVISIBLE_PATIENT" not in present(dmp, document).confidentiality


# --- lost answers -----------------------------------------------------------------------------------------------------


def set_ids(transport: Cut) -> set[bytes]:
    """uniqueIds of the sets that were sent."""
    scheme = b'identificationScheme="urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8"'
    return {u.partition(scheme)[2].partition(b'value="')[2].partition(b'"')[0] for u in transport.updates}


@pytest.mark.parametrize(("mode", "count"), [("after", 1), ("before", 2)])
def test_a_lost_answer_to_a_delete(dmp: FakeDmp, document: CdaDocument, mode: str, count: int) -> None:
    """Applied: DMP_3.1b finds it no more. Not applied: sent again, the same set."""
    settings, journal = settings_of(dmp), journal_of(document)
    transport = Cut(settings, mode)
    with DmpClient(settings, actor=ACTOR, transport=transport, journal=journal) as client:
        receipt = client.delete(document.unique_id, document)
    assert receipt.outcome is Outcome.ACCEPTED
    assert len(transport.updates) == count
    assert len(set_ids(transport)) == 1
    assert present(dmp, document).status == "Deleted"
    assert journal.changes == [(document.unique_id, DELETED)]


@pytest.mark.parametrize(("mode", "count"), [("after", 1), ("before", 2)])
@pytest.mark.parametrize("what", ["mask", "archive", "delete"])
def test_a_lost_answer_where_the_dmp_is_read(
    dmp: FakeDmp, document: CdaDocument, mode: str, count: int, what: str
) -> None:
    settings = settings_of(dmp, **AIR)
    transport = Cut(settings, mode)
    with DmpClient(settings, actor=ACTOR, transport=transport) as client:
        receipt = getattr(client, what)(document.unique_id, WHO)
    assert receipt.outcome is Outcome.ACCEPTED
    assert len(transport.updates) == count
    assert len(set_ids(transport)) == 1
    stored = present(dmp, document)
    assert stored.masked if what == "mask" else stored.status == {"archive": "Archived", "delete": "Deleted"}[what]


@pytest.mark.parametrize("what", ["mask", "archive", "delete"])
def test_when_the_dmp_cannot_be_asked_the_change_is_handed_back(dmp: FakeDmp, document: CdaDocument, what: str) -> None:
    """Frozen, through storage too; asked about later; sent again, it is known by the uniqueId of its set."""
    settings = settings_of(dmp, **AIR)
    transport = Cut(settings, "after", searches=True)
    with DmpClient(settings, actor=ACTOR, transport=transport) as client:
        with pytest.raises(OutcomeUnknown) as caught:
            getattr(client, what)(document.unique_id, WHO)
        assert len(transport.updates) == 1  # never a blind retry
        assert isinstance(caught.value.prepared, Prepared)
        assert caught.value.hint_fr
        prepared = Prepared.from_bytes(caught.value.prepared.to_bytes())
        assert client.reconcile(prepared).outcome is Outcome.UNKNOWN
        transport.searches = False
        assert client.reconcile(prepared).outcome is Outcome.ACCEPTED
        again = client.send(prepared)
    assert (again.outcome, again.code) == (Outcome.DUPLICATE, "XDSDuplicateUniqueIdInRegistry")


def test_a_change_that_somebody_else_followed_is_not_told_from_none(
    dmp: FakeDmp, reader: DmpClient, document: CdaDocument
) -> None:
    settings = settings_of(dmp, **AIR)
    transport = Cut(settings, "after", searches=True)
    prepared = []
    with DmpClient(settings, actor=ACTOR, transport=transport) as client:
        for change in (client.mask, client.archive):
            transport.updates.clear()
            transport._plan = ["after"]
            with pytest.raises(OutcomeUnknown) as caught:
                change(document.unique_id, WHO)
            prepared.append(caught.value.prepared)
        reader.unarchive(document.unique_id, WHO)
        reader.unmask(document.unique_id, WHO)
        reader.delete(document.unique_id, WHO)
        transport.searches = False
        codes = []
        for each in prepared:
            assert isinstance(each, Prepared)
            receipt = client.reconcile(each)
            codes.append((receipt.outcome, receipt.code))
    assert codes == [(Outcome.UNKNOWN, "DMP_STATUS_CHANGED")] * 2


def test_what_an_establishment_cannot_tell_it_does_not_tell(dmp: FakeDmp, document: CdaDocument) -> None:
    settings = settings_of(dmp)
    transport = Cut(settings, "before")
    with DmpClient(settings, actor=ACTOR, transport=transport) as client:
        with pytest.raises(OutcomeUnknown) as caught:
            client.archive(document.unique_id, document, status=APPROVED)
        assert isinstance(caught.value.prepared, Prepared)
        receipt = client.reconcile(caught.value.prepared)
    assert (receipt.outcome, receipt.code) == (Outcome.UNKNOWN, "DMP_RIGHTS")
    assert len(transport.updates) == 1


def test_a_fault_that_says_nothing_leaves_it_open(
    establishment: DmpClient, dmp: FakeDmp, document: CdaDocument
) -> None:
    """Html of a proxy, half an answer: the update may have been applied. It was, and DMP_3.1b says so."""
    dmp.spoil_next("html", call="ITI-57")
    assert establishment.delete(document.unique_id, document, status=APPROVED).outcome is Outcome.ACCEPTED
    assert present(dmp, document).status == "Deleted"
    assert updates(dmp) == ["Success"]


def test_a_partial_success_is_looked_into(reader: DmpClient, dmp: FakeDmp, document: CdaDocument) -> None:
    """Neither yes nor no: the DMP is asked."""
    dmp.partial_next("XDSRegistryError", call="ITI-57")
    assert reader.mask(document.unique_id, WHO).outcome is Outcome.ACCEPTED
    assert present(dmp, document).masked
    assert updates(dmp) == ["Success"]  # once


@pytest.mark.parametrize("how", ["wrong_type", "truncated", "empty", "http_500", "http_503"])
def test_a_spoiled_answer_is_looked_into(reader: DmpClient, dmp: FakeDmp, document: CdaDocument, how: Spoiled) -> None:
    """Applied, and told badly. Whatever the answer looks like, the change is made once and known to be made."""
    dmp.spoil_next(how, call="ITI-57")
    receipt = reader.archive(document.unique_id, WHO)
    assert receipt.outcome in (Outcome.ACCEPTED, Outcome.DUPLICATE)
    assert present(dmp, document).status == "Archived"


def test_a_busy_dmp_says_when_to_come_back(establishment: DmpClient, dmp: FakeDmp, document: CdaDocument) -> None:
    dmp.fail_next("XDSRegistryBusy", call="ITI-57")
    with pytest.raises(DmpError) as caught:
        establishment.delete(document.unique_id, document, status=APPROVED)
    assert caught.value.retry.seconds
    assert present(dmp, document).status == "Approved"


def test_warnings_of_the_dmp_are_kept(establishment: DmpClient, dmp: FakeDmp, document: CdaDocument) -> None:
    dmp.warn_next("XDSExtraMetadataNotSaved", call="ITI-57")
    receipt = establishment.delete(document.unique_id, document, status=APPROVED)
    assert (receipt.outcome, receipt.warnings) == (Outcome.ACCEPTED_WITH_WARNINGS, ("XDSExtraMetadataNotSaved",))


def test_a_frozen_change_stays_in_its_environment(dmp: FakeDmp, document: CdaDocument) -> None:
    settings = settings_of(dmp)
    with (
        DmpClient(settings, actor=ACTOR, transport=Cut(settings, "after", searches=True)) as client,
        pytest.raises(OutcomeUnknown) as caught,
    ):
        client.delete(document.unique_id, document, status=APPROVED)
    prepared = caught.value.prepared
    assert isinstance(prepared, Prepared)
    elsewhere = settings.model_copy(update={"environment": Environment.INTEGRATION})
    with DmpClient(elsewhere, actor=ACTOR) as client:
        for call in (client.send, client.reconcile):
            with pytest.raises(ConfigurationError, match="ENVIRONMENT_PREPARED"):
                call(prepared)


def test_errors_and_frozen_changes_show_nobody(dmp: FakeDmp, document: CdaDocument) -> None:
    settings = settings_of(dmp)
    with (
        DmpClient(settings, actor=ACTOR, transport=Cut(settings, "after", searches=True)) as client,
        pytest.raises(OutcomeUnknown) as caught,
    ):
        client.delete(document.unique_id, document, status=APPROVED)
    for text in (str(caught.value), repr(caught.value), repr(caught.value.prepared)):
        assert samples.ins().value not in text
        assert samples.traits().birth_name not in text


# --- replacement ------------------------------------------------------------------------------------------------------


def test_a_replacement_is_the_next_version_of_the_same_document(
    establishment: DmpClient, dmp: FakeDmp, document: CdaDocument
) -> None:
    second = samples.discharge_letter().revise(of=document).render(samples.issuer())
    third = samples.discharge_letter().revise(of=second).render(samples.issuer())
    skipping = samples.discharge_letter(set_id=document.set_id, version_number=3, replaces=document.unique_id).render(
        samples.issuer()
    )
    stranger = samples.discharge_letter(
        set_id="1.2.250.1.213.9.2.1.77", version_number=2, replaces=document.unique_id
    ).render(samples.issuer())
    before = len(dmp.requests)
    for wrong, code in ((third, "DMP_REPLACES"), (skipping, "DMP_VERSION"), (stranger, "DMP_VERSION")):
        with pytest.raises(MetadataError) as caught:
            establishment.replace(wrong, of=document)
        assert caught.value.code == code
    assert len(dmp.requests) == before
    assert establishment.replace(second, of=document).outcome is Outcome.ACCEPTED
    assert establishment.replace(third, of=second).outcome is Outcome.ACCEPTED
    assert [present(dmp, d).status for d in (document, second, third)] == ["Deprecated", "Deprecated", "Approved"]


def test_a_replaced_version_is_not_deleted(reader: DmpClient, dmp: FakeDmp, document: CdaDocument) -> None:
    second = samples.discharge_letter().revise(of=document).render(samples.issuer())
    reader.replace(second, of=document)
    with pytest.raises(MetadataError, match="DMP_STATUS"):
        reader.delete(document.unique_id, WHO)
    assert reader.delete(second.unique_id, WHO).outcome is Outcome.ACCEPTED


def test_masked_from_the_start_then_unmasked(reader: DmpClient, dmp: FakeDmp) -> None:
    letter = samples.discharge_letter().render(samples.issuer())
    reader.submit(letter, visibility=(MASKED,))
    reader.unmask(letter.unique_id, WHO)
    assert present(dmp, letter).confidentiality == ("N",)


# --- what the journal learns of feeds ---------------------------------------------------------------------------------


def test_the_journal_learns_of_a_replacement(dmp: FakeDmp, document: CdaDocument) -> None:
    second = samples.discharge_letter().revise(of=document).render(samples.issuer())
    journal = journal_of(document)
    with DmpClient(settings_of(dmp), actor=ACTOR, journal=journal) as client:
        client.replace(second, of=document)
    assert journal.changes == [(document.unique_id, AvailabilityStatus.DEPRECATED)]


@pytest.mark.parametrize(
    ("sha1", "expected"),
    [
        (None, (Outcome.DUPLICATE, "XDSDuplicateUniqueIdInRegistry")),
        ("", (Outcome.DUPLICATE, "XDSDuplicateUniqueIdInRegistry")),
        ("00" * 20, (Outcome.REJECTED, "DMP_OTHER_BYTES")),
    ],
)
def test_a_duplicate_of_other_bytes_is_an_alarm(
    dmp: FakeDmp, document: CdaDocument, sha1: str | None, expected: tuple[Outcome, str]
) -> None:
    """The same bytes by our journal, or a journal that does not keep them: delivered. Other ones: not by us."""
    journal = journal_of(document)
    if sha1 is not None:
        journal.documents[document.unique_id] = replace(journal.documents[document.unique_id], sha1=sha1)
    with DmpClient(settings_of(dmp), actor=ACTOR, journal=journal) as client:
        receipt = client.submit(document)
    assert (receipt.outcome, receipt.code) == expected
    assert receipt.warnings == (("DMP_BYTES_UNVERIFIED",) if sha1 == "" else ())
