"""The text of the *datamatrix INS*: written from a qualified identity, read into one that is still to be verified.

ANS, *INS – Format datamatrix* v2.2 (as reported by public implementations): a header of 26 characters, then blocks of a
two-character identifier and a value. The symbol is not signed: whoever prints one writes what they like, so that a scan
proves nothing. The picture is `ins.datamatrix_image`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from .._core.errors import InsError
from .._core.findings import Finding, Report, Severity
from ..model import Environment, Identity, Ins, InsOid, Sex, Target, Traits
from .matricule import check_matricule
from .names import normalize_for_insi
from .status import FoundIdentity
from .traits import UNKNOWN_PLACE, check_traits

HEADER = "IS01" + "0" * 22
"""Marker, version, and the 22 characters where a 2D-Doc would name its certificate."""
GS = "\x1d"
"""Ends a value of variable length that is shorter than its maximum and not the last."""
MAX_LENGTH = 400
"""Longest message looked at; the longest right one has 291 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """One block. length: of a fixed value, or the maximum of a variable one; code: what is said of a wrong value."""

    name: str
    length: int
    fixed: bool
    form: re.Pattern[str]
    code: str


def _field(name: str, length: int, form: str, code: str, *, fixed: bool) -> _Field:
    return _Field(name=name, length=length, fixed=fixed, form=re.compile(form, re.ASCII), code=code)


NAME_MAX = 100
_NAME = r"(?=.*[A-Z])[A-Z' \-]+"
_FIELDS: Mapping[str, _Field] = {
    "S1": _field("matricule", 15, r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{8}", "MATRICULE", fixed=True),
    "S2": _field("oid", 20, "|".join(re.escape(oid) for oid in InsOid), "OID", fixed=False),
    "S3": _field("birth_given_names", NAME_MAX, _NAME, "NAME", fixed=False),
    "S4": _field("birth_name", NAME_MAX, _NAME, "NAME", fixed=False),
    "S5": _field("sex", 1, "[MF]", "SEX", fixed=True),
    "S6": _field("birth_date", 10, "[0-9]{2}-[0-9]{2}-[0-9]{4}", "BIRTH_DATE", fixed=True),
    "S7": _field("birth_place", 5, "[0-9][0-9AB][0-9]{3}", "BIRTH_PLACE", fixed=True),
}
_OPTIONAL = frozenset({"S7"})
_BLOCK = re.compile("S[1-7]")
_GS_IN_LETTERS = re.compile(r"<GS>|\{GS\}|\^\]|\\x1d|␝", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedIdentity:
    """What a symbol says of a person. **It proves nothing**: INSi is asked again before anything is qualified.

    claimed: the INS that the symbol claims, a candidate and no more; birth_name, birth_given_names: as printed;
    birth_date: `AAAA-MM-JJ`, lunar dates included; birth_place: COG, None when the symbol has none; report: warnings
    (key, meaning of the digits, traits against the matricule, a separator too many).
    """

    must_verify: ClassVar[Literal[True]] = True
    """Always: the symbol is not signed (EXI REC 02)."""
    channel: ClassVar[Literal["CB"]] = "CB"
    """How the traits came, *code à barres* (HL7 v2 ZFD-5, FR Core `fr-core-cs-method-collection`)."""

    claimed: Ins = field(repr=False)
    birth_name: str = field(repr=False)
    birth_given_names: str = field(repr=False)
    sex: Sex
    birth_date: str = field(repr=False)
    birth_place: str | None = field(repr=False)
    report: Report = field(repr=False)

    def traits(self, *, first_given_name: str) -> Traits:
        """The strict traits. The symbol does not say where the first given name ends: a human cuts the list
        (`JEAN CHRISTOPHE PIERRE` may be `JEAN` or `JEAN CHRISTOPHE`).

        Raises ModelError (`INS_FIRST_GIVEN_NAME`).
        """
        return Traits(
            birth_name=self.birth_name, birth_given_names=self.birth_given_names, first_given_name=first_given_name,
            birth_date=self.birth_date, sex=self.sex, birth_place=self.birth_place or UNKNOWN_PLACE,
        )  # fmt: skip

    def identity(self, *, first_given_name: str) -> Identity:
        """The identity to search with: provisional and without INS, whatever the symbol claims."""
        return Identity(traits=self.traits(first_given_name=first_given_name))

    def confirmation(self, found: FoundIdentity) -> Report:
        """Whether INSi's answer bears the INS that the symbol claims. The traits are compared by `compare_traits`.

        `INS_DM_FORMER_INS` (warning): the printed INS is a former one of this person, or the NIA that became their
        NIR; `INS_DM_OTHER_INS` (error): neither, the label may be another person's.
        """
        if found.ins == self.claimed:
            return Report()
        nir_given_since = (self.claimed.oid, found.ins.oid) == (InsOid.NIA, InsOid.NIR) and (
            self.claimed.matricule == found.ins.matricule
        )
        former = nir_given_since or self.claimed in found.history
        return Report((finding("FORMER_INS" if former else "OTHER_INS", "claimed"),))


def encode(identity: Identity, environment: Environment, *, test_people: Collection[str] = frozenset()) -> bytes:
    """The message to draw for a qualified identity. Names are folded as INSi takes them (`CŒUR` → `COEUR`); an unknown
    birth place (`99999`) is left out.

    test_people: see `Identity.for_transmission`, which is asked first. Raises InsError: `INS_NOT_QUALIFIED`,
    `ENVIRONMENT_IDENTITY`, `INS_NAME_CHARSET` (nothing is dropped from a name), `INS_DM_LENGTH` (a name of more than
    100 characters is never cut), `INS_DM_SEX` (neither M nor F).
    """
    ins = identity.for_transmission(Target.LABEL, environment, test_people=test_people)
    traits = identity.traits
    year, month, day = traits.birth_date.split("-")
    values = {
        "S1": ins.value,
        "S2": ins.oid.value,
        "S3": normalize_for_insi(traits.birth_given_names, path="traits.birth_given_names"),
        "S4": normalize_for_insi(traits.birth_name, path="traits.birth_name"),
        "S5": traits.sex.value,
        "S6": f"{day}-{month}-{year}",
        "S7": traits.birth_place,
    }
    if traits.birth_place == UNKNOWN_PLACE:
        del values["S7"]
    report = Report.of(_wrong(name, value) for name, value in values.items() if not _fits(_FIELDS[name], value))
    if not report.ok:
        raise InsError.from_report(report)
    return (HEADER + "".join(_written(name, value) for name, value in values.items())).encode("ascii")


def _written(name: str, value: str) -> str:
    """The block, with the GS that it needs: the last one is fixed, so that being last never matters here."""
    block = _FIELDS[name]
    return name + value + (GS if not block.fixed and len(value) < block.length else "")


def _fits(block: _Field, value: str) -> bool:
    return len(value) <= block.length and block.form.fullmatch(value) is not None


def _wrong(name: str, value: str) -> Finding:
    block = _FIELDS[name]
    return finding("LENGTH" if not block.fixed and len(value) > block.length else block.code, f"traits.{block.name}")


def decode(message: bytes | str) -> ScannedIdentity:
    """Read the bytes of a symbol (or the text of a scanner that gives GS as U+001D). The blocks may come in any order.

    Raises InsError, with every error in its report: `INS_DM_SIZE INS_DM_HEADER INS_DM_VERSION INS_DM_GS_TEXT
    INS_DM_GS_MISSING INS_DM_UNKNOWN_BLOCK INS_DM_REPEATED INS_DM_TRUNCATED INS_DM_MISSING INS_DM_MATRICULE INS_DM_OID
    INS_DM_NAME INS_DM_SEX INS_DM_BIRTH_DATE INS_DM_BIRTH_PLACE`. Nothing is repaired or guessed.
    """
    text = message if isinstance(message, str) else bytes(message[: MAX_LENGTH + 1]).decode("latin-1")
    _check_envelope(text)
    found: list[Finding] = []
    values = dict(_blocks(text, found))
    found += [finding("MISSING", name) for name in _FIELDS if name not in values and name not in _OPTIONAL]
    report = Report(tuple(found))
    if not report.ok:
        raise InsError.from_report(report)
    return _scanned(values, report)


def _check_envelope(text: str) -> None:
    code = ""
    if len(text) > MAX_LENGTH:
        code = "SIZE"
    elif text[:2] != HEADER[:2] or not text[2:4].isdigit():
        code = "HEADER"
    elif text[2:4] != HEADER[2:4]:
        code = "VERSION"
    elif text[: len(HEADER)] != HEADER:
        code = "HEADER"
    elif _GS_IN_LETTERS.search(text):
        code = "GS_TEXT"
    if code:
        raise InsError.from_report(Report((finding(code, "header" if code != "GS_TEXT" else "message"),)))


def _blocks(text: str, found: list[Finding]) -> Iterator[tuple[str, str]]:
    """(identifier, value) of each block. A wrong value goes to `found`; where the structure breaks, all ends here."""

    def broken(code: str, path: str) -> InsError:
        return InsError.from_report(Report((*found, finding(code, path))))

    seen: set[str] = set()
    at = len(HEADER)
    while at < len(text):
        name = text[at : at + 2]
        block = _FIELDS.get(name)
        if block is None:
            # `S` taken for the last letter of a name, the rest for an identifier: a GS is lacking before it.
            lacking = text[at - 1 : at + 1] in _FIELDS
            raise broken("GS_MISSING" if lacking else "UNKNOWN_BLOCK", f"message[{at}]")
        if name in seen:
            raise broken("REPEATED", name)
        seen.add(name)
        at += 2
        value = text[at : at + block.length]
        ended = not block.fixed and GS in value
        if ended:
            value = value[: value.index(GS)]
        if not block.form.fullmatch(value):
            if not block.fixed and _BLOCK.search(value if ended else text[at : at + block.length + 1]):
                raise broken("GS_MISSING", name)
            if block.fixed and len(value) < block.length:
                raise broken("TRUNCATED", name)
            found.append(finding(block.code, name))
        yield name, value
        at += len(value) + ended
        if not ended and text[at : at + 1] == GS:
            at += 1
            found.append(finding("GS_EXTRA", name))
        elif ended and at == len(text):
            found.append(finding("GS_EXTRA", name))


def _scanned(values: Mapping[str, str], report: Report) -> ScannedIdentity:
    day, month, year = values["S6"].split("-")
    # `certified`: like an answer of INSi, a printed number is not refused for its key; INSi decides.
    claimed = Ins.of(values["S1"], InsOid(values["S2"]), certified=True)
    traits = Traits(
        birth_name=values["S4"], birth_given_names=values["S3"], first_given_name=values["S3"],
        birth_date=f"{year}-{month}-{day}", sex=Sex(values["S5"]), birth_place=values.get("S7", UNKNOWN_PLACE),
    )  # fmt: skip
    return ScannedIdentity(
        claimed=claimed, birth_name=values["S4"], birth_given_names=values["S3"], sex=traits.sex,
        birth_date=traits.birth_date, birth_place=values.get("S7"),
        report=report + check_matricule(claimed.value, certified=True) + check_traits(traits, claimed.matricule),
    )  # fmt: skip


_SOURCE = "ANS, INS – Format datamatrix v2.2 (as reported)"
_SCAN_AGAIN = "scan again with a reader that gives the bytes of the symbol, GS (0x1D) included"
_PRINT_AGAIN = "have the label printed again by conforming software; type the traits from the identity document"
_BAD_SCAN = "Le lecteur a altéré le code : réglez-le pour transmettre les séparateurs, puis scannez à nouveau."
_BAD_LABEL = "Ce datamatrix INS n'est pas conforme : saisissez les traits d'après la pièce d'identité."
# code -> severity, message, rule, hint, French message
_RULES: dict[str, tuple[Severity, str, str, str, str]] = {
    "SIZE": (Severity.ERROR, "too long for a datamatrix INS", "at most 291 characters", "scan one symbol only",
             "Ce code n'est pas un datamatrix INS."),
    "HEADER": (Severity.ERROR, "this is not a datamatrix INS", "IS01, then 22 zeros (a 2D-Doc starts with DC)",
               "scan the symbol beside « INS à scanner », without the symbology prefix of the reader",
               "Ce code n'est pas un datamatrix INS : scannez celui qui porte « INS à scanner »."),
    "VERSION": (Severity.ERROR, "an unknown version of the datamatrix INS", "version 01", "update this library",
                "La version de ce datamatrix INS n'est pas connue."),
    "GS_TEXT": (Severity.ERROR, "the separator came as letters", "GS is the byte 0x1D", _SCAN_AGAIN, _BAD_SCAN),
    "GS_MISSING": (Severity.ERROR, "the separator that ends this value is lacking",
                   "GS (0x1D) ends a value of S2, S3, S4 that is shorter than its maximum and not last", _SCAN_AGAIN,
                   _BAD_SCAN),
    "GS_EXTRA": (Severity.WARNING, "a separator stands where none is due",
                 "GS (0x1D) ends a value of S2, S3, S4 that is shorter than its maximum and not last",
                 "tell whoever prints this label", ""),
    "UNKNOWN_BLOCK": (Severity.ERROR, "no block starts here", "blocks S1 to S7", _PRINT_AGAIN, _BAD_LABEL),
    "REPEATED": (Severity.ERROR, "this block comes twice", "each block once", _PRINT_AGAIN, _BAD_LABEL),
    "TRUNCATED": (Severity.ERROR, "the message ends inside this value", "S1: 15, S5: 1, S6: 10, S7: 5 characters",
                  _SCAN_AGAIN, "Le code a été lu en partie seulement : scannez à nouveau."),
    "MISSING": (Severity.ERROR, "this block is lacking", "S1 to S6 are all there", _PRINT_AGAIN, _BAD_LABEL),
    "LENGTH": (Severity.ERROR, "too long for a datamatrix INS", f"at most {NAME_MAX} characters",
               "print no datamatrix for this person: a name is never cut",
               "Nom ou prénoms trop longs pour un datamatrix INS."),
    "MATRICULE": (Severity.ERROR, "not the form of a matricule INS", "15 digits, but for 2A or 2B at 6-7",
                  _PRINT_AGAIN, _BAD_LABEL),
    "OID": (Severity.ERROR, "not the OID of an INS", "1.2.250.1.213.1.4.8 to .11", _PRINT_AGAIN, _BAD_LABEL),
    "NAME": (Severity.ERROR, "not a name as INSi writes them", "A-Z, blank, apostrophe, hyphen; 1 to 100 characters",
             _PRINT_AGAIN, _BAD_LABEL),
    "SEX": (Severity.ERROR, "the sex is neither M nor F", "M or F", "take the sex that INSi returned",
            "Le sexe doit être M ou F dans un datamatrix INS."),
    "BIRTH_DATE": (Severity.ERROR, "not a birth date", "JJ-MM-AAAA", _PRINT_AGAIN, _BAD_LABEL),
    "BIRTH_PLACE": (Severity.ERROR, "not a COG code", "5 characters", _PRINT_AGAIN, _BAD_LABEL),
    "PICTURE_SIZE": (Severity.ERROR, "the picture is too large", "at most 20 MB and 40 million pixels",
                     "crop the picture around the symbol", "L'image est trop grande : recadrez-la autour du code."),
    "PICTURE": (Severity.ERROR, "this is not a picture that can be opened", "PNG, JPEG, TIFF or BMP",
                "give the picture file as the scanner wrote it", "L'image ne peut pas être ouverte."),
    "NOT_FOUND": (Severity.ERROR, "there is no datamatrix INS in the picture", "a whole symbol with its white margin",
                  "take the picture again, flat and sharp", "Aucun datamatrix INS trouvé : reprenez l'image."),
    "SEVERAL": (Severity.ERROR, "the picture holds datamatrix INS that differ", "one person at a time",
                "crop the picture around one symbol", "Plusieurs datamatrix INS différents : recadrez l'image."),
    "FORMER_INS": (Severity.WARNING, "the label bears a former INS of this person", "INSi gives the active INS",
                   "print a new label", "L'étiquette porte un ancien INS de cette personne : réimprimez-la."),
    "OTHER_INS": (Severity.ERROR, "the label bears another INS than the person INSi found", "one person, one INS",
                  "check whose label this is",
                  "L'INS scanné n'est pas celui de la personne trouvée par INSi : vérifiez l'étiquette."),
}  # fmt: skip


def finding(code: str, path: str) -> Finding:
    severity, message, rule, hint, french = _RULES[code]
    return Finding(
        code=f"INS_DM_{code}", message=message, path=path, severity=severity, rule=rule, source=_SOURCE, hint=hint,
        message_fr=french,
    )  # fmt: skip
