"""Feature files, the recipe that made them, and the manifest of what became of each GIF."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gifdesc.config import FeatureRecipe
from gifdesc.config_json import from_json, to_json
from gifdesc.errors import FeatureError
from gifdesc.files import json_line, read_json_lines, replacing, write_json, write_json_lines
from gifdesc.npy import read_matrix

RECIPE_NAME = "recipe.json"
MANIFEST_NAME = "manifest.jsonl"
FEATURES_SUFFIX = ".npy"
_MAX_NAME_BYTES = 255
"""The longest file name that common file systems take, in bytes."""

_EXTRACT_OPTIONS = {
    "num_frames": "--num-frames",
    "sampling": "--sampling",
    "framing": "--framing",
    "precision": "--precision",
    "weights": "--weights",
}
"""Fields of a recipe that an option of `gifdesc extract` sets as they are."""

Status = Literal["ok", "truncated", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestEntry:
    """What became of one GIF: a line of manifest.jsonl.

    Attributes:
        source: its path under the given folder.
        status: `ok`; `truncated`, a good beginning was used; `failed`, no feature file.
        error: the reason where the status is not `ok`.
        note: anything else worth knowing, such as another format under a .gif name.
        size_bytes: of the file.
        sha256: of the file's bytes, hexadecimal.
        num_frames: in the file.
        duration_ms: of one pass through the GIF.
        sampled_frames: the indices of the frames that the features describe.
        sampled_times_ms: when each of them comes on screen.
        features: the feature file's path under the features folder.
        origin: the GIF's absolute path when it was read; None where an earlier gifdesc wrote the
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
        for name in ("sampled_frames", "sampled_times_ms"):
            if kept.get(name) is not None:
                kept[name] = tuple(kept[name])
        return cls(**kept)


_ENTRY_KEYS = {one.name: None for one in fields(ManifestEntry)}
"""A dict for its order and quick look-up: a manifest may have 100,000 entries."""


def features_name(source: str) -> str:
    """Where a GIF's features lie under the features folder: its own path and `.npy`.

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
        feature_size: D that is wanted, None for any.

    Returns:
        float32 (T, D), T of 1 or more, every number finite.

    Raises:
        FeatureError: the file cannot be read or holds anything else.
    """
    features = read_matrix(path)
    if feature_size is not None and features.shape[1] != feature_size:
        raise FeatureError(
            f"{path}: has {features.shape[1]} features a frame where {feature_size} are wanted"
        )
    if not np.isfinite(features).all():
        raise FeatureError(f"{path}: holds numbers that are not finite (NaN or infinity)")
    return features


def read_recipe(features_dir: Path) -> FeatureRecipe | None:
    """The recipe of a features folder, None where it has none (made elsewhere).

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
            feature files of which nobody knows how they were made.
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
    """How `extract` is told a field of the recipe; nothing for fields without an option."""
    option = _EXTRACT_OPTIONS.get(name)
    return f" (extract {option} {value})" if option else ""


class Manifest:
    """The manifest of a features folder: the last line about a GIF is the one that counts."""

    def __init__(self, features_dir: Path) -> None:
        """Read what is there.

        Raises:
            FeatureError: the manifest is damaged.
        """
        self._path = features_dir / MANIFEST_NAME
        self.entries: dict[str, ManifestEntry] = {}
        try:
            rows = read_json_lines(self._path) if self._path.exists() else []
            # The next line must not be joined to one that a killed run left without its end.
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
        """Rewrite the file with one line per GIF, sorted by source, unless that is what it is."""
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
