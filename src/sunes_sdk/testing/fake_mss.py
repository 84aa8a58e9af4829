"""A fake MSSanté operator: real SMTP over STARTTLS with required client certificates, and its checks.

The checks are written from the rules, not from our writer: they parse the mail with the standard library, open the
zip with `zipfile`, and look for what they need in METADATA.XML themselves.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import email.utils
import hashlib
import io
import logging
import re
import ssl
import threading
import unicodedata
import zipfile
import zlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.message import EmailMessage, Message
from functools import cached_property
from typing import Any, Self, cast

from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as SmtpEnvelope
from aiosmtpd.smtp import Session as SmtpSession
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from lxml import etree

from .._core.errors import XmlSecurityError
from .._core.xml import parse
from ..settings import MssSettings
from .pki import TestPki
from .samples import SOURCE_ID

SENDER = "dpi@hopital-demo.mssante.fr"
REPLY_TO = "medecine.interne@hopital-demo.mssante.fr"
PROFESSIONAL = "jeanne.dupont@medecin.mssante.fr"
"""The mailbox of `samples.general_practitioner()`."""
PATIENT_DOMAIN = "patient.mssante.fr"
MAX_BYTES = 25_000_000

_HL7 = {"h": "urn:hl7-org:v3"}
_RIM = {"r": "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"}
_PATIENT_SCHEMES = {
    "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446",
    "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427",
}
_INS_OIDS = {f"1.2.250.1.213.1.4.{n}" for n in (8, 9, 10, 11)}
_MATRICULE = re.compile(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{8}", re.ASCII | re.IGNORECASE)
_DSN_OPTION = re.compile(r"\s(?:NOTIFY|ORCPT)=(\S+)", re.IGNORECASE)
_XTEXT = re.compile(r"(?:rfc822;)?(?:[!-*,-<>-~]|\+[0-9A-F]{2})+", re.ASCII)
_DSN_MAIL = re.compile(r"\s(?:RET|ENVID)=(\S+)", re.IGNORECASE)


class Refused(Exception):
    """What the operator answers instead of taking the message: an SMTP reply line."""


@dataclass(frozen=True, kw_only=True)
class ReceivedMail:
    """A message in a mailbox, as it arrived."""

    sender: str
    recipient: str = field(repr=False)
    content: bytes = field(repr=False)
    envelope_id: str = ""

    @cached_property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.content, policy=email.policy.default)

    @property
    def message_id(self) -> str:
        return str(self.message["Message-ID"])

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def archive(self) -> bytes:
        """The bytes of IHE_XDM.ZIP."""
        return _attachments(self.message)[0][1]

    @property
    def documents(self) -> list[bytes]:
        """The CDA documents of the archive, in order."""
        with zipfile.ZipFile(io.BytesIO(self.archive)) as z:
            return [z.read(name) for name in sorted(z.namelist()) if re.search(r"/DOC\d+\.XML$", name)]

    @property
    def pdfs(self) -> dict[str, bytes]:
        """The PDF attachments by name."""
        return {name: data for name, data in _attachments(self.message) if name.lower().endswith(".pdf")}


@dataclass
class _Fault:
    reply: str
    left: int


class FakeMss:
    """An operator on 127.0.0.1, for one sending mailbox.

    senders: mailboxes that `pki.client`, and no other certificate, may send from; mailboxes: professional mailboxes
    that exist; trusted_domains: the white list. Any patient whose matricule has the right form has a mailbox, unless
    `patients` lists them. dsn: offer the DSN extension; starttls: offer STARTTLS (False: an operator stripped of it).

    Refuses, with the codes of a real server: plaintext (530), a certificate that is unknown or expired (TLS), a
    sender that is not the certificate's (553 5.7.1), an unknown recipient (550 5.1.1), a domain outside the white
    list (550 5.7.1), a message too big (552 5.3.4), a full mailbox (452 4.2.2 / 552 5.2.2), a patient and a
    professional together (554 5.7.1), and any message that breaks a rule of its content (554 5.6.0 / 550 5.7.1).
    """

    def __init__(
        self,
        pki: TestPki,
        *,
        senders: Iterable[str] = (SENDER,),
        mailboxes: Iterable[str] = (PROFESSIONAL, REPLY_TO),
        trusted_domains: Iterable[str] = ("medecin.mssante.fr", "hopital-demo.mssante.fr"),
        patients: Iterable[str] | None = None,
        max_message_bytes: int = MAX_BYTES,
        mailbox_type: str = "APP",
        dsn: bool = True,
        starttls: bool = True,
    ) -> None:
        # aiosmtpd warns at each connection that client certificates are required: here they are meant to be.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        self._pki = pki
        self._owned = {_fingerprint(pki.client.certificate.read_bytes()): {s.lower() for s in senders}}
        self._trusted = {d.lower() for d in trusted_domains}
        self._patients = None if patients is None else {p.lower() for p in patients}
        self._max = max_message_bytes
        self._type = mailbox_type
        self._dsn = dsn
        self._lock = threading.Lock()
        self._mailboxes: dict[str, list[ReceivedMail]] = {m.lower(): [] for m in mailboxes}
        self._full: dict[str, bool] = {}
        self._faults: deque[_Fault] = deque()
        self._cuts = {"before_data": 0, "after_data": 0}
        self.refusals: list[str] = []
        """Reply lines of refusals, in order."""
        self.failures: list[Exception] = []
        self.connections = 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(pki.server.certificate, pki.server.key)
        context.load_verify_locations(pki.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
        self._context = context if starttls else None
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._loop_error)
        self._server = self._loop.run_until_complete(self._loop.create_server(self._protocol, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="fake-mss")
        self._thread.start()

    # --- what a test uses

    def settings(self, **changes: Any) -> MssSettings:
        """The `mss` section that sends to this operator."""
        values: dict[str, Any] = {
            "host": "localhost",
            "port": self.port,
            "tls": self._pki.tls,
            "sender": SENDER,
            "mailbox_type": "APP",
            "label": "Hôpital de démonstration – Médecine interne",
            "reply_to": REPLY_TO,
            "source_id": SOURCE_ID,
            "trusted_domains": tuple(sorted(self._trusted)),
            "patient_domain": PATIENT_DOMAIN,
            "timeout_seconds": 10.0,
        }
        return MssSettings(**values | changes)

    def mailbox(self, address: str) -> list[ReceivedMail]:
        """The messages of a mailbox, oldest first; empty when it got none."""
        with self._lock:
            return list(self._mailboxes.get(address.lower(), ()))

    @property
    def mails(self) -> list[ReceivedMail]:
        """Every message accepted, by mailbox."""
        with self._lock:
            return [mail for mails in self._mailboxes.values() for mail in mails]

    def add_mailbox(self, address: str) -> None:
        with self._lock:
            self._mailboxes.setdefault(address.lower(), [])

    def fill(self, address: str, *, for_good: bool = False) -> None:
        """The mailbox is full: 452 4.2.2, or 552 5.2.2 when `for_good`."""
        self._full[address.lower()] = for_good

    def empty(self, address: str) -> None:
        self._full.pop(address.lower(), None)

    def fail_next(self, code: int, text: str, times: int = 1) -> None:
        """The next `times` messages are refused at the final dot with this reply."""
        with self._lock:
            self._faults.append(_Fault(f"{code} {text}", times))

    def cut_before_data(self, times: int = 1) -> None:
        """The next `times` connections that say DATA drop there: nothing is taken."""
        with self._lock:
            self._cuts["before_data"] += times

    def cut_after_data(self, times: int = 1) -> None:
        """The next `times` messages are taken, then the connection drops without the 250."""
        with self._lock:
            self._cuts["after_data"] += times

    def close(self) -> None:
        """Stop; raises the first exception that a check of the fake itself met."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        if self.failures:
            raise self.failures[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the server

    def _protocol(self) -> SMTP:
        self.connections += 1
        return _Server(
            self, hostname="localhost", ident="FakeMss", tls_context=self._context,
            require_starttls=self._context is not None, data_size_limit=None, loop=self._loop,
            auth_exclude_mechanism=("LOGIN", "PLAIN"),
        )  # fmt: skip

    async def _stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()
        tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def _loop_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None and not isinstance(error, (OSError, ssl.SSLError)):
            self.failures.append(error)

    def take_cut(self, where: str) -> bool:
        with self._lock:
            if not self._cuts[where]:
                return False
            self._cuts[where] -= 1
            return True

    def _next_fault(self) -> str | None:
        with self._lock:
            if not self._faults:
                return None
            fault = self._faults[0]
            fault.left -= 1
            if fault.left <= 0:
                self._faults.popleft()
            return fault.reply

    def _refuse(self, reply: str) -> str:
        self.refusals.append(reply)
        return reply

    # --- aiosmtpd hooks

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: SmtpSession, envelope: SmtpEnvelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        ours = [f"250-SIZE {self._max}", "250-ENHANCEDSTATUSCODES", *(["250-DSN"] if self._dsn else [])]
        kept = [r for r in responses[1:-1] if not r.startswith("250-AUTH")]
        return [responses[0], *ours, *kept, responses[-1]]

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: SmtpSession, envelope: SmtpEnvelope, address: str, options: list[str]
    ) -> str:
        size = next((o.partition("=")[2] for o in options if o.startswith("SIZE=")), "0")
        if int(size) > self._max:
            return self._refuse("552 5.3.4 Message size exceeds fixed limit")
        if address.lower() not in self._owned.get(_presented(server), ()):
            return self._refuse("553 5.7.1 Sender address rejected: not owned by this certificate")
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: SmtpSession, envelope: SmtpEnvelope, address: str, options: list[str]
    ) -> str:
        reply = self._recipient(address.lower(), envelope.rcpt_tos)
        if reply is not None:
            return self._refuse(reply)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    def _recipient(self, address: str, others: list[str]) -> str | None:
        local, _, domain = address.rpartition("@")
        patient = domain == PATIENT_DOMAIN
        if not patient and domain not in self._trusted:
            return "550 5.7.1 Domain is not in the MSSante white list"
        exists = address in self._mailboxes
        if patient:
            exists = bool(_MATRICULE.fullmatch(local)) if self._patients is None else local in self._patients
        if not exists:
            return "550 5.1.1 Recipient address rejected: User unknown"
        if others and (patient or others[0].lower().endswith(f"@{PATIENT_DOMAIN}")):
            return "554 5.7.1 A patient is the only recipient of a message"
        if address in self._full:
            return "552 5.2.2 Mailbox full" if self._full[address] else "452 4.2.2 Mailbox full"
        return None

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: SmtpSession, envelope: SmtpEnvelope
    ) -> str:
        content = cast(bytes, envelope.original_content)
        fault = self._next_fault()
        if fault is not None:
            return self._refuse(fault)
        try:
            check_message(
                content,
                envelope.mail_from or "",
                [str(r) for r in envelope.rcpt_tos],
                mailbox_type=self._type,
                max_bytes=self._max,
            )
        except Refused as refused:
            return self._refuse(str(refused))
        except Exception as e:  # noqa: BLE001  a broken check must fail the test
            self.failures.append(e)
            return "451 4.3.0 the fake server broke"
        with self._lock:
            for recipient in envelope.rcpt_tos:
                self._mailboxes.setdefault(recipient.lower(), []).append(
                    ReceivedMail(
                        sender=envelope.mail_from or "",
                        recipient=recipient,
                        content=content,
                        envelope_id=getattr(session, "envelope_id", ""),
                    )
                )
        if self.take_cut("after_data"):
            _abort(server)
        return "250 2.0.0 Ok: queued"


class _Server(SMTP):
    """aiosmtpd with what it lacks: DSN options, and connections that drop when told to."""

    def __init__(self, fake: FakeMss, **parameters: Any) -> None:
        super().__init__(fake, **parameters)
        self._fake = fake
        self.command_size_limits["MAIL"] += 500
        self.command_size_limits["RCPT"] += 500

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        if arg and self._fake._dsn:
            session = cast(Any, self.session)
            session.envelope_id = next((m[1] for m in re.finditer(r"\sENVID=(\S+)", arg)), "")
            arg = _DSN_MAIL.sub("", arg)
        await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        if arg and self._fake._dsn:
            if not all(map(_XTEXT.fullmatch, _DSN_OPTION.findall(arg))):
                await self.push("501 5.5.4 DSN option is not xtext")
                return
            arg = _DSN_OPTION.sub("", arg)
        await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if self._fake.take_cut("before_data"):
            _abort(self)
            return
        await super().smtp_DATA(arg)


def _abort(server: SMTP) -> None:
    transport = cast(asyncio.Transport, server._original_transport or server.transport)
    transport.abort()


# --- the checks of a message


def check_message(
    content: bytes, sender: str, recipients: list[str], *, mailbox_type: str = "APP", max_bytes: int = MAX_BYTES
) -> None:
    """Raise `Refused` with the reply of an operator, or of Mon espace santé, when a rule is broken."""
    if len(content) > max_bytes:
        raise Refused("552 5.3.4 Message too big")
    head, _, _ = content.partition(b"\r\n\r\n")
    if not head.isascii() or max(map(len, content.split(b"\r\n"))) > 998:
        raise Refused("550 5.6.0 Headers are not ASCII, or a line is over 998 characters")
    message = email.message_from_bytes(content)  # the plain policy: the modern one parses a header at each look
    for part in message.walk():
        part.get_payload(decode=True)  # defects of the encoding show when it is undone
        if part.defects:
            raise Refused(f"550 5.6.0 Malformed message: {type(part.defects[0]).__name__}")
    patient_box = next((r for r in recipients if r.lower().endswith(f"@{PATIENT_DOMAIN}")), "")
    _check_headers(message, head, sender, recipients, mailbox_type, to_patient=bool(patient_box))
    attachments = _attachments(message)
    archives = [data for name, data in attachments if name.upper() == "IHE_XDM.ZIP"]
    codes = message.get("X-MSS-CODECDA")
    if not archives:
        if codes is not None or message.get("X-MSS-INS") is not None:
            raise Refused("550 5.7.1 X-MSS-CODECDA or X-MSS-INS without a CDA")
        return
    if len(archives) > 1:
        raise Refused("554 5.6.0 More than one IHE_XDM.ZIP")
    documents, patient_ids = _check_archive(archives[0])
    if codes is None or str(codes).split(",") != [code for code, _ in documents]:
        raise Refused("550 5.7.1 X-MSS-CODECDA is not the codes of the CDA documents, in their order")
    _check_patient(message, patient_ids, patient_box)
    _check_subject(_raw(head, "Subject"), documents)
    pdfs = [(name, data) for name, data in attachments if name.lower().endswith(".pdf")]
    if len(pdfs) != len(documents):
        raise Refused("554 5.6.0 One PDF for each CDA document is expected")
    for name, data in pdfs:
        if not data.startswith(b"%PDF-1."):
            raise Refused("554 5.6.0 A PDF attachment is not a PDF")
        if not re.fullmatch(r"[0-9]{8}_[0-9A-Za-z_.-]+\.pdf", name):
            raise Refused("554 5.6.0 A PDF is not named <date>_<type>_<NOM>_<prenom>")


def _check_headers(
    message: Message, head: bytes, sender: str, recipients: list[str], mailbox_type: str, *, to_patient: bool
) -> None:
    for name in ("From", "To", "Date", "Message-ID", "Subject", "X-MSS-NIL", "MIME-Version"):
        if len(message.get_all(name, [])) != 1:
            raise Refused(f"550 5.7.1 {name} is absent or repeated")
    if _addresses(message, "From") != [sender.lower()]:
        raise Refused("550 5.7.1 From is not the mailbox of the envelope")
    if sorted(_addresses(message, "To", "Cc")) != sorted(r.lower() for r in recipients):
        raise Refused("550 5.7.1 To is not the recipients of the envelope")
    if not re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", _raw(head, "Message-ID")):
        raise Refused("550 5.7.1 Message-ID is malformed")
    if _raw(head, "Message-ID").rstrip(">").rpartition("@")[2].lower() != sender.rpartition("@")[2].lower():
        raise Refused("550 5.7.1 Message-ID is not of the domain of the sender")
    if not str(message["X-MSS-NIL"]).strip():
        raise Refused("550 5.7.1 X-MSS-NIL is empty")
    if mailbox_type == "APP" and not message.get("Reply-To"):
        raise Refused("550 5.7.1 Reply-To is absent from a message of an application mailbox")
    final = message.get("X-MSS-MES")
    if final is not None and (final != "FIN" or not to_patient):
        raise Refused("550 5.7.1 X-MSS-MES is FIN, to a patient only")


def _check_archive(data: bytes) -> tuple[list[tuple[str, str]], set[str]]:
    """(code, display name) of each CDA, and the patientIds of the metadata."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            if z.testzip() is not None:
                raise Refused("554 5.6.0 IHE_XDM.ZIP is corrupt")
            files = {name: z.read(name) for name in z.namelist() if not name.endswith("/")}
    except (zipfile.BadZipFile, zlib.error, EOFError):
        raise Refused("554 5.6.0 IHE_XDM.ZIP is not a zip that can be read") from None
    metadata = files.get("IHE_XDM/SUBSET01/METADATA.XML")
    if metadata is None or "INDEX.HTM" not in files or "README.TXT" not in files:
        raise Refused("554 5.6.0 IHE_XDM.ZIP lacks METADATA.XML, INDEX.HTM or README.TXT")
    root = _parsed(metadata, "METADATA.XML")
    objects = cast("list[etree._Element]", root.xpath("//r:ExtrinsicObject", namespaces=_RIM))
    if not objects or len(cast("list[Any]", root.xpath("//r:RegistryPackage", namespaces=_RIM))) != 1:
        raise Refused("554 5.6.0 METADATA.XML does not hold one submission set and its documents")
    documents = []
    for each in objects:
        content = files.get(f"IHE_XDM/SUBSET01/{_slot(each, 'URI')}")
        if content is None:
            raise Refused("554 5.6.0 A document of METADATA.XML is not in the archive")
        if _slot(each, "size") != str(len(content)):
            raise Refused("554 5.6.0 The size of a document is not the one of METADATA.XML")
        if _slot(each, "hash").lower() != hashlib.sha1(content, usedforsecurity=False).hexdigest():
            raise Refused("554 5.6.0 The hash of a document is not the one of METADATA.XML")
        cda = _parsed(content, "a document")
        code = cast("list[etree._Element]", cda.xpath("/h:ClinicalDocument/h:code", namespaces=_HL7))
        if not code:
            raise Refused("554 5.6.0 A document is not a CDA")
        documents.append((code[0].get("code", ""), code[0].get("displayName", "")))
    ids = {
        str(e.get("value"))
        for e in cast("list[etree._Element]", root.xpath("//r:ExternalIdentifier", namespaces=_RIM))
        if e.get("identificationScheme") in _PATIENT_SCHEMES
    }
    return documents, ids


def _check_patient(message: Message, patient_ids: set[str], patient_box: str) -> None:
    if len(patient_ids) != 1:
        raise Refused("554 5.6.0 The message is about more than one patient, or none")
    value, _, rest = patient_ids.pop().partition("^^^&")
    national = rest.partition("&")[0] in _INS_OIDS
    qualified = message.get("X-MSS-INS")
    if qualified not in ("O", "N"):
        raise Refused("550 5.7.1 X-MSS-INS is O or N")
    if qualified == "O" and not national:
        raise Refused("550 5.7.1 X-MSS-INS is O and the patient has no INS")
    if patient_box:
        if qualified != "O":
            raise Refused("550 5.7.1 A patient is written to by a qualified INS only")
        if patient_box.rpartition("@")[0].lower() != value.lower():
            raise Refused("550 5.7.1 The patient of the document is not the recipient")


def _check_subject(raw: str, documents: list[tuple[str, str]]) -> None:
    m = re.fullmatch(r"XDM/1\.0/DDM\+(\S.*)", raw)
    if not m:
        raise Refused("550 5.7.1 Subject does not start with XDM/1.0/DDM+")
    expected = f"{len(documents)} documents" if len(documents) > 1 else _plain(documents[0][1])[:40].rstrip()
    if not m[1].startswith(f"{expected} ") or not re.fullmatch(
        r"[A-Z' -]+ \S.*?(?: \d\d/\d\d/\d{4})?", m[1][len(expected) + 1 :]
    ):
        raise Refused("550 5.7.1 Subject is not <label> <NOM> <prenom> <JJ/MM/AAAA>")


def _plain(text: str) -> str:
    for mark, plain in (("’", "'"), ("œ", "oe"), ("Œ", "OE"), ("æ", "ae"), ("–", "-"), ("\u00a0", " ")):
        text = text.replace(mark, plain)
    return " ".join(unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().split())


def _parsed(data: bytes, what: str) -> etree._Element:
    try:
        return parse(data)
    except XmlSecurityError as e:
        raise Refused(f"554 5.6.0 {what} is refused: {e.code}") from None


def _slot(element: etree._Element, name: str) -> str:
    return str(element.xpath("string(r:Slot[@name=$name]/r:ValueList/r:Value)", namespaces=_RIM, name=name))


def _raw(head: bytes, name: str) -> str:
    """The value of a header as it is on the wire, unfolded."""
    unfolded = re.sub(rb"\r\n[ \t]", b" ", head).decode("ascii")
    for line in unfolded.split("\r\n"):
        key, _, value = line.partition(":")
        if key.lower() == name.lower():
            return value.removeprefix(" ")
    return ""


def _addresses(message: Message, *names: str) -> list[str]:
    values = [str(value) for name in names for value in message.get_all(name, [])]
    return [address.lower() for _, address in email.utils.getaddresses(values)]


def _attachments(message: Message) -> list[tuple[str, bytes]]:
    return [
        (part.get_filename() or "", cast(bytes, part.get_payload(decode=True)))
        for part in message.walk()
        if part.get_content_disposition() == "attachment"
    ]


def _fingerprint(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificates(pem)[0].fingerprint(hashes.SHA256())


def _presented(server: SMTP) -> bytes:
    """SHA-256 of the client certificate of a connection, empty before TLS."""
    tls = cast(asyncio.Transport, server.transport).get_extra_info("ssl_object")
    return hashlib.sha256(tls.getpeercert(binary_form=True)).digest() if tls else b""
