"""What is made from a frozen object, made once."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

_Object = TypeVar("_Object")
_Made = TypeVar("_Made")


def once_per_object(make: Callable[[_Object], _Made]) -> Callable[[_Object], _Made]:
    """Decorates a function of one frozen object: what it made is given again for this very object, as long as it lives.

    For people and structures, which an application builds once and thousands of documents name. An equal object, or
    a copy with changes, is another object: nothing of the first one is given for it. The object itself is not touched,
    so that equality, hash, pickle and copies know nothing of this. What is made must not hold the object, which would
    never end then; what is raised is raised again each time.
    """
    kept: dict[int, tuple[weakref.ref[_Object], _Made]] = {}

    @wraps(make)
    def made(of: _Object) -> _Made:
        number = id(of)
        found = kept.get(number)
        if found is not None and found[0]() is of:
            return found[1]
        value = make(of)
        kept[number] = weakref.ref(of, lambda _: kept.pop(number, None)), value
        return value

    return made
