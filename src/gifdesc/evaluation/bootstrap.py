"""Bootstrap intervals of scores, and paired comparisons of two systems.

Examples are drawn with replacement (Efron & Tibshirani 1993, chapter 13: the percentile
interval; Koehn 2004, "Statistical significance tests for machine translation evaluation": the same
for corpus scores, and two systems compared on the same draws). A score of a draw is computed from
sums over examples, so a draw costs one row of a matrix product. CIDEr's document frequencies stay
those of all examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gifdesc.metrics import ScoreTable
from gifdesc.metrics.scoring import metric_names

NUM_RESAMPLES = 1000
"""The number of Koehn 2004."""

SEED = 0
"""The same examples always give the same intervals."""

CONFIDENCE = 0.95
"""Share of the resamples within an interval: the conventional level, as in Koehn 2004."""

_CHUNK_NUMBERS = 1 << 22
"""Numbers of the matrix of draws held at a time, 8 bytes each."""

Draws = dict[str, npt.NDArray[np.float64]]
"""Metric -> its score in each resample, float64 (R,)."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """One metric of two systems on the same examples.

    Attributes:
        score: the other system's.
        difference: this system's score minus the other's.
        interval: in which 95 % of the resampled differences lie.
        p_value: of a two-sided test that there is no difference; at least 2 / (R + 1).
    """

    score: float
    difference: float
    interval: Interval
    p_value: float


def resampled_scores(
    tables: Sequence[ScoreTable], *, num_resamples: int = NUM_RESAMPLES, seed: int = SEED
) -> list[Draws]:
    """The scores of several systems on the same resamples of the examples.

    Args:
        tables: of equally many examples, in the same order.
        num_resamples: R.
        seed: another seed gives other resamples.

    Raises:
        ValueError: the tables are of different numbers of examples.
    """
    num_examples = tables[0].num_examples
    if any(table.num_examples != num_examples for table in tables):
        raise ValueError("only tables of the same examples are resampled together")
    columns = [
        [np.array(rows, dtype=np.float64) for _, rows in table.columns] for table in tables
    ]  # each (N, statistics)
    sums: list[list[list[npt.NDArray[np.float64]]]] = [
        [[] for _ in matrices] for matrices in columns
    ]
    random = np.random.default_rng(seed)
    rows_a_chunk = max(1, _CHUNK_NUMBERS // num_examples)
    for first in range(0, num_resamples, rows_a_chunk):
        counts = _draw(random, min(rows_a_chunk, num_resamples - first), num_examples)
        for matrices, parts in zip(columns, sums, strict=True):
            for matrix, chunks in zip(matrices, parts, strict=True):
                chunks.append(counts @ matrix)
    return [_summarized(table, parts) for table, parts in zip(tables, sums, strict=True)]


def intervals(draws: Draws) -> dict[str, Interval]:
    """The 95 % percentile interval of each metric."""
    return {name: _interval(scores) for name, scores in draws.items()}


def differences(
    table: ScoreTable, other: ScoreTable, draws: Draws, other_draws: Draws
) -> dict[str, Difference]:
    """The differences between two systems, for every metric that both have.

    Args:
        table: the system's.
        other: the other's, of the same examples.
        draws: the system's scores on resamples.
        other_draws: the other's on the same resamples.
    """
    scores, other_scores = table.corpus(), other.corpus()
    found = {}
    for name, own_draws in draws.items():
        score, other_score = scores[name], other_scores.get(name)
        if score is None or other_score is None:
            continue
        gaps = own_draws - other_draws[name]
        found[name] = Difference(
            other_score, score - other_score, _interval(gaps), two_sided_p_value(gaps)
        )
    return found


def two_sided_p_value(gaps: npt.NDArray[np.float64]) -> float:
    """Twice the share of resamples on the rarer side of no difference, in (0, 1].

    One resample is counted in on each side, so that no finite number of them gives 0 (Davison &
    Hinkley 1997, section 4.2.5).
    """
    rarer = min(int((gaps <= 0).sum()), int((gaps >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(gaps) + 1))


def _draw(
    random: np.random.Generator, num_resamples: int, num_examples: int
) -> npt.NDArray[np.float64]:
    """How often each resample contains each example: (resamples, N)."""
    picked = random.integers(num_examples, size=(num_resamples, num_examples))
    rows = np.arange(num_resamples)[:, None] * num_examples
    counts = np.bincount((picked + rows).ravel(), minlength=num_resamples * num_examples)
    return counts.reshape(num_resamples, num_examples).astype(np.float64)


def _summarized(table: ScoreTable, sums: list[list[npt.NDArray[np.float64]]]) -> Draws:
    draws: Draws = {}
    for (metric, _), chunks in zip(table.columns, sums, strict=True):
        scores = [
            metric.summarize(tuple(totals), table.num_examples)
            for totals in np.concatenate(chunks).tolist()
        ]
        draws |= dict(zip(metric.names, np.array(scores, dtype=np.float64).T, strict=True))
    names = [name for name in metric_names() if name in draws]
    return {name: draws[name] for name in [*names, *(draws.keys() - set(names))]}


def _interval(scores: npt.NDArray[np.float64]) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(scores, [tail, 1 - tail]).tolist()
    return low, high
