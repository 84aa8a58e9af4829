"""The usage ledger: what happened, append-only, chained, without one identifier that names a patient or a stay.

One database holds the events of one tenant under one secret. Writers take the database's write lock for the time of
one call, so any number of threads and processes of one host may record at once (SQLite, not on a network share).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, NamedTuple, Self, get_args, get_type_hints

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from .._core.clock import Clock, SystemClock
from .._core.errors import ConfigurationError, SunesError
from .._core.redaction import mask_matricules
from ..model import Event, Identifier
from .chain import GENESIS
from .period import from_micros, to_micros
from .pseudonyms import MIN_SECRET_BYTES, STORED_BYTES, Domain, Pseudonyms

SCHEMA_VERSION = 1
BUSY_SECONDS = 30
"""How long a writer waits for another before giving up."""
CACHE_KIB = 64 * 1024
"""Keys are random: without room for their index, each event costs a page read."""
_LOOKUP = 500


class LedgerError(SunesError):
    """The ledger cannot take or give what is asked."""

    default_code = "LEDGER"


class LedgerConflictError(LedgerError):
    """An event id that is already recorded comes again with another content. Nothing of the call was recorded."""

    default_code = "LEDGER_CONFLICT"


class LedgerTamperedError(LedgerError):
    """The chain is broken: the ledger was changed by other means than `record`. `.path` says where."""

    default_code = "LEDGER_TAMPERED"


@dataclass(frozen=True, slots=True)
class FileSecret:
    """The ledger's secret in a file that only its owner may read: at least 32 bytes, taken as they are.

    Losing it makes new events impossible to join to old ones; deleting it unlinks the ledger for ever.
    """

    path: str | os.PathLike[str]

    def read(self) -> bytes:
        """Raises ConfigurationError (`LEDGER_KEY_UNREADABLE`, `LEDGER_KEY_EXPOSED`)."""
        path = Path(self.path)
        try:
            mode = path.stat().st_mode
            secret = path.read_bytes()
        except OSError as e:
            raise ConfigurationError(
                f"cannot read the ledger's secret: {e.__class__.__name__}", code="LEDGER_KEY_UNREADABLE",
                path=str(path), rule="there is no default secret", hint="make one: 32 random bytes, mode 0600",
            ) from None  # fmt: skip
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationError(
                "others than its owner may read the ledger's secret", code="LEDGER_KEY_EXPOSED",
                path=str(path), rule="mode 0600", hint="chmod 600, and change the secret if it may have leaked",
            )  # fmt: skip
        return secret


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHead:
    """How far a ledger goes: number of events, hash of the last one, when it was recorded (None when empty)."""

    count: int
    hash: bytes
    recorded_at: datetime | None = None


class Row(NamedTuple):
    """An event as the ledger keeps it: identifiers as 16-byte keys, instants as microseconds since 1970 in UTC."""

    event_key: bytes
    type: str
    schema_version: int
    occurred_at: int
    finess_ej: str | None
    finess_geo: str | None
    unit: str | None
    activity: str | None
    stay_key: bytes | None
    stay_class: str | None
    admitted_at: int | None
    discharged_at: int | None
    merged_key: bytes | None
    patient_key: bytes | None
    doc_key: bytes | None
    chain_key: bytes | None
    type_code: str | None
    format_code: str | None
    cda_level: int | None
    ins_status: str | None
    test_identity: int
    channel: str
    delivery_key: bytes | None
    attempt: int
    reason_code: str | None
    reason_class: str | None
    outcome: str | None
    actor: str | None


_COLUMN_TYPES: dict[type, type[Any]] = {bytes: sa.LargeBinary, str: sa.Text, int: sa.Integer}
# (of a column: its type, and NoneType where it may be empty)
_KINDS = {name: get_args(hint) or (hint,) for name, hint in get_type_hints(Row).items()}
_metadata = sa.MetaData()
_about = sa.Table("about", _metadata, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text))
_event = sa.Table(
    "event",
    _metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    *(sa.Column(name, _COLUMN_TYPES[kinds[0]], nullable=len(kinds) > 1) for name, kinds in _KINDS.items()),
    sa.Column("recorded_at", sa.Integer, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Index("event_by_key", "event_key", unique=True),
)
_APPEND_ONLY = tuple(
    f"CREATE TRIGGER IF NOT EXISTS event_no_{verb} BEFORE {verb} ON event "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    for verb in ("UPDATE", "DELETE")
)

_FIELDS = ", ".join(Row._fields)
_INSERT = f"INSERT INTO event (seq, {_FIELDS}, recorded_at, hash) VALUES ({', '.join('?' * (len(Row._fields) + 3))})"  # noqa: S608
_SELECT_KNOWN = f"SELECT {_FIELDS} FROM event WHERE event_key IN "  # noqa: S608
_SELECT_ALL = f"SELECT seq, {_FIELDS}, recorded_at, hash FROM event ORDER BY seq"  # noqa: S608
_SELECT_HEAD = sa.select(_event.c.seq, _event.c.hash, _event.c.recorded_at).order_by(_event.c.seq.desc()).limit(1)
_SELECT_HEAD_AT = _SELECT_HEAD.where(_event.c.recorded_at <= sa.bindparam("as_of"))
_SELECT_ABOUT = sa.select(_about.c.name, _about.c.value)

_CODE = re.compile("[^\x00-\x1f\x7f\ud800-\udfff]{1,64}")
_PEER_CODE = re.compile(r"[\w.:/+-]{1,64}", re.ASCII)
NOT_A_CODE = "NOT_A_CODE"
"""Stands for a peer's reason code that looks like free text: such text may name the patient."""


class Ledger:
    """Open one with `Ledger.open`; close it, or use it as a context manager. Safe to share between threads."""

    def __init__(self, engine: sa.Engine, *, secret: bytes, tenant: str, clock: Clock) -> None:
        self._engine = engine
        self._writer = engine.execution_options(ledger_write=True)
        self._pseudonyms = Pseudonyms(secret)
        self._key_check = hmac.digest(secret, b"sunes-usage/v1 key check", "sha256").hex()
        self._clock = clock
        self.tenant = tenant
        self._codes: set[str] = set()

    @classmethod
    def open(
        cls,
        url_or_path: str | os.PathLike[str],
        secret: bytes | FileSecret,
        tenant: str = "default",
        *,
        clock: Clock | None = None,
    ) -> Self:
        """Open a ledger, making it when it is not there (file mode 0600).

        url_or_path: a path, `sqlite:///path`, or `sqlite://` for one in memory. tenant: whose events these are.
        Raises ConfigurationError: `LEDGER_KEY_SHORT` (under 32 bytes), `LEDGER_KEY_WRONG` (not the secret it was
        made with), `LEDGER_TENANT`, `LEDGER_SCHEMA`, `LEDGER_URL`, and those of `FileSecret`.
        """
        key = secret.read() if isinstance(secret, FileSecret) else bytes(secret)
        if len(key) < MIN_SECRET_BYTES:
            raise ConfigurationError(
                f"the ledger's secret is under {MIN_SECRET_BYTES} bytes", code="LEDGER_KEY_SHORT", path="secret",
                rule="there is no default secret", hint="give at least 32 random bytes",
            )  # fmt: skip
        ledger = cls(_engine(url_or_path), secret=key, tenant=tenant, clock=clock or SystemClock())
        try:
            ledger._prepare()
        except BaseException:
            ledger.close()
            raise
        return ledger

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger(tenant={self.tenant!r})"

    def close(self) -> None:
        self._engine.dispose()

    # -- writing

    def record(self, events: Iterable[Event]) -> int:
        """Append events, all or none, and return how many were new. Durable on return.

        An event whose id is known with the same content is passed over, so a producer may always send again.
        Some thousands at a time go fastest; the whole call is one transaction.
        Raises LedgerConflictError; LedgerError `LEDGER_NOT_A_CODE` for a field that holds no code, `LEDGER_BUSY`.
        """
        keys: dict[tuple[Domain, str, str], bytes | None] = {}
        rows = [self._row(event, index, keys) for index, event in enumerate(events)]
        if not rows:
            return 0
        with self._writing() as connection:
            known = self._known(connection, rows)
            head = self._head(connection)
            seq, last = head.count, head.hash
            now = to_micros(self._clock.now())
            if head.recorded_at is not None:
                # A clock set back must not put events before those already reported on.
                now = max(now, to_micros(head.recorded_at))
            fresh = []
            for index, row in enumerate(rows):
                old = known.setdefault(row.event_key, row)
                if old is not row:
                    if old != row:
                        raise _conflict(old, row, index)
                    continue
                seq += 1
                last = hashlib.sha256(last + _canonical(seq, row, now, self.tenant)).digest()
                fresh.append((seq, *row, now, last))
            if fresh:
                connection.exec_driver_sql(_INSERT, fresh)
        return len(fresh)

    def _row(self, event: Event, index: int, keys: dict[tuple[Domain, str, str], bytes | None]) -> Row:
        def key(domain: Domain, scope: str, value: str | None) -> bytes | None:
            if value is None:
                return None
            # One document, one stay come back in several events of a call.
            place = (domain, scope, value)
            if place not in keys:
                keys[place] = self._key(domain, scope, value)
            return keys[place]

        def identifier(domain: Domain, given: Identifier | None) -> bytes | None:
            return None if given is None else key(domain, given.root, given.value)

        def code(name: str, value: str | None) -> str | None:
            if value and value not in self._codes:
                self._admit(f"events[{index}].{name}", value)
            return value or None

        reason = event.reason_code
        if reason is not None and (not _PEER_CODE.fullmatch(reason) or mask_matricules(reason) != reason):
            reason = NOT_A_CODE
        event_key = self._key("event", self.tenant, event.event_id)
        if event_key is None:
            raise LedgerError(
                "the event has no id", code="LEDGER_NO_EVENT_ID", path=f"events[{index}].event_id",
                rule="the producer chooses the idempotency key", hint="give each event an id that never changes",
            )  # fmt: skip
        return Row(
            event_key=event_key,
            type=event.type.value,
            schema_version=SCHEMA_VERSION,
            occurred_at=to_micros(event.occurred_at),
            finess_ej=code("finess_ej", event.finess_ej),
            finess_geo=code("finess_geo", event.finess_geo),
            unit=code("unit", event.unit),
            activity=code("activity", event.activity),
            stay_key=identifier("stay", event.stay),
            stay_class=code("stay_class", event.stay_class),
            admitted_at=None if event.admitted_at is None else to_micros(event.admitted_at),
            discharged_at=None if event.discharged_at is None else to_micros(event.discharged_at),
            merged_key=identifier("stay", event.merged_stay),
            patient_key=identifier("patient", event.patient),
            doc_key=key("document", "", event.document_id),
            chain_key=key("document", "", event.chain_id),
            type_code=code("type_code", event.type_code),
            format_code=code("format_code", event.format_code),
            cda_level=event.cda_level,
            ins_status=None if event.ins_status is None else event.ins_status.value,
            test_identity=int(event.test_identity),
            channel=event.channel.value,
            delivery_key=key("recipient", "", event.delivery),
            attempt=event.attempt,
            reason_code=reason,
            reason_class=None if event.reason_class is None else event.reason_class.value,
            outcome=code("outcome", event.outcome),
            actor=code("actor", event.actor),
        )

    def _admit(self, path: str, value: str) -> None:
        if not _CODE.fullmatch(value) or mask_matricules(value) != value:
            raise LedgerError(
                "this field holds no code", code="LEDGER_NOT_A_CODE", path=path,
                rule="1 to 64 printable characters, no matricule: the ledger keeps codes, never free text",
                hint="give the code, and leave labels and texts out",
            )  # fmt: skip
        if len(self._codes) < 10_000:
            self._codes.add(value)

    def _identifier(self, domain: Domain, identifier: Identifier | None) -> bytes | None:
        # The scope is the assigning authority's OID, which the identifier always carries; a FINESS would have to be
        # found elsewhere, and two events that found it differently would no longer join.
        return None if identifier is None else self._key(domain, identifier.root, identifier.value)

    def _key(self, domain: Domain, scope: str, value: str | None) -> bytes | None:
        if value is None:
            return None
        full = self._pseudonyms.key(domain, scope, value)
        return None if full is None else full[:STORED_BYTES]

    def stay_key(self, stay: Identifier) -> bytes | None:
        """The key of a stay, for an application that holds the clear number and asks which stays must be mended."""
        return self._identifier("stay", stay)

    def document_key(self, document_id: str) -> bytes | None:
        """The key of a document id or of a chain id."""
        return self._key("document", "", document_id)

    @staticmethod
    def _known(connection: sa.Connection, rows: Sequence[Row]) -> dict[bytes, Row]:
        known: dict[bytes, Row] = {}
        for start in range(0, len(rows), _LOOKUP):
            keys = tuple(row.event_key for row in rows[start : start + _LOOKUP])
            found = connection.exec_driver_sql(f"{_SELECT_KNOWN}({', '.join('?' * len(keys))})", keys)
            known.update((row.event_key, row) for row in map(Row._make, found))
        return known

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        try:
            with self._writer.begin() as connection:
                yield connection
        except sa.exc.OperationalError as e:
            raise LedgerError(
                "the ledger could not be written", code="LEDGER_BUSY",
                rule=f"a writer waits {BUSY_SECONDS} s for the others",
                hint="see that the disk is local, writable and not full, then record again: it is idempotent",
            ) from e  # fmt: skip

    # -- reading

    def head(self, as_of: datetime | None = None) -> LedgerHead:
        """The last event, or the last one recorded at `as_of` or before."""
        with self._engine.begin() as connection:
            return self._head(connection, as_of)

    @staticmethod
    def _head(connection: sa.Connection, as_of: datetime | None = None) -> LedgerHead:
        found = (
            connection.execute(_SELECT_HEAD)
            if as_of is None
            else connection.execute(_SELECT_HEAD_AT, {"as_of": to_micros(as_of)})
        ).first()
        if found is None:
            return LedgerHead(count=0, hash=GENESIS)
        return LedgerHead(count=found.seq, hash=found.hash, recorded_at=from_micros(found.recorded_at))

    def rows(self, upto: LedgerHead | None = None) -> list[Row]:
        """The events up to a head, in the order they were recorded."""
        limit = (upto or self.head()).count
        with self._engine.begin() as connection:
            found = connection.exec_driver_sql(f"SELECT {_FIELDS} FROM event WHERE seq <= ? ORDER BY seq", (limit,))  # noqa: S608
            return list(map(Row._make, found.all()))

    def verify_chain(self, expected: LedgerHead | None = None) -> LedgerHead:
        """Recompute every hash and return the head.

        expected: a head noted earlier, elsewhere. Only with it can a ledger that was cut short, or wholly rewritten
        by someone who owns the database, be told from an honest one.
        Raises LedgerTamperedError with the place of the first event that does not hold.
        """
        count, last, recorded_at = 0, GENESIS, None
        with self._engine.connect().execution_options(yield_per=5_000) as connection:
            for seq, *content, recorded, kept in connection.exec_driver_sql(_SELECT_ALL):
                count += 1
                if seq != count:
                    raise _tampered(count, "an event is missing")
                last = hashlib.sha256(last + _canonical(seq, content, recorded, self.tenant)).digest()
                if last != kept:
                    raise _tampered(seq, "the content does not match its hash")
                recorded_at = recorded
                if expected is not None and seq == expected.count and last != expected.hash:
                    raise _tampered(seq, "the hash is not the one noted earlier")
        if expected is not None and count < expected.count:
            raise _tampered(count + 1, "the ledger is shorter than it was")
        return LedgerHead(count=count, hash=last, recorded_at=None if recorded_at is None else from_micros(recorded_at))

    # -- opening

    def _prepare(self) -> None:
        mine = {"schema": str(SCHEMA_VERSION), "tenant": self.tenant, "key_check": self._key_check}
        with self._writing() as connection:
            _metadata.create_all(connection)
            for trigger in _APPEND_ONLY:
                connection.exec_driver_sql(trigger)
            kept = {row.name: row.value for row in connection.execute(_SELECT_ABOUT)}
            if not kept:
                connection.execute(sa.insert(_about), [{"name": n, "value": v} for n, v in mine.items()])
                return
        _compare(kept, mine)


def _compare(kept: Mapping[str, str | None], mine: Mapping[str, str]) -> None:
    problems = {
        "schema": ("LEDGER_SCHEMA", "another version of the library made this ledger", "open it with that version"),
        "tenant": ("LEDGER_TENANT", "this ledger holds another tenant's events", "give each tenant its own file"),
        "key_check": ("LEDGER_KEY_WRONG", "this is not the secret the ledger was made with",
                      "give the first secret: with another one, new events would not join the old ones"),
    }  # fmt: skip
    for name, (code, message, hint) in problems.items():
        if not hmac.compare_digest(kept.get(name) or "", mine[name]):
            raise ConfigurationError(message, code=code, path=f"ledger.{name}", hint=hint)


def _engine(url_or_path: str | os.PathLike[str]) -> sa.Engine:
    text = os.fspath(url_or_path)
    url = sa.make_url(text) if "://" in text else sa.URL.create("sqlite", database=text)
    if url.get_backend_name() != "sqlite":
        raise ConfigurationError(
            f"a ledger is kept in SQLite, not in {url.get_backend_name()}", code="LEDGER_URL", path="url_or_path",
            hint="give a path, or sqlite:///path",
        )  # fmt: skip
    in_memory = url.database in (None, "", ":memory:")
    if not in_memory and not os.path.exists(str(url.database)):
        # Pseudonymised data are still personal health data: not for every user of the host.
        os.close(os.open(str(url.database), os.O_CREAT | os.O_RDWR, 0o600))
    engine = sa.create_engine(
        url,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        **({"poolclass": StaticPool} if in_memory else {}),
    )

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _: object) -> None:
        # The driver would begin transactions on its own, too late for BEGIN IMMEDIATE.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"cache_size=-{CACHE_KIB}"):
            connection.execute(f"PRAGMA {pragma}").close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A reader that turns writer midway cannot wait for another writer: it fails at once.
        write = connection.get_execution_options().get("ledger_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


_PAYLOAD = (*Row._fields, "seq", "recorded_at", "tenant")
_PLACES = tuple((_PAYLOAD.index(name), f'"{name}":') for name in sorted(_PAYLOAD))


def _canonical(seq: int, row: Sequence[bytes | int | str | None], recorded_at: int, tenant: str) -> bytes:
    """What the hash of an event covers, as `chain.canonical` would write it (a test compares the two), in less than
    half the time: every column that is not empty, keys in hexadecimal."""
    values = (*row, seq, recorded_at, tenant)
    parts = []
    for place, name in _PLACES:
        value = values[place]
        if value is None:
            continue
        if isinstance(value, str):
            parts.append(name + encode_basestring(value))
        elif isinstance(value, int):
            parts.append(name + str(value))
        else:
            parts.append(f'{name}"{value.hex()}"')
    return f"{{{','.join(parts)}}}".encode()


def _conflict(old: Row, new: Row, index: int) -> LedgerConflictError:
    fields = [name for name, a, b in zip(Row._fields, old, new, strict=True) if a != b]
    return LedgerConflictError(
        f"an event with this id is recorded with another {', '.join(fields)}",
        path=f"events[{index}].event_id",
        rule="one id, one content, for ever",
        hint="give a new fact a new id",
    )


def _tampered(seq: int, what: str) -> LedgerTamperedError:
    return LedgerTamperedError(
        what,
        path=f"event {seq}",
        rule="each hash covers its event and the hash before it",
        hint="restore a backup whose head was noted, then record the later events again",
        hint_fr="Le registre a été modifié hors du logiciel : il ne peut plus servir de preuve.",
    )
