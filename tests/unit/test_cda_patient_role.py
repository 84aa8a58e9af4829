"""`patientRole` alone: the same as in a document, read back into the same patient, the INS by the gate only."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunes_sdk.cda import Issuer, read, read_patient_role, write_patient_role
from sunes_sdk.errors import CdaError, InsError, XmlSecurityError
from sunes_sdk.model import (
    Address,
    Guardian,
    Identifier,
    Identity,
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

ISSUER = Issuer(oid_root=made.DOCUMENT_ROOT)
V3 = "urn:hl7-org:v3"
S = IdentityStatus
FULL: dict[str, Any] = {
    "birth_country": "FRANCE", "birth_site": "Maternité", "deceased": True, "multiple_birth": True, "birth_order": 2,
    "deceased_at": datetime(2026, 1, 12, 3, 4, 5, tzinfo=UTC),
    "guardians": (Guardian(family="MARTIN", given="Luc", relationship="FTH"),),
}  # fmt: skip


def bare(patient: Patient) -> Patient:
    """Without what a CDA does not say: names of authorities, types of identifiers, statuses but PROV and QUAL."""
    identity = Identity(
        traits=patient.traits,
        status=S.QUALIFIEE if patient.identity.is_qualified else S.PROVISOIRE,
        ins=patient.ins if patient.identity.is_qualified else None,
    )
    ids = tuple(Identifier(value=i.value, root=i.root) for i in patient.identifiers)
    return patient.model_copy(update={"identity": identity, "identifiers": ids})


TEXTS = st.text("AÉœß'-ʼ<>&\"日 ", min_size=1, max_size=12).map(lambda t: f"L{t.strip()}")


@st.composite
def patients(draw: st.DrawFn) -> Patient:
    status = draw(st.sampled_from(S))
    changes = {
        "birth_name": draw(TEXTS),
        # what is not known is 00; a day that no month has cannot be written in a CDA
        "birth_date": draw(st.sampled_from(["1979-03-28", "1950-00-00", "1950-07-00", "2000-02-29"])),
        "sex": draw(st.sampled_from(Sex)),
        "birth_place": draw(st.sampled_from(["75056", "2A004", "97411", "99352", "99999"])),
    }
    return made.patient(
        identity=Identity(
            traits=Traits(**dict(made.traits()) | changes),
            status=status,
            ins=made.ins() if status in (S.RECUPEREE, S.QUALIFIEE) else None,
        ),
        used_name=draw(st.none() | TEXTS),
        used_given_name=draw(st.none() | TEXTS),
        birth_city=draw(st.none() | TEXTS),
        addresses=draw(st.sampled_from([(), made.patient().addresses, (Address(lines=("8 rue A", "33000 B")),)])),
        telecoms=draw(st.sampled_from([(), made.patient().telecoms, (Telecom(value="mailto:a@exemple.fr"),)])),
        **draw(st.sampled_from([{}, FULL])),
    )


@given(patients())
def test_what_is_written_is_read_back(patient: Patient) -> None:
    assert read_patient_role(write_patient_role(patient, ISSUER)) == bare(patient)


@pytest.mark.parametrize(
    "patient",
    [made.patient(), made.patient(**FULL), made.patient(deceased=True, deceased_at=date(2026, 1, 12))],
)
def test_it_is_what_a_document_holds(patient: Patient) -> None:
    assert read_patient_role(write_patient_role(patient, ISSUER)) == bare(patient)
    document = made.discharge_letter(patient=patient).render(ISSUER)
    alone = write_patient_role(patient, ISSUER).decode()
    inside = alone.replace(f' xmlns="{V3}" xmlns:sdtc="urn:hl7-org:sdtc"', "")
    assert f"<recordTarget>{inside}</recordTarget>".encode() in document.content
    assert read_patient_role(alone.encode()) == read(document.content).typed().patient


@pytest.mark.parametrize("status", S)
def test_the_ins_goes_by_the_gate(status: IdentityStatus) -> None:
    ins = made.ins() if status in (S.RECUPEREE, S.QUALIFIEE) else None
    patient = made.patient(identity=Identity(traits=made.traits(), status=status, ins=ins))
    written = write_patient_role(patient, ISSUER)
    assert (made.ins().value.encode() in written) is (status is S.QUALIFIEE)
    assert read_patient_role(written).ins == (ins if status is S.QUALIFIEE else None)


def test_an_ins_of_another_environment_is_refused() -> None:
    production = Issuer(oid_root=made.DOCUMENT_ROOT, environment=Environment.PRODUCTION)
    with pytest.raises(InsError, match="ENVIRONMENT_IDENTITY"):
        write_patient_role(made.patient(), production)
    with pytest.raises(CdaError, match="CDA_PATIENT_ID"):
        write_patient_role(made.patient(identity=Identity(traits=made.traits()), identifiers=()), ISSUER)


def test_a_waiting_number_beside_the_ins_is_no_local_identifier() -> None:
    nia = Ins(matricule=Matricule(value="279035121518989"), oid=InsOid.NIA)
    written = write_patient_role(made.patient(), ISSUER)
    both = written.replace(b"<id ", f'<id extension="{nia.value}" root="{nia.oid}"/><id '.encode(), 2)
    read_back = read_patient_role(both)
    assert [i.value for i in read_back.identifiers] == ["1234567890121"]
    assert read_back.identity.is_qualified


@pytest.mark.parametrize(
    ("data", "error", "code"),
    [
        (b"<patientRole/>", CdaError, "CDA_NOT_CDA"),
        (f'<patientRole xmlns="{V3}"/>'.encode(), CdaError, "CDA_NOT_TYPED"),
        (b"<patientRole", XmlSecurityError, "XML"),
        (b'<!DOCTYPE p [<!ENTITY e "x">]><p>&e;</p>', XmlSecurityError, "XML"),
        (write_patient_role(made.patient(), ISSUER).replace(b"19790328", b"19"), CdaError, "CDA_NOT_TYPED"),
        (write_patient_role(made.patient(), ISSUER).replace(b'code="F"', b'code="X"'), CdaError, "CDA_NOT_TYPED"),
        (write_patient_role(made.patient(), ISSUER).replace(b"51215", b""), CdaError, "CDA_NOT_TYPED"),
        (write_patient_role(made.patient(), ISSUER).replace(b"279035121518989", b"27903"), CdaError, "CDA_NOT_TYPED"),
    ],
)
def test_bad_input_is_one_coded_error_without_a_trait(data: bytes, error: type[Exception], code: str) -> None:
    with pytest.raises(error, match=code) as caught:
        read_patient_role(data)
    assert "PAT-TROIS" not in str(caught.value)
