"""Options that several commands share, and the files that their arguments name."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, BinaryIO, get_args

import typer

from gifdesc.cli.help import DECODING, ENGINE, INPUT, MODEL, OUTPUT, RUN
from gifdesc.config import (
    DEFAULT_CHUNK_SIZE,
    DEFAULT_WORK_SIZE,
    PRESETS,
    EngineName,
    FeatureDtype,
)
from gifdesc.data.arguments import STDIN, Argument, read_arguments
from gifdesc.data.forms.form_names import FormName
from gifdesc.model.public_models import DEFAULT_NAME, PUBLIC_MODELS


def user_path(value: str | Path) -> Path:
    """A path from the command line; `~` is expanded, which shells omit in `--output=~/features`.

    Raises:
        typer.BadParameter: the path is empty, as from an unset variable.
    """
    return Path(user_name(str(value)))


def user_name(value: str) -> str:
    """A name that may be a path; `~` is expanded.

    Raises:
        typer.BadParameter: the name is empty.
    """
    if not value:
        raise typer.BadParameter("it is empty (an unset variable?)")
    return str(Path(value).expanduser()) if value.startswith("~") else value


def complete_model(incomplete: str) -> list[str]:
    """Short names of public models, and model folders here."""
    from gifdesc.model.folder import CONFIG_NAME

    names = [DEFAULT_NAME, *(model.short_name for model in PUBLIC_MODELS)]
    folders = (path.parent.as_posix() for path in Path().glob(f"*/{CONFIG_NAME}"))
    return [name for name in (*names, *folders) if name.startswith(incomplete)]


def complete_device(incomplete: str) -> list[str]:
    """The devices whose names begin so."""
    return [name for name in ("auto", "cpu", "cuda", "mps") if name.startswith(incomplete)]


def complete_preset(incomplete: str) -> list[str]:
    """The presets of training whose names begin so."""
    return [name for name in PRESETS if name.startswith(incomplete)]


Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH",
        help="GIFs, folders of GIFs, URLs, patterns ('**/*.gif'), - for a list of paths on stdin, "
        "or /dev/stdin for the bytes of one GIF.",
        rich_help_panel=INPUT,
    ),
]
Endings = Annotated[
    list[str] | None,
    typer.Option(
        "--ext",
        metavar="EXT",
        help="In folders, read only files with this ending (gif, mp4, ...; several: gif,mp4 or "
        "repeat the option).",
        show_default="all animated pictures and videos",
        rich_help_panel=INPUT,
    ),
]
Null = Annotated[
    bool,
    typer.Option(
        "--null",
        "-0",
        help="Paths in the list on stdin end with NUL.",
        rich_help_panel=INPUT,
    ),
]
FeaturesDir = Annotated[
    Path,
    typer.Option(
        "--features",
        parser=user_path,
        metavar="DIR",
        help="Folder of feature files.",
        rich_help_panel=INPUT,
    ),
]
DescriptionsPath = Annotated[
    Path,
    typer.Option(
        "--descriptions",
        parser=user_path,
        metavar="PATH",
        help="Folder of .txt files (one description per line), or a file: TSV, CSV, JSON lines, or "
        "a data set's own (COCO, MSR-VTT, VATEX, MSVD, Flickr, TGIF, Hugging Face).",
        rich_help_panel=INPUT,
    ),
]
DescriptionsFormat = Annotated[
    FormName | None,
    typer.Option(
        "--descriptions-format",
        metavar="NAME",
        help=f"Form of the file of descriptions: {', '.join(get_args(FormName))}.",
        show_default="recognised by its content",
        rich_help_panel=INPUT,
    ),
]
SplitsDir = Annotated[
    Path | None,
    typer.Option(
        "--splits",
        parser=user_path,
        metavar="DIR",
        help="Folder with train.txt, val.txt and test.txt: a GIF's name or URL per line.",
        show_default="those that the descriptions name; otherwise a hash of each GIF's content",
        rich_help_panel=INPUT,
    ),
]
ModelName = Annotated[
    str,
    typer.Option(
        "--model",
        parser=user_name,
        metavar="MODEL",
        help="A model folder, the hub name (user/model) of a gifdesc model, the folder or hub name "
        "of a vision-language model in transformers, or a short name (gifdesc models).",
        autocompletion=complete_model,
        rich_help_panel=MODEL,
    ),
]
ModelDir = Annotated[
    Path,
    typer.Option(
        "--model",
        parser=user_path,
        metavar="DIR",
        help="The model folder.",
        rich_help_panel=MODEL,
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option(
        "--prompt",
        metavar="TEXT",
        help="The question for a vision-language model; for BLIP and GIT, the first words of each "
        "caption.",
        rich_help_panel=MODEL,
    ),
]
Revision = Annotated[
    str | None,
    typer.Option(
        "--revision",
        metavar="REV",
        help="Branch, tag or commit of a model on the hub.",
        show_default="main",
        rich_help_panel=MODEL,
    ),
]
NumBeams = Annotated[
    int,
    typer.Option(
        "--beam",
        min=1,
        help="Captions kept at every token of the search; 1 is greedy search.",
        rich_help_panel=DECODING,
    ),
]
AltTextLength = Annotated[
    int,
    typer.Option(
        "--alt-text-length",
        min=1,
        help="Most characters of an alternative text.",
        rich_help_panel=OUTPUT,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON to stdout.", rich_help_panel=OUTPUT)]
Dtype = Annotated[
    FeatureDtype,
    typer.Option(
        "--dtype",
        help="Numbers of the stored features; float16 is for shards.",
        rich_help_panel=OUTPUT,
    ),
]
ChunkSize = Annotated[
    int | None,
    typer.Option(
        "--chunk-size",
        min=1,
        help="GIFs in a shard of features; also GIFs (about) that a worker of --engine ray "
        "gets at once.",
        show_default=f"{DEFAULT_CHUNK_SIZE} in a shard, {DEFAULT_WORK_SIZE} for a worker",
        rich_help_panel=ENGINE,
    ),
]
Engine = Annotated[
    EngineName,
    typer.Option(
        "--engine",
        help="Where the GIFs are processed: by this process, or by a Ray cluster (gifdesc[ray]), "
        "whose nodes see the GIFs, the model and the output under the same paths.",
        rich_help_panel=ENGINE,
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="ADDRESS",
        help="HOST:PORT of the head node of a Ray cluster.",
        show_default="RAY_ADDRESS, or a Ray on this machine alone",
        rich_help_panel=ENGINE,
    ),
]
NumWorkers = Annotated[
    int | None,
    typer.Option(
        "--num-workers",
        min=0,
        help="Processes that read GIFs (0 is one thread); with --engine ray, processes that each "
        "hold the network.",
        show_default="by the device",
        rich_help_panel=ENGINE,
    ),
]
WeightsFile = Annotated[
    str | None,
    typer.Option(
        "--weights",
        parser=user_name,
        metavar="FILE",
        help="File of the backbone's weights, if the features were made with weights from a file.",
        rich_help_panel=MODEL,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="auto, cpu, cuda, cuda:N or mps.",
        autocompletion=complete_device,
        rich_help_panel=RUN,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed", min=0, max=2**63 - 1, help="Seed of all random numbers.", rich_help_panel=RUN
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Print errors and warnings only: no progress, no summary.",
        rich_help_panel=RUN,
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Also print what gifdesc chooses, and the options that come from settings.",
        rich_help_panel=RUN,
    ),
]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug", help="Print tracebacks and the messages of libraries.", rich_help_panel=RUN
    ),
]


def read_paths(paths: Sequence[str], *, null: bool) -> list[Argument]:
    """The files and folders that the arguments of a command name.

    Args:
        paths: the arguments.
        null: the paths of a list on stdin end with NUL.

    Raises:
        typer.BadParameter: there is no list that `null` could apply to.
        UsageError: as `arguments.read_arguments`.
    """
    check_null(paths, null=null)
    return read_arguments(paths, stdin_bytes(), is_null_separated=null)


def check_null(paths: Sequence[str], *, null: bool) -> None:
    """Refuse `-0` without a list on stdin.

    Raises:
        typer.BadParameter: no argument is `-`.
    """
    if null and STDIN not in paths:
        raise typer.BadParameter("-0 is for a list on stdin: give - as a PATH")


def stdin_bytes() -> BinaryIO:
    """The bytes of stdin; none where it is closed."""
    return sys.stdin.buffer if sys.stdin is not None else io.BytesIO()
