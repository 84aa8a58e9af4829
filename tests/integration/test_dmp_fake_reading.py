"""The fake DMP answers searches and hands out documents as published, and refuses what the real one refuses."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from lxml import etree

from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import MASKED, DmpClient
from sunes_sdk.model import Ins, InsOid
from sunes_sdk.testing import samples
from sunes_sdk.testing.dmp_caller import CallAnswer, DmpCaller
from sunes_sdk.testing.dmp_registry import (
    FIND_DOCUMENTS,
    FIND_SETS,
    GET_ASSOCIATIONS,
    GET_DOCUMENTS,
    GET_DOCUMENTS_AND_ASSOCIATIONS,
)
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import STRUCTURE, TestPki

RIM = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"
XDSB = "{urn:ihe:iti:xds-b:2007}"
APPROVED = ("$XDSDocumentEntryStatus", "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')")
SET_APPROVED = ("$XDSSubmissionSetStatus", APPROVED[1])
PATIENT = "'279035121518989^^^&1.2.250.1.213.1.4.10&ISO^NH'"


class Scene:
    """A DMP with two letters, the second replaced, and one that is masked."""

    def __init__(self, dmp: FakeDmp, pki: TestPki) -> None:
        self.dmp, self.pki = dmp, pki
        with DmpClient(
            samples.settings(dmp=dmp.settings()), actor=samples.physician().at(samples.hospital())
        ) as client:
            first = samples.discharge_letter()
            self.letter = first.render(samples.issuer())
            receipt = client.submit(self.letter)
            self.other = samples.discharge_letter().render(samples.issuer())
            client.submit(self.other)
            self.second = first.revise(self.letter).render(samples.issuer())
            client.replace(self.second, of=receipt)
            self.masked = samples.discharge_letter().render(samples.issuer())
            client.submit(self.masked, visibility=(MASKED,))

    def uuid(self, document: CdaDocument) -> str:
        return next(d.entry_uuid for d in self.dmp.documents if d.unique_id == document.unique_id)

    def caller(self, **changes: object) -> DmpCaller:
        return DmpCaller(self.dmp, self.pki, **changes)  # type: ignore[arg-type]  # fields of a VihfRequest


@pytest.fixture(scope="module")
def scene(pki: TestPki) -> Iterator[Scene]:
    with FakeDmp(pki) as dmp:
        dmp.open_dmp(samples.ins(), traits=samples.traits())
        dmp.authorize(samples.ins())
        yield Scene(dmp, pki)


@pytest.fixture
def caller(scene: Scene) -> Iterator[DmpCaller]:
    """A colleague of the author."""
    with scene.caller(user="801234567890") as caller:
        yield caller


def refused(answer: CallAnswer, code: str, text: str) -> None:
    assert answer.status in ("Failure", "Fault")
    assert answer.code.rpartition(":")[2] == code
    assert text in answer.text


# --- ITI-18 -----------------------------------------------------------------------------------------------------------


def test_find_documents_gives_what_may_be_seen(scene: Scene, caller: DmpCaller) -> None:
    answer = caller.query(FIND_DOCUMENTS, [("$XDSDocumentEntryPatientId", PATIENT), APPROVED])
    assert answer.status == "Success"
    assert answer.ids() == [scene.uuid(scene.other), scene.uuid(scene.second)]
    assert answer.body is not None
    assert answer.body.get("totalResultCount") == "2"


def test_the_author_sees_what_is_masked(scene: Scene) -> None:
    with scene.caller() as author:
        found = author.query(FIND_DOCUMENTS, [APPROVED]).ids()
    assert scene.uuid(scene.masked) in found


def test_the_attending_physician_sees_what_is_masked(scene: Scene) -> None:
    scene.dmp.authorize(samples.ins(), STRUCTURE, attending=True)
    try:
        with scene.caller(user="801234567890") as attending:
            assert scene.uuid(scene.masked) in attending.query(FIND_DOCUMENTS, [APPROVED]).ids()
    finally:
        scene.dmp.authorize(samples.ins())


def test_an_entry_has_what_the_dmp_adds(scene: Scene, caller: DmpCaller) -> None:
    answer = caller.query(GET_DOCUMENTS, [("$XDSDocumentEntryEntryUUID", f"('{scene.uuid(scene.second)}')")])
    assert answer.body is not None
    (entry,) = answer.body.iter(f"{RIM}ExtrinsicObject")
    stored = scene.dmp.documents[2]
    assert (entry.get("lid"), entry.get("isOpaque")) == (stored.logical_id, "false")
    assert entry.get("status") == "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
    slots = {s.get("name"): [v.text for v in s.iter(f"{RIM}Value")] for s in entry.findall(f"{RIM}Slot")}
    assert slots["repositoryUniqueId"] == ["1.2.250.1.213.4.1.1.1.2"]
    assert slots["size"] == [str(len(scene.second.content))]
    (version,) = entry.iter(f"{RIM}VersionInfo")
    assert version.get("versionName") == "1"
    owners = {c.get("classifiedObject") or c.get("registryObject") for c in entry if c.get("id")}
    assert owners == {stored.entry_uuid}


@pytest.mark.parametrize(
    ("slots", "found"),
    [
        ([("$XDSDocumentEntryTypeCode", "('11490-0^^2.16.840.1.113883.6.1')")], 2),
        ([("$XDSDocumentEntryTypeCode", "('11490-0')")], 2),
        ([("$XDSDocumentEntryTypeCode", "('11490-0^^1.2.3')")], 0),
        ([("$XDSDocumentEntryTypeCode", "('18748-4','11490-0')")], 2),
        ([("$XDSDocumentEntryTypeCode", "( '18748-4' , '11490-0' )")], 2),
        ([("$XDSDocumentEntryClassCode", "('10')")], 2),
        ([("$XDSDocumentEntryClassCode", "('11')")], 0),
        ([("$XDSDocumentEntryFormatCode", "('urn:asip:ci-sis:ldl-ses:2017')")], 2),
        ([("$XDSDocumentEntryPracticeSettingCode", "('ETABLISSEMENT')")], 2),
        ([("$XDSDocumentEntryHealthcareFacilityTypeCode", "('SA02')")], 0),
        ([("$XDSDocumentEntryConfidentialityCode", "('N')")], 2),
        ([("$XDSDocumentEntryConfidentialityCode", "('N','R')"), ("$XDSDocumentEntryConfidentialityCode", "('N')")], 2),
        ([("$XDSDocumentEntryConfidentialityCode", "('N')"), ("$XDSDocumentEntryConfidentialityCode", "('R')")], 0),
        ([("$XDSDocumentEntryEventCodeList", "('none')")], 0),
        ([("$XDSDocumentEntryAuthorPerson", "('%DAVID%')")], 2),
        ([("$XDSDocumentEntryAuthorPerson", "('%D_VID%')")], 2),
        ([("$XDSDocumentEntryAuthorPerson", "('%O''NEIL%')")], 0),
        ([("$XDSDocumentEntryCreationTimeFrom", "20260115093000")], 2),
        ([("$XDSDocumentEntryCreationTimeFrom", "20260115093001")], 1),
        ([("$XDSDocumentEntryCreationTimeTo", "20260115093000")], 0),
        ([("$XDSDocumentEntryCreationTimeTo", "20260116")], 1),
        ([("$XDSDocumentEntryServiceStartTimeFrom", "2026"), ("$XDSDocumentEntryServiceStartTimeTo", "2027")], 2),
        ([("$XDSDocumentEntryServiceStopTimeFrom", "20260201")], 0),
        ([("$XDSDocumentEntryType", "('urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1')")], 2),
        ([("$XDSDocumentEntryType", "('urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248')")], 0),
        ([("$XDSDocumentEntryReferenceIdList", "('1^^^&1.2&ISO^urn:ihe:iti:xds:2013:accession')")], 0),
    ],
)
def test_filters(caller: DmpCaller, slots: list[tuple[str, str]], found: int) -> None:
    answer = caller.query(FIND_DOCUMENTS, [APPROVED, *slots])
    assert (answer.status, len(answer.ids())) == ("Success", found)


def test_statuses_are_an_or(scene: Scene, caller: DmpCaller) -> None:
    both = APPROVED[1].replace(")", ",'urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated')")
    found = caller.query(FIND_DOCUMENTS, [("$XDSDocumentEntryStatus", both)], returns="ObjectRef")
    assert found.ids() == [scene.uuid(d) for d in (scene.letter, scene.other, scene.second)]
    assert found.body is not None
    assert len(list(found.body.iter(f"{RIM}ObjectRef"))) == 3


def test_get_documents_by_unique_id(scene: Scene, caller: DmpCaller) -> None:
    wanted = f"('{scene.other.unique_id}','1.2.3','{scene.masked.unique_id}')"
    assert caller.query(GET_DOCUMENTS, [("$XDSDocumentEntryUniqueId", wanted)]).ids() == [scene.uuid(scene.other)]


def test_from_sets_to_documents(scene: Scene, caller: DmpCaller) -> None:
    """The way that a synchronisation goes: sets since a date, their members, then the documents."""
    since = ("$XDSSubmissionSetSubmissionTimeFrom", "2026")
    sets = caller.query(FIND_SETS, [("$XDSSubmissionSetPatientId", PATIENT), SET_APPROVED, since])
    assert len(sets.ids()) == 4
    later = ("$XDSSubmissionSetSubmissionTimeFrom", "2999")
    assert caller.query(FIND_SETS, [SET_APPROVED, later]).ids() == []
    listed = ",".join(f"'{i}'" for i in sets.ids())
    links = caller.query(GET_ASSOCIATIONS, [("$uuid", f"({listed})")])
    assert links.body is not None
    members = {
        a.get("targetObject")
        for a in links.body.iter(f"{RIM}Association")
        if (a.get("associationType") or "").endswith("HasMember")
    }
    assert members == {scene.uuid(d) for d in (scene.letter, scene.other, scene.second)}
    answer = caller.query(
        GET_DOCUMENTS_AND_ASSOCIATIONS, [("$XDSDocumentEntryEntryUUID", f"('{scene.uuid(scene.second)}')")]
    )
    assert answer.body is not None
    kinds = [(a.get("associationType") or "").rpartition(":")[2] for a in answer.body.iter(f"{RIM}Association")]
    assert sorted(kinds) == ["HasMember", "RPLC"]


@pytest.mark.parametrize(
    ("slot", "value", "found"),
    [
        ("SourceId", f"('{samples.SOURCE_ID}')", 4),
        ("SourceId", "('1.2.3')", 0),
        ("ContentType", "('03')", 4),
        ("ContentType", "('04^^1.2.250.1.213.2.2')", 0),
        ("AuthorPerson", "'%DAVID%'", 4),
        ("AuthorPerson", "'nobody'", 0),
    ],
)
def test_filters_of_sets(caller: DmpCaller, slot: str, value: str, found: int) -> None:
    assert len(caller.query(FIND_SETS, [SET_APPROVED, (f"$XDSSubmissionSet{slot}", value)]).ids()) == found


BY_PATIENT = "$XDSDocumentEntryPatientId"
MISMATCH = "XDSPatientIdDoesNotMatch"
NUMBER = "XDSStoredQueryParamNumber"


@pytest.mark.parametrize(
    ("query", "slots", "code", "text"),
    [
        ("urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3", [("$patientId", PATIENT)], "XDSUnknownStoredQuery", "served"),
        (FIND_DOCUMENTS, [], "XDSStoredQueryMissingParam", "$XDSDocumentEntryStatus is missing"),
        (FIND_SETS, [], "XDSStoredQueryMissingParam", "$XDSSubmissionSetStatus is missing"),
        (GET_ASSOCIATIONS, [], "XDSStoredQueryMissingParam", "$uuid is missing"),
        (GET_DOCUMENTS, [], "XDSStoredQueryMissingParam", "UniqueId"),
        (FIND_DOCUMENTS, [(APPROVED[0], "'x'")], NUMBER, "is a list"),
        (FIND_DOCUMENTS, [APPROVED, APPROVED], NUMBER, "in 2 Slots"),
        (FIND_DOCUMENTS, [APPROVED, ("$XDSDocumentEntryTypeCode", "(11490-0)")], "XDSRegistryError", "apostrophes"),
        (FIND_DOCUMENTS, [APPROVED, ("$XDSDocumentEntryTypeCode", "('O'NEIL')")], "XDSRegistryError", "doubled"),
        (FIND_DOCUMENTS, [APPROVED, ("$XDSDocumentEntryTypeCodes", "('x')")], "XDSRegistryError", "no parameter"),
        (FIND_DOCUMENTS, [APPROVED, ("$XDSDocumentEntryCreationTimeFrom", "'2026'")], "XDSRegistryError", "DTM"),
        (FIND_DOCUMENTS, [APPROVED, (BY_PATIENT, f"({PATIENT})")], MISMATCH, "parentheses"),
        (FIND_DOCUMENTS, [APPROVED, (BY_PATIENT, PATIENT.replace("4.10", "4.8"))], MISMATCH, "VIHF"),
        (FIND_DOCUMENTS, [APPROVED, (BY_PATIENT, PATIENT.replace("^NH", ""))], MISMATCH, "^NH"),
        (FIND_DOCUMENTS, [APPROVED, (BY_PATIENT, PATIENT.replace("279035121518989", "207058575627097"))], MISMATCH, ""),
        (
            GET_DOCUMENTS,
            [("$XDSDocumentEntryUniqueId", "('1')"), ("$XDSDocumentEntryEntryUUID", "('2')")],
            NUMBER,
            "not both",
        ),
        (FIND_SETS, [SET_APPROVED, ("$XDSSubmissionSetAuthorPerson", "('x')")], NUMBER, "without parentheses"),
    ],
)
def test_a_search_that_is_wrong(
    caller: DmpCaller, query: str, slots: list[tuple[str, str]], code: str, text: str
) -> None:
    refused(caller.query(query, slots), code, text)


def test_a_return_type_that_is_unknown(caller: DmpCaller) -> None:
    refused(caller.query(FIND_DOCUMENTS, [APPROVED], returns="RegistryObject"), "XDSRegistryError", "returnType")


# --- who may read -----------------------------------------------------------------------------------------------------


def test_an_establishment_searches_references_only(scene: Scene) -> None:
    with scene.caller(mode="INDIRECTE") as establishment:
        query = [("$XDSDocumentEntryUniqueId", f"('{scene.masked.unique_id}')")]
        assert establishment.query(GET_DOCUMENTS, query, returns="ObjectRef").ids() == [scene.uuid(scene.masked)]
        refused(establishment.query(GET_DOCUMENTS, query), "DMPAccessDeniedByRightsService", "ObjectRef")
        refused(establishment.retrieve(scene.other.unique_id), "DMPAccessDeniedByRightsService", "does not read")


def test_reading_needs_an_authorisation(scene: Scene) -> None:
    try:
        with scene.caller() as caller:
            scene.dmp.block(samples.ins())
            for answer in (caller.query(FIND_DOCUMENTS, [APPROVED]), caller.retrieve(scene.other.unique_id)):
                refused(answer, "DMPAccessDeniedByRightsService", "blocked")
            scene.dmp.close_dmp(samples.ins())
            for answer in (caller.query(FIND_DOCUMENTS, [APPROVED]), caller.retrieve(scene.other.unique_id)):
                refused(answer, "DMPClosed", "closed")
    finally:
        scene.dmp.open_dmp(samples.ins())
        scene.dmp.authorize(samples.ins())


def test_a_patient_who_gave_nobody_access(scene: Scene) -> None:
    other = Ins.of("207058575627097", InsOid.NIR_TEST)
    with scene.caller(ins=other) as caller:
        refused(caller.query(FIND_DOCUMENTS, [APPROVED]), "XDSUnknownPatientId", "no DMP")
        scene.dmp.open_dmp(other)
        refused(caller.query(FIND_DOCUMENTS, [APPROVED]), "DMPAccessDeniedByRightsService", "TD0.3")
        scene.dmp.authorize(other)
        assert caller.query(FIND_DOCUMENTS, [APPROVED]).ids() == []


def test_a_reference_is_found_without_authorisation(scene: Scene) -> None:
    """DMP_3.1b is how those who only feed learn what became of a delivery."""
    scene.dmp.block(samples.ins())
    try:
        with scene.caller() as caller:
            wanted = [("$XDSDocumentEntryUniqueId", f"('{scene.other.unique_id}')")]
            assert caller.query(GET_DOCUMENTS, wanted, returns="ObjectRef").ids() == [scene.uuid(scene.other)]
            refused(caller.query(GET_DOCUMENTS, wanted), "DMPAccessDeniedByRightsService", "blocked")
    finally:
        scene.dmp.authorize(samples.ins())


@pytest.mark.parametrize(("purpose", "opposed"), [("bris_de_glace", "break_glass"), ("centre_15", "emergency")])
def test_emergency_access(scene: Scene, purpose: str, opposed: str) -> None:
    other = Ins.of("124018852493334", InsOid.NIR_TEST)
    code = samples.loinc(purpose, "Urgence").model_copy(update={"system": "1.2.250.1.213.1.1.4.248"})
    with scene.caller(ins=other, purpose=code) as caller:
        scene.dmp.open_dmp(other)
        assert caller.query(FIND_DOCUMENTS, [APPROVED]).status == "Success"
        scene.dmp.open_dmp(other, break_glass=opposed != "break_glass", emergency=opposed != "emergency")
        refused(caller.query(FIND_DOCUMENTS, [APPROVED]), "DMPAccessDeniedByRightsService", "opposes")


def test_a_secret_connection_sees_secret_documents_only(scene: Scene) -> None:
    with scene.caller(confidentiality="INVISIBLE_REPRESENTANTS_LEGAUX") as caller:
        found = caller.query(FIND_DOCUMENTS, [APPROVED])
    assert found.status == "Success"
    assert not {scene.uuid(d) for d in (scene.other, scene.second)} & set(found.ids())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"mode": "PARTOUT"}, "unknown Authentification_Mode"),
        ({"authn_declaration": None}, "AuthnContextDecl"),
        ({"confidentiality": "R"}, "confidentiality-code"),
    ],
)
def test_a_vihf_that_does_not_hold_together(scene: Scene, change: dict[str, object], text: str) -> None:
    with scene.caller(**change) as caller:
        refused(caller.query(FIND_DOCUMENTS, [APPROVED]), "InvalidSecurity", text)


# --- ITI-43 -----------------------------------------------------------------------------------------------------------


def held(answer: CallAnswer) -> dict[str, bytes]:
    """Bytes by uniqueId, read here without our client."""
    assert answer.body is not None
    found: dict[str, bytes] = {}
    for response in answer.body.iter(f"{XDSB}DocumentResponse"):
        document = response.find(f"{XDSB}Document")
        assert document is not None
        include = next(iter(document), None)
        if include is not None:
            href = include.get("href", "")
            assert "%3A" in href
            data = answer.parts[unquote(href.removeprefix("cid:"))]
        else:
            data = base64.b64decode(document.text or "")
        found[response.findtext(f"{XDSB}DocumentUniqueId") or ""] = data
    return found


@pytest.mark.parametrize("packed", [False, True])
def test_documents_come_back_byte_for_byte(scene: Scene, caller: DmpCaller, packed: bool) -> None:
    requests = "".join(
        f"<DocumentRequest><RepositoryUniqueId>1.2.250.1.213.4.1.1.1.2</RepositoryUniqueId>"
        f"<DocumentUniqueId>{d.unique_id}</DocumentUniqueId></DocumentRequest>"
        for d in (scene.other, scene.letter)
    )
    body = f'<RetrieveDocumentSetRequest xmlns="urn:ihe:iti:xds-b:2007">{requests}</RetrieveDocumentSetRequest>'
    answer = caller.send("urn:ihe:iti:2007:RetrieveDocumentSet", body, packed=packed)
    assert answer.status == "Success"
    assert held(answer) == {d.unique_id: d.content for d in (scene.other, scene.letter)}


def test_documents_may_come_inline(pki: TestPki) -> None:
    with FakeDmp(pki, inline=True) as dmp:
        dmp.open_dmp(samples.ins())
        dmp.authorize(samples.ins())
        scene = Scene(dmp, pki)
        with scene.caller() as caller:
            answer = caller.retrieve(scene.other.unique_id)
    assert answer.parts == {}
    assert held(answer) == {scene.other.unique_id: scene.other.content}


def test_what_cannot_be_retrieved_is_said(scene: Scene, caller: DmpCaller) -> None:
    some = caller.retrieve(scene.other.unique_id, "1.2.3")
    assert (some.status, some.code) == ("PartialSuccess", "XDSDocumentUniqueIdError")
    assert list(held(some)) == [scene.other.unique_id]
    refused(caller.retrieve("1.2.3"), "XDSDocumentUniqueIdError", "no document")
    refused(caller.retrieve(scene.masked.unique_id), "XDSDocumentUniqueIdError", "no document")
    refused(caller.retrieve(scene.other.unique_id, repository="1.2.3"), "XDSUnknownRepositoryId", "RepositoryUniqueId")
    refused(caller.retrieve(), "XDSRepositoryError", "no DocumentRequest")
    refused(caller.retrieve(*["1.2.3"] * 101), "XDSRepositoryOutOfResources", "100")


def test_an_entry_uuid_is_no_unique_id(scene: Scene, caller: DmpCaller) -> None:
    answer = caller.retrieve(scene.uuid(scene.other))
    assert answer.status == "Fault"
    refused(answer, "XDSDocumentUniqueIdError", "not its entryUUID")


def test_a_feed_is_no_plain_message(caller: DmpCaller) -> None:
    body = '<ProvideAndRegisterDocumentSetRequest xmlns="urn:ihe:iti:xds-b:2007"/>'
    refused(caller.send("urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b", body), "Sender", "MTOM")


def test_bytes_that_are_not_kept_cannot_be_read(pki: TestPki) -> None:
    with FakeDmp(pki, keep_bytes=False) as dmp:
        dmp.open_dmp(samples.ins())
        dmp.authorize(samples.ins())
        scene = Scene(dmp, pki)
        with scene.caller() as caller:
            refused(caller.query(FIND_DOCUMENTS, [APPROVED]), "XDSRegistryError", "keep_bytes")
            refused(caller.retrieve(scene.other.unique_id), "XDSRepositoryError", "keep_bytes")


# --- the contract -----------------------------------------------------------------------------------------------------


@pytest.mark.samples
def test_answers_are_valid_for_the_official_schemas(scene: Scene, samples: Path) -> None:
    folder = samples / "dmp" / "contract" / "schema"
    query = etree.XMLSchema(etree.parse(str(folder / "ebRS" / "query.xsd")))
    retrieve = etree.XMLSchema(etree.parse(str(folder / "IHE" / "XDS.b_DocumentRepository.xsd")))
    by_uuid = ("$XDSDocumentEntryEntryUUID", f"('{scene.uuid(scene.second)}')")
    with scene.caller() as caller:
        for answer in (
            caller.query(FIND_DOCUMENTS, [APPROVED]),
            caller.query(FIND_DOCUMENTS, [APPROVED], returns="ObjectRef"),
            caller.query(FIND_SETS, [SET_APPROVED]),
            caller.query(GET_DOCUMENTS_AND_ASSOCIATIONS, [by_uuid]),
            caller.query(FIND_DOCUMENTS, []),
        ):  # fmt: skip
            assert answer.body is not None
            query.assertValid(answer.body)
        answer = caller.retrieve(scene.other.unique_id, "1.2.3")
        assert answer.body is not None
        text = re.sub(rb"<xop:Include[^>]*/>", b"AAAA", etree.tostring(answer.body))
        retrieve.assertValid(etree.fromstring(text))


def test_the_signature_is_kept_from_lists(scene: Scene, caller: DmpCaller) -> None:
    found = caller.query(FIND_DOCUMENTS, [APPROVED, ("$XDSDocumentEntryTypeCode", "('E1762')")])
    assert found.ids() == []
