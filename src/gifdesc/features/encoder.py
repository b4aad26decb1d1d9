"""The network as an encoder of frames: PyTorch on a CPU or a GPU, or OpenVINO on a CPU."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from gifdesc.config import Precision, PrecisionChoice
from gifdesc.errors import UsageError
from gifdesc.features.backbones.base import Backbone, network_on_pixels
from gifdesc.features.encoder_openvino import OPENVINO_BACKBONES, OpenVinoEncoder
from gifdesc.features.frames import Pixels, Vectors
from gifdesc.system.device import (
    cpu_streams,
    exact_float32,
    has_fast_bfloat16,
    num_shares_of,
)

log = logging.getLogger(__name__)


class TorchEncoder:
    """A backbone by PyTorch.

    Batch-norm is folded, and the layout is channels last. On CUDA, copies and the caller's work
    overlap with the network; 16-bit precisions use autocast. On a CPU a batch is split among
    streams, each with its own threads: threads that share a layer wait for each other after it, and
    wait longer when another program needs a core.

    Args:
        backbone: the network and its preprocessing.
        device: where to compute.
        precision: `float32`, or what autocast uses.
    """

    def __init__(
        self, backbone: Backbone, device: torch.device, precision: Precision = "float32"
    ) -> None:
        self._device = device
        self._dtype: torch.dtype = getattr(torch, precision)
        self._network = network_on_pixels(backbone).to(device)
        self._network.to(memory_format=torch.channels_last)
        self._num_streams, num_threads = cpu_streams() if device.type == "cpu" else (1, None)

        def start_stream() -> None:
            if num_threads is not None:
                torch.set_num_threads(num_threads)  # of this thread

        self._streams = ThreadPoolExecutor(
            self._num_streams, "gifdesc-stream", initializer=start_stream
        )
        self._submitted: list[Future[Vectors]] = []
        if device.type == "cuda":
            # Copies have streams of their own: the next batch must not wait for results that are
            # still being computed. So has the network: a caption search computes beside it.
            self._computing = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            self._computing.wait_stream(torch.cuda.current_stream(device))  # the weights arrive
            self._copying_in = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            self._copying_out = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._core_frames = backbone.core_frames
        on_cpu = backbone.core_frames * self._num_streams
        self.batch_frames = 256 if device.type == "cuda" else on_cpu

    def submit(self, pixels: Pixels) -> Callable[[], Vectors]:
        """Start computing; returns before the result is ready."""
        if self._device.type == "cuda":
            return self._submit_cuda(pixels)
        num_shares = num_shares_of(len(pixels), self._num_streams, self._core_frames)
        shares = np.array_split(pixels, num_shares)
        futures = [self._streams.submit(self._compute, share) for share in shares]
        self._submitted = [future for future in self._submitted if not future.done()] + futures
        return lambda: np.concatenate([future.result() for future in futures])

    def cancel(self) -> None:
        """Drop submitted frames whose computation has not started."""
        for future in self._submitted:
            future.cancel()
        self._submitted.clear()

    @torch.inference_mode()
    def _submit_cuda(self, pixels: Pixels) -> Callable[[], Vectors]:
        """Copy in, compute and copy out, each on its own stream, in parallel with other batches.

        A tensor that another stream uses is recorded on that stream, so that its memory is not
        reused too early (PyTorch's CUDA semantics, on memory and streams).
        """
        computing = self._computing
        with torch.cuda.stream(self._copying_in):
            frames = torch.from_numpy(pixels).pin_memory().to(self._device, non_blocking=True)
        computing.wait_stream(self._copying_in)
        frames.record_stream(computing)
        is_float32 = self._dtype is torch.float32
        with torch.cuda.stream(computing), exact_float32(self._device, if_true=is_float32):
            device_vectors = self._forward(frames)
        host_vectors = torch.empty(device_vectors.shape, pin_memory=True)
        self._copying_out.wait_stream(computing)
        with torch.cuda.stream(self._copying_out):
            host_vectors.copy_(device_vectors, non_blocking=True)
        device_vectors.record_stream(self._copying_out)
        done = self._copying_out.record_event()

        def wait() -> Vectors:
            done.synchronize()
            return host_vectors.numpy()

        return wait

    @torch.inference_mode()
    def _compute(self, pixels: Pixels) -> Vectors:
        vectors: Vectors = self._forward(torch.from_numpy(pixels).to(self._device)).cpu().numpy()
        return vectors

    def _forward(self, frames: Tensor) -> Tensor:
        frames = frames.contiguous(memory_format=torch.channels_last)
        is_reduced = self._dtype != torch.float32
        with torch.autocast(self._device.type, dtype=self._dtype, enabled=is_reduced):
            vectors: Tensor = self._network(frames)
        return vectors.float()


RuntimeName = Literal["auto", "torch", "openvino"]

OPENVINO_MIN_GIFS: dict[Precision, int] = {"float32": 8, "bfloat16": 64}
"""Fewest GIFs for which `auto` uses OpenVINO: it starts 1.4 s later than PyTorch, and is then
faster, by a sixth in float32 and by a tenth in bfloat16 (docs/benchmarks.md)."""


class FrameEncoder(Protocol):
    """Frames to feature vectors.

    Attributes:
        batch_frames: the most efficient number of frames in a batch.
    """

    batch_frames: int

    def submit(self, pixels: Pixels) -> Callable[[], Vectors]:
        """Start computing uint8 (N, 3, h, w); the returned function waits for (N, D).

        Pixels with channels last in memory are not copied.
        """
        ...

    def cancel(self) -> None:
        """Drop frames whose computation has not started; waiting for them raises CancelledError."""
        ...


def has_openvino() -> bool:
    """Whether the extra `gifdesc[openvino]` is installed."""
    return importlib.util.find_spec("openvino") is not None


def choose_precision(
    backbone: Backbone,
    device: torch.device,
    precision: PrecisionChoice = "auto",
) -> Precision:
    """The number format of the network on a device.

    `auto` is bfloat16 where the device computes it in hardware, float16 on an older GPU, and
    float32 elsewhere, and for backbones whose features bfloat16 changes.

    Raises:
        UsageError: the CPU does not compute the precision in hardware, or the backbone's features
            need float32.
    """
    if precision == "auto":
        if not backbone.has_16_bits:
            return "float32"
        if has_fast_bfloat16(device):
            return "bfloat16"
        return "float16" if device.type == "cuda" else "float32"
    if precision != "float32" and not backbone.has_16_bits:
        raise UsageError(
            f"--precision {precision}: changes the features of {backbone.name}, or was not "
            "measured for it; use auto or float32"
        )
    if precision == "float16" and device.type == "cpu":
        raise UsageError("--precision float16: for GPUs only; use auto or float32 on a CPU")
    if precision == "bfloat16" and device.type == "cpu" and not has_fast_bfloat16(device):
        raise UsageError(
            "--precision bfloat16: this CPU does not compute it in hardware; use auto or float32"
        )
    return precision


def make_encoder(
    backbone: Backbone,
    device: torch.device,
    *,
    runtime: RuntimeName = "torch",
    precision: Precision = "float32",
    num_gifs: int = 1,
) -> FrameEncoder:
    """The encoder for the options of a user.

    Args:
        backbone: the network and its preprocessing.
        device: where to compute.
        runtime: `auto` uses OpenVINO on a CPU if it is installed and there are enough GIFs.
        precision: of the arithmetic.
        num_gifs: GIFs to encode.

    Raises:
        UsageError: OpenVINO is not installed, or does not support the device or the backbone.
    """
    if runtime == "openvino" and device.type != "cpu":
        raise UsageError("--runtime openvino: supports only the CPU; use --runtime torch")
    has_graph = backbone.name in OPENVINO_BACKBONES
    if runtime == "openvino" and not has_graph:
        raise UsageError(
            f"--runtime openvino: supports only {', '.join(OPENVINO_BACKBONES)}, not "
            f"{backbone.name}; use --runtime torch"
        )
    min_gifs = OPENVINO_MIN_GIFS.get(precision)
    is_worth_it = min_gifs is not None and num_gifs >= min_gifs and device.type == "cpu"
    if runtime == "openvino" or (
        runtime == "auto" and has_graph and is_worth_it and has_openvino()
    ):
        if not has_openvino():
            raise UsageError("--runtime openvino: not installed; pip install 'gifdesc[openvino]'")
        log.info("%s: OpenVINO on the CPU in %s", backbone.name, precision)
        return OpenVinoEncoder(backbone, precision)
    log.info("%s: PyTorch on %s in %s", backbone.name, device, precision)
    return TorchEncoder(backbone, device, precision)
