"""The ADT reader: the demo messages, each rule of the French extension, one clear error for what cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from sunes_sdk._core.clock import PARIS
from sunes_sdk.errors import Hl7Error
from sunes_sdk.hl7v2 import AdtEvent, decode, read_adt
from sunes_sdk.model import IdentityAttribute, IdentityStatus, Sex, StayClass
from sunes_sdk.testing import samples as made

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo"
INS = "279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS"
ADMISSION = (DEMO / "admission.hl7").read_bytes().decode()
DISCHARGE = (DEMO / "sortie.hl7").read_bytes().decode()


def read(text: str, *, strict: bool = False, authority: str | None = None) -> AdtEvent:
    return read_adt(
        text.encode(), organization=made.hospital(), oids=made.settings().oids, strict=strict, authority=authority
    )


def codes(event: AdtEvent) -> list[tuple[str, str]]:
    return [(w.code, w.path) for w in event.warnings]


def change(old: str, new: str, text: str = ADMISSION) -> str:
    assert old in text, "the change changes nothing"
    return text.replace(old, new, 1)


def with_ins(status: str = "VALI", ins: str = INS) -> str:
    return change("|PROV\r", f"|{status}\r", change("^PI|", f"^PI~{ins}|"))


def test_the_demo_admission_is_strictly_right() -> None:
    event = read(ADMISSION, strict=True)
    assert codes(event) == []
    patient, stay = event.patient, event.stay
    assert (event.trigger, event.control_id, event.feeding_opposed) == ("A01", "DEMO0001", False)
    assert patient.status is IdentityStatus.PROVISOIRE
    assert patient.ins is None
    assert patient.traits == made.traits()
    assert patient.ipp == made.patient().ipp
    assert (patient.used_name, patient.used_given_name, patient.birth_city) == ("PAT-TROIS", "DOMINIQUE", "DOMPREMY")
    assert [t.value for t in patient.telecoms] == ["tel:+33144534551"]
    assert stay is not None
    assert (stay.admitted_at, stay.discharged_at) == (datetime(2026, 1, 10, 9, tzinfo=PARIS), None)
    assert (stay.unit, stay.unit_label, stay.stay_class) == ("6268", "Médecine interne", StayClass.INPATIENT)
    assert stay.visit == made.stay().visit
    assert stay.organization == made.hospital()
    assert "PAT-TROIS" not in repr(event)


def test_the_demo_discharge_is_strictly_right() -> None:
    event = read(DISCHARGE, strict=True)
    assert event.stay is not None
    assert (event.stay.admitted_at, event.stay.discharged_at) == (
        datetime(2026, 1, 10, 9, tzinfo=PARIS),
        datetime(2026, 1, 15, 10, tzinfo=PARIS),
    )
    opened = read(ADMISSION).stay
    assert opened is not None
    assert event.closing(opened) == event.stay


def test_demo_files_are_pure_er7() -> None:
    for name in ("admission.hl7", "sortie.hl7"):
        message = decode((DEMO / name).read_bytes())
        assert message.line_ends == {"\r"}
        assert message.is_terminated
        assert message.get("MSH-12.3") == "2.11"


def test_closing_checks_the_visit() -> None:
    opened = read(ADMISSION).stay
    assert opened is not None
    with pytest.raises(Hl7Error, match="ADT_OTHER_VISIT"):
        read(DISCHARGE.replace("2600012345^", "2600099999^")).closing(opened)
    with pytest.raises(Hl7Error, match="ADT_NOT_A_DISCHARGE"):
        read(ADMISSION).closing(opened)
    early = change("|20260115100000+0100||||||V", "|20251231100000+0100||||||V", DISCHARGE)
    with pytest.raises(Hl7Error, match="ADT_STAY"):
        read(early)


def test_vali_with_an_ins_is_qualified() -> None:
    identity = read(with_ins(), strict=True).patient.identity
    assert (identity.status, identity.ins) == (IdentityStatus.QUALIFIEE, made.ins())
    assert read(with_ins("QUAL")).patient.identity.is_qualified
    assert read(with_ins("RECUP")).patient.status is IdentityStatus.RECUPEREE
    assert read(change("|PROV\r", "|VALI\r")).patient.status is IdentityStatus.VALIDEE
    assert read(change("|PROV\r", "|QUAL\r")).patient.status is IdentityStatus.VALIDEE  # without an INS
    assert read(change("|PROV\r", "|RECUP\r")).patient.status is IdentityStatus.PROVISOIRE
    assert read(with_ins("HOMA~VALI")).patient.identity.attributes == {IdentityAttribute.HOMONYME}


def test_an_ins_of_a_provisional_identity_is_not_taken() -> None:
    event = read(with_ins("PROV"))
    assert (event.patient.status, event.patient.ins) == (IdentityStatus.PROVISOIRE, None)
    assert codes(event) == [("ADT_INS_NOT_QUALIFIED", "PID-3[2]")]
    with pytest.raises(Hl7Error, match="ADT_INS_NOT_QUALIFIED") as caught:
        read(with_ins("PROV"), strict=True)
    assert "279035121518989" not in str(caught.value)
    assert caught.value.hint_fr
    doubtful = read(with_ins("VALI~DOUT"))
    assert (doubtful.patient.status, doubtful.patient.ins) == (IdentityStatus.PROVISOIRE, None)


def test_only_the_type_ins_makes_an_ins() -> None:
    billing = INS.replace("^INS", "^NH")
    assert read(with_ins("VALI", billing)).patient.status is IdentityStatus.VALIDEE
    removed = '""' + INS[15:]
    assert read(with_ins("VALI", removed)).patient.ins is None
    nia = INS.replace(".4.10", ".4.9")
    both = read(with_ins("VALI", f"{nia}~{INS.replace('.4.10', '.4.8')}")).patient.ins
    assert both is not None
    assert both.oid.name == "NIR"


Fault = Callable[[], str]
WARNED: dict[str, tuple[Fault, str, str]] = {
    "key": (lambda: with_ins(ins=INS.replace("8989", "8988")), "ADT_INS_KEY", "PID-3[2].1"),
    "form": (lambda: with_ins(ins=INS.replace("279", "X79")), "ADT_INS_FORMAT", "PID-3[2].1"),
    "INS-C": (lambda: with_ins(ins=INS.replace(".4.10", ".4.2")), "ADT_INS_FORMAT", "PID-3[2].4.2"),
    "dates": (lambda: with_ins(ins=INS + "^^20101207"), "ADT_INS_DATES", "PID-3[2].7"),
    "no place": (lambda: change("^^51215", "", with_ins()), "ADT_INS_INCOMPLETE", "PID-3[2]"),
    "no list": (lambda: change("^DOMINIQUE MARIE-LOUISE", "^", with_ins()), "ADT_INS_INCOMPLETE", "PID-3[2]"),
    "place": (lambda: change("^^51215", ""), "ADT_BIRTH_PLACE_MISSING", "PID-11[2].9"),
    "list": (lambda: change("^DOMINIQUE MARIE-LOUISE", "^"), "ADT_GIVEN_NAMES_MISSING", "PID-5[1].3"),
    "status": (lambda: change("|PROV\r", "|\r"), "ADT_STATUS_MISSING", "PID-32"),
    "profile": (lambda: change("2.5^FRA^2.11|", "2.5|"), "ADT_PROFILE", "MSH-12"),
    "charset": (lambda: change("|UNICODE UTF-8", "|"), "HL7_CHARSET_MISSING", "MSH-18"),
    "line ends": (lambda: ADMISSION.replace("\r", "\n"), "HL7_LINE_END", "message"),
    "last line end": (lambda: ADMISSION.rstrip("\r"), "HL7_LAST_LINE_END", "message"),
    "mark": (lambda: "\ufeff" + ADMISSION, "HL7_BOM", "message"),
    "PID-2": (lambda: change("PID|1||", "PID|1|x|"), "ADT_PID_FORBIDDEN", "PID-2"),
    "visit": (lambda: change("|2600012345^^^HOPITAL-DEMO&0B0127189&N^VN", "|0B0127189^^^H&0B0127189&N^VN"),
              "ADT_VISIT_NUMBER", "PV1-19.1"),
    "admission time": (lambda: change("|20260110090000+0100|||||||V", "||||||||V"), "ADT_ADMISSION_TIME", "PV1-44"),
    "discharge time": (lambda: change("|20260115100000+0100||||||V", "|||||||V", DISCHARGE),
                       "ADT_DISCHARGE_TIME", "PV1-45"),
    "class": (lambda: change("PV1|1|I|", "PV1|1|Z|"), "ADT_STAY_CLASS", "PV1-2"),
    "no ZBE": (lambda: ADMISSION[: ADMISSION.index("ZBE")], "ADT_ZBE_MISSING", "ZBE"),
    "shifted ZBE": (lambda: change("||INSERT", "|20260110||INSERT"), "ADT_ZBE_SHIFTED", "ZBE-3"),
    "ZBE action": (lambda: change("||INSERT", "||ADD"), "ADT_ZBE_ACTION", "ZBE-4"),
    "two IPP": (lambda: change("^PI|", "^PI~99^^^AUTRE&0B0000000&N^PI|"), "ADT_IPP_AUTHORITY", "PID-3[2].4"),
    "A08": (lambda: change("ADT^A01", "ADT^A08"), "ADT_EXCLUDED_EVENT", "MSH-9.2"),
}  # fmt: skip


@pytest.mark.parametrize("name", WARNED)
def test_what_is_wrong_but_clear_is_named_and_strict_refuses_it(name: str) -> None:
    make, code, path = WARNED[name]
    event = read(make())
    assert (code, path) in codes(event)
    finding = next(w for w in event.warnings if w.code == code)
    assert finding.rule
    assert finding.hint
    assert finding.source
    with pytest.raises(Hl7Error) as caught:
        read(make(), strict=True)
    assert code in {f.code for f in caught.value.report.errors}


REFUSED: dict[str, tuple[Fault, str, str]] = {
    "other event": (lambda: change("ADT^A01", "ADT^A40"), "ADT_TRIGGER", "MSH-9"),
    "other type": (lambda: change("ADT^A01", "ORU^R01"), "ADT_TRIGGER", "MSH-9"),
    "no PID": (lambda: ADMISSION.replace("PID|", "PIX|"), "ADT_SEGMENT_MISSING", "PID"),
    "no PV1": (lambda: ADMISSION.replace("PV1|", "PVX|"), "ADT_SEGMENT_MISSING", "PV1"),
    "no L name": (lambda: change("^Mme^^L", "^Mme^^S"), "ADT_NAME", "PID-5"),
    "no given name": (lambda: change("PAT-TROIS^DOMINIQUE^DOMINIQUE MARIE-LOUISE", "PAT-TROIS^^"), "ADT_NAME", "PID-5"),
    "list of others": (lambda: change("DOMINIQUE MARIE-LOUISE", "ANNE MARIE"), "ADT_NAME", "PID-5[1].2"),
    "control character": (lambda: change("|PAT-TROIS^", "|PAT\\X0D\\TROIS^"), "ADT_NAME", "PID-5[1]"),
    "no birth date": (lambda: change("|19790328|", "||"), "ADT_BIRTH_DATE", "PID-7"),
    "impossible date": (lambda: change("|19790328|", "|19790231|"), "ADT_BIRTH_DATE", "PID-7"),
    "year only": (lambda: change("|19790328|", "|1979|"), "ADT_BIRTH_DATE", "PID-7"),
    "sex": (lambda: change("|F|||28", "|O|||28"), "ADT_SEX", "PID-8"),
    "postal code as place": (lambda: change("^^51215", "^^5121"), "ADT_BIRTH_PLACE", "PID-11[2].9"),
    "no IPP": (lambda: change("^PI|", "^RI|"), "ADT_IPP", "PID-3"),
    "no visit": (lambda: change("|2600012345^^^HOPITAL-DEMO&0B0127189&N^VN", "|"), "ADT_VISIT", "PV1-19"),
    "time": (lambda: change("|20260110090000+0100|||||||V", "|demain|||||||V"), "ADT_TIME", "PV1-44"),
    "ends before": (lambda: change("|20260115100000+0100||||||V", "|20260109100000+0100||||||V", DISCHARGE),
                    "ADT_STAY", "PV1-45"),
    "MSH-2": (lambda: change("^~\\&", "^˜\\&"), "HL7_DELIMITERS", "MSH-2"),
    "charset": (lambda: change("UNICODE UTF-8", "UTF8"), "HL7_CHARSET", "MSH-18"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_one_clear_error(name: str) -> None:
    make, code, path = REFUSED[name]
    with pytest.raises(Hl7Error) as caught:
        read(make())
    error = caught.value
    assert (error.code, error.path) == (code, path)
    assert error.rule
    assert error.hint
    assert not {"PAT-TROIS", "1979", "2600012345", "1234567890121"} & set(str(error).replace("^", " ").split())


def test_lunar_dates_and_unknown_sex() -> None:
    lunar = read(change("ZFD||||N", "ZFD|0^0^1950|||N", change("|19790328|", "||")))
    assert lunar.patient.traits.birth_date == "1950-00-00"
    assert lunar.patient.traits.calendar_birth_date is None
    assert read(change("|F|||28", "|U|||28")).patient.traits.sex is Sex.UNKNOWN


def test_identity_events_have_no_stay() -> None:
    event = read(change("ADT^A01^ADT_A01", "ADT^A31^ADT_A05"))
    assert (event.trigger, event.stay, event.visit) == ("A31", None, None)


def test_our_authority_can_be_named() -> None:
    two = change("1234567890121^^^HOPITAL", "99^^^AUTRE&0B0000000&N^PI~1234567890121^^^HOPITAL")
    ipp = read(two, authority="HOPITAL-DEMO").patient.ipp
    assert ipp is not None
    assert ipp.value == "1234567890121"
    iso = change("1234567890121^^^HOPITAL-DEMO&0B0127189&N", "1^^^H&1.2.250.1.999&ISO")
    ipp = read(iso).patient.ipp
    assert ipp is not None
    assert ipp.root == "1.2.250.1.999"


def test_local_times_are_those_of_france() -> None:
    event = read(ADMISSION.replace("+0100", ""))
    assert event.admitted_at == datetime(2026, 1, 10, 9, tzinfo=PARIS)
    summer = read(ADMISSION.replace("20260110090000+0100", "20260710090000"))
    assert summer.admitted_at is not None
    assert summer.admitted_at.utcoffset() == datetime(2026, 7, 10, tzinfo=PARIS).utcoffset()
