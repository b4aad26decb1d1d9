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
        log_probs: natural log-probability of each token, and of the end token if it was reached; of
            a caption that was cut also of the last tokens that it lost (see `Ranking.add`).
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
        self._found: dict[tuple[int, ...], tuple[tuple[bool, float], Hypothesis]] = {}

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
            # Its score stays that of all its tokens: what is left may be a word or two.
            kept = num_tokens
            while kept and dangles(tokens[:kept], self._endings):
                kept -= 1
            num_tokens = kept or num_tokens
        said = tuple(tokens[:num_tokens])
        one = Hypothesis(
            tokens=said,
            log_probs=tuple(log_probs),
            weights=tuple(tuple(frame) for frame in weights[:num_tokens]),
            finished=finished,
        )
        key = (not dangles(said, self._endings), self._rank(sum(one.log_probs), len(one)))
        known = self._found.get(said)
        if known is None or (finished, key) > (known[1].finished, known[0]):
            self._found[said] = (key, one)

    def best(self) -> list[Hypothesis]:
        """The `num_captions` best, those that were cut among the others by their score.

        Those that dangle are there only if all do.
        """
        ranked = sorted(self._found.values(), key=lambda entry: entry[0], reverse=True)
        is_any_tidy = ranked[0][0][0]
        kept = [one for key, one in ranked if key[0] or not is_any_tidy]
        return kept[: self._config.num_captions]

    def is_settled(self, best_open: float, length: int) -> bool:
        """Whether the search for this example is over.

        It is over when K captions are found, K being the number of beams, and the best open
        caption ranks at its present length no higher than the last of the K best. That is the
        rule of transformers with `early_stopping=False`, its default (GenerationConfig; the
        stopping of Wu et al. 2016, arXiv:1609.08144, section 7, without its pruning). With
        `exact_search` (transformers: `early_stopping="never"`), it is over when no open caption
        can still enter the `num_captions` best ones, however long it grows.

        Args:
            best_open: the greatest log-probability of an open caption, -inf where none is open.
            length: tokens that were said.
        """
        if best_open == float("-inf"):
            return True
        config = self._config
        num_wanted = config.num_captions if config.exact_search else config.num_beams
        keys = sorted((key for key, _ in self._found.values()), reverse=True)
        if len(keys) < num_wanted or not keys[num_wanted - 1][0]:
            return False
        if config.num_beams == 1:
            return True
        reach = self._rank(best_open, length)
        if config.exact_search:
            # No further loss, at the length that favours it most.
            reach = max(reach, self._rank(best_open, config.limit))
        return keys[num_wanted - 1][1] >= reach

    def _rank(self, total: float, length: int) -> float:
        return total / float(max(1, length) ** self._config.length_penalty)
