"""Our rules of metadata before what the ANS and the GIE SESAM-Vitale published: what they find there, and why."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sunes_sdk import cda, xds
from sunes_sdk.transport import soap
from sunes_sdk.xds import Submission, check, check_dmp

_FORMAT = "the archive writes another scheme than JDV_J60 does"
ARCHIVES = {
    "LDL-SES_2022.01": {},
    "BIO-CR-BIO_2024.01_Microbiologie_V2": {("XDS_CODE", "format_code"): _FORMAT},
    "BIO-CR-BIO_2024.01_TSH_1": {("XDS_CODE", "format_code"): _FORMAT},
    "eP-MED-DM_2024.01_PosoStruct": {("XDS_CODE", "format_code"): _FORMAT},
    "IMG_CR_IMG_2024.01_CDA-R2-Niveau-1": {
        ("XDS_CODE", "format_code"): _FORMAT,
        ("XDS_CLASS", "class_code"): "written before ASS_X04 gave 31 to 18748-4",
    },
}
FEED = {
    ("XDS_MISSING", "hash"): "the message leaves it to the server; the CI-SIS tables ask for it",
    ("XDS_MISSING", "size"): "as the hash",
    ("XDS_CODE", "type_code"): "27899-4 left JDV_J66, where 70004-7 replaces it",
}


def found(submission: Submission) -> set[tuple[str, str]]:
    return {(f.code, f.path.rpartition(".")[2]) for f in check_dmp(submission)}


def test_the_official_documents_break_no_rule(kit: Path) -> None:
    examples = sorted((kit / "ExemplesCDA").rglob("*.xml"))
    assert len(examples) >= 12
    for path in examples:
        entry = xds.project(cda.read(path.read_bytes()))
        assert list(check_dmp(Submission(entries=(entry,)))) == [], path.name


@pytest.mark.parametrize("name", ARCHIVES)
def test_what_is_found_in_an_official_archive_is_explained(samples: Path, name: str) -> None:
    with zipfile.ZipFile(samples / "xdm" / "ans" / name / "IHE_XDM.ZIP") as archive:
        metadata = xds.decode(archive.read("IHE_XDM/SUBSET01/METADATA.XML"))
    assert found(metadata) == ARCHIVES[name].keys()
    assert list(check(metadata)) == []


def test_what_is_found_in_the_official_feed_is_explained(samples: Path) -> None:
    whole = (samples / "dmp" / "gie" / "TD2.1_-_Alimentation_requete.xml").read_bytes()
    envelope = whole[whole.index(b"<soap:Envelope") : whole.index(b"</soap:Envelope>")] + b"</soap:Envelope>"
    assert found(xds.decode(envelope.decode("utf-8", "replace").encode())) == FEED.keys()


def test_codes_alone_are_found_in_the_official_list(samples: Path) -> None:
    """A search gives old documents, with codes that the value sets dropped; the form of every person, structure,
    patient (effective dates of the INS included) and time is as we ask it to be."""
    answer = (samples / "dmp" / "gie" / "TD3.1_-_Recherche_de_document_reponse.xml").read_bytes()
    listing = xds.decode_element(soap.parse(answer, "application/soap+xml").body)
    assert len(listing.entries) > 10
    assert {code for code, _ in found(listing)} == {"XDS_CODE"}
