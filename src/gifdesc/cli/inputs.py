"""Paths on the command line: files, folders, `-` for a list on stdin."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gifdesc.errors import UsageError
from gifdesc.inputs import GifInput, find_gifs, read_path_list


def gif_inputs(arguments: Sequence[str]) -> Iterator[GifInput]:
    """The GIFs that the arguments stand for, listed as they are consumed.

    Raises:
        UsageError: stdin was to give a list and gave none.
    """
    return find_gifs(input_paths(arguments))


def input_paths(arguments: Sequence[str]) -> list[Path]:
    """The files and folders that the arguments name, those on stdin in place of `-`.

    Raises:
        UsageError: stdin was to give a list and gave none.
    """
    paths: list[Path] = []
    for argument in arguments:
        if argument != "-":
            paths.append(Path(argument))
            continue
        listed = read_path_list(os.fsdecode(line) for line in sys.stdin.buffer)
        if not listed:
            raise UsageError("-: no path came on stdin")
        paths += listed
    return paths
