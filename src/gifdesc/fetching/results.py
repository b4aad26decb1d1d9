"""What became of the URLs of a run: an event for each, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gifdesc.fetching.manifest import FetchEntry

STATUSES = ("ok", "truncated", "still", "refused", "failed", "skipped")
"""What may become of a URL, in the order of the summary."""


@dataclass(frozen=True)
class FetchEvent:
    """What became of a URL.

    Attributes:
        entry: its line of the manifest.
        is_old: whether the line is of an earlier run.
    """

    entry: FetchEntry
    is_old: bool = False

    @property
    def status(self) -> str:
        """One of `STATUSES`."""
        return "skipped" if self.is_old and self.entry.file is not None else self.entry.status

    @property
    def is_failure(self) -> bool:
        """Whether the URL gives no picture and no video."""
        return self.entry.status in ("refused", "failed")

    @property
    def remark(self) -> str | None:
        """What is odd about a file that was received now; None if nothing is."""
        if self.is_old or self.is_failure or self.entry.error is None:
            return None
        return self.entry.error + ("" if self.entry.file else ", not kept")


@dataclass
class FetchSummary:
    """The URLs of a run by their status.

    Attributes:
        counts: number of URLs by status.
        failures: `url` and `error` of each URL without a picture or video.
        num_old_failures: of these, those of an earlier run.
        num_kept: files that were received and kept.
        num_bytes: of these files.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, str]] = field(default_factory=list)
    num_old_failures: int = 0
    num_kept: int = 0
    num_bytes: int = 0

    @property
    def num_done(self) -> int:
        """URLs so far, whatever became of them."""
        return self.counts.total()

    def add(self, event: FetchEvent) -> None:
        """Count a URL."""
        self.counts[event.status] += 1
        if event.is_failure:
            self.num_old_failures += event.is_old
            self.failures.append({"url": event.entry.url, "error": event.entry.error or ""})
        elif not event.is_old and event.entry.file is not None:
            self.num_kept += 1
            self.num_bytes += event.entry.size_bytes or 0

    def to_json(
        self, output_dir: Path, descriptions: Path | None, problems: Sequence[str]
    ) -> dict[str, Any]:
        """The JSON object that the command prints.

        Args:
            output_dir: the folder of files.
            descriptions: the file of descriptions in it; None if there is none.
            problems: of lines in the list without a usable URL.
        """
        return {
            **{status: self.counts[status] for status in STATUSES},
            "num_bytes": self.num_bytes,
            "output": str(output_dir),
            "descriptions": None if descriptions is None else str(descriptions),
            "failures": self.failures,
            "problems": list(problems),
        }
