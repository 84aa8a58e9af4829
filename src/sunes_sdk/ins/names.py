"""Names as INSi takes them: the form that is sent and compared, never the one that is stored."""

from __future__ import annotations

import re
import unicodedata

from .._core.errors import InsError
from .._core.findings import Finding, Report, Severity
from .._core.text import strip_accents

BIRTH_NAME_MAX = 80
GIVEN_NAME_MAX = 61
"""Lengths of one public INSi wrapper; not seen in the CNAM schemas (unverified)."""

_SENT = re.compile(r"[A-Z' \-]+", re.ASCII)
_DOUBLED = re.compile(r"[ ']{2}")
_BLANKS = re.compile(r"\s+")
_NOTHING = Report()
_TEXT_MAX = 1000
"""Characters of a text that is looked at: no name is longer."""
# What folding may touch: letters of alphabets with an ASCII equivalent, accents written apart after a letter,
# apostrophes, dashes, blanks. Anything else (digits, signs, other scripts, other marks) needs a human: it is never
# dropped or guessed.
_FOLDABLE_CATEGORIES = frozenset({"Lu", "Ll", "Lt", "Zs"})
_MARKS = frozenset("'’‘ʼ-‐‑‒–—−")
_ACCENTS = "\u0300", "\u036f"
"""First and last of the block of combining diacritical marks."""
_OUTER = " \t\r\n\u00a0\u202f\u2009"
_WORD_BREAK = re.compile(r"[\s'’‘ʼ‐‑‒–—−-]+")
_WORD = re.compile(r"[^\s'’‘ʼ‐‑‒–—−-]+")
_SOURCE = "SEL-MP-043 §2, §3.4.1 (as reported)"


def _fold(name: str) -> str | None:
    stripped = name.strip(_OUTER)
    if _SENT.fullmatch(stripped):
        return stripped
    if len(stripped) > _TEXT_MAX or not _is_foldable(stripped):
        return None
    folded = strip_accents(stripped).upper().strip()
    return folded if _SENT.fullmatch(folded) else None


def _is_foldable(text: str) -> bool:
    after_letter = False
    for c in text:
        if _ACCENTS[0] <= c <= _ACCENTS[1]:
            if not after_letter:
                return False
        else:
            category = unicodedata.category(c)
            if c not in _MARKS and category not in _FOLDABLE_CATEGORIES:
                return False
            after_letter = category in _FOLDABLE_CATEGORIES and category != "Zs"
    return True


def _refusal(name: str) -> str:
    """Why a name cannot be folded."""
    return "EMPTY" if not name.strip() else "LENGTH" if len(name) > _TEXT_MAX else "CHARSET"


def normalize_for_insi(name: str, *, path: str = "name") -> str:
    """Upper case, without accents or ligatures, typographic apostrophes and dashes made ASCII: `CŒUR` → `COEUR`.

    The form in which the RNIV has names recorded (unverified), and in which INSi takes them. Never put it over what
    INSi returned. Raises InsError `INS_NAME_CHARSET` when a character has no equivalent (digit, sign, other alphabet),
    `INS_NAME_EMPTY` when nothing is there, `INS_NAME_LENGTH` when no name is that long: a human decides, nothing is
    deleted silently.
    """
    folded = _fold(name)
    if folded is None:
        raise InsError.from_report(Report((_name_finding(_refusal(name), path),)))
    return folded


def check_birth_name(name: str, *, path: str = "birth_name") -> Report:
    """Whether INSi takes this birth name, once folded. A used name (*nom utilisé*) obeys the same rules, and is never
    sent to INSi.

    Codes: `INS_NAME_EMPTY INS_NAME_CHARSET INS_NAME_START INS_NAME_DOUBLED INS_NAME_LENGTH`.
    """
    return _check(name, path, given=False)


def check_given_name(name: str, *, path: str = "given_name") -> Report:
    """Whether INSi takes this given name, once folded: as a birth name, and no double hyphen (EF_INS10_02), no final
    hyphen or apostrophe (`INS_NAME_END`)."""
    return _check(name, path, given=True)


def split_given_names(listed: str) -> tuple[str, ...]:
    """The given names of a list, separated by blanks (RNIV); compound names keep their hyphen: `JEAN-MARC LUC`. Where a
    compound name was recorded without it, only a human can tell (EXI ID 10)."""
    return tuple(_BLANKS.split(listed.strip())) if listed.strip() else ()


def check_given_names(listed: str, *, path: str = "birth_given_names") -> Report:
    """`check_given_name` of each name of a list; the path says which, from 1."""
    names = split_given_names(listed)
    if len(names) == 1 and _SENT.fullmatch(listed):
        return _check(listed, path, given=True)
    if not names:
        return _check("", path, given=True)
    return Report.of(f for at, name in enumerate(names, 1) for f in _check(name, f"{path}[{at}]", given=True))


def check_first_given_name(first: str, listed: str, *, path: str = "first_given_name") -> Report:
    """`check_given_name` of the first given name, and `INS_FIRST_GIVEN_NAME` when it does not start the list
    (`coherent`)."""
    report = _check(first, path, given=True)
    return report if coherent(first, listed) else report + Report((_name_finding("FIRST_GIVEN_NAME", path),))


def _check(name: str, path: str, *, given: bool) -> Report:
    folded = _fold(name)
    if folded is None:
        return Report((_name_finding(_refusal(name), path),))
    found = []
    if folded[0] == "-":
        found.append("START")
    if _DOUBLED.search(folded) or (given and "--" in folded):
        found.append("DOUBLED")
    if given and folded[-1] in "-'":
        found.append("END")
    if len(folded) > (GIVEN_NAME_MAX if given else BIRTH_NAME_MAX):
        found.append("LENGTH")
    return Report.of(_name_finding(code, path) for code in found) if found else _NOTHING


def comparable(name: str) -> str:
    """The form two names are compared in: folded when it can be, hyphen, apostrophe and blank made one.

    What cannot be folded (another alphabet) is only put in upper case.
    """
    return " ".join(_WORD_BREAK.split((_fold(name) or name).upper())).strip()


def coherent(first: str, listed: str) -> bool:
    """Whether a first given name is the start of the list, at the end of a word; hyphen ≡ apostrophe ≡ blank
    (EXI ID 10): `JEAN`, `JEAN-CHRISTOPHE` for `JEAN CHRISTOPHE PIERRE`, but not `CHRISTOPHE`."""
    words, all_words = comparable(first).split(), comparable(listed).split()
    return bool(words) and all_words[: len(words)] == words


def start_of(listed: str, first: str) -> str | None:
    """The start of the list that a first given name is, spelled as the list is: `ZOE` of `ZOE ANNE` for `Zoé`; None
    when it is not its start."""
    if not coherent(first, listed):
        return None
    words = list(_WORD.finditer(listed))
    return listed[words[0].start() : words[len(comparable(first).split()) - 1].end()]


_NAME_RULES = {
    "EMPTY": ("the name is empty", "letters A-Z, blank, apostrophe, hyphen", "give the name",
              "Le nom ou le prénom est vide."),
    "CHARSET": ("a character has no equivalent that INSi takes", "letters A-Z, blank, apostrophe, hyphen",
                "type the name as on the identity document, in Latin letters",
                "Le nom ou le prénom contient un caractère refusé par INSi : corrigez-le."),
    "START": ("the name starts with a hyphen", "first character: letter or apostrophe", "remove the hyphen",
              "Le nom ou le prénom commence par un tiret."),
    "END": ("the given name ends with a hyphen or an apostrophe", "last character: a letter", "remove it",
            "Le prénom se termine par un tiret ou une apostrophe."),
    "DOUBLED": ("blanks, apostrophes or hyphens are doubled or combined",
                "no doubled or combined blank and apostrophe; no double hyphen in a given name",
                "keep one of them", "Espaces, apostrophes ou tirets sont doublés."),
    "LENGTH": ("the name is too long for INSi",
               f"{BIRTH_NAME_MAX} characters for a birth name, {GIVEN_NAME_MAX} for a given name (unverified)",
               "shorten it as the identity document does", "Le nom ou le prénom est trop long pour INSi."),
    "FIRST_GIVEN_NAME": ("the first given name does not start the list of given names",
                         "EXI ID 10; hyphen, apostrophe and blank are one",
                         "take the first given name(s) of the civil act's list",
                         "Le premier prénom doit commencer la liste des prénoms de naissance."),
}  # fmt: skip


def _name_finding(rule_name: str, path: str) -> Finding:
    message, rule, hint, french = _NAME_RULES[rule_name]
    code = "INS_FIRST_GIVEN_NAME" if rule_name == "FIRST_GIVEN_NAME" else f"INS_NAME_{rule_name}"
    return Finding(
        code=code, message=message, path=path, severity=Severity.ERROR, rule=rule, source=_SOURCE, hint=hint,
        message_fr=french,
    )  # fmt: skip
