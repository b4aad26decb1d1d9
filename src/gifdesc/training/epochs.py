"""One epoch of a phase, step by step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from gifdesc.errors import TrainingError
from gifdesc.model.network import CaptionModel
from gifdesc.training.phases import Phase
from gifdesc.training.results import EpochResult, EpochSums, StepResult
from gifdesc.training.step import Trainer
from gifdesc.training.validation import Validation

_COLLECT_SECONDS = 0.5
"""How often the losses of a GPU are collected, which waits for it; on a CPU, after every step."""


def not_finite(what: str) -> TrainingError:
    """The error for numbers that are not finite, with the likely causes.

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
        phase: the loss that the epoch minimises.
        epoch: counted from 1.
        first_epoch: of the phase.
        sums: of the batches that are done.
    """

    def __init__(self, phase: Phase, epoch: int, first_epoch: int, sums: EpochSums) -> None:
        self._phase = phase
        self._epoch = epoch
        self._first_step = (epoch - first_epoch) * phase.num_batches
        self.sums = sums
        self._pending: list[tuple[Tensor, int]] = []
        self._collected_seconds = time.perf_counter()

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
            self._pending.append((sums, len(planned)))
            self.sums.num_batches += 1
            self.sums.seconds = time.perf_counter() - start_seconds
            waited_seconds = time.perf_counter() - self._collected_seconds
            if device.type == "cpu" or waited_seconds > _COLLECT_SECONDS:
                self.collect_losses(on_step)
            yield
        self.collect_losses(on_step)
        self.sums.seconds = time.perf_counter() - start_seconds

    def collect_losses(self, on_step: Callable[[StepResult], None] = lambda _: None) -> None:
        """Add the steps since the last call to the sums.

        Raises:
            TrainingError: a loss is not finite.
        """
        if not self._pending:
            return
        rows = torch.stack([sums for sums, _ in self._pending]).tolist()
        first = self._first_step + self.sums.num_batches - len(rows) + 1
        pairs = zip(rows, self._pending, strict=True)
        for number, ((total, count), (_, num_examples)) in enumerate(pairs, start=first):
            if not math.isfinite(total):
                raise not_finite(f"the loss of step {number} (epoch {self._epoch}) is")
            self.sums.total += total
            self.sums.count += count
            self.sums.num_examples += num_examples
            score = self._phase.score(total / max(1.0, count))
            on_step(
                StepResult(
                    epoch=self._epoch,
                    num_examples=self.sums.num_examples,
                    loss=score.loss,
                    reward=score.reward,
                    examples_per_second=self.sums.examples_per_second,
                )
            )
        self._pending.clear()
        self._collected_seconds = time.perf_counter()

    def result(self, validation: Validation | None, *, is_best: bool) -> EpochResult:
        """The finished epoch.

        Args:
            validation: its scores; None without a validation split.
            is_best: whether it beats all epochs before it.
        """
        score = self._phase.score(self.sums.mean)
        last_step = self._first_step + max(0, self.sums.num_batches - 1)
        return EpochResult(
            epoch=self._epoch,
            phase=self._phase.name,
            train_loss=score.loss,
            train_reward=score.reward,
            val_loss=validation.loss if validation else None,
            val_token_accuracy=validation.token_accuracy if validation else None,
            val_cider=validation.cider if validation else None,
            learning_rate=self._phase.learning_rate(last_step),
            seconds=self.sums.seconds,
            examples_per_second=self.sums.examples_per_second,
            is_best=is_best,
        )
