"""Published HL7 v2 messages: lossless codec, and the admission samples with their defects named."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from sunes_sdk.errors import Hl7Error
from sunes_sdk.hl7v2 import AdtEvent, decode, encode, read_adt
from sunes_sdk.model import IdentityStatus, InsOid
from sunes_sdk.testing import samples as made

WINTER = timezone(timedelta(hours=1))


def read(data: bytes, *, strict: bool = False) -> AdtEvent:
    return read_adt(data, organization=made.hospital(), oids=made.settings().oids, strict=strict)


def found(event: AdtEvent) -> set[tuple[str, str]]:
    return {(w.code, w.path) for w in event.warnings}


def test_every_sample_is_encoded_as_it_came(samples: Path) -> None:
    files = [f for f in (samples / "hl7v2").rglob("*") if f.is_file()]
    assert len(files) >= 18
    for file in files:
        data = file.read_bytes()
        message = decode(data)
        assert encode(message) == data, file.name
        lines = data.decode().replace("\r", "\n").split("\n")
        assert [s.raw for s in message.segments] == [line for line in lines if line.strip()]


def test_the_cda_of_an_mdm_is_reachable(samples: Path) -> None:
    message = decode((samples / "hl7v2/mdm/Remplacement_message_MDM_CR_Radio_RPLC_N1.er7").read_bytes())
    assert message.get("OBX-5.4") == "Base64"
    assert base64.b64decode(message.get("OBX-5.5")).startswith(b"<ClinicalDocument")
    assert message.get("PRT[2]-15.4")


def test_sgl_admission_and_its_defects(samples: Path) -> None:
    event = read((samples / "hl7v2/sgl/admission.er7").read_bytes())
    assert found(event) == {
        ("HL7_LINE_END", "message"),  # LF in place of CR
        ("ADT_INS_DATES", "PID-3[2].7"),  # the INS carries 20101207
        ("ADT_VISIT_NUMBER", "PV1-19.1"),  # the FINESS in place of a visit number
        ("ADT_ADMISSION_TIME", "PV1-44"),  # empty
        ("INS_PLACE_MISMATCH", "traits.birth_place"),  # 63220 for a matricule of 51215
    }
    assert (event.trigger, event.control_id, event.feeding_opposed) == ("A01", "3975", False)
    patient, stay = event.patient, event.stay
    assert patient.status is IdentityStatus.QUALIFIEE  # VALI and an INS
    assert patient.ins is not None
    assert (patient.ins.value, patient.ins.oid) == ("279035121518989", InsOid.NIR_TEST)
    assert (patient.traits.birth_name, patient.traits.birth_given_names) == ("PAT-TROIS", "DOMINIQUE")
    assert (patient.traits.birth_date, patient.traits.sex, patient.traits.birth_place) == ("1979-03-28", "F", "63220")
    assert [(i.value, i.authority) for i in patient.identifiers] == [("000003", "CHU-X")]
    assert [(a.city, a.postal_code) for a in patient.addresses] == [("PARIS", "75007")]
    assert stay is not None
    assert (stay.unit, stay.unit_label, stay.admitted_at) == (
        "6268",
        "Chir V",
        datetime(2024, 3, 6, 11, 0, tzinfo=WINTER),  # the movement's time
    )
    assert stay.account is not None
    assert stay.account.value == "24000006"


def test_sgl_discharge_and_its_defects(samples: Path) -> None:
    event = read((samples / "hl7v2/sgl/sortie.er7").read_bytes())
    assert found(event) == {
        ("HL7_LINE_END", "message"),
        ("HL7_LAST_LINE_END", "message"),
        ("ADT_INS_DATES", "PID-3[2].7"),
        ("ADT_VISIT_NUMBER", "PV1-19.1"),
        ("ADT_ZBE_SHIFTED", "ZBE-3"),  # one field too many: the action is in ZBE-5
        ("ADT_ADMISSION_TIME", "PV1-44"),
        ("ADT_DISCHARGE_TIME", "PV1-45"),
        ("INS_PLACE_MISMATCH", "traits.birth_place"),
    }
    assert event.stay is None  # it does not say when the stay began
    assert event.visit is not None
    assert event.discharged_at == datetime(2024, 3, 6, 11, 11, 54, tzinfo=WINTER)
    admission = read((samples / "hl7v2/sgl/admission.er7").read_bytes())
    assert admission.stay is not None
    closed = event.closing(admission.stay)
    assert closed.is_closed
    assert (closed.admitted_at, closed.discharged_at) == (admission.stay.admitted_at, event.discharged_at)


def test_strict_refuses_what_lenient_names(samples: Path) -> None:
    for name in ("admission.er7", "sortie.er7"):
        data = (samples / "hl7v2/sgl" / name).read_bytes()
        lenient = {w.code for w in read(data).warnings if not w.code.startswith("INS_")}
        with pytest.raises(Hl7Error) as caught:
            read(data, strict=True)
        assert {f.code for f in caught.value.report.errors} == lenient
        assert "PAT-TROIS" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "opposed"),
    [
        ("ConsentementConsultation_NonOppositionAlimentation", False),
        ("NonConsentementConsultation_NonOppositionAlimentation", False),
        ("NonConsentementConsultation_OppositionAlimentation", True),
        ("NonRecueillieConsentementConsultation_NonOppositionAlimentation", False),
        ("NonRecueillieConsentementConsultation_NonRecueillieOppositionAlimentation", None),
    ],
)
def test_consent_samples(samples: Path, name: str, opposed: bool | None) -> None:
    event = read((samples / f"hl7v2/consentement/{name}.er7").read_bytes())
    assert event.feeding_opposed is opposed
    assert event.patient.identity.is_qualified
    assert event.stay is not None


def test_other_messages_are_refused_clearly(samples: Path) -> None:
    with pytest.raises(Hl7Error) as caught:
        read((samples / "hl7v2/zam/reception_dmp.er7").read_bytes())
    assert (caught.value.code, caught.value.path) == ("ADT_TRIGGER", "MSH-9")
