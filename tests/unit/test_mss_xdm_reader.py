"""What the archive reader refuses, and what it survives. The archives here are made with `zipfile` alone."""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import zipfile
from collections.abc import Callable

import pytest

from sunes_sdk.errors import MetadataError
from sunes_sdk.mss import Archive, Limits, read_archive

INS = "279035121518989^^^&amp;1.2.250.1.213.1.4.10&amp;ISO^NH"
TEXT = b"un document"
FOLDER = "IHE_XDM/SUBSET01/"

_METADATA = """
<l:SubmitObjectsRequest xmlns:l="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0">
<RegistryObjectList xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0">
<RegistryPackage id="urn:uuid:a">
 <Classification classificationNode="urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"/>
 <ExternalIdentifier identificationScheme="urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446" value="{set_patient}"/>
</RegistryPackage>
<ExtrinsicObject id="urn:uuid:b" mimeType="{mime}">{slots}
 <ExternalIdentifier identificationScheme="urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427" value="{patient}"/>
 <ExternalIdentifier identificationScheme="urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab" value="1.2.3"/>
</ExtrinsicObject>
</RegistryObjectList></l:SubmitObjectsRequest>"""


def metadata(content: bytes = TEXT, *, mime: str = "text/plain", patient: str = INS, **slots: str) -> bytes:
    values = {
        "hash": hashlib.sha1(content).hexdigest().upper(), "size": str(len(content)), "URI": "DOC0001.XML",
    } | slots  # fmt: skip
    xml = "".join(
        f'<Slot name="{name.replace("action", "urn:action:extraMetadataSlot")}"><ValueList><Value>{value}</Value>'
        "</ValueList></Slot>"
        for name, value in values.items()
        if value
    )
    return _METADATA.format(slots=xml, mime=mime, patient=patient, set_patient=INS).encode()


def files(content: bytes = TEXT, meta: bytes | None = None) -> dict[str, bytes]:
    return {
        "INDEX.HTM": b"<html/>",
        "README.TXT": b"lisez",
        f"{FOLDER}DOC0001.XML": content,
        f"{FOLDER}METADATA.XML": metadata(content) if meta is None else meta,
    }


def zipped(entries: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if change and "DOC" in name:
                change(info)
            z.writestr(info, content)
    return out.getvalue()


def refused(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(MetadataError) as e:
        read_archive(data, limits or Limits())
    assert e.value.hint or e.value.rule
    return e.value.code


def codes(archive: Archive) -> set[str]:
    return {finding.code for finding in archive.report}


def test_a_plain_archive_is_read_without_warning() -> None:
    archive = read_archive(zipped(files()))
    (document,) = archive.documents
    assert (document.content, document.entry.unique_id, document.header) == (TEXT, "1.2.3", None)
    assert not archive.report


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x05\x06", b"not a zip at all, but long enough to be looked at"])
def test_not_a_zip(data: bytes) -> None:
    assert refused(data) == "NOT_A_ZIP"


def test_truncated_zip() -> None:
    assert refused(zipped(files())[:-30]) == "NOT_A_ZIP"


def test_limits_of_size_and_number() -> None:
    data = zipped(files())
    assert refused(data, Limits(archive_bytes=100)) == "TOO_BIG"
    assert refused(data, Limits(entries=3)) == "TOO_MANY_ENTRIES"
    assert refused(data, Limits(entry_bytes=100)) == "TOO_BIG"
    assert refused(data, Limits(total_bytes=500)) == "TOO_BIG"


def test_a_long_directory_is_refused_before_it_is_read() -> None:
    many = zipped({f"F{n:07d}": b"" for n in range(9000)})
    assert refused(many) == "TOO_MANY_ENTRIES"


def test_a_bomb_is_refused_before_it_is_inflated() -> None:
    assert refused(zipped(files(bytes(20_000_000)))) == "BOMB"


def test_a_small_well_compressed_file_is_no_bomb() -> None:
    assert read_archive(zipped(files(bytes(1_000_000)))).documents[0].content == bytes(1_000_000)


@pytest.mark.parametrize(
    "name", ["../evil", "IHE_XDM/../../evil", "/etc/passwd", "C:/x", "..\\evil", "a\x01b", "IHE_XDM/.."]
)
def test_unsafe_names(name: str) -> None:
    assert refused(zipped(files() | {name: b"x"})) == "UNSAFE_NAME"


def test_a_name_cut_by_nul_is_refused() -> None:
    data = zipped(files() | {"INDEX.HTMxEVIL": b"x"}).replace(b"INDEX.HTMxEVIL", b"INDEX.HTM\0EVIL")
    assert refused(data) == "UNSAFE_NAME"


def test_duplicate_names_in_any_case() -> None:
    assert refused(zipped(files() | {f"{FOLDER}doc0001.xml": b"x"})) == "DUPLICATE_NAME"
    assert refused(zipped(files() | {"ihe_xdm\\subset01\\DOC0001.XML": b"x"})) == "DUPLICATE_NAME"


def test_back_slashes_are_separators() -> None:
    archive = read_archive(zipped({name.replace("/", "\\"): content for name, content in files().items()}))
    assert archive.documents[0].content == TEXT


def test_encrypted_entry() -> None:
    data = bytearray(zipped(files()))
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    assert refused(bytes(data)) == "ENCRYPTED"


def test_symbolic_link() -> None:
    def link(info: zipfile.ZipInfo) -> None:
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    assert refused(zipped(files(), link)) == "UNSAFE_ENTRY"


def test_other_compression() -> None:
    def bzip2(info: zipfile.ZipInfo) -> None:
        info.compress_type = zipfile.ZIP_BZIP2

    assert refused(zipped(files(), bzip2)) == "UNSAFE_ENTRY"


def test_nested_archive() -> None:
    assert refused(zipped(files(zipped(files())))) == "UNSAFE_ENTRY"


def test_zip64_is_refused() -> None:
    data = zipped(files())
    end = data.rindex(b"PK\x05\x06")
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    assert refused(data[:end] + locator + data[end:]) == "NOT_A_ZIP"


def test_a_lying_size_is_refused() -> None:
    data = zipped(files(b"A" * 1000))
    assert refused(data.replace(struct.pack("<L", 1000), struct.pack("<L", 10))) == "CORRUPT_ENTRY"


def test_altered_bytes_are_refused() -> None:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as z:
        for name, content in files().items():
            z.writestr(name, content)
    assert refused(stored.getvalue().replace(TEXT, b"un DOCUMENT")) == "CORRUPT_ENTRY"


def test_metadata_missing_or_unreadable() -> None:
    entries = files()
    del entries[f"{FOLDER}METADATA.XML"]
    assert refused(zipped(entries)) == "METADATA_MISSING"
    assert refused(zipped(files(meta=b"<a>"))) == "METADATA_INVALID_XML"
    assert refused(zipped(files(meta=b"<a/>"))) == "METADATA_INVALID_XML"
    assert refused(zipped(files(meta=b'<!DOCTYPE a [<!ENTITY e "x">]>' + metadata().strip()))) == "DTD_FORBIDDEN"
    old = b'<a><b xmlns="urn:oasis:names:tc:ebxml-regrep:registry:xsd:2.1"/></a>'
    assert refused(zipped(files(meta=old))) == "METADATA_OLD_EBXML"


def test_metadata_at_the_top_of_the_archive_are_not_found() -> None:
    assert refused(zipped({"METADATA.XML": metadata(), "DOC0001.XML": TEXT})) == "METADATA_MISSING"


def test_a_set_without_document() -> None:
    meta = metadata()
    start, end = meta.index(b"<ExtrinsicObject"), meta.index(b"</RegistryObjectList")
    assert refused(zipped(files(meta=meta[:start] + meta[end:]))) == "DOCUMENT_MISSING"


@pytest.mark.parametrize(
    ("slot", "value", "code"),
    [
        ("hash", "0" * 40, "HASH_MISMATCH"),
        ("size", "12", "SIZE_MISMATCH"),
        ("URI", "DOC0002.XML", "DOCUMENT_MISSING"),
        ("URI", "", "DOCUMENT_MISSING"),
        ("URI", "../../INDEX.HTM", "UNSAFE_NAME"),
        ("URI", "%2e%2e/METADATA.XML", "UNSAFE_NAME"),
        ("action", "Z", "UNSUPPORTED_ACTION"),
    ],
)
def test_metadata_that_do_not_fit_the_files(slot: str, value: str, code: str) -> None:
    assert refused(zipped(files(meta=metadata(**{slot: value})))) == code


@pytest.mark.parametrize("action", ["", "C", "D"])
def test_known_actions(action: str) -> None:
    assert read_archive(zipped(files(meta=metadata(action=action)))).documents[0].entry.action == action


def test_two_patients() -> None:
    other = INS.replace("279", "179")
    assert refused(zipped(files(meta=metadata(patient=other)))) == "MULTIPLE_PATIENTS"
    other = INS.replace("4.10", "4.8")
    assert refused(zipped(files(meta=metadata(patient=other)))) == "MULTIPLE_PATIENTS"


def test_a_document_that_is_not_xml() -> None:
    assert refused(zipped(files(b"<a>", metadata(b"<a>", mime="text/xml")))) == "DOCUMENT_INVALID_XML"
    bomb = b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'
    assert refused(zipped(files(bomb, metadata(bomb, mime="text/xml")))) == "DTD_FORBIDDEN"


def test_a_document_that_is_not_a_cda_is_given_with_a_warning() -> None:
    archive = read_archive(zipped(files(b"<a/>", metadata(b"<a/>", mime="text/xml"))))
    assert codes(archive) == {"DOCUMENT_NOT_CDA"}
    assert archive.documents[0].header is None


def test_habits_of_other_senders_are_warnings() -> None:
    junk = {"__MACOSX/IHE_XDM/SUBSET01/._METADATA.XML": b"junk", "IHE_XDM/.DS_Store": b"junk"}
    wrapped = {f"Ccda/{name}": content for name, content in files().items()} | junk
    archive = read_archive(zipped(wrapped | {f"Ccda/{FOLDER}EXTRA.XML": b"x"}))
    assert codes(archive) == {"JUNK_ENTRIES", "WRAPPER_FOLDER", "UNREFERENCED_FILE", "NAME_NOT_8_3"}
    lower = {name.lower(): content for name, content in files().items()}
    assert codes(read_archive(zipped(lower))) == {"NAME_NOT_8_3"}
    bare = {name: content for name, content in files().items() if "/" in name}
    assert codes(read_archive(zipped(bare))) == {"FILE_ABSENT"}


def test_absent_hash_and_size_are_warnings() -> None:
    assert codes(read_archive(zipped(files(meta=metadata(hash="", size=""))))) == {"SIZE_ABSENT", "HASH_ABSENT"}


def test_several_submission_sets_are_all_given() -> None:
    second = {name.replace("SUBSET01", "SUBSET02"): content for name, content in files().items() if "/" in name}
    archive = read_archive(zipped(files() | second))
    assert codes(archive) == {"MULTIPLE_SUBMISSION_SETS"}
    assert [s.path for s in archive.subsets] == ["IHE_XDM/SUBSET01", "IHE_XDM/SUBSET02"]
    with pytest.raises(MetadataError) as e:
        read_archive(zipped(files() | second), strict=True)
    assert e.value.code == "MULTIPLE_SUBMISSION_SETS"


def test_errors_never_show_control_characters_of_names() -> None:
    with pytest.raises(MetadataError) as e:
        read_archive(zipped({"../\x1b[31m" + "A" * 500: b""}))
    assert "\x1b" not in str(e.value)
    assert len(e.value.path) <= 80
