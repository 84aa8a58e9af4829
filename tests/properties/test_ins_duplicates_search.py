"""The search misses no candidate that the comparison finds, in whatever order the records come."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sunes_sdk.ins import DuplicateSearch, LocalRecord, MemoryIndex, compare_records
from sunes_sdk.model import Identity, IdentityAttribute, IdentityStatus, Ins, InsOid, Sex, Traits

S = IdentityStatus
# Few letters and few dates, so that records come close to each other.
NAMES = st.from_regex(r"[AB]{1,3}(-[AB]{1,2})?", fullmatch=True)
NUMBERS = st.builds(
    lambda text, oid: Ins(matricule=text, oid=oid),
    st.sampled_from(["279035121518989", "277076322082910"]), st.sampled_from(InsOid),
)  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> LocalRecord:
    first = draw(NAMES)
    traits = Traits(
        birth_name=draw(NAMES), birth_given_names=draw(st.just(first) | NAMES.map(lambda n: f"{first} {n}")),
        first_given_name=first, birth_date=draw(st.sampled_from(["1979-03-28", "1950-00-00"])),
        sex=draw(st.sampled_from(Sex)), birth_place="51215",
    )  # fmt: skip
    status = draw(st.sampled_from(S))
    values: dict[str, Any] = {"traits": traits, "status": status}
    if status in (S.RECUPEREE, S.QUALIFIEE):
        values["ins"] = draw(NUMBERS)
    if draw(st.booleans()):
        values["attributes"] = frozenset({IdentityAttribute.HOMONYME})
    values["former_ins"] = tuple(n for n in draw(st.lists(NUMBERS, max_size=1)) if n != values.get("ins"))
    record_id = draw(st.text("0123456789", min_size=1, max_size=3))
    return LocalRecord.of(record_id, Identity(**values), used_name=draw(st.none() | NAMES))


@given(st.lists(records(), min_size=2, max_size=5, unique_by=lambda r: r.record_id))
def test_every_candidate_is_found_once(base: list[LocalRecord]) -> None:
    pairs = {
        frozenset((one.record_id, other.record_id)): (found.reason, set(found.clues))
        for number, one in enumerate(base)
        for other in base[:number]
        if (found := compare_records(one, other))
    }
    for order in (base, base[::-1]):
        found = [
            (frozenset((c.record_id, c.other_id)), (c.reason, set(c.clues)))
            for c in DuplicateSearch(MemoryIndex()).scan(order)
        ]
        assert len(found) == len(pairs)
        assert dict(found) == pairs
