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
    from gifdesc.config import TrainingConfig
    from gifdesc.extraction import ExtractionEvent
    from gifdesc.inputs import BackgroundCount
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
    """Examples of the epoch, loss, and a line for every epoch that ends.

    Args:
        console: where to.
        config: the run.
        num_pairs: examples of a pass over the training split.
        num_gifs: examples of a pass of self-critical training.
    """

    def __init__(
        self, console: Console, config: TrainingConfig, *, num_pairs: int, num_gifs: int
    ) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        super().__init__(console, Progress(*columns, console=console, transient=True))
        self._first_epochs = config.epochs
        self._epochs = config.epochs + config.scst_epochs
        self._num_pairs = num_pairs * (config.passes or 1)
        self._num_gifs = num_gifs * (config.passes or 1)
        self._best_by = config.best_by
        total = self._num_before(self._epochs + 1)
        self._task = self.progress.add_task("training", total=total)
        self._has_begun = False

    def step(self, result: StepResult) -> None:
        """Show a finished optimizer step."""
        score = f"reward {result.reward:.3f}" if result.loss is None else f"loss {result.loss:.3f}"
        speed = self._speed(result.epoch, result.examples_per_second)
        text = f"epoch {result.epoch}/{self._epochs}  {score}  {speed}"
        done = self._num_before(result.epoch) + result.num_examples
        if not self._has_begun:  # what an earlier run did says nothing of this one's speed
            self._has_begun = True
            self.progress.reset(self._task)
        self.progress.update(self._task, completed=done, description=text)
        left = self._num_before(self._epochs + 1) - done
        left_seconds = left / max(1e-9, result.examples_per_second)
        of_epoch = f"{result.num_examples}/{self._num_of(result.epoch)} {self._unit(result.epoch)}"
        self.line(f"{text}  {of_epoch}, {left_seconds:.0f} s left")

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
        parts.append(self._speed(result.epoch, result.examples_per_second))
        if result.is_best and result.val_loss is not None and self._best_by != "last":
            parts.append("best")
        self.console.print("  ".join(parts), markup=False)

    def _num_before(self, epoch: int) -> int:
        """Examples of all epochs before one."""
        num_first = min(epoch - 1, self._first_epochs)
        return num_first * self._num_pairs + (epoch - 1 - num_first) * self._num_gifs

    def _num_of(self, epoch: int) -> int:
        return self._num_before(epoch + 1) - self._num_before(epoch)

    def _unit(self, epoch: int) -> str:
        return "pairs" if epoch <= self._first_epochs else "GIFs"

    def _speed(self, epoch: int, rate: float) -> str:
        return f"{rate:.{0 if rate >= 1 else 1}f} {self._unit(epoch)}/s"
