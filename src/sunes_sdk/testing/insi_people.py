"""Who the fake INSi knows: the published test people, those of the CNDA scenarios, and made-up ones."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..model import Identity, Ins, InsOid, Matricule, Sex, Traits, expected_key


@dataclass(frozen=True, slots=True, kw_only=True)
class FakePerson:
    """Somebody INSi knows. Its repr shows no trait.

    matricule: 15 characters, wrong key included; given_names: the whole list; birth_date: `AAAA-MM-JJ`, lunar ones
    included; birth_place: COG; first_given_name: answered as `Prenom` when given; history: former numbers, (matricule,
    OID) pairs; dates: (matricule, DateDeb, DateFin) of the numbers that have them; unanswered: elements of the traits
    that INSi leaves out for this person; other_names: birth names that also find them; has_homonym: somebody who is not
    in the list has the same traits but for the birth place, so that the search without it is ambiguous; insured: NSS
    (15 characters) of the *ouvrant droit* when this person has no number on the card; birth_rank: *rang de naissance*.
    """

    matricule: str = field(repr=False)
    oid: InsOid
    birth_name: str = field(repr=False)
    given_names: str = field(repr=False)
    sex: str = field(repr=False)
    birth_date: str = field(repr=False)
    birth_place: str = field(repr=False)
    first_given_name: str | None = field(default=None, repr=False)
    history: tuple[tuple[str, InsOid], ...] = field(default=(), repr=False)
    dates: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)
    unanswered: frozenset[str] = frozenset()
    other_names: frozenset[str] = field(default=frozenset(), repr=False)
    has_homonym: bool = False
    insured: str | None = field(default=None, repr=False)
    birth_rank: str = "1"

    @property
    def ins(self) -> Ins:
        return Ins(matricule=Matricule(value=self.matricule, certified=True), oid=self.oid)

    @property
    def traits(self) -> Traits:
        return Traits(
            birth_name=self.birth_name, birth_given_names=self.given_names, sex=Sex(self.sex),
            first_given_name=self.first_given_name or self.given_names.split()[0], birth_date=self.birth_date,
            birth_place=self.birth_place,
        )  # fmt: skip

    @property
    def identity(self) -> Identity:
        """What an establishment holds before it asks: the traits, provisional."""
        return Identity(traits=self.traits)


class Register:
    """The people that INSi knows, by birth date: a search always has one. Not thread-safe."""

    def __init__(self, people: Iterable[FakePerson]) -> None:
        self._by_date: dict[str, list[FakePerson]] = {}
        for person in people:
            self._by_date.setdefault(person.birth_date, []).append(person)

    def __iter__(self) -> Iterator[FakePerson]:
        return (person for people in self._by_date.values() for person in people)

    def born_on(self, birth_date: str) -> Sequence[FakePerson]:
        return self._by_date.get(birth_date, ())

    def add(self, person: FakePerson) -> None:
        """Before the others, so that a changed person hides the former."""
        self._by_date.setdefault(person.birth_date, []).insert(0, person)

    def remove(self, person: FakePerson) -> None:
        """Raises ValueError for somebody who is not known."""
        known = self._by_date.get(person.birth_date, [])
        if person not in known:
            raise ValueError("this person is not known (any more): give the one that the last change returned")
        known.remove(person)


def _person(
    matricule: str, name: str, given: str, sex: str, born: str, place: str, *, oid: InsOid = InsOid.NIR,
    history: tuple[str, ...] = (), **more: Any,
) -> FakePerson:  # fmt: skip
    return FakePerson(
        matricule=matricule, oid=oid, birth_name=name, given_names=given, sex=sex, birth_date=born, birth_place=place,
        history=tuple((m, InsOid.NIR) for m in history), **more,
    )  # fmt: skip


PUBLISHED: Final = (
    _person("110086322083060", "NESSI", "MICHELANGELO ANTHONY", "M", "2010-08-07", "63220"),
    _person("275126322074974", "ADRUN", "ZOE", "F", "1975-12-31", "63220"),
    _person("236066322083656", "TCHITCHI", "CATARINA BELLA", "F", "1936-06-21", "63220"),
    _person(
        "109076322083489", "ECETINSI", "PIERRE-ALAIN MURIEL FLORIANT", "M", "2009-07-14", "63220",
        history=("209076322083439", "209066322012355"), dates=(("209076322083439", "2019-03-01", "2019-02-28"),),
    ),
    _person(
        "109076322088835", "PROVISOIRE", "MATRICULE", "M", "2009-07-01", "63220", oid=InsOid.NIA,
        first_given_name="MATRICULE",
    ),
    _person("297022A02077878", "ADRTROIS", "DOMINIQUE", "F", "1997-02-26", "2A020"),
    _person("160012B02077713", "ADRTROIS", "TOUSSAINT", "M", "1960-01-01", "2B020"),
    _person(
        "180032B02040123", "CORSE", "ANTHONY", "M", "1980-03-02", "2B020", first_given_name="ANTHONY",
        history=("180032B02040123",),
    ),
    _person(
        "181036322045660", "HERMANN", "GATIEN", "M", "1981-03-24", "63220", first_given_name="GATIEN",
        other_names=frozenset({"HERMAN"}), history=("181036322045660", "281036322045610"),
    ),
    _person(
        "207058575627097", "PATB-QUATRE", "LAURENCE", "F", "1907-05-25", "85756", first_given_name="LAURENCE",
        unanswered=frozenset({"ListePrenom"}),
    ),
    _person("279035121518989", "PAT-TROIS", "DOMINIQUE MARIE-LOUISE", "F", "1979-03-28", "51215", oid=InsOid.NIR_TEST),
    _person("277076322082910", "NESSI", "RUTH ISABELLE", "F", "1977-07-14", "63220"),
    _person("276037510669380", "DE VINCI", "DONATELLO", "M", "2010-08-07", "63220"),
)  # fmt: skip
"""Test people whose matricule and traits are published: answers of INSi for the CNDA tests and of the GIE SESAM-Vitale
(from ECETINSI to PATB-QUATRE with their exact shape), then people of examples of the ANS.

Keys of HERMANN and DE VINCI DONATELLO are wrong at the source, and stay so; the numbers of CORSE and HERMANN are in
their own history. Published numbers that a living person may bear are left out."""

SCENARIOS: Final = (
    _person("1140263220900" + expected_key("1140263220900"), "DE VINCI", "LEONARDO", "M", "2014-02-01", "63220",
            oid=InsOid.NIR_TEST, has_homonym=True),
)  # fmt: skip
"""People of CNDA scenarios whose matricule is not published: made up, with a test OID. DE VINCI LEONARDO is `02`
without his birth place, `00` with it. HOUILLES / PIERRE PAUL JACQUES and D'ARTAGNAN are unknown on purpose."""

TEST_PEOPLE: Final = frozenset(p.matricule for p in PUBLISHED if not p.oid.is_test)
"""For `Settings.test_people`: published people who bear production OIDs."""


_FAMILIES = ("TESTUNO", "DEMOVAL", "FICTIBAUD", "ESSAI-MARTIN", "D'EXEMPLE", "LE TESTOU", "VERIFIANT", "SANSNOM")
_GIVENS = {
    "F": ("ALIX MARIE", "ROSE", "ANNE-LAURE JEANNE", "INES", "LOUISE ADELE EMMA", "FATOU"),
    "M": ("HUGO", "JEAN-PAUL LOUIS", "NOE ARTHUR", "SACHA", "ALI KARIM", "PIERRE"),
}


def generated_people(count: int, *, seed: int = 0, unusual: float = 0.0) -> tuple[FakePerson, ...]:
    """People made up for load and property tests: test OIDs, all matricules and birth names different.

    unusual: share (0 to 1) of those who break a habit of careless readers: lunar birth date, born abroad or nobody
    knows where, Corsica, a former number, a wrong key, a `Prenom` of two words, no `Prenom`. The others have right keys
    and a calendar birth date. Raises ValueError over 800,000.
    """
    if count > 800_000:
        raise ValueError("at most 800000 people")
    draw = random.Random(seed)  # noqa: S311  reproducible test people
    made = []
    for number in range(count):
        sex = draw.choice("FM")
        year, month, day = 1930 + draw.randrange(90), draw.randrange(1, 13), draw.randrange(1, 29)
        order, given = 100 + number % 900, draw.choice(_GIVENS[sex])
        kind = draw.choice(_UNUSUAL) if unusual and draw.random() < unusual else ""
        place = f"{63001 + number // 900 % 400:05d}"
        birth_date = f"{year}-{month:02d}-{day:02d}"
        born = {"abroad": "99109", "unknown": "99999", "corsica": ("2A004", "2B033")[number % 2]}.get(kind, place)
        # A number starts with the place as the COG had it; only Corsica is written in it here.
        first13 = f"{'2' if sex == 'F' else '1'}{year % 100:02d}{month:02d}{place}{order:03d}"
        if kind == "corsica":
            first13 = f"{first13[:5]}{born[:2]}{first13[7:]}"
        key = expected_key(first13)
        made.append(
            FakePerson(
                matricule=first13 + (_another_key(key) if kind == "key" else key), oid=InsOid.NIR_TEST,
                birth_name=f"{draw.choice(_FAMILIES)}-{_letters(number)}", given_names=given, sex=sex,
                first_given_name={"no_prenom": None, "two_words": " ".join(given.split()[:2])}.get(
                    kind, given.split()[0]
                ),
                birth_date=f"{year}-{draw.choice(('00-00', '02-30', '13-40'))}" if kind == "lunar" else birth_date,
                birth_place=born,
                history=((with_other_sex(first13 + key), InsOid.NIR_TEST),) if kind == "former" else (),
            )
        )  # fmt: skip
    return tuple(made)


_UNUSUAL: Final = ("lunar", "abroad", "unknown", "corsica", "former", "key", "two_words", "no_prenom")


def with_other_sex(matricule: str) -> str:
    """The number that the same person gets when the sex of the civil status changes: first digit and key."""
    first13 = str(int(matricule[0]) + (1 if int(matricule[0]) % 2 else -1)) + matricule[1:13]
    return first13 + expected_key(first13)


def _another_key(key: str) -> str:
    return f"{int(key) % 97 + 1:02d}"


def _letters(number: int) -> str:
    """A number in letters, so that made-up names stay in INSi's alphabet."""
    return "".join("ABCDEFGHIJ"[int(digit)] for digit in str(number))
