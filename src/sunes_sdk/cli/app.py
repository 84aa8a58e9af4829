"""The commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._version import __version__
from . import cda, dmp, ins

app = typer.Typer(
    name="sunes",
    help="French hospital health documents: CDA R2, INS, DMP, MSSanté, usage.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
fakes = typer.Typer(help="Fakes of the national services, on this machine.", no_args_is_help=True)
app.add_typer(fakes, name="fakes")
app.add_typer(cda.app, name="cda")
app.add_typer(ins.app, name="ins")
app.add_typer(dmp.app, name="dmp")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for what the demonstration writes.")] = Path("demo-out"),
    keep_open: Annotated[bool, typer.Option("--keep-open", help="Leave the fakes running until Ctrl-C.")] = False,
) -> None:
    """The main job on embedded defaults: a stay comes in, five documents go out, the report counts them."""
    from .demo import run

    raise typer.Exit(run(out, keep_open=keep_open))


@fakes.command()
def serve(
    out: Annotated[Path, typer.Option(help="Folder for the certificates and the settings file.")] = Path("sunes-fakes"),
) -> None:
    """Run the fakes until Ctrl-C, and write the settings that reach them (`sunes.toml`)."""
    from .fakes import serve as run

    run(out)
