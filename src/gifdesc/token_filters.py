"""What a caption may say next: filters on log-probabilities that know token ids and no words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from gifdesc.config import DecodingConfig

Endings = tuple[tuple[int, ...], ...]
"""Sequences of tokens that a caption should not end with."""


class TokenFilter(Protocol):
    """Rules out some of the next tokens."""

    def __call__(self, log_probs: Tensor, tokens: Tensor) -> None:
        """Set what is ruled out to -inf.

        Args:
            log_probs: float (N, V) of the next token, changed in place.
            tokens: int (N, L), what was said so far, without the start token.
        """
        ...


class NoRepeatedNgram:
    """No n tokens in a row are said twice in one caption (Paulus et al. 2018, arXiv:1705.04304)."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __call__(self, log_probs: Tensor, tokens: Tensor) -> None:
        """Rule out the tokens that followed the same n - 1 tokens before."""
        if tokens.shape[1] < self._size:
            return
        windows = tokens.unfold(1, self._size, 1)  # (N, W, n)
        context = tokens[:, tokens.shape[1] - self._size + 1 :]  # (N, n - 1)
        is_same = (windows[:, :, :-1] == context[:, None]).all(dim=2)  # (N, W)
        rows, places = is_same.nonzero(as_tuple=True)
        log_probs[rows, windows[rows, places, -1]] = float("-inf")


class NoDanglingEnd:
    """The end token does not follow any of some sequences of tokens."""

    def __init__(self, end_id: int, endings: Endings) -> None:
        self._end_id = end_id
        lengths = sorted({len(ending) for ending in endings})
        self._by_length = {
            length: torch.tensor([one for one in endings if len(one) == length])  # (M, length)
            for length in lengths
        }

    def __call__(self, log_probs: Tensor, tokens: Tensor) -> None:
        """Rule out the end token where the caption would dangle."""
        for length, endings in self._by_length.items():
            if tokens.shape[1] < length:
                break
            if endings.device != tokens.device:
                endings = self._by_length[length] = endings.to(tokens.device)
            tail = tokens[:, tokens.shape[1] - length :]  # (N, length)
            dangles = (tail[:, None] == endings).all(dim=2).any(dim=1)  # (N,)
            log_probs[:, self._end_id].masked_fill_(dangles, float("-inf"))


class FilterChain:
    """Banned tokens, always; and the filters that give way where they leave nothing to say.

    The end token is banned as the first one, so that no caption is empty, unless the model allows
    nothing else.

    Args:
        end_id: the token that ends a caption.
        banned_ids: tokens never said.
        filters: the others, in the order in which they give way together.
    """

    def __init__(
        self, end_id: int, banned_ids: Sequence[int], filters: Sequence[TokenFilter]
    ) -> None:
        self._end_id = end_id
        self._banned_ids = list(banned_ids)
        self._filters = list(filters)

    def __call__(self, logits: Tensor, tokens: Tensor) -> Tensor:
        """Log-probabilities (N, V) of what may be said; the rest is -inf, nothing is rescaled."""
        log_probs = logits.float().log_softmax(dim=-1)
        if self._banned_ids:
            log_probs[:, self._banned_ids] = float("-inf")
        if tokens.shape[1] == 0:
            end = log_probs[:, self._end_id].clone()
            log_probs[:, self._end_id] = float("-inf")
            is_empty = log_probs.amax(dim=-1) == float("-inf")  # (N,)
            log_probs[:, self._end_id] = torch.where(is_empty, end, float("-inf"))
        if not self._filters:
            return log_probs
        filtered = log_probs.clone()
        for one in self._filters:
            one(filtered, tokens)
        is_empty = filtered.amax(dim=-1, keepdim=True) == float("-inf")  # (N, 1)
        return torch.where(is_empty, log_probs, filtered)


def make_filters(
    config: DecodingConfig, *, end_id: int, banned_ids: Sequence[int], endings: Endings
) -> FilterChain:
    """The filters that a configuration asks for."""
    filters: list[TokenFilter] = []
    if config.no_repeat_ngram:
        filters.append(NoRepeatedNgram(config.no_repeat_ngram))
    if endings:
        filters.append(NoDanglingEnd(end_id, endings))
    return FilterChain(end_id, banned_ids, filters)


def dangles(tokens: Sequence[int], endings: Endings) -> bool:
    """Whether a caption's tokens end in one of some sequences."""
    return any(tuple(tokens[-len(ending) :]) == ending for ending in endings)
