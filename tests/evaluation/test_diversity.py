from gifdesc.evaluation.results import diversity


def test_what_captions_have_beside_accuracy():
    captions = ["A dog runs.", "a dog runs", "a cat", ""]
    found = diversity(captions, ["A dog, runs!", "the sea"])
    assert found.to_json() == {
        "distinct_captions": 4,
        "vocabulary_size": 4,
        "in_training": 0.5,
        "mean_length": 2.0,
    }


def test_without_a_training_set_nobody_knows_what_is_copied():
    found = diversity(["a dog"] * 3)
    assert (found.distinct_captions, found.in_training) == (1, None)
