"""Dropout with one mask per example, not per batch.

On the CPU each example's mask comes from a generator of its own. A run's numbers then do not
depend on which examples share a batch or a process, nor on the padding: a run computes the same if
it is resumed, spread over processes, or continued with smaller batches after memory ran out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

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
        self._generator = torch.Generator()

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
        mask = torch.empty_like(x)
        for row, seed in zip(mask, self._seeds, strict=True):
            # PyTorch draws the same first numbers however many follow, so padding changes nothing.
            self._generator.manual_seed(seed_at(seed, self._num_draws * _DRAW_STRIDE))
            row.bernoulli_(1 - self.share, generator=self._generator)
        self._num_draws += 1
        return x * mask.mul_(1 / (1 - self.share))

    def extra_repr(self) -> str:
        """The share, in the module's printed form."""
        return f"share={self.share}"


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
