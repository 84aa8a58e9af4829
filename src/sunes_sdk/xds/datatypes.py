"""The HL7 v2 style values that XDS metadata hold: XCN, XON, CX, CE, CXi (IHE ITI volume 3, CI-SIS profile)."""

from __future__ import annotations

import re
from functools import lru_cache

from ..cda.header import II, HeaderName, HeaderOrganization, HeaderParty
from ..model import Code, InsOid

PROFESSIONALS = "1.2.250.1.71.4.2.1"
STRUCTURES = "1.2.250.1.71.4.2.2"
LOCAL_PROFESSIONAL_TYPE = "EI"
"""XCN.13 of a professional known by an identifier of the structure only. Weakly founded: the model of the CI-SIS
metadata fixes `IDNPS` for all professionals, its example and the ANS stylesheet write `EI`."""
_INS_ROOTS = frozenset(oid.value for oid in InsOid)
_STRUCTURE_TYPES = {STRUCTURES: "IDNST", "1.3.2": "SIREN"}
_SPECIAL = re.compile(r"[\\|^&~\r\n\t]")
_DELIMITERS = re.compile(r"[\\|^&~]")
_BREAKS = re.compile(r"[\r\n\t]+")
_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
_UNESCAPES = {escape: char for char, escape in _ESCAPES.items()}
_ESCAPED = re.compile(r"\\[EFSTR]\\")


def escape(text: str) -> str:
    """Escape the five HL7 v2 delimiters of a component; line breaks and tabs become a blank."""
    if not _SPECIAL.search(text):
        return text
    return _DELIMITERS.sub(lambda m: _ESCAPES[m.group()], _BREAKS.sub(" ", text))


def unescape(text: str) -> str:
    """Undo `escape`; other escape sequences are kept as they are."""
    return _ESCAPED.sub(lambda m: _UNESCAPES[m.group()], text)


def is_ins(root: str) -> bool:
    """True for an assigning authority of matricules, test and demonstration ones included."""
    return root in _INS_ROOTS


def cx(identifier: II, kind: str) -> str:
    """`<extension>^^^&<root>&ISO^<kind>`: `NH` for the INS, `PI` for an IPP, `VN` …"""
    return f"{escape(identifier.extension)}^^^&{identifier.root}&ISO^{kind}"


@lru_cache(maxsize=512)
def ce(code: Code) -> str:
    """`<code>^<label>^<system>`."""
    return f"{escape(code.code)}^{escape(code.display)}^{escape(code.system)}"


def xcn(party: HeaderParty) -> str:
    """A person or a device as authorPerson and legalAuthenticator hold it.

    Components 1, 2, 3, 9, 10, 13. XCN.2 is the family name (a device's software name), XCN.3 the given name (its
    model). XCN.13: `IDNPS` national id, `EI` id of the structure, `RI` device, `NH` patient.
    """
    return _xcn(party.ids[0] if party.ids else _NOBODY, party.name, party.device_software, party.device_model)


_NOBODY = II("", "")


@lru_cache(maxsize=1024)  # a professional writes many documents
def _xcn(identifier: II, name: HeaderName | None, software: str, model: str) -> str:
    value, authority = identifier.extension or identifier.root, identifier.root if identifier.extension else ""
    if name is not None:
        family, given, kind = name.family, name.given, "D"
        if is_ins(authority):
            id_type = "NH"
        elif "/" in value:
            id_type = LOCAL_PROFESSIONAL_TYPE
        else:
            id_type = "IDNPS"
    else:
        family, given, kind, id_type = software, model, "U", "RI"
    assigner = f"&{authority}&ISO" if authority else ""
    return f"{escape(value)}^{escape(family)}^{escape(given)}^^^^^^{assigner}^{kind}^^^{id_type}"


def xon(organization: HeaderOrganization | None) -> str:
    """A structure as authorInstitution holds it: components 1, 6, 7, 10; empty when there is none. Without an
    identifier only the name is given."""
    if organization is None or not (organization.id or organization.name):
        return ""
    return _xon(organization.id, organization.name)


@lru_cache(maxsize=1024)
def _xon(identifier: II | None, name: str) -> str:
    if identifier is None:
        return escape(name)
    kind = _STRUCTURE_TYPES.get(identifier.root, "")
    return f"{escape(name)}^^^^^&{identifier.root}&ISO^{kind}^^^{escape(identifier.extension)}"


def components(value: str) -> list[str]:
    """The components of a value, unescaped, with sub-component separators kept."""
    parts = value.split("^")
    return [unescape(part) for part in parts] if "\\" in value else parts
