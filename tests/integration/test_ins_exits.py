"""With the gate shut, no INS leaves: every way out of the library asks it, and asks it before anything else is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest

from sunes_sdk.dmp import DmpClient, DocumentReference
from sunes_sdk.errors import ConfigurationError, InsError, RemoteError
from sunes_sdk.hl7v2 import write_identity
from sunes_sdk.ins import datamatrix
from sunes_sdk.model import Dmp, Document, Environment, Identity, Mss, MssPatient, Prepared, Target
from sunes_sdk.mss import MssClient
from sunes_sdk.testing import Fakes, TestPki, samples
from sunes_sdk.testing.fake_mss import PROFESSIONAL

LETTER = samples.discharge_letter().render(samples.issuer())
WHO = samples.patient()
READ = DocumentReference(unique_id="1.2.3", repository_unique_id="1.2.4")


def asked(call: Callable[[DmpClient], object]) -> Callable[[DmpClient, MssClient], None]:
    """A reading, which the DMP refuses to an establishment once the question is there."""

    def leave(dmp: DmpClient, _: MssClient) -> None:
        with suppress(RemoteError):
            call(dmp)

    return leave


EXITS: dict[str, tuple[Target, Callable[[DmpClient, MssClient], Any]]] = {
    "CDA": (Target.CDA, lambda dmp, mss: samples.discharge_letter().render(samples.issuer())),
    "DMP, existence": (Target.DMP, lambda dmp, mss: dmp.existence(WHO.identity)),
    "DMP, find_entry_uuid": (Target.DMP, lambda dmp, mss: dmp.find_entry_uuid(LETTER.unique_id, WHO.identity)),
    "DMP, find": (Target.DMP, asked(lambda dmp: dmp.find(WHO.identity))),
    "DMP, find_since": (Target.DMP, asked(lambda dmp: dmp.find_since(WHO.identity, datetime(2026, 1, 15, tzinfo=UTC)))),
    "DMP, find_submission_sets": (Target.DMP, asked(lambda dmp: dmp.find_submission_sets(WHO.identity))),
    "DMP, get_documents": (Target.DMP, asked(lambda dmp: dmp.get_documents(WHO.identity, unique_ids=["1.2.3"]))),
    "DMP, retrieve": (Target.DMP, asked(lambda dmp: dmp.retrieve(READ, of=WHO.identity))),
    "DMP, submit": (Target.DMP, lambda dmp, mss: dmp.submit(LETTER)),
    "DMP, prepare": (Target.DMP, lambda dmp, mss: dmp.prepare(LETTER, Dmp())),
    "mail to a professional": (
        Target.MSS_PROFESSIONAL,
        lambda dmp, mss: mss.prepare(LETTER, Mss(address=PROFESSIONAL)),
    ),
    "mail to the patient": (Target.MSS_PATIENT, lambda dmp, mss: mss.prepare(LETTER, MssPatient())),
    "HL7 v2": (Target.HL7V2, lambda dmp, mss: write_identity(WHO, environment=Environment.FAKE)),
    "label": (Target.LABEL, lambda dmp, mss: datamatrix.encode(WHO.identity, Environment.FAKE)),
}


@pytest.fixture
def fakes(pki: TestPki) -> Iterator[Fakes]:
    with Fakes(pki) as running:
        yield running


@pytest.mark.parametrize("way", EXITS)
def test_every_way_out_asks_the_gate(way: str, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    target, leave = EXITS[way]
    asked = []

    def shut(_: object, target: Target, environment: Environment, **__: object) -> NoReturn:
        asked.append((target, environment))
        raise InsError("shut", code="SHUT")

    with (
        DmpClient(fakes.settings, actor=samples.physician().at(samples.hospital())) as dmp,
        MssClient(fakes.settings, pdf=lambda _: b"%PDF-1.4\n") as mss,
    ):
        leave(dmp, mss)  # open, it leaves
        before = len(fakes.dmp.requests)
        assert before or not way.startswith("DMP") or way == "DMP, prepare"
        monkeypatch.setattr(Identity, "for_transmission", shut)
        monkeypatch.setattr(Document, "for_transmission", shut)
        with pytest.raises(InsError, match="SHUT"):
            leave(dmp, mss)
    assert asked == [(target, Environment.FAKE)]
    assert len(fakes.dmp.requests) == before
    assert fakes.mss.mails == []


def test_what_waits_for_one_environment_never_leaves_for_another(fakes: Fakes) -> None:
    production = fakes.settings.model_copy(update={"environment": Environment.PRODUCTION})
    actor = samples.physician().at(samples.hospital())
    with DmpClient(fakes.settings, actor=actor) as dmp, MssClient(fakes.settings, pdf=lambda _: b"%PDF-1.4\n") as mss:
        waiting = dmp.prepare(LETTER, Dmp()), mss.prepare(LETTER, MssPatient())
    stored_dmp, stored_mss = (Prepared.from_bytes(each.to_bytes()) for each in waiting)
    assert (stored_dmp, stored_mss) == waiting
    with DmpClient(production, actor=actor) as dmp, MssClient(production, pdf=lambda _: b"%PDF-1.4\n") as mss:
        for leave, what in (
            (dmp.send, stored_dmp), (dmp.reconcile, stored_dmp), (mss.send, stored_mss),
            (mss.send, replace(stored_mss, environment=None)),
        ):  # fmt: skip
            with pytest.raises(ConfigurationError, match="ENVIRONMENT_PREPARED"):
                leave(what)
    assert fakes.dmp.requests == []
    assert fakes.mss.mails == []
