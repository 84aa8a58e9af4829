"""HL7v3 messages of the DMP: the wrapper that all of them have, what an answer says, and who a patient is in one.

Source: WSDL and schemas of the DMP (GIE SESAM-Vitale, 11/06/2024), HL7v3 Normative Edition 2009, and 2008 for the
search by traits; official sample messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from lxml import etree

from .._core.errors import DmpError
from .._core.hl7time import to_dtm_utc
from .._core.xml import escape_attribute, escape_text
from ..model import Ins, InsOid
from . import answers

HL7: Final = "urn:hl7-org:v3"
DMP_DEVICE: Final = "1.2.250.1.213.4.1.1.1"
"""The DMP as receiver of HL7v3 messages."""
REASONS: Final = "1.2.250.1.213.1.1.4.11"
"""System of the reasonCode."""
NOT_GIVEN: Final = "NON RENSEIGNE"
"""What the DMP writes for a usual name that it does not know."""
H: Final = f"{{{HL7}}}"
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who sends, for every message of an installation. device_oid: root of its message and query ids.

    production: processingCode is `D` in the official test messages; `P` in production, as the DMP's own answers
    (unverified).
    """

    device_oid: str
    software: str
    production: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageIds:
    """UUIDs and time of one message. query_uuid: of a query."""

    message_uuid: str
    query_uuid: str = ""
    at: datetime


def message(interaction: str, sender: Sender, ids: MessageIds, act: str, *, attention: bool = True) -> bytes:
    """A message around its controlActProcess. attention: an empty attentionLine, as some official messages have."""
    root = escape_attribute(sender.device_oid)
    line = '<attentionLine xsi:nil="true"/>' if attention else ""
    return (
        f'<{interaction} xmlns="{HL7}" xmlns:xsi="{_XSI}" ITSVersion="XML_1.0">'
        f'<id root="{root}" extension="{ids.message_uuid}"/><creationTime value="{to_dtm_utc(ids.at)}"/>'
        f'<interactionId root="2.16.840.1.113883.1.6" extension="{interaction}"/>'
        f'<processingCode code="{"P" if sender.production else "D"}"/><processingModeCode code="T"/>'
        '<acceptAckCode code="AL"/>'
        '<receiver typeCode="RCV"><device classCode="DEV" determinerCode="INSTANCE">'
        f'<id root="{DMP_DEVICE}"/><softwareName>DMP</softwareName></device></receiver>'
        '<sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE">'
        f'<id root="{root}"/><softwareName>{escape_text(sender.software)}</softwareName></device></sender>'
        f'{line}<controlActProcess classCode="CACT" moodCode="EVN">{act}</controlActProcess></{interaction}>'
    ).encode()


def demographics_query(ins: Ins, sender: Sender, ids: MessageIds, *, reason: str, label: str) -> bytes:
    """PRPA_IN201307UV02: TD0.2 and TD1.3a, which differ by their reasonCode."""
    return message(
        "PRPA_IN201307UV02",
        sender,
        ids,
        f'<reasonCode code="{reason}" codeSystem="{REASONS}" displayName="{escape_attribute(label)}"/>'
        f"<queryByParameter>{query_id(sender, ids)}"
        '<parameterList><dataSource xsi:nil="true"/><patientIdentifier>'
        f'<value root="{ins.oid.value}" extension="{ins.value}"/><semanticsText>Patient.id</semanticsText>'
        "</patientIdentifier></parameterList></queryByParameter>",
    )


def query_id(sender: Sender, ids: MessageIds) -> str:
    root = escape_attribute(sender.device_oid)
    return f'<queryId root="{root}" extension="{ids.query_uuid}"/><statusCode code="new"/>'


# --- answers ----------------------------------------------------------------------------------------------------------


def check_answer(answer: etree._Element, name: str, *, queried: bool) -> str:
    """The queryResponseCode of an answer: `OK`, `NF` (nothing found); empty when nothing was `queried`.

    Raises DmpError `DMP_ANSWER` for another message, `DMP_REFUSED` for a refusal (AE, AR), with its code.
    """
    if answer.tag != f"{H}{name}":
        raise answers.not_expected(f"no {name}", "Body")
    acknowledgement = answer.find(f"{H}acknowledgement")
    ack = "" if acknowledgement is None else acknowledgement.get("typeCode") or code_of(acknowledgement, "typeCode")
    response = next(answer.iter(f"{H}queryResponseCode"), None)
    code = response.get("code", "") if response is not None else ""
    if ack == "AA" and (code in ("OK", "NF") if queried else code in ("", "OK")):
        return code
    detail = next(answer.iter(f"{H}acknowledgementDetail"), None)
    if detail is None and ack not in ("AE", "AR") and code not in ("AE", "QE"):
        raise answers.not_expected("no acknowledgement that can be read", "acknowledgement")
    text = "".join(detail.itertext()).strip() if detail is not None else ""
    remote = (code_of(detail, "code") if detail is not None else "") or code or ack
    raise answers.refused(remote, text)


def code_of(element: etree._Element, name: str) -> str:
    """The code of a child, empty when there is none."""
    child = element.find(f"{H}{name}")
    return (child.get("code") or "").strip() if child is not None else ""


def text_of(element: etree._Element, name: str) -> str:
    return (element.findtext(f"{H}{name}") or "").strip()


# --- who a patient is -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientId:
    """An identifier as the DMP gives it: INS, or the old INS-C (`1.2.250.1.213.1.4.2`). Never in a `repr`."""

    root: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostalAddress:
    """lines: street lines; locator: additional locator. All empty when not given."""

    lines: tuple[str, ...] = field(default=(), repr=False)
    locator: str = field(default="", repr=False)
    postal_code: str = field(default="", repr=False)
    city: str = field(default="", repr=False)
    country: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPoint:
    """value: a URL, `tel:` or `mailto:`; use: `HP` home, `MC` mobile, … as the DMP writes them, or empty."""

    value: str = field(repr=False)
    use: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonName:
    """prefix: civility; usual_family, birth_family: `SP` and `BR`; family: one without qualifier. Empty when not
    given, or when the DMP says that it does not know it."""

    prefix: str = field(default="", repr=False)
    given: str = field(default="", repr=False)
    usual_family: str = field(default="", repr=False)
    birth_family: str = field(default="", repr=False)
    family: str = field(default="", repr=False)


def read_ids(patient: etree._Element) -> tuple[PatientId, ...]:
    return tuple(
        PatientId(root=found.get("root") or "", value=found.get("extension") or "")
        for found in patient.findall(f"{H}id")
    )


_INS_OIDS: Final = frozenset(oid.value for oid in InsOid)
Accept = Callable[[Ins], None]
"""Refuses an INS that is not of this environment (`Settings.check_identity`)."""


INS_UNREADABLE: Final = "DMP_INS"
"""Warning of `Results`: a patient's INS has not the form of one, or several are given: it is None there."""


def ins_of(ids: tuple[PatientId, ...], accept: Accept, warnings: list[str]) -> Ins | None:
    """The INS among identifiers. Raises InsError `ENVIRONMENT_IDENTITY`."""
    found = {(i.root, i.value) for i in ids if i.root in _INS_OIDS}
    if not found:
        return None
    try:
        ((root, value),) = found
        ins = Ins.of(value, InsOid(root), certified=True)
    except ValueError:  # several, or a ModelError
        warnings.append(INS_UNREADABLE)
        return None
    accept(ins)
    return ins


def may_be(ids: tuple[PatientId, ...], ins: Ins) -> bool:
    """Whether these identifiers are this patient's, as far as they say."""
    given = {(i.root, i.value) for i in ids if i.root in _INS_OIDS}
    return not given or (ins.oid.value, ins.value) in given


def check_patient(ids: tuple[PatientId, ...], asked: Ins) -> None:
    """Refuse what is about somebody else: an INS in the answer, and not the one asked about. Raises DmpError
    `DMP_PATIENT_MISMATCH`. An answer without any INS passes."""
    if not may_be(ids, asked):
        raise DmpError(
            "the answer is about another patient", code="DMP_PATIENT_MISMATCH", path="patient/id",
            rule="the INS asked about is the one answered", hint="do not use the answer; check the INS with INSi",
            hint_fr="La réponse du DMP concerne un autre patient : ne pas l'utiliser.",
        )  # fmt: skip


def known_name(text: str) -> str:
    """A name, empty when the DMP says that it does not know it."""
    return "" if text == NOT_GIVEN else text


def read_name(person: etree._Element | None) -> PersonName:
    name = person.find(f"{H}name") if person is not None else None
    if name is None:
        return PersonName()
    known = {e.get("qualifier") or "": known_name((e.text or "").strip()) for e in name.findall(f"{H}family")}
    return PersonName(
        prefix=text_of(name, "prefix"),
        given=text_of(name, "given"),
        usual_family=known.get("SP", ""),
        birth_family=known.get("BR", ""),
        family=known.get("", ""),
    )


def read_address(holder: etree._Element) -> PostalAddress | None:
    """The first address that says anything."""
    for found in holder.findall(f"{H}addr"):
        lines = tuple(text for e in found.findall(f"{H}streetAddressLine") if (text := (e.text or "").strip()))
        address = PostalAddress(
            lines=lines,
            locator=text_of(found, "additionalLocator"),
            postal_code=text_of(found, "postalCode"),
            city=text_of(found, "city"),
            country=text_of(found, "country"),
        )
        if address != PostalAddress():
            return address
    return None


def read_telecoms(holder: etree._Element) -> tuple[ContactPoint, ...]:
    """In the order given, each once: the DMP repeats them."""
    found = (
        ContactPoint(value=(e.get("value") or "").strip(), use=(e.get("use") or "").strip())
        for e in holder.findall(f"{H}telecom")
    )
    return tuple(dict.fromkeys(point for point in found if point.value))


def observations(patient: etree._Element) -> Iterator[tuple[str, str]]:
    """Administrative observations of a patient: code and value."""
    for observation in patient.iter(f"{H}administrativeObservation"):
        value = observation.find(f"{H}value")
        if value is not None:
            yield code_of(observation, "code"), (value.get("value") or value.get("code") or "").strip()


def flag(values: dict[str, str], name: str) -> bool | None:
    """A boolean observation, None when not said."""
    return {"true": True, "false": False}.get(values.get(name, ""))
