"""The `gifdesc` command: parse, call, print. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from gifdesc.cli.caption import caption
from gifdesc.cli.check import KINDS_HELP, check
from gifdesc.cli.convert import convert
from gifdesc.cli.demo import demo
from gifdesc.cli.describe import describe
from gifdesc.cli.evaluate import evaluate
from gifdesc.cli.extract import extract
from gifdesc.cli.fetch import fetch
from gifdesc.cli.help import HelpCommand, HelpGroup, example
from gifdesc.cli.train import train
from gifdesc.system.process import ignore_interrupts
from gifdesc.version import __version__

app = typer.Typer(
    name="gifdesc",
    help="Describe animated GIFs: extract features, train a captioner, score it, caption.",
    cls=HelpGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"gifdesc {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Describe animated GIFs: extract features, train a captioner, score it, caption."""


for command, epilog in (
    (fetch, example("gifdesc fetch urls.txt --output ./gifs")),
    (check, f"{KINDS_HELP}\n\n{example('gifdesc check ./gifs --descriptions ./descriptions')}"),
    (convert, example("gifdesc convert captions.json descriptions.tsv")),
    (extract, example("gifdesc extract ./gifs --output ./features")),
    (train, example("gifdesc train --features ./features --epochs 10")),
    (evaluate, example("gifdesc evaluate --model ./model --html report.html")),
    (describe, example("gifdesc describe ./gifs --model user/model")),
    (caption, example("gifdesc caption ./gifs --json > captions.jsonl")),
    (demo, example("gifdesc demo ./gifdesc-demo")),
):
    app.command(cls=HelpCommand, epilog=epilog)(command)


def main() -> None:
    """Run the command line; the entry point of `gifdesc` and `python -m gifdesc`."""
    try:
        app()
    finally:
        ignore_interrupts()
