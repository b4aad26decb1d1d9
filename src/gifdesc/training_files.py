"""What a training run writes into its model folder."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from gifdesc.caption_statistics import CaptionStatistics
from gifdesc.checkpoint import WEIGHTS_NAME, save_checkpoint, save_confidence_threshold
from gifdesc.config import FeatureRecipe, TrainingConfig
from gifdesc.curves import plot_history
from gifdesc.errors import GifdescError, TrainingError
from gifdesc.files import reason, write_json_lines
from gifdesc.model import CaptionModel
from gifdesc.model_folder import HISTORY_NAME
from gifdesc.resuming import LAST_NAME
from gifdesc.tokenizer import CaptionTokenizer
from gifdesc.training_record import TrainingRecord, read_record, write_record
from gifdesc.training_state import STATE_NAME, Progress, save_state

CURVES_NAME = "training.png"

_DRAW_SECONDS = 30.0
"""The curves are drawn this often, and at the end: half a second each time is 2 % of a run."""

log = logging.getLogger(__name__)


class TrainingFiles:
    """Writes a run's models, history, curves and state.

    Args:
        model_dir: the model folder.
        tokenizer: the model's.
        recipe: of the features, None where nobody knows.
        config: the run.
        captions: what the training captions are like.
        record: which GIFs the run learns from.
        resumed: whether the run goes on, so that the folder's own record stays in it.
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
    ) -> None:
        self._model_dir = model_dir
        self._tokenizer = tokenizer
        self._recipe = recipe
        self._config = config
        self._captions = captions
        self._record = record
        self._resumed = resumed
        self._recorded: set[Path] = set()
        self._drawn_seconds = time.monotonic()
        self._num_drawn: int | None = None

    def save_epoch(
        self,
        model: CaptionModel,
        history: Sequence[dict[str, Any]],
        threshold: float | None,
    ) -> None:
        """Write what a finished epoch leaves: its model, its row, now and then the curves.

        Args:
            model: as it is after the epoch.
            history: a row per finished epoch; the last one says whether it is the best.
            threshold: of the best epoch's captions (confidence.py).

        Raises:
            TrainingError: the folder cannot be written.
        """
        with self._writing():
            self._save_model(self._model_dir / LAST_NAME, model)
            if len(history) == 1:
                # The tokenizer of this run must never stand beside the weights of another.
                (self._model_dir / WEIGHTS_NAME).unlink(missing_ok=True)
            if history[-1]["is_best"]:
                self._save_model(self._model_dir, model, threshold)
            write_json_lines(self._model_dir / HISTORY_NAME, history)
        if time.monotonic() - self._drawn_seconds > _DRAW_SECONDS:
            self.draw(history)

    def save_threshold(self, threshold: float | None) -> None:
        """State the best epoch's confidence threshold as it is known by the end.

        Raises:
            TrainingError: the folder cannot be written.
        """
        with self._writing():
            save_confidence_threshold(self._model_dir, threshold)

    def save_state(
        self, progress: Progress, model: CaptionModel, optimizer: torch.optim.Optimizer
    ) -> None:
        """Write what a resume needs.

        Raises:
            TrainingError: the folder cannot be written.
        """
        with self._writing():
            save_state(self._model_dir / LAST_NAME / STATE_NAME, progress, model, optimizer)

    def draw(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Draw the curves unless they are drawn; a picture that fails is only warned of."""
        if not history or len(history) == self._num_drawn:
            return
        path = self._model_dir / CURVES_NAME
        try:
            plot_history(history, path)
        except GifdescError as error:
            log.warning("%s", error)
        # A computer that trains may have no library for pictures; matplotlib has many errors.
        except (ImportError, MemoryError, OSError, RuntimeError, ValueError) as error:
            log.warning("%s: not drawn: %s", path, error)
        self._drawn_seconds = time.monotonic()
        self._num_drawn = len(history)

    def _save_model(
        self, folder: Path, model: CaptionModel, threshold: float | None = None
    ) -> None:
        if folder not in self._recorded:
            before = read_record(folder) if self._resumed else None
            write_record(folder, self._record.joined(before))
            self._recorded.add(folder)
        save_checkpoint(
            folder, model, self._tokenizer, self._recipe, self._config, threshold, self._captions
        )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrainingError(f"{self._model_dir}: cannot be written: {reason(error)}") from error
