"""hl7apy judges the demo admission and discharge, and reads the values that our reader reads.

hl7apy drops the segments it does not know, so its own structures are extended with the French Z segments, typed field
by field; a message whose ZBE is shifted must then fail.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from sunes_sdk.hl7v2 import decode
from sunes_sdk.hl7v2.er7 import unescape

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo"
SHIFTED = b"||INSERT"


@pytest.fixture(scope="module")
def hl7apy() -> Any:
    pytest.importorskip("hl7apy")
    return importlib.import_module("hl7apy.parser")


def profile(structure: str) -> Any:
    messages = importlib.import_module("hl7apy.v2_5.messages").MESSAGES
    segments = importlib.import_module("hl7apy.v2_5.segments").SEGMENTS

    def borrow(segment: str, number: int) -> Any:
        return segments[segment][1][number - 1][1]

    text, time, identifier, unit, code = (
        borrow("MSH", 8), borrow("EVN", 2), borrow("MSH", 21), borrow("SFT", 1), borrow("MSH", 19),
    )  # fmt: skip
    fields = {
        # type and cardinality of each field in the French extension; (0, 0) forbids
        "ZBE": [(identifier, (1, -1)), (time, (1, 1)), (time, (0, 0)), (text, (1, 1)), (text, (1, 1)), (text, (0, 1)),
                (unit, (0, 1)), (unit, (0, 1)), (code, (1, 1))],
        "ZFA": [(text, (0, 1)), (time, (0, 1)), (time, (0, 1)), *[(text, (0, 0))] * 5, (text, (0, 1)), (time, (0, 1)),
                (text, (0, 1)), (time, (0, 1))],
        "ZFD": [(text, (0, 1))] * 8,
    }  # fmt: skip
    added = tuple(
        (
            name,
            ("sequence", tuple((f"{name}_{n}", t, c, "FIE") for n, (t, c) in enumerate(listed, 1))),
            (1 if name == "ZBE" else 0, 1),
            "SEG",
        )
        for name, listed in fields.items()
    )
    kind, children = messages[structure][:2]
    at = next(i for i, child in enumerate(children) if child[0] == "PV2") + 1
    return {structure: (kind, (*children[:at], *added, *children[at:]))}


def parse(hl7apy: Any, data: bytes, structure: str) -> Any:
    from hl7apy.consts import VALIDATION_LEVEL

    return hl7apy.parse_message(
        data.decode(), message_profile=profile(structure), validation_level=VALIDATION_LEVEL.STRICT
    )  # fmt: skip


CASES = [("admission.hl7", "ADT_A01"), ("sortie.hl7", "ADT_A03")]


@pytest.mark.parametrize(("name", "structure"), CASES)
def test_hl7apy_finds_the_message_valid(hl7apy: Any, name: str, structure: str) -> None:
    data = (DEMO / name).read_bytes()
    judged = parse(hl7apy, data, structure)
    assert judged.validate()
    ours = decode(data)
    assert [s.name for s in judged.children] == [s.name for s in ours.segments]


@pytest.mark.parametrize(("name", "structure"), CASES)
def test_hl7apy_reads_what_we_read(hl7apy: Any, name: str, structure: str) -> None:
    data = (DEMO / name).read_bytes()
    judged, ours = parse(hl7apy, data, structure), decode(data)
    compared = 0
    for theirs, segment in zip(judged.children, ours.segments, strict=True):
        if segment.name == "MSH":
            continue
        for field in theirs.children:
            number = int(field.name.rpartition("_")[2])
            same = [f for f in theirs.children if f.name == field.name]
            repetition = segment.repetitions(number)[next(i for i, f in enumerate(same) if f is field)]
            parts = field.to_er7().split("^")
            for position, part in enumerate(parts, 1):
                assert unescape(part.split("&")[0]) == repetition.value(position)
                compared += 1
    assert compared > 60


@pytest.mark.parametrize(("name", "structure"), CASES)
def test_hl7apy_refuses_a_shifted_movement(hl7apy: Any, name: str, structure: str) -> None:
    from hl7apy.exceptions import HL7apyException

    data = (DEMO / name).read_bytes()
    assert SHIFTED in data
    with pytest.raises(HL7apyException):
        parse(hl7apy, data.replace(SHIFTED, b"|20260110090000||INSERT"), structure).validate()
