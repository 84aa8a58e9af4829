"""The traits against the matricule, and the local traits against those of INSi. Pure comparisons: nothing is changed.

A matricule is not made again when civil status is rectified or communes merge, so that a disagreement is never an
error: only INSi is the authority.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from .._core.findings import Finding, Report, Severity
from ..model import Matricule, Sex, Traits
from .matricule import canonical
from .names import comparable

UNKNOWN_PLACE = "99999"
_SOURCE = "RNIV; Référentiel INS"
_NORTH_AFRICA = {"91": "99352", "92": "99352", "93": "99352", "94": "99352", "95": "99350", "96": "99351"}
"""Departments of North Africa before independence, and the country's code today (unverified)."""
_OLD_PARIS_REGION = frozenset({"75", "78"})
_PARIS_REGION = frozenset({"75", "77", "78", "91", "92", "93", "94", "95"})
_PARIS_REGION_SPLIT = 1968
"""Seine and Seine-et-Oise were split in 1968; communes kept their three digits (unverified)."""


def check_traits(traits: Traits, matricule: Matricule | str, *, former_places: Collection[str] = ()) -> Report:
    """Sex, year, month and place of birth against the matricule: warnings and remarks, never errors.

    Codes: `INS_SEX_MISMATCH INS_YEAR_MISMATCH INS_MONTH_MISMATCH INS_PLACE_MISMATCH` (warnings),
    `INS_PLACE_EQUIVALENT INS_PLACE_UNKNOWN` (remarks).

    former_places: COG codes of the communes that were merged into the birth place (from INSEE's open data; the library
    ships none).
    """
    value = matricule.value if isinstance(matricule, Matricule) else canonical(matricule)
    return Report.of(_agreement(traits, value, former_places)) if len(value) >= 13 else Report()


def _agreement(traits: Traits, value: str, former_places: Collection[str]) -> Iterator[Finding]:
    year, month = traits.birth_date[2:4], traits.birth_date[5:7]
    if traits.sex is not Sex.UNKNOWN and (value[0] in "1357") != (traits.sex is Sex.MALE):
        yield _warning("SEX_MISMATCH", "sex", "the sex differs from the matricule's", "Le sexe")
    if value[1:3] != year:
        yield _warning("YEAR_MISMATCH", "birth_date", "the year of birth differs", "L'année de naissance")
    coded = int(value[3:5])
    coded = coded - 30 if 31 <= coded <= 42 else coded
    if 1 <= coded <= 12 and 1 <= int(month) <= 12 and coded != int(month):
        yield _warning("MONTH_MISMATCH", "birth_date", "the month of birth differs", "Le mois de naissance")
    place = value[5:10]
    if place == traits.birth_place:
        return
    if _same_place(place, traits, former_places):
        yield _remark("PLACE_EQUIVALENT", "the place of birth has another code today")
    elif traits.birth_place == UNKNOWN_PLACE or place[2:] in ("990", "999"):
        yield _remark("PLACE_UNKNOWN", "the place of birth is unknown on one side")
    else:
        yield _warning("PLACE_MISMATCH", "birth_place", "the place of birth differs", "Le lieu de naissance")


def _same_place(place: str, traits: Traits, former_places: Collection[str]) -> bool:
    today = traits.birth_place
    department, commune = place[:2], place[2:]
    return (
        place in former_places
        or (department == "20" and today in (f"2A{commune}", f"2B{commune}"))
        or (department in _NORTH_AFRICA and _NORTH_AFRICA[department] == today)
        or (
            department in _OLD_PARIS_REGION
            and traits.birth_date[:4] < str(_PARIS_REGION_SPLIT)
            and today[:2] in _PARIS_REGION
            and today[2:] == commune
        )
        or _city(place) == _city(today)
    )


def _city(cog: str) -> str:
    """The city of an arrondissement of Paris, Marseille or Lyon; the code itself otherwise."""
    if "75101" <= cog <= "75120":
        return "75056"
    if "13201" <= cog <= "13216":
        return "13055"
    return "69123" if "69381" <= cog <= "69389" else cog


def compare_traits(local: Traits, found: Traits) -> Report:
    """The local traits beside those that INSi returned, for the human who accepts them.

    Warnings: `INS_DIFF_BIRTH_NAME INS_DIFF_GIVEN_NAMES INS_DIFF_SEX INS_DIFF_BIRTH_DATE INS_DIFF_BIRTH_PLACE`. A
    difference that is only of case, accents, hyphens or apostrophes is a remark, `INS_DIFF_SPELLING`; so is a local
    list of given names that is only the start of INSi's, `INS_DIFF_SHORT_LIST`, and a local place that is unknown.
    """
    return Report.of(_differences(local, found))


def _differences(local: Traits, found: Traits) -> Iterator[Finding]:
    if comparable(local.birth_name) != comparable(found.birth_name):
        yield _difference("BIRTH_NAME", "birth_name", "the birth name differs", "Le nom de naissance")
    elif local.birth_name != found.birth_name:
        yield _remark("DIFF_SPELLING", "the birth name is spelled otherwise", "birth_name")
    here, there = comparable(local.birth_given_names).split(), comparable(found.birth_given_names).split()
    if here == there:
        if local.birth_given_names != found.birth_given_names:
            yield _remark("DIFF_SPELLING", "the given names are spelled otherwise", "birth_given_names")
    elif there[: len(here)] == here:
        yield _remark("DIFF_SHORT_LIST", "INSi knows more given names", "birth_given_names")
    else:
        yield _difference("GIVEN_NAMES", "birth_given_names", "the given names differ", "Les prénoms de naissance")
    if local.sex is not found.sex:
        yield _difference("SEX", "sex", "the sex differs", "Le sexe")
    if local.birth_date != found.birth_date:
        yield _difference("BIRTH_DATE", "birth_date", "the birth date differs", "La date de naissance")
    if local.birth_place != found.birth_place:
        if UNKNOWN_PLACE in (local.birth_place, found.birth_place):
            yield _remark("PLACE_UNKNOWN", "the place of birth is unknown on one side")
        elif _city(local.birth_place) == _city(found.birth_place):
            yield _remark("PLACE_EQUIVALENT", "the place of birth has another code today")
        else:
            yield _difference("BIRTH_PLACE", "birth_place", "the place of birth differs", "Le lieu de naissance")


def _warning(code: str, path: str, message: str, subject_fr: str) -> Finding:
    return Finding(
        code=f"INS_{code}", message=message, path=f"traits.{path}", severity=Severity.WARNING, source=_SOURCE,
        rule="the matricule tells sex, year, month and place of birth as known when it was made",
        hint="check the traits on an identity document, then ask INSi",
        message_fr=f"{subject_fr} ne correspond pas au matricule INS : à vérifier.",
    )  # fmt: skip


def _difference(code: str, path: str, message: str, subject_fr: str) -> Finding:
    return Finding(
        code=f"INS_DIFF_{code}", message=message, path=f"traits.{path}", severity=Severity.WARNING, source=_SOURCE,
        rule="a human compares the traits before an identity is recovered",
        hint="compare with an identity document; accept the difference or refuse the answer",
        message_fr=f"{subject_fr} diffère de la réponse INSi : comparez avec une pièce d'identité.",
    )  # fmt: skip


def _remark(code: str, message: str, path: str = "birth_place") -> Finding:
    return Finding(
        code=f"INS_{code}", message=message, path=f"traits.{path}", severity=Severity.INFO, source=_SOURCE,
        hint="nothing to do, if the rest agrees",
    )  # fmt: skip
