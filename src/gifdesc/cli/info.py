"""`gifdesc info`: what a model, features, a GIF, captions or descriptions are."""

from __future__ import annotations

import textwrap
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from gifdesc.cli.console import exit_on_error, print_json, print_result, printable, warn
from gifdesc.cli.given import warn_of_unused
from gifdesc.cli.help import INPUT, MODEL
from gifdesc.cli.options import (
    Debug,
    Json,
    Quiet,
    Verbose,
    user_path,
)

if TYPE_CHECKING:
    from gifdesc.info.facts import Facts


_LEAST_WIDTH = 24
"""Of the texts beside their labels."""


def info(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            parser=user_path,
            metavar="PATH",
            help="A model folder, a folder of features, a GIF or video, a file of captions, or "
            "descriptions.",
            rich_help_panel=INPUT,
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            parser=user_path,
            metavar="DIR",
            help="The model folder that decides which frames of a GIF are sampled.",
            show_default="model, if it exists",
            rich_help_panel=MODEL,
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Show what a model, features, a GIF, captions or descriptions are."""
    with exit_on_error(debug=debug, quiet=quiet, verbose=verbose, json=json):
        from gifdesc.info.recognition import facts_of

        default = Path("model") if Path("model").is_dir() else None
        facts = facts_of(path, model or default)
        if facts.kind != "gif":
            warn_of_unused(context, ("model",), f"for {facts.kind}")
        if json:
            print_json(facts.to_json())
        else:
            print_result(_text_of(facts))
        for doubt in facts.doubts:
            warn(doubt if doubt.startswith(f"{path}:") else f"{path}: {doubt}")


def _text_of(facts: Facts) -> str:
    """The facts as lines that fit the terminal; each path stays whole."""
    width = max((len(label) for label, _ in facts.rows), default=0)
    lines = [printable(f"{facts.path}: {facts.title}")]
    for label, text in facts.rows:
        lines += textwrap.wrap(
            f"  {label:<{width}}  {printable(text)}",
            max(get_terminal_size().columns, width + _LEAST_WIDTH),
            subsequent_indent=" " * (width + 4),
            drop_whitespace=True,
            break_on_hyphens=False,
        )
    return "".join(f"{line}\n" for line in lines)
