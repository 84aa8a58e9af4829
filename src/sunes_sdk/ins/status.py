"""How an identity passes from one status to another (RNIV; EXI SI 07, 09; EXI ID 19, 26).

Two independent axes: *recovered* from INSi, and *checked* against an identity document of high confidence.
Every function returns a new `Identity`; the former one, which the caller still holds, is the history.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from .._core.errors import InsError
from ..model import Identity, IdentityAttribute, IdentityStatus, Ins, Traits
from .traits import compare_traits

_BLOCKING = frozenset({IdentityAttribute.DOUTEUSE, IdentityAttribute.FICTIVE})


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
    checked_by: local identifier of the person who checked.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundIdentity:
    """What INSi answered about one person, every text byte for byte as received.

    first_given_name / given_names / sex / birth_date / birth_place are None where INSi left them out; history: former
    matricules, as INSi lists them (it may repeat the active one).
    """

    ins: Ins
    birth_name: str | None = field(default=None, repr=False)
    first_given_name: str | None = field(default=None, repr=False)
    given_names: str | None = field(default=None, repr=False)
    sex: str | None = field(default=None, repr=False)
    birth_date: str | None = field(default=None, repr=False)
    birth_place: str | None = field(default=None, repr=False)
    history: tuple[Ins, ...] = field(default=(), repr=False)

    def traits(self, local: Traits, *, first_given_name: str | None = None) -> Traits:
        """The strict traits to record: INSi's, and the local ones where INSi said nothing.

        first_given_name: where the user cuts the list of given names, needed when INSi gave no first given name and the
        local one does not start the list. Raises ModelError (`INS_FIRST_GIVEN_NAME` …).
        """
        values: dict[str, Any] = {
            "birth_name": self.birth_name or local.birth_name,
            "birth_given_names": self.given_names or self.first_given_name or local.birth_given_names,
            "first_given_name": first_given_name or self.first_given_name or local.first_given_name,
            "birth_date": self.birth_date or local.birth_date,
            "sex": self.sex or local.sex,
            "birth_place": self.birth_place or local.birth_place,
        }
        return Traits(**values)


def check_callable(identity: Identity) -> None:
    """Raises InsError `INS_CALL_FORBIDDEN`: INSi is never asked about a doubtful or fictitious identity (EXI SI 22)."""
    if identity.attributes & _BLOCKING:
        raise InsError(
            "a doubtful or fictitious identity may not be sent to INSi", code="INS_CALL_FORBIDDEN",
            path="identity.attributes", rule="EXI ID 26, EXI SI 22", hint="remove the doubt first",
            hint_fr="Identité douteuse ou fictive : l'appel à INSi est interdit.",
        )  # fmt: skip


def recover(
    identity: Identity,
    found: FoundIdentity,
    *,
    accepted_differences: Collection[str] = (),
    first_given_name: str | None = None,
) -> Identity:
    """INSi's answer recorded: `PROV` → `RECUP`, `VALI` → `QUAL`; the strict traits become INSi's.

    accepted_differences: codes of `compare_traits` that a human has seen and accepted. Raises InsError
    `INS_TRAITS_DIFFER` when another difference remains, `INS_CALL_FORBIDDEN` for a doubtful or fictitious identity.
    """
    check_callable(identity)
    traits = found.traits(identity.traits, first_given_name=first_given_name)
    differences = compare_traits(identity.traits, traits)
    refused = [f for f in differences.warnings if f.code not in accepted_differences]
    if refused:
        raise InsError(
            f"INSi's traits differ: {', '.join(f.code for f in refused)}",
            code="INS_TRAITS_DIFFER",
            path=refused[0].path,
            rule="a human compares the traits before the status changes",
            hint="show both, then call again with the accepted codes, or refuse the answer",
            hint_fr="Les traits renvoyés par INSi diffèrent : comparez-les avec une pièce d'identité.",
            report=differences,
        )
    checked = identity.status in (IdentityStatus.VALIDEE, IdentityStatus.QUALIFIEE)
    status = IdentityStatus.QUALIFIEE if checked else IdentityStatus.RECUPEREE
    return Identity(traits=traits, status=status, ins=found.ins, attributes=identity.attributes)


def validate(
    identity: Identity, evidence: Evidence, *, accepted: Collection[DocumentKind] = frozenset(DocumentKind)
) -> Identity:
    """An identity document seen: `PROV` → `VALI`, `RECUP` → `QUAL`.

    accepted: documents that the establishment takes. Raises InsError `INS_EVIDENCE`, `INS_DOUBTFUL`.
    """
    if evidence.document not in accepted:
        raise InsError(
            f"document {evidence.document.value} is not accepted here", code="INS_EVIDENCE", path="evidence.document",
            rule="EXI ID 19; the establishment's policy", hint="check another document",
            hint_fr="Cette pièce d'identité n'est pas admise par l'établissement.",
        )  # fmt: skip
    if identity.attributes & _BLOCKING:
        raise InsError(
            "a doubtful or fictitious identity cannot be validated", code="INS_DOUBTFUL", path="identity.attributes",
            rule="EXI ID 26, EXI SI 09", hint="remove the attribute first",
            hint_fr="Identité douteuse ou fictive : elle ne peut pas être validée.",
        )  # fmt: skip
    recovered = identity.ins is not None
    status = IdentityStatus.QUALIFIEE if recovered else IdentityStatus.VALIDEE
    return Identity(traits=identity.traits, status=status, ins=identity.ins, attributes=identity.attributes)


def qualify(
    identity: Identity,
    found: FoundIdentity,
    *,
    evidence: Evidence | None,
    accepted_differences: Collection[str] = (),
    first_given_name: str | None = None,
    accepted: Collection[DocumentKind] = frozenset(DocumentKind),
) -> Identity:
    """Both axes at once: INSi's answer recorded and the document seen, so `QUAL`.

    evidence has no default: None says that no document was seen now, and leaves a `PROV` identity `RECUP` (a `VALI` one
    becomes `QUAL`). Raises what `recover` and `validate` raise.
    """
    recovered = recover(
        identity, found, accepted_differences=accepted_differences, first_given_name=first_given_name
    )  # fmt: skip
    return recovered if evidence is None else validate(recovered, evidence, accepted=accepted)


def invalidate(identity: Identity, *, still_checked: bool) -> Identity:
    """The INS dropped, after a failed verification or a removal by the partner that gave it: `VALI` when the document
    check still holds (`still_checked`), else `PROV`. Keep the former identity: its INS belongs to the history."""
    checked = still_checked and identity.status in (IdentityStatus.VALIDEE, IdentityStatus.QUALIFIEE)
    status = IdentityStatus.VALIDEE if checked else IdentityStatus.PROVISOIRE
    return Identity(traits=identity.traits, status=status, attributes=identity.attributes)


def edit_traits(identity: Identity, traits: Traits, *, evidence: Evidence | None) -> Identity:
    """Strict traits changed by hand: the INS falls, the status is `PROV`, or `VALI` with a document for the new traits.
    Unchanged traits leave the identity as it is (with `evidence`, checked)."""
    edited = identity
    if traits != identity.traits:
        edited = Identity(traits=traits, attributes=identity.attributes)
    return edited if evidence is None else validate(edited, evidence)


def mark(identity: Identity, attribute: IdentityAttribute) -> Identity:
    """An attribute set. `DOUT` and `FICT` make the identity `PROV` and drop its INS; `FICT` stands alone."""
    if attribute not in _BLOCKING:
        return Identity(
            traits=identity.traits, status=identity.status, ins=identity.ins,
            attributes=identity.attributes | {attribute},
        )  # fmt: skip
    kept = frozenset() if attribute is IdentityAttribute.FICTIVE else identity.attributes
    return Identity(traits=identity.traits, attributes=(kept - {IdentityAttribute.FICTIVE}) | {attribute})


def unmark(identity: Identity, attribute: IdentityAttribute) -> Identity:
    """An attribute removed. The status stays: an identity that was doubtful starts again from `PROV`."""
    return Identity(
        traits=identity.traits, status=identity.status, ins=identity.ins, attributes=identity.attributes - {attribute}
    )
