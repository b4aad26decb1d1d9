"""The results of an evaluation: captions with their references and scores."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gifdesc.captions import Word
from gifdesc.config import to_json
from gifdesc.evaluation.bootstrap import Difference, Interval
from gifdesc.metrics import Scores, tokenize
from gifdesc.metrics.scoring import EXACT_MATCH
from gifdesc.system.files import check_own, write_json_lines, writing
from gifdesc.system.json_files import parse_json

if TYPE_CHECKING:  # retrieval needs PyTorch, which the scores of captions do not
    from gifdesc.evaluation.retrieval import Retrieval


def plain(scores: Scores) -> dict[str, float | None]:
    """The scores without `exact_match`."""
    return {name: value for name, value in scores.items() if name != EXACT_MATCH}


BLIND, NEAREST, MOST_COMMON = "blind", "nearest", "most-common"
BASELINES = (BLIND, NEAREST, MOST_COMMON)


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """The caption of a GIF, with its references.

    Attributes:
        name: the name of the GIF.
        caption: of the system; empty if it has none.
        references: captions by people, at least one.
        words: the caption word by word, with its weights over the frames if the model attends.
        doubts: why the caption is doubtful, a clause each; see `model.confidence`.
    """

    name: str
    caption: str
    references: tuple[str, ...]
    words: tuple[Word, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class OtherCaption:
    """Another system's caption of a GIF.

    Attributes:
        caption: as written; empty if the system has none.
        scores: of this example alone, as in `ScoredCaption`.
    """

    caption: str
    scores: Scores


@dataclass(frozen=True, kw_only=True)
class ScoredCaption(Captioned):
    """The caption of a GIF with its scores.

    Attributes:
        scores: the metrics, and `exact_match` (0 or 1), of this example alone.
        baselines: baseline -> its caption for this GIF.
        against: the caption of the other system that the evaluation compares with, if any.
    """

    scores: Scores
    baselines: dict[str, str] = field(default_factory=dict)
    against: OtherCaption | None = None

    @property
    def is_exact(self) -> bool:
        """Whether the caption equals a reference, except for case and punctuation."""
        return self.scores[EXACT_MATCH] == 1

    def to_json(self) -> dict[str, Any]:
        """A line of `gifdesc evaluate --per-example`."""
        return {
            "id": self.name,
            "caption": self.caption,
            "references": list(self.references),
            "metrics": plain(self.scores),
            "exact_match": self.is_exact,
            "baselines": self.baselines,
        }


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The scores of captions against references. Shares are in [0, 1].

    Attributes:
        num_examples: GIFs scored.
        metrics: the keys of `metrics.scoring.metric_names`; None if not computed.
        intervals: 95 % bootstrap intervals of these and of `exact_match`; None for one GIF.
        baselines: `blind` (each GIF captioned from another GIF's features), `nearest` (the most
            similar training GIF's caption), `most-common` (one caption for all) -> the same
            metrics and `exact_match`; None if not computed.
        exact_match: share of captions that equal a reference, case and punctuation apart.
        diversity: how varied the captions are.
        loss: cross-entropy per token in nats; None for captions without a model.
        token_accuracy: share of tokens predicted right given the words before.
        against: metric -> the difference to another system; None without one.
        notes: why a value is None, and other notes for the reader.
        split: which of a model's splits was scored; None for captions without a model.
        warnings: why a score means less than it seems to, or which baseline the captions do not
            beat.
        captions: the scored examples.
        retrieval: how well words find their GIF, and a GIF its words; None if not asked for.
    """

    num_examples: int
    metrics: Scores
    intervals: dict[str, Interval] | None
    baselines: dict[str, Scores | None]
    exact_match: float
    diversity: Diversity
    loss: float | None = None
    token_accuracy: float | None = None
    against: dict[str, Difference] | None = None
    split: str | None = None
    notes: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, str] = field(default_factory=dict)
    captions: list[ScoredCaption] = field(default_factory=list)
    retrieval: Retrieval | None = None

    @property
    def scores(self) -> Scores:
        """The metrics and `exact_match`."""
        return {**self.metrics, EXACT_MATCH: self.exact_match}

    def others(self, against: str) -> dict[str, Scores]:
        """The baselines that were computed and the other system -> their scores.

        Args:
            against: what to call the other system.
        """
        found = {name: scores for name, scores in self.baselines.items() if scores}
        if self.against is not None:
            found[against] = {name: each.score for name, each in self.against.items()}
        return found

    @property
    def blind(self) -> Scores | None:
        """The scores when each GIF is captioned from another GIF's features."""
        return self.baselines[BLIND]

    @property
    def distinct_captions(self) -> int:
        """Different captions among all."""
        return self.diversity.distinct_captions

    @property
    def perplexity(self) -> float | None:
        """Exponential of the loss; None if it is too large for a float."""
        try:
            return None if self.loss is None else math.exp(self.loss)
        except OverflowError:
            return None

    @property
    def visual_gain(self) -> Scores | None:
        """The contribution of the GIF: each score minus that of the blind control."""
        if self.blind is None:
            return None
        return {name: _minus(self.scores[name], blind) for name, blind in self.blind.items()}

    def to_json(self) -> dict[str, Any]:
        """The object of `gifdesc evaluate --json`."""
        row = {
            "num_examples": self.num_examples,
            "split": self.split,
            "metrics": self.metrics,
            "intervals": _lists(self.intervals),
            "blind": self.blind,
            "baselines": self.baselines,
            "visual_gain": self.visual_gain,
            "loss": self.loss,
            "perplexity": self.perplexity,
            "token_accuracy": self.token_accuracy,
            "exact_match": self.exact_match,
            "distinct_captions": self.distinct_captions,
            "diversity": to_json(self.diversity),
        }
        if self.against is not None:
            row["against"] = {
                name: {**to_json(difference), "interval": list(difference.interval)}
                for name, difference in self.against.items()
            }
        if self.retrieval is not None:
            row["retrieval"] = self.retrieval.to_json()
        warnings = [f"{name}: {why}" for name, why in self.warnings.items()]
        return {**row, "notes": {**self.notes, **self.warnings}, "warnings": warnings}


def check_per_example_path(path: Path) -> None:
    """Check, before long work, that a file with scores of each GIF would replace no other file.

    Raises:
        GifdescError: it would.
    """

    def is_own(start: bytes) -> bool:
        try:
            row = parse_json(start.splitlines()[0])
        except ValueError:
            return False
        return isinstance(row, dict) and {"id", "metrics", "exact_match"} <= row.keys()

    with writing(path):
        check_own(path, is_own)


def write_per_example(path: Path, captions: Sequence[ScoredCaption]) -> None:
    """Write one JSON object a line, in the order of the GIFs.

    Raises:
        GifdescError: the file cannot be written.
    """
    with writing(path):
        write_json_lines(path, (scored.to_json() for scored in captions))


def _lists(intervals: dict[str, Interval] | None) -> dict[str, list[float]] | None:
    return (
        None
        if intervals is None
        else {name: list(interval) for name, interval in intervals.items()}
    )


def _minus(score: float | None, other: float | None) -> float | None:
    return None if score is None or other is None else score - other


@dataclass(frozen=True)
class Diversity:
    """The variety of a set of captions.

    Attributes:
        distinct_captions: different captions among all.
        vocabulary_size: different words in them, case and punctuation apart.
        in_training: share of captions that equal a training caption, except for case and
            punctuation, in [0, 1]; None without a training set.
        mean_length: words per caption.
    """

    distinct_captions: int
    vocabulary_size: int
    in_training: float | None
    mean_length: float


def diversity(captions: Sequence[str], training_captions: Collection[str] = ()) -> Diversity:
    """The variety of some captions.

    Args:
        captions: as written, at least one.
        training_captions: captions of the training set; empty if they are unknown.
    """
    texts = [tokenize(caption) for caption in captions]
    words = [word for text in texts for word in text.split()]
    known = {tokenize(caption) for caption in training_captions}
    return Diversity(
        distinct_captions=len(set(captions)),
        vocabulary_size=len(set(words)),
        in_training=sum(text in known for text in texts) / len(texts) if known else None,
        mean_length=len(words) / len(texts),
    )
