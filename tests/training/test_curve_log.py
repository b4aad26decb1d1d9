"""TensorBoard's event files hold the history."""

import sys
from dataclasses import asdict

import pytest

from gifdesc.errors import UsageError
from gifdesc.training.results import CurveLog, EpochResult

FIRST = EpochResult(
    epoch=1,
    phase="cross_entropy",
    train_loss=2.5,
    train_reward=None,
    val_loss=3.0,
    val_token_accuracy=0.25,
    val_cider=0.75,
    learning_rate=0.001,
    seconds=4.0,
    examples_per_second=16.0,
    is_best=True,
)


def curves_in(folder):
    """Name -> [(epoch, value), ...] of the event files in a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def test_every_number_becomes_a_curve(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    second = {**asdict(FIRST), "epoch": 2, "train_loss": None, "train_reward": 1.5}
    with CurveLog(tmp_path / "runs") as curves:
        curves.epoch(FIRST)
        curves.epoch(EpochResult(**second))
    found = curves_in(tmp_path / "runs")
    assert set(found) == set(asdict(FIRST)) - {"epoch", "phase", "is_best"}
    assert found["train_loss"] == [(1, 2.5)]
    assert found["train_reward"] == [(2, 1.5)]
    assert found["val_cider"] == [(1, 0.75), (2, 0.75)]


def test_an_epoch_can_be_seen_as_soon_as_it_is_over(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    with CurveLog(tmp_path) as curves:
        curves.epoch(FIRST)
        assert curves_in(tmp_path)["val_loss"] == [(1, 3.0)]


def test_without_tensorboard_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"--tensorboard: .*pip install 'gifdesc\[tensorboard\]'"):
        CurveLog(tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
