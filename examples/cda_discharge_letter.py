"""A *lettre de liaison à la sortie* (LDL-SES 2022.01) with every section, written to a file and checked.

    python examples/cda_discharge_letter.py [FOLDER]

Prints the name of the file and the number of findings. The people are published test people.
"""

import sys
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from sunes_sdk.cda import (
    Allergy,
    AllergyKind,
    AllergyStatus,
    Appointment,
    Certainty,
    Criticality,
    DischargeLetter,
    DocumentStatus,
    EntryMode,
    ExitMode,
    FollowUp,
    Intent,
    Issuer,
    MedicalDevice,
    Priority,
    Procedure,
    Quantity,
    Reaction,
    Severity,
    Synthesis,
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

OUR_ROOT = "1.2.250.1.213.9"  # replace it by the arc of your own hospital
PARIS = timezone(timedelta(hours=1))
CIM_10, SNOMED_CT = "2.16.840.1.113883.6.3", "2.16.840.1.113883.6.96"
CIS, EMDN, EDQM = "1.2.250.1.213.2.3.1", "1.2.250.1.213.2.68", "0.4.0.127.0.16.1.1.2.1"

# Who and where. -----------------------------------------------------------------------------------------------------
hospital = Organization(
    name="Hôpital de démonstration",
    finess_geo="0B0127189",
    finess_ej="0B0127189",
    address=Address(street_name="1 place de l'Hôpital", postal_code="75013", city="PARIS"),
    telecoms=(Telecom(value="tel:+33123456789"),),
)
practice = Organization(name="Cabinet du Dr Dupont", finess_geo="0B0127189", finess_ej="0B0127189")
internist = Professional(
    rpps="01234567897", family="DAVID", given="Charles", profession="10", specialty="SM27", civility="M", title="DR"
).at(hospital)
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
    identifiers=(Identifier(value="1234567890121", root=f"{OUR_ROOT}.1.1", authority="HOPITAL-DEMO", type_code="PI"),),
    birth_city="DOMPREMY",
)
stay = Stay(
    visit=Identifier(value="2600012345", root=f"{OUR_ROOT}.1.2", authority="HOPITAL-DEMO", type_code="VN"),
    admitted_at=datetime(2026, 1, 10, 9, 0, tzinfo=PARIS),
    discharged_at=datetime(2026, 1, 15, 10, 0, tzinfo=PARIS),
    organization=hospital,
    stay_class=StayClass.INPATIENT,
    responsible=internist,
)

# What the letter says. ----------------------------------------------------------------------------------------------
synthesis = Synthesis(
    entry_mode=EntryMode.EMERGENCY,
    exit_mode=ExitMode.HOME,
    medical_summary="Pneumopathie communautaire, évolution favorable sous antibiotiques.\nSevrage de l'oxygène à J4.",
    mdro_search=True,
    mdro_identification="Aucun",
    adverse_events="Aucun",
    transfusion=False,
    transfusion_accidents="Sans objet",
    blood_derivatives=False,
    blood_derivative_events="Sans objet",
)
ceftriaxone = Treatment(name="CEFTRIAXONE 1 g", posology="1 g par jour", start=date(2026, 1, 10), end=date(2026, 1, 13))
amoxicillin = Treatment(
    name="AMOXICILLINE 1 g, comprimé",
    cis="60090763",
    posology="1 comprimé matin, midi et soir pendant 5 jours",
    start=date(2026, 1, 15),
    end=date(2026, 1, 20),
    dose=Quantity(value=Decimal(1), unit="{tbl}"),
    every=Quantity(value=Decimal(8), unit="h"),
    route=Code(code="20053000", system=EDQM, display="Voie orale", system_name="EDQM"),
)
care_plan = (
    Procedure(
        name="Angioscanner thoracique de contrôle",
        code=ccam("ECQH010", "Scanographie des vaisseaux du thorax et/ou du cœur [Angioscanner thoracique]"),
        start="2026-03",
        priority=Priority.ELECTIVE,
        site=Code(code="51185008", system=SNOMED_CT, display="thorax", system_name="SNOMED CT"),
    ),
    FollowUp(text="NFS et CRP de contrôle", due=date(2026, 1, 22)),
    FollowUp(text="Reprise de la marche sur 500 m", intent=Intent.GOAL),
    Appointment(
        text="Consultation de médecine interne",
        kind="EXTERNE",
        at=datetime(2026, 2, 16, 14, 30, tzinfo=PARIS),
        practitioner=internist,
    ),
    Appointment(text="Médecin traitant, dans la semaine", call_back=True),
)
devices = (
    MedicalDevice(
        name="Stimulateur cardiaque triple chambre",
        code=Code(
            code="J010104",
            system=EMDN,
            display="STIMULATEURS CARDIAQUES IMPLANTABLES TRIPLE CHAMBRE",
            system_name="EMDN",
        ),
        udi=Identifier(value="{01}00844588003288{21}10987654d321", root=f"{OUR_ROOT}.9"),
        start="2018-12",
    ),
)
allergies = (
    Allergy(
        substance="Paracétamol",
        substance_code=Code(code="67017786", system=CIS, display="PARACETAMOL", system_name="CIS"),
        kind=AllergyKind.MEDICINE_ALLERGY,
        description="Éruption une heure après la prise",
        since="2018",
        status=AllergyStatus.ACTIVE,
        criticality=Criticality.HIGH,
        severity=Severity.MODERATE,
        certainty=Certainty.CONFIRMED,
        reactions=(
            Reaction(
                description="Urticaire généralisée",
                code=Code(code="L50.0", system=CIM_10, display="Urticaire allergique", system_name="CIM-10"),
            ),
        ),
        comment="Bilan allergologique demandé",
    ),
)

letter = DischargeLetter(
    patient=patient,
    author=internist,
    custodian=hospital,
    stay=stay,
    recipients=(family_doctor,),
    treating_physician=family_doctor,
    written_at=datetime(2026, 1, 15, 10, 30, tzinfo=PARIS),
    status=DocumentStatus.APPROVED,
    reason="Pneumopathie aiguë communautaire",
    synthesis=synthesis,
    administered_treatments=(ceftriaxone,),
    discharge_treatments=(amoxicillin,),
    exam_results="Radiographie du 14/01 : foyer en nette régression.\nECBC en attente.",
    care_plan=care_plan,
    devices=devices,
    allergies=allergies,
)

document = letter.render(Issuer(oid_root=f"{OUR_ROOT}.2.1"))
file = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "lettre_de_liaison.xml"
file.write_bytes(document.content)
print(file.name, len(check(document).findings))
