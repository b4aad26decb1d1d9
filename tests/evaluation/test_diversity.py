from gifdesc.config import to_json
from gifdesc.evaluation.results import diversity


def test_diversity_counts_captions_and_words():
    captions = ["A dog runs.", "a dog runs", "a cat", ""]
    found = diversity(captions, ["A dog, runs!", "the sea"])
    assert to_json(found) == {
        "distinct_captions": 4,
        "vocabulary_size": 4,
        "in_training": 0.5,
        "mean_length": 2.0,
    }


def test_without_a_training_set_copies_are_unknown():
    found = diversity(["a dog"] * 3)
    assert (found.distinct_captions, found.in_training) == (1, None)
