"""A *compte rendu opératoire*, a PDF/A-1 with its acts, surgeon and anaesthetist, written to a file and checked.

    python examples/cda_operative_report.py [FOLDER]

Prints the name of the file and the number of findings. The people are published test people, the content is invented.
"""

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from sunes_sdk.cda import Issuer, OperativeReport, Participant, ccam, check
from sunes_sdk.model import (
    Address,
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
PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>\nstartxref\n0\n%%EOF\n"  # Path("compte_rendu.pdf").read_bytes(), a PDF/A-1

# Who and where. -----------------------------------------------------------------------------------------------------
address = Address(street_name="1 place de l'Hôpital", postal_code="75013", city="PARIS")
hospital = Organization(
    name="Hôpital de démonstration",
    finess_geo="0B0127189",
    finess_ej="0B0127189",
    address=address,
    telecoms=(Telecom(value="tel:+33123456789"),),
)
surgeon = Professional(
    rpps="01234567897", family="DAVID", given="Charles", specialty="SM04", civility="M", title="DR"
).at(hospital)
anaesthetist = Professional(rpps="01234567889", family="DE SANTS", given="Jean", specialty="SM02").at(hospital)
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
    responsible=surgeon,
)

report = OperativeReport(
    patient=patient,
    author=surgeon,
    custodian=hospital,
    stay=stay,
    written_at=admitted_at + timedelta(hours=8),
    title="Compte rendu opératoire : appendicectomie",
    act=ccam("HHFA001", "Appendicectomie, par abord de la fosse iliaque"),
    other_acts=(ccam("ZZLP025", "Anesthésie générale ou locorégionale complémentaire niveau 1"),),
    performer=surgeon,
    performed_at=admitted_at + timedelta(hours=4),
    ended_at=admitted_at + timedelta(hours=5, minutes=20),
    participants=(Participant(type_code="CON", actor=anaesthetist),),
    body=PDF,
)

document = report.render(Issuer(oid_root=f"{OUR_ROOT}.2.1"))
file = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "compte_rendu_operatoire.xml"
file.write_bytes(document.content)
print(file.name, len(check(document).findings))
