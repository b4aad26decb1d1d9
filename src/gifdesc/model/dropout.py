"""Dropout with one mask per example, not per batch.

On the CPU each example's mask comes from a generator of its own. A run's numbers then do not
depend on which examples share a batch or a process, nor on the padding: a run computes the same if
it is resumed, spread over processes, or continued with smaller batches after memory ran out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

_LEVELS = 2**16
"""Values of the random 16-bit numbers that a mask is made of. They take less time than PyTorch's
Bernoulli draws, and the share of dropped numbers is right to a part in 65,536."""

_DRAW_STRIDE = 1_000_003
"""Seeds between two draws of one example: odd, and more than most data sets have examples."""


class ExampleDropout(nn.Module):
    """Zeroes a share of the numbers in training and scales up the rest (Srivastava et al. 2014).

    Args:
        share: of the numbers dropped, in [0, 1).
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self._seeds: list[int] | None = None
        self._num_draws = 0

    def seed(self, seeds: Sequence[int] | None) -> None:
        """Draw the masks of the next forward pass from these seeds, one per example.

        Args:
            seeds: B integers; None for PyTorch's own random numbers.
        """
        self._seeds = None if seeds is None else list(seeds)
        self._num_draws = 0

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> (B, ...).

        Raises:
            ValueError: the numbers of seeds and examples differ.
        """
        if not self.training or self.share == 0:
            return x
        # A GPU has its own generators; a call for each example would stall it.
        if self._seeds is None or x.device.type != "cpu":
            return nn.functional.dropout(x, self.share)
        if len(self._seeds) != len(x):
            raise ValueError(f"{len(self._seeds)} seeds for {len(x)} examples")
        num_dropped = round(self.share * _LEVELS)  # of all levels
        kept = np.empty((len(x), x[0].numel()), dtype=bool)
        for row, seed in zip(kept, self._seeds, strict=True):
            # The same first numbers are drawn however many follow, so padding changes nothing.
            bits = np.random.PCG64(seed_at(seed, self._num_draws * _DRAW_STRIDE))
            np.greater_equal(_random_levels(bits, len(row)), num_dropped, out=row)
        self._num_draws += 1
        mask = torch.from_numpy(kept).view(x.shape).to(x.dtype)
        return x * mask.mul_(1 / (1 - self.share))

    def extra_repr(self) -> str:
        """The share, in the module's printed form."""
        return f"share={self.share}"


def _random_levels(bits: np.random.PCG64, count: int) -> npt.NDArray[np.uint16]:
    """So many numbers below `_LEVELS`."""
    return bits.random_raw(-(-count // 4)).view(np.uint16)[:count]


STRIDE = 0x9E3779B97F4A7C15
"""Between neighbouring seeds: 2**64 / the golden ratio, as splitmix64 has it (Steele et al. 2014,
doi:10.1145/2660193.2660195). PyTorch's CPU generator uses only the low 32 bits, in which multiples
of an odd number repeat only after 2**32 of them."""


def example_seeds(seed: int, epoch: int, indices: Sequence[int], purpose: str = "") -> list[int]:
    """A seed for each example.

    Args:
        seed: of the run.
        epoch: counted from 1.
        indices: the examples.
        purpose: what the seeds are for; another purpose gives other seeds.
    """
    digest = hashlib.sha256(f"{purpose}:{seed}:{epoch}".encode()).digest()
    base = int.from_bytes(digest[:8], "big")
    return [seed_at(base, index) for index in indices]


def seed_at(base: int, index: int) -> int:
    """The seed `index` places after `base`, in [0, 2**63)."""
    return (base + index * STRIDE) % 2**63
