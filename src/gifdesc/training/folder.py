"""The files of a training run in its model folder, and the state that a resumed run needs."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from gifdesc.config import FeatureRecipe, ModelConfig, TrainingConfig, to_json
from gifdesc.data.caption_statistics import CaptionStatistics
from gifdesc.data.training_record import RECORD_NAME, TrainingRecord, read_record, write_record
from gifdesc.errors import CheckpointError, GifdescError, TrainingError
from gifdesc.model.checkpoint import WEIGHTS_NAME, save_checkpoint, save_confidence_threshold
from gifdesc.model.folder import HISTORY_NAME, drop_word_detector
from gifdesc.model.network import CaptionModel
from gifdesc.pages.charts import plot_history
from gifdesc.system.files import write_json_lines, writing
from gifdesc.system.json_files import check_regular, from_json, parse_json
from gifdesc.system.locking import HeldFolder
from gifdesc.system.tensor_files import empty_weights, read_tensors, save_tensors
from gifdesc.text.tokenizer import CaptionTokenizer
from gifdesc.training.results import EpochResult, EpochSums, PhaseName

LAST_NAME = "last"
CURVES_NAME = "training.png"

_DRAW_SECONDS = 30.0
"""The curves are drawn this often, and at the end: half a second each time is 2 % of a run."""

log = logging.getLogger(__name__)


class TrainingFiles:
    """Writes a run's models, history, curves and state.

    Args:
        model_dir: the model folder.
        tokenizer: the model's.
        recipe: of the features; None if it is unknown.
        config: the run.
        captions: statistics of the training captions.
        record: the GIFs that the run is trained on.
        resumed: whether the run is resumed, so that the folder's own record is kept.
        held: the locked folder of the run's state; None in a process that writes nothing.
    """

    def __init__(
        self,
        model_dir: Path,
        tokenizer: CaptionTokenizer,
        recipe: FeatureRecipe | None,
        config: TrainingConfig,
        captions: CaptionStatistics,
        record: TrainingRecord,
        *,
        resumed: bool = False,
        held: HeldFolder | None = None,
    ) -> None:
        self._model_dir = model_dir
        self._tokenizer = tokenizer
        self._recipe = recipe
        self._config = config
        self._captions = captions
        self._record = record
        self._resumed = resumed
        self._held = held
        self._recorded: set[Path] = set()
        self._drawn_seconds = time.monotonic()
        self._num_drawn: int | None = None

    def save_epoch(
        self,
        model: CaptionModel,
        history: Sequence[EpochResult],
        threshold: float | None,
    ) -> None:
        """Write the files of a finished epoch: its model, the history, now and then the curves.

        Args:
            model: as it is after the epoch.
            history: the finished epochs; the last one is the one to write.
            threshold: of the best epoch's captions (model/confidence.py).

        Raises:
            TrainingError: the folder cannot be written, or was removed.
        """
        self._check_folder()
        with writing(self._model_dir, TrainingError):
            self._save_model(self._model_dir / LAST_NAME, model)
            if len(history) == 1:
                # The tokenizer of this run must never be beside the weights of another.
                (self._model_dir / WEIGHTS_NAME).unlink(missing_ok=True)
            if history[-1].is_best:
                self._save_model(self._model_dir, model, threshold)
            write_json_lines(self._model_dir / HISTORY_NAME, map(to_json, history))
        if time.monotonic() - self._drawn_seconds > _DRAW_SECONDS:
            self.draw(history)

    def save_threshold(self, threshold: float | None) -> None:
        """Write the confidence threshold of the best epoch at the end of the run.

        Raises:
            TrainingError: the folder cannot be written.
        """
        with writing(self._model_dir, TrainingError):
            save_confidence_threshold(self._model_dir, threshold)

    def save_state(
        self, progress: Progress, model: CaptionModel, optimizer: torch.optim.Optimizer
    ) -> None:
        """Write the state that a resumed run needs.

        Raises:
            TrainingError: the folder cannot be written, or was removed.
        """
        self._check_folder()
        with writing(self._model_dir, TrainingError):
            save_state(self._model_dir / LAST_NAME / STATE_NAME, progress, model, optimizer)

    def _check_folder(self) -> None:
        """End a run whose folder was removed, before files create the folder again."""
        if self._held is not None:
            self._held.check()

    def draw(self, history: Sequence[EpochResult]) -> None:
        """Draw the curves, unless they are up to date; a failure is only a warning."""
        is_gone = not self._model_dir.is_dir()  # removed by another program
        if not history or len(history) == self._num_drawn or is_gone:
            return
        path = self._model_dir / CURVES_NAME
        try:
            plot_history([to_json(result) for result in history], path)
        except GifdescError as error:
            log.warning("%s", error)
        # A computer for training may have no library for pictures; matplotlib raises many errors.
        except (ImportError, MemoryError, OSError, RuntimeError, ValueError) as error:
            log.warning("%s: not drawn: %s", path, error)
        self._drawn_seconds = time.monotonic()
        self._num_drawn = len(history)

    def _save_model(
        self, folder: Path, model: CaptionModel, threshold: float | None = None
    ) -> None:
        if folder not in self._recorded or not (folder / RECORD_NAME).exists():
            before = read_record(folder) if self._resumed else None
            write_record(folder, self._record.joined(before))
            self._recorded.add(folder)
        save_checkpoint(
            folder, model, self._tokenizer, self._recipe, self._config, threshold, self._captions
        )


STATE_NAME = "state.safetensors"
STATE_VERSION = 3
_OLDEST_STATE_VERSION = 2
"""Its sums are called `loss`, which is the negated reward in self-critical training, and
`num_tokens`."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The progress of a run.

    Attributes:
        epoch: the current epoch, counted from 1.
        sums: the totals of its batches that are done.
        history: the finished epochs.
        model: the model's configuration as JSON.
        training: the run's configuration as JSON.
        data_sha256: of the data that the run is trained on, but for the content of the GIFs.
        gifs_sha256: of the content of the GIFs, as far as the features' manifest has it; empty in
            runs of earlier versions.
        phase: the phase that the epoch belongs to.
        scaler: of float16's gradients (`torch.amp.GradScaler.state_dict`); empty in other types.
    """

    epoch: int = 1
    sums: EpochSums = field(default_factory=EpochSums)
    history: list[EpochResult] = field(default_factory=list)
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    data_sha256: str
    gifs_sha256: str = ""
    phase: PhaseName = "cross_entropy"
    scaler: Mapping[str, float] = field(default_factory=dict)

    @property
    def has_begun(self) -> bool:
        """Whether a step was taken and saved, so that there is a run to continue."""
        return bool(self.history or self.sums.num_batches)


def save_state(
    path: Path, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write a run's state.

    Raises:
        OSError: it cannot be written.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in values.items()}
    row = {"format_version": STATE_VERSION, **to_json(progress)}
    save_tensors(path, tensors, {"progress": json.dumps(row)})


def read_progress(path: Path) -> Progress:
    """The progress in a state file, without its tensors.

    Raises:
        CheckpointError: it is missing, damaged, or of a newer format, or its network has a word
            detector.
    """
    try:
        check_regular(path)
        with safe_open(path, framework="pt") as file:
            row = parse_json((file.metadata() or {})["progress"])
        if not isinstance(row, dict):
            raise ValueError("no JSON object")
        version = row.pop("format_version")
        if version > STATE_VERSION:
            raise CheckpointError(f"{path}: of a newer gifdesc; upgrade gifdesc to resume it")
        if version < _OLDEST_STATE_VERSION:
            raise CheckpointError(f"{path}: of an older gifdesc; start again with --force")
        drop_word_detector(row.get("model"), path)
        row["sums"] = _sums_of(row.get("sums", {}), row.get("phase"), version)
        row["history"] = [from_json(EpochResult, result) for result in row.get("history", [])]
        progress = from_json(Progress, row)
        # Epochs are missing from the history where `patience` ended a phase before its last epoch.
        if progress.epoch <= len(progress.history):
            raise ValueError("its history has its epoch already")
        return progress
    except FileNotFoundError:
        raise CheckpointError(f"{path}: missing; there is no run to resume") from None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: damaged; start again with --force") from error


def _sums_of(row: Mapping[str, Any], phase: object, version: int) -> EpochSums:
    """The sums in a state of any version that can be read."""
    if version >= STATE_VERSION or not row:
        return from_json(EpochSums, row)
    kept = {name: row[name] for name in ("num_batches", "num_examples", "seconds")}
    sign = -1.0 if phase == "self_critical" else 1.0
    return EpochSums(**kept, total=sign * row["loss"], count=row["num_tokens"])


def check_shapes(path: Path, config: ModelConfig) -> None:
    """Check that a state has the tensors of a model, before the model takes memory.

    Raises:
        CheckpointError: the file is damaged, or of another model.
    """
    try:
        with empty_weights():
            state = CaptionModel(config).state_dict()
        wanted = {f"model.{name}": list(tensor.shape) for name, tensor in state.items()}
        with safe_open(path, framework="pt") as file:
            found = {
                name: file.get_slice(name).get_shape()
                for name in file.keys()  # noqa: SIM118
                if name.startswith("model.")
            }
    except (OSError, SafetensorError, RuntimeError, MemoryError) as error:
        raise CheckpointError(f"{path}: damaged; start again with --force") from error
    if found != wanted:
        raise CheckpointError(f"{path}: of a model of another size; start again with --force")


def load_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Load a state file into a model and its optimizer.

    Raises:
        CheckpointError: the file is damaged, or of another model.
    """
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}}
    try:
        for name, tensor in read_tensors(path).items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        model.load_state_dict(parts["model"])
        whole = optimizer.state_dict()
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimizer"].items():
            index, _, value_name = name.partition(".")
            state.setdefault(int(index), {})[value_name] = tensor
        optimizer.load_state_dict({**whole, "state": state})
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path}: damaged; start again with --force") from error
