"""A *compte rendu d'examens biologiques* (CR-BIO 2024.01) with all it may hold, written to a file and checked.

    python examples/cda_laboratory_report.py [FOLDER]

Prints the name of the file and the number of findings. The people are published test people, the results are invented.
"""

import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from sunes_sdk.cda import (
    ATC,
    AWAITING_LOINC,
    BIOCHEMISTRY,
    HEMATOLOGY,
    MICROBIOLOGY,
    NABM,
    NCBI_TAXONOMY,
    PROTEINS,
    Antibiogram,
    AttachedPdf,
    Battery,
    Chapter,
    ExaminationReason,
    Interval,
    Isolate,
    Issuer,
    LaboratoryReport,
    LaboratoryResult,
    Measure,
    Medicine,
    PerformingLaboratory,
    Picture,
    PreviousResult,
    Problem,
    ReferenceRange,
    Specimen,
    SubChapter,
    Vaccination,
    VaccinationKind,
    Validation,
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
LOINC, SNOMED_CT, REAGENTS = "2.16.840.1.113883.6.1", "2.16.840.1.113883.6.96", "1.2.250.1.213.2.3.5"
CIM_10 = "2.16.840.1.113883.6.3"
# Your own files: Path("compte_rendu.pdf").read_bytes(), a PDF/A-1; Path("trace.jpg").read_bytes().
PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>\nstartxref\n0\n%%EOF\n"
JPEG = b"\xff\xd8\xff\xe0 a picture"


def loinc(code: str, label: str) -> Code:
    return Code(code=code, system=LOINC, display=label, system_name="LOINC")


# Who and where. -----------------------------------------------------------------------------------------------------
address = Address(street_name="1 place de l'Hôpital", postal_code="75013", city="PARIS")
phone = (Telecom(value="tel:+33123456789"),)
hospital = Organization(
    name="Hôpital de démonstration", finess_geo="0B0127189", finess_ej="0B0127189", address=address, telecoms=phone
)
laboratory = Organization(
    name="Laboratoire de l'hôpital",
    finess_geo="0B0127189",
    finess_ej="0B0127189",
    facility_type="SA25",
    address=address,
    telecoms=phone,
)
other_laboratory = Organization(
    name="Laboratoire spécialisé", finess_geo="0B0127189", facility_type="SA25", address=address, telecoms=phone
)
biologist = Professional(
    rpps="01234534765", family="CAMPARINI", given="Marcel", specialty="SM03", civility="M", title="DR"
).at(laboratory)
specialist = Professional(rpps="01234567889", family="DE SANTS", given="Jean", specialty="SM03").at(other_laboratory)
prescriber = Professional(rpps="01234567897", family="DAVID", given="Charles", specialty="SM27").at(hospital)
nurse = Professional(rpps="01234567893", family="BLEEDER", given="Roberta", profession="60").at(hospital)
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
)

# When. --------------------------------------------------------------------------------------------------------------
collected_at = datetime(2026, 1, 14, 7, 35, tzinfo=PARIS)
received_at = collected_at + timedelta(minutes=40)
observed_at = collected_at + timedelta(hours=4)
released_at = collected_at + timedelta(hours=8)
stay = Stay(
    visit=Identifier(value="2600012345", root=f"{OUR_ROOT}.1.2"),
    admitted_at=datetime(2026, 1, 10, 9, 0, tzinfo=PARIS),
    organization=hospital,
    responsible=prescriber,
)
validated = (Validation(biologist=biologist, at=released_at),)
done_elsewhere = PerformingLaboratory(director=specialist, performed_at=observed_at)

# Biochemistry: sub-chapters, reference ranges, an earlier result, a value below the limit of detection. ---------------
tsh = LaboratoryResult(
    code=loinc("3016-3", "Thyréostimuline [Arbitraire/Volume] Sérum/Plasma ; Numérique"),
    label="TSH",
    value=Measure(value=Decimal("1.950"), unit="m[IU]/L"),
    interpretation="N",
    reference=ReferenceRange(low=Decimal("0.270"), high=Decimal("4.200")),
    observed_at=observed_at,
    method="ECL",
    previous=(
        PreviousResult(
            value=Measure(value=Decimal("2.1"), unit="m[IU]/L"), observed_at=observed_at - timedelta(days=90)
        ),
    ),
)
crp = LaboratoryResult(
    local_code=Code(code="CRP-US", system=AWAITING_LOINC, display="CRP ultrasensible"),
    value=Interval(high=Decimal("0.6"), high_inclusive=False, unit="mg/L"),
    comment="Sous la limite de détection.",
)
biochemistry = Chapter(
    code=BIOCHEMISTRY,
    sub_chapters=(
        SubChapter(code=BIOCHEMISTRY, title="Bilan thyroïdien", results=(tsh,), validations=validated),
        SubChapter(code=BIOCHEMISTRY, title="Inflammation", results=(crp,), comment="Bilan à jeun."),
    ),
)

# Haematology: a battery, an examination that could not be made. -------------------------------------------------------
blood_count = Battery(
    title="Numération formule sanguine",
    code=loinc("58410-2", "Numération sanguine automatisée [Groupe] Sang"),
    results=(
        LaboratoryResult(
            code=loinc("718-7", "Hémoglobine [Masse/Volume] Sang ; Numérique"),
            value=Measure(value=Decimal("13.2"), unit="g/dL"),
            reference=ReferenceRange(low=Decimal("12"), high=Decimal("16"), sex="F"),
        ),
        LaboratoryResult(
            code=loinc("17849-1", "Réticulocytes/100 érythrocytes [Nombre relatif] Sang ; Numérique"),
            status="aborted",
            comment="Tube insuffisant.",
        ),
    ),
)
hematology = Chapter(code=HEMATOLOGY, results=(blood_count,), validations=validated)

# Proteins: sent to another laboratory, with the picture of the tracing. -----------------------------------------------
proteins = Chapter(
    code=PROTEINS,
    title="Électrophorèse des protéines",
    results=(
        LaboratoryResult(
            code=loinc("2885-2", "Protéine [Masse/Volume] Sérum/Plasma ; Numérique"),
            value=Measure(value=Decimal("71"), unit="g/L"),
        ),
    ),
    pictures=(Picture(data=JPEG, caption="Tracé électrophorétique"),),
    performer=done_elsewhere,
    validations=(*validated, Validation(biologist=specialist, at=observed_at)),
)

# Microbiology: the sample, the germ, its antibiogram. -----------------------------------------------------------------
urine = Specimen(
    identifier=Identifier(value="E-260114-1", root=f"{OUR_ROOT}.1.6"),
    specimen_type="UR",
    collected_at=collected_at,
    received_at=received_at,
    act=Code(code="5201", system=NABM, display="EX MICROBIO URINES (ECBU)", system_name="NABM"),
    collector=nurse,
)
antibiogram = Antibiogram(
    title="Antibiogramme (CMI)",
    results=(
        LaboratoryResult(
            code=loinc("28-1", "Ampicilline [Sensibilité] Isolat ; Alphanumérique ; CMI"),
            value=Interval(low=Decimal("0.512"), unit="ug/mL"),
            interpretation="R",
            method=Code(code="BDB", system=REAGENTS, display="Antibiogramme - bandette gradient"),
        ),
        LaboratoryResult(
            code=loinc("18928-2", "Gentamicine [Sensibilité] Isolat ; Alphanumérique"), interpretation="S"
        ),
    ),
)
germ = Isolate(
    organism="Escherichia coli",
    code=Code(code="112283007", system=SNOMED_CT, display="Escherichia coli"),
    ncbi=Code(code="562", system=NCBI_TAXONOMY, display="Escherichia coli"),
    identified_at=observed_at,
    items=(antibiogram,),
)
microbiology = Chapter(
    code=MICROBIOLOGY,
    title="Examen cytobactériologique des urines (ECBU)",
    specimens=(urine,),
    results=(
        LaboratoryResult(code=loinc("5767-9", "Aspect [Aspect] Urine ; Résultat nominal"), value="clair"),
        germ,
    ),
    validations=validated,
)

tired = Problem(
    description="Asthénie fébrile depuis dix jours",
    code=Code(code="R53", system=CIM_10, display="Malaise et fatigue", system_name="CIM-10"),
    start="2026-01",
)
tetanus = Vaccination(
    vaccine=Medicine(name="VACCIN TETANIQUE PASTEUR", cis="68747507"),
    on="2009-09-28",
    kind=VaccinationKind.BOOSTER,
    lot="4456672",
    rank=2,
)
papillomavirus = Vaccination(
    vaccine=Medicine(
        name="Vaccin contre le papillomavirus",
        atc=Code(code="J07BM", system=ATC, display="vaccins contre le Papillomavirus", system_name="ATC"),
    ),
    given=False,
)

report = LaboratoryReport(
    patient=patient,
    author=biologist,
    custodian=hospital,
    stay=stay,
    recipients=(prescriber,),
    biologist=biologist,
    prescriber=prescriber,
    prescribed_at=collected_at - timedelta(hours=12),
    order=Identifier(value="2026123456", root=f"{OUR_ROOT}.1.5"),
    registration=Identifier(value="260114-0042", root=f"{OUR_ROOT}.1.5"),
    collector=nurse,
    received_at=received_at,
    released_at=released_at,
    written_at=released_at,
    chapters=(biochemistry, hematology, proteins, microbiology),
    reason=ExaminationReason(reason="Bilan d'une asthénie fébrile", problems=(tired,)),
    vaccinations=(tetanus, papillomavirus),
    comment="Résultats communiqués au service par téléphone.",
    second_intention=(AttachedPdf(title="Compte rendu du centre national de référence", data=PDF),),
    pdf_copy=PDF,
)

document = report.render(Issuer(oid_root=f"{OUR_ROOT}.2.1"))
file = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "compte_rendu_biologie.xml"
file.write_bytes(document.content)
print(file.name, len(check(document).findings))
