"""The strategies give every field of the models of documents: one that is added, and never generated, fails here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from operator import attrgetter
from typing import Any, get_args, get_type_hints

import pytest

from cda_strategies import GENERATED
from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.model import Model

NEVER = {
    # Another field says the same in the document of this kind.
    ("LaboratoryReport", "authenticators"): "its validations",
    ("ImagingReport", "placer_orders"): "its orders",
    # The volet fixes it.
    ("LaboratoryReport", "title"): "fixed",
    ("AdmissionLetter", "title"): "fixed",
    ("MedicationPrescription", "authors"): "each author has an organisation: `co_authors`",
    # What no document holds.
    ("Identity", "attributes"): "of the identity file",
    ("Identity", "former_ins"): "of the identity file",
}
"""Model and field that no strategy gives, and why."""
ELSEWHERE = {"Ins", "Matricule"}
"""Models of published test people only."""


def _models(kind: Any) -> Iterator[type]:
    if isinstance(kind, type) and (issubclass(kind, Model) or dataclasses.is_dataclass(kind)):
        yield kind
        for inner in kind.__subclasses__():
            if not issubclass(inner, ClinicalDocument):
                yield inner
    for argument in get_args(kind):
        yield from _models(argument)


def _fields(model: type) -> dict[str, Any]:
    if issubclass(model, Model):
        return {name: field.annotation for name, field in model.model_fields.items()}
    return get_type_hints(model)


def _documents(base: type[Any]) -> Iterator[type[Any]]:
    for kind in base.__subclasses__():
        yield from _documents(kind)
        if "type_code" in vars(kind) or kind.__subclasses__() == []:
            yield kind


def _reached() -> dict[type, dict[str, Any]]:
    """Every model that a document may hold, and its fields."""
    waiting: list[type] = [kind for kind in _documents(ClinicalDocument) if kind.__module__.startswith("sunes_sdk.")]
    found: dict[type, dict[str, Any]] = {}
    while waiting:
        model = waiting.pop()
        if model not in found:
            found[model] = _fields(model)
            waiting += [inner for annotation in found[model].values() for inner in _models(annotation)]
    return found


REACHED = _reached()
NAME = attrgetter("__name__")


def test_the_kinds_of_documents_are_reached() -> None:
    names = {model.__name__ for model in REACHED}
    assert names >= {"DischargeLetter", "AdmissionLetter", "OperativeReport", "Antibiogram", "Isolate", "II"}


@pytest.mark.parametrize("model", sorted(REACHED, key=NAME), ids=NAME)
def test_every_field_is_generated(model: type) -> None:
    if model.__name__ in ELSEWHERE:
        return
    given = GENERATED.get(model, set())
    missing = {name for name in REACHED[model] if name not in given and (model.__name__, name) not in NEVER}
    assert not missing, f"give them in tests/cda_strategies.py, or say in NEVER why not: {sorted(missing)}"
    needless = {name for kind, name in NEVER if kind == model.__name__ and name in given}
    assert not needless, f"generated after all: {sorted(needless)}"
