"""What `info` finds out about models, features, GIFs, captions and descriptions."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from gif_files import draw_gif
from gifdesc.config import PRESETS, TrainingConfig, to_json
from gifdesc.data.feature_files import claim_folder
from gifdesc.data.feature_shards import write_shard
from gifdesc.data.manifest import Manifest, ManifestEntry
from gifdesc.data.training_record import TrainingRecord, write_record
from gifdesc.errors import CheckpointError, FeatureError, UsageError
from gifdesc.info.facts import bytes_in_words, sparkline
from gifdesc.info.models import shapes_of
from gifdesc.info.recognition import facts_of
from gifdesc.model.checkpoint import load_checkpoint
from gifdesc.model.network import CaptionModel
from worlds import tiny_recipe, write_model

NO_RECIPE = "the recipe of its features is not known, so it cannot caption GIFs"


def rows_of(facts):
    return dict(facts.rows)


# Models


@pytest.fixture
def model_dir(tmp_path) -> Path:
    write_model(tmp_path / "model")
    return tmp_path / "model"


def test_a_model_is_described_by_its_files(model_dir):
    rows = [
        {"epoch": 1, "val_cider": 0.5, "is_best": False},
        {"epoch": 2, "val_cider": 2.0, "is_best": True},
        {"epoch": 3, "val_cider": 1.0, "is_best": False},
    ]
    (model_dir / "history.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    scores = {"metrics": {"cider": 1.25, "bleu_4": None}, "num_examples": 7}
    (model_dir / "evaluation.json").write_text(json.dumps(scores))
    facts = facts_of(model_dir)
    config = json.loads((model_dir / "config.json").read_text())
    assert (facts.kind, facts.title) == ("model", "a captioner of gifdesc")
    assert facts.data["model"] == config["model"]
    assert facts.data["num_parameters"] > 1000
    assert rows_of(facts)["curve"] == "▁█▃  CIDEr first 0.500, last 1.000"
    assert rows_of(facts)["kept epoch"] == "2 of 3, the best: CIDEr 2.000"
    assert rows_of(facts)["scores"] == "CIDEr 1.250 on 7 held-out GIFs"
    assert facts.data["scores"]["cider"] == 1.25


def test_the_last_epoch_is_not_called_the_best(tmp_path):
    model_dir = write_model(tmp_path / "model", training=TrainingConfig(best_by="last"))
    rows = [{"epoch": n, "val_cider": cider, "is_best": True} for n, cider in ((1, 2.0), (2, 1.0))]
    (model_dir / "history.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert rows_of(facts_of(model_dir))["kept epoch"] == "2 of 2, the last: CIDEr 1.000"


@pytest.mark.parametrize(
    ("num_done", "patience", "doubts"),
    [
        (1, 0, ["1 of 4 epochs done; `gifdesc train --resume` continues"]),
        (4, 0, []),
        (1, 2, []),  # then a run may end early
    ],
)
def test_a_run_that_was_not_finished_is_said_to_be(tmp_path, num_done, patience, doubts):
    training = TrainingConfig(epochs=3, scst_epochs=1, patience=patience)
    model_dir = write_model(tmp_path / "model", training=training, recipe=tiny_recipe())
    rows = [{"epoch": number + 1, "val_loss": 1.0} for number in range(num_done)]
    (model_dir / "history.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert [doubt for doubt in facts_of(model_dir).doubts if "epoch" in doubt] == doubts


def test_a_folder_of_such_folders_names_them(model_dir):
    features_dir = model_dir.parent / "features"
    features_dir.mkdir()
    claim_folder(features_dir, tiny_recipe())
    np.save(features_dir / "a.npy", np.ones((2, 3), np.float32))
    with pytest.raises(UsageError, match="contains features, model; name one of these folders"):
        facts_of(model_dir.parent)


def test_the_number_of_gifs_that_a_model_was_trained_on(model_dir):
    train = frozenset({"gif:1", "gif:2", "features:1", "features:2", "features:3"})
    write_record(model_dir, TrainingRecord(train, frozenset({"gif:4"})))
    facts = facts_of(model_dir)
    assert (facts.data["num_train_gifs"], facts.data["num_val_gifs"]) == (3, 1)
    assert rows_of(facts)["trained on"] == "3 GIFs, 1 for validation"
    write_record(model_dir, TrainingRecord(frozenset({"gif:1", "features:1"}), frozenset()))
    assert rows_of(facts_of(model_dir))["trained on"] == "1 GIF, 0 for validation"


def test_passes_and_self_critical_training_are_stated(tmp_path):
    training = TrainingConfig(epochs=1, passes=8, scst_epochs=2, batch_size=4)
    facts = facts_of(write_model(tmp_path / "model", training=training))
    wanted = (
        "preset attention, 1 epoch of 8 passes, 2 epochs of self-critical training, batches of 4"
    )
    assert rows_of(facts)["training"] == f"{wanted}, seed 0"


def test_a_model_without_weights_history_or_scores(model_dir):
    (model_dir / "model.safetensors").unlink()
    (model_dir / "history.jsonl").unlink(missing_ok=True)
    facts = facts_of(model_dir)
    assert "model.safetensors is missing" in facts.doubts
    assert facts.data["scores"] is None
    assert not {"curve", "scores", "parameters"} & set(rows_of(facts))


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({}, "units, repetition bias, word evidence, unsaid words"),
        ({"unsaid_words": False}, "units, repetition bias, word evidence"),
        ({"word_evidence": False}, "units, repetition bias"),
        ({"word_evidence": False, "repetition_bias": False}, "units"),
    ],
)
def test_the_parts_of_the_network_are_named(tmp_path, parts, named):
    facts = facts_of(write_model(tmp_path / "model", **parts))
    assert rows_of(facts)["network"].endswith(named)


def test_only_trained_numbers_are_parameters(model_dir):
    model = load_checkpoint(model_dir).model
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    assert facts_of(model_dir).data["num_parameters"] == num_parameters


@pytest.mark.parametrize(
    "name", ["feature_mean", "embedding.weight", "output.bias", "start_hidden.bias"]
)
def test_weights_of_other_sizes_are_a_doubt(model_dir, name):
    path = model_dir / "model.safetensors"
    assert facts_of(model_dir).doubts == [NO_RECIPE]
    tensors = load_file(path)
    wanted = tuple(tensors[name].shape)
    found = tuple(size + 1 for size in wanted)
    save_file(tensors | {name: np.zeros(found, np.float32)}, path)
    assert facts_of(model_dir).doubts[0] == (
        f"model.safetensors does not fit config.json: {name} has the shape {found}, not {wanted}"
    )
    del tensors[name]
    save_file(tensors, path)
    assert facts_of(model_dir).doubts[0] == (
        f"model.safetensors lacks {name}, which config.json asks for"
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_the_shapes_that_are_compared_are_the_networks(preset):
    config = PRESETS[preset].model
    with torch.device("meta"):
        tensors = CaptionModel(config).state_dict()
    shapes = shapes_of(config)
    assert shapes == {name: tuple(tensors[name].shape) for name in shapes}


def test_a_damaged_model_is_refused(model_dir):
    (model_dir / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        facts_of(model_dir)


def test_a_model_of_transformers(tmp_path):
    config = {"model_type": "git", "architectures": ["GitForCausalLM"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    facts = facts_of(tmp_path)
    assert rows_of(facts) == {"family": "git", "architecture": "GitForCausalLM"}


# Features


def features(folder: Path, *, recipe=None) -> Path:
    if recipe is not None:
        folder.mkdir()
        claim_folder(folder, recipe)
    vectors = np.ones((3, 4), np.float32)
    whole = ManifestEntry(source="a.gif", status="ok", sampled_frames=(0, 1, 2))
    manifest = Manifest(folder)
    for entry in write_shard(folder, {"a.gif": (whole, vectors)}):
        manifest.add(entry)
    np.save(folder / "b.gif.npy", vectors)
    truncated = ManifestEntry(source="b.gif", status="truncated", features="b.gif.npy")
    for entry in (truncated, ManifestEntry(source="c.gif", status="failed", error="empty")):
        manifest.add(entry)
    return folder


def test_features_in_files_and_shards_are_counted(tmp_path):
    recipe = tiny_recipe()
    facts = facts_of(features(tmp_path / "f", recipe=recipe))
    data = facts.data
    assert (data["num_gifs"], data["num_files"], data["num_shards"]) == (2, 1, 1)
    assert (data["num_truncated"], data["num_failed"]) == (1, 1)
    assert data["failures"] == {"empty": 1}
    assert data["recipe"] == to_json(recipe)
    assert rows_of(facts)["stored in"] == "1 file and 1 shard"


def test_features_made_elsewhere_have_no_recipe(tmp_path):
    np.save(tmp_path / "gif_7_features_with_pe.npy", np.ones((3, 4), np.float32))
    facts = facts_of(tmp_path)
    assert facts.data["num_gifs"] == 1
    assert "no recipe.json" in facts.doubts[0]


def test_a_damaged_manifest_is_refused(tmp_path):
    folder = features(tmp_path / "f", recipe=tiny_recipe())
    (folder / "manifest.jsonl").write_text("x\ny\n")
    with pytest.raises(FeatureError, match="damaged"):
        facts_of(folder)


# GIFs


def test_a_gif_and_what_is_sampled(tmp_path):
    path = draw_gif(tmp_path / "a.gif", 20, durations_ms=[50] * 19 + [100])
    facts = facts_of(path)
    data = facts.data
    assert (facts.kind, facts.title, data["format"]) == ("gif", "a GIF", "GIF")
    assert (data["num_frames"], data["duration_ms"]) == (20, 1050)
    assert len(data["sampled_frames"]) == 16
    assert data["sampled_times_ms"] == [50 * index for index in data["sampled_frames"]]
    assert rows_of(facts)["frame times"] == "50 to 100 ms"


def test_a_models_recipe_decides_what_is_sampled(tmp_path):
    write_model(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["features"] = to_json(replace(tiny_recipe(), num_frames=3, sampling="uniform"))
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    path = draw_gif(tmp_path / "a.gif", 20)
    assert len(facts_of(path, tmp_path / "model").data["sampled_frames"]) == 3
    assert len(facts_of(path, tmp_path / "gone").data["sampled_frames"]) == 16


# Captions and descriptions


def test_a_model_that_decides_nothing_is_a_doubt(tmp_path):
    path = draw_gif(tmp_path / "a.gif", 20)
    wanted = facts_of(path).data["sampled_frames"]
    write_model(tmp_path / "old")  # without the recipe of its features
    for name, reason in {
        "gone": "no model folder (it has no config.json)",
        "a.gif": "no model folder (it has no config.json)",
        "old": "the recipe of its features is unknown",
    }.items():
        model = tmp_path / name
        facts = facts_of(path, model)
        assert facts.doubts == [f"{model}: {reason}; the frames are those of the default recipe"]
        assert facts.data["sampled_frames"] == wanted


def test_captions_are_counted(tmp_path):
    rows = [
        {"path": "a", "caption": "a dog", "score": -0.5, "low_confidence": True},
        {"path": "b", "caption": "a dog", "score": -1.5, "low_confidence": False},
        {"path": "c", "error": "empty"},
    ]
    path = tmp_path / "c.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert facts_of(path).data == {
        "num_gifs": 3,
        "num_captions": 2,
        "num_failed": 1,
        "num_distinct": 1,
        "num_low_confidence": 1,
        "mean_score": -1.0,
    }
    table = tmp_path / "c.csv"
    table.write_text("path,caption,score,low_confidence,error\na,a dog,-0.5,True,\nb,,,,empty\n")
    facts = facts_of(table)
    assert (facts.kind, facts.data["num_failed"], facts.data["mean_score"]) == ("captions", 1, -0.5)


def test_odd_rows_of_captions_are_no_defect(tmp_path):
    path = tmp_path / "c.jsonl"
    rows = [
        '{"path": "a", "caption": ["x"], "score": "abc"}',
        "nonsense",
        '{"path": "b", "score": 0}',
    ]
    path.write_text("\n".join(rows) + "\n")
    facts = facts_of(path)
    assert (facts.data["num_gifs"], facts.data["num_captions"]) == (2, 0)
    assert facts.data["mean_score"] == 0
    assert facts.doubts == ["line 2 is not that of a caption, and does not count"]


def test_descriptions_of_other_forms(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_text('{"id": "a", "captions": ["a dog", "it"], "split": "train"}\n')
    facts = facts_of(path)
    assert facts.kind == "descriptions"
    assert facts.data == {"num_gifs": 1, "num_captions": 2, "splits": {"train": 1}}
    folder = tmp_path / "descriptions"
    folder.mkdir()
    (folder / "a.txt").write_text("a dog\n")
    assert facts_of(folder).data["num_captions"] == 1


def test_damage_is_reported(model_dir, tmp_path):
    (model_dir / "training_data.json").write_text("{")
    for path in model_dir.glob("*token*"):
        path.unlink()
    doubts = " ".join(facts_of(model_dir).doubts)
    assert "training_data.json: damaged" in doubts
    assert "its tokenizer is missing" in doubts
    folder = tmp_path / "features"
    folder.mkdir()
    np.save(folder / "a.gif.npy", np.ones((3, 4), np.float32))
    (folder / "b.gif.npy").write_bytes(b"x")
    facts = facts_of(folder)
    assert facts.data["num_damaged"] == 1
    assert "1 feature file damaged: b.gif.npy" in facts.doubts


@pytest.mark.parametrize("name", ["gone", "empty", "code.py", "pipe", "x.npy", "manifest.jsonl"])
def test_what_is_none_of_these_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for part in ("x.npy", "manifest.jsonl"):
        (tmp_path / part).touch()
    (tmp_path / "code.py").write_text("import sys\n")
    with pytest.raises(UsageError, match=name):
        facts_of(tmp_path / name)


# Small things


def test_a_sparkline_goes_from_the_smallest_to_the_largest():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([3, 3]) == "▁▁"
    assert sparkline([]) == ""
    assert len(sparkline(range(1000))) == 24


@pytest.mark.parametrize(
    ("number", "text"), [(999, "999 bytes"), (1500, "1.5 kB"), (2.5e6, "2.5 MB"), (7e9, "7.0 GB")]
)
def test_sizes_in_words(number, text):
    assert bytes_in_words(number) == text
