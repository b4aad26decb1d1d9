"""`gifdesc evaluate`: score a model, or the captions of any system."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gifdesc.cli.console import (
    EXIT_FAILED,
    exit_on_error,
    info,
    print_error,
    print_json,
    print_result,
    printable,
    stderr,
    suggest,
    warn,
)
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
from gifdesc.config import Split
from gifdesc.data.forms.form_names import FormName
from gifdesc.data.paths import check_descriptions_path, check_features_dir
from gifdesc.system.device_name import check_device_name
from gifdesc.system.waits import wait_for
from gifdesc.system.wording import counted

if TYPE_CHECKING:
    from gifdesc.evaluation.results import Evaluation
    from gifdesc.evaluation.retrieval import Retrieval
    from gifdesc.pages.evaluation import EvaluationReport, Subject


def evaluate(
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
        if retrieval and predictions:
            raise typer.BadParameter("--retrieval needs a model: leave --predictions out")
        if gifs is not None and html is None and picture is None:
            raise typer.BadParameter("--gifs is for --html and --picture: give one of them")
        report = None
        if html is not None:
            from gifdesc.pages.evaluation import EvaluationReport

            report = EvaluationReport(html, gifs)
        drawn = None
        if picture is not None:
            from gifdesc.pages.examples import ExamplesPicture

            drawn = ExamplesPicture(picture, gifs)
        name = None if against is None else against.stem
        has_problems, notes = False, list[str]()
        if predictions is not None and references is not None:
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
            from gifdesc.model.folder import check_model_name

            check_device_name(device)
            check_model_name(model)
            check_features_dir(features)
            check_descriptions_path(descriptions)
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
        if per_example is not None:
            from gifdesc.evaluation.results import write_per_example

            write_per_example(per_example, result.captions)
            info(f"wrote the scores of {counted(len(result.captions), 'GIF')} -> {per_example}")
        if drawn is not None:
            num_drawn = drawn.write(result, None if predictions is not None else features)
            info(f"drew {counted(num_drawn, 'GIF')} -> {picture}")
        if html is not None and report is not None:
            from gifdesc.pages.evaluation import Subject

            if predictions is not None:
                subject = Subject(name=predictions.name, data=str(references), against=name)
            else:
                subject = Subject(
                    name=str(model),
                    split=split,
                    model_dir=model,
                    features_dir=features,
                    data=str(descriptions),
                    against=name,
                )
            _write_report(report, html, result, subject)
        if predictions is None:
            where = "" if model == Path("model") else f" --model {shlex.quote(str(model))}"
            page = "" if html is not None else f"gifdesc evaluate{where} --html report.html, or "
            suggest(f"{page}gifdesc caption x.gif{where}")
        if has_problems:
            raise typer.Exit(EXIT_FAILED)


def _write_report(
    report: EvaluationReport, path: Path, result: Evaluation, subject: Subject
) -> None:
    from gifdesc.cli.progress import PageProgress

    with PageProgress(stderr) as progress:
        written = report.write(result, subject, progress.advance)
    worst = "the worst " if written.num_examples < result.num_examples else ""
    info(f"wrote a page of {worst}{counted(written.num_examples, 'GIF')} -> {path}")
    if not report.shows_gifs:
        warn("the page shows no GIFs: name their folder with --gifs")
    elif written.num_without_frames:
        gifs = counted(written.num_without_frames, "GIF")
        warn(f"{gifs} cannot be shown; the page gives the reason")


_CHANCE = 0.05
_COLUMNS = {"blind": "blind", "nearest": "nearest", "most-common": "most-\ncommon"}
"""Baseline -> its heading; a line may break at the line ends in it."""


def print_scores(result: Evaluation) -> None:
    """Write an evaluation to stdout: the scores, beside those of the baselines."""
    console = Console(highlight=False)
    with console.capture() as capture:
        _print_table(console, _scores_table(result))
        if result.against is not None:
            _print_table(console, _against_table(result))
        if result.retrieval is not None:
            _print_table(console, _retrieval_table(result.retrieval))
        console.print(_diversity_line(result), markup=False)
        for note in dict.fromkeys(result.notes.values()):
            names = [name for name, other in result.notes.items() if other == note]
            console.print(f"{', '.join(names)}: {printable(note)}", markup=False)
    # rich itself would exit with code 1 where the reader of stdout is gone.
    print_result(capture.get(), is_styled=True)


def _print_table(console: Console, table: Table) -> None:
    """Print a table; where the terminal is too narrow, a paragraph for each row."""
    unlimited = console.options.update(max_width=10_000)
    if Measurement.get(console, unlimited, table).maximum <= console.width:
        console.print(table)
        return
    console.print(table.title, style="italic")
    headings = [
        str(column.header).replace("-\n", "-").replace("\n", " ") for column in table.columns
    ]
    for row in zip(*(column.cells for column in table.columns), strict=True):
        name, score, *others = map(str, row)
        parts = [
            f"{heading} {cell.strip()}"
            for heading, cell in zip(headings[2:], others, strict=True)
            if cell.strip()
        ]
        console.print(f"{name}  {score}", style="bold")
        if parts:
            console.print(Padding(", ".join(parts), (0, 0, 0, 2)))
    if table.caption is not None:
        console.print(table.caption)


def _scores_table(result: Evaluation) -> Table:
    title = counted(result.num_examples, "GIF")
    if result.split is not None:
        trained_on = ", which the model was trained on" if result.split == "train" else ""
        title += f" of the {result.split} split{trained_on}"
    table = Table(title=title, box=SIMPLE, title_justify="left", pad_edge=False)
    table.add_column("metric", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    baselines = {name: scores for name, scores in result.baselines.items() if scores}
    intervals = result.intervals or {}
    if intervals:
        table.add_column("95 %\ninterval", justify="right", no_wrap=True)
    for name in baselines:
        table.add_column(_COLUMNS[name], justify="right", no_wrap=True)
    gain = result.visual_gain or {}
    if gain:
        table.add_column("visual\ngain", justify="right", no_wrap=True)
    for name, value in result.scores.items():
        cells = [name, _number(value)]
        if intervals:
            cells.append(_interval(intervals.get(name)))
        cells += [_number(scores.get(name)) for scores in baselines.values()]
        if gain:
            cells.append(_difference(gain.get(name)))
        table.add_row(*cells)
    if result.loss is not None:
        for name in ("loss", "perplexity", "token_accuracy"):
            table.add_row(name, _number(getattr(result, name)))
    return table


def _against_table(result: Evaluation) -> Table:
    table = Table(
        title="Against the other system", box=SIMPLE, title_justify="left", pad_edge=False
    )
    table.add_column("metric", no_wrap=True)
    for heading in ("this", "other", "difference", "95 %\ninterval", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    scores = result.scores
    for name, comparison in (result.against or {}).items():
        low, high = map(_difference, comparison.interval)
        table.add_row(
            name,
            _better(scores[name], comparison.score),
            _better(comparison.score, scores[name]),
            _difference(comparison.difference),
            f"{low} to {high}",
            f"{comparison.p_value:.3f}{' *' if comparison.p_value < _CHANCE else '  '}",
        )
    table.caption = f"* p < {_CHANCE}: the difference is hardly chance"
    table.caption_justify = "left"
    return table


def _retrieval_table(retrieval: Retrieval) -> Table:
    table = Table("metric", title=f"Found among {retrieval.num_pairs} GIFs", box=SIMPLE)
    for heading in retrieval.words_to_gif:
        table.add_column(heading, justify="right", no_wrap=True)
    for side, systems in retrieval.sides.items():
        for name in systems["model"].to_json():
            table.add_row(f"{side} {name}", *(_number(s.to_json()[name]) for s in systems.values()))
    return table


def _diversity_line(result: Evaluation) -> str:
    diversity = result.diversity
    parts = [
        f"{diversity.distinct_captions} distinct of {counted(result.num_examples, 'caption')}",
        f"{counted(diversity.vocabulary_size, 'word')} in use",
        f"{diversity.mean_length:.1f} words per caption",
    ]
    if diversity.in_training is not None:
        parts.append(f"{diversity.in_training:.0%} are training captions")
    return ", ".join(parts)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _better(value: float | None, other: float | None) -> Text:
    """A number, in green where it is better than the other; all scores are better if greater."""
    is_better = value is not None and other is not None and value > other
    return Text(_number(value), "bold green" if is_better else "")


def _difference(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 3) + 0.0:+.3f}"  # + 0.0: no -0.000


def _interval(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.3f}-{interval[1]:.3f}"
