"""What a Vitale card says of a person, as INSi is asked with it (WS_INS1)."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from ..model import Matricule, Model
from ..model._base import invalid
from ..model.code import Text

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class VitaleCard(Model):
    """The data of one beneficiary of a Vitale card. The reading of the card is not part of this library: it needs the
    components of the GIE SESAM-Vitale.

    insured: number (NSS) of the insured person (*ouvrant droit*); own: number of the beneficiary, when the card has it
    (a child may have none): neither is an INS, only INSi tells that one; certified_on: when `own` was certified;
    birth_name; birth_date: `AAAA-MM-JJ`, may be lunar; birth_rank: *rang de naissance*, from 1; regime, fund, centre:
    *grand régime*, *organisme*, *code centre* of the cover; bearer: one digit (`Porteur`, whose values are not public).

    Raises ModelError (`INS_KEY`, `INS_FORMAT`, `VITALE_BIRTH_DATE`, `VITALE_CERTIFIED`).

    Source: schemas INSi_RECVITALE_INS 00.01 and CTXBAM 01.02 of the contract DESIR_ICIR_EXP 1.5.0. Those make every
    element optional; that a card always has the fields without a default here is unverified.
    """

    masked: ClassVar[frozenset[str]] = frozenset(
        {"insured", "own", "certified_on", "birth_name", "birth_date", "birth_rank"}
    )

    insured: Matricule
    own: Matricule | None = None
    certified_on: date | None = None
    birth_name: Text | None = None
    birth_date: str
    birth_rank: int = Field(ge=1, le=9)
    regime: Text
    fund: Text
    centre: Text
    bearer: str | None = Field(default=None, pattern=r"^[0-9]$")

    @field_validator("birth_date", mode="before")
    @classmethod
    def _date_form(cls, value: Any) -> Any:
        if isinstance(value, date):
            return value.isoformat()[:10]
        if isinstance(value, str) and not _DATE.fullmatch(value):
            raise invalid("VITALE_BIRTH_DATE", "a birth date is AAAA-MM-JJ", rule="CTXBAM 01.02, DateLunaire",
                          hint="write 1953-05-31; keep a lunar date as the card has it")  # fmt: skip
        return value

    @model_validator(mode="after")
    def _certified_number(self) -> VitaleCard:
        if self.certified_on and self.own is None:
            raise invalid("VITALE_CERTIFIED", "there is no number that was certified", path="certified_on",
                          rule="CTXBAM 01.02, NIRCertifie", hint="give the own number too, or no date")  # fmt: skip
        return self
