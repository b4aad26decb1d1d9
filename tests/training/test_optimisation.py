"""The learning rate's course by hand, and which weights decay."""

import math

import pytest
import torch

from gifdesc.config import TrainingConfig
from gifdesc.training.step import learning_rate_at, make_optimizer, set_learning_rate
from worlds import tiny_model


def course(num_steps, **changes):
    config = TrainingConfig(learning_rate=1.0, **changes)
    return [learning_rate_at(step, num_steps, config) for step in range(num_steps)]


def test_a_constant_rate_stays():
    assert course(4, schedule="constant", warmup_fraction=0.0) == [1.0] * 4


def test_the_warm_up_rises_in_a_straight_line_to_the_whole_rate():
    rates = course(8, schedule="constant", warmup_fraction=0.5)
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_the_cosine_by_hand():
    # Step k of 4: (1 + cos(pi k / 4)) / 2.
    root = math.sqrt(2) / 2
    wanted = [1, (1 + root) / 2, 1 / 2, (1 - root) / 2]
    assert course(4, schedule="cosine", warmup_fraction=0.0) == pytest.approx(wanted)


def test_the_cosine_begins_where_the_warm_up_ends():
    rates = course(6, schedule="cosine", warmup_fraction=1 / 3)
    root = math.sqrt(2) / 2
    assert rates == pytest.approx([1 / 2, 1, 1, (1 + root) / 2, 1 / 2, (1 - root) / 2])


def test_beyond_the_last_step_a_cosine_stays_at_nothing():
    config = TrainingConfig(learning_rate=1.0, schedule="cosine", warmup_fraction=0.0)
    assert learning_rate_at(4, 4, config) == learning_rate_at(9, 4, config) == 0.0


def test_a_run_of_a_single_step_has_the_whole_rate():
    for schedule in ("constant", "cosine"):
        for warmup_fraction in (0.0, 0.9):
            rates = course(1, schedule=schedule, warmup_fraction=warmup_fraction)
            assert rates == [1.0]


def test_only_matrices_decay():
    model = tiny_model()
    optimizer = make_optimizer(model, TrainingConfig(optimizer="adamw", weight_decay=0.25))
    assert isinstance(optimizer, torch.optim.AdamW)
    decay_of = {
        id(parameter): group["weight_decay"]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    parameters = dict(model.named_parameters())
    assert len(decay_of) == len(parameters)
    for name, parameter in parameters.items():
        is_matrix = "weight" in name
        assert decay_of[id(parameter)] == (0.25 if is_matrix else 0.0)


def test_adam_decays_nothing():
    optimizer = make_optimizer(tiny_model(), TrainingConfig(optimizer="adam", weight_decay=0.0))
    assert type(optimizer) is torch.optim.Adam
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0]


def test_a_step_of_adamw_worked_by_hand():
    layer = torch.nn.Linear(1, 1)
    with torch.no_grad():
        layer.weight.fill_(2.0)
        layer.bias.fill_(2.0)
    config = TrainingConfig(learning_rate=0.5, weight_decay=0.1, optimizer="adamw")
    optimizer = make_optimizer(layer, config)
    set_learning_rate(optimizer, 0.01)
    for parameter in layer.parameters():
        parameter.grad = torch.full_like(parameter, 3.0)
    optimizer.step()
    # Adam's first step is the learning rate itself; before it a matrix shrinks by rate * decay.
    assert layer.weight.item() == pytest.approx(2 * (1 - 0.01 * 0.1) - 0.01)
    assert layer.bias.item() == pytest.approx(2 - 0.01)


def test_every_group_gets_the_learning_rate():
    optimizer = make_optimizer(tiny_model(), TrainingConfig(optimizer="adamw"))
    set_learning_rate(optimizer, 0.125)
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.125]
