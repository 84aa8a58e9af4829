"""The demonstration holds, and would not if anything were missing."""

from __future__ import annotations

import json
import sqlite3
import threading
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sunes_sdk.cli import demo
from sunes_sdk.cli import fakes as serving
from sunes_sdk.settings import Settings
from sunes_sdk.testing import Fakes, samples
from sunes_sdk.testing.fake_dmp import FakeDmp


def run(out: Path) -> tuple[int, str]:
    said = StringIO()
    code = demo.run(out, console=Console(file=said, width=120))
    return code, said.getvalue()


def test_it_writes_what_it_promises(tmp_path: Path) -> None:
    code, said = run(tmp_path)
    assert code == 0, said
    assert "All is there, once" in said
    assert {p.name for p in (tmp_path / "documents").iterdir()} == {
        "11490-0.xml", "57833-6.xml", "34874-8.xml", "11502-2.xml", "18748-4.xml",
    }  # fmt: skip
    report = (tmp_path / "report.html").read_text()
    assert "<svg" in report
    assert "<script" not in report
    assert "à renseigner" in report
    assert len(list((tmp_path / "sent/mss").iterdir())) == 10
    assert any(b"ProvideAndRegisterDocumentSet-b" in p.read_bytes() for p in (tmp_path / "sent/dmp").rglob("*.http"))
    events = sqlite3.connect(tmp_path / "ledger.db").execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    assert events > 0
    personal = [samples.ins().value, "PAT-TROIS", "1234567890121", "2600012345"]
    clear = b"".join(p.read_bytes() for p in tmp_path.glob("ledger.db*"))
    assert not [p for p in personal if p.encode() in clear]
    again, said = run(tmp_path)
    assert again == 0, said


def test_a_document_missing_from_the_dmp_fails_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Any = FakeDmp.documents
    monkeypatch.setattr(FakeDmp, "documents", property(lambda self: real.fget(self)[1:]))
    code, said = run(tmp_path)
    assert code == 1
    assert "the DMP holds the five documents" in said


def test_an_identity_that_insi_does_not_know_stops_it_with_nothing_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Fakes] = []

    class Empty(Fakes):
        def __init__(self) -> None:
            super().__init__()
            for person in self.insi.people:
                self.insi.forget(person)
            seen.append(self)

    monkeypatch.setattr(demo, "Fakes", Empty)
    code, said = run(tmp_path)
    assert code == 1
    assert "INSI_NOT_FOUND" in said
    assert seen[0].dmp.documents == []
    assert seen[0].mss.mails == []


def test_the_fakes_write_settings_that_read_back(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    serving.serve(tmp_path, stop=stop)
    settings = Settings.load(tmp_path / "sunes.toml", env={})
    assert settings.require_dmp().signing.password.get_secret_value()
    assert settings.require_mss().port > 0
    assert "password = ***" in settings.explain()
    assert json.dumps(settings.model_dump(mode="json"))
