"""Presets: what each name stands for."""

from dataclasses import replace

import pytest

from gifdesc.config import DEFAULT_PRESET, PRESETS, ModelConfig, TrainingConfig, to_json
from gifdesc.data.training_data import prepare_data
from gifdesc.system.json_files import from_json
from gifdesc.training.run import train
from worlds import CAPTIONS, CPU, TINY, greedy_captions, write_world


@pytest.mark.parametrize("preset", PRESETS.values())
def test_presets_survive_json(preset):
    assert from_json(ModelConfig, to_json(preset.model)) == preset.model
    assert from_json(TrainingConfig, to_json(preset.training)) == preset.training


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_knows_its_name(name):
    assert PRESETS[name].training.preset == name


def test_the_default_preset_is_the_default_configuration():
    assert PRESETS[DEFAULT_PRESET].model == ModelConfig()
    assert PRESETS[DEFAULT_PRESET].training == TrainingConfig()


def test_the_default_attends_to_what_an_rnn_made_of_the_frames():
    model, training = PRESETS["attention"].model, PRESETS["attention"].training
    assert model.fusion == "attention"
    assert model.encoder != "none"
    assert model.decoder != "none"
    assert (training.objective, training.best_by) == ("next_token", "auto")


def test_the_mean_preset_pools_the_frames_into_an_lstm():
    model, training = PRESETS["mean"].model, PRESETS["mean"].training
    assert (model.encoder, model.decoder) == ("none", "lstm")
    assert model.fusion != "attention"
    assert training.objective == "next_token"


def test_the_report_preset_is_the_reports_recipe():
    model, training = PRESETS["report"].model, PRESETS["report"].training
    assert (model.encoder, model.bidirectional, model.decoder) == ("rnn", False, "none")
    assert (model.fusion, model.standardise, model.projection_size) == ("add", False, 0)
    assert (model.dropout, model.frame_skip) == (0, False)
    assert (training.objective, training.max_tokens) == ("reconstruction", 128)
    assert (training.epochs, training.learning_rate) == (10, 1e-4)
    assert (training.optimizer, training.schedule, training.warmup_fraction) == (
        "adam",
        "constant",
        0,
    )
    assert (training.weight_decay, training.label_smoothing, training.max_grad_norm) == (0, 0, 0)
    assert training.tokenizer == "bert-base-uncased"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_learns_a_few_captions_by_heart(tmp_path, name):
    """In small; the report's by next-token prediction, without which it cannot caption at all."""
    preset = PRESETS[name]
    if name == "report":  # a word says nothing of where in the caption it stands: none comes twice
        captions = {"a": "red ball grows", "b": "blue cross shrinks", "c": "nothing moves"}
    else:
        captions = CAPTIONS
    world = write_world(tmp_path / "world", captions)
    training = replace(
        preset.training,
        epochs=100,
        learning_rate=2e-2,
        batch_size=4,
        label_smoothing=0.0,
        objective="next_token",
        tokenizer="corpus",
        val_fraction=0.0,
        test_fraction=0.0,
    )
    size = TINY.hidden_size
    model = replace(
        preset.model,
        hidden_size=size,
        embedding_size=size,
        projection_size=size if preset.model.projection_size else 0,
        dropout=0.0,
        standardise=True,
    )
    data = prepare_data(world.features_dir, world.descriptions_dir, training)
    train(data, tmp_path / "model", model, training, CPU)
    assert greedy_captions(tmp_path / "model", data.splits["train"]) == captions
