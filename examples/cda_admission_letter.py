"""A *lettre de liaison à l'entrée* (LDL-EES 2022.01) with every section, written to a file and checked.

    python examples/cda_admission_letter.py [FOLDER]

Prints the name of the file and the number of findings. The people are published test people.
"""

import sys
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from sunes_sdk.cda import (
    AdmissionLetter,
    Allergy,
    AllergyKind,
    AllergyStatus,
    Certainty,
    Criticality,
    Issuer,
    Priority,
    Problem,
    ProblemKind,
    ProblemStatus,
    Procedure,
    Quantity,
    Reaction,
    Severity,
    TimingEvent,
    Treatment,
    ccam,
    check,
)
from sunes_sdk.model import (
    Address,
    Code,
    Identifier,
    Identity,
    IdentityStatus,
    Ins,
    InsOid,
    Matricule,
    Organization,
    Patient,
    Professional,
    Sex,
    Stay,
    StayClass,
    Telecom,
    Traits,
)

OUR_ROOT = "1.2.250.1.213.9"  # replace it by the arc of your own practice
PARIS = timezone(timedelta(hours=1))
CIM_10, SNOMED_CT = "2.16.840.1.113883.6.3", "2.16.840.1.113883.6.96"
CIS, EDQM = "1.2.250.1.213.2.3.1", "0.4.0.127.0.16.1.1.2.1"
PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>\nstartxref\n0\n%%EOF\n"  # stands for the letter as PDF/A-1

# Who and where. -----------------------------------------------------------------------------------------------------
hospital = Organization(
    name="Hôpital de démonstration",
    finess_geo="0B0127189",
    finess_ej="0B0127189",
    address=Address(street_name="1 place de l'Hôpital", postal_code="75013", city="PARIS"),
    telecoms=(Telecom(value="tel:+33123456789"),),
)
practice = Organization(
    name="Cabinet du Dr Dupont",
    finess_geo="0B0127189",
    facility_type="SA07",
    practice_setting="AMBULATOIRE",
    address=Address(lines=("8 rue de Lyon", "75012 PARIS")),
)
internist = Professional(
    rpps="01234567897", family="DAVID", given="Charles", profession="10", specialty="SM27", civility="M", title="DR",
    mss_address="charles.david@hopital-demo.mssante.fr",
).at(hospital)  # fmt: skip
family_doctor = Professional(
    rpps="01234567905", family="DUPONT", given="Jeanne", profession="10", specialty="SM26", civility="MME", title="DR"
).at(practice)
patient = Patient(
    identity=Identity(
        traits=Traits(
            birth_name="PAT-TROIS",
            birth_given_names="DOMINIQUE MARIE-LOUISE",
            first_given_name="DOMINIQUE",
            birth_date="1979-03-28",
            sex=Sex.FEMALE,
            birth_place="51215",
        ),
        status=IdentityStatus.QUALIFIEE,
        ins=Ins(matricule=Matricule(value="279035121518989"), oid=InsOid.NIR_TEST),
    ),
    identifiers=(Identifier(value="P-42", root=f"{OUR_ROOT}.1.1", authority="CABINET-DEMO", type_code="PI"),),
    birth_city="DOMPREMY",
)
stay = Stay(  # the hospitalisation that is asked for
    visit=Identifier(value="2600012345", root=f"{OUR_ROOT}.1.2", authority="HOPITAL-DEMO", type_code="VN"),
    admitted_at=datetime(2026, 1, 10, 9, 0, tzinfo=PARIS),
    organization=hospital,
    stay_class=StayClass.INPATIENT,
)

# What the letter says. ----------------------------------------------------------------------------------------------
treatments = (
    Treatment(
        name="AMOXICILLINE 1 g, comprimé",
        cis="60090763",
        posology="1 comprimé matin, midi et soir",
        start=date(2026, 1, 8),
        dose=Quantity(value=Decimal(1), unit="{tbl}"),
        every=Quantity(value=Decimal(8), unit="h"),
        route=Code(code="20053000", system=EDQM, display="Voie orale", system_name="EDQM"),
        comment="Sans amélioration à 48 heures",
    ),
    Treatment(
        name="SALBUTAMOL 100 µg",
        cis="67053013",
        posology="2 bouffées au lever et au coucher",
        dose=Quantity(value=Decimal(2), unit="{puff}"),
        events=(TimingEvent.WAKING, TimingEvent.BEDTIME),
        max_dose=Quantity(value=Decimal(8), unit="{puff}"),
    ),
)
allergies = (
    Allergy(
        substance="Paracétamol",
        substance_code=Code(code="67017786", system=CIS, display="PARACETAMOL", system_name="CIS"),
        kind=AllergyKind.MEDICINE_ALLERGY,
        description="Éruption une heure après la prise",
        since=date(2018, 2, 21),
        status=AllergyStatus.ACTIVE,
        criticality=Criticality.HIGH,
        severity=Severity.MODERATE,
        certainty=Certainty.CONFIRMED,
        reactions=(
            Reaction(
                description="Urticaire généralisée",
                code=Code(code="L50.0", system=CIM_10, display="Urticaire allergique", system_name="CIM-10"),
                start="2018-02",
                severity=Severity.MODERATE,
                certainty=Certainty.CONFIRMED,
                comment="Régressive sous antihistaminique",
            ),
        ),
        comment="Bilan allergologique prévu",
    ),
    Allergy(
        substance="Lait de vache",
        kind=AllergyKind.FOOD_ALLERGY,
        since="1980",
        until="1985",
        status=AllergyStatus.RESOLVED,
    ),
)
medical_history = (
    Problem(
        description="Pyélonéphrite aiguë",
        code=Code(code="N10", system=CIM_10, display="Néphrite tubulo-interstitielle aiguë", system_name="CIM-10"),
        start="2018-10",
        end="2018-11",
        status=ProblemStatus.RESOLVED,
        severity=Severity.SEVERE,
        certainty=Certainty.CONFIRMED,
        comment="Hospitalisée cinq jours",
    ),
    Problem(description="Asthme", kind=ProblemKind.DISEASE, start="1990", status=ProblemStatus.ACTIVE),
)
surgical_history = (
    Procedure(
        name="Appendicectomie",
        code=ccam("HHFA001", "Appendicectomie, par abord de la fosse iliaque"),
        start="1998",
        priority=Priority.EMERGENCY,
        comment="Suites simples",
    ),
    Procedure(
        name="Drainage pleural",
        start=date(2021, 5, 3),
        end=date(2021, 5, 7),
        site=Code(code="51185008", system=SNOMED_CT, display="thorax", system_name="SNOMED CT"),
    ),
)

letter = AdmissionLetter(
    patient=patient,
    author=family_doctor,
    custodian=practice,
    stay=stay,
    recipients=(internist,),
    referrer=family_doctor,
    treating_physician=family_doctor,
    written_at=datetime(2026, 1, 9, 18, 30, tzinfo=PARIS),
    reason="Pneumopathie hypoxémiante, échec du traitement ambulatoire",
    treatments=treatments,
    allergies=allergies,
    medical_history=medical_history,
    surgical_history=surgical_history,
    further_information="Vit seule au troisième étage.\nDirectives anticipées rédigées.",
    pdf_copy=PDF,
)

document = letter.render(Issuer(oid_root=f"{OUR_ROOT}.2.1"))
file = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "lettre_d_entree.xml"
file.write_bytes(document.content)
print(file.name, len(check(document).findings))
