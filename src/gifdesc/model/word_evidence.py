"""Words that frames show become more probable until the caption contains them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

SHARPNESS = 2.0
"""How near the smooth maximum is to the maximum: of 1, 2 and 4, 2 gave the best captions."""

MAX_SCORES = 2**26
"""The greatest number of scores in memory at once: 256 MB of float32."""


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
        if mask.numel() * self.scores.out_features <= MAX_SCORES:
            return self._pooled(frames, mask)
        rows = [slice(row, row + 1) for row in range(len(mask))]
        pool: Callable[[Tensor, Tensor], Tensor] = self._pooled
        if torch.is_grad_enabled():  # the scores are computed again for the gradient
            pool = partial(checkpoint, pool, use_reentrant=False)
        return torch.cat([pool(frames[row], mask[row]) for row in rows])

    def _pooled(self, frames: Tensor, mask: Tensor) -> Tensor:
        scores = self.scores(frames).float()  # (B, T, V)
        scores = scores.masked_fill(~mask[..., None], float("-inf"))
        num_frames = mask.sum(dim=1, keepdim=True)
        pooled: Tensor = (SHARPNESS * scores).logsumexp(dim=1) - num_frames.log()
        return pooled / SHARPNESS


def with_gains(logits: Tensor, gains: Tensor, tokens: Tensor, counts: Tensor) -> Tensor:
    """Logits (N, V) with the gains of the tokens that each caption does not contain yet.

    Args:
        logits: of the next token; changed in place.
        gains: (N, V), from `WordEvidence`, a `WordDetector`, or the sum of both.
        tokens: int (N, L) of each caption, in any order.
        counts: bool (N, L), the tokens that count, each once (see `network.first_mentions`).
    """
    logits += gains
    spent = gains.gather(1, tokens).masked_fill(~counts, 0.0)
    return logits.scatter_add_(1, tokens, -spent)
