"""The curves of a training run and the scores of an evaluation, as pictures and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gifdesc.pages.style import LIGHT, Theme, drawing, empty_figure, svg_of, value_or_gap
from gifdesc.system.files import writing
from gifdesc.system.replacement import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure
from itertools import cycle

from gifdesc.evaluation.bootstrap import Interval
from gifdesc.metrics.scoring import Scores, metric_label, metric_maximum
from gifdesc.pages.style import baseline_label
from gifdesc.system.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes


PAGE_WIDTH = 11.0
"""Inches of a wide chart, which a page stretches from its left edge to its right."""

_CURVE_LABELS = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "val_token_accuracy": "validation token accuracy",
    "train_reward": "CIDEr of sampled captions",
    "val_cider": "validation CIDEr",
}


def drawable(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a history that have an epoch, reduced to the numbers of curves and `is_best`.

    An edited file may contain anything else.
    """
    return [
        {
            "epoch": row["epoch"],
            **({"is_best": True} if row.get("is_best") is True else {}),
            **{name: row[name] for name in _CURVE_LABELS if _is_number(row.get(name))},
        }
        for row in history
        if _is_number(row.get("epoch"))
    ]


def plot_history(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the curves of a training run as a PNG: loss and, if known, token accuracy and CIDEr.

    Args:
        history: a row per epoch, as in `history.jsonl`: `epoch`; `train_loss` and `val_loss` in
            nats per token; `val_token_accuracy`, 0 to 1; `val_cider` and, of captions sampled in
            self-critical training, `train_reward`, 0 to 10. A number that is missing,
            None or not finite leaves a gap.
        path: of the picture.

    Raises:
        GifdescError: the file cannot be written.
        ValueError: there is no epoch.
    """
    with drawing(LIGHT):
        figure = _history_figure(history, LIGHT, is_narrow=False)
        # Without the library's version in the file, equal curves give equal bytes.
        options: dict[str, Any] = {"metadata": {"Software": None}, "facecolor": LIGHT.paper}
        with writing(path), replacing(path) as aside:
            figure.savefig(aside, format="png", **options)


def history_svg(
    history: Sequence[Mapping[str, Any]], theme: Theme = LIGHT, *, is_narrow: bool = False
) -> str:
    """The same curves as an SVG document.

    Args:
        history: see `plot_history`.
        theme: its colours; the ground shows through.
        is_narrow: for a narrow screen, with the panels one below the other.

    Raises:
        ValueError: there is no epoch.
    """
    with drawing(theme):
        figure = _history_figure(history, theme, is_narrow=is_narrow, width=PAGE_WIDTH)
        return svg_of(figure)


def describe_history(history: Sequence[Mapping[str, Any]]) -> str:
    """The curves of `history_svg` in words: the first and last number of each."""
    parts = []
    for key, label in _CURVE_LABELS.items():
        values = [value for value in _column(history, key) if math.isfinite(value)]
        if values:
            parts.append(f"{label} from {values[0]:.3f} to {values[-1]:.3f}")
    if (best := best_epoch(history)) is not None:
        parts.append(f"best epoch {best}")
    return f"{counted(len(history), 'epoch')}: {', '.join(parts) or 'no numbers'}."


def best_epoch(history: Sequence[Mapping[str, Any]]) -> float | None:
    """The epoch whose weights were kept: the last that was the best so far; None if unknown."""
    best = [row["epoch"] for row in history if row.get("is_best")]
    return best[-1] if best else None


def _history_figure(
    history: Sequence[Mapping[str, Any]],
    theme: Theme,
    *,
    is_narrow: bool,
    width: float | None = None,
) -> Figure:
    if not history:
        raise ValueError("a training history without epochs cannot be drawn")
    from matplotlib.ticker import MaxNLocator

    epochs = [row["epoch"] for row in history]
    loss = {"training": _column(history, "train_loss"), "validation": _column(history, "val_loss")}
    accuracy = {"validation": _column(history, "val_token_accuracy")}
    cider = {
        "training": _column(history, "train_reward"),
        "validation": _column(history, "val_cider"),
    }
    panels: list[tuple[str, dict[str, list[float]], float | None]] = [
        ("loss (nats per token)", loss, None)
    ]
    for label, curves, top in (("token accuracy", accuracy, 1.02), ("CIDEr", cider, None)):
        if any(math.isfinite(value) for values in curves.values() for value in values):
            panels.append((label, curves, top))
    styles: dict[str, dict[str, Any]] = {
        "training": {"color": theme.accent, "linestyle": "--", "marker": "o", "markersize": 4},
        "validation": {"color": theme.second, "linestyle": "-", "marker": "s", "markersize": 4},
    }
    size = (4.0, 2.9 * len(panels)) if is_narrow else (1.2 + 4.8 * len(panels), 3.8)
    if width is not None and not is_narrow:
        size = (width, 3.2)
    figure = empty_figure(*size)
    best = best_epoch(history)
    every = 1 + len(history) // 25  # markers that touch hide the line's style
    for position, (label, curves, top) in enumerate(panels, start=1):
        shape = (len(panels), 1) if is_narrow else (1, len(panels))
        axes = figure.add_subplot(*shape, position)
        for name, values in curves.items():
            if any(map(math.isfinite, values)):
                axes.plot(epochs, values, label=name, markevery=every, **styles[name])
                # Above the panel, for within it hides a curve that runs along the top.
                above = 1.0 if best is None else 1.06
                axes.legend(
                    loc="lower right", bbox_to_anchor=(1.0, above), ncols=2, borderaxespad=0.0
                )
        if best is not None:
            _mark_best(axes, best, theme)
        axes.set(xlabel="epoch", ylabel=label, ylim=(0, top))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y")
    return figure


def _mark_best(axes: Axes, epoch: float, theme: Theme) -> None:
    """A vertical line at the best epoch, with its number above."""
    axes.axvline(epoch, color=theme.right, linestyle=":", linewidth=1.4, zorder=1)
    axes.annotate(
        f"best: {epoch:g}",
        (epoch, 1.0),
        xytext=(0, 3),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        color=theme.right,
        fontsize=9,
        horizontalalignment="center",
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _column(history: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [value_or_gap(row.get(key)) for row in history]


_MARKERS = ("x", "D", "^", "s", "v", "P")
_LONGEST_LABEL = 24  # characters


def has_numbers(
    scores: Scores, intervals: Mapping[str, Interval], others: Mapping[str, Scores]
) -> bool:
    """Whether `scores_svg` has anything to draw."""
    return any(_numbers(name, scores, intervals, others) for name in scores)


def scores_svg(
    scores: Scores,
    intervals: Mapping[str, Interval],
    others: Mapping[str, Scores],
    theme: Theme = LIGHT,
    *,
    is_narrow: bool = False,
) -> str:
    """Scores as points with their intervals, other systems as other marks, as an SVG document.

    Metrics of one maximum share an axis. A metric without any number is left out.

    Args:
        scores: metric -> score, from top to bottom; None if it was not computed.
        intervals: metric -> its 95 % confidence interval.
        others: baseline or other system -> its scores.
        theme: its colours; the ground shows through.
        is_narrow: for a narrow screen.

    Raises:
        ValueError: no metric has a number.
    """
    shown = [name for name in scores if _numbers(name, scores, intervals, others)]
    if not shown:
        raise ValueError("scores without a number cannot be drawn")
    maxima = sorted({metric_maximum(name) for name in shown})
    panels = [[name for name in shown if metric_maximum(name) == top] for top in maxima]
    with drawing(theme):
        num_columns = 2 if is_narrow else 4
        num_legend_lines = math.ceil((1 + len(others)) / num_columns)
        height = 0.3 * len(shown) + 0.62 * len(panels) + 0.25 * num_legend_lines
        figure = empty_figure((4.0 if is_narrow else PAGE_WIDTH), height)
        ratios = [len(panel) + 0.6 for panel in panels]
        grid = figure.add_gridspec(len(panels), 1, height_ratios=ratios)
        for index, panel in enumerate(panels):
            axes = figure.add_subplot(grid[index, 0])
            _draw_scores(axes, panel, scores, intervals, others, theme)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        order = [len(handles) - 1, *range(len(handles) - 1)]  # the score was drawn last, on top
        figure.legend(
            [handles[index] for index in order],
            [labels[index] for index in order],
            loc="outside upper left",
            ncols=num_columns,
            fontsize=9,
        )
        return svg_of(figure)


def describe_scores(
    scores: Scores, intervals: Mapping[str, Interval], others: Mapping[str, Scores]
) -> str:
    """The chart of `scores_svg` in words, for readers who cannot see it."""
    sentences = []
    for name, value in scores.items():
        if value is None or not math.isfinite(value):
            continue
        words = f"{metric_label(name)} {value:.3f}"
        if name in intervals:
            low, high = intervals[name]
            words += f" (95 % interval {low:.3f} to {high:.3f})"
        compared = [
            f"{baseline_label(other)} {score:.3f}"
            for other, found in others.items()
            if (score := found.get(name)) is not None
        ]
        sentences.append("; ".join([words, *compared]))
    return ". ".join(sentences) + "."


def _draw_scores(
    axes: Axes,
    names: Sequence[str],
    scores: Scores,
    intervals: Mapping[str, Interval],
    others: Mapping[str, Scores],
    theme: Theme,
) -> None:
    places = range(len(names))
    colours = (theme.second, theme.third, theme.pale_ink)
    looks = zip(cycle(_MARKERS), cycle(colours), strict=True)
    for (other, found), (marker, colour) in zip(others.items(), looks, strict=False):
        values = [value_or_gap(found.get(name)) for name in names]
        label = _short(baseline_label(other))
        hollow: dict[str, Any] = {} if marker == "x" else {"markerfacecolor": "none"}
        axes.plot(
            values, places, marker, color=colour, label=label, markersize=6, clip_on=False, **hollow
        )
    values = [value_or_gap(scores[name]) for name in names]
    known = [(place, intervals[name]) for place, name in enumerate(names) if name in intervals]
    for place, interval in known:
        axes.plot(interval, [place, place], color=theme.accent, linewidth=2.5, alpha=0.55)
    label = "score, 95 % interval" if known else "score"
    axes.plot(values, places, "o", color=theme.accent, label=label, markersize=6, clip_on=False)
    axes.set_yticks(places, [_short(metric_label(name)) for name in names])
    top = max(number for name in names for number in _numbers(name, scores, intervals, others))
    axes.set(xlim=(0, 1.05 * max(top, 0.05)), ylim=(len(names) - 0.5, -0.6))
    axes.tick_params(axis="y", length=0, pad=9)  # room for a mark at 0
    axes.spines["left"].set_visible(False)
    axes.grid(axis="both")
    axes.set_axisbelow(True)


def _short(label: str) -> str:
    """A label that leaves room for the chart, even on a narrow screen."""
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"


def _numbers(
    name: str, scores: Scores, intervals: Mapping[str, Interval], others: Mapping[str, Scores]
) -> list[float]:
    """All finite numbers that a metric draws."""
    found = (scores[name], *intervals.get(name, ()), *(row.get(name) for row in others.values()))
    return [value for value in found if value is not None and math.isfinite(value)]
