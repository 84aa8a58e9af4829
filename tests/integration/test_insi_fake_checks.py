"""The fake INSi refuses each mutation of our own request, and says what was wrong."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sunes_sdk._core.clock import SystemClock
from sunes_sdk.errors import SoapFault
from sunes_sdk.insi.codec import ACTION, Caller, Query, encode_search, fault_error
from sunes_sdk.settings import TlsSettings
from sunes_sdk.testing import samples as made
from sunes_sdk.testing.fake_insi import IDAM, FakeInsi
from sunes_sdk.testing.pki import STRUCTURE, TestPki
from sunes_sdk.transport import HttpsTransport, soap

QUERY = Query(birth_name="ADRUN", given_name="ZOE", sex="F", birth_date="1975-12-31")
CALLER = Caller(emitter=STRUCTURE, idam=IDAM, software=made.software())
IDS = tuple(f"00000000-0000-4000-8000-00000000000{n}" for n in range(3))


def request(at: datetime | None = None) -> bytes:
    return encode_search(
        QUERY, CALLER, message_id=IDS[0], bam_id=IDS[1], lps_id=IDS[2], at=at or SystemClock().now()
    )  # fmt: skip


@pytest.fixture
def fake(pki: TestPki) -> Iterator[FakeInsi]:
    with FakeInsi(pki) as service:
        yield service


def send(fake: FakeInsi, tls: TlsSettings, body: bytes, content_type: str = soap.content_type(ACTION)) -> str:
    """`ok`, or the code of the refusal."""
    transport = HttpsTransport(tls)
    try:
        soap.read_answer(transport.post(fake.url, body, {"Content-Type": content_type}))
    except SoapFault as fault:
        return fault_error(fault, request_id="").remote_code
    finally:
        transport.close()
    return "ok"


def test_the_request_as_it_is_passes(fake: FakeInsi, pki: TestPki) -> None:
    assert send(fake, pki.insi_tls, request()) == "ok"


def replace(old: str, new: str, count: int = 1) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        assert old.encode() in body, "the mutation changes nothing"
        return body.replace(old.encode(), new.encode(), count)

    return change


def swap_headers(body: bytes) -> bytes:
    start, end = body.index(b"<ctxlps:ContexteLPS"), body.index(b"</ctxlps:ContexteLPS>") + 21
    block = body[start:end]
    rest = body[:start] + body[end:]
    return rest.replace(b"<soap:Header>", b"<soap:Header>" + block)


MUTATIONS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "SOAP 1.1": (replace(soap.SOAP12, soap.SOAP11), "fake_soap_version"),
    "header order": (swap_headers, "fake_header"),
    "no MessageID": (replace(f"<wsa:MessageID>{IDS[0]}</wsa:MessageID>", ""), "fake_header"),
    "security block": (
        replace("</soap:Header>", f'<w:Security xmlns:w="{soap.WSSE}"/></soap:Header>'), "fake_security",
    ),
    "BAM version": (replace('Version="01_02"', 'Version="01_01"'), "fake_version"),
    "LPS version": (replace('Version="01_00"', 'Version="1.00.00"'), "fake_version"),
    "BAM nature": (replace("CTXBAM", "CTXLPS"), "fake_nature"),
    "no COUVERTURE": (replace("<ctxbam:COUVERTURE/>", ""), "fake_context"),
    "full COUVERTURE": (replace("<ctxbam:COUVERTURE/>", "<ctxbam:COUVERTURE>x</ctxbam:COUVERTURE>"), "fake_couverture"),
    "no IDAM": (replace(f'<ctxlps:IDAM R="4">{IDAM}</ctxlps:IDAM>', ""), "fake_context"),
    "IDAM kind": (replace('R="4"', 'R="1"'), "fake_idam_kind"),
    "IDAM value": (replace(IDAM, "OTHER"), "desir_550"),
    "emitter": (replace(f"<ctxbam:Emetteur>{STRUCTURE}", "<ctxbam:Emetteur>899900063480"), "fake_emitter"),
    "action": (replace(f"<wsa:Action>{ACTION}", f"<wsa:Action>{ACTION}Response"), "fake_action"),
    "message id": (replace(IDS[0], "not-a-uuid"), "fake_message_id"),
    "context id": (replace(IDS[1], "1"), "fake_context_id"),
    "same context ids": (replace(IDS[2], IDS[1]), "fake_context_id"),
    "time without Z": (replace("Z</ctxbam:Temps>", "+00:00</ctxbam:Temps>"), "fake_time"),
    "no instance": (replace(f"<ctxlps:Instance>{made.software().instance}", "<ctxlps:Instance>"), "fake_instance"),
    "two given names": (replace("</ins:Prenom>", "</ins:Prenom><ins:Prenom>LEA</ins:Prenom>"), "fake_prenom"),
    "no given name": (replace("<ins:Prenom>ZOE</ins:Prenom>", ""), "fake_prenom"),
    "lower case": (replace("ADRUN", "Adrun"), "fake_lexical"),
    "accent": (replace("ADRUN", "ÉDRUN"), "fake_lexical"),
    "first hyphen": (replace("ADRUN", "-ADRUN"), "fake_lexical"),
    "two blanks": (replace("ADRUN", "AD  RUN"), "fake_lexical"),
    "given name with two hyphens": (replace("ZOE", "ZO--E"), "fake_lexical"),
    "given name ends with apostrophe": (replace("ZOE", "ZOE'"), "fake_lexical"),
    "empty sex": (replace("<ins:Sexe>F", "<ins:Sexe>"), "insi_24"),
    "French date": (replace("1975-12-31", "31/12/1975"), "fake_date"),
    "postal place": (
        replace("</ins:DateNaissance>", "</ins:DateNaissance><ins:LieuNaissance>631</ins:LieuNaissance>"),
        "fake_place",
    ),
    "trait order": (
        replace("<ins:Sexe>F</ins:Sexe><ins:DateNaissance>1975-12-31</ins:DateNaissance>",
                "<ins:DateNaissance>1975-12-31</ins:DateNaissance><ins:Sexe>F</ins:Sexe>"), "fake_body",
    ),
    "another operation": (replace("RECSANSVITALE", "RECVITALE", 2), "fake_body"),
    "another namespace": (replace("INSiRecSans", "INSiRecVit"), "fake_body"),
    "a DOCTYPE": (replace("<soap:Envelope", "<!DOCTYPE x><soap:Envelope"), "fake_xml"),
    "cut": (lambda body: body[:-20], "fake_xml"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutated_request_is_refused(fake: FakeInsi, pki: TestPki, name: str) -> None:
    change, code = MUTATIONS[name]
    assert send(fake, pki.insi_tls, change(request())) == code
    assert len(fake.refusals) == 1
    assert fake.refusals[0]
    assert [c.code for c in fake.calls] == [code]


@pytest.mark.parametrize("minutes", [-6, 6])
def test_clock_skew_is_refused(fake: FakeInsi, pki: TestPki, minutes: int) -> None:
    assert send(fake, pki.insi_tls, request(datetime.now(UTC) + timedelta(minutes=minutes))) == "fake_time"


def test_a_message_id_is_not_used_twice(fake: FakeInsi, pki: TestPki) -> None:
    body = request()
    assert send(fake, pki.insi_tls, body) == "ok"
    again = body.replace(IDS[1].encode(), str(uuid.uuid4()).encode()).replace(
        IDS[2].encode(), str(uuid.uuid4()).encode()
    )
    assert send(fake, pki.insi_tls, again) == "fake_message_id"


def test_the_instance_is_constant(fake: FakeInsi, pki: TestPki) -> None:
    assert send(fake, pki.insi_tls, request()) == "ok"
    other = encode_search(
        QUERY, Caller(emitter=STRUCTURE, idam=IDAM, software=made.software(instance="another")),
        message_id=str(uuid.uuid4()), bam_id=str(uuid.uuid4()), lps_id=str(uuid.uuid4()), at=SystemClock().now(),
    )  # fmt: skip
    assert send(fake, pki.insi_tls, other) == "fake_instance"


def test_the_name_of_the_certificate_is_checked(fake: FakeInsi, pki: TestPki) -> None:
    assert send(fake, pki.tls, request()) == "desir_560"


@pytest.mark.parametrize(
    ("content_type", "code"),
    [("text/xml; charset=utf-8", "fake_content_type"), ("application/soap+xml; charset=utf-8", "fake_action")],
)
def test_the_content_type_is_checked(fake: FakeInsi, pki: TestPki, content_type: str, code: str) -> None:
    assert send(fake, pki.insi_tls, request(), content_type) == code


def test_an_unknown_fault_name_is_refused(fake: FakeInsi) -> None:
    with pytest.raises(ValueError, match="unknown"):
        fake.fail_next("insi_999")
