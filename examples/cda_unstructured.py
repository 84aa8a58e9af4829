"""A document of any type as a file: here a scanned letter, written to a file and checked.

    python examples/cda_unstructured.py [FOLDER]

Prints the name of the file and the number of findings. The people are published test people, the content is invented.
"""

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from sunes_sdk.cda import Issuer, UnstructuredDocument, check
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
TIFF = b"II*\x00\x08\x00\x00\x00 a picture"  # Path("courrier.tif").read_bytes(); PDF/A-1 when you can

# Who and where. -----------------------------------------------------------------------------------------------------
address = Address(street_name="1 place de l'Hôpital", postal_code="75013", city="PARIS")
hospital = Organization(
    name="Hôpital de démonstration",
    finess_geo="0B0127189",
    finess_ej="0B0127189",
    address=address,
    telecoms=(Telecom(value="tel:+33123456789"),),
)
doctor = Professional(
    rpps="01234567897", family="DAVID", given="Charles", specialty="SM27", civility="M", title="DR"
).at(hospital)
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
    responsible=doctor,
)

letter = UnstructuredDocument(
    patient=patient,
    author=doctor,
    custodian=hospital,
    stay=stay,
    written_at=discharged_at,
    document_type="11488-4",
    title="Consultation d'anesthésie, courrier reçu",
    body=TIFF,
    media_type="image/tiff",
    language="en-GB",
    performed_at=admitted_at,
    ended_at=discharged_at,
)

document = letter.render(Issuer(oid_root=f"{OUR_ROOT}.2.1"))
file = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "consultation.xml"
file.write_bytes(document.content)
print(file.name, len(check(document).findings))
