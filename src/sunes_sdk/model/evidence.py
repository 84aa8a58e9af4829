"""The proof that somebody compared an identity with a document of high confidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from .._core.errors import InsError


class DocumentKind(StrEnum):
    """Documents of high confidence, by their FR Core codes (`fr-core-cs-mode-validation-identity`). Which ones an
    establishment accepts is its own policy: give `accepted` where it differs."""

    IDENTITY_CARD = "CN"
    PASSPORT = "PA"
    RESIDENCE_PERMIT = "CS"
    ELECTRONIC_IDENTITY_CARD = "eCN"
    NATIONAL_INTEROPERABILITY = "IN"
    VITALE_APPLICATION = "AV"
    FAMILY_BOOK_WITH_VITALE_CARD = "LECV"
    BIRTH_CERTIFICATE = "AN"
    FAMILY_BOOK = "LEP"
    CIRCULATION_CARD = "CC"
    BIRTH_CERTIFICATE_WITH_VITALE_CARD = "ANCV"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """That somebody compared the traits with an identity document, the person being present.

    There is no default: which document was seen is a choice that a human makes and answers for (EXI ID 19).
    checked_by: local identifier of the person who checked. Raises InsError `INS_EVIDENCE` when nobody is named.
    """

    document: DocumentKind
    checked_by: str = field(repr=False)
    checked_on: date

    def __post_init__(self) -> None:
        if not self.checked_by.strip():
            raise InsError(
                "nobody answers for this check", code="INS_EVIDENCE", path="evidence.checked_by", rule="EXI ID 19",
                hint="give the local identifier of who saw the document",
            )  # fmt: skip
