"""`sunes ins …`: check a matricule or a file of identities, search INSi, write and read the datamatrix INS.

What is asked for goes to standard output, which may then hold an identity; the error stream never does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .._core.errors import ConfigurationError, InsError, SunesError
from .._core.findings import Report
from ..ins import ScannedIdentity, Verdict, check_matricule, datamatrix, datamatrix_image
from ..model import PUBLISHED_TEST_PEOPLE, Environment, Identity, Ins
from .files import Config, Json, content, object_in, print_json, unreadable
from .ins_csv import UNREADABLE, Summary, check_csv
from .ins_traits import FIELDS, disagreements, field_of, traits_of

if TYPE_CHECKING:
    from ..insi import InsiAnswer

app = typer.Typer(help="National health identity: matricule, INSi, datamatrix.", no_args_is_help=True)
symbols = typer.Typer(help="Datamatrix INS: print one, read one.", no_args_is_help=True)
app.add_typer(symbols, name="datamatrix")

VALID, FOUND, UNUSABLE = 0, 1, 2
"""Exit codes."""


class Encoding(StrEnum):
    UTF_8 = "utf-8"
    CP1252 = "cp1252"


_T = TypeVar("_T")


def _or_exit(act: Callable[[], _T], *, refused: int = UNUSABLE) -> _T:
    """What `act` gives, or the end of the command; refused: exit code of a rule of the INS that forbids it."""
    try:
        return act()
    except SunesError as e:
        typer.echo(str(e), err=True)
        if e.hint_fr:
            typer.echo(e.hint_fr, err=True)
        raise typer.Exit(refused if isinstance(e, InsError) else UNUSABLE) from None


@app.command()
def check(
    matricule: Annotated[
        list[str],
        typer.Argument(metavar="MATRICULE", help="15 characters, blanks allowed; - reads them from standard input."),
    ],
    oid: Annotated[str | None, typer.Option(help="OID that came with it.")] = None,
    traits: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Traits to compare (JSON object, see `search`); all optional.")
    ] = None,
    json: Json = False,
) -> None:
    """What is right and wrong with a matricule, without asking INSi.

    Exit code: 0 valid, warnings included; 1 invalid; 2 a file that cannot be read.
    """
    text = sys.stdin.readline(1000).strip() if matricule == ["-"] else " ".join(matricule)
    report = check_matricule(text, oid=oid)
    if traits is not None:
        report += disagreements(_or_exit(lambda: _traits_in(traits)), text)
    verdict = Verdict.of(report)
    if json:
        print_json({"verdict": verdict, "issues": _codes(report)})
    else:
        typer.echo(verdict.replace("_", " "))
        _print_findings(report)
    raise typer.Exit(VALID if report.ok else FOUND)


@app.command(name="check-csv")
def check_file(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="CSV; its first line names the columns.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The result file to write.")],
    keep: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Copy this column to the result (a local number).")
    ] = None,
    encoding: Annotated[Encoding, typer.Option(help="Encoding of the file.")] = Encoding.UTF_8,
) -> None:
    """Check every row of a file of identities.

    Columns: matricule; if there, oid, nom_naissance, prenoms, date_naissance (AAAA-MM-JJ), sexe, lieu_naissance_cog, or
    the English names of the model. The result has line, verdict, issues, and no identity but the columns that --keep
    copies.

    Exit code: 0 all valid, warnings included; 1 some row is invalid or unreadable; 2 a file that cannot be used.
    """

    def check_all() -> Summary:
        with Progress(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
            console=Console(stderr=True),
        ) as progress:  # fmt: skip
            task = progress.add_task("Vérification", total=source.stat().st_size if source.is_file() else None)

            def show(done: int) -> None:
                progress.update(task, completed=done)

            return check_csv(source, out, keep=keep or (), encoding=encoding.value, progress=show)

    summary = _or_exit(check_all)
    _print_summary(summary, out)
    raise typer.Exit(VALID if summary.all_good else FOUND)


@app.command()
def search(
    traits: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Traits, a JSON object: nom_naissance, prenoms, date_naissance (AAAA-MM-JJ), sexe, "
            "lieu_naissance_cog; or the English names of the model.",
        ),
    ],
    config: Config = None,
    json: Json = False,
) -> None:
    """Ask INSi for the INS of a person, by the strict traits. The answer is an identity: it goes to standard output.

    Exit code: 0 one person found; 1 none, or several; 2 the call could not be made, or failed.
    """

    from ..insi import InsiClient  # with TLS and settings, which the other commands do without
    from ..settings import Settings

    def ask() -> InsiAnswer:
        identity = Identity(traits=traits_of(_traits_in(traits)))
        with InsiClient(Settings.load(config)) as insi:
            return insi.search(identity)

    answer = _or_exit(ask)
    if json:
        print_json(_plain_answer(answer))
    else:
        _print_answer(answer)
    raise typer.Exit(VALID if answer.person else FOUND)


@symbols.command()
def encode(
    identity: Annotated[
        Path, typer.Option(metavar="FILE", help="A qualified identity: JSON of `sunes_sdk.model.Identity`.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The picture to write: .svg or .png.")],
    environment: Annotated[
        Environment,
        typer.Option(case_sensitive=False, envvar="SUNES_ENVIRONMENT", help="Test identities or real ones."),
    ],
) -> None:
    """Draw the datamatrix INS of a qualified identity.

    Exit code: 0 written; 1 it may not be printed; 2 a file that cannot be used.
    """
    kind = out.suffix.lower()
    if kind not in (".svg", ".png"):
        raise typer.BadParameter("name a .svg or .png file", param_hint="--out")
    person = _or_exit(lambda: Identity(**object_in(identity)))
    symbol = _or_exit(
        lambda: datamatrix_image.draw(person, environment, test_people=PUBLISHED_TEST_PEOPLE), refused=FOUND
    )
    try:
        out.write_bytes(symbol.png() if kind == ".png" else symbol.svg().encode())
    except OSError as e:
        typer.echo(f"{out} cannot be written: {e.strerror or e.__class__.__name__}", err=True)
        raise typer.Exit(UNUSABLE) from None
    typer.echo(str(out))


@symbols.command()
def decode(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A picture, or the bytes that a scanner gave.")],
    json: Json = False,
) -> None:
    """Read a datamatrix INS. **A symbol proves nothing**: its identity is to be searched at INSi.

    Exit code: 0 read; 1 refused; 2 a file that cannot be read.
    """
    symbol = _or_exit(lambda: content(file, datamatrix_image.MAX_FILE_BYTES))
    is_text = symbol[:2] in (b"IS", b"DC")
    try:
        scanned = datamatrix.decode(symbol) if is_text else datamatrix_image.read(symbol)
    except InsError as e:
        _print_refusal(e.report, json=json)
        raise typer.Exit(FOUND) from None
    except ConfigurationError as e:
        typer.echo(str(e), err=True)
        raise typer.Exit(UNUSABLE) from None
    if json:
        found = {"verdict": Verdict.of(scanned.report), "issues": _codes(scanned.report)}
        print_json(found | {"must_verify": scanned.must_verify, "scan": _plain_scan(scanned)})
    else:
        for name, value in _plain_scan(scanned).items():
            typer.echo(f"{name}: {value}")
        _print_findings(scanned.report)
        typer.echo("À vérifier auprès d'INSi avant tout usage : un datamatrix n'est pas signé.")


def _traits_in(file: Path) -> dict[str, Any]:
    values = {field_of(name): value for name, value in object_in(file).items()}
    unknown = set(values) - FIELDS
    if unknown or not values:
        raise unreadable(file, "a key that names no trait" if unknown else "no traits")
    return values


def _codes(report: Report) -> list[str]:
    return [f.code.removeprefix("INS_") for f in report]


def _print_findings(report: Report, *, err: bool = False) -> None:
    for finding in report:
        typer.echo(f"  {finding.severity} {finding}", err=err)
        if finding.message_fr:
            typer.echo(f"    {finding.message_fr}", err=err)


def _print_refusal(report: Report, *, json: bool) -> None:
    if json:
        print_json({"verdict": Verdict.INVALID, "issues": _codes(report), "must_verify": True, "scan": None})
    else:
        _print_findings(report, err=True)


def _plain_scan(scanned: ScannedIdentity) -> dict[str, str | None]:
    return {
        "matricule": scanned.claimed.value,
        "oid": scanned.claimed.oid.value,
        "nom_naissance": scanned.birth_name,
        "prenoms": scanned.birth_given_names,
        "date_naissance": scanned.birth_date,
        "sexe": scanned.sex.value,
        "lieu_naissance_cog": scanned.birth_place,
    }


def _plain_answer(answer: InsiAnswer) -> dict[str, Any]:
    person = answer.person
    return {
        "outcome": answer.outcome.value,
        "request_id": answer.request_id,
        "advice": answer.advice_fr,
        "person": None if person is None else {
            **_plain_ins(person.ins),
            "nom_naissance": person.birth_name,
            "prenoms": person.given_names,
            "premier_prenom": person.first_given_name,
            "date_naissance": person.birth_date,
            "sexe": person.sex,
            "lieu_naissance_cog": person.birth_place,
            "historique": [_plain_ins(former) for former in person.history],
        },
    }  # fmt: skip


def _plain_ins(ins: Ins) -> dict[str, str]:
    return {"matricule": ins.value, "oid": ins.oid.value}


def _print_answer(answer: InsiAnswer) -> None:
    for name, value in (_plain_answer(answer)["person"] or {}).items():
        if name == "historique":
            for former in value:
                typer.echo(f"ancien matricule: {former['matricule']} ({former['oid']})")
        elif value is not None:
            typer.echo(f"{name}: {''.join(c if c.isprintable() else '?' for c in value)}")
    typer.echo(answer.advice_fr)


_VERDICTS_FR = {
    Verdict.VALID: "valides",
    Verdict.VALID_WITH_WARNINGS: "valides avec avertissement",
    Verdict.INVALID: "invalides",
    UNREADABLE: "illisibles",
}


def _number(count: int) -> str:
    return f"{count:,}".replace(",", "\u202f")


def _print_summary(summary: Summary, out: Path) -> None:
    said = ", ".join(f"{_number(summary.verdicts[v])} {name}" for v, name in _VERDICTS_FR.items())
    typer.echo(f"{_number(summary.verdicts.total())} lignes : {said}.")
    for code, count in summary.issues.most_common():
        typer.echo(f"  {_number(count):>11}  {code:20}  {summary.said_fr[code]}")
    typer.echo(f"Résultat : {out}")
