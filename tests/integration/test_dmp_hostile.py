"""Answers that are hostile, broken or for somebody else, to every call: one coded error, in bounded time and memory,
that shows nobody and never lets a change that may have been made pass for a refusal."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import random
import socket
import ssl
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

import pytest
from lxml import etree

from sunes_sdk._core.clock import SystemClock
from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import (
    AdministrativeData,
    AvailabilityStatus,
    DmpClient,
    DocumentReference,
    PatientCriteria,
    WebPage,
    td32,
)
from sunes_sdk.dmp.hl7v3 import PersonName
from sunes_sdk.dmp.rights import Mode
from sunes_sdk.errors import OutcomeUnknown, RemoteError, SunesError, TransportError
from sunes_sdk.model import Code, Dmp, Outcome, Receipt
from sunes_sdk.security import vihf
from sunes_sdk.settings import DmpPaths, DmpSettings, Settings
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import CallName, FakeDmp
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.transport import HttpResponse, HttpsTransport
from sunes_sdk.transport.https import MAX_RESPONSE_BYTES

ACTOR = samples.physician().at(samples.hospital())
WHO = samples.patient().identity
SECRETS = (samples.ins().value, "PAT-TROIS", "DOMINIQUE")
SOON = 5.0
"""Seconds in which every call must have ended; its own limit is `TOTAL`."""
WAIT, TOTAL = 3.0, 4.0

Script = Callable[[ssl.SSLSocket], object]


class HostileServer:
    """Reads a whole request over mutual TLS, then does as `script`."""

    def __init__(self, pki: TestPki) -> None:
        self.script: Script = lambda tls: None
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
            if _read_request(tls):
                self.script(tls)

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
    "chunk of no size": (says(head("Transfer-Encoding: chunked") + b"zz\r\nabc"), "ANSWER_MALFORMED"),
    "chunk below zero": (says(head("Transfer-Encoding: chunked") + b"-5\r\nabc"), "ANSWER_MALFORMED"),
    "1 GB in a chunk below zero": (
        pours(head("Transfer-Encoding: chunked") + b"-1\r\n", bytes(1 << 18)), "ANSWER_MALFORMED"
    ),
    "length in digits that are none": (says(head("Content-Length: \xb2") + soap("")), "ANSWER_MALFORMED"),
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
    "200 MB in 200 KB of gzip": says(head("Content-Encoding: gzip", "Connection: close") + BOMB),
}

HOSTILE: dict[str, Script] = {how: script for how, (script, _) in (BROKEN | SLOW).items()} | HUGE

# --- the calls --------------------------------------------------------------------------------------------------------

CHANGES = ("ITI-41", "ITI-57", "TD0.3", "TD1.3")
"""Exchanges after which the DMP may have changed something."""


First = Callable[[DmpClient, CdaDocument, FakeDmp], Any]


@dataclass(frozen=True)
class Call:
    """A call of the client, and the exchanges that it makes when every answer is right. first: what makes them so; what
    it returns is `given` to the call."""

    exchanges: tuple[CallName, ...]
    run: Callable[[DmpClient, CdaDocument, Any], Any]
    first: First = lambda client, held, dmp: None
    held: bool = True
    """Whether the DMP holds the letter before."""
    mode: Mode = "INDIRECTE_RENFORCEE"
    purpose: Code = vihf.NORMAL_ACCESS
    asks: bool = False
    """Whether it only asks what became of a delivery: it then answers UNKNOWN where others raise."""
    absent_before: int | None = None
    """The exchange before which the DMP said that a change which was lost had not been made."""

    def may_have_changed(self, exchange: int) -> bool:
        """Whether, when the answer of this exchange is lost, something may have changed."""
        return exchange != self.absent_before and any(name in CHANGES for name in self.exchanges[: exchange + 1])


def lost(call: CallName, *, made: bool) -> First:
    """The answer to the next change is lost; made: after it was made."""

    def first(client: DmpClient, held: CdaDocument, dmp: FakeDmp) -> CdaDocument:
        if not made:
            dmp.fail_next("XDSRegistryBusy", call=call)
        dmp.spoil_next("empty", call=call)
        return following(held)

    return first


def many_found(client: DmpClient, held: CdaDocument, dmp: FakeDmp) -> Any:
    """More documents than go into one request."""
    for _ in range(td32.BATCH):
        client.submit(letter())
    return client.find(WHO)


def unsure_delete(client: DmpClient, held: CdaDocument, dmp: FakeDmp) -> object:
    """A delivery that may have been made."""
    settings = samples.settings(dmp=dmp.settings())
    heard = Heard(settings)
    with DmpClient(settings, actor=ACTOR, transport=heard) as establishment:
        establishment.find_entry_uuid(held.unique_id, WHO)
    cut = Replayed(*heard.answers, TransportError("lost", sent="maybe"))
    with DmpClient(settings, actor=ACTOR, transport=cut) as establishment, pytest.raises(OutcomeUnknown) as caught:
        establishment.delete(held.unique_id, WHO, status=APPROVED)
    return caught.value.prepared


APPROVED = AvailabilityStatus.APPROVED
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
DATA = AdministrativeData(name=PersonName(usual_family="PAT-TROIS", given="DOMINIQUE"))

CALLS: dict[str, Call] = {
    "existence": Call(("TD0.2",), lambda c, d, _: c.existence(WHO)),
    "send": Call(("ITI-41",), lambda c, d, _: c.send(c.prepare(d, Dmp())), held=False),
    "submit": Call(("ITI-41",), lambda c, d, _: c.submit(d), held=False),
    "submit, lost and there": Call(
        ("ITI-41", "ITI-18"), lambda c, d, _: c.submit(d), lost("ITI-41", made=True), held=False
    ),
    "submit, lost and not there": Call(
        ("ITI-41", "ITI-18", "ITI-41"), lambda c, d, _: c.submit(d), lost("ITI-41", made=False), held=False
    ),
    "submit, there already": Call(("ITI-41", "ITI-18"), lambda c, d, _: c.submit(d)),
    "replace": Call(("ITI-18", "ITI-41"), lambda c, d, new: c.replace(new, of=d), lambda c, d, dmp: following(d)),
    "replace, lost and not there": Call(
        ("ITI-18", "ITI-41", "ITI-18", "ITI-18", "ITI-41"), lambda c, d, new: c.replace(new, of=d),
        lost("ITI-41", made=False), absent_before=3,
    ),
    "reconcile": Call(
        ("ITI-18",), lambda c, d, prepared: c.reconcile(prepared), lambda c, d, dmp: c.prepare(d, Dmp()), asks=True
    ),
    "reconcile, of an update": Call(
        ("ITI-18",), lambda c, d, prepared: c.reconcile(prepared), unsure_delete, mode="INDIRECTE", asks=True
    ),
    "find": Call(("ITI-18",), lambda c, d, _: c.find(WHO)),
    "find_entry_uuid": Call(("ITI-18",), lambda c, d, _: c.find_entry_uuid(d.unique_id, WHO), mode="INDIRECTE"),
    "find_submission_sets": Call(("ITI-18",), lambda c, d, _: c.find_submission_sets(WHO)),
    "find_since": Call(
        ("ITI-18",) * 3, lambda c, d, _: c.find_since(WHO, LONG_AGO), lambda c, d, dmp: c.submit(following(d))
    ),
    "get_documents": Call(("ITI-18",), lambda c, d, _: c.get_documents(WHO, unique_ids=[d.unique_id])),
    "retrieve": Call(
        ("ITI-43",), lambda c, d, found: c.retrieve(*found, of=WHO), lambda c, d, dmp: c.find(WHO)
    ),
    "retrieve, in two requests": Call(
        ("ITI-43", "ITI-43"), lambda c, d, found: c.retrieve(*found, of=WHO), many_found
    ),
    "delete": Call(("ITI-18", "ITI-57"), lambda c, d, _: c.delete(d.unique_id, WHO)),
    "delete, by an establishment": Call(
        ("ITI-18", "ITI-57"), lambda c, d, _: c.delete(d.unique_id, WHO, status=APPROVED), mode="INDIRECTE"
    ),
    "delete, lost and done": Call(
        ("ITI-18", "ITI-57", "ITI-18"), lambda c, d, _: c.delete(d.unique_id, WHO),
        lost("ITI-57", made=True),
    ),
    "delete, lost and not done": Call(
        ("ITI-18", "ITI-57", "ITI-18", "ITI-57"), lambda c, d, _: c.delete(d.unique_id, WHO),
        lost("ITI-57", made=False),
    ),
    "archive": Call(("ITI-18", "ITI-57"), lambda c, d, _: c.archive(d.unique_id, WHO)),
    "unarchive": Call(
        ("ITI-18", "ITI-57"), lambda c, d, _: c.unarchive(d.unique_id, WHO),
        lambda c, d, dmp: c.archive(d.unique_id, WHO),
    ),
    "mask": Call(("ITI-18", "ITI-57"), lambda c, d, _: c.mask(d.unique_id, WHO)),
    "mask, lost and not done": Call(
        ("ITI-18", "ITI-57", "ITI-18", "ITI-57"), lambda c, d, _: c.mask(d.unique_id, WHO),
        lost("ITI-57", made=False),
    ),
    "unmask": Call(
        ("ITI-18", "ITI-57"), lambda c, d, _: c.unmask(d.unique_id, WHO), lambda c, d, dmp: c.mask(d.unique_id, WHO)
    ),
    "set_patient_visibility": Call(
        ("ITI-18", "ITI-57"), lambda c, d, _: c.set_patient_visibility(d.unique_id, WHO, patient=False)
    ),
    "set_authorization": Call(("TD0.3",), lambda c, d, _: c.set_authorization(WHO)),
    "authorizations": Call(("TD1.6",), lambda c, d, _: c.authorizations(WHO)),
    "authorized_patients": Call(("TD0.4",), lambda c, d, _: c.authorized_patients(LONG_AGO)),
    "search_patient": Call(
        ("TD0.5",), lambda c, d, _: c.search_patient(PatientCriteria(family="PAT-TROIS", birth_date="19790328")),
        held=False, purpose=vihf.REGULATION_ACCESS,
    ),
    "administrative_data": Call(("TD0.2",), lambda c, d, _: c.administrative_data(WHO)),
    "update_administrative_data": Call(("TD1.3",), lambda c, d, _: c.update_administrative_data(WHO, DATA)),
    "close_record": Call(("TD1.3",), lambda c, d, _: c.close_record(WHO)),
}  # fmt: skip
"""Every call of the client that reaches the DMP, by its name and, where its exchanges differ, the case."""
LOCAL = {"certificates", "close", "prepare", "web_url"}
"""Those that do not."""
EXCHANGES = [(name, number) for name, call in CALLS.items() for number in range(len(call.exchanges))]


def letter() -> CdaDocument:
    return samples.discharge_letter().render(samples.issuer())


def following(held: CdaDocument) -> CdaDocument:
    return samples.discharge_letter().revise(held).render(samples.issuer())


Answer = HttpResponse | TransportError


class Heard:
    """A transport that keeps the answers."""

    def __init__(self, settings: Settings) -> None:
        assert settings.dmp is not None
        self._https = HttpsTransport(settings.dmp.tls, timeout_seconds=10, clock=SystemClock())
        self.answers: list[HttpResponse] = []

    def post(self, url: str, body: Any, headers: Mapping[str, str]) -> HttpResponse:
        self.answers.append(self._https.post(url, body, headers))
        return self.answers[-1]

    def close(self) -> None:
        self._https.close()


class Replayed:
    """A transport that gives these answers, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.give(answers)

    def give(self, answers: Sequence[Answer]) -> None:
        self._answers, self.asked = answers, 0

    def post(self, url: str, body: Any, headers: Mapping[str, str]) -> HttpResponse:
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        if isinstance(answer, TransportError):
            raise TransportError(answer.message, sent=answer.sent, code=answer.code, retry=answer.retry)
        return answer

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Known:
    """What a call was about, and what the DMP rightly answered to each of its exchanges."""

    letter: CdaDocument
    given: Any
    answers: tuple[HttpResponse, ...]


KnownOf = Callable[[str], Known]


@pytest.fixture(scope="module")
def known(pki: TestPki) -> KnownOf:
    def hear(name: str) -> Known:
        call, document = CALLS[name], letter()
        with FakeDmp(pki) as dmp:
            dmp.open_dmp(samples.ins(), traits=samples.traits(), attached_to_ens=False)
            dmp.authorize(samples.ins())
            settings = samples.settings(dmp=dmp.settings(mode=call.mode))
            with DmpClient(settings, actor=ACTOR) as client:
                if call.held:
                    client.submit(document)
                given = call.first(client, document, dmp)
            before, heard = len(dmp.requests), Heard(settings)
            with DmpClient(settings, actor=ACTOR, transport=heard, purpose=call.purpose) as client:
                call.run(client, document, given)
            assert tuple(r.call for r in dmp.requests[before:]) == call.exchanges
        return Known(document, given, tuple(heard.answers))

    return cache(hear)


@pytest.fixture(scope="module")
def hostile(pki: TestPki) -> dict[str, Answer]:
    """What the transport makes of each hostile server: calls can then meet them all, without their sockets."""

    def meet(name: str) -> Answer:
        script, patient = HOSTILE[name], name in HUGE
        server = HostileServer(pki)
        server.script = script
        tls = pki.tls.model_copy(update={"total_seconds": 30.0 if patient else 1.2})
        with (
            contextlib.closing(server),
            contextlib.closing(HttpsTransport(tls, timeout_seconds=10.0 if patient else 1.0)) as https,
        ):
            try:
                return https.post(server.url, b"<a/>", {"Content-Type": "application/soap+xml"})
            except TransportError as e:
                return e

    with ThreadPoolExecutor(8) as pool:
        return dict(zip(HOSTILE, pool.map(meet, HOSTILE), strict=True))


@pytest.fixture(scope="module")
def server(pki: TestPki) -> Iterator[HostileServer]:
    running = HostileServer(pki)
    yield running
    running.close()


def settings_of(
    url: str, pki: TestPki, *, mode: Mode = "INDIRECTE", wait: float = WAIT, total: float = TOTAL
) -> Settings:
    dmp = DmpSettings(
        base_url=url,
        paths=DmpPaths(
            repository="repository", registry="registry", patients="patients", habilitations="habilitations",
            patients_pdq="patientsPDQ", patients_specific="patientsSpecific",
        ),
        tls=pki.tls.model_copy(update={"total_seconds": total}), signing=pki.signing.signing(),
        source_id=samples.SOURCE_ID, device_oid="1.2.250.1.213.9.4", timeout_seconds=wait,
        authn_context="urn:oasis:names:tc:SAML:2.0:ac:classes:Password", mode=mode,
        authn_declaration=None if mode == "INDIRECTE" else "APP_BROWSER_AUTH", web_domain="web.dmp.test",
        vihf_reuse_seconds=3600,
    )  # fmt: skip
    return samples.settings(dmp=dmp)


def client_of(server: HostileServer, pki: TestPki, *, wait: float = WAIT, total: float = TOTAL) -> DmpClient:
    return DmpClient(settings_of(server.url, pki, wait=wait, total=total), actor=ACTOR)


@pytest.fixture(scope="module")
def client(server: HostileServer, pki: TestPki) -> Iterator[DmpClient]:
    with client_of(server, pki) as made:
        yield made


def raised(run: Callable[[], object], *, unknown: bool) -> SunesError:
    """The error of a call: coded, about nobody, of an unknown outcome when something may have changed."""
    with pytest.raises(SunesError) as caught:
        run()
    error = caught.value
    shown: BaseException | None = error
    while shown is not None:
        assert not any(secret in f"{shown} {shown!r} {shown.args}" for secret in SECRETS)
        shown = shown.__cause__
    assert isinstance(error, OutcomeUnknown) is unknown, error
    assert isinstance(error, TransportError | RemoteError)
    assert error.code != SunesError.default_code
    return error


def code_of(error: SunesError) -> str:
    return error.remote_code if isinstance(error, OutcomeUnknown) else error.code


# --- over sockets -----------------------------------------------------------------------------------------------------

OVER_SOCKETS: dict[str, Callable[[DmpClient], object]] = {
    "existence": lambda client: client.existence(WHO),
    "send": lambda client: client.send(client.prepare(letter(), Dmp())),
}


def failure(server: HostileServer, client: DmpClient, name: str, script: Script) -> SunesError:
    server.script = script
    started = time.monotonic()
    error = raised(lambda: OVER_SOCKETS[name](client), unknown=name == "send")
    assert time.monotonic() - started < SOON
    return error


@pytest.mark.parametrize("name", OVER_SOCKETS)
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_answer_is_one_coded_error(server: HostileServer, client: DmpClient, name: str, how: str) -> None:
    script, code = BROKEN[how]
    assert code in (code_of(failure(server, client, name, script)), "*")


@pytest.mark.parametrize(("how", "name"), [*((how, "existence") for how in SLOW), ("body drips", "send")])
def test_a_slow_answer_ends_in_time(server: HostileServer, pki: TestPki, name: str, how: str) -> None:
    script, code = SLOW[how]
    with client_of(server, pki, wait=1.0, total=1.2) as client:
        assert code_of(failure(server, client, name, script)) == code


@pytest.mark.parametrize("how", HUGE)
def test_a_huge_answer_is_cut_at_the_bound(server: HostileServer, pki: TestPki, how: str) -> None:
    with client_of(server, pki, wait=10, total=30) as client:
        server.script = HUGE[how]
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


def test_a_gzip_answer_is_read(server: HostileServer, client: DmpClient) -> None:
    server.script = says(http(gzip.compress(soap(FOUND)), "application/soap+xml", "200 OK", "Content-Encoding: gzip"))
    assert client.find_entry_uuid("1.2.3", WHO) == "urn:uuid:00000000-0000-4000-8000-000000000001"


# --- every call, at every exchange ------------------------------------------------------------------------------------


def test_every_call_of_the_client_is_here() -> None:
    """A new one meets the hostile answers too."""
    public = {name for name, member in vars(DmpClient).items() if callable(member) and not name.startswith("_")}
    assert {name.partition(",")[0] for name in CALLS} == public - LOCAL


def test_the_others_reach_nobody(pki: TestPki) -> None:
    nobody = Replayed()
    with DmpClient(settings_of("https://localhost/", pki), actor=ACTOR, transport=nobody) as client:
        client.prepare(letter(), Dmp())
        assert client.certificates().ok
        assert client.web_url(WebPage.RECORD, WHO, mode="DIRECTE")
    assert nobody.asked == 0


Meet = Callable[[str, Known, Sequence[Answer]], object]


@pytest.fixture(scope="module")
def meet(pki: TestPki) -> Iterator[Meet]:
    """A call that gets these answers; a client is made once for all calls of one mode and purpose."""
    with contextlib.ExitStack() as stack:

        @cache
        def client(mode: Mode, purpose: Code) -> tuple[DmpClient, Replayed]:
            transport, settings = Replayed(), settings_of("https://localhost/", pki, mode=mode)
            made = DmpClient(settings, actor=ACTOR, transport=transport, purpose=purpose)
            return stack.enter_context(made), transport

        def run(name: str, about: Known, answers: Sequence[Answer]) -> object:
            call = CALLS[name]
            made, transport = client(call.mode, call.purpose)
            transport.give(answers)
            try:
                return call.run(made, about.letter, about.given)
            finally:
                assert transport.asked >= len(answers), "the call reached that exchange"

        yield run


@pytest.mark.parametrize(("name", "exchange"), EXCHANGES)
def test_every_exchange_meets_every_hostile_answer(
    meet: Meet, known: KnownOf, hostile: dict[str, Answer], name: str, exchange: int
) -> None:
    """The exchanges before it are answered rightly, those after it as it is."""
    call, about = CALLS[name], known(name)
    unknown = call.may_have_changed(exchange)
    lost_before = exchange > 0 and call.may_have_changed(exchange - 1)
    for how, answer in hostile.items():
        run = partial(meet, name, about, [*about.answers[:exchange], answer])
        if call.asks:
            receipt = run()
            assert isinstance(receipt, Receipt)
            assert receipt.outcome is Outcome.UNKNOWN, how
            continue
        error = raised(run, unknown=unknown)
        if isinstance(answer, TransportError) and not lost_before:
            assert code_of(error) == answer.code, how


ODD_VALUES = ("", "x" * 300, "urn:oid:1.2", "\u00e9 '<&", "-1", "279035121518989", "20269999")
RIGHTLY_OTHERS = {"DMP_STATUS", "DMP_UNCHANGED", "ENVIRONMENT_IDENTITY", "XOP_MISSING", "XOP_BASE64"}
"""Codes of errors that are no TransportError nor RemoteError, to which the DMP may rightly lead."""


def spoiled(answer: HttpResponse, draw: random.Random) -> HttpResponse:
    """The answer with one value of its envelope changed to an odd one."""
    start, end = answer.body.index(b"<soap:Envelope"), answer.body.index(b"</soap:Envelope>") + 16
    root = etree.fromstring(answer.body[start:end])
    elements = list(root.iter(etree.Element))
    places = [(e, name) for e in elements for name in e.attrib] + [(e, "") for e in elements if (e.text or "").strip()]
    element, name = draw.choice(places)
    value = draw.choice(ODD_VALUES)
    if name:
        element.set(name, value)
    else:
        element.text = value
    return HttpResponse(answer.status, answer.headers, answer.body[:start] + etree.tostring(root) + answer.body[end:])


@pytest.mark.parametrize(("name", "exchange"), EXCHANGES)
def test_one_odd_value_of_an_answer_is_no_mistake_of_the_caller(
    meet: Meet, known: KnownOf, name: str, exchange: int
) -> None:
    """What our models or the next request refuse is said of the answer, never as a wrong argument."""
    about, draw = known(name), random.Random(f"{name}{exchange}")
    others: set[str] = set()
    rounds = 40 if about.answers[exchange].body else 0  # none of an answer that was lost
    for _ in range(rounds):
        odd = spoiled(about.answers[exchange], draw)
        try:
            meet(name, about, [*about.answers[:exchange], odd])
        except (TransportError, RemoteError):
            pass
        except SunesError as e:
            others.add(e.code)
    assert others <= RIGHTLY_OTHERS


def plain(body: str) -> HttpResponse:
    return HttpResponse(200, {"content-type": "application/soap+xml"}, soap(body))


@pytest.mark.parametrize(
    "body",
    [
        f'<x:RetrieveDocumentSetResponse xmlns:x="urn:ihe:iti:xds-b:2007">{RS}</x:RetrieveDocumentSetResponse>',
        RS.replace("RegistryResponse", "Other"),
        '<x xmlns="urn:x" status="Success"/>',
    ],
)
@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call.exchanges[-1] in ("ITI-41", "ITI-57")])
def test_a_success_of_something_else_is_not_ours(meet: Meet, known: KnownOf, name: str, body: str) -> None:
    about = known(name)
    error = raised(partial(meet, name, about, [*about.answers[:-1], plain(body)]), unknown=True)
    assert "not there" in name or "not done" in name or code_of(error) == "ANSWER_UNEXPECTED"


@pytest.mark.parametrize("name", [n for n, call in CALLS.items() if call.exchanges[0] in ("ITI-18", "ITI-43")])
def test_a_success_of_something_else_is_no_absence(meet: Meet, known: KnownOf, name: str) -> None:
    run = partial(meet, name, known(name), [plain(RS)])
    if CALLS[name].asks:
        receipt = run()
        assert isinstance(receipt, Receipt)
        assert receipt.outcome is Outcome.UNKNOWN
    else:
        assert raised(run, unknown=False).code == "ANSWER_UNEXPECTED"


@pytest.mark.parametrize("name", ["delete", "archive", "mask"])
def test_an_id_in_place_of_an_entry_is_no_absence(meet: Meet, known: KnownOf, name: str) -> None:
    """Nor, after a delete whose answer was lost, the proof that it was made."""
    about = known(name)
    assert raised(partial(meet, name, about, [plain(FOUND)]), unknown=False).code == "ANSWER_UNEXPECTED"
    raised(partial(meet, name, about, [*about.answers[:-1], plain(FOUND)]), unknown=True)


def test_a_cid_that_is_not_in_the_package(pki: TestPki) -> None:
    document = (
        f'<x:RetrieveDocumentSetResponse xmlns:x="urn:ihe:iti:xds-b:2007">{RS}<x:DocumentResponse>'
        "<x:RepositoryUniqueId>1.2.3</x:RepositoryUniqueId><x:DocumentUniqueId>1.2.4</x:DocumentUniqueId>"
        '<x:mimeType>text/xml</x:mimeType><x:Document><i:Include xmlns:i="http://www.w3.org/2004/08/xop/include" '
        'href="cid:other"/></x:Document></x:DocumentResponse></x:RetrieveDocumentSetResponse>'
    )
    package = b"--B\r\nContent-ID: <root>\r\n\r\n" + soap(document) + b"\r\n--B\r\nContent-ID: <a>\r\n\r\nx\r\n--B--"
    asked = DocumentReference(repository_unique_id="1.2.3", unique_id="1.2.4")
    answers = Replayed(HttpResponse(200, {"content-type": MIME}, package))
    with (
        DmpClient(settings_of("https://localhost/", pki), actor=ACTOR, transport=answers) as client,
        pytest.raises(SunesError) as caught,
    ):
        client.retrieve(asked, of=WHO)
    assert caught.value.code == "XOP_MISSING"
