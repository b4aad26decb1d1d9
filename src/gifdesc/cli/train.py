"""`gifdesc train`: feature files and descriptions to a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gifdesc.cli.console import EXIT_FAILED, be_quiet, print_json, speaking_plainly
from gifdesc.cli.options import (
    Debug,
    DescriptionsPath,
    Device,
    FeaturesDir,
    Json,
    ModelDir,
    SplitsDir,
)
from gifdesc.config import (
    BestBy,
    FusionKind,
    Objective,
    Optimizer,
    Recurrence,
    Schedule,
    TrainingPrecision,
)
from gifdesc.presets import PRESETS

_MODEL: dict[str, Any] = {"rich_help_panel": "The model"}
_TRAINING: dict[str, Any] = {"rich_help_panel": "The training"}


def train(
    features: FeaturesDir = Path("features"),
    descriptions: DescriptionsPath = Path("descriptions"),
    model: ModelDir = Path("model"),
    preset: Annotated[
        str | None,
        typer.Option("--preset", help=f"One of {', '.join(PRESETS)}.", show_default="attention"),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Passes over the training split.")
    ] = None,
    scst_epochs: Annotated[
        int | None,
        typer.Option(
            "--scst-epochs", min=0, help="Epochs of self-critical training (CIDEr) that follow."
        ),
    ] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="The learning rate.")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="(GIF, caption) pairs per step.")
    ] = None,
    encoder: Annotated[
        Recurrence | None,
        typer.Option("--encoder", help="The RNN over the frames; none: their mean.", **_MODEL),
    ] = None,
    decoder: Annotated[
        Recurrence | None, typer.Option("--decoder", help="The RNN over the words.", **_MODEL)
    ] = None,
    fusion: Annotated[
        FusionKind | None,
        typer.Option("--fusion", help="How frames and words are joined.", **_MODEL),
    ] = None,
    hidden_size: Annotated[
        int | None,
        typer.Option("--hidden-size", min=2, help="Units of the RNNs and embeddings.", **_MODEL),
    ] = None,
    dropout: Annotated[
        float | None, typer.Option("--dropout", help="Share of units dropped, 0 to 1.", **_MODEL)
    ] = None,
    objective: Annotated[
        Objective | None,
        typer.Option(
            "--objective", help="Predict the next token, or the report's loss.", **_TRAINING
        ),
    ] = None,
    optimizer: Annotated[
        Optimizer | None, typer.Option("--optimizer", help="What moves the weights.", **_TRAINING)
    ] = None,
    weight_decay: Annotated[
        float | None,
        typer.Option("--weight-decay", help="Pull of the weights to 0 (AdamW).", **_TRAINING),
    ] = None,
    schedule: Annotated[
        Schedule | None,
        typer.Option("--schedule", help="The learning rate after the warm-up.", **_TRAINING),
    ] = None,
    warmup: Annotated[
        float | None,
        typer.Option("--warmup", help="Share of the steps in which it rises.", **_TRAINING),
    ] = None,
    label_smoothing: Annotated[
        float | None,
        typer.Option(
            "--label-smoothing", help="Share of each target spread over all words.", **_TRAINING
        ),
    ] = None,
    scheduled_sampling: Annotated[
        float | None,
        typer.Option(
            "--scheduled-sampling",
            help="Share of the model's own words shown to it by the end.",
            **_TRAINING,
        ),
    ] = None,
    best_by: Annotated[
        BestBy | None,
        typer.Option("--best-by", help="Validation score of the epoch kept.", **_TRAINING),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            "--patience", min=0, help="Epochs without a better one to stop after.", **_TRAINING
        ),
    ] = None,
    precision: Annotated[
        TrainingPrecision | None,
        typer.Option("--precision", help="Arithmetic; auto: bfloat16 on a GPU.", **_TRAINING),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            "--tokenizer",
            metavar="NAME",
            help="corpus (a WordPiece vocabulary of the training captions), a folder with a "
            "BertTokenizer, or a hub name such as bert-base-uncased.",
        ),
    ] = None,
    splits: SplitsDir = None,
    val_fraction: Annotated[
        float | None, typer.Option("--val-fraction", help="Share of GIFs for validation, 0 to 1.")
    ] = None,
    test_fraction: Annotated[
        float | None, typer.Option("--test-fraction", help="Share of GIFs held out for evaluate.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", min=0, max=2**63 - 1, help="Seed of everything random.", show_default="0"
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that the folder holds.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the model that the folder holds.")
    ] = False,
    tensorboard: Annotated[
        Path | None,
        typer.Option("--tensorboard", metavar="DIR", help="Write the curves for TensorBoard too."),
    ] = None,
    device: Device = "auto",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a captioner on extracted features. Options left out come from the preset."""
    with speaking_plainly(debug=debug, json=json):
        from gifdesc.cli.training_run import run_training
        from gifdesc.distributed import is_talking
        from gifdesc.resuming import choose_configs

        if not is_talking():
            be_quiet()
        if preset is not None and preset not in PRESETS:
            raise typer.BadParameter(f"--preset is one of {', '.join(PRESETS)}, not {preset}")
        if resume and force:
            raise typer.BadParameter("--resume goes on with a run, --force replaces it: choose one")
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
                    val_fraction=val_fraction,
                    test_fraction=test_fraction,
                    seed=seed,
                ),
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
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
