"""Answers that are hostile, broken or for somebody else, to every call: one coded error, in bounded time and memory,
that shows nobody and never lets a change that may have been made pass for a refusal."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import socket
import ssl
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from sunes_sdk.dmp import AvailabilityStatus, DmpClient, DocumentReference, PatientCriteria
from sunes_sdk.errors import OutcomeUnknown, RemoteError, SunesError, TransportError
from sunes_sdk.model import Dmp, Outcome
from sunes_sdk.settings import DmpPaths, DmpSettings
from sunes_sdk.testing import samples
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.transport import HttpsTransport
from sunes_sdk.transport.https import MAX_RESPONSE_BYTES

ACTOR = samples.physician().at(samples.hospital())
WHO = samples.patient().identity
SECRETS = (samples.ins().value, "PAT-TROIS", "DOMINIQUE")
UNIQUE_ID = "1.2.250.1.213.9.9.1"
SOON = 5.0
"""Seconds in which every call must have ended; its own limit is `TOTAL`."""
WAIT, TOTAL = 3.0, 4.0

Script = Callable[[ssl.SSLSocket], object]


class HostileServer:
    """Reads whole requests over mutual TLS, answers the first `good` with a found document, then does as `script`."""

    def __init__(self, pki: TestPki) -> None:
        self.script: Script = lambda tls: None
        self.good: list[bytes] = []
        self.requests: list[bytes] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pki.server.certificate, pki.server.key)
        self._context.load_verify_locations(pki.ca_file)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        raw.settimeout(10)
        with contextlib.suppress(OSError), self._context.wrap_socket(raw, server_side=True) as tls:
            while request := _read_request(tls):
                self.requests.append(request)
                if self.good:
                    tls.sendall(http(self.good.pop(0)))
                    continue
                self.script(tls)
                return

    def close(self) -> None:
        self._listener.close()


def _read_request(tls: ssl.SSLSocket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = tls.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        part = tls.recv(65536)
        if not part:
            return b""
        body += part
    return body


# --- what it does -----------------------------------------------------------------------------------------------------


def http(body: bytes, kind: str = "application/soap+xml", status: str = "200 OK", *more: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close", *more]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def head(*lines: str) -> bytes:
    return "\r\n".join(
        ["HTTP/1.1 200 OK", "Content-Type: application/soap+xml", "Connection: close", *lines, "", ""]
    ).encode("latin-1")


def soap(body: str, header: str = "") -> bytes:
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
        f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


SUCCESS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
RS = f'<r:RegistryResponse xmlns:r="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" status="{SUCCESS}"/>'
FOUND = (
    f'<q:AdhocQueryResponse xmlns:q="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" status="{SUCCESS}">'
    '<m:RegistryObjectList xmlns:m="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0">'
    '<m:ObjectRef id="urn:uuid:00000000-0000-4000-8000-000000000001"/></m:RegistryObjectList></q:AdhocQueryResponse>'
)
MIME = 'multipart/related; type="application/xop+xml"; boundary="B"; start="<root>"'


def says(data: bytes) -> Script:
    return lambda tls: tls.sendall(data)


def drips(data: bytes) -> Script:
    """One byte at a time, for ever: what comes is never late, and never ends."""

    def script(tls: ssl.SSLSocket) -> None:
        for byte in itertools.cycle(data):
            tls.sendall(bytes((byte,)))
            time.sleep(0.05)

    return script


def pours(start: bytes, more: bytes, gigabytes: float = 1.0) -> Script:
    def script(tls: ssl.SSLSocket) -> None:
        tls.sendall(start)
        for _ in range(int(gigabytes * 1e9) // len(more)):
            tls.sendall(more)

    return script


def resets(after: bytes) -> Script:
    def script(tls: ssl.SSLSocket) -> None:
        tls.sendall(after)
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return script


DTD = b'<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd">' + soap(RS)
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10 if n else b"&a;" * 10) for n in range(10))
    + b"]>"
    + soap("<x>&a9;</x>")
)
HTML = b"<!DOCTYPE html><html><head><title>502</title></head><body>Bad gateway: PAT-TROIS</body></html>"
XHTML = b'<html xmlns="http://www.w3.org/1999/xhtml"><body><p>PAT-TROIS DOMINIQUE</p></body></html>'

BROKEN: dict[str, tuple[Script, str]] = {
    "dtd": (says(http(DTD)), "ANSWER_UNREADABLE"),
    "entities": (says(http(LAUGHS)), "ANSWER_UNREADABLE"),
    "unknown entity": (says(http(soap("<x>&nbsp;</x>"))), "ANSWER_UNREADABLE"),
    "depth": (says(http(soap("<a>" * 5_000 + "</a>" * 5_000))), "ANSWER_UNREADABLE"),
    "utf-7": (says(http(b'<?xml version="1.0" encoding="UTF-7"?>+ADw-a/+AD4-')), "ANSWER_UNREADABLE"),
    "not closed": (says(http(soap(RS)[:-9])), "ANSWER_UNREADABLE"),
    "no body": (says(http(b"")), "ANSWER_UNREADABLE"),
    "no element": (says(http(soap(""))), "ANSWER_UNREADABLE"),
    "html": (says(http(HTML, "text/html")), "ANSWER_UNREADABLE"),
    "xhtml": (says(http(XHTML, "application/xhtml+xml")), "ANSWER_UNREADABLE"),
    "html 502": (says(http(HTML, "text/html", "502 Bad Gateway")), "HTTP_STATUS"),
    "html 500": (says(http(XHTML, "text/html", "500 Oops")), "HTTP_STATUS"),
    "redirect": (says(http(b"", "text/html", "302 Found", "Location: https://localhost:1/")), "HTTP_STATUS"),
    "error with a success inside": (says(http(soap(RS), "application/soap+xml", "503 Busy")), "HTTP_STATUS"),
    "json": (says(http(b'{"status": "Success"}', "application/json")), "ANSWER_UNREADABLE"),
    "pdf": (says(http(b"%PDF-1.7\n\0\xff", "application/pdf")), "ANSWER_UNREADABLE"),
    "no boundary": (says(http(soap(RS), "multipart/related")), "ANSWER_UNREADABLE"),
    "multipart that is none": (says(http(soap(RS), MIME)), "ANSWER_UNREADABLE"),
    "multipart cut": (says(http(b"--B\r\nContent-ID: <root>\r\n\r\n" + soap(RS) + b"\r\n", MIME)), "ANSWER_UNREADABLE"),
    "wrong start": (says(http(b"--B\r\nContent-ID: <a>\r\n\r\n" + soap(RS) + b"\r\n--B--", MIME)), "ANSWER_UNREADABLE"),
    "two parts of one cid": (
        says(http(b"--B\r\nContent-ID: <root>\r\n\r\n" + soap(RS) + b"\r\n--B\r\nContent-ID: <a>\r\n\r\nx" * 2
                  + b"\r\n--B--", MIME)),
        "ANSWER_UNREADABLE",
    ),
    "false boundaries": (says(http(b"\n--B\r\n" + b"--B" * 400_000, MIME)), "ANSWER_UNREADABLE"),
    "shorter than said": (says(head("Content-Length: 5000") + soap(RS)), "ANSWER_TRUNCATED"),
    "chunks cut": (says(head("Transfer-Encoding: chunked") + b"40\r\n<s:Env"), "ANSWER_TRUNCATED"),
    "chunk of no size": (says(head("Transfer-Encoding: chunked") + b"zz\r\nabc"), "ANSWER_TRUNCATED"),
    "chunk below zero": (says(head("Transfer-Encoding: chunked") + b"-5\r\nabc"), "ANSWER_MALFORMED"),
    "length in digits that are none": (says(head("Content-Length: \xb2") + soap("")), "ANSWER_UNREADABLE"),
    "length of 5000 digits": (says(head("Content-Length: " + "9" * 5000)), "*"),
    "length of a terabyte": (says(head("Content-Length: 1000000000000") + soap(RS)), "ANSWER_TOO_BIG"),
    "two lengths": (says(head("Content-Length: 5", "Content-Length: 9") + soap(RS)), "*"),
    "gzip that is none": (says(http(soap(RS), "text/xml", "200 OK", "Content-Encoding: gzip")), "ANSWER_MALFORMED"),
    "gzip cut": (
        says(http(gzip.compress(soap(RS))[:-20], "text/xml", "200 OK", "Content-Encoding: gzip")), "ANSWER_TRUNCATED"
    ),
    "gzip and more": (
        says(http(gzip.compress(soap(RS)) * 2, "text/xml", "200 OK", "Content-Encoding: gzip")), "ANSWER_MALFORMED"
    ),
    "gzip of gzip": (
        says(http(gzip.compress(gzip.compress(soap(RS))), "text/xml", "200 OK", "Content-Encoding: gzip, gzip")),
        "ANSWER_ENCODING",
    ),
    "too many headers": (says(head(*(f"X-{n}: a" for n in range(500))) + soap(RS)), "ANSWER_MALFORMED"),
    "a header too large": (says(head("X: " + "a" * 100_000) + soap(RS)), "ANSWER_MALFORMED"),
    "not http": (says(b"220 mail.example ESMTP\r\n" * 3), "ANSWER_MALFORMED"),
    "closed": (lambda tls: None, "CONNECTION_LOST"),
    "reset": (resets(b""), "CONNECTION_LOST"),
    "reset in the middle": (resets(head("Content-Length: 5000") + b"<s:Envelope"), "*"),
    "another message": (says(http(soap('<x xmlns="urn:nobody"/>'))), "*"),
    "another service": (says(http(soap('<r xmlns="urn:hl7-org:v3"><acknowledgement typeCode="AA"/></r>'))), "*"),
}  # fmt: skip
"""What the server does, and the code of the error; `*` where it depends on the call or on the network's timing."""

SLOW: dict[str, tuple[Script, str]] = {
    "no answer": (lambda tls: time.sleep(3), "READ_TIMEOUT"),
    "status drips": (drips(b"HTTP/1.1 200 OK" + b" " * 1000), "READ_TIMEOUT"),
    "headers drip": (lambda tls: (tls.sendall(b"HTTP/1.1 200 OK\r\n"), drips(b"X: a\r\n")(tls)), "READ_TIMEOUT"),
    "body drips": (
        lambda tls: (tls.sendall(head("Content-Length: 5000")), drips(b"<a/>")(tls)), "READ_TIMEOUT"
    ),
    "chunks drip": (
        lambda tls: (tls.sendall(head("Transfer-Encoding: chunked")), drips(b"1\r\na\r\n")(tls)), "READ_TIMEOUT"
    ),
    "continue, for ever": (drips(b"HTTP/1.1 100 Continue\r\n\r\n"), "READ_TIMEOUT"),
}  # fmt: skip

ZEROS = bytes(1 << 18)
CHUNK = b"%x\r\n%s\r\n" % (len(ZEROS), ZEROS)
BOMB = gzip.compress(bytes(200_000_000), 6)

HUGE: dict[str, Script] = {
    "1 GB, as said": pours(head("Content-Length: 1000000000"), ZEROS),
    "1 GB until the end": pours(head("Connection: close"), ZEROS),
    "1 GB in chunks": pours(head("Transfer-Encoding: chunked"), CHUNK),
    "1 GB in a chunk below zero": pours(head("Transfer-Encoding: chunked") + b"-1\r\n", ZEROS),
    "200 MB in 200 KB of gzip": says(head("Content-Encoding: gzip", "Connection: close") + BOMB),
}

# --- the calls --------------------------------------------------------------------------------------------------------

REFERENCE = DocumentReference(repository_unique_id="1.2.3", unique_id=UNIQUE_ID)
LOOKED_UP = soap(FOUND)


@dataclass(frozen=True)
class Call:
    run: Callable[[DmpClient], Any]
    changes: bool = False
    good: int = 0
    """Answers that come before the hostile one."""


CALLS: dict[str, Call] = {
    "existence": Call(lambda c: c.existence(WHO)),
    "send": Call(lambda c: c.send(c.prepare(letter(), Dmp())), changes=True),
    "submit": Call(lambda c: c.submit(letter()), changes=True),
    "find": Call(lambda c: c.find(WHO)),
    "find_entry_uuid": Call(lambda c: c.find_entry_uuid(UNIQUE_ID, WHO)),
    "find_submission_sets": Call(lambda c: c.find_submission_sets(WHO)),
    "find_since": Call(lambda c: c.find_since(WHO, datetime(2026, 1, 1, tzinfo=UTC))),
    "get_documents": Call(lambda c: c.get_documents(WHO, unique_ids=[UNIQUE_ID])),
    "retrieve": Call(lambda c: c.retrieve(REFERENCE, of=WHO)),
    "delete": Call(lambda c: c.delete(UNIQUE_ID, WHO, status=AvailabilityStatus.APPROVED), changes=True, good=1),
    "archive": Call(lambda c: c.archive(UNIQUE_ID, WHO, status=AvailabilityStatus.APPROVED), changes=True, good=1),
    "mask": Call(lambda c: c.mask(UNIQUE_ID, WHO)),
    "set_authorization": Call(lambda c: c.set_authorization(WHO)),
    "authorizations": Call(lambda c: c.authorizations(WHO)),
    "authorized_patients": Call(lambda c: c.authorized_patients(datetime(2026, 1, 1, tzinfo=UTC))),
    "search_patient": Call(lambda c: c.search_patient(PatientCriteria(family="PAT-TROIS"))),
    "administrative_data": Call(lambda c: c.administrative_data(WHO)),
    "close_record": Call(lambda c: c.close_record(WHO)),
}  # fmt: skip


def letter() -> Any:
    return samples.discharge_letter().render(samples.issuer())


@pytest.fixture(scope="module")
def server(pki: TestPki) -> Iterator[HostileServer]:
    running = HostileServer(pki)
    yield running
    running.close()


def client_of(server: HostileServer, pki: TestPki, *, wait: float = WAIT, total: float = TOTAL) -> DmpClient:
    dmp = DmpSettings(
        base_url=server.url,
        paths=DmpPaths(
            repository="repository", registry="registry", patients="patients", habilitations="habilitations",
            patients_pdq="patientsPDQ", patients_specific="patientsSpecific",
        ),
        tls=pki.tls.model_copy(update={"total_seconds": total}), signing=pki.signing.signing(),
        source_id=samples.SOURCE_ID, device_oid="1.2.250.1.213.9.4", timeout_seconds=wait,
        authn_context="urn:oasis:names:tc:SAML:2.0:ac:classes:Password",
    )  # fmt: skip
    return DmpClient(samples.settings(dmp=dmp), actor=ACTOR)


@pytest.fixture(scope="module")
def client(server: HostileServer, pki: TestPki) -> Iterator[DmpClient]:
    with client_of(server, pki) as made:
        yield made


def failure(server: HostileServer, client: DmpClient, call: Call, script: Script) -> SunesError:
    server.requests.clear()
    server.script, server.good = script, [LOOKED_UP] * call.good
    started = time.monotonic()
    with pytest.raises(SunesError) as caught:
        call.run(client)
    assert time.monotonic() - started < SOON
    error = caught.value
    assert server.requests, "the call reached the server"
    shown: BaseException | None = error
    while shown is not None:
        assert not any(secret in f"{shown} {shown!r} {shown.args}" for secret in SECRETS)
        shown = shown.__cause__
    if call.changes:
        assert isinstance(error, OutcomeUnknown), error
        assert error.prepared is not None
    return error


def code_of(error: SunesError) -> str:
    return error.remote_code if isinstance(error, OutcomeUnknown) else error.code


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_answer_is_one_coded_error(server: HostileServer, client: DmpClient, name: str, how: str) -> None:
    script, code = BROKEN[how]
    error = failure(server, client, CALLS[name], script)
    assert code_of(error) == code or code == "*", error
    assert error.code != SunesError.default_code
    assert isinstance(error, TransportError | RemoteError)


@pytest.mark.parametrize(("how", "name"), [*((how, "existence") for how in SLOW), ("body drips", "send")])
def test_a_slow_answer_ends_in_time(server: HostileServer, pki: TestPki, name: str, how: str) -> None:
    script, code = SLOW[how]
    with client_of(server, pki, wait=1.0, total=1.2) as client:
        assert code_of(failure(server, client, CALLS[name], script)) == code


@pytest.mark.parametrize("how", HUGE)
def test_a_huge_answer_is_cut_at_the_bound(server: HostileServer, pki: TestPki, how: str) -> None:
    with client_of(server, pki, wait=10, total=30) as client:
        server.script, server.good = HUGE[how], []
        tracemalloc.start()
        try:
            with pytest.raises(TransportError) as caught:
                client.existence(WHO)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (caught.value.code, caught.value.sent) == ("ANSWER_TOO_BIG", "maybe")
    assert peak < 3 * MAX_RESPONSE_BYTES


def test_a_server_that_does_not_read_is_left(pki: TestPki) -> None:
    """The sending is bounded too: a large request to a server that takes a little of it, slowly."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server.certificate, pki.server.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def sip() -> None:
            raw, _ = listener.accept()
            with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as tls:
                for _ in range(40):
                    tls.recv(1)
                    time.sleep(0.05)

        threading.Thread(target=sip, daemon=True).start()
        tls = pki.tls.model_copy(update={"total_seconds": 1.0})
        started = time.monotonic()
        with (
            contextlib.closing(HttpsTransport(tls, timeout_seconds=0.5)) as transport,
            pytest.raises(TransportError) as e,
        ):
            transport.post(f"https://localhost:{listener.getsockname()[1]}/", bytes(30_000_000), {})
    assert time.monotonic() - started < SOON
    assert (e.value.code, e.value.sent) == ("READ_TIMEOUT", "maybe")


@pytest.mark.parametrize(
    "body", [FOUND, RS.replace("RegistryResponse", "Other"), '<x xmlns="urn:x" status="Success"/>']
)
@pytest.mark.parametrize("name", ["send", "delete", "archive"])
def test_a_success_of_something_else_is_not_ours(
    server: HostileServer, client: DmpClient, name: str, body: str
) -> None:
    assert code_of(failure(server, client, CALLS[name], says(http(soap(body))))) == "ANSWER_UNEXPECTED"


@pytest.mark.parametrize("name", ["find", "find_entry_uuid", "get_documents", "retrieve", "mask"])
def test_a_success_of_something_else_is_no_absence(server: HostileServer, client: DmpClient, name: str) -> None:
    error = failure(server, client, CALLS[name], says(http(soap(RS))))
    assert error.code == "ANSWER_UNEXPECTED"


def test_a_reconciliation_does_not_take_it_for_an_absence(server: HostileServer, client: DmpClient) -> None:
    server.script, server.good = says(http(soap(RS))), []
    assert client.reconcile(client.prepare(letter(), Dmp())).outcome is Outcome.UNKNOWN


def test_a_gzip_answer_is_read(server: HostileServer, client: DmpClient) -> None:
    server.script = says(http(gzip.compress(soap(FOUND)), "application/soap+xml", "200 OK", "Content-Encoding: gzip"))
    assert client.find_entry_uuid(UNIQUE_ID, WHO) == "urn:uuid:00000000-0000-4000-8000-000000000001"


def test_a_cid_that_is_not_in_the_package(server: HostileServer, client: DmpClient) -> None:
    document = (
        f'<x:RetrieveDocumentSetResponse xmlns:x="urn:ihe:iti:xds-b:2007">{RS}<x:DocumentResponse>'
        f"<x:RepositoryUniqueId>1.2.3</x:RepositoryUniqueId><x:DocumentUniqueId>{UNIQUE_ID}</x:DocumentUniqueId>"
        '<x:mimeType>text/xml</x:mimeType><x:Document><i:Include xmlns:i="http://www.w3.org/2004/08/xop/include" '
        'href="cid:other"/></x:Document></x:DocumentResponse></x:RetrieveDocumentSetResponse>'
    )
    package = b"--B\r\nContent-ID: <root>\r\n\r\n" + soap(document) + b"\r\n--B\r\nContent-ID: <a>\r\n\r\nx\r\n--B--"
    server.script, server.good = says(http(package, MIME)), []
    with pytest.raises(SunesError) as caught:
        CALLS["retrieve"].run(client)
    assert caught.value.code == "XOP_MISSING"
