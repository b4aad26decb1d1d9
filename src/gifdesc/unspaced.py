"""Scripts without spaces between words: finding and splitting their characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby

_RANGES = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf"  # Tai Le, New Tai Lue, Tai Tham, Tai Viet
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b"  # radicals, marks of iteration, numerals
    "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f\U0001aff0-\U0001b16f"  # hiragana, katakana
    "\u3100-\u312f\u31a0-\u31bf"  # bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # ideographs
)
"""The scripts whose line breaks do not depend on spaces: classes ID (of letters), CJ and SA of
Unicode Standard Annex 14, table 1. Hangul, which has spaces between words, is not among them."""

_IN_RANGES = re.compile(f"[{_RANGES}]")
_MARKS = ("Mn", "Mc", "Me", "Cf")


def is_unspaced(character: str) -> bool:
    """Whether a character is a letter, or a mark on one, of a script without spaces."""
    return _IN_RANGES.match(character) is not None and unicodedata.category(character)[0] in "LM"


def is_mark(character: str) -> bool:
    """Whether a character belongs to the one before it: a combining mark, a joiner."""
    return unicodedata.category(character) in _MARKS


def has_unspaced(text: str) -> bool:
    """Whether a text contains a character of such a script."""
    return any(is_unspaced(found[0]) for found in _IN_RANGES.finditer(text))


def is_unspaced_text(text: str) -> bool:
    """Whether a text is mainly written without spaces.

    It is if it has at least one letter of such a script for every two letters of other scripts:
    `看TV` is Chinese, `a sign with 日本` is English.
    """
    if not has_unspaced(text):
        return False
    letters = [letter for letter in text if unicodedata.category(letter)[0] == "L"]
    num_unspaced = sum(map(is_unspaced, letters))
    return 2 * num_unspaced >= len(letters) - num_unspaced


def split_unspaced(word: str) -> list[str]:
    """Split a word: each letter of such a script alone, with its marks; other letters in runs.

    `看3D电影` becomes `看`, `3D`, `电`, `影`; a Thai letter keeps its vowel sign and tone mark.
    """
    if not has_unspaced(word):
        return [word] if word else []
    return [
        part
        for is_alone, clusters in groupby(_clusters(word), key=lambda part: is_unspaced(part[0]))
        for part in (clusters if is_alone else ["".join(clusters)])
    ]


def _clusters(text: str) -> Iterator[str]:
    """Characters with the marks that follow them."""
    start = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or not is_mark(text[place]):
            yield text[start:place]
            start = place
