"""What is made once from a frozen object is given for that very object only, and for no longer than it lives."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref
from typing import Any

import pytest

from sunes_sdk._core.once import once_per_object
from sunes_sdk.cda import Issuer
from sunes_sdk.model import Actor, Address, Organization
from sunes_sdk.testing import samples


class Thing:
    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1


def counted() -> tuple[Any, list[str]]:
    made: list[str] = []

    @once_per_object
    def name_of(thing: Thing) -> str:
        made.append(thing.name)
        return f"<{thing.name}>"

    return name_of, made


def test_it_is_made_once_for_an_object_and_anew_for_its_equal() -> None:
    name_of, made = counted()
    a, b = Thing("a"), Thing("b")
    assert a == b
    assert [name_of(a), name_of(a), name_of(b), name_of(a)] == ["<a>", "<a>", "<b>", "<a>"]
    assert made == ["a", "b"]


def test_an_object_at_the_place_of_one_that_ended_gets_its_own() -> None:
    name_of, made = counted()
    for number in range(1000):
        assert name_of(Thing(str(number))) == f"<{number}>"  # each one is at the address of the last, or near
    assert len(made) == 1000


def test_nothing_is_kept_longer_than_its_object() -> None:
    class Made:
        pass

    make = once_per_object(lambda _: Made())
    thing = Thing("a")
    made = weakref.ref(make(thing))
    gc.collect()
    assert made() is make(thing)
    del thing
    gc.collect()
    assert made() is None


def test_what_is_raised_is_raised_again() -> None:
    @once_per_object
    def refuse(thing: Thing) -> str:
        raise ValueError(thing.name)

    thing = Thing("a")
    for _ in range(2):
        with pytest.raises(ValueError, match="a"):
            refuse(thing)


def test_threads_get_the_right_one() -> None:
    name_of, _ = counted()
    kept = [Thing(f"kept {n}") for n in range(5)]
    wrong: list[str] = []

    def work() -> None:
        for number in range(2000):
            for thing in (kept[number % 5], Thing(f"new {number}")):
                if (name := name_of(thing)) != f"<{thing.name}>":
                    wrong.append(name)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def _letter(actor: Actor, hospital: Organization) -> str:
    letter = samples.discharge_letter(author=actor, custodian=hospital, stay=samples.stay(organization=hospital))
    return letter.render(Issuer(oid_root=samples.DOCUMENT_ROOT)).content.decode()


def test_a_copy_with_changes_is_written_with_its_changes() -> None:
    hospital = samples.hospital()
    actor = samples.physician().at(hospital)
    assert "DAVID" in _letter(actor, hospital)  # all of them are known now
    moved = hospital.model_copy(update={"name": "Clinique", "address": Address(city="LYON")})
    married = actor.professional.model_copy(update={"family": "MARTIN", "rpps": "01234567905"})
    for changed in (
        actor.model_copy(update={"professional": married, "organization": moved}),
        actor.model_copy(update={"professional": married, "organization": moved}, deep=True),
        Actor(professional=married, organization=moved),
        pickle.loads(pickle.dumps(Actor(professional=married, organization=moved))),
        copy.deepcopy(Actor(professional=married, organization=moved)),
    ):
        text = _letter(changed, changed.organization)
        assert "MARTIN" in text
        assert "LYON" in text
        for of_the_first in ("DAVID", "801234567897", "Hôpital de démonstration", "place de l'Hôpital"):
            assert of_the_first not in text
    assert "DAVID" in _letter(actor, hospital)


def test_what_was_written_of_someone_leaves_no_trace_on_them() -> None:
    hospital = samples.hospital()
    actor = samples.physician().at(hospital)
    before = [(repr(o), hash(o), pickle.dumps(o), dict(o), vars(o).copy()) for o in (actor, hospital)]
    _letter(actor, hospital)
    assert [(repr(o), hash(o), pickle.dumps(o), dict(o), vars(o).copy()) for o in (actor, hospital)] == before
    assert actor == samples.physician().at(samples.hospital())
