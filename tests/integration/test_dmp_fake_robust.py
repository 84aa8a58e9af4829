"""No request breaks the fake DMP: each element and attribute of each body is taken away in turn, and what is left is
answered or refused."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from lxml import etree

from sunes_sdk._core.xml import parse
from sunes_sdk.dmp import DmpClient
from sunes_sdk.testing import dmp_admin, dmp_repository, dmp_rules, samples
from sunes_sdk.testing import dmp_update as life_cycle
from sunes_sdk.testing.dmp_answers import Reply
from sunes_sdk.testing.dmp_registry import FIND_DOCUMENTS, FIND_SETS, GET_DOCUMENTS, Registry
from sunes_sdk.testing.dmp_rules import TEST_INS_OID, Caller, Refused
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import STRUCTURE, TestPki

NOW = "20260115093000"
RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
CALLER = Caller(
    user=samples.physician().national_id,
    structure=STRUCTURE,
    signer=STRUCTURE,
    sector="SA01",
    ins=samples.ins().value,
    ins_oid=TEST_INS_OID,
    message_id="",
    assertion_id="",
    mode="INDIRECTE_RENFORCEE",
    profession="10",
)


@pytest.fixture(scope="module")
def fed(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as dmp:
        dmp.open_dmp(samples.ins(), traits=samples.traits(), attached_to_ens=False)
        dmp.authorize(samples.ins())
        actor = samples.physician().at(samples.hospital())
        with DmpClient(samples.settings(dmp=dmp.settings()), actor=actor) as client:
            client.submit(samples.discharge_letter().render(samples.issuer()))
        yield dmp


def weakened(root: etree._Element) -> Iterator[etree._Element]:
    """The message with one element, one attribute, or one text less."""
    for index, element in enumerate(root.iter()):
        if not isinstance(element.tag, str):
            continue
        for name in element.attrib:
            for value in (None, "", "x"):
                changed = copy.deepcopy(root)
                place = list(changed.iter())[index]
                if value is None:
                    del place.attrib[name]
                else:
                    place.set(name, value)
                yield changed
        if element.text:
            changed = copy.deepcopy(root)
            list(changed.iter())[index].text = None
            yield changed
        if index:
            changed = copy.deepcopy(root)
            place = list(changed.iter())[index]
            parent = place.getparent()
            assert parent is not None
            parent.insert(parent.index(place), etree.Comment("here"))
            parent.remove(place)
            yield changed


def survives(body: str | bytes, serve: Callable[[etree._Element], object], least: int) -> None:
    root = parse(body.encode() if isinstance(body, str) else body)
    count = refused = 0
    for changed in weakened(root):
        count += 1
        try:
            serve(changed)
        except Refused:
            refused += 1
    assert count >= least
    assert refused


def query(query_id: str, *slots: tuple[str, str]) -> str:
    text = "".join(
        f'<rim:Slot name="{name}"><rim:ValueList><rim:Value>{value}</rim:Value></rim:ValueList></rim:Slot>'
        for name, value in slots
    )
    return (
        '<q:AdhocQueryRequest xmlns:q="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"'
        f' xmlns:rim="{RIM}"><q:ResponseOption returnComposedObjects="true" returnType="LeafClass"/>'
        f'<rim:AdhocQuery id="{query_id}">{text}</rim:AdhocQuery></q:AdhocQueryRequest>'
    )


@pytest.mark.parametrize(
    "body",
    [
        query(
            FIND_DOCUMENTS,
            ("$XDSDocumentEntryStatus", "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')"),
            ("$XDSDocumentEntryPatientId", "'279035121518989^^^&amp;1.2.250.1.213.1.4.10&amp;ISO^NH'"),
            ("$XDSDocumentEntryCreationTimeFrom", "2026"),
            ("$XDSDocumentEntryAuthorPerson", "('%[%')"),
        ),
        query(FIND_SETS, ("$XDSSubmissionSetStatus", "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')")),
        query(GET_DOCUMENTS, ("$XDSDocumentEntryUniqueId", "('1.2.3')")),
    ],
)
def test_stored_queries(fed: FakeDmp, body: str) -> None:
    registry = Registry(fed._store)

    def serve(changed: etree._Element) -> None:
        parse(registry.answer(changed, CALLER).write("Success", "").encode())

    survives(body, serve, 15)


def test_retrieving(fed: FakeDmp) -> None:
    body = (
        '<RetrieveDocumentSetRequest xmlns="urn:ihe:iti:xds-b:2007"><DocumentRequest><RepositoryUniqueId>'
        "1.2.250.1.213.4.1.1.1.2</RepositoryUniqueId><DocumentUniqueId>1.2.3</DocumentUniqueId></DocumentRequest>"
        "</RetrieveDocumentSetRequest>"
    )
    survives(body, lambda e: dmp_repository.retrieve(fed._store, e, CALLER, inline=True), 4)


def test_submissions(fed: FakeDmp) -> None:
    """What is accepted after a loss (a label, a comment) is checked by nobody."""
    stored = fed.documents[0]
    contents = {"Document01": stored.content, "Signature01": stored.signature}

    def serve(changed: etree._Element) -> None:
        holder = etree.Element("holder")
        holder.append(changed)
        received = dmp_rules.read_submission(holder, contents)
        dmp_rules.check_submission(received, CALLER)
        dmp_rules.check_cda(received.entries[0], parse(stored.content), CALLER)

    survives(stored.metadata, serve, 400)


def test_updates(fed: FakeDmp) -> None:
    stored = fed.documents[0]
    root = etree.fromstring(stored.metadata)
    (package,) = root.iter(f"{{{RIM}}}RegistryPackage")
    for identifier in package.iter(f"{{{RIM}}}ExternalIdentifier"):
        if (identifier.get("identificationScheme") or "").startswith("urn:uuid:96fdda7c"):
            identifier.set("value", "1.2.3.4")
    text = etree.tostring(package, encoding="unicode")
    body = (
        f'<lcm:SubmitObjectsRequest xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0" xmlns:rim="{RIM}">'
        f'<rim:RegistryObjectList>{text}<rim:Association id="a1" sourceObject="SubmissionSet01"'
        ' associationType="urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus"'
        f' targetObject="{stored.entry_uuid}"><rim:Slot name="OriginalStatus"><rim:ValueList>'
        "<rim:Value>urn:asip:ci-sis:2010:StatusType:Archived</rim:Value></rim:ValueList></rim:Slot>"
        '<rim:Slot name="NewStatus"><rim:ValueList><rim:Value>urn:asip:ci-sis:2010:StatusType:Deleted</rim:Value>'
        "</rim:ValueList></rim:Slot></rim:Association></rim:RegistryObjectList></lcm:SubmitObjectsRequest>"
    )
    registry = Registry(fed._store)
    survives(
        body, lambda e: life_cycle.update(fed._store, registry, e, CALLER, now=NOW, keep_bytes=True), 80
    )  # fmt: skip
    assert fed.documents[0] == stored


def message(interaction: str, act: str) -> str:
    return (
        f'<{interaction} xmlns="urn:hl7-org:v3" ITSVersion="XML_1.0"><id root="1.2.3" extension="m1"/>'
        f'<interactionId root="2.16.840.1.113883.1.6" extension="{interaction}"/><processingCode code="D"/>'
        '<processingModeCode code="T"/><acceptAckCode code="AL"/><receiver><device><id root="1.2.250.1.213.4.1.1.1"/>'
        '</device></receiver><sender><device><id root="1.2.3"/></device></sender>'
        f"<controlActProcess>{act}</controlActProcess></{interaction}>"
    )


INS = '<value root="1.2.250.1.213.1.4.10" extension="279035121518989"/>'
RIGHTS, SPECIFIC = "urn:si-dmp-habilitations", "urn:si-dmp-patients"


@pytest.mark.parametrize(
    ("serve", "body"),
    [
        (
            dmp_admin.demographics,
            message(
                "PRPA_IN201307UV02",
                '<reasonCode code="CNSLT_DATA"/><queryByParameter><queryId root="1.2.3" extension="q"/><parameterList>'
                f"<patientIdentifier>{INS}</patientIdentifier></parameterList></queryByParameter>",
            ),
        ),
        (
            dmp_admin.search_patient,
            message(
                "PRPA_IN201305UV02",
                '<queryByParameter><queryId root="1.2.3"/><parameterList><livingSubjectBirthTime>'
                '<value value="19790328"/><semanticsText>x</semanticsText></livingSubjectBirthTime><livingSubjectName>'
                "<value><family>PAT-TROIS</family></value><semanticsText>x</semanticsText></livingSubjectName>"
                "</parameterList></queryByParameter>",
            ),
        ),
        (
            dmp_admin.revise,
            message(
                "PRPA_IN201314UV02",
                '<reasonCode code="MODIF"/><subject><registrationRequest><subject1><patient>'
                f"{INS.replace('value ', 'id ')}<patientPerson><name><family>X</family></name><telecom value='tel:1'/>"
                "<addr><city>PARIS</city></addr></patientPerson></patient></subject1></registrationRequest></subject>",
            ),
        ),
        (
            dmp_admin.set_authorization,
            f'<setAuthorization xmlns="{RIGHTS}"><action>AJOUT</action><role>MEDECIN_TRAITANT</role>'
            "</setAuthorization>",
        ),
        (
            dmp_admin.list_authorizations,
            f'<listAuthorizationByPatient xmlns="{RIGHTS}"><mode>TOUTE</mode></listAuthorizationByPatient>',
        ),
        (
            dmp_admin.patient_list,
            f'<patientList xmlns="{SPECIFIC}"><startDate>20260101000000</startDate><dateType>LASTDOC</dateType>'
            "</patientList>",
        ),
    ],
)
def test_administrative_calls(fed: FakeDmp, serve: Callable[..., Reply], body: str) -> None:
    caller = replace(CALLER, purpose="centre_15") if serve is dmp_admin.search_patient else CALLER

    def run(changed: etree._Element) -> None:
        parse(serve(fed._store, changed, caller, NOW).write("Success", "").encode())

    survives(body, run, 2)
