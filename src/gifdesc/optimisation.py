"""How weights are moved: the optimizer and the course of its learning rate."""

from __future__ import annotations

import math

import torch
from torch import nn

from gifdesc.config import TrainingConfig


def learning_rate_at(step: int, num_steps: int, config: TrainingConfig) -> float:
    """The learning rate of an optimizer step.

    Args:
        step: counted from 0.
        num_steps: of the run.
        config: its learning rate, warm-up and schedule.
    """
    num_warmup = round(config.warmup_fraction * num_steps)
    if step < num_warmup:
        return config.learning_rate * (step + 1) / num_warmup
    if config.schedule == "constant":
        return config.learning_rate
    progress = (step - num_warmup) / max(1, num_steps - num_warmup)
    return config.learning_rate * (1 + math.cos(math.pi * min(1.0, progress))) / 2


def make_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980) or AdamW over a model's parameters.

    Only matrices decay: biases are too few to overfit with.
    """
    parameters = list(model.parameters())
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)
    groups = [
        {
            "params": [p for p in parameters if p.ndim >= 2],
            "weight_decay": config.weight_decay,
        },
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Use this learning rate from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
