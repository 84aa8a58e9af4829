"""An XDS.b implementation that we did not write, IPF, takes our ITI-41, 18, 43 and 57, and we read its answers.

`make interop` builds the Java side (interop/ipf, from Maven Central); without it these tests are skipped.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from sunes_sdk._core.clock import SystemClock
from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import DmpClient, DocumentFilter, FoundDocument
from sunes_sdk.errors import DmpError
from sunes_sdk.model import Code, Identity, Outcome, Receipt
from sunes_sdk.settings import DmpSettings
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.transport import HttpResponse, HttpsTransport

PROJECT = Path(__file__).resolve().parents[2] / "interop" / "ipf" / "target"
REPOSITORY = "1.2.250.1.213.4.1.1.1.2"
ACTOR = samples.physician().at(samples.hospital())
WHO = samples.patient().identity
TEXT = rb"[^<>\"^]"


@dataclass(frozen=True, kw_only=True)
class FrenchForm:
    """What the CI-SIS asks for and IHE ITI TF-3 does not have, so that IPF refuses it by design."""

    said: str
    written: bytes
    for_ihe: bytes
    why: str


FRENCH_FORMS = (
    FrenchForm(
        said="An organization should not specify data other than its ID and name",
        written=rb"\^IDNST\^\^\^",
        for_ihe=rb"^^^^",
        why="authorInstitution: the CI-SIS gives XON.7, type of the structure's identifier; IHE has XON.1, 6 and 10",
    ),
    FrenchForm(
        said="Only the ID number and the assigning authority can be defined for a CX value",
        written=rb"(\^\^\^&amp;[0-9.]+&amp;ISO)\^(?:NH|PI)",
        for_ihe=rb"\1",
        why="patientId, sourcePatientId: the CI-SIS gives CX.5, type of the patient's identifier; IHE has CX.1 and 4",
    ),
    FrenchForm(
        said="Only the ID number and the assigning authority can be defined for a CX value",
        written=rb">(" + TEXT + rb"+)\^" + TEXT + rb"+\^([0-9.]+)</",
        for_ihe=rb">\1^^^&amp;\2&amp;ISO</",
        why="authorSpecialty: the CI-SIS writes code^label^OID; IHE free text or a CX",
    ),
    FrenchForm(
        said="UpdateAvailabilityStatus Association must specify an new document status",
        written=rb"(?<=>)urn:asip:ci-sis:2010:StatusType:(?:Archived|Deleted)(?=<)",
        for_ihe=b"urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated",
        why="newStatus: the CI-SIS adds Archived and Deleted (JDV_J52); IHE has Approved and Deprecated",
    ),
)
"""Each difference, what IPF says of it, and its form in IHE. All else that we send reaches IPF as the DMP gets it."""


class Rewriting:
    """A transport that writes what we send in forms of IHE, then makes `change`; keeps what IPF says of errors."""

    def __init__(self, dmp: DmpSettings, forms: tuple[FrenchForm, ...] = FRENCH_FORMS) -> None:
        self._https = HttpsTransport(dmp.tls, timeout_seconds=30, clock=SystemClock())
        self._base = dmp.base_url
        self._forms = forms
        self.change: tuple[bytes, bytes] | None = None
        self.said: list[str] = []

    def post(self, url: str, body: bytes | tuple[bytes, ...], headers: Mapping[str, str]) -> HttpResponse:
        """IPF has one endpoint for each transaction, where the DMP has one for two."""
        action = re.search(r'; action="([^"]+)"', headers["Content-Type"])
        assert action is not None
        url = self._base + action[1].rpartition(":")[2]
        body = body if isinstance(body, bytes) else b"".join(body)
        for form in self._forms:
            body = re.sub(form.written, form.for_ihe, body)
        if self.change:
            body = body.replace(*self.change)
        answer = self._https.post(url, body, headers)
        self.said += [said.decode() for said in re.findall(rb'codeContext="([^"]*)"', answer.body)]
        return answer

    def close(self) -> None:
        self._https.close()


@pytest.fixture(scope="module")
def base(pki: TestPki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DmpSettings]:
    java = shutil.which("java")
    if java is None:
        pytest.skip("no java on the PATH")
    if not (PROJECT / "lib").is_dir():
        pytest.skip("interop/ipf is not built: make interop (Java 17, Maven, Maven Central)")
    with FakeDmp(pki) as fake:
        settings = fake.settings()
    classes = f"{PROJECT / 'classes'}:{PROJECT / 'lib'}/*"
    folder = tmp_path_factory.mktemp("ipf")
    log = (folder / "judge.log").open("wb")
    judge = subprocess.Popen(
        [java, "-cp", classes, "Judge", pki.server.certificate, pki.server.key, pki.ca_file, REPOSITORY, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    with log, judge:
        assert judge.stdout is not None
        name, _, port = judge.stdout.readline().partition(" ")
        assert name == "PORT", (folder / "judge.log").read_text()
        yield settings.model_copy(
            update={
                "base_url": f"https://localhost:{int(port)}/",
                "mode": "INDIRECTE_RENFORCEE",
                "authn_declaration": "APP_BROWSER_AUTH",
            }
        )
        judge.communicate()


class Scene:
    def __init__(self, base: DmpSettings, forms: tuple[FrenchForm, ...] = FRENCH_FORMS) -> None:
        self.sent = Rewriting(base, forms)
        self.client = DmpClient(samples.settings(dmp=base), actor=ACTOR, transport=self.sent)


@pytest.fixture
def scene(base: DmpSettings) -> Iterator[Scene]:
    made = Scene(base)
    yield made
    made.sent.close()


def letter() -> CdaDocument:
    return samples.discharge_letter().render(samples.issuer())


def in_use(scene: Scene, document: CdaDocument) -> FoundDocument:
    """Its version that is Approved."""
    (found,) = (one for one in scene.client.find(WHO) if one.unique_id == document.unique_id)
    return found


def test_a_document_is_registered_found_and_retrieved(scene: Scene) -> None:
    document = letter()
    receipt = scene.client.submit(document)
    assert receipt.outcome is Outcome.ACCEPTED
    entry_uuid = scene.client.find_entry_uuid(document.unique_id, WHO)
    assert entry_uuid
    where = DocumentFilter(type_codes=(Code(code="11490-0", system="2.16.840.1.113883.6.1"),))
    (found,) = (one for one in scene.client.find(WHO, where) if one.unique_id == document.unique_id)
    assert (found.entry_uuid, found.entry.size) == (entry_uuid, len(document.content))
    assert [one.unique_id for one in scene.client.get_documents(WHO, entry_uuids=[entry_uuid])] == [document.unique_id]
    (retrieved,) = scene.client.retrieve(found, of=WHO)
    assert retrieved.content == document.content
    assert scene.sent.said == []


def test_a_replacement_is_registered(scene: Scene) -> None:
    first = samples.discharge_letter()
    old = first.render(samples.issuer())
    receipt = scene.client.submit(old)
    replaced = scene.client.replace(first.revise(old).render(samples.issuer()), of=receipt)
    assert (replaced.outcome, replaced.warnings) == (Outcome.ACCEPTED, ())
    assert scene.sent.said == []


def test_a_document_is_masked_and_shown_again(scene: Scene) -> None:
    """A new version each time; a second mask is made from the first one's."""
    document = letter()
    scene.client.submit(document)
    which = (document.unique_id, WHO)
    for number, (change, seen) in enumerate(
        (
            (partial(scene.client.mask, *which), {"MASQUE_PS"}),
            (partial(scene.client.unmask, *which), set()),
            (partial(scene.client.set_patient_visibility, *which, patient=False), {"INVISIBLE_PATIENT"}),
        ),
        start=2,
    ):
        assert change().outcome is Outcome.ACCEPTED
        found = in_use(scene, document)
        assert (set(found.visibility), found.entry.version) == (seen, str(number))
    assert scene.sent.said == []


@pytest.mark.parametrize("update", [DmpClient.archive, DmpClient.delete])
def test_a_document_is_archived_or_deleted(scene: Scene, update: Callable[[DmpClient, str, Identity], Receipt]) -> None:
    document = letter()
    scene.client.submit(document)
    assert in_use(scene, document)
    assert update(scene.client, document.unique_id, WHO).outcome is Outcome.ACCEPTED
    assert document.unique_id not in [one.unique_id for one in scene.client.find(WHO)]
    assert scene.sent.said == []


@pytest.mark.parametrize("form", FRENCH_FORMS, ids=lambda form: form.why.partition(":")[0])
def test_each_french_form_is_what_ipf_refuses(base: DmpSettings, form: FrenchForm) -> None:
    """All but this one in forms of IHE: IPF refuses with the words of the table."""
    scene = Scene(base, tuple(other for other in FRENCH_FORMS if other is not form))
    document = letter()
    if scene.client.submit(document).outcome is Outcome.ACCEPTED:
        with pytest.raises(DmpError):
            scene.client.archive(document.unique_id, WHO)
    assert form.said in scene.sent.said
    scene.sent.close()


@pytest.mark.parametrize(
    ("ours", "spoiled"),
    [
        (b'="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"', b'="urn:ihe:iti:2007:AssociationType:XYZ"'),
        (b'name="creationTime"', b'name="creationTime2"'),
        (b'name="languageCode"', b'name="languageKode"'),
        (b'name="sourcePatientId"', b'name="sourcePatient"'),
        (b"urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a", b"urn:uuid:41a5887f-8865-4c09-adf7-e362475b143b"),
        (b"urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab", b"urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ac"),
        (b'mimeType="text/xml"', b'mimeType="text"'),
    ],
    ids=["association", "creationTime", "languageCode", "sourcePatientId", "classCode", "uniqueId", "mimeType"],
)
def test_spoiled_metadata_are_refused(scene: Scene, ours: bytes, spoiled: bytes) -> None:
    scene.sent.change = (ours, spoiled)
    assert scene.client.submit(letter()).outcome is Outcome.REJECTED
    assert scene.sent.said


def test_a_spoiled_query_is_refused(scene: Scene) -> None:
    assert scene.client.find(WHO) is not None
    assert scene.sent.said == []
    scene.sent.change = (b"$XDSDocumentEntryPatientId", b"$XDSDocumentEntryPatient")
    with pytest.raises(DmpError):
        scene.client.find(WHO)
    assert scene.sent.said


def test_a_spoiled_retrieval_is_refused(scene: Scene) -> None:
    document = letter()
    assert scene.client.submit(document).outcome is Outcome.ACCEPTED
    (found,) = (one for one in scene.client.find(WHO) if one.unique_id == document.unique_id)
    scene.sent.change = (f">{REPOSITORY}<".encode(), b"><")
    with pytest.raises(DmpError):
        scene.client.retrieve(found, of=WHO)
    assert scene.sent.said


@pytest.mark.parametrize(
    ("update", "ours", "spoiled"),
    [
        (DmpClient.mask, b' lid="', b' version="'),
        (DmpClient.mask, b'name="PreviousVersion"', b'name="LastVersion"'),
        (DmpClient.mask, b'targetObject="Document01"', b'targetObject="Document02"'),
        (DmpClient.mask, b'name="languageCode"', b'name="languageKode"'),
        (DmpClient.archive, b'name="OriginalStatus"', b'name="OldStatus"'),
        (DmpClient.archive, b'sourceObject="SubmissionSet01"', b'sourceObject="SubmissionSet02"'),
        (DmpClient.archive, b"urn:ihe:iti:2010:AssociationType:", b"urn:ihe:iti:2007:AssociationType:"),
    ],
    ids=["logicalId", "version", "member", "languageCode", "status", "set", "association"],
)
def test_a_spoiled_update_is_refused(
    scene: Scene, update: Callable[[DmpClient, str, Identity], Receipt], ours: bytes, spoiled: bytes
) -> None:
    document = letter()
    scene.client.submit(document)
    assert scene.sent.said == []
    scene.sent.change = (ours, spoiled)
    with pytest.raises(DmpError):
        update(scene.client, document.unique_id, WHO)
    assert scene.sent.said
