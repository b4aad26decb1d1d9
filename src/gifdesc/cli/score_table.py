"""The scores of `gifdesc evaluate` on a terminal: tables, or paragraphs where it is narrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gifdesc.cli.console import print_result, printable
from gifdesc.system.wording import counted

if TYPE_CHECKING:
    from gifdesc.evaluation.results import Evaluation
    from gifdesc.evaluation.retrieval import Retrieval

_CHANCE = 0.05
_NOTHING = "-"  # in place of a number that there is not
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
            if cell.strip() not in ("", _NOTHING)
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
    return _NOTHING if value is None else f"{value:.3f}"


def _better(value: float | None, other: float | None) -> Text:
    """A number, in green where it is better than the other; all scores are better if greater."""
    is_better = value is not None and other is not None and value > other
    return Text(_number(value), "bold green" if is_better else "")


def _difference(value: float | None) -> str:
    return _NOTHING if value is None else f"{round(value, 3) + 0.0:+.3f}"  # + 0.0: no -0.000


def _interval(interval: tuple[float, float] | None) -> str:
    return _NOTHING if interval is None else f"{interval[0]:.3f}-{interval[1]:.3f}"
