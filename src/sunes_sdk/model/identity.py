"""The national health identity: matricule, OID, strict traits, status (RNIV)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import date
from enum import StrEnum
from typing import Any, ClassVar, Final, Self

from pydantic import field_validator, model_validator

from .._core.errors import InsError
from .._core.findings import Report
from .._core.text import strip_accents
from ._base import Model, invalid
from .code import Text
from .environment import PUBLISHED_TEST_PEOPLE, Environment
from .evidence import DocumentKind, Evidence

_FORMAT = re.compile(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{6}[0-9]{2}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_COG = re.compile(r"[0-9][0-9AB][0-9]{3}", re.ASCII)
_BLANKS = re.compile(r"[\s.\-/\u00a0\u202f\u2009]")
_BETWEEN_WORDS = re.compile(r"[\s'’-]+")
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
    answer is never rejected for its key, for official examples have wrong ones.
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

    @classmethod
    def of(cls, matricule: str, oid: InsOid, *, certified: bool = False) -> Self:
        """From the text of a matricule. certified: it is INSi's own answer, never refused for its key.

        Raises ModelError (`INS_FORMAT`, `INS_KEY`, `INS_KEY_MISSING`).
        """
        return cls(matricule=Matricule(value=matricule, certified=certified), oid=oid)

    @field_validator("matricule", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"value": value} if isinstance(value, str) else value

    @property
    def value(self) -> str:
        return self.matricule.value

    @property
    def is_test(self) -> bool:
        """A test or demonstration OID, or a published test person whatever the OID."""
        return self.oid.is_test or self.value in PUBLISHED_TEST_PEOPLE

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
        first, listed = self.first_given_name, self.birth_given_names
        if first.isalpha() and f"{listed} ".startswith(f"{first} "):  # nearly always
            return self

        def words(text: str) -> list[str]:
            return _BETWEEN_WORDS.split(text.upper())

        def starts(first: list[str], listed: list[str]) -> bool:
            return listed[: len(first)] == first

        if not starts(words(first), words(listed)) and not starts(
            words(strip_accents(first)), words(strip_accents(listed))
        ):
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


_BLOCKING: Final = frozenset({IdentityAttribute.DOUTEUSE, IdentityAttribute.FICTIVE})
_CHECKED: Final = frozenset({IdentityStatus.VALIDEE, IdentityStatus.QUALIFIEE})


class Target(StrEnum):
    """Where an INS is about to be written."""

    CDA = "CDA"
    DMP = "DMP"
    MSS_PATIENT = "MSS_PATIENT"
    MSS_PROFESSIONAL = "MSS_PROFESSIONAL"
    HL7V2 = "HL7V2"
    LABEL = "LABEL"
    """Anything printed: label, wristband, datamatrix, first page of a document."""


class Identity(Model):
    """Traits, status and INS held together by the RNIV rules.

    Two axes make the status (EXI SI 07): *recovered* from INSi, *checked* against a document of high confidence.
    `QUAL` and `RECUP` hold an INS, `PROV` and `VALI` do not; `DOUT` and `FICT` force `PROV`.
    former_ins 0..*: numbers that this identity bore, or that INSi lists as former; never transmitted.

    Each transition returns a new identity or raises. `recovered` is the bare transition: `sunes_sdk.ins.recover`
    compares an INSi answer first. Raises ModelError (`INS_MISSING`, `INS_UNEXPECTED`, `INS_DOUBTFUL`,
    `INS_ATTRIBUTES`, `INS_FORMER`) for a state that the rules forbid.
    """

    traits: Traits
    status: IdentityStatus = IdentityStatus.PROVISOIRE
    ins: Ins | None = None
    attributes: frozenset[IdentityAttribute] = frozenset()
    former_ins: tuple[Ins, ...] = ()

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
        if self.attributes & _BLOCKING and self.status is not IdentityStatus.PROVISOIRE:
            raise invalid("INS_DOUBTFUL", "a doubtful or fictitious identity is PROV", rule="EXI ID 26, EXI SI 09",
                          path="status", hint="set the status to PROV and drop the INS",
                          hint_fr="Une identité douteuse ou fictive est provisoire et ne porte pas d'INS.")  # fmt: skip
        if IdentityAttribute.FICTIVE in self.attributes and len(self.attributes) > 1:
            raise invalid("INS_ATTRIBUTES", "FICT combines with no other attribute", rule="RNIV: only DOUT and HOMA",
                          path="attributes", hint="give FICT alone",
                          hint_fr="L'attribut fictif ne se combine avec aucun autre.")  # fmt: skip
        if self.former_ins and self.ins in self.former_ins:
            raise invalid("INS_FORMER", "the INS held is not a former one", rule="RNIV", path="former_ins",
                          hint="leave the active INS out of former_ins")  # fmt: skip
        return self

    @property
    def is_qualified(self) -> bool:
        return self.status is IdentityStatus.QUALIFIEE

    # --- the gate -------------------------------------------------------------------------------------------------

    def for_transmission(
        self, target: Target, environment: Environment, *, test_people: Collection[str] = frozenset()
    ) -> Ins:
        """The one way to an INS in a CDA, a DMP call, a mail, an HL7 message or on a label.

        test_people: matricules of test people with production OIDs that may be used outside `PRODUCTION`
        (`Settings.test_people`).
        Raises InsError: `INS_NOT_QUALIFIED` unless the status is `QUAL` (EXI ID 29, EXI SI 08, EXI DIF 02);
        `ENVIRONMENT_IDENTITY` when the INS is not of this environment; `INS_DOUBTFUL` for what only a copy that was
        not validated can be: qualified, and doubtful or fictitious.
        """
        if self.attributes:  # most have none, and every letter passes here
            self._refuse_doubt("does not leave")
        return transmissible(self.status, self.ins, target, environment, test_people)

    # --- transitions ----------------------------------------------------------------------------------------------

    def recovered(
        self,
        ins: Ins,
        traits: Traits,
        *,
        differences: Report,
        accepted_differences: Collection[str] = (),
        history: Iterable[Ins] = (),
    ) -> Identity:
        """INSi's answer recorded: `PROV` → `RECUP`, `VALI` → `QUAL`; `RECUP` and `QUAL` stay, refreshed.

        traits: those of the answer; differences: what `sunes_sdk.ins.compare_traits` found between them and the local
        ones; accepted_differences: codes that a human has seen and accepted; history: former INS listed by INSi.
        Raises InsError: `INS_DOUBTFUL`; `INS_TRAITS_DIFFER` when a difference remains that nobody accepted;
        `INS_OTHER_MATRICULE` when another INS is held that INSi does not link to this one.
        """
        self._refuse_doubt("is not recovered")
        refused = [f for f in (*differences.errors, *differences.warnings) if f.code not in accepted_differences]
        if refused:
            raise InsError(
                f"INSi's traits differ: {', '.join(f.code for f in refused)}",
                code="INS_TRAITS_DIFFER",
                path=refused[0].path,
                rule="a human compares the traits before the status changes",
                hint="show both, then call again with the accepted codes, or refuse the answer",
                hint_fr="Les traits renvoyés par INSi diffèrent : comparez-les avec une pièce d'identité.",
                report=differences,
            )
        listed = tuple(history)
        if self.ins not in (None, ins, *listed) and not _became_nir(self.ins, ins):
            raise InsError(
                "another INS is held, which INSi does not link to this one", code="INS_OTHER_MATRICULE",
                path="identity.ins", rule="a changed matricule stays in the history that INSi returns",
                hint="check whether the record mixes two people; invalidate the INS held before another is recorded",
                hint_fr="Le dossier porte un autre INS, qu'INSi ne rattache pas à celui-ci : risque de collision.",
            )  # fmt: skip
        status = IdentityStatus.QUALIFIEE if self.status in _CHECKED else IdentityStatus.RECUPEREE
        former = dict.fromkeys((*self._all_former(), *listed))
        former.pop(ins, None)
        return Identity(traits=traits, status=status, ins=ins, attributes=self.attributes, former_ins=tuple(former))

    def validated(
        self, evidence: Evidence, *, accepted: Collection[DocumentKind] = frozenset(DocumentKind)
    ) -> Identity:
        """An identity document seen: `PROV` → `VALI`, `RECUP` → `QUAL`; `VALI` and `QUAL` stay.

        accepted: documents that the establishment takes. Raises InsError `INS_EVIDENCE`, `INS_DOUBTFUL`.
        """
        if evidence.document not in accepted:
            raise InsError(
                f"document {evidence.document.value} is not accepted here", code="INS_EVIDENCE",
                path="evidence.document", rule="EXI ID 19; the establishment's policy", hint="check another document",
                hint_fr="Cette pièce d'identité n'est pas admise par l'établissement.",
            )  # fmt: skip
        self._refuse_doubt("is not validated")
        status = IdentityStatus.VALIDEE if self.ins is None else IdentityStatus.QUALIFIEE
        return self._with(status=status)

    def invalidated(self, *, still_checked: bool) -> Identity:
        """The INS dropped after a failed verification at INSi, or a removal by the partner that gave it:
        `QUAL` → `VALI` when the document check still holds (`still_checked`), else `PROV`; `RECUP` → `PROV`. The INS
        becomes a former one. Raises InsError `INS_NONE` when there is none."""
        if self.ins is None:
            raise InsError(
                f"an identity {self.status.value} holds no INS", code="INS_NONE", path="identity.ins",
                rule="RNIV: an INS is invalidated from QUAL or RECUP", hint="nothing to do",
                hint_fr="Cette identité ne porte pas d'INS.",
            )  # fmt: skip
        checked = still_checked and self.is_qualified
        status = IdentityStatus.VALIDEE if checked else IdentityStatus.PROVISOIRE
        return self._with(status=status, ins=None, former_ins=self._all_former())

    def edited(self, traits: Traits, *, evidence: Evidence | None) -> Identity:
        """Strict traits changed by hand: the INS becomes a former one, the status `PROV`, or `VALI` with a document for
        the new traits. Unchanged traits leave the identity as it is (with `evidence`, validated).
        Raises what `validated` raises."""
        edited = self
        if traits != self.traits:
            edited = self._with(
                traits=traits, status=IdentityStatus.PROVISOIRE, ins=None, former_ins=self._all_former()
            )  # fmt: skip
        return edited if evidence is None else edited.validated(evidence)

    def marked(self, attribute: IdentityAttribute) -> Identity:
        """An attribute set (EXI ID 24, 26; EXI SI 09). `DOUT` and `FICT` make the identity `PROV`, its INS a former
        one. `FICT` stands alone: it replaces the others, `DOUT` replaces it. Raises InsError `INS_ATTRIBUTES` for
        `HOMA` on a fictitious identity."""
        if attribute in _BLOCKING:
            kept = frozenset[IdentityAttribute]()
            if attribute is IdentityAttribute.DOUTEUSE:
                kept = self.attributes - {IdentityAttribute.FICTIVE}
            return self._with(
                status=IdentityStatus.PROVISOIRE, ins=None, attributes=kept | {attribute},
                former_ins=self._all_former(),
            )  # fmt: skip
        if IdentityAttribute.FICTIVE in self.attributes:
            raise InsError(
                "a fictitious identity takes no other attribute", code="INS_ATTRIBUTES", path="identity.attributes",
                rule="RNIV: only DOUT and HOMA combine", hint="remove FICT first",
                hint_fr="Une identité fictive ne porte pas d'autre attribut.",
            )  # fmt: skip
        return self._with(attributes=self.attributes | {attribute})

    def unmarked(self, attribute: IdentityAttribute) -> Identity:
        """An attribute removed. The status stays: an identity that was doubtful starts again from `PROV`."""
        return self._with(attributes=self.attributes - {attribute})

    def _with(self, **changes: Any) -> Identity:
        return Identity(**dict(self) | changes)

    def _all_former(self) -> tuple[Ins, ...]:
        """The former INS once the one held is dropped."""
        return self.former_ins if self.ins is None else (*self.former_ins, self.ins)

    def _refuse_doubt(self, what: str) -> None:
        if self.attributes & _BLOCKING:
            raise InsError(
                f"a doubtful or fictitious identity {what}", code="INS_DOUBTFUL", path="identity.attributes",
                rule="EXI ID 26, EXI SI 09", hint="remove the attribute first, then recover and validate it anew",
                hint_fr="Identité douteuse ou fictive : levez le doute avant toute récupération, validation ou envoi.",
            )  # fmt: skip


def _became_nir(held: Ins | None, found: Ins) -> bool:
    """A waiting number (NIA) keeps its digits when it becomes a NIR: only the OID changes."""
    return (
        held is not None
        and held.matricule == found.matricule
        and (held.oid, found.oid) == (InsOid.NIA, InsOid.NIR)
    )  # fmt: skip


_QUALIFY: Final = "qualify the identity (INSi, then a document of high confidence)"
_QUALIFY_FR: Final = "Vérifiez l'identité et interrogez l'INSi."
_REFUSALS: Final[dict[Target, tuple[str, str, str]]] = {
    Target.CDA: ("an INS is written in a CDA", f"{_QUALIFY}; unqualified, the document names the patient by the IPP",
                 f"Identité non qualifiée : l'INS ne peut pas figurer dans le document. {_QUALIFY_FR}"),
    Target.DMP: ("a document goes to the DMP", f"{_QUALIFY}, then render the document again",
                 f"Identité non qualifiée : le document ne peut pas être versé au DMP. {_QUALIFY_FR}"),
    Target.MSS_PATIENT: ("a patient is written to", f"{_QUALIFY}, then render the document again",
                         f"Identité non qualifiée : pas d'envoi vers Mon espace santé. {_QUALIFY_FR}"),
    Target.MSS_PROFESSIONAL: (
        "a document goes to a professional",
        f"{_QUALIFY}, then render the document again; or send it without INS by the derogation: "
        "Mss(address=…, without_ins=True)",
        "Identité non qualifiée : qualifiez-la, ou choisissez explicitement l'envoi sans INS (dérogation)."),
    Target.HL7V2: ("an INS is sent in an HL7 message", f"{_QUALIFY}; unqualified, PID-3 holds the IPP alone",
                   f"Identité non qualifiée : l'INS ne peut pas être transmis. {_QUALIFY_FR}"),
    Target.LABEL: ("an INS is printed", _QUALIFY,
                   f"Identité non qualifiée : l'INS ne peut pas être imprimé. {_QUALIFY_FR}"),
}  # fmt: skip
"""What is refused, what to do, what to tell a secretary."""


def transmissible(
    status: IdentityStatus,
    ins: Ins | None,
    target: Target,
    environment: Environment,
    test_people: Collection[str] = frozenset(),
) -> Ins:
    """The rule of the gate, for `Identity.for_transmission` and `Document.for_transmission`."""
    if ins is None or status is not IdentityStatus.QUALIFIEE:
        what, hint, hint_fr = _REFUSALS[target]
        raise InsError(
            f"the identity is {status.value}: {what} with a qualified INS only", code="INS_NOT_QUALIFIED",
            path="identity.status", rule="RNIV; EXI ID 29, EXI SI 08, EXI DIF 02", hint=hint, hint_fr=hint_fr,
        )  # fmt: skip
    check_environment(ins, environment, test_people=test_people)
    return ins


def check_environment(ins: Ins, environment: Environment, *, test_people: Collection[str] = frozenset()) -> None:
    """Refuse a test identity in production, and a real one anywhere else.

    A test identity: a test OID, a published test person or one of `test_people`, whatever its OID. Outside production
    only a test OID or one of `test_people` passes. Raises InsError `ENVIRONMENT_IDENTITY`.
    """
    if environment is Environment.PRODUCTION:
        if not ins.is_test and ins.value not in test_people:
            return
    elif ins.oid.is_test or ins.value in test_people:
        return
    kind = "test" if environment is Environment.PRODUCTION else "production"
    raise InsError(
        f"an INS of a {kind} identity cannot be used in {environment.value}",
        code="ENVIRONMENT_IDENTITY",
        path="identity.ins.oid",
        rule="test identities never reach production, nor the reverse",
        hint="use an identity of this environment, or the environment of this identity; test people with production "
        "OIDs go in Settings.test_people",
        hint_fr="Cette identité n'appartient pas à l'environnement choisi : envoi refusé.",
    )
