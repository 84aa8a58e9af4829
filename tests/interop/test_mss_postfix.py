"""A real SMTP server takes our messages, and refuses what an MSSanté operator refuses.

Postfix runs on loopback with its own folder and no system service; skipped where it is not installed, or not root.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from sunes_sdk._core.retry import RetryKind
from sunes_sdk.cda import CdaDocument, Issuer, UnstructuredDocument
from sunes_sdk.errors import TransportError
from sunes_sdk.model import Mss, MssPatient, Outcome, ReasonClass
from sunes_sdk.mss import MssClient, read_archive
from sunes_sdk.settings import MssSettings
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_mss import PROFESSIONAL, REPLY_TO, SENDER, ReceivedMail
from sunes_sdk.testing.pki import TestPki

PATIENT = f"{samples.ins().value}@patient.mssante.fr"
LIMIT = 200_000
MAIN = """compatibility_level=3.6
queue_directory={d}/queue
data_directory={d}/data
mail_owner=postfix
setgid_group=postdrop
maillog_file_prefixes={d}
maillog_file={d}/postfix.log
mydestination=
local_recipient_maps=
inet_interfaces=127.0.0.1
inet_protocols=ipv4
mynetworks=
alias_maps=
alias_database=
message_size_limit={limit}
mailbox_size_limit=0
virtual_mailbox_limit=0
virtual_mailbox_domains=medecin.mssante.fr patient.mssante.fr hopital-demo.mssante.fr
virtual_mailbox_maps=texthash:{d}/etc/mailboxes
virtual_mailbox_base={d}/mail
virtual_uid_maps=static:{uid}
virtual_gid_maps=static:{gid}
virtual_minimum_uid=1
default_transport=error:5.7.1 domain is not in the MSSante white list
smtpd_tls_security_level=encrypt
smtpd_tls_cert_file={cert}
smtpd_tls_key_file={key}
smtpd_tls_CAfile={ca}
smtpd_tls_mandatory_protocols=>=TLSv1.2
smtpd_tls_ask_ccert=yes
smtpd_tls_req_ccert=yes
smtpd_tls_fingerprint_digest=sha256
smtpd_relay_restrictions=permit_tls_clientcerts, reject
relay_clientcerts=texthash:{d}/etc/relay_clientcerts
smtpd_recipient_restrictions=reject_unlisted_recipient, permit
smtpd_reject_unlisted_recipient=yes
"""
MASTER = """127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Postfix:
    folder: Path
    port: int
    pki: TestPki

    def settings(self, **changes: Any) -> MssSettings:
        values: dict[str, Any] = {
            "host": "localhost", "port": self.port, "tls": self.pki.tls, "sender": SENDER, "mailbox_type": "APP",
            "label": "Hôpital – Médecine", "reply_to": REPLY_TO, "source_id": samples.SOURCE_ID,
            "trusted_domains": ("medecin.mssante.fr", "hopital-demo.mssante.fr", "hors-liste.example"),
        }  # fmt: skip
        return MssSettings(**values | changes)

    def client(self, **changes: Any) -> MssClient:
        return MssClient(samples.settings(mss=self.settings(**changes)), pdf=lambda _: b"%PDF-1.4\n%stub\n")

    def delivered(self, address: str, text: str) -> ReceivedMail:
        """The one mail of a mailbox that holds `text`, waited for."""
        box = self.folder / "mail" / address / "new"
        for _ in range(100):
            contents = [f.read_bytes() for f in box.iterdir()] if box.is_dir() else []
            found = [c for c in contents if text.encode() in c]
            if found:
                (content,) = found
                return ReceivedMail(sender=SENDER, recipient=address, content=content)
            time.sleep(0.1)
        pytest.fail("the mail does not come")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture(scope="module")
def postfix(pki: TestPki) -> Iterator[Postfix]:
    import grp
    import pwd
    import tempfile

    program = shutil.which("postfix") or shutil.which("postfix", path="/usr/sbin")
    if program is None:
        pytest.skip("postfix is not installed")
    if os.geteuid() != 0:
        pytest.skip("postfix needs root")
    user = pwd.getpwnam("postfix")
    grp.getgrnam("postdrop")
    # Short and readable by the postfix user, which pytest's own folders are not.
    folder = Path(tempfile.mkdtemp(prefix="pf"))
    folder.chmod(0o755)
    for name in ("etc", "queue", "data", "mail"):
        (folder / name).mkdir(mode=0o755)
    for name in ("data", "mail"):
        os.chown(folder / name, user.pw_uid, user.pw_gid)
    for source in (pki.server.certificate, pki.server.key, pki.ca_file):
        shutil.copy(source, folder / "etc" / source.name)
    leaf = x509.load_pem_x509_certificates(pki.client.certificate.read_bytes())[0]
    print_ = leaf.fingerprint(hashes.SHA256()).hex(":").upper()
    port = free_port()
    etc = folder / "etc"
    values = {
        "d": folder, "limit": LIMIT, "uid": user.pw_uid, "gid": user.pw_gid, "cert": etc / pki.server.certificate.name,
        "key": etc / pki.server.key.name, "ca": etc / pki.ca_file.name,
    }  # fmt: skip
    (etc / "main.cf").write_text(MAIN.format(**values))
    (etc / "master.cf").write_text(MASTER.format(port=port))
    (etc / "relay_clientcerts").write_text(f"{print_} demo\n")
    boxes = (PROFESSIONAL, PATIENT, SENDER)
    (etc / "mailboxes").write_text("".join(f"{box} {box}/\n" for box in boxes))
    started = subprocess.run([program, "-c", str(etc), "start"], capture_output=True, text=True, check=False)
    try:
        if started.returncode != 0:
            pytest.skip(f"postfix does not start here: {started.stderr[-300:]}")
        _wait(port)
        yield Postfix(folder, port, pki)
    finally:
        subprocess.run([program, "-c", str(etc), "stop"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("postfix does not listen")


def note(body: bytes = b"texte\n.\n..\nFrom la fin\n") -> CdaDocument:
    return UnstructuredDocument(
        patient=samples.patient(), author=samples.physician().at(samples.hospital()), custodian=samples.hospital(),
        stay=samples.stay(), document_type="34112-3", title="Compte rendu", body=body, media_type="text/plain",
    ).render(Issuer(oid_root=samples.DOCUMENT_ROOT))  # fmt: skip


def test_documents_are_delivered_unchanged(postfix: Postfix) -> None:
    document = note()
    with postfix.client() as mss:
        prepared = [mss.prepare(document, d) for d in (Mss(address=PROFESSIONAL), MssPatient())]
        receipts = [mss.send(p) for p in prepared]
    assert [r.outcome for r in receipts] == [Outcome.RELAYED] * 2
    assert [r.code for r in receipts] == ["250 2.0.0"] * 2
    for address, sent in zip((PROFESSIONAL, PATIENT), prepared, strict=True):
        mail = postfix.delivered(address, sent.ids["message_id"])
        # Only trace headers are added in front; line ends are the file system's.
        ours = sent.blobs["message"].replace(b"\r\n", b"\n")
        assert mail.content.endswith(ours)
        assert read_archive(mail.archive, strict=True).documents[0].content == document.content
        assert mail.message["X-MSS-CODECDA"] == "34112-3"


def test_a_delivery_receipt_comes_back(postfix: Postfix) -> None:
    """Postfix takes our NOTIFY, ENVID and ORCPT, and sends the report they ask for."""
    with postfix.client() as mss:
        prepared = mss.prepare(note(), Mss(address=PROFESSIONAL))
        mss.send(prepared)
    report = postfix.delivered(SENDER, prepared.ids["envelope_id"])
    assert report.message.get_content_type() == "multipart/report"
    assert b"Action: delivered" in report.content or b"Action: relayed" in report.content


@pytest.mark.parametrize(
    ("address", "code", "reason"),
    [
        ("inconnu@medecin.mssante.fr", "550 5.1.1", ReasonClass.ADDRESS),
        ("x@hors-liste.example", "550 5.7.1", ReasonClass.ADDRESS),
    ],
)
def test_recipients_are_refused(postfix: Postfix, address: str, code: str, reason: ReasonClass) -> None:
    with postfix.client() as mss:
        receipt = mss.send(mss.prepare(note(), Mss(address=address)))
        assert (receipt.outcome, receipt.code, receipt.reason) == (Outcome.REJECTED, code, reason)
        assert mss.send(mss.prepare(note(), Mss(address=PROFESSIONAL))).outcome is Outcome.RELAYED


def test_too_big_is_refused_before_the_data(postfix: Postfix) -> None:
    with postfix.client() as mss:
        receipt = mss.send(mss.prepare(note(os.urandom(150_000).hex().encode()), Mss(address=PROFESSIONAL)))
    assert (receipt.code, receipt.reason) == ("552 5.3.4", ReasonClass.SIZE)


def test_an_untrusted_client_certificate_is_explained(postfix: Postfix) -> None:
    with postfix.client(tls=postfix.pki.rogue_client.tls(postfix.pki.ca_file)) as mss:
        prepared = mss.prepare(note(), Mss(address=PROFESSIONAL))
        with pytest.raises(TransportError) as e:
            mss.send(prepared)
    # Postfix finishes the handshake, then answers 421 4.7.1 to the next command.
    assert (e.value.code, e.value.sent, e.value.retry.kind) == ("TLS_CLIENT_CERTIFICATE", "no", RetryKind.NEVER)


def test_another_certificate_may_not_send(postfix: Postfix) -> None:
    """Trusted by its chain, but not the one that the operator knows."""
    with postfix.client(tls=postfix.pki.insi_tls) as mss:
        receipt = mss.send(mss.prepare(note(), Mss(address=PROFESSIONAL)))
    assert receipt.outcome is Outcome.REJECTED
