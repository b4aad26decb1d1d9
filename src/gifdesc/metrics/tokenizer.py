"""The metrics' tokenizer: its rules, and captions split into tokens by them.

The rules compete as in a generated scanner: at every position the longest match wins, and of two
equally long matches the earlier rule. Group 1 of a pattern is the token. Text that a pattern
matches after the group counts for the length but is read again; its lookahead does not count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from gifdesc.metrics.lexicon import (
    ABBREVIATIONS,
    APOSTROPHE_WORDS,
    CAPITAL_ABBREVIATIONS,
    FILE_ENDINGS,
    LETTER,
    NUMBER_ABBREVIATIONS,
    REPLACEMENTS,
    SENTENCE_STARTERS,
    SPOKEN_FORMS,
    STRAIGHT_APOSTROPHE_WORDS,
    SYMBOL,
    escape_brackets,
    remove_line_breaks,
    remove_soft_hyphens,
)
from gifdesc.unspaced import is_unspaced_text, split_unspaced


class Rule(NamedTuple):
    """A kind of token: its pattern, and the spelling of its tokens."""

    pattern: re.Pattern[str]
    write: Callable[[str], str]


_ENTITIES = {
    "&amp;": "&",
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": "''",
    "&apos;": "'",
    "&nbsp;": "",
    "&mdash;": "--",
    "&ndash;": "--",
}


def _as_is(token: str) -> str:
    return token


def _joined(token: str) -> str:
    # Stanford's tokenizer writes the spaces inside a token as no-break spaces.
    return token.replace(" ", "\u00a0")


def _telephone(token: str) -> str:
    return escape_brackets(_joined(token))


def _straight(token: str) -> str:
    return token.replace("\u2019", "'").replace("\x92", "'").replace("\u2018", "`")


def _replaced(token: str) -> str:
    return "".join(REPLACEMENTS.get(character, character) for character in token)


def _entity(token: str) -> str:
    return _ENTITIES[token.lower()]


def _rule(pattern: str, write: Callable[[str], str] = _as_is) -> Rule:
    return Rule(re.compile(pattern), write)


def _one_of(patterns: tuple[str, ...]) -> str:
    return "(?:" + "|".join(sorted(patterns, key=len, reverse=True)) + ")"


_L = f"[{LETTER}]"
_A = f"[{LETTER}\\d]"
_ASCII = "[A-Za-z0-9]"
_WORD = rf"{_L}{_A}*(?:[.!?]{_L}{_A}*)*"
_HYPHEN = "[-_\u058a\u2010\u2011]"
_APOSTROPHE = "['\u2019\x92]"
_ANY_APOSTROPHE = "['\u2019\u2018`\x92]"
_CURLY_QUOTE = "[`\u2018\u2019\u201b-\u201d\u2039\u203a\u00ab\u00bb\x91-\x94]"
_CLITIC = "(?i:s|m|d|ll|re|ve)"
_ELIDED = rf"[dDoOlL]{_ANY_APOSTROPHE}(?={_A}{{2}})"
_ENDS = r"(?=\s|$)"
_SPACE = "[ \u00a0]"
_GAP = "[- \u00a0]"
_NO_URL = r"\s`\"<>|(){}"
_URL_END = r"[^\s\"<>|.,!?(){}-]"
_PATH = rf"(?:/[^{_NO_URL}]+{_URL_END})?"
_STARTER = rf"(?=[A-Z])(?i:{_one_of(tuple(map(re.escape, SENTENCE_STARTERS)))}){_ENDS}"

_SPOKEN = [
    # Only the first part: the rest of "cannot" is then read as a word.
    _rule(rf"((?i:{first}))(?i:{second})(?!{_A}|{_ANY_APOSTROPHE}{_CLITIC}(?!{_A}))")
    for first, second in SPOKEN_FORMS.values()
]

_CONTRACTIONS = [
    _rule(r"('[tT])(?i:is|was)"),
    _rule(rf"([A-Za-z]*[A-MO-Za-mo-z])[nN]{_ANY_APOSTROPHE}[tT]"),
    _rule(rf"([nN]{_ANY_APOSTROPHE}[tT])", _straight),
    _rule(rf"({_A}+){_APOSTROPHE}{_CLITIC}(?!{_L})"),
    _rule(rf"({_APOSTROPHE}{_CLITIC})(?!{_L})", _straight),
    _rule(rf"([\u2019\x92]{_CLITIC})", _straight),
]

_APOSTROPHE_WORDS = [
    _rule(rf"((?i:{_one_of(APOSTROPHE_WORDS).replace(chr(39), _APOSTROPHE)}))"),
    _rule(rf"((?i:{_one_of(STRAIGHT_APOSTROPHE_WORDS)}))"),
    _rule(rf"({_APOSTROPHE}[nN]{_APOSTROPHE}|{_APOSTROPHE}[nN]{_ENDS})"),  # rock 'n' roll
    _rule(rf"([lLdDjJ]{_APOSTROPHE}|[yY]{_APOSTROPHE}(?={_L}))"),  # y'all
    _rule(rf"([A-HJ-XZn]{_APOSTROPHE}{_L}{{2,}})"),
    _rule(rf"([A-Za-z]+[aeiouyAEIOUY]{_APOSTROPHE}[aeiouA-Z]{_L}*)"),  # ma'am
    _rule(rf"({_APOSTROPHE}[2-9]0s|{_APOSTROPHE}\d\d{_ENDS})"),  # '90s
]

_WORDS = [
    _rule(rf"({_WORD})"),  # also over a missing space: "jumped.He"
    _rule(rf"((?:{_WORD}|{_A}+(?:{_HYPHEN}{_A}+)*)[.])(?=[,;:])"),
    _rule(rf"((?:{_ELIDED})?{_A}+(?:{_HYPHEN}(?:{_ELIDED})?{_A}+)*)"),
    _rule(rf"({_ASCII}[A-Za-z0-9.,]*(?:-(?:(?:[A-Za-z][.]){{2,}}|{_ASCII}+))+)"),
    _rule(rf"({_ASCII}+(?:-[A-Za-z]+){{0,2}}(?:\\?/{_ASCII}+(?:-[A-Za-z]+){{0,2}}){{1,2}})"),
    _rule(r"([A-Z]+(?:&(?:amp;)?[A-Z]+)+)", lambda token: token.replace("&amp;", "&")),
    _rule(r"([cC][+][+]|[A-Z]+[+][A-Z]+|[cCfF]#(?![A-Za-z0-9]))"),
]

_ABBREVIATIONS = [
    _rule(rf"((?i:ph[.]d|{_one_of(ABBREVIATIONS)})[.])"),
    _rule(rf"({_one_of(CAPITAL_ABBREVIATIONS)}[.])"),
    _rule(rf"({_one_of(tuple(map(str.upper, CAPITAL_ABBREVIATIONS)))}[.])"),
    _rule(rf"((?i:{_one_of(NUMBER_ABBREVIATIONS)})[.])(?=\s?\d)"),
    _rule(rf"([A-Za-z])[.]\s+{_STARTER}"),
    _rule(r"([A-Za-z](?:[.][A-Za-z])*[.])"),
]

_NUMBERS = [
    _rule(r"([-+]?(?:\d*(?:[.:,]\d+)+|\d+))"),
    _rule(rf"((?:\d{{1,4}}{_GAP})?\d{{1,4}}(?:\\?/|\u2044)\d{{1,4}})", _joined),  # 3 1/2
    _rule(r"(\d{1,2}[-/]\d{1,2}[-/]\d{2,4})"),
    _rule(  # telephone numbers, and similar numbers
        rf"((?:\(\d{{2,3}}\){_SPACE}?|(?:[+][+]?)?(?:\d{{2,4}}{_GAP})?\d{{2,4}}{_GAP})"
        rf"\d{{3,4}}{_GAP}?\d{{3,5}})",
        _telephone,
    ),
    _rule(r"([A-Z]+[$])"),
]

_NET = [
    _rule(rf"((?i:https?)://[^{_NO_URL}]+[.][^{_NO_URL}]*{_URL_END})"),
    _rule(rf"(www[.](?:[^{_NO_URL}.,!?]+[.])+[a-zA-Z]{{2,4}}{_PATH})"),
    _rule(rf"((?:[^{_NO_URL}\[\].,!?:;/$'&@#_=^-]+[.])+(?i:com|net|org|edu){_PATH})(?!{_A})"),
    _rule(r"(<?[A-Za-z0-9][^\s\"<>|(){}@]*@(?:[^\s\"<>|(){}.]+[.])*[^\s\"<>|(){}.]+>?)"),
    _rule(r"(@[A-Za-z_][A-Za-z_0-9]*)"),
    _rule(rf"(#{_L}+)"),
    _rule(rf"({_A}+(?:[.]{_A}+)*[.](?i:{_one_of(FILE_ENDINGS)}))(?=[\s.?!,]|$)"),
    _rule(
        r"(</?[A-Za-z][\w.:-]*(?:\s+[A-Za-z][\w.:-]*(?:\s*=\s*(?:'[^'<>]*'|\"[^\"<>]*\"))?)*"
        r"\s*/?>|<[!?][A-Za-z-][^<>]*>)",
        _joined,
    ),
    _rule(rf"((?i:{_one_of(tuple(_ENTITIES))}))", _entity),
    _rule(r"(&#\d+;)"),
]

_FACES = [
    _rule(r"([<>]?[:;=][-o*']?[()DPdpO\\{@|\[\]])(?![A-Za-z0-9])", escape_brackets),
    _rule(r"([-^x=~<>']_[-^x=~<>'])"),
    _rule(r"(\([-^x=~<>'][_.]?[-^x=~<>']\))", escape_brackets),
]

_MARKS = [
    _rule(r"(-(?i:[lr][rsc]b)-)"),  # brackets of captions that were tokenized before
    _rule(r"([.]{3,5})", lambda _: "..."),
    _rule(r"(-{2,4})", lambda _: "--"),
    _rule(r"(-{5,}|[*]+|_+|#{2,}|@+|[!?]{2,}|''|<<|>>|\\[*])"),
    _rule(rf"({_CURLY_QUOTE}{{1,2}})", _replaced),
    _rule(rf"([{SYMBOL}])", _replaced),
]

RULES: tuple[Rule, ...] = (
    *_SPOKEN,
    *_CONTRACTIONS,
    *_APOSTROPHE_WORDS,
    *_WORDS,
    *_ABBREVIATIONS,
    *_NUMBERS,
    *_NET,
    *_FACES,
    *_MARKS,
)
"""All rules; of two equally long matches the earlier rule wins."""


REMOVED_TOKENS = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
"""Tokens that the toolkit does not score. Brackets and runs such as ``!!!`` are not among them."""

REMOVED_UNSPACED_TOKENS = frozenset(
    ["-lrb-", "-rrb-", *"。．｡！？，、､：；·・～「」『』《》〈〉【】（）ฯ།༎၊။។៕៖"]  # noqa: RUF001
)
"""Punctuation of writing without spaces, which is not scored either."""

_PLAIN_WORDS = re.compile(rf"(?:(?!(?i:{'|'.join(SPOKEN_FORMS)})\b)[A-Za-z]+(?:[ ]+|$))+")


def tokenize(caption: str, following: str = "") -> str:
    """The scored tokens of a caption, lower-cased and joined by single spaces.

    A token may contain a no-break space ("3 1/2" is one token). A caption without words gives "".

    Args:
        caption: the caption as written; line breaks in it count as spaces.
        following: the caption after it, if any. The toolkit tokenizes all captions as one text,
            so a caption that ends in a letter and a period, or in "no.", depends on whether the
            next caption begins like a sentence or with a number.

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
    """`tokenize` of every caption, each followed by the next."""
    return [tokenize(caption, following) for caption, following in pairwise([*captions, ""])]


def _scan(text: str, end: int) -> list[str]:
    """The tokens that begin before `end`, lower-cased."""
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
    """Append the token at `position` to `tokens`; the position after it."""
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
