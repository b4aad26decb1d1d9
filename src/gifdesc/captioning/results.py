"""What became of the GIFs that were described: an event for each, and a summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gifdesc.captions import Caption

STATUSES = ("ok", "skipped", "failed")
"""What may become of an input, in the order of the summary."""


@dataclass(frozen=True)
class DescribingEvent:
    """What became of one input.

    Attributes:
        path: the input.
        source: its name in the folder of descriptions: its path under the folder given first.
        name: the input's name in messages.
        caption: the captions that were written; None where the input was skipped.
        error: why there is no description, None where there is one.
    """

    path: Path
    source: str
    name: str
    caption: Caption | None = None
    error: str | None = None

    @property
    def is_skipped(self) -> bool:
        """It was described before."""
        return self.caption is None and self.error is None

    @property
    def status(self) -> str:
        """One of `STATUSES`."""
        if self.error is not None:
            return "failed"
        return "skipped" if self.is_skipped else "ok"


@dataclass
class DescribingSummary:
    """The inputs of a run by their status.

    Attributes:
        counts: number of inputs by status.
        failures: `path` and `error` of each input that failed.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, str]] = field(default_factory=list)

    @property
    def num_done(self) -> int:
        """Inputs so far, whatever became of them."""
        return self.counts.total()

    def add(self, event: DescribingEvent) -> None:
        """Count an input."""
        self.counts[event.status] += 1
        if event.error is not None:
            self.failures.append({"path": event.name, "error": event.error})

    def to_json(self, output_dir: Path) -> dict[str, Any]:
        """The JSON object that the command prints."""
        counts = {status: self.counts[status] for status in STATUSES}
        return {**counts, "output": str(output_dir), "failures": self.failures}
