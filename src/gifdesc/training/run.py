"""One training run: it prepares the model and its folder, then runs its phases and epochs."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from gifdesc.config import (
    CORPUS_TOKENIZER,
    ModelConfig,
    TrainingConfig,
    to_json,
)
from gifdesc.data.dataset import GIFDataset, feature_statistics
from gifdesc.data.training_data import TrainingData
from gifdesc.data.training_record import TrainingRecord
from gifdesc.errors import GifdescError, TrainingError
from gifdesc.model.checkpoint import WEIGHTS_NAME, load_weights
from gifdesc.model.confidence import confidence_threshold
from gifdesc.model.network import CaptionModel
from gifdesc.system.device import resolve_device
from gifdesc.system.files import writing
from gifdesc.system.locking import HeldFolder, locked
from gifdesc.system.signals import Interrupted, StopRequest, holding_signals
from gifdesc.system.tensor_files import all_finite
from gifdesc.system.waits import wait_for
from gifdesc.text.tokenizer import CaptionTokenizer
from gifdesc.training.distributed import World
from gifdesc.training.epochs import EpochLoop, not_finite
from gifdesc.training.folder import (
    LAST_NAME,
    STATE_NAME,
    Progress,
    TrainingFiles,
    check_shapes,
    load_state,
)
from gifdesc.training.phases import CrossEntropyPhase, Phase, SelfCriticalPhase
from gifdesc.training.results import (
    EpochResult,
    EpochSums,
    StepResult,
    TrainingSummary,
    is_better,
)
from gifdesc.training.resume import (
    check_folder,
    check_same_run,
    data_digest,
    gifs_digest,
    stored_configs,
)
from gifdesc.training.size import fit_to_data, num_captioned
from gifdesc.training.step import Trainer, make_optimizer
from gifdesc.training.validation import Validator

_SAVE_SECONDS = 600.0
"""A long epoch is saved this often, so that a crash costs no more."""

_VOTE_STEPS = 20
"""Several processes ask each other this often whether a stop was requested."""


class TrainingRun:
    """The phases and epochs of a run.

    Args:
        data: the training data.
        model_dir: the model folder.
        model: in training mode, on `device`; its weights are set if the run is resumed.
        tokenizer: the model's.
        config: the run.
        device: where to compute.
        world: the processes that train together.
        start: the progress that the run starts from.

    Attributes:
        history: the finished epochs.
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
        held: HeldFolder | None = None,
    ) -> None:
        self._data = data
        self._model_dir = model_dir
        self._model = model
        self._tokenizer = tokenizer
        self._config = config
        self._device = device
        self._world = world
        self._start = start
        self.history = list(start.history)
        dataset = GIFDataset(
            data.splits["train"],
            tokenizer,
            max_tokens=config.max_tokens,
            feature_size=data.feature_size,
            store=data.store,
        )
        self.num_cut = dataset.num_cut
        if model.repetition is not None and not start.has_begun:
            model.repetition.start_from(*dataset.repetitions(tokenizer.vocab_size))
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
            held=held,
        )
        self._phase: Phase = CrossEntropyPhase(dataset, config, world, tokenizer)
        self._validator = None
        if data.splits["val"]:
            self._validator = Validator(
                data.splits["val"],
                tokenizer,
                config,
                data.store,
                device,
                world,
                captions,
                num_captioned(data.num_pairs),
            )
        self._optimizer = make_optimizer(model, config)
        if start.has_begun:
            load_state(model_dir / LAST_NAME / STATE_NAME, model, self._optimizer)
        self._trainer = self._make_trainer(start.scaler)
        self._saved_seconds = time.monotonic()
        self._unshared: list[str] = []
        data.problems.report_to(self._unshared.append)

    def _make_trainer(self, scaler: Mapping[str, float]) -> Trainer:
        return Trainer(
            self._model, self._optimizer, self._config, self._device, self._world, scaler
        )

    def run(
        self,
        on_step: Callable[[StepResult], None],
        on_epoch: Callable[[EpochResult], None],
    ) -> None:
        """Run all epochs that are left.

        Raises:
            Interrupted: a stop was requested; the progress is saved.
        """
        if not self._start.has_begun:
            # Before any other file: a run that is killed later can be resumed, and files of a run
            # that is replaced are not taken for files of this run.
            self._save_state(self._start.epoch, EpochSums())
        try:
            with holding_signals() as stop:
                self._run_phases(stop, on_step, on_epoch)
        except (Interrupted, GifdescError):  # not StoppedAtOnce
            self._draw()
            raise
        self._draw()
        try:
            self._complete()
        except KeyboardInterrupt as interrupt:
            message = (
                "stopped: all epochs are done; complete the model with the same command and "
                "--resume"
            )
            number = getattr(interrupt, "signal_number", signal.SIGINT)
            raise Interrupted(message, number) from None

    def _complete(self) -> None:
        """Compute the confidence threshold of the model that is kept."""
        if self._world.is_main and self._validator is not None:
            # Of the whole validation split, for the model that is kept.
            load_weights(self._model_dir / WEIGHTS_NAME, self._model)
            scores = self._validator.caption_scores(self._model)
            self._files.save_threshold(confidence_threshold(scores))

    def _draw(self) -> None:
        if self._world.is_main and len(self.history) > len(self._start.history):
            self._files.draw(self.history)

    def _run_phases(
        self,
        stop: StopRequest,
        on_step: Callable[[StepResult], None],
        on_epoch: Callable[[EpochResult], None],
    ) -> None:
        num_epochs, num_rewarded = self._config.epochs, self._config.scst_epochs
        sums = replace(self._start.sums)  # the loop adds to it
        for epochs, begin in (
            (range(1, num_epochs + 1), None),
            (range(num_epochs + 1, num_epochs + num_rewarded + 1), self._begin_self_critical),
        ):
            left = range(max(epochs.start, self._start.epoch), epochs.stop)
            if left and begin is not None:
                begin(left[0])
            for epoch in left:
                if self._phase.is_exhausted(self.history):
                    break
                loop = EpochLoop(self._phase, epoch, epochs.start, sums)
                for _ in loop.steps(self._model, self._trainer, self._device, on_step):
                    self._stop_if_asked(stop, loop, epoch)
                on_epoch(self._finish_epoch(epoch, loop))
                sums = EpochSums()
                if self._world.any(bool(stop), self._device):
                    self._raise_stopped(stop, f"epoch {epoch} is done")

    def _begin_self_critical(self, epoch: int) -> None:
        """Begin with the best epoch so far, unless the run has begun the phase before."""
        data, config = self._data, self._config
        self._phase = SelfCriticalPhase(
            data.splits["train"], config, self._world, self._tokenizer, data.store, self._limit
        )
        if self._start.phase != self._phase.name:
            load_weights(self._model_dir / WEIGHTS_NAME, self._model)
            self._optimizer = make_optimizer(self._model, config)
            self._trainer = self._make_trainer({})
            # From here on the model folder may hold rewarded weights: the phase cannot begin twice.
            self._save_state(epoch, EpochSums())

    def _finish_epoch(self, epoch: int, loop: EpochLoop) -> EpochResult:
        self._check_weights(epoch)
        val = self._validator(self._model) if self._validator else None
        if val is not None and not math.isfinite(val.loss):
            raise not_finite(f"the validation loss of epoch {epoch} is")
        loss, cider = (val.loss, val.cider) if val else (None, None)
        is_best = is_better(loss, cider, self.history, self._config.best_by)
        result = loop.result(val, is_best=is_best)
        self.history.append(result)
        if self._world.is_main:
            self._files.save_epoch(self._model, self.history, self._threshold(result))
        self._share_problems()
        self._save_state(epoch + 1, EpochSums())
        return result

    def _threshold(self, result: EpochResult) -> float | None:
        """The confidence threshold of the best epoch; None for other epochs.

        In case the run is stopped here, it comes from the greedy captions, which are there already;
        the search that `caption` uses takes three times as long and follows at the end of the run.
        """
        if self._validator is None or not result.is_best:
            return None
        return confidence_threshold(self._validator.greedy_scores)

    def _share_problems(self) -> None:
        """Give every process the problems that any of them has found."""
        if self._world.size == 1:
            return
        for problem in self._world.gather(self._unshared, self._device):
            self._data.problems.add(problem)
        self._unshared.clear()  # the problems of the other processes too: those have them

    def _check_weights(self, epoch: int) -> None:
        """Keep the last good checkpoint where a finite loss had a gradient that was not."""
        if not all(map(all_finite, self._model.parameters())):
            raise not_finite(f"the weights in epoch {epoch} are")

    def _save_state(self, epoch: int, sums: EpochSums) -> None:
        self._saved_seconds = time.monotonic()
        progress = replace(
            self._start,
            epoch=epoch,
            sums=sums,
            history=self.history,
            phase=self._phase.name,
            scaler=self._trainer.scaler,
        )
        if self._world.is_main:
            self._files.save_state(progress, self._model, self._optimizer)

    def _stop_if_asked(self, stop: StopRequest, loop: EpochLoop, epoch: int) -> None:
        """Save and stop if a stop was requested; save now and then in any case."""
        is_asked = bool(stop)
        if self._world.size > 1:
            is_time = loop.sums.num_batches % _VOTE_STEPS == 0
            is_asked = is_time and self._world.any(is_asked, self._device)
        if is_asked or time.monotonic() - self._saved_seconds > _SAVE_SECONDS:
            loop.collect_losses()
            self._check_weights(epoch)
            self._save_state(epoch, loop.sums)
        if is_asked:
            self._share_problems()
            done = f"{loop.sums.num_batches} of {self._phase.num_batches} steps of epoch {epoch}"
            self._raise_stopped(stop, f"{done} are done")

    def _raise_stopped(self, stop: StopRequest, done: str) -> None:
        message = f"stopped: {done}; continue with the same command and --resume"
        raise Interrupted(message, *([stop.signal_number] if stop.signal_number else []))


def train(
    data: TrainingData,
    model_dir: Path | str,
    model_config: ModelConfig | None = None,
    config: TrainingConfig | None = None,
    device: str | torch.device = "auto",
    *,
    world: World | None = None,
    force: bool = False,
    resume: bool = False,
    on_tokenizer: Callable[[CaptionTokenizer], None] = lambda _: None,
    on_step: Callable[[StepResult], None] = lambda _: None,
    on_epoch: Callable[[EpochResult], None] = lambda _: None,
) -> TrainingSummary:
    """Train a captioner; after every epoch the model folder is whole.

    The folder keeps the best epoch by validation score (the latest epoch without a validation
    split); `last/` keeps the latest epoch and the state for a resumed run. SIGINT and SIGTERM end
    the current step and save.

    Args:
        data: from `prepare_data`.
        model_dir: the model folder to write.
        model_config: the model; its feature and vocabulary sizes are taken from the data. None for
            the default, `PRESETS["attention"]`, or the model of the run that is resumed.
        config: the run, None for the default or the run that is resumed;
            `training.size.fit_to_data` chooses what it leaves to the data.
        device: where to compute; see `device.resolve_device`.
        world: the processes that train together; None for a single process.
        force: replace a model that the folder holds.
        resume: continue the run that the folder holds, with the same results as if it had never
            stopped; without a run in the folder, begin.
        on_tokenizer: called once, with the tokenizer, before the first step.
        on_step: called after every optimizer step.
        on_epoch: called after every epoch, when its files are written.

    Raises:
        TrainingError: the folder holds a model already, or a run with other settings, or another
            run is writing to it, or it cannot be written, or the loss is not finite.
        UsageError: the tokenizer cannot be loaded.
        Interrupted: a stop was requested; the progress is saved.
    """
    model_dir, device = Path(model_dir), resolve_device(device)
    stored = check_folder(model_dir, force=force, resume=resume)
    own = None if stored is None else stored_configs(model_dir)
    default_model, default_run = own or (ModelConfig(), TrainingConfig())
    model_config, config = model_config or default_model, config or default_run
    config = fit_to_data(
        replace(config, splits_sha256=data.splits_sha256),
        num_pairs=data.num_pairs,
        num_val_gifs=len(data.splits["val"]),
        known=None if stored is None else stored.training,
    )
    with wait_for("making the vocabulary"):
        tokenizer = make_tokenizer(data, config)
    on_tokenizer(tokenizer)
    model_config = replace(
        model_config, feature_size=data.feature_size, vocab_size=tokenizer.vocab_size
    )
    start = Progress(
        model=to_json(model_config),
        training=to_json(config),
        data_sha256=data_digest(data),
        gifs_sha256=gifs_digest(data),
    )
    world = world or World()
    with _locked_for_training(model_dir, world) as held, _seeded(config.seed, device):
        # Checked again: another run may have written here before this run locked the folder.
        progress = check_folder(model_dir, force=force, resume=resume)
        if progress is not None:
            check_same_run(progress, start)
            start = replace(progress, model=start.model, training=start.training)
            check_shapes(model_dir / LAST_NAME / STATE_NAME, model_config)
        model = CaptionModel(model_config)
        if model_config.standardise and not start.has_begun:
            statistics = feature_statistics(data.splits["train"], data.feature_size, data.store)
            model.set_feature_statistics(*statistics)
        model.to(device).train()
        run = TrainingRun(data, model_dir, model, tokenizer, config, device, world, start, held)
        run.run(on_step, on_epoch)
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    return TrainingSummary(model_dir, run.history, data, num_parameters, run.num_cut, config)


def make_tokenizer(data: TrainingData, config: TrainingConfig) -> CaptionTokenizer:
    """The run's tokenizer: built from the training captions, or loaded.

    Raises:
        UsageError, CheckpointError: it cannot be loaded.
    """
    if config.tokenizer != CORPUS_TOKENIZER:
        return CaptionTokenizer.load(config.tokenizer)
    return CaptionTokenizer.train(
        (caption for example in data.splits["train"] for caption in example.captions),
        case=config.case,
        spelling=config.spelling,
    )


@contextmanager
def _locked_for_training(model_dir: Path, world: World) -> Iterator[HeldFolder | None]:
    """Lock a model folder: one run at a time writes to it; the main process alone locks it."""
    if not world.is_main:
        yield None
        return
    refusal = TrainingError(
        f"{model_dir}: another gifdesc train is writing here; wait for it, or choose another "
        "folder with --model"
    )
    with ExitStack() as stack:
        with writing(model_dir, TrainingError):
            held = stack.enter_context(locked(model_dir / LAST_NAME, refusal))
        yield held


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the random numbers of the block; the caller's generators stay as they are."""
    # Only the device that computes: the state of another GPU would take memory there.
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
