"""`gifdesc evaluate`: score a model, or the captions of any system."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from gifdesc.cli.console import (
    EXIT_FAILED,
    exit_on_error,
    print_error,
    print_json,
    suggest,
    warn,
)
from gifdesc.cli.evaluation_files import EvaluationFiles
from gifdesc.cli.given import refuse, warn_of_unused, warn_of_unused_descriptions_format
from gifdesc.cli.help import DECODING, INPUT, OUTPUT, SCORES
from gifdesc.cli.options import (
    Debug,
    DescriptionsFormat,
    DescriptionsPath,
    Device,
    FeaturesDir,
    Json,
    ModelDir,
    NumBeams,
    Quiet,
    SplitsDir,
    Verbose,
    user_path,
)
from gifdesc.cli.score_table import print_scores
from gifdesc.config import Split
from gifdesc.data.forms.form_names import FormName
from gifdesc.data.paths import check_descriptions_path, check_features_dir
from gifdesc.system.device_name import check_device_name
from gifdesc.system.waits import wait_for

_MODEL_OPTIONS = (
    "features",
    "descriptions",
    "descriptions_format",
    "splits",
    "split",
    "model",
    "beam",
    "max_length",
    "device",
)
"""Parameters that have no effect with `--predictions`."""

_PREDICTION_OPTIONS = ("predictions_format", "references_format")
"""Parameters that have no effect without `--predictions`."""


def evaluate(
    context: typer.Context,
    features: FeaturesDir = Path("features"),
    descriptions: DescriptionsPath = Path("descriptions"),
    descriptions_format: DescriptionsFormat = None,
    splits: SplitsDir = None,
    split: Annotated[
        Split,
        typer.Option(
            "--split",
            help="GIFs to score; `train` leaves out the test split.",
            rich_help_panel=INPUT,
        ),
    ] = "test",
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions",
            parser=user_path,
            metavar="FILE",
            help="Score these captions instead of a model's: lines of `caption --json`, "
            '{"id": ..., "caption": ...}, or name<TAB>caption; COCO results, CSV and so on.',
            rich_help_panel=INPUT,
        ),
    ] = None,
    predictions_format: Annotated[
        FormName | None,
        typer.Option(
            "--predictions-format",
            metavar="NAME",
            help="Form of the file of predictions, as for --descriptions-format.",
            show_default="recognised by its content",
            rich_help_panel=INPUT,
        ),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(
            "--references",
            parser=user_path,
            metavar="PATH",
            help="The references for --predictions: lines of "
            '{"id": ..., "captions": [...]} or id<TAB>caption, a folder of descriptions, or a file '
            "of any form that --descriptions reads.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    references_format: Annotated[
        FormName | None,
        typer.Option(
            "--references-format",
            metavar="NAME",
            help="Form of the references, as for --descriptions-format.",
            show_default="recognised by its content",
            rich_help_panel=INPUT,
        ),
    ] = None,
    model: ModelDir = Path("model"),
    beam: NumBeams = 5,
    max_length: Annotated[
        int | None,
        typer.Option(
            "--max-length",
            min=1,
            help="Most tokens of a caption.",
            show_default="1.5 times the longest training caption",
            rich_help_panel=DECODING,
        ),
    ] = None,
    meteor: Annotated[
        bool,
        typer.Option(
            "--meteor/--no-meteor",
            help="Compute METEOR, which needs Java and the extra gifdesc[meteor], and takes time.",
            rich_help_panel=SCORES,
        ),
    ] = True,
    retrieval: Annotated[
        bool,
        typer.Option(
            "--retrieval",
            help="Also score how well words find their GIF, and a GIF its words.",
            rich_help_panel=SCORES,
        ),
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            parser=user_path,
            metavar="FILE",
            help="Compare with another system's captions of the same GIFs (paired bootstrap).",
            rich_help_panel=SCORES,
        ),
    ] = None,
    json: Json = False,
    per_example: Annotated[
        Path | None,
        typer.Option(
            "--per-example",
            parser=user_path,
            metavar="FILE",
            help="Write each GIF's captions and scores to FILE, one JSON object per line.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            parser=user_path,
            metavar="FILE",
            help="Write a page with the scores and every caption beside its GIF, worst first.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            parser=user_path,
            metavar="FILE",
            help="Draw some right and some wrong captions beside their GIFs, as a PNG.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    gifs: Annotated[
        Path | None,
        typer.Option(
            "--gifs",
            parser=user_path,
            metavar="DIR",
            help="Folder of the GIFs that --html and --picture show.",
            show_default="./gifs, if it exists",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Score captions of held-out GIFs, beside baselines.

    The blind baseline captions every GIF from another GIF's features.
    """
    with exit_on_error(debug=debug, quiet=quiet, verbose=verbose, json=json) as errors:
        if (predictions is None) != (references is None):
            raise typer.BadParameter("--predictions and --references go together")
        if predictions is not None:
            refuse(context, ("retrieval",), "--retrieval needs a model: leave --predictions out")
        if html is None and picture is None:
            refuse(context, ("gifs",), "--gifs is for --html and --picture: give one of them")
        files = EvaluationFiles(per_example=per_example, html=html, picture=picture, gifs=gifs)
        has_problems, notes = False, list[str]()
        if predictions is not None and references is not None:
            warn_of_unused(context, _MODEL_OPTIONS, "with --predictions")
            from gifdesc.evaluation.evaluate import evaluate_prediction_files

            result = evaluate_prediction_files(
                predictions,
                references,
                predictions_format=predictions_format,
                references_format=references_format,
                against_path=against,
                meteor=meteor,
            )
        else:
            warn_of_unused(context, _PREDICTION_OPTIONS, "without --predictions")
            from gifdesc.model.folder import check_model_name

            check_device_name(device)
            check_model_name(model)
            check_features_dir(features)
            check_descriptions_path(descriptions)
            warn_of_unused_descriptions_format(context, descriptions)
            with wait_for("starting"):
                from gifdesc.config import DecodingConfig
                from gifdesc.evaluation.held_out import evaluate_model_folder

            found = evaluate_model_folder(
                model,
                features,
                descriptions,
                descriptions_format=descriptions_format,
                split=split,
                splits_dir=splits,
                device=device,
                config=DecodingConfig(num_beams=beam, max_tokens=max_length),
                against_path=against,
                meteor=meteor,
                retrieval=retrieval,
                on_problem=print_error,
            )
            result, has_problems, notes = found.evaluation, bool(found.problems), found.notes
        doubts = (f"{name}: {reason}" for name, reason in result.warnings.items())
        for sentence in (*notes, *doubts):
            warn(sentence)
        if json:
            print_json(result.to_json())
        else:
            print_scores(result)
        errors.json = False  # stdout has its one JSON object
        from gifdesc.pages.summary import Subject

        other = None if against is None else against.stem
        if predictions is not None:
            subject = Subject(name=predictions.name, data=str(references), against=other)
        else:
            subject = Subject(
                name=str(model),
                split=split,
                model_dir=model,
                features_dir=features,
                data=str(descriptions),
                against=other,
            )
        files.write(result, subject)
        if predictions is None:
            where = "" if model == Path("model") else f" --model {shlex.quote(str(model))}"
            page = "" if html is not None else f"gifdesc evaluate{where} --html report.html, or "
            suggest(f"{page}gifdesc caption x.gif{where}")
        if has_problems:
            raise typer.Exit(EXIT_FAILED)
