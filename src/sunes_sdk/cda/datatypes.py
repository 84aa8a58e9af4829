"""CDA data types as XML fragments.

Every function returns text that is ready to join and already canonical (C14N 1.0): escaped, attributes in the canonical
order (plain names by alphabet, then `xsi:type`), no empty-element tags. The same values always give the same bytes, and
the signature digests them as they stand. Source: CI-SIS *Structuration
minimale de documents de santé* (SMDS), data types; HL7 CDA R2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from .._core.errors import CdaError
from .._core.hl7time import format_date
from .._core.ids import is_oid
from .._core.xml import escape_attribute, escape_text
from ..model import Address, Code, Telecom
from .header import II

LOINC = "2.16.840.1.113883.6.1"
SNOMED_CT = "2.16.840.1.113883.6.96"
TA_ASIP = "1.2.250.1.213.1.1.4.322"
CCAM = "1.2.250.1.215.300.1"
CIM_10 = "2.16.840.1.113883.6.3"
ACT_CODE = "2.16.840.1.113883.5.4"
AM_ROOT = "1.2.250.1.215.300.5"
"""Root of the numbers of professionals at the Assurance Maladie: an author's second identifier."""
PS_ROOT = "1.2.250.1.71.4.2.1"
"""Root of the national identifiers of professionals (PS_IdNat)."""
STRUCTURE_ROOT = "1.2.250.1.71.4.2.2"
"""Root of the national identifiers of structures (Struct_IdNat)."""


class NullFlavor(StrEnum):
    """Why a value is missing. The header accepts UNK, NASK, ASKU, NAV and MSK; NA and OTH serve inside entries."""

    UNKNOWN = "UNK"
    NOT_ASKED = "NASK"
    ASKED_UNKNOWN = "ASKU"
    UNAVAILABLE = "NAV"
    MASKED = "MSK"
    NOT_APPLICABLE = "NA"
    OTHER = "OTH"


@dataclass(frozen=True, slots=True)
class Ref:
    """A place in the narrative that an entry points at. Only a `Draft` hands them out, so none can dangle.

    reference: the element; text: `<text>` of an entry; original_text: `<originalText>` of a coded value.
    """

    id: str
    reference: str
    text: str
    original_text: str


def place(number: int) -> Ref:
    """The place of this number in a document."""
    reference = f'<reference value="#t{number}"></reference>'
    return Ref(f"t{number}", reference, f"<text>{reference}</text>", f"<originalText>{reference}</originalText>")


EARLY_PLACES = 512
early_place = lru_cache(maxsize=EARLY_PLACES)(place)
"""The first ones are made once: every document has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A translation of a code; `qualifier` names what it says about the act (CR-IMG: modality, region)."""

    code: Code
    qualifier: Code | None = None


def attribute(name: str, value: str) -> str:
    return f' {name}="{escape_attribute(value)}"'


def element(tag: str, text: str) -> str:
    """An element that holds text only."""
    return f"<{tag}>{escape_text(text)}</{tag}>"


@lru_cache(maxsize=64)
def null(tag: str, flavor: NullFlavor) -> str:
    return f'<{tag} nullFlavor="{flavor}"></{tag}>'


def status(code: str) -> str:
    """statusCode of an act."""
    return f'<statusCode code="{code}"></statusCode>'


COMPLETED = status("completed")


def ii(root: str, extension: str = "", tag: str = "id") -> str:
    """II. `root` is an OID or a UUID."""
    if extension:
        return f'<{tag} extension="{escape_attribute(extension)}" root="{escape_attribute(root)}"></{tag}>'
    return f'<{tag} root="{escape_attribute(root)}"></{tag}>'


def identifier(value: II, tag: str = "id") -> str:
    return ii(value.root, value.extension, tag)


def templates(*roots: str | II) -> str:
    """templateId elements, in the order given."""
    return "".join(ii(r, tag="templateId") if isinstance(r, str) else identifier(r, "templateId") for r in roots)


@lru_cache(maxsize=256)
def _system(system: str) -> str:
    if not is_oid(system):
        raise CdaError(f"the code system {system!r} is not an OID", code="CDA_CODE_SYSTEM", path="code.system",
                       rule="CI-SIS Structuration minimale, codeSystem",
                       hint="give the OID of the code system, such as 2.16.840.1.113883.6.1 for LOINC")  # fmt: skip
    return system


def coded(
    tag: str,
    code: str,
    display: str,
    system: str,
    system_name: str = "",
    *,
    xsi_type: str = "",
    content: str = "",
) -> str:
    """CE, CD or CV from plain values; `content` is ready XML (originalText, qualifier, translation, in this order).

    Raises CdaError (`CDA_CODE_SYSTEM`): CDA takes OIDs only, where a `Code` also holds the names that XDS uses.
    """
    kind = f' xsi:type="{xsi_type}"' if xsi_type else ""
    shown = f' displayName="{escape_attribute(display)}"' if display else ""
    named = f' codeSystemName="{escape_attribute(system_name)}"' if system_name else ""
    head = f'<{tag} code="{escape_attribute(code)}" codeSystem="{_system(system)}"{named}{shown}{kind}'
    return f"{head}>{content}</{tag}>"


def cd(
    tag: str,
    code: Code,
    *,
    xsi_type: str = "",
    original: Ref | None = None,
    qualifiers: str = "",
    translations: Iterable[Code | Translation] = (),
) -> str:
    """CE or CD from a `Code`; XSD order of its children: originalText, qualifier*, translation*."""
    if not (original or qualifiers or translations):
        return _plain_cd(tag, code, xsi_type)
    content = original.original_text if original else ""
    content += qualifiers
    for each in translations:
        content += translation(each)
    return coded(
        tag, code.code, code.display, code.system, code.system_name, xsi_type=xsi_type, content=content
    )  # fmt: skip


@lru_cache(maxsize=1024)  # codes come from tables: the same few hundred again and again
def _plain_cd(tag: str, code: Code, xsi_type: str) -> str:
    return coded(tag, code.code, code.display, code.system, code.system_name, xsi_type=xsi_type)


def translation(value: Code | Translation) -> str:
    if isinstance(value, Code):
        return cd("translation", value)
    return cd("translation", value.code, qualifiers=qualifier(value.qualifier) if value.qualifier else "")


def qualifier(name: Code, value: Code | None = None) -> str:
    """A qualifier: `name`, and `value` when it has one."""
    return f"<qualifier>{cd('name', name)}{cd('value', value) if value else ''}</qualifier>"


def null_code(tag: str, flavor: NullFlavor, *, original: Ref | None = None, content: str = "") -> str:
    """A coded value that is missing, with the text that says why (`originalText`) and ready translations."""
    inner = (original.original_text if original else "") + content
    return f'<{tag} nullFlavor="{flavor}">{inner}</{tag}>'


@lru_cache(maxsize=1024)  # a document says the time of its writing ten times
def ts(tag: str, value: str) -> str:
    """TS from an HL7 time stamp already written (`Draft.ts`, `day`)."""
    return f'<{tag} value="{escape_attribute(value)}"></{tag}>'


@lru_cache(maxsize=1024)  # a letter says the same few days again and again
def day(value: date) -> str:
    """A date as `AAAAMMJJ`. A datetime needs `Draft.ts`, which knows the local zone."""
    if isinstance(value, datetime):
        raise TypeError("an instant is written by Draft.ts, with its offset")
    return format_date(value)


def ivl_ts(tag: str, low: str = "", high: str = "", *, xsi_type: str = "") -> str:
    """IVL_TS from written time stamps; a missing bound is left out, both missing gives nullFlavor UNK."""
    if not low and not high:
        return null(tag, NullFlavor.UNKNOWN)
    kind = f' xsi:type="{xsi_type}"' if xsi_type else ""
    return f"<{tag}{kind}>{ts('low', low) if low else ''}{ts('high', high) if high else ''}</{tag}>"


def number(value: Decimal | int | str) -> str:
    """A number as CDA writes it: decimal point, no exponent, digits kept as given (`1.950`)."""
    text = str(value)
    return format(Decimal(text), "f") if "E" in text or "e" in text else text


def pq(tag: str, value: Decimal | int | str, unit: str = "", *, xsi_type: str = "", content: str = "") -> str:
    """PQ: `unit` is UCUM. The official list is finite: `m[IU]/L`, not `mUI/L`."""
    kind = f' xsi:type="{xsi_type}"' if xsi_type else ""
    measured = f' unit="{escape_attribute(unit)}"' if unit else ""
    return f'<{tag}{measured} value="{escape_attribute(number(value))}"{kind}>{content}</{tag}>'


def ivl_pq(
    tag: str,
    low: Decimal | int | str | None,
    high: Decimal | int | str | None,
    unit: str = "",
    *,
    xsi_type: str = "",
) -> str:
    """IVL_PQ; one bound may be missing."""
    kind = f' xsi:type="{xsi_type}"' if xsi_type else ""
    inner = pq("low", low, unit) if low is not None else ""
    inner += pq("high", high, unit) if high is not None else ""
    return f"<{tag}{kind}>{inner}</{tag}>" if inner else null(tag, NullFlavor.UNKNOWN)


def boolean(value: bool, tag: str = "value") -> str:
    """BL."""
    return f'<{tag} value="{"true" if value else "false"}" xsi:type="BL"></{tag}>'


def string(value: str, tag: str = "value") -> str:
    """ST."""
    return f'<{tag} xsi:type="ST">{escape_text(value)}</{tag}>'


def integer(value: int, tag: str = "value") -> str:
    """INT as an observation value."""
    return f'<{tag} value="{value}" xsi:type="INT"></{tag}>'


_ADDRESS_PARTS = (
    ("house_number", "houseNumber"),
    ("street_name", "streetName"),
    ("additional_locator", "additionalLocator"),
    ("unit", "unitID"),
    ("post_box", "postBox"),
    ("postal_code", "postalCode"),
    ("city", "city"),
    ("country", "country"),
)


def address(value: Address) -> str:
    """AD: parts or AFNOR lines."""
    use = f' use="{value.use}"' if value.use else ""
    if value.lines:
        inner = "".join([element("streetAddressLine", line) for line in value.lines])
    else:
        given = value.__dict__
        inner = "".join([element(tag, text) for name, tag in _ADDRESS_PARTS if (text := given[name])])
    return f"<addr{use}>{inner}</addr>"


def addresses(values: Iterable[Address], missing: NullFlavor | None = None) -> str:
    """addr*, or one with a nullFlavor when there is none and `missing` says why."""
    written = "".join([address(v) for v in values])
    return written or (null("addr", missing) if missing else "")


def telecom(value: Telecom) -> str:
    """Raises CdaError (`CDA_TELECOM`)."""
    if value.value.startswith("https:"):
        raise CdaError("a CDA document takes no https: telecom", code="CDA_TELECOM", path="telecom.value",
                       rule="CI-SIS Telecom: tel, fax, mailto, http, ftp, mllp (CDA_H38)",
                       hint="give a telephone or a mailbox, or leave it out",
                       hint_fr="Une adresse https n'est pas admise dans un document CDA.")  # fmt: skip
    use = f' use="{value.use}"' if value.use else ""
    return f'<telecom{use} value="{escape_attribute(value.value)}"></telecom>'


def telecoms(values: Iterable[Telecom], missing: NullFlavor | None = None) -> str:
    """telecom*, or one with a nullFlavor when there is none and `missing` says why."""
    written = "".join([telecom(v) for v in values])
    return written or (null("telecom", missing) if missing else "")


def person_name(family: str, given: str = "", prefix: str = "", suffix: str = "") -> str:
    """PN of anyone but the patient: one family, at most one given; prefix and suffix are codes (JDV_J245, JDV_J246)."""
    return (
        "<name>"
        + (element("prefix", prefix) if prefix else "")
        + (element("given", given) if given else "")
        + element("family", family)
        + (element("suffix", suffix) if suffix else "")
        + "</name>"
    )
