"""An XDS.b implementation that we did not write, IPF, takes our ITI-41, 18, 43 and 57, and we read its answers; and as
a client it reads those of FakeDmp.

`make interop` builds the Java side (interop/ipf, from Maven Central); without it these tests are skipped.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from sunes_sdk._core.clock import SystemClock
from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import AvailabilityStatus, DmpClient, DocumentFilter, FoundDocument, SubmissionSetFilter
from sunes_sdk.errors import DmpError
from sunes_sdk.model import Code, Identity, Outcome, Receipt
from sunes_sdk.settings import DmpSettings
from sunes_sdk.testing import demo, samples
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.transport import HttpResponse, HttpsTransport
from sunes_sdk.transport.seam import Body, joined

PROJECT = Path(__file__).resolve().parents[2] / "interop" / "ipf" / "target"
REPOSITORY = "1.2.250.1.213.4.1.1.1.2"
ACTOR = samples.physician().at(samples.hospital())
WHO = samples.patient().identity
TEXT = rb"[^<>\"^]"


@dataclass(frozen=True, kw_only=True)
class FrenchForm:
    """What the CI-SIS asks for and IHE has not (ITI TF-3, table 4.2.3.1.7-2: no other component is allowed), so that
    any validator of IHE refuses it."""

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
        written=b"urn:asip:ci-sis:2010:StatusType:(?:Archived|Deleted)",
        for_ihe=b"urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated",
        why="status: the CI-SIS adds Archived and Deleted (JDV_J52); IHE has Approved and Deprecated",
    ),
)
"""Each difference, what IPF says of it, and its form in IHE. All else that we send reaches IPF as the DMP gets it. Its
validators of CX, XON and statuses have no variant: without this table, all checks of metadata would have to be off."""


def in_ihe(body: bytes, forms: tuple[FrenchForm, ...] = FRENCH_FORMS) -> bytes:
    for form in forms:
        body = re.sub(form.written, form.for_ihe, body)
    return body


def action_of(headers: Mapping[str, str]) -> str:
    """The last word of its wsa:Action, by which IPF has an endpoint for each transaction."""
    found = re.search(r'; action="[^"]+:([^":]+)"', headers["Content-Type"])
    assert found is not None
    return found[1]


class Rewriting:
    """A transport to IPF: writes what we send in forms of IHE, then makes `change`; keeps what IPF says of errors."""

    def __init__(self, dmp: DmpSettings, forms: tuple[FrenchForm, ...] = FRENCH_FORMS) -> None:
        self._https = HttpsTransport(dmp.tls, timeout_seconds=30, clock=SystemClock())
        self._base = dmp.base_url
        self._forms = forms
        self.change: tuple[bytes, bytes] | None = None
        self.said: list[str] = []

    def post(self, url: str, body: Body, headers: Mapping[str, str]) -> HttpResponse:
        body = in_ihe(joined(body), self._forms)
        if self.change:
            body = body.replace(*self.change)
        answer = self._https.post(self._base + action_of(headers), body, headers)
        self.said += [said.decode() for said in re.findall(rb'codeContext="([^"]*)"', answer.body)]
        return answer

    def close(self) -> None:
        self._https.close()


@dataclass(frozen=True, kw_only=True)
class Judge:
    """The process of IPF."""

    process: subprocess.Popen[str]
    port: int

    def reads(self, answer: HttpResponse, action: str) -> str:
        """What IPF reads in an answer, as a client that had asked for it: READ, the status, the errors and what was
        found; or REFUSED, and why."""
        with replayed(answer) as port:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(f"{action} {port}\n")
            self.process.stdin.flush()
            return self.process.stdout.readline().strip()


@contextmanager
def replayed(answer: HttpResponse) -> Iterator[int]:
    """A server on loopback that gives this answer to whatever it is asked. Its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            (message_id,) = re.findall(rb"<MessageID[^>]*>([^<]+)<", asked)
            body = re.sub(rb"(?<=<wsa:RelatesTo>)[^<]+", message_id, answer.body)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def judge(pki: TestPki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    java = shutil.which("java")
    if java is None:
        pytest.skip("no java on the PATH")
    if not (PROJECT / "lib").is_dir():
        pytest.skip("interop/ipf is not built: make interop (Java 17, Maven, Maven Central)")
    classes = f"{PROJECT / 'classes'}:{PROJECT / 'lib'}/*"
    folder = tmp_path_factory.mktemp("ipf")
    log = (folder / "judge.log").open("wb")
    process = subprocess.Popen(
        [java, "-cp", classes, "Judge", pki.server.certificate, pki.server.key, pki.ca_file, REPOSITORY, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    with log, process:
        assert process.stdout is not None
        name, _, port = process.stdout.readline().partition(" ")
        assert name == "PORT", (folder / "judge.log").read_text()
        yield Judge(process=process, port=int(port))
        process.communicate()


@pytest.fixture(scope="module")
def base(judge: Judge, pki: TestPki) -> DmpSettings:
    with FakeDmp(pki) as fake:
        settings = fake.settings(mode="INDIRECTE_RENFORCEE")
    return settings.model_copy(update={"base_url": f"https://localhost:{judge.port}/"})


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


def each_kind() -> list[CdaDocument]:
    made = demo.discharge_documents(
        samples.patient(), samples.stay(), author=ACTOR, recipient=samples.general_practitioner()
    )
    return [one.render(samples.issuer()) for one in made]


def test_each_kind_of_document_is_registered(scene: Scene) -> None:
    documents = each_kind()
    assert len({one.type_code.code for one in documents}) == len(documents) == 5
    for document in documents:
        assert scene.client.submit(document).outcome is Outcome.ACCEPTED
    assert {one.unique_id for one in documents} <= {one.unique_id for one in scene.client.find(WHO)}
    assert scene.sent.said == []


SECOND = timedelta(seconds=1)
OTHER = Code(code="other", system="1.2.3")


def time(dtm: str) -> datetime:
    return datetime.strptime(dtm, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def test_ipf_reads_each_criterion_of_a_search_as_it_is_meant(scene: Scene) -> None:
    """With what the document has it is found, with something else it is not: IPF decodes and compares."""
    *_, document = each_kind()
    scene.client.submit(document)
    entry = in_use(scene, document).entry
    event, *events = entry.event_codes
    reference, second = entry.reference_ids
    start, stop = time(entry.service_start), time(entry.service_stop)
    created = time(entry.creation_time)
    criteria: dict[str, tuple[object, object]] = {
        "class_codes": ((OTHER, entry.class_code), (OTHER,)),
        "type_codes": ((entry.type_code,), (OTHER,)),
        "format_codes": ((entry.format_code,), (OTHER,)),
        "practice_settings": ((entry.practice_setting,), (OTHER,)),
        "facility_types": ((entry.facility_type,), (OTHER,)),
        "event_codes": ((event, (OTHER, *events)), (event, OTHER)),
        "confidentiality": (entry.confidentiality, (*entry.confidentiality, OTHER)),
        "authors": ((f"{entry.authors[0].person[:12]}^%",), ("nobody's^%",)),
        "reference_ids": ((reference, (second, "x")), (reference, "x")),
        "created_from": (created, created + SECOND),
        "created_to": (created + SECOND, created),
        "service_start_from": (start, start + SECOND),
        "service_start_to": (start + SECOND, start),
        "service_stop_from": (stop, stop + SECOND),
        "service_stop_to": (stop + SECOND, stop),
        "statuses": ((AvailabilityStatus.APPROVED,), (AvailabilityStatus.DEPRECATED,)),
    }
    assert criteria.keys() == {field.name for field in fields(DocumentFilter)}

    def found(**where: Any) -> bool:
        return document.unique_id in [one.unique_id for one in scene.client.find(WHO, DocumentFilter(**where))]

    told = {name: (found(**{name: has}), found(**{name: has_not})) for name, (has, has_not) in criteria.items()}
    assert told == dict.fromkeys(criteria, (True, False))
    assert found(**{name: has for name, (has, _) in criteria.items()})
    assert scene.sent.said == []


def test_ipf_reads_each_criterion_of_a_search_of_sets_as_it_is_meant(scene: Scene) -> None:
    scene.client.submit(letter())
    sent = max(
        scene.client.find_submission_sets(WHO), key=lambda one: one.submission_set.submission_time
    ).submission_set
    at = time(sent.submission_time)
    criteria: dict[str, tuple[object, object]] = {
        "statuses": ((AvailabilityStatus.APPROVED,), (AvailabilityStatus.DEPRECATED,)),
        "submitted_from": (at, at + SECOND),
        "submitted_to": (at + SECOND, at),
        "author": (f"{ACTOR.professional.national_id}^%", "nobody's^%"),
        "source_ids": ((sent.source_id,), ("1.2.3",)),
        "content_types": ((sent.content_type,), (OTHER,)),
    }
    assert criteria.keys() == {field.name for field in fields(SubmissionSetFilter)}

    def found(name: str, value: Any) -> bool:
        sets = scene.client.find_submission_sets(WHO, SubmissionSetFilter(**{name: value}))
        return sent.unique_id in [one.unique_id for one in sets]

    told = {name: (found(name, has), found(name, has_not)) for name, (has, has_not) in criteria.items()}
    assert told == dict.fromkeys(criteria, (True, False))
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
    archived = DocumentFilter(statuses=(AvailabilityStatus.ARCHIVED,))
    assert document.unique_id in [one.unique_id for one in scene.client.find(WHO, archived)]
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


# --- what FakeDmp answers, read by IPF ------------------------------------------------------------------------------


class Judged:
    """A transport to FakeDmp. Keeps each answer, and what IPF says of it in forms of IHE."""

    def __init__(self, dmp: DmpSettings, judge: Judge) -> None:
        self._https = HttpsTransport(dmp.tls, timeout_seconds=30, clock=SystemClock())
        self._judge = judge
        self.answers: list[HttpResponse] = []
        self.said: list[str] = []

    def post(self, url: str, body: Body, headers: Mapping[str, str]) -> HttpResponse:
        answer = self._https.post(url, body, headers)
        self.answers.append(answer)
        self.said.append(self._judge.reads(with_body(answer, in_ihe(answer.body)), action_of(headers)))
        return answer

    def close(self) -> None:
        self._https.close()


def with_body(answer: HttpResponse, body: bytes) -> HttpResponse:
    return HttpResponse(answer.status, answer.headers, body)


@dataclass(frozen=True, kw_only=True)
class Fake:
    dmp: FakeDmp
    client: DmpClient
    heard: Judged


@pytest.fixture
def fake(pki: TestPki, judge: Judge) -> Iterator[Fake]:
    with FakeDmp(pki) as dmp:
        dmp.open_dmp(samples.ins(), traits=samples.traits())
        dmp.authorize(samples.ins())
        settings = dmp.settings(mode="INDIRECTE_RENFORCEE")
        heard = Judged(settings, judge)
        with DmpClient(samples.settings(dmp=settings), actor=ACTOR, transport=heard) as client:
            yield Fake(dmp=dmp, client=client, heard=heard)


def test_ipf_reads_each_answer(fake: Fake) -> None:
    document = letter()
    name = document.unique_id
    known = f"READ SUCCESS {name}:{len(document.content)}"
    fake.client.submit(document)
    (found,) = fake.client.get_documents(WHO, unique_ids=[name])
    fake.client.find_entry_uuid(name, WHO)
    (sent,) = fake.client.find_submission_sets(WHO)
    fake.client.retrieve(found, of=WHO)
    fake.client.mask(name, WHO)
    fake.client.archive(name, WHO)
    fake.client.get_documents(WHO, unique_ids=[name])
    fake.client.delete(name, WHO)
    done = "READ SUCCESS"
    assert fake.heard.said == [
        done, known, f"{done} {found.entry_uuid}", f"{done} {sent.unique_id}", known, known, done, known, done, known,
        known, done,
    ]  # fmt: skip


def test_ipf_reads_each_kind_of_refusal(fake: Fake) -> None:
    fake.dmp.fail_next("XDSRepositoryBusy")
    fake.client.submit(letter())
    fake.dmp.warn_next("XDSExtraMetadataNotSaved")
    fake.client.submit(letter())
    fake.dmp.partial_next("XDSRegistryOutOfResources", call="ITI-18")
    fake.client.find(WHO)
    assert [said.split()[1:3] for said in fake.heard.said] == [
        ["FAILURE", "ERROR:XDSRepositoryBusy"],
        ["SUCCESS", "WARNING:XDSExtraMetadataNotSaved"],
        ["PARTIAL_SUCCESS", "ERROR:XDSRegistryOutOfResources"],
    ]


@pytest.mark.parametrize(
    ("action", "ours", "spoiled"),
    [
        ("ProvideAndRegisterDocumentSet-b", b"ResponseStatusType:Success", b"ResponseStatusType:Done"),
        ("RegistryStoredQuery", b'name="hash"', b'name="digest"'),
        ("RegistryStoredQuery", b'name="repositoryUniqueId"', b'name="repository"'),
        ("RegistryStoredQuery", b'status="urn:oasis', b'state="urn:oasis'),
        ("RetrieveDocumentSet", f">{REPOSITORY}<".encode(), b"><"),
        ("RetrieveDocumentSet", b">text/xml<", b"><"),
        ("RetrieveDocumentSet", b'href="cid:', b'href="cid:not'),
    ],
)
def test_ipf_refuses_a_spoiled_answer(fake: Fake, judge: Judge, action: str, ours: bytes, spoiled: bytes) -> None:
    document = letter()
    fake.client.submit(document)
    (found,) = fake.client.get_documents(WHO, unique_ids=[document.unique_id])
    fake.client.retrieve(found, of=WHO)
    at = ("ProvideAndRegisterDocumentSet-b", "RegistryStoredQuery", "RetrieveDocumentSet").index(action)
    answer = fake.heard.answers[at]
    body = in_ihe(answer.body)
    assert body.replace(ours, spoiled) != body
    assert judge.reads(with_body(answer, body.replace(ours, spoiled)), action).startswith("REFUSED")


def test_the_answers_have_the_french_forms_of_the_dmp(fake: Fake, judge: Judge) -> None:
    document = letter()
    fake.client.submit(document)
    fake.client.get_documents(WHO, unique_ids=[document.unique_id])
    for number, form in enumerate(FRENCH_FORMS[:3]):
        others = FRENCH_FORMS[:number] + FRENCH_FORMS[number + 1 :]
        answer = fake.heard.answers[1]
        said = judge.reads(with_body(answer, in_ihe(answer.body, others)), "RegistryStoredQuery")
        assert said == f"REFUSED {form.said}"
