"""The points that a homologation looks at, from the server's side: for each that a server can see, bytes that our own
client sent are changed on their way and refused, with the right code and a text that says what was wrong."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import pytest

from sunes_sdk.dmp import DmpClient, DocumentFilter
from sunes_sdk.errors import DmpError, RemoteError, SoapFault
from sunes_sdk.model import Dmp, Outcome, Receipt
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import FakeDmp, LoggedRequest
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.transport import HttpResponse, HttpsTransport

Mutation = Callable[[bytes], bytes]
Mode = Literal["INDIRECTE", "INDIRECTE_RENFORCEE"]
ACTOR = samples.physician().at(samples.hospital())

CLIENT_ALONE = {
    11: "answers are read by the client: tests/integration/test_dmp_reading.py, test_transport_https.py",
    15: "logs are the client's: tests/unit, by masks of what is shown",
    16: "this fake is the point",
}
"""Points that no server can see."""


class Tampering:
    """A transport that changes bodies that hold a mark; keep: sends the first request again for each later one."""

    def __init__(self, inner: HttpsTransport) -> None:
        self.inner = inner
        self.change: Mutation = lambda body: body
        self.mark = b""
        self.keep = False
        self.kept: tuple[bytes, Mapping[str, str]] | None = None

    def post(self, url: str, body: bytes | tuple[bytes, ...], headers: Mapping[str, str]) -> HttpResponse:
        body = body if isinstance(body, bytes) else b"".join(body)
        if self.keep:
            self.kept = self.kept or (body, headers)
            return self.inner.post(url, *self.kept)
        return self.inner.post(url, self.change(body) if self.mark in body else body, headers)

    def close(self) -> None:
        self.inner.close()


class Scene:
    def __init__(self, dmp: FakeDmp, mode: Mode) -> None:
        self.dmp = dmp
        dmp.clear()
        dmp.open_dmp(samples.ins())
        dmp.authorize(samples.ins())
        settings = samples.settings(dmp=dmp.settings(mode=mode))
        assert settings.dmp is not None
        self.wire = Tampering(HttpsTransport(settings.dmp.tls))
        self.client = DmpClient(settings, actor=ACTOR, transport=self.wire)
        self.first = samples.discharge_letter()
        self.letter = self.first.render(samples.issuer())

    def last(self) -> LoggedRequest:
        return self.dmp.requests[-1]


def feed(scene: Scene, change: Mutation) -> LoggedRequest:
    prepared = scene.client.prepare(scene.letter, Dmp())
    scene.wire.change = change
    receipt = scene.client.send(prepared)
    assert receipt.outcome is Outcome.REJECTED
    assert scene.dmp.documents == []
    return scene.last()


def replace_letter(scene: Scene, change: Mutation) -> LoggedRequest:
    scene.client.submit(scene.letter)
    scene.wire.change, scene.wire.mark = change, b"AssociationType:RPLC"
    receipt = scene.client.submit(scene.first.revise(scene.letter).render(samples.issuer()))
    assert receipt.outcome is Outcome.REJECTED
    assert [d.status for d in scene.dmp.documents] == ["Approved"]
    return scene.last()


def delete(scene: Scene, change: Mutation) -> LoggedRequest:
    """TD3.3c."""
    return update(scene, change, lambda: scene.client.delete(scene.letter.unique_id, samples.patient().identity))


def mask(scene: Scene, change: Mutation) -> LoggedRequest:
    """TD3.3a."""
    return update(scene, change, lambda: scene.client.mask(scene.letter.unique_id, samples.patient().identity))


def update(scene: Scene, change: Mutation, act: Callable[[], Receipt]) -> LoggedRequest:
    scene.client.submit(scene.letter)
    before = scene.dmp.documents
    scene.wire.change, scene.wire.mark = change, b"UpdateDocumentSet"
    _refused(act)
    assert scene.dmp.documents == before
    return next(r for r in scene.dmp.requests if r.call == "ITI-57")


def send_twice(scene: Scene, change: Mutation) -> LoggedRequest:
    """The delivery again, in a fresh envelope: what a client does that does not ask first."""
    prepared = scene.client.prepare(scene.letter, Dmp())
    scene.client.send(prepared)
    assert scene.client.send(prepared).outcome is Outcome.DUPLICATE
    return next(r for r in scene.dmp.requests if r.answer != "Success")


def replay(scene: Scene, change: Mutation) -> LoggedRequest:
    """The very bytes of an attempt, sent again."""
    prepared = scene.client.prepare(scene.letter, Dmp())
    scene.dmp.fail_next("XDSRepositoryBusy")
    scene.wire.keep = True
    assert scene.client.send(prepared).code == "XDSRepositoryBusy"
    assert scene.client.send(prepared).outcome is Outcome.REJECTED
    return scene.last()


def look(scene: Scene, change: Mutation) -> LoggedRequest:
    """DMP_3.1b."""
    scene.wire.change = change
    _refused(lambda: scene.client.find_entry_uuid(scene.letter.unique_id, samples.patient().identity))
    return scene.last()


def search(scene: Scene, change: Mutation) -> LoggedRequest:
    """TD3.1."""
    scene.wire.change = change
    _refused(lambda: scene.client.find(samples.patient().identity, DocumentFilter()))
    return scene.last()


def exist(scene: Scene, change: Mutation) -> LoggedRequest:
    """TD0.2."""
    scene.wire.change = change
    _refused(lambda: scene.client.existence(samples.patient().identity))
    return scene.last()


def _refused(call: Callable[[], object]) -> None:
    with pytest.raises((RemoteError, SoapFault, DmpError)):
        call()


def sub(old: str, new: str, count: int = 1) -> Mutation:
    def change(body: bytes) -> bytes:
        assert old.encode() in body
        return body.replace(old.encode(), new.encode(), count)

    return change


def regex(pattern: str, new: str = "") -> Mutation:
    def change(body: bytes) -> bytes:
        changed, times = re.subn(pattern.encode(), new.encode(), body, count=1, flags=re.DOTALL)
        assert times
        return changed

    return change


def part(pattern: str, new: str) -> Mutation:
    """Change a document on the wire, then hash and size of the entries, so that they agree with it."""

    def change(body: bytes) -> bytes:
        pieces = body.split(b"\r\n\r\n")
        for index, piece in enumerate(pieces):
            data, mark, rest = piece.partition(b"\r\n--sunes-")
            changed, times = re.subn(pattern.encode(), new.encode(), data, count=1, flags=re.DOTALL)
            if index > 1 and times:
                pieces[index] = changed + mark + rest
                whole = b"\r\n\r\n".join(pieces)
                old_hash, new_hash = (hashlib.sha1(d).hexdigest().encode() for d in (data, changed))
                assert old_hash in whole
                old_size, new_size = (b"<rim:Value>%d</rim:Value>" % len(d) for d in (data, changed))
                return whole.replace(old_hash, new_hash).replace(old_size, new_size)
        raise AssertionError("no part holds it")

    return change


def turn(body: bytes) -> bytes:
    """The root part last."""
    dash = body[: body.index(b"\r\n")]
    root, *others = body.split(dash)[1:-1]
    return dash + dash.join([*others, root]) + dash + b"--\r\n"


@dataclass(frozen=True)
class Point:
    number: int
    act: Callable[[Scene, Mutation], LoggedRequest]
    change: Mutation
    code: str
    text: str
    mode: Mode = "INDIRECTE"


METADATA = "XDSRepositoryMetadataError"
ADDRESSING = "MessageAddressingHeaderRequired"
OPERATION, VERSION = "XDSMetadataUpdateOperationError", "XDSMetadataVersionError"
UNRESOLVED = "UnresolvedReferenceException"
CONTENT = "InvalidDocumentContent"
AIR: Mode = "INDIRECTE_RENFORCEE"
SIGNATURE = "(<saml2:Issuer.*?</saml2:Issuer>)(<Signature .*?</Signature>)(<saml2:Subject>.*?</saml2:Subject>)"

POINTS = [
    # 1. The envelope is SOAP 1.2, has its headers, the root starts the package, ids agree to the byte.
    Point(1, feed, sub("2003/05/soap-envelope", "2001/12/soap-envelope"), "VersionMismatch", "SOAP 1.2"),
    *(
        Point(1, feed, regex(f"<wsa:{name}[ >].*?</wsa:{name}>"), ADDRESSING, name)
        for name in ("MessageID", "To", "ReplyTo", "Action")
    ),
    Point(1, feed, regex("<wsse:Security .*?</wsse:Security>"), "InvalidSecurity", "wsse:Security"),
    Point(1, feed, turn, "Sender", "root part must start"),
    Point(1, feed, sub('<xds:Document id="Document01"', '<xds:Document id="document01"'), "XDSMissingDocument", "01"),
    # 2. Hash and size are of the bytes that arrive.
    Point(2, feed, sub("Apyrexie", "Fievre.."), "XDSNonIdenticalHash", "SHA-1"),
    Point(2, feed, regex('(<rim:Slot name="size">.*?<rim:Value>)', r"\g<1>1"), "XDSNonIdenticalSize", "size"),
    # 3. Schemes, unique ids, N.
    Point(3, feed, sub("9c3699a4309d", "9fdf87b75cc4"), METADATA, "unknown classificationScheme"),
    Point(3, feed, sub("2e82c1f6-a085", "2e82c1f6-a086"), METADATA, "unknown identificationScheme"),
    Point(3, feed, sub('id="cla2"', 'id="cla1"'), METADATA, "used twice"),
    Point(3, feed, sub('nodeRepresentation="N"', 'nodeRepresentation="R"'), METADATA, "N is always present"),
    # 4. The class comes from the type.
    Point(4, feed, regex('(41a5887f[^>]*nodeRepresentation=")10', r"\g<1>11"), METADATA, "classCode of type 11490-0"),
    # 5. Times are in UTC, without zone.
    Point(5, feed, regex("(creationTime.*?<rim:Value>[0-9]{14})", r"\1+0100"), METADATA, "DTM"),
    Point(5, feed, regex("(creationTime.*?<rim:Value>)20260115093000", r"\g<1>20260115103000"), METADATA, "creation"),
    # 6. The signature of the set is over the canonical form of what is sent.
    Point(6, feed, part("Apyrexie", "Fievre.."), CONTENT, "not that of the canonical CDA"),
    Point(6, feed, part("(<SignatureValue[^>]*>)....", r"\1AAAA"), CONTENT, "XAdES"),
    # 7. Canonical XML as it is defined: an empty default namespace too many changes the digest.
    Point(7, feed, part("<DigestMethod ", '<DigestMethod xmlns:q="urn:q" '), CONTENT, "XAdES"),
    # 8. The VIHF: signature after Issuer, of the signing certificate, two roles for a doctor.
    Point(8, feed, regex(SIGNATURE, r"\1\3\2"), "InvalidSecurity", "right after Issuer"),
    Point(8, feed, sub("org-sign.test", "org-auth-cli.test"), "InvalidSecurity", "VIHF"),
    Point(8, feed, sub("SA01^", "SA02^"), "InvalidSecurity", "SIGNATURE_DIGEST"),
    # 9. Its user and structure are the author of the set.
    Point(9, feed, sub("IDNST^^^10B0127189", "IDNST^^^1750000001"), METADATA, "Aucun AuthorInstitution"),
    Point(9, feed, sub("<rim:Value>801234567897^", "<rim:Value>801234567890^"), METADATA, "the set's author"),
    # 10. Stored queries as they are written.
    Point(10, look, sub("('", "'"), "XDSStoredQueryParamNumber", "is a list"),
    Point(10, look, sub("('", "('O'"), "XDSRegistryError", "inner doubled"),
    Point(10, look, sub('"ObjectRef"', '"LeafClass"'), "DMPAccessDeniedByRightsService", "ObjectRef"),
    Point(10, search, sub("&amp;ISO^NH'", "&amp;ISO'"), "XDSPatientIdDoesNotMatch", "^NH", AIR),
    Point(10, search, regex("('279035121518989[^<]*')", r"(\1)"), "XDSPatientIdDoesNotMatch", "parentheses", AIR),
    Point(10, search, sub("14d4debf", "14d4debe"), "XDSUnknownStoredQuery", "not served", AIR),
    # 12. A replacement names the entryUUID by the association of 2007, and its CDA the uniqueId; a deletion says the
    # present status; a change of visibility sends the whole entry and the version that it follows.
    Point(12, replace_letter, sub("2007:AssociationType:RPLC", "2010:AssociationType:RPLC"), METADATA, "unknown assoc"),
    Point(12, replace_letter, regex('(targetObject=")urn:uuid:[^"]*', r"\g<1>1.2.3"), "XDSReplaceFailed", "entryUUID"),
    Point(12, delete, sub("StatusType:Approved", "StatusType:Deprecated"), OPERATION, "goes from", AIR),
    Point(12, delete, regex("oasis:names:tc:ebxml-regrep:StatusType:Approved", "asip:ci-sis:2010:StatusType:Archived"),
          "XDSMetadataUpdateError", "the document is Approved", AIR),
    Point(12, delete, regex('(targetObject=")urn:uuid:[^"]*', r"\g<1>1.2.3"), UNRESOLVED, "entry", AIR),
    Point(12, mask, regex("(PreviousVersion.*?<rim:Value>)1", r"\g<1>2"), VERSION, "present version", AIR),
    Point(12, mask, regex('<rim:Slot name="hash">.*?</rim:Slot>'), "UnmodifiableMetadataError", "hash", AIR),
    Point(12, mask, regex(' lid="[^"]*"'), UNRESOLVED, "logicalId", AIR),
    Point(12, mask, sub('nodeRepresentation="N"', 'nodeRepresentation="V"'), "XDSRegistryMetadataError", "N is", AIR),
    # 13. An attempt is not repeated blindly.
    Point(13, send_twice, bytes, "XDSDuplicateUniqueIdInRegistry", "already registered"),
    Point(13, replay, bytes, "InvalidSecurity", "fresh at each attempt"),
    # 14. One INS environment in metadata, query and HL7v3.
    Point(14, feed, sub("&amp;1.2.250.1.213.1.4.10&amp;ISO^NH\"", "&amp;1.2.250.1.213.1.4.8&amp;ISO^NH\""),
          "XDSUnknownPatientId", "OID of the INS"),
    Point(14, search, sub("&amp;1.2.250.1.213.1.4.10&amp;ISO^NH'", "&amp;1.2.250.1.213.1.4.8&amp;ISO^NH'"),
          "XDSPatientIdDoesNotMatch", "VIHF", AIR),
    Point(14, exist, sub('root="1.2.250.1.213.1.4.10"', 'root="1.2.250.1.213.1.4.8"'),
          "XDSPatientIdDoesNotMatch", "VIHF"),
]  # fmt: skip


@pytest.fixture(scope="module")
def dmp(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as fake:
        yield fake


@pytest.mark.parametrize("point", POINTS, ids=[f"{p.number}-{p.text}" for p in POINTS])
def test_a_changed_request_is_refused(dmp: FakeDmp, point: Point) -> None:
    scene = Scene(dmp, point.mode)
    with scene.client:
        logged = point.act(scene, point.change)
    assert logged.answer == point.code
    assert point.text in logged.text


def test_every_point_is_looked_at() -> None:
    assert {p.number for p in POINTS} | CLIENT_ALONE.keys() == set(range(1, 17))


def test_what_is_not_changed_is_taken(dmp: FakeDmp) -> None:
    modes: tuple[Mode, ...] = ("INDIRECTE", AIR)
    for mode in modes:
        scene = Scene(dmp, mode)
        with scene.client:
            receipt = scene.client.submit(scene.letter)
            assert receipt.outcome is Outcome.ACCEPTED
            assert scene.client.existence(samples.patient().identity).is_open
            assert scene.client.find_entry_uuid(scene.letter.unique_id, samples.patient().identity)
            revised = scene.first.revise(scene.letter).render(samples.issuer())
            assert scene.client.replace(revised, of=receipt).outcome is Outcome.ACCEPTED
            if mode == AIR:
                patient = samples.patient().identity
                assert len(list(scene.client.find(patient, DocumentFilter()))) == 1
                assert scene.client.mask(revised.unique_id, patient).outcome is Outcome.ACCEPTED
                assert scene.client.delete(revised.unique_id, patient).outcome is Outcome.ACCEPTED
