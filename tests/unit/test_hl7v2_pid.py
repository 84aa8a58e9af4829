"""PID and ZFD written from a patient and read back: each field, the gate of the INS, no way to smuggle one, no
injection."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from sunes_sdk._core.xml import parse
from sunes_sdk.cda import write_patient_role
from sunes_sdk.errors import Hl7Error, InsError, ModelError
from sunes_sdk.hl7v2 import decode
from sunes_sdk.hl7v2.er7 import Message, build, segment
from sunes_sdk.hl7v2.pid import (
    IdentityChannel,
    IdentitySegments,
    IdentityTrace,
    ReadIdentity,
    carried,
    read_identity,
    write_identity,
)
from sunes_sdk.model import (
    Address,
    Identifier,
    Identity,
    IdentityAttribute,
    IdentityStatus,
    Ins,
    InsOid,
    Matricule,
    Patient,
    Sex,
    Telecom,
    Traits,
)
from sunes_sdk.settings import Environment
from sunes_sdk.testing import samples as made

S = IdentityStatus
INS_CX = "279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS"
IPP_CX = f"1234567890121^^^HOPITAL-DEMO&{made.IPP_ROOT}&ISO^PI"


def written(patient: Patient, **more: Any) -> IdentitySegments:
    return write_identity(patient, **{"environment": Environment.FAKE} | more)


def message(segments: IdentitySegments) -> Message:
    msh = segment("MSH", {9: "ADT", 10: "1", 11: "T", 12: "2.5", 18: "UNICODE UTF-8"})
    return decode(build([msh, *filter(None, (segments.pid, segments.zfd))]))


def read(patient: Patient, **more: Any) -> ReadIdentity:
    return read_identity(message(written(patient, **more)), oids=made.settings().oids, strict=True)


def identity(status: IdentityStatus = S.PROVISOIRE, ins: Ins | None = None, **changes: Any) -> Identity:
    traits = Traits(**dict(made.traits()) | changes)
    return Identity(traits=traits, status=status, ins=ins)


def test_the_pid_of_a_qualified_patient() -> None:
    segments = written(made.patient())
    assert segments.pid == (
        f"PID|1||{IPP_CX}~{INS_CX}||PAT-TROIS^DOMINIQUE^DOMINIQUE MARIE-LOUISE^^^^L~PAT-TROIS^DOMINIQUE^^^^^D||19790328"
        "|F|||28 Avenue de Breteuil^^PARIS^^75007^^H~^^DOMPREMY^^^^BDL^^51215||^PRN^PH^^^^^^^^^0144534551"
        + "|" * 19
        + "VALI"
    )
    assert segments.zfd == ""
    assert "PAT-TROIS" not in repr(segments)
    got = read(made.patient())
    assert got.patient == carried(made.patient())
    assert (got.others, got.trace, got.patient.status) == ((), IdentityTrace(), S.QUALIFIEE)


@pytest.mark.parametrize(
    ("status", "written_as", "read_as"),
    [(S.PROVISOIRE, "PROV", S.PROVISOIRE), (S.VALIDEE, "VALI", S.VALIDEE), (S.RECUPEREE, "PROV", S.PROVISOIRE),
     (S.QUALIFIEE, "VALI", S.QUALIFIEE)],
)  # fmt: skip
def test_the_ins_goes_with_a_qualified_identity_only(
    status: IdentityStatus, written_as: str, read_as: IdentityStatus
) -> None:
    ins = made.ins() if status in (S.RECUPEREE, S.QUALIFIEE) else None
    patient = made.patient(identity=identity(status, ins))
    got = message(written(patient))
    assert got.get("PID-32") == written_as
    assert ("279035121518989" in written(patient).pid) is (status is S.QUALIFIEE)
    assert read(patient).patient.status is read_as


def test_an_ins_of_another_environment_is_refused_not_left_out() -> None:
    with pytest.raises(InsError, match="ENVIRONMENT_IDENTITY"):
        written(made.patient(), environment=Environment.PRODUCTION)
    real = Ins(matricule=Matricule(value="277076322082910"), oid=InsOid.NIR)
    patient = made.patient(identity=identity(S.QUALIFIEE, real))
    with pytest.raises(InsError, match="ENVIRONMENT_IDENTITY") as caught:
        written(patient)
    assert real.value not in str(caught.value)
    assert real.value in written(patient, test_people=frozenset({real.value})).pid


@pytest.mark.parametrize("oid", InsOid)
def test_the_oid_says_which_number_it_is(oid: InsOid) -> None:
    ins = Ins(matricule=Matricule(value="277076322082910"), oid=oid)
    patient = made.patient(identity=identity(S.QUALIFIEE, ins))
    people = frozenset({ins.value})
    namespace = "ASIP-SANTE-INS-NIA" if oid is InsOid.NIA else "ASIP-SANTE-INS-NIR"
    pid = written(patient, test_people=people).pid
    assert f"~{ins.value}^^^{namespace}&{oid.value}&ISO^INS|" in pid
    assert read(patient, test_people=people).patient.ins == ins


def test_attributes() -> None:
    for chosen in ({"HOMA"}, {"DOUT"}, {"FICT"}, {"DOUT", "HOMA"}):
        attributes = frozenset(map(IdentityAttribute, chosen))
        patient = made.patient(identity=Identity(traits=made.traits(), attributes=attributes))
        assert message(written(patient)).get("PID-32") == "PROV"
        assert read(patient).patient.identity.attributes == attributes


@pytest.mark.parametrize("born", ["1950-00-00", "1950-02-30", "1950-13-40", "1950-07-00"])
def test_a_lunar_date_goes_to_zfd(born: str) -> None:
    patient = made.patient(identity=identity(birth_date=born))
    segments = written(patient)
    assert message(segments).get("PID-7") == ""
    year, month, day = born.split("-")
    assert segments.zfd == f"ZFD|{day}^{month}^{year}"
    assert read(patient).patient.traits.birth_date == born


@pytest.mark.parametrize("sex", Sex)
def test_sex_and_unknown_place(sex: Sex) -> None:
    patient = made.patient(identity=identity(sex=sex, birth_place="99999"))
    assert message(written(patient)).get("PID-8") == ("U" if sex is Sex.UNKNOWN else sex.value)
    assert read(patient).patient.traits == patient.traits


def test_names_births_and_deaths() -> None:
    patient = made.patient(
        used_name=None, used_given_name="MARIE-CÉCILE", birth_country="FRA", multiple_birth=True, birth_order=2,
        deceased=True, deceased_at=datetime(2026, 1, 12, 3, 4, 5, tzinfo=UTC),
    )  # fmt: skip
    got = message(written(patient))
    assert got.get("PID-5[2].2") == "MARIE-CÉCILE"
    assert (got.get("PID-24"), got.get("PID-25"), got.get("PID-30")) == ("Y", "2", "Y")
    assert got.get("PID-29") == "20260112040405+0100"
    assert read(patient).patient == carried(patient)
    assert carried(patient).deceased_at == patient.deceased_at
    day = made.patient(deceased=True, deceased_at=date(2026, 1, 12), multiple_birth=False)
    assert read(day).patient == carried(day)
    assert read(made.patient(deceased=False)).patient.deceased is False


def test_a_rank_without_a_multiple_birth_is_none() -> None:
    """Feeds write 1 for everybody."""
    pid = written(made.patient()).pid.split("|")
    pid[25] = "1"
    got = read_identity(message(IdentitySegments(pid="|".join(pid))), oids=made.settings().oids)
    assert (got.patient.multiple_birth, got.patient.birth_order) == (None, None)


def test_addresses_and_telecoms() -> None:
    addresses = (
        Address(lines=("Chez M. X", "Bât. C", "8 rue F. Bastia", "92100 BOULOGNE"), use="HP"),
        Address(street_name="Rue du Lac", unit="3", post_box="BP 7", city="LYON", country="CHE", use="WP"),
        Address(city="LYON", country="France"),
        Address(country="France"),
    )
    telecoms = tuple(
        Telecom(value=v)
        for v in ("tel:+33612345678", "tel:01.44.53.45.51", "tel:+41223456789", "fax:+33144534552", "mailto:a^b@c.fr",
                  "tel:3639", "https://a.fr")
    )  # fmt: skip
    patient = made.patient(addresses=addresses, telecoms=telecoms)
    assert "Chez M. X^Bât. C\\S\\8 rue F. Bastia\\S\\92100 BOULOGNE^^^^^H" in written(patient).pid
    got = read(patient).patient
    assert got == carried(patient)
    assert [a.use for a in got.addresses] == ["H", "WP", None]
    assert [a.country for a in got.addresses] == [None, "CHE", None]
    assert got.addresses[0].additional_locator == "Bât. C, 8 rue F. Bastia, 92100 BOULOGNE"
    assert [t.value for t in got.telecoms] == [
        "tel:+33612345678", "tel:+33144534551", "tel:+41223456789", "fax:+33144534552", "mailto:a^b@c.fr",
    ]  # fmt: skip


def test_the_trace_goes_to_zfd() -> None:
    trace = IdentityTrace(
        corrected_birth_date=False, channel=IdentityChannel.INSI, insi_on=date(2026, 3, 10), document="CN",
        document_until=date(2030, 1, 1),
    )  # fmt: skip
    assert written(made.patient(), trace=trace).zfd == "ZFD||||N|INSI|20260310|CN|20300101"
    assert read(made.patient(), trace=trace).trace == trace


def test_a_corrected_birth_date_has_no_ins() -> None:
    trace = IdentityTrace(corrected_birth_date=True)
    with pytest.raises(Hl7Error, match="PID_CORRECTED_DATE"):
        written(made.patient(), trace=trace)
    provisional = made.patient(identity=identity())
    assert read(provisional, trace=trace).trace.corrected_birth_date is True
    forged = IdentitySegments(pid=written(made.patient()).pid, zfd=written(provisional, trace=trace).zfd)
    got = read_identity(message(forged), oids=made.settings().oids)
    assert (got.patient.ins, got.patient.status) == (None, S.VALIDEE)
    assert [w.code for w in got.warnings] == ["ADT_INS_CORRECTED_DATE"]


@pytest.mark.parametrize("status", [S.PROVISOIRE, S.RECUPEREE, S.QUALIFIEE])
def test_pid_3_holds_the_identifiers_of_the_cda(status: IdentityStatus) -> None:
    """ANS, document in HL7 v2: CX-1 and CX-4.2 are the extension and the root of patientRole/id, one for one."""
    second = Identifier(value="77", root="1.2.3", authority="CLINIQUE", type_code="PI")
    who = identity(status, None if status is S.PROVISOIRE else made.ins())
    patient = made.patient(identity=who, identifiers=(*made.patient().identifiers, second))
    role = parse(write_patient_role(patient, made.issuer()))
    in_cda = {(i.get("extension"), i.get("root")) for i in role.iterchildren("{urn:hl7-org:v3}id")}
    in_pid = {(cx.value(1), cx.value(4, 2)) for cx in message(written(patient)).segments[1].repetitions(3)}
    assert in_pid == in_cda
    assert len(in_pid) == (3 if status is S.QUALIFIEE else 2)


def test_an_ins_goes_with_the_sex() -> None:
    patient = made.patient(identity=identity(S.QUALIFIEE, made.ins(), sex=Sex.UNKNOWN))
    with pytest.raises(Hl7Error, match="PID_SEX"):
        written(patient)


# --- identifiers ----------------------------------------------------------------------------------------------------

BILLING = Identifier(
    value="279035121518989", root="1.2.250.1.213.1.4.8", authority="ASIP-SANTE-NIR", type_code="NH"
)  # fmt: skip
RESEARCH = Identifier(value="R-7", root="1.2.3", authority="REGISTRE", type_code="RI")


def test_a_billing_number_is_never_an_ins() -> None:
    patient = made.patient(identity=identity(S.VALIDEE))
    got = read(patient, others=[BILLING, RESEARCH])
    assert got.others == (BILLING, RESEARCH)
    assert (got.patient.ins, got.patient.status) == (None, S.VALIDEE)
    assert got.patient.identifiers == patient.identifiers
    assert BILLING.value not in repr(got)
    both = read(made.patient(), others=[BILLING])
    assert (both.patient.ins, both.others) == (made.ins(), (BILLING,))


SMUGGLED = {
    "typed INS": Identifier(value="279035121518989", root="1.2.3", authority="A", type_code="INS"),
    "INS root": Identifier(value="279035121518989", root=InsOid.NIR_TEST.value, authority="A", type_code="PI"),
    "INS root, no type": Identifier(value="279035121518989", root=InsOid.NIA.value, authority="A"),
}


@pytest.mark.parametrize("case", SMUGGLED)
def test_no_ins_goes_as_another_identifier(case: str) -> None:
    """The gate would be passed by."""
    provisional = made.patient(identity=identity())
    with pytest.raises(ModelError, match="PATIENT_INS_IDENTIFIER") as caught:
        made.patient(identity=identity(), identifiers=(*provisional.identifiers, SMUGGLED[case]))
    assert "279035121518989" not in str(caught.value)
    unchecked = provisional.model_copy(update={"identifiers": (*provisional.identifiers, SMUGGLED[case])})
    with pytest.raises(Hl7Error, match="PID_INS_IDENTIFIER"):
        written(unchecked)
    with pytest.raises(Hl7Error, match=r"PID_INS_IDENTIFIER|PID_AUTHORITY"):
        written(provisional, others=[SMUGGLED[case]])


def test_an_ins_that_does_not_say_so_is_not_taken() -> None:
    pid = written(made.patient(identity=identity(S.VALIDEE))).pid
    forged = pid.replace(IPP_CX, f"{IPP_CX}~{INS_CX.replace('^INS', '^PI')}")
    got = read_identity(message(IdentitySegments(pid=forged)), oids=made.settings().oids)
    assert (got.patient.ins, got.others) == (None, ())
    assert [i.value for i in got.patient.identifiers] == ["1234567890121"]
    assert [(w.code, w.path) for w in got.warnings] == [("ADT_IDENTIFIER", "PID-3[2].5")]


def test_an_identifier_whose_authority_is_no_oid_is_none_of_ours() -> None:
    pid = written(made.patient()).pid.replace(IPP_CX, f"{IPP_CX}~77^^^CLINIQUE&750803447&N^RI")
    got = read_identity(message(IdentitySegments(pid=pid)), oids=made.settings().oids, strict=True)
    assert (got.others, got.patient.identifiers) == ((), made.patient().identifiers)


def test_who_is_said_alive_has_no_time_of_death() -> None:
    fields = written(made.patient()).pid.split("|")
    fields[29:31] = ["20260112", "N"]
    got = read_identity(message(IdentitySegments(pid="|".join(fields))), oids=made.settings().oids)
    assert (got.patient.deceased, got.patient.deceased_at) == (False, None)
    assert [w.code for w in got.warnings] == ["ADT_DEATH_TIME"]


def test_what_is_missing_is_refused() -> None:
    with pytest.raises(Hl7Error, match="PID_IPP"):
        written(made.patient(identifiers=()))
    with pytest.raises(Hl7Error, match="PID_IPP"):
        written(made.patient(identifiers=(RESEARCH,)))
    with pytest.raises(Hl7Error, match="PID_AUTHORITY"):
        written(made.patient(identifiers=(Identifier(value="1", root="1.2.3"),)))
    with pytest.raises(Hl7Error, match="PID_AUTHORITY"):
        written(made.patient(), others=[Identifier(value="1", root="1.2.3", authority="A")])


def test_the_account() -> None:
    account = Identifier(value="26000^1", root=made.VISIT_ROOT, authority="HOPITAL-DEMO", type_code="AN")
    got = message(written(made.patient(), account=account))
    assert (got.get("PID-18"), got.get("PID-18.4.2"), got.get("PID-18.5")) == ("26000^1", made.VISIT_ROOT, "AN")


# --- injection ------------------------------------------------------------------------------------------------------

ATTACKS = [
    "X|Y",
    "X^Y",
    "X~Y",
    "X&Y",
    "X\\Y",
    "X\\F\\Y",
    "X\\S\\Y",
    "X\\X0D\\Y",
    "X\\.br\\Y",
    "~^^^INS",
    "\\",
    "~~",
    "&",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_no_text_makes_a_field_a_repetition_or_a_segment(text: str) -> None:
    patient = made.patient(
        identity=identity(birth_name=text, birth_given_names=f"{text} B", first_given_name=text),
        identifiers=(Identifier(value=text, root="1.2.3", authority=text, type_code="PI"),),
        used_name=text, used_given_name=text, birth_city=text,
        addresses=(Address(street_name=text.replace("^", ""), city=text, postal_code=text),),
    )  # fmt: skip
    segments = written(patient)
    got = message(segments)
    assert [s.name for s in got.segments] == ["MSH", "PID"]
    assert len(got.segments[1].repetitions(3)) == 1
    assert len(got.segments[1].repetitions(5)) == 2
    assert got.segments[1].last_field == 32
    assert read(patient).patient == carried(patient)


@pytest.mark.parametrize("place", ["birth_name", "used_name", "birth_city", "address", "authority"])
@pytest.mark.parametrize("text", ["A\rMSH|X", "A\nB", "A\x0bB", "A\x1cB", '""'])
def test_what_hl7_would_read_as_something_else_is_refused(place: str, text: str) -> None:
    changes: dict[str, Any] = {
        "birth_name": {"identity": identity(birth_name=text)},
        "address": {"addresses": (Address(city=text),)},
        "authority": {"identifiers": (Identifier(value="1", root="1.2.3", authority=text),)},
    }.get(place, {place: text})
    with pytest.raises(Hl7Error, match="PID_TEXT") as caught:
        written(made.patient(**changes))
    assert "MSH" not in str(caught.value)


def test_a_deleted_value_is_not_there() -> None:
    pid = (
        written(made.patient()).pid.replace("279035121518989", '""').replace("PAT-TROIS^DOMINIQUE^^^^^D", '""^""^^^^^D')
    )
    got = read_identity(message(IdentitySegments(pid=pid)), oids=made.settings().oids, strict=True).patient
    assert (got.ins, got.status, got.used_name, got.used_given_name) == (None, S.VALIDEE, None, None)


@pytest.mark.parametrize(
    ("number", "value", "code"),
    [(29, "2026", "ADT_DEATH_TIME"), (29, "x", "ADT_DEATH_TIME"), (3, f"{IPP_CX}~A\\X0A\\B^^^R&1.2.3&ISO^RI",
     "ADT_IDENTIFIER")],
)  # fmt: skip
def test_what_cannot_be_read_is_named(number: int, value: str, code: str) -> None:
    pid = written(made.patient(identity=identity())).pid.split("|")
    pid[number] = value
    got = read_identity(message(IdentitySegments(pid="|".join(pid))), oids=made.settings().oids)
    assert [w.code for w in got.warnings] == [code]
    with pytest.raises(Hl7Error, match=code):
        read_identity(message(IdentitySegments(pid="|".join(pid))), oids=made.settings().oids, strict=True)


@pytest.mark.parametrize("zfd", ["ZFD|||||XX", "ZFD||||||tomorrow", "ZFD||||||2026", "ZFD||||||||1"])
def test_a_complement_that_cannot_be_read_is_named(zfd: str) -> None:
    segments = IdentitySegments(pid=written(made.patient()).pid, zfd=zfd)
    got = read_identity(message(segments), oids=made.settings().oids)
    assert [w.code for w in got.warnings] == ["ADT_ZFD"]
    assert got.trace == IdentityTrace()


def test_a_message_without_a_patient() -> None:
    with pytest.raises(Hl7Error, match="ADT_SEGMENT_MISSING"):
        read_identity(message(IdentitySegments(pid="")), oids=made.settings().oids)
