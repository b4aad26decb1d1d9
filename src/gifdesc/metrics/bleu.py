"""BLEU-1 to BLEU-4 (Papineni et al. 2002, "BLEU: a method for automatic evaluation of MT").

Section 2.1 gives the clipped n-gram precision, section 2.2 the brevity penalty, section 2.3 their
combination. As in the coco-caption toolkit, the reference length is the length closest to that of
the hypothesis (the shorter of two equally close), and small constants keep precisions of 0 finite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gifdesc.metrics.base import MAX_ORDER, Metric, Statistics, TokenizedExample

_NUMERATOR_FLOOR = 1e-15
_DENOMINATOR_FLOOR = 1e-9
"""Added to the counts (and lengths) of every ratio, as the coco-caption toolkit does."""


def bleu_statistics(examples: Sequence[TokenizedExample]) -> list[Statistics]:
    """The counts that BLEU is computed from, for each example.

    Each tuple contains the number of the hypothesis's n-grams found in the references (clipped) for
    n from 1 to 4, the number of its n-grams for n from 1 to 4, its length, and the closest
    reference length, in tokens.
    """
    return [_counts(example) for example in examples]


def bleu(totals: Statistics, num_examples: int) -> tuple[float, ...]:  # noqa: ARG001
    """BLEU-1 to BLEU-4, each in 0 to 1, from summed `bleu_statistics`.

    Orders that no hypothesis is long enough for count as a precision of 1e-6.
    """
    matches, ngrams = totals[:MAX_ORDER], totals[MAX_ORDER : 2 * MAX_ORDER]
    hypothesis_length, reference_length = totals[2 * MAX_ORDER :]
    ratio = _ratio(hypothesis_length, reference_length)
    brevity_penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    scores = []
    product = 1.0
    for order, (matched, total) in enumerate(zip(matches, ngrams, strict=True), start=1):
        product *= _ratio(matched, total)
        scores.append(product ** (1 / order) * brevity_penalty)
    return tuple(scores)


BLEU = Metric(
    names=tuple(f"bleu_{order}" for order in range(1, MAX_ORDER + 1)),
    labels=tuple(f"BLEU-{order}" for order in range(1, MAX_ORDER + 1)),
    statistics=bleu_statistics,
    summarize=bleu,
    example_names=("bleu_1", "bleu_4"),
)


def _counts(example: TokenizedExample) -> Statistics:
    length = len(example.hypothesis.tokens)
    matches = [_num_matches(example, order) for order in range(MAX_ORDER)]
    ngrams = [max(0, length - order) for order in range(MAX_ORDER)]
    reference_lengths = [len(reference.tokens) for reference in example.references]
    closest = min(reference_lengths, key=lambda other: (abs(other - length), other))
    return (*matches, *ngrams, length, closest)


def _num_matches(example: TokenizedExample, order: int) -> int:
    references = [reference.ngram_counts[order] for reference in example.references]
    return sum(
        min(count, max([counts.get(gram, 0) for counts in references]))
        for gram, count in example.hypothesis.ngram_counts[order].items()
    )


def _ratio(numerator: float, denominator: float) -> float:
    return (numerator + _NUMERATOR_FLOOR) / (denominator + _DENOMINATOR_FLOOR)
