"""Rules of form: what CDA R2 allows where. The official validator asks an XSD; here a walk along `content_model`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lxml import etree

from ..datatypes_reader import local
from ..header import CdaDocument, HeaderOrganization, HeaderParty, HeaderPatient, HeaderRelative
from ..reader import V3
from .content_model import TYPES, XSI, Container, Type
from .engine import Problem, RuleSet, View, per_document
from .header import of_header

STRUCTURE = RuleSet("HL7 CDA R2 (POCD_MT000040)", held=True)
rule = STRUCTURE.rule

_XSI_TYPE = f"{XSI}type"
_MOST_SHAPES = 20_000


_SAYS = {
    "II": frozenset({"root", "nullFlavor"}),
    "CS": frozenset({"code", "nullFlavor"}),
    **dict.fromkeys(("CD", "CE", "CV"), frozenset({"code", "nullFlavor"})),
    **dict.fromkeys(("TS", "TSBound", "IVL_TS", "SXCM_TS", "BL", "INT", "REAL", "PQ", "PQBound", "TEL"),
                    frozenset({"value", "nullFlavor"})),
}  # fmt: skip
"""Data type → attributes of which one is there, unless the element has children."""


_CODES = frozenset({"CD", "CE", "CV"})


class _Shape(NamedTuple):
    """What a list of children and attributes means for a type.

    children: the type of each child, empty when it is not looked at; checks: places of the attributes whose value is
    of a set, with it; retyped: place of xsi:type; misplaced: places of the children that should not be there; absent:
    names of those that should; unknown, lacking: the same of attributes; is_right: none of the four; is_empty: it
    is a datum, and says neither what it is nor why it is not known; is_alone: a code without its code system, or a code
    system without a code.
    """

    children: tuple[str, ...]
    checks: tuple[tuple[int, Container], ...]
    retyped: int | None
    misplaced: tuple[int, ...]
    absent: tuple[str, ...]
    unknown: tuple[str, ...]
    lacking: tuple[str, ...]
    is_right: bool
    is_empty: bool
    is_alone: bool


_shapes: dict[tuple[object, ...], _Shape] = {}
"""Documents repeat few shapes: each is judged once. Bounded, since a hostile document may hold as many as it likes."""


def _shape(kind: Type, tags: tuple[object, ...], names: tuple[str, ...]) -> _Shape:
    found = _shapes.get((kind.name, tags, names))
    if found is None:
        found = _shapes[kind.name, tags, names] = _judged(kind, tags, names)
    return found


def _judged(kind: Type, tags: tuple[object, ...], names: tuple[str, ...]) -> _Shape:
    children: list[str] = [""] * len(tags)
    misplaced: list[int] = []
    absent: list[str] = []
    place = 0
    for number, particle in enumerate(kind.particles):
        taken = 0
        while place < len(tags) and taken < particle.most:
            tag = tags[place]
            if not isinstance(tag, str):  # a comment or a processing instruction
                pass
            elif tag in particle.names:
                children[place] = particle.names[tag]
                taken += 1
            elif any(tag in later.names for later in kind.particles[number + 1 :]):
                break
            else:  # unknown, or too late: say so, and go on behind it
                misplaced.append(place)
            place += 1
        if taken < particle.least:
            absent.append(" or ".join(name.rpartition("}")[2] for name in particle.names))
    misplaced.extend(i for i in range(place, len(tags)) if isinstance(tags[i], str))
    unknown = tuple(n for n in names if n not in kind.values)
    lacking = tuple(n for n in kind.required if n not in names)
    checks = ((i, kind.values.get(n)) for i, n in enumerate(names))
    return _Shape(
        tuple(children), tuple((i, c) for i, c in checks if c is not None),
        names.index(_XSI_TYPE) if _XSI_TYPE in names else None, tuple(misplaced), tuple(absent), unknown, lacking,
        not (misplaced or absent or unknown or lacking),
        kind.name in _SAYS and not tags and _SAYS[kind.name].isdisjoint(names),
        kind.name in _CODES and ("code" in names) != ("codeSystem" in names),
    )  # fmt: skip


class _Walk:
    """One walk for the rules of this module."""

    def __init__(self, root: etree._Element) -> None:
        self.order: list[Problem] = []
        self.attributes: list[Problem] = []
        self.types: list[Problem] = []
        self.empty: list[Problem] = []
        self.alone: list[Problem] = []
        if len(_shapes) > _MOST_SHAPES:
            _shapes.clear()
        waiting = [(root, TYPES["ClinicalDocument"])]
        while waiting:
            element, kind = waiting.pop()
            children = list(element) if len(element) else []  # most are leaves
            tags = tuple([c.tag for c in children]) if children else ()
            items = element.items()
            names = tuple([n for n, _ in items]) if items else ()
            shape = _shape(kind, tags, names)
            if shape.retyped is not None:
                said = TYPES.get(items[shape.retyped][1].rpartition(":")[2])
                if said is None:
                    self.types.append((element, "xsi:type is not a data type"))
                    continue
                shape = _shape(said, tags, names)
            elif kind.name == "ANY":
                self.types.append((element, "xsi:type is missing"))
                continue
            if not shape.is_right:
                self._say(element, children, shape)
            if shape.is_empty:
                self.empty.append((element, f"{local(element)} says nothing"))
            if shape.is_alone:
                self.alone.append((element, "the code or its codeSystem is missing"))
            for place, allowed in shape.checks:
                name, value = items[place]
                if value not in allowed:
                    self.attributes.append((element, f"the value of {name} is not one of those allowed here"))
            for child, name in zip(children, shape.children, strict=True):
                if name:
                    waiting.append((child, TYPES[name]))

    def _say(self, element: etree._Element, children: list[etree._Element], shape: _Shape) -> None:
        self.order += [(element, f"{name} is missing, or is not where it must be") for name in shape.absent]
        self.order += [
            (children[i], f"{local(children[i])} is not expected here: wrong place, one too many, or unknown")
            for i in shape.misplaced
        ]
        self.attributes += [(element, f"the attribute {_bare(n)} is not allowed here") for n in shape.unknown]
        self.attributes += [(element, f"the attribute {n} is missing") for n in shape.lacking]


def _bare(name: str) -> str:
    return name.rpartition("}")[2]


@per_document
def _walk(view: View) -> _Walk:
    return _Walk(view.root)


@rule(
    "CDA_S01",
    "elements come in the order and number of the CDA model, and none that it does not know",
    hint="write the children of an element in the order of the CDA schema; the official XSD names the place too",
    fr="Le document n'a pas la structure d'un CDA : un élément manque, est en trop ou mal placé.",
)
def _order(view: View) -> Iterator[Problem]:
    yield from _walk(view).order


@rule(
    "CDA_S02",
    "attributes are those of the CDA model, with its values; those it requires are there",
    hint="check classCode, moodCode, typeCode, and the form of codes, OIDs, dates and numbers",
    fr="Un attribut manque, est inconnu, ou n'a pas une valeur admise.",
)
def _attributes(view: View) -> Iterator[Problem]:
    yield from _walk(view).attributes


@rule(
    "CDA_S03",
    "a value says its data type by xsi:type, and the type exists",
    hint="write xsi:type on observation values and on timing: CD, PQ, IVL_PQ, ST, BL, INT, IVL_TS, PIVL_TS…",
    fr="Le type d'une valeur manque ou n'existe pas.",
)
def _types_said(view: View) -> Iterator[Problem]:
    yield from _walk(view).types


@rule(
    "CDA_S04",
    "an identifier, a code, a time, a number or a telecom has its value, or a nullFlavor",
    hint="write the value, or nullFlavor where the model allows it, or leave the element out",
    fr="Une donnée est vide.",
    source="HL7 CDA R2 data types; CI-SIS Structuration minimale",
)
def _empty(view: View) -> Iterator[Problem]:
    yield from _walk(view).empty


_TEXTS = (
    "city", "postalCode", "streetName", "streetAddressLine", "houseNumber", "houseNumberNumeric", "additionalLocator",
    "unitID", "postBox", "precinct", "country", "county", "name", "family", "given", "prefix", "suffix",
)  # fmt: skip


@rule(
    "CDA_S05",
    "a part of a name or of an address has a text, or a nullFlavor",
    hint="leave out the parts that are not known",
    fr="Une partie d'un nom ou d'une adresse est vide.",
    source="CI-SIS Structuration minimale, data types",
)
def _blank(view: View) -> Iterator[Problem]:
    for tag in _TEXTS:
        for element in view.all(tag):
            said = bool(len(element)) or (element.text or "").strip()
            if not said and not {"nullFlavor", "code"}.intersection(
                element.keys()
            ):  # the `name` of a qualifier is a code
                yield element, f"{tag} is empty"


_DISTINCT_ANYWHERE = ("templateId", "entry", "entryRelationship")


def _nothing_is_repeated(document: CdaDocument) -> bool:
    """Whether the header data give no element of the header two alike side by side; several addresses may be."""
    header = document.header
    patient, encounter = header.patient, header.encounter
    parties = header.parties()
    relatives = [*patient.guardians, *[i for i in header.informants if isinstance(i, HeaderRelative)]]
    structures = (encounter.place, *[p.organization for p in parties], *[r.organization for r in relatives])
    organizations = [header.custodian, *[o for o in structures if o is not None]]
    contacts: list[HeaderPatient | HeaderParty | HeaderRelative | HeaderOrganization]
    contacts = [patient, *parties, *relatives, *organizations]
    for contact in contacts:
        if len(contact.addresses) > 1 or not _differ([t.value for t in contact.telecoms]):
            return False
    return (
        all(_differ(ids) for ids in (patient.ids, encounter.ids, *[p.ids for p in parties]))
        and all(_differ(e.ids) and _differ([c.code for c in e.translations]) for e in header.service_events)
        and _differ([c.code for c in header.code_translations])
        and not any(o.other_ids for o in organizations)
    )


def _differ(values: Sequence[object]) -> bool:
    return len(values) < 2 or len(set(values)) == len(values)


@rule(
    "CDA_S06",
    "in the header, the identifiers, addresses, telecoms and translations of one element differ",
    hint="write each once",
    fr="Une même donnée est répétée.",
    source="CI-SIS Structuration minimale, data types",
    held=_nothing_is_repeated,
)
def _repeated(view: View) -> Iterator[Problem]:
    for element in of_header(view).distinct:
        before = element.getprevious()
        if before is None or before.tag != element.tag:
            continue
        alike = _same_text if element.tag == _ADDRESS else _same
        if any(alike(element, other) for other in element.itersiblings(str(element.tag), preceding=True)):
            yield element, "it is there twice"


_ADDRESS = f"{V3}addr"


def _same_text(one: etree._Element, other: etree._Element) -> bool:
    """As the official validator compares addresses: wherever their text is cut."""
    return one.get("use") == other.get("use") and "".join(one.itertext()) == "".join(other.itertext())


@rule(
    "CDA_S11",
    "the templateIds of one element differ, and so do its entries",
    hint="write each once",
    fr="Un modèle ou une entrée est répété.",
    source="CI-SIS Structuration minimale, data types",
)
def _repeated_entry(view: View) -> Iterator[Problem]:
    for tag in _DISTINCT_ANYWHERE:
        alike: dict[object, list[etree._Element]] = {}
        for element in view.all(tag):
            # Entries that differ do so by their identifier, most of the time.
            first = next(element.iter(_ID), element) if len(element) else element
            others = alike.setdefault((element.getparent(), first.get("root"), first.get("extension")), [])
            if any(_same(element, other) for other in others):
                yield element, f"this {tag} is there twice"
            others.append(element)


_ID = f"{V3}id"


def _same(one: etree._Element, other: etree._Element) -> bool:
    return (
        one.items() == other.items()
        and (one.text or "").strip() == (other.text or "").strip()
        and len(one) == len(other)
        and all(a.tag == b.tag and _same(a, b) for a, b in zip(one, other, strict=True))
    )


def _in_header(element: etree._Element) -> bool:
    return all(ancestor.tag != f"{V3}structuredBody" for ancestor in element.iterancestors())


_PERSONS = ("assignedPerson", "associatedPerson", "guardianPerson")


@rule(
    "CDA_S07",
    "a person of the document has a name; a person or an organisation of the header has no more than one",
    hint="write one name, with its family; the patient's has several family and given elements",
    fr="Une personne n'a pas de nom, ou une personne ou une structure en a plusieurs.",
    source="CI-SIS Structuration minimale",
)
def _names(view: View) -> Iterator[Problem]:
    for tag in _PERSONS:
        for person in view.all(tag):
            if next(person.iterchildren(f"{V3}name"), None) is None:
                yield person, "there is no name"
    for name in view.all("name"):
        following = name.getnext()
        if following is not None and following.tag == name.tag and _in_header(name):
            yield following, "a second name"


@rule(
    "CDA_S08",
    "a code has its code system, and the codes of the header their displayName",
    hint="write code, codeSystem and displayName together, from the value set",
    fr="Un code est incomplet : il lui manque sa nomenclature ou son libellé.",
    source="CI-SIS Structuration minimale, data types",
)
def _complete_codes(view: View) -> Iterator[Problem]:
    yield from _walk(view).alone
    for tag in ("confidentialityCode", "standardIndustryClassCode"):
        for element in view.all(tag):
            if element.get("code") is not None and element.get("displayName") is None and _in_header(element):
                yield element, "displayName is missing"


@rule(
    "CDA_S09",
    "an embedded file says that it is base64, and of which media type",
    hint='write mediaType and representation="B64" on the value of observationMedia',
    fr="Un fichier joint ne dit pas son type ou son encodage.",
    source="CI-SIS Modèles de contenus CDA",
)
def _files(view: View) -> Iterator[Problem]:
    for file in view.files:
        if not file.is_body and (file.element.get("representation") != "B64" or not file.media_type):
            yield file.element, "mediaType or representation is missing"


_NEVER_NULL = (
    ("encompassingEncounter", ("code", "id", "dischargeDispositionCode")),
    ("assignedAuthor", ("code",)),
    ("associatedEntity", ("code", "id")),
    ("relatedEntity", ("code",)),
    ("code", ("translation",)),
)


@rule(
    "CDA_S10",
    "no nullFlavor on the codes and id of the encounter, on the code, id and time bounds of participants, on the code "
    "of an author or of someone related, on a translation, on the id of the structure responsible for the encounter",
    hint="write the value, or leave the element out where the model allows it",
    fr="Une donnée obligatoire de l'en-tête est déclarée inconnue.",
    source="CI-SIS Structuration minimale",
)
def _null(view: View) -> Iterator[Problem]:
    for parent, names in _NEVER_NULL:
        for element in view.all(parent):
            for child in element.iterchildren(*(V3 + name for name in names)):
                if child.get("nullFlavor") is not None and _in_header(child):
                    yield child, "a nullFlavor is not allowed here"
    for participant in (*view.children("participant"), *view.all("encounterParticipant")):
        for bound in participant.iterfind(f"{V3}time/*"):
            if bound.get("nullFlavor") is not None:
                yield bound, "a nullFlavor is not allowed here"
    for responsible in view.all("responsibleParty"):
        for child in responsible.iterfind(f"{V3}assignedEntity/{V3}representedOrganization/{V3}id"):
            if child.get("nullFlavor") is not None:
                yield child, "a nullFlavor is not allowed here"
    for translation in view.all("translation"):
        if len(list(translation.iterchildren(f"{V3}qualifier"))) > 1 and _in_header(translation):
            yield translation, "more than one qualifier"
