"""One rule, one test: what makes a stay or a document count, or not, and under which cause."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sunes_sdk._core.clock import PARIS, FixedClock
from sunes_sdk.errors import ModelError
from sunes_sdk.model import Event, Identifier, IdentityStatus
from sunes_sdk.settings import Environment
from sunes_sdk.usage import IndicatorResult, Ledger, Period, evaluate, evaluate_all, load_profile, read_profile

PERIOD = Period(date(2024, 1, 1), date(2024, 12, 31))
NOW = datetime(2025, 2, 1, tzinfo=UTC)
LDL = "11490-0"


def at(month: int, day: int, hour: int = 10, minute: int = 0, year: int = 2024, fold: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=PARIS, fold=fold)


def visit(number: str, root: str = "1.2.3") -> Identifier:
    return Identifier(value=number, root=root)


_EVENTS = iter(range(10**9))


def ev(kind: str, when: datetime, **fields: Any) -> Event:
    return Event(event_id=f"x{next(_EVENTS)}", type=kind, occurred_at=when, **fields)  # type: ignore[arg-type]  # kind and fields of each case


def stay(number: str = "1", out: datetime | None = None, **fields: Any) -> list[Event]:
    out = out or at(6, 10)
    values: dict[str, Any] = {"stay": visit(number), "stay_class": "I", "activity": "MCO", "unit": "U1", **fields}
    values = {"admitted_at": out - timedelta(days=3), "discharged_at": out, **values}
    return [ev("STAY_CLOSED", out, **values)]


def doc(number: str = "1", when: datetime | None = None, *, of: str | None = "1", **fields: Any) -> Event:
    values: dict[str, Any] = {
        "type_code": LDL,
        "ins_status": IdentityStatus.QUALIFIEE,
        "document_id": f"1.9.{number}",
        "chain_id": f"1.8.{number}",
        "stay": visit(of) if of else None,
    }
    return ev("DOC_PRODUCED", when or at(6, 10), **{**values, **fields})


def sent(kind: str, when: datetime | None = None, number: str = "1", **fields: Any) -> Event:
    values: dict[str, Any] = {"chain_id": f"1.8.{number}", "attempt": 1, **fields}
    channel = values.pop("channel", "DMP" if kind.startswith("DMP") else "MSS_PRO")
    return ev(kind, when or at(6, 11), document_id=f"1.9.{number}", channel=channel, **values)


def count(events: list[Event], name: str = "sunes.v1.d1", /, **changes: Any) -> IndicatorResult:
    content = load_profile(name).model_dump(mode="json", exclude_unset=True)
    options: dict[str, Any] = {key: changes.pop(key) for key in ("finess", "environment", "period") if key in changes}
    for place, value in changes.items():
        *parents, last = place.split("__")
        target = content
        for parent in parents:
            target = target[parent]
        target[last] = value
    with Ledger.open("sqlite://", b"s" * 32, clock=FixedClock(NOW)) as ledger:
        ledger.record(events)
        return evaluate(
            ledger, read_profile(json.dumps(content)),
            **{"period": PERIOD, "environment": Environment.PRODUCTION, "as_of": NOW, **options},
        )  # fmt: skip


def only_stage(result: IndicatorResult) -> str:
    """The cause of the only unit, or DONE."""
    assert result.den == 1
    return result.blockers[0].stage.name if result.blockers else "DONE"


# -- outcomes of a delivery


@pytest.mark.parametrize(
    ("events", "stage"),
    [
        ([], "NOT_SUBMITTED"),
        ([sent("DMP_SUBMITTED")], "PENDING"),
        ([sent("DMP_REJECTED", reason_class="IDENTITY")], "REJECTED_DATA"),
        ([sent("DMP_REJECTED", reason_class="AUTH")], "REJECTED_AUTH"),
        ([sent("DMP_REJECTED", reason_class="TRANSIENT")], "REJECTED_TECHNICAL"),
        ([sent("DMP_REJECTED")], "REJECTED_TECHNICAL"),
        ([sent("DMP_REJECTED", reason_class="DUPLICATE")], "UNKNOWN"),
        ([sent("DMP_UNKNOWN")], "UNKNOWN"),
        ([sent("DMP_UNKNOWN"), sent("DMP_RECONCILED", at(6, 12), outcome="ACCEPTED")], "DONE"),
        ([sent("DMP_UNKNOWN"), sent("DMP_RECONCILED", at(6, 12), outcome="ABSENT")], "NOT_SUBMITTED"),
        ([sent("DMP_UNKNOWN"), sent("DMP_RECONCILED", at(6, 12), outcome="UNKNOWN")], "UNKNOWN"),
        ([sent("DMP_UNKNOWN"), sent("DMP_SUBMITTED", at(6, 12), attempt=2)], "UNKNOWN"),
        ([sent("DMP_UNKNOWN"), sent("DMP_REJECTED", at(6, 12), attempt=2, reason_class="METADATA")], "UNKNOWN"),
        ([sent("DMP_UNKNOWN"), sent("DMP_REJECTED", at(6, 12), reason_class="METADATA")], "REJECTED_DATA"),
        # a success is not undone by the refusal of an older attempt, however late it comes
        ([sent("DMP_ACCEPTED", attempt=2), sent("DMP_REJECTED", at(6, 20), reason_class="AUTH")], "DONE"),
        ([sent("DMP_ACCEPTED"), sent("DMP_WITHDRAWN", at(6, 12))], "WITHDRAWN"),
        ([sent("DMP_ACCEPTED"), sent("DOC_WITHDRAWN", at(6, 12), channel="NONE")], "WITHDRAWN"),
        ([sent("DOC_WITHDRAWN", at(6, 12), channel="NONE")], "WITHDRAWN"),
        ([sent("DMP_ACCEPTED"), sent("DMP_WITHDRAWN", at(6, 12)), sent("DMP_ACCEPTED", at(6, 13), attempt=2)], "DONE"),
        # the clock of another machine: accepted before it was produced
        ([sent("DMP_ACCEPTED", at(6, 9))], "DONE"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_outcome_at_the_dmp(events: list[Event], stage: str) -> None:
    result = count([*stay(), doc(), *events])
    assert only_stage(result) == stage
    assert (result.num, result.num_high) == (stage == "DONE", stage in ("DONE", "UNKNOWN"))


def test_withdrawing_a_replaced_version_changes_nothing() -> None:
    second = {"number": "2", "chain_id": "1.8.1"}
    events = [
        *stay(),
        doc(),
        sent("DMP_ACCEPTED"),
        doc(when=at(6, 12), **second),
        sent("DMP_ACCEPTED", at(6, 12), **second),
    ]
    assert only_stage(count([*events, sent("DMP_WITHDRAWN", at(6, 13))])) == "DONE"
    assert only_stage(count([*events, sent("DMP_WITHDRAWN", at(6, 13), **second)])) == "WITHDRAWN"
    kept = count([*events, sent("DMP_WITHDRAWN", at(6, 13), **second)], numerator__chain_deleted="COUNT")
    assert only_stage(kept) == "DONE"


def test_what_the_peer_withdrew_it_had() -> None:
    """A version of unknown outcome that was then withdrawn had arrived, and had replaced the first one."""
    second = {"number": "2", "chain_id": "1.8.1"}
    events = [*stay(), doc(), sent("DMP_ACCEPTED"), sent("DMP_UNKNOWN", at(6, 12), **second)]
    assert only_stage(count(events)) == "DONE"
    assert only_stage(count([*events, sent("DMP_WITHDRAWN", at(6, 13), **second)])) == "WITHDRAWN"


def test_a_refused_replacement_leaves_the_first_version() -> None:
    events = [*stay(), doc(), sent("DMP_ACCEPTED"), sent("DMP_REJECTED", at(6, 12), "2", chain_id="1.8.1")]
    assert only_stage(count(events)) == "DONE"


@pytest.mark.parametrize("success", ["MSS_SUBMITTED", "MSS_RELAYED", "MSS_DELIVERED", "MSS_READ"])
def test_the_ladder_of_mss(success: str) -> None:
    ladder = ["MSS_SUBMITTED", "MSS_RELAYED", "MSS_DELIVERED", "MSS_READ"]
    for height, last in enumerate(ladder):
        steps = [sent(kind, at(6, 11, minute=n)) for n, kind in enumerate(ladder[: height + 1])]
        result = count([*stay(), doc(), *steps], "sunes.v2.pro", numerator__success=success)
        assert only_stage(result) == ("DONE" if height >= ladder.index(success) else "PENDING"), last


def test_a_bounce_undoes_a_relay_and_a_new_attempt_makes_it_again() -> None:
    events = [*stay(), doc(), sent("MSS_RELAYED"), sent("MSS_BOUNCED", at(6, 12), attempt=0)]
    assert only_stage(count(events, "sunes.v2.pro")) == "REJECTED_DATA"
    again = [*events, sent("MSS_RELAYED", at(6, 13), attempt=2)]
    assert only_stage(count(again, "sunes.v2.pro")) == "DONE"


def test_no_notice_of_reading_is_no_failure() -> None:
    assert only_stage(count([*stay(), doc(), sent("MSS_RELAYED")], "sunes.v2.pro")) == "DONE"


def test_one_recipient_of_several_is_enough() -> None:
    events = [sent("MSS_REJECTED", delivery="a", reason_class="ADDRESS"), sent("MSS_RELAYED", delivery="b")]
    assert only_stage(count([*stay(), doc(), *events], "sunes.v2.pro")) == "DONE"


def test_channels_do_not_mix() -> None:
    events = [*stay(), doc(), sent("MSS_RELAYED", channel="MSS_PATIENT"), sent("MSS_UNKNOWN", channel="NONE")]
    assert only_stage(count(events, "sunes.v2.citoyen")) == "DONE"
    assert only_stage(count(events, "sunes.v2.pro")) == "NOT_SUBMITTED"
    assert only_stage(count(events)) == "NOT_SUBMITTED"
    assert count(events).notices == {"MSS_WITHOUT_CHANNEL": 1}


# -- gates


@pytest.mark.parametrize("status", [IdentityStatus.PROVISOIRE, IdentityStatus.VALIDEE, IdentityStatus.RECUPEREE])
def test_only_a_qualified_identity_passes(status: IdentityStatus) -> None:
    events = [*stay(), doc(ins_status=status), sent("DMP_REJECTED", reason_class="AUTH")]
    assert only_stage(count(events)) == "INS_NOT_QUALIFIED"
    assert only_stage(count(events[:2], "sunes.v2.pro")) == "NOT_SUBMITTED"


def test_the_status_is_that_of_the_production() -> None:
    before = doc(ins_status=IdentityStatus.RECUPEREE)
    later = ev("IDENTITY_STATUS_CHANGED", at(6, 12), stay=visit("1"), ins_status=IdentityStatus.QUALIFIEE)
    result = count([*stay(), before, later, doc("2"), doc("3", ins_status=None)], "sunes.v3.ins")
    assert (result.num, result.num_high, result.den) == (1, 2, 3)
    assert {b.stage.name: b.count for b in result.blockers} == {"INS_NOT_QUALIFIED": 1, "UNKNOWN": 1}


@pytest.mark.parametrize(
    ("outcome", "dmp", "patient", "pro"),
    [
        ("OPPOSITION", "OPPOSITION", "OPPOSITION", "NOT_SUBMITTED"),
        ("CONNEXION_SECRETE", "OPPOSITION", "OPPOSITION", "NOT_SUBMITTED"),
        ("DESTDMP_N", "DESTDMP_N", "NOT_SUBMITTED", "NOT_SUBMITTED"),
        ("NO_DMP", "NO_DMP", "NO_DMP", "NOT_SUBMITTED"),
        ("ELIGIBLE", "NOT_SUBMITTED", "NOT_SUBMITTED", "NOT_SUBMITTED"),
    ],
)
@pytest.mark.parametrize("on", ["stay", "document"])
def test_a_decision_is_a_cause_on_its_channels(outcome: str, dmp: str, patient: str, pro: str, on: str) -> None:
    place = {"stay": visit("1")} if on == "stay" else {"document_id": "1.9.1", "chain_id": "1.8.1"}
    events = [*stay(), doc(), ev("ELIGIBILITY_DECIDED", at(6, 11), outcome=outcome, **place)]
    found = [only_stage(count(events, f"sunes.{name}")) for name in ("v1.d1", "v2.citoyen", "v2.pro")]
    assert found == [dmp, patient, pro]


def test_an_opposition_is_the_cause_even_when_nothing_is_produced() -> None:
    decided = ev("ELIGIBILITY_DECIDED", at(6, 11), stay=visit("1"), outcome="OPPOSITION")
    assert only_stage(count([*stay(), decided])) == "OPPOSITION"
    taken_back = ev("ELIGIBILITY_DECIDED", at(6, 12), stay=visit("1"), outcome="ELIGIBLE")
    assert only_stage(count([*stay(), decided, taken_back])) == "NOT_PRODUCED"


def test_validation_counts_when_the_profile_wants_it() -> None:
    events = [*stay(), doc()]
    assert only_stage(count(events, numerator__requires_validation=True)) == "NOT_VALIDATED"
    validated = ev("DOC_VALIDATED", at(6, 11), document_id="1.9.1", chain_id="1.8.1")
    assert only_stage(count([*events, validated], numerator__requires_validation=True)) == "NOT_SUBMITTED"


def test_the_document_that_came_furthest_speaks_for_the_stay() -> None:
    events = [
        *stay(),
        doc("1"),
        doc("2"),
        sent("DMP_SUBMITTED", number="2"),
        doc("3", ins_status=IdentityStatus.VALIDEE),
    ]
    assert only_stage(count(events)) == "PENDING"


def test_all_of_is_as_far_as_its_last_type() -> None:
    both = {"all_of": [LDL, "34874-8"]}
    events = [*stay(), doc(), sent("DMP_ACCEPTED")]
    assert only_stage(count(events, numerator__document_types=both)) == "NOT_PRODUCED"
    events += [doc("2", type_code="34874-8"), sent("DMP_SUBMITTED", number="2")]
    assert only_stage(count(events, numerator__document_types=both)) == "PENDING"
    events += [sent("DMP_ACCEPTED", at(6, 12), number="2")]
    assert only_stage(count(events, numerator__document_types=both)) == "DONE"


# -- population


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"stay_class": "R"}, "SEANCE"),
        ({"stay_class": "O"}, "CLASS"),
        ({"stay_class": "E"}, "CLASS"),
        ({"activity": "ESMS"}, "ACTIVITY"),
        ({"test_identity": True}, "TEST_IDENTITY"),
    ],
)
def test_what_is_left_out_is_counted(fields: dict[str, Any], reason: str) -> None:
    result = count([*stay(**fields), *stay("2")])
    assert (result.den, result.excluded) == (1, {reason: 1})


def test_missing_data_never_raise_the_rate() -> None:
    result = count([*stay(stay_class=None, activity=None), *stay("2", activity="SSR")])
    assert result.den == 2
    assert result.notices == {"STAY_WITHOUT_ACTIVITY": 1, "STAY_WITHOUT_CLASS": 1}


def test_length_of_stay() -> None:
    assert count(stay(), population__min_hours=72).den == 1
    assert count(stay(), population__min_hours=73).excluded == {"DURATION": 1}
    assert count(stay(), population__max_hours=71).excluded == {"DURATION": 1}


def test_a_decision_may_leave_a_stay_out() -> None:
    secret = ev("ELIGIBILITY_DECIDED", at(6, 11), stay=visit("1"), outcome="SECRET")
    assert count([*stay(), secret]).excluded == {"SECRET": 1}
    no_dmp = ev("ELIGIBILITY_DECIDED", at(6, 11), stay=visit("1"), outcome="NO_DMP")
    assert count([*stay(), no_dmp], population__no_dmp="EXCLUDE").excluded == {"NO_DMP": 1}


def test_a_prescription_is_of_the_discharge_by_its_time() -> None:
    def rx(when: datetime) -> int:
        return count([*stay(), doc(when=when, type_code="57833-6"), sent("DMP_ACCEPTED")]).num

    out = at(6, 10)
    assert rx(out) == rx(out - timedelta(hours=48)) == rx(out + timedelta(days=30)) == 1
    assert rx(out - timedelta(hours=49)) == rx(out + timedelta(days=31)) == 0


def test_days_are_those_of_paris() -> None:
    march = {"period": Period(date(2024, 3, 1), date(2024, 3, 31))}
    assert count(stay(out=datetime(2024, 3, 31, 21, 59, tzinfo=UTC)), **march).den == 1
    assert count(stay(out=datetime(2024, 3, 31, 22, 0, tzinfo=UTC)), **march).den == 0
    assert count(stay(out=datetime(2024, 2, 29, 23, 0, tzinfo=UTC)), **march).den == 1
    assert count(stay(out=datetime(2024, 2, 29, 22, 59, tzinfo=UTC)), **march).den == 0


def test_both_hours_of_the_october_night_are_of_their_day() -> None:
    night = {"period": Period(date(2024, 10, 27), date(2024, 10, 27))}
    events = [*stay("1", at(10, 27, 2, 30)), *stay("2", at(10, 27, 2, 30, fold=1)), *stay("3", at(10, 28, 0, 0))]
    assert count(events, **night).den == 2


def test_a_stay_over_new_year_is_of_its_discharge_or_of_its_admission() -> None:
    over = stay(out=at(1, 2), admitted_at=at(12, 30, year=2023))
    year = Period(date(2023, 1, 1), date(2023, 12, 31))
    assert (count(over).den, count(over, period=year).den) == (1, 0)
    by_admission = {"period__attribution": "stay.admitted_at"}
    assert (count(over, **by_admission).den, count(over, period=year, **by_admission).den) == (0, 1)


def test_an_open_stay_is_not_in_the_denominator() -> None:
    opened = ev("STAY_OPENED", at(6, 1), stay=visit("1"), stay_class="I", activity="PSY", admitted_at=at(6, 1))
    assert count([opened]).den == 0
    reopened = ev("STAY_UPDATED", at(6, 12), stay=visit("2"), outcome="DISCHARGE_CANCELLED")
    assert count([*stay("2"), reopened]).den == 0


def test_a_readmission_the_same_day_is_two_stays() -> None:
    assert count([*stay("1", at(6, 10, 9)), *stay("2", at(6, 10, 20))]).den == 2


def test_two_establishments_with_one_visit_number_are_two_stays() -> None:
    other = stay("1", stay=visit("1", "1.2.4"))
    result = count([*stay("1"), *other, doc(), sent("DMP_ACCEPTED")])
    assert (result.num, result.den) == (1, 2)


def test_merged_stays_are_one() -> None:
    merge = ev("STAY_MERGED", at(6, 12), stay=visit("1"), merged_stay=visit("2"))
    events = [*stay("1"), *stay("2", at(6, 9), unit="OLD"), merge]
    letters = [doc("1"), doc("2", of="2"), sent("DMP_ACCEPTED"), sent("DMP_ACCEPTED", number="2")]
    result = count([*events, *letters])
    assert (result.num, result.den) == (1, 1)
    assert [(u.unit, u.den) for u in result.by_unit] == [("U1", 1)]
    assert count([*events, letters[1], letters[3]]).num == 1


def test_a_merged_stay_only_fills_the_gaps_of_the_one_that_goes_on() -> None:
    merge = ev("STAY_MERGED", at(6, 12), stay=visit("1"), merged_stay=visit("2"))
    events = [*stay("1", unit="KEPT", activity=None), *stay("2", at(6, 11), unit="MERGED", activity="HAD"), merge]
    result = count(events, population__activities=["HAD"], period=Period(date(2024, 6, 10), date(2024, 6, 10)))
    assert [(u.unit, u.den) for u in result.by_unit] == [("KEPT", 1)]
    assert result.notices == {}


def test_of_two_facts_of_one_instant_the_order_of_recording_does_not_choose() -> None:
    moves = [ev("STAY_UPDATED", at(6, 12), stay=visit("1"), unit=f"U{n}") for n in range(8)]
    found = {count([*stay(), *order]).by_unit[0].unit for order in (moves, moves[::-1], moves[3:] + moves[:3])}
    assert len(found) == 1


def test_stays_merged_in_a_circle_are_one() -> None:
    circle = [
        ev("STAY_MERGED", at(6, 12), stay=visit(a), merged_stay=visit(b))
        for a, b in (("1", "2"), ("2", "3"), ("3", "1"))
    ]
    assert count([*stay("1"), *stay("2"), *stay("3"), *circle]).den == 1


def test_a_cancelled_admission_opened_again_counts() -> None:
    cancelled = ev("STAY_CANCELLED", at(6, 11), stay=visit("1"))
    assert count([*stay(), cancelled]).excluded == {"CANCELLED": 1}
    again = ev("STAY_OPENED", at(6, 12), stay=visit("1"))
    assert count([*stay(), cancelled, again]).den == 1


def test_a_unit_renamed_midway_is_the_last_one() -> None:
    moved = ev("STAY_UPDATED", at(6, 9), stay=visit("1"), unit="OLD")
    assert [u.unit for u in count([moved, *stay()]).by_unit] == ["U1"]


def test_one_establishment_of_several() -> None:
    events = [*stay("1", finess_ej="690000001", finess_geo="690000011"), *stay("2", finess_ej="690000002"), *stay("3")]
    result = count(events, finess="690000001")
    assert (result.den, result.excluded) == (1, {"FINESS_UNKNOWN": 1})
    by_site = count(events, finess="690000011", perimeter__by="finess_geographique")
    assert (by_site.den, by_site.excluded) == (1, {"FINESS_UNKNOWN": 2})


# -- documents as units


def test_reports_count_once_in_the_period_of_their_first_version() -> None:
    bio = {"type_code": "11502-2", "of": None}
    events = [
        doc("1", **bio),
        doc("2", at(6, 12), chain_id="1.8.1", **bio),
        sent("DMP_ACCEPTED", number="2", chain_id="1.8.1"),
    ]
    result = count(events, "sunes.v1.d2")
    assert (result.num, result.den) == (1, 1)
    assert count(events, "sunes.v1.d2", period=Period(date(2024, 6, 11), date(2024, 6, 30))).den == 0
    assert count(events, "sunes.v1.d3").den == 0


def test_exit_documents_to_professionals_join_an_inpatient_stay() -> None:
    events = [
        *stay("1"), *stay("2", stay_class="O"), doc("1"), doc("2", of="2"), doc("3", of=None),
        doc("4", at(6, 1), type_code="57833-6"), sent("MSS_RELAYED"),
    ]  # fmt: skip
    result = count(events, "sunes.v2.pro")
    assert (result.num, result.den) == (1, 1)
    assert result.excluded == {"CLASS": 1, "NO_STAY": 1, "NOT_EXIT": 1}
    assert result.orphans == 1


def test_documents_of_test_people_count_under_fake_only() -> None:
    events = [doc("1", of=None, type_code="11502-2", test_identity=True), sent("DMP_ACCEPTED")]
    assert count(events, "sunes.v1.d2").excluded == {"TEST_IDENTITY": 1}
    assert count(events, "sunes.v1.d2", environment=Environment.INTEGRATION).den == 0
    fake = count(events, "sunes.v1.d2", environment=Environment.FAKE)
    assert (fake.num, fake.den, fake.test_identities) == (1, 1, 1)


def test_events_that_say_too_little_are_reported() -> None:
    events = [
        ev("DMP_ACCEPTED", at(6, 11)), ev("STAY_CLOSED", at(6, 11), discharged_at=at(6, 11)),
        sent("DMP_ACCEPTED", number="9", type_code="11502-2"),
    ]  # fmt: skip
    notices = count(events, "sunes.v1.d2").notices
    assert notices == {"DOCUMENT_WITHOUT_ID": 1, "SENT_WITHOUT_PRODUCTION": 1, "STAY_WITHOUT_NUMBER": 1}


def test_an_event_without_chain_finds_it_by_its_document() -> None:
    accepted = ev("DMP_ACCEPTED", at(6, 11), document_id="1.9.1")
    assert only_stage(count([accepted, *stay(), doc()])) == "DONE"


def test_reconciled_after_the_end_counts_when_it_was_sent() -> None:
    unknown = sent("DMP_UNKNOWN", at(12, 31, 23))
    reconciled = sent("DMP_RECONCILED", at(1, 2, year=2025), outcome="ACCEPTED")
    events = [*stay(out=at(12, 31)), doc(when=at(12, 31)), unknown]
    assert only_stage(count(events)) == "UNKNOWN"
    assert only_stage(count([*events, reconciled])) == "DONE"
    late = sent("DMP_UNKNOWN", at(1, 1, year=2025))
    assert only_stage(count([*events[:2], late])) == "PENDING"


def test_one_reading_serves_all_profiles() -> None:
    with Ledger.open("sqlite://", b"s" * 32, clock=FixedClock(NOW)) as ledger:
        ledger.record([*stay(), doc(), sent("DMP_ACCEPTED")])
        profiles = [load_profile("sunes.v1.d1"), load_profile("sunes.v3.ins")]
        both = evaluate_all(ledger, profiles, period=PERIOD, environment=Environment.PRODUCTION, as_of=NOW)
        assert [(r.num, r.den) for r in both] == [(1, 1), (1, 1)]
        with pytest.raises(ModelError) as raised:
            evaluate_all(ledger, profiles, period=PERIOD, environment=Environment.FAKE, as_of=datetime(2025, 1, 1))  # noqa: DTZ001
    assert raised.value.code == "NAIVE_TIME"


def test_a_period_ends_after_it_starts() -> None:
    with pytest.raises(ModelError) as raised:
        Period(date(2024, 2, 1), date(2024, 1, 31))
    assert raised.value.code == "PERIOD_ORDER"
