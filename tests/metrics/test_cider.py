import math
from collections import Counter

import pytest

from gifdesc.metrics.base import TokenizedCaption, TokenizedExample
from gifdesc.metrics.cider import CiderD, DocumentFrequencies, cider_statistics


def caption(text: str) -> TokenizedCaption:
    return TokenizedCaption(text)


def example(hypothesis: str, *references: str) -> TokenizedExample:
    return TokenizedExample(caption(hypothesis), tuple(map(caption, references)))


def test_document_frequency_counts_examples_not_captions() -> None:
    documents = [[caption("a dog"), caption("a a dog")], [caption("a cat")]]
    frequencies = DocumentFrequencies.of(documents)
    assert frequencies.num_documents == 2
    assert frequencies.counts == Counter(
        {
            ("a",): 2,
            ("dog",): 1,
            ("cat",): 1,
            ("a", "dog"): 1,
            ("a", "a"): 1,
            ("a", "a", "dog"): 1,
            ("a", "cat"): 1,
        }
    )


def test_score_by_hand() -> None:
    # Two documents: idf is log 2 for words of one of them, 0 for "a", which is in both.
    # Hypothesis "red dog dog", reference "a red dog": both have two bigrams, so no length penalty.
    # n=1: hypothesis (red 1, dog 2), reference (red 1, dog 1), times log 2; "dog" is clipped to 1:
    #      (1 + 1) / (sqrt 5 * sqrt 2). n=2: "red dog" is shared; the other bigram of each is not:
    #      1 / (sqrt 2 * sqrt 2). n=3: nothing shared. n=4: neither has any.
    statistics = cider_statistics([example("red dog dog", "a red dog"), example("a", "a cat")])
    expected = 10 * (2 / math.sqrt(10) + 1 / 2) / 4
    assert statistics[0] == pytest.approx((expected,))


def test_length_penalty_by_hand() -> None:
    # The reference is 6 words longer, so the penalty is exp(-36 / 72). Only n=1 shares anything:
    # 1 of 1 against 7 words of equal weight.
    scorer = CiderD(DocumentFrequencies(Counter(), 2))
    value = scorer.score(caption("b c"), [caption("b x d e f g h c")])
    cosine = 2 / (math.sqrt(2) * math.sqrt(8))
    assert value == pytest.approx(10 * math.exp(-0.5) * cosine / 4)


def test_score_is_the_mean_over_references() -> None:
    scorer = CiderD(DocumentFrequencies(Counter(), 10))
    hypothesis, same, other = caption("a b c d"), caption("a b c d"), caption("w x y z")
    assert scorer.score(hypothesis, [same]) == pytest.approx(10)
    assert scorer.score(hypothesis, [same, other]) == pytest.approx(5)


def test_one_example_alone_scores_0() -> None:
    assert cider_statistics([example("a dog runs", "a dog runs")]) == [(0.0,)]


def test_captions_without_words_score_0() -> None:
    rows = cider_statistics([example("", "a dog"), example("a cat", ""), example("", "")])
    assert rows == [(0.0,), (0.0,), (0.0,)]


def test_given_frequencies_need_no_corpus() -> None:
    frequencies = DocumentFrequencies(Counter({("a",): 100, ("dog",): 1}), 100)
    scorer = CiderD(frequencies)
    assert scorer.vector(caption("a dog")).weights[0] == pytest.approx(
        {("a",): 0.0, ("dog",): math.log(100)}
    )
    vector = scorer.vector(caption("a dog"))
    assert scorer.score_vectors(vector, [vector]) == scorer.score(
        caption("a dog"), [caption("a dog")]
    )
