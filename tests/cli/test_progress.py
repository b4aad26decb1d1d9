"""Progress while a command works."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from gifdesc.captioning.results import DescribingEvent, DescribingSummary
from gifdesc.captions import Caption
from gifdesc.checks.findings import Finding
from gifdesc.checks.gifs import Inspection
from gifdesc.cli import progress as progress_module
from gifdesc.cli.progress import (
    CaptionProgress,
    CheckProgress,
    DescribingProgress,
    ExtractionProgress,
    LiveProgress,
    PageProgress,
    TrainingProgress,
    WaitProgress,
    fit_parts,
    show_wait,
    wrap_parts,
)
from gifdesc.config import TrainingConfig
from gifdesc.data.manifest import ManifestEntry
from gifdesc.features.results import ExtractionEvent, ExtractionSummary
from gifdesc.system.waits import Wait, showing_waits, wait_for
from gifdesc.training.results import StepResult
from worlds import epoch_result


class Count:
    """A count that is not known before it is set."""

    total: int | None = None


@pytest.fixture
def lines(monkeypatch) -> io.StringIO:
    """The printed lines, without a pause between two of them."""
    monkeypatch.setattr(progress_module, "_LINE_INTERVAL_SECONDS", 0.0)
    return io.StringIO()


def test_without_a_terminal_lines_show_the_progress_of_extraction(lines):
    count = Count()
    entries = [
        ManifestEntry(source="a", status="ok", sampled_frames=(0, 1)),
        ManifestEntry(source="b", status="failed", error="not a GIF"),
        ManifestEntry(source="c", status="ok", sampled_frames=(0,)),
    ]
    summary = ExtractionSummary()
    with ExtractionProgress(Console(file=lines, width=200), count, summary) as progress:
        summary.add(ExtractionEvent(entries[0], Path("a"), "a"))
        progress.advance()
        count.total = 3
        summary.add(ExtractionEvent(entries[1], Path("b"), "b"))
        progress.advance()
        summary.add(ExtractionEvent(entries[2], Path("c"), "c", skipped=True))
        progress.advance()
    first, second, third = lines.getvalue().splitlines()
    assert first.startswith("1 done, 0 failed, 0 done before, ")
    assert second.startswith("2/3 GIFs, 1 failed, 0 done before, ")
    assert third.startswith("3/3 GIFs, 1 failed, 1 done before, ")
    assert third.endswith(" frames/s, 0 s left")


def test_without_a_terminal_lines_count_failures_and_skipped_gifs(lines):
    events = [
        DescribingEvent(Path("a.gif"), "a.gif", "a.gif", caption=Caption("a.gif", caption="a dog")),
        DescribingEvent(Path("b.gif"), "b.gif", "b.gif", error="not a GIF"),
        DescribingEvent(Path("c.gif"), "c.gif", "c.gif"),
    ]
    summary = DescribingSummary()
    with DescribingProgress(Console(file=lines, width=200), 3, summary) as progress:
        for event in events:
            summary.add(event)
            progress.advance()
    assert lines.getvalue().splitlines() == [
        "1/3 GIFs, 0 failed, 0 done before",
        "2/3 GIFs, 1 failed, 0 done before",
        "3/3 GIFs, 1 failed, 1 done before",
    ]


def test_without_a_terminal_lines_count_the_gifs(lines):
    with PageProgress(Console(file=lines, width=200)) as progress:
        progress.advance(1, 2)
        progress.advance(2, 2)
    assert lines.getvalue().splitlines() == [
        "1/2 GIFs, reading frames for the page",
        "2/2 GIFs, reading frames for the page",
    ]


def test_without_a_terminal_lines_of_check_are_seconds_apart(monkeypatch, capsys):
    clock = iter([0.0, 5.0, 11.0, 12.0])
    monkeypatch.setattr("gifdesc.cli.progress.time.monotonic", lambda: next(clock, 12.0))
    finding = Finding(path="a", kind="still", detail="one frame")
    with CheckProgress(Console(stderr=True, force_terminal=False)) as progress:
        for findings in ([], [finding], []):
            progress.advance(Inspection(is_gif=True, findings=findings))
    assert progress.num_gifs == 3
    assert capsys.readouterr().err == "2 GIFs checked, findings: 1\n"


TRAINING = TrainingConfig(epochs=2, scst_epochs=1)
NUM_PAIRS, NUM_GIFS = 6, 2


def step_result(epoch, num_examples, rate, *, loss=None, reward=None):
    return StepResult(
        epoch=epoch,
        num_examples=num_examples,
        loss=loss,
        reward=reward,
        examples_per_second=rate,
    )


def training_progress(console):
    return TrainingProgress(console, TRAINING, num_pairs=NUM_PAIRS, num_gifs=NUM_GIFS)


def test_without_a_terminal_lines_show_the_progress_of_training(lines):
    with training_progress(Console(file=lines, width=200)) as progress:
        progress.step(step_result(1, 4, 2.0, loss=3.5))
        progress.epoch(epoch_result(1, val_loss=2.5, val_cider=0.5))
        progress.step(step_result(2, 6, 3.0, loss=1.25))
        progress.epoch(epoch_result(2, val_loss=2.75, val_cider=0.25, is_best=False))
        # Self-critical training takes GIFs, however many captions each has.
        progress.step(step_result(3, 1, 0.5, reward=0.75))
        progress.epoch(epoch_result(3, phase="self_critical", train_loss=None, train_reward=0.75))
    assert lines.getvalue().splitlines() == [
        "epoch 1/3  loss 3.500  2 pairs/s  4/6 pairs, 5 s left",
        "epoch 1/3  train loss 2.0000  val loss 2.5000  val CIDEr 0.5000  8 pairs/s  best",
        "epoch 2/3  loss 1.250  3 pairs/s  6/6 pairs, 1 s left",
        "epoch 2/3  train loss 2.0000  val loss 2.7500  val CIDEr 0.2500  8 pairs/s",
        "epoch 3/3  reward 0.750  0.5 GIFs/s  1/2 GIFs, 2 s left",
        "epoch 3/3  train reward 0.7500  8 GIFs/s",
    ]


def test_lines_are_rare_but_every_epoch_has_one():
    stream = io.StringIO()
    with training_progress(Console(file=stream, width=200)) as progress:
        for num_examples in range(1, 7):
            progress.step(step_result(1, num_examples, 2.0, loss=3.5))
        progress.epoch(epoch_result(1))
    assert stream.getvalue().splitlines() == ["epoch 1/3  train loss 2.0000  8 pairs/s"]


def test_on_a_terminal_the_bar_reaches_its_end_with_the_run():
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    with training_progress(console) as progress:
        [task] = progress.progress.tasks
        assert task.total == 2 * NUM_PAIRS + NUM_GIFS
        for step, done in (
            (step_result(2, 4, 2.0, loss=3.5), 10),
            (step_result(3, 1, 2.0, reward=1.0), 13),
            (step_result(3, 2, 2.0, reward=1.0), 14),
        ):
            progress.step(step)
            assert task.completed == done
    assert "epoch 3/3" in task.description


def test_epochs_of_an_earlier_run_do_not_count_for_the_speed(monkeypatch):
    clock = iter(range(100))
    console = Console(
        file=io.StringIO(), width=200, force_terminal=True, get_time=lambda: float(next(clock))
    )
    monkeypatch.setattr("rich.progress.Progress.start", lambda _: None)
    progress = training_progress(console)
    for num_examples in (1, 2, 3):
        progress.step(step_result(2, num_examples, 1.0, loss=3.5))
    [task] = progress.progress.tasks
    assert task.completed == NUM_PAIRS + 3
    assert task.speed is not None
    assert task.speed <= 1


# Widths of terminals


def test_the_first_parts_are_kept_where_not_all_fit():
    parts = ["12/34 GIFs", "5 failed", "6 done before"]
    assert fit_parts(parts, 80) == "12/34 GIFs, 5 failed, 6 done before"
    assert fit_parts(parts, 34) == "12/34 GIFs, 5 failed"
    assert fit_parts(parts, 35) == "12/34 GIFs, 5 failed, 6 done before"
    assert fit_parts(parts, 5) == "12/34 GIFs"


def test_lines_break_between_parts_only():
    parts = ["epoch 1/2", "train loss 2.0000", "val loss 2.5000", "best"]
    assert wrap_parts(parts, 100) == "epoch 1/2  train loss 2.0000  val loss 2.5000  best"
    assert wrap_parts(parts, 28).splitlines() == [
        "epoch 1/2  train loss 2.0000",
        "  val loss 2.5000  best",
    ]


def terminal(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)


def extracting(console: Console) -> LiveProgress:
    count = Count()
    count.total = 123_456
    counts = Counter(ok=98_765 - 432, failed=432, skipped=1)
    progress = ExtractionProgress(console, count, ExtractionSummary(counts))
    progress.advance()
    return progress


def training(console: Console) -> LiveProgress:
    config = TrainingConfig(epochs=200, scst_epochs=1)
    progress = TrainingProgress(console, config, num_pairs=123_456, num_gifs=9)
    progress.step(step_result(123, 98_765, 1234.5, loss=3.14159))
    return progress


def captioning(console: Console) -> LiveProgress:
    progress = CaptionProgress(console)
    progress.advance(Caption("a.gif", caption="a dog"))
    progress.advance(Caption("b.gif", error="not a GIF"))
    return progress


def describing(console: Console) -> LiveProgress:
    summary = DescribingSummary()
    summary.add(DescribingEvent(Path("b.gif"), "b.gif", "b.gif", error="not a GIF"))
    progress = DescribingProgress(console, 123_456, summary)
    progress.advance()
    return progress


def checking(console: Console) -> LiveProgress:
    progress = CheckProgress(console)
    progress.num_gifs = 123_455
    progress.advance(Inspection(is_gif=True, findings=[]))
    return progress


def paging(console: Console) -> LiveProgress:
    progress = PageProgress(console)
    progress.advance(98_765, 123_456)
    return progress


def downloading(console: Console) -> LiveProgress:
    progress = WaitProgress(console, Wait(text="downloading weights", unit="MB"))
    progress.advance(97, 98)
    return progress


SHOWN = {
    extracting: ("98766/123456 GIFs", "432 failed", "1 done before"),
    training: ("epoch 123/201", "loss 3.142", "1234 pairs/s"),
    captioning: ("1 captioned, 1 failed", "", ""),
    describing: ("1/123456 GIFs", "1 failed", "0 done before"),
    checking: ("123456 GIFs checked", "", "findings: 0"),
    paging: ("98765/123456 GIFs", "", "reading frames for the page"),
    downloading: ("downloading weights", "97/98 MB", ""),
}


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("show", SHOWN)
def test_live_lines_fit_the_terminal_and_keep_the_first_parts(show, width):
    console = terminal(width)
    progress = show(console)
    with console.capture() as capture:
        console.print(progress.progress.get_renderable(), soft_wrap=False)
    [line] = capture.get().splitlines()
    assert len(line) <= width
    assert "…" not in line
    first, second, at_80 = SHOWN[show]
    assert first in line
    assert second in line
    assert width == 40 or at_80 in line


def test_an_epochs_line_breaks_between_numbers_on_a_narrow_terminal():
    console = terminal(40)
    training_progress(console).epoch(epoch_result(1, val_loss=2.5, val_cider=0.5))
    assert console.file.getvalue().splitlines() == [
        "epoch 1/3  train loss 2.0000",
        "  val loss 2.5000  val CIDEr 0.5000",
        "  8 pairs/s  best",
    ]


# Waits


def test_without_a_terminal_only_long_waits_print_a_line():
    stream = io.StringIO()
    console = Console(file=stream, width=80)
    with showing_waits(lambda wait: show_wait(console, wait)):
        with wait_for("starting"):
            assert stream.getvalue() == ""
        with wait_for("loading user/model", is_long=True):
            assert stream.getvalue() == "loading user/model ...\n"
    assert stream.getvalue() == "loading user/model ...\n"


def test_without_a_terminal_a_counted_wait_prints_its_progress(lines):
    console = Console(file=lines, width=80)
    with show_wait(console, Wait(text="downloading x.pth", unit="MB", is_long=True)) as advance:
        advance(30, 98)
        advance(40, None)
    assert lines.getvalue().splitlines() == [
        "downloading x.pth ...",
        "downloading x.pth: 30/98 MB",
        "downloading x.pth: 40 MB",
    ]


def test_on_a_terminal_a_wait_is_shown_until_it_ends():
    console = terminal(80)
    with show_wait(console, Wait(text="loading model", is_long=True)):
        [shown] = LiveProgress._live
        shown.progress.refresh()
    assert LiveProgress._live == []
    written = console.file.getvalue()
    assert "loading model" in written
    assert written.endswith("\x1b[1A\x1b[2K")  # one line up, and erased


def test_a_wait_inside_a_wait_hides_the_outer_one():
    console = terminal(80)
    with show_wait(console, Wait(text="loading")):
        [outer] = LiveProgress._live
        with show_wait(console, Wait(text="downloading", unit="MB")) as advance:
            advance(1, 2)
            assert not outer.progress.live.is_started
            assert LiveProgress._live[-1].progress.live.is_started
        assert outer.progress.live.is_started
    assert not outer.progress.live.is_started


def test_a_wait_with_bars_of_its_own_hides_the_line_around_it():
    console = terminal(80)
    with show_wait(console, Wait(text="loading")):
        [outer] = LiveProgress._live
        with show_wait(console, Wait(text="loading a/b from the hub", has_own_bars=True)):
            assert not any(one.progress.live.is_started for one in LiveProgress._live)
        assert outer.progress.live.is_started
    assert "loading a/b from the hub ...\n" in console.file.getvalue().replace("\r", "")


def test_a_wait_that_fails_leaves_no_line_behind():
    console = terminal(80)
    with pytest.raises(ValueError, match="gone"), show_wait(console, Wait(text="loading")):
        raise ValueError("gone")
    assert LiveProgress._live == []


def test_waits_are_not_shown_without_a_display(capsys):
    with wait_for("loading", is_long=True) as advance:
        advance(1, 2)
    assert capsys.readouterr() == ("", "")
