"""Official messages read by our SOAP and MTOM readers."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sunes_sdk.transport import soap


def test_official_submission(samples: Path) -> None:
    """SOAP 1.1 envelope, MTOM with LF line ends inside, official attachments: the signature part is the vector."""
    raw = (samples / "dmp/gie/TD2.1_-_Alimentation_requete.xml").read_bytes()
    boundary = raw.split(b"\n", 1)[0].strip()[2:].decode()
    answer = soap.parse(raw, f'multipart/related; start="<rootpart@soapui.org>"; boundary="{boundary}"')
    assert answer.action == "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
    signature = answer.parts["WS_DMP_TD2.1-SignatureXades.xml"]
    assert hashlib.sha1(signature).hexdigest() == "b4f6eb16dc12f9220eeb9c79287a92387db47ee5"
    documents = answer.body.findall("{urn:ihe:iti:xds-b:2007}Document")
    assert {len(answer.binary(d)) for d in documents} == {len(p) for p in answer.parts.values()}


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("TD2.1_-_Alimentation_reponse.xml", "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-bResponse"),
        ("TD3.1_-_Recherche_de_document_reponse.xml", "urn:ihe:iti:2007:RegistryStoredQueryResponse"),
        ("TD3.2_-_Consultation_d_un_document_reponse.xml", "urn:ihe:iti:2007:RetrieveDocumentSetResponse"),
        ("TD3.3c_-_Supprimer_un_document_reponse.xml", "urn:ihe:iti:2010:UpdateDocumentSet-Response"),
        ("TD0.2_-_Test_d_existence_reponse.xml", "urn:hl7-org:v3:PRPA_IN201308UV02"),
    ],
)
def test_official_answers(samples: Path, name: str, action: str) -> None:
    answer = soap.parse((samples / "dmp/gie" / name).read_bytes(), "application/soap+xml")
    assert answer.action == action
    assert answer.relates_to.startswith("urn:uuid:")
