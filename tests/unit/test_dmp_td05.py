"""TD0.5: criteria as asked, patients as found, answers that are none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree

from sunes_sdk._core.errors import DmpError, InsError, ModelError
from sunes_sdk._core.xml import parse
from sunes_sdk.dmp import td05
from sunes_sdk.dmp.hl7v3 import MessageIds, PersonName, PostalAddress, Sender
from sunes_sdk.dmp.td05 import PatientCriteria
from sunes_sdk.model import Environment, Ins, InsOid, Sex, check_environment

H = "{urn:hl7-org:v3}"
SENDER = Sender(device_oid="1.2.3", software="DPI & fils <1>", production=False)
IDS = MessageIds(message_uuid="m", query_uuid="q", at=datetime(2026, 1, 15, tzinfo=UTC))
MATRICULE = "207058575627097"


def accept(_: Ins) -> None:
    """Every environment."""


def parameters(criteria: PatientCriteria) -> etree._Element:
    found = parse(td05.body(criteria, SENDER, IDS)).find(f".//{H}parameterList")
    assert found is not None
    return found


def test_the_name_alone() -> None:
    found = parameters(PatientCriteria(family="L'ÉPÉE & <FILS>"))
    assert [etree.QName(e).localname for e in found] == ["livingSubjectName"]
    assert found.findtext(f"{H}livingSubjectName/{H}value/{H}family") == "L'ÉPÉE & <FILS>"
    assert found.find(f"{H}livingSubjectName/{H}value/{H}given") is None


def test_every_criterion() -> None:
    found = parameters(
        PatientCriteria(
            family="A", given="B", birth_date="19570628", sex=Sex.FEMALE, postal_code="59113", city="SECLIN"
        )
    )
    assert [etree.QName(e).localname for e in found] == [
        "livingSubjectAdministrativeGender", "livingSubjectBirthTime", "livingSubjectName", "patientAddress",
    ]  # fmt: skip
    assert [e.findtext(f"{H}semanticsText") for e in found] == [
        "LivingSubject.administrativeGender", "LivingSubject.birthTime", "LivingSubject.name", "Patient.addr",
    ]  # fmt: skip
    values = [e.find(f"{H}value") for e in found]
    assert values[0] is not None
    assert values[1] is not None
    assert values[3] is not None
    assert (values[0].get("code"), values[1].get("value")) == ("F", "19570628")
    assert (values[3].findtext(f"{H}city"), values[3].findtext(f"{H}postalCode")) == ("SECLIN", "59113")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"family": ""}, "family"), ({"family": " A"}, "family"), ({"family": "A" * 101}, "family"),
        ({"given": "B\n"}, "given"), ({"city": "C" * 101}, "city"), ({"postal_code": " "}, "postal_code"),
        ({"birth_date": "1957-06-28"}, "birth_date"), ({"birth_date": "1957"}, "birth_date"),
    ],
)  # fmt: skip
def test_criteria_have_their_form(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(ModelError) as caught:
        PatientCriteria(**({"family": "DECHAINE"} | changes))
    assert (caught.value.code, caught.value.path) == ("DMP_CRITERIA", f"criteria.{path}")
    assert "DECHAINE" not in str(caught.value)


def test_criteria_do_not_show() -> None:
    text = repr(PatientCriteria(family="DECHAINE", given="IRENE", birth_date="19570628", sex=Sex.FEMALE, city="SECLIN"))
    assert text == "PatientCriteria()"


# --- answers ----------------------------------------------------------------------------------------------------------

PATIENT = (
    f'<patient><id root="1.2.250.1.213.1.4.10" extension="{MATRICULE}"/><id root="1.2.250.1.213.1.4.2" extension="14"/>'
    '<statusCode code="active"/><patientPerson><name><prefix>Mme</prefix><given>IRENE</given>'
    '<family qualifier="SP">NON RENSEIGNE</family><family qualifier="BR">DECHAINE</family></name>'
    '<administrativeGenderCode code="F"/><birthTime value="19570628"/><addr/><addr><city>SECLIN</city></addr>'
    '</patientPerson><subjectOf1><queryMatchObservation><value value="87"/></queryMatchObservation></subjectOf1>'
    '<subjectOf2><administrativeObservation><code code="OPPOSITION_ACCES_URGENCE"/><value value="true"/>'
    "</administrativeObservation></subjectOf2></patient>"
)


def answered(
    patients: str = PATIENT, *, ack: str = '<typeCode code="AA"/>', code: str = "OK", remaining: str = "0"
) -> bytes:
    subjects = f"<subject><registrationEvent><subject1>{patients}</subject1></registrationEvent></subject>"
    return (
        f'<PRPA_IN201306UV02 xmlns="urn:hl7-org:v3"><acknowledgement>{ack}</acknowledgement><controlActProcess>'
        f'{subjects if patients else ""}<queryAck><queryResponseCode code="{code}"/>'
        f'<resultRemainingQuantity value="{remaining}"/></queryAck></controlActProcess></PRPA_IN201306UV02>'
    ).encode()


def test_a_patient_is_read() -> None:
    found = td05.decode(parse(answered()), accept, ("W",))
    (patient,) = found
    assert found.warnings == ("W",)
    assert found.complete
    assert patient.ins == Ins.of(MATRICULE, InsOid.NIR_TEST)
    assert patient.name == PersonName(prefix="Mme", given="IRENE", birth_family="DECHAINE")
    assert (patient.birth_date, patient.sex, patient.match_percent) == ("19570628", "F", 87)
    assert patient.address == PostalAddress(city="SECLIN")
    assert patient.opposes_emergency is True
    assert patient.is_open
    for secret in (MATRICULE, "IRENE", "DECHAINE", "19570628", "SECLIN", "Mme"):
        assert secret not in repr(patient)


def test_nothing_found_and_more_than_given() -> None:
    assert td05.decode(parse(answered("", code="NF")), accept) == ()
    more = td05.decode(parse(answered(remaining="12")), accept)
    assert (more.complete, more.warnings) == (False, ("DMP_INCOMPLETE",))


@pytest.mark.parametrize("written", ["", "101", "-1", "9" * 5000, "1e2", "٣"])
def test_a_percentage_is_one(written: str) -> None:
    (patient,) = td05.decode(parse(answered(PATIENT.replace('"87"', f'"{written}"'))), accept)
    assert patient.match_percent is None


def test_a_patient_of_another_environment_is_refused() -> None:
    with pytest.raises(InsError) as caught:
        td05.decode(
            parse(answered(PATIENT.replace(InsOid.NIR_TEST, InsOid.NIR))),
            lambda ins: check_environment(ins, Environment.INTEGRATION),
        )
    assert caught.value.code == "ENVIRONMENT_IDENTITY"


@pytest.mark.parametrize(
    ("xml", "code", "remote"),
    [
        (answered(ack='<typeCode code="AE"/>'), "DMP_REFUSED", "OK"),
        (answered(code="AE"), "DMP_REFUSED", "AE"),
        (
            answered(
                ack='<typeCode code="AE"/><acknowledgementDetail><code code="DMPAccessDeniedByRightsService"/>'
                "<text>M. DUPONT</text></acknowledgementDetail>"
            ),
            "DMP_REFUSED",
            "DMPAccessDeniedByRightsService",
        ),
        (answered(ack=""), "DMP_ANSWER", ""),
        (answered(code=""), "DMP_ANSWER", ""),
        (answered().replace(b"201306", b"201308"), "DMP_ANSWER", ""),
        (b"<html/>", "DMP_ANSWER", ""),
    ],
)
def test_answers_that_are_none(xml: bytes, code: str, remote: str) -> None:
    with pytest.raises(DmpError) as caught:
        td05.decode(parse(xml), accept)
    assert (caught.value.code, caught.value.remote_code) == (code, remote)
    assert "DUPONT" not in f"{caught.value} {caught.value!r}"
    assert caught.value.hint_fr
