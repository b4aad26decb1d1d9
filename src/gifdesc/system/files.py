"""Files written whole or not at all, and paths that are listed without surprises."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gifdesc.errors import GifdescError

LFS_POINTER_START = b"version https://git-lfs.github.com/spec/"
"""How a pointer begins, which Git LFS leaves in place of a file (its specification)."""

_TEMPORARY_PREFIX = ".gifdesc-tmp-"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well.

    The folder is made. When the block raises, the temporary file goes and `path` is as it was.

    Raises:
        OSError: the folder or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A short name of its own: the final name may already be as long as the file system allows,
    # and no search for the final name's ending may find a half file.
    temporary_path = _new_file(path.parent)
    try:
        yield temporary_path
        temporary_path.replace(path)
    except BaseException:
        temporary_path.unlink(missing_ok=True)
        raise


def describe_placeholder(path: Path) -> str | None:
    """What a file is that came in place of the wanted one; None where nothing shows it.

    A clone without Git LFS holds pointers, and a failed download an HTML page.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        beginning = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if beginning.startswith(LFS_POINTER_START):
        return "a Git LFS pointer"
    if beginning.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    return None


def _new_file(folder: Path) -> Path:
    """An empty file with a name that no other has, readable as the process's umask says."""
    while True:
        path = folder / f"{_TEMPORARY_PREFIX}{secrets.token_hex(4)}"
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            continue
        return path


def check_replaceable(path: Path) -> None:
    """Make sure, before long work, that a file can be written there; its folder is made.

    Raises:
        OSError: the folder cannot be written, or a folder has this name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with tempfile.TemporaryFile(dir=path.parent):
        pass


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed run left under a folder that nobody else writes."""
    for path in folder.rglob(f"{_TEMPORARY_PREFIX}*"):
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text under a temporary name and rename it into place."""
    with replacing(path) as temporary_path:
        temporary_path.write_text(text, encoding="utf-8")


def write_json(path: Path, data: Any) -> None:
    """Write indented JSON (NaN is refused, for it is no JSON) and rename it into place."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_json_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line and rename the file into place."""
    write_text(path, "".join(json_line(row) for row in rows))


def json_line(row: dict[str, Any]) -> str:
    """One JSON object with its line end.

    A path that is not valid UTF-8 (a lone surrogate in Python) is escaped, so that the line is.
    """
    line = json.dumps(row, ensure_ascii=False, allow_nan=False)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        line = json.dumps(row, ensure_ascii=True, allow_nan=False)
    return line + "\n"


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file that programs append to.

    A last line that was cut off (the writer was killed) is left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line other than the last is no JSON object.
    """
    lines = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                continue
            raise ValueError(f"line {number} is not JSON") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is not a JSON object")
        rows.append(row)
    return rows


def find_files(folder: Path, suffixes: tuple[str, ...]) -> list[str]:
    """The files under a folder whose names end in a suffix: paths under it, sorted by their parts.

    Links to files count, links to folders are not followed; a folder below that may not be read
    is left out.

    Args:
        folder: to look in.
        suffixes: in small letters; the case of a name's own does not count. A name that is
            nothing but a suffix has none.
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
    return sorted(found, key=lambda one: one.split("/"))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
