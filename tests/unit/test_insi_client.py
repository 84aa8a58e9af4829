"""The INSi client without a network: bounded answers, retries, pace, journal, batches, certificates, what is told."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.ids import SeededIds
from sunes_sdk._core.retry import RetryKind
from sunes_sdk._core.xml import parse
from sunes_sdk.errors import ConfigurationError, InsError, InsiError, SunesError, TransportError
from sunes_sdk.insi import InsiAnswer, InsiClient, InsiExchange, SearchCode, VitaleCard
from sunes_sdk.insi.client import ISSUER, MAX_ANSWER_BYTES, MAX_GIVEN_NAMES
from sunes_sdk.insi.codec import RESULT
from sunes_sdk.model import Identity, IdentityAttribute, IdentityStatus, Ins, InsOid, Matricule, Sex, Traits
from sunes_sdk.settings import Environment, InsiSettings, InsiVerification, Settings
from sunes_sdk.testing import samples as made
from sunes_sdk.testing.pki import STRUCTURE, TestPki
from sunes_sdk.transport import soap
from sunes_sdk.transport.seam import HttpResponse

NUMBER, KEY = "2790351215189", "89"
TOLD = ("QUATRE-SAISONS", "ELEONORE", "1979-03-28", "51215", NUMBER)
"""Traits and number that no log and no exception may hold."""
ASKED = Identity(
    traits=Traits(
        birth_name=TOLD[0], birth_given_names=TOLD[1], first_given_name=TOLD[1], birth_date=TOLD[2], sex=Sex.FEMALE,
        birth_place=TOLD[3],
    )
)  # fmt: skip
SOAP_XML = {"content-type": "application/soap+xml; charset=utf-8"}
NOW = datetime.now(UTC)


def envelope(body: str, header: str = "") -> bytes:
    return (
        f'<s:Envelope xmlns:s="{soap.SOAP12}"><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>'
    ).encode()


def result(code: str, person: str = "") -> str:
    return f'<r:RESULTAT xmlns:r="{RESULT}"><r:CR><r:CodeCR>{code}</r:CodeCR></r:CR>{person}</r:RESULTAT>'


PERSON = (
    f"<r:INDIVIDU><r:INSACTIF><r:IdIndividu><r:NumIdentifiant>{NUMBER}</r:NumIdentifiant><r:Cle>{KEY}</r:Cle>"
    f"</r:IdIndividu><r:OID>{InsOid.NIR_TEST.value}</r:OID></r:INSACTIF><r:TIQ><r:NomNaissance>{TOLD[0]}"
    f"</r:NomNaissance><r:ListePrenom>{TOLD[1]}</r:ListePrenom><r:Sexe>F</r:Sexe><r:DateNaissance>{TOLD[2]}"
    f"</r:DateNaissance><r:LieuNaissance>{TOLD[3]}</r:LieuNaissance></r:TIQ></r:INDIVIDU>"
)
FOUND = envelope(result("00", PERSON))
NOBODY = envelope(result("01"))
SEVERAL = envelope(result("02"))


def fault(code: str, soap_code: str = "Receiver") -> HttpResponse:
    body = envelope(
        f"<s:Fault><s:Code><s:Value>s:{soap_code}</s:Value><s:Subcode><s:Value>s:siram_40</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="fr">{TOLD[0]} {TOLD[1]} {TOLD[2]}</s:Text></s:Reason><s:Detail><e:Erreur '
        f'xmlns:e="urn:siram" code="{code}" severite="fatal">{TOLD[0]}</e:Erreur></s:Detail></s:Fault>'
    )
    return HttpResponse(500, SOAP_XML, body)


def ok(body: bytes, content_type: str = SOAP_XML["content-type"]) -> HttpResponse:
    return HttpResponse(200, {"content-type": content_type}, body)


class Scripted:
    """A transport that gives these answers in turn, the last one for ever, and keeps what was sent."""

    def __init__(self, *answers: HttpResponse | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[bytes] = []

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        self.sent.append(body)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        return

    def texts(self, name: str) -> list[str]:
        return [parse(body).findtext(f".//{{*}}{name}") or "" for body in self.sent]


Make = Callable[..., InsiClient]


@pytest.fixture
def make(pki: TestPki) -> Make:
    def made_client(transport: Scripted, *, test_people: frozenset[str] = frozenset(), **more: Any) -> InsiClient:
        options = {k: more.pop(k) for k in ("clock", "ids", "wait", "journal") if k in more}
        insi = InsiSettings(url="https://localhost/lps", tls=pki.insi_tls, idam="IDAM-1", **more)
        return InsiClient(made.settings(insi=insi, test_people=test_people), transport=transport, **options)

    return made_client


def unused(seconds: float) -> None:
    raise AssertionError(f"waited {seconds} s")


# --- what comes back -------------------------------------------------------------------------------------------------


def deep(levels: int) -> bytes:
    return envelope("<a>" * levels + "</a>" * levels)


DTD = b'<!DOCTYPE s [<!ENTITY x "ADRUN">]>'
LOST = TransportError("the connection was lost", sent="maybe", code="CONNECTION_LOST")
FAILURES: dict[str, tuple[HttpResponse | Exception, str, RetryKind]] = {
    "busy": (fault("insi_102"), "INSI_UNAVAILABLE", RetryKind.AFTER),
    "refused": (fault("desir_560", "Sender"), "INSI_ACCESS", RetryKind.NEVER),
    "unknown fault": (fault("QUATRE-SAISONS", "Sender"), "INSI_FAULT", RetryKind.NEVER),
    "truncated": (ok(FOUND[: len(FOUND) - 300]), "ANSWER_UNREADABLE", RetryKind.AFTER),
    "empty": (ok(b""), "ANSWER_UNREADABLE", RetryKind.AFTER),
    "not XML": (ok(b"OK " + TOLD[0].encode()), "ANSWER_UNREADABLE", RetryKind.AFTER),
    "DTD": (ok(DTD + FOUND), "ANSWER_UNREADABLE", RetryKind.AFTER),
    "entity": (ok(FOUND.replace(b"51215", b"&x;")), "ANSWER_UNREADABLE", RetryKind.AFTER),
    "external entity": (
        ok(b'<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + FOUND.replace(b"51215", b"&x;")),
        "ANSWER_UNREADABLE", RetryKind.AFTER),
    "deep": (ok(deep(5000)), "ANSWER_UNREADABLE", RetryKind.AFTER),
    "UTF-7": (ok(b"<?xml version='1.0' encoding='utf-7'?>" + FOUND), "ANSWER_UNREADABLE", RetryKind.AFTER),
    "big": (ok(FOUND.replace(b"</r:TIQ>", b"</r:TIQ>" + b" " * MAX_ANSWER_BYTES)), "INSI_ANSWER_SIZE",
            RetryKind.AFTER),
    "HTML page": (ok(b"<html><body>busy</body></html>", "text/html"), "INSI_CONTENT_TYPE", RetryKind.AFTER),
    "text": (ok(FOUND, "text/plain"), "INSI_CONTENT_TYPE", RetryKind.AFTER),
    "XHTML page": (ok(b"<html><body>busy</body></html>", "application/xhtml+xml"), "ANSWER_UNREADABLE",
                   RetryKind.AFTER),
    "HTML 500": (HttpResponse(500, {"content-type": "text/html"}, b"<html>busy</html>"), "HTTP_STATUS",
                 RetryKind.AFTER),
    "503": (HttpResponse(503, {}, b""), "HTTP_STATUS", RetryKind.AFTER),
    "403": (HttpResponse(403, {"content-type": "text/html"}, b"<html>no</html>"), "HTTP_STATUS", RetryKind.NEVER),
    "answer with status 500": (HttpResponse(500, SOAP_XML, FOUND), "HTTP_STATUS", RetryKind.AFTER),
    "another service": (ok(envelope(f"<x>{TOLD[0]}</x>")), "INSI_ANSWER", RetryKind.AFTER),
    "another's answer": (
        ok(envelope(result("00", PERSON), f'<a:RelatesTo xmlns:a="{soap.WSA}">uuid:1</a:RelatesTo>')), "INSI_ANSWER",
        RetryKind.AFTER),
    "two people": (ok(envelope(result("00", PERSON + PERSON))), "INSI_ANSWER", RetryKind.AFTER),
    "unknown code": (ok(envelope(result("QUATRE-SAISONS"))), "INSI_RESULT_CODE", RetryKind.NEVER),
    "real person": (ok(FOUND.replace(b"1.4.10<", b"1.4.8<")), "ENVIRONMENT_IDENTITY", RetryKind.NEVER),
    "lost": (LOST, "CONNECTION_LOST", RetryKind.AFTER),
    "not sent": (TransportError("the connection failed", sent="no", code="CONNECTION"), "CONNECTION", RetryKind.SAFE),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_is_coded_and_tells_nobody(make: Make, name: str, caplog: pytest.LogCaptureFixture) -> None:
    answer, code, kind = FAILURES[name]
    noted: list[InsiExchange] = []
    with caplog.at_level(logging.DEBUG), pytest.raises(SunesError) as caught:
        make(Scripted(answer), wait=unused, journal=noted.append).search(ASKED)
    error = caught.value
    assert error.code == code
    assert error.hint
    assert error.hint_fr
    if isinstance(error, InsiError | TransportError):
        assert error.retry.kind is kind
        assert "envoi" not in error.hint_fr
        assert "reconcile" not in error.hint
    # INS_… are refusals of ours: the call itself succeeded.
    assert [e.outcome for e in noted] == ["00" if code == "ENVIRONMENT_IDENTITY" else code]
    logged = [r.getMessage() for r in caplog.records]
    written = "".join((*traceback.format_exception(error), repr(error), *map(repr, noted), *logged))
    assert not [t for t in TOLD if t in written]


def test_the_answer_names_nobody_in_its_repr(make: Make) -> None:
    answer = make(Scripted(ok(FOUND))).search(ASKED)
    assert answer.person is not None
    assert answer.person.birth_name == TOLD[0]
    assert not [t for t in TOLD if t in repr(answer)]


@pytest.mark.parametrize("form", ["{}", "uuid:{}", "urn:uuid:{}"])
def test_an_answer_that_names_our_message_is_taken(make: Make, form: str) -> None:
    message_id = str(SeededIds(4).uuid())
    header = f'<a:RelatesTo xmlns:a="{soap.WSA}">{form.format(message_id.upper())}</a:RelatesTo>'
    client = make(Scripted(ok(envelope(result("01"), header))), ids=SeededIds(4))
    assert client.search(ASKED).request_id == message_id


@pytest.mark.parametrize("content_type", ["", "text/xml", "application/xml; charset=utf-8", "APPLICATION/SOAP+XML"])
def test_types_of_xml_are_taken(make: Make, content_type: str) -> None:
    assert make(Scripted(ok(FOUND, content_type))).search(ASKED).outcome is SearchCode.FOUND


# --- how it is asked -------------------------------------------------------------------------------------------------


def with_names(given: str, place: str = "99999") -> Identity:
    traits = ASKED.traits.model_copy(
        update={"birth_given_names": given, "first_given_name": given.split()[0], "birth_place": place}
    )
    return Identity(traits=traits)


def test_ambiguous_is_remembered_when_the_next_name_finds_nobody(make: Make) -> None:
    transport = Scripted(ok(SEVERAL), ok(NOBODY))
    answer = make(transport).search(with_names("ALIX BO"))
    assert answer.outcome is SearchCode.AMBIGUOUS
    assert transport.texts("Prenom") == ["ALIX", "BO", "ALIX BO"]
    assert answer.request_id == answer.request_ids[0]


def test_the_place_is_asked_for_each_ambiguous_name(make: Make) -> None:
    transport = Scripted(ok(SEVERAL), ok(NOBODY), ok(SEVERAL), ok(FOUND))
    answer = make(transport).search(with_names("ALIX BO", "51215"))
    assert answer.outcome is SearchCode.FOUND
    assert list(zip(transport.texts("Prenom"), transport.texts("LieuNaissance"), strict=True)) == [
        ("ALIX", ""), ("ALIX", "51215"), ("BO", ""), ("BO", "51215"),
    ]  # fmt: skip
    assert len(set(answer.request_ids)) == 4


def test_nobody_at_that_place_is_still_ambiguous(make: Make) -> None:
    answer = make(Scripted(ok(SEVERAL), ok(NOBODY))).search(with_names("ALIX", "51215"))
    assert answer.outcome is SearchCode.AMBIGUOUS
    assert (answer.request_id, len(answer.request_ids)) == (answer.request_ids[0], 2)


def test_ambiguous_with_the_place_stays_ambiguous(make: Make) -> None:
    assert make(Scripted(ok(SEVERAL))).search(with_names("ALIX", "51215")).outcome is SearchCode.AMBIGUOUS


def test_no_given_name_is_lost_from_a_long_list(make: Make) -> None:
    names = [f"NOM{'ABCDEFGHIJKLMNO'[n]}" for n in range(MAX_GIVEN_NAMES + 3)]
    transport = Scripted(ok(NOBODY))
    make(transport).search(with_names(" ".join(names)))
    assert transport.texts("Prenom") == [*names[:MAX_GIVEN_NAMES], " ".join(names)]


def test_given_names_of_the_document_are_tried_instead(make: Make) -> None:
    transport = Scripted(ok(NOBODY))
    make(transport).search(ASKED, given_names=["Anne-Laure", "Noé"])
    assert transport.texts("Prenom") == ["ANNE-LAURE", "NOE", "ANNE-LAURE NOE"]


def test_an_empty_list_of_given_names_is_refused(make: Make) -> None:
    transport = Scripted(ok(NOBODY))
    with pytest.raises(InsError, match="INS_NAME_EMPTY"):
        make(transport).search(ASKED, given_names=[])
    assert transport.sent == []


# --- again, and how fast ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", ["busy", "lost", "503", "truncated", "not sent"])
def test_what_may_be_asked_again_is_with_fresh_ids(make: Make, failure: str) -> None:
    waits: list[float] = []
    noted: list[InsiExchange] = []
    first = FAILURES[failure][0]
    transport = Scripted(first, ok(FOUND))
    answer = make(transport, attempts=3, wait=waits.append, journal=noted.append).search(ASKED)
    assert answer.outcome is SearchCode.FOUND
    assert waits == [{"busy": 60.0, "not sent": 0.0}.get(failure, 30.0)]
    assert answer.request_ids == tuple(transport.texts("MessageID")) == tuple(e.message_id for e in noted)
    assert answer.request_id == answer.request_ids[-1]
    for name in ("MessageID", "Id"):
        assert len(set(transport.texts(name))) == 2
    assert noted[-1].outcome == "00"
    assert {e.operation for e in noted} == {"rechercherInsAvecTraitsIdentite"}


@pytest.mark.parametrize("failure", ["refused", "unknown fault", "403", "unknown code", "real person"])
def test_a_refusal_is_never_asked_again(make: Make, failure: str) -> None:
    transport = Scripted(FAILURES[failure][0], ok(FOUND))
    with pytest.raises(SunesError):
        make(transport, attempts=5, wait=unused).search(ASKED)
    assert len(transport.sent) == 1


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("120", 120.0), (" 5 ", 5.0), ("99999", 3600.0), ("0", 30.0), ("-1", 30.0), ("1" * 400, 30.0), ("٣", 30.0),
     ("Wed, 21 Oct 2026 07:28:00 GMT", 30.0)],
)  # fmt: skip
def test_a_busy_service_may_say_when(make: Make, asked: str, seconds: float) -> None:
    with pytest.raises(TransportError) as caught:
        make(Scripted(HttpResponse(503, {"retry-after": asked}, b""))).search(ASKED)
    assert caught.value.retry.seconds == seconds


def test_attempts_come_to_an_end(make: Make) -> None:
    waits: list[float] = []
    noted: list[InsiExchange] = []
    transport = Scripted(fault("insi_102"))
    with pytest.raises(InsiError, match="INSI_UNAVAILABLE") as caught:
        make(transport, attempts=3, wait=waits.append, journal=noted.append).search(ASKED)
    assert (len(transport.sent), waits) == (3, [60.0, 60.0])
    assert caught.value.request_id == noted[-1].message_id
    assert [(e.outcome, e.remote_code) for e in noted] == [("INSI_UNAVAILABLE", "insi_102")] * 3


def test_calls_keep_to_the_rate(make: Make) -> None:
    clock, waits = FixedClock(NOW), []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        clock.advance(timedelta(seconds=seconds))

    client = make(Scripted(ok(NOBODY)), calls_per_minute=2, clock=clock, wait=wait)
    client.search(with_names("ALIX BO"))
    assert waits == [60.0]


# --- many people -----------------------------------------------------------------------------------------------------


def test_a_batch_asks_as_it_is_read_and_goes_on_after_one_error(make: Make) -> None:
    read: list[int] = []

    def people() -> Iterator[Identity]:
        doubtful = Identity(traits=ASKED.traits, attributes=frozenset({IdentityAttribute.DOUTEUSE}))
        for number, identity in enumerate((ASKED, doubtful, ASKED, ASKED)):
            read.append(number)
            yield identity

    transport = Scripted(ok(FOUND), fault("insi_24", "Sender"), ok(NOBODY))
    lines = make(transport).search_many(people())
    assert read == []
    first = next(lines)
    assert (read, len(transport.sent)) == ([0], 1)
    assert first.answer is not None
    assert first.answer.outcome is SearchCode.FOUND
    second, third, fourth = lines
    assert second.error is not None
    assert second.error.code == "INS_CALL_FORBIDDEN"
    assert third.error is not None
    assert third.error.code == "INSI_SEX"
    assert fourth.answer is not None
    assert fourth.answer.outcome is SearchCode.NOT_FOUND
    assert not [t for t in TOLD if t in repr([first, second, third, fourth])]


@pytest.mark.parametrize("failure", ["refused", "lost", "403"])
def test_what_would_refuse_everybody_ends_the_batch(make: Make, failure: str) -> None:
    transport = Scripted(FAILURES[failure][0])
    with pytest.raises((InsiError, TransportError)):
        list(make(transport).search_many([ASKED] * 5))
    assert len(transport.sent) == 1


def test_a_batch_has_a_limit(make: Make) -> None:
    transport = Scripted(ok(FOUND))
    lines = make(transport, batch_limit=2).search_many([ASKED] * 3)
    assert [next(lines).error, next(lines).error] == [None, None]
    with pytest.raises(ConfigurationError, match="INSI_BATCH_LIMIT"):
        next(lines)
    assert len(list(make(transport, batch_limit=2).search_many([ASKED] * 2))) == 2


# --- the Vitale card -------------------------------------------------------------------------------------------------

OWN = Matricule(value=f"{NUMBER}{KEY}")
CARD = VitaleCard(
    insured=OWN, own=OWN, certified_on=date(2020, 1, 2), birth_name="D’Æion", birth_date="1950-00-00", birth_rank=2,
    regime="01", fund="751", centre="0001", bearer="0",
)  # fmt: skip
PEOPLE = frozenset({OWN.value})


def test_the_card_is_written_where_the_contract_wants_it(make: Make) -> None:
    transport = Scripted(ok(FOUND))
    answer = make(transport, test_people=PEOPLE).search_by_vitale(ASKED, CARD)
    assert answer.outcome is SearchCode.FOUND
    assert answer.person is not None
    root = parse(transport.sent[0])
    assert root.findtext(".//{*}Action") == "urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecCarteVitale"

    def flat(name: str) -> list[tuple[str, str]]:
        element = root.find(f".//{{*}}{name}")
        assert element is not None
        return [(str(e.tag).rpartition("}")[2], e.text or "") for e in element.iter() if len(e) == 0]

    number = [("NumIdentifiant", NUMBER), ("Cle", KEY)]
    assert flat("RECVITALE") == [
        *number, *number, ("NomNaissance", "D'AEION"), ("DateNaissance", "1950-00-00"), ("RangNaissance", "2"),
    ]  # fmt: skip
    assert flat("COUVERTURE") == [
        ("GrandRegime", "01"), ("Organisme", "751"), ("CodeCentre", "0001"), ("Num", NUMBER), ("Cle", KEY),
        ("Num", NUMBER), ("Cle", KEY), ("DateCertification", "2020-01-02"), ("DateNai", "1950-00-00"), ("Rang", "2"),
        ("Porteur", "0"),
    ]  # fmt: skip


def test_a_child_without_a_number_is_asked_by_the_insured(make: Make) -> None:
    transport = Scripted(ok(NOBODY))
    child = CARD.model_copy(update={"own": None, "certified_on": None, "birth_name": None, "bearer": None})
    make(transport, test_people=PEOPLE).search_by_vitale(ASKED, child)
    root = parse(transport.sent[0])
    for name in ("MatriculeIndividu", "Nir", "NomNaissance", "Porteur"):
        assert root.find(f".//{{*}}{name}") is None
    assert root.findtext(".//{*}MatriculeOD/{*}NumIdentifiant") == NUMBER


def test_a_card_is_refused_without_a_call(make: Make) -> None:
    transport = Scripted(ok(FOUND))
    client = make(transport, test_people=PEOPLE)
    doubtful = Identity(traits=ASKED.traits, attributes=frozenset({IdentityAttribute.FICTIVE}))
    with pytest.raises(InsError, match="INS_CALL_FORBIDDEN"):
        client.search_by_vitale(doubtful, CARD)
    with pytest.raises(InsError, match="INS_NAME_CHARSET") as caught:
        client.search_by_vitale(ASKED, CARD.model_copy(update={"birth_name": "MARTIN2"}))
    assert "MARTIN2" not in str(caught.value)
    with pytest.raises(InsError, match="ENVIRONMENT_IDENTITY") as caught:
        make(transport).search_by_vitale(ASKED, CARD)  # a real person's card on the test service
    assert NUMBER not in str(caught.value)
    assert transport.sent == []


def test_the_card_can_qualify(make: Make) -> None:
    transport = Scripted(ok(FOUND))
    patient, answer = make(transport, test_people=PEOPLE).qualify(
        made.patient(identity=ASKED), evidence=None, card=CARD
    )  # fmt: skip
    assert patient.status is IdentityStatus.RECUPEREE
    assert isinstance(answer, InsiAnswer)
    assert len(transport.sent) == 1


def test_a_card_tells_nobody_and_has_a_form() -> None:
    assert not [t for t in (NUMBER, "Æion", "1950") if t in repr(CARD)]
    for change in ({"birth_date": "31/12/1950"}, {"birth_rank": 0}, {"bearer": "x"}, {"own": None}):
        with pytest.raises(SunesError) as caught:
            VitaleCard(**CARD.model_dump() | change)
        assert "1950" not in str(caught.value)


# --- the experimental verification -----------------------------------------------------------------------------------

SCHEMA = InsiVerification(
    action="urn:test:verify", request_namespace="urn:test:request&more", request_element="REQUETE",
    answer_namespace="urn:test:answer", confirmed_codes=frozenset({"00"}), refuted_codes=frozenset({"04"}),
)  # fmt: skip
"""Made-up values: the real ones are in the integration guide."""
HELD = Identity(traits=ASKED.traits, status=IdentityStatus.RECUPEREE, ins=Ins(matricule=OWN, oid=InsOid.NIR_TEST))


def verified(code: str) -> HttpResponse:
    return ok(envelope(f'<v:R xmlns:v="urn:test:answer"><v:CR><v:CodeCR>{code}</v:CodeCR></v:CR></v:R>'))


def test_verification_is_an_opt_in(make: Make) -> None:
    transport = Scripted(verified("00"))
    with pytest.raises(ConfigurationError, match="experimental") as caught:
        make(transport).verify(HELD)
    assert (caught.value.code, caught.value.path) == ("SETTING_MISSING", "insi.verification")
    assert transport.sent == []


@pytest.mark.parametrize(("code", "confirmed"), [("00", True), ("04", False)])
def test_verification_says_what_the_settings_make_of_the_code(make: Make, code: str, confirmed: bool) -> None:
    transport = Scripted(verified(code))
    verification = make(transport, verification=SCHEMA).verify(HELD)
    assert (verification.confirmed, verification.code) == (confirmed, code)
    assert verification.request_id == transport.texts("MessageID")[0]
    asked = parse(transport.sent[0]).find(".//{urn:test:request&more}REQUETE/{*}IndividuVerifie")
    assert asked is not None
    assert [asked.findtext(f".//{{*}}{n}") for n in ("NumIdentifiant", "Cle", "OID", "NomNaissance")] == [
        NUMBER, KEY, InsOid.NIR_TEST.value, TOLD[0],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (verified("99"), "INSI_RESULT_CODE"),
        (verified("</v:CodeCR><v:CodeCR>"), "INSI_ANSWER"),
        (ok(envelope("<x/>")), "INSI_ANSWER"),
        (ok(FOUND), "INSI_ANSWER"),
        (fault("insi_102"), "INSI_UNAVAILABLE"),
    ],
    ids=["unknown code", "two codes", "no code", "answer of a search", "busy"],
)
def test_nothing_is_guessed_of_a_verification(make: Make, answer: HttpResponse, code: str) -> None:
    with pytest.raises(InsiError) as caught:
        make(Scripted(answer), verification=SCHEMA).verify(HELD)
    assert caught.value.code == code
    assert not [t for t in TOLD if t in str(caught.value)]


def test_only_an_ins_of_this_environment_is_verified(make: Make) -> None:
    transport = Scripted(verified("00"))
    client = make(transport, verification=SCHEMA)
    with pytest.raises(InsError, match="INS_NONE"):
        client.verify(ASKED)
    real = HELD.model_copy(update={"ins": Ins(matricule=OWN, oid=InsOid.NIR)})
    with pytest.raises(InsError, match="ENVIRONMENT_IDENTITY"):
        client.verify(real)
    assert transport.sent == []


def test_the_codes_of_a_verification_have_one_meaning() -> None:
    with pytest.raises(SunesError, match="INSI_VERIFICATION_CODES"):
        InsiVerification(**SCHEMA.model_dump() | {"refuted_codes": {"00"}})
    for change in ({"request_element": 'x y="1"'}, {"request_namespace": 'urn:x"><y'}, {"request_namespace": "urn"}):
        with pytest.raises(SunesError):
            InsiVerification(**SCHEMA.model_dump() | change)


# --- who may call what -----------------------------------------------------------------------------------------------


def certificate(folder: Path, name: str, issuer: str, unit: str | None = STRUCTURE) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if unit:
        subject.insert(0, x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "client.pem"
    file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    return file


TEST_URL, REAL_URL = "https://qualiflps-services-ps-tlsm.ameli.fr:443/lps", "https://services-ps.ameli.fr/lps"


@pytest.mark.parametrize(
    ("name", "issuer", "unit", "environment", "url", "code"),
    [
        ("INSI-AUTO", f"TEST {ISSUER}", STRUCTURE, Environment.INTEGRATION, TEST_URL, ""),
        ("INSI-MANU", f"TEST {ISSUER}", STRUCTURE, Environment.INTEGRATION, TEST_URL, ""),
        ("INSI-MANU", ISSUER, STRUCTURE, Environment.PRODUCTION, REAL_URL, ""),
        ("insi-auto", f"TEST {ISSUER}", STRUCTURE, Environment.FAKE, TEST_URL, "INSI_CERTIFICATE_NAME"),
        ("INSI\u2010AUTO", f"TEST {ISSUER}", STRUCTURE, Environment.FAKE, TEST_URL, "INSI_CERTIFICATE_NAME"),
        ("INSI-AUTO ", f"TEST {ISSUER}", STRUCTURE, Environment.FAKE, TEST_URL, "INSI_CERTIFICATE_NAME"),
        ("PADOA", f"TEST {ISSUER}", STRUCTURE, Environment.FAKE, TEST_URL, "INSI_CERTIFICATE_NAME"),
        ("INSI-AUTO", f"TEST {ISSUER}", None, Environment.FAKE, TEST_URL, "INSI_CERTIFICATE_OU"),
        ("INSI-AUTO", ISSUER, STRUCTURE, Environment.INTEGRATION, TEST_URL, "INSI_CERTIFICATE_ENVIRONMENT"),
        ("INSI-AUTO", f"TEST {ISSUER}", STRUCTURE, Environment.PRODUCTION, REAL_URL, "INSI_CERTIFICATE_ENVIRONMENT"),
        ("INSI-AUTO", "SOMEBODY", STRUCTURE, Environment.PRODUCTION, REAL_URL, "INSI_CERTIFICATE_ENVIRONMENT"),
        ("INSI-AUTO", ISSUER, STRUCTURE, Environment.PRODUCTION, TEST_URL, "INSI_URL_ENVIRONMENT"),
        ("INSI-AUTO", f"TEST {ISSUER}", STRUCTURE, Environment.INTEGRATION, REAL_URL, "INSI_URL_ENVIRONMENT"),
        ("INSI-AUTO", f"TEST {ISSUER}", STRUCTURE, Environment.FAKE, REAL_URL.upper(), "INSI_URL_ENVIRONMENT"),
    ],
)  # fmt: skip
def test_certificate_and_address(
    pki: TestPki,
    tmp_path: Path,
    name: str,
    issuer: str,
    unit: str | None,
    environment: Environment,
    url: str,
    code: str,
) -> None:
    tls = pki.insi_tls.model_copy(update={"certificate": certificate(tmp_path, name, issuer, unit)})
    settings: Settings = made.settings(insi=InsiSettings(url=url, tls=tls, idam="1"), environment=environment)
    transport = Scripted(ok(NOBODY))
    if code:
        with pytest.raises(ConfigurationError) as caught:
            InsiClient(settings, transport=transport)
        assert caught.value.code == code
        return
    InsiClient(settings, transport=transport).search(ASKED)
    assert transport.texts("Emetteur") == [STRUCTURE]
