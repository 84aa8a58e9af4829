"""Who may do what in the fake DMP: the public table of rights by authentication mode, and the visibility of documents.

The table of rights (PDT-INF-526) is public for organisations in mode INDIRECTE; that of INDIRECTE_RENFORCEE is not
readable: it is taken here for that of a professional. Who sees a masked document is from the patients' information on
the DMP, unverified.
"""

from __future__ import annotations

from typing import Final

from .dmp_rules import HIDDEN_FROM_GUARDIANS, Caller, Refused
from .dmp_store import StoredDocument, StoredPatient

DENIED: Final = "DMPAccessDeniedByRightsService"
ESTABLISHMENT_REFUSED: Final = {
    "TD0.3": "an establishment does not set authorisations",
    "TD1.6": "an establishment does not list authorisations",
    "TD3.1": "INDIRECTE: returnType must be ObjectRef",
    "TD3.2": "an establishment does not read documents",
    "TD3.3a": "an establishment does not mask documents",
    "TD3.3b": "an establishment does not set the visibility of documents",
    "TD3.3d": "an establishment does not archive documents",
}
"""Transactions that mode INDIRECTE has no right to."""


STAFF_REFUSED: Final = {
    "TD1.6": "staff (CPE) does not list authorisations",
    "TD3.1": "CPE: returnType must be ObjectRef",
    "TD3.2": "staff (CPE) does not read documents",
    "TD3.3a": "staff (CPE) does not mask documents",
    "TD3.3b": "staff (CPE) does not set the visibility of documents",
    "TD3.3d": "staff (CPE) does not archive documents",
}
"""Transactions that a CPE has no right to."""


def check_mode(caller: Caller, transaction: str) -> None:
    refused = ESTABLISHMENT_REFUSED if caller.is_establishment else STAFF_REFUSED if caller.is_staff else {}
    if transaction in refused:
        raise denied(f"{transaction}: {refused[transaction]}")


def check_purpose(caller: Caller, transaction: str) -> None:
    """TD0.5 is for the medical regulation (centre 15); authorisations are not set nor listed in an emergency; lists of
    patients are not made by the regulation."""
    allowed = _PURPOSES[transaction]
    if caller.purpose not in allowed:
        raise denied(f"{transaction}: PurposeOfUse is {caller.purpose}, it must be {' or '.join(allowed)}")


_PURPOSES: Final = {
    "TD0.3": ("normal",),
    "TD0.4": ("normal", "bris_de_glace"),
    "TD0.5": ("centre_15",),
    "TD1.6": ("normal",),
}


def check_not_ens(patient: StoredPatient, transaction: str) -> None:
    if patient.attached_to_ens:
        raise denied(f"{transaction}: this DMP is attached to Mon espace santé, where the patient manages it")


def denied(text: str) -> Refused:
    return Refused(DENIED, text)


def check_open(patient: StoredPatient | None) -> StoredPatient:
    if patient is None:
        raise Refused("XDSUnknownPatientId", "this patient has no DMP")
    if not patient.is_open:
        raise Refused("DMPClosed", "the DMP of this patient is closed", as_fault=True)
    return patient


def check_access(patient: StoredPatient, caller: Caller) -> None:
    """Reading needs an active authorisation, or an emergency access that the patient does not oppose."""
    if caller.purpose == "bris_de_glace":
        if not patient.break_glass:
            raise denied("the patient opposes bris de glace (OPPOSITION_BRIS_DE_GLACE)")
        return
    if caller.purpose == "centre_15":
        if not patient.emergency:
            raise denied("the patient opposes access by the centre 15 (OPPOSITION_ACCES_URGENCE)")
        return
    authorization = patient.authorization(caller.holder)
    if authorization is None:
        raise denied("no authorisation of this patient: ask for it by TD0.3")
    if authorization.mode != "ACTIVE":
        raise denied("this patient blocked the professional")


def is_attending(patient: StoredPatient | None, caller: Caller) -> bool:
    authorization = patient.authorization(caller.holder) if patient else None
    return authorization is not None and authorization.mode == "ACTIVE" and authorization.attending


def is_own(document: StoredDocument, caller: Caller) -> bool:
    """By the professional; in mode INDIRECTE, and with a CPE, by the structure."""
    return caller.structure in document.structures if caller.feeds_only else caller.user in document.author_ids


def may_see(document: StoredDocument, caller: Caller, patient: StoredPatient | None) -> bool:
    """A masked document is seen by its author and the *médecin traitant*; a deleted one by nobody; in a *connexion
    secrète*, only what is hidden from the legal representatives of a minor."""
    if document.status == "Deleted":
        return False
    if caller.secret and HIDDEN_FROM_GUARDIANS not in document.confidentiality:
        return False
    return not document.masked or is_own(document, caller) or is_attending(patient, caller)
