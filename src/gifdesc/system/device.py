"""The device that computes, its streams, and batches that fit into its memory."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch

from gifdesc.errors import GifdescError, UsageError
from gifdesc.system.cores import available_cores
from gifdesc.system.device_name import check_device_name
from gifdesc.system.wording import counted

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

_MAX_CPU_STREAMS = 8


def resolve_device(name: str | torch.device) -> torch.device:
    """The device that `--device` names.

    Args:
        name: `auto` (CUDA, else MPS, else CPU), `cpu`, `cuda`, `cuda:N` or `mps`; a resolved
            device is returned unchanged.

    Raises:
        UsageError: there is no such device on this machine, or no such name.
    """
    if isinstance(name, torch.device):
        return name
    check_device_name(name)
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--device {name}: PyTorch finds no CUDA GPU here; use auto or cpu")
    if kind == "cuda" and index and int(index) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UsageError(f"--device {name}: there are {count} GPUs here, counted from 0")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device mps: PyTorch finds no Apple GPU here; use auto or cpu")
    return torch.device(name)


def on_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A CPU tensor on a device, without waiting for the computations of the device.

    Only pinned memory is copied asynchronously: a copy of other memory waits for the stream (CUDA
    C++ Programming Guide, "Asynchronous Concurrent Execution"). PyTorch keeps the pinned memory
    until the copy is done.
    """
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether a device computes bfloat16 in hardware, as PyTorch reports it.

    On a CPU: AVX512-BF16, AMX or ARM's BF16. On CUDA: compute capability 8.0 (Ampere) or more;
    PyTorch emulates bfloat16 on older GPUs.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    capabilities: Any = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities:
        return any(bool(has) for name, has in capabilities.items() if name.endswith("bf16"))
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in names)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is that memory ran out, on a GPU or on the CPU."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        # The allocator of the CPU has no own error class.
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )


class BatchLimit:
    """How many items are computed at once: half as many after each time that memory runs short.

    Args:
        item: the name of an item in messages.
        remedy: what to do if memory does not suffice for one item.
        size: the first limit.
        error_class: of the error in that case.

    Attributes:
        size: items that are computed at once at most.
    """

    def __init__(
        self,
        item: str,
        remedy: str,
        size: int = sys.maxsize,
        error_class: type[GifdescError] = GifdescError,
    ) -> None:
        self.size = size
        self._item = item
        self._remedy = remedy
        self._error_class = error_class

    def attempt(self, compute: Callable[[], Result], num_items: int) -> Result | None:
        """The result of a computation; None if memory ran short and the limit was halved.

        Args:
            compute: the computation.
            num_items: that it computes at once.

        Raises:
            GifdescError: memory does not suffice for one item.
        """
        try:
            return compute()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside the handler, whose traceback holds on to the tensors.
        if num_items == 1:
            raise self._error_class(f"not enough memory for one {self._item}; {self._remedy}")
        if self.size >= num_items:
            self.size = math.ceil(num_items / 2)
            batches = counted(self.size, self._item)
            log.warning("out of memory: continuing with batches of %s", batches)
        torch.cuda.empty_cache()  # without CUDA it does nothing
        return None

    def map(
        self, compute: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]
    ) -> list[Result]:
        """The results of a computation for all items, in batches that fit.

        Args:
            compute: some of the items -> a result for each.
            items: of any number.

        Raises:
            GifdescError: memory does not suffice for one item.
        """
        results: list[Result] = []
        while left := items[len(results) :]:
            batch = left[: self.size]
            results += self.attempt(partial(compute, batch), len(batch)) or []
        return results


def cpu_streams() -> tuple[int, int]:
    """The number of batches that a CPU computes in parallel, and the threads of each.

    Each has one thread on up to 8 cores, because threads that share a batch wait for each other;
    there are at most 8 streams, because each needs its own memory.
    """
    num_threads = min(torch.get_num_threads(), available_cores())
    threads_each = math.ceil(num_threads / _MAX_CPU_STREAMS)
    return num_threads // threads_each, threads_each


def num_shares_of(num_frames: int, num_streams: int, core_frames: int) -> int:
    """The number of streams that compute a batch.

    A batch of one GIF has few frames. A core is slow with a share of less than half of the frames
    that suit it, so that other GIFs better take the other streams.

    Args:
        num_frames: in the batch, at least 1.
        num_streams: of the encoder.
        core_frames: frames that a core computes at once with the best speed.
    """
    return max(1, min(num_streams, num_frames // max(1, core_frames // 2)))


@contextmanager
def on_one_thread(*, if_true: bool = True) -> Iterator[None]:
    """Compute on one CPU thread in the block: for small tensors, further threads start too late."""
    num_threads = torch.get_num_threads()
    if if_true and num_threads > 1:
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(num_threads)
    else:
        yield


@contextmanager
def exact_float32(device: torch.device, *, if_true: bool = True) -> Iterator[None]:
    """Compute float32 exactly on a CUDA GPU in the block, then restore the program's settings.

    By default, cuDNN computes RNNs and convolutions of float32 with the 10-bit mantissas of TF32,
    and matrix products do so if the program allows it ("Numerical accuracy" in PyTorch's
    documentation). The older setting `allow_tf32` and the newer `fp32_precision` are both set:
    PyTorch refuses to compute if they contradict each other.
    """
    if not if_true or device.type != "cuda":
        yield
        return
    cudnn: Any = torch.backends.cudnn
    matmul: Any = torch.backends.cuda.matmul
    parts = (cudnn.rnn, cudnn.conv, matmul)
    precisions = [part.fp32_precision for part in parts]
    allowed = [_allows_tf32(part) for part in (cudnn, matmul)]
    cudnn.allow_tf32 = matmul.allow_tf32 = False
    for part in parts:
        part.fp32_precision = "ieee"
    try:
        yield
    finally:
        for part, before in zip((cudnn, matmul), allowed, strict=True):
            if before is not None:
                part.allow_tf32 = before
        for part, precision in zip(parts, precisions, strict=True):
            part.fp32_precision = precision


def _allows_tf32(part: Any) -> bool | None:
    """The older setting; None if the program uses the newer settings."""
    try:
        return bool(part.allow_tf32)
    except RuntimeError:
        return None
