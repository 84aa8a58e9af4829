"""The DMP, by default in establishment mode (`INDIRECTE`): each transaction is one call of `DmpClient`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from pydantic_core import to_json

from .. import xds
from .._core.clock import Clock, SystemClock
from .._core.errors import (
    CdaError,
    ConfigurationError,
    DmpError,
    InsError,
    MetadataError,
    OutcomeUnknown,
    SoapFault,
    TransportError,
)
from .._core.findings import Report
from .._core.ids import IdFactory, RandomIds
from .._core.retry import RetryAdvice, RetryKind
from ..cda.header import CdaDocument
from ..model import (
    Actor,
    ChannelKind,
    Code,
    Destination,
    Dmp,
    Document,
    Identity,
    Ins,
    Organization,
    Outcome,
    Prepared,
    Receipt,
    Target,
)
from ..security import vihf
from ..security.configured import certificates_report, require_certificates, signer_of, trust_of
from ..security.keys import CertificateUsage, check_certificate, check_dates, holder_of
from ..security.signer import Renewable, Signer
from ..security.vihf import AssertionCache
from ..settings import DmpSettings, Environment, Settings
from ..transport.https import HttpsTransport
from ..transport.seam import Body, Transport
from ..transport.soap import SoapAnswer, names_another, read_answer
from ..xds import AvailabilityStatus, query
from ..xds.query import DocumentFilter, SubmissionSetFilter
from . import rights, td02, td21, td31, td31b, td32, td33
from .administration import Administration
from .answers import (
    LISTING,
    RELATES_TO,
    RULINGS,
    Refusal,
    Results,
    error_of,
    explain,
    fault_of_failure,
    read_response,
    refusal_of,
    refusal_of_fault,
    refusal_told,
)
from .changes import acknowledged, delivered
from .journal import SubmissionJournal, document_of, noted
from .life_cycle import Encode, LifeCycle, is_update
from .rights import Mode, Transaction
from .td02 import Existence
from .td03 import AuthorizationAction, AuthorizationAnswer
from .td04 import AuthorizedPatient, Since
from .td05 import FoundPatient, PatientCriteria
from .td09 import WebPage
from .td13 import AdministrativeData, RecordState
from .td16 import AuthorizationMode, PatientAuthorization
from .td31 import FoundDocument, FoundSubmissionSet
from .td32 import DocumentReference, RetrievedDocument
from .user import VihfUser, author_of_actor, check_author, user_of

DUPLICATE_CODE = "XDSDuplicateUniqueIdInRegistry"
OTHER_BYTES = "DMP_OTHER_BYTES"
"""Code of a Receipt: the DMP holds this uniqueId, and our journal says that other bytes were sent under it."""
BYTES_UNVERIFIED = "DMP_BYTES_UNVERIFIED"
"""Warning of a Receipt: the DMP holds this uniqueId, and no journal says that these are its bytes. A document that was
changed under a uniqueId already sent is not in the DMP: a new version has its own."""
OTHER_STRUCTURE = "DMP_OTHER_STRUCTURE"
"""Warning of a Receipt: the document is kept by another structure than the one that sends it."""
REPLACED_ABSENT = "DMP_REPLACED_ABSENT"
"""Warning of a Receipt: the version to replace is not in the DMP, the document went as a new one."""


class DmpClient:
    """A `Channel` to the DMP. Thread-safe; use as a context manager.

    signer: the ORG_SIGN key, by default that of `settings.dmp.signing`; actor: the professional and structure in whose
    name the calls are made (VIHF user, author of the submission sets); transport: mutual TLS with ORG_AUTH_CLI by
    default; purpose, secret: purpose of use of its calls (`vihf.EMERGENCY_ACCESS`…), secret connection of a minor;
    journal: what was sent, for the present status of documents that the mode may not read.

    Raises ConfigurationError (a missing setting or file) and CertificateError (expired, swapped, of two structures, of
    another holder than the mode needs, revoked) at construction.
    """

    name = "dmp"

    def __init__(
        self,
        settings: Settings,
        *,
        actor: Actor,
        signer: Signer | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        ids: IdFactory | None = None,
        journal: SubmissionJournal | None = None,
        purpose: Code = vihf.NORMAL_ACCESS,
        secret: bool = False,
    ) -> None:
        self._settings = settings
        self._dmp: DmpSettings = settings.require_dmp()
        self._clock = clock or SystemClock()
        self._ids = ids or RandomIds()
        self._purpose, self._secret = purpose, secret
        self._trust = trust_of(self._dmp.trust, clock=self._clock)
        self._signer = signer or signer_of(self._dmp.signing, clock=self._clock, trust=self._trust)
        self._certificate = x509.load_der_x509_certificate(self._signer.certificate_der)
        check_certificate(self._certificate, clock=self._clock, usage=CertificateUsage.SIGNATURE, path="signer")
        self._holder = holder_of(self._certificate)[1]
        self._tls = self._dmp.tls if transport is None else None
        if self._tls is not None:
            require_certificates(self._signer, self._tls, mode=self._dmp.mode, clock=self._clock, trust=self._trust)
        self._assertions = AssertionCache(self._dmp.vihf_reuse_seconds)
        self._transport = transport or HttpsTransport(
            self._dmp.tls, timeout_seconds=self._dmp.timeout_seconds, clock=self._clock
        )
        self._user = user_of(actor, self._dmp)
        self._user_json: dict[str, Any] = json.loads(to_json(self._user.to_json()))  # with lists, as it is read back
        self._author = author_of_actor(actor)
        self._organization = actor.organization
        self._caller = rights.caller_of(self._dmp.mode, actor)
        base = self._dmp.base_url.rstrip("/")
        self._repository, self._registry, self._patients = (
            f"{base}/{path.lstrip('/')}"
            for path in (self._dmp.paths.repository, self._dmp.paths.registry, self._dmp.paths.patients)
        )
        self._administration = Administration(
            settings=settings,
            user=self._user,
            caller=self._caller,
            author=self._author,
            purpose=purpose,
            ids=self._ids,
            clock=self._clock,
            gate=self._ins,
            consult=self._consult,
            change=self._change,
        )
        self._journal = journal
        self._life_cycle = LifeCycle(
            settings=settings,
            user=self._user,
            caller=self._caller,
            author=self._author,
            ids=self._ids,
            clock=self._clock,
            entry_uuids=self._entry_uuids,
            consult=partial(self._consult, self._registry),
            update=partial(self._change, self._registry),
            journal=journal,
        )

    def certificates(self) -> Report:
        """What there is to say of the certificates, for a daily look: expiry near (`expiry_warning_days`), renewed
        files that cannot be used, two holders, trust and revocation where `settings.dmp.trust` is set.
        """
        return certificates_report(
            self._signer,
            self._tls,
            clock=self._clock,
            days=self._dmp.expiry_warning_days,
            trust=self._trust,
        )

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # --- TD0.2 ----------------------------------------------------------------------------------------------------

    def existence(self, of: Identity) -> Existence:
        """TD0.2: does this patient's DMP exist, and is it open?

        Raises InsError (`INS_NOT_QUALIFIED`, `ENVIRONMENT_IDENTITY`), CertificateError, SoapFault, DmpError
        (`DMP_TD02`; `DMP_PATIENT_MISMATCH`: the answer is about somebody else), TransportError.
        """
        ins = self._ins(of)
        request = td02.body(
            ins,
            device_oid=self._dmp.device_oid,
            software=self._settings.software.name,
            message_uuid=str(self._ids.uuid()),
            query_uuid=str(self._ids.uuid()),
            at=self._now(),
            production=self._settings.environment is Environment.PRODUCTION,
        )
        return td02.decode(self._consult(self._patients, partial(td02.encode, request), ins.cx).body, ins)

    # --- TD2.1 ----------------------------------------------------------------------------------------------------

    def submit(self, document: Document, *, visibility: tuple[Code, ...] | None = None) -> Receipt:
        """Feed the DMP with a document: prepare, send, and when the outcome is unknown ask (DMP_3.1b), then send once
        more if the DMP does not hold it.

        visibility: codes of JDV_J58 beside the document's own (`MASKED`, `INVISIBLE`); None, those that the journal
        knows of the version that it replaces: what was masked stays so.
        Raises what `prepare` raises; TransportError(sent="no"); OutcomeUnknown when even the question had no answer.
        """
        return delivered(self.send, self.reconcile, self._prepare(document, Dmp(), visibility))

    def replace(
        self, document: Document, *, of: Receipt | Document, visibility: tuple[Code, ...] | None = None
    ) -> Receipt:
        """As `submit`, for a version that replaces the one of receipt `of`, or the document `of`.

        The entryUUID to replace is asked for at each attempt: the DMP changes it with each change of metadata.
        Raises MetadataError `DMP_REPLACES` when the document does not say that it replaces that version, `DMP_VERSION`
        when it is not the next version of the same document (its setId and versionNumber), `DMP_REPLACES_PATIENT` when
        `of` is a document of another INS.
        """
        td21.check_replaces(document, of)
        if isinstance(of, Document) and self._is_another(of, document):
            raise MetadataError(
                "the document to replace is under another INS: it would stay there", code="DMP_REPLACES_PATIENT",
                path="of", rule="a version replaces another in one patient's DMP",
                hint="delete() it from the other DMP, then submit() this one as a new document; if it is the same "
                "person's former INS, submit() this version as it is",
                hint_fr="Le document à remplacer est dans le DMP d'une autre identité : l'y supprimer d'abord.",
            )  # fmt: skip
        return self.submit(document, visibility=visibility)

    def _is_another(self, of: Document, document: Document) -> bool:
        """Whether a document could be in the DMP of another INS; one that was not qualified is in none."""
        try:
            before = self._ins(of)
        except InsError:
            return False
        return before != self._ins(document)

    def prepare(self, document: Document, destination: Destination) -> Prepared:
        """Freeze a delivery: the document's bytes, the signed set, its metadata, every identifier and time. No I/O.

        Raises InsError (`INS_NOT_QUALIFIED`, `ENVIRONMENT_IDENTITY`); CertificateError;
        MetadataError (`DMP_PATIENT_MISMATCH`, `DMP_AUTHOR_VIHF`, `DMP_NOT_CDA`, `XDS_*`); CdaError when the document's
        own check finds an error.
        """
        return self._prepare(document, destination, None)

    def _prepare(self, document: Document, destination: Destination, visibility: tuple[Code, ...] | None) -> Prepared:
        now = self._now()
        cda = _cda(document)
        ins = self._ins(cda)
        check_author(self._author, self._user)
        _check_document(cda)
        entry = xds.project(cda, visibility=self._visibility(cda) if visibility is None else visibility)
        if entry.patient_id != ins.cx:
            raise MetadataError(
                "the CDA header is about another patient than the document", code="DMP_PATIENT_MISMATCH",
                path="recordTarget/patientRole/id", rule="one patient in CDA, metadata and VIHF",
                hint="build the document from the patient it is sent for",
                hint_fr="L'identité du document et celle de l'envoi diffèrent : envoi refusé.",
            )  # fmt: skip
        root = self._settings.oids.submissions
        set_id, signature_id = self._ids.oid(root), self._ids.oid(root)
        submission_set = xds.submission_set(
            entry,
            id=td21.SET_ID,
            unique_id=set_id,
            source_id=self._dmp.source_id,
            content_type=xds.content_type_of(cda.header),
            submitted_at=now,
            author=self._author,
        )
        signed = td21.sign(
            entry,
            submission_set,
            cda.content,
            canonical=cda.canonical(),
            signer=self._signer,
            submitted_at=now,
            signature_unique_id=signature_id,
            signature_id=f"_{self._ids.uuid()}",
            digest=self._dmp.xades_digest,
        )
        report = xds.check_dmp(signed.submission, together=self._dmp.mask_and_hide)
        if not report.ok:
            raise MetadataError.from_report(report)
        metadata = {
            "ins": ins.cx,
            "mime_type": entry.mime_type,
            "replaces": document.replaces or "",
            "user": self._user_json,
            "holder": self._holder,
            "warnings": [] if self._is_own(cda.organization) else [OTHER_STRUCTURE],
        }
        return Prepared(
            channel=self.name,
            kind=ChannelKind.DMP,
            key=f"{destination.key}:{document.unique_id}",
            unique_id=document.unique_id,
            ids={"submission_set": set_id, "signature": signature_id},
            metadata=to_json(metadata).decode(),
            blobs={
                "document": cda.content,
                "ebrim": xds.encode(signed.submission, xds.DMP).encode(),
                "signature": signed.signature,
            },
            environment=self._settings.environment,
        )

    def _is_own(self, custodian: Organization | None) -> bool:
        """Whether the structure that keeps a document is the one in whose name it is sent, or of its legal entity."""
        own = self._organization
        return custodian is None or (
            custodian.national_id in (own.national_id, self._user.structure_id)
            or (custodian.finess_ej is not None and custodian.finess_ej == own.finess_ej)
        )

    def _visibility(self, document: Document) -> tuple[Code, ...]:
        """Of the version that a document replaces, as far as the journal knows."""
        replaced = self._journal.sent(document.replaces) if self._journal and document.replaces else None
        return tuple(code for code in td33.VISIBILITY if replaced and code.code in replaced.visibility)

    def send(self, prepared: Prepared) -> Receipt:
        """One attempt, in a fresh envelope: ACCEPTED, ACCEPTED_WITH_WARNINGS, DUPLICATE or REJECTED.

        DUPLICATE: the DMP already holds this uniqueId, by an earlier attempt. When the journal knows other bytes under
        it that is REJECTED, `DMP_OTHER_BYTES`; when none knows its bytes it has the warning `DMP_BYTES_UNVERIFIED`. A
        document that replaces a version the DMP does not hold goes as a new one, with the warning
        `DMP_REPLACED_ABSENT`; one that another structure keeps has the warning `DMP_OTHER_STRUCTURE`.

        Raises TransportError(sent="no") when nothing of the submission left, OutcomeUnknown when the DMP may have
        acted on it, CertificateError, ConfigurationError `ENVIRONMENT_PREPARED`, `DMP_PREPARED_HOLDER` (it was signed
        by another holder's certificate), `DMP_SEVERAL_VERSIONS` (of the document to replace; nothing left).
        """
        metadata = self._own(prepared)
        if is_update(metadata):
            return self._life_cycle.send(prepared)
        user, ins_cx = self._user_in(metadata), metadata["ins"]
        ebrim = prepared.blobs["ebrim"]
        warnings: tuple[str, ...] = tuple(metadata.get("warnings", ()))
        if metadata["replaces"]:
            found = self._to_replace(metadata["replaces"], user, ins_cx)
            if isinstance(found, Refusal):
                return self._receipt(prepared, Outcome.REJECTED, refusal=found)
            if found:
                ebrim = td21.replacing(ebrim, found)
            else:
                warnings += (REPLACED_ABSENT,)
        message_id = self._message_id()
        content_type, body = td21.encode(
            ebrim,
            (
                td21.Attachment(td21.DOCUMENT_ID, prepared.data("document"), metadata["mime_type"]),
                td21.Attachment(td21.SIGNATURE_ID, prepared.blobs["signature"]),
            ),
            message_id=message_id,
            assertion=self._assertion(user, ins_cx, self._now()),
        )
        told = acknowledged(
            partial(self._post, self._repository, content_type, body, message_id),
            partial(_unknown, prepared, message_id),
        )
        if isinstance(told, Refusal):
            return self._refused(prepared, told, message_id, user, ins_cx)
        warnings += told + self._noted(prepared)
        outcome = Outcome.ACCEPTED_WITH_WARNINGS if warnings else Outcome.ACCEPTED
        return self._receipt(prepared, outcome, request_id=message_id, warnings=warnings)

    def _own(self, prepared: Prepared) -> dict[str, Any]:
        """The metadata of a delivery that this client may send: processes of two establishments may share a store."""
        prepared.check_environment(self._settings.environment)
        metadata: dict[str, Any] = json.loads(prepared.metadata)
        if metadata.get("holder", self._holder) != self._holder:
            raise ConfigurationError(
                "this delivery was signed by the certificate of another holder", code="DMP_PREPARED_HOLDER",
                path="prepared", rule="the set, the VIHF and the connection are of one structure",
                hint="send it with the settings of the establishment that prepared it; one outbox for each",
                hint_fr="Cet envoi a été préparé par un autre établissement.",
            )  # fmt: skip
        return metadata

    def _user_in(self, metadata: dict[str, Any]) -> VihfUser:
        return self._user if metadata["user"] == self._user_json else VihfUser.from_json(metadata["user"])

    def _refused(self, prepared: Prepared, refusal: Refusal, message_id: str, user: VihfUser, ins_cx: str) -> Receipt:
        if refusal.code == DUPLICATE_CODE:
            sent = self._journal.sent(prepared.unique_id) if self._journal else None
            if sent is not None and sent.sha1 not in ("", td21.sha1_hex(prepared.data("document"))):
                alarm = replace(refusal, code=OTHER_BYTES, ruling=RULINGS["XDSNonIdenticalHash"])
                return self._receipt(prepared, Outcome.REJECTED, refusal=alarm, request_id=message_id)
            try:
                found = self._entry_uuids(prepared.unique_id, user, ins_cx)
            except (TransportError, SoapFault) as e:
                raise _unknown(prepared, message_id, refusal.code) from e
            if isinstance(found, tuple) and found:
                unverified = () if sent is not None and sent.sha1 else (BYTES_UNVERIFIED,)
                return self._receipt(
                    prepared,
                    Outcome.DUPLICATE,
                    refusal=refusal,
                    request_id=message_id,
                    warnings=unverified + self._noted(prepared, verified=False),
                    entry_uuid=_only(found),
                )
        return self._receipt(prepared, Outcome.REJECTED, refusal=refusal, request_id=message_id)

    def _noted(self, prepared: Prepared, *, verified: bool = True) -> tuple[str, ...]:
        """Tell the journal that the DMP has a document, and not the version that it replaces as the one in use; not
        verified: its bytes may be others. Gives warnings."""
        journal = self._journal
        if journal is None:
            return ()

        def write() -> None:
            if journal.sent(prepared.unique_id) is None:  # else it may know of changes since
                document = document_of(prepared)
                journal.accepted(document if verified else replace(document, sha1=""))
            if replaced := json.loads(prepared.metadata)["replaces"]:
                journal.changed(replaced, AvailabilityStatus.DEPRECATED)

        return noted(write)

    def reconcile(self, prepared: Prepared) -> Receipt:
        """Ask the DMP (DMP_3.1b) what became of a delivery: ACCEPTED, with its entryUUID unless there are several;
        ABSENT; or UNKNOWN when it cannot be asked now. Of an update (delete, archive, mask …), ABSENT means that it was
        not applied, UNKNOWN that this cannot be told. Raises CertificateError, ConfigurationError as `send`."""
        metadata = self._own(prepared)
        if is_update(metadata):
            return self._life_cycle.reconcile(prepared)
        try:
            found = self._entry_uuids(prepared.unique_id, self._user_in(metadata), metadata["ins"])
        except TransportError as e:
            return self._receipt(prepared, Outcome.UNKNOWN, code=e.code, retry=RetryAdvice.reconcile_first())
        except SoapFault as e:
            found = refusal_of_fault(e)
        if isinstance(found, Refusal):
            return self._receipt(prepared, Outcome.UNKNOWN, code=found.code, retry=found.ruling.retry)
        if found:
            return self._receipt(prepared, Outcome.ACCEPTED, entry_uuid=_only(found), warnings=self._noted(prepared))
        return self._receipt(prepared, Outcome.ABSENT, retry=RetryAdvice.safe())

    # --- DMP_3.1b, TD3.1 ------------------------------------------------------------------------------------------

    def find_entry_uuid(self, unique_id: str, of: Identity | Document) -> str | None:
        """DMP_3.1b: the entryUUID of the version in use of a document by its uniqueId, None when this patient's DMP
        does not hold it.

        Raises InsError (`INS_NOT_QUALIFIED`, `ENVIRONMENT_IDENTITY`), ConfigurationError `DMP_SEVERAL_VERSIONS` (the
        mode may not read which of several is in use, and `several_versions` does not say), SoapFault, DmpError,
        TransportError.
        """
        found = self._life_cycle.version_in_use(unique_id, self._user, self._ins(of).cx)
        if isinstance(found, Refusal):
            raise error_of(found, "the DMP refused the search")
        return found or None

    def find(self, of: Identity, where: DocumentFilter | None = None) -> Results[FoundDocument]:
        """TD3.1: the documents of a patient's DMP, without the signatures; those in use (Approved) by default.

        Those kept under another INS are given too, with the warning `DMP_OTHER_INS` of the results.

        It follows an act of the user, never a feed (EX_3.1-2030). Raises InsError (`INS_NOT_QUALIFIED`,
        `ENVIRONMENT_IDENTITY`), ModelError `QUERY_*`, DmpError (`DMP_REFUSED`, `DMP_TOO_MANY`), SoapFault,
        TransportError, and ConfigurationError `DMP_RIGHTS` when the mode has no right to it and the settings say to
        refuse; by default that is a warning of the results, and the DMP decides.
        """
        patient, ask = self._registry_of(of)
        return td31.find_documents(ask, query.find_documents(patient, where or DocumentFilter()))

    def find_submission_sets(
        self, of: Identity, where: SubmissionSetFilter | None = None
    ) -> Results[FoundSubmissionSet]:
        """TD3.1: the submission sets of a patient's DMP. Raises what `find` raises."""
        patient, ask = self._registry_of(of)
        return td31.find_submission_sets(ask, query.find_submission_sets(patient, where or SubmissionSetFilter()))

    def find_since(
        self,
        of: Identity,
        since: datetime,
        *,
        statuses: Sequence[AvailabilityStatus] = (AvailabilityStatus.APPROVED,),
    ) -> Results[FoundDocument]:
        """TD3.1: what was submitted or changed since a time, such as the user's last look (EX_3.1-1020): each document
        in its last version, with the version it replaces. A mere change of status does not count.

        Several queries. For a first look, `find` with `service_start_from` two years back at most is what the DMP
        asks for. Raises what `find` raises.
        """
        patient, ask = self._registry_of(of)
        return td31.find_since(ask, patient, since, statuses=statuses)

    def get_documents(
        self, of: Identity, *, entry_uuids: Sequence[str] = (), unique_ids: Sequence[str] = ()
    ) -> Results[FoundDocument]:
        """TD3.1: documents by entryUUIDs or by uniqueIds, whatever their status. Raises what `find` raises, and
        ModelError `QUERY_IDS` when none or both kinds are given, DmpError `DMP_UNASKED`."""
        _, ask = self._registry_of(of)
        return td31.get_documents(ask, entry_uuids=entry_uuids, unique_ids=unique_ids)

    # --- TD3.2 ----------------------------------------------------------------------------------------------------

    def retrieve(self, *documents: FoundDocument | DocumentReference, of: Identity) -> Results[RetrievedDocument]:
        """TD3.2: the bytes of documents of one patient, in the order asked (one that is asked for twice comes once),
        their hash and size verified with what the registry says before they are given.

        Raises what `find` raises; DmpError `DMP_HASH`, `DMP_SIZE`, `DMP_REFERENCE`, `DMP_UNASKED`, `DMP_ABSENT`;
        XmlSecurityError `XOP_MISSING`, `XOP_BASE64`. After a partial success the results are not `complete`.
        """
        patient = self._ins(of).cx
        references = [td32.reference_of(document) for document in documents]
        warned = rights.enforce(self._caller, Transaction.RETRIEVE, self._dmp.rights)
        with rights.foreseen(self._caller, Transaction.RETRIEVE):
            answers = [
                td32.decode(self._consult(self._repository, partial(td32.encode, batch), patient), batch)
                for batch in td32.batches(references)
            ]
        return td32.together(answers, warned)

    # --- TD3.3 ----------------------------------------------------------------------------------------------------

    def delete(self, unique_id: str, of: Identity | Document, *, status: AvailabilityStatus | None = None) -> Receipt:
        """TD3.3c: delete a document (logically: nobody sees it any more). Only its author may, or in establishment
        mode the structure that is its author.

        status: the present one, when the caller knows it; else it is read in the DMP where the mode may read, and in
        the journal where it may not. It is never guessed. When the answer is lost the DMP is asked what became of it.

        Raises DmpError (`DMP_REFUSED` with what to do, `DMP_ABSENT`); MetadataError (`DMP_STATUS`: not from this
        status, `DMP_STATUS_UNKNOWN`); ConfigurationError (`DMP_RIGHTS`, `DMP_NOT_AUTHOR`) when the settings say to
        refuse what the DMP will, `DMP_SEVERAL_VERSIONS` as `find_entry_uuid`; OutcomeUnknown; InsError,
        SoapFault, TransportError.
        """
        ins = self._ins(of)
        return self._life_cycle.change_status(Transaction.DELETE, unique_id, ins.cx, AvailabilityStatus.DELETED, status)

    def archive(self, unique_id: str, of: Identity | Document, *, status: AvailabilityStatus | None = None) -> Receipt:
        """TD3.3d: archive a document. Not open to establishment mode. As `delete` otherwise."""
        ins = self._ins(of)
        return self._life_cycle.change_status(
            Transaction.ARCHIVE, unique_id, ins.cx, AvailabilityStatus.ARCHIVED, status
        )

    def unarchive(
        self, unique_id: str, of: Identity | Document, *, status: AvailabilityStatus | None = None
    ) -> Receipt:
        """TD3.3d: put an archived document in use again. As `archive`."""
        ins = self._ins(of)
        return self._life_cycle.change_status(
            Transaction.ARCHIVE, unique_id, ins.cx, AvailabilityStatus.APPROVED, status
        )

    def mask(self, unique_id: str, of: Identity) -> Receipt:
        """TD3.3a: hide a document from professionals other than its author and the *médecin traitant*.

        Its entry is read, and goes back whole with the code added. Not open to establishment mode, which may not read.
        Raises MetadataError (`DMP_UNCHANGED`, `XDS_VISIBILITY_TOGETHER`), and what `delete` raises but for statuses.
        """
        return self._life_cycle.change_visibility(
            Transaction.MASK, unique_id, self._ins(of).cx, add=(td21.MASKED,), remove=()
        )

    def unmask(self, unique_id: str, of: Identity) -> Receipt:
        """TD3.3a: undo `mask`. Only for the author's own documents, and for the *médecin traitant*."""
        return self._life_cycle.change_visibility(
            Transaction.MASK, unique_id, self._ins(of).cx, add=(), remove=(td21.MASKED,)
        )

    def set_patient_visibility(
        self, unique_id: str, of: Identity, *, patient: bool | None = None, representatives: bool | None = None
    ) -> Receipt:
        """TD3.3b: whether the patient, and the legal representatives of a minor, see a document; None leaves it as it
        is. Raises what `mask` raises."""
        add, remove = td33.visibility(patient=patient, representatives=representatives)
        return self._life_cycle.change_visibility(
            Transaction.VISIBILITY, unique_id, self._ins(of).cx, add=add, remove=remove
        )

    # --- administrative ---------------------------------------------------------------------------------------------

    def set_authorization(
        self, of: Identity, action: AuthorizationAction = AuthorizationAction.ADD, *, attending: bool = False
    ) -> AuthorizationAnswer:
        """TD0.3: the professional has, with the patient's consent, access to the DMP, or gives it up. Asking again is
        harmless: the answer is then `already`. attending: as the *médecin traitant*.

        Raises InsError (`INS_NOT_QUALIFIED`, `ENVIRONMENT_IDENTITY`), ConfigurationError (`SETTING_MISSING`,
        `DMP_RIGHTS`), DmpError (`DMP_REFUSED`, `DMP_ANSWER`), SoapFault, TransportError; OutcomeUnknown when the
        answer is lost.
        """
        return self._administration.set_authorization(of, action, attending)

    def authorized_patients(self, since: datetime, what: Since = Since.AUTHORIZATION) -> Results[AuthorizedPatient]:
        """TD0.4: the patients whose DMP the caller may read, with a new authorisation or a new document since a time.

        Raises what `set_authorization` raises, and ModelError `DMP_SINCE` for a time without offset.
        """
        return self._administration.authorized_patients(since, what)

    def search_patient(self, criteria: PatientCriteria) -> Results[FoundPatient]:
        """TD0.5: patients by traits, for want of an INS. An INS found so is not qualified. The DMP lets medical
        regulation only search so: a client whose purpose is `vihf.REGULATION_ACCESS`.

        Raises what `set_authorization` raises.
        """
        return self._administration.search_patient(criteria)

    def web_url(self, page: WebPage = WebPage.RECORD, of: Identity | None = None, *, mode: Mode | None = None) -> str:
        """TD0.9: where the browser of a professional opens the DMP's web site. No call is made; the address holds the
        matricule: do not log it. mode: how that browser authenticates, by default as the settings say; the site takes
        `DIRECTE` only (card or e-CPS).

        Raises InsError; ConfigurationError (`SETTING_MISSING`, `DMP_RIGHTS`, `DMP_WEB_DOMAIN`); ModelError
        `DMP_WEB_PATIENT`.
        """
        return self._administration.web_url(page, of, mode)

    def administrative_data(self, of: Identity) -> AdministrativeData:
        """TD1.3a: what the DMP knows of a patient, and the patient's oppositions.

        Raises what `set_authorization` raises, and DmpError `DMP_NO_RECORD`, `DMP_PATIENT_MISMATCH`.
        """
        return self._administration.administrative_data(of)

    def update_administrative_data(self, of: Identity, data: AdministrativeData) -> RecordState:
        """TD1.3b: what `administrative_data` gave, changed by `dataclasses.replace`. For a DMP that is not attached to
        Mon espace santé.

        Raises what `administrative_data` raises; ModelError (`TELECOM`, `DMP_BIRTH_DATE`); MetadataError
        `DMP_PATIENT_MISMATCH` for the data of another patient; OutcomeUnknown when the answer is lost: read the data
        again.
        """
        return self._administration.update(of, data)

    def close_record(self, of: Identity, *, usual_name: str = "", civility: str = "") -> RecordState:
        """TD1.4: close a DMP because the patient asks for it. For a DMP that is not attached to Mon espace santé.

        Raises what `set_authorization` raises; OutcomeUnknown when the answer is lost: `existence` tells.
        """
        return self._administration.close(of, usual_name, civility)

    def authorizations(
        self, of: Identity, mode: AuthorizationMode = AuthorizationMode.ALL
    ) -> Results[PatientAuthorization]:
        """TD1.6: who may read a patient's DMP, and whom the patient blocked. Raises what `set_authorization` raises."""
        return self._administration.authorizations(of, mode)

    # --- parts ----------------------------------------------------------------------------------------------------

    def _ins(self, of: Identity | Document) -> Ins:
        return of.for_transmission(Target.DMP, self._settings.environment, test_people=self._settings.test_people)

    def _entry_uuids(self, unique_id: str, user: VihfUser, ins_cx: str) -> tuple[str, ...] | Refusal:
        """Of the versions of a document, none when the DMP does not hold it; or the refusal of the query."""
        answer = self._consult(self._registry, partial(td31b.encode, unique_id), ins_cx, user=user)
        response = read_response(answer.body, LISTING)
        return td31b.decode(answer.body, unique_id) if response.ok else refusal_of(response)

    def _to_replace(self, unique_id: str, user: VihfUser, ins_cx: str) -> str | Refusal:
        """entryUUID of the version that a document will replace, empty when the DMP does not hold it; nothing of the
        document has left yet."""
        try:
            return self._life_cycle.version_in_use(unique_id, user, ins_cx)
        except TransportError as e:
            if e.sent == "no":
                raise
            raise TransportError(
                "the version to replace could not be looked up: nothing was submitted", sent="no", code=e.code,
                hint="try again later",
                hint_fr="Le DMP n'a pas répondu sur la version à remplacer : rien n'a été envoyé, recommencer.",
            ) from e  # fmt: skip
        except SoapFault as e:
            return refusal_of_fault(e)
        except DmpError as e:
            return refusal_told(e)

    def _registry_of(self, of: Identity) -> tuple[str, td31.Ask]:
        """A patient's CX, and a way to put stored queries about them."""
        patient = self._ins(of).cx
        warned = rights.enforce(self._caller, Transaction.FIND, self._dmp.rights)

        def ask(asked: query.StoredQuery) -> td31.Listing:
            encode = partial(td31.encode, query.encode(asked, "LeafClass"))
            with rights.foreseen(self._caller, Transaction.FIND):
                answer = self._consult(self._registry, encode, patient)
                listing = td31.decode(answer.body)
            others = td31.under_other_ins(listing.objects, patient)
            return replace(listing, warnings=(*warned, *answer.warnings, *listing.warnings, *others))

        return patient, ask

    def _consult(
        self,
        url: str,
        encode: Encode,
        ins_cx: str | None,
        *,
        user: VihfUser | None = None,
    ) -> SoapAnswer:
        """A call that changes nothing at the DMP: whatever became of it, it can be made again. A Fault says what to do
        about it. encode: a codec's own, which lacks message_id and assertion only."""
        try:
            return self._change(url, encode, self._message_id(), user or self._user, ins_cx)
        except SoapFault as e:
            explain(e)
            raise
        except TransportError as e:
            if e.retry.kind is RetryKind.RECONCILE_FIRST:
                e.retry = RetryAdvice.safe()
                e.hint = "nothing changed at the DMP: ask again, for less if the answer was too big"
                e.hint_fr = "Le DMP n'a pas répondu correctement : la demande peut être refaite."
            raise

    def _change(self, url: str, encode: Encode, message_id: str, user: VihfUser, ins_cx: str | None) -> SoapAnswer:
        """A call that may change something at the DMP: what an error means for that is the caller's to say."""
        content_type, body = encode(message_id=message_id, assertion=self._assertion(user, ins_cx, self._now()))
        return self._post(url, content_type, body, message_id)

    def _post(self, url: str, content_type: str, body: Body, message_id: str) -> SoapAnswer:
        """The answer, with the warning `DMP_RELATES_TO` when it names another message than ours."""
        try:
            answer = read_answer(self._transport.post(url, body, {"Content-Type": content_type}), fault_of_failure)
        except SoapFault as e:
            _check_relation(e.request_id, message_id)
            e.request_id = message_id
            raise
        if _check_relation(answer.relates_to, message_id):
            return answer
        return replace(answer, warnings=(RELATES_TO,))

    def _message_id(self) -> str:
        return f"urn:uuid:{self._ids.uuid()}"

    def _assertion(self, user: VihfUser, ins_cx: str | None, at: datetime) -> bytes:
        """A fresh VIHF: its lifetime at the DMP is not published, so each call has its own."""
        request = user.request(self._dmp, self._settings.software, ins_cx, purpose=self._purpose, secret=self._secret)
        return self._assertions.get(
            request,
            self._signer,
            at,
            lambda: vihf.build(
                request,
                self._signer,
                assertion_id=f"_{self._ids.uuid()}",
                issue_instant=at,
                digest=self._dmp.vihf_digest,
            ),
        )

    def _now(self) -> datetime:
        """The present, once it is sure that the signing certificate has not expired; the transport looks at its own,
        and so does a signer whose certificate may have been renewed.
        """
        now = self._clock.now()
        if now > self._certificate.not_valid_after_utc and not isinstance(self._signer, Renewable):
            check_dates(self._certificate, now, path="signer")
        return now

    def _receipt(
        self,
        prepared: Prepared,
        outcome: Outcome,
        *,
        refusal: Refusal | None = None,
        request_id: str = "",
        code: str = "",
        warnings: tuple[str, ...] = (),
        entry_uuid: str | None = None,
        retry: RetryAdvice | None = None,
    ) -> Receipt:
        refused = refusal is not None and outcome is Outcome.REJECTED
        return Receipt(
            channel=ChannelKind.DMP,
            outcome=outcome,
            unique_id=prepared.unique_id,
            at=self._clock.now(),
            request_id=request_id,
            code=refusal.code if refusal else code,
            reason=refusal.ruling.reason if refusal else None,
            warnings=warnings,
            entry_uuid=entry_uuid,
            retry=refusal.ruling.retry if refused and refusal else retry or RetryAdvice.never(),
        )


def _cda(document: Document) -> CdaDocument:
    if not isinstance(document, CdaDocument):
        raise MetadataError(
            "the DMP is fed from a CDA document", code="DMP_NOT_CDA", path="document",
            rule="metadata are projected from the CDA header", hint="render a document, or read one with cda.read",
        )  # fmt: skip
    return document


def _only(entry_uuids: tuple[str, ...]) -> str | None:
    return entry_uuids[0] if len(entry_uuids) == 1 else None


def _check_document(document: CdaDocument) -> None:
    report = document.check()
    if not report.ok:
        raise CdaError.from_report(report)


def _check_relation(relates_to: str, message_id: str) -> bool:
    """False, and a line in the log, when an answer says that it is to another message than ours."""
    if not names_another(relates_to, message_id):
        return True
    rights.log_warning(RELATES_TO, f"the answer to {message_id} names another message")
    return False


def _unknown(prepared: Prepared, message_id: str, code: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        "the DMP may have accepted the document: the answer did not arrive", prepared=prepared, remote_code=code,
        request_id=message_id, hint="call reconcile(prepared) before any other attempt",
        hint_fr="Réponse du DMP non reçue : vérifier si le document y est avant tout nouvel envoi.",
    )  # fmt: skip
