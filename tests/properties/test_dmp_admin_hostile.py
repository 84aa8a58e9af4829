"""Administrative messages of the DMP: whatever text goes in comes out, whatever is done to an answer is an error of
ours or a value, and never shows who the patient is."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from sunes_sdk._core.errors import SunesError
from sunes_sdk._core.xml import parse
from sunes_sdk.dmp import td02, td03, td04, td05, td13, td14, td16
from sunes_sdk.dmp.hl7v3 import MessageIds, PersonName, PostalAddress, Sender
from sunes_sdk.model import Ins, InsOid
from sunes_sdk.transport import soap
from sunes_sdk.transport.masked_frame import mask_body

H = "{urn:hl7-org:v3}"
INS = Ins.of("207058575627097", InsOid.NIR_TEST)
IDS = MessageIds(message_uuid="m", query_uuid="q", at=datetime(2026, 1, 15, tzinfo=UTC))
REGISTRAR = td13.Registrar(
    id="8", family="F", given="G", specialty=("SM26", "1.2", "L"), structure_id="1", structure_name="S"
)
TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), min_size=1, max_size=60
).filter(lambda text: text == text.strip())


def accept(_: Ins) -> None:
    """Every environment."""


# --- requests ---------------------------------------------------------------------------------------------------------


@given(family=TEXT, given_name=TEXT, city=TEXT, software=TEXT)
def test_criteria_are_never_markup(family: str, given_name: str, city: str, software: str) -> None:
    sender = Sender(device_oid="1.2", software=software, production=False)
    criteria = td05.PatientCriteria(family=family, given=given_name, city=city)
    request = parse(td05.body(criteria, sender, IDS))
    assert request.findtext(f".//{H}livingSubjectName/{H}value/{H}family") == family
    assert request.findtext(f".//{H}livingSubjectName/{H}value/{H}given") == given_name
    assert request.findtext(f".//{H}patientAddress/{H}value/{H}city") == city
    assert request.findtext(f"{H}sender/{H}device/{H}softwareName") == software
    plain = td05.body(td05.PatientCriteria(family="A", given="B", city="C"), replace(sender, software="x"), IDS)
    assert [e.tag for e in request.iter()] == [e.tag for e in parse(plain).iter()]


@given(usual=TEXT, line=TEXT, structure=TEXT, specialty=TEXT)
def test_changes_are_never_markup(usual: str, line: str, structure: str, specialty: str) -> None:
    by = replace(REGISTRAR, structure_name=structure, specialty=("SM26", "1.2", specialty))
    data = td13.AdministrativeData(name=PersonName(usual_family=usual), address=PostalAddress(lines=(line,)))
    sender = Sender(device_oid="1.2", software="x", production=False)
    request = parse(td13.revise_body(INS, data, by, sender, IDS))
    assert request.findtext(f".//{H}patientPerson/{H}name/{H}family") == usual
    assert request.findtext(f".//{H}streetAddressLine") == line
    assert request.findtext(f".//{H}representedOrganization/{H}name") == structure
    (code,) = request.iterfind(f".//{H}assignedEntity/{H}code")
    assert code.get("displayName") == specialty
    closing = parse(td14.body(INS, data.name, by, sender, IDS, reason=usual))
    assert closing.findtext(f".//{H}detectedIssueEvent/{H}text") == usual


# --- answers ----------------------------------------------------------------------------------------------------------

PERSON = (
    '<name><prefix>PFX</prefix><given>LAURENCE</given><family qualifier="SP">USUEL</family>'
    '<family qualifier="BR">NAISSANCE</family></name><telecom use="MC" value="tel:0601020304"/>'
    '<administrativeGenderCode code="F"/><birthTime value="19070525"/><deceasedInd value="false"/>'
    "<addr><streetAddressLine>1 RUE CHAT</streetAddressLine><city>SECLIN</city></addr>"
    '<personalRelationship><code code="FTH"/><relationshipHolder1><name><family>REPLEG</family></name>'
    "</relationshipHolder1></personalRelationship>"
)
SECRETS = (
    INS.value, "LAURENCE", "USUEL", "NAISSANCE", "0601020304", "19070525", "RUE CHAT", "SECLIN", "REPLEG", "MAXIME",
)  # fmt: skip
PATIENT = (
    f'<patient><id root="{INS.oid.value}" extension="{INS.value}"/><statusCode code="STATUS"/>'
    f"<patientPerson>{PERSON}</patientPerson><subjectOf1><queryMatchObservation>"
    '<value value="87"/></queryMatchObservation></subjectOf1><subjectOf2><administrativeObservation>'
    '<code code="OPPOSITION_ACCES_URGENCE"/><value value="true"/></administrativeObservation></subjectOf2></patient>'
)
ACK = (
    '<acknowledgement typeCode="AA"><acknowledgementDetail><code code="X"/><text>LAURENCE USUEL</text>'
    "</acknowledgementDetail></acknowledgement>"
)
ACT = (
    f"<controlActProcess><subject><registrationEvent><subject1>{PATIENT}</subject1></registrationEvent></subject>"
    '<queryAck><queryResponseCode code="OK"/><resultRemainingQuantity value="0"/></queryAck></controlActProcess>'
)


def hl7(name: str, content: str, status: str = "active") -> str:
    return f'<{name} xmlns="urn:hl7-org:v3">{content}</{name}>'.replace('"STATUS"', f'"{status}"')


def revised(status: str) -> str:
    inner = hl7("PRPA_IN201315UV02", ACK + ACT.partition("<queryAck>")[0] + "</controlActProcess>", status)
    return f'<r:PRPA_IN201314UV02_Response xmlns:r="asip:ci-sis:gdp:2010">{inner}</r:PRPA_IN201314UV02_Response>'


def specific(name: str, kind: str, rows: str) -> str:
    return (
        f'<{name} xmlns="urn:si-dmp-{kind}"><output>{rows}<status>DMPOk</status><context>LAURENCE</context></output>'
        f"</{name}>"
    )


ANSWERS: dict[str, tuple[str, Callable[[etree._Element], object]]] = {
    "TD0.2": (hl7("PRPA_IN201308UV02", ACK + ACT), lambda element: td02.decode(element, INS)),
    "TD0.3": (specific("setAuthorizationResponse", "habilitations", ""), td03.decode),
    "TD0.4": (
        specific(
            "patientListResponse",
            "patients",
            f"<patientlistData><patientIdentifier><nationalId>{INS.value}</nationalId><nationalIdType>"
            f"{INS.oid.value}</nationalIdType></patientIdentifier><lastName>USUEL</lastName><firstName>LAURENCE"
            "</firstName><dateOfBirth>19070525</dateOfBirth><MT>true</MT><message>false</message><lastAccessDate>"
            "20260115103000</lastAccessDate></patientlistData>",
        ),
        lambda element: td04.decode(element, accept),
    ),
    "TD0.5": (hl7("PRPA_IN201306UV02", ACK + ACT), lambda element: td05.decode(element, accept)),
    "TD1.3a": (hl7("PRPA_IN201308UV02", ACK + ACT), lambda element: td13.read_decode(element, INS)),
    "TD1.3b": (revised("active"), lambda element: td13.revise_decode(element, INS)),
    "TD1.4": (revised("terminated"), lambda element: td14.decode(element, INS)),
    "TD1.6": (
        specific(
            "listAuthorizationByPatientResponse",
            "habilitations",
            "<listOfAuthorizationByPatient><nationalId>899</nationalId><firstName>MAXIME</firstName><lastName>MAXIME"
            "</lastName><codeSpeciality>A</codeSpeciality><libSpeciality>B</libSpeciality><startOfAuthorization>"
            "20260115103000</startOfAuthorization><mode>ACTIVE</mode><specificRight>MEDECIN_TRAITANT</specificRight>"
            "</listOfAuthorizationByPatient>",
        ),
        td16.decode,
    ),
}


def spoiled(root: etree._Element) -> Iterator[etree._Element]:
    """Each element taken away, doubled, emptied, put in another namespace; each attribute and text changed."""
    for n, _ in enumerate(root.iter()):
        for change in range(6):
            tree = copy.deepcopy(root)
            element = list(tree.iter())[n]
            parent = element.getparent()
            if change == 0 and parent is not None:
                parent.remove(element)
            elif change == 1 and parent is not None:
                parent.append(copy.deepcopy(element))
            elif change == 2:
                for child in list(element):
                    element.remove(child)
            elif change == 3:
                element.tag = "{urn:other}x"
            elif change == 4:
                element.text = "é\u00a0" * 1000
            else:
                element.append(etree.Comment("c"))
            yield tree
        for name in list(root.iter())[n].attrib:
            for value in (None, "", "9" * 5000, "other"):
                tree = copy.deepcopy(root)
                element = list(tree.iter())[n]
                del element.attrib[name]
                if value is not None:
                    element.set(name, value)
                yield tree


def outcome(decode: Callable[[etree._Element], object], answer: etree._Element) -> str:
    """What would be printed: a value, or an error with its code. Another exception fails the test."""
    try:
        return repr(decode(answer))
    except SunesError as e:
        return f"{e} {e!r}"


@pytest.mark.parametrize("transaction", ANSWERS)
def test_a_spoiled_answer_is_a_value_or_a_coded_error(transaction: str) -> None:
    text, decode = ANSWERS[transaction]
    root = parse(text.encode())
    whole = decode(root)
    assert not any(secret in repr(whole) for secret in SECRETS)
    outcomes = set()
    for tree in spoiled(root):
        said = outcome(decode, tree)
        outcomes.add(said[:40])
        assert not any(secret in said for secret in SECRETS), said
    assert len(outcomes) > 1  # some changes are seen


@pytest.mark.parametrize("transaction", ANSWERS)
def test_a_masked_frame_shows_no_patient(transaction: str) -> None:
    frame = soap.envelope(action="a", message_id="m", body=ANSWERS[transaction][0].encode())
    masked = mask_body(soap.content_type("a"), frame).decode()
    assert "soap:Body" in masked
    assert not any(secret in masked for secret in SECRETS)


SAME_MESSAGE = {frozenset({"TD0.2", "TD1.3a"}), frozenset({"TD1.3b", "TD1.4"})}


@pytest.mark.parametrize("transaction", ANSWERS)
def test_the_answer_to_another_call_is_a_coded_error(transaction: str) -> None:
    _, decode = ANSWERS[transaction]
    others = [text for name, (text, _) in ANSWERS.items() if frozenset({name, transaction}) not in SAME_MESSAGE]
    others.remove(ANSWERS[transaction][0])
    for other in (*others, "<html><body>Bad gateway</body></html>", "<x/>"):
        assert outcome(decode, parse(other.encode())).startswith(("DMP_ANSWER", "DMP_TD02"))
