"""English: words that cannot end a caption, and captions as alternative text."""

from __future__ import annotations

import re

from gifdesc.unspaced import is_mark, split_unspaced

DEFAULT_CHARACTERS = 125
"""A length that style guides for alternative text commonly give. By E. Eggert (There is no
character limit for "alt text", yatil.net) no screen reader cuts a longer text off, and JAWS reads
it as several pictures."""

_ELLIPSIS = "\u2026"
_SENTENCE_END = re.compile(
    r"(?<=[.!?\u061f\u06d4\u0964\u104b\u17d4])[\"')\]\u00bb\u201d]*\s+(?=\S)"
    r"|(?<=[\u3002\uff01\uff1f])(?![\u3002\uff01\uff1f\u300d\u300f\uff09\u201d])\s*(?=\S)"
)
_ENDS = frozenset(".!?\u061f\u06d4\u0964\u104b\u17d4\u0f0d\u3002\uff01\uff1f\uff0e\u2026")
_CLOSERS = "\"')]\u00bb\u201d\u300d\u300f\uff09"
_FULL_STOPS = (
    ("\u3041\u30ff\u3400\u9fff", "\u3002"),  # kana, ideographs
    ("\u0900\u097f", "\u0964"),  # Devanagari: the danda
    ("\u1000\u109f", "\u104b"),  # Burmese
    ("\u1780\u17ff", "\u17d4"),  # Khmer
    ("\u0f00\u0fff", "\u0f0d"),  # Tibetan
    ("\u0e00\u0eff", ""),  # Thai and Lao end sentences without a mark
)
"""Scripts, as bounds of ranges of characters, whose sentences do not end in a full stop."""


def to_alt_text(caption: str, max_characters: int = DEFAULT_CHARACTERS) -> str:
    """A caption as one sentence: capitalised, with a full stop, cut at a word if it is too long.

    Args:
        caption: any text; of several sentences the first is taken.
        max_characters: the most characters (Unicode code points), 1 or more.

    Returns:
        At most `max_characters` characters; empty for a caption without text. A sentence that
        was cut ends in an ellipsis, and not in `a`, `of`, `and` and the like. Only a first word
        that is too long by itself is cut within; in scripts without spaces each character counts
        as a word. The full stop is that of the script: `。` after Chinese, none after Thai.

    Raises:
        ValueError: `max_characters` is below 1.
    """
    if max_characters < 1:
        raise ValueError("max_characters must be 1 or more")
    sentence = _SENTENCE_END.split(" ".join(caption.split()), maxsplit=1)[0]
    sentence = _capitalised(sentence)
    if sentence and sentence.rstrip(_CLOSERS)[-1:] not in _ENDS:
        sentence += _full_stop(sentence)
    return sentence if len(sentence) <= max_characters else _cut(sentence, max_characters)


def _full_stop(sentence: str) -> str:
    """The full stop in the script of a sentence's last letter."""
    last = next((sign for sign in reversed(sentence) if sign.isalnum() or is_mark(sign)), "")
    for bounds, mark in _FULL_STOPS:
        pairs = zip(bounds[::2], bounds[1::2], strict=True)
        if any(first <= last <= final for first, final in pairs):
            return mark
    return "."


def _cut(sentence: str, max_characters: int) -> str:
    """The words that fit, with an ellipsis."""
    room = max_characters - len(_ELLIPSIS)
    # Each word after the first, with the space before it if there is any.
    words = [
        f" {part}" if place and not at else part
        for place, word in enumerate(sentence.split(" "))
        for at, part in enumerate(split_unspaced(word) or [""])
    ]
    while words and len(_joined(words)) > room:
        words.pop()
    tidy = list(words)
    while tidy and tidy[-1].lower().strip(" \"'([,;:-") in ("", *DANGLING_WORDS):
        tidy.pop()
    return (_joined(tidy) or _joined(words) or sentence[:room]) + _ELLIPSIS


def _joined(words: list[str]) -> str:
    return "".join(words).rstrip(",;:-. \u3001\uff0c\u060c")


def _capitalised(sentence: str) -> str:
    """Text with a capital first letter, and `I` for the `i` of lower-cased English."""
    if sentence == sentence.lower():
        sentence = re.sub(r"(?<![\w'.])i(?=$|\s|'(?:m|d|ll|ve)\b)", "I", sentence)
    for position, character in enumerate(sentence):
        if character.isalnum():
            capital = character.upper()
            if len(capital) == 1:  # not the German sharp s
                return sentence[:position] + capital + sentence[position + 1 :]
            break
    return sentence


DANGLING_WORDS = (
    *("a", "an", "the", "every", "each"),
    *("my", "your", "his", "its", "our", "their", "whose"),
    *("and", "or", "but", "nor", "than", "because", "while", "if", "whether", "although"),
    *("of", "to", "at", "from", "with", "for", "into", "onto", "toward", "towards", "upon"),
    *("as", "who", "which", "during", "between", "among", "against", "until", "via", "per"),
    *("am", "is", "are", "was", "were", "be", "been", "has", "very"),
    *(",", ";", ":", "-", "\u2013", "\u2014", "/", "(", "[", "&", "'"),
)
"""Articles, possessives, conjunctions, prepositions, auxiliaries, and the marks that join.

After them something must follow (Huddleston & Pullum 2002, The Cambridge Grammar of the English
Language, on determiners, prepositions and coordination). Words that end a sentence as particles or
pronouns are not among them: a man looks up, a cat jumps in, drives by, throws it, kisses her, eats
some.
"""

ENGLISH_WORDS = ("the", "and", "with")
"""A vocabulary with one of these words is taken for English. For any other the list is not used:
German sentences end in `an` and `was`."""
