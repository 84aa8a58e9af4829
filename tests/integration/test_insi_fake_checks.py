"""The fake INSi refuses each mutation of our own request, and says what was wrong."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from sunes_sdk._core.clock import FixedClock, SystemClock
from sunes_sdk._core.xml import parse
from sunes_sdk.errors import SoapFault
from sunes_sdk.insi.codec import Caller, Query, encode_search, encode_vitale_search
from sunes_sdk.insi.verification import encode_verification
from sunes_sdk.insi.vitale import VitaleCard
from sunes_sdk.model import Matricule
from sunes_sdk.settings import TlsSettings
from sunes_sdk.testing import samples as made
from sunes_sdk.testing.fake_insi import FAKE_VERIFICATION, IDAM, PATH, PUBLISHED, REFUSALS, FakeInsi
from sunes_sdk.testing.pki import STRUCTURE, TestPki
from sunes_sdk.transport import HttpsTransport, soap

TRAITS_ACTION = "urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecTraitsIdentite"
VITALE_ACTION = "urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecCarteVitale"
QUERY = Query(birth_name="ADRUN", given_name="ZOE", sex="F", birth_date="1975-12-31", birth_place="63220")
CALLER = Caller(emitter=STRUCTURE, idam=IDAM, software=made.software())
IDS = tuple(f"00000000-0000-4000-8000-00000000000{n}" for n in range(3))
NOW = SystemClock().now()

Change = Callable[[bytes], bytes]


def request(query: Query = QUERY, caller: Caller = CALLER) -> bytes:
    return encode_search(query, caller, message_id=IDS[0], bam_id=IDS[1], lps_id=IDS[2], at=NOW)


CARD = VitaleCard(
    insured=Matricule(value="275126322074974"), own=Matricule(value="275126322074974"),
    certified_on=date(2020, 1, 1), birth_name="ADRUN",
    birth_date="1975-12-31", birth_rank=1, regime="01", fund="631", centre="0001", bearer="0",
)  # fmt: skip


def vitale_request() -> bytes:
    return encode_vitale_search(CARD, CALLER, message_id=IDS[0], bam_id=IDS[1], lps_id=IDS[2], at=NOW)


def verification_request() -> bytes:
    (person,) = (p for p in PUBLISHED if p.birth_name == "ADRUN")
    return encode_verification(
        person.ins, person.traits, FAKE_VERIFICATION, CALLER, message_id=IDS[0], bam_id=IDS[1], lps_id=IDS[2], at=NOW
    )


@pytest.fixture
def fake(pki: TestPki) -> Iterator[FakeInsi]:
    with FakeInsi(pki, clock=FixedClock(NOW)) as service:  # the requests are of this instant, whenever they are sent
        yield service


def send(
    fake: FakeInsi,
    tls: TlsSettings,
    body: bytes,
    action: str = TRAITS_ACTION,
    *,
    content_type: str = "",
    path: str = PATH,
) -> SoapFault | None:
    """The Fault, None when the request passed."""
    headers = {"Content-Type": content_type or soap.content_type(action)}
    transport = HttpsTransport(tls)
    try:
        soap.read_answer(transport.post(fake.server.url + path, body, headers))
    except SoapFault as fault:
        return fault
    finally:
        transport.close()
    return None


def assert_refused(fake: FakeInsi, fault: SoapFault | None, code: str, detail: str = "") -> None:
    assert fault is not None
    error = next(parse(fault.detail).iter("{urn:siram}Erreur"))
    assert (error.get("code"), error.text) == (code, fault.remote_message)
    assert error.get("messageID") == fake.calls[-1].message_id
    assert fault.soap_code == "Sender"
    assert fault.remote_message.startswith(REFUSALS[code])
    assert detail in fault.remote_message
    assert fake.refusals == [f"{code}: {fault.remote_message}"]
    assert fake.calls[-1].code == code
    assert fake.calls[-1].refusal == fault.remote_message
    assert "ADRUN" not in repr(fake.calls)
    with pytest.raises(AssertionError, match=code):
        fake.assert_no_refusal()


def replace(old: str, new: str, count: int = 1) -> Change:
    def change(body: bytes) -> bytes:
        assert old.encode() in body, "the mutation changes nothing"
        return body.replace(old.encode(), new.encode(), count)

    return change


def move_first(name: str) -> Change:
    """The Header block of this name put before the others."""

    def change(body: bytes) -> bytes:
        block = re.search(rf"<{name}\b.*</{name}>".encode(), body)
        assert block
        rest = body[: block.start()] + body[block.end() :]
        return rest.replace(b"<soap:Header>", b"<soap:Header>" + block.group())

    return change


# What was changed -> how, code of the refusal, words of the detail that say what was wrong.
MUTATIONS: dict[str, tuple[Change, str, str]] = {
    "cut": (lambda body: body[:-20], "fake_xml", "XML_MALFORMED"),
    "a DOCTYPE": (replace("<soap:Envelope", "<!DOCTYPE x><soap:Envelope"), "fake_xml", "XML_DTD"),
    "too big": (replace("<soap:Body>", "<!--" + "x" * 100_000 + "--><soap:Body>"), "fake_xml", "XML_TOO_BIG"),
    "SOAP 1.1": (replace(soap.SOAP12, soap.SOAP11), "fake_soap_version", "schemas.xmlsoap.org"),
    "no Header": (lambda b: re.sub(b"<soap:Header>.*</soap:Header>", b"", b), "fake_header", "no Header"),
    "no MessageID": (replace(f"<wsa:MessageID>{IDS[0]}</wsa:MessageID>", ""), "fake_header", "found ContexteBAM"),
    "two Actions": (
        replace(f"<wsa:Action>{TRAITS_ACTION}</wsa:Action>", f"<wsa:Action>{TRAITS_ACTION}</wsa:Action>" * 2),
        "fake_header", "Action, Action",
    ),
    "a block of ours": (replace("</soap:Header>", '<x xmlns="urn:x"/></soap:Header>'), "fake_header", ", {urn:x}x"),
    "MessageID of another namespace": (
        lambda b: re.sub(b"<wsa:MessageID>(.*)</wsa:MessageID>", rb'<MessageID xmlns="urn:x">\1</MessageID>', b),
        "fake_header", "{urn:x}MessageID",
    ),
    "header order": (move_first("ctxlps:ContexteLPS"), "fake_header_order", "found ContexteLPS, ContexteBAM"),
    "MessageID first": (move_first("wsa:MessageID"), "fake_header_order", "found MessageID, ContexteBAM"),
    "security block": (
        replace("</soap:Header>", f'<w:Security xmlns:w="{soap.WSSE}"/></soap:Header>'), "fake_security", "",
    ),
    "BAM version": (replace('Version="01_02"', 'Version="01_01"'), "fake_bam_version", "found 01_01"),
    "no BAM version": (replace(' Version="01_02"', ""), "fake_bam_version", "found None"),
    "LPS version": (replace('Version="01_00"', 'Version="1.00.00"'), "fake_lps_version", "found 1.00.00"),
    "BAM nature": (replace("CTXBAM", "CTXLPS"), "fake_nature", "found CTXLPS in ContexteBAM"),
    "no COUVERTURE": (replace("<ctxbam:COUVERTURE/>", ""), "fake_context", "found Id, Temps, Emetteur in ContexteBAM"),
    "context order": (
        lambda b: re.sub(rb"(<ctxlps:Id>.*</ctxlps:Id>)(<ctxlps:Temps>.*</ctxlps:Temps>)", rb"\2\1", b),
        "fake_context", "found Temps, Id, Emetteur, LPS in ContexteLPS",
    ),
    "text in COUVERTURE": (
        replace("<ctxbam:COUVERTURE/>", "<ctxbam:COUVERTURE>x</ctxbam:COUVERTURE>"), "fake_couverture", "not empty",
    ),
    "a card without a card": (
        replace("<ctxbam:COUVERTURE/>", "<ctxbam:COUVERTURE><ctxbam:ASSURE/></ctxbam:COUVERTURE>"),
        "fake_couverture", "not empty",
    ),
    "BAM emitter": (
        replace(f"<ctxbam:Emetteur>{STRUCTURE}", "<ctxbam:Emetteur>899900063480"),
        "fake_emitter", f"found 899900063480 in ContexteBAM, expected {STRUCTURE}",
    ),
    "LPS emitter": (
        replace(f"<ctxlps:Emetteur>{STRUCTURE}", "<ctxlps:Emetteur>"), "fake_emitter", "in ContexteLPS",
    ),
    "context id": (replace(IDS[1], "1"), "fake_context_id_form", "in ContexteBAM"),
    "time without Z": (replace("Z</ctxbam:Temps>", "+00:00</ctxbam:Temps>"), "fake_time", "in ContexteBAM"),
    "no such day": (
        lambda b: re.sub(rb"<ctxbam:Temps>.{10}", b"<ctxbam:Temps>2026-02-30", b), "fake_time", "2026-02-30",
    ),
    "no IDAM": (replace(f'<ctxlps:IDAM R="4">{IDAM}</ctxlps:IDAM>', ""), "fake_lps", "found Version, Instance, Nom"),
    "no instance": (
        replace(f"<ctxlps:Instance>{made.software().instance}", "<ctxlps:Instance>"), "fake_lps", "Instance is empty",
    ),
    "no version": (
        replace(f"<ctxlps:Version>{made.software().version}", "<ctxlps:Version> "), "fake_lps", "Version is empty",
    ),
    "IDAM kind": (replace('R="4"', 'R="1"'), "fake_idam_kind", "found 1"),
    "no IDAM kind": (replace(' R="4"', ""), "fake_idam_kind", "found None"),
    "IDAM value": (replace(IDAM, "OTHER"), "desir_550", "found OTHER"),
    "action": (
        replace(f"<wsa:Action>{TRAITS_ACTION}", f"<wsa:Action>{TRAITS_ACTION}Response"),
        "fake_action", "Response",
    ),
    "action of another operation": (
        replace(f"<wsa:Action>{TRAITS_ACTION}", f"<wsa:Action>{VITALE_ACTION}"), "fake_action", "CarteVitale",
    ),
    "message id": (replace(IDS[0], "not-a-uuid"), "fake_message_id_form", "found not-a-uuid"),
    "urn:uuid message id": (replace(IDS[0], f"urn:uuid:{IDS[0]}"), "fake_message_id_form", "found urn:uuid:"),
    "another operation": (replace("RECSANSVITALE", "VERIFIER", 2), "fake_body", "found VERIFIER"),
    "an empty Body": (lambda b: re.sub(b"<soap:Body>.*</soap:Body>", b"<soap:Body/>", b), "fake_body", "found 0"),
    "two searches": (
        lambda b: re.sub(b"<soap:Body>(.*)</soap:Body>", rb"<soap:Body>\1\1</soap:Body>", b), "fake_body", "found 2",
    ),
    "another namespace": (replace("INSiRecSans", "INSiRecVit"), "fake_namespace", "INSiRecSans"),
    "a trait without namespace": (
        replace("<ins:Sexe>F</ins:Sexe>", "<Sexe>F</Sexe>"), "fake_namespace", "INSiRecSans",
    ),
    "two given names": (
        replace("</ins:Prenom>", "</ins:Prenom><ins:Prenom>LEA</ins:Prenom>"), "fake_prenom", "found 2",
    ),
    "no given name": (replace("<ins:Prenom>ZOE</ins:Prenom>", ""), "fake_prenom", "found 0"),
    "empty given name": (replace("ZOE", ""), "fake_trait_missing", "Prenom is empty"),
    "no birth name": (
        replace("<ins:NomNaissance>ADRUN</ins:NomNaissance>", ""), "fake_trait_missing", "missing NomNaissance",
    ),
    "no date": (
        replace("<ins:DateNaissance>1975-12-31</ins:DateNaissance>", ""), "fake_trait_missing", "DateNaissance",
    ),
    "trait order": (
        replace("<ins:Sexe>F</ins:Sexe><ins:DateNaissance>1975-12-31</ins:DateNaissance>",
                "<ins:DateNaissance>1975-12-31</ins:DateNaissance><ins:Sexe>F</ins:Sexe>"),
        "fake_trait_order", "Prenom, DateNaissance, Sexe",
    ),
    "two birth names": (
        replace("</ins:NomNaissance>", "</ins:NomNaissance><ins:NomNaissance>ADRUN</ins:NomNaissance>"),
        "fake_trait_order", "NomNaissance, NomNaissance",
    ),
    "lower case": (replace("ADRUN", "Adrun"), "fake_name_charset", "in NomNaissance"),
    "accent": (replace("ZOE", "ZOÉ"), "fake_name_charset", "in Prenom"),
    "ligature": (replace("ADRUN", "ÆDRUN"), "fake_name_charset", "in NomNaissance"),
    "cedilla": (replace("ZOE", "ÇOE"), "fake_name_charset", "in Prenom"),
    "typographic apostrophe": (replace("ADRUN", "D’RUN"), "fake_name_charset", "in NomNaissance"),
    "digit": (replace("ADRUN", "ADRUN2"), "fake_name_charset", "in NomNaissance"),
    "Cyrillic": (replace("ADRUN", "АDRUN"), "fake_name_charset", "in NomNaissance"),
    "first hyphen": (replace("ADRUN", "-ADRUN"), "fake_name_start", "in NomNaissance"),
    "first space": (replace("ZOE", " ZOE"), "fake_name_start", "in Prenom"),
    "two spaces": (replace("ADRUN", "AD  RUN"), "fake_name_doubled", "in NomNaissance"),
    "two apostrophes": (replace("ADRUN", "AD''RUN"), "fake_name_doubled", "in NomNaissance"),
    "apostrophe and space": (replace("ZOE", "ZO' E"), "fake_name_doubled", "in Prenom"),
    "given name with two hyphens": (replace("ZOE", "ZO--E"), "fake_name_doubled", "in Prenom"),
    "given name ends with hyphen": (replace("ZOE", "ZOE-"), "fake_name_end", "in Prenom"),
    "given name ends with apostrophe": (replace("ZOE", "ZOE'"), "fake_name_end", "in Prenom"),
    "empty sex": (replace("<ins:Sexe>F", "<ins:Sexe>"), "insi_24", ""),
    "sex of a local identity": (replace("<ins:Sexe>F", "<ins:Sexe>I"), "insi_24", ""),
    "sex in full": (replace("<ins:Sexe>F", "<ins:Sexe>UN"), "insi_24", ""),
    "French date": (replace("1975-12-31", "31/12/1975"), "fake_date", ""),
    "HL7 date": (replace("1975-12-31", "19751231"), "fake_date", ""),
    "short place": (replace("<ins:LieuNaissance>63220", "<ins:LieuNaissance>631"), "fake_place", ""),
    "empty place": (replace("<ins:LieuNaissance>63220", "<ins:LieuNaissance>"), "fake_place", ""),
    "town": (replace("<ins:LieuNaissance>63220", "<ins:LieuNaissance>PARIS"), "fake_place", ""),
}  # fmt: skip

VITALE_MUTATIONS: dict[str, tuple[Change, str, str]] = {
    "15 characters": (
        replace("<ins:NumIdentifiant>2751263220749", "<ins:NumIdentifiant>275126322074974"),
        "fake_matricule", "in MatriculeIndividu",
    ),
    "no key": (replace("<ins:Cle>74</ins:Cle>", ""), "fake_matricule", "in MatriculeIndividu"),
    "insured with letters": (
        replace("<ins:MatriculeOD><ins:NumIdentifiant>2", "<ins:MatriculeOD><ins:NumIdentifiant>X"),
        "fake_matricule", "in MatriculeOD",
    ),
    "no number": (
        lambda b: re.sub(b"<ins:MatriculeIndividu>.*</ins:MatriculeOD>", b"", b), "fake_trait_missing", "no matricule",
    ),
    "a sex": (
        replace("</ins:RECVITALE>", "<ins:Sexe>F</ins:Sexe></ins:RECVITALE>"),
        "fake_trait_order", "RangNaissance, Sexe",
    ),
    "date": (replace("<ins:DateNaissance>1975-12-31", "<ins:DateNaissance>751231"), "fake_date", ""),
    "order of the cover": (
        lambda b: re.sub(b"(<ctxbam:GrandRegime>.*</ctxbam:GrandRegime>)(.*)(</ctxbam:COUVERTURE>)", rb"\2\1\3", b),
        "fake_couverture", "BENEFICIAIRE, GrandRegime in COUVERTURE",
    ),
    "key of the cover": (
        replace("<ctxbam:Cle>74</ctxbam:Cle>", "<ctxbam:Cle>7</ctxbam:Cle>"), "fake_couverture", "the form of Cle",
    ),
    "bearer": (
        replace("<ctxbam:Porteur>0", "<ctxbam:Porteur>OUI"), "fake_couverture", "the form of Porteur",
    ),
    "unknown in the cover": (
        replace("<ctxbam:Porteur>", "<ctxbam:Nom>X</ctxbam:Nom><ctxbam:Porteur>"),
        "fake_couverture", "Rang, Nom, Porteur in BENEFICIAIRE",
    ),
}  # fmt: skip

VERIFICATION_MUTATIONS: dict[str, tuple[Change, str, str]] = {
    "no OID": (lambda b: re.sub(b"<ver:OID>.*</ver:OID>", b"", b), "fake_verified", "INSFourni is not whole"),
    "no traits": (
        lambda b: re.sub(b"<ver:TraitsIdentiteIndividu>.*</ver:TraitsIdentiteIndividu>", b"", b),
        "fake_verified", "no TraitsIdentiteIndividu",
    ),
    "no key": (replace("<ver:Cle>74</ver:Cle>", ""), "fake_matricule", "in IdIndividu"),
}  # fmt: skip

CONTENT_TYPES = [
    ("text/xml; charset=utf-8", "fake_content_type", "found text/xml"),
    ("application/soap+xml; charset=utf-8", "fake_http_action", ""),
    (soap.content_type(VITALE_ACTION), "fake_http_action", ""),
]


@pytest.mark.parametrize("place", ["63220", "99109", "99999", "2A004", None])
def test_the_request_as_it_is_passes(fake: FakeInsi, pki: TestPki, place: str | None) -> None:
    query = Query(birth_name="ADRUN", given_name="ZOE", sex="F", birth_date="1975-12-31", birth_place=place)
    assert send(fake, pki.insi_tls, request(query)) is None
    fake.assert_no_refusal()


@pytest.mark.parametrize(
    ("name", "given"),
    [("D'ARTAGNAN DE L'HERAULT", "PIERRE-ALAIN"), ("'T HOOFT", "ANNE MARIE"), ("A--B", "A"), ("X-", "O'NEIL")],
)
def test_names_that_the_rules_allow_pass(fake: FakeInsi, pki: TestPki, name: str, given: str) -> None:
    query = Query(birth_name=name, given_name=given, sex="M", birth_date="2001-06-17")
    assert send(fake, pki.insi_tls, request(query)) is None


@pytest.mark.parametrize(
    "change",
    [
        replace(IDS[0], f"uuid:{IDS[0]}"),
        replace("Z</ctxbam:Temps>", "1Z</ctxbam:Temps>"),  # the official sample has four digits
        replace(' Nature="CTXBAM"', ""),
        replace(IDS[2], IDS[1]),
        replace("<ctxbam:COUVERTURE/>", "<ctxbam:DateRef>2026-01-01T00:00:00Z</ctxbam:DateRef><ctxbam:COUVERTURE/>"),
        lambda b: re.sub(rb"(<wsa:MessageID>.*</wsa:Action>)(<ctxlps:Cont.*</ctxlps:ContexteLPS>)", rb"\2\1", b),
    ],
    ids=["uuid: prefix", "four digits", "no Nature", "one Id", "DateRef", "ContexteLPS second"],
)
def test_what_published_clients_do_passes(fake: FakeInsi, pki: TestPki, change: Change) -> None:
    body = change(request())
    if b"ContexteLPS><wsa:" in body:  # the order of the tested clients: Action, then MessageID
        body = re.sub(rb"(<wsa:MessageID>.*</wsa:MessageID>)(<wsa:Action>.*</wsa:Action>)", rb"\2\1", body)
    assert send(fake, pki.insi_tls, body) is None


UNREADABLE_ID = (
    "cut", "a DOCTYPE", "too big", "no Header", "no MessageID", "MessageID of another namespace",
)  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutated_request_is_refused(fake: FakeInsi, pki: TestPki, name: str) -> None:
    change, code, detail = MUTATIONS[name]
    fault = send(fake, pki.insi_tls, change(request()))
    assert_refused(fake, fault, code, detail)
    # A refused request has told INSi about the person all the same, if only it could be read.
    assert bool(fake.calls[-1].message_id) == (name not in UNREADABLE_ID)


@pytest.mark.parametrize("name", VITALE_MUTATIONS)
def test_a_mutated_request_of_a_card_is_refused(fake: FakeInsi, pki: TestPki, name: str) -> None:
    change, code, detail = VITALE_MUTATIONS[name]
    fault = send(fake, pki.insi_tls, change(vitale_request()), VITALE_ACTION)
    assert_refused(fake, fault, code, detail)


@pytest.mark.parametrize(
    "change", [lambda b: b, lambda b: re.sub(b"<ctxbam:COUVERTURE>.*</ctxbam:COUVERTURE>", b"<ctxbam:COUVERTURE/>", b)],
    ids=["full cover", "empty cover"],
)  # fmt: skip
def test_the_request_of_a_card_passes(fake: FakeInsi, pki: TestPki, change: Change) -> None:
    assert send(fake, pki.insi_tls, change(vitale_request()), VITALE_ACTION) is None
    assert [(c.operation, c.code) for c in fake.calls] == [("RECVITALE", "00")]


@pytest.mark.parametrize("name", VERIFICATION_MUTATIONS)
def test_a_mutated_verification_is_refused(pki: TestPki, name: str) -> None:
    change, code, detail = VERIFICATION_MUTATIONS[name]
    with FakeInsi(pki, clock=FixedClock(NOW), verification=FAKE_VERIFICATION) as fake:
        fault = send(fake, pki.insi_tls, change(verification_request()), FAKE_VERIFICATION.action)
        assert_refused(fake, fault, code, detail)


def test_a_verification_is_not_served_unasked(fake: FakeInsi, pki: TestPki) -> None:
    fault = send(fake, pki.insi_tls, verification_request(), FAKE_VERIFICATION.action)
    assert_refused(fake, fault, "fake_body", "found VERIFICATION")


@pytest.mark.parametrize(("content_type", "code", "detail"), CONTENT_TYPES)
def test_the_content_type_is_checked(fake: FakeInsi, pki: TestPki, content_type: str, code: str, detail: str) -> None:
    assert_refused(fake, send(fake, pki.insi_tls, request(), content_type=content_type), code, detail)


def test_the_path_is_checked(fake: FakeInsi, pki: TestPki) -> None:
    assert_refused(fake, send(fake, pki.insi_tls, request(), path="/lps/"), "fake_path", "found /lps/")


def test_a_header_of_control_characters_is_quoted_harmlessly(fake: FakeInsi, pki: TestPki) -> None:
    fault = send(fake, pki.insi_tls, request(), content_type="text/\x01xml")
    assert_refused(fake, fault, "fake_content_type", "found text/?xml")


@pytest.mark.parametrize(("minutes", "said"), [(-6, "+360 s"), (6, "-360 s")])
def test_clock_skew_is_refused(pki: TestPki, minutes: int, said: str) -> None:
    with FakeInsi(pki, clock=FixedClock(NOW + timedelta(minutes=minutes))) as fake:
        assert_refused(fake, send(fake, pki.insi_tls, request()), "fake_skew", said)


def test_four_minutes_of_skew_pass(pki: TestPki) -> None:
    with FakeInsi(pki, clock=FixedClock(NOW + timedelta(minutes=4))) as fake:
        assert send(fake, pki.insi_tls, request()) is None


def test_a_message_id_is_not_used_twice(fake: FakeInsi, pki: TestPki) -> None:
    body = request()
    assert send(fake, pki.insi_tls, body) is None
    for used in IDS[1:]:
        body = body.replace(used.encode(), str(uuid.uuid4()).encode())
    assert_refused(fake, send(fake, pki.insi_tls, body), "fake_message_id", f"found {IDS[0]} again")


def test_a_context_id_is_not_used_twice(fake: FakeInsi, pki: TestPki) -> None:
    assert send(fake, pki.insi_tls, request()) is None
    body = request().replace(IDS[0].encode(), str(uuid.uuid4()).encode())
    assert_refused(fake, send(fake, pki.insi_tls, body), "fake_context_id", "in ContexteBAM")


def test_the_instance_is_constant(fake: FakeInsi, pki: TestPki) -> None:
    assert send(fake, pki.insi_tls, request()) is None
    body = request(caller=Caller(emitter=STRUCTURE, idam=IDAM, software=made.software(instance="another")))
    for used in IDS:
        body = body.replace(used.encode(), str(uuid.uuid4()).encode())
    assert_refused(fake, send(fake, pki.insi_tls, body), "fake_instance", "found another")


@pytest.mark.parametrize("name", ["org-auth-cli.test", "insi-auto", "INSI_AUTO", "INSI-AUTO ", "INSI-MANUEL"])
def test_the_name_of_the_certificate_is_checked(fake: FakeInsi, pki: TestPki, name: str) -> None:
    tls = pki.client_named(name).tls(pki.ca_file)
    assert_refused(fake, send(fake, tls, request()), "desir_560", f"found {name}")


def test_a_manual_certificate_passes(fake: FakeInsi, pki: TestPki) -> None:
    assert send(fake, pki.client_named("INSI-MANU").tls(pki.ca_file), request()) is None


OFFICIAL = "dmp/gie/WS_INS2_rechercherInsAvecTraitsIdentite_requete.xml"
SUBJECT = '<saml2:NameID NameQualifier="CPS">899900063480</saml2:NameID>'
ASSERTION_MUTATIONS: dict[str, tuple[Change, str]] = {
    "no Security": (lambda b: re.sub(b"<oas:Security>.*</oas:Security>", b"", b, flags=re.S), "fake_no_security"),
    "no assertion": (
        lambda b: re.sub(b"<saml2:Assertion.*</saml2:Assertion>", b"", b, flags=re.S), "fake_assertion",
    ),
    "SAML 1": (replace('Version="2.0"', 'Version="1.1"'), "fake_assertion"),
    "no subject": (replace(SUBJECT, ""), "fake_assertion"),
    "another subject": (replace(SUBJECT, SUBJECT.replace("8999", "8998")), "fake_emitter"),
    "no billing identifier": (replace("identifiantFacturation", "autre"), "fake_billing"),
}  # fmt: skip


@pytest.fixture
def by_assertion(pki: TestPki) -> Iterator[FakeInsi]:
    """A fake at the time, and with the IDAM, of the official sample, which authenticates by an assertion."""
    clock = FixedClock(SystemClock().now().replace(year=2021, month=6, day=16, hour=9, minute=40))
    with FakeInsi(pki, clock=clock, idam="NumAutorisation", assertion=True) as service:
        yield service


@pytest.mark.samples
def test_the_official_request_passes(by_assertion: FakeInsi, pki: TestPki, samples: Path) -> None:
    assert send(by_assertion, pki.tls, (samples / OFFICIAL).read_bytes()) is None
    assert [c.code for c in by_assertion.calls] == ["00"]


@pytest.mark.samples
@pytest.mark.parametrize("name", ASSERTION_MUTATIONS)
def test_the_official_request_mutated_is_refused(
    by_assertion: FakeInsi, pki: TestPki, samples: Path, name: str
) -> None:
    change, code = ASSERTION_MUTATIONS[name]
    fault = send(by_assertion, pki.tls, change((samples / OFFICIAL).read_bytes()))
    assert_refused(by_assertion, fault, code)


@pytest.mark.samples
def test_the_official_request_is_not_one_by_certificate(pki: TestPki, samples: Path) -> None:
    with FakeInsi(pki) as fake:
        assert_refused(fake, send(fake, pki.insi_tls, (samples / OFFICIAL).read_bytes()), "fake_security")


def test_every_refusal_is_tested() -> None:
    """One reason, one code, one line in REFUSALS, and a request above that meets it."""
    tables = {code for table in (MUTATIONS, VITALE_MUTATIONS, VERIFICATION_MUTATIONS) for _, code, _ in table.values()}
    tables |= {code for _, code in ASSERTION_MUTATIONS.values()} | {code for _, code, _ in CONTENT_TYPES}
    alone = {"fake_path", "fake_skew", "fake_context_id", "fake_message_id", "fake_instance", "desir_560"}
    assert tables | alone == set(REFUSALS)


def test_an_unknown_fault_name_is_refused(fake: FakeInsi) -> None:
    with pytest.raises(ValueError, match="unknown fault insi_999: one of insi_102"):
        fake.fail_next("insi_999")
