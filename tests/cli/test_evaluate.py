import json
import os
import subprocess
import sys

import numpy as np
import pytest

from worlds import (
    CAPTIONS,
    EVALUATION_KEYS,
    process_environment,
    run_here,
    tiny_recipe,
    write_model,
    write_world,
)

SHORT = ("--beam", 2, "--max-length", 6, "--no-meteor")  # Java takes seconds to start
TRAIN = ("--split", "train")


def evaluate(world, model_dir, *arguments):
    return run_here("evaluate", *world.options, "--model", model_dir, *SHORT, *arguments)


def test_json_is_one_object_and_all_that_stdout_holds(world, model_dir):
    done = evaluate(world, model_dir, *TRAIN, "--json")
    assert done.code == 0
    assert done.out.count("\n") == 1
    result = json.loads(done.out)
    assert set(result) == set(EVALUATION_KEYS)
    names = {"bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l", "cider"}
    assert set(result["metrics"]) == names
    assert set(result["blind"]) == names | {"exact_match"}
    assert set(result["baselines"]) == {"blind", "nearest", "most-common"}
    assert set(result["baselines"]["nearest"]) == set(result["baselines"]["most-common"])
    assert result["notes"]["meteor"] == "not asked for"
    assert 1 < result["num_examples"] <= len(CAPTIONS)


def test_without_json_the_scores_are_a_table_with_the_blind_control(world, model_dir):
    done = evaluate(world, model_dir, *TRAIN)
    assert done.code == 0
    rows = done.out.splitlines()
    assert any("blind" in row and "score" in row for row in rows)
    assert max(map(len, rows)) <= 80
    for name in ("interval", "nearest", "most-", "gain"):
        assert any(name in row for row in rows[:5])
    for name in ("bleu_4", "cider", "exact_match", "loss", "token_accuracy"):
        assert any(name in row for row in rows)
    assert "warning: weights: the features come from an untrained ResNet50" in done.err


def test_features_of_another_recipe_are_refused_with_the_field(world, tmp_path):
    model_dir = write_model(tmp_path / "other", recipe=tiny_recipe(sampling="step"))
    done = evaluate(world, model_dir, *TRAIN)
    assert (done.code, done.out) == (1, "")
    assert "the model's features were made with sampling step, not uniform" in done.error


def test_features_without_a_recipe_are_scored_with_a_warning(tmp_path):
    world = write_world(tmp_path / "world")
    model_dir = write_model(tmp_path / "model", recipe=tiny_recipe())
    done = evaluate(world, model_dir, *TRAIN)
    assert done.code == 0
    assert "features: no recipe.json, so it cannot be checked how these features" in done.err


def test_an_empty_split_is_a_one_sentence_error(world, model_dir, tmp_path):
    (tmp_path / "train.txt").write_text("a\n")
    done = evaluate(world, model_dir, "--splits", tmp_path)
    assert done.code == 1
    assert "no GIF is in the test split" in done.error


def test_split_lists_choose_the_scored_gifs(world, model_dir, tmp_path):
    (tmp_path / "train.txt").write_text("a\n")
    (tmp_path / "test.txt").write_text("b\nc\n")
    done = evaluate(world, model_dir, "--splits", tmp_path, "--json")
    assert json.loads(done.out)["num_examples"] == 2


def test_a_damaged_feature_file_is_named_and_the_rest_scored(world, model_dir):
    np.save(world.features_dir / "a.npy", np.full((2, 48), np.inf, np.float32))
    done = evaluate(world, model_dir, *TRAIN, "--json")
    assert done.code == 1
    assert json.loads(done.out)["num_examples"] >= 1
    [problem] = done.errors
    assert "a.npy" in problem
    assert "not finite" in problem
    assert not [one for one in done.warnings if "a.npy" in one]


def test_bad_files_are_reported_even_if_the_evaluation_fails(world, model_dir, tmp_path):
    np.save(world.features_dir / "a.npy", np.full((2, 48), np.inf, np.float32))
    (tmp_path / "other.jsonl").write_text('{"id": "stranger", "caption": "a dog"}\n')
    done = evaluate(world, model_dir, *TRAIN, "--against", tmp_path / "other.jsonl")
    assert done.code == 1
    problem, failure = done.errors
    assert "a.npy" in problem
    assert "stranger" in failure


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("model.safetensors", None, "missing"),
        ("model.safetensors", b"damage", "damaged"),
        ("config.json", None, "missing"),
        ("config.json", b"{", "damaged"),
        ("config.json", b'{"format_version": 99}', "of format 99"),
        ("tokenizer.json", None, "no tokenizer here"),
        ("tokenizer.json", b"{", "damaged"),
    ],
)
def test_an_incomplete_model_folder_is_a_one_sentence_error(
    world, model_dir, name, content, reason
):
    if content is None:
        (model_dir / name).unlink()
    else:
        (model_dir / name).write_bytes(content)
    done = evaluate(world, model_dir, *TRAIN)
    assert (done.code, done.out) == (1, "")
    assert str(model_dir) in done.error
    assert reason in done.error


def test_a_missing_model_is_named(world, tmp_path):
    done = evaluate(world, tmp_path / "nowhere")
    assert (done.code, done.out) == (1, "")
    assert done.error.endswith("nowhere: no model folder; train a model first:")
    assert "  gifdesc extract ./gifs && gifdesc train" in done.err.splitlines()


@pytest.mark.parametrize("device", ["abacus", "cuda"])
def test_a_missing_device_is_exit_code_2(world, model_dir, device, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = evaluate(world, model_dir, "--device", device)
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(f"error: --device {device}: ")


def score(mine, people, *arguments):
    return run_here(
        "evaluate", "--predictions", mine, "--references", people, "--no-meteor", *arguments
    )


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def people(tmp_path):
    rows = [{"id": name, "captions": [caption]} for name, caption in CAPTIONS.items()]
    return write_lines(tmp_path / "references.jsonl", rows)


def test_any_systems_captions_are_scored(people, tmp_path):
    rows = [{"id": name, "caption": caption.upper()} for name, caption in CAPTIONS.items()]
    mine = write_lines(tmp_path / "mine.jsonl", rows)
    done = score(mine, people, "--json")
    assert done.code == 0
    few, narrow, one_each = done.warnings
    assert "cider: means little on fewer than 30 GIFs" in few
    assert "intervals: too narrow on fewer than 30 GIFs" in narrow
    assert "references: one per GIF" in one_each
    result = json.loads(done.out)
    assert (result["num_examples"], result["exact_match"]) == (len(CAPTIONS), 1.0)
    assert (result["visual_gain"]["exact_match"], result["loss"]) == (1.0, None)
    assert result["notes"]["nearest"] == "needs a model"
    assert result["warnings"] == done.warnings
    assert result["split"] is None


def test_scores_of_the_training_split_are_marked(world, model_dir, tmp_path):
    page = tmp_path / "page.html"
    done = evaluate(world, model_dir, *TRAIN, "--html", page)
    assert done.code == 0, done.err
    sentence = "the model was trained on these GIFs"
    assert [one for one in done.warnings if one.startswith(f"split: {sentence}")]
    assert sentence in page.read_text()
    assert "of the train split, which the model was trained on" in " ".join(done.out.split())
    result = json.loads(evaluate(world, model_dir, *TRAIN, "--json").out)
    assert result["split"] == "train"
    assert any(sentence in one for one in result["warnings"])


def test_a_model_that_is_no_better_than_the_baselines_is_a_warning(world, model_dir, tmp_path):
    """With random weights, the model writes the same caption for every GIF."""
    page = tmp_path / "page.html"
    done = evaluate(world, model_dir, *TRAIN, "--html", page, "--json")
    sentences = json.loads(done.out)["warnings"]
    [nearest] = [one for one in sentences if one.startswith("nearest: ")]
    [gain] = [one for one in sentences if one.startswith("visual_gain: ")]
    assert "the model scored below the captions of the most similar training GIFs" in nearest
    assert "the model scored no better than captions of other GIFs" in gain
    assert {nearest, gain} <= set(done.warnings)
    assert "looking those up is better" in page.read_text()


def test_the_output_of_caption_is_scored_against_descriptions(world, tmp_path):
    mine = write_lines(
        tmp_path / "mine.jsonl",
        [{"path": f"gifs/{name}.gif", "caption": caption} for name, caption in CAPTIONS.items()],
    )
    mine.write_text(mine.read_text().replace('"caption": "nothing moves"', '"error": "broken"'))
    done = score(mine, world.descriptions_dir, "--json")
    assert done.code == 0
    assert json.loads(done.out)["exact_match"] == 5 / 6
    assert "predictions: 1 of 6 missing, counted as empty: f" in done.warnings


def test_two_systems_are_compared(people, tmp_path):
    rows = [{"id": name, "caption": caption} for name, caption in CAPTIONS.items()]
    mine = write_lines(tmp_path / "mine.jsonl", rows)
    other = tmp_path / "other.tsv"
    other.write_text("".join(f"{name}\ta red ball\n" for name in CAPTIONS))
    done = score(mine, people, "--against", other)
    assert done.code == 0
    assert "Against the other system" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    found = json.loads(score(mine, people, "--against", other, "--json").out)["against"]
    assert found["exact_match"]["difference"] == 1.0
    assert found["exact_match"]["p_value"] < 0.01
    other.write_text("stranger\tx\n")
    done = score(mine, people, "--against", other)
    assert (done.code, done.out) == (1, "")
    assert "other.tsv: no id in common with the references" in done.error


def test_each_examples_scores_are_written(world, model_dir, tmp_path):
    path = tmp_path / "deep" / "scores.jsonl"
    done = evaluate(world, model_dir, *TRAIN, "--json", "--per-example", path)
    assert done.code == 0
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == json.loads(done.out)["num_examples"]
    for row in rows:
        assert row["references"] == [CAPTIONS[row["id"]]]
        assert set(row["metrics"]) == set(json.loads(done.out)["metrics"])
        assert set(row["baselines"]) == {"blind", "nearest", "most-common"}


def test_scores_of_each_example_replace_only_such_scores(world, model_dir, tmp_path):
    path = tmp_path / "scores.jsonl"
    assert evaluate(world, model_dir, *TRAIN, "--per-example", path).code == 0
    assert evaluate(world, model_dir, *TRAIN, "--per-example", path).code == 0
    description = world.descriptions_dir / f"{next(iter(CAPTIONS))}.txt"
    before = description.read_text()
    done = evaluate(world, model_dir, *TRAIN, "--per-example", description)
    assert (done.code, done.out) == (1, "")
    assert "exists, and gifdesc did not write it as such a file; name another file" in done.error
    assert description.read_text() == before


def test_scores_are_printed_even_if_they_cannot_be_written(people, tmp_path):
    mine = write_lines(tmp_path / "mine.jsonl", [{"id": "a", "caption": "a red ball grows"}])
    done = score(mine, people, "--json", "--per-example", people / "scores.jsonl")
    assert done.code == 1
    assert json.loads(done.out)["num_examples"] == len(CAPTIONS)
    assert "scores.jsonl: cannot be written: " in done.error


def test_a_single_example_is_scored_and_missing_results_are_explained(tmp_path):
    mine = write_lines(tmp_path / "mine.jsonl", [{"id": "a", "caption": "a dog"}])
    people = write_lines(tmp_path / "people.jsonl", [{"id": "a", "captions": ["a dog runs"]}])
    done = score(mine, people)
    assert done.code == 0
    assert "1 GIF" in done.out
    assert "blind: needs two GIFs or more" in done.out
    result = json.loads(score(mine, people, "--json").out)
    assert result["blind"] is result["intervals"] is result["visual_gain"] is None


def test_references_without_any_word_are_refused(tmp_path):
    mine = write_lines(tmp_path / "mine.jsonl", [{"id": "a", "caption": "a dog"}])
    people = write_lines(tmp_path / "people.jsonl", [{"id": "a", "captions": ["...", ""]}])
    done = score(mine, people)
    assert (done.code, done.out) == (1, "")
    assert done.error == (
        "error: no reference contains a word, so there is nothing to score against"
    )


def test_a_java_that_hangs_leaves_the_other_scores(people, tmp_path, monkeypatch):
    if os.name != "posix":
        pytest.skip("the stand-in for Java is a POSIX script")
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nsleep 600\n")
    java.chmod(0o755)
    monkeypatch.setattr("gifdesc.metrics.meteor_process._find_jar", lambda: tmp_path / "meteor.jar")
    monkeypatch.setattr("gifdesc.metrics.meteor_process._find_java", lambda: str(java))
    monkeypatch.setattr("gifdesc.metrics.meteor.START_TIMEOUT_SECONDS", 0.5)
    rows = [{"id": name, "caption": caption} for name, caption in CAPTIONS.items()]
    mine = write_lines(tmp_path / "mine.jsonl", rows)
    done = run_here("evaluate", "--predictions", mine, "--references", people, "--json")
    result = json.loads(done.out)
    assert (done.code, result["metrics"]["meteor"]) == (0, None)
    assert result["metrics"]["bleu_1"] > 0.99
    assert result["notes"]["meteor"].endswith("gave no answer for 0.5 seconds")


def test_predictions_and_references_go_together(people):
    for option in ("--predictions", "--references"):
        done = run_here("evaluate", option, people)
        assert (done.code, done.out) == (2, "")
        assert "go together" in done.err


def test_a_line_of_predictions_that_cannot_be_read_is_named(people, tmp_path):
    mine = tmp_path / "mine.jsonl"
    mine.write_text('{"id": "a", "caption": "x"}\nno json\n')
    done = run_here("evaluate", "--predictions", mine, "--references", people)
    assert (done.code, done.out) == (1, "")
    assert done.error == f"error: {mine}:2: not JSON"


def test_a_prediction_without_references_is_named(people, tmp_path):
    mine = write_lines(tmp_path / "mine.jsonl", [{"id": "stranger", "caption": "x"}])
    done = run_here("evaluate", "--predictions", mine, "--references", people)
    assert done.code == 1
    assert done.error == (
        f"error: {mine}: no id in common with the references, which may be of another data set: "
        "no references for stranger; the references are of GIFs such as a"
    )


def test_a_closed_pipe_of_the_table_is_not_a_failure(people, tmp_path):
    """As in `gifdesc evaluate ... | head -1`."""
    rows = [{"id": name, "caption": caption} for name, caption in CAPTIONS.items()]
    mine = write_lines(tmp_path / "mine.jsonl", rows)
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gifdesc", "evaluate", "--no-meteor"),
            *("--predictions", mine, "--references", people),
        ],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        env=process_environment(),
        check=False,
    )
    os.close(write_end)
    assert done.returncode == 0
    assert "roken pipe" not in done.stderr
    assert "Traceback" not in done.stderr
