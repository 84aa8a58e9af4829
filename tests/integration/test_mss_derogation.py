"""Without a qualified INS, a document goes to a professional by an explicit choice only: no matricule, logged,
counted."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from sunes_sdk import flows
from sunes_sdk.cda import CdaDocument, read
from sunes_sdk.errors import InsError, MetadataError
from sunes_sdk.model import ChannelKind, Event, EventType, Identity, IdentityStatus, InsOid, Mss, MssPatient
from sunes_sdk.mss import MssClient
from sunes_sdk.outbox import Outbox
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_mss import PROFESSIONAL, FakeMss
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.usage import Ledger, Period, sent_without_ins

PDF = b"%PDF-1.4\n%stub\n"
MATRICULE = samples.ins().value
DOCTOR = Mss(address=PROFESSIONAL)
DEROGATION = Mss(address=PROFESSIONAL, without_ins=True)
UNQUALIFIED = [s for s in IdentityStatus if s is not IdentityStatus.QUALIFIEE]
EVER = Period(date(2000, 1, 1), date(2100, 1, 1))


def letter(status: IdentityStatus) -> CdaDocument:
    ins = samples.ins() if status in (IdentityStatus.RECUPEREE, IdentityStatus.QUALIFIEE) else None
    patient = samples.patient(identity=Identity(traits=samples.traits(), status=status, ins=ins))
    return samples.discharge_letter(patient=patient).render(samples.issuer())


@pytest.fixture
def fake(pki: TestPki) -> Iterator[FakeMss]:
    with FakeMss(pki) as running:
        yield running


@pytest.fixture
def mss(fake: FakeMss) -> Iterator[MssClient]:
    with client(fake) as running:
        yield running


def client(fake: FakeMss, **changes: Any) -> MssClient:
    return MssClient(samples.settings(mss=fake.settings(**changes)), pdf=lambda _: PDF)


@pytest.mark.parametrize("status", UNQUALIFIED)
def test_by_default_it_is_refused_and_the_error_names_the_explicit_call(
    mss: MssClient, fake: FakeMss, status: IdentityStatus
) -> None:
    for destination in (DOCTOR, MssPatient()):
        with pytest.raises(InsError) as caught:
            mss.prepare(letter(status), destination)
        assert caught.value.code == "INS_NOT_QUALIFIED"
        assert status.value in caught.value.message
        assert ("without_ins=True" in caught.value.hint) == (destination is DOCTOR)
        assert caught.value.hint_fr
    assert fake.mails == []


@pytest.mark.parametrize("status", UNQUALIFIED)
def test_the_explicit_call_sends_it_without_matricule(
    mss: MssClient, fake: FakeMss, status: IdentityStatus, caplog: pytest.LogCaptureFixture
) -> None:
    document = letter(status)
    with caplog.at_level(logging.INFO):
        mss.send(mss.prepare(document, DEROGATION))
    (mail,) = fake.mailbox(PROFESSIONAL)
    assert mail.message["X-MSS-INS"] == "N"
    with ZipFile(BytesIO(mail.archive)) as archive:
        everything = [mail.content, document.content, *map(archive.read, archive.namelist())]
    for content in everything:
        assert MATRICULE.encode() not in content
        assert b"1.2.250.1.213.1.4." not in content.replace(b"1.2.250.1.213.1.4.5.", b"")
    (said,) = [r.getMessage() for r in caplog.records if r.name == "sunes_sdk.mss"]
    assert document.unique_id in said
    assert status.value in said
    for clear in (MATRICULE, "PAT-TROIS", "DOMINIQUE", "1979", PROFESSIONAL, "1234567890121"):
        assert clear not in caplog.text


def test_it_is_for_documents_that_need_it_only(mss: MssClient, fake: FakeMss) -> None:
    with pytest.raises(InsError) as caught:
        mss.prepare(letter(IdentityStatus.QUALIFIEE), DEROGATION)
    assert (caught.value.code, caught.value.path) == ("INS_DEROGATION", "destination.without_ins")
    assert "no derogation is needed" in caught.value.message


def test_a_document_that_shows_an_ins_is_not_called_unqualified(mss: MssClient) -> None:
    shown = dataclasses.replace(letter(IdentityStatus.QUALIFIEE), ins=None, ins_status=IdentityStatus.VALIDEE)
    unqualified = letter(IdentityStatus.VALIDEE)
    content = unqualified.content.replace(samples.VISIT_ROOT.encode(), b"1.2.250.1.213.1.4.8", 1)
    hidden = dataclasses.replace(unqualified, content=content)  # somewhere else than at the patient
    assert content != unqualified.content
    for document in (shown, hidden):
        with pytest.raises(InsError, match="shows an INS that is not qualified"):
            mss.prepare(document, DEROGATION)
        with pytest.raises(InsError, match="INS_NOT_QUALIFIED"):
            mss.prepare(document, DOCTOR)


def test_an_establishment_may_close_it(fake: FakeMss) -> None:
    with client(fake, derogation_without_ins=False) as mss, pytest.raises(InsError) as caught:
        mss.prepare(letter(IdentityStatus.VALIDEE), DEROGATION)
    assert caught.value.code == "INS_DEROGATION"
    assert "mss.derogation_without_ins" in caught.value.hint
    assert caught.value.hint_fr


def test_the_address_is_of_the_patient_whom_the_document_is_about(mss: MssClient) -> None:
    another = samples.ins().model_copy(update={"oid": InsOid.NIR_DEMO})
    about_another = dataclasses.replace(letter(IdentityStatus.QUALIFIEE), ins=another)
    for destination in (DOCTOR, MssPatient()):
        with pytest.raises(MetadataError, match="MSS_PATIENT_MISMATCH"):
            mss.prepare(about_another, destination)


def test_a_received_document_without_ins_needs_it_too(mss: MssClient) -> None:
    received = read(letter(IdentityStatus.PROVISOIRE).content)
    with pytest.raises(InsError, match="INS_NOT_QUALIFIED"):
        mss.prepare(received, DOCTOR)
    assert mss.prepare(received, DEROGATION).key == DOCTOR.key


def test_its_uses_are_counted(mss: MssClient, fake: FakeMss, tmp_path: Path) -> None:
    with (
        Outbox.open(f"sqlite:///{tmp_path / 'outbox.db'}", {"mss": mss}) as outbox,
        Ledger.open(tmp_path / "ledger.db", b"k" * 32) as ledger,
    ):
        outbox.put(letter(IdentityStatus.QUALIFIEE), to=[DOCTOR, MssPatient()])
        for status in (IdentityStatus.PROVISOIRE, IdentityStatus.VALIDEE, IdentityStatus.VALIDEE):
            flows.send_without_ins(letter(status), to=[PROFESSIONAL], outbox=outbox)
        outbox.run_until_idle()
        assert flows.count(outbox, ledger) > 0
        assert sent_without_ins(ledger, EVER) == {IdentityStatus.PROVISOIRE: 1, IdentityStatus.VALIDEE: 2}
        assert sent_without_ins(ledger, Period(date(2000, 1, 1), date(2001, 1, 1))) == {}


def test_attempts_of_one_delivery_are_one_use(tmp_path: Path) -> None:
    def attempt(number: int, delivery: str, **changes: Any) -> Event:
        values: dict[str, Any] = {
            "event_id": f"{delivery}-{number}-{changes}", "type": EventType.MSS_SUBMITTED, "attempt": number,
            "occurred_at": samples.WRITTEN + number * timedelta(days=1), "channel": ChannelKind.MSS_PRO,
            "delivery": delivery, "ins_status": IdentityStatus.PROVISOIRE,
        }  # fmt: skip
        return Event(**values | changes)

    days = [(samples.WRITTEN + n * timedelta(days=1)).date() for n in range(3)]
    with Ledger.open(tmp_path / "ledger.db", b"k" * 32) as ledger:
        ledger.record(
            [
                attempt(2, "a"), attempt(1, "a"), attempt(1, "b", ins_status=IdentityStatus.QUALIFIEE),
                attempt(1, "c", channel=ChannelKind.MSS_PATIENT), attempt(1, "d", type=EventType.MSS_RELAYED),
            ]
        )  # fmt: skip
        assert sent_without_ins(ledger, EVER) == {IdentityStatus.PROVISOIRE: 1}
        assert sent_without_ins(ledger, Period(days[1], days[1])) == {IdentityStatus.PROVISOIRE: 1}
        assert sent_without_ins(ledger, Period(days[2], days[2])) == {}
