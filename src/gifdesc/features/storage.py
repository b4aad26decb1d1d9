"""Where an extraction stores features: in a file for each GIF, or in shards."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from gifdesc.config import DEFAULT_CHUNK_SIZE, FeatureDtype, FeatureFormat
from gifdesc.data.feature_files import features_name, write_features
from gifdesc.data.feature_shards import write_shard
from gifdesc.data.manifest import Manifest, ManifestEntry
from gifdesc.errors import FeatureError, UsageError
from gifdesc.features.frames import Vectors
from gifdesc.system.files import reason
from gifdesc.system.replacement import sync_files

_IN_THE_WAY = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG}
"""Errors of writing that concern a single feature file: its path is taken, or too long."""


_FLUSH_SECONDS = 1.0
"""Feature files are flushed to disk this often."""


class NotStoredError(FeatureError):
    """The features of a single GIF cannot be stored; those of others can."""


class FeatureStorage(Protocol):
    """Stores the features of GIFs in a folder.

    Attributes:
        form: `npy` or `shards`.
        dtype: of the stored numbers.
    """

    form: FeatureFormat
    dtype: FeatureDtype

    def placed(self, entry: ManifestEntry) -> ManifestEntry:
        """The line with the path of the features, if it is known before they are stored."""
        ...

    def put(self, entry: ManifestEntry, vectors: Vectors) -> Iterable[ManifestEntry]:
        """Store a GIF's features, now or with those of later GIFs.

        Args:
            entry: the GIF's line of the manifest.
            vectors: float32 (T, D).

        Returns:
            The lines, with `features`, of all GIFs that this call wrote to disk.

        Raises:
            NotStoredError: these features cannot be stored.
            OSError: the folder cannot be written.
        """
        ...

    def flush(self) -> Iterable[ManifestEntry]:
        """Write the GIFs that wait for later ones, and return their lines."""
        ...


def record(features_dir: Path, manifest: Manifest, entries: Iterable[ManifestEntry]) -> None:
    """Add the lines of stored GIFs to the manifest, and remove the files that they replace.

    Shards whose features are all replaced are removed after the run (`adopt_shards`).

    Raises:
        OSError: the folder cannot be written.
    """
    added = list(entries)
    if not added:
        return
    replaced = []
    for entry in added:
        before = manifest.entries.get(entry.source)
        if before is not None and before.features not in (None, entry.features):
            replaced.append(features_dir / before.features)
    manifest.add(*added)
    manifest.sync()  # before the files of its earlier lines are removed
    for path in replaced:
        remove_file(path)


def remove_file(path: Path) -> None:
    """Remove a feature file, if there is one."""
    if os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises at a path too long
        path.unlink()


class FileStorage:
    """A `.npy` file for each GIF.

    A line of the manifest must not name a file that a power cut empties. So files are flushed to
    disk before their lines are written: those of a second together, which takes an eighth of the
    time of single flushes (docs/reliability.md).
    """

    form: FeatureFormat = "npy"
    dtype: FeatureDtype = "float32"

    def __init__(self, features_dir: Path) -> None:
        self._features_dir = features_dir
        self._waiting: dict[str, ManifestEntry] = {}
        self._flushed_seconds = -_FLUSH_SECONDS

    def placed(self, entry: ManifestEntry) -> ManifestEntry:
        """The line with the path of the GIF's file."""
        name = features_name(entry.source)
        return entry if entry.features == name else replace(entry, features=name)

    def put(self, entry: ManifestEntry, vectors: Vectors) -> Iterable[ManifestEntry]:
        """Write the file; see `FeatureStorage.put`."""
        entry = self.placed(entry)
        path = self._features_dir / str(entry.features)
        try:
            write_features(path, vectors, features_dir=self._features_dir)
        except OSError as error:
            if error.errno not in _IN_THE_WAY:
                raise
            raise NotStoredError(f"{path} cannot be written: {reason(error)}") from error
        self._waiting[entry.source] = entry
        is_time = time.monotonic() - self._flushed_seconds >= _FLUSH_SECONDS
        return self.flush() if is_time else []

    def flush(self) -> Iterable[ManifestEntry]:
        """Flush the files that wait to disk, and return their lines."""
        entries = list(self._waiting.values())
        sync_files(self._features_dir / entry.features for entry in entries if entry.features)
        self._waiting = {}
        self._flushed_seconds = time.monotonic()
        return entries


class ShardStorage:
    """A shard for every so many GIFs.

    Args:
        features_dir: the folder.
        dtype: of the numbers.
        chunk_size: GIFs in a shard; the last has fewer.
    """

    def __init__(
        self,
        features_dir: Path,
        dtype: FeatureDtype = "float32",
        chunk_size: int = DEFAULT_CHUNK_SIZE,
    ) -> None:
        self.form: FeatureFormat = "shards"
        self.dtype = dtype
        self._features_dir = features_dir
        self._chunk_size = chunk_size
        self._waiting: dict[str, tuple[ManifestEntry, Vectors]] = {}

    def placed(self, entry: ManifestEntry) -> ManifestEntry:
        """The line as it is: the shard has no name yet."""
        return entry

    def put(self, entry: ManifestEntry, vectors: Vectors) -> Iterable[ManifestEntry]:
        """Keep the features, and write a shard if there are enough; see `FeatureStorage.put`."""
        if np.abs(vectors).max() > np.finfo(self.dtype).max:
            raise NotStoredError(f"its features exceed {self.dtype}; use --dtype float32")
        self._waiting[entry.source] = (entry, vectors)
        return self.flush() if len(self._waiting) >= self._chunk_size else []

    def flush(self) -> Iterable[ManifestEntry]:
        """Write the shard of the GIFs that wait."""
        if not self._waiting:
            return []
        entries = write_shard(self._features_dir, self._waiting, self.dtype)
        self._waiting = {}
        return entries


def make_storage(
    features_dir: Path,
    form: FeatureFormat = "npy",
    dtype: FeatureDtype = "float32",
    chunk_size: int = DEFAULT_CHUNK_SIZE,
) -> FeatureStorage:
    """The storage of a form.

    Args:
        features_dir: the folder of features.
        form: `npy` or `shards`.
        dtype: of the stored numbers.
        chunk_size: GIFs in a shard.

    Raises:
        UsageError: the form has no such numbers.
    """
    if form == "shards":
        return ShardStorage(features_dir, dtype, chunk_size)
    if dtype != FileStorage.dtype:
        raise UsageError(f"--dtype {dtype} is for shards: give --format shards too")
    return FileStorage(features_dir)
