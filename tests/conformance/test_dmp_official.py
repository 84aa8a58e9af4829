"""Official messages of GIE SESAM-Vitale read by our codecs, and our messages judged by the official schemas."""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from sunes_sdk import terminology, xds
from sunes_sdk._core.xml import parse
from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import (
    INVISIBLE,
    MASKED,
    AvailabilityStatus,
    DmpClient,
    DocumentFilter,
    td02,
    td21,
    td31,
    td31b,
    td32,
)
from sunes_sdk.dmp.answers import read_response
from sunes_sdk.model import Dmp, Ins, InsOid, Prepared
from sunes_sdk.settings import DmpPaths, DmpSettings, Settings
from sunes_sdk.testing import samples as people
from sunes_sdk.testing.fake_dmp import AUTHN_CONTEXT, DEVICE_OID
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.transport import HttpResponse, mtom, soap
from sunes_sdk.xds import query

XDSB = "{urn:ihe:iti:xds-b:2007}"
OFFICIAL_PATIENT = Ins.of("207058575627097", InsOid.NIR_TEST)


class Answering:
    """A transport that keeps the request and answers Success."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.sent: list[tuple[str, bytes, str]] = []

    def post(self, url: str, body: bytes, headers: object) -> HttpResponse:
        assert isinstance(headers, dict)
        self.sent.append((url, body, headers["Content-Type"]))
        return HttpResponse(200, {"content-type": "application/soap+xml"}, self.answer)

    def close(self) -> None:
        pass


def settings(pki: TestPki) -> Settings:
    return people.settings(
        dmp=DmpSettings(
            base_url="https://dmp.test/services/",
            paths=DmpPaths(repository="repository", registry="registry", patients="patients"),
            tls=pki.tls,
            signing=pki.signing.signing(),
            source_id=people.SOURCE_ID,
            device_oid=DEVICE_OID,
            authn_context=AUTHN_CONTEXT,
        )
    )


def official(samples: Path, name: str) -> bytes:
    return (samples / "dmp" / "gie" / name).read_bytes()


@pytest.fixture
def wire(pki: TestPki, samples: Path) -> tuple[Answering, DmpClient]:
    transport = Answering(official(samples, "TD2.1_-_Alimentation_reponse.xml"))
    client = DmpClient(settings(pki), actor=people.physician().at(people.hospital()), transport=transport)
    return transport, client


def sent(wire: tuple[Answering, DmpClient]) -> tuple[CdaDocument, Prepared, bytes, str]:
    transport, client = wire
    document = people.discharge_letter().render(people.issuer())
    prepared = client.prepare(document, Dmp())
    assert client.send(prepared).outcome.is_success
    _, body, content_type = transport.sent[-1]
    return document, prepared, body, content_type


# --- answers ----------------------------------------------------------------------------------------------------------


def test_reads_the_official_answer_to_td21(samples: Path) -> None:
    answer = soap.parse(official(samples, "TD2.1_-_Alimentation_reponse.xml"), "application/soap+xml")
    assert answer.action == f"{td21.ACTION}Response"
    assert read_response(answer.body).ok


def test_reads_the_official_answer_to_td02(samples: Path) -> None:
    answer = soap.parse(official(samples, "TD0.2_-_Test_d_existence_reponse.xml"), "application/soap+xml")
    assert td02.decode(answer.body, OFFICIAL_PATIENT) == td02.Existence(
        found=True, is_open=True, authorization="VALIDE", attached_to_ens=False
    )


def test_a_terminated_record_is_not_open(samples: Path) -> None:
    xml = official(samples, "TD0.2_-_Test_d_existence_reponse.xml").replace(b'code="active"', b'code="terminated"')
    assert not td02.decode(soap.parse(xml, "application/soap+xml").body, OFFICIAL_PATIENT).is_open


def test_reads_object_refs_and_leaf_class_answers(samples: Path) -> None:
    answer = soap.parse(official(samples, "TD3.1_-_Recherche_de_document_reponse.xml"), "application/soap+xml")
    assert read_response(answer.body).ok
    first, *others = query.decode(answer.body).entries
    (objects,) = answer.body.iter("{*}RegistryObjectList")
    for element in objects[1:]:
        objects.remove(element)
    unique_id = first.unique_id
    assert others
    assert td31b.decode(answer.body, unique_id) == ("urn:uuid:7953af1a-ba1c-11eb-816f-0050569e422e",)


# --- our messages -----------------------------------------------------------------------------------------------------


def test_the_package_is_what_the_standard_library_reads(wire: tuple[Answering, DmpClient]) -> None:
    """MIME read by `email`, not by our decoder: root first, bytes untouched, hash, size and ids that agree."""
    document, prepared, body, content_type = sent(wire)
    message = email.message_from_bytes(
        f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode() + body, policy=email.policy.HTTP
    )
    root, *parts = message.iter_parts()
    assert message.get_param("start") == root["Content-ID"]
    assert message.get_param("type") == root.get_content_type() == "application/xop+xml"
    attached = {part["Content-ID"]: part.get_payload(decode=True) for part in parts}
    envelope = parse(root.get_payload(decode=True))
    assert envelope.tag == "{http://www.w3.org/2003/05/soap-envelope}Envelope"
    contents = {
        element.get("id"): attached[f"<{element[0].get('href', '').removeprefix('cid:')}>"]
        for element in envelope.iter(f"{XDSB}Document")
    }
    assert contents == {"Document01": document.content, "Signature01": prepared.blobs["signature"]}
    for entry in envelope.iter("{*}ExtrinsicObject"):
        slots = {s.get("name"): [v.text for v in s.iter("{*}Value")] for s in entry.findall("{*}Slot")}
        content = contents[entry.get("id")]
        assert slots["hash"] == [hashlib.sha1(content).hexdigest()]
        assert slots["size"] == [str(len(content))]


def test_the_request_is_valid_against_the_official_schema(wire: tuple[Answering, DmpClient], samples: Path) -> None:
    schema = etree.XMLSchema(
        etree.parse(samples / "dmp" / "contract" / "schema" / "IHE" / "XDS.b_DocumentRepository.xsd")
    )
    _, _, body, content_type = sent(wire)
    request = soap.parse(body, content_type).body
    for element in request.iter(f"{XDSB}Document"):
        element.text = base64.b64encode(b"content").decode()
        element.remove(element[0])
    tree = etree.fromstring(etree.tostring(request))
    schema.assertValid(tree)
    tree[-1].attrib.pop("id")
    assert not schema.validate(tree)


def test_the_query_is_valid_against_the_official_schema(samples: Path) -> None:
    schema = etree.XMLSchema(etree.parse(samples / "dmp" / "contract" / "schema" / "ebRS" / "query.xsd"))
    tree = etree.fromstring(td31b.body("1.2.3"))
    schema.assertValid(tree)
    tree[0].attrib["returnType"] = "Everything"
    assert not schema.validate(tree)


def test_td02_is_valid_against_the_official_schema(samples: Path) -> None:
    folder = samples / "dmp" / "contract" / "schema" / "HL7V3" / "NE2009" / "multicacheschemas"
    schema = etree.XMLSchema(etree.parse(folder / "PRPA_IN201307UV02.xsd"))
    tree = etree.fromstring(
        td02.body(
            people.ins(),
            device_oid=DEVICE_OID,
            software="DPI & fils",
            message_uuid="1633a409-3d61-4869-aed8-74d92ae20272",
            query_uuid="87d5fd8f-72b2-43bf-938c-0402bf850d25",
            at=datetime(2026, 1, 15, tzinfo=UTC),
            production=False,
        )
    )
    schema.assertValid(tree)
    tree.remove(tree[0])
    assert not schema.validate(tree)


def test_td02_says_what_the_official_message_says(samples: Path) -> None:
    """Same elements in the same order, ids and names apart."""
    theirs = soap.parse(official(samples, "TD0.2_-_Test_d_existence_requete.xml"), "application/soap+xml").body
    ours = parse(
        td02.body(
            people.ins(), device_oid="1.2", software="x", message_uuid="m", query_uuid="q",
            at=datetime(2026, 1, 15, tzinfo=UTC), production=False,
        )
    )  # fmt: skip
    assert shape(ours) == shape(theirs)


def shape(element: etree._Element) -> list[object]:
    """Names, fixed attributes and children."""
    fixed = {k: v for k, v in element.attrib.items() if k not in ("root", "extension", "value")}
    return [element.tag, fixed, [shape(child) for child in element if isinstance(child.tag, str)]]


def test_the_signature_entry_says_what_the_official_one_says(wire: tuple[Answering, DmpClient], samples: Path) -> None:
    whole = official(samples, "TD2.1_-_Alimentation_requete.xml")
    start = whole.index(b"<soap:Envelope")
    envelope = whole[start : whole.index(b"</soap:Envelope>")] + b"</soap:Envelope>"
    theirs = xds.decode(envelope.decode("utf-8", errors="replace").encode()).entries[1]
    _, _, body, content_type = sent(wire)
    ours = xds.decode_element(soap.parse(body, content_type).body).entries[1]
    for name in ("class_code", "type_code", "format_code"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert (mine.code, mine.system, mine.display) == (other.code, other.system, other.display), name
    assert [(c.code, c.system) for c in ours.event_codes] == [(c.code, c.system) for c in theirs.event_codes]
    assert [c.code for c in ours.confidentiality] == [c.code for c in theirs.confidentiality]
    assert (ours.title, ours.language, ours.mime_type) == (theirs.title, theirs.language, theirs.mime_type)
    assert ours.creation_time == ours.service_start == ours.service_stop
    assert ours.source_patient_info == theirs.source_patient_info == ()
    assert ours.source_patient_id == ours.patient_id


def test_labels_of_visibility_are_the_published_ones() -> None:
    for code in (MASKED, INVISIBLE):
        assert terminology.code("JDV_J58", code.code).display == code.display


# --- TD3.1, TD3.2 -----------------------------------------------------------------------------------------------------

SEARCH = "TD3.1_-_Recherche_de_document"
READING = "TD3.2_-_Consultation_d_un_document"
SEARCHED = "207058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH"
REPOSITORY_OID, READ_ID = "1.2.250.1.213.4.1.1.1.2", "1.2.250.1.999.1.1.7898.1.995657292"


def canonical(element: etree._Element) -> list[object]:
    """Names, attributes, text and children, whatever the prefixes and blanks."""
    children = [canonical(child) for child in element if isinstance(child.tag, str)]
    return [element.tag, dict(element.attrib), (element.text or "").strip(), children]


def test_the_search_is_the_official_one(samples: Path) -> None:
    theirs = soap.parse(official(samples, f"{SEARCH}_requete.xml"), "application/soap+xml").body
    ours = parse(query.encode(query.find_documents(SEARCHED, DocumentFilter()), "LeafClass"))
    assert canonical(ours) == canonical(theirs)


def test_the_request_for_a_document_is_the_official_one(samples: Path) -> None:
    theirs = soap.parse(official(samples, f"{READING}_requete.xml"), "application/soap+xml").body
    asked = td32.DocumentReference(unique_id=READ_ID, repository_unique_id=REPOSITORY_OID)
    assert canonical(parse(td32.body([asked]))) == canonical(theirs)


def test_the_official_answer_to_a_search(samples: Path) -> None:
    """All its values, found by XPath, not by our reader."""
    answer = soap.parse(official(samples, f"{SEARCH}_reponse.xml"), "application/soap+xml")
    assert answer.action == f"{td31.ACTION}Response"
    listing = td31.decode(answer.body)
    assert (len(listing.documents), listing.complete, listing.warnings) == (21, True, ())
    for element, found in zip(answer.body.iter("{*}ExtrinsicObject"), listing.documents, strict=True):

        def values(slot: str, of: etree._Element = element) -> list[str]:
            return [v.text or "" for v in of.findall(f"{{*}}Slot[@name='{slot}']/{{*}}ValueList/{{*}}Value")]

        entry = found.entry
        assert (found.entry_uuid, entry.logical_id) == (element.get("id"), element.get("lid"))
        assert found.status is AvailabilityStatus.APPROVED
        assert [entry.hash, str(entry.size)] == [*values("hash"), *values("size")]
        assert [entry.repository_unique_id] == values("repositoryUniqueId") == [REPOSITORY_OID]
        assert list(entry.source_patient_info) == values("sourcePatientInfo")
        assert entry.version == "1"
        (title,) = element.findall("{*}Name/{*}LocalizedString")
        assert found.title == title.get("value")
        codes = {c.get("nodeRepresentation") for c in element.findall("{*}Classification")} - {""}
        read = {entry.class_code, entry.type_code, entry.format_code, entry.facility_type, entry.practice_setting}
        assert {c.code for c in (*read, *entry.confidentiality, *entry.event_codes) if c is not None} == codes
        assert found.created is not None
        assert [found.created.strftime("%Y%m%d%H%M%S")] == values("creationTime")
        assert found.created.tzinfo is UTC
        assert not found.is_signature
    assert listing.documents[0].visibility == {"INVISIBLE_PATIENT"}
    assert listing.documents[0].unique_id == READ_ID
    types = {d.type_code.code for d in listing.documents if d.type_code}
    assert "27899-4" in types  # no longer in JDV_J66: codes that we do not know are kept


def test_the_official_answer_with_a_document(samples: Path) -> None:
    """The envelope is published without its attachment: a package is made around it, with a part of that name."""
    envelope = official(samples, f"{READING}_reponse.xml")
    content = official(samples, "TD2.1-DocumentME2.xml")
    cid = "b857abb7-a2c3-4db8-bd69-d5ff76826e72-2@urn:ihe:iti:xds-b:2007"
    content_type, package = mtom.encode(envelope, [mtom.Part(cid, content)])
    asked = td32.DocumentReference(
        unique_id=READ_ID,
        repository_unique_id=REPOSITORY_OID,
        hash=hashlib.sha1(content).hexdigest(),
        size=len(content),
    )
    (document,) = td32.decode(soap.parse(package, content_type), [asked])
    assert (document.content, document.mime_type, document.verified) == (content, "text/xml", True)


def test_queries_are_valid_against_the_official_schema(samples: Path) -> None:
    schema = etree.XMLSchema(etree.parse(samples / "dmp" / "contract" / "schema" / "ebRS" / "query.xsd"))
    at = datetime(2026, 1, 15, tzinfo=UTC)
    uuids = [f"urn:uuid:7953af1a-ba1c-11eb-816f-0050569e42{n:02x}" for n in range(20)]
    where = DocumentFilter(authors=("x'y%",), event_codes=(MASKED, (MASKED, INVISIBLE)), created_from=at)
    for asked in (
        query.find_documents(SEARCHED, where),
        query.find_submission_sets(SEARCHED, query.SubmissionSetFilter(submitted_from=at)),
        query.get_documents(entry_uuids=uuids),
        query.get_documents_and_associations(entry_uuids=uuids),
        query.get_associations(uuids),
    ):
        schema.assertValid(etree.fromstring(query.encode(asked, "LeafClass")))


def test_the_request_for_documents_is_valid_against_the_official_schema(samples: Path) -> None:
    schema = etree.XMLSchema(
        etree.parse(samples / "dmp" / "contract" / "schema" / "IHE" / "XDS.b_DocumentRepository.xsd")
    )
    asked = [td32.DocumentReference(unique_id=f"1.2.{n}", repository_unique_id=REPOSITORY_OID) for n in range(3)]
    tree = etree.fromstring(td32.body(asked))
    schema.assertValid(tree)
    tree[0].remove(tree[0][0])
    assert not schema.validate(tree)
