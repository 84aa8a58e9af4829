"""Value sets (*jeux de valeurs*, JDV) and association tables (ASS) as versioned data.

Each set keeps the version, the source and the hash of what was published; `scripts/refresh_terminology.py` rebuilds
them. Names: `JDV_J01` author specialty, `JDV_J02` facility, `JDV_J04` practice setting, `JDV_J06` / `JDV_J57` document
class (CI-SIS / DMP), `JDV_J07` / `JDV_J66` document type (CI-SIS / DMP), `JDV_J47` function, `JDV_J58`
confidentiality, `JDV_J59` content type (hospital rows), `JDV_J60` format, `JDV_J61` facility (DMP), `JDV_J62` practice
setting (DMP), `JDV_J64` restriction of the VIHF, `JDV_J65` roles of the VIHF (there is no J63), `JDV_J140` /
`JDV_J144` participations, `JDV_J142` encounter, `JDV_J143` gender, `JDV_J245` / `JDV_J246` civility and title,
`JDV_MODALITE_ENTREE`, `JDV_MODALITE_SORTIE`, `JDV_STATUT_DOC`, `JDV_MODALITE_ACQUISITION`, `JDV_REGION_ANATOMIQUE`,
`JDV_LOCALISATION_ANATOMIQUE`, `JDV_STATUT_GROSSESSE`, `JDV_QUANTITE_EXPOSITION`, `JDV_OBSERVATION_INTERPRETATION`,
`JDV_SPECIMEN_TYPE`, `JDV_SOP_CLASS`, `JDV_CONTRE_INDICATIONS`, `JDV_LATERALITE`,
`JDV_OBJECTIF_REFERENCE`, `JDV_TYPE_ALLERGIE`,
`JDV_ALLERGIE_ABSENTE`, `JDV_STATUT_ALLERGIE`, `JDV_CRITICITE`, `JDV_CERTITUDE`, `JDV_SEVERITE`, `JDV_TYPE_PROBLEME`,
`JDV_STATUT_PROBLEME`, `JDV_PRIORITE` (HL7 ActPriority), `UCUM` (the finite list of units that the official validator
accepts).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from .._core.errors import ModelError
from ..model import Code

__all__ = [
    "ValueSet",
    "class_code",
    "code",
    "concepts_sha256",
    "format_code",
    "lookup",
    "names",
    "unit_is_listed",
    "value_set",
]

_SYSTEM_NAMES = {
    "2.16.840.1.113883.6.1": "LOINC",
    "2.16.840.1.113883.6.96": "SNOMED CT",
    "1.2.250.1.213.1.1.4.322": "TA_ASIP",
    "1.2.840.10008.2.16.4": "DCM",
}
_NO_MODEL = "urn:asipSante:modelesHorsProfils:2011"
_NEAR = 3
_ECHO = 40
_ANNOTATION = re.compile(r"\{.[a-z]*.\}")
"""The validator's own pattern, which is narrower than UCUM's."""


@dataclass(frozen=True, slots=True, eq=False)
class ValueSet:
    """One published set. version: publication stamp `YYYYMMDDHHMMSS`, empty when the source gives none; source: whose
    table it is; sha256: hash of the concepts, as the tests recompute it."""

    name: str
    oid: str
    version: str
    source: str
    sha256: str
    _meanings: Mapping[str, tuple[tuple[str, str], ...]] = field(repr=False)
    """Code to its (system, label) pairs, nearly always one."""
    _codes: dict[tuple[str, str | None], Code] = field(default_factory=dict, repr=False)

    @property
    def concepts(self) -> tuple[Code, ...]:
        """All of them, in the order of publication."""
        pairs = [(value, system) for value, meanings in self._meanings.items() for system, _ in meanings]
        return tuple(c for value, system in pairs if (c := self.lookup(value, system)))

    def __len__(self) -> int:
        return sum(map(len, self._meanings.values()))

    def __contains__(self, code: object) -> bool:
        return code in self._meanings

    def contains(self, code: str, system: str | None = None) -> bool:
        return any(system is None or s == system for s, _ in self._meanings.get(code, ()))

    def lookup(self, code: str, system: str | None = None) -> Code | None:
        """The concept with its official label, None when the set has none such."""
        known = self._codes.get((code, system))
        if known is not None:
            return known
        for found, display in self._meanings.get(code, ()):
            if system is None or found == system:
                value = Code(code=code, system=found, display=display, system_name=_SYSTEM_NAMES.get(found, ""))
                self._codes[code, system] = value
                return value
        return None


def _read(name: str) -> dict[str, Any] | None:
    from importlib.resources import files

    resource = files(__package__) / "data" / f"{name}.json"
    return json.loads(resource.read_bytes()) if resource.is_file() else None


def names() -> tuple[str, ...]:
    """The names of all sets and tables."""
    from importlib.resources import files

    entries = (files(__package__) / "data").iterdir()
    return tuple(sorted(e.name.removesuffix(".json") for e in entries if e.name.endswith(".json")))


@cache
def value_set(name: str) -> ValueSet:
    """A set by its name. Raises ModelError `TERMINOLOGY` when there is none, or when it is an association table."""
    data = _read(name) if name.replace("_", "").isalnum() else None
    if data is None or "concepts" not in data:
        raise ModelError(
            "this library holds no such value set", code="TERMINOLOGY", path=name[:_ECHO],
            hint=f"one of {', '.join(n for n in names() if not n.startswith('ASS_'))}",
        )  # fmt: skip
    concepts: dict[str, tuple[tuple[str, str], ...]] = {}
    for value, system, display in data["concepts"]:
        concepts[value] = (*concepts.get(value, ()), (system, display))
    return ValueSet(data["name"], data["oid"], data["version"], data["source"], data["sha256"], concepts)


@cache
def _association(name: str) -> Mapping[str, str]:
    data = _read(name)
    if data is None:
        raise AssertionError(f"package data {name}.json is missing")
    return dict(data["pairs"])


def concepts_sha256(name: str) -> str:
    """SHA-256 of a set or table as this package holds it, to compare with the `sha256` written when it was made."""
    data = _read(name) or {}
    rows = data.get("concepts", data.get("pairs"))
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def lookup(set_name: str, code: str, system: str | None = None) -> Code | None:
    """A concept of a set, None when it has none such. Raises ModelError when there is no such set."""
    return value_set(set_name).lookup(code, system)


def code(set_name: str, code: str, system: str | None = None) -> Code:
    """A concept of a set with its official label; `system` when it must come from that one.

    Raises ModelError `TERMINOLOGY` (path: the set's name) with the nearest codes when the set does not hold it.
    """
    found = value_set(set_name).lookup(code, system)
    if found is None:
        raise _unknown(value_set(set_name), code)
    return found


def _unknown(values: ValueSet, code: str) -> ModelError:
    import difflib

    labels = {display.casefold(): c for c, meanings in values._meanings.items() for _, display in meanings}
    near = difflib.get_close_matches(code, values._meanings, _NEAR, 0.6)
    similar = difflib.get_close_matches(code.casefold(), labels, _NEAR, 0.5)
    near += [labels[text] for text in similar if labels[text] not in near]
    if not near and code:
        near = [c for text, c in labels.items() if code.casefold() in text][:_NEAR]
    if not near and len(values._meanings) <= 12:
        near = list(values._meanings)
    shown = ", ".join(f"{c} ({values._meanings[c][0][1]})" for c in near)
    version = f" of {values.version[:8]}" if values.version else ""
    return ModelError(
        f"{code[:_ECHO]!r} is not in this value set",
        code="TERMINOLOGY",
        path=values.name,
        rule=f"{values.source}{version}",
        hint=f"did you mean {shown}?" if shown else "give a code of the set, not its label",
        hint_fr=f"Code absent du jeu de valeurs {values.name}." + (f" Codes proches : {shown}." if shown else ""),
    )


def class_code(type_code: Code | str) -> Code:
    """The class (*classCode*) of a document type, derived and never chosen (table ASS_X04, and ASS_X16 of the DMP for
    what it lacks): `18748-4` gives `31`.

    Raises ModelError `TERMINOLOGY` when the tables have no row for it.
    """
    value = type_code if isinstance(type_code, str) else type_code.code
    found = _association("ASS_X04").get(value) or _association("ASS_X16").get(value)
    if found is None:
        raise ModelError(
            f"no document class is published for type {value[:_ECHO]!r}", code="TERMINOLOGY", path="ASS_X04",
            rule="ASS_X04 type to class", hint="give a JDV_J07 type that has a class",
            hint_fr="Ce type de document n'a pas de classe publiée : choisissez-en un autre.",
        )  # fmt: skip
    return code("JDV_J06", found)


def format_code(template_roots: Iterable[str], media_type: str = "") -> Code:
    """The *formatCode*: of a file body by its media type (ASS_A12), else of the first templateId that table ASS_A11
    knows, else "no IHE or CI-SIS model".

    The scheme is the one of JDV_J60; official examples disagree with it here and there (unverified at the DMP).
    Raises ModelError `TERMINOLOGY` for a media type that has no format.
    """
    if media_type:
        found = _association("ASS_A12").get(media_type)
        if found is None:
            raise ModelError(
                f"no format for a body of type {media_type[:_ECHO]!r}", code="TERMINOLOGY", path="ASS_A12",
                rule="ASS_A12 media type to format", hint=f"one of {', '.join(_association('ASS_A12'))}",
            )  # fmt: skip
        return code("JDV_J60", found)
    table = _association("ASS_A11")
    return code("JDV_J60", next((table[root] for root in template_roots if root in table), _NO_MODEL))


def unit_is_listed(unit: str) -> bool:
    """Whether the official validator knows a UCUM unit. It drops annotations (`{tbl}`) and looks the rest up in a
    finite list: `m[IU]/L` is in it, `mUI/L` is not. An empty unit counts as listed."""
    bare = _ANNOTATION.sub("", unit)
    return not bare or value_set("UCUM").contains(bare)
