"""The GIFs that a command's arguments stand for: files, folders, a list on stdin."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gifdesc.files import reason

GIF_SUFFIX = ".gif"


@dataclass(frozen=True)
class GifInput:
    """One file to work on, or one argument that gave none.

    Attributes:
        path: the file.
        source: its path under the given folder, with forward slashes: its name in a manifest.
        error: why there is nothing to work on, None for a file.
    """

    path: Path
    source: str
    error: str | None = None


def find_gifs(arguments: Sequence[Path]) -> Iterator[GifInput]:
    """Every file given, and every `*.gif` (in any case) under every folder given, sorted.

    Folders are walked as they are consumed, so work can begin before a large one is listed.
    Symbolic links to folders are not followed. With one folder, `source` is the path under it;
    with several arguments, the path under the folder they have in common.

    Args:
        arguments: files and folders. A missing or empty one gives a `GifInput` with an error.
    """
    root = _common_folder(arguments)
    for argument in arguments:
        if _is_folder(argument):
            found = False
            for path, error in _walk(argument):
                found = True
                yield GifInput(path, _relative(path, root), error)
            if not found:
                yield GifInput(argument, _relative(argument, root), "no GIF in this folder")
        elif os.path.exists(argument):  # noqa: PTH110 - as in _is_folder
            yield GifInput(argument, _relative(argument, root))
        else:
            yield GifInput(argument, _relative(argument, root), "no such file or folder")


def read_path_list(lines: Iterable[str]) -> list[Path]:
    """The paths of a list with one path a line; empty lines do not count."""
    return [Path(line.rstrip("\r\n")) for line in lines if line.strip()]


def _walk(folder: Path) -> Iterator[tuple[Path, str | None]]:
    """The GIFs under a folder, depth first in name order, and the folders that cannot be read."""
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        yield folder, f"cannot be read: {reason(error)}"
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        elif entry.name.lower().endswith(GIF_SUFFIX) and not _is_folder(entry.path):
            yield Path(entry.path), None


def _common_folder(arguments: Sequence[Path]) -> str:
    folders = [str(_absolute(a if _is_folder(a) else a.parent)) for a in arguments]
    return os.path.commonpath(folders) if folders else ""


def _relative(path: Path, root: str) -> str:
    relative = os.path.relpath(_absolute(path), root)
    return path.name if relative == "." else Path(relative).as_posix()


def _is_folder(path: Path | str) -> bool:
    # Path.is_dir raises at a name that is too long and at a link to itself.
    return os.path.isdir(path)  # noqa: PTH112


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
