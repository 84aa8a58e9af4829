"""Frames of the official messages: named as the guide names them, and nobody in their masked copies."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sunes_sdk.dmp.frames import transaction_name
from sunes_sdk.transport.masked_frame import mask_body

ACTION = re.compile(rb"Action[^>]*>\s*([^<\s]+)")
MATRICULE = re.compile(r"[1278][0-9]{14}")
PEOPLE = re.compile(r"PID-5\|([^<]*)|<(?:\w+:)?(?:given|family)[^>]*>([^<]+)<|authorPerson.*?Value>([^<]+)<", re.DOTALL)
TAG = re.compile(r"<[A-Za-z][\w:.-]*")
MESSAGES = (
    ("TD0.2_-_Test_d_existence", "TD0.2"),
    ("TD2.1_-_Alimentation", "TD2.1"),
    ("TD3.1_-_Recherche_de_document", "TD3.1"),
    ("TD3.2_-_Consultation_d_un_document", "TD3.2"),
    ("TD3.3c_-_Supprimer_un_document", "TD3.3c"),
)


@pytest.mark.parametrize(("stem", "name"), MESSAGES)
def test_a_request_has_the_name_of_its_transaction(samples: Path, stem: str, name: str) -> None:
    request = (samples / f"dmp/gie/{stem}_requete.xml").read_bytes()
    found = ACTION.search(request)
    assert found is not None
    assert transaction_name(found[1].decode(), request) == name


@pytest.mark.parametrize("stem", [stem for stem, _ in MESSAGES])
def test_a_masked_message_names_nobody(samples: Path, stem: str) -> None:
    for end in ("requete", "reponse"):
        message = (samples / f"dmp/gie/{stem}_{end}.xml").read_bytes()
        text = message.decode()
        said = {part for groups in PEOPLE.findall(text) for group in groups for part in group.split("^")}
        personal = {part for part in said if re.fullmatch(r"[A-Za-zÀ-ÿ' -]{4,}", part)} | set(MATRICULE.findall(text))
        first = text.partition("\n")[0].strip()  # a package is kept without its HTTP header
        kind = f'multipart/related; boundary="{first[2:]}"' if first.startswith("--") else "application/soap+xml"
        masked = mask_body(kind, message).decode()
        assert personal or end == "reponse"
        assert not [part for part in personal if part in masked]
        envelope = re.search(
            r"<(?:\w+:)?Envelope.*Envelope>", re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL), re.DOTALL
        )
        assert envelope is not None
        assert len(TAG.findall(masked)) == len(TAG.findall(envelope[0]))


@pytest.mark.parametrize(
    ("action", "request_", "name"),
    [
        ("urn:ihe:iti:2007:RegistryStoredQuery", b'returnType="ObjectRef"', "DMP_3.1b"),
        ("urn:hl7-org:v3:PRPA_IN201307UV02", b'code="CNSLT_DATA"', "TD1.3a"),
        ("urn:hl7-org:v3:PRPA_IN201305UV02", b"", "TD0.5"),
        ("urn:ihe:iti:2010:UpdateDocumentSet", b">urn:asip:ci-sis:2010:StatusType:Archived<", "TD3.3d"),
        ("urn:ihe:iti:2010:UpdateDocumentSet", b"MASQUE_PS", "TD3.3a"),
        ("urn:si-dmp-habilitations:HabilitationsEndPoint:setAuthorization", b"", "TD0.3"),
        ("urn:other:thing", b"", "thing"),
        ("", b"", ""),
    ],
)
def test_what_in_a_request_tells_transactions_apart(action: str, request_: bytes, name: str) -> None:
    assert transaction_name(action, request_) == name
