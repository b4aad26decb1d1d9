"""The words that a caption and a reference do not share, marked in both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gifdesc.metrics import tokenize
from gifdesc.unspaced import is_unspaced_text, split_unspaced

MAX_WORDS = 100
"""Longer texts are not compared: finding the common words takes time by the square of it."""


@dataclass(frozen=True)
class Run:
    """Neighbouring words of one kind.

    Attributes:
        text: the words as written; the spaces between runs are part of unmarked runs.
        is_marked: whether the other text lacks them.
    """

    text: str
    is_marked: bool


@dataclass(frozen=True)
class MarkedPair:
    """A caption and a reference, each with the words marked that the other lacks.

    Attributes:
        caption: the caption; its marked words are extra.
        reference: the reference; its marked words are missing from the caption.
    """

    caption: tuple[Run, ...]
    reference: tuple[Run, ...]

    @property
    def extra(self) -> list[str]:
        """The runs of words that only the caption has."""
        return [run.text for run in self.caption if run.is_marked]

    @property
    def missing(self) -> list[str]:
        """The runs of words that only the reference has."""
        return [run.text for run in self.reference if run.is_marked]


@dataclass(frozen=True)
class ClosestReference:
    """The reference that a caption is compared with.

    Attributes:
        index: its place among the references.
        marks: the words that the two do not share; None if a text is too long to compare.
    """

    index: int
    marks: MarkedPair | None


def closest_reference(caption: str, references: Sequence[str]) -> ClosestReference | None:
    """The reference with the greatest share of words in common with a caption, in order.

    The share is the F1 measure of the longest common subsequence of words (C.-Y. Lin, "ROUGE",
    2004, section 3, with beta 1). Case and punctuation do not count. Of equals the first is taken.

    Returns:
        None if there is no reference.
    """
    if not references:
        return None
    words = _words(caption)
    best, best_share, best_pair = 0, -1.0, None
    for index, reference in enumerate(references):
        others = _words(reference)
        if max(len(words), len(others)) > MAX_WORDS:
            continue
        pairs = _common(_keys(caption, words), _keys(reference, others))
        share = 2 * len(pairs) / (len(words) + len(others) or 1)
        if share > best_share:
            best, best_share = index, share
            best_pair = MarkedPair(
                tuple(_runs(caption, words, {own for own, _ in pairs})),
                tuple(_runs(reference, others, {other for _, other in pairs})),
            )
    return ClosestReference(best, best_pair)


def _words(text: str) -> list[tuple[int, int]]:
    """Where each word begins and ends; in a script without spaces each character is a word."""
    spans = [found.span() for found in re.finditer(r"\S+", text)]
    if not is_unspaced_text(text):
        return [span for span in spans if _key(text[slice(*span)])]
    parts = []
    for start, end in spans:
        for part in split_unspaced(text[start:end]):
            parts.append((start, start + len(part)))
            start += len(part)
    return [span for span in parts if _key(text[slice(*span)])]


def _keys(text: str, words: Sequence[tuple[int, int]]) -> list[str]:
    return [_key(text[start:end]) for start, end in words]


@lru_cache(maxsize=20_000)
def _key(word: str) -> str:
    """A word as metrics compare it: without case and punctuation; empty for a mark alone."""
    return tokenize(word)


def _common(own: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """The places of a longest common subsequence in both, ascending."""
    lengths = [[0] * (len(others) + 1) for _ in range(len(own) + 1)]
    for row in reversed(range(len(own))):
        for column in reversed(range(len(others))):
            lengths[row][column] = (
                lengths[row + 1][column + 1] + 1
                if own[row] == others[column]
                else max(lengths[row + 1][column], lengths[row][column + 1])
            )
    pairs = []
    row = column = 0
    while row < len(own) and column < len(others):
        if own[row] == others[column]:
            pairs.append((row, column))
            row, column = row + 1, column + 1
        elif lengths[row + 1][column] >= lengths[row][column + 1]:
            row += 1
        else:
            column += 1
    return pairs


def _runs(text: str, words: Sequence[tuple[int, int]], shared: set[int]) -> Iterator[Run]:
    """The text in runs: neighbouring words that are not shared, and all that is between them."""
    done = 0
    place = 0
    while place < len(words):
        if place in shared:
            place += 1
            continue
        start = words[place][0]
        while place + 1 < len(words) and place + 1 not in shared:
            place += 1
        if start > done:
            yield Run(text[done:start], is_marked=False)
        done = words[place][1]
        yield Run(text[start:done], is_marked=True)
        place += 1
    if done < len(text):
        yield Run(text[done:], is_marked=False)
