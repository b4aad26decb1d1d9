"""Inputs as rows: paths that every worker can open, and no bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from gifdesc.data.gif_sources import AnySource, to_input
from gifdesc.data.gifs import GifInput
from gifdesc.engines.chunks import Row
from gifdesc.features.frames import FileIdentity
from gifdesc.features.loader import Task
from gifdesc.gif.sources import CaptionInput
from gifdesc.system.files import replacing, sha256_of, writing


def caption_row(source: AnySource, copies_dir: Path) -> Row:
    """An input of `caption_many` as a row.

    Bytes, and the temporary file of a pipe or a URL, are copied into a folder that all workers
    share, under the name of their content: the same content has the same row in a later run.

    Args:
        source: the input.
        copies_dir: the folder of the copies; created when it is needed.

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
        path = _copy(path, copies_dir)
    elif isinstance(given.data, (str, Path)) and given.data is not source:
        path = _copy(Path(given.data), copies_dir)  # the temporary file of a pipe or a URL
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


def extraction_row(task: Task, copies_dir: Path) -> Row:
    """A task of an extraction as a row; the temporary file of a pipe or a URL is copied.

    Raises:
        GifdescError: a copy cannot be written.
    """
    gif, known = task.gif, task.known
    is_copy = gif.is_spooled and gif.error is None
    path = _copy(gif.path, copies_dir) if is_copy else gif.path
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


def _copy(content: bytes | Path, copies_dir: Path) -> Path:
    """A copy named by its content."""
    with writing(copies_dir):
        if isinstance(content, bytes):
            digest = hashlib.sha256(content).hexdigest()
        else:
            digest = sha256_of(content)
        path = copies_dir / digest
        if not path.is_file():
            with replacing(path) as temporary_path:
                if isinstance(content, bytes):
                    temporary_path.write_bytes(content)
                else:
                    shutil.copyfile(content, temporary_path)
    return path
