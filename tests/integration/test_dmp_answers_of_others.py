"""Answers that are well formed, say Success, and are about something else than what was asked: another patient, another
document, nothing where something was found. None of them is taken for an answer to our question."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping

import pytest

from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import AvailabilityStatus, DmpClient, DocumentReference
from sunes_sdk.errors import (
    CdaError,
    ConfigurationError,
    DmpError,
    MetadataError,
    OutcomeUnknown,
    SoapFault,
    TransportError,
)
from sunes_sdk.model import Dmp, Identity, IdentityStatus, Ins, InsOid, Outcome, ReasonClass
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.transport import HttpResponse, HttpsTransport

ACTOR = samples.physician().at(samples.hospital())
WHO = samples.patient().identity
OTHER = Ins.of("124018852493334", InsOid.NIR_TEST)
ERROR = (
    b'<rs:RegistryErrorList xmlns:rs="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"><rs:RegistryError errorCode="%b"'
    b' codeContext="x" severity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"/></rs:RegistryErrorList>'
)
Change = Callable[[bytes], bytes]


class Answers:
    """A transport that changes the answers to requests that hold a mark."""

    def __init__(self, inner: HttpsTransport) -> None:
        self.inner = inner
        self.mark, self.change, self.status = b"", bytes, 0

    def post(self, url: str, body: bytes | tuple[bytes, ...], headers: Mapping[str, str]) -> HttpResponse:
        answer = self.inner.post(url, body, headers)
        sent = body if isinstance(body, bytes) else b"".join(body)
        changed = self.change(answer.body) if self.mark in sent else answer.body
        return HttpResponse(self.status or answer.status, answer.headers, changed)

    def close(self) -> None:
        self.inner.close()


class Scene:
    def __init__(self, dmp: FakeDmp, mode: str, **section_of: object) -> None:
        declared = "APP_BROWSER_AUTH" if mode == "INDIRECTE_RENFORCEE" else None
        section = dmp.settings().model_copy(update={"mode": mode, "authn_declaration": declared, **section_of})
        self.wire = Answers(HttpsTransport(section.tls))
        self.client = DmpClient(samples.settings(dmp=section), actor=ACTOR, transport=self.wire)

    def answer(self, mark: bytes, change: Change) -> None:
        self.wire.mark, self.wire.change = mark, change


@pytest.fixture
def dmp(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as fake:
        for ins in (samples.ins(), OTHER):
            fake.open_dmp(ins)
            fake.authorize(ins)
        yield fake


@pytest.fixture
def scene(dmp: FakeDmp) -> Iterator[Scene]:
    scene = Scene(dmp, "INDIRECTE")
    yield scene
    scene.client.close()


@pytest.fixture
def reading(dmp: FakeDmp) -> Iterator[Scene]:
    scene = Scene(dmp, "INDIRECTE_RENFORCEE")
    yield scene
    scene.client.close()


def letter() -> CdaDocument:
    return samples.discharge_letter().render(samples.issuer())


def before(mark: bytes, text: bytes) -> Change:
    def change(body: bytes) -> bytes:
        assert mark in body
        return body.replace(mark, text + mark, 1)

    return change


def sub(pattern: bytes, new: bytes) -> Change:
    def change(body: bytes) -> bytes:
        changed, times = re.subn(pattern, new, body, flags=re.DOTALL)
        assert times
        return changed

    return change


def test_the_existence_of_somebody_else_s_dmp(scene: Scene) -> None:
    scene.answer(b"TEST_EXST", sub(b"279035121518989", OTHER.value.encode()))
    with pytest.raises(DmpError) as caught:
        scene.client.existence(WHO)
    assert caught.value.code == "DMP_PATIENT_MISMATCH"


def test_a_record_that_is_found_and_not_there(scene: Scene) -> None:
    scene.answer(b"TEST_EXST", sub(b"<subject1 .*</subject1>", b""))
    with pytest.raises(DmpError) as caught:
        scene.client.existence(WHO)
    assert caught.value.code == "DMP_ANSWER"


def test_a_success_that_lists_an_error_is_asked_about(scene: Scene, dmp: FakeDmp) -> None:
    document = letter()
    scene.answer(
        b"ProvideAndRegisterDocumentSetRequest", before(b"</rs:RegistryResponse>", ERROR % b"XDSRepositoryError")
    )
    receipt = scene.client.submit(document)
    assert (receipt.outcome, receipt.entry_uuid) == (Outcome.ACCEPTED, dmp.documents[0].entry_uuid)


def test_a_search_that_lists_an_error_is_no_absence(scene: Scene) -> None:
    prepared = scene.client.prepare(letter(), Dmp())
    scene.answer(b"AdhocQueryRequest", before(b"<rim:RegistryObjectList", ERROR % b"XDSRegistryError"))
    assert scene.client.reconcile(prepared).outcome is Outcome.UNKNOWN
    with pytest.raises(DmpError) as caught:
        scene.client.find_entry_uuid("1.2.3", WHO)
    assert caught.value.remote_code == "XDSRegistryError"


def test_a_list_with_an_error_is_not_complete(reading: Scene) -> None:
    reading.client.submit(letter())
    reading.answer(b"AdhocQueryRequest", before(b"<rim:RegistryObjectList", ERROR % b"XDSRegistryError"))
    found = reading.client.find(WHO)
    assert (len(found), found.complete) == (1, False)
    assert "XDSRegistryError" in found.warnings


@pytest.mark.parametrize(
    "change",
    [
        sub(b'totalResultCount="0"', b'totalResultCount="1"'),
        sub(b'<rim:RegistryObjectList ?/>|<rim:RegistryObjectList>.*</rim:RegistryObjectList>',
            b'<rim:RegistryObjectList><rim:ObjectRef id="Document01"/></rim:RegistryObjectList>'),
        sub(b'<rim:RegistryObjectList ?/>|<rim:RegistryObjectList>.*</rim:RegistryObjectList>',
            b'<rim:RegistryObjectList><rim:ExtrinsicObject id="urn:uuid:7953af1a-ba1c-11eb-816f-0050569e422e"/>'
            b"</rim:RegistryObjectList>"),
    ],
    ids=["found and not given", "no entryUUID", "another document"],
)  # fmt: skip
def test_an_answer_about_something_else_is_neither_presence_nor_absence(
    scene: Scene, dmp: FakeDmp, change: Change
) -> None:
    prepared = scene.client.prepare(letter(), Dmp())
    scene.answer(b"AdhocQueryRequest", change)
    found = scene.client.reconcile(prepared)
    assert (found.outcome, found.code) == (Outcome.UNKNOWN, "ANSWER_UNEXPECTED")
    with pytest.raises(TransportError) as caught:
        scene.client.find_entry_uuid("1.2.3", WHO)
    assert caught.value.code == "ANSWER_UNEXPECTED"
    revised = samples.discharge_letter().revise(letter()).render(samples.issuer())
    with pytest.raises(TransportError) as caught:  # not sent as a new document
        scene.client.submit(revised)
    assert caught.value.sent == "no"
    assert dmp.documents == []


def test_documents_under_another_ins_are_given_and_told(reading: Scene) -> None:
    reading.client.submit(letter())
    assert reading.client.find(WHO).warnings == ()
    reading.answer(
        b"AdhocQueryRequest", sub(rb"279035121518989(\^{3}[^\"]*NH)", OTHER.value.encode() + rb"\1^^20100907")
    )
    found = reading.client.find(WHO)
    assert (len(found), found.warnings) == (1, ("DMP_OTHER_INS",))
    reading.answer(b"AdhocQueryRequest", sub(rb"(279035121518989\^{3}[^\"]*NH)", rb"\1^^20100907"))
    assert reading.client.find(WHO).warnings == ()


@pytest.mark.parametrize("by", ["unique_ids", "entry_uuids"])
def test_a_document_that_was_not_asked_for(reading: Scene, dmp: FakeDmp, by: str) -> None:
    document = letter()
    reading.client.submit(document)
    (stored,) = dmp.documents
    identifier = document.unique_id if by == "unique_ids" else stored.entry_uuid
    assert len(reading.client.get_documents(WHO, **{by: [identifier]})) == 1
    reading.answer(b"AdhocQueryRequest", sub(identifier.encode(), identifier[:-6].encode() + b"000000"))
    with pytest.raises(DmpError) as caught:
        reading.client.get_documents(WHO, **{by: [identifier]})
    assert caught.value.code == "DMP_UNASKED"


def test_a_document_asked_for_twice_comes_once(reading: Scene) -> None:
    document = letter()
    reading.client.submit(document)
    (found,) = reading.client.find(WHO)
    bare = DocumentReference(unique_id=found.unique_id, repository_unique_id=found.entry.repository_unique_id)
    for asked in ((found, found), (found, bare), (bare, found)):
        (given,) = reading.client.retrieve(*asked, of=WHO)
        assert given.verified
        assert given.content == document.content
    false = DocumentReference(
        unique_id=bare.unique_id, repository_unique_id=bare.repository_unique_id, hash="0" * 40
    )  # fmt: skip
    with pytest.raises(DmpError) as caught:
        reading.client.retrieve(found, false, of=WHO)
    assert caught.value.code == "DMP_REFERENCE"


def test_a_version_never_replaces_one_of_another_patient(scene: Scene, dmp: FakeDmp) -> None:
    """The INS of the record was corrected: by its IPP it is the same patient, by its INS another person's DMP."""
    first = letter()
    scene.client.submit(first)
    corrected = samples.patient(identity=Identity(traits=WHO.traits, status=WHO.status, ins=OTHER))
    with pytest.raises(CdaError):
        samples.discharge_letter().revise(first, patient=corrected)
    second = samples.discharge_letter(
        patient=corrected, set_id=first.set_id, version_number=2, replaces=first.unique_id
    ).render(samples.issuer())
    with pytest.raises(MetadataError) as caught:
        scene.client.replace(second, of=first)
    assert caught.value.code == "DMP_REPLACES_PATIENT"
    assert [d.unique_id for d in dmp.documents] == [first.unique_id]


def test_a_version_may_follow_one_that_was_not_qualified(scene: Scene, dmp: FakeDmp) -> None:
    """That one was never sent to a DMP."""
    unqualified = samples.patient(identity=Identity(traits=WHO.traits, status=IdentityStatus.PROVISOIRE))
    first = samples.discharge_letter(patient=unqualified).render(samples.issuer())
    second = samples.discharge_letter().revise(first).render(samples.issuer())
    assert scene.client.replace(second, of=first).warnings == ("DMP_REPLACED_ABSENT",)
    assert [d.unique_id for d in dmp.documents] == [second.unique_id]


FORMER = b'<rim:ObjectRef id="urn:uuid:00000000-0000-4000-8000-000000000001"/>'
"""A version that the metadata had before."""


@pytest.mark.parametrize("known", ["first", "last"])
def test_a_version_in_use_is_not_guessed_among_several(dmp: FakeDmp, known: str) -> None:
    """In establishment mode only the settings can tell which of several it is."""
    first = letter()
    with contextlib.closing(Scene(dmp, "INDIRECTE").client) as client:
        client.submit(first)
    second = samples.discharge_letter().revise(first).render(samples.issuer())
    place = b"<rim:ObjectRef" if known == "last" else b"</rim:RegistryObjectList>"
    for order in ("refuse", known):
        scene = Scene(dmp, "INDIRECTE", several_versions=order)
        scene.answer(b"AdhocQueryRequest", before(place, FORMER))
        with contextlib.closing(scene.client) as client:
            if order == known:
                assert client.find_entry_uuid(first.unique_id, WHO) == dmp.documents[0].entry_uuid
                assert client.replace(second, of=first).outcome is Outcome.ACCEPTED
                continue
            prepared = client.prepare(first, Dmp())
            for call in (
                lambda c=client: c.find_entry_uuid(first.unique_id, WHO),
                lambda c=client: c.replace(second, of=first),
                lambda c=client: c.delete(first.unique_id, WHO, status=AvailabilityStatus.APPROVED),
            ):
                with pytest.raises(ConfigurationError) as caught:
                    call()
                assert (caught.value.code, caught.value.path) == (
                    "DMP_SEVERAL_VERSIONS", "settings.dmp.several_versions",
                )  # fmt: skip
            assert [d.status for d in dmp.documents] == ["Approved"]
            # That it is there needs no choice.
            found = client.reconcile(prepared)
            assert (found.outcome, found.entry_uuid) == (Outcome.ACCEPTED, None)
            assert client.send(prepared).entry_uuid is None
    assert [d.status for d in dmp.documents] == ["Deprecated", "Approved"]


def test_a_mode_that_may_read_sees_which_version_is_in_use(reading: Scene, dmp: FakeDmp) -> None:
    first = letter()
    reading.client.submit(first)
    in_use = dmp.documents[0].entry_uuid
    reading.answer(b'returnType="ObjectRef"', before(b"</rim:RegistryObjectList>", FORMER))
    assert reading.client.find_entry_uuid(first.unique_id, WHO) == in_use
    second = samples.discharge_letter().revise(first).render(samples.issuer())
    assert reading.client.replace(second, of=first).outcome is Outcome.ACCEPTED
    assert [d.status for d in dmp.documents] == ["Deprecated", "Approved"]


def test_versions_that_cannot_be_read_are_not_replaced(dmp: FakeDmp) -> None:
    first = letter()
    scene = Scene(dmp, "INDIRECTE_RENFORCEE")
    scene.client.submit(first)
    dmp.block(samples.ins())
    scene.answer(b'returnType="ObjectRef"', before(b"</rim:RegistryObjectList>", FORMER))
    second = samples.discharge_letter().revise(first).render(samples.issuer())
    receipt = scene.client.replace(second, of=first)
    scene.client.close()
    assert (receipt.outcome, receipt.code) == (Outcome.REJECTED, "DMPAccessDeniedByRightsService")
    assert [d.status for d in dmp.documents] == ["Approved"]


def test_an_id_said_twice_is_one(scene: Scene, dmp: FakeDmp) -> None:
    first = letter()
    scene.client.submit(first)
    scene.answer(b"AdhocQueryRequest", sub(rb"(<rim:ObjectRef [^>]*>)", rb"\1\1"))
    assert scene.client.find_entry_uuid(first.unique_id, WHO) == dmp.documents[0].entry_uuid


@pytest.mark.parametrize(
    ("code", "outcome"), [("XDSRepositoryMetadataError", Outcome.REJECTED), ("SomethingElse", Outcome.UNKNOWN)]
)
def test_a_failure_with_an_http_error_keeps_its_reason(scene: Scene, dmp: FakeDmp, code: str, outcome: Outcome) -> None:
    """By a code that is known the DMP refused; by another nobody knows, and it is asked."""
    dmp.fail_next(code)
    scene.wire.status = 500
    prepared = scene.client.prepare(letter(), Dmp())
    if outcome is Outcome.REJECTED:
        receipt = scene.client.send(prepared)
        assert (receipt.outcome, receipt.code, receipt.reason) == (outcome, code, ReasonClass.METADATA)
        return
    with pytest.raises(OutcomeUnknown) as caught:
        scene.client.send(prepared)
    assert caught.value.remote_code == code
    assert caught.value.remote_message
    assert caught.value.remote_message not in str(caught.value)


def test_a_search_refused_with_an_http_error_says_why(reading: Scene, dmp: FakeDmp) -> None:
    dmp.fail_next("XDSTooManyResults", call="ITI-18")
    reading.wire.status = 500
    with pytest.raises(SoapFault) as caught:
        reading.client.find(WHO)
    assert (caught.value.remote_code, caught.value.hint) == (
        "XDSTooManyResults",
        "narrow the search: dates, classes, types",
    )
