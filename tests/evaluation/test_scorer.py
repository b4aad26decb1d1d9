import pytest

from gifdesc.errors import DescriptionError, MeteorError
from gifdesc.evaluation.evaluate import Scorer, open_scorer, warnings_of
from gifdesc.evaluation.results import EXACT_MATCH, plain
from gifdesc.metrics.base import Metric, mean

REFERENCES = [["something else", "A dog runs."], ["a cat"]]


@pytest.mark.parametrize(
    ("caption", "is_exact"),
    [
        ("a dog runs", True),
        ("A DOG runs.", True),
        ("a dog, runs !", True),
        ("Runs a dog", False),
        ("a dog run", False),
        ("", False),
    ],
)
def test_an_exact_match_ignores_case_and_punctuation(caption, is_exact):
    [first, _] = Scorer(REFERENCES).table([caption, "a bird"]).examples()
    assert first[EXACT_MATCH] == float(is_exact)


def test_an_empty_caption_is_no_exact_match():
    scorer = Scorer([["...", ""], ["...", "a cat"]])
    assert scorer.empty_references == [0]
    assert [row[EXACT_MATCH] for row in scorer.table(["", "!"]).examples()] == [0, 0]


def test_captions_of_several_systems_are_scored_by_one():
    scorer = Scorer(REFERENCES)
    assert scorer.table(["a dog runs", "a cat"]).corpus()[EXACT_MATCH] == 1
    assert scorer.table(["a dog runs", "a dog"]).corpus()[EXACT_MATCH] == 0.5
    with pytest.raises(ValueError, match="argument"):
        scorer.table(["a dog runs"])


def test_the_scores_of_a_table_are_the_metrics_and_the_exact_match():
    scores = Scorer(REFERENCES).table(["a dog runs", "a cat"]).corpus()
    assert set(scores) - set(plain(scores)) == {EXACT_MATCH}
    assert scores["bleu_1"] == pytest.approx(1)
    assert scores["meteor"] is None


def failing_at(call):
    """A METEOR that counts words, and that fails from some call on."""
    calls = []

    def statistics(examples):
        calls.append(examples)
        if len(calls) >= call:
            raise MeteorError("Java ended")
        return [(float(len(one.hypothesis.tokens)),) for one in examples]

    return Metric(names=("meteor",), labels=("METEOR",), statistics=statistics, summarize=mean)


def test_meteor_is_left_out_from_the_first_time_on_that_it_fails():
    scorer = Scorer(REFERENCES, failing_at(2))
    captions = ["a dog runs", "it"]
    assert scorer.table(captions).corpus()["meteor"] == 2
    assert scorer.meteor_unavailable == ""
    assert scorer.table(captions).corpus()["meteor"] is None
    assert scorer.meteor_unavailable == "Java ended"
    assert scorer.table(captions).corpus()["meteor"] is None


def test_a_meteor_that_is_not_asked_for_or_not_there_has_its_reason(monkeypatch):
    def missing():
        raise MeteorError("needs Java")

    monkeypatch.setattr("gifdesc.evaluation.evaluate.running_meteor", missing)
    with open_scorer(REFERENCES, meteor=False) as scorer:
        assert scorer.meteor_unavailable == "not asked for"
    with open_scorer(REFERENCES, meteor=True) as scorer:
        assert scorer.meteor_unavailable == "needs Java"
        assert scorer.table(["a dog", "a cat"]).corpus()["meteor"] is None


def test_references_without_any_word_are_refused():
    with (
        pytest.raises(DescriptionError, match="no reference contains a word"),
        open_scorer([["..."], [""]], meteor=False),
    ):
        pytest.fail("there is nothing to score against")


def test_warnings_name_scores_that_mean_little():
    names = [f"g{i}" for i in range(30)]
    several = [["a", "b"]] + [["a"]] * 29
    assert warnings_of(names, several) == {}
    assert warnings_of(names, [["a"]] * 30)["references"].startswith("one per GIF")
    assert "fewer than 30 GIFs" in warnings_of(names[:29], several[:29])["cider"]
