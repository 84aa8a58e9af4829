"""How the fake INSi writes its answers: in its own words, never with the codec of the client that it is there to test.

Namespaces and shapes are those of the contract DESIR_ICIR_EXP 1.5.0 and of published answers.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from .._core.xml import escape_attribute, escape_text
from ..model import InsOid
from .insi_people import FakePerson

_SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
_RESULT: Final = "http://www.cnamts.fr/INSiResultat"
_SIRAM: Final = "urn:siram"

LABELS: Final = {"00": "OK", "01": "Aucune identite trouvee", "02": "Plusieurs identites trouvees"}
"""`LibelleCR` of each `CodeCR`, without accents as the service writes them."""

FAULTS: Final = {
    "insi_102": ("Receiver", "siram_40", "service temporairement inaccessible"),
    "siram_40": ("Receiver", "siram_40", "service temporairement inaccessible"),
    "insi_24": ("Sender", "siram_40", "le format du champ sexe est incorrect"),
    "desir_550": ("Sender", "siram_100", "numéro d'autorisation du logiciel inconnu"),
    "desir_560": ("Sender", "siram_100", "niveau d'accès insuffisant"),
}
"""Faults that were seen in the real service: code -> SOAP code, subcode, text. `siram_40` comes alone, without a
`siram:Erreur`. The subcodes of `insi_24` and `desir_560` are not published: those given here are unverified."""

_SEVERITIES: Final = {"insi_102": "fatal"}
"""`severite` as it was seen (the schema has no `fatal`); `erreur` for the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerShape:
    """How answers are written. Real ones differ in all this; only `omit` and `traits` change what they say.

    prefix / soap_prefix: namespace prefixes (prefix None: drawn for each answer); dates_first: DateDeb and DateFin
    before IdIndividu, as in a CNDA sample; traits_first: TIQ before INSACTIF; omit: traits left out; traits: traits
    answered instead of the person's, by element name; shuffle: a seed: each answer then draws its prefixes (the default
    namespace included), the order of its elements (former numbers keep theirs), dates, comments, indentation and XML
    declaration, the same ones for the same seed.
    """

    prefix: str | None = "ns2"
    soap_prefix: str = "S"
    dates_first: bool = False
    traits_first: bool = False
    omit: frozenset[str] = frozenset()
    traits: Mapping[str, str] = field(default_factory=dict, repr=False)
    shuffle: int | None = None


@dataclass(frozen=True, slots=True)
class _Node:
    """An element: its name, and its text or its children."""

    name: str
    content: str | Sequence[_Node]


@dataclass(frozen=True, slots=True)
class _Style:
    namespace: str
    envelope: str
    body: str
    prefix: str
    indent: bool
    declaration: bool
    comments: bool


_DATES: Final = ("2021-05-05", "2021-05-04")
"""Of numbers that have none of their own. The first is later than the second, as in the CNDA sample."""


def result(shape: AnswerShape, number: int, code: str, person: FakePerson | None) -> bytes:
    """The RESULTAT of a search. number: rank of the answer, from which a shuffled shape draws."""
    draw = _draw(shape, number)
    nodes = [_Node("CR", [_Node("CodeCR", code), _Node("LibelleCR", LABELS[code])])]
    if person is not None:
        traits, numbers = _traits(shape, person), _numbers(shape, person, draw)
        nodes.append(_Node("INDIVIDU", [traits, *numbers] if shape.traits_first else [*numbers, traits]))
    return _message(shape, _RESULT, _Node("RESULTAT", nodes), draw)


def _draw(shape: AnswerShape, number: int) -> random.Random:
    return random.Random(f"{shape.shuffle}/{number}")  # noqa: S311  the form of a fake's answers


def verdict(shape: AnswerShape, number: int, code: str, namespace: str) -> bytes:
    """The answer of a verification. EXPERIMENTAL: only its namespace was seen, the rest is as in a search."""
    draw = _draw(shape, number)
    return _message(shape, namespace, _Node("RESULTAT", [_Node("CR", [_Node("CodeCR", code)])]), draw)


def _message(shape: AnswerShape, namespace: str, root: _Node, draw: random.Random) -> bytes:
    style = _style(shape, namespace, draw)
    node = root if shape.shuffle is None else _shuffled(root, draw)
    return _envelope(style, _written(style, node, 0, draw))


def fault(shape: AnswerShape, number: int, code: str, text: str, message_id: str) -> bytes:
    """A SOAP 1.2 Fault. code: `siram:Erreur/@code`, or `siram_40` for a Fault without it.

    Texts of the fake's own refusals are in English, and say so.
    """
    draw = _draw(shape, number)
    soap_code, subcode, _ = FAULTS.get(code, ("Sender", "siram_fake", ""))
    style = _style(shape, _SIRAM, draw)
    s, e = style.envelope, "siram" if shape.shuffle is None else draw.choice(("siram", "ns4", "err"))
    language = "fr" if code in FAULTS else "en"
    severity = _SEVERITIES.get(code, "erreur")
    detail = "" if code == "siram_40" else (
        f'<{s}:Detail><{e}:Erreur xmlns:{e}="{_SIRAM}" code="{escape_attribute(code)}" severite="{severity}" '
        f'messageID="{escape_attribute(message_id)}">{escape_text(text)}</{e}:Erreur></{s}:Detail>'
    )  # fmt: skip
    return _envelope(
        style,
        f"<{s}:Fault><{s}:Code><{s}:Value>{s}:{soap_code}</{s}:Value><{s}:Subcode><{s}:Value>{s}:{subcode}</{s}:Value>"
        f'</{s}:Subcode></{s}:Code><{s}:Reason><{s}:Text xml:lang="{language}">{escape_text(text)}</{s}:Text>'
        f"</{s}:Reason>{detail}</{s}:Fault>",
    )


def _traits(shape: AnswerShape, person: FakePerson) -> _Node:
    values = {
        "NomNaissance": person.birth_name,
        "Prenom": person.first_given_name or "",
        "ListePrenom": person.given_names,
        "Sexe": person.sex,
        "DateNaissance": person.birth_date,
        "LieuNaissance": person.birth_place,
        **shape.traits,
    }
    return _Node("TIQ", [_Node(n, v) for n, v in values.items() if v and n not in shape.omit | person.unanswered])


def _numbers(shape: AnswerShape, person: FakePerson, draw: random.Random) -> list[_Node]:
    dates = {number: (start, end) for number, start, end in person.dates}

    def ins(name: str, matricule: str, oid: InsOid) -> _Node:
        own = dates.get(matricule)
        if own is None and (shape.dates_first or (shape.shuffle is not None and draw.random() < 0.5)):
            own = _DATES
        during = [_Node(n, d) for n, d in zip(("DateDeb", "DateFin"), own, strict=True)] if own else []
        identifier = _Node("IdIndividu", [_Node("NumIdentifiant", matricule[:13]), _Node("Cle", matricule[13:])])
        which = [identifier, _Node("OID", oid.value)]
        return _Node(name, [*during, *which] if shape.dates_first else [*which, *during])

    return [ins("INSACTIF", person.matricule, person.oid), *(ins("INSHISTO", m, oid) for m, oid in person.history)]


def _shuffled(node: _Node, draw: random.Random) -> _Node:
    """The same tree with children in another order; those of one name keep theirs, since the history is a list."""
    if isinstance(node.content, str):
        return node
    children = [_shuffled(c, draw) for c in node.content]
    queues: dict[str, list[_Node]] = {}
    for child in children:
        queues.setdefault(child.name, []).append(child)
    names = [c.name for c in children]
    draw.shuffle(names)
    return _Node(node.name, [queues[name].pop(0) for name in names])


_SOAP_PREFIXES: Final = ("S", "soap", "env", "SOAP-ENV", "s12")


def _style(shape: AnswerShape, namespace: str, draw: random.Random) -> _Style:
    drawn = f"n{draw.randrange(10**6)}"
    if shape.shuffle is None:
        s, prefix = shape.soap_prefix, shape.prefix or drawn
        return _Style(namespace, envelope=s, body=s, prefix=prefix, indent=False, declaration=False, comments=False)
    return _Style(
        namespace, envelope=draw.choice(_SOAP_PREFIXES), body=draw.choice(_SOAP_PREFIXES),
        prefix=draw.choice(("", "ns2", "ns3", "insi_resultat_ins", drawn)),
        indent=draw.random() < 0.5, declaration=draw.random() < 0.5, comments=draw.random() < 0.3,
    )  # fmt: skip


def _envelope(style: _Style, content: str) -> bytes:
    s, b = style.envelope, style.body
    # As in the official sample: the Body may have a prefix of its own, declared on itself.
    own = f' xmlns:{b}="{_SOAP}"' if b != s else ""
    start = "<?xml version='1.0' encoding='UTF-8'?>" if style.declaration else ""
    return (f'{start}<{s}:Envelope xmlns:{s}="{_SOAP}"><{b}:Body{own}>{content}</{b}:Body></{s}:Envelope>').encode()


def _written(style: _Style, node: _Node, depth: int, draw: random.Random) -> str:
    name = f"{style.prefix}:{node.name}" if style.prefix else node.name
    declared = "" if depth else f' xmlns{":" if style.prefix else ""}{style.prefix}="{style.namespace}"'
    if isinstance(node.content, str):
        return f"<{name}{declared}>{escape_text(node.content)}</{name}>"
    gap = "\n" + "  " * (depth + 1) if style.indent else ""
    parts = []
    for child in node.content:
        if style.comments and draw.random() < 0.2:
            parts.append(f"{gap}<!-- INSi -->")
        parts.append(gap + _written(style, child, depth + 1, draw))
    return f"<{name}{declared}>{''.join(parts)}{gap[:-2]}</{name}>"
