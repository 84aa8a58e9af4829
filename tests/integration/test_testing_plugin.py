"""The pytest plugin, as a vendor's suite uses it: no import, no conftest."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from sunes_sdk import Dmp
from sunes_sdk.dmp import DmpClient
from sunes_sdk.outbox import Outbox, OutboxPolicy, State
from sunes_sdk.testing import Fakes, samples


def test_a_discharge_survives_a_busy_dmp_and_a_lost_answer(sunes_fakes: Fakes, tmp_path: Path) -> None:
    sunes_fakes.dmp.cut_before_accept(times=1)
    sunes_fakes.dmp.cut_after_accept(times=1)
    document = samples.discharge_letter().render(samples.issuer())
    policy = OutboxPolicy(retry_base=timedelta(milliseconds=10), check_delay=timedelta(milliseconds=10))
    actor = samples.physician().at(samples.hospital())
    with (
        DmpClient(sunes_fakes.settings, actor=actor) as dmp,
        Outbox.open(f"sqlite:///{tmp_path / 'outbox.db'}", {"dmp": dmp}, policy=policy) as outbox,
    ):
        outbox.put(document, to=[Dmp()])
        outbox.run_until_idle()
        assert outbox.counts()[State.DONE] == 1
    assert [d.type_code for d in sunes_fakes.dmp.documents] == ["11490-0"]
    assert [d.unique_id for d in sunes_fakes.dmp.documents] == [document.unique_id]


def test_the_plugin_imports_nothing_until_a_fixture_asks(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n\ndef test_nothing():\n"
        "    assert not {'pydantic', 'lxml', 'cryptography', 'sqlalchemy'} & set(sys.modules)\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:hypothesispytest", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
