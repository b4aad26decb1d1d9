"""Feature files as training reads them: repeatedly, and from memory if they fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from gifdesc.data.feature_files import read_features
from gifdesc.data.problems import Problems
from gifdesc.errors import FeatureError

CACHE_BYTES = 2**30
"""Memory for feature files, 1 GiB: 8,000 files of 16 x 2048 numbers, and little beside what
PyTorch takes itself. Other files are read again, from the file cache of the operating system."""


class FeatureStore:
    """Reads feature files and keeps them in memory up to a limit.

    The files that were read first are kept: an epoch reads every file once, so that a cache of
    the latest would drop each file just before it is needed again.

    Args:
        feature_size: D that every file must have, None for any.
        problems: where a file that cannot be used is added when it is first read; None for new
            ones.
        cache_bytes: the limit; None for `CACHE_BYTES`.
    """

    def __init__(
        self,
        feature_size: int | None = None,
        *,
        problems: Problems | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        self.feature_size = feature_size
        self.problems = Problems() if problems is None else problems
        self._room_bytes = CACHE_BYTES if cache_bytes is None else cache_bytes
        self._kept: dict[Path, npt.NDArray[np.float32]] = {}
        self._damaged: dict[Path, FeatureError] = {}

    def read(self, path: Path) -> npt.NDArray[np.float32]:
        """A feature file's vectors, float32 (T, D), not to be written to.

        Raises:
            FeatureError: the file cannot be used; the same error each time.
        """
        kept = self._kept.get(path)
        if kept is not None:
            return kept
        if path in self._damaged:
            raise self._damaged[path]
        try:
            features = read_features(path, self.feature_size)
        except FeatureError as error:
            self._damaged[path] = error
            self.problems.add(str(error))
            raise
        if features.nbytes <= self._room_bytes:
            self._room_bytes -= features.nbytes
            self._kept[path] = features
        return features

    def is_damaged(self, path: Path) -> bool:
        """Whether a file was read and could not be used."""
        return path in self._damaged

    def read_or_none(self, path: Path) -> npt.NDArray[np.float32] | None:
        """The same, None for a file that cannot be used."""
        try:
            return self.read(path)
        except FeatureError:
            return None
