"""Signs of a query that are no words, such as emoji."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

SIGN = "So"
"""Unicode's category of symbols that are neither mathematical nor of a currency."""


def signs_outside(text: str, words: Sequence[str]) -> list[str]:
    """The signs of a query that none of its words contains, each once, in order."""
    within = "".join(words)
    return [
        character
        for character in dict.fromkeys(text)
        if unicodedata.category(character) == SIGN and character not in within
    ]
