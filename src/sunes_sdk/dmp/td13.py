"""TD1.3a, read the administrative data of a DMP (PRPA_IN201307UV02 → 308), and TD1.3b, change them
(PRPA_IN201314UV02 → 315 accepted, 316 refused).

Source: official messages and schemas of the GIE SESAM-Vitale. Which data the DMP lets be changed is not public.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from lxml import etree

from .._core.errors import DmpError, MetadataError, ModelError
from .._core.xml import escape_attribute, escape_text
from ..model import Ins, Telecom
from ..xds import Author
from ..xds.datatypes import PROFESSIONALS, STRUCTURES, components
from . import answers, hl7v3, specific, td02
from .hl7v3 import NOT_GIVEN, ContactPoint, H, MessageIds, PatientId, PersonName, PostalAddress, Sender
from .user import VihfUser

READ_ACTION: Final = td02.ACTION
REVISE_ACTION: Final = "urn:hl7-org:v3:PRPA_IN201314UV02"
_GDP: Final = "{asip:ci-sis:gdp:2010}"
_OBSERVATIONS: Final = "1.2.250.1.213.4.1.2.3"
_BREAK_GLASS: Final = ("OPPOSITION_BRIS_DE_GLACE", "opposition au mode bris de glace")
_EMERGENCY: Final = ("OPPOSITION_ACCES_URGENCE", "opposition à l'accès au mode urgence")
_DATE: Final = re.compile(r"[0-9]{4}(?:[0-9]{2}){0,2}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A legal representative, or somebody near the patient. relationship: code as written (`FTH`, …)."""

    relationship: str
    name: PersonName
    telecoms: tuple[ContactPoint, ...]
    address: PostalAddress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministrativeData:
    """What the DMP knows of a patient, and the patient's oppositions. birth_date: AAAAMMJJ as written; sex: code.

    For the eyes of the user who asked, kept out of `repr`: never log it. To change data, `dataclasses.replace` some of
    name, telecoms, sex, birth_date, address and the oppositions, and send it back: the rest is not sent.
    """

    ids: tuple[PatientId, ...] = ()
    is_open: bool = True
    name: PersonName
    telecoms: tuple[ContactPoint, ...] = ()
    sex: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    deceased: bool | None = field(default=None, repr=False)
    address: PostalAddress | None = None
    contacts: tuple[Contact, ...] = ()
    opposes_break_glass: bool | None = None
    opposes_emergency: bool | None = None
    warnings: tuple[str, ...] = ()


# --- TD1.3a -----------------------------------------------------------------------------------------------------------


def read_body(ins: Ins, sender: Sender, ids: MessageIds) -> bytes:
    return hl7v3.demographics_query(
        ins, sender, ids, reason="CNSLT_DATA", label="Consultation des données de gestion de dossier"
    )


def read_encode(request: bytes, *, message_id: str, assertion: bytes) -> tuple[str, bytes]:
    return specific.encode(READ_ACTION, request, message_id=message_id, assertion=assertion)


def read_decode(answer: etree._Element, asked: Ins, warnings: tuple[str, ...] = ()) -> AdministrativeData:
    """Read PRPA_IN201308UV02.

    Raises DmpError: `DMP_REFUSED`, `DMP_ANSWER`, `DMP_NO_RECORD` when the patient has no DMP, `DMP_PATIENT_MISMATCH`
    when the answer is about somebody else.
    """
    code = hl7v3.check_answer(answer, "PRPA_IN201308UV02", queried=True)
    if code == "NF":
        raise DmpError(
            "this patient has no DMP", code="DMP_NO_RECORD", path="queryResponseCode", remote_code=code,
            hint="see existence (TD0.2)", hint_fr="Ce patient n'a pas de DMP.",
        )  # fmt: skip
    patient = next(answer.iter(f"{H}patient"), None)
    person = patient.find(f"{H}patientPerson") if patient is not None else None
    if patient is None or person is None:
        raise answers.not_expected("without the patient's data", "registrationEvent/subject1/patient")
    ids = hl7v3.read_ids(patient)
    hl7v3.check_patient(ids, asked)
    said = dict(hl7v3.observations(patient))
    birth, deceased = person.find(f"{H}birthTime"), person.find(f"{H}deceasedInd")
    return AdministrativeData(
        ids=ids,
        is_open=hl7v3.code_of(patient, "statusCode") == "active",
        name=hl7v3.read_name(person),
        telecoms=hl7v3.read_telecoms(person),
        sex=hl7v3.code_of(person, "administrativeGenderCode"),
        birth_date=(birth.get("value") or "").strip() if birth is not None else "",
        deceased=None if deceased is None else hl7v3.flag({"": deceased.get("value") or ""}, ""),
        address=hl7v3.read_address(person),
        contacts=tuple(_contact(e) for e in person.findall(f"{H}personalRelationship")),
        opposes_break_glass=hl7v3.flag(said, _BREAK_GLASS[0]),
        opposes_emergency=hl7v3.flag(said, _EMERGENCY[0]),
        warnings=warnings,
    )


def _contact(element: etree._Element) -> Contact:
    return Contact(
        relationship=hl7v3.code_of(element, "code"),
        name=hl7v3.read_name(element.find(f"{H}relationshipHolder1")),
        telecoms=hl7v3.read_telecoms(element),
        address=hl7v3.read_address(element),
    )


# --- TD1.3b -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    """Author of a change: the user and structure of the VIHF. specialty: (code, system, label)."""

    id: str
    family: str
    given: str
    specialty: tuple[str, str, str]
    structure_id: str
    structure_name: str


def registrar_of(author: Author, user: VihfUser) -> Registrar:
    """specialty: the last role of the VIHF, which is the profession when there is no specialty."""
    person = (*components(author.person), "", "", "")
    code, system, label, _ = user.roles[-1]
    return Registrar(
        id=user.subject,
        family=person[1],
        given=person[2],
        specialty=(code, system, label),
        structure_id=user.structure_id,
        structure_name=components(author.institution)[0],
    )


def revise_body(ins: Ins, data: AdministrativeData, by: Registrar, sender: Sender, ids: MessageIds) -> bytes:
    """The change: name, telecoms, sex, birth date, address and oppositions of `data`; a usual name that is not known
    is written `NON RENSEIGNE`, as the DMP does. Legal representatives are not sent: the official message has none,
    and what becomes of those held is unverified.

    Raises ModelError `TELECOM`, `DMP_BIRTH_DATE`; MetadataError `DMP_PATIENT_MISMATCH` for another patient's data.
    """
    if not hl7v3.may_be(data.ids, ins):
        raise MetadataError(
            "the data are another patient's", code="DMP_PATIENT_MISMATCH", path="data.ids",
            rule="the data read for a patient go back to that patient", hint="read them again for this identity",
            hint_fr="Ces données sont celles d'un autre patient : modification refusée.",
        )  # fmt: skip
    if data.birth_date and not _DATE.fullmatch(data.birth_date):
        raise ModelError(
            "a birth date is AAAAMMJJ", code="DMP_BIRTH_DATE", path="data.birth_date", rule="HL7v3 TS",
            hint="write 19790328",
        )  # fmt: skip
    sex = f'<administrativeGenderCode code="{escape_attribute(data.sex)}"/>' if data.sex else ""
    birth = f'<birthTime value="{data.birth_date}"/>' if data.birth_date else ""
    telecoms = "".join(_telecom(point) for point in data.telecoms)
    observations = "".join(
        '<subjectOf typeCode="SBJ"><administrativeObservation classCode="OBS" moodCode="EVN">'
        f'<code code="{code}" codeSystem="{_OBSERVATIONS}" displayName="{escape_attribute(label)}"/>'
        f'<value xsi:type="BL" value="{str(value).lower()}"/></administrativeObservation></subjectOf>'
        for (code, label), value in ((_BREAK_GLASS, data.opposes_break_glass), (_EMERGENCY, data.opposes_emergency))
        if value is not None
    )
    return revision(
        ins,
        by,
        sender,
        ids,
        reason=("MODIF_DATA", "Modification des données de gestion du dossier"),
        status="active",
        person=f"{name_element(data.name)}{telecoms}{sex}{birth}{_address(data.address)}",
        observations=observations,
    )


def revision(
    ins: Ins,
    by: Registrar,
    sender: Sender,
    ids: MessageIds,
    *,
    reason: tuple[str, str],
    status: str,
    person: str,
    observations: str = "",
    after: str = "",
    attention: bool = False,
) -> bytes:
    """PRPA_IN201314UV02. reason: code and label; person, observations, after: XML of the patientPerson's content, of
    what follows it, and of what follows the subject."""
    code, label = reason
    return hl7v3.message(
        "PRPA_IN201314UV02",
        sender,
        ids,
        f'<reasonCode code="{code}" codeSystem="{hl7v3.REASONS}" displayName="{escape_attribute(label)}"/>'
        '<subject typeCode="SUBJ" contextConductionInd="false"><registrationRequest classCode="REG" moodCode="RQO">'
        '<statusCode code="active"/><subject1 typeCode="SBJ"><patient classCode="PAT">'
        f'<id root="{ins.oid.value}" extension="{ins.value}"/><statusCode code="{status}"/>'
        f'<patientPerson classCode="PSN" determinerCode="INSTANCE">{person}</patientPerson>{observations}'
        f"</patient></subject1>{_author(by)}</registrationRequest></subject>{after}",
        attention=attention,
    )


def _author(by: Registrar) -> str:
    """The official messages write the OID of the table of specialties where its code belongs: not so here."""
    code, system, label = (escape_attribute(part) for part in by.specialty)
    return (
        '<author typeCode="AUT"><assignedEntity classCode="ASSIGNED">'
        f'<id root="{PROFESSIONALS}" extension="{escape_attribute(by.id)}"/>'
        f'<code code="{code}" codeSystem="{system}" displayName="{label}"/>'
        '<assignedPerson classCode="PSN" determinerCode="INSTANCE"><name>'
        f"<family>{escape_text(by.family)}</family><given>{escape_text(by.given)}</given></name></assignedPerson>"
        '<representedOrganization classCode="ORG" determinerCode="INSTANCE">'
        f'<id root="{STRUCTURES}" extension="{escape_attribute(by.structure_id)}"/>'
        f'<name>{escape_text(by.structure_name)}</name><contactParty classCode="CON"/></representedOrganization>'
        "</assignedEntity></author>"
    )


def name_element(name: PersonName) -> str:
    prefix = f"<prefix>{escape_text(name.prefix)}</prefix>" if name.prefix else ""
    birth = f'<family qualifier="BR">{escape_text(name.birth_family)}</family>' if name.birth_family else ""
    given = f"<given>{escape_text(name.given)}</given>" if name.given else ""
    usual = escape_text(name.usual_family or NOT_GIVEN)
    return f'<name>{prefix}<family qualifier="SP">{usual}</family>{birth}{given}</name>'


def _telecom(point: ContactPoint) -> str:
    kind: Any = point.use or None  # the model refuses an unknown one
    checked = Telecom(value=point.value, use=kind)
    use = f' use="{checked.use}"' if checked.use else ""
    return f'<telecom value="{escape_attribute(checked.value)}"{use}/>'


def _address(address: PostalAddress | None) -> str:
    if address is None:
        return ""
    parts = (
        *(("streetAddressLine", line) for line in address.lines),
        ("additionalLocator", address.locator),
        ("postalCode", address.postal_code),
        ("city", address.city),
        ("country", address.country),
    )
    return f"<addr>{''.join(f'<{name}>{escape_text(value)}</{name}>' for name, value in parts if value)}</addr>"


def revise_encode(request: bytes, *, message_id: str, assertion: bytes) -> tuple[str, bytes]:
    return specific.encode(REVISE_ACTION, request, message_id=message_id, assertion=assertion)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordState:
    """The DMP accepted a change. is_open: its state after it; warnings: codes."""

    is_open: bool
    warnings: tuple[str, ...] = ()


def revise_decode(answer: etree._Element, asked: Ins, warnings: tuple[str, ...] = ()) -> RecordState:
    """Read PRPA_IN201314UV02_Response. Raises DmpError `DMP_REFUSED`, `DMP_ANSWER`, `DMP_PATIENT_MISMATCH`."""
    inner = next((e for e in answer if isinstance(e.tag, str)), None)
    if answer.tag != f"{_GDP}PRPA_IN201314UV02_Response" or inner is None:
        raise answers.not_expected("no PRPA_IN201314UV02_Response", "Body")
    if inner.tag == f"{H}PRPA_IN201316UV02":
        detail = next(inner.iter(f"{H}acknowledgementDetail"), None)
        text = "".join(detail.itertext()).strip() if detail is not None else ""
        raise answers.refused((hl7v3.code_of(detail, "code") if detail is not None else "") or "AE", text)
    hl7v3.check_answer(inner, "PRPA_IN201315UV02", queried=False)
    patient = next(inner.iter(f"{H}patient"), None)
    status = hl7v3.code_of(patient, "statusCode") if patient is not None else ""
    if patient is None or status not in ("active", "terminated"):
        raise answers.not_expected("without the state of the record", "registrationEvent/subject1/patient/statusCode")
    hl7v3.check_patient(hl7v3.read_ids(patient), asked)
    return RecordState(is_open=status == "active", warnings=warnings)
