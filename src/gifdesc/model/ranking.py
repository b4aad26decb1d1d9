"""Hypotheses: the ranking of several captions, and the filters of the next token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from gifdesc.config import DecodingConfig
from gifdesc.errors import CheckpointError


@dataclass(frozen=True)
class Hypothesis:
    """One caption as tokens.

    Attributes:
        tokens: without start and end token.
        log_probs: natural log-probability of each token and of the end token if it was reached; for
            a cut caption also of the trailing tokens that it lost (see `Ranking.add`).
        weights: per token the weights over the frames (T,), empty without attention.
        finished: the end token was reached before the length limit.
        generated: the tokens that `log_probs` belong to.
    """

    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    finished: bool
    generated: tuple[int, ...] = field(default=(), compare=False)

    @property
    def score(self) -> float:
        """Mean log-probability per token, the end token counted; at most 0."""
        return sum(self.log_probs) / max(1, len(self.log_probs))

    def __len__(self) -> int:
        """Tokens, the end token counted."""
        return len(self.log_probs)


class Ranking:
    """The captions found for one example, the best first.

    Args:
        config: the length penalty, and how many captions are wanted.
        endings: sequences of tokens that a caption should not end with.
    """

    def __init__(self, config: DecodingConfig, endings: Endings = ()) -> None:
        self._config = config
        self._endings = endings
        self._found: dict[tuple[int, ...], tuple[tuple[bool, float], Hypothesis]] = {}

    def add(
        self,
        tokens: Sequence[int],
        log_probs: Sequence[float],
        weights: Sequence[Sequence[float]],
        *,
        finished: bool,
    ) -> None:
        """Add a caption.

        Args:
            tokens: the caption's tokens, with the end token if it was reached.
            log_probs: natural log-probability of each token.
            weights: per token the weights over the frames, or empty without attention.
            finished: the last token is the end token.
        """
        num_tokens = len(tokens) - finished
        if not finished:
            # Drop trailing function words from a cut caption, unless nothing would remain. Its
            # score remains that of all its tokens: a word or two may be all that is left.
            kept = num_tokens
            while kept and ends_badly(tokens[:kept], self._endings):
                kept -= 1
            num_tokens = kept or num_tokens
        kept_tokens = tuple(tokens[:num_tokens])
        hypothesis = Hypothesis(
            tokens=kept_tokens,
            log_probs=tuple(log_probs),
            weights=tuple(tuple(frame) for frame in weights[:num_tokens]),
            finished=finished,
            generated=tuple(tokens),
        )
        rank = self.rank(sum(hypothesis.log_probs), len(hypothesis))
        key = (not ends_badly(kept_tokens, self._endings), rank)
        known = self._found.get(kept_tokens)
        if known is None or (finished, key) > (known[1].finished, known[0]):
            self._found[kept_tokens] = (key, hypothesis)

    def best(self) -> list[Hypothesis]:
        """The `num_captions` best; cut captions are ranked among the others by their score.

        Captions with a bad end are returned only if all captions have one.
        """
        ranked = sorted(self._found.values(), key=lambda entry: entry[0], reverse=True)
        (best_ends_well, _), _ = ranked[0]
        kept = [
            hypothesis for (ends_well, _), hypothesis in ranked if ends_well or not best_ends_well
        ]
        return kept[: self._config.num_captions]

    def nth_best(self, number: int) -> tuple[bool, float] | None:
        """Whether the n-th best caption ends well, and its rank; None if there are fewer."""
        keys = sorted((key for key, _ in self._found.values()), reverse=True)
        return None if len(keys) < number else keys[number - 1]

    def rank(self, total: float, length: int) -> float:
        """The value by which captions are ordered: log-probability / length ** length_penalty."""
        return total / float(max(1, length) ** self._config.length_penalty)


Endings = tuple[tuple[int, ...], ...]
"""Sequences of tokens that a caption should not end with."""


class TokenFilter(Protocol):
    """Excludes some of the next tokens, or makes them less probable."""

    def __call__(self, log_probs: Tensor, tokens: Tensor) -> None:
        """Lower the log-probability of some tokens, to -inf for those that are excluded.

        Args:
            log_probs: float (N, V) of the next token, changed in place.
            tokens: int (N, L), the captions so far, without the start token.
        """
        ...


class NoRepeatedNgram:
    """No n-gram occurs twice in a caption (Paulus et al. 2018, arXiv:1705.04304)."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __call__(self, log_probs: Tensor, tokens: Tensor) -> None:
        """Exclude the tokens that followed an earlier occurrence of the last n - 1 tokens."""
        if tokens.shape[1] < self._size:
            return
        windows = tokens.unfold(1, self._size, 1)  # (N, W, n)
        context = tokens[:, tokens.shape[1] - self._size + 1 :]  # (N, n - 1)
        is_same = (windows[:, :, :-1] == context[:, None]).all(dim=2)  # (N, W)
        rows, places = is_same.nonzero(as_tuple=True)
        log_probs[rows, windows[rows, places, -1]] = float("-inf")


REPETITION_MARGIN = 2.0
"""The search adds once more what a model's repetition bias is below minus this, in nats. The most
probable caption repeats words more often than people do, even where every single probability is
right; with this margin, captions of held-out GIFs repeat a word about as often
(benchmarks/repetition.py). Words that training captions often repeat stay above it."""


class FewerRepetitions:
    """Tokens that the caption contains, and that captions rarely repeat, are less probable.

    Args:
        biases: float (V,), the model's own biases of repeated tokens (`RepetitionBias.values`).
    """

    def __init__(self, biases: Tensor) -> None:
        self._penalties = (biases + REPETITION_MARGIN).clamp(max=0.0)

    def __call__(self, log_probs: Tensor, tokens: Tensor) -> None:
        """Lower the log-probabilities of the tokens so far."""
        # A token that is there twice is written twice, with the same number.
        log_probs.scatter_(1, tokens, log_probs.gather(1, tokens) + self._penalties[tokens])


class NoDanglingEnd:
    """The end token does not follow any of some sequences of tokens."""

    def __init__(self, end_id: int, endings: Endings) -> None:
        self._end_id = end_id
        lengths = sorted({len(ending) for ending in endings})
        self._by_length = {
            length: torch.tensor(
                [ending for ending in endings if len(ending) == length]
            )  # (M, length)
            for length in lengths
        }

    def __call__(self, log_probs: Tensor, tokens: Tensor) -> None:
        """Exclude the end token where the caption would end badly."""
        for length, endings in self._by_length.items():
            if tokens.shape[1] < length:
                break
            if endings.device != tokens.device:
                endings = self._by_length[length] = endings.to(tokens.device)
            tail = tokens[:, tokens.shape[1] - length :]  # (N, length)
            is_bad = (tail[:, None] == endings).all(dim=2).any(dim=1)  # (N,)
            log_probs[:, self._end_id].masked_fill_(is_bad, float("-inf"))


class FilterChain:
    """Excludes banned tokens always, and by filters unless they would leave no token.

    The end token is excluded as the first token, so that no caption is empty, unless the model
    allows nothing else.

    Args:
        end_id: the token that ends a caption.
        banned_ids: tokens that are never generated.
        filters: applied in this order; ignored together if they leave no token.
    """

    def __init__(
        self, end_id: int, banned_ids: Sequence[int], filters: Sequence[TokenFilter]
    ) -> None:
        self._end_id = end_id
        self._banned_ids = list(banned_ids)
        self._filters = list(filters)

    def __call__(self, logits: Tensor, tokens: Tensor) -> Tensor:
        """Log-probabilities (N, V), -inf for excluded tokens; the others are not rescaled."""
        log_probs = logits.float().log_softmax(dim=-1)
        if bool(log_probs[:, 0].isnan().any()):  # then all of its row are
            raise CheckpointError(
                "the model computes numbers that are not finite (NaN, infinity); train again"
            )
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
        for token_filter in self._filters:
            token_filter(filtered, tokens)
        is_empty = filtered.amax(dim=-1, keepdim=True) == float("-inf")  # (N, 1)
        return torch.where(is_empty, log_probs, filtered)


def make_filters(
    config: DecodingConfig,
    *,
    end_id: int,
    banned_ids: Sequence[int],
    endings: Endings,
    repetition_biases: Tensor | None = None,
) -> FilterChain:
    """The filters that a configuration asks for, and those that the model has."""
    filters: list[TokenFilter] = []
    if repetition_biases is not None:
        filters.append(FewerRepetitions(repetition_biases))
    if config.no_repeat_ngram:
        filters.append(NoRepeatedNgram(config.no_repeat_ngram))
    if endings:
        filters.append(NoDanglingEnd(end_id, endings))
    return FilterChain(end_id, banned_ids, filters)


def ends_badly(tokens: Sequence[int], endings: Endings) -> bool:
    """Whether a caption's tokens end with one of the given sequences."""
    return any(tuple(tokens[-len(ending) :]) == ending for ending in endings)
