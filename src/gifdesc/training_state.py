"""What a run needs to go on as if it had never stopped: one safetensors file, no pickle.

Everything random in a run is a function of its seed, the epoch and the example, so that no random
number generator's state has to be kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from gifdesc.errors import CheckpointError
from gifdesc.tensor_files import read_tensors, save_tensors

STATE_NAME = "state.safetensors"
STATE_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run has come.

    Attributes:
        epoch: the epoch that is under way, counted from 1.
        sums: over its batches that are done: the totals that its result is made of.
        history: one row per finished epoch.
        model: the model's configuration as JSON.
        training: the run's configuration as JSON.
        data_sha256: of what the run learns from.
        phase: what the run is learning from: the next token, or rewards.
        scaler: of float16's gradients (`torch.amp.GradScaler.state_dict`); empty in other types.
    """

    epoch: int = 1
    sums: Mapping[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    data_sha256: str
    phase: str = "cross_entropy"
    scaler: Mapping[str, float] = field(default_factory=dict)

    @property
    def has_begun(self) -> bool:
        """A step is done and kept: there is something to go on with."""
        return bool(self.history or self.sums)


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
    row = {"format_version": STATE_VERSION, **vars(progress)}
    save_tensors(path, tensors, {"progress": json.dumps(row)})


def read_progress(path: Path) -> Progress:
    """How far the run of a state file has come, without its tensors.

    Raises:
        CheckpointError: it is missing, damaged, or of a newer format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            row = json.loads((file.metadata() or {})["progress"])
        if not isinstance(row, dict):
            raise ValueError("no JSON object")
        version = row.pop("format_version")
        if version > STATE_VERSION:
            raise CheckpointError(f"{path}: of a newer gifdesc; upgrade gifdesc to resume it")
        if version < STATE_VERSION:
            raise CheckpointError(f"{path}: of an older gifdesc; start again with --force")
        return Progress(**row)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: missing; there is no run to resume") from None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: damaged; start again with --force") from error


def load_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Give a model and its optimizer the state that a file holds.

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
