"""A fake téléservice INSi (WS_INS2, software certificate): the published test people, real sockets, real checks.

It refuses what the real service refuses, and what its contract forbids, and says why in the Fault and in `.refusals`.
Codes that were seen in the real service are used where known (`desir_550`, `desir_560`, `insi_24`, `insi_102`); the
others start with `fake_`, since the service's own list is not public.
"""

from __future__ import annotations

import random
import re
import threading
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self

from cryptography import x509
from cryptography.x509.oid import NameOID
from lxml import etree

from .._core.clock import Clock, SystemClock
from .._core.errors import XmlSecurityError
from .._core.xml import escape_attribute, escape_text, parse
from ..insi.codec import ACTION, BAM, BAM_VERSION, IDAM_KIND, LPS, LPS_VERSION, RESULT, SEARCH, SIRAM
from ..model import Ins, InsOid, Matricule, Sex, Traits, expected_key
from ..settings import InsiSettings
from ..transport.soap import SOAP12, WSA, WSSE
from .pki import TestPki
from .server import Answer, FakeHttpServer, Request

IDAM = "DEMO-IDAM-0001"
PATH = "/lps"
MAX_SKEW = timedelta(minutes=5)
_NAME = re.compile(r"[A-Z'](?:[A-Z]|[ '](?![ '])|-)*", re.ASCII)
_GIVEN = re.compile(r"[A-Z'](?:[A-Z]|[ '](?![ '])|-(?!-))*(?<![-'])", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_COG = re.compile(r"[0-9][0-9AB][0-9]{3}", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3,4}Z", re.ASCII)
# Both orders are published: the official sample's, and that of the CNDA-tested clients.
_HEADER_ORDERS: Final = (
    (f"{{{BAM}}}ContexteBAM", f"{{{WSA}}}MessageID", f"{{{WSA}}}Action", f"{{{LPS}}}ContexteLPS"),
    (f"{{{BAM}}}ContexteBAM", f"{{{LPS}}}ContexteLPS", f"{{{WSA}}}Action", f"{{{WSA}}}MessageID"),
)
_TRAIT_ORDER: Final = ("NomNaissance", "Prenom", "Sexe", "DateNaissance", "LieuNaissance")

FAULTS: Final = {
    "insi_102": ("Receiver", "siram_40", "service temporairement inaccessible"),
    "insi_24": ("Sender", "siram_40", "le format du champ sexe est incorrect"),
    "desir_550": ("Sender", "siram_100", "numéro d'autorisation du logiciel inconnu"),
    "desir_560": ("Sender", "siram_100", "niveau d'accès insuffisant"),
}
"""Faults that were seen: code -> SOAP code, subcode, text. Subcodes of `insi_24` and `desir_560` are not published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FakePerson:
    """Somebody INSi knows. matricule: 15 characters, wrong key included; given_names: the list; history: (matricule,
    OID) pairs; other_names: birth names that also find this person; homonyms: another person has the same traits but
    for the birth place, so that the search without it is ambiguous."""

    matricule: str
    oid: InsOid
    birth_name: str
    given_names: str
    sex: str
    birth_date: str
    birth_place: str
    first_given_name: str | None = None
    history: tuple[tuple[str, InsOid], ...] = ()
    other_names: frozenset[str] = frozenset()
    has_homonym: bool = False

    @property
    def ins(self) -> Ins:
        return Ins(matricule=Matricule(value=self.matricule, certified=True), oid=self.oid)

    @property
    def traits(self) -> Traits:
        return Traits(
            birth_name=self.birth_name, birth_given_names=self.given_names, sex=Sex(self.sex),
            first_given_name=self.first_given_name or self.given_names.split()[0], birth_date=self.birth_date,
            birth_place=self.birth_place,
        )  # fmt: skip


def _person(
    matricule: str, name: str, given: str, sex: str, born: str, place: str, *, oid: InsOid = InsOid.NIR,
    history: tuple[str, ...] = (), other_names: frozenset[str] = frozenset(), has_homonym: bool = False,
) -> FakePerson:  # fmt: skip
    return FakePerson(
        matricule=matricule, oid=oid, birth_name=name, given_names=given, sex=sex, birth_date=born, birth_place=place,
        history=tuple((m, InsOid.NIR) for m in history), other_names=other_names, has_homonym=has_homonym,
    )  # fmt: skip


PUBLISHED: Final = (
    _person("110086322083060", "NESSI", "MICHELANGELO ANTHONY", "M", "2010-08-07", "63220"),
    _person("275126322074974", "ADRUN", "ZOE", "F", "1975-12-31", "63220"),
    _person("236066322083656", "TCHITCHI", "CATARINA BELLA", "F", "1936-06-21", "63220"),
    _person(
        "109076322083489", "ECETINSI", "PIERRE-ALAIN MURIEL FLORIANT", "M", "2009-07-14", "63220",
        history=("209076322083439", "209066322012355"),
    ),
    _person("109076322088835", "PROVISOIRE", "MATRICULE", "M", "2009-07-01", "63220", oid=InsOid.NIA),
    _person("297022A02077878", "ADRTROIS", "DOMINIQUE", "F", "1997-02-26", "2A020"),
    _person("160012B02077713", "ADRTROIS", "TOUSSAINT", "M", "1960-01-01", "2B020"),
    _person(
        "180032B02040123", "CORSE", "ANTHONY", "M", "1980-03-02", "2B020", history=("180032B02040123",),
    ),
    _person(
        "181036322045660", "HERMANN", "GATIEN", "M", "1981-03-24", "63220", other_names=frozenset({"HERMAN"}),
        history=("281036322045610",),
    ),
    _person("207058575627097", "PATB-QUATRE", "LAURENCE", "F", "1907-05-25", "85756"),
    _person("279035121518989", "PAT-TROIS", "DOMINIQUE MARIE-LOUISE", "F", "1979-03-28", "51215", oid=InsOid.NIR_TEST),
)  # fmt: skip
"""Published test people (CNDA, GIE SESAM-Vitale, ANS). Two keys are wrong at the source, and stay so."""

SCENARIOS: Final = (
    _person("1140263220900" + expected_key("1140263220900"), "DE VINCI", "LEONARDO", "M", "2014-02-01", "63220",
            oid=InsOid.NIR_TEST, has_homonym=True),
)  # fmt: skip
"""People of CNDA scenarios whose matricule is not published: made up, with a test OID. DE VINCI is `02` without his
birth place, `00` with it; HOUILLES / PIERRE PAUL JACQUES is unknown on purpose."""

TEST_PEOPLE: Final = frozenset(p.matricule for p in PUBLISHED if not p.oid.is_test)
"""For `Settings.test_people`: published people who bear production OIDs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerShape:
    """How answers are written. Real ones differ: prefixes, dates before the number, traits left out.

    prefix / soap_prefix: namespace prefixes (None: drawn for each answer); dates_first: DateDeb and DateFin before
    IdIndividu; traits_first: TIQ before INSACTIF; omit: traits left out; traits: traits answered instead of the
    person's, by element name.
    """

    prefix: str | None = "ns2"
    soap_prefix: str = "S"
    dates_first: bool = False
    traits_first: bool = False
    omit: frozenset[str] = frozenset()
    traits: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InsiCall:
    """One call that reached the fake. code: CodeCR, or the code of the Fault."""

    message_id: str
    birth_name: str = field(repr=False)
    given_name: str = field(repr=False)
    birth_place: str | None = field(default=None, repr=False)
    code: str
    at: datetime


class _Refused(Exception):
    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


class FakeInsi:
    """The service, on loopback with mutual TLS.

    people: who is known (the published ones, then `add`); shape: how answers are written; calls: journal of all
    requests; refusals: what was wrong with those refused; server: for network faults (`server.plan("cut_before")`).
    """

    def __init__(self, pki: TestPki, *, clock: Clock | None = None, idam: str = IDAM) -> None:
        self.people: list[FakePerson] = [*PUBLISHED, *SCENARIOS]
        self.shape = AnswerShape()
        self.calls: list[InsiCall] = []
        self.refusals: list[str] = []
        self._clock = clock or SystemClock()
        self._idam = idam
        self._seen: set[str] = set()
        self._instance: str | None = None
        self._planned: deque[str] = deque()
        self._random = random.Random(7)  # noqa: S311  prefixes of a fake's answers
        self._lock = threading.Lock()
        self.server = FakeHttpServer(pki, self._handle)

    @property
    def url(self) -> str:
        return self.server.url + PATH

    def settings(self, pki: TestPki) -> InsiSettings:
        """What a client needs to call this fake. People with production OIDs also need `test_people=TEST_PEOPLE`."""
        return InsiSettings(url=self.url, tls=pki.insi_tls, idam=self._idam)

    def add(self, *people: FakePerson) -> None:
        """Make people known, before those already there (so that a changed person hides the former)."""
        self.people[:0] = people

    def generate(self, count: int, *, seed: int = 0) -> tuple[FakePerson, ...]:
        """Make `count` people up, with test OIDs, and make them known."""
        made = generated_people(count, seed=seed)
        self.add(*made)
        return made

    def fail_next(self, fault: str, *, times: int = 1) -> None:
        """The next requests get this instead of an answer: a code of `FAULTS`, `html_500`, `html_503`, `truncated` (XML
        cut in the middle), `text` (the right answer under a wrong Content-Type)."""
        if fault not in FAULTS and fault not in ("html_500", "html_503", "truncated", "text"):
            raise ValueError(f"unknown fault {fault}")
        with self._lock:
            self._planned.extend([fault] * times)

    def close(self) -> None:
        self.server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # -- one request

    def _handle(self, request: Request) -> Answer:
        with self._lock:
            message_id, traits = "", dict.fromkeys(_TRAIT_ORDER, "")
            try:
                root = self._envelope(request)
                message_id = self._headers(root, request.client)
                traits = _traits(root)
                code, body = self._search(traits)
                planned = self._planned.popleft() if self._planned else None
            except _Refused as refused:
                self.refusals.append(refused.why)
                self._note(message_id, traits, refused.code)
                return _fault(refused.code, refused.why, message_id)
            if planned in FAULTS:
                code = planned
            self._note(message_id, traits, code)
        content = f'application/soap+xml; charset=utf-8; action="{ACTION}Response"'
        if planned is None:
            return Answer(200, {"Content-Type": content}, body)
        if planned in FAULTS:
            return _fault(planned, FAULTS[planned][2], message_id)
        if planned == "truncated":
            return Answer(200, {"Content-Type": content}, body[: len(body) // 2])
        if planned == "text":
            return Answer(200, {"Content-Type": "text/plain"}, body)
        page = b"<html><body><h1>Service unavailable</h1></body></html>"
        return Answer(int(planned[-3:]), {"Content-Type": "text/html"}, page)

    def _note(self, message_id: str, traits: dict[str, str], code: str) -> None:
        self.calls.append(
            InsiCall(
                message_id=message_id, birth_name=traits["NomNaissance"], given_name=traits["Prenom"],
                birth_place=traits["LieuNaissance"] or None, code=code, at=self._clock.now(),
            )
        )  # fmt: skip

    def _envelope(self, request: Request) -> etree._Element:
        _expect(request.path == PATH, "fake_path", f"the path is not {PATH}")
        content = request.headers.get("content-type", "")
        _expect(content.startswith("application/soap+xml"), "fake_content_type",
                "Content-Type is not application/soap+xml: SOAP 1.2 is required")  # fmt: skip
        _expect(f'action="{ACTION}"' in content, "fake_action", "Content-Type does not name the action")
        try:
            root = parse(request.body, max_bytes=100_000)
        except XmlSecurityError as e:
            raise _Refused("fake_xml", f"the request cannot be parsed: {e.code}") from None
        _expect(root.tag == f"{{{SOAP12}}}Envelope", "fake_soap_version", "the envelope is not SOAP 1.2")
        return root

    def _headers(self, root: etree._Element, client: x509.Certificate | None) -> str:
        header = root.find(f"{{{SOAP12}}}Header")
        if header is None:
            raise _Refused("fake_header", "the Header is missing")
        names = tuple(str(e.tag) for e in header if isinstance(e.tag, str))
        _expect(f"{{{WSSE}}}Security" not in names, "fake_security",
                "wsse:Security has no place with a software certificate")  # fmt: skip
        _expect(names in _HEADER_ORDERS, "fake_header", "header blocks are missing, doubled or in another order")
        bam, lps = header.find(f"{{{BAM}}}ContexteBAM"), header.find(f"{{{LPS}}}ContexteLPS")
        assert bam is not None
        assert lps is not None
        emitter = _certificate_name(client, NameOID.ORGANIZATIONAL_UNIT_NAME)
        self._context(bam, BAM, BAM_VERSION, "CTXBAM", ("Id", "Temps", "Emetteur", "COUVERTURE"), emitter)
        self._context(lps, LPS, LPS_VERSION, "CTXLPS", ("Id", "Temps", "Emetteur", "LPS"), emitter)
        cover = bam.find(f"{{{BAM}}}COUVERTURE")
        _expect(cover is not None and not len(cover) and not (cover.text or "").strip(), "fake_couverture",
                "COUVERTURE is empty without a Vitale card")  # fmt: skip
        self._software(lps)
        # After the contract, who calls: the real service looks at the certificate's name.
        _expect(_certificate_name(client, NameOID.COMMON_NAME) in ("INSI-AUTO", "INSI-MANU"), "desir_560",
                "the certificate's CN is neither INSI-AUTO nor INSI-MANU")  # fmt: skip
        _expect((header.findtext(f"{{{WSA}}}Action") or "") == ACTION, "fake_action", "wsa:Action is another operation")
        message_id = header.findtext(f"{{{WSA}}}MessageID") or ""
        _expect(_is_uuid(message_id.removeprefix("uuid:")), "fake_message_id", "MessageID is not a UUID")
        self._once(message_id, "fake_message_id", "MessageID was already used")
        return message_id

    def _context(
        self, block: etree._Element, namespace: str, version: str, nature: str, names: Sequence[str], emitter: str
    ) -> None:
        where = etree.QName(block).localname
        _expect(block.get("Version") == version, "fake_version", f"{where}/@Version is not {version}")
        _expect(block.get("Nature", nature) == nature, "fake_nature", f"{where}/@Nature is not {nature}")
        found = [str(e.tag) for e in block if isinstance(e.tag, str)]
        _expect(found == [f"{{{namespace}}}{n}" for n in names], "fake_context",
                f"{where} holds {', '.join(names)}, in this order")  # fmt: skip
        identifier, time = block.findtext(f"{{{namespace}}}Id") or "", block.findtext(f"{{{namespace}}}Temps") or ""
        _expect(_is_uuid(identifier), "fake_context_id", f"{where}/Id is not a UUID")
        self._once(identifier, "fake_context_id", f"{where}/Id was already used")
        _expect(_TIME.fullmatch(time) is not None, "fake_time", f"{where}/Temps is not UTC with milliseconds and Z")
        said = datetime.strptime(time[:23], "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=UTC)
        _expect(abs(said - self._clock.now()) <= MAX_SKEW, "fake_time", f"{where}/Temps is too far from the present")
        _expect(block.findtext(f"{{{namespace}}}Emetteur") == emitter, "fake_emitter",
                f"{where}/Emetteur is not the OU of the certificate")  # fmt: skip

    def _software(self, lps: etree._Element) -> None:
        block = lps.find(f"{{{LPS}}}LPS")
        assert block is not None
        names = ("IDAM", "Version", "Instance", "Nom")
        found = [str(e.tag) for e in block if isinstance(e.tag, str)]
        _expect(found == [f"{{{LPS}}}{n}" for n in names], "fake_context", f"LPS holds {', '.join(names)}, in order")
        idam, _, instance, _ = block
        _expect(idam.get("R") == IDAM_KIND, "fake_idam_kind", f'IDAM/@R is not "{IDAM_KIND}"')
        _expect(idam.text == self._idam, "desir_550", "the authorisation number (IDAM) is unknown")
        _expect(bool(instance.text), "fake_instance", "LPS/Instance is empty")
        if self._instance is None:
            self._instance = instance.text
        _expect(instance.text == self._instance, "fake_instance", "LPS/Instance changed: it is constant")

    def _once(self, identifier: str, code: str, why: str) -> None:
        _expect(identifier not in self._seen, code, why)
        self._seen.add(identifier)

    def _search(self, traits: dict[str, str]) -> tuple[str, bytes]:
        found = [p for p in self.people if _matches(p, traits)]
        if not found:
            return "01", self._result("01", "Aucune identite trouvee", None)
        if len({p.matricule[:13] for p in found}) > 1 or (found[0].has_homonym and not traits["LieuNaissance"]):
            return "02", self._result("02", "Plusieurs identites trouvees", None)
        return "00", self._result("00", "OK", found[0])

    def _result(self, code: str, label: str, person: FakePerson | None) -> bytes:
        shape = self.shape
        p = shape.prefix or f"n{self._random.randrange(10**6)}"
        s = shape.soap_prefix

        def element(name: str, content: str) -> str:
            return f"<{p}:{name}>{content}</{p}:{name}>"

        def ins(name: str, matricule: str, oid: InsOid) -> str:
            number = element("NumIdentifiant", matricule[:13]) + element("Cle", matricule[13:])
            parts = [element("IdIndividu", number), element("OID", oid.value)]
            # The CNDA sample has the dates first, the first of them later than the second.
            dates = element("DateDeb", "2021-05-05") + element("DateFin", "2021-05-04") if shape.dates_first else ""
            return element(name, dates + "".join(parts))

        content = element("CR", element("CodeCR", code) + element("LibelleCR", label))
        if person is not None:
            values = {
                "NomNaissance": person.birth_name,
                "Prenom": person.first_given_name or "",
                "ListePrenom": person.given_names,
                "Sexe": person.sex,
                "DateNaissance": person.birth_date,
                "LieuNaissance": person.birth_place,
            } | shape.traits
            texts = [element(n, escape_text(v)) for n, v in values.items() if v and n not in shape.omit]
            tiq = element("TIQ", "".join(texts))
            numbers = ins("INSACTIF", person.matricule, person.oid)
            numbers += "".join(ins("INSHISTO", m, oid) for m, oid in person.history)
            content += element("INDIVIDU", tiq + numbers if shape.traits_first else numbers + tiq)
        return (
            f'<{s}:Envelope xmlns:{s}="{SOAP12}"><{s}:Body><{p}:RESULTAT xmlns:{p}="{RESULT}">{content}'
            f"</{p}:RESULTAT></{s}:Body></{s}:Envelope>"
        ).encode()


def _expect(condition: bool, code: str, why: str) -> None:
    if not condition:
        raise _Refused(code, why)


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _certificate_name(certificate: x509.Certificate | None, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid) if certificate is not None else []
    return str(found[-1].value) if found else ""


def _traits(root: etree._Element) -> dict[str, str]:
    body = root.find(f"{{{SOAP12}}}Body")
    search = next((e for e in body if isinstance(e.tag, str)), None) if body is not None else None
    if search is None or search.tag != f"{{{SEARCH}}}RECSANSVITALE":
        raise _Refused("fake_body", "the Body holds no RECSANSVITALE")
    names = [etree.QName(e).localname for e in search if isinstance(e.tag, str)]
    _expect(
        all(str(e.tag).startswith(f"{{{SEARCH}}}") for e in search), "fake_body", "an element has another namespace"
    )
    _expect(names.count("Prenom") == 1, "fake_prenom", "exactly one Prenom is sent in each call")
    _expect(tuple(names) in (_TRAIT_ORDER, _TRAIT_ORDER[:-1]), "fake_body",
            f"RECSANSVITALE holds {', '.join(_TRAIT_ORDER)}, in this order")  # fmt: skip
    values = {n: search.findtext(f"{{{SEARCH}}}{n}") or "" for n in _TRAIT_ORDER}
    _expect(
        _NAME.fullmatch(values["NomNaissance"]) is not None, "fake_lexical", "NomNaissance breaks the lexical rules"
    )
    _expect(_GIVEN.fullmatch(values["Prenom"]) is not None, "fake_lexical", "Prenom breaks the lexical rules")
    _expect(values["Sexe"] in ("M", "F"), "insi_24", "le format du champ sexe est incorrect")
    _expect(_DATE.fullmatch(values["DateNaissance"]) is not None, "fake_date", "DateNaissance is not AAAA-MM-JJ")
    place = values["LieuNaissance"]
    _expect("LieuNaissance" not in names or _COG.fullmatch(place) is not None, "fake_place", "LieuNaissance is no COG")
    return values


def _matches(person: FakePerson, traits: dict[str, str]) -> bool:
    given, listed = traits["Prenom"].split(" "), person.given_names.split(" ")
    return (
        traits["NomNaissance"] in {person.birth_name, *person.other_names}
        and listed[: len(given)] == given
        and traits["Sexe"] == person.sex
        and traits["DateNaissance"] == person.birth_date
        and traits["LieuNaissance"] in ("", person.birth_place)
    )


def _fault(code: str, text: str, message_id: str) -> Answer:
    soap_code, subcode, _ = FAULTS.get(code, ("Sender", "siram_fake", ""))
    body = (
        f'<soap:Envelope xmlns:soap="{SOAP12}"><soap:Body><soap:Fault><soap:Code><soap:Value>soap:{soap_code}'
        f"</soap:Value><soap:Subcode><soap:Value>soap:{subcode}</soap:Value></soap:Subcode></soap:Code><soap:Reason>"
        f'<soap:Text xml:lang="fr">{escape_text(text)}</soap:Text></soap:Reason><soap:Detail><siram:Erreur '
        f'xmlns:siram="{SIRAM}" code="{code}" severite="fatal" messageID="{escape_attribute(message_id)}">'
        f"{escape_text(text)}</siram:Erreur></soap:Detail></soap:Fault></soap:Body></soap:Envelope>"
    )
    return Answer(500, {"Content-Type": "application/soap+xml; charset=utf-8"}, body.encode())


_FAMILIES = ("TESTUNO", "DEMOVAL", "FICTIBAUD", "ESSAI-MARTIN", "D'EXEMPLE", "LE TESTOU", "VERIFIANT", "SANSNOM")
_GIVENS = {
    "F": ("ALIX MARIE", "ROSE", "ANNE-LAURE JEANNE", "INES", "LOUISE ADELE EMMA", "FATOU"),
    "M": ("HUGO", "JEAN-PAUL LOUIS", "NOE ARTHUR", "SACHA", "ALI KARIM", "PIERRE"),
}


def generated_people(count: int, *, seed: int = 0) -> tuple[FakePerson, ...]:
    """People made up for load and property tests: test OIDs, all matricules different, keys right."""
    if count > 800_000:
        raise ValueError("at most 800000 people")
    draw = random.Random(seed)  # noqa: S311  reproducible test people
    made = []
    for number in range(count):
        sex = draw.choice("FM")
        year, month, day = 1930 + draw.randrange(90), draw.randrange(1, 13), draw.randrange(1, 29)
        place = f"{63001 + number // 900 % 400:05d}"
        order = 100 + number % 900
        first13 = f"{'2' if sex == 'F' else '1'}{year % 100:02d}{month:02d}{place}{order:03d}"
        given = draw.choice(_GIVENS[sex])
        made.append(
            FakePerson(
                matricule=first13 + expected_key(first13), oid=InsOid.NIR_TEST,
                birth_name=f"{draw.choice(_FAMILIES)}-{_letters(number)}", given_names=given, sex=sex,
                first_given_name=given.split()[0], birth_date=f"{year}-{month:02d}-{day:02d}", birth_place=place,
            )
        )  # fmt: skip
    return tuple(made)


def _letters(number: int) -> str:
    """A number in letters, so that made-up names stay in INSi's alphabet."""
    return "".join("ABCDEFGHIJ"[int(digit)] for digit in str(number))
