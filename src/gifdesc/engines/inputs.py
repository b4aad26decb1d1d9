"""Inputs as rows: paths that every worker can open, and no bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from pathlib import Path

from gifdesc.data.gif_sources import AnySource, to_input
from gifdesc.data.gifs import GifInput
from gifdesc.engines.chunks import Chunk, Row
from gifdesc.features.frames import FileIdentity
from gifdesc.features.loader import Task
from gifdesc.gif.sources import CaptionInput
from gifdesc.system.files import sha256_of, writing
from gifdesc.system.replacement import replacing


class Copies:
    """Copies of inputs without a lasting file, in a folder that all workers share.

    A copy is named by its content, so that the same content has the same row in a later run.

    Args:
        folder: the folder; created when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._num_rows: Counter[str] = Counter()

    def add(self, content: bytes | Path) -> Path:
        """The copy of bytes or of a file, for one row.

        Raises:
            GifdescError: the copy cannot be written.
        """
        with writing(self._folder):
            if isinstance(content, bytes):
                digest = hashlib.sha256(content).hexdigest()
            else:
                digest = sha256_of(content)
            path = self._folder / digest
            if not path.is_file():
                with replacing(path) as temporary_path:
                    if isinstance(content, bytes):
                        temporary_path.write_bytes(content)
                    else:
                        shutil.copyfile(content, temporary_path)
        self._num_rows[absolute_path(path)] += 1
        return path

    def release(self, chunk: Chunk) -> None:
        """Remove the copies of a chunk that is complete, but those of chunks that are not."""
        if not self._num_rows:
            return
        for row in chunk.rows:
            path = row["path"]
            if path is not None and path in self._num_rows:
                self._num_rows[path] -= 1
                if not self._num_rows[path]:
                    del self._num_rows[path]
                    Path(path).unlink(missing_ok=True)


def caption_row(source: AnySource, copies: Copies) -> Row:
    """An input of `caption_many` as a row; bytes, and the file of a pipe or a URL, are copied.

    Args:
        source: the input.
        copies: gets the copy.

    Raises:
        GifdescError: a copy cannot be written.
        TypeError: the source is frames in memory, which have no file.
    """
    given = to_input(source)
    if given.error is not None:
        return {"name": given.name, "path": None, "error": given.error, "state": None}
    path = given.source
    is_copy = True
    if isinstance(path, bytes):
        path = copies.add(path)
    elif isinstance(given.data, (str, Path)) and given.data is not source:
        path = copies.add(Path(given.data))  # the temporary file of a pipe or a URL
    else:
        is_copy = False
    if not isinstance(path, (str, Path)):
        raise TypeError("an engine takes GIFs from files and bytes, not frames in memory")
    return {
        "name": given.name,
        "path": absolute_path(path),
        "error": None,
        "state": None if is_copy else _state(Path(path)),
    }


def caption_input(row: Row) -> CaptionInput:
    """The input of a row, in a worker."""
    return CaptionInput(row["name"] or "", row["path"], row["error"])


def extraction_row(task: Task, copies: Copies) -> Row:
    """A task of an extraction as a row; the temporary file of a pipe or a URL is copied.

    Raises:
        GifdescError: a copy cannot be written.
    """
    gif, known = task.gif, task.known
    is_copy = gif.is_spooled and gif.error is None
    path = copies.add(gif.path) if is_copy else gif.path
    return {
        "name": gif.name,
        "path": absolute_path(path),
        "error": gif.error,
        "source": gif.source,
        "spooled": "yes" if gif.is_spooled else None,
        "known": None if known is None else f"{known.size_bytes} {known.sha256}",
        "state": None if is_copy else _state(gif.path),
    }


def extraction_task(row: Row) -> Task:
    """The task of a row."""
    gif = GifInput(
        path=Path(row["path"] or ""),
        source=row["source"] or "",
        error=row["error"],
        name=row["name"] or "",
        is_spooled=row["spooled"] is not None,
    )
    if row["known"] is None:
        return Task(gif)
    size, sha256 = row["known"].split()
    return Task(gif, FileIdentity(int(size), sha256))


def absolute_path(path: Path | str) -> str:
    """A path for workers in other folders; links are kept, which may lead elsewhere there."""
    return os.path.abspath(path)  # noqa: PTH100


def absolute(name: str) -> str:
    """The absolute path of a file or folder; other names, such as those of the hub, as they are."""
    return absolute_path(name) if os.path.lexists(name) else name


def _state(path: Path) -> str | None:
    """Size and time of change of a file, so that a file that is replaced is a new input."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # missing, or a name that no file can have
        return None
    return f"{status.st_size} {status.st_mtime_ns}"
