"""One optimizer step: losses, gradients, memory that runs short, processes that share a batch.

This module depends neither on epochs nor on files, and of the model it needs only a loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from gifdesc.config import PrecisionChoice, TrainingConfig
from gifdesc.data.dataset import Batch
from gifdesc.errors import TrainingError
from gifdesc.system.device import BatchLimit, exact_float32, has_fast_bfloat16
from gifdesc.training.distributed import World


@dataclass(frozen=True)
class StepLoss:
    """A loss as an optimizer step needs it: scalars on the model's device.

    Attributes:
        objective: the sum to be minimised.
        total: the sum that is reported, such as the cross-entropy or the reward.
        count: terms of both sums, such as tokens or captions.
    """

    objective: Tensor
    total: Tensor
    count: Tensor


LossFunction = Callable[[Batch], StepLoss]


class Trainer:
    """Updates a model's weights, one batch at a time.

    Args:
        model: in training mode, on `device`.
        optimizer: of its parameters.
        config: clipping and precision.
        device: where to compute.
        world: the processes that share every batch.
        scaler: the state of the gradient scale of a resumed run in float16.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: TrainingConfig,
        device: torch.device,
        world: World,
        scaler: Mapping[str, float] | None = None,
    ) -> None:
        self._parameters = list(model.parameters())
        self._optimizer = optimizer
        self._config = config
        self._device = device
        self._world = world
        self._parts = BatchLimit(
            "example",
            "choose a smaller --hidden-size or another --device",
            error_class=TrainingError,
        )
        self._dtype = autocast_dtype(config.precision, device)
        self._scaler = make_scaler(self._dtype, device)
        if scaler and self._scaler.is_enabled():
            self._scaler.load_state_dict(dict(scaler))

    def step(self, batch: Batch, loss_of: LossFunction, learning_rate: float) -> Tensor:
        """Take one step down the gradient of the mean loss.

        If memory runs short, the batch is split and the gradients of its parts are summed: the
        step stays the same.

        Args:
            batch: this process's share of the examples.
            loss_of: the loss.
            learning_rate: of this step.

        Returns:
            `StepLoss.total` and `StepLoss.count` (2,), summed over the examples of all processes,
            on the device.

        Raises:
            TrainingError: memory does not suffice for one example.
        """
        backward, num_examples = partial(self._backward, batch, loss_of), len(batch.tokens)
        while True:
            sums = self._parts.attempt(backward, min(self._parts.size, num_examples))
            if sums is not None:
                break
        self._world.sum_([sums])
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        self._world.sum_(gradients)
        torch._foreach_mul_(gradients, (1.0 / sums[1].clamp(min=1)).float())
        self._scaler.unscale_(self._optimizer)
        if self._config.max_grad_norm:
            nn.utils.clip_grad_norm_(self._parameters, self._config.max_grad_norm)
        set_learning_rate(self._optimizer, learning_rate)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return sums

    @property
    def scaler(self) -> Mapping[str, float]:
        """The state of float16's gradient scale, which a resumed run needs; empty otherwise."""
        return self._scaler.state_dict()

    def _backward(self, batch: Batch, loss_of: LossFunction) -> Tensor:
        for parameter in self._parameters:  # all, so that every process sums the same ones
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            else:  # memory that is there already takes less time
                parameter.grad.zero_()
        # Apple's GPUs have no float64.
        exact = torch.float32 if self._device.type == "mps" else torch.float64
        sums = torch.zeros(2, dtype=exact, device=self._device)
        is_float32 = self._dtype is torch.float32
        size = min(self._parts.size, len(batch.tokens))
        for first in range(0, len(batch.tokens), size):
            part = batch.part(first, first + size).to(self._device)
            with exact_float32(self._device, if_true=is_float32):
                with torch.autocast(self._device.type, self._dtype, enabled=not is_float32):
                    loss = loss_of(part)
                self._scaler.scale(loss.objective).backward()  # type: ignore[no-untyped-call]
            numbers = (loss.total, loss.count)
            sums += torch.stack([number.detach().to(exact) for number in numbers])
        return sums


def make_scaler(dtype: torch.dtype, device: torch.device) -> torch.amp.GradScaler:
    """The scaler of float16 losses, without which small gradients vanish.

    Source: Micikevicius et al. 2018, arXiv:1710.03740, section 3.2.
    """
    is_needed = dtype is torch.float16 and device.type == "cuda"
    return torch.amp.GradScaler(device.type, enabled=is_needed)


def autocast_dtype(precision: PrecisionChoice, device: torch.device) -> torch.dtype:
    """The type of the arithmetic.

    `auto` is bfloat16 on a GPU that supports it, float16 on an older GPU, float32 elsewhere.
    """
    if precision != "auto":
        return {
            "float32": torch.float32,
            "float16": torch.float16,
            "bfloat16": torch.bfloat16,
        }[precision]
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if has_fast_bfloat16(device) else torch.float16


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
