"""The curves of a training run for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gifdesc.errors import UsageError
from gifdesc.training_results import EpochResult, to_row

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
