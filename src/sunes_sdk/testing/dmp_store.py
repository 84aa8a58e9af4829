"""What the fake DMP holds: patients with their authorisations, every version of every document, sets and associations.

In memory, or in a SQLite file that survives a restart.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from .._core.ids import RandomIds, uuid_texts

Status = Literal["Approved", "Deprecated", "Archived", "Deleted"]
STATUS_URNS: Final[dict[Status, str]] = {
    "Approved": "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved",
    "Deprecated": "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated",
    "Archived": "urn:asip:ci-sis:2010:StatusType:Archived",
    "Deleted": "urn:asip:ci-sis:2010:StatusType:Deleted",
}
"""Value set JDV_J52."""
MASKED: Final = "MASQUE_PS"
Mode = Literal["ACTIVE", "INTERDITE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument:
    """One version of a document that the fake accepted; the signature of a set is one too (`is_signature`).

    entry_uuid: new for each version; logical_id: new for each replacement, kept by a change of metadata; version:
    1, then one more for each change of metadata; status: `Deprecated` once replaced or followed by a version;
    submission_set_id: uniqueId of the set that brought this version; confidentiality: codes; author_ids, structures:
    PS_IdNat and Struct_IdNat of the authors and of the author of the first set.
    """

    unique_id: str
    entry_uuid: str
    type_code: str
    class_code: str
    format_code: str
    title: str
    submission_set_id: str
    ins: str = field(repr=False)
    content: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    metadata: bytes = field(repr=False)
    """The SubmitObjectsRequest as received."""
    status: Status = "Approved"
    replaces: str | None = None
    entry_id: str = "Document01"
    """`ExtrinsicObject/@id` in `metadata`."""
    logical_id: str = ""
    version: int = 1
    mime_type: str = "text/xml"
    confidentiality: tuple[str, ...] = ("N",)
    author_ids: tuple[str, ...] = ()
    structures: tuple[str, ...] = ()
    is_signature: bool = False
    registered_at: str = ""

    @property
    def masked(self) -> bool:
        return MASKED in self.confidentiality


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSet:
    """A submission set. metadata: the SubmitObjectsRequest that holds it."""

    entry_uuid: str
    unique_id: str
    ins: str = field(repr=False)
    metadata: bytes = field(repr=False)
    registered_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAssociation:
    """kind: associationType; slots: by name, in the order received."""

    uuid: str
    kind: str
    source: str
    target: str
    slots: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What a patient lets a professional or a structure do. holder: PS_IdNat or Struct_IdNat; since, last_action:
    UTC DTM; attending: the holder is the *médecin traitant*."""

    holder: str
    mode: Mode = "ACTIVE"
    since: str
    last_action: str
    attending: bool = False
    family: str = ""
    given: str = ""
    specialty: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPatient:
    """A patient with a DMP. A missing name is written `NON RENSEIGNE`, as the DMP does.

    break_glass, emergency: False when the patient opposes that access (`OPPOSITION_BRIS_DE_GLACE`,
    `OPPOSITION_ACCES_URGENCE`); birth_date: AAAAMMJJ; telecoms: URLs; address: names of HL7v3 parts with their texts.
    """

    ins: str = field(repr=False)
    is_open: bool = True
    family: str = field(default="NON RENSEIGNE", repr=False)
    usual_family: str = field(default="NON RENSEIGNE", repr=False)
    given: str = field(default="NON RENSEIGNE", repr=False)
    sex: str = field(default="U", repr=False)
    birth_date: str = field(default="", repr=False)
    telecoms: tuple[str, ...] = field(default=(), repr=False)
    address: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    attached_to_ens: bool = True
    break_glass: bool = True
    emergency: bool = True
    closing_reason: str = ""
    authorizations: tuple[Authorization, ...] = ()

    def authorization(self, holder: str) -> Authorization | None:
        return next((a for a in self.authorizations if a.holder == holder), None)

    def with_authorization(self, given: Authorization | None, holder: str) -> StoredPatient:
        others = tuple(a for a in self.authorizations if a.holder != holder)
        return replace(self, authorizations=(*others, given) if given else others)


_SCHEMA = """
CREATE TABLE IF NOT EXISTS patient (ins TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS document (
  number INTEGER PRIMARY KEY, uuid TEXT UNIQUE NOT NULL, body TEXT NOT NULL,
  content BLOB NOT NULL, signature BLOB NOT NULL, metadata BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS submission_set (
  number INTEGER PRIMARY KEY, uuid TEXT UNIQUE NOT NULL, body TEXT NOT NULL, metadata BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS association (number INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS used_id (id TEXT PRIMARY KEY);
"""
_BLOBS: Final = ("content", "signature", "metadata")


class DmpStore:
    """Not thread-safe: the fake holds its lock around each call. path: SQLite file; memory when None.

    Reads come from memory; with a file each change is written too, and `commit` makes it durable.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.patients: dict[str, StoredPatient] = {}
        self.versions: dict[str, StoredDocument] = {}
        """By entryUUID, in the order of registration."""
        self.sets: dict[str, StoredSet] = {}
        self.associations: list[StoredAssociation] = []
        self.used_ids: set[str] = set()
        self._fresh = uuid_texts(RandomIds())
        self._current: dict[str, str] = {}
        self._of_patient: dict[str, list[str]] = {}
        self._db: sqlite3.Connection | None = None
        if path is not None:
            self._db = sqlite3.connect(path, check_same_thread=False)
            self._db.executescript(_SCHEMA)
            self._load(self._db)

    # --- reading --------------------------------------------------------------------------------------------------

    def current(self, unique_id: str) -> StoredDocument | None:
        """The last version of a document."""
        uuid = self._current.get(unique_id)
        return self.versions[uuid] if uuid else None

    def current_documents(self) -> Iterator[StoredDocument]:
        """Last version of each document, signatures left out, in the order of their first registration."""
        for uuid in self._current.values():
            if not self.versions[uuid].is_signature:
                yield self.versions[uuid]

    def of_patient(self, ins: str) -> Iterator[StoredDocument]:
        """Every version of every document of a patient, in the order of registration."""
        return (self.versions[uuid] for uuid in self._of_patient.get(ins, ()))

    def by_logical_id(self, ins: str, logical_id: str) -> list[StoredDocument]:
        return [d for d in self.of_patient(ins) if d.logical_id == logical_id]

    def fresh_uuid(self) -> str:
        """An id for a new object: `urn:uuid:…`."""
        return f"urn:uuid:{next(self._fresh)}"

    # --- writing --------------------------------------------------------------------------------------------------

    def put_patient(self, patient: StoredPatient) -> None:
        self.patients[patient.ins] = patient
        if self._db is not None:
            self._db.execute("INSERT OR REPLACE INTO patient VALUES (?, ?)", (patient.ins, json.dumps(asdict(patient))))

    def put_document(self, document: StoredDocument) -> None:
        """Add a version, or change the one of the same entryUUID."""
        new = document.entry_uuid not in self.versions
        self.versions[document.entry_uuid] = document
        if new:
            self._index(document)
        if self._db is None:
            return
        values = asdict(document)
        blobs = [values.pop(name) for name in _BLOBS]
        if new:
            self._db.execute(
                "INSERT INTO document (uuid, body, content, signature, metadata) VALUES (?, ?, ?, ?, ?)",
                (document.entry_uuid, json.dumps(values), *blobs),
            )
        else:
            self._db.execute(
                "UPDATE document SET body = ? WHERE uuid = ?", (json.dumps(values), document.entry_uuid)
            )  # fmt: skip

    def put_set(self, given: StoredSet) -> None:
        self.sets[given.entry_uuid] = given
        if self._db is not None:
            values = asdict(given)
            metadata = values.pop("metadata")
            self._db.execute(
                "INSERT INTO submission_set (uuid, body, metadata) VALUES (?, ?, ?)",
                (given.entry_uuid, json.dumps(values), metadata),
            )

    def put_association(self, given: StoredAssociation) -> None:
        self.associations.append(given)
        if self._db is not None:
            self._db.execute("INSERT INTO association (body) VALUES (?)", (json.dumps(asdict(given)),))

    def use_ids(self, ids: set[str]) -> None:
        self.used_ids |= ids
        if self._db is not None:
            self._db.executemany("INSERT OR IGNORE INTO used_id VALUES (?)", [(i,) for i in sorted(ids)])

    def clear_documents(self) -> None:
        """Forget documents, sets, associations and used identifiers; patients stay."""
        for held in (self.versions, self.sets, self.associations, self.used_ids, self._current, self._of_patient):
            held.clear()
        if self._db is not None:
            for table in ("document", "submission_set", "association", "used_id"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608  names of this module
        self.commit()

    def clear_patients(self) -> None:
        self.patients.clear()
        if self._db is not None:
            self._db.execute("DELETE FROM patient")
        self.commit()

    def commit(self) -> None:
        if self._db is not None:
            self._db.commit()

    def close(self) -> None:
        if self._db is not None:
            self._db.commit()
            self._db.close()
            self._db = None

    def _index(self, document: StoredDocument) -> None:
        self._current[document.unique_id] = document.entry_uuid
        self._of_patient.setdefault(document.ins, []).append(document.entry_uuid)

    def _load(self, db: sqlite3.Connection) -> None:
        for (body,) in db.execute("SELECT body FROM patient"):
            values = _tuples(json.loads(body))
            values["address"] = tuple((name, text) for name, text in values["address"])
            values["authorizations"] = tuple(Authorization(**_tuples(a)) for a in values["authorizations"])
            self.patients[values["ins"]] = StoredPatient(**values)
        for body, *blobs in db.execute("SELECT body, content, signature, metadata FROM document ORDER BY number"):
            document = StoredDocument(**_tuples(json.loads(body)), **dict(zip(_BLOBS, blobs, strict=True)))
            self.versions[document.entry_uuid] = document
            self._index(document)
        for body, metadata in db.execute("SELECT body, metadata FROM submission_set ORDER BY number"):
            stored = StoredSet(**json.loads(body), metadata=metadata)
            self.sets[stored.entry_uuid] = stored
        for (body,) in db.execute("SELECT body FROM association ORDER BY number"):
            values = json.loads(body)
            values["slots"] = tuple((name, value) for name, value in values["slots"])
            self.associations.append(StoredAssociation(**values))
        self.used_ids.update(identifier for (identifier,) in db.execute("SELECT id FROM used_id"))


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
