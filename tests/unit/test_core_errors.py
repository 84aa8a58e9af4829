"""The error tree: as drawn, and saying what, where, why and what to do."""

from __future__ import annotations

import inspect
import pickle
import re
from typing import Any

import pytest

from sunes_sdk import errors
from sunes_sdk.errors import (
    CdaError,
    Finding,
    ModelError,
    OutcomeUnknown,
    Report,
    RetryKind,
    Severity,
    SunesError,
    TransportError,
    ValidationError,
)


def drawn() -> dict[str, str]:
    """Child → parent, read from the drawing in the docstring."""
    assert errors.__doc__
    parents: dict[str, str] = {}
    stack: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        m = re.match(r"^(?P<lead>[ │├└]*)(?P<name>[A-Z]\w+)\b", line)
        if not m or not ("├" in m["lead"] or "└" in m["lead"] or m["name"] == "SunesError"):
            continue  # prose
        depth = len(m["lead"])
        while stack and stack[-1][0] >= depth:
            stack.pop()
        if stack:
            parents[m["name"]] = stack[-1][1]
        stack.append((depth, m["name"]))
    return parents


def test_the_tree_is_drawn_as_it_is() -> None:
    classes = {n: c for n, c in vars(errors).items() if inspect.isclass(c) and issubclass(c, SunesError)}
    real = {n: c.__bases__[0].__name__ for n, c in classes.items() if c is not SunesError}
    assert drawn() == real


def test_exported_names_are_sorted() -> None:
    assert errors.__all__ == sorted(errors.__all__)


def test_an_error_says_code_place_rule_and_fix() -> None:
    e = SunesError("it broke", code="X1", path="a.b", rule="must not", hint="do this", hint_fr="faites ceci")
    assert str(e) == "X1 at a.b: it broke [must not] Fix: do this"
    assert (e.code, e.path, e.rule, e.hint, e.hint_fr) == ("X1", "a.b", "must not", "do this", "faites ceci")


def test_a_model_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="bad"):
        raise ModelError("bad")


def test_a_report_raises_its_first_error_and_keeps_all() -> None:
    warning = Finding(code="W", message="hm", severity=Severity.WARNING)
    report = Report.of([warning, Finding(code="A", message="one", path="p"), Finding(code="B", message="two")])
    with pytest.raises(ValidationError) as caught:
        report.raise_for_errors()
    assert caught.value.code == "A"
    assert caught.value.path == "p"
    assert "1 more" in caught.value.message
    assert len(caught.value.report) == 3
    assert isinstance(CdaError.from_report(report), CdaError)


def test_a_report_of_warnings_does_not_raise() -> None:
    report = Report.of([Finding(code="W", message="hm", severity=Severity.WARNING)])
    report.raise_for_errors()
    assert report.ok
    assert len(report.warnings) == 1


@pytest.mark.parametrize(("sent", "kind"), [("no", RetryKind.SAFE), ("maybe", RetryKind.RECONCILE_FIRST)])
def test_what_may_be_retried_depends_on_what_left(sent: str, kind: RetryKind) -> None:
    assert TransportError("x", sent=sent).retry.kind is kind  # type: ignore[arg-type]  # parametrized text


def test_an_unknown_outcome_is_never_retried_blindly() -> None:
    assert OutcomeUnknown("x", prepared=1).retry.kind is RetryKind.RECONCILE_FIRST


def test_every_error_crosses_processes() -> None:
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, errors.SunesError)]
    assert errors.TransportError in kinds
    for kind in kinds:
        needed: dict[str, Any] = {"sent": "maybe"} if kind is errors.TransportError else {}
        error = kind("message", code="CODE", path="path", hint="hint", **needed)
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (kind, str(error), vars(error))
