"""TD0.4, the patients whose DMP the caller may read (`patientsSpecific`, patientList)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from lxml import etree

from .._core.errors import ModelError
from .._core.hl7time import to_dtm_utc
from ..model import Ins
from . import specific
from .answers import Results
from .hl7v3 import Accept, PatientId, ins_of, known_name

ACTION: Final = "urn:si-dmp-patients:PatientSpecificEndPoint:patientList"


class Since(StrEnum):
    """What is new: a document, or the authorisation. An establishment may ask for the second only (PDT-INF-526)."""

    DOCUMENT = "LASTDOC"
    AUTHORIZATION = "LASTAUTORIZATION"
    """Spelt so by the contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizedPatient:
    """A patient who gave access. ins: None when the DMP gives none that can be
    read; ids: all identifiers, INS-C included; birth_date:
    AAAAMMJJ as written; attending: the caller is the *médecin traitant*; has_message: as the DMP says.

    The names are the DMP's: they never replace those of the patient's record, and are kept out of `repr`.
    """

    ins: Ins | None
    ids: tuple[PatientId, ...]
    civility: str = field(default="", repr=False)
    family: str = field(default="", repr=False)
    birth_family: str = field(default="", repr=False)
    given: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    attending: bool = False
    has_message: bool = False
    last_access: datetime | None = None
    last_update: datetime | None = None
    last_addition: datetime | None = None


def body(since: datetime, what: Since) -> bytes:
    """The request. Raises ModelError `DMP_SINCE` for a time without offset."""
    if since.tzinfo is None:
        raise ModelError(
            "a time without offset", code="DMP_SINCE", path="since", rule="the DMP is asked in UTC",
            hint="give an aware datetime",
        )  # fmt: skip
    return specific.request(specific.PATIENTS, "patientList", startDate=to_dtm_utc(since), dateType=what.value)


def encode(since: datetime, what: Since, *, message_id: str, assertion: bytes) -> tuple[str, bytes]:
    return specific.encode(ACTION, body(since, what), message_id=message_id, assertion=assertion)


def decode(answer: etree._Element, accept: Accept, warnings: Iterable[str] = ()) -> Results[AuthorizedPatient]:
    """Read patientListResponse. Raises DmpError (`DMP_REFUSED`, `DMP_ANSWER`), InsError `ENVIRONMENT_IDENTITY`."""
    output = specific.output(answer, specific.PATIENTS, "patientListResponse")
    said = list(warnings)
    rows = output.findall(f"{{{specific.PATIENTS}}}patientlistData")
    return Results([_patient(row, accept, said) for row in rows], warnings=said)


def _patient(row: etree._Element, accept: Accept, warnings: list[str]) -> AuthorizedPatient:
    def text(name: str, of: etree._Element = row) -> str:
        return specific.text(of, specific.PATIENTS, name)

    ids = tuple(
        PatientId(root=text("nationalIdType", found), value=text("nationalId", found))
        for found in row.findall(f"{{{specific.PATIENTS}}}patientIdentifier")
    )
    return AuthorizedPatient(
        ins=ins_of(ids, accept, warnings),
        ids=ids,
        civility=text("civility"),
        family=known_name(text("lastName")),
        birth_family=known_name(text("patronymicalName")),
        given=text("firstName"),
        birth_date=text("dateOfBirth"),
        attending=text("MT") in _TRUE,
        has_message=text("message") in _TRUE,
        last_access=specific.time(text("lastAccessDate"), warnings),
        last_update=specific.time(text("lastUpdateDate"), warnings),
        last_addition=specific.time(text("lastAddDate"), warnings),
    )


_TRUE: Final = ("true", "1")
"""xs:boolean."""
