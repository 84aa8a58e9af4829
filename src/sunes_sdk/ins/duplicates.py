"""Records of one patient base that may speak of one person, or one record that may speak of two. Candidates for a
human: nothing is merged here.

A **duplicate** (*doublon*) is one person with two records; a **collision** is a number or a record that two people
share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from .._core.errors import InsError
from .._core.findings import Finding, Severity
from ..model import Identity, IdentityAttribute, IdentityStatus, Ins, InsOid, Sex
from .names import comparable

KEY_LETTERS = 3
"""Letters of a name that a search key holds: RNIV asks for the birth date and the first letters of the name or of the
given name (three: unverified)."""
_DOMAINS: Final = {InsOid.NIR: "real", InsOid.NIA: "real", InsOid.NIR_TEST: "test", InsOid.NIR_DEMO: "demo"}
"""A NIA becomes a NIR with the same digits: the two are one number. A test number is never a real one."""


class Reason(StrEnum):
    """Codes of HL7 table 0445 (France). How they are read here, and which evidence gives which, is this library's
    choice: the table's own definitions were not seen (unverified)."""

    DUPLICATE_POTENTIAL = "DPOT"
    """*Doublon potentiel*: the same person twice, as it seems."""
    DUPLICATE_CERTAIN = "DOUA"
    """*Doublon avéré*: two qualified identities with the same INS and the same traits."""
    COLLISION_POTENTIAL = "COLP"
    """*Collision potentielle*: one number on traits that are not one person's."""
    COLLISION_CERTAIN = "COLV"
    """*Collision vérifiée*: the same, both identities being qualified."""


class Clue(StrEnum):
    """What two records have in common, or not."""

    SAME_INS = "SAME_INS"
    FORMER_INS = "FORMER_INS"
    SAME_NAMES = "SAME_NAMES"
    USED_NAME = "USED_NAME"
    INVERTED_NAMES = "INVERTED_NAMES"
    ONE_LETTER = "ONE_LETTER"
    TRAITS_DIFFER = "TRAITS_DIFFER"


def number_key(ins: Ins) -> str:
    """The search key of an INS: a NIA and the NIR it became have the same one, a test number another."""
    return f"ins:{_DOMAINS[ins.oid]}:{ins.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRecord:
    """What a search for duplicates keeps of one record: texts ready to compare. `of` makes it.

    record_id: local number of the record; ins: key of the active INS, empty without one; former: keys of former ones.
    """

    record_id: str = field(repr=False)
    status: IdentityStatus
    birth_name: str = field(repr=False)
    given_names: str = field(repr=False)
    first_given_name: str = field(repr=False)
    used_name: str = field(default="", repr=False)
    birth_date: str = field(repr=False)
    sex: Sex
    ins: str = field(default="", repr=False)
    former: tuple[str, ...] = field(default=(), repr=False)
    is_homonym: bool = False

    @classmethod
    def of(
        cls, record_id: str, identity: Identity, *, used_name: str | None = None, former: Iterable[Ins] = ()
    ) -> LocalRecord:
        """former: numbers of the record's history beside `identity.former_ins`."""
        traits = identity.traits
        active = number_key(identity.ins) if identity.ins else ""
        earlier = dict.fromkeys(map(number_key, (*identity.former_ins, *former)))
        return cls(
            record_id=record_id,
            status=identity.status,
            birth_name=comparable(traits.birth_name),
            given_names=comparable(traits.birth_given_names),
            first_given_name=comparable(traits.first_given_name),
            used_name=comparable(used_name or ""),
            birth_date=traits.birth_date,
            sex=traits.sex,
            ins=active,
            former=tuple([key for key in earlier if key != active]),
            is_homonym=IdentityAttribute.HOMONYME in identity.attributes,
        )

    def search_keys(self) -> frozenset[str]:
        """Where to look for this record: its numbers, and its birth date with the first letters of each name (of its
        first word: `LI` and `LI-NA` are looked up together)."""
        names = (self.birth_name, self.first_given_name, self.used_name)
        born = {f"born:{self.birth_date}:{name.split()[0][:KEY_LETTERS]}" for name in names if name}
        return frozenset({*self.numbers(), *born})

    def numbers(self) -> tuple[str, ...]:
        return (self.ins, *self.former) if self.ins else self.former


class RecordIndex(Protocol):
    """Where records are found by key: a `MemoryIndex`, or a table of the patient base with an index on the key."""

    def put(self, key: str, record: LocalRecord) -> None: ...

    def get(self, key: str) -> Iterable[LocalRecord]: ...

    def remove(self, key: str, record_id: str) -> None: ...


class MemoryIndex:
    """A dictionary with a bound. Raises InsError `INS_INDEX_FULL` beyond max_entries (a record has two to five)."""

    def __init__(self, max_entries: int = 5_000_000) -> None:
        self._found: dict[str, list[LocalRecord]] = {}
        self._left = max_entries

    def put(self, key: str, record: LocalRecord) -> None:
        if not self._left:
            raise InsError("the index is full", code="INS_INDEX_FULL", path="index", rule="bounded memory",
                           hint="raise max_entries, or keep the index in a database (RecordIndex)")  # fmt: skip
        self._left -= 1
        self._found.setdefault(key, []).append(record)

    def get(self, key: str) -> Iterable[LocalRecord]:
        return self._found.get(key, ())

    def remove(self, key: str, record_id: str) -> None:
        kept = [record for record in self._found.get(key, ()) if record.record_id != record_id]
        self._left += len(self._found.get(key, ())) - len(kept)
        self._found[key] = kept
        if not kept:
            del self._found[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Two records for a human to compare. reason: the code to set on them; clues: why."""

    record_id: str = field(repr=False)
    other_id: str = field(repr=False)
    reason: Reason
    clues: tuple[Clue, ...]

    @property
    def finding(self) -> Finding:
        """What to show: no trait, no number."""
        message, french = _SAID[self.reason]
        return Finding(
            code=f"INS_{self.reason.value}", message=f"{message} ({', '.join(c.value for c in self.clues)})",
            path="record", severity=Severity.WARNING, rule="one person, one record; HL7 table 0445 (France)",
            source="RNIV; codes read as described in sunes_sdk.ins.duplicates (unverified)",
            hint="compare both records with the person and an identity document; merge only by hand",
            message_fr=french,
        )  # fmt: skip


_SAID = {
    Reason.DUPLICATE_POTENTIAL: (
        "another record may be of the same person",
        "Doublon potentiel : un autre dossier concerne peut-être la même personne. À vérifier avant toute fusion.",
    ),
    Reason.DUPLICATE_CERTAIN: (
        "another record is of the same person",
        "Doublon avéré : deux dossiers qualifiés portent le même INS. À signaler à la cellule d'identitovigilance.",
    ),
    Reason.COLLISION_POTENTIAL: (
        "another record bears this number with other traits",
        "Collision potentielle : le même matricule INS est porté avec d'autres traits. N'utilisez pas cet INS.",
    ),
    Reason.COLLISION_CERTAIN: (
        "two qualified records bear one number with different traits",
        "Collision : deux dossiers qualifiés portent le même INS avec des traits différents. À signaler sans délai.",
    ),
}


class DuplicateSearch:
    """Candidates among records that come one by one; what is kept is in the index, the caller's own.

    limit_per_key: how many records one key is compared with. A key shared by more (records of unknown people, all born
    on 1 January 1900) is compared with the first ones only, and counted in `crowded`: mend those records first.
    """

    def __init__(self, index: RecordIndex, *, limit_per_key: int = 500) -> None:
        self._index = index
        self._limit = limit_per_key
        self.crowded = 0

    def add(self, record: LocalRecord) -> None:
        for key in record.search_keys():
            self._index.put(key, record)

    def replace(self, before: LocalRecord, after: LocalRecord) -> None:
        """A record whose identity changed, under its new keys only."""
        for key in before.search_keys():
            self._index.remove(key, before.record_id)
        self.add(after)

    def find(self, record: LocalRecord) -> tuple[Candidate, ...]:
        """Candidates for one record, among those that were added: before creating it, or when its traits change."""
        near: dict[str, LocalRecord] = {}
        for key in sorted(record.search_keys()):
            for number, other in enumerate(self._index.get(key)):
                if number == self._limit:
                    self.crowded += 1
                    break
                near.setdefault(other.record_id, other)
        near.pop(record.record_id, None)
        return tuple([found for other in near.values() if (found := compare_records(record, other))])

    def scan(self, records: Iterable[LocalRecord]) -> Iterator[Candidate]:
        """Every pair of candidates of a base, once, as the records come."""
        for record in records:
            yield from self.find(record)
            self.add(record)

    def bearers(self, numbers: Iterable[Ins], *, besides: str) -> tuple[LocalRecord, ...]:
        """The records that bear or bore one of these INS, besides the one named."""
        found = {
            record.record_id: record
            for key in dict.fromkeys(map(number_key, numbers))
            for record in self._index.get(key)
            if record.record_id != besides
        }
        return tuple(found.values())


def compare_records(one: LocalRecord, other: LocalRecord) -> Candidate | None:
    """Whether two records are candidates, and why; None when nothing speaks for it.

    Two active numbers that INSi does not link by its history are two people, whatever their traits; so are two
    records that are both marked homonym (HOMA).
    """
    names = _names_in_common(one, other)
    same_person = names is not None and one.birth_date == other.birth_date
    shared = set(one.numbers()) & set(other.numbers())
    if shared:
        active = bool(one.ins) and one.ins == other.ins
        certain = active and one.status is other.status is IdentityStatus.QUALIFIEE
        # A rectified civil status may change name, given names or sex: one of the names still agrees.
        duplicate = one.birth_date == other.birth_date and (
            one.birth_name == other.birth_name or _start(one.given_names, other.given_names)
        )
        reason = (
            (Reason.DUPLICATE_CERTAIN if certain else Reason.DUPLICATE_POTENTIAL) if duplicate
            else (Reason.COLLISION_CERTAIN if certain else Reason.COLLISION_POTENTIAL)
        )  # fmt: skip
        clues = [Clue.SAME_INS if active else Clue.FORMER_INS]
        clues.append(names if names is not None and duplicate else Clue.TRAITS_DIFFER)
        return Candidate(record_id=one.record_id, other_id=other.record_id, reason=reason, clues=tuple(clues))
    if (one.ins and other.ins) or (one.is_homonym and other.is_homonym) or not same_person or names is None:
        return None
    if Sex.UNKNOWN not in (one.sex, other.sex) and one.sex is not other.sex:
        return None
    return Candidate(
        record_id=one.record_id, other_id=other.record_id, reason=Reason.DUPLICATE_POTENTIAL, clues=(names,)
    )


def _names_in_common(one: LocalRecord, other: LocalRecord) -> Clue | None:
    given = _start(one.given_names, other.given_names)
    if one.birth_name == other.birth_name and given:
        return Clue.SAME_NAMES
    if given and _crossed(one, other):
        return Clue.USED_NAME
    if one.birth_name == other.first_given_name and other.birth_name == one.first_given_name:
        return Clue.INVERTED_NAMES
    if (given and _one_letter(one.birth_name, other.birth_name)) or (
        one.birth_name == other.birth_name and _one_letter(one.first_given_name, other.first_given_name)
    ):
        return Clue.ONE_LETTER
    return None


def _crossed(one: LocalRecord, other: LocalRecord) -> bool:
    """A used name typed as a birth name, or the same used name."""
    return bool(
        (one.used_name and one.used_name in (other.birth_name, other.used_name))
        or (other.used_name and other.used_name == one.birth_name)
    )


def _start(one: str, other: str) -> bool:
    """Whether one list of given names starts the other, at the end of a word."""
    short, long = sorted((one.split(), other.split()), key=len)
    return bool(short) and long[: len(short)] == short


def _one_letter(one: str, other: str) -> bool:
    """Whether one letter was replaced, added, left out, or two neighbours swapped."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    short, long = sorted((one, other), key=len)
    at = next((n for n, letter in enumerate(short) if letter != long[n]), len(short))
    if len(short) != len(long):
        return short[at:] == long[at + 1 :]
    swapped = short[at : at + 2][::-1] + short[at + 2 :]
    return short[at + 1 :] == long[at + 1 :] or swapped == long[at:]
