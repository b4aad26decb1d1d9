"""Mean and standard deviation of features, by which the model standardises them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import torch
from torch import Tensor

from gifdesc.feature_store import FeatureStore
from gifdesc.pairing import Example
from gifdesc.waits import wait_for

MAX_FILES = 2048
"""Files that statistics are taken from, drawn by a fixed seed where there are more.

The frames of one GIF resemble each other, so the files count: the mean of 2,048 is known to
1 / sqrt(2048), or 2 %, of a standard deviation, and reading them takes a second and not minutes."""


def feature_statistics(
    examples: Sequence[Example], feature_size: int, store: FeatureStore | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature over all frames, both float32 (D,).

    Args:
        examples: the training split. Files that cannot be used are left out.
        feature_size: D.
        store: reads the files; None for one of its own.
    """
    store = store or FeatureStore(feature_size, cache_bytes=0)
    if len(examples) > MAX_FILES:
        chosen = Random("statistics").sample(range(len(examples)), MAX_FILES)
        examples = [examples[index] for index in sorted(chosen)]
    total = np.zeros(feature_size)
    total_squares = np.zeros(feature_size)
    num_frames = 0
    with wait_for("computing feature statistics", unit="files") as advance:
        for num_done, example in enumerate(examples, start=1):
            read = store.read_or_none(example.features_path)
            if read is not None:
                features = read.astype(np.float64)
                total += features.sum(axis=0)
                total_squares += (features**2).sum(axis=0)
                num_frames += len(features)
            advance(num_done, len(examples))
    mean = total / max(1, num_frames)
    variance = np.maximum(total_squares / max(1, num_frames) - mean**2, 0.0)
    # Below the rounding error of the sums a feature is constant.
    variance[variance < 1e-12 * np.maximum(mean**2, 1e-12)] = 0.0
    return torch.from_numpy(mean).float(), torch.from_numpy(np.sqrt(variance)).float()
