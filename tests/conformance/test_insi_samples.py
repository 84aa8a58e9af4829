"""WS_INS2 against the official sample messages (GIE SESAM-Vitale)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from lxml import etree

from sunes_sdk._core.xml import parse
from sunes_sdk.insi import Query, SearchCode, decode_search, encode_search
from sunes_sdk.insi.codec import Caller
from sunes_sdk.model import InsOid
from sunes_sdk.testing import samples as made
from sunes_sdk.transport import soap

WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}Security"


def test_the_official_answer_is_read(samples: Path) -> None:
    data = (samples / "dmp/gie/WS_INS2_rechercherInsAvecTraitsIdentite_reponse.xml").read_bytes()
    result = decode_search(soap.parse(data, "application/soap+xml").body)
    assert result.code is SearchCode.FOUND
    person = result.person
    assert person is not None
    assert (person.ins.value, person.ins.oid) == ("207058575627097", InsOid.NIR)
    assert (person.birth_name, person.first_given_name, person.given_names) == ("PATB-QUATRE", "LAURENCE", None)
    assert (person.sex, person.birth_date, person.birth_place) == ("F", "1907-05-25", "85756")
    assert person.history == ()


def shape(element: etree._Element) -> list[object]:
    """Names, attributes and children, without texts, ids, and the parts that only a CPS card brings."""
    attributes = {k: v for k, v in element.attrib.items() if k != "Nature"}  # optional in the contract
    return [element.tag, attributes, [shape(e) for e in element if isinstance(e.tag, str) and e.tag != WSSE]]


def test_our_request_has_the_shape_of_the_official_one(samples: Path) -> None:
    official = parse((samples / "dmp/gie/WS_INS2_rechercherInsAvecTraitsIdentite_requete.xml").read_bytes())
    query = Query(birth_name="PATB-QUATRE", given_name="LAURENCE", sex="F", birth_date="1907-05-25")
    caller = Caller(emitter="899900063480", idam="NumAutorisation", software=made.software())
    at = datetime(2021, 6, 16, 9, 39, 2, 4100, tzinfo=UTC)
    ours = parse(encode_search(query, caller, message_id="0dfb8f66", bam_id="8a689655", lps_id="ecd08001", at=at))
    assert shape(ours) == shape(official)
    body = "{http://www.w3.org/2003/05/soap-envelope}Body"
    texts = [[e.text for e in root.find(body).iter() if len(e) == 0] for root in (ours, official)]  # type: ignore[union-attr]  # both have a Body
    assert texts[0] == texts[1]
