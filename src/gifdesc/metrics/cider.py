"""CIDEr in its CIDEr-D form (Vedantam et al. 2015, arXiv:1411.5726).

Section 4 of the paper gives CIDEr: TF-IDF vectors of n-grams (equation 1), their cosine (equation
2), the mean over n (equation 3). The section on CIDEr-D adds clipping and a Gaussian penalty on the
difference in length, and a factor of 10. The coco-caption toolkit calls this form "CIDEr", and so
does the literature that reports its numbers. Where the paper divides term counts by the caption's
length, the toolkit does not: the cosine cancels it, except in the clipping.

`CiderD` is also the reward of self-critical training (Rennie et al. 2017, arXiv:1612.00563;
Luo 2020, arXiv:2003.09971): build it once from the training captions and score against those.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gifdesc.metrics.base import Metric, Ngram, Statistics, TokenizedCaption, TokenizedExample, mean

SIGMA = 6.0
"""Width of the length penalty, in bigrams (Vedantam et al. 2015, CIDEr-D)."""

SCALE = 10.0
"""Factor that makes a perfect CIDEr-D 10 (Vedantam et al. 2015, CIDEr-D)."""


@dataclass(frozen=True)
class DocumentFrequencies:
    """The number of documents that contain each n-gram. A document is all references of an example.

    Attributes:
        counts: n-gram of 1 to 4 tokens -> number of documents that contain it.
        num_documents: number of documents counted.
    """

    counts: Counter[Ngram]
    num_documents: int

    @classmethod
    def of(cls, documents: Iterable[Sequence[TokenizedCaption]]) -> DocumentFrequencies:
        """The frequencies in some documents."""
        counts: Counter[Ngram] = Counter()
        num_documents = 0
        for document in documents:
            num_documents += 1
            counts.update(
                {gram for text in document for grams in text.ngram_counts for gram in grams}
            )
        return cls(counts, num_documents)


@dataclass(frozen=True)
class TfIdfVector:
    """A caption's n-grams, weighed.

    Attributes:
        weights: for each n from 1 to 4, n-gram -> count times inverse document frequency.
        norms: for each n, the Euclidean length of those weights.
        num_bigrams: length of the caption as the length penalty measures it.
    """

    weights: tuple[dict[Ngram, float], ...]
    norms: tuple[float, ...]
    num_bigrams: int


class CiderD:
    """Scores captions against references, with document frequencies fixed beforehand.

    Args:
        frequencies: the weights are computed from them. With a single document every weight, and
            so every score, is 0.
    """

    def __init__(self, frequencies: DocumentFrequencies) -> None:
        self._log_num_documents = math.log(frequencies.num_documents)
        self._idf = {
            gram: self._log_num_documents - math.log(count)
            for gram, count in frequencies.counts.items()
        }

    def vector(self, caption: TokenizedCaption) -> TfIdfVector:
        """The TF-IDF vector of a caption; an unseen n-gram counts as in one document."""
        idf, unseen = self._idf, self._log_num_documents
        weights = tuple(
            {gram: count * idf.get(gram, unseen) for gram, count in counts.items()}
            for counts in caption.ngram_counts
        )
        norms = tuple(
            math.sqrt(sum(weight * weight for weight in order.values())) for order in weights
        )
        return TfIdfVector(weights, norms, max(0, len(caption.tokens) - 1))

    def score(self, hypothesis: TokenizedCaption, references: Sequence[TokenizedCaption]) -> float:
        """The CIDEr-D of a caption: the mean over its references, in 0 to 10."""
        return self.score_vectors(
            self.vector(hypothesis), [self.vector(reference) for reference in references]
        )

    def score_vectors(self, hypothesis: TfIdfVector, references: Sequence[TfIdfVector]) -> float:
        """`score` from vectors, for callers that score against the same references often."""
        similarities = [similarity(hypothesis, reference) for reference in references]
        return SCALE * sum(similarities) / len(similarities)


def similarity(hypothesis: TfIdfVector, reference: TfIdfVector) -> float:
    """The mean over n of the clipped, length-penalised cosines of two captions, in 0 to 1."""
    difference = hypothesis.num_bigrams - reference.num_bigrams
    penalty = math.exp(-(difference**2) / (2 * SIGMA**2))
    cosines = map(
        _clipped_cosine, hypothesis.weights, hypothesis.norms, reference.weights, reference.norms
    )
    return penalty * sum(cosines) / len(hypothesis.weights)


def _clipped_cosine(
    hypothesis: dict[Ngram, float],
    hypothesis_norm: float,
    reference: dict[Ngram, float],
    reference_norm: float,
) -> float:
    if hypothesis_norm == 0 or reference_norm == 0:
        return 0.0
    product = 0.0
    for gram, weight in hypothesis.items():
        other = reference.get(gram)
        if other is not None:
            product += min(weight, other) * other
    return product / (hypothesis_norm * reference_norm)


def cider_statistics(examples: Sequence[TokenizedExample]) -> list[Statistics]:
    """The CIDEr-D of each example, with document frequencies of all their references."""
    scorer = CiderD(DocumentFrequencies.of(example.references for example in examples))
    return [(scorer.score(example.hypothesis, example.references),) for example in examples]


CIDER = Metric(
    names=("cider",),
    labels=("CIDEr",),
    statistics=cider_statistics,
    summarize=mean,
    maximum=SCALE,
    # On fewer, document frequencies mean little: a word in one of few documents is neither rare
    # nor common.
    min_examples=30,
    min_reason="it weighs words by how many GIFs' references hold them",
)
