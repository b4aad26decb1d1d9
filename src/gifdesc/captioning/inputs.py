"""The GIFs that `gifdesc caption` is asked for, each under the name it was given by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from gifdesc.data.arguments import STDIN, expand_arguments
from gifdesc.data.gifs import PassedOver, find_gifs
from gifdesc.gif.sources import CaptionInput


def may_be_many(arguments: Sequence[str]) -> bool:
    """Whether arguments may stand for several GIFs, so that a caption needs its path."""
    [argument, *others] = arguments
    path = Path(argument)
    return bool(others) or argument == STDIN or not path.exists() or path.is_dir()


def caption_inputs(
    arguments: Sequence[str],
    stdin: BinaryIO,
    *,
    is_null_separated: bool = False,
    passed_over: PassedOver | None = None,
) -> Iterator[CaptionInput]:
    """What the arguments stand for, in their order, found as it is consumed.

    As `arguments.expand_arguments`; a folder stands for every `*.gif` under it.

    Args:
        arguments: as a person gives them. A missing file, an empty folder and a pattern without
            a match give an input with an error.
        stdin: where a list is read from, as its lines come.
        is_null_separated: the paths of the list end with NUL, not with a line end.
        passed_over: gets what a search of folders leaves out.

    Raises:
        UsageError: an argument is empty, or stdin holds neither a list of paths nor a GIF.
    """
    for argument in expand_arguments(arguments, stdin, is_null_separated=is_null_separated):
        if argument.error is not None or argument.data is not None:
            yield CaptionInput(argument.name, argument.data, argument.error)
            continue
        for gif in find_gifs([argument], passed_over):
            yield CaptionInput(gif.name, error=gif.error)
