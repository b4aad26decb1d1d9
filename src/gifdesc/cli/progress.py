"""Live progress on a terminal; elsewhere a line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from gifdesc.system.waits import Advance, Wait

if TYPE_CHECKING:
    from gifdesc.captioning.results import DescribingSummary
    from gifdesc.captions import Caption
    from gifdesc.checks.gifs import Inspection
    from gifdesc.config import TrainingConfig
    from gifdesc.data.gifs import BackgroundCount
    from gifdesc.features.results import ExtractionSummary
    from gifdesc.fetching.results import FetchSummary
    from gifdesc.training.results import EpochResult, StepResult

_LINE_INTERVAL_SECONDS = 10.0

_NARROW_COLUMNS, _WIDE_COLUMNS = 60, 100
_SHORT_BAR, _LONG_BAR = 10, 40
_TIME_COLUMNS = 9
"""Columns of a terminal that the time and its spaces take."""


class LiveProgress:
    """A live line on a terminal; elsewhere `line` prints, at most every 10 seconds.

    One line is live at a time: progress that starts inside another hides the outer line until it
    ends.
    """

    _live: ClassVar[list[LiveProgress]] = []

    def __init__(self, console: Console, total: int | None = None, *, has_bar: bool = True) -> None:
        """Prepare the line; it is shown while the context is open.

        Args:
            console: where to print.
            total: units of work, None where unknown.
            has_bar: show a bar, for work whose total is known now or later; otherwise a spinner.
        """
        self.console = console
        self.is_live = console.is_terminal and not console.is_dumb_terminal
        columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False)]
        self._room = console.width - _TIME_COLUMNS
        if not has_bar:
            columns = [SpinnerColumn(), *columns, TimeElapsedColumn()]
            self._room -= 2
        else:
            columns.append(TimeRemainingColumn())
            if console.width >= _NARROW_COLUMNS:
                bar_columns = _SHORT_BAR if console.width < _WIDE_COLUMNS else _LONG_BAR
                columns.insert(0, BarColumn(bar_columns))
                self._room -= bar_columns + 1
        self.progress = Progress(*columns, console=console, transient=True)
        self._task = self.progress.add_task("", total=total)
        self._last_seconds = time.monotonic()

    def __enter__(self) -> Self:
        if self.is_live:
            if LiveProgress._live:
                LiveProgress._live[-1]._hide()
            LiveProgress._live.append(self)
            self._unhide()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_live:
            LiveProgress._live.remove(self)
            self._hide()
            if LiveProgress._live:
                LiveProgress._live[-1]._unhide()

    def _hide(self) -> None:
        self.progress.stop()

    def _unhide(self) -> None:
        self.progress.start()

    def show(
        self,
        parts: Sequence[str],
        *,
        separator: str = ", ",
        completed: int | None = None,
        total: int | None = None,
    ) -> None:
        """Update the live line.

        Args:
            parts: texts to show, the most important first; a narrow terminal shows the first few.
            separator: between two parts.
            completed: units of work that are done.
            total: units of work in all.
        """
        shown = fit_parts(parts, self._room, separator)
        self.progress.update(self._task, completed=completed, total=total, description=shown)

    def line(self, text: str) -> None:
        """Print a line, unless the live line is shown or a line was printed seconds ago."""
        now = time.monotonic()
        if not self.is_live and now - self._last_seconds >= _LINE_INTERVAL_SECONDS:
            self._last_seconds = now
            self.console.print(text, markup=False)


def fit_parts(parts: Sequence[str], width: int, separator: str = ", ") -> str:
    """As many parts as fit into a width in characters; the first part is never cut."""
    text = parts[0]
    for part in parts[1:]:
        if len(text) + len(separator) + len(part) > width:
            break
        text += separator + part
    return text


def wrap_parts(parts: Sequence[str], width: int, separator: str = "  ") -> str:
    """All parts on lines up to a width in characters; lines break only between parts."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(separator) + len(part) > width:
            lines.append(f"  {part}")
        else:
            lines[-1] += separator + part
    return "\n".join(lines)


class WaitProgress(LiveProgress):
    """Shows a step of the core that takes seconds (`waits.Wait`)."""

    def __init__(self, console: Console, wait: Wait) -> None:
        super().__init__(console, has_bar=bool(wait.unit))
        self._wait = wait
        self.show([wait.text])
        if wait.text and (wait.has_own_bars or (wait.is_long and not self.is_live)):
            console.print(f"{wait.text} ...", markup=False)

    def _unhide(self) -> None:
        if not self._wait.has_own_bars:
            super()._unhide()

    def advance(self, num_done: int, total: int | None = None) -> None:
        """Show how much is done, in the wait's unit."""
        count = f"{num_done}/{total}" if total is not None else str(num_done)
        parts = [self._wait.text, f"{count} {self._wait.unit}"]
        self.show(parts, separator=": ", completed=num_done, total=total)
        self.line(": ".join(parts))


def show_wait(console: Console, wait: Wait) -> AbstractContextManager[Advance]:
    """Show a step while its block runs: on a terminal a live line, elsewhere a line or none.

    Returns:
        A context manager whose value is the function that reports progress.
    """
    progress = WaitProgress(console, wait)

    @contextmanager
    def showing() -> Iterator[Advance]:
        with progress:
            yield progress.advance

    return showing()


class CaptionProgress(LiveProgress):
    """Shows how many GIFs are captioned and how many failed."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, has_bar=False)
        self._num_captioned = 0
        self._num_failed = 0
        self.show(["captioning"])

    def advance(self, caption: Caption) -> None:
        """Count a finished GIF."""
        self._num_captioned += caption.error is None
        self._num_failed += caption.error is not None
        parts = [f"{self._num_captioned} captioned", f"{self._num_failed} failed"]
        self.show(parts)
        self.line(f"{', '.join(parts)} so far")


class ExtractionProgress(LiveProgress):
    """Shows the GIFs done, failed and skipped, frames per second and the time left."""

    def __init__(
        self, console: Console, count: BackgroundCount, summary: ExtractionSummary
    ) -> None:
        super().__init__(console)
        self._count = count
        self._summary = summary
        self._start_seconds = time.monotonic()
        self.show(["extracting"])

    def advance(self) -> None:
        """Show the summary, to which a GIF was added."""
        num_done, counts = self._summary.num_done, self._summary.counts
        seconds = max(1e-9, time.monotonic() - self._start_seconds)
        total = self._count.total
        parts = [
            f"{num_done} done" if total is None else f"{num_done}/{total} GIFs",
            f"{counts['failed']} failed",
            f"{counts['skipped']} done before",
            f"{self._summary.num_frames / seconds:.0f} frames/s",
        ]
        self.show(parts, completed=num_done, total=total)
        if total is not None:
            left_seconds = seconds / num_done * max(0, total - num_done)
            parts.append(f"{left_seconds:.0f} s left")
        self.line(", ".join(parts))


class TrainingProgress(LiveProgress):
    """Shows the examples of the epoch and the loss, and prints a line for every finished epoch.

    Args:
        console: where to print.
        config: of the run.
        num_pairs: examples of a pass over the training split.
        num_gifs: examples of a pass of self-critical training.
    """

    def __init__(
        self, console: Console, config: TrainingConfig, *, num_pairs: int, num_gifs: int
    ) -> None:
        self._first_epochs = config.epochs
        self._epochs = config.epochs + config.scst_epochs
        self._num_pairs = num_pairs * (config.passes or 1)
        self._num_gifs = num_gifs * (config.passes or 1)
        self._best_by = config.best_by
        super().__init__(console, self._num_before(self._epochs + 1))
        self._has_begun = False
        self.show(["training"])

    def step(self, result: StepResult) -> None:
        """Show a finished optimizer step."""
        score = f"reward {result.reward:.3f}" if result.loss is None else f"loss {result.loss:.3f}"
        speed = self._speed(result.epoch, result.examples_per_second)
        parts = [f"epoch {result.epoch}/{self._epochs}", score, speed]
        done = self._num_before(result.epoch) + result.num_examples
        of_epoch = f"{result.num_examples}/{self._num_of(result.epoch)} {self._unit(result.epoch)}"
        if not self._has_begun:  # the epochs of an earlier run do not count for the speed
            self._has_begun = True
            self.progress.reset(self._task)
        self.show([*parts, of_epoch], separator="  ", completed=done)
        left = self._num_before(self._epochs + 1) - done
        left_seconds = left / max(1e-9, result.examples_per_second)
        self.line(f"{'  '.join(parts)}  {of_epoch}, {left_seconds:.0f} s left")

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
        width = self.console.width if self.console.is_terminal else sys.maxsize
        self.console.print(wrap_parts(parts, width), markup=False)

    def _num_before(self, epoch: int) -> int:
        """The number of examples in all epochs before this one."""
        num_first = min(epoch - 1, self._first_epochs)
        return num_first * self._num_pairs + (epoch - 1 - num_first) * self._num_gifs

    def _num_of(self, epoch: int) -> int:
        return self._num_before(epoch + 1) - self._num_before(epoch)

    def _unit(self, epoch: int) -> str:
        return "pairs" if epoch <= self._first_epochs else "GIFs"

    def _speed(self, epoch: int, rate: float) -> str:
        return f"{rate:.{0 if rate >= 1 else 1}f} {self._unit(epoch)}/s"


class DescribingProgress(LiveProgress):
    """Shows the GIFs done, and how many of them failed or were done before."""

    def __init__(self, console: Console, num_gifs: int, summary: DescribingSummary) -> None:
        super().__init__(console, num_gifs)
        self._num_gifs = num_gifs
        self._summary = summary
        self.show(["describing"])

    def advance(self) -> None:
        """Show the summary, to which a GIF was added."""
        parts = [
            f"{self._summary.num_done}/{self._num_gifs} GIFs",
            f"{self._summary.counts['failed']} failed",
            f"{self._summary.counts['skipped']} done before",
        ]
        self.show(parts, completed=self._summary.num_done)
        self.line(", ".join(parts))


class FetchProgress(LiveProgress):
    """Shows the URLs done, and how many of them failed or were done before."""

    def __init__(self, console: Console, num_urls: int, summary: FetchSummary) -> None:
        super().__init__(console, num_urls)
        self._num_urls = num_urls
        self._summary = summary
        self.show(["fetching"])

    def advance(self) -> None:
        """Show the summary, to which a URL was added."""
        counts = self._summary.counts
        parts = [
            f"{self._summary.num_done}/{self._num_urls} URLs",
            f"{counts['failed'] + counts['refused']} failed",
            f"{counts['skipped']} done before",
            f"{self._summary.num_bytes / 1e6:.1f} MB",
        ]
        self.show(parts, completed=self._summary.num_done)
        self.line(", ".join(parts))


class CheckProgress(LiveProgress):
    """Shows the GIFs checked and the findings.

    Attributes:
        num_gifs: GIFs checked so far.
        num_descriptions: descriptions with text checked so far.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console, has_bar=False)
        self.show(["checking"])
        self.num_gifs = self.num_descriptions = 0
        self._num_findings = 0

    def advance(self, inspection: Inspection) -> None:
        """Count an inspected input."""
        self.num_gifs += inspection.is_gif
        self.num_descriptions += inspection.num_descriptions
        self._num_findings += len(inspection.findings)
        parts = [f"{self.num_gifs} GIFs checked", f"findings: {self._num_findings}"]
        self.show(parts)
        self.line(", ".join(parts))


class PageProgress(LiveProgress):
    """Shows the GIFs whose frames are read for a page."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.show(["reading frames for the page"])

    def advance(self, num_done: int, num_gifs: int) -> None:
        """Show how many GIFs are done."""
        parts = [f"{num_done}/{num_gifs} GIFs", "reading frames for the page"]
        self.show(parts, completed=num_done, total=num_gifs)
        self.line(", ".join(parts))
