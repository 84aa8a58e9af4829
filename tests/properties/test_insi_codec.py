"""Prefixes, order, comments and blanks of an INSi answer change nothing; no text of ours breaks a request; whatever
comes back is an answer or a coded error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from sunes_sdk._core.xml import escape_text, parse
from sunes_sdk.errors import InsiError, SunesError
from sunes_sdk.ins import FoundIdentity
from sunes_sdk.insi import Query, SearchCode, SearchResult, decode_search, encode_search
from sunes_sdk.insi.codec import RESULT, SEARCH, Caller
from sunes_sdk.model import Ins, InsOid, expected_key
from sunes_sdk.testing import samples as made
from sunes_sdk.transport import soap
from sunes_sdk.transport.seam import HttpResponse

T = TypeVar("T")
TRAITS = {
    "NomNaissance": "birth_name", "Prenom": "first_given_name", "ListePrenom": "given_names", "Sexe": "sex",
    "DateNaissance": "birth_date", "LieuNaissance": "birth_place",
}  # fmt: skip
NOT_XML = [chr(n) for n in range(32) if chr(n) not in "\t\n\r"] + ["\ufffe", "\uffff"]
characters = st.characters(codec="utf-8", exclude_characters=NOT_XML)
texts = st.text(characters, min_size=1, max_size=40).filter(str.strip)
first13 = st.from_regex(r"[1-478][0-9]{4}(?:[0-9]{2}|2[AB])[0-9]{6}", fullmatch=True).filter(str.isascii)


@st.composite
def numbers(draw: st.DrawFn) -> Ins:
    number = draw(first13)
    key = draw(st.just(expected_key(number)) | st.from_regex(r"[0-9]{2}", fullmatch=True).filter(str.isascii))
    return Ins.of(number + key, draw(st.sampled_from(InsOid)), certified=True)


people = st.builds(
    lambda ins, history, traits: FoundIdentity(ins=ins, history=tuple(history), **traits),
    numbers(), st.lists(numbers(), max_size=4),
    st.fixed_dictionaries({}, optional=dict.fromkeys(TRAITS.values(), texts)),
)  # fmt: skip


@dataclass(frozen=True)
class Node:
    name: str
    content: Any
    """A text, or child nodes."""


def _tree(code: str, person: FoundIdentity | None) -> Node:
    def ins(name: str, value: Ins) -> Node:
        parts = [Node("NumIdentifiant", value.matricule.number), Node("Cle", value.matricule.key)]
        return Node(name, [Node("IdIndividu", parts), Node("OID", value.oid.value), Node("DateDeb", "2021-05-05")])

    nodes = [Node("CR", [Node("CodeCR", code), Node("LibelleCR", "OK")])]
    if person is not None:
        given_traits = [Node(n, v) for n, f in TRAITS.items() if (v := getattr(person, f)) is not None]
        history = [ins("INSHISTO", former) for former in person.history]
        nodes.append(Node("INDIVIDU", [ins("INSACTIF", person.ins), *history, Node("TIQ", given_traits)]))
    return Node("RESULTAT", nodes)


PREFIXES = ("", "ns2", "S", "env", "insi_resultat_ins")
GAPS = ("", "\n    ", "<!-- <CR/> -->", "<?note x?>")


def _written(node: Node, data: st.DataObject | None = None) -> str:
    """The element. With `data` every one may take another prefix, declared on itself, and children another order."""
    own = data.draw(st.sampled_from(PREFIXES)) if data else ""
    declared = f' xmlns{":" if own else ""}{own}="{RESULT}"' if data or node.name == "RESULTAT" else ""
    name = f"{own}:{node.name}" if own else node.name
    if isinstance(node.content, str):
        return f"<{name}{declared}>{escape_text(node.content)}</{name}>"
    children = list(node.content)
    if data:
        former = iter([c for c in children if c.name == "INSHISTO"])  # a list: their order means something
        order = data.draw(st.permutations(children))
        children = [next(former) if child.name == "INSHISTO" else child for child in order]
    content = "".join((data.draw(st.sampled_from(GAPS)) if data else "") + _written(child, data) for child in children)
    return f"<{name}{declared}>{content}</{name}>"


def _envelope(data: st.DataObject, content: str) -> bytes:
    outer, inner = data.draw(st.sampled_from(PREFIXES[1:])), data.draw(st.sampled_from(PREFIXES[1:]))
    return (
        f'<{outer}:Envelope xmlns:{outer}="{soap.SOAP12}"><{inner}:Body xmlns:{inner}="{soap.SOAP12}">{content}'
        f"</{inner}:Body></{outer}:Envelope>"
    ).encode()


@given(st.data(), st.none() | people, st.sampled_from(["01", "02"]))
def test_prefixes_and_order_change_nothing(data: st.DataObject, person: FoundIdentity | None, other: str) -> None:
    code = "00" if person else other
    tree = _tree(code, person)
    plain = decode_search(parse(_written(tree).encode()))
    shuffled = decode_search(soap.parse(_envelope(data, _written(tree, data)), "application/soap+xml").body)
    assert shuffled == plain
    assert plain.code is SearchCode(code)
    assert plain.person == person  # byte for byte: traits, keys, former numbers


EXAMPLE = FoundIdentity(
    ins=Ins.of("279035121518989", InsOid.NIR_TEST), birth_name="QUATRE-SAISONS", given_names="ELEONORE", sex="F",
    birth_date="1979-03-28", birth_place="51215",
)  # fmt: skip
ANSWER = (
    f'<s:Envelope xmlns:s="{soap.SOAP12}"><s:Body>{_written(_tree("00", EXAMPLE))}</s:Body></s:Envelope>'
).encode()


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """The answer with a piece cut out, written twice, or replaced."""
    start = draw(st.integers(0, len(ANSWER)))
    end = draw(st.integers(start, min(len(ANSWER), start + 60)))
    piece = draw(st.sampled_from([b"", ANSWER[start:end] * 2]) | st.binary(max_size=8))
    return ANSWER[:start] + piece + ANSWER[end:]


def outcome(work: Callable[[], T]) -> T | SunesError:
    try:
        return work()
    except SunesError as error:
        return error


@given(broken() | st.binary(max_size=200))
def test_whatever_comes_back_is_an_answer_or_a_coded_error(body: bytes) -> None:
    response = HttpResponse(200, {"content-type": "application/soap+xml"}, body)
    read = outcome(lambda: decode_search(soap.read_answer(response).body, request_id="id-1"))
    if isinstance(read, SearchResult):
        assert (read.person is not None) == (read.code is SearchCode.FOUND)
        return
    assert read.code
    assert not [t for t in ("QUATRE-SAISONS", "1979-03-28", "2790351215189") if t in str(read)]
    assert not isinstance(read, InsiError) or read.request_id == "id-1"


@given(st.lists(st.text(min_size=1, max_size=20), min_size=6, max_size=6))
def test_no_text_breaks_a_request(values: list[str]) -> None:
    name, given_name, sex, born, place, idam = values
    caller = Caller(emitter="10B0152872", idam=idam, software=made.software())
    query = Query(birth_name=name, given_name=given_name, sex=sex, birth_date=born, birth_place=place)
    at = datetime(2026, 1, 10, tzinfo=UTC)
    data = outcome(lambda: encode_search(query, caller, message_id="m", bam_id="b", lps_id="l", at=at))
    if isinstance(data, SunesError):
        assert data.code == "XML_CHARACTER"
        return
    search = parse(data).find(f".//{{{SEARCH}}}RECSANSVITALE")
    assert search is not None
    assert [e.text for e in search] == [name, given_name, sex, born, place]
    assert [len(e) for e in search] == [0] * 5
    assert parse(data).findtext(".//{*}IDAM") == idam
