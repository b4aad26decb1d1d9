"""The words of a query as tokens of a model, without the words that the model never learnt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gifdesc.errors import UsageError
from gifdesc.search.signs import signs_outside
from gifdesc.system.wording import list_some
from gifdesc.text.tokenizer import CaptionTokenizer

_MIN_PIECE = 3
"""Characters of a piece that means something: a vocabulary spells any word by single letters."""

_UNLIMITED = 1 << 20


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

    A word counts if it is in the vocabulary, or if pieces of 3 characters or more spell at least
    half of it, such as `cats` by `cat` and `s`.

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
        known, others = _parted(chunk, tokenizer)
        unknown += others
        kept += known
    unknown += signs_outside(text, [*kept, *unknown])
    # Punctuation alone is no query.
    if not any(character.isalnum() for word in kept for character in word):
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


def _parted(chunk: str, tokenizer: CaptionTokenizer) -> tuple[list[str], list[str]]:
    """The known and the unknown words between two spaces."""
    all_ids = tokenizer.encode(chunk, _UNLIMITED)[1:-1]
    ids = [index for index in all_ids if index != tokenizer.unknown_id]
    known: list[str] = []
    unknown: list[str] = []
    for word, places in tokenizer.words(ids):
        spelling = [ids[place] for place in places if ids[place] not in tokenizer.mark_ids]
        (known if _is_known(word, spelling, tokenizer) else unknown).append(word)
    if len(ids) == len(all_ids) and not unknown:
        return [chunk], []  # whole: apart, its words would lose how they are joined
    if len(ids) < len(all_ids) and not unknown:
        rest = chunk.lower()
        for word in known:
            rest = rest.replace(word.lower(), "", 1)
        if not known or any(map(str.isalnum, rest)):  # unknown punctuation beside words is nothing
            unknown.append(chunk)
    return known, unknown


def _is_known(word: str, spelling: Sequence[int], tokenizer: CaptionTokenizer) -> bool:
    if len(spelling) == 1:
        return True
    pieces = [tokenizer.decode([index]) for index in spelling]
    return 2 * sum(len(piece) for piece in pieces if len(piece) >= _MIN_PIECE) >= len(word)
