"""The traits against the matricule, and the local traits against those of INSi. Pure comparisons: nothing is changed.

A matricule is not made again when civil status is rectified or communes merge, so that a disagreement is never an
error: only INSi is the authority.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from .._core.findings import Finding, Report, Severity
from ..model import Matricule, Traits
from .cog import is_unknown, same_place
from .matricule import canonical, is_number
from .names import comparable

UNKNOWN_PLACE = "99999"
_SOURCE = "RNIV; Référentiel INS"
_NORTH_AFRICA = {
    "91": ("99352", "1962"), "92": ("99352", "1962"), "93": ("99352", "1962"), "94": ("99352", "1962"),
    "95": ("99350", "1956"), "96": ("99351", "1956"),
}  # fmt: skip
"""Departments of North Africa, with the country's code today and the last year before its independence was complete
(unverified)."""
_OLD_PARIS_REGION = frozenset({"75", "78"})
_PARIS_REGION = frozenset({"75", "77", "78", "91", "92", "93", "94", "95"})
_PARIS_REGION_SPLIT = "1968"
"""Seine and Seine-et-Oise were split in 1968; communes kept their three digits (unverified)."""
_EQUIVALENCES = {
    "CORSICA": ("Corsica was department 20 before it was 2A and 2B", "La Corse était le département 20."),
    "NORTH_AFRICA": ("a department of North Africa before independence, now a country",
                     "Ancien département d'Afrique du Nord, aujourd'hui un pays."),
    "PARIS_REGION": ("Seine and Seine-et-Oise were split in 1968",
                     "La Seine et la Seine-et-Oise ont été divisées en 1968."),
    "SAME": ("one of the codes became, or is part of, the other",
             "L'un des codes de commune est devenu l'autre, ou en fait partie (fusion, arrondissement)."),
    "GIVEN": ("a commune that was merged into the place of birth", "Commune fusionnée dans le lieu de naissance."),
}  # fmt: skip


def check_traits(traits: Traits, matricule: Matricule | str, *, former_places: Collection[str] = ()) -> Report:
    """Sex, year, month and place of birth against the matricule: warnings and remarks, never errors.

    Codes: `INS_SEX_MISMATCH INS_YEAR_MISMATCH INS_MONTH_MISMATCH INS_PLACE_MISMATCH` (warnings),
    `INS_PLACE_EQUIVALENT INS_PLACE_UNKNOWN` (remarks). The century is not in a matricule. A text that is no matricule
    is compared with nothing: `check_matricule` says what is wrong with it.

    former_places: COG codes of communes that became the birth place, beyond those that the library's table knows.
    """
    value = matricule.value if isinstance(matricule, Matricule) else canonical(matricule)
    return agreement(value, traits.sex.value, traits.birth_date, traits.birth_place, former_places)


def agreement(
    matricule: str, sex: str, birth_date: str, birth_place: str, former_places: Collection[str] = ()
) -> Report:
    """`check_traits` of single traits, of which the empty ones are not compared.

    matricule: canonical; sex: `M`, `F`; birth_date: `AAAA-MM-JJ`; birth_place: COG.
    """
    if len(matricule) not in (13, 15) or not is_number(matricule[:13]):
        return Report()
    return Report.of(_disagreements(matricule, sex, birth_date, birth_place, former_places))


def _disagreements(
    value: str, sex: str, birth_date: str, birth_place: str, former_places: Collection[str]
) -> Iterator[Finding]:
    if sex in ("M", "F") and (value[0] in "13579") != (sex == "M"):
        yield _MISMATCHES["SEX"]
    if birth_date:
        year, month = birth_date[2:4], int(birth_date[5:7])
        if value[1:3] != year:
            yield _MISMATCHES["YEAR"]
        coded = int(value[3:5])
        coded = coded - 30 if 31 <= coded <= 42 else coded
        if 1 <= coded <= 12 and 1 <= month <= 12 and coded != month:
            yield _MISMATCHES["MONTH"]
    place = value[5:10]
    if not birth_place or place == birth_place:
        return
    equivalence = "GIVEN" if place in former_places else _equivalence(place, birth_place, birth_date)
    if equivalence:
        yield _EQUIVALENT[equivalence]
    elif is_unknown(birth_place) or is_unknown(place):
        yield _UNKNOWN
    else:
        yield _MISMATCHES["PLACE"]


def _equivalence(old: str, new: str, birth_date: str) -> str:
    """Why the place in a matricule and one of today may be the same for a person born on that day, empty when not."""
    department, born = old[:2], birth_date[:4]
    country, last_year = _NORTH_AFRICA.get(department, ("", ""))
    if country == new and "" < born <= last_year:
        return "NORTH_AFRICA"
    paris = department in _OLD_PARIS_REGION and new[:2] in _PARIS_REGION and old[2:] == new[2:]
    if paris and "" < born < _PARIS_REGION_SPLIT:
        return "PARIS_REGION"
    return _recoding(old, new)


def _recoding(old: str, new: str) -> str:
    """Why two codes are one place whatever the person. The rule on digits comes first: it needs no table."""
    if old[:2] == "20" and new in (f"2A{old[2:]}", f"2B{old[2:]}"):
        return "CORSICA"
    return "SAME" if same_place(old, new) else ""


def compare_traits(local: Traits, found: Traits) -> Report:
    """The local traits beside those that INSi returned, for the human who accepts them.

    Warnings: `INS_DIFF_BIRTH_NAME INS_DIFF_GIVEN_NAMES INS_DIFF_SEX INS_DIFF_BIRTH_DATE INS_DIFF_BIRTH_PLACE`. A
    difference that is only of case, accents, hyphens or apostrophes is a remark, `INS_DIFF_SPELLING`; so is a local
    list of given names that is only the start of INSi's, `INS_DIFF_SHORT_LIST`, and a place that is unknown or has two
    codes. Two codes that only their digits bring near (Paris region, North Africa) are a difference here: they may be
    two people's.
    """
    return Report.of(_differences(local, found))


def _differences(local: Traits, found: Traits) -> Iterator[Finding]:
    if comparable(local.birth_name) != comparable(found.birth_name):
        yield _difference("BIRTH_NAME", "birth_name", "the birth name differs", "Le nom de naissance")
    elif local.birth_name != found.birth_name:
        yield _spelling("the birth name is spelled otherwise", "birth_name")
    here, there = comparable(local.birth_given_names).split(), comparable(found.birth_given_names).split()
    if here == there:
        if local.birth_given_names != found.birth_given_names:
            yield _spelling("the given names are spelled otherwise", "birth_given_names")
    elif there[: len(here)] == here:
        yield _remark(
            "DIFF_SHORT_LIST", "INSi knows more given names", "INSi connaît d'autres prénoms.", "birth_given_names"
        )
    else:
        yield _difference("GIVEN_NAMES", "birth_given_names", "the given names differ", "Les prénoms de naissance")
    if local.sex is not found.sex:
        yield _difference("SEX", "sex", "the sex differs", "Le sexe")
    if local.birth_date != found.birth_date:
        yield _difference("BIRTH_DATE", "birth_date", "the birth date differs", "La date de naissance")
    if local.birth_place != found.birth_place:
        ours, theirs = local.birth_place, found.birth_place
        equivalence = _recoding(ours, theirs) or _recoding(theirs, ours)
        if equivalence:
            yield _EQUIVALENT[equivalence]
        elif is_unknown(ours) or is_unknown(theirs):
            yield _UNKNOWN
        else:
            yield _difference("BIRTH_PLACE", "birth_place", "the place of birth differs", "Le lieu de naissance")


def _spelling(message: str, path: str) -> Finding:
    message_fr = "Seuls la casse, les accents, les tirets ou les apostrophes diffèrent."
    return _remark("DIFF_SPELLING", message, message_fr, path)


def _mismatch(code: str, path: str, message: str, subject_fr: str) -> Finding:
    return Finding(
        code=f"INS_{code}_MISMATCH", message=message, path=f"traits.{path}", severity=Severity.WARNING, source=_SOURCE,
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


def _remark(code: str, message: str, message_fr: str, path: str = "birth_place") -> Finding:
    return Finding(
        code=f"INS_{code}", message=message, path=f"traits.{path}", severity=Severity.INFO, source=_SOURCE,
        hint="nothing to do, if the rest agrees", message_fr=message_fr,
    )  # fmt: skip


_MISMATCHES = {
    "SEX": _mismatch("SEX", "sex", "the sex differs from the matricule's", "Le sexe"),
    "YEAR": _mismatch("YEAR", "birth_date", "the year of birth differs", "L'année de naissance"),
    "MONTH": _mismatch("MONTH", "birth_date", "the month of birth differs", "Le mois de naissance"),
    "PLACE": _mismatch("PLACE", "birth_place", "the place of birth differs", "Le lieu de naissance"),
}
_EQUIVALENT = {why: _remark("PLACE_EQUIVALENT", *messages) for why, messages in _EQUIVALENCES.items()}
_UNKNOWN = _remark(
    "PLACE_UNKNOWN", "the place of birth is unknown on one side", "Le lieu de naissance est inconnu d'un côté."
)
