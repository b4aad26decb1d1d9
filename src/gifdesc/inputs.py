"""The GIFs that a command's arguments stand for: files, folders, a list on stdin."""

from __future__ import annotations

import os
import threading
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
        source = _relative(argument, root)
        if _is_folder(argument):
            prefix = "" if str(_absolute(argument)) == root else f"{source}/"
            found = False
            for path, below, error in _walk(argument, ""):
                found = True
                yield GifInput(path, prefix + below if below else source, error)
            if not found:
                yield GifInput(argument, source, "no GIF in this folder")
        elif os.path.exists(argument):  # noqa: PTH110 - as in _is_folder
            yield GifInput(argument, source)
        else:
            yield GifInput(argument, source, "no such file or folder")


class BackgroundCount:
    """Counts what `find_gifs` gives, in a thread, while work on the first GIFs goes on."""

    def __init__(self, arguments: Sequence[Path]) -> None:
        """Nothing is counted before somebody asks."""
        self._arguments = arguments
        self._thread: threading.Thread | None = None
        self._total: int | None = None

    @property
    def total(self) -> int | None:
        """The number, None as long as it is not known; asked for once, the counting begins."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._count, name="gifdesc-count", daemon=True)
            self._thread.start()
        return self._total

    def _count(self) -> None:
        self._total = sum(1 for _ in find_gifs(self._arguments))


def read_path_list(lines: Iterable[str]) -> list[Path]:
    """The paths of a list with one path a line; empty lines do not count."""
    return [Path(line.rstrip("\r\n")) for line in lines if line.strip()]


def _walk(folder: Path, below: str) -> Iterator[tuple[Path, str, str | None]]:
    """The GIFs under a folder, depth first in name order, and the folders that cannot be read.

    A folder may hold 100,000 files: no more is asked of the file system than their names and
    kinds, and no path is taken apart.

    Args:
        folder: to look in.
        below: its path under the folder where the walk began, with a slash at its end.

    Yields:
        A path, the same under the folder where the walk began, and what is wrong with it.
    """
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        yield folder, below.removesuffix("/"), f"cannot be read: {reason(error)}"
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{below}{entry.name}/")
        elif entry.name.lower().endswith(GIF_SUFFIX) and not (
            entry.is_symlink() and _is_folder(entry.path)
        ):
            yield Path(entry.path), below + entry.name, None


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
