"""Whether a model folder may be written, and whether its run can be resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from gifdesc.config import (
    ABSENT,
    DEFAULT_PRESET,
    PRESETS,
    FeatureRecipe,
    ModelConfig,
    TrainingConfig,
    to_json,
)
from gifdesc.data.content_digests import is_of_gif
from gifdesc.data.training_data import TrainingData
from gifdesc.errors import CheckpointError, TrainingError
from gifdesc.model.checkpoint import CONFIG_NAME, missing_files
from gifdesc.system.json_files import from_json
from gifdesc.system.wording import counted
from gifdesc.training.folder import LAST_NAME, STATE_NAME, Progress, read_progress
from gifdesc.training.phases import SelfCriticalPhase

_FREE = {"epochs", "scst_epochs", "patience", "precision"}
"""Fields of a run that may change when it is resumed: how long, and how fast."""


def check_folder(model_dir: Path, *, force: bool, resume: bool) -> Progress | None:
    """The run in a model folder that is resumed; None if a new run begins.

    Raises:
        TrainingError: the folder holds a model or a run, and neither `force` nor `resume` is given.
        CheckpointError: the run's state is damaged, or the model of its best epoch is missing.
    """
    state_path = model_dir / LAST_NAME / STATE_NAME
    has_run, has_model = state_path.exists(), (model_dir / CONFIG_NAME).exists()
    if force or not (has_run or has_model):
        return None
    if resume and has_run:
        progress = read_progress(state_path)
        if progress.history and (missing := missing_files(model_dir)):
            raise CheckpointError(
                f"{missing[0]}: missing, so the best epoch of the run is lost; start again with "
                f"--force (the model of the latest epoch is in {model_dir / LAST_NAME})"
            )
        return progress
    if not has_model and not read_progress(state_path).has_begun:
        return None  # a run that was stopped before its first step was saved
    if resume:
        raise TrainingError(
            f"{model_dir}: holds a model but no run to resume; replace it with --force"
        )
    remedy = (
        "continue with --resume, replace it with --force, or "
        if has_run
        else ("replace it with --force, or ")
    )
    raise TrainingError(
        f"{model_dir}: holds a model already; {remedy}choose another folder with --model"
    )


def stored_configs(model_dir: Path) -> tuple[ModelConfig, TrainingConfig] | None:
    """The configurations of the run in a folder; None without a run.

    Raises:
        CheckpointError: the run's state is damaged.
    """
    path = model_dir / LAST_NAME / STATE_NAME
    if not path.exists():
        return None
    progress = read_progress(path)
    try:
        return (
            from_json(ModelConfig, progress.model),
            from_json(TrainingConfig, progress.training),
        )
    except ValueError as error:
        raise CheckpointError(f"{path}: damaged; start again with --force") from error


def choose_configs(
    resumed_dir: Path | None,
    preset: str | None,
    *,
    model_options: Mapping[str, Any],
    training_options: Mapping[str, Any],
) -> tuple[ModelConfig, TrainingConfig]:
    """The configurations of a run: a preset or the resumed run, changed by options.

    Args:
        resumed_dir: the model folder whose run is resumed, if it holds a run.
        preset: a key of `PRESETS`; None for the default, or the run's own.
        model_options: fields of the model's configuration.
        training_options: fields of the run's.

    Raises:
        ValueError: they do not go together.
        CheckpointError: the run's state is damaged.
    """
    stored = None if resumed_dir is None else stored_configs(resumed_dir)
    if stored is not None and preset in (None, stored[1].preset):
        model, training = stored
    else:
        chosen = PRESETS[preset or DEFAULT_PRESET]
        model, training = chosen.model, chosen.training
    changes = dict(model_options)
    if "hidden_size" in changes:
        changes["embedding_size"] = changes["hidden_size"]
        if model.projection_size:
            changes["projection_size"] = changes["hidden_size"]
    if changes.get("encoder") == "none":
        changes |= {
            "bidirectional": False,
            "projection_size": changes.get("hidden_size", model.hidden_size),
        }
    settings = dict(training_options)
    if settings.get("objective") == "reconstruction":
        settings.setdefault("best_by", "loss")  # such a model has no captions to score
    if settings.get("optimizer") == "adam":
        settings.setdefault("weight_decay", 0.0)  # Adam has none
    return replace(model, **changes), replace(training, **settings)


_DECIDING = ("preset", "hidden_size")
"""Named first: other settings follow from these, and have no option of their own."""

_OPTIONS = {
    "hidden_size": "--hidden-size",
    "learning_rate": "--lr",
    "preset": "--preset",
    "warmup_fraction": "--warmup",
}
"""Settings that people know by their options."""


class OtherSettingError(TrainingError):
    """A run cannot be resumed with another setting; the message names its field or option."""


def check_same_run(stored: Progress, wanted: Progress) -> None:
    """Refuse to resume a run with other settings or data, before any file is written.

    Raises:
        TrainingError: a setting or the data differ; it names the first difference.
    """
    before, now = _completed(ModelConfig, stored.model), wanted.model
    if before.get("feature_size") != now["feature_size"]:
        raise TrainingError(
            f"--resume: the features have {now['feature_size']} numbers a frame, the run's had "
            f"{before.get('feature_size')}; use its features, or start again with --force"
        )
    if before.get("vocab_size") != now["vocab_size"]:
        raise TrainingError(
            f"--resume: the vocabulary has {now['vocab_size']} tokens, the run's had "
            f"{before.get('vocab_size')}; use its descriptions and "
            "splits, or start again with --force"
        )
    training = _completed(TrainingConfig, stored.training)
    was, is_now = {**before, **training}, {**now, **wanted.training}
    if name := _difference(was, is_now):
        if name == "splits_sha256":
            raise TrainingError(
                "--resume: the run was started with other split lists, or without lists; give "
                "the same lists with --splits, or start again with --force"
            )
        option = _OPTIONS.get(name, name)
        raise OtherSettingError(
            f"--resume: the run was started with {option} {was.get(name)}, not {is_now[name]}; "
            "use the run's setting, or start again with --force"
        )
    digests = {stored.gifs_sha256, wanted.gifs_sha256}
    is_other_content = len(digests) == 2 and "" not in digests
    if stored.data_sha256 != wanted.data_sha256 or is_other_content:
        raise TrainingError(
            "--resume: the features, GIFs or descriptions differ from those that the run was "
            "started with; start again with --force"
        )
    _check_epochs(stored, now=wanted.training["epochs"])


def _completed(
    kind: type[ModelConfig] | type[TrainingConfig], stored: Mapping[str, Any]
) -> Mapping[str, Any]:
    """A run's configuration, completed by fields that are newer than the run."""
    try:
        return to_json(from_json(kind, stored))
    except ValueError:
        return stored


def _check_epochs(stored: Progress, *, now: int) -> None:
    """Check the number of epochs: it may grow until self-critical training has begun."""
    before = stored.training["epochs"]
    if now == before:
        return
    is_under_way = stored.sums.num_batches or stored.phase == SelfCriticalPhase.name
    num_begun = stored.epoch if is_under_way else stored.epoch - 1
    if num_begun > before:
        raise TrainingError(
            f"--resume: self-critical training has begun after epoch {before}, so --epochs {now} "
            "is not possible; leave that option out, or start again with --force"
        )
    if now < num_begun:
        begun = (
            f"{counted(num_begun, 'epoch')} of cross-entropy {'is' if num_begun == 1 else 'are'}"
        )
        raise TrainingError(
            f"--resume: {begun} done or under way, more than "
            f"--epochs {now}; ask for as many or more, or start again with --force"
        )


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    names = [*_DECIDING, *(name for name in now if name not in (*_FREE, *_DECIDING))]
    return next((name for name in names if before.get(name) != now[name]), None)


def gifs_digest(data: TrainingData) -> str:
    """The SHA-256 of the content of the GIFs of both splits; empty unless it is recorded of all."""
    rows = [
        [example.name, *sorted(filter(is_of_gif, example.digests))]
        for split in ("train", "val")
        for example in data.splits[split]
    ]
    if any(len(row) == 1 for row in rows):
        return ""
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def data_digest(data: TrainingData) -> str:
    """The SHA-256 of the features' recipe and of the names and captions of both splits."""
    recipe = {} if data.recipe is None else to_json(data.recipe)
    # A field with the value that its absence means: older runs have no such field.
    skipped = {
        known.name
        for known in fields(FeatureRecipe)
        if ABSENT in known.metadata and recipe.get(known.name) == known.metadata[ABSENT]
    }
    # As when recipes are compared, weights count by their hash and the version not at all.
    skipped |= {"weights", "gifdesc_version"}
    counted = {key: recipe[key] for key in recipe if key not in skipped}
    digest = hashlib.sha256(json.dumps(counted).encode())
    for split in ("train", "val"):
        for example in data.splits[split]:
            row = json.dumps([split, example.name, example.captions])
            digest.update(row.encode())
    return digest.hexdigest()
