"""The GIFs that `gifdesc caption` is asked for, each under the name it was given by."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gifdesc.errors import GifdescError, UsageError
from gifdesc.gif_limits import MAX_FILE_BYTES
from gifdesc.inputs import find_gifs
from gifdesc.sources import GifSource, source_name

STDIN_LIST = "-"
"""The argument that stands for a list of paths on stdin."""

_STREAM = re.compile(r"/dev/stdin|/dev/fd/[0-9]+|/proc/self/fd/[0-9]+")
"""Files that are read as they come, once: a pipe has no size and no second reading."""

_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class CaptionInput:
    """One thing to caption, or one argument that gave none.

    Attributes:
        name: its path as it was given or found: what results call it.
        data: what to open, such as the bytes that came through a pipe; None for the file of
            that name.
        error: why there is nothing to caption, None where there is.
    """

    name: str
    data: GifSource | None = None
    error: str | None = None

    @property
    def source(self) -> GifSource:
        """What is to be opened."""
        return self.name if self.data is None else self.data

    def reason(self, error: GifdescError) -> str:
        """What an error says, without the name that its caption bears anyway."""
        reason = str(error).removeprefix(f"{self.name}: ").removeprefix(f"{Path(self.name)}: ")
        return reason.removeprefix("these bytes: ")


def is_stream(name: str) -> bool:
    """Whether a name stands for bytes as they come, and no file that lies in a folder."""
    return _STREAM.fullmatch(name) is not None


def as_input(source: GifSource | CaptionInput) -> CaptionInput:
    """A source under the name that its results bear."""
    if isinstance(source, CaptionInput):
        return source
    return CaptionInput(source_name(source), source)


def may_be_many(arguments: Sequence[str]) -> bool:
    """Whether arguments may stand for several GIFs, so that a caption needs its path."""
    [argument, *others] = arguments
    path = Path(argument)
    return bool(others) or argument == STDIN_LIST or not path.exists() or path.is_dir()


def caption_inputs(
    arguments: Sequence[str], stdin: BinaryIO, *, is_null_separated: bool = False
) -> Iterator[CaptionInput]:
    """What the arguments stand for, in their order, found as it is consumed.

    A file stands for itself, a folder for every `*.gif` under it, `-` for the paths listed on
    stdin, `/dev/stdin` (and `/dev/fd/N`) for the bytes of one GIF. A pattern with `*`, `?`, `[...]`
    or `**` that the shell left alone stands for what it matches, sorted.

    Args:
        arguments: as a person gives them. A missing file, an empty folder and a pattern without
            a match give an input with an error.
        stdin: where a list is read from, as its lines come.
        is_null_separated: the list's paths end with NUL and not with a line end, so that they
            may hold one.

    Raises:
        UsageError: stdin was to give a list and gave none.
    """
    pipes: dict[str, CaptionInput] = {}
    for argument in arguments:
        if argument == STDIN_LIST:
            found = False
            for name in _listed(stdin, b"\0" if is_null_separated else b"\n"):
                found = True
                yield from _expand(name, pipes)
            if not found:
                raise UsageError("-: no path came on stdin")
        elif glob.has_magic(argument) and not os.path.lexists(argument):
            matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - as the shell
            if not matches:
                yield CaptionInput(argument, error="nothing matches this pattern")
            for match in matches:
                yield from _expand(match, pipes)
        else:
            yield from _expand(argument, pipes)


def _expand(name: str, pipes: dict[str, CaptionInput]) -> Iterator[CaptionInput]:
    """One path: a file, a folder's GIFs, or a pipe's bytes (given again, the same)."""
    if is_stream(name):
        if name not in pipes:
            pipes[name] = _read_pipe(name)
        yield pipes[name]
        return
    for one in find_gifs([Path(name)]):
        # A path that was given keeps its form (`./x.gif`); what is found under a folder has none.
        is_given = one.path == Path(name)
        yield CaptionInput(name if is_given else str(one.path), error=one.error)


def _read_pipe(name: str) -> CaptionInput:
    try:
        # A number opens what the process was given; a name would not open a socket.
        opened: int | str = 0 if name == "/dev/stdin" else int(name.rpartition("/")[2])
        with open(opened, "rb", buffering=0, closefd=False) as file:
            data = _read_up_to(file.read, MAX_FILE_BYTES + 1)
    except OSError as error:
        return CaptionInput(name, error=f"cannot be read ({error.strerror or error})")
    if len(data) > MAX_FILE_BYTES:
        return CaptionInput(name, error=f"too large (more than {MAX_FILE_BYTES >> 20} MB)")
    return CaptionInput(name, data=data) if data else CaptionInput(name, error="no bytes came")


def _read_up_to(read: Callable[[int], bytes | None], num_bytes: int) -> bytes:
    chunks = []
    while num_bytes > 0 and (chunk := read(min(num_bytes, 1 << 20))):
        chunks.append(chunk)
        num_bytes -= len(chunk)
    return b"".join(chunks)


def _listed(stream: BinaryIO, separator: bytes) -> Iterator[str]:
    """The paths of a list as they come; empty ones do not count."""
    rest = b""
    while chunk := _read_some(stream):
        *whole, rest = (rest + chunk).split(separator)
        yield from _paths(whole, separator)
    yield from _paths([rest], separator)


def _paths(entries: Sequence[bytes], separator: bytes) -> Iterator[str]:
    for entry in entries:
        path = entry.rstrip(b"\r") if separator == b"\n" else entry
        if path.strip() or (path and separator == b"\0"):
            yield os.fsdecode(path)


def _read_some(stream: BinaryIO) -> bytes:
    """What has come by now, b"" at the end.

    Read past Python's own buffer: a thread that waits in it would not let the process end.
    """
    try:
        descriptor = stream.fileno()
    except (AttributeError, OSError):  # no file of the operating system, as in a test
        return stream.read(_CHUNK_BYTES)
    return os.read(descriptor, _CHUNK_BYTES)
