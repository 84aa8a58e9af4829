"""The fake DMP changes statuses and visibility as ITI-57 says, with the rights of each mode, and refuses the rest."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import MASKED, DmpClient
from sunes_sdk.model import Outcome
from sunes_sdk.testing import samples
from sunes_sdk.testing.dmp_caller import CallAnswer, DmpCaller
from sunes_sdk.testing.dmp_registry import FIND_DOCUMENTS, GET_DOCUMENTS
from sunes_sdk.testing.dmp_store import STATUS_URNS, StoredDocument
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import STRUCTURE, TestPki

RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
R = f"{{{RIM}}}"
ACTION = "urn:ihe:iti:2010:UpdateDocumentSet"
CONFIDENTIALITY = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"
URNS: dict[str, str] = {str(name): urn for name, urn in STATUS_URNS.items()}
Change = Callable[[str], str]


class Scene:
    def __init__(self, dmp: FakeDmp, pki: TestPki) -> None:
        self.dmp, self.pki = dmp, pki
        self.first = samples.discharge_letter()
        self.letter = self.first.render(samples.issuer())
        self.client = DmpClient(samples.settings(dmp=dmp.settings()), actor=samples.physician().at(samples.hospital()))
        self.client.submit(self.letter)

    def caller(self, **changes: object) -> DmpCaller:
        return DmpCaller(self.dmp, self.pki, **changes)  # type: ignore[arg-type]  # fields of a VihfRequest

    @property
    def document(self) -> StoredDocument:
        return self.dmp.versions(self.letter.unique_id)[-1]

    def package(self) -> str:
        """The set of the first submission, under a new uniqueId."""
        root = etree.fromstring(self.dmp.versions(self.letter.unique_id)[0].metadata)
        (package,) = root.iter(f"{R}RegistryPackage")
        text = etree.tostring(package, encoding="unicode", with_tail=False)
        old = self.dmp.versions(self.letter.unique_id)[0].submission_set_id
        return text.replace(old, f"1.2.3.{uuid.uuid4().int}"[:60])

    def move(
        self, caller: DmpCaller, original: str, new: str, *, target: str = "", change: Change = lambda t: t
    ) -> CallAnswer:
        return caller.send(ACTION, change(request(self.package() + association(
            "urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus", target or self.document.entry_uuid,
            {"OriginalStatus": original, "NewStatus": new},
        ))))  # fmt: skip

    def entry(self, caller: DmpCaller) -> str:
        """The present version, copied whole from a LeafClass answer."""
        uuid_ = self.document.entry_uuid
        answer = caller.query(GET_DOCUMENTS, [("$XDSDocumentEntryEntryUUID", f"('{uuid_}')")])
        assert answer.body is not None
        (element,) = answer.body.iter(f"{R}ExtrinsicObject")
        text = etree.tostring(element, encoding="unicode", with_tail=False)
        text = text.replace(f'<rim:ExtrinsicObject xmlns:rim="{RIM}"', "<rim:ExtrinsicObject")
        return text.replace(f'id="{uuid_}"', 'id="Document01"', 1).replace(f'Object="{uuid_}"', 'Object="Document01"')

    def revise(
        self, caller: DmpCaller, entry: str, *, previous: str = "1", change: Change = lambda text: text
    ) -> CallAnswer:
        link = association(
            "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember", "Document01",
            {"SubmissionSetStatus": "Original", "PreviousVersion": previous},
        )  # fmt: skip
        return caller.send(ACTION, change(request(self.package() + entry + link)))


def request(objects: str) -> str:
    return (
        f'<lcm:SubmitObjectsRequest xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0" xmlns:rim="{RIM}">'
        f"<rim:RegistryObjectList>{objects}</rim:RegistryObjectList></lcm:SubmitObjectsRequest>"
    )


def association(kind: str, target: str, slots: dict[str, str]) -> str:
    values = "".join(
        f'<rim:Slot name="{name}"><rim:ValueList><rim:Value>{URNS.get(value, value)}</rim:Value>'
        "</rim:ValueList></rim:Slot>"
        for name, value in slots.items()
    )
    return (
        f'<rim:Association id="assoc1" associationType="{kind}" sourceObject="SubmissionSet01"'
        f' targetObject="{target}">{values}</rim:Association>'
    )


def code(value: str, system: str = "1.2.250.1.213.1.1.4.13") -> str:
    return (
        f'<rim:Classification id="new.{value}" classificationScheme="{CONFIDENTIALITY}" classifiedObject="Document01"'
        f' nodeRepresentation="{value}"><rim:Slot name="codingScheme"><rim:ValueList><rim:Value>{system}</rim:Value>'
        f'</rim:ValueList></rim:Slot><rim:Name><rim:LocalizedString value="{value}"/></rim:Name></rim:Classification>'
    )


def masked(entry: str, value: str = "MASQUE_PS") -> str:
    return entry.replace("<rim:ExternalIdentifier ", code(value) + "<rim:ExternalIdentifier ", 1)


@pytest.fixture(scope="module")
def shared(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as dmp:
        yield dmp


@pytest.fixture
def scene(shared: FakeDmp, pki: TestPki) -> Iterator[Scene]:
    shared.clear()
    shared.open_dmp(samples.ins())
    shared.authorize(samples.ins())
    scene = Scene(shared, pki)
    yield scene
    scene.client.close()


@pytest.fixture
def author(scene: Scene) -> Iterator[DmpCaller]:
    with scene.caller() as caller:
        yield caller


@pytest.fixture
def colleague(scene: Scene) -> Iterator[DmpCaller]:
    with scene.caller(user="801234567890") as caller:
        yield caller


def sub(old: str, new: str) -> Change:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


def regex(pattern: str, new: str = "") -> Change:
    def change(text: str) -> str:
        changed, times = re.subn(pattern, new, text, flags=re.DOTALL)
        assert times
        return changed

    return change


def refused(answer: CallAnswer, code: str, text: str) -> None:
    assert answer.status == "Failure"
    assert answer.code == code
    assert text in answer.text


# --- status -----------------------------------------------------------------------------------------------------------


def test_archive_and_unarchive(scene: Scene, author: DmpCaller) -> None:
    uuid_ = scene.document.entry_uuid
    assert scene.move(author, "Approved", "Archived").status == "Success"
    assert (scene.document.status, scene.document.entry_uuid) == ("Archived", uuid_)
    archived = ("$XDSDocumentEntryStatus", "('urn:asip:ci-sis:2010:StatusType:Archived')")
    assert author.query(FIND_DOCUMENTS, [archived]).ids() == [uuid_]
    assert author.retrieve(scene.letter.unique_id).status == "Success"
    refused(scene.move(author, "Approved", "Archived"), "XDSMetadataUpdateError", "the document is Archived")
    assert scene.move(author, "Archived", "Approved").status == "Success"
    assert scene.document.status == "Approved"


@pytest.mark.parametrize("mode", ["INDIRECTE", "INDIRECTE_RENFORCEE"])
@pytest.mark.parametrize("archived", [False, True])
def test_delete(scene: Scene, author: DmpCaller, mode: str, archived: bool) -> None:
    if archived:
        scene.move(author, "Approved", "Archived")
    with scene.caller(mode=mode) as caller:
        assert scene.move(caller, "Archived" if archived else "Approved", "Deleted").status == "Success"
    assert scene.document.status == "Deleted"
    by_unique_id = [("$XDSDocumentEntryUniqueId", f"('{scene.letter.unique_id}')")]
    assert author.query(GET_DOCUMENTS, by_unique_id, returns="ObjectRef").ids() == []
    assert author.retrieve(scene.letter.unique_id).code == "XDSDocumentUniqueIdError"
    refused(scene.move(author, "Deleted", "Approved"), "XDSMetadataUpdateOperationError", "from Deleted to Approved")
    refused(scene.move(author, "Approved", "Deleted"), "UnresolvedReferenceException", "no entryUUID")
    assert scene.client.submit(scene.letter).outcome is Outcome.REJECTED  # a uniqueId is used once


def test_only_the_author_deletes(scene: Scene, colleague: DmpCaller) -> None:
    denied = "DMPAccessDeniedByRightsService"
    refused(scene.move(colleague, "Approved", "Deleted", change=by("801234567890")), denied, "only its author")
    scene.dmp.authorize(samples.ins(), STRUCTURE, attending=True)
    refused(scene.move(colleague, "Approved", "Deleted", change=by("801234567890")), denied, "only its author")
    assert scene.move(colleague, "Approved", "Archived", change=by("801234567890")).status == "Success"
    scene.dmp.authorize(samples.ins())
    refused(scene.move(colleague, "Archived", "Approved", change=by("801234567890")), denied, "médecin traitant")


def by(user: str) -> Change:
    """The author of the set is the caller."""

    def change(text: str) -> str:
        head, package, tail = re.split("(<rim:RegistryPackage.*</rim:RegistryPackage>)", text, flags=re.DOTALL)
        return head + package.replace(samples.physician().national_id, user) + tail

    return change


def test_an_establishment_deletes_its_own_only(scene: Scene) -> None:
    """The structure of the VIHF is looked for among the authors."""
    assert STRUCTURE in scene.document.structures
    with scene.caller(mode="INDIRECTE") as establishment:
        refused(scene.move(establishment, "Approved", "Archived"), "DMPAccessDeniedByRightsService", "does not archive")
        scene.dmp._store.put_document(replace(scene.document, structures=("1750000001",)))  # sent by another
        refused(scene.move(establishment, "Approved", "Deleted"), "DMPAccessDeniedByRightsService", "only its author")


UPDATE = "XDSMetadataUpdateError"
METADATA = "XDSRegistryMetadataError"
UNRESOLVED = "UnresolvedReferenceException"
FIXED = "UnmodifiableMetadataError"


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        (sub("SubmitObjectsRequest", "SubmitRequest"), "Sender", "unknown body"),
        (regex("<rim:Association.*</rim:Association>"), UPDATE, "what is updated"),
        (regex("</?rim:RegistryObjectList>"), UPDATE, "RegistryObjectList"),
        (
            regex('(<rim:Association.*)id="assoc1"(.*</rim:Association>)', r'\1id="a1"\2\1id="a2"\2'),
            UPDATE,
            "updated once",
        ),
        (sub('sourceObject="S', 'sourceObject="s'), UPDATE, "sourceObject"),
        (sub(":UpdateAvailabilityStatus", ":RPLC"), "XDSMetadataUpdateOperationError", "no update"),
        (sub('"NewStatus"', '"Status"'), UPDATE, "NewStatus is one status"),
        (sub(":Archived<", ":archived<"), UPDATE, "NewStatus is one status"),
        (regex('targetObject="[^"]*', 'targetObject="urn:uuid:0'), UNRESOLVED, "no entryUUID"),
        (regex("<rim:RegistryPackage.*</rim:RegistryPackage>"), METADATA, "one RegistryPackage"),
        (sub("IDNST^^^10B", "IDNST^^^10C"), METADATA, "Aucun AuthorInstitution"),
        (sub("279035121518989", "207058575627097"), "XDSPatientIdDoesNotMatch", "VIHF"),
    ],
)
def test_a_status_request_that_is_wrong(scene: Scene, author: DmpCaller, change: Change, code: str, text: str) -> None:
    before = scene.document
    answer = scene.move(author, "Approved", "Archived", change=change)
    assert answer.code.rpartition(":")[2] == code
    assert text in answer.text
    assert scene.document == before


def test_official_messages_leave_out_what_objects_belong_to(scene: Scene, author: DmpCaller) -> None:
    def as_sample(text: str) -> str:
        return text.replace(' classifiedObject="SubmissionSet01"', "").replace(' registryObject="SubmissionSet01"', "")

    assert scene.move(author, "Approved", "Archived", change=as_sample).status == "Success"


def test_a_set_is_sent_once(scene: Scene, author: DmpCaller) -> None:
    used = scene.document.submission_set_id

    def again(text: str) -> str:
        return re.sub(r'value="1\.2\.3\.[0-9]*"', f'value="{used}"', text)

    answer = scene.move(author, "Approved", "Archived", change=again)
    refused(answer, "XDSDuplicateUniqueIdInRegistry", "already registered")


# --- visibility -------------------------------------------------------------------------------------------------------


def test_mask_and_unmask_make_versions(scene: Scene, author: DmpCaller, colleague: DmpCaller) -> None:
    first = scene.document
    plain = scene.entry(author)
    assert scene.revise(author, masked(plain)).status == "Success"
    second = scene.document
    assert (second.version, second.confidentiality) == (2, ("N", "MASQUE_PS"))
    assert (second.logical_id, second.unique_id) == (first.logical_id, first.unique_id)
    assert second.entry_uuid != first.entry_uuid
    assert [d.status for d in scene.dmp.versions(first.unique_id)] == ["Deprecated", "Approved"]
    assert len(scene.dmp.documents) == 1
    assert colleague.retrieve(first.unique_id).code == "XDSDocumentUniqueIdError"
    by_lid = [("$XDSDocumentEntryLogicalID", f"('{first.logical_id}')")]
    assert author.query(GET_DOCUMENTS, by_lid).ids() == [first.entry_uuid, second.entry_uuid]
    refused(scene.move(author, "Approved", "Archived", target=first.entry_uuid), "XDSMetadataVersionError", "earlier")
    assert scene.revise(author, plain, previous="2").status == "Success"
    assert (scene.document.version, scene.document.masked) == (3, False)
    assert colleague.retrieve(first.unique_id).status == "Success"


def test_who_masks_and_unmasks(scene: Scene, author: DmpCaller, colleague: DmpCaller) -> None:
    mine = by("801234567890")
    plain = scene.entry(author)
    assert scene.revise(colleague, masked(plain), change=mine).status == "Success"
    denied = "DMPAccessDeniedByRightsService"
    refused(scene.revise(colleague, plain, previous="2", change=mine), denied, "unmasks")
    scene.dmp.authorize(samples.ins(), STRUCTURE, attending=True)
    assert scene.revise(colleague, plain, previous="2", change=mine).status == "Success"
    with scene.caller(mode="INDIRECTE") as establishment:
        refused(scene.revise(establishment, masked(plain), previous="3"), denied, "does not mask")
        hidden = masked(plain, "INVISIBLE_PATIENT")
        refused(scene.revise(establishment, hidden, previous="3"), denied, "visibility")
    scene.dmp.block(samples.ins())
    refused(scene.revise(author, masked(plain), previous="3"), denied, "blocked")


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        (
            sub("<rim:Value>1</rim:Value>", "<rim:Value>2</rim:Value>"),
            "XDSMetadataVersionError",
            "present version is 1",
        ),
        (sub('"PreviousVersion"', '"Version"'), "XDSMetadataVersionError", "lacks PreviousVersion"),
        (sub("<rim:Value>Original<", "<rim:Value>Reference<"), UPDATE, "SubmissionSetStatus"),
        (regex("<rim:Association.*</rim:Association>"), UPDATE, "what is updated"),
        (sub('targetObject="Document01"', 'targetObject="Document02"'), UPDATE, "no HasMember"),
        (regex("<rim:ExtrinsicObject.*</rim:ExtrinsicObject>"), UNRESOLVED, "Document01"),
        (regex(' lid="[^"]*"'), UNRESOLVED, "lid"),
        (regex(' lid="[^"]*"', ' lid="urn:uuid:0"'), UNRESOLVED, "lid"),
        (sub("Document01", "urn:uuid:00000000-0000-4000-8000-000000000001"), UPDATE, "symbolic id"),
        (sub("MASQUE_PS", "SECRET"), METADATA, "not in JDV_J58"),
        (sub('nodeRepresentation="N"', 'nodeRepresentation="R"'), METADATA, "N is always"),
        (sub(code("MASQUE_PS"), code("MASQUE_PS") + code("INVISIBLE_PATIENT")), METADATA, "EX_2.1-1050"),
        (regex('<rim:Slot name="hash">.*?</rim:Slot>'), FIXED, "hash"),
        (regex('<rim:Slot name="repositoryUniqueId">.*?</rim:Slot>'), FIXED, "repositoryUniqueId"),
        (sub('nodeRepresentation="ETABLISSEMENT"', 'nodeRepresentation="AMBULATOIRE"'), FIXED, "practiceSetting"),
        (regex('(</rim:Slot><rim:Name><rim:LocalizedString[^>]* value=")Lettre', r"\1Autre"), FIXED, "title"),
        (regex('(2e82c1f6-[^>]*value=")[^"]*', r"\g<1>1.2.3"), FIXED, "uniqueId"),
        (regex('(Slot name="authorPerson">(?:(?!</rim:Slot>).)*DAVID)', r"\1E"), FIXED, "author"),
        (sub('mimeType="text/xml"', 'mimeType="application/dicom"'), FIXED, "mimeType"),
    ],
)
def test_a_metadata_request_that_is_wrong(
    scene: Scene, author: DmpCaller, change: Change, code: str, text: str
) -> None:
    before = scene.dmp.versions(scene.letter.unique_id)
    refused(scene.revise(author, masked(scene.entry(author)), change=change), code, text)
    assert scene.dmp.versions(scene.letter.unique_id) == before


def test_nothing_changed_is_refused(scene: Scene, author: DmpCaller) -> None:
    refused(scene.revise(author, scene.entry(author)), "XDSMetadataUpdateError", "nothing changes")


def test_a_replaced_document_is_left_alone(scene: Scene, author: DmpCaller) -> None:
    entry = scene.entry(author)
    scene.client.submit(scene.first.revise(scene.letter).render(samples.issuer()))
    refused(scene.revise(author, masked(entry)), "XDSRegistryDeprecatedDocumentError", "was replaced")


def test_a_replacement_names_the_present_version(scene: Scene, author: DmpCaller) -> None:
    """RPLC to an entryUUID from before a change of metadata is refused; our client asks for the present one."""
    revised = scene.first.revise(scene.letter).render(samples.issuer())
    scene.revise(author, masked(scene.entry(author)))
    receipt = scene.client.submit(revised)
    assert receipt.outcome is Outcome.ACCEPTED
    old, new = scene.dmp.documents
    assert (old.status, old.version, new.version) == ("Deprecated", 2, 1)
    assert new.logical_id not in ("", old.logical_id)


def test_masked_at_submission(scene: Scene, colleague: DmpCaller) -> None:
    letter: CdaDocument = samples.discharge_letter().render(samples.issuer())
    scene.client.submit(letter, visibility=(MASKED,))
    assert colleague.retrieve(letter.unique_id).status == "Failure"


@pytest.mark.samples
def test_the_official_delete_is_refused_only_for_its_people(scene: Scene, samples: Path) -> None:
    """The body of the official TD3.3c reads; it is about another patient."""
    message = next((samples / "dmp" / "gie").glob("TD3.3c*requete.xml")).read_bytes()
    body = re.search(rb"<ns4:SubmitObjectsRequest.*</ns4:SubmitObjectsRequest>", message, re.DOTALL)
    assert body
    with scene.caller() as caller:
        refused(caller.send(ACTION, body.group().decode()), "XDSPatientIdDoesNotMatch", "VIHF")
