"""A training run with its progress, warnings and summary on stderr."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from gifdesc.cli.console import info, print_error, stderr, suggest, warn
from gifdesc.cli.progress import TrainingProgress
from gifdesc.config import (
    CORPUS_TOKENIZER,
    ModelConfig,
    PrecisionChoice,
    TrainingConfig,
    to_json,
)
from gifdesc.data.feature_files import missing_recipe_warning, untrained_warning
from gifdesc.data.forms.form_names import FormName
from gifdesc.data.training_data import TrainingData, prepare_data
from gifdesc.model.folder import CONFIG_NAME
from gifdesc.system.device import has_fast_bfloat16, resolve_device
from gifdesc.system.wording import counted
from gifdesc.text.tokenizer import CaptionTokenizer
from gifdesc.training.distributed import is_main_process, joined_world
from gifdesc.training.results import CurveLog, EpochResult, TrainingSummary
from gifdesc.training.resume import stored_configs
from gifdesc.training.run import train
from gifdesc.training.size import MIN_STEPS, MIN_VAL_GIFS, fit_to_data, num_captioned, num_steps_of

if TYPE_CHECKING:
    import torch

_FRACTION_PARAMETERS = ("val_fraction", "test_fraction", "split_seed")
"""Of `gifdesc train`: they have no effect where lists or descriptions name the splits."""


def run_training(
    features_dir: Path,
    descriptions_path: Path,
    splits_dir: Path | None,
    model_dir: Path,
    model_config: ModelConfig,
    config: TrainingConfig,
    device_name: str,
    *,
    descriptions_format: FormName | None,
    force: bool,
    resume: bool,
    tensorboard_dir: Path | None,
    report_unused: Callable[[Collection[str], str], None],
) -> TrainingSummary | None:
    """Train, with progress on stderr.

    `report_unused` gets names of parameters that have no effect, and where they have none.

    Returns:
        The summary; None in all processes but the main one.
    """
    is_main = is_main_process()
    device = resolve_device(device_name)
    data = prepare_data(
        features_dir,
        descriptions_path,
        config,
        splits_dir,
        descriptions_format=descriptions_format,
    )
    _report_data(data, features_dir)
    if splits_dir is not None:
        report_unused(_FRACTION_PARAMETERS, "with --splits")
    elif data.splits_sha256:
        report_unused(_FRACTION_PARAMETERS, "where the descriptions name the splits")
    if (warning := untrained_warning(data.recipe)) is not None:
        warn(warning)
    _report_precision(config.precision, device)
    if config.preset == "report" and data.recipe is not None and data.recipe.framing != "whole":
        warn(
            f"{features_dir}: made with framing {data.recipe.framing}; the original report resizes "
            "whole frames (extract --framing whole)"
        )
    stored = stored_configs(model_dir) if resume else None
    if resume and is_main and stored is None and not (model_dir / CONFIG_NAME).exists():
        warn(f"{model_dir}: holds no run to resume, so a new run begins")
    requested, num_pairs = config, data.num_pairs
    config = _fitted(config, data, None if stored is None else stored[1])
    _report_size(requested, config, data)
    if config.best_by == "last":
        report_unused(("patience",), "with --best-by last")
    elif not data.splits["val"]:
        report_unused(("best_by", "patience"), "without a validation split")
    examples = data.splits["train"]
    if config.scst_epochs and len({frozenset(example.captions) for example in examples}) == 1:
        warn(
            "--scst-epochs: every training GIF has the same captions, so the CIDEr reward is "
            "always 0 and self-critical training learns nothing"
        )

    num_new = 0

    def on_epoch(result: EpochResult) -> None:
        nonlocal num_new
        num_new += 1
        progress.epoch(result)
        if curves is not None:
            curves.epoch(result)

    with ExitStack() as stack:
        world, device = stack.enter_context(joined_world(device))
        curves = None
        if tensorboard_dir is not None and is_main:
            curves = stack.enter_context(CurveLog(tensorboard_dir))
        progress = stack.enter_context(
            TrainingProgress(stderr, config, num_pairs=num_pairs, num_gifs=len(examples))
        )
        summary = train(
            data,
            model_dir,
            model_config,
            config,
            device,
            world=world,
            force=force,
            resume=resume,
            on_tokenizer=lambda tokenizer: _report_vocabulary(tokenizer, config, data),
            on_step=progress.step,
            on_epoch=on_epoch,
        )
    if not is_main:
        return None
    result = summary.to_json()
    if summary.num_cut:
        cut = counted(summary.num_cut, "caption")
        warn(f"{cut} longer than {config.max_tokens} tokens: cut to that length")
    if summary.num_steps < MIN_STEPS:
        steps = counted(summary.num_steps, "optimizer step")
        remedy = "more --epochs or a smaller --batch-size, or leave both out"
        if result["batch_size"] == 1:
            remedy = "more --epochs or more data, or leave --epochs out"
        warn(
            f"{steps} in all: few models write whole sentences after fewer than {MIN_STEPS}; give "
            f"{remedy}"
        )
    epochs = counted(result["epochs"], "epoch")
    done = f"trained {epochs}"
    if not num_new:
        done = f"no epoch is left (done before: {epochs}; --epochs asks for more)"
    info(f"{done}, kept epoch {result['best_epoch']} -> {model_dir}")
    where = "" if model_dir == Path("model") else f" --model {shlex.quote(str(model_dir))}"
    suggest(f"gifdesc evaluate{where}" if data.splits["test"] else f"gifdesc caption x.gif{where}")
    return summary


def _fitted(
    config: TrainingConfig, data: TrainingData, stored: TrainingConfig | None
) -> TrainingConfig:
    """The settings, with those that follow the data or the resumed run as `train` chooses them."""
    return fit_to_data(
        config,
        num_pairs=data.num_pairs,
        num_val_gifs=len(data.splits["val"]),
        known=None if stored is None else to_json(stored),
    )


def _report_precision(precision: PrecisionChoice, device: torch.device) -> None:
    """Report 16 bits that the device does not compute in hardware."""
    if device.type != "cpu" or precision in ("auto", "float32"):
        return
    if precision == "float16" or not has_fast_bfloat16(device):
        is_half = precision == "float16"
        reason = "float16 is meant for GPUs" if is_half else "this CPU has no bfloat16 in hardware"
        warn(f"--precision {precision}: {reason}; training may be slower than with float32")


def _report_size(requested: TrainingConfig, config: TrainingConfig, data: TrainingData) -> None:
    """Report the settings that follow the data."""
    if any(getattr(requested, name) != getattr(config, name) for name in ("epochs", "batch_size")):
        epochs = counted(config.epochs, "epoch")
        if config.passes > 1:
            epochs += f" of {config.passes} passes"
        pairs = counted(data.num_pairs, "(GIF, caption) pair")
        steps = counted(num_steps_of(config, data.num_pairs), "step")
        info(f"{pairs}: {epochs}, batches of {config.batch_size}, {steps}")
    if not data.splits["val"]:
        info("no validation split: the last epoch is kept as the best")
    elif requested.best_by == "auto" and config.best_by == "last":
        gifs = counted(len(data.splits["val"]), "validation GIF")
        info(f"{gifs}: too few to choose an epoch, so the last is kept (or use --best-by cider)")
    elif config.best_by == "cider" != requested.best_by and len(data.splits["val"]) < MIN_VAL_GIFS:
        gifs = counted(len(data.splits["val"]), "validation GIF")
        info(f"{gifs}: few to choose an epoch, but --patience needs its CIDEr (--best-by cider)")
    elif len(data.splits["val"]) > (count := num_captioned(data.num_pairs)):
        gifs = counted(len(data.splits["val"]), "validation GIF")
        info(f"after every epoch, {count} of {gifs} are captioned for the CIDEr that is shown")


def _report_vocabulary(
    tokenizer: CaptionTokenizer, config: TrainingConfig, data: TrainingData
) -> None:
    """Report what the vocabulary changes in the training captions."""
    captions = [caption for example in data.splits["train"] for caption in example.captions]
    if any(caption != caption.lower() for caption in captions):
        option = " (--case)" if config.tokenizer == CORPUS_TOKENIZER else ""
        info(f"capitals: {tokenizer.case}{option}")
    if config.tokenizer != CORPUS_TOKENIZER:
        encoded = tokenizer.encode_all(captions, config.max_tokens)
        if num_unknown := sum(tokenizer.unknown_id in tokens for tokens in encoded):
            warn(
                f"--tokenizer {config.tokenizer}: has no token for some words of "
                f"{counted(num_unknown, 'training caption')}, which will be in no caption; "
                "--tokenizer corpus has tokens for all"
            )


def _report_data(data: TrainingData, features: Path) -> None:
    if data.recipe is None:
        warn(missing_recipe_warning(features))
    data.problems.report_to(print_error)  # they make the exit code 1
    for note in (*data.notes, *data.pairing.notes()):
        warn(note)
    counts = ", ".join(f"{len(examples)} {name}" for name, examples in data.splits.items())
    info(f"{counted(sum(map(len, data.splits.values())), 'GIF')}: {counts}")
    if not data.splits["test"]:
        info(
            "no test split: `gifdesc evaluate` can only score the training GIFs "
            "(--split train); to hold GIFs out, add GIFs or raise --test-fraction"
        )
