"""Answers of a registry and of a repository: their order and prefixes change nothing, and whatever arrives instead is
read or refused with a code."""

from __future__ import annotations

import random
from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from sunes_sdk import xds
from sunes_sdk.dmp import DocumentReference, td31, td32
from sunes_sdk.errors import SunesError
from sunes_sdk.model import Code
from sunes_sdk.transport import soap
from sunes_sdk.xds import Author, DocumentEntry, Submission, SubmissionSet

RIM = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"
SUCCESS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
TYPE = Code(code="11490-0", system="2.16.840.1.113883.6.1", display="Lettre de liaison")
ENTRY = DocumentEntry(
    id="urn:uuid:a", mime_type="text/xml", unique_id="1.2.3", patient_id="x^^^&1.2&ISO^NH", type_code=TYPE,
    class_code=TYPE, format_code=TYPE, facility_type=TYPE, practice_setting=TYPE, confidentiality=(TYPE,),
    event_codes=(TYPE,), authors=(Author(person="899^MAX", institution="H^^^", roles=("r",), specialties=("s",)),),
    legal_authenticator="899^MAX", title="Titre", comments="Remarque", creation_time="20260115093000",
    service_start="20260115", service_stop="20260116", language="fr-FR", source_patient_id="1^^^&1.2&ISO^PI",
    source_patient_info=("PID-5|A^B", "PID-8|F"), reference_ids=("r1",), hash="ab" * 20, size=12,
)  # fmt: skip
SET = SubmissionSet(
    id="urn:uuid:s", unique_id="1.2.4", source_id="1.2.5", patient_id="x", submission_time="20260115093000",
    author=ENTRY.authors[0], content_type=TYPE, title="Lot",
)  # fmt: skip


def response(objects: str) -> bytes:
    return (
        f'<soap:Envelope xmlns:soap="{soap.SOAP12}"><soap:Body><q:AdhocQueryResponse'
        f' xmlns:q="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" status="{SUCCESS}" totalResultCount="2">{objects}'
        "</q:AdhocQueryResponse></soap:Body></soap:Envelope>"
    ).encode()


def written() -> str:
    encoded = xds.encode(Submission(submission_set=SET, entries=(ENTRY,)), xds.DMP)
    return etree.tostring(next(etree.fromstring(encoded).iter(f"{RIM}RegistryObjectList")), encoding="unicode")


WRITTEN = written()


def read(envelope: bytes) -> td31.Listing:
    return td31.decode(soap.parse(envelope, "application/soap+xml").body)


@given(st.randoms(use_true_random=False), st.sampled_from(["rim", "ns4", "_", "é"]))
def test_order_prefixes_and_comments_change_nothing(shuffle: random.Random, prefix: str) -> None:
    text = WRITTEN.replace("<rim:", f"<{prefix}:").replace("</rim:", f"</{prefix}:").replace(":rim=", f":{prefix}=")
    objects = etree.fromstring(text)
    for element in list(objects.iter(f"{RIM}RegistryObjectList", f"{RIM}ExtrinsicObject", f"{RIM}RegistryPackage",
                                     f"{RIM}Classification", f"{RIM}ExternalIdentifier")):  # fmt: skip
        children = [*element, etree.Comment("between")]
        shuffle.shuffle(children)
        element[:] = children
        element.text = "\n  "
    listing = read(response(etree.tostring(objects, encoding="unicode")))
    assert [d.entry for d in listing.documents] == [ENTRY]
    assert [s.submission_set for s in listing.submission_sets] == [SET]


def retrieved() -> bytes:
    return (
        f'<soap:Envelope xmlns:soap="{soap.SOAP12}"><soap:Body><RetrieveDocumentSetResponse xmlns="{td32.XDS_B}">'
        f'<e:RegistryResponse xmlns:e="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" status="{SUCCESS}"/>'
        "<DocumentResponse><RepositoryUniqueId>1.9</RepositoryUniqueId><DocumentUniqueId>1.1</DocumentUniqueId>"
        f"<mimeType>text/xml</mimeType><Document>{b64encode(b'<ClinicalDocument/>').decode()}</Document>"
        "</DocumentResponse></RetrieveDocumentSetResponse></soap:Body></soap:Envelope>"
    ).encode()


ASKED = DocumentReference(
    unique_id="1.1", repository_unique_id="1.9", hash="c85265e6ac3b2d64573ddbf593d5e8c38411b5ae", size=19
)
CHANGES = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 12), st.binary(max_size=6)), min_size=1, max_size=4)


def changed(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for at, cut, put in changes:
        at %= len(data) + 1
        data = data[:at] + put + data[at + cut :]
    return data


@given(CHANGES)
def test_any_answer_to_a_search_is_read_or_refused_with_a_code(changes: list[tuple[int, int, bytes]]) -> None:
    try:
        listing = read(changed(response(WRITTEN), changes))
    except SunesError:
        return
    for document in listing.documents:
        assert document.created is None or document.created.tzinfo is not None
        assert repr(document)


@given(CHANGES)
def test_no_other_bytes_are_given_for_a_document(changes: list[tuple[int, int, bytes]]) -> None:
    try:
        answer = soap.parse(changed(retrieved(), changes), "application/soap+xml")
        got = td32.decode(answer, [ASKED])
    except SunesError:
        return
    assert all(document.content == b"<ClinicalDocument/>" for document in got)


def test_the_answer_that_is_changed_is_a_good_one() -> None:
    (document,) = td32.decode(soap.parse(retrieved(), "application/soap+xml"), [ASKED])
    assert document.verified
