"""The golden dataset of the usage digest: fifteen stays told as events, and the exact numbers they give."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from sunes_sdk._core.clock import PARIS, FixedClock
from sunes_sdk.model import Event, Identifier, IdentityStatus
from sunes_sdk.settings import Environment
from sunes_sdk.usage import IndicatorResult, Ledger, Period, Stage, Status, evaluate, load_profile, read_profile

PERIOD = Period(date(2024, 2, 1), date(2024, 3, 31))
NOW = datetime(2024, 5, 1, tzinfo=UTC)
VISITS = "1.2.250.1.213.9.1.2"
LDL, RX, CRO = "11490-0", "57833-6", "34874-8"


def paris(month: int, day: int, hour: int = 10, minute: int = 0) -> datetime:
    return datetime(2024, month, day, hour, minute, tzinfo=PARIS)


class Story:
    """Writes the events of one stay."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: list[Event] = []

    def add(self, kind: str, at: datetime, **fields: Any) -> Story:
        self.events.append(
            Event(event_id=f"{self.name}-{len(self.events)}", type=kind, occurred_at=at, **fields)  # type: ignore[arg-type]  # kind and fields of each case
        )
        return self

    @property
    def stay_id(self) -> Identifier:
        return Identifier(value=f"2400{self.name}", root=VISITS)

    def stay(self, discharged: datetime, **fields: Any) -> Story:
        common = {"stay": self.stay_id, "stay_class": "I", "activity": "MCO", "unit": "2101", **fields}
        admitted = discharged - timedelta(days=4)
        self.add("STAY_OPENED", admitted, admitted_at=admitted, **common)
        return self.add("STAY_CLOSED", discharged, admitted_at=admitted, discharged_at=discharged, **common)

    def document(self, at: datetime, version: int = 1, *, code: str = LDL, joined: bool = True, **fields: Any) -> Story:
        fields = {"ins_status": IdentityStatus.QUALIFIEE, **fields}
        return self.add(
            "DOC_PRODUCED", at, document_id=f"1.2.{self.name}.{version}", chain_id=f"1.3.{self.name}", type_code=code,
            stay=self.stay_id if joined else None, **fields,
        )  # fmt: skip

    def dmp(self, kind: str, at: datetime, version: int = 1, attempt: int = 1, **fields: Any) -> Story:
        return self.add(
            f"DMP_{kind}", at, document_id=f"1.2.{self.name}.{version}", chain_id=f"1.3.{self.name}", channel="DMP",
            delivery=f"dmp|{self.name}|{version}", attempt=attempt, **fields,
        )  # fmt: skip


def golden() -> list[Event]:
    out = paris(3, 10)
    sent = paris(3, 11)
    later = paris(3, 12)
    stories = [
        Story("1").stay(out).document(out).dmp("SUBMITTED", sent).dmp("ACCEPTED", sent),
        Story("2").stay(out).document(out).dmp("ACCEPTED", sent).document(later, 2).dmp("ACCEPTED", later, 2)
        .add("DOC_REPLACED", later, document_id="1.2.2.1", chain_id="1.3.2"),
        Story("3").stay(out).document(out).dmp("SUBMITTED", sent).dmp("REJECTED", sent, reason_class="METADATA")
        .dmp("SUBMITTED", later, attempt=2).dmp("ACCEPTED", later, attempt=2),
        Story("4").stay(out).document(out).dmp("REJECTED", sent, reason_class="DOCUMENT_INVALID"),
        Story("5").stay(out).document(out, ins_status=IdentityStatus.RECUPEREE),
        Story("6").stay(out).document(out),
        Story("7").stay(paris(3, 31, 23, 30)).document(paris(3, 31, 23, 30)).dmp("ACCEPTED", paris(4, 1, 9)),
        Story("8").stay(paris(4, 1, 0, 10)).document(paris(4, 1, 0, 10)).dmp("ACCEPTED", paris(4, 1, 9)),
        Story("9").stay(out).document(out).dmp("ACCEPTED", sent).dmp("WITHDRAWN", paris(3, 20)),
        Story("10").stay(out),
        Story("11").stay(out).document(out).dmp("SUBMITTED", sent).dmp("UNKNOWN", sent),
        Story("12").stay(out).document(out).dmp("ACCEPTED", sent),
        Story("13").stay(out).document(out, code=RX).dmp("ACCEPTED", sent),
        Story("14").stay(out).document(out, test_identity=True).dmp("ACCEPTED", sent),
        Story("15").stay(out).document(out, joined=False).dmp("ACCEPTED", sent),
    ]  # fmt: skip
    by_name = {s.name: s for s in stories}
    by_name["6"].add("ELIGIBILITY_DECIDED", sent, stay=by_name["6"].stay_id, outcome="OPPOSITION")
    by_name["12"].add("STAY_CANCELLED", later, stay=by_name["12"].stay_id)
    return [event for story in stories for event in story.events]


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    with Ledger.open("sqlite://", b"s" * 32, clock=FixedClock(NOW)) as opened:
        opened.record(golden())
        yield opened


def profile(**changes: Any) -> Any:
    """`sunes.v1.d1` as the digest's dataset wants it: the LDL alone, one day of grace. `a.b=` changes a field."""
    content = load_profile("sunes.v1.d1").model_dump(mode="json", exclude_unset=True)
    wanted = {"numerator.document_types": {"any_of": [LDL]}, "period.grace_days": 1, **changes}
    for place, value in wanted.items():
        target = content
        *parents, last = place.split(".")
        for parent in parents:
            target = target[parent]
        target[last] = value
    return read_profile(json.dumps(content))


def count(ledger: Ledger, environment: Environment = Environment.PRODUCTION, **changes: Any) -> IndicatorResult:
    return evaluate(ledger, profile(**changes), period=PERIOD, environment=environment, clock=FixedClock(NOW))


def stages(result: IndicatorResult) -> dict[str, int]:
    return {b.stage.name: b.count for b in result.blockers}


def test_the_dataset_holds_eleven_accepted_documents() -> None:
    """What a naive count of successes would say."""
    assert sum(e.type == "DMP_ACCEPTED" for e in golden()) == 11


def test_base(ledger: Ledger) -> None:
    result = count(ledger)
    assert (result.den, result.num, result.num_high) == (12, 4, 5)
    assert (result.rate, result.rate_high) == (Fraction(1, 3), Fraction(5, 12))
    assert (result.rate_fr, result.rate_high_fr) == ("33,3\u202f%", "41,6\u202f%")
    assert stages(result) == {
        "REJECTED_DATA": 1, "INS_NOT_QUALIFIED": 1, "OPPOSITION": 1, "WITHDRAWN": 1, "NOT_PRODUCED": 3, "UNKNOWN": 1,
    }  # fmt: skip
    assert sum(b.count for b in result.blockers) == result.den - result.num
    assert result.excluded == {"CANCELLED": 1, "TEST_IDENTITY": 1}
    assert result.orphans == 1
    assert result.notices == {"SUCCESS_ON_CANCELLED_STAY": 1}
    assert result.opposed == 1
    assert result.test_identities == 0
    assert result.status is Status.NON_EVALUABLE


def test_opposition_excluded(ledger: Ledger) -> None:
    result = count(ledger, **{"population.opposition": "EXCLUDE"})
    assert (result.num, result.den, result.rate_fr) == (4, 11, "36,3\u202f%")
    assert result.excluded["OPPOSITION"] == 1


def test_any_of_three_types(ledger: Ledger) -> None:
    result = count(ledger, **{"numerator.document_types": {"any_of": [LDL, RX, CRO]}})
    assert (result.num, result.den, result.rate_fr) == (5, 12, "41,6\u202f%")


def test_without_grace(ledger: Ledger) -> None:
    result = count(ledger, **{"period.grace_days": 0})
    assert (result.num, result.den, result.rate_fr) == (3, 12, "25,0\u202f%")
    assert stages(result)["LATE"] == 1


def test_the_fake_environment_counts_test_identities_and_says_so(ledger: Ledger) -> None:
    result = count(ledger, Environment.FAKE)
    assert (result.num, result.den, result.test_identities) == (5, 13, 1)
    assert "TEST_IDENTITY" not in result.excluded
    assert count(ledger, Environment.INTEGRATION).den == 12


def test_all_of_needs_every_type(ledger: Ledger) -> None:
    result = count(ledger, **{"numerator.document_types": {"all_of": [LDL, RX]}})
    assert result.num == 0
    assert sum(b.count for b in result.blockers) == 12
    one = count(ledger, **{"numerator.document_types": {"k_of": [LDL, RX, CRO], "k": 1}})
    assert one.num == 5


@pytest.mark.parametrize(
    ("threshold", "status"),
    [
        ("0.3333", Status.ATTEINTE),
        ({"num": 1, "den": 3}, Status.ATTEINTE),
        ("0.4", Status.EN_COURS),  # the unknown outcome decides
        ({"num": 5, "den": 12}, Status.EN_COURS),
        ("0.417", Status.NON_ATTEINTE),
        ("0.7", Status.NON_ATTEINTE),
    ],
)
def test_status_against_a_known_threshold(ledger: Ledger, threshold: Any, status: Status) -> None:
    assert count(ledger, threshold=threshold, threshold_source="test").status is status


def test_status_before_the_end(ledger: Ledger) -> None:
    with Ledger.open("sqlite://", b"s" * 32, clock=FixedClock(paris(3, 25))) as early:
        early.record(golden())
        wanted = profile(threshold="0.7", threshold_source="test")
        common: dict[str, Any] = {"period": PERIOD, "environment": Environment.PRODUCTION, "as_of": paris(3, 26)}
        assert evaluate(early, wanted, **common).status is Status.EN_COURS
        assert evaluate(early, wanted, expected_remaining=100, **common).status is Status.EN_COURS
        assert evaluate(early, wanted, expected_remaining=2, **common).status is Status.INATTEIGNABLE


def test_exact_thresholds() -> None:
    """7 >= 0.07 * 100 is False in floating point."""
    for percent in (7, 14, 28, 55, 56):
        share = profile(threshold=f"0.{percent:02d}", threshold_source="test").share
        assert percent * share.denominator >= share.numerator * 100


def test_an_earlier_report_can_be_made_again(ledger: Ledger) -> None:
    clock = FixedClock(paris(3, 15))
    with Ledger.open("sqlite://", b"s" * 32, clock=clock) as growing:
        events = golden()
        growing.record(e for e in events if e.occurred_at < paris(3, 11, 12))
        before = evaluate(growing, profile(), period=PERIOD, environment=Environment.PRODUCTION, as_of=paris(3, 16))
        clock.advance(timedelta(days=30))
        growing.record(events)
        again = evaluate(growing, profile(), period=PERIOD, environment=Environment.PRODUCTION, as_of=paris(3, 16))
        now = evaluate(growing, profile(), period=PERIOD, environment=Environment.PRODUCTION, clock=clock)
    assert before == again
    assert (now.den, now.num) == (12, 4)
    assert now.ledger.count > again.ledger.count


def test_nothing_to_count_is_not_evaluable() -> None:
    with Ledger.open("sqlite://", b"s" * 32) as empty:
        result = evaluate(
            empty, profile(threshold="0.7", threshold_source="test"), period=PERIOD, environment=Environment.PRODUCTION
        )
    assert (result.den, result.rate, result.status, result.rate_fr) == (0, None, Status.NON_EVALUABLE, "–")


def test_stage_names_are_those_of_the_waterfall() -> None:
    from sunes_sdk.usage.evaluation import WATERFALL

    assert set(WATERFALL) == set(Stage) - {Stage.DONE}
