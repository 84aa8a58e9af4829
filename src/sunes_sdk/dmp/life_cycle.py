"""TD3.3 as a whole: from what the caller wants to a Receipt. What the DMP holds is looked up, never assumed; a message
is frozen before it leaves; when its answer is lost the DMP is asked what became of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from lxml import etree

from .. import xds
from .._core.clock import Clock
from .._core.errors import ConfigurationError, DmpError, MetadataError, OutcomeUnknown, SoapFault, TransportError
from .._core.hl7time import to_dtm_utc
from .._core.ids import IdFactory
from .._core.retry import RetryAdvice
from ..model import ChannelKind, Code, Outcome, Prepared, Receipt, StayClass
from ..settings import DmpSettings, Settings
from ..transport.soap import SoapAnswer
from ..xds import Author, AvailabilityStatus, SubmissionSet, query
from ..xds.rules import check_confidentiality
from . import rights, td31, td31b, td33
from .answers import LISTING, Refusal, error_of, not_expected, read_response, refusal_of
from .changes import acknowledged, delivered
from .journal import IntentJournal, SentDocument, SubmissionJournal, noted
from .rights import Caller, Right, Transaction
from .td33 import Held, Update
from .user import VihfUser

NOT_AUTHOR: Final = "DMP_NOT_AUTHOR"
"""Warning of a Receipt, or code of an error: the structure that deletes is not the author that our journal names."""
STATUS_CHANGED: Final = "DMP_STATUS_CHANGED"
VERSION_CHANGED: Final = "DMP_VERSION_CHANGED"
"""Codes of a reconciliation: the DMP has neither what was asked nor what was before. Somebody else changed it."""
_DUPLICATE = "XDSDuplicateUniqueIdInRegistry"

Encode = Callable[..., tuple[str, bytes]]
"""A codec's `encode`, which lacks message_id and assertion only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeCycle:
    """The updates of one client. Its calls to the registry: entry_uuids is DMP_3.1b (none when the DMP does not hold
    the document), consult changes nothing there, update does."""

    settings: Settings
    user: VihfUser
    caller: Caller
    author: Author
    ids: IdFactory
    clock: Clock
    entry_uuids: Callable[[str, VihfUser, str], tuple[str, ...] | Refusal]
    consult: Callable[[Encode, str], SoapAnswer]
    update: Callable[[Encode, str, VihfUser, str], SoapAnswer]
    journal: SubmissionJournal | None

    # --- what the caller wants ------------------------------------------------------------------------------------

    def change_status(
        self,
        transaction: Transaction,
        unique_id: str,
        ins_cx: str,
        new: AvailabilityStatus,
        present: AvailabilityStatus | None,
    ) -> Receipt:
        """Delete, archive or unarchive. present: as the caller knows it; else it is read in the DMP where the mode may
        read, and found in the journal where it may not: it is never guessed."""
        warnings = self._rights(transaction)
        sent = self.journal.sent(unique_id) if self.journal else None
        if transaction is Transaction.DELETE:
            warnings += self._own(sent)
            begun = self._intents.intended(unique_id) if self._intents else None
            if begun is not None and (found := self.reconcile(begun)).outcome is Outcome.ACCEPTED:
                return found  # by a process that could not say so
        title, content_type = (sent.title, sent.content_type) if sent else ("", None)
        if present is None and self._may_read(otherwise=sent is None):
            held = self._held(unique_id, ins_cx)
            uuid, present, title = held.entry.id, _status(held), held.entry.title
        else:
            uuid, present = "", present or (sent.status if sent else None)
        if present is None:
            raise _unknown_status()
        td33.transaction_of(present, new)
        uuid = uuid or self._entry_uuid(unique_id, ins_cx)
        submission_set = self._set(ins_cx, title, content_type)
        ebrim = td33.status_update(submission_set, uuid, present, new)
        update = Update(transaction=transaction, unique_id=unique_id, original=present.value, new=new.value)
        return delivered(self.send, self.reconcile, self._prepared(update, submission_set, ebrim, ins_cx, warnings))

    def change_visibility(
        self, transaction: Transaction, unique_id: str, ins_cx: str, *, add: Collection[Code], remove: Collection[Code]
    ) -> Receipt:
        """Mask, unmask, hide or show: the entry is read, and goes back whole with other codes. A mode that may not read
        it takes it from the journal when that has it: as it was sent, with what our own calls changed since.

        Raises MetadataError `DMP_UNCHANGED` when it has them already, `XDS_VISIBILITY_TOGETHER` and the other findings
        of `xds.rules.check_confidentiality`.
        """
        warnings = self._rights(transaction)
        sent = self.journal.sent(unique_id) if self.journal else None
        if sent is not None and sent.entry and not self._may_read(otherwise=True):
            held = self._kept(sent, ins_cx)
        else:
            held = self._held(unique_id, ins_cx)
        if not check_confidentiality(held.entry.confidentiality, together=True).ok:
            raise not_expected(
                "an entry whose confidentiality is not of JDV_J58", "ExtrinsicObject/confidentialityCode"
            )
        codes = td33.with_visibility(held.entry.confidentiality, add=add, remove=remove)
        if td33.visibility_of(codes) == held.visibility:
            raise MetadataError(
                "the document already has this visibility", code="DMP_UNCHANGED", path="confidentialityCode",
                rule="a change changes something", hint="look at .visibility of what find() gives",
                hint_fr="Le document a déjà cette visibilité.",
            )  # fmt: skip
        report = check_confidentiality(codes, together=self._dmp.mask_and_hide)
        if not report.ok:
            raise MetadataError.from_report(report)
        submission_set = self._set(ins_cx, held.entry.title, None)
        ebrim = td33.visibility_update(submission_set, held, codes)
        update = Update(
            transaction=transaction,
            unique_id=unique_id,
            version=held.entry.version,
            visibility=td33.visibility_of(codes),
            logical_id=held.entry.logical_id,
        )
        return delivered(self.send, self.reconcile, self._prepared(update, submission_set, ebrim, ins_cx, warnings))

    # --- one message ----------------------------------------------------------------------------------------------

    def send(self, prepared: Prepared) -> Receipt:
        """One attempt. Raises DmpError `DMP_REFUSED` with what to do about it, TransportError(sent="no"),
        OutcomeUnknown, ConfigurationError `ENVIRONMENT_PREPARED`."""
        prepared.check_environment(self.settings.environment)
        stored = json.loads(prepared.metadata)
        update = Update.from_json(stored["update"])
        message_id = f"urn:uuid:{self.ids.uuid()}"
        encode = partial(td33.encode, prepared.blobs["ebrim"].decode())
        if self._intents and update.new == AvailabilityStatus.DELETED:
            noted(partial(self._intents.intends, prepared))
        told = acknowledged(
            partial(self.update, encode, message_id, VihfUser.from_json(stored["user"]), stored["ins"]),
            partial(_unknown, prepared, message_id),
        )
        if isinstance(told, Refusal):
            if told.code != _DUPLICATE:
                self._drop(update)
                raise _refused(told, update, message_id)
            # The uniqueId of the set was drawn for this update: only an earlier attempt of it can have brought it.
            return self._done(update, Outcome.DUPLICATE, (), message_id, code=told.code)
        warnings = (*stored["warnings"], *told)
        outcome = Outcome.ACCEPTED_WITH_WARNINGS if warnings else Outcome.ACCEPTED
        return self._done(update, outcome, warnings, message_id)

    def reconcile(self, prepared: Prepared) -> Receipt:
        """Ask the DMP what became of an attempt: ACCEPTED; ABSENT, it was not applied; UNKNOWN when that cannot be
        told. A mode that may not read sees only whether a document is there: a deleted one is taken to be no longer
        found (unverified), and nothing can be told of an archived one."""
        prepared.check_environment(self.settings.environment)
        stored = json.loads(prepared.metadata)
        update = Update.from_json(stored["update"])
        try:
            if self._may_read(otherwise=True):
                held = self._find(update.unique_id, stored["ins"])
                outcome, code = seen(update, held)
            else:
                found = self.entry_uuids(update.unique_id, VihfUser.from_json(stored["user"]), stored["ins"])
                if isinstance(found, Refusal):
                    return self._receipt(update, Outcome.UNKNOWN, code=found.code, retry=found.ruling.retry)
                outcome, code = glimpsed(update, there=bool(found))
        except TransportError as e:
            return self._receipt(update, Outcome.UNKNOWN, code=e.code, retry=RetryAdvice.reconcile_first())
        except (SoapFault, DmpError) as e:
            return self._receipt(update, Outcome.UNKNOWN, code=e.remote_code or e.code, retry=e.retry)
        if outcome is Outcome.ACCEPTED:
            return self._done(update, outcome, tuple(stored["warnings"]), "")
        if outcome is Outcome.ABSENT:
            self._drop(update)
        retry = RetryAdvice.safe() if outcome is Outcome.ABSENT else RetryAdvice.never()
        return self._receipt(update, outcome, code=code, retry=retry)

    def version_in_use(self, unique_id: str, user: VihfUser, ins_cx: str) -> str | Refusal:
        """entryUUID of the version in use of a document: empty when the DMP does not hold it, or the refusal of the
        query. Of several, the status tells where the mode may read it, else `settings.dmp.several_versions`.

        Raises ConfigurationError `DMP_SEVERAL_VERSIONS`, DmpError, SoapFault, TransportError.
        """
        found = self.entry_uuids(unique_id, user, ins_cx)
        if isinstance(found, Refusal):
            return found
        if len(found) > 1 and self._may_read(otherwise=True):
            held = self._find(unique_id, ins_cx)
            if held is None:
                raise td31b.not_about_it()
            return held.entry.id
        return td31b.in_use(found, self._dmp.several_versions)

    # --- parts ----------------------------------------------------------------------------------------------------

    @property
    def _dmp(self) -> DmpSettings:
        return self.settings.require_dmp()

    @property
    def _intents(self) -> IntentJournal | None:
        return self.journal if isinstance(self.journal, IntentJournal) else None

    def _drop(self, update: Update) -> None:
        if self._intents and update.new == AvailabilityStatus.DELETED:
            noted(partial(self._intents.dropped, update.unique_id))

    def _rights(self, transaction: Transaction) -> tuple[str, ...]:
        return rights.enforce(self.caller, transaction, self._dmp.rights)

    def _may_read(self, *, otherwise: bool) -> bool:
        """Whether the mode may read metadata; `otherwise` when no readable table says it."""
        right = rights.rule(self.caller, Transaction.FIND).right
        return right is Right.ALLOWED or (right is Right.UNKNOWN and otherwise)

    def _own(self, sent: SentDocument | None) -> tuple[str, ...]:
        known = sent.structure_id if sent else ""
        if not known or self.caller not in ("INDIRECTE", "CPE") or known == self.user.structure_id:
            return ()
        message = "another structure is the author of this document"
        if self._dmp.rights == "refuse":
            raise ConfigurationError(
                message, code=NOT_AUTHOR, path="settings.dmp.structure_id",
                rule="TD3.3c in mode INDIRECTE, or with a CPE: documents whose author is the structure",
                hint="delete it with the settings of the structure that sent it",
                hint_fr="Ce document a été envoyé par une autre structure : elle seule peut le supprimer.",
            )  # fmt: skip
        rights.log_warning(NOT_AUTHOR, message)
        return (NOT_AUTHOR,)

    def _find(self, unique_id: str, ins_cx: str) -> Held | None:
        request = query.encode(query.get_documents(unique_ids=(unique_id,)), "LeafClass")
        answer: etree._Element = self.consult(partial(td31.encode, request), ins_cx).body
        response = read_response(answer, LISTING)
        if not response.ok:
            raise error_of(refusal_of(response), "the DMP refused to show the document")
        held = td33.present_version(answer, unique_id)
        if held is None and td31b.decode(answer, unique_id):
            raise td31b.not_about_it()  # ids where whole entries were asked for
        return held

    def _held(self, unique_id: str, ins_cx: str) -> Held:
        held = self._find(unique_id, ins_cx)
        if held is None:
            raise _absent()
        return held

    def _kept(self, sent: SentDocument, ins_cx: str) -> Held:
        entry_uuid = self._entry_uuid(sent.unique_id, ins_cx)
        return td33.kept_version(
            sent.entry,
            entry_uuid=entry_uuid,
            # IHE XDS Metadata Update: the logicalId is the entryUUID of the first version.
            logical_id=sent.logical_id or entry_uuid,
            version=sent.version,
            visibility=sent.visibility,
            repository=self._dmp.repository_unique_id or "",
        )

    def _entry_uuid(self, unique_id: str, ins_cx: str) -> str:
        found = self.version_in_use(unique_id, self.user, ins_cx)
        if isinstance(found, Refusal):
            raise error_of(found, "the DMP refused the search")
        if not found:
            raise _absent()
        return found

    def _set(self, ins_cx: str, title: str, content_type: Code | None) -> SubmissionSet:
        return SubmissionSet(
            id=td33.SET_ID,
            unique_id=self.ids.oid(self.settings.oids.submissions),
            source_id=self._dmp.source_id,
            patient_id=ins_cx,
            submission_time=to_dtm_utc(self.clock.now()),
            author=self.author,
            content_type=content_type or xds.content_type(StayClass.NOT_APPLICABLE),
            title=title,
        )

    def _prepared(
        self, update: Update, submission_set: SubmissionSet, ebrim: str, ins_cx: str, warnings: tuple[str, ...]
    ) -> Prepared:
        metadata = {"ins": ins_cx, "user": self.user.to_json(), "update": update.to_json(), "warnings": warnings}
        return Prepared(
            channel="dmp",
            kind=ChannelKind.DMP,
            key=f"{update.transaction.value}:{submission_set.unique_id}",
            unique_id=update.unique_id,
            ids={"submission_set": submission_set.unique_id},
            metadata=json.dumps(metadata, ensure_ascii=False, separators=(",", ":")),
            blobs={"ebrim": ebrim.encode()},
            environment=self.settings.environment,
        )

    def _done(
        self, update: Update, outcome: Outcome, warnings: tuple[str, ...], message_id: str, *, code: str = ""
    ) -> Receipt:
        if self.journal is not None:
            warnings += noted(partial(_note, self.journal, update))
        return self._receipt(update, outcome, warnings=warnings, request_id=message_id, code=code)

    def _receipt(
        self,
        update: Update,
        outcome: Outcome,
        *,
        code: str = "",
        warnings: tuple[str, ...] = (),
        request_id: str = "",
        retry: RetryAdvice | None = None,
    ) -> Receipt:
        return Receipt(
            channel=ChannelKind.DMP,
            outcome=outcome,
            unique_id=update.unique_id,
            at=self.clock.now(),
            request_id=request_id,
            code=code,
            warnings=warnings,
            retry=retry or RetryAdvice.never(),
        )


def _note(journal: SubmissionJournal, update: Update) -> None:
    """Write down a change that the DMP made."""
    if update.new:
        journal.changed(update.unique_id, AvailabilityStatus(update.new))
    elif sent := journal.sent(update.unique_id):
        version, lid = td33.next_version(update.version), update.logical_id
        journal.accepted(replace(sent, visibility=update.visibility, version=version, logical_id=lid))


def is_update(metadata: Mapping[str, object]) -> bool:
    """Whether `LifeCycle` made a delivery, rather than a feed."""
    return "update" in metadata


def seen(update: Update, held: Held | None) -> tuple[Outcome, str]:
    """What an entry that was read says of an update."""
    if held is None:
        gone = update.new == AvailabilityStatus.DELETED
        return (Outcome.ACCEPTED, "") if gone else (Outcome.UNKNOWN, STATUS_CHANGED)
    if update.new:
        if held.entry.status == update.new:
            return Outcome.ACCEPTED, ""
        return (Outcome.ABSENT, "") if held.entry.status == update.original else (Outcome.UNKNOWN, STATUS_CHANGED)
    if held.visibility == update.visibility:
        return Outcome.ACCEPTED, ""
    return (Outcome.ABSENT, "") if held.entry.version == update.version else (Outcome.UNKNOWN, VERSION_CHANGED)


def glimpsed(update: Update, *, there: bool) -> tuple[Outcome, str]:
    """What the mere presence of a document says. A delete that is sent again is the same message: were it applied
    already, the DMP would know the uniqueId of its set."""
    if update.new != AvailabilityStatus.DELETED:
        return Outcome.UNKNOWN, rights.RIGHTS_CODE
    return (Outcome.ABSENT, "") if there else (Outcome.ACCEPTED, "")


def _status(held: Held) -> AvailabilityStatus:
    found = next((s for s in AvailabilityStatus if s == held.entry.status), None)
    if found is None:
        raise DmpError(
            "the DMP answered a status that is not in JDV_J52", code="DMP_STATUS_UNKNOWN",
            path="ExtrinsicObject/@status", rule="JDV_J52", hint="give status= if you know what it means",
        )  # fmt: skip
    return found


def _unknown_status() -> MetadataError:
    return MetadataError(
        "the present status of this document is not known", code="DMP_STATUS_UNKNOWN", path="status",
        rule="ITI-57: OriginalStatus is the present one; this mode may not read it in the DMP",
        hint="give a journal to DmpClient, or status=AvailabilityStatus.APPROVED if you know that it is in use",
        hint_fr="Statut actuel du document inconnu : action impossible sans le journal des envois.",
    )  # fmt: skip


def _absent() -> DmpError:
    return DmpError(
        "this patient's DMP does not hold the document, or does not show it to this user", code="DMP_ABSENT",
        path="unique_id", hint="check the uniqueId and the patient; a deleted document is not found",
        hint_fr="Ce document n'est pas dans le DMP du patient.",
    )  # fmt: skip


def _refused(refusal: Refusal, update: Update, message_id: str) -> DmpError:
    """The error of a refusal, which says what the message relied on."""
    error = error_of(refusal, f"the DMP refused {update.transaction.value}")
    error.request_id = message_id
    if update.new:
        status = AvailabilityStatus(update.original).name
        error.hint = (
            f"{error.hint}; the message said that the document is {status}: if it is not any more, call again with "
            "status=, and for a document whose metadata were changed call again to name its new version"
        )
    elif refusal.code == "XDSMetadataVersionError":
        error.hint = (
            f"the document is not in version {update.version} any more: call again; where only the journal knows it, "
            "let a professional do it"
        )
        error.hint_fr = "Le document a été modifié entre-temps : recommencer."
    return error


def _unknown(prepared: Prepared, message_id: str, code: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        "the DMP may have applied the change: the answer did not arrive", prepared=prepared, remote_code=code,
        request_id=message_id, hint="call reconcile(prepared) before any other attempt",
        hint_fr="Réponse du DMP non reçue : vérifier l'état du document avant toute autre action.",
    )  # fmt: skip
