"""The loss that training minimises, and the same numbers on held-out captions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gifdesc.config import Objective
from gifdesc.data.dataset import Batch
from gifdesc.model.fusion import Memory
from gifdesc.model.network import CaptionModel
from gifdesc.system.device import exact_float32, on_device


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


@dataclass(frozen=True)
class BatchLoss:
    """The loss of a batch: four scalars on the model's device, so that the CPU need not wait.

    Attributes:
        objective: summed loss in nats to be minimised, with label smoothing.
        cross_entropy: summed cross-entropy in nats.
        num_correct: tokens that were the most probable one.
        num_tokens: tokens that were predicted.
    """

    objective: Tensor
    cross_entropy: Tensor
    num_correct: Tensor
    num_tokens: Tensor


def token_loss(
    model: CaptionModel,
    batch: Batch,
    objective: Objective,
    *,
    label_smoothing: float = 0.0,
    replaced: Tensor | None = None,
) -> BatchLoss:
    """The cross-entropy of a batch.

    `next_token` predicts each token from the tokens before it and leaves padding out.
    `reconstruction` is the original report's: the model is shown the token that it must predict,
    and padding counts like any other token.

    Args:
        model: the caption model.
        batch: features and captions.
        objective: `next_token` or `reconstruction`.
        label_smoothing: share of each target spread evenly over the vocabulary.
        replaced: bool (B, L - 1), True where the model is shown its own prediction instead of the
            true token; never the first.
    """
    if objective == "reconstruction":
        shown = targets = batch.tokens  # (B, L)
        counted = torch.ones_like(batch.token_mask)
    else:
        shown, targets = batch.tokens[:, :-1], batch.tokens[:, 1:]  # (B, L - 1)
        counted = batch.token_mask[:, 1:]
    if batch.is_empty:
        counted = torch.zeros_like(counted)
    memory = model.encode(batch.features, batch.lengths)
    if replaced is not None:
        shown = _with_own_words(model, memory, shown, replaced)
    # Nothing is predicted for padding. Counting on the CPU avoids a wait for the GPU.
    places = counted.flatten().nonzero()[:, 0]  # (N,)
    num_tokens = torch.full((), len(places), device=shown.device)  # filled there, not copied
    places = on_device(places, shown.device)
    logits = model.predict(shown, memory, places)  # (N, V)
    targets = targets.flatten()[places]  # (N,)
    loss = entropy = cross_entropy(logits, targets, reduction="sum")
    if label_smoothing:
        loss = cross_entropy(logits, targets, reduction="sum", label_smoothing=label_smoothing)
    num_correct = (logits.argmax(dim=-1) == targets).sum()
    return BatchLoss(loss, entropy.detach(), num_correct, num_tokens)


@torch.no_grad()
def _with_own_words(model: CaptionModel, memory: Memory, shown: Tensor, replaced: Tensor) -> Tensor:
    """Tokens (B, L), some of them replaced by the model's predictions after the true tokens.

    Another pass over whole captions instead of a loop over tokens (Mihaylova & Martins 2019,
    arXiv:1906.07651, section 3).
    """
    places = torch.arange(shown.numel(), device=shown.device)
    predicted = model.predict(shown, memory, places).argmax(dim=-1).view(shown.shape)  # (B, L)
    own = torch.cat([shown[:, :1], predicted[:, :-1]], dim=1)
    return torch.where(on_device(replaced, shown.device), own, shown)


@torch.inference_mode()
def score_tokens(
    model: CaptionModel, batches: Iterable[Batch], objective: Objective, device: torch.device
) -> TokenScores:
    """Loss and accuracy of a model without dropout, over some batches."""
    was_training = model.training
    model.eval()
    scores = TokenScores()
    for batch in batches:
        with exact_float32(device):
            found = token_loss(model, batch.to(device), objective)
        scores += TokenScores(
            float(found.cross_entropy), int(found.num_correct), int(found.num_tokens)
        )
    model.train(was_training)
    return scores
