"""Dot stuffing, xtext, and what each refusal means."""

from __future__ import annotations

import pytest

from sunes_sdk._core.retry import RetryKind
from sunes_sdk.errors import ModelError
from sunes_sdk.model import ReasonClass
from sunes_sdk.mss import SmtpReply
from sunes_sdk.mss.client import ascii_address, domain_of, judge
from sunes_sdk.mss.smtp import _is_certificate_alert, stuffed, xtext


def test_leading_dots_are_doubled() -> None:
    assert stuffed(b".a\r\n.\r\n..b\r\nc.d\r\n") == b"..a\r\n..\r\n...b\r\nc.d\r\n"
    assert stuffed(b"a\r\nb\r\n") == b"a\r\nb\r\n"


def test_xtext() -> None:
    assert xtext("a+b=c d@e.fr") == "a+2Bb+3Dc+20d@e.fr"


@pytest.mark.parametrize(
    ("reply", "reason", "kind"),
    [
        (SmtpReply(550, "5.1.1", "RCPT"), ReasonClass.ADDRESS, RetryKind.NEVER),
        (SmtpReply(550, "5.7.1", "RCPT"), ReasonClass.ADDRESS, RetryKind.NEVER),
        (SmtpReply(550, "", "RCPT"), ReasonClass.ADDRESS, RetryKind.NEVER),
        (SmtpReply(553, "5.7.1", "MAIL"), ReasonClass.CONFIG, RetryKind.NEVER),
        (SmtpReply(552, "5.3.4", "MAIL"), ReasonClass.SIZE, RetryKind.NEVER),
        (SmtpReply(552, "", "MAIL"), ReasonClass.SIZE, RetryKind.NEVER),
        (SmtpReply(552, "5.2.2", "RCPT"), ReasonClass.MAILBOX, RetryKind.NEVER),
        (SmtpReply(552, "", "RCPT"), ReasonClass.MAILBOX, RetryKind.NEVER),
        (SmtpReply(452, "4.2.2", "RCPT"), ReasonClass.MAILBOX, RetryKind.AFTER),
        (SmtpReply(451, "4.3.0", "END"), ReasonClass.TRANSIENT, RetryKind.AFTER),
        (SmtpReply(421, "", "CONNECT"), ReasonClass.TRANSIENT, RetryKind.AFTER),
        (SmtpReply(530, "5.7.0", "MAIL"), ReasonClass.AUTH, RetryKind.NEVER),
        (SmtpReply(535, "", "MAIL"), ReasonClass.AUTH, RetryKind.NEVER),
        (SmtpReply(554, "5.6.0", "END"), ReasonClass.DOCUMENT_INVALID, RetryKind.NEVER),
        (SmtpReply(554, "", "END"), ReasonClass.DOCUMENT_INVALID, RetryKind.NEVER),
        (SmtpReply(550, "5.10.1", "RCPT"), ReasonClass.ADDRESS, RetryKind.NEVER),
    ],
)
def test_refusals(reply: SmtpReply, reason: ReasonClass, kind: RetryKind) -> None:
    verdict = judge(reply)
    assert (verdict.reason, verdict.retry.kind) == (reason, kind)


def test_only_a_250_at_the_end_is_an_acceptance() -> None:
    assert SmtpReply(250, "2.0.0", "END").accepted
    assert not SmtpReply(250, "2.1.5", "RCPT").accepted
    assert not SmtpReply(451, "", "END").accepted


@pytest.mark.parametrize(
    ("text", "domain"),
    [("Medecin.MSSante.fr.", "medecin.mssante.fr"), ("hôpital.mssante.fr", "xn--hpital-ixa.mssante.fr"), ("", "")],
)
def test_domains_are_compared_in_one_form(text: str, domain: str) -> None:
    assert domain_of(text) == domain


def test_addresses() -> None:
    assert ascii_address("Jeanne@Medecin.MSSANTE.fr", "x") == "Jeanne@medecin.mssante.fr"
    for bad in ("", "a", "@b.fr", "é@b.fr", "a b@c.fr", "a@b.fr>\r\nRCPT TO:<x@y.fr", "a,b@c.fr", '"a"@b.fr', "a@"):
        with pytest.raises(ModelError) as e:
            ascii_address(bad, "x")
        assert e.value.code == "MSS_ADDRESS"


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required (_ssl.c:2580)", True),
        ("Connection unexpectedly closed: [SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca (_ssl.c:2580)", True),
        ("[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] sslv3 alert certificate expired (_ssl.c:1006)", True),
        ("[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version (_ssl.c:1006)", False),
        ("Connection unexpectedly closed", False),
        ("[Errno 104] Connection reset by peer", False),
    ],
)
def test_alerts_about_our_certificate(text: str, refused: bool) -> None:
    assert _is_certificate_alert(OSError(text)) is refused
