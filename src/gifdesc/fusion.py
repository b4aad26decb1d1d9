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
        frames: float (B, T, M), one vector per frame.
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

    def __init__(self, said_size: int, seen_size: int, _frame_size: int) -> None:
        super().__init__()
        if said_size != seen_size:
            raise ValueError(f"sizes {said_size} and {seen_size} cannot be added")
        self.output_size = seen_size

    def forward(self, said: Tensor, memory: Memory) -> tuple[Tensor, None]:
        """(B, L, H) + (B, 1, H) -> (B, L, H)."""
        return said + memory.summary[:, None], None


class ConcatFusion(nn.Module):
    """Both vectors side by side through one tanh layer."""

    def __init__(self, said_size: int, seen_size: int, _frame_size: int) -> None:
        super().__init__()
        self.output_size = seen_size
        self.join = nn.Linear(said_size + seen_size, seen_size)

    def forward(self, said: Tensor, memory: Memory) -> tuple[Tensor, None]:
        """(B, L, S) and (B, H) -> (B, L, H)."""
        seen = memory.summary[:, None].expand(-1, said.shape[1], -1)  # (B, L, H)
        return torch.tanh(self.join(torch.cat([said, seen], dim=-1))), None


class GateFusion(nn.Module):
    """Learned gates weigh, number by number, what was seen against what was said.

    The gated multimodal unit of Arevalo et al. 2017 (arXiv:1702.01992, section 3).
    """

    def __init__(self, said_size: int, seen_size: int, _frame_size: int) -> None:
        super().__init__()
        self.output_size = seen_size
        self.said = nn.Linear(said_size, seen_size)
        self.seen = nn.Linear(seen_size, seen_size)
        self.gate = nn.Linear(said_size + seen_size, seen_size)

    def forward(self, said: Tensor, memory: Memory) -> tuple[Tensor, None]:
        """(B, L, S) and (B, H) -> (B, L, H)."""
        seen = memory.summary[:, None].expand(-1, said.shape[1], -1)  # (B, L, H)
        gate = torch.sigmoid(self.gate(torch.cat([said, seen], dim=-1)))
        return gate * torch.tanh(self.seen(seen)) + (1 - gate) * torch.tanh(self.said(said)), None


class AttentionFusion(nn.Module):
    """Every word looks at the frames anew.

    Temporal attention (Yao et al. 2015, arXiv:1502.08029, section 3) in the late, general
    dot-product form of Luong et al. 2015 (arXiv:1508.04025, section 3.1), scaled by the root of
    the size (Vaswani et al. 2017, section 3.2.1): it needs no loop over the words in training.

    What was looked at goes on beside what was made of it, so that the output layer may name it
    directly (the deep output layer of Xu et al. 2015, arXiv:1502.03044, equation 7).
    """

    def __init__(self, said_size: int, seen_size: int, frame_size: int) -> None:
        super().__init__()
        self.output_size = seen_size + frame_size
        self.query = nn.Linear(said_size, frame_size)
        self.join = nn.Linear(said_size + frame_size, seen_size)

    def forward(self, said: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """(B, L, S) and frames (B, T, M) -> (B, L, H + M), weights (B, L, T) that sum to 1."""
        scores = self.query(said) @ memory.frames.transpose(1, 2)  # (B, L, T)
        scores = scores / memory.frames.shape[-1] ** 0.5
        scores = scores.masked_fill(~memory.mask[:, None], float("-inf"))
        weights = scores.softmax(dim=-1)
        context = weights @ memory.frames  # (B, L, M)
        joined = torch.tanh(self.join(torch.cat([said, context], dim=-1)))  # (B, L, H)
        return torch.cat([joined, context], dim=-1), weights


FUSIONS: dict[FusionKind, Callable[[int, int, int], Fusion]] = {
    "add": AddFusion,
    "concat": ConcatFusion,
    "gate": GateFusion,
    "attention": AttentionFusion,
}
"""Name -> builder from the sizes S of what is said, H of the GIF's summary, M of each frame."""
