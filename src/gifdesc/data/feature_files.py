"""Feature files, the recipe that made them, and the manifest with a line for each GIF."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gifdesc.config import FeatureRecipe, from_json, to_json
from gifdesc.errors import FeatureError
from gifdesc.system.files import (
    LFS_POINTER_START,
    json_line,
    read_json_lines,
    reason,
    replacing,
    write_json,
    write_json_lines,
)

RECIPE_NAME = "recipe.json"
MANIFEST_NAME = "manifest.jsonl"
FEATURES_SUFFIX = ".npy"
_MAX_NAME_BYTES = 255
"""The longest file name that common file systems take, in bytes."""

_EXTRACT_OPTIONS = {
    "backbone": "--backbone",
    "num_frames": "--num-frames",
    "sampling": "--sampling",
    "framing": "--framing",
    "weights": "--weights",
}
"""Fields of a recipe that an option of `gifdesc extract` sets as they are."""

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

    def to_json(self) -> dict[str, Any]:
        """The entry as a JSON object."""
        return {name: getattr(self, name) for name in _ENTRY_KEYS}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> ManifestEntry:
        """The entry of a JSON object; keys of a later version are left out.

        Raises:
            ValueError: `source` or `status` is missing.
        """
        if "source" not in row or "status" not in row:
            raise ValueError("an entry needs source and status")
        kept = {key: value for key, value in row.items() if key in _ENTRY_KEYS}
        for name in ("sampled_frames", "sampled_times_ms", "labels"):
            if kept.get(name) is not None:
                kept[name] = tuple(kept[name])
        return cls(**kept)


_ENTRY_KEYS = {known.name: None for known in fields(ManifestEntry)}
"""A dict for its order and quick look-up: a manifest may have 100,000 entries."""


def features_name(source: str) -> str:
    """The path of a GIF's features under the features folder: its own path and `.npy`.

    A file name that would grow too long for the file system ends in a hash of itself instead.
    """
    folder, _, name = source.rpartition("/")
    encoded = name.encode("utf-8", "surrogateescape")
    if len(encoded) + len(FEATURES_SUFFIX) > _MAX_NAME_BYTES:
        digest = hashlib.sha256(encoded).hexdigest()[:16]
        kept = encoded[: _MAX_NAME_BYTES - len(digest) - len(FEATURES_SUFFIX) - 1]
        name = f"{kept.decode('utf-8', 'ignore')}-{digest}"
    return (f"{folder}/" if folder else "") + name + FEATURES_SUFFIX


def write_features(path: Path, features: npt.NDArray[np.float32]) -> None:
    """Write a feature file, float32 (T, D), under a temporary name and rename it into place."""
    buffer = io.BytesIO()
    np.save(buffer, features, allow_pickle=False)
    with replacing(path) as temporary_path:
        temporary_path.write_bytes(buffer.getbuffer())


def read_features(path: Path, feature_size: int | None = None) -> npt.NDArray[np.float32]:
    """A feature file's vectors.

    Args:
        path: a `.npy` file.
        feature_size: D that is needed, None for any.

    Returns:
        float32 (T, D), T of 1 or more, every number finite.

    Raises:
        FeatureError: the file cannot be read or contains anything else.
    """
    features = read_matrix(path)
    if feature_size is not None and features.shape[1] != feature_size:
        raise FeatureError(
            f"{path}: has {features.shape[1]} features a frame where {feature_size} are needed"
        )
    if not np.isfinite(features).all():
        raise FeatureError(f"{path}: holds numbers that are not finite (NaN or infinity)")
    return features


def read_recipe(features_dir: Path) -> FeatureRecipe | None:
    """The recipe of a features folder, None if it has none (made elsewhere).

    Raises:
        FeatureError: the recipe file is damaged.
    """
    path = features_dir / RECIPE_NAME
    try:
        return from_json(FeatureRecipe, json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise FeatureError(f"{path}: not a recipe of this gifdesc ({error})") from error


def claim_folder(features_dir: Path, recipe: FeatureRecipe) -> None:
    """Make sure that a features folder is for this recipe, writing it into a new folder.

    Raises:
        FeatureError: the folder has another recipe (the differing field is named), or it holds
            feature files of unknown origin.
        OSError: the folder cannot be written.
    """
    present = read_recipe(features_dir)
    if present is None:
        if any(path.is_file() for path in features_dir.rglob(f"*{FEATURES_SUFFIX}")):
            raise FeatureError(
                f"{features_dir}: holds feature files without {RECIPE_NAME}, so these cannot be "
                "mixed in; choose another folder with --output"
            )
        write_json(features_dir / RECIPE_NAME, to_json(recipe))
        return
    check_same_recipe(present, recipe, f"{features_dir}: its features")


def check_choices(features_dir: Path, choices: Mapping[str, Any]) -> None:
    """Check, before a network is loaded, that a folder has no recipe with other choices.

    Args:
        features_dir: where features are to go.
        choices: field of the recipe -> value, such as `backbone`.

    Raises:
        FeatureError: the folder has another recipe; the message names the first field that differs.
    """
    present = read_recipe(features_dir)
    if present is not None:
        wanted = replace(present, **choices)
        check_same_recipe(present, wanted, f"{features_dir}: its features")


def check_same_recipe(present: FeatureRecipe, wanted: FeatureRecipe, who: str) -> None:
    """Refuse to mix two recipes.

    Raises:
        FeatureError: they differ; the message names the first field that does.
    """
    if name := present.difference(wanted):
        raise FeatureError(
            f"{who} were made with {name} {getattr(present, name)}, not "
            f"{getattr(wanted, name)}; use another folder, or the same {name}"
            f"{_option_for(name, getattr(present, name))}"
        )


def _option_for(name: str, value: object) -> str:
    """The option of `extract` for a field of the recipe; empty for fields without an option."""
    option = _EXTRACT_OPTIONS.get(name)
    return f" (extract {option} {value})" if option else ""


class Manifest:
    """The manifest of a features folder: the last line about a GIF is the one that counts."""

    def __init__(self, features_dir: Path) -> None:
        """Read the manifest of the folder.

        Raises:
            FeatureError: the manifest is damaged.
        """
        self._path = features_dir / MANIFEST_NAME
        self.entries: dict[str, ManifestEntry] = {}
        try:
            rows = read_json_lines(self._path) if self._path.exists() else []
            # The next line must not be joined to a line that a killed run left unfinished.
            self._is_cut = _is_cut(self._path)
            for row in rows:
                entry = ManifestEntry.from_json(row)
                self.entries[entry.source] = entry
        except (OSError, ValueError, TypeError) as error:
            raise FeatureError(
                f"{self._path}: damaged ({error}); remove it to extract all again"
            ) from error
        sources = [row["source"] for row in rows]
        self._is_compact = not self._is_cut and sources == sorted(set(sources))

    def add(self, entry: ManifestEntry) -> None:
        """Append one entry, in one write, so that a killed run leaves whole lines."""
        if self._is_cut:
            self.compact()
        with self._path.open("ab") as file:
            file.write(json_line(entry.to_json()).encode())
        self.entries[entry.source] = entry
        self._is_compact = False

    def remove(self, sources: Iterable[str]) -> None:
        """Forget GIFs, and rewrite the file."""
        for source in sources:
            self.entries.pop(source, None)
        self._is_compact = False
        self.compact()

    def compact(self) -> None:
        """Rewrite the file with one line per GIF, sorted by source, unless it is so."""
        if self._is_compact and self._path.exists():
            return
        rows = (self.entries[source].to_json() for source in sorted(self.entries))
        write_json_lines(self._path, rows)
        self._is_cut, self._is_compact = False, True


def _is_cut(path: Path) -> bool:
    """Whether a file that is there and not empty ends within a line."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK\x03\x04"
_START_BYTES = 256
"""Read at once; numpy's header of a matrix takes 80 or 128 bytes."""

_MAX_FLOAT_BYTES = 8
"""Longer floating-point numbers differ from machine to machine."""

_MAX_HEADER_BYTES = 10_000
"""As in numpy, which parses no longer header."""


@dataclass(frozen=True)
class MatrixHeader:
    """The header before the numbers of a matrix.

    Attributes:
        shape: rows and columns, each 1 or more.
        dtype: float16, float32 or float64, of either byte order.
        is_column_major: the columns are written one after the other.
        offset_bytes: the position of the numbers.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    is_column_major: bool
    offset_bytes: int

    @property
    def end_bytes(self) -> int:
        """Where the numbers end."""
        return self.offset_bytes + self.dtype.itemsize * self.shape[0] * self.shape[1]


def read_matrix_header(path: Path) -> MatrixHeader:
    """The form of a matrix, by its header and the size of its file.

    Raises:
        FeatureError: the file cannot be read, is cut off, or contains anything else.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            size_bytes = os.fstat(descriptor).st_size
            start = os.read(descriptor, _START_BYTES)
            missing = _header_end(path, start) - len(start)
            if missing > 0:
                start += os.read(descriptor, missing)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unreadable(path, error) from error
    return _header_of(path, start, size_bytes)


def read_matrix(path: Path) -> npt.NDArray[np.float32]:
    """A matrix, float32 for any type in the file, its rows one after the other in memory.

    A number that is too large for float32 becomes infinite.

    Raises:
        FeatureError: the file cannot be read, is cut off, or contains anything else.
    """
    try:
        with path.open("rb", buffering=0) as file:
            data = np.empty(os.fstat(file.fileno()).st_size, np.uint8)
            num_read = 0
            while count := file.readinto(data.data[num_read:]):
                num_read += count
    except OSError as error:
        raise _unreadable(path, error) from error
    start = data[: _START_BYTES + _MAX_HEADER_BYTES].tobytes()
    header = _header_of(path, start, num_read)
    numbers = data[header.offset_bytes : header.end_bytes]
    if header.offset_bytes % header.dtype.itemsize:
        numbers = numbers.copy()  # numbers begin at multiples of their size
    with np.errstate(over="ignore"):
        matrix = numbers.view(header.dtype).astype(np.float32, copy=False)
    if header.is_column_major:
        return np.ascontiguousarray(matrix.reshape(header.shape[::-1]).T)
    return matrix.reshape(header.shape)


def _header_of(path: Path, start: bytes, size_bytes: int) -> MatrixHeader:
    """The header of a file that begins with `start`."""
    end = _header_end(path, start)
    try:
        shape, is_column_major, dtype = _parse(start[:end])
    except (ValueError, EOFError, MemoryError, RecursionError, TokenError) as error:
        raise _damaged(path) from error
    if dtype.hasobject:
        raise _damaged(path)
    if dtype.kind != "f" or dtype.itemsize > _MAX_FLOAT_BYTES:
        raise FeatureError(f"{path}: holds {dtype}, not float32 (or float16, float64)")
    if len(shape) != 2 or min(shape) < 1:
        raise FeatureError(f"{path}: has shape {shape}, not (frames, features)")
    header = MatrixHeader((shape[0], shape[1]), dtype, is_column_major, end)
    if size_bytes < header.end_bytes:
        raise _damaged(path)
    return header


def _header_end(path: Path, start: bytes) -> int:
    """Where the header of a file that begins with `start` ends."""
    if start.startswith(_ZIP_MAGIC):
        raise FeatureError(f"{path}: an .npz archive, not a .npy file")
    if start.startswith(LFS_POINTER_START):
        raise FeatureError(f"{path}: a Git LFS pointer, not the features; fetch the file itself")
    if not start.startswith(_MAGIC) or len(start) < 12:
        raise _damaged(path)
    # Version 1 has a length of two bytes, later ones of four, the lowest byte first.
    length_end = 10 if start[6] == 1 else 12
    end = length_end + int.from_bytes(start[8:length_end], "little")
    if end > _MAX_HEADER_BYTES:
        raise _damaged(path)
    return end


@lru_cache(maxsize=1024)
def _parse(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """The fields of a header, parsed once: most files of a folder have the same header."""
    stream = BytesIO(header)
    version, _ = np.lib.format.read_magic(stream)
    # Version 3 differs from 2 in the encoding of field names alone, and a matrix has none.
    read = (
        np.lib.format.read_array_header_1_0 if version == 1 else np.lib.format.read_array_header_2_0
    )
    shape, is_column_major, dtype = read(stream)
    return shape, is_column_major, dtype


def _unreadable(path: Path, error: OSError) -> FeatureError:
    if isinstance(error, FileNotFoundError):
        return FeatureError(f"{path}: no such file")
    return FeatureError(f"{path}: cannot be read: {reason(error)}")


def _damaged(path: Path) -> FeatureError:
    return FeatureError(f"{path}: not a .npy file of plain numbers; extract it again")
