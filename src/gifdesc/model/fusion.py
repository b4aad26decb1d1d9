"""How frames bear on the next word: fusions with the words so far, and the words that they show.

A fusion works in training and token by token. Each takes the decoder's states (B, L, S) and a
`Memory`, and returns the joined vectors (B, L, output_size) and, if it attends to single frames,
the weights over them (B, L, T). `WordEvidence` takes the frames alone; `UnsaidWords` makes an input
of the decoder from its scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint

from gifdesc.config import FusionKind


@dataclass(frozen=True)
class Memory:
    """The encoded GIFs.

    Attributes:
        frames: float (B, T, M), one vector per frame.
        mask: bool (B, T), True for a frame, False for padding.
        summary: float (B, H), the GIF as a whole.
    """

    frames: Tensor
    mask: Tensor
    summary: Tensor

    def to(self, device: torch.device) -> Memory:
        """The memory on a device."""
        return Memory(self.frames.to(device), self.mask.to(device), self.summary.to(device))


class Fusion(Protocol):
    """A module with the call that this module's docstring describes."""

    output_size: int

    def __call__(self, decoded: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None]:
        """Join the decoder's states with the memory."""
        ...


class AddFusion(nn.Module):
    """Element-wise sum of words and GIF, as in the original report. Both are of one size."""

    def __init__(self, decoder_size: int, summary_size: int, _frame_size: int) -> None:
        super().__init__()
        if decoder_size != summary_size:
            raise ValueError(f"sizes {decoder_size} and {summary_size} cannot be added")
        self.output_size = summary_size

    def forward(self, decoded: Tensor, memory: Memory) -> tuple[Tensor, None]:
        """(B, L, H) + (B, 1, H) -> (B, L, H)."""
        return decoded + memory.summary[:, None], None


class ConcatFusion(nn.Module):
    """Both vectors side by side through one tanh layer."""

    def __init__(self, decoder_size: int, summary_size: int, _frame_size: int) -> None:
        super().__init__()
        self.output_size = summary_size
        self.join = nn.Linear(decoder_size + summary_size, summary_size)

    def forward(self, decoded: Tensor, memory: Memory) -> tuple[Tensor, None]:
        """(B, L, S) and (B, H) -> (B, L, H)."""
        summary = memory.summary[:, None].expand(-1, decoded.shape[1], -1)  # (B, L, H)
        return torch.tanh(self.join(torch.cat([decoded, summary], dim=-1))), None


class GateFusion(nn.Module):
    """Learned gates weigh the GIF's summary against the decoder's state, number by number.

    The gated multimodal unit of Arevalo et al. 2017 (arXiv:1702.01992, section 3). The names of
    the layers are those in the weight files of trained models.
    """

    def __init__(self, decoder_size: int, summary_size: int, _frame_size: int) -> None:
        super().__init__()
        self.output_size = summary_size
        self.said = nn.Linear(decoder_size, summary_size)
        self.seen = nn.Linear(summary_size, summary_size)
        self.gate = nn.Linear(decoder_size + summary_size, summary_size)

    def forward(self, decoded: Tensor, memory: Memory) -> tuple[Tensor, None]:
        """(B, L, S) and (B, H) -> (B, L, H)."""
        summary = memory.summary[:, None].expand(-1, decoded.shape[1], -1)  # (B, L, H)
        gate = torch.sigmoid(self.gate(torch.cat([decoded, summary], dim=-1)))
        return gate * torch.tanh(self.seen(summary)) + (1 - gate) * torch.tanh(
            self.said(decoded)
        ), None


class AttentionFusion(nn.Module):
    """Every word attends to the frames.

    Temporal attention (Yao et al. 2015, arXiv:1502.08029, section 3) in the late, general
    dot-product form of Luong et al. 2015 (arXiv:1508.04025, section 3.1), scaled by the root of
    the size (Vaswani et al. 2017, section 3.2.1): it needs no loop over the words in training.

    The context vector is passed on beside the joined vector, so that the output layer sees it
    directly (the deep output layer of Xu et al. 2015, arXiv:1502.03044, equation 7).
    """

    def __init__(self, decoder_size: int, summary_size: int, frame_size: int) -> None:
        super().__init__()
        self.output_size = summary_size + frame_size
        self.query = nn.Linear(decoder_size, frame_size)
        self.join = nn.Linear(decoder_size + frame_size, summary_size)

    def forward(self, decoded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """(B, L, S) and frames (B, T, M) -> (B, L, H + M), weights (B, L, T) that sum to 1."""
        scores = self.query(decoded) @ memory.frames.transpose(1, 2)  # (B, L, T)
        scores = scores / memory.frames.shape[-1] ** 0.5
        scores = scores.masked_fill(~memory.mask[:, None], float("-inf"))
        weights = scores.softmax(dim=-1)
        context = weights @ memory.frames  # (B, L, M)
        joined = torch.tanh(self.join(torch.cat([decoded, context], dim=-1)))  # (B, L, H)
        return torch.cat([joined, context], dim=-1), weights


FUSIONS: dict[FusionKind, Callable[[int, int, int], Fusion]] = {
    "add": AddFusion,
    "concat": ConcatFusion,
    "gate": GateFusion,
    "attention": AttentionFusion,
}
"""Name -> builder from the sizes of the decoder's state (S), the GIF's summary (H), a frame (M)."""

MAX_PREPARED_NUMBERS = 2**26
"""The greatest number of frame logits, B * T * V, that are computed at once: 256 MB of float32, and
about four times as much in training."""

SHARPNESS = 2.0
"""How near the smooth maximum is to the maximum; 1, 2 and 4 gave captions as good."""

SHOWN_AT_FIRST = 2.0
"""Tokens that a GIF shows before training, spread evenly over the vocabulary (2 / V as a logit, to
first order). Of 0.5, 2 and 16, 2 gave the best captions (docs/benchmarks.md)."""


class WordEvidence(nn.Module):
    """Scores how surely the frames of a GIF show each token.

    Attention gives each step of the decoder a single mixture of frames, in which a word that few
    frames show is faint. Here each token has its own frames: the score is a smooth maximum over
    them, the log of the mean of exponentials (Pinheiro & Collobert 2015, arXiv:1411.6228). Fang et
    al. 2015 (arXiv:1411.4952) learn words from parts of pictures in a similar way, before the
    language model and apart from it; these scores are learned with the captions.

    Args:
        frame_size: P.
        vocab_size: V.
    """

    def __init__(self, frame_size: int, vocab_size: int) -> None:
        super().__init__()
        self.scores = nn.Linear(frame_size, vocab_size)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """The nats that each token gains, float32 (B, V).

        Args:
            frames: float (B, T, P).
            mask: bool (B, T), True for a frame, False for padding.
        """
        size = max(1, MAX_PREPARED_NUMBERS // (mask.shape[1] * self.scores.out_features))
        if size >= len(mask):
            return self._pooled(frames, mask)
        pool: Callable[[Tensor, Tensor], Tensor] = self._pooled
        if torch.is_grad_enabled():  # the scores are computed again for the gradient
            pool = partial(checkpoint, pool, use_reentrant=False, preserve_rng_state=False)
        parts = zip(torch.split(frames, size), torch.split(mask, size), strict=True)
        return torch.cat([pool(*part) for part in parts])

    def _pooled(self, frames: Tensor, mask: Tensor) -> Tensor:
        scores = self.scores(frames).float()  # (B, T, V)
        scores = scores.masked_fill(~mask[..., None], float("-inf"))
        num_frames = mask.sum(dim=1, keepdim=True)
        pooled: Tensor = (SHARPNESS * scores).logsumexp(dim=1) - num_frames.log()
        return pooled / SHARPNESS


class UnsaidWords(nn.Module):
    """An input of the decoder: words that the frames show and its caption does not contain yet.

    The input is the sum of the embeddings of these tokens, each weighted by how surely the frames
    show it. The decoder of a neural checklist model reads what is left of its agenda in the same
    way (Kiddon, Zettlemoyer & Choi 2016, "Globally coherent text generation with neural checklist
    models", section 3). The sums do not train the embeddings: every step would move those of all
    tokens, rare ones too, and Adam makes such small gradients large.

    Args:
        vocab_size: V.
        embedding_size: E.
    """

    def __init__(self, vocab_size: int, embedding_size: int) -> None:
        super().__init__()
        # With many more tokens the sums would be noise that the decoder must learn to ignore.
        at_first = math.log(SHOWN_AT_FIRST / vocab_size)
        self.shift = nn.Parameter(torch.full((vocab_size,), at_first))
        self.input = nn.Linear(embedding_size, embedding_size, bias=False)

    def total(self, gains: Tensor, embeddings: Tensor) -> Tensor:
        """The sum of the embeddings of all tokens, by how surely the frames show each, (B, E).

        Args:
            gains: float32 (B, V), from `WordEvidence`.
            embeddings: (V, E), of all tokens.
        """
        return torch.sigmoid(gains + self.shift) @ embeddings.detach()

    def mentioned(self, gains: Tensor, tokens: Tensor, embedded: Tensor, counts: Tensor) -> Tensor:
        """What each token of a caption takes from the sum, (B * K, L, E).

        Args:
            gains: float32 (B, V).
            tokens: int (B * K, L), of K captions of each GIF.
            embedded: float (B * K, L, E), their embeddings.
            counts: bool (B * K, L), the tokens that count, each once.
        """
        of_tokens = gains.gather(1, tokens.reshape(len(gains), -1)).view(tokens.shape)  # (B * K, L)
        shares = torch.sigmoid(of_tokens + self.shift[tokens]) * counts
        return shares[..., None] * embedded.detach()


def with_gains(logits: Tensor, gains: Tensor, tokens: Tensor, counts: Tensor) -> Tensor:
    """Logits (N, V) with the gains of the tokens that each caption does not contain yet.

    Args:
        logits: of the next token; changed in place.
        gains: (N, V), from `WordEvidence`.
        tokens: int (N, L) of each caption, in any order.
        counts: bool (N, L), the tokens that count, each once (see `network.first_mentions`).
    """
    logits += gains
    spent = gains.gather(1, tokens).masked_fill(~counts, 0.0)
    return logits.scatter_add_(1, tokens, -spent)


class OutputHead(Protocol):
    """Predicts the next token of several captions of each of B GIFs."""

    def __call__(self, decoded: Tensor) -> tuple[Tensor, Tensor | None]:
        """Decoder states (B, K, S) -> logits (B, K, V), and frame weights (B, K, T) if any."""
        ...


def make_output_head(fusion: Fusion, output: nn.Linear, memory: Memory) -> OutputHead:
    """A head that computes `output(fusion(decoded, memory))`, to float tolerance.

    Args:
        fusion: joins the decoder's states with the memory.
        output: the layer from joined vectors to logits.
        memory: of B GIFs.
    """
    num_gifs, num_frames = memory.mask.shape
    is_small = num_gifs * num_frames * output.out_features <= MAX_PREPARED_NUMBERS
    if isinstance(fusion, AttentionFusion) and is_small:
        return _AttentionHead(fusion, output, memory)
    return _PlainHead(fusion, output, memory)


class _PlainHead:
    def __init__(self, fusion: Fusion, output: nn.Linear, memory: Memory) -> None:
        self._fusion = fusion
        self._output = output
        self._memory = memory

    def __call__(self, decoded: Tensor) -> tuple[Tensor, Tensor | None]:
        joined, weights = self._fusion(decoded, self._memory)
        return self._output(joined), weights


class _AttentionHead:
    """`AttentionFusion.forward` and the output layer, with the frames' part precomputed."""

    def __init__(self, fusion: AttentionFusion, output: nn.Linear, memory: Memory) -> None:
        frames = memory.frames  # (B, T, M)
        self._padding = ~memory.mask[:, None]  # (B, 1, T)
        scale = frames.shape[-1] ** -0.5
        self._keys = scale * (frames @ fusion.query.weight).transpose(1, 2)  # (B, S, T)
        self._key_bias = scale * (frames @ fusion.query.bias)[:, None]  # (B, 1, T)
        decoder_size, hidden_size = fusion.query.in_features, fusion.join.out_features
        join_decoded, join_frames = fusion.join.weight.split_with_sizes(
            [decoder_size, frames.shape[-1]], dim=1
        )
        self._join = partial(linear, weight=join_decoded.contiguous(), bias=fusion.join.bias)
        self._joined_frames = frames @ join_frames.T  # (B, T, H)
        output_joined, output_frames = output.weight.split_with_sizes(
            [hidden_size, frames.shape[-1]], dim=1
        )
        self._output = partial(linear, weight=output_joined.contiguous(), bias=output.bias)
        self._frame_logits = frames @ output_frames.T  # (B, T, V)

    def __call__(self, decoded: Tensor) -> tuple[Tensor, Tensor]:
        scores = decoded @ self._keys + self._key_bias  # (B, K, T)
        weights = scores.masked_fill(self._padding, float("-inf")).softmax(dim=-1)
        joined = torch.tanh(self._join(decoded) + weights @ self._joined_frames)  # (B, K, H)
        return self._output(joined) + weights @ self._frame_logits, weights
