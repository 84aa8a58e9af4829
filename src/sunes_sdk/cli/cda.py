"""`sunes cda …`: check, show, read the header of, and write as a page, CDA documents that are files."""

from __future__ import annotations

import json as json_format
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from lxml import etree
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from .._core.errors import SunesError
from .._core.findings import Finding, Report, Severity
from ..cda import CdaHeader, html, read_header
from ..cda.oracle import Oracle, Outcome
from ..cda.reader import V3, clinical_document, header_of
from ..cda.rules import check_parsed

app = typer.Typer(help="CDA documents in files: check, show, header, page.", no_args_is_help=True)

VALID, FOUND, UNREADABLE = 0, 1, 2
"""Exit codes."""
KINDS = {
    "1.2.250.1.213.1.1.1.21": "AdmissionLetter",
    "1.2.250.1.213.1.1.1.29": "DischargeLetter",
    "1.2.250.1.213.1.1.1.39": "MedicationPrescription",
    "1.2.250.1.213.1.1.1.45": "ImagingReport",
    "1.2.250.1.213.1.1.1.55": "LaboratoryReport",
}
"""Document templateId → kind. A level-1 document is an `OperativeReport` by its type code, else `UnstructuredDocument`;
any other is a `StructuredDocument`."""
_OPERATIVE = "34874-8"
_COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


def kind_of(header: CdaHeader) -> str:
    """Name of the document's kind (see `KINDS`)."""
    if header.body_media_type:
        return "OperativeReport" if header.code.code == _OPERATIVE else "UnstructuredDocument"
    return next((KINDS[t.root] for t in header.template_ids if t.root in KINDS), "StructuredDocument")


Files = Annotated[list[Path], typer.Argument(metavar="FILE…", help="CDA documents.", show_default=False)]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A CDA document.", show_default=False)]


@app.command(name="check")
def check_files(
    files: Files,
    oracle: Annotated[bool, typer.Option("--oracle", help="Ask the official XSD and Schematrons too.")] = False,
    kit: Annotated[
        Path | None, typer.Option(metavar="DIR", envvar="SUNES_ANS_KIT", help="Folder of the ANS conformance kit.")
    ] = None,
    relaxed: Annotated[
        bool, typer.Option("--relaxed", help="Only warn of what the official validator is silent on.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a list of verdicts, for programs.")] = False,
) -> None:
    """What is wrong in each file, where, and how to mend it.

    Exit code: 0 valid, 1 findings of severity error, 2 a file (or the kit) that cannot be read.
    """
    judge = _oracle(kit) if oracle else None
    verdicts = []
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=Console(stderr=True), disable=len(files) == 1,
    ) as progress:  # fmt: skip
        task = progress.add_task("Checked", total=len(files))
        for file in files:
            verdicts.append(_checked(file, judge, relaxed=relaxed))
            progress.advance(task)
    if json:
        typer.echo(json_format.dumps([v for v, _, _ in verdicts], ensure_ascii=False, indent=2))
    else:
        for verdict, findings, _ in verdicts:
            _print_verdict(Console(), verdict, findings)
    raise typer.Exit(max((code for _, _, code in verdicts), default=VALID))


def _oracle(kit: Path | None) -> Oracle:
    if kit is None:
        raise typer.BadParameter("give the kit: --kit DIR, or SUNES_ANS_KIT", param_hint="--oracle")
    try:
        return Oracle(kit, terminologies=True)
    except SunesError as e:
        typer.echo(str(e), err=True)
        raise typer.Exit(UNREADABLE) from None


Checked = tuple[dict[str, Any], Report, int]


def _checked(file: Path, oracle: Oracle | None, *, relaxed: bool) -> Checked:
    verdict: dict[str, Any] = {"file": str(file), "kind": None, "valid": False}
    code = UNREADABLE
    try:
        content = _content(file)
        root = clinical_document(content)
        verdict["kind"] = kind_of(header_of(root))
        report = check_parsed(root, relaxed=relaxed)
        if oracle is not None:
            said = oracle.judge(content)
            report += said.report
            verdict["oracle"] = {
                "outcome": said.outcome,
                "kit": said.kit.name,
                "commit": said.kit.commit,
                "digest": said.kit.digest,
                "kit_date": said.kit.date,
                "judged_at": said.judged_at.isoformat(timespec="seconds"),
                "schematrons": said.schematrons,
                "missing": said.missing,
                "unjudged": said.unjudged,
            }
            verdict["valid"] = report.ok and said.outcome is Outcome.VALID
        else:
            verdict["valid"] = report.ok
        code = VALID if verdict["valid"] else FOUND
    except SunesError as e:
        report = Report((_unreadable(e),))
    verdict["findings"] = [_finding(f) for f in report]
    return verdict, report, code


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as e:
        raise SunesError(
            f"the file cannot be opened: {e.strerror or e.__class__.__name__}", code="FILE_UNREADABLE",
            path=str(file), hint="give the path of a file that can be read",
            hint_fr="Le fichier ne peut pas être ouvert.",
        ) from None  # fmt: skip


def _unreadable(error: SunesError) -> Finding:
    return Finding(
        code=error.code, message=error.message, path=error.path, rule=error.rule, hint=error.hint,
        message_fr=error.hint_fr or "Ce fichier ne peut pas être lu comme un document CDA.",
    )  # fmt: skip


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "path": finding.path,
        "line": finding.line or None,
        "message": finding.message,
        "message_fr": finding.message_fr,
        "rule": finding.rule,
        "source": finding.source,
        "hint": finding.hint,
    }


def _print_verdict(console: Console, verdict: dict[str, Any], report: Report) -> None:
    head = Text()
    said = verdict.get("oracle", {}).get("outcome")
    if verdict["valid"]:
        head.append("valid  ", "bold green") if said else head.append("no error  ", "bold green")
    else:
        head.append(f"{said}  " if said == Outcome.INCOMPLETE else "not valid  ", "bold red")
    head.append(_clean(verdict["file"])).append(f"  {verdict['kind'] or 'not a readable CDA document'}", "dim")
    console.print(head, soft_wrap=True)
    if said:
        kit = verdict["oracle"]
        named = kit["commit"] or f"sha256:{kit['digest'][:16]}"
        console.print(Text(f"  oracle: {kit['kit']} {named} of {kit['kit_date']}", "dim"), soft_wrap=True)
    for finding in report:
        line = Text("  ").append(f"{finding.severity} {finding.code}", _COLOURS[finding.severity])
        place = f"line {finding.line}, {finding.path}" if finding.line else finding.path
        line.append(f" {_clean(place)}: {_clean(finding.message)}")
        console.print(line, soft_wrap=True)
        for said in filter(None, (finding.rule if finding.code[:4] != "KIT_" else "", finding.hint)):
            console.print(Text(f"      {_clean(said)}", "dim"), soft_wrap=True)


def _clean(text: str) -> str:
    """Without what a terminal would obey or hide: control and format characters."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf") else "\ufffd" for c in text)


@app.command()
def header(file: File, json: Annotated[bool, typer.Option("--json", help="Print it for programs.")] = False) -> None:
    """The header as data: identifiers, patient, authors, acts, encounter. It holds personal data."""
    found = _or_exit(lambda: read_header(_content(file)))
    if json:
        typer.echo(json_format.dumps({"kind": kind_of(found), **_plain(found)}, ensure_ascii=False, indent=2))
    else:
        _print_header(Console(), found)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


_T = TypeVar("_T")


def _or_exit(read: Callable[[], _T]) -> _T:
    try:
        return read()
    except SunesError as e:
        typer.echo(_clean(str(e)), err=True)
        raise typer.Exit(UNREADABLE) from None


def _print_header(console: Console, found: CdaHeader) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in (*html.patient_facts(found.patient), *html.document_facts(found)):
        if value:
            table.add_row(name, Text(_clean(value)))
    console.print(Text(_clean(found.title or found.code.display), "bold"), Text(f"({kind_of(found)})", "dim"))
    console.print(table)


@app.command()
def show(file: File) -> None:
    """The document in the terminal: header, then the narrative of each section."""
    root = _or_exit(lambda: clinical_document(_content(file)))
    console = Console()
    _print_header(console, _or_exit(lambda: header_of(root)))
    body = root.find(f"{V3}component/{V3}structuredBody")
    if body is None:
        text = root.find(f"{V3}component/{V3}nonXMLBody/{V3}text")
        if text is not None:
            size = len(_or_exit(lambda: html.media_bytes(text)))
            console.print(Text(f"\nBody: one file, {_clean(text.get('mediaType', 'text/plain'))}, {size} bytes."))
        return
    for depth, title, lines in _outline(body, 0):
        console.print()
        console.print(Text("  " * depth + _clean(title or "(untitled section)"), "bold cyan"))
        for line in lines:
            console.print(Text("  " * (depth + 1) + _clean(line)))


def _outline(parent: etree._Element, depth: int) -> Iterator[tuple[int, str, list[str]]]:
    for section in parent.iterfind(f"{V3}component/{V3}section"):
        title, text = section.find(f"{V3}title"), section.find(f"{V3}text")
        said = " ".join("".join(title.itertext()).split()) if title is not None else ""
        yield depth, said, list(_lines(text)) if text is not None else []
        yield from _outline(section, depth + 1)


_BLOCKS = frozenset(V3 + name for name in ("paragraph", "list", "table", "thead", "tbody", "tfoot", "caption"))


def _lines(element: etree._Element) -> Iterator[str]:
    """A narrative as lines: one for each paragraph, item and table row."""
    line: list[str] = [element.text or ""]

    def ended() -> Iterator[str]:
        said = " ".join("".join(line).split())
        line.clear()
        if said:
            yield said

    for child in element.iterchildren(etree.Element):
        if child.tag in (f"{V3}tr", f"{V3}item", f"{V3}br", *_BLOCKS):
            yield from ended()
        if child.tag == f"{V3}tr":
            cells = [" ".join("".join(c.itertext()).split()) for c in child.iterchildren(etree.Element)]
            yield "  |  ".join(cells)
        elif child.tag == f"{V3}item":
            for n, said in enumerate(_lines(child)):
                yield ("  " if n else "• ") + said
        elif child.tag in _BLOCKS:
            yield from _lines(child)
        else:
            line.append("".join(child.itertext()))
        line.append(child.tail or "")
    yield from ended()


@app.command(name="html")
def write_html(
    file: File, out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The page to write.")]
) -> None:
    """The document as one self-contained page, for a browser or a printer."""
    page = _or_exit(lambda: html.to_html(_content(file)))
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as e:
        typer.echo(f"{out} cannot be written: {e.strerror or e.__class__.__name__}", err=True)
        raise typer.Exit(UNREADABLE) from None
    typer.echo(str(out))
