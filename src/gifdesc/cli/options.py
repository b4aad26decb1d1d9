"""Options that several commands share, and the GIFs that their arguments name."""

from __future__ import annotations

import atexit
import io
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gifdesc.cli.console import warn
from gifdesc.data.arguments import Argument, expand_arguments
from gifdesc.data.gifs import PassedOver


def user_path(value: str | Path) -> Path:
    """A path as a person gives it, `~` expanded where the shell left it (`--output=~/features`).

    Raises:
        typer.BadParameter: it is empty, as from an unset variable.
    """
    return Path(user_name(str(value)))


def user_name(value: str) -> str:
    """A name that may be a path, `~` expanded.

    Raises:
        typer.BadParameter: it is empty.
    """
    if not value:
        raise typer.BadParameter("it is empty (an unset variable?)")
    return str(Path(value).expanduser()) if value.startswith("~") else value


Device = Annotated[
    str,
    typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps."),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON to stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and library messages.")]
Seed = Annotated[
    int, typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of everything random.")
]
FeaturesDir = Annotated[
    Path,
    typer.Option("--features", parser=user_path, metavar="DIR", help="Folder of feature files."),
]
DescriptionsPath = Annotated[
    Path,
    typer.Option(
        "--descriptions",
        parser=user_path,
        metavar="PATH",
        help="Folder of .txt files (one description a line), or a .tsv or .jsonl file.",
    ),
]
ModelName = Annotated[
    str,
    typer.Option(
        "--model",
        parser=user_name,
        metavar="MODEL",
        help="A model folder, the hub name (user/model) of a gifdesc model, or the folder or hub "
        "name of a vision-language model in transformers.",
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option(
        "--prompt",
        metavar="TEXT",
        help="What to ask a vision-language model; for BLIP and GIT, how its captions begin.",
    ),
]
Revision = Annotated[
    str | None,
    typer.Option(
        "--revision",
        metavar="REV",
        help="Of a model on the hub: a branch, a tag or a commit.  [default: main]",
    ),
]
ModelDir = Annotated[
    Path, typer.Option("--model", parser=user_path, metavar="DIR", help="The model folder.")
]
SplitsDir = Annotated[
    Path | None,
    typer.Option(
        "--splits",
        parser=user_path,
        metavar="DIR",
        help="Folder with train.txt, val.txt and test.txt, a GIF's name or URL a line. "
        "Without it, a hash of each GIF's content decides.",
    ),
]
NumBeams = Annotated[
    int, typer.Option("--beam", min=1, help="Beams kept while searching; 1 is greedy.")
]


def read_arguments(arguments: Sequence[str]) -> list[Argument]:
    """The files and folders that the arguments name, those on stdin in place of `-`.

    Bytes that come through a pipe are kept in a temporary file, which goes when Python ends.

    Raises:
        UsageError: as `arguments.expand_arguments`.
    """
    stdin = sys.stdin.buffer if sys.stdin is not None else io.BytesIO()
    return [_as_file(argument) for argument in expand_arguments(arguments, stdin)]


def warn_of_passed_over(passed_over: PassedOver) -> None:
    """Report what a search of folders left out."""
    for sentence in passed_over.sentences():
        warn(sentence)


def _as_file(argument: Argument) -> Argument:
    if argument.data is None:
        return argument
    folder = tempfile.TemporaryDirectory(prefix="gifdesc-")
    atexit.register(folder.cleanup)
    path = Path(folder.name, "stdin.gif")
    path.write_bytes(argument.data)
    return replace(argument, spooled_path=path, data=None)
