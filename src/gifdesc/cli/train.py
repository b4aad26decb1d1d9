"""`gifdesc train`: feature files and descriptions to a model folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gifdesc.cli.console import (
    EXIT_FAILED,
    counted,
    list_some,
    print_json,
    say,
    speaking_plainly,
    talk,
    warn,
)
from gifdesc.cli.options import (
    Debug,
    DescriptionsPath,
    Device,
    FeaturesDir,
    Json,
    ModelDir,
    Seed,
    SplitsDir,
)
from gifdesc.config import PRESETS, DecoderKind, FusionKind, Objective, Recurrence

if TYPE_CHECKING:
    from gifdesc.training_data import TrainingData


def train(
    features: FeaturesDir = Path("features"),
    descriptions: DescriptionsPath = Path("descriptions"),
    model: ModelDir = Path("model"),
    preset: Annotated[
        str, typer.Option("--preset", help=f"One of {', '.join(PRESETS)}.")
    ] = "attention",
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Passes over the training split.")
    ] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="Adam's learning rate.")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="(GIF, caption) pairs per step.")
    ] = None,
    encoder: Annotated[
        Recurrence | None, typer.Option("--encoder", help="The RNN over the frames.")
    ] = None,
    decoder: Annotated[
        DecoderKind | None, typer.Option("--decoder", help="The RNN over the words.")
    ] = None,
    fusion: Annotated[
        FusionKind | None, typer.Option("--fusion", help="How frames and words are joined.")
    ] = None,
    hidden_size: Annotated[
        int | None, typer.Option("--hidden-size", min=2, help="Units of the RNNs.")
    ] = None,
    objective: Annotated[
        Objective | None,
        typer.Option("--objective", help="Predict the next token, or the report's loss."),
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
    seed: Seed = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the model that the folder holds.")
    ] = False,
    device: Device = "auto",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a captioner on extracted features. Options left out come from the preset."""
    with speaking_plainly(debug=debug, json=json):
        if preset not in PRESETS:
            raise typer.BadParameter(f"--preset is one of {', '.join(PRESETS)}, not {preset}")
        chosen = PRESETS[preset]
        try:
            model_config = replace(
                chosen.model,
                **_given(
                    encoder=encoder,
                    decoder=decoder,
                    fusion=fusion,
                    hidden_size=hidden_size,
                    embedding_size=hidden_size,
                ),
            )
            training_config = replace(
                chosen.training,
                seed=seed,
                **_given(
                    epochs=epochs,
                    learning_rate=lr,
                    batch_size=batch_size,
                    objective=objective,
                    tokenizer=tokenizer,
                    val_fraction=val_fraction,
                    test_fraction=test_fraction,
                ),
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        from gifdesc.backbone import UNTRAINED
        from gifdesc.cli.progress import TrainingProgress
        from gifdesc.device import resolve_device
        from gifdesc.files import read_json_lines
        from gifdesc.report import plot_history
        from gifdesc.training import HISTORY_NAME
        from gifdesc.training import train as run
        from gifdesc.training_data import prepare_data

        torch_device = resolve_device(device)
        data = prepare_data(features, descriptions, training_config, splits)
        _say_data(data, features)
        if data.recipe is not None and data.recipe.weights == UNTRAINED:
            warn("the features come from an untrained ResNet50 (random weights)")
        with TrainingProgress(talk, training_config.epochs, data) as progress:
            try:
                summary = run(
                    data,
                    model,
                    model_config,
                    training_config,
                    torch_device,
                    force=force,
                    on_step=progress.step,
                    on_epoch=progress.epoch,
                )
            except KeyboardInterrupt:
                say(_what_is_kept(progress.num_epochs_done, model))
                raise
            finally:
                if progress.num_epochs_done:
                    plot_history(read_json_lines(model / HISTORY_NAME), model / "training.png")
        result = summary.to_json()
        say(f"trained {result['epochs']} epochs, best is {result['best_epoch']} -> {model}")
        if json:
            print_json(result)
        if data.problems:
            raise typer.Exit(EXIT_FAILED)


def _given(**options: object) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _what_is_kept(num_epochs: int, model: Path) -> str:
    if not num_epochs:
        return "stopped before the first epoch ended: no model was written"
    return f"stopped: {model} holds the best of {counted(num_epochs, 'finished epoch')}"


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
    counts = ", ".join(f"{len(examples)} {name}" for name, examples in data.splits.items())
    say(f"{counted(sum(map(len, data.splits.values())), 'GIF')}: {counts}")
    if not data.splits["val"]:
        say("no validation split: the last epoch is kept as the best")
