"""The user of a call to the DMP: what its VIHF says of a professional in a structure, and the author it stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from .._core.errors import MetadataError, ModelError
from ..cda.header import II, HeaderName, HeaderOrganization, HeaderParty
from ..model import STAFF, Actor, Code, Professional
from ..security.vihf import HIDDEN_FROM_GUARDIANS, NORMAL_ACCESS, VihfRequest
from ..settings import DmpSettings, SoftwareId
from ..terminology import code as terminology_code
from ..terminology import lookup
from ..xds import Author, author_of
from ..xds.datatypes import PROFESSIONALS, STRUCTURES, components

PROFESSIONS = "1.2.250.1.71.1.2.7"
"""TRE_G15-ProfessionSante. The same code in `1.2.250.1.71.1.2.8` would mean a professional in training."""
_SPECIALTIES = {"10": "1.2.250.1.71.4.2.5", "21": "1.2.250.1.71.4.2.6"}
"""Systems of the second role by profession: doctors, pharmacists. Other professions have one role."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VihfUser:
    """Frozen with a delivery, so that every attempt presents the author of its submission set.

    subject: PS_IdNat; roles: (code, system, label, system name), profession then specialty; sector: (code, system,
    label) of JDV_J61.
    """

    subject: str
    subject_id: str
    structure_id: str
    sector: tuple[str, str, str]
    roles: tuple[tuple[str, str, str, str], ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> VihfUser:
        return cls(
            subject=stored["subject"],
            subject_id=stored["subject_id"],
            structure_id=stored["structure_id"],
            sector=tuple(stored["sector"]),
            roles=tuple(tuple(role) for role in stored["roles"]),
        )

    def request(
        self,
        settings: DmpSettings,
        software: SoftwareId,
        ins_cx: str | None,
        *,
        purpose: Code = NORMAL_ACCESS,
        secret: bool = False,
    ) -> VihfRequest:
        """The content of a VIHF about this patient. secret: the secret connection of a minor."""
        sector, *roles = _codes(self.sector, self.roles)
        return VihfRequest(
            subject=self.subject,
            structure_id=self.structure_id,
            sector=sector,
            roles=tuple(roles),
            subject_id=self.subject_id,
            authn_context=settings.authn_context,
            software_name=software.name,
            software_version=software.version,
            software_id=software.instance,
            homologation=software.dmp_homologation or "",
            ins_cx=ins_cx,
            mode=settings.mode,
            authn_declaration=settings.authn_declaration,
            version=settings.vihf_version,
            mode_attribute=settings.vihf_mode_attribute,
            issuer=settings.vihf_issuer,
            issuer_form=settings.vihf_issuer_form,
            purpose=purpose,
            confidentiality=HIDDEN_FROM_GUARDIANS if secret else None,
            validity=_seconds(settings.vihf_validity_seconds) if settings.vihf_validity_seconds else None,
            skew=_seconds(settings.vihf_skew_seconds),
        )


@lru_cache(maxsize=64)
def _seconds(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


@lru_cache(maxsize=256)
def _codes(sector: tuple[str, str, str], roles: tuple[tuple[str, str, str, str], ...]) -> tuple[Code, ...]:
    return tuple(
        Code(code=code, system=system, display=display, system_name=system_name)
        for code, system, display, system_name in ((*sector, ""), *roles)
    )


def professional_of_pro_sante_connect(user_info: Mapping[str, Any], *, practice: int | None = None) -> Professional:
    """The professional that Pro Santé Connect identified, out of its UserInfo answer, to make the `Actor` of a client.

    practice: index in `SubjectRefPro.exercices`, needed when there are several. With settings `mode = "INDIRECTE"`,
    `vihf_mode_attribute = "Authentification_mode"` and `authn_context = vihf.PRO_SANTE_CONNECT`, the VIHF says what
    the public proxy of Pro Santé Connect says (prosanteconnect/generate-VIHF, 2022); the structure stays that of the
    certificates. Whether the DMP asks more of such a connection is unverified.

    Raises ModelError (`PSC_USER_INFO`, and as `Professional` does). The answer is taken as given: its token must have
    been verified before.
    """
    reference = user_info.get("SubjectRefPro")
    practices = reference.get("exercices") if isinstance(reference, Mapping) else None
    if not isinstance(practices, list) or not practices:
        raise _psc("it describes no practice", "SubjectRefPro.exercices")
    if practice is None and len(practices) > 1:
        raise _psc(f"it describes {len(practices)} practices: choose one", "SubjectRefPro.exercices")
    try:
        chosen = practices[practice or 0]
    except IndexError:
        raise _psc("it has no such practice", "SubjectRefPro.exercices") from None
    if not isinstance(chosen, Mapping):
        raise _psc("a practice is no object", "SubjectRefPro.exercices")
    found = {
        name: value if isinstance(value := chosen.get(name), str) else ""
        for name in ("codeProfession", "codeSavoirFaire", "nomDexercice", "prenomDexercice")
    }
    identifier = user_info.get("SubjectNameID")
    if not isinstance(identifier, str) or len(identifier) < 2 or not found["codeProfession"]:
        raise _psc("it names no professional", "SubjectNameID")
    kinds = {"8": "rpps", "0": "adeli"}
    kind = kinds.get(identifier[0])
    return Professional(
        family=found["nomDexercice"],
        given=found["prenomDexercice"],
        profession=found["codeProfession"],
        specialty=found["codeSavoirFaire"] or None,
        rpps=identifier[1:] if kind == "rpps" else None,
        adeli=identifier[1:] if kind == "adeli" else None,
        local_id=identifier if kind is None else None,
    )


def _psc(message: str, path: str) -> ModelError:
    return ModelError(
        f"this UserInfo answer cannot be used: {message}", code="PSC_USER_INFO", path=path,
        rule="UserInfo of Pro Santé Connect (scope_all)", hint="ask with the scope that gives SubjectRefPro",
        hint_fr="Identité Pro Santé Connect incomplète.",
    )  # fmt: skip


def secretary_of_card(certificate: x509.Certificate) -> Professional:
    """The holder of a CPE, out of the certificate of the card, to make the `Actor` of a client in mode DIRECTE (TD2.2).

    Names are those of the certificate. A card that is not directly nominative has none: the DMP then takes the name of
    the structure as family name and the identifier as given name (GIE SESAM-Vitale PDT-INF-617, 25/09/2024), for want
    of better: give those that the practice knows by `model_copy(update={"family": …, "given": …})`.
    Raises ModelError `CPE_CARD` for a certificate that is no such card.
    """
    number = _first(certificate, NameOID.COMMON_NAME)
    family = _first(certificate, NameOID.SURNAME) or _SPECIAL.sub("-", _first(certificate, NameOID.ORGANIZATION_NAME))
    given = _first(certificate, NameOID.GIVEN_NAME) or _SPECIAL.sub("-", number)
    if "/" not in number or not family:
        raise ModelError(
            "this certificate is not that of a CPE", code="CPE_CARD", path="certificate",
            rule="PDT-INF-617: CN = PS_IdNat, xxxx/yyyy", hint="give the certificate of a CPE card",
            hint_fr="Ce certificat n'est pas celui d'une carte CPE.",
        )  # fmt: skip
    return Professional(family=family, given=given, local_id=number, profession=STAFF)


_SPECIAL = re.compile(r"[^\w'’ -]|_")
"""PDT-INF-617: what is neither a letter, a digit, an apostrophe, a hyphen nor a blank becomes a hyphen."""


def _first(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    return next((str(a.value).strip() for a in certificate.subject.get_attributes_for_oid(oid)), "")


def user_of(actor: Actor, settings: DmpSettings) -> VihfUser:
    """The VIHF user for an actor. Raises ModelError when its codes are in no value set."""
    person = actor.professional
    names = (person.given, person.family)
    subject_id = " ".join(names) if settings.vihf_subject_order == "given_family" else ", ".join(reversed(names))
    roles = _roles(person)
    facility = terminology_code("JDV_J02", actor.organization.facility_type)
    return VihfUser(
        subject=person.national_id,
        subject_id=subject_id,
        structure_id=settings.structure_id or actor.organization.national_id,
        sector=(facility.code, facility.system, facility.display),
        roles=roles,
    )


def _roles(person: Professional) -> tuple[tuple[str, str, str, str], ...]:
    """Profession, then specialty, with the labels of JDV_J65; of JDV_J01 for a specialty newer than that set. Staff has
    one role."""
    if person.is_staff:
        staff = terminology_code("JDV_J65", person.profession)
        return ((staff.code, staff.system, staff.display, ""),)
    profession, _, specialty = terminology_code("JDV_J01", person.role_code).display.partition(" - ")
    known = lookup("JDV_J65", person.profession, PROFESSIONS)
    roles = [(person.profession, PROFESSIONS, known.display if known else profession, "G15")]
    system = _SPECIALTIES.get(person.profession)
    if system and person.specialty:
        known = lookup("JDV_J65", person.specialty, system)
        roles.append((person.specialty, system, known.display if known else specialty, ""))
    return tuple(roles)


def author_of_actor(actor: Actor) -> Author:
    """The actor as author of a submission set."""
    person, organization = actor.professional, actor.organization
    return author_of(
        HeaderParty(
            time="",
            ids=(II(PROFESSIONALS, person.national_id),),
            code=terminology_code("JDV_J01", person.role_code),
            function=actor.function,
            name=HeaderName(family=person.family, given=person.given),
            organization=HeaderOrganization(id=II(STRUCTURES, organization.national_id), name=organization.name),
        )
    )


def check_author(author: Author, user: VihfUser) -> None:
    """Refuse a set whose author is not the user and structure of the VIHF, as the DMP does ("Aucun AuthorInstitution
    ne correspond à l'utilisateur du VIHF"). Raises MetadataError `DMP_AUTHOR_VIHF`.
    """
    institution = components(author.institution)
    structure = institution[9] if len(institution) > 9 else ""
    for path, found, wanted in (
        ("submission_set.author.person", components(author.person)[0], user.subject),
        ("submission_set.author.institution", structure, user.structure_id),
    ):
        if found != wanted:
            raise MetadataError(
                "the author of the submission set is not the user of the VIHF", code="DMP_AUTHOR_VIHF", path=path,
                rule="submission set author = VIHF user and structure",
                hint="let the actor practise in the structure of settings.dmp.structure_id, or leave that setting out",
                hint_fr="L'auteur de l'envoi et l'utilisateur authentifié diffèrent : envoi refusé.",
            )  # fmt: skip
