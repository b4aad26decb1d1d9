"""The manifest of a features folder: a line for each GIF."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from gifdesc.errors import FeatureError
from gifdesc.system.files import has_content, iterate_json_lines, json_line, write_json_lines
from gifdesc.system.json_files import checked
from gifdesc.system.replacement import sync_files
from gifdesc.system.wording import list_some

MANIFEST_NAME = "manifest.jsonl"

Status = Literal["ok", "truncated", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestEntry:
    """The result of extracting a GIF: a line of manifest.jsonl.

    Attributes:
        source: its path under the given folder.
        status: `ok`; `truncated`, a good beginning was used; `failed`, no feature file.
        error: the reason if the status is not `ok`.
        note: a remark, such as another format under a .gif name.
        size_bytes: of the file.
        sha256: of the file's bytes, hexadecimal.
        num_frames: in the file.
        duration_ms: of one pass through the GIF.
        sampled_frames: the indices of the frames that the features describe.
        sampled_times_ms: when each of them comes on screen.
        features: the feature file's path under the features folder.
        labels: `label` and `probability` of the likeliest classes that the backbone's own
            classifier gives, likeliest first; None if they were not asked for.
        origin: the GIF's absolute path when it was read; None if an earlier gifdesc wrote the
            entry, or the GIF came through a pipe.
    """

    source: str
    status: Status
    error: str | None = None
    note: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    num_frames: int | None = None
    duration_ms: int | None = None
    sampled_frames: tuple[int, ...] | None = None
    sampled_times_ms: tuple[int, ...] | None = None
    features: str | None = None
    labels: tuple[dict[str, str | float], ...] | None = None
    origin: str | None = None

    def is_changed(self, path: Path) -> bool:
        """Whether a file of the GIF's name, in any folder, has other content than was read.

        Names match without their endings, so a file with another ending is no changed GIF, but
        another file. What cannot be read cannot be compared, nor can the line of a version without
        digests.
        """
        if self.sha256 is None or path.suffix.lower() != Path(self.source).suffix.lower():
            return False
        if not os.path.isfile(path):  # noqa: PTH113 - as in `remove_file`
            return False
        try:
            return not has_content(path, self.size_bytes, self.sha256)
        except OSError:
            return False

    def to_json(self) -> dict[str, Any]:
        """The entry as a JSON object."""
        return {name: getattr(self, name) for name in _ENTRY_KEYS}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> ManifestEntry:
        """The entry of a JSON object; keys of a later version are left out.

        Raises:
            ValueError: `source` or `status` is missing, or a value is of another type.
        """
        if "source" not in row or "status" not in row:
            raise ValueError("an entry needs source and status")
        kept = {key: value for key, value in row.items() if key in _ENTRY_KEYS}
        values = checked(cls, kept)
        for name in ("sampled_frames", "sampled_times_ms"):
            if values.get(name) is not None:
                values[name] = shared_numbers(values[name])
        return cls(**values)


def change_note(names: Sequence[str], consequence: str) -> str | None:
    """A sentence about GIFs that changed since their features were made; None without any."""
    if not names:
        return None
    them = "it" if len(names) == 1 else "them"
    return f"{list_some(names)}: changed since `gifdesc extract` read {them}, so {consequence}"


@lru_cache(maxsize=4096)
def shared_numbers(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """An equal tuple that entries share: the same frames are sampled of most GIFs of a length."""
    return numbers


_ENTRY_KEYS = {known.name: None for known in fields(ManifestEntry)}
"""A dict for its order and quick look-up: a manifest may have 100,000 entries."""


class Manifest:
    """The manifest of a features folder: the last line about a GIF is the one that counts."""

    def __init__(self, features_dir: Path) -> None:
        """Read the manifest of the folder.

        Raises:
            FeatureError: the manifest is damaged.
        """
        self._path = features_dir / MANIFEST_NAME
        self.entries: dict[str, ManifestEntry] = {}
        last, self._is_compact = None, True
        try:
            for row in iterate_json_lines(self._path) if self._path.exists() else ():
                entry = ManifestEntry.from_json(row)
                self.entries[entry.source] = entry
                self._is_compact &= last is None or last < entry.source
                last = entry.source
            # The next line must not be joined to a line that a killed run left unfinished.
            self._is_cut = _is_cut(self._path)
        except (OSError, ValueError, TypeError) as error:
            raise _damaged(self._path, error) from error
        self._is_compact &= not self._is_cut

    def add(self, *entries: ManifestEntry) -> None:
        """Append entries, each in one write, so that a killed run leaves whole lines."""
        if self._is_cut:
            self.compact()
        with self._path.open("ab") as file:
            for entry in entries:
                file.write(json_line(entry.to_json()).encode())
                file.flush()
                self.entries[entry.source] = entry
        self._is_compact = False

    def sync(self) -> None:
        """Flush the file to disk."""
        sync_files([self._path])

    def remove(self, sources: Iterable[str]) -> None:
        """Forget GIFs, and rewrite the file."""
        for source in sources:
            self.entries.pop(source, None)
        self._is_compact = False
        self.compact()

    def compact(self) -> None:
        """Rewrite the file with one line per GIF, sorted by source, unless it is so.

        A link is replaced by a file: lines are never appended to a file outside the folder.
        """
        if self._is_compact and self._path.exists() and not self._path.is_symlink():
            return
        rows = (self.entries[source].to_json() for source in sorted(self.entries))
        write_json_lines(self._path, rows, below=self._path.parent)
        self._is_cut, self._is_compact = False, True


@dataclass(frozen=True, slots=True)
class Place:
    """Where the features of a GIF are, and where the GIF was; both as in `ManifestEntry`."""

    features: str | None
    origin: str | None


def read_places(features_dir: Path) -> dict[str, Place]:
    """The place of each GIF of a manifest, by its source; {} without a manifest.

    Other values are not checked or kept, which takes less time and memory than a `Manifest`.

    Raises:
        FeatureError: the manifest is damaged.
    """
    path = features_dir / MANIFEST_NAME
    places: dict[str, Place] = {}
    try:
        for row in iterate_json_lines(path) if path.exists() else ():
            source, features, origin = map(row.get, ("source", "features", "origin"))
            if not isinstance(source, str):
                raise ValueError("an entry needs a source")
            if not all(value is None or isinstance(value, str) for value in (features, origin)):
                raise ValueError("features and origin are texts")
            places[source] = Place(features, origin)
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path, error) from error
    return places


def _damaged(path: Path, error: Exception) -> FeatureError:
    return FeatureError(f"{path}: damaged ({error}); remove it to extract all again")


def _is_cut(path: Path) -> bool:
    """Whether a file that is there and not empty ends within a line."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
