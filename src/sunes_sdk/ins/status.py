"""An INSi answer, or what the application carte Vitale shows, applied to an identity.

The states and the transitions between them are methods of `Identity` (`recovered`, `validated`, `invalidated`,
`edited`, `marked`, `unmarked`); here the traits that come from outside are compared before anything changes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from .._core.errors import InsError
from ..model import DocumentKind as DocumentKind  # under the name it had here
from ..model import Evidence as Evidence
from ..model import Identity, IdentityAttribute, Ins, Traits
from .names import start_of
from .traits import compare_traits

_BLOCKING = frozenset({IdentityAttribute.DOUTEUSE, IdentityAttribute.FICTIVE})

validate = Identity.validated
invalidate = Identity.invalidated
edit_traits = Identity.edited
mark = Identity.marked
unmark = Identity.unmarked


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
        local one does not start the list; when it does, it is taken as the list spells it.
        Raises ModelError (`INS_FIRST_GIVEN_NAME` …).
        """
        listed = self.given_names or self.first_given_name or local.birth_given_names
        same_start = start_of(listed, local.first_given_name) or local.first_given_name
        values: dict[str, Any] = {
            "birth_name": self.birth_name or local.birth_name,
            "birth_given_names": listed,
            "first_given_name": first_given_name or self.first_given_name or same_start,
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
    """INSi's answer recorded: `PROV` → `RECUP`, `VALI` → `QUAL`; the strict traits become INSi's, its history joins
    `former_ins`.

    accepted_differences: codes of `compare_traits` that a human has seen and accepted. Raises InsError
    `INS_CALL_FORBIDDEN` for a doubtful or fictitious identity, and what `Identity.recovered` raises.
    """
    check_callable(identity)
    return _recorded(identity, found, accepted_differences, first_given_name)


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
    becomes `QUAL`). Raises what `recover` and `Identity.validated` raise.
    """
    recovered = recover(
        identity, found, accepted_differences=accepted_differences, first_given_name=first_given_name
    )  # fmt: skip
    return recovered if evidence is None else recovered.validated(evidence, accepted=accepted)


def qualify_by_vitale_app(
    identity: Identity,
    shown: FoundIdentity,
    *,
    checked_by: str,
    checked_on: date,
    accepted_differences: Collection[str] = (),
    first_given_name: str | None = None,
) -> Identity:
    """The application carte Vitale read (QR code or NFC): `PROV`, `RECUP`, `VALI` → `QUAL`, without any call to INSi
    (RNIV §4.3.4, as reported; the reading of the application itself is not part of this library).

    shown: the INS and the traits that the application gave; checked_by: who read it, the person being present.
    Raises what `Identity.recovered` and `Evidence` raise: a doubt is removed first here too.
    """
    evidence = Evidence(document=DocumentKind.VITALE_APPLICATION, checked_by=checked_by, checked_on=checked_on)
    return _recorded(identity, shown, accepted_differences, first_given_name).validated(evidence)


def _recorded(
    identity: Identity, found: FoundIdentity, accepted_differences: Collection[str], first_given_name: str | None
) -> Identity:
    traits = found.traits(identity.traits, first_given_name=first_given_name)
    return identity.recovered(
        found.ins, traits, differences=compare_traits(identity.traits, traits),
        accepted_differences=accepted_differences, history=found.history,
    )  # fmt: skip
