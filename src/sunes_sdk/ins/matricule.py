"""What is right and wrong with a matricule INS typed, read or received: every issue, not a bare yes or no.

`model.Matricule` refuses a bad form or a wrong key; this module also looks at what the digits mean. NIR and NIA are
told by the OID alone: their digits have one form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum

from .._core.errors import InsError
from .._core.findings import Finding, Report, Severity
from ..model.identity import InsOid, expected_key

_TEXT_MAX = 64
"""Characters of a text that is looked at: 15 and generous separators. A longer one is no matricule."""
_SEPARATORS = dict.fromkeys(code for code in range(0x3001) if chr(code).isspace() or chr(code) in ".-/")
_DIGITS_AND_CORSICA = re.compile(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{6}", re.ASCII).fullmatch
# Numbers with nothing to say but perhaps about their key: sex 1-2, calendar month, a place of today, an order number.
# Nearly all numbers end here.
_ORDINARY = re.compile(
    r"[12][0-9]{2}(?:0[1-9]|1[0-2])"
    r"(?:(?:0[1-9]|1[0-9]|2[1-9AB]|[3-8][0-9]|9[0-59])(?!000|99[09])[0-9]{3}|9(?:7[1-8]|8[4-9])(?!00)[0-9]{2})"
    r"(?!000)[0-9]{5}",
    re.ASCII,
).fullmatch
_OVERSEAS = frozenset(
    {"971", "972", "973", "974", "975", "976", "977", "978", "984", "985", "986", "987", "988", "989"}
)
"""985 was Mayotte's before it became 976 (unverified)."""
_OIDS = frozenset(InsOid)
_NOTHING = Report()

_SOURCE = "INSEE NIR; Référentiel INS"
# code -> severity, message, rule, hint, French message. Doubts: the ranges of pseudo-months and provisional sex digits
# differ between public sources (unverified), hence warnings rather than errors wherever sources disagree.
_RULES: dict[str, tuple[Severity, str, str, str, str]] = {
    "EMPTY": (Severity.ERROR, "there is no matricule", "15 characters", "give the matricule",
              "Le matricule INS est vide."),
    "LENGTH": (Severity.ERROR, "a matricule has 15 characters",
               "13 characters of number and 2 of key; 22 digits were an INS-C, out of use",
               "copy the whole matricule, leading zero of the key included",
               "Le matricule INS doit avoir 15 caractères."),
    "CHARSET": (Severity.ERROR, "a character cannot be part of a matricule",
                "ASCII digits; at positions 6-7 also 2A or 2B", "type the digits again",
                "Le matricule INS contient un caractère interdit."),
    "KEY_MISSING": (Severity.ERROR, "13 characters: the key is missing", "13 characters of number and 2 of key",
                    "add the two-digit key given by INSi", "Il manque la clé du matricule INS."),
    "KEY_RANGE": (Severity.ERROR, "the key is not between 01 and 97", "key = 97 - (number mod 97)",
                  "check the matricule with INSi; never mend the key by hand", "La clé du matricule INS est fausse."),
    "KEY_MISMATCH": (Severity.ERROR, "the key does not go with the number", "key = 97 - (number mod 97)",
                     "check the matricule with INSi; never mend the key by hand",
                     "La clé du matricule INS est fausse."),
    "SEX_DIGIT": (Severity.ERROR, "the first digit is not in use", "1 or 2; 3, 4, 7, 8 when provisional",
                  "type the digits again", "Le premier chiffre du matricule INS est impossible."),
    "MONTH_RANGE": (Severity.ERROR, "the month of birth cannot exist", "01-12; pseudo-months 20-42 and 50-99",
                    "type the digits again", "Le mois de naissance du matricule INS est impossible."),
    "DEPT_RANGE": (Severity.ERROR, "the department of birth does not exist",
                   "01-95, 2A, 2B, 96, 971-978, 984-989, 99", "type the digits again",
                   "Le département de naissance du matricule INS n'existe pas."),
    "COMMUNE_RANGE": (Severity.ERROR, "the commune or country of birth is zero", "001 or more",
                      "type the digits again", "La commune de naissance du matricule INS est impossible."),
    "ORDER_ZERO": (Severity.ERROR, "the order number is 000", "001-999", "type the digits again",
                   "Le numéro d'ordre du matricule INS est impossible."),
    "OID": (Severity.ERROR, "this OID assigns no matricule INS",
            "1.2.250.1.213.1.4.8 (NIR), .9 (NIA), .10 (test), .11 (demonstration); .2 was the INS-C",
            "take the OID of the INSi answer; a social security number (NH) is no INS",
            "L'OID n'est pas celui d'une autorité d'affectation de l'INS."),
    "W_SEX_PROVISIONAL": (Severity.WARNING, "this may be a temporary number", "3, 4, 7, 8: provisional (unverified)",
                          "ask INSi for the person's INS", "Ce numéro est peut-être provisoire."),
    "W_MONTH_PSEUDO": (Severity.WARNING, "the month is a pseudo-month: civil status was incomplete",
                       "20-42, 50-99 (unverified)", "nothing, if INSi gave this number",
                       "Le mois de naissance était inconnu quand le numéro a été attribué."),
    "W_DEPT_HISTORIC": (Severity.WARNING, "the department no longer exists", "20 and 96 are historic",
                        "nothing, if INSi gave this number", "Le département de naissance n'existe plus."),
    "W_PLACE_UNKNOWN": (Severity.WARNING, "the commune or country of birth is unknown", "990 and 999: unknown",
                        "nothing, if INSi gave this number", "Le lieu de naissance n'était pas connu."),
}  # fmt: skip


def _finding(code: str, path: str = "matricule") -> Finding:
    severity, message, rule, hint, french = _RULES[code]
    return Finding(
        code=f"INS_{code}", message=message, path=path, severity=severity, rule=rule, source=_SOURCE, hint=hint,
        message_fr=french,
    )  # fmt: skip


_FINDINGS = {code: _finding(code) for code in _RULES}
_AS_WARNINGS = {
    code: replace(finding, severity=Severity.WARNING, hint="keep the number as INSi gave it")
    for code, finding in _FINDINGS.items()
}
_BAD_OID = Report((_finding("OID", "oid"),))


class Verdict(StrEnum):
    """What a report comes to."""

    VALID = "valid"
    VALID_WITH_WARNINGS = "valid_with_warnings"
    INVALID = "invalid"

    @classmethod
    def of(cls, report: Report) -> Verdict:
        """`INVALID` with an error, `VALID_WITH_WARNINGS` with a warning, else `VALID`: remarks do not count."""
        severities = {f.severity for f in report.findings}
        if Severity.ERROR in severities:
            return cls.INVALID
        return cls.VALID_WITH_WARNINGS if Severity.WARNING in severities else cls.VALID


def check_matricule(text: str, *, oid: str | None = None, certified: bool = False) -> Report:
    """Everything that can be said of a matricule without asking INSi. Blanks, dots, hyphens and slashes are ignored.

    Errors: `INS_EMPTY INS_LENGTH INS_CHARSET INS_KEY_MISSING INS_KEY_RANGE INS_KEY_MISMATCH INS_SEX_DIGIT
    INS_MONTH_RANGE INS_DEPT_RANGE INS_COMMUNE_RANGE INS_ORDER_ZERO INS_OID`; warnings: `INS_W_SEX_PROVISIONAL
    INS_W_MONTH_PSEUDO INS_W_DEPT_HISTORIC INS_W_PLACE_UNKNOWN`.

    oid: when given, it must be one of `InsOid`; whether it suits the environment is another question
    (`Identity.for_transmission`).
    certified: the number is INSi's own answer: whatever is said of its digits is a warning, since an official answer is
    never refused (an official CNDA answer carries a wrong key).
    """
    report = _NOTHING if _is_ordinary(text) else _report(text, certified=certified)
    return report if oid is None or oid in _OIDS else report + _BAD_OID


def is_valid(text: str) -> bool:
    """True when `check_matricule` finds no error (warnings may remain)."""
    if _is_ordinary(text):
        return True
    value = canonical(text)
    return _is_ordinary(value) or not any(_RULES[issue][0] is Severity.ERROR for issue in _issues(value))


def parse(text: str, *, strict: bool = False) -> str:
    """The 15 characters of a matricule: ASCII, without separators, in upper case. Its key and its parts are not judged:
    that is `check_matricule`'s.

    strict: refuse separators, blanks and lower case too. Raises InsError `INS_EMPTY INS_LENGTH INS_CHARSET
    INS_KEY_MISSING` (13 characters: the key may be held apart, as INSi does; see `from_parts`).
    """
    value = text if strict else canonical(text)
    issue = _form_issue(value)
    if issue:
        raise InsError.from_report(Report((_FINDINGS[issue],)))
    return value


def from_parts(number: str, key: str) -> str:
    """The 15 characters of a matricule whose number and key are held apart (INSi `NumIdentifiant` and `Cle`).

    number: 13 characters; key: 2 digits, leading zero included. Raises as `parse`.
    """
    number, key = canonical(number), canonical(key)
    if number and not key:
        raise InsError.from_report(Report((_FINDINGS["KEY_MISSING"],)))
    if len(key) != 2:
        raise InsError.from_report(Report((_FINDINGS["LENGTH"],)))
    return parse(number + key, strict=True)


def canonical(text: str) -> str:
    """The matricule without separators, in upper case. Digits of other scripts are kept, to be refused.

    A text far too long to be a matricule is cut, and stays too long.
    """
    if len(text) > _TEXT_MAX:
        return text[: _TEXT_MAX + 1]
    compact = text.replace(" ", "")  # nearly always all there is to remove, and five times as fast
    return compact.upper() if compact.isalnum() else compact.translate(_SEPARATORS).upper()


def is_number(text: str) -> bool:
    """Whether a canonical text has the form of the 13 characters of number."""
    return _DIGITS_AND_CORSICA(text) is not None


def _is_ordinary(text: str) -> bool:
    """Whether the text is a canonical matricule of which there is nothing to say: no work is done for nearly all."""
    if _ORDINARY(text) is None:
        return False
    if text[6] > "9":
        return expected_key(text[:13]) == text[13:]
    number, key = divmod(int(text), 100)
    return number % 97 + key == 97


def _report(text: str, *, certified: bool) -> Report:
    value = canonical(text)
    if value != text and _is_ordinary(value):
        return _NOTHING
    findings = _AS_WARNINGS if certified else _FINDINGS
    return Report(tuple(findings[code] for code in _issues(value)))


def _form_issue(value: str) -> str | None:
    """What keeps a text from being 13 characters of number and 2 of key."""
    if not value:
        return "EMPTY"
    if len(value) > _TEXT_MAX:
        return "LENGTH"
    if not value.isascii() or not value.isalnum():
        return "CHARSET"
    if len(value) not in (13, 15):
        return "LENGTH"
    if not is_number(value[:13]) or not (value[13:].isdigit() or len(value) == 13):
        return "CHARSET"
    return "KEY_MISSING" if len(value) == 13 else None


def _issues(value: str) -> Iterator[str]:
    issue = _form_issue(value)
    if issue:
        yield issue
        return
    key = value[13:]
    if not "01" <= key <= "97":
        yield "KEY_RANGE"
    elif key != expected_key(value[:13]):
        yield "KEY_MISMATCH"
    if value[0] in "3478":
        yield "W_SEX_PROVISIONAL"
    elif value[0] not in "12":
        yield "SEX_DIGIT"
    month = int(value[3:5])
    if 20 <= month <= 42 or month >= 50:
        yield "W_MONTH_PSEUDO"
    elif not 1 <= month <= 12:
        yield "MONTH_RANGE"
    yield from _place_issues(value[5:7], value[7:10])
    if value[10:13] == "000":
        yield "ORDER_ZERO"


def _place_issues(department: str, commune: str) -> Iterator[str]:
    if department in ("97", "98"):
        if department + commune[0] not in _OVERSEAS:
            yield "DEPT_RANGE"
        elif commune[1:] == "00":
            yield "COMMUNE_RANGE"
        return
    if department == "00":
        yield "DEPT_RANGE"
        return
    if department in ("20", "96"):
        yield "W_DEPT_HISTORIC"
    if commune == "000":
        yield "COMMUNE_RANGE"
    elif commune in ("990", "999") and department != "96":
        yield "W_PLACE_UNKNOWN"
