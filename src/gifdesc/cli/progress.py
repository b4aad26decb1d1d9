"""Live progress on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from gifdesc.extraction import ExtractionEvent
    from gifdesc.inputs import BackgroundCount
    from gifdesc.training_data import TrainingData
    from gifdesc.training_results import EpochResult, StepResult

_LINE_INTERVAL_SECONDS = 10.0


class Talk:
    """A rich progress bar on a terminal; elsewhere `line` prints, at most every 10 seconds."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self.console = console
        self.progress = progress
        self.is_live = console.is_terminal
        self._last_seconds = time.monotonic()

    def __enter__(self) -> Self:
        if self.is_live:
            self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_live:
            self.progress.stop()

    def line(self, text: str) -> None:
        """Print where no bar is live and the last line is old enough."""
        now = time.monotonic()
        if not self.is_live and now - self._last_seconds >= _LINE_INTERVAL_SECONDS:
            self._last_seconds = now
            self.console.print(text, markup=False)


class ExtractionProgress(Talk):
    """GIFs done, failed and skipped, frames per second, time left."""

    def __init__(self, console: Console, count: BackgroundCount) -> None:
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("GIFs  {task.description}"),
            TimeRemainingColumn(),
        )
        super().__init__(console, Progress(*columns, console=console, transient=True))
        self._task = self.progress.add_task("", total=None)
        self._count = count
        self._num_done = 0
        self._counts: Counter[str] = Counter()
        self._num_frames = 0
        self._start_seconds = time.monotonic()

    def advance(self, event: ExtractionEvent) -> None:
        """Count one finished GIF."""
        self._num_done += 1
        self._counts["skipped" if event.skipped else event.entry.status] += 1
        if not event.skipped:
            self._num_frames += len(event.entry.sampled_frames or ())
        seconds = max(1e-9, time.monotonic() - self._start_seconds)
        text = (
            f"{self._counts['failed']} failed, {self._counts['skipped']} done before, "
            f"{self._num_frames / seconds:.0f} frames/s"
        )
        total = self._count.total
        self.progress.update(self._task, completed=self._num_done, total=total, description=text)
        if total is None:  # still being counted
            self.line(f"{self._num_done} done, {text}")
        else:
            left_seconds = seconds / self._num_done * max(0, total - self._num_done)
            self.line(f"{self._num_done}/{total} GIFs, {text}, {left_seconds:.0f} s left")


class TrainingProgress(Talk):
    """Examples of the epoch, loss, and a line for every epoch that ends."""

    def __init__(self, console: Console, epochs: int, data: TrainingData) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("pairs"),
            TimeRemainingColumn(),
        )
        super().__init__(console, Progress(*columns, console=console, transient=True))
        num_pairs = sum(len(example.captions) for example in data.splits["train"])
        self._epochs = epochs
        self._num_pairs = num_pairs
        self._task = self.progress.add_task("training", total=epochs * num_pairs)

    def step(self, result: StepResult) -> None:
        """Show a finished optimizer step."""
        score = f"reward {result.reward:.3f}" if result.loss is None else f"loss {result.loss:.3f}"
        text = (
            f"epoch {result.epoch}/{self._epochs}  {score}  "
            f"{result.examples_per_second:.0f} pairs/s"
        )
        done = (result.epoch - 1) * self._num_pairs + result.num_examples
        self.progress.update(self._task, completed=done, description=text)
        left_seconds = (self._epochs * self._num_pairs - done) / max(
            1e-9, result.examples_per_second
        )
        self.line(
            f"{text}  {result.num_examples}/{self._num_pairs} pairs, {left_seconds:.0f} s left"
        )

    def epoch(self, result: EpochResult) -> None:
        """Show a finished epoch."""
        parts = [f"epoch {result.epoch}/{self._epochs}"]
        for name, value in (
            ("train loss", result.train_loss),
            ("train reward", result.train_reward),
            ("val loss", result.val_loss),
            ("val CIDEr", result.val_cider),
        ):
            if value is not None:
                parts.append(f"{name} {value:.4f}")
        parts.append(f"{result.examples_per_second:.0f} pairs/s")
        if result.is_best and result.val_loss is not None:
            parts.append("best")
        self.console.print("  ".join(parts), markup=False)
