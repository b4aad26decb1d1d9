"""The manifest of a folder of fetched files: what became of each URL."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from gifdesc.errors import DownloadError
from gifdesc.system.files import json_line, read_json_lines, reading, write_json_lines

MANIFEST_NAME = "fetched.jsonl"

FetchStatus = Literal["ok", "truncated", "still", "refused", "failed"]
"""`ok`: a whole file that moves. `truncated`: a file whose beginning can be used. `still`: a
picture that does not move. `refused`: no picture and no video. `failed`: no file was received."""

KEPT = ("ok", "truncated")
"""Statuses of files that are kept; `still` with `--keep-stills` as well."""


@dataclass(frozen=True, kw_only=True)
class FetchEntry:
    """What became of a URL.

    Attributes:
        url: as the list has it.
        status: of the file.
        file: the name in the folder; None if there is no file.
        error: why there is no file, or only the beginning of a file; None for a whole file.
        size_bytes: of the file that was received; None if none was.
        sha256: of the file that was received, in hexadecimal; None if none was.
        num_frames: usable frames; None if there are none.
    """

    url: str
    status: FetchStatus
    file: str | None = None
    error: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    num_frames: int | None = None


class FetchManifest:
    """The entries of a folder, by their URLs.

    Args:
        folder: of the files.

    Raises:
        DownloadError: the manifest is damaged or cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / MANIFEST_NAME
        self.entries: dict[str, FetchEntry] = {}
        if not self._path.exists():
            return
        try:
            with reading(self._path, DownloadError):
                rows = read_json_lines(self._path)
        except ValueError as error:
            raise _damaged(self._path, str(error)) from error
        for row in rows:
            entry = _entry(row, self._path)
            self.entries[entry.url] = entry

    def add(self, entry: FetchEntry) -> None:
        """Append an entry, in one write, so that a killed run leaves whole lines."""
        with self._path.open("ab") as file:
            file.write(json_line(asdict(entry)).encode())
        self.entries[entry.url] = entry

    def compact(self) -> None:
        """Rewrite the file with one line for each URL."""
        rows = map(asdict, self.entries.values())
        write_json_lines(self._path, rows, below=self._path.parent)


def _entry(row: dict[str, Any], path: Path) -> FetchEntry:
    known = {field.name for field in fields(FetchEntry)}
    entry = {name: value for name, value in row.items() if name in known}
    if not isinstance(entry.get("url"), str) or entry.get("status") not in get_args(FetchStatus):
        raise _damaged(path, "a line without `url` and `status`")
    name = entry.get("file")
    if name is not None and (not isinstance(name, str) or Path(name).name != name):
        raise _damaged(path, f"{name} is not the name of a file in its folder")
    return FetchEntry(**entry)


def _damaged(path: Path, reason: str) -> DownloadError:
    return DownloadError(f"{path}: damaged ({reason}); remove it to fetch all files again")
