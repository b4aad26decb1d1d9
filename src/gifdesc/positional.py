"""The sinusoidal encoding of a frame's position."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def sinusoidal_encoding(length: int, size: int) -> npt.NDArray[np.float32]:
    """Sines and cosines of each position at wavelengths from 2 pi to 10000 * 2 pi.

    Position p, pair i: sin(p / 10000^(2i / size)) in column 2i, the cosine in column 2i + 1.
    Computed in float64 and rounded once.

    Args:
        length: number of positions, T.
        size: columns, D; an odd size ends with a sine.

    Returns:
        float32 (T, D), each value in [-1, 1].

    Raises:
        ValueError: length is negative or size below 1.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.5.
    """
    if length < 0 or size < 1:
        raise ValueError(f"no encoding has length {length} and size {size}")
    positions = np.arange(length, dtype=np.float64)[:, None]
    wavelengths = 10000.0 ** (np.arange(0, size, 2, dtype=np.float64) / size)
    angles = positions / wavelengths
    encoding = np.empty((length, size), dtype=np.float32)
    encoding[:, 0::2] = np.sin(angles)
    encoding[:, 1::2] = np.cos(angles[:, : size // 2])
    return encoding
