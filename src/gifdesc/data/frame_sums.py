"""The mean of the features of several GIFs, frame by frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FrameSums:
    """The sum of the features of several GIFs for each frame position.

    Attributes:
        total: float32 (T, D).
        count: float32 (T,), how many GIFs have this frame.
    """

    total: Numbers
    count: Numbers

    @classmethod
    def empty(cls, size: int) -> FrameSums:
        """The sums of no GIFs.

        Args:
            size: D.
        """
        return cls(np.zeros((0, size), np.float32), np.zeros(0, np.float32))

    @classmethod
    def of(cls, features: Iterable[Numbers], size: int) -> FrameSums:
        """The sums of some GIFs.

        Args:
            features: float32 (T, D) of each.
            size: D.
        """
        sums = cls.empty(size)
        for each in features:
            sums = sums.with_gif(each)
        return sums

    def with_gif(self, features: Numbers) -> FrameSums:
        """The sums with another GIF's features (T, D)."""
        return self._added(features, 1)

    def without_gif(self, features: Numbers) -> FrameSums:
        """The sums without the features (T, D) of a GIF that they contain."""
        return self._added(features, -1)

    def mean(self) -> Numbers:
        """The mean, float32 (T, D), of as many frames as at least half of the GIFs have.

        Zeros of one frame if every GIF was taken out again.

        Raises:
            ValueError: there was never a GIF.
        """
        if not len(self.count):
            raise ValueError("no features to take the mean of")
        num_frames = max(1, int((2 * self.count >= self.count.max()).sum()))
        counts = np.maximum(self.count[:num_frames], 1)
        mean: Numbers = (self.total[:num_frames] / counts[:, None]).astype(np.float32)
        return mean

    def _added(self, features: Numbers, sign: int) -> FrameSums:
        longest = max(len(self.total), len(features))
        total = np.pad(self.total, ((0, longest - len(self.total)), (0, 0)))
        count = np.pad(self.count, (0, longest - len(self.count)))
        total[: len(features)] += sign * features
        count[: len(features)] += sign
        return FrameSums(total, count)
