"""Who may call which transaction of the DMP, as data: authentication mode × transaction.

Source: GIE SESAM-Vitale, information sheet PDT-INF-526 v1.8 of 25/09/2024 (certificates of establishments, cards of
doctors) and PDT-INF-527 (web access). The sheet of the mode INDIRECTE_RENFORCEE (PDT-INF-606) has its table as an
image that could not be read: it is UNKNOWN here. The DMP decides: by default a refusal foreseen is a warning.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from .._core.errors import ConfigurationError, RemoteError
from .._core.findings import Finding, Severity
from .._core.retry import RetryKind
from ..model import Actor

_log = logging.getLogger("sunes_sdk.dmp")

Mode = Literal["DIRECTE", "INDIRECTE", "INDIRECTE_RENFORCEE"]
"""Values of the VIHF attribute `Authentification_Mode`."""
Caller = Mode | Literal["CPE"]
"""Whose rights: a mode, or in mode DIRECTE the card of staff (CPE) where others have a professional's."""
Policy = Literal["warn", "refuse"]
DENIED: Final = "DMPAccessDeniedByRightsService"
"""Code of the DMP's refusal."""
RIGHTS_CODE: Final = "DMP_RIGHTS"
"""Code of the finding, of the warning of a Receipt, and of the error."""


class Transaction(StrEnum):
    """Transactions of the guide DMPi (SEL-MP-037); `FIND_REFERENCE` is its function DMP_3.1b."""

    EXISTENCE = "TD0.2"
    SET_AUTHORIZATION = "TD0.3"
    PATIENTS = "TD0.4"
    SEARCH_PATIENT = "TD0.5"
    WEB = "TD0.9"
    ADMINISTRATIVE_DATA = "TD1.3a"
    UPDATE_ADMINISTRATIVE_DATA = "TD1.3b"
    CLOSE = "TD1.4"
    AUTHORIZATIONS = "TD1.6"
    FEED = "TD2.1"
    FEED_BY_SECRETARIAT = "TD2.2"
    FIND = "TD3.1"
    FIND_REFERENCE = "DMP_3.1b"
    RETRIEVE = "TD3.2"
    MASK = "TD3.3a"
    VISIBILITY = "TD3.3b"
    DELETE = "TD3.3c"
    ARCHIVE = "TD3.3d"


class Right(StrEnum):
    ALLOWED = "allowed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One cell. condition: what limits an allowed transaction; purposes: purposes of use in which it is refused."""

    right: Right
    condition: str = ""
    purposes: frozenset[str] = frozenset()
    source: str = ""


_SHEET: Final = "GIE SESAM-Vitale PDT-INF-526 v1.8"
_OWN: Final = "documents of the professional, and of anybody for the médecin traitant"


def _rule(right: Right, condition: str = "", source: str = _SHEET, purposes: frozenset[str] = frozenset()) -> Rule:
    return Rule(right=right, condition=condition, source=source, purposes=purposes)


_UNKNOWN: Final = _rule(Right.UNKNOWN, source="no readable public source")
_ALLOWED: Final = _rule(Right.ALLOWED)
_REFUSED: Final = _rule(Right.REFUSED)
_DIRECT_ONLY: Final = _rule(Right.REFUSED, source="GIE SESAM-Vitale PDT-INF-527: direct authentication only")

_EMERGENCY: Final = frozenset({"bris_de_glace", "centre_15"})
_REGULATION: Final = frozenset({"centre_15"})
_REGULATION_ONLY: Final = _rule(
    Right.ALLOWED, "medical regulation only", purposes=frozenset({"normal", "bris_de_glace"})
)
_NOT_ENS: Final = "records that are not attached to Mon espace santé"

RIGHTS: Final[Mapping[Caller, Mapping[Transaction, Rule]]] = {
    "INDIRECTE": {
        Transaction.EXISTENCE: _ALLOWED,
        Transaction.SET_AUTHORIZATION: _REFUSED,
        Transaction.PATIENTS: _rule(Right.ALLOWED, "new authorisations by date only", purposes=_REGULATION),
        Transaction.SEARCH_PATIENT: _REGULATION_ONLY,
        Transaction.ADMINISTRATIVE_DATA: _ALLOWED,
        Transaction.AUTHORIZATIONS: _REFUSED,
        Transaction.WEB: _DIRECT_ONLY,
        Transaction.FEED: _rule(Right.ALLOWED, "imputed to the structure"),
        Transaction.FEED_BY_SECRETARIAT: _REFUSED,
        Transaction.FIND: _REFUSED,
        Transaction.FIND_REFERENCE: _ALLOWED,
        Transaction.RETRIEVE: _REFUSED,
        Transaction.MASK: _REFUSED,
        Transaction.VISIBILITY: _REFUSED,
        Transaction.DELETE: _rule(Right.ALLOWED, "documents whose author is the structure"),
        Transaction.ARCHIVE: _REFUSED,
    },
    "INDIRECTE_RENFORCEE": {Transaction.WEB: _DIRECT_ONLY},
    "DIRECTE": {
        **dict.fromkeys(
            (
                Transaction.EXISTENCE, Transaction.PATIENTS, Transaction.ADMINISTRATIVE_DATA, Transaction.FEED,
                Transaction.FIND, Transaction.FIND_REFERENCE, Transaction.RETRIEVE,
            ),
            _rule(Right.ALLOWED, "a doctor's card, normal access"),
        ),
        Transaction.SET_AUTHORIZATION: _rule(Right.ALLOWED, "a doctor's card", purposes=_EMERGENCY),
        Transaction.SEARCH_PATIENT: _REGULATION_ONLY,
        Transaction.UPDATE_ADMINISTRATIVE_DATA: _rule(Right.ALLOWED, _NOT_ENS),
        Transaction.CLOSE: _rule(Right.ALLOWED, _NOT_ENS),
        Transaction.AUTHORIZATIONS: _rule(Right.ALLOWED, "a doctor's card", purposes=_EMERGENCY),
        Transaction.WEB: _rule(Right.ALLOWED, source="GIE SESAM-Vitale PDT-INF-527"),
        Transaction.FEED_BY_SECRETARIAT: _REFUSED,
        Transaction.MASK: _rule(Right.ALLOWED, f"to unmask: {_OWN}", purposes=_EMERGENCY),
        Transaction.VISIBILITY: _rule(Right.ALLOWED, "a doctor's card", purposes=_EMERGENCY),
        Transaction.DELETE: _rule(Right.ALLOWED, "documents of the professional, the médecin traitant included"),
        Transaction.ARCHIVE: _rule(Right.ALLOWED, _OWN),
    },
    "CPE": {
        **dict.fromkeys(
            (
                Transaction.AUTHORIZATIONS, Transaction.SEARCH_PATIENT, Transaction.FEED, Transaction.FIND,
                Transaction.RETRIEVE, Transaction.MASK, Transaction.VISIBILITY, Transaction.ARCHIVE,
            ),
            _REFUSED,
        ),
        **dict.fromkeys(
            (Transaction.EXISTENCE, Transaction.ADMINISTRATIVE_DATA, Transaction.WEB, Transaction.FIND_REFERENCE),
            _ALLOWED,
        ),
        Transaction.SET_AUTHORIZATION: _rule(Right.ALLOWED, "to get access, not to give it up"),
        Transaction.PATIENTS: _rule(Right.ALLOWED, "those of professionals of the same structure"),
        Transaction.UPDATE_ADMINISTRATIVE_DATA: _rule(Right.ALLOWED, _NOT_ENS),
        Transaction.CLOSE: _rule(Right.ALLOWED, _NOT_ENS),
        Transaction.FEED_BY_SECRETARIAT: _rule(Right.ALLOWED, "imputed to the structure; practices outside hospitals"),
        Transaction.DELETE: _rule(Right.ALLOWED, "documents whose author is the structure, or a CPE of it"),
    },
}  # fmt: skip
"""A cell that is not here is UNKNOWN. The code of the purpose *régulation* is that of the *centre 15* in the public
examples of a VIHF (unverified)."""

_WAYS: Final = {
    Transaction.FIND: "ask with find_entry_uuid (DMP_3.1b) whether the DMP holds a document; lists are for a "
    "professional, with a card (mode DIRECTE)",
    Transaction.SEARCH_PATIENT: "ask INSi for the INS; a regulation centre says so: DmpClient(purpose=…)",
    Transaction.FEED_BY_SECRETARIAT: "feed in the name of the structure or with a professional's card (TD2.1)",
    Transaction.RETRIEVE: "read documents with a professional's card (mode DIRECTE)",
}

_WAYS_FR: Final = {
    Transaction.FIND: "Un établissement ne peut pas lister les documents d'un DMP : demander si un document y est, par "
    "son identifiant ; pour une liste, un professionnel cherche avec sa carte.",
    Transaction.RETRIEVE: "Un établissement ne peut pas lire les documents d'un DMP : un professionnel les lit avec sa "
    "carte.",
}


def caller_of(mode: Mode, actor: Actor) -> Caller:
    return "CPE" if mode == "DIRECTE" and actor.professional.is_staff else mode


def rule(mode: Caller, transaction: Transaction) -> Rule:
    """The cell of the table."""
    return RIGHTS[mode].get(transaction, _UNKNOWN)


def check(mode: Caller, transaction: Transaction, *, purpose: str = "normal") -> Finding | None:
    """A warning `DMP_RIGHTS` when the public table says that the DMP will refuse; None when it allows it or is silent.

    purpose: code of the purpose of use (`normal`, `bris_de_glace`, `centre_15`).
    """
    found = rule(mode, transaction)
    if found.right is not Right.REFUSED and purpose not in found.purposes:
        return None
    who = "a card of staff (CPE)" if mode == "CPE" else f"mode {mode}"
    how = who if found.right is Right.REFUSED else f"{who} with the purpose {purpose}"
    return Finding(
        code=RIGHTS_CODE,
        message=f"the DMP does not let {how} call {transaction.value}",
        path=f"settings.dmp.mode / {transaction.value}",
        severity=Severity.WARNING,
        rule="rights by authentication mode",
        source=found.source,
        hint=_WAYS.get(transaction, "let a professional do it with a card (mode DIRECTE) or on the DMP's web site"),
        message_fr=_WAYS_FR.get(
            transaction, "Cette action n'est pas ouverte à ce mode d'authentification : un professionnel doit la faire."
        ),
    )  # fmt: skip


def enforce(mode: Caller, transaction: Transaction, policy: Policy, *, purpose: str = "normal") -> tuple[str, ...]:
    """What `check` found, by the policy of `settings.dmp.rights`: `warn` logs it and gives the codes that a Receipt
    carries as warnings; `refuse` raises ConfigurationError `DMP_RIGHTS` and nothing is sent."""
    finding = check(mode, transaction, purpose=purpose)
    if finding is None:
        return ()
    if policy == "refuse":
        raise ConfigurationError(
            finding.message, code=finding.code, path=finding.path, rule=f"{finding.rule}; {finding.source}",
            hint=finding.hint, hint_fr=finding.message_fr,
        )  # fmt: skip
    log_warning(finding.code, finding.message)
    return (finding.code,)


@contextmanager
def foreseen(mode: Caller, transaction: Transaction, *, purpose: str = "normal") -> Iterator[None]:
    """Around a call: when the DMP refuses what the table says that it will, the error says what the mode may not do and
    what to use instead. With which code it refuses is not public for every call: what another code asks for stays."""
    try:
        yield
    except RemoteError as e:
        finding = check(mode, transaction, purpose=purpose) if e.retry.kind is RetryKind.NEVER else None
        if finding is not None:
            own = ("", "") if e.remote_code == DENIED else (e.hint, e.hint_fr)
            e.hint = "; ".join(filter(None, (f"{finding.message}: {finding.hint}", own[0])))
            e.hint_fr = " ".join(filter(None, (finding.message_fr, own[1])))
        raise


def log_warning(code: str, message: str) -> None:
    """What the policy `warn` says of a call that goes on. No personal data."""
    _log.warning("%s: %s", code, message)
