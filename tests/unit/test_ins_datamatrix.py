"""The text of the datamatrix INS: what is written, what is refused and by which code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sunes_sdk._core import xml
from sunes_sdk.errors import ConfigurationError, InsError, ModelError, Severity
from sunes_sdk.ins import FoundIdentity, ScannedIdentity, datamatrix_image
from sunes_sdk.ins.datamatrix import HEADER, MAX_LENGTH, decode, encode
from sunes_sdk.model import PUBLISHED_TEST_PEOPLE, Environment, Identity, IdentityStatus, Ins, InsOid, Sex, Traits
from sunes_sdk.testing import samples

GS = b"\x1d"
HEAD = HEADER.encode()
S1, S2, S3, S4 = b"S1236066322083656", b"S21.2.250.1.213.1.4.8", b"S3CATARINA BELLA", b"S4TCHITCHI"
S5, S6, S7 = b"S5F", b"S621-06-1936", b"S763220"
RIGHT = HEAD + S1 + S2 + GS + S3 + GS + S4 + GS + S5 + S6 + S7


def qualified(*, oid: InsOid = InsOid.NIR_TEST, matricule: str = "279035121518989", **traits: Any) -> Identity:
    return Identity(
        traits=samples.traits().model_copy(update=traits),
        status=IdentityStatus.QUALIFIEE,
        ins=Ins.of(matricule, oid, certified=True),
    )


def refused(message: bytes | str) -> list[str]:
    with pytest.raises(InsError) as caught:
        decode(message)
    errors = caught.value.report.errors
    assert all(e.path and e.rule and e.hint and e.message_fr for e in errors)
    for told in ("236066322083656", "TCHITCHI", "CATARINA"):
        assert told not in str(caught.value)
        assert told not in str(caught.value.report)
    return [e.code.removeprefix("INS_DM_") for e in errors]


# -- written


def test_what_is_written_is_the_published_text() -> None:
    assert encode(qualified(), Environment.FAKE) == (
        HEAD
        + b"S1279035121518989S21.2.250.1.213.1.4.10S3DOMINIQUE MARIE-LOUISE\x1dS4PAT-TROIS\x1dS5FS628-03-1979S751215"
    )
    real = qualified(
        oid=InsOid.NIR, matricule="236066322083656", birth_name="TCHITCHI", birth_given_names="CATARINA BELLA",
        first_given_name="CATARINA", birth_date="1936-06-21", birth_place="63220",
    )  # fmt: skip
    assert encode(real, Environment.FAKE, test_people=PUBLISHED_TEST_PEOPLE) == RIGHT


@pytest.mark.parametrize(("oid", "separated"), [(o, len(o) == 19) for o in InsOid])
def test_gs_follows_an_oid_of_19_characters_and_not_one_of_20(oid: InsOid, separated: bool) -> None:
    message = encode(qualified(oid=oid), Environment.FAKE, test_people=PUBLISHED_TEST_PEOPLE)
    after = message[message.index(oid.encode()) + len(oid) :]
    assert after.startswith(GS + b"S3" if separated else b"S3")
    assert decode(message).claimed.oid is oid


@pytest.mark.parametrize("length", [1, 19, 20, 99, 100])
@pytest.mark.parametrize("field", ["birth_name", "birth_given_names"])
def test_gs_follows_a_name_shorter_than_100(field: str, length: int) -> None:
    name = "A" * length
    identity = qualified(**{field: name, "first_given_name": name if field == "birth_given_names" else "DOMINIQUE"})
    message = encode(identity, Environment.FAKE)
    assert (name.encode() + GS in message) == (length < 100)
    assert getattr(decode(message), field) == name


def test_a_name_is_folded_and_never_cut() -> None:
    folded = encode(qualified(birth_name="D’Æïon"), Environment.FAKE)
    assert decode(folded).birth_name == "D'AEION"
    with pytest.raises(InsError, match=r"INS_DM_LENGTH at traits\.birth_name"):
        encode(qualified(birth_name="A" * 101), Environment.FAKE)
    with pytest.raises(InsError, match=r"INS_NAME_CHARSET at traits\.birth_name"):
        encode(qualified(birth_name="PAT 3"), Environment.FAKE)


def test_an_unknown_place_is_left_out_and_a_lunar_date_is_kept() -> None:
    message = encode(qualified(birth_place="99999", birth_date="1950-00-00"), Environment.FAKE)
    assert message.endswith(b"S600-00-1950")
    scanned = decode(message)
    assert (scanned.birth_date, scanned.birth_place) == ("1950-00-00", None)
    assert scanned.traits(first_given_name="DOMINIQUE").birth_place == "99999"


def test_sex_is_m_or_f() -> None:
    with pytest.raises(InsError, match="INS_DM_SEX"):
        encode(qualified(sex=Sex.UNKNOWN), Environment.FAKE)


@pytest.mark.parametrize("status", [s for s in IdentityStatus if s is not IdentityStatus.QUALIFIEE])
def test_only_a_qualified_identity_is_printed(status: IdentityStatus) -> None:
    identity = Identity(
        traits=samples.traits(), status=status, ins=samples.ins() if status is IdentityStatus.RECUPEREE else None
    )
    with pytest.raises(InsError, match="INS_NOT_QUALIFIED"):
        encode(identity, Environment.FAKE)


@pytest.mark.parametrize(
    ("oid", "environment"),
    [
        (InsOid.NIR_TEST, Environment.PRODUCTION),
        (InsOid.NIR, Environment.PRODUCTION),  # a published test person, whatever the OID
        (InsOid.NIR, Environment.INTEGRATION),
    ],
)
def test_an_identity_of_another_environment_is_not_printed(oid: InsOid, environment: Environment) -> None:
    with pytest.raises(InsError, match="ENVIRONMENT_IDENTITY"):
        encode(qualified(oid=oid), environment)


# -- read


def test_every_published_vector(vectors: Path) -> None:
    data = json.loads((vectors / "ins_matricules.json").read_text(encoding="utf-8"))["datamatrix"]
    assert len(data) == 14
    for v in data:
        message = bytes.fromhex(v["payload_hex"])
        assert message == v["payload"].encode()
        if not v["valid"]:
            refused(message)
            continue
        scanned = decode(message)
        day, month, year = v["fields"]["S6"].split("-")
        assert scanned.claimed == Ins(matricule=v["fields"]["S1"], oid=InsOid(v["fields"]["S2"]))
        assert scanned.birth_given_names == v["fields"]["S3"], v["id"]
        assert scanned.birth_name == v["fields"]["S4"]
        assert scanned.sex == v["fields"]["S5"]
        assert scanned.birth_date == f"{year}-{month}-{day}"
        assert scanned.birth_place == v["fields"].get("S7")
        assert scanned.report.ok
        assert decode(v["payload"]) == scanned


@pytest.mark.parametrize(
    ("message", "codes"),
    [
        (b"", ["HEADER"]),
        (b"DC04" + RIGHT[4:], ["HEADER"]),
        (b"]d1" + RIGHT, ["HEADER"]),
        (b"IS02" + RIGHT[4:], ["VERSION"]),
        (HEAD[:-1] + b"1" + RIGHT[26:], ["HEADER"]),
        (HEAD, ["MISSING"] * 6),
        (HEAD + S1 + S5 + S6, ["MISSING"] * 3),
        (RIGHT.replace(GS, b"<GS>"), ["GS_TEXT"]),
        (RIGHT.replace(GS, b"{gs}"), ["GS_TEXT"]),
        (RIGHT.decode().replace("\x1d", "␝"), ["GS_TEXT"]),
        (RIGHT.replace(GS, b""), ["GS_MISSING"]),
        (RIGHT.replace(S2 + GS, S2), ["GS_MISSING"]),
        (RIGHT.replace(S3 + GS, S3), ["GS_MISSING"]),
        (RIGHT.replace(S4 + GS, S4), ["GS_MISSING"]),
        (RIGHT.replace(S3 + GS, b"S3" + b"A" * 99), ["GS_MISSING"]),
        (RIGHT.replace(S3, S3 + GS), ["UNKNOWN_BLOCK"]),
        (RIGHT + b"S8X", ["UNKNOWN_BLOCK"]),
        (RIGHT + b"\r\n", ["UNKNOWN_BLOCK"]),
        (RIGHT.replace(b"S7", b"s7"), ["UNKNOWN_BLOCK"]),
        (RIGHT + S1, ["REPEATED"]),
        (RIGHT[:-1], ["TRUNCATED"]),
        (HEAD + S1[:-1], ["TRUNCATED"]),
        (RIGHT.replace(S6 + S7, b"S6"), ["TRUNCATED"]),
        (RIGHT.replace(S1, b"S12360663C2083656"), ["MATRICULE"]),
        (RIGHT.replace(S2, b"S21.2.250.1.213.1.4.2"), ["OID"]),
        (RIGHT.replace(S3, b"S3"), ["NAME"]),
        (RIGHT.replace(S3, b"S3  "), ["NAME"]),
        (RIGHT.replace(S4, "S4É".encode()), ["NAME"]),
        (RIGHT.replace(S4, b"S4TCHI\x00TCHI"), ["NAME"]),
        (RIGHT.replace(S5, b"S5I"), ["SEX"]),
        (RIGHT.replace(S6, b"S61936-06-21"), ["BIRTH_DATE"]),
        (RIGHT.replace(S7, b"S7A3220"), ["BIRTH_PLACE"]),
        (RIGHT.replace(S4, b"S4Tchi").replace(S5, b"S5X"), ["NAME", "SEX"]),
        (RIGHT + b"A" * MAX_LENGTH, ["SIZE"]),
    ],
)
def test_what_is_not_right_is_refused_by_its_code(message: bytes | str, codes: list[str]) -> None:
    assert refused(message) == codes


def test_blocks_come_in_any_order() -> None:
    assert decode(HEAD + S7 + S6 + S5 + S4 + GS + S3 + GS + S1 + S2) == decode(RIGHT)


@pytest.mark.parametrize("message", [RIGHT + GS, RIGHT.replace(S5, S5 + GS), HEAD + S1 + S5 + S6 + S3 + GS + S2 + GS
                                     + S4 + GS])  # fmt: skip
def test_a_separator_too_many_leaves_no_doubt_and_is_a_warning(message: bytes) -> None:
    scanned = decode(message)
    assert scanned.birth_name == "TCHITCHI"
    assert [f.code for f in scanned.report.warnings] == ["INS_DM_GS_EXTRA"]


def test_a_wrong_key_is_a_warning_since_insi_itself_gives_some() -> None:
    scanned = decode(RIGHT.replace(b"083656", b"083655"))
    assert [f.code for f in scanned.report] == ["INS_KEY_MISMATCH"]
    assert scanned.report.ok


def test_traits_that_disagree_with_the_matricule_are_warnings() -> None:
    scanned = decode(RIGHT.replace(S5, b"S5M"))
    assert [(f.code, f.severity) for f in scanned.report] == [("INS_SEX_MISMATCH", Severity.WARNING)]


# -- a scan proves nothing


@pytest.fixture
def scanned() -> ScannedIdentity:
    return decode(RIGHT)


def test_a_scan_is_always_to_be_verified(scanned: ScannedIdentity) -> None:
    assert scanned.must_verify is True
    assert scanned.channel == "CB"
    for name in ("must_verify", "channel"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(scanned, name, False)
    with pytest.raises(TypeError):
        ScannedIdentity(must_verify=False)  # type: ignore[call-arg]  # that it cannot be said is what is tested


def test_a_scan_gives_a_provisional_identity_without_ins(scanned: ScannedIdentity) -> None:
    identity = scanned.identity(first_given_name="CATARINA")
    assert (identity.status, identity.ins) == (IdentityStatus.PROVISOIRE, None)
    with pytest.raises(InsError, match="INS_NOT_QUALIFIED"):
        encode(identity, Environment.FAKE)


def test_a_human_says_where_the_first_given_name_ends(scanned: ScannedIdentity) -> None:
    assert scanned.traits(first_given_name="CATARINA BELLA").first_given_name == "CATARINA BELLA"
    with pytest.raises(ModelError, match="INS_FIRST_GIVEN_NAME"):
        scanned.traits(first_given_name="BELLA")


def test_insi_answers_whether_the_printed_ins_is_the_persons(scanned: ScannedIdentity) -> None:
    def found(matricule: str, oid: InsOid = InsOid.NIR, *history: Ins) -> list[str]:
        person = FoundIdentity(ins=Ins.of(matricule, oid), history=history)
        return [f.code for f in scanned.confirmation(person)]

    other = "279035121518989"
    assert found("236066322083656") == []
    assert found(other) == ["INS_DM_OTHER_INS"]
    assert found(other, InsOid.NIR, scanned.claimed) == ["INS_DM_FORMER_INS"]
    assert found("236066322083656", InsOid.NIR_TEST) == ["INS_DM_OTHER_INS"]
    waiting = decode(RIGHT.replace(b".4.8", b".4.9"))
    person = FoundIdentity(ins=Ins.of("236066322083656", InsOid.NIR))
    assert [f.code for f in waiting.confirmation(person)] == ["INS_DM_FORMER_INS"]


def test_repr_tells_nothing(scanned: ScannedIdentity) -> None:
    for told in ("236066322083656", "TCHITCHI", "CATARINA", "1936", "63220"):
        assert told not in repr(scanned)
        assert told not in str(scanned)


def test_traits_are_those_of_the_symbol(scanned: ScannedIdentity) -> None:
    assert scanned.traits(first_given_name="CATARINA") == Traits(
        birth_name="TCHITCHI", birth_given_names="CATARINA BELLA", first_given_name="CATARINA",
        birth_date="1936-06-21", sex=Sex.FEMALE, birth_place="63220",
    )  # fmt: skip


# -- the symbol


@pytest.mark.parametrize(("module", "name"), [("zxingcpp", "zxingcpp"), ("PIL", "PIL")])
def test_without_the_extra_the_error_says_what_to_install(
    module: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for use in (lambda: datamatrix_image.draw(qualified(), Environment.FAKE), lambda: datamatrix_image.read(b"")):
        with pytest.raises(ConfigurationError, match="EXTRA_MISSING") as caught:
            use()
        assert name in str(caught.value)
        assert "sunes-sdk[datamatrix]" in caught.value.hint


def test_the_libraries_are_loaded_by_the_first_picture_only() -> None:
    program = (
        "import sys, sunes_sdk.ins.datamatrix_image; print(sorted({'zxingcpp', 'PIL', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_provisional_identity_has_no_symbol() -> None:
    with pytest.raises(InsError, match="INS_NOT_QUALIFIED"):
        datamatrix_image.draw(Identity(traits=samples.traits()), Environment.FAKE)


@pytest.mark.parametrize("scale", [0, -1, 0.01, 1_000, float("nan")])
def test_a_scale_that_nobody_prints_is_refused(scale: float) -> None:
    symbol = datamatrix_image.draw(qualified(), Environment.FAKE)
    with pytest.raises(ModelError, match="INS_DM_SCALE at module_mm"):
        symbol.svg(module_mm=scale)
    with pytest.raises(ModelError, match="INS_DM_SCALE at module_pixels"):
        symbol.png(module_pixels=scale)  # type: ignore[arg-type]  # a float is refused too


def test_the_svg_is_well_formed_and_says_its_size() -> None:
    symbol = datamatrix_image.draw(qualified(), Environment.FAKE)
    root = xml.parse(symbol.svg(module_mm=1).encode())
    assert root.get("width") == f"{len(symbol.modules) + 4}mm"
    assert "".join(root.itertext()) == "INS à scanner"
    assert repr(symbol) == "Symbol()"
