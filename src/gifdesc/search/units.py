"""The units of a query: words, letters of scripts without spaces, punctuation and other signs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby

from gifdesc.unspaced import is_mark, split_unspaced

_SKIN_TONES = {chr(code) for code in range(0x1F3FB, 0x1F400)}
_JOINER = "\u200d"
"""Makes a single emoji of those on both sides."""

_SILENT = ("P", "Z")
_CONTROLS = ("Cc", "Cf", "Cs")


def units_of(chunk: str) -> Iterator[str]:
    """The units of a text without spaces, in order; together they are the text."""
    for is_word, clusters in groupby(_clusters(chunk), lambda cluster: cluster[0].isalnum()):
        if is_word:
            yield from split_unspaced("".join(clusters))
        else:
            yield from clusters


def is_content(unit: str) -> bool:
    """Whether a unit is more than punctuation: a word, or a sign such as an emoji or `+`."""
    category = unicodedata.category(unit[0])
    return not (category[0] in _SILENT or category in _CONTROLS or is_mark(unit[0]))


def signs_outside(text: str, words: Sequence[str]) -> list[str]:
    """The signs of a query that none of its words contains, each once, in order."""
    within = "".join(words).casefold()
    signs = (unit for chunk in text.split() for unit in units_of(chunk) if not unit[0].isalnum())
    return [
        sign
        for sign in dict.fromkeys(signs)
        if is_content(sign) and sign[0].casefold() not in within
    ]


def _clusters(text: str) -> Iterator[str]:
    """Characters with the marks, skin tones and joined emoji that belong to them."""
    cluster = ""
    for character in text:
        belongs = is_mark(character) or character in _SKIN_TONES or cluster[-1:] == _JOINER
        if cluster and belongs:
            cluster += character
            continue
        if cluster:
            yield cluster
        cluster = character
    if cluster:
        yield cluster
