"""Expand the arguments of a command: paths, patterns, URLs, and a list or a GIF on stdin."""

from __future__ import annotations

import atexit
import codecs
import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from gifdesc.errors import UsageError
from gifdesc.gif.limits import MAX_FILE_BYTES
from gifdesc.gif.sniff import describe_beginning, is_media
from gifdesc.system.files import reason
from gifdesc.system.replacement import TemporaryFolder

STDIN = "-"
"""The argument for stdin."""

_STREAM = re.compile(r"/dev/stdin|/dev/fd/[0-9]+|/proc/self/fd/[0-9]+")
"""Files that can be read only once, such as pipes."""

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""The start of a URL (RFC 3986, section 3.1)."""

_DOCUMENTS = {"an HTML page", "an SVG", "XML", "JSON", "a PDF"}
"""Content of stdin that a server may send instead of a GIF."""

_MEMORY_BYTES = 64 << 20
"""The file of a URL is in memory up to this size, and on disk if it is larger."""

_CHUNK_BYTES = 1 << 16
_SNIFFED_BYTES = 512
"""Bytes of stdin that are checked for the formats of pictures and documents."""


@dataclass(frozen=True)
class Argument:
    """A path from an argument, a pattern or a list, or the bytes of a pipe or a URL.

    Attributes:
        name: the path or URL as it was given, listed or matched; its name in messages.
        data: the bytes of a pipe or a URL; None for the file or folder of that name.
        spooled_path: the temporary file with such bytes, None if there is none.
        error: why the argument names nothing, None if it names something.
    """

    name: str
    data: bytes | None = None
    spooled_path: Path | None = None
    error: str | None = None


def expand_arguments(
    arguments: Sequence[str], stdin: BinaryIO, *, is_null_separated: bool = False
) -> Iterator[Argument]:
    """The paths that the arguments name, in order, found as they are consumed.

    A path names itself, and a URL its file, which is downloaded when it is consumed. `-` names
    the paths in a list on stdin, or a GIF if stdin begins with the bytes of a picture or a video;
    `/dev/stdin` and `/dev/fd/N` name the bytes of a GIF. A pattern with `*`, `?`, `[...]` or `**`
    that the shell did not expand names its matches, sorted; a file with that exact name takes
    precedence.

    Args:
        arguments: as on the command line.
        stdin: the list for `-`, read while its lines arrive.
        is_null_separated: paths in the list end with NUL, not with a line end.

    Raises:
        UsageError: an argument is empty, or stdin has neither a list of paths nor a GIF.
    """
    if "" in arguments:
        raise UsageError("an argument is empty (an unset variable?); name a GIF or a folder")
    arguments = [_expand_home(argument) for argument in arguments]
    pipes: dict[str, Argument] = {}
    separator = b"\0" if is_null_separated else b"\n"
    for argument in arguments:
        if argument == STDIN:
            if STDIN not in pipes:
                beginning = _beginning_of(stdin, separator)
                if not is_media(beginning):
                    yield from _expand_list(beginning, stdin, separator, pipes)
                    continue
                pipes[STDIN] = _read_all(STDIN, beginning, lambda _: _read_some(stdin))
            yield pipes[STDIN]
        elif glob.has_magic(argument) and not is_url(argument) and not os.path.lexists(argument):
            matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - as the shell
            if not matches:
                yield Argument(argument, error="no file matches this pattern")
            for match in matches:
                yield _path_or_pipe(match, pipes)
        else:
            yield _path_or_pipe(argument, pipes, is_typed=True)


def read_arguments(
    arguments: Sequence[str], stdin: BinaryIO, *, is_null_separated: bool = False
) -> list[Argument]:
    """All that the arguments name, as files: bytes from a pipe are copied to a temporary file.

    The temporary files are removed when Python exits.

    Args:
        arguments: as in `expand_arguments`.
        stdin: as in `expand_arguments`.
        is_null_separated: as in `expand_arguments`.

    Raises:
        UsageError: as `expand_arguments`.
    """
    files: dict[str, Argument] = {}
    found = []
    for argument in expand_arguments(arguments, stdin, is_null_separated=is_null_separated):
        if argument.data is None:
            found.append(argument)
            continue
        if argument.name not in files:
            files[argument.name] = _spool(argument, argument.data)
        found.append(files[argument.name])
    return found


def _spool(argument: Argument, data: bytes) -> Argument:
    folder = TemporaryFolder()
    atexit.register(folder.cleanup)
    path = Path(folder.name, "stdin")
    path.write_bytes(data)
    return replace(argument, spooled_path=path, data=None)


def _expand_home(name: str) -> str:
    """A path with `~` expanded; a file with that exact name takes precedence."""
    if name.startswith("~") and not os.path.lexists(name):
        return os.path.expanduser(name)  # noqa: PTH111 - Path would drop a leading `./`
    return name


def is_stream(name: str) -> bool:
    """Whether a name is that of a stream, not of a file in a folder."""
    return name == STDIN or _STREAM.fullmatch(name) is not None


def is_url(name: str) -> bool:
    """Whether a name is that of a file on a server."""
    return _ADDRESS.match(name) is not None and not os.path.lexists(name)


def _path_or_pipe(name: str, pipes: dict[str, Argument], *, is_typed: bool = False) -> Argument:
    """A path, the bytes of a pipe, which are read once, or the file of a URL."""
    if is_stream(name) and name != STDIN:
        if name not in pipes:
            pipes[name] = _read_pipe(name)
        return pipes[name]
    name = _expand_home(name)
    return read_url(name, is_typed=is_typed) if is_url(name) else Argument(name)


def read_url(url: str, *, is_typed: bool) -> Argument:
    """The file of a URL, in memory if it is small; `is_typed` as in `downloads.download`."""
    from gifdesc.data.downloads import download, failure_reason
    from gifdesc.system.http_errors import HttpError

    folder = TemporaryFolder()
    path = Path(folder.name, "download")
    try:
        download(url, path, is_typed=is_typed)
        if path.stat().st_size > _MEMORY_BYTES:
            atexit.register(folder.cleanup)
            return Argument(url, spooled_path=path)
        data = path.read_bytes()
    except HttpError as error:
        folder.cleanup()
        return Argument(url, error=failure_reason(error))
    except BaseException:
        folder.cleanup()
        raise
    folder.cleanup()
    return Argument(url, data=data) if data else Argument(url, error="empty: no bytes were sent")


def _expand_list(
    beginning: bytes, stdin: BinaryIO, separator: bytes, pipes: dict[str, Argument]
) -> Iterator[Argument]:
    if separator != b"\0" and b"\0" in beginning:
        raise UsageError(
            "-: stdin has neither a GIF nor a list of paths; a list whose paths end with NUL "
            "needs -0"
        )
    if separator == b"\0" and _is_line_list(beginning):
        raise UsageError(
            "-: the list on stdin has a path per line; -0 is for lists whose paths end with NUL"
        )
    kind = describe_beginning(beginning)
    first = os.fsdecode(beginning.partition(separator)[0].rstrip(b"\r"))
    is_pattern = first.startswith("[") and not {'"', "{"} & set(first)
    if kind in _DOCUMENTS and not is_pattern and not os.path.lexists(first):
        raise UsageError(f"-: stdin has {kind}, neither a GIF nor a list of paths")
    if separator == b"\n":
        beginning = beginning.removeprefix(codecs.BOM_UTF8)  # from an editor, not part of a path
    for name in _listed(beginning, stdin, separator):
        yield Argument(name) if name == STDIN else _path_or_pipe(name, pipes)


def _is_line_list(beginning: bytes) -> bool:
    """Whether a list that should be separated by NUL has an existing path on its first line."""
    first, line_end, _ = beginning.partition(b"\n")
    if not line_end or b"\0" in beginning or os.path.lexists(beginning):
        return False
    return os.path.lexists(first.rstrip(b"\r"))


def _read_pipe(name: str) -> Argument:
    try:
        # Opening by number also works for sockets.
        opened: int | str = 0 if name == "/dev/stdin" else int(name.rpartition("/")[2])
        with open(opened, "rb", buffering=0, closefd=False) as file:
            return _read_all(name, b"", file.read)
    except OSError as error:
        return Argument(name, error=f"cannot be read: {reason(error)}")


def _read_all(name: str, beginning: bytes, read: Callable[[int], bytes | None]) -> Argument:
    """All bytes of a stream, up to the limit for files."""
    chunks = [beginning]
    num_bytes = len(beginning)
    while num_bytes <= MAX_FILE_BYTES and (chunk := read(1 << 20)):
        chunks.append(chunk)
        num_bytes += len(chunk)
    if num_bytes > MAX_FILE_BYTES:
        return Argument(name, error=f"too large (more than {MAX_FILE_BYTES >> 20} MB)")
    data = b"".join(chunks)
    return Argument(name, data=data) if data else Argument(name, error="empty: no bytes were read")


def _beginning_of(stream: BinaryIO, separator: bytes) -> bytes:
    """The first bytes of a stream: enough to recognise a picture, or the first line of a list."""
    beginning = b""
    while len(beginning) < _SNIFFED_BYTES and separator not in beginning:
        chunk = _read_some(stream)
        beginning += chunk
        if not chunk:
            break
    return beginning


def _listed(beginning: bytes, stream: BinaryIO, separator: bytes) -> Iterator[str]:
    """The paths of a list while they arrive; empty paths are skipped."""
    chunk, rest = beginning, b""
    while chunk:
        *whole, rest = (rest + chunk).split(separator)
        yield from _paths(whole, separator)
        chunk = _read_some(stream)
    yield from _paths([rest], separator)


def _paths(entries: Sequence[bytes], separator: bytes) -> Iterator[str]:
    for entry in entries:
        path = entry.rstrip(b"\r") if separator == b"\n" else entry
        if path.strip() or (path and separator == b"\0"):
            yield os.fsdecode(path)


def _read_some(stream: BinaryIO) -> bytes:
    """The bytes that have arrived, b"" at the end.

    They are not read through Python's buffer: a thread that waits in it would keep the process
    from ending.
    """
    try:
        descriptor = stream.fileno()
    except (AttributeError, OSError):  # not a file of the operating system, as in a test
        return stream.read(_CHUNK_BYTES)
    return os.read(descriptor, _CHUNK_BYTES)
