"""Seeds of what is random about one example: a function of the run, the epoch and the example."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

STRIDE = 0x9E3779B97F4A7C15
"""Between neighbouring seeds: 2**64 / the golden ratio, as splitmix64 has it (Steele et al. 2014,
doi:10.1145/2660193.2660195). PyTorch's CPU generator looks at the low 32 bits alone, in which
multiples of an odd number meet again only after 2**32 of them."""


def example_seeds(seed: int, epoch: int, indices: Sequence[int], purpose: str = "") -> list[int]:
    """A seed for each example.

    Args:
        seed: of the run.
        epoch: counted from 1.
        indices: the examples.
        purpose: what is drawn; another purpose gives other seeds.
    """
    digest = hashlib.sha256(f"{purpose}:{seed}:{epoch}".encode()).digest()
    base = int.from_bytes(digest[:8], "big")
    return [seed_at(base, index) for index in indices]


def seed_at(base: int, index: int) -> int:
    """The seed `index` places after `base`, in [0, 2**63)."""
    return (base + index * STRIDE) % 2**63


def draw_replaced(mask: Tensor, share: float, seeds: Sequence[int]) -> Tensor:
    """Which words of captions are replaced, bool (B, L) on the CPU: never the first.

    Args:
        mask: any tensor (B, L).
        share: of the words that are.
        seeds: one for each caption; padding has no say in what they give.
    """
    replaced = torch.zeros(mask.shape, dtype=torch.bool)
    generator = torch.Generator()
    for row, seed in zip(replaced, seeds, strict=True):
        row.bernoulli_(share, generator=generator.manual_seed(seed))
    replaced[:, :1] = False
    return replaced
