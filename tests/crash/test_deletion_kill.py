"""A process that deletes is killed (SIGKILL) on each side of the DMP's yes: the ledger is told of it once, or not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sunes_sdk.cli.fakes import to_toml
from sunes_sdk.dmp import AvailabilityStatus, DmpClient
from sunes_sdk.flows import OutboxJournal
from sunes_sdk.model import Dmp, Event, EventType, Outcome
from sunes_sdk.outbox import Outbox
from sunes_sdk.testing import Fakes, TestPki, samples

pytestmark = pytest.mark.crash
ACTOR = samples.physician().at(samples.hospital())
DIES = """
import os, signal, sys
from sunes_sdk.dmp import DmpClient
from sunes_sdk.flows import OutboxJournal
from sunes_sdk.outbox import Outbox
from sunes_sdk.settings import Settings
from sunes_sdk.testing import samples
from sunes_sdk.transport import HttpsTransport

url, toml, unique_id, side = sys.argv[1:]
post = HttpsTransport.post

def dying(self, url, body, headers):
    last = b"SubmitObjectsRequest" in (body if isinstance(body, bytes) else b"".join(body))
    if last and side == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    answer = post(self, url, body, headers)
    if last:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

HttpsTransport.post = dying
actor = samples.physician().at(samples.hospital())
settings = Settings.load(toml)
with Outbox.open(url, {}) as outbox, DmpClient(settings, actor=actor, journal=OutboxJournal(outbox)) as client:
    client.delete(unique_id, samples.patient().identity)
"""


@pytest.mark.parametrize(("side", "made"), [("before", False), ("after", True)])
def test_a_deletion_is_settled_at_the_next_start(pki: TestPki, tmp_path: Path, side: str, made: bool) -> None:
    url, toml = f"sqlite:///{tmp_path / 'outbox.db'}", tmp_path / "sunes.toml"
    document = samples.discharge_letter().render(samples.issuer())
    with Fakes(pki) as fakes:
        toml.write_text(to_toml(fakes.settings))
        with DmpClient(fakes.settings, actor=ACTOR) as dmp, Outbox.open(url, {"dmp": dmp}) as outbox:
            outbox.put(document, to=[Dmp()])
            outbox.run_until_idle()
        run = subprocess.run([sys.executable, "-c", DIES, url, str(toml), document.unique_id, side], timeout=60)
        assert run.returncode == -9
        assert fakes.dmp.versions(document.unique_id)[-1].status == ("Deleted" if made else "Approved")
        told: list[Event] = []
        with Outbox.open(url, {}) as outbox:
            journal = OutboxJournal(outbox)
            with DmpClient(fakes.settings, actor=ACTOR, journal=journal) as client:
                (settled,) = journal.settle(client)
                assert settled.outcome is (Outcome.ACCEPTED if made else Outcome.ABSENT)
                assert journal.settle(client) == ()
            sent = journal.sent(document.unique_id)
            outbox.forward(told.extend)
        assert sent is not None
        assert sent.status is (AvailabilityStatus.DELETED if made else AvailabilityStatus.APPROVED)
        assert [e.type for e in told].count(EventType.DMP_WITHDRAWN) == int(made)
