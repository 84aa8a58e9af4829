"""L2: rules of the national health identity (INS): matricule, names, dates, traits, status. Pure."""

from . import cog, datamatrix, matricule
from .audit import IdentityAct, IdentityAudit, IdentityEvent
from .cog import check_birth_place
from .datamatrix import ScannedIdentity
from .dates import RecordedDate, calendar_date, check_birth_date, folded_date, recorded_date, recorded_lunar_date
from .duplicates import (
    Candidate,
    Clue,
    DuplicateSearch,
    LocalRecord,
    MemoryIndex,
    Reason,
    RecordIndex,
    compare_records,
)
from .matricule import Verdict, check_matricule, is_valid
from .names import (
    check_birth_name,
    check_first_given_name,
    check_given_name,
    check_given_names,
    coherent,
    comparable,
    normalize_for_insi,
    split_given_names,
)
from .status import (
    DocumentKind,
    Evidence,
    FoundIdentity,
    check_callable,
    edit_traits,
    invalidate,
    mark,
    qualify,
    qualify_by_vitale_app,
    recover,
    unmark,
    validate,
)
from .traits import check_traits, compare_traits
from .vigilance import Decision, Proposal, TraitLine, propose

__all__ = [
    "Candidate",
    "Clue",
    "Decision",
    "DocumentKind",
    "DuplicateSearch",
    "Evidence",
    "FoundIdentity",
    "IdentityAct",
    "IdentityAudit",
    "IdentityEvent",
    "LocalRecord",
    "MemoryIndex",
    "Proposal",
    "Reason",
    "RecordIndex",
    "RecordedDate",
    "ScannedIdentity",
    "TraitLine",
    "Verdict",
    "calendar_date",
    "check_birth_date",
    "check_birth_name",
    "check_birth_place",
    "check_callable",
    "check_first_given_name",
    "check_given_name",
    "check_given_names",
    "check_matricule",
    "check_traits",
    "cog",
    "coherent",
    "comparable",
    "compare_records",
    "compare_traits",
    "datamatrix",
    "edit_traits",
    "folded_date",
    "invalidate",
    "is_valid",
    "mark",
    "matricule",
    "normalize_for_insi",
    "propose",
    "qualify",
    "qualify_by_vitale_app",
    "recorded_date",
    "recorded_lunar_date",
    "recover",
    "split_given_names",
    "unmark",
    "validate",
]
