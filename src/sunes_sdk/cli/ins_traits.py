"""Traits as people hold them in files: by the names of the model, or by their French names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.errors import ModelError
from .._core.findings import Report
from .._core.text import strip_accents
from ..ins.matricule import canonical
from ..ins.traits import agreement
from ..model import Traits

FRENCH = {
    "nom_naissance": "birth_name",
    "prenoms": "birth_given_names",
    "premier_prenom": "first_given_name",
    "date_naissance": "birth_date",
    "sexe": "sex",
    "lieu_naissance_cog": "birth_place",
}
"""French name → field of `Traits`."""
FIELDS = frozenset(FRENCH.values())
_UNSAID = {
    "birth_name": "X", "birth_given_names": "X", "first_given_name": "X", "birth_date": "0000-00-00", "sex": "UN",
    "birth_place": "99999",
}  # fmt: skip
"""Well-formed stand-ins, so that the model judges the form of the traits that are given."""


def field_of(name: str) -> str:
    """The model's name of a column or key: case, accents and blanks aside. A name that is no trait's stays."""
    plain = strip_accents(name).strip().lower().replace(" ", "_")
    return FRENCH.get(plain, plain)


def traits_of(values: Mapping[str, Any]) -> Traits:
    """All the strict traits. Without a first given name the whole list stands for it: nobody said where to cut.

    Raises ModelError.
    """
    return Traits(**{"first_given_name": values.get("birth_given_names", "")} | dict(values))


def disagreements(values: Mapping[str, Any], matricule: str) -> Report:
    """The traits that are given (none is required) against a matricule; one that is malformed is an error."""
    said = {name: value for name, value in values.items() if value not in ("", None)}
    if not said:
        return Report()
    listed = said.get("birth_given_names") or said.get("first_given_name")
    names = {"birth_given_names": listed, "first_given_name": listed} if listed else {}
    try:
        traits = Traits(**_UNSAID | names | said)
    except ModelError as e:
        return Report(e.findings)
    return agreement(
        canonical(matricule), traits.sex.value, traits.birth_date if "birth_date" in said else "",
        traits.birth_place if "birth_place" in said else "",
    )  # fmt: skip
