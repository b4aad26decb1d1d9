"""Statistics of a model's training captions: their lengths and repetitions.

A model folder keeps them, so that captions can be compared with those of the training: a caption is
cut if it grows far longer, and it is doubtful if it repeats itself more.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gifdesc.config import LONGEST_CAPTION

LIMIT_FACTOR = 1.5
"""A caption may be half as long again as the longest training caption: room for a new sentence."""

RARE_SHARE = 0.001
"""Share of the training captions that may repeat themselves more than the statistic states: a few
odd captions among many do not make repetition normal."""

MAY_END_SHARE = 0.05
"""Of 100 captions with `the`, a few end in it by mistake; German captions with `an` often do."""

_MAX_PHRASE = 4


@dataclass(frozen=True, kw_only=True)
class CaptionStatistics:
    """Of the training captions, as tokens.

    Attributes:
        longest: tokens of the longest caption, its end token counted, after it was cut to the
            training's limit.
        repeats: see `repeats_in_a_row`; that of the training captions, but for the most repetitive
            `RARE_SHARE` of them.
        repeated_pairs: see `repeated_pairs`; likewise.
        ends: words of `text.english.DANGLING_WORDS` that do end captions here, as in a language
            other than English: more than `MAY_END_SHARE` of the captions that contain the word.
    """

    longest: int
    repeats: int
    repeated_pairs: float
    ends: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if max(self.longest, self.repeats) > LONGEST_CAPTION:
            raise ValueError(f"longest and repeats must be {LONGEST_CAPTION:,} at most")
        if min(self.longest, self.repeats) < 1 or not 0 <= self.repeated_pairs <= 1:
            raise ValueError(
                "longest and repeats must be 1 or more, repeated_pairs must be in [0, 1]"
            )

    @property
    def limit(self) -> int:
        """Tokens after which a caption is cut, its end token counted."""
        return math.ceil(LIMIT_FACTOR * self.longest)

    def is_repetitive(self, tokens: Sequence[int]) -> bool:
        """Whether a caption repeats itself more than the training captions do.

        Args:
            tokens: without start and end token.
        """
        return (
            repeats_in_a_row(tokens) > self.repeats or repeated_pairs(tokens) > self.repeated_pairs
        )

    @classmethod
    def of(
        cls,
        captions: Iterable[Sequence[int]],
        spellings: Mapping[str, Sequence[tuple[int, ...]]] | None = None,
        *,
        least_repeats: int = 1,
    ) -> CaptionStatistics:
        """The statistics of captions.

        Args:
            captions: tokens of each, without start and end token; one caption or more.
            spellings: of each word that should not end a caption, the tokens that spell it.
            least_repeats: the minimum of `repeats`.
        """
        longest, repeats, pairs = 0, [], []
        words = [(tokens, word) for word, ways in (spellings or {}).items() for tokens in ways]
        by_last: dict[int, list[tuple[tuple[int, ...], str]]] = {}
        for spelt, word in words:
            by_last.setdefault(spelt[-1], []).append((spelt, word))
        num_with, num_ending = Counter[str](), Counter[str]()
        for tokens in captions:
            longest = max(longest, len(tokens) + 1)
            repeats.append(repeats_in_a_row(tokens))
            pairs.append(repeated_pairs(tokens))
            found = [
                (place == len(tokens), word)
                for place, token in enumerate(tokens, 1)
                for spelt, word in by_last.get(token, ())
                if tuple(tokens[max(0, place - len(spelt)) : place]) == spelt
            ]
            num_with.update({word for _, word in found})
            num_ending.update({word for is_end, word in found if is_end})
        num_rare = math.floor(RARE_SHARE * len(repeats))
        return cls(
            longest=longest,
            repeats=max(least_repeats, sorted(repeats)[-1 - num_rare]),
            repeated_pairs=sorted(pairs)[-1 - num_rare],
            ends=tuple(
                sorted(
                    word
                    for word, count in num_ending.items()
                    if count > MAY_END_SHARE * num_with[word]
                )
            ),
        )


def repeats_in_a_row(tokens: Sequence[int]) -> int:
    """The most times in a row that a token, or a phrase of up to 4 tokens, occurs; at least 1.

    It is 3 for `a cat cat cat` and 2 for `a cat and a cat and a dog`.
    """
    if len(set(tokens)) == len(tokens):
        return 1
    most = 1
    for size in range(1, _MAX_PHRASE + 1):
        num_equal = 0  # tokens that equal the token `size` places before, without a gap
        for place in range(size, len(tokens)):
            num_equal = num_equal + 1 if tokens[place] == tokens[place - size] else 0
            most = max(most, num_equal // size + 1)
    return most


def repeated_pairs(tokens: Sequence[int]) -> float:
    """The share of pairs of neighbouring tokens that are in the caption before, in [0, 1].

    Source: Welleck et al. 2020, arXiv:1908.04319, section 6.1 (seq-rep-n, for n = 2).
    """
    pairs = list(pairwise(tokens))
    return 1 - len(set(pairs)) / len(pairs) if pairs else 0.0
