"""The official ANS archives and foreign ones: read, compared with published hashes, rebuilt."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sunes_sdk.errors import MetadataError
from sunes_sdk.mss import Emitter, read_archive, write_archive
from sunes_sdk.testing import samples as people

# name, size and SHA-1 of DOC0001.XML, uniqueId, action: recomputed from the archives by another program.
VECTORS = [
    ("LDL-SES_2022.01", 76608, "8BF873EC400A1D84BEFBA94601193B3CFB574E7B", "1.2.250.1.213.1.1.1.29.2022.1.1", ""),
    (
        "BIO-CR-BIO_2024.01_Microbiologie_V2", 173157, "D88AA33886104183F2BD8184C2033DD802F563C8",
        "1.2.250.1.213.1.1.1.55.2024.8.2", "C",
    ),
    ("BIO-CR-BIO_2024.01_TSH_1", 135178, "7B3027C3BB32EFA033EB8BFA70A2E0C58C4DE422",
     "1.2.250.1.213.1.1.1.55.2024.9.1", ""),
    ("IMG_CR_IMG_2024.01_CDA-R2-Niveau-1", 108854, "BE2B7BBB7331DD41BD8C15CEF57ED2AAF1A94B7C",
     "1.2.250.1.213.1.1.1.45.2024.2.1", "C"),
    ("eP-MED-DM_2024.01_PosoStruct", 227488, "BF85CF0D0E276165809AD44E280C4FADC28793D5",
     "1.2.250.1.213.1.1.1.39.2024.2.1", ""),
]  # fmt: skip
EMITTER = Emitter(organization=people.hospital(), software=people.software(), contact="Médecine interne")


def official(samples: Path, name: str) -> bytes:
    file = samples / "xdm" / "ans" / name / "IHE_XDM.ZIP"
    if not file.is_file():
        pytest.skip(f"{name} is not in SUNES_SAMPLES")
    return file.read_bytes()


def foreign(samples: Path, name: str) -> bytes:
    file = samples / "xdm" / "nist" / name
    if not file.is_file():
        pytest.skip(f"{name} is not in SUNES_SAMPLES")
    return file.read_bytes()


@pytest.mark.samples
@pytest.mark.parametrize(("name", "size", "sha1", "unique_id", "action"), VECTORS)
def test_official_archives(samples: Path, name: str, size: int, sha1: str, unique_id: str, action: str) -> None:
    archive = read_archive(official(samples, name))
    (document,) = archive.documents
    assert (len(document.content), document.entry.hash, document.entry.unique_id, document.entry.action) == (
        size, sha1.lower(), unique_id, action,
    )  # fmt: skip
    assert document.header is not None
    assert document.entry.type_code is not None
    assert document.header.code.code == document.entry.type_code.code
    assert not archive.report, str(archive.report)


@pytest.mark.samples
@pytest.mark.parametrize("name", [vector[0] for vector in VECTORS])
def test_rebuilt_official_archives_say_the_same(samples: Path, name: str) -> None:
    first = read_archive(official(samples, name)).subsets[0]
    (document,) = first.documents
    if document.entry.action == "C" and document.header is not None and document.header.replaces is None:
        with pytest.raises(MetadataError) as e:
            rebuild(first)
        assert e.value.code == "XDM_REPLACES_NOTHING"
        return
    again = read_archive(rebuild(first), strict=True).subsets[0]
    assert again.documents[0].content == document.content
    assert again.documents[0].entry == document.entry
    assert again.submission.submission_set == first.submission.submission_set


def rebuild(subset: object) -> bytes:
    from sunes_sdk.mss import Subset

    assert isinstance(subset, Subset)
    assert subset.submission.submission_set is not None
    return write_archive(
        [(d.entry, d.content) for d in subset.documents],
        subset.submission.submission_set,
        emitter=EMITTER,
        at=datetime(2026, 1, 15, 9, 30, tzinfo=UTC),
    )


@pytest.mark.samples
def test_our_archive_has_the_layout_of_the_official_ones(samples: Path, tmp_path: Path) -> None:
    theirs = official(samples, "LDL-SES_2022.01")
    ours = rebuild(read_archive(theirs).subsets[0])
    (tmp_path / "theirs.zip").write_bytes(theirs)
    (tmp_path / "ours.zip").write_bytes(ours)
    with zipfile.ZipFile(tmp_path / "theirs.zip") as a, zipfile.ZipFile(tmp_path / "ours.zip") as b:
        looks = [
            [(i.filename, i.create_system, i.flag_bits, i.external_attr, i.create_version) for i in z.infolist()]
            for z in (a, b)
        ]
        assert looks[0] == looks[1]


@pytest.mark.samples
def test_foreign_archive_whose_document_is_another(samples: Path) -> None:
    """Its macOS files are left aside, its document is found, and has not the id that the metadata say."""
    with pytest.raises(MetadataError) as e:
        read_archive(foreign(samples, "CCDA_Ambulatory_in_XDM.zip"))
    assert (e.value.code, e.value.path) == ("DOCUMENT_ID_MISMATCH", "IHE_XDM/SUBSET01/CCDA_Ambulatory.xml")


@pytest.mark.samples
def test_foreign_minimal_archive(samples: Path) -> None:
    (document,) = read_archive(foreign(samples, "xdm_minimal.zip")).documents
    assert (document.entry.unique_id, document.header) == ("1.2.3.4.5", None)


@pytest.mark.samples
def test_foreign_archive_of_the_old_standard(samples: Path) -> None:
    with pytest.raises(MetadataError) as e:
        read_archive(foreign(samples, "lynn-xdm.zip"))
    assert e.value.code == "METADATA_OLD_EBXML"


@pytest.mark.samples
def test_unzip_finds_nothing_to_say(samples: Path, tmp_path: Path) -> None:
    unzip = shutil.which("unzip")
    if unzip is None:
        pytest.skip("unzip is not installed")
    file = tmp_path / "IHE_XDM.ZIP"
    file.write_bytes(rebuild(read_archive(official(samples, "LDL-SES_2022.01")).subsets[0]))
    done = subprocess.run([unzip, "-t", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "No errors detected" in done.stdout
