import json

import numpy as np
import pytest

from gifdesc.data.examples import Example
from gifdesc.evaluation import retrieval
from gifdesc.evaluation.retrieval import evaluate_retrieval, recall_of
from gifdesc.model.checkpoint import load_checkpoint
from worlds import CAPTIONS, CPU, run_here


def test_ranks_and_recall_are_those_worked_by_hand():
    scores = np.array([[3.0, 1, 2], [3, 2, 1], [1, 2, 0]])
    found = recall_of(scores)  # ranks 1, 2, 3
    assert found.recall == {1: pytest.approx(1 / 3), 5: 1.0, 10: 1.0}
    assert found.median_rank == 2


def test_equal_scores_share_their_ranks():
    found = recall_of(np.zeros((20, 20)))
    assert found.recall == {1: pytest.approx(0.05), 5: pytest.approx(0.25), 10: pytest.approx(0.5)}
    assert found.median_rank == 10.5


def examples_of(world):
    return [
        Example(name, world.features_dir / f"{name}.npy", (caption,))
        for name, caption in CAPTIONS.items()
    ]


def test_chance_and_the_blind_control_find_no_gif(world, model_dir):
    found = evaluate_retrieval(load_checkpoint(model_dir), examples_of(world), CPU)
    assert found.num_pairs == len(CAPTIONS)
    chance = found.words_to_gif["chance"]
    assert chance.recall[1] == pytest.approx(1 / 6)
    assert chance.median_rank == 3.5
    assert found.words_to_gif["blind"] == found.gif_to_words["chance"] == chance
    # The blind control puts the words in the same order for every GIF.
    assert found.gif_to_words["blind"].recall[1] == pytest.approx(1 / 6)


def test_many_gifs_are_sampled_and_one_gif_has_no_other(world, model_dir, monkeypatch):
    monkeypatch.setattr(retrieval, "MAX_PAIRS", 3)
    checkpoint, examples = load_checkpoint(model_dir), examples_of(world)
    found = evaluate_retrieval(checkpoint, examples, CPU)
    assert (found.num_pairs, found.num_examples) == (3, 6)
    assert evaluate_retrieval(checkpoint, examples[:1], CPU) is None


def test_the_table_the_json_and_the_page_have_it(world, model_dir, tmp_path):
    call = ["evaluate", *world.options, "--model", model_dir, "--split", "train", "--no-meteor"]
    page = tmp_path / "report.html"
    done = run_here(*call, "--retrieval", "--json", "--html", page)
    row = json.loads(done.out)["retrieval"]
    assert list(row) == ["num_pairs", "words_to_gif", "gif_to_words"]
    assert list(row["words_to_gif"]) == ["model", "blind", "chance"]
    assert list(row["gif_to_words"]["model"]) == [
        "recall_1",
        "recall_5",
        "recall_10",
        "median_rank",
    ]
    assert "words to GIF, recall at 5" in page.read_text(encoding="utf-8")
    table = run_here(*call, "--retrieval").out
    assert "words_to_gif recall_1" in table
    assert "retrieval" not in json.loads(run_here(*call, "--json").out)


def test_retrieval_needs_a_model():
    done = run_here("evaluate", "--retrieval", "--predictions", "a", "--references", "b")
    assert done.code == 2
    assert "--retrieval needs a model" in done.error
