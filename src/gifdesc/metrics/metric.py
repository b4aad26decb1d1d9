"""What a metric is: numbers per example, and a score from their sums.

Every metric here is a function of sums over examples: BLEU of n-gram counts, ROUGE-L and CIDEr of
the examples' own scores. So one pass over the captions gives the score of the whole corpus, of
each example, and of any resample of the examples (bootstrap intervals).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gifdesc.metrics.captions import Example

Statistics = tuple[float, ...]


@dataclass(frozen=True)
class Metric:
    """A metric, or a family computed together.

    Attributes:
        names: what it is called in results, in order.
        statistics: examples -> for each of them a tuple of numbers, all of one length. It sees all
            examples at once, because some metrics weigh words by how common they are.
        summarize: (sums of the statistics, number of examples summed) -> one score per name.
    """

    names: tuple[str, ...]
    statistics: Callable[[Sequence[Example]], list[Statistics]]
    summarize: Callable[[Statistics, int], tuple[float, ...]]


def mean(totals: Statistics, num_examples: int) -> tuple[float, ...]:
    """Gives the mean of each statistic: `Metric.summarize` for scores made per example."""
    return tuple(total / num_examples for total in totals)
