"""A training run as a person at a terminal sees it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from gifdesc.backbone import UNTRAINED
from gifdesc.cli.console import counted, list_some, say, talk, warn
from gifdesc.cli.progress import TrainingProgress
from gifdesc.config import ModelConfig, TrainingConfig
from gifdesc.curve_log import CurveLog
from gifdesc.device import resolve_device
from gifdesc.distributed import is_talking, joined_world
from gifdesc.training import train
from gifdesc.training_data import TrainingData, prepare_data
from gifdesc.training_results import EpochResult, TrainingSummary


def run_training(
    features_dir: Path,
    descriptions_path: Path,
    splits_dir: Path | None,
    model_dir: Path,
    model_config: ModelConfig,
    config: TrainingConfig,
    device_name: str,
    *,
    force: bool,
    resume: bool,
    tensorboard_dir: Path | None,
) -> TrainingSummary | None:
    """Train, showing how it goes on stderr.

    Returns:
        What `--json` prints; None in all but one of the processes that train together.
    """
    is_main = is_talking()
    device = resolve_device(device_name)
    data = prepare_data(features_dir, descriptions_path, config, splits_dir)
    _say_data(data, features_dir)
    if data.recipe is not None and data.recipe.weights == UNTRAINED:
        warn("the features come from an untrained ResNet50 (random weights)")
    if config.preset == "report" and data.recipe is not None and data.recipe.framing != "whole":
        warn(
            f"{features_dir}: made with framing {data.recipe.framing}; the original report resizes "
            "whole frames (extract --framing whole)"
        )
    examples = data.splits["train"]
    num_pairs = sum(len(example.captions) for example in examples)
    num_said = len(data.problems)

    def on_epoch(result: EpochResult) -> None:
        progress.epoch(result)
        if curves is not None:
            curves.epoch(result)

    with ExitStack() as stack:
        world, device = stack.enter_context(joined_world(device))
        curves = None
        if tensorboard_dir is not None and is_main:
            curves = stack.enter_context(CurveLog(tensorboard_dir))
        progress = stack.enter_context(
            TrainingProgress(talk, config, num_pairs=num_pairs, num_gifs=len(examples))
        )
        try:
            summary = train(
                data,
                model_dir,
                model_config,
                config,
                device,
                world=world,
                force=force,
                resume=resume,
                on_step=progress.step,
                on_epoch=on_epoch,
            )
        finally:
            for problem in data.problems[num_said:]:  # of files that were read only now
                warn(problem)
    if not is_main:
        return None
    if summary.num_cut:
        cut = counted(summary.num_cut, "caption")
        warn(f"{cut} longer than {config.max_tokens} tokens: cut there")
    result = summary.to_json()
    epochs = counted(result["epochs"], "epoch")
    say(f"trained {epochs}, best is {result['best_epoch']} -> {model_dir}")
    return summary


def _say_data(data: TrainingData, features: Path) -> None:
    if data.recipe is None:
        warn(f"{features}: no recipe.json, so nobody can check how these features were made")
    for problem in data.problems:
        warn(problem)
    for names, thing, lack in (
        (data.pairing.without_description, "feature file", "description"),
        (data.pairing.without_features, "description", "feature file"),
    ):
        if names:
            warn(f"{counted(len(names), thing)} without {lack}: {list_some(names)}")
    if could_mean := data.pairing.ambiguous:
        listed = [f"{name} ({' or '.join(gifs)})" for name, gifs in could_mean.items()]
        warn(
            f"{counted(len(listed), 'name')} could mean several GIFs or share one, so no captions "
            f"come of them: {list_some(listed)}"
        )
    counts = ", ".join(f"{len(examples)} {name}" for name, examples in data.splits.items())
    say(f"{counted(sum(map(len, data.splits.values())), 'GIF')}: {counts}")
    if not data.splits["val"]:
        say("no validation split: the last epoch is kept as the best")
