"""TD0.5, find a patient without INS, by traits (HL7v3 PDQ: PRPA_IN201305UV02 → PRPA_IN201306UV02, edition 2008).

An INS found here is not qualified: it goes through INSi and a document before anything is sent about the patient.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from .._core.errors import ModelError
from .._core.xml import escape_attribute, escape_text
from ..model import Ins, Sex
from . import hl7v3, specific
from .answers import INCOMPLETE, Results
from .hl7v3 import Accept, H, MessageIds, PatientId, PersonName, PostalAddress, Sender

ACTION: Final = "urn:hl7-org:v3:PRPA_IN201305UV02"
_DATE: Final = re.compile(r"[0-9]{8}", re.ASCII)
_LONGEST: Final = 100
"""Characters of a criterion: no name is longer, and the DMP's own limit is not public."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientCriteria:
    """What is known of the patient. family: birth or usual name, required; birth_date: AAAAMMJJ.

    Only the name is in the official example; the other criteria are those of IHE PDQV3 (ITI-47), and whether the DMP
    uses them is unverified. Raises ModelError `DMP_CRITERIA`.
    """

    family: str = field(repr=False)
    given: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    sex: Sex | None = field(default=None, repr=False)
    postal_code: str = field(default="", repr=False)
    city: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name in ("family", "given", "postal_code", "city"):
            value = getattr(self, name)
            if value != value.strip() or len(value) > _LONGEST or (name == "family" and not value):
                raise _criterion(name, f"1 to {_LONGEST} characters, no blank around", "Nom du patient à compléter.")
        if self.birth_date and not _DATE.fullmatch(self.birth_date):
            raise _criterion("birth_date", "AAAAMMJJ", "Date de naissance à corriger (AAAAMMJJ).")


def _criterion(name: str, form: str, hint_fr: str) -> ModelError:
    return ModelError(
        "a criterion of the search has not its form", code="DMP_CRITERIA", path=f"criteria.{name}", rule=form,
        hint="give the birth or usual name, and what else is known", hint_fr=hint_fr,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPatient:
    """A patient whose traits match. ins: None when the DMP gives none that can be read; birth_date: AAAAMMJJ; sex:
    code as written; match_percent: as the DMP says, None when not said; opposes_emergency: None when not said.

    The traits are the DMP's, for a human to choose among the answers: they are kept out of `repr`, never log them.
    """

    ins: Ins | None
    ids: tuple[PatientId, ...]
    is_open: bool
    name: PersonName
    birth_date: str = field(repr=False)
    sex: str = field(repr=False)
    address: PostalAddress | None
    match_percent: int | None
    opposes_emergency: bool | None


def body(criteria: PatientCriteria, sender: Sender, ids: MessageIds) -> bytes:
    """The query, its parameters in the order of the schema."""
    given = f"<given>{escape_text(criteria.given)}</given>" if criteria.given else ""
    address = "".join(
        f"<{name}>{escape_text(value)}</{name}>"
        for name, value in (("city", criteria.city), ("postalCode", criteria.postal_code))
        if value
    )
    values = (
        ("livingSubjectAdministrativeGender", "LivingSubject.administrativeGender", _attribute("code", criteria.sex)),
        ("livingSubjectBirthTime", "LivingSubject.birthTime", _attribute("value", criteria.birth_date)),
        (
            "livingSubjectName",
            "LivingSubject.name",
            f"<value><family>{escape_text(criteria.family)}</family>{given}</value>",
        ),
        ("patientAddress", "Patient.addr", f"<value>{address}</value>" if address else ""),
    )
    parameters = "".join(
        f"<{name}>{value}<semanticsText>{semantics}</semanticsText></{name}>"
        for name, semantics, value in values
        if value
    )
    return hl7v3.message(
        "PRPA_IN201305UV02",
        sender,
        ids,
        '<code code="PRPA_TE201305UV02" codeSystem="2.16.840.1.113883.1.6"/>'
        f"<queryByParameter>{hl7v3.query_id(sender, ids)}<parameterList>{parameters}</parameterList>"
        "</queryByParameter>",
        attention=False,
    )


def _attribute(name: str, value: str | None) -> str:
    return f'<value {name}="{escape_attribute(value)}"/>' if value else ""


def encode(request: bytes, *, message_id: str, assertion: bytes) -> tuple[str, bytes]:
    return specific.encode(ACTION, request, message_id=message_id, assertion=assertion)


def decode(answer: etree._Element, accept: Accept, warnings: Iterable[str] = ()) -> Results[FoundPatient]:
    """Read PRPA_IN201306UV02. Not `complete` when the DMP says that more patients match.

    Raises DmpError (`DMP_REFUSED`, `DMP_ANSWER`), InsError `ENVIRONMENT_IDENTITY`.
    """
    hl7v3.check_answer(answer, "PRPA_IN201306UV02", queried=True)
    patients = answer.iterfind(f"{H}controlActProcess/{H}subject/{H}registrationEvent/{H}subject1/{H}patient")
    said = list(warnings)
    found = [_patient(patient, accept, said) for patient in patients]
    remaining = next(answer.iter(f"{H}resultRemainingQuantity"), None)
    complete = remaining is None or remaining.get("value") in (None, "0")
    if not complete:
        said.append(INCOMPLETE)
    return Results(found, warnings=said, complete=complete)


def _patient(patient: etree._Element, accept: Accept, warnings: list[str]) -> FoundPatient:
    person = patient.find(f"{H}patientPerson")
    ids = hl7v3.read_ids(patient)
    birth = person.find(f"{H}birthTime") if person is not None else None
    return FoundPatient(
        ins=hl7v3.ins_of(ids, accept, warnings),
        ids=ids,
        is_open=hl7v3.code_of(patient, "statusCode") == "active",
        name=hl7v3.read_name(person),
        birth_date=(birth.get("value") or "").strip() if birth is not None else "",
        sex=hl7v3.code_of(person, "administrativeGenderCode") if person is not None else "",
        address=hl7v3.read_address(person) if person is not None else None,
        match_percent=_percent(patient),
        opposes_emergency=hl7v3.flag(dict(hl7v3.observations(patient)), "OPPOSITION_ACCES_URGENCE"),
    )


def _percent(patient: etree._Element) -> int | None:
    value = patient.find(f"{H}subjectOf1/{H}queryMatchObservation/{H}value")
    text = (value.get("value") or "").strip() if value is not None else ""
    return int(text) if re.fullmatch("[0-9]{1,3}", text, re.ASCII) and int(text) <= 100 else None
