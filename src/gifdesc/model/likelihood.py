"""How likely a model finds given words for given GIFs, each word after those before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gifdesc.model.fusion import Memory
from gifdesc.model.network import CaptionModel

REPEATS_ITS_INPUT = (
    "the model was trained to repeat its input: its probabilities of words mean nothing"
)
"""The warning about a model of the objective `reconstruction`."""

_MAX_LOGITS = 2**23
"""Logits in memory at a time, 32 MB of float32, where texts are scored at once."""

_STEPS_FROM = 1
"""Texts of more tokens together than so many times the frames of a GIF are scored by steps.
Between 1 and 2 both take about the same time (docs/search.md)."""


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
    longest = max(map(len, texts))
    lengths = torch.tensor([len(text) for text in texts], dtype=torch.float32, device=device)
    padded = torch.tensor(
        [[start_id, *text, *[start_id] * (longest - len(text))] for text in texts]
    )
    tokens = padded.to(device).repeat(len(memory.summary), 1)  # (B * K, 1 + L)
    # Of few tokens, the output layer costs less at once than what the steps prepare of the frames.
    is_short = padded[:, 1:].numel() <= _STEPS_FROM * memory.mask.shape[1]
    log_probs, weights = (_at_once if is_short else _by_steps)(model, memory, tokens)
    shape = (len(memory.summary), len(texts), longest)
    is_token = torch.arange(longest, device=device) < lengths[:, None]  # (K, L)
    log_probs = log_probs.view(shape).masked_fill(~is_token, 0.0)
    weights = None if weights is None else weights.float().view(*shape, -1)
    return Likelihoods(log_probs, weights, lengths)


def _at_once(model: CaptionModel, memory: Memory, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
    """The log-probabilities of tokens (B * K, 1 + L) after the first, and weights, in order."""
    targets = tokens[:, 1:].flatten()
    decoded = model.decode(tokens[:, :-1], memory)
    places = torch.arange(len(targets), device=targets.device)
    parts = [
        -cross_entropy(model.predict_decoded(decoded, some), targets[some], reduction="none")
        for some in torch.split(places, max(1, _MAX_LOGITS // model.config.vocab_size))
    ]
    return torch.cat(parts), decoded.weights


def _by_steps(model: CaptionModel, memory: Memory, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
    """The same as `_at_once`."""
    state = model.start(memory)
    gifs = torch.arange(len(memory.summary), device=tokens.device)
    state = state.select(gifs.repeat_interleave(len(tokens) // len(gifs)))
    columns, frame_weights = [], []
    for place in range(tokens.shape[1] - 1):
        logits, state, weights = model.step(tokens[:, place], state)
        columns.append(-cross_entropy(logits, tokens[:, place + 1], reduction="none"))
        if weights is not None:
            frame_weights.append(weights)
    stacked = torch.stack(frame_weights, dim=1) if frame_weights else None
    return torch.stack(columns, dim=1), stacked
