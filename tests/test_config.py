"""Configurations: their ranges, and what tells recipes apart."""

import dataclasses
import math

import pytest

from gifdesc.config import (
    MAX_TOKENS,
    DecodingConfig,
    FeatureRecipe,
    ModelConfig,
    TrainingConfig,
)

RECIPE = FeatureRecipe(weights_sha256="ab" * 32, gifdesc_version="1.2.3")


def test_sizes_of_the_report():
    assert MAX_TOKENS == 128
    assert (RECIPE.num_frames, RECIPE.image_size, RECIPE.backbone) == (16, 224, "resnet50")


def test_a_recipe_of_random_weights_is_untrained():
    assert dataclasses.replace(RECIPE, weights="random").is_untrained
    assert not RECIPE.is_untrained


def test_configurations_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainingConfig().epochs = 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "transformer"}, "encoder is one of none, rnn, gru, lstm, not 'transformer'"),
        (
            {"fusion": "multiply"},
            "fusion is one of add, concat, gate, attention, not 'multiply'",
        ),
        ({"hidden_size": 7}, "needs an even hidden_size"),
        ({"decoder": "none", "embedding_size": 2}, "embedding_size must equal hidden_size"),
        ({"vocab_size": 0}, "vocab_size must be 1 or more"),
        ({"feature_size": 0}, "feature_size must be 1 or more"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\)"),
        ({"projection_size": -1}, "projection_size must be 0 or more"),
    ],
)
def test_a_model_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": -1},
        {"batch_size": -1},
        {"max_tokens": 2},
        {"learning_rate": 0.0},
        {"max_grad_norm": -1.0},
        {"val_fraction": -0.1},
        {"val_fraction": 0.5, "test_fraction": 0.5},
        {"objective": "masked"},
        {"scst_epochs": -1},
        {"scst_samples": 1},
        {"scst_learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"patience": -1},
        {"weight_decay": -0.1},
        {"weight_decay": math.inf},
        {"warmup_fraction": 1.0},
        {"warmup_fraction": -0.1},
        {"label_smoothing": 1.0},
        {"scheduled_sampling": 1.0},
        {"scheduled_sampling": math.nan},
        {"optimizer": "sgd"},
        {"schedule": "linear"},
        {"best_by": "bleu"},
        {"precision": "float8"},
        {"weight_decay": 0.1, "optimizer": "adam"},
    ],
)
def test_a_training_run_that_cannot_be_is_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        TrainingConfig(**changes)


@pytest.mark.parametrize(
    "changes", [{"best_by": "cider"}, {"scst_epochs": 1}, {"scheduled_sampling": 0.1}]
)
def test_a_model_that_repeats_what_it_is_shown_is_not_asked_for_captions(changes):
    sensible = {"objective": "reconstruction", "best_by": "loss"}
    assert TrainingConfig(**sensible).objective == "reconstruction"
    with pytest.raises(ValueError, match="cannot caption"):
        TrainingConfig(**{**sensible, **changes})


@pytest.mark.parametrize("changes", [{"num_captions": 6}, {"num_captions": 0}, {"max_tokens": 0}])
def test_a_search_that_cannot_be_is_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        DecodingConfig(**changes)


CHANGED = {
    "backbone": "resnet18",
    "weights": "random",
    "weights_sha256": "cd" * 32,
    "num_frames": 8,
    "sampling": "step",
    "framing": "pad",
    "image_size": 112,
    "resize_size": 232,
    "encoding": "none",
    "dtype": "float16",
    "precision": "bfloat16",
    "format_version": 2,
}


def test_the_fields_that_change_features_tell_recipes_apart():
    names = {field.name for field in dataclasses.fields(FeatureRecipe)}
    assert names == {*CHANGED, "gifdesc_version"}
    for name, value in CHANGED.items():
        other = dataclasses.replace(RECIPE, **{name: value})
        wanted = [] if name in ("weights", "precision", "dtype") else [name]
        assert RECIPE.differences(other) == other.differences(RECIPE) == wanted


def test_weights_are_told_apart_by_their_hash_and_called_by_their_name():
    same = dataclasses.replace(RECIPE, weights="resnet50-0676ba61.pth")
    other = dataclasses.replace(same, weights_sha256="f" * 64)
    assert RECIPE.differences(same) == []
    assert RECIPE.differences(other) == ["weights"]


def test_the_version_does_not_tell_recipes_apart():
    assert RECIPE.differences(dataclasses.replace(RECIPE, gifdesc_version="9")) == []


def test_all_differences_are_named_in_the_order_of_the_fields():
    other = dataclasses.replace(RECIPE, sampling="time", num_frames=4)
    assert RECIPE.differences(other) == ["num_frames", "sampling"]
