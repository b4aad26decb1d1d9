"""Which tokens the captions of each GIF contain, and how many of its captions do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


class TokenShareTable:
    """The tokens of the captions of many GIFs.

    Args:
        gif_of: int (C,), the GIF of each caption, from 0, in ascending order.
        captions: int (C + 1,), where each caption begins in `tokens`, and the length of `tokens`.
        tokens: int (N,), of all captions.
        skipped: tokens that do not count, such as the start token.
    """

    def __init__(
        self,
        gif_of: npt.NDArray[np.integer],
        captions: npt.NDArray[np.integer],
        tokens: npt.NDArray[np.integer],
        skipped: Sequence[int],
    ) -> None:
        num_gifs = int(gif_of[-1]) + 1 if len(gif_of) else 0
        counted = ~np.isin(tokens, list(skipped))
        caption_of = np.repeat(np.arange(len(gif_of)), np.diff(captions))[counted]
        base = int(tokens.max()) + 1 if len(tokens) else 1
        # Every token once a caption, then every token once a GIF with the number of its captions.
        once = np.unique(caption_of * base + tokens[counted])
        keys, counts = np.unique(gif_of[once // base] * base + once % base, return_counts=True)
        self._tokens = keys % base
        self._shares = (counts / np.bincount(gif_of, minlength=1)[keys // base]).astype(np.float32)
        self._ends = np.searchsorted(keys // base, np.arange(num_gifs + 1))

    def of(self, gifs: Sequence[int] | npt.NDArray[np.integer]) -> tuple[Tensor, Tensor]:
        """The tokens of B GIFs, which may repeat.

        Returns:
            The tokens, int64 (B, K), and the share of the GIF's captions that contain each,
            float32 (B, K), above 0 to 1; 0 where a GIF has fewer than K tokens.
        """
        spans = [(int(self._ends[gif]), int(self._ends[gif + 1])) for gif in gifs]
        shape = (len(spans), max((last - first for first, last in spans), default=0))
        tokens, shares = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        for row, (first, last) in enumerate(spans):
            tokens[row, : last - first] = self._tokens[first:last]
            shares[row, : last - first] = self._shares[first:last]
        return torch.from_numpy(tokens), torch.from_numpy(shares)
