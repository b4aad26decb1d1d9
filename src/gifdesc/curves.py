"""The curves of a training run, as a picture, for a page, and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gifdesc.errors import GifdescError
from gifdesc.files import reason, replacing
from gifdesc.style import LIGHT, Theme, drawing, empty_figure, svg_of, value_or_gap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CURVE_LABELS = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "val_token_accuracy": "validation token accuracy",
    "train_reward": "CIDEr of sampled captions",
    "val_cider": "validation CIDEr",
}


def drawable(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a history that say their epoch, each with the curves that it has a number of.

    A file that a person has changed may hold anything else.
    """
    return [
        {
            "epoch": row["epoch"],
            **{name: row[name] for name in _CURVE_LABELS if _is_number(row.get(name))},
        }
        for row in history
        if _is_number(row.get("epoch"))
    ]


def plot_history(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the curves of a training run as a PNG: loss and, where known, token accuracy and CIDEr.

    Args:
        history: A row per epoch, as in `history.jsonl`: `epoch`; `train_loss` and `val_loss` in
            nats per token; `val_token_accuracy`, 0 to 1; `val_cider` and, of captions sampled in
            self-critical training, `train_reward`, 0 to 10. What is missing, None or not finite
            leaves a gap.
        path: Where the picture goes.

    Raises:
        GifdescError: the file cannot be written.
        ValueError: there is no epoch.
    """
    with drawing(LIGHT):
        figure = _history_figure(history, LIGHT, is_narrow=False)
        # Without the library's version in the file, equal curves give equal bytes.
        options: dict[str, Any] = {"metadata": {"Software": None}, "facecolor": LIGHT.paper}
        try:
            with replacing(path) as aside:
                figure.savefig(aside, format="png", **options)
        except OSError as error:
            problem = f"{path}: the picture cannot be written ({reason(error)})"
            raise GifdescError(problem) from error


def history_svg(
    history: Sequence[Mapping[str, Any]], theme: Theme = LIGHT, *, is_narrow: bool = False
) -> str:
    """The same curves as an SVG document.

    Args:
        history: see `plot_history`.
        theme: its colours; the ground shows through.
        is_narrow: for a telephone: the panels stand under one another.

    Raises:
        ValueError: there is no epoch.
    """
    with drawing(theme):
        return svg_of(_history_figure(history, theme, is_narrow=is_narrow))


def describe_history(history: Sequence[Mapping[str, Any]]) -> str:
    """The curves of `history_svg` in words: where each begins and ends."""
    parts = []
    for key, label in _CURVE_LABELS.items():
        values = [value for value in _column(history, key) if math.isfinite(value)]
        if values:
            parts.append(f"{label} from {values[0]:.3f} to {values[-1]:.3f}")
    return f"{len(history)} epochs: {', '.join(parts) or 'no numbers'}."


def _history_figure(
    history: Sequence[Mapping[str, Any]], theme: Theme, *, is_narrow: bool
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
    figure = empty_figure(*size)
    every = 1 + len(history) // 25  # markers that touch hide the line's style
    for position, (label, curves, top) in enumerate(panels, start=1):
        shape = (len(panels), 1) if is_narrow else (1, len(panels))
        axes = figure.add_subplot(*shape, position)
        for name, values in curves.items():
            if any(map(math.isfinite, values)):
                axes.plot(epochs, values, label=name, markevery=every, **styles[name])
                # Above the panel, for within it hides a curve that runs along the top.
                axes.legend(
                    loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.0
                )
        axes.set(xlabel="epoch", ylabel=label, ylim=(0, top))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y")
    return figure


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _column(history: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [value_or_gap(row.get(key)) for row in history]
