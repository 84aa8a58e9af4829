"""L2: rules of the national health identity (INS): matricule, names, dates, traits, status. Pure."""

from .dates import RecordedDate, calendar_date, folded_date, recorded_date
from .matricule import check_matricule, is_valid
from .names import check_birth_name, check_given_name, coherent, comparable, normalize_for_insi
from .status import (
    DocumentKind,
    Evidence,
    FoundIdentity,
    check_callable,
    edit_traits,
    invalidate,
    mark,
    qualify,
    recover,
    unmark,
    validate,
)
from .traits import check_traits, compare_traits

__all__ = [
    "DocumentKind",
    "Evidence",
    "FoundIdentity",
    "RecordedDate",
    "calendar_date",
    "check_birth_name",
    "check_callable",
    "check_given_name",
    "check_matricule",
    "check_traits",
    "coherent",
    "comparable",
    "compare_traits",
    "edit_traits",
    "folded_date",
    "invalidate",
    "is_valid",
    "mark",
    "normalize_for_insi",
    "qualify",
    "recorded_date",
    "recover",
    "unmark",
    "validate",
]
