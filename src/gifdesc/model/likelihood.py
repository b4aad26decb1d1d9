"""How likely a model finds given words for given GIFs: teacher forcing, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gifdesc.model.fusion import Memory
from gifdesc.model.network import CaptionModel


@dataclass(frozen=True)
class Likelihoods:
    """The log-probabilities of K texts for B GIFs, each token given the tokens before it.

    Attributes:
        log_probs: float32 (B, K, L), 0 after the end of a text.
        weights: float32 (B, K, L, T) over the frames; None where the model does not attend, or
            where they were not asked for.
        lengths: tokens of each text, float32 (K,).
    """

    log_probs: Tensor
    weights: Tensor | None
    lengths: Tensor

    @property
    def per_token(self) -> Tensor:
        """Mean log-probability per token, (B, K)."""
        return self.log_probs.sum(dim=-1) / self.lengths


@torch.inference_mode()
def likelihoods(
    model: CaptionModel,
    memory: Memory,
    texts: Sequence[Sequence[int]],
    *,
    start_id: int,
    with_weights: bool = False,
) -> Likelihoods:
    """The log-probabilities of texts for GIFs.

    Args:
        model: in evaluation mode.
        memory: of B GIFs.
        texts: K texts, 1 token or more each, without the start token; with the end token if it
            counts.
        start_id: the token that starts a caption.
        with_weights: also return the weights over the frames.
    """
    device = memory.summary.device
    num_gifs, num_texts = len(memory.summary), len(texts)
    longest = max(map(len, texts))
    lengths = torch.tensor([len(text) for text in texts], dtype=torch.float32, device=device)
    padded = torch.tensor([[*text, *[start_id] * (longest - len(text))] for text in texts])
    targets = padded.to(device).repeat(num_gifs, 1)  # (B * K, L)
    state = model.start(memory)
    state = state.select(torch.arange(num_gifs, device=device).repeat_interleave(num_texts))
    shown = torch.full((num_gifs * num_texts,), start_id, device=device)
    columns, frame_weights = [], []
    for place in range(longest):
        logits, state, weights = model.step(shown, state)
        shown = targets[:, place]
        logits = logits.float()
        chosen = logits.gather(1, shown[:, None])[:, 0]
        columns.append(chosen - logits.logsumexp(dim=-1))
        if with_weights and weights is not None:
            frame_weights.append(weights)
    log_probs = torch.stack(columns, dim=1).view(num_gifs, num_texts, longest)
    is_token = torch.arange(longest, device=device) < lengths[:, None]  # (K, L)
    log_probs = log_probs.masked_fill(~is_token, 0.0)
    weights = None
    if frame_weights:
        weights = torch.stack(frame_weights, dim=1).view(num_gifs, num_texts, longest, -1)
    return Likelihoods(log_probs, weights, lengths)
