"""The style of pictures, charts and pages: colours of a light and a dark theme, labels."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_DPI = 120


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours as `#rrggbb`. Every ink has a contrast of 4.5 to 1 or more to `paper` (WCAG 2.2 AA).

    Attributes:
        paper, card: the background, and that of boxes.
        ink, pale_ink: text, and less important text.
        rule: thin decorative lines.
        accent: links, the model, the training curve.
        second, third: the validation curve, baselines.
        right, wrong: verdicts, which a sign or a word shows too.
    """

    paper: str
    card: str
    ink: str
    pale_ink: str
    rule: str
    accent: str
    second: str
    third: str
    right: str
    wrong: str


LIGHT = Theme(
    paper="#ffffff",
    card="#f6f8fa",
    ink="#1f2328",
    pale_ink="#59636e",
    rule="#d1d9e0",
    accent="#0969da",
    second="#bc4c00",
    third="#8250df",
    right="#1a7f37",
    wrong="#b42318",
)
DARK = Theme(
    paper="#0d1117",
    card="#161b22",
    ink="#e6edf3",
    pale_ink="#9ea7b3",
    rule="#3d444d",
    accent="#58a6ff",
    second="#f0883e",
    third="#bc8cff",
    right="#3fb950",
    wrong="#ff7b72",
)

_BASELINE_LABELS = {
    "blind": "blind (another GIF)",
    "nearest": "nearest training GIF",
    "most-common": "most common caption",
}


def baseline_label(name: str) -> str:
    """The name of a baseline for readers: `blind` is the model that was shown another GIF."""
    return _BASELINE_LABELS.get(name.replace("_", "-"), name)


@contextmanager
def drawing(theme: Theme) -> Iterator[None]:
    """Within the block, matplotlib draws in the colours of a theme on a transparent ground."""
    import matplotlib

    settings: dict[Any, Any] = {
        "text.color": theme.ink,
        **dict.fromkeys(("axes.labelcolor", "xtick.color", "ytick.color"), theme.ink),
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
        **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
        "axes.edgecolor": theme.pale_ink,
        "grid.color": theme.rule,
        "grid.linewidth": 0.6,
        "font.size": 10,
        "text.parse_math": False,  # a system may be called $x$
        # Ids in an SVG are hashes: salted alike, equal charts give equal bytes.
        "svg.hashsalt": "gifdesc",
    }
    with matplotlib.rc_context(settings):
        yield


def empty_figure(width: float, height: float) -> Figure:
    """A canvas of that many inches, without pyplot, which would keep every figure in memory."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    FigureCanvasAgg(figure)
    return figure


def svg_of(figure: Figure) -> str:
    """A figure as an SVG document, of the same bytes whenever it is drawn alike."""
    buffer = io.BytesIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=metadata)
    text = buffer.getvalue().decode("utf-8")
    return text[text.index("<svg") :]


def value_or_gap(value: float | None) -> float:
    """A number to draw; NaN, where matplotlib leaves a gap, if it is unknown."""
    return math.nan if value is None else float(value)
