"""Whatever the people and the texts: the header read back is the header written, and the native check is content."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.ids import SeededIds
from sunes_sdk._core.xml import parse
from sunes_sdk.cda import DischargeLetter, EntryMode, ExitMode, Issuer, Synthesis, Treatment, check, read_header
from sunes_sdk.model import Address, Identity, IdentityStatus, Sex, Telecom, Traits, expected_key
from sunes_sdk.model import Ins as InsModel
from sunes_sdk.model import InsOid as Oid
from sunes_sdk.testing import samples

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cn")), min_size=1, max_size=20)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn"), include_characters="\n\t<>&'\""), max_size=60)
FILLED = TEXTS.filter(lambda t: bool(t.strip()))


@st.composite
def patients(draw: st.DrawFn) -> object:
    first = draw(WORDS.filter(lambda w: not set(w) & set("'’-")))
    traits = Traits(
        birth_name=draw(WORDS),
        birth_given_names=f"{first} {draw(WORDS)}",
        first_given_name=first,
        birth_date=draw(st.sampled_from(["1979-03-28", "1950-00-00", "1950-07-00", "2000-02-29"])),
        sex=draw(st.sampled_from(Sex)),
        birth_place=draw(st.from_regex(r"[0-9][0-9AB][0-9]{3}", fullmatch=True).filter(str.isascii)),
    )
    number = draw(st.from_regex(r"[12][0-9]{12}", fullmatch=True).filter(str.isascii))
    ins = InsModel(matricule=number + expected_key(number), oid=draw(st.sampled_from(Oid)))  # type: ignore[arg-type]
    qualified = draw(st.booleans())
    status = IdentityStatus.QUALIFIEE if qualified else IdentityStatus.PROVISOIRE
    return samples.patient(
        identity=Identity(traits=traits, status=status, ins=ins if qualified else None),
        used_name=draw(st.none() | WORDS),
        used_given_name=draw(st.none() | WORDS),
        birth_city=draw(st.none() | WORDS),
        addresses=draw(st.sampled_from([(), (Address(lines=("8 rue F. Bastia", "92100 BOULOGNE")),)])),
        telecoms=draw(st.lists(st.builds(lambda w: Telecom(value=f"mailto:{w}"), WORDS), max_size=2)),
    )


@settings(max_examples=60, deadline=None)
@given(
    patient=patients(),
    reason=FILLED,
    summary=FILLED,
    events=st.none() | TEXTS,
    name=WORDS,
    title=st.none() | WORDS,
    written=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    days=st.none() | st.integers(1, 400),
)
def test_a_letter_survives_the_round_trip(
    patient: object,
    reason: str,
    summary: str,
    events: str | None,
    name: str,
    title: str | None,
    written: datetime,
    days: int | None,
) -> None:
    doctor = samples.physician(family=name).at(samples.hospital(name=name))
    stay = samples.stay(admitted_at=written, discharged_at=written + timedelta(days=days) if days else None)
    letter = DischargeLetter(
        patient=patient,
        author=doctor,
        custodian=samples.hospital(),
        stay=stay,
        reason=reason,
        synthesis=Synthesis(
            entry_mode=EntryMode.OTHER,
            exit_mode=ExitMode.NURSING_HOME,
            medical_summary=summary,
            mdro_search=True,
            transfusion=True,
            blood_derivatives=False,
            adverse_events=events,
        ),
        discharge_treatments=(Treatment(name=name, comment=events),),
        title=title,
    )
    issuer = Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(3), clock=FixedClock(written))
    document = letter.render(issuer)
    assert read_header(document.content) == document.header
    assert check(document).ok, str(check(document))
    root = parse(document.content)
    (said,) = [
        o.findtext("{urn:hl7-org:v3}value")
        for o in root.iter("{urn:hl7-org:v3}observation")
        if o.find("{urn:hl7-org:v3}code[@code='MED-142']") is not None
    ]
    assert said == summary.strip()
