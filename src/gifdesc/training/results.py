"""The results of a step, an epoch and a run, and their curves for TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from gifdesc.config import BestBy, TrainingConfig, to_json
from gifdesc.data.training_data import TrainingData
from gifdesc.errors import UsageError
from gifdesc.training.size import num_steps_of

PhaseName = Literal["cross_entropy", "self_critical"]


@dataclass(frozen=True)
class PhaseScore:
    """The number that a phase measures while it trains; the other is None.

    Attributes:
        loss: mean cross-entropy per token in nats.
        reward: mean CIDEr-D of sampled captions, 0 to 10.
    """

    loss: float | None = None
    reward: float | None = None


@dataclass(kw_only=True)
class EpochSums:
    """Totals of an epoch so far.

    Attributes:
        num_batches: optimizer steps.
        num_examples: trained on, over all processes.
        total: summed cross-entropy in nats, or summed rewards.
        count: tokens predicted, or captions rewarded.
        seconds: of wall-clock time.
    """

    num_batches: int = 0
    num_examples: int = 0
    total: float = 0.0
    count: float = 0.0
    seconds: float = 0.0

    @property
    def mean(self) -> float:
        """Cross-entropy per token or reward per caption; 0 without any."""
        return self.total / max(1.0, self.count)

    @property
    def examples_per_second(self) -> float:
        """Examples trained on per second."""
        return self.num_examples / max(1e-9, self.seconds)


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """One epoch: a line of history.jsonl.

    Attributes:
        epoch: counted from 1.
        phase: the phase that the epoch belongs to.
        train_loss: mean cross-entropy per token in nats, dropout on; None in self-critical
            training.
        train_reward: mean CIDEr-D of sampled captions, 0 to 10; None outside that phase.
        val_loss: cross-entropy on the validation split, dropout off; None without one.
        val_token_accuracy: share of its tokens predicted right; None without one.
        val_cider: CIDEr of its greedy captions, 0 to 10; None if it is not computed.
        learning_rate: of the epoch's last step.
        seconds: wall-clock time of the epoch's steps.
        examples_per_second: examples trained on per second.
        is_best: this epoch's weights are the model folder's.
    """

    epoch: int
    phase: PhaseName
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
        reward: mean CIDEr-D of the captions sampled for this batch; None outside that phase.
        examples_per_second: in this epoch so far.
    """

    epoch: int
    num_examples: int
    loss: float | None
    reward: float | None
    examples_per_second: float


@dataclass(frozen=True)
class TrainingSummary:
    """The result of a run.

    Attributes:
        model_dir: the model folder.
        history: one result per epoch.
        data: the training data.
        num_parameters: trained numbers of the model.
        num_cut: captions that were longer than the limit and were cut.
        config: the run, with the sizes that followed the data.
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
        if not self._losses:
            return 0
        config = replace(self.config, epochs=len(self._losses))
        return num_steps_of(config, self.data.num_pairs)

    @property
    def _losses(self) -> list[float]:
        """The training losses of the epochs of the cross-entropy phase."""
        return [result.train_loss for result in self.history if result.train_loss is not None]

    def to_json(self) -> dict[str, Any]:
        """The summary as the JSON object of `gifdesc train --json`."""
        best = [result for result in self.history if result.is_best][-1]
        return {
            "model": str(self.model_dir),
            "epochs": len(self.history),
            "best_epoch": best.epoch,
            "train_loss": self._losses[-1],
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
            "problems": list(self.data.problems),
            "notes": self.data.notes,
        }


def is_better(
    loss: float | None, cider: float | None, history: Sequence[EpochResult], by: BestBy
) -> bool:
    """Whether an epoch beats all before it.

    Epochs of equal CIDEr, or without CIDEr, are compared by their loss. Without a validation score,
    or by `last`, the latest epoch is always the best.

    Args:
        loss: the epoch's validation loss.
        cider: the epoch's validation CIDEr.
        history: the epochs before.
        by: the score that decides.
    """
    if by == "last" or loss is None:
        return True
    rank = _rank(loss, cider, by)
    return all(
        result.val_loss is None or rank > _rank(result.val_loss, result.val_cider, by)
        for result in history
    )


def num_epochs_since_best(history: Sequence[EpochResult]) -> int:
    """Epochs after the latest best one."""
    best = [index for index, result in enumerate(history) if result.is_best]
    return len(history) - 1 - best[-1] if best else 0


def _rank(loss: float, cider: float | None, by: BestBy) -> tuple[float, float]:
    return (cider or 0.0 if by == "cider" else 0.0, -loss)


_NOT_CURVES = {"epoch", "phase", "is_best"}


class CurveLog:
    """Writes every epoch's numbers as TensorBoard's event files.

    Args:
        folder: of the event files; made if it does not exist.

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
        """Write the numbers of an epoch that are not None."""
        for name, value in to_json(result).items():
            if name not in _NOT_CURVES and value is not None:
                self._writer.add_scalar(name, value, result.epoch)
        self._writer.flush()
