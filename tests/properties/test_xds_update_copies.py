"""New metadata of a known document: everything goes back as it came, but for what is asked to change."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from sunes_sdk import xds
from sunes_sdk._core.xml import parse
from sunes_sdk.model import Code
from sunes_sdk.xds import DocumentEntry, Folder, NewVersion, Submission, SubmissionSet
from sunes_sdk.xds.ebrim import RIM, SCHEMES

R = f"{{{RIM}}}"
text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"]), max_size=40)
word = st.text("ABCdef012.-_^&<>\"'é", min_size=1, max_size=20)
oids = st.from_regex(r"[0-2](\.[1-9][0-9]{0,3}){1,6}", fullmatch=True)
codes = st.builds(Code, code=word, system=oids, display=text.map(str.strip))
maybe = st.none() | codes
authors = st.builds(
    xds.Author, person=word, institution=st.just("") | word, roles=st.lists(text, max_size=2).map(tuple)
)
entries = st.builds(
    DocumentEntry,
    id=st.uuids().map(lambda u: u.urn),
    mime_type=st.just("text/xml"),
    unique_id=word,
    patient_id=word,
    type_code=maybe,
    class_code=maybe,
    format_code=maybe,
    facility_type=maybe,
    practice_setting=maybe,
    confidentiality=st.lists(codes, max_size=3).map(tuple),
    event_codes=st.lists(codes, max_size=3).map(tuple),
    authors=st.lists(authors, max_size=2).map(tuple),
    legal_authenticator=st.just("") | word,
    title=text,
    comments=text,
    creation_time=st.just("20260115093000"),
    source_patient_info=st.lists(word, max_size=4).map(tuple),
    reference_ids=st.lists(word, max_size=2).map(tuple),
    hash=st.binary(min_size=20, max_size=20).map(bytes.hex),
    size=st.none() | st.integers(0, 10**9),
)
submission_sets = st.builds(
    SubmissionSet, id=st.just("SubmissionSet01"), unique_id=oids, source_id=oids, patient_id=word,
    submission_time=st.just("20260115093000"),
)  # fmt: skip
LID = "urn:uuid:0f3a2b6e-0000-4000-8000-000000000001"


def answered(entry: DocumentEntry, s: SubmissionSet, *, known: bool = True) -> etree._Element:
    """The entry as a registry answers it: ids and status of its own, a logical id, a version, and (`known=False`) parts
    that this library has no field for."""
    written = xds.encode(Submission(submission_set=s, entries=(entry,)), xds.DMP)
    element = next(parse(written.encode()).iter(f"{R}ExtrinsicObject"))
    element.set("lid", LID)
    element.set("status", "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved")
    element.set("isOpaque", "false")
    for i, part in enumerate([*element.iter(f"{R}Classification"), *element.iter(f"{R}ExternalIdentifier")]):
        part.set("id", f"urn:uuid:0f3a2b6e-0000-4000-9000-{i:012}")
        part.set("lid", part.get("id", ""))
    first = next((i for i, c in enumerate(element) if c.tag in (f"{R}Classification", f"{R}ExternalIdentifier")))
    element.insert(first, etree.Element(f"{R}VersionInfo", versionName="2"))
    if not known:
        slot = etree.SubElement(element, f"{R}Slot", name="urn:example:new")
        element.insert(0, slot)
        value = etree.SubElement(etree.SubElement(slot, f"{R}ValueList"), f"{R}Value")
        value.text = "kept & <whole>"
        unknown = copy.deepcopy(next(element.iter(f"{R}ExternalIdentifier")))
        unknown.set("identificationScheme", "urn:uuid:00000000-0000-4000-8000-00000000aaaa")
        element.append(unknown)
    return element


def sent(element: etree._Element, s: SubmissionSet, confidentiality: tuple[Code, ...]) -> etree._Element:
    version = NewVersion(element=element, id="Document01", confidentiality=confidentiality)
    return parse(xds.encode(Submission(submission_set=s), xds.DMP_UPDATE, (version,)).encode())


@given(entries, submission_sets, st.lists(codes, min_size=1, max_size=4).map(tuple))
def test_only_the_confidentiality_changes(
    entry: DocumentEntry, s: SubmissionSet, confidentiality: tuple[Code, ...]
) -> None:
    element = answered(entry, s)
    before = etree.tostring(element)
    (found,) = xds.decode_element(sent(element, s, confidentiality)).entries
    assert found == replace(entry, id="Document01", confidentiality=confidentiality, logical_id=LID)
    assert etree.tostring(element) == before  # what the registry answered is not touched


@given(entries, submission_sets, st.lists(codes, min_size=1, max_size=4).map(tuple))
def test_what_is_not_known_goes_back_too(
    entry: DocumentEntry, s: SubmissionSet, confidentiality: tuple[Code, ...]
) -> None:
    """Read element by element, not by our decoder."""
    element = answered(entry, s, known=False)
    (new,) = sent(element, s, confidentiality).iter(f"{R}ExtrinsicObject")

    def parts(e: etree._Element) -> list[tuple[str, str, bytes]]:
        """Everything but ids, links to the object and confidentiality."""
        found = []
        for part in copy.deepcopy(e):
            scheme = part.get("classificationScheme") or part.get("identificationScheme") or ""
            if part.tag == f"{R}VersionInfo" or scheme == SCHEMES["DocumentEntry.confidentialityCode"]:
                continue
            for name in ("id", "lid", "classifiedObject", "registryObject"):
                part.attrib.pop(name, None)
            found.append((str(part.tag), scheme, etree.tostring(part, method="c14n", exclusive=True)))
        return found

    assert parts(new) == parts(element)
    assert {k: v for k, v in element.attrib.items() if k not in ("id", "status")} == {
        k: v for k, v in new.attrib.items() if k != "id"
    }
    ids = [e.get("id") for e in new.getparent().iter() if e.get("id")]  # type: ignore[union-attr]  # it is in a list
    assert len(ids) == len(set(ids))
    links = [p.get("classifiedObject") or p.get("registryObject") for p in new if p.get("id")]
    assert set(links) == {"Document01"}
    order = [str(p.tag).removeprefix(R) for p in new]
    ranks = ["Slot", "Name", "Description", "Classification", "ExternalIdentifier"]
    assert order == sorted(order, key=ranks.index)


folders = st.builds(
    Folder,
    id=word,
    unique_id=word,
    patient_id=word,
    codes=st.lists(codes, max_size=3).map(tuple),
    title=text,
    comments=text,
)


@given(submission_sets, st.lists(folders, max_size=3).map(tuple), st.sampled_from([xds.DMP, xds.DMP_UPDATE]))
def test_folders_come_back(s: SubmissionSet, given_folders: tuple[Folder, ...], profile: xds.Profile) -> None:
    submission = Submission(submission_set=s, folders=given_folders)
    assert xds.decode(xds.encode(submission, profile).encode()) == submission


def test_a_folder_of_an_answer_has_what_the_registry_set() -> None:
    folder = Folder(id="Folder01", unique_id="1.2.3", patient_id="x^^^&1.2&ISO^NH")
    s = SubmissionSet(id="S", unique_id="1.2", source_id="1.3", patient_id="x", submission_time="20260101")
    root = parse(xds.encode(Submission(submission_set=s, folders=(folder,)), xds.DMP).encode())
    package = next(p for p in root.iter(f"{R}RegistryPackage") if p.get("id") == "Folder01")
    package.set("lid", "urn:uuid:1")
    package.insert(0, etree.Element(f"{R}VersionInfo", versionName="3"))
    slot = etree.Element(f"{R}Slot", name="lastUpdateTime")
    etree.SubElement(etree.SubElement(slot, f"{R}ValueList"), f"{R}Value").text = "20260115093000"
    package.insert(0, slot)
    (found,) = xds.decode_element(root).folders
    assert found == replace(folder, logical_id="urn:uuid:1", version="3", last_update="20260115093000")


@pytest.mark.parametrize("profile", [xds.DMP, xds.XDM, xds.DMP_UPDATE])
def test_only_updates_say_the_type_of_associations(profile: xds.Profile) -> None:
    link = xds.Association(id="a", type=xds.UPDATES_STATUS, source="b", target="c")
    assert ("objectType=" in xds.ebrim.association(link, profile)) == (profile is xds.DMP_UPDATE)
