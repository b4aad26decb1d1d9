"""The chart of an evaluation: scores with their intervals and baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any

from gifdesc.style import (
    LIGHT,
    Theme,
    baseline_label,
    drawing,
    empty_figure,
    metric_label,
    svg_of,
    value_or_gap,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OWN_AXIS = "cider"  # reaches 10 where every other score ends at 1
_MARKERS = ("x", "D", "^", "s", "v", "P")
_LONGEST_LABEL = 24  # characters


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One metric of an evaluation.

    Attributes:
        metric: its key, such as `bleu_4`.
        value: the score; None where it was not computed.
        interval: its 95 % confidence interval, low and high.
        baselines: the same metric of `blind`, `nearest`, `most-common`, another system.
        note: what a reader must know of it, such as why it is None.
    """

    metric: str
    value: float | None
    interval: tuple[float, float] | None = None
    baselines: Mapping[str, float | None] = field(default_factory=dict)
    note: str | None = None


def scores_svg(rows: Sequence[ScoreRow], theme: Theme = LIGHT, *, is_narrow: bool = False) -> str:
    """Scores as points with their intervals, baselines as other marks, as an SVG document.

    CIDEr has an axis of its own. A row without any number is left out.

    Args:
        rows: from top to bottom.
        theme: its colours; the ground shows through.
        is_narrow: for a telephone.

    Raises:
        ValueError: no row has a number.
    """
    shown = [row for row in rows if _numbers(row)]
    if not shown:
        raise ValueError("scores without a number cannot be drawn")
    shares = [row for row in shown if row.metric != _OWN_AXIS]
    panels = [panel for panel in (shares, [r for r in shown if r.metric == _OWN_AXIS]) if panel]
    names = list(dict.fromkeys(name for row in shown for name in row.baselines))
    with drawing(theme):
        num_columns = 2 if is_narrow else 4
        num_legend_lines = math.ceil((1 + len(names)) / num_columns)
        height = 0.3 * len(shown) + 0.62 * len(panels) + 0.25 * num_legend_lines
        figure = empty_figure((4.0 if is_narrow else 8.2), height)
        ratios = [len(panel) + 0.6 for panel in panels]
        grid = figure.add_gridspec(len(panels), 1, height_ratios=ratios)
        for place, panel in enumerate(panels):
            _draw_scores(figure.add_subplot(grid[place, 0]), panel, names, theme)
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


def describe_scores(rows: Sequence[ScoreRow]) -> str:
    """The chart of `scores_svg` in words, for who cannot see it."""
    sentences = []
    for row in rows:
        if row.value is None or not math.isfinite(row.value):
            continue
        words = f"{metric_label(row.metric)} {row.value:.3f}"
        if row.interval is not None:
            words += f" (95 % interval {row.interval[0]:.3f} to {row.interval[1]:.3f})"
        known = {name: value for name, value in row.baselines.items() if value is not None}
        others = [f"{baseline_label(name)} {value:.3f}" for name, value in known.items()]
        sentences.append("; ".join([words, *others]))
    return ". ".join(sentences) + "."


def _draw_scores(axes: Axes, rows: Sequence[ScoreRow], names: Sequence[str], theme: Theme) -> None:
    places = range(len(rows))
    colours = (theme.second, theme.third, theme.pale_ink)
    looks = zip(cycle(_MARKERS), cycle(colours), strict=True)
    for name, (marker, colour) in zip(names, looks, strict=False):
        values = [value_or_gap(row.baselines.get(name)) for row in rows]
        label = _short(baseline_label(name))
        hollow: dict[str, Any] = {} if marker == "x" else {"markerfacecolor": "none"}
        axes.plot(
            values, places, marker, color=colour, label=label, markersize=6, clip_on=False, **hollow
        )
    values = [value_or_gap(row.value) for row in rows]
    known = [(place, row) for place, row in enumerate(rows) if row.interval is not None]
    for place, row in known:
        low, high = row.interval or (math.nan, math.nan)
        axes.plot([low, high], [place, place], color=theme.accent, linewidth=2.5, alpha=0.55)
    label = "score, 95 % interval" if known else "score"
    axes.plot(values, places, "o", color=theme.accent, label=label, markersize=6, clip_on=False)
    axes.set_yticks(places, [_short(metric_label(row.metric)) for row in rows])
    top = max(number for row in rows for number in _numbers(row))
    axes.set(xlim=(0, 1.05 * max(top, 0.05)), ylim=(len(rows) - 0.5, -0.6))
    axes.tick_params(axis="y", length=0, pad=9)  # room for a mark at 0
    axes.spines["left"].set_visible(False)
    axes.grid(axis="both")
    axes.set_axisbelow(True)


def _short(label: str) -> str:
    """A label that leaves room for what it names, even on a telephone."""
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"


def _numbers(row: ScoreRow) -> list[float]:
    """All finite numbers that a row draws."""
    values = (row.value, *(row.interval or ()), *row.baselines.values())
    return [value for value in values if value is not None and math.isfinite(value)]
