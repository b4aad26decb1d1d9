"""Captions as tokens, and which of several is the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gifdesc.config import DecodingConfig
from gifdesc.token_filters import Endings, dangles


@dataclass(frozen=True)
class Hypothesis:
    """One caption as tokens.

    Attributes:
        tokens: without start and end token.
        log_probs: natural log-probability of each token, and of the end token if it was reached.
        weights: per token the weights over the frames (T,), empty where the model attends to none.
        finished: the end token was reached before the length limit.
    """

    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    finished: bool

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
        self._found: dict[tuple[int, ...], tuple[tuple[bool, bool, float], Hypothesis]] = {}

    def add(
        self,
        tokens: Sequence[int],
        log_probs: Sequence[float],
        weights: Sequence[Sequence[float]],
        *,
        finished: bool,
    ) -> None:
        """Take a caption.

        Args:
            tokens: what was said, the end token included where it was reached.
            log_probs: of each token.
            weights: per token over the frames, or none at all.
            finished: the last token is the end token.
        """
        num_tokens = len(tokens) - finished
        if not finished:
            # A caption that is cut loses the words that hang in the air, unless it is all of it.
            kept = num_tokens
            while kept and dangles(tokens[:kept], self._endings):
                kept -= 1
            num_tokens = kept or num_tokens
        said = tuple(tokens[:num_tokens])
        one = Hypothesis(
            tokens=said,
            log_probs=tuple(log_probs[: num_tokens + finished]),
            weights=tuple(tuple(frame) for frame in weights[:num_tokens]),
            finished=finished,
        )
        key = (not dangles(said, self._endings), finished, self._rank(sum(one.log_probs), len(one)))
        if said not in self._found or key > self._found[said][0]:
            self._found[said] = (key, one)

    def best(self) -> list[Hypothesis]:
        """The `num_captions` best, whole ones before those that were cut.

        Those that dangle are there only if all do.
        """
        ranked = sorted(self._found.values(), key=lambda entry: entry[0], reverse=True)
        is_any_tidy = ranked[0][0][0]
        kept = [one for key, one in ranked if key[0] or not is_any_tidy]
        return kept[: self._config.num_captions]

    def is_settled(self, best_open: float, length: int) -> bool:
        """Whether no open caption can still enter the best ones.

        Args:
            best_open: the greatest log-probability of an open caption, -inf where none is open.
            length: tokens that were said.
        """
        if best_open == float("-inf"):
            return True
        config = self._config
        keys = sorted((key for key, _ in self._found.values()), reverse=True)
        if len(keys) < config.num_captions or not all(keys[config.num_captions - 1][:2]):
            return False
        if config.num_beams == 1:
            return True
        # The most an open caption can reach: no further loss, at the length that favours it most.
        reach = max(self._rank(best_open, length), self._rank(best_open, config.max_tokens))
        return keys[config.num_captions - 1][2] >= reach

    def _rank(self, total: float, length: int) -> float:
        return total / float(max(1, length) ** self._config.length_penalty)
