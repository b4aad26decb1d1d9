"""Ways to join what was seen in the frames with what was said so far.

Each takes `said` (B, L, S) and a `Memory` and gives the joined vectors (B, L, output_size) and,
where it looks at single frames, the weights over them (B, L, T).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from gifdesc.config import FusionKind


@dataclass(frozen=True)
class Memory:
    """What the encoder saw.

    Attributes:
        frames: float (B, T, H), one vector per frame.
        mask: bool (B, T), True where there is a frame and not padding.
        summary: float (B, H), the GIF as a whole.
    """

    frames: Tensor
    mask: Tensor
    summary: Tensor

    def select(self, index: Tensor) -> Memory:
        """The memory of the examples at `index` (N,), which may repeat."""
        return Memory(self.frames[index], self.mask[index], self.summary[index])


class Fusion(Protocol):
    """A module with the call that this module's docstring describes."""

    output_size: int

    def __call__(self, said: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None]:
        """Join what was said with what was seen."""
        ...


class AddFusion(nn.Module):
    """Element-wise sum of words and GIF, as in the original report. Both are of one size."""

    def __init__(self, said_size: int, seen_size: int) -> None:
        super().__init__()
        if said_size != seen_size:
            raise ValueError(f"sizes {said_size} and {seen_size} cannot be added")
        self.output_size = seen_size

    def forward(self, said: Tensor, memory: Memory) -> tuple[Tensor, None]:
        """(B, L, H) + (B, 1, H) -> (B, L, H)."""
        return said + memory.summary[:, None], None


class ConcatFusion(nn.Module):
    """Both vectors side by side through one tanh layer."""

    def __init__(self, said_size: int, seen_size: int) -> None:
        super().__init__()
        self.output_size = seen_size
        self.join = nn.Linear(said_size + seen_size, seen_size)

    def forward(self, said: Tensor, memory: Memory) -> tuple[Tensor, None]:
        """(B, L, S) and (B, H) -> (B, L, H)."""
        seen = memory.summary[:, None].expand(-1, said.shape[1], -1)  # (B, L, H)
        return torch.tanh(self.join(torch.cat([said, seen], dim=-1))), None


class AttentionFusion(nn.Module):
    """Every word looks at the frames anew.

    Temporal attention (Yao et al. 2015, arXiv:1502.08029, section 3) in the late, general
    dot-product form of Luong et al. 2015 (arXiv:1508.04025, section 3.1), scaled by the root of
    the size (Vaswani et al. 2017, section 3.2.1): it needs no loop over the words in training.
    """

    def __init__(self, said_size: int, seen_size: int) -> None:
        super().__init__()
        self.output_size = seen_size
        self.query = nn.Linear(said_size, seen_size)
        self.join = nn.Linear(said_size + seen_size, seen_size)

    def forward(self, said: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """(B, L, S) and frames (B, T, H) -> (B, L, H), weights (B, L, T) that sum to 1."""
        scores = self.query(said) @ memory.frames.transpose(1, 2)  # (B, L, T)
        scores = scores / memory.frames.shape[-1] ** 0.5
        scores = scores.masked_fill(~memory.mask[:, None], float("-inf"))
        weights = scores.softmax(dim=-1)
        context = weights @ memory.frames  # (B, L, H)
        return torch.tanh(self.join(torch.cat([said, context], dim=-1))), weights


FUSIONS: dict[FusionKind, Callable[[int, int], Fusion]] = {
    "add": AddFusion,
    "concat": ConcatFusion,
    "attention": AttentionFusion,
}
"""Name -> builder from (size of what is said, size of what is seen)."""
