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
    Environment,
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


def issuer(seed: int = 1, environment: Environment = Environment.FAKE) -> Issuer:
    return Issuer(
        oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(seed), clock=FixedClock(samples.WRITTEN), environment=environment
    )  # fmt: skip


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
            ServiceEvent(code=ccam("ZBQK002", "Radiographie du thorax")),
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
        "facility_category": Code(code="355", system="1.2.250.1.213.1.6.1.378", display="Centre Hospitalier (C.H.)"),
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


Mutation = tuple[str, str, str, str]
"""Rule, document, pattern, replacement (of the first match)."""

_LINES = "<addr>" + "<streetAddressLine>x</streetAddressLine>" * 7 + "</addr>"
_AM = r'\1\2<id extension="7" root="1.2.250.1.215.300.5"></id>'
_NULLS = (
    (r"", "recordTarget"),
    (r"<recordTarget>", "patientRole"),
    (r"", "patient"),
    (r"<patient [^>]*>", "name"),
    (r"<patient [^>]*><name>", "family"),
    (r"", "author"),
    (r"<assignedAuthor [^>]*>", "id"),
    (r"", "custodian"),
    (r"", "legalAuthenticator"),
    (r"<legalAuthenticator>.*?", "assignedEntity"),
    (r"<legalAuthenticator>.*?<assignedEntity>", "id"),
    (r"", "documentationOf"),
    (r"", "serviceEvent"),
    (r"<serviceEvent>.*?", "effectiveTime"),
    (r"<serviceEvent>.*?", "performer"),
    (r"", "componentOf"),
    (r"", "encompassingEncounter"),
    (r"<encompassingEncounter>.*?", "location"),
    (r"", "healthCareFacility"),
    (r"<healthCareFacility>", "code"),
)
"""What comes before an element that may not be null, and its name."""
MUTATIONS: list[Mutation] = [
    ("CDA_H21", "header", r"<manufacturerModelName>.*?</manufacturerModelName>", r""),
    ("CDA_H21", "header", r"<softwareName>.*?</softwareName>", r""),
    ("CDA_H60", "header", r"(</assignedAuthoringDevice>)<representedOrganization>.*?</representedOrganization>", r"\1"),
    ("CDA_H50", "letter", r'(<assignedAuthor [^>]*><id extension="\d+" root=")[^"]*', r"\g<1>1.2.3"),
    ("CDA_H50", "letter", r'(<legalAuthenticator>.*?<id extension="\d+" root=")[^"]*', r"\g<1>1.2.3"),
    ("CDA_H52", "letter", r'(<representedOrganization><id extension="[^"]*" root=")[^"]*', r"\g<1>1.2.3"),
    ("CDA_H26", "letter", r'(<representedCustodianOrganization><id extension="[^"]*" root=")[^"]*', r"\g<1>1.2.3"),
    ("CDA_H25", "letter", r"(<assignedAuthor.*?)<representedOrganization>.*?</representedOrganization>", r"\1"),
    ("CDA_H25", "letter", r"(<assignedAuthor.*?)<code [^>]*></code>", r"\1"),
    ("CDA_H51", "letter", r"(<legalAuthenticator>.*?)<representedOrganization>.*?</representedOrganization>", r"\1"),
    ("CDA_H51", "letter", r"(<legalAuthenticator>.*?)<assignedPerson>.*?</assignedPerson>", r"\1"),
    ("CDA_H47", "letter", r'(<legalAuthenticator><time value="\d{8})[^"]*', r"\1"),
    ("CDA_H41", "letter", r'(<legalAuthenticator><time value="\d{14})[^"]*', r"\1"),
    ("CDA_H41", "letter", r'(<author><time value="\d{14})[^"]*', r"\1"),
    ("CDA_H41", "letter", r'birthTime value="19790328"', r'birthTime value="19790328101500"'),
    ("CDA_H20", "letter", r'extension="279035121518989"', r'extension="2 79 03 51 215 189 89"'),
    ("CDA_H53", "header", r"(<relatedDocument .*?</relatedDocument>)", r"\1\1"),
    ("CDA_H53", "replacement", r'versionNumber value="2"', r'versionNumber value="1"'),
    ("CDA_H39", "letter", r"<city>(PARIS)</city>", r"<city>\1</city><city>\1</city>"),
    (
        "CDA_H57",
        "letter",
        r"<effectiveTime>(<low [^>]*></low><high [^>]*></high>)</effectiveTime>(<responsibleParty>)",
        r'<effectiveTime nullFlavor="NI"></effectiveTime>\2',
    ),
    ("CDA_H29", "header", r"(<associatedEntity [^>]*>)(<id [^>]*></id>)", _AM),
    ("CDA_H29", "header", r"(<participant [^>]*>.*?)<time [^>]*></time>", r"\1"),
    ("CDA_H27", "letter", r"(<legalAuthenticator>.*?)(<id [^>]*></id>)", _AM),
    ("CDA_H33", "letter", r"(<performer .*?)(<id [^>]*></id>)", _AM),
    ("CDA_H23", "letter", r"<given>Charles</given>", r"<given>Charles</given><given>Henri</given>"),
    ("CDA_H15", "letter", r'family qualifier="BR"', r"family"),
    ("CDA_H38", "letter", r'value="tel:\+33144534551"', r'value="0144534551"'),
    ("CDA_H38", "letter", r'value="tel:\+33144534551"', r'value="https://a.example"'),
    ("CDA_H38", "letter", r'<telecom nullFlavor="NAV">', r'<telecom nullFlavor="NI">'),
    ("CDA_H38", "letter", r'<telecom nullFlavor="NAV">', r'<telecom nullFlavor="NA">'),
    ("CDA_H36", "letter", r'(<encompassingEncounter>.*?<high value=")20260115100000', r"\g<1>20260110090000"),
    ("CDA_H36", "header", r'(<participant typeCode="CON">.*?<high value=")20260115', r"\g<1>20260109"),
    ("CDA_H54", "header", r'(<serviceEvent>.*?<high value=")20260115100000', r"\g<1>20260110090000"),
    ("CDA_H18", "letter", r'birthTime value="19790328"', r'birthTime value="19790000"'),
    (
        "CDA_H04",
        "report",
        r'(<templateId root="1.3.6.1.4.1.19376.1.2.20"></templateId>)',
        r'\1<templateId root="1.2.250.1.213.1.1.1.29"></templateId>',
    ),
    ("CDA_H61", "header", r"(<relatedPerson><name>.*?)<family>.*?</family>", r"\1"),
    ("CDA_H61", "header", r'(relatedEntity classCode="NOK"><code code=")MTH', r"\1NOBODY"),
    ("CDA_H64", "header", r"(<consent .*?)<code [^>]*></code>", r"\1"),
    ("CDA_H66", "header", r"(<guardianPerson><name>.*?)<family>.*?</family>", r"\1"),
    ("CDA_H32", "letter", r"<performer .*?</performer>", r""),
    ("CDA_H48", "letter", r'(confidentialityCode code="N" codeSystem=")[^"]*', r"\g<1>1.2.3"),
    ("CDA_H34", "replacement", r"(<parentDocument>)<id [^>]*></id>", r'\1<id extension="1"></id>'),
    ("CDA_H44", "letter", r'(<author><time value=")[^"]*', r"\g<1>20261301"),
    ("CDA_H44", "letter", r'(<serviceEvent>.*?<high value=")\d{8}', r"\g<1>20261301"),
    ("CDA_H11", "letter", r'versionNumber value="1"', r'versionNumber value=""'),
    ("CDA_H49", "letter", r'versionNumber value="1"', r'versionNumber value="-1"'),
    ("CDA_H55", "letter", r'(healthCareFacility><code code="SA01" codeSystem=")[^"]*', r"\g<1>1.2.3"),
    ("CDA_H26", "letter", r"(<representedCustodianOrganization>.*?)(<telecom [^>]*></telecom>)", r"\1\2\2"),
    ("CDA_H13", "letter", r'(<patientRole [^>]*><id extension="\d+") root="[^"]*"', r"\1"),
    ("CDA_H39", "letter", r'<addr use="H">.*?</addr>', r'<addr use="H"></addr>'),
    ("CDA_H43", "letter", r'<addr nullFlavor="NAV"></addr>', r'<addr nullFlavor="NAV"><city>PARIS</city></addr>'),
    ("CDA_H07", "letter", r"<title>Lettre[^<]*", r"<title>   "),
    ("CDA_H37", "header", r'(<encounterParticipant [^>]*>.*?<id extension="\d+" root=")[^"]*', r"\g<1>1.2.3"),
    ("CDA_H28", "header", r'(<authenticator>.*?<id extension="\d+" root=")[^"]*', r"\g<1>1.2.3"),
    ("CDA_H56", "letter", r'<addr use="H">.*?</addr>', _LINES),
    ("CDA_H68", "letter", r"<given>DOMINIQUE MARIE-LOUISE</given>", r"<given></given>"),
    ("CDA_H68", "letter", r"(<patientRole [^>]*>)<id [^>]*></id>", r'\1<id nullFlavor="UNK"></id>'),
    ("CDA_H68", "letter", r'(<family qualifier="BR">)[^<]*', r"\1"),
    ("CDA_H28", "header", r"(<authenticator>)<time [^>]*></time>", r"\1"),
    (
        "CDA_H45",
        "replacement",
        r"<parentDocument>.*?</parentDocument>",
        r'<parentDocument nullFlavor="UNK"></parentDocument>',
    ),
    ("CDA_H45", "replacement", r"(<parentDocument>)<id [^>]*></id>", r'\1<id nullFlavor="UNK"></id>'),
    *[
        ("CDA_H45", "letter", rf"({before})<{tag}[ >].*?</{tag}>", rf'\1<{tag} nullFlavor="UNK"></{tag}>')
        for before, tag in _NULLS
    ],
]
"""What producers get wrong, beside the one mutation of each rule in `test_cda_rules`."""
