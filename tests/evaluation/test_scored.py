import json
import math
from dataclasses import replace

import pytest

from gifdesc.errors import GifdescError
from gifdesc.evaluation.bootstrap import Difference
from gifdesc.evaluation.results import Diversity, Evaluation, ScoredCaption, write_per_example

CAPTION = ScoredCaption(
    name="cats/a",
    caption="a cat",
    references=("a cat.", "it sits"),
    scores={"bleu_1": 0.5, "meteor": None, "exact_match": 1.0},
    baselines={"blind": "a dog"},
)
BLIND = {"bleu_1": 0.25, "meteor": None, "exact_match": 0.0}
RESULT = Evaluation(
    num_examples=1,
    metrics={"bleu_1": 0.5, "meteor": None},
    intervals={"bleu_1": (0.25, 0.75)},
    baselines={"blind": BLIND, "nearest": None, "most-common": None},
    exact_match=1.0,
    diversity=Diversity(distinct_captions=1, vocabulary_size=2, in_training=None, mean_length=2.0),
    notes={"meteor": "not asked for"},
    warnings={"cider": "means little"},
    captions=[CAPTION],
)


def test_the_visual_gain_is_the_score_less_the_blind_one():
    assert RESULT.visual_gain == {"bleu_1": 0.25, "meteor": None, "exact_match": 1.0}
    without = replace(RESULT, baselines={**RESULT.baselines, "blind": None})
    assert without.visual_gain is None


@pytest.mark.parametrize(
    ("loss", "perplexity"), [(None, None), (0.0, 1.0), (math.log(8), 8.0), (1e4, None)]
)
def test_the_perplexity_is_a_number_or_none(loss, perplexity):
    found = replace(RESULT, loss=loss).perplexity
    assert found == (perplexity if perplexity is None else pytest.approx(perplexity))


def test_an_evaluation_is_one_json_object():
    row = RESULT.to_json()
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert row["blind"] == row["baselines"]["blind"] == BLIND
    assert row["intervals"] == {"bleu_1": [0.25, 0.75]}
    assert row["distinct_captions"] == row["diversity"]["distinct_captions"] == 1
    assert row["notes"] == {"meteor": "not asked for", "cider": "means little"}
    assert "against" not in row
    assert replace(RESULT, intervals=None).to_json()["intervals"] is None


def test_a_comparison_stands_before_the_notes():
    one = Difference(score=0.25, difference=0.25, interval=(0.0, 0.5), p_value=0.5)
    row = replace(RESULT, against={"bleu_1": one}).to_json()
    assert list(row)[-3:] == ["against", "notes", "warnings"]
    assert row["against"]["bleu_1"]["interval"] == [0.0, 0.5]


def test_every_caption_has_a_line(tmp_path):
    path = tmp_path / "scores.jsonl"
    other = replace(CAPTION, name="b", scores={**CAPTION.scores, "exact_match": 0.0})
    write_per_example(path, [CAPTION, other])
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert rows[0] == {
        "id": "cats/a",
        "caption": "a cat",
        "references": ["a cat.", "it sits"],
        "metrics": {"bleu_1": 0.5, "meteor": None},
        "exact_match": True,
        "baselines": {"blind": "a dog"},
    }
    assert (rows[1]["id"], rows[1]["exact_match"]) == ("b", False)


def test_scores_that_cannot_be_written_are_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(GifdescError, match="cannot be written: "):
        write_per_example(tmp_path / "file" / "scores.jsonl", [CAPTION])
