"""Score captions against references: every metric at once, over one tokenization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gifdesc.metrics.base import Metric, Statistics, TokenizedExample, tokenize_examples
from gifdesc.metrics.bleu import BLEU
from gifdesc.metrics.cider import CIDER
from gifdesc.metrics.meteor import METEOR
from gifdesc.metrics.rouge import ROUGE_L

METRICS: tuple[Metric, ...] = (BLEU, METEOR, ROUGE_L, CIDER)
"""Every metric, in the order of results. Adding one here adds it to scores, tables and pages."""

MAIN_METRICS = (CIDER, ROUGE_L)
"""The metrics that order captions and judge a system; see `main_metric`."""

EXACT_MATCH = "exact_match"
"""The key of a score beside the metrics: whether a caption equals a reference."""

Scores = dict[str, float | None]
"""`metric_names()` -> score; None if the metric was not computed."""


def metric_names() -> tuple[str, ...]:
    """The keys of every result, in order."""
    return tuple(name for metric in METRICS for name in metric.names)


def metric_label(name: str) -> str:
    """The name of a score for readers: BLEU-4 for `bleu_4`."""
    labels = {
        known: label
        for metric in METRICS
        for known, label in zip(metric.names, metric.labels, strict=True)
    }
    return labels.get(name, name.replace("_", " "))


def metric_maximum(name: str) -> float:
    """The score of perfect captions; 1 for shares such as `exact_match`."""
    return next((metric.maximum for metric in METRICS if name in metric.names), 1.0)


def example_metric_names() -> tuple[str, ...]:
    """The metrics that are shown for a single caption, the most informative first."""
    names = [
        name
        for metric in METRICS
        for name in (metric.names if metric.example_names is None else metric.example_names)
    ]
    return tuple(reversed(names))


def main_metric(num_examples: int) -> str:
    """The metric that orders captions and judges a system on that many examples."""
    usable = (metric for metric in MAIN_METRICS if num_examples >= metric.min_examples)
    return next(usable, MAIN_METRICS[-1]).names[0]


def warnings_of_metrics(num_examples: int) -> dict[str, str]:
    """The metrics that mean little on that many examples, and why."""
    return {
        name: f"means little on fewer than {metric.min_examples} GIFs: {metric.min_reason}"
        for metric in METRICS
        if num_examples < metric.min_examples
        for name in metric.names
    }


@dataclass(frozen=True)
class ScoreTable:
    """The statistics that scores of a corpus, of its examples and of resamples are computed from.

    Attributes:
        num_examples: number of examples, at least 1.
        columns: each metric with its statistics, one tuple per example.
    """

    num_examples: int
    columns: tuple[tuple[Metric, list[Statistics]], ...]

    @classmethod
    def of(
        cls, examples: Sequence[TokenizedExample], metrics: Sequence[Metric] | None = None
    ) -> ScoreTable:
        """The table of some examples.

        Args:
            examples: tokenized captions with their references.
            metrics: None for all of `METRICS`. Metrics without statistics are left out.
        """
        columns = [
            (metric, metric.statistics(examples))
            for metric in (METRICS if metrics is None else metrics)
            if metric.statistics is not None
        ]
        return cls(len(examples), tuple(columns))

    def corpus(self) -> Scores:
        """The scores of all examples together."""
        return self._scores(range(self.num_examples))

    def examples(self) -> list[Scores]:
        """The scores of each example by itself, in order.

        BLEU is computed for each example alone, so its mean is not the corpus BLEU; ROUGE-L and
        CIDEr (with the document frequencies of all examples) average to theirs.
        """
        return [self._scores((index,)) for index in range(self.num_examples)]

    def _scores(self, indices: Sequence[int]) -> Scores:
        scores: Scores = dict.fromkeys(metric_names())
        for metric, rows in self.columns:
            columns = zip(*(rows[index] for index in indices), strict=True)
            totals = tuple(map(sum, columns))
            scores.update(zip(metric.names, metric.summarize(totals, len(indices)), strict=True))
        return scores


def score(hypotheses: list[str], references: list[list[str]]) -> Scores:
    """The scores of a corpus, equal to those of the coco-caption toolkit.

    Args:
        hypotheses: one caption per example, as written; it may be empty.
        references: for each example, one or more captions, as written.

    Returns:
        `metric_names()` -> score: BLEU and ROUGE-L in 0 to 1, CIDEr in 0 to 10 (always 0 for a
        single example, whose words are in every document). "meteor" is None.

    Raises:
        ValueError: the two differ in length, there is no example, or one has no reference.
    """
    return ScoreTable.of(tokenize_examples(hypotheses, references)).corpus()
