"""Our TD3.3 requests beside the official ones, fact by fact, each difference with its reason. And the schema."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from sunes_sdk import xds
from sunes_sdk._core.xml import parse
from sunes_sdk.dmp import td33
from sunes_sdk.dmp.answers import read_response
from sunes_sdk.dmp.td21 import MASKED
from sunes_sdk.transport import soap
from sunes_sdk.xds import AvailabilityStatus, SubmissionSet

RIM = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"
NAMES = {uuid: name for name, uuid in xds.ebrim.SCHEMES.items()} | {xds.ebrim.SUBMISSION_SET_NODE: "set"}

DIFFERENCES = {
    "RegistryPackage/Classification[SubmissionSet.author]/@classifiedObject":
        "missing in the sample; the schema asks for it, and the sample has it in the other classifications",
    "RegistryPackage/Classification[set]/@nodeRepresentation":
        "empty as in the official TD2.1 request; IHE does not ask for it, the schema lets it be absent",
    "RegistryPackage/ExternalIdentifier[SubmissionSet.patientId]/@registryObject":
        "missing in the sample; the schema asks for it",
    "RegistryPackage/ExternalIdentifier[SubmissionSet.sourceId]/@registryObject":
        "missing in the sample; the schema asks for it",
    "RegistryPackage/ExternalIdentifier[SubmissionSet.uniqueId]/@registryObject":
        "missing in the sample; the schema asks for it",
    "RegistryPackage/ExternalIdentifier[SubmissionSet.patientId]/@value":
        "the sample adds an effective date (CX.7), which the CI-SIS model does not have",
}  # fmt: skip
"""Ours to theirs, of the same change. Identifiers inside the message are free."""


def facts(objects: etree._Element) -> dict[str, list[str]]:
    """Every attribute and text below a RegistryObjectList, by its place; classifications by their scheme."""
    found: dict[str, list[str]] = {}

    def walk(element: etree._Element, path: str) -> None:
        for name, value in element.attrib.items():
            if name != "id":
                found.setdefault(f"{path}/@{name.rpartition('}')[2]}", []).append(value)
        text = (element.text or "").strip()
        if text:
            found.setdefault(f"{path}/text()", []).append(text)
        for child in element:
            scheme = next(
                (child.get(a) for a in ("classificationScheme", "identificationScheme", "classificationNode", "name")
                 if child.get(a)), ""
            )  # fmt: skip
            walk(child, f"{path}/{etree.QName(child).localname}" + (f"[{NAMES.get(scheme, scheme)}]" if scheme else ""))

    for each in objects:
        walk(each, etree.QName(each).localname)
    return found


def official(samples: Path, name: str) -> bytes:
    return (samples / "dmp" / "gie" / name).read_bytes()


def objects_of(text: bytes) -> etree._Element:
    text = text.decode("utf-8", "replace").encode()  # a name of its VIHF is not UTF-8
    return next(soap.parse(text, "application/soap+xml").body.iter(f"{RIM}RegistryObjectList"))


def official_delete(samples: Path) -> etree._Element:
    return objects_of(official(samples, "TD3.3c_-_Supprimer_un_document_requete.xml"))


def our_set(given: SubmissionSet) -> SubmissionSet:
    """The set of the sample with the patient as we write it."""
    return SubmissionSet(
        id=td33.SET_ID,
        unique_id=given.unique_id,
        source_id=given.source_id,
        patient_id="207058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH",
        submission_time=given.submission_time,
        author=given.author,
        content_type=given.content_type,
        title=given.title,
    )


@pytest.mark.parametrize(
    ("name", "original", "new"),
    [
        ("TD3.3c[ _]*_r*te.xml", AvailabilityStatus.ARCHIVED, AvailabilityStatus.DELETED),
        ("TD3.3d[ _]*_r*te.xml", AvailabilityStatus.APPROVED, AvailabilityStatus.ARCHIVED),
    ],
    ids=["delete", "archive"],
)
def test_each_difference_with_the_official_request_is_explained(
    dmp_message: Callable[[str], bytes], name: str, original: AvailabilityStatus, new: AvailabilityStatus
) -> None:
    theirs = objects_of(dmp_message(name))
    read = xds.decode_element(theirs)
    assert read.submission_set is not None
    (link,) = read.associations
    ours = td33.status_update(our_set(read.submission_set), link.target, original, new)
    mine = facts(next(parse(ours.encode()).iter(f"{RIM}RegistryObjectList")))
    given = facts(theirs)
    assert len(given) > 20
    differing = {path for path in mine.keys() | given.keys() if mine.get(path) != given.get(path)}
    assert differing == DIFFERENCES.keys()


@pytest.mark.parametrize("transaction", ["TD3.3c", "TD3.3d"])
def test_the_official_answer_is_read(dmp_message: Callable[[str], bytes], transaction: str) -> None:
    answer = soap.parse(dmp_message(f"{transaction}[ _]*_r*se.xml"), "application/soap+xml")
    assert read_response(answer.body).ok
    assert answer.action == f"{td33.ACTION}-Response"


@pytest.fixture(scope="module")
def schema(samples: Path) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(samples / "dmp" / "contract" / "schema" / "ebRS" / "lcm.xsd"))


def test_a_change_of_status_is_valid_by_the_official_schema(schema: etree.XMLSchema, samples: Path) -> None:
    read = xds.decode_element(official_delete(samples))
    assert read.submission_set is not None
    ours = td33.status_update(
        our_set(read.submission_set), "urn:uuid:0f3a2b6e-0000-4000-8000-000000000001",
        AvailabilityStatus.APPROVED, AvailabilityStatus.ARCHIVED,
    )  # fmt: skip
    tree = etree.fromstring(ours)
    schema.assertValid(tree)
    next(tree.iter(f"{RIM}Association")).attrib.pop("targetObject")
    assert not schema.validate(tree)


def test_a_mask_of_each_document_of_the_official_answer(schema: etree.XMLSchema, samples: Path) -> None:
    """Whole but for the code, in the form that the schema asks for, and naming the version of the answer."""
    answer = soap.parse(official(samples, "TD3.1_-_Recherche_de_document_reponse.xml"), "application/soap+xml").body
    read = xds.decode_element(official_delete(samples))
    assert read.submission_set is not None
    documents = xds.ebrim.entries_of(answer)
    assert documents
    for element, entry in documents:
        held = td33.present_version(answer, entry.unique_id)
        assert held is not None
        codes = td33.with_visibility(held.entry.confidentiality, add=(MASKED,), remove=())
        written = td33.visibility_update(our_set(read.submission_set), held, codes)
        tree = etree.fromstring(written)
        schema.assertValid(tree)
        sent = next(tree.iter(f"{RIM}ExtrinsicObject"))
        (link,) = tree.iter(f"{RIM}Association")
        assert (link.get("sourceObject"), link.get("targetObject")) == (td33.SET_ID, sent.get("id"))
        slots = {s.get("name"): [v.text for v in s.iter(f"{RIM}Value")] for s in link.iter(f"{RIM}Slot")}
        assert slots == {"SubmissionSetStatus": ["Original"], "PreviousVersion": [held.entry.version]}
        # Nothing but the code, the version and what the registry sets differs.
        places = ("confidentialityCode", "VersionInfo", "/@status", "/@lid", "/@classifiedObject", "/@registryObject")
        before = {k: v for k, v in facts(_list(held.element)).items() if not k.endswith(places) and places[0] not in k}
        after = {k: v for k, v in facts(_list(sent)).items() if not k.endswith(places) and places[0] not in k}
        before.pop("ExtrinsicObject/VersionInfo/@versionName", None)
        assert before == after
        assert sent.get("lid") == element.get("lid")


def _list(element: etree._Element) -> etree._Element:
    holder = etree.Element("list")
    holder.append(etree.fromstring(etree.tostring(element)))
    return holder
