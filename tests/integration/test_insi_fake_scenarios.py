"""The CNDA scenarios and the published answers, from the fake's socket to the client."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lxml import etree

from sunes_sdk._core.clock import SystemClock
from sunes_sdk._core.xml import parse
from sunes_sdk.insi import InsiClient, SearchCode
from sunes_sdk.insi.codec import Caller, Query, encode_search
from sunes_sdk.model import PUBLISHED_TEST_PEOPLE, Identity, InsOid, Sex, Traits
from sunes_sdk.testing import samples as made
from sunes_sdk.testing.fake_insi import IDAM, PUBLISHED, TEST_PEOPLE, FakeInsi, FakePerson
from sunes_sdk.testing.fake_insi import SCENARIOS as MADE_UP
from sunes_sdk.testing.pki import STRUCTURE, TestPki
from sunes_sdk.transport import HttpsTransport, soap

(LEONARDO,) = MADE_UP
ACTION = "urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecTraitsIdentite"


@pytest.fixture
def fake(pki: TestPki) -> Iterator[FakeInsi]:
    with FakeInsi(pki) as service:
        yield service


@pytest.fixture
def client(fake: FakeInsi, pki: TestPki) -> Iterator[InsiClient]:
    with InsiClient(made.settings(insi=fake.settings(pki), test_people=TEST_PEOPLE)) as c:
        yield c


def identity(name: str, given: str, sex: str, born: str, place: str = "99999") -> Identity:
    return Identity(
        traits=Traits(
            birth_name=name, birth_given_names=given, first_given_name=given.split()[0], birth_date=born, sex=Sex(sex),
            birth_place=place,
        )
    )  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """What the operator types, the calls (birth name, Prenom, LieuNaissance, CodeCR), and what comes back."""

    asked: Identity
    calls: tuple[tuple[str, str, str | None, str], ...]
    matricule: str = ""
    oid: InsOid = InsOid.NIR
    history: tuple[str, ...] = ()

    @property
    def outcome(self) -> SearchCode:
        return SearchCode(self.calls[-1][3])


SCENARIOS = {
    "2.03/1 apostrophes and spaces": Scenario(
        identity("D'ARTAGNAN DE L'HERAULT", "PIERRE-ALAIN", "M", "2001-06-17"),
        (("D'ARTAGNAN DE L'HERAULT", "PIERRE-ALAIN", None, "01"),),
    ),
    "2.03/2 Corsica": Scenario(
        identity("ADRTROIS", "TOUSSAINT", "M", "1960-01-01", "2B020"), (("ADRTROIS", "TOUSSAINT", None, "00"),),
        "160012B02077713",
    ),
    "2.03/3 ligatures": Scenario(
        identity("D’ÆION", "CŒUR", "M", "1987-01-01", "2B020"), (("D'AEION", "COEUR", None, "01"),),
    ),
    "2.04 history": Scenario(
        identity("ECETINSI", "PIERRE-ALAIN", "M", "2009-07-14"), (("ECETINSI", "PIERRE-ALAIN", None, "00"),),
        "109076322083489", history=("209076322083439", "209066322012355"),
    ),
    "2.05 NIA": Scenario(
        identity("PROVISOIRE", "MATRICULE", "M", "2009-07-01"), (("PROVISOIRE", "MATRICULE", None, "00"),),
        "109076322088835", InsOid.NIA,
    ),
    "2.06/1 several people": Scenario(
        identity("DE VINCI", "LEONARDO", "M", "2014-02-01"), (("DE VINCI", "LEONARDO", None, "02"),),
    ),
    "2.06/2 the birth place decides": Scenario(
        identity("DE VINCI", "LEONARDO", "M", "2014-02-01", "63220"),
        (("DE VINCI", "LEONARDO", None, "02"), ("DE VINCI", "LEONARDO", "63220", "00")),
        LEONARDO.matricule, InsOid.NIR_TEST,
    ),
    "2.07/1 the second given name": Scenario(
        identity("TCHITCHI", "OLA CATARINA BELLA", "F", "1936-06-21"),
        (("TCHITCHI", "OLA", None, "01"), ("TCHITCHI", "CATARINA", None, "00")),
        "236066322083656",
    ),
    "2.07/2 nobody": Scenario(
        identity("HOUILLES", "PIERRE PAUL JACQUES", "M", "1993-01-27"),
        tuple(("HOUILLES", given, None, "01") for given in ("PIERRE", "PAUL", "JACQUES", "PIERRE PAUL JACQUES")),
    ),
    "2.08/1 the active number in its history": Scenario(
        identity("CORSE", "ANTHONY", "M", "1980-03-02"), (("CORSE", "ANTHONY", None, "00"),),
        "180032B02040123", history=("180032B02040123",),
    ),
    "2.08/2 wrong keys": Scenario(
        identity("HERMANN", "GATIEN", "M", "1981-03-24"), (("HERMANN", "GATIEN", None, "00"),),
        "181036322045660", history=("181036322045660", "281036322045610"),
    ),
    "2.08/2 another spelling": Scenario(
        identity("HERMAN", "GATIEN", "M", "1981-03-24"), (("HERMAN", "GATIEN", None, "00"),),
        "181036322045660", history=("181036322045660", "281036322045610"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_cnda_scenario(fake: FakeInsi, client: InsiClient, name: str) -> None:
    scenario = SCENARIOS[name]
    answer = client.search(scenario.asked)
    assert [(c.birth_name, c.given_name, c.birth_place, c.code) for c in fake.calls] == list(scenario.calls)
    assert answer.outcome is scenario.outcome
    if answer.person is not None:
        assert (answer.person.ins.value, answer.person.ins.oid) == (scenario.matricule, scenario.oid)
        assert tuple(i.value for i in answer.person.history) == scenario.history
    assert (answer.person is None) == (not scenario.matricule)
    assert list(answer.request_ids) == [c.message_id for c in fake.calls]
    fake.assert_no_refusal()


def raw_answer(fake: FakeInsi, pki: TestPki, person: FakePerson) -> etree._Element:
    """The RESULTAT as it came over the socket, read by nothing of the library's codec."""
    query = Query(
        birth_name=person.birth_name, given_name=person.given_names, sex=person.sex, birth_date=person.birth_date
    )
    ids = [str(uuid.uuid4()) for _ in range(3)]
    body = encode_search(
        query, Caller(emitter=STRUCTURE, idam=IDAM, software=made.software()), message_id=ids[0], bam_id=ids[1],
        lps_id=ids[2], at=SystemClock().now(),
    )  # fmt: skip
    transport = HttpsTransport(pki.insi_tls)
    try:
        answer = transport.post(fake.url, body, {"Content-Type": soap.content_type(ACTION)})
    finally:
        transport.close()
    assert answer.status == 200
    return next(parse(answer.body).iter("{http://www.cnamts.fr/INSiResultat}RESULTAT"))


def leaves(root: etree._Element) -> list[tuple[str, str]]:
    """Path from RESULTAT and text of each element without children, in document order."""

    def path(element: etree._Element) -> str:
        above = [etree.QName(e).localname for e in element.iterancestors()]
        return "/".join([*above[above.index("RESULTAT") :: -1], etree.QName(element).localname])

    return [(path(e), e.text or "") for e in root.iter("{*}*") if not len(e)]


OK = [("RESULTAT/CR/CodeCR", "00"), ("RESULTAT/CR/LibelleCR", "OK")]


def number(kind: str, value: str, key: str, oid: str, dates: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    at = f"RESULTAT/INDIVIDU/{kind}"
    found = [(f"{at}/IdIndividu/NumIdentifiant", value), (f"{at}/IdIndividu/Cle", key), (f"{at}/OID", oid)]
    return found + [(f"{at}/{n}", d) for n, d in zip(("DateDeb", "DateFin"), dates, strict=False)]


def traits(**values: str) -> list[tuple[str, str]]:
    return [(f"RESULTAT/INDIVIDU/TIQ/{name}", value) for name, value in values.items()]


NIR, NIA = "1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9"
# The answers as they are published, element by element.
ANSWERS = {
    "ECETINSI": [
        *number("INSACTIF", "1090763220834", "89", NIR),
        *number("INSHISTO", "2090763220834", "39", NIR, ("2019-03-01", "2019-02-28")),
        *number("INSHISTO", "2090663220123", "55", NIR),
        *traits(NomNaissance="ECETINSI", ListePrenom="PIERRE-ALAIN MURIEL FLORIANT", Sexe="M",
                DateNaissance="2009-07-14", LieuNaissance="63220"),
    ],
    "PROVISOIRE": [
        *number("INSACTIF", "1090763220888", "35", NIA),
        *traits(NomNaissance="PROVISOIRE", Prenom="MATRICULE", ListePrenom="MATRICULE", Sexe="M",
                DateNaissance="2009-07-01", LieuNaissance="63220"),
    ],
    "TCHITCHI": [
        *number("INSACTIF", "2360663220836", "56", NIR),
        *traits(NomNaissance="TCHITCHI", ListePrenom="CATARINA BELLA", Sexe="F", DateNaissance="1936-06-21",
                LieuNaissance="63220"),
    ],
    "CORSE": [
        *number("INSACTIF", "180032B020401", "23", NIR),
        *number("INSHISTO", "180032B020401", "23", NIR),
        *traits(NomNaissance="CORSE", Prenom="ANTHONY", ListePrenom="ANTHONY", Sexe="M", DateNaissance="1980-03-02",
                LieuNaissance="2B020"),
    ],
    "HERMANN": [
        *number("INSACTIF", "1810363220456", "60", NIR),
        *number("INSHISTO", "1810363220456", "60", NIR),
        *number("INSHISTO", "2810363220456", "10", NIR),
        *traits(NomNaissance="HERMANN", Prenom="GATIEN", ListePrenom="GATIEN", Sexe="M", DateNaissance="1981-03-24",
                LieuNaissance="63220"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_published_answers_element_by_element(fake: FakeInsi, pki: TestPki, name: str) -> None:
    (person,) = (p for p in PUBLISHED if p.birth_name == name)
    assert leaves(raw_answer(fake, pki, person)) == OK + ANSWERS[name]


@pytest.mark.samples
def test_the_official_answer_of_patb_quatre(fake: FakeInsi, pki: TestPki, samples: Path) -> None:
    official = parse((samples / "dmp/gie/WS_INS2_rechercherInsAvecTraitsIdentite_reponse.xml").read_bytes())
    (person,) = (p for p in PUBLISHED if p.birth_name == "PATB-QUATRE")
    assert leaves(raw_answer(fake, pki, person)) == leaves(next(official.iter("{*}RESULTAT")))


@pytest.mark.parametrize("person", PUBLISHED, ids=[f"{p.birth_name} {p.given_names}" for p in PUBLISHED])
def test_every_published_person_is_found(fake: FakeInsi, client: InsiClient, person: FakePerson) -> None:
    found = client.search(person.identity).person
    assert found is not None
    assert found.ins == person.ins  # wrong keys included
    assert found.birth_name == person.birth_name
    assert found.sex == person.sex
    assert found.birth_date == person.birth_date
    assert found.birth_place == person.birth_place
    assert person.matricule not in repr(person)
    assert person.birth_name not in repr(person)


def test_published_people_are_known_as_test_people() -> None:
    """No number that the fake answers can pass for a real one in production."""
    people = (*PUBLISHED, *MADE_UP)
    bearing = {(number, oid) for p in people for number, oid in ((p.matricule, p.oid), *p.history)}
    assert {number for number, oid in bearing if not oid.is_test} <= PUBLISHED_TEST_PEOPLE
    assert TEST_PEOPLE <= PUBLISHED_TEST_PEOPLE
