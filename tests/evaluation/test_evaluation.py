import json
import random
import subprocess
import sys

import pytest

from gifdesc.errors import DescriptionError, MeteorError
from gifdesc.evaluation.evaluate import evaluate_predictions
from gifdesc.metrics import ScoreTable, score, tokenize_examples
from gifdesc.metrics.base import Metric, mean
from worlds import EVALUATION_KEYS, process_environment


def named(num_examples):
    """Predictions that differ from each other, and references that equal them."""
    predictions = {f"g{i}": f"word{i}" for i in range(num_examples)}
    return predictions, {name: [caption] for name, caption in predictions.items()}


def test_a_perfect_system_scores_one():
    predictions, references = named(5)
    result = evaluate_predictions(predictions, references)
    assert result.num_examples == result.distinct_captions == 5
    assert result.exact_match == 1.0
    assert result.metrics["rouge_l"] == pytest.approx(1)
    assert result.metrics["bleu_1"] == pytest.approx(1)


def test_a_system_without_a_model_has_no_loss_and_no_baseline_of_training():
    row = evaluate_predictions(*named(3)).to_json()
    assert list(row) == EVALUATION_KEYS
    assert [row[key] for key in ("loss", "perplexity", "token_accuracy")] == [None] * 3
    assert row["baselines"]["nearest"] is row["baselines"]["most-common"] is None
    assert row["diversity"]["in_training"] is None
    for name in ("loss", "nearest", "most-common", "in_training"):
        assert row["notes"][name] == "needs a model"
    assert json.loads(json.dumps(row, allow_nan=False)) == row


def test_the_blind_control_scores_exchanged_captions():
    predictions, references = named(5)
    result = evaluate_predictions(predictions, references)
    dealt = [one.baselines["blind"] for one in result.captions]
    assert sorted(dealt) == sorted(predictions.values())
    assert all(one.caption != other for one, other in zip(result.captions, dealt, strict=True))
    wanted = score(dealt, list(references.values()))
    assert result.blind == {**wanted, "exact_match": 0.0} == result.baselines["blind"]
    assert result.visual_gain["exact_match"] == 1.0
    assert result.visual_gain["cider"] == result.metrics["cider"] - wanted["cider"]


def test_a_constant_caption_has_no_visual_gain():
    _, references = named(8)
    result = evaluate_predictions(dict.fromkeys(references, "word0"), references)
    gain = {name: value for name, value in result.visual_gain.items() if name != "meteor"}
    assert gain == pytest.approx(dict.fromkeys(gain, 0.0))


def test_one_example_has_neither_a_blind_control_nor_intervals():
    result = evaluate_predictions(*named(1))
    assert result.blind is result.visual_gain is result.intervals is None
    assert "no other GIF" in result.notes["blind"]
    assert result.notes["intervals"] == "needs two GIFs or more"
    assert list(result.to_json()) == EVALUATION_KEYS


def test_every_metric_has_an_interval_around_it():
    predictions, references = named(40)
    predictions |= dict.fromkeys(list(predictions)[::3], "wrong")
    result = evaluate_predictions(predictions, references)
    names = [name for name in result.metrics if name != "meteor"]
    assert list(result.intervals) == [*names, "exact_match"]
    low, high = result.intervals["exact_match"]
    assert low < result.exact_match < high
    low, high = result.intervals["cider"]
    assert low < result.metrics["cider"] < high


def test_examples_have_their_scores():
    predictions = {"a": "a dog runs", "b": "a cat", "c": ""}
    references = {"a": ["A dog runs."], "b": ["a dog", "the cat"], "c": ["nothing"]}
    result = evaluate_predictions(predictions, references)
    wanted = ScoreTable.of(
        tokenize_examples(list(predictions.values()), list(references.values()))
    ).examples()
    for one, scores in zip(result.captions, wanted, strict=True):
        row = one.to_json()
        assert row["metrics"] == scores
        assert (row["id"], row["references"]) == (one.name, references[one.name])
        assert row["exact_match"] is (one.name == "a")


def test_scores_that_mean_little_have_warnings():
    few = evaluate_predictions(*named(29))
    assert "fewer than 30 GIFs" in few.warnings["cider"]
    assert few.warnings["references"].startswith("one per GIF")
    predictions, references = named(30)
    references["g0"] = ["word0", "another"]
    assert evaluate_predictions(predictions, references).warnings == {}
    assert few.to_json()["notes"]["cider"] == few.warnings["cider"]


def test_references_without_words_have_a_warning():
    predictions, references = named(4)
    references["g1"], references["g3"] = ["...", ""], ["!!", "word"]
    result = evaluate_predictions({**predictions, "g1": ""}, references)
    assert result.warnings["wordless_references"] == "no reference of g1 contains a word"
    assert not result.captions[1].is_exact
    with pytest.raises(DescriptionError, match="no reference contains a word"):
        evaluate_predictions(predictions, {name: ["...", ""] for name in predictions})


def test_texts_of_any_kind_are_scored():
    texts = [
        "<b onclick='x'>a dog</b> &amp; a cat",
        "كلب يركض",
        "🐶 runs 🏃",
        "word " * 2000,
        "\ud800 x",
    ]
    references = {f"g{i}": [text] for i, text in enumerate(texts)}
    result = evaluate_predictions({f"g{i}": text for i, text in enumerate(texts)}, references)
    assert result.exact_match == 1.0
    assert result.metrics["bleu_1"] == pytest.approx(1)


def test_a_missing_prediction_counts_as_empty():
    predictions, references = named(4)
    del predictions["g2"]
    result = evaluate_predictions(predictions, references)
    assert (result.num_examples, result.exact_match) == (4, 0.75)
    assert result.warnings["predictions"] == "1 of 4 missing, counted as empty: g2"


def test_another_system_is_compared_on_the_same_examples():
    predictions, references = named(30)
    other = {name: text if i % 2 else "wrong" for i, (name, text) in enumerate(predictions.items())}
    result = evaluate_predictions(predictions, references, against=other)
    assert result.against["exact_match"].score == 0.5
    assert result.against["exact_match"].p_value < 0.01
    row = result.to_json()
    assert list(row)[-3:] == ["against", "notes", "warnings"]
    assert set(row["against"]) == set(result.metrics) - {"meteor"} | {"exact_match"}
    assert set(row["against"]["cider"]) == {"score", "difference", "interval", "p_value"}
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    alike = evaluate_predictions(predictions, references, against=predictions)
    assert all((one.difference, one.p_value) == (0, 1) for one in alike.against.values())
    with pytest.raises(DescriptionError, match="no references for stranger"):
        evaluate_predictions(predictions, references, against={**other, "stranger": "x"})


class Meteor:
    """Stands in for METEOR: the share of empty captions; it may fail from some call on."""

    def __init__(self, fails_at=99):
        self._num_calls, self._fails_at = 0, fails_at

    def __enter__(self):
        return Metric(
            names=("meteor",), labels=("METEOR",), statistics=self._statistics, summarize=mean
        )

    def __exit__(self, *_):
        pass

    def _statistics(self, examples):
        self._num_calls += 1
        if self._num_calls >= self._fails_at:
            raise MeteorError("Java ended")
        return [(float(not one.hypothesis.text),) for one in examples]


def test_meteor_is_computed_where_it_is_asked_for(monkeypatch):
    monkeypatch.setattr("gifdesc.evaluation.evaluate.running_meteor", Meteor)
    predictions, references = named(4)
    predictions["g1"] = ""
    asked = evaluate_predictions(predictions, references, meteor=True, against={"g0": "word0"})
    assert asked.metrics["meteor"] == asked.blind["meteor"] == 0.25
    assert asked.against["meteor"].score == 0.75
    assert asked.intervals["meteor"][0] == 0
    assert asked.captions[1].scores["meteor"] == 1
    assert "meteor" not in asked.notes
    unasked = evaluate_predictions(predictions, references)
    assert (unasked.metrics["meteor"], unasked.notes["meteor"]) == (None, "not asked for")


def test_meteor_that_fails_is_null_with_its_reason_and_the_rest_is_there(monkeypatch):
    monkeypatch.setattr("gifdesc.evaluation.evaluate.running_meteor", lambda: Meteor(fails_at=1))
    result = evaluate_predictions(*named(3), meteor=True)
    assert result.metrics["meteor"] is None
    assert result.notes["meteor"] == "Java ended"
    assert result.metrics["bleu_1"] == pytest.approx(1)
    monkeypatch.setattr("gifdesc.evaluation.evaluate.running_meteor", lambda: Meteor(fails_at=2))
    result = evaluate_predictions(*named(3), meteor=True)
    assert (result.metrics["meteor"], result.blind["meteor"]) == (0, None)
    assert result.notes["meteor"] == "Java ended"


def test_scoring_captions_needs_no_torch():
    script = """
import sys
from gifdesc.evaluation.evaluate import evaluate_predictions
evaluate_predictions({"a": "x", "b": "y"}, {"a": ["x"], "b": ["z"]})
print("torch" in sys.modules)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, capture_output=True, text=True, env=process_environment(), check=True
    )
    assert done.stdout == "False\n"


def test_a_prediction_without_references_is_named():
    predictions, references = named(5)
    with pytest.raises(DescriptionError, match=r"no references for g0, g1, g2 and 1 more"):
        evaluate_predictions(predictions, {"g4": references["g4"]})


def test_references_of_another_data_set_are_refused():
    predictions, _ = named(2)
    with pytest.raises(DescriptionError, match=r"no id in common.* no references for g0, g1"):
        evaluate_predictions(predictions, {"x": ["word0"]})


def test_the_order_of_predictions_does_not_matter():
    predictions, references = named(9)
    shuffled = list(predictions.items())
    random.Random(0).shuffle(shuffled)
    assert evaluate_predictions(dict(shuffled), references) == evaluate_predictions(
        predictions, references
    )


def test_the_same_caption_for_everything_is_seen():
    _, references = named(4)
    result = evaluate_predictions(dict.fromkeys(references, "word0"), references)
    assert (result.distinct_captions, result.exact_match) == (1, 0.25)
