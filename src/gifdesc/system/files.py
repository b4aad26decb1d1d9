"""Write whole files or nothing, read JSON lines, and list files."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gifdesc.errors import GifdescError
from gifdesc.system.json_files import check_regular, parse_json
from gifdesc.system.replacement import replacing
from gifdesc.system.wording import list_some

_START_BYTES = 1 << 16
"""Of a file, enough to recognise one that gifdesc wrote."""

LFS_POINTER_START = b"version https://git-lfs.github.com/spec/"
"""The start of a pointer, which Git LFS leaves in place of a file (its specification)."""


def describe_placeholder(path: Path) -> str | None:
    """What a file is if it only takes the place of the wanted file, otherwise None.

    A clone without Git LFS has pointers, and a failed download an HTML page.

    Raises:
        OSError: the file cannot be read.
    """
    check_regular(path)
    with path.open("rb") as file:
        beginning = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if beginning.startswith(LFS_POINTER_START):
        return "a Git LFS pointer"
    if beginning.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    return None


def check_own(path: Path, is_own: Callable[[bytes], bool]) -> None:
    """Check that a file that would be replaced is not the user's.

    Args:
        path: of the file, which may be missing or empty.
        is_own: whether gifdesc wrote a file that begins with these bytes, 64 KiB at most.

    Raises:
        FileExistsError: it is not gifdesc's.
        OSError: it cannot be read.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
    if start and not is_own(start):
        problem = "exists, and gifdesc did not write it as such a file; name another file"
        raise FileExistsError(errno.EEXIST, problem, str(path))


def check_replaceable(path: Path, is_own: Callable[[bytes], bool]) -> None:
    """Check, before long work, that a file can be written; its folder is created.

    Raises:
        OSError: the folder cannot be written, a folder has this name, or see `check_own`.
    """
    check_own(path, is_own)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with tempfile.TemporaryFile(dir=path.parent):
        pass


def write_text(path: Path, text: str, *, below: Path | None = None) -> None:
    """Write UTF-8 text under a temporary name and rename it into place.

    Args:
        path: the file; folders are created.
        text: its content.
        below: a folder that must exist (see `replacement.replacing`).
    """
    with replacing(path, below=below) as temporary_path:
        temporary_path.write_text(text, encoding="utf-8")


def write_json(path: Path, data: Any) -> None:
    """Write indented JSON under a temporary name and rename it into place; NaN is an error."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_json_lines(
    path: Path, rows: Iterable[dict[str, Any]], *, below: Path | None = None
) -> None:
    """Write a JSON object per line, as `write_text` does."""
    write_text(path, "".join(json_line(row) for row in rows), below=below)


def json_line(row: dict[str, Any]) -> str:
    """A JSON object with a line end.

    If it contains a path that is not valid UTF-8 (a lone surrogate in Python), the line is ASCII.
    """
    line = json.dumps(row, ensure_ascii=False, allow_nan=False)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        line = json.dumps(row, ensure_ascii=True, allow_nan=False)
    return line + "\n"


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file that programs append to.

    Half a last line (the writer was killed) is skipped.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line other than the last is not a JSON object.
    """
    return list(iterate_json_lines(path))


def iterate_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of `read_json_lines`, of which the caller need not keep any.

    Raises:
        OSError, ValueError: as `read_json_lines`, when an object is asked for.
    """
    check_regular(path)
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            if number == len(lines):
                continue
            raise ValueError(f"line {number} is not JSON") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is not a JSON object")
        yield row


def list_all(names: Sequence[str], path: Path, limit: int = 10) -> str:
    """Names for a sentence; more than `limit` are all written into a file, which it names.

    Args:
        names: paths or URLs.
        path: the file, a name per line; if it cannot be written, the sentence has all names.
        limit: names in the sentence beside the file's.
    """
    if len(names) > limit:
        with suppress(OSError):
            with replacing(path, below=path.parent) as temporary_path:
                temporary_path.write_bytes(b"".join(os.fsencode(name) + b"\n" for name in names))
            return f"{list_some(names, limit)} ({path} lists all)"
    return ", ".join(names)


def find_files(folder: Path, suffixes: tuple[str, ...]) -> list[str]:
    """The files under a folder whose names end in a suffix: relative paths, sorted by their parts.

    Links to files are included, links to folders are not followed; folders without permission are
    skipped.

    Args:
        folder: the folder to search.
        suffixes: in lower case; the case of names is ignored. A name that consists of a suffix
            only does not count.
    """
    found: list[str] = []
    below = [(str(folder), "")]
    while below:
        path, prefix = below.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        below.append((entry.path, f"{prefix}{entry.name}/"))
                    elif entry.name[1:].lower().endswith(suffixes) and entry.is_file():
                        found.append(prefix + entry.name)
        except PermissionError:
            continue
    return sorted(found, key=lambda path: path.split("/"))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def has_content(path: Path, size_bytes: int | None, sha256: str) -> bool:
    """Whether a file has the content that a record describes; it is read only if its size fits.

    Args:
        path: of the file.
        size_bytes: in the record; None if that does not state it.
        sha256: in the record, hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    if size_bytes is not None and path.stat().st_size != size_bytes:
        return False
    return sha256_of(path) == sha256


def reason(error: OSError) -> str:
    """The operating system's reason for a failure, without its path and number."""
    return error.strerror.lower() if error.strerror else str(error)


@contextmanager
def reading(path: Path | str, error_class: type[GifdescError] = GifdescError) -> Iterator[None]:
    """Report a failure to read within the block as `PATH: cannot be read: REASON`.

    Args:
        path: the name in the message.
        error_class: the class of the error that takes the place of an `OSError`.
    """
    with _reporting(path, "read", error_class, ""):
        yield


@contextmanager
def writing(
    path: Path | str, error_class: type[GifdescError] = GifdescError, *, remedy: str = ""
) -> Iterator[None]:
    """Report a failure to write within the block as `PATH: cannot be written: REASON`.

    Args:
        path: the name in the message.
        error_class: the class of the error that takes the place of an `OSError`.
        remedy: what is left on disk, or what to do, as the end of the sentence.
    """
    with _reporting(path, "written", error_class, remedy):
        yield


@contextmanager
def _reporting(
    path: Path | str, verb: str, error_class: type[GifdescError], remedy: str
) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        end = f"; {remedy}" if remedy else ""
        raise error_class(f"{path}: cannot be {verb}: {reason(error)}{end}") from error
