"""Inputs as rows: paths that every worker can open, and no bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from gifdesc.engines.chunks import Row
from gifdesc.gif.sources import CaptionInput, GifSource, as_input
from gifdesc.system.files import replacing, sha256_of, writing


def caption_row(source: GifSource | CaptionInput, copies_dir: Path) -> Row:
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
    given = as_input(source)
    if given.error is not None:
        return {"name": given.name, "path": None, "error": given.error}
    path = given.source
    if isinstance(path, bytes):
        path = _copy(path, copies_dir)
    elif isinstance(source, CaptionInput) and isinstance(source.data, (str, Path)):
        path = _copy(Path(source.data), copies_dir)
    if not isinstance(path, (str, Path)):
        raise TypeError("an engine takes GIFs from files and bytes, not frames in memory")
    # Not `resolve`: the path's links may lead elsewhere on another machine.
    return {"name": given.name, "path": os.path.abspath(path), "error": None}  # noqa: PTH100


def caption_input(row: Row) -> CaptionInput:
    """The input that a row stands for, in a worker."""
    return CaptionInput(row["name"] or "", row["path"], row["error"])


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
