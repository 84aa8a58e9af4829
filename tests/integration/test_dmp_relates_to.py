"""An answer that names another message than ours (WS-Addressing RelatesTo): a warning, and never more than that."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from sunes_sdk._core.clock import SystemClock
from sunes_sdk.dmp import DmpClient, PatientCriteria
from sunes_sdk.dmp.answers import RELATES_TO
from sunes_sdk.errors import SoapFault
from sunes_sdk.model import Outcome
from sunes_sdk.security import vihf
from sunes_sdk.settings import Settings
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.transport import HttpResponse, HttpsTransport

ACTOR = samples.physician().at(samples.hospital())
WHO = samples.patient().identity
RELATION = re.compile(rb"<wsa:RelatesTo>([^<]*)</wsa:RelatesTo>")


class Relating:
    """A transport whose answers name what `written` makes of the message that they answer."""

    def __init__(self, settings: Settings, written: Callable[[bytes], bytes]) -> None:
        assert settings.dmp is not None
        self._https = HttpsTransport(settings.dmp.tls, timeout_seconds=10, clock=SystemClock())
        self._written = written

    def post(self, url: str, body: Any, headers: Mapping[str, str]) -> HttpResponse:
        answer = self._https.post(url, body, headers)
        return HttpResponse(
            answer.status, answer.headers, RELATION.sub(lambda found: self._written(found[1]), answer.body)
        )

    def close(self) -> None:
        self._https.close()


def other(_: bytes) -> bytes:
    return b"<wsa:RelatesTo>urn:uuid:00000000-0000-4000-8000-000000000000</wsa:RelatesTo>"


def none(_: bytes) -> bytes:
    return b""


def bare(message_id: bytes) -> bytes:
    """As a server may write it: without the prefix, in capitals."""
    return b"<wsa:RelatesTo> " + message_id.removeprefix(b"urn:uuid:").upper() + b"\n</wsa:RelatesTo>"


@pytest.fixture
def dmp(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as fake:
        fake.open_dmp(samples.ins(), traits=samples.traits(), attached_to_ens=False)
        fake.authorize(samples.ins())
        yield fake


def client_of(dmp: FakeDmp, written: Callable[[bytes], bytes], **arguments: Any) -> DmpClient:
    settings = samples.settings(dmp=dmp.settings(mode="INDIRECTE_RENFORCEE"))
    return DmpClient(settings, actor=ACTOR, transport=Relating(settings, written), **arguments)


def calls(client: DmpClient) -> Iterator[Any]:
    """What each call that carries warnings gave."""
    letter = samples.discharge_letter().render(samples.issuer())
    yield client.submit(letter)
    yield (found := client.find(WHO))
    yield client.find_submission_sets(WHO)
    yield client.find_since(WHO, datetime(2020, 1, 1, tzinfo=UTC))
    yield client.retrieve(*found, of=WHO)
    yield client.mask(letter.unique_id, WHO)
    yield client.delete(letter.unique_id, WHO)
    yield client.set_authorization(WHO)
    yield client.authorizations(WHO)
    yield client.authorized_patients(datetime(2020, 1, 1, tzinfo=UTC))
    yield (data := client.administrative_data(WHO))
    yield client.update_administrative_data(WHO, data)
    yield client.close_record(WHO)


def test_another_message_is_a_warning_of_every_result(dmp: FakeDmp, caplog: pytest.LogCaptureFixture) -> None:
    with client_of(dmp, other) as client, caplog.at_level(logging.WARNING, "sunes_sdk.dmp"):
        given = list(calls(client))
        for each in given:
            assert set(each.warnings) == {RELATES_TO}
        assert given[0].outcome is Outcome.ACCEPTED_WITH_WARNINGS
        caplog.clear()
        assert client.existence(WHO).found  # it carries no warnings: the log does
        assert dmp.requests[-1].message_id in caplog.text
        assert client.find_entry_uuid("1.2.3", WHO) is None
    assert caplog.text.count(RELATES_TO) == 2
    assert samples.ins().value not in caplog.text


@pytest.mark.parametrize("written", [none, bare])
def test_no_name_and_another_form_of_ours_say_nothing(
    dmp: FakeDmp, written: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    with client_of(dmp, written) as client, caplog.at_level(logging.WARNING, "sunes_sdk.dmp"):
        assert [each.warnings for each in calls(client)] == [()] * 13
    assert RELATES_TO not in caplog.text


def test_of_a_search_by_traits(dmp: FakeDmp) -> None:
    with client_of(dmp, other, purpose=vihf.REGULATION_ACCESS) as client:
        found = client.search_patient(PatientCriteria(family="PAT-TROIS", birth_date="19790328"))
    assert (len(found), found.warnings) == (1, (RELATES_TO,))


def test_a_fault_is_told_with_our_own_message_id(dmp: FakeDmp, caplog: pytest.LogCaptureFixture) -> None:
    dmp.fail_next("DMPSomething", call="ITI-18")
    with (
        client_of(dmp, other) as client,
        caplog.at_level(logging.WARNING, "sunes_sdk.dmp"),
        pytest.raises(SoapFault) as caught,
    ):
        client.find(WHO)
    assert caught.value.request_id == dmp.requests[-1].message_id
    assert RELATES_TO in caplog.text
