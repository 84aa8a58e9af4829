"""An establishment deletes what its outbox delivered: the outbox and a table of changes know the present status."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sunes_sdk.dmp import AvailabilityStatus, DmpClient
from sunes_sdk.errors import MetadataError
from sunes_sdk.flows import OutboxJournal
from sunes_sdk.model import Dmp, Outcome
from sunes_sdk.outbox import Outbox
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import TestPki

ACTOR = samples.physician().at(samples.hospital())


@pytest.fixture
def dmp(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as fake:
        fake.open_dmp(samples.ins())
        yield fake


def test_what_the_outbox_delivered_is_deleted_once(dmp: FakeDmp, tmp_path: Path) -> None:
    settings = samples.settings(dmp=dmp.settings())
    changes: dict[str, str] = {}
    letter = samples.discharge_letter().render(samples.issuer())
    with (
        DmpClient(settings, actor=ACTOR) as channel,
        Outbox.open(f"sqlite:///{tmp_path / 'outbox.db'}", {"dmp": channel}) as outbox,
    ):
        journal = OutboxJournal(outbox, changes)
        outbox.put(letter, to=[Dmp()])
        with DmpClient(settings, actor=ACTOR, journal=journal) as client:
            with pytest.raises(MetadataError, match="DMP_STATUS_UNKNOWN"):  # it waits
                client.delete(letter.unique_id, letter)
            outbox.run_until_idle()
            sent = journal.sent(letter.unique_id)
            assert sent is not None
            assert sent.status is AvailabilityStatus.APPROVED
            assert client.delete(letter.unique_id, letter).outcome is Outcome.ACCEPTED
            with pytest.raises(MetadataError, match="DMP_STATUS"):
                client.delete(letter.unique_id, letter)
        assert OutboxJournal(outbox, changes).sent("1.2.3") is None
    assert changes == {letter.unique_id: AvailabilityStatus.DELETED.value}
    assert dmp.versions(letter.unique_id)[-1].status == "Deleted"
