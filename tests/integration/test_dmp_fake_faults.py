"""The fake DMP fails on demand, for each of its calls, as networks, proxies and servers do."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sunes_sdk._core.errors import OutcomeUnknown, TransportError
from sunes_sdk.dmp import DmpClient
from sunes_sdk.model import Dmp, Outcome
from sunes_sdk.testing import samples
from sunes_sdk.testing.dmp_caller import CallAnswer, DmpCaller
from sunes_sdk.testing.dmp_registry import FIND_DOCUMENTS
from sunes_sdk.testing.fake_dmp import CallName, FakeDmp, Spoiled
from sunes_sdk.testing.pki import TestPki

RIGHTS = "urn:si-dmp-habilitations"
APPROVED = [("$XDSDocumentEntryStatus", "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')")]
CALLS: tuple[CallName, ...] = ("ITI-18", "ITI-43", "TD1.6")


@pytest.fixture
def dmp(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as fake:
        fake.open_dmp(samples.ins())
        fake.authorize(samples.ins())
        yield fake


@pytest.fixture
def caller(dmp: FakeDmp, pki: TestPki) -> Iterator[DmpCaller]:
    with DmpCaller(dmp, pki) as caller:
        yield caller


@pytest.fixture
def client(dmp: FakeDmp) -> Iterator[DmpClient]:
    with DmpClient(samples.settings(dmp=dmp.settings()), actor=samples.physician().at(samples.hospital())) as client:
        client.submit(samples.discharge_letter().render(samples.issuer()))
        yield client


def call(caller: DmpCaller, name: CallName, dmp: FakeDmp) -> CallAnswer:
    if name == "ITI-18":
        return caller.query(FIND_DOCUMENTS, APPROVED)
    if name == "ITI-43":
        return caller.retrieve(*(d.unique_id for d in dmp.documents))
    body = f'<listAuthorizationByPatient xmlns="{RIGHTS}"><mode>TOUTE</mode></listAuthorizationByPatient>'
    return caller.send(f"{RIGHTS}:HabilitationsEndPoint:listAuthorizationByPatient", body)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_fails_as_often_as_planned(client: DmpClient, caller: DmpCaller, dmp: FakeDmp, name: CallName) -> None:
    dmp.fail_next("XDSRegistryBusy", times=2, call=name, text="trop de monde")
    for _ in range(2):
        answer = call(caller, name, dmp)
        assert answer.code.rpartition(":")[2] == "XDSRegistryBusy"
        assert answer.text == "trop de monde"
        assert dmp.requests[-1].call == name
    assert call(caller, name, dmp).status in ("Success", "")
    dmp.fail_next("DMPSomething", call=name)
    assert call(caller, name, dmp).status == "Fault"


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("how", ["html", "http_500", "http_503", "truncated", "empty", "huge"])
def test_an_answer_that_cannot_be_read(
    client: DmpClient, caller: DmpCaller, dmp: FakeDmp, name: CallName, how: Spoiled
) -> None:
    dmp.spoil_next(how, call=name)
    with pytest.raises(TransportError):
        call(caller, name, dmp)
    assert call(caller, name, dmp).status in ("Success", "")


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("how", ["plain_fault", "multipart_fault"])
def test_faults_come_plain_and_packed(
    client: DmpClient, caller: DmpCaller, dmp: FakeDmp, name: CallName, how: Spoiled
) -> None:
    dmp.spoil_next(how, call=name)
    answer = call(caller, name, dmp)
    assert (answer.status, answer.code.rpartition(":")[2]) == ("Fault", "XDSRepositoryError")


def test_a_slow_answer(client: DmpClient, caller: DmpCaller, dmp: FakeDmp) -> None:
    dmp.spoil_next("slow", call="ITI-43", seconds=0.3)
    start = time.perf_counter()
    assert call(caller, "ITI-43", dmp).status == "Success"
    assert time.perf_counter() - start >= 0.3


@pytest.mark.parametrize("name", ["ITI-18", "ITI-43"])
def test_partial_success_and_warnings(client: DmpClient, caller: DmpCaller, dmp: FakeDmp, name: CallName) -> None:
    dmp.partial_next("XDSRegistryError", call=name)
    answer = call(caller, name, dmp)
    assert (answer.status, answer.code) == ("PartialSuccess", "XDSRegistryError")
    dmp.warn_next("XDSExtraMetadataNotSaved", call=name)
    answer = call(caller, name, dmp)
    assert (answer.status, answer.code) == ("Success", "XDSExtraMetadataNotSaved")
    assert call(caller, name, dmp).code == ""


@pytest.mark.parametrize("service", ["registry", "repository", "habilitations"])
@pytest.mark.parametrize("how", ["cut_after_accept", "cut_before_accept", "truncate_answer"])
def test_connections_drop(client: DmpClient, caller: DmpCaller, dmp: FakeDmp, service: str, how: str) -> None:
    calls: dict[str, CallName] = {"registry": "ITI-18", "repository": "ITI-43", "habilitations": "TD1.6"}
    seen = len(dmp.requests)
    getattr(dmp, how)(service=service)
    with pytest.raises(TransportError):
        call(caller, calls[service], dmp)
    assert len(dmp.requests) - seen == (0 if how == "cut_before_accept" else 1)


# --- the feed, by our client ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["html", "truncated", "empty", "http_500", "huge"])
def test_a_feed_whose_answer_is_spoiled_was_accepted(client: DmpClient, dmp: FakeDmp, how: Spoiled) -> None:
    """The client cannot know, asks by DMP_3.1b, and sends no second time."""
    dmp.spoil_next(how)
    prepared = client.prepare(samples.discharge_letter().render(samples.issuer()), Dmp())
    with pytest.raises(OutcomeUnknown):
        client.send(prepared)
    assert client.reconcile(prepared).outcome is Outcome.ACCEPTED
    assert len(dmp.documents) == 2


def test_a_right_answer_of_the_wrong_type_is_read(client: DmpClient, dmp: FakeDmp) -> None:
    dmp.spoil_next("wrong_type")
    assert client.submit(samples.discharge_letter().render(samples.issuer())).outcome is Outcome.ACCEPTED


def test_a_partial_success_of_a_feed_is_neither_taken_nor_refused(client: DmpClient, dmp: FakeDmp) -> None:
    """The fake holds the document: said refused, it would be sent again as a new one."""
    dmp.partial_next("XDSRegistryError")
    prepared = client.prepare(samples.discharge_letter().render(samples.issuer()), Dmp())
    with pytest.raises(OutcomeUnknown):
        client.send(prepared)
    assert client.reconcile(prepared).outcome is Outcome.ACCEPTED
