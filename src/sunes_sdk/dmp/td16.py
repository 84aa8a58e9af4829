"""TD1.6, who may read a patient's DMP, and whom the patient blocked (`habilitations`, listAuthorizationByPatient)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from lxml import etree

from . import specific
from .answers import Results
from .td03 import ATTENDING

ACTION: Final = "urn:si-dmp-habilitations:HabilitationsEndPoint:listAuthorizationByPatient"
_H: Final = specific.HABILITATIONS


class AuthorizationMode(StrEnum):
    ACTIVE = "ACTIVE"
    BLOCKED = "INTERDITE"
    ALL = "TOUTE"
    """In a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientAuthorization:
    """A professional or a structure. national_id: PS_IdNat or Struct_IdNat, id_type: its OID; specialties: (code,
    label) as written; mode: `ACTIVE`, `INTERDITE`, or a raw one; attending: the patient's *médecin traitant*."""

    national_id: str
    id_type: str
    family: str = field(repr=False)
    given: str = field(repr=False)
    specialties: tuple[tuple[str, str], ...]
    since: datetime | None
    last_action: datetime | None
    mode: str
    attending: bool

    @property
    def is_blocked(self) -> bool:
        return self.mode == AuthorizationMode.BLOCKED


def body(mode: AuthorizationMode) -> bytes:
    return specific.request(_H, "listAuthorizationByPatient", mode=mode.value)


def encode(mode: AuthorizationMode, *, message_id: str, assertion: bytes) -> tuple[str, bytes]:
    return specific.encode(ACTION, body(mode), message_id=message_id, assertion=assertion)


def decode(answer: etree._Element, warnings: Iterable[str] = ()) -> Results[PatientAuthorization]:
    """Read listAuthorizationByPatientResponse. Raises DmpError (`DMP_REFUSED`, `DMP_ANSWER`)."""
    output = specific.output(answer, _H, "listAuthorizationByPatientResponse")
    said = list(warnings)
    rows = output.findall(f"{{{_H}}}listOfAuthorizationByPatient")
    return Results([_authorization(row, said) for row in rows], warnings=said)


def _authorization(row: etree._Element, warnings: list[str]) -> PatientAuthorization:
    def text(name: str) -> str:
        return specific.text(row, _H, name)

    codes, labels = (specific.texts(row, _H, name) for name in ("codeSpeciality", "libSpeciality"))
    return PatientAuthorization(
        national_id=text("nationalId"),
        id_type=text("nationalIdType"),
        family=text("lastName"),
        given=text("firstName"),
        specialties=tuple((code, labels[n] if n < len(labels) else "") for n, code in enumerate(codes)),
        since=specific.time(text("startOfAuthorization"), warnings),
        last_action=specific.time(text("lastActionDate"), warnings),
        mode=text("mode"),
        attending=ATTENDING in specific.texts(row, _H, "specificRight"),
    )
