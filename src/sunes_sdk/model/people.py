"""Patient, professional, organisation: who a document is about, from, and for."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import field_validator, model_validator

from ._base import Model, invalid
from .code import Code, Identifier, Text
from .contact import Address, Telecom
from .identity import Identity, IdentityStatus, Ins, Traits

_FINESS = re.compile(r"[0-9](?:[0-9]|[AB])[0-9]{7}|[0-9A-Z]{2}[0-9A-Z][0-9]{6}", re.ASCII)


class Patient(Model):
    """A patient: identity (RNIV), local identifiers (IPP), used names, contacts."""

    masked: ClassVar[frozenset[str]] = frozenset({"used_name", "used_given_name", "birth_city"})

    identity: Identity
    identifiers: tuple[Identifier, ...] = ()
    used_name: str | None = None
    used_given_name: str | None = None
    birth_city: str | None = None
    addresses: tuple[Address, ...] = ()
    telecoms: tuple[Telecom, ...] = ()

    @property
    def traits(self) -> Traits:
        return self.identity.traits

    @property
    def ins(self) -> Ins | None:
        return self.identity.ins

    @property
    def status(self) -> IdentityStatus:
        return self.identity.status

    @property
    def ipp(self) -> Identifier | None:
        """The first local identifier."""
        return self.identifiers[0] if self.identifiers else None


class Organization(Model):
    """A health structure.

    finess_geo / finess_ej: FINESS géographique and juridique, 9 characters as text; siret: 14 digits;
    facility_type: JDV_J02 code (`SA01` public hospital); practice_setting: JDV_J04 code (`ETABLISSEMENT`).
    """

    name: Text
    finess_geo: str | None = None
    finess_ej: str | None = None
    siret: str | None = None
    facility_type: str = "SA01"
    practice_setting: str = "ETABLISSEMENT"
    address: Address | None = None
    telecoms: tuple[Telecom, ...] = ()

    @field_validator("finess_geo", "finess_ej")
    @classmethod
    def _finess(cls, value: str | None) -> str | None:
        if value is not None and not _FINESS.fullmatch(value):
            raise invalid("FINESS", "a FINESS number is 9 characters", rule="FINESS",
                          hint="give it as text: 750803447, 2A0000014")  # fmt: skip
        return value

    @field_validator("siret")
    @classmethod
    def _siret(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[0-9]{14}", value, re.ASCII):
            raise invalid("SIRET", "a SIRET number is 14 digits", rule="SIRET")
        return value

    @model_validator(mode="after")
    def _has_a_number(self) -> Organization:
        if not (self.finess_geo or self.finess_ej or self.siret):
            raise invalid("STRUCTURE_ID", "an organisation needs a FINESS or a SIRET", rule="SMDS Struct_IdNat",
                          hint="give finess_geo, finess_ej or siret")  # fmt: skip
        return self

    @property
    def national_id(self) -> str:
        """Struct_IdNat: `1`+FINESS (géographique first), else `3`+SIRET."""
        finess = self.finess_geo or self.finess_ej
        return f"1{finess}" if finess else f"3{self.siret}"


class Professional(Model):
    """A health professional.

    rpps (11 digits) or adeli (9 characters) or local_id (`3<FINESS>/<internal id>`); family / given: *nom et
    prénom d'exercice*; civility: JDV_J245 (`M`, `MME`); title: JDV_J246 (`DR MC MG PC PG PR`); profession: TRE_G15
    code (`10` médecin, `21` pharmacien, `60` infirmier); specialty: TRE_R01 code (`SM27`), needed for 10 and 21.
    """

    masked: ClassVar[frozenset[str]] = frozenset({"family", "given", "mss_address"})

    family: Text
    given: Text
    rpps: str | None = None
    adeli: str | None = None
    local_id: str | None = None
    profession: Text = "10"
    specialty: str | None = None
    civility: Literal["M", "MME"] | None = None
    title: Literal["DR", "MC", "MG", "PC", "PG", "PR"] | None = None
    addresses: tuple[Address, ...] = ()
    telecoms: tuple[Telecom, ...] = ()
    mss_address: str | None = None

    @model_validator(mode="after")
    def _identified(self) -> Professional:
        if sum(x is not None for x in (self.rpps, self.adeli, self.local_id)) != 1:
            raise invalid("PS_ID", "a professional has exactly one of rpps, adeli, local_id", rule="SMDS PS_IdNat")
        if self.rpps is not None and not re.fullmatch(r"[0-9]{11}", self.rpps, re.ASCII):
            raise invalid("RPPS", "an RPPS number is 11 digits", rule="RPPS", path="rpps")
        if self.adeli is not None and not re.fullmatch(r"[0-9][0-9AB][0-9]{7}", self.adeli, re.ASCII):
            raise invalid("ADELI", "an ADELI number is 9 characters", rule="ADELI", path="adeli")
        if self.profession in ("10", "21") and not self.specialty:
            raise invalid("PS_SPECIALTY", "a doctor or a pharmacist has a specialty", path="specialty",
                          rule="VIHF role: second value mandatory for 10 and 21",
                          hint="give the TRE_R01 code, e.g. SM26 (médecine générale)")  # fmt: skip
        return self

    @property
    def national_id(self) -> str:
        """PS_IdNat: `8`+RPPS, `0`+ADELI, or the local identifier as it is."""
        if self.rpps:
            return f"8{self.rpps}"
        return f"0{self.adeli}" if self.adeli else str(self.local_id)

    @property
    def role_code(self) -> str:
        """The JDV_J01 code: `G15_10/SM27`, `G15_60`."""
        return f"G15_{self.profession}/{self.specialty}" if self.specialty else f"G15_{self.profession}"

    def at(self, organization: Organization) -> Actor:
        """This professional acting in an organisation."""
        return Actor(professional=self, organization=organization)


class Actor(Model):
    """A professional in an organisation: an author, a signer, the user of a VIHF, a recipient.

    function: JDV_J47 code (`PCP` médecin traitant, `ATTPHYS` …), optional.
    """

    professional: Professional
    organization: Organization
    function: Code | None = None
