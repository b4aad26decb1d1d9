import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.evaluation.baselines import MAX_LENGTHS, consensus_scores, most_common_caption
from gifdesc.metrics import CiderD, DocumentFrequencies, TokenizedCaption, score, tokenize_all

words = st.sampled_from(["a", "dog", "dog dog", "cat", "runs", "on", "the mat", "plan b."])
captions = st.lists(words, max_size=8).map(" ".join)
corpora = st.lists(st.lists(captions, min_size=1, max_size=3), min_size=1, max_size=6)


def by_hand(references):
    """Each caption's mean CIDEr-D over all GIFs, one pair after the other."""
    texts = iter(tokenize_all([caption for group in references for caption in group]))
    documents = [[TokenizedCaption(next(texts)) for _ in group] for group in references]
    cider = CiderD(DocumentFrequencies.of(documents))
    return [
        sum(cider.score(caption, document) for document in documents) / len(documents)
        for group in documents
        for caption in group
    ]


@given(corpora)
def test_the_sums_are_the_mean_cider_of_each_caption(references):
    assert consensus_scores(references).tolist() == pytest.approx(by_hand(references), abs=1e-9)


def test_the_caption_that_fits_most_is_chosen():
    references = [["a red dog runs"], ["a red dog sits"], ["a red dog runs fast"], ["the sea"]]
    best = most_common_caption(references)
    assert best == "a red dog runs"
    said = {caption: score([caption] * 4, references)["cider"] for [caption] in references}
    assert max(said, key=said.get) == best


def test_equal_scores_are_decided_by_frequency():
    # All words stand in all documents, so every score is 0.
    assert most_common_caption([["a dog", "a cat", "a cat"]]) == "a cat"
    assert most_common_caption([["a dog", "a cat"]]) == "a dog"
    assert most_common_caption([["..."], [""]]) == "..."


def test_a_sample_stands_for_very_many_captions(monkeypatch):
    seen = []
    monkeypatch.setattr("gifdesc.evaluation.baselines.MAX_CAPTIONS", 50)
    monkeypatch.setattr(
        "gifdesc.evaluation.baselines.consensus_scores",
        lambda references: seen.append(references) or consensus_scores(references),
    )
    references = [[f"a dog number {i}", f"a cat number {i}"] for i in range(100)]
    best = most_common_caption(references)
    [sample] = seen
    assert len(sample) == 25
    assert len({tuple(group) for group in sample}) == 25
    assert best in [caption for group in sample for caption in group]
    assert most_common_caption(references) == best


def test_rare_lengths_are_not_tried():
    generator = random.Random(0)
    groups = [[" ".join(generator.choices("abcdefgh", k=k))] for k in range(2, MAX_LENGTHS + 12)]
    scores = consensus_scores(groups)
    assert (scores >= 0).sum() == MAX_LENGTHS
    tried = scores >= 0
    assert scores[tried].tolist() == pytest.approx(
        [one for one, is_tried in zip(by_hand(groups), tried, strict=True) if is_tried]
    )
