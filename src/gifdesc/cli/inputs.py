"""The GIFs that a command's arguments name: files, folders, patterns, what comes on stdin."""

from __future__ import annotations

import atexit
import io
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gifdesc.arguments import Argument, expand_arguments
from gifdesc.cli.console import warn
from gifdesc.inputs import PassedOver


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
