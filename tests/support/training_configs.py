"""Short training runs of every kind, from Python and by the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gifdesc.config import ModelConfig, TrainingConfig
from gifdesc.data.training_data import TrainingData, prepare_data
from gifdesc.training.results import TrainingSummary
from gifdesc.training.run import train
from worlds import CPU, TINY, Outcome, World, run_here

SHORT = TrainingConfig(
    epochs=3, batch_size=5, label_smoothing=0.1, learning_rate=0.01, val_fraction=0.25,
    test_fraction=0.0, seed=1,
)  # fmt: skip
DROPPING = replace(TINY, dropout=0.3)
REWARDED = replace(SHORT, epochs=2, scst_epochs=2, scst_samples=3, scst_learning_rate=0.01)

CONFIGS = {
    "cross-entropy": SHORT,
    "scheduled-sampling": replace(SHORT, scheduled_sampling=0.6),
    "rewarded": REWARDED,
    # Without a validation split each epoch is the best one so far.
    "rewarded-unscored": replace(REWARDED, val_fraction=0.0),
    "patience": replace(SHORT, epochs=12, learning_rate=0.05, patience=2, best_by="loss"),
    "patience-rewarded": replace(
        REWARDED, epochs=12, learning_rate=0.05, patience=1, best_by="loss"
    ),
    "plain-adam": replace(SHORT, optimizer="adam", weight_decay=0.0, schedule="constant"),
}

SMALL = ("--hidden-size", 8, "--epochs", 2)
ALL = ("--val-fraction", 0, "--test-fraction", 0)
"""Options of `gifdesc train`: a small model; every GIF in the training split."""


def prepare(world: World, config: TrainingConfig, splits_dir: Path | None = None) -> TrainingData:
    """The training data of a world."""
    return prepare_data(world.features_dir, world.descriptions_dir, config, splits_dir)


def train_on(
    world: World,
    model_dir: Path,
    config: TrainingConfig,
    model_config: ModelConfig = TINY,
    **options: object,
) -> TrainingSummary:
    """Train on a world, on the CPU."""
    return train(prepare(world, config), model_dir, model_config, config, CPU, **options)


def train_here(world: World, model_dir: Path, *arguments: object) -> Outcome:
    """Run `gifdesc train` on a world, with a small model."""
    return run_here("train", *world.options, "--model", model_dir, *SMALL, *arguments)
