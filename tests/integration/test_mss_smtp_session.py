"""SMTP submission against the fake operator: TLS, certificates, cuts at each step."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sunes_sdk._core.retry import RetryKind
from sunes_sdk.errors import CertificateError, TransportError
from sunes_sdk.mss import Envelope, SmtpSubmission
from sunes_sdk.testing.fake_mss import PROFESSIONAL, SENDER, FakeMss
from sunes_sdk.testing.pki import TestPki

MESSAGE = (
    f"Date: Thu, 15 Jan 2026 10:30:00 +0100\r\nFrom: <{SENDER}>\r\nReply-To: <{SENDER}>\r\nTo: <{PROFESSIONAL}>\r\n"
    "Subject: essai\r\nMessage-ID: <1@hopital-demo.mssante.fr>\r\nX-MSS-NIL: N\r\nMIME-Version: 1.0\r\n\r\n"
    ".point\r\n..deux\r\nfin\r\n"
).encode()
ENVELOPE = Envelope(sender=SENDER, recipient=PROFESSIONAL, envelope_id="a+b=c")


@pytest.fixture
def fake(pki: TestPki) -> Iterator[FakeMss]:
    with FakeMss(pki) as running:
        yield running


@pytest.fixture
def submission(fake: FakeMss) -> Iterator[SmtpSubmission]:
    sender = SmtpSubmission(fake.settings())
    yield sender
    sender.close()


def attempt(fake: FakeMss, **changes: Any) -> TransportError:
    sender = SmtpSubmission(fake.settings(**changes))
    with pytest.raises(TransportError) as e:
        sender.submit(ENVELOPE, MESSAGE)
    sender.close()
    assert fake.mails == []
    return e.value


def test_message_arrives_byte_for_byte(fake: FakeMss, submission: SmtpSubmission) -> None:
    seen: list[bytes] = []
    reply = submission.submit(ENVELOPE, MESSAGE, on_sent=seen.append)
    assert reply.accepted
    assert str(reply) == "250 2.0.0"
    (mail,) = fake.mailbox(PROFESSIONAL)
    assert mail.content == MESSAGE
    assert seen == [MESSAGE]
    assert mail.envelope_id == "a+2Bb+3Dc"


def test_without_dsn_no_option_is_sent(pki: TestPki) -> None:
    with FakeMss(pki, dsn=False) as fake:
        sender = SmtpSubmission(fake.settings())
        assert sender.submit(ENVELOPE, MESSAGE).accepted
        assert fake.mailbox(PROFESSIONAL)[0].envelope_id == ""
        sender.close()


def test_one_connection_serves_many_messages(fake: FakeMss, submission: SmtpSubmission) -> None:
    assert all(submission.submit(ENVELOPE, MESSAGE).accepted for _ in range(5))
    unknown = Envelope(sender=SENDER, recipient="x@medecin.mssante.fr", envelope_id="1")
    assert submission.submit(unknown, MESSAGE).code == 550
    assert submission.submit(ENVELOPE, MESSAGE).accepted
    assert (fake.connections, len(fake.mailbox(PROFESSIONAL))) == (1, 6)


def test_threads_have_their_own_connections(fake: FakeMss, submission: SmtpSubmission) -> None:
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(submission.submit(ENVELOPE, MESSAGE))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [r.accepted for r in replies] == [True] * 4
    assert fake.connections == 4


def test_an_idle_connection_closed_by_the_server_is_replaced(fake: FakeMss, submission: SmtpSubmission) -> None:
    assert submission.submit(ENVELOPE, MESSAGE).accepted
    (connection,) = submission._open
    connection._smtp.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]  # it is connected
    assert submission.submit(ENVELOPE, MESSAGE).accepted
    assert (fake.connections, len(fake.mailbox(PROFESSIONAL))) == (2, 2)


def test_server_without_starttls_gets_nothing(pki: TestPki) -> None:
    with FakeMss(pki, starttls=False) as fake:
        error = attempt(fake)
    assert (error.code, error.sent, error.retry.kind) == ("STARTTLS_MISSING", "no", RetryKind.NEVER)


def test_fake_refuses_plaintext(fake: FakeMss) -> None:
    with smtplib.SMTP("localhost", fake.port, local_hostname="x") as clear:
        clear.ehlo()
        assert clear.mail(SENDER)[0] == 530


def test_untrusted_operator_gets_nothing(fake: FakeMss, pki: TestPki, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = TestPki(tmp_path_factory.mktemp("other_pki"))
    error = attempt(fake, tls=pki.client.tls(other.ca_file))
    assert (error.code, error.sent, error.retry.kind) == ("TLS_SERVER_CERTIFICATE", "no", RetryKind.NEVER)


def test_a_refused_client_certificate_is_said_clearly(fake: FakeMss, pki: TestPki) -> None:
    """TLS 1.3 lets our handshake succeed, then the server just closes, as Postfix does: it could be the network."""
    error = attempt(fake, tls=pki.rogue_client.tls(pki.ca_file))
    assert (error.code, error.sent, error.retry.kind) == ("TLS_CLIENT_CERTIFICATE", "no", RetryKind.AFTER)
    assert "certificate" in error.message
    assert error.hint_fr


def test_an_expired_client_certificate_never_connects(fake: FakeMss, pki: TestPki) -> None:
    with pytest.raises(CertificateError) as e:
        SmtpSubmission(fake.settings(tls=pki.expired_client.tls(pki.ca_file)))
    assert e.value.code == "CERTIFICATE_EXPIRED"
    assert fake.connections == 0


@pytest.mark.parametrize("holder", ["rogue_client", "expired_client", None])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_fake_refuses_bad_client_certificates(
    fake: FakeMss, pki: TestPki, holder: str | None, version: ssl.TLSVersion
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pki.ca_file)
    context.maximum_version = version
    if holder:
        issued = getattr(pki, holder)
        context.load_cert_chain(issued.certificate, issued.key)
    with smtplib.SMTP("localhost", fake.port, local_hostname="x") as smtp:
        assert not greeted_over_tls(smtp, context)


def greeted_over_tls(smtp: smtplib.SMTP, context: ssl.SSLContext) -> bool:
    try:
        smtp.starttls(context=context)
        return smtp.ehlo()[0] == 250
    except (ssl.SSLError, smtplib.SMTPServerDisconnected, ConnectionError):
        return False


def test_a_sender_of_another_certificate_is_refused(fake: FakeMss, pki: TestPki) -> None:
    sender = SmtpSubmission(fake.settings(tls=pki.insi_tls))
    reply = sender.submit(ENVELOPE, MESSAGE)
    assert (reply.code, reply.enhanced, reply.stage) == (553, "5.7.1", "MAIL")
    sender.close()


def test_a_cut_before_data_leaves_nothing(fake: FakeMss, submission: SmtpSubmission) -> None:
    fake.cut_before_data()
    with pytest.raises(TransportError) as e:
        submission.submit(ENVELOPE, MESSAGE)
    assert (e.value.sent, e.value.retry.kind) == ("no", RetryKind.SAFE)
    assert fake.mails == []
    assert submission.submit(ENVELOPE, MESSAGE).accepted


def test_a_cut_after_the_final_dot_is_maybe(fake: FakeMss, submission: SmtpSubmission) -> None:
    seen: list[bytes] = []
    fake.cut_after_data()
    with pytest.raises(TransportError) as e:
        submission.submit(ENVELOPE, MESSAGE, on_sent=seen.append)
    assert (e.value.code, e.value.sent, e.value.retry.kind) == ("SMTP_REPLY_LOST", "maybe", RetryKind.RECONCILE_FIRST)
    assert len(fake.mailbox(PROFESSIONAL)) == 1
    assert seen == [MESSAGE]
    assert submission.submit(ENVELOPE, MESSAGE).accepted


def test_nobody_listens(pki: TestPki) -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with FakeMss(pki) as fake:
        error = attempt(fake, port=port)
    assert (error.code, error.sent) == ("SMTP_CONNECT", "no")


def test_a_refusal_at_the_greeting(pki: TestPki, fake: FakeMss) -> None:
    def busy(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"421 4.3.2 trop de connexions\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=busy, args=(server,))
        thread.start()
        sender = SmtpSubmission(fake.settings(host="127.0.0.1", port=server.getsockname()[1]))
        reply = sender.submit(ENVELOPE, MESSAGE)
        thread.join()
    assert (reply.code, reply.enhanced, reply.stage) == (421, "4.3.2", "CONNECT")
    sender.close()


def test_size_is_announced_so_that_nothing_leaves_in_vain(pki: TestPki) -> None:
    with FakeMss(pki, max_message_bytes=100) as fake:
        sender = SmtpSubmission(fake.settings())
        reply = sender.submit(ENVELOPE, MESSAGE)
        assert (reply.code, reply.enhanced, reply.stage) == (552, "5.3.4", "MAIL")
        sender.close()


@pytest.mark.parametrize(
    ("recipient", "code", "enhanced"),
    [
        ("inconnu@medecin.mssante.fr", 550, "5.1.1"),
        ("x@evil.example", 550, "5.7.1"),
        ("x@mssante.fr.evil.example", 550, "5.7.1"),
        ("123@patient.mssante.fr", 550, "5.1.1"),
    ],
)
def test_fake_refuses_recipients(
    fake: FakeMss, submission: SmtpSubmission, recipient: str, code: int, enhanced: str
) -> None:
    reply = submission.submit(Envelope(sender=SENDER, recipient=recipient, envelope_id="1"), MESSAGE)
    assert (reply.code, reply.enhanced, reply.stage) == (code, enhanced, "RCPT")


@pytest.mark.parametrize(("for_good", "code"), [(False, "452 4.2.2"), (True, "552 5.2.2")])
def test_fake_refuses_when_the_mailbox_is_full(
    fake: FakeMss, submission: SmtpSubmission, for_good: bool, code: str
) -> None:
    fake.fill(PROFESSIONAL, for_good=for_good)
    assert str(submission.submit(ENVELOPE, MESSAGE)) == code
    fake.empty(PROFESSIONAL)
    assert submission.submit(ENVELOPE, MESSAGE).accepted


def test_fault_on_demand(fake: FakeMss, submission: SmtpSubmission) -> None:
    fake.fail_next(451, "4.3.0 plus tard", times=2)
    assert [str(submission.submit(ENVELOPE, MESSAGE)) for _ in range(3)] == ["451 4.3.0", "451 4.3.0", "250 2.0.0"]
    assert len(fake.mails) == 1


def test_fake_refuses_a_patient_with_a_professional(fake: FakeMss, pki: TestPki) -> None:
    from sunes_sdk.transport import client_context

    with smtplib.SMTP("localhost", fake.port, local_hostname="x") as smtp:
        smtp.starttls(context=client_context(pki.tls))
        smtp.ehlo()
        smtp.mail(SENDER)
        assert smtp.rcpt(PROFESSIONAL)[0] == 250
        assert smtp.rcpt("279035121518989@patient.mssante.fr")[0] == 554
        smtp.rset()
        smtp.mail(SENDER)
        assert smtp.rcpt("279035121518989@patient.mssante.fr")[0] == 250
        assert smtp.rcpt(PROFESSIONAL)[0] == 554


def test_a_closed_way_out_sends_nothing(fake: FakeMss, submission: SmtpSubmission) -> None:
    submission.submit(ENVELOPE, MESSAGE)
    submission.close()
    with pytest.raises(TransportError) as e:
        submission.submit(ENVELOPE, MESSAGE)
    assert (e.value.code, e.value.sent) == ("CLIENT_CLOSED", "no")
    assert len(fake.mails) == 1
