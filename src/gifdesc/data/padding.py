"""Features of several GIFs as one padded tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def pad_features(features: Sequence[npt.NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Features (T, D) of several GIFs as one tensor (B, T, D) padded with zeros.

    Returns:
        float32 (B, T, D), and the lengths T, int64 (B,).
    """
    lengths = [len(vectors) for vectors in features]
    padded = np.empty((len(features), max(lengths), features[0].shape[1]), np.float32)
    for row, vectors in zip(padded, features, strict=True):
        row[: len(vectors)] = vectors
        row[len(vectors) :] = 0.0
    return torch.from_numpy(padded), torch.tensor(lengths)
