"""The fake DMP answers the administrative calls as the contract says, and refuses what the real one refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from sunes_sdk.dmp import DmpClient
from sunes_sdk.model import Code, Ins, InsOid
from sunes_sdk.testing import samples
from sunes_sdk.testing.dmp_caller import CallAnswer, DmpCaller
from sunes_sdk.testing.dmp_store import Authorization
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import STRUCTURE, TestPki

HL7 = "urn:hl7-org:v3"
RIGHTS = "urn:si-dmp-habilitations"
SPECIFIC = "urn:si-dmp-patients"
SET = f"{RIGHTS}:HabilitationsEndPoint:setAuthorization"
LIST = f"{RIGHTS}:HabilitationsEndPoint:listAuthorizationByPatient"
PATIENTS = f"{SPECIFIC}:PatientSpecificEndPoint:patientList"
DENIED = "DMPAccessDeniedByRightsService"


@pytest.fixture(scope="module")
def shared(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as dmp:
        yield dmp


@pytest.fixture
def dmp(shared: FakeDmp, pki: TestPki) -> FakeDmp:
    shared.clear()
    shared.forget_patients()
    shared.open_dmp(samples.ins(), traits=samples.traits(), usual_family="PAT", attached_to_ens=False)
    return shared


@pytest.fixture
def caller(dmp: FakeDmp, pki: TestPki) -> Iterator[DmpCaller]:
    with DmpCaller(dmp, pki) as caller:
        yield caller


@pytest.fixture
def establishment(dmp: FakeDmp, pki: TestPki) -> Iterator[DmpCaller]:
    with DmpCaller(dmp, pki, mode="INDIRECTE") as caller:
        yield caller


def refused(answer: CallAnswer, code: str, text: str) -> None:
    assert answer.status == "Fault"
    assert answer.code.rpartition(":")[2] == code
    assert text in answer.text


def body_of(answer: CallAnswer) -> etree._Element:
    assert answer.body is not None
    return answer.body


def purpose(code: str) -> Code:
    return Code(code=code, system="1.2.250.1.213.1.1.4.248", display="Accès")


def texts(answer: CallAnswer) -> dict[str, str]:
    """Last text of each element, by local name."""
    assert answer.body is not None
    return {etree.QName(e).localname: (e.text or "") for e in answer.body.iter() if isinstance(e.tag, str)}


def message(interaction: str, act: str) -> str:
    return (
        f'<{interaction} xmlns="{HL7}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ITSVersion="XML_1.0">'
        f'<id root="1.2.3" extension="m1"/><creationTime value="20260115"/>'
        f'<interactionId root="2.16.840.1.113883.1.6" extension="{interaction}"/><processingCode code="D"/>'
        '<processingModeCode code="T"/><acceptAckCode code="AL"/><receiver typeCode="RCV"><device classCode="DEV"'
        ' determinerCode="INSTANCE"><id root="1.2.250.1.213.4.1.1.1"/></device></receiver><sender typeCode="SND">'
        '<device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.3"/></device></sender>'
        f'<controlActProcess classCode="CACT" moodCode="EVN">{act}</controlActProcess></{interaction}>'
    )


# --- TD0.3, TD1.6 -----------------------------------------------------------------------------------------------------


def authorization(fields: str) -> str:
    return f'<setAuthorization xmlns="{RIGHTS}">{fields}</setAuthorization>'


ADD, REMOVE = "<action>AJOUT</action>", "<action>SUPPRESSION</action>"
ATTENDING = "<role>MEDECIN_TRAITANT</role>"


def test_an_authorisation_is_set_once_and_again(dmp: FakeDmp, caller: DmpCaller) -> None:
    first = texts(caller.send(SET, authorization(ADD)))
    assert (first["status"], first["context"]) == ("DMPOk", "autorisation ajoutée")
    again = texts(caller.send(SET, authorization(ADD)))
    assert (again["status"], again["context"]) == ("DMPOk", "l'autorisation existait déjà")
    assert [a.holder for a in held(dmp)] == [STRUCTURE]
    assert texts(caller.send(SET, authorization(ADD + ATTENDING)))["context"] == "autorisation ajoutée"
    assert held(dmp)[0].attending
    caller.send(SET, authorization(REMOVE + ATTENDING))
    assert [a.attending for a in held(dmp)] == [False]
    assert texts(caller.send(SET, authorization(REMOVE)))["context"] == "autorisation supprimée"
    assert texts(caller.send(SET, authorization(REMOVE)))["context"] == "il n'y avait pas d'autorisation"
    assert held(dmp) == ()


def held(dmp: FakeDmp) -> tuple[Authorization, ...]:
    patient = dmp.patient(samples.ins())
    assert patient is not None
    return patient.authorizations


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (authorization(""), "AJOUT or SUPPRESSION"),
        (authorization("<action>SUPPR</action>"), "AJOUT or SUPPRESSION"),
        (authorization(ADD + "<role>MT</role>"), "MEDECIN_TRAITANT"),
        (authorization(ATTENDING + ADD), "out of order"),
        (authorization(ADD + ADD), "given twice"),
        (authorization(ADD.replace("<action>", '<action xmlns="">')), "unexpected action"),
        (authorization("<droit/>"), "unexpected droit"),
        (authorization(ADD).replace("setAuthorization", "setAuthorisation"), "unknown body"),
    ],
)
def test_an_authorisation_that_is_wrong(caller: DmpCaller, body: str, text: str) -> None:
    refused(caller.send(SET, body), "Sender", text)


def test_who_may_not_set_an_authorisation(dmp: FakeDmp, pki: TestPki, establishment: DmpCaller) -> None:
    refused(establishment.send(SET, authorization(ADD)), DENIED, "an establishment does not set")
    refused(establishment.send(LIST, listing("TOUTE")), DENIED, "an establishment does not list")
    for emergency in ("bris_de_glace", "centre_15"):
        with DmpCaller(dmp, pki, purpose=purpose(emergency)) as caller:
            refused(caller.send(SET, authorization(ADD)), DENIED, f"PurposeOfUse is {emergency}")
            refused(caller.send(LIST, listing("TOUTE")), DENIED, f"PurposeOfUse is {emergency}")
    nurse = (samples.loinc("60", "Infirmier").model_copy(update={"system": "1.2.250.1.71.1.2.7"}),)
    with DmpCaller(dmp, pki, roles=nurse) as caller:
        refused(caller.send(SET, authorization(ADD + ATTENDING)), DENIED, "is a doctor")
    dmp.block(samples.ins())
    with DmpCaller(dmp, pki) as caller:
        refused(caller.send(SET, authorization(ADD)), DENIED, "blocked")
        dmp.close_dmp(samples.ins())
        refused(caller.send(SET, authorization(ADD)), "DMPClosed", "closed")


def listing(mode: str) -> str:
    return f'<listAuthorizationByPatient xmlns="{RIGHTS}"><mode>{mode}</mode></listAuthorizationByPatient>'


def test_authorisations_are_listed(dmp: FakeDmp, caller: DmpCaller) -> None:
    dmp.authorize(samples.ins(), "801234567890", attending=True, family="<LEROY>", specialty=("SM26", "MG"))
    dmp.block(samples.ins(), "801111111111")
    for mode, found in (("ACTIVE", ["801234567890"]), ("INTERDITE", ["801111111111"]), ("TOUTE", None)):
        answer = caller.send(LIST, listing(mode))
        assert answer.body is not None
        ids = [e.text for e in answer.body.iter(f"{{{RIGHTS}}}nationalId")]
        assert ids == (found or ["801234567890", "801111111111"])
    first = texts(caller.send(LIST, listing("ACTIVE")))
    assert (first["lastName"], first["specificRight"], first["mode"]) == ("<LEROY>", "MEDECIN_TRAITANT", "ACTIVE")
    refused(caller.send(LIST, listing("ALL")), "Sender", "TD1.6: mode")
    refused(caller.send(LIST, listing("TOUTE").replace("ByPatient", "")), "Sender", "unknown body")


# --- TD0.4 ------------------------------------------------------------------------------------------------------------


def patients(since: str, kind: str) -> str:
    return (
        f'<patientList xmlns="{SPECIFIC}"><startDate>{since}</startDate><dateType>{kind}</dateType></patientList>'
    )  # fmt: skip


def test_patients_who_gave_access(dmp: FakeDmp, pki: TestPki) -> None:
    with DmpCaller(dmp, pki, ins_cx=None) as caller:
        assert "nationalId" not in texts(caller.send(PATIENTS, patients("20260101000000", "LASTAUTORIZATION")))
        dmp.authorize(samples.ins())
        found = texts(caller.send(PATIENTS, patients("20260101000000", "LASTAUTORIZATION")))
        assert (found["nationalId"], found["lastName"], found["MT"]) == (samples.ins().value, "PAT", "false")
        assert "nationalId" not in texts(caller.send(PATIENTS, patients("29990101000000", "LASTAUTORIZATION")))
        assert "nationalId" not in texts(caller.send(PATIENTS, patients("20260101000000", "LASTDOC")))
        actor = samples.physician().at(samples.hospital())
        with DmpClient(samples.settings(dmp=dmp.settings()), actor=actor) as client:
            client.submit(samples.discharge_letter().render(samples.issuer()))
        assert "nationalId" in texts(caller.send(PATIENTS, patients("20260101000000", "LASTDOC")))
        for body, text in (
            (patients("2026", "LASTDOC"), "startDate"),
            (patients("20260101000000", "LAST"), "dateType"),
            (patients("20260101000000", "LASTDOC").replace("patientList", "patientsList"), "unknown body"),
        ):
            refused(caller.send(PATIENTS, body), "Sender", text)
    with DmpCaller(dmp, pki, ins_cx=None, purpose=purpose("centre_15")) as regulation:
        body = patients("20260101000000", "LASTAUTORIZATION")
        refused(regulation.send(PATIENTS, body), DENIED, "PurposeOfUse is centre_15")
    with DmpCaller(dmp, pki, mode="INDIRECTE", ins_cx=None) as establishment:
        assert "nationalId" in texts(establishment.send(PATIENTS, patients("20260101000000", "LASTAUTORIZATION")))
        refused(establishment.send(PATIENTS, patients("20260101000000", "LASTDOC")), DENIED, "new authorisations only")


# --- TD0.5 ------------------------------------------------------------------------------------------------------------


def criteria(family: str = "PAT-TROIS", given: str = "DOMINIQUE", birth: str = "19790328", sex: str = "F") -> str:
    return message(
        "PRPA_IN201305UV02",
        '<code code="PRPA_TE201305UV02" codeSystem="2.16.840.1.113883.1.6"/><queryByParameter>'
        '<queryId root="1.2.3" extension="q1"/><statusCode code="new"/><parameterList>'
        f'<livingSubjectAdministrativeGender><value code="{sex}"/><semanticsText>LivingSubject.administrativeGender'
        f'</semanticsText></livingSubjectAdministrativeGender><livingSubjectBirthTime><value value="{birth}"/>'
        "<semanticsText>LivingSubject.birthTime</semanticsText></livingSubjectBirthTime><livingSubjectName><value>"
        f"<family>{family}</family><given>{given}</given></value><semanticsText>LivingSubject.name</semanticsText>"
        "</livingSubjectName></parameterList></queryByParameter>",
    )


SEARCH = f"{HL7}:PRPA_IN201305UV02"


def test_a_patient_is_found_by_traits(dmp: FakeDmp, pki: TestPki) -> None:
    with DmpCaller(dmp, pki, ins_cx=None) as caller:
        refused(caller.send(SEARCH, criteria()), DENIED, "PurposeOfUse is normal")
    with DmpCaller(dmp, pki, ins_cx=None, purpose=purpose("centre_15")) as caller:
        for found in (criteria(), criteria(family="pat"), criteria(family="Pat-Trois")):
            answer = caller.send(SEARCH, found)
            assert answer.body is not None
            ids = [e.get("extension") for e in answer.body.iterfind(f".//{{{HL7}}}patient/{{{HL7}}}id")]
            assert ids == [samples.ins().value]
        for other in (criteria(family="X"), criteria(given="X"), criteria(birth="19790329"), criteria(sex="M")):
            answer = caller.send(SEARCH, other)
            assert answer.body is not None
            (code,) = answer.body.iter(f"{{{HL7}}}queryResponseCode")
            assert code.get("code") == "NF"
        dmp.close_dmp(samples.ins())
        assert b'"NF"' in etree.tostring(body_of(caller.send(SEARCH, criteria())))


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("queryId", "id", "queryId"),
        ("livingSubjectName", "subjectName", "livingSubjectName"),
        ("livingSubjectBirthTime", "birthTime", "livingSubjectBirthTime"),
        ("<semanticsText>LivingSubject.name</semanticsText>", "", "lacks semanticsText"),
        ('"PRPA_IN201305UV02"', '"PRPA_IN201307UV02"', "interactionId"),
        ('processingCode code="D"', 'processingCode code="P"', "processingCode"),
        ("controlActProcess", "act", "controlActProcess"),
    ],
)
def test_a_search_of_a_patient_that_is_wrong(dmp: FakeDmp, pki: TestPki, old: str, new: str, text: str) -> None:
    body = criteria()
    assert old in body
    with DmpCaller(dmp, pki, ins_cx=None, purpose=purpose("centre_15")) as caller:
        refused(caller.send(SEARCH, body.replace(old, new)), "Sender", text)


# --- TD0.2, TD1.3, TD1.4 ----------------------------------------------------------------------------------------------


def about(reason: str, ins: str = samples.ins().value) -> str:
    return message(
        "PRPA_IN201307UV02",
        f'<reasonCode code="{reason}" codeSystem="1.2.250.1.213.1.1.4.11"/><queryByParameter>'
        '<queryId root="1.2.3" extension="q1"/><statusCode code="new"/><parameterList><dataSource xsi:nil="true"/>'
        f'<patientIdentifier><value root="1.2.250.1.213.1.4.10" extension="{ins}"/><semanticsText>Patient.id'
        "</semanticsText></patientIdentifier></parameterList></queryByParameter>",
    )


ABOUT = f"{HL7}:PRPA_IN201307UV02"
REVISE = f"{HL7}:PRPA_IN201314UV02"


def test_existence_says_the_state_of_the_authorisation(dmp: FakeDmp, caller: DmpCaller) -> None:
    def state() -> list[str | None]:
        answer = caller.send(ABOUT, about("TEST_EXST"))
        assert answer.body is not None
        values = answer.body.iterfind(f"{{{HL7}}}attentionLine/{{{HL7}}}value")
        return [v.get("code") or v.get("value") for v in values]

    assert state() == ["INEXISTANTE", "false"]
    dmp.authorize(samples.ins(), attending=True)
    assert state() == ["VALIDE", "true"]
    dmp.block(samples.ins())
    assert state() == ["INTERDITE", "false"]


def test_existence_tells_no_traits(caller: DmpCaller) -> None:
    answer = caller.send(ABOUT, about("TEST_EXST"))
    assert answer.body is not None
    assert b"TROIS" not in etree.tostring(answer.body)


def test_administrative_data(dmp: FakeDmp, caller: DmpCaller) -> None:
    dmp.open_dmp(samples.ins(), traits=samples.traits(), break_glass=False)
    answer = caller.send(ABOUT, about("CNSLT_DATA"))
    assert answer.body is not None
    text = etree.tostring(answer.body, encoding="unicode")
    assert "PAT-TROIS" in text
    assert re.search('OPPOSITION_BRIS_DE_GLACE"[^>]*><value [^>]*value="true"', text)
    assert re.search('OPPOSITION_ACCES_URGENCE"[^>]*><value [^>]*value="false"', text)
    dmp.close_dmp(samples.ins())
    refused(caller.send(ABOUT, about("CNSLT_DATA")), "DMPClosed", "closed")


def revised(reason: str, *, inner: str = "", ins: str = samples.ins().value) -> str:
    return message(
        "PRPA_IN201314UV02",
        f'<reasonCode code="{reason}" codeSystem="1.2.250.1.213.1.1.4.11"/><subject typeCode="SUBJ">'
        '<registrationRequest classCode="REG" moodCode="RQO"><statusCode code="active"/><subject1 typeCode="SBJ">'
        f'<patient classCode="PAT"><id root="1.2.250.1.213.1.4.10" extension="{ins}"/><statusCode code="active"/>'
        '<patientPerson classCode="PSN" determinerCode="INSTANCE"><name><given>DOMINIQUE</given>'
        '<family qualifier="SP">NOUVEAU</family></name><telecom value="tel:0102030405"/>'
        "<addr><streetAddressLine>1 rue &lt;A&gt;</streetAddressLine>"
        "<city>PARIS</city><unknown>x</unknown></addr></patientPerson>"
        f"{inner}</patient></subject1></registrationRequest></subject>",
    )


CLOSING = (
    '<subjectOf typeCode="SBJ"><administrativeObservation classCode="OBS" moodCode="EVN"><code code="MOTIF"/>'
    '<value xsi:type="CV" code="FERMETURE_DEMANDE_PATIENT" codeSystem="1.2.250.1.213.4.1.2.4"/>'
    "</administrativeObservation></subjectOf>"
)


def test_data_are_revised(dmp: FakeDmp, caller: DmpCaller) -> None:
    answer = caller.send(REVISE, revised("MODIF"))
    assert answer.body is not None
    assert answer.body.tag == "{asip:ci-sis:gdp:2010}PRPA_IN201314UV02_Response"
    patient = dmp.patient(samples.ins())
    assert patient is not None
    assert (patient.usual_family, patient.telecoms) == ("NOUVEAU", ("tel:0102030405",))
    assert patient.address == (("streetAddressLine", "1 rue <A>"), ("city", "PARIS"))
    shown = texts(caller.send(ABOUT, about("CNSLT_DATA")))
    assert (shown["streetAddressLine"], shown["city"]) == ("1 rue <A>", "PARIS")
    assert patient.is_open


def test_oppositions_are_revised(dmp: FakeDmp, caller: DmpCaller) -> None:
    opposed = CLOSING.replace("MOTIF", "OPPOSITION_BRIS_DE_GLACE").replace("<value ", '<value value="true" ')
    caller.send(REVISE, revised("MODIF_DATA", inner=opposed))
    patient = dmp.patient(samples.ins())
    assert patient is not None
    assert (patient.break_glass, patient.emergency, patient.family) == (False, True, "PAT-TROIS")


def test_a_dmp_of_mon_espace_sante_is_its_patients(dmp: FakeDmp, caller: DmpCaller) -> None:
    dmp.open_dmp(samples.ins())
    for body in (revised("MODIF_DATA"), revised("FERM", inner=CLOSING)):
        refused(caller.send(REVISE, body), DENIED, "Mon espace santé")


def test_a_dmp_is_closed(dmp: FakeDmp, caller: DmpCaller) -> None:
    refused(caller.send(REVISE, revised("FERM")), "Sender", "TD1.4: a reason")
    assert caller.send(REVISE, revised("FERM", inner=CLOSING)).body is not None
    patient = dmp.patient(samples.ins())
    assert patient is not None
    assert (patient.is_open, patient.closing_reason) == (False, "FERMETURE_DEMANDE_PATIENT")
    refused(caller.send(REVISE, revised("MODIF")), "DMPClosed", "closed")


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (revised(""), "Sender", "reasonCode"),
        (revised("MODIF", ins="207058575627097"), "XDSPatientIdDoesNotMatch", "VIHF"),
        (revised("MODIF").replace("subject1", "subject2"), "Sender", "subject1"),
        (re.sub("<patientPerson.*</patientPerson>", "", revised("MODIF")), "Sender", "patientPerson"),
        (revised("MODIF").replace('ITSVersion="XML_1.0"', ""), "Sender", "unknown body"),
    ],
)
def test_a_revision_that_is_wrong(caller: DmpCaller, body: str, code: str, text: str) -> None:
    refused(caller.send(REVISE, body), code, text)


def test_a_call_about_a_patient_names_one(dmp: FakeDmp, pki: TestPki) -> None:
    with DmpCaller(dmp, pki, ins_cx=None) as caller:
        for action, body in ((SET, authorization(ADD)), (LIST, listing("TOUTE")), (ABOUT, about("TEST_EXST"))):
            refused(caller.send(action, body), "InvalidSecurity", "resource-id")


def test_patients_without_dmp(dmp: FakeDmp, pki: TestPki) -> None:
    with DmpCaller(dmp, pki, ins=Ins.of("207058575627097", InsOid.NIR_TEST)) as caller:
        refused(caller.send(SET, authorization(ADD)), "XDSUnknownPatientId", "no DMP")
        refused(caller.send(LIST, listing("TOUTE")), "XDSUnknownPatientId", "no DMP")
        refused(caller.send(ABOUT, about("CNSLT_DATA", "207058575627097")), "XDSUnknownPatientId", "no DMP")


# --- the contract -----------------------------------------------------------------------------------------------------


def schema_of(wsdl: Path) -> etree.XMLSchema:
    """The schema written inside a WSDL."""
    (schema,) = etree.parse(str(wsdl)).iter("{http://www.w3.org/2001/XMLSchema}schema")
    return etree.XMLSchema(etree.fromstring(etree.tostring(schema)))


@pytest.mark.samples
def test_answers_are_valid_for_the_contract(dmp: FakeDmp, pki: TestPki, request: pytest.FixtureRequest) -> None:
    contract = request.getfixturevalue("samples") / "dmp" / "contract"
    dmp.authorize(samples.ins(), "801234567890", attending=True, family="LEROY", specialty=("SM26", "MG"))
    rights, specific = (schema_of(contract / "wsdl" / f"{n}.wsdl") for n in ("Habilitations", "PatientsSpecific"))

    def hl7(year: str, name: str) -> etree.XMLSchema:
        path = contract / "schema" / "HL7V3" / year / "multicacheschemas" / f"{name}.xsd"
        return etree.XMLSchema(etree.parse(str(path)))

    with DmpCaller(dmp, pki) as caller:
        for body, action in ((authorization(ADD), SET), (listing("TOUTE"), LIST)):
            rights.assertValid(body_of(caller.send(action, body)))
        specific.assertValid(body_of(caller.send(PATIENTS, patients("20260101000000", "LASTAUTORIZATION"))))
        demographics = hl7("NE2009", "PRPA_IN201308UV02")
        for reason in ("TEST_EXST", "CNSLT_DATA"):
            demographics.assertValid(body_of(caller.send(ABOUT, about(reason))))
        found = hl7("NE2008", "PRPA_IN201306UV02")
        with DmpCaller(dmp, pki, purpose=purpose("centre_15")) as regulation:
            for family in ("PAT-TROIS", "X"):
                found.assertValid(body_of(regulation.send(SEARCH, criteria(family=family))))
        answer = caller.send(REVISE, revised("MODIF"))
        assert answer.body is not None
        hl7("NE2009", "PRPA_IN201315UV02").assertValid(answer.body[0])
