"""An *ordonnance de sortie* (eP-MED-DM 2024.01) with all it may hold, written to a file and checked.

    python examples/cda_prescription.py [FOLDER]

Prints the name of the file and the number of findings. The people are published test people, the content is invented.
"""

import sys
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from sunes_sdk.cda import (
    ATC,
    EDQM,
    EMDN,
    MEDICABASE,
    SMS,
    TUBE,
    DoseStep,
    DosingMode,
    Ingredient,
    Issuer,
    Measure,
    MedicationPrescription,
    Medicine,
    PregnancyStatus,
    PrescribedDevice,
    PrescribedTreatment,
    PrescriptionFlag,
    Quantity,
    QuantityRange,
    TimingEvent,
    VitalSign,
    VitalSignKind,
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
    Telecom,
    Traits,
)

OUR_ROOT = "1.2.250.1.213.9"  # replace it by the arc of your own hospital
PARIS = timezone(timedelta(hours=1))
# Your own files: the prescription as PDF/A-1, the picture of its 2D code.
PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>\nstartxref\n0\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n a picture"


def quantity(value: str, unit: str) -> Quantity:
    return Quantity(value=Decimal(value), unit=unit)


# Who and where. -----------------------------------------------------------------------------------------------------
address = Address(street_name="1 place de l'Hôpital", postal_code="75013", city="PARIS")
hospital = Organization(
    name="Hôpital de démonstration",
    finess_geo="0B0127189",
    finess_ej="0B0127189",
    address=address,
    telecoms=(Telecom(value="tel:+33123456789"),),
)
practice = Organization(name="Cabinet du Dr Dupont", finess_geo="0B0127189", facility_type="SA07", address=address)
pharmacy = Organization(name="Pharmacie de la Gare", finess_geo="0B0127189", facility_type="SA33", address=address)
prescriber = Professional(
    rpps="01234567897", family="DAVID", given="Charles", specialty="SM27", civility="M", title="DR"
).at(hospital)
usual_doctor = Professional(rpps="01234567889", family="DUPONT", given="Jeanne", specialty="SM26").at(practice)
pharmacist = Professional(rpps="01234534765", family="SAMPAIX", given="Lucien", profession="21", specialty="A").at(
    pharmacy
)
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
    identifiers=(Identifier(value="1234567890121", root=f"{OUR_ROOT}.1.1"),),
    addresses=(address,),
    telecoms=(Telecom(value="tel:+33123456780"),),
)
admitted_at = datetime(2026, 1, 10, 9, 0, tzinfo=PARIS)
discharged_at = datetime(2026, 1, 15, 10, 0, tzinfo=PARIS)
stay = Stay(
    visit=Identifier(value="2600012345", root=f"{OUR_ROOT}.1.2"),
    admitted_at=admitted_at,
    discharged_at=discharged_at,
    organization=hospital,
    responsible=prescriber,
)

# Medicines: one dose, in data and in words. --------------------------------------------------------------------------
oral = Code(code="20053000", system=EDQM, display="Voie orale", system_name="EDQM")
paracetamol = PrescribedTreatment(
    name="PARACETAMOL MYLAN 500 mg, comprimé",
    cis="63107752",
    cip="3400933516390",
    medicabase=Code(code="MV00002306", system=MEDICABASE, display="Paracétamol 500 mg comprimé", system_name="MV"),
    form=Code(code="10219000", system=EDQM, display="Comprimé", system_name="EDQM"),
    generic=Code(code="N02BE01", system=ATC, display="paracétamol", system_name="ATC"),
    ingredients=(
        Ingredient(
            name="Paracetamol",
            code=Code(code="100000090270", system=SMS, display="Paracetamol", system_name="SMS"),
            strength=quantity("500", "mg"),
        ),
    ),
    posology="1 à 2 comprimés 3 fois par jour, 3 g par jour au plus",
    start=date(2026, 1, 15),
    end=date(2026, 1, 20),
    dose=QuantityRange(low=Decimal(1), high=Decimal(2), unit="{tablet}"),
    every=quantity("8", "h"),
    flexible_hours=True,
    max_dose=quantity("3", "g"),
    route=oral,
    repeats=2,
    renewal_period=quantity("6", "mo"),
    boxes=2,
    chronic_disease=True,
    substitution_allowed=False,
    no_substitution_reason="Marge thérapeutique étroite",
    precondition="Bilan hépatique normal",
    patient_instructions="À prendre au cours d'un repas",
    dispenser_instructions="Conditionnement trimestriel",
    comment="Réévaluer à un mois",
)

# Medicines: a dose that goes down, that alternates, that depends, that is a mixture, that starts later. -------------
prednisone = PrescribedTreatment(
    name="PREDNISONE 5 mg, comprimé",
    posology="20 mg pendant 5 jours, puis 10 mg pendant 5 jours",
    mode=DosingMode.TAPERED,
    route=oral,
    steps=(
        DoseStep(
            start=date(2026, 1, 15),
            lasting=quantity("5", "d"),
            every=quantity("1", "d"),
            events=(TimingEvent.AFTER_BREAKFAST,),
            dose=quantity("20", "mg"),
        ),
        DoseStep(
            start=date(2026, 1, 20), lasting=quantity("5", "d"), every=quantity("1", "d"), dose=quantity("10", "mg")
        ),
    ),
)
warfarin = PrescribedTreatment(
    name="COUMADINE 2 mg, comprimé sécable",
    posology="1 comprimé les jours pairs, un demi les jours impairs",
    mode=DosingMode.SPLIT,
    steps=(
        DoseStep(start=date(2026, 1, 16), every=quantity("2", "d"), dose=quantity("1", "{tablet}")),
        DoseStep(start=date(2026, 1, 17), every=quantity("2", "d"), dose=quantity("0.5", "{tablet}")),
    ),
)
insulin = PrescribedTreatment(
    name="INSULINE ASPARTE 100 UI/mL",
    posology="Selon la glycémie avant le repas",
    mode=DosingMode.CONDITIONAL,
    repeats=None,
    steps=(
        DoseStep(condition="Glycémie de 1,5 à 2 g/L", dose=quantity("4", "[IU]"), events=(TimingEvent.BEFORE_MEALS,)),
        DoseStep(condition="Glycémie au-dessus de 2 g/L", dose=quantity("6", "[IU]")),
    ),
)
mixture = PrescribedTreatment(
    name="Perfusion d'antibiotiques",
    posology="Toutes les 8 heures",
    mode=DosingMode.COMBINED,
    every=quantity("8", "h"),
    rate=quantity("125", "mL/h"),
    steps=(
        DoseStep(product=Medicine(name="AMOXICILLINE 1 g, poudre"), dose=quantity("1", "g")),
        DoseStep(product=Medicine(name="METRONIDAZOLE 500 mg, solution"), dose=quantity("500", "mg")),
    ),
)
prevention = PrescribedTreatment(
    name="ATOVAQUONE PROGUANIL 250 mg/100 mg, comprimé",
    posology="1 comprimé par jour, dès la veille du départ",
    start=date(2026, 2, 1),
    end=date(2026, 2, 22),
    mode=DosingMode.DELAYED,
    prevention=True,
    not_reimbursable=True,
)
cream = PrescribedTreatment(
    name="Préparation magistrale :\n- 30 g de diprosone\n- 70 g de cérat frais de Galien",
    compounded=True,
    posology="2 applications par jour",
    site="visage",
    boxes=1,
    packaging=TUBE,
    off_label=True,
)

# Devices. -----------------------------------------------------------------------------------------------------------
bed = PrescribedDevice(
    name="Lit médical",
    emdn=Code(code="V0806", system=EMDN, display="LITS MÉDICAUX"),
    lpp="1215702",
    lpp_label="lit médical, lit + 135 kg, forfait de livraison du lit et accessoires",
    start=date(2026, 1, 15),
    end=date(2026, 3, 15),
    rental=quantity("60", "d"),
    comment="À livrer avant la sortie",
)
stockings = PrescribedDevice(name="Bas de contention, classe II", quantity=2, repeats=1)

prescription = MedicationPrescription(
    patient=patient,
    author=prescriber,
    custodian=hospital,
    stay=stay,
    written_at=discharged_at,
    discharge=True,
    treatments=(paracetamol, prednisone, warfarin, insulin, mixture, prevention, cream),
    devices=(bed, stockings),
    valid_until=discharged_at + timedelta(days=90),
    epu="01S2TBPZ2JCNZZYGHZ",
    flags=frozenset({PrescriptionFlag.AT_HOME, PrescriptionFlag.SECURED}),
    comment="Surveillance hebdomadaire de l'INR.",
    vital_signs=(
        VitalSign(kind=VitalSignKind.WEIGHT, measure=Measure(value=Decimal("55.5"), unit="kg"), at=discharged_at),
        VitalSign(kind=VitalSignKind.HEIGHT, measure=Measure(value=Decimal(170), unit="cm"), at=date(2026, 1, 10)),
    ),
    pregnancy=PregnancyStatus.ABSENT,
    replaced=usual_doctor,
    dispenser=pharmacist,
    dispense_by=discharged_at + timedelta(days=3),
    barcode=PNG,
    pdf_copy=PDF,
)

document = prescription.render(Issuer(oid_root=f"{OUR_ROOT}.2.1"))
file = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "ordonnance_de_sortie.xml"
file.write_bytes(document.content)
print(file.name, len(check(document).findings))
