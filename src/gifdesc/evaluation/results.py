"""Captions with their references and scores: what an evaluation gives."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gifdesc.captions import Word
from gifdesc.config import to_json
from gifdesc.evaluation.bootstrap import Difference, Interval
from gifdesc.metrics import Scores, tokenize
from gifdesc.metrics.scoring import EXACT_MATCH
from gifdesc.system.files import write_json_lines, writing


def plain(scores: Scores) -> dict[str, float | None]:
    """The scores without `exact_match`."""
    return {name: value for name, value in scores.items() if name != EXACT_MATCH}


BLIND, NEAREST, MOST_COMMON = "blind", "nearest", "most-common"
BASELINES = (BLIND, NEAREST, MOST_COMMON)


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """One GIF's caption beside what people said.

    Attributes:
        name: the GIF's.
        caption: the system's, empty where it has none.
        references: one or more by people.
        words: the caption word by word, with the weights over the frames where the model attends.
        doubts: why the caption is doubtful, a clause each; see `model.confidence`.
    """

    name: str
    caption: str
    references: tuple[str, ...]
    words: tuple[Word, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ScoredCaption(Captioned):
    """One GIF's caption with its scores.

    Attributes:
        scores: the metrics, and `exact_match` (0 or 1), of this example by itself.
        baselines: baseline -> its caption for this GIF.
    """

    scores: Scores
    baselines: dict[str, str] = field(default_factory=dict)

    @property
    def is_exact(self) -> bool:
        """The caption equals a reference, case and punctuation apart."""
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
        metrics: the keys of `metrics.scoring.metric_names`; None where not computed.
        intervals: 95 % bootstrap intervals of these and of `exact_match`; None for one GIF.
        baselines: `blind` (each GIF captioned from another GIF's features), `nearest` (the most
            similar training GIF's caption), `most-common` (one caption for all) -> the same
            metrics and `exact_match`; None where not computed.
        exact_match: share of captions that equal a reference, case and punctuation apart.
        diversity: how varied the captions are.
        loss: cross-entropy per token in nats; None for captions without a model.
        token_accuracy: share of tokens predicted right given the words before.
        against: metric -> how another system's captions differ; None where there is none.
        notes: why something is None, and what else a reader must know.
        split: which of a model's splits was scored; None for captions without a model.
        warnings: where a score means less than it seems to, or the captions are no better than
            what costs nothing.
        captions: per example its name, caption, references and scores.
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
        """Exponential of the loss, None where that is beyond any float."""
        try:
            return None if self.loss is None else math.exp(self.loss)
        except OverflowError:
            return None

    @property
    def visual_gain(self) -> Scores | None:
        """What looking at the GIF contributes: each score minus the blind one."""
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
        warnings = [f"{name}: {why}" for name, why in self.warnings.items()]
        return {**row, "notes": {**self.notes, **self.warnings}, "warnings": warnings}


def write_per_example(path: Path, captions: Sequence[ScoredCaption]) -> None:
    """Write one JSON object a line, in the order of the GIFs.

    Raises:
        GifdescError: the file cannot be written.
    """
    with writing(path):
        write_json_lines(path, (one.to_json() for one in captions))


def _lists(intervals: dict[str, Interval] | None) -> dict[str, list[float]] | None:
    return None if intervals is None else {name: list(one) for name, one in intervals.items()}


def _minus(score: float | None, other: float | None) -> float | None:
    return None if score is None or other is None else score - other


@dataclass(frozen=True)
class Diversity:
    """What a set of captions has beside accuracy.

    Attributes:
        distinct_captions: different captions among all.
        vocabulary_size: different words in them, case and punctuation apart.
        in_training: share of captions that stand word for word in the training set, case and
            punctuation apart, in [0, 1]; None where no training set is known.
        mean_length: words per caption.
    """

    distinct_captions: int
    vocabulary_size: int
    in_training: float | None
    mean_length: float


def diversity(captions: Sequence[str], training_captions: Collection[str] = ()) -> Diversity:
    """How varied some captions are.

    Args:
        captions: one or more, as written.
        training_captions: what the system learnt from; empty where that is not known.
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
