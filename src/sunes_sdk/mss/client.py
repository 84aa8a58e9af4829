"""The MSSanté channel: one document, one recipient, one frozen message."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from .._core.clock import Clock, SystemClock
from .._core.errors import (
    ConfigurationError,
    InsError,
    MetadataError,
    ModelError,
    OutcomeUnknown,
    TransportError,
    ValidationError,
)
from .._core.ids import IdFactory, RandomIds
from .._core.retry import RetryAdvice
from ..cda.header import CdaDocument, HeaderPatient
from ..model import (
    ChannelKind,
    Destination,
    Document,
    IdentityStatus,
    Ins,
    InsOid,
    Mss,
    MssPatient,
    Outcome,
    Prepared,
    ReasonClass,
    Receipt,
    Target,
)
from ..settings import MssSettings, Settings
from ..xds import DocumentEntry, check, content_type_of, project, submission_set
from ..xds.datatypes import is_ins
from ..xds.metadata import Submission
from .message import Mail, body_for_patient, body_for_professional, from_field
from .smtp import Envelope, SmtpReply, SmtpSubmission
from .xdm import Emitter, write_archive

Pdf = Callable[[CdaDocument], bytes]
"""Renders a document as PDF/A-1."""
Recorder = Callable[[bytes], None]
"""Is given the exact bytes of each message, once they have left."""
CHANNEL = "mss"
_log = logging.getLogger("sunes_sdk.mss")
_INS_OID = re.compile(rb"(?:%s)(?![0-9.])" % b"|".join(re.escape(oid.encode()) for oid in InsOid))
_ADDRESS = re.compile(r"[!-?A-~]+@[!-?A-~]+", re.ASCII)
_LABEL_PER = re.compile(r"[^_]+(?:_[^_]+)+")


def to_pdf(document: CdaDocument) -> bytes:
    """`cda.pdf.to_pdf`, loaded when first used: it brings a rendering engine with it."""
    from ..cda.pdf import to_pdf as render

    return render(document)


class MssClient:
    """Sends documents by MSSanté. Implements `Channel`. Thread-safe; close it when done.

    pdf: renders the PDF that goes beside the archive; recorder: sees the bytes of each message sent.

    Raises ConfigurationError (`SETTING_MISSING`, `TLS_FILES`, `CERTIFICATE_UNREADABLE`, `MSS_LABEL`, `MSS_REPLY_TO`),
    ModelError `MSS_ADDRESS`, CertificateError (`CERTIFICATE_EXPIRED`, `CERTIFICATE_NOT_YET_VALID`,
    `CERTIFICATE_USAGE`) when the settings cannot work.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        ids: IdFactory | None = None,
        pdf: Pdf = to_pdf,
        recorder: Recorder | None = None,
    ) -> None:
        self._settings = settings
        self._mss = mss = settings.require_mss()
        self._nil = settings.software.nil or ""
        self._clock = clock or SystemClock()
        self._ids = ids or RandomIds()
        self._pdf = pdf
        self._recorder = recorder
        _check_sender(mss)
        self._sender = ascii_address(mss.sender, "mss.sender")
        self._from = from_field(mss.label, self._sender)
        self._reply_to = ascii_address(mss.reply_to, "mss.reply_to")
        self._patient_domain = domain_of(mss.patient_domain)
        self._trusted = frozenset(map(domain_of, mss.trusted_domains)) - {self._patient_domain}
        self._smtp = SmtpSubmission(mss, clock=self._clock)
        self._emitter = Emitter(organization=settings.organization, software=settings.software, contact=mss.label)

    def prepare(self, document: Document, destination: Destination) -> Prepared:
        """Freeze the message, to the last byte, and every identifier in it. Nothing is sent.

        A document whose identity is not qualified goes to a professional by an explicit `Mss(address=…,
        without_ins=True)` only: without matricule, and with a line in the log `sunes_sdk.mss`.

        Raises ConfigurationError `MSS_DOMAIN_NOT_TRUSTED`, InsError (`INS_NOT_QUALIFIED`, `ENVIRONMENT_IDENTITY`,
        `INS_DEROGATION`: not in force, not needed, or the document shows an INS),
        ModelError (`MSS_ADDRESS`, `MSS_HEADER_…`), MetadataError (XDS and XDM codes), CertificateError
        (`CERTIFICATE_EXPIRED`, `CERTIFICATE_NOT_YET_VALID`), ValidationError `MSS_TOO_BIG`.
        """
        if not isinstance(document, CdaDocument):
            raise ModelError(
                "MSSanté carries CDA documents", code="MSS_DOCUMENT", path="document",
                hint="render the document with sunes_sdk.cda",
            )  # fmt: skip
        self._smtp.check_certificate()
        to_patient = isinstance(destination, MssPatient)
        ins: Ins | None = None
        if isinstance(destination, MssPatient):
            ins = self._ins(document, Target.MSS_PATIENT)
            recipient = f"{ins.value}@{self._patient_domain}"  # ECO.2.2.6
        elif isinstance(destination, Mss):
            recipient = self._professional(destination.address)
            if destination.without_ins:
                self._check_derogation(document)
            else:
                ins = self._ins(document, Target.MSS_PROFESSIONAL)
        else:
            raise ModelError("not a destination of MSSanté", code="MSS_DESTINATION", path="destination",
                             hint="give Mss(address=…) or MssPatient()")  # fmt: skip
        now = self._clock.now()
        message_uuid, set_uuid, entry_uuid = (self._ids.uuid() for _ in range(3))
        entry = _entry(document, f"urn:uuid:{entry_uuid}")
        if ins is not None and entry.patient_id != ins.cx:
            raise MetadataError(
                "the CDA header is about another patient than the document", code="MSS_PATIENT_MISMATCH",
                path="recordTarget/patientRole/id", rule="one patient in CDA, metadata and address",
                hint="build the document from the patient it is sent for",
                hint_fr="L'identité du document et celle de l'envoi diffèrent : envoi refusé.",
            )  # fmt: skip
        sending = submission_set(
            entry,
            id=f"urn:uuid:{set_uuid}",
            unique_id=self._ids.oid(self._settings.oids.submissions),
            source_id=self._mss.source_id,
            content_type=content_type_of(document.header),
            submitted_at=now,
        )
        report = check(Submission(submission_set=sending, entries=(entry,)))
        if not report.ok:
            raise MetadataError.from_report(report)
        archive = write_archive([(entry, document.content)], sending, emitter=self._emitter, at=now)
        message_id = f"<{message_uuid}@{self._sender.rpartition('@')[2]}>"
        headers = (document.header,)
        mail = Mail(
            from_value=self._from,
            reply_to=self._reply_to,
            recipient=recipient,
            nil=self._nil,
            message_id=message_id,
            boundary=f"=_{message_uuid.hex}",
            at=now,
            headers=headers,
            qualified=ins is not None and _has_traits(document.header.patient),
            archive=archive,
            pdfs=(self._pdf(document),),
            body=(
                body_for_patient(headers, sender=self._mss.label, may_answer=self._mss.patient_may_reply)
                if to_patient
                else body_for_professional(headers, sender=self._mss.label, reply_to=self._reply_to)
            ),
            final=to_patient and not self._mss.patient_may_reply,
            read_receipt=self._mss.ask_read_receipt,
        )
        message = mail.to_bytes()
        if len(message) > self._mss.max_message_bytes:
            raise ValidationError(
                f"the message has {len(message)} bytes, the operator takes {self._mss.max_message_bytes}",
                code="MSS_TOO_BIG", path="message", rule="25 Mo for the whole message in Mon espace santé",
                hint="lighten the document's images or file; base64 adds 37 %",
                hint_fr="Le message est trop volumineux pour la MSSanté : allégez le document.",
            )  # fmt: skip
        if ins is None:
            _log.warning(
                "document %s is ready for a professional without INS, by derogation: its identity is %s",
                document.unique_id, document.ins_status.value,
            )  # fmt: skip
        return Prepared(
            channel=CHANNEL,
            kind=ChannelKind.MSS_PATIENT if to_patient else ChannelKind.MSS_PRO,
            key=destination.key,
            unique_id=document.unique_id,
            ids={
                "message_id": message_id,
                "envelope_id": str(message_uuid),
                "submission_set": sending.unique_id,
                "submission_set_uuid": sending.id,
                "entry_uuid": entry.id,
            },
            metadata=json.dumps(
                {
                    "lost_reply": self._mss.patient_policy if to_patient else self._mss.professional_policy,
                    "sha256": hashlib.sha256(message).hexdigest(),
                    "size": len(message),
                }
            ),
            # The addresses stay out of what is shown: a patient's address holds the matricule.
            blobs={"envelope": f"{self._sender}\n{recipient}".encode("ascii"), "message": message},
            environment=self._settings.environment,
        )

    def send(self, prepared: Prepared) -> Receipt:
        """One attempt. RELAYED: the operator has the message; REJECTED: it refused, with its code and who mends what.

        Raises CertificateError and ConfigurationError `ENVIRONMENT_PREPARED` before anything leaves, TransportError
        with `sent="no"`, OutcomeUnknown when the connection was lost after the final dot.
        """
        prepared.check_environment(self._settings.environment)
        sender, recipient = prepared.blobs["envelope"].decode("ascii").split("\n")
        envelope = Envelope(sender=sender, recipient=recipient, envelope_id=prepared.ids["envelope_id"])
        try:
            reply = self._smtp.submit(envelope, prepared.blobs["message"], on_sent=self._recorder)
        except TransportError as e:
            if e.sent == "no":
                raise
            raise OutcomeUnknown(
                e.message, prepared=prepared, request_id=prepared.ids["message_id"], code=e.code, rule=e.rule,
                hint=e.hint, hint_fr=e.hint_fr,
            ) from e  # fmt: skip
        if reply.accepted:
            return self._receipt(prepared, Outcome.RELAYED, code=str(reply))
        verdict = judge(reply)
        return self._receipt(
            prepared, Outcome.REJECTED, code=str(reply), reason=verdict.reason, retry=verdict.retry
        )  # fmt: skip

    def reconcile(self, prepared: Prepared) -> Receipt:
        """UNKNOWN, always: SMTP cannot be asked what became of a message.

        `prepared.metadata` says under `lost_reply` what the settings allow then: `at_least_once` or `at_most_once`.
        """
        return self._receipt(prepared, Outcome.UNKNOWN, retry=RetryAdvice.reconcile_first())

    def close(self) -> None:
        self._smtp.close()

    def __enter__(self) -> MssClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _receipt(
        self,
        prepared: Prepared,
        outcome: Outcome,
        *,
        code: str = "",
        reason: ReasonClass | None = None,
        retry: RetryAdvice | None = None,
    ) -> Receipt:
        return Receipt(
            channel=prepared.kind,
            outcome=outcome,
            unique_id=prepared.unique_id,
            at=self._clock.now(),
            request_id=prepared.ids["message_id"],
            code=code,
            reason=reason,
            entry_uuid=prepared.ids["entry_uuid"],
            retry=retry or RetryAdvice.never(),
        )

    def _ins(self, document: CdaDocument, target: Target) -> Ins:
        settings = self._settings
        return document.for_transmission(target, settings.environment, test_people=settings.test_people)

    def _check_derogation(self, document: CdaDocument) -> None:
        """Raises InsError `INS_DEROGATION` when the document may not go without INS."""
        refusal = None
        if not self._mss.derogation_without_ins:
            refusal = ("the derogation is not in force here",
                       "qualify the identity, or review the setting mss.derogation_without_ins",
                       "L'envoi sans INS n'est pas admis par l'établissement.")  # fmt: skip
        elif document.ins_status is IdentityStatus.QUALIFIEE:
            refusal = ("the INS is qualified: no derogation is needed", "leave without_ins out",
                       "L'identité est qualifiée : envoyez le document sans dérogation.")  # fmt: skip
        elif any(is_ins(i.root) for i in document.header.patient.ids) or _INS_OID.search(document.content):
            refusal = ("the document shows an INS that is not qualified", "render it from the unqualified identity",
                       "Le document contient un INS non qualifié : envoi refusé.")  # fmt: skip
        if refusal:
            raise InsError(
                refusal[0], code="INS_DEROGATION", path="destination.without_ins",
                rule="ANS, Transmission de documents CDA en HL7 v2: derogation for an exchange without qualified INS",
                hint=refusal[1], hint_fr=refusal[2],
            )  # fmt: skip

    def _professional(self, address: str) -> str:
        address = ascii_address(address, "destination.address")
        domain = address.rpartition("@")[2]
        if domain == self._patient_domain:
            raise ConfigurationError(
                "a patient is never addressed as a professional", code="MSS_PATIENT_ADDRESS",
                path="destination.address", rule="the address of a patient comes from the qualified INS (ECO.2.2.6)",
                hint="use MssPatient()",
            )  # fmt: skip
        if domain not in self._trusted:
            raise ConfigurationError(
                f"the domain {domain} is not in the white list of the espace de confiance",
                code="MSS_DOMAIN_NOT_TRUSTED", path="destination.address", rule="MSSanté white list, exact match",
                hint="check the address in the Annuaire Santé; add the domain to mss.trusted_domains if it is listed",
                hint_fr="Cette adresse n'est pas une adresse MSSanté connue : envoi refusé.",
            )  # fmt: skip
        return address


def ascii_address(address: str, path: str) -> str:
    """The address with its domain in lower case and IDNA form. Raises ModelError `MSS_ADDRESS`."""
    local, at, domain = address.rpartition("@")
    text = f"{local}@{domain_of(domain)}"
    if not at or not _ADDRESS.fullmatch(text) or any(c in '<>(),;:\\"[]' for c in text):
        raise ModelError(
            "not a mail address in ASCII", code="MSS_ADDRESS", path=path, rule="RFC 5321 §4.1.2, without quoting",
            hint="write local-part@domain", hint_fr="L'adresse MSSanté est mal écrite.",
        )  # fmt: skip
    return text


def domain_of(text: str) -> str:
    """A domain ready for an exact comparison: IDNA form, lower case, no final dot."""
    domain = text.strip().rstrip(".").lower()
    if domain.isascii():
        return domain
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain.casefold()


def _check_sender(mss: MssSettings) -> None:
    if mss.mailbox_type == "PER" and not _LABEL_PER.fullmatch(mss.label):
        raise ConfigurationError(
            "the label of a personal mailbox is <Titre>_<Prénom>_<NOM>_<Entité>, Prénom and NOM at least",
            code="MSS_LABEL", path="mss.label", rule="MSSanté référentiel #2, ECO.2.2.7",
            hint="write Dr_Marie_MARTIN_Cabinet Medical",
        )  # fmt: skip
    if mss.mailbox_type == "APP" and mss.reply_to.lower() == mss.sender.lower():
        raise ConfigurationError(
            "an application's mailbox cannot be the address to answer to", code="MSS_REPLY_TO", path="mss.reply_to",
            rule="MSSanté référentiel #2, ECO.2.2.5", hint="give a person's or a service's mailbox",
        )  # fmt: skip


def _entry(document: CdaDocument, entry_uuid: str) -> DocumentEntry:
    entry = project(document)
    return replace(
        entry,
        id=entry_uuid,
        # Without INS the metadata still need a patient: the local identifier, as a professional may receive such a
        # document (unverified: the volet only shows INS).
        patient_id=entry.patient_id or entry.source_patient_id,
        action="C" if document.replaces else "",
    )


def _has_traits(patient: HeaderPatient) -> bool:
    """`X-MSS-INS: O` wants them beside the INS: birth name, first given name, birth date and sex (ECO.2.4.2)."""
    return all((patient.birth_family, patient.first_given or patient.birth_givens, patient.birth_time, patient.sex))


class Verdict(NamedTuple):
    reason: ReasonClass
    retry: RetryAdvice


RETRY_SECONDS = 900.0
"""After a transient refusal; RFC 5321 §4.5.4.1 asks for at least 30 minutes between hosts that queue, an interactive
sender may come back sooner (our choice)."""
FULL_MAILBOX_SECONDS = 6 * 3600.0
_BY_ENHANCED: tuple[tuple[str, ReasonClass], ...] = (
    ("5.3.4", ReasonClass.SIZE),
    ("5.2.3", ReasonClass.SIZE),
    ("5.2", ReasonClass.MAILBOX),
    ("4.2.2", ReasonClass.MAILBOX),
    ("5.1.7", ReasonClass.CONFIG),
    ("5.1.8", ReasonClass.CONFIG),
    ("5.1", ReasonClass.ADDRESS),
    ("5.6", ReasonClass.DOCUMENT_INVALID),
    ("5.7.0", ReasonClass.AUTH),
    ("5.7.8", ReasonClass.AUTH),
)
_BY_CODE = {
    422: ReasonClass.MAILBOX,
    523: ReasonClass.SIZE,
    530: ReasonClass.AUTH,
    535: ReasonClass.AUTH,
    512: ReasonClass.ADDRESS,
    510: ReasonClass.ADDRESS,
    551: ReasonClass.ADDRESS,
}
_BY_STAGE: dict[str, ReasonClass] = {
    "CONNECT": ReasonClass.CONFIG,
    "EHLO": ReasonClass.CONFIG,
    "STARTTLS": ReasonClass.CONFIG,
    "MAIL": ReasonClass.CONFIG,  # our mailbox, or its certificate
    "RCPT": ReasonClass.ADDRESS,
    "DATA": ReasonClass.CONFIG,
    "END": ReasonClass.DOCUMENT_INVALID,
}


def judge(reply: SmtpReply) -> Verdict:
    """Who has to mend what after a refusal: by RFC 3463 code first, then SMTP code, then the stage it came at."""
    temporary = 400 <= reply.code < 500
    reason = next((r for prefix, r in _BY_ENHANCED if f"{reply.enhanced}.".startswith(f"{prefix}.")), None)
    if reason is None and reply.code == 552:  # over a quota: of the mailbox at RCPT, of a message elsewhere
        reason = ReasonClass.MAILBOX if reply.stage == "RCPT" else ReasonClass.SIZE
    reason = reason or _BY_CODE.get(reply.code)
    if temporary:
        full = reason is ReasonClass.MAILBOX
        seconds = FULL_MAILBOX_SECONDS if full else RETRY_SECONDS
        return Verdict(reason if full and reason else ReasonClass.TRANSIENT, RetryAdvice.after(seconds))
    return Verdict(reason or _BY_STAGE[reply.stage], RetryAdvice.never())
