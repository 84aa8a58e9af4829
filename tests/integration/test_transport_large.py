"""A large document goes out without a copy of it, and a small one in one piece."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from itertools import pairwise

import pytest

from sunes_sdk.cda import UnstructuredDocument
from sunes_sdk.dmp import DmpClient
from sunes_sdk.model import Dmp, Prepared
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.testing.server import Answer, FakeHttpServer, Request
from sunes_sdk.transport import HttpResponse, HttpsTransport, mtom
from sunes_sdk.transport.seam import Body, joined

PHYSICIAN = samples.physician().at(samples.hospital())
LIMIT = 5_000_000


class Counting:
    """A transport that answers Success and keeps the form of what it was given."""

    body: Body = b""

    def post(self, url: str, body: Body, headers: Mapping[str, str]) -> HttpResponse:
        self.body = body
        answer = (
            b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><r:RegistryResponse '
            b'xmlns:r="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" '
            b'status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"/></s:Body></s:Envelope>'
        )
        return HttpResponse(200, {"content-type": "application/soap+xml"}, answer)

    def close(self) -> None:
        return


def large(size: int) -> UnstructuredDocument:
    return UnstructuredDocument(
        patient=samples.patient(),
        author=PHYSICIAN,
        custodian=samples.hospital(),
        stay=samples.stay(responsible=PHYSICIAN),
        document_type="11488-4",
        title="Compte rendu volumineux",
        body=(b"Compte rendu volumineux.\n" * (size // 25 + 1))[:size],
        media_type="text/plain",
    )


def test_twenty_megabytes_are_prepared_and_sent_without_a_copy(pki: TestPki) -> None:
    """The check of the document is made before: it reads the file inside, once."""
    document = large(20_000_000).render(samples.issuer())
    document.check().raise_for_errors()
    wire = Counting()
    with (
        FakeDmp(pki) as dmp,
        DmpClient(samples.settings(dmp=dmp.settings()), actor=PHYSICIAN, transport=wire) as client,
    ):
        client.submit(samples.discharge_letter().render(samples.issuer()))
        assert isinstance(wire.body, bytes), "a small package is one piece"
        tracemalloc.start()
        try:
            assert client.send(client.prepare(document, Dmp())).outcome.is_success
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < LIMIT
    assert isinstance(wire.body, tuple)
    assert any(piece is document.content for piece in wire.body)


def test_a_large_document_is_sent_over_https_in_pieces(pki: TestPki) -> None:
    seen: list[Request] = []

    def keep(request: Request) -> Answer:
        seen.append(request)
        return Answer(200, {"Content-Type": "text/plain"}, b"ok")

    body = (b"a" * 10, bytes(20_000_000), b"", b"z")
    with FakeHttpServer(pki, keep) as server:
        transport = HttpsTransport(pki.tls)
        transport.post(server.url, b"first", {})
        seen.clear()
        assert transport.post(server.url, body, {"Content-Type": "text/plain"}).body == b"ok"
        transport.close()
    assert seen[0].body == joined(body)
    assert seen[0].headers["content-length"] == str(20_000_011)
    assert "transfer-encoding" not in seen[0].headers


@pytest.mark.parametrize("size", [0, 70_000, mtom.WHOLE_BYTES, 3_000_000])
def test_a_package_in_pieces_is_the_package(size: int) -> None:
    parts = [mtom.Part("a", bytes(size)), mtom.Part("b", b"small"), mtom.Part("c", bytes(size))]
    content_type, body = mtom.package(b"<r/>", parts)
    assert (content_type, joined(body)) == mtom.encode(b"<r/>", parts)
    assert isinstance(body, tuple) == (len(joined(body)) >= mtom.WHOLE_BYTES)
    if isinstance(body, tuple):
        assert any(piece is parts[0].data for piece in body)
        assert all(max(len(a), len(b)) >= 65_536 for a, b in pairwise(body)), "small ones are joined"
    decoded = mtom.decode(content_type, joined(body))
    assert decoded.parts == {part.content_id: part.data for part in parts}


def test_a_stored_delivery_is_cut_once(pki: TestPki) -> None:
    with FakeDmp(pki) as dmp, DmpClient(samples.settings(dmp=dmp.settings()), actor=PHYSICIAN) as client:
        prepared = client.prepare(large(3_000_000).render(samples.issuer()), Dmp())
    stored = prepared.to_bytes()
    assert Prepared.from_bytes(stored) == prepared
    tracemalloc.start()
    try:
        Prepared.from_bytes(stored)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(stored) * 1.2
    with pytest.raises(ValueError, match="truncated"):
        Prepared.from_bytes(stored[:-1])
