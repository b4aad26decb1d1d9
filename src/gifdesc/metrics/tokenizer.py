"""Captions to the tokens that the coco-caption toolkit scores.

The toolkit (pycocoevalcap 1.2) tokenizes with Stanford's PTBTokenizer (CoreNLP 3.4.1, options
-preserveLines -lowerCase) and then removes punctuation. This one is written from what that
tokenizer gives for a text, and needs no Java. In one thing it differs: the toolkit takes Chinese,
Japanese, Thai and other writing without spaces for one long word, here its characters are counted.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from gifdesc.metrics.characters import LETTER, remove_line_breaks, remove_soft_hyphens
from gifdesc.metrics.lexicon import SPOKEN_FORMS
from gifdesc.metrics.rules import RULES
from gifdesc.unspaced import is_unspaced_text, split_unspaced

REMOVED_TOKENS = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
"""Tokens that the toolkit does not score. Brackets and runs such as ``!!!`` are not among them."""

REMOVED_UNSPACED_TOKENS = frozenset(
    ["-lrb-", "-rrb-", *"。．｡！？，、､：；·・～「」『』《》〈〉【】（）ฯ།༎၊။។៕៖"]  # noqa: RUF001
)
"""Punctuation of writing without spaces, which is not scored either."""

_PLAIN_WORDS = re.compile(rf"(?:(?!(?i:{'|'.join(SPOKEN_FORMS)})\b)[A-Za-z]+(?:[ ]+|$))+")
_TOKEN_START = re.compile(rf"[{LETTER}\d]")


def tokenize(caption: str, following: str = "") -> str:
    """Gives the scored tokens of one caption, lower-cased and joined by single spaces.

    A token may hold a no-break space ("3 1/2" is one token). A caption without words gives "".

    Args:
        caption: the caption as written; line breaks in it count as spaces.
        following: the caption after it, if any. The toolkit tokenizes all captions as one text,
            so a caption that ends in a letter and a period, or in "no.", depends on whether the
            next one begins like a sentence or with a number.

    A caption of a script without spaces (`unspaced.is_unspaced_text`) gives its characters.
    """
    text = remove_soft_hyphens(remove_line_breaks(caption))
    next_words = remove_line_breaks(following).split(maxsplit=1)
    end = len(text)
    if next_words and text.rstrip(" ").endswith("."):
        text = f"{text}\n{next_words[0]}\n"
    tokens = [token for token in _scan(text, end) if token not in REMOVED_TOKENS]
    if not caption.isascii() and is_unspaced_text(caption):
        tokens = [part for token in tokens for part in split_unspaced(token)]
        tokens = [token for token in tokens if token not in REMOVED_UNSPACED_TOKENS]
    return " ".join(tokens)


def tokenize_all(captions: Sequence[str]) -> list[str]:
    """Gives `tokenize` of every caption, each in sight of the next one."""
    return [tokenize(caption, following) for caption, following in pairwise([*captions, ""])]


def _scan(text: str, end: int) -> list[str]:
    """Gives the tokens that begin before `end`, lower-cased."""
    tokens: list[str] = []
    position = 0
    while position < end:
        if plain := _PLAIN_WORDS.match(text, position, end):
            tokens += plain[0].lower().split()
            position = plain.end()
        elif text[position].isspace():
            position += 1
        else:
            position = _scan_token(text, position, tokens)
    return tokens


def _scan_token(text: str, position: int, tokens: list[str]) -> int:
    """Appends the token at `position` to `tokens`; gives the place after it."""
    best_end, best = position, None
    for rule in RULES:
        found = rule.pattern.match(text, position)
        if found and found.end() > best_end:
            best_end, best = found.end(), (rule, found)
    if best is None:
        return position + 1
    rule, found = best
    token = rule.write(found[1]).lower()
    if token:
        tokens.append(token)
    return found.end(1)
