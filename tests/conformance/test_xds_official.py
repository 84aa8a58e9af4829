"""Official metadata read by our reader, and our metadata judged by the official schema."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from sunes_sdk import xds
from sunes_sdk._core.errors import MetadataError
from sunes_sdk.cda import read
from sunes_sdk.model import Code
from sunes_sdk.xds import Author, Submission

ARCHIVES = (
    "LDL-SES_2022.01",
    "eP-MED-DM_2024.01_PosoStruct",
    "BIO-CR-BIO_2024.01_Microbiologie_V2",
    "BIO-CR-BIO_2024.01_TSH_1",
    "IMG_CR_IMG_2024.01_CDA-R2-Niveau-1",
)
pytestmark = pytest.mark.samples


@pytest.fixture
def archive(samples: Path) -> Callable[[str], tuple[bytes, bytes]]:
    def read(name: str) -> tuple[bytes, bytes]:
        with zipfile.ZipFile(io.BytesIO((samples / "xdm" / "ans" / name / "IHE_XDM.ZIP").read_bytes())) as z:
            return z.read("IHE_XDM/SUBSET01/METADATA.XML"), z.read("IHE_XDM/SUBSET01/DOC0001.XML")

    return read


@pytest.fixture(scope="session")
def schema(samples: Path) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(samples / "dmp" / "contract" / "schema" / "ebRS" / "lcm.xsd"))


def td21(samples: Path) -> bytes:
    """The SOAP part of the official TD2.1 request."""
    whole = (samples / "dmp" / "gie" / "TD2.1_-_Alimentation_requete.xml").read_bytes()
    start = whole.index(b"<soap:Envelope")
    return whole[start : whole.index(b"</soap:Envelope>")] + b"</soap:Envelope>"


def readable(xml: bytes) -> bytes:
    """The stored request is Latin-1 in places: keep what is ASCII."""
    return xml.decode("utf-8", errors="replace").encode()


def test_reads_an_official_archive(archive: Callable[[str], tuple[bytes, bytes]]) -> None:
    metadata, document = archive("LDL-SES_2022.01")
    submission = xds.decode(metadata)
    s, (entry,) = submission.submission_set, submission.entries
    assert s is not None
    assert s.unique_id == "1.2.250.1.213.1.1.1.1.2026.5.5.639148905335676029"
    assert s.source_id == "1.2.250.1.71.4.2.2.1750803447"
    assert s.content_type is not None
    assert (s.content_type.code, s.content_type.system) == ("SA01", "1.2.250.1.71.4.2.4")
    assert entry.unique_id == "1.2.250.1.213.1.1.1.29.2022.1.1"
    assert entry.patient_id == s.patient_id == "279035121518989^^^&1.2.250.1.213.1.4.10&ISO^NH"
    assert entry.hash == "8bf873ec400a1d84befba94601193b3cfb574e7b"
    assert entry.size == len(document) == 76608
    assert entry.uri == "DOC0001.XML"
    assert entry.authors[0].specialties == ("G15_10/SM27^Médecin - Médecine interne (SM)^1.2.250.1.213.1.1.4.5",)
    assert entry.class_code is not None
    assert entry.class_code.code == "10"
    assert entry.format_code is not None
    assert entry.format_code.code == "urn:asip:ci-sis:ldl-ses:2017"
    assert len(entry.source_patient_info) == 5
    (membership,) = submission.associations
    assert (membership.type, membership.source, membership.target) == (xds.HAS_MEMBER, s.id, entry.id)


def test_reads_the_action_slot(archive: Callable[[str], tuple[bytes, bytes]]) -> None:
    assert xds.decode(archive("BIO-CR-BIO_2024.01_Microbiologie_V2")[0]).entries[0].action == "C"
    assert xds.decode(archive("BIO-CR-BIO_2024.01_TSH_1")[0]).entries[0].action == ""


def test_reads_the_official_dmp_request(samples: Path) -> None:
    submission = xds.decode(readable(td21(samples)))
    s, (document, signature) = submission.submission_set, submission.entries
    assert s is not None
    assert s.content_type is not None
    assert s.content_type.code == "04"
    assert s.author is not None
    assert s.author.person == "899900063480^MAX^LIBRE^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
    assert document.source_patient_info == ("PID-5|patb-quatre^LAURENCE^^^^^L", "PID-7|19070525", "PID-8|F")
    assert [c.code for c in signature.confidentiality] == ["N", "MASQUE_PS", "INVISIBLE_PATIENT"]
    assert [(a.type, a.source, a.target) for a in submission.associations] == [
        (xds.HAS_MEMBER, "SubmissionSet01", "DocumentME2"),
        (xds.HAS_MEMBER, "SubmissionSet01", "Signature01"),
        (xds.SIGNS, "Signature01", "SubmissionSet01"),
    ]


def test_reads_the_official_query_answer(samples: Path) -> None:
    answer = (samples / "dmp" / "gie" / "TD3.1_-_Recherche_de_document_reponse.xml").read_bytes()
    submission = xds.decode(answer)
    assert submission.submission_set is None
    entry = submission.entries[0]
    assert entry.repository_unique_id == "1.2.250.1.213.4.1.1.1.2"
    assert entry.logical_id == "urn:uuid:7953af1a-ba1c-11eb-816f-0050569e422e"
    assert entry.status.endswith(":Approved")
    assert entry.hash == "af326fb44feb720121d2c277ce10f87407818089"


def test_reads_others_metadata(samples: Path) -> None:
    """IPF's examples: other prefixes, folders and class markers beside the package."""
    submission = xds.decode((samples / "dmp" / "ipf_apache2" / "SubmitObjectsRequest_ebrs30.xml").read_bytes())
    assert submission.submission_set is not None
    assert submission.submission_set.unique_id
    assert submission.entries
    assert all(e.unique_id and e.patient_id for e in submission.entries)


@pytest.mark.parametrize("profile", [xds.DMP, xds.XDM], ids=lambda p: p.name)
@pytest.mark.parametrize("name", ARCHIVES)
def test_our_encoding_is_valid_and_says_the_same(
    name: str, profile: xds.Profile, archive: Callable[[str], tuple[bytes, bytes]], schema: etree.XMLSchema
) -> None:
    official = xds.decode(archive(name)[0])
    ours = xds.encode(official, profile).encode()
    schema.assertValid(etree.fromstring(ours))
    assert without_status(xds.decode(ours), profile) == without_status(official, profile)


def without_status(s: Submission, profile: xds.Profile) -> Submission:
    assert s.submission_set is not None
    return replace(
        s,
        submission_set=replace(s.submission_set, status=""),
        entries=tuple(
            replace(e, status="", uri=e.uri if profile.uri else "", action=e.action if profile.action else "")
            for e in s.entries
        ),
    )


def test_the_schema_refuses_a_wrong_order(
    archive: Callable[[str], tuple[bytes, bytes]], schema: etree.XMLSchema
) -> None:
    """The judge judges: our message with a Name moved last is refused."""
    root = etree.fromstring(xds.encode(xds.decode(archive("LDL-SES_2022.01")[0]), xds.DMP))
    entry = next(root.iter("{*}ExtrinsicObject"))
    name = entry.find("{*}Name")
    assert name is not None
    entry.append(name)
    assert not schema.validate(root)


def test_the_writer_refuses_what_the_schema_refuses(archive: Callable[[str], tuple[bytes, bytes]]) -> None:
    official = xds.decode(archive("LDL-SES_2022.01")[0])
    long = replace(official.entries[0], legal_authenticator="1^" + "N" * 300)
    with pytest.raises(MetadataError) as caught:
        xds.encode(replace(official, entries=(long,)), xds.DMP)
    assert caught.value.code == "XDS_TOO_LONG"
    assert "NNN" not in str(caught.value)


PROJECTED = (
    "mime_type", "unique_id", "patient_id", "type_code", "facility_type", "practice_setting", "confidentiality",
    "event_codes", "authors", "legal_authenticator", "title", "creation_time", "service_start", "service_stop",
    "language", "source_patient_id", "source_patient_info", "hash", "size",
)  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVES)
def test_our_projection_equals_the_official_metadata(name: str, archive: Callable[[str], tuple[bytes, bytes]]) -> None:
    """Attribute by attribute, over the official CDA. Not compared: ids; the format's scheme, where the archives
    contradict JDV_J60; referenceIdList, which none of them has; the action."""
    metadata, document = archive(name)
    official, ours = xds.decode(metadata).entries[0], xds.project(read(document))
    for attribute in PROJECTED:
        assert plain(getattr(ours, attribute)) == plain(getattr(official, attribute)), attribute
    assert ours.format_code is not None
    assert official.format_code is not None
    assert ours.format_code.code == official.format_code.code
    assert ours.class_code is not None
    # The level 1 imaging report says 10, the level 3 one 31: ASS_X04 decides.
    assert ours.class_code.code == ("31" if name.startswith("IMG") else plain(official.class_code)[0])
    assert xds.check(xds.Submission(entries=(ours,))).findings == ()


def plain(value: Any) -> Any:
    """A value without what does not matter: names of systems, blanks at the end of a name, the kind of apostrophe."""
    if isinstance(value, Code):
        return value.code, value.system, plain(value.display)
    if isinstance(value, Author):
        return plain(value.person), plain(value.institution), plain(value.roles), plain(value.specialties)
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value.replace("’", "'").replace(" ^", "^").strip() if isinstance(value, str) else value
