"""A hospital stay."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, model_validator

from ._base import Model, invalid
from .code import Identifier
from .people import Actor, Organization


class StayClass(StrEnum):
    """HL7 v2 PV1-2 (table 0004, France)."""

    INPATIENT = "I"
    OUTPATIENT = "O"
    EMERGENCY = "E"
    RECURRING = "R"
    NOT_APPLICABLE = "N"


class Stay(Model):
    """A stay (*venue*): its number, its times, where it took place.

    visit: numéro de venue (PV1-19); account: dossier administratif (PID-18); admitted_at / discharged_at: aware
    datetimes, the second None while the stay lasts; unit: UF code; activity: `MCO`, `SMR`, `PSY`, `HAD`, `DIALYSE`.
    """

    visit: Identifier
    admitted_at: AwareDatetime
    discharged_at: AwareDatetime | None = None
    organization: Organization
    stay_class: StayClass = StayClass.INPATIENT
    activity: str = "MCO"
    account: Identifier | None = None
    unit: str | None = None
    unit_label: str | None = None
    responsible: Actor | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Stay:
        if self.discharged_at is not None and self.discharged_at <= self.admitted_at:
            raise invalid("STAY_TIMES", "the discharge is not after the admission", rule="SMDS IVL_TS (dtr1-6, dtr1-7)",
                          path="discharged_at", hint="leave discharged_at out while the stay lasts")  # fmt: skip
        return self

    @property
    def is_closed(self) -> bool:
        return self.discharged_at is not None
