"""A training run under way: its phases and epochs, what it writes, when it stops."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from gifdesc.checkpoint import WEIGHTS_NAME, load_weights
from gifdesc.confidence import confidence_threshold
from gifdesc.config import TrainingConfig
from gifdesc.dataset import GIFDataset
from gifdesc.distributed import World
from gifdesc.errors import GifdescError
from gifdesc.fitting import EpochLoop, EpochSums, not_finite
from gifdesc.interruption import Interrupted, StopRequest
from gifdesc.model import CaptionModel
from gifdesc.optimisation import make_optimizer
from gifdesc.phases import Phase, SelfCriticalPhase
from gifdesc.resuming import LAST_NAME
from gifdesc.tokenizer import CaptionTokenizer
from gifdesc.trainer import Trainer
from gifdesc.training_data import TrainingData
from gifdesc.training_files import TrainingFiles
from gifdesc.training_record import TrainingRecord
from gifdesc.training_results import (
    EpochResult,
    StepResult,
    is_better,
    num_epochs_since_best,
)
from gifdesc.training_state import STATE_NAME, Progress, load_state
from gifdesc.validation import INTERIM_GIFS, Validator

_SAVE_SECONDS = 600.0
"""An epoch that takes long is saved this often: what a crash can cost."""

_VOTE_STEPS = 20
"""Several processes ask each other this often whether one was told to stop."""


class TrainingRun:
    """What the epochs of a run share.

    Args:
        data: what is learnt from.
        model_dir: the model folder.
        model: in training mode, on `device`; its weights are set where the run goes on.
        tokenizer: the model's.
        config: the run.
        device: where to compute.
        world: the processes that train together.
        start: where the run begins or goes on.

    Attributes:
        history: a row per finished epoch.
        num_cut: captions that were longer than the limit.
    """

    def __init__(
        self,
        data: TrainingData,
        model_dir: Path,
        model: CaptionModel,
        tokenizer: CaptionTokenizer,
        config: TrainingConfig,
        device: torch.device,
        world: World,
        start: Progress,
    ) -> None:
        self._data = data
        self._model_dir = model_dir
        self._model = model
        self._tokenizer = tokenizer
        self._config = config
        self._device = device
        self._world = world
        self._start = start
        self.history: list[dict[str, Any]] = list(start.history)
        dataset = GIFDataset(
            data.splits["train"],
            tokenizer,
            max_tokens=config.max_tokens,
            feature_size=data.feature_size,
            store=data.store,
        )
        self.num_cut = dataset.num_cut
        captions = dataset.caption_statistics()
        self._limit = captions.limit
        self._files = TrainingFiles(
            model_dir,
            tokenizer,
            data.recipe,
            config,
            captions,
            TrainingRecord.of(data.splits),
            resumed=bool(start.history),
        )
        self._phase = Phase(dataset, config, world, tokenizer)
        self._validator = None
        if data.splits["val"]:
            self._validator = Validator(
                data.splits["val"], tokenizer, config, data.store, device, world, captions
            )
        self._optimizer = make_optimizer(model, config)
        if start.has_begun:
            load_state(model_dir / LAST_NAME / STATE_NAME, model, self._optimizer)
        self._trainer = self._make_trainer(start.scaler)
        self._saved_seconds = time.monotonic()
        self._num_shared = 0

    def _make_trainer(self, scaler: Mapping[str, float]) -> Trainer:
        return Trainer(
            self._model, self._optimizer, self._config, self._device, self._world, scaler
        )

    def go(
        self,
        stop: StopRequest,
        on_step: Callable[[StepResult], None],
        on_epoch: Callable[[EpochResult], None],
    ) -> None:
        """All epochs that are left."""
        if not self._start.has_begun:
            # Before any other file: a run that is killed at one of them can be resumed, and what is
            # left of a run that is replaced is not taken for this one's.
            self._save_state(self._start.epoch, EpochSums())
        try:
            self._take_epochs(stop, on_step, on_epoch)
        except (Interrupted, GifdescError):  # not whoever interrupts at once
            self._draw()
            raise
        if self._world.is_main and self._validator is not None:
            # Of the whole validation split, for the model that is kept.
            load_weights(self._model_dir / WEIGHTS_NAME, self._model)
            scores = self._validator.caption_scores(self._model)
            self._files.save_threshold(confidence_threshold(scores))
        self._draw()

    def _draw(self) -> None:
        if self._world.is_main and len(self.history) > len(self._start.history):
            self._files.draw(self.history)

    def _take_epochs(
        self,
        stop: StopRequest,
        on_step: Callable[[StepResult], None],
        on_epoch: Callable[[EpochResult], None],
    ) -> None:
        sums = EpochSums(**self._start.sums)
        first_epoch = 1
        for epoch in range(self._start.epoch, self._config.epochs + self._config.scst_epochs + 1):
            is_rewarded = epoch > self._config.epochs
            if not is_rewarded and self._is_exhausted():
                continue
            if is_rewarded and self._phase.name != SelfCriticalPhase.name:
                self._begin_self_critical(epoch)
            if is_rewarded:
                first_epoch = self._config.epochs + 1
            loop = EpochLoop(self._phase, epoch, first_epoch, sums)
            for _ in loop.steps(self._model, self._trainer, self._device, on_step):
                self._stop_if_asked(stop, loop, epoch)
            result = self._finish_epoch(epoch, loop)
            on_epoch(result)
            sums = EpochSums()
            if self._world.any(bool(stop), self._device):
                self._say_stopped(stop, f"epoch {epoch} is done")

    def _begin_self_critical(self, epoch: int) -> None:
        """Reward what the best epoch so far would say; go on where the run has begun with it."""
        data, config = self._data, self._config
        is_begun = self._start.phase == SelfCriticalPhase.name
        self._phase = SelfCriticalPhase(
            data.splits["train"], config, self._world, self._tokenizer, data.store, self._limit
        )
        if not is_begun:
            load_weights(self._model_dir / WEIGHTS_NAME, self._model)
            self._optimizer = make_optimizer(self._model, config)
            self._trainer = self._make_trainer({})
            # From here on the model folder's weights may be rewarded ones, no more to begin with.
            self._save_state(epoch, EpochSums())

    def _is_exhausted(self) -> bool:
        patience = self._config.patience
        return bool(patience) and num_epochs_since_best(self.history) >= patience

    def _finish_epoch(self, epoch: int, loop: EpochLoop) -> EpochResult:
        self._check_weights(epoch)
        val = self._validator(self._model) if self._validator else None
        if val is not None and not math.isfinite(val.loss):
            raise not_finite(f"the validation loss of epoch {epoch} is")
        is_rewarded = self._phase.name == SelfCriticalPhase.name
        nothing = {"val_loss": None, "val_cider": None}
        scores = {"val_loss": val.loss, "val_cider": val.cider} if val else nothing
        result = EpochResult(
            epoch=epoch,
            phase="self_critical" if is_rewarded else "cross_entropy",
            train_loss=None if is_rewarded else loop.sums.mean_loss,
            train_reward=loop.sums.mean_reward if is_rewarded else None,
            val_loss=val.loss if val else None,
            val_token_accuracy=val.token_accuracy if val else None,
            val_cider=val.cider if val else None,
            learning_rate=loop.learning_rate,
            seconds=loop.sums.seconds,
            examples_per_second=loop.sums.num_examples / max(1e-9, loop.sums.seconds),
            is_best=is_better(scores, self.history, self._config.best_by),
        )
        self.history.append(asdict(result))
        if self._world.is_main:
            self._files.save_epoch(self._model, self.history, self._threshold(result))
        self._share_problems()
        self._save_state(epoch + 1, EpochSums())
        return result

    def _threshold(self, result: EpochResult) -> float | None:
        """From which score on the best epoch's captions are to be believed."""
        if self._validator is None or not result.is_best:
            return None
        return confidence_threshold(self._validator.caption_scores(self._model, INTERIM_GIFS))

    def _share_problems(self) -> None:
        """Let every process know of the files that any of them could not use."""
        if self._world.size == 1:
            return
        problems = self._data.problems
        for found in self._world.gather(problems[self._num_shared :], self._device):
            if found not in problems:
                problems.append(found)
        self._num_shared = len(problems)

    def _check_weights(self, epoch: int) -> None:
        """Keep the last good checkpoint where a finite loss had a gradient that was not."""
        if not all(bool(one.isfinite().all()) for one in self._model.parameters()):
            raise not_finite(f"the weights in epoch {epoch} are")

    def _save_state(self, epoch: int, sums: EpochSums) -> None:
        self._saved_seconds = time.monotonic()
        progress = replace(
            self._start,
            epoch=epoch,
            sums=asdict(sums) if sums.num_batches else {},
            history=self.history,
            phase=self._phase.name,
            scaler=self._trainer.scaler,
        )
        if self._world.is_main:
            self._files.save_state(progress, self._model, self._optimizer)

    def _stop_if_asked(self, stop: StopRequest, loop: EpochLoop, epoch: int) -> None:
        """Save and stop where the run was told to; save now and then in any case."""
        is_asked = bool(stop)
        if self._world.size > 1:
            is_time = loop.sums.num_batches % _VOTE_STEPS == 0
            is_asked = is_time and self._world.any(is_asked, self._device)
        if is_asked or time.monotonic() - self._saved_seconds > _SAVE_SECONDS:
            loop.look()
            self._check_weights(epoch)
            self._save_state(epoch, loop.sums)
        if is_asked:
            self._share_problems()
            done = f"{loop.sums.num_batches} of {self._phase.num_batches} steps of epoch {epoch}"
            self._say_stopped(stop, f"{done} are done")

    def _say_stopped(self, stop: StopRequest, done: str) -> None:
        message = f"stopped: {done}; continue with --resume"
        raise Interrupted(message, *([stop.signal_number] if stop.signal_number else []))
