"""`gifdesc train`: feature files and descriptions to a model folder."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from gifdesc.cli.console import EXIT_FAILED, exit_on_error, mute, print_json
from gifdesc.cli.given import (
    as_options,
    choose_one,
    refuse,
    warn_of_unused,
    warn_of_unused_descriptions_format,
)
from gifdesc.cli.help import INPUT, MODEL, OUTPUT, RUN, TRAINING
from gifdesc.cli.options import (
    Debug,
    DescriptionsFormat,
    DescriptionsPath,
    Device,
    FeaturesDir,
    Json,
    ModelDir,
    Quiet,
    SplitsDir,
    Verbose,
    complete_preset,
    user_name,
    user_path,
)
from gifdesc.cli.usage import nearest
from gifdesc.config import (
    CORPUS_TOKENIZER,
    DEFAULT_PRESET,
    FOLLOWING_DATA,
    PRESETS,
    BestBy,
    CaseChoice,
    FusionKind,
    Objective,
    Optimizer,
    PrecisionChoice,
    Recurrence,
    Schedule,
)
from gifdesc.data.paths import check_descriptions_path, check_features_dir
from gifdesc.system.device_name import check_device_name
from gifdesc.system.waits import wait_for

_DEFAULT = PRESETS[DEFAULT_PRESET]
_RENAMED = {"learning_rate": "lr", "warmup_fraction": "warmup"}
"""Field of the configurations -> the parameter that sets it, where the two names differ."""


def _data(flag: str, field: str, help_: str, minimum: int | None = None) -> Any:
    """An option for a field of the training that is about the data."""
    return _training(flag, field, help_, minimum, group=INPUT)


def _training(
    flag: str,
    field: str,
    help_: str,
    minimum: int | None = None,
    maximum: int | None = None,
    group: str = TRAINING,
) -> Any:
    """An option for a field of the training, with the default preset's value."""
    default = getattr(_DEFAULT.training, field)
    value = "follows the data" if field in FOLLOWING_DATA and not default else str(default)
    return typer.Option(
        flag, help=help_, min=minimum, max=maximum, show_default=value, rich_help_panel=group
    )


def _model(flag: str, field: str, help_: str, minimum: int | None = None) -> Any:
    """An option for a field of the model, with the default preset's value."""
    value = str(getattr(_DEFAULT.model, field))
    return typer.Option(flag, help=help_, min=minimum, show_default=value, rich_help_panel=MODEL)


def train(
    context: typer.Context,
    features: FeaturesDir = Path("features"),
    descriptions: DescriptionsPath = Path("descriptions"),
    descriptions_format: DescriptionsFormat = None,
    splits: SplitsDir = None,
    val_fraction: Annotated[
        float | None,
        _data("--val-fraction", "val_fraction", "Fraction of GIFs for validation, 0 to 1."),
    ] = None,
    test_fraction: Annotated[
        float | None,
        _data("--test-fraction", "test_fraction", "Fraction of GIFs for evaluate, 0 to 1."),
    ] = None,
    split_seed: Annotated[
        int | None,
        _training("--split-seed", "split_seed", "Seed of the splits.", 0, 2**63 - 1, INPUT),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            "--tokenizer",
            parser=user_name,
            show_default=str(_DEFAULT.training.tokenizer),
            metavar="NAME",
            help="corpus (a WordPiece vocabulary of the training captions), a folder with a "
            "BertTokenizer, or a hub name such as bert-base-uncased.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    case: Annotated[
        CaseChoice | None,
        _data(
            "--case",
            "case",
            "Capitals of the corpus vocabulary; auto keeps them where the captions agree.",
        ),
    ] = None,
    model: ModelDir = Path("model"),
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="|".join(PRESETS),
            autocompletion=complete_preset,
            help="Model and training settings that suit each other.",
            show_default=DEFAULT_PRESET,
            rich_help_panel=MODEL,
        ),
    ] = None,
    encoder: Annotated[
        Recurrence | None,
        _model("--encoder", "encoder", "RNN over the frames; none uses their mean."),
    ] = None,
    decoder: Annotated[
        Recurrence | None, _model("--decoder", "decoder", "RNN over the words.")
    ] = None,
    fusion: Annotated[
        FusionKind | None, _model("--fusion", "fusion", "Layer that joins frames and words.")
    ] = None,
    hidden_size: Annotated[
        int | None, _model("--hidden-size", "hidden_size", "Units of the RNNs and embeddings.", 2)
    ] = None,
    dropout: Annotated[
        float | None, _model("--dropout", "dropout", "Fraction of units dropped, 0 to 1.")
    ] = None,
    epochs: Annotated[
        int | None, _training("--epochs", "epochs", "Passes over the training split.", 1)
    ] = None,
    scst_epochs: Annotated[
        int | None,
        _training(
            "--scst-epochs", "scst_epochs", "Epochs of self-critical training after these.", 0
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        _training("--batch-size", "batch_size", "(GIF, caption) pairs in each step.", 1),
    ] = None,
    lr: Annotated[
        float | None, _training("--lr", "learning_rate", "Highest learning rate.")
    ] = None,
    schedule: Annotated[
        Schedule | None,
        _training("--schedule", "schedule", "Learning rate after the warm-up."),
    ] = None,
    warmup: Annotated[
        float | None,
        _training("--warmup", "warmup_fraction", "Fraction of steps used for warm-up, below 1."),
    ] = None,
    optimizer: Annotated[
        Optimizer | None, _training("--optimizer", "optimizer", "Optimizer of the weights.")
    ] = None,
    weight_decay: Annotated[
        float | None, _training("--weight-decay", "weight_decay", "Weight decay of AdamW.")
    ] = None,
    objective: Annotated[
        Objective | None,
        _training("--objective", "objective", "Predict the next token, or use the report's loss."),
    ] = None,
    label_smoothing: Annotated[
        float | None,
        _training(
            "--label-smoothing",
            "label_smoothing",
            "Fraction of each target spread over all tokens, 0 to 1.",
        ),
    ] = None,
    scheduled_sampling: Annotated[
        float | None,
        _training(
            "--scheduled-sampling",
            "scheduled_sampling",
            "Fraction of input words drawn from the model in the last epoch, 0 to 1.",
        ),
    ] = None,
    best_by: Annotated[
        BestBy | None,
        _training("--best-by", "best_by", "Validation score that chooses the epoch to keep."),
    ] = None,
    patience: Annotated[
        int | None,
        _training(
            "--patience", "patience", "Stop after N epochs without a better score (0: never).", 0
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue the run in the folder.", rich_help_panel=OUTPUT),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace the model in the folder.", rich_help_panel=OUTPUT),
    ] = False,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            "--tensorboard",
            parser=user_path,
            metavar="DIR",
            help="Also write the training curves for TensorBoard.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Json = False,
    device: Device = "auto",
    precision: Annotated[
        PrecisionChoice | None,
        _training("--precision", "precision", "Number format; auto: bfloat16 on a GPU.", group=RUN),
    ] = None,
    seed: Annotated[
        int | None,
        _training("--seed", "seed", "Seed of all random numbers.", 0, 2**63 - 1, RUN),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Train a captioner on extracted features.

    The preset decides the options that you leave out; the defaults shown are those of
    `attention`.
    """
    with exit_on_error(debug=debug, quiet=quiet, verbose=verbose, json=json):
        is_main = os.environ.get("RANK", "0") == "0"  # under torchrun, one process prints
        if not is_main:
            mute()
        if preset is not None and preset not in PRESETS:
            hint = nearest(preset, PRESETS)
            choices = ", ".join(PRESETS)
            raise typer.BadParameter(f"--preset {preset}: not one of {choices}{hint}")
        if resume and force:
            sentence = "--resume continues a run, --force replaces it: choose one"
            resume = choose_one(context, ("resume", "force"), sentence) == "resume"
            force = not resume
        if is_main:
            check_device_name(device)
            check_features_dir(features)
            check_descriptions_path(descriptions)
            warn_of_unused_descriptions_format(context, descriptions)
        with wait_for("starting"):
            from gifdesc.cli.training_run import run_training
            from gifdesc.training.resume import OtherSettingError, choose_configs
        try:
            model_config, training_config = choose_configs(
                model if resume else None,
                preset,
                model_options=_given(
                    encoder=encoder,
                    decoder=decoder,
                    fusion=fusion,
                    hidden_size=hidden_size,
                    dropout=dropout,
                ),
                training_options=_given(
                    epochs=epochs,
                    scst_epochs=scst_epochs,
                    learning_rate=lr,
                    batch_size=batch_size,
                    objective=objective,
                    optimizer=optimizer,
                    weight_decay=weight_decay,
                    schedule=schedule,
                    warmup_fraction=warmup,
                    label_smoothing=label_smoothing,
                    scheduled_sampling=scheduled_sampling,
                    best_by=best_by,
                    patience=patience,
                    precision=precision,
                    tokenizer=tokenizer,
                    case=case,
                    val_fraction=val_fraction,
                    test_fraction=test_fraction,
                    split_seed=split_seed,
                    seed=seed,
                ),
            )
        except ValueError as error:
            raise typer.BadParameter(as_options(context, str(error), _RENAMED)) from None
        if (name := training_config.tokenizer) != CORPUS_TOKENIZER:
            sentence = f"--case goes with --tokenizer corpus; {name} has its own case"
            refuse(context, ("case",), sentence)
            training_config = replace(training_config, case="auto")
        try:
            summary = run_training(
                features,
                descriptions,
                splits,
                model,
                model_config,
                training_config,
                device,
                descriptions_format=descriptions_format,
                force=force,
                resume=resume,
                tensorboard_dir=tensorboard,
                report_unused=partial(warn_of_unused, context),
            )
        except OtherSettingError as error:
            raise OtherSettingError(as_options(context, str(error), _RENAMED)) from error
        if json and summary is not None:
            print_json(summary.to_json())
        if summary is not None and summary.data.problems:
            raise typer.Exit(EXIT_FAILED)


def _given(**options: object) -> dict[str, Any]:
    """The options that are not None."""
    return {name: value for name, value in options.items() if value is not None}
