"""What training minimises, and the same numbers on held-out captions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gifdesc.config import Objective
from gifdesc.dataset import Batch, GIFDataset
from gifdesc.model import CaptionModel


@dataclass(frozen=True)
class TokenScores:
    """Sums over predicted tokens.

    Attributes:
        loss: summed cross-entropy in nats.
        num_correct: tokens that were the most probable one.
        num_tokens: tokens that were predicted.
    """

    loss: float = 0.0
    num_correct: int = 0
    num_tokens: int = 0

    def __add__(self, other: TokenScores) -> TokenScores:
        return TokenScores(
            self.loss + other.loss,
            self.num_correct + other.num_correct,
            self.num_tokens + other.num_tokens,
        )

    @property
    def mean_loss(self) -> float:
        """Cross-entropy per token in nats; NaN without tokens."""
        return self.loss / self.num_tokens if self.num_tokens else math.nan

    @property
    def accuracy(self) -> float:
        """Share of tokens predicted right, in [0, 1]; NaN without tokens."""
        return self.num_correct / self.num_tokens if self.num_tokens else math.nan


def token_loss(
    model: CaptionModel, batch: Batch, objective: Objective
) -> tuple[Tensor, Tensor, Tensor]:
    """The cross-entropy of a batch.

    `next_token` predicts each token from the ones before it and leaves padding out.
    `reconstruction` is the original report's: the token to predict is the one shown, and
    padding counts like any other token.

    Returns:
        Summed loss in nats, number of tokens predicted right, number of tokens: three scalars.
    """
    if objective == "reconstruction":
        shown = targets = batch.tokens  # (B, L)
        counted = torch.ones_like(batch.token_mask)
    else:
        shown, targets = batch.tokens[:, :-1], batch.tokens[:, 1:]  # (B, L - 1)
        counted = batch.token_mask[:, 1:]
    logits = model(batch.features, batch.lengths, shown)  # (B, L, V)
    logits, targets = logits[counted], targets[counted]  # (N, V), (N,)
    loss = cross_entropy(logits.float(), targets, reduction="sum")
    return loss, (logits.argmax(dim=-1) == targets).sum(), counted.sum()


def iterate_batches(
    dataset: GIFDataset,
    batch_size: int,
    *,
    pad_id: int,
    pad_to: int | None,
    generator: torch.Generator | None = None,
) -> Iterator[Batch]:
    """The dataset once, in batches; shuffled by the generator if there is one."""
    if generator is None:
        order = list(range(len(dataset)))
    else:
        order = torch.randperm(len(dataset), generator=generator).tolist()
    for first in range(0, len(order), batch_size):
        batch = dataset.batch(order[first : first + batch_size], pad_id=pad_id, pad_to=pad_to)
        if not batch.is_stand_in:
            yield batch


@torch.inference_mode()
def score_tokens(
    model: CaptionModel, batches: Iterable[Batch], objective: Objective, device: torch.device
) -> TokenScores:
    """Loss and accuracy of a model, dropout off, over some batches."""
    was_training = model.training
    model.eval()
    scores = TokenScores()
    for batch in batches:
        loss, num_correct, num_tokens = token_loss(model, batch.to(device), objective)
        scores += TokenScores(float(loss), int(num_correct), int(num_tokens))
    model.train(was_training)
    return scores
