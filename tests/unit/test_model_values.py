"""What cannot be valid cannot be built, and nothing personal shows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sunes_sdk.errors import ModelError
from sunes_sdk.model import (
    Address,
    ChannelKind,
    Code,
    Identifier,
    Identity,
    IdentityStatus,
    Ins,
    Matricule,
    Mss,
    Organization,
    Prepared,
    Professional,
    Stay,
    Telecom,
    Traits,
)
from sunes_sdk.testing import samples

PERSONAL = ["279035121518989", "PAT-TROIS", "DOMINIQUE", "1979-03-28", "51215", "Breteuil", "1234567890121", "DAVID"]


def traits(**changes: Any) -> Traits:
    return Traits(**samples.traits().model_dump() | changes)


def identity(**changes: Any) -> Identity:
    return Identity(**{"traits": samples.traits(), "status": "QUAL", "ins": samples.ins()} | changes)


BAD: list[tuple[str, str, Any]] = [
    ("INS_KEY", "Ins.matricule", lambda: Ins(matricule="279035121518988", oid=samples.ins().oid)),  # type: ignore[arg-type]  # a text: pydantic makes the Matricule
    ("INS_KEY_MISSING", "Matricule.value", lambda: Matricule(value="2790351215189")),
    ("INS_FORMAT", "Matricule.value", lambda: Matricule(value="27903512151898X")),
    ("INS_FORMAT", "Matricule.value", lambda: Matricule(value="٢79035121518989")),
    ("INS_BIRTH_DATE", "Traits.birth_date", lambda: traits(birth_date="28/03/1979")),
    ("INS_BIRTH_PLACE", "Traits.birth_place", lambda: traits(birth_place="5121")),
    ("INS_FIRST_GIVEN_NAME", "Traits.first_given_name", lambda: traits(first_given_name="MARIE-LOUISE")),
    ("MODEL_STRING_TOO_SHORT", "Traits.birth_name", lambda: traits(birth_name=" ")),
    ("MODEL_ENUM", "Traits.sex", lambda: traits(sex="X")),
    ("INS_MISSING", "Identity.ins", lambda: identity(ins=None)),
    ("INS_UNEXPECTED", "Identity.ins", lambda: identity(status="PROV")),
    ("INS_DOUBTFUL", "Identity.status", lambda: identity(attributes=["DOUT"])),
    ("INS_ATTRIBUTES", "Identity.attributes", lambda: identity(status="PROV", ins=None, attributes=["FICT", "HOMA"])),
    ("MODEL_MISSING", "Traits.birth_name", lambda: Traits(**{k: v for k, v in samples.traits() if k != "birth_name"})),
    ("MODEL_EXTRA_FORBIDDEN", "Code.colour", lambda: Code(code="1", system="2", colour="red")),  # type: ignore[call-arg]  # a field that does not exist
    ("OID", "Identifier.root", lambda: Identifier(value="1", root="1.02.3")),
    ("ADDRESS_EMPTY", "Address", lambda: Address()),
    ("ADDRESS_MIXED", "Address", lambda: Address(city="X", lines=("Y",))),
    ("TELECOM", "Telecom.value", lambda: Telecom(value="tel:01 23")),
    ("TELECOM", "Telecom.value", lambda: Telecom(value="0123")),
    ("PS_ID", "Professional", lambda: Professional(family="A", given="B", specialty="SM26")),
    ("RPPS", "Professional.rpps", lambda: samples.physician(rpps="123")),
    ("PS_SPECIALTY", "Professional.specialty", lambda: samples.physician(specialty=None)),
    ("FINESS", "Organization.finess_geo", lambda: samples.hospital(finess_geo="123")),
    ("STRUCTURE_ID", "Organization", lambda: Organization(name="X")),
    ("STAY_TIMES", "Stay.discharged_at", lambda: samples.stay(discharged_at=samples.ADMITTED)),
    ("MODEL_STRING_PATTERN_MISMATCH", "Mss.address", lambda: Mss(address="a@b\r\nBcc: c@d")),
]


@pytest.mark.parametrize(("code", "path", "build"), BAD, ids=[f"{c}-{p}" for c, p, _ in BAD])
def test_an_impossible_value_names_its_place_and_rule(code: str, path: str, build: Any) -> None:
    with pytest.raises(ModelError) as caught:
        build()
    error = caught.value
    assert (error.code, error.path) == (code, path)
    assert error.findings
    assert not any(p in str(error) for p in PERSONAL)


def test_a_nested_problem_keeps_its_full_path() -> None:
    raw = {"identity": {"traits": samples.traits().model_dump(), "status": "QUAL"}}
    raw["identity"]["ins"] = {"matricule": "279035121518988", "oid": samples.ins().oid}
    with pytest.raises(ModelError) as caught:
        samples.patient(**raw)
    assert caught.value.path == "Patient.identity.ins.matricule"


def test_an_insi_answer_is_not_refused_for_its_key() -> None:
    assert not Matricule(value="181036322045660", certified=True).key_is_valid


@pytest.mark.parametrize("text", ["2 79 03 51 215 189 89", "279-035-121-518-989", "279035121518989", "297022a02077878"])
def test_usual_writings_are_read(text: str) -> None:
    assert len(Matricule(value=text).value) == 15


def test_a_lunar_date_is_kept_as_text() -> None:
    lunar = traits(birth_date="1950-00-00")
    assert lunar.birth_date == "1950-00-00"
    assert lunar.calendar_birth_date is None


@pytest.mark.parametrize("first", ["JEAN", "JEAN CHRISTOPHE", "JEAN-CHRISTOPHE", "JEAN-CHRISTOPHE-PIERRE"])
def test_first_given_name_may_be_any_start_of_the_list(first: str) -> None:
    assert traits(birth_given_names="JEAN CHRISTOPHE PIERRE", first_given_name=first).first_given_name == first


@pytest.mark.parametrize(
    "value",
    [samples.patient(), samples.stay(), samples.physician().at(samples.hospital()), Mss(address="dupont@x.mssante.fr")],
    ids=["patient", "stay", "actor", "mss"],
)
def test_repr_and_str_are_masked(value: object) -> None:
    shown = f"{value!r} {value}"
    assert not any(p in shown for p in [*PERSONAL, "dupont", "2600012345"])


def test_values_are_frozen() -> None:
    with pytest.raises(Exception, match="frozen"):
        samples.patient().identity = identity()  # type: ignore[misc]  # frozen: that is the test


def test_national_ids() -> None:
    assert samples.physician().national_id == "801234567897"
    assert samples.hospital().national_id == "10B0127189"
    assert Organization(name="C", siret="12345678901234").national_id == "312345678901234"
    assert samples.physician().role_code == "G15_10/SM27"
    nurse = Professional(adeli="123456789", family="A", given="B", profession="60")
    assert (nurse.national_id, nurse.role_code) == ("0123456789", "G15_60")


def test_a_stay_may_be_open() -> None:
    assert not samples.stay(discharged_at=None).is_closed
    assert Stay(**dict(samples.stay()) | {"discharged_at": samples.ADMITTED + timedelta(minutes=1)}).is_closed


def test_identity_gate() -> None:
    assert identity().is_qualified
    assert not identity(status=IdentityStatus.RECUPEREE).is_qualified


def test_prepared_survives_storage() -> None:
    prepared = Prepared(
        channel="mss", kind=ChannelKind.MSS_PRO, key="k", unique_id="1.2", ids={"a": "b\né"}, metadata='{"x": "\\n"}',
        blobs={"message": b"\n\x00\xff", "empty": b"", "document": b"<a/>"},
    )  # fmt: skip
    assert Prepared.from_bytes(prepared.to_bytes()) == prepared
    with pytest.raises(ValueError, match="truncated"):
        Prepared.from_bytes(prepared.to_bytes()[:-1])


@pytest.mark.parametrize("value", ["a\nb", "a\tb", "a\x00", "\x7f"])
def test_an_identifier_holds_no_control_character(value: str) -> None:
    with pytest.raises(ModelError) as e:
        Identifier(value=f"1{value}1", root="1.2.3")
    assert (e.value.code, e.value.path) == ("CONTROL_CHARACTER", "Identifier.value")
