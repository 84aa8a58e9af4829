"""`IHE_XDM.ZIP`: a strict writer and a bounded, lenient reader (IHE ITI-32 *Distribute Document Set on Media*; volet
CI-SIS *Échange de documents de santé*, known second-hand; layout as in the official ANS archives).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import posixpath
import re
import struct
import urllib.parse
import uuid
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from .._core.clock import PARIS
from .._core.errors import MetadataError, SunesError, XmlSecurityError
from .._core.findings import Finding, Report, Severity
from .._core.text import fold_ascii
from .._core.xml import escape_text
from ..cda.header import II, CdaHeader
from ..cda.reader import read_header
from ..model import Organization
from ..settings import SoftwareId
from ..xds.ebrim import XDM, decode, encode
from ..xds.metadata import HAS_MEMBER, ORIGINAL, Association, DocumentEntry, Submission, SubmissionSet

SOURCE = "IHE ITI-32; CI-SIS Échange de documents de santé"
SUBSET = "IHE_XDM/SUBSET01"
ACTIONS = frozenset({"", "C", "D"})
"""Values of `urn:action:extraMetadataSlot`: first sending, replacement, deletion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a received archive may cost: bytes of the zip, entries, bytes of one entry and of all, compression ratio
    of entries over `ratio_from` bytes. Our choice: no published limit was found but the 25 MB of a message."""

    archive_bytes: int = 50 * 2**20
    entries: int = 200
    entry_bytes: int = 50 * 2**20
    total_bytes: int = 150 * 2**20
    ratio: int = 200
    ratio_from: int = 2**20


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitter:
    """Who made the archive: shown in INDEX.HTM and README.TXT. contact: a person or a service, as text."""

    organization: Organization
    software: SoftwareId
    contact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedDocument:
    """A document of an archive: its exact bytes, its metadata, and its CDA header (None when it is no CDA)."""

    path: str
    content: bytes = field(repr=False)
    entry: DocumentEntry
    header: CdaHeader | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subset:
    """One submission set of an archive. French archives have exactly one."""

    path: str
    submission: Submission
    documents: tuple[ArchivedDocument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """What was read; `report` holds warnings only, errors are raised."""

    subsets: tuple[Subset, ...]
    report: Report

    @property
    def documents(self) -> tuple[ArchivedDocument, ...]:
        return tuple(document for subset in self.subsets for document in subset.documents)


# --- writing


def write_archive(
    documents: Sequence[tuple[DocumentEntry, bytes]],
    submission_set: SubmissionSet,
    *,
    emitter: Emitter,
    at: datetime,
) -> bytes:
    """The archive of one submission set of one patient, in the layout of the official archives.

    Each document comes with its DocumentEntry, whose `uri`, `hash` and `size` are computed here on the bytes that go
    in. Same arguments, same bytes. The result is read back by the strict reader before it is returned.

    Raises MetadataError: `XDM_EMPTY`, `XDM_REPLACES_NOTHING` (action `C` without a replaced document), and all codes
    of `read_archive`.
    """
    if not documents:
        raise _error("XDM_EMPTY", "an archive holds at least one document", hint="give at least one document")
    names = tuple(f"DOC{n:04d}.XML" for n in range(1, len(documents) + 1))
    entries = tuple(
        dataclasses.replace(entry, uri=name, hash=_sha1(content), size=len(content))
        for name, (entry, content) in zip(names, documents, strict=True)
    )
    associations = tuple(
        Association(
            id=f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, f'{submission_set.id}/member{n}')}",
            type=HAS_MEMBER, source=submission_set.id, target=entry.id, slots=ORIGINAL,
        )
        for n, entry in enumerate(entries, 1)
    )  # fmt: skip
    submission = Submission(submission_set=submission_set, entries=entries, associations=associations)
    files = [("INDEX.HTM", _index(emitter)), ("README.TXT", _readme(emitter, names)), ("IHE_XDM/", b"")]
    files.append((f"{SUBSET}/", b""))
    files += [(f"{SUBSET}/{name}", content) for name, (_, content) in zip(names, documents, strict=True)]
    files.append((f"{SUBSET}/METADATA.XML", encode(submission, XDM).encode()))
    data = _zip(files, at)
    for document in read_archive(data, strict=True).documents:
        if document.entry.action == "C" and (document.header is None or document.header.replaces is None):
            raise _error("XDM_REPLACES_NOTHING", "the action is C and the document replaces nothing", document.path,
                         rule="relatedDocument[RPLC]", hint="render it from the version it replaces")  # fmt: skip
    return data


def _zip(files: Sequence[tuple[str, bytes]], at: datetime) -> bytes:
    local = at.astimezone(PARIS)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files:
            info = zipfile.ZipInfo(name, (local.year, *local.timetuple()[1:6]))
            info.create_system = 0  # FAT, as all official archives: names are 8.3, no Unix rights
            info.external_attr = 0x10 if name.endswith("/") else 0x20
            info.compress_type = zipfile.ZIP_STORED if name.endswith("/") else zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return out.getvalue()


_INDEX = """<?xml version="1.0" encoding="UTF-8"?>\r
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">\r
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="fr" lang="fr">\r
<head><title>IHE_XDM</title></head>\r
<body>\r
<p>Emetteur : {emitter}</p>\r
<p>Voir le fichier <a href="README.TXT">README.TXT</a></p>\r
</body>\r
</html>\r
"""


@functools.lru_cache(maxsize=8)
def _index(emitter: Emitter) -> bytes:
    structure = f"{emitter.organization.name} ({emitter.organization.national_id})"
    return _INDEX.format(emitter=escape_text(structure)).encode()


@functools.lru_cache(maxsize=8)
def _readme(emitter: Emitter, names: tuple[str, ...]) -> bytes:
    organization, software = emitter.organization, emitter.software
    address = organization.address
    postal = ""
    if address is not None:
        parts = address.lines or (address.house_number, address.street_name, address.postal_code, address.city)
        postal = " ".join(filter(None, parts))
    lines = [
        "Emetteur :",
        "==========",
        f"    . Nom : {emitter.contact or organization.name}",
        f"    . Organisme : {organization.name} ({organization.national_id})",
        f"    . Adresse : {postal}",
        f"    . Telephone : {next((t.value for t in organization.telecoms if t.value.startswith('tel:')), '')}",
        "",
        "Application de l'emetteur :",
        "===========================",
        f"    . Nom : {software.name}",
        f"    . Version : {software.version}",
        f"    . Editeur : {software.publisher}",
        "",
        "Instructions :",
        "==============",
        "    . Consultez ces documents dans votre logiciel de professionnel de sante,",
        "      ou lisez le fichier PDF joint au meme message.",
        "",
        "Arborescence :",
        "==============",
        "    INDEX.HTM",
        "    README.TXT",
        "    IHE_XDM",
        "        SUBSET01",
        *(f"            {name}" for name in (*names, "METADATA.XML")),
        "",
    ]
    # fold_ascii collapses blanks: the indentation is put back.
    return "\r\n".join(line[: len(line) - len(line.lstrip())] + fold_ascii(line) for line in lines).encode("ascii")


# --- reading

_READ_ERRORS = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error,
    ValueError, OSError, OverflowError, KeyError,
)  # fmt: skip
_METADATA = re.compile(r"(?:.+/)?IHE_XDM/[^/]+/METADATA\.XML", re.IGNORECASE)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]|^/|^[A-Za-z]:|(?:^|/)\.\.(?:/|$)")
_JUNK = re.compile(
    r"(?:^|/)(?:__MACOSX|\.svn|\.git)(?:/|$)|(?:^|/)(?:\._[^/]*|\.DS_Store|Thumbs\.db|[^/]*\.swp)$", re.IGNORECASE
)
_EIGHT_THREE = re.compile(r"(?:[A-Z0-9_]{1,8}/)*(?:[A-Z0-9_]{1,8}(?:\.[A-Z0-9_]{1,3})?)?")
_XML_TYPES = frozenset({"text/xml", "application/xml", "application/xslt+xml"})


def read_archive(data: bytes, limits: Limits = DEFAULT_LIMITS, *, strict: bool = False) -> Archive:
    """Read an archive in memory; nothing is ever extracted to disk.

    Files that are not the archive's (macOS, editors), a wrapper folder, lower-case names and other habits of senders
    give warnings in `.report`. `strict` raises on the first warning.

    Raises MetadataError with one of: `NOT_A_ZIP`, `TOO_BIG`, `TOO_MANY_ENTRIES`, `BOMB`, `UNSAFE_NAME`,
    `UNSAFE_ENTRY`, `DUPLICATE_NAME`, `ENCRYPTED`, `CORRUPT_ENTRY`, `METADATA_MISSING`, `METADATA_INVALID_XML`,
    `METADATA_OLD_EBXML`, `DTD_FORBIDDEN`, `DOCUMENT_MISSING`, `SIZE_MISMATCH`, `HASH_MISMATCH`, `MULTIPLE_PATIENTS`,
    `PATIENT_MISMATCH`, `DOCUMENT_ID_MISMATCH`, `UNSUPPORTED_ACTION`; in strict mode also `MULTIPLE_SUBMISSION_SETS`
    and the codes of the warnings.
    """
    return _Reader(data, limits, strict).read()


class _Reader:
    def __init__(self, data: bytes, limits: Limits, strict: bool) -> None:
        self._limits = limits
        self._strict = strict
        self._findings: list[Finding] = []
        self._zip = _open(data, limits)
        self._files: dict[str, zipfile.ZipInfo] = {}
        """By case-folded normalised name."""
        self._names: dict[str, str] = {}

    def read(self) -> Archive:
        with self._zip:
            self._list()
            subsets = tuple(self._subset(name) for name in self._metadata())
        patients = {_patient(cx) for s in subsets for cx in _patient_ids(s.submission)}
        if len(patients) > 1:
            raise _error("MULTIPLE_PATIENTS", f"the metadata name {len(patients)} patients", "METADATA.XML",
                         rule="one patient per archive", hint="refuse the archive and tell its sender",
                         hint_fr="L'archive concerne plusieurs patients : elle est refusée.")  # fmt: skip
        return Archive(subsets=subsets, report=Report.of(self._findings))

    def _warn(self, code: str, message: str, path: str = "", hint: str = "") -> None:
        if self._strict:
            raise _error(code, message, path, hint=hint)
        self._findings.append(
            Finding(code=code, message=message, path=path, severity=Severity.WARNING, source=SOURCE, hint=hint)
        )

    def _list(self) -> None:
        infos = self._zip.infolist()
        if len(infos) > self._limits.entries:
            raise _error("TOO_MANY_ENTRIES", f"{len(infos)} entries, at most {self._limits.entries} are read")
        junk = total = 0
        for info in infos:
            name = info.filename.replace("\\", "/")
            total += info.file_size
            self._check_entry(info, name)
            if _JUNK.search(name):
                junk += 1
            elif not name.endswith("/"):
                key = name.casefold()
                if key in self._files:
                    raise _error("DUPLICATE_NAME", "two entries have the same name", _shown(name),
                                 hint="refuse the archive: which one is meant cannot be known")  # fmt: skip
                self._files[key], self._names[key] = info, name
                if not _EIGHT_THREE.fullmatch(name):
                    self._warn("NAME_NOT_8_3", "the name is not 8.3 in upper case", _shown(name))
        if total > self._limits.total_bytes:
            raise _error("TOO_BIG", f"{total} bytes once inflated, at most {self._limits.total_bytes} are read")
        if junk:
            self._warn("JUNK_ENTRIES", f"{junk} entries of the sender's system were left aside")

    def _check_entry(self, info: zipfile.ZipInfo, name: str) -> None:
        where = _shown(name)
        # orig_filename keeps what follows a NUL, where Python cuts the name.
        if _UNSAFE.search(name) or "\x00" in info.orig_filename:
            raise _error("UNSAFE_NAME", "the name of an entry leaves the archive", where, hint="refuse the archive")
        if info.flag_bits & 0x1:
            raise _error("ENCRYPTED", "an entry is encrypted", where, hint="MSSanté archives are never encrypted")
        if (info.external_attr >> 16) & 0o170000 == 0o120000:
            raise _error("UNSAFE_ENTRY", "an entry is a symbolic link", where, hint="refuse the archive")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _error("UNSAFE_ENTRY", "an entry is neither stored nor deflated", where, hint="refuse the archive")
        limits = self._limits
        if info.file_size > limits.entry_bytes:
            raise _error("TOO_BIG", f"an entry of {info.file_size} bytes, at most {limits.entry_bytes} are read", where)
        if info.file_size > limits.ratio_from and info.file_size > limits.ratio * max(info.compress_size, 1):
            raise _error("BOMB", f"an entry inflates more than {limits.ratio} times", where, hint="refuse the archive")

    def _content(self, key: str) -> bytes:
        info = self._files[key]
        try:
            with self._zip.open(info) as f:
                content = f.read(info.file_size + 1)
        except _READ_ERRORS as e:
            raise _error("CORRUPT_ENTRY", "an entry cannot be inflated", _shown(self._names[key]),
                         hint="ask for the message again") from e  # fmt: skip
        if len(content) != info.file_size:
            raise _error("CORRUPT_ENTRY", "an entry is not as long as it says", _shown(self._names[key]))
        return content

    def _metadata(self) -> list[str]:
        found = sorted(key for key, name in self._names.items() if _METADATA.fullmatch(name))
        if not found:
            raise _error("METADATA_MISSING", "no METADATA.XML under IHE_XDM/<subset>/", "IHE_XDM",
                         rule=SOURCE, hint="check that the attachment is an IHE_XDM.ZIP")  # fmt: skip
        if len(found) > 1:
            self._warn("MULTIPLE_SUBMISSION_SETS", f"{len(found)} submission sets, one is the French rule")
        if self._names[found[0]].upper().startswith("IHE_XDM/") is False:
            self._warn("WRAPPER_FOLDER", "everything is inside one more folder", _shown(self._names[found[0]]))
        for name in ("index.htm", "readme.txt"):
            if name not in self._files and not any(key.endswith(f"/{name}") for key in self._files):
                self._warn("FILE_ABSENT", f"{name.upper()} is absent", name.upper())
        return found

    def _subset(self, key: str) -> Subset:
        path = self._names[key]
        submission = _decoded(self._content(key), path)
        folder = posixpath.dirname(path)
        if not submission.entries:
            raise _error("DOCUMENT_MISSING", "the metadata describe no document", path, hint="refuse the archive")
        documents, used = [], {key}
        for entry in submission.entries:
            target = self._locate(folder, entry)
            used.add(target)
            documents.append(self._document(target, entry))
        for other in self._files.keys() - used:
            if other.startswith(f"{folder.casefold()}/"):
                self._warn("UNREFERENCED_FILE", "no document of the metadata is this file", _shown(self._names[other]))
        return Subset(path=folder, submission=submission, documents=tuple(documents))

    def _locate(self, folder: str, entry: DocumentEntry) -> str:
        relative = urllib.parse.unquote(entry.uri).strip().replace("\\", "/").removeprefix("./")
        if _UNSAFE.search(relative):
            raise _error("UNSAFE_NAME", "the URI of a document leaves its folder", entry.id, hint="refuse the archive")
        key = f"{folder}/{relative}".casefold()
        if not relative or key not in self._files:
            raise _error("DOCUMENT_MISSING", "the file of a document is not in the archive", entry.id,
                         rule="Slot URI names a file beside METADATA.XML", hint="ask for the message again",
                         hint_fr="Un document annoncé manque dans l'archive.")  # fmt: skip
        return key

    def _document(self, key: str, entry: DocumentEntry) -> ArchivedDocument:
        content = self._content(key)
        path = self._names[key]
        if entry.size is None:
            self._warn("SIZE_ABSENT", "the metadata give no size", path)
        elif entry.size != len(content):
            raise _error("SIZE_MISMATCH", f"{len(content)} bytes where the metadata say {entry.size}", path,
                         rule="size = bytes of the file", hint="refuse the document: it was altered")  # fmt: skip
        if not entry.hash:
            self._warn("HASH_ABSENT", "the metadata give no hash", path)
        elif entry.hash.lower() != _sha1(content):
            raise _error("HASH_MISMATCH", "the SHA-1 is not the one of the metadata", path,
                         rule="hash = SHA-1 of the file's bytes", hint="refuse the document: it was altered",
                         hint_fr="Le document a été altéré : il est refusé.")  # fmt: skip
        if entry.action not in ACTIONS:
            raise _error("UNSUPPORTED_ACTION", "the action is neither absent, C nor D", path,
                         rule="urn:action:extraMetadataSlot", hint="refuse the document")  # fmt: skip
        if content.startswith(b"PK\x03\x04"):
            raise _error("UNSAFE_ENTRY", "a document is itself an archive", path, hint="refuse the archive")
        header = self._header(content, path) if entry.mime_type.lower() in _XML_TYPES else None
        if header is not None:
            self._compare(header, entry, path)
        return ArchivedDocument(path=path, content=content, entry=entry, header=header)

    def _header(self, content: bytes, path: str) -> CdaHeader | None:
        try:
            return read_header(content)
        except XmlSecurityError as e:
            code = "DTD_FORBIDDEN" if e.code == "XML_DTD" else "DOCUMENT_INVALID_XML"
            raise _error(code, f"a document cannot be read: {e.message}", path, hint=e.hint) from e
        except SunesError:
            self._warn("DOCUMENT_NOT_CDA", "the document is not a CDA whose header can be read", path)
            return None

    def _compare(self, header: CdaHeader, entry: DocumentEntry, path: str) -> None:
        if _oid_text(header.id) != entry.unique_id and header.id.root != entry.unique_id:
            raise _error("DOCUMENT_ID_MISMATCH", "the CDA id is not the uniqueId of the metadata", path,
                         rule="uniqueId = ClinicalDocument/id", hint="refuse the document")  # fmt: skip
        value, root = _patient(entry.patient_id)
        if not any(id_.extension == value and id_.root == root for id_ in header.patient.ids):
            raise _error("PATIENT_MISMATCH", "the patient of the CDA is not the one of the metadata", path,
                         rule="patientId is one of recordTarget/patientRole/id", hint="refuse the document",
                         hint_fr="Le patient du document n'est pas celui du message : document refusé.")  # fmt: skip
        if entry.type_code is not None and entry.type_code.code != header.code.code:
            self._warn("TYPE_CODE_MISMATCH", "the CDA code is not the typeCode of the metadata", path)


def _open(data: bytes, limits: Limits) -> zipfile.ZipFile:
    if len(data) > limits.archive_bytes:
        raise _error("TOO_BIG", f"an archive of {len(data)} bytes, at most {limits.archive_bytes} are read")
    end = _end_record(data)
    if end < 0:
        raise _error("NOT_A_ZIP", "no end-of-directory record", hint="check that the attachment is a zip, and whole")
    # zipfile builds one object for each directory entry, without bound: the directory is measured before.
    directory_bytes = struct.unpack_from("<L", data, end + 12)[0]
    if directory_bytes > limits.entries * 2048:
        raise _error("TOO_MANY_ENTRIES", "the directory of the archive is too long", hint="refuse the archive")
    if data[end - 20 : end - 16] == b"PK\x06\x07":
        raise _error("NOT_A_ZIP", "a zip64 archive is not read", rule="archives are far under 4 GB")
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except _READ_ERRORS as e:
        raise _error("NOT_A_ZIP", "the directory of the archive cannot be read", hint="ask for it again") from e


def _end_record(data: bytes) -> int:
    """Offset of the end-of-directory record, found as `zipfile` finds it; -1 when there is none."""
    size = 22
    if data[-size : -size + 4] == b"PK\x05\x06" and data[-2:] == b"\0\0":
        return len(data) - size
    found = data.rfind(b"PK\x05\x06", max(0, len(data) - size - 65536))
    return found if 0 <= found <= len(data) - size else -1


def _decoded(content: bytes, path: str) -> Submission:
    try:
        submission = decode(content)
    except XmlSecurityError as e:
        code = "DTD_FORBIDDEN" if e.code == "XML_DTD" else "METADATA_INVALID_XML"
        raise _error(code, e.message, path, hint=e.hint) from e
    except MetadataError as e:
        code = "METADATA_OLD_EBXML" if e.code == "XDS_OLD_EBXML" else "METADATA_INVALID_XML"
        raise _error(code, e.message, path, rule=e.rule, hint=e.hint) from e
    if submission.submission_set is None:
        raise _error("METADATA_INVALID_XML", "the metadata have no submission set", path, hint="refuse the archive")
    return submission


def _patient_ids(submission: Submission) -> Iterator[str]:
    sets = [submission.submission_set] if submission.submission_set else []
    yield from filter(None, (s.patient_id for s in [*sets, *submission.other_sets]))
    yield from filter(None, (entry.patient_id for entry in submission.entries))


def _patient(cx: str) -> tuple[str, str]:
    """Value and OID of a CX: what tells two patients apart."""
    parts = cx.split("^")
    authority = parts[3].split("&") if len(parts) > 3 else []
    return parts[0], authority[1] if len(authority) > 1 else ""


def _oid_text(identifier: II) -> str:
    return f"{identifier.root}^{identifier.extension}" if identifier.extension else identifier.root


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()  # mandated by IHE; protects nothing


def _shown(name: str) -> str:
    """A name fit for an error text: bounded, without control characters."""
    return re.sub(r"[^ -~]", "?", name)[:80]


def _error(
    code: str, message: str, path: str = "", *, rule: str = "", hint: str = "", hint_fr: str = ""
) -> MetadataError:
    return MetadataError(message, code=code, path=path, rule=rule or SOURCE, hint=hint, hint_fr=hint_fr)
