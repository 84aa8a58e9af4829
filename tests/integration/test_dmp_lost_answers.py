"""Every call that changes something at the DMP, cut after its bytes left: the outcome is unknown, never a mere failure,
and the error says what to ask; asked, the DMP says that the change was made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from sunes_sdk._core.clock import SystemClock
from sunes_sdk._core.retry import RetryKind
from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import AuthorizationAction, DmpClient
from sunes_sdk.errors import OutcomeUnknown, SoapFault, SunesError, TransportError
from sunes_sdk.model import Dmp, Outcome
from sunes_sdk.settings import Settings
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import CallName, FakeDmp
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.transport import HttpResponse, HttpsTransport

ACTOR = samples.physician().at(samples.hospital())
WHO = samples.patient().identity
ACTIONS: Final = ("ProvideAndRegisterDocumentSet", "UpdateDocumentSet", "PRPA_IN201314UV02", "setAuthorization")


class Cutting:
    """A transport under which the DMP's connection drops after it handled a change, and after each call that follows;
    refused: no connection can be had instead."""

    def __init__(self, settings: Settings, dmp: FakeDmp, *, refused: bool = False) -> None:
        assert settings.dmp is not None
        self._https = HttpsTransport(settings.dmp.tls, timeout_seconds=10, clock=SystemClock())
        self._dmp, self._refused, self._cuts = dmp, refused, False

    def post(self, url: str, body: Any, headers: Mapping[str, str]) -> HttpResponse:
        self._cuts |= any(action in headers["Content-Type"] for action in ACTIONS)
        if self._cuts and self._refused:
            raise TransportError("no connection", sent="no", code="CONNECTION")
        if self._cuts:
            self._dmp.cut_after_accept(service=url.rpartition("/")[2])
        return self._https.post(url, body, headers)

    def close(self) -> None:
        self._https.close()


@dataclass(frozen=True)
class World:
    """held: a letter that the DMP holds; following: its next version, which it does not."""

    held: CdaDocument
    following: CdaDocument


@dataclass(frozen=True)
class Change:
    """made: whether the DMP says that it was made; asked: what the error's hint names; first: what comes before."""

    call: CallName
    run: Callable[[DmpClient, World], object]
    made: Callable[[DmpClient, World], bool]
    asked: str = "reconcile(prepared)"
    first: Callable[[DmpClient, World], object] = lambda client, world: None


def visibility(client: DmpClient, world: World) -> frozenset[str]:
    return client.get_documents(WHO, unique_ids=[world.held.unique_id])[-1].visibility


def status(client: DmpClient, world: World) -> str:
    found = client.get_documents(WHO, unique_ids=[world.held.unique_id])
    return found[-1].status.name if found and found[-1].status else ""


CHANGES: Final[dict[str, Change]] = {
    "send": Change(
        "ITI-41",
        lambda c, w: c.send(c.prepare(w.following, Dmp())),
        lambda c, w: c.find_entry_uuid(w.following.unique_id, WHO) is not None,
    ),
    "submit": Change(
        "ITI-41",
        lambda c, w: c.submit(w.following),
        lambda c, w: c.find_entry_uuid(w.following.unique_id, WHO) is not None,
    ),
    "replace": Change(
        "ITI-41",
        lambda c, w: c.replace(w.following, of=w.held),
        lambda c, w: c.find_entry_uuid(w.following.unique_id, WHO) is not None,
    ),
    "delete": Change(
        "ITI-57", lambda c, w: c.delete(w.held.unique_id, WHO), lambda c, w: status(c, w) in ("", "DELETED")
    ),
    "archive": Change(
        "ITI-57", lambda c, w: c.archive(w.held.unique_id, WHO), lambda c, w: status(c, w) == "ARCHIVED"
    ),
    "unarchive": Change(
        "ITI-57",
        lambda c, w: c.unarchive(w.held.unique_id, WHO),
        lambda c, w: status(c, w) == "APPROVED",
        first=lambda c, w: c.archive(w.held.unique_id, WHO),
    ),
    "mask": Change(
        "ITI-57", lambda c, w: c.mask(w.held.unique_id, WHO), lambda c, w: visibility(c, w) == {"MASQUE_PS"}
    ),
    "unmask": Change(
        "ITI-57",
        lambda c, w: c.unmask(w.held.unique_id, WHO),
        lambda c, w: visibility(c, w) == frozenset(),
        first=lambda c, w: c.mask(w.held.unique_id, WHO),
    ),
    "set_patient_visibility": Change(
        "ITI-57",
        lambda c, w: c.set_patient_visibility(w.held.unique_id, WHO, patient=False),
        lambda c, w: visibility(c, w) == {"INVISIBLE_PATIENT"},
    ),
    "set_authorization": Change(
        "TD0.3",
        lambda c, w: c.set_authorization(WHO),
        lambda c, w: c.set_authorization(WHO).already,
        asked="already",
        first=lambda c, w: c.set_authorization(WHO, AuthorizationAction.REMOVE),
    ),
    "update_administrative_data": Change(
        "TD1.3",
        lambda c, w: c.update_administrative_data(
            WHO, replace(c.administrative_data(WHO), opposes_break_glass=True)
        ),
        lambda c, w: c.administrative_data(WHO).opposes_break_glass is True,
        asked="administrative_data",
    ),
    "close_record": Change(
        "TD1.3", lambda c, w: c.close_record(WHO), lambda c, w: not c.existence(WHO).is_open, asked="existence"
    ),
}  # fmt: skip


@pytest.fixture
def dmp(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as fake:
        fake.open_dmp(samples.ins(), traits=samples.traits(), attached_to_ens=False)
        fake.authorize(samples.ins())
        yield fake


@pytest.fixture
def client(dmp: FakeDmp) -> Iterator[DmpClient]:
    """Whose answers arrive."""
    with DmpClient(samples.settings(dmp=dmp.settings(mode="INDIRECTE_RENFORCEE")), actor=ACTOR) as made:
        yield made


@pytest.fixture
def world(client: DmpClient) -> World:
    letter = samples.discharge_letter()
    held = letter.render(samples.issuer())
    assert client.submit(held).outcome is Outcome.ACCEPTED
    return World(held, letter.revise(held).render(samples.issuer()))


def lost(dmp: FakeDmp, client: DmpClient, world: World, change: Change, **how: bool) -> SunesError:
    """The error of a change whose answer does not arrive."""
    change.first(client, world)
    settings = samples.settings(dmp=dmp.settings(mode="INDIRECTE_RENFORCEE"))
    with (
        DmpClient(settings, actor=ACTOR, transport=Cutting(settings, dmp, **how)) as cut,
        pytest.raises(SunesError) as caught,
    ):
        change.run(cut, world)
    return caught.value


@pytest.mark.parametrize("name", CHANGES)
def test_a_cut_after_the_bytes_left_is_an_unknown_outcome(
    dmp: FakeDmp, client: DmpClient, world: World, name: str
) -> None:
    change = CHANGES[name]
    error = lost(dmp, client, world, change)
    assert isinstance(error, OutcomeUnknown), error
    assert (error.code, error.remote_code) == ("OUTCOME_UNKNOWN", "CONNECTION_LOST")
    assert change.asked in error.hint
    assert error.hint_fr
    sent = [r for r in dmp.requests if r.call == change.call]
    assert error.request_id == sent[-1].message_id
    assert not any(secret in str(error) for secret in (samples.ins().value, "PAT-TROIS"))
    assert change.made(client, world)
    if change.asked == "reconcile(prepared)":
        assert client.reconcile(error.prepared).outcome is Outcome.ACCEPTED  # type: ignore[arg-type]  # object there
    else:
        assert error.prepared is None
    safe = RetryKind.SAFE if name == "set_authorization" else RetryKind.RECONCILE_FIRST
    assert error.retry.kind is safe


@pytest.mark.parametrize("name", CHANGES)
def test_when_nothing_left_nothing_is_unknown(dmp: FakeDmp, client: DmpClient, world: World, name: str) -> None:
    error = lost(dmp, client, world, CHANGES[name], refused=True)
    assert isinstance(error, TransportError)
    assert error.sent == "no"
    assert not CHANGES[name].made(client, world)


RECORDS = {name: change for name, change in CHANGES.items() if change.call in ("TD0.3", "TD1.3")}


@pytest.mark.parametrize("how", ["http_503", "empty", "truncated", "html"])
@pytest.mark.parametrize("name", RECORDS)
def test_an_answer_that_cannot_be_read_is_one_too(
    dmp: FakeDmp, client: DmpClient, world: World, name: str, how: Any
) -> None:
    change = RECORDS[name]
    change.first(client, world)
    dmp.spoil_next(how, call=change.call)
    with pytest.raises(OutcomeUnknown):
        change.run(client, world)
    assert change.made(client, world)


@pytest.mark.parametrize("name", RECORDS)
def test_a_refusal_stays_a_refusal(dmp: FakeDmp, client: DmpClient, world: World, name: str) -> None:
    change = RECORDS[name]
    change.first(client, world)
    dmp.fail_next("DMPAccessDeniedByRightsService", call=change.call)
    with pytest.raises(SoapFault) as caught:
        change.run(client, world)
    assert caught.value.remote_code == "DMPAccessDeniedByRightsService"
    assert caught.value.hint_fr
    assert not change.made(client, world)


@pytest.mark.parametrize("call", ["existence", "find_entry_uuid"])
def test_a_lost_question_can_be_asked_again(dmp: FakeDmp, client: DmpClient, call: str) -> None:
    dmp.cut_after_accept(service="patients" if call == "existence" else "registry")
    ask: dict[str, Callable[[], object]] = {
        "existence": lambda: client.existence(WHO), "find_entry_uuid": lambda: client.find_entry_uuid("1.2", WHO),
    }  # fmt: skip
    with pytest.raises(TransportError) as caught:
        ask[call]()
    assert caught.value.retry.kind is RetryKind.SAFE
    ask[call]()


def test_a_delivery_that_cannot_be_asked_about_is_not_safe_to_repeat(
    dmp: FakeDmp, client: DmpClient, world: World
) -> None:
    prepared = client.prepare(world.following, Dmp())
    dmp.cut_search()
    receipt = client.reconcile(prepared)
    assert (receipt.outcome, receipt.retry.kind) == (Outcome.UNKNOWN, RetryKind.RECONCILE_FIRST)
