"""Incremental decoding: what the frames alone decide is computed once per GIF, not at each word.

What attention adds to a layer, `weights @ frames @ layer.T`, is `weights` times a product without
words in it. A step then reads a third of the output layer's numbers, and reading them is what it
costs.
"""

from __future__ import annotations

from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from gifdesc.fusion import AttentionFusion, Fusion, Memory

MAX_PREPARED_NUMBERS = 2**26
"""Logits of frames, B * T * V, up to which they are worth their memory: 256 MB."""


class Speaker(Protocol):
    """Says the next word of several captions of each of B GIFs."""

    def __call__(self, said: Tensor) -> tuple[Tensor, Tensor | None]:
        """What was said (B, K, S) -> logits (B, K, V), and frame weights (B, K, T) if any."""
        ...


def make_speaker(fusion: Fusion, output: nn.Linear, memory: Memory) -> Speaker:
    """What gives `output(fusion(said, memory))`, to float tolerance.

    Args:
        fusion: joins what was said with what was seen.
        output: the layer that makes logits of it.
        memory: of B GIFs.
    """
    num_gifs, num_frames = memory.mask.shape
    is_small = num_gifs * num_frames * output.out_features <= MAX_PREPARED_NUMBERS
    if isinstance(fusion, AttentionFusion) and is_small:
        return _AttentiveSpeaker(fusion, output, memory)
    return _PlainSpeaker(fusion, output, memory)


class _PlainSpeaker:
    def __init__(self, fusion: Fusion, output: nn.Linear, memory: Memory) -> None:
        self._fusion = fusion
        self._output = output
        self._memory = memory

    def __call__(self, said: Tensor) -> tuple[Tensor, Tensor | None]:
        joined, weights = self._fusion(said, self._memory)
        return self._output(joined), weights


class _AttentiveSpeaker:
    """`AttentionFusion.forward` and the output layer, with the frames' share worked out before."""

    def __init__(self, fusion: AttentionFusion, output: nn.Linear, memory: Memory) -> None:
        frames = memory.frames  # (B, T, M)
        self._padding = ~memory.mask[:, None]  # (B, 1, T)
        scale = frames.shape[-1] ** -0.5
        self._keys = scale * (frames @ fusion.query.weight).transpose(1, 2)  # (B, S, T)
        self._key_bias = scale * (frames @ fusion.query.bias)[:, None]  # (B, 1, T)
        said_size, hidden_size = fusion.query.in_features, fusion.join.out_features
        join_said, join_seen = fusion.join.weight.split_with_sizes(
            [said_size, frames.shape[-1]], dim=1
        )
        self._join = partial(linear, weight=join_said.contiguous(), bias=fusion.join.bias)
        self._joined_frames = frames @ join_seen.T  # (B, T, H)
        output_joined, output_seen = output.weight.split_with_sizes(
            [hidden_size, frames.shape[-1]], dim=1
        )
        self._output = partial(linear, weight=output_joined.contiguous(), bias=output.bias)
        self._frame_logits = frames @ output_seen.T  # (B, T, V)

    def __call__(self, said: Tensor) -> tuple[Tensor, Tensor]:
        scores = said @ self._keys + self._key_bias  # (B, K, T)
        weights = scores.masked_fill(self._padding, float("-inf")).softmax(dim=-1)
        joined = torch.tanh(self._join(said) + weights @ self._joined_frames)  # (B, K, H)
        return self._output(joined) + weights @ self._frame_logits, weights
