"""The `gifdesc` command: parse, call, print. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from gifdesc.cli.alt import alt
from gifdesc.cli.caption import caption
from gifdesc.cli.check import KINDS_HELP, check
from gifdesc.cli.commands import Command, Group
from gifdesc.cli.console import EXIT_FAILED, EXIT_USAGE, print_error
from gifdesc.cli.convert import convert
from gifdesc.cli.demo import demo
from gifdesc.cli.describe import describe
from gifdesc.cli.evaluate import evaluate
from gifdesc.cli.extract import extract
from gifdesc.cli.fetch import fetch
from gifdesc.cli.help import example
from gifdesc.cli.info import info
from gifdesc.cli.models import models
from gifdesc.cli.options import user_path
from gifdesc.cli.search import search
from gifdesc.cli.settings import find_settings, read_settings
from gifdesc.cli.train import train
from gifdesc.cli.usage import arguments_of
from gifdesc.errors import GifdescError
from gifdesc.system.cores import limit_spinning
from gifdesc.system.signals import ignore_signals
from gifdesc.version import __version__

app = typer.Typer(
    name="gifdesc",
    help="Describe animated GIFs: extract features, train a captioner, score it, caption.",
    cls=Group,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"gifdesc {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", parser=user_path, envvar="GIFDESC_CONFIG"),
    ] = None,
    no_config: Annotated[bool, typer.Option("--no-config")] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Describe animated GIFs: extract features, train a captioner, score it, caption."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), err=True)
        raise typer.Exit(EXIT_USAGE)
    if {"-h", "--help"} & set(arguments_of(ctx)):
        return  # also where the settings are wrong
    commands = cast(Group, ctx.command).commands
    try:
        path = None if no_config else config or find_settings(Path.cwd())
        if path is not None:
            ctx.obj, ctx.default_map = path, read_settings(path, commands)
    except GifdescError as error:
        print_error(str(error))
        raise typer.Exit(EXIT_USAGE) from None
    except FileNotFoundError:  # of `Path.cwd`
        print_error("the working directory was removed; change to another")
        raise typer.Exit(EXIT_FAILED) from None


for command, epilog in (
    (fetch, example("gifdesc fetch urls.txt --output ./gifs")),
    (check, f"{KINDS_HELP}\n\n{example('gifdesc check ./gifs --descriptions ./descriptions')}"),
    (convert, example("gifdesc convert captions.json descriptions.tsv")),
    (extract, example("gifdesc extract ./gifs --output ./features")),
    (train, example("gifdesc train --features ./features --epochs 10")),
    (evaluate, example("gifdesc evaluate --model ./model --html report.html")),
    (describe, example("gifdesc describe ./gifs --model user/model")),
    (caption, example("gifdesc caption ./gifs --json > captions.jsonl")),
    (search, example('gifdesc search "a cat falls off a sofa" ./features')),
    (alt, example("gifdesc alt README.md --model default")),
    (info, example("gifdesc info ./model")),
    (models, example("gifdesc models")),
    (demo, example("gifdesc demo ./gifdesc-demo")),
):
    app.command(cls=Command, epilog=epilog)(command)


def main() -> None:
    """Run the command line; `__main__` calls it and catches signals from the first moment."""
    limit_spinning()  # before PyTorch is loaded
    try:
        app(prog_name="gifdesc")
    finally:
        ignore_signals()
