"""hl7apy judges the PID that we write, field by field, and reads the values that we meant."""

from __future__ import annotations

import importlib
from datetime import date
from typing import Any

import pytest

from sunes_sdk.hl7v2.er7 import segment, unescape
from sunes_sdk.hl7v2.pid import write_identity
from sunes_sdk.model import Address, Identifier, Identity, Patient, Telecom, Traits
from sunes_sdk.settings import Environment
from sunes_sdk.testing import samples as made

MSH = segment(
    "MSH", {3: "A", 5: "B", 7: "20260110090500", 9: "", 10: "1", 11: "T", 12: "2.5", 18: "UNICODE UTF-8"}
).replace("||1|T|", "|ADT^A28^ADT_A05|1|T|")  # fmt: skip
EVN, PV1 = "EVN||20260110090500", "PV1|1|N"
ODD = "É|^~\\&'\"Ω"


@pytest.fixture(scope="module")
def hl7apy() -> Any:
    pytest.importorskip("hl7apy")
    return importlib.import_module("hl7apy.parser")


def full() -> Patient:
    return made.patient(
        identifiers=(
            *made.patient().identifiers,
            Identifier(value="77", root="1.2.3", authority="CLINIQUE", type_code="PI"),
        ),
        addresses=(*made.patient().addresses, Address(lines=("1 rue A", "Bât. B", "33000 BORDEAUX"), use="TMP")),
        telecoms=(Telecom(value="tel:+33612345678"), Telecom(value="fax:+33144534551"), Telecom(value="mailto:a@b.fr")),
        deceased=True,
        deceased_at=date(2026, 1, 12),
        multiple_birth=True,
        birth_order=2,
    )


def odd() -> Patient:
    traits = Traits(
        **dict(made.traits()) | {"birth_name": ODD, "birth_given_names": f"{ODD} B", "first_given_name": ODD}
    )
    return made.patient(
        identity=Identity(traits=traits), used_name=ODD, birth_city=ODD, addresses=(Address(city=ODD),),
        identifiers=(Identifier(value=ODD, root="1.2.3", authority="A", type_code="PI"),),
    )  # fmt: skip


PATIENTS = {
    "qualified": made.patient(),
    "full": full(),
    "odd": odd(),
    "provisional": made.patient(identity=Identity(traits=made.traits()), telecoms=(), addresses=()),
}


def parsed(hl7apy: Any, pid: str, *, strict: bool = True) -> Any:
    from hl7apy.consts import VALIDATION_LEVEL

    level = VALIDATION_LEVEL.STRICT if strict else VALIDATION_LEVEL.TOLERANT
    return hl7apy.parse_message("".join(f"{s}\r" for s in (MSH, EVN, pid, PV1)), validation_level=level)


@pytest.mark.parametrize("name", PATIENTS)
def test_hl7apy_finds_our_pid_valid(hl7apy: Any, name: str) -> None:
    pid = write_identity(PATIENTS[name], environment=Environment.FAKE).pid
    message = parsed(hl7apy, pid)
    assert message.validate()
    assert message.pid.to_er7() == pid


def test_hl7apy_refuses_a_pid_that_is_wrong(hl7apy: Any) -> None:
    from hl7apy.exceptions import HL7apyException

    pid = write_identity(made.patient(), environment=Environment.FAKE).pid
    for wrong in (pid.replace("|19790328|", "|28/03/1979|"), pid.replace("|F|", "|F~M|"), pid + "|" * 9 + "X"):
        assert wrong != pid
        with pytest.raises((HL7apyException, ValueError)):
            parsed(hl7apy, wrong).validate()


@pytest.mark.parametrize("name", PATIENTS)
def test_hl7apy_reads_what_we_meant(hl7apy: Any, name: str) -> None:
    patient = PATIENTS[name]
    pid = parsed(hl7apy, write_identity(patient, environment=Environment.FAKE).pid).pid
    traits = patient.traits

    def said(element: Any) -> str:
        return unescape(element.to_er7())

    birth = pid.pid_5[0]
    assert said(birth.xpn_1) == traits.birth_name
    assert (said(birth.xpn_2), said(birth.xpn_3), said(birth.xpn_7)) == (
        traits.first_given_name, traits.birth_given_names, "L",
    )  # fmt: skip
    assert (said(pid.pid_7), said(pid.pid_8)) == (traits.birth_date.replace("-", ""), traits.sex.value)
    assert said(pid.pid_11[-1].xad_9) == traits.birth_place
    assert said(pid.pid_11[-1].xad_7) == "BDL"
    numbers = {said(cx.cx_1): (said(cx.cx_4.hd_2), said(cx.cx_5)) for cx in pid.pid_3}
    expected = {i.value: (i.root, "PI") for i in patient.identifiers}
    if patient.identity.is_qualified and patient.ins:
        expected[patient.ins.value] = (patient.ins.oid.value, "INS")
    assert numbers == expected
    assert said(pid.pid_32[0]) == ("VALI" if patient.identity.is_qualified else "PROV")
