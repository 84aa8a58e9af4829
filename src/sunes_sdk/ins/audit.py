"""What happened to identities: who, when, what, from which status to which. No name, no date, no matricule.

Records and INS are named by keyed references (HMAC-SHA256): a plain hash of a matricule is undone by trying them all.
Whoever holds the secret can find the events of one record; nobody can find the record of one event.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .._core.clock import Clock, SystemClock
from .._core.errors import ConfigurationError, InsError
from ..model import DocumentKind, Identity, IdentityStatus, Ins
from .duplicates import number_key
from .vigilance import Decision, Proposal

MIN_SECRET_BYTES = 32
_SCHEME = "sunes-ins-audit/v1"


class IdentityAct(StrEnum):
    """What was done."""

    INS_ACCEPTED = "INS_ACCEPTED"
    INS_REFUSED = "INS_REFUSED"
    INS_DROPPED = "INS_DROPPED"
    DOCUMENT_CHECKED = "DOCUMENT_CHECKED"
    TRAITS_EDITED = "TRAITS_EDITED"
    ATTRIBUTES_CHANGED = "ATTRIBUTES_CHANGED"
    CANDIDATE_REPORTED = "CANDIDATE_REPORTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityEvent:
    """One line of the audit trail.

    by: local identifier of who acted; record, ins: keyed references, `ins` of the number that was taken, refused or
    dropped; codes: differences accepted, or reasons of a refusal or of a candidate; document: kind of the document
    seen.
    """

    act: IdentityAct
    at: datetime
    by: str
    record: str
    from_status: IdentityStatus
    to_status: IdentityStatus
    from_attributes: tuple[str, ...] = ()
    to_attributes: tuple[str, ...] = ()
    ins: str | None = None
    codes: tuple[str, ...] = ()
    document: DocumentKind | None = None

    def to_json(self) -> str:
        """One JSON object on one line; what is absent is left out."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["at"] = self.at.isoformat()
        return json.dumps({k: v for k, v in values.items() if v not in (None, ())}, separators=(",", ":"))


class IdentityAudit:
    """Makes audit events under one secret of at least 32 bytes, kept apart from the events.

    Raises ConfigurationError `AUDIT_SECRET`.
    """

    def __init__(self, secret: bytes, *, clock: Clock | None = None) -> None:
        if len(secret) < MIN_SECRET_BYTES:
            raise ConfigurationError(
                "the secret of the audit trail is too short", code="AUDIT_SECRET", path="secret",
                rule=f"at least {MIN_SECRET_BYTES} random bytes", hint="make it once with secrets.token_bytes(32)",
            )  # fmt: skip
        self._secret = secret
        self._clock = clock or SystemClock()

    def reference(self, kind: str, value: str) -> str:
        """The keyed reference of a record (`record`) or of an INS (`ins`, as `duplicates.number_key` writes it)."""
        text = "\x1f".join((_SCHEME, kind, value))
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()[:32]

    def event(
        self,
        act: IdentityAct,
        *,
        record_id: str,
        by: str,
        before: Identity,
        after: Identity,
        ins: Ins | None = None,
        at: datetime | None = None,
        codes: Iterable[str] = (),
        document: DocumentKind | None = None,
    ) -> IdentityEvent:
        """An event about one record. ins: the number it is about, else that of the identity after or before.

        Raises InsError `INS_AUDIT` when nobody is named.
        """
        if not by.strip():
            raise InsError("nobody is named", code="INS_AUDIT", path="by", rule="who, when, what",
                           hint="give the local identifier of who acted")  # fmt: skip
        number = ins or after.ins or before.ins
        return IdentityEvent(
            act=act,
            at=at or self._clock.now(),
            by=by,
            record=self.reference("record", record_id),
            from_status=before.status,
            to_status=after.status,
            from_attributes=tuple(sorted(before.attributes)),
            to_attributes=tuple(sorted(after.attributes)),
            ins=self.reference("ins", number_key(number)) if number else None,
            codes=tuple(sorted(codes)),
            document=document,
        )

    def accepted(self, record_id: str, proposal: Proposal, decision: Decision, after: Identity) -> IdentityEvent:
        """An INSi answer applied: who accepted which differences, on which document."""
        return self.event(
            IdentityAct.INS_ACCEPTED, record_id=record_id, by=decision.decided_by, at=decision.decided_at,
            before=proposal.identity, after=after, codes=decision.accepted_differences,
            document=decision.evidence.document if decision.evidence else None,
        )  # fmt: skip

    def refused(self, record_id: str, proposal: Proposal, *, by: str, at: datetime | None = None) -> IdentityEvent:
        """An INSi answer not applied, by a rule or by a human; its codes are the refusals and the differences shown."""
        codes = {f.code for f in (*proposal.refusals, *proposal.differences)}
        return self.event(
            IdentityAct.INS_REFUSED, record_id=record_id, by=by, at=at, before=proposal.identity,
            after=proposal.identity, ins=proposal.found.ins, codes=codes,
        )  # fmt: skip
