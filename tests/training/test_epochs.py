"""The steps and the result of an epoch, from any of its batches on."""

import math
from itertools import islice

import pytest
import torch

from gifdesc.errors import TrainingError
from gifdesc.training.epochs import EpochLoop, not_finite
from gifdesc.training.results import EpochSums, PhaseScore
from gifdesc.training.validation import Validation
from worlds import CPU


class Fed:
    """A phase and a trainer at once: four batches whose sums are given."""

    name = "cross_entropy"
    num_batches = 4
    SUMS = ((6.0, 2.0), (8.0, 4.0), (3.0, 3.0), (1.0, 1.0))
    PLAN = ([0, 1], [2, 3], [4, 5], [6])

    def __init__(self, sums=SUMS):
        self.sums = sums
        self.rates = []
        self.batches_asked = []

    def plan(self, _epoch):
        return list(self.PLAN)

    def batches(self, plan):
        self.batches_asked += plan
        return iter(plan)

    def learning_rate(self, step):
        return 0.1 * step

    def score(self, mean):
        return PhaseScore(loss=mean)

    def loss(self, *_, **__):
        raise AssertionError("the trainer's affair")

    def step(self, batch, _loss_of, learning_rate):
        self.rates.append(learning_rate)
        return torch.tensor(self.sums[self.PLAN.index(batch)], dtype=torch.float64)


def go(fed, sums=None, *, epoch=1, first_epoch=1):
    told = []
    loop = EpochLoop(fed, epoch, first_epoch, sums or EpochSums())
    steps = [loop.sums.num_batches for _ in loop.steps(None, fed, CPU, told.append)]
    return loop, told, steps


def test_an_epoch_takes_its_steps_and_sums_them_up():
    fed = Fed()
    loop, told, steps = go(fed)
    assert steps == [1, 2, 3, 4]
    assert (loop.sums.total, loop.sums.count) == (18, 10)
    assert (loop.sums.num_batches, loop.sums.num_examples) == (4, 7)
    assert loop.sums.mean == 1.8
    assert [one.num_examples for one in told] == [2, 4, 6, 7]
    assert [one.loss for one in told] == [3, 2, 1, 1]
    assert all(one.examples_per_second > 0 for one in told)


@pytest.mark.parametrize("num_done", range(5))
def test_an_epoch_is_resumed_from_any_batch(num_done):
    whole, _, _ = go(Fed())
    stopped = Fed()
    loop = EpochLoop(stopped, 1, 1, EpochSums())
    list(islice(loop.steps(None, stopped, CPU, lambda _: None), num_done))
    fed = Fed()
    resumed, told, steps = go(fed, loop.sums)
    assert steps == list(range(num_done + 1, 5))
    assert fed.batches_asked == list(Fed.PLAN[num_done:])
    assert len(told) == 4 - num_done
    for name in ("num_batches", "num_examples", "total", "count"):
        assert getattr(resumed.sums, name) == getattr(whole.sums, name)
    rates = [loop.result(None, is_best=True).learning_rate for loop in (resumed, whole)]
    assert rates[0] == rates[1]


def test_steps_are_counted_from_the_beginning_of_the_phase():
    fed = Fed()
    loop, _, _ = go(fed, epoch=7, first_epoch=5)
    assert fed.rates == pytest.approx([0.8, 0.9, 1.0, 1.1])
    assert loop.result(None, is_best=True).learning_rate == fed.rates[-1]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_named_by_its_step(bad):
    sums = (*Fed.SUMS[:2], (bad, 3.0), Fed.SUMS[3])
    fed = Fed(sums)
    told = []
    loop = EpochLoop(fed, 2, 1, EpochSums())
    with pytest.raises(TrainingError, match=r"^the loss of step 7 \(epoch 2\) is not finite; "):
        for _ in loop.steps(None, fed, CPU, told.append):
            pass
    assert len(told) == 2
    assert loop.sums.total == 14


@pytest.mark.parametrize("measured", ["loss", "reward"])
def test_a_finished_epoch_has_the_number_that_its_phase_measures(monkeypatch, measured):
    monkeypatch.setattr(Fed, "score", lambda _self, mean: PhaseScore(**{measured: mean}))
    loop, told, _ = go(Fed(), epoch=3)
    other = {"loss": "reward", "reward": "loss"}[measured]
    assert [getattr(one, measured) for one in told] == [3, 2, 1, 1]
    assert [getattr(one, other) for one in told] == [None] * 4
    result = loop.result(Validation(loss=2.5, token_accuracy=0.5, cider=None), is_best=False)
    assert getattr(result, f"train_{measured}") == 1.8
    assert getattr(result, f"train_{other}") is None
    assert (result.epoch, result.is_best) == (3, False)
    assert (result.val_loss, result.val_token_accuracy, result.val_cider) == (2.5, 0.5, None)
    assert loop.result(None, is_best=True).val_loss is None


def test_the_error_names_the_likely_causes():
    message = str(not_finite("the loss is"))
    for cause in ("--lr", "--precision float32", "features themselves are extreme"):
        assert cause in message


def test_on_a_gpu_losses_are_collected_together(monkeypatch):
    """A device that computes ahead is not waited for after every step."""
    monkeypatch.setattr("torch.cuda.manual_seed", lambda _: None)
    monkeypatch.setattr(Fed, "seed_of_step", lambda _self, step: step, raising=False)
    monkeypatch.setattr("gifdesc.training.epochs._COLLECT_SECONDS", math.inf)
    fed, told, told_after = Fed(), [], []
    loop = EpochLoop(fed, 1, 1, EpochSums())
    for _ in loop.steps(None, fed, torch.device("cuda"), told.append):
        told_after.append(len(told))
    assert told_after == [0, 0, 0, 0]
    assert [one.num_examples for one in told] == [2, 4, 6, 7]
    assert loop.sums.total == 18


def test_an_epoch_without_tokens_has_no_loss():
    assert EpochSums().mean == 0
