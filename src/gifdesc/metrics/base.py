"""Tokenized captions, the examples that are scored, and the form of every metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from gifdesc.metrics.tokenizer import tokenize_all

MAX_ORDER = 4
"""Longest n-grams that BLEU (Papineni et al. 2002) and CIDEr (Vedantam et al. 2015) count."""

Ngram = tuple[str, ...]


@dataclass(frozen=True)
class TokenizedCaption:
    """A caption as the metrics see it.

    Attributes:
        text: its tokens joined by single spaces; "" for a caption without words.
    """

    text: str

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The words, separated by any white space, such as the no-break space in "3 1/2"."""
        return tuple(self.text.split())

    @cached_property
    def ngram_counts(self) -> tuple[Counter[Ngram], ...]:
        """The number of times that each n-gram occurs: a counter for each n from 1 to 4."""
        tokens = self.tokens
        return tuple(
            Counter(zip(*(tokens[start:] for start in range(order)), strict=False))
            for order in range(1, MAX_ORDER + 1)
        )


@dataclass(frozen=True)
class TokenizedExample:
    """A tokenized hypothesis, and the references (at least one) it is scored against."""

    hypothesis: TokenizedCaption
    references: tuple[TokenizedCaption, ...]


def tokenize_examples(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> list[TokenizedExample]:
    """A tokenized example per hypothesis, in the order given.

    Args:
        hypotheses: one caption per example, as written.
        references: for each example, one or more captions, as written.

    Raises:
        ValueError: the two differ in length, there is no example, or one has no reference.
        TypeError: the references of an example are one string instead of a sequence of them.
    """
    _check(hypotheses, references)
    hypothesis_texts = tokenize_all(hypotheses)
    reference_texts = iter(tokenize_all([caption for group in references for caption in group]))
    return [
        TokenizedExample(
            TokenizedCaption(text),
            tuple(TokenizedCaption(next(reference_texts)) for _ in group),
        )
        for text, group in zip(hypothesis_texts, references, strict=True)
    ]


def _check(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    if len(hypotheses) != len(references):
        raise ValueError(
            f"{len(hypotheses)} hypotheses but references for {len(references)} examples: "
            "give one list of references per hypothesis"
        )
    if not hypotheses:
        raise ValueError("no examples to score")
    for index, group in enumerate(references):
        if isinstance(group, str):
            raise TypeError(
                f"the references of example {index} are one string: give a list of captions"
            )
        if not group:
            raise ValueError(f"example {index} has no references")


Statistics = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric, or a family computed together. Scores are 0 to `maximum`, higher is better.

    Attributes:
        names: its keys in results, in order.
        labels: its names for readers, in the same order.
        statistics: examples -> for each of them a tuple of numbers, all of one length. It sees all
            examples at once, because some metrics weigh words by how common they are. None for a
            metric that needs a running program.
        summarize: (sums of the statistics, number of examples summed) -> one score per name.
        maximum: the score of perfect captions.
        example_names: those of `names` that are shown for single captions; None for all.
        min_examples: on fewer examples the scores mean little.
        min_reason: why, as the end of a sentence.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    statistics: Callable[[Sequence[TokenizedExample]], list[Statistics]] | None
    summarize: Callable[[Statistics, int], tuple[float, ...]]
    maximum: float = 1.0
    example_names: tuple[str, ...] | None = None
    min_examples: int = 1
    min_reason: str = ""


def mean(totals: Statistics, num_examples: int) -> tuple[float, ...]:
    """The mean of each statistic: `Metric.summarize` for scores made per example."""
    return tuple(total / num_examples for total in totals)
