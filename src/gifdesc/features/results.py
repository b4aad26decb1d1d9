"""What became of the GIFs of an extraction: an event for each, and a summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a run in which no file is found needs no NumPy
    from gifdesc.data.manifest import ManifestEntry

STATUSES = ("ok", "truncated", "skipped", "failed")
"""What may become of an input, in the order of the summary."""


@dataclass(frozen=True)
class ExtractionEvent:
    """What became of one input.

    Attributes:
        entry: its line of the manifest.
        path: the file.
        name: the input's name in messages.
        skipped: the features of an earlier run are still valid.
        taken: the shorter name that another GIF in the folder has already, None where the GIF has
            the usual name.
        is_in_other_form: the features of an earlier run are in a shard although the run writes
            files, or the other way round.
    """

    entry: ManifestEntry
    path: Path
    name: str
    skipped: bool = False
    taken: str | None = None
    is_in_other_form: bool = False

    @property
    def status(self) -> str:
        """One of `STATUSES`."""
        is_skipped = self.skipped and self.entry.status != "failed"
        return "skipped" if is_skipped else self.entry.status

    @property
    def error(self) -> str | None:
        """Why there are no features, None where there are."""
        return (self.entry.error or "") if self.entry.status == "failed" else None

    @property
    def note(self) -> str | None:
        """What is odd about a GIF that was read now, None where nothing is."""
        if self.skipped or self.error is not None:
            return None
        return self.entry.error or self.entry.note

    @property
    def label_text(self) -> str | None:
        """The likeliest classes with their probabilities; None if there are none."""
        if self.entry.labels is None:
            return None
        return ", ".join(f"{each['label']} {each['probability']:.2f}" for each in self.entry.labels)

    @property
    def num_frames(self) -> int:
        """Frames that went into features now."""
        return 0 if self.skipped else len(self.entry.sampled_frames or ())


@dataclass
class ExtractionSummary:
    """The inputs of a run by their status.

    Attributes:
        counts: number of inputs by status.
        failures: `path` and `error` of each input that failed.
        long_names: names that have more of the path than usual, because the folder has the
            features of GIFs from other places.
        num_frames: frames that went into features.
        num_left: of the inputs that failed, those that failed in an earlier run and were not read
            again.
        num_in_other_form: of the inputs done before, those whose features have another form than
            the run writes.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, str]] = field(default_factory=list)
    long_names: list[str] = field(default_factory=list)
    num_frames: int = 0
    num_left: int = 0
    num_in_other_form: int = 0

    @property
    def num_done(self) -> int:
        """Inputs so far, whatever became of them."""
        return self.counts.total()

    def add(self, event: ExtractionEvent) -> None:
        """Count an input."""
        if event.error is not None:
            self.num_left += event.skipped
            self.add_failure(event.name, event.error)
            return
        self.counts[event.status] += 1
        self.num_frames += event.num_frames
        self.num_in_other_form += event.is_in_other_form
        if event.taken is not None:
            self.long_names.append(event.entry.source)

    def add_failure(self, name: str, error: str) -> None:
        """Count an input that failed."""
        self.counts["failed"] += 1
        self.failures.append({"path": name, "error": error})

    def to_json(self, output_dir: Path) -> dict[str, Any]:
        """The JSON object that the command prints."""
        counts = {status: self.counts[status] for status in STATUSES}
        return {**counts, "output": str(output_dir), "failures": self.failures}
