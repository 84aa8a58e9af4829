"""The national health identity: matricule, OID, strict traits, status (RNIV)."""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import field_validator, model_validator

from ._base import Model, invalid
from .code import Text

_FORMAT = re.compile(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{6}[0-9]{2}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_COG = re.compile(r"[0-9][0-9AB][0-9]{3}", re.ASCII)
_BLANKS = re.compile(r"[\s.\-/\u00a0\u202f\u2009]")
_CORSICA = {"2A": "19", "2B": "18"}


def key_of_number(number: int) -> int:
    """The key of 13 digits, Corsican letters already replaced: 97 − (n mod 97), from 1 to 97."""
    return 97 - number % 97


def expected_key(first13: str) -> str:
    """The two-digit key of the first 13 characters; Corsican 2A is read 19 and 2B is read 18."""
    department = first13[5:7]
    return f"{key_of_number(int(first13[:5] + _CORSICA.get(department, department) + first13[7:13])):02d}"


class Matricule(Model):
    """The 15 characters of an INS: 13 of number and 2 of key. Blanks, dots and hyphens are removed on the way in.

    A wrong key is refused (`INS_KEY`), unless `certified` says that the number is INSi's own answer: an official
    answer is never rejected for its key (digest ins.md §0.3).
    """

    masked: ClassVar[frozenset[str]] = frozenset({"value"})

    value: str
    certified: bool = False

    @field_validator("value")
    @classmethod
    def _form(cls, value: str) -> str:
        compact = _BLANKS.sub("", value).upper()
        if len(compact) == 13 and _FORMAT.fullmatch(compact + "00"):
            raise invalid("INS_KEY_MISSING", "a matricule of 13 characters has no key", rule="INS: 13 + 2 characters",
                          hint="add the two-digit key given by INSi",
                          hint_fr="Complétez le matricule INS avec sa clé.")  # fmt: skip
        if not compact.isascii() or not _FORMAT.fullmatch(compact):
            raise invalid("INS_FORMAT", "not the form of a matricule INS",
                          rule="15 characters, digits only but for 2A or 2B at 6-7",
                          hint="copy the matricule from the INSi answer",
                          hint_fr="Le matricule INS n'a pas la bonne forme : relancez l'appel INSi.")  # fmt: skip
        return compact

    @model_validator(mode="after")
    def _key(self) -> Matricule:
        if not self.certified and not self.key_is_valid:
            raise invalid("INS_KEY", "the key of the matricule is wrong", rule="key = 97 - (13 characters mod 97)",
                          hint="check the matricule with INSi; never mend the key by hand",
                          hint_fr="La clé du matricule INS est fausse : vérifiez-le par INSi.")  # fmt: skip
        return self

    def __eq__(self, other: object) -> bool:
        """The same 15 characters, wherever they came from."""
        return self.value == other.value if isinstance(other, Matricule) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.value)

    @property
    def number(self) -> str:
        """The first 13 characters (INSi `NumIdentifiant`)."""
        return self.value[:13]

    @property
    def key(self) -> str:
        """The last two characters (INSi `Cle`)."""
        return self.value[13:]

    @property
    def key_is_valid(self) -> bool:
        return self.key == expected_key(self.number)


class InsOid(StrEnum):
    """OID of the authority that assigned the matricule; the only thing that tells NIR from NIA and test from real."""

    NIR = "1.2.250.1.213.1.4.8"
    NIA = "1.2.250.1.213.1.4.9"
    NIR_TEST = "1.2.250.1.213.1.4.10"
    NIR_DEMO = "1.2.250.1.213.1.4.11"

    @property
    def is_test(self) -> bool:
        return self in (InsOid.NIR_TEST, InsOid.NIR_DEMO)


class Ins(Model):
    """A matricule with its OID: one never travels without the other (EXI ID 29)."""

    matricule: Matricule
    oid: InsOid

    @field_validator("matricule", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"value": value} if isinstance(value, str) else value

    @property
    def value(self) -> str:
        return self.matricule.value

    @property
    def cx(self) -> str:
        """The XDS and VIHF form: `<matricule>^^^&<oid>&ISO^NH`."""
        return f"{self.value}^^^&{self.oid.value}&ISO^NH"


class Sex(StrEnum):
    FEMALE = "F"
    MALE = "M"
    UNKNOWN = "UN"


class Traits(Model):
    """The strict traits (*traits stricts*) of an identity.

    birth_name: nom de naissance; birth_given_names: liste des prénoms de naissance, separated by blanks, in the
    order of the civil act; first_given_name: premier prénom de naissance, coherent with the start of the list;
    birth_date: `AAAA-MM-JJ` text, since INSi may give lunar dates (`1950-00-00`); sex; birth_place: COG, 5
    characters, `99` + country when born abroad.
    """

    masked: ClassVar[frozenset[str]] = frozenset(
        {"birth_name", "birth_given_names", "first_given_name", "birth_date", "birth_place"}
    )

    birth_name: Text
    birth_given_names: Text
    first_given_name: Text
    birth_date: str
    sex: Sex
    birth_place: str

    @field_validator("birth_date", mode="before")
    @classmethod
    def _date_form(cls, value: Any) -> Any:
        if isinstance(value, date):
            return value.isoformat()[:10]
        if isinstance(value, str) and not _DATE.fullmatch(value):
            raise invalid("INS_BIRTH_DATE", "a birth date is AAAA-MM-JJ", rule="INSi DateLunaire",
                          hint="write 1953-05-31")  # fmt: skip
        return value

    @field_validator("birth_place")
    @classmethod
    def _cog(cls, value: str) -> str:
        if not _COG.fullmatch(value):
            raise invalid("INS_BIRTH_PLACE", "a birth place is a COG code of 5 characters", rule="RNIV; COG (H19)",
                          hint="give the INSEE code of the commune (63113), or 99 and the country (99109); "
                          "a postal code is something else")  # fmt: skip
        return value

    @model_validator(mode="after")
    def _first_given_name_starts_the_list(self) -> Traits:
        def words(text: str) -> list[str]:
            return re.split(r"[\s'’-]+", text.upper())

        first, listed = words(self.first_given_name), words(self.birth_given_names)
        if listed[: len(first)] != first:
            raise invalid("INS_FIRST_GIVEN_NAME", "the first given name does not start the list of given names",
                          rule="EXI ID 10", path="first_given_name",
                          hint="take the first given name(s) of the civil act's list",
                          hint_fr="Le premier prénom doit commencer la liste des prénoms de naissance.")  # fmt: skip
        return self

    @property
    def calendar_birth_date(self) -> date | None:
        """The birth date as a calendar date, None when it is lunar."""
        try:
            return date.fromisoformat(self.birth_date)
        except ValueError:
            return None


class IdentityStatus(StrEnum):
    """The four exclusive statuses (EXI SI 07)."""

    PROVISOIRE = "PROV"
    RECUPEREE = "RECUP"
    VALIDEE = "VALI"
    QUALIFIEE = "QUAL"


class IdentityAttribute(StrEnum):
    """Attributes beside the status (EXI ID 24, 26)."""

    HOMONYME = "HOMA"
    DOUTEUSE = "DOUT"
    FICTIVE = "FICT"


class Identity(Model):
    """Traits, status and INS held together by the RNIV rules.

    `QUAL` and `RECUP` hold an INS, `PROV` and `VALI` do not; `DOUT` and `FICT` force `PROV`.
    """

    traits: Traits
    status: IdentityStatus = IdentityStatus.PROVISOIRE
    ins: Ins | None = None
    attributes: frozenset[IdentityAttribute] = frozenset()

    @model_validator(mode="after")
    def _coherent(self) -> Identity:
        recovered = self.status in (IdentityStatus.RECUPEREE, IdentityStatus.QUALIFIEE)
        if recovered and self.ins is None:
            raise invalid("INS_MISSING", f"an identity {self.status.value} holds an INS", rule="RNIV, EXI SI 07",
                          path="ins", hint="give the INS returned by INSi, or the status PROV or VALI")  # fmt: skip
        if not recovered and self.ins is not None:
            raise invalid("INS_UNEXPECTED", f"an identity {self.status.value} holds no INS", rule="RNIV, EXI SI 08",
                          path="ins", hint="qualify the identity first, or leave the INS out",
                          hint_fr="Seule une identité récupérée ou qualifiée porte un INS.")  # fmt: skip
        blocking = self.attributes & {IdentityAttribute.DOUTEUSE, IdentityAttribute.FICTIVE}
        if blocking and self.status is not IdentityStatus.PROVISOIRE:
            raise invalid("INS_DOUBTFUL", "a doubtful or fictitious identity is PROV", rule="EXI ID 26, EXI SI 09",
                          path="status", hint="set the status to PROV and drop the INS")  # fmt: skip
        if IdentityAttribute.FICTIVE in self.attributes and len(self.attributes) > 1:
            raise invalid("INS_ATTRIBUTES", "FICT combines with no other attribute", rule="RNIV", path="attributes")
        return self

    @property
    def is_qualified(self) -> bool:
        return self.status is IdentityStatus.QUALIFIEE
