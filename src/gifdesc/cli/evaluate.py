"""`gifdesc evaluate`: a model and its held-out GIFs, or anybody's captions, to scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gifdesc.cli.console import (
    EXIT_FAILED,
    counted,
    print_error,
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
    NumBeams,
    SplitsDir,
    user_path,
)
from gifdesc.cli.score_table import print_scores
from gifdesc.config import Split
from gifdesc.data_paths import check_descriptions_path, check_features_dir
from gifdesc.device_name import check_device_name
from gifdesc.waits import wait_for

if TYPE_CHECKING:
    from gifdesc.evaluation_report import EvaluationReport, Subject
    from gifdesc.scored import Evaluation


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
            parser=user_path,
            metavar="FILE",
            help="Score these captions instead of a model's: lines of `caption --json`, "
            '{"id": ..., "caption": ...}, or name<TAB>caption.',
        ),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(
            "--references",
            parser=user_path,
            metavar="PATH",
            help='With --predictions: {"id": ..., "captions": [...]} or id<TAB>caption a line, '
            "or a folder of descriptions.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            parser=user_path,
            metavar="FILE",
            help="Another system's captions of the same GIFs: how the scores differ, and how "
            "likely so by chance.",
        ),
    ] = None,
    per_example: Annotated[
        Path | None,
        typer.Option(
            "--per-example",
            parser=user_path,
            metavar="FILE",
            help="Write each GIF's captions and scores there, one JSON object a line.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            parser=user_path,
            metavar="FILE",
            help="Write a page there: the scores, and every caption beside its GIF, worst first.",
        ),
    ] = None,
    gifs: Annotated[
        Path | None,
        typer.Option(
            "--gifs",
            parser=user_path,
            metavar="DIR",
            help="With --html: where the GIFs lie.",
            show_default="./gifs, if it is there",
        ),
    ] = None,
    meteor: Annotated[
        bool,
        typer.Option(
            "--meteor/--no-meteor",
            help="METEOR takes the extra gifdesc[meteor], Java, and its time.",
        ),
    ] = True,
    beam: NumBeams = 5,
    max_length: Annotated[
        int | None,
        typer.Option(
            "--max-length",
            min=1,
            help="Tokens after which a caption is cut.  [default: half as many again as the "
            "longest training caption has]",
        ),
    ] = None,
    device: Device = "auto",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Score captions on held-out GIFs, next to what they must be better than.

    The blind control captions every GIF from another GIF's features.
    """
    with speaking_plainly(debug=debug, json=json):
        if (predictions is None) != (references is None):
            raise typer.BadParameter("--predictions and --references go together")
        if gifs is not None and html is None:
            raise typer.BadParameter("--gifs says what --html shows; give both")
        report = None
        if html is not None:
            from gifdesc.evaluation_report import EvaluationReport

            report = EvaluationReport(html, gifs)
        problems: list[str] = []
        notes: list[str] = []
        if predictions is not None and references is not None:
            result = _evaluate_predictions(predictions, references, against, meteor=meteor)
        else:
            from gifdesc.model_folder import check_model_name

            check_device_name(device)
            check_model_name(model)
            check_features_dir(features)
            check_descriptions_path(descriptions)

            with wait_for("starting"):
                from gifdesc.checkpoint import load_checkpoint
                from gifdesc.config import DecodingConfig
                from gifdesc.device import resolve_device
                from gifdesc.model_evaluation import evaluate_model, held_out_examples
                from gifdesc.predictions import read_predictions

            torch_device = resolve_device(device)
            with wait_for(f"loading {model}"):
                checkpoint = load_checkpoint(model)
            held_out = held_out_examples(
                checkpoint, features, descriptions, split=split, splits_dir=splits
            )
            problems, notes = held_out.problems, held_out.notes
            for problem in problems:  # they make the exit code 1
                print_error(problem)
            num_said = len(problems)
            names = [one.name for one in held_out.examples]
            try:
                result = evaluate_model(
                    checkpoint,
                    held_out.examples,
                    torch_device,
                    DecodingConfig(num_beams=beam, max_tokens=max_length),
                    training=held_out.training,
                    store=held_out.store,
                    against=None if against is None else read_predictions(against, names),
                    meteor=meteor,
                    split=split,
                )
            finally:
                for problem in problems[num_said:]:  # of files that were read only now
                    print_error(problem)
        doubts = (f"{name}: {why}" for name, why in result.warnings.items())
        for sentence in (*notes, *doubts):
            warn(sentence)
        if json:
            print_json(result.to_json())
        else:
            print_scores(result)
        with speaking_plainly(debug=debug):  # the one object that --json promises is out
            if per_example is not None:
                from gifdesc.scored import write_per_example

                write_per_example(per_example, result.captions)
                say(f"wrote the scores of {counted(len(result.captions), 'GIF')} -> {per_example}")
            if html is not None and report is not None:
                from gifdesc.evaluation_report import Subject

                name = None if against is None else against.stem
                if predictions is not None:
                    subject = Subject(name=predictions.name, against=name)
                else:
                    subject = Subject(
                        name=str(model),
                        split=split,
                        model_dir=model,
                        features_dir=features,
                        against=name,
                    )
                _write_report(report, html, result, subject)
        if problems:
            raise typer.Exit(EXIT_FAILED)


def _evaluate_predictions(
    predictions: Path, references: Path, against: Path | None, *, meteor: bool
) -> Evaluation:
    from gifdesc.evaluation import evaluate_predictions
    from gifdesc.predictions import read_predictions, read_references

    people = read_references(references)
    return evaluate_predictions(
        read_predictions(predictions, people),
        people,
        against=None if against is None else read_predictions(against, people),
        meteor=meteor,
    )


def _write_report(
    report: EvaluationReport, path: Path, result: Evaluation, subject: Subject
) -> None:
    from gifdesc.cli.page_progress import PageProgress

    with PageProgress(talk) as progress:
        written = report.write(result, subject, progress.advance)
    worst = "the worst " if written.num_examples < result.num_examples else ""
    say(f"wrote a page of {worst}{counted(written.num_examples, 'GIF')} -> {path}")
    if not report.shows_gifs:
        warn("the page shows captions without GIFs; name the GIFs' folder with --gifs")
    elif written.num_without_frames:
        warn(f"{counted(written.num_without_frames, 'GIF')} cannot be shown; the page says why")
