"""The records of a caption: its words, the alternatives, and its form in JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Word:
    """One word of a caption.

    Attributes:
        word: as in the vocabulary, with its pieces joined.
        log_prob: natural log-probability, summed over its tokens.
        frame_weights: T weights over the sampled frames, averaged over its tokens, which sum to
            1; None where the model does not attend.
        time_ms: the time of the frame with the largest weight; None without frame weights.
    """

    word: str
    log_prob: float
    frame_weights: tuple[float, ...] | None
    time_ms: int | None = None


@dataclass(frozen=True)
class GeneratedCaption:
    """A caption that a model generated.

    Attributes:
        caption: clean text.
        score: mean log-probability per token, the end token counted.
        words: the caption word by word.
        is_cut: it ran into the length limit.
        tokens: of the caption, without start and end token; empty if unknown.
    """

    caption: str
    score: float
    words: tuple[Word, ...]
    is_cut: bool = False
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, repr=False)
class Caption:
    """The caption of a GIF, or the reason why there is none.

    Attributes:
        path: the GIF.
        caption: clean text; None if there is an `error`.
        score: mean log-probability per token.
        low_confidence: whether the caption is doubtful; None without doubts if the model has no
            threshold for the score (model/confidence.py).
        doubts: the reasons for doubt, a clause each.
        alternatives: the n-best captions, the best first.
        num_frames: frames of the file.
        duration_ms: of a single pass through the GIF.
        sampled_frames: indices of the sampled frames.
        sampled_times_ms: the time at which each of them appears.
        words: the caption word by word.
        error: why there is no caption.
        note: anything unusual about the file, such as that it is cut off.
    """

    path: str
    caption: str | None = None
    score: float | None = None
    low_confidence: bool | None = None
    doubts: tuple[str, ...] = ()
    alternatives: tuple[GeneratedCaption, ...] = ()
    num_frames: int | None = None
    duration_ms: int | None = None
    sampled_frames: tuple[int, ...] = ()
    sampled_times_ms: tuple[int, ...] = ()
    words: tuple[Word, ...] = ()
    error: str | None = None
    note: str | None = None

    def __repr__(self) -> str:
        """The caption in a line: where it is printed, its words and frames would hide it."""
        shown = repr(_cut(self.caption or "")) if self.error is None else f"error: {self.error}"
        path = "".join(
            c if c.isprintable() else c.encode("unicode_escape").decode() for c in self.path
        )
        score = "" if self.score is None else f", score {self.score:.3f}"
        doubts = ", low confidence" if self.low_confidence else ""
        return f"<Caption of {_cut(path, 40)}: {_cut(shown)}{score}{doubts}>"

    def _repr_html_(self) -> str | None:
        """The caption with its frames, in a notebook."""
        return None if _views.html is None else _views.html(self)

    def to_json(self) -> dict[str, Any]:
        """The line of `gifdesc caption --json`; log-probabilities and weights to 6 decimals."""
        if self.error is not None:
            return {"path": self.path, "error": self.error}
        row = {
            "path": self.path,
            "caption": self.caption,
            "score": _rounded(self.score),
            "low_confidence": self.low_confidence,
            "alternatives": [
                {"caption": alternative.caption, "score": _rounded(alternative.score)}
                for alternative in self.alternatives
            ],
            "num_frames": self.num_frames,
            "duration_ms": self.duration_ms,
            "sampled_frames": list(self.sampled_frames),
            "sampled_times_ms": list(self.sampled_times_ms),
            "words": [
                {
                    "word": word.word,
                    "log_prob": _rounded(word.log_prob),
                    "time_ms": word.time_ms,
                    "frame_weights": None
                    if word.frame_weights is None
                    else [_rounded(weight) for weight in word.frame_weights],
                }
                for word in self.words
            ],
        }
        return row if self.note is None else {**row, "note": self.note}


@dataclass
class _Views:
    """How captions are shown: set by the modules that can read GIFs and draw.

    Attributes:
        html: for a notebook.
    """

    html: Callable[[Caption], str] | None = None


_views = _Views()


def show_in_notebooks(view: Callable[[Caption], str]) -> None:
    """Set how a notebook shows captions."""
    _views.html = view


def _cut(text: str, length: int = 60) -> str:
    """Text of at most so many characters."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _rounded(number: float | None) -> float | None:
    """Rounded to 6 decimals: later decimals are noise of float32, and differ between machines."""
    return None if number is None else round(number, 6)


def moment_ms(word: Word, times_ms: Sequence[int]) -> int | None:
    """The time of the frame with a word's largest weight (of equals, the first).

    Not the mean time by weight: the frames between two moments with weight may show something else.
    """
    if not word.frame_weights:
        return None
    return times_ms[word.frame_weights.index(max(word.frame_weights))]
