"""Run by test_whole_way_kill: `whole_way_drill.py FOLDER SETTINGS_TOML PROFESSIONAL_POLICY STRIDE`.

For n = 1, 1 + stride, …: a process puts a letter for the DMP, a professional and the patient, works, and kills itself
at its n-th step (a database statement, a call of a peer before or after it); a second process then does the same
without dying. Ends when nothing is left to die at. Prints what each pair left, as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import DmpClient
from sunes_sdk.model import Dmp, Mss, MssPatient
from sunes_sdk.mss import MssClient
from sunes_sdk.mss.smtp import SmtpSubmission
from sunes_sdk.outbox import Outbox, OutboxPolicy
from sunes_sdk.settings import Settings
from sunes_sdk.testing import samples
from sunes_sdk.testing.demo import read_example
from sunes_sdk.transport import HttpsTransport

TO = (Dmp(), Mss(address=str(samples.general_practitioner().mss_address)), MssPatient())
# Short enough to recover at once; nobody else holds a lease here, the process that did is dead.
POLICY = OutboxPolicy(
    recover_after=timedelta(milliseconds=150), check_delay=timedelta(milliseconds=10),
    retry_base=timedelta(milliseconds=10),
)  # fmt: skip


class Steps:
    def __init__(self, last: int) -> None:
        self.left = last

    def __call__(self, where: str, note: Path) -> None:
        self.left -= 1
        if self.left == 0:
            note.write_text(where)
            os.kill(os.getpid(), signal.SIGKILL)


def arm(last: int, note: Path) -> None:
    step = Steps(last)

    def around(owner: type, name: str, where: str) -> None:
        inner: Callable[..., Any] = getattr(owner, name)

        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            step(f"before {where}", note)
            result = inner(self, *args, **kwargs)
            step(f"after {where}", note)
            return result

        setattr(owner, name, call)

    around(HttpsTransport, "post", "post")
    around(SmtpSubmission, "submit", "mail")

    def traced(connection: Any, _: object) -> None:
        # SQLite calls this before it runs each statement, BEGIN and COMMIT included.
        connection.set_trace_callback(lambda sql: step(" ".join(sql.split()[:2]), note))

    event.listen(Engine, "connect", traced)


def work(folder: Path, settings: Settings, document: CdaDocument) -> None:
    pdf = read_example("compte_rendu_operatoire.pdf")
    with (
        DmpClient(settings, actor=samples.physician().at(samples.hospital())) as dmp,
        MssClient(settings, pdf=lambda _: pdf) as mss,
        Outbox.open(f"sqlite:///{folder / 'outbox.db'}", {"dmp": dmp, "mss": mss}, policy=POLICY) as outbox,
    ):
        outbox.put(document, to=TO)
        outbox.run_until_idle(patience=timedelta(seconds=10))
        rows = [(e.kind.value, e.state.value, e.reason) for e in outbox.entries()]
        (folder / "rows.json").write_text(json.dumps(rows))


def in_child(job: Callable[[], None]) -> int:
    """Fork rather than start: nothing is imported again."""
    pid = os.fork()
    if pid == 0:
        try:
            job()
        except BaseException as e:
            print(f"{type(e).__name__}: {e}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def main() -> None:
    root = Path(sys.argv[1])
    base = Settings.load(sys.argv[2], env={})
    mss = base.require_mss().model_copy(update={"professional_policy": sys.argv[3]})
    settings = base.model_copy(update={"mss": mss})
    days = []
    for n in range(1, 300, int(sys.argv[4])):
        folder = root / str(n)
        folder.mkdir()
        document = samples.discharge_letter().render(samples.issuer())
        note = folder / "killed_at"
        Outbox.open(f"sqlite:///{folder / 'outbox.db'}", {}).close()  # its making is drilled elsewhere

        def first(folder: Path = folder, document: CdaDocument = document, n: int = n, note: Path = note) -> None:
            arm(n, note)
            work(folder, settings, document)

        ended = in_child(first)
        if not os.WIFSIGNALED(ended) and ended != 0:
            sys.exit(f"the first process of step {n} failed")
        killed = os.WIFSIGNALED(ended)
        if killed and in_child(lambda folder=folder, document=document: work(folder, settings, document)) != 0:
            sys.exit(f"the second process of step {n} failed")
        rows = json.loads((folder / "rows.json").read_text())
        days.append({"unique_id": document.unique_id, "at": note.read_text() if killed else "", "rows": rows})
        if not killed:
            break
    print(json.dumps(days))


if __name__ == "__main__":
    main()
