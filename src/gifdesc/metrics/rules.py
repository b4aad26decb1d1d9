"""The tokenizer's rules: what a token may look like, and what is written for it.

The rules compete as in a generated scanner: at every place the longest match wins, and of two
equally long ones the earlier rule. Group 1 of a pattern is the token. What a pattern matches after
the group counts for the length but is read again; what it only looks ahead at does not count.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from gifdesc.metrics.characters import LETTER, REPLACEMENTS, SYMBOL, escape_brackets
from gifdesc.metrics.lexicon import (
    ABBREVIATIONS,
    APOSTROPHE_WORDS,
    CAPITAL_ABBREVIATIONS,
    FILE_ENDINGS,
    NUMBER_ABBREVIATIONS,
    SENTENCE_STARTERS,
    SPOKEN_FORMS,
    STRAIGHT_APOSTROPHE_WORDS,
)


class Rule(NamedTuple):
    """A kind of token: its pattern, and what is written for a token of it."""

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
    # Only the first part: what is left of "cannot" is then read as a word.
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
    _rule(  # telephone numbers, and whatever looks like one
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
"""All rules, earlier ones first where two match equally much."""
