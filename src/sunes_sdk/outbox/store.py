"""The tables of the outbox, and SQLite under them. Every write is one short transaction, durable when it returns."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import TracebackType
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert as insert_or_not
from sqlalchemy.engine import Dialect, make_url

from .._core.clock import sleep
from .._core.errors import ConfigurationError, OutboxError, TransportError
from ..model import ChannelKind, Prepared, Receipt
from .entry import TERMINAL, UNCERTAIN, Entry, State
from .events import Facts, StoredEvent, superseded
from .machine import Transition, Version, seen_replaced

SCHEMA_VERSION = 1
_BUSY_SECONDS = 30
LARGE_BYTES = 262_144
"""A delivery that is written and read in pieces, so that it is never held."""
_CHECKPOINT_PAGES = 4000
"""16 MB of log before SQLite copies it into the file, which stops writers for a while: four times its own choice."""

_METADATA = sa.MetaData()
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite numbers rows by itself for INTEGER only

ENTRY = sa.Table(
    "outbox_entry",
    _METADATA,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("unique_id", sa.String(64), nullable=False),
    sa.Column("sha256", sa.LargeBinary, nullable=False),
    sa.Column("chain_id", sa.String(64), nullable=False),
    sa.Column("version_number", sa.Integer, nullable=False),
    sa.Column("replaces", sa.String(64)),
    sa.Column("channel", sa.String(40), nullable=False),
    sa.Column("kind", sa.String(12), nullable=False),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("delivery", sa.String(32), nullable=False),
    sa.Column("facts", sa.Text, nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("reason", sa.String(40), nullable=False, default=""),
    sa.Column("code", sa.String(80), nullable=False, default=""),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("failures", sa.Integer, nullable=False, default=0),
    sa.Column("uncertain", sa.Integer, nullable=False, default=0),
    sa.Column("token", sa.Integer, nullable=False, default=0),
    sa.Column("due_at", sa.BigInteger),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("receipt", sa.Text),
    sa.UniqueConstraint("unique_id", "destination"),
    sa.UniqueConstraint("delivery"),
)
"""One row for each document and destination. Instants are microseconds since 1970, UTC."""
sa.Index("outbox_due", ENTRY.c.due_at, ENTRY.c.id, sqlite_where=ENTRY.c.due_at.is_not(None))
sa.Index("outbox_chain", ENTRY.c.chain_id, ENTRY.c.destination, ENTRY.c.version_number)

PAYLOAD = sa.Table(
    "outbox_payload",  # apart: SQLite rewrites a whole row on each change of state
    _METADATA,
    sa.Column("entry_id", _ID, sa.ForeignKey("outbox_entry.id"), primary_key=True),
    sa.Column("prepared", sa.LargeBinary, nullable=False),
)

EVENT = sa.Table(
    "outbox_event",
    _METADATA,
    sa.Column("seq", _ID, primary_key=True),
    sa.Column("event_id", sa.String(200), nullable=False, unique=True),
    sa.Column("body", sa.Text, nullable=False),
)
FORWARDED = sa.Table("outbox_forwarded", _METADATA, sa.Column("seq", sa.BigInteger, nullable=False))
"""One row: the last event that was forwarded. SQLite has one writer, so events are numbered in the order of their
commits; a store with several writers needs a mark on each event instead."""

NOTE = sa.Table(
    "outbox_note",
    _METADATA,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)
"""What is remembered beside the deliveries, and outlives their bytes."""

SCHEMA = sa.Table("outbox_schema", _METADATA, sa.Column("version", sa.Integer, primary_key=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """A delivery to store. facts: what its events will carry; prepared: exact bytes of the frozen attempt, in
    pieces."""

    unique_id: str
    sha256: bytes
    chain_id: str
    version_number: int
    replaces: str | None
    document_replaces: str | None
    channel: str
    kind: ChannelKind
    destination: str
    delivery: str
    facts: Facts
    prepared: Sequence[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An entry leased to one worker. token: must still be the row's when the work is handed back;
    check: ask before anything else; prepared: None when it is large (`Store.opened` reads both)."""

    entry: Entry
    token: int
    check: bool
    facts: Facts
    prepared: bytes | None = field(repr=False)


class StaleVersion(Exception):
    """Earlier versions moved between preparation and storage: prepare again."""


Decision = Callable[[Entry], Transition]


class Store(Protocol):
    """Where entries and events last. Each method that writes is one transaction, and durable when it returns."""

    def known(self, unique_id: str, sha256: bytes) -> dict[str, Entry]: ...
    def replaced(self, chain_id: str, destination: str, replaces: str | None) -> str | None: ...
    def put(self, deliveries: Sequence[NewDelivery], events: Sequence[StoredEvent], now: datetime) -> list[Entry]: ...
    def claim(self, channels: Collection[str], now: datetime, lease: timedelta) -> Claim | None: ...
    def opened(self, claim: Claim) -> AbstractContextManager[Prepared]: ...
    def complete(
        self, claim: Claim, transition: Transition, events: Sequence[StoredEvent], now: datetime,
        *, then: tuple[Collection[str], timedelta] | None = None,
    ) -> tuple[bool, Claim | None]: ...  # fmt: skip
    def amend(
        self, entry_id: int, decide: Decision, now: datetime,
        *, events: Callable[[Entry, Facts, Transition], Sequence[StoredEvent]] | None = None,
        prepared: Sequence[bytes] | None = None, replaces: str | None = None,
    ) -> Entry: ...  # fmt: skip
    def entry(self, entry_id: int, now: datetime) -> Entry: ...
    def entries(self, now: datetime, **criteria: Any) -> list[Entry]: ...
    def counts(self, now: datetime) -> dict[State, int]: ...
    def next_due(self, channels: Collection[str]) -> datetime | None: ...
    def record(self, events: Sequence[StoredEvent]) -> list[str]: ...
    def waiting_events(self, limit: int) -> list[tuple[int, str]]: ...
    def mark_forwarded(self, last: int) -> None: ...
    def purge(self, before: datetime) -> int: ...
    def facts(self, entry_id: int) -> Facts: ...
    def stored(self, entry_id: int) -> AbstractContextManager[Prepared | None]: ...
    def remember(self, name: str, body: str, events: Sequence[StoredEvent], *, forget: str = "") -> None: ...
    def recall(self, name: str) -> str | None: ...
    def recall_all(self, start: str) -> list[str]: ...
    def forget(self, name: str) -> None: ...
    def close(self) -> None: ...


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _to_int(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _to_datetime(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)


def _execute(driver: Any, sql: str, parameters: Mapping[str, Any] | tuple[()] = ()) -> Any:
    """Every statement that matters passes here, and the crash tests kill the process around each.

    SQLAlchemy writes them once; on the way they go to the driver itself, which costs a third.
    """
    return driver.execute(sql, parameters)


def _write(blob: sqlite3.Blob, piece: bytes) -> None:
    """A piece of a large delivery; as for `_execute`, the crash tests kill the process before each."""
    blob.write(piece)


class _Sql:
    """A statement compiled once. Values are given by the names of its bind parameters."""

    def __init__(self, statement: Any, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        self._text = str(compiled)
        self._constants = compiled.params

    def __call__(self, driver: Any, **values: Any) -> Any:
        return _execute(driver, self._text, self._constants | values)


_NAMED = sqlite.dialect(paramstyle="named")  # the driver finds values by their names as fast as in their order


def _P(name: str) -> Any:  # noqa: N802  a value given at each execution; None only until then
    return sa.bindparam(name, None)


_LIVE = (State.READY, State.LEASED, State.RETRY_AT, State.CHECK)
_SHOWN = [c for c in ENTRY.c if c.name not in ("sha256", "facts", "token")]
_SPENT = sorted(state.value for state in TERMINAL - {State.DEAD})  # a dead one may still be armed again


def _blocked(entry: Any) -> Any:
    """An earlier version towards the same destination is not out of the way: it must be sent, mended or cancelled
    first. One that is parked as uncertain stands in nobody's way."""
    earlier = ENTRY.alias("earlier")
    before = sa.or_(
        earlier.c.version_number < entry.c.version_number,
        sa.and_(earlier.c.version_number == entry.c.version_number, earlier.c.id < entry.c.id),
    )
    unfinished = sa.or_(
        earlier.c.state.in_([s.value for s in _LIVE]),
        sa.and_(earlier.c.state == State.PARKED.value, earlier.c.reason != UNCERTAIN),
    )
    return sa.exists().where(
        earlier.c.chain_id == entry.c.chain_id, earlier.c.destination == entry.c.destination, before, unfinished
    )


class _ClearErrors:
    """Around work on the database: its failures as OutboxError, without SQL nor values."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(error, sa.exc.DBAPIError):
            raise _clear(error.orig) from None
        if isinstance(error, (sqlite3.Error, OSError)):
            raise _clear(error) from None


_CLEAR_ERRORS = _ClearErrors()


class _Use:
    """The one connection of a store, for one thread at a time. A class, which is entered twice as fast as a generator:
    each document passes four times."""

    def __init__(self, lock: threading.Lock, driver: Any) -> None:
        self._lock, self._driver = lock, driver

    def __enter__(self) -> Any:
        self._lock.acquire()
        return self._driver

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lock.release()
        if error is not None:
            _CLEAR_ERRORS.__exit__(kind, error, at)


class _Transaction(_Use):
    """All that is written inside, durably, or nothing."""

    def __enter__(self) -> Any:
        driver = super().__enter__()
        try:
            with _CLEAR_ERRORS:
                _execute(driver, "BEGIN IMMEDIATE")
        except BaseException:
            self._lock.release()
            raise
        return driver

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            with _CLEAR_ERRORS:
                if error is None:
                    try:
                        _execute(self._driver, "COMMIT")
                    except BaseException:
                        self._roll_back()
                        raise
                else:
                    self._roll_back()
        except BaseException:
            self._lock.release()
            raise
        super().__exit__(kind, error, at)

    def _roll_back(self) -> None:
        if self._driver.in_transaction:  # a full disk has already rolled it back
            self._driver.rollback()


class SqlStore:
    """The outbox in SQLite: write-ahead log, `synchronous=FULL`, one writer at a time (`BEGIN IMMEDIATE`).

    Only `open`, the statements that start a transaction, and how a large delivery is written and read (`zeroblob`,
    `blobopen`) are SQLite's own.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        with _CLEAR_ERRORS:
            self._writer = engine.connect()
            self._driver: Any = self._writer.connection.driver_connection
        self._writing, self._reading = _Transaction(self._lock, self._driver), _Use(self._lock, self._driver)
        self._create()
        sql = self._sql
        self._begun = sql(
            sa.select(ENTRY.c.id)
            .where(sa.or_(ENTRY.c.unique_id == _P("document"), ENTRY.c.chain_id == _P("chain")))
            .limit(1)
        )
        self._of_document = sql(sa.select(ENTRY.c.sha256, *_SHOWN).where(ENTRY.c.unique_id == _P("document")))
        self._versions = sql(
            sa.select(*(ENTRY.c[n] for n in ("id", "unique_id", "version_number", "replaces", "state", "uncertain",
                                             "delivery", "attempts", "facts")))
            .where(ENTRY.c.chain_id == _P("chain"), ENTRY.c.destination == _P("to"))
        )  # fmt: skip
        given = (
            "unique_id", "sha256", "chain_id", "version_number", "replaces", "channel", "kind", "destination",
            "delivery", "facts",
        )  # fmt: skip
        self._insert = sql(
            sa.insert(ENTRY).values(
                **{name: _P(name) for name in given}, state=State.READY.value, reason="", code="", attempts=0,
                failures=0, uncertain=0, token=0, due_at=_P("at"), created_at=_P("at"), updated_at=_P("at"),
            )
        )  # fmt: skip
        self._insert_payload = sql(sa.insert(PAYLOAD).values(entry_id=_P("entry_id"), prepared=_P("prepared")))
        self._new_payload = sql(
            sa.update(PAYLOAD).where(PAYLOAD.c.entry_id == _P("row")).values(prepared=_P("prepared"))
        )
        room = sa.func.zeroblob(_P("size"))
        self._insert_room = sql(sa.insert(PAYLOAD).values(entry_id=_P("entry_id"), prepared=room))
        self._new_room = sql(sa.update(PAYLOAD).where(PAYLOAD.c.entry_id == _P("row")).values(prepared=room))
        self._new_replaces = sql(sa.update(ENTRY).where(ENTRY.c.id == _P("row")).values(replaces=_P("replaces")))
        small = sa.case((sa.func.length(PAYLOAD.c.prepared) < LARGE_BYTES, PAYLOAD.c.prepared))
        self._payload = sql(sa.select(small).where(PAYLOAD.c.entry_id == _P("row")))
        self._insert_event = sql(
            insert_or_not(EVENT).values(event_id=_P("event_id"), body=_P("body"))
            .on_conflict_do_nothing(index_elements=[EVENT.c.event_id])
        )  # fmt: skip
        self._event_body = sql(sa.select(EVENT.c.body).where(EVENT.c.event_id == _P("event_id")))
        self._waiting = sql(
            sa.select(EVENT.c.seq, EVENT.c.body)
            .where(EVENT.c.seq > sa.select(FORWARDED.c.seq).scalar_subquery())
            .order_by(EVENT.c.seq)
            .limit(_P("most"))
        )
        self._mark = sql(sa.update(FORWARDED).where(FORWARDED.c.seq < _P("last")).values(seq=_P("last")))
        changes: dict[str, Any] = {
            "state": _P("to_state"), "reason": _P("to_reason"), "code": _P("to_code"), "failures": _P("to_failures"),
            "uncertain": _P("to_uncertain"), "due_at": _P("to_due"), "updated_at": _P("at"),
            "receipt": sa.func.coalesce(_P("to_receipt"), ENTRY.c.receipt),
        }  # fmt: skip
        self._change = sql(sa.update(ENTRY).where(ENTRY.c.id == _P("row")).values(changes))
        self._complete = sql(
            sa.update(ENTRY)
            .where(ENTRY.c.id == _P("row"), ENTRY.c.token == _P("held"), ENTRY.c.state == State.LEASED.value)
            .values(changes)
        )
        self._supersede = sql(
            sa.update(ENTRY).where(ENTRY.c.id == _P("row"))
            .values(state=State.SUPERSEDED.value, reason="", due_at=None, updated_at=_P("at"))
        )  # fmt: skip
        self._one = sql(sa.select(*_SHOWN, ENTRY.c.facts).where(ENTRY.c.id == _P("row")))

    @classmethod
    def open(cls, url: str) -> SqlStore:
        """Open or create the file of a `sqlite:///path` URL, readable by its owner only.

        Raises ConfigurationError (`OUTBOX_URL`) and OutboxError (`OUTBOX_STORE`, `OUTBOX_SCHEMA`, …).
        """
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
            raise ConfigurationError(
                "the outbox needs a SQLite file", code="OUTBOX_URL", path="url",
                rule="what waits to be sent must survive a crash",
                hint="give sqlite:///relative/path.db or sqlite:////absolute/path.db",
            )  # fmt: skip
        with _CLEAR_ERRORS:
            # The documents are in there: nobody else reads them. SQLite's own files take over these rights.
            os.close(os.open(parsed.database, os.O_CREAT | os.O_RDWR, 0o600))
        engine = sa.create_engine(
            parsed, isolation_level="AUTOCOMMIT", connect_args={"check_same_thread": False, "timeout": _BUSY_SECONDS},
            max_overflow=-1,  # a connection for each worker that is sending something large
        )  # fmt: skip
        sa.event.listen(engine, "connect", _prepare_connection)
        return cls(engine)

    def _sql(self, statement: Any) -> _Sql:
        return _Sql(statement, _NAMED)

    def _create(self) -> None:
        with self._transaction():
            connection = self._writer
            _METADATA.create_all(connection)
            version = connection.execute(sa.select(SCHEMA.c.version)).scalar()
            if version is None:
                connection.execute(sa.insert(SCHEMA).values(version=SCHEMA_VERSION))
                connection.execute(sa.insert(FORWARDED).values(seq=0))
            elif version != SCHEMA_VERSION:
                raise OutboxError(
                    f"the outbox has schema {version}, this library writes {SCHEMA_VERSION}", code="OUTBOX_SCHEMA",
                    hint="use the version of sunes_sdk that made it, or drain it there first",
                )  # fmt: skip

    def _transaction(self) -> _Use:
        return self._writing

    def _reader(self) -> _Use:
        """For a short look: the one connection that is open costs less than one of the pool."""
        return self._reading

    def known(self, unique_id: str, sha256: bytes) -> dict[str, Entry]:
        """Entries of a document by destination. Raises OutboxError `OUTBOX_CONFLICT` when its bytes differ."""
        with self._reader() as driver:
            if self._begun(driver, document=unique_id, chain=None).fetchone() is None:
                return {}
            return self._known(driver, unique_id, sha256)

    def _known(self, driver: Any, unique_id: str, sha256: bytes) -> dict[str, Entry]:
        found = {}
        for row in self._of_document(driver, document=unique_id).fetchall():
            if bytes(row[0]) != sha256:
                raise OutboxError(
                    f"the document {unique_id} is already in the outbox with other bytes", code="OUTBOX_CONFLICT",
                    path="document.unique_id", rule="one identifier names one sequence of bytes, for ever",
                    hint="render the changed document as a new version, with its own identifier",
                    hint_fr="Ce document existe déjà avec un autre contenu : créez une nouvelle version.",
                )  # fmt: skip
            entry = _entry(row[1:])
            found[entry.destination] = entry
        return found

    def replaced(self, chain_id: str, destination: str, replaces: str | None) -> str | None:
        """Which version the peer would see replaced (see `machine.seen_replaced`)."""
        if replaces is None:
            return None
        with self._reader() as driver:
            return seen_replaced((v for v, *_ in self._chain(driver, chain_id, destination)), replaces)

    def _chain(self, driver: Any, chain_id: str, destination: str) -> list[tuple[Version, str, int, Facts]]:
        return [
            (
                Version(id=r[0], unique_id=r[1], version_number=r[2], replaces=r[3], state=State(r[4]),
                        uncertain=bool(r[5])),
                r[6],
                r[7],
                r[8],
            )
            for r in self._versions(driver, chain=chain_id, to=destination).fetchall()
        ]  # fmt: skip

    def put(self, deliveries: Sequence[NewDelivery], events: Sequence[StoredEvent], now: datetime) -> list[Entry]:
        """Store new deliveries of one document with its events; those that are there already are left as they are.

        Raises OutboxError (`OUTBOX_CONFLICT`, `OUTBOX_VERSION`, `OUTBOX_DISK_FULL`), and StaleVersion.
        """
        at = _to_int(now)
        with self._transaction() as driver:
            entries = []
            events = list(events)
            first = deliveries[0] if deliveries else None
            begun = first and self._begun(driver, document=first.unique_id, chain=first.chain_id).fetchone()
            known = self._known(driver, first.unique_id, first.sha256) if first and begun else {}
            for new in deliveries:
                if new.destination in known:
                    entries.append(known[new.destination])
                    continue
                chain = self._chain(driver, new.chain_id, new.destination) if begun else []
                if any(v.version_number > new.version_number for v, *_ in chain):
                    raise OutboxError(
                        f"version {new.version_number} comes after a later one of the same document",
                        code="OUTBOX_VERSION", path="document.version_number",
                        rule="versions of a document leave in their order",
                        hint="put the versions in order; an outdated one need not be sent",
                        hint_fr="Une version plus récente de ce document est déjà en cours d'envoi.",
                    )  # fmt: skip
                if seen_replaced((v for v, *_ in chain), new.document_replaces) != new.replaces:
                    raise StaleVersion
                for version, delivery, attempts, facts in chain:
                    if version.is_superseded_by_a_newer_one:
                        self._supersede(driver, row=version.id, at=at)
                        events.append(superseded(facts, delivery, attempts, now))
                entries.append(self._add(driver, new, at))
            self._tell(driver, events)
        return entries

    def _add(self, driver: Any, new: NewDelivery, at: int) -> Entry:
        number = self._insert(
            driver, unique_id=new.unique_id, sha256=new.sha256, chain_id=new.chain_id,
            version_number=new.version_number, replaces=new.replaces, channel=new.channel, kind=new.kind.value,
            destination=new.destination, delivery=new.delivery, facts=new.facts, at=at,
        ).lastrowid  # fmt: skip
        size = sum(map(len, new.prepared))
        if size < LARGE_BYTES:
            self._insert_payload(driver, entry_id=number, prepared=b"".join(new.prepared))
        else:
            self._insert_room(driver, entry_id=number, size=size)
            self._fill(driver, number, new.prepared)
        when = _to_datetime(at)
        return Entry(
            id=number, unique_id=new.unique_id, chain_id=new.chain_id, version_number=new.version_number,
            channel=new.channel, kind=new.kind, destination=new.destination, delivery=new.delivery, state=State.READY,
            reason="", code="", attempts=0, failures=0, uncertain=False, due_at=when, created_at=when, updated_at=when,
            replaces=new.replaces, receipt=None,
        )  # fmt: skip

    def _fill(self, driver: Any, row: int, prepared: Sequence[bytes]) -> None:
        """Write a large delivery into its room: a value that is bound is held twice more."""
        with driver.blobopen(PAYLOAD.name, PAYLOAD.c.prepared.name, row) as blob:
            for piece in prepared:
                _write(blob, piece)

    def _tell(self, driver: Any, events: Sequence[StoredEvent]) -> None:
        for event_id, body in events:
            self._insert_event(driver, event_id=event_id, body=body)

    @lru_cache(maxsize=16)  # noqa: B019  one store lives as long as its process
    def _claim_of(self, channels: frozenset[str]) -> _Sql:
        candidate = ENTRY.alias("candidate")
        first = (
            sa.select(candidate.c.id)
            .where(candidate.c.due_at <= _P("at"), candidate.c.channel.in_(sorted(channels)), ~_blocked(candidate))
            .order_by(candidate.c.due_at, candidate.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)  # for PostgreSQL; SQLite has one writer anyway
        )
        # An attempt whose worker fell silent may have reached the peer.
        uncertain = sa.case((ENTRY.c.state == State.LEASED.value, 1), else_=ENTRY.c.uncertain)
        return self._sql(
            sa.update(ENTRY)
            .where(ENTRY.c.id == first.scalar_subquery())
            .values(
                state=State.LEASED.value,
                token=ENTRY.c.token + 1,
                uncertain=uncertain,
                attempts=ENTRY.c.attempts + 1 - uncertain,
                due_at=_P("until"),
                updated_at=_P("at"),
            )
            .returning(ENTRY.c.token, ENTRY.c.facts, *_SHOWN)
        )

    def claim(self, channels: Collection[str], now: datetime, lease: timedelta) -> Claim | None:
        """Lease the entry that has been due for longest, None when there is none."""
        with self._transaction() as driver:
            return self._claim(driver, channels, now, lease)

    def _claim(self, driver: Any, channels: Collection[str], now: datetime, lease: timedelta) -> Claim | None:
        if not channels:
            return None
        at = _to_int(now)
        row = self._claim_of(frozenset(channels))(driver, at=at, until=_to_int(now + lease)).fetchone()
        if row is None:
            return None
        entry = _entry(row[2:])
        prepared = self._payload(driver, row=entry.id).fetchone()[0]
        return Claim(entry=entry, token=row[0], check=entry.uncertain, facts=row[1], prepared=prepared)

    def opened(self, claim: Claim) -> AbstractContextManager[Prepared]:
        """The delivery of a claim. A large one is read by the caller's use of it, from the file as it is now."""
        if claim.prepared is not None:
            return nullcontext(Prepared.from_bytes(claim.prepared))
        return self._opened_large(claim)

    @contextmanager
    def _opened_large(self, claim: Claim) -> Iterator[Prepared]:
        with self.stored(claim.entry.id) as prepared:
            if prepared is None:
                raise _no_entry(claim.entry.id)
            yield prepared

    @contextmanager
    def stored(self, entry_id: int) -> Iterator[Prepared | None]:
        """What was frozen for an entry, None once it was purged; a large one as in `opened`."""
        with _CLEAR_ERRORS:
            connection = self._engine.raw_connection()
        with closing(connection):
            driver: Any = connection.driver_connection
            with _CLEAR_ERRORS:
                row = self._payload(driver, row=entry_id).fetchone()
            if row is None or row[0] is not None:
                yield Prepared.from_bytes(row[0]) if row else None
                return
            with _CLEAR_ERRORS:
                blob = driver.blobopen(PAYLOAD.name, PAYLOAD.c.prepared.name, entry_id, readonly=True)
            with blob:
                yield Prepared.from_store(_StoredDelivery(blob))

    def complete(
        self, claim: Claim, transition: Transition, events: Sequence[StoredEvent], now: datetime,
        *, then: tuple[Collection[str], timedelta] | None = None,
    ) -> tuple[bool, Claim | None]:  # fmt: skip
        """Hand leased work back with its events, and lease the next in the same transaction when asked.

        The first value is False when the lease was lost: nothing of this work was then written.
        """
        with self._transaction() as driver:
            values = _changes(transition, now)
            held = self._complete(driver, row=claim.entry.id, held=claim.token, **values).rowcount == 1
            if held:
                self._tell(driver, events)
            following = self._claim(driver, then[0], now, then[1]) if then else None
        return held, following

    def amend(
        self, entry_id: int, decide: Decision, now: datetime,
        *, events: Callable[[Entry, Facts, Transition], Sequence[StoredEvent]] | None = None,
        prepared: Sequence[bytes] | None = None, replaces: str | None = None,
    ) -> Entry:  # fmt: skip
        """Move an entry that no worker holds: `decide` sees it and says where it goes, or raises."""
        with self._transaction() as driver:
            row = self._one(driver, row=entry_id).fetchone()
            if row is None:
                raise _no_entry(entry_id)
            entry = _entry(row[:-1], now)
            transition = decide(entry)
            self._change(driver, row=entry_id, **_changes(transition, now))
            if events is not None:
                self._tell(driver, events(entry, row[-1], transition))
            if prepared is not None:
                size = sum(map(len, prepared))
                if size < LARGE_BYTES:
                    self._new_payload(driver, row=entry_id, prepared=b"".join(prepared))
                else:
                    self._new_room(driver, row=entry_id, size=size)
                    self._fill(driver, entry_id, prepared)
                self._new_replaces(driver, row=entry_id, replaces=replaces)
            return _entry(self._one(driver, row=entry_id).fetchone()[:-1], now)

    def entry(self, entry_id: int, now: datetime) -> Entry:
        """One entry. Raises OutboxError `OUTBOX_NO_ENTRY`."""
        with self._reader() as driver:
            row = self._one(driver, row=entry_id).fetchone()
        if row is None:
            raise _no_entry(entry_id)
        return _entry(row[:-1], now)

    def entries(self, now: datetime, **criteria: Any) -> list[Entry]:
        """Entries in the order they were put. criteria: state, values of columns, after (identifier), limit."""
        query = sa.select(*_SHOWN).order_by(ENTRY.c.id).limit(criteria["limit"]).where(ENTRY.c.id > criteria["after"])
        for name in ("reason", "unique_id", "channel", "chain_id", "destination"):
            if criteria.get(name) is not None:
                query = query.where(ENTRY.c[name] == criteria[name])
        if criteria.get("state") is not None:
            query = query.where(_shown_state(now) == criteria["state"].value)
        with _CLEAR_ERRORS, self._engine.connect() as connection:
            return [_entry(row, now) for row in connection.execute(query)]

    def counts(self, now: datetime) -> dict[State, int]:
        state = _shown_state(now).label("shown")
        with _CLEAR_ERRORS, self._engine.connect() as connection:
            found = {row[0]: row[1] for row in connection.execute(sa.select(state, sa.func.count()).group_by(state))}
        return {s: found.get(s.value, 0) for s in State}

    @lru_cache(maxsize=16)  # noqa: B019  one store lives as long as its process
    def _next_due_of(self, channels: frozenset[str]) -> _Sql:
        return self._sql(
            sa.select(ENTRY.c.due_at)
            .where(ENTRY.c.due_at.is_not(None), ENTRY.c.channel.in_(sorted(channels)), ~_blocked(ENTRY))
            .order_by(ENTRY.c.due_at, ENTRY.c.id)
            .limit(1)
        )

    def next_due(self, channels: Collection[str]) -> datetime | None:
        """When the next entry of these channels may be claimed, leases that end included."""
        if not channels:
            return None
        with self._reader() as driver:
            row = self._next_due_of(frozenset(channels))(driver).fetchone()
        return None if row is None else _to_datetime(row[0])

    def record(self, events: Sequence[StoredEvent]) -> list[str]:
        """Add events; returns the bodies already there under the same identifiers, in the order given."""
        there = []
        with self._transaction() as driver:
            for event_id, body in events:
                if self._insert_event(driver, event_id=event_id, body=body).rowcount == 0:
                    there.append(self._event_body(driver, event_id=event_id).fetchone()[0])
        return there

    def waiting_events(self, limit: int) -> list[tuple[int, str]]:
        """Events that were not forwarded yet, oldest first, with their numbers."""
        with self._reader() as driver:
            return [(row[0], row[1]) for row in self._waiting(driver, most=limit).fetchall()]

    def mark_forwarded(self, last: int) -> None:
        """All events up to this number were forwarded."""
        with self._transaction() as driver:
            self._mark(driver, last=last)

    def purge(self, before: datetime) -> int:
        """Drop the bytes of deliveries that ended before an instant; their rows and events stay."""
        old = sa.select(ENTRY.c.id).where(ENTRY.c.state.in_(_SPENT), ENTRY.c.updated_at < _to_int(before))
        with self._transaction():
            return self._writer.execute(sa.delete(PAYLOAD).where(PAYLOAD.c.entry_id.in_(old))).rowcount

    def facts(self, entry_id: int) -> Facts:
        """What the events of an entry have in common. Raises OutboxError `OUTBOX_NO_ENTRY`."""
        with self._reader() as driver:
            row = self._one(driver, row=entry_id).fetchone()
        if row is None:
            raise _no_entry(entry_id)
        facts: Facts = row[-1]
        return facts

    def remember(self, name: str, body: str, events: Sequence[StoredEvent], *, forget: str = "") -> None:
        """Keep a note under a name, in place of the one there, with events of the same transaction; forget: the name of
        a note that it makes void."""
        note = insert_or_not(NOTE).values(name=name, body=body)
        with self._transaction() as driver:
            self._writer.execute(note.on_conflict_do_update(index_elements=[NOTE.c.name], set_={"body": body}))
            if forget:
                self._writer.execute(sa.delete(NOTE).where(NOTE.c.name == forget))
            self._tell(driver, events)

    def recall(self, name: str) -> str | None:
        with _CLEAR_ERRORS, self._engine.connect() as connection:
            return connection.execute(sa.select(NOTE.c.body).where(NOTE.c.name == name)).scalar()

    def recall_all(self, start: str) -> list[str]:
        """The notes whose names start so, by name."""
        found = sa.select(NOTE.c.body).where(NOTE.c.name.between(start, start + _LAST)).order_by(NOTE.c.name)
        with _CLEAR_ERRORS, self._engine.connect() as connection:
            return list(connection.execute(found).scalars())

    def forget(self, name: str) -> None:
        with self._transaction():
            self._writer.execute(sa.delete(NOTE).where(NOTE.c.name == name))

    def close(self) -> None:
        with self._lock:
            self._writer.close()
            self._engine.dispose()


_LAST = "\U0010ffff"


class _StoredDelivery:
    """A large delivery while it is sent."""

    def __init__(self, blob: sqlite3.Blob) -> None:
        self._blob = blob

    def __len__(self) -> int:
        return len(self._blob)

    def __getitem__(self, part: slice) -> bytes:
        try:
            data: Any = self._blob[part]
            return bytes(data)
        except sqlite3.Error as e:
            # As a connection that was cut: some of it may have left.
            raise TransportError(
                f"the store of the outbox failed ({type(e).__name__})", sent="maybe", code="OUTBOX_STORE",
                hint="check its folder, rights and disk",
            ) from None  # fmt: skip


def _prepare_connection(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin and end where this module says so
    for attempt in range(50):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as e:
            # Two processes that open a new file at once: SQLite does not wait for this one.
            if e.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or attempt == 49:
                raise
            sleep(0.02)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
    connection.execute("PRAGMA foreign_keys=ON")


def _shown_state(now: datetime) -> Any:
    """A lease that ended is a CHECK: whoever held it fell silent."""
    ended = sa.and_(ENTRY.c.state == State.LEASED.value, ENTRY.c.due_at <= _to_int(now))
    return sa.case((ended, State.CHECK.value), else_=ENTRY.c.state)


def _changes(transition: Transition, now: datetime) -> dict[str, Any]:
    due = None if transition.due_in is None else _to_int(now + transition.due_in)
    return {
        "to_state": transition.state.value,
        "to_reason": transition.reason,
        "to_code": transition.code,
        "to_failures": transition.failures,
        "to_uncertain": int(transition.uncertain),
        "to_due": due,
        "to_receipt": transition.receipt.model_dump_json(exclude_defaults=True) if transition.receipt else None,
        "at": _to_int(now),
    }


def _entry(row: Sequence[Any], now: datetime | None = None) -> Entry:
    """Of a row of `_SHOWN`."""
    (
        number, unique_id, chain_id, version_number, replaces, channel, kind, destination, delivery, state, reason,
        code, attempts, failures, uncertain, due, created, updated, receipt,
    ) = row  # fmt: skip
    if now is not None and state == State.LEASED and due <= _to_int(now):
        state, uncertain = State.CHECK, True
    return Entry(
        id=number, unique_id=unique_id, chain_id=chain_id, version_number=version_number, channel=channel,
        kind=ChannelKind(kind), destination=destination, delivery=delivery, state=State(state), reason=reason,
        code=code, attempts=attempts, failures=failures, uncertain=bool(uncertain),
        due_at=None if due is None else _to_datetime(due), created_at=_to_datetime(created),
        updated_at=_to_datetime(updated), replaces=replaces,
        receipt=None if receipt is None else Receipt.model_validate_json(receipt),
    )  # fmt: skip


def _no_entry(entry_id: int) -> OutboxError:
    return OutboxError(f"no entry {entry_id}", code="OUTBOX_NO_ENTRY", hint="take identifiers from put() or entries()")


_ERRORS = {
    sqlite3.SQLITE_FULL: (
        "OUTBOX_DISK_FULL", "the disk of the outbox is full: nothing of this call was stored",
        "free space on the outbox's disk, then call again",
        "Le disque est plein : le document n'est pas enregistré. Prévenez l'informatique, puis recommencez.",
    ),
    sqlite3.SQLITE_BUSY: (
        "OUTBOX_BUSY", f"another process held the outbox for more than {_BUSY_SECONDS} s",
        "look for a process that keeps a transaction open on this file, then call again", "",
    ),
    sqlite3.SQLITE_READONLY: (
        "OUTBOX_READ_ONLY", "the file of the outbox cannot be written", "give this process the right to write it", "",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "OUTBOX_CORRUPT", "the file of the outbox is damaged",
        "stop the workers, keep the file, run SQLite's .recover on a copy",
        "Le fichier d'envoi est endommagé : prévenez l'informatique.",
    ),
    sqlite3.SQLITE_NOTADB: (
        "OUTBOX_CORRUPT", "the file is not an outbox", "check the path; keep the file if it once was one", "",
    ),
}  # fmt: skip


def _clear(error: BaseException | None) -> OutboxError:
    known = _ERRORS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if known:
        code, message, hint, hint_fr = known
        return OutboxError(message, code=code, hint=hint, hint_fr=hint_fr)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return OutboxError(
        f"the store of the outbox failed ({name})", code="OUTBOX_STORE", hint="check its folder, rights and disk"
    )
