"""Headers with every optional part, for the tests of the header (unit and conformance)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import DischargeLetter, Issuer, OperativeReport, ccam
from sunes_sdk.cda.datatypes import PS_ROOT
from sunes_sdk.cda.header_writer import (
    Authenticator,
    Consent,
    EncounterParticipant,
    Order,
    Participant,
    ServiceEvent,
)
from sunes_sdk.model import (
    Address,
    Code,
    Device,
    Guardian,
    Identifier,
    Patient,
    RelatedPerson,
    Telecom,
)
from sunes_sdk.terminology import code as terminology_code
from sunes_sdk.testing import samples

PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>\nstartxref\n0\n%%EOF\n"
HOME = Address(house_number="28", street_name="Avenue de Breteuil", postal_code="75007", city="PARIS", use="H")
PHONE = Telecom(value="tel:+33144534551", use="MC")
DAY = timedelta(days=1)


def issuer(seed: int = 1) -> Issuer:
    return Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(seed), clock=FixedClock(samples.WRITTEN))


def device() -> Device:
    return Device(
        identifier=Identifier(value=f"3{samples.FINESS}/POSTE-12", root=PS_ROOT),
        role="AUTOMATE",
        model="Moniteur",
        software="DPI de démonstration 1.0",
        organization=samples.hospital(),
    )


def snr() -> Device:
    return Device(
        identifier=Identifier(value="compte-42", root="1.2.250.1.213.9.7"),
        role="SNR",
        model="Service de suivi",
        software="Suivi 2.1",
    )


def full_patient() -> Patient:
    mother = Guardian(
        family="PAT-UN", given="Ruth", relationship="MTH", addresses=(HOME,), telecoms=(PHONE,)
    )  # fmt: skip
    return samples.patient(
        guardians=(mother, Guardian(organization=samples.hospital())),
        birth_country="FRANCE",
        birth_site="Maternité",
        deceased=True,
        deceased_at=samples.DISCHARGED,
        multiple_birth=True,
        birth_order=2,
    )


def full_header() -> dict[str, Any]:
    """Every optional part of the header at once."""
    hospital = samples.hospital()
    doctor = samples.physician(
        am_number="751234567", addresses=(Address(lines=("Service de médecine", "75013 PARIS"), use="WP"),),
        telecoms=(Telecom(value="tel:+33123456780", use="DIR"), Telecom(value="mailto:charles.david@demo.fr")),
    ).at(hospital)  # fmt: skip
    practitioner = samples.general_practitioner().at(hospital)
    in_charge = practitioner.model_copy(update={"function": terminology_code("JDV_J47", "PCP")})
    nurse = samples.physician(rpps="01234567913", profession="60", specialty=None, title=None).at(hospital)
    return {
        "patient": full_patient(),
        "author": doctor.model_copy(update={"function": terminology_code("JDV_J47", "ATTPHYS")}),
        "co_authors": (practitioner, device(), snr(), samples.patient()),
        "data_enterer": nurse,
        "informants": (
            practitioner,
            samples.patient(),
            RelatedPerson(
                relation="NOK", family="PAT-UN", given="Ruth", relationship="MTH", addresses=(HOME,), telecoms=(PHONE,)
            ),
            RelatedPerson(relation="ECON", family="PAT-DEUX"),
        ),
        "custodian": hospital,
        "stay": samples.stay(responsible=doctor),
        "recipients": (practitioner,),
        "authenticators": (Authenticator(actor=practitioner, time=samples.WRITTEN),),
        "participants": (
            Participant(type_code="INF", actor=in_charge),
            Participant(type_code="REF", actor=practitioner, high=samples.ADMITTED),
            Participant(type_code="CON", actor=doctor, low=samples.ADMITTED, high=samples.DISCHARGED),
            Participant(type_code="VRF", actor=doctor, low=samples.ADMITTED, class_code="AGNT"),
        ),
        "placer_orders": (
            Order(
                id=Identifier(value="D-1", root="1.2.250.1.213.9.4"),
                accession=Identifier(value="A-1", root="1.2.250.1.213.9.5"),
            ),
            Order(id=Identifier(value="D-2", root="1.2.250.1.213.9.4")),
        ),
        "further_events": (
            ServiceEvent(code=ccam("HHFA001", "Appendicectomie"), start=samples.ADMITTED, stop=samples.ADMITTED + DAY),
            ServiceEvent(code=Code(code="J18", system="2.16.840.1.113883.6.3", display="Pneumopathie")),
        ),
        "consents": (
            Consent(
                id=Identifier(value="C-1", root="1.2.250.1.213.9.6"),
                code=Code(code="CONS", system="1.2.250.1.213.9.8", display="Consentement"),
            ),
        ),
        "encounter_participants": (
            EncounterParticipant(type_code="ADM", actor=practitioner, low=samples.ADMITTED),
            EncounterParticipant(type_code="DIS", actor=doctor),
        ),
        "discharge_disposition": Code(code="ORG-089", system="1.2.250.1.213.2.14", display="Domicile"),
        "facility_category": Code(code="355", system="1.2.250.1.71.4.2.2", display="Centre Hospitalier (C.H.)"),
        "facility_located": True,
        "transforms": "1.2.250.1.213.9.2.1.77",
    }  # fmt: skip


def letter(**changes: Any) -> DischargeLetter:
    return samples.discharge_letter(**changes)


def report(**changes: Any) -> OperativeReport:
    values: dict[str, Any] = {
        "patient": samples.patient(),
        "author": samples.physician().at(samples.hospital()),
        "custodian": samples.hospital(),
        "stay": samples.stay(),
        "body": PDF,
        "act": ccam("HHFA001", "Appendicectomie"),
        "performed_at": samples.ADMITTED,
    }
    return OperativeReport(**values | changes)


def foreign_birth() -> Patient:
    """Born abroad: the COG is 99 and the country; the day of birth is not known."""
    identity = samples.patient().identity
    traits = identity.traits.model_copy(update={"birth_place": "99109", "birth_date": "1979-00-00"})
    return samples.patient(
        identity=identity.model_copy(update={"traits": traits}), birth_city=None, birth_country="ALLEMAGNE",
        deceased=False, deceased_at=None, multiple_birth=False,
    )  # fmt: skip


def dead_on_a_day() -> Patient:
    return samples.patient(deceased=True, deceased_at=date(2026, 1, 15))
