"""The results of a search, and their form in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from gifdesc.captions import Word

SearchKind = Literal["words", "like", "captions"]

SCORE_DECIMALS = 6
"""Of the scores of a search; what is beyond them is noise of 32-bit floats."""


@dataclass(frozen=True, kw_only=True)
class SearchHit:
    """A GIF that a search found.

    Attributes:
        rank: from 1.
        path: of the GIF; its name if its place is unknown.
        score: the higher, the better; its meaning depends on the kind of search.
        caption: the caption that was searched; None in other searches.
        words: the query word by word, with its weights over the frames.
        sampled_frames: the frames that the weights are of; empty if they are unknown.
    """

    rank: int
    path: str
    score: float
    caption: str | None = None
    words: tuple[Word, ...] = ()
    sampled_frames: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A line of `gifdesc search --json`; the score to 6 decimals."""
        row: dict[str, Any] = {
            "path": self.path,
            "rank": self.rank,
            "score": round(self.score, SCORE_DECIMALS) + 0.0,
        }
        return row if self.caption is None else {**row, "caption": self.caption}


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a search found.

    Attributes:
        kind: of the search.
        hits: the best GIFs, best first.
        num_gifs: GIFs that were ranked.
        query_path: the path of the GIF that the others are compared with, or its name in the
            features folder; None in other searches.
        is_in_folder: whether that GIF is one of the folder, so that no backbone was needed.
        notes: what was left out, a sentence each.
        problems: the feature files that cannot be used, a sentence each.
    """

    kind: SearchKind
    hits: tuple[SearchHit, ...]
    num_gifs: int
    query_path: str | None = None
    is_in_folder: bool = False
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
