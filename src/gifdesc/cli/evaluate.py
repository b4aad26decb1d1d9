"""`gifdesc evaluate`: a model and its held-out GIFs, or anybody's captions, to scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gifdesc.cli.console import EXIT_FAILED, print_json, speaking_plainly, warn
from gifdesc.cli.options import (
    Debug,
    DescriptionsPath,
    Device,
    FeaturesDir,
    Json,
    MaxTokens,
    ModelDir,
    NumBeams,
    SplitsDir,
)
from gifdesc.config import Split

if TYPE_CHECKING:
    from gifdesc.evaluation import Evaluation


def evaluate(
    model: ModelDir = Path("model"),
    features: FeaturesDir = Path("features"),
    descriptions: DescriptionsPath = Path("descriptions"),
    split: Annotated[
        Split, typer.Option("--split", help="Which GIFs; test ones were never trained on.")
    ] = "test",
    splits: SplitsDir = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions",
            metavar="FILE",
            help='Score these captions instead of a model\'s: {"id": ..., "caption": ...} a line.',
        ),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(
            "--references",
            metavar="FILE",
            help='With --predictions: {"id": ..., "captions": [...]} a line.',
        ),
    ] = None,
    beam: NumBeams = 5,
    max_length: MaxTokens = 40,
    device: Device = "auto",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Score captions on held-out GIFs, next to a blind control that sees another GIF."""
    with speaking_plainly(debug=debug, json=json):
        if (predictions is None) != (references is None):
            raise typer.BadParameter("--predictions and --references go together")
        problems: list[str] = []
        if predictions is not None and references is not None:
            from gifdesc.evaluation import evaluate_predictions
            from gifdesc.predictions import read_predictions, read_references

            result = evaluate_predictions(
                read_predictions(predictions), read_references(references)
            )
        else:
            from gifdesc.checkpoint import load_checkpoint
            from gifdesc.config import DecodingConfig
            from gifdesc.device import resolve_device
            from gifdesc.evaluation import evaluate_model, held_out_examples

            torch_device = resolve_device(device)
            checkpoint = load_checkpoint(model)
            examples, problems = held_out_examples(
                checkpoint, features, descriptions, split=split, splits_dir=splits
            )
            config = DecodingConfig(num_beams=beam, max_tokens=max_length)
            result = evaluate_model(checkpoint, examples, torch_device, config)
        for problem in problems:
            warn(problem)
        if json:
            print_json(result.to_json())
        else:
            _print_table(result)
        if problems:
            raise typer.Exit(EXIT_FAILED)


def _print_table(result: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{result.num_examples} GIFs, {result.distinct_captions} distinct captions")
    table.add_column("metric")
    table.add_column("score", justify="right")
    table.add_column("blind", justify="right")
    blind = result.blind or {}
    rows = {**result.metrics, "exact_match": result.exact_match}
    for name, value in rows.items():
        table.add_row(name, _number(value), _number(blind.get(name)))
    for name in ("loss", "perplexity", "token_accuracy"):
        table.add_row(name, _number(getattr(result, name)), "")
    console = Console(highlight=False)
    console.print(table)
    for name, note in result.notes.items():
        console.print(f"{name}: {note}", markup=False)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
