"""The ledger refuses what would break its promises: another content, a wrong secret, a changed row, a clear name."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sunes_sdk._core.clock import FixedClock
from sunes_sdk.errors import ConfigurationError
from sunes_sdk.model import Event, Identifier
from sunes_sdk.usage import FileSecret, Ledger, LedgerConflictError, LedgerError, LedgerTamperedError

SECRET = b"s" * 32
NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
VISIT, IPP, MATRICULE = "VISIT24000123", "IPP1234567", "279035121518989"


def event(number: int = 1, **changes: Any) -> Event:
    values: dict[str, Any] = {
        "event_id": f"doc:{number}:produced",
        "type": "DOC_PRODUCED",
        "occurred_at": NOW,
        "finess_ej": "0B0127189",
        "stay": Identifier(value=VISIT, root="1.2.250.1.213.9.1.2"),
        "patient": Identifier(value=IPP, root="1.2.250.1.213.9.1.1"),
        "document_id": f"1.2.250.1.213.9.2.{number}",
        "chain_id": "1.2.250.1.213.9.2.999",
        "type_code": "11490-0",
        **changes,
    }
    return Event(**values)


def memory(**options: Any) -> Ledger:
    return Ledger.open("sqlite://", SECRET, clock=FixedClock(NOW), **options)


def test_an_event_sent_again_is_passed_over() -> None:
    with memory() as ledger:
        assert ledger.record([event(1), event(2)]) == 2
        head = ledger.head()
        assert ledger.record([event(1), event(2)]) == 0
        assert ledger.record([event(2), event(3), event(3)]) == 1
        assert head.count == 2
        assert ledger.head().count == 3


@pytest.mark.parametrize(
    "change",
    [
        {"type_code": "34874-8"},
        {"occurred_at": NOW + timedelta(microseconds=1)},
        {"stay": Identifier(value="other", root="1.2.250.1.213.9.1.2")},
        {"stay": Identifier(value=VISIT, root="1.2.250.1.213.9.1.3")},
        {"test_identity": True},
        {"attempt": 2},
    ],
)
def test_the_same_id_with_another_content_is_a_conflict_and_records_nothing(change: dict[str, Any]) -> None:
    with memory() as ledger:
        ledger.record([event(1)])
        with pytest.raises(LedgerConflictError) as raised:
            ledger.record([event(2), event(1, **change)])
        assert raised.value.code == "LEDGER_CONFLICT"
        assert raised.value.path == "events[1].event_id"
        assert VISIT not in str(raised.value)
        assert ledger.head().count == 1
        with pytest.raises(LedgerConflictError):
            ledger.record([event(5), event(5, **change)])
        assert ledger.head().count == 1


def test_the_chain_is_what_its_definition_says(tmp_path: Path) -> None:
    """Recomputed from the raw rows with json and hashlib alone."""
    path = tmp_path / "usage.db"
    with Ledger.open(path, SECRET, "GHT-É", clock=FixedClock(NOW)) as ledger:
        ledger.record([event(n, actor="flux d’émission") for n in range(3)])
        ledger.record([event(7)])
        head = ledger.verify_chain()
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    last = bytes(32)
    for row in connection.execute("SELECT * FROM event ORDER BY seq"):
        payload = {k: row[k] for k in row.keys() if k != "hash" and row[k] is not None}  # noqa: SIM118
        payload = {k: v.hex() if isinstance(v, bytes) else v for k, v in payload.items()} | {"tenant": "GHT-É"}
        text = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        last = hashlib.sha256(last + text.encode()).digest()
        assert last == row["hash"]
    connection.close()
    assert (head.count, head.hash) == (4, last)


def test_no_clear_identifier_reaches_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    ledger = Ledger.open(path, SECRET, clock=FixedClock(NOW))
    ledger.record(
        [
            event(1, event_id=f"admission-{VISIT}-{IPP}"),
            event(2, delivery=f"mss:{MATRICULE}@patient.mssante.fr", event_id=MATRICULE),
            event(3, reason_code=f"patient {MATRICULE} inconnu"),
            event(4, reason_code=MATRICULE),
            event(5, reason_code="XDSDuplicateUniqueIdInRegistry"),
            event(6, merged_stay=Identifier(value=VISIT + "9", root="1.2.250.1.213.9.1.2"), type="STAY_MERGED"),
        ]
    )
    written = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    ledger.close()
    written += b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert b"0B0127189" in written  # the scan does see what is in clear
    assert b"XDSDuplicateUniqueIdInRegistry" in written
    for clear in (
        VISIT,
        IPP,
        MATRICULE,
        MATRICULE[:13],
        "mssante.fr",
        "1.2.250.1.213.9.2.",
        "inconnu",
        SECRET.decode(),
    ):
        assert clear.encode() not in written
        assert clear.lower().encode() not in written
        assert clear.encode("utf-16-le") not in written


@pytest.mark.parametrize("field", ["unit", "activity", "type_code", "outcome", "actor", "finess_geo", "stay_class"])
@pytest.mark.parametrize("text", [MATRICULE, f"séjour de {MATRICULE}", "x" * 65, "a\nb"])
def test_a_code_field_holds_no_text(field: str, text: str) -> None:
    with memory() as ledger:
        with pytest.raises(LedgerError) as raised:
            ledger.record([event(1), event(2, **{field: text})])
        assert raised.value.code == "LEDGER_NOT_A_CODE"
        assert raised.value.path == f"events[1].{field}"
        assert text not in str(raised.value)
        assert ledger.head().count == 0


def test_an_empty_code_is_an_absent_one() -> None:
    with memory() as ledger:
        assert ledger.record([event(1, unit="")]) == 1
        assert ledger.record([event(1)]) == 0
        assert ledger.rows()[0].unit is None


def test_an_event_without_id_is_refused() -> None:
    with memory() as ledger, pytest.raises(LedgerError) as raised:
        ledger.record([event(1, event_id=" ")])
    assert raised.value.code == "LEDGER_NO_EVENT_ID"


def test_the_same_visit_number_of_two_authorities_is_two_stays() -> None:
    with memory() as ledger:
        ledger.record(
            [
                event(1, stay=Identifier(value="1", root="1.2.3")),
                event(2, stay=Identifier(value="1", root="1.2.4")),
                event(3, stay=None),
                event(4, stay=Identifier(value="1", root="1.2.3")),
            ]
        )
        keys = [row.stay_key for row in ledger.rows()]
    assert keys[0] == keys[3] != keys[1]
    assert keys[2] is None
    assert keys[0] == memory().stay_key(Identifier(value="1", root="1.2.3"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET type = 'DMP_ACCEPTED' WHERE seq = 2",
        "UPDATE event SET recorded_at = recorded_at - 1 WHERE seq = 2",
        "UPDATE event SET stay_key = NULL WHERE seq = 2",
        "UPDATE event SET hash = zeroblob(32) WHERE seq = 2",
        "DELETE FROM event WHERE seq = 2",
        "UPDATE event SET seq = 9 WHERE seq = 2",
        "UPDATE about SET value = 'other' WHERE name = 'tenant'",
    ],
)
def test_a_changed_ledger_is_found_out(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "usage.db"
    with Ledger.open(path, SECRET, clock=FixedClock(NOW)) as ledger:
        ledger.record([event(n) for n in range(4)])
        ledger.verify_chain()
    raw = sqlite3.connect(path)
    if " event " in statement:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(statement)
        raw.rollback()
        raw.executescript("DROP TRIGGER event_no_UPDATE; DROP TRIGGER event_no_DELETE;")
    raw.execute(statement)
    raw.commit()
    raw.close()
    tenant = "other" if "about" in statement else "default"
    with Ledger.open(path, SECRET, tenant) as ledger, pytest.raises(LedgerTamperedError) as raised:
        ledger.verify_chain()
    assert raised.value.path == ("event 1" if "about" in statement else "event 2")


def test_a_ledger_cut_short_is_found_out_with_a_noted_head(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    with Ledger.open(path, SECRET, clock=FixedClock(NOW)) as ledger:
        ledger.record([event(n) for n in range(4)])
        noted = ledger.head()
        ledger.record([event(9)])
        assert ledger.verify_chain(noted).count == 5
    raw = sqlite3.connect(path)
    raw.executescript("DROP TRIGGER event_no_DELETE; DELETE FROM event WHERE seq >= 4;")
    raw.close()
    with Ledger.open(path, SECRET, clock=FixedClock(NOW)) as ledger:
        ledger.verify_chain()  # alone, a shorter chain is a good chain
        with pytest.raises(LedgerTamperedError, match="shorter"):
            ledger.verify_chain(noted)
        ledger.record([event(50), event(51)])
        with pytest.raises(LedgerTamperedError, match="noted"):
            ledger.verify_chain(noted)


def test_a_clock_set_back_does_not_rewrite_the_past() -> None:
    clock = FixedClock(NOW)
    with Ledger.open("sqlite://", SECRET, clock=clock) as ledger:
        ledger.record([event(1)])
        clock.advance(timedelta(days=-2))
        ledger.record([event(2)])
        assert ledger.head().recorded_at == NOW
        assert ledger.head(as_of=NOW - timedelta(seconds=1)).count == 0
        assert ledger.head(as_of=NOW).count == 2


def test_opening_with_another_secret_or_tenant_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    Ledger.open(path, SECRET, "A").close()
    Ledger.open(f"sqlite:///{path}", SECRET, "A").close()
    with pytest.raises(ConfigurationError) as wrong_key:
        Ledger.open(path, b"t" * 32, "A")
    assert wrong_key.value.code == "LEDGER_KEY_WRONG"
    with pytest.raises(ConfigurationError) as wrong_tenant:
        Ledger.open(path, SECRET, "B")
    assert wrong_tenant.value.code == "LEDGER_TENANT"


@pytest.mark.parametrize("secret", [b"", b"short", b"x" * 31])
def test_there_is_no_default_secret(secret: bytes) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Ledger.open("sqlite://", secret)
    assert raised.value.code == "LEDGER_KEY_SHORT"


def test_another_engine_is_refused() -> None:
    with pytest.raises(ConfigurationError) as raised:
        Ledger.open("postgresql://host/db", SECRET)
    assert raised.value.code == "LEDGER_URL"


def test_the_secret_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "key"
    with pytest.raises(ConfigurationError) as absent:
        Ledger.open("sqlite://", FileSecret(file))
    assert absent.value.code == "LEDGER_KEY_UNREADABLE"
    file.write_bytes(b"k" * 40)
    file.chmod(0o644)
    with pytest.raises(ConfigurationError) as exposed:
        Ledger.open("sqlite://", FileSecret(file))
    assert exposed.value.code == "LEDGER_KEY_EXPOSED"
    file.chmod(0o600)
    with Ledger.open(tmp_path / "usage.db", FileSecret(str(file))) as ledger:
        assert "k" * 8 not in repr(ledger)
    assert os.stat(tmp_path / "usage.db").st_mode & 0o777 == 0o600


def test_recording_nothing_is_nothing() -> None:
    with memory() as ledger:
        assert ledger.record(iter(())) == 0
        assert ledger.head().recorded_at is None
        assert ledger.verify_chain().hash == bytes(32)
