"""Options that several commands share, so that each has one name and one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
