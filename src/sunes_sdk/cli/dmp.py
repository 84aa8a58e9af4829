"""`sunes dmp …`: feed a patient's DMP, look into it, change what is there.

What was asked for goes to standard output, which may then hold personal data; the error stream never does. A patient is
given by a file, never on the command line, which other users of the machine can read.
"""

from __future__ import annotations

import json as json_format
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .._core.clock import PARIS
from .._core.errors import OutcomeUnknown, RemoteError, SunesError
from ..model import Actor, Code, Identity, Outcome, Receipt
from ..terminology import code as terminology_code
from .files import Config, Json, content, object_in, print_json

if TYPE_CHECKING:
    from ..cda import CdaDocument
    from ..dmp import DmpClient, FoundDocument
    from ..flows import OutboxJournal

app = typer.Typer(help="The patient's DMP: feed it, look into it, mask, delete, archive.", no_args_is_help=True)

DONE, REFUSED, UNUSABLE, UNKNOWN = 0, 1, 2, 3
"""Exit codes: done; the DMP refused, or does not hold it; a file, a setting or a connection that cannot be used, and
nothing was changed; the DMP may have acted: look before doing it again."""
MAX_DOCUMENT = 50_000_000
"""Bytes of a document: what the official kit of the DMP takes."""


class Status(StrEnum):
    """JDV_J52, in words."""

    APPROVED = "approved"
    DEPRECATED = "deprecated"
    ARCHIVED = "archived"
    DELETED = "deleted"


_STATUS_FR = {"APPROVED": "en vigueur", "DEPRECATED": "remplacé", "ARCHIVED": "archivé", "DELETED": "supprimé"}
_OUTCOME_FR = {
    Outcome.ACCEPTED: "accepté",
    Outcome.ACCEPTED_WITH_WARNINGS: "accepté avec avertissements",
    Outcome.DUPLICATE: "déjà dans le DMP",
    Outcome.REJECTED: "refusé par le DMP",
    Outcome.UNKNOWN: "issue inconnue",
    Outcome.ABSENT: "absent du DMP",
}

ActorFile = Annotated[
    Path,
    typer.Option(
        "--actor", metavar="FILE", envvar="SUNES_ACTOR",
        help="In whose name: JSON of `sunes_sdk.model.Actor`; without organization, that of the settings.",
    ),
]  # fmt: skip
IdentityFile = Annotated[
    Path, typer.Option("--identity", metavar="FILE", help="The patient: JSON of `sunes_sdk.model.Identity`.")
]
Frames = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Record the frames there: they hold health data (see --masked).")
]
Masked = Annotated[bool, typer.Option("--masked", help="Record them without anybody in them.")]
Journal = Annotated[
    Path | None,
    typer.Option(
        "--journal", metavar="FILE", envvar="SUNES_JOURNAL",
        help="What was sent and what became of it: written by `submit`, needed in mode INDIRECTE by what follows. An "
        "outbox's file will do. It holds health data.",
    ),
]  # fmt: skip
UniqueIds = Annotated[list[str], typer.Argument(metavar="UNIQUE_ID…", help="uniqueId of a document (an OID).")]
UniqueId = Annotated[str, typer.Argument(metavar="UNIQUE_ID", help="uniqueId of the document (an OID).")]
Present = Annotated[
    Status | None,
    typer.Option("--status", help="Its present status, needed where the mode may not read it in the DMP."),
]
Undo = Annotated[bool, typer.Option("--undo", help="Undo it.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A CDA document.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What a command says: to programs, to people, and to its caller."""

    plain: dict[str, Any]
    lines: tuple[str, ...]
    exit_code: int = DONE
    err: bool = False


@app.command()
def existence(
    identity: IdentityFile, actor: ActorFile, config: Config = None, frames: Frames = None, masked: Masked = False,
    json: Json = False,
) -> None:  # fmt: skip
    """TD0.2: does the patient's DMP exist, and is it open?

    Exit code: 0 open; 1 closed, absent, or the DMP refuses; 2 nothing could be asked.
    """

    def ask(client: DmpClient) -> _Told:
        found = client.existence(_identity(identity))
        said = "DMP ouvert" if found.is_open else "DMP fermé" if found.found else "pas de DMP"
        plain = {"found": found.found, "open": found.is_open, "authorization": found.authorization}
        return _Told(plain=plain, lines=(said,), exit_code=DONE if found.is_open else REFUSED)

    _run(ask, actor, config, frames, masked, json=json)


@app.command()
def submit(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="CDA documents.")],
    actor: ActorFile, config: Config = None,
    mask_it: Annotated[bool, typer.Option("--mask", help="Masqué aux professionnels de santé.")] = False,
    hide_it: Annotated[bool, typer.Option("--hide", help="Non visible par le patient.")] = False,
    journal: Journal = None, frames: Frames = None, masked: Masked = False, json: Json = False,
) -> None:  # fmt: skip
    """TD2.1: feed the DMP with documents, each in a submission of its own, all of them whatever becomes of one.

    Sending a document again is safe: its uniqueId does not change, the DMP says that it has it already.

    Exit code: 0 all there; else the highest of: 1 refused, 2 unusable, 3 outcome unknown. With --json, a list.
    """
    from ..dmp import INVISIBLE, MASKED

    visibility = (*((MASKED,) if mask_it else ()), *((INVISIBLE,) if hide_it else ()))
    told: list[_Told] = []
    with (
        _client(actor, config, frames, masked, json=json, journal=journal) as client,
        _progress(len(files)) as advance,
    ):
        for file in files:
            told.append(_attempt(partial(_submitted, client, file, visibility), file))
            advance()
    if json:
        typer.echo(json_format.dumps([t.plain for t in told], ensure_ascii=False))
    else:
        for each in told:
            _say(each)
    raise typer.Exit(max(t.exit_code for t in told))


@app.command()
def replace(
    file: File, actor: ActorFile,
    of: Annotated[Path, typer.Option(metavar="FILE", help="The version that it replaces: a CDA document.")],
    config: Config = None, journal: Journal = None, frames: Frames = None, masked: Masked = False, json: Json = False,
) -> None:  # fmt: skip
    """TD2.1: replace a document by its next version.

    Exit code: 0 replaced; 1 refused; 2 unusable; 3 outcome unknown.
    """

    def act(client: DmpClient) -> _Told:
        return _attempt(lambda: _delivered(client.replace(_document(file), of=_document(of))), file)

    _run(act, actor, config, frames, masked, json=json, journal=journal)


@app.command()
def find(
    identity: IdentityFile, actor: ActorFile, config: Config = None,
    unique_id: Annotated[
        str | None, typer.Option(metavar="OID", help="Only ask whether this document is there (DMP_3.1b).")
    ] = None,
    type_code: Annotated[list[str] | None, typer.Option("--type", metavar="CODE", help="JDV_J66 (LOINC).")] = None,
    status: Annotated[list[Status] | None, typer.Option(help="Approved by default.")] = None,
    frames: Frames = None, masked: Masked = False, json: Json = False,
) -> None:  # fmt: skip
    """TD3.1: the documents of a DMP. An establishment (mode INDIRECTE) may only use --unique-id.

    Exit code: 0 searched, found with --unique-id; 1 refused, absent with --unique-id; 2 nothing could be asked.
    """
    from ..dmp import AvailabilityStatus, DocumentFilter

    def ask(client: DmpClient) -> _Told:
        person = _identity(identity)
        if unique_id is not None:
            return _presence(unique_id, client.find_entry_uuid(unique_id, person))
        where = DocumentFilter(
            statuses=tuple(AvailabilityStatus[s.name] for s in status or (Status.APPROVED,)),
            type_codes=tuple(terminology_code("JDV_J66", code) for code in type_code or ()),
        )
        try:
            found = client.find(person, where)
        except RemoteError as e:
            e.hint_fr += " (Établissement : --unique-id OID.)"
            raise
        documents = [_plain_document(document) for document in found]
        lines = [_line(document) for document in found]
        lines.append(f"{len(documents)} document(s)" + ("" if found.complete else ", liste incomplète"))
        lines += [f"avertissement : {warning}" for warning in found.warnings]
        plain = {"documents": documents, "complete": found.complete, "warnings": found.warnings}
        return _Told(plain=plain, lines=tuple(lines))

    _run(ask, actor, config, frames, masked, json=json)


@app.command()
def get(
    unique_ids: UniqueIds, identity: IdentityFile, actor: ActorFile,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where to write them, private.")],
    config: Config = None, frames: Frames = None, masked: Masked = False, json: Json = False,
) -> None:  # fmt: skip
    """TD3.2: the bytes of documents, verified with what the registry says of them.

    Exit code: 0 all written; 1 refused, or one of them is not there; 2 nothing could be asked or written.
    """

    def ask(client: DmpClient) -> _Told:
        person = _identity(identity)
        known = {d.unique_id: d for d in client.get_documents(person, unique_ids=unique_ids)}
        absent = [unique_id for unique_id in unique_ids if unique_id not in known]
        got = client.retrieve(*known.values(), of=person) if known else ()
        written = [str(_write(out, d.unique_id, d.mime_type, d.content)) for d in got]
        lines = (*written, *(f"{unique_id} : absent du DMP" for unique_id in absent))
        return _Told(
            plain={"files": written, "absent": absent}, lines=lines,
            exit_code=REFUSED if absent or len(written) < len(known) else DONE,
        )  # fmt: skip

    _run(ask, actor, config, frames, masked, json=json)


@app.command()
def mask(
    unique_id: UniqueId, identity: IdentityFile, actor: ActorFile, config: Config = None, undo: Undo = False,
    journal: Journal = None, frames: Frames = None, masked: Masked = False, json: Json = False,
) -> None:  # fmt: skip
    """TD3.3a: mask a document to professionals. Not open to an establishment (mode INDIRECTE).

    Exit code: 0 done; 1 refused; 2 unusable; 3 outcome unknown.
    """

    def act(client: DmpClient) -> _Told:
        person = _identity(identity)
        return _delivered(client.unmask(unique_id, person) if undo else client.mask(unique_id, person))

    _run(act, actor, config, frames, masked, json=json, journal=journal)


@app.command()
def delete(
    unique_id: UniqueId, identity: IdentityFile, actor: ActorFile, config: Config = None, status: Present = None,
    journal: Journal = None, frames: Frames = None, masked: Masked = False, json: Json = False,
) -> None:  # fmt: skip
    """TD3.3c: delete a document whose author is the professional, or in mode INDIRECTE the structure; that mode needs
    --status, or the --journal that `submit` wrote.

    Exit code: 0 done; 1 refused; 2 unusable; 3 outcome unknown.
    """

    def act(client: DmpClient) -> _Told:
        return _delivered(client.delete(unique_id, _identity(identity), status=_present(status)))

    _run(act, actor, config, frames, masked, json=json, journal=journal)


@app.command()
def archive(
    unique_id: UniqueId, identity: IdentityFile, actor: ActorFile, config: Config = None, undo: Undo = False,
    status: Present = None, journal: Journal = None, frames: Frames = None, masked: Masked = False, json: Json = False,
) -> None:  # fmt: skip
    """TD3.3d: archive a document. Not open to an establishment (mode INDIRECTE).

    Exit code: 0 done; 1 refused; 2 unusable; 3 outcome unknown.
    """

    def act(client: DmpClient) -> _Told:
        call = client.unarchive if undo else client.archive
        return _delivered(call(unique_id, _identity(identity), status=_present(status)))

    _run(act, actor, config, frames, masked, json=json, journal=journal)


# --- the client -------------------------------------------------------------------------------------------------------


def _run(
    act: Callable[[DmpClient], _Told], actor: Path, config: Path | None, frames: Path | None, masked: bool,
    *, json: bool, journal: Path | None = None,
) -> None:  # fmt: skip
    with _client(actor, config, frames, masked, json=json, journal=journal) as client:
        told = _attempt(lambda: act(client))
    if json:
        print_json(told.plain)
    else:
        _say(told)
    raise typer.Exit(told.exit_code)


@contextmanager
def _client(
    actor: Path, config: Path | None, frames: Path | None, masked: bool, *, json: bool, journal: Path | None = None
) -> Iterator[DmpClient]:
    if masked and frames is None:
        raise typer.BadParameter("give the folder: --frames DIR", param_hint="--masked")
    from ..dmp import DmpClient  # with TLS and settings, which the other commands do without
    from ..settings import Settings

    def opened(stack: ExitStack) -> DmpClient:
        settings = Settings.load(config)
        values = {"organization": settings.organization} | object_in(actor)
        kept = _journal(journal, stack)
        transport = _transport(settings, frames, masked)
        client = stack.enter_context(DmpClient(settings, actor=Actor(**values), transport=transport, journal=kept))
        if kept is not None:
            kept.settle(client)  # what an earlier command that was killed left open
        return client

    with ExitStack() as stack:
        try:
            client = opened(stack)
        except SunesError as e:
            told = _failed(e)
            print_json(told.plain) if json else _say(told)
            raise typer.Exit(told.exit_code) from None
        yield client


def _journal(file: Path | None, stack: ExitStack) -> OutboxJournal | None:
    if file is None:
        return None
    from ..flows import OutboxJournal  # with SQLAlchemy, which the other commands do without
    from ..outbox import Outbox

    return OutboxJournal(stack.enter_context(Outbox.open(f"sqlite:///{file}", {})))


def _transport(settings: Any, frames: Path | None, masked: bool) -> Any:
    """None lets the client make its own."""
    if frames is None:
        return None
    from ..dmp.frames import transaction_name
    from ..transport import HttpsTransport, RecordingTransport

    dmp = settings.require_dmp()
    inner = HttpsTransport(dmp.tls, timeout_seconds=dmp.timeout_seconds)
    return RecordingTransport(inner, frames, masked=masked, naming=transaction_name)


@contextmanager
def _progress(count: int) -> Iterator[Callable[[], None]]:
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=Console(stderr=True), disable=count == 1,
    ) as progress:  # fmt: skip
        task = progress.add_task("Envoi au DMP", total=count)
        yield lambda: progress.advance(task)


# --- what comes in ----------------------------------------------------------------------------------------------------


def _identity(file: Path) -> Identity:
    return Identity(**object_in(file))


def _document(file: Path) -> CdaDocument:
    from ..cda import read

    return read(content(file, MAX_DOCUMENT))


def _present(status: Status | None) -> Any:
    from ..dmp import AvailabilityStatus

    return None if status is None else AvailabilityStatus[status.name]


# --- what goes out ----------------------------------------------------------------------------------------------------


def _attempt(act: Callable[[], _Told], file: Path | None = None) -> _Told:
    try:
        told = act()
    except SunesError as e:
        told = _failed(e)
    if file is None:
        return told
    first, *others = told.lines
    return _Told(
        plain={"file": str(file)} | told.plain, lines=(f"{file} : {first}", *others), exit_code=told.exit_code,
        err=told.err,
    )  # fmt: skip


def _failed(error: SunesError) -> _Told:
    lines = [str(error), error.hint_fr]
    code, unique_id = UNUSABLE, ""
    if isinstance(error, OutcomeUnknown):
        code = UNKNOWN
        unique_id = getattr(error.prepared, "unique_id", "")
        lines.append(f"Issue inconnue : {_HOW_TO_RECONCILE.format(unique_id=unique_id)}")
    elif isinstance(error, RemoteError):
        code = REFUSED
        lines.append(f"Réponse du DMP : {_clean(error.remote_code)}" if error.remote_code else "")
    elif error.code == "DMP_STATUS_UNKNOWN":
        lines.append(_HOW_TO_KNOW)
    plain: dict[str, Any] = {"outcome": Outcome.UNKNOWN.value, "unique_id": unique_id} if code == UNKNOWN else {}
    plain |= {
        "error": {
            "code": error.code, "message": error.message, "path": error.path, "rule": error.rule, "hint": error.hint,
            "hint_fr": error.hint_fr, "remote_code": getattr(error, "remote_code", ""),
        },
    }  # fmt: skip
    return _Told(plain=plain, lines=tuple(filter(None, lines)), exit_code=code, err=True)


_HOW_TO_KNOW = "Donner --journal FILE, le fichier que `sunes dmp submit --journal FILE` a écrit, ou --status approved."
_HOW_TO_RECONCILE = (
    "le DMP a peut-être agi. Vérifier d'abord (sunes dmp find --identity FILE --unique-id {unique_id}), puis relancer "
    "la même commande si rien n'a été fait : l'identifiant du document ne change pas, rien n'est versé deux fois."
)


def _delivered(receipt: Receipt) -> _Told:
    from ..dmp import ruling

    said = _OUTCOME_FR.get(receipt.outcome, receipt.outcome.value)
    lines = [f"{said}  {receipt.unique_id}"]
    if receipt.outcome is Outcome.REJECTED:
        lines[0] += f"  {_clean(receipt.code)}"
        lines.append(ruling(receipt.code).hint_fr)
    lines += [f"avertissement : {_clean(warning)}" for warning in receipt.warnings]
    plain = receipt.model_dump(mode="json", exclude={"channel"})
    return _Told(plain=plain, lines=tuple(lines), exit_code=DONE if receipt.outcome.is_success else REFUSED)


def _submitted(client: DmpClient, file: Path, visibility: tuple[Code, ...]) -> _Told:
    return _delivered(client.submit(_document(file), visibility=visibility or None))


def _presence(unique_id: str, entry_uuid: str | None) -> _Told:
    plain = {"unique_id": unique_id, "entry_uuid": entry_uuid}
    if entry_uuid is None:
        return _Told(plain=plain, lines=("absent du DMP",), exit_code=REFUSED)
    return _Told(plain=plain, lines=(f"dans le DMP  {_clean(entry_uuid)}",))


def _line(document: FoundDocument) -> str:
    plain = _plain_document(document)
    day = f"{document.created.astimezone(PARIS):%d/%m/%Y}" if document.created else "date inconnue"
    hidden = f"[{', '.join(plain['visibility'])}]" if plain["visibility"] else ""
    status = _STATUS_FR.get(plain["status"], plain["status"])
    return "  ".join(filter(None, (day, status, plain["type"], plain["title"], document.unique_id, hidden)))


def _plain_document(document: FoundDocument) -> dict[str, Any]:
    kind: Code | None = document.type_code
    status = document.status.name if document.status else _clean(document.entry.status)
    return {
        "unique_id": document.unique_id,
        "entry_uuid": document.entry_uuid,
        "title": _clean(document.title),
        "type": kind.code if kind else None,
        "created": document.created.isoformat() if document.created else None,
        "status": status,
        "visibility": sorted(document.visibility),
        "from_patient": document.is_from_patient,
    }


def _write(folder: Path, unique_id: str, mime_type: str, content: bytes) -> Path:
    suffix = {"text/xml": ".xml", "application/pdf": ".pdf"}.get(mime_type, ".bin")
    path = folder / f"{re.sub('[^A-Za-z0-9.-]', '_', unique_id)}{suffix}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
    except OSError as e:
        raise SunesError(
            f"the document cannot be written: {e.strerror or type(e).__name__}", code="FILE_UNWRITABLE",
            path=str(folder), hint="give a folder that can be written",
            hint_fr="Le dossier de destination n'est pas accessible en écriture.",
        ) from None  # fmt: skip
    return path


def _say(told: _Told) -> None:
    for line in told.lines:
        typer.echo(line, err=told.err)


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
