"""Feature files and descriptions to a model folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from pathlib import Path

import torch

from gifdesc.config import ABSENT, CORPUS_TOKENIZER, FeatureRecipe, ModelConfig, TrainingConfig
from gifdesc.config_json import to_json
from gifdesc.distributed import World
from gifdesc.errors import TrainingError
from gifdesc.feature_statistics import feature_statistics
from gifdesc.files import reason
from gifdesc.interruption import holding_signals
from gifdesc.locking import locked
from gifdesc.model import CaptionModel
from gifdesc.resuming import LAST_NAME, check_folder, check_same_run
from gifdesc.tokenizer import CaptionTokenizer
from gifdesc.training_data import TrainingData
from gifdesc.training_results import EpochResult, StepResult, TrainingSummary
from gifdesc.training_run import TrainingRun
from gifdesc.training_size import fit_to_data
from gifdesc.training_state import Progress
from gifdesc.waits import wait_for


def train(
    data: TrainingData,
    model_dir: Path,
    model_config: ModelConfig,
    config: TrainingConfig,
    device: torch.device,
    *,
    world: World | None = None,
    force: bool = False,
    resume: bool = False,
    on_tokenizer: Callable[[CaptionTokenizer], None] = lambda _: None,
    on_step: Callable[[StepResult], None] = lambda _: None,
    on_epoch: Callable[[EpochResult], None] = lambda _: None,
) -> TrainingSummary:
    """Train a captioner; after every epoch the model folder is whole.

    The folder keeps the best epoch by validation score (the latest, where there is no validation
    split); `last/` keeps the latest and what a resumed run needs. SIGINT and SIGTERM end the step
    that is under way and save.

    Args:
        data: from `prepare_data`.
        model_dir: the model folder to write.
        model_config: the model; its feature and vocabulary sizes are taken from the data.
        config: the run; what it leaves to the data is chosen by `training_size.fit_to_data`.
        device: where to compute.
        world: the processes that train together; None for this one alone.
        force: replace a model that the folder holds.
        resume: go on with the run that the folder holds, to the same numbers as if it had never
            stopped; without one, begin.
        on_tokenizer: called once, with the tokenizer, before the first step.
        on_step: called after every optimizer step.
        on_epoch: called after every epoch, when its files are written.

    Raises:
        TrainingError: the folder holds a model already, or a run that is not this one, or another
            run is writing to it, or it cannot be written, or the loss is not finite.
        UsageError: the tokenizer cannot be had.
        Interrupted: the run was told to stop; what it had is saved.
    """
    stored = check_folder(model_dir, force=force, resume=resume)
    config = fit_to_data(
        replace(config, splits_sha256=data.splits_sha256),
        num_pairs=data.num_pairs,
        num_val_gifs=len(data.splits["val"]),
        known=None if stored is None else stored.training,
    )
    with wait_for("making the vocabulary"):
        tokenizer = make_tokenizer(data, config)
    on_tokenizer(tokenizer)
    model_config = replace(
        model_config, feature_size=data.feature_size, vocab_size=tokenizer.vocab_size
    )
    start = Progress(
        model=to_json(model_config), training=to_json(config), data_sha256=_sha256_of(data)
    )
    world = world or World()
    with _alone_in(model_dir, world), _seeded(config.seed, device):
        # Looked at again: another run may have written here before this one had the folder.
        progress = check_folder(model_dir, force=force, resume=resume)
        if progress is not None:
            check_same_run(progress, start)
            start = replace(progress, model=start.model, training=start.training)
        model = CaptionModel(model_config)
        if model_config.standardise and not start.has_begun:
            statistics = feature_statistics(data.splits["train"], data.feature_size, data.store)
            model.set_feature_statistics(*statistics)
        model.to(device).train()
        run = TrainingRun(data, model_dir, model, tokenizer, config, device, world, start)
        with holding_signals() as stop:
            run.go(stop, on_step, on_epoch)
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    history = [EpochResult(**row) for row in run.history]
    return TrainingSummary(model_dir, history, data, num_parameters, run.num_cut, config)


def make_tokenizer(data: TrainingData, config: TrainingConfig) -> CaptionTokenizer:
    """The run's tokenizer: built from the training captions, or loaded.

    Raises:
        UsageError, CheckpointError: it cannot be loaded.
    """
    if config.tokenizer != CORPUS_TOKENIZER:
        return CaptionTokenizer.load(config.tokenizer)
    return CaptionTokenizer.train(
        (caption for example in data.splits["train"] for caption in example.captions),
        case=config.case,
        spelling=config.spelling,
    )


def _sha256_of(data: TrainingData) -> str:
    """What tells data apart: the features' recipe, the names and captions of both splits."""
    recipe = {} if data.recipe is None else to_json(data.recipe)
    # A field with the value that its absence means: runs of before it existed have no such field.
    untold = {
        one.name
        for one in fields(FeatureRecipe)
        if ABSENT in one.metadata and recipe.get(one.name) == one.metadata[ABSENT]
    }
    # As when recipes are compared, weights count by their hash and the version not at all.
    untold |= {"weights", "gifdesc_version"}
    told = {key: recipe[key] for key in recipe if key not in untold}
    digest = hashlib.sha256(json.dumps(told).encode())
    for split in ("train", "val"):
        for example in data.splits[split]:
            row = json.dumps([split, example.name, example.captions])
            digest.update(row.encode())
    return digest.hexdigest()


@contextmanager
def _alone_in(model_dir: Path, world: World) -> Iterator[None]:
    """Keep other runs out of a model folder: one run at a time writes it."""
    if not world.is_main:
        yield
        return
    refusal = TrainingError(
        f"{model_dir}: another gifdesc train is writing here; wait for it, or choose another "
        "folder with --model"
    )
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(model_dir / LAST_NAME, refusal))
        except OSError as error:
            raise TrainingError(f"{model_dir}: cannot be written: {reason(error)}") from error
        yield


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers of this seed within, the caller's own generators untouched after."""
    # Only the device that computes: asking the other GPUs takes memory on each.
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
