"""A rendered document as the delivery layers see it: bytes that never change, and what identifies them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from .code import Code, Identifier
from .environment import Environment
from .identity import IdentityStatus, Ins, Target, transmissible
from .people import Organization


@dataclass(frozen=True, kw_only=True)
class Document:
    """One version of one document. Built once, hashed once, sent as it is.

    unique_id: OID of this version (CDA id); set_id: OID shared by all versions; replaces: unique_id of the version
    it replaces; cda_level: 1 (body is a file) or 3 (structured); ins_status: identity status when it was produced;
    stay / unit / organization / stay_*: what the usage ledger joins on, None when unknown.
    """

    content: bytes = field(repr=False)
    unique_id: str
    set_id: str
    version_number: int
    type_code: Code
    title: str
    created_at: datetime
    organization: Organization | None
    ins: Ins | None
    ins_status: IdentityStatus
    format_code: Code
    mime_type: str = "text/xml"
    cda_level: int = 3
    replaces: str | None = None
    stay: Identifier | None = None
    unit: str | None = None

    def for_transmission(
        self, target: Target, environment: Environment, *, test_people: Collection[str] = frozenset()
    ) -> Ins:
        """The gate (`Identity.for_transmission`) for the identity as it was when the document was produced."""
        return transmissible(self.ins_status, self.ins, target, environment, test_people)

    @cached_property
    def sha1(self) -> bytes:
        """SHA-1 of the bytes: IHE's document hash, not a security measure."""
        return hashlib.sha1(self.content, usedforsecurity=False).digest()

    @cached_property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.content).digest()

    @property
    def size(self) -> int:
        return len(self.content)
