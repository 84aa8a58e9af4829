"""A peer made of files: what it accepted stays on disk, whichever process asked and however it died.

For tests of the outbox, and of programs that use it. One folder is one peer:

- `accepted/` one file for each accepted delivery, created whole and exclusively, never changed;
- `calls` one line for each call that reached the peer;
- `faults/` what the next calls meet, taken in order, across processes.

As the DMP it knows a document again (same key, same bytes: DUPLICATE; other bytes: REJECTED) and can be asked. As a
mail server it knows nothing again and cannot be asked: a second copy is a second file.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from .._core.clock import Clock, SystemClock
from .._core.errors import OutcomeUnknown, TransportError
from .._core.ids import IdFactory, RandomIds
from .._core.retry import RetryAdvice
from ..model import (
    ChannelKind,
    Code,
    Destination,
    Document,
    IdentityStatus,
    MssPatient,
    Outcome,
    Prepared,
    ReasonClass,
    Receipt,
)
from . import samples


class Fault(StrEnum):
    """What one call meets instead of success."""

    UNREACHABLE = "unreachable"
    """No byte leaves."""
    CUT_BEFORE = "cut_before"
    """The connection is lost; the peer did not act."""
    CUT_AFTER = "cut_after"
    """The connection is lost; the peer acted."""
    BUSY = "busy"
    """A refusal that passes."""
    REFUSED = "refused"
    """A refusal that stays: the document is not valid."""
    SILENT = "silent"
    """A question gets no answer."""


def sample_document(number: int = 1, *, version: int = 1, **changes: Any) -> Document:
    """A document for tests of delivery: its bytes are no CDA. Version 2 and later replace the one before."""
    values: dict[str, Any] = {
        "content": f"document {number} version {version}".encode(),
        "unique_id": f"{samples.DOCUMENT_ROOT}.{number}.{version}",
        "set_id": f"{samples.DOCUMENT_ROOT}.{number}",
        "version_number": version,
        "type_code": samples.loinc("11490-0", "Lettre de liaison à la sortie"),
        "title": "Lettre de liaison",
        "created_at": samples.WRITTEN,
        "organization": samples.hospital(),
        "ins": samples.ins(),
        "ins_status": IdentityStatus.QUALIFIEE,
        "format_code": Code(code="urn:ans:sample", system="1.2.250.1.213.1.1.4.2"),
        "replaces": f"{samples.DOCUMENT_ROOT}.{number}.{version - 1}" if version > 1 else None,
        "stay": samples.stay().visit,
        "unit": "6268",
    }
    return Document(**values | changes)


class FileChannel:
    """One channel over a folder. `step` is called with a name at each point where a process may be killed."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        kind: Literal["dmp", "mss"] = "dmp",
        lost_reply: Literal["at_least_once", "at_most_once"] | None = None,
        clock: Clock | None = None,
        ids: IdFactory | None = None,
        step: Callable[[str], object] = lambda name: None,
    ) -> None:
        self._folder = Path(folder)
        self._kind = kind
        self._lost_reply = lost_reply
        self._clock = clock or SystemClock()
        self._ids = ids or RandomIds()
        self._step = step
        for name in ("accepted", "faults"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)

    # -- the Channel protocol

    def prepare(self, document: Document, destination: Destination) -> Prepared:
        self._step("prepare")
        metadata: dict[str, str] = {"replaces": document.replaces or ""}
        kind = ChannelKind.DMP
        if self._kind == "mss":
            kind = ChannelKind.MSS_PATIENT if isinstance(destination, MssPatient) else ChannelKind.MSS_PRO
            if self._lost_reply:
                metadata["lost_reply"] = self._lost_reply
        return Prepared(
            channel=self._kind,
            kind=kind,
            key=f"{document.unique_id}|{destination.key}",
            unique_id=document.unique_id,
            ids={"submission": self._ids.oid(samples.SUBMISSION_ROOT)},
            metadata=json.dumps(metadata),
            blobs={"document": document.content},
        )

    def send(self, prepared: Prepared) -> Receipt:
        self._step("send")
        fault = self._next_fault()
        if fault is Fault.UNREACHABLE:
            raise TransportError("connection refused", sent="no", code="UNREACHABLE")
        if fault is Fault.CUT_BEFORE:
            raise OutcomeUnknown("connection lost", prepared=prepared)
        self._note("send", prepared)
        if fault is Fault.BUSY:
            return self._receipt(
                prepared, Outcome.REJECTED, "XDSRepositoryBusy", ReasonClass.TRANSIENT, RetryAdvice.after(1.0)
            )
        if fault is Fault.REFUSED:
            return self._receipt(prepared, Outcome.REJECTED, "XDSRepositoryMetadataError", ReasonClass.METADATA)
        self._step("before accept")
        outcome = self._accept(prepared)
        self._step("after accept")
        if fault is Fault.CUT_AFTER:
            raise OutcomeUnknown("connection lost", prepared=prepared)
        if outcome is Outcome.REJECTED:
            return self._receipt(
                prepared, outcome, "XDSNonIdenticalHash", ReasonClass.DUPLICATE
            )  # the same identifier with other bytes
        return self._receipt(prepared, outcome)

    def reconcile(self, prepared: Prepared) -> Receipt:
        self._step("reconcile")
        if self._kind == "mss" or self._next_fault(Fault.SILENT) is Fault.SILENT:
            return self._receipt(prepared, Outcome.UNKNOWN)
        self._note("reconcile", prepared)
        held = self._place(prepared).exists()
        return self._receipt(prepared, Outcome.ACCEPTED if held else Outcome.ABSENT)

    # -- what a test tells and asks

    def fail_next(self, *faults: Fault) -> None:
        """What the next calls meet, in this order, whichever process makes them. SILENT waits for a question."""
        start = len(list((self._folder / "faults").iterdir()))
        for number, fault in enumerate(faults, start):
            (self._folder / "faults" / f"{number:06d}.{fault.value}").touch()

    def accepted(self) -> dict[str, int]:
        """How many times each key (document and destination) was accepted."""
        found: dict[str, int] = {}
        for path in (self._folder / "accepted").iterdir():
            key = path.read_bytes().split(b"\n", 1)[0].decode()
            found[key] = found.get(key, 0) + 1
        return found

    def calls(self) -> list[tuple[str, str]]:
        """What reached the peer: call and key."""
        try:
            lines = (self._folder / "calls").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(call, key) for call, _, key in (line.partition(" ") for line in lines)]

    def _next_fault(self, only: Fault | None = None) -> Fault | None:
        for path in sorted((self._folder / "faults").iterdir()):
            fault = Fault(path.name.partition(".")[2])
            if (fault is Fault.SILENT) != (only is Fault.SILENT):
                continue
            try:
                path.unlink()
            except FileNotFoundError:
                continue  # another process met it
            return fault
        return None

    def _place(self, prepared: Prepared) -> Path:
        return self._folder / "accepted" / hashlib.sha256(prepared.key.encode()).hexdigest()[:32]

    def _accept(self, prepared: Prepared) -> Outcome:
        content = prepared.key.encode() + b"\n" + prepared.blobs["document"]
        place = self._place(prepared)
        # Written apart and linked: whoever looks at `accepted/` sees whole files only, whenever a process is killed.
        draft = self._folder / f"{self._ids.uuid()}.draft"
        draft.write_bytes(content)
        try:
            for copy in itertools.count():
                path = place.with_suffix(f".{copy}") if copy else place
                try:
                    os.link(draft, path)
                except FileExistsError:
                    if self._kind == "dmp":
                        return Outcome.DUPLICATE if path.read_bytes() == content else Outcome.REJECTED
                else:
                    break
        finally:
            draft.unlink()
        return Outcome.ACCEPTED if self._kind == "dmp" else Outcome.RELAYED

    def _note(self, call: str, prepared: Prepared) -> None:
        line = f"{call} {prepared.key}\n".encode()
        handle = os.open(self._folder / "calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)

    def _receipt(
        self,
        prepared: Prepared,
        outcome: Outcome,
        code: str = "",
        reason: ReasonClass | None = None,
        retry: RetryAdvice | None = None,
    ) -> Receipt:
        return Receipt(
            channel=prepared.kind,
            outcome=outcome,
            unique_id=prepared.unique_id,
            at=self._clock.now(),
            code=code,
            reason=reason,
            retry=retry or RetryAdvice.never(),
        )
