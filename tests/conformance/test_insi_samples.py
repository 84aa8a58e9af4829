"""WS_INS2 against the official sample messages (GIE SESAM-Vitale), and all requests against the schemas of the contract
where somebody has them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from lxml import etree

from sunes_sdk._core.findings import Report
from sunes_sdk._core.xml import parse
from sunes_sdk.insi import (
    Query,
    SearchCode,
    VitaleCard,
    decode_search,
    encode_search,
    encode_vitale_search,
)
from sunes_sdk.insi.codec import BAM, LPS, SEARCH, VITALE, Caller
from sunes_sdk.model import InsOid, Matricule
from sunes_sdk.testing import samples as made
from sunes_sdk.transport import soap

REQUEST = "dmp/gie/WS_INS2_rechercherInsAvecTraitsIdentite_requete.xml"
ANSWER = "dmp/gie/WS_INS2_rechercherInsAvecTraitsIdentite_reponse.xml"

EXPLAINED: dict[str, tuple[str, str]] = {
    "soap:Header/bam:ContexteBAM/@Nature": (
        "only ours: CTXBAM", "optional in the schema CTXBAM 01.02; the clients that passed the CNDA tests write it"),
    "soap:Header/lps:ContexteLPS/@Nature": (
        "only ours: CTXLPS", "optional in the schema CTXLPS 01.00; the clients that passed the CNDA tests write it"),
    "soap:Header/bam:ContexteBAM/bam:Temps": (
        "2021-06-16T09:39:02.0041Z / 2021-06-16T09:39:02.004Z",
        "xsd:dateTime takes any number of decimals; milliseconds are what tested clients write"),
    "soap:Header/lps:ContexteLPS/lps:Temps": (
        "2021-06-16T09:39:02.0041Z / 2021-06-16T09:39:02.004Z", "as in ContexteBAM"),
    "soap:Header/lps:ContexteLPS/lps:LPS/lps:Nom": (
        "GIE / urn:lps:GIE:1.00.00",
        "the schema takes any text; tested clients write urn:lps:NAME:VERSION, which names the version too"),
    "soap:Header/wsse:Security": (
        "only official", "the sample is signed by a CPS card (SAML assertion); with a software certificate the TLS "
        "handshake says who calls, and the block is absent"),
}  # fmt: skip
"""Each difference between the official request and ours for the same person, software, ids and time: place -> (what
differs, why ours is right). Prefixes and indentation say nothing and are not compared."""

_PREFIXES = {
    soap.SOAP12: "soap", soap.WSA: "wsa", soap.WSSE: "wsse", BAM: "bam", LPS: "lps", SEARCH: "ins",
}  # fmt: skip


def _name(element: etree._Element) -> str:
    name = etree.QName(element)
    return f"{_PREFIXES[name.namespace or '']}:{name.localname}"


def differences(official: etree._Element, ours: etree._Element, path: str = "") -> Iterator[tuple[str, str]]:
    """(place, what differs) of two elements of one name, children matched by name, then their order."""
    for name in sorted({*official.attrib, *ours.attrib}):
        if (a := official.get(name)) != (b := ours.get(name)):
            yield (
                f"{path}/@{name}",
                f"only ours: {b}" if a is None else f"only official: {a}" if b is None else f"{a} / {b}",
            )
    theirs = {_name(e): e for e in official if isinstance(e.tag, str)}
    mine = {_name(e): e for e in ours if isinstance(e.tag, str)}
    assert len(theirs) == len([e for e in official if isinstance(e.tag, str)]), "the sample repeats an element"
    if len(mine) != len(ours):
        yield path, "an element is repeated"
    if not theirs and not mine and (official.text or "") != (ours.text or ""):
        yield path, f"{official.text} / {ours.text}"
    for name in (*theirs, *(n for n in mine if n not in theirs)):
        place = f"{path}/{name}" if path else name
        if name not in mine:
            yield place, "only official"
        elif name not in theirs:
            yield place, "only ours"
        else:
            yield from differences(theirs[name], mine[name], place)
    if [n for n in theirs if n in mine] != [n for n in mine if n in theirs]:
        yield path, "another order"


def _same_call(samples: Path) -> tuple[etree._Element, bytes]:
    """The official request, and ours for the same person by the same software at the same time."""
    official = parse((samples / REQUEST).read_bytes())
    said = {etree.QName(e).localname: e.text or "" for e in official.iter("{*}IDAM", "{*}Instance", "{*}Emetteur")}
    ids = [e.text or "" for e in official.iter("{*}Id")]
    software = made.software(name="GIE", version="1.00.00", instance=said["Instance"])
    ours = encode_search(
        Query(birth_name="PATB-QUATRE", given_name="LAURENCE", sex="F", birth_date="1907-05-25"),
        Caller(emitter=said["Emetteur"], idam=said["IDAM"], software=software),
        message_id=official.findtext(f".//{{{soap.WSA}}}MessageID") or "",
        bam_id=ids[0],
        lps_id=ids[1],
        at=datetime(2021, 6, 16, 9, 39, 2, 4100, tzinfo=UTC),
    )
    return official, ours


def test_every_difference_from_the_official_request_is_explained(samples: Path) -> None:
    official, ours = _same_call(samples)
    found = dict(differences(official, parse(ours)))
    assert found == {place: what for place, (what, _) in EXPLAINED.items()}


def _swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda body: body.replace(old, new)


def _action_last(body: bytes) -> bytes:
    start, end = body.index(b"<wsa:Action>"), body.index(b"</wsa:Action>") + 13
    return (body[:start] + body[end:]).replace(b"</soap:Header>", body[start:end] + b"</soap:Header>")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (_swap(b">LAURENCE<", b">LAURE<"), "soap:Body/ins:RECSANSVITALE/ins:Prenom"),
        (_swap(b"<ins:Sexe>F</ins:Sexe>", b""), "soap:Body/ins:RECSANSVITALE/ins:Sexe"),
        (_swap(b'R="4"', b'R="3"'), "soap:Header/lps:ContexteLPS/lps:LPS/lps:IDAM/@R"),
        (_swap(b"<ctxbam:COUVERTURE/>", b""), "soap:Header/bam:ContexteBAM/bam:COUVERTURE"),
        (_swap(b'Version="01_02"', b'Version="01_01"'), "soap:Header/bam:ContexteBAM/@Version"),
        (_swap(b"TraitsIdentite<", b"CarteVitale<"), "soap:Header/wsa:Action"),
        (_action_last, "soap:Header"),
    ],
    ids=["text", "absent", "attribute", "empty element", "version", "action", "order"],
)
def test_the_comparison_sees_a_difference(samples: Path, change: Callable[[bytes], bytes], place: str) -> None:
    official, ours = _same_call(samples)
    changed = change(ours)
    assert changed != ours
    assert {p for p, _ in differences(official, parse(changed))} - set(EXPLAINED) == {place}


def test_the_official_answer_is_read(samples: Path) -> None:
    result = decode_search(soap.parse((samples / ANSWER).read_bytes(), "application/soap+xml").body)
    assert result.code is SearchCode.FOUND
    person = result.person
    assert person is not None
    assert (person.ins.value, person.ins.oid) == ("207058575627097", InsOid.NIR)
    assert (person.birth_name, person.first_given_name, person.given_names) == ("PATB-QUATRE", "LAURENCE", None)
    assert (person.sex, person.birth_date, person.birth_place) == ("F", "1907-05-25", "85756")
    assert person.history == ()
    assert result.remarks == Report()


@pytest.fixture(scope="module")
def schemas() -> Callable[[str], etree.XMLSchema]:
    """The schemas of the contract DESIR_ICIR_EXP 1.5.0, which may not be given away with this project."""
    folder = os.environ.get("SUNES_INSI_SCHEMAS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SUNES_INSI_SCHEMAS does not name a folder with the schemas of DESIR_ICIR_EXP 1.5.0")

    def load(name: str) -> etree.XMLSchema:
        return etree.XMLSchema(etree.parse(next(Path(folder).rglob(name))))

    return load


CARD = VitaleCard(
    insured=Matricule(value="279035121518989"), own=Matricule(value="180032B02040123"),
    certified_on=date(2020, 1, 2), birth_name="D'ÆION",
    birth_date="1950-00-00", birth_rank=1, regime="01", fund="751", centre="0001", bearer="1",
)  # fmt: skip


@pytest.mark.parametrize("operation", ["traits", "all traits", "card", "child on a card"])
def test_our_requests_are_valid_by_the_schemas_of_the_contract(
    schemas: Callable[[str], etree.XMLSchema], operation: str
) -> None:
    caller = Caller(emitter="10B0152872", idam="X1", software=made.software())
    at = datetime(2026, 1, 10, 9, 0, tzinfo=UTC)
    place = "2A004" if operation == "all traits" else None
    query = Query(birth_name="ADRUN", given_name="ZOE", sex="F", birth_date="1950-00-00", birth_place=place)
    card = CARD.model_copy(update={"own": None, "certified_on": None, "bearer": None}) if "child" in operation else CARD
    by_card = "card" in operation
    data = (
        encode_vitale_search(card, caller, message_id="m", bam_id="b", lps_id="l", at=at)
        if by_card
        else encode_search(query, caller, message_id="m", bam_id="b", lps_id="l", at=at)
    )
    for block, name in (
        (f"{{{BAM}}}ContexteBAM", "ROOT_ctxbam_CTXBAM_V01_02.xsd"),
        (f"{{{LPS}}}ContexteLPS", "ROOT_ctxlps_CTXLPS_V01_00.xsd"),
        (f"{{{VITALE}}}RECVITALE", "INSi_RECVITALE_INS.xsd")
        if by_card
        else (f"{{{SEARCH}}}RECSANSVITALE", "INSi_RECSANS_INS.xsd"),
    ):
        element = next(parse(data).iter(block))
        schemas(name).assertValid(parse(etree.tostring(element)))
