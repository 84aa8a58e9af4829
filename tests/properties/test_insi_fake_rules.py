"""The fake INSi against the library: the rules of names written twice agree, any shape of an answer reads the same."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from sunes_sdk._core.clock import FixedClock, SystemClock
from sunes_sdk._core.xml import parse
from sunes_sdk.ins import check_birth_name, check_given_name, normalize_for_insi
from sunes_sdk.insi import SearchResult, decode_search
from sunes_sdk.insi.codec import Caller, Query, encode_search
from sunes_sdk.security.keys import load_certificates
from sunes_sdk.testing import insi_answers, samples
from sunes_sdk.testing.fake_insi import FAULTS, PUBLISHED, AnswerShape, FakePerson, generated_people
from sunes_sdk.testing.insi_rules import (
    BY_TRAITS,
    IDAM,
    PATH,
    Contract,
    Refused,
    check_name,
    glance,
    read_envelope,
)
from sunes_sdk.testing.pki import STRUCTURE, TestPki
from sunes_sdk.testing.server import Request
from sunes_sdk.transport import soap

PEOPLE = (*PUBLISHED, *generated_people(300, seed=1, unusual=0.7))
CLOSE = st.text(alphabet="AB '-", max_size=12)
"""Names made of what the rules are about."""

QUOTED = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=40)
"""What a request, being XML, may hold."""


def takes(name: str, where: str) -> bool:
    try:
        check_name(name, where)
    except Refused:
        return False
    return True


@given(CLOSE | st.text(max_size=30))
def test_what_the_library_sends_is_taken(name: str) -> None:
    if check_birth_name(name).ok:
        assert takes(normalize_for_insi(name), "NomNaissance")
    if check_given_name(name).ok:
        assert takes(normalize_for_insi(name), "Prenom")


@given(CLOSE.map(str.strip))  # the library trims what it sends; the rules do not speak of outer blanks
def test_what_is_taken_the_library_may_send(name: str) -> None:
    if takes(name, "NomNaissance"):
        assert check_birth_name(name).ok
    if takes(name, "Prenom"):
        assert check_given_name(name).ok


def read(body: bytes) -> SearchResult:
    return decode_search(next(parse(body).iter("{http://www.cnamts.fr/INSiResultat}RESULTAT")))


def leaves(body: bytes) -> list[tuple[str, str]]:
    return sorted((etree.QName(e).localname, e.text or "") for e in parse(body).iter("{*}*") if not len(e))


@given(st.sampled_from(PEOPLE), st.integers(0, 10**6), st.integers(0, 10**6), st.booleans(), st.booleans())
def test_any_shape_reads_the_same(
    person: FakePerson, seed: int, number: int, dates_first: bool, traits_first: bool
) -> None:
    plain = read(insi_answers.result(AnswerShape(), 0, "00", person)).person
    shuffled = insi_answers.result(AnswerShape(shuffle=seed), number, "00", person)
    assert read(shuffled).person == plain
    other = AnswerShape(prefix=None, soap_prefix="env", dates_first=dates_first, traits_first=traits_first)
    assert read(insi_answers.result(other, number, "00", person)).person == plain
    assert shuffled == insi_answers.result(AnswerShape(shuffle=seed), number, "00", person)
    dates = {"DateDeb", "DateFin"}
    told = [leaf for leaf in leaves(shuffled) if leaf[0] not in dates]
    assert told == [
        leaf for leaf in leaves(insi_answers.result(AnswerShape(), 0, "00", person)) if leaf[0] not in dates
    ]


def test_a_seed_draws_many_shapes() -> None:
    answers = {insi_answers.result(AnswerShape(shuffle=7), n, "00", PEOPLE[3]) for n in range(50)}
    assert len(answers) == 50
    roots = [parse(a) for a in answers]
    assert len({r.prefix for r in roots}) == 5
    assert {r[0].prefix == r.prefix for r in roots} == {True, False}
    results = [next(r.iter("{http://www.cnamts.fr/INSiResultat}RESULTAT")) for r in roots]
    assert None in {r.prefix for r in results}  # the default namespace
    people = [next(r.iter("{*}INDIVIDU")) for r in roots]
    assert {etree.QName(next(p.iterchildren("{*}*"))).localname for p in people} == {"INSACTIF", "INSHISTO", "TIQ"}


@given(st.sampled_from(sorted(FAULTS)), QUOTED, st.integers(0, 1000))
def test_a_fault_is_well_formed_whatever_it_quotes(code: str, text: str, seed: int) -> None:
    root = parse(insi_answers.fault(AnswerShape(shuffle=seed), 0, code, text, text))
    assert root.findtext(".//{*}Code/{*}Subcode/{*}Value", "").endswith(FAULTS[code][1])


NOW = SystemClock().now()
IDS = tuple(f"00000000-0000-4000-8000-00000000000{n}" for n in range(3))
SENT = encode_search(
    Query(birth_name="ADRUN", given_name="ZOE", sex="F", birth_date="1975-12-31", birth_place="63220"),
    Caller(emitter=STRUCTURE, idam=IDAM, software=samples.software()), message_id=IDS[0], bam_id=IDS[1], lps_id=IDS[2],
    at=NOW,
)  # fmt: skip
PIECES = st.binary(max_size=4) | st.sampled_from(
    [b"<", b">", b"/", b'"', b"&amp;", b"<ins:Prenom>", b"<!---->", b"<?x?>"]
)


@given(st.integers(0, len(SENT)), st.integers(0, 200), PIECES)
def test_no_request_breaks_the_fake(pki: TestPki, start: int, length: int, piece: bytes) -> None:
    (certificate, *_) = load_certificates(pki.insi.certificate)
    body = SENT[:start] + piece + SENT[start + length :]
    request = Request(PATH, {"content-type": soap.content_type(BY_TRAITS.action)}, body, certificate)
    with contextlib.suppress(Refused):  # taken or refused, and nothing else
        root = read_envelope(request)
        glance(root)
        Contract(clock=FixedClock(NOW), idam=IDAM).check(request, root)
