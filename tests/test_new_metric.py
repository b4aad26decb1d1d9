"""A metric that is added to `METRICS` is in every result, on the page and in the model card."""

import pytest

from gifdesc.config import TrainingConfig
from gifdesc.evaluation.evaluate import evaluate_predictions
from gifdesc.metrics import score, scoring
from gifdesc.metrics.base import Metric, mean
from gifdesc.model.card import model_card
from gifdesc.model.checkpoint import Checkpoint
from gifdesc.pages.charts import scores_svg
from gifdesc.pages.evaluation import EvaluationReport, Subject
from worlds import tiny_model, tiny_recipe, tiny_tokenizer

PREDICTIONS = {"a": "a red ball", "b": "a cat"}
REFERENCES = {"a": ["a red ball grows"], "b": ["the cat"]}


@pytest.fixture(autouse=True)
def new_metric(monkeypatch):
    metric = Metric(
        names=("num_words",),
        labels=("Words (up to 99)",),
        statistics=lambda examples: [(float(len(one.hypothesis.tokens)),) for one in examples],
        summarize=mean,
        maximum=99.0,
        min_examples=3,
        min_reason="it counts words",
    )
    monkeypatch.setattr(scoring, "METRICS", (*scoring.METRICS, metric))


@pytest.fixture
def evaluation():
    return evaluate_predictions(PREDICTIONS, REFERENCES)


def test_it_is_scored():
    scores = score(["a red ball", "a cat"], [["a red ball grows"], ["the cat"]])
    assert list(scores)[-1] == "num_words"
    assert scores["num_words"] == 2.5


def test_it_is_in_the_json_of_an_evaluation(evaluation):
    row = evaluation.to_json()
    assert row["metrics"]["num_words"] == row["blind"]["num_words"] == 2.5
    assert row["visual_gain"]["num_words"] == 0
    assert row["intervals"]["num_words"] == [2.0, 3.0]
    assert row["notes"]["num_words"] == "means little on fewer than 3 GIFs: it counts words"
    assert [one.to_json()["metrics"]["num_words"] for one in evaluation.captions] == [3.0, 2.0]


def test_it_is_on_the_page(evaluation, tmp_path):
    EvaluationReport(tmp_path / "page.html").write(evaluation, Subject(name="mine"))
    text = (tmp_path / "page.html").read_text()
    assert '<th scope="row">Words (up to 99)</th><td><strong>2.500</strong>' in text
    for number in ("3.000", "2.000"):
        assert f"<li>Words (up to 99) <strong>{number}</strong></li>" in text


def test_it_has_an_axis_of_its_own_on_the_chart(evaluation, monkeypatch):
    panels = []
    monkeypatch.setattr(
        "gifdesc.pages.charts._draw_scores",
        lambda axes, names, *_: (panels.append(names), axes.plot([0], [0], label="score")),
    )
    scores_svg(evaluation.scores, {}, {})
    assert panels[-1] == ["num_words"]
    assert panels[-2] == ["cider"]


def test_it_is_in_the_model_card(evaluation):
    tokenizer = tiny_tokenizer()
    checkpoint = Checkpoint(
        tiny_model(vocab_size=tokenizer.vocab_size), tokenizer, tiny_recipe(), TrainingConfig()
    )
    card = model_card(checkpoint, name="me/mine", scores=evaluation.to_json())
    assert "| Words (up to 99) | 2.500 | 2.500 |" in card
