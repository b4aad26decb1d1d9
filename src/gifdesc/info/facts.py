"""Facts about a folder or a file, for people and for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from gifdesc.config import FeatureRecipe

Kind = Literal["model", "features", "gif", "captions", "descriptions"]

_BARS = "▁▂▃▄▅▆▇█"
_MAX_BARS = 24


@dataclass
class Facts:
    """What a folder or a file is.

    Attributes:
        path: the folder or file.
        kind: of content.
        title: the kind in words.
        rows: labels and texts, for people.
        data: the same for scripts.
        doubts: sentences about what is wrong with it.
    """

    path: Path
    kind: Kind
    title: str
    rows: list[tuple[str, str]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    def add(self, label: str, text: object) -> None:
        """Add a row; an empty text or None adds none."""
        if text not in ("", None):
            self.rows.append((label, str(text)))

    def to_json(self) -> dict[str, Any]:
        """The object that `gifdesc info --json` prints."""
        return {"path": str(self.path), "kind": self.kind, **self.data, "doubts": self.doubts}


def add_recipe(facts: Facts, recipe: FeatureRecipe) -> None:
    """Add how features were made."""
    facts.add("backbone", f"{recipe.backbone_title}, weights {recipe.weights}")
    facts.add(
        "frames",
        f"up to {recipe.num_frames}, {recipe.sampling} sampling, {recipe.framing} frames of "
        f"{recipe.image_size} x {recipe.image_size} pixels, encoding {recipe.encoding}",
    )


def sparkline(values: Sequence[float]) -> str:
    """Values as a line of bars from the smallest to the largest, at most 24: a narrow terminal.

    Of more values, every bar is the mean of neighbours.
    """
    if not values:
        return ""
    num_bars = min(len(values), _MAX_BARS)
    edges = [round(index * len(values) / num_bars) for index in range(num_bars + 1)]
    means = [sum(values[first:last]) / (last - first) for first, last in pairwise(edges)]
    low, high = min(means), max(means)
    steps = len(_BARS) - 1
    return "".join(
        _BARS[round((mean - low) / (high - low) * steps) if high > low else 0] for mean in means
    )


def bytes_in_words(number: float) -> str:
    """A size such as `3.4 MB`."""
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
