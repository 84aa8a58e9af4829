"""*Signes vitaux* and *statut de grossesse* back into `VitalSign` and `PregnancyStatus`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

from ..._core.errors import ModelError
from ..datatypes_reader import code_of, find, path_of, value_of
from ..documents.imaging import PregnancyStatus
from ..documents.measures import Measure
from ..documents.vital_signs import VitalSign
from .entries import Body, code_of_statement, components, day_or_instant, decimal, statements, unit_of

_SIGNS, _PREGNANCY = "1.2.250.1.213.1.1.2.75", "1.2.250.1.213.1.1.2.77"
_STATUS: Final = "11449-6"


def read_vital_signs(body: Body) -> Iterator[VitalSign]:
    """*FR-Signes-vitaux*."""
    section = body.section(_SIGNS)
    for organizer in statements(section, "organizer") if section is not None else ():
        body.notes.take(organizer, "effectiveTime")
        for observation in components(organizer, "observation"):
            try:
                yield _vital_sign(body, observation)
            except ModelError as e:
                body.notes.leave("a vital sign", path_of(observation), e.message)


def _vital_sign(body: Body, observation: etree._Element) -> VitalSign:
    value = find(observation, "value")
    number = decimal(value)
    kind: Any = code_of_statement(observation)
    at: Any = day_or_instant(find(observation, "effectiveTime"), body.notes)
    if number is None:
        raise ModelError("it has no value", path=path_of(observation))
    sign = VitalSign(kind=kind, measure=Measure(value=number, unit=unit_of(value)), at=at)
    body.notes.take(observation, "effectiveTime", "value")
    return sign


def read_pregnancy(body: Body, written: str) -> PregnancyStatus | None:
    """The status at the time of writing, which `written` says; one of another time is noted."""
    section = body.section(_PREGNANCY)
    for observation in statements(section, "observation") if section is not None else ():
        code = code_of(find(observation, "value"))
        time = find(observation, "effectiveTime")
        if code_of_statement(observation) != _STATUS or code is None or code.code not in set(PregnancyStatus):
            continue
        if value_of(time) != written:
            body.notes.leave("the time of the pregnancy status", path_of(observation))
        body.notes.take(observation, "effectiveTime", "value")
        return PregnancyStatus(code.code)
    return None
