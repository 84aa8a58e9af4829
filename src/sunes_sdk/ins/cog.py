"""Places of birth by their COG code: what is known of one, and when two are one place. INSi alone decides."""

from __future__ import annotations

import re
from datetime import date

from .._core.findings import Finding, Report, Severity
from ..terminology.places import Place, places

_FRANCE = "99100"
_FORMAT = re.compile(r"(?:[0-9]{2}|2[AB])[0-9]{3}", re.ASCII).fullmatch
_UNKNOWN_COMMUNES = frozenset({"990", "999"})
"""Three digits that say that the commune or the country is not known (unverified)."""
_RECODED = {"97123": "97701", "97127": "97801"}
"""Saint-Barthélemy and Saint-Martin, communes of Guadeloupe before they became collectivities (unverified)."""
_SOURCE = "INSEE, Code officiel géographique"


def lookup(code: str, on: date | None = None) -> Place | None:
    """The commune, district or country of a COG code; None when it is not in the table that this library ships, or was
    no longer in use `on` that day. An absent code may still be right."""
    return places().lookup(code, on)


def same_place(one: str, other: str) -> bool:
    """Whether two COG codes are one place: equal, or one has become the other or is part of it (a merged commune, a
    district of Paris, Lyon or Marseille, a department that was split, Saint-Martin, Mayotte). Two parts of one commune
    are two places."""
    return one == other or other in _lineage(one) or one in _lineage(other)


def is_unknown(code: str) -> bool:
    """Whether a code says that the place, or the commune in its department, was not known."""
    return code[2:] in _UNKNOWN_COMMUNES


def check_birth_place(code: str, *, born: date | None = None, path: str = "traits.birth_place") -> Report:
    """What can be said of a place of birth without asking INSi.

    Error: `INS_COG_FORMAT`. Warnings: `INS_COG_UNKNOWN` (not in the table: nothing more), `INS_COG_FRANCE` (the country
    in place of a commune). Remarks: `INS_PLACE_UNKNOWN` (the code says so), `INS_COG_FORMER` (not in use any more when
    the person was `born`).
    """
    if not _FORMAT(code):
        return _report("FORMAT", path)
    if is_unknown(code):
        return _report("UNKNOWN_PLACE", path)
    if code == _FRANCE:
        return _report("FRANCE", path)
    place = lookup(code)
    if place is None:
        return Report() if len(_lineage(code)) > 1 else _report("UNKNOWN", path)
    if born and place.last_year and born.year > place.last_year:
        return _report("FORMER", path)
    return Report()


def _lineage(code: str) -> tuple[str, ...]:
    if code in _RECODED:
        return (code, _RECODED[code])
    if code.startswith("985"):  # Mayotte, whose communes kept their two digits (unverified)
        return (code, "976" + code[3:])
    return places().lineage(code)


_RULES: dict[str, tuple[str, Severity, str, str, str, str]] = {
    "FORMAT": ("INS_COG_FORMAT", Severity.ERROR, "not the form of a COG code",
               "5 characters, digits only but for 2A or 2B; 99 and the country when born abroad",
               "give the INSEE code of the commune of birth, not its postal code",
               "Le lieu de naissance n'est pas un code officiel géographique (5 caractères)."),
    "UNKNOWN": ("INS_COG_UNKNOWN", Severity.WARNING, "this code is not in the table of communes and countries",
                "the tables of 2019 to 2026; an older list of countries",
                "check that it is not a postal code; nothing more if INSi gave it",
                "Code de lieu de naissance absent de la table : vérifiez qu'il ne s'agit pas d'un code postal."),
    "FRANCE": ("INS_COG_FRANCE", Severity.WARNING, "99100 is France as a country, not a place of birth",
               "a commune when born in France", "give the INSEE code of the commune of birth",
               "99100 désigne la France : indiquez le code de la commune de naissance."),
    "UNKNOWN_PLACE": ("INS_PLACE_UNKNOWN", Severity.INFO, "the code says that the place of birth is not known",
                      "99999; 990 or 999 in a department", "ask for an identity document that names the place",
                      "Le lieu de naissance est codé comme inconnu."),
    "FORMER": ("INS_COG_FORMER", Severity.INFO, "the code was no longer in use at the birth",
               "the code of the commune at birth", "nothing to do, if INSi gave it",
               "Ce code de commune n'était plus en usage à la naissance."),
}  # fmt: skip


def _report(name: str, path: str) -> Report:
    code, severity, message, rule, hint, french = _RULES[name]
    return Report(
        (
            Finding(
                code=code, message=message, path=path, severity=severity, rule=rule, source=_SOURCE, hint=hint,
                message_fr=french,
            ),
        )
    )  # fmt: skip
