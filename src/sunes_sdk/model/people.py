"""Patient, professional, organisation: who a document is about, from, and for."""

from __future__ import annotations

import re
from datetime import date
from typing import ClassVar, Literal

from pydantic import AwareDatetime, Field, field_validator, model_validator

from ._base import Model, invalid
from .code import Code, Identifier, Text
from .contact import Address, Telecom
from .identity import Identity, IdentityStatus, Ins, InsOid, Traits

_FINESS = re.compile(r"[0-9](?:[0-9]|[AB])[0-9]{7}|[0-9A-Z]{2}[0-9A-Z][0-9]{6}", re.ASCII)
STAFF = "SECRETARIAT_MEDICAL"
_INS_ROOTS = frozenset(oid.value for oid in InsOid)


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


class RelatedPerson(Model):
    """Someone around the patient who gave information.

    relation 1..1: `ECON` *personne à prévenir*, `NOK` *personne de confiance*, `CON`, `CAREGIVER`, `PAT`;
    relationship 0..1: JDV_J11 code (`MTH` mother, `SPS` …); family 1..1; given 0..1.
    """

    masked: ClassVar[frozenset[str]] = frozenset({"family", "given"})

    relation: Literal["ECON", "NOK", "CON", "CAREGIVER", "PAT"]
    family: Text
    given: Text | None = None
    relationship: Text | None = None
    addresses: tuple[Address, ...] = ()
    telecoms: tuple[Telecom, ...] = ()


class Guardian(Model):
    """A patient's legal representative (*représentant légal*): a person (family 1..1, given 0..1) or an organization,
    never both. relationship 0..1: JDV_J11 code. Raises ModelError (`GUARDIAN`)."""

    masked: ClassVar[frozenset[str]] = frozenset({"family", "given"})

    family: Text | None = None
    given: Text | None = None
    organization: Organization | None = None
    relationship: Text | None = None
    addresses: tuple[Address, ...] = ()
    telecoms: tuple[Telecom, ...] = ()

    @model_validator(mode="after")
    def _one(self) -> Guardian:
        if (self.family is None) == (self.organization is None) or (self.given and self.organization):
            raise invalid("GUARDIAN", "a guardian is a person with a family name, or an organisation",
                          rule="SMDS patient/guardian", path="family", hint="give family or organization, not both",
                          hint_fr="Le représentant légal est une personne ou une structure.")  # fmt: skip
        return self


class Patient(Model):
    """A patient: identity (RNIV), local identifiers (IPP), used names, contacts.

    birth_city, birth_country, birth_site (name of the place, a maternity hospital) 0..1: beside the COG of the
    traits; guardians 0..*: legal representatives; deceased 0..1, with deceased_at 0..1 (a day or an instant);
    multiple_birth 0..1, with birth_order 0..1 (1 for the first born). An INS is in `identity`, never in `identifiers`.
    Raises ModelError (`PATIENT_DECEASED`, `PATIENT_BIRTH_ORDER`, `PATIENT_INS_IDENTIFIER`).
    """

    masked: ClassVar[frozenset[str]] = frozenset(
        {"used_name", "used_given_name", "birth_city", "birth_country", "birth_site", "deceased_at"}
    )

    identity: Identity
    identifiers: tuple[Identifier, ...] = ()
    used_name: str | None = None
    used_given_name: str | None = None
    birth_city: str | None = None
    birth_country: str | None = None
    birth_site: str | None = None
    addresses: tuple[Address, ...] = ()
    telecoms: tuple[Telecom, ...] = ()
    guardians: tuple[Guardian, ...] = ()
    deceased: bool | None = None
    deceased_at: AwareDatetime | date | None = None
    multiple_birth: bool | None = None
    birth_order: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _said_together(self) -> Patient:
        if self.deceased_at is not None and not self.deceased:
            raise invalid("PATIENT_DECEASED", "a time of death without deceased", rule="SMDS sdtc:deceasedInd",
                          path="deceased", hint="give deceased=True with it")  # fmt: skip
        if self.birth_order is not None and not self.multiple_birth:
            raise invalid("PATIENT_BIRTH_ORDER", "a birth order without multiple_birth",
                          rule="SMDS sdtc:multipleBirthInd", path="multiple_birth",
                          hint="give multiple_birth=True with it")  # fmt: skip
        for identifier in self.identifiers:
            if identifier.root in _INS_ROOTS or identifier.type_code == "INS":
                # Written as a local identifier, it would pass by the gate.
                raise invalid("PATIENT_INS_IDENTIFIER", "an INS among the local identifiers", rule="RNIV, EXI ID 29",
                              path="identifiers", hint="put it in the identity: Identity(ins=…), or leave it out",
                              hint_fr="Un INS ne s'enregistre pas comme un identifiant local.")  # fmt: skip
        return self

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


class Professional(Model):
    """A health professional, or a member of their staff.

    rpps (11 digits) or adeli (9 characters) or local_id (`3<FINESS>/<internal id>`); family / given: *nom et
    prénom d'exercice*; civility: JDV_J245 (`M`, `MME`); title: JDV_J246 (`DR MC MG PC PG PR`); profession: TRE_G15
    code (`10` médecin, `21` pharmacien, `60` infirmier), or `SECRETARIAT_MEDICAL` (TRE_A00) for the holder of a CPE;
    specialty: TRE_R01 code (`SM27`), needed for 10 and 21;
    am_number 0..1: number at the Assurance Maladie, an author's second identifier.
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
    am_number: str | None = None

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
    def is_staff(self) -> bool:
        """Whether this is a medical secretary rather than a health professional."""
        return self.profession == STAFF

    @property
    def role_code(self) -> str:
        """The JDV_J01 code: `G15_10/SM27`, `G15_60`, `SECRETARIAT_MEDICAL`."""
        if self.is_staff:
            return self.profession
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


class Device(Model):
    """A system that writes documents by itself: a device, an analyser, a *service numérique référencé*.

    identifier 1..1: root 1.2.250.1.71.4.2.1 and `3<FINESS>/<internal id>` for a structure's system, the editor's OID
    for an SNR; role 1..1: JDV_J01 code (`DISPOSITIF`, `AUTOMATE`, `SNR`); model 1..1: product; software 1..1: name and
    version of the software; organization 0..1: whose system it is, needed but for an SNR.
    Raises ModelError (`DEVICE_ORGANIZATION`).
    """

    identifier: Identifier
    role: Literal["DISPOSITIF", "AUTOMATE", "SNR"]
    model: Text
    software: Text
    organization: Organization | None = None

    @model_validator(mode="after")
    def _owned(self) -> Device:
        if self.organization is None and self.role != "SNR":
            raise invalid("DEVICE_ORGANIZATION", "the system of a structure names its structure", path="organization",
                          rule="SMDS assignedAuthor/representedOrganization", hint="give organization")  # fmt: skip
        return self
