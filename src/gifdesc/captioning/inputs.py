"""The inputs of `gifdesc caption`, in the order of the arguments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from gifdesc.data.arguments import STDIN, expand_arguments, is_url
from gifdesc.data.gifs import SEARCHED_SUFFIXES, PassedOver, find_gifs
from gifdesc.gif.sources import CaptionInput


def may_be_many(arguments: Sequence[str]) -> bool:
    """Whether the arguments may name several GIFs, so that captions need their paths."""
    [argument, *others] = arguments
    path = Path(argument)
    if not others and is_url(argument):
        return False
    return bool(others) or argument == STDIN or not path.exists() or path.is_dir()


def caption_inputs(
    arguments: Sequence[str],
    stdin: BinaryIO,
    *,
    is_null_separated: bool = False,
    passed_over: PassedOver | None = None,
    suffixes: Sequence[str] = SEARCHED_SUFFIXES,
) -> Iterator[CaptionInput]:
    """The inputs that the arguments name, in order, found as they are consumed.

    Arguments are expanded by `arguments.expand_arguments`; a folder gives every GIF under it.

    Args:
        arguments: as on the command line. A missing file, an empty folder and a pattern without
            a match give an input with an error.
        stdin: the list for `-`, read while its lines arrive.
        is_null_separated: paths in the list end with NUL, not with a line end.
        passed_over: collects the files that a search of folders skips.
        suffixes: the endings to search for in folders.

    Raises:
        UsageError: an argument is empty, or stdin has neither a list of paths nor a GIF.
    """
    for argument in expand_arguments(arguments, stdin, is_null_separated=is_null_separated):
        data = argument.spooled_path if argument.data is None else argument.data
        if argument.error is not None or data is not None:
            yield CaptionInput(argument.name, data, argument.error)
            continue
        for gif in find_gifs([argument], passed_over, suffixes):
            yield CaptionInput(gif.name, error=gif.error)
