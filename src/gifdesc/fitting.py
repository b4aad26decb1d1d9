"""The loop of a training run: epochs of batches, losses that are looked at, times to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from gifdesc.errors import TrainingError
from gifdesc.model import CaptionModel
from gifdesc.phases import Phase, SelfCriticalPhase
from gifdesc.trainer import Trainer
from gifdesc.training_results import StepResult

_LOOK_SECONDS = 0.5
"""A GPU is waited for this often, to see its losses; the CPU after every step."""


@dataclass
class EpochSums:
    """Totals of an epoch so far.

    Attributes:
        num_batches: optimizer steps.
        num_examples: trained on, over all processes.
        loss: summed cross-entropy in nats, or the negated rewards.
        num_correct: tokens predicted right.
        num_tokens: tokens predicted, or captions rewarded.
        seconds: of wall-clock time.
    """

    num_batches: int = 0
    num_examples: int = 0
    loss: float = 0.0
    num_correct: float = 0.0
    num_tokens: float = 0.0
    seconds: float = 0.0

    @property
    def mean_loss(self) -> float:
        """Loss per token."""
        return self.loss / max(1.0, self.num_tokens)

    @property
    def mean_reward(self) -> float:
        """Reward per caption, where `loss` is of rewards."""
        return 0.0 - self.mean_loss  # and not -0.0 where there is none


def not_finite(what: str) -> TrainingError:
    """The error that says so, with the likely causes.

    Args:
        what: the numbers and their verb.
    """
    return TrainingError(
        f"{what} not finite; a lower --lr usually helps, --precision float32 where numbers "
        "overflow, and `gifdesc extract --force` if the features themselves are extreme"
    )


class EpochLoop:
    """One epoch, step by step, from any of its batches on.

    Args:
        phase: what is learnt from.
        epoch: counted from 1.
        first_epoch: of the phase.
        sums: of the batches that are done.
    """

    def __init__(self, phase: Phase, epoch: int, first_epoch: int, sums: EpochSums) -> None:
        self._phase = phase
        self._epoch = epoch
        self._first_step = (epoch - first_epoch) * phase.num_batches
        self.sums = sums
        self._unseen: list[tuple[Tensor, int]] = []
        self._looked_seconds = time.perf_counter()

    def steps(
        self,
        model: CaptionModel,
        trainer: Trainer,
        device: torch.device,
        on_step: Callable[[StepResult], None],
    ) -> Iterator[None]:
        """Take the epoch's steps that are left; yields after each.

        Raises:
            TrainingError: the loss is not finite.
        """
        phase, epoch = self._phase, self._epoch
        plan = phase.plan(epoch)[self.sums.num_batches :]
        start_seconds = time.perf_counter() - self.sums.seconds
        for planned, batch in zip(plan, phase.batches(plan), strict=True):
            step = self._first_step + self.sums.num_batches
            if device.type == "cuda":
                torch.cuda.manual_seed(phase.seed_of_step(step))
            loss_of = partial(phase.loss, model, epoch=epoch, step=step)
            sums = trainer.step(batch, loss_of, phase.learning_rate(step))
            self._unseen.append((sums, len(planned)))
            self.sums.num_batches += 1
            self.sums.seconds = time.perf_counter() - start_seconds
            waited_seconds = time.perf_counter() - self._looked_seconds
            if device.type == "cpu" or waited_seconds > _LOOK_SECONDS:
                self.look(on_step)
            yield
        self.look(on_step)
        self.sums.seconds = time.perf_counter() - start_seconds

    @property
    def learning_rate(self) -> float:
        """Of the step taken last."""
        return self._phase.learning_rate(self._first_step + max(0, self.sums.num_batches - 1))

    def look(self, on_step: Callable[[StepResult], None] = lambda _: None) -> None:
        """Add the steps since the last look to the sums.

        Raises:
            TrainingError: a loss is not finite.
        """
        if not self._unseen:
            return
        rows = torch.stack([sums for sums, _ in self._unseen]).tolist()
        first = self._first_step + self.sums.num_batches - len(rows) + 1
        for offset, (row, (_, num_examples)) in enumerate(zip(rows, self._unseen, strict=True)):
            loss, num_correct, num_tokens = row
            if not math.isfinite(loss):
                raise not_finite(f"the loss of step {first + offset} (epoch {self._epoch}) is")
            self.sums.loss += loss
            self.sums.num_correct += num_correct
            self.sums.num_tokens += num_tokens
            self.sums.num_examples += num_examples
            rate = self.sums.num_examples / max(1e-9, self.sums.seconds)
            mean = loss / max(1.0, num_tokens)
            is_rewarded = self._phase.name == SelfCriticalPhase.name
            on_step(
                StepResult(
                    epoch=self._epoch,
                    num_examples=self.sums.num_examples,
                    loss=None if is_rewarded else mean,
                    reward=0.0 - mean if is_rewarded else None,
                    examples_per_second=rate,
                )
            )
        self._unseen.clear()
        self._looked_seconds = time.perf_counter()
