"""A *compte rendu d'imagerie médicale* (IMG-CR-IMG 2024.01) with all it may hold, written to a file and checked.

    python examples/cda_imaging_report.py [FOLDER]

Prints the name of the file and the number of findings. The people are published test people, the results are invented.
"""

import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from sunes_sdk.cda import (
    Addendum,
    AdministeredProduct,
    AttachedPdf,
    ClinicalInformation,
    Contraindication,
    ImagingAct,
    ImagingFinding,
    ImagingOrder,
    ImagingReport,
    Instance,
    Issuer,
    Measure,
    MedicalDevice,
    Picture,
    PregnancyStatus,
    Quantity,
    RadiationExposure,
    RadiationQuantity,
    ReferencePurpose,
    Series,
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
    Telecom,
    Traits,
)

OUR_ROOT = "1.2.250.1.213.9"  # replace it by the arc of your own hospital
PARIS = timezone(timedelta(hours=1))
LOINC, SNOMED_CT = "2.16.840.1.113883.6.1", "2.16.840.1.113883.6.96"
ATC, EDQM = "2.16.840.1.113883.6.73", "0.4.0.127.0.16.1.1.2.1"
HEAD_AND_NECK, WHOLE_HEAD, WHOLE_NECK, BILATERAL = "774007", "302548004", "302550007", "51440002"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
# Your own files: Path("compte_rendu.pdf").read_bytes(), a PDF/A-1; Path("coupe.jpg").read_bytes().
PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>\nstartxref\n0\n%%EOF\n"
JPEG = b"\xff\xd8\xff\xe0 a picture"


def loinc(code: str, label: str) -> Code:
    return Code(code=code, system=LOINC, display=label, system_name="LOINC")


# Who and where. -----------------------------------------------------------------------------------------------------
hospital = Organization(
    name="Hôpital de démonstration",
    finess_geo="0B0127189",
    finess_ej="0B0127189",
    address=Address(street_name="1 place de l'Hôpital", postal_code="75013", city="PARIS"),
    telecoms=(Telecom(value="tel:+33123456789"),),
)
radiologist = Professional(
    rpps="01234560801", family="BIDEAULT", given="Jacques", specialty="SM44", civility="M", title="DR"
).at(hospital)
prescriber = Professional(rpps="01234567897", family="DAVID", given="Charles", specialty="SM27").at(hospital)
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
performed_at = datetime(2026, 1, 14, 10, 30, tzinfo=PARIS)
stay = Stay(
    visit=Identifier(value="2600012345", root=f"{OUR_ROOT}.1.2"),
    admitted_at=datetime(2026, 1, 10, 9, 0, tzinfo=PARIS),
    organization=hospital,
    responsible=prescriber,
)

# A CT of the head: contrast medium, doses, two series. The UIDs come from the modality worklist and the PACS. ---------
study = f"{OUR_ROOT}.4.123.1876360"
contrast = AdministeredProduct(
    name="XENETIX 350",
    cip="3400936915657",
    atc=Code(code="V08AB11", system=ATC, display="Iobitridol", system_name="ATC"),
    dose=Quantity(value=Decimal(150), unit="mL"),
    route=Code(code="20045000", system=EDQM, display="Voie intraveineuse", system_name="EDQM"),
    lot="0002034",
    comment="Bien toléré.",
)
exposure = RadiationExposure(
    pregnancy=PregnancyStatus.ABSENT,  # said of every patient who is exposed
    quantities=(
        RadiationQuantity(kind="113813", measure=Measure(value=Decimal("1140.26"), unit="mGy.cm"), location=WHOLE_HEAD),
        RadiationQuantity(kind="113830", measure=Measure(value=Decimal("13.64"), unit="mGy"), location=WHOLE_HEAD),
        # The official list of units has no mSv: it is coded in Sv and shown in mSv.
        RadiationQuantity(kind="113839", measure=Quantity(value=Decimal("2.4"), unit="mSv"), location=WHOLE_HEAD),
    ),
    other_measures="PDS 12,3 Gy.cm² (repérage)",
)
ct = ImagingAct(
    code=loinc("24727-0", "CT tête avec contraste IV"),
    ccam=ccam(
        "ACQH004",
        "Scanographie du crâne, de son contenu et du tronc, avec injection intraveineuse de produit de contraste",
    ),
    modality="CT",
    region=HEAD_AND_NECK,
    location=WHOLE_HEAD,
    study_uid=study,
    performed_at=performed_at,
    ended_at=performed_at + timedelta(minutes=25),
    description="Acquisition hélicoïdale après injection.",
    parameters="Scanner de démonstration, 64 barrettes",
    products=(contrast,),
    complications="Aucune.",
    exposure=exposure,
    series=tuple(
        Series(
            uid=f"{study}.{n}",
            modality="CT",
            instance=Instance(
                uid=f"{study}.{n}.1",
                sop_class=CT_IMAGE,
                url=f"https://pacs.example/wado?requestType=WADO&studyUID={study}&seriesUID={study}.{n}",
                purpose=ReferencePurpose.BEST_ILLUSTRATION,
            ),
        )
        for n in (1, 2)
    ),
)
ultrasound = ImagingAct(
    code=loinc("24842-7", "Échographie cou"),
    modality="US",
    region=HEAD_AND_NECK,
    location=WHOLE_NECK,
    laterality=BILATERAL,
    study_uid=f"{OUR_ROOT}.4.123.1876361",
    performed_at=performed_at + timedelta(hours=1),
)

# What was asked, what was seen. --------------------------------------------------------------------------------------
clinical_information = ClinicalInformation(
    request_reason="Céphalées fébriles.",
    purpose="Éliminer un abcès.",
    medical_history="Hypertension artérielle.",
    contraindications=(Contraindication(code="MED-1109", comment="Prémédication"),),
)
cyst = ImagingFinding(
    code=loinc("18782-3", "Observation d'étude radiologique"), value="Kyste arachnoïdien", location=WHOLE_HEAD
)

report = ImagingReport(
    patient=patient,
    author=radiologist,
    custodian=hospital,
    stay=stay,
    recipients=(prescriber,),
    written_at=performed_at + timedelta(hours=3),
    title="CR d'imagerie médicale - Scanner du crâne",
    acts=(ct, ultrasound),
    orders=(
        ImagingOrder(
            order=Identifier(value="984375862", root=f"{OUR_ROOT}.1.5"),
            accession=Identifier(value="105234751", root=f"{OUR_ROOT}.1.7"),
        ),
    ),
    clinical_information=clinical_information,
    earlier_results="Scanner de 2024 sans anomalie.",
    comparison="Comparé au scanner du 01/12/2024.",
    results="Pas de prise de contraste anormale.",
    findings=(cyst,),
    key_images=(Picture(data=JPEG, caption="Coupe axiale passant par le kyste"),),
    conclusion="Pas d'abcès. Kyste arachnoïdien connu.",
    devices=(MedicalDevice(name="Valve de dérivation"),),
    documents=(AttachedPdf(title="Questionnaire avant injection", data=PDF),),
    addendum=Addendum(text="Relu le lendemain.", author=radiologist, at=performed_at + timedelta(days=1)),
    patient_information="Ce compte rendu vous a été expliqué.",
    comment="Images disponibles au service.",
    pdf_copy=PDF,
)

document = report.render(Issuer(oid_root=f"{OUR_ROOT}.2.1"))
file = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "compte_rendu_imagerie.xml"
file.write_bytes(document.content)
print(file.name, len(check(document).findings))
