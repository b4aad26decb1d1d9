"""ROUGE-L (Lin 2004, "ROUGE: a package for automatic evaluation of summaries", section 3.1).

The F-measure of the longest common subsequence of hypothesis and reference. With several
references the coco-caption toolkit takes the best precision and the best recall apart, so they may
come from two references.
"""

from __future__ import annotations

from collections.abc import Sequence

from gifdesc.metrics.base import Metric, Statistics, TokenizedExample, mean

BETA = 1.2
"""Weight of recall against precision (Lin 2004, equation 4; the coco-caption toolkit's value)."""


def rouge_l(example: TokenizedExample) -> float:
    """The ROUGE-L of an example, in 0 to 1.

    A caption without words counts as one empty token, as in the coco-caption toolkit: it scores 1
    against a reference without words.
    """
    hypothesis = example.hypothesis.text.split(" ")
    precision = recall = 0.0
    for caption in example.references:
        reference = caption.text.split(" ")
        common = longest_common_subsequence(hypothesis, reference)
        precision = max(precision, common / len(hypothesis))
        recall = max(recall, common / len(reference))
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest sequence that both contain in order, gaps allowed."""
    lengths = [0] * (len(second) + 1)
    for token in first:
        diagonal = 0
        for index, other in enumerate(second, start=1):
            above = lengths[index]
            if token == other:
                lengths[index] = diagonal + 1
            elif lengths[index - 1] > above:
                lengths[index] = lengths[index - 1]
            diagonal = above
    return lengths[-1]


def rouge_l_statistics(examples: Sequence[TokenizedExample]) -> list[Statistics]:
    """The ROUGE-L of each example, as tuples of one number."""
    return [(rouge_l(example),) for example in examples]


ROUGE_L = Metric(
    names=("rouge_l",), labels=("ROUGE-L",), statistics=rouge_l_statistics, summarize=mean
)
