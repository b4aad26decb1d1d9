"""Captions against references: every metric at once, over one tokenization."""

from collections.abc import Sequence
from dataclasses import dataclass

from gifdesc.metrics.base import Example, Metric, Statistics, tokenize_examples
from gifdesc.metrics.bleu import BLEU
from gifdesc.metrics.cider import CIDER
from gifdesc.metrics.rouge import ROUGE_L


def metric_label(name: str) -> str:
    """What a person calls a score: `bleu_4` is BLEU-4."""
    return _METRIC_LABELS.get(name, name.replace("_", " "))


_METRIC_LABELS = {
    **{f"bleu_{n}": f"BLEU-{n}" for n in range(1, 5)},
    "meteor": "METEOR",
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr",
}


METRICS: tuple[Metric, ...] = (BLEU, ROUGE_L, CIDER)
"""The metrics that need nothing but Python."""

METRIC_NAMES = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l", "cider")
"""The keys of every result, in order."""

Scores = dict[str, float | None]
"""`METRIC_NAMES` -> score, or None where the metric was not computed."""


@dataclass(frozen=True)
class ScoreTable:
    """What the scores of a corpus, of its examples and of resamples are computed from.

    Attributes:
        num_examples: number of examples, at least 1.
        columns: each metric with its statistics, one tuple per example.
    """

    num_examples: int
    columns: tuple[tuple[Metric, list[Statistics]], ...]

    @classmethod
    def of(cls, examples: Sequence[Example], metrics: Sequence[Metric] = METRICS) -> "ScoreTable":
        """Computes the statistics of `metrics` for `examples`."""
        return cls(
            len(examples), tuple((metric, metric.statistics(examples)) for metric in metrics)
        )

    def corpus(self, indices: Sequence[int] | None = None) -> Scores:
        """Gives the scores of all examples, or of those at `indices` (repeats count again).

        CIDEr's document frequencies stay those of all examples.
        """
        chosen = range(self.num_examples) if indices is None else indices
        return self._scores(chosen)

    def examples(self) -> list[Scores]:
        """Gives the scores of each example by itself, in order."""
        return [self._scores((index,)) for index in range(self.num_examples)]

    def _scores(self, indices: Sequence[int]) -> Scores:
        scores: Scores = dict.fromkeys(METRIC_NAMES)
        for metric, rows in self.columns:
            columns = zip(*(rows[index] for index in indices), strict=True)
            totals = tuple(map(sum, columns))
            scores.update(zip(metric.names, metric.summarize(totals, len(indices)), strict=True))
        return scores


def score(hypotheses: list[str], references: list[list[str]]) -> Scores:
    """Gives the scores of a corpus: what the coco-caption toolkit gives for it.

    Args:
        hypotheses: one caption per example, as written; it may be empty.
        references: for each example, one or more captions, as written.

    Returns:
        `METRIC_NAMES` -> score: BLEU and ROUGE-L in 0 to 1, CIDEr in 0 to 10 (always 0 for a
        single example, whose words are in every document). "meteor" is None.

    Raises:
        ValueError: the two differ in length, there is no example, or one has no reference.
    """
    return ScoreTable.of(tokenize_examples(hypotheses, references)).corpus()


def score_examples(hypotheses: list[str], references: list[list[str]]) -> list[Scores]:
    """Gives the scores of each example, in order, with the arguments and ranges of `score`.

    BLEU is computed for each example alone, so its mean is not the corpus BLEU; ROUGE-L and CIDEr
    (with the document frequencies of all examples) average to theirs.
    """
    return ScoreTable.of(tokenize_examples(hypotheses, references)).examples()
