"""One process, or several that train one model together.

`torchrun` starts the processes and numbers them by environment variables. They share nothing but
sums: of gradients, losses and counts.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from gifdesc.errors import TrainingError, UsageError
from gifdesc.system.json_files import parse_json
from gifdesc.system.wording import counted


@dataclass(frozen=True)
class World:
    """The processes of a run.

    Attributes:
        rank: this process's number, from 0.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """This process writes the files and prints the messages."""
        return self.rank == 0

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the processes; all are of one type.

        Raises:
            TrainingError: another process has ended.
        """
        if self.size == 1 or not tensors:
            return
        # One message instead of many: the processes wait for each other once.
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        _sum(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def gather(self, texts: Sequence[str], device: torch.device) -> list[str]:
        """The texts of all processes, in the order of the processes.

        Raises:
            TrainingError: another process has ended.
        """
        if self.size == 1:
            return list(texts)
        # As sums, like all else: each process adds its bytes where the others have zeros.
        mine = torch.tensor(list(json.dumps(list(texts)).encode()), dtype=torch.int32)
        sizes = torch.zeros(self.size, dtype=torch.int32, device=device)
        sizes[self.rank] = len(mine)
        _sum(sizes)
        whole = torch.zeros(int(sizes.sum()), dtype=torch.int32, device=device)
        torch.split(whole, sizes.tolist())[self.rank].copy_(mine)
        _sum(whole)
        parts = torch.split(whole.cpu(), sizes.tolist())
        return [text for part in parts for text in parse_json(bytes(part.tolist()))]

    def any(self, claim: bool, device: torch.device) -> bool:
        """Whether the claim is true in any process.

        Raises:
            TrainingError: another process has ended.
        """
        if self.size == 1:
            return claim
        votes = torch.tensor(float(claim), device=device)
        _sum(votes)
        return bool(votes > 0)


def _sum(tensor: Tensor) -> None:
    try:
        dist.all_reduce(tensor)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # the back ends raise it when a connection is lost
        raise TrainingError(
            "another process of this run has ended; read its error, and continue with the same "
            "command and --resume"
        ) from error


@contextmanager
def joined_world(device: torch.device) -> Iterator[tuple[World, torch.device]]:
    """The processes of the run and the device of this process, as `torchrun` set them up.

    Without `torchrun`, a single process.

    Args:
        device: the device asked for; `cuda` becomes this process's own GPU.

    Raises:
        UsageError: there are fewer GPUs here than processes.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World(), device
        return
    if device.type == "cuda":
        num_processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        if num_processes > torch.cuda.device_count():  # all raise; none waits for the others
            raise UsageError(
                f"--device {device.type}: torchrun starts {num_processes} processes, and PyTorch "
                f"finds {counted(torch.cuda.device_count(), 'GPU')} here; give torchrun as many "
                "--nproc-per-node as GPUs, or train on --device cpu"
            )
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    # PyTorch imports this module with the first optimizer. Its functions have the process group of
    # that moment as a default argument: imported after the group is made, they keep it, and gloo's
    # threads, past `destroy_process_group` to the end of Python, where a thread that still holds a
    # tensor aborts the process.
    importlib.import_module("torch.distributed.nn.functional")
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size()), device
    finally:
        dist.destroy_process_group()


def is_main_process() -> bool:
    """Whether this process prints the messages of its run, before the processes are connected."""
    return os.environ.get("RANK", "0") == "0"
