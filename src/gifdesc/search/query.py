"""The words of a query as tokens of a model, without the words that the model never learnt."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gifdesc.errors import UsageError
from gifdesc.search.units import is_content, units_of
from gifdesc.system.wording import list_some
from gifdesc.text.tokenizer import CaptionTokenizer
from gifdesc.unspaced import is_unspaced

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
        known, others = _parted(chunk, tokenizer)
        unknown += others
        kept += known
    known_text = " ".join(kept)
    if not any(map(is_content, units_of(known_text))):  # punctuation alone is no query
        raise UsageError(
            f"no word of the query is in the model's vocabulary ({list_some(unknown or [text])}); "
            "write in the language of its captions, with words that they contain"
        )
    # Punctuation, and marks for how words are joined, may be unknown beside known words.
    ids = [
        index
        for index in tokenizer.encode(known_text, _UNLIMITED)[1:-1]
        if index != tokenizer.unknown_id
    ]
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
    """The known parts of a text without spaces, as the vocabulary has them, and the unknown units.

    A part has the punctuation between its units, as in the query.
    """
    ids = tokenizer.encode_word(chunk)
    words = tokenizer.words(ids)
    if tokenizer.unknown_id not in ids and words and all(len(places) == 1 for _, places in words):
        return [chunk], []
    parts = [""]
    unknown: list[str] = []
    for unit in units_of(chunk):
        form = _known_form(unit, tokenizer)
        if form is not None:
            parts[-1] += form
            continue
        parts.append("")
        if is_content(unit):  # unknown punctuation is nothing
            unknown.append(unit)
    if len(parts) == 1:
        return parts, []
    known: list[str] = []
    for part in filter(None, map(_trimmed, parts)):
        if known and is_unspaced(known[-1][-1]) and is_unspaced(part[0]):
            known[-1] += part
        else:
            known.append(part)
    return known, unknown


def _trimmed(part: str) -> str:
    """A part without the punctuation at its ends."""
    units = list(units_of(part))
    places = [place for place, unit in enumerate(units) if is_content(unit)]
    return "".join(units[places[0] : places[-1] + 1]) if places else ""


def _known_form(unit: str, tokenizer: CaptionTokenizer) -> str | None:
    """The unit, or its form in another case or composition, that the model knows; None if none.

    Forms that are a single token come first, then those that pieces spell.
    """
    spellings = {form: tokenizer.encode_word(form) for form in _forms(unit)}
    known = {
        form: ids for form, ids in spellings.items() if ids and tokenizer.unknown_id not in ids
    }
    for form, ids in known.items():
        if len(ids) == 1:
            return form
    for form, ids in known.items():
        if _is_known(form, ids, tokenizer):
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
