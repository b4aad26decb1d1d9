"""The words of a query as tokens of a model, without the words that the model never learnt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from gifdesc.errors import UsageError
from gifdesc.search.signs import SIGN
from gifdesc.system.wording import list_some
from gifdesc.text.tokenizer import CaptionTokenizer
from gifdesc.unspaced import is_mark

_MIN_PIECE = 3
"""Characters of a piece that means something: a vocabulary spells any word by single letters."""

_UNLIMITED = 1 << 20

_IDEOGRAPH = re.compile("([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])")
"""BertTokenizer parts them from each other and from other letters."""


@dataclass(frozen=True)
class Query:
    """A query that a model can score.

    Attributes:
        text: the words that count.
        tokens: of these, without start and end token; 1 or more.
        unknown: the words that do not count, as written.
        spelt: the words that are not in the vocabulary but count, as pieces: `cat + s`.
        num_cut: tokens beyond the model's limit, which do not count either.
    """

    text: str
    tokens: tuple[int, ...]
    unknown: tuple[str, ...] = ()
    spelt: tuple[str, ...] = ()
    num_cut: int = 0

    def notes(self) -> list[str]:
        """What was left out of the query or read as pieces, a sentence each."""
        notes = []
        if self.unknown:
            verb = "is" if len(self.unknown) == 1 else "are"
            notes.append(
                f"{list_some(self.unknown)} {verb} not in the model's vocabulary; the GIFs are "
                "ranked by the other words"
            )
        if self.spelt:
            notes.append(
                f"not in the model's vocabulary, so read as pieces: {list_some(self.spelt)}"
            )
        if self.num_cut:
            notes.append(
                f"the query is longer than the model's limit of {len(self.tokens)} tokens; the "
                f"last {self.num_cut} are ignored"
            )
        return notes


def read_query(text: str, tokenizer: CaptionTokenizer, max_tokens: int) -> Query:
    """The tokens of a query.

    A word counts if it is in the vocabulary, in any case, or if pieces of 3 characters or more
    spell at least half of it, such as `cats` by `cat` and `s`.

    Args:
        text: the query.
        tokenizer: of the model.
        max_tokens: the limit of a training caption, start and end token included.

    Raises:
        UsageError: the query is empty, or no word of it counts.
    """
    if not text.strip():
        raise UsageError("the query is empty: write what the GIF should show")
    kept: list[str] = []
    unknown: list[str] = []
    for chunk in text.split():
        known, others = _parted(chunk, tokenizer, is_first=not kept)
        unknown += others
        kept += known
    if not any(map(_counts, kept)):  # punctuation alone is no query
        raise UsageError(
            f"no word of the query is in the model's vocabulary ({list_some(unknown or [text])}); "
            "write in the language of its captions, with words that they contain"
        )
    known_text = " ".join(kept)
    ids = tokenizer.encode(known_text, _UNLIMITED)[1:-1]
    tokens = tuple(ids[: max_tokens - 2])
    return Query(
        known_text,
        tokens,
        unknown=tuple(dict.fromkeys(unknown)),
        spelt=tuple(dict.fromkeys(_spelt(tokens, tokenizer))),
        num_cut=len(ids) - len(tokens),
    )


def _spelt(ids: Sequence[int], tokenizer: CaptionTokenizer) -> Iterator[str]:
    """The pieces of each word that several tokens spell."""
    for _, places in tokenizer.words(ids):
        spelling = [ids[place] for place in places if ids[place] not in tokenizer.mark_ids]
        if len(spelling) > 1:
            yield " + ".join(tokenizer.decode([index]) for index in spelling)


def _parted(
    chunk: str, tokenizer: CaptionTokenizer, *, is_first: bool
) -> tuple[list[str], list[str]]:
    """What is between two spaces: the known words, as the vocabulary has them, and the unknown."""
    whole = _as_known(chunk, tokenizer, is_first=is_first)
    if whole is not None:
        return [whole], []  # apart, its words would lose how they are joined
    known: list[str] = []
    unknown: list[str] = []
    for piece in filter(_counts, _pieces(chunk)):  # punctuation beside unknown words is nothing
        word = _as_known(piece, tokenizer, is_first=is_first and not known)
        if word is None:
            unknown.append(piece)
        else:
            known.append(word)
    return known, unknown


def _pieces(chunk: str) -> Iterator[str]:
    """Words, ideographs, punctuation marks and other signs of a text without spaces."""
    for is_word, characters in groupby(chunk, lambda each: each.isalnum() or is_mark(each)):
        if is_word:
            yield from filter(None, _IDEOGRAPH.split("".join(characters)))
        else:
            yield from characters


def _counts(text: str) -> bool:
    """Whether a text has a letter, a digit or a sign such as an emoji."""
    return any(each.isalnum() or unicodedata.category(each) == SIGN for each in text)


def _as_known(text: str, tokenizer: CaptionTokenizer, *, is_first: bool) -> str | None:
    """The text, or its form in another case or composition, that the model knows; None if none.

    At the beginning of a caption the tokenizer may lower a capital that it keeps within.
    """
    for form in _forms(text):
        ids = tokenizer.encode(form if is_first else f"a {form}", _UNLIMITED)[1:-1]
        if not is_first:
            ids = ids[len(tokenizer.encode("a", _UNLIMITED)) - 2 :]
        if tokenizer.unknown_id in ids:
            continue
        spellings = (
            (word, [ids[place] for place in places if ids[place] not in tokenizer.mark_ids])
            for word, places in tokenizer.words(ids)
        )
        if all(_is_known(word, spelling, tokenizer) for word, spelling in spellings):
            return form
    return None


def _forms(text: str) -> Iterator[str]:
    """A text as it is, and in other cases and compositions of its characters, each once."""
    composed, parted = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    forms = [
        changed
        for each in (text, composed, parted)
        for changed in (each, each.lower(), each.capitalize(), each.upper())
    ]
    yield from dict.fromkeys(forms)


def _is_known(word: str, spelling: Sequence[int], tokenizer: CaptionTokenizer) -> bool:
    if len(spelling) == 1:
        return True
    pieces = [tokenizer.decode([index]) for index in spelling]
    return 2 * sum(len(piece) for piece in pieces if len(piece) >= _MIN_PIECE) >= len(word)
