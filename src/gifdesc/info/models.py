"""What a model folder is: its network, its training, its scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from gifdesc.config import FeatureRecipe, ModelConfig, TrainingConfig
from gifdesc.data.training_record import read_record
from gifdesc.errors import CheckpointError
from gifdesc.info.facts import Facts, add_recipe, bytes_in_words, sparkline
from gifdesc.metrics.scoring import metric_label, metric_names
from gifdesc.model.checkpoint import WEIGHTS_NAME
from gifdesc.model.folder import (
    CONFIG_NAME,
    SCORES_NAME,
    epochs_in_words,
    kind_of,
    network_in_words,
    read_config,
    read_history,
)
from gifdesc.system.json_files import from_json, read_json
from gifdesc.system.wording import counted

_TOKENIZER_NAMES = ("tokenizer.json", "vocab.txt")
_STATISTICS = {"feature_mean", "feature_std"}
"""Tensors of the weights file that are computed from the features, not trained."""
_CURVES = {"val_cider": "CIDEr", "val_loss": "validation loss", "train_loss": "training loss"}
"""What a curve shows: the first that every epoch has."""


def facts_of_model(folder: Path) -> Facts:
    """The facts about a model folder.

    Raises:
        CheckpointError: its config.json is missing, damaged, or of another program.
    """
    config = read_config(folder)
    if kind_of(config) == "transformers":
        return _of_transformers(folder, config)
    try:
        model = from_json(ModelConfig, config.get("model"))
        training = from_json(TrainingConfig, config.get("training"))
        features = config.get("features")
        recipe = None if features is None else from_json(FeatureRecipe, features)
    except ValueError as error:
        raise CheckpointError(f"{folder / CONFIG_NAME}: damaged: {error}") from error
    facts = Facts(folder, "model", "a captioner of gifdesc")
    facts.add("network", network_in_words(model))
    _add_weights(facts, model)
    facts.add("vocabulary", f"{model.vocab_size:,} tokens")
    if recipe is not None:
        add_recipe(facts, recipe)
    try:
        record = read_record(folder)
    except CheckpointError as error:
        record = None
        facts.doubts.append(str(error))
    if record is not None:
        num_train, num_val = record.num_gifs("train"), record.num_gifs("val")
        gifs = "GIF" if num_train == 1 else "GIFs"
        facts.add("trained on", f"{num_train:,} {gifs}, {num_val:,} for validation")
        facts.data |= {"num_train_gifs": num_train, "num_val_gifs": num_val}
    facts.add("training", _training(training))
    facts.data |= {"model": config.get("model"), "features": features}
    facts.data |= {"training": config.get("training"), "version": config.get("gifdesc_version")}
    if not any((folder / name).is_file() for name in _TOKENIZER_NAMES):
        facts.doubts.append("its tokenizer is missing")
    _add_history(facts, training)
    _add_scores(facts)
    facts.add("gifdesc", config.get("gifdesc_version"))
    if recipe is None:
        facts.doubts.append("the recipe of its features is not known, so it cannot caption GIFs")
    elif recipe.is_untrained:
        facts.doubts.append(f"its features come from an untrained {recipe.backbone_title}")
    if training.objective == "reconstruction":
        facts.doubts.append("it was trained to repeat its input: its captions mean nothing")
    return facts


def _of_transformers(folder: Path, config: Mapping[str, Any]) -> Facts:
    facts = Facts(folder, "model", "a model of transformers")
    names = config.get("architectures")
    architecture = names[0] if isinstance(names, list) and names else None
    facts.add("family", config.get("model_type"))
    facts.add("architecture", architecture)
    sizes = [path.stat().st_size for path in folder.glob("*.safetensors")]
    facts.add("weights", bytes_in_words(sum(sizes)) if sizes else None)
    facts.data |= {"model_type": config.get("model_type"), "architecture": architecture}
    return facts


def _training(training: TrainingConfig) -> str:
    return (
        f"preset {training.preset}, {epochs_in_words(training)}, batches of "
        f"{training.batch_size}, seed {training.seed}"
    )


def _add_weights(facts: Facts, config: ModelConfig) -> None:
    path = facts.path / WEIGHTS_NAME
    try:
        with safe_open(path, framework="numpy") as file:
            names = set(file.keys())
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except FileNotFoundError:
        facts.doubts.append(f"{WEIGHTS_NAME} is missing")
        return
    except (OSError, SafetensorError) as error:
        facts.doubts.append(f"{WEIGHTS_NAME} is damaged: {error}")
        return
    wanted_shapes = shapes_of(config)
    if missing := [name for name in wanted_shapes if name not in shapes]:
        facts.doubts.append(f"{WEIGHTS_NAME} lacks {missing[0]}, which {CONFIG_NAME} asks for")
    for name, wanted in wanted_shapes.items():
        if (found := shapes.get(name, wanted)) != wanted:
            facts.doubts.append(
                f"{WEIGHTS_NAME} does not fit {CONFIG_NAME}: {name} has the shape {found}, not "
                f"{wanted}"
            )
            break
    trained = shapes.keys() - _STATISTICS
    num_parameters = sum(math.prod(shapes[name]) for name in trained)
    facts.data["num_parameters"] = num_parameters
    facts.add("parameters", f"{num_parameters:,} ({bytes_in_words(path.stat().st_size)})")


def shapes_of(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """The shapes of some tensors of a weights file that are sizes of the configuration."""
    wanted: dict[str, tuple[int, ...]] = {
        "feature_mean": (config.feature_size,),
        "embedding.weight": (config.vocab_size, config.embedding_size),
        "output.bias": (config.vocab_size,),
    }
    if config.decoder != "none":
        wanted["start_hidden.bias"] = (config.hidden_size,)
    return wanted


def _add_history(facts: Facts, training: TrainingConfig) -> None:
    rows = read_history(facts.path)
    facts.data["num_epochs"] = len(rows)
    planned = training.epochs + training.scst_epochs
    if rows and len(rows) < planned and not training.patience:
        epochs = counted(planned, "epoch")
        facts.doubts.append(f"{len(rows)} of {epochs} done; `gifdesc train --resume` continues")
    whole = (
        (key, label)
        for key, label in _CURVES.items()
        if rows and all(isinstance(row.get(key), int | float) for row in rows)
    )
    if (curve := next(whole, None)) is None:
        return
    key, label = curve
    values = [float(row[key]) for row in rows]
    best = next((row for row in reversed(rows) if row.get("is_best")), rows[-1])
    facts.data |= {"curve": {key: values}, "best_epoch": best.get("epoch")}
    facts.add("curve", f"{sparkline(values)}  {label} first {values[0]:.3f}, last {values[-1]:.3f}")
    is_validated = any(rows[-1].get(name) is not None for name in ("val_cider", "val_loss"))
    how = "the best" if is_validated and training.best_by != "last" else "the last"
    epoch = f"{best.get('epoch')} of {len(rows)}, {how}"
    facts.add("kept epoch", f"{epoch}: {label} {best[key]:.3f}")


def _add_scores(facts: Facts) -> None:
    try:
        scores = read_json(facts.path / SCORES_NAME)
        metrics = {name: scores["metrics"].get(name) for name in metric_names()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        facts.data["scores"] = None
        return
    facts.data["scores"] = metrics
    known = [
        f"{metric_label(name)} {value:.3f}"
        for name, value in metrics.items()
        if isinstance(value, int | float)
    ]
    facts.add("scores", f"{', '.join(known)} on {scores.get('num_examples')} held-out GIFs")
