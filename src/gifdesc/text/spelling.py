"""How captions are written, so that tokens give them back: spaces, capitals, rare characters.

BertTokenizer loses capitals, invisible characters, and where spaces were around punctuation (`U.S.`
and `U . S .` give the same tokens). A caption is rewritten before it is tokenized: its words are
parted by spaces, and a mark is put in wherever the rules of `joins` would set or leave out a space
wrongly, like the joiners of OpenNMT's tokenizer. Most captions need no mark at all.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gifdesc.config import CaseChoice
from gifdesc.unspaced import is_mark, is_unspaced, split_unspaced

JOIN = "\uffed"
"""Between two words: no space, although the rules would add a space."""

SPACE = "\u2581"
"""Between two words: a space, although the rules would leave it out."""

MARKS = (JOIN, SPACE)

_ESCAPE = "\uffee"
"""Around the number of a character that BertTokenizer would drop."""

_ESCAPED = re.compile(f"{_ESCAPE}([0-9a-f]+){_ESCAPE}")
_ORDINARY = re.compile(r"[A-Za-z]{1,100}(?:,? [A-Za-z]{1,100})*[.!?]?")
_MAX_WORD = 100
"""Characters of a word beyond which WordPiece calls it unknown."""

_CLITICS = frozenset(["s", "t", "d", "m", "ll", "re", "ve"])
_HYPHENS = frozenset("-/\u05be\u2010\u2011_")
_OPENERS = frozenset("$#@\u00a1\u00bf")
_SPACED = frozenset("*&/\\\"'\u2020\u2021\u00a7\u00b6")
"""Punctuation with a space before it, unless it is a quotation mark that closes."""

_BEGINS_SENTENCE = re.compile('[.!?:"\u201e\u201c\u00ab]')

_MOST_INCONSISTENT = 0.02
"""Share of words, those that begin sentences apart, that may be written now with a capital and now
without before the capitals are taken for chance. German captions, with words such as `Essen` and
`essen`, stay far below; one caption in ten Written Like This is above."""


def joins(words: Sequence[str]) -> list[bool]:
    """Whether each word is written without a space after the word before it.

    The rules of English, and of other writing in so far as it differs by its characters: no space
    between characters of Chinese, Japanese, Thai and the like, nor around full-width marks.

    Args:
        words: as BertTokenizer parts them; each mark of punctuation is a word.
    """
    roles = _quote_roles(words)
    return [
        place > 0 and _is_joined(words, place, roles[place - 1], roles[place])
        for place in range(len(words))
    ]


def _is_joined(words: Sequence[str], place: int, left_role: str, right_role: str) -> bool:
    left, right = words[place - 1], words[place]
    after = words[place + 1] if place + 1 < len(words) else ""
    before = words[place - 2] if place > 1 else ""
    if is_mark(right[0]) or right_role in ("inner", "close") or left_role in ("inner", "open"):
        return True
    if _is_opening(left) or left in _OPENERS or _is_wide_mark(left) or _is_wide_mark(right):
        return True
    if right_role == "open":
        return False
    if right in _HYPHENS:
        return _is_word(left) and _is_word(after)
    if left in _HYPHENS:
        return _is_word(before) and _is_word(right)
    if left in (".", ":", ",") and before[-1:].isdecimal() and right[0].isdecimal():
        return left != "," or len(right) == 3
    if _is_closing(right):
        return True
    has_unspaced = is_unspaced(left[0]) or is_unspaced(right[0])
    return has_unspaced and _is_word(left) and _is_word(right)


def _quote_roles(words: Sequence[str]) -> list[str]:
    """The role of each quotation mark: `open`, `close`, or `inner`, an apostrophe; "" for words."""
    roles = ["inner" if _is_apostrophe(words, place) else "" for place in range(len(words))]
    for mark in ('"', "'"):
        places = [at for at, word in enumerate(words) if word == mark and not roles[at]]
        is_open = False
        for place in places:
            before, after = words[max(0, place - 1)], words[min(place + 1, len(words) - 1)]
            is_possessive = (  # the dogs' tails
                mark == "'" and before[-1].lower() == "s" and _is_word(after) and not is_open
            )
            if is_possessive and place == places[-1]:
                roles[place] = "close"
            else:
                roles[place] = "close" if is_open else "open"
                is_open = not is_open
    return roles


def _is_apostrophe(words: Sequence[str], place: int) -> bool:
    return (
        words[place] in ("'", "\u2019")
        and 0 < place < len(words) - 1
        and _is_word(words[place - 1])
        and words[place + 1].lower() in _CLITICS
    )


def _is_word(word: str) -> bool:
    return bool(word) and (word[-1].isalnum() or is_mark(word[-1]))


def _is_opening(word: str) -> bool:
    return len(word) == 1 and unicodedata.category(word) in ("Ps", "Pi")


def _is_closing(word: str) -> bool:
    if len(word) != 1 or word in _SPACED or word in _OPENERS:
        return False
    return unicodedata.category(word) in ("Pe", "Pf", "Po")


def _is_wide_mark(word: str) -> bool:
    """Whether a word is a mark such as `。`, which has its own space within."""
    return (
        len(word) == 1
        and unicodedata.category(word)[0] == "P"
        and unicodedata.east_asian_width(word) in ("W", "F")
    )


@dataclass(frozen=True)
class Spelling:
    """How the captions of a vocabulary are written.

    Attributes:
        lower_case: capitals are not kept.
        starts_with_capital: captions begin with a capital; the vocabulary has their first words
            without it.
        capitals: words that keep their capital at a caption's beginning, such as names.
    """

    lower_case: bool
    starts_with_capital: bool = False
    capitals: frozenset[str] = field(default_factory=frozenset)
    keeps_starts: bool = False

    @classmethod
    def of(cls, captions: Iterable[str], case: CaseChoice) -> Spelling:
        """The spelling for training captions.

        Args:
            captions: as they were written.
            case: `lower` for small letters only; `keep` for every capital; `auto` for capitals
                where the captions agree on them. Words that begin captions then have the case
                that they have elsewhere (Lita et al. 2003, tRuEcasIng), and all captions begin
                with a capital or none does, as more of the training captions do.
        """
        if case == "keep":
            return cls(lower_case=False, keeps_starts=True)
        if case == "lower":
            return cls(lower_case=True)
        firsts: Counter[str] = Counter()
        inner: Counter[str] = Counter()
        for caption in captions:
            words = _letters_of(caption)
            firsts.update(word for word, is_first, _ in words if is_first)
            inner.update(word for word, is_first, begins in words if not is_first and not begins)
        begins = [(_is_capitalised(word), count) for word, count in firsts.items()]
        num_capital = sum(count for is_capital, count in begins if is_capital)
        starts_with_capital = num_capital > sum(firsts.values()) / 2
        has_capitals = any(word != word.lower() for word in inner) or any(
            word[1:] != word[1:].lower() for word in firsts
        )
        lower_case = _share_inconsistent(inner) > _MOST_INCONSISTENT or (
            starts_with_capital and not has_capitals
        )
        if lower_case or not (has_capitals or num_capital):
            return cls(lower_case=True, starts_with_capital=starts_with_capital)
        capitals = {
            word
            for word in firsts
            if _is_capitalised(word)
            and _keeps_capital(word, firsts, inner, starts_with_capital=starts_with_capital)
        }
        return cls(
            lower_case=False,
            starts_with_capital=starts_with_capital,
            capitals=frozenset(capitals),
        )

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Spelling:
        """The spelling that `to_json` gave.

        Raises:
            KeyError, TypeError: it is another object.
        """
        return cls(
            lower_case=bool(row["lower_case"]),
            starts_with_capital=bool(row["starts_with_capital"]),
            capitals=frozenset(map(str, row["capitals"])),
            keeps_starts=bool(row["keeps_starts"]),
        )

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "lower_case": self.lower_case,
            "starts_with_capital": self.starts_with_capital,
            "capitals": sorted(self.capitals),
            "keeps_starts": self.keeps_starts,
        }

    def describe(self) -> str:
        """The treatment of capitals, as the end of a sentence."""
        if self.keeps_starts:
            return "all kept as they are"
        kept = "lowered" if self.lower_case else "kept"
        start = ", each caption begins with a capital" if self.starts_with_capital else ""
        if not self.lower_case and not start:
            start = ", lowered at the start of a caption except in names"
        return kept + start

    def start_of(self, words: list[str], vocabulary: Mapping[str, int]) -> list[str]:
        """Words with the first word in the case that it has in the vocabulary.

        Args:
            words: of a caption.
            vocabulary: its tokens; empty while it is being made.
        """
        if self.lower_case or self.keeps_starts:
            return words
        first = _first_word(words)
        if first is None:
            return words
        word = words[first]
        if not _is_capitalised(word) or word in self.capitals:
            return words
        if word.lower() not in vocabulary and word in vocabulary:
            return words  # a name that no training caption begins with
        return [*words[:first], word.lower(), *words[first + 1 :]]

    def finish(self, text: str) -> str:
        """A caption's text with its first letter as captions here have it."""
        if not self.starts_with_capital:
            return text
        found = re.search(r"\w+", text)
        if found is None or not found[0].islower() or len(found[0][0].upper()) != 1:
            return text
        return text[: found.start()] + text[found.start()].upper() + text[found.start() + 1 :]


class CaptionSpeller:
    """Captions to words for BertTokenizer, and its words to captions.

    Args:
        backend: a `tokenizers.Tokenizer` with BertTokenizer's normalizer and pre-tokenizer.
        spelling: how captions are written.
    """

    def __init__(self, backend: Any, spelling: Spelling) -> None:
        self._normalizer = backend.normalizer
        self._pre_tokenizer = backend.pre_tokenizer
        self._spelling = spelling
        self._words_by_chunk: dict[str, list[str]] = {}

    def spell(self, caption: str, vocabulary: Mapping[str, int]) -> str:
        """Words and marks, parted by single spaces.

        Args:
            caption: as written; runs of white space count as one space.
            vocabulary: see `Spelling.start_of`.
        """
        if _ORDINARY.fullmatch(caption):
            first, *rest = re.split(r"(?<=[A-Za-z])(?![A-Za-z])", caption, maxsplit=1)
            return "".join([*self._spelling.start_of([first], vocabulary), *rest])
        words = []
        is_joined = []
        for chunk in caption.split():
            parts = self.words_of(chunk)
            words += parts
            is_joined += [place > 0 for place in range(len(parts))]
        words = self._spelling.start_of(words, vocabulary)
        spelt: list[str] = []
        for word, is_so, by_rule in zip(words, is_joined, joins(words), strict=True):
            if spelt and is_so != by_rule:
                spelt.append(JOIN if is_so else SPACE)
            # A mark that is a caption's own is doubled.
            spelt.append(word + word[0] if set(word) <= set(MARKS) else word)
        return " ".join(spelt)

    def join(self, spelt: Sequence[str]) -> str:
        """The caption of words and marks; marks without a word on either side count for nothing."""
        words: list[str] = []
        marks: dict[int, bool] = {}
        for word in spelt:
            if word in MARKS:
                marks[len(words)] = word == JOIN
            else:
                words.append(word)
        own = [word[1:] if set(word) <= set(MARKS) else word for word in words]
        text = ""
        for place, (word, by_rule) in enumerate(zip(own, joins(own), strict=True)):
            is_joined = marks.get(place, by_rule)
            text += word if is_joined or not text else f" {word}"
        return self._spelling.finish(unescape(text))

    def words_of(self, chunk: str) -> list[str]:
        """The words that BertTokenizer parts a chunk without spaces into."""
        if (known := self._words_by_chunk.get(chunk)) is not None:
            return known
        words = []
        for part in split_unspaced(chunk):
            normalised = self._normalizer.normalize_str(self._escaped(part))
            for word, _ in self._pre_tokenizer.pre_tokenize_str(normalised):
                words += [word[at : at + _MAX_WORD] for at in range(0, len(word), _MAX_WORD)]
        self._words_by_chunk[chunk] = words
        return words

    def _escaped(self, text: str) -> str:
        """Text with the characters that BertTokenizer drops as numbers; control codes go."""
        if text.isascii():
            return text
        return "".join(
            f"{_ESCAPE}{ord(mark):x}{_ESCAPE}"
            if mark == _ESCAPE or (unicodedata.category(mark) != "Cc" and self._is_dropped(mark))
            else mark
            for mark in text
        )

    def _is_dropped(self, character: str) -> bool:
        return not character.isascii() and not self._normalizer.normalize_str(character)


def unescape(text: str) -> str:
    """Text with the characters that stood as numbers."""
    if _ESCAPE not in text:
        return text
    return _ESCAPED.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if number <= 0x10FFFF else ""


def _letters_of(caption: str) -> list[tuple[str, bool, bool]]:
    """Words of letters: each with whether it is the caption's first, or begins a sentence in it."""
    words: list[tuple[str, bool, bool]] = []
    end = 0
    for found in re.finditer(r"\w+", caption):
        begins = _BEGINS_SENTENCE.search(caption[end : found.start()]) is not None
        if found[0][0].isalpha():
            words.append((found[0], end == 0, begins))
        end = found.end()
    return words


def _first_word(words: Sequence[str]) -> int | None:
    """The index of a caption's first word of letters; None if it begins with a number."""
    for place, word in enumerate(words):
        if word[0].isalnum():
            return place if word[0].isalpha() else None
    return None


def _is_capitalised(word: str) -> bool:
    return word[0] != word[0].lower() and word[1:] == word[1:].lower()


def _keeps_capital(
    word: str, firsts: Counter[str], inner: Counter[str], *, starts_with_capital: bool
) -> bool:
    small = word.lower()
    if starts_with_capital:
        return inner[word] > inner[small]
    num_small = inner[small] + firsts[small]
    return num_small == 0 or inner[word] > num_small


def _share_inconsistent(words: Counter[str]) -> float:
    """The share of words whose capitals are not those that the word has most often."""
    forms: dict[str, list[int]] = {}
    for word, count in words.items():
        forms.setdefault(word.lower(), []).append(count)
    rare = sum(sum(counts) - max(counts) for counts in forms.values())
    return rare / max(1, sum(words.values()))
