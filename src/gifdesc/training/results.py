"""The results of a step, an epoch and a run, and their curves for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from gifdesc.config import BestBy, TrainingConfig
from gifdesc.data.training_data import TrainingData
from gifdesc.errors import UsageError
from gifdesc.training.size import num_steps_of

Phase = Literal["cross_entropy", "self_critical"]


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """One epoch: a line of history.jsonl.

    Attributes:
        epoch: counted from 1.
        phase: what was learnt from.
        train_loss: mean cross-entropy per token in nats, dropout on; None in self-critical
            training, which has none.
        train_reward: mean CIDEr-D of sampled captions, 0 to 10; None but in that phase.
        val_loss: cross-entropy on the validation split, dropout off; None without one.
        val_token_accuracy: share of its tokens predicted right; None without one.
        val_cider: CIDEr of its greedy captions, 0 to 10; None where it would mean nothing.
        learning_rate: of the epoch's last step.
        seconds: wall-clock time of the epoch's steps.
        examples_per_second: examples trained on per second.
        is_best: this epoch's weights are the model folder's.
    """

    epoch: int
    phase: Phase
    train_loss: float | None
    train_reward: float | None
    val_loss: float | None
    val_token_accuracy: float | None
    val_cider: float | None
    learning_rate: float
    seconds: float
    examples_per_second: float
    is_best: bool


@dataclass(frozen=True)
class StepResult:
    """One optimizer step.

    Attributes:
        epoch: counted from 1.
        num_examples: examples trained on in this epoch so far.
        loss: of this batch, per token in nats; None in self-critical training.
        reward: mean CIDEr-D of the captions sampled for this batch; None but in that phase.
        examples_per_second: in this epoch so far.
    """

    epoch: int
    num_examples: int
    loss: float | None
    reward: float | None
    examples_per_second: float


@dataclass(frozen=True)
class TrainingSummary:
    """How a run ended.

    Attributes:
        model_dir: the model folder.
        history: one result per epoch.
        data: what was learnt from.
        num_parameters: trained numbers of the model.
        num_cut: captions that were longer than the limit and were cut.
        config: the run, with what followed the data.
    """

    model_dir: Path
    history: list[EpochResult]
    data: TrainingData
    num_parameters: int
    num_cut: int
    config: TrainingConfig

    @property
    def num_steps(self) -> int:
        """Optimizer steps of the cross-entropy epochs that were taken."""
        num_epochs = sum(one.phase == "cross_entropy" for one in self.history)
        num_pairs = self.data.num_pairs
        return num_steps_of(replace(self.config, epochs=num_epochs), num_pairs) if num_epochs else 0

    def to_json(self) -> dict[str, Any]:
        """The summary as the JSON object of `gifdesc train --json`."""
        best = [result for result in self.history if result.is_best][-1]
        losses = [one.train_loss for one in self.history if one.train_loss is not None]
        return {
            "model": str(self.model_dir),
            "epochs": len(self.history),
            "best_epoch": best.epoch,
            "train_loss": losses[-1],
            "val_loss": best.val_loss,
            "val_token_accuracy": best.val_token_accuracy,
            "val_cider": best.val_cider,
            "batch_size": self.config.batch_size,
            "num_steps": self.num_steps,
            "num_parameters": self.num_parameters,
            "num_examples": {name: len(examples) for name, examples in self.data.splits.items()},
            "num_cut_captions": self.num_cut,
            "without_description": len(self.data.pairing.without_description),
            "without_features": len(self.data.pairing.without_features),
            "problems": self.data.problems,
            "notes": self.data.notes,
        }


def is_better(row: Mapping[str, Any], history: Sequence[Mapping[str, Any]], by: BestBy) -> bool:
    """Whether an epoch beats all before it; without a validation score, or by `last`, it does.

    Epochs of equal CIDEr are told apart by their loss, and so are those without CIDEr.

    Args:
        row: the epoch's `val_loss` and `val_cider`.
        history: the same of the epochs before.
        by: the score that decides.
    """
    return (
        by == "last"
        or row["val_loss"] is None
        or all(_rank(row, by) > _rank(one, by) for one in history)
    )


def num_epochs_since_best(history: Sequence[Mapping[str, Any]]) -> int:
    """Epochs after the latest best one."""
    best = [index for index, row in enumerate(history) if row["is_best"]]
    return len(history) - 1 - best[-1] if best else 0


def to_row(result: EpochResult) -> dict[str, Any]:
    """The result as a line of history.jsonl."""
    return asdict(result)


def _rank(row: Mapping[str, Any], by: BestBy) -> tuple[float, float]:
    cider = row["val_cider"] if by == "cider" else None
    return (0.0 if cider is None else cider, -row["val_loss"])


_NOT_CURVES = {"epoch", "phase", "is_best"}


class CurveLog:
    """Writes every epoch's numbers as TensorBoard's event files.

    Args:
        folder: where they go; made if it is not there.

    Raises:
        UsageError: tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError(
                "--tensorboard: tensorboard is not installed; pip install 'gifdesc[tensorboard]'"
            ) from error
        self._writer: Any = SummaryWriter(str(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.close()

    def epoch(self, result: EpochResult) -> None:
        """Write an epoch's numbers, those that it has."""
        for name, value in to_row(result).items():
            if name not in _NOT_CURVES and value is not None:
                self._writer.add_scalar(name, value, result.epoch)
        self._writer.flush()
