"""`gifdesc train`: feature files and descriptions to a model folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from gifdesc.cli.console import EXIT_FAILED, exit_on_error, mute, print_json
from gifdesc.cli.options import (
    Debug,
    DescriptionsPath,
    Device,
    FeaturesDir,
    Json,
    ModelDir,
    SplitsDir,
    user_name,
    user_path,
)
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
    Recurrence,
    Schedule,
    TrainingPrecision,
)
from gifdesc.data.paths import check_descriptions_path, check_features_dir
from gifdesc.system.device_name import check_device_name
from gifdesc.system.waits import wait_for

_DEFAULT = PRESETS[DEFAULT_PRESET]


def _training(
    flag: str, field: str, help_: str, minimum: int | None = None, maximum: int | None = None
) -> Any:
    """An option for a field of the training, with the default recipe's value."""
    default = getattr(_DEFAULT.training, field)
    value = "follows the data" if field in FOLLOWING_DATA and not default else str(default)
    return typer.Option(flag, help=help_, min=minimum, max=maximum, show_default=value)


def _model(flag: str, field: str, help_: str, minimum: int | None = None) -> Any:
    """An option for a field of the model, with the default recipe's value."""
    value = str(getattr(_DEFAULT.model, field))
    return typer.Option(flag, help=help_, min=minimum, show_default=value)


def train(
    features: FeaturesDir = Path("features"),
    descriptions: DescriptionsPath = Path("descriptions"),
    model: ModelDir = Path("model"),
    preset: Annotated[
        str | None,
        typer.Option("--preset", help=f"One of {', '.join(PRESETS)}.", show_default=DEFAULT_PRESET),
    ] = None,
    epochs: Annotated[
        int | None, _training("--epochs", "epochs", "Passes over the training split.", 1)
    ] = None,
    scst_epochs: Annotated[
        int | None,
        _training(
            "--scst-epochs", "scst_epochs", "Epochs of self-critical training that follow.", 0
        ),
    ] = None,
    lr: Annotated[
        float | None, _training("--lr", "learning_rate", "The highest learning rate, per step.")
    ] = None,
    batch_size: Annotated[
        int | None, _training("--batch-size", "batch_size", "(GIF, caption) pairs per step.", 1)
    ] = None,
    encoder: Annotated[
        Recurrence | None,
        _model("--encoder", "encoder", "The RNN over the frames; none: their mean."),
    ] = None,
    decoder: Annotated[
        Recurrence | None, _model("--decoder", "decoder", "The RNN over the words.")
    ] = None,
    fusion: Annotated[
        FusionKind | None, _model("--fusion", "fusion", "How frames and words are joined.")
    ] = None,
    hidden_size: Annotated[
        int | None, _model("--hidden-size", "hidden_size", "Units of the RNNs and embeddings.", 2)
    ] = None,
    dropout: Annotated[
        float | None, _model("--dropout", "dropout", "Share of units dropped, 0 to 1.")
    ] = None,
    objective: Annotated[
        Objective | None,
        _training("--objective", "objective", "Predict the next token, or the report's loss."),
    ] = None,
    optimizer: Annotated[
        Optimizer | None, _training("--optimizer", "optimizer", "What moves the weights.")
    ] = None,
    weight_decay: Annotated[
        float | None,
        _training("--weight-decay", "weight_decay", "Pull of the weights to 0 (AdamW), a step."),
    ] = None,
    schedule: Annotated[
        Schedule | None,
        _training("--schedule", "schedule", "The learning rate after the warm-up."),
    ] = None,
    warmup: Annotated[
        float | None,
        _training("--warmup", "warmup_fraction", "Share of the steps in which it rises, 0 to 1."),
    ] = None,
    label_smoothing: Annotated[
        float | None,
        _training(
            "--label-smoothing", "label_smoothing", "Share of each target spread over all, 0 to 1."
        ),
    ] = None,
    scheduled_sampling: Annotated[
        float | None,
        _training(
            "--scheduled-sampling",
            "scheduled_sampling",
            "Share of the model's own words shown to it by the end, 0 to 1.",
        ),
    ] = None,
    best_by: Annotated[
        BestBy | None,
        _training("--best-by", "best_by", "Validation score of the epoch kept, or last."),
    ] = None,
    patience: Annotated[
        int | None,
        _training(
            "--patience", "patience", "Epochs without a better one to stop after; 0: never.", 0
        ),
    ] = None,
    precision: Annotated[
        TrainingPrecision | None,
        _training("--precision", "precision", "Arithmetic; auto: bfloat16 on a GPU."),
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
        ),
    ] = None,
    case: Annotated[
        CaseChoice | None,
        _training(
            "--case",
            "case",
            "Capitals of the corpus vocabulary; auto: kept where the captions agree on them.",
        ),
    ] = None,
    splits: SplitsDir = None,
    val_fraction: Annotated[
        float | None,
        _training("--val-fraction", "val_fraction", "Share of GIFs for validation, 0 to 1."),
    ] = None,
    test_fraction: Annotated[
        float | None,
        _training("--test-fraction", "test_fraction", "Share held out for evaluate, 0 to 1."),
    ] = None,
    split_seed: Annotated[
        int | None,
        _training("--split-seed", "split_seed", "Seed of the splits alone.", 0, 2**63 - 1),
    ] = None,
    seed: Annotated[
        int | None,
        _training("--seed", "seed", "Seed of everything else random.", 0, 2**63 - 1),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that the folder holds.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the model that the folder holds.")
    ] = False,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            "--tensorboard",
            parser=user_path,
            metavar="DIR",
            help="Write the curves for TensorBoard too.",
        ),
    ] = None,
    device: Device = "auto",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a captioner on extracted features.

    Options left out come from the preset; the defaults shown are those of `attention`.
    """
    with exit_on_error(debug=debug, json=json):
        if os.environ.get("RANK", "0") == "0":  # under torchrun, one process reports it
            check_device_name(device)
            check_features_dir(features)
            check_descriptions_path(descriptions)
        else:
            mute()
        with wait_for("starting"):
            from gifdesc.cli.training_run import run_training
            from gifdesc.training.resume import choose_configs

        if preset is not None and preset not in PRESETS:
            raise typer.BadParameter(f"--preset is one of {', '.join(PRESETS)}, not {preset}")
        if resume and force:
            raise typer.BadParameter("--resume continues a run, --force replaces it: choose one")
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
            raise typer.BadParameter(str(error)) from None
        if case is not None and training_config.tokenizer != CORPUS_TOKENIZER:
            raise typer.BadParameter(
                f"--case goes with --tokenizer corpus; {training_config.tokenizer} has its own case"
            )
        summary = run_training(
            features,
            descriptions,
            splits,
            model,
            model_config,
            training_config,
            device,
            force=force,
            resume=resume,
            tensorboard_dir=tensorboard,
        )
        if json and summary is not None:
            print_json(summary.to_json())
        if summary is not None and summary.data.problems:
            raise typer.Exit(EXIT_FAILED)


def _given(**options: object) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}
