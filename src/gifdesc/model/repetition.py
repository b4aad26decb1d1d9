"""What the words of a caption so far change in the next word's logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SCALE = 10.0
"""Factor of the parameters, so that one learning rate suits them and the other weights: a bias that
makes a repetition impossible is about -10."""


class RepetitionBias(nn.Module):
    """Learns how much less probable each token is once its caption contains it.

    A caption may contain `a` twice, and rarely `cat`. One number holds what all tokens have in
    common, so that rare tokens have a bias too; one for each token holds its own difference.

    Args:
        vocab_size: V.
    """

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.common = nn.Parameter(torch.zeros(1))
        self.own = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, logits: Tensor, tokens: Tensor, counts: Tensor) -> Tensor:
        """Add the biases.

        Args:
            logits: float32 (N, V) of the next token; changed in place.
            tokens: int (N, L) of each caption, in any order.
            counts: bool (N, L), the tokens that count, each once (see `first_mentions`).

        Returns:
            `logits`.
        """
        bias = SCALE * (self.common + self.own[tokens])  # (N, L)
        return logits.scatter_add_(1, tokens, bias.masked_fill(~counts, 0.0))


def first_mentions(tokens: Tensor) -> Tensor:
    """The places of each caption's different tokens, bool (B, L); not that of its start token.

    Args:
        tokens: int (B, L), the start token of each caption first.
    """
    is_same = tokens[:, :, None] == tokens[:, None]  # (B, L, L)
    counts = ~is_same.tril(-1).any(dim=2)  # (B, L)
    counts[:, 0] = False
    return counts
