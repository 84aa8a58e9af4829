"""Time stamps, identifiers, folding, masking."""

from __future__ import annotations

import itertools
import logging
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunes_sdk._core import hl7time, ids
from sunes_sdk._core.clock import PARIS, FixedClock
from sunes_sdk._core.redaction import MatriculeFilter, mask_matricules
from sunes_sdk._core.text import fold_ascii, strip_accents


@pytest.mark.parametrize(
    ("cda", "dtm"),
    [
        ("20190221133445+0100", "20190221123445"),
        ("20190101003000+0100", "20181231233000"),
        ("20190221", "20190221"),
        ("201902", "201902"),
        ("2019", "2019"),
        ("201902211334+0100", "201902211234"),
        ("20190221133445.123+0100", "20190221123445"),
    ],
)
def test_cda_time_becomes_utc_at_its_own_precision(cda: str, dtm: str) -> None:
    assert hl7time.ts_to_dtm_utc(cda) == dtm


@pytest.mark.parametrize("text", ["", "19", "20190230", "20191301", "2019-02-21", "20190221T10", "٢٠١٩0221"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        hl7time.parse_ts(text)


def test_a_naive_time_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="aware"):
        hl7time.format_ts(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="aware"):
        hl7time.to_dtm_utc(datetime(2026, 1, 1))  # noqa: DTZ001


def test_paris_time_is_written_with_its_season() -> None:
    assert hl7time.format_ts(datetime(2026, 1, 15, 9, 30, tzinfo=UTC)) == "20260115103000+0100"
    assert hl7time.format_ts(datetime(2026, 7, 15, 8, 30, tzinfo=UTC)) == "20260715103000+0200"


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001
def test_round_trip(naive: datetime) -> None:
    instant = naive.replace(microsecond=0, tzinfo=timezone(timedelta(hours=-4)))
    assert hl7time.parse_ts(hl7time.format_ts(instant, None)).value == instant


def test_without_offset_the_local_zone_is_assumed() -> None:
    assert hl7time.parse_ts("202607151030").value == datetime(2026, 7, 15, 10, 30, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("text", "good"),
    [("1.2.250", True), ("2.25.0", True), ("1.02", False), ("3.1", False), ("1", False), ("1." * 40 + "1", False)],
)
def test_oid_syntax(text: str, good: bool) -> None:
    assert ids.is_oid(text) is good


def test_random_oids_are_distinct_and_short_enough() -> None:
    root = "1.2.250.1.71.4.2.2.1750803447.99"
    drawn = {ids.RandomIds().oid(root) for _ in range(1000)}
    assert len(drawn) == 1000
    assert all(ids.is_oid(o) and o.startswith(root) for o in drawn)


def test_too_long_a_root_is_refused() -> None:
    with pytest.raises(ValueError, match="OID root"):
        ids.RandomIds().oid("1." + "9" * 60)


def test_seeded_ids_repeat() -> None:
    a, b = ids.SeededIds(7), ids.SeededIds(7)
    assert [a.uuid(), a.oid("1.2")] == [b.uuid(), b.oid("1.2")]
    assert a.uuid().version == 4


def test_texts_of_random_uuids_are_distinct_and_of_version_4() -> None:
    drawn = list(itertools.islice(ids.uuid_texts(ids.RandomIds()), 2000))
    assert len(set(drawn)) == 2000
    for text in drawn:
        read = uuid.UUID(text)
        assert (str(read), read.version, read.variant) == (text, 4, uuid.RFC_4122)
    ones = [sum(uuid.UUID(text).int >> bit & 1 for text in drawn) for bit in range(128)]
    fixed = {bit: count for bit, count in enumerate(ones) if not 800 < count < 1200}
    assert fixed == {62: 0, 63: 2000, 76: 0, 77: 0, 78: 2000, 79: 0}  # variant 10, version 0100; all else is random


def test_texts_of_uuids_come_from_the_factory_that_was_given() -> None:
    expected = ids.SeededIds(7)
    drawn = ids.uuid_texts(ids.SeededIds(7))
    assert [next(drawn) for _ in range(3)] == [str(expected.uuid()) for _ in range(3)]

    class Marked(ids.RandomIds):
        def uuid(self) -> uuid.UUID:
            return uuid.UUID(int=7)

    assert next(ids.uuid_texts(Marked())) == str(uuid.UUID(int=7))


def test_a_fixed_clock_moves_when_told() -> None:
    clock = FixedClock(datetime(2026, 1, 1, 1, tzinfo=PARIS))
    assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
    clock.advance(timedelta(minutes=1))
    assert clock.now().minute == 1


@pytest.mark.parametrize(
    ("text", "folded"),
    [("D’ÆION", "D'AEION"), ("CŒUR", "COEUR"), ("Łódź", "Lodz"), ("à\u00a0la — sortie", "a la - sortie"), ("日本", "")],
)
def test_folding(text: str, folded: str) -> None:
    assert fold_ascii(text) == folded


def test_strip_accents_keeps_other_scripts() -> None:
    assert strip_accents("é日") == "e日"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("patient 279035121518989 refused", "patient ***89 refused"),
        ("297022A02077878@patient.mssante.fr", "***78@patient.mssante.fr"),
        ("oid 1.2.250.1.213.1.4.10 kept", "oid 1.2.250.1.213.1.4.10 kept"),
        ("uid 2.25.279035121518989 kept", "uid 2.25.279035121518989 kept"),
    ],
)
def test_matricules_are_masked_and_oids_are_not(text: str, masked: str) -> None:
    assert mask_matricules(text) == masked


def test_the_logging_filter_masks_arguments(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("test.redaction")
    caplog.handler.addFilter(MatriculeFilter())
    logger.warning("sent to %s", "279035121518989")
    assert caplog.messages == ["sent to ***89"]
