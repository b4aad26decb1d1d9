"""Find GIFs by the words of captions that were made before: BM25, without a model."""

from __future__ import annotations

import logging
import re
import unicodedata
from pathlib import Path

from gifdesc.data.descriptions import read_descriptions
from gifdesc.data.forms.base import CaptionSource
from gifdesc.data.forms.registry import read_captions
from gifdesc.errors import DescriptionError, UsageError
from gifdesc.metrics import tokenize, tokenize_all
from gifdesc.search.gifs import MovedGifs, check_top, ranked, rounded, tie_notes
from gifdesc.search.results import SearchHit, SearchResult
from gifdesc.search.units import signs_outside
from gifdesc.system.wording import list_some

_BREAKS = re.compile("[\\s\N{HYPHEN}\N{NON-BREAKING HYPHEN}-]")


def search_captions(
    text: str, captions_path: Path | str, *, top: int = 10, gifs_dir: Path | str | None = None
) -> SearchResult:
    """The GIFs whose captions contain the words of a query, the rarer words counting more.

    A caption's score is its BM25 (Robertson & Zaragoza 2009, "The Probabilistic Relevance
    Framework"), by the library bm25s with its defaults (k1 1.5, b 0.75). A GIF counts by its best
    caption. Case and punctuation do not matter, and the parts of `red-haired` are words of their
    own; `falls` and `fall` are different words.

    Args:
        text: the query.
        captions_path: captions by any system, in any form that names its GIFs, or a folder of
            descriptions.
        top: GIFs to find; those without a word of the query are never found.
        gifs_dir: the folder of the GIFs, if the captions' paths are not theirs.

    Raises:
        UsageError: the query has no word, or no caption contains a word of it.
        DescriptionError: the captions cannot be read.
        ValueError: `top` is below 1.
    """
    check_top(top)
    import bm25s

    if not text.strip():
        raise UsageError("the query is empty: write what the GIF should show")
    words = _words(tokenize(_composed(text)))
    if not words:
        shown = list_some(text.split())
        raise UsageError(f"the query has no word ({shown}); write what the GIF should show")
    path = Path(captions_path)
    moved = None if gifs_dir is None else MovedGifs(Path(gifs_dir))
    captions, problems = _read(path)
    rows = [(name, caption) for name, group in captions.items() for caption in group]
    tokenized = tokenize_all([_composed(caption) for _, caption in rows])
    documents = [_words(caption) for caption in tokenized]
    known = {word for document in documents for word in document}
    if not known & set(words):
        raise UsageError(
            f"{path}: no caption contains any of these words ({list_some(words)}); use words of "
            "the captions, in their language"
        )
    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it logs to stderr by itself
    index = bm25s.BM25()
    index.index(documents, show_progress=False)
    scores = rounded(index.get_scores([word for word in words if word in known]).tolist())
    best: dict[str, tuple[float, str]] = {}
    for (name, caption), score in zip(rows, scores, strict=True):
        if score > best.get(name, (0.0, ""))[0]:
            best[name] = score, caption
    names = list(best)
    best_scores = [best[name][0] for name in names]
    order = ranked(best_scores, names, top)
    hits = tuple(
        SearchHit(
            rank=rank,
            path=names[place] if moved is None else moved.path(names[place]),
            score=best[names[place]][0],
            caption=best[names[place]][1],
        )
        for rank, place in enumerate(order, start=1)
    )
    unknown = [word for word in dict.fromkeys(words) if word not in known]
    verb = "is" if len(unknown) == 1 else "are"
    notes = [f"{list_some(unknown)} {verb} in no caption"] if unknown else []
    if signs := signs_outside(text, words):
        verb = "is no word and does" if len(signs) == 1 else "are no words and do"
        notes.append(f"{list_some(signs)} {verb} not count")
    notes += tie_notes(best_scores, top)
    return SearchResult(
        kind="captions",
        hits=hits,
        num_gifs=len(captions),
        notes=tuple(notes),
        problems=tuple(problems),
    )


def _words(tokenized: str) -> list[str]:
    """The words of a tokenized text, in which `red-haired` is one token."""
    return [word for word in _BREAKS.split(tokenized) if word]


def _composed(text: str) -> str:
    """A text whose accents are parts of their letters, however it was typed."""
    return unicodedata.normalize("NFC", text)


def _read(path: Path) -> tuple[dict[str, list[str]], list[str]]:
    """The captions by the names of the GIFs, and the lines that cannot be used."""
    found: dict[str, list[str]] = {}
    problems: list[str] = []
    if path.is_dir():
        descriptions = read_descriptions(path)
        found = {name: list(captions) for name, captions in descriptions.captions.items()}
        problems = list(descriptions.problems)
    else:
        for line in read_captions(CaptionSource(path), None, option=None, needs_names=True):
            if line.problem is not None and not line.is_empty:
                problems.append(f"{line.place(path)}: {line.problem}")
            elif line.left_out is None:
                kept = [caption for caption in line.captions if caption.strip()]
                if kept:
                    found.setdefault(line.name, []).extend(kept)
    if not found:
        raise DescriptionError(f"{path}: contains no caption")
    return found, problems
