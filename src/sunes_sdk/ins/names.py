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
# What folding may touch: letters of alphabets with an ASCII equivalent, their combining marks, apostrophes, dashes,
# blanks. Anything else (digits, signs, other scripts) needs a human: it is never dropped or guessed.
_FOLDABLE_CATEGORIES = frozenset({"Lu", "Ll", "Lt", "Mn", "Zs"})
_MARKS = frozenset("'’‘ʼ-‐‑‒–—−")
_WORD_BREAK = re.compile(r"[\s'’‘ʼ‐‑‒–—−-]+")
_SOURCE = "SEL-MP-043 §2, §3.4.1 (as reported)"


def _fold(name: str) -> str | None:
    stripped = name.strip()
    if _SENT.fullmatch(stripped):
        return stripped
    if not all(c in _MARKS or unicodedata.category(c) in _FOLDABLE_CATEGORIES for c in stripped):
        return None
    folded = strip_accents(stripped).upper().strip()
    return folded if _SENT.fullmatch(folded) else None


def normalize_for_insi(name: str, *, path: str = "name") -> str:
    """Upper case, without accents or ligatures, typographic apostrophes and dashes made ASCII: `CŒUR` → `COEUR`.

    Raises InsError `INS_NAME_CHARSET` when a character has no equivalent (digit, sign, other alphabet) and
    `INS_NAME_EMPTY` when nothing is there: a human decides, nothing is deleted silently.
    """
    folded = _fold(name)
    if folded is None:
        raise InsError.from_report(_report(_name_finding("EMPTY" if not name.strip() else "CHARSET", path)))
    return folded


def check_birth_name(name: str, *, path: str = "birth_name") -> Report:
    """Whether INSi takes this birth name, once folded.

    Codes: `INS_NAME_EMPTY INS_NAME_CHARSET INS_NAME_START INS_NAME_DOUBLED INS_NAME_LENGTH`.
    """
    return _check(name, path, given=False)


def check_given_name(name: str, *, path: str = "given_name") -> Report:
    """Whether INSi takes this given name, once folded: as a birth name, and no double hyphen (EF_INS10_02), no final
    hyphen or apostrophe (`INS_NAME_END`)."""
    return _check(name, path, given=True)


def _check(name: str, path: str, *, given: bool) -> Report:
    folded = _fold(name)
    if folded is None:
        return _report(_name_finding("EMPTY" if not name.strip() else "CHARSET", path))
    found = []
    if folded[0] == "-":
        found.append("START")
    if re.search(r"[ ']{2}", folded) or (given and "--" in folded):
        found.append("DOUBLED")
    if given and folded[-1] in "-'":
        found.append("END")
    if len(folded) > (GIVEN_NAME_MAX if given else BIRTH_NAME_MAX):
        found.append("LENGTH")
    return _report(*(_name_finding(code, path) for code in found))


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
}  # fmt: skip


def _name_finding(code: str, path: str) -> Finding:
    message, rule, hint, french = _NAME_RULES[code]
    return Finding(
        code=f"INS_NAME_{code}", message=message, path=path, severity=Severity.ERROR, rule=rule, source=_SOURCE,
        hint=hint, message_fr=french,
    )  # fmt: skip


def _report(*findings: Finding) -> Report:
    return Report(findings)
