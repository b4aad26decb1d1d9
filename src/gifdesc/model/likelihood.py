"""How likely a model finds given words for given GIFs, each word after those before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gifdesc.model.fusion import Memory
from gifdesc.model.network import CaptionModel

_MAX_LOGITS = 2**23
"""Logits in memory at a time, 32 MB of float32: of long texts, or of many, there are more."""


@dataclass(frozen=True)
class Likelihoods:
    """The log-probabilities of K texts for B GIFs, each token given the tokens before it.

    Attributes:
        log_probs: float32 (B, K, L), 0 after the end of a text.
        weights: float32 (B, K, L, T) over the frames; None where the model does not attend.
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
) -> Likelihoods:
    """The log-probabilities of texts for GIFs.

    Args:
        model: in evaluation mode.
        memory: of B GIFs.
        texts: K texts, 1 token or more each, without the start token; with the end token if it
            counts.
        start_id: the token that starts a caption.
    """
    device = memory.summary.device
    num_gifs, num_texts = len(memory.summary), len(texts)
    longest = max(map(len, texts))
    lengths = torch.tensor([len(text) for text in texts], dtype=torch.float32, device=device)
    is_token = torch.arange(longest, device=device) < lengths[:, None]  # (K, L)
    padded = torch.tensor(
        [[start_id, *text, *[start_id] * (longest - len(text))] for text in texts]
    )
    tokens = padded.to(device).repeat(num_gifs, 1)  # (B * K, 1 + L)
    targets = tokens[:, 1:].flatten()
    decoded = model.decode(tokens[:, :-1], memory)
    log_probs = torch.zeros(targets.shape, device=device)
    # Nothing is predicted for padding.
    places = is_token.repeat(num_gifs, 1).flatten().nonzero()[:, 0]
    for some in torch.split(places, max(1, _MAX_LOGITS // model.config.vocab_size)):
        logits = model.predict_decoded(decoded, some)
        log_probs[some] = -cross_entropy(logits, targets[some], reduction="none")
    shape = (num_gifs, num_texts, longest)
    weights = None if decoded.weights is None else decoded.weights.float().view(*shape, -1)
    return Likelihoods(log_probs.view(shape), weights, lengths)
