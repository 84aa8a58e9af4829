"""MssClient as the outbox sees it, against the fake operator."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.ids import SeededIds
from sunes_sdk._core.retry import RetryKind
from sunes_sdk.cda import CdaDocument, Issuer, UnstructuredDocument
from sunes_sdk.errors import (
    CertificateError,
    ConfigurationError,
    InsError,
    ModelError,
    OutcomeUnknown,
    SunesError,
    ValidationError,
)
from sunes_sdk.model import (
    ChannelKind,
    Dmp,
    Identity,
    IdentityStatus,
    Mss,
    MssPatient,
    Outcome,
    Prepared,
    ReasonClass,
)
from sunes_sdk.mss import MssClient, read_archive
from sunes_sdk.settings import Environment
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_mss import PROFESSIONAL, REPLY_TO, SENDER, FakeMss
from sunes_sdk.testing.pki import TestPki

PDF = b"%PDF-1.4\n%stub\n"
MATRICULE = samples.ins().value
PATIENT = f"{MATRICULE}@patient.mssante.fr"
DOCTOR = Mss(address=PROFESSIONAL)


def source(**changes: Any) -> UnstructuredDocument:
    values: dict[str, Any] = {
        "patient": samples.patient(), "author": samples.physician().at(samples.hospital()),
        "custodian": samples.hospital(), "stay": samples.stay(), "document_type": "34112-3",
        "title": "Compte rendu d’hospitalisation", "body": b"texte", "media_type": "text/plain",
    }  # fmt: skip
    return UnstructuredDocument(**values | changes)


def issuer() -> Issuer:
    return Issuer(oid_root=samples.DOCUMENT_ROOT)


def note(**changes: Any) -> CdaDocument:
    return source(**changes).render(issuer())


def unqualified(status: IdentityStatus = IdentityStatus.VALIDEE) -> CdaDocument:
    return note(patient=samples.patient(identity=Identity(traits=samples.traits(), status=status)))


@pytest.fixture
def fake(pki: TestPki) -> Iterator[FakeMss]:
    with FakeMss(pki) as running:
        yield running


def client(fake: FakeMss, *, options: dict[str, Any] | None = None, **changes: Any) -> MssClient:
    settings = samples.settings(mss=fake.settings(**changes))
    return MssClient(settings, **{"pdf": lambda _: PDF} | (options or {}))


@pytest.fixture
def mss(fake: FakeMss) -> Iterator[MssClient]:
    with client(fake) as running:
        yield running


def test_a_document_reaches_a_professional(fake: FakeMss, mss: MssClient) -> None:
    document = note()
    prepared = mss.prepare(document, DOCTOR)
    receipt = mss.send(prepared)
    assert (receipt.outcome, receipt.channel, receipt.code) == (Outcome.RELAYED, ChannelKind.MSS_PRO, "250 2.0.0")
    assert receipt.unique_id == document.unique_id
    assert receipt.entry_uuid == prepared.ids["entry_uuid"]
    (mail,) = fake.mailbox(PROFESSIONAL)
    assert mail.content == prepared.blobs["message"]
    assert mail.message_id == receipt.request_id == prepared.ids["message_id"]
    assert mail.envelope_id == prepared.ids["envelope_id"]
    assert mail.subject == "XDM/1.0/DDM+CR hospitalier (sejour) PAT-TROIS DOMINIQUE 28/03/1979"
    assert mail.documents == [document.content]
    assert mail.pdfs == {"20260110_CR_hospitalier_sejour_PAT-TROIS_DOMINIQUE.pdf": PDF}
    assert mail.message["X-MSS-INS"] == "O"
    assert mail.message["X-MSS-CODECDA"] == "34112-3"
    assert mail.message["X-MSS-NIL"] == samples.software().nil
    assert mail.message["From"].addresses[0].addr_spec == SENDER
    assert mail.message["Reply-To"].addresses[0].addr_spec == REPLY_TO
    (archived,) = read_archive(mail.archive, strict=True).documents
    assert archived.entry.id == receipt.entry_uuid
    assert archived.entry.action == ""


def test_a_document_reaches_the_patient(fake: FakeMss, mss: MssClient) -> None:
    prepared = mss.prepare(note(), MssPatient())
    receipt = mss.send(prepared)
    assert (receipt.outcome, receipt.channel, prepared.key) == (
        Outcome.RELAYED, ChannelKind.MSS_PATIENT, "mss:patient",
    )  # fmt: skip
    (mail,) = fake.mailbox(PATIENT)
    assert [a.addr_spec for a in mail.message["To"].addresses] == [PATIENT]
    assert mail.message["X-MSS-MES"] is None
    assert mail.message["X-MSS-INS"] == "O"


def test_the_patient_may_be_told_not_to_answer(fake: FakeMss) -> None:
    with client(fake, patient_may_reply=False, ask_read_receipt=True) as mss:
        mss.send(mss.prepare(note(), MssPatient()))
        mss.send(mss.prepare(note(), DOCTOR))
    assert fake.mailbox(PATIENT)[0].message["X-MSS-MES"] == "FIN"
    assert fake.mailbox(PROFESSIONAL)[0].message["X-MSS-MES"] is None
    assert str(fake.mailbox(PROFESSIONAL)[0].message["Disposition-Notification-To"]) == f"<{REPLY_TO}>"


def test_a_stored_message_is_sent_unchanged_by_another_process(fake: FakeMss, mss: MssClient) -> None:
    prepared = mss.prepare(note(), DOCTOR)
    stored = prepared.to_bytes()
    with client(fake) as other:
        other.send(Prepared.from_bytes(stored))
        other.send(Prepared.from_bytes(stored))
    first, second = fake.mailbox(PROFESSIONAL)
    assert first.content == second.content == prepared.blobs["message"]


def test_same_ids_and_clock_same_bytes(fake: FakeMss) -> None:
    document, clock = note(), FixedClock(datetime.now(UTC))
    made = []
    for _ in range(2):
        with client(fake, options={"clock": clock, "ids": SeededIds(7)}) as mss:
            made.append(mss.prepare(document, DOCTOR).to_bytes())
    assert made[0] == made[1]


def test_nothing_shows_the_patient(fake: FakeMss, mss: MssClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # the fake's own library
    prepared = mss.prepare(note(), MssPatient())
    shown = [repr(prepared), prepared.key, prepared.metadata, json.dumps(prepared.ids), repr(mss.send(prepared))]
    fake.cut_after_data()
    with pytest.raises(OutcomeUnknown) as e:
        mss.send(prepared)
    shown += [str(e.value), repr(e.value), repr(e.value.__cause__), repr(mss.reconcile(prepared))]
    fake.fail_next(550, f"5.1.1 <{PATIENT}> inconnu")
    shown.append(repr(mss.send(prepared)))
    shown += [repr(mail) for mail in fake.mails] + [caplog.text]
    assert not [text for text in shown if MATRICULE in text or "PAT-TROIS" in text]


@pytest.mark.parametrize(("destination", "policy"), [(DOCTOR, "at_least_once"), (MssPatient(), "at_most_once")])
def test_a_lost_reply_is_unknown_and_the_policy_travels(
    fake: FakeMss, mss: MssClient, destination: Mss | MssPatient, policy: str
) -> None:
    prepared = mss.prepare(note(), destination)
    fake.cut_after_data()
    with pytest.raises(OutcomeUnknown) as e:
        mss.send(prepared)
    assert e.value.prepared is prepared
    assert e.value.retry.kind is RetryKind.RECONCILE_FIRST
    assert e.value.request_id == prepared.ids["message_id"]
    assert mss.reconcile(prepared).outcome is Outcome.UNKNOWN
    assert json.loads(prepared.metadata)["lost_reply"] == policy
    assert len(fake.mails) == 1


def test_policies_are_settings(fake: FakeMss) -> None:
    with client(fake, professional_policy="at_most_once", patient_policy="at_least_once") as mss:
        assert json.loads(mss.prepare(note(), DOCTOR).metadata)["lost_reply"] == "at_most_once"
        assert json.loads(mss.prepare(note(), MssPatient()).metadata)["lost_reply"] == "at_least_once"


def test_the_recorder_sees_what_left(fake: FakeMss) -> None:
    seen: list[bytes] = []
    with client(fake, options={"recorder": seen.append}) as mss:
        prepared = mss.prepare(note(), DOCTOR)
        assert seen == []
        mss.send(prepared)
    assert seen == [prepared.blobs["message"]]


def test_a_replacement_says_so(fake: FakeMss, mss: MssClient) -> None:
    first = note()
    second = source().revise(of=first, body=b"texte corrige").render(issuer())
    mss.send(mss.prepare(second, DOCTOR))
    (archived,) = read_archive(fake.mailbox(PROFESSIONAL)[0].archive).documents
    assert archived.entry.action == "C"
    assert archived.header is not None
    assert archived.header.replaces is not None
    assert archived.header.replaces.root == first.unique_id


@pytest.mark.parametrize("status", [IdentityStatus.VALIDEE, IdentityStatus.PROVISOIRE])
def test_a_patient_needs_a_qualified_ins(mss: MssClient, status: IdentityStatus) -> None:
    with pytest.raises(InsError) as e:
        mss.prepare(unqualified(status), MssPatient())
    assert e.value.code == "INS_NOT_QUALIFIED"
    assert e.value.hint_fr


@pytest.mark.parametrize(
    "address", ["a@evil.example", "a@evil.medecin.mssante.fr", "a@medecin.mssante.fr.evil.example", "a@mssante.fr"]
)
def test_the_white_list_is_exact(mss: MssClient, address: str) -> None:
    with pytest.raises(ConfigurationError) as e:
        mss.prepare(note(), Mss(address=address))
    assert e.value.code == "MSS_DOMAIN_NOT_TRUSTED"


def test_the_white_list_ignores_case_and_final_dot(mss: MssClient) -> None:
    assert mss.prepare(note(), Mss(address="Jeanne.Dupont@MEDECIN.mssante.fr."))


def test_a_patient_is_never_a_professional(fake: FakeMss) -> None:
    with client(fake, trusted_domains=("patient.mssante.fr",)) as mss, pytest.raises(ConfigurationError) as e:
        mss.prepare(note(), Mss(address=PATIENT))
    assert e.value.code == "MSS_PATIENT_ADDRESS"
    assert MATRICULE not in str(e.value)


def test_a_test_identity_never_reaches_production(fake: FakeMss) -> None:
    settings = samples.settings(mss=fake.settings(), environment=Environment.PRODUCTION)
    with MssClient(settings, pdf=lambda _: PDF) as mss:
        for destination in (DOCTOR, MssPatient()):
            with pytest.raises(InsError) as e:
                mss.prepare(note(), destination)
            assert e.value.code == "ENVIRONMENT_IDENTITY"


def test_an_expired_certificate_stops_everything_before_it_leaves(fake: FakeMss, pki: TestPki) -> None:
    with pytest.raises(CertificateError) as e:
        client(fake, tls=pki.expired_client.tls(pki.ca_file))
    assert e.value.code == "CERTIFICATE_EXPIRED"
    clock = FixedClock(datetime.now(UTC))
    with client(fake, options={"clock": clock}) as mss:
        prepared = mss.prepare(note(), DOCTOR)
        clock.advance(timedelta(days=400))
        for attempt in (lambda: mss.send(prepared), lambda: mss.prepare(note(), DOCTOR)):
            with pytest.raises(CertificateError) as e:
                attempt()
            assert e.value.code == "CERTIFICATE_EXPIRED"
    assert fake.connections == 0


def test_a_message_too_big_is_refused_here(fake: FakeMss, mss: MssClient) -> None:
    heavy = {"pdf": lambda _: b"%PDF-1.4" + bytes(19_000_000)}
    with client(fake, options=heavy) as big, pytest.raises(ValidationError) as e:
        big.prepare(note(), MssPatient())
    assert e.value.code == "MSS_TOO_BIG"
    assert e.value.hint_fr
    size = len(mss.prepare(note(), DOCTOR).blobs["message"])
    with client(fake, max_message_bytes=size + 100) as exact:
        assert exact.prepare(note(), DOCTOR)
    with client(fake, max_message_bytes=size - 100) as exact, pytest.raises(ValidationError):
        exact.prepare(note(), DOCTOR)


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"mailbox_type": "PER", "label": "Hopital"}, ConfigurationError, "MSS_LABEL"),
        ({"reply_to": SENDER}, ConfigurationError, "MSS_REPLY_TO"),
        ({"reply_to": "pas une adresse"}, ModelError, "MSS_ADDRESS"),
        ({"sender": "a@b.fr>\r\nBcc: <x@y.fr"}, ModelError, "MSS_ADDRESS"),
        ({"label": "Hopital\r\nBcc: x@y.fr"}, ModelError, "MSS_HEADER_INJECTION"),
    ],
)
def test_settings_that_cannot_work(fake: FakeMss, changes: dict[str, str], error: type[SunesError], code: str) -> None:
    with pytest.raises(error) as e:
        client(fake, **changes)
    assert e.value.code == code


def test_a_personal_mailbox(fake: FakeMss) -> None:
    label = "Dr_Marie_MARTIN_Cabinet Medical"
    with client(fake, mailbox_type="PER", label=label) as mss:
        mss.send(mss.prepare(note(), DOCTOR))
    assert fake.mailbox(PROFESSIONAL)[0].message["From"].addresses[0].display_name == label


def test_without_nil_nothing_starts(fake: FakeMss) -> None:
    settings = samples.settings(mss=fake.settings(), software=samples.software(nil=None))
    with pytest.raises(ConfigurationError) as e:
        MssClient(settings)
    assert (e.value.code, e.value.path) == ("SETTING_MISSING", "software.nil")


def test_other_destinations_are_refused(mss: MssClient) -> None:
    with pytest.raises(ModelError) as e:
        mss.prepare(note(), Dmp())
    assert e.value.code == "MSS_DESTINATION"


def test_a_patient_name_cannot_inject_a_header(mss: MssClient) -> None:
    traits = samples.traits().model_copy(update={"birth_name": "X\r\nBcc: evil@evil.example"})
    identity = samples.patient().identity.model_copy(update={"traits": traits})
    with pytest.raises(SunesError):
        mss.prepare(note(patient=samples.patient().model_copy(update={"identity": identity})), DOCTOR)


@pytest.mark.parametrize(
    ("address", "code", "reason"),
    [("inconnu@medecin.mssante.fr", "550 5.1.1", ReasonClass.ADDRESS)],
)
def test_a_refusal_is_a_receipt(fake: FakeMss, mss: MssClient, address: str, code: str, reason: ReasonClass) -> None:
    receipt = mss.send(mss.prepare(note(), Mss(address=address)))
    assert (receipt.outcome, receipt.code, receipt.reason) == (Outcome.REJECTED, code, reason)
    assert receipt.retry.kind is RetryKind.NEVER


def test_a_transient_refusal_says_when(fake: FakeMss, mss: MssClient) -> None:
    fake.fail_next(451, "4.3.0 plus tard")
    receipt = mss.send(mss.prepare(note(), DOCTOR))
    assert (receipt.outcome, receipt.reason, receipt.retry.kind) == (
        Outcome.REJECTED, ReasonClass.TRANSIENT, RetryKind.AFTER,
    )  # fmt: skip
    fake.fill(PROFESSIONAL)
    assert mss.send(mss.prepare(note(), DOCTOR)).reason is ReasonClass.MAILBOX


def test_an_operator_that_takes_less_says_size(pki: TestPki) -> None:
    with FakeMss(pki, max_message_bytes=1000) as fake, client(fake) as mss:
        receipt = mss.send(mss.prepare(note(), DOCTOR))
    assert (receipt.code, receipt.reason) == ("552 5.3.4", ReasonClass.SIZE)


# WeasyPrint leaves its colour profile open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_pdf_is_made_from_the_document(fake: FakeMss) -> None:
    """Without `pdf=`, the document's own rendering goes beside the archive."""
    pytest.importorskip("weasyprint")
    with MssClient(samples.settings(mss=fake.settings())) as mss:
        assert mss.send(mss.prepare(note(), DOCTOR)).outcome is Outcome.RELAYED
    (pdf,) = fake.mailbox(PROFESSIONAL)[0].pdfs.values()
    assert pdf.startswith(b"%PDF-1.4")
    assert len(pdf) > 1000
