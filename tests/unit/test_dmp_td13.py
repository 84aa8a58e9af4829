"""TD1.3a, TD1.3b and TD1.4: administrative data read, changed, and a record closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree

from sunes_sdk._core.errors import DmpError, MetadataError, ModelError
from sunes_sdk._core.xml import parse
from sunes_sdk.dmp import td13, td14
from sunes_sdk.dmp.hl7v3 import ContactPoint, MessageIds, PatientId, PersonName, PostalAddress, Sender
from sunes_sdk.dmp.td13 import AdministrativeData
from sunes_sdk.dmp.user import author_of_actor, user_of
from sunes_sdk.model import Ins, InsOid
from sunes_sdk.settings import DmpPaths, DmpSettings
from sunes_sdk.testing import samples as people
from sunes_sdk.testing.pki import TestPki

H = "{urn:hl7-org:v3}"
INS = Ins.of("207058575627097", InsOid.NIR_TEST)
SENDER = Sender(device_oid="1.2.3", software="DPI", production=True)
IDS = MessageIds(message_uuid="m", query_uuid="q", at=datetime(2026, 1, 15, 10, 30, tzinfo=UTC))
REGISTRAR = td13.Registrar(
    id="899900063480", family="LIBRE", given="MAX", specialty=("SM26", "1.2.250.1.71.4.2.5", "Médecine <générale>"),
    structure_id="499900063480001", structure_name="CABINET & CO",
)  # fmt: skip
DATA = AdministrativeData(
    ids=(PatientId(root=INS.oid, value=INS.value),),
    name=PersonName(prefix="M", given="LAURENCE", birth_family="D'ÂGE & <FILS>"),
    telecoms=(ContactPoint(value="tel:+33601020304", use="MC"), ContactPoint(value="mailto:a&b@c.fr")),
    sex="F",
    birth_date="19790300",
    address=PostalAddress(
        lines=("20 rue <X>", "bât. B"), locator="Résidence", postal_code="75005", city="Paris", country="France"
    ),
    opposes_break_glass=True,
    opposes_emergency=False,
)


def person_of(request: bytes) -> etree._Element:
    found = parse(request).find(f".//{H}patientPerson")
    assert found is not None
    return found


def revised(data: AdministrativeData) -> bytes:
    return td13.revise_body(INS, data, REGISTRAR, SENDER, IDS)


# --- requests ---------------------------------------------------------------------------------------------------------


def test_production_says_so() -> None:
    for sender, code in ((SENDER, "P"), (replace(SENDER, production=False), "D")):
        found = parse(td13.read_body(INS, sender, IDS)).find(f"{H}processingCode")
        assert found is not None
        assert found.get("code") == code


def test_what_is_sent_is_what_would_be_read() -> None:
    """Our reader on our own message: nothing lost, nothing doubled by escaping."""
    request = parse(revised(DATA))
    patient = next(request.iter(f"{H}patient"))
    answer = parse(answered_308(etree.tostring(patient).decode()))
    assert td13.read_decode(answer, INS) == DATA


def test_a_usual_name_that_is_not_known_is_written_so() -> None:
    families = person_of(revised(DATA)).findall(f"{H}name/{H}family")
    assert [(f.get("qualifier"), f.text) for f in families] == [("SP", "NON RENSEIGNE"), ("BR", "D'ÂGE & <FILS>")]


def test_what_is_not_known_is_not_sent() -> None:
    request = revised(AdministrativeData(name=PersonName(usual_family="X")))
    assert [etree.QName(e).localname for e in person_of(request)] == ["name"]
    assert b"administrativeObservation" not in request
    contact = td13.Contact(relationship="FTH", name=PersonName(family="Y"), telecoms=(), address=None)
    assert revised(replace(DATA, contacts=(contact,))) == revised(DATA)


def test_the_author_is_the_user_of_the_vihf(pki: TestPki) -> None:
    actor = people.physician().at(people.hospital())
    settings = DmpSettings(
        base_url="https://dmp.test/", paths=DmpPaths(repository="r", registry="r", patients="p"), tls=pki.tls,
        signing=pki.signing.signing(), source_id="1.2", device_oid="1.2", authn_context="x",
    )  # fmt: skip
    by = td13.registrar_of(author_of_actor(actor), user_of(actor, settings))
    assert (by.id, by.family, by.given) == ("801234567897", "DAVID", "Charles")
    assert by.specialty[:2] == ("SM27", "1.2.250.1.71.4.2.5")
    assert by.specialty[2]
    assert (by.structure_id, by.structure_name) == ("10B0127189", "Hôpital de démonstration")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"telecoms": (ContactPoint(value="0601020304"),)}, "TELECOM"),
        ({"telecoms": (ContactPoint(value="tel:06 01"),)}, "TELECOM"),
        ({"telecoms": (ContactPoint(value="tel:0601020304", use="?"),)}, "MODEL_LITERAL_ERROR"),
        ({"birth_date": "1979-03-28"}, "DMP_BIRTH_DATE"),
        ({"birth_date": '1979"/>'}, "DMP_BIRTH_DATE"),
    ],
)
def test_changes_have_their_form(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(ModelError) as caught:
        revised(replace(DATA, **changes))
    assert caught.value.code == code
    assert "0601020304" not in str(caught.value)


@pytest.mark.parametrize(
    "ids",
    [
        (PatientId(root=InsOid.NIR_TEST, value="153078987658513"),),
        (PatientId(root=InsOid.NIR, value=INS.value),),
    ],
)
def test_the_data_of_another_patient_do_not_leave(ids: tuple[PatientId, ...]) -> None:
    with pytest.raises(MetadataError) as caught:
        revised(replace(DATA, ids=ids))
    assert caught.value.code == "DMP_PATIENT_MISMATCH"
    assert INS.value not in str(caught.value)


def test_a_closing_gives_its_reason() -> None:
    request = parse(td14.body(INS, DATA.name, REGISTRAR, SENDER, IDS, reason="AUTRE&"))
    codes = {etree.QName(e).localname: e.get("code") for e in request.iter(f"{H}reasonCode", f"{H}statusCode")}
    assert codes == {"reasonCode": "FERM", "statusCode": "terminated"}
    (event,) = request.iter(f"{H}detectedIssueEvent")
    (code,) = event.findall(f"{H}code")
    assert (code.get("code"), code.get("codeSystem")) == ("AUTRE&", "1.2.250.1.213.4.1.2.4")
    assert event.findtext(f"{H}text") == "AUTRE&"


# --- answers ----------------------------------------------------------------------------------------------------------


def answered_308(patient: str, *, ack: str = "AA", code: str = "OK") -> bytes:
    subject = f"<subject><registrationEvent><subject1>{patient}</subject1></registrationEvent></subject>"
    return (
        f'<PRPA_IN201308UV02 xmlns="urn:hl7-org:v3"><acknowledgement typeCode="{ack}"/><controlActProcess>'
        f'{subject if patient else ""}<queryAck><queryResponseCode code="{code}"/></queryAck></controlActProcess>'
        "</PRPA_IN201308UV02>"
    ).encode()


def patient_of(ins: str = INS.value, status: str = "active", person: str = "<patientPerson/>") -> str:
    ids = f'<id root="{INS.oid.value}" extension="{ins}"/>' if ins else ""
    return f'<patient>{ids}<statusCode code="{status}"/>{person}</patient>'


def test_data_that_say_little() -> None:
    data = td13.read_decode(parse(answered_308(patient_of(status="terminated"))), INS, ("W",))
    assert data == AdministrativeData(
        ids=(PatientId(root=INS.oid, value=INS.value),), is_open=False, name=PersonName(), warnings=("W",)
    )


def test_data_do_not_show() -> None:
    whole = td13.read_decode(
        parse(
            answered_308(
                patient_of(
                    person='<patientPerson><name><prefix>M</prefix><given>LAURENCE</given><family qualifier="SP">QUATRE'
                    '</family></name><telecom use="MC" value="tel:0601020304"/><administrativeGenderCode code="F"/>'
                    '<birthTime value="19070525"/><deceasedInd value="true"/><addr><streetAddressLine>1, rue du Chat'
                    "</streetAddressLine><additionalLocator>RDC</additionalLocator><city>PARIS</city></addr>"
                    '<personalRelationship><code code="FTH"/><telecom value="tel:0923456789"/><relationshipHolder1>'
                    "<name><given>Jean</given><family>REPLEG</family></name></relationshipHolder1>"
                    "</personalRelationship></patientPerson>"
                )
            )
        ),
        INS,
    )
    assert whole.deceased is True
    assert whole.contacts[0].name.family == "REPLEG"
    for secret in (
        INS.value, "LAURENCE", "QUATRE", "0601020304", "19070525", "Chat", "RDC", "PARIS", "0923456789", "Jean",
        "REPLEG", "deceased",
    ):  # fmt: skip
        assert secret not in repr(whole)


@pytest.mark.parametrize(
    ("xml", "code"),
    [
        (answered_308("", code="NF"), "DMP_NO_RECORD"),
        (answered_308(""), "DMP_ANSWER"),
        (answered_308(patient_of(person="")), "DMP_ANSWER"),
        (answered_308(patient_of(ins="153078987658513")), "DMP_PATIENT_MISMATCH"),
        (answered_308(patient_of(), ack="AE"), "DMP_REFUSED"),
        (answered_308(patient_of(), ack=""), "DMP_ANSWER"),
        (b"<html/>", "DMP_ANSWER"),
    ],
)
def test_answers_that_give_no_data(xml: bytes, code: str) -> None:
    with pytest.raises(DmpError) as caught:
        td13.read_decode(parse(xml), INS)
    assert caught.value.code == code
    assert caught.value.hint_fr
    assert "153078987658513" not in str(caught.value)


def answered_314(inner: str) -> bytes:
    return (
        '<r:PRPA_IN201314UV02_Response xmlns:r="asip:ci-sis:gdp:2010" xmlns="urn:hl7-org:v3">'
        f"{inner}</r:PRPA_IN201314UV02_Response>"
    ).encode()


def accepted(patient: str, ack: str = "AA") -> bytes:
    return answered_314(
        f'<PRPA_IN201315UV02><acknowledgement typeCode="{ack}"/><subject1>{patient}</subject1></PRPA_IN201315UV02>'
    )


def test_a_change_that_is_accepted() -> None:
    for ins in (INS.value, ""):  # the official answers name no patient
        assert td13.revise_decode(parse(accepted(patient_of(ins))), INS).is_open
        assert not td14.decode(parse(accepted(patient_of(ins, "terminated"))), INS, ("W",)).is_open


def refused_316(detail: str) -> bytes:
    return answered_314(
        f'<PRPA_IN201316UV02><acknowledgement typeCode="AE">{detail}</acknowledgement></PRPA_IN201316UV02>'
    )


CLOSED = '<acknowledgementDetail><code code="DMPClosed"/><text>DMP de M. DUPONT</text></acknowledgementDetail>'


@pytest.mark.parametrize(
    ("xml", "code", "remote"),
    [
        (refused_316(CLOSED), "DMP_REFUSED", "DMPClosed"),
        (refused_316(""), "DMP_REFUSED", "AE"),
        (accepted(patient_of(), ack="AE"), "DMP_REFUSED", "AE"),
        (accepted(patient_of(), ack=""), "DMP_ANSWER", ""),
        (accepted(patient_of(status="")), "DMP_ANSWER", ""),
        (accepted(""), "DMP_ANSWER", ""),
        (accepted(patient_of("153078987658513")), "DMP_PATIENT_MISMATCH", ""),
        (answered_314(""), "DMP_ANSWER", ""),
        (answered_314("<other/>"), "DMP_ANSWER", ""),
        (b"<html><body/></html>", "DMP_ANSWER", ""),
    ],
)
def test_a_change_that_is_not(xml: bytes, code: str, remote: str) -> None:
    with pytest.raises(DmpError) as caught:
        td13.revise_decode(parse(xml), INS)
    assert (caught.value.code, caught.value.remote_code) == (code, remote)
    assert "DUPONT" not in f"{caught.value} {caught.value!r}"


def test_an_agreement_to_close_that_leaves_open_is_none() -> None:
    with pytest.raises(DmpError) as caught:
        td14.decode(parse(accepted(patient_of())), INS)
    assert caught.value.code == "DMP_ANSWER"
