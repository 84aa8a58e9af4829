"""Whatever the patient: what is read from a PID is the patient that was written, as PID carries it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from sunes_sdk.errors import Hl7Error
from sunes_sdk.hl7v2 import decode
from sunes_sdk.hl7v2.er7 import build, segment
from sunes_sdk.hl7v2.pid import IdentityChannel, IdentityTrace, carried, read_identity, write_identity
from sunes_sdk.model import (
    Address,
    Identifier,
    Identity,
    IdentityAttribute,
    IdentityStatus,
    Ins,
    InsOid,
    Patient,
    Sex,
    Telecom,
    Traits,
    expected_key,
)
from sunes_sdk.settings import Environment
from sunes_sdk.testing import samples as made

S = IdentityStatus
MSH = segment("MSH", {9: "ADT", 10: "1", 11: "T", 12: "2.5", 18: "UNICODE UTF-8"})
WORDS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cn"), include_characters="|^~\\&\"'"),
    min_size=1, max_size=15,
).filter(lambda w: w != '""')  # fmt: skip
TEXTS = st.lists(WORDS, min_size=1, max_size=3).map(" ".join).filter(lambda t: t != '""')
DATES = st.one_of(
    st.dates().map(str), st.from_regex(r"(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}", fullmatch=True).filter(str.isascii)
)
PLACES = st.from_regex(r"[0-9][0-9AB][0-9]{3}", fullmatch=True).filter(str.isascii)
NUMBERS = st.from_regex(r"[12][0-9]{12}", fullmatch=True).filter(str.isascii).map(lambda n: n + expected_key(n))


@st.composite
def identities(draw: st.DrawFn) -> Identity:
    first = draw(WORDS.filter(lambda w: not set(w) & set("'’-")))
    status = draw(st.sampled_from(S))
    traits = Traits(
        birth_name=draw(TEXTS), birth_given_names=draw(st.just(first) | WORDS.map(lambda w: f"{first} {w}")),
        first_given_name=first, birth_date=draw(DATES), birth_place=draw(PLACES),
        sex=draw(st.sampled_from(Sex if status in (S.PROVISOIRE, S.VALIDEE) else (Sex.FEMALE, Sex.MALE))),
    )  # fmt: skip
    values: dict[str, Any] = {"traits": traits, "status": status}
    if status in (S.RECUPEREE, S.QUALIFIEE):
        values["ins"] = Ins(matricule=draw(NUMBERS), oid=draw(st.sampled_from((InsOid.NIR_TEST, InsOid.NIR_DEMO))))
    marks = [{"HOMA"}, *([{"DOUT"}, {"FICT"}, {"DOUT", "HOMA"}] if status is S.PROVISOIRE else [])]
    values["attributes"] = frozenset(map(IdentityAttribute, draw(st.sampled_from([set(), *marks]))))
    return Identity(**values)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


IDENTIFIERS = st.builds(
    Identifier, value=TEXTS, root=st.sampled_from([made.IPP_ROOT, "1.2.3"]), authority=TEXTS,
    type_code=st.sampled_from(["PI", ""]),
)  # fmt: skip
OTHERS = st.builds(
    Identifier, value=TEXTS, root=st.sampled_from(["1.2.250.1.213.1.4.8", "1.2.3"]), authority=TEXTS,
    type_code=st.just("NH"),
)  # fmt: skip
COUNTRIES = st.from_regex(r"[A-Z]{3}", fullmatch=True).filter(str.isascii)
PHONES = st.from_regex(r"0[1-9][0-9]{8}", fullmatch=True).filter(str.isascii)
TELECOMS = st.one_of(
    PHONES.map(lambda n: f"tel:+33{n[1:]}"), PHONES.map(lambda n: f"fax:+33{n[1:]}"),
    st.from_regex(r"\+4[0-9]{8}", fullmatch=True).filter(str.isascii).map(lambda n: f"tel:{n}"),
    WORDS.map(lambda w: f"mailto:{w}@exemple.fr"),
).map(lambda v: Telecom(value=v))  # fmt: skip
PLAIN = WORDS.map(lambda w: w.replace("^", "x"))
CARRIED_ADDRESSES = st.builds(
    Address, street_name=WORDS, additional_locator=optional(PLAIN), city=optional(WORDS), postal_code=optional(WORDS),
    country=optional(COUNTRIES), use=st.sampled_from([None, "H", "WP", "TMP"]),
)  # fmt: skip
ANY_ADDRESSES = st.one_of(
    st.builds(
        Address, house_number=optional(WORDS), street_name=WORDS, unit=optional(WORDS), post_box=optional(WORDS),
        country=optional(TEXTS), use=st.sampled_from([None, "HP", "HV"]),
    ),
    st.lists(TEXTS, min_size=1, max_size=6).map(lambda lines: Address(lines=tuple(lines))),
)  # fmt: skip


@st.composite
def patients(draw: st.DrawFn, *, fully_carried: bool) -> Patient:
    who = draw(identities())
    kinds = IDENTIFIERS
    addresses = CARRIED_ADDRESSES
    if fully_carried:
        kinds = kinds.map(lambda i: i.model_copy(update={"type_code": "PI"}))
        if who.status is S.RECUPEREE:
            who = Identity(traits=who.traits, attributes=who.attributes)
    else:
        addresses |= ANY_ADDRESSES
    deceased = draw(st.sampled_from([None, False, True]))
    born_together = draw(st.sampled_from([None, False, True]))
    # Paris had seconds in its offset until 1911, which HL7 cannot write.
    instants = st.datetimes(datetime(1920, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
    times = st.dates() | instants.map(lambda t: t.replace(microsecond=0))
    return Patient(
        identity=who,
        identifiers=tuple(draw(st.lists(kinds, min_size=1, max_size=3))),
        used_name=draw(optional(TEXTS)),
        used_given_name=draw(optional(TEXTS)),
        birth_city=draw(optional(TEXTS)),
        birth_country=draw(optional(COUNTRIES if fully_carried else TEXTS)),
        addresses=tuple(draw(st.lists(addresses, max_size=2))),
        telecoms=tuple(draw(st.lists(TELECOMS, max_size=2))),
        deceased=deceased,
        deceased_at=draw(optional(times)) if deceased else None,
        multiple_birth=born_together,
        birth_order=draw(optional(st.integers(1, 9))) if born_together else None,
    )


TRACES = st.builds(
    IdentityTrace, corrected_birth_date=st.sampled_from([None, False]), insi_on=optional(st.dates()),
    channel=optional(st.sampled_from(IdentityChannel)), document=st.sampled_from(["", "CN", "PA"]),
    document_until=optional(st.dates()),
)  # fmt: skip


@given(patients(fully_carried=True), st.lists(OTHERS, max_size=2), TRACES)
def test_what_pid_can_carry_comes_back_whole(patient: Patient, others: list[Identifier], trace: IdentityTrace) -> None:
    assert carried(patient) == patient
    segments = write_identity(patient, environment=Environment.FAKE, others=others, trace=trace)
    message = decode(build([MSH, *filter(None, (segments.pid, segments.zfd))]))
    read = read_identity(message, oids=made.settings().oids, strict=True)
    assert read.patient == patient
    assert (read.others, read.trace) == (tuple(others), trace)


@given(patients(fully_carried=False))
def test_the_rest_is_what_carried_says(patient: Patient) -> None:
    segments = write_identity(patient, environment=Environment.FAKE)
    message = decode(build([MSH, *filter(None, (segments.pid, segments.zfd))]))
    assert [s.name for s in message.segments] == ["MSH", "PID", "ZFD"][: 3 if segments.zfd else 2]
    read = read_identity(message, oids=made.settings().oids, strict=True)
    assert read.patient == carried(patient)
    assert carried(carried(patient)) == carried(patient)
    if not patient.identity.is_qualified and patient.ins:
        assert patient.ins.value not in segments.pid


PIECES = st.sampled_from([
    "", "^", "&", "~", '""', "\\X0A\\", "\\E\\", "L", "D", "BDL", "PI", "INS", "NH", "ISO", "1.2.3", "Y", "N", "F",
    "2026", "20260112", "51215", "279035121518989", "1.2.250.1.213.1.4.10", "VALI", "DOUT", "DUPONT", "ANNE", "é", "٣",
    "\u2028",
])  # fmt: skip
GARBAGE = st.lists(PIECES | st.text("^&~\\AZ09é ", max_size=4), max_size=14).map("".join)


@given(st.dictionaries(st.sampled_from([3, 5, 7, 8, 11, 13, 18, 24, 25, 29, 30, 32]), GARBAGE, max_size=8), GARBAGE)
def test_any_pid_is_read_or_refused_with_a_code(changes: dict[int, str], zfd: str) -> None:
    fields = write_identity(made.patient(), environment=Environment.FAKE).pid.split("|")
    for number, text in changes.items():
        fields[number] = text
    message = decode("\r".join([MSH, "|".join(fields), f"ZFD|{zfd}|||{zfd}|{zfd}|{zfd}|{zfd}|{zfd}"]).encode())
    try:
        read = read_identity(message, oids=made.settings().oids)
    except Hl7Error as refused:
        event(refused.code)
    else:
        assert all(i.root not in {oid.value for oid in InsOid} for i in read.patient.identifiers)
        if read.patient.ins:
            assert ("INS" in fields[3], "VALI" in fields[32]) == (True, True)
