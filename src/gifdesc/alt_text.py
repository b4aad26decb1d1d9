"""A caption as the alternative text of an image: one sentence, not too long."""

from __future__ import annotations

import re

from gifdesc.function_words import DANGLING_WORDS

DEFAULT_CHARACTERS = 125
"""A length that style guides for alternative text commonly give. By E. Eggert (There is no
character limit for "alt text", yatil.net) no screen reader cuts a longer text off, and JAWS reads
it as several pictures."""

_ELLIPSIS = "\u2026"
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=\S)")


def to_alt_text(caption: str, max_characters: int = DEFAULT_CHARACTERS) -> str:
    """One sentence: capitalised, ended by a full stop, cut at a word where it is too long.

    Args:
        caption: any text; of several sentences the first is taken.
        max_characters: the most characters (Unicode code points), 1 or more.

    Returns:
        At most `max_characters` characters; empty for a caption without text. A sentence that
        was cut ends in an ellipsis, and not in `a`, `of`, `and` and the like. Only a first word
        that is too long by itself is cut within.

    Raises:
        ValueError: `max_characters` is below 1.
    """
    if max_characters < 1:
        raise ValueError("max_characters must be 1 or more")
    sentence = _SENTENCE_END.split(" ".join(caption.split()), maxsplit=1)[0]
    sentence = _capitalised(sentence)
    if sentence and sentence.rstrip("\"')]")[-1:] not in (*".!?", _ELLIPSIS):
        sentence += "."
    return sentence if len(sentence) <= max_characters else _cut(sentence, max_characters)


def _cut(sentence: str, max_characters: int) -> str:
    """The words that fit, with an ellipsis."""
    room = max_characters - len(_ELLIPSIS)
    words = sentence.split(" ")
    while words and len(_joined(words)) > room:
        words.pop()
    tidy = list(words)
    while tidy and tidy[-1].lower().strip("\"'([,;:-") in ("", *DANGLING_WORDS):
        tidy.pop()
    return (_joined(tidy) or _joined(words) or sentence[:room]) + _ELLIPSIS


def _joined(words: list[str]) -> str:
    return " ".join(words).rstrip(",;:-. ")


def _capitalised(sentence: str) -> str:
    """The first letter as a capital, and the English `i` where a lower-cased text has it."""
    if sentence == sentence.lower():
        sentence = re.sub(r"(?<![\w'.])i(?=$|\s|'(?:m|d|ll|ve)\b)", "I", sentence)
    for position, character in enumerate(sentence):
        if character.isalnum():
            capital = character.upper()
            if len(capital) == 1:  # not the German sharp s
                return sentence[:position] + capital + sentence[position + 1 :]
            break
    return sentence
