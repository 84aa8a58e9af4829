"""`sunes demo`: one discharge, from the admission message to the usage report, against the fakes.

Real sockets, real cryptography, real databases; one answer of the DMP is cut after acceptance on purpose.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from .. import flows
from .._core.clock import SystemClock, monotonic
from .._core.errors import SunesError
from .._core.ids import RandomIds
from ..cda import CdaDocument, Issuer
from ..dmp import DmpClient
from ..ins import DocumentKind, Evidence
from ..insi import InsiClient
from ..model import ChannelKind, IdentityStatus, Patient, Stay, Target
from ..mss import MssClient
from ..outbox import Entry, Outbox, OutboxPolicy, State
from ..settings import Settings
from ..testing import Fakes, samples
from ..testing.demo import discharge_documents, read_example
from ..transport import HttpsTransport, RecordingTransport
from ..usage import FileSecret, IndicatorResult, Ledger, Period, evaluate_all, load_profile, render_html, summary_rows
from ..usage.report import SUMMARY_COLUMNS

PROFILES = ("sunes.v1.d1", "sunes.v1.d2", "sunes.v1.d3", "sunes.v2.pro", "sunes.v2.citoyen", "sunes.v3.ins")
_PATIENCE = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that must hold for the demonstration to have succeeded."""

    what: str
    expected: object
    found: object

    @property
    def holds(self) -> bool:
        return self.expected == self.found


def run(out: Path, *, keep_open: bool = False, console: Console | None = None) -> int:
    """Run the demonstration in `out` (emptied first). Returns 0 when everything that must hold holds, else 1."""
    console = console or Console()
    started = monotonic()
    folder = _fresh(out)
    try:
        with Fakes() as fakes:
            checks = _Demo(fakes, folder, console).run()
            if keep_open:
                _wait(fakes, console)
    except SunesError as e:
        console.print(f"[bold red]Failed[/] {e}")
        return 1
    for check in checks:
        if not check.holds:
            console.print(f"[bold red]Does not hold[/] {check.what}: expected {check.expected}, found {check.found}")
    good = all(check.holds for check in checks)
    console.print(
        f"{'[bold green]All is there, once[/]' if good else '[bold red]Something is wrong[/]'}"
        f" — {sum(c.holds for c in checks)}/{len(checks)} checks, {monotonic() - started:.1f} s"
    )
    return 0 if good else 1


def _fresh(out: Path) -> Path:
    """Empty what an earlier run wrote, and nothing else."""
    for name in ("documents", "sent"):
        shutil.rmtree(out / name, ignore_errors=True)
    for pattern in ("ledger.db*", "outbox.db*", "report.html", "ledger.key"):
        for path in out.glob(pattern):
            path.unlink()
    for name in ("documents", "sent/dmp", "sent/insi", "sent/mss"):
        (out / name).mkdir(parents=True)
    return out


def _wait(fakes: Fakes, console: Console) -> None:
    console.print(
        f"Fakes still up: {fakes.dmp.url}, {fakes.insi.url}, smtp://localhost:{fakes.mss.port}. Ctrl-C to end."
    )
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopped")


class _Demo:
    def __init__(self, fakes: Fakes, out: Path, console: Console) -> None:
        self.fakes = fakes
        self.out = out
        self.console = console
        self.settings: Settings = fakes.settings
        self.author = samples.physician().at(self.settings.organization)
        self.practitioner = samples.general_practitioner()
        self.clock = SystemClock()
        self._sent = 0

    def run(self) -> Sequence[Check]:
        settings = self.settings
        insi_section, dmp_section = settings.require_insi(), settings.require_dmp()
        with (
            Progress(
                SpinnerColumn(), TextColumn("[progress.description]{task.description}"), BarColumn(),
                MofNCompleteColumn(), TimeElapsedColumn(), console=self.console,
            ) as progress,
            InsiClient(settings, transport=self._recorded(HttpsTransport(insi_section.tls), "insi")) as insi,
            DmpClient(
                settings, actor=self.author, transport=self._recorded(HttpsTransport(dmp_section.tls), "dmp")
            ) as dmp,
            MssClient(settings, recorder=self._record_mail) as mss,
            Outbox.open(
                f"sqlite:///{self.out / 'outbox.db'}", {"dmp": dmp, "mss": mss},
                policy=OutboxPolicy(check_delay=timedelta(milliseconds=200), retry_base=timedelta(milliseconds=200)),
            ) as outbox,
            Ledger.open(self.out / "ledger.db", FileSecret(self._new_secret()), tenant="DEMO") as ledger,
        ):  # fmt: skip
            step = progress.add_task("Admission and discharge (HL7 v2, IHE PAM France)", total=2)
            admission = flows.admit(read_example("admission.hl7"), settings=settings, outbox=outbox)
            progress.advance(step)
            assert admission.stay is not None
            stay = flows.discharge(read_example("sortie.hl7"), stay=admission.stay, settings=settings, outbox=outbox)
            progress.advance(step)

            step = progress.add_task("Identity qualified with INSi", total=1)
            seen = Evidence(
                document=DocumentKind.IDENTITY_CARD, checked_by="BE-0042", checked_on=stay.admitted_at.date()
            )
            patient, _ = insi.qualify(admission.patient, evidence=seen)
            progress.advance(step)

            step = progress.add_task("DMP open (TD0.2)", total=1)
            existence = dmp.existence(patient.identity)
            progress.advance(step)

            documents = self._build(progress, patient, stay)

            step = progress.add_task("Put in the outbox: DMP, professional, patient", total=len(documents))
            self.fakes.dmp.cut_after_accept(times=1)
            entries: list[Entry] = []
            for document in documents:
                entries += flows.send(document, to=[str(self.practitioner.mss_address)], outbox=outbox)
                progress.advance(step)

            step = progress.add_task("Delivered (one DMP answer is cut after acceptance)", total=len(entries))
            outbox.run_until_idle(
                workers=4, patience=_PATIENCE, every=timedelta(milliseconds=100),
                progress=lambda drain: progress.update(step, completed=len(entries) - drain.remaining),
            )  # fmt: skip
            entries = [outbox.status(entry.id) for entry in entries]

            step = progress.add_task("Counted (usage ledger, six indicators)", total=2)
            flows.count(outbox, ledger)
            progress.advance(step)
            results = evaluate_all(
                ledger, [load_profile(name) for name in PROFILES],
                period=Period(stay.admitted_at.date(), self.clock.now().date()),
                environment=settings.environment,
            )  # fmt: skip
            report = self.out / "report.html"
            report.write_text(
                render_html(
                    results, title="Usage du numérique en santé : démonstration",
                    establishment=settings.organization.name, environment=settings.environment,
                    generated_at=self.clock.now(),
                ),
                encoding="utf-8",
            )  # fmt: skip
            progress.advance(step)
        self._tables(documents, entries, results)
        checks = [
            Check(what="identity qualified", expected=IdentityStatus.QUALIFIEE, found=patient.status),
            Check(what="DMP open", expected=True, found=bool(existence and existence.is_open)),
            *self._holdings(documents, entries, patient),
            *self._counts(documents, results),
            Check(what="one answer was lost, and asked after instead of sent again", expected=(1, len(documents)),
                  found=(len([e for e in entries if _was_asked(e)]), sum(e.attempts for e in entries if _to_dmp(e)))),
        ]  # fmt: skip
        for name in ("report.html", "documents", "sent", "ledger.db"):
            self.console.print(f"{name:12}{self.out / name}", soft_wrap=True)
        return checks

    # -- pieces

    def _recorded(self, transport: HttpsTransport, name: str) -> RecordingTransport:
        return RecordingTransport(transport, self.out / "sent" / name)

    def _record_mail(self, message: bytes) -> None:
        self._sent += 1
        (self.out / "sent" / "mss" / f"{self._sent:04d}-{hashlib.sha256(message).hexdigest()[:8]}.eml").write_bytes(
            message
        )

    def _new_secret(self) -> Path:
        """The demonstration's ledger key: drawn anew, and useless to anyone."""
        ids = RandomIds()
        path = self.out / "ledger.key"
        path.touch(mode=0o600)
        path.write_bytes(ids.uuid().bytes + ids.uuid().bytes)
        return path

    def _build(self, progress: Progress, patient: Patient, stay: Stay) -> list[CdaDocument]:
        drafts = discharge_documents(patient, stay, author=self.author, recipient=self.practitioner)
        step = progress.add_task("Documents built and checked (CDA R2)", total=len(drafts))
        issuer = Issuer.from_settings(self.settings)
        documents = []
        for draft in drafts:
            document = draft.render(issuer)
            document.check().raise_for_errors()
            (self.out / "documents" / f"{document.type_code.code}.xml").write_bytes(document.content)
            documents.append(document)
            progress.advance(step)
        return documents

    def _holdings(self, documents: list[CdaDocument], entries: list[Entry], patient: Patient) -> list[Check]:
        """What the peers hold, seen from their side."""
        held = Counter(d.unique_id for d in self.fakes.dmp.documents)
        bytes_held = {d.unique_id: d.content for d in self.fakes.dmp.documents}
        once = {d.unique_id: 1 for d in documents}
        sent = sorted(d.content for d in documents)

        def mailbox(address: str) -> list[bytes]:
            return sorted(content for mail in self.fakes.mss.mailbox(address) for content in mail.documents)

        ins = patient.identity.for_transmission(Target.MSS_PATIENT, self.settings.environment)
        mine = f"{ins.value}@{self.settings.require_mss().patient_domain}"
        return [
            Check(what="the DMP holds the five documents, once each", expected=once, found=dict(held)),
            Check(what="byte for byte", expected={d.unique_id: d.content for d in documents}, found=bytes_held),
            Check(what="the professional's mailbox holds them, once each", expected=sent,
                  found=mailbox(str(self.practitioner.mss_address))),
            Check(what="the patient's mailbox holds them, once each", expected=sent, found=mailbox(mine)),
            Check(what="nothing waits in the outbox", expected={State.DONE}, found={e.state for e in entries}),
        ]  # fmt: skip

    def _counts(self, documents: list[CdaDocument], results: Sequence[IndicatorResult]) -> list[Check]:
        """The report agrees with what the peers hold."""
        of_type = Counter(d.type_code for d in self.fakes.dmp.documents)
        counted = {r.profile.profile_id: (r.num, r.den) for r in results}
        return [
            Check(what="stays counted (sunes.v1.d1)", expected=(1, 1), found=counted["sunes.v1.d1"]),
            Check(what="biology counted (sunes.v1.d2)", expected=(of_type["11502-2"],) * 2,
                  found=counted["sunes.v1.d2"]),
            Check(what="imaging counted (sunes.v1.d3)", expected=(of_type["18748-4"],) * 2,
                  found=counted["sunes.v1.d3"]),
            Check(what="mail to professionals counted (sunes.v2.pro)", expected=3, found=counted["sunes.v2.pro"][0]),
            Check(what="mail to the patient counted (sunes.v2.citoyen)", expected=(1, 1),
                  found=counted["sunes.v2.citoyen"]),
            Check(what="INS qualified on every document (sunes.v3.ins)", expected=(len(documents),) * 2,
                  found=counted["sunes.v3.ins"]),
        ]  # fmt: skip

    def _tables(self, documents: list[CdaDocument], entries: list[Entry], results: Sequence[IndicatorResult]) -> None:
        table = Table(title="Deliveries", title_justify="left")
        table.add_column("Document", no_wrap=True, max_width=24)
        for title in ("Type", "DMP", "MSS pro", "Patient"):
            table.add_column(title, no_wrap=True)
        for document in documents:
            said = {e.kind: _said(e) for e in entries if e.unique_id == document.unique_id}
            cells = (said.get(kind, "–") for kind in (ChannelKind.DMP, ChannelKind.MSS_PRO, ChannelKind.MSS_PATIENT))
            table.add_row(document.title, document.type_code.code, *cells)
        self.console.print(table)
        usage = Table(title="Usage", title_justify="left")
        for column in _SHOWN:
            usage.add_column(SUMMARY_COLUMNS[column])
        for row in summary_rows(results):
            usage.add_row(*(row[column] for column in _SHOWN))
        self.console.print(usage)


_SHOWN = (0, 1, 2, 4)
"""Columns of the summary that a terminal has room for; the report has them all."""


def _to_dmp(entry: Entry) -> bool:
    return entry.kind is ChannelKind.DMP


def _was_asked(entry: Entry) -> bool:
    """Only a reconciliation learns the entryUUID that the DMP gave."""
    return _to_dmp(entry) and entry.receipt is not None and entry.receipt.entry_uuid is not None


def _said(entry: Entry) -> str:
    outcome = entry.receipt.outcome.value if entry.receipt else entry.state.value
    return f"{outcome} (asked)" if _was_asked(entry) else outcome
