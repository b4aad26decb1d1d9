"""What is shown while a command works."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from gifdesc.cli import progress as progress_module
from gifdesc.cli.progress import ExtractionProgress, TrainingProgress
from gifdesc.config import TrainingConfig
from gifdesc.extraction import ExtractionEvent
from gifdesc.features import ManifestEntry
from gifdesc.training_results import EpochResult, StepResult


class Count:
    """A count that is not known before it is set."""

    total: int | None = None


@pytest.fixture
def lines(monkeypatch) -> io.StringIO:
    """What is printed, with nothing left out for coming too soon."""
    monkeypatch.setattr(progress_module, "_LINE_INTERVAL_SECONDS", 0.0)
    return io.StringIO()


def test_without_a_terminal_lines_say_how_far_extraction_is(lines):
    count = Count()
    entries = [
        ManifestEntry(source="a", status="ok", sampled_frames=(0, 1)),
        ManifestEntry(source="b", status="failed", error="not a GIF"),
        ManifestEntry(source="c", status="ok", sampled_frames=(0,)),
    ]
    with ExtractionProgress(Console(file=lines, width=200), count) as progress:
        progress.advance(ExtractionEvent(entries[0], Path("a")))
        count.total = 3
        progress.advance(ExtractionEvent(entries[1], Path("b")))
        progress.advance(ExtractionEvent(entries[2], Path("c"), skipped=True))
    first, second, third = lines.getvalue().splitlines()
    assert first.startswith("1 done, 0 failed, 0 done before, ")
    assert second.startswith("2/3 GIFs, 1 failed, 0 done before, ")
    assert third.startswith("3/3 GIFs, 1 failed, 1 done before, ")
    assert third.endswith(" frames/s, 0 s left")


def epoch_result(epoch, **changes):
    numbers = {
        "phase": "cross_entropy",
        "train_loss": 2.0,
        "train_reward": None,
        "val_loss": None,
        "val_token_accuracy": None,
        "val_cider": None,
        "learning_rate": 0.001,
        "seconds": 2.0,
        "examples_per_second": 8.0,
        "is_best": True,
    }
    return EpochResult(epoch=epoch, **{**numbers, **changes})


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


def test_without_a_terminal_lines_say_how_far_training_is(lines):
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


def test_lines_come_now_and_then_but_every_epoch_has_one():
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


def test_what_was_done_before_a_resumption_does_not_count_as_fast(monkeypatch):
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
